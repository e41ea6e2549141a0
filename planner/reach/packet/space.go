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
	"slices"

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
	levels []level

	nodes  []node
	store  store
	unique []uint32 // open addressing: node number + 1
	cache  []remembered
	budget int
	watch  func() error // nil: nobody watches
	misses uint         // of the memory of operations

	scratch []interval // of nodes that are being made: a stack
}

// level is one digit of a field.
type level struct {
	field int
	bits  int
	shift int // of the digit in the field's value
}

// interval is the values from start to the next interval's start, and what they lead to. The first start of a node is 0.
type interval struct {
	start uint32
	kid   Map
}

type node struct {
	at    uint32 // of its intervals in the store
	n     uint32
	level uint8
}

// NewSpace makes the space of packets with these fields, which it will ask for in this order. The order decides how large diagrams become: fields that most
// rules leave open belong to the end. Budget bounds the intervals of all nodes together (12 bytes each, about); 0 is 1<<28.
func NewSpace(fields []Field, budget int) *Space {
	if budget <= 0 {
		budget = 1 << 28
	}
	s := &Space{fields: fields, unique: make([]uint32, minSlots), cache: make([]remembered, minSlots), budget: budget}
	for i, f := range fields {
		digit := cmp.Or(f.Digit, 32)
		if f.Bits < 1 || f.Bits > 128 || digit < 1 || digit > 32 {
			panic(fmt.Sprintf("packet: field %s of %d bits, %d at once", f.Name, f.Bits, digit))
		}
		s.first = append(s.first, uint8(len(s.levels)))
		for left := f.Bits; left > 0; {
			w := (left-1)%digit + 1
			left -= w
			s.levels = append(s.levels, level{field: i, bits: w, shift: left})
		}
	}
	s.first = append(s.first, uint8(len(s.levels)))
	return s
}

// Fields gives the fields in their order.
func (s *Space) Fields() []Field { return s.fields }

// Size gives the nodes and intervals that the space holds, of all that was ever made in it.
func (s *Space) Size() (nodes, intervals int) { return len(s.nodes), s.store.used }

// OverflowError is what is wrong when a diagram outgrows the budget of its space.
type OverflowError struct{ Budget int }

func (o *OverflowError) Error() string {
	return fmt.Sprintf("packet sets need more than %d intervals", o.Budget)
}

// stopped is what a watch ended.
type stopped struct{ error }

// Watch has sets no longer be made once watch gives an error, such as that of a context: it is asked again and again meanwhile. Nil ends that.
func (s *Space) Watch(watch func() error) { s.watch = watch }

const watchEvery = 1 << 12 // operations that were not remembered: some tenths of a millisecond

// GiveUp ends the Try that runs with an error.
func (s *Space) GiveUp(err error) { panic(stopped{err}) }

// look asks the watch.
func (s *Space) look() {
	if s.misses++; s.misses%watchEvery == 0 && s.watch != nil {
		if err := s.watch(); err != nil {
			s.GiveUp(err)
		}
	}
}

// Try runs do, and gives the *OverflowError or the error of the watch or of GiveUp, that ended it, if one did. Outside of Try these are a panic: a set
// that is not whole must not look like one.
func (s *Space) Try(do func()) (err error) {
	from := len(s.scratch)
	defer func() {
		if p := recover(); p != nil {
			switch p := p.(type) {
			case *OverflowError:
				err = p
			case stopped:
				err = p.error
			default:
				panic(p)
			}
			s.scratch = s.scratch[:from]
		}
	}()
	do()
	return nil
}

func (s *Space) push(start uint32, kid Map) { s.scratch = append(s.scratch, interval{start, kid}) }

// pop takes what was pushed since from off the stack, and gives the one node of it.
func (s *Space) pop(level uint8, from int) Map {
	made := s.scratch[from:]
	n := 1
	for _, x := range made[1:] {
		if x.kid != made[n-1].kid {
			made[n] = x
			n++
		}
	}
	s.scratch = s.scratch[:from]
	if n == 1 {
		return made[0].kid
	}
	return s.intern(level, made[:n])
}

func (s *Space) intern(level uint8, made []interval) Map {
	mask := uint32(len(s.unique) - 1)
	i := hash(level, made) & mask
	for ; s.unique[i] != 0; i = (i + 1) & mask {
		k := s.unique[i] - 1
		if n := &s.nodes[k]; n.level == level && int(n.n) == len(made) && slices.Equal(s.store.of(n), made) {
			return Map(k) | nodeBit
		}
	}
	if s.store.used+len(made) > s.budget {
		panic(&OverflowError{s.budget})
	}
	k := uint32(len(s.nodes))
	s.nodes = append(s.nodes, node{s.store.keep(made), uint32(len(made)), level})
	s.unique[i] = k + 1
	if len(s.nodes)*2 > len(s.unique) {
		s.grow()
	}
	return Map(k) | nodeBit
}

func hash(level uint8, made []interval) uint32 {
	h := uint64(level) + 1
	for _, x := range made {
		hi, lo := bits.Mul64(h^(uint64(x.start)<<32|uint64(x.kid)), 0x9e3779b97f4a7c15)
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
		i := hash(n.level, s.store.of(n)) & mask
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

// level gives the level that a Map asks for first; numbers ask for none and come last.
func (s *Space) level(m Map) uint8 {
	if m&nodeBit == 0 {
		return uint8(len(s.levels))
	}
	return s.nodes[m&^nodeBit].level
}

// intervals gives those of a Map that is no number.
func (s *Space) intervals(m Map) []interval { return s.store.of(&s.nodes[m&^nodeBit]) }

// store is the intervals of all nodes. It grows piece by piece, so that nothing is ever copied or moved; no node lies across the end of a piece.
type store struct {
	pieces [][]interval
	used   int // intervals, without those that are left over at the ends
}

const (
	pieceBits = 14
	pieceSize = 1 << pieceBits
)

func (st *store) of(n *node) []interval {
	from := n.at % pieceSize
	return st.pieces[n.at/pieceSize][from : from+n.n]
}

// keep copies the intervals of a node, and tells where they are.
func (st *store) keep(made []interval) uint32 {
	last := len(st.pieces) - 1
	if last < 0 || cap(st.pieces[last])-len(st.pieces[last]) < len(made) {
		st.pieces = append(st.pieces, make([]interval, 0, max(pieceSize, len(made))))
		last++
	}
	at := len(st.pieces[last])
	st.pieces[last] = append(st.pieces[last], made...)
	st.used += len(made)
	return uint32(last)<<pieceBits | uint32(at)
}
