package cli

import (
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// ios is Cisco IOS and IOS-XE: routers and Catalyst switches.
func ios() *dialect {
	permits := "IOS permits all until the first entry is there (Cisco IOS Security Command Reference, \"ip access-group\")"
	return &dialect{
		name: "ios", kind: topology.Router, lag: "Port-channel", fragments: laterPermitted, ends: "end", transit: true,
		empty: missing{policy.Permit, permits}, undefined: missing{policy.Permit, permits},
		statements: [][]statement{snooping(), iosStatements(), iosInterface(), iosGroups(), iosHarmless(), iosHarmlessInterface()},
	}
}

func iosStatements() []statement {
	return []statement{
		{in: top, form: "vrf definition NAME", opens: inVRF, do: func(r *reader, a []string) string { return r.openVRF(a[0]) }},
		{in: top, form: "ip vrf NAME", opens: inVRF, do: func(r *reader, a []string) string { return r.openVRF(a[0]) }},
		{in: top, form: "ip local policy route-map NAME", do: func(r *reader, a []string) string {
			r.localRule = append(r.localRule, "route-map "+a[0])
			return ""
		}},
		{in: top, form: "ip nat pool NAME FIRST LAST ...", do: (*reader).natPool},
		{in: top, form: "ip nat inside source HOW ...", do: (*reader).natInside},
		{in: top, form: "line vty ...", opens: inLine, do: func(r *reader, a []string) string {
			r.lines = "vty " + strings.Join(a, " ")
			r.bears = []topology.Key{r.device}
			return ""
		}},
		{in: inLine, form: "access-class NAME DIRECTION ...", do: (*reader).accessClass},
		{in: inLine, form: "ipv6 access-class NAME in", do: func(r *reader, a []string) string { return r.deviceList(policy.IPv6, a[0]) }},
		{in: top, form: "control-plane ...", opens: inControlPlane, do: func(*reader, []string) string { return "" }},
		{in: inVLAN, form: "exit", why: structure},
	}
}

// accessClass attaches a list to logins: those of the lines, which come in by Telnet and SSH. One that goes out is about the device's own logins elsewhere.
func (r *reader) accessClass(args []string) (why string) {
	switch args[1] {
	case "in":
		return r.deviceList(policy.IPv4, args[0])
	case "out":
		return ""
	}
	return "a list without direction"
}

const (
	portSSH    = 22
	portTelnet = 23
)

func (r *reader) deviceList(family policy.Family, name string) string {
	r.attached = append(r.attached, attachment{
		list: listKey(family, name), family: family, Attachment: policy.Attachment{Hook: policy.HookInput, Place: r.at.Place},
		only: []policy.Term{
			{Field: policy.Protocol, Of: []policy.Range{policy.Is(protoTCP)}},
			{Field: policy.DestinationPort, Of: []policy.Range{policy.Is(portSSH), policy.Is(portTelnet)}},
		},
	})
	return ""
}

func iosInterface() []statement {
	return []statement{
		{in: inInterface, form: "ip vrf forwarding NAME", do: func(r *reader, a []string) string { return r.faceVRF(a[0]) }},
		{in: inInterface, form: "ipv6 traffic-filter NAME DIRECTION", do: func(r *reader, a []string) string {
			return r.accessGroup(policy.IPv6, a[0], a[1], false)
		}},
		{in: inInterface, form: "ip unnumbered NAME", do: func(r *reader, a []string) string { r.face.unnumbered = a[0]; r.face.routed = true; return "" }},
		{in: inInterface, form: "encapsulation dot1Q VLAN ...", do: func(r *reader, a []string) string {
			if len(a) > 1 && a[1] != "native" {
				return "more than one tag"
			}
			return parseVLAN(a[0], &r.face.vid)
		}},
		{in: inInterface, form: "ip nat inside|outside", do: func(r *reader, a []string) string { r.face.nat = a[0]; return "" }},
		{in: inInterface, form: "ipv6 enable", why: "it gives a link-local address: IPv6 of the link is not asked"},
	}
}

func iosGroups() []statement {
	return []statement{
		{in: top, form: "object-group network NAME", opens: inGroup, do: openGroup("network", policy.IPv4)},
		{in: top, form: "object-group v6-network NAME", opens: inGroup, do: openGroup("network", policy.IPv6)},
		{in: top, form: "object-group service NAME", opens: inGroup, do: openGroup("service", policy.IPv4)},
		{in: inGroup, form: "description ...", why: words},
		{in: inGroup, form: "WORD ...", do: (*reader).groupEntry},
	}
}

func openGroup(kind string, family policy.Family) func(r *reader, args []string) string {
	return func(r *reader, args []string) string {
		key := kind + " " + args[0]
		if r.groups[key] == nil {
			r.groups[key] = &group{kind: kind, name: args[0], family: family}
		}
		r.group = r.groups[key]
		return ""
	}
}

// groupEntry takes down a member of an object group. Whether it is one is known at once: what is not makes every entry that uses the group unparsed.
func (r *reader) groupEntry([]string) (why string) {
	e := groupEntry{words: r.at.words}
	if _, err := strconv.Atoi(e.words[0]); err == nil && len(e.words) > 1 {
		e.words = e.words[1:] // NX-OS numbers them
		if wild, ok := ipv4(e.words[len(e.words)-1]); ok && len(e.words) == 2 && e.words[0] != "host" {
			e.words = []string{e.words[0], inverse(wild).String()} // and writes a wildcard where IOS writes a mask
		}
	}
	r.group.entries = append(r.group.entries, e)
	switch {
	case e.words[0] == "group-object":
		if len(e.words) != 2 {
			return "a group without name"
		}
	case r.group.kind == "network":
		_, _, why = e.addresses(r.group.family)
	default:
		_, why = e.services(r.group.family)
	}
	return why
}
