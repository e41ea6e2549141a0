package reach

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// ZoneTalk is a zone in force, and which of its members are logged in to its fabric.
type ZoneTalk struct {
	Zone, Fabric topology.Node
	In, Out      []topology.WWN // that are logged in, and that for certain are not
	Doubt        string         // why there may be others that are; "" if there are not
}

// Silent tells that for certain nobody talks in the zone: of its members one at most is logged in.
func (z ZoneTalk) Silent() bool { return z.Doubt == "" && len(z.In) < 2 }

// ZonesInForce tells of every zone in force which of its members are logged in.
func (n *Network) ZonesInForce() []ZoneTalk {
	var all []ZoneTalk
	for fabric := range n.Nodes(topology.FCFabric) {
		z := n.zoning(fabric)
		for i := range z.Zones {
			all = append(all, n.talk(z, &z.Zones[i]))
		}
	}
	slices.SortFunc(all, func(a, b ZoneTalk) int { return a.Zone.Key().Compare(b.Zone.Key()) })
	return all
}

func (n *Network) talk(z *Zoning, zone *Zone) ZoneTalk {
	t := ZoneTalk{Zone: zone.Node, Fabric: z.Fabric, Doubt: z.Doubt}
	switch {
	case zone.Routed:
		t.Doubt = cmp.Or(t.Doubt, "it is one of inter-VSAN routing: which ports of other fabrics it has is not read")
	case len(zone.Unknown) > 0:
		t.Doubt = cmp.Or(t.Doubt, "nobody understood its member "+zone.Unknown[0])
	case len(zone.Others) > 0:
		t.Doubt = cmp.Or(t.Doubt, fmt.Sprintf("which port is %q, it does not say", zone.Others[0].Text))
	}
	for _, m := range zone.Members {
		switch in, doubt := n.loggedIn(z, m.Port); in {
		case Yes:
			t.In = append(t.In, m.Port)
		case No:
			t.Out = append(t.Out, m.Port)
		case NotKnown, Some:
			t.Doubt = cmp.Or(t.Doubt, doubt)
		}
	}
	for _, ports := range []*[]topology.WWN{&t.In, &t.Out} {
		slices.Sort(*ports)
		*ports = slices.Compact(*ports)
	}
	return t
}

// loggedIn tells whether a port is logged in to a fabric, by whichever of its switches.
func (n *Network) loggedIn(z *Zoning, port topology.WWN) (Verdict, string) {
	p := portOf(n.Snapshot, port)
	for _, s := range n.segments(p) {
		if virtual(s.fabric) != virtual(z.Fabric) {
			continue
		}
		if s.doubt != "" {
			return NotKnown, s.doubt
		}
		return Yes, ""
	}
	if n.lists(z.Fabric, p) == No {
		return No, ""
	}
	return NotKnown, n.loggedOut(p).Text
}
