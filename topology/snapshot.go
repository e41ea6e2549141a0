package topology

import (
	"hash/maphash"
	"iter"
	"slices"
	"sort"
	"sync"
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
	uses      []uint32  // by number: how many facts point to it
	readingOf map[ReadingKey]uint32
}

type (
	fact struct {
		val            uint64 // bits of the value, or the number of its text
		reading, since uint32 // since: seconds of Unix time, 0 if not known
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

		bySubject            sync.Once // fills in the two below
		subjects, subjectOff []uint32
	}
	overlay struct {
		rows  map[uint32]row
		nodes []Key // numbers follow those of the base
		byKey map[Key]uint32
		texts []string
	}
)

// Empty is the snapshot before the first revision.
func Empty() *Snapshot {
	t := &table{factOff: []uint32{0}, outOff: []uint32{0}, inOff: []uint32{0}}
	t.index()
	return &Snapshot{base: t}
}

// Revision tells which state of the store this is.
func (s *Snapshot) Revision() Revision { return s.rev }

// Time is when the revision was committed: "now" for all that is computed from the snapshot.
func (s *Snapshot) Time() time.Time { return s.time }

// At stamps the snapshot with the revision under which a store keeps it.
func (s *Snapshot) At(rev Revision, t time.Time) *Snapshot {
	c := *s
	c.rev, c.time = rev, wholeMillis(t)
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
	if textual(typ) {
		return Value{typ: typ, str: s.text(f.val)}
	}
	return Value{typ: typ, num: f.val}
}

// textual tells which types of value are kept as text, the others being bits.
func textual(typ ValueType) bool {
	return typ != TypeInt && typ != TypeBool && typ != TypeMAC && typ != TypeWWN && typ != TypeFDB
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
		added := s.added()
		for _, kind := range kinds {
			i, end := s.base.kindStart[kind], s.base.kindStart[kind+1]
			from, _ := slices.BinarySearchFunc(added, kind, s.kindOrder)
			to, _ := slices.BinarySearchFunc(added, kind+1, s.kindOrder)
			for more := added[from:to]; i < end || len(more) > 0; {
				n := i
				if len(more) > 0 && (i == end || s.key(more[0]).ID < s.base.nodes[i].ID) {
					n, more = more[0], more[1:]
				} else {
					i++
				}
				if !s.row(n).empty() && !yield(Node{s, n}) {
					return
				}
			}
		}
	}
}

// added lists the nodes of the overlay by key.
func (s *Snapshot) added() []uint32 {
	ns := make([]uint32, len(s.over.nodes))
	for i := range ns {
		ns[i] = uint32(len(s.base.nodes) + i)
	}
	slices.SortFunc(ns, func(a, b uint32) int { return s.key(a).Compare(s.key(b)) })
	return ns
}

func (s *Snapshot) kindOrder(n uint32, k Kind) int { return int(s.key(n).Kind) - int(k) }

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

// factOrder sorts the facts of a row: by attribute, then by precedence, which is confidence, then source, then the rest.
func (s *Snapshot) factOrder(a, b fact) int {
	return s.probeOrder(a, probe{b.attr, b.conf, b.reading, b.derived, s.value(b)})
}

// probe is a fact whose text need not be in any table.
type probe struct {
	attr    Attr
	conf    uint8
	reading uint32
	derived bool
	value   Value
}

func (s *Snapshot) probeOrder(a fact, p probe) int {
	if a.attr != p.attr {
		return int(a.attr) - int(p.attr)
	}
	if a.conf != p.conf {
		return int(p.conf) - int(a.conf)
	}
	if c := s.readingOrder(a.reading, p.reading); c != 0 {
		return c
	}
	if c := s.value(a).Compare(p.value); c != 0 {
		return c
	}
	return boolOrder(a.derived, p.derived)
}

// seekFact finds the fact with the identity of p, whatever its confidence.
func (s *Snapshot) seekFact(facts []fact, p probe) (int, bool) {
	i := sort.Search(len(facts), func(i int) bool { return facts[i].attr >= p.attr })
	for i < len(facts) && facts[i].attr == p.attr {
		p.conf = facts[i].conf
		if j, found := slices.BinarySearchFunc(facts, p, s.probeOrder); found {
			return j, true
		}
		rest := facts[i:]
		i += sort.Search(len(rest), func(k int) bool { return rest[k].attr != p.attr || rest[k].conf < p.conf })
	}
	return 0, false
}

// edgeOrder sorts the edges of a row: by relation, peer, then precedence.
func (s *Snapshot) edgeOrder(a, b edge) int {
	if c := s.peerOrder(a, b); c != 0 {
		return c
	}
	return s.edgePrecedence(a, b)
}

func (s *Snapshot) peerOrder(a, b edge) int {
	if a.rel != b.rel {
		return int(a.rel) - int(b.rel)
	}
	if a.peer != b.peer {
		return s.key(a.peer).Compare(s.key(b.peer))
	}
	return 0
}

func (s *Snapshot) edgePrecedence(a, b edge) int {
	if a.conf != b.conf {
		return int(b.conf) - int(a.conf)
	}
	if c := s.readingOrder(a.reading, b.reading); c != 0 {
		return c
	}
	return boolOrder(a.derived, b.derived)
}

// seekEdge finds the edge with the identity of e, whatever its confidence.
func (s *Snapshot) seekEdge(es []edge, e edge) (int, bool) {
	i, _ := slices.BinarySearchFunc(es, e, s.peerOrder)
	for ; i < len(es) && es[i].rel == e.rel && es[i].peer == e.peer; i++ {
		if es[i].reading == e.reading && es[i].derived == e.derived {
			return i, true
		}
	}
	return 0, false
}

func (s *Snapshot) readingOrder(a, b uint32) int {
	if a == b {
		return 0
	}
	return s.readings[a].Compare(s.readings[b].ReadingKey)
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
	return maphash.String(seed, k.ID) ^ uint64(k.Kind)*0x9e3779b97f4a7c15 // one name is often used in several kinds
}

// index fills in how nodes are found: the hash table over their keys and where each kind starts.
func (t *table) index() {
	t.seed = maphash.MakeSeed()
	size := 4
	for size < 2*len(t.nodes) {
		size *= 2
	}
	t.hash = make([]uint32, size)
	kind := Kind(0)
	for n, k := range t.nodes {
		for ; kind < k.Kind; kind++ {
			t.kindStart[kind+1] = uint32(n)
		}
		i := keyHash(t.seed, k) & uint64(size-1)
		for t.hash[i] != 0 {
			i = (i + 1) & uint64(size-1)
		}
		t.hash[i] = uint32(n) + 1
	}
	for ; kind < kindEnd; kind++ {
		t.kindStart[kind+1] = uint32(len(t.nodes))
	}
}
