package cli

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// dialects are the platforms whose configurations are read, by the name of the answer.
func dialects() map[string]func() *dialect {
	return map[string]func() *dialect{"ios-config": ios, "eos-config": eos, "nxos-config": nxos}
}

// common are the statements that platforms in the tradition of IOS share. A dialect's own go before them.
func common() []statement {
	set := func(do func(r *reader, args []string)) func(*reader, []string) string {
		return func(r *reader, args []string) string { do(r, args); return "" }
	}
	return append([]statement{
		{in: top, form: "hostname NAME", do: set(func(r *reader, a []string) { r.name = a[0] })},
		{in: top, form: "version ...", do: set(func(r *reader, a []string) { r.version = strings.Join(a, " ") })},
		{in: top, form: "interface NAME ...", opens: inInterface, do: func(r *reader, a []string) string {
			if len(a) > 1 && a[1] != "point-to-point" && a[1] != "l2transport" {
				r.inFace(strings.Join(a, ""))
				return ""
			}
			r.inFace(a[0])
			return ""
		}},
		{in: top, form: "vlan RANGE", opens: inVLAN, do: func(r *reader, a []string) string { return r.openVLANs(a[0]) }},
		{in: top, form: "ip routing", do: set(func(r *reader, _ []string) { r.routed = append(r.routed, "ipv4") })},
		{in: top, form: "no ip routing", do: func(r *reader, _ []string) string {
			r.routed = append(slices.DeleteFunc(r.routed, func(family string) bool { return family == "ipv4" }), "ipv4 off")
			return ""
		}},
		{in: top, form: "ipv6 unicast-routing", do: set(func(r *reader, _ []string) { r.routed = append(r.routed, "ipv6") })},
		{in: top, form: "ip access-list extended NAME", opens: inList, do: openListOf(policy.IPv4, false)},
		{in: top, form: "ip access-list standard NAME", opens: inList, do: openListOf(policy.IPv4, true)},
		{in: top, form: "ipv6 access-list NAME", opens: inList, do: openListOf(policy.IPv6, false)},
		{in: top, form: "mac access-list extended NAME", opens: inList, do: openListOf(policy.AnyFamily, false)},
		{in: top, form: "access-list NUMBER ACTION ...", do: (*reader).accessListLine},
		{in: top, form: "vlan access-map NAME ...", opens: inVLANMap, do: (*reader).openMap},
		{in: top, form: "vlan filter NAME vlan-list VLANS", do: func(r *reader, a []string) string { return r.placeMap(a[0], a[1]) }},
		{in: top, form: "ip route PREFIX ...", do: (*reader).staticRoute},

		{in: inInterface, form: "description ...", do: set(func(r *reader, _ []string) {
			r.face.description = strings.TrimSpace(strings.TrimPrefix(r.at.Text, "description"))
		})},
		{in: inInterface, form: "shutdown", do: set(func(r *reader, _ []string) { r.face.admin = "down" })},
		{in: inInterface, form: "no shutdown", do: set(func(r *reader, _ []string) { r.face.admin = "up" })},
		{in: inInterface, form: "mtu OCTETS", do: func(r *reader, a []string) string {
			n, err := strconv.Atoi(a[0])
			if err != nil || n < 64 || n > 1<<16 {
				return "no number of octets"
			}
			r.face.mtu = n
			return ""
		}},
		{in: inInterface, form: "no ip address", do: set(func(r *reader, _ []string) { r.face.bare = true })},
		{in: inInterface, form: "ip address ADDRESS ...", do: (*reader).address},
		{in: inInterface, form: "ipv6 address ADDRESS ...", do: (*reader).address6},
		{in: inInterface, form: "ip access-group NAME DIRECTION", do: func(r *reader, a []string) string { return r.accessGroup(policy.IPv4, a[0], a[1], false) }},
		{in: inInterface, form: "mac access-group NAME DIRECTION", do: func(r *reader, a []string) string { return r.accessGroup(policy.AnyFamily, a[0], a[1], true) }},
		{in: inInterface, form: "channel-group NUMBER mode MODE", do: func(r *reader, a []string) string {
			r.face.lag, r.face.lacp = a[0], a[1] != "on"
			r.openFace(r.dialect.lagName(a[0]))
			return ""
		}},
		{in: inInterface, form: "vrf forwarding NAME", do: func(r *reader, a []string) string { return r.faceVRF(a[0]) }},
		{in: inInterface, form: "ip policy route-map NAME", do: set(func(r *reader, a []string) { r.face.rules = append(r.face.rules, "route-map "+a[0]) })},
		{in: inInterface, form: "ip verify unicast ...", do: set(func(r *reader, a []string) { r.face.rules = append(r.face.rules, "rpf "+strings.Join(a, " ")) })},
		{in: inInterface, form: "standby GROUP ip ADDRESS ...", do: func(r *reader, a []string) string { return r.virtual(a[1]) }},
		{in: inInterface, form: "standby ip ADDRESS ...", do: func(r *reader, a []string) string { return r.virtual(a[0]) }},
		{in: inInterface, form: "vrrp GROUP ip|ipv4 ADDRESS ...", do: func(r *reader, a []string) string { return r.virtual(a[2]) }},
		{in: inInterface, form: "glbp GROUP ip ADDRESS ...", do: func(r *reader, a []string) string { return r.virtual(a[1]) }},
	}, append(bridgePorts(), inVLANs()...)...)
}

// bridgePorts are the statements of interfaces as bridge ports.
func bridgePorts() []statement {
	return []statement{
		{in: inInterface, form: "switchport", do: spoken(func(r *reader, _ []string) string { r.face.switched = true; return "" })},
		{in: inInterface, form: "no switchport", do: func(r *reader, _ []string) string { r.face.routed = true; return "" }},
		{in: inInterface, form: "switchport mode MODE ...", do: spoken(func(r *reader, a []string) string { return r.setMode(strings.Join(a, " ")) })},
		{in: inInterface, form: "switchport access vlan VLAN", do: spoken(func(r *reader, a []string) string { return parseVLAN(a[0], &r.face.access) })},
		{in: inInterface, form: "switchport trunk native vlan VLAN", do: spoken(func(r *reader, a []string) string { return parseVLAN(a[0], &r.face.native) })},
		{in: inInterface, form: "switchport trunk allowed vlan VLANS ...", do: spoken(func(r *reader, a []string) string { return r.face.allow(a) })},
		{in: inInterface, form: "switchport protected", do: spoken(func(r *reader, _ []string) string { r.face.isolated = true; return "" })},
		{in: inInterface, form: "switchport trunk encapsulation dot1q", why: "the only one that is modelled, and the only one that most hardware has"},
		{in: inInterface, form: "switchport nonegotiate", why: "the mode that is configured holds"},
	}
}

func inVLANs() []statement {
	return []statement{
		{in: inVLAN, form: "name ...", do: func(r *reader, _ []string) string {
			name := strings.TrimSpace(strings.TrimPrefix(r.at.Text, "name"))
			r.eachVLAN(func(v *vlan) { v.name = name })
			return ""
		}},
		{in: inVLAN, form: "state active|suspend", do: func(r *reader, a []string) string {
			r.eachVLAN(func(v *vlan) { v.state = map[string]string{"active": "active", "suspend": "suspended"}[a[0]] })
			return ""
		}},
		{in: inVLAN, form: "shutdown", do: func(r *reader, _ []string) string {
			r.eachVLAN(func(v *vlan) { v.state = "inactive" })
			return ""
		}},
		{in: inVLANMap, form: "match ip address NAME ...", do: func(r *reader, a []string) string { return r.matchLists(policy.IPv4, a) }},
		{in: inVLANMap, form: "match ipv6 address NAME ...", do: func(r *reader, a []string) string { return r.matchLists(policy.IPv6, a) }},
		{in: inVLANMap, form: "match mac address NAME ...", do: func(r *reader, a []string) string { return r.matchLists(policy.AnyFamily, a) }},
		{in: inVLANMap, form: "action ACTION ...", do: (*reader).mapAction},
		{in: inVLANMap, form: "statistics per-entry", why: "it counts"},
	}
}

// snooping are protections that drop by what they have learned: no dialect's list of harmless statements may take them for its own.
func snooping() []statement {
	return []statement{
		{in: top, form: "ip dhcp snooping ...", do: func(*reader, []string) string { return "what it drops is not modelled" }},
	}
}

func openListOf(family policy.Family, standard bool) func(r *reader, args []string) string {
	return func(r *reader, args []string) string {
		r.list = r.openList(family, args[0], standard)
		return ""
	}
}

func (r *reader) faceVRF(name string) string {
	r.face.vrf = name
	return ""
}

// staticRoute reads "ip route [vrf NAME] PREFIX TOWARDS …": a next hop, an interface, or both. What may take it away (track) is kept as not understood.
func (r *reader) staticRoute(args []string) (why string) {
	s := staticRoute{vrf: r.vrf}
	if len(args) > 2 && args[0] == "vrf" {
		s.vrf, args = args[1], args[2:]
	}
	var ok bool
	switch {
	case len(args) > 1 && strings.Contains(args[0], "/"):
		s.prefix, ok = prefix(args[0])
		args = args[1:]
	case len(args) > 2:
		s.prefix, ok = prefixOf(args[0], args[1])
		args = args[2:]
	}
	if !ok || s.prefix != s.prefix.Masked() {
		return "no prefix"
	}
	if _, err := netip.ParseAddr(args[0]); err != nil {
		s.face, args = args[0], args[1:]
		s.drop = strings.EqualFold(s.face, "null0") || strings.EqualFold(s.face, "null")
		if len(s.face) > 0 && s.face[0] >= '0' && s.face[0] <= '9' {
			return "neither an address nor an interface"
		}
	}
	if len(args) > 0 {
		if a, err := netip.ParseAddr(args[0]); err == nil {
			s.nextHop, args = a, args[1:]
		}
	}
	for i := 0; i < len(args); i++ {
		_, err := strconv.Atoi(args[i])
		switch {
		case err == nil && i == 0, args[i] == "permanent":
		case (args[i] == "name" || args[i] == "tag") && i+1 < len(args):
			i++
		default:
			return "a static route with " + args[i]
		}
	}
	r.static = append(r.static, s)
	return ""
}

// lagName is the name of an aggregate by its number.
func (d *dialect) lagName(number string) string {
	return d.lag + number
}

func vlanKey(device topology.Key, vid topology.VID) topology.Key {
	return topology.PartKey(topology.VLAN, device, strconv.Itoa(int(vid)))
}
