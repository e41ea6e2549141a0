package packet

import (
	"cmp"
	"errors"
	"math/bits"
	"slices"

	"github.com/throughline-dc/throughline/topology/policy"
)

// Values is a set of values of one field: those from Lo to Hi, both included, or, where Mask is not zero, those whose bits under the mask are Lo's
// (an address with a wildcard mask, flags).
type Values = policy.Range

// One is a single value.
func One(v Value) Values { return Values{Lo: v, Hi: v} }

// Span is the values from lo to hi.
func Span(lo, hi uint64) Values { return Values{Lo: V(lo), Hi: V(hi)} }

// Term is the packets whose field has one of the values; with Not, those whose field has none of them.
type Term struct {
	Field int // its place in the Space
	Of    []Values
	Not   bool
}

// Box is the packets that satisfy all terms. No terms: all packets.
type Box []Term

// maxRuns bounds the intervals that one wildcard mask may take in one level.
const maxRuns = 1 << 16

// Box gives the set of a box, or with another number than Full the Map that gives it there; with a Map that is no number, what that gives there.
func (s *Space) Box(b Box, number Map) Map {
	if number&nodeBit != 0 { // it may ask for fields before those of the box
		return s.Within(s.Box(b, Full), number)
	}
	terms := slices.SortedStableFunc(slices.Values(b), func(x, y Term) int { return cmp.Compare(y.Field, x.Field) })
	m := number
	for i, t := range terms {
		if i > 0 && terms[i-1].Field == t.Field {
			m = s.Within(s.term(t, Full), m) // the second term of one field
			continue
		}
		m = s.term(t, m)
	}
	return m
}

// term gives below on the values of the term; below asks for later fields only.
func (s *Space) term(t Term, below Map) Map {
	if t.Not {
		return s.Without(below, s.term(Term{Field: t.Field, Of: t.Of}, Full))
	}
	return s.oneOf(t.Field, t.Of, below)
}

// oneOf joins halves, so that thousands of values do not make thousands of large nodes on the way.
func (s *Space) oneOf(field int, of []Values, below Map) Map {
	switch len(of) {
	case 0:
		return Empty
	case 1:
		return s.values(field, of[0], below)
	}
	half := len(of) / 2
	return s.Else(s.oneOf(field, of[:half], below), s.oneOf(field, of[half:], below))
}

func (s *Space) values(field int, v Values, below Map) Map {
	first, end := s.first[field], s.first[field+1]
	if v.Mask != (Value{}) {
		return s.masked(first, end, v.Lo, v.Mask, below)
	}
	if v.Hi.Less(v.Lo) {
		return Empty
	}
	if top := s.top(field); top.Less(v.Lo) {
		return Empty
	} else if top.Less(v.Hi) {
		v.Hi = top
	}
	return s.span(first, end, v.Lo, v.Hi, below)
}

// top is the largest value of a field.
func (s *Space) top(field int) Value {
	n := s.fields[field].Bits
	if n <= 64 {
		return V(ones(n))
	}
	return Value{Hi: ones(n - 64), Lo: ones(64)}
}

func ones(n int) uint64 { return 1<<n - 1 }

// digitOf takes the digit of a level out of a value of its field.
func (s *Space) digitOf(v Value, at uint8) uint32 {
	l := &s.levels[at]
	w := v.Lo
	switch {
	case l.shift >= 64:
		w = v.Hi >> (l.shift - 64)
	case l.shift > 0:
		w = v.Lo>>l.shift | v.Hi<<(64-l.shift)
	}
	return uint32(w & ones(l.bits))
}

// span gives below on lo to hi. What lies between the first digits is there wholly; at the ends the further digits decide.
func (s *Space) span(level, end uint8, lo, hi Value, below Map) Map {
	if level == end || s.whole(level, lo, hi) {
		return below
	}
	a, b := s.digitOf(lo, level), s.digitOf(hi, level)
	if a == b {
		return s.between(level, a, b, s.span(level+1, end, lo, hi, below))
	}
	m := s.between(level, a, a, s.span(level+1, end, lo, Value{Hi: ones(64), Lo: ones(64)}, below))
	m = s.Else(m, s.between(level, b, b, s.span(level+1, end, Value{}, hi, below)))
	if b-a > 1 {
		m = s.Else(m, s.between(level, a+1, b-1, below))
	}
	return m
}

// whole tells whether lo to hi are all values of what is left of a field from a level on.
func (s *Space) whole(level uint8, lo, hi Value) bool {
	top := Value{Lo: ones(64)}
	switch n := s.levels[level].shift + s.levels[level].bits; {
	case n <= 64:
		top.Lo = ones(n)
	default:
		top.Hi = ones(n - 64)
	}
	return lo.Hi&top.Hi == 0 && lo.Lo&top.Lo == 0 && hi.Hi&top.Hi == top.Hi && hi.Lo&top.Lo == top.Lo
}

// between gives below on lo to hi of one level.
func (s *Space) between(level uint8, lo, hi uint32, below Map) Map {
	from := len(s.scratch)
	if lo > 0 {
		s.push(0, 0)
	}
	s.push(lo, below)
	if uint64(hi) < ones(s.levels[level].bits) {
		s.push(hi+1, 0)
	}
	return s.pop(level, from)
}

// masked gives below where the bits under the mask are those of v.
func (s *Space) masked(level, end uint8, v, mask Value, below Map) Map {
	if level == end {
		return below
	}
	below = s.masked(level+1, end, v, mask, below)
	m := s.digitOf(mask, level)
	d := s.digitOf(v, level) & m
	if m == 0 {
		return below
	}
	free := uint32(bits.TrailingZeros32(m)) // low bits that are open: the length of a run
	open := ^m & uint32(ones(s.levels[level].bits)) &^ uint32(ones(int(free)))
	if runs := bits.OnesCount32(open); runs > 30 || 1<<runs > maxRuns {
		panic(&OverflowError{maxRuns})
	}
	from := len(s.scratch)
	for run := uint32(0); ; run = (run - open) & open { // the subsets of open in ascending order
		lo := d | run
		if n := len(s.scratch); n == from && lo > 0 {
			s.push(0, 0)
		}
		s.push(lo, below)
		if hi := uint64(lo) | ones(int(free)); hi < ones(s.levels[level].bits) {
			s.push(uint32(hi+1), 0)
		}
		if run == open {
			return s.popRuns(level, from)
		}
	}
}

// popRuns is pop for intervals of which one may be empty, since the next begins where it does.
func (s *Space) popRuns(level uint8, from int) Map {
	n := from
	for i, x := range s.scratch[from:] {
		if next := from + i + 1; next < len(s.scratch) && s.scratch[next].start == x.start {
			continue
		}
		s.scratch[n] = x
		n++
	}
	s.scratch = s.scratch[:n]
	return s.pop(level, from)
}

// List is the first-match list of boxes: the Map that gives, for each packet, the number of the first box it is in, and 0 where it is in none. number gives
// the number of a box by its place; two boxes may have one number. Halves are made on their own and laid over each other: far fewer steps than rule by rule,
// since small diagrams meet small ones.
func (s *Space) List(boxes []Box, number func(i int) Map) Map {
	return s.list(boxes, 0, number)
}

func (s *Space) list(boxes []Box, first int, number func(i int) Map) Map {
	switch len(boxes) {
	case 0:
		return 0
	case 1:
		return s.Box(boxes[0], number(first))
	}
	half := len(boxes) / 2
	return s.Else(s.list(boxes[:half], first, number), s.list(boxes[half:], first+half, number))
}

// Parts is List for lists whose Map would be too large, as that of ten thousand numbers may be: the same list cut into Maps, of which the first that does not
// give 0 for a packet counts (First). Joining two of them may not make more than most new intervals.
func (s *Space) Parts(boxes []Box, number func(i int) Map, most int) []Map {
	return s.parts(boxes, 0, number, most)
}

func (s *Space) parts(boxes []Box, first int, number func(i int) Map, most int) []Map {
	if len(boxes) < 2 {
		return []Map{s.list(boxes, first, number)}
	}
	half := len(boxes) / 2
	above, below := s.parts(boxes[:half], first, number, most), s.parts(boxes[half:], first+half, number, most)
	if len(above) == 1 && len(below) == 1 {
		if m, ok := s.within(most, func() Map { return s.Else(above[0], below[0]) }); ok {
			return []Map{m}
		}
	}
	return append(above, below...)
}

// within makes a Map of at most so many new intervals, if there is one.
func (s *Space) within(most int, do func() Map) (m Map, ok bool) {
	whole := s.budget
	if s.store.used+most >= whole {
		return do(), true // the budget of all holds
	}
	s.budget = s.store.used + most
	err := s.Try(func() { m = do() })
	s.budget = whole
	if over := (*OverflowError)(nil); err != nil && !errors.As(err, &over) {
		s.GiveUp(err)
	}
	return m, err == nil
}

// First gives the number that a list in Parts has for a packet.
func (s *Space) First(parts []Map, p Packet) Map {
	for _, m := range parts {
		if n := s.At(m, p); n != 0 {
			return n
		}
	}
	return 0
}
