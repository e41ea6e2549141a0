package transport_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/throughline-dc/throughline/internal/transport"
)

const (
	user     = "reader"
	password = "c4nary-password"
)

// server is an SSH server that does as it is told, and counts what it sees.
type server struct {
	address string

	mu       sync.Mutex
	attempts []string // of a login: the methods
	open     int      // sessions
	most     int      // sessions at once
	conns    []net.Conn
}

// behaviour says how a server is to be. The zero value lets the user in by password and echoes commands.
type behaviour struct {
	keys        []ssh.Signer // host keys; none: one of ed25519
	authorized  ssh.PublicKey
	interactive []string // questions; the first is hidden
	refusesAsk  bool     // offers keyboard-interactive, and refuses it without a question, as sshd without PAM
	noPassword  bool
	banner      string
	sessions    int  // most at once; 0: any
	refuseExec  bool // run no command
	stallLogin  bool
	stallOpen   bool
	config      func(*ssh.ServerConfig)
	answer      func(ch ssh.Channel, command string) // nil: prints the command, status 0
	forward     bool
}

func hostKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return signer(t, key, err)
}

func ecdsaKey(t *testing.T) ssh.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return signer(t, key, err)
}

func rsaKey(t *testing.T) ssh.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	return signer(t, key, err)
}

func signer(t *testing.T, key any, err error) ssh.Signer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// privateText is a private key as files hold it.
func privateText(t *testing.T, passphrase string) (string, ssh.PublicKey) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "made for a test")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "made for a test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), p
}

// serve starts a server on loopback, and ends it with the test.
func serve(t *testing.T, b behaviour) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: listener.Addr().String()}
	if len(b.keys) == 0 {
		b.keys = []ssh.Signer{hostKey(t)}
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			group.Go(func() { s.talk(conn, b) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.hangUp()
		group.Wait()
	})
	return s
}

// hangUp closes all connections.
func (s *server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

// seen lists the attempts to log in, by their methods.
func (s *server) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.attempts...)
}

func (s *server) note(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, method)
}

func (s *server) config(b behaviour, ended <-chan struct{}) *ssh.ServerConfig {
	c := &ssh.ServerConfig{
		// The library tells of every attempt, also of "none".
		AuthLogCallback: func(_ ssh.ConnMetadata, method string, _ error) { s.note(method) },
	}
	if b.banner != "" {
		c.BannerCallback = func(ssh.ConnMetadata) string { return b.banner }
	}
	if !b.noPassword {
		c.PasswordCallback = func(m ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) {
			if b.stallLogin {
				<-ended
			}
			if m.User() == user && string(given) == password {
				return nil, nil
			}
			return nil, errors.New("wrong")
		}
	}
	if b.authorized != nil {
		c.PublicKeyCallback = func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) == string(b.authorized.Marshal()) {
				return nil, nil
			}
			return nil, errors.New("wrong")
		}
	}
	if b.refusesAsk {
		c.KeyboardInteractiveCallback = func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			return nil, errors.New("no devices")
		}
	}
	if b.interactive != nil {
		c.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", b.interactive, make([]bool, len(b.interactive)))
			if err == nil && len(answers) > 0 && answers[0] == password {
				return nil, nil
			}
			return nil, errors.New("wrong")
		}
	}
	for _, k := range b.keys {
		c.AddHostKey(k)
	}
	if b.config != nil {
		b.config(c)
	}
	return c
}

func (s *server) talk(raw net.Conn, b behaviour) {
	defer raw.Close() //nolint:errcheck // a test server
	ended := make(chan struct{})
	// The end of the test closes the connection; a callback that stalls has to learn of it.
	conn := &watched{Conn: raw, ended: ended}
	c, channels, requests, err := ssh.NewServerConn(conn, s.config(b, ended))
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	var group sync.WaitGroup
	for open := range channels {
		switch {
		case open.ChannelType() == "direct-tcpip" && b.forward:
			group.Go(func() { forward(open) })
		case open.ChannelType() != "session":
			_ = open.Reject(ssh.UnknownChannelType, "no")
		case b.stallOpen:
		case !s.enter(b.sessions):
			_ = open.Reject(ssh.ConnectionFailed, "open failed")
		default:
			group.Go(func() { s.session(open, b) })
		}
	}
	_ = c.Close()
	group.Wait()
}

// watched closes a channel when reading ends.
type watched struct {
	net.Conn
	once  sync.Once
	ended chan struct{}
}

func (w *watched) Close() error {
	w.once.Do(func() { close(w.ended) })
	return w.Conn.Close()
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.once.Do(func() { close(w.ended) })
	}
	return n, err
}

func (s *server) enter(limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit > 0 && s.open >= limit {
		return false
	}
	s.open++
	s.most = max(s.most, s.open)
	return true
}

func (s *server) session(open ssh.NewChannel, b behaviour) {
	ch, requests, err := open.Accept()
	if err != nil {
		return
	}
	defer func() {
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
		_ = ch.Close()
	}()
	for r := range requests {
		if r.Type != "exec" {
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
			continue
		}
		command := string(r.Payload[4:])
		_ = r.Reply(!b.refuseExec, nil)
		if b.refuseExec {
			return
		}
		if b.answer != nil {
			b.answer(ch, command)
		} else {
			_, _ = io.WriteString(ch, command)
			exit(ch, 0)
		}
		return
	}
}

func exit(ch ssh.Channel, status uint32) {
	_, _ = ch.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, status))
}

func forward(open ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(open.ExtraData(), &to); err != nil {
		_ = open.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		_ = open.Reject(ssh.ConnectionFailed, "no route")
		return
	}
	ch, requests, err := open.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	var group sync.WaitGroup
	group.Go(func() { _, _ = io.Copy(conn, ch); _ = conn.Close() })
	group.Go(func() { _, _ = io.Copy(ch, conn); _ = ch.Close() })
	group.Wait()
}

// at describes the way to a server, whose key is pinned.
func at(s *server, keys ...ssh.Signer) transport.Server {
	to := transport.Server{Address: s.address, User: user, Password: func() string { return password }}
	for _, k := range keys {
		to.Trust.Pins = append(to.Trust.Pins, ssh.FingerprintSHA256(k.PublicKey()))
	}
	return to
}

// dial connects, and closes the connection with the test.
func dial(t *testing.T, o transport.Options, way ...transport.Server) (*transport.Client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	c, err := transport.Dial(ctx, way, o)
	t.Cleanup(cancel)
	if err == nil {
		t.Cleanup(c.Close)
	} else if strings.Contains(err.Error(), password) {
		t.Errorf("the password shows in %q", err)
	}
	return c, err
}

func mustDial(t *testing.T, o transport.Options, way ...transport.Server) *transport.Client {
	t.Helper()
	c, err := dial(t, o, way...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
