package reach

import (
	"slices"

	"github.com/throughline-dc/throughline/topology/policy"
)

// Another is the name of an interface that no rule names.
const Another = "another"

const maxCircumstances = 1024 // that are told apart

// circumstances lists what a device may know of packets beside their headers, as far as a rule asks for it: states, VLANs, and each interface that is named, beside one
// that is not. Where these are too many to be tried, interfaces are told apart that a changed rule names, and else none: rules that ask for them are then in doubt.
// It gives none where even these are too many.
func (c *comparison) circumstances(h *Headers) []Context {
	var changed, all []*policy.Rule
	for i := range c.changed {
		changed = append(changed, &c.changed[i])
	}
	c.rules(func(r *policy.Rule) { all = append(all, r) })
	for i, named := range [][]*policy.Rule{all, changed, nil} {
		others := Another
		if i > 0 {
			others = Unsure
		}
		if of := c.product(h, all, named, others); of != nil {
			return of
		}
	}
	return nil
}

// product is all that the rules may meet together, if it is not too much.
func (c *comparison) product(h *Headers, all, named []*policy.Rule, others string) []Context {
	of := []Context{{Own: own(h), Early: c.early()}}
	cross := func(n int, put func(at *Context, i int)) {
		if len(of)*n > maxCircumstances {
			of = nil
		}
		var more []Context
		for _, at := range of {
			for i := range n {
				put(&at, i)
				more = append(more, at)
			}
		}
		of = more
	}
	if c.asked[policy.ConnState] {
		states := []uint64{policy.StateNew, policy.StateEstablished, policy.StateRelated, policy.StateInvalid, policy.StateUntracked}
		cross(len(states), func(at *Context, i int) { at.State = states[i] })
	}
	if c.asked[policy.VLANTag] {
		tags := tagsIn(all)
		cross(len(tags), func(at *Context, i int) { at.VLAN = tags[i] })
	}
	for _, field := range []policy.Field{policy.InInterface, policy.OutInterface, policy.InPort, policy.OutPort} {
		if c.asked[field] {
			names := append(namesIn(named, field), others)
			cross(len(names), func(at *Context, i int) { *at.name(field) = names[i] })
		}
	}
	return of
}

// name is where a Context has an interface.
func (at *Context) name(f policy.Field) *string {
	switch f {
	case policy.InInterface:
		return &at.In
	case policy.OutInterface:
		return &at.Out
	case policy.InPort:
		return &at.InPort
	default:
		return &at.OutPort
	}
}

// early tells that the filter is met before connection tracking.
func (c *comparison) early() bool {
	return slices.ContainsFunc(c.Places, func(a policy.Attachment) bool { return beforeTracking(a) })
}

// namesIn gives the interfaces that rules name. "eth*" stands for one of this name that no rule names otherwise: it matches itself, as all such names do.
func namesIn(rules []*policy.Rule, f policy.Field) (names []string) {
	for _, r := range rules {
		for _, t := range r.Match {
			if t.Field == f {
				names = append(names, t.Names...)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// tagsIn gives VLANs of which one is in each span that rules tell apart.
func tagsIn(rules []*policy.Rule) (tags []uint16) {
	tags = []uint16{0}
	for _, r := range rules {
		for _, t := range r.Match {
			if t.Field != policy.VLANTag {
				continue
			}
			for _, of := range t.Of {
				if of.Mask == (policy.Word{}) {
					tags = append(tags, uint16(of.Lo.Lo), uint16(min(of.Hi.Lo+1, 4095)))
					continue
				}
				for tag := range uint16(4096) { // any of them
					tags = append(tags, tag)
				}
			}
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}
