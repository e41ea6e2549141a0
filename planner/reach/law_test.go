package reach_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// twoHosts has a second host, as the first one.
const twoHosts = vms + `
host:i Contains virtualswitch:i/br0
host:i Contains nic:i/e
virtualswitch:h/br0 name=br0
virtualswitch:i/br0 name=br0
virtualswitch:i/br0 SupportedBy nic:i/e
virtualswitch:i/br0 virtualPort=openvswitch
switch:s Contains port:s/3
port:s/3 ifName=s3
port:s/3 tagged=120,130
nic:i/e Link port:s/3 ~95
`

// TestLaw_moveAndBack: a move changes what its reverse changes back, and who has moved there and back again has lost and gained nothing, whatever the hosts and the firewall filter.
func TestLaw_moveAndBack(t *testing.T) {
	t.Parallel()
	changed := 0
	rapid.Check(t, func(rt *rapid.T) {
		filters := map[string][]*policy.Filter{}
		for _, device := range []string{"host:h", "host:i", "firewall:f"} {
			of := inOrder(anyFilters(rt))
			base := of[len(of)-1]
			base.Attached[0].Bridged = strings.HasPrefix(device, "host:")
			for _, f := range of {
				f.Dialect = "test"
			}
			filters[device] = of
		}
		here := scene(t, twoHosts, filters)
		there := movedTo(t, here, "i")
		back := movedTo(t, there, "h")
		v, _ := there.Node(topology.Key{Kind: topology.VM, ID: "v"})
		if host, _ := v.First(topology.RunsOn); host.Key().ID != "i" {
			t.Fatal("nothing has moved")
		}
		compare := func(a, b *topology.Snapshot) reach.Comparison {
			c, err := reach.Compare(t.Context(), network(a), network(b), endsOf(a), endsOf(b), reach.Flow{})
			if err != nil {
				rt.Fatal(err)
			}
			return c
		}
		if c := compare(here, back); !c.Same() {
			rt.Fatalf("there and back: %s", changeText(c.Headers, c.There, c.Back))
		}
		if c := compare(here, there); !c.Same() {
			changed++
		}
		out, home := compare(here, there), compare(there, here)
		for _, way := range []*reach.Change{&home.There, &home.Back} {
			way.Lost, way.Opened = way.Opened, way.Lost
		}
		if a, b := changeText(out.Headers, out.There, out.Back), changeText(home.Headers, home.There, home.Back); a != b {
			rt.Fatalf("there: %s\nback: %s", a, b)
		}
	})
	if changed == 0 {
		t.Error("no move changes anything")
	}
}

func movedTo(t *testing.T, s *topology.Snapshot, host string) *topology.Snapshot {
	t.Helper()
	cs, missing, err := s.MoveVM(topology.Key{Kind: topology.VM, ID: "v"}, topology.Key{Kind: topology.Host, ID: host})
	if err != nil || len(missing) > 0 {
		t.Fatal(missing, err)
	}
	then, err := s.With(cs)
	if err != nil {
		t.Fatal(err)
	}
	return then
}

// endsOf is v and w.
func endsOf(s *topology.Snapshot) (pair [2]reach.Endpoint) {
	for i, vm := range []string{"v", "w"} {
		n, _ := s.Node(topology.Key{Kind: topology.VNIC, ID: vm + "/n"})
		pair[i] = reach.Endpoints(n)[0]
	}
	return pair
}
