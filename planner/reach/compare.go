package reach

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach/packet"
)

// Change is what became of the packets from one address to another between two networks. A packet is lost that may have arrived and now need not, and opened
// that may arrive now and need not have arrived before; but where the way is the same, thing by thing, nothing has changed, however much of it is not known.
type Change struct {
	Before, After        Answer
	Lost, Opened         packet.Set // packets as they leave the sender
	LostBack, OpenedBack packet.Set // the same of replies
	Headers              *Headers
}

// Same tells that nothing changed.
func (c Change) Same() bool {
	return c.Lost == packet.Empty && c.Opened == packet.Empty && c.LostBack == packet.Empty && c.OpenedBack == packet.Empty
}

// Compare answers for two addresses, as they were in one network and are in another.
func Compare(before, after *Network, was, is [2]Endpoint, flow Flow) (Change, error) {
	c := Change{Headers: headersFor(was[0].Addr)}
	var err error
	if c.Before, err = before.between(c.Headers, was[0], was[1], flow); err != nil {
		return c, err
	}
	if c.After, err = after.between(c.Headers, is[0], is[1], flow); err != nil {
		return c, err
	}
	err = c.Headers.Try(func() {
		c.Lost, c.Opened = c.Headers.difference(c.Before.Forward, c.After.Forward)
		c.LostBack, c.OpenedBack = c.Headers.difference(c.Before.Return, c.After.Return)
	})
	return c, err
}

func (h *Headers) difference(before, after Direction) (lost, opened packet.Set) {
	if fingerprint(before.Leg) == fingerprint(after.Leg) && before.Asked == after.Asked {
		return packet.Empty, packet.Empty
	}
	return h.Minus(before.May, after.Must), h.Minus(after.May, before.Must)
}

// fingerprint is a way in words: two ways of one fingerprint treat packets alike.
func fingerprint(l *Leg) string {
	var b strings.Builder
	seen := map[*Leg]int{}
	var walk func(*Leg)
	walk = func(l *Leg) {
		if n, ok := seen[l]; ok {
			fmt.Fprintf(&b, "as %d\n", n)
			return
		}
		seen[l] = len(seen)
		for _, s := range l.Steps {
			fmt.Fprintf(&b, "%s %q %q %v %d", s.Device.Key(), s.Route, s.Doubt, s.at, s.sessions)
			if s.Filter != nil {
				b.WriteString(policies(s))
			}
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%d %q\n", l.End, l.Why)
		for _, n := range l.Next {
			fmt.Fprintf(&b, "to %s:\n", n.To)
			walk(n.Leg)
		}
	}
	walk(l)
	return b.String()
}

// policies is the filter of a step and all to which it may jump.
func policies(s Step) string {
	var names []string
	for name := range s.filters {
		names = append(names, name)
	}
	slices.Sort(names)
	text := s.Filter.Name
	for _, name := range names {
		text += s.filters[name].Encode()
	}
	return text
}
