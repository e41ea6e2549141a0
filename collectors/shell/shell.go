// Package shell logs in to devices that are read by commands: it turns what the inventory says of a device into a connection, and what goes wrong into the
// sentinels of package collectors. What is sent over the connection is the business of the collector; what all of them need to read the answers is here, too.
package shell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	cryptossh "golang.org/x/crypto/ssh"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/transport"
)

// Options tune a Dialer. The zero value is good for a data center.
type Options struct {
	// Transport bounds connections and answers; a device's own timeout goes before that of commands.
	Transport transport.Options
	// Agent is the socket of the authentication agent; "": the one of SSH_AUTH_SOCK.
	Agent string
}

// Dialer connects to devices. It keeps nothing of a device between two connections, but files of host keys are read once as long as they do not change.
type Dialer struct {
	options Options

	mu    sync.Mutex
	known map[string]*transport.KnownHosts // by file
	gates map[string]chan struct{}         // of jump hosts, by address
}

// New makes a dialer.
func New(options Options) *Dialer {
	if options.Agent == "" {
		options.Agent = os.Getenv("SSH_AUTH_SOCK")
	}
	return &Dialer{options: options, known: map[string]*transport.KnownHosts{}, gates: map[string]chan struct{}{}}
}

// Dial logs in to the device at an address, HOST:PORT; the caller closes the connection. The error wraps collectors.ErrUnreachable, ErrDenied, ErrMalformed (no SSH server) or ErrUnsupported
// (what the inventory asks for), or the error of ctx; an unproven host key is a *transport.HostKeyError.
func (c *Dialer) Dial(ctx context.Context, address string, access collectors.SSHAccess) (*transport.Client, error) {
	way := make([]transport.Server, 0, len(access.Jump)+1)
	for _, hop := range access.Jump {
		server, err := c.server(hop.Address, hop.SSHAccess)
		if err != nil {
			return nil, fmt.Errorf("jump host %s: %w", hop.Address, err)
		}
		server.Gate = c.gate(hop.Address)
		way = append(way, server)
	}
	server, err := c.server(address, access)
	if err != nil {
		return nil, err
	}
	options := c.options.Transport
	options.Command = cmp.Or(access.Timeout, options.Command)
	client, err := transport.Dial(ctx, append(way, server), options)
	if err != nil {
		return nil, Ended(ctx, meaning(err))
	}
	return client, nil
}

// gate lets a few connections at once be set up to a jump host.
func (c *Dialer) gate(address string) chan struct{} {
	const atOnce = 4 // sshd begins to drop at 10 (MaxStartups), and others go through the host, too
	c.mu.Lock()
	defer c.mu.Unlock()
	gate := c.gates[address]
	if gate == nil {
		gate = make(chan struct{}, atOnce)
		for range atOnce {
			gate <- struct{}{}
		}
		c.gates[address] = gate
	}
	return gate
}

func (c *Dialer) server(address string, a collectors.SSHAccess) (transport.Server, error) {
	s := transport.Server{Address: address, User: a.User, Trust: transport.Trust{Pins: a.HostKeys, AcceptNew: a.AcceptNew}}
	if a.KnownHosts != "" {
		c.mu.Lock()
		if c.known[a.KnownHosts] == nil {
			c.known[a.KnownHosts] = transport.NewKnownHosts(a.KnownHosts)
		}
		s.Trust.Known = c.known[a.KnownHosts]
		c.mu.Unlock()
	}
	if !a.Key.IsZero() {
		key, err := transport.ParseKey(a.Key.Reveal(), a.KeyPass.Reveal())
		if err != nil {
			return s, fmt.Errorf("%w: %w", collectors.ErrUnsupported, err)
		}
		s.Keys = []cryptossh.Signer{key}
	}
	if !a.Password.IsZero() {
		s.Password = a.Password.Reveal
	}
	if a.Agent {
		if c.options.Agent == "" {
			return s, fmt.Errorf("%w: the inventory asks for the authentication agent, and SSH_AUTH_SOCK names none", collectors.ErrUnsupported)
		}
		s.Agent = c.options.Agent
	}
	return s, nil
}

// meaning finds the sentinel for an error of connecting. A host key that is not the known one is neither a refusal nor a silence: it has none.
func meaning(err error) error {
	var strange *transport.HostKeyError
	var refused *transport.AuthError
	var local *transport.LocalError
	var old *transport.AlgorithmError
	switch {
	case errors.As(err, &strange) && !strange.Changed && !strange.Revoked && strange.Reason == "":
		return fmt.Errorf("%w: compare it with what ssh-keygen -l -f /etc/ssh/ssh_host_*_key.pub prints on the device, then list it under host_keys, "+
			"or run once with --accept-new-host-keys", err)
	case errors.As(err, &strange):
		return err
	case errors.As(err, &refused):
		return fmt.Errorf("%w: %w", collectors.ErrDenied, err)
	case errors.As(err, &old), errors.As(err, &local):
		return fmt.Errorf("%w: %w", collectors.ErrUnsupported, err)
	case errors.Is(err, transport.ErrNotSSH):
		return fmt.Errorf("%w: %w", collectors.ErrMalformed, err)
	}
	return fmt.Errorf("%w: %w", collectors.ErrUnreachable, err)
}

// Ended adds to an error that ctx ended, where that is so: what breaks off then looks like a device that does not answer.
func Ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}
