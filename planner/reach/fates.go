package reach

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Turn is a region of packets between two ends that fare otherwise than before, and why.
type Turn struct {
	Opens  packet.Set // the first packets of the connections and messages that it is about
	Back   bool       // what fares otherwise is the answers to these
	Closed bool       // of what is opened: it could not arrive before for certain
	Beside bool       // of what is lost: it met no filter before, since both ends were in one bridge of a host
	Sure   bool       // they arrived before whatever was chosen and cannot now, or the reverse; else one of it is not known

	Why     string        // what decides now, or is not known; of what is opened, what decided before
	Stops   []Stop        // the filters that drop it
	Packet  packet.Packet // one that fares otherwise, as it is sent
	Headers *Headers
}

// Lost gives what may have arrived before and need not any more. Of TCP that is only what has been answered: a connection of which nothing came back is none.
func (c Comparison) Lost() []Turn {
	return c.try(c.There.Lost, func() []Turn {
		there := c.regions(c.There.Lost, c.Before.Forward, c.After.Forward, false)
		if c.Before.Translation == nil { // else answers come from others than those that were asked
			there = c.answered(there, c.Before.Return)
		}
		return append(there, c.regions(c.Headers.Intersect(c.Back.Lost, c.After.Return.Asked), c.Before.Return, c.After.Return, true)...)
	})
}

// try makes turns. Where that takes too much, nothing is known but of which packets it is.
func (c Comparison) try(s packet.Set, turns func() []Turn) (all []Turn) {
	if c.Same() || c.Limit != "" {
		return nil
	}
	if err := c.Headers.Try(func() { all = turns() }); err != nil {
		return []Turn{{Opens: s, Why: err.Error(), Headers: c.Headers}}
	}
	return all
}

// Opened gives what may arrive now and did not have to before.
func (c Comparison) Opened() []Turn {
	return c.try(c.There.Opened, func() []Turn {
		there := c.regions(c.There.Opened, c.After.Forward, c.Before.Forward, false)
		return append(there, c.regions(c.Headers.Intersect(c.Back.Opened, c.Before.Return.Asked), c.After.Return, c.Before.Return, true)...)
	})
}

// regions parts a region into what is sure, and what is not. Had is the direction by which it arrives, not the one by which it does not.
func (c Comparison) regions(s packet.Set, had, not Direction, back bool) []Turn {
	h := c.Headers
	sure := h.Minus(h.Intersect(s, had.Must), not.May)
	var all []Turn
	for _, t := range []Turn{{Opens: sure, Sure: true, Back: back}, {Opens: h.Minus(s, sure), Back: back}} {
		p, some := h.Witness(t.Opens)
		if !some {
			continue
		}
		t.Packet = p
		t.Closed, t.Beside = h.Intersect(t.Opens, not.May) == packet.Empty, had.Leg.beside()
		t.explain(h, had, not)
		if back {
			t.Opens = h.opening(t.Opens)
		}
		all = append(all, t)
	}
	return all
}

// explain finds what decides of the one packet.
func (t *Turn) explain(h *Headers, had, not Direction) {
	_, _, why := h.Trace(not.Leg, t.Packet)
	t.Why, t.Headers = why, h
	if !t.Sure {
		t.Why = cmp.Or(first(not.Doubts), first(had.Doubts), why)
	}
	t.Stops = h.stops(not.Leg, t.Packet)
}

func first(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

// answered leaves out TCP connections of which no answer may have come back. Those of which not all did are not sure.
func (c Comparison) answered(lost []Turn, back Direction) []Turn {
	h := c.Headers
	isTCP := h.Box(packet.Box{h.protocols(tcp)}, packet.Full)
	var all []Turn
	for _, t := range lost {
		opens := h.Intersect(t.Opens, isTCP)
		sent := h.replies(opens)
		if opens == packet.Empty || h.Minus(sent, back.Must) == packet.Empty {
			all = append(all, t)
			continue
		}
		came := func(s packet.Set) packet.Set { return h.Intersect(opens, h.opening(h.Intersect(sent, s))) }
		must, may := came(back.Must), came(back.May)
		for _, part := range []Turn{{Opens: h.Union(h.Minus(t.Opens, isTCP), must), Sure: t.Sure}, {Opens: h.Minus(may, must)}} {
			p, some := h.Witness(part.Opens)
			if !some {
				continue
			}
			opens, sure := part.Opens, part.Sure
			part = t
			part.Opens, part.Sure, part.Packet = opens, sure, p
			all = append(all, part)
		}
	}
	return all
}

// opening gives the first packets of the connections that are answered so.
func (h *Headers) opening(answers packet.Set) packet.Set {
	boxes, whole := h.Boxes(answers, maxReplies)
	if !whole {
		h.GiveUp(errReplies)
	}
	var all packet.Set
	for _, b := range boxes {
		all = h.Union(all, h.openingOf(b))
	}
	return h.Intersect(h.Valid, all)
}

func (h *Headers) openingOf(b []*packet.Values) packet.Set {
	var turned packet.Box
	for from, to := range map[string]string{
		fieldSource: fieldDestination, fieldDestination: fieldSource, fieldSourcePort: fieldDestinationPort, fieldDestinationPort: fieldSourcePort, fieldProtocol: fieldProtocol,
		fieldFragment: fieldFragment, fieldDSCP: fieldDSCP, fieldMark: fieldMark, fieldUntracked: fieldUntracked,
	} {
		if v := b[h.at[from]]; v != nil {
			turned = append(turned, h.term(to, *v))
		}
	}
	isTCP, isICMP := h.Box(packet.Box{h.protocols(tcp)}, packet.Full), h.Box(packet.Box{h.isICMP()}, packet.Full)
	all := h.Box(turned, packet.Full)
	opens := h.Intersect(h.Intersect(all, isTCP), h.Box(packet.Box{h.term(fieldFlags, policy.Is(syn))}, packet.Full))
	plain := h.Minus(all, h.Union(isTCP, isICMP))
	var echoes packet.Set
	ends := slices.DeleteFunc(slices.Clone(turned), func(t packet.Term) bool {
		return t.Field == h.at[fieldSourcePort] || t.Field == h.at[fieldDestinationPort]
	})
	if asks := h.Box(append(packet.Box{h.isICMP(), h.term(fieldSourcePort, echo(h.Family))}, ends...), packet.Full); b[h.at[fieldProtocol]] == nil || b[h.at[fieldProtocol]].Has(h.isICMP().Of[0].Lo) {
		echoes = asks
	}
	return h.Union(h.Union(opens, plain), echoes)
}

// Stop is a filter that drops packets, by a rule or at its end.
type Stop struct {
	Device, Filter topology.Node
	In             *policy.Filter // the rules of Filter
	Rule           *policy.Rule   // nil: its end
}

// stops lists the filters that drop a packet, on whichever of the ways of a leg.
func (h *Headers) stops(l *Leg, p packet.Packet) []Stop {
	var all []Stop
	for l := range l.All() {
		for i := range l.Steps {
			s := &l.Steps[i]
			if s.Filter == nil || s.Filter.Family&h.Family == 0 {
				continue
			}
			hits, gone := h.decide(s, slices.Clone(p))
			if !gone || len(hits) == 0 {
				continue
			}
			last := hits[len(hits)-1]
			stop := Stop{s.Device, s.Node, last.Filter, last.Rule}
			if last.Filter == s.Filter && !slices.ContainsFunc(all, func(o Stop) bool { return o.Filter == stop.Filter && o.Rule == stop.Rule }) {
				all = append(all, stop)
			}
		}
	}
	return all
}

// With gives the filter with a rule in front of the one that decides. It is not ok where nobody could write such a rule there: the list is not defined, or is made
// of a template for each guest.
func (s *Stop) With(rule policy.Rule) (*policy.Filter, bool) {
	if s.In.Missing != "" || s.In.Dialect == "nwfilter" || s.In.Dialect == stateDialect || s.Filter.IsZero() {
		return nil, false
	}
	at := len(s.In.Rules)
	if s.Rule != nil {
		at = slices.IndexFunc(s.In.Rules, func(r policy.Rule) bool { return r.Place == s.Rule.Place && r.Text == s.Rule.Text })
	}
	if at < 0 {
		return nil, false
	}
	f := *s.In
	f.Rules = slices.Insert(slices.Clone(s.In.Rules), at, rule)
	return &f, true
}

// PermitRule is one rule that lets what was lost pass between the ends that begin it and the others. It is not ok where what was lost is not of one protocol and some ports.
func PermitRule(t Turn, ends [2][]Endpoint) (policy.Rule, bool) {
	h := t.Headers
	services := h.only(t.Opens, fieldProtocol, fieldDestinationPort)
	boxes, whole := h.Boxes(services, 2)
	if !whole || len(boxes) != 1 || boxes[0][h.at[fieldProtocol]] == nil {
		return policy.Rule{}, false
	}
	proto, ports := boxes[0][h.at[fieldProtocol]], boxes[0][h.at[fieldDestinationPort]]
	if proto.Lo != proto.Hi {
		return policy.Rule{}, false
	}
	from, to, port := ends[0], ends[1], policy.DestinationPort
	if t.Back {
		from, to, port = ends[1], ends[0], policy.SourcePort
	}
	rule := policy.Rule{Verdict: policy.Permit, Match: []policy.Term{{Field: policy.Protocol, Of: []policy.Range{*proto}}, h.ofEnds(policy.Source, from), h.ofEnds(policy.Destination, to)}}
	rule.Text = fmt.Sprintf("permit %s from %s to %s", ProtocolName(proto.Lo.Lo), addressList(from), addressList(to))
	ported := slices.Contains([]uint64{tcp, udp, dccp, sctp, udplite}, proto.Lo.Lo)
	if ported && ports != nil && !everyPort(ports) {
		rule.Match = append(rule.Match, policy.Term{Field: port, Of: []policy.Range{*ports}})
		side := map[bool]string{false: "port ", true: "from port "}[t.Back]
		rule.Text += " " + side + span(ports)
	}
	return rule, true
}

func (h *Headers) ofEnds(f policy.Field, ends []Endpoint) policy.Term {
	t := policy.Term{Field: f, Family: h.Family}
	for _, e := range ends {
		t.Of = append(t.Of, policy.PrefixRange(netip.PrefixFrom(e.Addr, e.Addr.BitLen())))
	}
	return t
}

func addressList(ends []Endpoint) string {
	var words []string
	for _, e := range ends {
		words = append(words, e.Addr.String())
	}
	return strings.Join(words, ",")
}

// Meets tells whether some of the packets are of a flow between two addresses.
func (h *Headers) Meets(s packet.Set, from, to netip.Addr, flow Flow) bool {
	return h.Intersect(s, h.asked(from, to, flow)) != packet.Empty
}

// beside tells that packets go from guest to guest in a bridge of their host, and meet no filter there.
func (l *Leg) beside() bool {
	crosses := false
	for l := range l.All() {
		for i := range l.Steps {
			s := &l.Steps[i]
			if s.Filter != nil || s.Route != "" || slices.ContainsFunc(s.Hops, func(h topology.Hop) bool { return h.Rel == topology.Link }) {
				return false
			}
			crosses = crosses || len(s.Hops) > 2
		}
	}
	return crosses
}

// Services words the protocols of what a turn is about, and the ports that those who begin it go to; those that they come from only where they matter.
func (t *Turn) Services(limit int) []string {
	h := t.Headers
	ports := h.Intersect(t.Opens, h.Box(packet.Box{h.withPorts()}, packet.Full))
	rest := h.only(h.Minus(t.Opens, ports), fieldProtocol, fieldSourcePort, fieldDestinationPort)
	some := uint64(0)
	for _, v := range h.spans(h.only(ports, fieldSourcePort), fieldSourcePort) {
		some += v.Hi.Lo - v.Lo.Lo + 1
	}
	if some > (lastPort-firstPort)/2 {
		ports = h.only(ports, fieldProtocol, fieldDestinationPort)
	}
	all := h.Union(ports, rest)
	words := h.Services(all, limit)
	if len(words) <= limit {
		return words
	}
	first := netip.IPv4Unspecified()
	if h.Family == policy.IPv6 {
		first = netip.IPv6Unspecified()
	}
	asked := h.only(h.asked(first, first, Flow{}), fieldProtocol, fieldSourcePort, fieldDestinationPort)
	if but := h.Services(h.Minus(asked, all), limit); len(but) > 0 && len(but) <= limit {
		return []string{"anything but " + strings.Join(but, ", ")}
	}
	return words
}
