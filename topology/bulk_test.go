package topology_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// records takes a snapshot apart, in canonical order.
func records(s *topology.Snapshot) topology.Graph {
	g := topology.Graph{Readings: s.Readings(), Nodes: make([]topology.Key, 0, s.Len())}
	nodes, readings, texts := map[topology.Key]uint32{}, map[topology.ReadingKey]uint32{}, map[string]uint64{}
	for i, r := range g.Readings {
		readings[r.ReadingKey] = uint32(i)
	}
	for n := range s.Nodes() {
		nodes[n.Key()] = uint32(len(g.Nodes))
		g.Nodes = append(g.Nodes, n.Key())
	}
	for f := range s.Facts() {
		r := topology.Record{
			Subject: nodes[f.Subject], Object: nodes[f.Object], Reading: readings[f.Reading], Attr: f.Attr, Rel: f.Rel,
			Confidence: f.Confidence, Derived: f.Derived, Value: f.Value.Bits(),
		}
		if !f.Since.IsZero() {
			r.Since = uint32(f.Since.Unix())
		}
		if f.Rel == 0 && f.Attr.Type().Textual() {
			n, ok := texts[f.Value.String()]
			if !ok {
				n = uint64(len(g.Texts))
				texts[f.Value.String()] = n
				g.Texts = append(g.Texts, f.Value.String())
			}
			r.Value = n
		}
		g.Records = append(g.Records, r)
	}
	return g
}

func TestBuild_equalsApply(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t, 3)
		g := records(s)
		if rapid.Bool().Draw(t, "shuffled") {
			shuffle(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), &g)
		}
		built, err := topology.Build(g, s.Revision(), s.Time())
		if err != nil {
			t.Fatalf("build: %v", err)
		}
		if text(t, built, true) != text(t, s, true) || built.Len() != s.Len() {
			t.Fatalf("the graph that was built is not the one that was taken apart")
		}
		d := storetest.Delta(storetest.Rapid{T: t}, s, 40)
		if text(t, mustApply(t, built, d), true) != text(t, mustApply(t, s, d), true) {
			t.Fatalf("a graph that was built takes a delta otherwise")
		}
	})
}

// shuffle renumbers nodes and readings at random, and puts the records in another order.
func shuffle(rng *rand.Rand, g *topology.Graph) {
	nodes, readings := rng.Perm(len(g.Nodes)), rng.Perm(len(g.Readings))
	ns, rs := slices.Clone(g.Nodes), slices.Clone(g.Readings)
	for i, p := range nodes {
		ns[p] = g.Nodes[i]
	}
	for i, p := range readings {
		rs[p] = g.Readings[i]
	}
	g.Nodes, g.Readings = ns, rs
	for i := range g.Records {
		r := &g.Records[i]
		r.Subject, r.Reading = uint32(nodes[r.Subject]), uint32(readings[r.Reading])
		if r.Rel != 0 {
			r.Object = uint32(nodes[r.Object])
		}
	}
	rng.Shuffle(len(g.Records), func(i, j int) { g.Records[i], g.Records[j] = g.Records[j], g.Records[i] })
}

func TestBuild_refuses(t *testing.T) {
	t.Parallel()
	at := storetest.Start()
	whole := func() topology.Graph {
		return topology.Graph{
			Nodes:    []topology.Key{{Kind: topology.Host, ID: "h"}, {Kind: topology.VM, ID: "a"}},
			Readings: []topology.Reading{{ReadingKey: topology.ReadingKey{Device: "h", Source: topology.SourceLibvirt, Table: "domains"}, Time: at}},
			Texts:    []string{"x"},
			Records: []topology.Record{
				{Subject: 1, Attr: topology.AttrName},
				{Subject: 1, Attr: topology.AttrReadOnly, Value: 1},
				{Subject: 1, Object: 0, Rel: topology.RunsOn},
			},
		}
	}
	if _, err := topology.Build(whole(), 1, at); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*topology.Graph)
		want   error
	}{
		"a node twice":            {func(g *topology.Graph) { g.Nodes[0] = g.Nodes[1] }, topology.ErrConflict},
		"a node without ID":       {func(g *topology.Graph) { g.Nodes[0].ID = "" }, topology.ErrSchema},
		"a reading twice":         {func(g *topology.Graph) { g.Readings = append(g.Readings, g.Readings[0]) }, topology.ErrConflict},
		"a reading of no source":  {func(g *topology.Graph) { g.Readings[0].Source = 0 }, topology.ErrSchema},
		"no such subject":         {func(g *topology.Graph) { g.Records[0].Subject = 2 }, topology.ErrConflict},
		"no such object":          {func(g *topology.Graph) { g.Records[2].Object = 2 }, topology.ErrConflict},
		"no such reading":         {func(g *topology.Graph) { g.Records[2].Reading = 1 }, topology.ErrConflict},
		"no such text":            {func(g *topology.Graph) { g.Records[0].Value = 1 }, topology.ErrConflict},
		"text that is not UTF-8":  {func(g *topology.Graph) { g.Texts[0] = "\xff" }, topology.ErrSchema},
		"a bool that is neither":  {func(g *topology.Graph) { g.Records[1].Value = 2 }, topology.ErrSchema},
		"no attribute":            {func(g *topology.Graph) { g.Records[0].Attr = 0 }, topology.ErrSchema},
		"an attribute of later":   {func(g *topology.Graph) { g.Records[0].Attr = 255 }, topology.ErrSchema},
		"a relation of later":     {func(g *topology.Graph) { g.Records[2].Rel = 255 }, topology.ErrSchema},
		"a relation turned round": {func(g *topology.Graph) { g.Records[2].Subject, g.Records[2].Object = 0, 1 }, topology.ErrSchema},
		"a confidence of 101":     {func(g *topology.Graph) { g.Records[2].Confidence = 101 }, topology.ErrSchema},
		"a fact twice":            {func(g *topology.Graph) { g.Records = append(g.Records, g.Records[0]) }, topology.ErrConflict},
		"an edge twice":           {func(g *topology.Graph) { g.Records = append(g.Records, g.Records[2]) }, topology.ErrConflict},
		"a fact of two confidences": {func(g *topology.Graph) {
			g.Records = append(g.Records, g.Records[0])
			g.Records[0].Confidence = 7
		}, topology.ErrConflict},
		"an edge of two confidences": {func(g *topology.Graph) {
			g.Records = append(g.Records, g.Records[2])
			g.Records[2].Confidence = 7
		}, topology.ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := whole()
			tc.change(&g)
			if _, err := topology.Build(g, 1, at); !errors.Is(err, tc.want) {
				t.Errorf("error is %v, want %v", err, tc.want)
			}
		})
	}
}

// Facts that are added together give what they give one by one, also what is wrong with them.
func TestApply_ofManyFacts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t, 2)
		for range rapid.IntRange(1, 3).Draw(t, "deltas") {
			d := storetest.Delta(storetest.Rapid{T: t}, s, 40)
			if len(d.Add) > 0 && rapid.IntRange(0, 5).Draw(t, "wrong") == 0 {
				d.Add = append(d.Add, wrong(t, s, d.Add[rapid.IntRange(0, len(d.Add)-1).Draw(t, "fact")]))
			}
			want, wantErr := s.Apply(d)
			got, err := topology.ApplyMany(s, d)
			if errors.Is(wantErr, topology.ErrConflict) != errors.Is(err, topology.ErrConflict) || errors.Is(wantErr, topology.ErrSchema) != errors.Is(err, topology.ErrSchema) {
				t.Fatalf("one by one: %v, together: %v", wantErr, err)
			}
			if err != nil {
				return
			}
			if text(t, got, true) != text(t, want, true) {
				t.Fatalf("facts that are added together give another graph")
			}
			o := newOracle()
			for f := range want.Facts() {
				o.facts[f.Identity()] = f
			}
			for _, r := range want.Readings() {
				o.readings[r.ReadingKey] = r
			}
			o.check(t, got)
			s = got
		}
	})
}

// wrong gives a fact that cannot be added with the given one: it again, surer or not, another that is there, or what the model does not allow.
func wrong(t *rapid.T, s *topology.Snapshot, f topology.Fact) topology.Fact {
	switch rapid.IntRange(0, 4).Draw(t, "how") {
	case 0:
		return f
	case 1:
		f.Confidence = f.Confidence/2 + 1
	case 2:
		for old := range s.Facts() {
			old.Confidence = old.Confidence/2 + 1
			return old
		}
	case 3:
		f.Subject.ID = ""
	default:
		f.Reading.Table = "none"
	}
	return f
}

// TestApply_ofALargeDelta gives an empty graph so many facts that they are not applied one by one.
func TestApply_ofALargeDelta(t *testing.T) {
	t.Parallel()
	d := storetest.Estate(3000, storetest.Start())
	small := topology.Empty()
	for from := 0; from < len(d.Add); from += 1000 {
		part := topology.Delta{Time: d.Time, Add: d.Add[from:min(from+1000, len(d.Add))]}
		if from == 0 {
			part.Renew = d.Renew
		}
		small = mustApply(t, small, part)
	}
	if large := mustApply(t, topology.Empty(), d); text(t, large, true) != text(t, small, true) {
		t.Error("one large delta is not the same as many small ones")
	}
	spare := topology.Reading{ReadingKey: topology.ReadingKey{Source: topology.SourceCLI, Table: "spare"}}
	d.Renew, d.Forget = append(d.Renew, spare), append(d.Forget, spare.ReadingKey)
	if _, known := mustApply(t, topology.Empty(), d).Reading(spare.ReadingKey); known {
		t.Error("a reading that was forgotten at once is known")
	}
	for name, bad := range map[string]topology.Delta{
		"a fact twice":            {Renew: d.Renew, Add: append(slices.Clone(d.Add), d.Add[7])},
		"no reading":              {Add: d.Add},
		"a reading that is none":  {Renew: append(slices.Clone(d.Renew), topology.Reading{}), Add: d.Add},
		"a reading in use to go":  {Renew: d.Renew, Add: d.Add, Forget: []topology.ReadingKey{d.Add[0].Reading}},
		"a fact of no attribute":  {Renew: d.Renew, Add: append(slices.Clone(d.Add), topology.Fact{Subject: d.Add[0].Subject})},
		"something to be removed": {Renew: d.Renew, Add: d.Add, Remove: d.Add[:1]},
	} {
		if _, err := topology.Empty().Apply(bad); !errors.Is(err, topology.ErrConflict) && !errors.Is(err, topology.ErrSchema) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}
