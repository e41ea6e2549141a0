package topology

import (
	"runtime"
	"slices"
	"sort"
	"sync"
)

// comparison tells which nodes of two snapshots are the same, and walks both side by side.
type comparison struct {
	a, b   *Snapshot
	common uint32   // nodes below have one number in both
	twin   []uint32 // by number in a: number in b, plus 1; nil if the others are told by their keys

	ofA, ofB ordered
	cuts     []cut // where the parts begin and end
}

// ordered is the nodes of a snapshot by key.
type ordered struct {
	s    *Snapshot
	list []uint32 // nil if their numbers are in order
	size int
}

// cut is a place in the orders of both.
type cut struct{ a, b int }

// partsPerProcessor evens out that some parts cost more than others.
const partsPerProcessor = 4

// newComparison compares two snapshots that share nothing.
func newComparison(a, b *Snapshot) *comparison {
	c := &comparison{a: a, b: b}
	var listing sync.WaitGroup
	listing.Go(func() { c.ofA = a.inOrder() })
	c.ofB = b.inOrder()
	listing.Wait()
	c.cuts = cutEvenly(c.ofA.size)
	if c.alike() {
		c.common = uint32(c.ofA.size)
		return c
	}
	c.twin = make([]uint32, len(a.base.nodes)+int(a.over.count))
	for i := 1; i < len(c.cuts)-1; i++ {
		k := c.ofA.key(c.cuts[i].a)
		c.cuts[i].b = sort.Search(c.ofB.size, func(j int) bool { return c.ofB.key(j).Compare(k) >= 0 })
	}
	c.cuts[len(c.cuts)-1].b = c.ofB.size
	inParts(c.cuts, c.match)
	return c
}

// inOrder lists all nodes by key.
func (s *Snapshot) inOrder() ordered {
	if s.over.touched == 0 && s.over.count == 0 {
		return ordered{s, nil, len(s.base.nodes)}
	}
	ns := make([]uint32, 0, s.live)
	for n := range s.Nodes() {
		ns = append(ns, n.n)
	}
	return ordered{s, ns, len(ns)}
}

// at gives the number of a node by its place.
func (o *ordered) at(i int) uint32 {
	if o.list == nil {
		return uint32(i)
	}
	return o.list[i]
}

func (o *ordered) key(i int) Key { return o.s.key(o.at(i)) }

// alike reports whether both have the same nodes under the same numbers, as they have where nothing came and nothing went.
func (c *comparison) alike() bool {
	if c.ofA.list != nil || c.ofB.list != nil || c.ofA.size != c.ofB.size {
		return false
	}
	as, bs := c.a.base.nodes, c.b.base.nodes
	return !slices.Contains(inParts(c.cuts, func(from, to cut) bool { return slices.Equal(as[from.a:to.a], bs[from.a:to.a]) }), false)
}

// cutEvenly makes parts of like length, at the same places in both orders.
func cutEvenly(size int) []cut {
	const few = 256
	n := min(partsPerProcessor*runtime.GOMAXPROCS(0), 1+size/few)
	cuts := make([]cut, n+1)
	for i := range cuts {
		cuts[i] = cut{size * i / n, size * i / n}
	}
	return cuts
}

// inParts works on all parts at once, and gives the results in order.
func inParts[R any](cuts []cut, work func(from, to cut) R) []R {
	if len(cuts) == 2 {
		return []R{work(cuts[0], cuts[1])}
	}
	results := make([]R, len(cuts)-1)
	var working sync.WaitGroup
	for i := range results {
		working.Go(func() { results[i] = work(cuts[i], cuts[i+1]) })
	}
	working.Wait()
	return results
}

// match notes which node of b is which of a.
func (c *comparison) match(from, to cut) (matched int) {
	for i, j := from.a, from.b; i < to.a && j < to.b; {
		order := c.ofA.key(i).Compare(c.ofB.key(j))
		if order == 0 {
			c.twin[c.ofA.at(i)] = c.ofB.at(j) + 1
			matched++
		}
		if order <= 0 {
			i++
		}
		if order >= 0 {
			j++
		}
	}
	return matched
}

// absent is the number of no node.
const absent = ^uint32(0)

// changes compares the nodes of a part. Their keys were compared when the twins were found.
func (c *comparison) changes(from, to cut) []Change {
	if c.twin == nil {
		return c.changesOfTables(from, to)
	}
	var cs []Change
	j := from.b
	come := func(until func(y uint32) bool) {
		for ; j < to.b && !until(c.ofB.at(j)); j++ {
			y := c.ofB.at(j)
			cs = c.node(cs, c.b.key(y), Node{}, Node{c.b, y})
		}
	}
	for i := from.a; i < to.a; i++ {
		x := c.ofA.at(i)
		y := c.twin[x] - 1
		if y == absent {
			k := c.a.key(x)
			come(func(y uint32) bool { return c.b.key(y).Compare(k) > 0 })
			cs = c.node(cs, k, Node{c.a, x}, Node{})
			continue
		}
		if c.ofB.at(j) != y {
			come(func(next uint32) bool { return next == y })
		}
		j++
		if was, is := c.a.row(x), c.b.row(y); !c.sameFacts(was.facts, is.facts) || !c.sameEdges(was.out, is.out) {
			cs = c.node(cs, c.a.key(x), Node{c.a, x}, Node{c.b, y})
		}
	}
	come(func(uint32) bool { return false })
	return cs
}

// changesOfTables compares the nodes of a part that have the same numbers.
func (c *comparison) changesOfTables(from, to cut) []Change {
	var cs []Change
	a, b := c.a.base, c.b.base
	for n := uint32(from.a); n < uint32(to.a); n++ {
		if !c.sameFacts(a.facts[a.factOff[n]:a.factOff[n+1]], b.facts[b.factOff[n]:b.factOff[n+1]]) ||
			!c.sameEdges(a.out[a.outOff[n]:a.outOff[n+1]], b.out[b.outOff[n]:b.outOff[n+1]]) {
			cs = c.node(cs, a.nodes[n], Node{c.a, n}, Node{c.b, n})
		}
	}
	return cs
}

// sameNode reports whether a node of a is the same as one of b.
func (c *comparison) sameNode(x, y uint32) bool {
	switch {
	case x < c.common:
		return x == y
	case c.twin != nil:
		return c.twin[x] == y+1
	}
	return c.a.key(x) == c.b.key(y)
}

// sameFacts reports whether two lists of facts surely give one view. Where it is not so simple it says no.
func (c *comparison) sameFacts(fs, gs []fact) bool {
	if len(fs) != len(gs) {
		return false
	}
	for i := range fs {
		f, g := &fs[i], &gs[i]
		if f.attr != g.attr {
			return false
		}
		if textual(attrs[f.attr].typ) {
			if c.a.text(f.val) != c.b.text(g.val) {
				return false
			}
		} else if f.val != g.val {
			return false
		}
	}
	return true
}

// sameEdges reports whether two lists of edges surely give one view.
func (c *comparison) sameEdges(es, fs []edge) bool {
	if len(es) != len(fs) {
		return false
	}
	for i := range es {
		e, f := &es[i], &fs[i]
		if e.rel != f.rel || e.conf != f.conf || !c.sameNode(e.peer, f.peer) {
			return false
		}
		if i > 0 && es[i-1].rel == e.rel && es[i-1].peer != e.peer && relations[e.rel].Single {
			return false // which of several is believed depends on the readings
		}
	}
	return true
}
