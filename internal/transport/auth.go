package transport

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// login is one attempt to log in.
type login struct {
	server Server
	agent  *agentKeys
	tried  []string // what was shown to the host, in order
}

func (s Server) login() *login {
	return &login{server: s, agent: &agentKeys{socket: s.Agent, only: len(s.Keys) == 0 && s.Password == nil}}
}

// methods gives the ways to log in, in the order in which they are tried.
func (l *login) methods(ctx context.Context) []ssh.AuthMethod {
	var methods []ssh.AuthMethod
	s := l.server
	if len(s.Keys) > 0 || s.Agent != "" {
		methods = append(methods, ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			of, err := l.agent.signers(ctx)
			if err != nil && l.agent.only {
				return nil, err
			}
			l.tried = append(l.tried, "publickey")
			return append(append([]ssh.Signer{}, s.Keys...), of...), nil
		}))
	}
	if s.Password != nil {
		methods = append(methods,
			ssh.PasswordCallback(func() (string, error) {
				l.tried = append(l.tried, "password")
				return s.Password(), nil
			}),
			ssh.KeyboardInteractive(onlyPassword(s.Password)))
	}
	return methods
}

// onlyPassword answers one hidden question, once. Whatever else a host asks for (a code, a new password) is for a person.
func onlyPassword(password func() string) ssh.KeyboardInteractiveChallenge {
	asked := false
	return func(_, _ string, questions []string, echos []bool) ([]string, error) {
		switch {
		case len(questions) == 0:
			return nil, nil
		case asked || len(questions) > 1 || echos[0]:
			return nil, errors.New("authentication asks for more than a password")
		}
		asked = true
		return []string{password()}, nil
	}
}

// agentKeys are the keys that an agent holds. It is asked when the host wants to see keys, and has to stay connected until it has signed.
type agentKeys struct {
	socket string
	only   bool // there is nothing else to log in with

	mu   sync.Mutex
	conn net.Conn
	why  error // it gave no keys
}

const agentLimit = 10 * time.Second // an agent may ask its owner

func (a *agentKeys) signers(ctx context.Context) ([]ssh.Signer, error) {
	if a.socket == "" {
		return nil, nil
	}
	signers, err := a.ask(ctx)
	if err != nil {
		err = &LocalError{What: "authentication agent (SSH_AUTH_SOCK)", Err: err}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.why = err
	return signers, err
}

// alone gives why the agent gave no keys, if there was nothing else to log in with.
func (a *agentKeys) alone() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.only {
		return nil
	}
	return a.why
}

func (a *agentKeys) ask(ctx context.Context) ([]ssh.Signer, error) {
	ctx, cancel := context.WithTimeout(ctx, agentLimit)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", a.socket)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.conn = conn
	a.mu.Unlock()
	if err := conn.SetDeadline(time.Now().Add(agentLimit)); err != nil {
		return nil, err
	}
	return agent.NewClient(conn).Signers()
}

func (a *agentKeys) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		_ = a.conn.Close() // it has signed, or nobody waits for it
	}
}

// ParseKey reads a private key in OpenSSH's or PEM form. Its errors hold nothing of the key.
func ParseKey(text, passphrase string) (ssh.Signer, error) {
	var signer ssh.Signer
	var err error
	if passphrase == "" {
		signer, err = ssh.ParsePrivateKey([]byte(text))
	} else {
		signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(text), []byte(passphrase))
	}
	var missing *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return signer, nil
	case errors.As(err, &missing):
		return nil, errors.New("the private key is encrypted, and no passphrase is given")
	case passphrase != "":
		return nil, errors.New("the private key cannot be read: damaged, or encrypted with another passphrase")
	}
	return nil, errors.New("the private key cannot be read")
}
