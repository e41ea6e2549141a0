package reach_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/collectors/filter"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology/policy"
)

// edited is a configuration with some of its rules gone, new, others or at another place.
func edited(t *rapid.T, old []*policy.Filter) (now []*policy.Filter) {
	for _, f := range old {
		g := *f
		g.Rules = slices.Clone(f.Rules)
		now = append(now, &g)
	}
	for range rapid.IntRange(1, 3).Draw(t, "edits") {
		n := rapid.IntRange(0, len(now)-1).Draw(t, "of")
		f := now[n]
		var targets []string
		for _, below := range now[:n] {
			targets = append(targets, below.Name)
		}
		i := rapid.IntRange(0, len(f.Rules)).Draw(t, "at")
		switch kind := rapid.IntRange(0, 4).Draw(t, "edit"); {
		case kind == 0:
			f.Rules = slices.Insert(f.Rules, i, anyRule(t, targets))
		case i == len(f.Rules):
			if len(f.Attached) > 0 {
				f.Default = anyOf(t, []policy.Verdict{policy.Permit, policy.Deny})
			}
		case kind == 1:
			f.Rules = slices.Delete(f.Rules, i, i+1)
		case kind == 2:
			f.Rules[i] = anyRule(t, targets)
		case kind == 3:
			r := f.Rules[i]
			f.Rules = append(slices.Delete(f.Rules, i, i+1), r)
		default:
			f.Rules[i].Match = append(slices.Clone(f.Rules[i].Match), anyTerm(t))
		}
	}
	return now
}

func inOrder(filters map[string]*policy.Filter) (all []*policy.Filter) {
	for _, name := range []string{"chain0", "chain1", "chain2", "chain3"} {
		if f := filters[name]; f != nil {
			all = append(all, f)
		}
	}
	return all
}

// standing is a circumstance as it is told: of states and interfaces only those that a rule asks for which packets may meet.
func standing(at reach.Context, old, now []*policy.Filter) reach.Context {
	named, states := map[string]bool{}, false
	for _, r := range append(met(old), met(now)...) {
		for _, t := range r.Match {
			for _, n := range t.Names {
				named[n] = true
			}
			states = states || t.Field == policy.ConnState
		}
	}
	switch {
	case len(named) == 0:
		at.In = ""
	case named[at.In]:
	case named["eth*"] && strings.HasPrefix(at.In, "eth"):
		at.In = "eth*"
	default:
		at.In = reach.Another
	}
	if !states {
		at.State = 0
	}
	return at
}

// met gives the rules of the last filter and of all that it comes to.
func met(filters []*policy.Filter) (rules []policy.Rule) {
	todo := []string{filters[len(filters)-1].Name}
	for i := 0; i < len(todo); i++ {
		for _, f := range filters {
			if f.Name != todo[i] {
				continue
			}
			rules = append(rules, f.Rules...)
			for _, r := range f.Rules {
				if r.Target != "" && !slices.Contains(todo, r.Target) {
					todo = append(todo, r.Target)
				}
			}
		}
	}
	return rules
}

// TestRewrittenPolicies: packets fare otherwise, and as is said, exactly if what may become of them differs by the rules, one after the other.
func TestRewrittenPolicies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		old := inOrder(anyFilters(t))
		now := edited(t, old)
		all, err := reach.RewrittenPolicies(old, now)
		if err != nil {
			t.Fatal(err)
		}
		base := len(old) - 1
		back, err := reach.RewrittenPolicies(now, old)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			p, name, state := anyHeader(t), anyOf(t, []string{"eth0", "eth1", "eth2", "br0", "tap7"}), uint64(rapid.IntRange(0, 3).Draw(t, "state"))
			at := reach.Context{In: name, State: state}
			was, is := ends(old, old[base], at, p), ends(now, now[base], at, p)
			at = standing(at, old, now)
			fates := told(all, old[base], at, p)
			undone := told(back, now[base], at, p)
			if doubtful := slices.Contains(append(undone, fates...), reach.Doubtful); !doubtful && !slices.Equal(undone, mirrored(fates)) { // which of equal lines moved, either may say
				t.Fatalf("%+v in %+v fares %v, and %v when the edit is undone", p, at, fates, undone)
			}
			if len(fates) > 1 {
				t.Fatalf("%+v fares %v", p, fates)
			}
			if len(fates) == 0 {
				if !sameEnds(was, is) {
					t.Fatalf("%+v in %+v: was %v, is %v, and nothing is told", p, at, was, is)
				}
				continue
			}
			right := false
			switch fates[0] {
			case reach.NewlyDropped:
				right = !slices.ContainsFunc(was, outcome.lost) && !slices.ContainsFunc(is, outcome.arrives)
			case reach.NewlyPassed:
				right = !slices.ContainsFunc(was, outcome.arrives) && !slices.ContainsFunc(is, outcome.lost)
			case reach.SentAs:
				right = !sameEnds(was, is) && !slices.ContainsFunc(was, outcome.lost) && !slices.ContainsFunc(is, outcome.lost)
			case reach.Doubtful:
				right = len(was) > 1 || len(is) > 1
			}
			if !right {
				t.Fatalf("%+v in %+v: was %v, is %v, and it is told to be %s", p, at, was, is, fates[0])
			}
		}
	})
}

// mirrored is how packets fare when an edit is undone.
func mirrored(fates []reach.Fate) []reach.Fate {
	out := slices.Clone(fates)
	for i, f := range fates {
		switch f {
		case reach.NewlyDropped:
			out[i] = reach.NewlyPassed
		case reach.NewlyPassed:
			out[i] = reach.NewlyDropped
		case reach.SentAs, reach.Doubtful:
		}
	}
	return out
}

// TestLaw_undone: what is edited and edited back is as it was, whatever is not known of it and wherever its lines stand now.
func TestLaw_undone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		old := inOrder(anyFilters(t))
		again := make([]*policy.Filter, len(old))
		for i, f := range old {
			g := *f
			g.Rules = slices.Clone(f.Rules)
			for i := range g.Rules {
				g.Rules[i].Place = policy.Place{File: "edited", Line: i + 1}
			}
			again[i] = &g
		}
		if all, err := reach.RewrittenPolicies(old, again); len(all) > 0 || err != nil {
			t.Fatalf("%v %v", all, err)
		}
	})
}

// TestRewrittenPolicies_edits: what an edit of a host's rules comes to.
func TestRewrittenPolicies_edits(t *testing.T) {
	t.Parallel()
	const head, tail = "*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n:web - [0:0]\n", "COMMIT\n"
	const nat, ends = "*nat\n:PREROUTING ACCEPT\n:POSTROUTING ACCEPT\n:OUTPUT ACCEPT\n", "COMMIT\n"
	for _, c := range []struct{ name, old, now, want string }{
		{"nothing", head + "-A FORWARD -p tcp --dport 80 -j ACCEPT\n" + tail, head + "-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT\n" + tail, ""},
		{"a rule that another one hides", head + "-A FORWARD -p tcp -j ACCEPT\n" + tail, head + "-A FORWARD -p tcp -j ACCEPT\n-A FORWARD -p tcp --dport 80 -j DROP\n" + tail, ""},
		{"denied with an answer, and without", head + "-A FORWARD -j REJECT\n" + tail, head + "-A FORWARD -j DROP\n" + tail, ""},
		{
			"one service", head + "-A FORWARD -p tcp --dport 80 -j ACCEPT\n" + tail, head + "-A FORWARD -p tcp --dport 81 -j ACCEPT\n" + tail,
			"iptables filter FORWARD: dropped tcp 80 from any to any, f:6 to 0; passed tcp 81 from any to any, 0 to f:6",
		},
		{
			"in a chain, by one interface and for new connections", head + "-A FORWARD -i eth1 -j web\n-A web -m state --state NEW -j ACCEPT\n" + tail, head + "-A FORWARD -i eth1 -j web\n" + tail,
			"iptables filter FORWARD: dropped every protocol from any to any in eth1 state 0, f:7 to 0",
		},
		{"what follows an accept for all", head + "-A FORWARD -j ACCEPT\n" + tail, head + "-A FORWARD -j ACCEPT\n-A FORWARD -j frobnicate\n" + tail, ""},
		{
			"a line that nobody understands, elsewhere", head + "-A FORWARD -p udp -m frob --x\n-A FORWARD -p tcp --dport 80 -j ACCEPT\n" + tail,
			head + "-A FORWARD -p udp -m frob --x\n" + tail, "iptables filter FORWARD: dropped tcp 80 from any to any, f:7 to 0",
		},
		{
			"a line that nobody understands, new", head + tail, head + "-A FORWARD -p udp --dport 53 -m frob --x -j ACCEPT\n" + tail, "iptables filter FORWARD: unknown udp 53 from any to any, 0 to f:6?",
		},
		{
			"the default", head + tail, strings.Replace(head, "FORWARD DROP", "FORWARD ACCEPT", 1) + tail, "iptables filter FORWARD: passed every protocol from any to any, 0 to 0",
		},
		{
			"another address", nat + "-A POSTROUTING -s 10.0.0.0/8 -o eth0 -j SNAT --to-source 192.0.2.1\n" + ends, nat + "-A POSTROUTING -s 10.0.0.0/8 -o eth0 -j SNAT --to-source 192.0.2.2\n" + ends,
			"iptables nat POSTROUTING: otherwise every protocol from 10.0.0.0/8 to any out eth0 state 0, f:5 to f:5",
		},
		{
			"masqueraded as before, and first counted", nat + "-A POSTROUTING -o eth0 -j MASQUERADE\n" + ends, nat + "-A POSTROUTING -p tcp\n-A POSTROUTING -o eth0 -j MASQUERADE\n" + ends, "",
		},
		{"a table of its own", head + tail, head + tail + nat + ends, ""},
	} {
		old, now := filter.IPTables(policy.IPv4, "f", []byte(c.old)), filter.IPTables(policy.IPv4, "f", []byte(c.now))
		all, err := reach.RewrittenPolicies(old.Filters, now.Filters)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := rewriteText(all); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// rewriteText is what a test compares: each part with its first circumstance, and where the rules stand that decide its packet, before and after.
func rewriteText(all []reach.Rewrite) string {
	var texts []string
	for _, r := range all {
		var parts []string
		for _, p := range r.Parts {
			text := p.Fate.String() + " " + p.Headers.Describe(p.Packets, 9).String()
			if p.At[0].In != "" {
				text += " in " + p.At[0].In
			}
			if p.At[0].Out != "" {
				text += " out " + p.At[0].Out
			}
			if r.Asks(policy.ConnState) {
				text += fmt.Sprintf(" state %d", p.At[0].State)
			}
			var by []string
			for _, j := range []reach.Judgement{p.Before, p.After} {
				at := "0"
				if hit := j.Hits[len(j.Hits)-1]; hit.Rule != nil {
					at = hit.Rule.Place.String()
					if hit.Unsure {
						at += "?"
					}
				} else if len(j.Hits) > 1 {
					at = j.Hits[0].Rule.Place.String() + "?"
				}
				by = append(by, at)
			}
			parts = append(parts, text+", "+strings.Join(by, " to "))
		}
		texts = append(texts, fmt.Sprintf("%s: %s", r.Old.Name, strings.Join(append(parts, r.Unknown)[:len(parts)], "; ")))
	}
	return strings.Join(texts, "\n")
}

func (o outcome) lost() bool    { return o.gone }
func (o outcome) arrives() bool { return !o.gone }

// ends is all that may become of a packet, each once.
func ends(filters []*policy.Filter, base *policy.Filter, at reach.Context, p header) (all []outcome) {
	in := &interpreter{map[string]*policy.Filter{}, at}
	for _, f := range filters {
		in.filters[f.Name] = f
	}
	for _, o := range in.through(base, 0, p, nil) {
		if o.gone {
			o.out = header{}
		}
		if !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	return all
}

func sameEnds(a, b []outcome) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(o outcome) bool { return !slices.Contains(b, o) })
}

// told lists how a packet fares otherwise by what is said of its filter.
func told(all []reach.Rewrite, base *policy.Filter, at reach.Context, p header) (fates []reach.Fate) {
	for _, r := range all {
		for _, part := range r.Parts {
			applies := slices.ContainsFunc(part.At, func(c reach.Context) bool { return c.In == at.In && c.State == at.State })
			h := part.Headers
			if r.Old == base && applies && h.Family == policy.IPv4 && h.Has(part.Packets, p.packet(h)) && !slices.Contains(fates, part.Fate) {
				fates = append(fates, part.Fate)
			}
		}
	}
	return fates
}

// TestRewrittenPolicies_long: of a list of thousands of rules with edits far from each other what changed is told, and nothing else.
func TestRewrittenPolicies_long(t *testing.T) {
	t.Parallel()
	list := func(of func(n int) policy.Verdict) *policy.Filter {
		f := &policy.Filter{Name: "long", Dialect: "test", Family: policy.IPv4, Default: policy.Deny, Attached: []policy.Attachment{{Hook: policy.HookForward}}}
		for n := range 3000 {
			if v := of(n); v != 0 {
				source := policy.Term{Field: policy.Source, Family: policy.IPv4, Of: []policy.Range{policy.Is(uint64(0x0a000000 + n))}}
				f.Rules = append(f.Rules, policy.Rule{Match: []policy.Term{source}, Verdict: v, Text: fmt.Sprint("rule ", n)})
			}
		}
		return f
	}
	old := list(func(int) policy.Verdict { return policy.Permit })
	now := list(func(n int) policy.Verdict {
		switch n {
		case 10:
			return policy.Deny
		case 1500, 1501, 2990:
			return 0
		}
		return policy.Permit
	})
	now.Rules = slices.Insert(now.Rules, 2000, policy.Rule{Match: []policy.Term{{Field: policy.Protocol, Of: []policy.Range{policy.Is(47)}}}, Verdict: policy.Permit, Text: "GRE"})
	all, err := reach.RewrittenPolicies([]*policy.Filter{old}, []*policy.Filter{now})
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	const asBefore = reach.Fate(9)
	for n, want := range map[uint64]reach.Fate{10: reach.NewlyDropped, 1500: reach.NewlyDropped, 1501: reach.NewlyDropped, 2990: reach.NewlyDropped, 3001: asBefore, 11: asBefore, 2989: asBefore, 2000: asBefore} {
		fates := told(all, old, reach.Context{}, header{source: 0x0a000000 + n, protocol: 6})
		if want == asBefore && len(fates) > 0 || want != asBefore && !slices.Equal(fates, []reach.Fate{want}) {
			t.Errorf("TCP from %d fares %v", n, fates)
		}
	}
	if fates := told(all, old, reach.Context{}, header{source: 7, protocol: 47}); !slices.Equal(fates, []reach.Fate{reach.NewlyPassed}) {
		t.Errorf("GRE fares %v", fates)
	}
}
