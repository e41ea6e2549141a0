package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Sentinels for commands. A command that fails by itself is no error: its exit status says so.
var (
	// ErrLost: the connection ended.
	ErrLost = errors.New("the connection was lost")
	// ErrRefused: the server runs no commands, or no more of them.
	ErrRefused = errors.New("the server refuses to run a command")
	// ErrCut: the answer ended without an exit status, so its end may be missing.
	ErrCut = errors.New("the answer was cut off: it ended without an exit status")
	// ErrTooLong: the command printed more than it may.
	ErrTooLong = errors.New("the answer is too long")
)

// Client is a connection to a server. It is safe for concurrent use.
type Client struct {
	options Options
	hops    []*ssh.Client // the last is the server, the others are on the way

	end  sync.Once
	free func() bool   // of the context of Dial
	gone chan struct{} // closed when the connection has ended
	kept sync.WaitGroup

	places chan struct{} // one for each command that may be begun

	mu     sync.Mutex
	left   int   // places that there are in all
	why    error // of the end
	closed bool
}

func (c *Client) server() *ssh.Client { return c.hops[len(c.hops)-1] }

func (c *Client) begin(ctx context.Context) {
	c.free = context.AfterFunc(ctx, func() { c.fail(ctx.Err()) })
	c.spawn(func() {
		c.fail(c.server().Wait())
		close(c.gone)
	})
	c.spawn(c.keepAlive)
}

// spawn runs what Close waits for. After Close nothing is begun any more, and it reports false.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.kept.Go(f)
	}
	return !c.closed
}

// asked sends a request that every server has to answer, whatever it thinks of it. The channel gives the error, if the connection ends before.
func (c *Client) asked() <-chan error {
	answered := make(chan error, 1)
	c.spawn(func() {
		_, _, err := c.server().SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	})
	return answered
}

// keepAlive finds out that the peer is gone, which TCP does not tell for hours.
func (c *Client) keepAlive() {
	ticker := time.NewTicker(c.options.KeepAlive)
	defer ticker.Stop()
	for {
		select {
		case <-c.gone:
			return
		case <-ticker.C:
		}
		answered := c.asked()
		select {
		case <-answered:
		case <-c.gone:
			return
		case <-ticker.C:
			c.fail(fmt.Errorf("%w: the peer has been silent for %s", ErrTimeout, c.options.KeepAlive))
			return
		}
	}
}

// fail ends the connection; the first reason counts.
func (c *Client) fail(why error) {
	c.mu.Lock()
	if c.why == nil {
		c.why = why
	}
	c.mu.Unlock()
	c.hangUp()
}

// hangUp closes the connections, the outermost first: to close an inner one, something would have to be sent to a peer that may not listen.
func (c *Client) hangUp() {
	c.end.Do(func() {
		for _, h := range c.hops {
			_ = h.Close() // given up: there is nothing to lose
		}
	})
}

// Close ends the connection and all commands. It returns when nothing of it is left.
func (c *Client) Close() {
	c.free()
	c.fail(errors.New("closed"))
	<-c.gone
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.kept.Wait()
}

// lost is the error of what the end of the connection broke off.
func (c *Client) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == nil || errors.Is(c.why, io.EOF) {
		return ErrLost
	}
	return fmt.Errorf("%w: %w", ErrLost, c.why)
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.gone }

// Output is what a command left.
type Output struct {
	Stdout, Stderr []byte
	Status         int    // exit status; 0 is success
	Signal         string // that ended it, without SIG; "": it ended by itself
}

// Exec runs a command and waits for its end; it waits for its turn first, if others run. All of standard output is there if the error is nil; standard
// error may be cut at its limit. The error wraps ErrLost, ErrRefused, ErrCut, ErrTooLong, ErrTimeout or the error of ctx. When ctx ends, the command is
// given up.
func (c *Client) Exec(ctx context.Context, command string) (Output, error) {
	return c.ExecUpTo(ctx, command, c.options.MaxOutput)
}

// ExecUpTo is Exec of a command that may print no more than so many octets, if that is less than what any may.
func (c *Client) ExecUpTo(ctx context.Context, command string, most int64) (Output, error) {
	r := request{command, min(most, c.options.MaxOutput)}
	for {
		select {
		case <-c.places:
		case <-ctx.Done():
			return Output{}, ctx.Err()
		case <-c.gone:
			return Output{}, c.lost()
		}
		out, err := c.limited(ctx, r)
		var refused *ssh.OpenChannelError
		if errors.As(err, &refused) {
			if c.shrink() {
				continue // and wait for one of the others to end
			}
			out, err = c.insist(ctx, r, refused)
		}
		c.places <- struct{}{}
		return out, err
	}
}

// request is what is to be run, and how many octets it may print.
type request struct {
	command string
	most    int64
}

// insist tries again to run the only command that is under way: a server may need a moment to forget the one before.
func (c *Client) insist(ctx context.Context, r request, refused *ssh.OpenChannelError) (Output, error) {
	const tries = 7 // over two thirds of a second
	for try := range tries {
		if !pause(ctx, 5*time.Millisecond<<try) {
			return Output{}, ctx.Err()
		}
		if out, err := c.limited(ctx, r); !errors.As(err, &refused) {
			return out, err
		}
	}
	return Output{}, fmt.Errorf("%w: %s", ErrRefused, refused.Message)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// shrink gives the caller's place up for good, unless it is the last: sshd's MaxSessions, for one, is a limit that is met by running into it.
func (c *Client) shrink() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left <= 1 {
		return false
	}
	c.left--
	return true
}

// limited runs a command for as long as one may take.
func (c *Client) limited(ctx context.Context, r request) (Output, error) {
	limit, cancel := context.WithTimeout(ctx, c.options.Command)
	defer cancel()
	out, err := c.run(limit, r)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return out, fmt.Errorf("%w: the command did not end within %s", ErrTimeout, c.options.Command)
	}
	return out, err
}

// run opens a session for the command. The library waits without end for a server that does not answer; what waits then is left behind, and ends with
// the connection.
func (c *Client) run(ctx context.Context, what request) (Output, error) {
	type result struct {
		out Output
		err error
	}
	back := make(chan result, 1)
	c.spawn(func() {
		out, err := c.session(ctx, what)
		back <- result{out, err}
	})
	var r result
	select {
	case r = <-back:
	case <-ctx.Done():
		return Output{}, ctx.Err()
	case <-c.gone:
		return Output{}, c.lost()
	}
	var refused *ssh.OpenChannelError
	if r.err == nil || errors.As(r.err, &refused) || errors.Is(r.err, ErrTooLong) {
		return r.out, r.err
	}
	// A session also breaks off because the connection did: then that is the reason.
	select {
	case err := <-c.asked():
		if err != nil {
			<-c.gone
			return r.out, c.lost()
		}
		return r.out, r.err
	case <-c.gone:
		return r.out, c.lost()
	case <-ctx.Done():
		return r.out, ctx.Err()
	}
}

func (c *Client) session(ctx context.Context, r request) (out Output, err error) {
	s, err := c.server().NewSession()
	if err != nil {
		return out, err
	}
	defer s.Close() //nolint:errcheck // closed by the other side as a rule
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	// Messages in English, where the server lets us say so: they are read.
	if _, err := s.SendRequest("env", false, ssh.Marshal(struct{ Name, Value string }{"LC_ALL", "C"})); err != nil {
		return out, err
	}
	stdout, err := s.StdoutPipe()
	if err != nil {
		return out, err
	}
	stderr, err := s.StderrPipe()
	if err != nil {
		return out, err
	}
	if err := s.Start(r.command); err != nil {
		return out, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	complaints := make(chan []byte, 1)
	listened := c.spawn(func() {
		text, _ := io.ReadAll(io.LimitReader(stderr, c.options.MaxErrors)) // what broke it is said by the end of the session
		_, _ = io.Copy(io.Discard, stderr)                                 // else the server would wait
		complaints <- text
	})
	if !listened {
		return out, ErrCut
	}
	out.Stdout, err = io.ReadAll(io.LimitReader(stdout, r.most))
	if err != nil {
		return out, ErrCut
	}
	if n, _ := stdout.Read(make([]byte, 1)); n > 0 {
		return out, fmt.Errorf("%w: more than %d octets", ErrTooLong, r.most)
	}
	out.Stderr = <-complaints
	return out, out.ended(s.Wait())
}

// ended takes down how the command ended.
func (o *Output) ended(err error) error {
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		o.Status, o.Signal = exit.ExitStatus(), exit.Signal()
		return nil
	}
	return ErrCut
}
