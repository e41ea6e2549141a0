package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// methods gives the ways to log in, in the order in which they are tried, and what ends the connection to the agent.
func (s Server) methods(ctx context.Context) ([]ssh.AuthMethod, func()) {
	var methods []ssh.AuthMethod
	a := &agentKeys{socket: s.Agent}
	if len(s.Keys) > 0 || s.Agent != "" {
		methods = append(methods, ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			of, err := a.signers(ctx)
			if err != nil && len(s.Keys) == 0 && s.Password == nil {
				return nil, err
			}
			return append(append([]ssh.Signer{}, s.Keys...), of...), nil
		}))
	}
	if s.Password != nil {
		methods = append(methods,
			ssh.PasswordCallback(func() (string, error) { return s.Password(), nil }),
			ssh.KeyboardInteractive(onlyPassword(s.Password)))
	}
	return methods, a.close
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

	mu   sync.Mutex
	conn net.Conn
}

const agentLimit = 10 * time.Second // an agent may ask its owner

func (a *agentKeys) signers(ctx context.Context) ([]ssh.Signer, error) {
	if a.socket == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, agentLimit)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", a.socket)
	if err != nil {
		return nil, fmt.Errorf("authentication agent: %w", err)
	}
	a.mu.Lock()
	a.conn = conn
	a.mu.Unlock()
	if err := conn.SetDeadline(time.Now().Add(agentLimit)); err != nil {
		return nil, fmt.Errorf("authentication agent: %w", err)
	}
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		return nil, fmt.Errorf("authentication agent: %w", err)
	}
	return signers, nil
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
