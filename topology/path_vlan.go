package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// frameOf tells the VLAN with which frames leave a starting point: a vNIC says it, or else the port group or network that it names; an
// interface that is on a VLAN says its own.
func frameOf(n Node) (vid VID, tagged bool, doubt string) {
	if n.Kind() != VNIC {
		if v := vlans(n, AttrTagged); v.Len() > 0 {
			return 0, true, "trunk of VLANs " + v.String() + ": each has a way of its own"
		}
		return tagOf(n, 0, false)
	}
	plug, _ := n.First(AttachedTo)
	for _, says := range append([]Node{n}, profiles(plug)...) {
		if v, ok := says.Int(AttrVID); ok && v > 0 {
			return VID(v), true, ""
		}
		if v, ok := says.Value(AttrTagged); ok && v.VIDs().Len() > 0 {
			return 0, true, "trunk of VLANs " + v.String() + ": each has a way of its own"
		}
	}
	return 0, false, ""
}

// profiles gives the nodes whose VLAN counts for a vNIC that names none, in libvirt's order: port group, then network. A network may name a
// port group for the vNICs that name none.
func profiles(plug Node) []Node {
	var ps []Node
	switch plug.Kind() {
	case PortGroup:
		ps = append(ps, plug)
		if network, ok := plug.Owner(); ok {
			ps = append(ps, network)
		}
	case Network:
		for _, e := range plug.Out(Contains) {
			if name := plug.Text(AttrPortGroup); name != "" && e.To.Kind() == PortGroup && e.To.Text(AttrName) == name {
				ps = append(ps, e.To)
			}
		}
		ps = append(ps, plug)
	}
	return ps
}

// tagOf tells the VLAN of what an interface sends down: an interface on a VLAN puts its tag on.
func tagOf(n Node, vid VID, tagged bool) (VID, bool, string) {
	switch v, is := vlanOf(n); {
	case !is:
		return vid, tagged, ""
	case v == 0:
		return 0, true, cmp.Or(hampered(n), "no source says on which VLAN "+n.Name()+" is")
	default:
		return v, true, ""
	}
}

// vlanOf tells whether an interface is one on a VLAN, and on which; 0: nobody says, or its number is that of another kind of tag.
func vlanOf(n Node) (vid VID, is bool) {
	if vid, is = numberedVLAN(n); is && n.Text(AttrTPID) != "" {
		vid = 0
	}
	return vid, is
}

// numberedVLAN tells whether an interface is one on a VLAN, and its number. No MIB of the IETF says it, so where no source gives the VID it is
// read from the name of an interface of such a type (IANAifType): l3ipvlan 136 and l2vlan 135 (bond0.120), propVirtual 53 if the name is
// Vlan120 or irb.120, since routed aggregates are propVirtual, too.
func numberedVLAN(n Node) (vid VID, is bool) {
	if n.Kind() != Port && n.Kind() != NIC {
		return 0, false
	}
	if v, ok := n.Int(AttrVID); ok {
		return VID(v), true
	}
	t, _ := n.Int(AttrIfType)
	name := n.Text(AttrIfName)
	switch t {
	case 135, 136:
	case 53:
		word, _, _ := strings.Cut(strings.ToLower(strings.TrimRight(name, "0123456789")), ".")
		if word != "vlan" && word != "vl" && word != "irb" {
			return 0, false
		}
	default:
		return 0, false
	}
	v, err := ParseVID(name[len(strings.TrimRight(name, "0123456789")):])
	if err != nil {
		return 0, true
	}
	return v, true
}

// ruled tells why it is not known what a bridge of a host passes; "" if it forwards by its VLANs, as far as anybody says.
func ruled(n Node) string {
	if n.Kind() != VirtualSwitch {
		return ""
	}
	switch n.Text(AttrForwardMode) {
	case "openflow":
		return "OpenFlow rules, and not VLANs, decide what " + n.Name() + " passes"
	case "unknown":
		return "nobody has read the rules by which " + n.Name() + " forwards"
	}
	return ""
}

// filters reports that the bridge of a host is said to forward by the VLANs of its ports: then a port of which nobody says them may be in any or none.
func filters(n Node) bool { return n.Kind() == VirtualSwitch && n.Text(AttrForwardMode) == "vlans" }

// leave tells what becomes of a frame that the bridge of a host sends out by the interface of the hop, if the interface's VLANs are known (IEEE 802.1Q
// 8.6.8): it has no tag where the VLAN is untagged there, and does not leave where the interface is no member.
func (h *Hop) leave(bridge Node) {
	holder, known := vlanHolder(h.Node)
	if !known && filters(bridge) {
		h.Doubt = cmp.Or(h.Doubt, "no source says which VLANs "+h.Node.Name()+" carries")
	}
	if h.Fault == "" && blocked(h.Node, h.VID) {
		h.Fault = "spanning tree blocks " + h.Node.Name()
	}
	switch {
	case !known || h.Doubt != "" || h.Tagged && h.VID == 0:
	case h.Tagged && vlans(holder, AttrUntagged).Has(h.VID):
		h.Tagged = false
	case h.Tagged && !carries(holder, h.VID):
		if h.Fault == "" {
			h.Fault = fmt.Sprintf("VLAN %d is not carried on %s", h.VID, holder.Name())
		}
	case !h.Tagged:
		if pvid, ok := pvidOf(h.Node); ok && pvid != h.VID {
			h.Doubt = fmt.Sprintf("no source says in which VLAN the bridge has frames without a tag; without one, %s sends VLAN %d", holder.Name(), pvid)
		}
	}
}

// admit tells in which VLAN a frame is once a port has taken it (IEEE 802.1Q 8.6.1 and 8.6.2). A frame without a tag gets the PVID; vid is then
// the VLAN that it had on the side it comes from, 0 for none. One with a tag needs membership.
func admit(port Node, vid VID, tagged bool) (in VID, fault, doubt string) {
	holder, known := vlanHolder(port)
	in = vid
	switch {
	case !tagged:
		in, fault, doubt = admitUntagged(port, holder, known, vid)
	case vid == 0: // which VLAN it is, is in doubt already
	case known && vlans(holder, AttrUntagged).Has(vid):
		fault = fmt.Sprintf("VLAN %d has no tag on %s, and the frame has one", vid, holder.Name())
	case known && !carries(holder, vid):
		fault = fmt.Sprintf("VLAN %d is not carried on %s", vid, holder.Name())
	case !known && !terminates(port, vid):
		doubt = "no source says which VLANs " + port.Name() + " carries"
	}
	if fault == "" && blocked(port, in) {
		fault = "spanning tree blocks " + port.Name()
	}
	return in, fault, doubt
}

func admitUntagged(port, holder Node, known bool, vid VID) (in VID, fault, doubt string) {
	pvid, ok := pvidOf(port)
	switch {
	case ok && vid != 0 && pvid != vid:
		return vid, fmt.Sprintf("VLAN %d comes without a tag, and %s takes it for VLAN %d", vid, port.Name(), pvid), ""
	case ok && known && !carries(holder, pvid):
		return pvid, fmt.Sprintf("VLAN %d is not carried on %s", pvid, holder.Name()), ""
	case ok && known && vlans(holder, AttrTagged).Has(pvid):
		return pvid, "", oneWay(port, pvid)
	case ok:
		return pvid, "", ""
	case routed(port):
		return vid, "", ""
	}
	return vid, "", "no source says to which VLAN frames without a tag belong on " + port.Name()
}

// bearers gives a port and the aggregates that it is in, these first: the aggregate is the port of the bridge (IEEE 802.1AX 6.1.1).
func bearers(port Node) []Node { return append(port.aggregates(), port) }

// vlanHolder gives the interface whose VLAN membership counts for a port.
func vlanHolder(port Node) (Node, bool) {
	for from := range port.Subjects(SupportedBy) {
		if from.Kind() == LAG && hasVLANs(from) {
			return from, true
		}
	}
	if hasVLANs(port) {
		return port, true
	}
	return Node{}, false
}

func pvidOf(port Node) (VID, bool) {
	for _, n := range bearers(port) {
		if v, ok := n.Int(AttrPVID); ok {
			return VID(v), true
		}
	}
	return 0, false
}

// bridged tells why a device does not bridge a VLAN that its ports carry (fault), or why that is not known (doubt): what a trunk allows is one thing, which
// VLANs the device has is another (Cisco: "show vlan"). Where nobody lists its VLANs, those of its ports count.
func bridged(device Node, vid VID) (fault, doubt string) {
	if vid == 0 {
		return "", ""
	}
	if vlan, ok := device.s.Node(PartKey(VLAN, device.Key(), strconv.Itoa(int(vid)))); ok {
		switch state := vlan.Text(AttrState); state {
		case "", "active":
		case "suspended", "inactive":
			fault = fmt.Sprintf("VLAN %d is %s on %s", vid, state, device.Name())
		default:
			doubt = fmt.Sprintf("VLAN %d is %s on %s", vid, state, device.Name())
		}
		return fault, doubt
	}
	if slices.ContainsFunc(device.Out(Contains), func(e Edge) bool { return e.To.Kind() == VLAN }) {
		doubt = fmt.Sprintf("VLAN %d is not among those that %s is said to have", vid, device.Name())
	}
	return "", doubt
}

func vlans(n Node, a Attr) VIDSet {
	v, _ := n.Value(a)
	return v.VIDs()
}

func carries(n Node, vid VID) bool {
	return vlans(n, AttrTagged).Has(vid) || vlans(n, AttrUntagged).Has(vid)
}

// terminates reports whether an interface on the VLAN lies on the port.
func terminates(port Node, vid VID) bool {
	for _, n := range bearers(port) {
		for _, e := range n.In(SupportedBy) {
			if v, ok := vlanOf(e.From); ok && v == vid {
				return true
			}
		}
	}
	return false
}

// routed reports whether the port has addresses of its own: then no bridge takes its frames.
func routed(port Node) bool {
	return slices.ContainsFunc(bearers(port), func(n Node) bool {
		_, numbered := n.Value(AttrAddress)
		_, unnumbered := n.Value(AttrUnnumbered)
		return numbered || unnumbered
	})
}

// blocked reports that the VLAN's own spanning tree, else the common one, does not let the port forward (IEEE 802.1D 7.4). Of several states, as a reading that is
// not complete leaves them, the worst counts.
func blocked(port Node, vid VID) bool {
	for _, n := range bearers(port) {
		var told, own, common bool
		for _, v := range n.Values(AttrSTPState) {
			id, state, _ := strings.Cut(v.String(), " ")
			stops := slices.Contains([]string{"disabled", "blocking", "listening", "learning", "broken"}, state)
			switch id {
			case "0":
				common = common || stops
			case strconv.Itoa(int(vid)):
				told, own = true, own || stops
			}
		}
		if own || common && !told {
			return true
		}
	}
	return false
}

// stopped tells in words why nothing passes a node; "" if nothing speaks against it. An interface that is dormant or being tested passes nothing
// (RFC 2863 ifOperStatus).
func stopped(n Node) string {
	state := n.Text(AttrState)
	switch n.Kind() {
	case Network:
		if state == "inactive" {
			return "network is inactive"
		}
	case StoragePool:
		if state != "" && state != "running" && state != "active" {
			return "pool is " + state
		}
	case InitiatorPort, TargetPort:
		if state != "" && state != "online" && state != "up" {
			return "port is " + state
		}
	case LogicalUnit:
		if state == "offline" {
			return "unit is offline"
		}
	default:
		switch state {
		case "down", "lowerLayerDown", "notPresent", "dormant", "testing":
			return "state is " + state
		}
		if n.Text(AttrAdminState) == "down" {
			return "it is switched off"
		}
	}
	return ""
}

// unclear tells that it is not known whether something lets anything pass: the array of a unit did not say so in words that were understood.
func unclear(n Node) string {
	if n.Kind() == LogicalUnit && n.Text(AttrState) == "unknown" {
		return "its array does not say whether " + n.Name() + " is online"
	}
	return ""
}
