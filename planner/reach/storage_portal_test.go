package reach_test

import (
	"testing"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// iscsi is, in the estate of the network's tests, an array with a portal in VLAN 120, where the host has an interface, and one in VLAN 130, behind the firewall. The
// unit u is shown to the host's initiator at both; the disk of VM v is on it, too, and opened by the program that runs the VM.
const iscsi = estate + portals

const portals = `
host:h name=h
host:h Contains nic:h/e2
nic:h/e2 ifName=e2
nic:h/e2 address=192.0.2.21/24
nic:h/e2 state=up
nic:h/e2 Link port:s/3 ~95
switch:s Contains port:s/3
port:s/3 pvid=120
port:s/3 untagged=120
switch:s Contains port:s/4
port:s/4 pvid=120
port:s/4 untagged=120
switch:s Contains port:s/5
port:s/5 pvid=130
port:s/5 untagged=130
host:h Contains route:h/default/192.0.2.0%2F24/e2
route:h/default/192.0.2.0%2F24/e2 prefix=192.0.2.0/24
route:h/default/192.0.2.0%2F24/e2 RoutesVia nic:h/e2
host:h Contains route:h/default/0.0.0.0%2F0/192.0.2.1
route:h/default/0.0.0.0%2F0/192.0.2.1 prefix=0.0.0.0/0
route:h/default/0.0.0.0%2F0/192.0.2.1 nextHop=192.0.2.1
route:h/default/0.0.0.0%2F0/192.0.2.1 RoutesVia nic:h/e2
array:a name=a
array:a Contains port:a/1
port:a/1 ifName=a1
port:a/1 address=192.0.2.50/24
port:a/1 Link port:s/4 ~95
array:a Contains port:a/2
port:a/2 ifName=a2
port:a/2 address=198.51.100.50/24
port:a/2 Link port:s/5 ~95
array:a Contains route:a/default/192.0.2.0%2F24/a1
route:a/default/192.0.2.0%2F24/a1 prefix=192.0.2.0/24
route:a/default/192.0.2.0%2F24/a1 RoutesVia port:a/1
filtertext:none AppliesTo array:a
array:a Contains targetport:iqn.2026-01.test:t,192.0.2.50:3260
array:a Contains targetport:iqn.2026-01.test:t,198.51.100.50:3260
targetport:iqn.2026-01.test:t,192.0.2.50:3260 portal=192.0.2.50:3260,1
targetport:iqn.2026-01.test:t,198.51.100.50:3260 portal=198.51.100.50:3260,2
array:a Contains logicalunit:u
array:a Contains mapping:a/m
mapping:a/m MapsUnit logicalunit:u
mapping:a/m MapsTarget targetport:iqn.2026-01.test:t,192.0.2.50:3260
mapping:a/m MapsTarget targetport:iqn.2026-01.test:t,198.51.100.50:3260
mapping:a/m MapsInitiator initiatorport:iqn.2026-01.test:h
mapping:a/m lun=1
host:h Contains initiatorport:iqn.2026-01.test:h
`

// opened is a VM of which the disk is opened by the program that runs it, over the near portal.
const opened = `
vm:v name=v
vm:v RunsOn host:h
vm:v Contains initiatorport:iqn.2026-01.test:v
vm:v Contains vdisk:v/a
vdisk:v/a protocol=iscsi
vdisk:v/a sourceHost=192.0.2.50
vdisk:v/a StoredOn logicalunit:v/iqn.2026-01.test:t/1
logicalunit:v/iqn.2026-01.test:t/1 IdentifiedAs logicalunit:u
`

func TestStorage_iSCSI(t *testing.T) {
	t.Parallel()
	const byAddress = "-mapping:a/m MapsInitiator initiatorport:iqn.2026-01.test:h\nmapping:a/m initiatorAddress="
	const near, far = "targetport:iqn.2026-01.test:t,192.0.2.50:3260", "targetport:iqn.2026-01.test:t,198.51.100.50:3260"
	const onlyNear = "-mapping:a/m MapsTarget " + far + "\n"
	const both = opened + "mapping:a/m MapsInitiator initiatorport:iqn.2026-01.test:v\nport:a/2 state=down\nvm:v Contains vdisk:v/b\nvdisk:v/b protocol=iscsi\nvdisk:v/b sourceHost=198.51.100.50\n" +
		"vdisk:v/b StoredOn logicalunit:v/iqn.2026-01.test:t/1"
	for _, c := range []struct{ name, from, changes, want string }{
		{"by a neighbour and by a router", "host:h", "", "yes; yes"},
		{"a portal that nobody routes to", "host:h", "-route:h/default/0.0.0.0%2F0/192.0.2.1 prefix=0.0.0.0/0", "yes; yes; no, h has no route to 198.51.100.50"},
		{"a portal that nobody routes to, of the routes that were read", "host:h", "-route:h/default/0.0.0.0%2F0/192.0.2.1 prefix=0.0.0.0/0\n~host:h Contains route:h/default/10.0.0.0%2F8/e2\n~route:h/default/10.0.0.0%2F8/e2 prefix=10.0.0.0/8", "unknown; unknown, from 192.0.2.21 (e2) to 192.0.2.50, there: the routes of h were not read whole: there may be better ones; unknown, no source says by which interface h reaches 198.51.100.50"},
		{"two interfaces in the subnet, one of them down", "host:h", onlyNear + `host:h Contains nic:h/e3
nic:h/e3 ifName=e3
nic:h/e3 address=192.0.2.22/24
nic:h/e3 state=down
nic:h/e3 Link port:s/6 ~95
switch:s Contains port:s/6
port:s/6 pvid=120
port:s/6 untagged=120
host:h Contains route:h/default/192.0.2.0%2F24/e3
route:h/default/192.0.2.0%2F24/e3 prefix=192.0.2.0/24
route:h/default/192.0.2.0%2F24/e3 RoutesVia nic:h/e3`, "unknown; unknown, it depends on the interface that h takes: from 192.0.2.22 (e3) to 192.0.2.50, there: not by all of several ways (gateways, equal routes, links, addresses of a pool) packets arrive: h e3: state is down"},
		{"a name that is not admitted", "host:h", "-mapping:a/m MapsInitiator initiatorport:iqn.2026-01.test:h", "no; no, no mapping of u admits iqn.2026-01.test:h at iqn.2026-01.test:t,192.0.2.50:3260; no, no mapping of u admits iqn.2026-01.test:h at iqn.2026-01.test:t,198.51.100.50:3260"},
		{"an address that is admitted", "host:h", onlyNear + byAddress + "192.0.2.21/32", "yes; yes"},
		{"an address that is not", "host:h", onlyNear + byAddress + "192.0.2.22/32", "no; no, no mapping of u admits iqn.2026-01.test:h at iqn.2026-01.test:t,192.0.2.50:3260: it logs in from 192.0.2.21, and other addresses are admitted"},
		{"a target that is offline", "host:h", near + " state=offline\n" + far + " state=offline", "no; no, iqn.2026-01.test:t,192.0.2.50:3260: port is offline; no, iqn.2026-01.test:t,198.51.100.50:3260: port is offline"},
		{"a VLAN that the port of the array is not in", "host:h", onlyNear + "-port:s/4 pvid=120\n-port:s/4 untagged=120\nport:s/4 pvid=1\nport:s/4 untagged=1", "no; no, from 192.0.2.21 (e2) to 192.0.2.50, there: VLAN 120 gets to s and no further; a is behind s 4, in VLAN 1"},
		{"such a VLAN, and a port that leads nobody knows where", "host:h", onlyNear + "-port:s/4 pvid=120\n-port:s/4 untagged=120\nport:s/4 pvid=1\nport:s/4 untagged=1\nswitch:s Contains port:s/9\nport:s/9 tagged=1,120", "unknown; unknown, from 192.0.2.21 (e2) to 192.0.2.50, there: no gateway of VLAN 1 is known behind s: collect the router or firewall that routes it"},
		{"a port that is down", "host:h", onlyNear + "port:s/3 state=down", "no; no, from 192.0.2.21 (e2) to 192.0.2.50, there: state is down"},
		{"the interface of the array is down", "host:h", onlyNear + "port:a/1 state=down", "no; no, a a1: state is down"},
		{"filters of the switch that nobody has read", "host:h", onlyNear + "-filtertext:none AppliesTo switch:s", "unknown; unknown, from 192.0.2.21 (e2) to 192.0.2.50, there: nobody has read the filters of s"},
		{"an array that nobody has read the addresses of", "host:h", onlyNear + "-port:a/1 address=192.0.2.50/24", "unknown; unknown, no source says on which interface a has 192.0.2.50: read it by SNMP or SSH"},
		{"a host of which no address is known", "host:h", onlyNear + "-nic:h/e2 address=192.0.2.21/24\n-route:h/default/192.0.2.0%2F24/e2 prefix=192.0.2.0/24", "unknown; unknown, no source says by which interface h reaches 192.0.2.50"},
		{"a portal that no array has", "host:h", onlyNear + "-array:a Contains " + near, "unknown; unknown, no array says that it has iqn.2026-01.test:t,192.0.2.50:3260: collect it"},
		{"an account that the target asks for", "host:h", onlyNear + near + " unparsed=line 9: account lab", "unknown; unknown, of targetport iqn.2026-01.test:t,192.0.2.50:3260 nobody understood line 9: account lab"},
		{"an account that the target asks for, and the initiator is logged in", "host:h", onlyNear + near + " unparsed=line 9: account lab\ninitiatorport:iqn.2026-01.test:h Nexus " + near, "yes; yes"},
		{"the disk of a VM, by its own name and portal alone", "vm:v", opened, "no; no, no mapping of u admits iqn.2026-01.test:v at iqn.2026-01.test:t,192.0.2.50:3260"},
		{"the disk of a VM that is admitted", "vm:v", opened + "mapping:a/m MapsInitiator initiatorport:iqn.2026-01.test:v", "yes; yes"},
		{"two disks over a portal each, one of which is gone", "vm:v", both, "yes; yes; no, a a2: state is down"},
		{"of these the disk over the portal that is there", "vdisk:v/a", both, "yes; yes"},
		{"of these the disk over the portal that is gone", "vdisk:v/b", both, "no; no, a a2: state is down"},
		{"the disk of a VM that runs nowhere", "vm:v", opened + "mapping:a/m MapsInitiator initiatorport:iqn.2026-01.test:v\n-vm:v RunsOn host:h", "unknown; unknown, no source says from which host iqn.2026-01.test:v logs in"},
		{"a name that is written otherwise than the array has it", "vm:v", opened + "mapping:a/m MapsInitiator initiatorport:iqn.2026-01.test:v\nmapping:a/m initiatorName=iqn.2026-01.test:V\ninitiatorport:iqn.2026-01.test:v iqn=iqn.2026-01.test:v", "no; no, no mapping of u admits iqn.2026-01.test:v at iqn.2026-01.test:t,192.0.2.50:3260: the array admits iqn.2026-01.test:V and tells upper from lower case; the initiator is said to call itself iqn.2026-01.test:v"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := storage(t, built(t, iscsi, c.changes), c.from, "logicalunit:u"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestStorage_filtered: what a firewall between host and portal drops, there or back, is no path.
func TestStorage_filtered(t *testing.T) {
	t.Parallel()
	// The array has the portal behind the firewall alone, and no way around it.
	const farOnly = `
-mapping:a/m MapsTarget targetport:iqn.2026-01.test:t,192.0.2.50:3260
-port:a/1 address=192.0.2.50/24
-route:a/default/192.0.2.0%2F24/a1 prefix=192.0.2.0/24
array:a Contains route:a/default/0.0.0.0%2F0/198.51.100.1
route:a/default/0.0.0.0%2F0/198.51.100.1 prefix=0.0.0.0/0
route:a/default/0.0.0.0%2F0/198.51.100.1 nextHop=198.51.100.1
route:a/default/0.0.0.0%2F0/198.51.100.1 RoutesVia port:a/2
`
	for _, c := range []struct {
		name    string
		list    *policy.Filter
		changes string
		want    string
	}{
		{"replies pass by their state", list("fw", forward, policy.Deny, permit(established()), permit(isTCP(), port(3260))), "", "yes; yes"},
		{"another port", list("fw", forward, policy.Deny, permit(isTCP(), port(3261))), "", "yes; yes; no, from 192.0.2.21 (e2) to 198.51.100.50, there: fw of f drops what no rule decides"},
		{"a rule denies it", list("fw", forward, policy.Permit, deny(isTCP(), port(3260))), "", "yes; yes; no, from 192.0.2.21 (e2) to 198.51.100.50, there: fw of f drops it: deny protocol 6, destinationPort 3260"},
		{
			"the replies are dropped", list("fw", forward, policy.Deny, permit(fromV(), isTCP(), port(3260))), farOnly,
			"no; no, from 192.0.2.21 (e2) to 198.51.100.50, back: fw of f drops what no rule decides",
		},
		{
			"the replies are dropped, but those to one port", list("fw", forward, policy.Deny, permit(isTCP(), port(3260))), farOnly,
			"unknown; unknown, from 192.0.2.21 (e2) to 198.51.100.50, back: fw of f drops what no rule decides (not from every source port)",
		},
		{"the replies pass by their state, too", list("fw", forward, policy.Deny, permit(established()), permit(isTCP(), port(3260))), farOnly, "yes; yes"},
	} {
		s := scene(t, portals+c.changes, map[string][]*policy.Filter{"firewall:f": {c.list}})
		if got := storage(t, s, "host:h", "logicalunit:u"); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestStorage_portals: two portals over one interface of the host are one initiator port, two groups of the array two controllers.
func TestStorage_portals(t *testing.T) {
	t.Parallel()
	const portsOfBridge = `
-nic:h/e2 address=192.0.2.21/24
host:h Contains virtualswitch:h/br1
virtualswitch:h/br1 virtualPort=openvswitch
virtualswitch:h/br1 SupportedBy nic:h/e2
host:h Contains port:h/st
port:h/st ifName=st
port:h/st address=192.0.2.21/24
port:h/st SupportedBy virtualswitch:h/br1
-route:h/default/192.0.2.0%2F24/e2 RoutesVia nic:h/e2
route:h/default/192.0.2.0%2F24/e2 RoutesVia port:h/st
host:h Contains port:h/su
port:h/su ifName=su
port:h/su address=203.0.113.21/24
port:h/su SupportedBy virtualswitch:h/br1
host:h Contains route:h/default/203.0.113.0%2F24/su
route:h/default/203.0.113.0%2F24/su prefix=203.0.113.0/24
route:h/default/203.0.113.0%2F24/su RoutesVia port:h/su
port:a/1 address=203.0.113.50/24
array:a Contains targetport:iqn.2026-01.test:t,203.0.113.50:3260
-mapping:a/m MapsTarget targetport:iqn.2026-01.test:t,198.51.100.50:3260
mapping:a/m MapsTarget targetport:iqn.2026-01.test:t,203.0.113.50:3260
targetport:iqn.2026-01.test:t,192.0.2.50:3260 portal=192.0.2.50:3260
`
	s := built(t, iscsi, portsOfBridge)
	h, _ := s.Node(topology.Key{Kind: topology.Host, ID: "h"})
	u, _ := s.Node(topology.Key{Kind: topology.LogicalUnit, ID: "u"})
	if a, err := network(s).Storage(t.Context(), h, u); err != nil || a.May.Initiators != 1 || a.May.Paths != 2 || a.May.Media != 2 || a.May.Controllers != 1 {
		t.Errorf("two ports of one bridge: %+v, %v", a.May, err)
	}
	s = built(t, iscsi, "")
	h, _ = s.Node(topology.Key{Kind: topology.Host, ID: "h"})
	u, _ = s.Node(topology.Key{Kind: topology.LogicalUnit, ID: "u"})
	a, err := network(s).Storage(t.Context(), h, u)
	if want := (reach.Redundancy{Paths: 2, Initiators: 1, Media: 1, Targets: 2, Controllers: 2}); err != nil || a.Must != want || a.May != want {
		t.Errorf("%+v, %+v, %v", a.Must, a.May, err)
	}
}
