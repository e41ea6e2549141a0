package topology

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Graph is a whole graph as records with interned identifiers: what Build makes a snapshot of.
type Graph struct {
	Nodes    []Key     // each once; Build is faster if they are in canonical order (Key.Compare)
	Readings []Reading // each key once; likewise
	Texts    []string  // each once
	Records  []Record  // Build is faster if those of one subject stand together, subjects in order
}

// Record is one fact of a Graph: Attr and Value, or Rel and Object, as in a Fact.
type Record struct {
	Subject, Object uint32 // places in Nodes
	Reading         uint32 // place in Readings
	Since           uint32 // seconds of Unix time, 0 if not known
	Value           uint64 // place in Texts if Attr.Type().Textual(), else Value.Bits
	Attr            Attr
	Rel             Rel
	Confidence      uint8
	Derived         bool
}

// Build makes the snapshot of a graph in time that is linear in its size, on two processors. The graph's slices become the snapshot's. It fails with ErrSchema
// for what the model does not allow, and with ErrConflict if something stands twice.
func Build(g Graph, rev Revision, at time.Time) (*Snapshot, error) {
	t := &table{nodes: g.Nodes, readings: g.Readings, texts: g.Texts}
	if err := g.canonical(t); err != nil {
		return nil, err
	}
	t.startKinds()
	s := &Snapshot{rev: rev, time: wholeMillis(at), base: t}
	l := &loader{t}
	var loading sync.WaitGroup
	var badEdge error
	loading.Go(t.hashKeys)
	loading.Go(func() { badEdge = l.edges(g.Records) })
	badFact := l.facts(g.Records)
	loading.Wait()
	if err := cmp.Or(badFact, badEdge); err != nil {
		return nil, err
	}
	s.live = t.live()
	t.count()
	return s.wired(), nil
}

// validKeys checks keys, and reports whether they are in order.
func validKeys(keys []Key) (inOrder bool, err error) {
	type result struct {
		inOrder bool
		err     error
	}
	inOrder = true
	for _, r := range inParts(cutEvenly(len(keys)), func(from, to cut) result {
		r := result{inOrder: true}
		for i := from.a; i < to.a; i++ {
			if !keys[i].valid() {
				return result{err: fmt.Errorf("%w: node %q", ErrSchema, keys[i])}
			}
			r.inOrder = r.inOrder && (i == 0 || keys[i-1].Compare(keys[i]) < 0)
		}
		return r
	}) {
		inOrder, err = inOrder && r.inOrder, cmp.Or(err, r.err)
	}
	return inOrder, err
}

// canonical checks nodes and readings, and puts them, the nodes and what refers to them in canonical order.
func (g *Graph) canonical(t *table) error {
	for i, r := range t.readings {
		if err := r.Check(); err != nil {
			return err
		}
		t.readings[i].Time = wholeMillis(r.Time)
	}
	inOrder, err := validKeys(t.nodes)
	if err != nil {
		return err
	}
	if inOrder && strictly(t.readings, func(a, b Reading) int { return a.Compare(b.ReadingKey) }) {
		return nil
	}
	g.sort(t)
	for i := 1; i < len(t.nodes); i++ {
		if t.nodes[i-1] == t.nodes[i] {
			return fmt.Errorf("%w: node %s stands twice", ErrConflict, t.nodes[i])
		}
	}
	for i := 1; i < len(t.readings); i++ {
		if t.readings[i-1].ReadingKey == t.readings[i].ReadingKey {
			return fmt.Errorf("%w: reading %s stands twice", ErrConflict, t.readings[i])
		}
	}
	return nil
}

// sort puts nodes and readings in order and numbers the records anew. A number that is out of range stays so.
func (g *Graph) sort(t *table) {
	nodes := sortedKeys(t.nodes)
	readings := make([]uint32, len(t.readings))
	for i := range readings {
		readings[i] = uint32(i)
	}
	slices.SortFunc(readings, func(a, b uint32) int { return t.readings[a].Compare(t.readings[b].ReadingKey) })
	nodeRank, readingRank := inverse(nodes), inverse(readings)
	renumber := func(n *uint32, rank []uint32) {
		if int(*n) < len(rank) {
			*n = rank[*n]
		}
	}
	for i := range g.Records {
		r := &g.Records[i]
		renumber(&r.Subject, nodeRank)
		renumber(&r.Reading, readingRank)
		if r.Rel != 0 {
			renumber(&r.Object, nodeRank)
		}
	}
	t.nodes, t.readings = picked(t.nodes, nodes), picked(t.readings, readings)
}

func inverse(order []uint32) []uint32 {
	rank := make([]uint32, len(order))
	for i, n := range order {
		rank[n] = uint32(i)
	}
	return rank
}

func picked[T any](from []T, order []uint32) []T {
	to := make([]T, len(order))
	for i, n := range order {
		to[i] = from[n]
	}
	return to
}

// sortedKeys gives the order of keys. Most of the comparisons of many are of eight octets behind what all keys of a kind begin with.
func sortedKeys(keys []Key) []uint32 {
	const many = 256
	order := make([]uint32, len(keys))
	if len(keys) < many {
		for i := range order {
			order[i] = uint32(i)
		}
		slices.SortFunc(order, func(a, b uint32) int { return keys[a].Compare(keys[b]) })
		return order
	}
	var starts [kindEnd + 1]int
	for _, k := range keys {
		starts[k.Kind+1]++
	}
	for kind := range kindEnd {
		starts[kind+1] += starts[kind]
	}
	items, next := make([]prefixed, len(keys)), starts
	for i, k := range keys {
		items[next[k.Kind]].n = uint32(i)
		next[k.Kind]++
	}
	var sorting sync.WaitGroup
	for kind := range kindEnd {
		if of := items[starts[kind]:starts[kind+1]]; len(of) > 0 {
			sorting.Go(func() { sortPrefixed(of, keys) })
		}
	}
	sorting.Wait()
	for i := range items {
		order[i] = items[i].n
	}
	return order
}

// prefixed is the number of a key and the octets by which it is compared first.
type prefixed struct {
	prefix uint64
	n      uint32
}

// sortPrefixed sorts keys of one kind.
func sortPrefixed(items []prefixed, keys []Key) {
	first := keys[items[0].n].ID
	skip := len(first)
	for _, i := range items {
		skip = commonPrefix(first[:skip], keys[i.n].ID)
	}
	for i := range items {
		var octets [8]byte
		copy(octets[:], keys[items[i].n].ID[skip:])
		items[i].prefix = binary.BigEndian.Uint64(octets[:])
	}
	slices.SortFunc(items, func(a, b prefixed) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return strings.Compare(keys[a.n].ID, keys[b.n].ID)
	})
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// loader lays records out in a table's rows.
type loader struct{ t *table }

// claim checks what facts and edges have in common.
func (l *loader) claim(r *Record) error {
	switch {
	case int(r.Subject) >= len(l.t.nodes) || int(r.Reading) >= len(l.t.readings):
		return fmt.Errorf("%w: a record of node %d of %d, reading %d of %d", ErrConflict, r.Subject, len(l.t.nodes), r.Reading, len(l.t.readings))
	case r.Confidence > 100:
		return fmt.Errorf("%w: confidence %d", ErrSchema, r.Confidence)
	}
	return nil
}

func (l *loader) facts(records []Record) error {
	t := l.t
	t.factOff = make([]uint32, len(t.nodes)+1)
	checked := make([]uint16, len(t.texts)) // by text: a bit for each type that it is known to be of
	for i := range records {
		r := &records[i]
		if r.Rel != 0 {
			continue
		}
		if err := l.claim(r); err != nil {
			return err
		}
		if err := l.value(r, checked); err != nil {
			return fmt.Errorf("%s: %w", t.nodes[r.Subject], err)
		}
		t.factOff[r.Subject+1]++
	}
	free := starts(t.factOff)
	t.facts = make([]fact, t.factOff[len(t.nodes)])
	for i := range records {
		if r := &records[i]; r.Rel == 0 {
			t.facts[free[r.Subject]] = fact{r.Value, r.Reading, r.Since, r.Attr, cmp.Or(r.Confidence, ConfidenceStated), r.Derived}
			free[r.Subject]++
		}
	}
	for n := range t.nodes {
		row := t.facts[t.factOff[n]:t.factOff[n+1]]
		if !strictly(row, t.factOrder) {
			slices.SortFunc(row, t.factOrder)
		}
		if i := twiceStated(row, t.value); i >= 0 {
			return fmt.Errorf("%w: %s of %s stands twice", ErrConflict, row[i].attr, t.nodes[n])
		}
	}
	return nil
}

// starts turns counts, each one place late, into offsets, and gives them also as the places that are free.
func starts(off []uint32) []uint32 {
	for i := 1; i < len(off); i++ {
		off[i] += off[i-1]
	}
	return slices.Clone(off[:len(off)-1])
}

// value checks the value of a record.
func (l *loader) value(r *Record, checked []uint16) error {
	typ := attrs[min(r.Attr, attrEnd-1)].typ
	if r.Attr == 0 || r.Attr >= attrEnd || !textual(typ) {
		return r.Attr.check(Value{typ: typ, num: r.Value})
	}
	if r.Value >= uint64(len(checked)) {
		return fmt.Errorf("%w: text %d of %d", ErrConflict, r.Value, len(checked))
	}
	if bit := uint16(1) << typ; checked[r.Value]&bit == 0 {
		checked[r.Value] |= bit
		return r.Attr.check(Value{typ: typ, str: l.t.texts[r.Value]})
	}
	return nil
}

func strictly[T any](s []T, order func(a, b T) int) bool {
	for i := 1; i < len(s); i++ {
		if order(s[i-1], s[i]) >= 0 {
			return false
		}
	}
	return true
}

// twiceStated finds in a sorted row a fact that stands twice, whatever its confidence; -1 if there is none.
func twiceStated(row []fact, value func(fact) Value) int {
	mixed := false // one attribute with several confidences
	for i := 1; i < len(row); i++ {
		f, g := &row[i-1], &row[i]
		if f.attr != g.attr {
			continue
		}
		if f.conf == g.conf && f.reading == g.reading && f.derived == g.derived && value(*f) == value(*g) {
			return i
		}
		mixed = mixed || f.conf != g.conf
	}
	if !mixed {
		return -1
	}
	seen := make(map[probe]bool, len(row))
	for i, f := range row {
		p := probe{f.attr, 0, f.reading, f.derived, value(f)}
		if seen[p] {
			return i
		}
		seen[p] = true
	}
	return -1
}

func (l *loader) edges(records []Record) error {
	t := l.t
	t.outOff = make([]uint32, len(t.nodes)+1)
	for i := range records {
		r := &records[i]
		if r.Rel == 0 {
			continue
		}
		if err := l.relation(r); err != nil {
			return err
		}
		t.outOff[r.Subject+1]++
	}
	free := starts(t.outOff)
	t.out = make([]edge, t.outOff[len(t.nodes)])
	for i := range records {
		if r := &records[i]; r.Rel != 0 {
			t.out[free[r.Subject]] = edge{r.Object, r.Reading, r.Since, r.Rel, cmp.Or(r.Confidence, ConfidenceStated), r.Derived}
			free[r.Subject]++
		}
	}
	for n := range t.nodes {
		row := t.out[t.outOff[n]:t.outOff[n+1]]
		if !strictly(row, flatEdgeOrder) {
			slices.SortFunc(row, flatEdgeOrder)
		}
		if i := twiceRelated(row); i >= 0 {
			return fmt.Errorf("%w: %s %s %s stands twice", ErrConflict, t.nodes[n], row[i].rel, t.nodes[row[i].peer])
		}
	}
	t.turn()
	return nil
}

// relation checks a record of a relation.
func (l *loader) relation(r *Record) error {
	if err := l.claim(r); err != nil {
		return err
	}
	nodes := l.t.nodes
	if int(r.Object) >= len(nodes) || r.Attr != 0 {
		return fmt.Errorf("%w: %s %s node %d of %d", ErrConflict, nodes[r.Subject], r.Rel, r.Object, len(nodes))
	}
	if err := r.Rel.check(l.t.kind(r.Subject), l.t.kind(r.Object)); err != nil {
		return fmt.Errorf("%s: %w", nodes[r.Subject], err)
	}
	if relations[r.Rel].Mutual && r.Object <= r.Subject {
		return fmt.Errorf("%w: %s %s %s is not in canonical direction", ErrSchema, nodes[r.Subject], r.Rel, nodes[r.Object])
	}
	return nil
}

// twiceRelated finds in a sorted row an edge that stands twice, whatever its confidence; -1 if there is none.
func twiceRelated(row []edge) int {
	for i := range row {
		for j := i - 1; j >= 0 && row[j].rel == row[i].rel && row[j].peer == row[i].peer; j-- {
			if row[j].reading == row[i].reading && row[j].derived == row[i].derived {
				return i
			}
		}
	}
	return -1
}

// bulk gathers a delta on a graph without facts as records.
type bulk struct {
	g        Graph
	nodeOf   map[Key]uint32
	textOf   map[string]uint32
	readings map[ReadingKey]uint32
}

// applyToNothing is Apply on a graph without facts, which is where a large delta starts from.
func (s *Snapshot) applyToNothing(d Delta) (*Snapshot, error) {
	b := newBuilder(s)
	if err := b.apply(Delta{Renew: d.Renew}); err != nil {
		return nil, err
	}
	u := &bulk{
		g:      Graph{Readings: b.s.Readings(), Records: make([]Record, 0, len(d.Add))},
		nodeOf: make(map[Key]uint32, len(d.Add)/4), textOf: map[string]uint32{}, readings: map[ReadingKey]uint32{},
	}
	for i, r := range u.g.Readings {
		u.readings[r.ReadingKey] = uint32(i)
	}
	for i, f := range d.Add {
		var before Fact
		if i > 0 {
			before = d.Add[i-1]
		}
		if err := u.add(f, before); err != nil {
			return nil, err
		}
	}
	next, err := Build(u.g, s.rev+1, d.Time)
	if err != nil {
		return nil, err
	}
	if len(d.Forget) == 0 {
		return next, nil
	}
	f := newBuilder(next)
	if err := f.apply(Delta{Forget: d.Forget}); err != nil {
		return nil, err
	}
	return f.finish(next.rev, d.Time), nil
}

func (u *bulk) add(f, before Fact) error {
	if err := f.Check(); err != nil {
		return err
	}
	r := Record{Since: seconds(f.Since), Attr: f.Attr, Rel: f.Rel, Confidence: f.Confidence, Derived: f.Derived, Value: f.Value.num}
	last := len(u.g.Records) - 1
	if last >= 0 && f.Reading == before.Reading {
		r.Reading = u.g.Records[last].Reading
	} else {
		var ok bool
		if r.Reading, ok = u.readings[f.Reading]; !ok {
			return fmt.Errorf("%w: %s: no reading %s", ErrConflict, f, f.Reading)
		}
	}
	if last >= 0 && f.Subject == before.Subject {
		r.Subject = u.g.Records[last].Subject
	} else {
		r.Subject = u.node(f.Subject)
	}
	if f.Rel != 0 {
		r.Object = u.node(f.Object)
	} else if textual(f.Value.typ) {
		n, ok := u.textOf[f.Value.str]
		if !ok {
			n = uint32(len(u.g.Texts))
			u.textOf[f.Value.str] = n
			u.g.Texts = append(u.g.Texts, f.Value.str)
		}
		r.Value = uint64(n)
	}
	u.g.Records = append(u.g.Records, r)
	return nil
}

func (u *bulk) node(k Key) uint32 {
	n, ok := u.nodeOf[k]
	if !ok {
		n = uint32(len(u.g.Nodes))
		u.nodeOf[k] = n
		u.g.Nodes = append(u.g.Nodes, k)
	}
	return n
}
