package store

import (
	"context"
	"sync"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// Gate lets calls in until it is closed, and looks for its watchers what other processes write: what a store that is shared with them stands on.
// Make it with NewGate.
type Gate struct {
	inUse   sync.RWMutex // held for reading by every call, for writing by Close
	closed  bool         // guarded by inUse
	closing chan struct{}
	polls   sync.WaitGroup
}

// NewGate gives an open one.
func NewGate() *Gate { return &Gate{closing: make(chan struct{})} }

// Enter begins a call; the caller defers what it returns. It fails with ErrClosed, or if ctx has ended.
func (g *Gate) Enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.inUse.RLock()
	if g.closed {
		g.inUse.RUnlock()
		return nil, ErrClosed
	}
	return g.inUse.RUnlock, nil
}

// Poll looks again and again, and sends each revision that is another than the one before. It ends with ctx or with the Gate, and with it the look that
// is under way. Only a call that has entered may begin it.
func (g *Gate) Poll(ctx context.Context, interval time.Duration, seen topology.Revision, look func(context.Context, topology.Revision) topology.Revision) <-chan topology.Revision {
	var one Broadcast
	ctx, cancel := context.WithCancel(ctx)
	ch := one.Watch(ctx)
	g.polls.Go(func() {
		defer cancel()
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if last := look(ctx, seen); last != seen {
					seen = last
					one.Send(last)
				}
			}
		}
	})
	g.polls.Go(func() {
		select {
		case <-g.closing:
			cancel()
		case <-ctx.Done():
		}
	})
	return ch
}

// Close waits for the calls that are in, ends what polls, and then releases what the store holds. A second time it fails with ErrClosed.
func (g *Gate) Close(release func() error) error {
	g.inUse.Lock()
	defer g.inUse.Unlock()
	if g.closed {
		return ErrClosed
	}
	g.closed = true
	close(g.closing)
	g.polls.Wait()
	return release()
}

// Closed is what Watch gives where nobody gets in.
func Closed() <-chan topology.Revision {
	ch := make(chan topology.Revision)
	close(ch)
	return ch
}
