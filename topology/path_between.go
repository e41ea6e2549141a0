package topology

import "slices"

// Meeting is the network way between two nodes: up from each until one device is on both.
type Meeting struct {
	Hops   []Hop  // from the one to the other
	Meet   string // name of the device where the two ways meet
	Routed bool   // they are in different VLANs there: a router passes between them
	Gap    string // why there is no way, as far as is known
}

// Between finds the network way between two VMs, hosts or interfaces. Of the equal ways the first that meets soonest is given.
func Between(a, b Node) Meeting {
	as, bs := waysUp(a), waysUp(b)
	if len(as) == 0 || len(bs) == 0 {
		n := a
		if len(as) > 0 {
			n = b
		}
		return Meeting{Gap: n.Name() + " has no network rail in the graph"}
	}
	best := Meeting{Gap: "the two ways do not meet in any device that is known: " + firstGap(as, bs)}
	for _, p := range as {
		for _, q := range bs {
			i, j := meet(p, q)
			if i < 0 || best.Gap == "" && i+j+2 >= len(best.Hops) {
				continue
			}
			best = join(p, q, i, j)
		}
	}
	if best.Gap != "" {
		best.Hops = as[0].Hops
	}
	return best
}

func waysUp(n Node) []Path {
	var ps []Path
	for _, r := range n.Rails() {
		if r.Name == "network" {
			ps = append(ps, r.Paths...)
		}
	}
	return slices.DeleteFunc(ps, Path.Faulty)
}

func firstGap(as, bs []Path) string {
	for _, p := range append(slices.Clone(as), bs...) {
		if p.Gap != "" {
			return p.Gap
		}
	}
	return "their gateways differ and no route joins them here"
}

// meet finds the first hops of two paths that are on one device, in one VLAN or where both are routed; -1 if there are none.
func meet(p, q Path) (int, int) {
	for i, h := range p.Hops {
		for j, g := range q.Hops {
			routed := p.Complete && q.Complete && i == len(p.Hops)-1 && j == len(q.Hops)-1
			if (h.VID == g.VID || routed) && (h.Node == g.Node || sameOwner(h.Node, g.Node)) {
				return i, j
			}
		}
	}
	return -1, -1
}

func sameOwner(a, b Node) bool {
	if a.Kind() == VNIC || b.Kind() == VNIC {
		return false // two vNICs of one VM have no bridge in common by that alone
	}
	oa, ok := a.Owner()
	ob, also := b.Owner()
	return ok && also && oa == ob && (oa.Kind() != Host || a == b)
}

func join(p, q Path, i, j int) Meeting {
	m := Meeting{Hops: slices.Clone(p.Hops[:i+1])}
	at, back := p.Hops[i], q.Hops[j]
	if at.Node != back.Node {
		m.Hops = append(m.Hops, Hop{Node: back.Node, VID: back.VID, Tagged: back.Tagged})
	}
	for k := j - 1; k >= 0; k-- {
		h := q.Hops[k]
		above := q.Hops[k+1]
		m.Hops = append(m.Hops, Hop{Node: h.Node, Rel: above.Rel, Reading: above.Reading, Confidence: above.Confidence, VID: h.VID, Tagged: h.Tagged})
	}
	where := at.Node
	if o, ok := where.Owner(); ok {
		where = o
	}
	m.Meet = where.Name()
	m.Routed = at.VID != back.VID
	return m
}
