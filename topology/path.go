package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Hop is one step of a path: a node, how it was reached, and what frames look like there.
type Hop struct {
	Node       Node
	Rel        Rel     // by which relation from the hop before; 0 at the start and inside one device
	Reading    Reading // evidence of that relation
	Confidence uint8
	VID        VID    // VLAN of the frame; 0: not known, or none
	Tagged     bool   // it travels with a tag here
	Fault      string // why nothing passes here; "" if nothing speaks against it
	Doubt      string // what is not known about this hop
}

// Path is one way. It is complete when it is known, without a doubt on it, to where the rail ends: a gateway, a logical unit, a file. A
// complete path may be faulty.
type Path struct {
	Hops     []Hop
	Complete bool
	Gap      string // where it is not complete: what is missing, and which device would have to be collected
	Own      bool   // neighbour caches were asked for the starting point's hardware address: another one that is plugged in as it is may have other paths
}

// Faulty reports whether something on the path stops traffic.
func (p Path) Faulty() bool {
	return slices.ContainsFunc(p.Hops, func(h Hop) bool { return h.Fault != "" })
}

// Rail is all that leads from one starting point, a vNIC or disk, to its end: the alternatives of equal length, and those that break off.
type Rail struct {
	Name  string // network or storage
	From  Node
	Paths []Path
	More  int   // alternatives beyond those in Paths
	Aside []Hop // what is at fault or in doubt on those, each once
	// Independent counts complete, faultless ways that share nothing. On the network rail no device after the start, gateways included: with one
	// gateway it is 1 at most. On the storage rail no pair of them has a port in common; of several units that a disk needs, the worst counts.
	Independent int
}

// Rails gives the rails of a VM, host, interface, vNIC, disk, initiator port, logical unit or volume. Other kinds have none.
func (n Node) Rails() []Rail {
	var rails []Rail
	switch n.Kind() {
	case VM:
		for _, e := range n.Out(Contains) {
			switch e.To.Kind() {
			case VNIC, VDisk, InitiatorPort:
				rails = append(rails, e.To.Rails()...)
			}
		}
	case VNIC:
		rails = append(rails, networkRail(n))
	case VDisk:
		rails = append(rails, storageRail(n))
	case Host:
		for _, start := range n.uplinks() {
			rails = append(rails, networkRail(start))
		}
		for _, e := range n.Out(Contains) {
			if e.To.Kind() == InitiatorPort {
				rails = append(rails, storageRail(e.To))
			}
		}
	case Port, NIC, LAG:
		rails = append(rails, networkRail(n))
	case InitiatorPort, LogicalUnit, Volume:
		rails = append(rails, storageRail(n))
	}
	slices.SortStableFunc(rails, func(a, b Rail) int { return strings.Compare(a.Name, b.Name) })
	return rails
}

// uplinks gives the interfaces of a host that have or may have a cable and are not members of an aggregate.
func (n Node) uplinks() []Node {
	var ups []Node
	for _, e := range n.Out(Contains) {
		cabled := len(e.To.Peers(Link)) > 0 || len(e.To.Out(HasNeighbor)) > 0
		if e.To.Kind() == NIC || e.To.Kind() == LAG || e.To.Kind() == Port && cabled {
			if len(e.To.aggregates()) == 0 {
				ups = append(ups, e.To)
			}
		}
	}
	return ups
}

// aggregates gives the LAGs that an interface is a member of.
func (n Node) aggregates() []Node {
	var lags []Node
	for from := range n.Subjects(SupportedBy) {
		if from.Kind() == LAG {
			lags = append(lags, from)
		}
	}
	return lags
}

// Bounds of what is looked at and listed, so that no graph, however wide or twisted, makes a rail endless. What they cut off is said.
const (
	maxPaths  = 64  // alternatives that are listed
	maxLayers = 16  // hops inside one host, and layers of storage
	maxSteps  = 512 // steps through layers on all ways together
)

// listing gathers the paths of a rail: the best maxPaths, and how many more there are.
type listing struct {
	paths []Path
	more  int
	aside []Hop
}

// end adds a path; no gap: it ends where the rail does.
func (l *listing) end(hops []Hop, gap string) {
	if i := slices.IndexFunc(hops, func(h Hop) bool { return h.Doubt != "" }); gap == "" && i >= 0 {
		gap = "its end is known, but not all of the way: " + hops[i].Doubt
	}
	l.paths = append(l.paths, Path{Hops: slices.Clone(hops), Complete: gap == "", Gap: gap})
	if len(l.paths) >= 4*maxPaths {
		l.cut()
	}
}

func (l *listing) cut() {
	slices.SortStableFunc(l.paths, comparePaths)
	if beyond := len(l.paths) - maxPaths; beyond > 0 {
		l.more += beyond
		for _, p := range l.paths[maxPaths:] {
			for _, h := range p.Hops {
				if h.grade() != sound && !slices.Contains(l.aside, h) {
					l.aside = append(l.aside, h)
				}
			}
		}
		l.paths = l.paths[:maxPaths]
	}
}

// comparePaths puts complete paths first, then faultless, then short ones, then the lesser keys.
func comparePaths(a, b Path) int {
	if a.Complete != b.Complete {
		return boolOrder(b.Complete, a.Complete)
	}
	if a.Faulty() != b.Faulty() {
		return boolOrder(a.Faulty(), b.Faulty())
	}
	if c := len(a.Hops) - len(b.Hops); c != 0 {
		return c
	}
	return slices.CompareFunc(a.Hops, b.Hops, func(x, y Hop) int { return x.Node.Key().Compare(y.Node.Key()) })
}

// walker follows frames from a starting point through a host to the fabric and through the fabric to the gateway.
type walker struct {
	listing
	start   Node
	subnets []Node // of the starting point: its gateway has an interface in one
	from    Node   // the device that is left
	steps   int
	fabrics map[VID]*fabric
}

func networkRail(start Node) Rail {
	w := &walker{start: start, fabrics: map[VID]*fabric{}}
	for _, e := range start.Out(InSubnet) {
		w.subnets = append(w.subnets, e.To)
	}
	vid, tagged, doubt := frameOf(start)
	doubt = cmp.Or(doubt, hampered(start))
	w.host(start, []Hop{{Node: start, VID: vid, Tagged: tagged, Doubt: doubt, Fault: stopped(start)}})
	w.cut()
	for _, f := range w.fabrics {
		for i := range w.paths {
			w.paths[i].Own = w.paths[i].Own || f.own
		}
	}
	return Rail{Name: "network", From: start, Paths: w.paths, More: w.more, Aside: w.aside, Independent: w.independent()}
}

// step is the hop over an edge.
func step(e Edge, to Node, vid VID, tagged bool) Hop {
	return Hop{
		Node: to, Rel: e.Rel, Reading: e.Reading, Confidence: e.Confidence, VID: vid, Tagged: tagged, Fault: stopped(to),
	}
}

// host follows a frame from the last hop down the layers of a host until a cable.
func (w *walker) host(n Node, hops []Hop) {
	last := hops[len(hops)-1]
	w.steps++
	switch {
	case w.steps > maxSteps:
		w.more++
		return
	case len(hops) > maxLayers:
		w.end(hops, "its layers form a loop, or are more than anybody has")
		return
	}
	if owner, ok := n.Owner(); ok && owner.Kind().Device() {
		w.from = owner
	}
	below := w.below(n)
	if len(below) == 0 && (n.Kind() == VNIC || n.Kind() == PortGroup) {
		w.end(hops, unattached(n))
		return
	}
	if routes, gap := hostRoutes(n, below); routes {
		for _, e := range below {
			hops = append(hops, step(e, e.To, last.VID, last.Tagged))
		}
		w.end(hops, gap)
		return
	}
	for _, e := range below {
		if slices.ContainsFunc(hops, func(h Hop) bool { return h.Node == e.To }) {
			w.end(hops, "its layers form a loop at "+e.To.Name())
			continue
		}
		h := step(e, e.To, last.VID, last.Tagged)
		h.VID, h.Tagged, h.Doubt = tagOf(e.To, last.VID, last.Tagged)
		h.Doubt = cmp.Or(h.Doubt, stacked(hops, e.To), ruled(e.To), hampered(e.To))
		h.plug(hops)
		if n.Kind() == VirtualSwitch {
			h.Doubt = cmp.Or(h.Doubt, apart(entry(hops, len(hops)-1), []Node{e.To}))
			h.leave(n)
		}
		w.host(e.To, append(slices.Clip(hops), h))
	}
	if len(below) == 0 {
		w.cable(n, hops)
	}
}

// below gives what carries the frames of a node inside its host. An aggregate whose cables are known only as its own (from forwarding
// databases) is not followed to its members.
func (w *walker) below(n Node) []Edge {
	switch n.Kind() {
	case VNIC:
		return n.Out(AttachedTo)
	case PortGroup: // part of its network
		if es := n.In(Contains); len(es) > 0 {
			e := es[0]
			e.From, e.To = e.To, e.From
			return []Edge{e}
		}
		return nil
	}
	var below []Edge
	for _, e := range n.Out(SupportedBy) {
		if e.To.Kind().Interface() || e.To.Kind() == VirtualSwitch || e.To.Kind() == Network {
			below = append(below, e)
		}
	}
	if n.Kind() == LAG && len(n.Peers(Link)) > 0 &&
		!slices.ContainsFunc(below, func(e Edge) bool { return len(e.To.Peers(Link)) > 0 }) {
		return nil
	}
	return below
}

// hostRoutes reports whether a libvirt network, or the one that a bridge was made for, ends on its host: the host is the gateway, or there is none.
func hostRoutes(n Node, below []Edge) (bool, string) {
	networks := []Node{n}
	if n.Kind() == VirtualSwitch && len(below) == 0 {
		for _, e := range n.In(SupportedBy) {
			networks = append(networks, e.From)
		}
	}
	for _, network := range networks {
		if network.Kind() != Network {
			continue
		}
		switch network.Text(AttrForwardMode) { // libvirt's formatnetwork
		case "nat", "route", "open":
			return true, ""
		case "isolated":
			return true, "network " + network.Name() + " is isolated: nothing leads out of the host"
		}
	}
	return false, ""
}

func unattached(n Node) string {
	text := "no source says what " + n.Name() + " plugs into"
	if t := n.Text(AttrSourceType); t != "" {
		text += fmt.Sprintf(" (it names %s %q)", t, n.Text(AttrSource))
	}
	return text + ": collect the host by libvirt"
}

// cable crosses the link of an interface, or says who is at its end as far as anybody heard.
func (w *walker) cable(n Node, hops []Hop) {
	links, doubt := cables(n)
	if len(links) == 0 {
		w.end(hops, beyond(n))
		return
	}
	last := hops[len(hops)-1]
	for _, l := range links {
		far := l.Peer(n)
		h := step(l, far, last.VID, last.Tagged)
		h.Doubt = doubt
		there := append(slices.Clip(hops), h)
		owner, ok := far.Owner()
		switch {
		case !ok:
			w.end(there, "no source says what "+far.Name()+" belongs to")
		case owner == w.from:
			w.end(there, far.Name()+" is on the same device: a loop")
		default:
			w.enter(owner, there)
		}
	}
}

// cables gives the links of an interface that count. A port has one cable, so of several claims the surest is believed; where that is not one
// device, there is doubt. What is known of an aggregate as a whole may be several cables.
func cables(n Node) (links []Edge, doubt string) {
	links = append(n.Out(Link), n.In(Link)...)
	if n.Kind() == LAG || len(links) < 2 {
		return links, ""
	}
	best := slices.MaxFunc(links, func(a, b Edge) int { return cmp.Compare(a.Confidence, b.Confidence) }).Confidence
	links = slices.DeleteFunc(links, func(e Edge) bool { return e.Confidence < best })
	for _, l := range links {
		if !sameDevice(l.Peer(n), links[0].Peer(n)) {
			return links, "sources disagree on what " + n.Name() + " is cabled to"
		}
	}
	return links, ""
}

func sameDevice(a, b Node) bool {
	x, ok := a.Owner()
	y, also := b.Owner()
	return a == b || ok && also && x == y
}

// beyond words why the way is not known past an interface, and what would make it known.
func beyond(n Node) string {
	switch n.Kind() {
	case VirtualSwitch, Network:
		of := ""
		if owner, ok := n.Owner(); ok {
			of = " of " + owner.Name()
		}
		if why := ruled(n); why != "" {
			return fmt.Sprintf("no source says which uplink %s %s%s has: %s", n.Kind(), n.Name(), of, why)
		}
		return fmt.Sprintf("no source says which uplink %s %s%s has; libvirt knows that of Linux bridges only: read the host by SSH", n.Kind(), n.Name(), of)
	}
	if text := hears(n); text != "" {
		return text
	}
	return "no LLDP, CDP, forwarding entry or operator says what " + n.Name() + " is cabled to: collect the switch at its other end"
}

// hears words which neighbour an interface hears that nobody has collected; "" if none.
func hears(n Node) string {
	es := n.Out(HasNeighbor)
	if len(es) == 0 {
		return ""
	}
	to := es[0].To
	who := cmp.Or(to.Text(AttrSysName), to.Text(AttrNeighborChassis), "a neighbour without a name")
	if addr := to.Text(AttrMgmtAddress); addr != "" {
		who += " (" + addr + ")"
	}
	if id, known := to.First(IdentifiedAs); known {
		return fmt.Sprintf("%s hears %s, which is %s, but not on which of its ports", n.Name(), who, id.Name())
	}
	return fmt.Sprintf("%s hears %s, port %s, of which nothing was read: collect it", n.Name(), who, cmp.Or(to.Text(AttrNeighborPort), "not named"))
}

// enter arrives on a device and goes on by the shortest ways to a gateway.
func (w *walker) enter(device Node, hops []Hop) {
	last := &hops[len(hops)-1]
	vid, fault, doubt := admit(last.Node, last.VID, last.Tagged)
	last.VID, last.Doubt, last.Fault = vid, cmp.Or(last.Doubt, hampered(last.Node), doubt), cmp.Or(last.Fault, fault)
	f := w.fabrics[vid]
	if f == nil {
		f = newFabric(vid, w)
		w.fabrics[vid] = f
	}
	_, isPort := vlanHolder(last.Node)
	f.bridged(device, isPort, last)
	s := f.search(device, last.Node, last.Tagged, gradeOf(hops))
	if len(s.goals) == 0 {
		w.end(hops, s.gap(device, last.Node))
		return
	}
	way := slices.Clone(hops)
	w.more += s.list(func(rest []Hop) {
		way = append(way[:len(hops)], f.of(w.start, rest)...)
		w.end(way, "")
	})
}
