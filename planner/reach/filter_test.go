package reach_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

// header is a packet as the interpreter of these tests has it.
type header struct {
	source, destination              uint64
	protocol, from, to, flags, later uint64 // from, to: ports, or ICMP type and code
	dscp, mark                       uint64
}

func (p header) packet(h *reach.Headers) packet.Packet {
	values := map[string]uint64{
		"source": p.source, "destination": p.destination, "protocol": p.protocol, "sourcePort": p.from, "destinationPort": p.to, "tcpFlags": p.flags,
		"fragment": p.later, "dscp": p.dscp, "mark": p.mark,
	}
	out := make(packet.Packet, len(h.Fields()))
	for i, f := range h.Fields() {
		out[i] = packet.V(values[f.Name])
	}
	return out
}

// field gives the value of a field, and false where the packet does not have it.
func (p *header) field(f policy.Field) (*uint64, bool) {
	ports := slices.Contains([]uint64{6, 17, 33, 132, 136}, p.protocol) && p.later != policy.FragmentLater
	switch f {
	case policy.Source:
		return &p.source, true
	case policy.Destination:
		return &p.destination, true
	case policy.Protocol:
		return &p.protocol, true
	case policy.SourcePort:
		return &p.from, ports
	case policy.DestinationPort:
		return &p.to, ports
	case policy.ICMPType:
		return &p.from, p.protocol == 1 && p.later != policy.FragmentLater
	case policy.ICMPCode:
		return &p.to, p.protocol == 1 && p.later != policy.FragmentLater
	case policy.TCPFlags:
		return &p.flags, p.protocol == 6 && p.later != policy.FragmentLater
	case policy.Fragment:
		return &p.later, true
	case policy.DSCP:
		return &p.dscp, true
	case policy.Mark:
		return &p.mark, true
	default:
		panic(f)
	}
}

// outcome is what may become of a packet: it is gone, or it leaves the filter so.
type outcome struct {
	gone bool
	out  header
}

// interpreter goes through filters rule by rule, and makes each choice both ways. It is obvious and slow.
type interpreter struct {
	filters map[string]*policy.Filter
	at      reach.Context
}

func (in *interpreter) holds(r *policy.Rule, p header) (yes, unsure bool) {
	yes = true
	for _, t := range r.Match {
		switch t.Field {
		case policy.ConnState:
			yes = yes && (t.Of[0].Lo.Lo == in.at.State) != t.Not
		case policy.InInterface:
			if in.at.In == reach.Unsure {
				unsure = true
				continue
			}
			yes = yes && slices.ContainsFunc(t.Names, func(n string) bool {
				return n == in.at.In || strings.HasSuffix(n, "*") && strings.HasPrefix(in.at.In, n[:len(n)-1])
			}) != t.Not
		default:
			v, has := p.field(t.Field)
			yes = yes && has && slices.ContainsFunc(t.Of, func(of policy.Range) bool {
				if of.Mask.Lo != 0 {
					return *v&of.Mask.Lo == of.Lo.Lo&of.Mask.Lo
				}
				return of.Lo.Lo <= *v && *v <= of.Hi.Lo
			}) != t.Not
		}
	}
	return yes, unsure
}

// through gives all that may become of a packet from rule i of a filter on. back is what happens where the filter returns to.
func (in *interpreter) through(f *policy.Filter, i int, p header, back func(header) []outcome) []outcome {
	if i == len(f.Rules) {
		switch f.Default {
		case policy.Permit:
			return []outcome{{out: p}}
		case policy.Return:
			return back(p)
		default:
			return []outcome{{gone: true}}
		}
	}
	r := &f.Rules[i]
	next := func(p header) []outcome { return in.through(f, i+1, p, back) }
	home := back
	if len(f.Attached) > 0 {
		home = func(p header) []outcome { return in.through(f, len(f.Rules), p, back) }
	}
	yes, unsure := in.holds(r, p)
	if !yes {
		return next(p)
	}
	var all []outcome
	if unsure || r.Uncertain != "" || r.Unparsed != "" {
		all = next(p)
	}
	if r.Unparsed != "" {
		return append(append(append(all, outcome{gone: true}), outcome{out: p}), home(p)...)
	}
	changed := []header{p}
	for _, a := range r.Set {
		var more []header
		for _, q := range changed {
			for v := a.To[0].Lo.Lo; v <= a.To[0].Hi.Lo; v++ {
				q := q
				x, _ := q.field(a.Field)
				*x = v
				more = append(more, q)
			}
		}
		changed = more
	}
	for _, q := range changed {
		switch r.Verdict {
		case policy.Permit:
			all = append(all, outcome{out: q})
		case policy.Deny, policy.Reject:
			all = append(all, outcome{gone: true})
		case policy.Return:
			all = append(all, home(q)...)
		case policy.Continue:
			all = append(all, next(q)...)
		case policy.Jump:
			all = append(all, in.through(in.filters[r.Target], 0, q, next)...)
		case policy.Goto:
			all = append(all, in.through(in.filters[r.Target], 0, q, home)...)
		}
	}
	return all
}

// few are the values that tests use of each field, so that rules meet.
var few = map[policy.Field][]uint64{
	policy.Source: {0, 1, 2, 3, 1<<32 - 1}, policy.Destination: {0, 1, 2, 3, 1<<32 - 1}, policy.Protocol: {0, 1, 6, 17, 58}, policy.SourcePort: {0, 1, 80, 65535},
	policy.DestinationPort: {0, 1, 80, 65535}, policy.ICMPType: {0, 3, 8, 255}, policy.ICMPCode: {0, 1, 4}, policy.TCPFlags: {0, 2, 16, 18, 255},
	policy.Fragment: {0, 1, 2}, policy.DSCP: {0, 46}, policy.Mark: {0, 1, 7},
}

func anyOf[T any](t *rapid.T, of []T) T { return rapid.SampledFrom(of).Draw(t, "of") }

func anyTerm(t *rapid.T) policy.Term {
	f := anyOf(t, []policy.Field{
		policy.Source, policy.Destination, policy.Protocol, policy.SourcePort, policy.DestinationPort, policy.ICMPType, policy.ICMPCode, policy.TCPFlags,
		policy.Fragment, policy.DSCP, policy.Mark, policy.ConnState, policy.InInterface,
	})
	term := policy.Term{Field: f, Not: rapid.IntRange(0, 3).Draw(t, "not") == 0}
	switch f {
	case policy.Source, policy.Destination:
		term.Family = policy.IPv4
	case policy.ConnState:
		term.Of = []policy.Range{policy.Is(uint64(rapid.IntRange(0, 2).Draw(t, "state")))}
		return term
	case policy.InInterface:
		term.Names = []string{anyOf(t, []string{"eth0", "eth1", "eth*", "br0"})}
		return term
	default:
	}
	for range rapid.IntRange(1, 2).Draw(t, "ranges") {
		a, b := anyOf(t, few[f]), anyOf(t, few[f])
		switch f {
		case policy.TCPFlags, policy.Mark:
			term.Of = append(term.Of, policy.Bits(a, b|1))
		default:
			term.Of = append(term.Of, policy.FromTo(min(a, b), max(a, b)))
		}
	}
	return term
}

func anyRule(t *rapid.T, targets []string) policy.Rule {
	r := policy.Rule{Text: "generated", Verdict: anyOf(t, []policy.Verdict{
		policy.Permit, policy.Deny, policy.Permit, policy.Deny, policy.Reject, policy.Return, policy.Continue, policy.Jump, policy.Goto,
	})}
	for range rapid.IntRange(0, 3).Draw(t, "terms") {
		r.Match = append(r.Match, anyTerm(t))
	}
	if r.Verdict == policy.Jump || r.Verdict == policy.Goto {
		if len(targets) == 0 {
			r.Verdict = policy.Deny
		} else {
			r.Target = anyOf(t, targets)
		}
	}
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		r.Uncertain = "a limit"
	case 1:
		r.Unparsed = "a word"
	case 2, 3:
		f := anyOf(t, []policy.Field{policy.Source, policy.Destination, policy.Mark, policy.DSCP})
		a, n := anyOf(t, []uint64{0, 1, 2}), uint64(rapid.IntRange(0, 2).Draw(t, "pool"))
		r.Set = []policy.Assignment{{Field: f, Family: policy.IPv4, To: []policy.Range{policy.FromTo(a, a+n)}}}
	}
	return r
}

func anyHeader(t *rapid.T) header {
	p := header{protocol: anyOf(t, few[policy.Protocol])}
	p.source, p.destination = anyOf(t, few[policy.Source]), anyOf(t, few[policy.Destination])
	p.later, p.dscp, p.mark = anyOf(t, few[policy.Fragment]), anyOf(t, few[policy.DSCP]), anyOf(t, few[policy.Mark])
	for _, f := range []policy.Field{policy.SourcePort, policy.DestinationPort, policy.ICMPType, policy.ICMPCode, policy.TCPFlags} {
		if v, has := p.field(f); has {
			*v = anyOf(t, few[f])
		}
	}
	return p
}

func anyFilters(t *rapid.T) map[string]*policy.Filter {
	filters := map[string]*policy.Filter{}
	var names []string
	for i := range rapid.IntRange(1, 4).Draw(t, "filters") {
		f := &policy.Filter{Name: fmt.Sprint("chain", i), Family: policy.IP, Default: policy.Return}
		for range rapid.IntRange(0, 6).Draw(t, "rules") {
			f.Rules = append(f.Rules, anyRule(t, names))
		}
		filters[f.Name] = f
		names = append(names, f.Name)
	}
	base := filters[names[len(names)-1]]
	base.Attached = []policy.Attachment{{Hook: policy.HookForward}}
	base.Default = anyOf(t, []policy.Verdict{policy.Permit, policy.Deny})
	filters["base"] = base
	return filters
}

// TestPass: what must and what may pass is what the interpreter says of each packet.
func TestPass(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reach.NewHeaders(policy.IPv4, anyOf(t, reach.Orders), 0)
		filters := anyFilters(t)
		at := reach.Context{In: anyOf(t, []string{"eth0", "eth1", "br0", reach.Unsure}), State: uint64(rapid.IntRange(0, 2).Draw(t, "state"))}
		goal := h.Box(packet.Box{{Field: 0, Of: []packet.Values{packet.Span(0, 2)}}}, packet.Full)
		must, may := h.Pass(filters, "base", at, reach.Must, goal), h.Pass(filters, "base", at, reach.May, goal)
		if h.Minus(must, may) != packet.Empty {
			t.Fatal("what must pass is not within what may")
		}
		in := &interpreter{filters, at}
		for range 30 {
			p := anyHeader(t)
			if !h.Has(h.Valid, p.packet(h)) {
				t.Fatalf("%+v is no packet", p)
			}
			can, always := false, true
			for _, o := range in.through(filters["base"], 0, p, nil) {
				ok := !o.gone && h.Has(goal, o.out.packet(h))
				can, always = can || ok, always && ok
			}
			if got := h.Has(may, p.packet(h)); got != can {
				t.Fatalf("%+v may pass: %t, want %t", p, got, can)
			}
			if got := h.Has(must, p.packet(h)); got != always {
				t.Fatalf("%+v must pass: %t, want %t", p, got, always)
			}
		}
	})
}

// TestPass_keepsBitsAndFamilies: of a translation prefix to prefix both bounds hold, and what is written into packets of the one family is not into those of the other.
func TestPass_keepsBitsAndFamilies(t *testing.T) {
	t.Parallel()
	whole := []policy.Term{{Field: policy.Destination, Family: policy.IPv4, Of: []policy.Range{policy.FromTo(0, 255)}}}
	for _, c := range []struct {
		name      string
		set       policy.Assignment
		goal      policy.Range
		must, may bool
		match     []policy.Term
	}{
		{"prefix to prefix: the same of it", policy.Assignment{Family: policy.IPv4, To: []policy.Range{policy.Is(0x0a000100)}, Keep: policy.Num(0xff)}, policy.Is(0x0a000107), true, true, whole},
		{"and no other", policy.Assignment{Family: policy.IPv4, To: []policy.Range{policy.Is(0x0a000100)}, Keep: policy.Num(0xff)}, policy.Is(0x0a000108), false, false, whole},
		{"prefix to prefix", policy.Assignment{Family: policy.IPv4, To: []policy.Range{policy.Is(0x0a000100)}, Keep: policy.Num(0xff)}, policy.FromTo(0x0a000100, 0x0a0001ff), true, true, nil},
		{"one of the prefix", policy.Assignment{Family: policy.IPv4, To: []policy.Range{policy.Is(0x0a000100)}, Keep: policy.Num(0xff)}, policy.Is(0x0a000107), false, true, nil},
		{"the other family", policy.Assignment{Family: policy.IPv6, To: []policy.Range{policy.Is(1)}}, policy.Is(7), true, true, nil},
	} {
		c.set.Field = policy.Destination
		f := &policy.Filter{Name: "f", Family: policy.IP, Default: policy.Deny, Rules: []policy.Rule{{Match: c.match, Set: []policy.Assignment{c.set}, Verdict: policy.Permit}}}
		h := reach.NewHeaders(policy.IPv4, reach.Orders[0], 0)
		goal := h.Box(packet.Box{{Field: 0, Of: []packet.Values{c.goal}}}, packet.Full)
		p := make(packet.Packet, len(h.Fields()))
		p[0] = packet.V(7)
		for mode, want := range map[reach.Mode]bool{reach.Must: c.must, reach.May: c.may} {
			if got := h.Has(h.Pass(map[string]*policy.Filter{"f": f}, "f", reach.Context{}, mode, goal), p); got != want {
				t.Errorf("%s: may %t: %t", c.name, mode, got)
			}
		}
	}
}
