package reach

import (
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Leg is a part of the way of packets to one destination: steps, one after the other, and then an end or further legs. The legs of a way are a tree; equal
// branches are one leg.
type Leg struct {
	Steps []Step
	End   End    // where there are no further legs
	Why   string // of an end that is not Delivered
	Next  []Branch

	known *legFacts // of a leg that is remembered, and that nobody changes
}

// legFacts is what is known of a leg.
type legFacts struct {
	doubts  []string
	blind   bool
	ends    bool // a filter looks at who they are
	lost    bool
	holders map[topology.Key]topology.Node
	crossed crossing
}

// facts looks for them, of a leg that is remembered once.
func (l *Leg) facts() *legFacts {
	if l.known != nil && l.known.holders != nil {
		return l.known
	}
	f := legFacts{doubts: doubts(l), blind: blind(l), ends: looksAtEnds(l), lost: l.lost(), holders: holders(l), crossed: l.crossed()}
	if l.known == nil {
		return &f
	}
	*l.known = f
	return l.known
}

// End is what becomes of packets at the end of a leg.
type End uint8

// The ends. Of an end that is not known packets must not arrive, and may.
const (
	Onward    End = iota // further legs
	Delivered            // at their destination
	Dropped              // gone, whatever they are
	Unknown
)

// Branch is one of several legs that follow a leg. Without To a device chooses among them (equal routes, gateways, members): nobody knows which it takes for a
// packet. With To, it is the leg of packets that now have this destination.
type Branch struct {
	To  netip.Addr
	Who topology.Key // the gateway or next hop that it leads to, where one is chosen among several: who chooses it once, chooses it again
	Leg *Leg
}

// All gives the leg and all that follow it, each once, in the order of the way.
func (l *Leg) All() iter.Seq[*Leg] {
	return func(yield func(*Leg) bool) {
		seen := map[*Leg]bool{}
		var walk func(*Leg) bool
		walk = func(l *Leg) bool {
			if seen[l] {
				return true
			}
			seen[l] = true
			return yield(l) && !slices.ContainsFunc(l.Next, func(b Branch) bool { return !walk(b.Leg) })
		}
		walk(l)
	}
}

// lost tells that some of the ways end where nobody knows how they go on.
func (l *Leg) lost() bool {
	for l := range l.All() {
		if l.End == Unknown {
			return true
		}
	}
	return false
}

// crossing is the devices that track the packets which may arrive: all of them, and some.
type crossing struct{ always, some map[topology.Key]bool }

// crossed gives the devices that track what goes all ways of a leg. Who chooses may send each packet another way.
func (l *Leg) crossed() crossing {
	known := map[*Leg]*crossing{}
	var of func(l *Leg) *crossing
	of = func(l *Leg) *crossing {
		if c, ok := known[l]; ok {
			return c
		}
		var c *crossing
		if len(l.Next) == 0 && l.End != Dropped {
			c = &crossing{map[topology.Key]bool{}, map[topology.Key]bool{}}
		}
		for _, b := range l.Next {
			next := of(b.Leg)
			switch {
			case next == nil: // nothing arrives by it
			case c == nil:
				c = &crossing{maps.Clone(next.always), maps.Clone(next.some)}
			default:
				maps.DeleteFunc(c.always, func(k topology.Key, _ bool) bool { return !next.always[k] })
				maps.Copy(c.some, next.some)
			}
		}
		if c != nil {
			for _, s := range l.Steps {
				if s.Tracks {
					c.always[s.Device.Key()], c.some[s.Device.Key()] = true, true
				}
			}
		}
		known[l] = c
		return c
	}
	if c := of(l); c != nil {
		return *c
	}
	return crossing{}
}

// Step is one thing that happens to packets on their way.
type Step struct {
	Device topology.Node
	Hops   []topology.Hop // frames: the way through bridges
	Route  string         // routing: the line of the table, in words
	Doubt  string         // what is not known here: then no packet must pass; if it is of the Filter, any packet may
	Fresh  bool           // packets come to a device: what another one noted of them, marks and tracking, is gone
	Tracks bool           // the device, if it tracks connections, tracks these

	Filter   *policy.Filter // packets meet it here
	Node     topology.Node  // of the filter
	filters  map[string]*policy.Filter
	at       Context
	sessions sessions
	met      policy.Attachment
}

// sessions tells what a device that tracks connections holds of the packets of a step.
type sessions uint8

const (
	opening sessions = iota // the first packet of a connection: new
	held                    // replies to what has passed here
	unheld                  // replies to what has not passed here: to the device they are no replies
	perhaps                 // one or the other
)

// bounds evaluates a leg: the packets, as they are at its beginning, that arrive.
type bounds struct {
	*Headers
	mode  Mode
	known map[*Leg]packet.Set
	catch bool         // asked is not what arrives, but what is translated on its way …
	by    topology.Key // … by this device, if any is named
	goal  packet.Set   // what has to be delivered
}

// Arriving gives the packets at the beginning of a leg that are delivered at its end.
func (h *Headers) Arriving(l *Leg, mode Mode) packet.Set {
	return h.bounds(mode).leg(l)
}

func (h *Headers) bounds(mode Mode) *bounds {
	return &bounds{Headers: h, mode: mode, known: map[*Leg]packet.Set{}, goal: h.Valid}
}

// arrivingAs gives the packets at the beginning of a leg that may be delivered at its end as one of a set.
func (h *Headers) arrivingAs(l *Leg, goal packet.Set) packet.Set {
	b := h.bounds(May)
	b.goal = h.Intersect(goal, h.Valid)
	return b.leg(l)
}

// Translated gives the packets at the beginning of a leg that may get other addresses or ports on its way.
func (h *Headers) Translated(l *Leg) packet.Set {
	return h.translatedBy(l, topology.Key{})
}

func (h *Headers) translatedBy(l *Leg, device topology.Key) packet.Set {
	b := h.bounds(May)
	b.catch, b.by = true, device
	return b.leg(l)
}

func (b *bounds) leg(l *Leg) packet.Set {
	if s, ok := b.known[l]; ok {
		return s
	}
	whole := l.known != nil && b.memo != nil && !b.catch && b.goal == b.Valid
	if s, ok := b.memoOf(l, whole); ok {
		return s
	}
	s := b.end(l)
	for _, step := range slices.Backward(l.Steps) {
		if s == packet.Empty && !b.catch {
			break
		}
		s = b.step(&step, s)
	}
	b.known[l] = s
	if whole {
		b.memo.arrive(l, b.mode, s)
	}
	return s
}

// memoOf gives the packets that arrive by a whole leg that is remembered, if that was asked before.
func (b *bounds) memoOf(l *Leg, whole bool) (packet.Set, bool) {
	if !whole {
		return packet.Empty, false
	}
	s, ok := b.memo.arriving[arrival{l, b.mode}]
	return s, ok
}

func (b *bounds) end(l *Leg) packet.Set {
	switch {
	case b.catch && len(l.Next) == 0:
		return packet.Empty
	case l.End == Delivered:
		return b.goal
	case l.End == Unknown:
		return bound(b.mode, b.goal)
	case l.End == Dropped || len(l.Next) == 0:
		return packet.Empty
	}
	var chosen packet.Set
	for i, br := range l.Next {
		s := b.leg(br.Leg)
		switch {
		case br.To.IsValid():
			chosen = b.Union(chosen, b.Intersect(b.Addresses(policy.Destination, netip.PrefixFrom(br.To, br.To.BitLen())), s))
		case i == 0:
			chosen = s
		case b.mode == May:
			chosen = b.Union(chosen, s)
		default:
			chosen = b.Intersect(chosen, s)
		}
	}
	return chosen
}

func (b *bounds) step(s *Step, goal packet.Set) packet.Set {
	if s.Doubt != "" && b.mode == Must {
		return packet.Empty
	}
	if s.Fresh {
		goal = b.freshened(goal)
	}
	if s.Filter == nil {
		return goal
	}
	if s.Doubt != "" {
		return b.Union(goal, b.filtered(s, goal))
	}
	return b.filtered(s, goal)
}

// filtered is step for its filter.
func (b *bounds) filtered(s *Step, goal packet.Set) packet.Set {
	pass := func(state uint64) packet.Set {
		at := s.at
		at.State = state
		return b.remembered(&chains{Headers: b.Headers, filters: s.filters, at: at, mode: b.mode, catch: b.catch && (b.by == topology.Key{} || b.by == s.Device.Key())}, s.Filter, goal)
	}
	switch s.sessions {
	case held:
		return pass(policy.StateEstablished)
	case unheld:
		return b.unheld(pass)
	case perhaps:
		x, y := pass(policy.StateEstablished), b.unheld(pass)
		if b.mode == May {
			return b.Union(x, y)
		}
		return b.Intersect(x, y)
	default:
		return pass(policy.StateNew)
	}
}

// unheld is what passes of replies that a device has no state of: a TCP segment that opens nothing, and an answer of ICMP, are invalid to it (nf_conntrack); of
// a device that picks up connections midway (nf_conntrack_tcp_loose) a segment without SYN is new. Datagrams are new.
func (b *bounds) unheld(pass func(uint64) packet.Set) packet.Set {
	fresh, invalid := pass(policy.StateNew), pass(policy.StateInvalid)
	opens := b.Box(packet.Box{b.protocols(tcp), b.term(fieldFlags, policy.Bits(syn, syn))}, packet.Full)
	answers := b.Union(opens, b.Box(packet.Box{b.isICMP()}, packet.Full))
	midway := b.Minus(b.Box(packet.Box{b.protocols(tcp)}, packet.Full), opens)
	either := b.Union(fresh, invalid)
	if b.mode == Must {
		either = b.Intersect(fresh, invalid)
	}
	rest := b.Minus(b.Valid, b.Union(answers, midway))
	return b.Union(b.Union(b.Intersect(answers, invalid), b.Intersect(midway, either)), b.Intersect(rest, fresh))
}
