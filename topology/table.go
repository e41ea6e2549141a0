package topology

import (
	"cmp"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
)

// table is a whole graph laid out flat: nodes and readings are numbered in canonical order, texts are interned, and facts and relations lie in
// compressed rows (one array, and one offset for each node).
type table struct {
	nodes     []Key // sorted by kind, then ID
	kindStart [kindEnd + 1]uint32
	hash      []uint32 // open addressing: node number + 1
	seed      maphash.Seed
	texts     []string

	readings    []Reading
	uses        []uint32 // by reading: how many facts point to it
	readingHash []uint32 // open addressing: reading number + 1

	facts                  []fact
	out, in                []edge
	factOff, outOff, inOff []uint32

	bySubject            sync.Once // fills in the two below
	subjects, subjectOff []uint32
}

func (t *table) row(n uint32) row {
	if int(n) >= len(t.nodes) {
		return row{}
	}
	return row{
		t.facts[t.factOff[n]:t.factOff[n+1]:t.factOff[n+1]],
		t.out[t.outOff[n]:t.outOff[n+1]:t.outOff[n+1]],
		t.in[t.inOff[n]:t.inOff[n+1]:t.inOff[n+1]],
	}
}

func (t *table) find(k Key, hash uint64) (uint32, bool) {
	mask := uint64(len(t.hash) - 1)
	for i := hash & mask; t.hash[i] != 0; i = (i + 1) & mask {
		if t.nodes[t.hash[i]-1] == k {
			return t.hash[i] - 1, true
		}
	}
	return 0, false
}

func (t *table) findReading(k ReadingKey, hash uint64) (uint32, bool) {
	mask := uint64(len(t.readingHash) - 1)
	for i := hash & mask; t.readingHash[i] != 0; i = (i + 1) & mask {
		if t.readings[t.readingHash[i]-1].ReadingKey == k {
			return t.readingHash[i] - 1, true
		}
	}
	return 0, false
}

// index fills in how nodes and readings are found.
func (t *table) index() {
	t.startKinds()
	t.hashKeys()
}

// hashKeys fills in the hash tables over the keys of nodes and readings.
func (t *table) hashKeys() {
	t.seed = maphash.MakeSeed()
	t.hash = hashed(len(t.nodes), func(n int) uint64 { return keyHash(t.seed, t.nodes[n]) })
	t.readingHash = hashed(len(t.readings), func(n int) uint64 { return readingHash(t.seed, t.readings[n].ReadingKey) })
}

// startKinds fills in where each kind starts.
func (t *table) startKinds() {
	for n, kind := 0, Kind(0); kind < kindEnd; kind++ {
		i, _ := slices.BinarySearchFunc(t.nodes[n:], kind+1, func(k Key, kind Kind) int { return int(k.Kind) - int(kind) })
		n += i
		t.kindStart[kind+1] = uint32(n)
	}
}

// kind gives the kind of a node, without a look at its key, which is far away.
func (t *table) kind(n uint32) Kind {
	i, _ := slices.BinarySearch(t.kindStart[:], n+1)
	return Kind(i - 1)
}

// slotsFor is a power of two that leaves half of the slots free.
func slotsFor(n int) int { return 1 << max(2, bits.Len(uint(max(2*n-1, 0)))) }

// hashed makes a table of open addressing that is at most half full. Places are found for many at once, so that their memory is fetched at once.
func hashed(n int, hash func(int) uint64) []uint32 {
	slots := make([]uint32, slotsFor(n))
	mask := uint64(len(slots) - 1)
	var places [64]uint64
	for from := 0; from < n; from += len(places) {
		some := places[:min(len(places), n-from)]
		for j := range some {
			some[j] = hash(from+j) & mask
		}
		for j, i := range some {
			for slots[i] != 0 {
				i = (i + 1) & mask
			}
			slots[i] = uint32(from+j) + 1
		}
	}
	return slots
}

// turn makes the incoming edges from the outgoing ones, in row order: subjects ascend already, so only the relations are sorted.
func (t *table) turn() {
	nodes := uint32(len(t.outOff) - 1)
	t.inOff = make([]uint32, nodes+1)
	for _, e := range t.out {
		t.inOff[e.peer+1]++
	}
	for n := range nodes {
		t.inOff[n+1] += t.inOff[n]
	}
	t.in = make([]edge, len(t.out))
	free := slices.Clone(t.inOff[:nodes])
	for n := range nodes {
		for _, e := range t.out[t.outOff[n]:t.outOff[n+1]] {
			m := e.peer
			e.peer = n
			t.in[free[m]] = e
			free[m]++
		}
	}
	byRel := func(a, b edge) int { return cmp.Compare(a.rel, b.rel) }
	for n := range nodes {
		if in := t.in[t.inOff[n]:t.inOff[n+1]]; !slices.IsSortedFunc(in, byRel) {
			slices.SortStableFunc(in, byRel)
		}
	}
}

// count fills in how many facts point to each reading.
func (t *table) count() {
	t.uses = make([]uint32, len(t.readings))
	for i := range t.facts {
		t.uses[t.facts[i].reading]++
	}
	for i := range t.out {
		t.uses[t.out[i].reading]++
	}
}

// live counts the nodes of which anything is said.
func (t *table) live() int {
	n := 0
	for i := range t.nodes {
		if t.factOff[i] != t.factOff[i+1] || t.outOff[i] != t.outOff[i+1] || t.inOff[i] != t.inOff[i+1] {
			n++
		}
	}
	return n
}

// factOrder is the order of facts in a row of the table, as in Snapshot.probeOrder.
func (t *table) factOrder(a, b fact) int {
	switch {
	case a.attr != b.attr:
		return int(a.attr) - int(b.attr)
	case a.conf != b.conf:
		return int(b.conf) - int(a.conf)
	case a.reading != b.reading:
		return cmp.Compare(a.reading, b.reading)
	}
	if c := t.value(a).Compare(t.value(b)); c != 0 {
		return c
	}
	return boolOrder(a.derived, b.derived)
}

func (t *table) value(f fact) Value {
	if typ := attrs[f.attr].typ; textual(typ) {
		return Value{typ: typ, str: t.texts[f.val]}
	}
	return Value{typ: attrs[f.attr].typ, num: f.val}
}

// flatEdgeOrder is the order of edges in a row of a table, as in Snapshot.edgeOrder: numbers are in the order of what they stand for.
func flatEdgeOrder(a, b edge) int {
	switch {
	case a.rel != b.rel:
		return int(a.rel) - int(b.rel)
	case a.peer != b.peer:
		return cmp.Compare(a.peer, b.peer)
	case a.conf != b.conf:
		return int(b.conf) - int(a.conf)
	case a.reading != b.reading:
		return cmp.Compare(a.reading, b.reading)
	}
	return boolOrder(a.derived, b.derived)
}
