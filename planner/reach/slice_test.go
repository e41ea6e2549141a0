package reach_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/planner/reach/packet"
)

func tinyRuled(t *rapid.T) reach.Ruled {
	b := tinyBox(t)
	for i := range b {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			b[i].Not = true
		case 1:
			b[i].Of = append(b[i].Of, packet.One(packet.V(rapid.Uint64Range(0, 7).Draw(t, "too"))))
		case 2:
			b[i].Of = []packet.Values{{Lo: b[i].Of[0].Lo, Mask: packet.V(rapid.Uint64Range(1, 7).Draw(t, "mask"))}}
		}
	}
	return reach.Ruled{Box: b, Permit: rapid.Bool().Draw(t, "permit")}
}

// TestRewritten: what a rewritten list means for one address is what the rules say of each packet of it.
func TestRewritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, packets := tiny()
		old := rapid.SliceOfN(rapid.Custom(tinyRuled), 0, 12).Draw(t, "rules")
		now := slices.Clone(old)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			at := rapid.IntRange(0, len(now)).Draw(t, "at")
			switch kind := rapid.IntRange(0, 2).Draw(t, "change"); {
			case kind == 0:
				now = slices.Insert(now, at, rapid.Custom(tinyRuled).Draw(t, "new"))
			case at == len(now):
			case kind == 1:
				now = slices.Delete(now, at, at+1)
			default:
				now[at].Permit = !now[at].Permit
			}
		}
		r := reach.NewRewritten(s, old, now)
		for range 3 {
			field := rapid.IntRange(0, 1).Draw(t, "field")
			value := packet.V(rapid.Uint64Range(0, []uint64{15, 7}[field]).Draw(t, "value"))
			lost, opened := r.Changed(field, value)
			for _, p := range packets {
				was, is := decide(old, p), decide(now, p)
				here := p[field] == value
				if s.Has(lost, p) != (here && was && !is) || s.Has(opened, p) != (here && !was && is) {
					t.Fatalf("%v with field %d %v: was permitted %t, is %t, told lost %t, opened %t", p, field, value, was, is, s.Has(lost, p), s.Has(opened, p))
				}
			}
		}
	})
}
