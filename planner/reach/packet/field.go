package packet

// Set writes a value into a field of every packet before the Map looks: the packets that are in m once the field has the value (the pre-image of a translation
// to one address). The result does not depend on the field.
func (s *Space) Set(m Map, field int, v Value) Map {
	return s.rebuild(m, make(map[Map]Map), same, func(level uint8, m Map, kid func(Map) Map) (Map, bool) {
		if s.levels[level].field != field {
			return 0, false
		}
		return kid(s.kidAt(m, s.digitOf(v, level))), true
	})
}

func same(m Map) Map { return m }

// kidAt gives what a node leads to for a digit.
func (s *Space) kidAt(m Map, d uint32) Map {
	of := s.intervals(m)
	lo, hi := 0, len(of) // the last start that is not above d
	for hi-lo > 1 {
		if mid := int(uint(lo+hi) / 2); of[mid].start <= d {
			lo = mid
		} else {
			hi = mid
		}
	}
	return of[lo].kid
}

// Some is the packets that are in m for at least one of the values of the field (a translation that may choose among them), All those that are in it for
// every one. Neither depends on the field.
func (s *Space) Some(m Set, field int, of ...Values) Set {
	return s.forget(s.Within(s.term(Term{Field: field, Of: of}, Full), m), field)
}

// All is said at Some.
func (s *Space) All(m Set, field int, of ...Values) Set {
	in := s.term(Term{Field: field, Of: of}, Full)
	return s.Not(s.forget(s.Without(in, m), field))
}

// forget is the packets that are in m for at least one value of the field.
func (s *Space) forget(m Set, field int) Set {
	return s.rebuild(m, make(map[Map]Map), same, func(level uint8, m Map, kid func(Map) Map) (Map, bool) {
		if s.levels[level].field != field {
			return 0, false
		}
		var r Map
		for _, x := range s.intervals(m) {
			r = s.Else(r, kid(x.kid))
		}
		return r, true
	})
}

// Shift writes all bits of a field but the low ones under keep, of packets whose field has those bits of from: the packets that are in m once it has those of to (a
// translation prefix to prefix). Of packets with others it says nothing.
func (s *Space) Shift(m Map, field int, from, to, keep Value) Map {
	return s.rebuild(m, make(map[Map]Map), same, func(level uint8, m Map, kid func(Map) Map) (Map, bool) {
		if s.levels[level].field != field {
			return 0, false
		}
		old, low := s.digitOf(from, level), s.digitOf(keep, level)
		first, last := s.digitOf(to, level)&^low, s.digitOf(to, level)|low
		at := len(s.scratch)
		of := s.intervals(m)
		for i, x := range of {
			if x.start > last || i+1 < len(of) && of[i+1].start <= first {
				continue
			}
			start := uint32(0) // what is before the first value is no packet's
			if x.start > first {
				start = old&^low + (x.start - first)
			}
			s.push(start, kid(x.kid))
		}
		return s.pop(level, at), true
	})
}
