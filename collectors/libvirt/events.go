//go:build linux && cgo && libvirt_dlopen

package libvirt

import (
	"context"
	"sync"
	"time"

	"libvirt.org/go/libvirt"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// sink takes events from libvirt's event loop, which must never wait: when the buffer is full, an event is dropped.
type sink struct {
	mu     sync.Mutex
	closed bool
	events chan Event
}

func (s *sink) put(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	select {
	case s.events <- e:
	default:
	}
}

func (s *sink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	close(s.events)
}

// watch has a connection of its own, so that events come while another is busy reading.
func (d *dialer) watch(ctx context.Context, access collectors.LibvirtAccess, now func() time.Time) (<-chan Event, error) {
	c, err := d.connect(ctx, access)
	if err != nil {
		return nil, err
	}
	s := &sink{events: make(chan Event, 256)}
	lost := make(chan struct{})
	registered := make(chan int, 1)
	err = c.run(ctx, "events", nil, func(conn *libvirt.Connect) error {
		gone := sync.OnceFunc(func() { close(lost) })
		_ = conn.RegisterCloseCallback(func(*libvirt.Connect, libvirt.ConnectCloseReason) { gone() }) // only drivers with a wire have it
		id, err := conn.DomainEventLifecycleRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, e *libvirt.DomainEventLifecycle) {
			name, _ := d.GetName()
			text, _ := d.GetUUIDString()
			uuid, _ := topology.ParseUUID(text)
			s.put(Event{Time: now().UTC(), UUID: uuid, Name: name, What: eventName(e.Event)})
		})
		registered <- id
		return err
	})
	if err != nil {
		c.Close()
		return nil, plain(err)
	}
	go func() {
		select {
		case <-ctx.Done():
		case <-lost:
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), silenceLimit)
		defer cancel()
		_ = c.run(end, "events", nil, func(conn *libvirt.Connect) error {
			_ = conn.UnregisterCloseCallback()
			return conn.DomainEventDeregister(<-registered)
		})
		c.Close()
		s.close()
	}()
	return s.events, nil
}

func eventName(t libvirt.DomainEventType) string {
	switch t {
	case libvirt.DOMAIN_EVENT_DEFINED:
		return "defined"
	case libvirt.DOMAIN_EVENT_UNDEFINED:
		return "undefined"
	case libvirt.DOMAIN_EVENT_STARTED:
		return "started"
	case libvirt.DOMAIN_EVENT_SUSPENDED:
		return "suspended"
	case libvirt.DOMAIN_EVENT_RESUMED:
		return "resumed"
	case libvirt.DOMAIN_EVENT_STOPPED:
		return "stopped"
	case libvirt.DOMAIN_EVENT_SHUTDOWN:
		return "shutdown"
	case libvirt.DOMAIN_EVENT_PMSUSPENDED:
		return "pmsuspended"
	case libvirt.DOMAIN_EVENT_CRASHED:
		return "crashed"
	}
	return "changed"
}
