package reach

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Hidden is a rule of a filter that decides of no packet, whatever the circumstances.
type Hidden struct {
	Rule int   // its place in Filter.Rules
	By   []int // the rules before it that take all its packets; none: there are no such packets
}

// Bounds of one filter that is looked at: its rules, and the intervals that may be made (packet.NewSpace).
const (
	hiddenRules  = 2000
	hiddenBudget = 1 << 22
)

// HiddenRules lists the rules of a filter to which no packet gets that they match. Rules hide others only if they decide, certainly, of all packets that they match, in the same
// circumstances (interfaces, states, VLANs) or more; a jump, or a rule that writes something, lets anything come behind it. Rules that nobody understood are not looked at. The
// error is that of the context. Filters of frames, and very long or wide ones, are not looked at: known is false.
func HiddenRules(ctx context.Context, f *policy.Filter) (hidden []Hidden, known bool, err error) {
	if f.Family&^policy.IP != 0 || f.Family&policy.IP == 0 || len(f.Rules) > hiddenRules {
		return nil, false, nil
	}
	by := map[int][]int{}  // of the families looked at, who hides a rule
	times := map[int]int{} // in how many of them it is hidden
	families := 0
	for _, family := range []policy.Family{policy.IPv4, policy.IPv6} {
		if f.Family&family == 0 {
			continue
		}
		families++
		h := NewHeaders(family, Orders[0], hiddenBudget)
		h.Watch(ctx.Err)
		err := h.Try(func() {
			c := &cover{chains: chains{Headers: h}}
			for i := range f.Rules {
				if takers, is := c.next(i, &f.Rules[i]); is {
					by[i] = append(by[i], takers...)
					times[i]++
				}
			}
		})
		var overflow *packet.OverflowError
		switch {
		case errors.As(err, &overflow):
			return nil, false, nil
		case err != nil:
			return nil, false, err
		}
	}
	for i := range f.Rules {
		if times[i] == families {
			slices.Sort(by[i])
			hidden = append(hidden, Hidden{i, slices.Compact(by[i])})
		}
	}
	return hidden, true, nil
}

// cover is what the rules so far take for certain.
type cover struct {
	chains
	takers []taker
	sums   []taker // all takers of the same circumstances together
}

// taker is a rule that decides of all packets of a set, in some circumstances.
type taker struct {
	rule  int
	when  []string // terms that are not about the header
	takes packet.Set
}

// next looks at one rule: whether no packet gets to it, and by whom.
func (c *cover) next(i int, r *policy.Rule) (by []int, hidden bool) {
	if r.Unparsed != "" {
		c.wrote(r)
		return nil, false
	}
	takes, when := c.matched(r)
	rest := takes
	for _, t := range c.sums {
		if t.always(when) {
			rest = c.Minus(rest, t.takes)
		}
	}
	decides := r.Verdict == policy.Permit || r.Verdict == policy.Deny || r.Verdict == policy.Reject || r.Verdict == policy.Return
	switch {
	case rest == packet.Empty:
		return c.who(takes, when), true
	case decides && r.Uncertain == "":
		c.take(taker{i, when, takes})
	default:
		c.wrote(r)
	}
	return nil, false
}

// always tells whether a taker decides wherever some terms hold.
func (t taker) always(when []string) bool {
	return !slices.ContainsFunc(t.when, func(w string) bool { return !slices.Contains(when, w) })
}

func (c *cover) take(t taker) {
	c.takers = append(c.takers, t)
	for i := range c.sums {
		if s := &c.sums[i]; slices.Equal(s.when, t.when) {
			s.takes = c.Union(s.takes, t.takes)
			return
		}
	}
	c.sums = append(c.sums, t)
}

// who names the rules that take packets first.
func (c *cover) who(takes packet.Set, when []string) (by []int) {
	for _, t := range c.takers {
		if !t.always(when) {
			continue
		}
		if left := c.Minus(takes, t.takes); left != takes {
			by, takes = append(by, t.rule), left
		}
	}
	return by
}

// wrote forgets what was taken where packets may be others behind a rule than before it.
func (c *cover) wrote(r *policy.Rule) {
	if len(r.Set) > 0 || r.Verdict == policy.Jump || r.Verdict == policy.Goto {
		c.takers, c.sums = nil, nil
	}
}

// matched is the packets that a rule matches by their headers, and the words of its other terms.
func (c *cover) matched(r *policy.Rule) (packet.Set, []string) {
	header := policy.Rule{}
	var when []string
	for _, t := range r.Match {
		if inHeader(t.Field) {
			header.Match = append(header.Match, t)
		} else {
			when = append(when, fmt.Sprintf("%d %t %v %s", t.Field, t.Not, t.Of, strings.Join(t.Names, " ")))
		}
	}
	m := c.match(&header)
	if m.never {
		return packet.Empty, when
	}
	return c.Intersect(c.Box(m.box, packet.Full), c.Valid), when
}
