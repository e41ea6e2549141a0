package topology

import (
	"iter"
	"slices"
)

// FactsOf lists all facts that point to a reading, stated and derived, each once, those of one subject together and else in no particular order, at a cost
// that is proportional to their number. The first call on a base builds an index of it once.
func (s *Snapshot) FactsOf(k ReadingKey) iter.Seq[Fact] {
	return func(yield func(Fact) bool) {
		reading, ok := s.readingOf(k)
		if !ok {
			return
		}
		for n := range s.subjects(reading) {
			for f := range (Node{s, n}).said(reading) {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// subjects lists the nodes that a reading may say something of.
func (s *Snapshot) subjects(reading uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		before := s.base.subjectsOf(reading)
		for _, n := range before {
			if !yield(n) {
				return
			}
		}
		since, _ := s.over.mentions.get(reading)
		for _, n := range since.nodes() {
			if _, twice := slices.BinarySearch(before, n); !twice && !yield(n) {
				return
			}
		}
	}
}

// said lists what one reading says of the node.
func (n Node) said(reading uint32) iter.Seq[Fact] {
	return func(yield func(Fact) bool) {
		r, said := n.s.row(n.n), Fact{Subject: n.Key(), Reading: n.s.reading(reading).ReadingKey}
		for i := range r.facts {
			f := &r.facts[i]
			if f.reading != reading {
				continue
			}
			said.Attr, said.Value, said.Confidence, said.Derived, said.Since = f.attr, n.s.value(*f), f.conf, f.derived, sinceTime(f.since)
			if !yield(said) {
				return
			}
		}
		for _, e := range r.out {
			if e.reading == reading && !yield(n.related(e)) {
				return
			}
		}
	}
}

// subjectsOf lists the nodes of the table of which a reading says something, by number.
func (t *table) subjectsOf(reading uint32) []uint32 {
	t.bySubject.Do(t.indexSubjects)
	if int(reading)+1 >= len(t.subjectOff) {
		return nil
	}
	return t.subjects[t.subjectOff[reading]:t.subjectOff[reading+1]]
}

// indexSubjects makes the compressed rows reading -> nodes.
func (t *table) indexSubjects() {
	last := make([]uint32, len(t.readings)) // by reading: the node put last, plus 1
	each := func(put func(reading, n uint32)) {
		clear(last)
		for n := range uint32(len(t.nodes)) {
			saw := func(reading uint32) {
				if last[reading] != n+1 {
					last[reading] = n + 1
					put(reading, n)
				}
			}
			for _, f := range t.facts[t.factOff[n]:t.factOff[n+1]] {
				saw(f.reading)
			}
			for _, e := range t.out[t.outOff[n]:t.outOff[n+1]] {
				saw(e.reading)
			}
		}
	}
	t.subjectOff = make([]uint32, len(t.readings)+1)
	each(func(reading, _ uint32) { t.subjectOff[reading+1]++ })
	for i := range t.readings {
		t.subjectOff[i+1] += t.subjectOff[i]
	}
	t.subjects = make([]uint32, t.subjectOff[len(t.readings)])
	free := slices.Clone(t.subjectOff)
	each(func(reading, n uint32) {
		t.subjects[free[reading]] = n
		free[reading]++
	})
}
