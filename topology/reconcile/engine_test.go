package reconcile_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

// text gives facts as lines that hold all of them.
func text(fs []topology.Fact) []string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = fmt.Sprintf("%s ~%d derived=%t of %s since %s", f, f.Confidence, f.Derived, f.Reading, f.Since.Format(time.RFC3339Nano))
	}
	return lines
}

// deltaText gives a delta as lines that hold all of it.
func deltaText(d topology.Delta) []string {
	lines := []string{d.Time.Format(time.RFC3339Nano)}
	for _, r := range d.Renew {
		lines = append(lines, fmt.Sprintf("renew %s: %+v", r.ReadingKey, r))
	}
	for _, k := range d.Forget {
		lines = append(lines, "forget "+k.String())
	}
	for _, l := range text(d.Remove) {
		lines = append(lines, "remove "+l)
	}
	for _, l := range text(d.Add) {
		lines = append(lines, "add "+l)
	}
	return lines
}

func rejectedText(rs []reconcile.Rejected) []string {
	var lines []string
	for _, r := range rs {
		lines = append(lines, fmt.Sprintf("%s %s: %v", r.Reading, r.Fact, r.Err))
	}
	slices.Sort(lines)
	return lines
}

// alike reconciles with the engine and from nothing, and proves that both give the same, and that the conclusions are those of the oracle.
func alike(t *rapid.T, e *reconcile.Engine, prev *topology.Snapshot, obs []topology.Observation, policy reconcile.Policy, now time.Time) *topology.Snapshot {
	t.Helper()
	want, err := reconcile.Reconcile(prev, obs, policy, now)
	if err != nil {
		t.Fatalf("from nothing: %v", err)
	}
	got, err := e.Reconcile(prev, obs, policy, now)
	if err != nil {
		t.Fatalf("engine: %v", err)
	}
	if d := cmp.Diff(deltaText(want.Delta), deltaText(got.Delta)); d != "" {
		t.Fatalf("the deltas differ (-from nothing +engine):\n%s", d)
	}
	if d := cmp.Diff(rejectedText(want.Rejected), rejectedText(got.Rejected)); d != "" {
		t.Fatalf("what is rejected differs (-from nothing +engine):\n%s", d)
	}
	followsLikeOracle(t, got.Next)
	return got.Next
}

// followsLikeOracle proves that the derived facts of a snapshot are what the oracle concludes from the stated ones.
func followsLikeOracle(t *rapid.T, s *topology.Snapshot) {
	t.Helper()
	strongest := map[topology.Fact]uint8{}
	for _, f := range conclude(s) {
		f.Derived = true
		confidence := f.Confidence
		f = f.Identity()
		strongest[f] = max(strongest[f], confidence)
	}
	var want, got []string
	for f, confidence := range strongest {
		want = append(want, fmt.Sprintf("%s ~%d of %s", f, confidence, f.Reading))
	}
	for f := range s.Facts() {
		if f.Derived {
			got = append(got, fmt.Sprintf("%s ~%d of %s", f, f.Confidence, f.Reading))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("conclusions differ (-oracle +engine):\n%s", d)
	}
}

// sequence drives an engine through sweeps. Now and then a result is not committed: the caller comes back with the older snapshot.
func sequence(t *rapid.T, most int, sweep func(i int, now time.Time) ([]topology.Observation, reconcile.Policy)) {
	e, snap := reconcile.NewEngine(), topology.Empty()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	for i := range rapid.IntRange(1, most).Draw(t, "sweeps") {
		now = now.Add(5 * time.Minute)
		obs, policy := sweep(i, now)
		next := alike(t, e, snap, obs, policy, now)
		if rapid.IntRange(0, 9).Draw(t, "commit fails") > 0 {
			snap = next
		}
	}
}

// The engine gives what Reconcile gives from nothing, byte for byte, whatever collectors say.
func TestEngine_givesWhatFromNothingGives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		global := rapid.Bool().Draw(t, "global keys")
		sequence(t, 8, func(_ int, now time.Time) ([]topology.Observation, reconcile.Policy) {
			var policy reconcile.Policy
			if rapid.IntRange(0, 9).Draw(t, "retire") == 0 {
				policy.Retired = []string{word(t, "retired", "a", "b")}
			}
			return drawAnySweep(t, now, global), policy
		})
	})
}

// A table that was read to its end and then only in part, in one sweep: what the later reading replaces is gone from the earlier one.
func TestReconcile_wholeAndInPart(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	vm := topology.Key{Kind: topology.VM, ID: "v1"}
	table := func(partial bool, seconds int, facts ...topology.Fact) topology.Observation {
		k := topology.ReadingKey{Device: "h1", Source: topology.SourceLibvirt, Table: "domains", Partial: partial}
		return topology.Observation{Reading: topology.Reading{ReadingKey: k, Time: now.Add(time.Duration(seconds) * time.Second)}, Facts: facts}
	}
	says := func(a topology.Attr, text string) topology.Fact {
		return topology.Attribute(vm, a, topology.TextValue(text))
	}
	name, running, paused := says(topology.AttrName, "web"), says(topology.AttrState, "running"), says(topology.AttrState, "paused")
	e, snap := reconcile.NewEngine(), topology.Empty()
	for i, obs := range [][]topology.Observation{
		{table(false, 0, name, running)},
		{table(false, 60, name, running, says(topology.AttrArch, "x86_64")), table(true, 61, paused)},
	} {
		res, err := e.Reconcile(snap, obs, reconcile.Policy{}, now.Add(time.Duration(i)*time.Minute+time.Second))
		if err != nil {
			t.Fatal(err)
		}
		snap = res.Next
	}
	want := []string{"h1/domains: vm:v1 arch=x86_64", "h1/domains: vm:v1 name=web", "h1/domains: vm:v1 state=paused"}
	if d := cmp.Diff(want, stated(snap)); d != "" {
		t.Fatalf("facts differ (-want +got):\n%s", d)
	}
}
