package topology

import (
	"iter"
	"slices"
)

// Diff gives the changes that turn the merged view of a into that of b, in canonical order. Provenance and ages are no part of it. The cost is proportional
// to what was touched between two snapshots that share their base, which all do that follow from one another by small deltas; else it is linear in
// their size, on all processors.
func Diff(a, b *Snapshot) ChangeSet {
	if a.base != b.base {
		c := newComparison(a, b)
		return ChangeSet{a.rev, slices.Concat(inParts(c.cuts, c.changes)...)}
	}
	c := &comparison{a: a, b: b, common: uint32(len(a.base.nodes))}
	pairs := touchedIn(a, b)
	return ChangeSet{a.rev, slices.Concat(inParts(cutEvenly(len(pairs)), func(from, to cut) []Change {
		cs := make([]Change, 0, to.a-from.a)
		for _, p := range pairs[from.a:to.a] {
			cs = c.node(cs, p.key, p.x, p.y)
		}
		return cs
	})...)}
}

// pair is one node in two snapshots; where one lacks it, it is zero there.
type pair struct {
	key  Key
	x, y Node
}

// touchedIn lists in order the nodes whose rows two snapshots over one base do not share. Those of the base are numbered in order; a new node may have
// another number in either.
func touchedIn(a, b *Snapshot) []pair {
	old, fresh := touchedRows(a, b)
	pairs := make([]pair, 0, len(old)+len(fresh))
	for _, k := range fresh {
		for ; len(old) > 0 && a.key(old[0]).Compare(k) < 0; old = old[1:] {
			pairs = append(pairs, pair{a.key(old[0]), a.present(old[0]), b.present(old[0])})
		}
		x, _ := a.Node(k)
		y, _ := b.Node(k)
		pairs = append(pairs, pair{k, x, y})
	}
	for _, n := range old {
		pairs = append(pairs, pair{a.key(n), a.present(n), b.present(n)})
	}
	return pairs
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

// node adds the changes of one node.
func (c *comparison) node(cs []Change, key Key, x, y Node) []Change {
	had, has := x.row(), y.row()
	if !shared(had.facts, has.facts) {
		cs = c.attributes(cs, key, x, y, had.facts, has.facts)
	}
	if !shared(had.out, has.out) {
		cs = c.relations(cs, key, x, y, had.out, has.out)
	}
	return cs
}

func (c *comparison) attributes(cs []Change, key Key, x, y Node, had, has []fact) []Change {
	for len(had)+len(has) > 0 {
		a, was, is := section(&had, &has, func(f *fact) Attr { return f.attr })
		if c.sameFacts(was, is) {
			continue
		}
		if before, after := x.believed(a), y.believed(a); !slices.Equal(before, after) {
			cs = append(cs, Change{Subject: key, Attr: a, Before: before, After: after})
		}
	}
	return cs
}

func (c *comparison) relations(cs []Change, key Key, x, y Node, had, has []edge) []Change {
	for len(had)+len(has) > 0 {
		r, was, is := section(&had, &has, func(e *edge) Rel { return e.rel })
		if c.sameEdges(was, is) {
			continue
		}
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

// section cuts the elements about one attribute or relation off two lists that are sorted by it: the least there is.
func section[T any, A ~uint8](xs, ys *[]T, about func(*T) A) (least A, fromX, fromY []T) {
	if least = ^A(0); len(*xs) > 0 {
		least = about(&(*xs)[0])
	}
	if len(*ys) > 0 {
		least = min(least, about(&(*ys)[0]))
	}
	cut := func(from *[]T) []T {
		all, n := *from, 0
		for n < len(all) && about(&all[n]) == least {
			n++
		}
		*from = all[n:]
		return all[:n]
	}
	return least, cut(xs), cut(ys)
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
