package packet

type operation uint8

const (
	opElse operation = iota + 1
	opWithin
	opWithout
	opOnly
)

// remembered is the result of an operation. The memory is a table without chains: a result that is pushed out is computed again.
type remembered struct {
	a, b, result Map
	op           operation
}

func (s *Space) slot(op operation, a, b Map) *remembered {
	h := (uint64(a)<<32 | uint64(b)) * 0x9e3779b97f4a7c15
	h ^= h >> 29 * uint64(op)
	return &s.cache[h>>24&uint64(len(s.cache)-1)]
}

// Else is the function that is a where a is not 0, and b elsewhere: list a before list b, or the union of two sets.
func (s *Space) Else(a, b Map) Map { return s.apply(opElse, a, b) }

// Within is b where a is not 0, and 0 elsewhere: the intersection of two sets.
func (s *Space) Within(a, b Map) Map { return s.apply(opWithin, a, b) }

// Without is a where b is 0, and 0 elsewhere: the difference of two sets.
func (s *Space) Without(a, b Map) Map { return s.apply(opWithout, a, b) }

// Only is the packets for which m gives the number, which is not 0.
func (s *Space) Only(m, number Map) Set { return s.apply(opOnly, m, number) }

// Union is the packets of a or b.
func (s *Space) Union(a, b Set) Set { return s.Else(a, b) }

// Intersect is the packets of a and b.
func (s *Space) Intersect(a, b Set) Set { return s.Within(a, b) }

// Minus is the packets of a that are not in b.
func (s *Space) Minus(a, b Set) Set { return s.Without(a, b) }

// Not is the packets that are not in a.
func (s *Space) Not(a Set) Set { return s.Without(Full, a) }

// plain gives the result where it needs no look into nodes.
func plain(op operation, a, b Map) (Map, bool) {
	switch op {
	case opElse:
		switch {
		case a == b, b == 0, a != 0 && a&nodeBit == 0:
			return a, true
		case a == 0:
			return b, true
		}
	case opWithin:
		switch {
		case a == 0 || b == 0:
			return 0, true
		case a&nodeBit == 0, a == b:
			return b, true
		}
	case opWithout:
		switch {
		case a == 0 || a == b, b != 0 && b&nodeBit == 0:
			return 0, true
		case b == 0:
			return a, true
		}
	case opOnly:
		if a&nodeBit == 0 {
			if a == b {
				return Full, true
			}
			return Empty, true
		}
	}
	return 0, false
}

func (s *Space) apply(op operation, a, b Map) Map {
	if r, ok := plain(op, a, b); ok {
		return r
	}
	if r := s.slot(op, a, b); r.op == op && r.a == a && r.b == b {
		return r.result
	}
	s.look()
	from := len(s.scratch)
	la, lb := s.level(a), s.level(b)
	switch {
	case la < lb:
		for _, x := range s.intervals(a) {
			s.push(x.start, s.apply(op, x.kid, b))
		}
	case lb < la:
		for _, x := range s.intervals(b) {
			s.push(x.start, s.apply(op, a, x.kid))
		}
	default:
		s.overlay(op, a, b)
	}
	result := s.pop(min(la, lb), from)
	*s.slot(op, a, b) = remembered{a, b, result, op}
	return result
}

// overlay pushes the intervals of two nodes of one level, laid over each other.
func (s *Space) overlay(op operation, a, b Map) {
	x, y := s.intervals(a), s.intervals(b)
	for at := uint32(0); ; {
		s.push(at, s.apply(op, x[0].kid, y[0].kid))
		switch {
		case len(x) > 1 && (len(y) == 1 || x[1].start < y[1].start):
			x = x[1:]
			at = x[0].start
		case len(y) == 1:
			return
		default:
			at = y[1].start
			if len(x) > 1 && x[1].start == at {
				x = x[1:]
			}
			y = y[1:]
		}
	}
}
