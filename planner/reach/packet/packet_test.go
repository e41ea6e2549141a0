package packet_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach/packet"
)

// small is a space whose packets can all be tried: 3, 2 and 3 bits.
func small() *packet.Space {
	return packet.NewSpace([]packet.Field{{Name: "a", Bits: 3}, {Name: "b", Bits: 2}, {Name: "c", Bits: 3}}, 0)
}

// wide is a space with a field of two and one of four levels.
func wide() *packet.Space {
	return packet.NewSpace([]packet.Field{{Name: "port", Bits: 16}, {Name: "mac", Bits: 48}, {Name: "address", Bits: 128}, {Name: "mark", Bits: 27, Digit: 5}}, 0)
}

func every(s *packet.Space) []packet.Packet {
	all := []packet.Packet{nil}
	for _, f := range s.Fields() {
		var longer []packet.Packet
		for _, p := range all {
			for v := range uint64(1) << f.Bits {
				longer = append(longer, append(slices.Clone(p), packet.V(v)))
			}
		}
		all = longer
	}
	return all
}

// in is what a box means, said plainly.
func in(b packet.Box, p packet.Packet) bool {
	for _, t := range b {
		if slices.ContainsFunc(t.Of, func(v packet.Values) bool { return holds(v, p[t.Field]) }) == t.Not {
			return false
		}
	}
	return true
}

func holds(v packet.Values, x packet.Value) bool {
	if v.Mask != (packet.Value{}) {
		return x.Hi&v.Mask.Hi == v.Lo.Hi&v.Mask.Hi && x.Lo&v.Mask.Lo == v.Lo.Lo&v.Mask.Lo
	}
	return !x.Less(v.Lo) && !v.Hi.Less(x)
}

// anyValue draws values whose ends are often where levels meet.
func anyValue(bits int) *rapid.Generator[packet.Value] {
	return rapid.Custom(func(t *rapid.T) packet.Value {
		v := packet.Value{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			v = packet.V(v.Lo % 4)
		case 1:
			v.Lo |= 1<<32 - 1
		case 2:
			v.Lo &^= 1<<32 - 1
		}
		if bits <= 64 {
			v = packet.V(v.Lo & (1<<bits - 1))
		} else {
			v.Hi &= 1<<(bits-64) - 1
		}
		return v
	})
}

func anyBox(s *packet.Space) *rapid.Generator[packet.Box] {
	return rapid.Custom(func(t *rapid.T) packet.Box {
		var b packet.Box
		for range rapid.IntRange(0, 4).Draw(t, "terms") {
			f := rapid.IntRange(0, len(s.Fields())-1).Draw(t, "field")
			term := packet.Term{Field: f, Not: rapid.IntRange(0, 4).Draw(t, "not") == 0}
			value := anyValue(s.Fields()[f].Bits)
			for range rapid.IntRange(0, 3).Draw(t, "values") {
				v := packet.Values{Lo: value.Draw(t, "lo"), Hi: value.Draw(t, "hi")}
				if rapid.Bool().Draw(t, "mask") {
					v.Mask = narrow(value.Draw(t, "mask"))
				}
				term.Of = append(term.Of, v)
			}
			b = append(b, term)
		}
		return b
	})
}

// narrow leaves a mask few bits that are open above the lowest fixed one, as masks of devices do.
func narrow(m packet.Value) packet.Value {
	return packet.Value{Hi: m.Hi | 0xf0ff_ff0f_f0ff_ff0f, Lo: m.Lo | 0xfff0_ff0f_0fff_fff0}
}

func TestBox(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := wide()
		b := anyBox(s).Draw(t, "box")
		m := s.Box(b, packet.Full)
		for range 50 {
			p := near(t, s, b)
			if got, want := s.Has(m, p), in(b, p); got != want {
				t.Fatalf("%v in %v: %t, want %t", p, b, got, want)
			}
		}
		p, some := s.Pick(m)
		if some && !in(b, p) {
			t.Errorf("picked %v, which is not in %v", p, b)
		}
		other := anyBox(s).Draw(t, "other")
		if got, want := s.Box(b, s.Box(other, packet.Full)), s.Intersect(m, s.Box(other, packet.Full)); got != want {
			t.Errorf("a box of a set, %v of %v, is not the two together", b, other)
		}
	})
}

// near draws a packet whose values are those of the box, or next to them, or any.
func near(t *rapid.T, s *packet.Space, b packet.Box) packet.Packet {
	p := make(packet.Packet, len(s.Fields()))
	for f := range p {
		p[f] = anyValue(s.Fields()[f].Bits).Draw(t, "value")
	}
	for _, term := range b {
		for _, v := range term.Of {
			switch x := &p[term.Field]; rapid.IntRange(0, 4).Draw(t, "near") {
			case 0:
				*x = v.Lo
			case 1:
				*x = v.Hi
			case 2:
				if v.Hi.Less(packet.Value{Hi: 0, Lo: 1<<16 - 1}) {
					*x = packet.V(v.Hi.Lo + 1)
				}
			}
		}
	}
	for f, field := range s.Fields() {
		if field.Bits < 64 {
			p[f] = packet.V(p[f].Lo & (1<<field.Bits - 1))
		}
	}
	return p
}

// TestCanonical: two Maps of a space are the same number exactly if they are the same function.
func TestCanonical(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := small()
		packets := every(s)
		type known struct {
			m     packet.Map
			table []packet.Map
		}
		var all []known
		add := func(m packet.Map, want func(p packet.Packet) packet.Map) {
			k := known{m, make([]packet.Map, len(packets))}
			for i, p := range packets {
				k.table[i] = want(p)
				if got := s.At(m, p); got != k.table[i] {
					t.Fatalf("%v gives %d, want %d", p, got, k.table[i])
				}
			}
			for _, o := range all {
				if (o.m == m) != slices.Equal(o.table, k.table) {
					t.Fatalf("numbers %d and %d, the same function: %t", o.m, m, slices.Equal(o.table, k.table))
				}
			}
			all = append(all, k)
		}
		for range rapid.IntRange(2, 5).Draw(t, "lists") {
			boxes := rapid.SliceOfN(anyBox(s), 0, 6).Draw(t, "boxes")
			number := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) packet.Map { return packet.Map(rapid.IntRange(0, 3).Draw(t, "number")) }), 6, 6).Draw(t, "numbers")
			add(s.List(boxes, func(i int) packet.Map { return number[i] }), func(p packet.Packet) packet.Map {
				for i, b := range boxes {
					if in(b, p) && number[i] != 0 {
						return number[i]
					}
				}
				return 0
			})
		}
		boxes := rapid.SliceOfN(anyBox(s), 0, 12).Draw(t, "boxes")
		number := func(i int) packet.Map { return packet.Map(i + 1) }
		list := s.List(boxes, number)
		parts := s.Parts(boxes, number, rapid.IntRange(0, 60).Draw(t, "most"))
		for _, p := range packets {
			if got, want := s.First(parts, p), s.At(list, p); got != want {
				t.Fatalf("%d parts give %d for %v, the list %d", len(parts), got, p, want)
			}
		}
		a, b := rapid.SampledFrom(all).Draw(t, "a"), rapid.SampledFrom(all).Draw(t, "b")
		operate(t, s, a.m, b.m, add)
	})
}

// operate tries every operation on two Maps.
func operate(t *rapid.T, s *packet.Space, a, b packet.Map, add func(packet.Map, func(packet.Packet) packet.Map)) {
	choose := func(yes bool, m, n packet.Map) packet.Map {
		if yes {
			return m
		}
		return n
	}
	add(s.Else(a, b), func(p packet.Packet) packet.Map { return choose(s.At(a, p) != 0, s.At(a, p), s.At(b, p)) })
	add(s.Within(a, b), func(p packet.Packet) packet.Map { return choose(s.At(a, p) != 0, s.At(b, p), 0) })
	add(s.Without(a, b), func(p packet.Packet) packet.Map { return choose(s.At(b, p) == 0, s.At(a, p), 0) })
	add(s.Relabel(a, func(n packet.Map) packet.Map { return (n + 1) % 4 }), func(p packet.Packet) packet.Map { return (s.At(a, p) + 1) % 4 })
	two := s.Where(a, func(n packet.Map) bool { return n == 2 })
	add(two, func(p packet.Packet) packet.Map { return choose(s.At(a, p) == 2, 1, 0) })
	if s.Only(a, 2) != two {
		t.Fatal("Only is not Where")
	}

	field := rapid.IntRange(0, 2).Draw(t, "field")
	values := func(yield func(packet.Value) bool) {
		for v := range uint64(1) << s.Fields()[field].Bits {
			if !yield(packet.V(v)) {
				return
			}
		}
	}
	with := func(p packet.Packet, v packet.Value) packet.Packet { q := slices.Clone(p); q[field] = v; return q }
	v := anyValue(s.Fields()[field].Bits).Draw(t, "v")
	add(s.Set(a, field, v), func(p packet.Packet) packet.Map { return s.At(a, with(p, v)) })
	low := packet.V(1<<rapid.IntRange(0, s.Fields()[field].Bits).Draw(t, "low") - 1)
	from, to := packet.V(v.Lo&^low.Lo), packet.V(anyValue(s.Fields()[field].Bits).Draw(t, "to").Lo&^low.Lo)
	add(s.Shift(a, field, from, to, low), func(p packet.Packet) packet.Map {
		if p[field].Lo&^low.Lo != from.Lo { // nothing is said of others
			return s.At(s.Shift(a, field, from, to, low), p)
		}
		return s.At(a, with(p, packet.V(to.Lo|p[field].Lo&low.Lo)))
	})
	pool := packet.Values{Lo: v, Hi: anyValue(s.Fields()[field].Bits).Draw(t, "hi")}
	add(s.Some(two, field, pool), func(p packet.Packet) packet.Map {
		for v := range values {
			if holds(pool, v) && s.At(two, with(p, v)) == 1 {
				return 1
			}
		}
		return 0
	})
	add(s.All(two, field, pool), func(p packet.Packet) packet.Map {
		for v := range values {
			if holds(pool, v) && s.At(two, with(p, v)) == 0 {
				return 0
			}
		}
		return 1
	})
}

func TestOverflow(t *testing.T) {
	t.Parallel()
	s := packet.NewSpace([]packet.Field{{Name: "address", Bits: 32}}, 100)
	err := s.Try(func() {
		s.Box(packet.Box{{Field: 0, Of: []packet.Values{{Lo: packet.V(1), Mask: packet.V(0xff00ff01)}}}}, packet.Full)
	})
	var over *packet.OverflowError
	if !errors.As(err, &over) || over.Budget != 100 {
		t.Errorf("error is %v", err)
	}
	open := packet.Box{{Field: 0, Of: []packet.Values{{Lo: packet.V(1), Mask: packet.V(1)}}}}
	if err := s.Try(func() { s.Box(open, packet.Full) }); err == nil {
		t.Error("2 billion runs of a mask are no overflow")
	}
	m := s.Box(packet.Box{{Field: 0, Of: []packet.Values{packet.Span(10, 20)}}}, packet.Full)
	if p := (packet.Packet{packet.V(15)}); !s.Has(m, p) {
		t.Error("the space is spoilt by an overflow")
	}
}

// TestWatch: what nobody waits for any more ends, also where parts of a list are made with less memory than there is; and then the space is as it was.
func TestWatch(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	work := map[string]func(s *packet.Space, boxes []packet.Box){
		"a list": func(s *packet.Space, boxes []packet.Box) {
			s.List(boxes, func(i int) packet.Map { return packet.Map(i + 1) })
		},
		"its parts": func(s *packet.Space, boxes []packet.Box) {
			s.Parts(boxes, func(i int) packet.Map { return packet.Map(i + 1) }, 1<<20)
		},
	}
	for name, do := range work {
		s := packet.NewSpace([]packet.Field{{Name: "a", Bits: 32}, {Name: "b", Bits: 32}, {Name: "c", Bits: 32}}, 0)
		random := rand.New(rand.NewPCG(1, 2))
		var boxes []packet.Box
		for range 300 {
			var b packet.Box
			for f := range 3 {
				lo := random.Uint64N(1 << 31)
				b = append(b, packet.Term{Field: f, Of: []packet.Values{packet.Span(lo, lo+random.Uint64N(1<<30))}})
			}
			boxes = append(boxes, b)
		}
		asked := 0
		s.Watch(func() error {
			if asked++; asked == 3 {
				return enough
			}
			return nil
		})
		if err := s.Try(func() { do(s, boxes) }); !errors.Is(err, enough) || asked != 3 {
			t.Errorf("%s: error is %v, asked %d times", name, err, asked)
		}
		s.Watch(nil)
		m := s.Box(boxes[0], packet.Full)
		if p, ok := s.Pick(m); !ok || !s.Has(m, p) {
			t.Errorf("%s: the space is spoilt", name)
		}
	}
}
