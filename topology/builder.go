package topology

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// builder makes the next snapshot from one by changing rows. Rows are copied when first touched.
type builder struct {
	s     *Snapshot
	texts map[string]uint64 // that this builder added; compact joins equal texts of several
	dirty map[uint32]bool
}

func newBuilder(s *Snapshot) *builder {
	c := *s
	c.over = overlay{
		rows: maps.Clone(s.over.rows), byKey: maps.Clone(s.over.byKey),
		nodes: slices.Clone(s.over.nodes), texts: slices.Clone(s.over.texts),
	}
	if c.over.rows == nil {
		c.over.rows, c.over.byKey = map[uint32]row{}, map[Key]uint32{}
	}
	c.readings, c.uses = slices.Clone(s.readings), slices.Clone(s.uses)
	c.readingOf = maps.Clone(s.readingOf)
	if c.readingOf == nil {
		c.readingOf = map[ReadingKey]uint32{}
	}
	return &builder{s: &c, texts: map[string]uint64{}, dirty: map[uint32]bool{}}
}

func (b *builder) apply(d Delta) error {
	for _, f := range d.Remove {
		if err := b.remove(f); err != nil {
			return err
		}
	}
	for _, r := range d.Renew {
		if err := b.renew(r); err != nil {
			return err
		}
	}
	for _, f := range d.Add {
		if err := b.add(f); err != nil {
			return err
		}
	}
	for _, k := range d.Forget {
		i, ok := b.s.readingOf[k]
		if !ok {
			return fmt.Errorf("%w: no reading %s to forget", ErrConflict, k)
		}
		if b.s.uses[i] > 0 {
			return fmt.Errorf("%w: %d facts still point to reading %s, which is to be forgotten", ErrConflict, b.s.uses[i], k)
		}
		delete(b.s.readingOf, k)
		b.s.readings[i] = Reading{}
	}
	return nil
}

func (b *builder) renew(r Reading) error {
	if err := r.Check(); err != nil {
		return err
	}
	r.Time = wholeMillis(r.Time)
	if i, ok := b.s.readingOf[r.ReadingKey]; ok {
		b.s.readings[i] = r
		return nil
	}
	b.s.readingOf[r.ReadingKey] = uint32(len(b.s.readings))
	b.s.readings, b.s.uses = append(b.s.readings, r), append(b.s.uses, 0)
	return nil
}

// wholeMillis is how every store and encoding keeps a time.
func wholeMillis(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// seconds packs the first-seen time of a fact; 0 is "not known".
func seconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), math.MaxUint32))
}

func sinceTime(seconds uint32) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

func (b *builder) node(k Key) uint32 {
	if n, ok := b.s.find(k); ok {
		return n
	}
	n := uint32(len(b.s.base.nodes) + len(b.s.over.nodes))
	b.s.over.nodes = append(b.s.over.nodes, k)
	b.s.over.byKey[k] = n
	return n
}

// touch gives a row that may be changed in place.
func (b *builder) touch(n uint32) row {
	if b.dirty[n] {
		return b.s.over.rows[n]
	}
	r := b.s.row(n)
	r = row{slices.Clone(r.facts), slices.Clone(r.out), slices.Clone(r.in)}
	b.dirty[n] = true
	b.s.over.rows[n] = r
	return r
}

func (b *builder) intern(text string) uint64 {
	if i, ok := b.texts[text]; ok {
		return i
	}
	i := uint64(len(b.s.base.texts) + len(b.s.over.texts))
	b.s.over.texts = append(b.s.over.texts, text)
	b.texts[text] = i
	return i
}

func (b *builder) probe(f Fact, reading uint32) probe {
	return probe{f.Attr, cmp.Or(f.Confidence, ConfidenceStated), reading, f.Derived, f.Value}
}

func (b *builder) pack(f Fact, p probe) fact {
	packed := fact{
		reading: p.reading, since: seconds(f.Since), attr: p.attr, conf: p.conf, derived: p.derived, val: f.Value.num,
	}
	if textual(f.Value.typ) {
		packed.val = b.intern(f.Value.str)
	}
	return packed
}

func (b *builder) add(f Fact) error {
	if err := f.Check(); err != nil {
		return err
	}
	reading, ok := b.s.readingOf[f.Reading]
	if !ok {
		return fmt.Errorf("%w: %s: no reading %s", ErrConflict, f, f.Reading)
	}
	there := func() error { return fmt.Errorf("%w: %s is there already from %s", ErrConflict, f, f.Reading) }
	n := b.node(f.Subject)
	r := b.touch(n)
	if f.Rel == 0 {
		p := b.probe(f, reading)
		if _, found := b.s.seekFact(r.facts, p); found {
			return there()
		}
		i, _ := slices.BinarySearchFunc(r.facts, p, b.s.probeOrder)
		r.facts = slices.Insert(r.facts, i, b.pack(f, p))
		b.s.over.rows[n] = r
		b.s.uses[reading]++
		return nil
	}
	m := b.node(f.Object)
	e := edge{m, reading, seconds(f.Since), f.Rel, cmp.Or(f.Confidence, ConfidenceStated), f.Derived}
	if _, found := b.s.seekEdge(r.out, e); found {
		return there()
	}
	i, _ := slices.BinarySearchFunc(r.out, e, b.s.edgeOrder)
	r.out = slices.Insert(r.out, i, e)
	b.s.over.rows[n] = r
	e.peer = n
	q := b.touch(m)
	i, _ = slices.BinarySearchFunc(q.in, e, b.s.edgeOrder)
	q.in = slices.Insert(q.in, i, e)
	b.s.over.rows[m] = q
	b.s.uses[reading]++
	return nil
}

func (b *builder) remove(f Fact) error {
	missing := func() error { return fmt.Errorf("%w: %s from %s is not there to remove", ErrConflict, f, f.Reading) }
	reading, ok := b.s.readingOf[f.Reading]
	n, found := b.s.find(f.Subject)
	if !ok || !found {
		return missing()
	}
	r := b.touch(n)
	if f.Rel == 0 {
		i, found := b.s.seekFact(r.facts, b.probe(f, reading))
		if !found {
			return missing()
		}
		r.facts = slices.Delete(r.facts, i, i+1)
		b.s.over.rows[n] = r
		b.s.uses[reading]--
		return nil
	}
	m, found := b.s.find(f.Object)
	if !found {
		return missing()
	}
	e := edge{peer: m, reading: reading, rel: f.Rel, derived: f.Derived}
	i, found := b.s.seekEdge(r.out, e)
	if !found {
		return missing()
	}
	r.out = slices.Delete(r.out, i, i+1)
	b.s.over.rows[n] = r
	e.peer = n
	q := b.touch(m)
	if i, found = b.s.seekEdge(q.in, e); found {
		q.in = slices.Delete(q.in, i, i+1)
	}
	b.s.over.rows[m] = q
	b.s.uses[reading]--
	return nil
}

// drop deletes the facts or edges of a row that match, and gives up their readings.
func drop[T any](b *builder, of []T, reading func(T) uint32, match func(T) bool) []T {
	return slices.DeleteFunc(of, func(x T) bool {
		if !match(x) {
			return false
		}
		b.s.uses[reading(x)]--
		return true
	})
}

// finish folds the overlay into a new base when it has grown beyond a share of it.
func (b *builder) finish(rev Revision, t time.Time) *Snapshot {
	s := b.s
	s.rev, s.time = rev, wholeMillis(t)
	if grown := max(len(s.over.rows), len(s.over.nodes), len(s.over.texts), len(s.readings)-len(s.readingOf)); grown > 4096 && grown > len(s.base.nodes)/8 {
		return s.compact()
	}
	return s
}

// compact lays the snapshot out flat again; nodes without rows, texts that nothing uses and forgotten readings go.
func (s *Snapshot) compact() *Snapshot {
	l := s.layout()
	c := &Snapshot{rev: s.rev, time: s.time, readingOf: make(map[ReadingKey]uint32, len(s.readingOf))}
	readings := make([]uint32, len(s.readings))
	for i, r := range s.readings {
		if r.Source != 0 {
			readings[i] = uint32(len(c.readings))
			c.readingOf[r.ReadingKey] = readings[i]
			c.readings, c.uses = append(c.readings, r), append(c.uses, s.uses[i])
		}
	}
	t := &table{
		nodes: make([]Key, len(l.nodes)), texts: l.texts,
		facts: make([]fact, 0, l.facts), out: make([]edge, 0, l.edges), in: make([]edge, 0, l.edges),
		factOff: make([]uint32, len(l.nodes)+1), outOff: make([]uint32, len(l.nodes)+1), inOff: make([]uint32, len(l.nodes)+1),
	}
	for i, n := range l.nodes {
		t.nodes[i] = s.key(n)
		r := s.row(n)
		for _, f := range r.facts {
			f.reading = readings[f.reading]
			if textual(attrs[f.attr].typ) {
				f.val = l.textOf[f.val] - 1
			}
			t.facts = append(t.facts, f)
		}
		for _, e := range r.out {
			e.peer, e.reading = l.renumber[e.peer], readings[e.reading]
			t.out = append(t.out, e)
		}
		for _, e := range r.in {
			e.peer, e.reading = l.renumber[e.peer], readings[e.reading]
			t.in = append(t.in, e)
		}
		t.factOff[i+1], t.outOff[i+1], t.inOff[i+1] = uint32(len(t.facts)), uint32(len(t.out)), uint32(len(t.in))
	}
	t.index()
	c.base = t
	return c
}

// layout numbers nodes and texts anew, as they stand in a snapshot without overlay.
type layout struct {
	nodes    []uint32 // numbers in the snapshot, in canonical order
	renumber []uint32 // number in the snapshot -> place in nodes
	texts    []string // those in use, each once, in order of first use
	textOf   []uint64 // number in the snapshot -> place in texts + 1; 0 if not in use
	facts    int
	edges    int
}

func (s *Snapshot) layout() *layout {
	l := &layout{
		nodes:    make([]uint32, 0, len(s.base.nodes)+len(s.over.nodes)),
		renumber: make([]uint32, len(s.base.nodes)+len(s.over.nodes)),
		texts:    make([]string, 0, len(s.base.texts)+len(s.over.texts)),
		textOf:   make([]uint64, len(s.base.texts)+len(s.over.texts)),
	}
	same := make(map[string]uint64, len(s.over.texts)) // only texts of the overlay can stand twice
	for _, t := range s.over.texts {
		same[t] = 0
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
	return l
}

func (l *layout) text(t string, same map[string]uint64) uint64 {
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
