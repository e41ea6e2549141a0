package reach

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Translation is what one device makes of all packets of a flow: they arrive with these addresses, and the device turns the replies back.
type Translation struct {
	Device              topology.Node
	Source, Destination netip.Addr
	Port                uint64 // the destination port; 0: as it was
	OtherPorts          bool   // source ports may be others, too

	sent [2]netip.Addr // source and destination as they were sent
	port uint64        // the destination port as it was sent, where it is translated
	at   [2]int        // priorities where sources are translated, and destinations
}

// returned is the way of the replies to what may have arrived.
func (n *Network) returned(ctx context.Context, h *Headers, a *Answer, opens *explorer) Direction {
	there := a.Forward.Leg
	if h.Intersect(a.Forward.May, h.Translated(there)) == packet.Empty {
		replies := h.explorer(ctx, n, there.towards(a.To.Addr))
		back, asked := replies.from(a.To, a.From.Addr), h.replies(a.Forward.May)
		if h.Intersect(asked, h.Translated(back)) != packet.Empty { // by one who does not know that it is an answer
			back = back.awaited(replies.awaiting(a))
		}
		return h.direction(back, asked)
	}
	t, why := h.translation(a, opens)
	var target Endpoint
	if why == "" {
		target, why = n.arrivedAt(a, t)
	}
	if why != "" {
		back := h.explorer(ctx, n, there).from(a.To, a.From.Addr)
		unknown := ended(Unknown, "what "+translators(opens.nats)+" has translated, and how replies find back, is not followed: "+why)
		return h.direction(&Leg{Next: []Branch{{Leg: back}, {Leg: unknown}}}, h.replies(a.Forward.May))
	}
	a.Translation = &t
	replies := h.explorer(ctx, n, there.towards(a.To.Addr, t.Destination))
	replies.turns = &t
	back := replies.from(target, t.Source)
	return h.direction(back.awaited(replies.awaiting(a)), h.replies(h.arrived(a.Forward.May, t)))
}

// arrivedAt finds who answers to what was translated.
func (n *Network) arrivedAt(a *Answer, t Translation) (at Endpoint, why string) {
	at = a.To
	if t.Destination != a.To.Addr {
		owners := n.owning(t.Destination)
		if len(owners) != 1 {
			return at, fmt.Sprintf("%d interfaces are known to have the address %s", len(owners), t.Destination)
		}
		at = Endpoint{owners[0], t.Destination}
	}
	if o, ok := at.Node.Owner(); ok && o == t.Device && t.Source != a.From.Addr {
		return at, o.Name() + " answers itself what it has translated"
	}
	return at, ""
}

// translation tells what becomes of the packets that may arrive, if that is the same for all, and one device does it.
func (h *Headers) translation(a *Answer, opens *explorer) (t Translation, why string) {
	t.sent = [2]netip.Addr{a.From.Addr, a.To.Addr}
	var by []topology.Node
	for _, s := range opens.nats {
		if !slices.Contains(by, s.Device) && h.Intersect(a.Forward.May, h.translatedBy(a.Forward.Leg, s.Device.Key())) != packet.Empty {
			by = append(by, s.Device)
		}
	}
	if len(by) != 1 {
		return t, "several devices translate"
	}
	t.Device = by[0]
	if a.Forward.Leg.routings(t.Device.Key()) > 1 {
		return t, t.Device.Name() + " may translate twice"
	}
	source, ok := h.become(a, opens, policy.Source, policy.AddrWord(a.From.Addr))
	target, ok2 := h.become(a, opens, policy.Destination, policy.AddrWord(a.To.Addr))
	if !ok || !ok2 {
		return t, "not all get the same addresses"
	}
	t.Source, t.Destination = source.Addr(h.Family), target.Addr(h.Family)
	if why := h.translatedPorts(&t, a, opens); why != "" {
		return t, why
	}
	t.at = priorities(opens, t.Device)
	return t, ""
}

// translatedPorts tells what becomes of ports.
func (h *Headers) translatedPorts(t *Translation, a *Answer, opens *explorer) (why string) {
	t.OtherPorts = opens.assign(policy.SourcePort)
	if !opens.assign(policy.DestinationPort) {
		return ""
	}
	one, _ := h.Pick(a.Forward.May)
	was := one[h.at[fieldDestinationPort]]
	is, ok := h.become(a, opens, policy.DestinationPort, was)
	all := h.Box(packet.Box{h.withPorts(), h.term(fieldDestinationPort, policy.Range{Lo: was, Hi: was})}, packet.Full)
	switch {
	case ok && is == was:
	case !ok || h.Minus(a.Forward.May, all) != packet.Empty:
		return "not all get the same ports"
	default:
		t.port, t.Port = was.Lo, is.Lo
	}
	return ""
}

const maxValues = 16 // that a translation may give a field

// become gives the one value that a field has in all packets that may arrive.
func (h *Headers) become(a *Answer, opens *explorer, field policy.Field, was policy.Word) (is policy.Word, ok bool) {
	values := []policy.Word{was}
	for _, s := range opens.nats {
		for _, f := range s.filters {
			for _, r := range f.Rules {
				for _, set := range r.Set {
					values = appendValues(values, field, set, s.at.Own)
				}
			}
		}
	}
	if len(values) > maxValues {
		return is, false
	}
	others := packet.Full
	found := 0
	for _, v := range values {
		goal := h.Box(packet.Box{h.term(headerFields[field], policy.Range{Lo: v, Hi: v})}, packet.Full)
		others = h.Minus(others, goal)
		if h.Intersect(a.Forward.May, h.arrivingAs(a.Forward.Leg, goal)) != packet.Empty {
			is = v
			found++
		}
	}
	return is, found == 1 && h.Intersect(a.Forward.May, h.arrivingAs(a.Forward.Leg, others)) == packet.Empty
}

func appendValues(values []policy.Word, field policy.Field, a policy.Assignment, own []policy.Range) []policy.Word {
	if a.Field != field {
		return values
	}
	to := a.To
	if a.Own {
		to = own
	}
	if a.Keep != (policy.Word{}) && len(to) == 1 {
		to = []policy.Range{{Lo: kept(a, values[0]), Hi: kept(a, values[0])}}
	}
	for _, r := range to {
		if r.Mask == (policy.Word{}) && r.Lo == r.Hi && !slices.Contains(values, r.Lo) {
			values = append(values, r.Lo)
		}
	}
	return values
}

// assign tells that some filter on the way writes a field.
func (x *explorer) assign(field policy.Field) bool {
	return slices.ContainsFunc(x.nats, func(s Step) bool { return x.device(s.Device).assigns(s.Filter, field) })
}

// priorities are where a device turns translations back: what goes back meets in the reverse order what came. Of netfilter destinations are translated at -100 and
// sources at 100; of IOS sources before all lists that packets meet as they leave, and destinations behind those that they meet as they come.
func priorities(opens *explorer, device topology.Node) (at [2]int) {
	for _, s := range opens.nats {
		if s.Device != device {
			continue
		}
		p := s.met.Priority
		if s.met.Hook == policy.HookPrerouting || s.met.Hook == policy.HookOutput {
			p = -p
		}
		at = [2]int{p, -p}
	}
	return at
}

// arrived is packets as they arrive.
func (h *Headers) arrived(sent packet.Set, t Translation) packet.Set {
	write := func(s packet.Set, field string, to policy.Range) packet.Set {
		whole := policy.Range{Hi: policy.Word{Hi: ^uint64(0), Lo: ^uint64(0)}}
		return h.Intersect(h.Some(s, h.at[field], whole), h.Box(packet.Box{h.term(field, to)}, packet.Full))
	}
	one := func(w policy.Word) policy.Range { return policy.Range{Lo: w, Hi: w} }
	s := write(sent, fieldSource, one(policy.AddrWord(t.Source)))
	s = write(s, fieldDestination, one(policy.AddrWord(t.Destination)))
	ports := h.Box(packet.Box{h.withPorts()}, packet.Full)
	if t.Port != 0 {
		s = h.Union(h.Minus(s, ports), write(h.Intersect(s, ports), fieldDestinationPort, policy.Is(t.Port)))
	}
	if t.OtherPorts {
		s = h.Union(h.Minus(s, ports), write(h.Intersect(s, ports), fieldSourcePort, policy.FromTo(firstPort, lastPort)))
	}
	return h.Intersect(s, h.Valid)
}

// stateDialect and stateName are of the filters that stand for what a device knows of a connection.
const (
	stateDialect = "state"
	stateName    = "of the connection"
)

// turned is what the device that translated makes of replies at a hook: it gives them their destination back as they come in, and their source as they go.
func (x *explorer) turned(d *device, hook policy.Hook) (priority int, f *policy.Filter) {
	t := x.turns
	if t == nil || d.node != t.Device {
		return 0, nil
	}
	is := func(field policy.Field, a netip.Addr) policy.Term {
		return policy.Term{Field: field, Family: x.family, Of: []policy.Range{policy.PrefixRange(netip.PrefixFrom(a, a.BitLen()))}}
	}
	rule := policy.Rule{Verdict: policy.Permit, Text: "what is translated there is turned back here"}
	if d.untracks {
		rule.Uncertain = "some packets are not tracked"
	}
	var field, port policy.Field
	var ports []policy.Range
	back := t.sent[0]
	switch hook {
	case policy.HookPrerouting, policy.HookOutput:
		if t.Source == t.sent[0] && !t.OtherPorts {
			return 0, nil
		}
		priority, field, port = t.at[1], policy.Destination, policy.DestinationPort
		rule.Match = []policy.Term{is(policy.Source, t.Destination), is(policy.Destination, t.Source)}
		if t.OtherPorts {
			ports = []policy.Range{policy.FromTo(firstPort, lastPort)}
		}
	case policy.HookPostrouting, policy.HookInput:
		if t.Destination == t.sent[1] && t.Port == 0 {
			return 0, nil
		}
		priority, field, port, back = t.at[0], policy.Source, policy.SourcePort, t.sent[1]
		rule.Match = []policy.Term{is(policy.Source, t.Destination), is(policy.Destination, t.sent[0])}
		if t.Port != 0 {
			ports = []policy.Range{policy.Is(t.port)}
			rule.Match = append(rule.Match, policy.Term{Field: port, Of: []policy.Range{policy.Is(t.Port)}})
		}
	default:
		return 0, nil
	}
	rule.Set = []policy.Assignment{{Field: field, Family: x.family, To: []policy.Range{policy.PrefixRange(netip.PrefixFrom(back, back.BitLen()))}}}
	rules := []policy.Rule{rule}
	if ports != nil {
		with := rule
		with.Match = append(slices.Clone(rule.Match), policy.Term{Field: policy.Protocol, Of: []policy.Range{policy.Is(tcp), policy.Is(udp), policy.Is(dccp), policy.Is(sctp), policy.Is(udplite)}})
		with.Set = append(slices.Clone(rule.Set), policy.Assignment{Field: port, To: ports})
		rules = []policy.Rule{with, rule}
	}
	return priority, &policy.Filter{Name: stateName, Dialect: stateDialect, Family: x.family, Default: policy.Permit, Rules: rules}
}

// turn makes the step of a filter that stands for the state of a connection.
func turn(d topology.Node, f *policy.Filter) Step {
	return Step{Device: d, Node: d, Filter: f, filters: map[string]*policy.Filter{f.Name: f}}
}

// awaiting is the sender of what is answered: it takes what comes from where it sent to, and nothing else is an answer.
func (x *explorer) awaiting(a *Answer) Step {
	is := func(field policy.Field, addr netip.Addr) policy.Term {
		return policy.Term{Field: field, Family: familyOf(addr), Of: []policy.Range{policy.PrefixRange(netip.PrefixFrom(addr, addr.BitLen()))}}
	}
	rule := policy.Rule{Verdict: policy.Permit, Text: "an answer", Match: []policy.Term{is(policy.Source, a.To.Addr), is(policy.Destination, a.From.Addr)}}
	f := &policy.Filter{Name: "of what was sent", Dialect: stateDialect, Family: x.family, Default: policy.Deny}
	if t := a.Translation; t != nil && t.Port != 0 {
		rule.Match = append(rule.Match, policy.Term{Field: policy.SourcePort, Of: []policy.Range{policy.Is(t.port)}})
	}
	f.Rules = []policy.Rule{rule}
	node := a.From.Node
	if o, ok := node.Owner(); ok {
		node = o
	}
	return turn(node, f)
}

// towards is the leg without the branches of destinations that packets do not get.
func (l *Leg) towards(addrs ...netip.Addr) *Leg {
	return l.copied(func(*Leg) []Step { return nil }, func(b Branch) bool { return !b.To.IsValid() || slices.Contains(addrs, b.To) })
}

// awaited is the leg with a step before each delivery.
func (l *Leg) awaited(s Step) *Leg {
	return l.copied(func(l *Leg) []Step {
		if len(l.Next) == 0 && l.End == Delivered {
			return []Step{s}
		}
		return nil
	}, func(Branch) bool { return true })
}

// copied is the leg with more steps at its ends, and some of its branches.
func (l *Leg) copied(more func(*Leg) []Step, keep func(Branch) bool) *Leg {
	known := map[*Leg]*Leg{}
	var copied func(*Leg) *Leg
	copied = func(l *Leg) *Leg {
		if c, ok := known[l]; ok {
			return c
		}
		c := &Leg{Steps: slices.Concat(l.Steps, more(l)), End: l.End, Why: l.Why}
		known[l] = c
		for _, b := range l.Next {
			if keep(b) {
				c.Next = append(c.Next, Branch{b.To, b.Who, copied(b.Leg)})
			}
		}
		if len(c.Next) == 0 && len(l.Next) > 0 {
			c.End = Dropped
		}
		return c
	}
	return copied(l)
}

// routings is how often a device routes packets on one way, at most.
func (l *Leg) routings(device topology.Key) int {
	known := map[*Leg]int{}
	var most func(*Leg) int
	most = func(l *Leg) int {
		if n, ok := known[l]; ok {
			return n
		}
		n := 0
		for _, b := range l.Next {
			n = max(n, most(b.Leg))
		}
		for _, s := range l.Steps {
			if s.Route != "" && s.Device.Key() == device {
				n++
			}
		}
		known[l] = n
		return n
	}
	return most(l)
}

// own is the addresses that an interface lends to what is masqueraded as it leaves towards a next hop: of several the one in the subnet of that (inet_select_addr), else
// any of them; or, without a next hop, to what is redirected as it comes in.
func (x *explorer) own(n topology.Node, next netip.Addr) []policy.Range {
	var all, near []policy.Range
	for _, p := range addressesOf(n) {
		a := p.Addr()
		if familyOf(a) != x.family || a.IsLinkLocalUnicast() || a.IsLoopback() {
			continue
		}
		w := policy.AddrWord(a)
		all = append(all, policy.Range{Lo: w, Hi: w})
		if next.IsValid() && p.Contains(next) {
			near = append(near, all[len(all)-1])
		}
	}
	if x.family == policy.IPv4 && len(near) > 0 {
		return near
	}
	return all
}
