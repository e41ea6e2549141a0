package cli

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// group is an object group: addresses, or services. Its entries are read where it is used, since groups may hold groups that come later.
type group struct {
	kind, name string
	family     policy.Family
	entries    []groupEntry
}

type groupEntry struct {
	words []string
}

// maxServices bounds what groups in groups come to, in one entry of an access list.
const maxServices = 100_000

// inCycle says that a group holds itself: what platforms refuse, and what is not followed.
func inCycle(g *group, within []*group) string {
	if slices.Contains(within, g) {
		return "object group " + g.name + " holds itself"
	}
	return ""
}

// ranges gives the addresses of a network group; all: any address.
func (g *group) ranges(groups map[string]*group, within []*group) (of []policy.Range, all bool, why string) {
	if why = inCycle(g, within); why != "" {
		return nil, false, why
	}
	within = append(within, g)
	for _, e := range g.entries {
		var some []policy.Range
		var every bool
		if e.words[0] == "group-object" && len(e.words) == 2 {
			inner := groups["network "+e.words[1]]
			if inner == nil {
				return nil, false, "object group " + e.words[1] + " is not defined"
			}
			some, every, why = inner.ranges(groups, within)
		} else {
			some, every, why = e.addresses(g.family)
		}
		if why == "" && len(of)+len(some) > maxServices {
			why = "object groups of more than 100,000 addresses"
		}
		if why != "" {
			return nil, false, why
		}
		of, all = append(of, some...), all || every
	}
	return of, all, ""
}

// addresses reads host A, range A B, any, A/LENGTH, A MASK or A /LENGTH.
func (e groupEntry) addresses(family policy.Family) (of []policy.Range, all bool, why string) {
	w := e.words
	switch {
	case len(w) == 1 && w[0] == "any":
		return nil, true, ""
	case len(w) == 3 && w[0] == "range":
		lo, err := netip.ParseAddr(w[1])
		hi, err2 := netip.ParseAddr(w[2])
		if err != nil || err2 != nil || lo.Is4() != hi.Is4() || lo.Is4() != (family == policy.IPv4) || hi.Less(lo) {
			return nil, false, "range of object group"
		}
		return []policy.Range{{Lo: policy.AddrWord(lo), Hi: policy.AddrWord(hi)}}, false, ""
	case len(w) == 2 && w[0] == "host":
		w = w[1:]
	case len(w) == 2 && strings.HasPrefix(w[1], "/"):
		w = []string{w[0] + w[1]}
	case len(w) == 2:
		if a, ok := ipv4(w[0]); ok && family == policy.IPv4 {
			if m, ok := ipv4(w[1]); ok {
				return []policy.Range{masked(a, m)}, m == netip.IPv4Unspecified(), ""
			}
		}
	}
	if len(w) != 1 {
		return nil, false, "entry of object group: " + strings.Join(e.words, " ")
	}
	p, ok := prefix(w[0])
	if !ok {
		a, err := netip.ParseAddr(w[0])
		if err != nil {
			return nil, false, "entry of object group: " + strings.Join(e.words, " ")
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4() != (family == policy.IPv4) {
		return nil, false, "object group of another family"
	}
	return []policy.Range{policy.PrefixRange(p)}, p.Bits() == 0, ""
}

// services gives the alternatives of a service group.
func (g *group) services(groups map[string]*group, within []*group) (all []service, why string) {
	if why = inCycle(g, within); why != "" {
		return nil, why
	}
	within = append(within, g)
	for _, e := range g.entries {
		var some []service
		if e.words[0] == "group-object" && len(e.words) == 2 {
			inner := groups["service "+e.words[1]]
			if inner == nil {
				return nil, "object group " + e.words[1] + " is not defined"
			}
			some, why = inner.services(groups, within)
		} else {
			some, why = e.services(g.family)
		}
		if why == "" && len(all)+len(some) > maxServices {
			why = "object groups of more than 100,000 services"
		}
		if why != "" {
			return nil, why
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		return nil, "a service group without members"
	}
	return all, ""
}

// services reads PROTOCOL [source OPERATOR PORT] [OPERATOR] [PORT], or icmp MESSAGE.
func (e groupEntry) services(family policy.Family) (all []service, why string) {
	p := entry{words: e.words, family: family}
	if p.next() == "tcp-udp" {
		p.take()
		p.services = []service{{protocols: []policy.Range{policy.Is(protoTCP), policy.Is(protoUDP)}}}
	} else if why = p.protocol(); why != "" {
		return nil, why
	}
	if p.next() == "source" {
		p.take()
		if why = p.ports(policy.Source); why != "" {
			return nil, why
		}
	}
	names, hasPorts := p.portNames()
	if _, bare := number(p.next(), names, lastPort); bare && hasPorts {
		p.words = append([]string{"eq"}, p.words...)
	}
	if why = p.ports(policy.Destination); why != "" {
		return nil, why
	}
	if p.only(protoICMP) && p.next() != "" {
		if why = p.message(p.take(), icmpMessages); why != "" {
			return nil, why
		}
	}
	if p.next() != "" {
		return nil, "entry of object group: " + strings.Join(e.words, " ")
	}
	return p.services, ""
}
