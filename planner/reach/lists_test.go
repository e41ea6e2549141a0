package reach_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/planner/reach/packet"
)

// tiny is a space whose packets can all be tried.
func tiny() (*packet.Space, []packet.Packet) {
	s := packet.NewSpace([]packet.Field{{Name: "a", Bits: 4}, {Name: "b", Bits: 3}}, 0)
	var all []packet.Packet
	for a := range uint64(16) {
		for b := range uint64(8) {
			all = append(all, packet.Packet{packet.V(a), packet.V(b)})
		}
	}
	return s, all
}

func tinyBox(t *rapid.T) packet.Box {
	var b packet.Box
	for field, top := range []uint64{15, 7} {
		x, y := rapid.Uint64Range(0, top).Draw(t, "x"), rapid.Uint64Range(0, top).Draw(t, "y")
		if rapid.IntRange(0, 3).Draw(t, "open") > 0 {
			b = append(b, packet.Term{Field: field, Of: []packet.Values{packet.Span(min(x, y), max(x, y))}})
		}
	}
	return b
}

// decide is the first match, said plainly.
func decide(rules []reach.Ruled, p packet.Packet) bool {
	for _, r := range rules {
		if holdsBox(r.Box, p) {
			return r.Permit
		}
	}
	return false
}

func holdsBox(b packet.Box, p packet.Packet) bool {
	return !slices.ContainsFunc(b, func(t packet.Term) bool {
		return slices.ContainsFunc(t.Of, func(v packet.Values) bool { return v.Has(p[t.Field]) }) == t.Not
	})
}

func TestLists(t *testing.T) {
	t.Parallel()
	const lists = 4
	rapid.Check(t, func(t *rapid.T) {
		s, packets := tiny()
		l := reach.NewLists(s, [32]byte{1})
		var rules [lists][]reach.Ruled
		atomOf := map[string]reach.Atom{}
		check := func() {
			which := l.Map()
			seen, of := map[string]reach.Atom{}, map[reach.Atom]string{}
			for _, p := range packets {
				var v []bool
				for i := range rules {
					v = append(v, decide(rules[i], p))
					if s.Has(l.Permits(uint32(i)), p) != v[i] {
						t.Fatalf("list %d permits %v: %t", i, p, !v[i])
					}
				}
				var in []reach.Atom
				for a, set := range l.Atoms() {
					if s.Has(set, p) {
						in = append(in, a)
					}
				}
				k := fmt.Sprint(v)
				if len(in) != 1 || s.At(which, p) != packet.Map(in[0]+1) {
					t.Fatalf("%v is in atoms %v", p, in)
				}
				if a, ok := seen[k]; ok && a != in[0] {
					t.Fatalf("%v is of atom %d, %d has the same lists %s", p, in[0], a, k)
				}
				if o, ok := of[in[0]]; ok && o != k {
					t.Fatalf("%v is of atom %d with lists %s and %s", p, in[0], o, k)
				}
				seen[k], of[in[0]] = in[0], k
				atomOf[fmt.Sprint(p)] = in[0]
			}
			if l.Count() != len(seen) {
				t.Fatalf("%d atoms, want %d", l.Count(), len(seen))
			}
		}
		for i := range rapid.IntRange(0, lists).Draw(t, "loaded") {
			for place := range rapid.IntRange(0, 6).Draw(t, "rules") {
				rules[i] = append(rules[i], reach.Ruled{Place: int64(place), Box: tinyBox(t), Permit: rapid.Bool().Draw(t, "permit")})
			}
			l.Load(uint32(i), rules[i])
		}
		check()
		const room = 1 << lists * 2
		var bits []reach.Bits
		for i := range rules {
			bits = append(bits, l.Bits(uint32(i), room))
		}
		for range rapid.IntRange(0, 15).Draw(t, "changes") {
			i := rapid.IntRange(0, lists-1).Draw(t, "list")
			place := rapid.Int64Range(-2, 7).Draw(t, "place")
			before := rules[i]
			at, found := slices.BinarySearchFunc(before, place, func(r reach.Ruled, p int64) int { return int(r.Place - p) })
			was := map[string]reach.Atom{}
			maps.Copy(was, atomOf)
			var cast []reach.Recast
			rules[i] = slices.Clone(before)
			if rapid.Bool().Draw(t, "unset") {
				if found {
					rules[i] = slices.Delete(rules[i], at, at+1)
				}
				cast = l.Unset(uint32(i), place)
			} else {
				r := reach.Ruled{Place: place, Box: tinyBox(t), Permit: rapid.Bool().Draw(t, "permit")}
				if found {
					rules[i][at] = r
				} else {
					rules[i] = slices.Insert(rules[i], at, r)
				}
				cast = l.Set(uint32(i), r)
			}
			cast = slices.Clone(cast)
			check()
			reach.Follow(cast, uint32(i), bits)
			for i, b := range bits {
				if want := l.Bits(uint32(i), room); !slices.Equal(b, want) {
					t.Fatalf("list %d permits atoms %b, followed is %b", i, want, b)
				}
			}
			for _, p := range packets {
				a, changed := was[fmt.Sprint(p)], false
				for _, c := range cast {
					if s.Has(c.Packets, p) {
						if a != c.From || changed {
							t.Fatalf("%v of atom %d is told to move by %v", p, a, cast)
						}
						a, changed = c.To, true
					}
				}
				if a != atomOf[fmt.Sprint(p)] || changed != (decide(before, p) != decide(rules[i], p)) {
					t.Fatalf("%v is of atom %d, told is %d by %v", p, atomOf[fmt.Sprint(p)], a, cast)
				}
			}
		}
	})
}
