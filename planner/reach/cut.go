package reach

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Why says what stops the packets of an answer, there or back, or what is not known of them.
func (a *Answer) Why() string {
	for _, d := range []Direction{a.Forward, a.Return} {
		if d.Verdict == Yes || d.Headers == nil {
			continue
		}
		if d.Verdict == NotKnown && len(d.Doubts) > 0 {
			return d.Doubts[0]
		}
		if p, ok := d.Headers.Witness(d.Headers.Minus(d.Asked, d.May)); ok {
			if _, _, why := d.Headers.Trace(d.Leg, p); why != "" {
				return why
			}
		}
		return cmp.Or(first(d.Doubts), "not all of it arrives")
	}
	return a.Limit
}

// OneWay lists the devices that hold connections and that the packets of an answer cross on one of the two ways alone.
func (n *Network) OneWay(a Answer) []topology.Node {
	if a.Forward.Leg == nil || a.Return.Leg == nil {
		return nil
	}
	there, back := holders(a.Forward.Leg), holders(a.Return.Leg)
	var all []topology.Node
	for _, pair := range [][2]map[topology.Key]topology.Node{{there, back}, {back, there}} {
		for k, d := range pair[0] {
			if _, both := pair[1][k]; !both {
				all = append(all, d)
			}
		}
	}
	slices.SortFunc(all, func(a, b topology.Node) int { return a.Key().Compare(b.Key()) })
	return all
}

// holders gives the devices on a leg whose filters ask for the state of connections.
func holders(legs ...*Leg) map[topology.Key]topology.Node {
	all := map[topology.Key]topology.Node{}
	for _, l := range legs {
		for l := range l.All() {
			for i := range l.Steps {
				if step := &l.Steps[i]; step.Filter != nil && asksState(step.Filter, step.filters) {
					all[step.Device.Key()] = step.Device
				}
			}
		}
	}
	return all
}

// Cut lists the devices at which sessions end that were open between two addresses before: they are on a way of now, hold nothing of what has passed other ways, and do not
// let it pass without. n is the network of now.
func (n *Network) Cut(ctx context.Context, c Comparison) ([]topology.Node, error) {
	if c.Limit != "" || c.Before.Verdict == No || c.After.Forward.Leg == nil || c.After.Return.Leg == nil {
		return nil, nil
	}
	held := holders(c.Before.Forward.Leg, c.Before.Return.Leg)
	fresh := holders(c.After.Forward.Leg, c.After.Return.Leg)
	for k := range held {
		delete(fresh, k)
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	var all []topology.Node
	err := c.Headers.within(ctx, func() {
		for k, d := range fresh {
			gone := map[topology.Key]bool{k: true}
			there := [2]*Leg{n.open(ctx, nil).from(c.After.From, c.After.To.Addr), n.open(ctx, gone).from(c.After.From, c.After.To.Addr)}
			back := [2]*Leg{n.open(ctx, nil).from(c.After.To, c.After.From.Addr), n.open(ctx, gone).from(c.After.To, c.After.From.Addr)}
			if c.Headers.breaks(there) || c.Headers.breaks(back) {
				all = append(all, d)
			}
		}
	})
	slices.SortFunc(all, func(a, b topology.Node) int { return a.Key().Compare(b.Key()) })
	why, err := givenUp(err)
	if why != "" {
		return nil, nil
	}
	return all, err
}

// open makes an explorer of packets of sessions that are open: devices hold them, but for some.
func (n *Network) open(ctx context.Context, but map[topology.Key]bool) *explorer {
	x := n.explorer(ctx, nil)
	x.holds = holdBut(but)
	return x
}

// holdBut tells of each device that it holds the sessions that are open, but for some, which have seen nothing of them.
func holdBut(but map[topology.Key]bool) func(topology.Node) sessions {
	return func(d topology.Node) sessions {
		if but[d.Key()] {
			return unheld
		}
		return held
	}
}

// breaks tells that packets in the middle of sessions arrive by the one leg and do not have to by the other.
func (h *Headers) breaks(legs [2]*Leg) bool {
	d := &differ{Headers: h, may: h.bounds(May), must: h.bounds(Must), known: map[[2]*Leg]packet.Set{}, pairs: maxPairs}
	return h.Intersect(d.lost(legs[0], legs[1]), h.midway()) != packet.Empty
}

// midway is the packets in the middle of sessions: of TCP those that acknowledge and open nothing, and datagrams.
func (h *Headers) midway() packet.Set {
	segments := h.Box(packet.Box{h.protocols(tcp), h.term(fieldFlags, policy.Bits(ack, syn|ack))}, packet.Full)
	datagrams := h.Box(packet.Box{h.protocols(udp)}, packet.Full)
	whole := h.Box(packet.Box{h.term(fieldFragment, policy.Is(policy.FragmentNone)), h.term(fieldMark, policy.Is(0)), h.term(fieldUntracked, policy.Is(0))}, packet.Full)
	return h.Intersect(h.Intersect(h.Valid, whole), h.Union(segments, datagrams))
}

// cut lists the devices on the new ways that hold connections, are on no old way, and break those that are open.
func (s *shifting) cut(ends [2][]reached, was, is map[topology.Key]topology.Node) {
	for _, k := range slices.SortedFunc(maps.Keys(is), topology.Key.Compare) {
		d := is[k]
		if _, both := was[k]; both || slices.ContainsFunc(s.Cut, func(o topology.Node) bool { return o.Key() == k }) {
			continue
		}
		with, without := s.now.holding(holdBut(nil)), s.now.holding(holdBut(map[topology.Key]bool{k: true}))
		for direction := range ends {
			for _, e := range ends[direction] {
				legs := [2]*Leg{s.now.to(with, e.is), s.now.to(without, e.is)}
				if direction == inward {
					legs = [2]*Leg{s.now.from(with, e.is), s.now.from(without, e.is)}
				}
				if s.h.breaks(legs) && !slices.Contains(s.Cut, d) {
					s.Cut = append(s.Cut, d)
				}
			}
		}
	}
}
