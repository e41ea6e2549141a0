package reach

import (
	"cmp"

	"github.com/throughline-dc/throughline/topology"
)

// enclosed is how far the frames of an interface or vNIC get at most.
type enclosed struct {
	*topology.Enclosure
	old string // why that is too old to be known
}

// enclosure remembers how far frames get: whoever is cut off from one is cut off from many.
func (n *Network) enclosure(from topology.Node) enclosed {
	e, known := n.enclosures[from.Key()]
	if !known {
		e.Enclosure = topology.Enclose(from, n.paths(from))
		e.old = n.oldHops(e.Rests)
		n.enclosures[from.Key()] = e
	}
	return e
}

// oldHops is why what is said of places, or of the cables between them, is too old to be known.
func (n *Network) oldHops(hops []topology.Hop) string {
	for _, h := range hops {
		if why := cmp.Or(n.oldHop(h), n.stale(h.Node, topology.AttrAdminState, topology.AttrLearned)); why != "" {
			return why
		}
	}
	return ""
}

// cutOff tells why frames get from one interface to another by no way at all, for certain: from either side all is known to which they may get, and the other is not there.
// It is "" where that is not so, or not known, and where the two have no subnet in common: then it is not the address alone that says whom the packets are meant for.
func (x *explorer) cutOff(from, to topology.Node) string {
	if a, _ := onOneLink(from, to, x.family); !a.IsValid() {
		return ""
	}
	for _, ends := range [][2]topology.Node{{from, to}, {to, from}} {
		e := x.enclosure(ends[0])
		if e.Open != "" || e.old != "" {
			continue
		}
		if why, rests, ok := e.Excludes(ends[1], x.paths(ends[1])); ok && x.oldHops(rests) == "" {
			return why
		}
	}
	return ""
}
