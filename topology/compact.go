package topology

import (
	"hash/maphash"
	"slices"
	"sync"
)

// compact lays the snapshot out flat again; nodes without rows, texts that nothing uses and forgotten readings go.
func (s *Snapshot) compact() *Snapshot {
	l := s.layout()
	t := &table{
		nodes: make([]Key, len(l.nodes)), texts: l.texts, readings: make([]Reading, len(l.readings)), uses: make([]uint32, len(l.readings)),
		facts: make([]fact, l.facts), out: make([]edge, l.edges), in: make([]edge, l.edges),
		factOff: make([]uint32, len(l.nodes)+1), outOff: make([]uint32, len(l.nodes)+1), inOff: make([]uint32, len(l.nodes)+1),
	}
	for i, n := range l.readings {
		t.readings[i], t.uses[i] = *s.reading(n), s.uses(n)
	}
	for i, n := range l.nodes {
		r := s.row(n)
		t.nodes[i] = s.key(n)
		t.factOff[i+1] = t.factOff[i] + uint32(len(r.facts))
		t.outOff[i+1], t.inOff[i+1] = t.outOff[i]+uint32(len(r.out)), t.inOff[i]+uint32(len(r.in))
	}
	var indexing sync.WaitGroup
	indexing.Go(t.index)
	inParts(cutEvenly(len(l.nodes)), func(from, to cut) int { return l.rows(s, t, from.a, to.a) })
	indexing.Wait()
	return &Snapshot{rev: s.rev, time: s.time, live: len(l.nodes), base: t}
}

// rows lays out the rows of some nodes, whose places are known.
func (l *layout) rows(s *Snapshot, t *table, from, to int) (laid int) {
	for i, n := range l.nodes[from:to] {
		r, i := s.row(n), from+i
		facts, out, in := t.facts[t.factOff[i]:], t.out[t.outOff[i]:], t.in[t.inOff[i]:]
		for j, f := range r.facts {
			f.reading = l.rank[f.reading]
			if textual(attrs[f.attr].typ) {
				f.val = l.textOf[f.val] - 1
			}
			facts[j] = f
		}
		for j, e := range r.out {
			e.peer, e.reading = l.renumber[e.peer], l.rank[e.reading]
			out[j] = e
		}
		for j, e := range r.in {
			e.peer, e.reading = l.renumber[e.peer], l.rank[e.reading]
			in[j] = e
		}
	}
	return to - from
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

	same []uint32 // places in texts + 1, by open addressing; nil if no text stands twice
	seed maphash.Seed
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
	if s.over.written > 0 { // only texts of the overlay can stand twice
		l.same = make([]uint32, slotsFor(len(l.textOf)))
		l.seed = maphash.MakeSeed()
	}
	for n := range s.Nodes() {
		l.renumber[n.n] = uint32(len(l.nodes))
		l.nodes = append(l.nodes, n.n)
		r := s.row(n.n)
		l.facts, l.edges = l.facts+len(r.facts), l.edges+len(r.out)
		for _, f := range r.facts {
			if textual(attrs[f.attr].typ) && l.textOf[f.val] == 0 {
				l.textOf[f.val] = l.text(s.text(f.val))
			}
		}
	}
	l.texts = slices.Clip(l.texts)
	return l
}

// text gives the place of a text, plus 1.
func (l *layout) text(t string) uint64 {
	if l.same != nil {
		mask := uint64(len(l.same) - 1)
		i := maphash.String(l.seed, t) & mask
		for ; l.same[i] != 0; i = (i + 1) & mask {
			if n := l.same[i]; l.texts[n-1] == t {
				return uint64(n)
			}
		}
		l.same[i] = uint32(len(l.texts)) + 1
	}
	l.texts = append(l.texts, t)
	return uint64(len(l.texts))
}
