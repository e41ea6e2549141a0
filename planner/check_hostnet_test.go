package planner_test

import (
	"github.com/throughline-dc/throughline/topology/policy"
)

// stateful is a network filter of libvirt that lets in what belongs to a connection.
func stateful() string {
	f := policy.Filter{
		Name: "guests", Dialect: "nwfilter", Family: policy.IPv4, Default: policy.Permit, Attached: []policy.Attachment{{Hook: policy.HookEgress, Interface: "vnet0"}},
		Rules: []policy.Rule{{Match: []policy.Term{{Field: policy.ConnState, Of: []policy.Range{{Lo: policy.Num(policy.StateEstablished), Hi: policy.Num(policy.StateEstablished)}}}}, Verdict: policy.Permit, Text: "state established"}},
	}
	return f.Encode()
}

// unlinked are the checks that want to know what is behind each cable of the target.
func unlinked() []string {
	return []string{"NET-2", "NET-3", "NET-4", "NET-5", "NET-6", "NET-8", "NET-11", "NET-13"}
}

// unplugged are the checks that know nothing of a vNIC of which nobody knows what it would be plugged into.
func unplugged() []string {
	return []string{"NET-H2", "NET-H5", "NET-H7", "NET-1", "NET-2", "NET-3", "NET-4", "NET-5", "NET-6", "NET-7", "NET-8", "NET-11", "NET-12", "NET-13"}
}

func hostNetworkCases() []checkCase {
	const (
		bridged = "-vnic:v/m AttachedTo network:a/lan\nvnic:v/m AttachedTo virtualswitch:a/br1\nvnic:v/m vid=110\n"
		direct  = "-vnic:v/m sourceType=network\nvnic:v/m sourceType=direct\nvnic:v/m linkMode=passthrough\n"
	)
	return onBonds([]checkCase{
		{code: "NET-H1", name: "there", want: "pass: network lan of b is active, for vnet0"},
		{code: "NET-H1", name: "not started", changes: "-network:b/lan state=active\nnetwork:b/lan state=inactive", want: "block: network lan of b is not started"},
		{
			code: "NET-H1", name: "missing", changes: "-vnic:v/m AttachedTo network:a/lan\nvnic:v/m AttachedTo network:a/dmz\nhost:a Contains network:a/dmz\nnetwork:a/dmz state=active\nnetwork:a/dmz SupportedBy virtualswitch:a/br1\n",
			also: []string{"NET-5"}, want: "block: b has no network dmz, which vnet0 plugs into on a",
		},
		{code: "NET-H1", name: "nobody says what it is plugged into", changes: "-vnic:v/m AttachedTo network:a/lan\nvnic:v/m source=lan", also: unplugged(), want: `unknown: no source says what vnet0 plugs into (it names network "lan")`},
		{
			code: "NET-H1", name: "missing, as far as was read", changes: "-host:b handle=test\nhost:b handle=else\n-vnic:v/m AttachedTo network:a/lan\nvnic:v/m AttachedTo network:a/dmz\nhost:a Contains network:a/dmz\nnetwork:a/dmz state=active\n",
			also: append(unplugged(), listers...), want: "unknown: b is not known to have network dmz, and what it has was not read to its end: collect it",
		},
		{code: "NET-H1", name: "nobody says whether it is started", changes: "-network:b/lan state=active", want: "unknown: no source says the state of network lan"},
		{code: "NET-H2", name: "wired", want: "pass: eno1 of b, eno2 of b is under lan"},
		{code: "NET-H2", name: "one has no signal", changes: "virtualswitch:b/br1 SupportedBy nic:b/eno3\nhost:b Contains nic:b/eno3\nnic:b/eno3 state=down", want: "warn: eno3 of b has no signal under lan; eno1 of b, eno2 of b is left"},
		{
			code: "NET-H2", name: "routed by the host", changes: "-network:b/lan forwardMode=bridge\nnetwork:b/lan forwardMode=nat", also: []string{"NET-5"},
			want: "block: network lan of b has mode nat: its frames meet no wire, and they did on a",
		},
		{
			code: "NET-H2", name: "nobody says which uplink", changes: "-virtualswitch:b/br1 SupportedBy lag:b/bond1", also: append(unlinked(), "NET-1", "NET-7", "NET-12"),
			want: "unknown: no source says which uplink virtualswitch br1 of b has; libvirt knows that of Linux bridges only: read the host by SSH",
		},
		{code: "NET-H3", name: "none", want: "pass: vnet0 sits on no hardware of its own"},
		{code: "NET-H3", name: "a virtual function", changes: "-vnic:v/m sourceType=network\nvnic:v/m sourceType=hostdev", want: "block: vnet0 is a function of the source's hardware that the guest drives itself: it cannot be moved live"},
		{
			code: "NET-H3", name: "with a partner", changes: "-vnic:v/m sourceType=network\nvnic:v/m sourceType=hostdev\nvnic:v/m teaming=transient ua-backup0",
			want: "unknown: vnet0 is taken off for the move; whether b has a virtual function free for it, no source says",
		},
		{code: "NET-H3", name: "nobody says", changes: "-vnic:v/m sourceType=network", also: []string{"NET-H7"}, want: "unknown: no source says the sourceType of vnic vnet0"},
		{
			code: "NET-H3", name: "taken", changes: direct + "vm:o Contains vnic:o/m\nvnic:o/m mac=02:00:00:00:00:08\nvnic:o/m AttachedTo network:b/lan",
			want: "block: other has lan of b for itself already (macvtap, passthrough)",
		},
		{code: "NET-H3", name: "free", changes: direct, want: "pass: lan of b is free for vnet0"},
		{code: "NET-H4", name: "none", want: "pass: no console of web-07 listens on the network"},
		{code: "NET-H4", name: "everywhere", changes: "vm:v console=vnc 0.0.0.0", want: "pass: the vnc console of web-07 listens on 0.0.0.0, which each host has"},
		{code: "NET-H4", name: "on an address of the source", changes: "vm:v console=vnc 10.0.9.1", want: "block: the vnc console of web-07 listens on 10.0.9.1, which b does not have: it would not start there"},
		{code: "NET-H4", name: "on one that both have", changes: "vm:v console=vnc 10.0.9.2", want: "pass: the vnc console of web-07 listens on 10.0.9.2, which b has, too"},
		{code: "NET-H4", name: "on a network", changes: "vm:v console=spice network lan", want: "pass: the spice console of web-07 listens on network lan, which b has"},
		{code: "NET-H4", name: "on a network that is not there", changes: "vm:v console=spice network adm", want: "block: the spice console of web-07 listens on network adm, which b does not have"},
		{code: "NET-H4", name: "on a name", changes: "vm:v console=vnc hv1.example", want: "unknown: the vnc console of web-07 listens on hv1.example: which address that is on b is not known"},
		{code: "NET-H5", name: "the same", want: "pass: lan of b takes vnet0 as lan of a does"},
		{code: "NET-H5", name: "another kind of switch", changes: bridged + "network:b/lan virtualPort=openvswitch", want: "block: br1 of b is an Open vSwitch, and vnet0 wants a Linux bridge, as br1 of a is"},
		{
			code: "NET-H5", name: "no such network filter", changes: "vnic:v/m filterRef=clean\nhost:b networkFilter=cleaner d1", also: []string{"NET-H9", "NET-13"},
			want: "block: b has no network filter clean, which vnet0 asks for: it would not start there",
		},
		{code: "NET-H5", name: "nobody says which kind", changes: bridged, want: "unknown: no source says whether br1 of b is a Linux bridge, which vnet0 wants: collect the host by SSH"},
		{
			code: "NET-H5", name: "another VLAN", changes: "-network:b/lan vid=110\nnetwork:b/lan vid=120", also: []string{"NET-1", "NET-2", "NET-4", "NET-5", "NET-7"},
			want: "block: network lan of b puts vnet0 into VLAN 120, that of a into VLAN 110",
		},
		{code: "NET-H6", name: "alone", want: "pass: nothing on b has the address 02:00:00:00:00:07 of vnet0"},
		{code: "NET-H6", name: "an interface has it", changes: "host:b Contains port:b/twin0\nport:b/twin0 mac=02:00:00:00:00:07", want: "block: twin0 of b has the address 02:00:00:00:00:07 of vnet0: frames would go to either"},
		{
			code: "NET-H6", name: "in another VLAN", changes: "host:b Contains port:b/twin0\nport:b/twin0 mac=02:00:00:00:00:07\nport:b/twin0 pvid=120",
			want: "warn: twin0 of b has the address 02:00:00:00:00:07 of vnet0, in VLAN 120: what does not keep VLANs apart takes the two for one",
		},
		{
			code: "NET-H6", name: "a VM has it", changes: "vm:o Contains vnic:o/m\nvnic:o/m mac=02:00:00:00:00:07\nvnic:o/m deviceName=vnet0",
			want: "block: vnet0 of other has the address 02:00:00:00:00:07 of vnet0: frames would go to either",
		},
		{code: "NET-H6", name: "nobody says", changes: "-nic:b/eno1 mac=02:00:00:00:0b:01", want: "unknown: no source says the hardware addresses of b: collect it by SSH or SNMP"},
		{code: "NET-H7", name: "none is asked for", want: "pass: neither vnet0 nor its network on b asks for an MTU"},
		{code: "NET-H7", name: "less", changes: "-network:b/lan state=active\nnetwork:b/lan state=active\nnetwork:b/lan mtu=1400", want: "block: network lan of b has an MTU of 1400, and the guest of vnet0 was told 1500"},
		{code: "NET-H7", name: "vDPA", changes: "-vnic:v/m sourceType=network\nvnic:v/m sourceType=vdpa", want: "block: vnet0 is a vDPA device: its hardware has a state that does not move"},
		{code: "NET-H7", name: "nobody says", changes: "-vnic:v/m sourceType=network", also: []string{"NET-H3"}, want: "unknown: no source says the sourceType of vnic vnet0"},
		{code: "NET-H9", name: "nothing is tracked", want: "pass: no filter of a asks for the state of vnet0's connections"},
		{
			code: "NET-H9", name: "by the network filter", changes: "host:a Contains filter:a/guests\nfilter:a/guests AppliesTo vnic:v/m\nfilter:a/guests rules=" + stateful(),
			want: "warn: filter guests of vnet0 on a asks for the state of connections, which stays behind: those of vnet0 that are open may be cut",
		},
		{code: "NET-H9", name: "nobody knows the filter", changes: "vnic:v/m filterRef=guests\nhost:b networkFilter=guests d1", also: []string{"NET-13"}, want: "unknown: whether a tracks connections of vnet0 is not known: the rules of guests, the network filter of vnet0, are not known"},
	})
}
