package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// key is what an expression looks at: a field, and what else holds where it is looked at ("tcp dport" asks for TCP).
type key struct {
	field  policy.Field
	family policy.Family // of addresses
	with   []policy.Term
	table  map[string]uint64 // names of values
	most   uint64            // the largest value
	mask   *policy.Word      // it is looked at under a mask
	names  []string          // not nil: names of interfaces
	outer  bool              // the type of the frame, before its tags
}

// alternative is a way in which a match may hold, and what a map has for it.
type alternative struct {
	terms  []policy.Term
	never  bool
	unsure string
	data   any
}

// nft's names of codes (icmp_code_tbl, icmpv6_code_tbl).
var (
	nftICMPCodes = map[string]uint64{ //nolint:gochecknoglobals // read-only table
		"net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3, "frag-needed": 4, "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13,
	}
	nftICMPv6Codes = map[string]uint64{ //nolint:gochecknoglobals // read-only table
		"no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4, "policy-fail": 5, "reject-route": 6,
	}
)

func typesOf(table map[string][2]int) map[string]uint64 {
	out := map[string]uint64{}
	for name, t := range table {
		if t[1] < 0 {
			out[name] = uint64(t[0])
		}
	}
	return out
}

func (r *nftRule) is(field policy.Field, n uint64) policy.Term {
	return policy.Term{Field: field, Of: []policy.Range{policy.Is(n)}}
}

// of gives the term on the family of a header, where the table's does not say it.
func (r *nftRule) of(family policy.Family) []policy.Term {
	switch {
	case nftFamilies[r.name.family] == family:
		return nil
	case family == policy.IPv4:
		return []policy.Term{r.is(policy.EtherType, 0x0800)}
	case family == policy.ARP:
		return []policy.Term{r.is(policy.EtherType, 0x0806)}
	}
	return []policy.Term{r.is(policy.EtherType, 0x86dd)}
}

// needs gives what holds where an expression is looked at whose field the model does not hold.
func (r *nftRule) needs(expression any) []policy.Term {
	object, _ := expression.(map[string]any)
	if list, ok := object["&"].([]any); ok && len(list) > 0 {
		return r.needs(list[0])
	}
	p, ok := object["payload"].(map[string]any)
	if !ok {
		return nil
	}
	protocol := text(p["protocol"])
	switch protocol {
	case "ip":
		return r.of(policy.IPv4)
	case "ip6":
		return r.of(policy.IPv6)
	case "arp":
		return r.of(policy.ARP)
	}
	if n, ok := protocols[protocol]; ok && n != 0 {
		return []policy.Term{r.is(policy.Protocol, n)}
	}
	return nil
}

// key reads an expression that gives one field.
func (r *nftRule) key(expression any) (key, error) {
	object, ok := expression.(map[string]any)
	if !ok || len(object) != 1 {
		return key{}, errors.New("no expression")
	}
	for kind, v := range object {
		inner, _ := v.(map[string]any)
		switch kind {
		case "payload":
			return r.payload(text(inner["protocol"]), text(inner["field"]))
		case "meta":
			return r.meta(text(inner["key"]))
		case "ct":
			if text(inner["key"]) == "state" {
				return key{field: policy.ConnState, table: connStates}, nil
			}
		case "fib":
			return fib(text(inner["result"]), words(inner["flags"]))
		case "&":
			return r.underMask(v)
		}
	}
	return key{}, errNotHeld
}

// underMask reads [EXPRESSION, MASK].
func (r *nftRule) underMask(v any) (key, error) {
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		return key{}, errors.New("no mask")
	}
	if jsonText(list[0]) == `{"payload":{"field":"frag-off","protocol":"ip"}}` && text(list[1]) == "8191" {
		return key{field: policy.Fragment, with: r.of(policy.IPv4), table: map[string]uint64{"0": policy.FragmentLater + 1}}, nil
	}
	k, err := r.key(list[0])
	if err != nil || k.names != nil || k.mask != nil || k.field == policy.ConnState {
		return key{}, errNotHeld
	}
	of, err := k.bits(list[1])
	if err != nil {
		return key{}, err
	}
	k.mask = &of
	return k, nil
}

func (r *nftRule) payload(protocol, field string) (key, error) {
	switch protocol + " " + field {
	case "ether saddr":
		return key{field: policy.SourceMAC, most: allMAC}, nil
	case "ether daddr":
		return key{field: policy.DestinationMAC, most: allMAC}, nil
	case "ether type":
		return key{field: policy.EtherType, table: etherTypes, most: 65535, outer: true}, nil
	case "vlan type":
		tagged := policy.Term{Field: policy.VLANTag, Not: true, Of: []policy.Range{policy.Is(0)}}
		return key{field: policy.EtherType, with: []policy.Term{tagged}, table: etherTypes, most: 65535}, nil
	case "vlan id":
		return key{field: policy.VLANTag, most: 4095}, nil
	case "ip saddr":
		return key{field: policy.Source, family: policy.IPv4}, nil
	case "ip daddr":
		return key{field: policy.Destination, family: policy.IPv4}, nil
	case "ip6 saddr":
		return key{field: policy.Source, family: policy.IPv6}, nil
	case "ip6 daddr":
		return key{field: policy.Destination, family: policy.IPv6}, nil
	case "arp operation":
		return key{field: policy.ARPOperation, with: r.of(policy.ARP), table: arpOperations, most: 65535}, nil
	case "arp saddr ether":
		return key{field: policy.ARPSenderMAC, with: r.of(policy.ARP), most: allMAC}, nil
	case "arp saddr ip":
		return key{field: policy.ARPSender, family: policy.IPv4, with: r.of(policy.ARP)}, nil
	case "arp daddr ether":
		return key{field: policy.ARPTargetMAC, with: r.of(policy.ARP), most: allMAC}, nil
	case "arp daddr ip":
		return key{field: policy.ARPTarget, family: policy.IPv4, with: r.of(policy.ARP)}, nil
	case "ip protocol":
		return key{field: policy.Protocol, with: r.of(policy.IPv4), table: protocols, most: 255}, nil
	case "ip6 nexthdr": // the first header behind that of IPv6: another one than the last, where the packet is a fragment
		whole := r.is(policy.Fragment, policy.FragmentNone)
		return key{field: policy.Protocol, with: append(r.of(policy.IPv6), whole), table: protocols, most: 255}, nil
	case "ip dscp":
		return key{field: policy.DSCP, with: r.of(policy.IPv4), table: dscpClasses, most: 63}, nil
	case "ip6 dscp":
		return key{field: policy.DSCP, with: r.of(policy.IPv6), table: dscpClasses, most: 63}, nil
	case "icmp type":
		return key{field: policy.ICMPType, with: append(r.of(policy.IPv4), r.is(policy.Protocol, icmp)), table: typesOf(icmpTypes), most: 255}, nil
	case "icmp code":
		return key{field: policy.ICMPCode, with: append(r.of(policy.IPv4), r.is(policy.Protocol, icmp)), table: nftICMPCodes, most: 255}, nil
	case "icmpv6 type":
		return key{field: policy.ICMPType, with: append(r.of(policy.IPv6), r.is(policy.Protocol, icmpv6)), table: typesOf(icmpv6Types), most: 255}, nil
	case "icmpv6 code":
		return key{field: policy.ICMPCode, with: append(r.of(policy.IPv6), r.is(policy.Protocol, icmpv6)), table: nftICMPv6Codes, most: 255}, nil
	case "tcp flags":
		return key{field: policy.TCPFlags, with: []policy.Term{r.is(policy.Protocol, tcp)}, table: tcpFlags, most: 255}, nil
	}
	return r.port(protocol, field)
}

func (r *nftRule) port(protocol, field string) (key, error) {
	k := key{most: 65535}
	switch field {
	case "sport":
		k.field = policy.SourcePort
	case "dport":
		k.field = policy.DestinationPort
	default:
		return key{}, fmt.Errorf("%s %s: %w", protocol, field, errNotHeld)
	}
	switch protocol {
	case "tcp", "udp", "sctp", "dccp", "udplite":
		k.with = []policy.Term{r.is(policy.Protocol, protocols[protocol])}
	case "th":
	default:
		return key{}, fmt.Errorf("no ports of %s are known", protocol)
	}
	return k, nil
}

func (r *nftRule) meta(name string) (key, error) {
	named := func(field policy.Field) (key, error) { return key{field: field, names: []string{}}, nil }
	bridge := r.name.family == "bridge"
	switch name {
	case "iifname", "iif":
		if bridge {
			return named(policy.InPort)
		}
		return named(policy.InInterface)
	case "oifname", "oif":
		if bridge {
			return named(policy.OutPort)
		}
		return named(policy.OutInterface)
	case "ibrname":
		return named(policy.InInterface)
	case "obrname":
		return named(policy.OutInterface)
	case "mark":
		return key{field: policy.Mark, most: 1<<32 - 1}, nil
	case "l4proto":
		return key{field: policy.Protocol, table: protocols, most: 255}, nil
	case "protocol":
		return key{field: policy.EtherType, table: etherTypes, most: 65535}, nil
	case "nfproto":
		return key{field: policy.EtherType, table: map[string]uint64{"ipv4": 0x0800, "ipv6": 0x86dd, "2": 0x0800, "10": 0x86dd}}, nil
	}
	return key{}, fmt.Errorf("meta %s: %w", name, errNotHeld)
}

func fib(result string, flags []string) (key, error) {
	if result == "type" && len(flags) == 1 {
		switch flags[0] {
		case "daddr":
			return key{field: policy.DestinationType, table: addressTypes}, nil
		case "saddr":
			return key{field: policy.SourceType, table: addressTypes}, nil
		}
	}
	return key{}, errNotHeld
}

// number reads one value.
func (k *key) number(v any) (policy.Word, error) {
	s := text(v)
	switch {
	case k.family != 0:
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" || familyOf(a) != k.family {
			return policy.Word{}, fmt.Errorf("%q is no address of this family", s)
		}
		return policy.AddrWord(a), nil
	case k.most == allMAC:
		n, err := mac(s)
		return policy.Num(n), err
	}
	n, err := lookUp(k.table, s, k.most)
	return policy.Num(n), err
}

// bits reads values that are flags: one, or several that are set together.
func (k *key) bits(v any) (policy.Word, error) {
	list, ok := v.([]any)
	if object, is := v.(map[string]any); is {
		list, ok = object["|"].([]any)
	}
	if !ok {
		return k.number(v)
	}
	var all policy.Word
	for _, e := range list {
		n, err := k.bits(e)
		if err != nil {
			return policy.Word{}, err
		}
		all.Hi, all.Lo = all.Hi|n.Hi, all.Lo|n.Lo
	}
	return all, nil
}

// ranges reads a value, a range or a prefix.
func (k *key) ranges(v any) ([]policy.Range, error) {
	if object, ok := v.(map[string]any); ok {
		switch {
		case object["range"] != nil:
			list, _ := object["range"].([]any)
			if len(list) != 2 {
				return nil, errors.New("no range")
			}
			lo, err := k.number(list[0])
			if err != nil {
				return nil, err
			}
			hi, err := k.number(list[1])
			if err == nil && hi.Less(lo) {
				err = errors.New("an empty range")
			}
			return []policy.Range{{Lo: lo, Hi: hi}}, err
		case object["prefix"] != nil:
			p, _ := object["prefix"].(map[string]any)
			return k.prefix(text(p["addr"]), text(p["len"]))
		}
	}
	n, err := k.bits(v)
	if err != nil {
		return nil, err
	}
	if k.field == policy.Fragment { // the offset of a fragment is 0: all but later ones
		return []policy.Range{policy.FromTo(policy.FragmentNone, policy.FragmentFirst)}, nil
	}
	if k.mask == nil {
		return []policy.Range{{Lo: n, Hi: n}}, nil
	}
	if n.Hi&^k.mask.Hi != 0 || n.Lo&^k.mask.Lo != 0 || *k.mask == (policy.Word{}) {
		return nil, errors.New("bits outside of the mask")
	}
	return []policy.Range{{Lo: n, Mask: *k.mask}}, nil
}

func (k *key) prefix(address, length string) ([]policy.Range, error) {
	if k.family == 0 {
		return nil, errors.New("a prefix of no address")
	}
	r, err := addresses(address+"/"+length, k.family)
	return []policy.Range{r}, err
}

// term makes the term of values.
func (k *key) term(not bool, of []policy.Range) policy.Term {
	return policy.Term{Field: k.field, Family: k.family, Not: not, Of: of}
}

// element takes the value out of an element of a set; one with a timeout goes by itself.
func element(v any) (value any, unsure string) {
	object, ok := v.(map[string]any)
	if inner, is := object["elem"].(map[string]any); ok && is {
		if inner["timeout"] != nil || inner["expires"] != nil {
			unsure = "an element that expires"
		}
		return inner["val"], unsure
	}
	return v, ""
}

// elements gives the values of the right side: one, those of a set in place, or those of a named one, and why they are not always these.
func (r *nftRule) elements(right any) (values []any, changes string, err error) {
	if name, ok := right.(string); ok && strings.HasPrefix(name, "@") {
		s := r.sets[nftName{r.name.family, r.name.table, name[1:]}]
		if s == nil {
			return nil, "", fmt.Errorf("there is no set %s", name)
		}
		return s.elements, s.changes, nil
	}
	if object, ok := right.(map[string]any); ok && object["set"] != nil {
		switch set := object["set"].(type) {
		case []any:
			return set, "", nil
		case map[string]any, string, json.Number:
			return []any{set}, "", nil
		}
	}
	return []any{right}, "", nil
}
