package snmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/snmprec"
)

// sysUpTime is asked for where only the fact of an answer matters: every agent has it.
func sysUpTime() snmprec.OID { return snmprec.NewOID(1, 3, 6, 1, 2, 1, 1, 3, 0) }

// Session asks one device. Its walks may run at the same time: together they keep to one budget.
type Session struct {
	host   string
	port   uint16
	access collectors.SNMPAccess
	budget *budget
	hub    *hub

	meeting sync.Mutex // held by the first client of SNMPv3 while it meets the agent's engine

	mu     sync.Mutex
	peer   netip.AddrPort // host and port; not valid before the first request
	idle   []*client
	engine *engine
	heard  time.Time // when the last answer came
	dead   error     // why the device cannot be asked any more
	closed bool

	asking, mostAsking int // requests under way
}

var _ Walker = (*Session)(nil)

// NewSession prepares to ask the device at address (HOST or HOST:PORT; 161 without a port). Nothing is sent yet. What the
// access says about limits comes before the profile. It refuses what would expose secrets: SNMPv2c without the waiver, SNMPv3
// without authentication or without privacy, and passphrases below eight octets (RFC 3414 section 11.2).
func NewSession(address string, access collectors.SNMPAccess, profile Profile) (*Session, error) {
	return newSession(newHub(1), address, access, profile)
}

func newSession(h *hub, address string, access collectors.SNMPAccess, profile Profile) (*Session, error) {
	host, port, err := hostPort(address)
	if err != nil {
		return nil, err
	}
	if err := admissible(access); err != nil {
		return nil, fmt.Errorf("snmp %s: %w", address, err)
	}
	if access.Timeout > 0 {
		profile.Timeout = access.Timeout
	}
	switch {
	case access.Retries > 0:
		profile.Retries = access.Retries
	case access.Retries < 0:
		profile.Retries = 0
	}
	if access.Repetitions > 0 {
		profile.MaxRepetitions = access.Repetitions
	}
	if access.InFlight > 0 {
		profile.MaxInFlight = access.InFlight
	}
	return &Session{host: host, port: port, access: access, hub: h, budget: newBudget(profile.withDefaults())}, nil
}

func hostPort(address string) (string, uint16, error) {
	const standardPort = 161
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		// No port: a name, an IPv4 address, or an IPv6 address with or without brackets.
		host = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
		if host == "" || strings.ContainsAny(host, "[] /") {
			return "", 0, fmt.Errorf("address %q is neither HOST nor HOST:PORT", address)
		}
		return host, standardPort, nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 || host == "" {
		return "", 0, fmt.Errorf("address %q is neither HOST nor HOST:PORT", address)
	}
	return host, uint16(port), nil
}

func admissible(access collectors.SNMPAccess) error {
	const shortest = 8
	switch access.Version {
	case collectors.SNMPv2c:
		if !access.AllowV2c {
			return errors.New("SNMPv2c sends the community in the clear: use SNMPv3, or set allow_v2c for this device")
		}
		if access.Community.IsZero() {
			return errors.New("no community")
		}
		if len(access.Community.Reveal()) > 255 {
			return errors.New("the community is longer than 255 octets")
		}
		return nil
	case collectors.SNMPv3:
	default:
		return fmt.Errorf("version %s is not spoken", access.Version)
	}
	switch {
	case access.User == "":
		return errors.New("no SNMPv3 user")
	case authProtocol(access.Auth) == gosnmp.NoAuth:
		return errors.New("an SNMPv3 user without SHA-2 authentication is refused (no authentication, MD5 and SHA-1 are)")
	case privProtocol(access.Priv) == gosnmp.NoPriv:
		return errors.New("an SNMPv3 user without AES privacy is refused (no privacy and DES are)")
	case len(access.AuthKey.Reveal()) < shortest:
		return fmt.Errorf("the authentication passphrase has fewer than %d octets", shortest)
	case len(access.PrivKey.Reveal()) < shortest:
		return fmt.Errorf("the privacy passphrase has fewer than %d octets", shortest)
	}
	return nil
}

// Close ends the session. No walk may be running.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for _, c := range s.idle {
		errs = append(errs, c.close())
	}
	s.idle = nil
	if s.peer.IsValid() {
		s.peer = netip.AddrPort{}
		s.hub.leave()
	}
	return errors.Join(errs...)
}

// MostInFlight is the largest number of requests that were unanswered at one time.
func (s *Session) MostInFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mostAsking
}

// outcome is what became of a request after all its attempts.
type outcome struct {
	reply
	err     error // the device cannot be asked any more
	lost    bool  // the device lives, but this request stayed unanswered
	took    time.Duration
	sent    int // datagrams
	retries int
}

// ask carries one request to the device, as often as it needs. The caller holds a slot of the budget.
func (s *Session) ask(ctx context.Context, a ask, retries int) outcome {
	s.count(1)
	defer s.count(-1)
	var result outcome
	begun := time.Now()
	c, err := s.client(ctx, &result)
	if err != nil {
		result.err = s.fatal(ctx, err)
		return result
	}
	defer s.put(c)
	result.reply, err = s.attempts(ctx, c, a, retries, &result)
	result.took = time.Since(begun)
	switch {
	case err == nil:
	case !retryable(err):
		result.err = s.fatal(ctx, err)
	case s.alive(ctx, c, begun, &result):
		result.lost = true
	default:
		result.err = s.fatal(ctx, s.unreachable(ctx, c, err))
	}
	return result
}

func (s *Session) count(change int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking += change
	s.mostAsking = max(s.mostAsking, s.asking)
}

// attempts sends a request until it is answered or the retries are used up.
func (s *Session) attempts(ctx context.Context, c *client, a ask, retries int, count *outcome) (reply, error) {
	var last error
	for attempt := 0; attempt <= retries; attempt++ {
		if attempt > 1 && a.repetitions > 1 {
			a.repetitions /= 2 // a large answer may be what gets lost
		}
		if err := s.budget.pace(ctx, a.values()); err != nil {
			return reply{}, err
		}
		timeout, load := s.budget.timeout(attempt), s.budget.load()
		sentAt, before := time.Now(), c.wire.datagrams()
		r, err := c.exchange(ctx, a, timeout, attempt == 1)
		count.sent += c.wire.datagrams() - before
		if attempt > 0 {
			count.retries++
		}
		if err == nil {
			s.hear()
			s.budget.answered(a.values(), len(r.varbinds), time.Since(sentAt), load, attempt > 0)
			return r, nil
		}
		if !retryable(err) {
			return reply{}, err
		}
		last = err
		s.budget.unanswered(sentAt, attempt)
		if rest := timeout - time.Since(sentAt); rest > 0 {
			// Nobody listens, or what came was no answer: the next attempt is not sooner for it.
			if err := wait(ctx, rest); err != nil {
				return reply{}, err
			}
		}
	}
	return reply{}, last
}

// retryable reports whether a failed exchange says nothing final about the device.
func retryable(err error) bool {
	return !errors.Is(err, collectors.ErrDenied) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// alive finds out whether the device still answers at all after a request did not get an answer. A device that has never
// answered is not worth much patience.
func (s *Session) alive(ctx context.Context, c *client, since time.Time, count *outcome) bool {
	s.mu.Lock()
	heard := s.heard
	s.mu.Unlock()
	if heard.After(since) {
		return true
	}
	retries := s.budget.profile.Retries
	if heard.IsZero() {
		retries = min(retries, 1)
	}
	_, err := s.attempts(ctx, c, ask{names: []snmprec.OID{sysUpTime()}}, retries, count)
	return err == nil
}

func (s *Session) hear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = time.Now()
}

// unreachable puts into words that nothing usable came.
func (s *Session) unreachable(ctx context.Context, c *client, cause error) error {
	switch {
	case errors.Is(cause, errNoAnswer) && !s.everHeard() && c.engine() == nil && c.wire.dropped() == 0 && s.refused(ctx):
		return fmt.Errorf("%w: nothing listens on UDP port %d", collectors.ErrUnreachable, s.port)
	case errors.Is(cause, collectors.ErrMalformed):
		return cause
	case c.wire.dropped() > 0:
		return fmt.Errorf("%w: what answers on UDP port %d does not speak SNMP", collectors.ErrMalformed, s.port)
	case errors.Is(cause, errNoAnswer) && s.access.Version == collectors.SNMPv2c && !s.everHeard():
		return fmt.Errorf("%w: no answer (an agent does not answer to a wrong community, either)", collectors.ErrUnreachable)
	case errors.Is(cause, errNoAnswer) && c.engine() != nil && !s.everHeard():
		return fmt.Errorf("%w: the device tells its engine and then keeps silent: the privacy passphrase or protocol may be wrong",
			collectors.ErrDenied)
	case errors.Is(cause, errNoAnswer):
		return fmt.Errorf("%w: no answer", collectors.ErrUnreachable)
	default:
		return fmt.Errorf("%w: %s", collectors.ErrUnreachable, collectors.Redact(cause.Error(), s.access.Secrets()...))
	}
}

// refused finds out whether nothing listens at the device's port. That is told to a socket of one destination only, so it takes one for a
// moment, and a datagram that no agent takes for a request.
func (s *Session) refused(ctx context.Context) bool {
	const patience = 250 * time.Millisecond
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "udp", s.at().String())
	if err != nil {
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	defer conn.Close() //nolint:errcheck // nothing is buffered that could be lost
	if _, err := conn.Write([]byte{0}); err != nil {
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	_, err = conn.Read(make([]byte, 1))
	return errors.Is(err, syscall.ECONNREFUSED)
}

// at is where the device is; invalid before the first request.
func (s *Session) at() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer
}

// reach looks up the device's address and begins to use the hub, once.
func (s *Session) reach(ctx context.Context) (netip.AddrPort, error) {
	if at := s.at(); at.IsValid() {
		return at, nil
	}
	addr, err := netip.ParseAddr(s.host)
	if err != nil {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.host)
		if err != nil {
			return netip.AddrPort{}, err
		}
		addr = found[0]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.peer.IsValid() {
		if err := s.hub.use(); err != nil {
			return netip.AddrPort{}, err
		}
		s.peer = netip.AddrPortFrom(addr.Unmap(), s.port)
	}
	return s.peer, nil
}

func (s *Session) everHeard() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.heard.IsZero()
}

// fatal names the device in an error that ends the session, and remembers it unless it is the caller's end.
func (s *Session) fatal(ctx context.Context, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead != nil {
		return s.dead
	}
	named := fmt.Errorf("snmp %s: %w", net.JoinHostPort(s.host, strconv.Itoa(int(s.port))), err)
	if ctx.Err() == nil {
		s.dead = named
	}
	return named
}

// client takes an idle client or opens one. With SNMPv3 the first one meets the agent's engine before there are others.
func (s *Session) client(ctx context.Context, count *outcome) (*client, error) {
	if s.access.Version == collectors.SNMPv3 {
		s.meeting.Lock()
		defer s.meeting.Unlock()
	}
	s.mu.Lock()
	dead, closed, known := s.dead, s.closed, s.engine
	if n := len(s.idle); n > 0 && dead == nil {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	switch {
	case dead != nil:
		return nil, dead
	case closed:
		return nil, net.ErrClosed
	}
	peer, err := s.reach(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", collectors.ErrUnreachable, err)
	}
	c, err := dial(ctx, s.hub, peer, s.access, s.budget.profile.Timeout, known)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", collectors.ErrUnreachable, collectors.Redact(err.Error(), s.access.Secrets()...))
	}
	if s.access.Version != collectors.SNMPv3 || known != nil {
		return c, nil
	}
	if _, err := s.attempts(ctx, c, ask{names: []snmprec.OID{sysUpTime()}}, s.budget.profile.Retries, count); err != nil {
		if retryable(err) {
			err = s.unreachable(ctx, c, err)
		}
		return nil, errors.Join(err, c.close())
	}
	s.mu.Lock()
	s.engine = c.engine()
	s.mu.Unlock()
	return c, nil
}

// put gives a client back.
func (s *Session) put(c *client) {
	s.mu.Lock()
	if !s.closed && s.dead == nil {
		s.idle = append(s.idle, c)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	_ = c.close() // nothing was buffered that could be lost
}
