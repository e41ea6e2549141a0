package ssh

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
	noise  noise // known after greet
}

// lines gives the forms of a command in the order in which they are tried. There are no others.
func (t table) lines(sudo bool) []string {
	lines := []string{t.line}
	if t.old != "" {
		lines = append(lines, t.old)
	}
	if t.root && sudo {
		for i := range lines {
			lines[i] = sudoPrefix + lines[i]
		}
	}
	return lines
}

// Command is a row of the fixed list, as the documentation shows it.
type Command struct {
	Name  string
	Lines []string // what may be sent: the command, and the form for older systems
	Root  bool     // also with "sudo -n " before it
	May   bool     // a device may be without it
}

// Commands is the fixed list: all that is ever sent to a device.
func Commands() []Command {
	list := tables()
	commands := make([]Command, len(list))
	for i, t := range list {
		commands[i] = Command{Name: t.name, Lines: t.lines(false), Root: t.root, May: t.may}
	}
	return commands
}

// greet sends the first command, alone: it shows whether commands are run at all.
func (s *session) greet(ctx context.Context) (answer, error) {
	t := tables()[0]
	out, err := s.send(ctx, t, 0)
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
		for _, t := range list[1:] {
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
	for form, line := range t.lines(s.sudo) {
		out, err := s.send(ctx, t, form)
		a := judge(t, line, out, err, s.noise)
		a.at = s.now()
		// A failure says more than that a command does not exist.
		if form == 0 || !a.absent {
			best = a
		}
		if err != nil {
			return best, err
		}
		if !a.again(nil) {
			break
		}
	}
	return best, nil
}

// send is the only place where something is sent to a device: a line of the fixed list.
func (s *session) send(ctx context.Context, t table, form int) (transport.Output, error) {
	return s.client.Exec(ctx, t.lines(s.sudo)[form])
}
