package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Enclosure is how far frames get from a place at most, by all that may be: every bridge that they may come to, in which VLANs, and whoever is at its ports. Where that is known
// to be all, whoever is not there gets none of them. What may stop frames within (spanning tree, private VLANs, filters) is not looked at: it makes the enclosure smaller, never larger.
type Enclosure struct {
	Open  string // why frames may get further than is known; "" if they do not
	Rests []Hop  // what that rests on: the ports that were looked at, and the cables, with the readings that list them
	Ends  []Hop  // the ports that have the VLAN and are down, trunks first

	places []segment
	seen   map[segment]bool
	owners map[Key]bool // devices to which frames get
	self   Node         // the guest from whom they are
	vid    VID
}

// segment is a VLAN on a bridge.
type segment struct {
	device Node
	vid    VID
}

// mostPlaces bounds what is looked at: whoever has more than so many switches behind one uplink is not cut off by it.
const mostPlaces = 64

// Enclose follows frames from an interface or vNIC; paths are its NetworkPaths.
func Enclose(from Node, paths []Path) *Enclosure {
	e := &Enclosure{seen: map[segment]bool{}, owners: map[Key]bool{}}
	if vm, ok := from.Owner(); ok && vm.Kind() == VM {
		e.self = vm
	}
	if len(paths) == 0 || len(paths) >= maxPaths {
		e.open("not all ways of " + from.Name() + " are known")
	}
	for _, p := range paths {
		e.begin(p)
	}
	for i := 0; i < len(e.places) && e.Open == ""; i++ {
		if i == mostPlaces {
			e.open(fmt.Sprintf("VLAN %d is on more switches than are looked at", e.vid))
			break
		}
		e.spread(e.places[i])
	}
	slices.SortStableFunc(e.Ends, func(a, b Hop) int { return boolOrder(b.Tagged, a.Tagged) })
	return e
}

func (e *Enclosure) open(why string) { e.Open = cmp.Or(e.Open, why) }

// begin follows a path inside its host, up to the cable.
func (e *Enclosure) begin(p Path) {
	for i, h := range p.Hops {
		if i > 0 && h.Rel == Link {
			near := p.Hops[i-1]
			if owner, ok := near.Node.Owner(); ok && owner.Kind() == Host {
				e.leaf(owner, near.Node, near.VID)
			}
			e.out(near.Node, near.VID, near.Tagged)
			return
		}
		e.Rests = append(e.Rests, h)
		switch {
		case h.Doubt != "":
			e.open(h.Node.Name() + ": " + h.Doubt)
			return
		case h.Fault != "" && h.Cause() != Tree:
			return
		}
	}
	e.open(cmp.Or(p.Gap, "where the ways of "+p.Hops[0].Node.Name()+" lead is not known"))
}

// spread goes on from a bridge by all of its ports.
func (e *Enclosure) spread(at segment) {
	if vlan, ok := at.device.s.Node(PartKey(VLAN, at.device.Key(), strconv.Itoa(int(at.vid)))); ok {
		e.overlaid(at.device, vlan)
	}
	e.understood(at.device)
	ports := slices.DeleteFunc(at.device.Out(Contains), func(c Edge) bool { return !c.To.Kind().Interface() })
	whole := slices.ContainsFunc(ports, func(c Edge) bool { return listsVLANs(c.To) })
	if !whole {
		e.open("no source lists the VLANs of all ports of " + at.device.Name())
	}
	for _, c := range ports {
		if c.Reading.Partial {
			e.open(fmt.Sprintf("what %s said of the interfaces of %s by %s %s is not all", c.Reading.Device, at.device.Name(), c.Reading.Source, c.Reading.Table))
		}
		if e.Open != "" {
			return
		}
		e.Rests = append(e.Rests, Hop{Node: c.To, Rel: Contains, Reading: c.Reading, Confidence: c.Confidence})
		e.port(at, c.To)
	}
}

// port looks at one port of a bridge.
func (e *Enclosure) port(at segment, p Node) {
	holder, known := vlanHolder(p)
	stop := stopped(p)
	if stop != "" && !agreed(p) {
		e.open("sources disagree on whether " + e.name(p) + " is up")
	}
	cabled := len(p.Peers(Link))+len(p.Out(HasNeighbor)) > 0
	switch {
	case p.Kind() == LAG && len(p.Out(SupportedBy)) > 0: // its members have the cables
	case stop != "" && known && carries(holder, at.vid):
		e.Ends = append(e.Ends, Hop{Node: p, VID: at.vid, Tagged: !vlans(holder, AttrUntagged).Has(at.vid), Fault: stop})
	case stop != "":
	case !known && cabled && !routed(p):
		e.open("no source says which VLANs " + e.name(p) + " carries")
	case !known: // the bridge lists its ports, and this is none of them
		e.overlaid(at.device, p)
		e.understood(p)
	case hampered(p) != "":
		e.open(hampered(p))
	case !carries(holder, at.vid):
		if !listsVLANs(p) {
			e.open("not all VLANs of " + e.name(p) + " are known")
		}
		e.understood(p)
	default:
		if _, own := vlanOf(p); own && !cabled {
			return // the device's own interface on the VLAN
		}
		e.out(p, at.vid, !vlans(holder, AttrUntagged).Has(at.vid))
	}
}

// agreed tells that nobody says of a port that is down that it is up.
func agreed(p Node) bool {
	if p.Text(AttrAdminState) == "down" {
		return !says(p, AttrAdminState, "up")
	}
	return !says(p, AttrState, "up")
}

func says(n Node, a Attr, what string) bool {
	for f := range n.About(a) {
		if f.Value.String() == what {
			return true
		}
	}
	return false
}

// name is a port's with its device's.
func (e *Enclosure) name(p Node) string {
	if o, ok := p.Owner(); ok {
		return o.Name() + " " + p.Name()
	}
	return p.Name()
}

// listsVLANs tells that a whole reading lists the VLANs of a port.
func listsVLANs(p Node) bool {
	holder, known := vlanHolder(p)
	if !known {
		return false
	}
	for _, a := range []Attr{AttrTagged, AttrUntagged} {
		for f := range holder.About(a) {
			if !f.Reading.Partial {
				return true
			}
		}
	}
	return false
}

// overlaid opens the enclosure where a VLAN, or an interface, leads into tunnels.
func (e *Enclosure) overlaid(device, n Node) {
	for _, a := range []Attr{AttrVNI, AttrVTEP, AttrTunnelEntry} {
		if _, ok := n.Value(a); ok {
			e.open(fmt.Sprintf("%s of %s leads into tunnels", n.Name(), device.Name()))
		}
	}
}

// understood opens the enclosure where nobody understood what the configuration says: it may be anything.
func (e *Enclosure) understood(n Node) {
	if v, ok := n.Value(AttrUnparsed); ok {
		e.open(fmt.Sprintf("of %s nobody understood %s", n.Name(), v))
	}
}

// out follows frames by the cable of a port. What stays in doubt about it is not followed.
func (e *Enclosure) out(p Node, vid VID, tagged bool) {
	e.understood(p)
	links, doubt := cables(p)
	switch {
	case doubt != "":
		e.open(doubt)
	case vid == 0 && tagged:
		e.open("the VLAN of frames that leave by " + e.name(p) + " is not known")
	case hampered(p) != "":
		e.open(hampered(p))
	case len(links) == 0:
		e.open(fmt.Sprintf("%s carries VLAN %d, and no source says what is behind it", e.name(p), vid))
	}
	for _, l := range links {
		far := l.Peer(p)
		if l.Confidence < ConfidenceCDP {
			e.open("what " + e.name(p) + " is cabled to is known by learned addresses alone")
		}
		e.company(p, far)
		e.Rests = append(e.Rests, Hop{Node: p}, step(l, far, vid, tagged))
		e.arrive(p, far, vid, tagged)
	}
}

// company opens the enclosure where a port hears more than what it is cabled to: then something lies between.
func (e *Enclosure) company(p, far Node) {
	for _, heard := range p.Out(HasNeighbor) {
		id, ok := heard.To.First(IdentifiedAs)
		if !ok || id != far && !sameDevice(id, far) && !ownedBy(far, id) {
			e.open(fmt.Sprintf("%s hears %s beside %s", e.name(p), cmp.Or(heard.To.Text(AttrSysName), heard.To.Name()), e.name(far)))
		}
	}
}

func ownedBy(part, whole Node) bool {
	o, ok := part.Owner()
	return ok && o == whole
}

// arrive is at the other end of a cable.
func (e *Enclosure) arrive(p, far Node, vid VID, tagged bool) {
	device, ok := far.Owner()
	if !ok {
		e.open("no source says what " + far.Name() + " belongs to")
		return
	}
	switch holder, known := vlanHolder(far); device.Kind() {
	case Switch, Router, Firewall:
		e.owners[device.Key()] = true
		switch {
		case known:
			e.enter(device, p, far, holder, vid, tagged)
		case !routed(far) && (!tagged || !ended(far, vid)):
			e.open("no source says which VLANs " + e.name(far) + " carries")
		}
	case Host, Array:
		e.leaf(device, far, vid)
		e.learned(p, device, vid)
	default:
		e.open(fmt.Sprintf("what %s %s does with frames is not known", device.Kind(), device.Name()))
	}
}

// ended tells that a device has an address on the VLAN at the port itself, and so routes what comes by it: its port is none of a bridge.
func ended(port Node, vid VID) bool {
	for _, n := range bearers(port) {
		for upper := range n.Subjects(SupportedBy) {
			if v, ok := vlanOf(upper); ok && v == vid && (routed(upper) || len(upper.Out(InSubnet)) > 0) {
				return true
			}
		}
	}
	return false
}

// enter is a bridge, by one of its ports: in the VLAN of the frames, in that which the port puts those without a tag into, and in those whose frames come the other way as ours.
func (e *Enclosure) enter(device, p, far, holder Node, vid VID, tagged bool) {
	if tagged && carries(holder, vid) {
		e.add(segment{device, vid})
	}
	if !tagged {
		pvid, ok := pvidOf(far)
		if !ok {
			e.open("no source says to which VLAN frames without a tag belong on " + e.name(far))
		}
		e.add(segment{device, pvid})
	}
	if native, ok := pvidOf(p); ok && native == vid && vid > 0 {
		for _, other := range vlans(holder, AttrUntagged).All() {
			e.add(segment{device, other})
		}
	}
}

func (e *Enclosure) add(at segment) {
	if e.owners[at.device.Key()] = true; !e.seen[at] {
		e.seen[at], e.vid = true, cmp.Or(e.vid, at.vid)
		e.places = append(e.places, at)
	}
}

// leaf is a device that passes frames to its own guests alone, as far as that is known: it has one uplink, and no guest that may join networks.
func (e *Enclosure) leaf(device, far Node, vid VID) {
	e.owners[device.Key()] = true
	if at := (segment{device, vid}); device.Kind() != Host || e.seen[at] {
		return
	} else {
		e.seen[at] = true
	}
	taps := map[string]bool{}
	for vm := range device.Subjects(RunsOn) {
		plugs := map[segment]bool{}
		for part := range vm.Objects(Contains) {
			if part.Kind() == VNIC {
				taps[cmp.Or(part.Text(AttrDeviceName), part.Key().ID)] = true
				plug, _ := part.First(AttachedTo)
				vid, _, _ := frameOf(part)
				plugs[segment{plug, vid}] = true
			}
		}
		if len(plugs) > 1 && vm != e.self {
			e.open(fmt.Sprintf("%s on %s is in several networks, and nobody says whether it passes frames between them", vm.Name(), device.Name()))
		}
	}
	mine := bearers(far)
	for _, lag := range far.aggregates() {
		mine = append(mine, slices.Collect(lag.Objects(SupportedBy))...)
	}
	e.uplinks(far, mine)
	for port := range device.Objects(Contains) {
		_, own := vlanOf(port)
		holder, known := vlanHolder(port)
		if port.Kind().Interface() && known && !own && carries(holder, vid) && stopped(port) == "" && !slices.Contains(mine, port) && !taps[port.Text(AttrIfName)] {
			e.open(fmt.Sprintf("%s carries VLAN %d, and no source says what is behind it", e.name(port), vid))
		}
	}
}

// uplinks opens the enclosure where a bridge over an interface of a host has others below it.
func (e *Enclosure) uplinks(far Node, mine []Node) {
	above, seen := slices.Clone(mine), map[Node]bool{}
	for i := 0; i < len(above) && i < maxSteps; i++ { // it grows meanwhile
		for n := range above[i].Subjects(SupportedBy) {
			if !seen[n] {
				seen[n] = true
				above = append(above, n)
			}
		}
	}
	for _, n := range above {
		for below := range n.Objects(SupportedBy) {
			if !seen[below] && !slices.Contains(mine, below) && stopped(below) == "" {
				e.open(fmt.Sprintf("%s lies on %s, too, and not on %s alone", n.Name(), e.name(below), far.Name()))
			}
		}
	}
	device, _ := far.Owner()
	for port := range device.Objects(Contains) {
		cabled := len(port.Peers(Link))+len(port.Out(HasNeighbor)) > 0
		if cabled && !slices.Contains(mine, port) && !routed(port) && len(port.In(SupportedBy)) == 0 && stopped(port) == "" {
			e.open(fmt.Sprintf("no source says what lies on %s: %s may pass frames to it", e.name(port), device.Name()))
		}
	}
}

// learned opens the enclosure where a switch has learned addresses at the port of a device that nobody knows to be there: something else is behind the port.
func (e *Enclosure) learned(p, device Node, vid VID) {
	known := map[MAC]bool{}
	note := func(owner Node) {
		for part := range owner.Objects(Contains) {
			if v, ok := part.Value(AttrMAC); ok {
				known[v.MAC()] = true
			}
		}
	}
	note(device)
	if !e.self.IsZero() { // where it was before its addresses are still learned
		note(e.self)
	}
	for vm := range device.Subjects(RunsOn) {
		note(vm)
	}
	for _, b := range bearers(p) {
		for _, v := range b.Values(AttrLearned) {
			if l := v.FDB(); l.VID == vid && l.Status == FDBLearned && !known[l.MAC] {
				e.open(fmt.Sprintf("%s has learned %s, which is not known to be %s's", e.name(p), l.MAC, device.Name()))
			}
		}
	}
}

// Excludes tells, for certain, that no frame gets to an interface or vNIC, or to a bridge of a host; paths are its NetworkPaths. It gives why, and what of the other side that rests on.
func (e *Enclosure) Excludes(to Node, paths []Path) (why string, rests []Hop, ok bool) {
	owner, owned := to.Owner()
	if owned && owner.Kind() == VM {
		owner, rests, owned = runsOn(owner)
	}
	vid, own := vlanOf(to)
	switch {
	case e.Open != "" || !owned || len(e.owners) == 0:
		return "", nil, false
	case owner.Kind() == Switch && own && vid > 0:
		if e.seen[segment{owner, vid}] {
			return "", nil, false
		}
		return e.why(e.name(to) + " is not there"), rests, true
	case e.owners[owner.Key()]:
		return "", nil, false
	case owner.Kind() == Switch || owner.Kind() == Router || owner.Kind() == Firewall:
		return e.why(owner.Name() + " is not there"), rests, true
	case len(paths) == 0 || len(paths) >= maxPaths:
		return "", nil, false
	}
	where := owner.Name() + " is not there"
	for _, p := range paths {
		at, apart := e.apart(p)
		if !apart {
			return "", nil, false
		}
		rests = append(rests, p.Hops[:at+1]...)
		if h := p.Hops[at]; h.Rel == Link {
			where = fmt.Sprintf("%s is behind %s, in %s", owner.Name(), e.name(h.Node), vlanText(h.VID))
		}
	}
	return e.why(where), rests, true
}

// runsOn gives the host of a VM, and what says so.
func runsOn(vm Node) (host Node, rests []Hop, ok bool) {
	es := vm.Out(RunsOn)
	if len(es) == 0 {
		return Node{}, nil, false
	}
	return es[0].To, []Hop{{Node: vm, Rel: RunsOn, Reading: es[0].Reading}}, true
}

// apart tells that a path enters the switches where frames do not get, or that nothing leaves by it: with the hop that says so.
func (e *Enclosure) apart(p Path) (at int, ok bool) {
	for i, h := range p.Hops {
		if h.Rel == Link {
			device, owned := h.Node.Owner()
			return i, owned && h.VID > 0 && !e.seen[segment{device, h.VID}] && (h.Doubt == "" || h.Fault != "")
		}
		if h.Fault != "" && h.Cause() != Tree {
			return i, true
		}
		if h.Doubt != "" {
			return i, false
		}
	}
	return 0, false
}

// why words what keeps frames from where they should get.
func (e *Enclosure) why(where string) string {
	if len(e.Ends) > 0 {
		const most = 3
		var ends []string
		for _, end := range e.Ends[:min(len(e.Ends), most)] {
			ends = append(ends, e.name(end.Node)+": "+end.Fault)
		}
		if more := len(e.Ends) - most; more > 0 {
			ends = append(ends, fmt.Sprintf("and %d more like these", more))
		}
		return fmt.Sprintf("%s; VLAN %d leads nowhere else; %s", strings.Join(ends, ", "), e.vid, where)
	}
	var names []string
	for _, at := range e.places {
		if !slices.Contains(names, at.device.Name()) {
			names = append(names, at.device.Name())
		}
	}
	if len(names) == 0 {
		return "no frame leaves its host; " + where
	}
	return fmt.Sprintf("VLAN %d gets to %s and no further; %s", e.vid, strings.Join(names, ", "), where)
}
