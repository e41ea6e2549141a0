package topology

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"time"
)

// Revision numbers the states of one store, from 1; 0 is the empty state before the first commit.
type Revision uint64

// Snapshot is the whole graph at one revision: immutable, so readers never lock. It holds what every source says now, and its
// accessors show the merged view: for each attribute and single-valued relation the fact of the highest confidence, then of the
// source that has precedence, then in canonical order.
//
// Inside, nodes have dense numbers, texts are interned, and facts and relations lie in compressed rows (one array and
// one offset per node); a small overlay carries the rows that newer deltas touched, until it is folded in.
type Snapshot struct {
	rev  Revision
	time time.Time
	base *table
	over overlay

	readings  []Reading // by number; a forgotten one has a zero key
	readingOf map[ReadingKey]uint32
}

type (
	fact struct {
		val            uint64 // bits of the value, or the number of its text
		reading, since uint32 // since: seconds of Unix time
		attr           Attr
		conf           uint8
		derived        bool
	}
	edge struct {
		peer, reading, since uint32
		rel                  Rel
		conf                 uint8
		derived              bool
	}
	row struct {
		facts   []fact
		out, in []edge
	}
	table struct {
		nodes                  []Key // sorted by kind, then ID
		kindStart              [kindEnd + 1]uint32
		hash                   []uint32 // open addressing: node number + 1
		seed                   maphash.Seed
		texts                  []string
		facts                  []fact
		out, in                []edge
		factOff, outOff, inOff []uint32
	}
	overlay struct {
		rows  map[uint32]row
		nodes []Key // numbers follow those of the base
		byKey map[Key]uint32
		texts []string
	}
)

// Empty is the snapshot before the first revision.
func Empty() *Snapshot { return &Snapshot{base: newTable(nil, nil, nil, nil)} }

// Revision tells which state of the store this is.
func (s *Snapshot) Revision() Revision { return s.rev }

// Time is when the revision was committed: "now" for all that is computed from the snapshot.
func (s *Snapshot) Time() time.Time { return s.time }

// At stamps the snapshot with the revision under which a store keeps it.
func (s *Snapshot) At(rev Revision, t time.Time) *Snapshot {
	c := *s
	c.rev, c.time = rev, t
	return &c
}

func (s *Snapshot) key(n uint32) Key {
	if int(n) < len(s.base.nodes) {
		return s.base.nodes[n]
	}
	return s.over.nodes[int(n)-len(s.base.nodes)]
}

func (s *Snapshot) row(n uint32) row {
	if r, ok := s.over.rows[n]; ok {
		return r
	}
	if int(n) >= len(s.base.nodes) {
		return row{}
	}
	b := s.base
	return row{
		b.facts[b.factOff[n]:b.factOff[n+1]:b.factOff[n+1]],
		b.out[b.outOff[n]:b.outOff[n+1]:b.outOff[n+1]],
		b.in[b.inOff[n]:b.inOff[n+1]:b.inOff[n+1]],
	}
}

func (r row) empty() bool { return len(r.facts) == 0 && len(r.out) == 0 && len(r.in) == 0 }

func (s *Snapshot) find(k Key) (uint32, bool) {
	if n, ok := s.over.byKey[k]; ok {
		return n, true
	}
	return s.base.find(k)
}

func (s *Snapshot) text(i uint64) string {
	if i < uint64(len(s.base.texts)) {
		return s.base.texts[i]
	}
	return s.over.texts[i-uint64(len(s.base.texts))]
}

func (s *Snapshot) value(f fact) Value {
	typ := attrs[f.attr].typ
	switch typ {
	case TypeInt, TypeBool, TypeMAC, TypeWWN, TypeFDB:
		return Value{typ: typ, num: f.val}
	}
	return Value{typ: typ, str: s.text(f.val)}
}

func textual(typ ValueType) bool {
	switch typ {
	case TypeInt, TypeBool, TypeMAC, TypeWWN, TypeFDB:
		return false
	}
	return true
}

// Len counts the nodes.
func (s *Snapshot) Len() int {
	n := 0
	for range s.Nodes() {
		n++
	}
	return n
}

// Node finds a node by key.
func (s *Snapshot) Node(k Key) (Node, bool) {
	n, ok := s.find(k)
	if !ok || s.row(n).empty() {
		return Node{}, false
	}
	return Node{s, n}, true
}

// Nodes lists the nodes of the given kinds, or of all, by kind and ID.
func (s *Snapshot) Nodes(kinds ...Kind) iter.Seq[Node] {
	if len(kinds) == 0 {
		kinds = Kinds()
	}
	return func(yield func(Node) bool) {
		added := make([]uint32, len(s.over.nodes))
		for i := range added {
			added[i] = uint32(len(s.base.nodes) + i)
		}
		slices.SortFunc(added, func(a, b uint32) int { return s.key(a).Compare(s.key(b)) })
		for _, kind := range kinds {
			i, end := s.base.kindStart[kind], s.base.kindStart[kind+1]
			j, _ := slices.BinarySearchFunc(added, kind, func(n uint32, k Kind) int { return int(s.key(n).Kind) - int(k) })
			for {
				more := j < len(added) && s.key(added[j]).Kind == kind
				var n uint32
				switch {
				case i < end && (!more || s.base.nodes[i].ID < s.key(added[j]).ID):
					n = i
					i++
				case more:
					n = added[j]
					j++
				default:
					n = ^uint32(0)
				}
				if n == ^uint32(0) {
					break
				}
				if !s.row(n).empty() && !yield(Node{s, n}) {
					return
				}
			}
		}
	}
}

// Reading finds a reading by key.
func (s *Snapshot) Reading(k ReadingKey) (Reading, bool) {
	i, ok := s.readingOf[k]
	if !ok {
		return Reading{}, false
	}
	return s.readings[i], true
}

// Readings lists the readings in canonical order.
func (s *Snapshot) Readings() []Reading {
	rs := make([]Reading, 0, len(s.readingOf))
	for _, i := range s.readingOf {
		rs = append(rs, s.readings[i])
	}
	slices.SortFunc(rs, func(a, b Reading) int { return a.Compare(b.ReadingKey) })
	return rs
}

// Facts lists everything that every source says, in canonical order.
func (s *Snapshot) Facts() iter.Seq[Fact] {
	return func(yield func(Fact) bool) {
		for n := range s.Nodes() {
			for f := range n.Facts() {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// Apply makes the snapshot after a delta. The revision number goes up by one. It fails with ErrConflict, and changes nothing, if the
// delta removes what is not there, adds what is, or points to a reading that does not exist.
func (s *Snapshot) Apply(d Delta) (*Snapshot, error) {
	b := newBuilder(s)
	if err := b.apply(d); err != nil {
		return nil, err
	}
	return b.finish(s.rev+1, d.Time), nil
}

// less orders the facts of one attribute by precedence: confidence, then source, then reading and value.
func (s *Snapshot) factOrder(a, b fact) int {
	if a.attr != b.attr {
		return int(a.attr) - int(b.attr)
	}
	if a.conf != b.conf {
		return int(b.conf) - int(a.conf)
	}
	if c := s.readings[a.reading].Compare(s.readings[b.reading].ReadingKey); c != 0 {
		return c
	}
	if c := s.value(a).Compare(s.value(b)); c != 0 {
		return c
	}
	return boolOrder(a.derived, b.derived)
}

func (s *Snapshot) edgeOrder(a, b edge) int {
	if a.rel != b.rel {
		return int(a.rel) - int(b.rel)
	}
	if a.peer != b.peer {
		return s.key(a.peer).Compare(s.key(b.peer))
	}
	return s.edgePrecedence(a, b)
}

func (s *Snapshot) edgePrecedence(a, b edge) int {
	if a.conf != b.conf {
		return int(b.conf) - int(a.conf)
	}
	if c := s.readings[a.reading].Compare(s.readings[b.reading].ReadingKey); c != 0 {
		return c
	}
	return boolOrder(a.derived, b.derived)
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (t *table) find(k Key) (uint32, bool) {
	mask := uint64(len(t.hash) - 1)
	for i := keyHash(t.seed, k) & mask; t.hash[i] != 0; i = (i + 1) & mask {
		if t.nodes[t.hash[i]-1] == k {
			return t.hash[i] - 1, true
		}
	}
	return 0, false
}

func keyHash(seed maphash.Seed, k Key) uint64 {
	return maphash.String(seed, k.ID) ^ uint64(k.Kind)<<32
}

// newTable lays sorted nodes and their rows out flat. rowOf gives each node's row with peers already numbered as in nodes.
func newTable(nodes []Key, texts []string, rowOf func(n uint32) row, seed *maphash.Seed) *table {
	t := &table{nodes: nodes, texts: texts, seed: maphash.MakeSeed()}
	if seed != nil {
		t.seed = *seed
	}
	size := 4
	for size < 2*len(nodes) {
		size *= 2
	}
	t.hash = make([]uint32, size)
	t.factOff, t.outOff, t.inOff = make([]uint32, len(nodes)+1), make([]uint32, len(nodes)+1), make([]uint32, len(nodes)+1)
	kind := Kind(0)
	for n, k := range nodes {
		for ; kind < k.Kind; kind++ {
			t.kindStart[kind+1] = uint32(n)
		}
		i := keyHash(t.seed, k) & uint64(size-1)
		for t.hash[i] != 0 {
			i = (i + 1) & uint64(size-1)
		}
		t.hash[i] = uint32(n) + 1
		r := rowOf(uint32(n))
		t.facts, t.out, t.in = append(t.facts, r.facts...), append(t.out, r.out...), append(t.in, r.in...)
		t.factOff[n+1], t.outOff[n+1], t.inOff[n+1] = uint32(len(t.facts)), uint32(len(t.out)), uint32(len(t.in))
	}
	for ; kind < kindEnd; kind++ {
		t.kindStart[kind+1] = uint32(len(nodes))
	}
	return t
}

// builder makes the next snapshot from one by changing rows. Rows are copied when first touched.
type builder struct {
	s     *Snapshot
	texts map[string]uint64
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
	c.readings = slices.Clone(s.readings)
	c.readingOf = maps.Clone(s.readingOf)
	if c.readingOf == nil {
		c.readingOf = map[ReadingKey]uint32{}
	}
	b := &builder{s: &c, texts: map[string]uint64{}, dirty: map[uint32]bool{}}
	for i, t := range c.over.texts {
		b.texts[t] = uint64(len(c.base.texts) + i)
	}
	return b
}

func (b *builder) apply(d Delta) error {
	for _, f := range d.Remove {
		if err := b.remove(f); err != nil {
			return err
		}
	}
	for _, r := range d.Renew {
		b.renew(r)
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
		delete(b.s.readingOf, k)
		b.s.readings[i] = Reading{}
	}
	return nil
}

func (b *builder) renew(r Reading) {
	if i, ok := b.s.readingOf[r.ReadingKey]; ok {
		b.s.readings[i] = r
		return
	}
	b.s.readingOf[r.ReadingKey] = uint32(len(b.s.readings))
	b.s.readings = append(b.s.readings, r)
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

func (b *builder) pack(f Fact, reading uint32) fact {
	p := fact{
		reading: reading, since: uint32(f.Since.Unix()), attr: f.Attr,
		conf: cmp.Or(f.Confidence, ConfidenceStated), derived: f.Derived, val: f.Value.num,
	}
	if textual(f.Value.typ) {
		p.val = b.intern(f.Value.str)
	}
	return p
}

func (b *builder) add(f Fact) error {
	if err := f.Check(); err != nil {
		return err
	}
	reading, ok := b.s.readingOf[f.Reading]
	if !ok {
		return fmt.Errorf("%w: %s: no reading %s", ErrConflict, f, f.Reading)
	}
	n := b.node(f.Subject)
	r := b.touch(n)
	if f.Rel == 0 {
		p := b.pack(f, reading)
		i, found := slices.BinarySearchFunc(r.facts, p, b.s.factOrder)
		if found {
			return fmt.Errorf("%w: %s is there already from %s", ErrConflict, f, f.Reading)
		}
		r.facts = slices.Insert(r.facts, i, p)
		b.s.over.rows[n] = r
		return nil
	}
	m := b.node(f.Object)
	e := edge{m, reading, uint32(f.Since.Unix()), f.Rel, cmp.Or(f.Confidence, ConfidenceStated), f.Derived}
	i, found := slices.BinarySearchFunc(r.out, e, b.s.edgeOrder)
	if found {
		return fmt.Errorf("%w: %s is there already from %s", ErrConflict, f, f.Reading)
	}
	r.out = slices.Insert(r.out, i, e)
	b.s.over.rows[n] = r
	e.peer = n
	q := b.touch(m)
	i, _ = slices.BinarySearchFunc(q.in, e, b.s.edgeOrder)
	q.in = slices.Insert(q.in, i, e)
	b.s.over.rows[m] = q
	return nil
}

func (b *builder) remove(f Fact) error {
	missing := fmt.Errorf("%w: %s from %s is not there to remove", ErrConflict, f, f.Reading)
	reading, ok := b.s.readingOf[f.Reading]
	n, found := b.s.find(f.Subject)
	if !ok || !found {
		return missing
	}
	r := b.touch(n)
	if f.Rel == 0 {
		i := slices.IndexFunc(r.facts, func(p fact) bool {
			return p.attr == f.Attr && p.reading == reading && p.derived == f.Derived && b.s.value(p) == f.Value
		})
		if i < 0 {
			return missing
		}
		r.facts = slices.Delete(r.facts, i, i+1)
		b.s.over.rows[n] = r
		return nil
	}
	m, found := b.s.find(f.Object)
	if !found {
		return missing
	}
	same := func(peer uint32) func(edge) bool {
		return func(e edge) bool {
			return e.rel == f.Rel && e.peer == peer && e.reading == reading && e.derived == f.Derived
		}
	}
	i := slices.IndexFunc(r.out, same(m))
	if i < 0 {
		return missing
	}
	r.out = slices.Delete(r.out, i, i+1)
	b.s.over.rows[n] = r
	q := b.touch(m)
	j := slices.IndexFunc(q.in, same(n))
	q.in = slices.Delete(q.in, j, j+1)
	b.s.over.rows[m] = q
	return nil
}

// finish folds the overlay into a new base when it has grown beyond a share of it.
func (b *builder) finish(rev Revision, t time.Time) *Snapshot {
	s := b.s
	s.rev, s.time = rev, t
	if len(s.over.rows) > 4096 && len(s.over.rows) > len(s.base.nodes)/8 {
		return s.compact()
	}
	return s
}

// compact lays the snapshot out flat again; nodes without rows, texts and readings that nothing uses go.
func (s *Snapshot) compact() *Snapshot {
	old := make([]uint32, 0, len(s.base.nodes)+len(s.over.nodes))
	for n := range s.Nodes() {
		old = append(old, n.n)
	}
	renumber := make([]uint32, len(s.base.nodes)+len(s.over.nodes))
	nodes := make([]Key, len(old))
	for i, n := range old {
		renumber[n] = uint32(i)
		nodes[i] = s.key(n)
	}
	c := &Snapshot{rev: s.rev, time: s.time, readingOf: make(map[ReadingKey]uint32, len(s.readingOf))}
	readings := make([]uint32, len(s.readings))
	for i, r := range s.readings {
		if r.Source != 0 {
			readings[i] = uint32(len(c.readings))
			c.readingOf[r.ReadingKey] = readings[i]
			c.readings = append(c.readings, r)
		}
	}
	var texts []string
	number := map[string]uint64{}
	c.base = newTable(nodes, nil, func(i uint32) row {
		r := s.row(old[i])
		r = row{slices.Clone(r.facts), slices.Clone(r.out), slices.Clone(r.in)}
		for j := range r.facts {
			f := &r.facts[j]
			f.reading = readings[f.reading]
			if textual(attrs[f.attr].typ) {
				text := s.text(f.val)
				k, ok := number[text]
				if !ok {
					k = uint64(len(texts))
					number[text] = k
					texts = append(texts, text)
				}
				f.val = k
			}
		}
		for _, es := range [][]edge{r.out, r.in} {
			for j := range es {
				es[j].peer, es[j].reading = renumber[es[j].peer], readings[es[j].reading]
			}
		}
		return r
	}, nil)
	c.base.texts = texts
	return c
}
