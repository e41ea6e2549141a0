package neo4j

import (
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// changes is what has to be sent, in the order in which it is: relations go before their nodes and come after them. Each
// sequence may be run several times.
type changes struct {
	dropEdges iter.Seq[edgeRef]
	dropNodes iter.Seq[nodeRef]
	putNodes  iter.Seq[topology.Node]
	putEdges  iter.Seq[topology.Edge]
	readings  []topology.Reading
	forget    []topology.ReadingKey
}

// pairs are nodes before and after, one of them zero if it is not there.
type pairs = iter.Seq2[topology.Node, topology.Node]

// pairsOf looks up nodes by key.
func pairsOf(base, next *topology.Snapshot, keys []topology.Key) pairs {
	return func(yield func(x, y topology.Node) bool) {
		for _, k := range keys {
			x, _ := base.Node(k)
			y, _ := next.Node(k)
			if (!x.IsZero() || !y.IsZero()) && !yield(x, y) {
				return
			}
		}
	}
}

// allPairs walks two snapshots in step.
func allPairs(base, next *topology.Snapshot) pairs {
	return func(yield func(x, y topology.Node) bool) {
		olds, news := slices.Collect(base.Nodes()), slices.Collect(next.Nodes())
		for len(olds) > 0 || len(news) > 0 {
			var x, y topology.Node
			var order int
			switch {
			case len(olds) == 0:
				order = 1
			case len(news) == 0:
				order = -1
			default:
				order = olds[0].Key().Compare(news[0].Key())
			}
			if order <= 0 {
				x, olds = olds[0], olds[1:]
			}
			if order >= 0 {
				y, news = news[0], news[1:]
			}
			if !yield(x, y) {
				return
			}
		}
	}
}

// between gives the changes of the nodes named by pairs; the readings are left to the caller.
func between(nodes pairs) changes {
	return changes{
		dropEdges: each(nodes, func(x, y topology.Node, yield func(edgeRef) bool) bool {
			return y.IsZero() || droppedEdges(x, y, yield) // a node that goes takes its relations with it
		}),
		dropNodes: each(nodes, func(x, y topology.Node, yield func(nodeRef) bool) bool {
			return !y.IsZero() || yield(refOf(x.Key()))
		}),
		putNodes: each(nodes, func(x, y topology.Node, yield func(topology.Node) bool) bool {
			return y.IsZero() || sameFacts(x, y) || yield(y)
		}),
		putEdges: each(nodes, func(x, y topology.Node, yield func(topology.Edge) bool) bool {
			return y.IsZero() || newEdges(x, y, yield)
		}),
	}
}

// each strings together what of gives for each pair, until it says false.
func each[T any](nodes pairs, of func(x, y topology.Node, yield func(T) bool) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for x, y := range nodes {
			if !of(x, y, yield) {
				return
			}
		}
	}
}

// droppedEdges gives the believed relations of x that y has no more.
func droppedEdges(x, y topology.Node, yield func(edgeRef) bool) bool {
	for _, rel := range relsOf(x) {
		after := y.Out(rel)
		for _, e := range x.Out(rel) {
			if _, still := edgeTo(after, e.To.Key()); !still && !yield(edgeRefOf(e)) {
				return false
			}
		}
	}
	return true
}

// newEdges gives the believed relations of y that x had not, or not with the same provenance.
func newEdges(x, y topology.Node, yield func(topology.Edge) bool) bool {
	for _, rel := range relsOf(y) {
		before := x.Out(rel)
		for _, e := range y.Out(rel) {
			if old, was := edgeTo(before, e.To.Key()); (!was || !sameEdge(old, e)) && !yield(e) {
				return false
			}
		}
	}
	return true
}

// edgeTo finds the edge to a node: Out is in key order.
func edgeTo(edges []topology.Edge, k topology.Key) (topology.Edge, bool) {
	i, found := slices.BinarySearchFunc(edges, k, func(e topology.Edge, k topology.Key) int { return e.To.Key().Compare(k) })
	if !found {
		return topology.Edge{}, false
	}
	return edges[i], true
}

// touched lists the nodes whose view a delta may have changed, in key order. The believed view of a node hangs on the facts of which it is the
// subject alone; objects are in the list since they may come and go with the relation. Relations carry the command of
// their reading, so what rests on a reading that has another command now is in it, too.
func touched(base, next *topology.Snapshot, d topology.Delta) []topology.Key {
	set := map[topology.Key]struct{}{}
	for _, facts := range [][]topology.Fact{d.Remove, d.Add} {
		for _, f := range facts {
			set[f.Subject] = struct{}{}
			if f.Rel != 0 {
				set[f.Object] = struct{}{}
			}
		}
	}
	for _, r := range d.Renew {
		if old, ok := base.Reading(r.ReadingKey); ok && old.Command != r.Command {
			for f := range next.FactsOf(r.ReadingKey) {
				if f.Rel != 0 {
					set[f.Subject] = struct{}{}
				}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(set), topology.Key.Compare)
}

// class is what a row is about.
type class uint8

const (
	classNode class = iota
	classEdge
	classReading
)

// batch is the rows of one statement.
type batch struct {
	cypher string
	class  class
	drop   bool
	exact  bool   // each row meets exactly one thing, or somebody else has changed the graph
	taken  string // finds whose place others hold; "": nothing can be in the way
	rows   []any
	size   int // octets of text in rows, about
}

const (
	// batchRows and batchSize bound one statement: rows, and octets of text.
	batchRows = 5000
	batchSize = 4 << 20
)

// batcher fills batches, one open for each statement, and hands on those that are full.
type batcher struct {
	open map[string]*batch
	send func(batch) error
}

func (b *batcher) add(head batch, row any, size int) error {
	open := b.open[head.cypher]
	if open == nil {
		open = &head
		open.rows = make([]any, 0, 64)
		b.open[head.cypher] = open
	}
	open.rows = append(open.rows, row)
	open.size += size
	if len(open.rows) < batchRows && open.size < batchSize {
		return nil
	}
	return b.close(head.cypher)
}

func (b *batcher) close(cypher string) error {
	full := *b.open[cypher]
	delete(b.open, cypher)
	return b.send(full)
}

// flush hands on what is open, in the order of the statements' texts.
func (b *batcher) flush() error {
	for _, cypher := range slices.Sorted(maps.Keys(b.open)) {
		if err := b.close(cypher); err != nil {
			return err
		}
	}
	return nil
}

// batches cuts the changes into statements of one label or type each.
func (c changes) batches(send func(batch) error) error {
	b := &batcher{open: map[string]*batch{}, send: send}
	steps := []func(*batcher) error{c.sendDroppedEdges, c.sendDroppedNodes, c.sendNodes, c.sendEdges, c.sendReadings}
	for _, step := range steps {
		if err := step(b); err != nil {
			return err
		}
		if err := b.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (c changes) sendDroppedEdges(b *batcher) error {
	for e := range c.dropEdges {
		head := batch{cypher: dropEdges(e.edgeType()), class: classEdge, drop: true}
		if err := b.add(head, row{"a": e.from.id, "b": e.to.id}, len(e.from.id)+len(e.to.id)); err != nil {
			return err
		}
	}
	return nil
}

func (c changes) sendDroppedNodes(b *batcher) error {
	for n := range c.dropNodes {
		if err := b.add(batch{cypher: dropNodes(n.kind), class: classNode, drop: true}, n.id, len(n.id)); err != nil {
			return err
		}
	}
	return nil
}

func (c changes) sendNodes(b *batcher) error {
	for n := range c.putNodes {
		props := nodeProps(n)
		if err := b.add(batch{cypher: putNodes(n.Kind()), class: classNode, exact: true, taken: takenNodes(n.Kind())}, props, sizeOf(props)); err != nil {
			return err
		}
	}
	return nil
}

func (c changes) sendEdges(b *batcher) error {
	statements := map[edgeType]string{}
	for e := range c.putEdges {
		ref := edgeRefOf(e)
		cypher, ok := statements[ref.edgeType()]
		if !ok {
			cypher = putEdges(ref.edgeType())
			statements[ref.edgeType()] = cypher
		}
		props := edgeProps(e)
		line := row{"a": ref.from.id, "b": ref.to.id, "p": props}
		if err := b.add(batch{cypher: cypher, class: classEdge, exact: true}, line, len(ref.from.id)+len(ref.to.id)+sizeOf(props)); err != nil {
			return err
		}
	}
	return nil
}

func (c changes) sendReadings(b *batcher) error {
	for _, r := range c.readings {
		props := readingProps(r)
		if err := b.add(batch{cypher: putReadings, class: classReading, exact: true, taken: takenReading}, props, sizeOf(props)); err != nil {
			return err
		}
	}
	for _, k := range c.forget {
		if err := b.add(batch{cypher: dropReadings, class: classReading, drop: true}, ident(readingKey(k)), len(k.Device)+len(k.Table)); err != nil {
			return err
		}
	}
	return nil
}

// sizeOf estimates the octets of properties.
func sizeOf(p row) int {
	n := 0
	for _, v := range p {
		switch v := v.(type) {
		case string:
			n += len(v)
		case []string:
			for _, s := range v {
				n += len(s)
			}
		case row:
			n += sizeOf(v)
		default:
			n += 8
		}
	}
	return n
}

// mostRows and mostSize are how much one transaction may hold: rows, and octets of text.
const (
	mostRows = 20_000
	mostSize = 32 << 20
)

// queue makes batches ready while others are sent: some ahead, so that neither waits for the other for long.
type queue struct {
	batches chan batch
	stop    chan struct{}
	held    *batch // was looked at, and not taken
}

// batchesAhead is how many batches wait in a queue at most.
const batchesAhead = 4

func (c changes) queue() *queue {
	q := &queue{batches: make(chan batch, batchesAhead), stop: make(chan struct{})}
	go func() {
		defer close(q.batches)
		_ = c.batches(func(b batch) error { // fails only when it is stopped
			select {
			case q.batches <- b:
				return nil
			case <-q.stop:
				return errStopped
			}
		})
	}()
	return q
}

var errStopped = errors.New("the rest is not wanted")

// end stops what makes batches, and returns when it has stopped.
func (q *queue) end() {
	close(q.stop)
	for range q.batches {
	}
}

// peek gives the next batch, which stays; false: there is none.
func (q *queue) peek() (batch, bool) {
	if q.held == nil {
		b, ok := <-q.batches
		if !ok {
			return batch{}, false
		}
		q.held = &b
	}
	return *q.held, true
}

// shipment is what one transaction sends: as many batches of a queue as it may hold.
type shipment struct {
	queue      *queue
	taken      []batch
	rows, size int
	full       bool
	last       bool // there is nothing behind it
}

// all gives the batches of the shipment, taking them from the queue the first time: the first are sent while others are made, and each time that
// the transaction is tried again, the same come first.
func (s *shipment) all(yield func(batch) bool) {
	for _, b := range s.taken {
		if !yield(b) {
			return
		}
	}
	for !s.full && !s.last {
		b, ok := s.queue.peek()
		switch {
		case !ok:
			s.last = true
		case len(s.taken) > 0 && (s.rows+len(b.rows) > mostRows || s.size+b.size > mostSize):
			s.full = true
		default:
			s.queue.held = nil
			s.taken, s.rows, s.size = append(s.taken, b), s.rows+len(b.rows), s.size+b.size
			if !yield(b) {
				return
			}
		}
	}
}
