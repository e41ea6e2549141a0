package reach_test

import (
	"testing"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// unnumbered is behind with routers that know each other by 169.254.0.1 on the link alone, as BGP without addresses leaves it to the neighbour cache.
const unnumbered = behind + `
-route:f/default/198.51.100.0%2F24/203.0.113.2 nextHop=203.0.113.2
route:f/default/198.51.100.0%2F24/203.0.113.2 nextHop=169.254.0.1
port:g/1 mac=02:00:00:00:00:09
`

const learned = "port:f/2 arp=169.254.0.1 02:00:00:00:00:09\n"

// overlay is another host, k, with a VM x in VLAN 120 behind another switch, t: between it and s is a link that is routed, and over it a tunnel.
const overlay = `
host:k Contains virtualswitch:k/br0
host:k Contains nic:k/e
virtualswitch:k/br0 SupportedBy nic:k/e
virtualswitch:k/br0 virtualPort=openvswitch
switch:t Contains port:t/1
port:t/1 ifName=t1
port:t/1 tagged=120
nic:k/e Link port:t/1 ~95
vm:x Contains vnic:x/n
vnic:x/n AttachedTo virtualswitch:k/br0
vnic:x/n vid=120
vnic:x/n address=192.0.2.20/24
vnic:x/n InSubnet subnet:192.0.2.0/24
vnic:x/n mac=02:00:00:00:00:20
vnic:v/n mac=02:00:00:00:00:10
switch:s Contains port:s/9
port:s/9 ifName=s9
port:s/9 address=203.0.113.1/32
switch:t Contains port:t/9
port:t/9 ifName=t9
port:t/9 address=203.0.113.2/32
port:s/9 Link port:t/9 ~95
switch:s Contains route:s/default/203.0.113.2%2F32/9
route:s/default/203.0.113.2%2F32/9 prefix=203.0.113.2/32
route:s/default/203.0.113.2%2F32/9 RoutesVia port:s/9
switch:t Contains route:t/default/203.0.113.1%2F32/9
route:t/default/203.0.113.1%2F32/9 prefix=203.0.113.1/32
route:t/default/203.0.113.1%2F32/9 RoutesVia port:t/9
switch:s Contains port:s/vx
port:s/vx ifName=vx5
port:s/vx vni=5000
port:s/vx vtep=203.0.113.1
port:s/vx tagged=
port:s/vx untagged=120
port:s/vx tunnelEntry=02:00:00:00:00:20 203.0.113.2
switch:t Contains port:t/vx
port:t/vx ifName=vx7
port:t/vx vni=5000
port:t/vx vtep=203.0.113.2
port:t/vx tagged=
port:t/vx untagged=120
port:t/vx tunnelEntry=02:00:00:00:00:10 203.0.113.1
filtertext:none AppliesTo host:k
filtertext:none AppliesTo switch:t
`

// routedOverlay is a VM behind t in a subnet of its own, y: s and t both route, and know each other in a tunnel for a VRF.
const routedOverlay = overlay + `
switch:s Contains port:s/v120
port:s/v120 ifName=vlan120
port:s/v120 vid=120
port:s/v120 ifType=135
port:s/v120 address=192.0.2.254/24
vm:y Contains vnic:y/n
vnic:y/n AttachedTo virtualswitch:k/br0
vnic:y/n vid=130
vnic:y/n address=192.0.3.10/24
vnic:y/n InSubnet subnet:192.0.3.0/24
port:t/1 tagged=120,130
-port:t/1 tagged=120
switch:t Contains port:t/v130
port:t/v130 ifName=vlan130
port:t/v130 vid=130
port:t/v130 ifType=135
port:t/v130 address=192.0.3.1/24
port:t/v130 InSubnet subnet:192.0.3.0/24
switch:t Contains route:t/default/192.0.3.0%2F24/v130
route:t/default/192.0.3.0%2F24/v130 prefix=192.0.3.0/24
route:t/default/192.0.3.0%2F24/v130 RoutesVia port:t/v130
switch:s capability=router
switch:t capability=router
switch:s Contains port:s/l3
port:s/l3 ifName=vlan4001
port:s/l3 vid=4001
port:s/l3 ifType=135
port:s/l3 arp=203.0.113.2 02:00:00:00:40:01
switch:s Contains port:s/vx4001
port:s/vx4001 ifName=vx4001
port:s/vx4001 vni=104001
port:s/vx4001 vtep=203.0.113.1
port:s/vx4001 tagged=
port:s/vx4001 untagged=4001
port:s/vx4001 tunnelEntry=02:00:00:00:40:01 203.0.113.2
switch:t Contains port:t/l3
port:t/l3 ifName=vlan4001
port:t/l3 vid=4001
port:t/l3 ifType=135
port:t/l3 mac=02:00:00:00:40:01
switch:t Contains port:t/vx4001
port:t/vx4001 ifName=vx4001
port:t/vx4001 vni=104001
port:t/vx4001 vtep=203.0.113.2
port:t/vx4001 tagged=
port:t/vx4001 untagged=4001
port:t/vx4001 mac=02:00:00:00:40:01
switch:s Contains route:s/default/192.0.3.0%2F24/203.0.113.2
route:s/default/192.0.3.0%2F24/203.0.113.2 prefix=192.0.3.0/24
route:s/default/192.0.3.0%2F24/203.0.113.2 nextHop=203.0.113.2
route:s/default/192.0.3.0%2F24/203.0.113.2 RoutesVia port:s/l3
`

// TestBetween_routedTunnel: a next hop in a tunnel for a VRF, as EVPN tells it (RFC 9136, 4.4.2), is the interface there with the hardware address that the cache has.
func TestBetween_routedTunnel(t *testing.T) {
	t.Parallel()
	for changes, want := range map[string]reach.Verdict{
		"": reach.Yes,
		"-port:s/l3 arp=203.0.113.2 02:00:00:00:40:01":             reach.NotKnown, // what of t is meant, nobody says
		"-port:t/l3 mac=02:00:00:00:40:01":                         reach.NotKnown,
		"-port:s/vx4001 tunnelEntry=02:00:00:00:40:01 203.0.113.2": reach.NotKnown,
		"-route:t/default/192.0.3.0%2F24/v130 prefix=192.0.3.0/24": reach.Yes, // a subnet of its own
		"-port:t/v130 address=192.0.3.1/24\nport:t/v130 address=192.0.9.1/24\n-route:t/default/192.0.3.0%2F24/v130 prefix=192.0.3.0/24": reach.No,
	} {
		s := scene(t, routedOverlay+changes, nil)
		from, _ := s.Node(topology.Key{Kind: topology.Port, ID: "s/v120"})
		to, _ := s.Node(topology.Key{Kind: topology.VNIC, ID: "y/n"})
		a, err := network(s).Between(t.Context(), reach.Endpoints(from)[0], reach.Endpoints(to)[0], tcpTo(80))
		if err != nil || a.Forward.Verdict != want {
			t.Errorf("with %q: %s, not %s: %q, %v", changes, a.Forward.Verdict, want, a.Forward.Doubts, err)
		}
	}
}

func TestBetween_overLinksAlone(t *testing.T) {
	t.Parallel()
	web := tcpTo(80)
	for _, c := range []struct {
		name, from, to string
		flow           reach.Flow
		changes        string
		filters        map[string][]*policy.Filter
		want           string
	}{
		{
			"a next hop of the link alone, as the neighbour cache knows it", "v", "w", web, unnumbered + learned, nil,
			"yes, unknown: no gateway of VLAN 130 is known behind s: collect the router or firewall that routes it (f is reached at f1, and no source says which of its interfaces routes VLAN 130)",
		},
		{
			"and as it does not: the other end of the cable", "v", "w", web, unnumbered, nil,
			"unknown, unknown: no source says who 169.254.0.1 is on f2 of f: the other end of its cable is taken",
		},
		{
			"and without a cable", "v", "w", web, unnumbered + "-port:g/1 Link port:f/2 ~95", nil,
			"unknown, unknown: nobody is known to have the address 169.254.0.1, the next hop of f",
		},
		{
			"whoever has that address elsewhere is not meant", "v", "w", web, unnumbered + learned + "port:s/1 address=169.254.0.1/16", nil,
			"yes, unknown: no gateway of VLAN 130 is known behind s: collect the router or firewall that routes it (f is reached at f1, and no source says which of its interfaces routes VLAN 130)",
		},
		{
			"two links with one such address: two ways", "v", "w", web, unnumbered + learned +
				"route:f/default/198.51.100.0%2F24/203.0.113.2 RoutesVia port:f/3\nfirewall:f Contains port:f/3\nport:f/3 ifName=f3\nport:f/3 arp=169.254.0.1 02:00:00:00:00:0a", nil,
			"unknown, unknown: nobody is known to have the address 169.254.0.1, the next hop of f",
		},
		{"through a tunnel", "v", "x", web, overlay, nil, "yes, yes"},
		{
			"a tunnel that has not learned the answer's address", "v", "x", web, overlay + "-port:t/vx tunnelEntry=02:00:00:00:00:10 203.0.113.1", nil,
			"yes, unknown: no gateway of VLAN 120 is known behind t: collect the router or firewall that routes it",
		},
		{"a tunnel of another number at the other end", "v", "x", web, overlay + "-port:t/vx vni=5000\nport:t/vx vni=5001", nil, "unknown, unknown: no source says in which VLAN t has VXLAN 5000"},
		{
			"a tunnel without a way", "v", "x", web, overlay + "-port:s/9 Link port:t/9 ~95", nil,
			"unknown, unknown: no LLDP, CDP, forwarding entry or operator says what s9 is cabled to: collect the switch at its other end",
		},
		{"a tunnel whose port is down", "v", "x", web, overlay + "port:t/vx state=down", nil, "unknown, unknown: vx7 is down"},
		{
			"filters of those on its way look at what is around the packets", "v", "x", web, overlay,
			map[string][]*policy.Filter{"switch:t": {list("acl", policy.Attachment{Hook: policy.HookPrerouting}, policy.Permit, deny(isTCP(), port(80)))}},
			"unknown, yes: what acl of t does to packets of tunnels is not looked at",
		},
		{
			"a VLAN map where it begins", "v", "x", web, overlay,
			map[string][]*policy.Filter{"switch:s": {list("vacl", policy.Attachment{Hook: policy.HookVLAN, VLANs: "120"}, policy.Permit, deny(isTCP(), port(80)))}},
			"no, no",
		},
		{
			"a VLAN map where it ends", "v", "x", web, overlay,
			map[string][]*policy.Filter{"switch:t": {list("vacl", policy.Attachment{Hook: policy.HookVLAN, VLANs: "120"}, policy.Permit, deny(isTCP(), port(80)))}},
			"no, no",
		},
		{"nobody has read the filters of the switch where it ends", "v", "x", web, overlay + "-filtertext:none AppliesTo switch:t", nil, "unknown, unknown: nobody has read the filters of t"},
		{
			"a port list behind it", "v", "x", web, overlay,
			map[string][]*policy.Filter{"switch:t": {list("acl", policy.Attachment{Hook: policy.HookEgress, Interface: "t1"}, policy.Permit, deny(isTCP(), port(80)))}},
			"no, no",
		},
		{
			"a port list before it", "v", "x", web, overlay,
			map[string][]*policy.Filter{"switch:s": {list("acl", policy.Attachment{Hook: policy.HookIngress, Interface: "s1"}, policy.Permit, deny(isTCP(), port(80)))}},
			"no, no",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ask(t, scene(t, c.changes, c.filters), c.from, c.to, c.flow); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
