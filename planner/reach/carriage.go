package reach

import (
	"cmp"
	"slices"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// carriage is how frames get from one interface to another within a VLAN: what is the same of all packets of a family, whatever devices hold of their connections and whatever
// becomes of them behind. It is made once, and nobody changes it.
type carriage struct {
	over       [][]Step // what they meet by each of the ways on which that differs; none: they do not get there
	nats       []Step   // of these, what may translate
	sourced    bool     // and the source, too
	bridgeless bool     // no bridge leads there

	end   End // where they do not get there: what becomes of them
	why   string
	steps []Step

	from, to topology.Node   // of which it was made
	own      bool            // it is not that of others with their stands
	legs     map[string]*Leg // with nothing behind, by what devices hold
}

// carried is the carriages that are remembered, as many as fit.
type carried struct {
	known map[carriageKey]*carriage
	steps int
}

type carriageKey struct {
	from, to endKey
	family   policy.Family
	inside   bool // of a tunnel
}

const maxSteps = 1 << 18 // of all carriages that are remembered, some 100 MB

// carriage gives how frames get from one interface to another: of two that no move touched it is the same before and after, and devices on it are those of the network before.
// VNICs of one stand share it, as far as nothing on it is about them. End is how it goes on at the other end of a tunnel, as an explorer has it.
func (n *Network) carriage(family policy.Family, end func(*device) *Leg, from, to topology.Node) *carriage {
	if n.before != nil && n.waysLast && !n.touched[from.Key()] && !n.touched[to.Key()] {
		return n.before.carriage(family, end, n.before.mine(from), n.before.mine(to))
	}
	own := carriageKey{endKey{key: from.Key()}, endKey{key: to.Key()}, family, end != nil}
	shared, shares := n.inCommon(family, end != nil, from, to)
	if c := n.root().carried.known[shared]; shares && c != nil && !c.own {
		return c
	} else if c := n.carried.known[own]; c != nil {
		return c
	}
	x := &explorer{Network: n, family: family, end: end, holds: func(topology.Node) sessions { return opening }}
	c := x.carriageOf(from, to)
	c.nats, c.sourced, c.from, c.to = x.nats, x.sourced, from, to
	c.own = c.own || c.bridgeless || len(c.nats) > 0 || tells(c.why, from, to) || slices.ContainsFunc(c.over, func(way []Step) bool { return !impersonal(way, from, to) })
	if shares {
		n.root().carried.keep(shared, c)
	}
	if c.own || !shares {
		n.carried.keep(own, c)
	}
	return c
}

func (all *carried) keep(k carriageKey, c *carriage) {
	if all.known == nil || all.steps > maxSteps {
		*all = carried{known: map[carriageKey]*carriage{}}
	}
	all.known[k] = c
	for _, steps := range c.over {
		all.steps += len(steps)
	}
}

// carriageOf looks for it.
func (x *explorer) carriageOf(from, to topology.Node) *carriage {
	ways, gap := x.framesBetween(from, to)
	var sound, doubtful, broken []topology.Way
	lost := ""
	for _, w := range ways {
		w.Fault = ""
		for _, h := range w.Hops {
			old := x.oldHop(h)
			if w.Doubt = cmp.Or(w.Doubt, old); h.Fault != "" && old == "" { // what is too old to be believed stops nothing
				w.Fault = cmp.Or(w.Fault, faultAt(h))
			}
		}
		switch {
		case w.Fault != "":
			broken = append(broken, w)
			if w.Lost {
				lost = cmp.Or(lost, w.Fault)
			}
		case w.Doubt != "":
			doubtful = append(doubtful, w)
			lost = cmp.Or(lost, w.Doubt)
		default:
			sound = append(sound, w)
		}
	}
	switch {
	case len(sound) > 0:
		return x.over(sound, lost)
	case len(doubtful) > 0:
		return x.over(doubtful, doubtful[0].Doubt)
	case len(broken) > 0 && gap == "":
		return &carriage{end: Dropped, why: broken[0].Fault, steps: []Step{{Hops: broken[0].Hops}}}
	}
	if why := x.cutOff(from, to); why != "" {
		return &carriage{end: Dropped, why: why, steps: []Step{{Hops: []topology.Hop{{Node: from}}}}, bridgeless: len(ways) == 0, own: true}
	}
	if len(broken) > 0 {
		gap = broken[0].Fault + "; and " + gap
	}
	return &carriage{end: Unknown, why: gap, bridgeless: len(ways) == 0, own: true} // which other vNICs the VM has decides, too
}

// over takes the ways that there are. Those on which packets meet the same filters are one.
func (x *explorer) over(ways []topology.Way, doubt string) *carriage {
	seen := map[string]bool{}
	c := &carriage{}
	for _, w := range ways {
		steps := append([]Step{{Hops: w.Hops, Doubt: doubt}}, x.bridged(w.Hops)...)
		if sign := signature(steps); !seen[sign] {
			seen[sign] = true
			c.over = append(c.over, steps)
		}
	}
	return c
}

// behind puts together how frames are carried and how it goes on, for packets of which devices hold what they do.
func (x *explorer) behind(c *carriage, from, to topology.Node, next *Leg) *Leg {
	l := &Leg{}
	for _, way := range c.over {
		steps := slices.Concat(way, next.Steps)
		steps[0].Hops = c.between(from, to, steps[0].Hops)
		for i := range way {
			if steps[i].Filter != nil {
				steps[i].sessions = x.holds(steps[i].Device)
			}
		}
		l.Next = append(l.Next, Branch{Leg: &Leg{Steps: steps, End: next.End, Why: next.Why, Next: next.Next}})
	}
	for _, s := range c.nats {
		s.sessions = x.holds(s.Device)
		x.nats = append(x.nats, s)
	}
	x.sourced = x.sourced || c.sourced
	if len(l.Next) == 1 {
		return l.Next[0].Leg
	}
	return l
}

// between gives a way as it is between ends that share it.
func (c *carriage) between(from, to topology.Node, hops []topology.Hop) []topology.Hop {
	if from.Key() != c.from.Key() || to.Key() != c.to.Key() {
		hops = slices.Clone(hops)
		hops[0].Node, hops[len(hops)-1].Node = from, to
	}
	return hops
}
