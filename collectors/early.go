package collectors

import (
	"context"
	"sync"
	"time"
)

// Watcher is a Collector that can be told by a device that it changed.
type Watcher interface {
	// Changes sends something whenever a reading of the device would show something new, until ctx ends or the connection is lost, and then
	// closes the channel. What happens while nobody receives is told once. The error wraps ErrUnsupported where a device has no events.
	Changes(ctx context.Context, d Device) (<-chan struct{}, error)
}

// EarlyPolicy says how soon a device is read again that says itself that it changed.
type EarlyPolicy struct {
	Calm time.Duration // time for which changes are gathered before the device is read; 0: 2 s
	Rest time.Duration // least time since the end of its last reading; 0: 10 s
	Most int           // devices that are watched, since each is a connection that stays open; 0: 512
}

func (p EarlyPolicy) withDefaults() EarlyPolicy {
	if p.Calm <= 0 {
		p.Calm = 2 * time.Second
	}
	if p.Rest <= 0 {
		p.Rest = 10 * time.Second
	}
	if p.Most <= 0 {
		p.Most = 512
	}
	return p
}

// watched hands out the devices of a feed, and in between those that say that they changed.
func (r *Runner) watched(timed feed, devices []Device, interval time.Duration) feed {
	return func(ctx context.Context, due chan<- Device) {
		defer close(due)
		inTime := make(chan Device)
		go timed(ctx, inTime)
		var watches sync.WaitGroup
		defer watches.Wait()
		most := r.options.Early.Most
		for _, d := range devices {
			if w, can := r.collectors[d.Source].(Watcher); can && most > 0 {
				most--
				watches.Go(func() { r.watch(ctx, w, d, due, interval) })
			}
		}
		for d := range inTime {
			hand(ctx, due, d) // a feed that cannot hand out any more ends by itself
		}
	}
}

// watch listens to one device until ctx ends. A connection that is lost is opened again once in an interval: until then the device is read
// in its turn, as all others are.
func (r *Runner) watch(ctx context.Context, w Watcher, d Device, due chan<- Device, interval time.Duration) {
	const spread = time.Minute // over which the connections are opened
	if !waitUntil(ctx, time.Now().Add(fraction(d.identity(), 1, min(interval, spread)))) {
		return
	}
	for {
		if changes, err := w.Changes(ctx, d); err == nil {
			for range changes {
				r.early(ctx, d, changes, due)
			}
		} else if classify(err) == ClassUnsupported {
			return
		}
		if !waitUntil(ctx, time.Now().Add(interval)) {
			return
		}
	}
}

// early hands out a device that changed, after the changes that come with this one and after its rest, unless ctx ends before.
func (r *Runner) early(ctx context.Context, d Device, changes <-chan struct{}, due chan<- Device) {
	l := r.lane(d)
	at := time.Now().Add(r.options.Early.Calm)
	for {
		if !waitUntil(ctx, at) {
			return
		}
		l.mu.Lock()
		flight, rested := l.flight, l.ended.Add(r.options.Early.Rest)
		l.urged = flight == nil && !rested.After(time.Now())
		urged := l.urged
		l.mu.Unlock()
		switch {
		case urged:
			select {
			case <-changes: // what happened until now is read together
			default:
			}
			hand(ctx, due, d)
			return
		case flight != nil:
			// The reading under way may have passed by what changed.
			select {
			case <-flight.done:
			case <-ctx.Done():
				return
			}
		default:
			at = rested
		}
	}
}
