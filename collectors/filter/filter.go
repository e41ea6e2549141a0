// Package filter reads the packet filters of Linux hosts and of libvirt into the words of package policy: iptables-save, ip6tables-save and ebtables-save, the JSON of
// nftables, and libvirt's network filters. It is pure: text in, filters out.
//
// Nothing is left out. What a grammar does not understand of a rule makes the rule Unparsed, with the terms that were understood as a superset of what it matches; a match
// that changes nothing and only depends on what the model does not hold (a limit, a set that changes, an owner) makes it Uncertain. A line that belongs to no rule is in Rest.
package filter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// ErrMalformed is wrapped by errors about texts that are no filters of the dialect.
var ErrMalformed = errors.New("malformed filter")

// Ruleset is what one text says.
type Ruleset struct {
	Filters []*policy.Filter // in the order of the text
	Rest    []Line           // what belongs to no rule and was not understood
}

// Line is a part of a text that was not understood: what it does is not known.
type Line struct {
	policy.Place

	Text, Why string
}

// String is how the fact "unparsed" has a line: "FILE:LINE: TEXT".
func (l Line) String() string { return l.Place.String() + ": " + l.Text }

// Count gives the rules of the text that were understood and those that were not. A rule of the text may be several of a Filter; those that no text has (what netfilter
// adds by itself) count for nothing.
func (s *Ruleset) Count() (understood, unparsed int) {
	for _, f := range s.Filters {
		seen := map[policy.Place]bool{}
		for i := range f.Rules {
			r := &f.Rules[i]
			if r.Place.Line > 0 {
				seen[r.Place] = seen[r.Place] || r.Unparsed != ""
			}
		}
		for _, lost := range seen {
			if lost {
				unparsed++
			} else {
				understood++
			}
		}
	}
	return understood, unparsed
}

// draft is a rule while it is read.
type draft struct {
	policy.Rule

	family policy.Family // IPv4 or IPv6, where the table says which; IP otherwise
}

// term adds a term of numbers. One that every packet satisfies is not needed.
func (d *draft) term(field policy.Field, not bool, of ...policy.Range) {
	d.Match = append(d.Match, policy.Term{Field: field, Not: not, Of: of})
}

// address adds a term of addresses.
func (d *draft) address(field policy.Field, family policy.Family, not bool, of ...policy.Range) {
	d.Match = append(d.Match, policy.Term{Field: field, Family: family, Not: not, Of: of})
}

// names adds a term of interfaces.
func (d *draft) names(field policy.Field, not bool, names ...string) {
	d.Match = append(d.Match, policy.Term{Field: field, Not: not, Names: names})
}

// never makes a rule that no packet satisfies.
func (d *draft) never() { d.term(policy.Protocol, true, policy.FromTo(0, 255)) }

// masked adds a term "value under mask", as the kernel compares: bits of the value outside of the mask satisfy nobody.
func (d *draft) masked(field policy.Field, not bool, value, mask uint64) {
	switch {
	case value&^mask != 0 && !not:
		d.never()
	case value&^mask != 0, mask == 0 && !not:
		// every packet
	case mask == 0:
		d.never()
	default:
		d.term(field, not, policy.Bits(value, mask))
	}
}

// unsure notes that the rule depends on more than its terms.
func (d *draft) unsure(format string, args ...any) { join(&d.Uncertain, format, args) }

// lost notes what was not understood.
func (d *draft) lost(format string, args ...any) { join(&d.Unparsed, format, args) }

func join(to *string, format string, args []any) {
	if *to != "" {
		*to += "; "
	}
	*to += fmt.Sprintf(format, args...)
}

// set adds an assignment of numbers.
func (d *draft) set(field policy.Field, to ...policy.Range) {
	d.Set = append(d.Set, policy.Assignment{Field: field, To: to})
}

// setBits assigns a field under a mask, the other bits of its width are kept.
func (d *draft) setBits(field policy.Field, value, mask, width uint64) {
	a := policy.Assignment{Field: field, To: []policy.Range{policy.Is(value & mask)}}
	if keep := ^mask & (1<<width - 1); keep != 0 {
		a.Keep = policy.Num(keep)
	}
	if mask != 0 {
		d.Set = append(d.Set, a)
	}
}

// anything says of a rule that was not understood that it may write addresses and ports, too.
func (d *draft) anything() {
	if len(d.Set) > 0 {
		return
	}
	for _, family := range []policy.Family{policy.IPv4, policy.IPv6} {
		if d.family&family != 0 {
			d.Set = append(d.Set, policy.Assignment{Field: policy.Source, Family: family, To: []policy.Range{every(family)}},
				policy.Assignment{Field: policy.Destination, Family: family, To: []policy.Range{every(family)}})
		}
	}
	d.set(policy.SourcePort, policy.FromTo(0, 65535))
	d.set(policy.DestinationPort, policy.FromTo(0, 65535))
}

// finish gives the rule, which always has a meaning: without a verdict it goes on.
func (d *draft) finish() policy.Rule {
	if d.Verdict == 0 && d.Unparsed == "" {
		d.Verdict = policy.Continue
	}
	if (d.Verdict == policy.Jump || d.Verdict == policy.Goto) != (d.Target != "") {
		d.Verdict, d.Target = policy.Continue, ""
	}
	return d.Rule
}

// firstOfConnection is what netfilter does before the rules of a table nat: they are asked for the first packet of a connection only (nf_nat_inet_fn); what follows is
// translated as the state of the connection says.
func firstOfConnection() policy.Rule {
	return policy.Rule{
		Match:   []policy.Term{{Field: policy.ConnState, Not: true, Of: []policy.Range{policy.Is(policy.StateNew), policy.Is(policy.StateRelated)}}},
		Verdict: policy.Permit, Text: "(netfilter: only the first packet of a connection comes here)",
	}
}

// settle looks at jumps once all filters are there: one that leads nowhere is not understood.
func settle(filters []*policy.Filter) {
	known := map[string]bool{}
	for _, f := range filters {
		known[f.Name] = true
	}
	for _, f := range filters {
		for i := range f.Rules {
			r := &f.Rules[i]
			if r.Target != "" && !known[r.Target] {
				join(&r.Unparsed, "there is no chain %s", []any{r.Target})
				r.Verdict, r.Target = policy.Continue, ""
			}
		}
	}
}

// printable keeps texts that are no UTF-8 from the graph.
func printable(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
