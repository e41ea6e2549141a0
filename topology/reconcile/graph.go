package reconcile

import (
	"slices"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// graph is what the rules know of a snapshot, and what they concluded from it. It follows the snapshot fact by fact (touch), so that a rule looks only
// at what a change can affect. A rule rests on what sources say and on the results of surer rules, never on derived facts: those are made last, for each
// subject whose results changed (settle).
type graph struct {
	s        *topology.Snapshot
	now      time.Time
	keys     numbering[topology.Key]
	readings numbering[topology.ReadingKey]
	nodes    map[ref]topology.Node // of the snapshot, as far as they were looked up
	things   []thing               // by ref of the key
	byHand   map[ref]int           // interfaces whose link an operator wrote down: by how many facts
	called   register[term]        // devices and interfaces, by what others call them

	// Neighbours (conclude_neighbor.go).
	wanted   register[term]     // neighbours, by what they call others
	who      map[ref]identified // neighbours
	ofDevice register[ref]      // neighbours, by the device that they are
	asPort   register[ref]      // neighbours, by the interface that they are
	timed    register[ref]      // neighbours, by the readings whose times decide whether their link is denied
	heard    claims[ref]        // by neighbour

	// Forwarding databases (conclude_bridge.go, conclude_attach.go).
	seen    map[topology.MAC][]sighting
	learned map[ref]int            // devices that learn addresses, by how many entries
	address register[topology.MAC] // such devices, by their addresses
	ways    map[ref]map[ref]ref    // such devices, by port that leads to them: the reading that shows it
	behind  register[ref]          // ports, by bridge to which they lead
	trunks  claims[[2]ref]         // by pair of bridges
	edges   claims[topology.MAC]   // by address of the device at the end
	guests  register[topology.MAC] // vNICs

	// Neighbour caches (conclude_arp.go).
	asked    map[topology.MAC][]answer
	resolved claims[ref] // by the interface that resolved the other

	// Aggregates and subnets (conclude_lag.go, conclude_subnet.go).
	partners register[partner]
	far      map[ref][]ref    // LAGs, by LAG at whose members' far ends they are
	subnets  map[prefixed]int // how many addresses in a subnet a reading names
	stated   set[prefixed]    // for which of these the snapshot has the derived fact

	dirty dirty
}

// thing is what is known of a device, an interface or a vNIC without asking the snapshot.
type thing struct {
	owner    ref          // the device that contains the interface
	mac      topology.MAC // believed
	learned  int32        // entries of the forwarding database
	cable    bool         // it can have one (physical)
	hardware bool         // it can for certain
	tunnel   bool
}

// sighting is an address in a forwarding database.
type sighting struct{ port, reading ref }

// answer is an address in a neighbour cache.
type answer struct {
	port, reading ref
	ip            string
}

func newGraph() *graph {
	return &graph{
		nodes: map[ref]topology.Node{}, keys: newNumbering[topology.Key](), readings: newNumbering[topology.ReadingKey](), things: make([]thing, 1),
		byHand: map[ref]int{}, called: newRegister[term](), wanted: newRegister[term](), who: map[ref]identified{}, ofDevice: newRegister[ref](),
		asPort: newRegister[ref](), timed: newRegister[ref](), heard: newClaims[ref](), seen: map[topology.MAC][]sighting{}, learned: map[ref]int{},
		address: newRegister[topology.MAC](), ways: map[ref]map[ref]ref{}, behind: newRegister[ref](), trunks: newClaims[[2]ref](),
		edges: newClaims[topology.MAC](), guests: newRegister[topology.MAC](), asked: map[topology.MAC][]answer{}, resolved: newClaims[ref](),
		partners: newRegister[partner](), far: map[ref][]ref{}, subnets: map[prefixed]int{}, stated: set[prefixed]{}, dirty: newDirty(),
	}
}

func (g *graph) ref(k topology.Key) ref {
	x := g.keys.ref(k)
	if int(x) == len(g.things) {
		g.things = append(g.things, thing{})
	}
	return x
}

func (g *graph) key(x ref) topology.Key { return g.keys.of(x) }

// node gives the node of a ref; it is zero if the snapshot has it no more.
func (g *graph) node(x ref) topology.Node {
	n, known := g.nodes[x]
	if !known {
		n, _ = g.s.Node(g.key(x))
		g.nodes[x] = n
	}
	return n
}

// look looks at a snapshot from now on.
func (g *graph) look(s *topology.Snapshot) {
	g.s, g.nodes = s, map[ref]topology.Node{}
}

func (g *graph) owner(x ref) ref { return g.things[x].owner }

func (g *graph) isBridge(device ref) bool { return g.learned[device] > 0 }

// earlier orders readings canonically.
func (g *graph) earlier(a, b ref) bool { return g.readings.of(a).Compare(g.readings.of(b)) < 0 }

// parts gives the interfaces of a device.
func (g *graph) parts(device ref) []ref {
	var parts []ref
	for p := range g.node(device).Objects(topology.Contains) {
		if p.Kind().Interface() {
			parts = append(parts, g.ref(p.Key()))
		}
	}
	return parts
}

// containers gives the devices that contain an interface; the last of them in the order of devices is its owner.
func (g *graph) containers(n topology.Node) []ref {
	var found []topology.Key
	for d := range n.Subjects(topology.Contains) {
		if d.Kind().Device() {
			found = append(found, d.Key())
		}
	}
	slices.SortFunc(found, deviceOrder)
	refs := make([]ref, len(found))
	for i, k := range found {
		refs[i] = g.ref(k)
	}
	return refs
}

// uppers gives the interfaces that an interface supports.
func (g *graph) uppers(x ref) []ref {
	var ups []ref
	for up := range g.node(x).Subjects(topology.SupportedBy) {
		if up.Kind().Interface() {
			ups = append(ups, g.ref(up.Key()))
		}
	}
	return ups
}

// aggregates gives the LAGs of which an interface is a member.
func (g *graph) aggregates(x ref) []ref {
	return slices.DeleteFunc(g.uppers(x), func(up ref) bool { return g.key(up).Kind != topology.LAG })
}

// lowers gives what an interface rests on.
func (g *graph) lowers(x ref) []ref {
	var lows []ref
	for low := range g.node(x).Objects(topology.SupportedBy) {
		lows = append(lows, g.ref(low.Key()))
	}
	return lows
}

// stack gives an interface and all that rests on it.
func (g *graph) stack(x ref) []ref {
	all := []ref{x}
	for i := 0; i < len(all); i++ {
		for _, up := range g.uppers(all[i]) {
			if !slices.Contains(all, up) {
				all = append(all, up)
			}
		}
	}
	return all
}

// deviceOf gives the device of all, if it is one and the same.
func (g *graph) deviceOf(refs []ref) (ref, bool) {
	var device ref
	for _, x := range refs {
		d := x
		if !g.key(x).Kind.Device() {
			if d = g.owner(x); d == 0 {
				continue
			}
		}
		if device != 0 && d != device {
			return 0, false
		}
		device = d
	}
	return device, device != 0
}

// only gives the one of a list, if there is exactly one.
func only[T any](list []T) (T, bool) {
	if len(list) != 1 {
		var none T
		return none, false
	}
	return list[0], true
}

// linked reports whether neighbours or an operator say that an interface has a link; what a newer reading denies does not count.
func (g *graph) linked(x ref) bool { return believed(g.heard.at[x]) || g.byHand[x] > 0 }

func believed(links []claim) bool {
	return slices.ContainsFunc(links, func(l claim) bool { return l.confidence > topology.ConfidenceDenied })
}

// sightings gives where bridges learned an address, but for tunnels.
func (g *graph) sightings(m topology.MAC) []sighting {
	all := g.seen[m]
	if slices.ContainsFunc(all, g.inTunnel) {
		return slices.DeleteFunc(slices.Clone(all), g.inTunnel)
	}
	return all
}

func (g *graph) inTunnel(s sighting) bool { return g.things[s.port].tunnel }

// tunnel reports whether an interface is the end of a tunnel (IANAifType tunnel 131): what a bridge learns there is behind a network, not a cable.
func tunnel(n topology.Node) bool {
	const tunnel = 131
	t, _ := n.Int(topology.AttrIfType)
	_, vxlan := n.Value(topology.AttrVNI)
	return t == tunnel || vxlan
}

// physical reports whether an interface can have a cable: not an SVI, a loopback, a tunnel, a VLAN sub-interface or a bridge (IANAifType).
// An interface whose type nobody gave is taken to have one.
func physical(n topology.Node) bool {
	if n.Kind() == topology.LAG {
		return false
	}
	t, ok := n.Int(topology.AttrIfType)
	if !ok {
		return true
	}
	switch t {
	case 6, 7, 11, 26, 62, 69, 117: // ethernetCsmacd and its obsolete relatives
		return true
	}
	return false
}

// hardware reports that an interface can have a cable for certain: it is a network card, or somebody gave its type.
func hardware(n topology.Node) bool {
	_, typed := n.Int(topology.AttrIfType)
	return physical(n) && (typed || n.Kind() == topology.NIC)
}
