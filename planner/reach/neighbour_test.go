package reach_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// six gives the machines of the estate addresses of IPv6, too.
const six = `
vnic:v/n address=2001:db8:120::10/64
vnic:u/n address=2001:db8:120::11/64
vnic:w/n address=2001:db8:130::10/64
vnic:v/n InSubnet subnet:2001:db8:120::/64
vnic:u/n InSubnet subnet:2001:db8:120::/64
vnic:w/n InSubnet subnet:2001:db8:130::/64
port:f/v120 address=2001:db8:120::1/64
port:f/v130 address=2001:db8:130::1/64
port:f/v120 InSubnet subnet:2001:db8:120::/64
port:f/v130 InSubnet subnet:2001:db8:130::/64
firewall:f Contains route:f/default/2001:db8:120::%2F64/v120
route:f/default/2001:db8:120::%2F64/v120 prefix=2001:db8:120::/64
route:f/default/2001:db8:120::%2F64/v120 RoutesVia port:f/v120
firewall:f Contains route:f/default/2001:db8:130::%2F64/v130
route:f/default/2001:db8:130::%2F64/v130 prefix=2001:db8:130::/64
route:f/default/2001:db8:130::%2F64/v130 RoutesVia port:f/v130
`

const macs = `
vnic:v/n mac=02:00:00:00:00:0a
vnic:u/n mac=02:00:00:00:00:0b
`

func is(f policy.Field, n uint64) policy.Term {
	return policy.Term{Field: f, Of: []policy.Range{policy.Is(n)}}
}

func not(t policy.Term) policy.Term { t.Not = true; return t }

func icmpv6(types ...uint64) policy.Term {
	t := policy.Term{Field: policy.ICMPType}
	for _, n := range types {
		t.Of = append(t.Of, policy.Is(n))
	}
	return t
}

// frames is a filter that looks at frames of any kind.
func frames(at policy.Attachment, def policy.Verdict, rules ...policy.Rule) *policy.Filter {
	f := list("eb", at, def, rules...)
	f.Family = policy.AnyFamily
	return f
}

// TestBetween_neighbours: nobody sends to whom he cannot ask for the address of his interface.
func TestBetween_neighbours(t *testing.T) {
	t.Parallel()
	bridged := policy.Attachment{Hook: policy.HookForward, Bridged: true}
	arp := is(policy.EtherType, 0x0806)
	sender := func(addr uint64) policy.Term {
		return policy.Term{Field: policy.ARPSender, Family: policy.IPv4, Of: []policy.Range{policy.Is(192<<24 | 2<<8 | addr)}}
	}
	const stopped = "they do not learn each other's address"
	discovery := permit(icmpv6(135, 136))
	for _, c := range []struct {
		name, from, to string
		family         policy.Family
		changes        string
		device         string
		filter         *policy.Filter
		want           string
	}{
		{"nobody filters", "v", "w", policy.IPv6, six, "firewall:f", list("all", forward, policy.Permit), "yes, yes"},
		{
			"a bridge that lets IPv4 through, and nothing else", "v", "u", policy.IPv4, "", "host:h", frames(bridged, policy.Deny, permit(is(policy.EtherType, 0x0800))),
			"unknown, unknown: ARP from v/n to u/n is dropped by eb of h (its end): " + stopped,
		},
		{"and ARP", "v", "u", policy.IPv4, "", "host:h", frames(bridged, policy.Deny, permit(is(policy.EtherType, 0x0800)), permit(arp)), "yes, yes"},
		{
			"it is the same on the way to a gateway", "v", "w", policy.IPv4, "", "host:h", frames(bridged, policy.Deny, permit(is(policy.EtherType, 0x0800))),
			"unknown, unknown: ARP from v/n to f1.120 is dropped by eb of h (its end): " + stopped,
		},
		{
			"answers are dropped", "v", "u", policy.IPv4, "", "host:h", frames(bridged, policy.Permit, deny(arp, is(policy.ARPOperation, 2))),
			"unknown, unknown: ARP from u/n to v/n is dropped by eb of h (deny etherType 0x806, arpOperation 2): " + stopped,
		},
		{
			"an address that the other one may not have", "v", "u", policy.IPv4, "", "host:h", frames(bridged, policy.Permit, deny(arp, not(sender(10)))),
			"unknown, unknown: ARP from u/n to v/n is dropped by eb of h (deny etherType 0x806, arpSender not 192.0.2.10): " + stopped,
		},
		{"addresses that they have", "v", "u", policy.IPv4, "", "host:h", frames(bridged, policy.Deny, permit(is(policy.EtherType, 0x0800)), permit(arp, sender(10)), permit(arp, sender(11))), "yes, yes"},
		{
			"bridges do not track ARP: to them it is invalid", "v", "u", policy.IPv4, "", "host:h", frames(bridged, policy.Permit, deny(is(policy.ConnState, policy.StateInvalid))),
			"unknown, unknown: ARP from v/n to u/n is dropped by eb of h (deny state 3): " + stopped,
		},
		{
			"a rule that asks for more than the model has", "v", "u", policy.IPv4, "", "host:h", frames(bridged, policy.Permit, policy.Rule{Verdict: policy.Deny, Match: []policy.Term{arp}, Uncertain: "gratuitous"}),
			"unknown, unknown: ARP from v/n to u/n may be dropped by eb of h (deny etherType 0x806 [uncertain: gratuitous]): " + stopped,
		},
		{"the address of the sender's interface", "v", "u", policy.IPv4, macs, "host:h", frames(bridged, policy.Deny, permit(is(policy.SourceMAC, 0x02000000000a)), permit(is(policy.SourceMAC, 0x02000000000b))), "yes, yes"},
		{"another one's", "v", "u", policy.IPv4, macs, "host:h", frames(bridged, policy.Permit, deny(is(policy.SourceMAC, 0x02000000000b), is(policy.EtherType, 0x0800))), "yes, no"},
		{
			"the address of an interface that nobody knows", "v", "u", policy.IPv4, "", "host:h", frames(bridged, policy.Permit, deny(is(policy.SourceMAC, 0x02000000000b))),
			"unknown, unknown: ARP from v/n to u/n may be dropped by eb of h (deny sourceMAC 02:00:00:00:00:0b): " + stopped,
		},
		{
			"a router's own firewall drops neighbour discovery", "v", "w", policy.IPv6, six, "firewall:f", list("input", policy.Attachment{Hook: policy.HookInput}, policy.Deny, permit(established())),
			"unknown, unknown: neighbour discovery from v/n to f1.120 is dropped by input of f (its end): " + stopped,
		},
		{"it does not stop ARP", "v", "w", policy.IPv4, six, "firewall:f", list("input", policy.Attachment{Hook: policy.HookInput}, policy.Deny, permit(established())), "yes, yes"},
		{"and lets neighbour discovery through", "v", "w", policy.IPv6, six, "firewall:f", list("input", policy.Attachment{Hook: policy.HookInput}, policy.Deny, discovery), "yes, yes"},
		{
			"a list of the routed interface denies all else", "v", "w", policy.IPv6, six, "firewall:f",
			list("in", policy.Attachment{Hook: policy.HookPrerouting, Interface: "f1.120"}, policy.Deny, permit(isTCP())),
			"unknown, unknown: neighbour discovery from v/n to f1.120 is dropped by in of f (its end): " + stopped,
		},
		{
			"neighbour discovery is not tracked: to no filter it is new", "v", "w", policy.IPv6, six, "firewall:f",
			list("input", policy.Attachment{Hook: policy.HookInput}, policy.Deny, permit(is(policy.ConnState, policy.StateNew))),
			"unknown, unknown: neighbour discovery from v/n to f1.120 is dropped by input of f (its end): " + stopped,
		},
		{
			"nor is it invalid", "v", "w", policy.IPv6, six, "firewall:f",
			list("input", policy.Attachment{Hook: policy.HookInput}, policy.Permit, deny(is(policy.ConnState, policy.StateInvalid))), "yes, yes",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := scene(t, c.changes, map[string][]*policy.Filter{c.device: {c.filter}})
			end := func(vm string) reach.Endpoint {
				n, _ := s.Node(topology.Key{Kind: topology.VNIC, ID: vm + "/n"})
				es := reach.Endpoints(n)
				return es[slices.IndexFunc(es, func(e reach.Endpoint) bool { return e.Addr.Is4() == (c.family == policy.IPv4) })]
			}
			a, err := network(s).Between(t.Context(), end(c.from), end(c.to), tcpTo(80))
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%s, %s", a.Forward.Verdict, a.Return.Verdict)
			if doubts := slices.Concat(a.Forward.Doubts, a.Return.Doubts); len(doubts) > 0 {
				got += ": " + doubts[0]
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
