package reach_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// TestBetween_age: what is older than its limit is not known, whoever said it: ways of frames, filters, routes.
func TestBetween_age(t *testing.T) {
	t.Parallel()
	s := scene(t, "", nil)
	v, _ := s.Node(topology.Key{Kind: topology.VNIC, ID: "v/n"})
	w, _ := s.Node(topology.Key{Kind: topology.VNIC, ID: "w/n"})
	for _, c := range []struct {
		age  time.Duration
		want reach.Verdict
	}{{topology.DefaultAgeLimit, reach.Yes}, {topology.DefaultAgeLimit + time.Second, reach.NotKnown}} {
		n := reach.NewNetwork(s, topology.AgeLimits{}, s.Time().Add(c.age))
		a, err := n.Between(t.Context(), reach.Endpoints(v)[0], reach.Endpoints(w)[0], tcpTo(80))
		if err != nil || a.Verdict != c.want {
			t.Errorf("%v old: %v, %v, want %v", c.age, a.Verdict, err, c.want)
		}
		if told := slices.ContainsFunc(a.Forward.Doubts, func(d string) bool { return strings.Contains(d, "is 15m0s old: collect it") }); told != (c.want == reach.NotKnown) {
			t.Errorf("%v old: doubts %q", c.age, a.Forward.Doubts)
		}
	}
	// Each thing alone: only what it says is old.
	for _, c := range []struct{ name, old string }{
		{"a port's VLANs", "port:s/2 tagged=120,130"},
		{"a route", "route:f/default/198.51.100.0%2F24/v130 prefix=198.51.100.0/24"},
		{"that filters were read", "filtertext:none AppliesTo firewall:f"},
		{"the address of the target", "vnic:w/n address=198.51.100.10/24"},
	} {
		s := scene(t, "-"+c.old+"\n!"+c.old, nil)
		if got := ask(t, s, "v", "w", tcpTo(80)); !strings.HasPrefix(got, "unknown, unknown: ") || !strings.Contains(got, "said by snmp old is 2h1m0s old: collect it") {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// TestBetween_oldFault: what was said to be in the way long ago stops nothing, and lets nothing through either.
func TestBetween_oldFault(t *testing.T) {
	t.Parallel()
	if got := ask(t, scene(t, "!port:s/2 state=down", nil), "v", "w", tcpTo(80)); !strings.HasPrefix(got, "unknown, unknown: what test said by snmp old is") {
		t.Error(got)
	}
	if got := ask(t, scene(t, "port:s/2 state=down", nil), "v", "w", tcpTo(80)); got != "no, no" {
		t.Error(got)
	}
}

// TestBetween_oldList: what a list dropped or let pass when it was read, nobody knows once that is too long ago, whichever place it has on the way; nor what a list does that
// jumps to one.
func TestBetween_oldList(t *testing.T) {
	t.Parallel()
	forward := policy.Attachment{Hook: policy.HookForward}
	jumps := list("jumps", forward, policy.Permit, policy.Rule{Verdict: policy.Jump, Target: "to"})
	target := &policy.Filter{Name: "to", Dialect: "test", Family: policy.IP, Default: policy.Return, Rules: []policy.Rule{deny(isTCP())}}
	for _, c := range []struct {
		name, device string
		list         []*policy.Filter
		fresh        string
	}{
		{"drops", "firewall:f", []*policy.Filter{list("in", forward, policy.Permit, deny(isTCP()))}, "no, no"},
		{"drops what no rule decides", "firewall:f", []*policy.Filter{list("in", forward, policy.Deny)}, "no, no"},
		{"permits", "firewall:f", []*policy.Filter{list("in", forward, policy.Deny, permit(isTCP()))}, "yes, yes"},
		{"drops at a port", "switch:s", []*policy.Filter{list("in", policy.Attachment{Hook: policy.HookIngress, Interface: "s1"}, policy.Deny)}, "no, no"},
		{"drops replies", "firewall:f", []*policy.Filter{list("in", forward, policy.Permit, deny(isTCP(), established()))}, "yes, no"},
		{"jumps", "firewall:f", []*policy.Filter{jumps, target}, "no, no"},
	} {
		if got := ask(t, scene(t, "", map[string][]*policy.Filter{c.device: c.list}), "v", "w", tcpTo(80)); got != c.fresh {
			t.Errorf("%s: %s, want %s", c.name, got, c.fresh)
		}
		got := ask(t, scene(t, "", map[string][]*policy.Filter{"!" + c.device: c.list}), "v", "w", tcpTo(80))
		if !strings.HasPrefix(got, "unknown, unknown: what test said by snmp old is 2h1m0s old: collect it") {
			t.Errorf("%s, long ago: %s", c.name, got)
		}
	}
	mixed := scene(t, "", map[string][]*policy.Filter{"firewall:f": {jumps}, "!firewall:f": {target}})
	if got := ask(t, mixed, "v", "w", tcpTo(80)); !strings.HasPrefix(got, "unknown, ") {
		t.Errorf("it jumps to one that is old: %s", got)
	}
	fresh := list("fresh", forward, policy.Deny)
	if got := ask(t, scene(t, "", map[string][]*policy.Filter{"switch:s": {fresh}, "!switch:s": {list("in", policy.Attachment{Hook: policy.HookIngress, Interface: "s1"}, policy.Permit)}, "firewall:f": {fresh}}), "v", "w", tcpTo(80)); got != "no, no" {
		t.Errorf("another list drops it today: %s", got)
	}
}

// TestBetween_oldList_told: the trace of a packet does not end at a list that is too old, and says that it may decide.
func TestBetween_oldList_told(t *testing.T) {
	t.Parallel()
	s := scene(t, "", map[string][]*policy.Filter{"!firewall:f": {list("in", policy.Attachment{Hook: policy.HookForward}, policy.Deny)}})
	a, err := network(s).Between(t.Context(), endpoint(t, s, "v"), endpoint(t, s, "w"), tcpTo(80))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := a.Forward.Headers.Witness(a.Forward.May)
	if !ok {
		t.Fatal("nothing may arrive")
	}
	steps, end, why := a.Forward.Headers.Trace(a.Forward.Leg, p)
	i := slices.IndexFunc(steps, func(s reach.Traced) bool { return s.Filter != nil })
	if end != reach.Delivered || i < 0 || steps[i].Gone || len(steps[i].Hits) != 1 || !steps[i].Hits[0].Unsure || steps[i].Hits[0].Passed {
		t.Errorf("%v %q: %+v", end, why, steps)
	}
}

// TestBetween_oldRoutes: that a table had no way to an address, or refused it, is not known once it is too old, nor where other tables may decide.
func TestBetween_oldRoutes(t *testing.T) {
	t.Parallel()
	const route = "firewall:f Contains route:f/default/198.51.100.0%2F24/v130"
	gone := "-" + route + "\n-port:f/v130 address=198.51.100.1/24\nport:f/v130 address=203.0.113.1/24\n"
	for _, c := range []struct{ name, changes, want string }{
		{"no route", gone, "no, no"},
		{"no route, and the table is old", gone + "-route:f/default/192.0.2.0%2F24/v120 prefix=192.0.2.0/24\n!route:f/default/192.0.2.0%2F24/v120 prefix=192.0.2.0/24", "unknown, unknown: what test said by snmp old is"},
		{"no route, and rules choose tables", gone + "firewall:f policyRule=100: from 192.0.2.0/24 lookup 7", "unknown, unknown: a rule of policy routing on f: 100: from 192.0.2.0/24 lookup 7"},
		{"refused", "route:f/default/198.51.100.0%2F24/v130 state=blackhole", "no, no"},
		{"refused, and rules choose tables", "route:f/default/198.51.100.0%2F24/v130 state=blackhole\nfirewall:f policyRule=100: from 192.0.2.0/24 lookup 7", "unknown, unknown: a rule of policy routing on f"},
	} {
		if got := ask(t, scene(t, c.changes, nil), "v", "w", tcpTo(80)); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
