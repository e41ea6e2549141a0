package reach

import (
	"math/bits"

	"github.com/throughline-dc/throughline/topology/policy"
)

// Addresses are kept with their first bit as the first of 128, whatever their family is: so prefixes of both are alike.

const addressBits = 128

func isOne(w policy.Word, i uint8) int {
	if i < 64 {
		return int(w.Hi >> (63 - i) & 1)
	}
	return int(w.Lo >> (127 - i) & 1)
}

// lastOf is the last address of the prefix of w with n bits.
func lastOf(w policy.Word, n uint8) policy.Word {
	switch {
	case n == 0:
		return policy.Word{Hi: ^uint64(0), Lo: ^uint64(0)}
	case n <= 64:
		return policy.Word{Hi: w.Hi | (1<<(64-n) - 1), Lo: ^uint64(0)}
	}
	return policy.Word{Hi: w.Hi, Lo: w.Lo | (1<<(addressBits-n) - 1)}
}

// firstOf is the first address of it.
func firstOf(w policy.Word, n uint8) policy.Word {
	last := lastOf(policy.Word{}, n)
	return policy.Word{Hi: w.Hi &^ last.Hi, Lo: w.Lo &^ last.Lo}
}

func common(a, b policy.Word) uint8 {
	if x := a.Hi ^ b.Hi; x != 0 {
		return uint8(bits.LeadingZeros64(x))
	}
	return uint8(64 + bits.LeadingZeros64(a.Lo^b.Lo))
}

func after(w policy.Word) policy.Word {
	lo, carry := bits.Add64(w.Lo, 1, 0)
	return policy.Word{Hi: w.Hi + carry, Lo: lo}
}

func before(w policy.Word) policy.Word {
	lo, borrow := bits.Sub64(w.Lo, 1, 0)
	return policy.Word{Hi: w.Hi - borrow, Lo: lo}
}

// trie is the routes of one device: a binary tree of prefixes that skips bits at which nothing branches. Node 0 is the prefix of all addresses.
type trie struct {
	nodes []trieNode
	free  []uint32
}

type trieNode struct {
	first  policy.Word
	bits   uint8
	action Action // 0: only branches here
	kids   [2]uint32
}

func (t *trie) add(n trieNode) uint32 {
	if k := len(t.free); k > 0 {
		i := t.free[k-1]
		t.free = t.free[:k-1]
		t.nodes[i] = n
		return i
	}
	t.nodes = append(t.nodes, n)
	return uint32(len(t.nodes) - 1)
}

func (n *trieNode) covers(w policy.Word, bits uint8) bool {
	return n.bits <= bits && common(n.first, w) >= n.bits
}

// place finds the node of a prefix, or makes it, and gives the action that holds around it.
func (t *trie) place(w policy.Word, length uint8) (at uint32, around Action) {
	if len(t.nodes) == 0 {
		t.add(trieNode{})
	}
	for {
		n := t.nodes[at]
		if n.bits == length {
			return at, around
		}
		if n.action != 0 {
			around = n.action
		}
		side := isOne(w, n.bits)
		kid := n.kids[side]
		if kid != 0 && t.nodes[kid].covers(w, length) {
			at = kid
			continue
		}
		leaf := t.add(trieNode{first: w, bits: length})
		t.nodes[at].kids[side] = leaf
		if kid == 0 {
			return leaf, around
		}
		old := t.nodes[kid]
		fork := min(common(w, old.first), length)
		if fork == length {
			t.nodes[leaf].kids[isOne(old.first, length)] = kid
			return leaf, around
		}
		branch := trieNode{first: firstOf(w, fork), bits: fork}
		branch.kids[isOne(w, fork)], branch.kids[isOne(old.first, fork)] = leaf, kid
		t.nodes[at].kids[side] = t.add(branch)
		return leaf, around
	}
}

// find gives the node of a prefix, and the nodes above it, and what holds around it. There is none if the last of the way is 0 and the prefix is not that of all.
func (t *trie) find(w policy.Word, length uint8) (way [3]uint32, around Action, ok bool) {
	if len(t.nodes) == 0 {
		return way, 0, false
	}
	for {
		n := &t.nodes[way[0]]
		if n.bits == length {
			return way, around, n.first == w && n.action != 0
		}
		if n.action != 0 {
			around = n.action
		}
		kid := n.kids[isOne(w, n.bits)]
		if kid == 0 || !t.nodes[kid].covers(w, length) {
			return way, around, false
		}
		way = [3]uint32{kid, way[0], way[1]}
	}
}

// cut takes away what a node is kept for no longer: way is the node, its parent and its parent's parent.
func (t *trie) cut(way [3]uint32) {
	for i, at := range way[:2] {
		n := t.nodes[at]
		if at == 0 || n.action != 0 || n.kids[0] != 0 && n.kids[1] != 0 {
			return
		}
		up := &t.nodes[way[i+1]]
		up.kids[isOne(n.first, up.bits)] = n.kids[0] | n.kids[1] // one of them, or none
		t.free = append(t.free, at)
		if n.kids[0]|n.kids[1] != 0 {
			return
		}
	}
}

// longest gives the action of the longest prefix that holds the address.
func (t *trie) longest(w policy.Word) Action {
	if len(t.nodes) == 0 {
		return 0
	}
	var best Action
	for at := uint32(0); ; {
		n := &t.nodes[at]
		if n.action != 0 {
			best = n.action
		}
		if n.bits == addressBits {
			return best
		}
		at = n.kids[isOne(w, n.bits)]
		if at == 0 || !t.nodes[at].covers(w, addressBits) {
			return best
		}
	}
}

// bare calls do with each run of addresses of a node's prefix that no longer prefix beneath it holds, in ascending order.
func (t *trie) bare(at uint32, do func(first, last policy.Word)) {
	n := &t.nodes[at]
	from, open := n.first, true
	var under func(kid uint32)
	under = func(kid uint32) {
		k := &t.nodes[kid]
		if k.action == 0 {
			for _, below := range k.kids {
				if below != 0 {
					under(below)
				}
			}
			return
		}
		if from != k.first {
			do(from, before(k.first))
		}
		last := lastOf(k.first, k.bits)
		from, open = after(last), last != lastOf(n.first, n.bits)
	}
	for _, kid := range n.kids {
		if kid != 0 {
			under(kid)
		}
	}
	if open {
		do(from, lastOf(n.first, n.bits))
	}
}

// sweep calls do where an action may begin to hold, in ascending order; of several calls with one address the last one counts.
func (t *trie) sweep(at uint32, around Action, do func(first policy.Word, a Action)) {
	if len(t.nodes) == 0 {
		return
	}
	n := &t.nodes[at]
	if n.action != 0 {
		around = n.action
	}
	do(n.first, around)
	last := lastOf(n.first, n.bits)
	for _, kid := range n.kids {
		if kid == 0 {
			continue
		}
		t.sweep(kid, around, do)
		if end := lastOf(t.nodes[kid].first, t.nodes[kid].bits); end != last {
			do(after(end), around)
		}
	}
}
