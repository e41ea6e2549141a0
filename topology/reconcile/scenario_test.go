package reconcile_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
	"github.com/throughline-dc/throughline/topology/topologytest"
)

var update = flag.Bool("update", false, "rewrite the golden parts of the scenarios")

// Scenarios are txtar files. "sweep HH:MM" holds readings and what they say; "then" after it holds what must have changed.
//
//	reading DEVICE SOURCE TABLE [partial REASON]
//	KEY ATTR=VALUE [~CONFIDENCE]
//	KEY RELATION KEY [~CONFIDENCE]
//	retire DEVICE
//
// "rails WHAT" holds the rails of what is found by that word, "between WHAT WHAT" the way between two.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runScenario(t, file)
		})
	}
}

func runScenario(t *testing.T, file string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	snap := topology.Empty()
	var got string
	for i, part := range archive.Files {
		name, clock, _ := strings.Cut(part.Name, " ")
		switch name {
		case "sweep":
			at, err := time.Parse("15:04", clock)
			if err != nil {
				t.Fatalf("%s: sweep %d: %v", file, i, err)
			}
			now := at.AddDate(2026, 0, 0)
			obs, policy := parseSweep(t, file, string(part.Data), now)
			snap, got = sweepInAnyOrder(t, snap, obs, policy, now)
		case "then":
			if *update {
				archive.Files[i].Data = []byte(got)
				continue
			}
			if diff := cmp.Diff(string(part.Data), got); diff != "" {
				t.Errorf("%s: after sweep %d (-want +got):\n%s", file, i/2+1, diff)
			}
		case "rails", "between":
			golden := describeRails(t, snap, name, strings.Fields(clock))
			if *update {
				archive.Files[i].Data = []byte(golden)
				continue
			}
			if diff := cmp.Diff(string(part.Data), golden); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", file, part.Name, diff)
			}
		default:
			t.Fatalf("%s: unknown part %q", file, part.Name)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sweepInAnyOrder reconciles, and proves on the way that order does not count, that the same again changes nothing, and that Next is what
// the delta leads to.
func sweepInAnyOrder(t *testing.T, prev *topology.Snapshot, obs []topology.Observation, policy reconcile.Policy, now time.Time) (*topology.Snapshot, string) {
	t.Helper()
	res := mustReconcile(t, prev, obs, policy, now)
	got := describe(prev, res)
	shuffled := slices.Clone(obs)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if other := describe(prev, mustReconcile(t, prev, shuffled, policy, now)); other != got {
			t.Fatalf("another order of observations gives another result:\n%s", cmp.Diff(got, other))
		}
	}
	again := mustReconcile(t, res.Next, obs, policy, now)
	if len(again.Delta.Add)+len(again.Delta.Remove) > 0 {
		t.Fatalf("the same sweep again is not quiet:\nadd %v\nremove %v", again.Delta.Add, again.Delta.Remove)
	}
	return res.Next, got
}

func mustReconcile(t *testing.T, prev *topology.Snapshot, obs []topology.Observation, policy reconcile.Policy, now time.Time) reconcile.Result {
	t.Helper()
	res, err := reconcile.Reconcile(prev, obs, policy, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res.Rejected {
		t.Fatalf("rejected: %s: %v", r.Fact, r.Err)
	}
	return res
}

func describe(prev *topology.Snapshot, res reconcile.Result) string {
	var b bytes.Buffer
	for _, c := range topology.Diff(prev, res.Next).Changes {
		fmt.Fprintln(&b, c)
	}
	for _, c := range res.Next.Conflicts() {
		fmt.Fprintf(&b, "conflict %s:\n", c.Kind)
		for _, f := range c.Facts {
			fmt.Fprintf(&b, "    %s ~%d from %s\n", f, f.Confidence, f.Reading)
		}
	}
	for _, r := range res.Next.Readings() {
		if r.Partial {
			fmt.Fprintf(&b, "partial %s, of %s: %s\n", r, r.Time.Format("15:04"), r.Reason)
		}
	}
	for _, e := range res.Next.StaleReadings(topology.AgeLimits{}, res.Next.Time()) {
		fmt.Fprintf(&b, "stale %s, seen %s\n", e, e.Time.Format("15:04"))
	}
	return b.String()
}

func parseSweep(t *testing.T, file, text string, now time.Time) ([]topology.Observation, reconcile.Policy) {
	t.Helper()
	var obs []topology.Observation
	var policy reconcile.Policy
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case word == "retire":
			policy.Retired = append(policy.Retired, rest)
		case word == "reading":
			obs = append(obs, topology.Observation{Reading: parseReading(t, rest, now)})
		default:
			f, err := topologytest.Fact(line)
			if err != nil || len(obs) == 0 {
				t.Fatalf("%s: sweep line %d: %q: %v", file, n+1, line, err)
			}
			o := &obs[len(obs)-1]
			o.Facts = append(o.Facts, f)
			o.Reading.Rows++
		}
	}
	return obs, policy
}

func parseReading(t *testing.T, text string, now time.Time) topology.Reading {
	t.Helper()
	w := strings.SplitN(text, " ", 5)
	source, err := topology.ParseSource(w[1])
	if err != nil {
		t.Fatal(err)
	}
	r := topology.Reading{ReadingKey: topology.ReadingKey{Device: w[0], Source: source, Table: w[2]}, Time: now}
	if len(w) > 3 {
		r.Partial, r.Reason = w[3] == "partial", strings.Join(w[4:], " ")
	}
	return r
}

func describeRails(t *testing.T, s *topology.Snapshot, what string, words []string) string {
	t.Helper()
	var nodes []topology.Node
	for _, w := range words {
		ms := s.Find(w)
		if len(ms) == 0 {
			t.Fatalf("nothing answers to %q", w)
		}
		nodes = append(nodes, ms[0].Node)
	}
	var b bytes.Buffer
	if what == "between" {
		m := topology.Between(nodes[0], nodes[1])
		fmt.Fprintf(&b, "meet %q routed %t gap %q, %d equal, %d broken\n", m.Meet, m.Routed, m.Gap, m.Equal, m.Broken)
		describeHops(&b, m.Hops)
		return b.String()
	}
	for _, r := range nodes[0].Rails() {
		fmt.Fprintf(&b, "%s of %s, %d independent\n", r.Name, r.From.Key(), r.Independent)
		for _, p := range r.Paths {
			fmt.Fprintf(&b, "  path complete=%t faulty=%t\n", p.Complete, p.Faulty())
			describeHops(&b, p.Hops)
			if p.Gap != "" {
				fmt.Fprintf(&b, "    ? %s\n", p.Gap)
			}
		}
	}
	return b.String()
}

func describeHops(b *bytes.Buffer, hops []topology.Hop) {
	for _, h := range hops {
		fmt.Fprintf(b, "    %s", h.Node.Key())
		if h.VID != 0 {
			fmt.Fprintf(b, " vlan %d tagged=%t", h.VID, h.Tagged)
		}
		if h.Rel != 0 {
			fmt.Fprintf(b, " by %s %d", h.Rel, h.Confidence)
		}
		if h.Fault != "" {
			fmt.Fprintf(b, " X %s", h.Fault)
		}
		if h.Doubt != "" {
			fmt.Fprintf(b, " ? %s", h.Doubt)
		}
		fmt.Fprintln(b)
	}
}
