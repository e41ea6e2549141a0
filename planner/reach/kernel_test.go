package reach_test

import (
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology/policy"
)

// linux is the estate where a Linux bridge joins the guests, in which frames bear no tags: v and u meet in it.
const linux = "-virtualswitch:h/br0 virtualPort=openvswitch\n-vnic:v/n vid=120\n-vnic:u/n vid=120\n"

// TestBetween_kernel: what switches of the kernel decide beside routes and filters.
func TestBetween_kernel(t *testing.T) {
	t.Parallel()
	web := tcpTo(80)
	drops := map[string][]*policy.Filter{"host:h": {list("fw", forward, policy.Deny, permit(isTCP(), port(81)))}}
	stateful := map[string][]*policy.Filter{"host:h": {list("fw", forward, policy.Deny, permit(established()), permit(policy.Term{Field: policy.InPort, Names: []string{"v/n"}}, isTCP(), port(80)))}}
	ports := map[string][]*policy.Filter{"host:h": {list("fw", forward, policy.Permit, deny(policy.Term{Field: policy.InPort, Names: []string{"v/n"}}))}}
	for _, c := range []struct {
		name, from, to, changes string
		filters                 map[string][]*policy.Filter
		flow                    reach.Flow
		want                    string
	}{
		{"a firewall that does not forward", "v", "w", "firewall:f forwarding=ipv4 off", nil, web, "no, no"},
		{"it does not matter inside the bridge", "v", "u", "firewall:f forwarding=ipv4 off", nil, web, "yes, yes"},
		{"one that says it does", "v", "w", "firewall:f forwarding=ipv4", nil, web, "yes, yes"},
		{"what it does for IPv6 is another matter", "v", "w", "firewall:f forwarding=ipv6 off", nil, web, "yes, yes"},
		{"an interface alone", "v", "w", "firewall:f forwarding=ipv4\nport:f/v120 forwarding=ipv4 off", nil, web, "no, no"},
		{"the interface of the replies", "v", "w", "firewall:f forwarding=ipv4\nport:f/v130 forwarding=ipv4 off", nil, web, "yes, no"},
		{"an interface that does, of a device that does not", "v", "w", "firewall:f forwarding=ipv4 off\nport:f/v120 forwarding=ipv4", nil, web, "yes, no"},
		{
			"sources contradict each other", "v", "w", "firewall:f forwarding=ipv4\nfirewall:f forwarding=ipv4 off", nil, web,
			"unknown, unknown: sources contradict each other whether f forwards ipv4",
		},
		{
			"it may speak of the table outside of VRFs", "v", "w", "firewall:f forwarding=ipv4 off\nfirewall:f Contains vrf:f/red\nport:f/v120 InVRF vrf:f/red\n" +
				"firewall:f Contains route:f/red/198.51.100.0%2F24/v130\nroute:f/red/198.51.100.0%2F24/v130 prefix=198.51.100.0/24\nroute:f/red/198.51.100.0%2F24/v130 RoutesVia port:f/v130", nil, web,
			"unknown, no: f says that it forwards no ipv4: whether that holds in the VRF of f1.120, nobody says",
		},
		{
			"a host on the way that does not say", "v", "w", strings.ReplaceAll(behind, "router:g", "host:g"), nil, web,
			"unknown, unknown: nobody says whether g forwards packets of others",
		},
		{"a host on the way that says so", "v", "w", strings.ReplaceAll(behind, "router:g", "host:g") + "host:g forwarding=ipv4", nil, web, "yes, " + blind},
		{"a host on the way that routes by its own word to neighbours", "v", "w", strings.ReplaceAll(behind, "router:g", "host:g") + "host:g capability=router", nil, web, "yes, " + blind},
		{"the way back by the interface of the packets", "v", "w", "port:f/v120 policyRule=rpf strict\nport:f/v130 policyRule=rpf strict", nil, web, "yes, yes"},
		{
			"the way back by another one", "v", "w", "port:f/v120 policyRule=rpf strict\nfirewall:f Contains route:f/default/192.0.2.10%2F32/v130\n" +
				"route:f/default/192.0.2.10%2F32/v130 prefix=192.0.2.10/32\nroute:f/default/192.0.2.10%2F32/v130 RoutesVia port:f/v130", nil, web, "no, no",
		},
		{"no way back at all", "v", "w", "port:f/v120 policyRule=rpf loose\n" + unrouted, nil, web, "no, no"},
		{"bridged frames on a host that says nothing", "v", "u", linux, drops, web, "unknown, unknown: nobody says whether br_netfilter is loaded on h: if it is, frames through br0 meet fw"},
		{"no br_netfilter", "v", "u", linux + "host:h bridgeCalls=none", drops, web, "yes, yes"},
		{"br_netfilter for others", "v", "u", linux + "host:h bridgeCalls=ipv4 off\nhost:h bridgeCalls=ipv6\nvirtualswitch:h/br0 bridgeCalls=ipv4 off", drops, web, "yes, yes"},
		{"br_netfilter", "v", "u", linux + "host:h bridgeCalls=ipv4", drops, web, "no, no"},
		{"br_netfilter lets another port through", "v", "u", linux + "host:h bridgeCalls=ipv4", drops, tcpTo(81), "yes, no"},
		{"br_netfilter of one bridge", "v", "u", linux + "host:h bridgeCalls=ipv4 off\nvirtualswitch:h/br0 bridgeCalls=ipv4", drops, web, "no, no"},
		{"it knows what has passed it", "v", "u", linux + "host:h bridgeCalls=ipv4", stateful, web, "yes, yes"},
		{"and opens nothing", "u", "v", linux + "host:h bridgeCalls=ipv4", stateful, web, "no, no"},
		{"ports of the bridge", "v", "u", linux + "host:h bridgeCalls=ipv4", ports, web, "no, no"},
		{
			"frames with tags", "v", "u", linux + "vnic:v/n vid=120\nvnic:u/n vid=120\nhost:h bridgeCalls=ipv4", drops, web,
			"unknown, unknown: frames through br0 may bear tags: whether they meet fw of h then (br_netfilter) is not known",
		},
		{"Open vSwitch knows no br_netfilter", "v", "u", "host:h bridgeCalls=ipv4", drops, web, "yes, yes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ask(t, scene(t, c.changes, c.filters), c.from, c.to, c.flow); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// unrouted takes the subnet of v from the firewall's routes, which has its interface there all the same.
const unrouted = "-firewall:f Contains route:f/default/192.0.2.0%2F24/v120\n"

const blind = "unknown: no gateway of VLAN 130 is known behind s: collect the router or firewall that routes it (f is reached at f1, and no source says which of its interfaces routes VLAN 130)"

// TestBetween_order: of two filters of one priority the one that was made last comes first, which nobody says; of two that translate, their own priorities decide.
func TestBetween_order(t *testing.T) {
	t.Parallel()
	at := func(order int) policy.Attachment {
		return policy.Attachment{Hook: policy.HookForward, Priority: 5, Order: order}
	}
	marks := policy.Rule{Verdict: policy.Continue, Set: []policy.Assignment{{Field: policy.Mark, To: []policy.Range{policy.Is(7)}}}}
	marked := policy.Term{Field: policy.Mark, Of: []policy.Range{policy.Is(7)}}
	for _, c := range []struct {
		name         string
		first, other *policy.Filter
		want         string
	}{
		{"nobody writes", list("a", at(0), policy.Permit, deny(port(81))), list("b", at(0), policy.Permit, deny(port(82))), "yes, yes"},
		{
			"one marks", list("a", at(0), policy.Permit, marks), list("b", at(0), policy.Permit, deny(marked)),
			`unknown, unknown: which of a and b comes first : "which of a and b comes first" was not understood (the order of their making decides)`,
		},
		{"one marks, behind the other", list("a", at(2), policy.Permit, marks), list("b", at(1), policy.Permit, deny(marked)), "yes, yes"},
		{"one marks, before the other", list("a", at(1), policy.Permit, marks), list("b", at(2), policy.Permit, deny(marked)), "no, no"},
	} {
		if got := ask(t, scene(t, "", map[string][]*policy.Filter{"firewall:f": {c.first, c.other}}), "v", "w", tcpTo(80)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
