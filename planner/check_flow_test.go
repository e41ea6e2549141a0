package planner_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// flowEstate cables both hosts with one switch, and the switch with a firewall that routes between the guests' VLANs. All filters are read, and there are none.
const flowEstate = `host:a Contains virtualswitch:a/br0
host:a Contains nic:a/e
virtualswitch:a/br0 SupportedBy nic:a/e
virtualswitch:a/br0 name=br0
virtualswitch:a/br0 virtualPort=openvswitch
host:b Contains virtualswitch:b/br0
host:b Contains nic:b/e
virtualswitch:b/br0 SupportedBy nic:b/e
virtualswitch:b/br0 name=br0
virtualswitch:b/br0 virtualPort=openvswitch
switch:s name=leaf
switch:s Contains port:s/1
switch:s Contains port:s/2
switch:s Contains port:s/3
port:s/1 ifName=s1
port:s/2 ifName=s2
port:s/3 ifName=s3
port:s/1 tagged=120,130
port:s/2 tagged=120,130
port:s/3 tagged=120,130
nic:a/e Link port:s/1
nic:b/e Link port:s/2
firewall:f name=fw
firewall:f Contains port:f/1
port:f/1 ifName=f1
port:f/1 Link port:s/3
firewall:f Contains port:f/v120
port:f/v120 ifName=f1.120
port:f/v120 ifType=135
port:f/v120 address=192.0.2.1/24
port:f/v120 InSubnet subnet:192.0.2.0/24
port:f/v120 SupportedBy port:f/1
firewall:f Contains port:f/v130
port:f/v130 ifName=f1.130
port:f/v130 ifType=135
port:f/v130 address=198.51.100.1/24
port:f/v130 InSubnet subnet:198.51.100.0/24
port:f/v130 SupportedBy port:f/1
firewall:f Contains route:f/default/192.0.2.0%2F24/v120
route:f/default/192.0.2.0%2F24/v120 prefix=192.0.2.0/24
route:f/default/192.0.2.0%2F24/v120 RoutesVia port:f/v120
firewall:f Contains route:f/default/198.51.100.0%2F24/v130
route:f/default/198.51.100.0%2F24/v130 prefix=198.51.100.0/24
route:f/default/198.51.100.0%2F24/v130 RoutesVia port:f/v130
vm:v Contains vnic:v/n
vnic:v/n name=vnet0
vnic:v/n AttachedTo virtualswitch:a/br0
vnic:v/n vid=120
vnic:v/n address=192.0.2.10/24
vnic:v/n InSubnet subnet:192.0.2.0/24
vm:o Contains vnic:o/n
vnic:o/n AttachedTo virtualswitch:b/br0
vnic:o/n vid=130
vnic:o/n address=198.51.100.10/24
vnic:o/n InSubnet subnet:198.51.100.0/24
filtertext:none state=parsed
filtertext:none AppliesTo host:a
filtertext:none AppliesTo host:b
filtertext:none AppliesTo switch:s
filtertext:none AppliesTo firewall:f
`

// filtered is the lines of a list of a device.
func filtered(device, kind, name string, at policy.Attachment, def policy.Verdict, rules ...policy.Rule) string {
	for i := range rules {
		rules[i].Text, rules[i].Place = rules[i].String(), policy.Place{File: device + ".cfg", Line: 10 + i}
	}
	f := policy.Filter{Name: name, Dialect: "ios", Family: policy.IPv4, Attached: []policy.Attachment{at}, Default: def, Rules: rules}
	k := "filter:" + device + "/" + name
	return kind + ":" + device + " Contains " + k + "\n" + k + " name=" + name + "\n" + k + " rules=" + f.Encode()
}

func portIs(field policy.Field, n uint64) []policy.Term {
	return []policy.Term{{Field: policy.Protocol, Of: []policy.Range{policy.Is(6)}}, {Field: field, Of: []policy.Range{policy.Is(n)}}}
}

func flowCases() []checkCase {
	toB := policy.Attachment{Hook: policy.HookEgress, Interface: "s2"}
	toA := policy.Attachment{Hook: policy.HookEgress, Interface: "s1"}
	drop := func(port uint64) policy.Rule {
		return policy.Rule{Verdict: policy.Deny, Match: portIs(policy.DestinationPort, port)}
	}
	both := filtered("s", "switch", "toA", toA, policy.Permit, drop(25)) + "\n" + filtered("s", "switch", "toB", toB, policy.Permit, drop(25))
	state := policy.Rule{Verdict: policy.Permit, Match: []policy.Term{{Field: policy.ConnState, Of: []policy.Range{policy.Is(policy.StateEstablished), policy.Is(policy.StateNew)}}}}
	guarded := filtered("b", "host", "guard", policy.Attachment{Hook: policy.HookForward, Bridged: true}, policy.Deny, state)
	clean := filtered("a", "host", "clean", policy.Attachment{Hook: policy.HookIngress, Interface: "v/n"}, policy.Permit) +
		"\nfilter:a/clean AppliesTo vnic:v/n\nvnic:v/n filterRef=clean\nhost:a networkFilter=clean d1 own\nhost:a networkFilter=own d2\nhost:a bridgeCalls=none\n"
	tcp, smtp := uint8(6), policy.Is(25)
	demand := func(from, to string) []planner.Demand {
		return []planner.Demand{{Name: "mail", From: planner.Selector{from}, To: planner.Selector{to}, Flow: reach.Flow{Protocol: &tcp, Ports: &smtp}}}
	}
	return []checkCase{
		{code: "NET-9", name: "the same", want: "pass: nothing that flows to or from web-07 is lost or opened"},
		{code: "NET-9", name: "alike lists of two ports", changes: both, want: "pass: nothing that flows to or from web-07 is lost or opened"},
		{
			code: "NET-9", name: "lost", changes: filtered("s", "switch", "toB", toB, policy.Permit, drop(8080)),
			want: "block: fw, other can no longer reach web-07 on tcp 8080: toB of leaf drops it: s.cfg:10: deny protocol 6, destinationPort 8080",
		},
		{
			code: "NET-9", name: "lost where nobody knows the way", changes: filtered("s", "switch", "toB", toB, policy.Permit, drop(8080)) + "\n-route:f/default/192.0.2.0%2F24/v120 RoutesVia port:f/v120",
			want: "unknown: whether all flows of web-07 pass as before is not known: no source says by which interface fw reaches 192.0.2.10",
		},
		{
			code: "NET-9", name: "what never was answered is not lost", changes: filtered("s", "switch", "toB", toB, policy.Permit, drop(8080)) + "\n" +
				filtered("s", "switch", "fromA", policy.Attachment{Hook: policy.HookIngress, Interface: "s1"}, policy.Permit, policy.Rule{Verdict: policy.Deny, Match: portIs(policy.SourcePort, 8080)}) + "\n" +
				filtered("s", "switch", "fromB", policy.Attachment{Hook: policy.HookIngress, Interface: "s2"}, policy.Permit, policy.Rule{Verdict: policy.Deny, Match: portIs(policy.SourcePort, 8080)}),
			want: "pass: nothing that flows to or from web-07 is lost or opened; with 2 machines it goes another way with other filters, and fares the same",
		},
		{
			code: "NET-9", name: "opened", changes: filtered("s", "switch", "toA", toA, policy.Permit, drop(25)),
			want: "warn: fw, other can now reach web-07 on tcp 25: so far, toA of leaf drops it: s.cfg:10: deny protocol 6, destinationPort 25",
		},
		{
			code: "NET-9", name: "opened, and forbidden", changes: filtered("s", "switch", "toA", toA, policy.Permit, drop(25)), policy: planner.Policy{Forbidden: demand("other", "web-*")},
			want: "warn: fw can now reach web-07 on tcp 25: so far, toA of leaf drops it: s.cfg:10: deny protocol 6, destinationPort 25\n" +
				"block: other can now reach web-07 on tcp 25: so far, toA of leaf drops it: s.cfg:10: deny protocol 6, destinationPort 25; the policy forbids it (mail)",
		},
		{
			code: "NET-9", name: "filters of the target that nobody has read", changes: "-filtertext:none AppliesTo host:b",
			want: "unknown: whether web-07 and fw, other still reach each other is not known, as far as they did: nobody has read the filters of b",
		},
		{
			code: "NET-9", name: "filters of the switch that nobody has read", changes: "-filtertext:none AppliesTo switch:s",
			want: "unknown: whether all flows of web-07 pass as before is not known: nobody has read the filters of leaf",
		},
		{
			code: "NET-9", name: "the network filter is the same there", changes: clean + "host:b networkFilter=clean d1 own\nhost:b networkFilter=own d2\nhost:b bridgeCalls=none",
			want: "pass: nothing that flows to or from web-07 is lost or opened",
		},
		{
			code: "NET-9", name: "the network filter is the same there, and sees other frames", changes: clean + "host:b networkFilter=clean d1 own\nhost:b networkFilter=own d2\nhost:b bridgeCalls=ipv4",
			want: "unknown: whether web-07 and fw, other still reach each other is not known, as far as they did: whether frames of vnet0 meet clean, its network filter, on b as on a is not known: whether bridged frames meet filters of packets (br_netfilter)",
		},
		{
			code: "NET-9", name: "the network filter is another one there", changes: clean + "host:b networkFilter=clean d3\nhost:b networkFilter=own d2",
			want: "unknown: whether web-07 and fw, other still reach each other is not known, as far as they did: clean, the network filter of vnet0, is another one on b than on a",
		},
		{
			code: "NET-9", name: "what the network filter refers to is another one there", changes: clean + "host:b networkFilter=clean d1 own\nhost:b networkFilter=own d4",
			want: "unknown: whether web-07 and fw, other still reach each other is not known, as far as they did: own, which clean, the network filter of vnet0, refers to, is another one on b than on a",
		},
		{
			code: "NET-9", name: "nobody says what the network filter is there", changes: clean + "host:b networkFilter=other d1", also: []string{"NET-H5"},
			want: "unknown: whether web-07 and fw, other still reach each other is not known, as far as they did: what clean, the network filter of vnet0, does on b is not known",
		},
		{code: "NET-9", name: "no address", changes: "-vnic:v/n address=192.0.2.10/24", want: "unknown: no source says which address vnet0 of web-07 has: what flows to and from it nobody knows"},
		{code: "NET-10", name: "nothing declared", want: "pass: the policy declares no flow of web-07, and sessions go on"},
		{code: "NET-10", name: "passes", policy: planner.Policy{Required: demand("other", "web-*")}, want: "pass: 1 declared flows of web-07 fare as the policy demands, and sessions go on"},
		{
			code: "NET-10", name: "has never passed", policy: planner.Policy{Required: demand("other", "web-*")}, changes: both,
			want: "block: mail: other cannot reach web-07, tcp 25: toB of leaf drops it: s.cfg:10: deny protocol 6, destinationPort 25; it was so before",
		},
		{
			code: "NET-10", name: "has always passed, and is forbidden", policy: planner.Policy{Forbidden: demand("other", "web-*")},
			want: "warn: mail: other reaches web-07, tcp 25: the policy forbids it, and it was so before",
		},
		{
			code: "NET-10", name: "nobody knows", also: []string{"NET-9"}, policy: planner.Policy{Required: demand("web-07", "other")}, changes: "-filtertext:none AppliesTo switch:s",
			want: "unknown: mail: web-07 may not reach other, tcp 25: nobody has read the filters of leaf; it was so before",
		},
		{
			code: "NET-10", name: "the target holds no sessions", changes: guarded,
			want: "warn: open sessions of web-07 break: b lets what answers pass only where it holds the connection, and has not seen any of them",
		},
		{
			code: "NET-10", name: "sessions must go on", changes: guarded, policy: planner.Policy{Sessions: planner.Block},
			want: "block: open sessions of web-07 break: b lets what answers pass only where it holds the connection, and has not seen any of them",
		},
	}
}

// TestFlows_said: what is lost is told by the ports that it is about, by those that it is not about where these are fewer; and so is that no filter has looked so far.
func TestFlows_said(t *testing.T) {
	t.Parallel()
	toB := policy.Attachment{Hook: policy.HookEgress, Interface: "s2"}
	const neighbour = "vm:n name=neighbour\nvm:n RunsOn host:a\nvm:n state=running\nvm:n job=none\nvm:n Contains vnic:n/n\nvnic:n/n AttachedTo virtualswitch:a/br0\nvnic:n/n vid=120\n" +
		"vnic:n/n address=192.0.2.20/24\nvnic:n/n InSubnet subnet:192.0.2.0/24\n"
	fromNeighbour := policy.Term{Field: policy.Source, Family: policy.IPv4, Of: []policy.Range{policy.PrefixRange(netip.MustParsePrefix("192.0.2.20/32"))}}
	ssh := policy.Rule{Verdict: policy.Permit, Match: append(portIs(policy.DestinationPort, 22), fromNeighbour)}
	apart := neighbour + filtered("s", "switch", "toB", toB, policy.Permit, ssh, policy.Rule{Verdict: policy.Deny, Match: []policy.Term{fromNeighbour}})
	apartText := "neighbour can no longer reach web-07 on anything but tcp 22: toB of leaf drops it: s.cfg:11: deny source 192.0.2.20; so far they meet on one host, where no filter looks"
	high := filtered("s", "switch", "toB", toB, policy.Permit, policy.Rule{
		Verdict: policy.Deny, Match: []policy.Term{portIs(policy.DestinationPort, 0)[0], {Field: policy.DestinationPort, Of: []policy.Range{policy.FromTo(444, 65535)}}},
	})
	for _, c := range []struct {
		changes string
		policy  planner.Policy
		want    string
	}{
		{apart, planner.Policy{}, "block: " + apartText},
		{apart, planner.Policy{Beside: planner.Block}, "block: " + apartText},
		{apart, planner.Policy{Beside: planner.Warn}, "warn: " + apartText},
		{
			high, planner.Policy{}, "block: fw can no longer reach web-07 on tcp 444-65535: toB of leaf drops it: s.cfg:10: deny protocol 6, destinationPort 444-65535\n" +
				"block: web-07 gets no answers from other any more on tcp 0-443: toB of leaf drops it: s.cfg:10: deny protocol 6, destinationPort 444-65535",
		},
	} {
		plan, err := planner.New(scene(t, c.changes), c.policy, noon.Add(time.Minute)).Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
		if err != nil {
			t.Fatal(err)
		}
		if got := said(plan, "NET-9"); got != c.want {
			t.Errorf("got %s\nwant %s", got, c.want)
		}
	}
}

// TestFlows_thereAndBack: what a move loses, the move back opens, and what it opens the move back loses, with the same machines, services and reasons.
func TestFlows_thereAndBack(t *testing.T) {
	t.Parallel()
	at := func(name, port string, hook policy.Hook, rules ...policy.Rule) string {
		return filtered("s", "switch", name, policy.Attachment{Hook: hook, Interface: port}, policy.Permit, rules...)
	}
	drop := func(field policy.Field, port uint64) policy.Rule {
		return policy.Rule{Verdict: policy.Deny, Match: portIs(field, port)}
	}
	for name, changes := range map[string]string{
		"lost":              at("toB", "s2", policy.HookEgress, drop(policy.DestinationPort, 8080)),
		"opened":            at("toA", "s1", policy.HookEgress, drop(policy.DestinationPort, 25)),
		"one for another":   at("toA", "s1", policy.HookEgress, drop(policy.DestinationPort, 25)) + "\n" + at("toB", "s2", policy.HookEgress, drop(policy.DestinationPort, 443)),
		"what it sends":     at("fromB", "s2", policy.HookIngress, drop(policy.DestinationPort, 53)),
		"what it answers":   at("fromB", "s2", policy.HookIngress, drop(policy.SourcePort, 443)),
		"alike":             at("toA", "s1", policy.HookEgress, drop(policy.DestinationPort, 25)) + "\n" + at("toB", "s2", policy.HookEgress, drop(policy.DestinationPort, 25)),
		"a VLAN is missing": "-port:s/2 tagged=120,130\nport:s/2 tagged=130",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := planner.New(scene(t, changes), planner.Policy{}, noon.Add(time.Minute))
			there, err := p.Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
			if err != nil {
				t.Fatal(err)
			}
			then, err := p.Assume(there.Move)
			if err != nil {
				t.Fatal(err)
			}
			back, err := then.Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "a"))
			if err != nil {
				t.Fatal(err)
			}
			lost, opened := turns(there)
			lostBack, openedBack := turns(back)
			if !slices.Equal(lost, openedBack) || !slices.Equal(opened, lostBack) || len(lost)+len(opened) == 0 && name != "alike" {
				t.Errorf("there lost %q, opened %q;\nback lost %q, opened %q", lost, opened, lostBack, openedBack)
			}
		})
	}
}

// turns gives what NET-9 says to be lost and opened, in the same words.
func turns(p *planner.Plan) (lost, opened []string) {
	for line := range strings.Lines(said(p, "NET-9")) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
		for from, to := range map[string]string{"can no longer reach": "reach", "can now reach": "reach", " gets no answers from": " answers", " can now be answered by": " answers", " any more on": " on", ": so far, ": ": "} {
			text = strings.ReplaceAll(text, from, to)
		}
		switch {
		case strings.Contains(line, "can now"):
			opened = append(opened, text)
		case strings.HasPrefix(line, "block"):
			lost = append(lost, text)
		}
	}
	slices.Sort(lost)
	slices.Sort(opened)
	return lost, opened
}

// TestFlows_permitted: the rule that a finding offers lets the flow pass, and is a rule more in the one filter that drops it.
func TestFlows_permitted(t *testing.T) {
	t.Parallel()
	deny := policy.Rule{Verdict: policy.Deny, Match: portIs(policy.DestinationPort, 8080)}
	list := filtered("s", "switch", "toB", policy.Attachment{Hook: policy.HookEgress, Interface: "s2"}, policy.Permit, deny)
	p := planner.New(scene(t, list), planner.Policy{}, noon.Add(time.Minute))
	plan, err := p.Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(plan.Findings, func(f planner.Finding) bool { return f.Code == "NET-9" })
	fixes := plan.Findings[i].Fixes
	if len(fixes) != 1 || fixes[0].Text != "permit tcp from 192.0.2.1,198.51.100.1,198.51.100.10 to 192.0.2.10 port 8080 in toB of leaf before s.cfg:10" {
		t.Fatalf("fixes %v", fixes)
	}
	mended, err := p.Assume(topology.ChangeSet{Changes: fixes[0].Changes})
	if err != nil {
		t.Fatal(err)
	}
	after, err := mended.Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
	if err != nil {
		t.Fatal(err)
	}
	if got := said(after, "NET-9"); strings.Contains(got, "block") || strings.Contains(got, "unknown") {
		t.Errorf("mended: %s", got)
	}
}
