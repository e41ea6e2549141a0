package reconcile

import (
	"hash/maphash"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// digest stands for all facts of a complete reading, whatever their order; the zero digest for nothing that is known.
type digest struct {
	sum   uint64
	facts int
}

// whole compares a complete table with what it said when it was last read, and keeps what differs: nothing, for most tables of most sweeps.
func (m *merge) whole(o topology.Observation) {
	k := o.Reading.ReadingKey
	if _, known := m.prev.Reading(k); !known && m.first(o) {
		return
	}
	rejected := len(m.rejected)
	d, s := m.digest(o)
	if len(m.rejected) == rejected { // what is rejected is to be said each time
		m.digests[k] = d
		if d.facts > 0 && d == m.known.digests[k] {
			return
		}
	}
	t := &table{}
	m.tables[k] = t
	now := m.differing(t, k, s.hashes)
	for _, h := range s.hashes {
		confidence, differs := now[h.sum]
		if !differs {
			continue
		}
		delete(now, h.sum)
		f := s.fact(m, o, h)
		f.Confidence = max(f.Confidence, confidence)
		f.Reading, f.Derived, f.Since = k, false, m.now
		t.after = append(t.after, f)
	}
}

// first takes in a complete table that was never read, unless it says something twice.
func (m *merge) first(o topology.Observation) bool {
	k, added, rejected := o.Reading.ReadingKey, len(m.changes.add), len(m.rejected)
	var d digest
	sums := make([]uint64, 0, len(o.Facts)+1)
	m.said(o, func(f *topology.Fact, _ int) {
		h := m.hash(f)
		sums = append(sums, h.sum)
		d.count(h)
		f.Reading, f.Derived, f.Since = k, false, m.now
		m.changes.add = append(m.changes.add, *f)
	})
	if repeats(sums) {
		m.changes.add, m.rejected = m.changes.add[:added], m.rejected[:rejected]
		return false
	}
	if len(m.rejected) == rejected {
		m.digests[k] = d
	}
	return true
}

// summary stands for what an observation says, fact by fact.
type summary struct {
	hashes []hashed
	extras []topology.Fact // of these, what was not sent in these words: handles and other names
}

// hashed is a fact of a reading.
type hashed struct {
	subject, sum uint64
	at           int32 // its place among those that were sent, or ^at among the extras
	confidence   uint8
}

// weight is what a fact adds to a sum of several.
func (h hashed) weight() uint64 { return h.sum ^ uint64(h.confidence)<<32 }

// hashedKey is a key and its hash.
type hashedKey struct {
	key topology.Key
	sum uint64
}

func (s summary) fact(m *merge, o topology.Observation, h hashed) topology.Fact {
	if h.at < 0 {
		return s.extras[^h.at]
	}
	f := o.Facts[h.at]
	m.inGraph(&f)
	return f
}

// digest sums up an observation under the nodes' own keys.
func (m *merge) digest(o topology.Observation) (d digest, s summary) {
	s.hashes = make([]hashed, 0, len(o.Facts)+1)
	m.said(o, func(f *topology.Fact, at int) {
		if at < 0 {
			s.extras = append(s.extras, *f)
			at = -len(s.extras)
		}
		h := m.hash(f)
		h.at = int32(at)
		s.hashes = append(s.hashes, h)
		d.count(h)
	})
	return d, s
}

// count takes in a fact.
func (d *digest) count(h hashed) {
	d.sum += h.weight()
	d.facts++
}

// repeats sorts hashes, and reports whether one stands twice.
func repeats(sums []uint64) bool {
	slices.Sort(sums)
	return len(slices.Compact(sums)) < len(sums)
}

// differing puts the facts that the table does not state any more, or not as surely as it did, into before. It gives the hashes of those that it states anew.
// Most subjects have what they had, which the sums of their hashes tell.
func (m *merge) differing(t *table, k topology.ReadingKey, hashes []hashed) map[uint64]uint8 {
	sums := map[uint64]uint64{} // by subject
	for _, h := range hashes {
		sums[h.subject] += h.weight()
	}
	was := m.otherwise(k, sums)
	now := map[uint64]uint8{}
	for _, h := range hashes {
		if _, differs := sums[h.subject]; differs {
			now[h.sum] = max(now[h.sum], h.confidence)
		}
	}
	for _, f := range was {
		h := m.hash(&f)
		if confidence, still := now[h.sum]; still && confidence == f.Confidence {
			delete(now, h.sum)
		} else {
			t.before = append(t.before, f)
		}
	}
	return now
}

// otherwise gives what a reading said of subjects of which it says something else now, and takes those from the sums of which it says the same.
func (m *merge) otherwise(k topology.ReadingKey, sums map[uint64]uint64) []topology.Fact {
	var others []topology.Key
	var subject topology.Key
	var of hashed // the subject, and the sum of what was said of it
	settle := func() {
		if sum, still := sums[of.subject]; still && sum == of.sum {
			delete(sums, of.subject)
		} else if !subject.IsZero() {
			others = append(others, subject)
		}
	}
	for f := range m.prev.FactsOf(k) {
		if f.Derived {
			continue
		}
		h := m.hash(&f)
		if f.Subject != subject {
			settle()
			subject, of = f.Subject, hashed{subject: h.subject}
		}
		of.sum += h.weight()
	}
	settle()
	var was []topology.Fact
	for _, subject := range others {
		n, _ := m.prev.Node(subject)
		for f := range n.Facts() {
			if f.Reading == k && !f.Derived {
				was = append(was, f)
			}
		}
	}
	return was
}

// hash stands for what a fact says, and for of whom.
func (m *merge) hash(f *topology.Fact) hashed {
	seed := m.known.seed
	if f.Subject != m.last.key {
		m.last = hashedKey{f.Subject, maphash.Comparable(seed, f.Subject)}
	}
	h := hashed{subject: m.last.sum, confidence: f.Confidence}
	switch {
	case f.Rel != 0:
		h.sum = maphash.Comparable(seed, worded{h.subject, uint64(f.Rel)<<16 | uint64(f.Object.Kind)<<8, f.Object.ID})
	case f.Attr.Type().Textual():
		h.sum = maphash.Comparable(seed, worded{h.subject, uint64(f.Attr), f.Value.String()})
	default:
		h.sum = maphash.Comparable(seed, valued{h.subject, uint64(f.Attr), f.Value.Bits()})
	}
	return h
}

// What facts say of a subject, without gaps in memory, which would have to be left out of a hash.
type (
	worded struct {
		subject, about uint64
		text           string
	}
	valued struct{ subject, about, bits uint64 }
)
