package topology

import "slices"

// unrouted gives the ways through bridges between two ends whose VLAN nobody is known to route, so that no path leads from either to a gateway where they could meet: storage
// networks are so. Each is followed to the bridge behind its cable, and the fabric is searched from the one to the other. gap is why the fabric may reach further than is known.
func unrouted(from Node, ps, qs []Path) (ways [][]Hop, gap string) {
	fabrics := map[VID]*fabric{}
	known := map[[2]Key][][]Hop{} // by where the one path breaks off, and the device at which the other does
	seen := map[string]bool{}
	for _, p := range ps {
		for _, q := range qs {
			a, b := brokenOff(p), brokenOff(q)
			here, _ := a.Node.Owner()
			there, _ := b.Node.Owner()
			if here == there || here.IsZero() || there.IsZero() || a.VID == 0 || a.VID != b.VID {
				continue // on one device they would have met, if it passed frames between them
			}
			f := fabrics[a.VID]
			if f == nil {
				f = newFabric(a.VID, &walker{start: from})
				fabrics[a.VID] = f
			}
			k := [2]Key{a.Node.Key(), there.Key()}
			if _, ok := known[k]; !ok {
				known[k] = f.waysTo(there, here, a)
			}
			for _, between := range known[k] {
				hops := slices.Concat(p.Hops, between, turned(q.Hops))
				if text := wayText(hops); !seen[text] {
					seen[text] = true
					ways = append(ways, hops)
				}
			}
			if len(f.unheard) > 0 {
				gap = f.unheard[0]
			}
		}
	}
	return ways, gap
}

// brokenOff is the hop at which a path breaks off on a bridge, behind a cable; the zero Hop of another path.
func brokenOff(p Path) Hop {
	last := p.Hops[len(p.Hops)-1]
	if device, ok := last.Node.Owner(); p.Complete || last.Rel != Link || !ok || device.Kind() != Switch {
		return Hop{}
	}
	return last
}

// waysTo walks through a fabric to a device, instead of a gateway, and lists the ways there: the best first, at most maxPaths for each into it.
func (f *fabric) waysTo(target, device Node, at Hop) [][]Hop {
	s := &search{fabric: f, arrivals: map[Key]*[grades]*arrival{}, target: target}
	s.walk(device, at.Node, at.Tagged, sound)
	var ways [][]Hop
	for _, g := range s.goals {
		listed := 0
		g.way.from.each([]*exit{g.way.exit}, func(xs []*exit) bool {
			listed++
			ways = append(ways, between(xs))
			return listed < maxPaths
		})
	}
	return ways
}

// between is the hops of a way that is given by its exits in reverse.
func between(reversed []*exit) []Hop {
	var hops []Hop
	for _, x := range slices.Backward(reversed) {
		hops = append(hops, x.near, x.far)
	}
	return hops
}
