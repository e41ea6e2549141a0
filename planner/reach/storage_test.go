package reach_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// san is two hosts and an array at one switch, in one virtual fabric. Host 1 is zoned to both ports of the array; the unit is shown to both hosts.
const san = `
host:h1 Contains initiatorport:10:00:00:00:00:00:00:01
host:h2 Contains initiatorport:10:00:00:00:00:00:00:02
host:h1 name=h1
host:h2 name=h2
fcswitch:m1 Contains fcfabric:m1/50
fcswitch:m1 sysName=m1
fcswitch:m1 Contains fcport:m1/fc1
fcswitch:m1 Contains fcport:m1/fc2
fcswitch:m1 Contains fcport:m1/fc3
fcswitch:m1 Contains fcport:m1/fc4
fcport:m1/fc1 ifName=fc1
fcport:m1/fc2 ifName=fc2
fcport:m1/fc3 ifName=fc3
fcport:m1/fc4 ifName=fc4
fcport:m1/fc1 MemberOf fcfabric:m1/50
fcport:m1/fc2 MemberOf fcfabric:m1/50
fcport:m1/fc3 MemberOf fcfabric:m1/50
fcport:m1/fc4 MemberOf fcfabric:m1/50
fcport:10:00:00:00:00:00:00:01 LoggedIn fcport:m1/fc1
fcport:10:00:00:00:00:00:00:02 LoggedIn fcport:m1/fc2
fcport:50:00:00:00:00:00:00:0a LoggedIn fcport:m1/fc3
fcport:50:00:00:00:00:00:00:0b LoggedIn fcport:m1/fc4
fcport:10:00:00:00:00:00:00:01 nPortID=0x010100
fcport:10:00:00:00:00:00:00:02 nPortID=0x010200
fcport:50:00:00:00:00:00:00:0a nPortID=0x010300
fcport:50:00:00:00:00:00:00:0b nPortID=0x010400
fcport:10:00:00:00:00:00:00:01 wwnn=20:00:00:00:00:00:00:01
fcport:10:00:00:00:00:00:00:02 wwnn=20:00:00:00:00:00:00:02
fcport:50:00:00:00:00:00:00:0a wwnn=50:00:00:00:00:00:00:00
fcport:50:00:00:00:00:00:00:0b wwnn=50:00:00:00:00:00:00:00
fczoneset:m1/50/active/s MemberOf fcfabric:m1/50
fczoneset:m1/50/active/s state=active
fcfabric:m1/50 forwardMode=zoning
fczone:m1/50/active/default-zone MemberOf fcfabric:m1/50
fczone:m1/50/active/default-zone state=deny
fcswitch:m1 Contains fczone:m1/50/active/z
fczone:m1/50/active/z MemberOf fczoneset:m1/50/active/s
fczone:m1/50/active/z name=z
fczone:m1/50/active/z zoneMember=pwwn 10:00:00:00:00:00:00:01
fczone:m1/50/active/z zoneMember=pwwn 50:00:00:00:00:00:00:0a
fczone:m1/50/active/z zoneMember=pwwn 50:00:00:00:00:00:00:0b
array:a Contains targetport:50:00:00:00:00:00:00:0a
array:a Contains targetport:50:00:00:00:00:00:00:0b
array:a Contains logicalunit:u
array:a Contains mapping:a/m
mapping:a/m MapsUnit logicalunit:u
mapping:a/m MapsTarget targetport:50:00:00:00:00:00:00:0a
mapping:a/m MapsTarget targetport:50:00:00:00:00:00:00:0b
mapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:01
mapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:02
mapping:a/m lun=3
`

// built is a scene with lines taken away ("-LINE") and added ("LINE"; "!LINE" was said two hours ago, "~LINE" by a reading that is partial).
func built(t *testing.T, base, changes string) *topology.Snapshot {
	t.Helper()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	reading := func(table string, age time.Duration, partial bool) topology.Reading {
		return topology.Reading{ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceCLI, Table: table, Partial: partial}, Time: now.Add(-age)}
	}
	whole, old, some := reading("all", 0, false), reading("old", 2*time.Hour, false), reading("some", 0, true)
	d := topology.Delta{Time: now, Renew: []topology.Reading{some, old, whole}}
	lines := strings.Split(base, "\n")
	for line := range strings.Lines(changes) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "-") {
			n := len(lines)
			if lines = deleteLine(lines, line[1:]); len(lines) == n {
				t.Fatalf("%q is not there", line)
			}
			continue
		}
		lines = append(lines, line)
	}
	for _, line := range lines {
		line, aged := strings.CutPrefix(strings.TrimSpace(line), "!")
		line, partial := strings.CutPrefix(line, "~")
		if line == "" {
			continue
		}
		f := factOf(t, line)
		f.Reading, f.Since = whole.ReadingKey, now
		switch {
		case aged:
			f.Reading = old.ReadingKey
		case partial:
			f.Reading = some.ReadingKey
		}
		d.Add = append(d.Add, f)
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// storage words the answer for one node and one unit: its verdict, then each path with the reason that decides.
func storage(t *testing.T, s *topology.Snapshot, from, unit string) string {
	t.Helper()
	at := func(text string) topology.Node {
		k, err := topology.ParseKey(text)
		if err != nil {
			t.Fatal(err)
		}
		n, ok := s.Node(k)
		if !ok {
			t.Fatalf("no %s", text)
		}
		return n
	}
	a, err := network(s).Storage(t.Context(), at(from), at(unit))
	if err != nil {
		t.Fatal(err)
	}
	head := string(a.Verdict)
	if a.Why != "" {
		head += ": " + a.Why
	}
	lines := []string{head}
	for _, p := range a.Paths {
		why := ""
		if p.Verdict != reach.Yes {
			why = ", " + p.Why()
		}
		if line := fmt.Sprintf("%s%s", p.Verdict, why); !slices.Contains(lines[1:], line) { // paths that differ in nothing are one line
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

const (
	inZone = "fczone:m1/50/active/z zoneMember=pwwn "
	other  = "fczone:m1/50/active/z zoneMember="
)

// emptied is the zone without its members; partialMap is the mapping as a reading has it that is partial.
const (
	emptied    = "-" + inZone + "10:00:00:00:00:00:00:01\n-" + inZone + "50:00:00:00:00:00:00:0a\n-" + inZone + "50:00:00:00:00:00:00:0b\n"
	partialMap = "-mapping:a/m MapsUnit logicalunit:u\n~mapping:a/m MapsUnit logicalunit:u\n"
)

// apart is the array at a second switch, of which the name server and the links are not known.
const apart = `
-fcport:50:00:00:00:00:00:00:0a LoggedIn fcport:m1/fc3
-fcport:50:00:00:00:00:00:00:0b LoggedIn fcport:m1/fc4
fcswitch:m2 sysName=m2
fcswitch:m2 Contains fcport:m2/fc3
fcswitch:m2 Contains fcport:m2/fc4
fcswitch:m2 Contains fcfabric:m2/50
fcport:m2/fc3 MemberOf fcfabric:m2/50
fcport:m2/fc4 MemberOf fcfabric:m2/50
fcport:50:00:00:00:00:00:00:0a LoggedIn fcport:m2/fc3
fcport:50:00:00:00:00:00:00:0b LoggedIn fcport:m2/fc4
`

// linked is a link between the two switches.
const linked = apart + `
fcswitch:m1 Contains fcport:m1/e1
fcswitch:m2 Contains fcport:m2/e1
fcport:m1/e1 Link fcport:m2/e1
fcport:m1/e1 MemberOf fcfabric:m1/50
fcport:m2/e1 MemberOf fcfabric:m2/50
fcport:m1/e1 state=up
fcport:m2/e1 ifName=e1
`

// nameServer has h1 and both ports of the array.
const nameServer = `
initiatorport:10:00:00:00:00:00:00:01 MemberOf fcfabric:m1/50
targetport:50:00:00:00:00:00:00:0a MemberOf fcfabric:m1/50
targetport:50:00:00:00:00:00:00:0b MemberOf fcfabric:m1/50
`

func TestStorage_fibreChannel(t *testing.T) {
	t.Parallel()
	const noZone = "no; no, no zone in force holds both"
	swap := func(what ...string) string { // h1's place in the zone is taken by something else
		return "-" + inZone + "10:00:00:00:00:00:00:01\n" + other + strings.Join(what, "\n"+other)
	}
	for _, c := range []struct{ name, from, changes, want string }{
		{"logged in, zoned and mapped", "host:h1", "", "yes; yes"},
		{"in no zone", "host:h2", "", noZone},
		{"not mapped", "host:h1", "-mapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:01", "no; no, no mapping of u admits 10:00:00:00:00:00:00:01 at 50:00:00:00:00:00:00:0a; no, no mapping of u admits 10:00:00:00:00:00:00:01 at 50:00:00:00:00:00:00:0b"},
		{
			"mapped at one port", "host:h1", "-mapping:a/m MapsTarget targetport:50:00:00:00:00:00:00:0b\ntargetport:50:00:00:00:00:00:00:0b Exports logicalunit:u",
			"yes; yes; no, no mapping of u admits 10:00:00:00:00:00:00:01 at 50:00:00:00:00:00:00:0b",
		},
		{"a zone set that is only configured", "host:h1", "-fczoneset:m1/50/active/s state=active\nfczoneset:m1/50/active/s state=configured", "unknown; unknown, no source says which zones are in force in VSAN 50 of m1"},
		{"zones that were not read whole, and do not have it", "host:h2", "-fczoneset:m1/50/active/s MemberOf fcfabric:m1/50\n~fczoneset:m1/50/active/s MemberOf fcfabric:m1/50", "unknown; unknown, the zones of VSAN 50 of m1 were not read whole"},
		{"and that have it", "host:h1", "-fczoneset:m1/50/active/s MemberOf fcfabric:m1/50\n~fczoneset:m1/50/active/s MemberOf fcfabric:m1/50", "yes; yes"},

		{"by node name", "host:h1", swap("nwwn 20:00:00:00:00:00:00:01"), "yes; yes"},
		{"by another node name", "host:h1", swap("nwwn 20:00:00:00:00:00:00:09"), noZone},
		{"by node name, which nobody has said of the port", "host:h1", swap("nwwn 20:00:00:00:00:00:00:01") + "\n-fcport:10:00:00:00:00:00:00:01 wwnn=20:00:00:00:00:00:00:01", `unknown; unknown, whether zone z holds both is not known: nobody says which port is "nwwn 20:00:00:00:00:00:00:01"`},
		{"by address", "host:h1", swap("fcid 0x010100 logged-in"), "yes; yes"},
		{"by another address", "host:h1", swap("fcid 0x010200 logged-in"), noZone},
		{"by interface and domain", "host:h1", swap("interface fc1 domain-id 1"), "yes; yes"},
		{"by interface of another domain", "host:h1", swap("interface fc1 domain-id 2"), noZone},
		{"by another interface", "host:h1", swap("interface fc2 swwn 20:00:00:00:00:00:00:aa"), noZone},
		{"by interface and switch", "host:h1", swap("interface fc1 swwn 20:00:00:00:00:00:00:aa") + "\nfcswitch:m1 wwnn=20:00:00:00:00:00:00:aa", "yes; yes"},
		{"by interface of a switch whose name nobody says", "host:h1", swap("interface fc1 swwn 20:00:00:00:00:00:00:aa"), `unknown; unknown, whether zone z holds both is not known: nobody says which port is "interface fc1 swwn 20:00:00:00:00:00:00:aa"`},
		{"by domain and port", "host:h1", swap("domain-id 1 port-number 7") + "\nfcport:m1/fc1 ifIndex=7", "yes; yes"},
		{"by domain and another port", "host:h1", swap("domain-id 1 port-number 8") + "\nfcport:m1/fc1 ifIndex=7", noZone},
		{"by domain and port, of which nobody knows the number", "host:h1", swap("domain-id 1 port-number 7"), `unknown; unknown, whether zone z holds both is not known: nobody says which port is "domain-id 1 port-number 7"`},
		{"by the name of the switch's port", "host:h1", swap("fwwn 20:01:00:00:00:00:00:aa") + "\nfcport:m1/fc1 wwpn=20:01:00:00:00:00:00:aa", "yes; yes"},
		{"by alias", "host:h1", swap("device-alias one") + "\nfcswitch:m1 Contains fczonealias:m1/one\nfcport:10:00:00:00:00:00:00:01 MemberOf fczonealias:m1/one", "yes; yes"},
		{"by the alias of another", "host:h1", swap("device-alias one") + "\nfcswitch:m1 Contains fczonealias:m1/one\nfcport:10:00:00:00:00:00:00:02 MemberOf fczonealias:m1/one", noZone},
		{"by an alias that nobody has read", "host:h1", swap("device-alias one"), `unknown; unknown, whether zone z holds both is not known: nobody says which port is "device-alias one"`},
		{"by an alias that was not read whole", "host:h1", swap("device-alias one") + "\n~fcswitch:m1 Contains fczonealias:m1/one\n~fcport:10:00:00:00:00:00:00:02 MemberOf fczonealias:m1/one", `unknown; unknown, whether zone z holds both is not known: nobody says which port is "device-alias one"`},
		{"an alias that nobody has read, alone in its zone, is one of the two at most", "host:h1", emptied + other + "device-alias one", "no; no, no zone in force holds both, and the default zone denies"},
		{"by address, and sources give the port two", "host:h1", swap("fcid 0x010100") + "\ninitiatorport:10:00:00:00:00:00:00:01 nPortID=0x010900", `unknown; unknown, whether zone z holds both is not known: nobody says which port is "fcid 0x010100"`},
		{"nothing but what nobody understood", "host:h1", emptied + "fczone:m1/50/active/z unparsed=f:7: frob", `unknown; unknown, whether zone z holds both is not known: nobody says which port is "f:7: frob"`},
		{"something that nobody understood", "host:h1", swap("pwwn 10:00:00:00:00:00:00:09") + "\nfczone:m1/50/active/z unparsed=f:7: frob", `unknown; unknown, whether zone z holds both is not known: nobody says which port is "f:7: frob"`},

		{"smart zoning: two of one role", "host:h1", swap("pwwn 10:00:00:00:00:00:00:01 target") + "\n-fcfabric:m1/50 forwardMode=zoning\nfcfabric:m1/50 forwardMode=smart-zoning\n" + targets("target"), noZone},
		{"smart zoning: initiator and target", "host:h1", swap("pwwn 10:00:00:00:00:00:00:01 init") + "\n-fcfabric:m1/50 forwardMode=zoning\nfcfabric:m1/50 forwardMode=smart-zoning\n" + targets("target"), "yes; yes"},
		{"roles where they do not count", "host:h1", swap("pwwn 10:00:00:00:00:00:00:01 target") + "\n" + targets("target"), "yes; yes"},
		{"roles, and nobody says whether they count", "host:h1", swap("pwwn 10:00:00:00:00:00:00:01 target") + "\n-fcfabric:m1/50 forwardMode=zoning\n" + targets("target"), "unknown; unknown, whether zone z holds both is not known: whether members of these roles meet"},
		{"a peer zone: peer and principal", "host:h1", swap("pwwn 10:00:00:00:00:00:00:01 peer") + "\n" + targets("principal"), "yes; yes"},
		{"a peer zone: two peers", "host:h1", swap("pwwn 10:00:00:00:00:00:00:01 peer") + "\n" + targets("peer"), noZone},
		{"a peer zone: two principals", "host:h1", swap("pwwn 10:00:00:00:00:00:00:01 principal") + "\n" + targets("principal"), "unknown; unknown, whether zone z holds both is not known: whether members of these roles meet"},

		{"the default zone permits those that are in none", "host:h1", "-fczone:m1/50/active/z MemberOf fczoneset:m1/50/active/s\n-fczone:m1/50/active/default-zone state=deny\nfczone:m1/50/active/default-zone state=permit", "yes; yes"},
		{"and not those that are in one", "host:h2", "-fczone:m1/50/active/default-zone state=deny\nfczone:m1/50/active/default-zone state=permit", noZone},
		{"nobody says what the default zone does", "host:h1", "-fczone:m1/50/active/z MemberOf fczoneset:m1/50/active/s\n-fczone:m1/50/active/default-zone state=deny", "unknown; unknown, neither is in a zone, and nobody says what the default zone does"},

		{"in another virtual fabric of the switch", "host:h1", "-fcport:m1/fc1 MemberOf fcfabric:m1/50\nfcswitch:m1 Contains fcfabric:m1/60\nfcport:m1/fc1 MemberOf fcfabric:m1/60", "no; no, one is in VSAN 60 of m1, the other in VSAN 50 of m1"},
		{
			"in another one, and what routes between them is not read", "host:h1",
			"-fcport:m1/fc1 MemberOf fcfabric:m1/50\nfcswitch:m1 Contains fcfabric:m1/60\nfcport:m1/fc1 MemberOf fcfabric:m1/60\nfczone:m1/50/active/z forwardMode=inter-fabric",
			"unknown; unknown, zone z of VSAN 50 of m1 holds both, and is one of inter-VSAN routing: what that does is not read",
		},
		{"in two virtual fabrics", "host:h1", "fcswitch:m1 Contains fcfabric:m1/60\nfcport:m1/fc1 MemberOf fcfabric:m1/60", "unknown; unknown, 10:00:00:00:00:00:00:01 is said to be in VSAN 50 of m1 and in VSAN 60 of m1"},
		{"no login is known", "host:h1", "-fcport:10:00:00:00:00:00:00:01 LoggedIn fcport:m1/fc1", "unknown; unknown, no source has a login of 10:00:00:00:00:00:00:01: collect the FC switch at its other end"},
		{"a login that is old", "host:h1", "-fcport:10:00:00:00:00:00:00:01 LoggedIn fcport:m1/fc1\n!fcport:10:00:00:00:00:00:00:01 LoggedIn fcport:m1/fc1", "unknown; unknown, what test said by cli old is 2h1m0s old: collect it"},
		{"a login at a port that is down", "host:h1", "fcport:m1/fc1 state=down", "unknown; unknown, 10:00:00:00:00:00:00:01 is said to be logged in at m1 fc1, and that says: state is down"},
		{"an adapter that is down", "host:h1", "initiatorport:10:00:00:00:00:00:00:01 state=linkdown", "no; no, 10:00:00:00:00:00:00:01: port is linkdown"},
		{"zones that do not see it logged in", "host:h1", "-" + inZone + "50:00:00:00:00:00:00:0a\n" + inZone + "50:00:00:00:00:00:00:0a logged-in 0x010300", "unknown; unknown, the zones of VSAN 50 of m1 do not see 10:00:00:00:00:00:00:01 logged in, although others do"},

		{"two switches, and nobody knows how they are joined", "host:h1", apart, "unknown; unknown, no source says by which links m1 and m2 are joined: collect the name server of one of them"},
		{"zones that do not see it logged in, and were not read whole", "host:h1", "-fczoneset:m1/50/active/s MemberOf fcfabric:m1/50\n~fczoneset:m1/50/active/s MemberOf fcfabric:m1/50\n-" + inZone + "50:00:00:00:00:00:00:0a\n" + inZone + "50:00:00:00:00:00:00:0a logged-in 0x010300", "yes; yes"},
		{"an adapter that was down", "host:h1", "!initiatorport:10:00:00:00:00:00:00:01 state=linkdown", "unknown; unknown, what test said by cli old is 2h1m0s old: collect it"},
		{"two switches, linked, and two virtual fabrics", "host:h1", linked + "fcport:m2/e1 state=up\nfcswitch:m2 Contains fcfabric:m2/60\n-fcport:m2/fc3 MemberOf fcfabric:m2/50\nfcport:m2/fc3 MemberOf fcfabric:m2/60\n-fcport:m2/fc4 MemberOf fcfabric:m2/50\nfcport:m2/fc4 MemberOf fcfabric:m2/60\nfcport:m1/e1 MemberOf fcfabric:m1/60\nfcport:m2/e1 MemberOf fcfabric:m2/60", "no; no, one is in VSAN 50 of m1, the other in VSAN 60 of m2"},
		{"a login that is old, and a name server that has one port of the array", "host:h1", apart + "-fcport:10:00:00:00:00:00:00:01 LoggedIn fcport:m1/fc1\n!fcport:10:00:00:00:00:00:00:01 LoggedIn fcport:m1/fc1\ntargetport:50:00:00:00:00:00:00:0a MemberOf fcfabric:m1/50", "unknown; unknown, what test said by cli old is 2h1m0s old: collect it"},
		{"two switches, and no zone has it", "host:h2", apart, noZone},
		{"a link that is up", "host:h1", linked + "fcport:m2/e1 state=up", "yes; yes"},
		{"a link that is down", "host:h1", linked + "fcport:m2/e1 state=down", "no; no, m2 e1: state is down"},
		{"a link of which one end says nothing", "host:h1", linked, "unknown; unknown, whether the links between m1 and m2 are up and carry VSAN 50 is not known"},
		{"a link that does not carry the fabric", "host:h1", linked + "fcport:m2/e1 state=up\n-fcport:m2/e1 MemberOf fcfabric:m2/50\nfcport:m2/e1 MemberOf fcfabric:m2/60", "no; no, m2 e1 does not carry VSAN 50"},
		{"a name server that has both", "host:h1", apart + nameServer, "yes; yes"},
		{"a name server that has one port of the array", "host:h1", apart + nameServer + "-targetport:50:00:00:00:00:00:00:0b MemberOf fcfabric:m1/50", "yes; yes; no, 50:00:00:00:00:00:00:0b is not logged in to VSAN 50 of m1"},
		{"a name server that was not read whole", "host:h1", apart + "initiatorport:10:00:00:00:00:00:00:01 MemberOf fcfabric:m1/50\n~targetport:50:00:00:00:00:00:00:0a MemberOf fcfabric:m1/50", "yes; yes; unknown, no source says by which links m1 and m2 are joined: collect the name server of one of them"},
		{"two switches with different zones", "host:h1", linked + "fcport:m2/e1 state=up\nfczoneset:m2/50/active/s MemberOf fcfabric:m2/50\nfczoneset:m2/50/active/s state=active\nfczone:m2/50/active/default-zone MemberOf fcfabric:m2/50\nfczone:m2/50/active/default-zone state=deny", "unknown; unknown, the zones of VSAN 50 of m2 differ from those of another switch"},

		{"the host itself sees the target, and no switch was read", "host:h1", "-fcport:10:00:00:00:00:00:00:01 LoggedIn fcport:m1/fc1\ninitiatorport:10:00:00:00:00:00:00:01 Nexus targetport:50:00:00:00:00:00:00:0a", "yes; yes; unknown, no source has a login of 10:00:00:00:00:00:00:01: collect the FC switch at its other end"},
		{"the host itself sees the target, and zones say otherwise", "host:h2", "initiatorport:10:00:00:00:00:00:00:02 Nexus targetport:50:00:00:00:00:00:00:0a", "unknown; unknown, no zone in force holds both; but 10:00:00:00:00:00:00:02 is logged in to 50:00:00:00:00:00:00:0a, as cli all of test says; no, no zone in force holds both"},
		{"the host itself sees one target and not the other", "host:h1", "host:h1 handle=test\n-fcport:10:00:00:00:00:00:00:01 LoggedIn fcport:m1/fc1\ninitiatorport:10:00:00:00:00:00:00:01 Nexus targetport:50:00:00:00:00:00:00:0a", "yes; yes; no, 10:00:00:00:00:00:00:01 is not logged in to 50:00:00:00:00:00:00:0b: cli all of test was read to the end and does not have it"},
		{"the host itself sees one target and not the other, although the fabric lets it", "host:h1", "host:h1 handle=test\ninitiatorport:10:00:00:00:00:00:00:01 Nexus targetport:50:00:00:00:00:00:00:0a", "yes; yes; unknown, 10:00:00:00:00:00:00:01 is not logged in to 50:00:00:00:00:00:00:0b: cli all of test was read to the end and does not have it, although nothing of the fabric speaks against it"},
		{"the host itself sees one target, and was not read to the end", "host:h1", "host:h1 handle=test\n-fcport:10:00:00:00:00:00:00:01 LoggedIn fcport:m1/fc1\n~initiatorport:10:00:00:00:00:00:00:01 Nexus targetport:50:00:00:00:00:00:00:0a", "unknown; unknown, no source has a login of 10:00:00:00:00:00:00:01: collect the FC switch at its other end"},
		{"that is old", "host:h2", "!initiatorport:10:00:00:00:00:00:00:02 Nexus targetport:50:00:00:00:00:00:00:0a", noZone},

		{"mappings that are old", "host:h1", "-mapping:a/m MapsUnit logicalunit:u\n!mapping:a/m MapsUnit logicalunit:u", "unknown; unknown, what test said by cli old is 2h1m0s old: collect it"},
		{"mappings that were not read whole, and name both", "host:h1", partialMap, "yes; yes"},
		{"mappings that were not read whole, and do not name it", "host:h1", partialMap + "-mapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:01", "unknown; unknown, the mappings of u were not read whole"},
		{"mappings that were not read whole, and name no port", "host:h1", partialMap + "-mapping:a/m MapsTarget targetport:50:00:00:00:00:00:00:0a\n-mapping:a/m MapsTarget targetport:50:00:00:00:00:00:00:0b", "unknown; unknown, the mappings of u were not read whole"},
		{"one that was not read whole, beside another that was, where zones stop what is known", "host:h2", partialMap + "array:a Contains mapping:a/n\nmapping:a/n MapsUnit logicalunit:u\nmapping:a/n MapsTarget targetport:50:00:00:00:00:00:00:0a", "unknown: the mappings of u were not read whole; no, no zone in force holds both"},
		{"mappings that name no port are of all", "host:h1", "-mapping:a/m MapsTarget targetport:50:00:00:00:00:00:00:0a\n-mapping:a/m MapsTarget targetport:50:00:00:00:00:00:00:0b", "yes; yes"},
		{"no array was read", "host:h1", noArray, "unknown: no array says at which ports it shows u, and to whom: collect it"},
		{"no array was read, and the host sees it", "host:h1", noArray + "host:h1 handle=test\ntargetport:50:00:00:00:00:00:00:0a Exports logicalunit:u", "yes; yes"},
		{
			"no array was read, and the host saw it long ago", "host:h1", noArray + "host:h1 handle=test\n!targetport:50:00:00:00:00:00:00:0a Exports logicalunit:u",
			"unknown; unknown, what test said by cli old is 2h1m0s old: collect it",
		},
		{"no array was read, and another host sees it", "host:h1", noArray + "host:h1 handle=elsewhere\ntargetport:50:00:00:00:00:00:00:0a Exports logicalunit:u", "unknown; unknown, no reading of h1 says that it sees u at 50:00:00:00:00:00:00:0a"},
		{"a host of which no adapter is known", "host:h1", "-host:h1 Contains initiatorport:10:00:00:00:00:00:00:01", "unknown: no source says which initiator ports h1 has: read the host by libvirt or SSH"},
		{"an array that somebody else reserved", "host:h1", "logicalunit:u unparsed=a: persistent reservation of 0x1", "unknown; unknown, of logicalunit u nobody understood a: persistent reservation of 0x1"},
		{"a VM is where its host is", "vm:v", "vm:v RunsOn host:h2", noZone},
		{"a VM that runs nowhere", "vm:v", "vm:v name=v", "unknown: no source says where v runs"},
		{"a VM with an adapter of its own (NPIV)", "vm:v", "vm:v RunsOn host:h2\nvm:v Contains initiatorport:10:00:00:00:00:00:00:03\nfcport:10:00:00:00:00:00:00:03 LoggedIn fcport:m1/fc2\n" +
			inZone + "10:00:00:00:00:00:00:03\nmapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:03", "yes; yes; no, no zone in force holds both"},
		{"zoned by the interface: all names that log in there", "host:h2", "host:h2 Contains initiatorport:10:00:00:00:00:00:00:04\nfcport:10:00:00:00:00:00:00:04 LoggedIn fcport:m1/fc2\nfcport:10:00:00:00:00:00:00:04 nPortID=0x010201\n" +
			other + "interface fc2 domain-id 1", "yes; yes; no, no mapping of u admits 10:00:00:00:00:00:00:04 at 50:00:00:00:00:00:00:0a; no, no mapping of u admits 10:00:00:00:00:00:00:04 at 50:00:00:00:00:00:00:0b"},
		{"one number for two units, each for one host", "host:h2", inZone + "10:00:00:00:00:00:00:02\n-mapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:02\n" + twin + "mapping:a/n MapsInitiator initiatorport:10:00:00:00:00:00:00:02", "no; no, no mapping of u admits 10:00:00:00:00:00:00:02 at 50:00:00:00:00:00:00:0a; no, no mapping of u admits 10:00:00:00:00:00:00:02 at 50:00:00:00:00:00:00:0b"},
		{"one number for two units, and one host", "host:h1", twin + "mapping:a/n MapsInitiator initiatorport:10:00:00:00:00:00:00:01", "unknown; unknown, w is shown to 10:00:00:00:00:00:00:01 under the same number, 3, at 50:00:00:00:00:00:00:0a; unknown, w is shown to 10:00:00:00:00:00:00:01 under the same number, 3, at 50:00:00:00:00:00:00:0b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := storage(t, built(t, san, c.changes), c.from, "logicalunit:u"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// targets gives both ports of the array a role in the zone.
func targets(role string) string {
	var b strings.Builder
	for _, t := range []string{"50:00:00:00:00:00:00:0a", "50:00:00:00:00:00:00:0b"} {
		fmt.Fprintf(&b, "-%s%s\n%s%s %s\n", inZone, t, inZone, t, role)
	}
	return b.String()
}

// twin is another unit, under the same number.
const twin = `
array:a Contains logicalunit:w
array:a Contains mapping:a/n
mapping:a/n MapsUnit logicalunit:w
mapping:a/n MapsTarget targetport:50:00:00:00:00:00:00:0a
mapping:a/n MapsTarget targetport:50:00:00:00:00:00:00:0b
mapping:a/n lun=3
`

// noArray is without what the array says.
const noArray = `
-array:a Contains targetport:50:00:00:00:00:00:00:0a
-array:a Contains targetport:50:00:00:00:00:00:00:0b
-array:a Contains mapping:a/m
-mapping:a/m MapsUnit logicalunit:u
`

// TestStorage_redundancy: names that log in at one port of a switch are one way.
func TestStorage_redundancy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, changes string
		want          reach.Redundancy
	}{
		{"one adapter, two ports of the array", "", reach.Redundancy{Paths: 2, Initiators: 1, Media: 1, Targets: 2}},
		{"two names at one port of the switch", `
host:h1 Contains initiatorport:10:00:00:00:00:00:00:03
fcport:10:00:00:00:00:00:00:03 LoggedIn fcport:m1/fc1
fczone:m1/50/active/z zoneMember=pwwn 10:00:00:00:00:00:00:03
mapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:03`, reach.Redundancy{Paths: 4, Initiators: 1, Media: 1, Targets: 2}},
		{"two adapters", `
host:h1 Contains initiatorport:10:00:00:00:00:00:00:03
fcport:10:00:00:00:00:00:00:03 LoggedIn fcport:m1/fc5
fcswitch:m1 Contains fcport:m1/fc5
fcport:m1/fc5 MemberOf fcfabric:m1/50
fczone:m1/50/active/z zoneMember=pwwn 10:00:00:00:00:00:00:03
mapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:03`, reach.Redundancy{Paths: 4, Initiators: 2, Media: 1, Targets: 2}},
	} {
		s := built(t, san, c.changes)
		h, _ := s.Node(topology.Key{Kind: topology.Host, ID: "h1"})
		u, _ := s.Node(topology.Key{Kind: topology.LogicalUnit, ID: "u"})
		a, err := network(s).Storage(t.Context(), h, u)
		if err != nil || a.Must != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, a.Must, err, c.want)
		}
	}
}
