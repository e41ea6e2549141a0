package cli

import (
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// Numbers of protocols (IANA) that the grammar asks for.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// protocols are the names that access lists have for protocols.
// Source: Cisco IOS Security Command Reference, "permit (IP)"; Arista EOS manual, "ACLs and Route Maps"; IANA for the numbers.
var protocols = map[string]uint64{ //nolint:gochecknoglobals // read-only table
	"ahp": 51, "eigrp": 88, "esp": 50, "gre": 47, "icmp": 1, "icmpv6": 58, "igmp": 2, "ipinip": 4, "nos": 94, "ospf": 89, "pcp": 108, "pim": 103,
	"rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "vrrp": 112,
}

// tcpPorts and udpPorts are the names that access lists have for ports.
// Source: Cisco IOS Security Command Reference, "permit (TCP)", "permit (UDP)"; the later ones: what Arista EOS writes into its default control-plane list.
var (
	tcpPorts = map[string]uint64{ //nolint:gochecknoglobals // read-only table
		"bgp": 179, "chargen": 19, "cmd": 514, "connectedapps-plain": 15001, "connectedapps-tls": 15002, "daytime": 13, "discard": 9, "domain": 53,
		"drip": 3949, "echo": 7, "exec": 512, "finger": 79, "ftp": 21, "ftp-data": 20, "gopher": 70, "hostname": 101, "ident": 113, "irc": 194, "klogin": 543,
		"kshell": 544, "login": 513, "lpd": 515, "msrpc": 135, "nntp": 119, "onep-plain": 15001, "onep-tls": 15002, "pim-auto-rp": 496, "pop2": 109,
		"pop3": 110, "smtp": 25, "sunrpc": 111, "syslog": 514, "tacacs": 49, "talk": 517, "telnet": 23, "time": 37, "uucp": 540, "whois": 43, "www": 80,
		"ssh": 22, "https": 443, "snmp": 161, "msdp": 639, "ldp": 646, "netconf-ssh": 830, "gnmi": 6030, "mlag": 4432,
	}
	udpPorts = map[string]uint64{ //nolint:gochecknoglobals // read-only table
		"biff": 512, "bootpc": 68, "bootps": 67, "discard": 9, "dnsix": 195, "domain": 53, "echo": 7, "isakmp": 500, "mobile-ip": 434, "nameserver": 42,
		"netbios-dgm": 138, "netbios-ns": 137, "netbios-ss": 139, "non500-isakmp": 4500, "ntp": 123, "pim-auto-rp": 496, "rip": 520, "ripv6": 521,
		"snmp": 161, "snmptrap": 162, "sunrpc": 111, "syslog": 514, "tacacs": 49, "talk": 517, "tftp": 69, "time": 37, "who": 513, "xdmcp": 177,
		"bfd": 3784, "bfd-echo": 3785, "multihop-bfd": 4784, "micro-bfd": 6784, "mlag": 4432,
	}
)

// message is a type of ICMP, with a code or any.
type message struct {
	typ  uint64
	code int // -1: any
}

// icmpMessages are the names that access lists have for messages of ICMP (RFC 792, RFC 1812). Source: Cisco IOS Security Command Reference, "permit (ICMP)".
var icmpMessages = map[string]message{ //nolint:gochecknoglobals // read-only table
	"administratively-prohibited": {3, 13}, "alternate-address": {6, -1}, "conversion-error": {31, -1}, "dod-host-prohibited": {3, 10},
	"dod-net-prohibited": {3, 9}, "echo": {8, -1}, "echo-reply": {0, -1}, "general-parameter-problem": {12, 0}, "host-isolated": {3, 8},
	"host-precedence-unreachable": {3, 14}, "host-redirect": {5, 1}, "host-tos-redirect": {5, 3}, "host-tos-unreachable": {3, 12}, "host-unknown": {3, 7},
	"host-unreachable": {3, 1}, "information-reply": {16, -1}, "information-request": {15, -1}, "mask-reply": {18, -1}, "mask-request": {17, -1},
	"mobile-redirect": {32, -1}, "net-redirect": {5, 0}, "net-tos-redirect": {5, 2}, "net-tos-unreachable": {3, 11}, "net-unreachable": {3, 0},
	"network-unknown": {3, 6}, "no-room-for-option": {12, 2}, "option-missing": {12, 1}, "packet-too-big": {3, 4}, "parameter-problem": {12, -1},
	"port-unreachable": {3, 3}, "precedence-unreachable": {3, 15}, "protocol-unreachable": {3, 2}, "reassembly-timeout": {11, 1}, "redirect": {5, -1},
	"router-advertisement": {9, -1}, "router-solicitation": {10, -1}, "source-quench": {4, -1}, "source-route-failed": {3, 5}, "time-exceeded": {11, -1},
	"timestamp-reply": {14, -1}, "timestamp-request": {13, -1}, "traceroute": {30, -1}, "ttl-exceeded": {11, 0}, "unreachable": {3, -1},
}

// icmp6Messages are those of ICMPv6 (RFC 4443, RFC 4861, RFC 2710). Source: Cisco IOS IPv6 Command Reference, "permit (IPv6)".
var icmp6Messages = map[string]message{ //nolint:gochecknoglobals // read-only table
	"beyond-scope": {1, 2}, "destination-unreachable": {1, -1}, "echo-reply": {129, -1}, "echo-request": {128, -1}, "header": {4, 0}, "hop-limit": {3, 0},
	"mld-query": {130, -1}, "mld-reduction": {132, -1}, "mld-report": {131, -1}, "nd-na": {136, -1}, "nd-ns": {135, -1}, "next-header": {4, 1},
	"no-admin": {1, 1}, "no-route": {1, 0}, "packet-too-big": {2, -1}, "parameter-option": {4, 2}, "parameter-problem": {4, -1}, "port-unreachable": {1, 4},
	"reassembly-timeout": {3, 1}, "redirect": {137, -1}, "renum-command": {138, 0}, "renum-result": {138, 1}, "renum-seq-number": {138, 255},
	"router-advertisement": {134, -1}, "router-renumbering": {138, -1}, "router-solicitation": {133, -1}, "time-exceeded": {3, -1}, "unreachable": {1, -1},
}

// dscps are the names of code points (RFC 2474, RFC 2597, RFC 3246).
var dscps = map[string]uint64{ //nolint:gochecknoglobals // read-only table
	"default": 0, "ef": 46, "af11": 10, "af12": 12, "af13": 14, "af21": 18, "af22": 20, "af23": 22, "af31": 26, "af32": 28, "af33": 30, "af41": 34,
	"af42": 36, "af43": 38, "cs1": 8, "cs2": 16, "cs3": 24, "cs4": 32, "cs5": 40, "cs6": 48, "cs7": 56,
}

// precedences and typesOfService are those of RFC 791 and RFC 1349.
var (
	precedences = map[string]uint64{ //nolint:gochecknoglobals // read-only table
		"routine": 0, "priority": 1, "immediate": 2, "flash": 3, "flash-override": 4, "critical": 5, "internet": 6, "network": 7,
	}
	typesOfService = map[string]uint64{ //nolint:gochecknoglobals // read-only table
		"normal": 0, "min-monetary-cost": 1, "max-reliability": 2, "max-throughput": 4, "min-delay": 8,
	}
	tcpFlags = map[string]uint64{"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32} //nolint:gochecknoglobals // read-only table
)

// number is a word as a number of a table, or as itself.
func number(word string, names map[string]uint64, most uint64) (uint64, bool) {
	if n, ok := names[word]; ok {
		return n, true
	}
	n, err := strconv.ParseUint(word, 10, 64)
	return n, err == nil && n <= most
}

// ipv4 reads four numbers with dots.
func ipv4(word string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(word)
	return a, err == nil && a.Is4()
}

// masked is an address with a mask of the bits that count: a prefix, or what no prefix is.
func masked(a, mask netip.Addr) policy.Range {
	m := uint32(policy.AddrWord(mask).Lo)
	if ones := bits.OnesCount32(m); bits.LeadingZeros32(^m) == ones {
		return policy.PrefixRange(netip.PrefixFrom(a, ones))
	}
	return policy.Bits(policy.AddrWord(a).Lo, uint64(m))
}

// inverse turns a wildcard, whose zeros count, into a mask, whose ones do.
func inverse(a netip.Addr) netip.Addr {
	b := a.As4()
	for i := range b {
		b[i] = ^b[i]
	}
	return netip.AddrFrom4(b)
}

// prefixOf reads an address and its mask, which are a prefix.
func prefixOf(address, mask string) (netip.Prefix, bool) {
	a, ok := ipv4(address)
	m, ok2 := ipv4(mask)
	if !ok || !ok2 {
		return netip.Prefix{}, false
	}
	n := uint32(policy.AddrWord(m).Lo)
	ones := bits.OnesCount32(n)
	return netip.PrefixFrom(a, ones), bits.LeadingZeros32(^n) == ones
}

// prefix reads ADDRESS/LENGTH of either family.
func prefix(word string) (netip.Prefix, bool) {
	if !strings.Contains(word, "/") {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(word)
	return p, err == nil
}
