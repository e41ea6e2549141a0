package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// ipRule reads a rule of iptables(8) and iptables-extensions(8).
func ipRule(r *xtRule) {
	for _, o := range r.options {
		r.option(o)
	}
	ipTarget(r)
}

// option reads one option of a match, or keeps one of the target.
func (r *xtRule) option(o option) {
	if r.target != "" && !plainTarget(r.target) {
		r.of = append(r.of, o)
		return
	}
	read, known := ipOptions[o.name]
	long := strings.HasPrefix(o.name, "--") && o.name != "--jump" && o.name != "--goto" && o.name != "--match"
	switch {
	case r.module != "" && long, !known && r.module != "":
		r.Uncertain += " " + o.String()
	case !known:
		r.lost("%s", o)
	default:
		if err := read(r, o); err != nil {
			r.lost("%s: %v", o, err)
		}
	}
}

// plainTarget tells whether a target has no options: what follows it belongs to the matches.
func plainTarget(name string) bool {
	return slices.Contains([]string{"ACCEPT", "DROP", "RETURN"}, name)
}

// ipOptions are the options of matches that the model holds.
var ipOptions = map[string]func(*xtRule, option) error{ //nolint:gochecknoglobals // read-only table
	"-m": module, "--match": module, "-j": target(false), "--jump": target(false), "-g": target(true), "--goto": target(true),
	"-s": ipAddress(policy.Source), "--source": ipAddress(policy.Source), "--src": ipAddress(policy.Source),
	"-d": ipAddress(policy.Destination), "--destination": ipAddress(policy.Destination), "--dst": ipAddress(policy.Destination),
	"--src-range": ipRange(policy.Source), "--dst-range": ipRange(policy.Destination),
	"-p": ipProtocol, "--protocol": ipProtocol, "--proto": ipProtocol,
	"-i": interfaceName(policy.InInterface), "--in-interface": interfaceName(policy.InInterface),
	"-o": interfaceName(policy.OutInterface), "--out-interface": interfaceName(policy.OutInterface),
	"--physdev-in": interfaceName(policy.InPort), "--physdev-out": interfaceName(policy.OutPort),
	"--physdev-is-in": beside, "--physdev-is-out": beside, "--physdev-is-bridged": beside, "-f": fragment, "--fragment": fragment,
	"--sport": ports(policy.SourcePort), "--source-port": ports(policy.SourcePort), "--sports": ports(policy.SourcePort), "--source-ports": ports(policy.SourcePort),
	"--dport": ports(policy.DestinationPort), "--destination-port": ports(policy.DestinationPort), "--dports": ports(policy.DestinationPort),
	"--destination-ports": ports(policy.DestinationPort), "--ports": ports(policy.SourcePort, policy.DestinationPort),
	"--tcp-flags": flags, "--syn": syn, "--tcp-option": beside, "--chunk-types": beside, "--dccp-types": beside, "--dccp-option": beside,
	"--icmp-type": icmpOption(false), "--icmpv6-type": icmpOption(true), "--state": state, "--ctstate": state,
	"--ctproto": beside, "--ctorigsrc": beside, "--ctorigdst": beside, "--ctreplsrc": beside, "--ctrepldst": beside, "--ctorigsrcport": beside, "--ctorigdstport": beside,
	"--ctreplsrcport": beside, "--ctrepldstport": beside, "--ctstatus": beside, "--ctexpire": beside, "--ctdir": beside,
	"--mark": mark, "--src-type": addressType(policy.SourceType), "--dst-type": addressType(policy.DestinationType),
	"--limit-iface-in": beside, "--limit-iface-out": beside, "--mac-source": sourceMAC, "--mac": sourceMAC,
	"--comment": comment, "--dscp": dscp, "--dscp-class": dscp, "--tos": tos,
}

func target(gone bool) func(*xtRule, option) error {
	return func(r *xtRule, o option) error {
		name, err := o.one()
		if err == nil && (r.target != "" || o.not) {
			err = errors.New("a second target, or a negated one")
		}
		r.target, r.gone, r.module = name, gone, ""
		return err
	}
}

// Modules all of whose options are in the table.
var heldModules = []string{ //nolint:gochecknoglobals // read-only table
	"tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmp6", "icmpv6", "ipv6-icmp", "multiport", "state", "conntrack", "physdev", "mark", "addrtype", "mac", "comment", "iprange", "dscp",
	"tos",
}

// Modules that only look at what the model does not hold: the rule may match or not (iptables-extensions(8), and older ones of patch-o-matic).
var otherModules = []string{ //nolint:gochecknoglobals // read-only table
	"ah", "bpf", "cgroup", "cluster", "connbytes", "connlabel", "connlimit", "connmark", "cpu", "devgroup", "dst", "ecn", "esp", "eui64", "frag", "geoip", "hashlimit", "hbh", "helper",
	"hl", "ipcomp", "ipv6header", "ipvs", "layer7", "length", "limit", "mh", "nfacct", "nth", "osf", "owner", "pkttype", "policy", "psd", "quota", "random", "rateest", "realm", "recent",
	"rpfilter", "rt", "set", "socket", "srh", "statistic", "string", "tcpmss", "time", "ttl", "u32", "unclean",
}

func module(r *xtRule, o option) error {
	name, err := o.one()
	if err != nil {
		return err
	}
	r.module = ""
	switch {
	case slices.Contains(heldModules, name):
		return nil
	case slices.Contains(otherModules, name):
		r.module = name
		r.unsure("match %s", name)
		return nil
	}
	r.module = name
	r.unsure("match %s", name)
	return errors.New("no such match is known")
}

func ipAddress(field policy.Field) func(*xtRule, option) error {
	return func(r *xtRule, o option) error {
		text, err := o.one()
		if err != nil {
			return err
		}
		var of []policy.Range
		for part := range strings.SplitSeq(text, ",") {
			a, err := addresses(part, r.family)
			if err != nil {
				return err
			}
			if a == every(r.family) && !o.not {
				return nil
			}
			of = append(of, a)
		}
		r.address(field, r.family, o.not, of...)
		return nil
	}
}

func ipRange(field policy.Field) func(*xtRule, option) error {
	return func(r *xtRule, o option) error {
		text, err := o.one()
		if err != nil {
			return err
		}
		of, err := addressRange(text, r.family)
		if err == nil {
			r.address(field, r.family, o.not, of)
		}
		return err
	}
}

func ipProtocol(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	if text == "all" || text == "0" { // 0 is all (iptables(8))
		if o.not {
			r.never()
		}
		return nil
	}
	n, err := lookUp(protocols, text, 255)
	if err == nil {
		r.term(policy.Protocol, o.not, policy.Is(n))
	}
	return err
}

// interfaceName is a name; "eth+" begins so.
func interfaceName(field policy.Field) func(*xtRule, option) error {
	return func(r *xtRule, o option) error {
		name, err := o.one()
		if err != nil {
			return err
		}
		if head, wild := strings.CutSuffix(name, "+"); wild {
			name = head + "*"
		}
		if name == "*" && !o.not {
			return nil
		}
		r.names(field, o.not, name)
		return nil
	}
}

func fragment(r *xtRule, o option) error {
	if len(o.args) > 0 {
		return errors.New("words behind it")
	}
	r.term(policy.Fragment, o.not, policy.Is(policy.FragmentLater))
	return nil
}

func ports(fields ...policy.Field) func(*xtRule, option) error {
	return func(r *xtRule, o option) error {
		text, err := o.one()
		if err != nil {
			return err
		}
		of, err := spans(text, ":", 65535)
		if err != nil {
			return err
		}
		if len(fields) == 1 || o.not { // neither of them
			for _, f := range fields {
				r.term(f, o.not, of...)
			}
			return nil
		}
		for _, f := range fields {
			r.either = append(r.either, policy.Term{Field: f, Of: of})
		}
		return nil
	}
}

func flags(r *xtRule, o option) error {
	if len(o.args) != 2 {
		return fmt.Errorf("%d words where there are two", len(o.args))
	}
	mask, err := flagBits(o.args[0])
	if err != nil {
		return err
	}
	value, err := flagBits(o.args[1])
	if err == nil {
		r.masked(policy.TCPFlags, o.not, value, mask)
	}
	return err
}

func syn(r *xtRule, o option) error {
	if len(o.args) > 0 {
		return errors.New("words behind it")
	}
	r.masked(policy.TCPFlags, o.not, 2, 1|2|4|16) // SYN among FIN, SYN, RST and ACK
	return nil
}

func icmpOption(v6 bool) func(*xtRule, option) error {
	return func(r *xtRule, o option) error {
		text, err := o.one()
		if err == nil {
			err = r.icmpType(text, v6, o.not)
		}
		return err
	}
}

func state(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	of, unknown := listOf(connStates, text)
	if len(unknown) > 0 { // SNAT and DNAT: what became of the connection
		r.unsure("%s", o)
		return nil
	}
	r.term(policy.ConnState, o.not, of...)
	return nil
}

// beside is an option of a module that is held otherwise: what it looks at is not in the model.
func beside(r *xtRule, o option) error { //nolint:unparam // one of the grammars of options
	r.unsure("%s", o)
	return nil
}

func addressType(field policy.Field) func(*xtRule, option) error {
	return func(r *xtRule, o option) error {
		text, err := o.one()
		if err != nil {
			return err
		}
		of, unknown := listOf(addressTypes, text)
		if len(unknown) > 0 {
			r.unsure("%s", o)
			return nil
		}
		r.term(field, o.not, of...)
		return nil
	}
}

func sourceMAC(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	n, err := mac(text)
	if err == nil {
		r.term(policy.SourceMAC, o.not, policy.Is(n))
	}
	return err
}

// maskedNumber reads VALUE or VALUE/MASK.
func maskedNumber(text string, most uint64) (value, mask uint64, err error) {
	head, tail, masked := strings.Cut(text, "/")
	mask = most
	if value, err = number(head, most); err == nil && masked {
		mask, err = number(tail, most)
	}
	return value, mask, err
}

func mark(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	value, mask, err := maskedNumber(text, 1<<32-1)
	if err == nil {
		r.masked(policy.Mark, o.not, value, mask)
	}
	return err
}

func dscp(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	n, err := lookUp(dscpClasses, text, 63)
	if err == nil {
		r.term(policy.DSCP, o.not, policy.Is(n))
	}
	return err
}

// tos is DSCP and the two bits of ECN behind it, which the model does not hold.
func tos(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	value, mask, err := maskedNumber(text, 255)
	if err != nil {
		return err
	}
	if mask&3 != 0 {
		r.unsure("%s", o)
		if o.not {
			return nil
		}
	}
	r.masked(policy.DSCP, o.not, value>>2, mask>>2)
	return nil
}

func comment(r *xtRule, o option) error {
	text, err := o.one()
	r.Remark = strings.TrimPrefix(r.Remark+"; "+text, "; ")
	return err
}

// natAddress reads ADDRESS, ADDRESS-ADDRESS, with :PORT or :PORT-PORT behind them; IPv6 addresses stand in brackets where a port follows. Either may be missing.
func natAddress(text string, family policy.Family) (to, port []policy.Range, err error) {
	host, rest := text, ""
	switch {
	case strings.HasPrefix(text, "["):
		inside, behind, closed := strings.Cut(text[1:], "]")
		if !closed {
			return nil, nil, fmt.Errorf("%q: a bracket is open", text)
		}
		host, rest = inside, strings.TrimPrefix(behind, ":")
		if second, more, ok := strings.Cut(strings.TrimPrefix(behind, "-["), "]"); ok && strings.HasPrefix(behind, "-[") {
			host, rest = host+"-"+second, strings.TrimPrefix(more, ":")
		}
	case family == policy.IPv4:
		host, rest, _ = strings.Cut(text, ":")
	}
	if host != "" {
		r, err := addressRange(host, family)
		if err != nil {
			return nil, nil, err
		}
		to = []policy.Range{r}
	}
	if rest != "" {
		r, err := span(rest, "-", 65535)
		if err != nil {
			return nil, nil, err
		}
		port = []policy.Range{r}
	}
	if host == "" && rest == "" {
		return nil, nil, fmt.Errorf("%q has neither address nor port", text)
	}
	return to, port, nil
}

// prefixOf reads the prefix of NETMAP.
func prefixOf(text string, family policy.Family) (base, keep policy.Word, err error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return policy.Word{}, policy.Word{}, fmt.Errorf("%q is no prefix", text)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Zone() != "" || familyOf(p.Addr()) != family {
		return policy.Word{}, policy.Word{}, fmt.Errorf("%q is of the other family", text)
	}
	r := policy.PrefixRange(p)
	return r.Lo, policy.Word{Hi: r.Lo.Hi ^ r.Hi.Hi, Lo: r.Lo.Lo ^ r.Hi.Lo}, nil
}
