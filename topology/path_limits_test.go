package topology_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/topology"
)

// What rides inside another tag is not joined with the VLAN of the inner number, nor with that of the outer one.
func TestRails_stackedTags(t *testing.T) {
	t.Parallel()
	const carried = "port:s/1 tagged=100,120\nport:s/2 tagged=100,120\n"
	const below = "virtualswitch:h/br0 SupportedBy port:h/e.120\nport:h/e.120 ifType=135\nport:h/e.120 vid=120\nport:h/e.120 SupportedBy nic:h/e\nhost:h Contains port:h/e.120\n"
	plain := strings.Replace(tiny, "virtualswitch:h/br0 SupportedBy nic:h/e\n", "", 1) + carried + below
	const inner = "\n    ... its end is known, but not all of the way: frames have a tag already where e.100 puts on its own: who takes both off is not known\n"
	for _, c := range []struct{ name, facts, want string }{
		{"one tag", plain, `
network 1 independent
  v/n > h/br0 > h/e.120 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"one tag that the vNIC names, too", plain + "vnic:v/n vid=120", `
network 1 independent
  v/n 120t > h/br0 120t > h/e.120 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"a tag of another kind", plain + "port:h/e.120 tpid=802.1ad", `
network 0 independent
  v/n > h/br0 > h/e.120 ?(the tags of e.120 are those of 802.1ad: what rides inside of them is not known) > h/e > s/1
`},
		{"another tag inside", plain + "vnic:v/n vid=100", `
network 0 independent
  v/n 100t > h/br0 100t > h/e.120 120t ?(frames have a tag already where e.120 puts on its own: who takes both off is not known) > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120
`},
		{"a VLAN on a VLAN", strings.Replace(plain, "port:h/e.120 SupportedBy nic:h/e\n", "port:h/e.120 SupportedBy port:h/e.100\nport:h/e.100 vid=100\nport:h/e.100 ifType=135\nport:h/e.100 SupportedBy nic:h/e\n", 1) + "port:f/v vid=100", `
network 0 independent
  v/n > h/br0 > h/e.120 120t > h/e.100 100t ?(frames have a tag already where e.100 puts on its own: who takes both off is not known) > h/e 100t > s/1 100t > s/2 100t > f/1 100t > f/v 100` + inner},
		{"a VLAN on a VLAN of its number", strings.Replace(plain, "port:h/e.120 SupportedBy nic:h/e\n", "port:h/e.120 SupportedBy port:h/e.100\nport:h/e.100 vid=120\nport:h/e.100 ifType=135\nport:h/e.100 SupportedBy nic:h/e\n", 1), `
network 0 independent
  v/n > h/br0 > h/e.120 120t > h/e.100 120t ?(frames have a tag already where e.100 puts on its own: who takes both off is not known) > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120` + inner},
		{"a gateway inside another tag", plain + "port:f/v SupportedBy port:f/1.7\nport:f/1.7 vid=7\nport:f/1.7 ifType=135\nport:f/1 tagged=120\nfirewall:f Contains port:f/1.7", `
network 0 independent
  v/n > h/br0 > h/e.120 120t > h/e 120t > s/1 120t
`},
		{"an interface for packets over one for frames", strings.Replace(plain, "port:f/v ifType=135", "port:f/v ifType=136", 1) + "port:f/v SupportedBy port:f/f.120\nport:f/f.120 vid=120\nport:f/f.120 ifType=135\nport:f/1 tagged=120\nfirewall:f Contains port:f/f.120", `
network 1 independent
  v/n > h/br0 > h/e.120 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"a bridge of another kind of VLANs", tiny + tagged + "port:s/2 tpid=802.1ad", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t ?(the tags of s2 are those of 802.1ad: what rides inside of them is not known) > f/1 120t > f/v 120
`},
		{"a vNIC that gets another kind of tag", tiny + "port:s/1 pvid=120\nport:s/1 untagged=120\nport:s/2 tagged=120\nvnic:v/n tpid=802.1ad\nvnic:v/n name=n", `
network 0 independent
  v/n ?(the tags of n are those of 802.1ad: what rides inside of them is not known) > h/br0 > h/e > s/1 120 > s/2 120t > f/1 120t > f/v 120
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, want := rails(t, graph(t, c.facts), "vnic:v/n"), strings.TrimPrefix(c.want, "\n")
			if !strings.Contains(want, "...") && !strings.Contains(want, " .\n") { // which gap there is does not matter
				got, _, _ = strings.Cut(got, "    ...")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// guests are two VMs behind ports of one bridge.
const guests = `
vm:v Contains vnic:v/n
vnic:v/n AttachedTo virtualswitch:h/br0
vnic:v/n deviceName=vnet0
vnic:v/n name=n
vm:w Contains vnic:w/n
vnic:w/n AttachedTo virtualswitch:h/br0
vnic:w/n deviceName=vnet1
host:h Contains virtualswitch:h/br0
host:h Contains port:h/vnet0
port:h/vnet0 ifName=vnet0
host:h Contains port:h/vnet1
port:h/vnet1 ifName=vnet1
`

// meet demands that two VMs meet, or the gap where they do not.
func meet(t *testing.T, guests, facts, want string) {
	t.Helper()
	s := graph(t, guests+facts)
	m := topology.Between(mustNode(t, s, "vm:v"), mustNode(t, s, "vm:w"))
	if (m.Gap == "") != (want == "") || !strings.Contains(m.Gap, want) {
		t.Errorf("with %q the gap is %q, not %q", facts, m.Gap, want)
	}
}

// Two guests of one bridge meet there, unless their ports are kept apart or are in different VLANs.
func TestBetween_portsOfOneBridge(t *testing.T) {
	t.Parallel()
	for facts, want := range map[string]string{
		"":                                "",
		"port:h/vnet0 portLimit=isolated": "",
		"port:h/vnet0 portLimit=isolated\nport:h/vnet1 portLimit=isolated":                                                                      "vnet0 and vnet1 are isolated from each other",
		"port:h/vnet1 portLimit=locked":                                                                                                         "vnet1 is locked",
		"port:h/vnet0 pvid=10\nport:h/vnet0 untagged=10\nport:h/vnet1 pvid=10\nport:h/vnet1 untagged=10":                                        "",
		"port:h/vnet0 pvid=10\nport:h/vnet0 untagged=10\nport:h/vnet1 pvid=20\nport:h/vnet1 untagged=20":                                        "the two ways do not meet",
		"port:h/vnet0 pvid=10\nport:h/vnet0 untagged=10\nport:h/vnet1 tagged=10\nport:h/vnet1 untagged=":                                        "the two ways do not meet",
		"port:h/vnet0 tagged=1-4094\nport:h/vnet0 untagged=\nport:h/vnet1 tagged=1-4094\nport:h/vnet1 untagged=":                                "",
		"virtualswitch:h/br0 forwardMode=vlans":                                                                                                 "no source says in which VLAN br0 has n",
		"virtualswitch:h/br0 forwardMode=vlans\nvnic:v/n vid=10\nvnic:w/n vid=10":                                                               "",
		"virtualswitch:h/br0 forwardMode=vlans\nport:h/vnet0 pvid=10\nport:h/vnet0 untagged=10\nport:h/vnet1 pvid=10\nport:h/vnet1 untagged=10": "",
		"vnic:v/n vid=10\nport:h/vnet0 pvid=20\nport:h/vnet0 untagged=20\nvnic:w/n vid=10":                                                      "vnet0 does not carry it",
	} {
		meet(t, guests, facts, want)
	}
}

// Guests on one interface without a bridge meet in it where the kernel passes frames between them, and of a network of several interfaces nobody knows.
func TestBetween_withoutBridge(t *testing.T) {
	t.Parallel()
	const without = "without a bridge"
	on := strings.ReplaceAll(guests, "AttachedTo virtualswitch:h/br0", "AttachedTo nic:h/e") + "host:h Contains nic:h/e\n"
	for facts, want := range map[string]string{
		"":                         without,
		"vnic:v/n linkMode=bridge": without,
		"vnic:v/n linkMode=bridge\nvnic:w/n linkMode=vepa":        without,
		"vnic:v/n linkMode=private\nvnic:w/n linkMode=private":    without,
		"vnic:v/n linkMode=bridge\nvnic:w/n linkMode=bridge":      "",
		"vnic:v/n linkMode=passthrough\nvnic:w/n linkMode=bridge": without,
	} {
		meet(t, on, facts, want)
	}
	over := strings.ReplaceAll(guests, "AttachedTo virtualswitch:h/br0", "AttachedTo network:h/net") + "host:h Contains network:h/net\nhost:h Contains nic:h/e\n"
	for facts, want := range map[string]string{
		"network:h/net forwardMode=bridge\nnetwork:h/net SupportedBy nic:h/e":                                    "",
		"network:h/net forwardMode=vepa\nnetwork:h/net SupportedBy nic:h/e":                                      without,
		"network:h/net forwardMode=hostdev\nnetwork:h/net SupportedBy nic:h/e":                                   without,
		"network:h/net forwardMode=bridge\nnetwork:h/net SupportedBy nic:h/e\nnetwork:h/net SupportedBy nic:h/f": without,
	} {
		meet(t, over, facts, want)
	}
}

// Guests of one libvirt network meet in its bridge, and not before: the ports of the bridge are what counts.
func TestBetween_networkOverBridge(t *testing.T) {
	t.Parallel()
	over := strings.ReplaceAll(guests, "AttachedTo virtualswitch:h/br0", "AttachedTo network:h/net") +
		"host:h Contains network:h/net\nnetwork:h/net forwardMode=bridge\nnetwork:h/net SupportedBy virtualswitch:h/br0\n"
	for facts, want := range map[string]string{
		"": "",
		"port:h/vnet0 portLimit=isolated\nport:h/vnet1 portLimit=isolated":                               "vnet0 and vnet1 are isolated from each other",
		"vnic:v/n portLimit=isolated\nport:h/vnet1 portLimit=isolated":                                   "vnet0 and vnet1 are isolated from each other",
		"vnic:v/n portLimit=isolated":                                                                    "",
		"network:h/net portLimit=isolated":                                                               "vnet0 and vnet1 are isolated from each other",
		"virtualswitch:h/br0 forwardMode=openflow":                                                       "OpenFlow rules, and not VLANs, decide what br0 passes",
		"port:h/vnet0 pvid=10\nport:h/vnet0 untagged=10\nport:h/vnet1 pvid=20\nport:h/vnet1 untagged=20": "the two ways do not meet",
		"port:h/vnet0 pvid=10\nport:h/vnet0 untagged=10\nport:h/vnet1 pvid=10\nport:h/vnet1 untagged=10": "",
	} {
		meet(t, over, facts, want)
	}
}

// Ports that their bridge keeps apart or locks are a doubt, where a path crosses them.
func TestRails_portLimits(t *testing.T) {
	t.Parallel()
	const guest = "vnic:v/n deviceName=vnet0\nhost:h Contains port:h/vnet0\nport:h/vnet0 ifName=vnet0\n"
	for facts, want := range map[string]string{
		"":                                "",
		"port:h/vnet0 portLimit=isolated": "",
		"port:h/vnet0 portLimit=isolated\nnic:h/e portLimit=isolated":                  "h/e 120t ?(vnet0 and e are isolated from each other)",
		"nic:h/e portLimit=isolated":                                                   "",
		"nic:h/e portLimit=locked":                                                     "h/e 120t ?(e is locked: its bridge takes the frames of known addresses alone)",
		"virtualswitch:h/br0 forwardMode=vlans":                                        "h/e 120t ?(no source says which VLANs e carries)",
		"virtualswitch:h/br0 forwardMode=vlans\nnic:h/e tagged=120\nnic:h/e untagged=": "",
		"port:h/vnet0 portLimit=locked":                                                "h/br0 120t ?(vnet0 is locked: its bridge takes the frames of known addresses alone)",
		"port:s/1 portLimit=isolated":                                                  "",
		"port:s/1 portLimit=locked":                                                    "s/1 120t ?(s1 is locked: its bridge takes the frames of known addresses alone)",
		"port:s/2 portLimit=isolated":                                                  "s/2 120t ?(s2 passes nothing of other isolated ports of s)",
		"lag:s/po SupportedBy port:s/2\nlag:s/po portLimit=locked":                     "s/2 120t ?(po is locked: its bridge takes the frames of known addresses alone)",
		"port:s/2 stpState=0 forwarding\nport:s/2 stpState=0 blocking":                 "s/2 120t X(spanning tree blocks s2)",
		"port:s/2 stpState=0 forwarding\nport:s/2 stpState=120 learning":               "s/2 120t X(spanning tree blocks s2)",
		"port:s/2 stpState=0 blocking\nport:s/2 stpState=120 forwarding":               "",
	} {
		got := rails(t, graph(t, tiny+tagged+guest+facts), "vnic:v/n")
		if clean := strings.Contains(got, "network 1 independent"); clean != (want == "") || !strings.Contains(got, want) {
			t.Errorf("with %q:\n%s", facts, got)
		}
	}
}

// Two hosts on isolated ports of one switch do not meet there.
func TestBetween_isolatedPorts(t *testing.T) {
	t.Parallel()
	const two = pair + "vnic:a/n vid=120\nvnic:b/n vid=120\nnic:hb/e Link port:sa/9 ~95\nswitch:sa Contains port:sa/9\nport:sa/9 tagged=120\nport:sa/9 ifName=9\nport:sa/1 ifName=1\n"
	alone := strings.Replace(two, "nic:hb/e Link port:sb/1 ~95\n", "", 1)
	for facts, want := range map[string]string{
		"":                               "",
		"port:sa/1 portLimit=isolated\n": "",
		"port:sa/1 portLimit=isolated\nport:sa/9 portLimit=isolated\n": "1 and 9 are isolated from each other",
	} {
		s := graph(t, alone+facts)
		m := topology.Between(mustNode(t, s, "vm:a"), mustNode(t, s, "vm:b"))
		if (m.Gap == "") != (want == "") || !strings.Contains(m.Gap, want) {
			t.Errorf("with %q the gap is %q, not %q", facts, m.Gap, want)
		}
	}
}
