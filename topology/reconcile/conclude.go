package reconcile

import (
	"slices"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// conclude brings all conclusions up to the snapshot to which the touched facts led, rule after rule: each from the surer ones. It gives the derived
// facts that go and that come. What is not said any more is not concluded any more.
func (g *graph) conclude(s *topology.Snapshot, now time.Time, renewed []topology.Reading) changes {
	g.look(s)
	g.now = now
	g.refresh()
	g.neighbors(renewed)
	g.forwarding()
	g.attachments()
	g.resolution()
	g.distributed()
	g.guestAddresses()
	g.units()
	ch := g.settle()
	g.dirty = newDirty()
	g.look(nil) // the nodes of a snapshot keep it in memory
	return ch
}

// changes are facts that go and that come, in canonical order.
type changes struct{ remove, add []topology.Fact }

// settle states what follows of each subject whose results changed, as far as it is not stated yet.
func (g *graph) settle() changes {
	ch := changes{add: make([]topology.Fact, 0, len(g.dirty.subjects))}
	for x := range g.dirty.subjects {
		n := g.node(x)
		have := slices.Collect(n.Derived())
		ch.replace(canonical(have), g.follows(x, n))
	}
	g.settlePrefixes(&ch)
	return changes{canonical(ch.remove), canonical(ch.add)}
}

// replace notes the changes that lead from some facts to others, both sorted. A fact that is believed more or less now was first seen when it was.
func (ch *changes) replace(have, want []topology.Fact) {
	for len(have) > 0 || len(want) > 0 {
		order := -1
		switch {
		case len(have) == 0:
			order = 1
		case len(want) > 0:
			order = have[0].Compare(want[0])
		}
		switch {
		case order < 0:
			ch.remove = append(ch.remove, have[0])
		case order > 0:
			ch.add = append(ch.add, want[0])
		case have[0].Confidence != want[0].Confidence:
			ch.remove, ch.add = append(ch.remove, have[0]), append(ch.add, want[0])
			ch.add[len(ch.add)-1].Since = have[0].Since
		}
		if order <= 0 {
			have = have[1:]
		}
		if order >= 0 {
			want = want[1:]
		}
	}
}

// conclusion takes in what follows from a reading.
type conclusion func(f topology.Fact, confidence uint8, reading ref)

// follows gives all derived facts of one subject, sorted. Two rules may reach one conclusion from one reading: the surer one counts.
func (g *graph) follows(x ref, n topology.Node) []topology.Fact {
	var want []topology.Fact
	state := func(f topology.Fact, confidence uint8, reading ref) {
		f.Confidence, f.Reading, f.Derived, f.Since = confidence, g.readings.of(reading), true, g.now
		want = append(want, f)
	}
	switch kind := g.key(x).Kind; {
	case kind == topology.Neighbor:
		g.identifiedAs(x, n, state)
	case kind.Interface():
		for _, links := range [][]claim{g.heard.at[x], g.trunks.at[x], g.edges.at[x], g.resolved.at[x]} {
			for _, l := range links {
				if f := topology.Relate(g.key(l.a), topology.Link, g.key(l.b)); f.Subject == g.key(x) {
					state(f, l.confidence, l.reading)
				}
			}
		}
		g.inSubnets(n, state)
		g.peerLAGs(x, n, state)
	case kind == topology.VNIC:
		g.guestAddress(x, n, state)
	case kind == topology.LogicalUnit:
		g.identifiedUnit(n, state)
	}
	return canonical(want)
}
