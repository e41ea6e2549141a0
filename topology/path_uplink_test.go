package topology_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/topology"
)

// A bridge that forwards by rules that nobody understands: neither is its uplink known, nor whether two guests of it meet.
func TestRails_ruledBridge(t *testing.T) {
	t.Parallel()
	got := rails(t, graph(t, "vm:v Contains vnic:v/n\nvnic:v/n AttachedTo virtualswitch:h/br0\nhost:h Contains virtualswitch:h/br0\n"+
		"virtualswitch:h/br0 forwardMode=openflow"), "vnic:v/n")
	const want = `network 0 independent
  v/n > h/br0 ?(OpenFlow rules, and not VLANs, decide what br0 passes)
    ... no source says which uplink virtualswitch br0 of h has: OpenFlow rules, and not VLANs, decide what br0 passes
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestBetween_ruledBridge(t *testing.T) {
	t.Parallel()
	const two = "vm:v Contains vnic:v/n\nvnic:v/n AttachedTo virtualswitch:h/br0\nvm:w Contains vnic:w/n\nvnic:w/n AttachedTo virtualswitch:h/br0\n" +
		"host:h Contains virtualswitch:h/br0\n"
	for facts, want := range map[string]string{
		"": "",
		"virtualswitch:h/br0 forwardMode=openflow": "OpenFlow rules, and not VLANs, decide what br0 passes",
		"virtualswitch:h/br0 forwardMode=unknown":  "nobody has read the rules by which br0 forwards",
	} {
		s := graph(t, two+facts)
		m := topology.Between(mustNode(t, s, "vm:v"), mustNode(t, s, "vm:w"))
		if (m.Gap == "") != (want == "") || !strings.Contains(m.Gap, want) {
			t.Errorf("with %q the gap is %q, not %q", facts, m.Gap, want)
		}
	}
}

// What the bridge of a host sends out by an uplink whose VLANs are known.
func TestRails_uplink(t *testing.T) {
	t.Parallel()
	const beyond = "port:s/2 tagged=120\n"
	for _, c := range []struct{ name, facts, want string }{
		{"the uplink carries the VLAN", tagged + "nic:h/e tagged=110,120\nnic:h/e untagged=", `
network 1 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"the uplink does not carry the VLAN", tagged + "nic:h/e tagged=110\nnic:h/e untagged=", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t X(VLAN 120 is not carried on e) > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"the tree blocks the uplink", tagged + "nic:h/e stpState=0 blocking", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t X(spanning tree blocks e) > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"the uplink takes the tag off", beyond + "vnic:v/n vid=120\nnic:h/e tagged=\nnic:h/e untagged=120\nport:s/1 pvid=120\nport:s/1 untagged=120", `
network 1 independent
  v/n 120t > h/br0 120t > h/e 120 > s/1 120 > s/2 120t > f/1 120t > f/v 120 .
`},
		{
			"the uplink takes the tag off, and the switch takes it for another VLAN",
			beyond + "vnic:v/n vid=120\nnic:h/e tagged=\nnic:h/e untagged=120\nport:s/1 pvid=110\nport:s/1 untagged=110", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120 > s/1 120 X(VLAN 120 comes without a tag, and s1 takes it for VLAN 110) > s/2 120t > f/1 120t > f/v 120 .
`,
		},
		{"frames without a tag, and an uplink that takes none off", beyond + "nic:h/e tagged=110,120\nnic:h/e untagged=\nport:s/1 pvid=120\nport:s/1 untagged=120", `
network 1 independent
  v/n > h/br0 > h/e > s/1 120 > s/2 120t > f/1 120t > f/v 120 .
`},
		{
			"frames without a tag, and an uplink with a native VLAN",
			beyond + "nic:h/e pvid=110\nnic:h/e tagged=\nnic:h/e untagged=110\nport:s/1 pvid=120\nport:s/1 untagged=120", `
network 0 independent
  v/n > h/br0 > h/e ?(no source says in which VLAN the bridge has frames without a tag; without one, e sends VLAN 110) > s/1 120 > s/2 120t > f/1 120t > f/v 120
    ... its end is known, but not all of the way: no source says in which VLAN the bridge has frames without a tag; without one, e sends VLAN 110
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := rails(t, graph(t, tiny+c.facts), "vnic:v/n")
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
