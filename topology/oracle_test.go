package topology_test

import (
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/topology"
)

// oracle is the slow, obvious graph: a set of facts and a set of readings.
type oracle struct {
	facts    map[topology.Fact]topology.Fact // by identity
	readings map[topology.ReadingKey]topology.Reading
}

func newOracle() oracle {
	return oracle{map[topology.Fact]topology.Fact{}, map[topology.ReadingKey]topology.Reading{}}
}

func (o oracle) apply(d topology.Delta) {
	for _, f := range d.Remove {
		delete(o.facts, f.Identity())
	}
	for _, r := range d.Renew {
		o.readings[r.ReadingKey] = r
	}
	for _, f := range d.Add {
		if f.Confidence == 0 {
			f.Confidence = topology.ConfidenceStated
		}
		o.facts[f.Identity()] = f
	}
	for _, k := range d.Forget {
		delete(o.readings, k)
	}
}

// sorted lists the facts that match, most believed first.
func (o oracle) sorted(match func(topology.Fact) bool) []topology.Fact {
	var fs []topology.Fact
	for _, f := range o.facts {
		if match(f) {
			fs = append(fs, f)
		}
	}
	slices.SortFunc(fs, func(a, b topology.Fact) int {
		if a.Confidence != b.Confidence {
			return int(b.Confidence) - int(a.Confidence)
		}
		if c := a.Reading.Compare(b.Reading); c != 0 {
			return c
		}
		if c := a.Value.Compare(b.Value); c != 0 {
			return c
		}
		return a.Compare(b)
	})
	return fs
}

// believes tells whether the best claim of a single relation is for the object.
func (o oracle) believes(f topology.Fact) bool {
	if f.Confidence <= topology.ConfidenceDenied {
		return false
	}
	if !f.Rel.Spec().Single {
		return true
	}
	claims := o.sorted(func(g topology.Fact) bool { return g.Rel == f.Rel && g.Subject == f.Subject })
	return o.firstObject(claims) == f.Object
}

// firstObject breaks ties as rows do: by confidence, reading and derivation, then by key.
func (o oracle) firstObject(claims []topology.Fact) topology.Key {
	best := claims[0]
	for _, c := range claims[1:] {
		order := int(best.Confidence) - int(c.Confidence)
		if order == 0 {
			order = c.Reading.Compare(best.Reading)
		}
		if order == 0 && c.Derived != best.Derived {
			order = 1
			if best.Derived {
				order = -1
			}
		}
		if order == 0 {
			order = c.Object.Compare(best.Object)
		}
		if order < 0 {
			best = c
		}
	}
	return best.Object
}

func distinct[T comparable](ts []T) []T {
	var out []T
	for _, t := range ts {
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// check compares everything that a snapshot shows with the oracle.
func (o oracle) check(t tester, s *topology.Snapshot) {
	t.Helper()
	all := o.sorted(func(topology.Fact) bool { return true })
	slices.SortFunc(all, topology.Fact.Compare)
	got := slices.SortedFunc(s.Facts(), topology.Fact.Compare)
	if d := cmp.Diff(all, got, valueOption(), emptyIsNil()); d != "" {
		t.Fatalf("facts differ (-oracle +snapshot):\n%s", d)
	}
	var readings []topology.Reading
	for _, r := range o.readings {
		readings = append(readings, r)
	}
	slices.SortFunc(readings, func(a, b topology.Reading) int { return a.Compare(b.ReadingKey) })
	if d := cmp.Diff(readings, s.Readings(), emptyIsNil()); d != "" {
		t.Fatalf("readings differ (-oracle +snapshot):\n%s", d)
	}
	for _, r := range readings {
		want := slices.DeleteFunc(slices.Clone(all), func(f topology.Fact) bool { return f.Reading != r.ReadingKey })
		if d := cmp.Diff(want, slices.SortedFunc(s.FactsOf(r.ReadingKey), topology.Fact.Compare), valueOption(), emptyIsNil()); d != "" {
			t.Fatalf("facts of %s differ (-oracle +snapshot):\n%s", r, d)
		}
	}
	var keys, gotKeys []topology.Key
	for _, f := range all {
		keys = append(keys, f.Subject)
		if f.Rel != 0 {
			keys = append(keys, f.Object)
		}
	}
	slices.SortFunc(keys, topology.Key.Compare)
	keys = slices.Compact(keys)
	for n := range s.Nodes() {
		gotKeys = append(gotKeys, n.Key())
	}
	if d := cmp.Diff(keys, gotKeys); d != "" {
		t.Fatalf("nodes differ (-oracle +snapshot):\n%s", d)
	}
	if s.Len() != len(keys) {
		t.Fatalf("Len is %d, want %d", s.Len(), len(keys))
	}
	for _, k := range keys {
		prefix := k.ID[:len(k.ID)/2]
		under := slices.DeleteFunc(slices.Clone(keys), func(o topology.Key) bool { return o.Kind != k.Kind || !strings.HasPrefix(o.ID, prefix) })
		gotKeys = nil
		for n := range s.Under(prefix, k.Kind) {
			gotKeys = append(gotKeys, n.Key())
		}
		slices.SortFunc(gotKeys, topology.Key.Compare)
		if d := cmp.Diff(under, gotKeys); d != "" {
			t.Fatalf("nodes under %q differ (-oracle +snapshot):\n%s", prefix, d)
		}
		about := oracle{facts: map[topology.Fact]topology.Fact{}}
		for id, f := range o.facts {
			if f.Subject == k || f.Object == k {
				about.facts[id] = f
			}
		}
		o.checkNode(t, s, k, about)
	}
}

func (o oracle) checkNode(t tester, s *topology.Snapshot, k topology.Key, about oracle) {
	t.Helper()
	n, ok := s.Node(k)
	if !ok {
		t.Fatalf("%s is not found", k)
	}
	attrs, rels := map[topology.Attr]bool{}, map[topology.Rel]bool{}
	for _, f := range about.facts {
		if f.Rel != 0 {
			rels[f.Rel] = true
		} else {
			attrs[f.Attr] = true
		}
	}
	mentions := about.sorted(func(f topology.Fact) bool { return f.Rel != 0 && f.Object == k })
	slices.SortFunc(mentions, topology.Fact.Compare)
	if d := cmp.Diff(mentions, slices.SortedFunc(n.Mentions(), topology.Fact.Compare), valueOption(), emptyIsNil()); d != "" {
		t.Fatalf("mentions of %s differ (-oracle +snapshot):\n%s", k, d)
	}
	for a := range attrs {
		var want []topology.Value
		for _, f := range about.sorted(func(f topology.Fact) bool { return f.Subject == k && f.Attr == a }) {
			want = append(want, f.Value)
		}
		if got := n.Values(a); !slices.Equal(distinct(want), got) {
			t.Fatalf("%s %s: values are %v, want %v", k, a, got, distinct(want))
		}
	}
	for r := range rels {
		var out, in []topology.Key
		for _, f := range about.sorted(func(f topology.Fact) bool { return f.Rel == r && f.Subject == k }) {
			if o.believes(f) {
				out = append(out, f.Object)
			}
		}
		for _, f := range about.sorted(func(f topology.Fact) bool { return f.Rel == r && f.Object == k }) {
			if o.believes(f) {
				in = append(in, f.Subject)
			}
		}
		for dir, x := range map[string]struct {
			want []topology.Key
			got  []topology.Edge
		}{"out": {out, n.Out(r)}, "in": {in, n.In(r)}} {
			want := distinct(x.want)
			slices.SortFunc(want, topology.Key.Compare)
			var got []topology.Key
			for _, e := range x.got {
				got = append(got, e.Peer(n).Key())
			}
			if r == topology.Contains && slices.Contains(want, k) {
				continue // a node that contains itself: Peer cannot tell the ends apart, and nobody asks
			}
			if !slices.Equal(want, got) {
				t.Fatalf("%s %s %s: %v, want %v", k, r, dir, got, want)
			}
		}
	}
}

func valueOption() cmp.Option {
	return cmp.Comparer(func(a, b topology.Value) bool { return a == b })
}

func emptyIsNil() cmp.Option {
	return cmp.FilterValues(func(a, b any) bool {
		empty := func(x any) bool {
			switch x := x.(type) {
			case []topology.Fact:
				return len(x) == 0
			case []topology.Reading:
				return len(x) == 0
			}
			return false
		}
		return empty(a) && empty(b)
	}, cmp.Ignore())
}
