package reconcile

import (
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// dirty is what has to be looked at again, by the question. Touch and the rules fill it, later rules empty it.
type dirty struct {
	devices    set[ref] // what a device is called or contains
	interfaces set[ref] // what an interface is called, or who contains it
	owned      set[ref] // which addresses a bridge has
	neighbors  set[ref] // who a neighbour is
	heard      set[ref] // which links follow from what a neighbour is
	hearers    set[ref] // whether an interface hears anybody, has a link by hand, or rests on others
	links      set[ref] // interfaces whose links changed

	wasBridge map[ref]bool      // devices that learned or lost addresses: whether they were bridges before
	tables    set[ref]          // ports with another forwarding database
	sighted   []sighted         // entries of these that came or went, as far as they tell something
	whose     set[topology.MAC] // addresses that another may have now
	ways      set[ref]          // through which ports a bridge is seen
	trunks    set[[2]ref]       // whether two bridges are joined
	ports     set[ref]          // who is attached at a port
	macs      set[topology.MAC] // at which port the device with an address is attached

	answered set[ref]          // interfaces with other entries in their neighbour caches
	met      set[ref]          // whom an interface resolved
	vnics    set[ref]          // which MAC a vNIC has
	leased   set[topology.MAC] // which addresses caches give for a MAC
	gateways set[ref]          // interfaces with other addresses

	entries  map[ref]topology.Attr // aggregates with other entries: the first attribute of these
	lags     set[ref]              // aggregates, their members or their partner
	prefixes set[prefixed]         // whether a reading names an address in a subnet
	mappings set[ref]              // what a mapping says
	portals  set[ref]              // iSCSI target ports: whose they are, and what is mapped there
	subjects set[ref]              // which facts follow of a node
}

// sighted is an entry of a forwarding database that came or went.
type sighted struct {
	mac  topology.MAC
	port ref
}

func newDirty() dirty {
	return dirty{
		devices: set[ref]{}, interfaces: set[ref]{}, owned: set[ref]{}, neighbors: set[ref]{}, heard: set[ref]{}, hearers: set[ref]{}, links: set[ref]{},
		wasBridge: map[ref]bool{}, tables: set[ref]{}, whose: set[topology.MAC]{}, ways: set[ref]{}, trunks: set[[2]ref]{},
		ports: set[ref]{}, macs: set[topology.MAC]{}, answered: set[ref]{}, met: set[ref]{}, vnics: set[ref]{}, leased: set[topology.MAC]{},
		gateways: set[ref]{}, entries: map[ref]topology.Attr{}, lags: set[ref]{}, prefixes: set[prefixed]{},
		mappings: set[ref]{}, portals: set[ref]{}, subjects: set[ref]{},
	}
}

// follow takes in what sources say now. It looks at no snapshot.
func (g *graph) follow(d topology.Delta) {
	for _, f := range d.Remove {
		g.touch(f, -1)
	}
	for _, f := range d.Add {
		g.touch(f, 1)
	}
}

// touch follows one fact that comes (by 1) or goes (by -1), and notes which questions it opens again. A fact that no rule looks at opens none.
func (g *graph) touch(f topology.Fact, by int) {
	switch kind := f.Subject.Kind; {
	case f.Derived:
		g.touchDerived(f)
	case f.Rel != 0:
		g.touchRelation(f, by)
	case kind.Interface():
		g.touchInterface(f, by)
	case kind.Device():
		switch f.Attr {
		case topology.AttrChassisID, topology.AttrBridgeMAC, topology.AttrSysName, topology.AttrName, topology.AttrMgmtAddress:
			g.dirty.devices.add(g.ref(f.Subject))
		}
	case kind == topology.Neighbor:
		g.dirty.neighbors.add(g.ref(f.Subject))
	case kind == topology.VNIC && f.Attr == topology.AttrMAC:
		g.dirty.vnics.add(g.ref(f.Subject))
	case kind == topology.Mapping && f.Attr == topology.AttrLUN:
		g.dirty.mappings.add(g.ref(f.Subject))
	}
}

func (g *graph) touchInterface(f topology.Fact, by int) {
	x := g.ref(f.Subject)
	switch f.Attr {
	case topology.AttrLearned:
		g.touchLearned(x, f, by)
	case topology.AttrARP:
		g.touchCache(x, f, by)
	case topology.AttrAddress:
		g.touchAddress(x, f, by)
		g.dirty.interfaces.add(x)
	case topology.AttrMAC, topology.AttrUnnumbered, topology.AttrLLDPPortID, topology.AttrIfName, topology.AttrIfDescr, topology.AttrIfAlias,
		topology.AttrIfIndex, topology.AttrIfType, topology.AttrVNI:
		g.dirty.interfaces.add(x)
	}
	if f.Subject.Kind == topology.LAG {
		g.touchAggregate(x, f)
	}
}

// touchAggregate notes that the evidence for an aggregate may be another now. Its entries of forwarding databases and caches, which are many, are no
// evidence as long as anything comes before them, which is seen later.
func (g *graph) touchAggregate(x ref, f topology.Fact) {
	if f.Attr != topology.AttrLearned && f.Attr != topology.AttrARP {
		g.dirty.lags.add(x)
	} else if first, known := g.dirty.entries[x]; !known || f.Attr < first {
		g.dirty.entries[x] = f.Attr
	}
}

// refreshAggregates finds the aggregates of which an entry is the evidence.
func (g *graph) refreshAggregates() {
	for x, entry := range g.dirty.entries {
		if first, ok := anyReading(g.node(x), 0); !ok || first.Attr == 0 || first.Attr >= entry {
			g.dirty.lags.add(x)
		}
	}
}

// touchLearned follows an entry of a forwarding database.
func (g *graph) touchLearned(x ref, f topology.Fact, by int) {
	g.dirty.tables.add(x)
	e := f.Value.FDB()
	if !tells(e) {
		return
	}
	s := sighting{x, g.readings.ref(f.Reading)}
	if by > 0 {
		g.seen[e.MAC] = append(g.seen[e.MAC], s)
	} else if left := without(g.seen[e.MAC], s); len(left) > 0 {
		g.seen[e.MAC] = left
	} else {
		delete(g.seen, e.MAC)
	}
	g.things[x].learned += int32(by)
	g.learns(g.owner(x), by)
	g.dirty.sighted = append(g.dirty.sighted, sighted{e.MAC, x})
}

// tells reports whether an entry says where somebody is: not what the bridge says of itself, nor an address that many have.
func tells(e topology.FDBEntry) bool {
	return e.Status != topology.FDBSelf && e.Status != topology.FDBInvalid && e.MAC.Usable()
}

// learns counts the addresses that a device learned: one that did is a bridge.
func (g *graph) learns(device ref, by int) {
	if device == 0 || by == 0 {
		return
	}
	if _, noted := g.dirty.wasBridge[device]; !noted {
		g.dirty.wasBridge[device] = g.isBridge(device)
	}
	if g.learned[device] += by; g.learned[device] == 0 {
		delete(g.learned, device)
	}
}

// touchCache follows an entry of a neighbour cache, "IP MAC". The MAC counts in canonical form only, since it is compared as text.
func (g *graph) touchCache(x ref, f topology.Fact, by int) {
	g.dirty.answered.add(x)
	ip, m, ok := cacheEntry(f.Value)
	if !ok {
		return
	}
	a := answer{x, g.readings.ref(f.Reading), ip}
	if by > 0 {
		g.asked[m] = append(g.asked[m], a)
	} else if left := without(g.asked[m], a); len(left) > 0 {
		g.asked[m] = left
	} else {
		delete(g.asked, m)
	}
	g.dirty.leased.add(m)
}

func cacheEntry(v topology.Value) (ip string, mac topology.MAC, ok bool) {
	ip, hw, _ := strings.Cut(v.String(), " ")
	mac, err := topology.ParseMAC(hw)
	return ip, mac, err == nil && mac.String() == hw
}

// touchAddress follows an interface address to its subnet.
func (g *graph) touchAddress(x ref, f topology.Fact, by int) {
	g.dirty.gateways.add(x)
	g.dirty.subjects.add(x)
	k, ok := subnetOf(f.Value.Prefix())
	if !ok {
		return
	}
	p := prefixed{g.ref(k), g.readings.ref(f.Reading)}
	if g.subnets[p] += by; g.subnets[p] == 0 {
		delete(g.subnets, p)
	}
	g.dirty.prefixes.add(p)
}

func (g *graph) touchRelation(f topology.Fact, by int) {
	from, to := f.Subject.Kind, f.Object.Kind
	if from == topology.LAG {
		g.dirty.lags.add(g.ref(f.Subject))
	}
	switch {
	case f.Rel == topology.Contains && from.Device() && to.Interface():
		g.dirty.devices.add(g.ref(f.Subject))
		g.dirty.interfaces.add(g.ref(f.Object))
	case f.Rel == topology.HasNeighbor:
		g.dirty.hearers.add(g.ref(f.Subject))
		g.dirty.neighbors.add(g.ref(f.Object))
	case f.Rel == topology.SupportedBy && from.Interface() && to.Interface():
		g.dirty.hearers.add(g.ref(f.Subject), g.ref(f.Object))
	case f.Rel == topology.Exports, f.Rel == topology.MapsTarget, f.Rel == topology.MapsUnit, f.Rel == topology.Contains:
		g.touchUnits(f)
	case f.Rel == topology.Link:
		for _, k := range []topology.Key{f.Subject, f.Object} {
			x := g.ref(k)
			if g.byHand[x] += by; g.byHand[x] == 0 {
				delete(g.byHand, x)
			}
			g.dirty.hearers.add(x)
		}
	}
}

// refresh looks again at devices and interfaces that are called otherwise now, or are contained by others, and opens the questions that rest on that.
func (g *graph) refresh() {
	g.refreshAggregates()
	for x := range g.dirty.interfaces {
		g.refreshInterface(x)
	}
	for x := range g.dirty.devices {
		g.recall(x, deviceTerms(g.node(x)))
		g.dirty.neighbors.add(g.ofDevice.under[x]...)
		g.dirty.owned.add(x)
		for _, p := range g.parts(x) { // who was not believed to mean it by an address, against its own chassis, may be now
			for _, t := range g.called.words[p] {
				g.dirty.neighbors.add(g.wanted.under[t]...)
			}
		}
	}
}

// recall puts a device or interface under what it is called now; who calls somebody by any of these words may mean another.
func (g *graph) recall(x ref, terms []term) {
	for _, t := range g.called.words[x] {
		g.dirty.neighbors.add(g.wanted.under[t]...)
	}
	g.called.set(x, terms)
	for _, t := range terms {
		g.dirty.neighbors.add(g.wanted.under[t]...)
	}
}

func (g *graph) refreshInterface(x ref) {
	n := g.node(x)
	g.recall(x, interfaceTerms(n))
	was, now := g.things[x], thing{learned: g.things[x].learned, tunnel: tunnel(n)}
	if !n.IsZero() {
		now.cable, now.hardware = physical(n), hardware(n)
	}
	if v, ok := n.Value(topology.AttrMAC); ok {
		now.mac = v.MAC()
	}
	for _, d := range g.containers(n) {
		g.dirty.neighbors.add(g.ofDevice.under[d]...)
		now.owner = d
		if now.mac != was.mac {
			g.dirty.owned.add(d)
		}
	}
	g.things[x] = now
	for _, m := range []topology.MAC{was.mac, now.mac} {
		if m.Usable() {
			g.dirty.whose.add(m)
		}
	}
	g.dirty.met.add(x)
	if was.owner != now.owner || was.tunnel != now.tunnel {
		for _, m := range g.learnedAt(x) {
			g.dirty.ways.add(g.address.under[m]...)
			g.dirty.macs.add(m)
			g.dirty.met.add(g.called.under[macTerm(m)]...)
		}
	}
	if was.owner != now.owner {
		g.handOver(x, n, was.owner, now)
	}
}

// handOver follows an interface to another owner: its links and what it learned are another device's now.
func (g *graph) handOver(x ref, n topology.Node, from ref, now thing) {
	g.learns(from, -int(now.learned))
	g.learns(now.owner, int(now.learned))
	for _, d := range g.behind.words[x] {
		g.dirty.trunks.add(pair(from, d), pair(now.owner, d))
	}
	for _, l := range g.heard.at[x] {
		g.dirty.ports.add(g.stack(l.peer(x))...) // they lead to a bridge, or no more
	}
	for heard := range n.Objects(topology.HasNeighbor) {
		g.dirty.heard.add(g.ref(heard.Key())) // it may hear itself now, or no more
	}
	if n.Kind() == topology.LAG {
		g.dirty.lags.add(x)
		g.openAddresses(x)
	}
}

// learnedAt gives the addresses in the forwarding database of a port that tell something.
func (g *graph) learnedAt(x ref) []topology.MAC {
	if g.things[x].learned == 0 {
		return nil
	}
	macs := make([]topology.MAC, 0, g.things[x].learned)
	for v := range g.node(x).Stated(topology.AttrLearned) {
		if e := v.FDB(); tells(e) {
			macs = append(macs, e.MAC)
		}
	}
	return macs
}
