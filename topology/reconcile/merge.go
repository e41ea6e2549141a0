package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// merge gathers the edits that lead from one set of facts to the next; an edit that is taken back leaves no trace.
type merge struct {
	prev    *topology.Snapshot
	now     time.Time
	removed facts
	added   facts
	renewed map[topology.ReadingKey]topology.Reading
	forgot  map[topology.ReadingKey]bool
	stated  map[topology.ReadingKey]facts // what devices' own words were, by reading
	partial map[origin][]topology.Reading // of the graph as it was

	rejected []Rejected
}

// facts are known by their identity: all but confidence and first-seen time.
type facts map[topology.Fact]weight

type weight struct {
	confidence uint8
	since      time.Time
}

func (fs facts) put(f topology.Fact) { fs[f.Identity()] = weight{f.Confidence, f.Since} }

// fact gives the whole fact of an identity.
func (w weight) fact(id topology.Fact) topology.Fact {
	id.Confidence, id.Since = w.confidence, w.since
	return id
}

// origin is a way of reading one device.
type origin struct {
	device string
	source topology.Source
}

// newMerge begins with what the sources said so far, as far as this sweep can touch it: all of it if things are renamed.
func newMerge(prev *topology.Snapshot, obs []topology.Observation, policy Policy, renames bool, now time.Time) *merge {
	m := &merge{
		prev: prev, now: now, removed: facts{}, added: facts{},
		renewed: map[topology.ReadingKey]topology.Reading{}, forgot: map[topology.ReadingKey]bool{},
		stated: map[topology.ReadingKey]facts{}, partial: map[origin][]topology.Reading{},
	}
	touched := map[topology.ReadingKey]bool{}
	for _, o := range obs {
		for _, part := range []bool{false, true} {
			k := o.Reading.ReadingKey
			k.Partial = part
			touched[k] = true
		}
	}
	for _, r := range prev.Readings() {
		if r.Partial {
			from := origin{r.Device, r.Source}
			m.partial[from] = append(m.partial[from], r)
		}
		if r.Partial || slices.Contains(policy.Retired, r.Device) {
			touched[r.ReadingKey] = true
		}
	}
	for f := range prev.Facts() {
		if !f.Derived && (renames || touched[f.Reading]) {
			m.state(f)
		}
	}
	return m
}

func (m *merge) state(f topology.Fact) {
	fs := m.stated[f.Reading]
	if fs == nil {
		fs = facts{}
		m.stated[f.Reading] = fs
	}
	fs.put(f)
}

// add adds what a source said.
func (m *merge) add(f topology.Fact) {
	f.Confidence = cmp.Or(f.Confidence, topology.ConfidenceStated)
	id := f.Identity()
	if old, ok := m.stated[f.Reading][id]; ok { // two nodes became one, and both had it
		if f.Confidence <= old.confidence {
			return
		}
		m.remove(old.fact(id))
		f.Since = old.since
	}
	m.enter(id, weight{f.Confidence, f.Since})
	m.state(f)
}

// enter adds a fact that is not stated now.
func (m *merge) enter(id topology.Fact, w weight) {
	old, ok := m.removed[id]
	if ok && old.confidence == w.confidence {
		delete(m.removed, id) // it was there all the time, since it was first seen
		return
	}
	if ok {
		w.since = old.since
	}
	m.added[id] = w
}

func (m *merge) remove(f topology.Fact) {
	id := f.Identity()
	if _, ok := m.added[id]; ok {
		delete(m.added, id)
	} else {
		m.removed.put(f)
	}
	delete(m.stated[f.Reading], id)
}

// rename moves facts of nodes whose key has changed.
func (m *merge) rename(ids identities) {
	if !ids.renames() {
		return
	}
	var moved []topology.Fact
	for f := range m.prev.Facts() {
		g := f
		g.Subject, g.Object = ids.current(f.Subject), ids.current(f.Object)
		if f.Derived || g.Subject == f.Subject && g.Object == f.Object {
			continue // what is derived is concluded anew
		}
		m.remove(f)
		if r, ok := redirect(g); ok {
			moved = append(moved, r)
		}
	}
	for _, f := range moved {
		m.add(f)
	}
}

// redirect puts a mutual relation whose ends were renamed into canonical direction; a relation of a thing to itself says nothing.
func redirect(f topology.Fact) (topology.Fact, bool) {
	if f.Rel == 0 {
		return f, true
	}
	if f.Subject == f.Object {
		return f, false
	}
	turned := topology.Relate(f.Subject, f.Rel, f.Object)
	f.Subject, f.Object = turned.Subject, turned.Object
	return f, f.Check() == nil
}

// session merges what one source said of one device in one go.
func (m *merge) session(group []topology.Observation, ids identities) {
	attempted := map[string]bool{}
	for _, o := range group {
		attempted[o.Reading.Table] = true
		m.reading(o, ids)
	}
	// A partial reading that held nothing, such as a failed login, is over once the source is read again without it.
	first := group[0].Reading
	for _, r := range m.partial[origin{first.Device, first.Source}] {
		if !attempted[r.Table] && len(m.stated[r.ReadingKey]) == 0 {
			m.forgot[r.ReadingKey] = true
		}
	}
}

// reading merges one table. Only a complete table deletes: what a partial one did not show stays as it was last seen.
func (m *merge) reading(o topology.Observation, ids identities) {
	whole, part := o.Reading.ReadingKey, o.Reading.ReadingKey
	whole.Partial, part.Partial = false, true
	now := m.resolve(o, ids)
	r := o.Reading
	if r.Partial {
		if old, ok := m.prev.Reading(part); ok && !covers(now, m.stated[part]) {
			r.Time = old.Time // part of what it holds was not seen again: it must not look fresh
		}
		m.supersede(now, whole)
		m.supersede(now, part)
	} else {
		m.dropUnless(m.stated[part], nil)
		m.dropUnless(m.stated[whole], now)
		if _, ok := m.prev.Reading(part); ok {
			m.forgot[part] = true
		}
	}
	m.renewed[r.ReadingKey] = r
	before := m.stated[r.ReadingKey]
	for id, w := range now {
		if old, ok := before[id]; ok {
			w.since = old.since
			now[id] = w
			if old.confidence == w.confidence {
				continue
			}
			m.remove(old.fact(id))
		}
		m.enter(id, w)
	}
	if r.Partial {
		for id, w := range before {
			if _, ok := now[id]; !ok {
				now[id] = w
			}
		}
	}
	m.stated[r.ReadingKey] = now
}

// supersede takes from an older reading of the same table what a partial one shows again, and the values that it replaces.
func (m *merge) supersede(now facts, older topology.ReadingKey) {
	type slot struct {
		subject topology.Key
		attr    topology.Attr
		rel     topology.Rel
	}
	replaced := map[slot]bool{}
	for f := range now {
		if f.Rel == 0 && !f.Attr.Multi() || f.Rel != 0 && f.Rel.Spec().Single {
			replaced[slot{f.Subject, f.Attr, f.Rel}] = true
		}
	}
	var gone []topology.Fact
	for id, w := range m.stated[older] {
		anew := id
		anew.Reading.Partial = true
		_, again := now[anew]
		if again && !older.Partial || !again && replaced[slot{id.Subject, id.Attr, id.Rel}] {
			gone = append(gone, w.fact(id))
		}
	}
	for _, f := range gone {
		m.remove(f)
	}
}

func covers(now, before facts) bool {
	for id := range before {
		if _, ok := now[id]; !ok {
			return false
		}
	}
	return true
}

func (m *merge) dropUnless(stated, keep facts) {
	var gone []topology.Fact
	for id, w := range stated {
		if _, ok := keep[id]; !ok {
			gone = append(gone, w.fact(id))
		}
	}
	for _, f := range gone {
		m.remove(f)
	}
}

// resolve gives the observation's facts under the nodes' own keys, by identity. Since is when any reading first stated it.
func (m *merge) resolve(o topology.Observation, ids identities) facts {
	now := make(facts, len(o.Facts))
	named := map[topology.Key]bool{}
	put := func(f topology.Fact) {
		f.Reading, f.Derived = o.Reading.ReadingKey, false
		f.Confidence = cmp.Or(f.Confidence, topology.ConfidenceStated)
		f.Since = m.firstSeen(f)
		if old, ok := now[f.Identity()]; !ok || old.confidence < f.Confidence {
			now.put(f)
		}
	}
	for _, f := range o.Facts {
		for _, k := range []topology.Key{f.Subject, f.Object} {
			if handle, rest, local := k.Local(); local && rest == "" && k.Kind.Device() && !named[k] {
				named[k] = true
				put(topology.Attribute(ids.global(k), topology.AttrHandle, topology.TextValue(handle)))
			}
		}
		g := f
		g.Subject, g.Object = ids.global(f.Subject), ids.global(f.Object)
		if r, ok := redirect(g); ok {
			put(r)
		} else if g.Subject != g.Object {
			m.rejected = append(m.rejected, Rejected{o.Reading.ReadingKey, f, fmt.Errorf("as %s: %w", g, g.Check())})
		}
	}
	for _, alias := range ids.aliases(o) {
		put(alias)
	}
	return now
}

// firstSeen finds since when some reading of the same table states the fact.
func (m *merge) firstSeen(f topology.Fact) time.Time {
	for _, partial := range []bool{false, true} {
		f.Reading.Partial = partial
		id := f.Identity()
		if old, ok := m.stated[f.Reading][id]; ok {
			return old.since
		}
		if old, ok := m.removed[id]; ok {
			return old.since
		}
	}
	return m.now
}

// retire drops all that the readings of a device say.
func (m *merge) retire(handle string) {
	for _, r := range m.prev.Readings() {
		if r.Device == handle {
			m.dropUnless(m.stated[r.ReadingKey], nil)
			delete(m.renewed, r.ReadingKey)
			m.forgot[r.ReadingKey] = true
		}
	}
}

// conclude replaces what was concluded before by what follows now, beside the edits that led to mid.
func (m *merge) conclude(mid *topology.Snapshot, want []topology.Fact) *merge {
	c := &merge{prev: mid, now: m.now, removed: facts{}, added: facts{}}
	for f := range mid.Facts() {
		if f.Derived {
			c.removed.put(f)
		}
	}
	// Two rules may reach one conclusion from one reading: the surer one counts.
	for _, f := range want {
		f.Derived, f.Since = true, m.now
		id := f.Identity()
		if old, ok := c.added[id]; !ok || old.confidence < f.Confidence {
			c.added.put(f)
		}
	}
	for id, w := range c.added {
		if old, ok := c.removed[id]; ok && old.confidence == w.confidence {
			delete(c.added, id)
			delete(c.removed, id)
		} else if ok {
			c.added[id] = weight{w.confidence, old.since}
		}
	}
	return c
}

// delta gives the edits in canonical order.
func (m *merge) delta() topology.Delta {
	d := topology.Delta{Time: m.now, Remove: m.removed.sorted(), Add: m.added.sorted()}
	for _, r := range m.renewed {
		d.Renew = append(d.Renew, r)
	}
	slices.SortFunc(d.Renew, func(a, b topology.Reading) int { return a.Compare(b.ReadingKey) })
	return d
}

func (fs facts) sorted() []topology.Fact {
	if len(fs) == 0 {
		return nil
	}
	all := make([]topology.Fact, 0, len(fs))
	for id, w := range fs {
		all = append(all, w.fact(id))
	}
	slices.SortFunc(all, topology.Fact.Compare)
	return all
}

// unused lists the readings to be forgotten, in canonical order.
func (m *merge) unused() []topology.ReadingKey {
	var ks []topology.ReadingKey
	for k := range m.forgot {
		if _, again := m.renewed[k]; !again {
			ks = append(ks, k)
		}
	}
	slices.SortFunc(ks, topology.ReadingKey.Compare)
	return ks
}
