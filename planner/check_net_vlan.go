package planner

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/throughline-dc/throughline/topology"
)

// insideHost is NET-1.
func (f *finder) insideHost(l *lane) {
	said := len(f.found)
	f.bridges(l)
	f.membership(l, func(s spot) bool { return s.inside })
	switch through := l.listed(func(s spot) bool { return s.inside && s.Node.Kind().Interface() }); {
	case len(f.found) > said:
	case through == "":
		f.unknown(fmt.Sprintf("by which interfaces frames of %s leave %s is not known (NET-H2)", l.vnic.Name(), f.target.Name()), l.plug())
	default:
		f.pass(fmt.Sprintf("%s passes %s", frames(l.vid()), through), l.plug())
	}
}

// switches is NET-2.
func (f *finder) switches(l *lane) {
	said := len(f.found)
	f.membership(l, func(s spot) bool { return !s.inside })
	f.databases(l)
	if len(f.found) > said {
		return
	}
	edges := l.listed(func(s spot) bool { return s.edge })
	if edges == "" {
		f.unknown(fmt.Sprintf("which switch is behind %s is not known (NET-5)", places(l.nears())), l.nears()...)
		return
	}
	f.pass(fmt.Sprintf("%s: admitted by %s, and nothing beyond takes it away", frames(l.vid()), edges), l.fars()...)
}

// databases says of which switches nobody lists the VLANs that they have: what a trunk allows is one thing, and what the switch knows another. The bridges of Linux
// and Open vSwitch have no such list.
func (f *finder) databases(l *lane) {
	told := map[topology.Key]bool{}
	for _, s := range l.spots {
		if device, ok := s.Node.Owner(); ok && s.cause == topology.Database {
			told[device.Key()] = true
		} else if !ok && s.edge {
			f.unknown("no source says which switch has "+s.Node.Name()+", behind a cable of "+f.target.Name(), s.Node)
		}
	}
	for _, s := range l.spots {
		device, ok := s.Node.Owner()
		if s.inside || s.VID == 0 || s.cause != topology.NoCause || !ok || device.Kind() != topology.Switch || told[device.Key()] {
			continue
		}
		told[device.Key()] = true
		holder, known := topology.VLANHolder(s.Node)
		if _, has := s.Node.Snapshot().Node(topology.PartKey(topology.VLAN, device.Key(), strconv.Itoa(int(s.VID)))); has || !known {
			continue
		}
		if fact, ok := holder.Evidence(topology.AttrTagged); !ok || fact.Reading.Source != topology.SourceSSH && fact.Reading.Source != topology.SourcePlan {
			f.unknown(fmt.Sprintf("no source lists the VLANs that %s has: collect it by SNMP, CLI or SSH", device.Name()), device, s.Node)
		}
	}
}

// membership says what is wrong with the VLAN where frames come by.
func (f *finder) membership(l *lane, where func(spot) bool) {
	told := map[topology.Key]bool{}
	for _, s := range l.spots {
		if !where(s) {
			continue
		}
		if !f.rely(s.Hop) {
			continue // what is too old stops nothing, and passes nothing
		}
		device, _ := s.Node.Owner()
		switch s.cause {
		case topology.Membership:
			f.unadmitted(l, s, told)
		case topology.Database:
			if !told[device.Key()] {
				told[device.Key()] = true
				f.without(l, s, device)
			}
		case topology.Tree:
			// Beyond the host's own port it is what spanning trees are for, as long as there is another way.
			if s.edge || !reaches(l.next) {
				f.object(l, s, fmt.Sprintf("spanning tree keeps %s from forwarding %s", placeOf(s.Node), frames(s.VID)), s.Node)
			}
		default: // no matter of which VLANs are where
		}
	}
}

// object blocks, or says that it does not know. Where the same is wrong on the ways from the source, and there are others from the target, it warns: the move makes it no worse.
func (f *finder) object(l *lane, s spot, text string, about ...topology.Node) {
	about = append(about, l.vnic)
	switch {
	case s.Fault == "":
		f.unknown(text, about...)
	case s.shared && reaches(l.next):
		f.warn(text+"; it is so on a way from "+nameOf(f.source)+", too", about...)
	default:
		f.block(text, about...)
	}
}

// unadmitted says that a port does not carry the VLAN, or that nobody says which it carries. An aggregate is told once for all of its members.
func (f *finder) unadmitted(l *lane, s spot, told map[topology.Key]bool) {
	holder, known := topology.VLANHolder(s.Node)
	if s.Fault == "" || !known {
		f.object(l, s, placeOf(s.Node)+": "+s.Fault+s.Doubt, s.Node)
		return
	}
	if told[holder.Key()] {
		return
	}
	told[holder.Key()] = true
	verb := "does not admit"
	if s.inside {
		verb = "does not have"
	}
	member := ""
	if holder != s.Node {
		member = " (" + s.Node.Name() + ")"
	}
	f.object(l, s, fmt.Sprintf("%s%s %s %s", placeOf(holder), member, verb, frames(s.VID)), holder, s.Node)
	a, word := topology.AttrTagged, "tag VLAN %d on %s"
	if !s.Tagged && !s.inside {
		a, word = topology.AttrUntagged, "add VLAN %d without a tag on %s"
	}
	if s.VID > 0 {
		f.mend(fmt.Sprintf(word, s.VID, placeOf(holder)), withVLAN(holder, a, s.VID))
	}
}

// without says that a switch does not have the VLAN, or does not use it.
func (f *finder) without(l *lane, s spot, device topology.Node) {
	f.object(l, s, s.Fault+s.Doubt, device, s.Node)
	k := topology.PartKey(topology.VLAN, device.Key(), strconv.Itoa(int(s.VID)))
	vlan, ok := s.Node.Snapshot().Node(k)
	active := []topology.Value{topology.TextValue("active")}
	if !ok {
		f.mend(fmt.Sprintf("add VLAN %d to %s", s.VID, device.Name()),
			topology.Change{Subject: device.Key(), Rel: topology.Contains, Object: k, Add: true},
			topology.Change{Subject: k, Attr: topology.AttrVID, After: []topology.Value{topology.IntValue(s.VID)}},
			topology.Change{Subject: k, Attr: topology.AttrState, After: active})
		return
	}
	if state := vlan.Text(topology.AttrState); state == "suspended" || state == "inactive" {
		f.mend(fmt.Sprintf("activate VLAN %d on %s", s.VID, device.Name()), topology.Change{Subject: k, Attr: topology.AttrState, Before: believed(vlan, topology.AttrState), After: active})
	}
}

// native is NET-3.
func (f *finder) native(l *lane) {
	said := len(f.found)
	told := map[topology.Key]bool{}
	for _, s := range l.spots {
		if s.cause != topology.Native || told[s.Node.Key()] || !f.rely(s.Hop) {
			continue
		}
		told[s.Node.Key()] = true
		f.object(l, s, placeOf(s.Node)+": "+s.Fault+s.Doubt, s.Node)
		if s.Fault == "" || s.VID == 0 {
			continue
		}
		holder, known := topology.VLANHolder(s.Node)
		if !known {
			holder = bearers(s.Node)[0]
		}
		if s.Tagged {
			f.mend(fmt.Sprintf("tag VLAN %d on %s", s.VID, placeOf(holder)), withoutVLAN(holder, topology.AttrUntagged, s.VID), withVLAN(holder, topology.AttrTagged, s.VID))
		} else {
			f.mend(fmt.Sprintf("set the native VLAN of %s to %d", placeOf(holder), s.VID), nativeVLAN(s.Node, holder, s.VID)...)
		}
	}
	for _, s := range l.spots {
		if s.edge && s.Fault == "" && s.cause == topology.Membership {
			f.unknown(placeOf(s.Node)+": "+s.Doubt, s.Node)
		}
	}
	if len(f.found) == said && f.rely(l.hops(func(s spot) bool { return s.edge })...) {
		f.pass("no port on the way takes frames of "+l.vnic.Name()+" for those of another VLAN", l.fars()...)
	}
}

// nativeVLAN makes a VLAN the one of frames without a tag, both ways.
func nativeVLAN(port, holder topology.Node, vid topology.VID) []topology.Change {
	at := holder
	for _, n := range bearers(port) {
		if _, ok := n.Value(topology.AttrPVID); ok {
			at = n
			break
		}
	}
	was, _ := at.Value(topology.AttrPVID)
	untagged := topology.VIDs(append(slices.DeleteFunc(vlansOf(holder, topology.AttrUntagged), func(v topology.VID) bool { return v == topology.VID(was.Int()) }), vid)...)
	changes := []topology.Change{
		{Subject: at.Key(), Attr: topology.AttrPVID, Before: believed(at, topology.AttrPVID), After: []topology.Value{topology.IntValue(vid)}},
		{Subject: holder.Key(), Attr: topology.AttrUntagged, Before: believed(holder, topology.AttrUntagged), After: []topology.Value{topology.VIDsValue(untagged)}},
	}
	if slices.Contains(vlansOf(holder, topology.AttrTagged), vid) {
		changes = append(changes, withoutVLAN(holder, topology.AttrTagged, vid))
	}
	return changes
}

func vlansOf(n topology.Node, a topology.Attr) []topology.VID {
	v, ok := n.Value(a)
	if !ok {
		return nil
	}
	return v.VIDs().All()
}

func withVLAN(n topology.Node, a topology.Attr, vid topology.VID) topology.Change {
	after := topology.VIDs(append(vlansOf(n, a), vid)...)
	return topology.Change{Subject: n.Key(), Attr: a, Before: believed(n, a), After: []topology.Value{topology.VIDsValue(after)}}
}

func withoutVLAN(n topology.Node, a topology.Attr, vid topology.VID) topology.Change {
	after := topology.VIDs(slices.DeleteFunc(vlansOf(n, a), func(v topology.VID) bool { return v == vid })...)
	return topology.Change{Subject: n.Key(), Attr: a, Before: believed(n, a), After: []topology.Value{topology.VIDsValue(after)}}
}

// believed gives an attribute as changes want it before.
func believed(n topology.Node, a topology.Attr) []topology.Value {
	vs := n.Values(a)
	if !a.Multi() {
		return vs[:min(1, len(vs))]
	}
	slices.SortFunc(vs, topology.Value.Compare)
	return vs
}

// listed names the places that are some.
func (l *lane) listed(some func(spot) bool) string {
	var nodes []topology.Node
	for _, s := range l.spots {
		if some(s) {
			nodes = append(nodes, s.Node)
		}
	}
	return places(nodes)
}

func (l *lane) hops(some func(spot) bool) []topology.Hop {
	var hops []topology.Hop
	for _, s := range l.spots {
		if some(s) {
			hops = append(hops, s.Hop)
		}
	}
	return hops
}

// nears and fars are the ends of the cables by which frames leave the target.
func (l *lane) nears() []topology.Node {
	var nodes []topology.Node
	for _, x := range l.exits {
		nodes = append(nodes, x.near)
	}
	return nodes
}

func (l *lane) fars() []topology.Node {
	var nodes []topology.Node
	for _, x := range l.exits {
		if !x.far.IsZero() {
			nodes = append(nodes, x.far)
		}
	}
	return nodes
}

func nameOf(n topology.Node) string {
	if n.IsZero() {
		return "where it runs"
	}
	return n.Name()
}
