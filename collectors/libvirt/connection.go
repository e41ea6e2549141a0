//go:build linux && cgo && libvirt_dlopen

package libvirt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"time"

	"libvirt.org/go/libvirt"

	"github.com/throughline-dc/throughline/collectors"
)

// Live tells whether this build can connect to hypervisors; any build reads recordings.
func Live() bool { return true }

const (
	silenceLimit      = 30 * time.Second // for which a hypervisor may say nothing while it is asked
	keepAliveInterval = 5                // s
	keepAliveCount    = 3                // unanswered, then the connection is lost and calls on it return
)

// eventLoop loads libvirt and runs its event loop, which keep-alive and events need, before the first connection and until the process
// ends: the loop is one per process by libvirt's design, and cannot be stopped.
var eventLoop = sync.OnceValue(func() error { //nolint:gochecknoglobals // libvirt's event loop is global
	if err := libvirt.EventRegisterDefaultImpl(); err != nil {
		return fmt.Errorf("%w: libvirt.so.0 cannot be loaded (Debian: apt-get install libvirt0): %v", collectors.ErrUnsupported, plain(err))
	}
	go func() {
		for {
			if err := libvirt.EventRunDefaultImpl(); err != nil {
				<-time.After(time.Second) // no known cause; at least it does not spin
			}
		}
	}()
	return nil
})

// dialer opens connections, and remembers the calls that were given up and have not returned: what hangs is not asked again, since each such
// call holds a thread here and a worker there.
type dialer struct {
	mu   sync.Mutex
	left map[call]*connection
}

type call struct {
	uri  string
	what string // "connect", or a table
}

func newDialer() *dialer { return &dialer{left: make(map[call]*connection)} }

// hanging tells whether such a call was given up and has not returned.
func (d *dialer) hanging(c call) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left[c] != nil
}

func (d *dialer) giveUp(c call, on *connection) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left[c] = on
}

func (d *dialer) returned(on *connection) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.left, func(_ call, c *connection) bool { return c == on })
}

// connection is a read-only connection to a hypervisor. One goroutine owns it and makes all calls, one after another: a caller that gives up
// waiting leaves the goroutine behind, which closes the connection when the call has returned, and never under it.
type connection struct {
	dialer *dialer
	uri    string
	calls  chan func(*libvirt.Connect)
	quit   chan struct{}
	close  func()
	lost   error // why no more calls are made
	models cpuModels
}

func (d *dialer) open(ctx context.Context, access collectors.LibvirtAccess) (Source, error) {
	c, err := d.connect(ctx, access)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (d *dialer) connect(ctx context.Context, access collectors.LibvirtAccess) (*connection, error) {
	if err := eventLoop(); err != nil {
		return nil, err
	}
	c := &connection{dialer: d, uri: access.URI, calls: make(chan func(*libvirt.Connect)), quit: make(chan struct{})}
	c.close = sync.OnceFunc(func() { close(c.quit) })
	this := call{access.URI, "connect"}
	if d.hanging(this) {
		return nil, fmt.Errorf("%w: %s: an earlier attempt to connect has not returned yet", collectors.ErrUnreachable, access.URI)
	}
	ready := make(chan error, 1)
	go func() {
		defer d.returned(c)
		conn, err := dial(access)
		ready <- err
		if err == nil {
			c.serve(conn)
		}
	}()
	limit := time.NewTimer(silenceLimit)
	defer limit.Stop()
	var cause error
	select {
	case err := <-ready:
		if err != nil {
			return nil, fmt.Errorf("%s: %w", access.URI, refusal(err))
		}
		return c, nil
	case <-ctx.Done():
		cause = ctx.Err()
	case <-limit.C:
		cause = fmt.Errorf("no answer within %s", silenceLimit)
	}
	d.giveUp(this, c)
	c.close()
	return nil, fmt.Errorf("%w: %s: connect: %w", collectors.ErrUnreachable, access.URI, cause)
}

// dial connects; it may block for as long as the other side likes.
func dial(access collectors.LibvirtAccess) (*libvirt.Connect, error) {
	var auth *libvirt.ConnectAuth
	if access.User != "" {
		auth = &libvirt.ConnectAuth{
			CredType: []libvirt.ConnectCredentialType{libvirt.CRED_AUTHNAME, libvirt.CRED_PASSPHRASE},
			Callback: func(wanted []*libvirt.ConnectCredential) {
				for _, w := range wanted {
					switch w.Type {
					case libvirt.CRED_AUTHNAME:
						w.Result, w.ResultLen = access.User, len(access.User)
					case libvirt.CRED_PASSPHRASE:
						password := access.Password.Reveal()
						w.Result, w.ResultLen = password, len(password)
					default:
					}
				}
			},
		}
	}
	conn, err := libvirt.NewConnectWithAuth(unattended(access.URI), auth, libvirt.CONNECT_RO)
	if err != nil {
		return nil, err
	}
	_ = conn.SetKeepAlive(keepAliveInterval, keepAliveCount) // drivers without a wire have none
	return conn, nil
}

// unattended keeps ssh from asking people: nobody is there to answer.
func unattended(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || !strings.Contains(u.Scheme, "ssh") {
		return uri
	}
	q := u.Query()
	q.Set("no_tty", "1")
	u.RawQuery = q.Encode()
	return u.String()
}

// serve makes calls until the connection is not wanted any more.
func (c *connection) serve(conn *libvirt.Connect) {
	defer conn.Close() //nolint:errcheck // nothing was written
	for {
		select {
		case <-c.quit:
			return
		default:
		}
		select {
		case f := <-c.calls:
			f(conn)
		case <-c.quit:
			return
		}
	}
}

// Close lets the connection go when the call under way, if any, has returned.
func (c *connection) Close() { c.close() }

// run makes one call and waits for it, for the end of ctx, or until nothing has come for too long; alive tells that something has come.
// After giving up, f may still be running: it must not touch what the caller reads, but under a lock.
func (c *connection) run(ctx context.Context, what string, alive <-chan struct{}, f func(*libvirt.Connect) error) error {
	if c.lost != nil {
		return c.lost
	}
	this := call{c.uri, what}
	if c.dialer.hanging(this) {
		return fmt.Errorf("an earlier call for %s has not returned yet", what)
	}
	done := make(chan error, 1)
	limit := time.NewTimer(silenceLimit)
	defer limit.Stop()
	ask, cause := c.calls, error(nil)
	for cause == nil {
		select {
		case ask <- func(conn *libvirt.Connect) { done <- f(conn) }:
			ask = nil
		case err := <-done:
			return err
		case <-alive:
			limit.Reset(silenceLimit)
		case <-ctx.Done():
			cause = ctx.Err()
		case <-limit.C:
			cause = fmt.Errorf("no answer within %s", silenceLimit)
		}
	}
	c.lost = fmt.Errorf("%s: %w", what, cause)
	c.dialer.giveUp(this, c)
	return c.lost
}

// refusal says in the runner's words why libvirt refused a connection.
func refusal(err error) error {
	var e libvirt.Error
	if !errors.As(err, &e) {
		return err
	}
	kind := collectors.ErrUnreachable
	switch e.Code {
	case libvirt.ERR_AUTH_FAILED, libvirt.ERR_AUTH_CANCELLED, libvirt.ERR_AUTH_UNAVAILABLE, libvirt.ERR_OPERATION_DENIED, libvirt.ERR_ACCESS_DENIED:
		kind = collectors.ErrDenied
	case libvirt.ERR_NO_CONNECT, libvirt.ERR_NO_SUPPORT, libvirt.ERR_CONFIG_UNSUPPORTED:
		kind = collectors.ErrUnsupported
	default:
		if strings.Contains(e.Message, "Permission denied") { // of a socket: libvirt has no code of its own for it
			kind = collectors.ErrDenied
		}
	}
	return fmt.Errorf("%w: %s", kind, e.Message)
}

// plain takes libvirt's numbers off an error and leaves its words.
func plain(err error) error {
	var e libvirt.Error
	if errors.As(err, &e) {
		return errors.New(e.Message)
	}
	return err
}
