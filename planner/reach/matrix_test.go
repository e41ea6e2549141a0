package reach_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
)

func anyBits(t *rapid.T, n int) reach.Bits {
	b := reach.NewBits(n)
	for i := range n {
		b.Put(i, rapid.IntRange(0, 3).Draw(t, "in") > 0)
	}
	return b
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		atoms := rapid.IntRange(1, 70).Draw(t, "atoms")
		var needs, passes []reach.Bits
		for range rapid.IntRange(1, 5).Draw(t, "vm classes") {
			b := reach.NewBits(atoms)
			for range rapid.IntRange(0, 3).Draw(t, "needs") {
				b.Put(rapid.IntRange(0, atoms-1).Draw(t, "need"), true)
			}
			needs = append(needs, b)
		}
		e := &reach.Estate{First: []int{0}}
		for range rapid.IntRange(1, 70).Draw(t, "host classes") {
			passes = append(passes, anyBits(t, atoms))
			e.First = append(e.First, e.First[len(e.First)-1]+rapid.IntRange(0, 5).Draw(t, "hosts"))
		}
		for range rapid.IntRange(0, 6).Draw(t, "vms") {
			e.Class = append(e.Class, uint32(rapid.IntRange(0, len(needs)-1).Draw(t, "class")))
		}
		e.Matrix = reach.NewMatrix(needs, passes)
		check := func() {
			all := make([]uint64, e.Size())
			e.Expand(all)
			for v, class := range e.Class {
				row := reach.Bits(all[v*e.Words() : (v+1)*e.Words()])
				for h := range passes {
					want := true
					for a := range atoms {
						want = want && (!needs[class].Has(a) || passes[h].Has(a))
					}
					if e.May(int(class), h) != want {
						t.Fatalf("VM class %d on host class %d: %t", class, h, !want)
					}
					for host := e.First[h]; host < e.First[h+1]; host++ {
						if row.Has(host) != want || e.Verdict(v, host) != want {
							t.Fatalf("VM %d on host %d: %t", v, host, !want)
						}
					}
				}
			}
		}
		check()
		h, v := rapid.IntRange(0, len(passes)-1).Draw(t, "changed"), rapid.IntRange(0, len(needs)-1).Draw(t, "changed")
		copy(passes[h], anyBits(t, atoms))
		e.Column(h)
		check()
		copy(needs[v], anyBits(t, atoms))
		e.Row(v)
		check()
	})
}

func TestLoses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		atoms := rapid.IntRange(1, 130).Draw(t, "atoms")
		way := func() (w []reach.Bits) {
			for range rapid.IntRange(1, 4).Draw(t, "filters") {
				w = append(w, anyBits(t, atoms))
			}
			return w
		}
		before, now := way(), way()
		if rapid.Bool().Draw(t, "more") {
			now = slices.Concat(before[:1], now[:0])
		}
		want := false
		for a := range atoms {
			out := func(b reach.Bits) bool { return !b.Has(a) }
			want = want || !slices.ContainsFunc(before, out) && slices.ContainsFunc(now, out)
		}
		if got := reach.Loses(before, now); got != want {
			t.Fatalf("%t", got)
		}
	})
}
