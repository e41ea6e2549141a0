package reach_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/collectors/filter"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

func TestHiddenRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, rules, want string }{
		{"by one before it", "-A FORWARD -p tcp --dport 1:1000 -j ACCEPT\n-A FORWARD -p tcp --dport 443 -j DROP", "[{1 [0]}]"},
		{"by two together", "-A FORWARD -p tcp --dport 1:100 -j ACCEPT\n-A FORWARD -p tcp --dport 101:200 -j DROP\n-A FORWARD -p tcp --dport 50:150 -j DROP", "[{2 [0 1]}]"},
		{"a part is left", "-A FORWARD -p tcp --dport 1:100 -j ACCEPT\n-A FORWARD -p tcp --dport 50:150 -j DROP", "[]"},
		{"by one of any interface", "-A FORWARD -s 10.0.0.0/8 -j DROP\n-A FORWARD -i eth0 -s 10.1.0.0/16 -j ACCEPT", "[{1 [0]}]"},
		{"not by one of another interface", "-A FORWARD -i eth1 -s 10.0.0.0/8 -j DROP\n-A FORWARD -i eth0 -s 10.1.0.0/16 -j ACCEPT\n-A FORWARD -s 10.1.0.0/16 -j ACCEPT", "[]"},
		{"not by one with a limit", "-A FORWARD -m limit --limit 5/min -j ACCEPT\n-A FORWARD -s 10.0.0.0/8 -j DROP", "[]"},
		{"not by one that nobody understands", "-A FORWARD -m frobnicate --yes -j DROP\n-A FORWARD -s 10.0.0.0/8 -j DROP", "[]"},
		{"not by one that goes on", "-A FORWARD -s 10.0.0.0/8 -j LOG\n-A FORWARD -s 10.0.0.0/8 -j DROP", "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			filters := filter.IPTables(policy.IPv4, "test", []byte("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"+c.rules+"\nCOMMIT\n")).Filters
			i := slices.IndexFunc(filters, func(f *policy.Filter) bool { return len(f.Rules) > 0 })
			hidden, known, err := reach.HiddenRules(t.Context(), filters[i])
			if got := fmt.Sprint(hidden); err != nil || !known || got != c.want {
				t.Errorf("%s, %t, %v; want %s", got, known, err, c.want)
			}
		})
	}
	if _, known, err := reach.HiddenRules(t.Context(), &policy.Filter{Family: policy.AnyFamily}); known || err != nil {
		t.Errorf("a filter of frames: %t, %v", known, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wide := &policy.Filter{Family: policy.IPv4}
	for i := range uint64(1000) {
		wide.Rules = append(wide.Rules, policy.Rule{Verdict: policy.Permit, Match: []policy.Term{
			{Field: policy.Source, Family: policy.IPv4, Of: []policy.Range{policy.FromTo(i*7919, i*15485)}}, {Field: policy.DestinationPort, Of: []policy.Range{policy.FromTo(i, 3*i)}},
		}})
	}
	if _, _, err := reach.HiddenRules(ctx, wide); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestHiddenRules_changeNothing: without a rule that is said to be hidden a filter passes the same packets, in all circumstances and by both bounds.
func TestHiddenRules_changeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		filters := anyFilters(t)
		for name, f := range filters {
			f.Family = policy.IPv4
			hidden, _, err := reach.HiddenRules(context.Background(), f)
			if err != nil {
				t.Fatal(err)
			}
			h := reach.NewHeaders(policy.IPv4, reach.Orders[0], 1<<20)
			for _, rule := range hidden {
				for _, in := range []string{"eth0", "eth1", "br0"} {
					for state := range uint64(3) {
						at := reach.Context{In: in, State: state}
						for _, mode := range []reach.Mode{reach.Must, reach.May} {
							with := h.Pass(filters, name, at, mode, packet.Full)
							whole := f.Rules
							f.Rules = slices.Delete(slices.Clone(whole), rule.Rule, rule.Rule+1)
							without := h.Pass(filters, name, at, mode, packet.Full)
							f.Rules = whole
							if h.Intersect(with, h.Valid) != h.Intersect(without, h.Valid) {
								t.Fatalf("rule %d of %s is said to be hidden by %v, and makes a difference at %v: %+v", rule.Rule, name, rule.By, at, whole)
							}
						}
					}
				}
			}
		}
	})
}

// TestHiddenRules_all: of a list that asks for headers alone, a rule is hidden exactly if it may as well do the opposite.
func TestHiddenRules_all(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := &policy.Filter{Name: "list", Family: policy.IPv4, Default: policy.Deny, Attached: []policy.Attachment{{Hook: policy.HookForward}}}
		for range rapid.IntRange(1, 8).Draw(t, "rules") {
			r := anyRule(t, nil)
			r.Set, r.Uncertain, r.Unparsed = nil, "", ""
			r.Verdict = anyOf(t, []policy.Verdict{policy.Permit, policy.Deny})
			r.Match = slices.DeleteFunc(r.Match, func(t policy.Term) bool { return t.Field == policy.ConnState || t.Field == policy.InInterface })
			f.Rules = append(f.Rules, r)
		}
		hidden, _, err := reach.HiddenRules(context.Background(), f)
		if err != nil {
			t.Fatal(err)
		}
		h := reach.NewHeaders(policy.IPv4, reach.Orders[0], 1<<20)
		pass := func() packet.Set {
			return h.Intersect(h.Pass(map[string]*policy.Filter{"list": f}, "list", reach.Context{}, reach.May, packet.Full), h.Valid)
		}
		was := pass()
		for i := range f.Rules {
			flip := map[policy.Verdict]policy.Verdict{policy.Permit: policy.Deny, policy.Deny: policy.Permit}
			f.Rules[i].Verdict = flip[f.Rules[i].Verdict]
			same := pass() == was
			f.Rules[i].Verdict = flip[f.Rules[i].Verdict]
			if is := slices.ContainsFunc(hidden, func(r reach.Hidden) bool { return r.Rule == i }); is != same {
				t.Fatalf("rule %d: hidden %t, but it makes no difference: %t: %+v", i, is, same, f.Rules)
			}
		}
	})
}
