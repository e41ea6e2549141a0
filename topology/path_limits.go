package topology

import (
	"cmp"
	"fmt"
	"slices"
)

// What keeps frames from passing although the VLANs of the ports would let them: tags within tags, ports that a bridge keeps apart, and the port of a bridge
// that a vNIC is behind.

// hampered tells why it is not known what passes an interface, whatever its VLANs are: it has other tags than those of the model's VLANs, or its bridge takes
// frames of known addresses alone; "" if neither is said.
func hampered(n Node) string {
	if !n.Kind().Interface() && n.Kind() != VNIC {
		return ""
	}
	for _, b := range bearers(n) {
		if p := b.Text(AttrTPID); p != "" {
			return fmt.Sprintf("the tags of %s are those of %s: what rides inside of them is not known", b.Name(), p)
		}
		if portLimit(b, "locked") {
			return b.Name() + " is locked: its bridge takes the frames of known addresses alone"
		}
	}
	return ""
}

// isolated reports that a port passes nothing to other isolated ports of its bridge.
func isolated(port Node) bool {
	return slices.ContainsFunc(bearers(port), func(n Node) bool { return portLimit(n, "isolated") })
}

func portLimit(n Node, limit string) bool {
	return slices.ContainsFunc(n.Values(AttrPortLimit), func(v Value) bool { return v.String() == limit })
}

// apart tells that a bridge does not pass frames between two of its ports; "" if nothing is said. A port is known by several nodes, as entry gives them.
func apart(a, b []Node) string {
	if !slices.ContainsFunc(a, isolated) || !slices.ContainsFunc(b, isolated) {
		return ""
	}
	return a[0].Name() + " and " + b[0].Name() + " are isolated from each other"
}

// kept tells why a bridge may keep from each other two paths that meet in it, at hops i and j; "" if nothing is said.
func kept(p []Hop, i int, q []Hop, j int) string {
	if p[i].Node == q[j].Node && (p[i].Node.Kind().Interface() || p[i].Node.Kind() == Network) {
		if why := direct(p[:i+1], q[:j+1]); why != "" {
			return why
		}
	}
	return apart(entry(p, i), entry(q, j))
}

// direct tells that two paths come to one interface without a bridge above it, so that what the one sends has to come back by the cable to get to the other:
// "" for two guests on it in mode bridge, between which the kernel passes frames itself (macvtap; libvirt's formatdomain, "Direct attachment to physical
// interface"). Of a network over several interfaces nobody knows on which of them a guest sits.
func direct(p, q []Hop) string {
	at := p[len(p)-1].Node
	if at.Kind() == Network {
		var nics []Node
		for _, e := range at.Out(SupportedBy) {
			if e.To.Kind() == NIC {
				nics = append(nics, e.To)
			}
		}
		if mode := at.Text(AttrForwardMode); len(nics) == 0 || len(nics) == 1 && mode == "bridge" {
			return ""
		}
	} else if linked(p) == "bridge" && linked(q) == "bridge" {
		return ""
	}
	return fmt.Sprintf("%s and %s are on %s without a bridge: whether what one sends comes back to the other is not known", p[0].Node.Name(), q[0].Node.Name(), at.Name())
}

// linked is how a guest sits on the interface at the end of its hops (AttrLinkMode); "" if it does not, or nobody says.
func linked(hops []Hop) string {
	if len(hops) != 2 || hops[0].Node.Kind() != VNIC {
		return ""
	}
	return hops[0].Node.Text(AttrLinkMode)
}

// ownInterface tells that a guest sits on an interface of its host without a bridge: then what the host itself sends by it goes out by the cable, and what the
// guest sends to the host, too (macvtap).
func ownInterface(hops []Hop) string {
	if len(hops) < 2 || hops[0].Node.Kind() != VNIC || slices.ContainsFunc(hops, func(h Hop) bool { return h.Rel == Link || h.Node.Kind() == VirtualSwitch }) {
		return ""
	}
	at := hops[len(hops)-1].Node
	return fmt.Sprintf("%s is on %s without a bridge: whether it and its host hear each other there is not known", hops[0].Node.Name(), at.Name())
}

// entry gives what is known of the port by which a path comes into the bridge at one of its hops: the port, or of a vNIC's all that says how it is plugged
// in, the port of the bridge first. None if nobody knows it.
func entry(hops []Hop, i int) []Node {
	at := hops[i].Node
	switch {
	case at.Kind().Interface():
		return []Node{at}
	case i > 0 && hops[i-1].Node.Kind().Interface():
		return []Node{hops[i-1].Node}
	case hops[0].Node.Kind() != VNIC || i > 0 && hops[i-1].Node.Kind() == VirtualSwitch:
		return nil
	}
	var nodes []Node
	if port := tap(hops[0].Node, at); !port.IsZero() {
		nodes = append(nodes, port)
	}
	for _, h := range hops[:i] {
		nodes = append(nodes, h.Node)
	}
	return nodes
}

// tap finds the port of a host's bridge that a vNIC is behind, by the name that the hypervisor says the host has for it. What a plan has moved gets another name there: the
// port that has the old one is another guest's.
func tap(vnic, bridge Node) Node {
	name := vnic.Text(AttrDeviceName)
	host, ok := bridge.Owner()
	if name == "" || !ok || moved(vnic) && !namedBy(vnic, host) {
		return Node{}
	}
	n, _ := bridge.s.Node(PartKey(Port, host.Key(), name))
	return n
}

// Tap is the port of a bridge of a host that a vNIC is behind, if it is known; the bridge may be anything of that host.
func Tap(vnic, bridge Node) (Node, bool) {
	port := tap(vnic, bridge)
	return port, !port.IsZero()
}

// moved tells that a plan says what a vNIC plugs into.
func moved(vnic Node) bool {
	es := vnic.Out(AttachedTo)
	return len(es) > 0 && es[0].Reading.Source == SourcePlan
}

// namedBy tells that it was this host that had the vNIC's name.
func namedBy(vnic, host Node) bool {
	f, _ := vnic.Evidence(AttrDeviceName)
	return slices.ContainsFunc(host.Values(AttrHandle), func(v Value) bool { return v.String() == f.Reading.Device })
}

// plug makes of a hop to a bridge what the port of the bridge that the vNIC is behind says: the VLAN of frames without a tag, which the vNIC's definition need
// not name, and what is not known of the port.
func (h *Hop) plug(hops []Hop) {
	if h.Node.Kind() != VirtualSwitch || hops[0].Node.Kind() != VNIC {
		return
	}
	port := tap(hops[0].Node, h.Node)
	var holder Node
	var known bool
	if !port.IsZero() {
		h.Doubt = cmp.Or(h.Doubt, hampered(port))
		holder, known = vlanHolder(port)
	}
	if known {
		h.plugAt(port, holder, hops[0].Node)
	} else if !h.Tagged && filters(h.Node) {
		h.Doubt = cmp.Or(h.Doubt, "no source says in which VLAN "+h.Node.Name()+" has "+hops[0].Node.Name())
	}
}

// plugAt is plug where the VLANs of the port are known: those of the holder.
func (h *Hop) plugAt(port, holder, vnic Node) {
	pvid, ok := pvidOf(port)
	switch {
	case h.Tagged && h.VID == 0:
	case !h.Tagged && ok && carries(holder, pvid):
		h.VID, h.Tagged = pvid, true
		if vlans(holder, AttrTagged).Has(pvid) {
			h.Doubt = cmp.Or(h.Doubt, oneWay(port, pvid))
		}
	case !h.Tagged && vlans(holder, AttrTagged).Len() == 4094: // an open trunk of Open vSwitch passes what has no tag, too
	case !h.Tagged:
		h.Doubt = cmp.Or(h.Doubt, "no source says to which VLAN frames without a tag belong on "+port.Name())
	case !carries(holder, h.VID):
		h.Doubt = cmp.Or(h.Doubt, fmt.Sprintf("%s is said to be in VLAN %d, and %s does not carry it", vnic.Name(), h.VID, port.Name()))
	}
}

// oneWay words that frames without a tag come into a VLAN by a port and leave it with one.
func oneWay(port Node, vid VID) string {
	return fmt.Sprintf("%s takes frames without a tag for VLAN %d, and sends those of VLAN %d with a tag", port.Name(), vid, vid)
}

// stacked tells that an interface puts its tag on frames that have one already, since what such frames meet is not what those of one tag do; "" if not.
func stacked(hops []Hop, to Node) string {
	v, is := vlanOf(to)
	last := hops[len(hops)-1]
	if is && (last.Tagged && last.VID != v || slices.ContainsFunc(hops, func(h Hop) bool { return rides(h.Node, to) })) {
		return "frames have a tag already where " + to.Name() + " puts on its own: who takes both off is not known"
	}
	return ""
}

// rides reports that the tag of one interface is inside that of another that it lies on. Two of one VLAN may be one tag, as an agent shows an interface for
// packets over one for frames, unless both are for frames (l2vlan 135): Linux has one interface for both.
func rides(upper, lower Node) bool {
	u, is := vlanOf(upper)
	v, also := vlanOf(lower)
	if !is || !also {
		return false
	}
	a, _ := upper.Int(AttrIfType)
	b, _ := lower.Int(AttrIfType)
	return u != v || a == 135 && b == 135
}

// ridesBelow reports that an interface's tag is inside another one.
func ridesBelow(n Node) bool {
	return slices.ContainsFunc(n.Out(SupportedBy), func(e Edge) bool { return rides(n, e.To) })
}
