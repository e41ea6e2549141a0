package collectors_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

func TestEvery_spreadsDevicesOverTheInterval(t *testing.T) {
	t.Parallel()
	const n, interval = 600, 5 * time.Minute
	// visits gives the times at which each device was read, in an hour from a start that is late by some time.
	visits := func(t *testing.T, late time.Duration) map[string][]time.Time {
		t.Helper()
		at := map[string][]time.Time{}
		synctest.Test(t, func(t *testing.T) {
			pass(late)
			var mu sync.Mutex
			c := collect(func(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
				mu.Lock()
				at[d.Handle] = append(at[d.Handle], time.Now())
				mu.Unlock()
				return fine(ctx, d)
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			for batch := range runner(c, collectors.Options{}).Every(ctx, devices(n), interval) {
				for _, o := range batch {
					if o.Status != collectors.StatusOK {
						t.Fatalf("got %s", o)
					}
				}
			}
		})
		return at
	}
	first, second := visits(t, 0), visits(t, 7*time.Second)
	perMinute := map[time.Time]int{}
	for handle, at := range first {
		if len(at) < 11 || len(at) > 13 {
			t.Fatalf("%s was read %d times", handle, len(at))
		}
		for i := 1; i < len(at); i++ {
			gap := at[i].Sub(at[i-1])
			if i == 1 && (gap < interval/2 || gap > interval*3/2) || i > 1 && gap != interval {
				t.Errorf("%s was read after %s", handle, gap)
			}
			perMinute[at[i].Truncate(time.Minute)]++
		}
		// The place in the interval does not depend on when the program was started.
		if a, b := at[5].Sub(at[5].Truncate(interval)), second[handle][5].Sub(second[handle][5].Truncate(interval)); a != b {
			t.Errorf("%s has places %s and %s", handle, a, b)
		}
	}
	for minute, reads := range perMinute {
		if reads > 2*n/5 {
			t.Errorf("%d of %d devices were read in the minute %s", reads, n, minute.Format("15:04"))
		}
	}
}

func TestEvery_neverTwiceAtOnceAndNeverBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most, all atomic.Int64
		c := collect(func(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
			all.Add(1)
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer now.Add(-1)
			if err := wait(ctx, 150*time.Second); err != nil { // two and a half intervals
				return nil, err
			}
			return fine(ctx, d)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var summary collectors.Summary
		for batch := range runner(c, collectors.Options{Contacts: 2}).Every(ctx, devices(1), time.Minute) {
			for _, o := range batch {
				summary.Add(o)
			}
		}
		if most.Load() != 1 || all.Load() < 15 || all.Load() > 20 {
			t.Errorf("%d readings, %d at once: %s", all.Load(), most.Load(), summary)
		}
	})
}

func TestProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := true
		c := prober{
			collect: failing(collectors.ErrUnreachable),
			probe: func(ctx context.Context, _ collectors.Device) (string, error) {
				if down {
					return "", wait(ctx, time.Hour)
				}
				return "sw00000, Linux 6.1", nil
			},
		}
		r := collectors.NewRunner(map[topology.Source]collectors.Collector{
			topology.SourceSNMP: c, topology.SourceSSH: collect(fine),
		}, collectors.Options{})
		for range 4 {
			sweep(t.Context(), r, devices(1)) // the breaker opens, but a person who asks gets an answer
		}
		var got []string
		ask := func() {
			for batch := range r.Probe(t.Context(), append(devices(1), collectors.Device{Handle: "hv1", Source: topology.SourceSSH})) {
				for _, o := range batch {
					got = append(got, o.String())
				}
			}
		}
		ask()
		down = false
		ask()
		slices.Sort(got)
		want := []string{
			"hv1 ssh: skipped: its login cannot be tried without reading it",
			"hv1 ssh: skipped: its login cannot be tried without reading it",
			"sw00000 snmp: failed, 10s: not finished within 10s: context deadline exceeded",
			"sw00000 snmp: ok, sw00000, Linux 6.1",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}
