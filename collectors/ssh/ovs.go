package ssh

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// This file states what the three lists of Open vSwitch say together: bridges of ports, ports of interfaces. On a host a bridge is a VirtualSwitch; on a
// switch it is the switch itself.

// members gives the interfaces of a port by their names, in order.
func (o *openVSwitch) members(p ovsPort) []ovsInterface {
	var members []ovsInterface
	for _, uuid := range p.interfaces {
		if i, ok := o.interfaces[uuid]; ok {
			members = append(members, i)
		}
	}
	slices.SortFunc(members, func(a, b ovsInterface) int { return strings.Compare(a.name, b.name) })
	return members
}

// portsOf gives the ports of a bridge by their names, in order.
func (o *openVSwitch) portsOf(b ovsBridge) []ovsPort {
	var ports []ovsPort
	for _, uuid := range b.ports {
		if p, ok := o.ports[uuid]; ok {
			ports = append(ports, p)
		}
	}
	slices.SortFunc(ports, func(a, b ovsPort) int { return strings.Compare(a.name, b.name) })
	return ports
}

// switches reports whether a bridge is known to forward by its VLANs: no controller rules it, and the one OpenFlow rule that counts is that of normal
// switching, of whatever comes. While its rules are not known, neither is what it forwards.
func (o *openVSwitch) switches(b ovsBridge) bool {
	rules, known := o.flows[b.name]
	return known && !rules && !b.controlled
}

// mode tells by what a bridge forwards that does not by its VLANs: rules, or nobody knows.
func (o *openVSwitch) mode(b ovsBridge) string {
	if b.controlled || o.flows[b.name] {
		return "openflow"
	}
	return "unknown"
}

// internal reports whether an interface is one of the host over the bridge: its end is the host's own stack.
func (i ovsInterface) internal() bool { return i.typ == "internal" || i.typ == "tap" }

// kernel reports whether the host's own commands show the interface, too: then they say what it is like.
func (i ovsInterface) kernel() bool { return i.typ == "" || i.typ == "system" || i.internal() }

// tunnel reports whether an interface is a tunnel to another device.
func (i ovsInterface) tunnel() bool { return i.options["remote_ip"] != "" }

// vlans gives the VLANs of a port as the datapath has them. In Open vSwitch VLAN 0 is "no tag", a trunk without a list carries all VLANs, and a
// trunk always carries its native VLAN; what is sent with a tag, without one, and the VLAN of what comes without one (0: none of 1 to 4094).
// known is false where the port puts a second tag on: then no set of the model is true of it.
func (p ovsPort) vlans() (tagged, untagged topology.VIDSet, pvid topology.VID, known bool) {
	all := topology.VIDRange(1, 4094)
	if len(p.trunks) > 0 {
		all = vidSet(p.trunks)
	}
	native := vidSet([]int{p.tag})
	if native.Len() == 1 {
		pvid = native.All()[0]
	}
	mode := p.mode
	if mode == "" && p.tag >= 0 {
		mode = "access" // trunks are ignored then
	}
	switch mode {
	case "access":
		return topology.VIDSet{}, native, pvid, true
	case "native-tagged":
		return all.Union(native), topology.VIDSet{}, pvid, true
	case "native-untagged":
		return all.Minus(native), native, pvid, true
	case "dot1q-tunnel":
		return topology.VIDSet{}, topology.VIDSet{}, pvid, false
	}
	return all, topology.VIDSet{}, 0, true
}

// stacked is the protocol of the tag that a dot1q-tunnel puts on, unless it is told another one (other_config:qinq-ethtype); what is below it is another
// tag in either case.
const stacked = "802.1ad"

// vidSet leaves out 0 and 4095, which are no VLANs (IEEE 802.1Q).
func vidSet(ns []int) topology.VIDSet {
	ids := make([]topology.VID, 0, len(ns))
	for _, n := range ns {
		if n >= 1 && n <= 4094 {
			ids = append(ids, topology.VID(n))
		}
	}
	return topology.VIDs(ids...)
}

// tellOVSBridges states the bridges of a host, and what leads out of them.
func tellOVSBridges(s *sheet, say *words) {
	if s.device.Kind != topology.Host {
		return
	}
	levels := s.ovs.levels(s.uplinks)
	for _, name := range sortedKeys(s.ovs.bridges) {
		b, k := s.ovs.bridges[name], s.bridgeKey(name)
		say.contains(s, k)
		say.Text(k, topology.AttrName, name)
		for _, p := range s.ovs.portsOf(b) {
			s.tellOverBridge(say, p, k)
		}
		if !s.ovs.switches(b) {
			say.Text(k, topology.AttrForwardMode, s.ovs.mode(b))
			continue
		}
		for _, up := range s.uplinks(b) {
			say.Relate(k, topology.SupportedBy, s.port(up))
		}
		for _, peer := range s.ovs.peers(b) {
			if own, ok := levels[name]; ok && own > 0 && levels[peer]+1 == own {
				say.Relate(k, topology.SupportedBy, s.bridgeKey(peer))
			}
		}
	}
}

// tellOverBridge states the interfaces that the host itself has over a bridge, and bridges that are a VLAN of another (ovs-vsctl add-br CHILD PARENT
// VLAN): a bridge over an interface on that VLAN.
func (s *sheet) tellOverBridge(say *words, p ovsPort, bridge topology.Key) {
	members := s.ovs.members(p)
	if len(members) != 1 || !members[0].internal() {
		return
	}
	k := s.port(p.name)
	say.Relate(k, topology.SupportedBy, bridge)
	if p.fake {
		child := s.bridgeKey(p.name)
		say.contains(s, child)
		say.Text(child, topology.AttrName, p.name)
		say.Relate(child, topology.SupportedBy, k)
	}
}

// uplinks gives the ports of a bridge by which frames leave the host: bonds, and interfaces with hardware or another aggregate behind.
func (s *sheet) uplinks(b ovsBridge) []string {
	var names []string
	for _, p := range s.ovs.portsOf(b) {
		members := s.ovs.members(p)
		if len(members) == 0 || len(members) == 1 && !s.cabled(members[0]) {
			continue
		}
		names = append(names, p.name)
	}
	return names
}

// cabled reports whether an interface of a bridge leads out of the host. Ends of cables to guests and containers (tap, veth) do not, as far as their names tell.
func (s *sheet) cabled(i ovsInterface) bool {
	switch {
	case i.broken || i.external["iface-id"] != "" || i.external["attached-mac"] != "":
		return false
	case i.typ == "dpdk", i.typ == "afxdp", i.typ == "afxdp-nonpmd":
		return true
	case !i.kernel() || i.internal():
		return false
	}
	if l, known := s.link(i.name); known {
		return l.uplink() && (l.card() || l.aggregate() || l.kind == "vlan" || l.kind == "veth")
	}
	if nic := s.nics[i.name]; nic != nil && (nic.hardware || nic.bond != nil) {
		return true
	}
	switch i.driver {
	case "", "veth", "tun", "openvswitch", "dummy", "macvtap", "macvlan", "ipvlan", "vxlan", "geneve", "bridge", "802.1Q VLAN Support":
		return false
	}
	return true
}

// open reports whether a port passes all VLANs as they are. A patch that does not joins other VLANs than those of one number.
func (p ovsPort) open() bool {
	return p.tag < 0 && len(p.trunks) == 0 && (p.mode == "" || p.mode == "trunk") && p.tree != "blocking"
}

// peers gives the bridges that open patch ports of a bridge lead to, in order.
func (o *openVSwitch) peers(b ovsBridge) []string {
	far := map[string]bool{}
	for _, p := range o.portsOf(b) {
		for _, i := range o.members(p) {
			if peer := i.options["peer"]; i.typ == "patch" && peer != "" && p.open() {
				far[peer] = true
			}
		}
	}
	names := map[string]bool{}
	for _, other := range o.bridges {
		for _, p := range o.portsOf(other) {
			if far[p.name] && other.name != b.name && p.open() {
				names[other.name] = true
			}
		}
	}
	return sortedKeys(names)
}

// levels tells for each bridge how many patches it is away from one with an uplink. A bridge that forwards by rules leads nowhere that is known.
func (o *openVSwitch) levels(uplinks func(ovsBridge) []string) map[string]int {
	levels := map[string]int{}
	var next []string
	for _, name := range sortedKeys(o.bridges) {
		if b := o.bridges[name]; o.switches(b) && len(uplinks(b)) > 0 {
			levels[name] = 0
			next = append(next, name)
		}
	}
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		for _, peer := range o.peers(o.bridges[name]) {
			if _, known := levels[peer]; !known && o.switches(o.bridges[peer]) {
				levels[peer] = levels[name] + 1
				next = append(next, peer)
			}
		}
	}
	return levels
}

// tellOVSPorts states VLANs, spanning tree and members of the ports.
func tellOVSPorts(s *sheet, say *words) {
	for _, name := range sortedKeys(s.ovs.bridges) {
		b := s.ovs.bridges[name]
		for _, p := range s.ovs.portsOf(b) {
			members := s.ovs.members(p)
			k := s.port(p.name)
			if len(p.interfaces) > 1 {
				s.tellBond(say, k, p, members)
			}
			if p.tree != "" && (b.rstp || b.stp) {
				say.Text(k, topology.AttrSTPState, "0 "+p.tree)
			}
			if p.protected {
				say.Text(k, topology.AttrPortLimit, "isolated")
			}
			switch {
			case !s.ovs.switches(b) || len(members) == 0 || members[0].broken:
			case members[0].internal():
				p.tellOwn(say, k)
			case members[0].typ == "patch":
			default:
				s.tellVLANs(say, k, p)
				s.tellGuest(say, p, members[0])
			}
		}
	}
}

// tellOwn states the VLAN of the host's own interface over a bridge: what it sends is in the port's VLAN.
func (p ovsPort) tellOwn(say *words, k topology.Key) {
	_, untagged, pvid, known := p.vlans()
	if pvid > 0 && untagged.Has(pvid) {
		say.Set(k, topology.AttrVID, topology.IntValue(pvid))
	}
	if !known {
		say.tagProtocol(k, stacked)
	}
}

// tellVLANs states the VLANs of a port towards the outside. A switch in the model is one bridge: of one that has several, no port's VLANs are stated, since
// they would seem to be joined.
func (s *sheet) tellVLANs(say *words, k topology.Key, p ovsPort) {
	if s.device.Kind != topology.Host && len(s.ovs.bridges) > 1 {
		return
	}
	tagged, untagged, pvid, known := p.vlans()
	if !known {
		say.tagProtocol(k, stacked)
		return // its VLAN is the outer one
	}
	if pvid > 0 {
		say.Set(k, topology.AttrPVID, topology.IntValue(pvid))
	}
	say.Set(k, topology.AttrTagged, topology.VIDsValue(tagged))
	say.Set(k, topology.AttrUntagged, topology.VIDsValue(untagged))
}

// tellBond states an Open vSwitch bond. A member that the bond does not use, or whose far end does not take part in LACP, is configured but not in force.
func (s *sheet) tellBond(say *words, k topology.Key, p ovsPort, members []ovsInterface) {
	say.contains(s, k)
	say.Text(k, topology.AttrIfName, p.name)
	say.Text(k, topology.AttrLAGMode, p.bondMode)
	for _, m := range members {
		f := topology.Relate(k, topology.SupportedBy, s.port(m.name))
		if s.ovs.bonds[p.name].idle(m.name) || s.ovs.lacp[p.name].detached[m.name] || m.broken {
			f.Confidence = configured
		}
		say.Facts = append(say.Facts, f)
	}
}

// tellGuest states the VLAN in which a guest's vNIC is, as the port that libvirt or Nova made for it has it: the guest's definition need not say it. The port
// names VM and MAC (external_ids vm-id of libvirt, vm-uuid of Nova, attached-mac); a port that could not be opened is left over from one that went.
func (s *sheet) tellGuest(say *words, p ovsPort, i ovsInterface) {
	id := i.external["vm-id"]
	if id == "" {
		id = i.external["vm-uuid"]
	}
	vm, err := topology.ParseUUID(id)
	mac, err2 := topology.ParseMAC(i.external["attached-mac"])
	if err != nil || err2 != nil || i.number < 0 || s.ovs.twins(i) {
		return
	}
	vnic := topology.Key{Kind: topology.VNIC, ID: vm + "/" + mac.String()}
	tagged, untagged, pvid, known := p.vlans()
	switch {
	case !known:
		say.tagProtocol(vnic, stacked)
	case p.tag < 0 && len(p.trunks) == 0:
	case tagged.Len() == 0 && pvid > 0:
		say.Set(vnic, topology.AttrVID, topology.IntValue(pvid))
	case tagged.Len() > 0:
		say.Set(vnic, topology.AttrTagged, topology.VIDsValue(tagged))
		if pvid > 0 {
			say.Set(vnic, topology.AttrPVID, topology.IntValue(pvid))
		}
		if untagged.Len() > 0 {
			say.Set(vnic, topology.AttrUntagged, topology.VIDsValue(untagged))
		}
	}
}

// twins reports whether two interfaces say that they are for the same MAC of the same VM: which is which is not known then.
func (o *openVSwitch) twins(i ovsInterface) bool {
	n := 0
	for _, other := range o.interfaces {
		if other.external["attached-mac"] == i.external["attached-mac"] && other.external["vm-id"] == i.external["vm-id"] &&
			other.external["vm-uuid"] == i.external["vm-uuid"] {
			n++
		}
	}
	return n > 1
}

// tellOVSInterfaces states the interfaces of the bridges: of those that the kernel does not show all that is known, of the others what only
// Open vSwitch knows.
func tellOVSInterfaces(s *sheet, say *words) {
	for _, uuid := range sortedKeys(s.ovs.interfaces) {
		i := s.ovs.interfaces[uuid]
		k := s.port(i.name)
		if i.broken || s.ovs.bonded[i.name] {
			continue // not there, or a bond with the name of one of its members: the bond
		}
		say.contains(s, k)
		say.Text(k, topology.AttrIfName, i.name)
		say.Text(k, topology.AttrInterfaceID, i.external["iface-id"])
		if i.kernel() {
			continue
		}
		if mac, err := topology.ParseMAC(i.mac); err == nil {
			say.Set(k, topology.AttrMAC, topology.MACValue(mac))
		}
		if i.mtu > 0 {
			say.Set(k, topology.AttrMTU, topology.IntValue(i.mtu))
		}
		if i.speed > 0 {
			say.Set(k, topology.AttrSpeedBits, topology.IntValue(i.speed))
		}
		say.Text(k, topology.AttrDuplex, i.duplex)
		say.Text(k, topology.AttrState, i.link)
		say.Text(k, topology.AttrAdminState, i.admin)
		if i.tunnel() {
			i.tellTunnel(say, k)
		}
	}
}

// tellTunnel states the ends of a tunnel that has fixed ones: "flow" leaves them to OpenFlow rules.
func (i ovsInterface) tellTunnel(say *words, k topology.Key) {
	if vni, err := strconv.ParseUint(i.options["key"], 0, 24); err == nil && (i.typ == "vxlan" || i.typ == "geneve") {
		say.Set(k, topology.AttrVNI, topology.IntValue(vni))
	}
	if local, err := netip.ParseAddr(i.options["local_ip"]); err == nil {
		say.Set(k, topology.AttrVTEP, topology.AddrValue(local))
	}
	if remote, err := netip.ParseAddr(i.options["remote_ip"]); err == nil {
		say.Text(k, topology.AttrTunnelEntry, topology.MAC(0).String()+" "+remote.Unmap().String())
	}
}

// tellBehind states that an address is behind the other end of a tunnel.
func (i ovsInterface) tellBehind(say *words, k topology.Key, mac topology.MAC) {
	if remote, err := netip.ParseAddr(i.options["remote_ip"]); err == nil {
		say.Text(k, topology.AttrTunnelEntry, mac.String()+" "+remote.Unmap().String())
	}
}
