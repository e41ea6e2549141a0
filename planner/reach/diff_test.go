package reach_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// instance is the filters of one device of these tests, with base as the one that packets meet.
type instance map[string]*policy.Filter

func anyInstance(t *rapid.T, name string) instance {
	filters := anyFilters(t)
	base := *filters["base"]
	base.Name = name
	filters["base"], filters[name] = &base, &base
	return filters
}

func (in instance) step() reach.Step {
	return reach.Through(topology.Node{}, in, "base", reach.Context{In: "eth0"})
}

func way(instances ...instance) *reach.Leg {
	l := &reach.Leg{End: reach.Delivered}
	for _, in := range instances {
		l.Steps = append(l.Steps, in.step())
	}
	return l
}

func certain(in instance) instance {
	out := instance{}
	for name, f := range in {
		c := *f
		c.Rules = slices.DeleteFunc(slices.Clone(f.Rules), func(r policy.Rule) bool { return r.Uncertain != "" || r.Unparsed != "" || len(r.Set) > 0 })
		out[name] = &c
	}
	out[out["base"].Name] = out["base"]
	return out
}

func translates(in instance) bool {
	for _, f := range in {
		if slices.ContainsFunc(f.Rules, func(r policy.Rule) bool { return len(r.Set) > 0 }) {
			return true
		}
	}
	return false
}

// passes are what may become of a packet at one instance: it goes on, it does not, or either.
func (in instance) passes(p header) (can, cannot bool) {
	i := &interpreter{in, reach.Context{In: "eth0"}}
	for _, o := range i.through(in["base"], 0, p, nil) {
		can, cannot = can || !o.gone, cannot || o.gone
	}
	return can, cannot
}

// loses says it plainly: is there a choice for each instance, the same on both ways where both have it, with which the packet goes the old way and not the new?
func loses(before, now []instance, p header) bool {
	choice := map[*policy.Filter]bool{}
	var try func(left []instance) bool
	try = func(left []instance) bool {
		if len(left) == 0 {
			all := func(way []instance) bool {
				return !slices.ContainsFunc(way, func(in instance) bool { return !choice[in["base"]] })
			}
			return all(before) && !all(now)
		}
		base := left[0]["base"]
		if _, made := choice[base]; made {
			return try(left[1:])
		}
		defer delete(choice, base)
		can, cannot := left[0].passes(p)
		for _, pass := range []bool{true, false} {
			choice[base] = pass
			if (pass && can || !pass && cannot) && try(left[1:]) {
				return true
			}
		}
		return false
	}
	return try(slices.Concat(before, now))
}

// TestDiff: what is lost is what the plain question says, and doubt that both ways share is no difference.
func TestDiff(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reach.NewHeaders(policy.IPv4, anyOf(t, reach.Orders), 0)
		var pool []instance
		for i := range rapid.IntRange(1, 4).Draw(t, "instances") {
			pool = append(pool, anyInstance(t, fmt.Sprint("base", i)))
		}
		some := func() (way []instance) {
			for _, in := range rapid.Permutation(pool).Draw(t, "way") {
				if rapid.IntRange(0, 2).Draw(t, "on") > 0 {
					way = append(way, in)
				}
			}
			return way
		}
		before, now := some(), some()
		a, b := way(before...), way(now...)
		c, err := h.Diff(a, b)
		if err != nil {
			t.Fatal(err)
		}
		back, err := h.Diff(b, a)
		if err != nil {
			t.Fatal(err)
		}
		if back.Lost != c.Opened || back.Opened != c.Lost {
			t.Fatal("what is lost on the way there is not what is opened on the way back")
		}
		if h.Minus(c.Lost, h.Minus(h.Arriving(a, reach.May), h.Arriving(b, reach.Must))) != packet.Empty {
			t.Fatal("something is lost that could not arrive, or must")
		}
		if slices.ContainsFunc(pool, translates) {
			return // the plain question is about one packet that stays as it is
		}
		for range 20 {
			p := anyHeader(t)
			if got, want := h.Has(c.Lost, p.packet(h)), loses(before, now, p); got != want {
				t.Fatalf("%+v is lost: %t, want %t", p, got, want)
			}
		}
	})
}

// TestDiff_same: a way compared with itself, or with an equal one, has no difference, whatever is not known of it.
func TestDiff_same(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reach.NewHeaders(policy.IPv4, reach.Orders[0], 0)
		in := anyInstance(t, "base0")
		again := instance{}
		for name, f := range in {
			c := *f
			c.Rules = slices.Clone(f.Rules)
			for i := range c.Rules {
				c.Rules[i].Place = policy.Place{File: "moved", Line: 7 + i}
			}
			again[name] = &c
		}
		end := rapid.SampledFrom([]reach.End{reach.Delivered, reach.Dropped, reach.Unknown}).Draw(t, "end")
		a, b := way(in), way(again)
		a.End, b.End = end, end
		if c, err := h.Diff(a, b); c.Lost != packet.Empty || c.Opened != packet.Empty || err != nil {
			t.Fatalf("%v %v", c, err)
		}
	})
}

// TestDiff_branches: where somebody chooses, every choice counts against every other.
func TestDiff_branches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reach.NewHeaders(policy.IPv4, reach.Orders[0], 0)
		var pool []instance
		for i := range 4 {
			pool = append(pool, anyInstance(t, fmt.Sprint("base", i)))
		}
		fork := func() *reach.Leg {
			l := way(rapid.SampledFrom(pool).Draw(t, "first"))
			l.End = reach.Onward
			for range rapid.IntRange(1, 3).Draw(t, "branches") {
				next := way(rapid.SampledFrom(pool).Draw(t, "second"))
				if rapid.IntRange(0, 5).Draw(t, "unknown") == 0 {
					next.End, next.Why = reach.Unknown, "nobody has read it"
				}
				l.Next = append(l.Next, reach.Branch{Leg: next})
			}
			if rapid.Bool().Draw(t, "parts") {
				for i := range l.Next {
					l.Next[i].To = netip.AddrFrom4([4]byte{0, 0, 0, byte(i)})
				}
			}
			return l
		}
		a, b := fork(), fork()
		c, err := h.Diff(a, b)
		if err != nil {
			t.Fatal(err)
		}
		whole := h.Minus(h.Arriving(a, reach.May), h.Arriving(b, reach.Must))
		if h.Minus(c.Lost, whole) != packet.Empty {
			t.Fatal("something is lost that could not arrive, or must")
		}
		certainly := h.Minus(h.Arriving(a, reach.Must), h.Arriving(b, reach.May))
		if h.Minus(certainly, c.Lost) != packet.Empty {
			t.Fatal("something is lost for certain, and not told")
		}
	})
}

// The laws of R-1c: what cannot make a difference makes none.

// laws draws a filter of rules that permit or deny for certain.
func laws(t *rapid.T) instance {
	in := certain(anyInstance(t, "base0"))
	base := in["base"]
	base.Rules = slices.DeleteFunc(base.Rules, func(r policy.Rule) bool { return r.Verdict != policy.Permit && r.Verdict != policy.Deny })
	for range rapid.IntRange(1, 5).Draw(t, "more") {
		r := policy.Rule{Text: "generated", Verdict: anyOf(t, []policy.Verdict{policy.Permit, policy.Deny})}
		for range rapid.IntRange(0, 3).Draw(t, "terms") {
			r.Match = append(r.Match, anyTerm(t))
		}
		base.Rules = append(base.Rules, r)
	}
	return in
}

func with(in instance, rules []policy.Rule) instance {
	out := maps.Clone(in)
	base := *in["base"]
	base.Rules = rules
	out["base"], out[base.Name] = &base, &base
	return out
}

func unchanged(t *rapid.T, h *reach.Headers, before, now instance) {
	t.Helper()
	if c, err := h.Diff(way(before), way(now)); c.Lost != packet.Empty || c.Opened != packet.Empty || err != nil {
		t.Fatalf("%+v becomes %+v: %v %v", before["base"], now["base"], c, err)
	}
}

func TestLaw_shadowedRule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reach.NewHeaders(policy.IPv4, reach.Orders[0], 0)
		in := laws(t)
		rules := in["base"].Rules
		shadow := rapid.IntRange(0, len(rules)-1).Draw(t, "of")
		r := rules[shadow]
		r.Match = append(slices.Clone(r.Match), anyTerm(t)) // at most what the other matches
		r.Verdict = anyOf(t, []policy.Verdict{policy.Permit, policy.Deny})
		at := rapid.IntRange(shadow+1, len(rules)).Draw(t, "at")
		unchanged(t, h, in, with(in, slices.Insert(slices.Clone(rules), at, r)))
	})
}

func TestLaw_disjointRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reach.NewHeaders(policy.IPv4, reach.Orders[0], 0)
		in := laws(t)
		rules := slices.Clone(in["base"].Rules)
		if len(rules) < 2 {
			return
		}
		i := rapid.IntRange(0, len(rules)-2).Draw(t, "i")
		term := policy.Term{Field: policy.Protocol, Of: []policy.Range{policy.FromTo(0, rapid.Uint64Range(0, 60).Draw(t, "to"))}}
		other := term
		other.Not = true
		rules[i].Match, rules[i+1].Match = append(slices.Clone(rules[i].Match), term), append(slices.Clone(rules[i+1].Match), other)
		swapped := slices.Clone(rules)
		swapped[i], swapped[i+1] = rules[i+1], rules[i]
		unchanged(t, h, with(in, rules), with(in, swapped))
	})
}
