package topology

import "slices"

// Guide knows of a snapshot from which nodes the rest of a pattern may be done, so that walks do not go where they cannot end: a switch has hundreds of ports, of
// which few lead on. It is made in time linear in the snapshot, follows to later snapshots at a cost proportional to what they changed, and may be used by
// many at once.
//
// What it knows is never too little, and may be too much: it counts every claim, believed or not, and what went since. Walks sort that out.
type Guide struct {
	s    *Snapshot
	p    *Pattern
	base [][]uint64   // by position: a bit for each node of the base; nil: all
	more trie[uint32] // by number: positions that the overlay adds
	any  uint32       // positions at which every node is
}

// NewGuide makes the guide of a pattern through a snapshot.
func NewGuide(s *Snapshot, p *Pattern) *Guide {
	g := &Guide{s: &Snapshot{base: s.base}, p: p, base: make([][]uint64, len(p.steps)+1), any: p.down[len(p.steps)]}
	for pos := range slices.Backward(p.steps) {
		if g.any>>pos&1 == 0 {
			g.base[pos] = g.before(pos)
		}
	}
	return g.Follow(s)
}

// Reach fills in what the pattern reaches from the node, which is of the guide's snapshot; elsewhere it goes without a guide.
func (g *Guide) Reach(n Node, into *Reached) {
	if n.s != g.s {
		n.Reach(g.p, into)
		return
	}
	into.walk(n, g.p, g)
}

// Follow gives the guide through another snapshot. It is cheap where the two share their base.
func (g *Guide) Follow(s *Snapshot) *Guide {
	if s.base != g.s.base {
		return NewGuide(s, g.p)
	}
	next := *g
	next.s = s
	by := &token{}
	var todo []uint32
	for n := range g.s.over.rows.apart(&s.over.rows) {
		if int(n) < len(s.base.nodes)+int(s.over.count) {
			todo = next.revise(n, by, todo)
		}
	}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = next.spread(n, by, todo[:len(todo)-1])
	}
	return &next
}

// ends reports whether the rest of the pattern may be done from a node.
func (g *Guide) ends(n uint32, pos int) bool {
	if g.any>>pos&1 == 1 {
		return true
	}
	if b := g.base[pos]; int(n>>6) < len(b) && b[n>>6]>>(n&63)&1 == 1 {
		return true
	}
	if len(g.more.top) == 0 {
		return false
	}
	more, _ := g.more.get(n)
	return more>>pos&1 == 1
}

// before gives the nodes of the base from which the step at a position, and then the rest, may be done.
func (g *Guide) before(pos int) []uint64 {
	t := g.s.base
	b := &backward{t: t, st: &g.p.steps[pos], set: make([]uint64, (len(t.nodes)+63)/64)}
	for kind := Kind(1); kind < kindEnd; kind++ {
		wanted := len(b.st.kinds) == 0 || slices.Contains(b.st.kinds, kind)
		for n := t.kindStart[kind]; n < t.kindStart[kind+1]; n++ {
			switch {
			case !g.ends(n, pos+1):
			case b.st.many:
				b.mark(n)
			case wanted:
				b.reach(n)
			}
		}
	}
	for len(b.todo) > 0 {
		n := b.todo[len(b.todo)-1]
		if b.todo = b.todo[:len(b.todo)-1]; g.s.isOf(n, b.st.kinds) {
			b.reach(n)
		}
	}
	return b.set
}

// backward gathers the nodes from which a step leads to where it should.
type backward struct {
	t    *table
	st   *stage
	set  []uint64
	todo []uint32 // those that the step, if it may be done again, can lead to
}

func (b *backward) mark(n uint32) {
	if b.set[n>>6]>>(n&63)&1 == 0 {
		b.set[n>>6] |= 1 << (n & 63)
		if b.st.many {
			b.todo = append(b.todo, n)
		}
	}
}

// reach marks all from which a move leads to the node.
func (b *backward) reach(n uint32) {
	if len(b.st.forward) > 0 {
		for _, e := range b.t.in[b.t.inOff[n]:b.t.inOff[n+1]] {
			if slices.Contains(b.st.forward, e.rel) {
				b.mark(e.peer)
			}
		}
	}
	if len(b.st.backward) > 0 {
		for _, e := range b.t.out[b.t.outOff[n]:b.t.outOff[n+1]] {
			if slices.Contains(b.st.backward, e.rel) {
				b.mark(e.peer)
			}
		}
	}
}

// add notes positions of a node, and the node as one whose neighbours may be concerned.
func (g *Guide) add(n, at uint32, by *token, todo []uint32) []uint32 {
	more, _ := g.more.get(n)
	fresh := uint32(0)
	for pos := range g.p.steps {
		if at>>pos&1 == 1 && !g.ends(n, pos) {
			fresh |= 1 << pos
		}
	}
	if fresh == 0 {
		return todo
	}
	*g.more.at(n, by) = more | fresh
	return append(todo, n)
}

// revise looks anew at what can be done from a node whose relations changed.
func (g *Guide) revise(n uint32, by *token, todo []uint32) []uint32 {
	row := g.s.row(n)
	at := uint32(0)
	for pos := range slices.Backward(g.p.steps) {
		st, next := &g.p.steps[pos], g.p.after(pos)
		can := st.many && (g.ends(n, pos+1) || at>>(pos+1)&1 == 1)
		for _, e := range row.out {
			can = can || slices.Contains(st.forward, e.rel) && g.s.isOf(e.peer, st.kinds) && g.ends(e.peer, next)
		}
		for _, e := range row.in {
			can = can || slices.Contains(st.backward, e.rel) && g.s.isOf(e.peer, st.kinds) && g.ends(e.peer, next)
		}
		if can {
			at |= 1 << pos
		}
	}
	return g.add(n, at, by, todo)
}

// spread tells the neighbours of a node that more can be done from it.
func (g *Guide) spread(n uint32, by *token, todo []uint32) []uint32 {
	row := g.s.row(n)
	for pos := range g.p.steps {
		st := &g.p.steps[pos]
		if !g.s.isOf(n, st.kinds) || !g.ends(n, g.p.after(pos)) {
			continue
		}
		at := g.p.down[pos]
		for _, e := range row.in {
			if slices.Contains(st.forward, e.rel) {
				todo = g.add(e.peer, at, by, todo)
			}
		}
		for _, e := range row.out {
			if slices.Contains(st.backward, e.rel) {
				todo = g.add(e.peer, at, by, todo)
			}
		}
	}
	return todo
}
