package cli

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// entry reads one permit or deny of an access list, word by word. What it has understood stays, whatever becomes of the rest: a superset of what matches.
type entry struct {
	words  []string
	family policy.Family
	groups map[string]*group // object groups, by kind and name
	frag   fragments

	verdict   policy.Verdict
	services  []service // alternatives; none: all packets
	addresses []policy.Term
	options   []policy.Term
	uncertain string
	layer4    bool // it looks at more than addresses and protocol
	loose     bool // it looks at flags or ICMP: nothing is certain of its later fragments
	later     bool // it is about later fragments alone
}

// service is an alternative of protocols and ports. Without protocols it is any.
type service struct {
	protocols           []policy.Range
	source, destination []policy.Range // ports
	sourceNot, destNot  bool
	icmp                []policy.Term
}

// fragments says what a platform does with later fragments, which have no ports, at a permit that names ports.
type fragments uint8

const (
	// laterUnknown: nothing is documented that holds for all hardware.
	laterUnknown fragments = iota
	// laterPermitted: a permit lets them pass where addresses and protocol match, a deny leaves them to the next entry.
	// Source: Cisco, "Access Control Lists and IP Fragments" (document 8014); IOS Security Configuration Guide, "IP Access List Entry Sequence … fragments".
	laterPermitted
)

func (e *entry) next() string {
	if len(e.words) == 0 {
		return ""
	}
	return e.words[0]
}

func (e *entry) take() string {
	w := e.next()
	if w != "" {
		e.words = e.words[1:]
	}
	return w
}

// takePair takes a word and its value, if they come next.
func (e *entry) takePair(word string) {
	if e.next() == word {
		e.take()
		e.take()
	}
}

// standard reads a rule on the source alone.
func (e *entry) standard() (why string) {
	if why = e.address(policy.Source, true); why != "" {
		return why
	}
	return e.rest()
}

// extended reads a rule: protocol, source, destination, with ports between, and options.
func (e *entry) extended() (why string) {
	if why = e.protocol(); why != "" {
		return why
	}
	for _, side := range []policy.Field{policy.Source, policy.Destination} {
		if why = e.address(side, false); why != "" {
			return why
		}
		if why = e.ports(side); why != "" {
			return why
		}
	}
	return e.rest()
}

func (e *entry) protocol() (why string) {
	w := e.take()
	switch {
	case w == "object-group":
		g := e.groups["service "+e.take()]
		if g == nil {
			return "a service group that is not defined"
		}
		all, why := g.services(e.groups, nil)
		e.services = all
		e.layer4 = slices.ContainsFunc(all, func(s service) bool { return len(s.source)+len(s.destination)+len(s.icmp) > 0 })
		return why
	case w == "ip" && e.family == policy.IPv4, w == "ipv6" && e.family == policy.IPv6:
		e.services = []service{{}}
		return ""
	}
	n, ok := number(w, protocols, 255)
	if w == "icmp" && e.family == policy.IPv6 {
		n = protoICMPv6
	}
	if !ok {
		return "protocol " + w
	}
	e.services = []service{{protocols: []policy.Range{policy.Is(n)}}}
	return ""
}

// address reads any, host A, A WILDCARD, A/LENGTH, or a group.
func (e *entry) address(side policy.Field, standard bool) (why string) {
	w := e.take()
	var of []policy.Range
	switch w {
	case "any", "any4", "any6":
		return ""
	case "host":
		a, err := netip.ParseAddr(e.take())
		if err != nil || a.Is4() != (e.family == policy.IPv4) {
			return "a host without address"
		}
		of = []policy.Range{policy.PrefixRange(netip.PrefixFrom(a, a.BitLen()))}
	case "object-group", "addrgroup":
		g := e.groups["network "+e.take()]
		if g == nil {
			return "an address group that is not defined"
		}
		var every bool
		if of, every, why = g.ranges(e.groups, nil); why != "" || every {
			return why
		}
		if len(of) == 0 {
			return "an address group without members"
		}
	default:
		r, all, ok := e.network(w, standard)
		if !ok {
			return "address " + w
		}
		if all {
			return ""
		}
		of = []policy.Range{r}
	}
	e.addresses = append(e.addresses, policy.Term{Field: side, Family: e.family, Of: of})
	return ""
}

// network is an address with what follows it: its length behind a slash, a wildcard, or nothing (in a standard list).
func (e *entry) network(w string, standard bool) (r policy.Range, all, ok bool) {
	if p, ok := prefix(w); ok && p.Addr().Is4() == (e.family == policy.IPv4) {
		return policy.PrefixRange(p), p.Bits() == 0, true
	}
	a, ok := ipv4(w)
	if !ok || e.family != policy.IPv4 {
		return r, false, false
	}
	wild, hasWild := ipv4(e.next())
	switch {
	case hasWild:
		e.take()
	case standard:
		wild = netip.IPv4Unspecified()
	default:
		return r, false, false
	}
	r = masked(a, inverse(wild))
	return r, wild == netip.AddrFrom4([4]byte{255, 255, 255, 255}), true
}

// ports reads an operator and its ports, if there is one.
func (e *entry) ports(side policy.Field) (why string) {
	op := e.next()
	if !slices.Contains([]string{"eq", "neq", "lt", "gt", "range"}, op) {
		return ""
	}
	names, ok := e.portNames()
	if !ok {
		return "ports of a protocol that has none"
	}
	e.take()
	e.layer4 = true
	of, not, why := e.portValues(op, names)
	if why != "" {
		return why
	}
	for i := range e.services {
		if side == policy.Source {
			e.services[i].source, e.services[i].sourceNot = of, not
		} else {
			e.services[i].destination, e.services[i].destNot = of, not
		}
	}
	return ""
}

// portNames are those of the protocols of the entry: it has ports if all of these do.
func (e *entry) portNames() (map[string]uint64, bool) {
	names := map[string]uint64{}
	for _, s := range e.services {
		if len(s.protocols) == 0 || len(s.source)+len(s.destination) > 0 && len(e.services) > 1 {
			return nil, false
		}
		for _, p := range s.protocols {
			switch p {
			case policy.Is(protoTCP):
				maps.Copy(names, tcpPorts)
			case policy.Is(protoUDP):
				maps.Copy(names, udpPorts)
			case policy.Is(protoSCTP):
			default:
				return nil, false
			}
		}
	}
	return names, len(e.services) > 0
}

const lastPort = 65535

// portValues reads what stands behind an operator: one port; with eq and neq as many as there are.
func (e *entry) portValues(op string, names map[string]uint64) (of []policy.Range, not bool, why string) {
	first, ok := number(e.next(), names, lastPort)
	if !ok {
		return nil, false, "port " + e.next()
	}
	e.take()
	switch op {
	case "range":
		last, ok := number(e.next(), names, lastPort)
		if !ok {
			return nil, false, "port " + e.next()
		}
		e.take()
		if last < first {
			first, last = last, first // the device turns them
		}
		return []policy.Range{policy.FromTo(first, last)}, false, ""
	case "lt":
		if first == 0 {
			return nil, false, "no port is less than 0"
		}
		return []policy.Range{policy.FromTo(0, first-1)}, false, ""
	case "gt":
		if first == lastPort {
			return nil, false, "no port is greater than 65535"
		}
		return []policy.Range{policy.FromTo(first+1, lastPort)}, false, ""
	}
	of = []policy.Range{policy.Is(first)}
	for {
		n, ok := number(e.next(), names, lastPort)
		if !ok {
			return of, op == "neq", ""
		}
		e.take()
		of = append(of, policy.Is(n))
	}
}

// rules are what the entry comes to: one for each service, and where a permit names ports, one for the later fragments of the same packets.
func (e *entry) rules(r policy.Rule) []policy.Rule {
	services := e.services
	if len(services) == 0 {
		services = []service{{}}
	}
	r.Verdict, r.Uncertain = e.verdict, e.uncertain
	var rules []policy.Rule
	for _, s := range services {
		whole := r
		whole.Match = slices.Concat(s.terms(false), e.addresses, e.options)
		rules = append(rules, whole)
		if !e.layer4 || e.verdict != policy.Permit || e.later || r.Unparsed != "" || !s.fragmented(e.loose) {
			continue
		}
		later := r
		later.Match = slices.Concat(s.terms(true), e.addresses,
			[]policy.Term{{Field: policy.Fragment, Of: []policy.Range{policy.Is(policy.FragmentLater)}}}, withoutFlags(e.options))
		if e.frag != laterPermitted || e.family != policy.IPv4 || e.loose || len(s.icmp) > 0 {
			later.Uncertain = strings.TrimPrefix(r.Uncertain+"; later fragments at a permit that looks into the first", "; ")
		}
		rules = append(rules, later)
	}
	return rules
}

func withoutFlags(terms []policy.Term) []policy.Term {
	return slices.DeleteFunc(slices.Clone(terms), func(t policy.Term) bool { return t.Field == policy.TCPFlags })
}

// fragmented tells whether the service looks at what later fragments do not have.
func (s *service) fragmented(flags bool) bool {
	return len(s.source)+len(s.destination)+len(s.icmp) > 0 || flags
}

func (s *service) terms(later bool) []policy.Term {
	var terms []policy.Term
	if len(s.protocols) > 0 {
		terms = append(terms, policy.Term{Field: policy.Protocol, Of: s.protocols})
	}
	if later {
		return terms
	}
	if len(s.source) > 0 {
		terms = append(terms, policy.Term{Field: policy.SourcePort, Of: s.source, Not: s.sourceNot})
	}
	if len(s.destination) > 0 {
		terms = append(terms, policy.Term{Field: policy.DestinationPort, Of: s.destination, Not: s.destNot})
	}
	return append(terms, s.icmp...)
}
