package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// lane is what becomes of the frames of one vNIC: where it is now, and where it would be.
type lane struct {
	vnic, then topology.Node // in the snapshot, and in the one after the move
	now, next  topology.Rail
	spots      []spot // where its frames would come by, each once
	exits      []exit // by what they would leave the target
	fenced     *topology.Enclosure
}

// fence is how far its frames would get from the target at most.
func (l *lane) fence() *topology.Enclosure {
	if l.fenced == nil {
		l.fenced = topology.Enclose(l.then, l.next.Paths)
	}
	return l.fenced
}

// spot is a place on the ways from the target.
type spot struct {
	topology.Hop
	cause  topology.Cause
	inside bool // of the host: before any cable
	edge   bool // the port behind the host's cable
	shared bool // what is wrong there is wrong on the ways from the source, too
}

// exit is one interface by which frames leave a host, with all the ways from there.
type exit struct {
	near, far topology.Node // far: behind the cable; zero if nobody knows it
	paths     []topology.Path
}

// lanes gives those of all vNICs. They are followed once for all checks of a move.
func (m *move) lanes() []*lane {
	if m.wires == nil {
		for _, e := range m.vm.Out(topology.Contains) {
			if e.To.Kind() != topology.VNIC {
				continue
			}
			then := started(m.after.Snapshot(), e.To.Key())
			l := &lane{vnic: e.To, then: then, now: m.railOf(e.To), next: railOf(then)}
			l.exits = exitsOf(l.next)
			l.list()
			m.wires = append(m.wires, l)
		}
	}
	return m.wires
}

// started gives a vNIC as it would be if the network that it plugs into were active: that it is not, NET-H1 says, and the others ask what would be then.
func started(s *topology.Snapshot, vnic topology.Key) topology.Node {
	n, _ := s.Node(vnic)
	network := networkOf(n)
	if network.IsZero() || network.Text(topology.AttrState) != "inactive" {
		return n
	}
	s, err := s.With(topology.ChangeSet{Revision: s.Revision(), Changes: []topology.Change{start(network)}})
	if err != nil {
		return n
	}
	n, _ = s.Node(vnic)
	return n
}

// start is the change that starts a network.
func start(network topology.Node) topology.Change {
	return topology.Change{Subject: network.Key(), Attr: topology.AttrState, Before: believed(network, topology.AttrState), After: []topology.Value{topology.TextValue("active")}}
}

// maxRails is how many rails a planner remembers: those of the VM that is asked about for one host after the other.
const maxRails = 64

// railOf is the rail of a vNIC of the planner's snapshot, which is remembered.
func (p *Planner) railOf(vnic topology.Node) topology.Rail {
	r, known := p.rails[vnic]
	if !known {
		r = railOf(vnic)
		p.remember(vnic, r)
	}
	return r
}

func (p *Planner) remember(vnic topology.Node, r topology.Rail) {
	if p.rails == nil || len(p.rails) == maxRails {
		p.rails = map[topology.Node]topology.Rail{}
	}
	p.rails[vnic] = r
}

func railOf(vnic topology.Node) topology.Rail {
	for _, r := range vnic.Rails() {
		return r
	}
	return topology.Rail{From: vnic}
}

// wrong identifies what is wrong at a hop.
type wrong struct {
	key          topology.Key
	vid          topology.VID
	fault, doubt string
}

// wrongAt is the same for all ports of a switch that does not have the VLAN.
func wrongAt(h topology.Hop) wrong {
	w := wrong{h.Node.Key(), h.VID, h.Fault, h.Doubt}
	if h.Cause() == topology.Database {
		device, _ := h.Node.Owner()
		w.key = device.Key()
	}
	return w
}

// list fills in the spots.
func (l *lane) list() {
	before, seen := map[wrong]bool{}, map[wrong]bool{}
	for _, p := range l.now.Paths {
		for _, h := range p.Hops {
			if h.Fault != "" || h.Doubt != "" {
				before[wrongAt(h)] = true
			}
		}
	}
	add := func(h topology.Hop, inside, edge bool) {
		if w := (wrong{h.Node.Key(), h.VID, h.Fault, h.Doubt}); !seen[w] {
			seen[w] = true
			l.spots = append(l.spots, spot{Hop: h, cause: h.Cause(), inside: inside, edge: edge, shared: before[wrongAt(h)]})
		}
	}
	for _, p := range l.next.Paths {
		out := firstCable(p.Hops)
		for i, h := range p.Hops {
			add(h, out < 0 || i < out, i == out)
		}
	}
	host, _ := l.plug().Owner()
	for _, h := range l.next.Aside {
		owner, _ := h.Node.Owner()
		add(h, owner == host, h.Rel == topology.Link && slices.ContainsFunc(l.exits, func(x exit) bool { return x.far == h.Node }))
	}
}

// firstCable finds the hop behind the first cable; -1 if there is none.
func firstCable(hops []topology.Hop) int {
	return slices.IndexFunc(hops, func(h topology.Hop) bool { return h.Rel == topology.Link })
}

// open tells that nothing keeps frames from leaving by it, on some way.
func (x exit) open() bool {
	return !x.far.IsZero() && slices.ContainsFunc(x.paths, func(p topology.Path) bool {
		return !slices.ContainsFunc(p.Hops[:firstCable(p.Hops)], func(h topology.Hop) bool { return h.Fault != "" })
	})
}

func exitsOf(r topology.Rail) []exit {
	var exits []exit
	for _, p := range r.Paths {
		x := exit{near: p.Hops[len(p.Hops)-1].Node}
		if i := firstCable(p.Hops); i > 0 {
			x.near, x.far = p.Hops[i-1].Node, p.Hops[i].Node
		}
		at := slices.IndexFunc(exits, func(y exit) bool { return x.near == y.near && x.far == y.far })
		if at < 0 {
			at = len(exits)
			exits = append(exits, x)
		}
		exits[at].paths = append(exits[at].paths, p)
	}
	return exits
}

// plug is what the vNIC would be plugged into; none: the target has nothing of the kind, or nobody says what it is plugged into now.
func (l *lane) plug() topology.Node {
	n, _ := l.then.First(topology.AttachedTo)
	return n
}

// vid is the VLAN of its frames on the wires; 0 where nobody says it, or they never get to one.
func (l *lane) vid() topology.VID {
	for _, s := range l.spots {
		if s.VID > 0 && s.Fault == "" {
			return s.VID
		}
	}
	return 0
}

// sound tells that nothing is wrong on a path, and that its end is known.
func soundPath(p topology.Path) bool { return p.Complete && !p.Faulty() }

// reaches tells that a gateway is reached on some way.
func reaches(r topology.Rail) bool { return slices.ContainsFunc(r.Paths, soundPath) }

// hostbound is the network that its host routes itself, or that leads nowhere, if the frames of a rail meet no cable because of that.
func hostbound(r topology.Rail) (network topology.Node, mode string) {
	for _, p := range r.Paths {
		if firstCable(p.Hops) >= 0 {
			return topology.Node{}, ""
		}
		for _, h := range p.Hops {
			if network, mode := boundAt(h.Node); !network.IsZero() {
				return network, mode
			}
		}
	}
	return topology.Node{}, ""
}

// boundAt is such a network where frames come by: the place itself, or one that has it as its bridge.
func boundAt(place topology.Node) (network topology.Node, mode string) {
	if place.Kind() != topology.Network && place.Kind() != topology.VirtualSwitch {
		return topology.Node{}, ""
	}
	for _, n := range append([]topology.Node{place}, peersIn(place, topology.SupportedBy)...) {
		switch mode := n.Text(topology.AttrForwardMode); mode {
		case "nat", "route", "open", "isolated":
			if n.Kind() == topology.Network {
				return n, mode
			}
		}
	}
	return topology.Node{}, ""
}

func peersIn(n topology.Node, rel topology.Rel) []topology.Node {
	var all []topology.Node
	for _, e := range n.In(rel) {
		all = append(all, e.From)
	}
	return all
}

// wired makes a check of what is behind all cables for each vNIC whose frames leave the target by one. What is said of the others stands where it belongs.
func (f *finder) wired(run func(l *lane)) {
	f.cabled(func(l *lane) {
		for _, x := range l.exits {
			if x.far.IsZero() && !isDown(x.near) {
				f.unknown(fmt.Sprintf("which switch is behind %s is not known (NET-5)", placeOf(x.near)), x.near)
			}
		}
		if len(l.fars()) > 0 || !l.unlinked() {
			run(l)
		}
	})
}

// unlinked tells that no cable of the target is known, and not only since all are down.
func (l *lane) unlinked() bool {
	return slices.ContainsFunc(l.exits, func(x exit) bool { return x.far.IsZero() && !isDown(x.near) })
}

// cabled makes a check for each vNIC whose network has a way out of the target.
func (f *finder) cabled(run func(l *lane)) {
	f.plugged(func(l *lane) {
		if network, mode := hostbound(l.next); !network.IsZero() {
			f.idle(fmt.Sprintf("%s has no cable on its way: network %s has mode %s (NET-H2)", l.vnic.Name(), placeOf(network), mode), network)
			return
		}
		run(l)
	})
}

// vnics gives what becomes of the frames of each vNIC, and says where there may be more of these, or none.
func (f *finder) vnics() []*lane {
	lanes := f.lanes()
	if len(lanes) == 0 {
		if f.described(f.vm) {
			f.idle(f.vm.Name()+" has no network interface", f.vm)
		}
		return nil
	}
	if on := f.vm.Out(topology.RunsOn); len(on) > 0 && on[0].Reading.Partial {
		f.described(f.vm)
	}
	return lanes
}

// plugged makes a check for each vNIC that has something to plug into on the target.
func (f *finder) plugged(run func(l *lane)) {
	for _, l := range f.vnics() {
		f.evidence = nil
		switch {
		case l.plug().IsZero() && f.lacks(l):
			f.idle(fmt.Sprintf("%s has nothing for %s to plug into (NET-H1)", f.target.Name(), l.vnic.Name()), l.vnic)
		case l.plug().IsZero():
			f.unknown(fmt.Sprintf("where %s would be plugged in on %s is not known (NET-H1)", l.vnic.Name(), f.target.Name()), l.vnic)
		case l.switchedOff():
			f.idle(l.vnic.Name()+" is switched off: it sends no frames", l.vnic)
		default:
			f.layered(l.next)
			run(l)
		}
	}
}

// switchedOff tells that the VM's own definition keeps the vNIC from sending (libvirt: <link state='down'/>).
func (l *lane) switchedOff() bool {
	return len(l.next.Paths) > 0 && l.next.Paths[0].Hops[0].Fault != ""
}

// rely takes down that a check rests on what is said of hops, and tells whether it may: nothing of it is too old, and no interface is known by its name
// alone, or by a part of what its device has to say. Where nobody says what stops frames, nothing is known to stop them only if somebody has looked.
// What is too old is told once.
func (f *finder) rely(hops ...topology.Hop) bool {
	ok := true
	for _, h := range hops {
		ok = f.note(h.Node, h.Reading) && ok // each of them is noted, whatever the others say
		for _, n := range bearers(h.Node) {
			for _, a := range []topology.Attr{
				topology.AttrState, topology.AttrAdminState, topology.AttrVID, topology.AttrPVID, topology.AttrTagged, topology.AttrUntagged, topology.AttrSTPState,
			} {
				if fact, said := n.Evidence(a); said {
					if r, read := n.Snapshot().Reading(fact.Reading); read {
						ok = f.note(n, r) && ok
					}
				}
			}
			ok = f.looked(n) && ok
		}
	}
	return ok
}

// looked tells whether an interface was looked at, and all of it. If it was not, an unknown says so.
func (f *finder) looked(n topology.Node) bool {
	if !n.Kind().Interface() {
		return true
	}
	why, known := f.unlooked[n.Key()]
	if !known {
		why = unlooked(n)
		if f.unlooked == nil {
			f.unlooked = map[topology.Key]string{}
		}
		f.unlooked[n.Key()] = why
	}
	if why != "" {
		f.unknown(why, n)
	}
	return why == ""
}

// unlooked words why nobody knows what is not said of an interface; "" if it was looked at. Names are what others call it.
func unlooked(n topology.Node) string {
	said := false
	for fact := range n.Facts() {
		switch r := fact.Reading; {
		case fact.Rel != 0 || slices.Contains(labels, fact.Attr):
		case r.Partial:
			return fmt.Sprintf("what %s said of %s by %s %s is not all: what else there is to it nobody knows", r.Device, placeOf(n), r.Source, r.Table)
		default:
			said = true
		}
	}
	switch {
	case len(n.In(topology.Contains)) == 0:
		return "no source says which device has " + n.Name()
	case !said:
		return "no source says anything of " + placeOf(n) + " but that it is there: collect it"
	}
	return ""
}

// note takes down one reading, if there is one, and tells whether it is young enough. On one that is noted already it says no more.
func (f *finder) note(n topology.Node, r topology.Reading) bool {
	if r.Source == 0 {
		return true
	}
	if e := f.evidenceOf(r); slices.Contains(f.evidence, e) {
		return !e.Stale
	}
	return f.reading(n, r)
}

// layered tells whether what lies below the bridges and aggregates of a rail's own host was read to its end. If it was not, an unknown says so.
func (f *finder) layered(r topology.Rail) bool {
	for _, p := range r.Paths {
		for _, h := range p.Hops {
			if h.Rel == topology.Link {
				break
			}
			if h.Rel == topology.SupportedBy && h.Reading.Partial {
				f.unknown(fmt.Sprintf("what %s said of %s by %s %s is not all, and frames may leave by more than that", h.Reading.Device, placeOf(h.Node), h.Reading.Source, h.Reading.Table), h.Node)
				return false
			}
		}
	}
	return true
}

// bridges says where nobody knows whether a bridge of the target looks at VLANs: its interface is in none that anybody says, and it was not read on the host itself.
func (f *finder) bridges(l *lane) {
	for _, p := range l.next.Paths {
		for i, h := range p.Hops {
			if i == 0 || h.Rel == topology.Link || isDown(h.Node) || p.Hops[i-1].Node.Kind() != topology.VirtualSwitch || !h.Tagged && h.VID == 0 {
				continue
			}
			bridge := p.Hops[i-1].Node
			_, known := topology.VLANHolder(h.Node)
			if _, says := bridge.Value(topology.AttrForwardMode); known || says || f.readOnHost(bridge) {
				continue
			}
			f.unknown(fmt.Sprintf("nobody says whether %s looks at VLANs, nor which %s carries: collect the host by SSH", placeOf(bridge), h.Node.Name()), bridge, h.Node)
			return
		}
	}
}

// readOnHost tells that the host's own tools have told of a bridge: they say where it looks at VLANs.
func (f *finder) readOnHost(bridge topology.Node) bool {
	for fact := range bridge.Facts() {
		if fact.Reading.Source == topology.SourceSSH && !fact.Reading.Partial {
			return f.rests(bridge, fact)
		}
	}
	return false
}

// lacks tells that the target does not have what a vNIC plugs into: what it has of that kind was read to its end.
func (m *move) lacks(l *lane) bool {
	was, ok := l.vnic.First(topology.AttachedTo)
	if !ok {
		return false
	}
	r, ok := m.listing(was)
	return ok && !m.evidenceOf(r).Stale
}

// listing is the reading that has all networks of the target, or all of its bridges and interfaces: of the kind that a node is of.
func (m *move) listing(of topology.Node) (topology.Reading, bool) {
	tables := []topology.ReadingKey{{Source: topology.SourceSSH, Table: "ip-link"}, {Source: topology.SourceLibvirt, Table: "interfaces"}}
	if of.Kind() == topology.Network || of.Kind() == topology.PortGroup {
		tables = []topology.ReadingKey{{Source: topology.SourceLibvirt, Table: "networks"}}
	}
	for _, k := range tables {
		for _, h := range m.target.Values(topology.AttrHandle) {
			k.Device = h.String()
			if r, ok := m.s.Reading(k); ok {
				return r, true
			}
		}
	}
	return topology.Reading{}, false
}

// whole tells whether what is read of a device's interfaces was read to its end. If it was not, an unknown says so.
func (f *finder) whole(device topology.Node) bool {
	for _, e := range device.Out(topology.Contains) {
		if e.To.Kind().Interface() && e.Reading.Partial {
			return f.described(e.To)
		}
	}
	return true
}

// bearers gives an interface and the aggregates that it is in, these first.
func bearers(n topology.Node) []topology.Node {
	if !n.Kind().Interface() {
		return []topology.Node{n}
	}
	return append(slices.DeleteFunc(peersIn(n, topology.SupportedBy), func(m topology.Node) bool { return m.Kind() != topology.LAG }), n)
}

// placeOf names a part of a device as its operator does: "leaf-1 Ethernet4", "bond0 of host-3".
func placeOf(n topology.Node) string {
	owner, ok := n.Owner()
	for ok && !owner.Kind().Device() && owner.Kind() != topology.VM {
		owner, ok = owner.Owner()
	}
	switch {
	case !ok:
		return n.Name()
	case owner.Kind() == topology.Host || owner.Kind() == topology.VM:
		return n.Name() + " of " + owner.Name()
	}
	return owner.Name() + " " + n.Name()
}

func places(nodes []topology.Node) string {
	var names []string
	for _, n := range nodes {
		if name := placeOf(n); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// frames words what is sent in a VLAN.
func frames(vid topology.VID) string {
	if vid == 0 {
		return "frames without a tag"
	}
	return fmt.Sprintf("VLAN %d", vid)
}

// faultText says where something stops frames, and what.
func faultText(h topology.Hop) string { return placeOf(h.Node) + ": " + h.Fault }
