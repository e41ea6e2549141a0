package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// sameSwitch is NET-H5.
func (f *finder) sameSwitch(l *lane) {
	said := len(f.found)
	was, _ := l.vnic.First(topology.AttachedTo)
	plug := l.plug()
	f.sameVLAN(l, was, plug)
	if profile, ok := l.vnic.Value(topology.AttrProfileID); ok && strings.HasPrefix(l.vnic.Text(topology.AttrVirtualPort), "802.1Q") && f.fresh(l.vnic, topology.AttrProfileID) {
		f.unknown(fmt.Sprintf("whether the switch behind %s knows profile %s, which %s asks for, no source says", f.target.Name(), profile, l.vnic.Name()), f.target, l.vnic)
	}
	if plug.Kind() == topology.VirtualSwitch {
		f.sameKind(l, was, plug)
	}
	f.filterThere(l)
	if len(f.found) == said {
		f.pass(fmt.Sprintf("%s takes %s as %s does", placeOf(plug), l.vnic.Name(), placeOf(was)), plug)
	}
}

// filterThere tells whether the target has a network filter of the name that a vNIC asks for: libvirt starts it nowhere else. What it does there, NET-9 compares.
func (f *finder) filterThere(l *lane) {
	name := l.vnic.Text(topology.AttrFilterRef)
	if name == "" || !f.fresh(l.vnic, topology.AttrFilterRef) {
		return
	}
	for _, v := range f.target.Values(topology.AttrNetworkFilter) {
		if defined, _, _ := strings.Cut(v.String(), " "); defined == name {
			f.cites(f.target, topology.AttrNetworkFilter)
			return
		}
	}
	if f.listed(f.target, topology.SourceLibvirt, "nwfilters") {
		f.block(fmt.Sprintf("%s has no network filter %s, which %s asks for: it would not start there", f.target.Name(), name, l.vnic.Name()), f.target, l.vnic)
	}
}

// sameVLAN tells whether port group or network put the vNIC into the VLAN that it is in now, where it does not name one itself.
func (f *finder) sameVLAN(l *lane, was, plug topology.Node) {
	now, next := beginOf(l.now), beginOf(l.next)
	if now == next || now.Fault != "" || next.Fault != "" {
		return
	}
	if now.VID == 0 && !f.described(was) || next.VID == 0 && !f.described(plug) {
		return
	}
	f.block(fmt.Sprintf("%s %s puts %s into %s, that of %s into %s", plug.Kind(), placeOf(plug), l.vnic.Name(), frames(next.VID), nameOf(f.source), frames(now.VID)), plug, was, l.vnic)
	if now.VID > 0 && next.VID > 0 {
		at := plug
		if _, ok := plug.Value(topology.AttrVID); !ok {
			at = networkOf(l.then)
		}
		f.mend(fmt.Sprintf("set VLAN %d on %s %s", now.VID, at.Kind(), placeOf(at)),
			topology.Change{Subject: at.Key(), Attr: topology.AttrVID, Before: believed(at, topology.AttrVID), After: []topology.Value{topology.IntValue(now.VID)}})
	}
}

// begin is how frames of a vNIC begin.
type begin struct {
	VID    topology.VID
	Tagged bool
	Fault  string
}

func beginOf(r topology.Rail) begin {
	if len(r.Paths) == 0 {
		return begin{Fault: "no way"}
	}
	h := r.Paths[0].Hops[0]
	return begin{h.VID, h.Tagged, h.Fault}
}

// Kinds of bridges of hosts.
const (
	openSwitch  = "an Open vSwitch"
	linuxSwitch = "a Linux bridge"
)

// sameKind tells whether a vNIC that names a bridge finds one of its kind. Whoever names a network leaves that to the network.
func (f *finder) sameKind(l *lane, was, plug topology.Node) {
	wants := linuxSwitch
	if l.vnic.Text(topology.AttrVirtualPort) == "openvswitch" {
		wants = openSwitch
	}
	switch has := switchKind(plug); has {
	case wants:
	case "":
		f.unknown(fmt.Sprintf("no source says whether %s is %s, which %s wants: collect the host by SSH", placeOf(plug), wants, l.vnic.Name()), plug, l.vnic)
	default:
		f.block(fmt.Sprintf("%s is %s, and %s wants %s, as %s is", placeOf(plug), has, l.vnic.Name(), wants, placeOf(was)), plug, l.vnic)
	}
}

// switchKind tells of what kind a bridge is: as the networks over it say, or those who have read it; "" if nobody does.
func switchKind(bridge topology.Node) string {
	for _, n := range append([]topology.Node{bridge}, peersIn(bridge, topology.SupportedBy)...) {
		if n.Text(topology.AttrVirtualPort) == "openvswitch" {
			return openSwitch
		}
	}
	kind := ""
	for fact := range bridge.Facts() {
		switch table := fact.Reading.Table; {
		case fact.Reading.Source != topology.SourceSSH:
		case strings.HasPrefix(table, "ovs-"):
			return openSwitch
		case table == "ip-link" || strings.HasPrefix(table, "bridge-"):
			kind = linuxSwitch
		}
	}
	return kind
}

// sameAddress is NET-H6.
func (f *finder) sameAddress(l *lane) {
	said := len(f.found)
	mac, ok := f.value(l.vnic, topology.AttrMAC)
	if !ok {
		return
	}
	if !mac.MAC().Usable() {
		f.unknown(fmt.Sprintf("the address of %s is said to be %s, which is none", l.vnic.Name(), mac), l.vnic)
		return
	}
	if !f.whole(f.target) || !f.listed(f.target, topology.SourceLibvirt, "domains") {
		return
	}
	other, read := f.interfaceWith(l, mac)
	if !read {
		f.unknown("no source says the hardware addresses of "+f.target.Name()+": collect it by SSH or SNMP", f.target)
		return
	}
	if other.IsZero() {
		other = f.guestWith(mac)
	}
	if !other.IsZero() {
		f.twice(l, other, mac)
		return
	}
	if len(f.found) == said {
		f.pass(fmt.Sprintf("nothing on %s has the address %s of %s", f.target.Name(), mac, l.vnic.Name()), f.target)
	}
}

// interfaceWith gives the target's own interface that has the address of a vNIC, if one does; read tells that somebody has read such addresses there at all.
func (f *finder) interfaceWith(l *lane, mac topology.Value) (other topology.Node, read bool) {
	for _, e := range f.target.Out(topology.Contains) {
		if !e.To.Kind().Interface() {
			continue
		}
		v, has := e.To.Value(topology.AttrMAC)
		read = read || has
		f.looked(e.To)
		if has && v == mac && !slices.Contains(bearersBelow(l.vnic), e.To) && f.fresh(e.To, topology.AttrMAC) {
			return e.To, true
		}
	}
	return topology.Node{}, read
}

// guestWith gives the vNIC of another VM on the target that has the address, if one does. A VM that is shut off sends nothing.
func (f *finder) guestWith(mac topology.Value) topology.Node {
	for _, e := range f.target.In(topology.RunsOn) {
		if e.From == f.vm || e.From.Text(topology.AttrState) == "shutoff" {
			continue
		}
		for _, p := range e.From.Out(topology.Contains) {
			if v, has := p.To.Value(topology.AttrMAC); has && v == mac && p.To.Kind() == topology.VNIC && f.fresh(p.To, topology.AttrMAC) {
				return p.To
			}
		}
	}
	return topology.Node{}
}

// bearersBelow is what of a host a vNIC is itself: the interface that it is on without a bridge, which may have its address.
func bearersBelow(vnic topology.Node) []topology.Node {
	plug, ok := vnic.First(topology.AttachedTo)
	if !ok {
		return nil
	}
	return []topology.Node{plug}
}

// twice says that another one has the address: in another VLAN bridges tell the two apart, as far as they keep VLANs apart.
func (f *finder) twice(l *lane, other topology.Node, mac topology.Value) {
	text := fmt.Sprintf("%s has the address %s of %s", placeOf(other), mac, l.vnic.Name())
	var vid topology.VID
	if v, ok := other.Int(topology.AttrVID); ok {
		vid = topology.VID(v)
	} else if v, ok := other.Int(topology.AttrPVID); ok {
		vid = topology.VID(v)
	}
	if vid > 0 && l.vid() > 0 && vid != l.vid() {
		f.warn(fmt.Sprintf("%s, in VLAN %d: what does not keep VLANs apart takes the two for one", text, vid), other, l.vnic)
		return
	}
	f.block(text+": frames would go to either", other, l.vnic)
}
