package topology

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// builder makes the next snapshot from one by changing rows. What it changes is copied when first touched.
type builder struct {
	s       *Snapshot
	own     *token
	was     *Snapshot
	texts   map[string]uint64 // that this builder added; compact joins equal texts of several
	touched []*ownRow
	spare   []ownRow // made beforehand
	many    int      // from how many facts on they are added together
}

func newBuilder(s *Snapshot) *builder {
	c := *s
	return &builder{s: &c, own: &token{}, was: s, texts: map[string]uint64{}, many: manyFacts}
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
	if err := b.addAll(d.Add); err != nil {
		return err
	}
	for _, k := range d.Forget {
		i, ok := b.s.readingOf(k)
		if !ok {
			return fmt.Errorf("%w: no reading %s to forget", ErrConflict, k)
		}
		if n := b.s.uses(i); n > 0 {
			return fmt.Errorf("%w: %d facts still point to reading %s, which is to be forgotten", ErrConflict, n, k)
		}
		b.look(i, Reading{ReadingKey: k}, true)
	}
	return nil
}

func (b *builder) addAll(fs []Fact) error {
	if len(fs) >= b.many {
		return b.addMany(fs)
	}
	for _, f := range fs {
		if err := b.add(f); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) renew(r Reading) error {
	if err := r.Check(); err != nil {
		return err
	}
	r.Time = wholeMillis(r.Time)
	if i, ok := b.s.findReading(r.ReadingKey); ok {
		b.look(i, r, false)
		return nil
	}
	o := &b.s.over
	i := uint32(len(b.s.base.readings)) + o.opened
	o.opened++
	head := o.byReading.at(bucket(readingHash(b.s.base.seed, r.ReadingKey)), b.own)
	*o.readings.at(i, b.own) = &look{Reading: r, next: *head}
	*head = o.opened
	return nil
}

// look changes a reading that has a number.
func (b *builder) look(i uint32, r Reading, gone bool) {
	p := b.s.over.readings.at(i, b.own)
	var next uint32
	if *p != nil {
		next = (*p).next
	}
	*p = &look{r, gone, next}
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
	o := &b.s.over
	n := uint32(len(b.s.base.nodes)) + o.count
	head := o.byKey.at(bucket(keyHash(b.s.base.seed, k)), b.own)
	*o.nodes.at(o.count, b.own) = added{k, *head}
	o.count++
	*head = o.count
	return n
}

// touch gives a row that may be changed, by its methods.
func (b *builder) touch(n uint32) *ownRow {
	p := b.s.over.rows.at(n, b.own)
	old := *p
	if old != nil && old.owner == b.own {
		return old
	}
	if len(b.spare) == 0 {
		b.spare = make([]ownRow, min(1+len(b.touched)/8, 64))
	}
	r := &b.spare[0]
	b.spare = b.spare[1:]
	r.owner = b.own
	if old != nil {
		r.row = old.row
	} else {
		r.row = b.s.base.row(n)
		b.s.over.touched++
	}
	r.wasEmpty = r.empty()
	b.touched = append(b.touched, r)
	*p = r
	return r
}

// insert puts an element in its place, in a copy unless the slice is a copy already.
func insert[T any](s []T, copied *bool, i int, v T) []T {
	if *copied {
		return slices.Insert(s, i, v)
	}
	*copied = true
	c := make([]T, 0, len(s)+1+len(s)/8)
	return append(append(append(c, s[:i]...), v), s[i:]...)
}

// without leaves out the elements that match, in a copy unless the slice is a copy already.
func without[T any](s []T, copied *bool, match func(T) bool) []T {
	if !*copied {
		*copied = true
		s = slices.Clone(s)
	}
	return slices.DeleteFunc(s, match)
}

// cutAt leaves out one element.
func cutAt[T any](s []T, copied *bool, i int) []T {
	if *copied {
		return slices.Delete(s, i, i+1)
	}
	*copied = true
	c := make([]T, 0, len(s)+1) // what goes often makes room for what comes
	return append(append(c, s[:i]...), s[i+1:]...)
}

func (b *builder) intern(text string) uint64 {
	if i, ok := b.texts[text]; ok {
		return i
	}
	i := uint64(len(b.s.base.texts)) + uint64(b.s.over.written)
	*b.s.over.texts.at(b.s.over.written, b.own) = text
	b.s.over.written++
	b.texts[text] = i
	return i
}

func (b *builder) probe(f Fact, reading uint32) probe {
	return probe{f.Attr, cmp.Or(f.Confidence, ConfidenceStated), reading, f.Derived, f.Value}
}

func (b *builder) pack(f *Fact, reading uint32) fact {
	packed := fact{f.Value.num, reading, seconds(f.Since), f.Attr, cmp.Or(f.Confidence, ConfidenceStated), f.Derived}
	if textual(f.Value.typ) {
		packed.val = b.intern(f.Value.str)
	}
	return packed
}

func (b *builder) add(f Fact) error {
	if err := f.Check(); err != nil {
		return err
	}
	reading, ok := b.s.readingOf(f.Reading)
	if !ok {
		return fmt.Errorf("%w: %s: no reading %s", ErrConflict, f, f.Reading)
	}
	n := b.node(f.Subject)
	r := b.touch(n)
	if f.Rel == 0 {
		p := b.probe(f, reading)
		if _, found := b.s.seekFact(r.facts, p); found {
			return f.there()
		}
		b.said(n, &r.row, reading)
		i, _ := slices.BinarySearchFunc(r.facts, p, b.s.probeOrder)
		r.facts = insert(r.facts, &r.hadFacts, i, b.pack(&f, reading))
		return nil
	}
	m := b.node(f.Object)
	e := edge{m, reading, seconds(f.Since), f.Rel, cmp.Or(f.Confidence, ConfidenceStated), f.Derived}
	if _, found := b.s.seekEdge(r.out, e); found {
		return f.there()
	}
	b.said(n, &r.row, reading)
	i, _ := slices.BinarySearchFunc(r.out, e, b.s.edgeOrder)
	r.out = insert(r.out, &r.hadOut, i, e)
	e.peer = n
	q := b.touch(m)
	i, _ = slices.BinarySearchFunc(q.in, e, b.s.edgeOrder)
	q.in = insert(q.in, &q.hadIn, i, e)
	return nil
}

// said counts a fact of a reading, and notes the node if the reading has not said anything of it so far.
func (b *builder) said(n uint32, r *row, reading uint32) {
	b.count(reading, 1)
	if !r.mentions(reading) {
		b.mention(n, reading)
	}
}

// mention notes that a reading says something of a node. What came and went again and again stands in the list as often, until it is tidied.
func (b *builder) mention(n, reading uint32) {
	p := b.s.over.mentions.at(reading, b.own)
	switch old := *p; {
	case old == nil:
		*p = &mention{owner: b.own, tidy: 8}
	case old.owner == b.own:
	case old.length > 2*old.tidy:
		ns := old.nodes()
		*p = &mention{b.own, ns, uint32(len(ns)), max(uint32(len(ns)), 8), nil}
	default:
		*p = &mention{owner: b.own, length: old.length, tidy: old.tidy, older: old}
	}
	(*p).fresh = append((*p).fresh, n)
	(*p).length++
}

// nodes lists the nodes in ascending order.
func (m *mention) nodes() []uint32 {
	var ns []uint32
	for ; m != nil; m = m.older {
		ns = append(ns, m.fresh...)
	}
	slices.Sort(ns)
	return slices.Compact(ns)
}

func (r *row) mentions(reading uint32) bool {
	for i := range r.facts {
		if r.facts[i].reading == reading {
			return true
		}
	}
	for i := range r.out {
		if r.out[i].reading == reading {
			return true
		}
	}
	return false
}

// count notes that a reading has so many more facts.
func (b *builder) count(reading uint32, more int) {
	n := int(b.s.uses(reading)) + more
	*b.s.over.uses.at(reading, b.own) = uint32(n)
}

func (b *builder) remove(f Fact) error {
	missing := func() error { return fmt.Errorf("%w: %s from %s is not there to remove", ErrConflict, f, f.Reading) }
	reading, ok := b.s.readingOf(f.Reading)
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
		r.facts = cutAt(r.facts, &r.hadFacts, i)
		b.count(reading, -1)
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
	r.out = cutAt(r.out, &r.hadOut, i)
	e.peer = n
	q := b.touch(m)
	if i, found = b.s.seekEdge(q.in, e); found {
		q.in = cutAt(q.in, &q.hadIn, i)
	}
	b.count(reading, -1)
	return nil
}

// drop deletes the facts of one attribute of a node.
func (b *builder) drop(n uint32, a Attr) {
	r := b.touch(n)
	r.facts = without(r.facts, &r.hadFacts, func(f fact) bool {
		if f.attr == a {
			b.count(f.reading, -1)
		}
		return f.attr == a
	})
}

// cut removes all claims of one relation between two nodes.
func (b *builder) cut(from uint32, rel Rel, to uint32) {
	r := b.touch(from)
	r.out = without(r.out, &r.hadOut, func(e edge) bool {
		if e.rel != rel || e.peer != to {
			return false
		}
		b.count(e.reading, -1)
		return true
	})
	q := b.touch(to)
	q.in = without(q.in, &q.hadIn, func(e edge) bool { return e.rel == rel && e.peer == from })
}

// foldFrom is the least overlay that is folded: below it folding saves nothing.
const foldFrom = 1024

// due reports whether the overlay is to be folded into a new base: once it has half the size of the base. Folding costs as much as the base is large, so that
// the whole work of many deltas stays proportional to what they change; and rows in the overlay are several times as large as in the base, so that a graph
// that lives long, all of whose rows change some day, would need several times the memory.
func (b *builder) due() bool {
	o := &b.s.over
	grown := max(o.touched, int(o.written), int(o.opened))
	return grown > max(foldFrom, len(b.s.base.nodes)/2)
}

// newNodes lists the nodes that are new since there were so many new ones, by key.
func (s *Snapshot) newNodes(before uint32) []uint32 {
	first := uint32(len(s.base.nodes)) + before
	keys := make([]Key, s.over.count-before)
	for i := range keys {
		keys[i] = s.key(first + uint32(i))
	}
	run := sortedKeys(keys)
	for i := range run {
		run[i] += first
	}
	return run
}

// finish gives the snapshot.
func (b *builder) finish(rev Revision, t time.Time) *Snapshot {
	s := b.s
	s.rev, s.time = rev, wholeMillis(t)
	for _, r := range b.touched {
		if empty := r.empty(); empty && !r.wasEmpty {
			s.live--
		} else if !empty && r.wasEmpty {
			s.live++
		}
	}
	if s.over.count > b.was.over.count {
		s.over.sorted = s.withRun(s.newNodes(b.was.over.count))
	}
	if b.due() {
		s = s.compact()
	}
	return s.wired()
}
