package reconcile

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// merge replaces what sources said by what they say now, reading by reading. The delta is the difference of both.
type merge struct {
	prev    *topology.Snapshot
	known   *sources
	ids     *identities
	now     time.Time
	tables  map[topology.ReadingKey]*table // those that this sweep touches
	renewed map[topology.ReadingKey]topology.Reading
	forgot  set[topology.ReadingKey]
	digests map[topology.ReadingKey]digest // of what was said whole, and is all that the reading holds now
	changes changes                        // beside what differs in tables, in no order
	last    hashedKey                      // the subject of the fact that was hashed last

	rejected []Rejected
}

// table is what one reading says, before the sweep and after it: all of it, sorted, or in any order what differs.
type table struct{ before, after []topology.Fact }

// origin is a way of reading one device.
type origin struct {
	device string
	source topology.Source
}

// sources is what is known of a graph's readings beyond the graph itself. It follows the graph.
type sources struct {
	seed    maphash.Seed
	partial map[origin]set[topology.ReadingKey]
	handles map[string]set[topology.ReadingKey]
	digests map[topology.ReadingKey]digest
}

func newSources() *sources {
	return &sources{
		seed: maphash.MakeSeed(), partial: map[origin]set[topology.ReadingKey]{}, handles: map[string]set[topology.ReadingKey]{},
		digests: map[topology.ReadingKey]digest{},
	}
}

// renew follows a reading that there is now.
func (s *sources) renew(k topology.ReadingKey) {
	if s.handles[k.Device] == nil {
		s.handles[k.Device] = set[topology.ReadingKey]{}
	}
	s.handles[k.Device].add(k)
	if from := (origin{k.Device, k.Source}); k.Partial {
		if s.partial[from] == nil {
			s.partial[from] = set[topology.ReadingKey]{}
		}
		s.partial[from].add(k)
	}
}

// follow takes in which readings a delta leaves, and what they said.
func (s *sources) follow(d topology.Delta, digests map[topology.ReadingKey]digest) {
	for _, r := range d.Renew {
		s.renew(r.ReadingKey)
		delete(s.digests, r.ReadingKey)
	}
	for k, d := range digests {
		if d == (digest{}) {
			delete(s.digests, k)
		} else {
			s.digests[k] = d
		}
	}
	for _, k := range d.Forget {
		s.forget(k)
	}
}

// forget follows a reading that there is no more.
func (s *sources) forget(k topology.ReadingKey) {
	if delete(s.handles[k.Device], k); len(s.handles[k.Device]) == 0 {
		delete(s.handles, k.Device)
	}
	from := origin{k.Device, k.Source}
	if delete(s.partial[from], k); len(s.partial[from]) == 0 {
		delete(s.partial, from)
	}
	delete(s.digests, k)
}

func newMerge(prev *topology.Snapshot, known *sources, ids *identities, now time.Time) *merge {
	return &merge{
		prev: prev, known: known, ids: ids, now: now, tables: map[topology.ReadingKey]*table{}, renewed: map[topology.ReadingKey]topology.Reading{},
		forgot: set[topology.ReadingKey]{}, digests: map[topology.ReadingKey]digest{},
	}
}

// expect makes room for what readings say that are new.
func (m *merge) expect(obs []topology.Observation) {
	n := 0
	for _, o := range obs {
		if _, known := m.prev.Reading(o.Reading.ReadingKey); !known {
			n += len(o.Facts)
		}
	}
	m.changes.add = make([]topology.Fact, 0, n+n/16)
}

// table gives what a reading says, as far as this sweep has come.
func (m *merge) table(k topology.ReadingKey) *table {
	t := m.tables[k]
	if t == nil {
		t = &table{}
		for f := range m.prev.FactsOf(k) {
			if !f.Derived {
				t.before = append(t.before, f)
			}
		}
		slices.SortFunc(t.before, topology.Fact.Compare)
		t.after = t.before
		m.tables[k] = t
	}
	return t
}

// rename moves facts of nodes whose key has changed. What is derived is concluded anew. Where two nodes become one, and both had a fact, the surer counts.
func (m *merge) rename() {
	renamed := maps.Clone(m.ids.renamed)
	for from := range m.ids.moved {
		for n := range m.prev.Under(from+"/", partKinds()...) {
			if to := m.ids.current(n.Key()); to != n.Key() {
				renamed[n.Key()] = to
			}
		}
	}
	touched := set[topology.ReadingKey]{}
	for k := range renamed {
		n, _ := m.prev.Node(k)
		for f := range n.Facts() {
			touched.add(f.Reading)
		}
		for f := range n.Mentions() {
			touched.add(f.Reading)
		}
	}
	m.movedAliases(touched)
	for k := range touched {
		t := m.table(k)
		var moved []topology.Fact
		t.after = nil
		for _, f := range t.before {
			g := m.ids.rekeyed(f)
			if g == f {
				t.after = append(t.after, f)
			} else if r, ok := redirect(g); ok {
				moved = append(moved, r)
			}
		}
		t.after = joined(append(t.after, moved...))
	}
}

// rekeyed gives a fact of the graph as it was with the names that things have now.
func (ids *identities) rekeyed(f topology.Fact) topology.Fact {
	f.Subject, f.Object = ids.current(f.Subject), ids.current(f.Object)
	if f.Attr == topology.AttrAlias && f.Subject.Kind == topology.LogicalUnit {
		f.Value = topology.TextValue(ids.movedID(f.Value.String()))
	}
	return f
}

// movedAliases adds the readings that know a logical unit by a name which begins with that of a device that has moved.
func (m *merge) movedAliases(touched set[topology.ReadingKey]) {
	if len(m.ids.moved) == 0 {
		return
	}
	for alias, units := range m.ids.known.aliases.under {
		if m.ids.movedID(alias) == alias {
			continue
		}
		for _, x := range units {
			n, _ := m.prev.Node(m.ids.known.units.of(x))
			for f := range n.Facts() {
				if f.Attr == topology.AttrAlias {
					touched.add(f.Reading)
				}
			}
		}
	}
}

func partKinds() []topology.Kind {
	return slices.DeleteFunc(topology.Kinds(), func(k topology.Kind) bool { return !namedByDevice(k) })
}

// joined sorts facts; of those with one identity it leaves the first, as sure as the surest.
func joined(fs []topology.Fact) []topology.Fact {
	slices.SortStableFunc(fs, topology.Fact.Compare)
	n := 0
	for _, f := range fs {
		if n > 0 && fs[n-1].Compare(f) == 0 {
			fs[n-1].Confidence = max(fs[n-1].Confidence, f.Confidence)
			continue
		}
		fs[n] = f
		n++
	}
	return fs[:n]
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
func (m *merge) session(group []topology.Observation) {
	attempted := map[string]int{}
	for _, o := range group {
		attempted[o.Reading.Table]++
	}
	for _, o := range group {
		m.reading(o, attempted[o.Reading.Table] == 1)
	}
	// A partial reading that held nothing, such as a failed login, is over once the source is read again without it.
	first := group[0].Reading
	for k := range m.known.partial[origin{first.Device, first.Source}] {
		if attempted[k.Table] == 0 && len(m.table(k).after) == 0 {
			m.forgot.add(k)
		}
	}
}

// reading merges one table. Only a complete table deletes: what a partial one did not show stays as it was last seen. If nobody else touches the table, it is
// enough to see what differs.
func (m *merge) reading(o topology.Observation, alone bool) {
	whole, part := o.Reading.ReadingKey, o.Reading.ReadingKey
	whole.Partial, part.Partial = false, true
	old, wasPart := m.prev.Reading(part)
	m.renewed[o.Reading.ReadingKey] = o.Reading
	if _, renamed := m.tables[whole]; alone && !o.Reading.Partial && !wasPart && !renamed {
		m.whole(o)
		return
	}
	now := m.resolve(o)
	if !o.Reading.Partial {
		m.table(whole).after = now
		if wasPart {
			m.table(part).after = nil
			m.forgot.add(part)
		}
		return
	}
	if wasPart && !covers(now, m.table(part).after) {
		o.Reading.Time = old.Time // part of what it holds was not seen again: it must not look fresh
		m.renewed[o.Reading.ReadingKey] = o.Reading
	}
	m.table(whole).after = superseded(m.table(whole).after, now)
	m.table(part).after = firstOf(now, superseded(m.table(part).after, now))
}

// superseded takes from an older reading of the same table what a partial one shows again, and the values that it replaces.
func superseded(older, now []topology.Fact) []topology.Fact {
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
	return slices.DeleteFunc(slices.Clone(older), func(f topology.Fact) bool {
		f.Reading.Partial = true
		_, again := slices.BinarySearchFunc(now, f, topology.Fact.Compare)
		return again || replaced[slot{f.Subject, f.Attr, f.Rel}]
	})
}

func covers(now, before []topology.Fact) bool {
	return !slices.ContainsFunc(before, func(f topology.Fact) bool {
		_, again := slices.BinarySearchFunc(now, f, topology.Fact.Compare)
		return !again
	})
}

// firstOf joins two sorted lists of facts; of two with one identity it leaves that of the first.
func firstOf(a, b []topology.Fact) []topology.Fact {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, topology.Fact.Compare)
	return slices.CompactFunc(all, func(a, b topology.Fact) bool { return a.Compare(b) == 0 })
}

// resolve gives the observation's facts under the nodes' own keys, sorted. Since is when any reading of the same table first stated each.
func (m *merge) resolve(o topology.Observation) []topology.Fact {
	now := make([]topology.Fact, 0, len(o.Facts)+1)
	m.said(o, func(f *topology.Fact, _ int) {
		f.Reading, f.Derived, f.Since = o.Reading.ReadingKey, false, m.now
		now = append(now, *f)
	})
	now = canonical(now)
	whole, part := o.Reading.ReadingKey, o.Reading.ReadingKey
	whole.Partial, part.Partial = false, true
	w := m.table(whole)
	olders := [][]topology.Fact{w.after, w.before}
	if _, ok := m.prev.Reading(part); ok {
		p := m.table(part)
		olders = append(olders, p.after, p.before)
	}
	for i := range olders { // the surest word on it last
		since(now, olders[len(olders)-1-i])
	}
	return now
}

// since takes the first-seen time from an older list of facts, for those that it holds. Both are sorted.
func since(now, older []topology.Fact) {
	for i, j := 0, 0; i < len(now) && j < len(older); {
		f := older[j]
		f.Reading = now[i].Reading
		switch order := now[i].Compare(f); {
		case order < 0:
			i++
		case order > 0:
			j++
		default:
			now[i].Since = f.Since
			i, j = i+1, j+1
		}
	}
}

// said tells what an observation says under the nodes' own keys: the facts, each with its place, and with -1 the handles of devices and the other names of
// units. A fact is the receiver's until the next comes. What does not fit the nodes as they turn out to be is rejected as it was sent.
func (m *merge) said(o topology.Observation, tell func(f *topology.Fact, at int)) {
	named := set[topology.Key]{}
	var f topology.Fact
	for i := range o.Facts {
		f = o.Facts[i]
		m.handle(f.Subject, named, tell)
		m.handle(f.Object, named, tell)
		if m.inGraph(&f) {
			tell(&f, i)
		} else if f.Subject != f.Object {
			m.rejected = append(m.rejected, Rejected{o.Reading.ReadingKey, o.Facts[i], fmt.Errorf("as %s: %w", f, f.Check())})
		}
	}
	for _, alias := range m.ids.aliases(o) {
		alias.Confidence = topology.ConfidenceStated
		tell(&alias, -1)
	}
}

// inGraph puts a fact under the nodes' own keys, and reports whether it fits them.
func (m *merge) inGraph(f *topology.Fact) bool {
	f.Subject, f.Confidence = m.ids.global(f.Subject), cmp.Or(f.Confidence, topology.ConfidenceStated)
	if f.Rel == 0 {
		return true
	}
	f.Object = m.ids.global(f.Object)
	turned, ok := redirect(*f)
	if ok {
		*f = turned
	}
	return ok
}

// handle tells once by which handle a device goes.
func (m *merge) handle(k topology.Key, named set[topology.Key], tell func(f *topology.Fact, at int)) {
	if !k.Kind.Device() || named.has(k) {
		return
	}
	if handle, rest, local := k.Local(); local && rest == "" {
		named.add(k)
		f := topology.Attribute(m.ids.global(k), topology.AttrHandle, topology.TextValue(handle))
		f.Confidence = topology.ConfidenceStated
		tell(&f, -1)
	}
}

// retire drops all that the readings of a device say.
func (m *merge) retire(handle string) {
	for k := range m.known.handles[handle] {
		m.table(k).after = nil
		delete(m.renewed, k)
		m.forgot.add(k)
	}
}

// delta gives the difference; its facts are in no order.
func (m *merge) delta() topology.Delta {
	d, ch := topology.Delta{Time: m.now}, m.changes
	for k, t := range m.tables {
		n := len(ch.add) + len(ch.remove)
		if len(t.before) == 0 {
			ch.add = append(ch.add, t.after...)
		} else {
			ch.replace(canonical(t.before), canonical(t.after))
		}
		if _, said := m.renewed[k]; len(ch.add)+len(ch.remove) > n && !said {
			m.digests[k] = digest{} // renamed or superseded
		}
	}
	d.Remove, d.Add = ch.remove, ch.add
	for _, r := range m.renewed {
		d.Renew = append(d.Renew, r)
	}
	slices.SortFunc(d.Renew, func(a, b topology.Reading) int { return a.Compare(b.ReadingKey) })
	return d
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
