package planner_test

import (
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

// networkEstate is what the checks of networks ask about: two hosts with a bond each, to a pair of leaf switches, and a router above these.
const networkEstate = `vnic:v/n mac=02:00:00:00:00:06
vnic:v/n sourceType=bridge
vnic:v/n virtualPort=openvswitch
nic:a/e mtu=1500
nic:a/e tagged=120,130
nic:a/e speedBits=10000000000
nic:b/e mtu=1500
nic:b/e tagged=120,130
nic:b/e speedBits=10000000000
switch:s Contains vlan:s/120
vlan:s/120 vid=120
switch:s Contains vlan:s/130
vlan:s/130 vid=130
port:s/1 mtu=1500
port:s/2 mtu=1500
port:s/3 mtu=1500
>port:s/1 ifAlias=a
>port:s/2 ifAlias=b
port:f/1 mtu=1500
port:f/v120 mtu=1500
host:a Contains network:a/lan
network:a/lan state=active
network:a/lan forwardMode=bridge
network:a/lan vid=110
network:a/lan SupportedBy virtualswitch:a/br1
host:a Contains virtualswitch:a/br1
virtualswitch:a/br1 SupportedBy lag:a/bond1
host:a Contains lag:a/bond1
lag:a/bond1 lagMode=802.3ad
lag:a/bond1 mtu=1500
lag:a/bond1 tagged=110
lag:a/bond1 SupportedBy nic:a/eno1
lag:a/bond1 SupportedBy nic:a/eno2
host:a Contains nic:a/eno1
host:a Contains nic:a/eno2
nic:a/eno1 mac=02:00:00:00:0a:01
nic:a/eno1 mtu=1500
nic:a/eno1 speedBits=25000000000
nic:a/eno1 Link port:leaf1/Eth1 ~95
nic:a/eno2 mtu=1500
nic:a/eno2 speedBits=25000000000
nic:a/eno2 Link port:leaf2/Eth1 ~95
host:b Contains network:b/lan
network:b/lan state=active
network:b/lan forwardMode=bridge
network:b/lan vid=110
network:b/lan SupportedBy virtualswitch:b/br1
host:b Contains virtualswitch:b/br1
virtualswitch:b/br1 SupportedBy lag:b/bond1
host:b Contains lag:b/bond1
lag:b/bond1 lagMode=802.3ad
lag:b/bond1 mtu=1500
lag:b/bond1 tagged=110
lag:b/bond1 SupportedBy nic:b/eno1
lag:b/bond1 SupportedBy nic:b/eno2
host:b Contains nic:b/eno1
host:b Contains nic:b/eno2
nic:b/eno1 mac=02:00:00:00:0b:01
nic:b/eno1 mtu=1500
nic:b/eno1 speedBits=25000000000
nic:b/eno1 Link port:leaf1/Eth2 ~95
nic:b/eno2 mtu=1500
nic:b/eno2 speedBits=25000000000
nic:b/eno2 Link port:leaf2/Eth2 ~95
switch:leaf1 Contains port:leaf1/Eth1
switch:leaf1 Contains port:leaf1/Eth2
switch:leaf1 Contains port:leaf1/Eth8
switch:leaf1 Contains port:leaf1/Eth9
switch:leaf1 Contains lag:leaf1/Po1
switch:leaf1 Contains vlan:leaf1/110
vlan:leaf1/110 vid=110
switch:leaf1 Contains lag:leaf1/Po2
lag:leaf1/Po1 SupportedBy port:leaf1/Eth1
lag:leaf1/Po2 SupportedBy port:leaf1/Eth2
lag:leaf1/Po1 tagged=110
lag:leaf1/Po2 tagged=110
>lag:leaf1/Po2 ifAlias=b
>lag:leaf1/Po1 ifAlias=a
port:leaf1/Eth1 mtu=9000
port:leaf1/Eth2 mtu=9000
port:leaf1/Eth2 state=up
port:leaf1/Eth8 mtu=9000
port:leaf1/Eth8 tagged=110
port:leaf1/Eth9 tagged=110
port:leaf1/Eth9 mtu=9000
port:leaf1/Eth9 Link port:leaf2/Eth9 ~95
port:leaf1/Eth8 Link port:gw/e1 ~95
switch:leaf2 Contains port:leaf2/Eth1
switch:leaf2 Contains port:leaf2/Eth2
switch:leaf2 Contains port:leaf2/Eth8
switch:leaf2 Contains port:leaf2/Eth9
switch:leaf2 Contains lag:leaf2/Po1
switch:leaf2 Contains vlan:leaf2/110
vlan:leaf2/110 vid=110
switch:leaf2 Contains lag:leaf2/Po2
lag:leaf2/Po1 SupportedBy port:leaf2/Eth1
lag:leaf2/Po2 SupportedBy port:leaf2/Eth2
lag:leaf2/Po1 tagged=110
lag:leaf2/Po2 tagged=110
lag:leaf2/Po2 state=up
>lag:leaf2/Po2 ifAlias=b
>lag:leaf2/Po1 ifAlias=a
lag:leaf1/Po1 PeerLAG lag:leaf2/Po1
lag:leaf1/Po2 PeerLAG lag:leaf2/Po2
port:leaf2/Eth1 mtu=9000
port:leaf2/Eth2 mtu=9000
port:leaf2/Eth8 mtu=9000
port:leaf2/Eth8 tagged=110
port:leaf2/Eth9 tagged=110
port:leaf2/Eth9 mtu=9000
port:leaf2/Eth8 Link port:gw/e2 ~95
router:gw Contains port:gw/e1
router:gw Contains port:gw/e2
port:gw/e1 mtu=9000
port:gw/e2 mtu=9000
router:gw Contains port:gw/e1.110
router:gw Contains port:gw/e2.110
port:gw/e1.110 vid=110
port:gw/e1.110 mtu=1500
port:gw/e1.110 SupportedBy port:gw/e1
port:gw/e1.110 InSubnet subnet:203.0.113.0/24
port:gw/e2.110 vid=110
port:gw/e2.110 mtu=1500
port:gw/e2.110 SupportedBy port:gw/e2
port:gw/e2.110 InSubnet subnet:203.0.113.0/24
`

// bonded plugs the VM into the network over the bonds, instead of what the other families have it in.
const bonded = `-vm:v Contains vnic:v/n
vm:v Contains vnic:v/m
vnic:v/m deviceName=vnet0
vnic:v/m mac=02:00:00:00:00:07
vnic:v/m sourceType=network
vnic:v/m AttachedTo network:a/lan
`

// onBonds makes cases of changes of the network over the bonds.
func onBonds(cases []checkCase) []checkCase {
	for i := range cases {
		cases[i].changes = bonded + cases[i].changes
		cases[i].policy.Disabled = []planner.Disabled{{Check: "NET-9", Reason: "of frames, not of packets"}, {Check: "NET-10", Reason: "of frames, not of packets"}}
	}
	return cases
}

// apart puts the source behind a switch of its own, with a gateway of its own.
const apart = `
-nic:a/eno1 Link port:leaf1/Eth1 ~95
-nic:a/eno2 Link port:leaf2/Eth1 ~95
nic:a/eno1 Link port:leaf9/Eth1 ~95
nic:a/eno2 Link port:leaf9/Eth2 ~95
switch:leaf9 Contains port:leaf9/Eth1
switch:leaf9 Contains port:leaf9/Eth2
switch:leaf9 Contains port:leaf9/Eth8
switch:leaf9 Contains vlan:leaf9/110
vlan:leaf9/110 vid=110
port:leaf9/Eth1 tagged=110
port:leaf9/Eth2 tagged=110
port:leaf9/Eth8 tagged=110
port:leaf9/Eth8 Link port:gw9/e1 ~95
router:gw9 Contains port:gw9/e1.110
router:gw9 Contains port:gw9/e1
port:gw9/e1.110 vid=110
port:gw9/e1.110 SupportedBy port:gw9/e1
port:gw9/e1.110 InSubnet subnet:203.0.113.0/24`

// cutOff takes the way to their gateway from the switches behind the target, too.
const cutOff = apart + `
-port:leaf1/Eth8 Link port:gw/e1 ~95
-port:leaf2/Eth8 Link port:gw/e2 ~95
port:leaf1/Eth8 state=down
port:leaf2/Eth8 state=down
port:leaf1/Eth1 state=down
port:leaf2/Eth1 state=down`

func networkCases() []checkCase {
	const (
		dark  = "-nic:b/eno2 Link port:leaf2/Eth2 ~95\n"
		extra = "virtualswitch:b/br1 SupportedBy nic:b/eno3\nhost:b Contains nic:b/eno3\n"
		old   = "unknown: what test said of lag bond1 by libvirt capabilities is 2h1m0s old: collect it"
	)
	return onBonds([]checkCase{
		{code: "NET-1", name: "all have it", want: "pass: VLAN 110 passes bond1 of b, eno1 of b, eno2 of b"},
		{
			code: "NET-1", name: "a further uplink lacks it", changes: extra + "nic:b/eno3 tagged=120\nnic:b/eno3 mtu=1500\nnic:b/eno3 speedBits=25000000000\nnic:b/eno3 Link port:leaf1/Eth3 ~95\nswitch:leaf1 Contains port:leaf1/Eth3\n" +
				"port:leaf1/Eth3 tagged=110\nport:leaf1/Eth3 mtu=9000\n>port:leaf1/Eth3 ifAlias=b\n", want: "block: eno3 of b does not have VLAN 110",
		},
		{code: "NET-1", name: "the bond lacks it", changes: "-lag:b/bond1 tagged=110\nlag:b/bond1 tagged=120\n", also: []string{"NET-5", "NET-7"}, want: "block: bond1 of b does not have VLAN 110"},
		{code: "NET-1", name: "its ports are not known", changes: "-lag:b/bond1 tagged=110\nvirtualswitch:b/br1 forwardMode=vlans", also: []string{"NET-5", "NET-7", "NET-12"}, want: "unknown: bond1 of b: no source says which VLANs bond1 carries"},
		{
			code: "NET-1", name: "nobody says whether it looks at VLANs", changes: "-lag:b/bond1 tagged=110", also: []string{"NET-5", "NET-7", "NET-12"},
			want: "unknown: nobody says whether br1 of b looks at VLANs, nor which bond1 carries: collect the host by SSH",
		},
		{code: "NET-1", name: "long ago", changes: "-lag:b/bond1 tagged=110\n!lag:b/bond1 tagged=110", also: []string{"NET-2", "NET-3", "NET-5", "NET-7", "NET-H2"}, want: old},
		{code: "NET-2", name: "admitted", want: "pass: VLAN 110: admitted by leaf1 Eth2, leaf2 Eth2, and nothing beyond takes it away"},
		{
			code: "NET-2", name: "one of two switches lacks it", changes: "-lag:leaf2/Po2 tagged=110\nlag:leaf2/Po2 tagged=120", also: []string{"NET-12"},
			want: "block: leaf2 Po2 (Eth2) does not admit VLAN 110",
		},
		{
			code: "NET-2", name: "both lack it", changes: "-lag:leaf1/Po2 tagged=110\n-lag:leaf2/Po2 tagged=110\nlag:leaf1/Po2 tagged=120\nlag:leaf2/Po2 tagged=120", also: []string{"NET-5", "NET-7"},
			want: "block: leaf1 Po2 (Eth2) does not admit VLAN 110\nblock: leaf2 Po2 (Eth2) does not admit VLAN 110",
		},
		{
			code: "NET-2", name: "a link that both hosts use lacks it", changes: "-port:leaf2/Eth8 tagged=110\nport:leaf2/Eth8 tagged=120\nport:gw/e2 tagged=110",
			want: "warn: leaf2 Eth8 does not admit VLAN 110; it is so on a way from a, too",
		},
		{code: "NET-2", name: "spanning tree", changes: "port:leaf2/Eth2 stpState=0 blocking", also: []string{"NET-12"}, want: "block: spanning tree keeps leaf2 Eth2 from forwarding VLAN 110"},
		{code: "NET-2", name: "suspended", changes: "vlan:leaf2/110 state=suspended", want: "warn: VLAN 110 is suspended on leaf2; it is so on a way from a, too", also: []string{"NET-12"}},
		{code: "NET-2", name: "the switch has others", changes: "-switch:leaf2 Contains vlan:leaf2/110\n-vlan:leaf2/110 vid=110\nswitch:leaf2 Contains vlan:leaf2/120", want: "unknown: VLAN 110 is not among those that leaf2 is said to have", also: []string{"NET-12"}},
		{
			code: "NET-2", name: "nobody lists what the switch has", changes: "-switch:leaf2 Contains vlan:leaf2/110\n-vlan:leaf2/110 vid=110",
			want: "unknown: no source lists the VLANs that leaf2 has: collect it by SNMP, CLI or SSH",
		},
		{code: "NET-2", name: "nobody says", changes: "-lag:leaf2/Po2 tagged=110", also: []string{"NET-3", "NET-12"}, want: "unknown: leaf2 Eth2: no source says which VLANs Eth2 carries"},
		{
			code: "NET-2", name: "a port that is known by its name alone", changes: "-port:leaf1/Eth2 mtu=9000\n-port:leaf1/Eth2 state=up", also: []string{"NET-3", "NET-5", "NET-6", "NET-7", "NET-8", "NET-12"},
			want: "unknown: no source says anything of leaf1 Eth2 but that it is there: collect it",
		},
		{
			code: "NET-4", name: "a link of a pair that does not tell its VLANs", changes: "-port:leaf1/Eth9 tagged=110",
			want: "unknown: no source says which VLANs leaf1 Eth9 carries: it joins the pair of leaf1 and leaf2",
		},
		{code: "NET-3", name: "alike", want: "pass: no port on the way takes frames of vnet0 for those of another VLAN"},
		{
			code: "NET-3", name: "no tag is wanted", changes: "-lag:leaf2/Po2 tagged=110\nlag:leaf2/Po2 untagged=110", also: []string{"NET-12"},
			want: "block: leaf2 Eth2: VLAN 110 has no tag on Po2, and the frame has one",
		},
		{code: "NET-3", name: "no tag is wanted far away", changes: "port:gw/e2 untagged=110\n", want: "warn: gw e2: VLAN 110 has no tag on e2, and the frame has one; it is so on a way from a, too"},
		{
			code: "NET-3", name: "nobody says", changes: "-network:a/lan vid=110\n-network:b/lan vid=110\n", also: []string{"NET-5", "NET-7", "NET-12"},
			want: "unknown: leaf1 Eth2: no source says to which VLAN frames without a tag belong on Eth2\nunknown: leaf2 Eth2: no source says to which VLAN frames without a tag belong on Eth2",
		},
		{code: "NET-4", name: "a pair", want: "pass: the cables of bond1 of b end in leaf1 Po2, leaf2 Po2"},
		{code: "NET-4", name: "the pair does not have it between its two", changes: "-port:leaf1/Eth9 tagged=110\nport:leaf1/Eth9 tagged=120", want: "block: leaf1 Eth9 does not admit VLAN 110: it joins the pair of leaf1 and leaf2"},
		{code: "NET-4", name: "no link of the pair", changes: "-port:leaf1/Eth9 Link port:leaf2/Eth9 ~95", want: "unknown: leaf1 and leaf2 are a pair, and no source says by which link"},
		{code: "NET-4", name: "no pair", changes: "-lag:leaf1/Po2 PeerLAG lag:leaf2/Po2", want: "unknown: the cables of bond1 of b end in leaf1 Po2 and leaf2 Po2, and no source says that the two are a pair"},
		{
			code: "NET-4", name: "two systems", changes: "-lag:leaf1/Po2 PeerLAG lag:leaf2/Po2\nlag:leaf1/Po2 actorSystemID=02:00:00:00:00:01\nlag:leaf2/Po2 actorSystemID=02:00:00:00:00:02",
			want: "block: the cables of bond1 of b end in leaf1 Po2 and leaf2 Po2, which do not act as one system",
		},
		{
			code: "NET-4", name: "no aggregation", changes: "-lag:leaf2/Po2 SupportedBy port:leaf2/Eth2\n-lag:leaf1/Po2 PeerLAG lag:leaf2/Po2\nport:leaf2/Eth2 tagged=110\n>port:leaf2/Eth2 ifAlias=b",
			want: "block: leaf2 Eth2 is in no aggregation, and eno2, a member of bond1 of b (802.3ad), wants one",
		},
		{code: "NET-5", name: "one", want: "pass: VLAN 110: what leaves b and a meets at leaf1 Eth2, leaf2 Eth2"},
		{
			code: "NET-5", name: "perhaps two", changes: apart,
			want: "unknown: whether b has the broadcast domain of vnet0 is not known: leaf1 Eth1 carries VLAN 110, and no source says what is behind it",
		},
		{
			code: "NET-5", name: "two", changes: apart + "\nport:leaf1/Eth1 state=down\nport:leaf2/Eth1 state=down",
			want: "block: b does not have the broadcast domain of vnet0: nothing joins what is behind it with what is behind a",
		},
		{
			code: "NET-5", name: "cut off", changes: cutOff, also: []string{"NET-7"},
			want: "block: b does not have the broadcast domain of vnet0: leaf1 Eth1: state is down, leaf1 Eth8: state is down, leaf2 Eth1: state is down, and 1 more like these; VLAN 110 leads nowhere else; a is behind leaf9 Eth2, in VLAN 110",
		},
		{
			code: "NET-5", name: "cut off, if no more is behind a port", changes: cutOff + "\nswitch:leaf1 Contains port:leaf1/Eth7\nport:leaf1/Eth7 tagged=110", also: []string{"NET-7", "NET-12"},
			want: "unknown: whether b has the broadcast domain of vnet0 is not known: no gateway of VLAN 110 is known behind leaf1: collect the router or firewall that routes it",
		},
		{
			code: "NET-5", name: "cut off, two hours ago", changes: strings.Replace(cutOff, "\nport:leaf1/Eth8 state=down", "\n!port:leaf1/Eth8 state=down", 1), also: []string{"NET-7", "NET-12"},
			want: "unknown: what test said of port Eth8 by libvirt capabilities is 2h1m0s old: collect it",
		},
		{code: "NET-5", name: "one by the overlay", changes: apart + "\nvlan:leaf9/110 vni=10110\nvlan:leaf1/110 vni=10110\nvlan:leaf2/110 vni=10110", want: "pass: VLAN 110: what leaves b and a meets at leaf1 Eth2, leaf2 Eth2"},
		{
			code: "NET-5", name: "a member leads nobody knows where", changes: dark, also: append(unlinked(), "NET-12"),
			want: "unknown: whether frames that leave b by eno2 get to a is not known: no LLDP, CDP, forwarding entry or operator says what eno2 is cabled to: collect the switch at its other end",
		},
		{
			code: "NET-5", name: "no cable", changes: "nic:b/eno1 state=down\nnic:b/eno2 state=down", also: []string{"NET-7", "NET-H2"},
			want: "block: b does not have the broadcast domain of vnet0: eno1 of b: state is down",
		},
		{
			code: "NET-5", name: "a switch is cut off", changes: "port:leaf2/Eth8 state=down\nport:leaf2/Eth9 state=down", also: []string{"NET-12"},
			want: "pass: VLAN 110: what leaves b and a meets at leaf1 Eth2, leaf2 Eth2",
		},
		{code: "NET-6", name: "fits", want: "pass: each interface on the way passes the 1500 octets that vnet0 sends, since nobody says otherwise"},
		{code: "NET-6", name: "does not fit", changes: "-port:leaf1/Eth2 mtu=9000\nport:leaf1/Eth2 mtu=1400", want: "block: leaf1 Eth2 passes 1400 octets, and vnet0 sends up to 1500, since nobody says otherwise"},
		{
			code: "NET-6", name: "has not fitted before", changes: "vnic:v/m mtu=9000\nnetwork:b/lan mtu=9000",
			want: "warn: bond1 of b passes 1500 octets, as little as the way from a; vnet0 sends up to 9000\nwarn: eno1 of b passes 1500 octets, as little as the way from a; vnet0 sends up to 9000\n" +
				"warn: eno2 of b passes 1500 octets, as little as the way from a; vnet0 sends up to 9000",
		},
		{code: "NET-6", name: "nobody says", changes: "-port:leaf1/Eth2 mtu=9000", want: "unknown: no source says the MTU of leaf1 Eth2"},
		{code: "NET-7", name: "reached", want: "pass: VLAN 110: gw e1.110, gw e2.110 routes it"},
		{
			code: "NET-7", name: "cut off", changes: cutOff, also: []string{"NET-5"},
			want: "block: no gateway of vnet0 is reached from b: leaf1 Eth1: state is down, leaf1 Eth8: state is down, leaf2 Eth1: state is down, and 1 more like these; VLAN 110 leads nowhere else; gw9 is not there",
		},
		{code: "NET-7", name: "down", changes: "port:gw/e1.110 state=down\nport:gw/e2.110 state=down", want: "block: no gateway of vnet0 is reached from b: gw e1.110: state is down"},
		{
			code: "NET-7", name: "nobody knows one", also: []string{"NET-12"}, changes: "-port:gw/e1.110 InSubnet subnet:203.0.113.0/24\n-port:gw/e2.110 InSubnet subnet:203.0.113.0/24",
			want: "unknown: no gateway is known to be reached from b: no gateway of VLAN 110 is known behind leaf1: collect the router or firewall that routes it (gw is reached at e1, and no source says which of its interfaces routes VLAN 110; gw is reached at e2, and no source says which of its interfaces routes VLAN 110); none is from a, either",
		},
		{code: "NET-8", name: "free", want: "pass: nothing on leaf1 Eth2, leaf2 Eth2 lets in some addresses alone"},
		{code: "NET-8", name: "isolated", changes: "lag:leaf1/Po2 portLimit=isolated", want: "warn: leaf1 Eth2 is isolated: what is behind other isolated ports of leaf1 is not reached from there, and was from a"},
		{code: "NET-8", name: "not understood", changes: ">lag:leaf1/Po2 unparsed=leaf1.cfg:7: switchport port-security", want: "unknown: what this does on leaf1 Po2 nobody understood: leaf1.cfg:7: switchport port-security"},
		{
			code: "NET-8", name: "not read", changes: "->lag:leaf2/Po2 ifAlias=b",
			want: "unknown: nobody has read the configuration of leaf2, which may bind Eth2 to addresses: collect it by CLI, SSH or its backup; SNMP does not tell",
		},
		{code: "NET-8", name: "locked", changes: "port:leaf2/Eth2 portLimit=locked", also: []string{"NET-12"}, want: "unknown: leaf2 Eth2: Eth2 is locked: its bridge takes the frames of known addresses alone"},
		{code: "NET-11", name: "as wide", want: "pass: the slowest on the way is eno1 of b with 25 Gbit/s; from a eno1 of a with 25 Gbit/s; load was not looked at"},
		{
			code: "NET-11", name: "slower", changes: "-nic:b/eno2 speedBits=25000000000\nnic:b/eno2 speedBits=2500000000",
			want: "warn: eno2 of b has 2.5 Gbit/s, the slowest on the way from a 25 Gbit/s (eno1 of a); load was not looked at",
		},
		{code: "NET-11", name: "held back", changes: "port:leaf1/Eth2 qdisc=tbf 1 rate 2Mbit", want: "warn: leaf1 Eth2 holds frames back: tbf 1 rate 2Mbit"},
		{code: "NET-11", name: "nobody says", changes: "-nic:b/eno1 speedBits=25000000000\n-nic:b/eno2 speedBits=25000000000", want: "unknown: no source says the speed of eno1 of b, eno2 of b"},
		{code: "NET-12", name: "as many", want: "pass: 1 way from b to gateways that share no device, 1 from a"},
		{code: "NET-12", name: "one switch", changes: "-lag:b/bond1 SupportedBy nic:b/eno2", want: "warn: b is on leaf1 alone, a on leaf1, leaf2"},
		{code: "NET-12", name: "fewer than demanded", policy: planner.Policy{Redundancy: planner.Redundancy{Network: 2}}, want: "block: 1 way from b to gateways that share no device, 1 from a; the policy demands 2"},
		{
			code: "NET-12", name: "not all are known", changes: dark, policy: planner.Policy{Redundancy: planner.Redundancy{Network: 2}}, also: unlinked(),
			want: "unknown: 1 way from b to gateways that share no device, 1 from a; the policy demands 2, and not all ways are known",
		},
		{code: "NET-13", name: "gets out", want: "pass: the announcement of 02:00:00:00:00:07 leaves b"},
		{
			code: "NET-13", name: "fixed where it was", changes: "port:leaf1/Eth1 learned=110 02:00:00:00:00:07 static",
			want: "block: leaf1 Eth1 has a fixed entry for 02:00:00:00:00:07: the switch does not let the address move to another port",
		},
		{code: "NET-13", name: "nobody says the address", changes: "-vnic:v/m mac=02:00:00:00:00:07", also: []string{"NET-H6"}, want: "unknown: no source says the mac of vnic vnet0"},
	})
}

// TestMigrate_mends: each act that a check of the network names makes that check pass.
func TestMigrate_mends(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ code, changes, want string }{
		{"NET-1", "-lag:b/bond1 tagged=110\nlag:b/bond1 tagged=120", "tag VLAN 110 on bond1 of b"},
		{"NET-2", "-lag:leaf2/Po2 tagged=110\nlag:leaf2/Po2 tagged=120", "tag VLAN 110 on leaf2 Po2"},
		{"NET-2", "vlan:leaf2/110 state=suspended", "activate VLAN 110 on leaf2"},
		{"NET-2", "-switch:leaf2 Contains vlan:leaf2/110\n-vlan:leaf2/110 vid=110\nswitch:leaf2 Contains vlan:leaf2/120", "add VLAN 110 to leaf2"},
		{"NET-3", "-lag:leaf2/Po2 tagged=110\nlag:leaf2/Po2 untagged=110", "tag VLAN 110 on leaf2 Po2"},
		{"NET-4", "-port:leaf1/Eth9 tagged=110\nport:leaf1/Eth9 tagged=120", "tag VLAN 110 on leaf1 Eth9"},
		{"NET-6", "-port:leaf1/Eth2 mtu=9000\nport:leaf1/Eth2 mtu=1400", "set the MTU of leaf1 Eth2 to 1500"},
		{"NET-H1", "-network:b/lan state=active\nnetwork:b/lan state=inactive", "start network lan of b"},
		{"NET-H1", "-host:b Contains network:b/lan\n-network:b/lan state=active\n-network:b/lan forwardMode=bridge\n-network:b/lan vid=110\n-network:b/lan SupportedBy virtualswitch:b/br1", "define network lan on b as a has it"},
		{"NET-H5", "-network:b/lan vid=110\nnetwork:b/lan vid=120", "set VLAN 110 on network lan of b"},
		{"NET-H7", "vnic:v/m mtu=9000\nnetwork:b/lan mtu=1500", "set the MTU of network lan of b to 9000"},
	} {
		mends(t, bonded+c.changes, c.code, c.want)
	}
}

// mends asks that what a check finds in an estate is mended by one act, by these words, after which the check passes.
func mends(t *testing.T, changes, code, want string) {
	t.Helper()
	p := planner.New(scene(t, changes), planner.Policy{}, noon.Add(60e9))
	plan, err := p.Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
	if err != nil {
		t.Fatal(err)
	}
	var fixes []planner.Fix
	for _, f := range plan.Findings {
		if f.Code == code && f.Verdict > planner.Pass {
			fixes = append(fixes, f.Fixes...)
		}
	}
	if len(fixes) != 1 || fixes[0].Text != want {
		t.Errorf("%s: %v, want %q", code, fixes, want)
		return
	}
	mended, err := p.Assume(topology.ChangeSet{Changes: fixes[0].Changes})
	if err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if plan, err = mended.Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b")); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(said(plan, code)) {
		if !strings.HasPrefix(line, "pass: ") {
			t.Errorf("%s, and %s still says %s", want, code, line)
		}
	}
}
