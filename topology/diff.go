package topology

import (
	"cmp"
	"iter"
	"runtime"
	"slices"
	"sync"
)

// Diff gives the changes that turn the merged view of a into that of b, in canonical order. Provenance and ages are no part of it. The cost is proportional
// to what was touched between two snapshots that share their base, which all do that follow from one another by small deltas; else it is linear in
// their size, on all processors.
func Diff(a, b *Snapshot) ChangeSet {
	cs := ChangeSet{Revision: a.rev}
	if a.base == b.base {
		for p := range touchedIn(a, b) {
			cs.Changes = diffNode(cs.Changes, p.key, p.x, p.y)
		}
		return cs
	}
	c := newComparison(a, b)
	for _, changes := range c.parts(c.changes) {
		cs.Changes = append(cs.Changes, changes...)
	}
	return cs
}

// pair is one node in two snapshots; where one lacks it, it is zero there.
type pair struct {
	key  Key
	x, y Node
}

// touchedIn lists in order the nodes whose rows two snapshots over one base do not share. Those of the base are numbered in order; a new node may have
// another number in either.
func touchedIn(a, b *Snapshot) iter.Seq[pair] {
	old, fresh := touchedRows(a, b)
	return func(yield func(pair) bool) {
		for len(old) > 0 || len(fresh) > 0 {
			var p pair
			if len(fresh) == 0 || len(old) > 0 && a.key(old[0]).Compare(fresh[0]) < 0 {
				p, old = pair{a.key(old[0]), a.present(old[0]), b.present(old[0])}, old[1:]
			} else {
				p.key, fresh = fresh[0], fresh[1:]
				p.x, _ = a.Node(p.key)
				p.y, _ = b.Node(p.key)
			}
			if !yield(p) {
				return
			}
		}
	}
}

// touchedRows lists the numbers of the base's nodes and the keys of new ones, in order.
func touchedRows(a, b *Snapshot) (old []uint32, fresh []Key) {
	for n := range a.over.rows.apart(&b.over.rows) {
		x, _ := a.over.rows.get(n)
		y, _ := b.over.rows.get(n)
		if x == y {
			continue
		}
		if int(n) < len(a.base.nodes) {
			old = append(old, n)
			continue
		}
		for _, s := range []*Snapshot{a, b} {
			if int(n) < len(s.base.nodes)+int(s.over.count) {
				fresh = append(fresh, s.key(n))
			}
		}
	}
	slices.SortFunc(fresh, Key.Compare)
	return old, slices.Compact(fresh)
}

// present gives a node by number, zero if nobody says anything of it.
func (s *Snapshot) present(n uint32) Node {
	if s.row(n).empty() {
		return Node{}
	}
	return Node{s, n}
}

// comparison walks two snapshots side by side that share nothing.
type comparison struct {
	a, b     *Snapshot
	ofA, ofB []uint32 // the nodes in order
	twin     []uint32 // by number in a: number in b, plus 1
	cuts     []cut    // where the parts begin and end
}

// cut is a place in the orders of both.
type cut struct{ a, b int }

// partsPerProcessor evens out that some parts cost more than others.
const partsPerProcessor = 4

func newComparison(a, b *Snapshot) *comparison {
	c := &comparison{a: a, b: b, twin: make([]uint32, len(a.base.nodes)+int(a.over.count))}
	var listing sync.WaitGroup
	listing.Go(func() { c.ofA = a.inOrder() })
	c.ofB = b.inOrder()
	listing.Wait()
	n := partsPerProcessor * runtime.GOMAXPROCS(0)
	c.cuts = append(c.cuts, cut{})
	for i := 1; i < n; i++ {
		at := len(c.ofA) * i / n
		if at == c.cuts[len(c.cuts)-1].a {
			continue
		}
		there, _ := slices.BinarySearchFunc(c.ofB, a.key(c.ofA[at]), func(n uint32, k Key) int { return b.key(n).Compare(k) })
		c.cuts = append(c.cuts, cut{at, there})
	}
	c.cuts = append(c.cuts, cut{len(c.ofA), len(c.ofB)})
	c.parts(c.match)
	return c
}

// inOrder lists all nodes by key.
func (s *Snapshot) inOrder() []uint32 {
	ns := make([]uint32, 0, s.live)
	for n := range s.Nodes() {
		ns = append(ns, n.n)
	}
	return ns
}

// parts works on all parts at once, and gives the results in order.
func (c *comparison) parts(work func(from, to cut) []Change) [][]Change {
	results := make([][]Change, len(c.cuts)-1)
	var working sync.WaitGroup
	for i := range results {
		working.Go(func() { results[i] = work(c.cuts[i], c.cuts[i+1]) })
	}
	working.Wait()
	return results
}

// inStep walks a part by key; where one side lacks a node, its number is absent.
func (c *comparison) inStep(from, to cut, visit func(x, y uint32)) {
	as, bs := c.ofA[from.a:to.a], c.ofB[from.b:to.b]
	for len(as) > 0 || len(bs) > 0 {
		x, y := absent, absent
		order := cmp.Compare(len(bs), len(as)) // where one is at its end
		if len(as) > 0 && len(bs) > 0 {
			order = c.a.key(as[0]).Compare(c.b.key(bs[0]))
		}
		if order <= 0 {
			x, as = as[0], as[1:]
		}
		if order >= 0 {
			y, bs = bs[0], bs[1:]
		}
		visit(x, y)
	}
}

// absent is the number of no node.
const absent = ^uint32(0)

// match notes which node of b is which of a.
func (c *comparison) match(from, to cut) []Change {
	c.inStep(from, to, func(x, y uint32) {
		if x != absent && y != absent {
			c.twin[x] = y + 1
		}
	})
	return nil
}

func (c *comparison) changes(from, to cut) []Change {
	var cs []Change
	at := from.b
	each := func(x, y uint32) {
		switch {
		case x == absent:
			cs = diffNode(cs, c.b.key(y), Node{}, Node{c.b, y})
		case y == absent:
			cs = diffNode(cs, c.a.key(x), Node{c.a, x}, Node{})
		case !c.same(c.a.row(x), c.b.row(y)):
			cs = diffNode(cs, c.a.key(x), Node{c.a, x}, Node{c.b, y})
		}
	}
	// Keys were compared when the twins were found.
	for _, x := range c.ofA[from.a:to.a] {
		y := c.twin[x] - 1
		if y == absent {
			for ; at < to.b && c.b.key(c.ofB[at]).Compare(c.a.key(x)) < 0; at++ {
				each(absent, c.ofB[at])
			}
			each(x, absent)
			continue
		}
		for ; c.ofB[at] != y; at++ {
			each(absent, c.ofB[at])
		}
		each(x, y)
		at++
	}
	for ; at < to.b; at++ {
		each(absent, c.ofB[at])
	}
	return cs
}

// same reports whether two rows surely give one view. Where it is not so simple it says no.
func (c *comparison) same(x, y row) bool {
	if len(x.facts) != len(y.facts) || len(x.out) != len(y.out) {
		return false
	}
	for i := range x.facts {
		f, g := &x.facts[i], &y.facts[i]
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
	for i := range x.out {
		e, f := &x.out[i], &y.out[i]
		if e.rel != f.rel || c.twin[e.peer] != f.peer+1 || e.conf != f.conf {
			return false
		}
		if i > 0 && relations[e.rel].Single && x.out[i-1].rel == e.rel && x.out[i-1].peer != e.peer {
			return false // which of several is believed depends on the readings
		}
	}
	return true
}

// diffNode adds the changes of one node.
func diffNode(cs []Change, key Key, x, y Node) []Change {
	was, is := x.row(), y.row()
	if !shared(was.facts, is.facts) {
		for _, a := range attrsOf(x, y) {
			before, after := x.believed(a), y.believed(a)
			if !slices.Equal(before, after) {
				cs = append(cs, Change{Subject: key, Attr: a, Before: before, After: after})
			}
		}
	}
	if shared(was.out, is.out) {
		return cs
	}
	for _, r := range relsOf(x, y) {
		before, after := x.objects(r), y.objects(r)
		for _, k := range before {
			if _, still := slices.BinarySearchFunc(after, k, Key.Compare); !still {
				cs = append(cs, Change{Subject: key, Rel: r, Object: k})
			}
		}
		for _, k := range after {
			if _, was := slices.BinarySearchFunc(before, k, Key.Compare); !was {
				cs = append(cs, Change{Subject: key, Rel: r, Object: k, Add: true})
			}
		}
	}
	return cs
}

// shared reports whether two slices are one.
func shared[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func attrsOf(nodes ...Node) []Attr {
	var as []Attr
	for _, n := range nodes {
		for _, f := range n.row().facts {
			if len(as) == 0 || as[len(as)-1] != f.attr {
				as = append(as, f.attr)
			}
		}
	}
	slices.Sort(as)
	return slices.Compact(as)
}

func relsOf(nodes ...Node) []Rel {
	var rs []Rel
	for _, n := range nodes {
		for _, e := range n.row().out {
			if len(rs) == 0 || rs[len(rs)-1] != e.rel {
				rs = append(rs, e.rel)
			}
		}
	}
	slices.Sort(rs)
	return slices.Compact(rs)
}

// believed gives the merged value: one, or all of a multi-valued attribute in canonical order.
func (n Node) believed(a Attr) []Value {
	vs := n.Values(a)
	if !a.Multi() {
		return vs[:min(1, len(vs))]
	}
	slices.SortFunc(vs, Value.Compare)
	return vs
}

// objects lists the believed objects of a relation in canonical order.
func (n Node) objects(r Rel) []Key {
	if n.s == nil {
		return nil
	}
	var ks []Key
	for m := range n.s.believedPeers(n.s.row(n.n).out, r) {
		ks = append(ks, n.s.key(m))
	}
	return ks
}

// believedPeers lists the peers that Node.Out gives, by number, from the outgoing edges of a row.
func (s *Snapshot) believedPeers(out []edge, r Rel) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		if !relations[r].Single {
			for e := range perPeer(out, r) {
				if e.conf > ConfidenceDenied && !yield(e.peer) {
					return
				}
			}
			return
		}
		if best, ok := s.bestClaim(out, r); ok && best.conf > ConfidenceDenied {
			yield(best.peer)
		}
	}
}

// bestClaim gives the edge of a relation that is believed most.
func (s *Snapshot) bestClaim(out []edge, r Rel) (best edge, ok bool) {
	for _, e := range out {
		if e.rel == r && (!ok || s.edgePrecedence(e, best) < 0) {
			best, ok = e, true
		}
	}
	return best, ok
}
