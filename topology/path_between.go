package topology

import (
	"cmp"
	"slices"
	"strings"
)

// Meeting is the network way between two nodes: up from each until one device is on both.
type Meeting struct {
	Hops   []Hop  // from the one to the other; where they do not meet, the first's way up
	Meet   string // name of the device where the two ways meet
	Routed bool   // they are in different VLANs there: a router passes between them
	Gap    string // why there is no way, as far as is known
	Equal  int    // ways as short as this one, itself included
	Broken int    // of the ways up from both, those on which something stops traffic: less redundancy than there seems to be
}

// Between finds the network way between two VMs, hosts or interfaces. Of the equal ways the first that meets soonest is given. Ways that are
// not certain up to where they meet give a gap.
func Between(a, b Node) Meeting {
	as, broken := waysUp(a)
	bs, more := waysUp(b)
	for i, ways := range [][]Path{as, bs} {
		if len(ways) == 0 {
			return Meeting{Gap: noWayUp([]Node{a, b}[i])}
		}
	}
	var s meetings
	for _, p := range as {
		for _, q := range bs {
			s.try(p, q)
		}
	}
	switch {
	case s.best.Hops != nil:
		s.best.Equal, s.best.Broken = len(s.ways), broken+more
		return s.best
	case s.unsure.Gap != "":
		return s.unsure
	}
	return Meeting{Hops: as[0].Hops, Gap: "the two ways do not meet in any device that is known: " + firstGap(as, bs)}
}

// meetings keeps the shortest way found so far, and the first that is not certain.
type meetings struct {
	best, unsure Meeting
	ways         map[string]bool // as short as the best
}

func (s *meetings) try(p, q Path) {
	i, j := meet(p, q)
	if i < 0 {
		return
	}
	if doubt := cmp.Or(firstDoubt(p.Hops[:i+1], q.Hops[:j+1]), kept(p.Hops, i, q.Hops, j)); doubt != "" {
		if s.unsure.Gap == "" {
			s.unsure = Meeting{Hops: p.Hops[:i+1], Gap: "the two ways come to one device, but not for certain in one VLAN: " + doubt}
		}
		return
	}
	m := join(p, q, i, j)
	if s.best.Hops == nil || len(m.Hops) < len(s.best.Hops) {
		s.best, s.ways = m, map[string]bool{}
	}
	if len(m.Hops) == len(s.best.Hops) {
		s.ways[wayText(m.Hops)] = true
	}
}

// wayText tells ways apart.
func wayText(hops []Hop) string {
	var keys []string
	for _, h := range hops {
		keys = append(keys, h.Node.Key().String())
	}
	return strings.Join(keys, " ")
}

// waysUp lists the ways on which nothing is known to be broken, and counts the others.
func waysUp(n Node) (sound []Path, broken int) {
	var ps []Path
	for _, r := range n.Rails() {
		if r.Name == "network" {
			ps = append(ps, r.Paths...)
		}
	}
	sound = slices.DeleteFunc(slices.Clone(ps), Path.Faulty)
	return sound, len(ps) - len(sound)
}

func noWayUp(n Node) string {
	for _, r := range n.Rails() {
		for _, p := range r.Paths {
			for _, h := range p.Hops {
				if r.Name == "network" && h.Fault != "" {
					return "every network way of " + n.Name() + " is broken: " + h.Fault
				}
			}
		}
	}
	return n.Name() + " has no network rail in the graph"
}

func firstDoubt(hops ...[]Hop) string {
	for _, h := range slices.Concat(hops...) {
		if h.Doubt != "" {
			return h.Doubt
		}
	}
	return ""
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
		if above(p.Hops, i) {
			continue
		}
		for j, g := range q.Hops {
			routed := p.Complete && q.Complete && i == len(p.Hops)-1 && j == len(q.Hops)-1 && sameRouter(h.Node, g.Node)
			switch {
			case h.VID == g.VID && (h.Node == g.Node || sameBridge(h.Node, g.Node)), routed:
				return i, j
			}
		}
	}
	return -1, -1
}

// above reports that a hop is a network or port group over a bridge: it is the bridge in which the frames of two guests meet, or do not.
func above(hops []Hop, i int) bool {
	kind := hops[i].Node.Kind()
	return (kind == Network || kind == PortGroup) && i+1 < len(hops) && slices.Contains([]Kind{VirtualSwitch, Network}, hops[i+1].Node.Kind())
}

// sameBridge reports whether two interfaces are of one device that passes frames between them: a switch, or another one that says which VLANs
// both carry. Two of one host or VM have no bridge in common by that alone.
func sameBridge(a, b Node) bool {
	o, ok := a.Owner()
	if !ok || !sameDevice(a, b) {
		return false
	}
	_, x := vlanHolder(a)
	_, y := vlanHolder(b)
	return o.Kind() == Switch || o.Kind().Device() && o.Kind() != Host && x && y
}

// sameRouter reports whether one routing table of one device serves two gateways, as far as VRFs are known. A host keeps its libvirt networks apart.
func sameRouter(a, b Node) bool {
	o, _ := a.Owner()
	x, _ := a.First(InVRF)
	y, _ := b.First(InVRF)
	return sameDevice(a, b) && !o.IsZero() && o.Kind() != Host && x == y
}

func join(p, q Path, i, j int) Meeting {
	m := Meeting{Hops: slices.Clone(p.Hops[:i+1])}
	at, back := p.Hops[i], q.Hops[j]
	if at.Node != back.Node {
		m.Hops = append(m.Hops, Hop{Node: back.Node, VID: back.VID, Tagged: back.Tagged})
	}
	for k := j - 1; k >= 0; k-- {
		h, above := q.Hops[k], q.Hops[k+1]
		m.Hops = append(m.Hops, Hop{
			Node: h.Node, Rel: above.Rel, Reading: above.Reading, Confidence: above.Confidence, VID: h.VID, Tagged: h.Tagged,
		})
	}
	where := at.Node
	if o, ok := where.Owner(); ok {
		where = o
	}
	m.Meet = cmp.Or(where.Name(), where.Key().ID)
	m.Routed = at.VID != back.VID || at.Node != back.Node && !sameBridge(at.Node, back.Node)
	return m
}
