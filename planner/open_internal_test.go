package planner

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
	"github.com/throughline-dc/throughline/topology/topologytest"
)

// openEstate is the VM v on host a, another one o on host b, whose switch port lacks its VLAN, and an array that shows a unit to a alone.
const openEstate = `
host:a name=a
host:b name=b
host:c name=c
vm:v name=web-07
vm:v RunsOn host:a
vm:v Contains vdisk:v/vda
vdisk:v/vda StoredOn logicalunit:naa.1
vm:v Contains vnic:v/n
vnic:v/n vid=110
vnic:v/n mac=02:00:00:00:00:07
vnic:v/n address=192.0.2.7/24
vnic:v/n AttachedTo virtualswitch:a/br0
host:a Contains virtualswitch:a/br0
host:a Contains nic:a/eno1
virtualswitch:a/br0 SupportedBy nic:a/eno1
nic:a/eno1 Link port:leaf1/Eth1
switch:leaf1 Contains port:leaf1/Eth1
port:leaf1/Eth1 tagged=110
filtertext:f AppliesTo host:a
filtertext:f AppliesTo host:b
filtertext:f AppliesTo switch:leaf1
filtertext:f state=parsed
vnic:o/n mac=02:00:00:00:00:08
vnic:o/n address=192.0.2.8/24
vm:o name=other
vm:o RunsOn host:b
vm:o Contains vnic:o/n
vnic:o/n deviceName=vnet3
vnic:o/n vid=110
vnic:o/n AttachedTo virtualswitch:b/br0
host:b Contains virtualswitch:b/br0
host:b Contains nic:b/eno1
virtualswitch:b/br0 SupportedBy nic:b/eno1
nic:b/eno1 Link port:leaf1/Eth2
switch:leaf1 name=leaf1
switch:leaf1 Contains port:leaf1/Eth2
switch:leaf1 Contains port:leaf1/Eth8
port:leaf1/Eth2 tagged=120
port:leaf1/Eth8 tagged=110,120
port:leaf1/Eth8 Link port:gw/e1
router:gw name=gw
router:gw Contains port:gw/e1
router:gw Contains port:gw/e1.110
port:gw/e1.110 vid=110
port:gw/e1.110 SupportedBy port:gw/e1
port:gw/e1.110 InSubnet subnet:192.0.2.0/24
array:x name=x
array:x Contains targetport:iqn.2026-01.example:t,192.0.2.9:3260
array:x Contains logicalunit:naa.1
array:x Contains mapping:x/1
array:x Contains logicalunit:naa.2
array:x Contains mapping:x/2
logicalunit:naa.1 name=data
logicalunit:naa.2 name=logs
vm:o Contains vdisk:o/vda
vdisk:o/vda StoredOn logicalunit:o/iqn.2026-01.example:t/2
logicalunit:o/iqn.2026-01.example:t/2 IdentifiedAs logicalunit:naa.2
targetport:iqn.2026-01.example:t,192.0.2.9:3260 Exports logicalunit:naa.1
targetport:iqn.2026-01.example:t,192.0.2.9:3260 Exports logicalunit:naa.2
targetport:iqn.2026-01.example:t,192.0.2.9:3260 iqn=iqn.2026-01.example:t
mapping:x/1 MapsUnit logicalunit:naa.1
mapping:x/1 MapsTarget targetport:iqn.2026-01.example:t,192.0.2.9:3260
mapping:x/1 MapsInitiator initiatorport:iqn.2026-01.example:a
mapping:x/2 MapsUnit logicalunit:naa.2
mapping:x/2 MapsTarget targetport:iqn.2026-01.example:t,192.0.2.9:3260
mapping:x/2 MapsInitiator initiatorport:iqn.2026-01.example:a
host:a Contains initiatorport:iqn.2026-01.example:a
host:b Contains initiatorport:iqn.2026-01.example:b
host:c Contains initiatorport:iqn.2026-01.example:c
`

func openSnapshot(t *testing.T, more ...topology.Fact) *topology.Snapshot {
	t.Helper()
	r := topology.Reading{ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceLibvirt, Table: "domains"}, Time: time.Unix(1e9, 0)}
	d := topology.Delta{Time: r.Time, Renew: []topology.Reading{r}}
	for line := range strings.Lines(strings.TrimSpace(openEstate)) {
		f, err := topologytest.Fact(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		more = append(more, f)
	}
	for _, f := range more {
		f.Reading = r.ReadingKey
		d.Add = append(d.Add, f)
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func vids(t *testing.T, text string) []topology.Value {
	t.Helper()
	v, err := topology.ParseValue(topology.TypeVIDs, text)
	if err != nil {
		t.Fatal(err)
	}
	return []topology.Value{v}
}

func list443(more ...policy.Rule) *policy.Filter {
	web := policy.Rule{
		Match: []policy.Term{
			{Field: policy.Destination, Family: policy.IPv4, Of: []policy.Range{{Lo: policy.Num(0xC0000207), Hi: policy.Num(0xC0000207)}}},
		},
		Verdict: policy.Permit, Text: "permit ip any host 192.0.2.7",
	}
	return &policy.Filter{
		Name: "in", Dialect: "ios", Family: policy.IPv4, Default: policy.Deny, Attached: []policy.Attachment{{Hook: policy.HookPrerouting, Interface: "e1"}},
		Rules: append(more, web),
	}
}

// TestOpens_unread: what a rule lets pass beside a filter of its device that cannot be read is not known, and the answer says which one that is.
func TestOpens_unread(t *testing.T) {
	t.Parallel()
	gw := topology.Key{Kind: topology.Router, ID: "gw"}
	list, broken := topology.PartKey(topology.Filter, gw, "in"), topology.PartKey(topology.Filter, gw, "odd")
	before := list443()
	s := openSnapshot(
		t, topology.Relate(gw, topology.Contains, list), topology.Attribute(list, topology.AttrRules, topology.TextValue(before.Encode())), topology.Attribute(list, topology.AttrName, topology.TextValue("in")),
		topology.Relate(gw, topology.Contains, broken), topology.Attribute(broken, topology.AttrRules, topology.TextValue("{")), topology.Attribute(broken, topology.AttrName, topology.TextValue("odd")),
	)
	own := policy.Rule{Match: []policy.Term{{Field: policy.Source, Family: policy.IPv4, Of: []policy.Range{policy.Is(0xC0000207)}}}, Verdict: policy.Permit, Text: "permit ip host 192.0.2.7 any"}
	change := topology.Change{Subject: list, Attr: topology.AttrRules, Before: []topology.Value{topology.TextValue(before.Encode())}, After: []topology.Value{topology.TextValue(list443(own).Encode())}}
	plan := &Plan{VM: topology.Key{Kind: topology.VM, ID: "v"}, Host: topology.Key{Kind: topology.Host, ID: "b"}}
	found, err := New(s, Policy{}, s.Time()).opens(t.Context(), plan, topology.ChangeSet{Changes: []topology.Change{change}})
	if err != nil || len(found) != 1 || found[0].Verdict != Unknown || !strings.HasPrefix(found[0].Text, "what in of gw lets pass besides is not known: of odd: it cannot be read: ") {
		t.Errorf("%v: %+v", err, found)
	}
}

// TestOpens: what acts do to others is told: who gets a way, or loses it, which packets pass besides, what is forbidden, and who sees units.
func TestOpens(t *testing.T) {
	t.Parallel()
	list := topology.PartKey(topology.Filter, topology.Key{Kind: topology.Router, ID: "gw"}, "in")
	router := topology.Key{Kind: topology.Router, ID: "gw"}
	rules := func(f *policy.Filter) []topology.Value { return []topology.Value{topology.TextValue(f.Encode())} }
	s := openSnapshot(t, topology.Relate(router, topology.Contains, list), topology.Attribute(list, topology.AttrRules, rules(list443())[0]), topology.Attribute(list, topology.AttrName, topology.TextValue("in")))
	port, unit := topology.Key{Kind: topology.Port, ID: "leaf1/Eth2"}, topology.Key{Kind: topology.Mapping, ID: "x/1"}
	tagged := func(from, to string) topology.Change {
		return topology.Change{Subject: port, Attr: topology.AttrTagged, Before: vids(t, from), After: vids(t, to)}
	}
	masked := func(mapping topology.Key, host string) topology.Change {
		return topology.Change{Subject: mapping, Rel: topology.MapsInitiator, Object: topology.Key{Kind: topology.InitiatorPort, ID: "iqn.2026-01.example:" + host}, Add: true}
	}
	any443 := policy.Rule{Match: []policy.Term{{Field: policy.Protocol, Of: []policy.Range{policy.Is(6)}}, {Field: policy.DestinationPort, Of: []policy.Range{policy.Is(443)}}}, Verdict: policy.Permit, Text: "permit tcp any any eq 443"}
	only := policy.Rule{Match: []policy.Term{{Field: policy.Source, Family: policy.IPv4, Of: []policy.Range{policy.Is(0xC0000207)}}}, Verdict: policy.Permit, Text: "permit ip host 192.0.2.7 any"}
	policies := Policy{Forbidden: []Demand{{Name: "zones", From: Selector{"other"}, To: Selector{"web-*"}}}}
	for _, c := range []struct {
		name   string
		change topology.Change
		want   string
	}{
		{"the other one gets a way", tagged("120", "110,120"), "warn NET-9: vnet3 of other on b gets a way to gw that it did not have\nblock NET-9: \"zones\" forbids what may then pass from other to web-07"},
		{"nothing that others use", tagged("120", "120,130"), ""},
		{"the target, what it is to see", masked(unit, "b"), ""},
		{"somebody else, what it is not to see", masked(unit, "c"), "block SAN-9: c may see unit data, on which web-07 writes, which it did not for certain before"},
		{"the target, another unit", masked(topology.Key{Kind: topology.Mapping, ID: "x/2"}, "b"), "warn SAN-9: b may see unit logs, which it did not for certain before"},
		{
			"an address, whoever logs in from there",
			topology.Change{Subject: topology.Key{Kind: topology.Mapping, ID: "x/2"}, Attr: topology.AttrInitiatorAddress, After: []topology.Value{topology.PrefixValue(netip.MustParsePrefix("192.0.2.22/32"))}},
			"warn SAN-9: whoever logs in from 192.0.2.22/32 may see logs of other, too",
		},
		{
			"an address, the VM's own unit", topology.Change{Subject: unit, Attr: topology.AttrInitiatorAddress, After: []topology.Value{topology.PrefixValue(netip.MustParsePrefix("192.0.2.22/32"))}}, "",
		},
		{
			"packets of others",
			topology.Change{Subject: list, Attr: topology.AttrRules, Before: rules(list443()), After: rules(list443(any443))},
			"warn NET-9: in of gw: passed from now on: tcp 443, from any to 0.0.0.0-192.0.2.6, from any to 192.0.2.8-255.255.255.255",
		},
		{"packets of its own", topology.Change{Subject: list, Attr: topology.AttrRules, Before: rules(list443()), After: rules(list443(only))}, ""},
	} {
		found, err := New(s, policies, s.Time()).opens(t.Context(), &Plan{VM: topology.Key{Kind: topology.VM, ID: "v"}, Host: topology.Key{Kind: topology.Host, ID: "b"}}, topology.ChangeSet{Changes: []topology.Change{c.change}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range found {
			got = append(got, f.Verdict.String()+" "+f.Code+": "+f.Text)
		}
		if d := cmp.Diff(c.want, strings.Join(got, "\n")); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}
