package packet

import "iter"

// Packet is the value of each field, in the order of the Space.
type Packet []Value

// At gives the number that a Map has for a packet.
func (s *Space) At(m Map, p Packet) Map {
	for m&nodeBit != 0 {
		level := s.level(m)
		m = s.kidAt(m, s.digitOf(p[s.levels[level].field], level))
	}
	return m
}

// Has tells whether a packet is in a set.
func (s *Space) Has(m Set, p Packet) bool { return s.At(m, p) != 0 }

// Pick gives a packet of the set, the smallest in the order of the fields, and false where the set is empty.
func (s *Space) Pick(m Set) (Packet, bool) {
	if m == Empty {
		return nil, false
	}
	p := make(Packet, len(s.fields))
	for m&nodeBit != 0 {
		for _, x := range s.intervals(m) {
			if x.kid != Empty { // a node that is not Empty has a kid that is not: Empty is one number
				s.put(p, s.level(m), x.start)
				m = x.kid
				break
			}
		}
	}
	return p, true
}

// put sets the digit of a level.
func (s *Space) put(p Packet, level uint8, d uint32) {
	l := s.levels[level]
	v, shift := &p[l.field], l.shift
	switch {
	case shift >= 64:
		v.Hi |= uint64(d) << (shift - 64)
	case shift > 0:
		v.Lo |= uint64(d) << shift
		v.Hi |= uint64(d) >> (64 - shift)
	default:
		v.Lo |= uint64(d)
	}
}

// Where gives the packets for which the Map has a number that is wanted.
func (s *Space) Where(m Map, want func(number Map) bool) Set {
	return s.Relabel(m, func(n Map) Map {
		if want(n) {
			return Full
		}
		return Empty
	})
}

// Relabel gives the Map with other numbers.
func (s *Space) Relabel(m Map, to func(number Map) Map) Map {
	return s.rebuild(m, make(map[Map]Map), to, nil)
}

// rebuild copies a diagram from the end up, with other numbers, and nodes by way of node, if there is one.
func (s *Space) rebuild(m Map, done map[Map]Map, number func(Map) Map, node func(level uint8, m Map, kid func(Map) Map) (Map, bool)) Map {
	if r, ok := done[m]; ok {
		return r
	}
	if m&nodeBit == 0 {
		r := number(m)
		done[m] = r
		return r
	}
	again := func(k Map) Map { return s.rebuild(k, done, number, node) }
	if node != nil {
		if r, ok := node(s.level(m), m, again); ok {
			done[m] = r
			return r
		}
	}
	from := len(s.scratch)
	for _, x := range s.intervals(m) {
		s.push(x.start, again(x.kid))
	}
	r := s.pop(s.level(m), from)
	done[m] = r
	return r
}

// Numbers are the numbers that a Map gives, each once, in no order.
func (s *Space) Numbers(m Map) iter.Seq[Map] {
	return func(yield func(Map) bool) {
		seen := make(map[Map]bool)
		todo := []Map{m}
		for len(todo) > 0 {
			m := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if seen[m] {
				continue
			}
			seen[m] = true
			if m&nodeBit == 0 {
				if !yield(m) {
					return
				}
				continue
			}
			for _, x := range s.intervals(m) {
				todo = append(todo, x.kid)
			}
		}
	}
}

// Count gives the nodes and intervals of one Map.
func (s *Space) Count(m Map) (nodes, intervals int) {
	seen := make(map[Map]bool)
	todo := []Map{m}
	for len(todo) > 0 {
		m := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if m&nodeBit == 0 || seen[m] {
			continue
		}
		seen[m] = true
		of := s.intervals(m)
		nodes, intervals = nodes+1, intervals+len(of)
		for _, x := range of {
			todo = append(todo, x.kid)
		}
	}
	return nodes, intervals
}

// Boxes lists products of intervals that together are the set, each field by its place; at most limit of them, and whether these are all. Of a field of several
// levels the interval may hold more than is in the set: it ends with the first level that has more than one value. nil is any value.
func (s *Space) Boxes(m Set, limit int) (boxes [][]*Values, all bool) {
	at := make([]*Values, len(s.levels)) // the interval of each level that was asked
	all = true
	var walk func(m Set)
	walk = func(m Set) {
		switch {
		case m == Empty || !all:
			return
		case m&nodeBit == 0 && len(boxes) == limit:
			all = false
			return
		case m&nodeBit == 0:
			boxes = append(boxes, s.product(at))
			return
		}
		level, made := s.level(m), s.intervals(m)
		for i, x := range made {
			hi := ones(s.levels[level].bits)
			if i+1 < len(made) {
				hi = uint64(made[i+1].start) - 1
			}
			at[level] = &Values{Lo: V(uint64(x.start)), Hi: V(hi)}
			walk(x.kid)
		}
		at[level] = nil
	}
	walk(m)
	return boxes, all
}

// product puts the intervals of levels together to values of fields.
func (s *Space) product(at []*Values) []*Values {
	box := make([]*Values, len(s.fields))
	for f := range s.fields {
		first, end := s.first[f], s.first[f+1]
		lo, hi := make(Packet, len(s.fields)), make(Packet, len(s.fields))
		single := at[first] != nil
		for l := first; l < end; l++ {
			switch {
			case single && at[l] != nil:
				s.put(lo, l, uint32(at[l].Lo.Lo))
				s.put(hi, l, uint32(at[l].Hi.Lo))
				single = at[l].Lo == at[l].Hi
			default:
				single = false
				s.put(hi, l, uint32(ones(s.levels[l].bits)))
			}
		}
		if at[first] != nil {
			box[f] = &Values{Lo: lo[f], Hi: hi[f]}
		}
	}
	return box
}
