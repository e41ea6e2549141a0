package reach

import (
	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// memo is what filters made of sets before: in a space in which many questions are asked, most of them meet the same filters with the same sets behind.
type memo struct {
	passed   map[passage]packet.Set
	fresh    map[packet.Set]packet.Set
	arriving map[arrival]packet.Set  // of legs that are remembered
	changes  map[[2]*Leg]Change      // of the same, proven
	parts    map[[2]*Leg]packet.Set  // what may fare otherwise, of legs that are remembered
	ends     map[*policy.Filter]bool // whether a filter looks at more of an end than headers
}

// arrival is a leg and a bound.
type arrival struct {
	leg  *Leg
	mode Mode
}

// arrive notes what arrives by a leg that is remembered.
func (m *memo) arrive(l *Leg, mode Mode, s packet.Set) {
	if len(m.arriving) >= maxCrossings {
		clear(m.arriving)
	}
	m.arriving[arrival{l, mode}] = s
}

// passage is a set behind a filter, and the circumstances in which packets meet it.
type passage struct {
	filter                   *policy.Filter
	in, out, inPort, outPort string
	state                    uint64
	vlan                     uint16
	early                    bool
	macs                     [2]uint64
	own                      policy.Range
	mode                     Mode
	catch                    bool
	goal                     packet.Set
}

// remember makes the space remember.
func (h *Headers) remember() {
	h.memo = &memo{map[passage]packet.Set{}, map[packet.Set]packet.Set{}, map[arrival]packet.Set{}, map[[2]*Leg]Change{}, map[[2]*Leg]packet.Set{}, map[*policy.Filter]bool{}}
}

// remembered gives the set in front of a filter, as it is known from before or as it is made now.
func (h *Headers) remembered(c *chains, f *policy.Filter, goal packet.Set) packet.Set {
	at := &c.at
	if h.memo == nil || len(at.Own) > 1 || at.ARP.Operation != 0 {
		return h.pass(c, f.Name, goal)
	}
	k := passage{filter: f, in: at.In, out: at.Out, inPort: at.InPort, outPort: at.OutPort, state: at.State, vlan: at.VLAN, early: at.Early, mode: c.mode, catch: c.catch, goal: goal}
	looks, known := h.memo.ends[f]
	if !known {
		looks = asks(f, c.filters, ofEnds)
		h.memo.ends[f] = looks
	}
	if looks {
		k.macs = [2]uint64{at.SourceMAC, at.DestinationMAC}
	}
	if len(at.Own) == 1 {
		k.own = at.Own[0]
	}
	s, known := h.memo.passed[k]
	if !known {
		s = h.pass(c, f.Name, goal)
		h.memo.passed[k] = s
	}
	return s
}

// freshened gives the packets that are in a set once a device has taken off what another one noted of them.
func (h *Headers) freshened(goal packet.Set) packet.Set {
	if h.memo != nil {
		if s, known := h.memo.fresh[goal]; known {
			return s
		}
	}
	s := h.Set(h.Set(goal, h.at[fieldMark], policy.Num(0)), h.at[fieldUntracked], policy.Num(0))
	if h.memo != nil {
		h.memo.fresh[goal] = s
	}
	return s
}

// crossings are the ways of frames between two ends, and why there may be more.
type crossings struct {
	ways []topology.Way
	gap  string
}

const maxCrossings = 1 << 14 // pairs of ends that are remembered

// framesBetween gives the ways of frames from one interface to another. They are asked for there and back, for each bound and each answer.
func (n *Network) framesBetween(from, to topology.Node) ([]topology.Way, string) {
	if n.before != nil && n.waysLast && !n.touched[from.Key()] && !n.touched[to.Key()] {
		return n.before.framesBetween(n.before.mine(from), n.before.mine(to))
	}
	k := [2]topology.Key{from.Key(), to.Key()}
	c, known := n.crossings[k]
	if !known {
		if len(n.crossings) >= maxCrossings {
			clear(n.crossings)
		}
		c.ways, c.gap = topology.Ways(from, to, n.paths)
		n.crossings[k] = c
	}
	return c.ways, c.gap
}
