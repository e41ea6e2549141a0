package reach

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Operations of ARP (RFC 826), types of neighbour discovery (RFC 4861).
const (
	request, reply              = 1, 2
	solicitation, advertisement = 135, 136
	broadcast                   = 1<<48 - 1 // MAC
)

func ofARP(f policy.Field) bool {
	return slices.Contains([]policy.Field{policy.ARPOperation, policy.ARPSenderMAC, policy.ARPSender, policy.ARPTargetMAC, policy.ARPTarget}, f)
}

// guestMAC is the MAC address of a vNIC. Those of other interfaces may not be what is in the frame: gateways answer by virtual ones.
func guestMAC(n topology.Node) uint64 {
	if v, ok := n.Value(topology.AttrMAC); ok && n.Kind() == topology.VNIC {
		return uint64(v.MAC())
	}
	return 0
}

// neighbour tells why one interface may not learn the MAC address of another on its link, "" if nothing stops it. Packets are sent once it has, so what stops
// ARP or neighbour discovery stops all, but where people have entered the address by hand; which no source tells.
func (x *explorer) neighbour(from, to topology.Node) string {
	pair, root := [2]topology.Key{from.Key(), to.Key()}, x.root()
	alike, shares := x.inCommon(x.family, x.end != nil, from, to)
	if shares && root.resolved[alike] {
		return ""
	}
	all := x.neighbourly(pair)
	if why, known := all[pair][x.family]; known {
		return why
	}
	y := x.explorer(x.ctx, nil) // what it meets counts for itself alone
	y.end = x.end               // inside of a tunnel no other one is looked for
	y.family = x.family
	there, back := y.asks(from, to), y.asks(to, from)
	why := ""
	switch {
	case there.lost() || back.lost() || !filters(there) && !filters(back):
	case x.family == policy.IPv4:
		why = y.resolves(from, to, there, back)
	default:
		why = y.discovers(from, to, there, back)
	}
	personal := x.carriage(x.family, x.end, from, to).own || x.carriage(x.family, x.end, to, from).own
	if why == "" && shares && !personal && impersonalAsks(x.family, from, to, there, back) && x.ctx.Err() == nil {
		if len(root.resolved) >= maxCrossings {
			clear(root.resolved)
		}
		root.resolved[alike] = true
	}
	if all[pair] == nil {
		all[pair] = whyNot{}
	}
	all[pair][x.family] = why
	return why
}

// impersonalAsks tells that others with the stands of two ends learn each other's address if these do: no filter on the ways looks at who they are.
func impersonalAsks(f policy.Family, from, to topology.Node, ways ...*Leg) bool {
	return !slices.ContainsFunc(ways, func(l *Leg) bool {
		for l := range l.All() {
			if f != policy.IPv4 && filters(l) || !impersonal(l.Steps, from, to) {
				return true
			}
		}
		return false
	})
}

// whyNot is why two interfaces may not learn each other's address.
type whyNot map[policy.Family]string

// neighbourly is what is known of two interfaces: what changes do not touch is the same before and after.
func (n *Network) neighbourly(pair [2]topology.Key) map[[2]topology.Key]whyNot {
	if n.before != nil && n.waysLast && !n.touched[pair[0]] && !n.touched[pair[1]] {
		return n.before.neighbourly(pair)
	}
	return n.neighbours
}

// asks is the way of what an interface asks another, or answers it.
func (x *explorer) asks(from, to topology.Node) *Leg {
	l := x.carried(from, to, func() *Leg {
		o, ok := to.Owner()
		if to.Kind() == topology.VNIC || !ok || !o.Kind().Device() {
			return ended(Delivered, "")
		}
		d, at := x.device(o), Context{In: nameOf(to)}
		return ended(Delivered, "", slices.Concat(x.comes(d), x.hooks(d, policy.HookPrerouting, at), x.hooks(d, policy.HookInput, at))...)
	})
	if o, ok := from.Owner(); ok && from.Kind() != topology.VNIC && o.Kind().Device() {
		d, at := x.device(o), Context{Out: nameOf(from)}
		l = &Leg{Steps: slices.Concat(x.hooks(d, policy.HookOutput, at), x.hooks(d, policy.HookPostrouting, at), l.Steps), End: l.End, Why: l.Why, Next: l.Next}
	}
	for l := range l.All() { // what is not known of the way itself, the packets meet too
		for i := range l.Steps {
			l.Steps[i].Doubt = ""
		}
	}
	return l
}

func filters(l *Leg) bool {
	for l := range l.All() {
		if slices.ContainsFunc(l.Steps, func(s Step) bool { return s.Filter != nil }) {
			return true
		}
	}
	return false
}

// resolves asks by ARP, and answers.
func (x *explorer) resolves(from, to topology.Node, there, back *Leg) string {
	h := x.discoveryOf(policy.ARP)
	a, b := onOneLink(from, to, policy.IPv4)
	sender, target := guestMAC(from), guestMAC(to)
	p := make(packet.Packet, len(h.Fields()))
	why := h.passes(there, p, "ARP", from, to, func(at *Context) {
		at.SourceMAC, at.DestinationMAC, at.ARP = sender, broadcast, ARP{Operation: request, SenderMAC: sender, Sender: a, Target: b}
	})
	if why != "" {
		return why
	}
	return h.passes(back, p, "ARP", to, from, func(at *Context) {
		at.SourceMAC, at.DestinationMAC, at.ARP = target, sender, ARP{Operation: reply, SenderMAC: target, TargetMAC: sender, Sender: b, Target: a}
	})
}

// discovers asks by neighbour solicitation, from the address of the link or the one that is used, and answers.
func (x *explorer) discovers(from, to topology.Node, there, back *Leg) string {
	h := x.discoveryOf(policy.IPv6)
	a, b := onOneLink(from, to, policy.IPv6)
	if !a.IsValid() {
		return ""
	}
	sender, target := guestMAC(from), guestMAC(to)
	group := b.As16()
	group = [16]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff, 13: group[13], 14: group[14], 15: group[15]} // solicited-node address (RFC 4291, 2.7.1)
	multicast := uint64(0x3333)<<32 | policy.AddrWord(netip.AddrFrom16(group)).Lo&(1<<32-1)          // RFC 2464, 7
	linkLocal := netip.MustParseAddr("fe80::1")
	for _, source := range []netip.Addr{a, linkLocal} {
		why := h.passes(there, h.message(solicitation, source, netip.AddrFrom16(group)), "neighbour discovery", from, to, func(at *Context) {
			at.SourceMAC, at.DestinationMAC = sender, multicast
		})
		if why != "" {
			return why
		}
		why = h.passes(back, h.message(advertisement, b, source), "neighbour discovery", to, from, func(at *Context) {
			at.SourceMAC, at.DestinationMAC = target, sender
		})
		if why != "" {
			return why
		}
	}
	return ""
}

// message is one of ICMPv6. Nobody tracks it.
func (h *Headers) message(kind uint64, from, to netip.Addr) packet.Packet {
	p := make(packet.Packet, len(h.Fields()))
	p[h.at[fieldProtocol]], p[h.at[fieldSourcePort]] = policy.Num(icmpv6), policy.Num(kind)
	p[h.at[fieldSource]], p[h.at[fieldDestination]] = policy.AddrWord(from), policy.AddrWord(to)
	return h.fresh(p)
}

// passes tells why a packet does not pass a way for certain, "" if it does.
func (h *Headers) passes(l *Leg, p packet.Packet, what string, from, to topology.Node, set func(*Context)) string {
	for l := range l.All() {
		for i := range l.Steps {
			set(&l.Steps[i].at)
		}
	}
	f, unclear := h.walk(l, p)
	if f.must && !unclear {
		return ""
	}
	does := "may be dropped"
	if !f.can && !unclear {
		does = "is dropped"
	}
	why := fmt.Sprintf("%s from %s to %s %s", what, from.Name(), to.Name(), does)
	steps, _, _ := h.Trace(l, p)
	for _, s := range steps {
		for _, hit := range s.Hits {
			if hit.Passed && !hit.Unsure {
				continue
			}
			return fmt.Sprintf("%s by %s of %s (%s): they do not learn each other's address", why, hit.Filter.Name, s.Device.Name(), hit.Words())
		}
	}
	return why
}

func (n *Network) discoveryOf(f policy.Family) *Headers {
	if n.discovery[f] == nil {
		n.discovery[f] = NewHeaders(f, Orders[0], 0)
	}
	return n.discovery[f]
}

// onOneLink gives addresses of two interfaces in one subnet, if they have such.
func onOneLink(from, to topology.Node, f policy.Family) (a, b netip.Addr) {
	for _, p := range addressesOf(from) {
		for _, q := range addressesOf(to) {
			if familyOf(p.Addr()) == f && familyOf(q.Addr()) == f && (p.Contains(q.Addr()) || q.Contains(p.Addr())) {
				return p.Addr(), q.Addr()
			}
		}
	}
	return a, b
}
