package planner_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/planner/reach"
)

func flow(t *testing.T, protocol, ports string) reach.Flow {
	t.Helper()
	f, err := planner.ParseFlow(protocol, ports)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestPolicy_faults: all that has no meaning is said at once, with its place.
func TestPolicy_faults(t *testing.T) {
	t.Parallel()
	all := planner.Selector{"*"}
	p := planner.Policy{
		MemoryRatio: -1, CPURatio: math.NaN(), Redundancy: planner.Redundancy{Network: -1}, Channel: planner.Channel{Concurrent: -1}, Sessions: planner.Unknown, Beside: planner.Unknown,
		Placements: []planner.Placement{
			{Name: "sites", Rule: "olny", VMs: all},
			{Rule: planner.Only, VMs: planner.Selector{"[a"}},
			{Name: "pair", Rule: planner.Together, VMs: planner.Selector{"web-01"}, Hosts: all},
		},
		Pinned:   []planner.Pin{{}},
		Cordons:  []planner.Cordon{{Hosts: planner.Selector{""}, Reason: "x"}},
		Required: []planner.Demand{{Name: "x", From: all, To: all, Flow: reach.Flow{Ports: flow(t, "tcp", "80").Ports}}},
		Windows:  []planner.Window{{Name: "w", From: noon, Until: noon}, {Name: "open", From: noon}},
		Freezes:  []planner.Freeze{{Name: "f", Reason: "x", From: noon, Until: noon.Add(-time.Hour)}},
		Disabled: []planner.Disabled{{"CAP-99", "x"}, {"CAP-1", ""}, {"CAP-1", "x"}},
		Overrides: []planner.Override{
			{Check: "NO-1", Name: "x", Reason: "x", Expires: noon}, {Check: "CAP-2"}, {Check: "CAP-1", Name: "x", Reason: "x", Expires: noon},
		},
	}
	err := p.Check()
	if !errors.Is(err, planner.ErrPolicy) {
		t.Fatal(err)
	}
	want := `policy: a ratio is a number above 0
policy: a ratio is a number above 0
policy: there are no fewer than 0 ways
policy: a number is below 0
policy: sessions is warn or block
policy: beside is warn or block
policy: placements 1: a rule is together, apart, only or never
policy: placements 2: it needs a name
policy: placements 2: "[a" is not a pattern of names
policy: placements 2: it names no hosts: "*" is all
policy: placements 3: the rule together is about VMs alone
policy: placements 3: the rule together is about two VMs at least
policy: pinned 1: it names no vms: "*" is all
policy: pinned 1: it needs a reason
policy: cordons 1: "" is not a pattern of names
policy: required 1: ports are those of a protocol
policy: windows 1: it ends before it begins
policy: windows 2: a window needs from and until
policy: freezes 1: it ends before it begins
policy: disabled 1: there is no check "CAP-99"
policy: disabled 2: it needs a reason
policy: disabled 3: CAP-1 is disabled already
policy: overrides 1: there is no check "NO-1"
policy: overrides 2: it needs a name
policy: overrides 2: it needs a reason
policy: overrides 2: it needs an expiry
policy: overrides 3: CAP-1 is disabled: there is nothing to override`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if err := (&planner.Policy{}).Check(); err != nil {
		t.Error(err)
	}
}

// TestPolicy_contradictions: rules that nothing can fulfil are faults, those that something could are none.
func TestPolicy_contradictions(t *testing.T) {
	t.Parallel()
	place := func(rule planner.PlacementRule, vms, hosts string) planner.Placement {
		return planner.Placement{Name: string(rule), Rule: rule, VMs: strings.Fields(vms), Hosts: strings.Fields(hosts)}
	}
	demand := func(from, to, protocol, ports string) planner.Demand {
		return planner.Demand{Name: from, From: strings.Fields(from), To: strings.Fields(to), Flow: flow(t, protocol, ports)}
	}
	for name, c := range map[string]struct {
		p    planner.Policy
		want bool
	}{
		"only where never":            {planner.Policy{Placements: []planner.Placement{place("only", "web-*", "h1 h2"), place("never", "web-07", "h*")}}, true},
		"never first":                 {planner.Policy{Placements: []planner.Placement{place("never", "web-07", "*"), place("only", "web-*", "h1")}}, true},
		"only, but not this one":      {planner.Policy{Placements: []planner.Placement{place("only", "web-*", "h1 h2"), place("never", "web-*", "h1")}}, false},
		"of other VMs":                {planner.Policy{Placements: []planner.Placement{place("only", "web-*", "h1"), place("never", "db-*", "h1")}}, false},
		"together and apart":          {planner.Policy{Placements: []planner.Placement{place("together", "web-01 web-02", ""), place("apart", "web-*", "")}}, true},
		"together, and some apart":    {planner.Policy{Placements: []planner.Placement{place("together", "web-01 app-01", ""), place("apart", "web-*", "")}}, false},
		"one flow":                    {planner.Policy{Required: []planner.Demand{demand("web-01", "db-*", "tcp", "5432")}, Forbidden: []planner.Demand{demand("web-*", "*", "tcp", "1-6000")}}, true},
		"everything":                  {planner.Policy{Required: []planner.Demand{demand("web-01", "db-*", "tcp", "5432")}, Forbidden: []planner.Demand{demand("web-01", "db-*", "", "")}}, true},
		"other ports":                 {planner.Policy{Required: []planner.Demand{demand("web-01", "db-*", "tcp", "5432")}, Forbidden: []planner.Demand{demand("web-01", "db-*", "tcp", "22")}}, false},
		"other protocols":             {planner.Policy{Required: []planner.Demand{demand("web-01", "db-*", "tcp", "53")}, Forbidden: []planner.Demand{demand("web-01", "db-*", "udp", "53")}}, false},
		"the other way":               {planner.Policy{Required: []planner.Demand{demand("web-01", "db-01", "tcp", "53")}, Forbidden: []planner.Demand{demand("db-01", "web-01", "tcp", "53")}}, false},
		"a prefix within another":     {planner.Policy{Required: []planner.Demand{demand("10.1.2.0/24", "db-01", "tcp", "53")}, Forbidden: []planner.Demand{demand("10.0.0.0/8", "db-01", "tcp", "53")}}, true},
		"a prefix beside another":     {planner.Policy{Required: []planner.Demand{demand("10.1.2.0/24", "db-01", "tcp", "53")}, Forbidden: []planner.Demand{demand("10.2.0.0/16", "db-01", "tcp", "53")}}, false},
		"a name and a prefix, nobody": {planner.Policy{Required: []planner.Demand{demand("web-01", "db-01", "tcp", "53")}, Forbidden: []planner.Demand{demand("10.2.0.0/16", "db-01", "tcp", "53")}}, false},
	} {
		err := c.p.Check()
		if (err != nil) != c.want || err != nil && !strings.Contains(err.Error(), "contradicts") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseFlow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ protocol, ports, want string }{
		{"tcp", "443", "tcp 443"}, {"UDP", "8000-8080", "udp 8000-8080"}, {"47", "", "gre"}, {"", "", "everything"},
	} {
		if got := flow(t, c.protocol, c.ports).String(); got != c.want {
			t.Errorf("%q %q: %s", c.protocol, c.ports, got)
		}
	}
	for _, c := range [][2]string{{"frob", ""}, {"6x", ""}, {"256", ""}, {"tcp", "x"}, {"tcp", "80-70"}, {"tcp", "65536"}, {"tcp", "1-2-3"}, {"tcp", "-1"}, {"tcp", "1-"}} {
		if f, err := planner.ParseFlow(c[0], c[1]); !errors.Is(err, planner.ErrPolicy) {
			t.Errorf("%q: %v, %v", c, f, err)
		}
	}
}

// TestPolicy_spans: the first moment of a span is in it, the last is not; what has no end goes on.
func TestPolicy_spans(t *testing.T) {
	t.Parallel()
	hour := noon.Add(time.Hour)
	for name, c := range map[string]struct{ got, want bool }{
		"begins":         {planner.Window{From: noon, Until: hour}.Open(noon), true},
		"ended":          {planner.Window{From: noon, Until: hour}.Open(hour), false},
		"before":         {planner.Freeze{From: noon}.Holds(noon.Add(-1)), false},
		"for ever":       {planner.Freeze{From: noon}.Holds(noon.AddDate(9, 0, 0)), true},
		"cordon":         {planner.Cordon{}.Holds(noon), true},
		"cordon is over": {planner.Cordon{Until: noon}.Holds(noon), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: %t", name, c.got)
		}
	}
}
