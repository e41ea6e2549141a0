package topology

import (
	"iter"
	"slices"
	"strings"
)

// Under lists the nodes of some kinds whose IDs begin with a prefix, in no particular order: "DEVICE/" gives the parts of a device.
func (s *Snapshot) Under(prefix string, kinds ...Kind) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for _, kind := range kinds {
			if !s.under(Key{kind, prefix}, yield) {
				return
			}
		}
	}
}

func (s *Snapshot) under(first Key, yield func(Node) bool) bool {
	from, _ := slices.BinarySearchFunc(s.base.nodes, first, Key.Compare)
	for n := from; n < len(s.base.nodes) && s.base.nodes[n].under(first); n++ {
		if !s.row(uint32(n)).empty() && !yield(Node{s, uint32(n)}) {
			return false
		}
	}
	for _, run := range s.over.sorted {
		from, _ := slices.BinarySearchFunc(run, first, func(n uint32, k Key) int { return s.key(n).Compare(k) })
		for _, n := range run[from:] {
			if !s.key(n).under(first) {
				break
			}
			if !s.row(n).empty() && !yield(Node{s, n}) {
				return false
			}
		}
	}
	return true
}

func (k Key) under(prefix Key) bool {
	return k.Kind == prefix.Kind && strings.HasPrefix(k.ID, prefix.ID)
}
