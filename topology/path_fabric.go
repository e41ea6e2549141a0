package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// grade tells how sure a way is; a way is as good as its worst hop.
type grade uint8

const (
	sound    grade = iota
	doubtful       // something on it is not known
	broken         // something on it lets nothing pass

	grades
)

func gradeOf(hops []Hop) grade {
	g := sound
	for _, h := range hops {
		g = max(g, h.grade())
	}
	return g
}

func (h Hop) grade() grade {
	switch {
	case h.Fault != "":
		return broken
	case h.Doubt != "":
		return doubtful
	}
	return sound
}

// fabric is the bridges that a VLAN reaches, as far as they were looked at. Frames keep their VLAN there.
type fabric struct {
	vid     VID // 0: not known
	subnets []Node
	mac     MAC // of the starting point
	left    Node
	wires   *wiring           // all nodes here are of its snapshot
	vlans   map[Key][2]string // what bridged says, by device
	flow    flow              // the sound ways, device by device
	unheard []string          // why the fabric may reach further than is known
	asked   map[Node]bool     // in a search, what resolves said
	own     bool              // neighbour caches were asked for the starting point
}

func newFabric(vid VID, w *walker) *fabric {
	mac, _ := w.start.Value(AttrMAC)
	f := &fabric{
		vid: vid, mac: mac.MAC(), wires: wiringOf(w.start), vlans: map[Key][2]string{},
		flow: newFlow(w.start.Key()),
	}
	f.left = f.wires.on(w.from)
	for _, n := range w.subnets {
		f.subnets = append(f.subnets, f.wires.on(n))
	}
	return f
}

// of gives hops as the snapshot of a node has them.
func (f *fabric) of(n Node, hops []Hop) []Hop {
	for i := range hops {
		hops[i].Node.s = n.s
	}
	return hops
}

// exit is a cable that leads from a bridge to another device: the hop that leaves, and the one that arrives.
type exit struct {
	near, far Hop
	device    Node
	grade     grade
}

// from lists the exits of a bridge for the VLAN: ports that carry it at one end at least, since a port that lacks it on one side alone is redundancy
// that only seems to be there. A port of which nothing is known counts, with doubt, unless the bridge tells the VLANs of its other ports: then
// it is a port that does not bridge.
func (f *fabric) from(device Node) []exit {
	known := f.wires.led(lead{device.n, f.vid}, func() led {
		looking := &fabric{vid: f.vid, wires: f.wires, vlans: map[Key][2]string{}}
		return led{looking.look(device), looking.unheard}
	})
	for _, text := range known.notes {
		f.note(text)
	}
	return known.exits
}

func (f *fabric) look(device Node) (xs []exit) {
	var ports []Node
	for p := range device.Objects(Contains) {
		if p.Kind().Interface() {
			ports = append(ports, p)
		}
	}
	told := slices.ContainsFunc(ports, hasVLANs)
	for _, p := range ports {
		if holder, known := vlanHolder(p); known || !told {
			xs = append(xs, f.by(device, p, holder, known)...)
		}
	}
	return xs
}

// by lists the exits by one port of a bridge. The holder has the port's VLANs, if they are known.
func (f *fabric) by(device, p, holder Node, known bool) []exit {
	lacks := known && f.vid > 0 && !carries(holder, f.vid)
	links, doubt := cables(p)
	if text := hears(p); len(links) == 0 && text != "" && !lacks {
		f.note(device.Name() + " " + text)
	}
	near := Hop{Node: p, VID: f.vid, Tagged: f.vid > 0 && (!known || !vlans(holder, AttrUntagged).Has(f.vid)), Fault: stopped(p), Doubt: doubt}
	switch {
	case near.Fault != "":
	case blocked(p, f.vid):
		near.Fault = "spanning tree blocks " + p.Name()
	case near.Doubt != "":
	case hampered(p) != "":
		near.Doubt = hampered(p)
	case isolated(p): // which port the frame came in by is not looked at
		near.Doubt = p.Name() + " passes nothing of other isolated ports of " + device.Name()
	case !known:
		near.Doubt = "no source says which VLANs " + p.Name() + " carries"
	}
	var xs []exit
	for _, l := range links {
		if x, ok := f.over(l, near, lacks, holder); ok {
			xs = append(xs, x)
		}
	}
	return xs
}

// over makes the exit over a link; false: nothing of the VLAN was ever meant to pass there.
func (f *fabric) over(l Edge, near Hop, lacks bool, holder Node) (exit, bool) {
	port := l.Peer(near.Node)
	device, ok := port.Owner()
	if !ok {
		f.note("no source says what " + port.Name() + " at the end of " + near.Node.Name() + " belongs to")
		return exit{}, false
	}
	switch device.Kind() {
	case Switch, Router, Firewall:
	default:
		return exit{}, false
	}
	far := step(l, port, f.vid, near.Tagged)
	there, known := vlanHolder(port)
	if lacks {
		if !known || !carries(there, f.vid) {
			return exit{}, false
		}
		if near.Fault == "" {
			near.Fault = fmt.Sprintf("VLAN %d is not carried on %s, but it is on the far end, %s %s", f.vid, holder.Name(), device.Name(), port.Name())
		}
		far.Tagged = vlans(there, AttrTagged).Has(f.vid)
	} else {
		_, fault, doubt := admit(port, f.vid, near.Tagged)
		if far.Fault == "" {
			far.Fault = fault
		}
		far.Doubt = cmp.Or(hampered(port), doubt)
	}
	f.bridged(device, known, &far)
	return exit{near, far, device, max(near.grade(), far.grade())}, true
}

// bridged adds to a hop into a device by a port of its bridge whether the device has the VLAN.
func (f *fabric) bridged(device Node, isPort bool, h *Hop) {
	if !isPort {
		return
	}
	says, ok := f.vlans[device.Key()]
	if !ok {
		says[0], says[1] = bridged(device, f.vid)
		f.vlans[device.Key()] = says
	}
	h.Fault, h.Doubt = cmp.Or(h.Fault, says[0]), cmp.Or(h.Doubt, says[1])
}

func hasVLANs(n Node) bool {
	_, tagged := n.Value(AttrTagged)
	_, untagged := n.Value(AttrUntagged)
	return tagged || untagged
}

func (f *fabric) note(text string) {
	const most = 3
	if len(f.unheard) < most && !slices.Contains(f.unheard, text) {
		f.unheard = append(f.unheard, text)
	}
}

// search is one walk through a fabric, breadth first from where a frame comes in, with what is sound, doubtful and broken apart. Shortest ways
// alone are kept, so none passes a device twice.
type search struct {
	*fabric
	arrivals map[uint32]*[grades]*arrival // by device
	next     []*arrival
	goals    []goal
	target   Node // the device that is searched for; none: a gateway
}

// arrival is a device that was reached, with all the equally short ways of a grade into it.
type arrival struct {
	device Node
	grade  grade
	level  int   // cables from where the search began
	ways   []way // none: the search began here
	total  int   // how many ways there are from the beginning; 0: not counted yet
}

type way struct {
	from *arrival // nil: the search began here
	exit *exit
}

// goal is a gateway, or a device that was searched for, and one way into its device.
type goal struct {
	way     way
	gateway Hop
	grade   grade
	level   int
}

// maxDepth is how many cables a frame may pass in a fabric: more than the 7 bridges of IEEE 802.1D's spanning tree.
const maxDepth = 8

// search walks through a fabric from where a frame comes in. What was found is remembered.
func (f *fabric) search(device, port Node, tagged bool, g grade) *search {
	at := entrance{f.wires.on(device), f.wires.on(port), f.left, f.vid, tagged, g, numbersOf(f.subnets)}
	known, ok := f.wires.searched(at, f.resolves)
	if !ok {
		known = f.anew(at)
		f.wires.keep(at, known)
	}
	for _, text := range known.notes {
		f.note(text)
	}
	return &search{fabric: f, goals: known.goals}
}

// anew is search without a look at what is known.
func (f *fabric) anew(at entrance) found {
	before := f.unheard
	f.unheard, f.asked = nil, map[Node]bool{}
	s := &search{fabric: f, arrivals: map[uint32]*[grades]*arrival{}}
	s.walk(at.device, at.port, at.tagged, at.grade)
	for _, g := range s.goals {
		if g.way.from != nil {
			g.way.from.count() // before others see it
		}
	}
	all := found{s.goals, f.unheard, f.asked}
	f.unheard, f.asked = before, nil
	return all
}

func (s *search) walk(device, port Node, tagged bool, g grade) {
	s.arrive(way{}, device, port, tagged, g, 0)
	for level := 1; level <= maxDepth && len(s.next) > 0 && !s.reached(g); level++ {
		frontier := s.next
		s.next = nil
		for _, a := range frontier {
			exits := s.from(a.device)
			for i := range exits {
				if x := &exits[i]; x.device != s.left {
					s.arrive(way{a, x}, x.device, x.far.Node, x.far.Tagged, max(a.grade, x.grade), level)
				}
			}
		}
	}
	s.choose()
}

// reached reports that a gateway was found on a way as good as any can be.
func (s *search) reached(best grade) bool {
	return slices.ContainsFunc(s.goals, func(g goal) bool { return g.grade <= best })
}

// arrive notes a way into a device: as a goal if it has a gateway, and to go on from there if it bridges.
func (s *search) arrive(w way, device, port Node, tagged bool, g grade, level int) {
	if s.target == device {
		s.goals = append(s.goals, goal{way: w, grade: g, level: level})
		return
	}
	if hop, ok := s.gateway(device, port, tagged); ok && s.target.IsZero() {
		s.goals = append(s.goals, goal{w, hop, max(g, hop.grade()), level})
		if hop.Doubt == "" {
			return
		}
	} else if device.Kind() != Switch && s.target.IsZero() {
		s.note(fmt.Sprintf("%s is reached at %s, and no source says which of its interfaces routes %s", device.Name(), port.Name(), vlanText(s.vid)))
	}
	_, bridges := vlanHolder(port)
	if routes := device.Kind() == Router || device.Kind() == Firewall; device.Kind() != Switch && (!bridges || !routes) {
		return
	}
	at := s.arrivals[device.n]
	if at == nil {
		at = &[grades]*arrival{}
		s.arrivals[device.n] = at
	}
	for better := sound; better <= g; better++ {
		if at[better] != nil && at[better].level < level {
			return
		}
	}
	if at[g] == nil {
		at[g] = &arrival{device: device, grade: g, level: level}
		s.next = append(s.next, at[g])
	}
	if w.from != nil {
		at[g].ways = append(at[g].ways, w)
	} else {
		at[g].total = 1
	}
}

// choose keeps the goals of the best grade on the shortest ways, and those of a worse grade that are no longer. Where a gateway is certain,
// guesses at others are not wanted.
func (s *search) choose() {
	best, nearest := grades, 0
	for _, g := range s.goals {
		if g.grade < best || g.grade == best && g.level < nearest {
			best, nearest = g.grade, g.level
		}
	}
	s.goals = slices.DeleteFunc(s.goals, func(g goal) bool {
		return g.level > nearest || best == sound && g.gateway.Doubt != ""
	})
	slices.SortStableFunc(s.goals, func(a, b goal) int { return int(a.grade) - int(b.grade) })
}

// list gives the hops of the ways, the best first, after the port of arrival; it returns how many more there are than it gave. The sound ones go
// into the flow by which independent ways are counted. However many of them there are, those on which something is wrong are not forgotten over them.
func (s *search) list(yield func([]Hop)) (more int) {
	all, listed, some := 0, 0, map[bool]int{}
	done := map[*arrival]bool{}
	for _, g := range s.goals {
		if g.way.from == nil {
			all, listed = all+1, listed+1
			yield(g.hops(nil))
		} else {
			all = min(all+g.way.from.count(), tooMany)
			g.way.from.each([]*exit{g.way.exit}, func(xs []*exit) bool {
				if some[g.grade == sound] < maxPaths {
					listed++
					some[g.grade == sound]++
					yield(g.hops(xs))
				}
				return some[g.grade == sound] < maxPaths
			})
		}
		if g.grade == sound {
			s.credit(g, done)
		}
	}
	return all - listed
}

// tooMany is where counting ways ends.
const tooMany = 1 << 30

// count tells how many ways lead from the beginning to the arrival.
func (a *arrival) count() int {
	if a.total == 0 {
		for _, w := range a.ways {
			a.total = min(a.total+w.from.count(), tooMany)
		}
	}
	return a.total
}

// each gives every way to the arrival as its exits in reverse, until visit says no.
func (a *arrival) each(tail []*exit, visit func([]*exit) bool) bool {
	if len(a.ways) == 0 {
		return visit(tail)
	}
	for _, w := range a.ways {
		if !w.from.each(append(slices.Clip(tail), w.exit), visit) {
			return false
		}
	}
	return true
}

func (g goal) hops(reversed []*exit) []Hop {
	hops := between(reversed)
	if n := len(hops); n > 0 && hops[n-1].Node == g.gateway.Node {
		return hops // the cable ends in the gateway itself
	}
	return append(hops, g.gateway)
}

// gateway finds the interface of a device that routes the VLAN, for a frame that arrived at a port: the port itself if it has an address, or
// an interface on the VLAN; with the subnets of the starting point, if they are known, it must be in one of them.
func (f *fabric) gateway(device, port Node, tagged bool) (Hop, bool) {
	switch device.Kind() {
	case Switch, Router, Firewall:
	default:
		return Hop{}, false
	}
	addressed := f.wires.addressed(device)
	if len(addressed) == 0 {
		return Hop{}, false
	}
	here := bearers(port)
	_, bridged := vlanHolder(port)
	var best Hop
	for _, n := range addressed {
		doubt, ok := f.serves(n, here, bridged, tagged)
		if !ok || !best.Node.IsZero() && (best.Doubt == "" || doubt != "") {
			continue
		}
		best = Hop{Node: n, VID: f.vid, Fault: stopped(n), Doubt: doubt}
	}
	if best.Node.IsZero() {
		return Hop{}, false
	}
	if best.Doubt == "" && !Routing(device, best.Node) {
		best.Doubt = "no source says that " + device.Name() + " routes: " + best.Node.Name() + " may be its own address only"
	}
	return best, true
}

// serves reports whether an interface is the gateway for a frame at a port (with its aggregates), and what is not known about it.
func (f *fabric) serves(n Node, here []Node, bridged, tagged bool) (doubt string, ok bool) {
	if len(f.subnets) > 0 && !slices.ContainsFunc(n.Out(InSubnet), func(e Edge) bool { return slices.Contains(f.subnets, e.To) }) {
		return "", false
	}
	if slices.Contains(here, n) {
		return "", !tagged && !bridged
	}
	vid, is := vlanOf(n)
	if is && ridesBelow(n) && !f.resolves(n) {
		return "", false // the tag of the VLAN is inside another one
	}
	if is && vid > 0 && vid != f.vid && f.vid > 0 {
		return "", false
	}
	if lower := n.Out(SupportedBy); is && !bridged && len(lower) > 0 &&
		!slices.ContainsFunc(lower, func(e Edge) bool { return slices.Contains(here, e.To) }) {
		return "", false // on another cable
	}
	switch {
	case is && vid > 0 && vid == f.vid, f.resolves(n):
		return "", true
	case len(f.subnets) > 0:
		return "no source says on which VLAN " + n.Name() + " is", true
	}
	return "", false
}

// resolves reports whether the interface has the starting point in its neighbour cache: then frames pass between the two.
func (f *fabric) resolves(n Node) bool {
	if len(f.subnets) == 0 {
		return false
	}
	_, cached := n.Value(AttrARP)
	f.own = f.own || cached
	is := cached && f.mac.Usable() && f.wires.resolves(n, f.mac)
	if f.asked != nil {
		f.asked[n] = is
	}
	return is
}

// Routing reports whether a device is known to forward packets of the protocol of an address that the interface has: a bridge has addresses for
// its own management as well.
func Routing(device, gateway Node) bool {
	has := func(a Attr, word string) bool {
		return slices.ContainsFunc(device.Values(a), func(v Value) bool { return v.String() == word })
	}
	return device.Kind() == Router || device.Kind() == Firewall || has(AttrCapability, "router") ||
		slices.ContainsFunc(gateway.Values(AttrAddress), func(v Value) bool {
			if v.Prefix().Addr().Is4() {
				return has(AttrForwarding, "ipv4")
			}
			return has(AttrForwarding, "ipv6")
		})
}

// gap words why no gateway was found from a port of arrival.
func (s *search) gap(device, port Node) string {
	switch device.Kind() {
	case Switch, Router, Firewall:
	default:
		return fmt.Sprintf("it ends at %s %s, which is no gateway as far as is known", device.Kind(), device.Name())
	}
	var text string
	switch _, bridged := vlanHolder(port); {
	case s.vid == 0:
		text = "the VLAN is not known at " + device.Name() + ", so the way to a gateway cannot be told"
	case device.Kind() != Switch && !bridged:
		text = fmt.Sprintf("no source says which interface of %s routes VLAN %d: collect its addresses and interface layers", device.Name(), s.vid)
	default:
		text = fmt.Sprintf("no gateway of VLAN %d is known behind %s: collect the router or firewall that routes it", s.vid, device.Name())
		if len(s.unheard) > 0 {
			text += " (" + strings.Join(s.unheard, "; ") + ")"
		}
	}
	return text
}

func vlanText(vid VID) string {
	if vid == 0 {
		return "the VLAN"
	}
	return fmt.Sprintf("VLAN %d", vid)
}
