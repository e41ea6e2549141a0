package libvirt

import (
	"context"
	"fmt"
	"time"

	"github.com/throughline-dc/throughline/collectors"
)

// Event says that something happened to a domain, so that its host is worth reading early.
type Event struct {
	Time time.Time
	UUID string // canonical
	Name string
	What string // defined, undefined, started, suspended, resumed, stopped, shutdown, pmsuspended, crashed
}

// Watch tells what happens to the domains of a hypervisor until ctx ends or the connection is lost, and then closes the channel. A receiver
// that is far behind misses events: they say no more than that a reading is due.
func (c *Collector) Watch(ctx context.Context, d collectors.Device) (<-chan Event, error) {
	access, folder := locate(d)
	if folder != "" {
		return nil, fmt.Errorf("%w: a folder of recordings has no events", collectors.ErrUnsupported)
	}
	if err := checkURI(access.URI); err != nil {
		return nil, err
	}
	return c.live.watch(ctx, access, c.now)
}

// Changes tells that something happened to a domain, whatever it was.
func (c *Collector) Changes(ctx context.Context, d collectors.Device) (<-chan struct{}, error) {
	events, err := c.Watch(ctx, d)
	if err != nil {
		return nil, err
	}
	changes := make(chan struct{}, 1)
	go func() {
		defer close(changes)
		for range events {
			select {
			case changes <- struct{}{}:
			default: // one is waiting to be heard already
			}
		}
	}()
	return changes, nil
}
