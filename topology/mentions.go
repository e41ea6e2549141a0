package topology

import "iter"

// Mentions lists what every source says of other nodes' relations to this one: the facts whose object it is. With Facts they are all that is said of a node.
func (n Node) Mentions() iter.Seq[Fact] {
	return func(yield func(Fact) bool) {
		if n.s == nil {
			return
		}
		for _, e := range n.s.row(n.n).in {
			if !yield(n.edge(e, true).Fact()) {
				return
			}
		}
	}
}
