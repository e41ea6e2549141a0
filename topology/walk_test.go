package topology_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// spot is a node with the number of steps that are done: what a recursive query keeps.
type spot struct {
	key  topology.Key
	done int
}

// slowReach is the definition of Pattern, by sets of spots.
func slowReach(n topology.Node, steps []topology.Step) (nodes, ends map[topology.Key]bool, moves map[slowMove]bool) {
	s := n.Snapshot()
	type hop struct {
		from, to spot
		move     slowMove
	}
	var hops []hop
	reached := map[spot]bool{{n.Key(), 0}: true}
	for todo := []spot{{n.Key(), 0}}; len(todo) > 0; {
		at := todo[0]
		todo = todo[1:]
		go1 := func(to spot, m slowMove) {
			hops = append(hops, hop{at, to, m})
			if !reached[to] {
				reached[to] = true
				todo = append(todo, to)
			}
		}
		if at.done == len(steps) {
			continue
		}
		st := steps[at.done]
		after := at.done + 1
		if st.Many {
			go1(spot{at.key, at.done + 1}, slowMove{})
			after = at.done
		}
		here, _ := s.Node(at.key)
		for _, m := range st.Moves {
			follow := func(peers []topology.Node, dir topology.Direction) {
				for _, p := range peers {
					if len(st.Kinds) == 0 || slices.Contains(st.Kinds, p.Kind()) {
						go1(spot{p.Key(), after}, slowMove{at.key, p.Key(), m.Rel, dir, at.done})
					}
				}
			}
			if m.Dir != topology.Backward {
				follow(ends1(here.Out(m.Rel), func(e topology.Edge) topology.Node { return e.To }), topology.Forward)
			}
			if m.Dir != topology.Forward {
				follow(ends1(here.In(m.Rel), func(e topology.Edge) topology.Node { return e.From }), topology.Backward)
			}
		}
	}
	good := map[spot]bool{}
	for at := range reached {
		good[at] = at.done == len(steps)
	}
	for changed := true; changed; {
		changed = false
		for _, h := range hops {
			if good[h.to] && !good[h.from] {
				good[h.from], changed = true, true
			}
		}
	}
	nodes, ends, moves = map[topology.Key]bool{}, map[topology.Key]bool{}, map[slowMove]bool{}
	for at := range reached {
		if good[at] {
			nodes[at.key] = true
			if at.done == len(steps) {
				ends[at.key] = true
			}
		}
	}
	for _, h := range hops {
		if good[h.from] && good[h.to] && h.move.rel != 0 {
			moves[h.move] = true
		}
	}
	return nodes, ends, moves
}

type slowMove struct {
	from, to topology.Key
	rel      topology.Rel
	dir      topology.Direction
	step     int
}

func ends1(es []topology.Edge, end func(topology.Edge) topology.Node) []topology.Node {
	ns := make([]topology.Node, len(es))
	for i, e := range es {
		ns[i] = end(e)
	}
	return ns
}

// drawnSteps gives a pattern of relations that are in the graph.
func drawnSteps(t *rapid.T, s *topology.Snapshot) []topology.Step {
	var rels []topology.Rel
	kinds := map[topology.Kind]bool{topology.Host: true}
	for f := range s.Facts() {
		kinds[f.Subject.Kind] = true
		if f.Rel != 0 {
			rels = append(rels, f.Rel)
		}
	}
	slices.Sort(rels)
	rels = append(slices.Compact(rels), topology.Nexus)
	steps := make([]topology.Step, rapid.IntRange(0, 4).Draw(t, "steps"))
	for i := range steps {
		steps[i].Many = rapid.Bool().Draw(t, "many")
		for range rapid.IntRange(1, 3).Draw(t, "moves") {
			steps[i].Moves = append(steps[i].Moves, topology.Move{
				Rel: rapid.SampledFrom(rels).Draw(t, "relation"), Dir: rapid.SampledFrom([]topology.Direction{1, 2, 3}).Draw(t, "direction"),
			})
		}
		if rapid.IntRange(0, 3).Draw(t, "kinds") == 0 {
			steps[i].Kinds = rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(kinds))), 1, 4).Draw(t, "of")
		}
	}
	return steps
}

func TestReach_equalsSetsOfSpots(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t, 2)
		if rapid.Bool().Draw(t, "folded") {
			s = topology.Compact(s)
		}
		steps := drawnSteps(t, s)
		p, err := topology.NewPattern(steps...)
		if err != nil {
			t.Fatalf("pattern: %v", err)
		}
		guide := topology.NewGuide(s, p)
		var r topology.Reached
		for range 4 {
			checkReach(t, s, p, steps, guide, &r)
			s = mustApply(t, s, storetest.Delta(storetest.Rapid{T: t}, s, 20))
			if rapid.IntRange(0, 3).Draw(t, "fold") == 0 {
				s = topology.Compact(s)
			}
			guide = guide.Follow(s)
		}
	})
}

func checkReach(t *rapid.T, s *topology.Snapshot, p *topology.Pattern, steps []topology.Step, guide *topology.Guide, r *topology.Reached) {
	for n := range s.Nodes() {
		nodes, ends, moves := slowReach(n, steps)
		for name, reach := range map[string]func(topology.Node, *topology.Reached){
			"alone": func(n topology.Node, r *topology.Reached) { n.Reach(p, r) }, "guided": guide.Reach,
		} {
			reach(n, r)
			gotNodes, gotEnds, gotMoves := map[topology.Key]bool{}, map[topology.Key]bool{}, map[slowMove]bool{}
			for m := range r.Nodes() {
				gotNodes[m.Key()] = true
			}
			for m := range r.Ends() {
				gotEnds[m.Key()] = true
			}
			for m := range r.Moves() {
				gotMoves[slowMove{m.From.Key(), m.To.Key(), m.Rel, m.Dir, m.Step}] = true
			}
			if !maps.Equal(nodes, gotNodes) || !maps.Equal(ends, gotEnds) || r.Len() != len(nodes) {
				t.Fatalf("%s from %s by %+v: reached %v ending at %v, want %v and %v", name, n.Key(), steps, gotNodes, gotEnds, nodes, ends)
			}
			if !maps.Equal(moves, gotMoves) {
				t.Fatalf("%s from %s by %+v: moves are %v, want %v", name, n.Key(), steps, gotMoves, moves)
			}
		}
	}
}

func TestNewPattern_refuses(t *testing.T) {
	t.Parallel()
	good := topology.Step{Moves: []topology.Move{{Rel: topology.Link, Dir: topology.Either}}}
	for name, steps := range map[string][]topology.Step{
		"too many steps": slices.Repeat([]topology.Step{good}, 32),
		"no moves":       {good, {}},
		"no relation":    {{Moves: []topology.Move{{Dir: topology.Forward}}}},
		"no direction":   {{Moves: []topology.Move{{Rel: topology.Link}}}},
		"no kind":        {{Moves: good.Moves, Kinds: []topology.Kind{0}}},
	} {
		if _, err := topology.NewPattern(steps...); !errors.Is(err, topology.ErrSchema) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	p, err := topology.NewPattern(slices.Repeat([]topology.Step{good}, 31)...)
	if err != nil {
		t.Fatal(err)
	}
	var r topology.Reached
	if (topology.Node{}).Reach(p, &r); r.Len() != 0 {
		t.Errorf("from no node %d nodes are reached", r.Len())
	}
}
