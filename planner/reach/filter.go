package reach

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Mode says which bound of an answer is wanted.
type Mode bool

// Must is what is so whatever choice is made, May what is so for some choice. Must is always within May.
const (
	Must Mode = false
	May  Mode = true
)

// Unsure is the name of an interface that is not known.
const Unsure = "?"

// Context is what a device knows of a packet beside its header, at one hook.
type Context struct {
	In, Out         string // interfaces, by name; empty where there is none at this hook; Unsure
	InPort, OutPort string // ports of the bridge
	State           uint64 // of the connection, for this device: policy.StateNew …
	Early           bool   // the device has not asked connection tracking yet
	VLAN            uint16
	Own             []policy.Range // addresses of the interface by which the packet leaves, for translations to them; none: not known

	SourceMAC, DestinationMAC uint64 // of the frame, where it is bridged; 0: not known
	ARP                       ARP    // of frames of ARP
}

// ARP is one packet of ARP for IPv4 over Ethernet (RFC 826). What is 0 or not valid, is not known.
type ARP struct {
	Operation            uint64 // 1 request, 2 reply; 0: this is no ARP
	SenderMAC, TargetMAC uint64
	Sender, Target       netip.Addr
}

// chains evaluates the filters of one device, at one hook, for one bound.
type chains struct {
	*Headers
	filters map[string]*policy.Filter
	at      Context
	mode    Mode
	catch   bool // asked is not what passes, but what is translated

	known  map[visit]packet.Set
	inside map[string]bool // filters that are being evaluated: a jump back into one has no end
}

type visit struct {
	filter         string
	permit, behind packet.Set
}

// Pass gives the packets that a filter lets through, at a hook where the device knows what the Context says, and that then are in the set goal, which is
// over packets as they leave the filter: a filter may translate. Filters are all of its device, by name, since one jumps to others.
func (h *Headers) Pass(filters map[string]*policy.Filter, name string, at Context, mode Mode, goal packet.Set) packet.Set {
	return h.pass(&chains{Headers: h, filters: filters, at: at, mode: mode}, name, goal)
}

func (h *Headers) pass(c *chains, name string, goal packet.Set) packet.Set {
	f := c.filters[name]
	if f == nil {
		return bound(c.mode, goal)
	}
	if f.Family&h.Family == 0 {
		return goal
	}
	c.known, c.inside = map[visit]packet.Set{}, map[string]bool{}
	return c.pre(f, goal, goal)
}

// bound is what is known where nothing is: no packet must pass, all that could go on may.
func bound(mode Mode, goal packet.Set) packet.Set {
	if mode == May {
		return goal
	}
	return packet.Empty
}

// pre gives the packets with which the filter ends well: permit holds those with which its permits do, behind those with which the place it returns to does.
// It goes from the last rule to the first, so that each rule knows what becomes of the packets that it leaves.
func (c *chains) pre(f *policy.Filter, permit, behind packet.Set) packet.Set {
	v := visit{f.Name, permit, behind}
	if r, ok := c.known[v]; ok {
		return r
	}
	if c.inside[f.Name] {
		return bound(c.mode, c.Union(permit, behind))
	}
	c.inside[f.Name] = true
	rest := packet.Empty
	switch f.Default {
	case policy.Permit:
		rest = permit
	case policy.Return:
		rest = behind
	default: // it is gone
	}
	if f.Missing != "" {
		rest = c.either(rest, c.Union(permit, behind), packet.Empty)
	}
	back := rest // what Return gives in a base chain
	if len(f.Attached) == 0 {
		back = behind
	}
	for end := len(f.Rules); end > 0; {
		from := end
		for from > 0 && plain(&f.Rules[from-1]) {
			from--
		}
		if from < end {
			rest = c.run(f.Rules[from:end], permit, rest)
			end = from
			continue
		}
		end--
		rest = c.rule(&f.Rules[end], permit, back, rest)
	}
	delete(c.inside, f.Name)
	c.known[v] = rest
	return rest
}

// either is the bound of something that may be any of the sets.
func (c *chains) either(sets ...packet.Set) packet.Set {
	r := sets[0]
	for _, s := range sets[1:] {
		if c.mode == May {
			r = c.Union(r, s)
		} else {
			r = c.Intersect(r, s)
		}
	}
	return r
}

// plain rules permit or deny for certain, by the header alone, and can be taken many at a time.
func plain(r *policy.Rule) bool {
	return (r.Verdict == policy.Permit || r.Verdict == policy.Deny || r.Verdict == policy.Reject) && r.Uncertain == "" && r.Unparsed == "" && len(r.Set) == 0 &&
		!slices.ContainsFunc(r.Match, func(t policy.Term) bool { return !inHeader(t.Field) })
}

// run is a number of plain rules.
func (c *chains) run(rules []policy.Rule, permit, rest packet.Set) packet.Set {
	const permits, denies = 1, 2
	boxes, numbers := make([]packet.Box, 0, len(rules)), make([]packet.Map, 0, len(rules))
	for i := range rules {
		m := c.match(&rules[i])
		if m.never {
			continue
		}
		boxes = append(boxes, m.box)
		if rules[i].Verdict == policy.Permit {
			numbers = append(numbers, permits)
		} else {
			numbers = append(numbers, denies)
		}
	}
	list := c.List(boxes, func(i int) packet.Map { return numbers[i] })
	permitted := c.Where(list, func(n packet.Map) bool { return n == permits })
	return c.Union(c.Intersect(permitted, permit), c.Without(rest, list))
}

// rule is any rule.
func (c *chains) rule(r *policy.Rule, permit, back, rest packet.Set) packet.Set {
	m := c.match(r)
	if m.never {
		return rest
	}
	in := c.Box(m.box, packet.Full)
	effect := c.effect(r, permit, back, rest)
	if m.unsure || r.Uncertain != "" || r.Unparsed != "" {
		effect = c.either(effect, rest)
	}
	return c.Union(c.Intersect(in, effect), c.Minus(rest, in))
}

// effect is the packets with which a rule that matches ends well.
func (c *chains) effect(r *policy.Rule, permit, back, rest packet.Set) packet.Set {
	if r.Unparsed != "" {
		if len(r.Set) > 0 {
			return bound(c.mode, packet.Full) // it may have become any packet
		}
		return c.either(permit, back, packet.Empty)
	}
	if c.catch && slices.ContainsFunc(r.Set, c.translation) {
		return packet.Full
	}
	var after packet.Set
	switch r.Verdict {
	case policy.Permit:
		after = permit
	case policy.Return:
		after = back
	case policy.Continue:
		after = rest
	case policy.Jump, policy.Goto:
		behind := rest
		if r.Verdict == policy.Goto {
			behind = back
		}
		target := c.filters[r.Target]
		if target == nil {
			after = bound(c.mode, c.Union(permit, behind))
		} else {
			after = c.pre(target, permit, behind)
		}
	default: // it is gone
	}
	for _, a := range slices.Backward(r.Set) {
		after = c.assigned(r, a, after)
	}
	return after
}

// translation tells assignments to addresses and ports.
func (c *chains) translation(a policy.Assignment) bool {
	if a.Field == policy.Source || a.Field == policy.Destination {
		return a.Family == 0 || a.Family == c.Family
	}
	return a.Field == policy.SourcePort || a.Field == policy.DestinationPort
}

// assigned is the packets that are in the set once the field is assigned.
func (c *chains) assigned(r *policy.Rule, a policy.Assignment, after packet.Set) packet.Set {
	if a.Field == policy.ConnState {
		if !c.at.untracks() {
			return after
		}
		return c.Set(after, c.Headers.at[fieldUntracked], policy.Num(1))
	}
	name, ok := headerFields[a.Field]
	if !ok {
		return after // not a field of the header: decided where it is looked at
	}
	if a.Family != 0 && a.Family != c.Family {
		return after // of packets of the other family
	}
	to := a.To
	if a.Own {
		to = c.at.Own
	}
	if from, ok := shifted(r, a); ok {
		return c.Shift(after, c.Headers.at[name], from, to[0].Lo, a.Keep)
	} else if a.Keep != (policy.Word{}) && len(to) == 1 {
		to = []policy.Range{{Lo: to[0].Lo, Mask: policy.Word{Hi: ^a.Keep.Hi, Lo: ^a.Keep.Lo}}} // which of them it is depends on the packet: all, or some
	} else if len(to) == 1 && to[0].Lo == to[0].Hi {
		return c.Set(after, c.Headers.at[name], to[0].Lo)
	}
	if len(to) == 0 {
		to = []policy.Range{{Mask: policy.Word{}, Hi: policy.Word{Hi: ^uint64(0), Lo: ^uint64(0)}}}
	}
	if c.mode == May {
		return c.Some(after, c.Headers.at[name], to...)
	}
	return c.All(after, c.Headers.at[name], to...)
}

// shifted tells that a rule translates one prefix to another of its length, and which one.
func shifted(r *policy.Rule, a policy.Assignment) (from policy.Word, ok bool) {
	next := policy.Word{Hi: a.Keep.Hi, Lo: a.Keep.Lo + 1}
	if next.Lo == 0 {
		next.Hi++
	}
	if a.Keep == (policy.Word{}) || len(a.To) != 1 || a.Keep.Hi&next.Hi != 0 || a.Keep.Lo&next.Lo != 0 {
		return from, false
	}
	for _, t := range r.Match {
		if t.Field != a.Field || t.Not || len(t.Of) != 1 || t.Of[0].Mask != (policy.Word{}) {
			continue
		}
		if lo, hi := t.Of[0].Lo.Without(a.Keep), t.Of[0].Hi.Without(a.Keep); lo == hi {
			return lo, true
		}
	}
	return from, false
}

// kept is what a translation prefix to prefix makes of a value.
func kept(a policy.Assignment, v policy.Word) policy.Word {
	to := a.To[0].Lo.Without(a.Keep)
	return policy.Word{Hi: to.Hi | v.Hi&a.Keep.Hi, Lo: to.Lo | v.Lo&a.Keep.Lo}
}

var headerFields = map[policy.Field]string{ //nolint:gochecknoglobals // read-only table
	policy.Source: fieldSource, policy.Destination: fieldDestination, policy.Protocol: fieldProtocol, policy.SourcePort: fieldSourcePort,
	policy.DestinationPort: fieldDestinationPort, policy.ICMPType: fieldSourcePort, policy.ICMPCode: fieldDestinationPort, policy.TCPFlags: fieldFlags,
	policy.Fragment: fieldFragment, policy.DSCP: fieldDSCP, policy.Mark: fieldMark,
}

func inHeader(f policy.Field) bool { _, ok := headerFields[f]; return ok }

// match is what the terms of a rule say of the header, once the Context has answered the others.
type match struct {
	box    packet.Box
	never  bool // no packet matches
	unsure bool // those of the box may match, or not
}

func (c *chains) match(r *policy.Rule) match {
	var m match
	for _, t := range r.Match {
		name, header := headerFields[t.Field]
		if t.Field == policy.ConnState {
			tracked, untracked := c.inState(t, 0), c.inState(t, 1)
			m.never = m.never || !tracked && !untracked
			if tracked != untracked {
				m.box = append(m.box, packet.Term{Field: c.Headers.at[fieldUntracked], Of: []policy.Range{policy.Is(0)}, Not: untracked})
			}
			continue
		}
		if !header {
			yes, sure := c.holds(t)
			m.unsure = m.unsure || !sure
			m.never = m.never || sure && !yes
			continue
		}
		switch t.Field {
		case policy.Source, policy.Destination:
			m.never = m.never || t.Family != c.Family
		case policy.SourcePort, policy.DestinationPort:
			m.box = append(m.box, c.withPorts(), c.notLater())
		case policy.ICMPType, policy.ICMPCode:
			m.box = append(m.box, c.isICMP(), c.notLater())
		case policy.TCPFlags:
			m.box = append(m.box, c.protocols(tcp), c.notLater())
		default: // every packet has it
		}
		m.box = append(m.box, packet.Term{Field: c.Headers.at[name], Of: t.Of, Not: t.Not})
	}
	return m
}

// untracks tells whether a packet can still be taken out of connection tracking: before it has found the connection, or where it found none (nft_notrack_eval).
func (at Context) untracks() bool { return at.Early || at.State == policy.StateInvalid }

// inState answers a term on the state of the connection, of a packet that is tracked or not. Before tracking was asked, the state is invalid (nft_ct_get_eval).
func (c *chains) inState(t policy.Term, untracked uint64) bool {
	state := c.at.State
	if c.at.Early || c.Family == policy.ARP { // which is not tracked, and not said not to be
		state = policy.StateInvalid
	}
	if untracked == 1 {
		state = policy.StateUntracked
	}
	return slices.ContainsFunc(t.Of, func(r policy.Range) bool { return r.Has(policy.Num(state)) }) != t.Not
}

// holds answers a term that is not about the header.
func (c *chains) holds(t policy.Term) (yes, sure bool) {
	number := func(n uint64) (bool, bool) {
		in := slices.ContainsFunc(t.Of, func(r policy.Range) bool { return r.Has(policy.Num(n)) })
		return in != t.Not, true
	}
	known := func(is bool, n uint64) (bool, bool) {
		if !is {
			return false, false
		}
		return number(n)
	}
	arp := &c.at.ARP
	if ofARP(t.Field) && arp.Operation == 0 {
		return false, true
	}
	switch t.Field {
	case policy.ARPOperation:
		return number(arp.Operation)
	case policy.ARPSenderMAC:
		return known(arp.SenderMAC != 0, arp.SenderMAC)
	case policy.ARPTargetMAC:
		return known(arp.TargetMAC != 0 || arp.Operation == request, arp.TargetMAC)
	case policy.ARPSender:
		return known(arp.Sender.IsValid(), policy.AddrWord(arp.Sender).Lo)
	case policy.ARPTarget:
		return known(arp.Target.IsValid(), policy.AddrWord(arp.Target).Lo)
	case policy.VLANTag:
		return number(uint64(c.at.VLAN))
	case policy.EtherType:
		return number(map[policy.Family]uint64{policy.IPv4: 0x0800, policy.IPv6: 0x86dd, policy.ARP: 0x0806}[c.Family])
	case policy.SourceMAC:
		return known(c.at.SourceMAC != 0, c.at.SourceMAC)
	case policy.DestinationMAC:
		return known(c.at.DestinationMAC != 0, c.at.DestinationMAC)
	case policy.InInterface:
		return named(t, c.at.In)
	case policy.OutInterface:
		return named(t, c.at.Out)
	case policy.InPort:
		return named(t, c.at.InPort)
	case policy.OutPort:
		return named(t, c.at.OutPort)
	default:
		return false, false
	}
}

func named(t policy.Term, name string) (yes, sure bool) {
	if name == Unsure {
		all := slices.Contains(t.Names, "*") // whichever it is
		return all && !t.Not, all
	}
	is := slices.ContainsFunc(t.Names, func(pattern string) bool {
		head, wild := strings.CutSuffix(pattern, "*")
		return wild && strings.HasPrefix(name, head) || pattern == name
	})
	return is != t.Not, true
}
