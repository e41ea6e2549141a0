package topology

import (
	"fmt"
	"iter"
	"math/bits"
	"slices"
)

// Direction tells which way a relation is followed.
type Direction uint8

// The directions.
const (
	Forward  Direction = iota + 1 // from the subject to the object
	Backward                      // from the object to the subject
	Either
)

// Move follows one relation.
type Move struct {
	Rel Rel
	Dir Direction
}

// Step is one part of a pattern: any of the moves, to a node of any of the kinds.
type Step struct {
	Moves []Move
	Kinds []Kind // none: any kind
	Many  bool   // any number of times, also none at all; else once. Every node on the way is of the kinds
}

// Pattern is a regular expression over relations: the steps, one after the other. A walk matches it if its moves are those of the steps, in order, from the
// first to the last. Moves follow believed relations only: those that Node.Out gives, and backward the same ones (Node.In).
//
// What a pattern reaches from a node is the set of nodes that lie on at least one walk that begins there and matches the whole pattern, both ends included;
// it is empty if no walk does. A walk may come by a node or relation more than once. So the set is what a recursive query finds that keeps pairs of (node,
// number of steps done), goes on from those of the start until nothing new comes, and then keeps the pairs from which the last step can be done.
type Pattern struct {
	steps    []stage
	up, down []uint32 // by position: it and those that are reached from it, or from which it is reached, without a move
}

type stage struct {
	forward, backward []Rel
	kinds             []Kind // none: any
	many              bool
}

// maxStages is how many steps fit a mask of positions.
const maxStages = 31

// NewPattern compiles steps, of which there may be 31. It fails with ErrSchema if a step has no moves or names what the model does not have.
func NewPattern(steps ...Step) (*Pattern, error) {
	if len(steps) > maxStages {
		return nil, fmt.Errorf("%w: a pattern of %d steps, at most %d", ErrSchema, len(steps), maxStages)
	}
	p := &Pattern{}
	for i, s := range steps {
		c, err := s.compile()
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", i+1, err)
		}
		p.steps = append(p.steps, c)
	}
	p.close()
	return p, nil
}

func (s Step) compile() (stage, error) {
	c := stage{kinds: slices.Clone(s.Kinds), many: s.Many}
	if len(s.Moves) == 0 {
		return c, fmt.Errorf("%w: no moves", ErrSchema)
	}
	for _, m := range s.Moves {
		if m.Rel == 0 || m.Rel >= relEnd || m.Dir == 0 || m.Dir > Either {
			return c, fmt.Errorf("%w: a move along %s in direction %d", ErrSchema, m.Rel, m.Dir)
		}
		if m.Dir != Backward && !slices.Contains(c.forward, m.Rel) {
			c.forward = append(c.forward, m.Rel)
		}
		if m.Dir != Forward && !slices.Contains(c.backward, m.Rel) {
			c.backward = append(c.backward, m.Rel)
		}
	}
	for _, k := range s.Kinds {
		if k == 0 || k >= kindEnd {
			return c, fmt.Errorf("%w: it leads to %s", ErrSchema, k)
		}
	}
	return c, nil
}

// close fills in which positions are reached without a move: a step that may be done no times may be left out.
func (p *Pattern) close() {
	p.up, p.down = make([]uint32, len(p.steps)+1), make([]uint32, len(p.steps)+1)
	for i := range p.up {
		p.up[i], p.down[i] = 1<<i, 1<<i
	}
	for i := range p.steps {
		if p.steps[i].many {
			p.down[i+1] |= p.down[i]
		}
	}
	for i, st := range slices.Backward(p.steps) {
		if st.many {
			p.up[i] |= p.up[i+1]
		}
	}
}

// after gives the position after a move of the i-th step.
func (p *Pattern) after(i int) int {
	if p.steps[i].many {
		return i
	}
	return i + 1
}

// Reached is what a pattern reaches from a node. It is used again and again, so that a walk allocates nothing once it has grown; the zero value is empty.
type Reached struct {
	s     *Snapshot
	p     *Pattern
	guide *Guide
	nodes []place
	links []link
	open  []uint32 // places with moves to make
	slots []slot   // open addressing; those of another turn are free
	turn  uint32
	count int

	cyclic bool // a move led to where the same moves had been made before
}

// place is a node with its positions: bit i is set where i steps are done.
type place struct {
	n    uint32
	at   uint32 // reached from the start
	todo uint32 // of which the moves were not made yet
	good uint32 // from which the last step can be done
}

// link is a move from one place to another.
type link struct {
	from, to uint32
	pos      uint8
	rel      Rel
	back     bool
}

type slot struct{ turn, n, place uint32 }

// Reach fills in what the pattern reaches from the node.
func (n Node) Reach(p *Pattern, into *Reached) { into.walk(n, p, nil) }

func (r *Reached) walk(n Node, p *Pattern, g *Guide) {
	r.s, r.p, r.guide, r.nodes, r.links, r.open, r.count = n.s, p, g, r.nodes[:0], r.links[:0], r.open[:0], 0
	r.cyclic = false
	if r.turn++; r.turn == 0 { // after 2^32 walks
		clear(r.slots)
		r.turn = 1
	}
	if n.s == nil {
		return
	}
	r.arrive(n.n, p.up[0])
	for done := 0; done < len(r.open); done++ { //nolint:intrange // it grows meanwhile
		r.leave(r.open[done])
	}
	r.prune()
}

// arrive notes positions of a node and gives its place.
func (r *Reached) arrive(n, at uint32) uint32 {
	if 2*len(r.nodes) >= len(r.slots) {
		r.rehash()
	}
	mask := uint32(len(r.slots) - 1)
	i := n * 0x9e3779b1 >> 7 & mask
	for ; r.slots[i].turn == r.turn; i = (i + 1) & mask {
		if r.slots[i].n == n {
			p := &r.nodes[r.slots[i].place]
			if at&p.at&^p.todo != 0 {
				r.cyclic = true
			}
			if fresh := at &^ p.at; fresh != 0 {
				if p.todo == 0 {
					r.open = append(r.open, r.slots[i].place)
				}
				p.todo |= fresh
				p.at |= fresh
			}
			return r.slots[i].place
		}
	}
	r.slots[i] = slot{r.turn, n, uint32(len(r.nodes))}
	r.open = append(r.open, uint32(len(r.nodes)))
	r.nodes = append(r.nodes, place{n: n, at: at, todo: at})
	return uint32(len(r.nodes)) - 1
}

func (r *Reached) rehash() {
	r.slots = make([]slot, max(64, 2*len(r.slots)))
	mask := uint32(len(r.slots) - 1)
	for k := range r.nodes {
		i := r.nodes[k].n * 0x9e3779b1 >> 7 & mask
		for r.slots[i].turn == r.turn {
			i = (i + 1) & mask
		}
		r.slots[i] = slot{r.turn, r.nodes[k].n, uint32(k)}
	}
}

// leave makes the moves from a place that were not made yet.
func (r *Reached) leave(from uint32) {
	todo := r.nodes[from].todo
	r.nodes[from].todo = 0
	for ; todo != 0; todo &= todo - 1 {
		if pos := bits.TrailingZeros32(todo); pos < len(r.p.steps) {
			r.moves(from, pos)
		}
	}
}

func (r *Reached) moves(from uint32, pos int) {
	st, n := &r.p.steps[pos], r.nodes[from].n
	l := leg{from: from, pos: uint8(pos), next: r.p.after(pos), kinds: st.kinds}
	if r.guide != nil {
		l.ends, l.more = r.guide.base[l.next], &r.guide.more
	}
	if len(st.forward) > 0 {
		out := r.s.out(n)
		for _, rel := range st.forward {
			if relations[rel].Single {
				if best, ok := r.s.bestClaim(out, rel); ok {
					r.move(&l, best)
				}
				continue
			}
			r.along(&l, out, rel)
		}
	}
	if len(st.backward) > 0 {
		l.back = true
		in := r.s.in(n)
		for _, rel := range st.backward {
			r.along(&l, in, rel)
		}
	}
}

// leg is what the moves from a place in one step have in common.
type leg struct {
	from  uint32
	pos   uint8
	next  int
	back  bool
	kinds []Kind
	ends  []uint64      // of the guide: the nodes of the base where it may go on; nil: all
	more  *trie[uint32] // of the guide: further ones
}

// out gives the outgoing edges of a node, and loads nothing else.
func (s *Snapshot) out(n uint32) []edge {
	if len(s.over.rows.top) > 0 || int(n) >= len(s.base.nodes) {
		return s.row(n).out
	}
	return s.base.out[s.base.outOff[n]:s.base.outOff[n+1]]
}

// in gives the incoming edges, likewise.
func (s *Snapshot) in(n uint32) []edge {
	if len(s.over.rows.top) > 0 || int(n) >= len(s.base.nodes) {
		return s.row(n).in
	}
	return s.base.in[s.base.inOff[n]:s.base.inOff[n+1]]
}

// along moves over the best edge of each peer.
func (r *Reached) along(l *leg, es []edge, rel Rel) {
	i := 0
	for i < len(es) && es[i].rel < rel {
		i++
	}
	last := absent
	for ; i < len(es) && es[i].rel == rel; i++ {
		n := es[i].peer
		if n == last {
			continue
		}
		last = n
		if w := int(n >> 6); w < len(l.ends) && l.ends[w]>>(n&63)&1 == 0 && len(l.more.top) == 0 {
			continue // most go no further: a switch has many ports
		}
		r.move(l, es[i])
	}
}

// move goes over an edge, if it is believed and leads to where the step wants to go and where it goes on.
func (r *Reached) move(l *leg, e edge) {
	if e.conf <= ConfidenceDenied || r.guide != nil && !r.guide.ends(e.peer, l.next) || !r.s.isOf(e.peer, l.kinds) {
		return
	}
	if l.back && relations[e.rel].Single {
		if best, _ := r.s.bestClaim(r.s.out(e.peer), e.rel); best.peer != r.nodes[l.from].n {
			return
		}
	}
	to := r.arrive(e.peer, r.p.up[l.next])
	r.links = append(r.links, link{from: l.from, to: to, pos: l.pos, rel: e.rel, back: l.back})
}

// isOf reports whether a node is of one of the kinds, which numbers tell for those of the base; none: any.
func (s *Snapshot) isOf(n uint32, kinds []Kind) bool {
	if len(kinds) == 0 {
		return true
	}
	if int(n) >= len(s.base.nodes) {
		return slices.Contains(kinds, s.key(n).Kind)
	}
	for _, k := range kinds {
		if n >= s.base.kindStart[k] && n < s.base.kindStart[k+1] {
			return true
		}
	}
	return false
}

// prune finds the places from which the last step can be done.
func (r *Reached) prune() {
	last := uint32(1) << len(r.p.steps)
	for i := range r.nodes {
		if p := &r.nodes[i]; p.at&last != 0 {
			p.good = r.p.down[len(r.p.steps)] & p.at
		}
	}
	for changed := true; changed; changed = changed && r.cyclic {
		changed = false
		for _, l := range slices.Backward(r.links) {
			if r.nodes[l.to].good>>r.p.after(int(l.pos))&1 == 0 {
				continue
			}
			p := &r.nodes[l.from]
			if good := p.good | r.p.down[l.pos]&p.at; good != p.good {
				p.good, changed = good, true
			}
		}
	}
	for i := range r.nodes {
		if r.nodes[i].good != 0 {
			r.count++
		}
	}
}

// Len counts the nodes.
func (r *Reached) Len() int { return r.count }

// Nodes lists the nodes, the start first.
func (r *Reached) Nodes() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for i := range r.nodes {
			if r.nodes[i].good != 0 && !yield(Node{r.s, r.nodes[i].n}) {
				return
			}
		}
	}
}

// Ends lists the nodes where walks that match end.
func (r *Reached) Ends() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for i := range r.nodes {
			if r.nodes[i].good>>len(r.p.steps)&1 == 1 && !yield(Node{r.s, r.nodes[i].n}) {
				return
			}
		}
	}
}

// Moves lists the moves on walks that match: from where, along which relation, to where. One move may stand in several steps; it is listed for each.
func (r *Reached) Moves() iter.Seq[Moved] {
	return func(yield func(Moved) bool) {
		for _, l := range r.links {
			if r.nodes[l.from].good>>l.pos&1 == 0 || r.nodes[l.to].good>>r.p.after(int(l.pos))&1 == 0 {
				continue
			}
			m := Moved{From: Node{r.s, r.nodes[l.from].n}, To: Node{r.s, r.nodes[l.to].n}, Rel: l.rel, Dir: Forward, Step: int(l.pos)}
			if l.back {
				m.Dir = Backward
			}
			if !yield(m) {
				return
			}
		}
	}
}

// Moved is a move that was made: from one node to another along a relation, in a step of the pattern, from 0.
type Moved struct {
	From, To Node
	Rel      Rel
	Dir      Direction
	Step     int
}
