package topology

import (
	"cmp"
	"slices"
)

// Way is one way of frames between two interfaces, within one VLAN: no router is between them.
type Way struct {
	Hops  []Hop
	Fault string // why nothing passes; the first on the way
	Doubt string // what is not known, where nothing is at fault
	// Lost says that the frames are lost where they arrive, or may be, while the sender does not know it: ways beside this one do not help those that are sent here.
	Lost bool
}

// Ways lists the ways of frames from one interface or vNIC to another, and why there may be more, if there may. paths gives NetworkPaths of both; who asks
// often remembers them.
func Ways(from, to Node, paths func(Node) []Path) (ways []Way, gap string) {
	ps, qs := paths(from), paths(to)
	seen := map[string]bool{}
	add := func(hops []Hop, doubt string) {
		if text := wayText(hops); !seen[text] {
			seen[text] = true
			ways = append(ways, wayOf(hops, doubt))
		}
	}
	for _, p := range ps {
		if i := hopAt(p, to); i > 0 {
			add(p.Hops[:i+1], ownInterface(p.Hops[:i+1]))
		}
	}
	for _, q := range qs {
		if i := hopAt(q, from); i > 0 {
			add(turned(q.Hops[:i+1]), ownInterface(q.Hops[:i+1]))
		}
	}
	if !sounds(ways) {
		bridgedWays(ps, qs, add)
	}
	if !sounds(ways) { // the ways to gateways do not meet, or not where something passes
		var all [][]Hop
		all, gap = unrouted(from, ps, qs)
		for _, hops := range all {
			add(hops, "")
		}
	}
	if sounds(ways) {
		gap = ""
	}
	ways = append(ways, aside(from, to, ps, ways)...)
	members(ways, ps, qs)
	if len(ways) == 0 {
		gap = cmp.Or(firstGap(ps, qs), "no way between "+from.Name()+" and "+to.Name()+" is known")
	}
	return shortest(ways), gap
}

func sounds(ways []Way) bool {
	return slices.ContainsFunc(ways, func(w Way) bool { return w.Fault == "" })
}

// shortest leaves out ways that a bridge would not take, since it has a shorter one: of those that enter the fabric by one cable, the ones that are longer than the
// shortest which nothing stops.
func shortest(ways []Way) []Way {
	least := map[Key]int{}
	for _, w := range ways {
		if n, ok := least[w.entry()]; w.Fault == "" && (!ok || len(w.Hops) < n) {
			least[w.entry()] = len(w.Hops)
		}
	}
	return slices.DeleteFunc(ways, func(w Way) bool { n, ok := least[w.entry()]; return ok && len(w.Hops) > n })
}

// entry is where the way enters the first device behind a cable.
func (w Way) entry() Key {
	for _, h := range w.Hops {
		if h.Rel == Link {
			return h.Node.Key()
		}
	}
	return Key{}
}

// NetworkPaths gives the paths of all network rails of a node.
func NetworkPaths(n Node) []Path {
	var ps []Path
	for _, r := range n.Rails() {
		if r.Name == "network" {
			ps = append(ps, r.Paths...)
		}
	}
	return ps
}

// hopAt finds a node on a path.
func hopAt(p Path, n Node) int {
	for i, h := range p.Hops {
		if h.Node == n {
			return i
		}
	}
	return -1
}

// bridgedWays adds the ways over bridges in which paths of the one meet paths of the other.
func bridgedWays(ps, qs []Path, add func(hops []Hop, doubt string)) {
	same := remembered(sameBridge) // paths of one node share most of their hops
	for _, p := range ps {
		for _, q := range qs {
			if i, j := meetBridged(p, q, same); i >= 0 {
				add(append(p.Hops[:i+1:i+1], turned(q.Hops[:j+1])...), kept(p.Hops, i, q.Hops, j))
			}
		}
	}
}

// remembered answers the same question once.
func remembered(ask func(a, b Node) bool) func(a, b Node) bool {
	known := map[[2]Node]bool{}
	return func(a, b Node) bool {
		k := [2]Node{a, b}
		answer, ok := known[k]
		if !ok {
			answer = ask(a, b)
			known[k] = answer
		}
		return answer
	}
}

// meetBridged finds where two paths first are in one bridge and VLAN; -1 if they are not.
func meetBridged(p, q Path, same func(a, b Node) bool) (int, int) {
	for i, h := range p.Hops {
		if above(p.Hops, i) {
			continue
		}
		for j, g := range q.Hops {
			if h.VID == g.VID && (h.Node == g.Node || same(h.Node, g.Node)) {
				return i, j
			}
		}
	}
	return -1, -1
}

// turned turns a way round. Evidence stays with the pair of nodes that it joins.
func turned(hops []Hop) []Hop {
	back := make([]Hop, 0, len(hops))
	for k, h := range slices.Backward(hops) {
		h.Rel, h.Reading, h.Confidence = 0, Reading{}, 0
		if k+1 < len(hops) {
			h.Rel, h.Reading, h.Confidence = hops[k+1].Rel, hops[k+1].Reading, hops[k+1].Confidence
		}
		back = append(back, h)
	}
	return back
}

// wayOf sums up the hops of a way, of which there may be a doubt that is none of a single hop.
func wayOf(hops []Hop, doubt string) Way {
	w := Way{Hops: hops, Doubt: doubt}
	for i, h := range hops {
		if h.Fault != "" && w.Fault == "" {
			w.Fault = h.Fault
			w.Lost = h.Rel == Link && i > 0 && hops[i-1].Fault == "" && stopped(h.Node) == "" && !blocked(h.Node, h.VID) // nobody learns an address behind a blocked port
		}
		if h.Doubt != "" && w.Doubt == "" {
			w.Doubt = h.Doubt
		}
	}
	if why := heldBack(hops); why != "" && w.Fault == "" && w.Doubt == "" {
		w.Doubt, w.Lost = why, true
	}
	return w
}

// heldBack tells why frames may not get beyond a device to which the other one of its pair has passed them: lest somebody gets frames twice, the devices of a pair
// let none that come over the link between them out by an aggregate of which the other one has a half that is up. Source: Cisco, "Understand Virtual Port Channel
// Enhancements" (the loop avoidance rule); Arista, EOS User Manual, "MLAG"; NVIDIA, Cumulus Linux User Guide, "MLAG" (dual-connected bonds are isolated).
func heldBack(hops []Hop) string {
	for i := 1; i < len(hops); i++ {
		if hops[i].Rel != Link {
			continue
		}
		pair, ok := hops[i-1].Node.Owner()
		out := i
		for out+1 < len(hops) && hops[out+1].Rel != Link {
			out++
		}
		if !ok || out+1 == len(hops) {
			continue
		}
		for _, lag := range append(hops[out].Node.aggregates(), hops[out].Node) {
			for _, half := range lag.Peers(PeerLAG) {
				if owner, _ := half.Owner(); owner == pair && stopped(half) == "" {
					return "what comes from " + pair.Name() + " may be held back at " + lag.Name() + ", of which " + pair.Name() + " has a half that is up"
				}
			}
		}
	}
	return ""
}
