package ssh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/transport"
)

// sudoPrefix makes root run a line, or nobody: it never asks (sudo(8), -n).
const sudoPrefix = "sudo -n "

// session is one connection to one device.
type session struct {
	client *transport.Client
	sudo   bool
	atOnce int // commands
	now    func() time.Time

	noise    noise // known after greet
	searches bool  // known after greet: the user's search path has the folders of the system's commands
	budget   atomic.Int64
}

// folder is where a command is looked for: an ordinary user's search path often lacks the folders in which bridge, tc or multipath are.
type folder string

// The folders, in the order in which they are tried.
const (
	searched folder = "" // where the search path says
	usrSbin  folder = "/usr/sbin/"
	sbin     folder = "/sbin/"
)

// forms gives the command of today and, if there is one, that of older systems.
func (t table) forms() []string {
	if t.old == "" {
		return []string{t.line}
	}
	return []string{t.line, t.old}
}

// sent is what is sent for one form of a table's command. There is nothing else that is.
func (t table) sent(form int, in folder, sudo bool) string {
	line := string(in) + t.forms()[form]
	if t.root && sudo {
		line = sudoPrefix + line
	}
	return line
}

// Command is a row of the fixed list, as the documentation shows it.
type Command struct {
	Name  string
	Lines []string // what may be sent: the command, and the form for older systems; also with /usr/sbin/ or /sbin/ before it
	Root  bool     // also with "sudo -n " before that
	May   bool     // a device may be without it
}

// Commands is the fixed list: all that is ever sent to a device.
func Commands() []Command {
	list := tables()
	commands := make([]Command, len(list))
	for i, t := range list {
		commands[i] = Command{Name: t.name, Lines: t.forms(), Root: t.root, May: t.may}
	}
	return commands
}

// greet sends the first command, alone: it shows whether commands are run at all.
func (s *session) greet(ctx context.Context) (answer, error) {
	t := tables()[0]
	out, err := s.send(ctx, t, 0, searched)
	a := judge(t, t.line, out, err, noise{})
	a.at = s.now()
	switch {
	case errors.Is(err, transport.ErrRefused):
		return a, fmt.Errorf("%w: the login is accepted, but no command is run: %w", collectors.ErrDenied, err)
	case err != nil && ctx.Err() != nil:
		return a, err
	case errors.Is(err, transport.ErrLost), errors.Is(err, transport.ErrTimeout):
		return a, fmt.Errorf("%w: %s: %w", collectors.ErrUnreachable, t.line, err)
	case err != nil:
		return a, fmt.Errorf("%w: %s: %w", collectors.ErrMalformed, t.line, err)
	}
	if s.noise, err = listen(out); err != nil {
		a.lost, a.partial = true, err.Error()
		return a, fmt.Errorf("%w: %s: %w", collectors.ErrMalformed, t.line, err)
	}
	a = judge(t, t.line, out, nil, s.noise)
	a.at = s.now()
	return a, nil
}

// readAll sends the whole list, a few commands at a time. The error says that the connection or ctx ended before it was through; what was not sent by then
// has an answer that says so.
func (s *session) readAll(ctx context.Context) (map[string]answer, error) {
	list := tables()
	answers := make(map[string]answer, len(list))
	first, err := s.greet(ctx)
	answers[list[0].name] = first
	if err != nil {
		return answers, err
	}
	path, err := s.ask(ctx, list[1])
	answers[list[1].name] = path
	s.searches = hasSystemFolders(string(path.raw))
	type told struct {
		name string
		answer
		err error
	}
	next, back := make(chan table), make(chan told)
	var group sync.WaitGroup
	for range s.atOnce {
		group.Go(func() {
			for t := range next {
				a, err := s.ask(ctx, t)
				back <- told{t.name, a, err}
			}
		})
	}
	go func() {
		for _, t := range list[2:] {
			next <- t
		}
		close(next)
		group.Wait()
		close(back)
	}()
	for b := range back {
		answers[b.name] = b.answer
		// Of a connection that is lost, every command says so: once is enough.
		if err == nil && (errors.Is(b.err, transport.ErrLost) || ctx.Err() != nil) {
			err = b.err
		}
	}
	return answers, err
}

// ask gets the answer for a table: with the command of today, else with that of older systems. The error is one of the connection.
func (s *session) ask(ctx context.Context, t table) (answer, error) {
	var best answer
	for form := range t.forms() {
		a, err := s.find(ctx, t, form)
		// A failure says more than that a command does not exist.
		if form == 0 || !a.absent {
			best = a
		}
		if err != nil {
			return best, err
		}
		if !a.again() {
			break
		}
	}
	return best, nil
}

// find sends one form of a command. Where the user's search path lacks the folders of the system's commands, one that is not found is looked for there:
// that it is not in the path does not say that the device is without it.
func (s *session) find(ctx context.Context, t table, form int) (answer, error) {
	folders := []folder{searched, usrSbin, sbin}
	if s.searches || shellBuilt(t.line) {
		folders = folders[:1]
	}
	var a answer
	for _, in := range folders {
		out, err := s.send(ctx, t, form, in)
		a = judge(t, t.sent(form, in, s.sudo), out, err, s.noise)
		a.at = s.now()
		if s.budget.Add(-int64(len(a.raw))) < 0 {
			a.raw, a.lost, a.partial = nil, true, "the device has printed more than is kept of one"
		}
		if err != nil || !a.notFound {
			return a, err
		}
	}
	return a, nil
}

// shellBuilt reports that a line begins with a command that every search path has.
func shellBuilt(line string) bool {
	first, _, _ := strings.Cut(line, " ")
	return slices.Contains([]string{"sh", "grep", "uname", "printenv"}, first)
}

// hasSystemFolders reports that a search path has both folders, or the one that the other is a link to on most systems.
func hasSystemFolders(path string) bool {
	folders := strings.Split(strings.TrimSpace(path), ":")
	return slices.Contains(folders, strings.TrimSuffix(string(usrSbin), "/"))
}

// send is the only place where something is sent to a device: a line of the fixed list.
func (s *session) send(ctx context.Context, t table, form int, in folder) (transport.Output, error) {
	octets, _ := t.bound()
	return s.client.ExecUpTo(ctx, t.sent(form, in, s.sudo), octets)
}
