package reach_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// moved is a VM's move, as the two networks have it: the second made of the first, and once more from scratch.
type moved struct {
	before, after, plain *reach.Network
	was, is              reach.Endpoint
	others               [][2]reach.Endpoint // all other ends, before and after
}

func move(t *testing.T, s *topology.Snapshot, n *reach.Network, vm, host string) moved {
	t.Helper()
	cs, _, err := s.MoveVM(topology.Key{Kind: topology.VM, ID: vm}, topology.Key{Kind: topology.Host, ID: host})
	if err != nil {
		t.Fatal(err)
	}
	then, err := s.With(cs)
	if err != nil {
		t.Fatal(err)
	}
	m := moved{before: n, after: n.After(then, cs), plain: network(then), was: endpoint(t, s, vm), is: endpoint(t, then, vm)}
	for node := range s.Nodes(topology.VNIC, topology.Port, topology.NIC, topology.LAG) {
		for _, e := range reach.Endpoints(node) {
			if is, ok := node.On(then); ok && node != m.was.Node {
				m.others = append(m.others, [2]reach.Endpoint{e, {Node: is, Addr: e.Addr}})
			}
		}
	}
	return m
}

// changes words what a move changes of the packets between the VM and another end, as the two comparisons say it.
func (m moved) changes(t *testing.T, o [2]reach.Endpoint, after *reach.Network) string {
	t.Helper()
	var words []string
	for _, ends := range [][2][2]reach.Endpoint{{{m.was, o[0]}, {m.is, o[1]}}, {{o[0], m.was}, {o[1], m.is}}} {
		c, err := reach.Compare(t.Context(), m.before, after, ends[0], ends[1], reach.Flow{})
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, changeText(c.Headers, c.There, c.Back)+c.Limit)
	}
	return strings.Trim(strings.Join(words, " / "), " /")
}

// runningLAN draws a random estate, and says on which hosts its guests run.
func runningLAN(t *testing.T, rt *rapid.T) (*lanWorld, *topology.Snapshot) {
	t.Helper()
	w := drawLAN(rt)
	f := w.facts()
	for _, d := range w.hosts {
		for _, g := range d.guests {
			f.say("vm:%s RunsOn %s", g.name, d.key)
		}
	}
	return w, stated(t, f.lines, f.filters)
}

// TestMoves_againstEachEnd: a guest of a random estate moves. Of no end to which the move is said to change nothing does the comparison with this end alone say anything else.
func TestMoves_againstEachEnd(t *testing.T) {
	t.Parallel()
	same, all, differ := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w, s := runningLAN(t, rt)
		n := network(s)
		g := rapid.SampledFrom(w.guests).Draw(rt, "guest")
		h := rapid.SampledFrom(w.hosts).Draw(rt, "to")
		m := move(t, s, n, g.name, h.id())
		shift, err := reach.Moves(t.Context(), m.before, m.after, m.was, m.is)
		if err != nil {
			rt.Fatal(err)
		}
		suspects := append(slices.Collect(shift.Far()), shift.Near...)
		for _, o := range m.others {
			want := m.changes(t, o, m.plain)
			if got := m.changes(t, o, m.after); got != want {
				rt.Fatalf("%s to %s, with %s: made of the other network: %q, from scratch: %q", g.name, h.id(), o[0].Node.Name(), got, want)
			}
			all++
			if want != "" {
				differ++
			}
			if slices.Contains(suspects, o[0]) {
				continue
			}
			same++
			if want != "" {
				rt.Fatalf("%s to %s: nothing is said to change with %s (%s), and it does: %s\n%s\n%s", g.name, h.id(), o[0].Node.Name(), o[0].Addr, want, m.why(t, o), filterLines(w.facts().filters))
			}
		}
	})
	t.Logf("%d of %d ends differ, %d are said to be the same at once", differ, all, same)
}

// TestLaw_thereAndBack: a guest that moves there and back has the flows that it had, whatever is not known.
func TestLaw_thereAndBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := drawLAN(rt)
		f := w.facts()
		for _, d := range w.hosts {
			f.say("%s handle=test", d.key) // it is the host itself that has names for ports
			for _, g := range d.guests {
				f.say("vm:%s RunsOn %s", g.name, d.key)
			}
		}
		s := stated(t, f.lines, f.filters)
		n := network(s)
		g := rapid.SampledFrom(w.guests).Draw(rt, "guest")
		there, _, err := s.MoveVM(topology.Key{Kind: topology.VM, ID: g.name}, topology.Key{Kind: topology.Host, ID: rapid.SampledFrom(w.hosts).Draw(rt, "to").id()})
		if err != nil {
			rt.Fatal(err)
		}
		then, err := s.With(there)
		if err != nil {
			rt.Fatal(err)
		}
		back := there.Reverse()
		again, err := then.With(back)
		if err != nil {
			rt.Fatal(err)
		}
		shift, err := reach.Moves(t.Context(), n, n.After(then, there).After(again, back), endpoint(t, s, g.name), endpoint(t, again, g.name))
		if err != nil || shift.Routed || len(shift.Near)+len(shift.Cut) > 0 {
			rt.Fatalf("%s moved there and back, and %v changed, routed %t, cut %v: %v", g.name, shift.Near, shift.Routed, shift.Cut, err)
		}
	})
}

// why words what is not known, or where it ends, of the packets to another end.
func (m moved) why(t *testing.T, o [2]reach.Endpoint) string {
	t.Helper()
	c, err := reach.Compare(t.Context(), m.before, m.plain, [2]reach.Endpoint{m.was, o[0]}, [2]reach.Endpoint{m.is, o[1]}, reach.Flow{})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, d := range []reach.Direction{c.Before.Forward, c.After.Forward, c.Before.Return, c.After.Return} {
		words = append(words, fmt.Sprint(d.Verdict, d.Doubts, d.May, d.Must, tree(d.Leg, 0)))
	}
	return strings.Join(words, "\n")
}

func tree(l *reach.Leg, depth int) string {
	var text strings.Builder
	for _, s := range l.Steps {
		fmt.Fprintf(&text, "\n%*s", 2*depth, "")
		if !s.Device.IsZero() {
			text.WriteString(s.Device.Name() + " ")
		}
		if s.Filter != nil {
			text.WriteString("filter " + s.Filter.Name)
		}
		for _, h := range s.Hops {
			text.WriteString(" " + h.Node.Key().String())
		}
		text.WriteString(s.Route + " " + s.Doubt)
	}
	fmt.Fprintf(&text, "\n%*s%d %s", 2*depth, "", l.End, l.Why)
	for _, b := range l.Next {
		text.WriteString(tree(b.Leg, depth+1))
	}
	return text.String()
}
