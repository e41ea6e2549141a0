package cli

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// nat is what is configured of network address translation. Source of the order: Cisco, "NAT Order of Operation" (document 6209): from inside to outside the
// packet is routed, then translated, then filtered out; from outside to inside it is filtered in, translated, then routed.
type nat struct {
	pools   map[string]policy.Range
	sources []natRule
}

// natRule is one "ip nat inside source" in the order of the configuration.
type natRule struct {
	at            *line
	local, global netip.Prefix // static: of one length
	protocol      uint64       // static of one port: 6 or 17, and the two ports
	lport, gport  uint64
	list          string // dynamic: of what this list permits …
	pool          string // … by the addresses of a pool, or, without, of the interface
	overload      bool
	why           string // not understood
}

func (r *reader) natPool(args []string) (why string) {
	lo, ok := ipv4(args[1])
	hi, ok2 := ipv4(args[2])
	if !ok || !ok2 || hi.Less(lo) {
		return "no range of addresses"
	}
	if len(args) > 3 && !slices.Contains([]string{"netmask", "prefix-length"}, args[3]) || len(args) > 5 {
		return "a pool of another kind"
	}
	if r.nat.pools == nil {
		r.nat.pools = map[string]policy.Range{}
	}
	r.nat.pools[args[0]] = policy.Range{Lo: policy.AddrWord(lo), Hi: policy.AddrWord(hi)}
	return ""
}

// natInside reads what stands behind "ip nat inside source". What is not understood may translate anything that comes from inside.
func (r *reader) natInside(args []string) (why string) {
	n := natRule{at: r.at}
	switch {
	case args[0] == "static":
		why = n.static(args[1:])
	case args[0] == "list" && len(args) >= 4:
		n.list = args[1]
		why = n.dynamic(args[2:])
	default:
		why = "a translation by " + args[0]
	}
	n.why = why
	r.nat.sources = append(r.nat.sources, n)
	return why
}

// static reads LOCAL GLOBAL, network LOCAL GLOBAL MASK, or tcp|udp LOCAL PORT GLOBAL PORT, each with "extendable" behind it or not.
func (n *natRule) static(args []string) (why string) {
	args = slices.DeleteFunc(slices.Clone(args), func(w string) bool { return w == "extendable" || w == "no-alias" })
	bits := "/32"
	switch {
	case len(args) == 2:
	case len(args) == 4 && args[0] == "network":
		args, bits = args[1:3], args[3]
	case len(args) == 5 && (args[0] == "tcp" || args[0] == "udp"):
		names := tcpPorts
		n.protocol = protoTCP
		if args[0] == "udp" {
			names, n.protocol = udpPorts, protoUDP
		}
		var ok, ok2 bool
		n.lport, ok = number(args[2], names, lastPort)
		n.gport, ok2 = number(args[4], names, lastPort)
		if !ok || !ok2 {
			return "no ports"
		}
		args = []string{args[1], args[3]}
	default:
		return "a static translation of another form"
	}
	var ok, ok2 bool
	if strings.HasPrefix(bits, "/") {
		n.local, ok = prefix(args[0] + bits)
		n.global, ok2 = prefix(args[1] + bits)
	} else {
		n.local, ok = prefixOf(args[0], bits)
		n.global, ok2 = prefixOf(args[1], bits)
	}
	if !ok || !ok2 || !n.local.Addr().Is4() || !n.global.Addr().Is4() {
		return "no addresses"
	}
	n.local, n.global = n.local.Masked(), n.global.Masked()
	return ""
}

// dynamic reads pool NAME or interface NAME, and overload.
func (n *natRule) dynamic(args []string) (why string) {
	switch args[0] {
	case "pool":
		n.pool = args[1]
	case "interface":
	default:
		return "a translation to " + args[0]
	}
	switch {
	case len(args) == 3 && args[2] == "overload":
		n.overload = true
	case len(args) > 2:
		return "a translation with " + args[2]
	}
	return ""
}

// Of filters at one hook the translation comes before the list that goes out, and behind the one that came in.
const natPriority = 100

// natFilters gives the translations as filters: sources as they leave by outside interfaces, and destinations as they come in there. Replies are turned back
// by the state of the device, not by rules.
func (c *Config) natFilters() []*policy.Filter {
	if len(c.nat.sources) == 0 {
		return nil
	}
	out := &policy.Filter{Name: "nat inside source", Dialect: c.dialect.name, Family: policy.IPv4, Default: policy.Permit}
	in := &policy.Filter{Name: "nat inside source, from outside", Dialect: c.dialect.name, Family: policy.IPv4, Default: policy.Permit}
	var inside []string
	for _, f := range c.faceOrder {
		switch f.nat {
		case "inside":
			inside = append(inside, f.name)
		case "outside":
			out.Attached = append(out.Attached, policy.Attachment{Hook: policy.HookPostrouting, Priority: -natPriority, Interface: f.name})
			in.Attached = append(in.Attached, policy.Attachment{Hook: policy.HookPrerouting, Priority: natPriority, Interface: f.name})
		}
	}
	if len(inside) == 0 {
		return nil
	}
	from := policy.Term{Field: policy.InInterface, Names: inside}
	all := []*policy.Filter{out, in}
	for i := range c.nat.sources {
		n := &c.nat.sources[i]
		rule := policy.Rule{Text: n.at.Text, Place: n.at.Place, Match: []policy.Term{from}}
		switch {
		case n.why != "":
			rule.Unparsed = n.why
			rule.Set = anyAddress(policy.Source)
			out.Rules = append(out.Rules, rule)
			back := policy.Rule{Text: rule.Text, Place: rule.Place, Unparsed: n.why, Set: anyAddress(policy.Destination)}
			in.Rules = append(in.Rules, back)
		case n.list != "":
			jump := c.dynamicNAT(n)
			rule.Verdict, rule.Target = policy.Jump, jump.Name
			out.Rules = append(out.Rules, rule)
			all = append(all, jump)
		default:
			out.Rules = append(out.Rules, n.rule(rule, policy.Source, policy.SourcePort, n.local, n.global, n.lport, n.gport))
			rule.Match = nil
			in.Rules = append(in.Rules, n.rule(rule, policy.Destination, policy.DestinationPort, n.global, n.local, n.gport, n.lport))
		}
	}
	// Static translations go before dynamic ones, whatever their order in the configuration.
	slices.SortStableFunc(out.Rules, func(a, b policy.Rule) int { return dynamicFirst(a) - dynamicFirst(b) })
	return all
}

func dynamicFirst(r policy.Rule) int {
	if r.Verdict == policy.Jump {
		return 1
	}
	return 0
}

// anyAddress assigns nobody knows what.
func anyAddress(f policy.Field) []policy.Assignment {
	return []policy.Assignment{{Field: f, Family: policy.IPv4, To: []policy.Range{{Hi: policy.Num(1<<32 - 1)}}}}
}

// rule is one direction of a static translation.
func (n *natRule) rule(r policy.Rule, field, port policy.Field, from, to netip.Prefix, fromPort, toPort uint64) policy.Rule {
	r.Verdict = policy.Permit
	r.Match = append(slices.Clone(r.Match), policy.Term{Field: field, Family: policy.IPv4, Of: []policy.Range{policy.PrefixRange(from)}})
	set := policy.Assignment{Field: field, Family: policy.IPv4, To: []policy.Range{policy.PrefixRange(netip.PrefixFrom(to.Addr(), 32))}}
	if host := 32 - to.Bits(); host > 0 {
		set.Keep = policy.Num(1<<host - 1)
	}
	r.Set = []policy.Assignment{set}
	if n.protocol != 0 {
		r.Match = append(r.Match, policy.Term{Field: policy.Protocol, Of: []policy.Range{policy.Is(n.protocol)}}, policy.Term{Field: port, Of: []policy.Range{policy.Is(fromPort)}})
		r.Set = append(r.Set, policy.Assignment{Field: port, To: []policy.Range{policy.Is(toPort)}})
	}
	return r
}

// dynamicNAT translates what a list permits. What it denies keeps its address, unless another translation wants it.
func (c *Config) dynamicNAT(n *natRule) *policy.Filter {
	f := &policy.Filter{Name: "nat list " + n.list + " at " + n.at.String(), Dialect: c.dialect.name, Family: policy.IPv4, Default: policy.Return}
	set := policy.Assignment{Field: policy.Source, Family: policy.IPv4, Own: true}
	if n.pool != "" {
		pool, ok := c.nat.pools[n.pool]
		set.Own, set.To = false, []policy.Range{pool}
		if !ok {
			f.Missing = "pool " + n.pool + " is not defined"
			return f
		}
	}
	from := c.lists[n.list]
	if from == nil {
		f.Missing = "access list " + n.list + " is not defined"
		return f
	}
	does := policy.Rule{Verdict: policy.Permit, Set: []policy.Assignment{set}}
	f.Rules = c.turned(from, does)
	if n.overload {
		f.Rules = withPorts(f.Rules)
	}
	return f
}

// withPorts lets translations choose the source port, too, of packets that have one.
func withPorts(rules []policy.Rule) []policy.Rule {
	port := policy.Assignment{Field: policy.SourcePort, To: []policy.Range{policy.FromTo(0, lastPort)}}
	has := policy.Term{Field: policy.Protocol, Of: []policy.Range{policy.Is(protoTCP), policy.Is(protoUDP)}}
	var all []policy.Rule
	for _, r := range rules {
		if len(r.Set) > 0 {
			first := r
			first.Match = append(slices.Clone(r.Match), has)
			first.Set = append(slices.Clone(r.Set), port)
			all = append(all, first)
		}
		all = append(all, r)
	}
	return all
}
