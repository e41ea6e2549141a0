package reach

import (
	"math/bits"
	"sort"
)

// Bits is a set of small numbers: atoms, classes, hosts.
type Bits []uint64

// NewBits gives an empty set of numbers below n.
func NewBits(n int) Bits { return make(Bits, (n+63)/64) }

// Has tells whether a number is in the set. A number beyond the set is not.
func (b Bits) Has(n int) bool { return n/64 < len(b) && b[n/64]>>(n%64)&1 != 0 }

// Put puts a number in the set, or takes it out. The set is as large as it was made.
func (b Bits) Put(n int, in bool) {
	if in {
		b[n/64] |= 1 << (n % 64)
	} else {
		b[n/64] &^= 1 << (n % 64)
	}
}

// Count gives how many numbers are in the set.
func (b Bits) Count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// fill puts the numbers from lo to hi, without hi, in the set.
func (b Bits) fill(lo, hi int) {
	for lo < hi {
		end := min(hi, (lo/64+1)*64)
		b[lo/64] |= (^uint64(0) >> (64 - (end - lo))) << (lo % 64)
		lo = end
	}
}

// Loses tells whether an atom that all filters of the one way permit is not permitted by all of the other. All sets are over the same atoms; a way without
// filters has one set, that of all.
func Loses(before, now []Bits) bool {
	n, w := len(before[0]), 0
	for ; w+lanes <= n; w += lanes {
		a0, a1, a2, a3, a4, a5, a6, a7 := meet(before, w)
		b0, b1, b2, b3, b4, b5, b6, b7 := meet(now, w)
		if a0&^b0|a1&^b1|a2&^b2|a3&^b3|a4&^b4|a5&^b5|a6&^b6|a7&^b7 != 0 {
			return true
		}
	}
	for ; w < n; w++ {
		passed, kept := before[0][w], now[0][w]
		for _, b := range before[1:] {
			passed &= b[w]
		}
		for _, b := range now[1:] {
			kept &= b[w]
		}
		if passed&^kept != 0 {
			return true
		}
	}
	return false
}

const lanes = 8 // words that are taken together, in registers

// meet gives the words from w on of what is in all sets.
func meet(sets []Bits, w int) (a0, a1, a2, a3, a4, a5, a6, a7 uint64) {
	x := (*[lanes]uint64)(sets[0][w:])
	a0, a1, a2, a3, a4, a5, a6, a7 = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
	for _, s := range sets[1:] {
		x = (*[lanes]uint64)(s[w:])
		a0, a1, a2, a3, a4, a5, a6, a7 = a0&x[0], a1&x[1], a2&x[2], a3&x[3], a4&x[4], a5&x[5], a6&x[6], a7&x[7]
	}
	return a0, a1, a2, a3, a4, a5, a6, a7
}

// Matrix says which class of VMs may be on which class of hosts: a VM needs some atoms, a host's way permits some, and it may be there if all that it needs is
// permitted. Cells are bits; a changed host class or VM class costs its column or row alone.
type Matrix struct {
	needs  []Bits // atoms, of each VM class
	passes []Bits // atoms, of each host class
	cells  []Bits // host classes, of each VM class
}

// NewMatrix decides every cell. All sets are over the same atoms; the matrix keeps them.
func NewMatrix(needs, passes []Bits) *Matrix {
	m := &Matrix{needs: needs, passes: passes, cells: make([]Bits, len(needs))}
	words := len(NewBits(len(passes)))
	all := make(Bits, words*len(needs))
	for v := range needs {
		m.cells[v] = all[v*words : (v+1)*words]
		m.Row(v)
	}
	return m
}

// May tells whether VMs of a class may be on hosts of a class.
func (m *Matrix) May(vms, hosts int) bool { return m.cells[vms].Has(hosts) }

// Row decides the cells of one VM class anew, after its needs have changed.
func (m *Matrix) Row(vms int) {
	need, row := m.needs[vms], m.cells[vms]
	for w := range row {
		word := uint64(0)
		for i, pass := range m.passes[w*64 : min(len(m.passes), w*64+64)] {
			if need.Within(pass) {
				word |= 1 << i
			}
		}
		row[w] = word
	}
}

// Column decides the cells of one host class anew, after what its way permits has changed.
func (m *Matrix) Column(hosts int) {
	pass := m.passes[hosts]
	for v, need := range m.needs {
		m.cells[v].Put(hosts, need.Within(pass))
	}
}

// Within tells whether all of the set are in another one, which is as large: what a way permits, combined beforehand, is what another one permits too.
func (b Bits) Within(other Bits) bool {
	other = other[:len(b)]
	for w, x := range b {
		if x&^other[w] != 0 {
			return false
		}
	}
	return true
}

// Estate is a matrix with its VMs and hosts. Hosts are numbered so that those of one class follow each other: hosts of class c are those from First[c] to
// First[c+1], without it.
type Estate struct {
	*Matrix
	First []int
	Class []uint32 // of each VM
}

// Expand writes, for each VM, the set of hosts that it may be on, one after the other, Words each, into all, which is as large as Size says. Nothing else of the
// size of all VMs times all hosts is ever made.
func (e *Estate) Expand(all []uint64) {
	words := e.Words()
	rows := make([]Bits, len(e.cells))
	made := make(Bits, words*len(rows))
	for v, cells := range e.cells {
		rows[v] = made[v*words : (v+1)*words]
		from := -1 // of a run of classes that pass
		for c := range len(e.passes) {
			switch in := cells.Has(c); {
			case in && from < 0:
				from = e.First[c]
			case !in && from >= 0:
				rows[v].fill(from, e.First[c])
				from = -1
			}
		}
		if from >= 0 {
			rows[v].fill(from, e.First[len(e.passes)])
		}
	}
	for i, class := range e.Class {
		copy(all[i*words:(i+1)*words], rows[class])
	}
}

// Words is how many words the hosts of one VM take.
func (e *Estate) Words() int { return len(NewBits(e.First[len(e.First)-1])) }

// Size is how many words those of all VMs take.
func (e *Estate) Size() int { return e.Words() * len(e.Class) }

// Split brings sets of atoms that VMs need up to a change of access lists: where packets of one atom became another, whoever needs the first needs the second,
// too. Sets must be large enough for the new atoms.
func Split(cast []Recast, sets []Bits) {
	for _, c := range cast {
		if c.From == c.To {
			continue
		}
		for _, s := range sets {
			if s.Has(int(c.From)) {
				s.Put(int(c.To), true)
				s.Put(int(c.From), !c.Emptied)
			}
		}
	}
}

// Follow brings the sets of atoms that lists permit, one for each list, up to a change of one of them. Sets must be large enough for the new atoms.
func Follow(cast []Recast, list uint32, permit []Bits) {
	for _, c := range cast {
		for i, s := range permit {
			was := s.Has(int(c.From))
			s.Put(int(c.To), was != (i == int(list)))
			if c.Emptied && c.From != c.To {
				s.Put(int(c.From), false)
			}
		}
	}
}

// Verdict tells whether a VM may be on a host.
func (e *Estate) Verdict(vm, host int) bool {
	next := sort.Search(len(e.First), func(i int) bool { return e.First[i] > host })
	return e.May(int(e.Class[vm]), next-1)
}
