package ssh

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/internal/transport"
	"github.com/throughline-dc/throughline/topology"
)

// Options tune a Collector. The zero value is good for a data center.
type Options struct {
	// Transport bounds connections and answers; a device's own timeout goes before that of commands.
	Transport transport.Options
	// Agent is the socket of the authentication agent; "": the one of SSH_AUTH_SOCK.
	Agent string
	// MaxDevice is how much is kept of one device while it is read, in octets; 0: 256 MiB.
	MaxDevice int64
	// Now tells the time of readings; nil: the system's clock.
	Now func() time.Time
}

// Collector reads Linux hosts and Linux switches over SSH. It keeps nothing of a device between two readings, but files of host keys are read once as
// long as they do not change.
type Collector struct {
	options Options
	dialer  *shell.Dialer
}

var (
	_ collectors.Collector = (*Collector)(nil)
	_ collectors.Prober    = (*Collector)(nil)
)

// New makes a collector.
func New(options Options) *Collector {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.MaxDevice <= 0 {
		options.MaxDevice = 256 << 20
	}
	return &Collector{options: options, dialer: shell.New(shell.Options{Transport: options.Transport, Agent: options.Agent})}
}

// Collect sends the commands of the fixed list over one connection, and nothing else. The error says that the device was not reached, not proven or not
// entered, that it is no Linux system, or that the connection was lost; a command that failed for a reason of its own is a partial reading. An unproven
// host key is a *transport.HostKeyError.
func (c *Collector) Collect(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
	s, err := c.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer s.client.Close()
	answers, err := s.readAll(ctx)
	observations, _ := observe(d, answers)
	return observations, shell.Ended(ctx, err)
}

// Probe asks which system it is.
func (c *Collector) Probe(ctx context.Context, d collectors.Device) (answer string, err error) {
	s, err := c.open(ctx, d)
	if err != nil {
		return "", err
	}
	defer s.client.Close()
	a, err := s.greet(ctx)
	if err != nil {
		return "", shell.Ended(ctx, err)
	}
	return strings.TrimSpace(topology.Text(a.raw)), nil
}

func (c *Collector) open(ctx context.Context, d collectors.Device) (*session, error) {
	access, ok := d.Access.(collectors.SSHAccess)
	if !ok {
		return nil, fmt.Errorf("%s: the access of the device is not one of SSH but %T", d.Handle, d.Access)
	}
	client, err := c.dialer.Dial(ctx, d.Address, access)
	if err != nil {
		return nil, err
	}
	s := &session{client: client, sudo: access.Sudo, now: c.options.Now, atOnce: cmp.Or(c.options.Transport.Sessions, 4)}
	s.budget.Store(c.options.MaxDevice)
	return s, nil
}
