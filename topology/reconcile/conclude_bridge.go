package reconcile

import (
	"cmp"
	"maps"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// forwarding concludes links from where bridges learned each other, for interfaces that no neighbour protocol speaks of: two bridges are joined where
// each learned the other and nobody stands between.
//
// By which ports a bridge is reached depends on its addresses and on where they were learned (ways). Which two bridges are joined depends on the ways of
// both, on what else was learned at their ports (tables), and on what neighbours say of these (hearers).
func (g *graph) forwarding() {
	g.spoken()
	g.bridges()
	for d := range g.dirty.ways {
		g.setWays(d)
	}
	for x := range g.dirty.tables {
		if len(g.behind.words[x]) > 0 && !g.taken(x) {
			g.openTrunks(x)
		}
	}
	for p := range g.dirty.trunks {
		g.trunks.set(p, g.trunksBetween(p[0], p[1]), g.linkChanged)
	}
}

// spoken opens the questions about interfaces of which a neighbour or an operator may have said something else, and about all that rests on them.
func (g *graph) spoken() {
	stacks := set[ref]{}
	for x := range g.dirty.hearers {
		stacks.add(g.stack(x)...)
	}
	for x := range stacks {
		g.openTrunks(x)
		g.dirty.ports.add(x)
		g.openAddresses(x)
		g.dirty.met.add(x)
	}
}

// openAddresses asks again where an interface is attached, whose addresses are its own and its members'.
func (g *graph) openAddresses(x ref) {
	g.dirty.macs.add(g.things[x].mac)
	if g.key(x).Kind == topology.LAG {
		for _, low := range g.lowers(x) {
			g.dirty.macs.add(g.things[low].mac)
		}
	}
}

// openTrunks asks again whether the bridge of a port is joined to those behind it.
func (g *graph) openTrunks(port ref) {
	for _, d := range g.behind.words[port] {
		g.dirty.trunks.add(pair(g.owner(port), d))
	}
}

// bridges follows who is a bridge, and which addresses bridges have.
func (g *graph) bridges() {
	for d, was := range g.dirty.wasBridge {
		if was == g.isBridge(d) {
			continue
		}
		g.dirty.owned.add(d)
		for _, p := range g.parts(d) {
			g.dirty.macs.add(g.things[p].mac) // it can be attached to a bridge, or no more
			for _, l := range g.heard.at[p] {
				g.dirty.ports.add(g.stack(l.peer(p))...) // they lead to a bridge, or no more
			}
		}
	}
	for d := range g.dirty.owned {
		if len(g.address.set(d, g.addressesOf(d))) > 0 {
			g.dirty.ways.add(d)
		}
	}
	for _, x := range g.dirty.sighted {
		g.dirty.ways.add(g.address.under[x.mac]...)
	}
}

// addressesOf lists the hardware addresses of a bridge and its interfaces.
func (g *graph) addressesOf(d ref) []topology.MAC {
	if !g.isBridge(d) {
		return nil
	}
	var macs []topology.MAC
	if v, ok := g.node(d).Value(topology.AttrBridgeMAC); ok {
		macs = append(macs, v.MAC())
	}
	for _, p := range g.parts(d) {
		if m := g.things[p].mac; m != 0 {
			macs = append(macs, m)
		}
	}
	slices.Sort(macs)
	return slices.Compact(macs)
}

// setWays follows through which ports a bridge is reached.
func (g *graph) setWays(d ref) {
	was, now := g.ways[d], g.waysTo(d)
	if !maps.Equal(was, now) { // a bridge that has learned it, or has not any more, may stand between it and any other
		for port := range was {
			g.dirty.trunks.add(pair(g.owner(port), d))
		}
		for port := range now {
			g.dirty.trunks.add(pair(g.owner(port), d))
		}
	}
	for port := range was {
		if _, still := now[port]; !still {
			g.lead(port, without(slices.Clone(g.behind.words[port]), d))
		}
	}
	for port := range now {
		if _, before := was[port]; !before {
			g.lead(port, append(slices.Clone(g.behind.words[port]), d))
		}
	}
	if len(now) == 0 {
		delete(g.ways, d)
	} else {
		g.ways[d] = now
	}
}

// waysTo gives the ports of other bridges through which a bridge was learned, each with the reading that shows it.
func (g *graph) waysTo(d ref) map[ref]ref {
	ways := map[ref]ref{}
	for _, m := range g.address.words[d] {
		for _, s := range g.sightings(m) {
			if owner := g.owner(s.port); owner == 0 || owner == d {
				continue
			}
			if old, ok := ways[s.port]; !ok || g.earlier(s.reading, old) {
				ways[s.port] = s.reading
			}
		}
	}
	return ways
}

// lead notes which bridges are behind a port.
func (g *graph) lead(port ref, bridges []ref) {
	g.behind.set(port, bridges)
	g.dirty.ports.add(port)
}

// pair names two bridges in one order.
func pair(a, b ref) [2]ref { return [2]ref{min(a, b), max(a, b)} }

// trunksBetween gives the links between two bridges: the pairs of ports through which each learned the other.
func (g *graph) trunksBetween(a, b ref) []claim {
	var links []claim
	for p, there := range g.ways[b] {
		if g.owner(p) != a || g.taken(p) {
			continue
		}
		for q, here := range g.ways[a] {
			if g.owner(q) != b || g.taken(q) || g.between(p, q) {
				continue
			}
			reading := there
			if g.earlier(here, there) {
				reading = here
			}
			links = append(links, claim{p, q, reading, topology.ConfidenceFDB})
		}
	}
	if len(links) > 0 && g.parted(a, b) {
		return nil
	}
	slices.SortFunc(links, func(x, y claim) int { return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b)) })
	return links
}

// parted reports whether another bridge has learned two of them on different ports: it stands between the two, also where nobody has learned it, as it has no
// address or never speaks.
func (g *graph) parted(a, b ref) bool {
	ports := map[ref]bool{} // of the bridges that have learned a
	apart := map[ref]bool{} // bridges: whether they have learned both, and on no port in common
	for port := range g.ways[a] {
		ports[port] = true
		apart[g.owner(port)] = false
	}
	common := map[ref]bool{}
	for port := range g.ways[b] {
		owner := g.owner(port)
		if _, both := apart[owner]; both {
			apart[owner] = true
			common[owner] = common[owner] || ports[port]
		}
	}
	for owner, both := range apart {
		if both && !common[owner] {
			return true
		}
	}
	return false
}

// taken reports whether an interface, or a member of it, has a link already or hears a neighbour: then addresses prove nothing more.
func (g *graph) taken(x ref) bool {
	all := []ref{x}
	for i := 0; i < len(all); i++ {
		n := g.node(all[i])
		if g.linked(all[i]) {
			return true
		}
		for range n.Objects(topology.HasNeighbor) {
			return true
		}
		if n.Kind() != topology.LAG {
			continue
		}
		for _, low := range g.lowers(all[i]) {
			if !slices.Contains(all, low) {
				all = append(all, low)
			}
		}
	}
	return false
}

// between reports whether an address was learned on both ports: what has it stands between the two, and a bridge to hold it.
func (g *graph) between(p, q ref) bool {
	seen := map[topology.MAC]bool{}
	for v := range g.node(p).Stated(topology.AttrLearned) {
		seen[v.FDB().MAC] = true
	}
	return slices.ContainsFunc(g.node(q).Values(topology.AttrLearned), func(v topology.Value) bool { return seen[v.FDB().MAC] })
}
