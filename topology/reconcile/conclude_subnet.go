package reconcile

import (
	"net/netip"

	"github.com/throughline-dc/throughline/topology"
)

// prefixed says that a reading names an address in a subnet.
type prefixed struct{ subnet, reading ref }

// inSubnets concludes from the addresses of an interface in which subnets it is. It depends on nothing else.
func (g *graph) inSubnets(n topology.Node, state conclusion) {
	for f := range n.About(topology.AttrAddress) {
		if subnet, ok := subnetOf(f.Value.Prefix()); ok {
			state(topology.Relate(n.Key(), topology.InSubnet, subnet), topology.ConfidenceStated, g.readings.ref(f.Reading))
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

// settlePrefixes states the prefix of each subnet by each reading that names an address in it. There may be thousands for one subnet: only those
// that changed are looked at.
func (g *graph) settlePrefixes(ch *changes) {
	for p := range g.dirty.prefixes {
		k := g.key(p.subnet)
		prefix, _ := netip.ParsePrefix(k.ID)
		f := topology.Attribute(k, topology.AttrPrefix, topology.PrefixValue(prefix))
		f.Confidence, f.Reading, f.Derived, f.Since = topology.ConfidenceStated, g.readings.of(p.reading), true, g.now
		switch follows := g.subnets[p] > 0; {
		case follows && !g.stated.has(p):
			g.stated.add(p)
			ch.add = append(ch.add, f)
		case !follows && g.stated.has(p):
			delete(g.stated, p)
			ch.remove = append(ch.remove, asKept(g.node(p.subnet), f))
		}
	}
}

// asKept gives a fact as the snapshot has it: since when, and how sure.
func asKept(n topology.Node, f topology.Fact) topology.Fact {
	for old := range n.About(f.Attr) {
		if old.Compare(f) == 0 {
			return old
		}
	}
	return f
}

// touchDerived looks again at a conclusion of a graph that is new to the engine.
func (g *graph) touchDerived(f topology.Fact) {
	x := g.ref(f.Subject)
	if f.Subject.Kind == topology.Subnet && f.Attr == topology.AttrPrefix {
		p := prefixed{x, g.readings.ref(f.Reading)}
		g.stated.add(p)
		g.dirty.prefixes.add(p)
		return
	}
	g.dirty.subjects.add(x)
}
