package topology

import (
	"slices"
	"sync"
)

// compact lays the snapshot out flat again; nodes without rows, texts that nothing uses and forgotten readings go.
func (s *Snapshot) compact() *Snapshot {
	l := s.layout()
	c := &Snapshot{rev: s.rev, time: s.time, live: len(l.nodes)}
	t := &table{
		nodes: make([]Key, len(l.nodes)), texts: l.texts,
		readings: make([]Reading, len(l.readings)), uses: make([]uint32, len(l.readings)),
		facts: make([]fact, 0, l.facts), factOff: make([]uint32, len(l.nodes)+1),
	}
	for i, n := range l.readings {
		t.readings[i], t.uses[i] = *s.reading(n), s.uses(n)
	}
	for i, n := range l.nodes {
		t.nodes[i] = s.key(n)
	}
	var laying sync.WaitGroup
	laying.Go(t.index)
	laying.Go(func() { t.out, t.outOff = l.relations(s, func(r row) []edge { return r.out }) })
	laying.Go(func() { t.in, t.inOff = l.relations(s, func(r row) []edge { return r.in }) })
	for i, n := range l.nodes {
		for _, f := range s.row(n).facts {
			f.reading = l.rank[f.reading]
			if textual(attrs[f.attr].typ) {
				f.val = l.textOf[f.val] - 1
			}
			t.facts = append(t.facts, f)
		}
		t.factOff[i+1] = uint32(len(t.facts))
	}
	laying.Wait()
	c.base = t
	return c
}

// relations lays out the relations of all nodes in one direction.
func (l *layout) relations(s *Snapshot, of func(row) []edge) (es []edge, off []uint32) {
	es, off = make([]edge, 0, l.edges), make([]uint32, 1, len(l.nodes)+1)
	for _, n := range l.nodes {
		for _, e := range of(s.row(n)) {
			e.peer, e.reading = l.renumber[e.peer], l.rank[e.reading]
			es = append(es, e)
		}
		off = append(off, uint32(len(es)))
	}
	return es, off
}

// layout numbers nodes, texts and readings anew, as they stand in a snapshot without overlay.
type layout struct {
	nodes    []uint32 // numbers in the snapshot, in canonical order
	renumber []uint32 // number in the snapshot -> place in nodes
	readings []uint32 // numbers in the snapshot, in canonical order
	rank     []uint32 // number in the snapshot -> place in readings
	texts    []string // those in use, each once, in order of first use
	textOf   []uint64 // number in the snapshot -> place in texts + 1; 0 if not in use
	facts    int
	edges    int
}

func (s *Snapshot) layout() *layout {
	l := &layout{
		nodes:    make([]uint32, 0, s.live),
		renumber: make([]uint32, len(s.base.nodes)+int(s.over.count)),
		readings: s.readingNumbers(),
		rank:     make([]uint32, len(s.base.readings)+int(s.over.opened)),
		texts:    make([]string, 0, len(s.base.texts)+int(s.over.written)),
		textOf:   make([]uint64, len(s.base.texts)+int(s.over.written)),
	}
	for i, n := range l.readings {
		l.rank[n] = uint32(i)
	}
	same := make(map[string]uint64, s.over.written) // only texts of the overlay can stand twice
	for i := range s.over.written {
		same[s.text(uint64(len(s.base.texts))+uint64(i))] = 0
	}
	for n := range s.Nodes() {
		l.renumber[n.n] = uint32(len(l.nodes))
		l.nodes = append(l.nodes, n.n)
		r := s.row(n.n)
		l.facts, l.edges = l.facts+len(r.facts), l.edges+len(r.out)
		for _, f := range r.facts {
			if textual(attrs[f.attr].typ) && l.textOf[f.val] == 0 {
				l.textOf[f.val] = l.text(s.text(f.val), same)
			}
		}
	}
	l.texts = slices.Clip(l.texts)
	return l
}

func (l *layout) text(t string, same map[string]uint64) uint64 {
	if len(same) == 0 {
		l.texts = append(l.texts, t)
		return uint64(len(l.texts))
	}
	number, shared := same[t]
	if number > 0 {
		return number
	}
	l.texts = append(l.texts, t)
	number = uint64(len(l.texts))
	if shared {
		same[t] = number
	}
	return number
}
