package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/planner"
)

// TestCheck_old: a collection that has stopped makes everything unknown; what to do is told once for each device, and what is unknown for another reason by itself.
func TestCheck_old(t *testing.T) {
	t.Parallel()
	stale := func(device, table string) report.Evidence {
		return report.Evidence{Device: device, Source: "libvirt", Table: table, Time: time.Unix(0, 0).UTC(), Age: "2h", Stale: true}
	}
	old := func(code string, by ...report.Evidence) report.Finding {
		return report.Finding{Code: code, Verdict: planner.Unknown, Found: planner.Unknown, Text: code + " is old: collect it", Old: true, Evidence: by}
	}
	other := report.Finding{Code: "SAN-9", Verdict: planner.Unknown, Found: planner.Unknown, Text: "no array says", Evidence: []report.Evidence{stale("h1", "domains")}}
	few := []report.Finding{old("VM-1", stale("h1", "domains")), old("VM-2", stale("h1", "jobs")), other}
	c := &report.Check{Verdict: planner.Unknown, Findings: few}
	if got := c.Open(); len(got) != 3 {
		t.Errorf("a few are told one by one: %+v", got)
	}
	c.Findings = append(few, old("VM-4", stale("h1", "domains"), stale("h2", "domains")), old("HOST-1", stale("h2", "domains")), report.Finding{Code: "VM-3"})
	var texts []string
	for _, f := range c.Open() {
		texts = append(texts, f.Text)
	}
	want := "collect h1: readings of it that are too old: 2; checks that need them: 3\nno array says\ncollect h2: readings of it that are too old: 1; checks that need them: 2"
	if got := strings.Join(texts, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(c.Unfolded()) != 5 {
		t.Errorf("unfolded: %+v", c.Unfolded())
	}
	g := c.Gist()
	if g.Do != "collect h1, h2: what they said is too old" || g.Found != "5 unknown; 1 pass, 0 not made" || len(g.Why) != 3 || g.More != "" {
		t.Errorf("%+v", g)
	}
	c.Mending = &report.Mending{Remedies: []report.Remedy{}, Left: c.Findings}
	if g = c.Gist(); !strings.HasPrefix(g.Do, "collect h1") {
		t.Errorf("no change helps, and collecting does: %q", g.Do)
	}
}

// TestCheck_gist: the first screen has what decides, what to do, and how much there is.
func TestCheck_gist(t *testing.T) {
	t.Parallel()
	c := blocked("x")
	g := c.Gist()
	if len(g.Why) == 0 || g.Why[0].Verdict != c.Verdict || g.Do == "" || g.Found == "" {
		t.Errorf("%+v", g)
	}
	var acts []report.Act
	for _, text := range []string{"a", "b", "c", "d", "e", "f"} {
		acts = append(acts, report.Act{Text: text})
	}
	c.Mending = &report.Mending{Remedies: []report.Remedy{{Verdict: planner.Warn, Acts: acts}}, Left: []report.Finding{{Code: "CAP-1"}}}
	if got := c.Gist().Do; got != "a; b; c; d; and 2 more (no change mends CAP-1); with these 6 changes: warn" {
		t.Error(got)
	}
	c.Mending.Remedies = nil
	c.Findings = []report.Finding{
		{Verdict: planner.Block, Code: "HOST-3", Mends: "wait"},
		{Verdict: planner.Block, Code: "NET-2", Mends: "tag it", Fixes: []report.Act{{Text: "tag VLAN 7"}}},
		{Verdict: planner.Block, Code: "HOST-3", Mends: "wait"},
		{Verdict: planner.Unknown, Code: "CAP-1", Needs: "memory"},
	}
	if got := c.Gist().Do; got != "wait; tag VLAN 7" {
		t.Error(got)
	}
	c.Verdict, c.Findings = planner.Unknown, c.Findings[3:]
	if got := c.Gist().Do; got != "fetch memory" {
		t.Error(got)
	}
	if g := (&report.Check{Findings: []report.Finding{{Code: "VM-1"}}}).Gist(); len(g.Why) > 0 || g.Do != "" || g.Found != "1 pass, 0 not made" {
		t.Errorf("%+v", g)
	}
}
