package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/throughline-dc/throughline/internal/transport"
)

func TestExec(t *testing.T) {
	t.Parallel()
	key := hostKey(t)
	release := make(chan struct{})
	s := serve(t, behaviour{keys: []ssh.Signer{key}, answer: func(ch ssh.Channel, command string) {
		switch command {
		case "fails":
			_, _ = io.WriteString(ch.Stderr(), "no such thing\n")
			exit(ch, 3)
		case "killed":
			_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
				Signal string
				Core   bool
				Error  string
				Lang   string
			}{Signal: "KILL"}))
		case "cut":
			_, _ = io.WriteString(ch, "half an ans")
		case "long":
			_, _ = io.Copy(ch, io.LimitReader(endless{}, 3<<20))
			exit(ch, 0)
		case "exactly":
			_, _ = io.Copy(ch, io.LimitReader(endless{}, 1<<20))
			exit(ch, 0)
		case "complains":
			_, _ = io.Copy(ch.Stderr(), io.LimitReader(endless{}, 3<<20))
			_, _ = io.WriteString(ch, "whole")
			exit(ch, 0)
		case "hangs":
			_, _ = io.WriteString(ch, "so far")
			<-release
		}
	}})
	t.Cleanup(func() { close(release) })
	c := mustDial(t, transport.Options{MaxOutput: 1 << 20, MaxErrors: 1 << 10}, at(s, key))
	out, err := c.Exec(t.Context(), "fails")
	if err != nil || out.Status != 3 || string(out.Stderr) != "no such thing\n" {
		t.Errorf("a failing command: %+v, %v", out, err)
	}
	if out, err := c.Exec(t.Context(), "killed"); err != nil || out.Signal != "KILL" {
		t.Errorf("a killed command: %+v, %v", out, err)
	}
	if _, err := c.Exec(t.Context(), "cut"); !errors.Is(err, transport.ErrCut) || errors.Is(err, transport.ErrLost) {
		t.Errorf("an answer that was cut: %v", err)
	}
	if _, err := c.Exec(t.Context(), "long"); !errors.Is(err, transport.ErrTooLong) {
		t.Errorf("a long answer: %v", err)
	}
	if out, err := c.Exec(t.Context(), "exactly"); err != nil || len(out.Stdout) != 1<<20 {
		t.Errorf("an answer as long as allowed: %d, %v", len(out.Stdout), err)
	}
	if out, err := c.Exec(t.Context(), "complains"); err != nil || string(out.Stdout) != "whole" || len(out.Stderr) != 1<<10 {
		t.Errorf("long complaints: %q, %d, %v", out.Stdout, len(out.Stderr), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Exec(ctx, "hangs"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command that hangs: %v", err)
	}
	if _, err := c.Exec(t.Context(), "fails"); err != nil {
		t.Errorf("after a command that hangs: %v", err)
	}
	c = mustDial(t, transport.Options{Command: 50 * time.Millisecond}, at(s, key))
	if _, err := c.Exec(t.Context(), "hangs"); !errors.Is(err, transport.ErrTimeout) {
		t.Errorf("a command that takes longer than it may: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestExec_refused(t *testing.T) {
	t.Parallel()
	key := hostKey(t)
	s := serve(t, behaviour{keys: []ssh.Signer{key}, refuseExec: true})
	c := mustDial(t, transport.Options{}, at(s, key))
	if _, err := c.Exec(t.Context(), "anything"); !errors.Is(err, transport.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

// A server that allows one session at a time gets one at a time; one that allows any gets no more than it should.
func TestExec_sessions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ allowed, most int }{"one": {1, 1}, "two": {2, 2}, "any": {0, 4}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := hostKey(t)
			var running atomic.Int32
			all := make(chan struct{})
			s := serve(t, behaviour{keys: []ssh.Signer{key}, sessions: tt.allowed, answer: func(ch ssh.Channel, command string) {
				if int(running.Add(1)) == tt.most {
					close(all)
				}
				<-all // as many as there may be run together
				_, _ = io.WriteString(ch, command)
				exit(ch, 0)
			}})
			c := mustDial(t, transport.Options{}, at(s, key))
			var group sync.WaitGroup
			for range 24 {
				group.Go(func() {
					if out, err := c.Exec(t.Context(), "x"); err != nil || string(out.Stdout) != "x" {
						t.Errorf("got %q, %v", out.Stdout, err)
					}
				})
			}
			group.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.most > tt.most {
				t.Errorf("%d at once, want %d", s.most, tt.most)
			}
		})
	}
}

// A server that stops answering is noticed, whatever was waited for, and the end of the context ends everything.
func TestClient_ends(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		behaviour behaviour
		end       func(s *server, cancel func())
		want      error
	}{
		"reset while a command runs":      {behaviour{answer: silence}, func(s *server, _ func()) { s.hangUp() }, transport.ErrLost},
		"reset while a session is opened": {behaviour{stallOpen: true}, func(s *server, _ func()) { s.hangUp() }, transport.ErrLost},
		"context while a command runs":    {behaviour{answer: silence}, func(_ *server, cancel func()) { cancel() }, context.Canceled},
		"context while one is opened":     {behaviour{stallOpen: true}, func(_ *server, cancel func()) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := hostKey(t)
			tt.behaviour.keys = []ssh.Signer{key}
			s := serve(t, tt.behaviour)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c, err := transport.Dial(ctx, []transport.Server{at(s, key)}, transport.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			timer := time.AfterFunc(50*time.Millisecond, func() { tt.end(s, cancel) })
			defer timer.Stop()
			if _, err := c.Exec(context.WithoutCancel(ctx), "x"); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			<-c.Done()
		})
	}
}

// silence says nothing until the connection ends.
func silence(ch ssh.Channel, _ string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := ch.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			return
		}
	}
}

// The network swallows everything from a moment on: no reset, no answer. Only asking shows it.
func TestClient_deadPeer(t *testing.T) {
	t.Parallel()
	key := hostKey(t)
	s := serve(t, behaviour{keys: []ssh.Signer{key}, answer: silence})
	var swallow atomic.Bool
	c := mustDial(t, transport.Options{
		KeepAlive: 50 * time.Millisecond,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return &hole{conn, &swallow}, err
		},
	}, at(s, key))
	swallow.Store(true)
	if _, err := c.Exec(t.Context(), "x"); !errors.Is(err, transport.ErrLost) || !errors.Is(err, transport.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

// hole is a connection that can be made to swallow what is written.
type hole struct {
	net.Conn
	swallow *atomic.Bool
}

func (h *hole) Write(p []byte) (int, error) {
	if h.swallow.Load() {
		return len(p), nil
	}
	return h.Conn.Write(p)
}
