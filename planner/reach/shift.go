package reach

import (
	"context"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Shift is what the move of an interface does to the ways of packets between it and all others. Ways are compared where the old one and the new one part: from the interface
// to its gateways, from whoever may send to it on its link, and to and from each place in its own segment; with every other end at once. Whose packets may fare otherwise is
// to be compared by itself (Compare); of all others nothing is lost or opened, and what nobody knows of them nobody knows for the same reason, before and after.
type Shift struct {
	Was, Is Endpoint
	Routed  bool       // packets to and from ends behind gateways may fare otherwise
	Near    []Endpoint // ends in its own segment whose packets may

	Same   []string        // what nobody knows of the ways, before and after alike
	Blind  []string        // of those: on ways where they may hide what is lost
	Cut    []topology.Node // devices on the new ways that break open sessions: they hold nothing of them
	Places int             // in its segment: ends to which frames get alike are one

	before *Network
	h      *Headers
	beside map[Endpoint][2]packet.Set // packets to an end of Near, and from it, that may fare otherwise; of an end that is not there, all may
	out    packet.Set                 // of packets that it sends beyond its segment: those that may fare otherwise. Sources are not only its own
	in     packet.Set                 // of those that it gets
}

// Moves gives what becomes of the ways between an address and all others between two networks, the second of which was made of the first (After).
func Moves(ctx context.Context, before, after *Network, was, is Endpoint) (Shift, error) {
	h := before.shiftHeaders(familyOf(was.Addr))
	s := &shifting{
		Shift: Shift{Was: was, Is: is, before: before, h: h, beside: map[Endpoint][2]packet.Set{}}, h: h,
		old: before.side(ctx, was), now: after.side(ctx, is),
		own: [2]packet.Set{h.Intersect(h.address(policy.Source, was.Addr), h.askable()), h.Intersect(h.address(policy.Destination, was.Addr), h.askable())},
	}
	err := h.within(ctx, func() {
		s.routed()
		s.segment()
	})
	why, err := givenUp(err)
	if why != "" { // everything is to be compared by itself
		s.Routed, s.Near, s.beside = true, nil, nil
		s.out, s.in = packet.Full, packet.Full
		for q := range s.neighbours() {
			s.Near = append(s.Near, q)
		}
	}
	return s.Shift, err
}

// askable is the packets that anybody asks about, and the answers to them: whole ones, without marks.
func (h *Headers) askable() packet.Set {
	none := packet.One(packet.Value{})
	return h.Box(packet.Box{h.term(fieldFragment, none), h.term(fieldMark, none), h.term(fieldDSCP, none), h.term(fieldUntracked, none)}, packet.Full)
}

func (h *Headers) address(f policy.Field, a netip.Addr) packet.Set {
	return h.Addresses(f, netip.PrefixFrom(a, a.BitLen()))
}

// Far lists the ends behind gateways whose packets may fare otherwise.
func (s *Shift) Far() iter.Seq[Endpoint] {
	return func(yield func(Endpoint) bool) {
		if !s.Routed {
			return
		}
		for _, a := range s.before.addresses() {
			if familyOf(a) != s.h.Family || onLink(s.Was.Node, a) || !s.touches(a) {
				continue
			}
			for _, e := range s.before.ends(a, s.Was) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Hidden is what is not known of packets to an end, or from it, on their way after the move, if they are among those that may fare otherwise: where
// nobody knows whether they arrive, before and after alike, nothing is seen to be lost, and may be. Sends tells that the comparison is of what the
// interface sends and how the end answers. Of a device whose routes nobody has read (the management of a switch) it was never known whether it sends
// anything to the interface.
func (s *Shift) Hidden(all Comparison, sends bool) []string {
	peer, ways := all.Before.To, [2]Direction{outward: all.After.Forward, inward: all.After.Return}
	if !sends {
		peer, ways = all.Before.From, [2]Direction{outward: all.After.Return, inward: all.After.Forward}
	}
	parts := [2]packet.Set{outward: s.out, inward: s.in}
	if onLink(s.Was.Node, peer.Addr) {
		var known bool
		if parts, known = s.beside[peer]; !known {
			parts = anything
		}
	}
	if o, ok := peer.Node.Owner(); ok && peer.Node.Kind() != topology.VNIC && o.Kind().Device() && len(s.before.device(o).routes) == 0 {
		ways[inward] = Direction{}
	}
	var texts []string
	for i, d := range ways {
		if all.Headers != s.h || s.h.Intersect(s.h.Minus(d.May, d.Must), parts[i]) != packet.Empty { // sets of two spaces never meet
			texts = append(texts, d.Doubts...)
		}
	}
	return texts
}

// anything is all packets, both ways.
var anything = [2]packet.Set{packet.Full, packet.Full} //nolint:gochecknoglobals // read-only

// touches tells whether packets to or from an address may fare otherwise.
func (s *Shift) touches(a netip.Addr) bool {
	return s.h.Intersect(s.out, s.h.address(policy.Destination, a)) != packet.Empty || s.h.Intersect(s.in, s.h.address(policy.Source, a)) != packet.Empty
}

// shiftHeaders gives the space in which moves are compared: what one needed, the next one has. A space that has grown too large gives way to a new one.
func (n *Network) shiftHeaders(f policy.Family) *Headers {
	h := n.shifts[f]
	if h != nil {
		if _, intervals := h.Size(); intervals < memory/4 {
			return h
		}
	}
	h = NewHeaders(f, Orders[0], 0)
	h.remember()
	n.shifts[f] = h
	return h
}

// addresses lists all addresses that somebody has, in order.
func (n *Network) addresses() []netip.Addr {
	if n.before != nil {
		return n.before.addresses()
	}
	if n.sorted == nil {
		for a := range n.owners {
			if !a.IsLinkLocalUnicast() && !a.IsLoopback() {
				n.sorted = append(n.sorted, a)
			}
		}
		slices.SortFunc(n.sorted, netip.Addr.Compare)
	}
	return n.sorted
}

// addressesIn lists the addresses in a prefix that somebody has, in order.
func (n *Network) addressesIn(p netip.Prefix) []netip.Addr {
	all := n.addresses()
	first, _ := slices.BinarySearchFunc(all, p.Masked().Addr(), netip.Addr.Compare)
	all = all[first:]
	if past := slices.IndexFunc(all, func(a netip.Addr) bool { return !p.Contains(a) }); past >= 0 {
		all = all[:past] // in order, a prefix is in one piece
	}
	return all
}

// ends gives who has an address, but for the owner of another one.
func (n *Network) ends(a netip.Addr, but Endpoint) []Endpoint {
	var all []Endpoint
	mine, owned := but.Node.Owner()
	for _, node := range n.owning(a) {
		if o, ok := node.Owner(); node == but.Node || owned && ok && o == mine {
			continue
		}
		all = append(all, Endpoint{node, a})
	}
	return all
}

func onLink(n topology.Node, a netip.Addr) bool {
	return slices.ContainsFunc(addressesOf(n), func(p netip.Prefix) bool { return !p.IsSingleIP() && p.Contains(a) })
}

// side is the network at one time, as the interface sees it.
type side struct {
	*Network
	ctx context.Context //nolint:containedctx // of the one question
	end Endpoint
	x   *explorer // of packets that open connections
}

func (n *Network) side(ctx context.Context, end Endpoint) *side {
	s := &side{Network: n, ctx: ctx, end: end}
	s.x = s.holding(func(topology.Node) sessions { return opening })
	return s
}

// holding makes an explorer of packets of which devices know so much.
func (s *side) holding(holds func(topology.Node) sessions) *explorer {
	x := s.explorer(s.ctx, nil)
	x.family, x.source, x.holds = familyOf(s.end.Addr), s.end.Addr, holds
	return x
}

// to is the ways of frames from the interface to another one, and no further.
func (s *side) to(x *explorer, other topology.Node) *Leg {
	return x.only(s.end.Node, other)
}

// from is the ways of frames from another one to the interface, and no further.
func (s *side) from(x *explorer, other topology.Node) *Leg {
	return x.only(other, s.end.Node)
}

func delivered() *Leg { return ended(Delivered, "") }

// shifting compares the two sides.
type shifting struct {
	Shift
	h        *Headers
	old, now *side
	own      [2]packet.Set // packets that the interface sends, and gets
	plugs    map[topology.Key]bool
	concrete bool // some filter looks at more of an end than its packets' headers
}

// directions of packets.
const (
	outward = iota
	inward
)

// part is what of the packets of two ways, one before and one after, may fare otherwise, whatever is done to them where both are the same.
func (s *shifting) part(before, now *Leg, direction int) packet.Set {
	return s.h.Intersect(s.own[direction], s.h.parting(before, now))
}

// parting is part of all packets. Of legs that are remembered it is looked for once.
func (h *Headers) parting(before, now *Leg) packet.Set {
	if before == now {
		return packet.Empty
	}
	both := [2]*Leg{before, now}
	all, known := h.memo.parts[both]
	if known {
		return all
	}
	d := &differ{Headers: h, may: h.bounds(May), must: h.bounds(Must), known: map[[2]*Leg]packet.Set{}, pairs: maxPairs, parts: true}
	all = h.Union(d.lost(before, now), d.lost(now, before))
	if before.known != nil && now.known != nil {
		if len(h.memo.parts) >= maxCrossings {
			clear(h.memo.parts)
		}
		h.memo.parts[both] = all
	}
	return all
}

// routed compares how packets get to gateways, and from whoever may deliver to the interface. Where these are not the same before and after, or translate, or hold
// connections that not all ways cross, all ends behind gateways are to be compared.
func (s *shifting) routed() {
	was, gap := s.old.x.gatesOf(s.old.end.Node)
	is, gap2 := s.now.x.gatesOf(s.now.end.Node)
	senders := s.senders()
	if len(was) == 0 && len(is) == 0 && gap == gap2 {
		s.doubt(gap)
	} else if !sameKeys(was, is) || len(was) == 0 {
		s.everything()
		return
	}
	var pairs [2][]reached
	for i := range was {
		pairs[outward] = append(pairs[outward], reached{was[i], is[i]})
	}
	for _, n := range senders {
		pairs[inward] = append(pairs[inward], reached{n, s.now.mine(n)})
	}
	parts, ok := s.compare(pairs)
	if !ok {
		s.everything()
		return
	}
	s.out, s.in = parts[outward], parts[inward]
	s.Routed = s.out != packet.Empty || s.in != packet.Empty
}

func (s *shifting) everything() {
	s.Routed, s.out, s.in = true, packet.Full, packet.Full
}

func (s *shifting) doubt(text string) {
	if text != "" && !slices.Contains(s.Same, text) {
		s.Same = append(s.Same, text)
	}
}

func sameKeys(a, b []topology.Node) bool {
	return slices.EqualFunc(a, b, func(x, y topology.Node) bool { return x.Key() == y.Key() })
}

// reached is another end of a way, before and after.
type reached struct{ was, is topology.Node }

// compare gives what of the packets that the interface sends to some ends, and gets from others, may fare otherwise. It is not ok where that depends on what is behind them.
func (s *shifting) compare(ends [2][]reached) (parts [2]packet.Set, ok bool) {
	opens := s.legs([2]*explorer{s.old.x, s.now.x}, ends)
	for direction := range opens {
		parts[direction] = s.differences(opens[direction], direction)
		s.doubts(opens[direction][0])
		s.concrete = s.concrete || slices.ContainsFunc(slices.Concat(opens[direction][0], opens[direction][1]), func(l *Leg) bool { return l.facts().ends })
	}
	if len(s.old.x.nats)+len(s.now.x.nats) > 0 {
		return parts, false
	}
	holdOld, stateful, ok := s.old.sessions(slices.Concat(opens[outward][0], opens[inward][0]))
	holdNow, stateful2, ok2 := s.now.sessions(slices.Concat(opens[outward][1], opens[inward][1]))
	if !ok || !ok2 || !apartAsHosts(stateful, stateful2) {
		return parts, false
	}
	if len(stateful)+len(stateful2) == 0 {
		return parts, true // nobody asks whether a packet is an answer
	}
	s.cut(ends, stateful, stateful2)
	replies := s.legs([2]*explorer{s.old.holding(holdOld), s.now.holding(holdNow)}, ends)
	for direction := range replies {
		parts[direction] = s.h.Union(parts[direction], s.differences(replies[direction], direction))
	}
	return parts, true
}

// legs gives the ways to some ends, and from others: by direction, before and after.
func (s *shifting) legs(x [2]*explorer, ends [2][]reached) (all [2][2][]*Leg) {
	for _, e := range ends[outward] {
		all[outward][0] = append(all[outward][0], s.old.to(x[0], e.was))
		all[outward][1] = append(all[outward][1], s.now.to(x[1], e.is))
	}
	for _, e := range ends[inward] {
		all[inward][0] = append(all[inward][0], s.old.from(x[0], e.was))
		all[inward][1] = append(all[inward][1], s.now.from(x[1], e.is))
	}
	return all
}

// doubts takes down what is not known of some ways.
func (s *shifting) doubts(legs []*Leg) {
	for _, l := range legs {
		f := l.facts()
		for _, text := range f.doubts {
			s.doubt(text)
			if f.blind && !slices.Contains(s.Blind, text) {
				s.Blind = append(s.Blind, text)
			}
		}
	}
}

// blind tells that something of a way is not known so that nobody sees what it does to packets there, or behind: the way is not known further, or a device does something that may be another
// thing at each of its ports. A doubt about a place on the way that is known itself hides nothing: where it is the same before and after, the same becomes of packets.
func blind(l *Leg) bool {
	for l := range l.All() {
		if l.End == Unknown || slices.ContainsFunc(l.Steps, func(s Step) bool { return s.Doubt != "" && !s.Device.IsZero() }) {
			return true
		}
	}
	return false
}

// looksAtEnds tells that a filter looks at hardware addresses, or into ARP: it may tell ends apart that send the same packets.
func looksAtEnds(l *Leg) bool {
	for l := range l.All() {
		for i := range l.Steps {
			if step := &l.Steps[i]; step.Filter != nil && asks(step.Filter, step.filters, ofEnds) {
				return true
			}
		}
	}
	return false
}

func ofEnds(f policy.Field) bool {
	return ofARP(f) || f == policy.SourceMAC || f == policy.DestinationMAC
}

func (s *shifting) differences(legs [2][]*Leg, direction int) (all packet.Set) {
	for i := range legs[0] {
		all = s.h.Union(all, s.part(legs[0][i], legs[1][i], direction))
	}
	return all
}

// sessions tells what devices on the ways to and from the interface hold of packets that answer others: all that passed them. Stateful are those that ask for it. It is not
// ok where some ways cross such a device and others do not, so that what it holds depends on the way, or where it does not track everything.
func (s *side) sessions(legs []*Leg) (holds func(topology.Node) sessions, stateful map[topology.Key]topology.Node, ok bool) {
	stateful = map[topology.Key]topology.Node{}
	for _, l := range legs {
		maps.Copy(stateful, l.facts().holders)
	}
	for k, device := range stateful {
		if s.device(device).untracks || slices.ContainsFunc(legs, func(l *Leg) bool { f := l.facts(); return f.crossed.some != nil && !f.crossed.always[k] || f.lost }) {
			return nil, stateful, false
		}
	}
	return func(d topology.Node) sessions {
		if _, ok := stateful[d.Key()]; ok {
			return held
		}
		return unheld
	}, stateful, true
}

// apartAsHosts tells that the devices which hold connections on the one way alone are hosts that forward nothing: they are on the ways of others only as their own hosts, which
// all of their packets cross.
func apartAsHosts(a, b map[topology.Key]topology.Node) bool {
	for _, pair := range [][2]map[topology.Key]topology.Node{{a, b}, {b, a}} {
		for k, device := range pair[0] {
			if _, both := pair[1][k]; !both && (device.Kind() != topology.Host || len(device.Values(topology.AttrForwarding)) > 0) {
				return false
			}
		}
	}
	return true
}

// senders lists the interfaces by which somebody may deliver packets to the address: those of devices in a subnet that it is in, and those by which routes lead to it. Guests of
// its own segment are looked at with that.
func (s *shifting) senders() []topology.Node {
	var all []topology.Node
	for _, n := range s.old.linked(s.Was.Addr) {
		if n == s.Was.Node || slices.Contains(all, n) || n.Kind() == topology.VNIC && s.near(n) {
			continue
		}
		all = append(all, n)
	}
	return all
}

// near tells that a vNIC has an address in the segment.
func (s *shifting) near(n topology.Node) bool {
	return slices.ContainsFunc(addressesOf(n), func(p netip.Prefix) bool { return onLink(s.Was.Node, p.Addr()) })
}

// neighbours lists the ends in the interface's own segment.
func (s *shifting) neighbours() iter.Seq[Endpoint] {
	return func(yield func(Endpoint) bool) {
		for _, p := range addressesOf(s.Was.Node) {
			if p.IsSingleIP() || familyOf(p.Addr()) != s.h.Family {
				continue
			}
			for _, a := range s.before.addressesIn(p) {
				for _, e := range s.before.ends(a, s.Was) {
					if !yield(e) {
						return
					}
				}
			}
		}
	}
}

// segment compares how frames get to and from each place in the interface's own segment.
func (s *shifting) segment() {
	places := map[string][]Endpoint{}
	var order []string
	for q := range s.neighbours() {
		k := s.place(q)
		if places[k] == nil {
			order = append(order, k)
		}
		places[k] = append(places[k], q)
	}
	s.Places = len(order)
	for _, k := range order {
		s.concrete = false
		first := s.otherwise(places[k][0])
		if s.ambiguous(places[k]) {
			s.follow(anything, places[k]...)
			continue
		}
		if first != ([2]packet.Set{}) || !s.concrete {
			s.follow(first, places[k]...)
			continue
		}
		for _, q := range places[k][1:] {
			s.follow(s.otherwise(q), q)
		}
	}
}

// follow notes ends whose packets may fare otherwise, if any may.
func (s *shifting) follow(parts [2]packet.Set, ends ...Endpoint) {
	if parts == ([2]packet.Set{}) {
		return
	}
	for _, q := range ends {
		s.Near = append(s.Near, q)
		s.beside[q] = parts
	}
}

// otherwise gives the packets between the interface and an end in its segment that may fare otherwise.
func (s *shifting) otherwise(q Endpoint) [2]packet.Set {
	ends := []reached{{q.Node, s.now.mine(q.Node)}}
	pairs := [2][]reached{outward: ends, inward: ends}
	if q.Node.Kind() != topology.VNIC { // what it sends is among what senders send
		if s.in != packet.Empty {
			return [2]packet.Set{outward: packet.Full, inward: s.in}
		}
		pairs[inward] = nil
	}
	parts, ok := s.compare(pairs)
	if !ok {
		return anything
	}
	return parts
}

// ambiguous tells that several have one of the addresses, and which of them gets packets depends on the way.
func (s *shifting) ambiguous(ends []Endpoint) bool {
	return len(s.old.owning(s.Was.Addr)) > 1 || slices.ContainsFunc(ends, func(e Endpoint) bool { return len(s.old.owning(e.Addr)) > 1 })
}
