package transport_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/throughline-dc/throughline/internal/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDial_login(t *testing.T) {
	t.Parallel()
	key := hostKey(t)
	text, public := privateText(t, "")
	mine, err := transport.ParseKey(text, "")
	if err != nil {
		t.Fatal(err)
	}
	other, err := transport.ParseKey(func() string { s, _ := privateText(t, "x"); return s }(), "x")
	if err != nil {
		t.Fatal(err)
	}
	byKey := func(s ssh.Signer) func(*transport.Server) {
		return func(to *transport.Server) { to.Password, to.Keys = nil, []ssh.Signer{s} }
	}
	tests := map[string]struct {
		behaviour behaviour
		change    func(*transport.Server)
		denied    bool
		local     bool   // it is this machine that is in the way
		says      string // in the error
		attempts  string // "-": it depends on who is faster, the end of the attempt or that of the connection
	}{
		"password":                {behaviour: behaviour{}, attempts: "none password"},
		"password and a banner":   {behaviour: behaviour{banner: "go away\n"}, attempts: "none password"},
		"wrong password":          {change: func(to *transport.Server) { to.Password = func() string { return "other" } }, denied: true, attempts: "none password"},
		"wrong user":              {change: func(to *transport.Server) { to.User = "root" }, denied: true, attempts: "none password"},
		"key":                     {behaviour: behaviour{authorized: public}, change: byKey(mine), attempts: "none publickey"},
		"wrong key":               {behaviour: behaviour{authorized: public}, change: byKey(other), denied: true, attempts: "none publickey"},
		"key, then password":      {behaviour: behaviour{authorized: public}, change: func(to *transport.Server) { to.Keys = []ssh.Signer{other} }, attempts: "none publickey password"},
		"nothing to show":         {change: func(to *transport.Server) { to.Password = nil }, denied: true, attempts: "none"},
		"keyboard-interactive":    {behaviour: behaviour{noPassword: true, interactive: []string{"Password: "}}, attempts: "none keyboard-interactive"},
		"more than a password":    {behaviour: behaviour{noPassword: true, interactive: []string{"Password: ", "Code: "}}, denied: true, attempts: "-"},
		"keys only":               {behaviour: behaviour{noPassword: true, authorized: public}, denied: true, attempts: "none"},
		"agent that is not there": {behaviour: behaviour{authorized: public}, change: func(to *transport.Server) { to.Password, to.Agent = nil, "/nonexistent/agent" }, local: true, says: "authentication agent (SSH_AUTH_SOCK): dial unix /nonexistent/agent: ", attempts: "none"},
		"wrong password without PAM": {
			behaviour: behaviour{refusesAsk: true}, change: func(to *transport.Server) { to.Password = func() string { return "other" } },
			denied: true, says: "refused were password, keyboard-interactive", attempts: "-",
		},
		"wrong key and password without PAM": {
			behaviour: behaviour{refusesAsk: true, authorized: public}, denied: true, says: "refused were publickey, password, keyboard-interactive", attempts: "-",
			change: func(to *transport.Server) {
				to.Password, to.Keys = func() string { return "other" }, []ssh.Signer{other}
			},
		},
		"no agent, but a password": {behaviour: behaviour{authorized: public}, change: func(to *transport.Server) { to.Agent = "/nonexistent/agent" }, attempts: "none password"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.behaviour.keys = []ssh.Signer{key}
			s := serve(t, tt.behaviour)
			to := at(s, key)
			if tt.change != nil {
				tt.change(&to)
			}
			c, err := dial(t, transport.Options{}, to)
			var auth *transport.AuthError
			var local *transport.LocalError
			if errors.As(err, &auth) != tt.denied || errors.As(err, &local) != tt.local || !tt.denied && !tt.local && err != nil {
				t.Fatalf("got %v", err)
			}
			if tt.says != "" && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %q, want %q in it", err, tt.says)
			}
			if attempts := s.seen(); tt.attempts != "-" && strings.Join(slices.Compact(attempts), " ") != tt.attempts {
				t.Errorf("tried %q, want %q", attempts, tt.attempts)
			}
			if err != nil {
				return
			}
			out, err := c.Exec(t.Context(), "hello")
			if err != nil || string(out.Stdout) != "hello" || out.Status != 0 {
				t.Errorf("got %q, status %d, %v", out.Stdout, out.Status, err)
			}
		})
	}
}

func TestDial_agent(t *testing.T) {
	t.Parallel()
	key, mine := hostKey(t), hostKey(t)
	ring := agent.NewKeyring()
	text, public := privateText(t, "")
	raw, err := ssh.ParseRawPrivateKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Add(agent.AddedKey{PrivateKey: raw}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { _ = agent.ServeAgent(ring, conn); _ = conn.Close() })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); group.Wait() })
	s := serve(t, behaviour{keys: []ssh.Signer{key}, authorized: public, noPassword: true})
	to := at(s, key)
	to.Agent, to.Keys = socket, []ssh.Signer{mine}
	mustDial(t, transport.Options{}, to)
}

// A host that does not prove to be the known one gets nothing: it does not even see the attempt to log in.
func TestDial_hostKey(t *testing.T) {
	t.Parallel()
	key, other, ecdsa, rsa := hostKey(t), hostKey(t), ecdsaKey(t), rsaKey(t)
	line := func(address string, k ssh.Signer) string {
		return knownhosts.Line([]string{address}, k.PublicKey()) + "\n"
	}
	hashed := func(address string, k ssh.Signer) string {
		return knownhosts.Line([]string{knownhosts.HashHostname(knownhosts.Normalize(address))}, k.PublicKey()) + "\n"
	}
	type known func(address string) string
	tests := map[string]struct {
		shows   []ssh.Signer
		pins    []ssh.Signer
		known   known
		accept  bool
		ok      bool
		changed bool
		revoked bool
		after   known // content of the file afterwards, if it is to change
	}{
		"pinned":                            {shows: []ssh.Signer{key}, pins: []ssh.Signer{key}, ok: true},
		"pinned among several":              {shows: []ssh.Signer{key}, pins: []ssh.Signer{other, key}, ok: true},
		"pinned another of the same kind":   {shows: []ssh.Signer{key}, pins: []ssh.Signer{other}, changed: true},
		"pinned another, new ones accepted": {shows: []ssh.Signer{key}, pins: []ssh.Signer{other}, accept: true, changed: true},
		"pinned another kind that it has":   {shows: []ssh.Signer{key, ecdsa, rsa}, pins: []ssh.Signer{rsa}, ok: true},
		"pinned another kind that it lacks": {shows: []ssh.Signer{key, ecdsa}, pins: []ssh.Signer{rsa}, changed: true},
		"first contact":                     {shows: []ssh.Signer{key}},
		"first contact, accepted": {
			shows: []ssh.Signer{key}, accept: true, ok: true,
			after: func(a string) string { return line(a, key) },
		},
		"first contact, accepted beside others": {
			shows: []ssh.Signer{key}, accept: true, ok: true, known: func(string) string { return "# mine\n" + line("192.0.2.1:22", other) },
			after: func(a string) string { return "# mine\n" + line("192.0.2.1:22", other) + line(a, key) },
		},
		"known":                      {shows: []ssh.Signer{key}, known: func(a string) string { return line(a, key) }, ok: true},
		"known by a hash":            {shows: []ssh.Signer{key}, known: func(a string) string { return hashed(a, key) }, ok: true},
		"known for another port":     {shows: []ssh.Signer{key}, known: func(string) string { return line("127.0.0.1:22", key) }},
		"known of another kind":      {shows: []ssh.Signer{key, ecdsa, rsa}, known: func(a string) string { return line(a, rsa) }, ok: true},
		"changed":                    {shows: []ssh.Signer{key}, known: func(a string) string { return line(a, other) }, changed: true},
		"changed, new ones accepted": {shows: []ssh.Signer{key}, known: func(a string) string { return line(a, other) }, accept: true, changed: true},
		"changed, by a hash":         {shows: []ssh.Signer{key}, known: func(a string) string { return hashed(a, other) }, accept: true, changed: true},
		"changed to another kind":    {shows: []ssh.Signer{key}, known: func(a string) string { return line(a, rsa) }, accept: true, changed: true},
		"changed, but pinned":        {shows: []ssh.Signer{key}, pins: []ssh.Signer{key}, known: func(a string) string { return line(a, other) }, ok: true},
		"known, but another pinned":  {shows: []ssh.Signer{key}, pins: []ssh.Signer{other}, known: func(a string) string { return line(a, key) }, changed: true},
		"known, another pinned, new ones accepted": {
			shows: []ssh.Signer{key}, pins: []ssh.Signer{other}, known: func(a string) string { return line(a, key) }, accept: true, changed: true,
		},
		"known, but another kind pinned": {
			shows: []ssh.Signer{key, ecdsa}, pins: []ssh.Signer{ecdsa}, known: func(a string) string { return line(a, key) }, ok: true,
		},
		"revoked":                     {shows: []ssh.Signer{key}, known: func(string) string { return "@revoked * " + line("x", key)[2:] }, revoked: true},
		"revoked, although pinned":    {shows: []ssh.Signer{key}, pins: []ssh.Signer{key}, known: func(string) string { return "@revoked * " + line("x", key)[2:] }, revoked: true},
		"an authority, but plain key": {shows: []ssh.Signer{key}, known: func(a string) string { return "@cert-authority " + line(a, other) }, accept: true, changed: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, behaviour{keys: tt.shows})
			to := at(s, tt.pins...)
			file := filepath.Join(t.TempDir(), "known_hosts")
			before := ""
			if tt.known != nil {
				before = tt.known(s.address)
				if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			to.Trust.Known, to.Trust.AcceptNew = transport.NewKnownHosts(file), tt.accept
			_, err := dial(t, transport.Options{}, to)
			attempts := s.seen()
			if tt.ok {
				if err != nil || len(attempts) == 0 {
					t.Fatalf("got %v, attempts %v", err, attempts)
				}
			} else {
				var strange *transport.HostKeyError
				if !errors.As(err, &strange) {
					t.Fatalf("got %v", err)
				}
				if strange.Changed != tt.changed || strange.Revoked != tt.revoked || strange.Address != s.address {
					t.Errorf("got %+v", strange)
				}
				if want := ssh.FingerprintSHA256(key.PublicKey()); strange.Fingerprint != want || !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %s", err, want)
				}
				if len(attempts) > 0 {
					t.Errorf("the host saw attempts to log in: %v", attempts)
				}
			}
			if tt.after != nil {
				before = tt.after(s.address)
				if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("the file: %v, %v", info, err)
				}
			}
			if now, _ := os.ReadFile(file); string(now) != before {
				t.Errorf("the file holds\n%swant\n%s", now, before)
			}
		})
	}
}

func TestDial_hostCertificate(t *testing.T) {
	t.Parallel()
	authority, key := hostKey(t), hostKey(t)
	certify := func(t *testing.T, principal string, until time.Time) ssh.Signer {
		t.Helper()
		c := &ssh.Certificate{
			Key: key.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{principal},
			ValidAfter: 1, ValidBefore: uint64(until.Unix()),
		}
		if err := c.SignCert(rand.Reader, authority); err != nil {
			t.Fatal(err)
		}
		s, err := ssh.NewCertSigner(c, key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	later := time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		shows ssh.Signer
		ok    bool
	}{
		"good":             {certify(t, "127.0.0.1", later), true},
		"of another host":  {certify(t, "192.0.2.1", later), false},
		"that has expired": {certify(t, "127.0.0.1", time.Now().Add(-time.Hour)), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, behaviour{keys: []ssh.Signer{tt.shows}})
			file := filepath.Join(t.TempDir(), "known_hosts")
			text := "@cert-authority " + knownhosts.Line([]string{s.address}, authority.PublicKey()) + "\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			to := at(s)
			to.Trust = transport.Trust{Known: transport.NewKnownHosts(file), AcceptNew: true}
			_, err := dial(t, transport.Options{}, to)
			attempts := s.seen()
			if tt.ok && err != nil {
				t.Fatal(err)
			}
			var strange *transport.HostKeyError
			if !tt.ok && (!errors.As(err, &strange) || strange.Reason == "" || len(attempts) > 0) {
				t.Errorf("got %v after %v", err, attempts)
			}
		})
	}
}

// Many devices are met for the first time at once: none is lost, and every key is there once.
func TestKnownHosts_atOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "known_hosts")
	known := transport.NewKnownHosts(file)
	const devices = 12
	key := hostKey(t)
	var ways []transport.Server
	for range devices {
		to := at(serve(t, behaviour{keys: []ssh.Signer{key}}))
		to.Trust = transport.Trust{Known: known, AcceptNew: true}
		ways = append(ways, to, to)
	}
	var group sync.WaitGroup
	for _, to := range ways {
		group.Go(func() {
			c, err := transport.Dial(t.Context(), []transport.Server{to}, transport.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
		})
	}
	group.Wait()
	text, err := os.ReadFile(file)
	if n := strings.Count(string(text), "\n"); err != nil || n != devices {
		t.Errorf("%d lines, %v:\n%s", n, err, text)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// What is wrong with the file is no fault of the host.
func TestKnownHosts_unreadable(t *testing.T) {
	t.Parallel()
	garbage := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(garbage, []byte("# fine\nhost ssh-ed25519 AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, says := range map[string]string{
		garbage:                       "known_hosts:2",
		t.TempDir():                   "known hosts: ",
		"/nonexistent/of/known_hosts": "known hosts: keep the key of ",
	} {
		s := serve(t, behaviour{})
		to := at(s)
		to.Trust = transport.Trust{Known: transport.NewKnownHosts(file), AcceptNew: true}
		_, err := dial(t, transport.Options{}, to)
		var local *transport.LocalError
		if attempts := s.seen(); !errors.As(err, &local) || !strings.Contains(err.Error(), says) || len(attempts) > 0 {
			t.Errorf("%s: got %v after %v", file, err, attempts)
		}
	}
}

// Each host on the way has its own key and its own login, and one that is not right ends the way there.
func TestDial_jump(t *testing.T) {
	t.Parallel()
	key1, key2, key3 := hostKey(t), hostKey(t), hostKey(t)
	far := serve(t, behaviour{keys: []ssh.Signer{key3}})
	middle := serve(t, behaviour{keys: []ssh.Signer{key2}, forward: true})
	near := serve(t, behaviour{keys: []ssh.Signer{key1}, forward: true})
	c := mustDial(t, transport.Options{}, at(near, key1), at(middle, key2), at(far, key3))
	if out, err := c.Exec(t.Context(), "through two"); err != nil || string(out.Stdout) != "through two" {
		t.Errorf("got %q, %v", out.Stdout, err)
	}
	attempts := far.seen()
	_, err := dial(t, transport.Options{}, at(near, key1), at(middle, key1), at(far, key3))
	var strange *transport.HostKeyError
	if !errors.As(err, &strange) || strange.Address != middle.address || !strings.HasPrefix(err.Error(), "jump host "+middle.address) {
		t.Errorf("a jump host with another key: %v", err)
	}
	if after := far.seen(); len(after) != len(attempts) {
		t.Error("the way went on behind a host that was not right")
	}
	refuses := serve(t, behaviour{keys: []ssh.Signer{key1}})
	if _, err := dial(t, transport.Options{}, at(refuses, key1), at(far, key3)); err == nil {
		t.Error("a jump host that does not forward led somewhere")
	}
	near.hangUp()
	if _, err := c.Exec(t.Context(), "again"); !errors.Is(err, transport.ErrLost) {
		t.Errorf("behind a jump host that is gone: %v", err)
	}
}

// No more connections are set up at once to a server than its gate lets in.
func TestDial_gate(t *testing.T) {
	t.Parallel()
	key := hostKey(t)
	s := serve(t, behaviour{keys: []ssh.Signer{key}})
	to := at(s, key)
	const allowed = 2
	to.Gate = make(chan struct{}, allowed)
	for range allowed {
		to.Gate <- struct{}{}
	}
	var under, most atomic.Int32
	check := to.Password
	to.Password = func() string { // asked in the middle of the setting up
		n := under.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(5 * time.Millisecond) //nolint:forbidigo // a while for others to come by, if they could
		under.Add(-1)
		return check()
	}
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() {
			c, err := transport.Dial(t.Context(), []transport.Server{to}, transport.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
		})
	}
	group.Wait()
	if n := most.Load(); n > allowed {
		t.Errorf("%d connections were set up at once, want %d at most", n, allowed)
	}
	for range allowed {
		<-to.Gate
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := transport.Dial(ctx, []transport.Server{to}, transport.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("before a gate that is shut: %v", err)
	}
}

func TestDial_oldAlgorithms(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*ssh.ServerConfig){
		"key exchange": func(c *ssh.ServerConfig) { c.KeyExchanges = []string{"diffie-hellman-group1-sha1"} },
		"cipher":       func(c *ssh.ServerConfig) { c.Ciphers = []string{"aes128-cbc"} },
		"MAC":          func(c *ssh.ServerConfig) { c.Ciphers, c.MACs = []string{"aes128-ctr"}, []string{"hmac-sha1-96"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := hostKey(t)
			s := serve(t, behaviour{keys: []ssh.Signer{key}, config: change})
			_, err := dial(t, transport.Options{}, at(s, key))
			var old *transport.AlgorithmError
			if !errors.As(err, &old) || !strings.Contains(old.What, name) || len(old.Offered) == 0 {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("host key", func(t *testing.T) {
		t.Parallel()
		key := rsaKey(t)
		a, ok := key.(ssh.AlgorithmSigner)
		if !ok {
			t.Fatal("no algorithms")
		}
		sha1, err := ssh.NewSignerWithAlgorithms(a, []string{ssh.KeyAlgoRSA})
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t, behaviour{keys: []ssh.Signer{sha1}})
		_, err = dial(t, transport.Options{}, at(s, key))
		var old *transport.AlgorithmError
		if !errors.As(err, &old) || old.What != "host key" || !slices.Equal(old.Offered, []string{"ssh-rsa"}) {
			t.Errorf("got %v", err)
		}
	})
}

// Every step has its own limit, and says which it was.
func TestDial_slow(t *testing.T) {
	t.Parallel()
	key := hostKey(t)
	const brief = 50 * time.Millisecond
	listener, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	mute := &server{address: listener.Addr().String()}
	stalled := serve(t, behaviour{keys: []ssh.Signer{key}, stallLogin: true})
	never := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	for name, tt := range map[string]struct {
		to      *server
		options transport.Options
		says    string
	}{
		"connection":   {mute, transport.Options{Connect: brief, Dial: never}, "connect to"},
		"key exchange": {mute, transport.Options{Handshake: brief}, "the key exchange took longer"},
		"login":        {stalled, transport.Options{Login: brief}, "the login took longer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := dial(t, tt.options, at(tt.to, key))
			if !errors.Is(err, transport.ErrTimeout) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v", err)
			}
		})
		t.Run(name+" given up", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), brief)
			defer cancel()
			_, err := transport.Dial(ctx, []transport.Server{at(tt.to, key)}, transport.Options{Dial: tt.options.Dial})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDial_notSSH(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		conn, err := listener.Accept()
		if err == nil {
			_, _ = io.WriteString(conn, strings.Repeat("HTTP/1.1 400 Bad Request\r\n", 4000))
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = listener.Close(); group.Wait() })
	_, err = dial(t, transport.Options{}, at(&server{address: listener.Addr().String()}))
	if !errors.Is(err, transport.ErrNotSSH) {
		t.Errorf("got %v", err)
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	const phrase = "c4nary-passphrase"
	plain, public := privateText(t, "")
	sealed, _ := privateText(t, phrase)
	if s, err := transport.ParseKey(plain, ""); err != nil || string(s.PublicKey().Marshal()) != string(public.Marshal()) {
		t.Errorf("a plain key: %v", err)
	}
	if _, err := transport.ParseKey(sealed, phrase); err != nil {
		t.Errorf("an encrypted key: %v", err)
	}
	for name, tt := range map[string]struct{ text, phrase, want string }{
		"no passphrase":    {sealed, "", "the private key is encrypted, and no passphrase is given"},
		"wrong passphrase": {sealed, phrase + "x", "the private key cannot be read: damaged, or encrypted with another passphrase"},
		"no key":           {"c4nary", "", "the private key cannot be read"},
		"half a key":       {plain[:len(plain)/2], "", "the private key cannot be read"},
	} {
		if _, err := transport.ParseKey(tt.text, tt.phrase); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
