// Package collectortest proves that a collector keeps the contract of package collectors. A collector's own test says how to make the
// collector and a device that it can read, and calls [Run].
package collectortest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// Suite describes a collector and the devices to prove it on.
type Suite struct {
	// New makes the collector.
	New func(t *testing.T) collectors.Collector

	// Start starts a device that behaves as the fault says, and ends it with the test. Every device of a suite has the same content.
	// Its secrets are such that they occur in nothing else.
	Start func(t *testing.T, fault Fault) Fixture

	// Faults are those that Start can play besides None, each with the tables that it breaks: they must come out partial, all others as
	// if nothing had happened. Of Silent, Denied and Stall the tables are not looked at.
	Faults map[Fault][]string

	// Allowed lists what the collector may send, in the words of Fixture.Sent. An entry ending in "*" allows what begins like it.
	Allowed []string

	// Golden is the file that holds what the collector makes of the device, as Text prints it. UPDATE_GOLDEN=1 rewrites it.
	Golden string
}

// Fault is a way in which a device misbehaves. The suite knows these; a collector's own are named after what breaks.
type Fault string

// The faults that the suite knows.
const (
	None   Fault = ""
	Silent Fault = "silent" // never answers: ErrUnreachable
	Denied Fault = "denied" // refuses the credentials: ErrDenied
	Stall  Fault = "stall"  // answers at first and then never again: Fixture.Stalled is closed when that begins
)

// Fixture is a running device.
type Fixture struct {
	Device  collectors.Device
	Sent    func() []string // what it was asked so far; nil if it cannot tell
	Stalled <-chan struct{} // of Stall
}

// patience is how long a collector that should return at once is waited for. It is not a measurement: only a hang takes that long.
const patience = 20 * time.Second

// Run proves the contract, one subtest for each of its sentences.
func Run(t *testing.T, s Suite) {
	t.Helper()
	tests := []struct {
		name  string
		fault Fault // that the fixture must be able to show; a folder of recordings has no credentials to refuse
		run   func(t *testing.T, s Suite)
	}{
		{"golden text", None, golden},
		{"same answer twice", None, twice},
		{"several devices at once", None, several},
		{"cancelled before it begins", None, cancelledBefore},
		{"cancelled while it reads", Stall, cancelledWithin},
		{"nobody answers", Silent, func(t *testing.T, s Suite) { t.Helper(); refused(t, s, Silent, collectors.ErrUnreachable) }},
		{"credentials are refused", Denied, func(t *testing.T, s Suite) { t.Helper(); refused(t, s, Denied, collectors.ErrDenied) }},
		{"login alone", None, login},
		{"through the runner", None, throughRunner},
	}
	for _, tt := range tests {
		if _, can := s.Faults[tt.fault]; tt.fault != None && !can {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			leakFree(t)
			tt.run(t, s)
		})
	}
	for fault, broken := range s.Faults {
		if fault != Silent && fault != Denied && fault != Stall {
			t.Run("partial failure/"+string(fault), func(t *testing.T) {
				leakFree(t)
				partial(t, s, fault, broken)
			})
		}
	}
}

// leakFree fails the test if goroutines that it starts outlive it; its cleanups run before.
func leakFree(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// read lets the collector read the device once and checks what is true of every reading.
func (s Suite) read(ctx context.Context, t *testing.T, c collectors.Collector, f Fixture) ([]topology.Observation, error) {
	t.Helper()
	observations, err := within(t, func() ([]topology.Observation, error) { return c.Collect(ctx, f.Device) })
	s.check(t, f, observations, err)
	return observations, err
}

func (s Suite) check(t *testing.T, f Fixture, observations []topology.Observation, err error) {
	t.Helper()
	problems := append(Problems(f.Device, observations), Leaks(f.Device, observations, err)...)
	if f.Sent != nil {
		problems = append(problems, s.unlisted(f.Sent())...)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// unlisted finds what the collector had no business to send.
func (s Suite) unlisted(sent []string) []string {
	var problems []string
	for _, command := range sent {
		if !slices.ContainsFunc(s.Allowed, func(allowed string) bool {
			prefix, open := strings.CutSuffix(allowed, "*")
			return command == allowed || open && strings.HasPrefix(command, prefix)
		}) {
			problems = append(problems, fmt.Sprintf("sent %q, which is not listed", command))
		}
	}
	return problems
}

// within fails the test if the call does not come back.
func within[T any](t *testing.T, call func() (T, error)) (T, error) {
	t.Helper()
	type answer struct {
		value T
		err   error
	}
	back := make(chan answer, 1)
	go func() {
		value, err := call()
		back <- answer{value, err}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case a := <-back:
		return a.value, a.err
	case <-timer.C:
		t.Fatalf("the collector did not return within %s", patience)
		panic("unreachable")
	}
}

// whole reads a device without a fault, where everything must succeed.
func (s Suite) whole(t *testing.T) (Fixture, []topology.Observation) {
	t.Helper()
	f := s.Start(t, None)
	observations, err := s.read(t.Context(), t, s.New(t), f)
	if err != nil {
		t.Fatalf("reading a device without a fault: %v", err)
	}
	if f.Sent != nil && len(f.Sent()) == 0 {
		t.Error("the fixture says that nothing was sent")
	}
	for _, o := range observations {
		if o.Reading.Partial {
			t.Errorf("%s is partial without a fault: %s", o.Reading, o.Reading.Reason)
		}
	}
	return f, observations
}

func golden(t *testing.T, s Suite) {
	t.Helper()
	_, observations := s.whole(t)
	got := Text(observations)
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.MkdirAll(filepath.Dir(s.Golden), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(s.Golden)
	if err != nil {
		t.Fatalf("%v (UPDATE_GOLDEN=1 writes it)", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s: -want +got\n%s", s.Golden, diff)
	}
}

func twice(t *testing.T, s Suite) {
	t.Helper()
	f, first := s.whole(t)
	c := s.New(t)
	for range 2 { // another collector, then the same once more
		next, err := s.read(t.Context(), t, c, f)
		if err != nil {
			t.Fatalf("second reading: %v", err)
		}
		if diff := cmp.Diff(timeless(first), timeless(next), compareValues()); diff != "" {
			t.Errorf("two readings differ: -first +next\n%s", diff)
		}
	}
}

func several(t *testing.T, s Suite) {
	t.Helper()
	_, want := s.whole(t)
	c := s.New(t)
	var group sync.WaitGroup
	for range 3 {
		f := s.Start(t, None)
		group.Go(func() {
			got, err := c.Collect(t.Context(), f.Device)
			if err != nil {
				t.Errorf("reading beside others: %v", err)
			}
			if diff := cmp.Diff(tables(want), tables(got)); diff != "" {
				t.Errorf("read alone and beside others: -alone +beside\n%s", diff)
			}
		})
	}
	group.Wait()
}

func cancelledBefore(t *testing.T, s Suite) {
	t.Helper()
	_, want := s.whole(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := s.read(ctx, t, s.New(t), s.Start(t, None))
	cancelled(t, want, got, err)
}

func cancelledWithin(t *testing.T, s Suite) {
	t.Helper()
	_, want := s.whole(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := s.Start(t, Stall)
	stop := context.AfterFunc(t.Context(), cancel)
	defer stop()
	go func() {
		select {
		case <-f.Stalled:
			cancel()
		case <-ctx.Done():
		}
	}()
	got, err := s.read(ctx, t, s.New(t), f)
	cancelled(t, want, got, err)
	select {
	case <-f.Stalled:
	default:
		t.Error("the collector came back before the device stalled")
	}
}

// cancelled checks what a reading that was cancelled may say: what it has, and that it was cancelled.
func cancelled(t *testing.T, want, got []topology.Observation, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error of a cancelled reading is %v, want context.Canceled in it", err)
	}
	for _, p := range invented(want, got) {
		t.Error(p)
	}
}

func refused(t *testing.T, s Suite, fault Fault, sentinel error) {
	t.Helper()
	f := s.Start(t, fault)
	c := s.New(t)
	got, err := s.read(t.Context(), t, c, f)
	if !errors.Is(err, sentinel) {
		t.Errorf("the error is %v, want %q in it", err, sentinel)
	}
	for _, o := range got {
		if !o.Reading.Partial || len(o.Facts) > 0 {
			t.Errorf("%s: partial is %t, %d facts, of a device that said nothing", o.Reading, o.Reading.Partial, len(o.Facts))
		}
	}
	if p, ok := c.(collectors.Prober); ok {
		_, err := within(t, func() (string, error) { return p.Probe(t.Context(), f.Device) })
		s.check(t, f, nil, err)
		if !errors.Is(err, sentinel) {
			t.Errorf("the error of the login is %v, want %q in it", err, sentinel)
		}
	}
}

func partial(t *testing.T, s Suite, fault Fault, broken []string) {
	t.Helper()
	_, want := s.whole(t)
	got, err := s.read(t.Context(), t, s.New(t), s.Start(t, fault))
	for _, sentinel := range []error{collectors.ErrUnreachable, collectors.ErrDenied} {
		if errors.Is(err, sentinel) {
			t.Errorf("the error is %v, of a device that answers for most tables", err)
		}
	}
	for _, p := range Damage(want, got, broken) {
		t.Error(p)
	}
}

func login(t *testing.T, s Suite) {
	t.Helper()
	p, ok := s.New(t).(collectors.Prober)
	if !ok {
		return // it need not: Prober is optional
	}
	f := s.Start(t, None)
	answer, err := within(t, func() (string, error) { return p.Probe(t.Context(), f.Device) })
	s.check(t, f, nil, err)
	if err != nil || answer == "" {
		t.Errorf("the login gives %q, %v", answer, err)
	}
	for _, leak := range Leaks(f.Device, nil, errors.New(answer)) {
		t.Error(leak)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := within(t, func() (string, error) { return p.Probe(ctx, f.Device) }); !errors.Is(err, context.Canceled) {
		t.Errorf("the error of a cancelled login is %v, want context.Canceled in it", err)
	}
}

func throughRunner(t *testing.T, s Suite) {
	t.Helper()
	f := s.Start(t, None)
	r := collectors.NewRunner(map[topology.Source]collectors.Collector{f.Device.Source: s.New(t)}, collectors.Options{})
	for batch := range r.Sweep(t.Context(), []collectors.Device{f.Device}) {
		for _, o := range batch {
			if o.Status != collectors.StatusOK {
				t.Errorf("%s", o)
			}
		}
	}
}
