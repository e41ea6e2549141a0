package reach

import (
	"crypto/sha256"
	"encoding/binary"
	"iter"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Atom is a class of an access list: all packets that the same lists permit. Its number stays as long as it has packets.
type Atom uint32

// Ruled is one rule of a list, at its place: the lower the earlier. Two rules of one list never share a place.
type Ruled struct {
	Place  int64
	Box    packet.Box
	Permit bool
}

// Recast is a set of packets that one list permits now, or does no longer, and the atom they were of and are of now. If that is the same one, the set is the whole
// atom.
type Recast struct {
	From, To Atom
	Packets  packet.Set
	Emptied  bool // From has no packets any more
}

// Lists is the access-list classes of many first-match lists that deny what no rule matches, kept up rule by rule. Each list is a balanced tree whose nodes
// hold the list of the rules beneath them, so that a changed rule costs as many operations as the tree is high; a list that permits other packets than before
// moves these alone from atom to atom. A packet.OverflowError in the midst of a change spoils it.
//
// What was made stays in the Space until it goes: who changes rules for days makes all anew once Space.Size has grown many times.
type Lists struct {
	space *packet.Space
	key   [32]byte
	lists []accessList
	nodes []ruleNode
	spare []uint32

	atoms  []atom
	free   []Atom
	bySign map[fingerprint]Atom
	cast   []Recast
}

type accessList struct {
	root   uint32 // node + 1
	permit packet.Set
	sign   fingerprint
}

type ruleNode struct {
	place     int64
	priority  uint64 // of the heap: random-looking, by place
	own, list packet.Map
	kids      [2]uint32 // node + 1
}

type atom struct {
	sign    fingerprint // exclusive or of those of all lists that permit it
	packets packet.Set
}

// The numbers of rules in the Map of a list.
const (
	permits packet.Map = 1
	denies  packet.Map = 2
)

// NewLists gives the classes of no list, in a space: one, of all packets. The key is as that of NewForwarding.
func NewLists(space *packet.Space, key [32]byte) *Lists {
	return &Lists{space: space, key: key, atoms: []atom{{packets: packet.Full}}, bySign: map[fingerprint]Atom{{}: 0}}
}

// Space gives the space of the sets.
func (l *Lists) Space() *packet.Space { return l.space }

// Count gives the number of atoms.
func (l *Lists) Count() int { return len(l.bySign) }

// Atoms gives each atom with its packets.
func (l *Lists) Atoms() iter.Seq2[Atom, packet.Set] {
	return func(yield func(Atom, packet.Set) bool) {
		for i, a := range l.atoms {
			if a.packets != packet.Empty && !yield(Atom(i), a.packets) {
				return
			}
		}
	}
}

// Bits gives the atoms that a list permits, as a set that has room for n of them, or more if there are.
func (l *Lists) Bits(list uint32, n int) Bits {
	b := NewBits(max(n, len(l.atoms)))
	permit := l.Permits(list)
	for a, packets := range l.Atoms() {
		p, _ := l.space.Pick(packets)
		b.Put(int(a), l.space.Has(permit, p))
	}
	return b
}

// Permits gives the packets that a list permits.
func (l *Lists) Permits(list uint32) packet.Set {
	if int(list) >= len(l.lists) {
		return packet.Empty
	}
	return l.lists[list].permit
}

// Load puts many rules, in ascending order of their places, into a list that has none.
func (l *Lists) Load(list uint32, rules []Ruled) []Recast {
	nodes := make([]uint32, 0, len(rules))
	for _, r := range rules {
		nodes = append(nodes, l.node(r))
	}
	x := l.list(list)
	x.root = l.heap(nodes)
	return l.permit(x)
}

// Set puts a rule into a list, in place of the one at its place, and tells for which packets that made a difference. The slice is used again by the next call.
func (l *Lists) Set(list uint32, r Ruled) []Recast {
	x := l.list(list)
	x.root = l.insert(x.root, l.node(r))
	return l.permit(x)
}

// Unset takes the rule at a place out of a list.
func (l *Lists) Unset(list uint32, place int64) []Recast {
	x := l.list(list)
	x.root = l.remove(x.root, place)
	return l.permit(x)
}

func (l *Lists) list(n uint32) *accessList {
	for int(n) >= len(l.lists) {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(l.key[:], uint64(len(l.lists))))
		l.lists = append(l.lists, accessList{sign: fingerprint{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}})
	}
	return &l.lists[n]
}

func (l *Lists) node(r Ruled) uint32 {
	number := denies
	if r.Permit {
		number = permits
	}
	m := l.space.Box(r.Box, number)
	mixed := (uint64(r.Place) + 1) * 0x9e3779b97f4a7c15
	n := ruleNode{place: r.Place, priority: (mixed ^ mixed>>29) * 0xbf58476d1ce4e5b9, own: m, list: m}
	if k := len(l.spare); k > 0 {
		i := l.spare[k-1]
		l.spare = l.spare[:k-1]
		l.nodes[i-1] = n
		return i
	}
	l.nodes = append(l.nodes, n)
	return uint32(len(l.nodes))
}

// heap makes a tree of nodes in the order of their places.
func (l *Lists) heap(nodes []uint32) uint32 {
	if len(nodes) == 0 {
		return 0
	}
	top := 0
	for i, n := range nodes {
		if l.nodes[n-1].priority > l.nodes[nodes[top]-1].priority {
			top = i
		}
	}
	n := nodes[top]
	l.nodes[n-1].kids = [2]uint32{l.heap(nodes[:top]), l.heap(nodes[top+1:])}
	l.sum(n)
	return n
}

// sum makes the list of a node from those beneath it.
func (l *Lists) sum(n uint32) {
	x := &l.nodes[n-1]
	m := x.own
	if k := x.kids[0]; k != 0 {
		m = l.space.Else(l.nodes[k-1].list, m)
	}
	if k := x.kids[1]; k != 0 {
		m = l.space.Else(m, l.nodes[k-1].list)
	}
	x.list = m
}

// insert puts a node where its priority says, above the two trees that its place splits.
func (l *Lists) insert(at, n uint32) uint32 {
	if at == 0 {
		return n
	}
	x, y := &l.nodes[at-1], &l.nodes[n-1]
	switch {
	case x.place == y.place:
		y.kids = x.kids
		l.spare = append(l.spare, at)
		l.sum(n)
		return n
	case y.priority > x.priority:
		y.kids[0], y.kids[1] = l.split(at, y.place)
		l.sum(n)
		return n
	case y.place < x.place:
		x.kids[0] = l.insert(x.kids[0], n)
	default:
		x.kids[1] = l.insert(x.kids[1], n)
	}
	l.sum(at)
	return at
}

// split cuts a tree in two at a place that is not in it.
func (l *Lists) split(at uint32, place int64) (below, above uint32) {
	if at == 0 {
		return 0, 0
	}
	x := &l.nodes[at-1]
	if x.place < place {
		x.kids[1], above = l.split(x.kids[1], place)
		l.sum(at)
		return at, above
	}
	below, x.kids[0] = l.split(x.kids[0], place)
	l.sum(at)
	return below, at
}

func (l *Lists) remove(at uint32, place int64) uint32 {
	if at == 0 {
		return 0
	}
	x := &l.nodes[at-1]
	switch {
	case x.place == place:
		l.spare = append(l.spare, at)
		return l.merge(x.kids[0], x.kids[1])
	case place < x.place:
		x.kids[0] = l.remove(x.kids[0], place)
	default:
		x.kids[1] = l.remove(x.kids[1], place)
	}
	l.sum(at)
	return at
}

// merge makes one tree of two of which all places of one are below those of the other.
func (l *Lists) merge(below, above uint32) uint32 {
	switch {
	case below == 0:
		return above
	case above == 0:
		return below
	case l.nodes[below-1].priority > l.nodes[above-1].priority:
		x := &l.nodes[below-1]
		x.kids[1] = l.merge(x.kids[1], above)
		l.sum(below)
		return below
	}
	x := &l.nodes[above-1]
	x.kids[0] = l.merge(below, x.kids[0])
	l.sum(above)
	return above
}

// permit brings the atoms up to what a list permits now.
func (l *Lists) permit(x *accessList) []Recast {
	s := l.space
	now := packet.Empty
	if x.root != 0 {
		now = s.Only(l.nodes[x.root-1].list, permits)
	}
	l.cast = l.cast[:0]
	delta := s.Union(s.Minus(now, x.permit), s.Minus(x.permit, now))
	for delta != packet.Empty {
		p, _ := s.Pick(delta)
		from := l.bySign[l.signOf(p)]
		part := s.Intersect(delta, l.atoms[from].packets)
		delta = s.Minus(delta, part)
		l.recast(from, part, x.sign)
	}
	x.permit = now
	return l.cast
}

// signOf gives the sign of the atom of a packet.
func (l *Lists) signOf(p packet.Packet) (sign fingerprint) {
	for i := range l.lists {
		if l.space.Has(l.lists[i].permit, p) {
			sign = sign.xor(l.lists[i].sign)
		}
	}
	return sign
}

// recast moves packets of an atom to the one whose sign differs by that of one list.
func (l *Lists) recast(from Atom, part packet.Set, by fingerprint) {
	old := &l.atoms[from]
	sign := old.sign.xor(by)
	to, ok := l.bySign[sign]
	emptied := part == old.packets
	switch {
	case emptied && !ok: // the atom stays as it is, of other lists
		delete(l.bySign, old.sign)
		old.sign, l.bySign[sign] = sign, from
		l.cast = append(l.cast, Recast{From: from, To: from, Packets: part})
		return
	case emptied:
		delete(l.bySign, old.sign)
		old.packets = packet.Empty
		l.free = append(l.free, from)
	default:
		old.packets = l.space.Minus(old.packets, part)
	}
	if !ok {
		to = Atom(len(l.atoms))
		if k := len(l.free); k > 0 {
			to = l.free[k-1]
			l.free = l.free[:k-1]
			l.atoms[to] = atom{sign: sign}
		} else {
			l.atoms = append(l.atoms, atom{sign: sign})
		}
		l.bySign[sign] = to
	}
	l.atoms[to].packets = l.space.Union(l.atoms[to].packets, part)
	l.cast = append(l.cast, Recast{From: from, To: to, Packets: part, Emptied: emptied})
}

// Map gives each packet the number of its atom plus one.
func (l *Lists) Map() packet.Map {
	m := packet.Map(0)
	for i, set := range l.Atoms() {
		m = l.space.Else(m, l.space.Relabel(set, func(in packet.Map) packet.Map { return in * packet.Map(i+1) }))
	}
	return m
}

// Ruled gives the rules of a filter for Lists over the space of these headers, and false where not every rule decides for certain by the header alone.
func (h *Headers) Ruled(f *policy.Filter) (rules []Ruled, certain bool) {
	eval := &chains{Headers: h}
	for i := range f.Rules {
		r := &f.Rules[i]
		if !plain(r) {
			return nil, false
		}
		if m := eval.match(r); !m.never {
			rules = append(rules, Ruled{Place: int64(i), Box: m.box, Permit: r.Verdict == policy.Permit})
		}
	}
	if f.Default == policy.Permit {
		rules = append(rules, Ruled{Place: int64(len(f.Rules)), Permit: true})
	}
	return rules, f.Missing == "" && f.Default != policy.Return
}
