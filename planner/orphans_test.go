package planner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// two switches with a trunk between them; VLAN 10 has a host and a gateway, VLAN 20 is passed by the two alone, VLAN 30 is on one of them and its trunk.
const twoSwitches = `
switch:s1 name=s1
switch:s2 name=s2
switch:s1 Contains vlan:s1/10
switch:s1 Contains vlan:s1/20
switch:s1 Contains vlan:s1/30
vlan:s1/10 vid=10
vlan:s1/20 vid=20
vlan:s1/30 vid=30
switch:s2 Contains vlan:s2/10
switch:s2 Contains vlan:s2/20
vlan:s2/10 vid=10
vlan:s2/20 vid=20
switch:s1 Contains port:s1/e1
switch:s1 Contains port:s1/trunk
switch:s2 Contains port:s2/trunk
switch:s2 Contains port:s2/vlan10
port:s2/vlan10 vid=10
port:s1/e1 untagged=10
port:s1/trunk tagged=10,20,30
port:s2/trunk tagged=10,20
port:s1/trunk Link port:s2/trunk
port:s1/e1 Link nic:h/eth0
host:h Contains nic:h/eth0
`

// fabric is a switch with a name server that has two of three ports, and two zones.
const fabricOfThree = `
fcswitch:m name=m
fcswitch:m Contains fcfabric:m/5
fczoneset:m/5/active/set state=active
fczoneset:m/5/active/set MemberOf fcfabric:m/5
fczone:m/5/active/good name=good
fczone:m/5/active/good MemberOf fczoneset:m/5/active/set
fczone:m/5/active/good zoneMember=pwwn 10:00:00:00:5e:00:53:01
fczone:m/5/active/good zoneMember=pwwn 50:00:00:00:5e:00:53:02
fczone:m/5/active/gone name=gone
fczone:m/5/active/gone MemberOf fczoneset:m/5/active/set
fczone:m/5/active/gone zoneMember=pwwn 10:00:00:00:5e:00:53:01
fczone:m/5/active/gone zoneMember=pwwn 10:00:00:00:5e:00:53:03
initiatorport:10:00:00:00:5e:00:53:01 MemberOf fcfabric:m/5
targetport:50:00:00:00:5e:00:53:02 MemberOf fcfabric:m/5
`

const arrayOfTwo = `
array:y name=y
array:y Contains logicalunit:naa.1
array:y Contains logicalunit:naa.2
array:y Contains mapping:y/1
mapping:y/1 MapsUnit logicalunit:naa.1
mapping:y/1 MapsInitiator initiatorport:10:00:00:00:5e:00:53:01
`

func filterLine(t *testing.T, rules string) string {
	t.Helper()
	f := policy.Filter{Name: "web", Dialect: "ios", Family: policy.IPv4, Default: policy.Deny}
	for rule := range strings.FieldsSeq(rules) {
		from, to := uint64(0), uint64(0)
		if _, err := fmt.Sscanf(rule, "%d-%d", &from, &to); err != nil {
			t.Fatal(err)
		}
		f.Rules = append(f.Rules, policy.Rule{Verdict: policy.Permit, Text: "permit " + rule, Match: []policy.Term{{Field: policy.DestinationPort, Of: []policy.Range{policy.FromTo(from, to)}}}})
	}
	return "switch:s1 name=s1\nswitch:s1 Contains filter:s1/web\nfilter:s1/web name=web\nfilter:s1/web rules=" + f.Encode()
}

func TestOrphans(t *testing.T) {
	t.Parallel()
	without := func(lines, gone string) string {
		if !strings.Contains(lines, gone) {
			t.Fatalf("%q is not there", gone)
		}
		return strings.Replace(lines, gone+"\n", "", 1)
	}
	aged := func(lines, line string) string { return without(lines, line) + "!" + line }
	for _, c := range []struct{ name, lines, want string }{
		{"VLANs", twoSwitches, "vlan: VLAN 20 of s1, s2: these pass it to each other, and nobody else has it\nvlan: VLAN 30 of s1: no port of it leads to anybody who has it, and it has no address there"},
		{"a station", twoSwitches + "port:s2/trunk learned=20 00:00:5e:00:53:01 learned", "vlan: VLAN 30 of s1: no port of it leads to anybody who has it, and it has no address there"},
		{"a cable that nobody knows", twoSwitches + "switch:s1 Contains port:s1/e2\nport:s1/e2 tagged=20,30", ""},
		{"that is shut", twoSwitches + "switch:s1 Contains port:s1/e2\nport:s1/e2 tagged=30\nport:s1/e2 adminState=down\nport:s2/trunk learned=20 00:00:5e:00:53:01 learned", "vlan: VLAN 30 of s1: no port of it leads to anybody who has it, and it has no address there"},
		{"what the far end has is not known", without(twoSwitches, "port:s2/trunk tagged=10,20"), "? vlan: no source says which VLANs the ports of s2 carry"},
		{"what its own ports have was read long ago", aged(twoSwitches, "port:s1/trunk tagged=10,20,30"), "? vlan: what h said by libvirt capabilities is too old: collect it\n? vlan: what h said by libvirt capabilities is too old: collect it"},
		{"zones", fabricOfThree, "zone: zone gone of m: of its 2 members 10:00:00:00:5e:00:53:01 alone is logged in"},
		{
			"zones of a name server that nobody read", without(without(fabricOfThree, "initiatorport:10:00:00:00:5e:00:53:01 MemberOf fcfabric:m/5"), "targetport:50:00:00:00:5e:00:53:02 MemberOf fcfabric:m/5"),
			"? zone: zone gone of m: no source has a login of 10:00:00:00:5e:00:53:01: collect the FC switch at its other end\n? zone: zone good of m: no source has a login of 10:00:00:00:5e:00:53:01: collect the FC switch at its other end",
		},
		{"a member that is no port name", fabricOfThree + "fczone:m/5/active/gone zoneMember=fcid 0x010300", "? zone: zone gone of m: which port is \"fcid 0x010300\", it does not say"},
		{"units", arrayOfTwo, "unit: unit naa.2 of y is mapped to nobody"},
		{"a mapping that admits nobody", without(arrayOfTwo, "mapping:y/1 MapsInitiator initiatorport:10:00:00:00:5e:00:53:01"), "unit: unit naa.1 of y: its mapping admits nobody\nunit: unit naa.2 of y is mapped to nobody"},
		{"mappings that nobody read", "array:y name=y\narray:y Contains logicalunit:naa.1", "? unit: no source says to whom unit naa.1 of y is mapped"},
		{"mappings read long ago", aged(arrayOfTwo, "array:y Contains mapping:y/1"), "? unit: what h said by libvirt capabilities is too old: collect it"},
		{"a unit that hosts use", arrayOfTwo + "host:h name=h\nhost:h Contains volume:h/dev\nvolume:h/dev StoredOn logicalunit:naa.2", "? unit: unit naa.2 of y is mapped to nobody, and hosts have storage on it"},
		{"rules", filterLine(t, "1-100 50-60 90-110"), "rule: filter web of s1: no packet gets to rule 2: permit 50-60; all are taken before by rule 1: permit 1-100"},
		{"a filter that cannot be read", "switch:s1 Contains filter:s1/web\nfilter:s1/web rules=nonsense", "? rule: filter web of s1: it cannot be read: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, err := planner.New(stated(t, c.lines), planner.Policy{}, noon.Add(time.Minute)).Orphans(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range o.Found {
				got = append(got, fmt.Sprintf("%s: %s", x.Kind, x.Text))
				if len(x.Objects) == 0 || len(x.Evidence) == 0 {
					t.Errorf("%s: objects %v, evidence %v", x.Text, x.Objects, x.Evidence)
				}
			}
			for _, x := range o.Unknown {
				got = append(got, fmt.Sprintf("? %s: %s", x.Kind, x.Text))
			}
			if text := strings.Join(got, "\n"); text != c.want && (!strings.HasSuffix(c.want, ": ") || !strings.HasPrefix(text, c.want)) {
				t.Errorf("\n got %s\nwant %s", text, c.want)
			}
			want := planner.Pass
			if len(o.Unknown) > 0 {
				want = planner.Unknown
			}
			if len(o.Found) > 0 {
				want = planner.Warn
			}
			if o.Verdict() != want {
				t.Errorf("%s, want %s", o.Verdict(), want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := planner.New(stated(t, twoSwitches), planner.Policy{}, noon).Orphans(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if o, err := planner.New(topology.Empty(), planner.Policy{}, noon).Orphans(t.Context()); err != nil || o.Verdict() != planner.Pass {
		t.Errorf("of nothing: %v, %v", o, err)
	}
}
