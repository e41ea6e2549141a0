package topology

import (
	"fmt"
	"slices"
	"strconv"
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

// Path is one way. It is complete when it ends where the rail ends: at a gateway, a logical unit, a file.
type Path struct {
	Hops     []Hop
	Complete bool
	Gap      string // where it is not complete: what is missing, and which device would have to be collected
}

// Faulty reports whether something on the path stops traffic.
func (p Path) Faulty() bool {
	return slices.ContainsFunc(p.Hops, func(h Hop) bool { return h.Fault != "" })
}

// Rail is all that leads from one starting point, a vNIC or disk, to its end: the alternatives of equal length, and those that break off.
type Rail struct {
	Name        string // network or storage
	From        Node
	Paths       []Path
	Independent int // complete, faultless paths that share no device between the two ends
}

// Rails gives the rails of a VM, host, interface, vNIC or disk. Other kinds have none.
func (n Node) Rails() []Rail {
	var rails []Rail
	switch n.Kind() {
	case VM:
		for _, e := range n.Out(Contains) {
			rails = append(rails, e.To.Rails()...)
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
		if e.To.Kind() == NIC || e.To.Kind() == LAG || e.To.Kind() == Port && len(e.To.Peers(Link)) > 0 {
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
	for _, e := range n.In(SupportedBy) {
		if e.From.Kind() == LAG {
			lags = append(lags, e.From)
		}
	}
	return lags
}

// walker follows frames from a starting point through a host to the fabric and through the fabric to the gateway.
type walker struct {
	paths   []Path
	subnets []Node // of the starting point: a gateway has an interface in one
	from    Node   // the device that is left
	ends    map[Key]bool
	links   map[[2]Key]bool // faultless device-to-device steps, for counting independent paths
}

// maxPaths bounds the alternatives that are listed; a fabric wider than this is not shown whole, and says so.
const maxPaths = 64

func networkRail(start Node) Rail {
	w := &walker{ends: map[Key]bool{}, links: map[[2]Key]bool{}}
	for _, e := range start.Out(InSubnet) {
		w.subnets = append(w.subnets, e.To)
	}
	vid, tagged, tag := frameOf(start)
	first := Hop{Node: start, VID: vid, Tagged: tagged, Doubt: tag}
	if down(start) {
		first.Fault = "state is " + start.Text(AttrState)
	}
	w.host(start, []Hop{first}, vid, tagged)
	slices.SortStableFunc(w.paths, comparePaths)
	return Rail{Name: "network", From: start, Paths: w.paths, Independent: w.independent()}
}

// comparePaths puts complete paths first, then faultless, then short ones.
func comparePaths(a, b Path) int {
	if a.Complete != b.Complete {
		return boolOrder(b.Complete, a.Complete)
	}
	if a.Faulty() != b.Faulty() {
		return boolOrder(a.Faulty(), b.Faulty())
	}
	return len(a.Hops) - len(b.Hops)
}

// frameOf tells the VLAN with which frames leave a vNIC, as the domain or the port group or network that it names says.
func frameOf(n Node) (vid VID, tagged bool, doubt string) {
	if v, ok := n.Int(AttrVID); ok && v > 0 {
		return VID(v), true, ""
	}
	if n.Kind() != VNIC {
		return 0, false, ""
	}
	for next, ok := n.First(AttachedTo); ok; next, ok = next.First(SupportedBy) {
		if v, has := next.Int(AttrVID); has && v > 0 {
			return VID(v), true, ""
		}
		if next.Kind() != Network && next.Kind() != PortGroup {
			break
		}
	}
	if v, ok := n.Value(AttrTagged); ok && v.VIDs().Len() > 0 {
		return 0, true, "trunk of VLANs " + v.String() + ": each has a way of its own"
	}
	return 0, false, ""
}

func down(n Node) bool {
	switch n.Text(AttrState) {
	case "down", "lowerLayerDown", "notPresent":
		return true
	}
	return n.Text(AttrAdminState) == "down"
}

func (w *walker) end(hops []Hop, gap string) {
	if len(w.paths) < maxPaths {
		w.paths = append(w.paths, Path{Hops: slices.Clone(hops), Complete: gap == "", Gap: gap})
	}
}

func step(e Edge, to Node, vid VID, tagged bool) Hop {
	h := Hop{Node: to, Rel: e.Rel, Reading: e.Reading, Confidence: e.Confidence, VID: vid, Tagged: tagged}
	if down(to) {
		h.Fault = "state is " + to.Text(AttrState)
	}
	return h
}

// host follows a frame down the layers of a host until a cable.
func (w *walker) host(n Node, hops []Hop, vid VID, tagged bool) {
	if len(hops) > 16 {
		w.end(hops, "layers of the host form a loop")
		return
	}
	if n.Kind() == VNIC {
		e := n.Out(AttachedTo)
		if len(e) == 0 {
			w.end(hops, w.unattached(n))
			return
		}
		w.host(e[0].To, append(hops, step(e[0], e[0].To, vid, tagged)), vid, tagged)
		return
	}
	if owner, ok := n.Owner(); ok && owner.Kind().Device() {
		w.from = owner
	}
	if v, ok := n.Int(AttrVID); ok && v > 0 && (n.Kind() == Port || n.Kind() == NIC) {
		vid, tagged = VID(v), true // a VLAN interface: what it sends down has its tag
	}
	var below []Edge
	for _, e := range n.Out(SupportedBy) {
		if e.To.Kind().Interface() || e.To.Kind() == VirtualSwitch || e.To.Kind() == Network {
			below = append(below, e)
		}
	}
	if len(below) > 0 {
		for _, e := range below {
			w.host(e.To, append(slices.Clip(hops), step(e, e.To, vid, tagged)), vid, tagged)
		}
		return
	}
	w.cable(n, hops, vid, tagged, 0)
}

func (w *walker) unattached(n Node) string {
	return fmt.Sprintf("no source says what %s plugs into (it names %s %q): collect the host by libvirt", n.Name(), n.Text(AttrSourceType), n.Text(AttrSource))
}

// cable crosses the link of an interface, or says who is at its end as far as anybody heard.
func (w *walker) cable(n Node, hops []Hop, vid VID, tagged bool, depth int) {
	links := append(n.Out(Link), n.In(Link)...)
	if len(links) == 0 {
		w.end(hops, beyond(n))
		return
	}
	for _, l := range links {
		far := l.Peer(n)
		owner, ok := far.Owner()
		if !ok {
			w.end(append(slices.Clip(hops), step(l, far, vid, tagged)), "no source says what "+far.Name()+" belongs to")
			continue
		}
		w.enter(owner, far, append(slices.Clip(hops), step(l, far, vid, tagged)), depth)
	}
}

// beyond words why the way is not known past an interface, and what would make it known.
func beyond(n Node) string {
	switch n.Kind() {
	case VirtualSwitch, Network:
		return fmt.Sprintf("no source says which uplink %s %s has: read the host by SSH or SNMP", n.Kind(), n.Name())
	}
	for _, e := range n.Out(HasNeighbor) {
		who := e.To.Text(AttrSysName)
		if who == "" {
			who = e.To.Text(AttrNeighborChassis)
		}
		if e.To.Text(AttrMgmtAddress) != "" {
			who += " (" + e.To.Text(AttrMgmtAddress) + ")"
		}
		return fmt.Sprintf("%s hears %s, port %s, which is in no inventory: collect it", n.Name(), who, e.To.Text(AttrNeighborPort))
	}
	return "no LLDP, CDP, forwarding entry or operator says what " + n.Name() + " is cabled to: collect the switch at its other end"
}

// enter arrives on a device by a port and goes on by every port that carries the VLAN, on the shortest ways to a gateway.
func (w *walker) enter(device, port Node, hops []Hop, depth int) {
	last := &hops[len(hops)-1]
	vid, fault, doubt := admit(port, last.VID, last.Tagged)
	last.VID, last.Doubt = vid, doubt
	if last.Fault == "" {
		last.Fault = fault
	}
	faulty := Path{Hops: hops}.Faulty()
	if !faulty && !w.from.IsZero() {
		w.links[[2]Key{w.previous(hops), device.Key()}] = true
	}
	if gw, ok := w.gateway(device, port, vid); ok {
		if !faulty {
			w.ends[device.Key()] = true
		}
		w.end(append(hops, Hop{Node: gw, VID: vid}), "")
		return
	}
	if device.Kind() == Host || device.Kind() == Router {
		w.end(hops, "")
		return
	}
	exits := w.exits(device, port, vid, hops)
	if len(exits) == 0 || depth > 8 {
		w.end(hops, w.noGateway(device, vid))
		return
	}
	for _, x := range exits {
		tagged := vid > 0 && !untaggedOn(x.port, vid)
		w.cable(x.port, append(slices.Clip(hops), Hop{Node: x.port, VID: vid, Tagged: tagged, Fault: x.fault}), vid, tagged, depth+1)
	}
}

// previous gives the device that the last hop was reached from.
func (w *walker) previous(hops []Hop) Key {
	if len(hops) >= 2 {
		if o, ok := hops[len(hops)-2].Node.Owner(); ok && o.Kind().Device() {
			return o.Key()
		}
	}
	return w.from.Key()
}

func (w *walker) noGateway(device Node, vid VID) string {
	if vid == 0 {
		return "the VLAN is not known at " + device.Name() + ", so the way to a gateway cannot be told"
	}
	return fmt.Sprintf("no gateway of VLAN %d is known behind %s: collect the router or firewall that routes it", vid, device.Name())
}

// admit tells which VLAN a frame is in once a port has taken it (IEEE 802.1Q 8.6.2): untagged frames get the PVID; tagged ones need membership.
// An aggregate's membership counts for its members.
func admit(port Node, vid VID, tagged bool) (in VID, fault, doubt string) {
	holder, known := vlanHolder(port)
	if !known {
		return vid, "", "no source says which VLANs " + port.Name() + " carries"
	}
	if !tagged {
		pvid, ok := holder.Int(AttrPVID)
		if !ok {
			return 0, "", "no source says the PVID of " + holder.Name()
		}
		return VID(pvid), "", ""
	}
	if vid == 0 {
		return 0, "", ""
	}
	if carries(holder, vid) {
		if blocked(port, vid) {
			return vid, "spanning tree blocks the port", ""
		}
		return vid, "", ""
	}
	return vid, fmt.Sprintf("VLAN %d is not carried on %s", vid, holder.Name()), ""
}

// vlanHolder gives the interface that has the VLAN membership: the port itself, else the LAG that it is in.
func vlanHolder(port Node) (Node, bool) {
	for _, n := range append([]Node{port}, port.aggregates()...) {
		for _, a := range []Attr{AttrTagged, AttrUntagged, AttrPVID} {
			if _, ok := n.Value(a); ok {
				return n, true
			}
		}
	}
	return Node{}, false
}

func carries(n Node, vid VID) bool {
	for _, a := range []Attr{AttrTagged, AttrUntagged} {
		if v, ok := n.Value(a); ok && v.VIDs().Has(vid) {
			return true
		}
	}
	return false
}

func untaggedOn(n Node, vid VID) bool {
	holder, ok := vlanHolder(n)
	if !ok {
		return false
	}
	v, ok := holder.Value(AttrUntagged)
	return ok && v.VIDs().Has(vid)
}

// blocked reports that the common spanning tree or the VLAN's own has the port blocking (IEEE 802.1D).
func blocked(port Node, vid VID) bool {
	for _, v := range port.Values(AttrSTPState) {
		id, state, _ := strings.Cut(v.String(), " ")
		if (id == "0" || id == strconv.Itoa(int(vid))) && (state == "blocking" || state == "disabled" || state == "broken") {
			return true
		}
	}
	return false
}

// gateway finds the interface of a device that routes the VLAN: one in a subnet of the starting point, else one that is a VLAN interface for it.
func (w *walker) gateway(device, port Node, vid VID) (Node, bool) {
	for _, e := range device.Out(Contains) {
		if !e.To.Kind().Interface() {
			continue
		}
		for _, in := range e.To.Out(InSubnet) {
			if slices.Contains(w.subnets, in.To) || e.To == port && len(w.subnets) == 0 {
				return e.To, true
			}
		}
		if vid > 0 && len(e.To.Out(InSubnet)) > 0 && vlanInterface(e.To, vid) {
			return e.To, true
		}
	}
	return Node{}, false
}

// vlanInterface reports whether an interface is the routed interface of a VLAN: by its own VID, by ifStack over the VLAN, or by its name and
// type (l3ipvlan 136, l2vlan 135, propVirtual 53), since no MIB of the IETF says it.
func vlanInterface(n Node, vid VID) bool {
	if v, ok := n.Int(AttrVID); ok {
		return VID(v) == vid
	}
	t, _ := n.Int(AttrIfType)
	if t != 136 && t != 135 && t != 53 {
		return false
	}
	name := n.Text(AttrIfName)
	i := len(name)
	for i > 0 && name[i-1] >= '0' && name[i-1] <= '9' {
		i--
	}
	return i > 0 && name[i:] == strconv.Itoa(int(vid))
}

// exits gives the ports by which a frame may leave a bridge towards other devices: those that are up, carry the VLAN and lie on a shortest way to a
// gateway. Ports on an equally short way that lack the VLAN while their far end has it come too, with the fault: redundancy that seems to be there.
func (w *walker) exits(device, entry Node, vid VID, hops []Hop) []exit {
	passed := map[Key]bool{w.from.Key(): true, device.Key(): true}
	for _, h := range hops {
		if o, ok := h.Node.Owner(); ok {
			passed[o.Key()] = true
		}
	}
	best := -1
	var sound, faulty []exit
	for _, x := range w.forward(device, entry, vid) {
		far, _ := x.far.Owner()
		if passed[far.Key()] {
			continue
		}
		x.distance = w.distance(far, x.far, vid, passed)
		switch {
		case x.distance < 0:
		case x.fault != "":
			faulty = append(faulty, x)
		case best < 0 || x.distance < best:
			best, sound = x.distance, []exit{x}
		case x.distance == best && !slices.ContainsFunc(sound, func(o exit) bool { return o.port == x.port }):
			sound = append(sound, x)
		}
	}
	for _, x := range faulty {
		if best < 0 || x.distance <= best {
			sound = append(sound, x)
		}
	}
	return sound
}

// exit is a port that leads to another device, and why nothing leaves by it.
type exit struct {
	port, far Node
	fault     string
	distance  int
}

// forward lists the cabled ports of a bridge that are up and not blocked, towards devices that are no hosts.
func (w *walker) forward(device, entry Node, vid VID) []exit {
	var xs []exit
	for _, e := range device.Out(Contains) {
		p := e.To
		if !p.Kind().Interface() || p == entry || down(p) || blocked(p, vid) {
			continue
		}
		near, known := vlanHolder(p)
		lacks := known && vid > 0 && !carries(near, vid)
		for _, far := range p.Peers(Link) {
			o, ok := far.Owner()
			if !ok || o.Kind() == Host {
				continue
			}
			x := exit{port: p, far: far}
			if lacks {
				if there, ok := vlanHolder(far); !ok || !carries(there, vid) {
					continue // neither end has it: it was never meant to pass here
				}
				x.fault = fmt.Sprintf("VLAN %d is not carried on %s, but it is on the far end, %s %s", vid, near.Name(), o.Name(), far.Name())
			}
			xs = append(xs, x)
		}
	}
	return xs
}

// distance counts the devices on the shortest way from a device to a gateway; -1 if none is known.
func (w *walker) distance(device, entry Node, vid VID, passed map[Key]bool) int {
	type at struct {
		device, entry Node
		d             int
	}
	seen := map[Key]bool{device.Key(): true}
	for queue := []at{{device, entry, 0}}; len(queue) > 0; queue = queue[1:] {
		here := queue[0]
		if holder, known := vlanHolder(here.entry); known && vid > 0 && !carries(holder, vid) && !untaggedOn(here.entry, vid) {
			continue
		}
		if _, ok := w.gateway(here.device, here.entry, vid); ok {
			return here.d
		}
		for _, x := range w.forward(here.device, here.entry, vid) {
			far, _ := x.far.Owner()
			if x.fault == "" && !seen[far.Key()] && !passed[far.Key()] {
				seen[far.Key()] = true
				queue = append(queue, at{far, x.far, here.d + 1})
			}
		}
	}
	return -1
}
