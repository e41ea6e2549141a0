package reconcile_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/fixtures/sim/estate"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

// An estate that is read at once is built at once, one that is read in parts is laid out row by row, and device by device fact by fact: all give one graph.
func TestEngine_atOnceAndInParts(t *testing.T) {
	t.Parallel()
	size := estate.Huge()
	size.Racks = 2
	e, err := estate.New(size, 1)
	if err != nil {
		t.Fatal(err)
	}
	devices := make([]estate.DeviceID, len(e.Devices))
	for d := range devices {
		devices[d] = estate.DeviceID(d)
	}
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	graph := func(atOnce int) []string {
		engine, snap := reconcile.NewEngine(), topology.Empty()
		for batch := range slices.Chunk(devices, atOnce) {
			res, err := engine.Reconcile(snap, read(e, now, batch...), reconcile.Policy{}, now)
			if err != nil || len(res.Rejected) > 0 {
				t.Fatal(err, res.Rejected)
			}
			if next, err := snap.Apply(res.Delta); err != nil || !topology.Diff(next, res.Next).Empty() {
				t.Fatalf("the delta leads elsewhere: %v", err)
			}
			snap = res.Next
		}
		return text(slices.Collect(snap.Facts()))
	}
	want := graph(len(devices))
	for _, atOnce := range []int{1, 10} {
		if d := cmp.Diff(want, graph(atOnce)); d != "" {
			t.Errorf("by %d devices (-at once):\n%s", atOnce, d)
		}
	}
}
