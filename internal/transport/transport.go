// Package transport opens authenticated connections to devices. It carries octets and knows nothing of what they mean.
//
// An SSH connection is proven before it is used: the host key is checked against what is known of the host, and no credential is sent to a host
// that is not the known one. There is no way to leave the check out.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Options bound what a connection may take. The zero value is good for a data center.
type Options struct {
	Connect   time.Duration // longest time for a TCP connection, or for a channel through a jump host; 0: 10 s
	Handshake time.Duration // for the exchange of versions and keys, until the host key is shown; 0: 10 s
	Login     time.Duration // for the authentication after that; 0: 20 s
	KeepAlive time.Duration // a peer that leaves a question unanswered for this long is gone; 0: 15 s

	Command   time.Duration // for one command, from its turn on; 0: 60 s
	Sessions  int           // most commands at once; 0: 4. A server that allows fewer gets fewer
	MaxOutput int64         // octets that a command may print; 0: 64 MiB
	MaxErrors int64         // octets of its standard error that are kept; 0: 64 KiB

	// Dial opens the first connection; nil: the system's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	for d, standard := range map[*time.Duration]time.Duration{
		&o.Connect: 10 * time.Second, &o.Handshake: 10 * time.Second, &o.Login: 20 * time.Second, &o.KeepAlive: 15 * time.Second,
		&o.Command: time.Minute,
	} {
		if *d <= 0 {
			*d = standard
		}
	}
	for n, standard := range map[*int64]int64{&o.MaxOutput: 64 << 20, &o.MaxErrors: 64 << 10} {
		if *n <= 0 {
			*n = standard
		}
	}
	if o.Sessions <= 0 {
		o.Sessions = 4
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	return o
}

// Server is one SSH server: where it is, how it proves itself, and who we are there.
type Server struct {
	Address string // HOST:PORT
	User    string
	Trust   Trust

	// Gate, if there is one, holds a value for each connection that may be set up to this server at the same time: sshd's MaxStartups drops the rest, and
	// the way to many devices leads through the same jump host.
	Gate chan struct{}

	// The credentials, in the order in which they are tried. None is sent before the host key was found right.
	Keys     []ssh.Signer
	Agent    string        // unix socket of an agent, as SSH_AUTH_SOCK names it; "": none
	Password func() string // also the answer to the only question of keyboard-interactive; nil: none
}

// Sentinels of this package. Errors of the network are passed through.
var (
	// ErrTimeout: a step of the connection took longer than it may.
	ErrTimeout = errors.New("no answer in time")
	// ErrNotSSH: what answers does not speak SSH.
	ErrNotSSH = errors.New("what answers does not speak SSH 2")
)

// AuthError says that a host, whose key was found right, refused us.
type AuthError struct {
	Address, User string
	Reason        string
}

// Error names the host and the user.
func (e *AuthError) Error() string {
	return fmt.Sprintf("%s refused the login of user %q: %s", e.Address, e.User, e.Reason)
}

// LocalError says that something of this machine is in the way, whatever the host is like: the file of host keys, or the authentication agent.
type LocalError struct {
	What string // "known hosts", "authentication agent (SSH_AUTH_SOCK)"
	Err  error
}

// Error names the part and what is wrong with it.
func (e *LocalError) Error() string { return e.What + ": " + e.Err.Error() }

// Unwrap gives what is wrong.
func (e *LocalError) Unwrap() error { return e.Err }

// AlgorithmError says that a host knows only algorithms that are not spoken any more.
type AlgorithmError struct {
	Address string
	What    string // key exchange, host key, cipher, MAC
	Offered []string
}

// Error lists what the host offers.
func (e *AlgorithmError) Error() string {
	return fmt.Sprintf("%s offers no %s that is considered safe, only %s", e.Address, e.What, strings.Join(e.Offered, ", "))
}

// Dial connects to the last server of the way, through those before it. Every one is verified and authenticated on its own. The connection ends when
// ctx ends, or by Close.
//
// The error wraps a *HostKeyError, *AuthError, *LocalError, *AlgorithmError, ErrTimeout or ErrNotSSH where one applies, and the error of ctx if that ended.
func Dial(ctx context.Context, way []Server, o Options) (*Client, error) {
	o = o.withDefaults()
	c := &Client{options: o, gone: make(chan struct{}), places: make(chan struct{}, o.Sessions), left: o.Sessions}
	for range o.Sessions {
		c.places <- struct{}{}
	}
	dial := o.Dial
	for i, s := range way {
		conn, err := enter(ctx, dial, s, o)
		if err != nil {
			c.hangUp()
			if i < len(way)-1 {
				err = fmt.Errorf("jump host %s: %w", s.Address, err)
			}
			return nil, err
		}
		c.hops = append(c.hops, conn)
		dial = conn.DialContext
	}
	if len(c.hops) == 0 {
		return nil, errors.New("no server to connect to")
	}
	c.begin(ctx)
	return c, nil
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// enter connects to one server and proves both sides to each other. A server shows one host key at a time, of the first algorithm that both know: where
// that key is not the one that is known, but another one may be, it is asked for another one.
func enter(ctx context.Context, dial dialer, s Server, o Options) (*ssh.Client, error) {
	offer, rest, err := s.Trust.algorithms(s.Address)
	if err != nil {
		return nil, err
	}
	var strange *HostKeyError
	const most = 8 // there are not that many kinds of keys
	for try := 0; len(offer) > 0 && try < most; try++ {
		var client *ssh.Client
		client, err = attempt(ctx, dial, s, o, offer)
		var key *HostKeyError
		var algorithm *ssh.AlgorithmNegotiationError
		switch {
		case err == nil:
			return client, nil
		case errors.As(err, &key) && s.Trust.mayShowAnother(key):
			if strange == nil {
				strange = key
			}
			shown := algorithmsOf(key.Algorithm)
			offer = slices.DeleteFunc(slices.Concat(offer, rest), func(a string) bool { return slices.Contains(shown, a) })
			rest = nil
		case errors.As(err, &algorithm) && algorithm.What == "host key" && (strange != nil || len(rest) > 0):
			offer, rest = rest, nil // of no known kind: what it shows instead is to be named
		case errors.As(err, &algorithm):
			return nil, &AlgorithmError{Address: s.Address, What: algorithm.What, Offered: algorithm.RequestedAlgorithms}
		default:
			return nil, err
		}
	}
	if strange != nil {
		return nil, strange
	}
	return nil, err
}

// attempt is one connection that offers these algorithms for host keys.
func attempt(ctx context.Context, dial dialer, s Server, o Options, algorithms []string) (*ssh.Client, error) {
	if s.Gate != nil {
		select {
		case <-s.Gate:
			defer func() { s.Gate <- struct{}{} }()
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to %s: %w", s.Address, ctx.Err())
		}
	}
	connecting, cancel := context.WithTimeout(ctx, o.Connect)
	conn, err := dial(connecting, "tcp", s.Address)
	late := connecting.Err() != nil && ctx.Err() == nil
	cancel()
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("connect to %s: %w", s.Address, ctx.Err())
	case err != nil && late:
		return nil, fmt.Errorf("connect to %s: %w (%s)", s.Address, ErrTimeout, o.Connect)
	case err != nil:
		return nil, fmt.Errorf("connect to %s: %w", s.Address, err)
	}
	l := hold(ctx, conn)
	defer l.release()
	l.begin("the key exchange", o.Handshake)

	var refused error // of the host key; the library would hand its text on, not itself
	proven := false
	in := s.login()
	defer in.agent.close()
	config := &ssh.ClientConfig{
		User: s.User, Auth: in.methods(ctx), HostKeyAlgorithms: algorithms, ClientVersion: "SSH-2.0-Throughline",
		HostKeyCallback: func(_ string, remote net.Addr, key ssh.PublicKey) error {
			if proven { // the keys of a connection are exchanged again from time to time
				return s.Trust.recheck(s.Address, remote, key)
			}
			if refused = s.Trust.check(s.Address, remote, key); refused == nil {
				proven = true
				l.begin("the login", o.Login)
			}
			return refused
		},
		BannerCallback: ssh.BannerCallback(func(string) error { return nil }),
	}
	safe := ssh.SupportedAlgorithms()
	config.KeyExchanges, config.Ciphers, config.MACs = safe.KeyExchanges, safe.Ciphers, safe.MACs
	inner, channels, requests, err := ssh.NewClientConn(conn, s.Address, config)
	if err == nil {
		return ssh.NewClient(inner, channels, requests), nil
	}
	if refused != nil {
		return nil, refused
	}
	return nil, explain(ctx, in, l, proven, err)
}

// refusedAtOnce is what the library says of SSH_MSG_USERAUTH_FAILURE (RFC 4252 section 5.1) where it waits for SSH_MSG_USERAUTH_INFO_REQUEST (RFC 4256): sshd
// without PAM offers keyboard-interactive and refuses it without a question.
const refusedAtOnce = "unexpected message type 51 "

// explain makes sense of an error of the handshake.
func explain(ctx context.Context, in *login, l *leash, proven bool, err error) error {
	s := in.server
	text := strings.TrimPrefix(err.Error(), "ssh: handshake failed: ")
	var algorithm *ssh.AlgorithmNegotiationError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("connect to %s: %w", s.Address, ctx.Err())
	case l.late() != nil:
		return fmt.Errorf("connect to %s: %w", s.Address, l.late())
	case errors.As(err, &algorithm):
		return algorithm
	case proven && in.agent.alone() != nil:
		return in.agent.alone()
	case proven && strings.Contains(text, refusedAtOnce):
		return &AuthError{Address: s.Address, User: s.User, Reason: "refused were " + strings.Join(append(in.tried, "keyboard-interactive"), ", ")}
	case proven && (strings.Contains(text, "unable to authenticate") || strings.Contains(text, "authentication") || strings.Contains(text, "ssh: disconnect")):
		return &AuthError{Address: s.Address, User: s.User, Reason: strings.TrimPrefix(text, "ssh: ")}
	case !proven && strings.Contains(text, "version string"):
		return fmt.Errorf("connect to %s: %w", s.Address, ErrNotSSH)
	case errors.Is(err, io.EOF):
		stage := "before it showed its host key"
		if proven {
			stage = "during the login"
		}
		return fmt.Errorf("%s closed the connection %s", s.Address, stage)
	}
	return fmt.Errorf("connect to %s: %s", s.Address, text)
}

// leash closes a connection when ctx ends or when a step of its setting up takes longer than it may.
type leash struct {
	conn io.Closer
	free func() bool

	mu    sync.Mutex
	timer *time.Timer
	step  int
	why   error
}

func hold(ctx context.Context, conn io.Closer) *leash {
	// An error of closing says nothing: the connection is given up.
	return &leash{conn: conn, free: context.AfterFunc(ctx, func() { _ = conn.Close() })}
}

// begin ends the step before and starts the time of the next.
func (l *leash) begin(what string, limit time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
	this := l.step
	l.timer = time.AfterFunc(limit, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.step == this {
			l.why = fmt.Errorf("%w: %s took longer than %s", ErrTimeout, what, limit)
			_ = l.conn.Close() // as above
		}
	})
}

func (l *leash) stop() {
	l.step++
	if l.timer != nil {
		l.timer.Stop()
	}
}

// late gives the step that took too long, nil if none did.
func (l *leash) late() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

func (l *leash) release() {
	l.free()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
}
