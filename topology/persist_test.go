package topology_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// TestApply_manySmallDeltasKeepThePast grows a tree of snapshots by small deltas, over a base of their own or none, and reads all of them again at
// the end: what was once shown must stay, also where two deltas start from one snapshot.
func TestApply_manySmallDeltasKeepThePast(t *testing.T) {
	t.Parallel()
	type kept struct {
		s *topology.Snapshot
		o oracle
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := storetest.Rapid{T: t}
		all := []kept{{topology.Empty(), newOracle()}}
		for range rapid.IntRange(1, 25).Draw(t, "deltas") {
			from := all[len(all)-1]
			if draw.IntN(4) == 0 {
				from = all[draw.IntN(len(all))]
			}
			if draw.IntN(6) == 0 {
				from.s = topology.Compact(from.s)
			}
			d := storetest.Delta(draw, from.s, 1+draw.IntN(12))
			next := kept{mustApply(t, from.s, d), oracle{maps.Clone(from.o.facts), maps.Clone(from.o.readings)}}
			next.o.apply(d)
			all = append(all, next)
		}
		for _, k := range all {
			k.o.check(t, k.s)
		}
		for range 5 {
			a, b := all[draw.IntN(len(all))].s, all[draw.IntN(len(all))].s
			apart := topology.Diff(topology.Compact(a), topology.Compact(b))
			if d := cmp.Diff(apart.Changes, topology.Diff(a, topology.Compact(b)).Changes, valueOption()); d != "" {
				t.Fatalf("one that is folded differs otherwise (-both +one):\n%s", d)
			}
			if d := cmp.Diff(apart.Changes, topology.Diff(a, b).Changes, valueOption()); d != "" {
				t.Fatalf("snapshots that share differ otherwise than those that do not (-apart +sharing):\n%s", d)
			}
		}
	})
}

// TestApply_readingThatFlaps lets one node gain and lose the facts of a reading many times: they are listed once, whatever came before.
func TestApply_readingThatFlaps(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(8, 9))
	s := mustApply(t, topology.Empty(), storetest.Estate(200, storetest.Start()))
	for i := range 200 {
		s = mustApply(t, s, storetest.Move(s, rng.IntN(2), i%3))
	}
	for _, r := range s.Readings() {
		got := slices.SortedFunc(s.FactsOf(r.ReadingKey), topology.Fact.Compare)
		var want []topology.Fact
		for f := range s.Facts() {
			if f.Reading == r.ReadingKey {
				want = append(want, f)
			}
		}
		slices.SortFunc(want, topology.Fact.Compare)
		if !slices.Equal(got, want) {
			t.Fatalf("%s has %d facts, want %d", r, len(got), len(want))
		}
	}
}

// TestDiff_ofManyNodes compares snapshots in several parts: what differs is the same whether they share their base or nothing, have one set of nodes or not.
func TestDiff_ofManyNodes(t *testing.T) {
	t.Parallel()
	a := topology.Compact(mustApply(t, topology.Empty(), storetest.Estate(3000, storetest.Start())))
	for _, nodesComeAndGo := range []bool{false, true} {
		rng := rand.New(rand.NewPCG(4, 2))
		var d topology.Delta
		want := 0
		for f := range a.Facts() {
			if f.Attr != topology.AttrName || rng.IntN(3) > 0 {
				continue
			}
			d.Remove = append(d.Remove, f)
			f.Value = topology.TextValue("another")
			if want++; nodesComeAndGo {
				f.Subject.ID += " again"
				want++
			}
			d.Add = append(d.Add, f)
		}
		b := mustApply(t, a, d)
		for name, got := range map[string]topology.ChangeSet{
			"shared": topology.Diff(a, b), "apart": topology.Diff(topology.Compact(a), topology.Compact(b)),
			"overlay and table": topology.Diff(b, topology.Compact(a)).Reverse(), "table and overlay": topology.Diff(topology.Compact(a), b),
		} {
			slices.SortFunc(got.Changes, func(x, y topology.Change) int { return x.Subject.Compare(y.Subject) })
			if len(got.Changes) != want || !topology.Diff(mustWith(t, a, got), b).Empty() {
				t.Errorf("%s: %d changes, want %d", name, len(got.Changes), want)
			}
		}
	}
}

func mustWith(t *testing.T, s *topology.Snapshot, cs topology.ChangeSet) *topology.Snapshot {
	t.Helper()
	next, err := s.With(cs)
	if err != nil {
		t.Fatal(err)
	}
	return next
}
