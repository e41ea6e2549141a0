package topology

import (
	"iter"
	"slices"
	"sort"
	"strings"
	"time"
)

// Node is a view of one node in one snapshot: cheap to copy, comparable within the snapshot, not to be kept beyond it (keep
// the Key).
type Node struct {
	s *Snapshot
	n uint32
}

// Key names the node across snapshots; no node has the zero Key.
func (n Node) Key() Key {
	if n.s == nil {
		return Key{}
	}
	return n.s.key(n.n)
}

// Kind tells what it is.
func (n Node) Kind() Kind { return n.Key().Kind }

// row gives what is said of the node; nothing, if it is no node.
func (n Node) row() row {
	if n.s == nil {
		return row{}
	}
	return n.s.row(n.n)
}

// Snapshot gives the snapshot the node is in.
func (n Node) Snapshot() *Snapshot { return n.s }

// On gives the node as another snapshot has it, if it does.
func (n Node) On(s *Snapshot) (Node, bool) {
	switch {
	case n.s == nil:
		return Node{}, false
	case n.s == s:
		return n, true
	case n.s.base == s.base && int(n.n) < len(s.base.nodes): // one was made of the other: they number alike
		return s.present(n.n), s.present(n.n).s != nil
	}
	return s.Node(n.Key())
}

// IsZero reports whether this is no node at all.
func (n Node) IsZero() bool { return n.s == nil }

// Value gives the believed value of a single-valued attribute, or the first of a multi-valued one.
func (n Node) Value(a Attr) (Value, bool) {
	if n.s == nil {
		return Value{}, false
	}
	if fs := n.s.row(n.n).from(a); len(fs) > 0 && fs[0].attr == a {
		return n.s.value(fs[0]), true
	}
	return Value{}, false
}

// from gives the facts about an attribute and those after it: rows are sorted by attribute, and those of uplinks and gateways are long.
func (r row) from(a Attr) []fact {
	return r.facts[sort.Search(len(r.facts), func(i int) bool { return r.facts[i].attr >= a }):]
}

// Text gives the believed value as canonical text, "" if there is none.
func (n Node) Text(a Attr) string {
	v, _ := n.Value(a)
	return v.String()
}

// Int gives the believed number.
func (n Node) Int(a Attr) (int64, bool) {
	v, ok := n.Value(a)
	return v.Int(), ok
}

// Values lists the distinct values of an attribute, the believed one first.
func (n Node) Values(a Attr) []Value {
	if n.s == nil {
		return nil
	}
	var vs []Value
	var seen map[Value]bool // an uplink has learned thousands of addresses
	for _, f := range n.s.row(n.n).from(a) {
		if f.attr != a {
			break
		}
		v := n.s.value(f)
		if seen[v] || seen == nil && slices.Contains(vs, v) {
			continue
		}
		if vs = append(vs, v); len(vs) == 16 {
			seen = make(map[Value]bool, 64)
			for _, w := range vs {
				seen[w] = true
			}
		} else if seen != nil {
			seen[v] = true
		}
	}
	return vs
}

// Name gives what people call the node, else the last part of its ID.
func (n Node) Name() string {
	for _, a := range []Attr{AttrName, AttrSysName, AttrIfName, AttrDeviceName, AttrHandle, AttrPath} {
		if v, ok := n.Value(a); ok && v.String() != "" {
			return v.String()
		}
	}
	id := n.Key().ID
	switch n.Kind() { // the parts of a device (docs/model.md)
	case Port, NIC, LAG, VirtualSwitch, Network, PortGroup, VLAN, StoragePool, Volume:
		if owner, name, ok := strings.Cut(id, "/"); ok && !networkVolume(owner) {
			return name
		}
	}
	return id
}

// networkVolume tells by the first segment of a volume's ID that it is one of no host: rbd:, nfs:, nbd: and so on.
func networkVolume(owner string) bool {
	scheme, _, ok := strings.Cut(owner, ":")
	return ok && len(scheme) > 2
}

// Facts lists what every source says of the node: its attributes by precedence, then the relations it is the subject of.
func (n Node) Facts() iter.Seq[Fact] {
	return func(yield func(Fact) bool) {
		if n.s == nil {
			return
		}
		r := n.s.row(n.n)
		for _, f := range r.facts {
			if !yield(n.fact(f)) {
				return
			}
		}
		for _, e := range r.out {
			if !yield(n.related(e)) {
				return
			}
		}
	}
}

// Readings lists the readings that say something of the node, each once.
func (n Node) Readings() iter.Seq[Reading] {
	return func(yield func(Reading) bool) {
		if n.s == nil {
			return
		}
		r := n.s.row(n.n)
		var seen []uint32
		once := func(reading uint32) bool {
			if slices.Contains(seen, reading) {
				return true
			}
			seen = append(seen, reading)
			return yield(*n.s.reading(reading))
		}
		for i := range r.facts {
			if !once(r.facts[i].reading) {
				return
			}
		}
		for i := range r.out {
			if !once(r.out[i].reading) {
				return
			}
		}
	}
}

// About lists what every source says of one attribute of the node, by precedence.
func (n Node) About(a Attr) iter.Seq[Fact] {
	return func(yield func(Fact) bool) {
		for _, f := range n.row().from(a) {
			if f.attr != a || !yield(n.fact(f)) {
				return
			}
		}
	}
}

// Stated lists the values of an attribute as the facts have them, the believed one first: what several say comes several times.
func (n Node) Stated(a Attr) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for _, f := range n.row().from(a) {
			if f.attr != a || !yield(n.s.value(f)) {
				return
			}
		}
	}
}

// Derived lists what reconcile concluded of the node, in the order of Facts.
func (n Node) Derived() iter.Seq[Fact] {
	return func(yield func(Fact) bool) {
		r := n.row()
		for i := range r.facts {
			if r.facts[i].derived && !yield(n.fact(r.facts[i])) {
				return
			}
		}
		for i := range r.out {
			if r.out[i].derived && !yield(n.related(r.out[i])) {
				return
			}
		}
	}
}

func (n Node) fact(f fact) Fact {
	return Fact{
		Subject: n.Key(), Attr: f.attr, Value: n.s.value(f), Confidence: f.conf, Derived: f.derived,
		Reading: n.s.reading(f.reading).ReadingKey, Since: sinceTime(f.since),
	}
}

// related gives an outgoing edge as a fact.
func (n Node) related(e edge) Fact {
	return Fact{
		Subject: n.Key(), Rel: e.rel, Object: n.s.key(e.peer), Confidence: e.conf, Derived: e.derived,
		Reading: n.s.reading(e.reading).ReadingKey, Since: sinceTime(e.since),
	}
}

// Evidence gives the fact behind the believed value of an attribute.
func (n Node) Evidence(a Attr) (Fact, bool) {
	if n.s == nil || a == 0 {
		return Fact{}, false
	}
	if fs := n.s.row(n.n).from(a); len(fs) > 0 && fs[0].attr == a {
		return n.fact(fs[0]), true
	}
	return Fact{}, false
}

// Edge is one relation in one snapshot with its best evidence.
type Edge struct {
	Rel        Rel
	From, To   Node
	Reading    Reading // of the evidence believed most
	Since      time.Time
	Confidence uint8
	Derived    bool
}

// Fact gives the edge as a statement.
func (e Edge) Fact() Fact {
	return Fact{
		Subject: e.From.Key(), Rel: e.Rel, Object: e.To.Key(), Confidence: e.Confidence, Derived: e.Derived,
		Reading: e.Reading.ReadingKey, Since: e.Since,
	}
}

// Peer gives the end of the edge that is not n.
func (e Edge) Peer(n Node) Node {
	if e.From == n {
		return e.To
	}
	return e.From
}

func (n Node) edge(e edge, incoming bool) Edge {
	x := Edge{
		Rel: e.rel, From: n, To: Node{n.s, e.peer}, Reading: *n.s.reading(e.reading),
		Since: sinceTime(e.since), Confidence: e.conf, Derived: e.derived,
	}
	if incoming {
		x.From, x.To = x.To, x.From
	}
	return x
}

// Out lists the believed relations of a type that lead away from the node, one per peer, in key order. A relation that is single
// by the table gives one edge at most, and what a newer reading denies is not believed; Claims has the others.
func (n Node) Out(rel Rel) []Edge {
	if n.s == nil {
		return nil
	}
	out := n.s.row(n.n).out
	if relations[rel].Single {
		if best, ok := n.s.bestClaim(out, rel); ok && best.conf > ConfidenceDenied {
			return []Edge{n.edge(best, false)}
		}
		return nil
	}
	var es []Edge
	for e := range perPeer(out, rel) {
		if e.conf > ConfidenceDenied {
			es = append(es, n.edge(e, false))
		}
	}
	return es
}

// In lists the believed relations of a type that lead to the node, one per peer, in key order.
func (n Node) In(rel Rel) []Edge {
	if n.s == nil {
		return nil
	}
	var es []Edge
	for e := range perPeer(n.s.row(n.n).in, rel) {
		if n.s.believes(e, n.n) {
			es = append(es, n.edge(e, true))
		}
	}
	return es
}

// Objects lists where the relations of Out lead to, in key order.
func (n Node) Objects(rel Rel) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.s == nil {
			return
		}
		for m := range n.s.believedPeers(n.row().out, rel) {
			if !yield(Node{n.s, m}) {
				return
			}
		}
	}
}

// Subjects lists where the relations of In come from, in key order.
func (n Node) Subjects(rel Rel) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for e := range perPeer(n.row().in, rel) {
			if n.s.believes(e, n.n) && !yield(Node{n.s, e.peer}) {
				return
			}
		}
	}
}

// believes tells whether an incoming edge of a node is believed.
func (s *Snapshot) believes(e edge, to uint32) bool {
	if e.conf <= ConfidenceDenied || !relations[e.rel].Single {
		return e.conf > ConfidenceDenied
	}
	best, _ := s.bestClaim(s.row(e.peer).out, e.rel)
	return best.peer == to
}

// Peers lists the nodes at the other end of a relation in either direction: what a mutual relation means.
func (n Node) Peers(rel Rel) []Node {
	return slices.AppendSeq(slices.Collect(n.Objects(rel)), n.Subjects(rel))
}

// First gives the first peer of Out, if any.
func (n Node) First(rel Rel) (Node, bool) {
	for to := range n.Objects(rel) {
		return to, true
	}
	return Node{}, false
}

// Owner gives the node that contains this one.
func (n Node) Owner() (Node, bool) {
	var best edge
	for e := range perPeer(n.row().in, Contains) {
		if e.conf > max(best.conf, ConfidenceDenied) {
			best = e
		}
	}
	if best.conf == 0 {
		return Node{}, false
	}
	return Node{n.s, best.peer}, true
}

// Claims lists what the sources say about a relation, one edge per peer with its best evidence, the most believed first.
func (n Node) Claims(rel Rel) []Edge {
	if n.s == nil {
		return nil
	}
	var raw []edge
	for e := range perPeer(n.s.row(n.n).out, rel) {
		raw = append(raw, e)
	}
	slices.SortStableFunc(raw, n.s.edgePrecedence)
	es := make([]Edge, len(raw))
	for i, e := range raw {
		es[i] = n.edge(e, false)
	}
	return es
}

func (n Node) incomingClaims(rel Rel) []Edge {
	var es []Edge
	for e := range perPeer(n.s.row(n.n).in, rel) {
		es = append(es, n.edge(e, true))
	}
	return es
}

// perPeer gives the best evidence for each peer: rows are sorted by relation, peer and precedence.
func perPeer(es []edge, rel Rel) iter.Seq[edge] {
	return func(yield func(edge) bool) {
		last := ^uint32(0)
		for i := sort.Search(len(es), func(i int) bool { return es[i].rel >= rel }); i < len(es) && es[i].rel == rel; i++ {
			if es[i].peer != last {
				last = es[i].peer
				if !yield(es[i]) {
					return
				}
			}
		}
	}
}
