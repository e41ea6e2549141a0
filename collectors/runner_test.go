package collectors_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collect is a collector made of a function.
type collect func(ctx context.Context, d collectors.Device) ([]topology.Observation, error)

func (f collect) Collect(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
	return f(ctx, d)
}

// prober adds a login to it.
type prober struct {
	collect
	probe func(ctx context.Context, d collectors.Device) (string, error)
}

func (p prober) Probe(ctx context.Context, d collectors.Device) (string, error) {
	return p.probe(ctx, d)
}

func table(d collectors.Device, name string, partial bool, facts ...topology.Fact) topology.Observation {
	r := collectors.NewReading(d, name, "1.3.6.1.2.1", time.Now())
	r.Partial, r.Rows = partial, len(facts)
	if partial {
		r.Reason = "genErr at 1.3.6.1.2.1.2"
	}
	return topology.Observation{Reading: r, Facts: facts}
}

func named(d collectors.Device) topology.Fact {
	return topology.Attribute(topology.DeviceKey(topology.Switch, d.Handle), topology.AttrSysName, topology.TextValue(d.Handle))
}

func fine(_ context.Context, d collectors.Device) ([]topology.Observation, error) {
	return []topology.Observation{table(d, "system", false, named(d))}, nil
}

func runner(c collectors.Collector, o collectors.Options) *collectors.Runner {
	return collectors.NewRunner(map[topology.Source]collectors.Collector{topology.SourceSNMP: c}, o)
}

func devices(n int) []collectors.Device {
	ds := make([]collectors.Device, n)
	for i := range ds {
		ds[i] = collectors.Device{Handle: fmt.Sprintf("sw%05d", i), Source: topology.SourceSNMP}
	}
	return ds
}

func sweep(ctx context.Context, r *collectors.Runner, ds []collectors.Device) map[string]collectors.Outcome {
	outcomes := map[string]collectors.Outcome{}
	for batch := range r.Sweep(ctx, ds) {
		for _, o := range batch {
			outcomes[o.Device.Handle] = o
		}
	}
	return outcomes
}

// pass lets a duration of the bubble's time pass.
func pass(d time.Duration) { <-time.After(d) }

// wait blocks for a duration of the bubble's time or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestSweep_outcomes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		collect collect
		want    string // status and class
		reason  string // part of it
		session bool   // a reading that says why there is nothing
	}{
		"whole": {collect: fine, want: "ok none"},
		"half a table": {
			collect: func(_ context.Context, d collectors.Device) ([]topology.Observation, error) {
				return []topology.Observation{table(d, "system", false, named(d)), table(d, "ifTable", true)}, nil
			},
			want: "partial incomplete", reason: "ifTable: genErr",
		},
		"died half-way": {
			collect: func(_ context.Context, d collectors.Device) ([]topology.Observation, error) {
				return []topology.Observation{table(d, "system", false, named(d))}, fmt.Errorf("%w: no answer any more", collectors.ErrUnreachable)
			},
			want: "partial unreachable", reason: "no answer any more", session: true,
		},
		"unreachable": {collect: failing(collectors.ErrUnreachable), want: "failed unreachable", reason: "unreachable", session: true},
		"denied":      {collect: failing(collectors.ErrDenied), want: "failed denied", reason: "denied", session: true},
		"unsupported": {collect: failing(collectors.ErrUnsupported), want: "failed unsupported", session: true},
		"malformed":   {collect: failing(collectors.ErrMalformed), want: "failed malformed", session: true},
		"denied beats unreachable": {
			collect: failing(errors.Join(collectors.ErrUnreachable, collectors.ErrDenied)), want: "failed denied",
			reason: "unreachable; denied", session: true,
		},
		"another error": {collect: failing(errors.New("disk full")), want: "failed error", reason: "disk full", session: true},
		"nothing":       {collect: failing(nil), want: "failed error", reason: "nothing was read", session: true},
		"panic": {
			collect: func(context.Context, collectors.Device) ([]topology.Observation, error) { panic("index out of range") },
			want:    "failed panic", reason: "panicked: index out of range", session: true,
		},
		"too slow": {
			collect: func(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
				err := wait(ctx, time.Hour)
				return []topology.Observation{table(d, "system", false, named(d)), table(d, "ifTable", true)}, fmt.Errorf("ifTable: %w", err)
			},
			want: "partial timeout", reason: "not finished within 5m0s: ifTable", session: true,
		},
		"deaf": {
			collect: func(context.Context, collectors.Device) ([]topology.Observation, error) {
				return nil, wait(context.Background(), time.Hour) //nolint:contextcheck // it is deaf
			},
			want: "failed stuck", reason: "left behind", session: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := devices(1)[0]
				o := sweep(t.Context(), runner(tt.collect, collectors.Options{}), []collectors.Device{d})[d.Handle]
				if got := o.Status.String() + " " + o.Class.String(); got != tt.want {
					t.Errorf("%s: got %s, want %s", o, got, tt.want)
				}
				if !strings.Contains(o.Reason, tt.reason) {
					t.Errorf("reason %q does not say %q", o.Reason, tt.reason)
				}
				session := slices.IndexFunc(o.Observations, func(obs topology.Observation) bool {
					return obs.Reading.Table == collectors.SessionTable
				})
				if (session >= 0) != tt.session {
					t.Fatalf("session reading: %t, want %t", session >= 0, tt.session)
				}
				if tt.session {
					r := o.Observations[session].Reading
					if !r.Partial || r.Reason != o.Reason || r.Device != d.Handle || r.Source != d.Source || r.Time.IsZero() {
						t.Errorf("session reading %+v", r)
					}
				}
				pass(2 * time.Hour) // the deaf one comes back
			})
		})
	}
}

func failing(err error) collect {
	return func(context.Context, collectors.Device) ([]topology.Observation, error) { return nil, err }
}

func TestSweep_sourceWithoutCollector(t *testing.T) {
	t.Parallel()
	r := runner(collect(fine), collectors.Options{})
	ds := []collectors.Device{{Handle: "hv1", Source: topology.SourceLibvirt}, devices(1)[0]}
	got := sweep(t.Context(), r, ds)
	if o := got["hv1"]; o.Status != collectors.StatusFailed || o.Class != collectors.ClassUnsupported {
		t.Errorf("got %s", o)
	}
	if o := got["sw00000"]; o.Status != collectors.StatusOK {
		t.Errorf("the other one: %s", o)
	}
}

// Half of 10,000 devices do not answer. They take up places where devices are tried, never those where devices are read.
func TestSweep_halfDown(t *testing.T) {
	t.Parallel()
	const n, readers, batch = 10_000, 32, 64
	synctest.Test(t, func(t *testing.T) {
		var reading, mostReading, kept, mostKept atomic.Int64
		raise := func(most *atomic.Int64, to int64) {
			for old := most.Load(); to > old && !most.CompareAndSwap(old, to); old = most.Load() {
			}
		}
		down := func(d collectors.Device) bool { return d.Handle[len(d.Handle)-1]%2 == 1 }
		c := prober{
			probe: func(ctx context.Context, d collectors.Device) (string, error) {
				if down(d) {
					if err := wait(ctx, 6*time.Second); err != nil {
						return "", err
					}
					return "", fmt.Errorf("%w: no answer", collectors.ErrUnreachable)
				}
				return "Linux", wait(ctx, 10*time.Millisecond)
			},
			collect: func(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
				raise(&mostReading, reading.Add(1))
				defer reading.Add(-1)
				err := wait(ctx, 200*time.Millisecond)
				raise(&mostKept, kept.Add(1))
				return []topology.Observation{table(d, "system", false, named(d))}, err
			},
		}
		r := runner(c, collectors.Options{Readers: readers, BatchSize: batch})
		var summary collectors.Summary
		seen := map[string]int{}
		began := time.Now()
		for b := range r.Sweep(t.Context(), devices(n)) {
			if len(b) > batch {
				t.Fatalf("batch of %d", len(b))
			}
			pass(50 * time.Millisecond) // a commit
			for _, o := range b {
				summary.Add(o)
				seen[o.Device.Handle]++
				if o.Status == collectors.StatusOK {
					kept.Add(-1)
				} else if o.Class != collectors.ClassUnreachable || len(o.Observations) != 1 {
					t.Fatalf("%s: %d observations", o, len(o.Observations))
				}
			}
		}
		if summary.OK != n/2 || summary.Failed != n/2 || len(seen) != n || summary.Devices != n {
			t.Errorf("%s; %d devices seen", summary, len(seen))
		}
		if m := mostReading.Load(); m > readers {
			t.Errorf("%d devices read at once", m)
		}
		if m := mostKept.Load(); m > readers+batch {
			t.Errorf("%d readings in memory at once", m)
		}
		// The dead alone take 5,000 * 6 s / 512 = 59 s, the living alone 5,000 * 0.2 s / 32 = 31 s. If the dead took readers' places,
		// it would be 15 minutes.
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("took %s", took)
		}
	})
}

// Those that answered last time are read at once, without a probe.
func TestSweep_contactsOnlyWhoMayBeDown(t *testing.T) {
	t.Parallel()
	var probes atomic.Int64
	c := prober{collect: fine, probe: func(context.Context, collectors.Device) (string, error) {
		probes.Add(1)
		return "", nil
	}}
	r := runner(c, collectors.Options{Readers: 4})
	for i, want := range []int64{20, 20} {
		sweep(t.Context(), r, devices(20))
		if got := probes.Load(); got != want {
			t.Errorf("sweep %d: %d probes so far, want %d", i, got, want)
		}
	}
	few := runner(c, collectors.Options{Readers: 4})
	sweep(t.Context(), few, devices(4))
	if got := probes.Load(); got != 20 {
		t.Errorf("probes although there is a place for each: %d", got-20)
	}
}

func TestSweep_stopsPromptly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		var deaf atomic.Pointer[collectors.Device]
		c := collect(func(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
			if deaf.CompareAndSwap(nil, &d) {
				<-release
				return nil, nil
			}
			err := wait(ctx, time.Minute)
			return []topology.Observation{table(d, "system", false, named(d)), table(d, "ifTable", true)}, err
		})
		time.AfterFunc(10*time.Second, cancel)
		r := runner(c, collectors.Options{Readers: 3})
		began := time.Now()
		got := sweep(ctx, r, devices(100))
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("stopped after %s", took)
		}
		kinds := map[string]int{}
		for _, o := range got {
			kinds[fmt.Sprintf("%s, %d tables", o.Status, len(o.Observations))]++
		}
		want := map[string]int{"failed, 1 tables": 1, "stopped, 2 tables": 2, "stopped, 0 tables": 97}
		if fmt.Sprint(kinds) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", kinds, want)
		}

		// What was left behind is not asked again until it has come back.
		again := []collectors.Device{*deaf.Load()}
		if o := sweep(t.Context(), r, again)[again[0].Handle]; o.Class != collectors.ClassBusy {
			t.Errorf("left behind: %s", o)
		}
		close(release)
		synctest.Wait()
		if o := sweep(t.Context(), r, again)[again[0].Handle]; o.Class == collectors.ClassBusy {
			t.Errorf("come back: %s", o)
		}
	})
}

func TestSweep_leavingTheLoopStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var begun, ended atomic.Int64
		c := collect(func(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
			begun.Add(1)
			defer ended.Add(1)
			return fine(ctx, d)
		})
		for range runner(c, collectors.Options{Readers: 2, BatchSize: 1}).Sweep(t.Context(), devices(1000)) {
			break
		}
		synctest.Wait()
		if b, e := begun.Load(), ended.Load(); b != e || b > 10 {
			t.Errorf("%d begun, %d ended", b, e)
		}
	})
}

// Ten thousand clicks on "refresh" while a device is being read cause no reading beside it.
func TestSweep_coalesces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most, all atomic.Int64
		c := collect(func(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
			all.Add(1)
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer now.Add(-1)
			if err := wait(ctx, time.Second); err != nil {
				return nil, err
			}
			return fine(ctx, d)
		})
		r := runner(c, collectors.Options{})
		var clicks sync.WaitGroup
		var ok, shared atomic.Int64
		for range 10_000 {
			clicks.Go(func() {
				o := sweep(t.Context(), r, devices(1))["sw00000"]
				if o.Status == collectors.StatusOK {
					ok.Add(1)
				}
				if o.Shared {
					shared.Add(1)
				}
			})
		}
		clicks.Wait()
		if ok.Load() != 10_000 || most.Load() != 1 || all.Load() > 2 || shared.Load() != 10_000-all.Load() {
			t.Errorf("%d ok, %d shared, %d readings, %d at once", ok.Load(), shared.Load(), all.Load(), most.Load())
		}
	})
}

// A sweep that others wait for is stopped: they do not take its stop for an answer.
func TestSweep_coalescedWithOneThatIsStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := collect(func(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
			if err := wait(ctx, 10*time.Second); err != nil {
				return nil, err
			}
			return fine(ctx, d)
		})
		r := runner(c, collectors.Options{})
		first, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go sweep(first, r, devices(1))
		synctest.Wait()
		if o := sweep(t.Context(), r, devices(1))["sw00000"]; o.Status != collectors.StatusOK || o.Shared {
			t.Errorf("got %s, shared %t", o, o.Shared)
		}
	})
}

// Who merges a batch may look again at a device: the sweep that waits meanwhile holds no reader's place.
func TestSweep_insideASweep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := runner(collect(fine), collectors.Options{Readers: 2, BatchSize: 1})
		inner := 0
		for range r.Sweep(t.Context(), devices(20)) {
			pass(time.Second) // all places are taken that can be
			for _, o := range sweep(t.Context(), r, []collectors.Device{{Handle: "other", Source: topology.SourceSNMP}}) {
				if o.Status == collectors.StatusOK {
					inner++
				}
			}
		}
		if inner != 20 {
			t.Errorf("%d readings", inner)
		}
	})
}

func TestSweep_breaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up := false
		var tries atomic.Int64
		c := collect(func(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
			tries.Add(1)
			if !up {
				return nil, collectors.ErrUnreachable
			}
			return fine(ctx, d)
		})
		r := runner(c, collectors.Options{Breaker: collectors.BreakerPolicy{Failures: 3, Pause: time.Minute, MaxPause: 8 * time.Minute}})
		began := time.Now()
		var at []time.Duration // of the tries
		for range 60 * 60 {
			before := tries.Load()
			o := sweep(t.Context(), r, devices(1))["sw00000"]
			if tries.Load() > before {
				at = append(at, time.Since(began))
			} else if o.Status != collectors.StatusSkipped || o.Class != collectors.ClassBackoff || len(o.Observations) > 0 {
				t.Fatalf("got %s", o)
			}
			pass(time.Second)
		}
		// Three tries a second apart, then after about 1, 2, 4, 8, 8 … minutes.
		want := []time.Duration{0, time.Second, time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 8 * time.Minute}
		if len(at) < len(want) || len(at) > 12 {
			t.Fatalf("tries at %v", at)
		}
		for i := 1; i < len(want); i++ {
			if gap := at[i] - at[i-1]; gap < want[i]*4/5 || gap > want[i]*6/5+time.Second {
				t.Errorf("try %d after %s, want about %s", i, gap, want[i])
			}
		}
		// One good try closes it, and only three failures in a row open it again.
		up = true
		pass(10 * time.Minute)
		if o := sweep(t.Context(), r, devices(1))["sw00000"]; o.Status != collectors.StatusOK {
			t.Errorf("up again: %s", o)
		}
		for i, upNow := range []bool{false, false, true, false, false, false} {
			up = upNow
			if o := sweep(t.Context(), r, devices(1))["sw00000"]; o.Status == collectors.StatusSkipped {
				t.Errorf("skipped at %d: %s", i, o)
			}
		}
		if o := sweep(t.Context(), r, devices(1))["sw00000"]; o.Class != collectors.ClassBackoff {
			t.Errorf("not open: %s", o)
		}
	})
}

// What the device cannot help does not count: a sweep that is stopped, a library that is missing here.
func TestSweep_breakerIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		err := collectors.ErrUnsupported
		r := runner(collect(func(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
			if err != nil {
				return nil, err
			}
			return nil, wait(ctx, time.Minute)
		}), collectors.Options{})
		for range 5 {
			sweep(t.Context(), r, devices(1))
		}
		err = nil
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if o := sweep(ctx, r, devices(1))["sw00000"]; o.Status != collectors.StatusStopped {
				t.Fatalf("got %s", o)
			}
			cancel()
		}
	})
}
