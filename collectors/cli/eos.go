package cli

import (
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// eos is Arista EOS.
func eos() *dialect {
	said := "the manual does not say what EOS does then"
	return &dialect{
		name: "eos", kind: topology.Switch, lag: "Port-Channel", fragments: laterUnknown, ends: "end",
		empty: missing{policy.Permit, said}, undefined: missing{policy.Permit, said},
		switched: true, mode: "access", nd: "whether EOS permits neighbour discovery by itself is not known",
		statements: [][]statement{snooping(), eosStatements(), eosInterface(), eosHarmless(), iosHarmless(), iosHarmlessInterface()},
	}
}

func eosStatements() []statement {
	return []statement{
		{in: top, form: "ip access-list standard NAME", opens: inList, do: openListOf(policy.IPv4, true)},
		{in: top, form: "ip access-list NAME", opens: inList, do: openListOf(policy.IPv4, false)},
		{in: top, form: "mac access-list NAME", opens: inList, do: openListOf(policy.AnyFamily, false)},
		{in: inList, form: "statistics|counters per-entry", why: counting},
		{in: top, form: "vrf instance NAME", opens: inVRF, do: func(r *reader, a []string) string { return r.openVRF(a[0]) }},
		{in: top, form: "ip routing vrf NAME", do: func(r *reader, a []string) string { return r.openVRF(a[0]) }},
		{in: top, form: "no ip routing vrf NAME", do: func(r *reader, a []string) string {
			r.openVRF(a[0])
			k := r.bears[0] // nothing is forwarded there: that is not modelled
			r.unparsed[k] = append(r.unparsed[k], r.at.String()+": "+r.at.Text)
			return ""
		}},
		{in: top, form: "ip virtual-router mac-address ...", why: standby},
		{in: top, form: "ip address virtual source-nat ...", why: replies},
		{in: top, form: "system control-plane", opens: inControlPlane, do: func(*reader, []string) string { return "" }},
		{in: inControlPlane, form: "ip access-group NAME in", do: func(r *reader, a []string) string {
			r.attached = append(r.attached, attachment{
				list: listKey(policy.IPv4, a[0]), family: policy.IPv4, Attachment: policy.Attachment{Hook: policy.HookInput, Place: r.at.Place},
			})
			return ""
		}},
		{in: inVLAN, form: "trunk group NAME", do: func(r *reader, a []string) string {
			r.eachVLAN(func(v *vlan) { v.groups = append(v.groups, a[0]) })
			return ""
		}},
	}
}

func eosInterface() []statement {
	return []statement{
		{in: inInterface, form: "vrf NAME", do: func(r *reader, a []string) string { return r.faceVRF(a[0]) }},
		{in: inInterface, form: "ip address virtual ADDRESS ...", do: func(r *reader, a []string) string { r.face.routed = true; return r.virtual(a[0]) }},
		{in: inInterface, form: "ip virtual-router address ADDRESS", do: func(r *reader, a []string) string { return r.virtual(a[0]) }},
		{in: inInterface, form: "ip address unnumbered NAME", do: func(r *reader, a []string) string {
			r.face.unnumbered, r.face.routed = a[0], true
			return ""
		}},
		{in: inInterface, form: "ipv6 access-group NAME DIRECTION", do: func(r *reader, a []string) string { return r.accessGroup(policy.IPv6, a[0], a[1], false) }},
		{in: inInterface, form: "encapsulation dot1q vlan VLAN", do: func(r *reader, a []string) string { return parseVLAN(a[0], &r.face.vid) }},
		{in: inInterface, form: "switchport trunk group NAME", do: spoken(func(r *reader, a []string) string {
			r.face.groupNames = append(r.face.groupNames, a[0])
			return ""
		})},
		{in: inInterface, form: "mlag NUMBER", do: func(r *reader, _ []string) string { r.face.distributed = true; return "" }},
		{in: inInterface, form: "vxlan source-interface NAME", do: func(r *reader, a []string) string { r.face.vtep = a[0]; return "" }},
		{in: inInterface, form: "vxlan vlan VLANS vni VNIS", do: (*reader).vxlanVLANs},
		{in: inInterface, form: "vxlan vrf NAME vni VNI", why: routing},
		{in: inInterface, form: "vxlan udp-port PORT", why: "the port of the tunnel, not what is in it"},
		{in: inInterface, form: "vxlan virtual-router encapsulation mac-address mlag-system-id", why: standby},
		{in: inInterface, form: "no autostate", why: physical},
	}
}

// vxlanVLANs reads "vxlan vlan 10-12 vni 10010-10012": one network identifier (RFC 7348) for each VLAN.
func (r *reader) vxlanVLANs(args []string) (why string) {
	set, err := topology.ParseVIDSet(args[0])
	first, last, isRange := strings.Cut(args[1], "-")
	lo, err2 := strconv.ParseUint(first, 10, 24)
	hi := lo
	if isRange && err2 == nil {
		hi, err2 = strconv.ParseUint(last, 10, 24)
	}
	if err != nil || err2 != nil || hi < lo || int(hi-lo)+1 != set.Len() {
		return "not as many network identifiers as VLANs"
	}
	r.vlanSet = r.vlanSet.Union(set)
	for i, vid := range set.All() {
		if r.Config.vlans[vid] == nil {
			r.Config.vlans[vid] = &vlan{unsaid: true}
		}
		r.Config.vlans[vid].vni = uint32(lo) + uint32(i)
	}
	return ""
}

// eosHarmless is what EOS has beside the statements of IOS.
func eosHarmless() []statement {
	return harmless(map[scope]map[string][]string{
		top: {
			management: {"management ...", "daemon ...", "system l1", "peer-filter ...", "queue-monitor ...", "agent ...", "sflow ...", "terminal ...", "prompt ...", "schedule ..."},
			routing:    {"bfd ...", "ip community-list ...", "dynamic prefix-list ..."},
			tree:       {"no spanning-tree ..."},
			"which aggregates end on two systems is told at each, and the link between them is read as any other": {"mlag configuration ..."},
		},
		inVRF: {words: {"description ..."}, routing: {"rd ..."}},
		inInterface: {
			management: {"no lldp ...", "lldp ...", "sflow ..."},
			physical:   {"phy ...", "error-correction ...", "transceiver ...", "lacp ..."},
			standby:    {"ip virtual-router preempt ..."},
			counting:   {"counters per-entry"},
		},
	})
}
