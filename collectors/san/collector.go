package san

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/internal/transport"
	"github.com/throughline-dc/throughline/topology"
)

// Options tune a Collector. The zero value is good for a data center.
type Options struct {
	// Transport bounds connections and answers; a device's own timeout goes before that of commands.
	Transport transport.Options
	// Now tells the time of readings; nil: the system's clock.
	Now func() time.Time
}

// Collector reads arrays. It keeps nothing of an array between two readings.
type Collector struct {
	dialer *shell.Dialer
	now    func() time.Time
}

var (
	_ collectors.Collector = (*Collector)(nil)
	_ collectors.Prober    = (*Collector)(nil)
)

// New makes a collector.
func New(options Options) *Collector {
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Collector{dialer: shell.New(shell.Options{Transport: options.Transport}), now: options.Now}
}

// session is one connection to one array.
type session struct {
	client *transport.Client
	sudo   bool
	now    func() time.Time
}

// Collect sends the commands of the fixed list over one connection, one after the other, and nothing else. The error says that the array was not reached, not
// proven or not entered, or that the connection was lost; a command that failed for a reason of its own is a partial reading. An unproven host key is a
// *transport.HostKeyError.
func (c *Collector) Collect(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
	s, err := c.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer s.client.Close()
	answers := map[string]answer{}
	for _, t := range tables() {
		a, err := s.ask(ctx, t)
		answers[t.name] = a
		if err = meaning(err); err != nil {
			observations, _ := observe(d, answers)
			return observations, shell.Ended(ctx, fmt.Errorf("%s: %w", t.line, err))
		}
	}
	observations, _ := observe(d, answers)
	return observations, nil
}

// Probe asks at which portals the array listens.
func (c *Collector) Probe(ctx context.Context, d collectors.Device) (text string, err error) {
	s, err := c.open(ctx, d)
	if err != nil {
		return "", err
	}
	defer s.client.Close()
	t := tables()[0]
	a, err := s.ask(ctx, t)
	switch err = meaning(err); {
	case err != nil:
		return "", shell.Ended(ctx, fmt.Errorf("%s: %w", t.line, err))
	case a.lost != "":
		return "", fmt.Errorf("%w: %s", collectors.ErrMalformed, a.lost)
	}
	first, _, _ := strings.Cut(topology.Text(a.raw), "\n")
	return "tgt, " + first, nil
}

func (c *Collector) open(ctx context.Context, d collectors.Device) (*session, error) {
	access, ok := d.Access.(collectors.SANAccess)
	if !ok || access.Dialect != DialectTGT {
		return nil, fmt.Errorf("%w: %s: the access of the device is not one of an array in the dialect %s but %T", collectors.ErrUnsupported, d.Handle, DialectTGT, d.Access)
	}
	client, err := c.dialer.Dial(ctx, d.Address, access.SSHAccess)
	if err != nil {
		return nil, err
	}
	return &session{client: client, sudo: access.Sudo, now: c.now}, nil
}

// meaning gives the error of a connection that ended; nil where only one command failed.
func meaning(err error) error {
	switch {
	case errors.Is(err, transport.ErrRefused):
		return fmt.Errorf("%w: the login is accepted, but no command is run: %w", collectors.ErrDenied, err)
	case errors.Is(err, transport.ErrLost):
		return fmt.Errorf("%w: %w", collectors.ErrUnreachable, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return nil
}

// sent lists what may be sent for a table, in this order: an ordinary user's search path lacks the folder in which tgtadm is.
func (t table) sent(sudo bool) []string {
	forms := []string{t.line, "/usr/sbin/" + t.line}
	if t.root && sudo {
		for i := range forms {
			forms[i] = "sudo -n " + forms[i]
		}
	}
	return forms
}

// notFound is the exit status of a shell that does not find a command (POSIX 2.8.2).
const notFound = 127

// ask gets the answer for a table. The error is that of the command, or of the connection (meaning).
func (s *session) ask(ctx context.Context, t table) (answer, error) {
	var a answer
	for _, line := range t.sent(s.sudo) {
		out, err := s.send(ctx, line)
		a = answer{raw: out.Stdout, line: line, at: s.now(), lost: judge(t, s.sudo, out, err)}
		if err != nil {
			return a, err
		}
		missing := out.Status == notFound || bytes.Contains(out.Stderr, []byte("command not found")) // sudo's own word has status 1
		if out.Status == 0 || !missing {
			break
		}
	}
	return a, nil
}

// send is the only place where something is sent to an array: a line of the fixed list.
func (s *session) send(ctx context.Context, line string) (transport.Output, error) {
	return s.client.ExecUpTo(ctx, line, maxOctets)
}

// judge says why an answer is not one that came whole; "" if it is. A command that complains has left something out, whatever its exit status; what a login
// shell has to say on standard error is another matter.
func judge(t table, sudo bool, out transport.Output, err error) string {
	words := complaint(t, out.Stderr)
	var why string
	switch {
	case err != nil:
		return err.Error()
	case out.Signal != "":
		return "the command was ended by signal " + out.Signal
	case out.Status != 0:
		first, _, _ := bytes.Cut(bytes.TrimSpace(out.Stderr), []byte("\n"))
		why = fmt.Sprintf("exit status %d: %s", out.Status, cmp.Or(words, cut(string(first))))
	case words != "":
		why = "not all could be read: " + words
	default:
		return ""
	}
	if t.root && !sudo {
		why += " (root alone may ask tgtd: sudo: true in the inventory sends this command with sudo)"
	}
	return why
}

// complaint gives the first line in which a command, or sudo, says on standard error who it is.
func complaint(t table, stderr []byte) string {
	command, _, _ := strings.Cut(t.line, " ")
	for line := range strings.Lines(string(stderr)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, command+": ") || strings.HasPrefix(line, "sudo: ") {
			return cut(line)
		}
	}
	return ""
}

// cut bounds a line that is passed on.
func cut(line string) string {
	const most = 300 // octets
	return topology.Text([]byte(line[:min(len(line), most)]))
}
