package filter

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// Protocols by name (IANA "Protocol Numbers", and the further names of /etc/protocols that iptables and nft print).
var protocols = map[string]uint64{ //nolint:gochecknoglobals // read-only table
	"ip": 0, "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "ipip": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9, "pup": 12, "udp": 17, "hmp": 20, "xns-idp": 22, "rdp": 27,
	"iso-tp4": 29, "dccp": 33, "xtp": 36, "ddp": 37, "idpr-cmtp": 38, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45, "rsvp": 46, "gre": 47, "esp": 50, "ipv6-crypt": 50,
	"ah": 51, "ipv6-auth": 51, "skip": 57, "ipv6-icmp": 58, "icmpv6": 58, "icmp6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "rspf": 73, "vmtp": 81, "eigrp": 88, "ospf": 89,
	"ospfigp": 89, "ax.25": 93, "etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108, "comp": 108, "vrrp": 112, "carp": 112, "l2tp": 115, "isis": 124, "sctp": 132, "fc": 133,
	"mobility-header": 135, "ipv6-mh": 135, "udplite": 136, "mpls-in-ip": 137, "manet": 138, "shim6": 140, "wesp": 141, "rohc": 142, "ethernet": 143,
}

// Types and codes of ICMP and ICMPv6 by the names that iptables and nft take (libxt_icmp.h, nft's icmp_type_tbl). A code of -1 is any.
var (
	icmpTypes = map[string][2]int{ //nolint:gochecknoglobals // read-only table
		"echo-reply": {0, -1}, "pong": {0, -1}, "destination-unreachable": {3, -1}, "network-unreachable": {3, 0}, "host-unreachable": {3, 1}, "protocol-unreachable": {3, 2},
		"port-unreachable": {3, 3}, "fragmentation-needed": {3, 4}, "source-route-failed": {3, 5}, "network-unknown": {3, 6}, "host-unknown": {3, 7}, "network-prohibited": {3, 9},
		"host-prohibited": {3, 10}, "TOS-network-unreachable": {3, 11}, "TOS-host-unreachable": {3, 12}, "communication-prohibited": {3, 13}, "host-precedence-violation": {3, 14},
		"precedence-cutoff": {3, 15}, "source-quench": {4, -1}, "redirect": {5, -1}, "network-redirect": {5, 0}, "host-redirect": {5, 1}, "TOS-network-redirect": {5, 2},
		"TOS-host-redirect": {5, 3}, "echo-request": {8, -1}, "ping": {8, -1}, "router-advertisement": {9, -1}, "router-solicitation": {10, -1}, "time-exceeded": {11, -1},
		"ttl-exceeded": {11, -1}, "ttl-zero-during-transit": {11, 0}, "ttl-zero-during-reassembly": {11, 1}, "parameter-problem": {12, -1}, "ip-header-bad": {12, 0},
		"required-option-missing": {12, 1}, "timestamp-request": {13, -1}, "timestamp-reply": {14, -1}, "info-request": {15, -1}, "info-reply": {16, -1},
		"address-mask-request": {17, -1}, "address-mask-reply": {18, -1},
	}
	icmpv6Types = map[string][2]int{ //nolint:gochecknoglobals // read-only table
		"destination-unreachable": {1, -1}, "no-route": {1, 0}, "communication-prohibited": {1, 1}, "beyond-scope": {1, 2}, "address-unreachable": {1, 3}, "port-unreachable": {1, 4},
		"failed-policy": {1, 5}, "reject-route": {1, 6}, "packet-too-big": {2, -1}, "time-exceeded": {3, -1}, "ttl-exceeded": {3, -1}, "ttl-zero-during-transit": {3, 0},
		"ttl-zero-during-reassembly": {3, 1}, "parameter-problem": {4, -1}, "bad-header": {4, 0}, "unknown-header-type": {4, 1}, "unknown-option": {4, 2}, "echo-request": {128, -1},
		"ping": {128, -1}, "echo-reply": {129, -1}, "pong": {129, -1}, "mld-listener-query": {130, -1}, "mld-listener-report": {131, -1}, "mld-listener-done": {132, -1},
		"mld-listener-reduction": {132, -1}, "router-solicitation": {133, -1}, "nd-router-solicit": {133, -1}, "router-advertisement": {134, -1}, "nd-router-advert": {134, -1},
		"neighbor-solicitation": {135, -1}, "neighbour-solicitation": {135, -1}, "nd-neighbor-solicit": {135, -1}, "neighbor-advertisement": {136, -1},
		"neighbour-advertisement": {136, -1}, "nd-neighbor-advert": {136, -1}, "redirect": {137, -1}, "nd-redirect": {137, -1}, "router-renumbering": {138, -1},
		"ind-neighbor-solicit": {141, -1}, "ind-neighbor-advert": {142, -1}, "mld2-listener-report": {143, -1},
	}
)

// Differentiated services by name (RFC 2474, 2597, 3246).
var dscpClasses = map[string]uint64{ //nolint:gochecknoglobals // read-only table
	"cs0": 0, "be": 0, "df": 0, "cs1": 8, "af11": 10, "af12": 12, "af13": 14, "cs2": 16, "af21": 18, "af22": 20, "af23": 22, "cs3": 24, "af31": 26, "af32": 28, "af33": 30, "cs4": 32,
	"af41": 34, "af42": 36, "af43": 38, "cs5": 40, "ef": 46, "cs6": 48, "cs7": 56, "le": 1,
}

// Flags of TCP (RFC 9293); ALL of iptables are the first six.
var tcpFlags = map[string]uint64{ //nolint:gochecknoglobals // read-only table
	"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "ece": 64, "cwr": 128, "all": 63, "none": 0,
}

var connStates = map[string]uint64{ //nolint:gochecknoglobals // read-only table
	"new": policy.StateNew, "established": policy.StateEstablished, "related": policy.StateRelated, "invalid": policy.StateInvalid, "untracked": policy.StateUntracked,
}

var addressTypes = map[string]uint64{ //nolint:gochecknoglobals // read-only table
	"unicast": policy.AddrUnicast, "local": policy.AddrLocal, "broadcast": policy.AddrBroadcast, "multicast": policy.AddrMulticast,
}

// EtherTypes by the names of ebtables (/etc/ethertypes), libvirt and nft.
var etherTypes = map[string]uint64{ //nolint:gochecknoglobals // read-only table
	"ipv4": 0x0800, "ip": 0x0800, "arp": 0x0806, "rarp": 0x8035, "802_1q": 0x8100, "vlan": 0x8100, "8021q": 0x8100, "8021ad": 0x88a8, "ipv6": 0x86dd, "ip6": 0x86dd, "ppp_disc": 0x8863,
	"ppp_ses": 0x8864, "mpls": 0x8847, "mpls_uc": 0x8847,
}

const (
	tcp, udp, sctp, dccp, udplite = 6, 17, 132, 33, 136
	icmp, icmpv6                  = 1, 58
)

// number reads a number in decimal, or in hexadecimal behind 0x, up to most.
func number(text string, most uint64) (uint64, error) {
	base, digits := 10, text
	if rest, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		base, digits = 16, rest
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil || n > most {
		return 0, fmt.Errorf("%q is no number up to %d", text, most)
	}
	return n, nil
}

// span reads a number, or two with a separator between them, either of which may be missing.
func span(text, separator string, most uint64) (policy.Range, error) {
	first, last, ranged := strings.Cut(text, separator)
	lo, hi := uint64(0), most
	var err error
	if first != "" {
		if lo, err = number(first, most); err != nil {
			return policy.Range{}, err
		}
	}
	switch {
	case !ranged:
		if first == "" {
			return policy.Range{}, fmt.Errorf("%q is no number", text)
		}
		hi = lo
	case last != "":
		if hi, err = number(last, most); err != nil {
			return policy.Range{}, err
		}
	}
	if hi < lo {
		return policy.Range{}, fmt.Errorf("%q is an empty range", text)
	}
	return policy.FromTo(lo, hi), nil
}

// spans reads a list of them with commas.
func spans(text, separator string, most uint64) ([]policy.Range, error) {
	var of []policy.Range
	for part := range strings.SplitSeq(text, ",") {
		r, err := span(part, separator, most)
		if err != nil {
			return nil, err
		}
		of = append(of, r)
	}
	return of, nil
}

// lookUp reads a name of a table, or a number up to most.
func lookUp(table map[string]uint64, text string, most uint64) (uint64, error) {
	if n, ok := table[strings.ToLower(text)]; ok {
		return n, nil
	}
	return number(text, most)
}

// listOf reads names of a table with commas between them.
func listOf(table map[string]uint64, text string) (of []policy.Range, unknown []string) {
	for part := range strings.SplitSeq(text, ",") {
		if n, ok := table[strings.ToLower(part)]; ok {
			of = append(of, policy.Is(n))
		} else {
			unknown = append(unknown, part)
		}
	}
	return of, unknown
}

// flagBits reads names of TCP's flags with commas between them.
func flagBits(text string) (uint64, error) {
	var bits uint64
	for part := range strings.SplitSeq(text, ",") {
		n, err := lookUp(tcpFlags, part, 255)
		if err != nil {
			return 0, fmt.Errorf("%q is no flag of TCP", part)
		}
		bits |= n
	}
	return bits, nil
}

// familyOf is the family of an address.
func familyOf(a netip.Addr) policy.Family {
	if a.Is4() {
		return policy.IPv4
	}
	return policy.IPv6
}

// addresses reads ADDRESS, ADDRESS/LENGTH or ADDRESS/MASK of a family.
func addresses(text string, family policy.Family) (policy.Range, error) {
	head, tail, masked := strings.Cut(text, "/")
	a, err := netip.ParseAddr(head)
	if err != nil || a.Zone() != "" || familyOf(a) != family {
		return policy.Range{}, fmt.Errorf("%q is no address of this family", text)
	}
	if !masked {
		return policy.Range{Lo: policy.AddrWord(a), Hi: policy.AddrWord(a)}, nil
	}
	if bits, err := strconv.Atoi(tail); err == nil {
		p, err := a.Prefix(bits)
		if err != nil {
			return policy.Range{}, fmt.Errorf("%q is no prefix", text)
		}
		return policy.PrefixRange(p), nil
	}
	m, err := netip.ParseAddr(tail)
	if err != nil || m.Zone() != "" || familyOf(m) != family {
		return policy.Range{}, fmt.Errorf("%q has no mask of this family", text)
	}
	return underMask(policy.AddrWord(a), policy.AddrWord(m), a), nil
}

// underMask is the addresses that are a under a mask: a prefix, where the mask is one.
func underMask(value, mask policy.Word, a netip.Addr) policy.Range {
	for bits := range a.BitLen() + 1 {
		p := netip.PrefixFrom(a, bits)
		r := policy.PrefixRange(p)
		if (policy.Word{Hi: ^(r.Lo.Hi ^ r.Hi.Hi), Lo: ^(r.Lo.Lo ^ r.Hi.Lo)}) == wide(mask, a.BitLen()) {
			return r
		}
	}
	return policy.Range{Lo: policy.Word{Hi: value.Hi & mask.Hi, Lo: value.Lo & mask.Lo}, Mask: mask}
}

// wide is a mask of addresses as one of 128 bits: bits that the family does not have are in it.
func wide(mask policy.Word, length int) policy.Word {
	if length == 32 {
		return policy.Word{Hi: ^uint64(0), Lo: mask.Lo | 0xffffffff_00000000}
	}
	return mask
}

// addressRange reads ADDRESS or ADDRESS-ADDRESS of a family.
func addressRange(text string, family policy.Family) (policy.Range, error) {
	head, tail, ranged := strings.Cut(text, "-")
	r, err := addresses(head, family)
	if err != nil || !ranged {
		return r, err
	}
	to, err := addresses(tail, family)
	if err == nil && to.Hi.Less(r.Lo) {
		err = fmt.Errorf("%q is an empty range", text)
	}
	return policy.Range{Lo: r.Lo, Hi: to.Hi}, err
}

// mac reads a MAC address, digits of which may be left out as ebtables and libvirt do: 0:a:1:b:2:c.
func mac(text string) (uint64, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 6 {
		return 0, fmt.Errorf("%q is no MAC address", text)
	}
	var n uint64
	for _, p := range parts {
		b, err := strconv.ParseUint(p, 16, 8)
		if err != nil || len(p) > 2 {
			return 0, fmt.Errorf("%q is no MAC address", text)
		}
		n = n<<8 | b
	}
	return n, nil
}

const allMAC = 1<<48 - 1

// icmpType adds the terms of TYPE, TYPE/CODE, or of a name.
func (d *draft) icmpType(text string, v6, not bool) error {
	names := icmpTypes
	if v6 {
		names = icmpv6Types
	}
	if text == "any" {
		if not {
			d.never()
		}
		return nil
	}
	kind, ok := names[text]
	if !ok {
		head, tail, coded := strings.Cut(text, "/")
		t, err := span(head, ":", 255)
		if err != nil {
			return err
		}
		if t.Lo != t.Hi {
			d.term(policy.ICMPType, not, t)
			return nil
		}
		if t.Lo.Lo == 255 && !v6 { // any type, whatever the code (icmp_type_code_match)
			return d.icmpType("any", v6, not)
		}
		kind = [2]int{int(t.Lo.Lo), -1}
		if coded {
			c, err := number(tail, 255)
			if err != nil {
				return err
			}
			kind[1] = int(c)
		}
	}
	if not && kind[1] >= 0 {
		d.unsure("all but ICMP type and code %s", text)
		return nil
	}
	d.term(policy.ICMPType, not, policy.Is(uint64(kind[0])))
	if kind[1] >= 0 {
		d.term(policy.ICMPCode, false, policy.Is(uint64(kind[1])))
	}
	return nil
}

// every is all addresses of a family.
func every(family policy.Family) policy.Range {
	if family == policy.IPv6 {
		return policy.PrefixRange(netip.PrefixFrom(netip.IPv6Unspecified(), 0))
	}
	return policy.PrefixRange(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
}
