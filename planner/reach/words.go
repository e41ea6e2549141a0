package reach

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

var protocols = map[uint64]string{ //nolint:gochecknoglobals // read-only table (IANA)
	icmp: "icmp", 2: "igmp", 4: "ipip", tcp: "tcp", udp: "udp", dccp: "dccp", 47: "gre", 50: "esp", 51: "ah", icmpv6: "icmpv6", 88: "eigrp", 89: "ospf", 103: "pim",
	112: "vrrp", sctp: "sctp", udplite: "udplite",
}

// ProtocolName is the word for a protocol.
func ProtocolName(n uint64) string {
	if name, ok := protocols[n]; ok {
		return name
	}
	return fmt.Sprintf("protocol %d", n)
}

// ParseProtocol reads a word for a protocol, or its number.
func ParseProtocol(text string) (uint8, bool) {
	for n, name := range protocols {
		if strings.EqualFold(name, text) {
			return uint8(n), true
		}
	}
	n, err := strconv.ParseUint(text, 10, 8)
	return uint8(n), err == nil
}

// Services words the protocols and destination ports of a set, of which addresses do not matter; at most limit of them.
func (h *Headers) Services(s packet.Set, limit int) []string {
	if s == packet.Empty {
		return nil
	}
	boxes, all := h.Boxes(s, 64*limit)
	var words []string
	for _, b := range boxes {
		for _, w := range h.service(b) {
			if !slices.Contains(words, w) {
				words = append(words, w)
			}
		}
	}
	if len(words) > limit {
		words, all = words[:limit], false
	}
	if !all {
		words = append(words, "and more")
	}
	return words
}

func (h *Headers) service(b []*packet.Values) []string {
	proto, to, from := b[h.at[fieldProtocol]], b[h.at[fieldDestinationPort]], b[h.at[fieldSourcePort]]
	if proto == nil {
		return []string{"every protocol"}
	}
	if proto.Lo != proto.Hi {
		return []string{fmt.Sprintf("protocols %d-%d", proto.Lo.Lo, proto.Hi.Lo)}
	}
	text := ProtocolName(proto.Lo.Lo)
	if proto.Lo.Lo == icmp || proto.Lo.Lo == icmpv6 {
		if from != nil && (from.Lo.Lo != 0 || from.Hi.Lo < 255) {
			text += " type " + span(from)
		}
		return []string{text}
	}
	if !slices.Contains([]uint64{tcp, udp, dccp, sctp, udplite}, proto.Lo.Lo) {
		return []string{text}
	}
	if from != nil && !anyPort(from) {
		text += " from " + span(from)
	}
	answers := from != nil && !anyPort(from) && to != nil && to.Lo.Lo == firstPort && anyPort(to) // to whoever began it
	if to != nil && !everyPort(to) && !answers {
		text += " " + span(to)
	}
	return []string{text}
}

// anyPort tells that nothing is said of a port: all that a sender of its own accord would take.
func anyPort(v *packet.Values) bool { return v.Lo.Lo <= firstPort && v.Hi.Lo == lastPort }

// everyPort tells that nothing is said of a port that somebody is asked at.
func everyPort(v *packet.Values) bool { return v.Lo.Lo == 0 && v.Hi.Lo == lastPort }

func span(v *packet.Values) string {
	if v.Lo == v.Hi {
		return strconv.FormatUint(v.Lo.Lo, 10)
	}
	return fmt.Sprintf("%d-%d", v.Lo.Lo, v.Hi.Lo)
}

// PacketText words one packet.
func (h *Headers) PacketText(p packet.Packet) string {
	get := func(field string) uint64 { return p[h.at[field]].Lo }
	source, target := p[h.at[fieldSource]].Addr(h.Family), p[h.at[fieldDestination]].Addr(h.Family)
	proto := get(fieldProtocol)
	switch {
	case get(fieldFragment) == policy.FragmentLater:
		return fmt.Sprintf("later fragment of %s from %s to %s", ProtocolName(proto), source, target)
	case slices.Contains([]uint64{tcp, udp, dccp, sctp, udplite}, proto):
		text := fmt.Sprintf("%s %s port %d to %s port %d", ProtocolName(proto), source, get(fieldSourcePort), target, get(fieldDestinationPort))
		if proto == tcp {
			text += " " + flagText(get(fieldFlags))
		}
		return text
	case proto == icmp || proto == icmpv6:
		return fmt.Sprintf("%s type %d code %d from %s to %s", ProtocolName(proto), get(fieldSourcePort), get(fieldDestinationPort), source, target)
	}
	return fmt.Sprintf("%s from %s to %s", ProtocolName(proto), source, target)
}

func flagText(flags uint64) string {
	var words []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if flags>>i&1 == 1 {
			words = append(words, name)
		}
	}
	return strings.Join(words, "+")
}

// Witness gives one packet of a set: one that people know, if there is one.
func (h *Headers) Witness(s packet.Set) (packet.Packet, bool) {
	const dynamic = 49152 // the first of the dynamic ports (RFC 6335)
	from, to := h.term(fieldSourcePort, packet.Span(dynamic, dynamic)), h.term(fieldDestinationPort, packet.Span(dynamic, dynamic))
	opens := h.term(fieldFlags, packet.One(packet.V(syn)))
	for _, wish := range []packet.Box{
		{h.isICMP(), h.term(fieldSourcePort, echo(h.Family))},
		{h.isICMP()},
		{h.protocols(tcp), from, opens},
		{h.protocols(tcp), from},
		{h.protocols(tcp), to},
		{h.protocols(udp), from},
		{h.protocols(udp), to},
		{h.protocols(tcp)},
		{h.protocols(udp)},
		{},
	} {
		if p, ok := h.Pick(h.Intersect(s, h.Box(wish, packet.Full))); ok {
			return p, true
		}
	}
	return nil, false
}
