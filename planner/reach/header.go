// Package reach says exactly what may flow: sets of packets through filters, translations, VLANs and routes, in bounds of what must and what may pass, and
// what becomes lost or possible when something changes. It is pure: a snapshot in, sets and their explanation out; docs/reach.md has the semantics.
package reach

import (
	"net/netip"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

// The fields of a header, by their names. Ports and ICMP share their place: no packet has both.
const (
	fieldSource          = "source"
	fieldDestination     = "destination"
	fieldProtocol        = "protocol"
	fieldDestinationPort = "destinationPort" // ICMP: the code
	fieldSourcePort      = "sourcePort"      // ICMP: the type
	fieldFlags           = "tcpFlags"
	fieldFragment        = "fragment"
	fieldDSCP            = "dscp"
	fieldMark            = "mark"
	fieldUntracked       = "untracked" // 1: a rule of the device took it out of connection tracking
)

// Protocols (IANA).
const (
	icmp    = 1
	tcp     = 6
	udp     = 17
	dccp    = 33
	icmpv6  = 58
	sctp    = 132
	udplite = 136
)

// Headers is the space of the headers of one family. Sets of one Headers combine; those of two never meet.
type Headers struct {
	*packet.Space
	Family policy.Family // IPv4 or IPv6
	Valid  packet.Set    // packets that there are: ports and flags only where the protocol has them

	at   map[string]int // place of each field
	memo *memo          // of a space in which many questions are asked
}

// Order is an order of the fields. Which is best depends on the rules: reach.md.
type Order []string

// Orders are those that are tried for a group of filters, the first one first.
var Orders = []Order{ //nolint:gochecknoglobals // read-only table
	{fieldDestination, fieldSource, fieldProtocol, fieldDestinationPort, fieldSourcePort, fieldFlags, fieldFragment, fieldDSCP, fieldMark, fieldUntracked},
	{fieldSource, fieldDestination, fieldProtocol, fieldDestinationPort, fieldSourcePort, fieldFlags, fieldFragment, fieldDSCP, fieldMark, fieldUntracked},
	{fieldProtocol, fieldDestinationPort, fieldSourcePort, fieldDestination, fieldSource, fieldFlags, fieldFragment, fieldDSCP, fieldMark, fieldUntracked},
}

// NewHeaders makes the space of a family. Budget is that of packet.NewSpace.
func NewHeaders(family policy.Family, order Order, budget int) *Headers {
	address := 32
	if family == policy.IPv6 {
		address = 128
	}
	bits := map[string]int{
		fieldSource: address, fieldDestination: address, fieldProtocol: 8, fieldDestinationPort: 16, fieldSourcePort: 16, fieldFlags: 8,
		fieldFragment: 2, fieldDSCP: 6, fieldMark: 32, fieldUntracked: 1,
	}
	h := &Headers{Family: family, at: map[string]int{}}
	var fields []packet.Field
	for i, name := range order {
		h.at[name] = i
		f := packet.Field{Name: name, Bits: bits[name]}
		if name == fieldMark {
			f.Digit = 8
		}
		fields = append(fields, f)
	}
	h.Space = packet.NewSpace(fields, budget)
	h.Valid = h.valid()
	return h
}

func (h *Headers) term(field string, of ...packet.Values) packet.Term {
	return packet.Term{Field: h.at[field], Of: of}
}

func (h *Headers) protocols(ps ...uint64) packet.Term {
	t := h.term(fieldProtocol)
	for _, p := range ps {
		t.Of = append(t.Of, packet.One(packet.V(p)))
	}
	return t
}

func (h *Headers) withPorts() packet.Term { return h.protocols(tcp, udp, dccp, sctp, udplite) }
func (h *Headers) isICMP() packet.Term {
	if h.Family == policy.IPv6 {
		return h.protocols(icmpv6)
	}
	return h.protocols(icmp)
}

// notLater is the packets that are no later fragments: only they have a header of layer 4.
func (h *Headers) notLater() packet.Term {
	return h.term(fieldFragment, packet.Span(policy.FragmentNone, policy.FragmentFirst))
}

// valid is the packets that there are. What a packet has not, is 0: ports of other protocols and of later fragments, flags of all but TCP.
func (h *Headers) valid() packet.Set {
	zero := packet.One(packet.Value{})
	noPorts := packet.Box{h.term(fieldSourcePort, zero), h.term(fieldDestinationPort, zero)}
	noFlags := packet.Box{h.term(fieldFlags, zero)}
	small := packet.Box{h.term(fieldSourcePort, packet.Span(0, 255)), h.term(fieldDestinationPort, packet.Span(0, 255))}
	fragment := packet.Box{h.term(fieldFragment, packet.Span(policy.FragmentNone, policy.FragmentLater))}

	set := func(boxes ...packet.Box) packet.Set {
		r := packet.Full
		for _, b := range boxes {
			r = h.Intersect(r, h.Box(b, packet.Full))
		}
		return r
	}
	later := packet.Box{h.term(fieldFragment, packet.One(packet.V(policy.FragmentLater)))}
	ports := h.Box(packet.Box{h.withPorts()}, packet.Full)
	icmps := h.Box(packet.Box{h.isICMP()}, packet.Full)
	isTCP := h.Box(packet.Box{h.protocols(tcp)}, packet.Full)

	layer4 := h.Union(h.Intersect(ports, h.Union(isTCP, set(noFlags))), h.Intersect(icmps, set(small, noFlags)))
	layer4 = h.Union(layer4, h.Minus(set(noPorts, noFlags), h.Union(ports, icmps)))
	return h.Intersect(set(fragment), h.Union(set(later, noPorts, noFlags), h.Minus(layer4, set(later))))
}

// Tracked is the packets that no filter has taken off connection tracking: all, as they come to a device.
func (h *Headers) Tracked() packet.Set {
	return h.Box(packet.Box{h.term(fieldUntracked, packet.One(packet.Value{}))}, h.Valid)
}

// Addresses is the packets whose source or destination is in one of the prefixes.
func (h *Headers) Addresses(field policy.Field, prefixes ...netip.Prefix) packet.Set {
	name := fieldSource
	if field == policy.Destination {
		name = fieldDestination
	}
	var of []policy.Range
	for _, p := range prefixes {
		if p.Addr().Is4() == (h.Family == policy.IPv4) {
			of = append(of, policy.PrefixRange(p))
		}
	}
	return h.Box(packet.Box{h.term(name, of...)}, h.Valid)
}
