package reach

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Region is a set of packets in words.
type Region struct {
	Services  []string `json:"services"`       // protocols with their ports, types and flags
	Addresses []string `json:"addresses"`      // from where to where
	Part      bool     `json:"part,omitempty"` // not all packets of these services between these addresses are meant
	More      bool     `json:"more,omitempty"` // there are further services, or addresses
}

// Describe words a set of packets, with at most limit services, and as many pairs of addresses.
func (h *Headers) Describe(s packet.Set, limit int) (r Region) {
	service := h.only(s, fieldProtocol, fieldSourcePort, fieldDestinationPort, fieldFlags, fieldFragment)
	between := h.only(s, fieldSource, fieldDestination)
	beside := h.only(s, fieldDSCP, fieldMark, fieldUntracked)
	r.Part = h.Intersect(h.Valid, h.Intersect(h.Intersect(service, between), beside)) != s
	var whole bool
	r.Services, whole = h.services(service)
	r.Part = r.Part || !whole
	boxes, all := h.Boxes(between, limit)
	var told packet.Set
	for _, b := range boxes {
		var box packet.Box
		for _, field := range []string{fieldSource, fieldDestination} {
			if v := b[h.at[field]]; v != nil {
				box = append(box, h.term(field, *v))
			}
		}
		told = h.Union(told, h.Box(box, packet.Full))
		r.Addresses = append(r.Addresses, "from "+h.addresses(b[h.at[fieldSource]])+" to "+h.addresses(b[h.at[fieldDestination]]))
	}
	r.Part = r.Part || all && told != between
	if r.More = !all; len(r.Services) > limit {
		r.Services, r.More = r.Services[:limit], true
	}
	return r
}

// only forgets all fields but these.
func (h *Headers) only(s packet.Set, fields ...string) packet.Set {
	for name, at := range h.at {
		if !slices.Contains(fields, name) {
			s = h.Some(s, at, policy.Range{Hi: policy.Word{Hi: ^uint64(0), Lo: ^uint64(0)}})
		}
	}
	return s
}

// addresses words a span of addresses: a prefix, if it is one.
func (h *Headers) addresses(v *packet.Values) string {
	if v == nil {
		return "any"
	}
	first := v.Lo.Addr(h.Family)
	for bits := range first.BitLen() + 1 {
		if p := netip.PrefixFrom(first, bits); policy.PrefixRange(p) == *v {
			switch bits {
			case 0:
				return "any"
			case first.BitLen():
				return first.String()
			}
			return p.String()
		}
	}
	return first.String() + "-" + v.Hi.Addr(h.Family).String()
}

// services words what a set says of protocols, and whether that is all it says.
func (h *Headers) services(s packet.Set) (words []string, whole bool) {
	all := h.only(h.Valid, fieldProtocol, fieldSourcePort, fieldDestinationPort, fieldFlags, fieldFragment)
	if s == all {
		return []string{"every protocol"}, true
	}
	whole = true
	rest := s
	for _, n := range []uint64{tcp, udp, icmp, icmpv6, sctp, dccp, udplite} {
		in := h.Box(packet.Box{h.protocols(n)}, packet.Full)
		rest = h.Minus(rest, in)
		switch part := h.Intersect(s, in); part {
		case packet.Empty:
		case h.Intersect(all, in):
			words = append(words, ProtocolName(n))
		default:
			text, exact := h.serviceOf(part, h.Intersect(all, in), n)
			words, whole = append(words, text...), whole && exact
		}
	}
	of := h.only(rest, fieldProtocol)
	whole = whole && h.Intersect(all, of) == rest
	for _, v := range h.spans(of, fieldProtocol) {
		if v.Lo == v.Hi {
			words = append(words, ProtocolName(v.Lo.Lo))
		} else {
			words = append(words, fmt.Sprintf("protocols %d-%d", v.Lo.Lo, v.Hi.Lo))
		}
	}
	return words, whole
}

// serviceOf words a part of the packets of a protocol.
func (h *Headers) serviceOf(s, all packet.Set, n uint64) (words []string, whole bool) {
	notLater := h.Box(packet.Box{h.notLater()}, packet.Full)
	first, later := h.Intersect(s, notLater), h.Minus(s, notLater)
	whole = later == packet.Empty || later == h.Minus(all, notLater)
	if first != packet.Empty {
		said := h.Intersect(all, notLater)
		words = append(words, ProtocolName(n))
		names := map[string]string{fieldSourcePort: " from ", fieldDestinationPort: " "}
		if n == icmp || n == icmpv6 {
			names = map[string]string{fieldSourcePort: " type ", fieldDestinationPort: " code "}
		}
		for _, field := range []string{fieldSourcePort, fieldDestinationPort} {
			of := h.only(first, field)
			if of != h.only(h.Intersect(all, notLater), field) {
				words = append(words, names[field]+h.list(of, field))
			}
			said = h.Intersect(said, of)
		}
		if said != first && h.only(first, fieldFlags) != h.only(said, fieldFlags) {
			words = append(words, " with some flags")
		}
		words, whole = []string{strings.Join(words, "")}, whole && said == first
	}
	if later != packet.Empty {
		words = append(words, "later fragments of "+ProtocolName(n))
	}
	return words, whole
}

// spans gives the values of a field that a set over this field alone holds.
func (h *Headers) spans(s packet.Set, field string) (spans []packet.Values) {
	const enough = 1 << 16
	boxes, _ := h.Boxes(s, enough)
	for _, b := range boxes {
		if v := b[h.at[field]]; v != nil {
			spans = append(spans, *v)
		}
	}
	return spans
}

const maxSpans = 6 // of a field, in words

func (h *Headers) list(s packet.Set, field string) string {
	var words []string
	for i, v := range h.spans(s, field) {
		if i == maxSpans {
			words = append(words, "...")
			break
		}
		words = append(words, span(&v))
	}
	return strings.Join(words, ",")
}

// String is the region in one line.
func (r Region) String() string {
	text := strings.Join(r.Services, ", ") + " " + strings.Join(r.Addresses, ", ")
	if r.More {
		text += ", and more"
	}
	if r.Part {
		text += " (in part)"
	}
	return text
}
