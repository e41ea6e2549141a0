package collectors

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

var errNothing = errors.New("the device answered, but nothing was read")

// returned is what came of one call of a collector.
type returned struct {
	observations []topology.Observation
	answer       string
	err          error
	class        Class // where the runner knows better than the error; ClassNone: err says it
}

func (r returned) failed() bool { return r.err != nil || r.class != ClassNone }

// call runs a collector's method under a deadline, and makes sure to come back: a panic becomes an error, and a method that goes on after
// its context ended is left behind. The device then stays busy until the method returns, so that it is never asked twice at once.
func (r *Runner) call(ctx context.Context, d Device, l *lane, limit time.Duration, method func(context.Context) returned) (returned, time.Duration) {
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	back := make(chan returned, 1)
	go func() {
		var result returned
		defer func() {
			if p := recover(); p != nil {
				result = returned{class: ClassPanic, err: fmt.Errorf("the collector panicked: %v", p)}
				secrets := d.Secrets()
				r.options.Log.Error("collector panicked", "device", d.Handle, "source", d.Source.String(),
					"reason", clean(fmt.Sprint(p), secrets), "stack", Redact(string(debug.Stack()), secrets...))
			}
			back <- result
		}()
		result = method(limited)
	}()
	result, came := await(limited, back, r.options.Grace)
	took := time.Since(began)
	switch {
	case !came:
		l.mu.Lock()
		l.stuck = back
		l.mu.Unlock()
		result = returned{class: ClassStuck, err: fmt.Errorf("the collector did not stop within %s after it was told to, and was left behind",
			r.options.Grace)}
		r.options.Log.Error("collector left behind", "device", d.Handle, "source", d.Source.String(), "after", took.String())
	case ctx.Err() != nil && result.err != nil && result.class == ClassNone:
		result.class = ClassStopped
	case limited.Err() != nil && classify(result.err) == ClassTimeout && result.class == ClassNone:
		result.err = fmt.Errorf("not finished within %s: %w", limit, result.err)
	}
	return result, took
}

// await takes what comes back before ctx ends or within the grace after it.
func await(ctx context.Context, back <-chan returned, grace time.Duration) (returned, bool) {
	select {
	case result := <-back:
		return result, true
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case result := <-back:
		return result, true
	case <-t.C:
		return returned{}, false
	}
}
