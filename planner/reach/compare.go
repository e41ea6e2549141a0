package reach

import (
	"cmp"
	"context"
	"errors"
)

// Comparison is what became of the packets from one address to another, and of the replies, between two networks.
type Comparison struct {
	Before, After Answer
	There, Back   Change // packets as their sender sends them
	Headers       *Headers
	Limit         string // why the question was given up, of which nothing is known then
}

// Same tells that nothing changed.
func (c Comparison) Same() bool {
	return c.Limit == "" && c.There == (Change{}) && c.Back == (Change{})
}

// Compare answers for two addresses, as they were in one network and are in another.
func Compare(ctx context.Context, before, after *Network, was, is [2]Endpoint, flow Flow) (Comparison, error) {
	return compareIn(ctx, headersFor(was[0].Addr), before, after, was, is, flow)
}

// CompareMore is Compare for one of many questions about two networks: what it needed, the next one has. Its sets combine with those of the next ones, until they have grown
// too many.
func CompareMore(ctx context.Context, before, after *Network, was, is [2]Endpoint, flow Flow) (Comparison, error) {
	return compareIn(ctx, before.shiftHeaders(familyOf(was[0].Addr)), before, after, was, is, flow)
}

func compareIn(ctx context.Context, h *Headers, before, after *Network, was, is [2]Endpoint, flow Flow) (Comparison, error) {
	c := Comparison{Headers: h}
	var err error
	if c.Before, err = before.between(ctx, c.Headers, was[0], was[1], flow); err != nil {
		return c, err
	}
	if c.After, err = after.between(ctx, c.Headers, is[0], is[1], flow); err != nil {
		return c, err
	}
	if c.Limit = cmp.Or(c.Before.Limit, c.After.Limit); c.Limit != "" {
		return c, nil
	}
	err = c.Headers.within(ctx, func() {
		var errThere, errBack error
		c.There, errThere = c.Headers.changed(c.Before.Forward, c.After.Forward)
		c.Back, errBack = c.Headers.changed(c.Before.Return, c.After.Return)
		if err := errors.Join(errThere, errBack); err != nil {
			c.Headers.GiveUp(err)
		}
	})
	c.Limit, err = givenUp(err)
	return c, err
}

// changed is the difference of two directions, of what was asked.
func (h *Headers) changed(before, after Direction) (c Change, err error) {
	all, err := h.Diff(before.Leg, after.Leg)
	if err != nil {
		return Change{}, err
	}
	err = h.Try(func() {
		c = Change{Lost: h.Intersect(all.Lost, before.Asked), Opened: h.Intersect(all.Opened, after.Asked)}
		// Replies to what does not arrive any more, or did not before. Of those that are asked both times the ways alone tell.
		c.Lost = h.Union(c.Lost, h.Minus(before.May, after.Asked))
		c.Opened = h.Union(c.Opened, h.Minus(after.May, before.Asked))
	})
	return c, err
}
