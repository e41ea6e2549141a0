package reach

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

const maxParts = 8 // of one fate in the same circumstances that are told apart by the rules that decide

// parts cuts packets by the rules that decide them, and proves each part.
func (c *comparison) parts(h *Headers, fate Fate, at []Context, set packet.Set) error {
	for n := 1; set != packet.Empty; n++ {
		p, _ := h.Witness(set)
		part := RewrittenPart{Fate: fate, At: at, Packets: set, Headers: h, Witness: p, Before: c.was.judge(h, at[0], p), After: c.is.judge(h, at[0], p)}
		if err := h.Try(func() {
			region := part.After.region(h, at[0], part.Before.region(h, at[0], set))
			if n < maxParts && h.Has(region, p) {
				part.Packets = region
			}
		}); err != nil {
			return err
		}
		if err := c.prove(&part); err != nil {
			return err
		}
		c.Parts = append(c.Parts, part)
		set = h.Minus(set, part.Packets)
	}
	return nil
}

// as is a packet in its circumstances: what is not tracked says so itself.
func (h *Headers) as(at Context, p packet.Packet) packet.Packet {
	p = slices.Clone(p)
	if at.State == policy.StateUntracked {
		p[h.at[fieldUntracked]] = policy.Num(1)
	}
	return p
}

// judge follows one packet rule by rule.
func (l *list) judge(h *Headers, at Context, p packet.Packet) Judgement {
	if l.root == nil || l.root.Family&h.Family == 0 {
		return Judgement{Passed: true}
	}
	d := &decider{Headers: h, c: &chains{Headers: h, filters: l.filters, at: at}, p: h.as(at, p)}
	passed, _ := d.run(l.root, 0)
	return Judgement{d.hits, passed}
}

// region is the packets of a set that the deciding rule gets, of those that come to its filter: no rule before it decides them for certain.
func (j *Judgement) region(h *Headers, at Context, of packet.Set) packet.Set {
	if len(j.Hits) == 0 {
		return of
	}
	last := j.Hits[len(j.Hits)-1]
	if last.Rule != nil {
		of = h.Intersect(of, h.admitted(last.Rule, at, nil))
	}
	for i := range last.Filter.Rules {
		r := &last.Filter.Rules[i]
		if r == last.Rule || of == packet.Empty {
			break
		}
		decides := r.Uncertain == "" && r.Unparsed == "" && (r.Verdict == policy.Permit || r.Verdict == policy.Deny || r.Verdict == policy.Reject)
		if m := (&chains{Headers: h, at: at}).match(r); decides && !m.never && !m.unsure {
			of = h.Minus(of, h.Box(m.box, packet.Full))
		}
	}
	return of
}

// prove asks the rules, one after the other, with every choice both ways, whether the witness fares as the sets say.
func (c *comparison) prove(part *RewrittenPart) error {
	at, h := part.At[0], part.Headers
	was, unclear := c.was.outcomes(h, at, part.Witness)
	is, unclear2 := c.is.outcomes(h, at, part.Witness)
	if unclear || unclear2 {
		return nil
	}
	ok := false
	switch part.Fate {
	case NewlyDropped:
		ok = was.must && !is.can
	case NewlyPassed:
		ok = is.must && !was.can
	case SentAs:
		ok = was.can && is.can && !slices.EqualFunc(was.as, is.as, slices.Equal)
	case Doubtful:
		ok = was.open() || is.open()
	}
	if ok {
		return nil
	}
	return fmt.Errorf("%w: %s of %s is %s by the sets; by the rules it was %+v and is %+v", ErrWitness, h.PacketText(part.Witness), cmp.Or(c.Old, c.New).Name, part.Fate, was, is)
}

// outcomes is all that may become of one packet.
type outcomes struct {
	fate
	as []packet.Packet // as what it leaves the filter, in order
}

// open tells that more than one thing may become of the packet.
func (o outcomes) open() bool { return o.can != o.must || len(o.as) > 1 }

func (l *list) outcomes(h *Headers, at Context, p packet.Packet) (o outcomes, unclear bool) {
	passes := func(p packet.Packet) fate {
		if !slices.ContainsFunc(o.as, func(q packet.Packet) bool { return slices.Equal(p, q) }) {
			o.as = append(o.as, p)
		}
		return sure
	}
	p = h.as(at, p)
	if l.root == nil || l.root.Family&h.Family == 0 {
		o.fate = passes(p)
		return o, false
	}
	w := &walker{Headers: h, steps: maxWalk}
	v := visitor{w, &chains{Headers: h, filters: l.filters, at: at}, map[string]bool{}}
	o.fate = v.filter(l.root, p, passes, passes)
	slices.SortFunc(o.as, func(p, q packet.Packet) int {
		return slices.CompareFunc(p, q, func(x, y packet.Value) int { return cmp.Or(cmp.Compare(x.Hi, y.Hi), cmp.Compare(x.Lo, y.Lo)) })
	})
	return o, w.steps <= 0
}
