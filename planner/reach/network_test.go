package reach_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
	"github.com/throughline-dc/throughline/topology/topologytest"
)

// estate is a host with three VMs behind a switch and a firewall: v and u in VLAN 120, w in VLAN 130. Nobody filters.
const estate = `
host:h Contains virtualswitch:h/br0
host:h Contains nic:h/e
virtualswitch:h/br0 SupportedBy nic:h/e
virtualswitch:h/br0 virtualPort=openvswitch
switch:s Contains port:s/1
switch:s Contains port:s/2
port:s/1 ifName=s1
port:s/2 ifName=s2
port:s/1 tagged=120,130
port:s/2 tagged=120,130
nic:h/e Link port:s/1 ~95
firewall:f Contains port:f/1
port:f/1 ifName=f1
port:f/1 Link port:s/2 ~95
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
vnic:v/n AttachedTo virtualswitch:h/br0
vnic:v/n vid=120
vnic:v/n address=192.0.2.10/24
vnic:v/n InSubnet subnet:192.0.2.0/24
vm:u Contains vnic:u/n
vnic:u/n AttachedTo virtualswitch:h/br0
vnic:u/n vid=120
vnic:u/n address=192.0.2.11/24
vnic:u/n InSubnet subnet:192.0.2.0/24
vm:w Contains vnic:w/n
vnic:w/n AttachedTo virtualswitch:h/br0
vnic:w/n vid=130
vnic:w/n address=198.51.100.10/24
vnic:w/n InSubnet subnet:198.51.100.0/24
filtertext:none state=parsed
filtertext:none AppliesTo host:h
filtertext:none AppliesTo switch:s
filtertext:none AppliesTo firewall:f
`

// paired puts a switch p between the host and s, of one pair with it: what p cannot send out by its half of po9 takes the link between them.
const paired = `
-nic:h/e Link port:s/1 ~95
nic:h/e Link port:p/1 ~95
switch:p Contains port:p/1
switch:p Contains port:p/2
switch:p Contains port:p/3
switch:p Contains lag:p/po9
port:p/1 tagged=120,130
port:p/3 tagged=120,130
lag:p/po9 ifName=po9
lag:p/po9 SupportedBy port:p/2
port:p/3 Link port:s/1 ~95
switch:s Contains lag:s/po9
lag:s/po9 ifName=po9
lag:s/po9 SupportedBy port:s/2
lag:s/po9 tagged=120,130
lag:s/po9 PeerLAG lag:p/po9
filtertext:none AppliesTo switch:p
`

// bonded gives the host a second uplink, of which nobody knows where it goes.
const bonded = `
-virtualswitch:h/br0 SupportedBy nic:h/e
virtualswitch:h/br0 SupportedBy lag:h/bond
host:h Contains lag:h/bond
host:h Contains nic:h/e2
lag:h/bond SupportedBy nic:h/e
lag:h/bond SupportedBy nic:h/e2
`

// scene is the estate with facts taken away ("-port:s/1 ifName=s1"), given, and filters "DEVICE" each, "!DEVICE" if they were read two hours ago.
func scene(t *testing.T, changes string, filters map[string][]*policy.Filter) *topology.Snapshot {
	t.Helper()
	lines := strings.Split(estate, "\n")
	for line := range strings.Lines(changes) {
		line = strings.TrimSpace(line)
		if gone, ok := strings.CutPrefix(line, "-"); ok {
			n := len(lines)
			lines = deleteLine(lines, gone)
			if len(lines) == n {
				t.Fatalf("%q is not there", gone)
			}
			continue
		}
		lines = append(lines, line)
	}
	return stated(t, lines, filters)
}

// stated is a snapshot of facts and filters.
func stated(t *testing.T, lines []string, filters map[string][]*policy.Filter) *topology.Snapshot {
	t.Helper()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	old := topology.Reading{ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceSNMP, Table: "old"}, Time: now.Add(-2 * time.Hour)}
	partial := topology.Reading{ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceSNMP, Table: "some", Partial: true}, Time: now, Reason: "cut off"}
	r := topology.Reading{ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceSNMP, Table: "all"}, Time: now}
	d := topology.Delta{Time: now, Renew: []topology.Reading{partial, old, r}}
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			line, aged := strings.CutPrefix(line, "!") // said by a reading of two hours ago
			line, some := strings.CutPrefix(line, "~") // said by a reading that is partial
			f := factOf(t, line)
			if f.Reading, f.Since = r.ReadingKey, now; some {
				f.Reading = partial.ReadingKey
			} else if aged {
				f.Reading = old.ReadingKey
			}
			d.Add = append(d.Add, f)
		}
	}
	for device, fs := range filters {
		device, aged := strings.CutPrefix(device, "!")
		read := map[bool]topology.ReadingKey{false: r.ReadingKey, true: old.ReadingKey}[aged]
		owner, err := topology.ParseKey(device)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fs {
			key := topology.PartKey(topology.Filter, owner, f.Name)
			for _, fact := range []topology.Fact{
				topology.Relate(owner, topology.Contains, key), topology.Attribute(key, topology.AttrRules, topology.TextValue(f.Encode())),
			} {
				fact.Reading, fact.Since, fact.Confidence = read, now, topology.ConfidenceStated
				d.Add = append(d.Add, fact)
			}
		}
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func deleteLine(lines []string, line string) []string {
	var rest []string
	for _, l := range lines {
		if strings.TrimSpace(l) != line {
			rest = append(rest, l)
		}
	}
	return rest
}

func factOf(t *testing.T, line string) topology.Fact {
	t.Helper()
	f, err := topologytest.Fact(line)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return f
}

// ask gives the verdicts there and back, and what is not known. Ends are names of VMs, or keys.
func ask(t *testing.T, s *topology.Snapshot, from, to string, flow reach.Flow) string {
	t.Helper()
	answer, err := network(s).Between(t.Context(), endpoint(t, s, from), endpoint(t, s, to), flow)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%s, %s", answer.Forward.Verdict, answer.Return.Verdict)
	if doubts := append(answer.Forward.Doubts, answer.Return.Doubts...); len(doubts) > 0 {
		text += ": " + doubts[0]
	}
	return text
}

// endpoint is the first address of a VM, or of what has a key.
func endpoint(t *testing.T, s *topology.Snapshot, name string) reach.Endpoint {
	t.Helper()
	if !strings.Contains(name, ":") {
		name = "vnic:" + name + "/n"
	}
	key, err := topology.ParseKey(name)
	n, ok := s.Node(key)
	if err != nil || !ok {
		t.Fatalf("no %s: %v", name, err)
	}
	return reach.Endpoints(n)[0]
}

// network is seen a minute after it was read.
func network(s *topology.Snapshot) *reach.Network {
	return reach.NewNetwork(s, topology.AgeLimits{}, s.Time().Add(time.Minute))
}

func tcpTo(port uint64) reach.Flow {
	proto, r := uint8(6), policy.Is(port)
	return reach.Flow{Protocol: &proto, Ports: &r}
}

func list(name string, at policy.Attachment, def policy.Verdict, rules ...policy.Rule) *policy.Filter {
	for i := range rules {
		rules[i].Text = rules[i].String()
	}
	return &policy.Filter{Name: name, Dialect: "test", Family: policy.IP, Default: def, Attached: []policy.Attachment{at}, Rules: rules}
}

func permit(terms ...policy.Term) policy.Rule {
	return policy.Rule{Verdict: policy.Permit, Match: terms}
}
func deny(terms ...policy.Term) policy.Rule { return policy.Rule{Verdict: policy.Deny, Match: terms} }
func isTCP() policy.Term {
	return policy.Term{Field: policy.Protocol, Of: []policy.Range{policy.Is(6)}}
}

func port(n uint64) policy.Term {
	return policy.Term{Field: policy.DestinationPort, Of: []policy.Range{policy.Is(n)}}
}

func established() policy.Term {
	return policy.Term{Field: policy.ConnState, Of: []policy.Range{policy.Is(policy.StateEstablished)}}
}

func fromV() policy.Term {
	return policy.Term{Field: policy.InInterface, Names: []string{"f1.120"}}
}

// nat is a masquerade of what matches.
func nat(terms ...policy.Term) *policy.Filter {
	f := list("nat", policy.Attachment{Hook: policy.HookPostrouting, Priority: 100}, policy.Permit, firstOnly(), policy.Rule{
		Verdict: policy.Permit, Match: terms, Set: []policy.Assignment{{Field: policy.Source, Family: policy.IPv4, Own: true}},
	})
	return f
}

// firstOnly is what the kernel does before the rules of a chain that translates: only the first packet of a connection comes there.
func firstOnly() policy.Rule {
	return policy.Rule{Verdict: policy.Permit, Match: []policy.Term{{Field: policy.ConnState, Not: true, Of: []policy.Range{policy.Is(policy.StateNew), policy.Is(policy.StateRelated)}}}}
}

var forward = policy.Attachment{Hook: policy.HookForward}

// behind is a second router, g, between the firewall and VLAN 130; its link to the firewall has the address of its loopback.
const behind = `
-firewall:f Contains route:f/default/198.51.100.0%2F24/v130
firewall:f Contains port:f/2
port:f/2 ifName=f2
port:f/2 address=203.0.113.1/32
firewall:f Contains route:f/default/198.51.100.0%2F24/203.0.113.2
route:f/default/198.51.100.0%2F24/203.0.113.2 prefix=198.51.100.0/24
route:f/default/198.51.100.0%2F24/203.0.113.2 nextHop=203.0.113.2
route:f/default/198.51.100.0%2F24/203.0.113.2 RoutesVia port:f/2
-firewall:f Contains port:f/v130
-port:f/v130 address=198.51.100.1/24
router:g Contains port:f/v130
router:g Contains port:g/1
router:g Contains port:g/lo
port:g/1 ifName=g1
port:g/1 address=203.0.113.2/32
port:g/1 Link port:f/2 ~95
port:g/lo ifName=lo
port:g/lo address=203.0.113.2/32
router:g Contains route:g/default/198.51.100.0%2F24/v130
route:g/default/198.51.100.0%2F24/v130 prefix=198.51.100.0/24
route:g/default/198.51.100.0%2F24/v130 RoutesVia port:f/v130
filtertext:none AppliesTo router:g
`

func TestBetween(t *testing.T) {
	t.Parallel()
	web := tcpTo(80)
	stateful := list("fw", forward, policy.Deny, permit(established()), permit(fromV(), isTCP(), port(80)))
	for _, c := range []struct {
		name, from, to string
		flow           reach.Flow
		changes        string
		filters        map[string][]*policy.Filter
		want           string
	}{
		{"nobody filters", "v", "w", web, "", nil, "yes, yes"},
		{"one VLAN, one bridge", "v", "u", web, "", nil, "yes, yes"},
		{"a stateful filter lets it through, and what comes back", "v", "w", web, "", map[string][]*policy.Filter{"firewall:f": {stateful}}, "yes, yes"},
		{"another port", "v", "w", tcpTo(81), "", map[string][]*policy.Filter{"firewall:f": {stateful}}, "no, no"},
		{"the other direction opens nothing", "w", "v", web, "", map[string][]*policy.Filter{"firewall:f": {stateful}}, "no, no"},
		{"everything: a part", "v", "w", reach.Flow{}, "", map[string][]*policy.Filter{"firewall:f": {stateful}}, "some, yes"},
		{
			"a stateless list has to let replies back itself", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {list("acl", forward, policy.Deny, permit(isTCP(), port(80)))}},
			"yes, no",
		},
		{
			"who filters a vNIC by the state of connections knows those that it opens", "v", "w", web, "filter:h/in AppliesTo vnic:v/n",
			map[string][]*policy.Filter{"host:h": {list("in", policy.Attachment{Hook: policy.HookEgress, Interface: "n"}, policy.Deny, permit(established()))}},
			"yes, yes",
		},
		{
			"and lets nobody else open any", "w", "v", web, "filter:h/in AppliesTo vnic:v/n",
			map[string][]*policy.Filter{"host:h": {list("in", policy.Attachment{Hook: policy.HookEgress, Interface: "n"}, policy.Deny, permit(established()))}},
			"no, no",
		},
		{
			"by filters that it jumps to, too", "v", "w", web, "filter:h/in AppliesTo vnic:v/n",
			map[string][]*policy.Filter{"host:h": {
				list("in", policy.Attachment{Hook: policy.HookEgress, Interface: "n"}, policy.Deny, policy.Rule{Verdict: policy.Jump, Target: "group"}),
				{Name: "group", Dialect: "test", Family: policy.AnyFamily, Default: policy.Return, Rules: []policy.Rule{permit(established())}},
			}},
			"yes, yes",
		},
		{
			"a list on the routed interface sees nothing of what stays in its VLAN", "v", "u", web, "",
			map[string][]*policy.Filter{"firewall:f": {list("acl", policy.Attachment{Hook: policy.HookPrerouting, Interface: "f1.120"}, policy.Deny)}},
			"yes, yes",
		},
		{
			"but all that leaves it", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {list("acl", policy.Attachment{Hook: policy.HookPrerouting, Interface: "f1.120"}, policy.Deny)}},
			"no, no",
		},
		{
			"a list on the way out", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {list("acl", policy.Attachment{Hook: policy.HookPostrouting, Interface: "f1.120"}, policy.Deny)}},
			"yes, no",
		},
		{
			"accept ends one base chain only", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {list("a", forward, policy.Permit), list("b", policy.Attachment{Hook: policy.HookForward, Priority: 10}, policy.Deny)}},
			"no, no",
		},
		{
			"a port list on the switch", "v", "w", web, "",
			map[string][]*policy.Filter{"switch:s": {list("pacl", policy.Attachment{Hook: policy.HookIngress, Interface: "s1"}, policy.Permit, deny(isTCP(), port(80)))}},
			"no, no",
		},
		{
			"a list on the aggregate that the port is a member of", "v", "w", web, "switch:s Contains lag:s/po1\nlag:s/po1 ifName=po1\nlag:s/po1 SupportedBy port:s/1\nlag:s/po1 tagged=120,130",
			map[string][]*policy.Filter{"switch:s": {list("pacl", policy.Attachment{Hook: policy.HookIngress, Interface: "po1"}, policy.Permit, deny(isTCP(), port(80)))}},
			"no, no",
		},
		{
			"a line of the aggregate that nobody understood", "v", "w", web,
			"switch:s Contains lag:s/po1\nlag:s/po1 ifName=po1\nlag:s/po1 SupportedBy port:s/1\nlag:s/po1 tagged=120,130\nlag:s/po1 unparsed=c:1: frobnicate", nil,
			"unknown, unknown: of lag po1 nobody understood c:1: frobnicate",
		},
		{
			"frames may take the member of a bond that leads nobody knows where", "v", "w", web, bonded, nil,
			"unknown, unknown: frames may leave h by e2, too, a member of bond of which nobody knows where it leads",
		},
		{"unless it is down", "v", "w", web, bonded + "nic:h/e2 state=down", nil, "yes, yes"},
		{
			"frames may take the member of a bond that leads to a switch of which too little is known", "v", "w", web,
			bonded + "switch:t Contains port:t/1\nswitch:t Contains port:t/2\nnic:h/e2 Link port:t/1 ~95\nswitch:s Contains port:s/3\nport:s/3 tagged=120,130\nport:t/2 Link port:s/3 ~95\n" +
				"port:t/2 tagged=120,130\nfiltertext:none AppliesTo switch:t", nil, "unknown, unknown: no source says which VLANs 1 carries",
		},
		{
			"what comes over the link of a pair may be held back at an aggregate of both", "v", "w", web, paired + "lag:p/po9 state=up", nil,
			"unknown, unknown: what comes from p may be held back at po9, of which p has a half that is up",
		},
		{"unless the other half is down", "v", "w", web, paired + "lag:p/po9 state=down", nil, "yes, yes"},
		{
			"two VMs on one host meet in its bridge, and bypass the lists of the switch", "v", "u", web, "",
			map[string][]*policy.Filter{"switch:s": {list("pacl", policy.Attachment{Hook: policy.HookIngress, Interface: "s1"}, policy.Deny)}},
			"yes, yes",
		},
		{
			"a VLAN map is met by what is bridged, too", "v", "w", web, "",
			map[string][]*policy.Filter{"switch:s": {list("vacl", policy.Attachment{Hook: policy.HookVLAN, VLANs: "130"}, policy.Deny)}},
			"no, no",
		},
		{
			"IPv4 lists do not filter IPv6, nor IPv6 lists IPv4", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {{Name: "six", Dialect: "test", Family: policy.IPv6, Default: policy.Deny, Attached: []policy.Attachment{forward}}}},
			"yes, yes",
		},
		{
			"a limit: it may pass, or not", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {list("fw", forward, policy.Deny, policy.Rule{Verdict: policy.Permit, Uncertain: "limit"})}},
			`unknown, unknown: fw : "permit [uncertain: limit]" may match, or not (limit)`,
		},
		{
			"a line that nobody understood, behind one that decides", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {list("fw", forward, policy.Deny, permit(isTCP()), policy.Rule{Unparsed: "frob"})}},
			"yes, yes",
		},
		{
			"a line that nobody understood, before it", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {list("fw", forward, policy.Deny, policy.Rule{Unparsed: "frob"}, permit(isTCP()))}},
			`unknown, unknown: fw : "0 [unparsed: frob]" was not understood (frob)`,
		},
		{"filters that nobody has read", "v", "w", web, "-filtertext:none AppliesTo firewall:f", nil, "unknown, unknown: nobody has read the filters of f"},
		{
			"filters known as text", "v", "w", web, "-filtertext:none state=parsed", nil,
			"unknown, unknown: the filters of h () are known as text only",
		},
		{
			"a statement of an interface that nobody understood", "v", "w", web, "port:f/v130 unparsed=f:7: service-policy output X", nil,
			"unknown, unknown: of port f1.130 nobody understood f:7: service-policy output X",
		},
		{"one of another interface", "v", "w", web, "port:f/2 ifName=f2\nport:f/2 unparsed=f:7: service-policy output X\nfirewall:f Contains port:f/2", nil, "yes, yes"},
		{"it does not matter inside the bridge", "v", "u", web, "port:f/v130 unparsed=f:7: service-policy output X", nil, "yes, yes"},
		{"a statement of a port that frames pass", "v", "w", web, "port:s/2 unparsed=f:7: storm-control x", nil, "unknown, unknown: of port s2 nobody understood f:7: storm-control x"},
		{
			"a statement of a VLAN", "v", "w", web, "switch:s Contains vlan:s/120\nswitch:s Contains vlan:s/130\nvlan:s/130 unparsed=f:7: private-vlan x", nil,
			"unknown, unknown: of vlan 130 nobody understood f:7: private-vlan x",
		},
		{"a statement of a device", "v", "w", web, "firewall:f unparsed=f:7: frobnicate", nil, "unknown, unknown: of firewall f nobody understood f:7: frobnicate"},
		{
			"policy routing on an interface", "v", "w", web, "port:f/v120 policyRule=route-map X", nil,
			"unknown, yes: on f1.120 of f the routing table does not decide alone: route-map X",
		},
		{
			"a link with the address of a loopback", "v", "w", web, behind, nil,
			"yes, unknown: no gateway of VLAN 130 is known behind s: collect the router or firewall that routes it (f is reached at f1, and no source says which of its interfaces routes VLAN 130)",
		},
		{
			"a next hop that routers share", "v", "w", web, behind + "-port:g/1 address=203.0.113.2/32\nport:g/1 address=203.0.113.3/32\nport:g/1 virtualAddress=203.0.113.2\n-port:g/lo address=203.0.113.2/32", nil,
			"yes, unknown: no gateway of VLAN 130 is known behind s: collect the router or firewall that routes it (f is reached at f1, and no source says which of its interfaces routes VLAN 130)",
		},
		{"a VLAN that a trunk lacks", "v", "w", web, "-port:s/2 tagged=120,130\nport:s/2 tagged=120", nil, "no, no"},
		{"a port that is down", "v", "w", web, "port:s/2 state=down", nil, "no, no"},
		{"and does not matter inside the bridge", "v", "u", web, "port:s/1 state=down", nil, "yes, yes"},
		{"no route", "v", "w", web, "-route:f/default/198.51.100.0%2F24/v130 prefix=198.51.100.0/24\n-port:f/v130 address=198.51.100.1/24\n-port:f/v130 InSubnet subnet:198.51.100.0/24", nil, "no, no"},
		{"a route that drops", "v", "w", web, "route:f/default/198.51.100.0%2F24/v130 state=blackhole", nil, "no, no"},
		{
			"a translation that does not concern it", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {nat(policy.Term{Field: policy.OutInterface, Names: []string{"wan*"}})}},
			"yes, yes",
		},
		{
			"a translation on the way", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {nat(policy.Term{Field: policy.OutInterface, Names: []string{"f1.130"}})}},
			"yes, yes",
		},
		{
			"packets off connection tracking, and a filter that asks for its state", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {stateful, list("raw", policy.Attachment{Hook: policy.HookPrerouting, Priority: -300}, policy.Permit, policy.Rule{
				Verdict: policy.Continue, Set: []policy.Assignment{{Field: policy.ConnState, To: []policy.Range{policy.Is(policy.StateUntracked)}}},
			})}},
			"yes, no",
		},
		{
			"packets off connection tracking, and a filter that lets these through", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {list("fw", forward, policy.Deny, permit(policy.Term{Field: policy.ConnState, Of: []policy.Range{policy.Is(policy.StateUntracked)}})), list("raw", policy.Attachment{
				Hook: policy.HookPrerouting, Priority: -300,
			}, policy.Permit, policy.Rule{Verdict: policy.Continue, Set: []policy.Assignment{{Field: policy.ConnState, To: []policy.Range{policy.Is(policy.StateUntracked)}}}})}},
			"yes, yes",
		},
		{
			"before connection tracking nothing is established", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {list("early", policy.Attachment{Hook: policy.HookPrerouting, Priority: -300, Interface: "f1.130"}, policy.Deny,
				permit(established()))}},
			"yes, no",
		},
		{
			"what a device has marked, the next one does not see", "v", "w", web, "",
			map[string][]*policy.Filter{
				"switch:s": {list("mark", policy.Attachment{Hook: policy.HookIngress, Interface: "s1"}, policy.Permit,
					policy.Rule{Verdict: policy.Continue, Set: []policy.Assignment{{Field: policy.Mark, To: []policy.Range{policy.Is(7)}}}})},
				"firewall:f": {list("fw", forward, policy.Permit, deny(policy.Term{Field: policy.Mark, Of: []policy.Range{policy.Is(7)}}))},
			},
			"yes, yes",
		},
		{
			"a filter of the bridge, by the bridge's name", "v", "u", web, "",
			map[string][]*policy.Filter{"host:h": {list("b", policy.Attachment{Hook: policy.HookForward, Bridged: true}, policy.Permit,
				deny(policy.Term{Field: policy.InInterface, Names: []string{"br0"}}))}},
			"no, no",
		},
		{
			"routes that were not read whole", "v", "w", web,
			"~firewall:f Contains route:f/default/203.0.113.0%2F24/v120\n~route:f/default/203.0.113.0%2F24/v120 prefix=203.0.113.0/24", nil,
			"unknown, unknown: the routes of f were not read whole: there may be better ones",
		},
		{"policy routing", "v", "w", web, "firewall:f policyRule=100 ipv4 from 192.0.2.0/24 lookup 7", nil, "unknown, unknown: a rule of policy routing on f: 100 ipv4 from 192.0.2.0/24 lookup 7"},
		{"the rules of every kernel", "v", "w", web, "firewall:f policyRule=32766 ipv4 from all lookup main", nil, "yes, yes"},
		{"a network filter of which nobody knows the rules", "v", "u", web, "vnic:v/n filterRef=clean", nil, "unknown, unknown: the rules of clean, the network filter of v/n, are not known"},

		{
			"a translation on the way, and a filter that would drop what the one asked for answers", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {
				nat(policy.Term{Field: policy.OutInterface, Names: []string{"f1.130"}}),
				list("back", policy.Attachment{Hook: policy.HookPrerouting, Interface: "f1.130"}, policy.Deny),
			}},
			"yes, no",
		},
		{
			"a translation of what an earlier rule has marked", "v", "w", web, "",
			map[string][]*policy.Filter{"firewall:f": {
				list("mark", forward, policy.Permit, policy.Rule{Verdict: policy.Continue, Set: []policy.Assignment{{Field: policy.Mark, To: []policy.Range{policy.Is(7)}}}}),
				nat(policy.Term{Field: policy.Mark, Of: []policy.Range{policy.Is(7)}}),
			}},
			"yes, yes",
		},
		{
			"the network filter of a vNIC is not the filter of its host", "v", "u", web, "-filtertext:none AppliesTo host:h\nfilter:h/nw AppliesTo vnic:v/n\nvnic:v/n filterRef=clean",
			map[string][]*policy.Filter{"host:h": {list("nw", policy.Attachment{Hook: policy.HookIngress, Interface: "v/n"}, policy.Permit)}},
			"unknown, unknown: nobody has read the filters of h",
		},
		{
			"the network filter of a vNIC", "v", "u", web, "filter:h/nw AppliesTo vnic:v/n\nvnic:v/n filterRef=clean",
			map[string][]*policy.Filter{"host:h": {list("nw", policy.Attachment{Hook: policy.HookIngress, Interface: "v/n"}, policy.Deny, permit(isTCP(), port(81)))}},
			"no, no",
		},
		{"two with one address", "v", "w", web, "vm:x Contains vnic:x/n\nvnic:x/n address=198.51.100.10/24", nil, "unknown, yes: several have the address 198.51.100.10: w/n, x/n"},
		{
			"whoever may have seen packets whose way is not known may know the replies", "v", "w", web, "-vnic:v/n address=192.0.2.10/24\nvnic:v/n address=192.0.2.10/32",
			map[string][]*policy.Filter{"firewall:f": {stateful}},
			"unknown, unknown: no source says the subnet of v/n, so nobody knows whether it needs a gateway",
		},
		{"no address known of the target's subnet", "v", "w", web, "-vnic:v/n address=192.0.2.10/24\nvnic:v/n address=192.0.2.10/32", nil, "unknown, yes: no source says the subnet of v/n, so nobody knows whether it needs a gateway"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ask(t, scene(t, c.changes, c.filters), c.from, c.to, c.flow); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestBetween_toADevice: what a packet opens with a device itself, that device knows when it answers.
func TestBetween_toADevice(t *testing.T) {
	t.Parallel()
	out := list("out", policy.Attachment{Hook: policy.HookOutput}, policy.Deny, permit(established()))
	s := scene(t, "", map[string][]*policy.Filter{"firewall:f": {out}})
	end := func(kind topology.Kind, id string) reach.Endpoint {
		n, ok := s.Node(topology.Key{Kind: kind, ID: id})
		if !ok {
			t.Fatalf("no %s", id)
		}
		return reach.Endpoints(n)[0]
	}
	for _, to := range []string{"f/v120", "f/v130"} {
		a, err := network(s).Between(t.Context(), end(topology.VNIC, "v/n"), end(topology.Port, to), tcpTo(22))
		if err != nil || a.Forward.Verdict != reach.Yes || a.Return.Verdict != reach.Yes {
			t.Errorf("to %s: there %s, back %s, %v", to, a.Forward.Verdict, a.Return.Verdict, err)
		}
	}
	// A list that filters nothing of the device itself: what it answers leaves, what others answer does not.
	for transit, want := range map[bool]reach.Verdict{true: reach.Yes, false: reach.No} {
		list := list("out", policy.Attachment{Hook: policy.HookPostrouting, Interface: "f1.120", Transit: transit}, policy.Deny)
		s := scene(t, "", map[string][]*policy.Filter{"firewall:f": {list}})
		from, _ := s.Node(topology.Key{Kind: topology.VNIC, ID: "v/n"})
		for to, want := range map[topology.Key]reach.Verdict{{Kind: topology.Port, ID: "f/v120"}: want, {Kind: topology.VNIC, ID: "w/n"}: reach.No} {
			node, _ := s.Node(to)
			a, err := network(s).Between(t.Context(), reach.Endpoints(from)[0], reach.Endpoints(node)[0], tcpTo(22))
			if err != nil || a.Forward.Verdict != reach.Yes || a.Return.Verdict != want {
				t.Errorf("to %s, transit %t: there %s, back %s, %v", to, transit, a.Forward.Verdict, a.Return.Verdict, err)
			}
		}
	}
}

// TestBetween_limits: a question that takes too long, or too much, is unknown and says so; one that nobody waits for is an error.
func TestBetween_limits(t *testing.T) {
	t.Parallel()
	s := scene(t, "", nil)
	end := func(id string) reach.Endpoint {
		n, _ := s.Node(topology.Key{Kind: topology.VNIC, ID: id})
		return reach.Endpoints(n)[0]
	}
	ctx, done := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer done()
	a, err := network(s).Between(ctx, end("v/n"), end("w/n"), reach.Flow{})
	if err != nil || a.Verdict != reach.NotKnown || a.Limit != "the question took longer than it may" || a.Forward.Verdict != reach.NotKnown || a.Return.Doubts[0] != a.Limit {
		t.Errorf("%s, %q, %v", a.Verdict, a.Limit, err)
	}
	c, err := reach.Compare(ctx, network(s), network(s), [2]reach.Endpoint{end("v/n"), end("w/n")}, [2]reach.Endpoint{end("v/n"), end("w/n")}, reach.Flow{})
	if err != nil || c.Limit == "" || c.Same() {
		t.Errorf("compared: %q, %v", c.Limit, err)
	}
	ctx, done = context.WithCancel(t.Context())
	done()
	if _, err := network(s).Between(ctx, end("v/n"), end("w/n"), reach.Flow{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestJoined: of two addresses that fare differently neither speaks for both.
func TestJoined(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		all  []reach.Verdict
		want reach.Verdict
	}{
		{nil, reach.NotKnown},
		{[]reach.Verdict{reach.Yes, reach.Yes}, reach.Yes},
		{[]reach.Verdict{reach.No, reach.No}, reach.No},
		{[]reach.Verdict{reach.No, reach.Yes}, reach.Some},
		{[]reach.Verdict{reach.No, reach.Some}, reach.Some},
		{[]reach.Verdict{reach.Yes, reach.NotKnown}, reach.Some},
		{[]reach.Verdict{reach.No, reach.NotKnown}, reach.NotKnown},
		{[]reach.Verdict{reach.NotKnown, reach.NotKnown}, reach.NotKnown},
	} {
		if got := reach.Joined(c.all...); got != c.want {
			t.Errorf("%v: %s, want %s", c.all, got, c.want)
		}
	}
}
