package reach_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology/policy"
)

// plugged gives the guests of the estate's host ports of its bridge.
const plugged = `
vnic:v/n deviceName=vnet0
vnic:u/n deviceName=vnet1
host:h Contains port:h/vnet0
host:h Contains port:h/vnet1
port:h/vnet0 ifName=vnet0
port:h/vnet1 ifName=vnet1
`

// behindSwitch is x, a guest on a NIC of its own at another port of the switch, in VLAN 120.
const behindSwitch = `
host:i Contains nic:i/e
filtertext:none AppliesTo host:i
vm:x Contains vnic:x/n
vnic:x/n AttachedTo nic:i/e
vnic:x/n address=192.0.2.12/24
vnic:x/n InSubnet subnet:192.0.2.0/24
switch:s Contains port:s/3
port:s/3 ifName=s3
port:s/3 pvid=120
port:s/3 untagged=120
nic:i/e Link port:s/3 ~95
`

// direct is two guests, y and z, on one NIC without a bridge.
const direct = `
host:i Contains nic:i/e
filtertext:none AppliesTo host:i
switch:s Contains port:s/3
port:s/3 ifName=s3
port:s/3 pvid=120
port:s/3 untagged=120
nic:i/e Link port:s/3 ~95
vm:y Contains vnic:y/n
vnic:y/n AttachedTo nic:i/e
vnic:y/n address=192.0.2.21/24
vnic:y/n InSubnet subnet:192.0.2.0/24
vm:z Contains vnic:z/n
vnic:z/n AttachedTo nic:i/e
vnic:z/n address=192.0.2.22/24
vnic:z/n InSubnet subnet:192.0.2.0/24
`

// members is a bond of the host with a second cable to the switch, whose VLANs the case gives.
const members = `
-virtualswitch:h/br0 SupportedBy nic:h/e
virtualswitch:h/br0 SupportedBy lag:h/b
host:h Contains lag:h/b
host:h Contains nic:h/e2
lag:h/b SupportedBy nic:h/e
lag:h/b SupportedBy nic:h/e2
switch:s Contains port:s/5
port:s/5 ifName=s5
nic:h/e2 Link port:s/5 ~95
`

// farGateway is another gateway, g, of VLAN 120, a switch further than the firewall, and without a route to VLAN 130.
const farGateway = `
switch:s Contains port:s/4
port:s/4 ifName=s4
port:s/4 tagged=120
switch:k Contains port:k/1
switch:k Contains port:k/2
port:k/1 tagged=120
port:k/2 tagged=120
port:k/1 Link port:s/4 ~95
router:g Contains port:g/1
port:g/1 Link port:k/2 ~95
router:g Contains port:g/v120
port:g/v120 ifName=g1.120
port:g/v120 ifType=135
port:g/v120 InSubnet subnet:192.0.2.0/24
port:g/v120 SupportedBy port:g/1
router:g Contains route:g/default/192.0.2.0%2F24/v120
route:g/default/192.0.2.0%2F24/v120 prefix=192.0.2.0/24
route:g/default/192.0.2.0%2F24/v120 RoutesVia port:g/v120
filtertext:none AppliesTo switch:k
filtertext:none AppliesTo router:g
`

// routeTo130 takes the firewall's route to VLAN 130 for one whose next hop the case gives.
const routeTo130 = `
-firewall:f Contains route:f/default/198.51.100.0%2F24/v130
firewall:f Contains route:f/default/198.51.100.0%2F24/x
route:f/default/198.51.100.0%2F24/x prefix=198.51.100.0/24
route:f/default/198.51.100.0%2F24/x RoutesVia port:f/v120
`

// triangle is three switches: s and t with a guest each, and k with the firewall, whose cable is cut. The tree has blocked the cable from t to k.
const triangle = `
-port:f/1 Link port:s/2 ~95
port:s/2 Link port:k/1 ~95
switch:k Contains port:k/1
switch:k Contains port:k/2
switch:k Contains port:k/3
port:k/1 tagged=120
port:k/2 tagged=120
port:k/3 tagged=120
port:f/1 Link port:k/2 ~95
port:f/1 state=down
switch:s Contains port:s/4
port:s/4 tagged=120
switch:t Contains port:t/1
switch:t Contains port:t/2
switch:t Contains port:t/3
port:t/1 tagged=120
port:t/2 tagged=120
port:t/3 pvid=120
port:t/3 untagged=120
port:t/2 stpState=0 blocking
port:t/2 ifName=t2
port:t/1 Link port:s/4 ~95
port:t/2 Link port:k/3 ~95
host:i Contains nic:i/e
nic:i/e Link port:t/3 ~95
vm:x Contains vnic:x/n
vnic:x/n AttachedTo nic:i/e
vnic:x/n address=192.0.2.12/24
vnic:x/n InSubnet subnet:192.0.2.0/24
filtertext:none AppliesTo host:i
filtertext:none AppliesTo switch:k
filtertext:none AppliesTo switch:t
`

// TestBetween_traps is what looks as if packets passed and they do not, or need not; and the other way round. One that has no doubt of its own shows that the
// trap, and not its surroundings, makes the other.
func TestBetween_traps(t *testing.T) {
	t.Parallel()
	const (
		hasVLAN1   = "switch:s Contains vlan:s/1\nvlan:s/1 vid=1\n"
		hasVLAN120 = "switch:s Contains vlan:s/120\nvlan:s/120 vid=120\n"
		noBridge   = "y/n and z/n are on e without a bridge: whether what one sends comes back to the other is not known"
	)
	for _, c := range []struct {
		name, from, to string
		changes        string
		filters        map[string][]*policy.Filter
		want           string
	}{
		{"two ports of a switch", "v", "x", behindSwitch, nil, "yes, yes"},
		{"both are protected", "v", "x", behindSwitch + "port:s/1 portLimit=isolated\nport:s/3 portLimit=isolated", nil, "unknown, unknown: s1 and s3 are isolated from each other"},
		{"one is protected", "v", "x", behindSwitch + "port:s/3 portLimit=isolated", nil, "yes, yes"},
		{
			"both guests' ports of a host's bridge are isolated", "v", "u", plugged + "port:h/vnet0 portLimit=isolated\nport:h/vnet1 portLimit=isolated", nil,
			"unknown, unknown: vnet0 and vnet1 are isolated from each other",
		},
		{"one of them is", "v", "u", plugged + "port:h/vnet0 portLimit=isolated", nil, "yes, yes"},
		{
			"a VLAN that trunks allow, and the switch does not have", "v", "x", behindSwitch + hasVLAN1, nil,
			"unknown, unknown: VLAN 120 is not among those that s is said to have",
		},
		{"a VLAN that the switch has", "v", "x", behindSwitch + hasVLAN1 + hasVLAN120, nil, "yes, yes"},
		{"a VLAN that is suspended", "v", "x", behindSwitch + hasVLAN120 + "vlan:s/120 state=suspended", nil, "no, no"},
		{"and on the way to the gateway", "v", "w", hasVLAN1 + hasVLAN120 + "vlan:s/120 state=suspended", nil, "no, no"},
		{"a VLAN that is shut", "v", "x", behindSwitch + hasVLAN120 + "vlan:s/120 state=inactive", nil, "no, no"},
		{"a VLAN with larger frames than the switch has", "v", "x", behindSwitch + hasVLAN120 + "vlan:s/120 state=mtuTooBigForDevice", nil, "unknown, unknown: VLAN 120 is mtuTooBigForDevice on s"},
		{"two guests on one NIC in mode bridge", "y", "z", direct + "vnic:y/n linkMode=bridge\nvnic:z/n linkMode=bridge", nil, "yes, yes"},
		{"in mode vepa", "y", "z", direct + "vnic:y/n linkMode=vepa\nvnic:z/n linkMode=vepa", nil, "unknown, unknown: " + noBridge},
		{"in mode private", "y", "z", direct + "vnic:y/n linkMode=private\nvnic:z/n linkMode=private", nil, "unknown, unknown: " + noBridge},
		{"one in mode bridge", "y", "z", direct + "vnic:y/n linkMode=bridge\nvnic:z/n linkMode=private", nil, "unknown, unknown: " + noBridge},
		{"two virtual functions of one NIC", "y", "z", direct, nil, "unknown, unknown: " + noBridge},
		{"a guest on a NIC, and one elsewhere", "y", "v", direct + "vnic:y/n linkMode=vepa", nil, "yes, yes"},
		{
			"a guest on a NIC, and the host's own address there", "y", "nic:i/e", direct + "vnic:y/n linkMode=bridge\nnic:i/e address=192.0.2.30/24", nil,
			"unknown, unknown: y/n is on e without a bridge: whether it and its host hear each other there is not known",
		},
		{
			"frames without a tag go in, those that come out have one", "v", "x", behindSwitch + "-port:s/3 untagged=120\nport:s/3 tagged=120", nil,
			"unknown, unknown: s3 takes frames without a tag for VLAN 120, and sends those of VLAN 120 with a tag",
		},
		{
			"and at a guest's port", "v", "u", "-vnic:v/n vid=120\n-vnic:u/n vid=120\n" + plugged + "port:h/vnet0 pvid=120\nport:h/vnet0 tagged=120\nport:h/vnet1 pvid=120\nport:h/vnet1 untagged=120", nil,
			"unknown, unknown: vnet0 takes frames without a tag for VLAN 120, and sends those of VLAN 120 with a tag",
		},
		{"two members of a group", "v", "w", members + "port:s/5 tagged=120,130", nil, "yes, yes"},
		{"a VLAN on one member alone", "v", "w", members + "port:s/5 tagged=130", nil, "unknown, yes: VLAN 120 is not carried on s5"},
		{"a member that is down", "v", "w", members + "port:s/5 tagged=130\nport:s/5 state=down", nil, "yes, yes"},
		{
			"a gateway that is not the nearest may be the guest's", "v", "w", farGateway + "port:g/v120 address=192.0.2.2/24", nil,
			"unknown, yes: not by all of several ways (gateways, equal routes, links, addresses of a pool) packets arrive: g has no route to 198.51.100.10",
		},
		{"of two with one address the nearest answers", "v", "w", farGateway + "port:g/v120 address=192.0.2.1/24", nil, "yes, yes"},
		{"one on another segment is none", "v", "w", farGateway + "port:g/v120 address=192.0.2.2/24\n-port:k/2 tagged=120\n-port:k/1 tagged=120\nport:k/2 tagged=7\nport:k/1 tagged=7\n-port:s/4 tagged=120\nport:s/4 tagged=7", nil, "yes, yes"},
		{"a switch's own address is no gateway", "v", "w", "switch:s Contains port:s/v\nport:s/v ifName=Vlan120\nport:s/v ifType=53\nport:s/v address=192.0.2.3/24\nport:s/v InSubnet subnet:192.0.2.0/24", nil, "yes, yes"},
		{
			"a next hop that is a VM", "v", "w", routeTo130 + "route:f/default/198.51.100.0%2F24/x nextHop=192.0.2.11", nil,
			"unknown, yes: the next hop is a VM, u/n: what it does with packets of others is not known",
		},
		{
			"a next hop that nobody has", "v", "w", routeTo130 + "route:f/default/198.51.100.0%2F24/x nextHop=192.0.2.99", nil,
			"unknown, yes: nobody is known to have the address 192.0.2.99, the next hop of f",
		},
		{
			"two routers that send packets to each other", "v", "w", farGateway + routeTo130 + "port:g/v120 address=192.0.2.2/24\nroute:f/default/198.51.100.0%2F24/x nextHop=192.0.2.2\n" +
				"router:g Contains route:g/default/198.51.100.0%2F24/x\nroute:g/default/198.51.100.0%2F24/x prefix=198.51.100.0/24\nroute:g/default/198.51.100.0%2F24/x nextHop=192.0.2.1\nroute:g/default/198.51.100.0%2F24/x RoutesVia port:g/v120", nil,
			"unknown, yes: packets to 198.51.100.10 go round in a loop at f",
		},
		{"the tree blocks the cable by which both get to their gateway", "v", "x", triangle, nil, "yes, yes"},
		{"and the other one is cut", "v", "x", triangle + "port:t/1 state=down", nil, "no, no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ask(t, scene(t, c.changes, c.filters), c.from, c.to, tcpTo(80)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestBetween_sixAlone: an estate without an address of IPv4.
func TestBetween_sixAlone(t *testing.T) {
	t.Parallel()
	const alone = six + "-vnic:v/n address=192.0.2.10/24\n-vnic:w/n address=198.51.100.10/24\n-vnic:u/n address=192.0.2.11/24\n-port:f/v120 address=192.0.2.1/24\n-port:f/v130 address=198.51.100.1/24\n"
	four := list("four", forward, policy.Deny)
	four.Family = policy.IPv4
	discovers := list("six", policy.Attachment{Hook: policy.HookPrerouting, Interface: "f1.120"}, policy.Deny, permit(isTCP()), permit(icmpv6(135, 136)))
	for _, c := range []struct {
		name, from, to, changes string
		filter                  *policy.Filter
		want                    string
	}{
		{"routed", "v", "w", "", four, "yes, yes"},
		{"in one bridge", "v", "u", "", four, "yes, yes"},
		{"a list that denies all", "v", "w", "", list("all", forward, policy.Deny), "no, no"},
		{"a list that lets neighbour discovery through", "v", "w", "", discovers, "yes, yes"},
		{
			"a gateway that has IPv4 alone", "v", "w", "-port:f/v120 address=2001:db8:120::1/64\nport:f/v120 address=192.0.2.1/24", four,
			"unknown, yes: no gateway of v/n is known",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ask(t, scene(t, alone+c.changes, map[string][]*policy.Filter{"firewall:f": {c.filter}}), c.from, c.to, tcpTo(80)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestBetween_unrecordedAddress: an address that no source has given to anybody may be a second or floating one, or that of a VM behind a VM.
func TestBetween_unrecordedAddress(t *testing.T) {
	t.Parallel()
	s := scene(t, "", nil)
	for to, addr := range map[string]string{"w": "198.51.100.77", "u": "192.0.2.77"} {
		end := endpoint(t, s, to)
		end.Addr = netip.MustParseAddr(addr)
		a, err := network(s).Between(t.Context(), endpoint(t, s, "v"), end, tcpTo(80))
		if want := []string{"nobody is known to have the address " + addr}; err != nil || a.Forward.Verdict != reach.NotKnown || !slices.Equal(a.Forward.Doubts, want) {
			t.Errorf("to %s: %s, %q, %v", addr, a.Forward.Verdict, a.Forward.Doubts, err)
		}
	}
}
