package store

import (
	"context"
	"sync"

	"github.com/throughline-dc/throughline/topology"
)

// Broadcast tells watchers of new revisions: what a store's Watch stands on. The zero value is ready.
type Broadcast struct {
	mu       sync.Mutex
	watchers map[chan topology.Revision]func() bool // stops waiting for the end of its context
	closed   bool
}

// Watch gives a channel with the newest revision that its reader has not taken; it is closed when ctx ends or the Broadcast is closed.
func (b *Broadcast) Watch(ctx context.Context) <-chan topology.Revision {
	ch := make(chan topology.Revision, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || ctx.Err() != nil {
		close(ch)
		return ch
	}
	if b.watchers == nil {
		b.watchers = map[chan topology.Revision]func() bool{}
	}
	b.watchers[ch] = context.AfterFunc(ctx, func() { b.leave(ch) })
	return ch
}

func (b *Broadcast) leave(ch chan topology.Revision) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.watchers[ch]; ok {
		delete(b.watchers, ch)
		close(ch)
	}
}

// Send tells all watchers, in place of what they have not taken yet. It never waits for them.
func (b *Broadcast) Send(rev topology.Revision) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.watchers {
		select {
		case <-ch:
		default:
		}
		ch <- rev // there is room: only Send fills it, under the lock
	}
}

// Close ends all watches, and those to come.
func (b *Broadcast) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for ch, stop := range b.watchers {
		stop()
		close(ch)
	}
	clear(b.watchers)
}
