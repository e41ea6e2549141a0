package reach

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// nextHops gives the interfaces of other devices that may be a next hop. An address of one link alone (IPv4: RFC 3927, where BGP over links without addresses puts
// 169.254.0.1; IPv6: RFC 4291) may be anybody's elsewhere, and nobody's own, and one of another subnet than the link's is of some other interface: whoever has the hardware
// address that the neighbour cache gives it there is meant. If nobody has read that cache, an address of the link is of whoever is at the other end of the cable, in doubt.
func (x *explorer) nextHops(d *device, r route) (hops []topology.Node, doubt string) {
	others := func(ns []topology.Node) []topology.Node {
		return slices.DeleteFunc(ns, func(n topology.Node) bool { o, ok := n.Owner(); return ok && o == d.node })
	}
	hops = others(slices.Concat(x.owning(r.nextHop), x.sharing(r.nextHop))) // any of those that share it may be the active one
	onLink := slices.ContainsFunc(addressesOf(r.via), func(p netip.Prefix) bool { return p.Contains(r.nextHop) })
	if len(hops) > 0 && onLink && !r.nextHop.IsLinkLocalUnicast() {
		return hops, ""
	}
	known := others(x.answering(r.via, r.nextHop))
	both := slices.DeleteFunc(slices.Clone(hops), func(n topology.Node) bool { return !slices.Contains(known, n) })
	switch {
	case len(known) == 0 && len(hops) == 0 && r.nextHop.IsLinkLocalUnicast():
		return x.opposite(r.via), "no source says who " + r.nextHop.String() + " is on " + nameOf(r.via) + " of " + d.node.Name() + ": the other end of its cable is taken"
	case len(known) == 0:
		return hops, ""
	case len(both) == 0:
		return known, ""
	}
	return both, ""
}

// opposite gives the interface at the other end of the cable of a routed port, if it is one of a device.
func (x *explorer) opposite(via topology.Node) []topology.Node {
	var ends []topology.Node
	for _, e := range slices.Concat(via.Out(topology.Link), via.In(topology.Link)) {
		peer := e.Peer(via)
		if o, ok := peer.Owner(); ok && o.Kind().Device() {
			ends = append(ends, peer)
		}
	}
	return ends
}

// answering gives the interfaces with the hardware address that the neighbour cache of an interface has for an address.
func (x *explorer) answering(via topology.Node, a netip.Addr) []topology.Node {
	var all []topology.Node
	for _, mac := range cached(via, a) {
		known := x.hardware(mac)
		if routed := slices.DeleteFunc(slices.Clone(known), bridges); len(routed) > 0 { // a bridge lends its address to what is on it
			known = routed
		}
		all = append(all, known...)
	}
	if len(all) > 0 && x.stale(via, topology.AttrARP) != "" {
		return nil
	}
	return all
}

// bridges tells that an interface is a port of a bridge, or the bridge itself, and no end of packets.
func bridges(n topology.Node) bool {
	return slices.ContainsFunc([]topology.Attr{topology.AttrTagged, topology.AttrUntagged, topology.AttrVNI}, func(a topology.Attr) bool { _, ok := n.Value(a); return ok })
}

// cached gives the hardware addresses that the neighbour cache of an interface has for an address.
func cached(via topology.Node, a netip.Addr) []topology.MAC {
	var macs []topology.MAC
	for _, v := range via.Values(topology.AttrARP) {
		if ip, hw, ok := strings.Cut(v.String(), " "); ok && ip == a.String() {
			if mac, err := topology.ParseMAC(hw); err == nil && mac.Usable() {
				macs = append(macs, mac)
			}
		}
	}
	return macs
}

// hardware gives the interfaces with a hardware address.
func (n *Network) hardware(mac topology.MAC) []topology.Node {
	if n.before != nil {
		return n.all(n.before.hardware(mac))
	}
	if n.macs == nil {
		n.macs = map[topology.MAC][]topology.Node{}
		for node := range n.Nodes(topology.VNIC, topology.Port, topology.NIC, topology.LAG) {
			if v, ok := node.Value(topology.AttrMAC); ok && v.MAC().Usable() {
				n.macs[v.MAC()] = append(n.macs[v.MAC()], node)
			}
		}
	}
	return n.macs[mac]
}
