package planner_test

import (
	"testing"
	"time"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

// TestMigrate_hostThatDoesNotAnswer: what libvirt said is young, but it was asked again since, and nobody answered.
func TestMigrate_hostThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	refused := topology.Reading{
		ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceLibvirt, Table: "session", Partial: true},
		Time:       noon.Add(30 * time.Second), Reason: "connection refused",
	}
	s, err := scene(t, "").Apply(topology.Delta{Time: refused.Time, Renew: []topology.Reading{refused}})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := planner.New(s, planner.Policy{}, noon.Add(time.Minute)).Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{
		"VM-4":   "unknown: libvirt on a was asked 30s ago, and did not answer: connection refused",
		"HOST-2": "unknown: libvirt on b was asked 30s ago, and did not answer: connection refused",
	} {
		if got := said(plan, code); got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
}
