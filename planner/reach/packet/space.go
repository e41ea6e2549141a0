// Package packet is the algebra of packet sets: unions, intersections, differences, translations and first-match lists over the fields of a header,
// kept as decision diagrams whose nodes are whole fields.
//
// A diagram asks for one field after the other, in the order of its Space. A node splits the values of its field into intervals, each with what is decided
// further down; neighbours that lead to the same are one, nodes that decide nothing are left out, and equal nodes are the same node. So two diagrams of one
// Space are the same function exactly if their numbers are equal, however they were made, and ten thousand rules fit where one bit at a time (a BDD) does not.
//
// The package knows nothing of networks or vendors; values are those of package policy. A Space is for one goroutine at a time; what it made never changes.
package packet

import (
	"cmp"
	"fmt"
	"math/bits"

	"github.com/throughline-dc/throughline/topology/policy"
)

// Field is one field of a header.
type Field struct {
	Name  string
	Bits  int // 1 to 128
	Digit int // bits that are decided at once, 1 to 32; 0 is 32. Less suits fields of which rules mask single bits
}

// Value is the value of a field: a number of up to 128 bits.
type Value = policy.Word

// V is a value that fits in 64 bits.
func V(v uint64) Value { return Value{Lo: v} }

// Map is a function from packets to numbers, in one Space. Zero is the function that gives 0 for all.
type Map uint32

// Set is a Map that gives 1 for its packets and 0 for the others.
type Set = Map

// Empty holds no packet, Full all.
const (
	Empty Set = 0
	Full  Set = 1
)

const (
	nodeBit  = 1 << 31 // in a Map: it is a node, else a number
	minSlots = 1 << 10
	maxCache = 1 << 22
)

// MaxNumber is the largest number that a Map can give.
const MaxNumber = nodeBit - 1

// Space is an order of fields and all diagrams over them.
type Space struct {
	fields []Field
	first  []uint8 // level of each field's first digit, and behind the last field's last
	width  []uint8 // bits of each level

	nodes  []node
	starts []uint32 // first value of each interval of each node; the first is 0
	kids   []Map
	unique []uint32 // open addressing: node number + 1
	cache  []remembered
	budget int

	scratchStarts []uint32 // of nodes that are being made: a stack
	scratchKids   []Map
}

type node struct {
	from, to uint32 // of starts and kids
	level    uint8
}

// NewSpace makes the space of packets with these fields, which it will ask for in this order. The order decides how large diagrams become: fields that most
// rules leave open belong to the end. Budget bounds the intervals of all nodes together (12 bytes each, about); 0 is 1<<28.
func NewSpace(fields []Field, budget int) *Space {
	if budget <= 0 {
		budget = 1 << 28
	}
	s := &Space{fields: fields, unique: make([]uint32, minSlots), cache: make([]remembered, minSlots), budget: budget}
	for _, f := range fields {
		digit := cmp.Or(f.Digit, 32)
		if f.Bits < 1 || f.Bits > 128 || digit < 1 || digit > 32 {
			panic(fmt.Sprintf("packet: field %s of %d bits, %d at once", f.Name, f.Bits, digit))
		}
		s.first = append(s.first, uint8(len(s.width)))
		for left := f.Bits; left > 0; {
			w := (left-1)%digit + 1
			s.width = append(s.width, uint8(w))
			left -= w
		}
	}
	s.first = append(s.first, uint8(len(s.width)))
	return s
}

// Fields gives the fields in their order.
func (s *Space) Fields() []Field { return s.fields }

// Size gives the nodes and intervals that the space holds, of all that was ever made in it.
func (s *Space) Size() (nodes, intervals int) { return len(s.nodes), len(s.kids) }

// Overflow is what is wrong when a diagram outgrows the budget of its space.
type Overflow struct{ Budget int }

func (o *Overflow) Error() string {
	return fmt.Sprintf("packet sets need more than %d intervals", o.Budget)
}

// Try runs do, and gives the *Overflow that ended it, if one did. Outside of Try an Overflow is a panic: a set that is not whole must not look like one.
func (s *Space) Try(do func()) (err error) {
	starts := len(s.scratchStarts)
	defer func() {
		if p := recover(); p != nil {
			over, ours := p.(*Overflow)
			if !ours {
				panic(p)
			}
			s.scratchStarts, s.scratchKids = s.scratchStarts[:starts], s.scratchKids[:starts]
			err = over
		}
	}()
	do()
	return nil
}

func (s *Space) push(start uint32, kid Map) {
	s.scratchStarts, s.scratchKids = append(s.scratchStarts, start), append(s.scratchKids, kid)
}

// pop takes what was pushed since from off the stack, and gives the one node of it.
func (s *Space) pop(level uint8, from int) Map {
	starts, kids := s.scratchStarts[from:], s.scratchKids[from:]
	n := 1
	for i := 1; i < len(kids); i++ {
		if kids[i] != kids[n-1] {
			starts[n], kids[n] = starts[i], kids[i]
			n++
		}
	}
	s.scratchStarts, s.scratchKids = s.scratchStarts[:from], s.scratchKids[:from]
	if n == 1 {
		return kids[0]
	}
	return s.intern(level, starts[:n], kids[:n])
}

func (s *Space) intern(level uint8, starts []uint32, kids []Map) Map {
	mask := uint32(len(s.unique) - 1)
	i := hash(level, starts, kids) & mask
	for ; s.unique[i] != 0; i = (i + 1) & mask {
		if k := s.unique[i] - 1; s.same(&s.nodes[k], level, starts, kids) {
			return Map(k) | nodeBit
		}
	}
	if len(s.kids)+len(kids) > s.budget {
		panic(&Overflow{s.budget})
	}
	k := uint32(len(s.nodes))
	s.nodes = append(s.nodes, node{uint32(len(s.kids)), uint32(len(s.kids) + len(kids)), level})
	s.starts, s.kids = append(s.starts, starts...), append(s.kids, kids...)
	s.unique[i] = k + 1
	if len(s.nodes)*2 > len(s.unique) {
		s.grow()
	}
	return Map(k) | nodeBit
}

func (s *Space) same(n *node, level uint8, starts []uint32, kids []Map) bool {
	if n.level != level || int(n.to-n.from) != len(kids) {
		return false
	}
	for i, k := range s.kids[n.from:n.to] {
		if k != kids[i] || s.starts[int(n.from)+i] != starts[i] {
			return false
		}
	}
	return true
}

func hash(level uint8, starts []uint32, kids []Map) uint32 {
	h := uint64(level) + 1
	for i, k := range kids {
		hi, lo := bits.Mul64(h^(uint64(starts[i])<<32|uint64(k)), 0x9e3779b97f4a7c15)
		h = hi ^ lo
	}
	return uint32(h ^ h>>32)
}

// grow doubles the table of nodes, and the memory of operations with it.
func (s *Space) grow() {
	s.unique = make([]uint32, 2*len(s.unique))
	mask := uint32(len(s.unique) - 1)
	for k := range s.nodes {
		n := &s.nodes[k]
		i := hash(n.level, s.starts[n.from:n.to], s.kids[n.from:n.to]) & mask
		for s.unique[i] != 0 {
			i = (i + 1) & mask
		}
		s.unique[i] = uint32(k) + 1
	}
	if len(s.cache) < min(len(s.unique), maxCache) {
		old := s.cache
		s.cache = make([]remembered, 2*len(old))
		for _, r := range old {
			if r.op != 0 {
				*s.slot(r.op, r.a, r.b) = r
			}
		}
	}
}

// intervals gives starts and kids of a Map at a level: those of its node, or, if it does not ask for that level, the one interval of all.
func (s *Space) level(m Map) uint8 {
	if m&nodeBit == 0 {
		return uint8(len(s.width))
	}
	return s.nodes[m&^nodeBit].level
}

func (s *Space) intervals(m Map) ([]uint32, []Map) {
	n := s.nodes[m&^nodeBit]
	return s.starts[n.from:n.to], s.kids[n.from:n.to]
}
