package topology

import "slices"

// unrouted gives the ways through bridges between two ends whose VLAN nobody is known to route, so that no path leads from either to a gateway where they could meet: storage
// networks are so. Each is followed to the bridge behind its cable, and the fabric is searched from the one to the other. gap is why the fabric may reach further than is known.
func unrouted(from Node, ps, qs []Path) (ways [][]Hop, gap string) {
	var unheard []string
	seen := map[string]bool{}
	for _, p := range ps {
		for _, q := range qs {
			a, b := brokenOff(p), brokenOff(q)
			if a.Node.IsZero() || b.Node.IsZero() || a.VID == 0 || a.VID != b.VID {
				continue
			}
			here, _ := a.Node.Owner()
			there, _ := b.Node.Owner()
			if here == there { // they would meet there if it passed frames between them
				continue
			}
			f := newFabric(a.VID, &walker{start: from})
			s := f.searchFor(here, a, gradeOf(p.Hops), there)
			s.to(func(between []Hop) {
				hops := slices.Concat(p.Hops, between, turned(q.Hops))
				if text := wayText(hops); !seen[text] {
					seen[text] = true
					ways = append(ways, hops)
				}
			})
			unheard = append(unheard, f.unheard...)
		}
	}
	if len(unheard) > 0 {
		gap = unheard[0]
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

// searchFor walks through a fabric to a device instead of a gateway.
func (f *fabric) searchFor(device Node, at Hop, g grade, target Node) *search {
	s := &search{fabric: f, arrivals: map[Key]*[grades]*arrival{}, target: target}
	s.walk(device, at.Node, at.Tagged, g)
	return s
}

// to lists the ways to the device that was searched for, the best first, at most maxPaths.
func (s *search) to(yield func([]Hop)) {
	listed := 0
	for _, g := range s.goals {
		g.way.from.each([]*exit{g.way.exit}, func(xs []*exit) bool {
			listed++
			yield(between(xs))
			return listed < maxPaths
		})
	}
}

// between is the hops of a way that is given by its exits in reverse.
func between(reversed []*exit) []Hop {
	var hops []Hop
	for _, x := range slices.Backward(reversed) {
		hops = append(hops, x.near, x.far)
	}
	return hops
}
