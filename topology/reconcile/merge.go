package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// merge gathers the edits that lead from one set of facts to the next. Facts are known by their identity (all but confidence and
// first-seen time); an edit that is taken back leaves no trace.
type merge struct {
	prev    *topology.Snapshot
	now     time.Time
	removed map[topology.Fact]topology.Fact
	added   map[topology.Fact]topology.Fact
	renewed map[topology.ReadingKey]topology.Reading
	forgot  map[topology.ReadingKey]bool
	stated  map[topology.ReadingKey]map[topology.Fact]topology.Fact // what devices' own words were, by reading

	rejected []Rejected
}

func newMerge(prev *topology.Snapshot, now time.Time) *merge {
	m := &merge{
		prev: prev, now: now,
		removed: map[topology.Fact]topology.Fact{}, added: map[topology.Fact]topology.Fact{},
		renewed: map[topology.ReadingKey]topology.Reading{}, forgot: map[topology.ReadingKey]bool{},
		stated: map[topology.ReadingKey]map[topology.Fact]topology.Fact{},
	}
	for f := range prev.Facts() {
		if !f.Derived {
			m.state(f)
		}
	}
	return m
}

func (m *merge) state(f topology.Fact) {
	facts := m.stated[f.Reading]
	if facts == nil {
		facts = map[topology.Fact]topology.Fact{}
		m.stated[f.Reading] = facts
	}
	facts[f.Identity()] = f
}

func (m *merge) add(f topology.Fact) {
	f.Confidence = cmp.Or(f.Confidence, topology.ConfidenceStated)
	id := f.Identity()
	if old, ok := m.stated[f.Reading][id]; ok && !f.Derived { // two nodes became one, and both had it
		if f.Confidence <= old.Confidence {
			return
		}
		m.remove(old)
		f.Since = old.Since
	}
	if old, ok := m.removed[id]; ok && old.Confidence == f.Confidence {
		delete(m.removed, id) // it was there all the time, since it was first seen
		f = old
	} else {
		if ok {
			f.Since = old.Since
		}
		m.added[id] = f
	}
	if !f.Derived {
		m.state(f)
	}
}

func (m *merge) remove(f topology.Fact) {
	id := f.Identity()
	if _, ok := m.added[id]; ok {
		delete(m.added, id)
	} else {
		m.removed[id] = f
	}
	if !f.Derived {
		delete(m.stated[f.Reading], id)
	}
}

// rename moves facts of nodes whose key has changed.
func (m *merge) rename(ids identities) {
	if len(ids.renamed) == 0 {
		return
	}
	var moved []topology.Fact
	for f := range m.prev.Facts() {
		g := f
		g.Subject, g.Object = ids.current(f.Subject), ids.current(f.Object)
		if g.Subject == f.Subject && g.Object == f.Object {
			continue
		}
		m.remove(f)
		if r, ok := redirect(g); ok && !f.Derived { // what is derived is concluded anew
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
	for _, r := range m.prev.Readings() {
		if r.Partial && r.Device == first.Device && r.Source == first.Source && !attempted[r.Table] && len(m.stated[r.ReadingKey]) == 0 {
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
	for id, f := range now {
		old, ok := m.stated[r.ReadingKey][id]
		if ok && old.Confidence == f.Confidence {
			continue
		}
		if ok {
			m.remove(old)
			f.Since = old.Since
		}
		m.add(f)
	}
}

// supersede takes from an older reading of the same table what a partial one shows again, and the values that it replaces.
func (m *merge) supersede(now map[topology.Fact]topology.Fact, older topology.ReadingKey) {
	type slot struct {
		subject topology.Key
		attr    topology.Attr
		rel     topology.Rel
	}
	replaced := map[slot]bool{}
	for _, f := range now {
		if f.Rel == 0 && !f.Attr.Multi() || f.Rel != 0 && f.Rel.Spec().Single {
			replaced[slot{f.Subject, f.Attr, f.Rel}] = true
		}
	}
	var gone []topology.Fact
	for id, f := range m.stated[older] {
		id.Reading.Partial = true
		_, again := now[id]
		if again && !older.Partial || !again && replaced[slot{f.Subject, f.Attr, f.Rel}] {
			gone = append(gone, f)
		}
	}
	for _, f := range gone {
		m.remove(f)
	}
}

func covers(now, before map[topology.Fact]topology.Fact) bool {
	for id := range before {
		if _, ok := now[id]; !ok {
			return false
		}
	}
	return true
}

func (m *merge) dropUnless(stated, keep map[topology.Fact]topology.Fact) {
	var gone []topology.Fact
	for id, f := range stated {
		if _, ok := keep[id]; !ok {
			gone = append(gone, f)
		}
	}
	for _, f := range gone {
		m.remove(f)
	}
}

// resolve gives the observation's facts under the nodes' own keys, by identity. Since is when any reading first stated it.
func (m *merge) resolve(o topology.Observation, ids identities) map[topology.Fact]topology.Fact {
	facts := make(map[topology.Fact]topology.Fact, len(o.Facts))
	named := map[topology.Key]bool{}
	put := func(f topology.Fact) {
		f.Reading, f.Derived = o.Reading.ReadingKey, false
		f.Confidence = cmp.Or(f.Confidence, topology.ConfidenceStated)
		f.Since = m.firstSeen(f)
		id := f.Identity()
		if old, ok := facts[id]; !ok || old.Confidence < f.Confidence {
			facts[id] = f
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
	return facts
}

// firstSeen finds since when some reading of the same table states the fact.
func (m *merge) firstSeen(f topology.Fact) time.Time {
	for _, partial := range []bool{false, true} {
		f.Reading.Partial = partial
		if old, ok := m.stated[f.Reading][f.Identity()]; ok {
			return old.Since
		}
		if old, ok := m.removed[f.Identity()]; ok {
			return old.Since
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

// conclusions replaces what was concluded before by what follows now.
func (m *merge) conclusions(mid *topology.Snapshot, want []topology.Fact) {
	have := map[topology.Fact]topology.Fact{}
	for f := range mid.Facts() {
		if f.Derived {
			have[f.Identity()] = f
		}
	}
	// Two rules may reach one conclusion from one reading: the surer one counts.
	wanted := make(map[topology.Fact]topology.Fact, len(want))
	for _, f := range want {
		f.Derived, f.Since = true, m.now
		if old, ok := wanted[f.Identity()]; !ok || old.Confidence < f.Confidence {
			wanted[f.Identity()] = f
		}
	}
	for id, f := range have {
		if w, ok := wanted[id]; !ok || w.Confidence != f.Confidence {
			m.remove(f)
		}
	}
	for id, f := range wanted {
		if old, ok := have[id]; !ok || old.Confidence != f.Confidence {
			m.add(f)
		}
	}
}

// delta gives the edits so far in canonical order. Readings are forgotten at the end only, when no conclusion points to them any more.
func (m *merge) delta(final bool) topology.Delta {
	d := topology.Delta{Time: m.now}
	for _, f := range m.removed {
		d.Remove = append(d.Remove, f)
	}
	for _, f := range m.added {
		d.Add = append(d.Add, f)
	}
	for _, r := range m.renewed {
		d.Renew = append(d.Renew, r)
	}
	if final {
		for k := range m.forgot {
			if _, again := m.renewed[k]; !again {
				d.Forget = append(d.Forget, k)
			}
		}
	}
	slices.SortFunc(d.Remove, topology.Fact.Compare)
	slices.SortFunc(d.Add, topology.Fact.Compare)
	slices.SortFunc(d.Renew, func(a, b topology.Reading) int { return a.Compare(b.ReadingKey) })
	slices.SortFunc(d.Forget, topology.ReadingKey.Compare)
	return d
}
