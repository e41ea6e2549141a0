package ssh

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// configured is how far a member is believed to bear its aggregate that does not now: as a row of ifStackTable that is not active.
const configured = 20

func tellLinks(s *sheet, say *words) {
	for _, l := range s.links {
		k := s.interfaceKey(l.name)
		say.contains(s, k)
		say.Set(k, topology.AttrIfIndex, topology.IntValue(l.index))
		say.Text(k, topology.AttrIfName, l.name)
		say.Text(k, topology.AttrIfAlias, l.alias)
		say.Text(k, topology.AttrPCIAddress, l.pci)
		if t := l.ifType(); t != 0 {
			say.Set(k, topology.AttrIfType, topology.IntValue(t))
		}
		if l.mtu > 0 {
			say.Set(k, topology.AttrMTU, topology.IntValue(l.mtu))
		}
		if mac := l.ownMAC(); mac != 0 {
			say.Set(k, topology.AttrMAC, topology.MACValue(mac))
		}
		say.Text(k, topology.AttrAdminState, map[bool]string{true: "up", false: "down"}[l.up])
		say.Text(k, topology.AttrState, l.operState())
		if l.xdp {
			say.Text(k, topology.AttrUnparsed, "ip-link: an XDP program, which may drop or divert all that comes in by "+l.name)
		}
		say.kind(s, k, l)
		say.master(s, k, l)
	}
	if s.device.Kind != topology.Host {
		say.spanningTree(s)
	}
}

// ownMAC gives the address of the interface itself: a bond lends its own to its members.
func (l link) ownMAC() topology.MAC {
	if l.permanent != 0 {
		return l.permanent
	}
	return l.mac
}

// kind states what is particular to one kind of interface.
func (w *words) kind(s *sheet, k topology.Key, l link) {
	switch l.kind {
	case "bond":
		w.bond(k, l)
	case "vlan":
		if vid, err := topology.ParseVID(l.about.text("id")); err == nil {
			w.Set(k, topology.AttrVID, topology.IntValue(vid))
		}
		w.tagProtocol(k, l.about.text("protocol"))
	case "vxlan":
		if n, err := strconv.ParseUint(l.about.text("id"), 10, 24); err == nil && n > 0 {
			w.Set(k, topology.AttrVNI, topology.IntValue(n))
		}
		for _, name := range []string{"local", "local6"} {
			if a := addressOf(l.about.text(name)); a.IsValid() {
				w.Set(k, topology.AttrVTEP, topology.AddrValue(a))
			}
		}
	case "vrf":
		w.vrf(s, l.name)
	case "bridge":
		w.hostBridge(s, k, l)
	}
	switch l.kind {
	case "vlan", "vxlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec":
		if _, known := s.link(l.lower); known && l.lower != l.name {
			w.Relate(k, topology.SupportedBy, s.interfaceKey(l.lower))
		}
	}
}

// hostBridge states the bridge of a host, and whether it hands its frames to the filters of routed packets.
func (w *words) hostBridge(s *sheet, k topology.Key, l link) {
	if s.device.Kind != topology.Host {
		return
	}
	b := s.bridgeKey(l.name)
	w.contains(s, b)
	w.Text(b, topology.AttrName, l.name)
	w.Text(b, topology.AttrForwardMode, map[string]string{"": "unknown", "1": "vlans"}[l.filters()])
	for i, name := range []string{"nf_call_iptables", "nf_call_ip6tables"} { // it alone does, whatever net.bridge says
		if calls := l.about.text(name); calls != "" {
			w.Text(b, topology.AttrBridgeCalls, []string{"ipv4", "ipv6"}[i]+map[string]string{"0": off}[calls])
		}
	}
	w.Relate(k, topology.SupportedBy, b)
}

// tagProtocol states that the tags of an interface are not those of 802.1Q customers. The word is in small letters in some versions.
func (w *words) tagProtocol(k topology.Key, protocol string) {
	if !strings.EqualFold(protocol, "802.1Q") {
		w.Text(k, topology.AttrTPID, protocol)
	}
}

// bond states how a bond is run, and both ends of it as LACP knows them. Its own system is its address where nobody set another.
func (w *words) bond(k topology.Key, l link) {
	mode := l.about.text("mode")
	w.Text(k, topology.AttrLAGMode, mode)
	if mode != "802.3ad" {
		return
	}
	for _, end := range []struct {
		system, key       string
		systemAttr, keyed topology.Attr
		otherwise         topology.MAC
	}{
		{"ad_actor_system", "actor_key", topology.AttrActorSystemID, topology.AttrActorKey, l.mac},
		{"partner_mac", "partner_key", topology.AttrPartnerSystemID, topology.AttrPartnerKey, 0},
	} {
		system, _ := topology.ParseMAC(l.about.text(end.system))
		if system == 0 {
			system = end.otherwise
		}
		if system == 0 {
			continue
		}
		w.Set(k, end.systemAttr, topology.MACValue(system))
		if key := l.about.text(end.key); key != "" {
			w.Set(k, end.keyed, topology.IntValue(count(key)))
		}
	}
}

// master states what an interface is part of.
func (w *words) master(s *sheet, k topology.Key, l link) {
	m, known := s.link(l.master)
	if !known || l.master == l.name {
		return
	}
	switch {
	case m.aggregate():
		f := topology.Relate(s.interfaceKey(m.name), topology.SupportedBy, k)
		if !l.bearing(m) {
			f.Confidence = configured
		}
		w.Facts = append(w.Facts, f)
	case m.kind == "vrf":
		w.Relate(k, topology.InVRF, w.vrf(s, m.name))
	case m.kind == "bridge" && s.device.Kind == topology.Host && l.uplink():
		w.Relate(s.bridgeKey(m.name), topology.SupportedBy, k)
	}
}

// bearing reports whether a member bears its aggregate now: it has a link, and LACP put it in the aggregator that is used. The standby member of
// an active-backup bond is ready, but does not bear.
func (l link) bearing(bond link) bool {
	if state := l.operState(); state != "up" && state != "" {
		return false
	}
	if status := l.inMaster.text("mii_status"); status != "" && !strings.EqualFold(status, "UP") {
		return false
	}
	if state := l.inMaster.text("state"); bond.kind == "bond" && state != "" && !strings.EqualFold(state, "ACTIVE") {
		return false
	}
	own, used := l.inMaster.text("ad_aggregator_id"), bond.about.text("aggregator")
	return own == "" || used == "" || own == used
}

// uplink reports whether a bridge leaves the host by an interface: not by the end of a guest or of a container.
func (l link) uplink() bool {
	switch l.kind {
	case "veth":
		return l.lower == "" && cardName.MatchString(l.name)
	case "tun", "macvtap", "dummy", "ifb", "netkit", "openvswitch":
		return false
	}
	return !guestEnd.MatchString(l.name)
}

// spanningTree states the tree of a switch that is one bridge, where a protocol runs (stp_state is 0 where none does).
func (w *words) spanningTree(s *sheet) {
	var bridges []link
	for _, l := range s.links {
		if l.kind == "bridge" {
			bridges = append(bridges, l)
		}
	}
	if len(bridges) != 1 {
		return
	}
	b := bridges[0]
	id, mac, ok := bridgeID(b.about.text("bridge_id"))
	if !ok {
		return
	}
	w.Set(s.device, topology.AttrBridgeMAC, topology.MACValue(mac))
	if root, _, ok := bridgeID(b.about.text("root_id")); ok && count(b.about.text("stp_state")) > 0 {
		w.Text(s.device, topology.AttrBridgeID, id)
		w.Text(s.device, topology.AttrRootBridgeID, root)
		w.Set(s.device, topology.AttrRootPort, topology.IntValue(count(b.about.text("root_port"))))
	}
}

// bridgeID reads a bridge identifier as the kernel prints it, in old versions without leading zeros: "8000.52:54:0:cc:c:f1".
func bridgeID(text string) (id string, mac topology.MAC, ok bool) {
	priority, address, _ := strings.Cut(text, ".")
	p, err := strconv.ParseUint(priority, 16, 16)
	mac, err2 := topology.ParseMAC(address)
	return fmt.Sprintf("%04x.%s", p, mac), mac, err == nil && err2 == nil && mac != 0
}

// sortedPrefixes gives addresses in one order, each once.
func sortedPrefixes(all []netip.Prefix) []netip.Prefix {
	all = slices.Clone(all)
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all)
}
