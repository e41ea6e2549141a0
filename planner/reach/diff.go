package reach

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Change is what becomes of packets when they take another way: those that may have arrived and need not any more, and those that may arrive now and did not have
// to before. Doubt that both ways share is in neither.
type Change struct {
	Lost, Opened packet.Set
}

// ErrWitness is wrapped where the sets say that a packet is lost or opened, and the rules, one after the other, say that it is not: one of them is wrong, and
// nothing may be said.
var ErrWitness = errors.New("sets and rules disagree")

// Diff compares two ways of the same packets. Each region that is not empty has been checked with one packet of its own, rule by rule.
func (h *Headers) Diff(before, now *Leg) (c Change, err error) {
	both := [2]*Leg{before, now}
	keep := h.memo != nil && before.known != nil && now.known != nil
	if keep && before == now {
		return Change{}, nil
	} else if c, known := h.changes(both, keep); known {
		return c, nil
	}
	d := &differ{Headers: h, may: h.bounds(May), must: h.bounds(Must), known: map[[2]*Leg]packet.Set{}, pairs: maxPairs}
	if err := h.Try(func() { c = Change{Lost: d.lost(before, now), Opened: d.lost(now, before)} }); err != nil {
		return Change{}, err
	}
	err = errors.Join(h.prove("lost", c.Lost, before, now), h.prove("opened", c.Opened, now, before))
	if keep && err == nil {
		if len(h.memo.changes) >= maxCrossings {
			clear(h.memo.changes)
		}
		h.memo.changes[both] = c
	}
	return c, err
}

// changes gives what is remembered of two legs.
func (h *Headers) changes(of [2]*Leg, keep bool) (Change, bool) {
	if !keep {
		return Change{}, false
	}
	c, known := h.memo.changes[of]
	return c, known
}

// prove walks one packet of a region rule by rule: it can arrive by the one way, and does not have to by the other.
func (h *Headers) prove(what string, region packet.Set, by, not *Leg) error {
	p, ok := h.Witness(region)
	if !ok {
		return nil
	}
	one, unclear := h.walk(by, p)
	other, unclear2 := h.walk(not, p)
	if unclear || unclear2 || one.can && !other.must {
		return nil
	}
	return fmt.Errorf("%w: %s is %s by the sets; by the rules it can arrive on the one way: %t, must on the other: %t", ErrWitness, h.PacketText(p), what, one.can, other.must)
}

// differ finds what one leg may deliver that another does not have to. Steps that both have are taken from both before they are compared: whatever they do,
// they do to both.
type differ struct {
	*Headers
	may, must *bounds
	known     map[[2]*Leg]packet.Set
	pairs     int  // that may still be compared step by step
	parts     bool // asked is what fares otherwise where the two part, whatever steps that both have do to it
}

const maxPairs = 20_000

func (d *differ) lost(a, b *Leg) packet.Set {
	k := [2]*Leg{a, b}
	if s, ok := d.known[k]; ok {
		return s
	}
	if d.pairs--; d.pairs < 0 {
		return d.whole(a, b)
	}
	s := d.compare(a, b)
	d.known[k] = s
	return s
}

func (d *differ) compare(a, b *Leg) packet.Set {
	if same(a, b) {
		return packet.Empty
	}
	first := 0
	for first < len(a.Steps) && first < len(b.Steps) && sameStep(&a.Steps[first], &b.Steps[first]) {
		first++
	}
	if first > 0 {
		rest := d.lost(tail(a, first), tail(b, first))
		return d.through(a.Steps[:first], rest)
	}
	if sameEnd(a, b) {
		return d.parallel(a, b)
	}
	switch {
	case len(a.Steps)+len(b.Steps) == 0 && sameChoice(a.Next, b.Next):
		return d.branches(a.Next, func(br Branch) packet.Set {
			return d.lost(br.Leg, b.Next[slices.IndexFunc(b.Next, func(o Branch) bool { return o.Who == br.Who })].Leg)
		})
	case len(a.Steps) == 0 && len(a.Next) > 0:
		return d.branches(a.Next, func(br Branch) packet.Set { return d.lost(br.Leg, counterpart(b, br)) })
	case len(b.Steps) == 0 && len(b.Next) > 0 && !b.Next[0].To.IsValid():
		return d.branches(b.Next, func(br Branch) packet.Set { return d.lost(a, br.Leg) })
	}
	return d.whole(a, b)
}

// sameChoice tells that both ways leave the same gateways, or next hops, to choose from.
func sameChoice(a, b []Branch) bool {
	return len(a) > 0 && len(a) == len(b) && !slices.ContainsFunc(a, func(x Branch) bool {
		return x.Who == (topology.Key{}) || !slices.ContainsFunc(b, func(y Branch) bool { return x.Who == y.Who })
	})
}

// whole takes nothing away from the two: it is never too little, and tells what both do not know as a difference.
func (d *differ) whole(a, b *Leg) packet.Set { return d.Minus(d.may.leg(a), d.must.leg(b)) }

func tail(l *Leg, from int) *Leg {
	return &Leg{Steps: l.Steps[from:], End: l.End, Why: l.Why, Next: l.Next}
}

// through gives the packets in front of steps that may be in the set behind them.
func (d *differ) through(steps []Step, s packet.Set) packet.Set {
	for i := len(steps) - 1; i >= 0 && s != packet.Empty; i-- {
		if d.parts && !rewrites(steps[i]) {
			continue
		}
		s = d.may.step(&steps[i], s)
	}
	return s
}

// counterpart is the leg of packets with the destination of a branch, where the other way parts by destination, too.
func counterpart(l *Leg, of Branch) *Leg {
	if i := slices.IndexFunc(l.Next, func(br Branch) bool { return br.To == of.To }); of.To.IsValid() && len(l.Steps) == 0 && i >= 0 {
		return l.Next[i].Leg
	}
	return l
}

func (d *differ) branches(of []Branch, lost func(Branch) packet.Set) (all packet.Set) {
	for _, br := range of {
		s := lost(br)
		if br.To.IsValid() {
			s = d.Intersect(s, d.Addresses(policy.Destination, netip.PrefixFrom(br.To, br.To.BitLen())))
		}
		all = d.Union(all, s)
	}
	return all
}

// parallel compares two legs that end alike, step by step different.
func (d *differ) parallel(a, b *Leg) packet.Set {
	last := 0 // steps at the end that both have
	for last < len(a.Steps) && last < len(b.Steps) && sameStep(&a.Steps[len(a.Steps)-1-last], &b.Steps[len(b.Steps)-1-last]) {
		last++
	}
	ours, theirs := a.Steps[:len(a.Steps)-last], b.Steps[:len(b.Steps)-last]
	if slices.ContainsFunc(ours, rewrites) || slices.ContainsFunc(theirs, rewrites) {
		return d.whole(a, b) // behind them the packets are not the same
	}
	end := &Leg{Steps: a.Steps[len(ours):], End: a.End, Why: a.Why, Next: a.Next}
	shared := packet.Full
	if !d.parts {
		shared = d.may.leg(end)
	}
	left := slices.Clone(theirs)
	var only []Step
	for _, s := range ours {
		if i := slices.IndexFunc(left, func(t Step) bool { return sameStep(&s, &t) }); i >= 0 {
			left = slices.Delete(left, i, i+1)
			if !d.parts {
				shared = d.may.step(&s, shared)
			}
		} else {
			only = append(only, s)
		}
	}
	plainEnd := func(steps []Step) *Leg { return &Leg{Steps: steps, End: Delivered} }
	return d.Intersect(shared, d.Minus(d.may.leg(plainEnd(only)), d.must.leg(plainEnd(left))))
}

// rewrites tells whether a step may write into packets what rules look at.
func rewrites(s Step) bool {
	for _, f := range s.filters {
		if slices.ContainsFunc(f.Rules, func(r policy.Rule) bool { return len(r.Set) > 0 }) {
			return true
		}
	}
	return false
}

// same tells legs that do the same to every packet, by the same devices.
func same(a, b *Leg) bool {
	return a == b || sameEnd(a, b) && slices.EqualFunc(a.Steps, b.Steps, func(x, y Step) bool { return sameStep(&x, &y) })
}

func sameEnd(a, b *Leg) bool {
	if a.End != b.End || a.Why != b.Why || len(a.Next) != len(b.Next) {
		return false
	}
	for i := range a.Next {
		if a.Next[i].To != b.Next[i].To || !same(a.Next[i].Leg, b.Next[i].Leg) {
			return false
		}
	}
	return true
}

// sameStep tells steps that are the same device with the same policy, looked at in the same circumstances: whatever is not known of one is the same of the other.
func sameStep(a, b *Step) bool {
	if a.Device.IsZero() != b.Device.IsZero() || !a.Device.IsZero() && a.Device.Key() != b.Device.Key() || a.Doubt != b.Doubt || a.Fresh != b.Fresh {
		return false
	}
	if a.Filter == nil || b.Filter == nil {
		return a.Filter == b.Filter
	}
	x, y := a.at, b.at
	if a.sessions != b.sessions || x.In != y.In || x.Out != y.Out || x.InPort != y.InPort || x.OutPort != y.OutPort || x.State != y.State || x.VLAN != y.VLAN ||
		x.Early != y.Early || x.SourceMAC != y.SourceMAC || x.DestinationMAC != y.DestinationMAC ||
		!slices.Equal(x.Own, y.Own) {
		return false
	}
	return sameFilter(a.filters, b.filters, a.Filter, b.Filter, map[string]bool{})
}

// sameFilter compares what rules do, and not where they stand: a line that moved down in its file is the same line.
func sameFilter(as, bs map[string]*policy.Filter, a, b *policy.Filter, seen map[string]bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	if seen[a.Name] || a == b && len(as) == len(bs) && sameTargets(as, bs, a, a, seen) {
		return true
	}
	seen[a.Name] = true
	if a.Name != b.Name || a.Family != b.Family || a.Default != b.Default || a.Missing != b.Missing || len(a.Rules) != len(b.Rules) ||
		len(a.Attached) == 0 != (len(b.Attached) == 0) {
		return false
	}
	for i := range a.Rules {
		if !sameRule(&a.Rules[i], &b.Rules[i]) {
			return false
		}
	}
	return sameTargets(as, bs, a, b, seen)
}

func sameTargets(as, bs map[string]*policy.Filter, a, b *policy.Filter, seen map[string]bool) bool {
	seen[a.Name] = true
	for i := range a.Rules {
		if t := a.Rules[i].Target; t != "" && !sameFilter(as, bs, as[t], bs[b.Rules[i].Target], seen) {
			return false
		}
	}
	return true
}

func sameRule(a, b *policy.Rule) bool {
	if a.Verdict != b.Verdict || a.Target != b.Target || a.Uncertain != b.Uncertain || a.Unparsed != b.Unparsed {
		return false
	}
	if (a.Unparsed != "" || a.Uncertain != "") && a.Text != b.Text {
		return false
	}
	return slices.EqualFunc(a.Match, b.Match, func(x, y policy.Term) bool {
		return x.Field == y.Field && x.Family == y.Family && x.Not == y.Not && slices.Equal(x.Of, y.Of) && slices.Equal(x.Names, y.Names)
	}) && slices.EqualFunc(a.Set, b.Set, func(x, y policy.Assignment) bool {
		return x.Field == y.Field && x.Family == y.Family && x.Keep == y.Keep && x.Own == y.Own && slices.Equal(x.To, y.To)
	})
}

// Through is the step of packets that meet a filter of a device: filters are all of the device, by name, since one jumps to others.
func Through(device topology.Node, filters map[string]*policy.Filter, name string, at Context) Step {
	return Step{Device: device, Filter: filters[name], filters: filters, at: at}
}
