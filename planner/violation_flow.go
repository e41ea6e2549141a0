package planner

import (
	"context"
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// group is ends of flows that are alike: one of them is asked for all.
type group struct {
	ends []reach.Endpoint
}

// flows looks at what has to pass and what must not, over all pairs of addresses by their classes.
func (c *violations) flows(ctx context.Context) error {
	if len(c.policy.Required)+len(c.policy.Forbidden) == 0 {
		return nil
	}
	a := newLookalikes(c.Planner)
	for _, d := range c.policy.Forbidden {
		if err := c.demand(ctx, a, d, c.passes); err != nil {
			return err
		}
	}
	for _, d := range c.policy.Required {
		if err := c.demand(ctx, a, d, c.fails); err != nil {
			return err
		}
	}
	return nil
}

// demand asks for all pairs of a demand's ends.
func (c *violations) demand(ctx context.Context, a *lookalikes, d Demand, judge func(Demand, reach.Answer, int)) error {
	from, to := c.groups(a, d, d.From), c.groups(a, d, d.To)
	for _, f := range from {
		for _, t := range to {
			x, y, pairs := pairOf(f, t)
			if pairs == 0 {
				continue
			}
			answer, err := c.network().Between(ctx, x, y, d.Flow)
			if err != nil {
				return err
			}
			c.Asked++
			c.Pairs += pairs
			judge(d, answer, pairs)
		}
	}
	return ctx.Err()
}

// groups gives the ends of the VMs and hosts that a selector names, by their classes. Of which nobody knows the address, nobody knows whether it is so.
func (c *violations) groups(a *lookalikes, d Demand, s Selector) []*group {
	var all []*group
	by := map[string]*group{}
	for n := range c.s.Nodes(topology.VM, topology.Host) {
		is := s.Has(n)
		ends := reach.Endpoints(n)
		if len(ends) == 0 && !off(n) && (is && len(s) > 0 || s.unsure(n)) {
			c.found(Violation{Class: UnauthorizedPath, Rail: RailNetwork, Rule: d.Name, Verdict: Unknown, Text: fmt.Sprintf("no source says which address %s has", n.Name())}, []topology.Node{n})
		}
		if !is || off(n) {
			continue
		}
		for _, e := range ends {
			class := a.class(e)
			if by[class] == nil {
				by[class] = &group{}
				all = append(all, by[class])
			}
			by[class].ends = append(by[class].ends, e)
		}
	}
	return all
}

// pairOf gives two ends to ask for two groups, and for how many pairs they stand: of one family, and not of one machine.
func pairOf(f, t *group) (x, y reach.Endpoint, pairs int) {
	if f.ends[0].Addr.Is4() != t.ends[0].Addr.Is4() { // of one class all are of one family
		return x, y, 0
	}
	owned := map[topology.Node]int{}
	for _, b := range t.ends {
		owned[ownerOf(b.Node)]++
	}
	for _, a := range f.ends {
		others := len(t.ends) - owned[ownerOf(a.Node)]
		if pairs == 0 && others > 0 {
			x = a
			y = t.ends[slices.IndexFunc(t.ends, func(b reach.Endpoint) bool { return ownerOf(b.Node) != ownerOf(a.Node) })]
		}
		pairs += others
	}
	return x, y, pairs
}

func ownerOf(n topology.Node) topology.Node {
	if owner, ok := n.Owner(); ok {
		return owner
	}
	return n
}

// passes judges a flow that must not pass: one packet of it that arrives is too much.
func (c *violations) passes(d Demand, a reach.Answer, pairs int) {
	v := Violation{Class: UnauthorizedPath, Rail: RailNetwork, Rule: d.Name, Verdict: Block, Count: pairs}
	ends := []topology.Node{ownerOf(a.From.Node), ownerOf(a.To.Node)}
	x := a.Forward
	switch x.Verdict {
	case reach.Yes, reach.Some:
		packet := ""
		if p, ok := x.Headers.Witness(x.Must); ok {
			packet = ": " + x.Headers.PacketText(p)
		}
		v.like, v.Text = d.Name, fmt.Sprintf("%s reaches %s%s", ownerOf(a.From.Node).Name(), ownerOf(a.To.Node).Name(), packet)
		c.found(v, ends, c.addressed(a)...)
	case reach.NotKnown:
		v.like = doubtOf(a, x)
		v.Verdict, v.Text = Unknown, fmt.Sprintf("whether %s reaches %s is not known: %s", ownerOf(a.From.Node).Name(), ownerOf(a.To.Node).Name(), v.like)
		c.found(v, ends, c.addressed(a)...)
	case reach.No:
	}
	if d.Flow.Protocol == nil {
		if m := topology.Between(a.From.Node, a.To.Node); m.Gap == "" && !m.Routed {
			v.Class, v.Verdict = UnauthorizedSharing, Block
			v.like, v.Text = m.Meet, fmt.Sprintf("%s and %s are in one segment: their ways meet in %s without a router between", ownerOf(a.From.Node).Name(), ownerOf(a.To.Node).Name(), m.Meet)
			c.found(v, ends, c.addressed(a)...)
		}
	}
}

// fails judges a flow that has to pass, with its replies.
func (c *violations) fails(d Demand, a reach.Answer, pairs int) {
	if a.Verdict == reach.Yes {
		return
	}
	v := Violation{Class: PathOutage, Rail: RailNetwork, Rule: d.Name, Verdict: Block, Count: pairs}
	ends := []topology.Node{ownerOf(a.From.Node), ownerOf(a.To.Node)}
	way, words := a.Forward, "%s does not reach %s: %s"
	if forward := way.Verdict; forward == reach.Yes || forward == reach.NotKnown && a.Verdict != reach.NotKnown {
		way, words = a.Return, "replies to what %s sends to %s do not come back: %s"
	}
	why := ""
	if p, ok := way.Headers.Witness(way.Headers.Minus(way.Asked, way.Must)); ok {
		_, _, why = way.Headers.Trace(way.Leg, p)
	}
	if a.Verdict == reach.NotKnown {
		v.Verdict, words, why = Unknown, "whether %s reaches %s is not known: %s", doubtOf(a, way)
	}
	v.like, v.Text = why, fmt.Sprintf(words, ownerOf(a.From.Node).Name(), ownerOf(a.To.Node).Name(), why)
	c.found(v, ends, c.addressed(a)...)
}

func doubtOf(a reach.Answer, d reach.Direction) string {
	switch {
	case a.Limit != "":
		return a.Limit
	case len(d.Doubts) > 0:
		return d.Doubts[0]
	}
	return "it depends on choices that devices make"
}

// addressed is who says which addresses the two have.
func (c *violations) addressed(a reach.Answer) []topology.Reading {
	var all []topology.Reading
	for _, n := range []topology.Node{a.From.Node, a.To.Node} {
		for _, at := range []topology.Attr{topology.AttrAddress, topology.AttrUnnumbered} {
			if fact, ok := n.Evidence(at); ok {
				if r, ok := c.s.Reading(fact.Reading); ok {
					all = append(all, r)
				}
			}
		}
	}
	return all
}
