package topology

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
)

// manyFacts is from how many facts on it pays to make each row once, with all that it gets.
const manyFacts = 512

// gains is what many facts add to rows: what builder.add adds one by one. It is fast where facts of one subject and of one reading come together.
type gains struct {
	b       *builder
	rows    []gaining
	facts   []gained[fact]
	out, in []gained[edge]

	recent  [4]placed  // nodes that were looked for
	oldest  int        // of these
	subject Key        // of the last fact
	n, row  uint32     // its number, and its place in rows
	from    ReadingKey // of the last fact
	reading uint32     // its number
	uses    int        // how many facts of this reading came last
}

// gaining is a row that gets something, and whose it is.
type gaining struct {
	*ownRow
	n uint32
}

// gained is what comes into a row.
type gained[T any] struct {
	row uint32 // its place
	is  T
}

// addMany is add for many facts.
func (b *builder) addMany(fs []Fact) error {
	relations := 0
	for i := range fs {
		if fs[i].Rel != 0 {
			relations++
		}
	}
	g := &gains{b: b, facts: make([]gained[fact], 0, len(fs)-relations), out: make([]gained[edge], 0, relations), in: make([]gained[edge], 0, relations)}
	for i := range fs {
		if err := g.add(&fs[i]); err != nil {
			return err
		}
	}
	b.count(g.reading, g.uses)
	return g.lay()
}

// lay puts what was gained into the rows, the three parts of which have nothing to do with each other.
func (g *gains) lay() error {
	s := g.b.s
	var laying sync.WaitGroup
	var twiceOut error
	laying.Go(func() {
		if e, n := lay(g, g.out, part[edge]{
			of: func(r *ownRow) *[]edge { return &r.out }, order: s.edgeOrder, twice: twiceRelated,
			holds: func(row []edge, e edge) bool { _, found := s.seekEdge(row, e); return found },
		}); n != absent {
			twiceOut = Node{s, n}.related(e).there()
		}
	})
	laying.Go(func() { lay(g, g.in, part[edge]{of: func(r *ownRow) *[]edge { return &r.in }, order: s.edgeOrder}) })
	f, n := lay(g, g.facts, part[fact]{
		of: func(r *ownRow) *[]fact { return &r.facts }, order: s.factOrder,
		twice: func(row []fact) int { return twiceStated(row, s.value) },
		holds: func(row []fact, f fact) bool { _, found := s.seekFact(row, s.probeOf(f)); return found },
	})
	laying.Wait()
	if n != absent {
		return Node{s, n}.fact(f).there()
	}
	return twiceOut
}

func (f Fact) there() error {
	return fmt.Errorf("%w: %s is there already from %s", ErrConflict, f, f.Reading)
}

// add takes in one fact.
func (g *gains) add(f *Fact) error {
	another := g.uses == 0
	if another || f.Subject != g.subject {
		if !f.Subject.valid() {
			return f.Check()
		}
		g.subject = f.Subject
		g.n, g.row = g.place(f.Subject)
		another = true
	}
	if err := f.checkClaim(); err != nil {
		return err
	}
	if g.uses == 0 || f.Reading != g.from {
		reading, ok := g.b.s.readingOf(f.Reading)
		if !ok {
			return fmt.Errorf("%w: %s: no reading %s", ErrConflict, f, f.Reading)
		}
		if g.uses > 0 {
			g.b.count(g.reading, g.uses)
		}
		g.from, g.reading, g.uses, another = f.Reading, reading, 0, true
	}
	if another && !g.rows[g.row].mentions(g.reading) {
		g.b.mention(g.n, g.reading)
	}
	g.uses++
	if f.Rel == 0 {
		g.facts = append(g.facts, gained[fact]{g.row, g.b.pack(f, g.reading)})
		return nil
	}
	m, to := g.place(f.Object)
	e := edge{m, g.reading, seconds(f.Since), f.Rel, cmp.Or(f.Confidence, ConfidenceStated), f.Derived}
	g.out = append(g.out, gained[edge]{g.row, e})
	e.peer = g.n
	g.in = append(g.in, gained[edge]{to, e})
	return nil
}

// placed is a node, its number, and the place of its row.
type placed struct {
	key    Key
	n, row uint32
}

// place gives the number of a node, and the place of its row. What is spoken of is often spoken of again soon.
func (g *gains) place(k Key) (n, row uint32) {
	for i := range g.recent {
		if p := &g.recent[i]; p.key == k {
			return p.n, p.row
		}
	}
	n = g.b.node(k)
	r := g.b.touch(n)
	if r.gains == 0 {
		g.rows = append(g.rows, gaining{r, n})
		r.gains = uint32(len(g.rows))
	}
	g.recent[g.oldest] = placed{k, n, r.gains - 1}
	g.oldest = (g.oldest + 1) % len(g.recent)
	return n, r.gains - 1
}

// part is one of the three lists of a row.
type part[T any] struct {
	of    func(*ownRow) *[]T
	order func(a, b T) int
	twice func(sorted []T) int    // the place of an element that stands twice, -1 if none does; nil: it is known that none does
	holds func(row []T, x T) bool // whether a row has an element already; nil likewise
}

// lay puts what was gained into the rows. It stops at what a row has twice then, and tells of which node the row is.
func lay[T any](g *gains, got []gained[T], p part[T]) (twice T, n uint32) {
	sorted, ends := byRow(got, len(g.rows))
	size, from := len(got), uint32(0)
	for i, r := range g.rows {
		if ends[i] > from {
			size += len(*p.of(r.ownRow))
		}
		from = ends[i]
	}
	all := make([]T, 0, size)
	from = 0
	for i, r := range g.rows {
		fresh, old := sorted[from:ends[i]], p.of(r.ownRow)
		from = ends[i]
		if len(fresh) == 0 {
			continue
		}
		if !strictly(fresh, p.order) {
			slices.SortFunc(fresh, p.order)
		}
		if x, found := p.again(*old, fresh); found {
			return x, r.n
		}
		begin := len(all)
		all = appendMerged(all, *old, fresh, p.order)
		*old = all[begin:len(all):len(all)]
	}
	return twice, absent
}

// byRow puts what was gained together by rows, and tells where that of each row ends.
func byRow[T any](got []gained[T], rows int) (sorted []T, ends []uint32) {
	ends = make([]uint32, rows+1) // first, where each begins
	for i := range got {
		ends[got[i].row+1]++
	}
	for i := range rows {
		ends[i+1] += ends[i]
	}
	sorted = make([]T, len(got))
	for i := range got {
		x := &got[i]
		sorted[ends[x.row]] = x.is
		ends[x.row]++
	}
	return sorted, ends[:rows]
}

// again finds an element that a row has already, or that comes twice.
func (p *part[T]) again(old, fresh []T) (x T, found bool) {
	if p.twice == nil {
		return x, false
	}
	if i := p.twice(fresh); i >= 0 {
		return fresh[i], true
	}
	if len(old) > 0 {
		for _, x := range fresh {
			if p.holds(old, x) {
				return x, true
			}
		}
	}
	return x, false
}

// appendMerged appends two sorted lists, which have nothing in common, as one.
func appendMerged[T any](to, long, short []T, order func(a, b T) int) []T {
	for _, x := range short {
		i, _ := slices.BinarySearchFunc(long, x, order)
		to = append(append(to, long[:i]...), x)
		long = long[i:]
	}
	return append(to, long...)
}
