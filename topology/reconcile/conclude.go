package reconcile

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// conclude gives all facts that follow from what the sources say, each with the reading that proves it. It looks at one snapshot and nothing
// else, so what is not said any more is not concluded any more.
func conclude(s *topology.Snapshot) []topology.Fact {
	g := newIndex(s)
	c := &conclusions{index: g}
	c.neighbors()
	c.forwarding()
	c.resolution()
	c.distributed()
	c.subnets()
	c.guestAddresses()
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
