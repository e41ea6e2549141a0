package topology

import "slices"

// unrouted gives the ways through bridges between two ends whose paths to gateways do not meet: nobody is known to route their VLAN, as in storage networks, or what would lead to a
// gateway is broken. Each is followed to the bridge behind its cable, and the fabric is searched from the one to the other. gap is why the fabric may reach further than is known.
func unrouted(from Node, ps, qs []Path) (ways [][]Hop, gap string) {
	fabrics := map[VID]*fabric{}
	known := map[[2]Key][][]Hop{} // by where the one path breaks off, and the device at which the other does
	for _, p := range entered(ps) {
		for _, q := range entered(qs) {
			a, b := p[len(p)-1], q[len(q)-1]
			here, _ := a.Node.Owner()
			there, _ := b.Node.Owner()
			if here == there || a.VID == 0 || a.VID != b.VID {
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
				ways = append(ways, slices.Concat(p, between, turned(q)))
			}
			if len(f.unheard) > 0 {
				gap = f.unheard[0]
			}
		}
	}
	return ways, gap
}

// entered gives the beginnings of paths up to where they enter a bridge behind a cable, each once, as far as nothing stops them before.
func entered(ps []Path) (begins [][]Hop) {
	seen := map[string]bool{}
	for _, p := range ps {
		i := slices.IndexFunc(p.Hops, func(h Hop) bool { return h.Rel == Link })
		if i < 0 || gradeOf(p.Hops[:i+1]) == broken {
			continue
		}
		begin := p.Hops[: i+1 : i+1]
		if device, ok := begin[i].Node.Owner(); ok && device.Kind() == Switch && !seen[wayText(begin)] {
			seen[wayText(begin)] = true
			begins = append(begins, begin)
		}
	}
	return begins
}

// waysTo walks through a fabric to a device, instead of a gateway, and lists the ways there: the best first, at most maxPaths for each into it.
func (f *fabric) waysTo(target, device Node, at Hop) [][]Hop {
	s := &search{fabric: f, arrivals: map[uint32]*[grades]*arrival{}, target: f.wires.on(target)}
	s.walk(f.wires.on(device), f.wires.on(at.Node), at.Tagged, sound)
	var ways [][]Hop
	for _, g := range s.goals {
		listed := 0
		g.way.from.each([]*exit{g.way.exit}, func(xs []*exit) bool {
			listed++
			ways = append(ways, f.of(at.Node, between(xs)))
			return listed < maxPaths
		})
	}
	return ways
}

// between is the hops of a way that is given by its exits in reverse.
func between(reversed []*exit) []Hop {
	hops := make([]Hop, 0, 2*len(reversed)+1) // and a gateway
	for _, x := range slices.Backward(reversed) {
		hops = append(hops, x.near, x.far)
	}
	return hops
}
