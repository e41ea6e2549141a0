package reach

import (
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Hit is a rule that decided something for one packet.
type Hit struct {
	Filter *policy.Filter
	Rule   *policy.Rule // nil: no rule decided, the filter's default did
	Unsure bool         // it may decide so, or not match
	Passed bool
}

// Traced is a step as one packet takes it.
type Traced struct {
	Step
	Hits []Hit
	Gone bool // here
}

// Trace follows one packet along a leg, rule by rule, and takes of several legs the first on which it is lost or in doubt, else the first. It interprets the
// rules one after the other, and uses nothing of the sets: what sets say is checked by it.
func (h *Headers) Trace(l *Leg, p packet.Packet) (steps []Traced, end End, why string) {
	p = slices.Clone(p)
	for i := range l.Steps {
		t := Traced{Step: l.Steps[i]}
		if t.Fresh {
			p = h.fresh(p)
			continue
		}
		if t.Filter != nil {
			t.meet(h, p)
		}
		steps = append(steps, t)
		if t.Gone {
			return steps, Dropped, t.dropped()
		}
	}
	if len(l.Next) == 0 {
		return steps, l.End, l.Why
	}
	var best []Traced
	end = Onward
	for _, b := range l.Next {
		if b.To.IsValid() && policy.AddrWord(b.To) != p[h.at[fieldDestination]] {
			continue
		}
		more, e, w := h.Trace(b.Leg, p)
		if end == Onward || rank(e) > rank(end) {
			best, end, why = more, e, w
		}
	}
	if end == Onward {
		return steps, Unknown, "nobody knows the way of what it has become"
	}
	return append(steps, best...), end, why
}

// meet is a filter that one packet meets. Where the filter is in doubt, nobody knows whether it says so still.
func (t *Traced) meet(h *Headers, p packet.Packet) {
	t.Hits, t.Gone = h.decide(&t.Step, p)
	for i := range t.Hits {
		t.Hits[i].Unsure = t.Hits[i].Unsure || t.Doubt != ""
	}
	t.Gone = t.Gone && t.Doubt == ""
}

// Words is the rule as people read it, with its place: "r1.cfg:12: deny ip any any". A rule in JSON or XML is put into the model's words.
func (h Hit) Words() string {
	switch {
	case h.Rule == nil && h.Filter.Missing != "":
		return h.Filter.Missing
	case h.Rule == nil:
		return "its end"
	}
	text := h.Rule.Text
	if strings.HasPrefix(text, "[{") || strings.HasPrefix(text, "{") || strings.HasPrefix(text, "<") {
		text = h.Rule.String()
	}
	if place := h.Rule.Place.String(); place != "" {
		return place + ": " + text
	}
	return text
}

// dropped names who drops a packet, and by which rule.
func (t *Traced) dropped() string {
	last := t.Hits[len(t.Hits)-1]
	filter := last.Filter.Name
	if !t.Device.IsZero() {
		filter += " of " + t.Device.Name()
	}
	if last.Rule == nil {
		return filter + " drops what no rule decides"
	}
	return filter + " drops it: " + last.Words()
}

// rank puts what an operator has to see first.
func rank(e End) int { return slices.Index([]End{Onward, Delivered, Unknown, Dropped}, e) }

// decide is what a filter does with one packet. Assignments are made in it.
func (h *Headers) decide(s *Step, p packet.Packet) (hits []Hit, gone bool) {
	at := s.at
	switch s.sessions {
	case held, perhaps:
		at.State = policy.StateEstablished
	case unheld:
		at.State = policy.StateNew
		if proto := p[h.at[fieldProtocol]].Lo; proto == tcp || proto == icmp || proto == icmpv6 {
			at.State = policy.StateInvalid
		}
	default: // new
	}
	d := &decider{Headers: h, c: &chains{Headers: h, filters: s.filters, at: at}, p: p}
	passed, _ := d.run(s.Filter, 0)
	return d.hits, !passed
}

type decider struct {
	*Headers
	c    *chains
	p    packet.Packet
	hits []Hit
}

const maxJumps = 64 // nested: nf_tables has 16

// run tells whether the packet passes, and whether the filter decided at all.
func (d *decider) run(f *policy.Filter, depth int) (passed, decided bool) {
	base := len(f.Attached) > 0
	for i := range f.Rules {
		r := &f.Rules[i]
		matches, sure := d.matches(r)
		if !matches {
			continue
		}
		unsure := !sure || r.Uncertain != "" || r.Unparsed != ""
		if unsure {
			d.hits = append(d.hits, Hit{f, r, true, r.Verdict != policy.Deny && r.Verdict != policy.Reject})
			continue
		}
		d.assign(r)
		switch r.Verdict {
		case policy.Permit:
			d.hits = append(d.hits, Hit{f, r, false, true})
			return true, true
		case policy.Deny, policy.Reject:
			d.hits = append(d.hits, Hit{f, r, false, false})
			return false, true
		case policy.Jump, policy.Goto:
			if target := d.c.filters[r.Target]; target != nil && depth < maxJumps {
				if passed, decided := d.run(target, depth+1); decided {
					return passed, true
				}
			}
			if r.Verdict == policy.Goto {
				return d.last(f, base)
			}
		case policy.Return:
			return d.last(f, base)
		default: // the next rule
		}
	}
	return d.last(f, base)
}

// matches asks one term after the other.
func (d *decider) matches(r *policy.Rule) (yes, sure bool) {
	sure = true
	for _, t := range r.Match {
		name, header := headerFields[t.Field]
		if t.Field == policy.ConnState {
			if !d.c.inState(t, d.p[d.at[fieldUntracked]].Lo) {
				return false, true
			}
			continue
		}
		if !header {
			holds, known := d.c.holds(t)
			if known && !holds {
				return false, true
			}
			sure = sure && known
			continue
		}
		if t.Family != 0 && t.Family != d.Family || !d.present(t.Field) {
			return false, true
		}
		v := d.p[d.at[name]]
		if slices.ContainsFunc(t.Of, func(of policy.Range) bool { return of.Has(v) }) == t.Not {
			return false, true
		}
	}
	return true, sure
}

// present tells whether the packet has a field at all.
func (d *decider) present(f policy.Field) bool {
	proto, later := d.p[d.at[fieldProtocol]].Lo, d.p[d.at[fieldFragment]].Lo == policy.FragmentLater
	if d.Family == policy.ARP {
		return f == policy.Mark
	}
	switch f {
	case policy.SourcePort, policy.DestinationPort:
		return !later && slices.Contains([]uint64{tcp, udp, dccp, sctp, udplite}, proto)
	case policy.ICMPType, policy.ICMPCode:
		return !later && (proto == icmp && d.Family == policy.IPv4 || proto == icmpv6 && d.Family == policy.IPv6)
	case policy.TCPFlags:
		return !later && proto == tcp
	default:
		return true
	}
}

// last is what a filter does with what none of its rules decided.
func (d *decider) last(f *policy.Filter, base bool) (passed, decided bool) {
	if !base && f.Default == policy.Return {
		return true, false
	}
	passed = f.Default == policy.Permit
	d.hits = append(d.hits, Hit{Filter: f, Unsure: f.Missing != "", Passed: passed})
	return passed, true
}

func (d *decider) assign(r *policy.Rule) {
	for _, a := range r.Set {
		if a.Field == policy.ConnState && d.c.at.untracks() {
			d.p[d.at[fieldUntracked]] = policy.Num(1)
		}
		to := a.To
		if a.Own {
			to = d.c.at.Own
		}
		if name, ok := headerFields[a.Field]; ok && len(to) > 0 && (a.Family == 0 || a.Family == d.Family) {
			v := to[0].Lo
			if a.Keep != (policy.Word{}) {
				v = kept(a, d.p[d.at[name]])
			}
			d.p[d.at[name]] = v
		}
	}
}
