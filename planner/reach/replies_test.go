package reach_test

import (
	"net/netip"
	"testing"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

func newly(addr string) policy.Assignment {
	p := netip.MustParsePrefix(addr + "/32")
	return policy.Assignment{Field: policy.Destination, Family: policy.IPv4, To: []policy.Range{policy.PrefixRange(p)}}
}

func has(field policy.Field, addr string) policy.Term {
	return policy.Term{Field: field, Family: policy.IPv4, Of: []policy.Range{policy.PrefixRange(netip.MustParsePrefix(addr + "/32"))}}
}

// dnat gives what matches other destinations.
func dnat(set []policy.Assignment, terms ...policy.Term) *policy.Filter {
	return list("dnat", policy.Attachment{Hook: policy.HookPrerouting, Priority: -100}, policy.Permit, firstOnly(), policy.Rule{Verdict: policy.Permit, Match: terms, Set: set})
}

// before is a list that packets meet as they come in from VLAN 130, before any translation.
func before(rules ...policy.Rule) *policy.Filter {
	return list("before", policy.Attachment{Hook: policy.HookPrerouting, Priority: -300, Interface: "f1.130"}, policy.Deny, rules...)
}

// TestBetween_replies: replies to what was translated are turned back by the device that did it, and by no other.
func TestBetween_replies(t *testing.T) {
	t.Parallel()
	masquerade := nat(policy.Term{Field: policy.OutInterface, Names: []string{"f1.130"}})
	toW := dnat([]policy.Assignment{newly("198.51.100.10")}, has(policy.Destination, "192.0.2.1"))
	portToW := dnat([]policy.Assignment{newly("198.51.100.10"), {Field: policy.DestinationPort, To: []policy.Range{policy.Is(8080)}}}, has(policy.Destination, "192.0.2.1"), isTCP(), port(80))
	toU := dnat([]policy.Assignment{newly("192.0.2.11")}, has(policy.Destination, "198.51.100.10"))
	from := func(n uint64) policy.Term {
		return policy.Term{Field: policy.SourcePort, Of: []policy.Range{policy.Is(n)}}
	}
	random := list("nat", policy.Attachment{Hook: policy.HookPostrouting, Priority: 100}, policy.Permit, firstOnly(), policy.Rule{
		Verdict: policy.Permit, Match: []policy.Term{{Field: policy.OutInterface, Names: []string{"f1.130"}}},
		Set: []policy.Assignment{{Field: policy.Source, Family: policy.IPv4, Own: true}, {Field: policy.SourcePort, To: []policy.Range{policy.FromTo(1024, 65535)}}},
	})
	pool := list("nat", policy.Attachment{Hook: policy.HookPostrouting, Priority: 100}, policy.Permit, firstOnly(), policy.Rule{
		Verdict: policy.Permit, Set: []policy.Assignment{{Field: policy.Source, Family: policy.IPv4, To: []policy.Range{{Lo: policy.Num(0xC6336401), Hi: policy.Num(0xC6336402)}}}},
	})
	netmap := list("nat", policy.Attachment{Hook: policy.HookPostrouting, Priority: 100}, policy.Permit, firstOnly(), policy.Rule{
		Verdict: policy.Permit, Match: []policy.Term{{Field: policy.Source, Family: policy.IPv4, Of: []policy.Range{policy.PrefixRange(netip.MustParsePrefix("192.0.2.0/25"))}}},
		Set: []policy.Assignment{{Field: policy.Source, Family: policy.IPv4, To: []policy.Range{policy.PrefixRange(netip.MustParsePrefix("198.51.100.128/32"))}, Keep: policy.Num(127)}},
	})
	const follow = "what nat of f has translated, and how replies find back, is not followed: not all get the same addresses"
	for _, c := range []struct {
		name, from, to, changes string
		filters                 []*policy.Filter
		flow                    reach.Flow
		want                    string
	}{
		{"masquerade", "vnic:v/n", "vnic:w/n", "", []*policy.Filter{masquerade}, tcpTo(80), "yes, yes"},
		{"of everything", "vnic:v/n", "vnic:w/n", "", []*policy.Filter{masquerade}, reach.Flow{}, "yes, yes"},
		{"masquerade with other ports", "vnic:v/n", "vnic:w/n", "", []*policy.Filter{random}, tcpTo(80), "yes, yes"},
		{"one of several addresses", "vnic:v/n", "vnic:w/n", "", []*policy.Filter{pool}, tcpTo(80), "yes, unknown: " + follow},
		{"before it is turned back, the reply is for the router", "vnic:v/n", "vnic:w/n", "", []*policy.Filter{masquerade, before(permit(has(policy.Destination, "198.51.100.1")))}, tcpTo(80), "yes, yes"},
		{"and not for the sender", "vnic:v/n", "vnic:w/n", "", []*policy.Filter{masquerade, before(permit(has(policy.Destination, "192.0.2.10")))}, tcpTo(80), "yes, no"},
		{
			"behind it, it is for the sender", "vnic:v/n", "vnic:w/n", "",
			[]*policy.Filter{masquerade, list("fw", forward, policy.Deny, permit(fromV()), permit(has(policy.Source, "198.51.100.10"), has(policy.Destination, "192.0.2.10"), established()))},
			tcpTo(80), "yes, yes",
		},
		{"a port forward", "vnic:v/n", "port:f/v120", "", []*policy.Filter{toW}, tcpTo(80), "yes, yes"},
		{"with another port", "vnic:v/n", "port:f/v120", "", []*policy.Filter{portToW}, tcpTo(80), "yes, yes"},
		{"the reply comes from the other port", "vnic:v/n", "port:f/v120", "", []*policy.Filter{portToW, before(permit(isTCP(), from(8080)))}, tcpTo(80), "yes, yes"},
		{"and not from the one that was asked", "vnic:v/n", "port:f/v120", "", []*policy.Filter{portToW, before(permit(isTCP(), from(80)))}, tcpTo(80), "yes, no"},
		{"all ports, of which one is translated", "vnic:v/n", "port:f/v120", "", []*policy.Filter{portToW}, reach.Flow{}, "yes, unknown: what dnat of f has translated, and how replies find back, is not followed: not all get the same addresses"},
		{"one prefix for another", "vnic:v/n", "vnic:w/n", "port:f/v130 address=198.51.100.138/24", []*policy.Filter{netmap}, tcpTo(80), "yes, yes"},
		{"and the reply for the same of the other", "vnic:v/n", "vnic:w/n", "port:f/v130 address=198.51.100.138/24", []*policy.Filter{netmap, before(permit(has(policy.Destination, "198.51.100.138")))}, tcpTo(80), "yes, yes"},
		{"the reply need not come by who translated: nobody waits for it", "vnic:v/n", "vnic:w/n", "", []*policy.Filter{toU}, tcpTo(80), "yes, no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := scene(t, c.changes, map[string][]*policy.Filter{"firewall:f": c.filters})
			end := func(text string) reach.Endpoint {
				k, err := topology.ParseKey(text)
				n, ok := s.Node(k)
				if err != nil || !ok {
					t.Fatalf("no %s", text)
				}
				return reach.Endpoints(n)[0]
			}
			a, err := network(s).Between(t.Context(), end(c.from), end(c.to), c.flow)
			if err != nil {
				t.Fatal(err)
			}
			got := string(a.Forward.Verdict) + ", " + string(a.Return.Verdict)
			if doubts := append(a.Forward.Doubts, a.Return.Doubts...); len(doubts) > 0 {
				got += ": " + doubts[0]
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
