package reconcile_test

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// This is how the rules were first written, and what they mean: each looks at the whole graph. The rules of the package are held against it.

var kindOrder = []topology.Kind{
	topology.Host, topology.Array, topology.FCSwitch, topology.Firewall, topology.Router, topology.Switch, topology.Server, topology.BMC,
}

// conclude gives all facts that follow from what the sources say, each with the reading that proves it: the rules without any memory, one after the other
// over the whole snapshot.
func conclude(s *topology.Snapshot) []topology.Fact {
	g := newIndex(s)
	c := &conclusions{index: g}
	c.neighbors()
	c.forwarding()
	c.resolution()
	c.distributed()
	c.subnets()
	c.guestAddresses()
	c.units()
	return c.facts
}

type conclusions struct {
	*index
	facts []topology.Fact
	links map[topology.Key][]claim // surer links so far, by either end
	await []func()                 // links of the rule at work: it must not see its own conclusions, or their order would count
}

// claim is one link as one reading gives it.
type claim struct {
	peer       topology.Key
	confidence uint8
}

func (c *conclusions) state(f topology.Fact, confidence uint8, reading topology.ReadingKey) {
	f.Confidence, f.Reading = confidence, reading
	c.facts = append(c.facts, f)
}

func (c *conclusions) link(a, b topology.Key, confidence uint8, reading topology.ReadingKey) {
	if a == b {
		return // a part of two devices that hears itself: no link
	}
	c.state(topology.Relate(a, topology.Link, b), confidence, reading)
	if c.links == nil {
		c.links = map[topology.Key][]claim{}
	}
	c.links[a] = append(c.links[a], claim{b, confidence})
	c.links[b] = append(c.links[b], claim{a, confidence})
}

// later concludes a link when the rule at work is done with looking (settle).
func (c *conclusions) later(a, b topology.Key, confidence uint8, reading topology.ReadingKey) {
	c.await = append(c.await, func() { c.link(a, b, confidence, reading) })
}

func (c *conclusions) settle() {
	for _, conclude := range c.await {
		conclude()
	}
	c.await = nil
}

// linked reports whether an interface has a link that is believed, from conclusions so far or stated by hand.
func (c *conclusions) linked(n topology.Node) bool {
	for _, l := range c.links[n.Key()] {
		if l.confidence > topology.ConfidenceDenied {
			return true
		}
	}
	return c.byHand[n.Key()]
}

// index finds devices and interfaces by what others call them.
type index struct {
	s        *topology.Snapshot
	devices  []topology.Node
	parts    map[topology.Key][]topology.Node // interfaces by device
	owner    map[topology.Key]topology.Node   // device by interface
	chassis  map[string][]topology.Node       // "mac/…", and bridge addresses in the same form
	sysName  map[string][]topology.Node       // lower case
	short    map[string][]topology.Node       // those that have a domain, by what is before it
	address  map[netip.Addr][]topology.Node   // interfaces, and devices by management address
	mac      map[topology.MAC][]topology.Node // interfaces
	learned  map[topology.MAC][]sighting      // where bridges learned an address
	upper    map[topology.Key][]topology.Node // what an interface supports
	byHand   map[topology.Key]bool            // interfaces whose link an operator wrote down
	isBridge map[topology.Key]bool            // devices that learn addresses
}

// sighting is an address in a forwarding database.
type sighting struct {
	port    topology.Node
	reading topology.ReadingKey
}

func newIndex(s *topology.Snapshot) *index {
	g := &index{
		s: s, parts: map[topology.Key][]topology.Node{}, owner: map[topology.Key]topology.Node{},
		chassis: map[string][]topology.Node{}, sysName: map[string][]topology.Node{},
		short: map[string][]topology.Node{}, address: map[netip.Addr][]topology.Node{},
		mac: map[topology.MAC][]topology.Node{}, learned: map[topology.MAC][]sighting{},
		upper: map[topology.Key][]topology.Node{}, byHand: map[topology.Key]bool{}, isBridge: map[topology.Key]bool{},
	}
	for n := range s.Nodes(kindOrder...) {
		g.device(n)
	}
	for n := range s.Nodes(topology.Port, topology.NIC, topology.LAG) {
		g.iface(n)
	}
	return g
}

func (g *index) device(n topology.Node) {
	g.devices = append(g.devices, n)
	if v, ok := n.Value(topology.AttrChassisID); ok {
		g.chassis[v.String()] = append(g.chassis[v.String()], n)
	}
	if v, ok := n.Value(topology.AttrBridgeMAC); ok {
		if k := "mac/" + v.String(); !slices.Contains(g.chassis[k], n) {
			g.chassis[k] = append(g.chassis[k], n)
		}
	}
	for _, a := range []topology.Attr{topology.AttrSysName, topology.AttrName} {
		name := strings.ToLower(n.Text(a))
		add := func(to map[string][]topology.Node, k string) {
			if k != "" && !slices.Contains(to[k], n) {
				to[k] = append(to[k], n)
			}
		}
		add(g.sysName, name)
		if short, ok := shortName(name); ok {
			add(g.short, short)
		}
	}
	for _, v := range n.Values(topology.AttrMgmtAddress) {
		g.addressed(v.Addr(), n)
	}
	for _, e := range n.Out(topology.Contains) {
		if e.To.Kind().Interface() {
			g.parts[n.Key()] = append(g.parts[n.Key()], e.To)
			g.owner[e.To.Key()] = n
		}
	}
}

func (g *index) iface(n topology.Node) {
	if v, ok := n.Value(topology.AttrMAC); ok && v.MAC().Usable() {
		g.mac[v.MAC()] = append(g.mac[v.MAC()], n)
	}
	for _, a := range []topology.Attr{topology.AttrAddress, topology.AttrUnnumbered} {
		for _, v := range n.Values(a) {
			g.addressed(v.Addr(), n)
		}
	}
	for f := range n.Facts() {
		switch {
		case f.Attr == topology.AttrLearned:
			e := f.Value.FDB()
			if e.Status != topology.FDBSelf && e.Status != topology.FDBInvalid && e.MAC.Usable() {
				if !tunnel(n) {
					g.learned[e.MAC] = append(g.learned[e.MAC], sighting{n, f.Reading})
				}
				if o, ok := g.owner[n.Key()]; ok {
					g.isBridge[o.Key()] = true
				}
			}
		case f.Rel == topology.Link && !f.Derived:
			g.byHand[f.Subject], g.byHand[f.Object] = true, true
		}
	}
	for _, e := range n.Out(topology.SupportedBy) {
		g.upper[e.To.Key()] = append(g.upper[e.To.Key()], n)
	}
}

// addressed notes who has an address, unless everybody has it.
func (g *index) addressed(a netip.Addr, n topology.Node) {
	if !a.IsLoopback() && !a.IsUnspecified() && !a.IsLinkLocalUnicast() && !a.IsMulticast() {
		g.address[a] = append(g.address[a], n)
	}
}

// shortName gives a host name without its domain, if it has one.
func shortName(name string) (string, bool) {
	if _, err := netip.ParseAddr(name); err == nil {
		return "", false
	}
	short, _, qualified := strings.Cut(name, ".")
	return short, qualified && short != ""
}

// only gives the one node of a list, if there is exactly one.
func only(ns []topology.Node) (topology.Node, bool) {
	if len(ns) != 1 {
		return topology.Node{}, false
	}
	return ns[0], true
}

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

// heard is one neighbour on one interface, with the interface it was found to be (if it was).
type heard struct {
	local, neighbor, device, remote topology.Node
	edge                            topology.Edge
}

// neighbors concludes who the neighbours are and which links follow. A link that a newer reading of the other end contradicts is kept as
// denied, since the cable may have been moved between two readings.
func (c *conclusions) neighbors() {
	var all []heard
	at := map[topology.Key][]heard{} // by local interface
	for n := range c.s.Nodes(topology.Neighbor) {
		device, remote := c.identify(n)
		for _, e := range n.In(topology.HasNeighbor) {
			h := heard{e.From, n, device, remote, e}
			all = append(all, h)
			at[e.From.Key()] = append(at[e.From.Key()], h)
		}
	}
	for _, h := range all {
		if h.device.IsZero() || h.device == c.owner[h.local.Key()] && h.remote == h.local {
			continue
		}
		confidence := uint8(topology.ConfidenceLLDP)
		if h.neighbor.Text(topology.AttrProtocol) != "lldp" {
			confidence = topology.ConfidenceCDP
		}
		if h.remote.IsZero() {
			c.state(topology.Relate(h.neighbor.Key(), topology.IdentifiedAs, h.device.Key()), confidence, h.edge.Reading.ReadingKey)
			continue
		}
		c.state(topology.Relate(h.neighbor.Key(), topology.IdentifiedAs, h.remote.Key()), confidence, h.edge.Reading.ReadingKey)
		if denied(h, at[h.remote.Key()]) {
			confidence = topology.ConfidenceDenied
		}
		c.link(h.local.Key(), h.remote.Key(), confidence, h.edge.Reading.ReadingKey)
	}
}

// denied reports whether the other end, in a newer reading, hears somebody else and not us.
func denied(h heard, there []heard) bool {
	var newest time.Time
	for _, t := range there {
		if t.remote == h.local {
			return false
		}
		if !t.remote.IsZero() && t.edge.Reading.Time.After(newest) {
			newest = t.edge.Reading.Time
		}
	}
	return newest.After(h.edge.Reading.Time)
}

// identify finds the device and the interface that a neighbour is. What does not fit exactly one stays unknown: a name alone is not
// believed against a chassis that says otherwise.
func (g *index) identify(n topology.Node) (device, port topology.Node) {
	device, ok := g.neighborDevice(n)
	if !ok {
		return topology.Node{}, topology.Node{}
	}
	return device, g.neighborPort(device, n)
}

func (g *index) neighborDevice(n topology.Node) (topology.Node, bool) {
	chassis := n.Text(topology.AttrNeighborChassis)
	if found := g.chassis[chassis]; len(found) > 0 {
		return only(found)
	}
	subtype, value, _ := strings.Cut(chassis, "/")
	var mac topology.MAC
	switch subtype {
	case "mac":
		mac, _ = topology.ParseMAC(value)
		if d, ok := g.ownerOf(g.mac[mac]); ok {
			return d, true
		}
	case "address":
		if a, err := netip.ParseAddr(value); err == nil {
			if d, ok := g.ownerOf(g.address[a]); ok {
				return d, true
			}
		}
	}
	for _, name := range []string{n.Text(topology.AttrSysName), value} {
		if d, ok := only(g.namesakes(strings.ToLower(name))); ok && !contradicts(d, mac) {
			return d, true
		}
	}
	for _, v := range n.Values(topology.AttrMgmtAddress) {
		if d, ok := g.ownerOf(g.address[v.Addr()]); ok && !contradicts(d, mac) {
			return d, true
		}
	}
	return topology.Node{}, false
}

// namesakes gives the devices that a name means: those of that very name, else, since protocols send it with the domain or without, those whose
// name is the same where one of the two has no domain. Two domains are two devices.
func (g *index) namesakes(name string) []topology.Node {
	if found := g.sysName[name]; len(found) > 0 {
		return found
	}
	if short, qualified := shortName(name); qualified {
		return g.sysName[short]
	}
	return g.short[name]
}

// contradicts reports that the device names a chassis of its own and it is not the one heard.
func contradicts(d topology.Node, heard topology.MAC) bool {
	own, ok := strings.CutPrefix(d.Text(topology.AttrChassisID), "mac/")
	return ok && heard != 0 && own != heard.String()
}

// ownerOf gives the device of all the nodes, if it is one and the same.
func (g *index) ownerOf(ns []topology.Node) (topology.Node, bool) {
	var device topology.Node
	for _, n := range ns {
		d := n
		if !n.Kind().Device() {
			var ok bool
			if d, ok = g.owner[n.Key()]; !ok {
				continue
			}
		}
		if !device.IsZero() && d != device {
			return topology.Node{}, false
		}
		device = d
	}
	return device, !device.IsZero()
}

// neighborPort finds the interface of a device that a neighbour's port ID names (IEEE 802.1AB 8.5.3), else its port description.
func (g *index) neighborPort(device, n topology.Node) topology.Node {
	id := n.Text(topology.AttrNeighborPort)
	subtype, value, _ := strings.Cut(id, "/")
	desc := n.Text(topology.AttrNeighborPortDesc)
	ports := g.parts[device.Key()]
	tests := []func(topology.Node) bool{
		func(p topology.Node) bool { return id != "" && p.Text(topology.AttrLLDPPortID) == id },
	}
	switch subtype {
	case "mac":
		tests = append(tests, func(p topology.Node) bool { return p.Text(topology.AttrMAC) == value && physical(p) })
	case "address":
		tests = append(tests, func(p topology.Node) bool { return hasAddress(p, value) })
	case "ifAlias":
		tests = append(tests, attrIs(topology.AttrIfAlias, value))
	}
	if subtype != "mac" {
		tests = append(tests, attrIs(topology.AttrIfName, value), attrIs(topology.AttrIfDescr, value),
			func(p topology.Node) bool { return sameName(p, value) }, attrIs(topology.AttrIfAlias, value))
	}
	tests = append(tests, attrIs(topology.AttrIfName, desc), attrIs(topology.AttrIfDescr, desc), attrIs(topology.AttrIfAlias, desc))
	if subtype == "local" {
		tests = append(tests, func(p topology.Node) bool {
			i, ok := p.Int(topology.AttrIfIndex)
			return ok && strconv.FormatInt(i, 10) == value
		})
	}
	for _, test := range tests {
		found := slices.DeleteFunc(slices.Clone(ports), func(p topology.Node) bool { return !test(p) })
		if p, ok := only(found); ok {
			return p
		}
	}
	return topology.Node{}
}

func attrIs(a topology.Attr, want string) func(topology.Node) bool {
	return func(p topology.Node) bool { return want != "" && strings.EqualFold(p.Text(a), want) }
}

func hasAddress(p topology.Node, want string) bool {
	return slices.ContainsFunc(p.Values(topology.AttrAddress), func(v topology.Value) bool { return v.Addr().String() == want })
}

// sameName reports whether one name is the other with its word shortened: Gi0/1 and GigabitEthernet0/1.
func sameName(p topology.Node, want string) bool {
	for _, a := range []topology.Attr{topology.AttrIfName, topology.AttrIfDescr} {
		word, number := splitName(p.Text(a))
		wantWord, wantNumber := splitName(want)
		if number != "" && number == wantNumber && min(len(word), len(wantWord)) >= 2 &&
			(strings.HasPrefix(word, wantWord) || strings.HasPrefix(wantWord, word)) {
			return true
		}
	}
	return false
}

func splitName(name string) (word, number string) {
	i := strings.IndexFunc(name, func(r rune) bool { return r >= '0' && r <= '9' })
	if i < 0 {
		return strings.ToLower(name), ""
	}
	return strings.ToLower(strings.TrimSpace(name[:i])), name[i:]
}

// forwarding concludes links from where bridges learned addresses, for interfaces that no neighbour protocol speaks of. Two bridges are joined
// where each learned the other and nobody stands between; another device is behind the one port that is not on the way to a bridge.
func (c *conclusions) forwarding() {
	bridges := c.bridgesBehind()
	c.bridgeLinks(bridges)
	uplinks, devices := c.uplinks(bridges), c.devicesBehind()
	for mac, sightings := range c.learned {
		c.attach(mac, sightings, uplinks, devices)
	}
	c.settle()
}

// behind gives for each port the bridges that were learned through it, and by which reading.
type behind map[topology.Key]map[topology.Key]topology.ReadingKey

func (b behind) note(s sighting, bridge topology.Key) {
	m := b[s.port.Key()]
	if m == nil {
		m = map[topology.Key]topology.ReadingKey{}
		b[s.port.Key()] = m
	}
	if old, ok := m[bridge]; !ok || s.reading.Compare(old) < 0 {
		m[bridge] = s.reading
	}
}

func (c *conclusions) bridgesBehind() behind {
	b := behind{}
	for _, d := range c.devices {
		if !c.isBridge[d.Key()] {
			continue
		}
		for _, mac := range c.addressesOf(d) {
			for _, s := range c.learned[mac] {
				if owner, ok := c.owner[s.port.Key()]; ok && owner != d {
					b.note(s, d.Key())
				}
			}
		}
	}
	return b
}

// addressesOf lists the hardware addresses of a device and its interfaces.
func (c *conclusions) addressesOf(d topology.Node) []topology.MAC {
	var macs []topology.MAC
	if v, ok := d.Value(topology.AttrBridgeMAC); ok {
		macs = append(macs, v.MAC())
	}
	for _, p := range c.parts[d.Key()] {
		if v, ok := p.Value(topology.AttrMAC); ok {
			macs = append(macs, v.MAC())
		}
	}
	return macs
}

// bridgeLinks concludes the links between bridges: pairs of ports through which each learned the other.
func (c *conclusions) bridgeLinks(b behind) {
	byBridge := map[topology.Key][]topology.Key{} // ports of a bridge that lead to another
	for p := range b {
		owner := c.owner[p].Key()
		byBridge[owner] = append(byBridge[owner], p)
	}
	for p, bridges := range b {
		here := c.owner[p].Key()
		for there, reading := range bridges {
			if here.Compare(there) > 0 || c.taken(p) {
				continue // each pair once
			}
			for _, q := range byBridge[there] {
				if back, ok := b[q][here]; ok && !c.taken(q) && !c.between(p, q) && !c.parted(b, here, there) {
					c.later(p, q, topology.ConfidenceFDB, slices.MinFunc([]topology.ReadingKey{reading, back}, topology.ReadingKey.Compare))
				}
			}
		}
	}
}

// parted reports whether another bridge has learned two of them, and on no port in common: it stands between the two.
func (c *conclusions) parted(b behind, here, there topology.Key) bool {
	for _, d := range c.devices {
		near, far, common := false, false, false
		for _, p := range c.parts[d.Key()] {
			_, x := b[p.Key()][here]
			_, y := b[p.Key()][there]
			near, far, common = near || x, far || y, common || x && y
		}
		if near && far && !common {
			return true
		}
	}
	return false
}

// uplinks tells which ports lead to a bridge, by a link or by what they learned.
func (c *conclusions) uplinks(b behind) map[topology.Key]bool {
	uplink := map[topology.Key]bool{}
	for port := range b {
		uplink[port] = true
	}
	for port, ls := range c.links {
		if !slices.ContainsFunc(ls, func(l claim) bool { return c.ofBridge(l.peer) }) {
			continue
		}
		uplink[port] = true
		for _, u := range c.upper[port] {
			uplink[u.Key()] = true
		}
	}
	return uplink
}

// ofBridge reports whether an interface is one of a bridge.
func (c *conclusions) ofBridge(iface topology.Key) bool {
	owner, ok := c.owner[iface]
	return ok && c.isBridge[owner.Key()]
}

// taken reports whether an interface, or a member of it, has a link already or hears a neighbour: then addresses prove nothing more.
func (c *conclusions) taken(k topology.Key) bool { return c.takenBelow(k, map[topology.Key]bool{}) }

func (c *conclusions) takenBelow(k topology.Key, seen map[topology.Key]bool) bool {
	n, _ := c.s.Node(k)
	if c.linked(n) || len(n.Out(topology.HasNeighbor)) > 0 {
		return true
	}
	if seen[k] || n.Kind() != topology.LAG {
		return false
	}
	seen[k] = true // aggregates of each other, as no device has them
	return slices.ContainsFunc(n.Out(topology.SupportedBy), func(e topology.Edge) bool { return c.takenBelow(e.To.Key(), seen) })
}

// between reports whether an address was learned on both ports: what has it stands between the two, and a bridge to hold it.
func (c *conclusions) between(p, q topology.Key) bool {
	near, _ := c.s.Node(p)
	far, _ := c.s.Node(q)
	seen := map[topology.MAC]bool{}
	for _, v := range near.Values(topology.AttrLearned) {
		seen[v.FDB().MAC] = true
	}
	return slices.ContainsFunc(far.Values(topology.AttrLearned), func(v topology.Value) bool { return seen[v.FDB().MAC] })
}

// attach concludes the link of a device that is no bridge to the one edge port where its address was learned.
func (c *conclusions) attach(mac topology.MAC, sightings []sighting, uplink map[topology.Key]bool, devices map[topology.Key]int) {
	iface, ok := c.attachable(mac)
	if !ok {
		return
	}
	var edge topology.Node
	var reading topology.ReadingKey
	for _, s := range sightings {
		if uplink[s.port.Key()] || c.owner[s.port.Key()] == c.owner[iface.Key()] {
			continue
		}
		if !edge.IsZero() && edge != s.port {
			return // two places: which is nearer cannot be told
		}
		if edge.IsZero() || s.reading.Compare(reading) < 0 {
			edge, reading = s.port, s.reading
		}
	}
	if edge.IsZero() || c.taken(edge.Key()) || c.taken(iface.Key()) || devices[edge.Key()] > 1 {
		return // nothing, something surer, or a port with several devices behind it: no cable joins the two directly
	}
	c.later(edge.Key(), iface.Key(), topology.ConfidenceFDB, reading)
}

// devicesBehind counts for each port whose addresses were learned there: each device that is known, and each address that nobody explains, since
// it may be of a bridge that nobody collects. The addresses of known guests count for nothing: they come with their host.
func (c *conclusions) devicesBehind() map[topology.Key]int {
	guests := map[topology.MAC]bool{}
	for n := range c.s.Nodes(topology.VNIC) {
		if v, ok := n.Value(topology.AttrMAC); ok {
			guests[v.MAC()] = true
		}
	}
	behind := map[topology.Key]map[string]bool{}
	for mac, sightings := range c.learned {
		who := mac.String()
		if device, ok := c.ownerOf(c.mac[mac]); ok {
			who = device.Key().String()
		} else if guests[mac] {
			continue
		}
		for _, s := range sightings {
			if behind[s.port.Key()] == nil {
				behind[s.port.Key()] = map[string]bool{}
			}
			behind[s.port.Key()][who] = true
		}
	}
	counts := make(map[topology.Key]int, len(behind))
	for p, who := range behind {
		counts[p] = len(who)
	}
	return counts
}

// attachable gives the interface with a cable that owns an address, if one device does and it is no bridge itself. A bond lends its address to its
// members and bridges, and it often is that of a member, too: the bond is meant, since frames leave by any of its members.
func (c *conclusions) attachable(mac topology.MAC) (topology.Node, bool) {
	owners := c.mac[mac]
	device, ok := c.ownerOf(owners)
	if !ok || c.isBridge[device.Key()] {
		return topology.Node{}, false
	}
	var lags, cables []topology.Node
	for _, n := range owners {
		switch {
		case n.Kind() == topology.LAG:
			lags = append(lags, n)
		case physical(n):
			if own := aggregates(c.upper[n.Key()]); len(own) > 0 {
				lags = append(lags, own...)
			} else {
				cables = append(cables, n)
			}
		}
	}
	slices.SortFunc(lags, func(a, b topology.Node) int { return a.Key().Compare(b.Key()) })
	if lag, ok := only(slices.Compact(lags)); ok {
		return lag, true
	}
	return only(cables)
}

func aggregates(all []topology.Node) []topology.Node {
	return slices.DeleteFunc(slices.Clone(all), func(n topology.Node) bool { return n.Kind() != topology.LAG })
}

// resolution concludes links from neighbour caches (ARP, RFC 826; RFC 4861) alone: two interfaces with cables, each the only known device that the
// other resolved, and neither known to any bridge, which would stand between; but no two hosts.
func (c *conclusions) resolution() {
	met := map[topology.Key][]answer{}
	for _, d := range c.devices {
		for _, p := range c.parts[d.Key()] {
			if c.free(p) {
				met[p.Key()] = c.answers(d, p)
			}
		}
	}
	for key, answers := range met {
		if len(answers) != 1 {
			continue
		}
		peer := answers[0].peer
		back := met[peer.Key()]
		if c.ofHost(key) && c.ofHost(peer.Key()) {
			continue
		}
		if c.free(peer) && (len(back) == 0 || len(back) == 1 && back[0].peer.Key() == key) {
			c.later(key, peer.Key(), topology.ConfidenceARP, answers[0].reading)
		}
	}
	c.settle()
}

func (c *conclusions) ofHost(port topology.Key) bool { return c.owner[port].Kind() == topology.Host }

// answer is an interface of another device that an interface resolved, and the reading that says so.
type answer struct {
	peer    topology.Node
	reading topology.ReadingKey
}

// free reports whether an interface has a cable, no link yet, and an address that no bridge learned.
func (c *conclusions) free(p topology.Node) bool { return hardware(p) && !c.linked(p) && !c.bridged(p) }

func hardware(n topology.Node) bool {
	_, typed := n.Int(topology.AttrIfType)
	return physical(n) && (typed || n.Kind() == topology.NIC)
}

func (c *conclusions) answers(d, p topology.Node) []answer {
	var found []answer
	for f := range p.Facts() {
		if f.Attr != topology.AttrARP {
			continue
		}
		peer, ok := c.resolved(f.Value.String())
		if ok && c.owner[peer.Key()] != d && !slices.ContainsFunc(found, func(a answer) bool { return a.peer == peer }) {
			found = append(found, answer{peer, f.Reading})
		}
	}
	return found
}

// resolved gives the interface that has both the address and the MAC of a cache entry "IP MAC".
func (c *conclusions) resolved(entry string) (topology.Node, bool) {
	ip, hw, _ := strings.Cut(entry, " ")
	a, err := netip.ParseAddr(ip)
	m, err2 := topology.ParseMAC(hw)
	if err != nil || err2 != nil || !m.Usable() {
		return topology.Node{}, false
	}
	var found []topology.Node
	for _, n := range c.address[a] {
		if n.Kind().Interface() && n.Text(topology.AttrMAC) == hw {
			found = append(found, n)
		}
	}
	return only(found)
}

func (c *conclusions) bridged(n topology.Node) bool {
	v, ok := n.Value(topology.AttrMAC)
	return ok && len(c.learned[v.MAC()]) > 0
}

// distributed concludes which aggregates on several systems are one (IEEE 802.1AX DRNI): those with one partner and key, and those whose
// members' cables end in one aggregate on the far side.
func (c *conclusions) distributed() {
	type partner struct {
		system topology.Value
		key    int64
	}
	groups := map[partner][]topology.Node{}
	for lag := range c.s.Nodes(topology.LAG) {
		system, ok := lag.Value(topology.AttrPartnerSystemID)
		key, hasKey := lag.Int(topology.AttrPartnerKey)
		if ok && hasKey && system.MAC() != 0 {
			groups[partner{system, key}] = append(groups[partner{system, key}], lag)
		}
		c.peers(c.farAggregates(lag), topology.AttrMAC)
	}
	for _, lags := range groups {
		c.peers(lags, topology.AttrPartnerSystemID)
	}
}

// farAggregates gives the aggregates at the other ends of a LAG's members.
func (c *conclusions) farAggregates(lag topology.Node) []topology.Node {
	var far []topology.Node
	for _, e := range lag.Out(topology.SupportedBy) {
		for _, l := range c.links[e.To.Key()] {
			for _, up := range c.upper[l.peer] {
				if up.Kind() == topology.LAG && l.confidence > topology.ConfidenceDenied && !slices.Contains(far, up) {
					far = append(far, up)
				}
			}
		}
	}
	slices.SortFunc(far, func(a, b topology.Node) int { return a.Key().Compare(b.Key()) })
	return far
}

// peers states that aggregates on different devices are one. The evidence is the reading that gave the attribute, else the one that gave the LAG.
func (c *conclusions) peers(lags []topology.Node, evidence topology.Attr) {
	for i, a := range lags {
		for _, b := range lags[i+1:] {
			if c.owner[a.Key()] == c.owner[b.Key()] || apart(a, b) {
				continue
			}
			for _, n := range []topology.Node{a, b} {
				if reading, ok := anyReading(n, evidence); ok {
					c.state(topology.Attribute(n.Key(), topology.AttrDistributed, topology.BoolValue(true)), topology.ConfidenceByMatch, reading)
				}
			}
			if reading, ok := anyReading(a, evidence); ok {
				c.state(topology.Relate(a.Key(), topology.PeerLAG, b.Key()), topology.ConfidenceByMatch, reading)
			}
		}
	}
}

// apart reports that LACP tells two aggregates from each other: they are of one system and have different keys, which are a part of the identity of an
// aggregate (IEEE 802.1AX, LAG ID). A miscabled bond ends in two such.
func apart(a, b topology.Node) bool {
	system, ok := a.Value(topology.AttrActorSystemID)
	other, also := b.Value(topology.AttrActorSystemID)
	key, keyed := a.Int(topology.AttrActorKey)
	otherKey, alsoKeyed := b.Int(topology.AttrActorKey)
	return ok && also && keyed && alsoKeyed && system == other && key != otherKey
}

func anyReading(n topology.Node, a topology.Attr) (topology.ReadingKey, bool) {
	if f, ok := n.Evidence(a); ok {
		return f.Reading, true
	}
	for f := range n.Facts() {
		if !f.Derived {
			return f.Reading, true
		}
	}
	return topology.ReadingKey{}, false
}

// subnets concludes from interface addresses which subnets there are and who is in them.
func (c *conclusions) subnets() {
	for n := range c.s.Nodes(topology.Port, topology.NIC, topology.LAG) {
		for f := range n.Facts() {
			if f.Attr != topology.AttrAddress {
				continue
			}
			subnet, ok := subnetOf(f.Value.Prefix())
			if !ok {
				continue
			}
			c.state(topology.Relate(n.Key(), topology.InSubnet, subnet), topology.ConfidenceStated, f.Reading)
			c.state(topology.Attribute(subnet, topology.AttrPrefix, topology.PrefixValue(f.Value.Prefix().Masked())), topology.ConfidenceStated, f.Reading)
		}
	}
}

func subnetOf(p netip.Prefix) (topology.Key, bool) {
	a := p.Addr()
	if !p.IsValid() || p.IsSingleIP() || p.Bits() == 0 || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() {
		return topology.Key{}, false
	}
	return topology.Key{Kind: topology.Subnet, ID: p.Masked().String()}, true
}

// guestAddresses concludes vNIC addresses from neighbour caches: the MAC is the vNIC's, and no other vNIC has it.
func (c *conclusions) guestAddresses() {
	vnics := map[string][]topology.Node{}
	for n := range c.s.Nodes(topology.VNIC) {
		if mac := n.Text(topology.AttrMAC); mac != "" {
			vnics[mac] = append(vnics[mac], n)
		}
	}
	if len(vnics) == 0 {
		return
	}
	for p := range c.s.Nodes(topology.Port, topology.NIC, topology.LAG) {
		for f := range p.Facts() {
			if f.Attr != topology.AttrARP {
				continue
			}
			ip, hw, _ := strings.Cut(f.Value.String(), " ")
			vnic, ok := only(vnics[hw])
			addr, err := netip.ParseAddr(ip)
			if !ok || err != nil || addr.IsLinkLocalUnicast() {
				continue
			}
			c.guestAddress(vnic, p, addr, f.Reading)
		}
	}
}

func (c *conclusions) guestAddress(vnic, gateway topology.Node, addr netip.Addr, reading topology.ReadingKey) {
	for _, v := range gateway.Values(topology.AttrAddress) {
		if p := v.Prefix(); p.Contains(addr) {
			full := netip.PrefixFrom(addr, p.Bits())
			c.state(topology.Attribute(vnic.Key(), topology.AttrAddress, topology.PrefixValue(full)), topology.ConfidenceByMatch, reading)
			if subnet, ok := subnetOf(full); ok {
				c.state(topology.Relate(vnic.Key(), topology.InSubnet, subnet), topology.ConfidenceByMatch, reading)
			}
			return
		}
	}
	c.state(topology.Attribute(vnic.Key(), topology.AttrUnnumbered, topology.AddrValue(addr)), topology.ConfidenceByMatch, reading)
}

// units concludes which unit one is that somebody knows by its number at a target: at every target port that exports it, one device has a mapping of this
// number, always the same device, and all of these mappings are of one unit.
func (c *conclusions) units() {
	for n := range c.s.Nodes(topology.LogicalUnit) {
		target, lun, ok := n.Key().TargetUnit()
		if !ok || len(n.In(topology.MapsUnit)) > 0 {
			continue
		}
		devices, units := map[topology.Key]bool{}, map[topology.Key]bool{}
		var readings []topology.ReadingKey
		proven := true
		for _, x := range n.In(topology.Exports) {
			owners := 0
			for _, o := range x.From.In(topology.Contains) {
				if o.From.Kind().Device() {
					devices[o.From.Key()] = true
					owners++
				}
			}
			proven = proven && owners == 1
			before := len(readings)
			for m := range c.s.Nodes(topology.Mapping) {
				number, numbered := m.Int(topology.AttrLUN)
				at := slices.ContainsFunc(m.Out(topology.MapsTarget), func(e topology.Edge) bool { return e.To == x.From })
				mine := slices.ContainsFunc(m.In(topology.Contains), func(e topology.Edge) bool { return devices[e.From.Key()] })
				if !numbered || topology.LUN(number) != lun || !at || !mine {
					continue
				}
				for _, u := range m.Out(topology.MapsUnit) {
					units[u.To.Key()] = true
					readings = append(readings, u.Reading.ReadingKey)
				}
			}
			proven = proven && len(readings) > before && strings.HasPrefix(x.From.Key().ID, string(target)+",")
		}
		if !proven || len(devices) != 1 || len(units) != 1 {
			continue
		}
		for unit := range units {
			for _, reading := range readings {
				c.state(topology.Relate(n.Key(), topology.IdentifiedAs, unit), topology.ConfidenceByMatch, reading)
			}
		}
	}
}
