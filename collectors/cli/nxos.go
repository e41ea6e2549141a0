package cli

import (
	"strconv"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// nxos is Cisco NX-OS on Nexus switches.
func nxos() *dialect {
	return &dialect{
		name: "nxos", kind: topology.Switch, lag: "port-channel", fragments: laterUnknown,
		empty:     missing{policy.Permit, "whether NX-OS then denies all, as its unwritten rule does, or permits all is not told for every release"},
		undefined: missing{policy.Permit, "NX-OS treats it as empty and permits all (Cisco Nexus 9000 Series NX-OS Security Configuration Guide, \"Guidelines and Limitations for IP ACLs\")"},
		switched:  true, mode: "access", down: true,
		nd:         "whether NX-OS permits neighbour discovery by itself depends on the release (Cisco Nexus 9000 Series NX-OS Security Configuration Guide 9.x: it does not)",
		statements: [][]statement{snooping(), nxosStatements(), nxosInterface(), nxosHarmless(), iosHarmless(), iosHarmlessInterface()},
	}
}

func nxosStatements() []statement {
	return []statement{
		{in: top, form: "ip access-list NAME", opens: inList, do: openListOf(policy.IPv4, false)},
		{in: top, form: "mac access-list NAME", opens: inList, do: openListOf(policy.AnyFamily, false)},
		{in: inList, form: "statistics per-entry", why: counting},
		{in: top, form: "object-group ip address NAME", opens: inGroup, do: openGroup("network", policy.IPv4)},
		{in: top, form: "object-group ipv6 address NAME", opens: inGroup, do: openGroup("network", policy.IPv6)},
		{in: inGroup, form: "WORD ...", do: (*reader).groupEntry},
		{in: top, form: "vrf context NAME", opens: inVRF, do: func(r *reader, a []string) string { return r.openVRF(a[0]) }},
		{in: top, form: "system default switchport", do: func(r *reader, _ []string) string { r.dialect.switched = true; return "" }},
		{in: top, form: "no system default switchport", do: func(r *reader, _ []string) string { r.dialect.switched = false; return "" }},
		{in: top, form: "system default switchport shutdown", why: physical},
		{in: top, form: "no system default switchport shutdown", why: physical},
		{in: top, form: "control-plane ...", opens: inControlPlane, do: func(*reader, []string) string { return "" }},
		{in: inVRF, form: "ip route PREFIX ...", do: (*reader).staticRoute},
		{in: inVLAN, form: "vn-segment VNI", do: func(r *reader, a []string) string {
			n, err := strconv.ParseUint(a[0], 10, 24)
			if err != nil || r.above.vlans.Len() != 1 {
				return "no network identifier of one VLAN"
			}
			r.eachVLAN(func(v *vlan) { v.vni = uint32(n) })
			return ""
		}},
	}
}

func nxosInterface() []statement {
	return []statement{
		{in: inInterface, form: "vrf member NAME", do: func(r *reader, a []string) string { return r.faceVRF(a[0]) }},
		{in: inInterface, form: "ip port access-group NAME DIRECTION", do: func(r *reader, a []string) string { return r.accessGroup(policy.IPv4, a[0], a[1], true) }},
		{in: inInterface, form: "ipv6 traffic-filter NAME DIRECTION", do: func(r *reader, a []string) string { return r.accessGroup(policy.IPv6, a[0], a[1], false) }},
		{in: inInterface, form: "ipv6 port traffic-filter NAME DIRECTION", do: func(r *reader, a []string) string { return r.accessGroup(policy.IPv6, a[0], a[1], true) }},
		{in: inInterface, form: "encapsulation dot1q VLAN", do: func(r *reader, a []string) string { return parseVLAN(a[0], &r.face.vid) }},
		{in: inInterface, form: "channel-group NUMBER", do: func(r *reader, a []string) string {
			r.face.lag = a[0]
			r.openFace(r.dialect.lagName(a[0]))
			return ""
		}},
		{in: inInterface, form: "channel-group NUMBER force mode MODE", do: func(r *reader, a []string) string {
			r.face.lag, r.face.lacp = a[0], a[1] != "on"
			r.openFace(r.dialect.lagName(a[0]))
			return ""
		}},
		{in: inInterface, form: "vpc NUMBER", do: func(r *reader, _ []string) string { r.face.distributed = true; return "" }},
		{in: inInterface, form: "source-interface NAME", do: func(r *reader, a []string) string { r.face.vtep = a[0]; return "" }},
		{in: inInterface, form: "hsrp version|bfd|delay|timers|mac-refresh|use-bia ...", why: standby},
		{in: inInterface, form: "hsrp GROUP ...", opens: inHSRP, do: func(*reader, []string) string { return "" }},
		{in: inInterface, form: "vrrp GROUP", opens: inHSRP, do: func(*reader, []string) string { return "" }},
		{in: inHSRP, form: "ip|address ADDRESS ...", do: func(r *reader, a []string) string { return r.virtual(a[1]) }},
		{in: inHSRP, form: "preempt|priority|timers|authentication|name|mac-address|track ...", why: standby},
		{in: inHSRP, form: "no shutdown", why: standby},
		{in: inInterface, form: "host-reachability protocol bgp", why: routing},
		{in: inInterface, form: "management", why: management},
	}
}

// nxosHarmless is what NX-OS has beside the statements of IOS.
func nxosHarmless() []statement {
	return harmless(map[scope]map[string][]string{
		top: {
			management: {
				"feature ...", "no feature ...", "vdc ...", "rmon ...", "no password ...", "password ...", "copp ...", "line vty", "line console", "role ...", "ssh ...",
				"no ssh ...", "telnet ...", "cfs ...", "hardware access-list tcam region ...", "install ...", "icam ...", "clock ...", "cli ...", "nv overlay ...", "system jumbomtu OCTETS", "boot nxos ...",
			},
			routing:   {"evpn ...", "fabric forwarding ...", "bfd ..."},
			multicast: {"ip igmp ..."},
			physical:  {"mac address-table aging-time ..."},
			"which aggregates end on two systems is told at each, and the link between them is read as any other": {"vpc domain ..."},
		},
		inVRF: {routing: {"vni ...", "address-family ...", "ip multicast ...", "ip pim ..."}},
		inInterface: {
			physical: {"no link ...", "link ...", "no logging ...", "lacp ..."},
			routing:  {"ip router ...", "no ip ospf ..."},
		},
	})
}
