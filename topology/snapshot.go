package topology

import (
	"iter"
	"slices"
	"sort"
	"time"
)

// Revision numbers the states of one store, from 1; 0 is the empty state before the first commit.
type Revision uint64

// Snapshot is the whole graph at one revision: immutable, so readers never lock. It holds what every source says now, and its
// accessors show the merged view: for each attribute and single-valued relation the fact of the highest confidence, then of the
// source that has precedence, then in canonical order.
//
// Inside, nodes have dense numbers. A flat base, which many snapshots share, holds most of it; an overlay carries what newer deltas
// touched, until it is folded into a new base.
type Snapshot struct {
	rev  Revision
	time time.Time
	base *table
	over overlay
	live int // nodes of which anybody says anything

	wires *wiring // nil: nothing is remembered
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

// At stamps the snapshot with the revision under which a store keeps it. One that has this stamp already is given back itself.
func (s *Snapshot) At(rev Revision, t time.Time) *Snapshot {
	if t = wholeMillis(t); s.rev == rev && s.time.Equal(t) {
		return s
	}
	c := *s
	c.rev, c.time = rev, t
	return &c
}

func (r row) empty() bool { return len(r.facts) == 0 && len(r.out) == 0 && len(r.in) == 0 }

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
func (s *Snapshot) Len() int { return s.live }

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
		for _, kind := range kinds {
			if !s.ofKind(kind, yield) {
				return
			}
		}
	}
}

// ofKind lists the nodes of one kind: those of the base and those of each run of new ones are in order.
func (s *Snapshot) ofKind(kind Kind, yield func(Node) bool) bool {
	next, end := s.base.kindStart[kind], s.base.kindStart[kind+1]
	var runs [][]uint32
	for _, run := range s.over.sorted {
		from, _ := slices.BinarySearchFunc(run, kind, s.kindOrder)
		to, _ := slices.BinarySearchFunc(run, kind+1, s.kindOrder)
		if from < to {
			runs = append(runs, run[from:to])
		}
	}
	for next < end || len(runs) > 0 {
		n, from := next, -1
		for i, run := range runs {
			if (from < 0 && next == end) || s.key(run[0]).ID < s.key(n).ID {
				n, from = run[0], i
			}
		}
		switch {
		case from < 0:
			next++
		case len(runs[from]) > 1:
			runs[from] = runs[from][1:]
		default:
			runs = slices.Delete(runs, from, from+1)
		}
		if !s.row(n).empty() && !yield(Node{s, n}) {
			return false
		}
	}
	return true
}

func (s *Snapshot) kindOrder(n uint32, k Kind) int { return int(s.key(n).Kind) - int(k) }

// Reading finds a reading by key.
func (s *Snapshot) Reading(k ReadingKey) (Reading, bool) {
	i, ok := s.readingOf(k)
	if !ok {
		return Reading{}, false
	}
	return *s.reading(i), true
}

// Readings lists the readings in canonical order.
func (s *Snapshot) Readings() []Reading {
	numbers := s.readingNumbers()
	rs := make([]Reading, len(numbers))
	for i, n := range numbers {
		rs[i] = *s.reading(n)
	}
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
	if s.live == 0 && len(d.Add) > foldFrom && len(d.Remove) == 0 {
		return s.applyToNothing(d)
	}
	b := newBuilder(s)
	if err := b.apply(d); err != nil {
		return nil, err
	}
	return b.finish(s.rev+1, d.Time), nil
}

// probe is a fact whose text need not be in any table.
type probe struct {
	attr    Attr
	conf    uint8
	reading uint32
	derived bool
	value   Value
}

// probeOrder is the order of the facts of a row: by attribute, then by precedence, which is confidence, then source, then the rest.
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

// factOrder is probeOrder for two facts.
func (s *Snapshot) factOrder(a, b fact) int { return s.probeOrder(a, s.probeOf(b)) }

func (s *Snapshot) probeOf(f fact) probe {
	return probe{f.attr, f.conf, f.reading, f.derived, s.value(f)}
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

// edgeOrder is the order of the edges of a row: by relation, peer, then precedence.
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

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
