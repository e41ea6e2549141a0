package topology_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/topology"
)

// Who is to mend a hop follows from what is wrong with it, whichever words say so.
func TestHop_cause(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, facts, at string
		want            topology.Cause
	}{
		{"all is well", tagged, "port:s/1", topology.NoCause},
		{"no signal", tagged + "port:s/1 state=down", "port:s/1", topology.Down},
		{"switched off", tagged + "port:s/2 adminState=down", "port:s/2", topology.Down},
		{"spanning tree at the edge", tagged + "port:s/1 stpState=120 blocking", "port:s/1", topology.Tree},
		{"spanning tree on the way out", tagged + "port:s/2 stpState=0 blocking", "port:s/2", topology.Tree},
		{"the VLAN is missing", "vnic:v/n vid=120\nport:s/1 tagged=130\nport:s/2 tagged=120", "port:s/1", topology.Membership},
		{"the VLAN is missing on the way out", "vnic:v/n vid=120\nport:s/1 tagged=120\nport:s/2 tagged=130\nport:f/1 tagged=120", "port:s/2", topology.Membership},
		{"nobody says the VLANs", "vnic:v/n vid=120\nport:s/2 tagged=120", "port:s/1", topology.Membership},
		{"the VLAN is suspended", tagged + "switch:s Contains vlan:s/120\nvlan:s/120 state=suspended", "port:s/1", topology.Database},
		{"the VLAN is in a state of another kind", tagged + "switch:s Contains vlan:s/120\nvlan:s/120 state=mtuTooBigForTrunk", "port:s/1", topology.Database},
		{"the switch has other VLANs", tagged + "switch:s Contains vlan:s/130", "port:s/1", topology.Database},
		{"a tag where none is meant to be", "vnic:v/n vid=120\nport:s/1 untagged=120\nport:s/2 tagged=120", "port:s/1", topology.Native},
		{"no tag, and no native VLAN is known", "port:s/1 tagged=120\nport:s/2 tagged=120", "port:s/1", topology.Native},
		{"locked", tagged + "port:s/1 portLimit=locked", "port:s/1", topology.Kept},
		{"isolated", tagged + "port:s/2 portLimit=isolated", "port:s/2", topology.Kept},
		{"tags of another kind", tagged + "port:s/2 tpid=802.1ad", "port:s/2", topology.Kept},
		{"two ends of one cable", tagged + "switch:x Contains port:x/1\nnic:h/e Link port:x/1 ~95", "port:s/1", topology.Cabling},
		{"nobody says that it routes", tagged + "switch:s Contains port:s/v\nport:s/v ifType=135\nport:s/v vid=120\nport:s/v InSubnet subnet:192.0.2.0/24\nport:f/1 state=down", "port:s/v", topology.Gateway},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, p := range topology.NetworkPaths(mustNode(t, graph(t, tiny+c.facts), "vnic:v/n")) {
				for _, h := range p.Hops {
					if h.Node.Key().String() != c.at {
						continue
					}
					if got := h.Cause(); got != c.want {
						t.Errorf("cause %d, want %d: fault %q, doubt %q", got, c.want, h.Fault, h.Doubt)
					}
					return
				}
			}
			t.Errorf("no path comes by %s", c.at)
		})
	}
}

// However many sound ways one member of an aggregate has, what is wrong behind the other one is told.
func TestRails_aside(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("vm:v Contains vnic:v/n\nvnic:v/n vid=120\nvnic:v/n AttachedTo virtualswitch:h/br0\nhost:h Contains virtualswitch:h/br0\nvirtualswitch:h/br0 SupportedBy lag:h/bond0\nhost:h Contains lag:h/bond0\n")
	cable := func(a, b string) string {
		var lines []string
		for _, p := range []string{a, b} {
			owner, _, _ := strings.Cut(p, "/")
			lines = append(lines, fmt.Sprintf("switch:%s Contains port:%s\nport:%s tagged=120", owner, p, p))
		}
		return strings.Join(append(lines, fmt.Sprintf("port:%s Link port:%s ~95", a, b)), "\n") + "\n"
	}
	for _, leaf := range []string{"a", "b"} {
		fmt.Fprintf(&b, "host:h Contains nic:h/%s\nlag:h/bond0 SupportedBy nic:h/%s\nswitch:%s Contains port:%s/host\nport:%s/host Link nic:h/%s ~95\n", leaf, leaf, leaf, leaf, leaf, leaf)
		for i := range 20 {
			for j := range 4 { // cables side by side
				b.WriteString(cable(fmt.Sprintf("%s/%d.%d", leaf, i, j), fmt.Sprintf("spine%d/%s.%d", i, leaf, j)))
			}
		}
	}
	b.WriteString("port:a/host tagged=120\nport:b/host tagged=130\n")
	for i := range 20 {
		fmt.Fprintf(&b, "switch:spine%d Contains port:spine%d/f\nport:spine%d/f tagged=120\nfirewall:f Contains port:f/%d\nport:f/%d tagged=120\nport:spine%d/f Link port:f/%d ~95\n", i, i, i, i, i, i, i)
	}
	b.WriteString("firewall:f Contains port:f/v\nport:f/v vid=120\nport:f/v InSubnet subnet:192.0.2.0/24\n")
	r := mustNode(t, graph(t, b.String()), "vnic:v/n").Rails()[0]
	if len(r.Aside) != 1 || r.Aside[0].Node.Key().String() != "port:b/host" || r.Aside[0].Fault == "" {
		t.Errorf("%d paths, %d more, aside %v", len(r.Paths), r.More, r.Aside)
	}
}
