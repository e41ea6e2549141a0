package topology_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/topology"
)

// TestWays_unrouted: frames find their way through bridges in a VLAN that nobody routes, as those of storage networks are.
func TestWays_unrouted(t *testing.T) {
	t.Parallel()
	const storage = "vnic:a/n vid=140\nvnic:b/n vid=140\n"
	tagged := func(lacking ...string) string { // the ports that are to carry the VLAN
		facts := storage + pair
		for _, p := range []string{"sa/1", "sa/2", "sb/1", "sb/2", "core/a", "core/b"} {
			if !strings.Contains(strings.Join(lacking, " "), p) {
				facts = strings.Replace(facts, "port:"+p+" tagged=120,130", "port:"+p+" tagged=120,130,140", 1)
			}
		}
		return facts
	}
	const way = "a/n ha/e sa/1 sa/2 core/a core/b sb/2 sb/1 hb/e b/n"
	for _, c := range []struct{ name, facts, want string }{
		{"through the core", tagged(), way},
		{"a second link to the core", tagged() + "switch:sa Contains port:sa/3\nswitch:core Contains port:core/c\nport:sa/3 Link port:core/c ~95\nport:sa/3 tagged=140\nport:core/c tagged=140", way + "; a/n ha/e sa/1 sa/3 core/c core/b sb/2 sb/1 hb/e b/n"},
		{"a shortcut", tagged() + "switch:sa Contains port:sa/3\nswitch:sb Contains port:sb/3\nport:sa/3 Link port:sb/3 ~95\nport:sa/3 tagged=140\nport:sb/3 tagged=140", "a/n ha/e sa/1 sa/3 sb/3 sb/1 hb/e b/n"},
		{
			"a shortcut that spanning tree blocks", tagged() + "switch:sa Contains port:sa/3\nswitch:sb Contains port:sb/3\nport:sa/3 Link port:sb/3 ~95\nport:sa/3 tagged=140\nport:sb/3 tagged=140\nport:sb/3 stpState=0 blocking",
			way + "; X(spanning tree blocks 3) a/n ha/e sa/1 sa/3 sb/3 sb/1 hb/e b/n",
		},
		{"a trunk lacks it at one end", tagged("core/b"), "X(VLAN 140 is not carried on b, but it is on the far end, sb 2) " + way},
		{"a trunk lacks it at both ends", tagged("core/b", "sb/2"), "?(no gateway of VLAN 140 is known behind sa: collect the router or firewall that routes it)"},
		{"a port is down", tagged() + "port:core/a state=down", "X(state is down) " + way},
		{
			"a port is down, and what is behind another one nobody has collected", tagged() + "port:core/a state=down\nswitch:sa Contains port:sa/3\nport:sa/3 tagged=140\nport:sa/3 HasNeighbor neighbor:n\nneighbor:n sysName=x\nneighbor:n neighborPort=ifName/1",
			"X(state is down) " + way + "?(sa 3 hears x, port ifName/1, of which nothing was read: collect it)",
		},
		{"two VLANs", strings.Replace(tagged(), "vnic:b/n vid=140", "vnic:b/n vid=120", 1), "?(no gateway of VLAN 140 is known behind sa: collect the router or firewall that routes it)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := graph(t, c.facts)
			for _, ends := range [][2]string{{"vnic:a/n", "vnic:b/n"}, {"vnic:b/n", "vnic:a/n"}} {
				ways, gap := topology.Ways(mustNode(t, s, ends[0]), mustNode(t, s, ends[1]), topology.NetworkPaths)
				var got []string
				for _, w := range ways {
					var words []string
					for _, h := range w.Hops {
						words = append(words, h.Node.Key().ID)
					}
					if ends[0] == "vnic:b/n" {
						break // only how many there are
					}
					text := strings.Join(words, " ")
					if w.Fault != "" {
						text = fmt.Sprintf("X(%s) %s", w.Fault, text)
					}
					if w.Doubt != "" {
						text = fmt.Sprintf("%s D(%s)", text, w.Doubt)
					}
					got = append(got, text)
				}
				text := strings.Join(got, "; ")
				if gap != "" {
					text += "?(" + gap + ")"
				}
				if ends[0] == "vnic:a/n" && text != c.want {
					t.Errorf("got  %s\nwant %s", text, c.want)
				}
				if n := strings.Count(c.want, "a/n ha/e"); len(ways) != n {
					t.Errorf("%d ways from %s, want %d", len(ways), ends[0], n)
				}
			}
		})
	}
}
