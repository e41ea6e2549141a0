package neo4j

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/neo4j/neo4j-go-driver/v5/neo4j"

	"github.com/throughline-dc/throughline/topology"
)

// compare reads what stands in Neo4j and gives the changes that make it the snapshot. It is done kind by kind and holds in memory what differs, and
// the keys of one kind at a time.
func (p *Projector) compare(ctx context.Context, next *topology.Snapshot) (changes, error) {
	var d difference
	err := p.c.look(ctx, neo4j.AccessModeWrite, func(ctx context.Context, tx transaction) error { // of the leader, not of a follower
		d = difference{next: next, byLabel: kindsByLabel(), gone: map[nodeRef]bool{}}
		for _, k := range topology.Kinds() {
			if err := d.nodes(ctx, tx, k); err != nil {
				return err
			}
		}
		for _, k := range topology.Kinds() {
			if err := d.edges(ctx, tx, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return changes{}, err
	}
	return changes{
		dropEdges: slices.Values(d.dropEdges), dropNodes: slices.Values(d.dropNodes),
		putNodes: slices.Values(d.putNodes), putEdges: slices.Values(d.putEdges),
	}, nil
}

// difference collects what differs between Neo4j and a snapshot.
type difference struct {
	next    *topology.Snapshot
	byLabel map[string]topology.Kind
	gone    map[nodeRef]bool // those in dropNodes, which take their relations with them

	dropEdges []edgeRef
	dropNodes []nodeRef
	putNodes  []topology.Node
	putEdges  []topology.Edge
}

func (d *difference) nodes(ctx context.Context, tx transaction, k topology.Kind) error {
	there := map[topology.Key]bool{}
	err := tx.run(ctx, nodesOf(k), nil, func(values []any) error {
		props, ok := values[0].(row)
		if !ok {
			return fmt.Errorf("%w: properties are %T", errDrift, values[0])
		}
		id, _ := props[propID].(string)
		key := topology.Key{Kind: k, ID: id}
		if whole, ok := props[propWhole].(string); ok {
			key.ID = whole
		}
		n, ok := d.next.Node(key)
		if !ok || ident(key.ID) != id {
			d.dropNodes = append(d.dropNodes, nodeRef{k, id})
			d.gone[nodeRef{k, id}] = true
			return nil
		}
		there[key] = true
		if !sameProps(props, nodeProps(n)) {
			d.putNodes = append(d.putNodes, n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for n := range d.next.Nodes(k) {
		if !there[n.Key()] {
			d.putNodes = append(d.putNodes, n)
		}
	}
	return nil
}

func (d *difference) edges(ctx context.Context, tx transaction, k topology.Kind) error {
	want := map[edgeRef]topology.Edge{}
	for e := range edgesFrom(d.next, k) {
		want[edgeRefOf(e)] = e
	}
	there := map[edgeRef]bool{}
	err := tx.run(ctx, edgesOf(k), nil, func(values []any) error {
		ref, ok := d.edgeRefIn(k, values)
		if !ok {
			return nil // an operator's own relation between our nodes
		}
		e, wanted := want[ref]
		switch props, _ := values[4].(row); {
		case d.gone[ref.from] || d.gone[ref.to]:
		case there[ref] || !wanted: // a second one goes with the first, which is made again
			d.dropEdges = append(d.dropEdges, ref)
			if wanted {
				d.putEdges = append(d.putEdges, e)
			}
		case !sameProps(props, edgeProps(e)):
			d.putEdges = append(d.putEdges, e)
		}
		there[ref] = true
		return nil
	})
	if err != nil {
		return err
	}
	for e := range edgesFrom(d.next, k) { // in order, as writes are cheapest
		if !there[edgeRefOf(e)] {
			d.putEdges = append(d.putEdges, e)
		}
	}
	return nil
}

// edgeRefIn reads what edgesOf gives for a relation that begins at a node of kind k: from, relation, labels and id of its end.
func (d *difference) edgeRefIn(k topology.Kind, values []any) (edgeRef, bool) {
	from, _ := values[0].(string)
	word, _ := values[1].(string)
	to, _ := values[3].(string)
	rel, err := topology.ParseRel(word)
	kind, ok := kindOf(values[2], d.byLabel)
	return edgeRef{rel, nodeRef{k, from}, nodeRef{kind, to}}, ok && err == nil
}

// edgesFrom gives the relations that begin at nodes of kind k, in order.
func edgesFrom(snap *topology.Snapshot, k topology.Kind) iter.Seq[topology.Edge] {
	return func(yield func(topology.Edge) bool) {
		for n := range snap.Nodes(k) {
			for _, rel := range relsOf(n) {
				for _, e := range n.Out(rel) {
					if !yield(e) {
						return
					}
				}
			}
		}
	}
}
