package topology_test

import (
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/topology"
)

// severed is pair with both guests in VLAN 120, where the uplink of the first one's switch is down: nobody hears anybody there any more.
var severed = strings.Replace(pair, "port:sa/2 Link port:core/a ~95\n", "", 1) + `
vnic:a/n vid=120
vnic:b/n vid=120
vm:a RunsOn host:ha
vm:b RunsOn host:hb
port:sa/2 state=down
port:core/a state=down
`

// TestEnclose: that frames do not arrive is certain where all is known to which they may get, and nowhere else.
func TestEnclose(t *testing.T) {
	t.Parallel()
	const third = "switch:sa Contains port:sa/3\n"
	const cut = "sa 2: state is down; VLAN 120 leads nowhere else; hb is behind sb 1, in VLAN 120"
	for _, c := range []struct{ name, without, with, want string }{
		{name: "the uplink is down", want: cut},
		{name: "it is switched off", without: "port:sa/2 state=down", with: "port:sa/2 state=up\nport:sa/2 adminState=down", want: "sa 2: it is switched off; VLAN 120 leads nowhere else; hb is behind sb 1, in VLAN 120"},
		{name: "nobody says that it is", without: "port:sa/2 state=down", want: "?sa 2 carries VLAN 120, and no source says what is behind it"},
		{name: "somebody says that it is up", without: "port:sa/2 state=down", with: "port:sa/2 state=up\nssh other sa:\nport:sa/2 state=down", want: "?sources disagree on whether sa 2 is up"},
		{name: "it lacks the VLAN", without: "port:sa/2 tagged=120,130\nport:sa/2 state=down", with: "port:sa/2 tagged=130", want: "VLAN 120 gets to sa and no further; hb is behind sb 1, in VLAN 120"},
		{name: "it lacks the VLAN, as far as was read", without: "port:sa/2 tagged=120,130\nport:sa/2 state=down", with: "snmp vlans~ sa:\nport:sa/2 tagged=130", want: "?not all VLANs of sa 2 are known"},
		{name: "another port of the VLAN", with: third + "port:sa/3 tagged=120", want: "?sa 3 carries VLAN 120, and no source says what is behind it"},
		{name: "another port of another VLAN", with: third + "port:sa/3 tagged=130", want: cut},
		{name: "a port of which nobody says the VLANs", with: third + "port:sa/3 HasNeighbor neighbor:n", want: "?no source says which VLANs sa 3 carries"},
		{name: "an interface that is no port of the bridge", with: third + "port:sa/3 state=up", want: cut},
		{name: "one of its own", with: third + "port:sa/3 vid=120\nport:sa/3 pvid=120\nport:sa/3 untagged=120", want: cut},
		{name: "interfaces that were not read whole", with: "snmp ifTable~ sa:\nswitch:sa Contains port:sa/3\nport:sa/3 state=down", want: "?what sa said of the interfaces of sa by snmp ifTable is not all"},
		{name: "no VLANs were read", without: "port:sa/2 tagged=120,130\nport:sa/1 tagged=120,130", want: "?no source says which VLANs sa 1 carries"},
		{name: "a switch that nobody has collected", with: third + "port:sa/3 tagged=120\nport:sa/3 Link port:x/1 ~95", want: "?no source says what 1 belongs to"},
		{name: "a switch of which nothing was read", with: third + "port:sa/3 tagged=120\nport:sa/3 Link port:x/1 ~95\nswitch:x Contains port:x/1", want: "?no source says which VLANs x 1 carries"},
		{name: "a switch that leads nowhere", with: third + "port:sa/3 tagged=120\nport:sa/3 Link port:x/1 ~95\nswitch:x Contains port:x/1\nport:x/1 tagged=120", want: cut},
		{name: "a switch that leads back", with: third + "port:sa/3 tagged=120\nport:sa/3 Link port:x/1 ~95\nswitch:x Contains port:x/1\nport:x/1 tagged=120\nswitch:x Contains port:x/2\nport:x/2 tagged=120\nport:x/2 Link port:core/x ~95\nswitch:core Contains port:core/x\nport:core/x tagged=120", want: "reached"},
		{name: "and is blocked", with: third + "port:sa/3 tagged=120\nport:sa/3 Link port:core/x ~95\nswitch:core Contains port:core/x\nport:core/x tagged=120\nport:sa/3 stpState=0 blocking", want: "reached"},
		{name: "frames without a tag, into another VLAN", with: third + "port:sa/3 untagged=120\nport:sa/3 pvid=120\nport:sa/3 Link port:core/x ~95\nswitch:core Contains port:core/x\nport:core/x untagged=130\nport:core/x pvid=130", want: "reached"}, // its host, in that VLAN
		{name: "learned addresses alone", without: "nic:ha/e Link port:sa/1 ~95", with: "nic:ha/e Link port:sa/1 ~60", want: "?what ha e is cabled to is known by learned addresses alone"},
		{name: "two cables are claimed", with: "port:sa/1 Link port:y/1 ~95\nswitch:y Contains port:y/1", want: "?sources disagree on what 1 is cabled to"},
		{name: "something is between", with: "port:sa/1 HasNeighbor neighbor:n\nneighbor:n sysName=hub", want: "?sa 1 hears hub beside ha e"},
		{name: "whom it hears is whom it is cabled to", with: "port:sa/1 HasNeighbor neighbor:n\nneighbor:n IdentifiedAs nic:ha/e", want: cut},
		{name: "an address that nobody has", with: "port:sa/1 learned=120 02:00:00:00:00:07 learned", want: "?sa 1 has learned 02:00:00:00:00:07, which is not known to be ha's"},
		{name: "in another VLAN", with: "port:sa/1 learned=130 02:00:00:00:00:07 learned", want: cut},
		{name: "a guest's address", with: "port:sa/1 learned=120 02:00:00:00:00:07 learned\nvnic:a/n mac=02:00:00:00:00:07", want: cut},
		{name: "tunnels", with: "switch:sa Contains vlan:sa/120\nvlan:sa/120 vni=10120", want: "?120 of sa leads into tunnels"},
		{name: "a line that nobody understood", with: "switch:sa unparsed=vlan.cfg:7: xconnect", want: "?of sa nobody understood vlan.cfg:7: xconnect"},
		{name: "tags within tags", with: "port:sa/1 tpid=0x88a8", want: "?the tags of 1 are those of 0x88a8"},
		{name: "a guest in two networks", with: "vm:c Contains vnic:c/m\nvm:c Contains vnic:c/n\nvnic:c/m vid=120\nvnic:c/n vid=130\nvm:c RunsOn host:ha", want: "?c on ha is in several networks"},
		{name: "it is itself in two networks", with: "vm:a Contains vnic:a/m\nvnic:a/m vid=130", want: cut},
		{name: "a bridge with two uplinks", with: "host:ha Contains nic:ha/e2\nhost:ha Contains virtualswitch:ha/br\nvirtualswitch:ha/br SupportedBy nic:ha/e\nvirtualswitch:ha/br SupportedBy nic:ha/e2", want: "?br lies on ha e2, too"},
		{name: "a second cable of which nobody says what lies on it", with: "host:ha Contains nic:ha/e2\nnic:ha/e2 Link port:sb/4 ~95\nswitch:sb Contains port:sb/4", want: "?no source says what lies on ha e2"},
		{name: "a port of a host's bridge", with: "host:ha Contains port:ha/x\nport:ha/x tagged=120\nport:ha/x state=up", want: "?ha x carries VLAN 120"},
		{name: "a second host there", with: third + "port:sa/3 tagged=120\nport:sa/3 Link nic:hc/e ~95\nhost:hc Contains nic:hc/e", want: cut},
		{name: "a router's own cable", with: third + "port:sa/3 tagged=120\nport:sa/3 Link port:r/e ~95\nrouter:r Contains port:r/e\nport:r/e address=192.0.2.9/24", want: cut},
		{name: "a router of which nobody knows what it does", with: third + "port:sa/3 tagged=120\nport:sa/3 Link port:r/e ~95\nrouter:r Contains port:r/e", want: "?no source says which VLANs r e carries"},
		{name: "nobody knows where the other one runs", without: "vm:b RunsOn host:hb", want: "reached"},
		{name: "nor what its host is cabled to", without: "nic:hb/e Link port:sb/1 ~95", want: "reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			facts := severed
			for line := range strings.Lines(c.without) {
				if line = strings.TrimSpace(line) + "\n"; !strings.Contains(facts, line) {
					t.Fatalf("%q is not there", line)
				}
				facts = strings.Replace(facts, line, "", 1)
			}
			s := graph(t, facts+c.with)
			from, to := mustNode(t, s, "vnic:a/n"), mustNode(t, s, "vnic:b/n")
			e := topology.Enclose(from, topology.NetworkPaths(from))
			why, _, ok := e.Excludes(to, topology.NetworkPaths(to))
			got := why
			switch {
			case e.Open != "" && !ok:
				got = "?" + e.Open
			case !ok:
				got = "reached"
			}
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
