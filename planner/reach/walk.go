package reach

import (
	"slices"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

// fate is what may become of one packet: it can arrive for some choice of what is not known, and it must for every one.
type fate struct{ can, must bool }

var (
	sure    = fate{true, true}  //nolint:gochecknoglobals // constants
	gone    = fate{}            //nolint:gochecknoglobals // constants
	anyFate = fate{true, false} //nolint:gochecknoglobals // constants
)

func (f fate) or(g fate) fate { return fate{f.can || g.can, f.must && g.must} }

// walk follows one packet along a leg, rule by rule, and makes every choice both ways. It uses nothing of the sets, but for what a packet is. It is unclear
// where there are too many choices to make them all.
func (h *Headers) walk(l *Leg, p packet.Packet) (f fate, unclear bool) {
	w := &walker{Headers: h, steps: maxWalk}
	f = w.leg(l, p)
	return f, w.steps <= 0
}

const (
	maxWalk = 100_000 // rules that one walk may look at
	maxPool = 64      // values of a translation that are all tried
)

type walker struct {
	*Headers
	steps int
}

func (w *walker) leg(l *Leg, p packet.Packet) fate {
	return w.along(l, l.Steps, p)
}

func (w *walker) along(l *Leg, steps []Step, p packet.Packet) fate {
	if len(steps) == 0 {
		return w.end(l, p)
	}
	if w.steps--; w.steps <= 0 {
		return anyFate
	}
	s := &steps[0]
	if s.Fresh {
		p = w.fresh(p)
	}
	onward := func(p packet.Packet) fate { return w.along(l, steps[1:], p) }
	var f fate
	if s.Filter == nil || s.Filter.Family&w.Family == 0 {
		f = onward(p)
	} else {
		for i, state := range w.states(s, p) {
			at := s.at
			at.State = state
			v := visitor{w, &chains{Headers: w.Headers, filters: s.filters, at: at}, map[string]bool{}}
			if g := v.filter(s.Filter, p, onward, onward); i == 0 {
				f = g
			} else {
				f = f.or(g)
			}
		}
	}
	if s.Doubt != "" {
		f = fate{can: f.can || s.Filter != nil && onward(p).can}
	}
	return f
}

// fresh is a packet as it comes to the next device. Neighbour discovery is not tracked (nf_conntrack_icmpv6_error).
func (h *Headers) fresh(p packet.Packet) packet.Packet {
	p = slices.Clone(p)
	p[h.at[fieldMark]], p[h.at[fieldUntracked]] = policy.Num(0), policy.Num(0)
	if t := p[h.at[fieldSourcePort]].Lo; h.Family == policy.IPv6 && p[h.at[fieldProtocol]].Lo == icmpv6 && t >= 133 && t <= 137 {
		p[h.at[fieldUntracked]] = policy.Num(1)
	}
	return p
}

// states lists the states in which the packet may be to a device.
func (w *walker) states(s *Step, p packet.Packet) []uint64 {
	const syn = 2
	proto, flags := p[w.at[fieldProtocol]].Lo, p[w.at[fieldFlags]].Lo
	var without []uint64
	switch {
	case proto == tcp && flags&syn == 0:
		without = []uint64{policy.StateNew, policy.StateInvalid}
	case proto == tcp, proto == icmp && w.Family == policy.IPv4, proto == icmpv6 && w.Family == policy.IPv6:
		without = []uint64{policy.StateInvalid}
	default:
		without = []uint64{policy.StateNew}
	}
	switch s.sessions {
	case held:
		return []uint64{policy.StateEstablished}
	case unheld:
		return without
	case perhaps:
		return append(without, policy.StateEstablished)
	default:
		return []uint64{policy.StateNew}
	}
}

func (w *walker) end(l *Leg, p packet.Packet) fate {
	switch {
	case l.End == Delivered && w.Has(w.Valid, p):
		return sure
	case l.End == Unknown && w.Has(w.Valid, p):
		return anyFate
	case l.End != Onward || len(l.Next) == 0:
		return gone
	}
	var f fate
	for i, br := range l.Next {
		if br.To.IsValid() {
			if policy.AddrWord(br.To) == p[w.at[fieldDestination]] {
				g := w.leg(br.Leg, p)
				f = fate{f.can || g.can, f.must || g.must}
			}
			continue
		}
		if g := w.leg(br.Leg, p); i == 0 {
			f = g
		} else {
			f = f.or(g)
		}
	}
	return f
}

// visitor is a walk through the filters of one device.
type visitor struct {
	*walker
	c      *chains
	inside map[string]bool
}

type then func(packet.Packet) fate

func (v *visitor) filter(f *policy.Filter, p packet.Packet, permit, behind then) fate {
	if v.inside[f.Name] {
		return fate{permit(p).can || behind(p).can, false} // a jump back into a filter has no end
	}
	v.inside[f.Name] = true
	outside := func(next then) then { // what comes behind the filter may come to it again
		return func(p packet.Packet) fate {
			delete(v.inside, f.Name)
			r := next(p)
			v.inside[f.Name] = true
			return r
		}
	}
	r := v.rules(f, 0, p, outside(permit), outside(behind))
	delete(v.inside, f.Name)
	return r
}

func (v *visitor) last(f *policy.Filter, p packet.Packet, permit, behind then) fate {
	r := gone
	switch f.Default {
	case policy.Permit:
		r = permit(p)
	case policy.Return:
		r = behind(p)
	default: // gone
	}
	if f.Missing != "" {
		r = r.or(permit(p)).or(behind(p)).or(gone)
	}
	return r
}

func (v *visitor) rules(f *policy.Filter, i int, p packet.Packet, permit, behind then) fate {
	d := &decider{Headers: v.Headers, c: v.c, p: p}
	for ; i < len(f.Rules); i++ {
		if v.steps--; v.steps <= 0 {
			return anyFate
		}
		r := &f.Rules[i]
		matches, certain := d.matches(r)
		if !matches {
			continue
		}
		next := func(p packet.Packet) fate { return v.rules(f, i+1, p, permit, behind) }
		back := behind
		if len(f.Attached) > 0 {
			back = func(p packet.Packet) fate { return v.last(f, p, permit, behind) }
		}
		effect := v.effect(r, p, permit, back, next)
		if !certain || r.Uncertain != "" || r.Unparsed != "" {
			effect = effect.or(next(p))
		}
		return effect
	}
	return v.last(f, p, permit, behind)
}

func (v *visitor) effect(r *policy.Rule, p packet.Packet, permit, back, next then) fate {
	if r.Unparsed != "" {
		if len(r.Set) > 0 {
			return anyFate
		}
		return permit(p).or(back(p)).or(gone)
	}
	var after then
	switch r.Verdict {
	case policy.Permit:
		after = permit
	case policy.Return:
		after = back
	case policy.Continue:
		after = next
	case policy.Jump, policy.Goto:
		behind := next
		if r.Verdict == policy.Goto {
			behind = back
		}
		after = func(p packet.Packet) fate {
			if t := v.c.filters[r.Target]; t != nil {
				return v.filter(t, p, permit, behind)
			}
			return fate{permit(p).can || behind(p).can, false}
		}
	default:
		return gone
	}
	return v.assign(r, r.Set, p, after)
}

// assign makes the assignments, with every value that there is to choose.
func (v *visitor) assign(r *policy.Rule, set []policy.Assignment, p packet.Packet, after then) fate {
	if len(set) > 0 && set[0].Field == policy.ConnState && v.c.at.untracks() {
		p = slices.Clone(p)
		p[v.at[fieldUntracked]] = policy.Num(1)
		return v.assign(r, set[1:], p, after)
	}
	for len(set) > 0 {
		if _, header := headerFields[set[0].Field]; header && (set[0].Family == 0 || set[0].Family == v.Family) {
			break
		}
		set = set[1:]
	}
	if len(set) == 0 {
		return after(p)
	}
	a := set[0]
	to := a.To
	if a.Own {
		to = v.c.at.Own
	}
	values, all := listed(to)
	if _, ok := shifted(r, a); ok {
		values, all = []policy.Word{kept(a, p[v.at[headerFields[a.Field]]])}, true
	} else if a.Keep != (policy.Word{}) {
		all = false
	}
	if !all {
		v.steps = 0 // not all can be tried
		return anyFate
	}
	var f fate
	for i, x := range values {
		q := slices.Clone(p)
		q[v.at[headerFields[a.Field]]] = x
		if g := v.assign(r, set[1:], q, after); i == 0 {
			f = g
		} else {
			f = f.or(g)
		}
	}
	return f
}

// listed gives the values of ranges, if they are few.
func listed(of []policy.Range) (values []policy.Word, all bool) {
	for _, r := range of {
		if r.Mask != (policy.Word{}) {
			return nil, false
		}
		for x := r.Lo; !r.Hi.Less(x); x = after(x) {
			if len(values) == maxPool {
				return nil, false
			}
			values = append(values, x)
		}
	}
	return values, len(values) > 0
}
