package topology

import (
	"hash/maphash"
	"slices"
)

// overlay holds what newer deltas changed of a base. Nodes, texts and readings that are new are numbered on from those of the base. All of it is
// shared between snapshots: a delta copies what it touches, whatever the size of the overlay.
type overlay struct {
	rows    trie[*ownRow]
	touched int // rows

	nodes  trie[added] // by number less those of the base
	byKey  trie[uint32]
	count  uint32     // nodes
	sorted [][]uint32 // their numbers, in runs by key of which each is at most half as long as the one before

	texts   trie[string] // by number less those of the base
	written uint32       // texts

	readings  trie[*look] // by number: new ones, and those of the base that changed
	byReading trie[uint32]
	opened    uint32 // new readings
	uses      trie[uint32]
	mentions  trie[*mention]
}

// ownRow is a row that a builder made; before others see it, it may change what it has copied.
type ownRow struct {
	row
	owner                   *token
	hadFacts, hadOut, hadIn bool // copied already
	wasEmpty                bool
	gains                   uint32 // its place among the rows that many facts are added to, plus 1
}

// added is the key of a new node; next is the node that is older in the same bucket, plus 1.
type added struct {
	key  Key
	next uint32
}

// look is a reading; next is as in added, and in use for new readings only. A forgotten one keeps its number.
type look struct {
	Reading
	gone bool
	next uint32
}

// mention is a list of nodes of which a reading says something that it did not say when the base was made: those of one delta, then the older ones. Some of
// it may have gone again. A node may stand in it twice.
type mention struct {
	owner  *token // who may add to it
	fresh  []uint32
	length uint32 // with the older ones
	tidy   uint32 // length after it was last tidied
	older  *mention
}

// bucket is where a hash is found in byKey and byReading.
func bucket(hash uint64) uint32 { return uint32(hash>>20) & (1<<22 - 1) }

func keyHash(seed maphash.Seed, k Key) uint64 {
	return maphash.String(seed, k.ID) ^ uint64(k.Kind)*0x9e3779b97f4a7c15 // one name is often used in several kinds
}

func readingHash(seed maphash.Seed, k ReadingKey) uint64 {
	h := maphash.String(seed, k.Device) ^ 3*maphash.String(seed, k.Table) ^ uint64(k.Source)*0x9e3779b97f4a7c15
	return h ^ flag(k.Partial)<<40 ^ flag(k.Partial)
}

func (s *Snapshot) key(n uint32) Key {
	if int(n) < len(s.base.nodes) {
		return s.base.nodes[n]
	}
	a, _ := s.over.nodes.get(n - uint32(len(s.base.nodes)))
	return a.key
}

func (s *Snapshot) row(n uint32) row {
	if len(s.over.rows.top) > 0 {
		if r, ok := s.over.rows.get(n); ok {
			return r.row
		}
	}
	return s.base.row(n)
}

func (s *Snapshot) find(k Key) (uint32, bool) {
	hash := keyHash(s.base.seed, k)
	if n, ok := s.base.find(k, hash); ok || s.over.count == 0 {
		return n, ok
	}
	first := uint32(len(s.base.nodes))
	i, _ := s.over.byKey.get(bucket(hash))
	for i != 0 {
		a, _ := s.over.nodes.get(i - 1)
		if a.key == k {
			return first + i - 1, true
		}
		i = a.next
	}
	return 0, false
}

func (s *Snapshot) text(i uint64) string {
	if i < uint64(len(s.base.texts)) {
		return s.base.texts[i]
	}
	text, _ := s.over.texts.get(uint32(i - uint64(len(s.base.texts))))
	return text
}

// reading gives a reading by number, to be read only.
func (s *Snapshot) reading(i uint32) *Reading {
	if len(s.over.readings.top) > 0 {
		if l, ok := s.over.readings.get(i); ok {
			return &l.Reading
		}
	}
	return &s.base.readings[i]
}

func (s *Snapshot) forgotten(reading uint32) bool {
	l, ok := s.over.readings.get(reading)
	return ok && l.gone
}

// findReading gives the number of a reading, also of a forgotten one.
func (s *Snapshot) findReading(k ReadingKey) (uint32, bool) {
	hash := readingHash(s.base.seed, k)
	if i, ok := s.base.findReading(k, hash); ok || s.over.opened == 0 {
		return i, ok
	}
	first := uint32(len(s.base.readings))
	i, _ := s.over.byReading.get(bucket(hash))
	for i != 0 {
		l, _ := s.over.readings.get(first + i - 1)
		if l.ReadingKey == k {
			return first + i - 1, true
		}
		i = l.next
	}
	return 0, false
}

// readingOf gives the number of a reading that is not forgotten.
func (s *Snapshot) readingOf(k ReadingKey) (uint32, bool) {
	i, ok := s.findReading(k)
	return i, ok && !s.forgotten(i)
}

func (s *Snapshot) uses(reading uint32) uint32 {
	if n, ok := s.over.uses.get(reading); ok || int(reading) >= len(s.base.uses) {
		return n
	}
	return s.base.uses[reading]
}

// readingOrder compares two readings by their keys. Those of the base are numbered in that order.
func (s *Snapshot) readingOrder(a, b uint32) int {
	if a == b {
		return 0
	}
	if n := len(s.base.readings); int(a) < n && int(b) < n {
		return int(a) - int(b)
	}
	return s.reading(a).Compare(s.reading(b).ReadingKey)
}

// readingNumbers lists the readings in canonical order, by number.
func (s *Snapshot) readingNumbers() []uint32 {
	first := uint32(len(s.base.readings))
	fresh := make([]uint32, 0, s.over.opened)
	for i := first; i < first+s.over.opened; i++ {
		if !s.forgotten(i) {
			fresh = append(fresh, i)
		}
	}
	slices.SortFunc(fresh, s.readingOrder)
	all := make([]uint32, 0, int(first)+len(fresh))
	for i := range first {
		for ; len(fresh) > 0 && s.reading(fresh[0]).Compare(s.base.readings[i].ReadingKey) < 0; fresh = fresh[1:] {
			all = append(all, fresh[0])
		}
		if !s.forgotten(i) {
			all = append(all, i)
		}
	}
	return append(all, fresh...)
}

// withRun adds the numbers of new nodes, which are sorted by key, to the runs. Runs of like length become one, so that there are few.
func (s *Snapshot) withRun(run []uint32) [][]uint32 {
	runs := slices.Clone(s.over.sorted)
	for len(runs) > 0 && len(runs[len(runs)-1]) <= 2*len(run) {
		last := runs[len(runs)-1]
		runs = runs[:len(runs)-1]
		both := make([]uint32, 0, len(last)+len(run))
		for len(last) > 0 && len(run) > 0 {
			if s.key(last[0]).Compare(s.key(run[0])) < 0 {
				both, last = append(both, last[0]), last[1:]
			} else {
				both, run = append(both, run[0]), run[1:]
			}
		}
		run = append(append(both, last...), run...)
	}
	return append(runs, run)
}
