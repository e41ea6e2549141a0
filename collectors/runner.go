package collectors

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// Options tune a Runner. The zero value is good for a data center: each field says what 0 means.
type Options struct {
	Readers  int // devices read at once; 0: 32
	Contacts int // devices tried at once, those included that turn out not to answer; 0: 512

	Deadline        time.Duration // for reading one device, unless the device has its own; 0: 5 minutes
	ContactDeadline time.Duration // for finding out whether a device answers; 0: 10 s
	Grace           time.Duration // that a collector has to return after its context ended, before it is left behind; 0: 1 s

	Breaker BreakerPolicy
	Early   EarlyPolicy

	BatchSize  int           // most outcomes that are delivered together; 0: 64
	BatchFacts int           // facts after which a batch is delivered, however few outcomes it holds; 0: 200,000
	BatchAfter time.Duration // longest time that an outcome waits for others; 0: 2 s

	Progress *Progress    // shown what happens; nil: nothing is shown
	Log      *slog.Logger // told of collectors that panic or hang; nil: nobody is told
}

func (o Options) withDefaults() Options {
	for _, n := range []struct {
		field *int
		value int
	}{{&o.Readers, 32}, {&o.Contacts, 512}, {&o.BatchSize, 64}, {&o.BatchFacts, 200_000}} {
		if *n.field <= 0 {
			*n.field = n.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Deadline, 5 * time.Minute},
		{&o.ContactDeadline, 10 * time.Second},
		{&o.Grace, time.Second},
		{&o.BatchAfter, 2 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	o.Breaker, o.Early = o.Breaker.withDefaults(), o.Early.withDefaults()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Runner reads many devices politely: a bounded number at once, each within its deadline, none twice at once, and those that keep failing
// ever more rarely. A device is a handle and a source: breakers are per source, since a dead agent says nothing about the hypervisor's own.
//
// The sweeps it gives deliver in the goroutine that ranges over them: while the body of the loop works, at most Readers devices are read
// further and wait with what they have, so memory stays bounded however large the estate is. Leaving the loop stops the sweep.
type Runner struct {
	collectors map[topology.Source]Collector
	options    Options
	reading    chan struct{} // a token for each device being read, over all sweeps

	mu    sync.Mutex
	lanes map[string]*lane // by Device.identity
}

// NewRunner makes a runner of the collectors that this program has, one for each source.
func NewRunner(collectors map[topology.Source]Collector, options Options) *Runner {
	options = options.withDefaults()
	return &Runner{
		collectors: maps.Clone(collectors), options: options,
		reading: make(chan struct{}, options.Readers), lanes: map[string]*lane{},
	}
}

// Sweep reads every device once and delivers an outcome for each, in the order in which they come. When ctx ends, those being read are
// told to stop, and they and the rest come out as StatusStopped.
func (r *Runner) Sweep(ctx context.Context, devices []Device) iter.Seq[Batch] {
	// Finding out first who answers costs every device a round trip. It is worth that where the dead could hold up the living.
	v := visit{contactFirst: len(devices) > r.options.Readers, join: true}
	return r.run(ctx, once(devices), v, len(devices))
}

// Every reads every device at once and then again and again, once in an interval, until ctx ends. Each has its own place in the
// interval, so that the load is even. A device that is still being read when its turn comes, or has not yet rested for half an
// interval, is StatusSkipped: one that needs longer than the interval is read less often, not all the time. A device whose collector is a
// Watcher is read early when it says that it changed.
func (r *Runner) Every(ctx context.Context, devices []Device, interval time.Duration) iter.Seq[Batch] {
	interval = max(interval, time.Second)
	v := visit{contactFirst: len(devices) > r.options.Readers, rest: interval / 2}
	return r.run(ctx, r.watched(again(devices, interval), devices, interval), v, len(devices))
}

// Probe tries only the login of every device. It asks also those that a sweep would leave in peace, and nothing is held against them.
func (r *Runner) Probe(ctx context.Context, devices []Device) iter.Seq[Batch] {
	return r.run(ctx, once(devices), visit{probeOnly: true, join: true}, len(devices))
}

// visit says what is to be done with each device of a run.
type visit struct {
	contactFirst bool // devices that are not known to answer are probed before they get a reader's place
	probeOnly    bool
	join         bool          // share the result of a reading that is under way, instead of skipping the device
	rest         time.Duration // least time since the end of the last reading
}

func (r *Runner) run(ctx context.Context, f feed, v visit, size int) iter.Seq[Batch] {
	return func(yield func(Batch) bool) {
		ctx, cancel := context.WithCancel(ctx)
		due, outcomes := make(chan Device), make(chan Outcome)
		held := make(chan struct{}, r.options.Readers)
		var workers sync.WaitGroup
		for range min(size, r.options.Contacts) {
			workers.Go(func() {
				for d := range due {
					r.options.Progress.Begin(d)
					o, release := r.serve(ctx, d, v, held)
					r.options.Progress.End(o)
					outcomes <- o
					release()
				}
			})
		}
		go f(ctx, due)
		go func() {
			workers.Wait()
			close(outcomes)
		}()
		defer func() {
			cancel()
			for range due { // nobody takes what is left when there are no workers
			}
			for range outcomes {
			}
		}()
		r.batches(outcomes, yield)
	}
}

// batches delivers until there are no more outcomes or nobody wants them.
func (r *Runner) batches(outcomes <-chan Outcome, yield func(Batch) bool) {
	var batch Batch
	facts := 0
	timer := time.NewTimer(r.options.BatchAfter)
	defer timer.Stop()
	for {
		var full bool
		select {
		case o, more := <-outcomes:
			if !more {
				if len(batch) > 0 {
					yield(batch)
				}
				return
			}
			if len(batch) == 0 {
				timer.Reset(r.options.BatchAfter)
			}
			batch = append(batch, o)
			facts += o.Facts()
			full = len(batch) >= r.options.BatchSize || facts >= r.options.BatchFacts
		case <-timer.C:
			full = len(batch) > 0
		}
		if full {
			if !yield(batch) {
				return
			}
			batch, facts = nil, 0
		}
	}
}

// lane is what the runner remembers of one device and source.
type lane struct {
	mu       sync.Mutex
	breaker  breaker
	answered bool            // the last contact succeeded
	ended    time.Time       // of the last reading
	urged    bool            // the device said that it changed, so that its next reading may be early
	flight   *flight         // the visit that is under way
	stuck    <-chan returned // a call that was left behind; it delivers when it comes back after all
}

// flight is one visit that others may wait for.
type flight struct {
	done    chan struct{} // closed when outcome is there
	visit   visit
	outcome Outcome
}

func (r *Runner) lane(d Device) *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.lanes[d.identity()]
	if l == nil {
		l = &lane{}
		r.lanes[d.identity()] = l
	}
	return l
}

// serve visits a device, or waits for the visit that is under way. The release is called once the outcome is delivered.
func (r *Runner) serve(ctx context.Context, d Device, v visit, held chan struct{}) (Outcome, func()) {
	l := r.lane(d)
	for {
		l.mu.Lock()
		other := l.flight
		if other == nil {
			f := &flight{done: make(chan struct{}), visit: v}
			l.flight = f
			l.mu.Unlock()
			var release func()
			f.outcome, release = r.lead(ctx, d, v, l, held)
			l.mu.Lock()
			l.flight = nil
			l.mu.Unlock()
			close(f.done)
			return f.outcome, release
		}
		l.mu.Unlock()
		if !v.join {
			return aside(d, StatusSkipped, ClassBusy, "the reading before this one is still under way"), func() {}
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return stopped(d), func() {}
		}
		// What another kind of visit found, or one whose own sweep was stopped, is no answer to this one.
		if other.visit.probeOnly == v.probeOnly && other.outcome.Status != StatusStopped {
			shared := other.outcome
			shared.Shared = true
			return shared, func() {}
		}
	}
}

// lead makes the visit: is the device left in peace, does it answer, what does it say.
func (r *Runner) lead(ctx context.Context, d Device, v visit, l *lane, held chan struct{}) (Outcome, func()) {
	nothing := func() {}
	collector := r.collectors[d.Source]
	if collector == nil {
		return aside(d, StatusFailed, ClassUnsupported, fmt.Sprintf("this program has no collector for the source %s", d.Source)), nothing
	}
	if ctx.Err() != nil {
		return stopped(d), nothing
	}
	if o, not := l.refuse(d, v, time.Now()); not {
		return o, nothing
	}
	if v.probeOnly || v.contactFirst && !l.known() {
		if o, answered := r.contact(ctx, collector, d, l); v.probeOnly {
			return o, nothing
		} else if !answered {
			l.note(o, r.options.Breaker)
			return o, nothing
		}
	}
	if !take(ctx, held) {
		return stopped(d), nothing
	}
	release := func() { <-held }
	if !take(ctx, r.reading) {
		return stopped(d), release
	}
	began := time.Now()
	result, took := r.call(ctx, d, l, cmp.Or(d.Deadline, r.options.Deadline), func(ctx context.Context) (result returned) {
		result.observations, result.err = collector.Collect(ctx, d)
		if len(result.observations) == 0 && result.err == nil {
			result.err = errNothing
		}
		return result
	})
	<-r.reading
	o := conclude(d, result, began, took)
	l.note(o, r.options.Breaker)
	return o, release
}

// contact tries the login. A device whose collector cannot do that alone is taken to answer.
func (r *Runner) contact(ctx context.Context, collector Collector, d Device, l *lane) (Outcome, bool) {
	prober, can := collector.(Prober)
	if !can {
		return aside(d, StatusSkipped, ClassUnsupported, "its login cannot be tried without reading it"), true
	}
	began := time.Now()
	result, took := r.call(ctx, d, l, r.options.ContactDeadline, func(ctx context.Context) (result returned) {
		result.answer, result.err = prober.Probe(ctx, d)
		return result
	})
	return conclude(d, result, began, took), !result.failed()
}

// take waits for a place; false: ctx ended.
func take(ctx context.Context, places chan<- struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// refuse tells whether the device is to be left in peace now.
func (l *lane) refuse(d Device, v visit, now time.Time) (Outcome, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stuck != nil {
		select {
		case <-l.stuck:
			l.stuck = nil
		default:
			return aside(d, StatusSkipped, ClassBusy, "a reading that was given up has not come back yet"), true
		}
	}
	if until, open := l.breaker.open(now); open && !v.probeOnly {
		return aside(d, StatusSkipped, ClassBackoff, fmt.Sprintf("failed %d times in a row; not asked again before %s",
			l.breaker.failures, until.UTC().Format(time.RFC3339))), true
	}
	if rested := now.Sub(l.ended); rested < v.rest && !l.urged {
		return aside(d, StatusSkipped, ClassBusy, fmt.Sprintf("was read %s ago, later than planned", rested.Round(time.Second))), true
	}
	return Outcome{}, false
}

// known tells whether the device answered when it was last asked.
func (l *lane) known() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered
}

// note remembers how a visit went. What the device cannot help, such as a stopped sweep or a library that is missing here, is not held
// against it.
func (l *lane) note(o Outcome, policy BreakerPolicy) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended, l.urged = o.Began.Add(o.Took), false
	switch {
	case o.Status == StatusOK || o.Status == StatusPartial:
		l.answered = true
		l.breaker.succeed()
	case o.Status == StatusFailed && o.Class != ClassUnsupported:
		l.answered = false
		l.breaker.fail(policy, o.Device.identity(), time.Now())
	}
}

// aside is the outcome of a device that was not asked.
func aside(d Device, status Status, class Class, reason string) Outcome {
	return Outcome{Device: d, Status: status, Class: class, Reason: reason, Began: time.Now()}
}

func stopped(d Device) Outcome { return aside(d, StatusStopped, ClassStopped, "the sweep was stopped") }
