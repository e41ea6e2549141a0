package topology

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
)

// wiring remembers what ways through bridges were looked at in a snapshot: where a VLAN leads on from each, who has addresses there, and whom they have
// resolved. It grows as it is asked, and is shared by all snapshots that differ in nothing of it and number nodes alike: those in which VMs were moved. It
// may be used by many at once.
type wiring struct {
	home *Snapshot // whose nodes are in it

	mu       sync.Mutex
	leads    map[lead]led
	held     int // exits in leads
	ways     map[entrance][]found
	kept     int                        // of ways
	routes   map[uint32][]Node          // interfaces with an address, by device
	resolved map[uint32]map[string]bool // hardware addresses in the neighbour cache, by interface
}

// lead is a bridge and a VLAN.
type lead struct {
	device uint32
	vid    VID
}

// led is what fabric.from finds, and the notes that it takes.
type led struct {
	exits []exit
	notes []string
}

// maxHeld is how many exits are remembered: some 80 MB. Beyond it all is forgotten.
const maxHeld = 1 << 17

// entrance is where frames come into a fabric, and what decides of the rest, but for the hardware address that they come from.
type entrance struct {
	device, port, left Node
	vid                VID
	tagged             bool
	grade              grade
	subnets            string
}

// found is where a search came to, what it noted, and which interfaces it asked whether they have resolved the starting point, with the answers.
type found struct {
	goals []goal
	notes []string
	asked map[Node]bool
}

// maxKept is how many searches are remembered: some 60 MB.
const maxKept = 1 << 15

// numbersOf names nodes of the home snapshot.
func numbersOf(nodes []Node) string {
	var b []byte
	for _, n := range nodes {
		b = binary.LittleEndian.AppendUint32(b, n.n)
	}
	return string(b)
}

// wired gives a snapshot that is finished a memory of its own.
func (s *Snapshot) wired() *Snapshot {
	s.wires = &wiring{home: s}
	return s
}

// wiringOf is what is remembered of a node's snapshot.
func wiringOf(n Node) *wiring {
	switch {
	case n.s == nil:
		return &wiring{}
	case n.s.wires == nil || n.s.wires.home.base != n.s.base:
		return &wiring{home: n.s}
	}
	return n.s.wires
}

// on gives the node as the snapshot of the memory has it.
func (w *wiring) on(n Node) Node {
	if n.s != nil {
		n.s = w.home
	}
	return n
}

// led gives the exits of a bridge, and what was noted when they were looked for.
func (w *wiring) led(at lead, look func() led) led {
	w.mu.Lock()
	known, ok := w.leads[at]
	w.mu.Unlock()
	if ok {
		return known
	}
	known = look()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held += len(known.exits) + 1; w.leads == nil || w.held > maxHeld {
		w.leads, w.held = map[lead]led{}, len(known.exits)+1
	}
	w.leads[at] = known
	return known
}

// searched gives what was found from an entrance by frames from a hardware address that the same interfaces have resolved.
func (w *wiring) searched(at entrance, resolves func(Node) bool) (found, bool) {
	w.mu.Lock()
	all := w.ways[at]
	w.mu.Unlock()
	for _, f := range all {
		same := true
		for n, is := range f.asked {
			same = same && resolves(n) == is
		}
		if same {
			return f, true
		}
	}
	return found{}, false
}

// keep remembers what was found.
func (w *wiring) keep(at entrance, f found) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept++; w.ways == nil || w.kept > maxKept {
		w.ways, w.kept = map[entrance][]found{}, 1
	}
	w.ways[at] = append(slices.Clip(w.ways[at]), f)
}

// addressed gives the interfaces of a device that are in a subnet.
func (w *wiring) addressed(device Node) []Node {
	w.mu.Lock()
	ns, ok := w.routes[device.n]
	w.mu.Unlock()
	if ok {
		return ns
	}
	for part := range device.Objects(Contains) {
		if part.Kind().Interface() && len(part.Out(InSubnet)) > 0 {
			ns = append(ns, part)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.routes == nil {
		w.routes = map[uint32][]Node{}
	}
	w.routes[device.n] = ns
	return ns
}

// resolves reports whether an interface has a hardware address in its neighbour cache.
func (w *wiring) resolves(n Node, mac MAC) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	known, ok := w.resolved[n.n]
	if !ok {
		known = map[string]bool{}
		for v := range n.Stated(AttrARP) {
			if text := v.String(); strings.Contains(text, " ") {
				known[text[strings.LastIndexByte(text, ' ')+1:]] = true
			}
		}
		if w.resolved == nil {
			w.resolved = map[uint32]map[string]bool{}
		}
		w.resolved[n.n] = known
	}
	return known[mac.String()]
}

// leavesWires tells that a change is none of cables, bridges and addresses: a VM, with its vNICs and disks, is elsewhere.
func (c Change) leavesWires() bool {
	return c.Rel == RunsOn || c.Rel == AttachedTo || c.Rel == StoredOn && c.Subject.Kind == VDisk
}

// wiredAs gives a snapshot the memory of the one that it was made of by changes, if these leave it as it is, else one of its own.
func (s *Snapshot) wiredAs(was *Snapshot, changes []Change) *Snapshot {
	alike := was.wires != nil && was.base == s.base && was.over.count == s.over.count
	if alike && !slices.ContainsFunc(changes, func(c Change) bool { return !c.leavesWires() }) {
		s.wires = was.wires
		return s
	}
	return s.wired()
}
