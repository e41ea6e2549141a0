package snmp_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/snmp"
)

// saying lists what a table of a small walk says of one attribute or relation, without the device's handle.
func saying(t *testing.T, table, word string, lines ...string) []string {
	t.Helper()
	observations, unparsed, err := snmp.Parse(snmp.AnswerWalk, []byte(strings.Join(lines, "\n")))
	if err != nil || len(unparsed) > 0 {
		t.Fatalf("%v, not understood: %v", err, unparsed)
	}
	said := []string{}
	for _, f := range tableOf(t, observations, table).Facts {
		if f.Attr.String() == word || f.Rel.String() == word {
			said = append(said, strings.ReplaceAll(f.String(), "@recording/", ""))
		}
	}
	slices.Sort(said)
	return said
}

const twoPorts = `.1.3.6.1.2.1.31.1.1.1.1.1 = STRING: "eth1"
.1.3.6.1.2.1.31.1.1.1.1.2 = STRING: "eth2"
.1.3.6.1.2.1.17.1.4.1.2.11 = INTEGER: 1
.1.3.6.1.2.1.17.1.4.1.2.12 = INTEGER: 2`

func TestForwardingDatabase_VLANs(t *testing.T) {
	t.Parallel()
	const learned = `.1.3.6.1.2.1.17.7.1.2.2.1.2.7.2.0.0.0.0.1 = INTEGER: 11
.1.3.6.1.2.1.17.7.1.2.2.1.3.7.2.0.0.0.0.1 = INTEGER: learned(3)`
	const base = ".1.3.6.1.2.1.17.7.1.4."
	for _, tt := range []struct{ name, vlans, want string }{
		{"no VLANs", "", "0"},
		{"a VLAN of the number of the database", base + `3.1.1.7 = STRING: "seven"`, "7"},
		{"the same in the current table", base + "2.1.4.0.7 = Hex-STRING: 00", "7"},
		{"a VLAN of another number", base + `3.1.1.8 = STRING: "eight"`, "0"},
		{"the database of a VLAN", base + "2.1.3.0.8 = Gauge32: 7", "8"},
		{"the database of a VLAN of another number", base + "2.1.3.0.7 = Gauge32: 8", "0"},
		{"no VLAN names a database", base + "2.1.3.0.7 = Gauge32: 0", "7"},
		{"the database of two VLANs", base + "2.1.3.0.8 = Gauge32: 7\n" + base + "2.1.3.0.9 = Gauge32: 7", "0"},
		{"of an older time mark", base + "2.1.3.0.8 = Gauge32: 7\n" + base + "2.1.3.5.8 = Gauge32: 9", "0"},
	} {
		got := saying(t, "dot1qTpFdbTable", "learned", twoPorts, learned, tt.vlans)
		if diff := cmp.Diff([]string{"port:eth1 learned=" + tt.want + " 02:00:00:00:00:01 learned"}, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
	}
}

func TestLLDP_localPorts(t *testing.T) {
	t.Parallel()
	const interfaces = twoPorts + `
.1.3.6.1.2.1.31.1.1.1.1.3 = STRING: "twin"
.1.3.6.1.2.1.31.1.1.1.1.4 = STRING: "twin"
.1.3.6.1.2.1.31.1.1.1.1.12 = STRING: "eth12"
.1.3.6.1.2.1.31.1.1.1.18.2 = STRING: "uplink"
.1.3.6.1.2.1.2.2.1.2.2 = STRING: "Port 2"
.1.3.6.1.2.1.2.2.1.6.2 = Hex-STRING: 02 00 00 00 00 02
.1.3.6.1.2.1.2.2.1.6.3 = Hex-STRING: 02 00 00 00 00 03
.1.3.6.1.2.1.2.2.1.6.4 = Hex-STRING: 02 00 00 00 00 03`
	const neighbor = `.1.0.8802.1.1.2.1.4.1.1.9.0.NUM.1 = STRING: "neighbour"`
	local := func(subtype, id, descr string) string {
		const base = ".1.0.8802.1.1.2.1.3.7.1."
		lines := base + "3.NUM = " + id
		if subtype != "" {
			lines += "\n" + base + "2.NUM = INTEGER: " + subtype
		}
		if descr != "" {
			lines += "\n" + base + "4.NUM = STRING: \"" + descr + "\""
		}
		return lines
	}
	for _, tt := range []struct{ name, number, port, want string }{
		{"no port ID: base port", "11", "", "eth1"},
		{"no port ID: base port before ifIndex", "12", "", "eth2"},
		{"no port ID: ifIndex", "2", "", "eth2"},
		{"no port ID, no such number", "77", "", "lldpLocPortNum 77"},
		{"name", "77", local("5", `STRING: "eth2"`, ""), "eth2"},
		{"name before base port", "11", local("5", `STRING: "eth2"`, ""), "eth2"},
		{"description of the interface as name", "77", local("5", `STRING: "Port 2"`, ""), "eth2"},
		{"a name that no interface has", "77", local("5", `STRING: "mgmt0"`, ""), "mgmt0"},
		{"a name that two have", "77", local("5", `STRING: "twin"`, ""), "lldpLocPortNum 77"},
		{"a name that two have, and the number of one", "4", local("5", `STRING: "twin"`, ""), "twin #4"},
		{"a name is no number", "77", local("5", `STRING: "2"`, ""), "2"},
		{"alias", "77", local("1", `STRING: "uplink"`, ""), "eth2"},
		{"MAC", "77", local("3", "Hex-STRING: 02 00 00 00 00 02", ""), "eth2"},
		{"MAC as text", "77", local("3", `STRING: "02:00:00:00:00:02"`, ""), "eth2"},
		{"MAC of two, and the number of one", "3", local("3", "Hex-STRING: 02 00 00 00 00 03", ""), "twin"},
		{"local: ifIndex", "77", local("7", `STRING: "2"`, ""), "eth2"},
		{"local: name", "77", local("7", `STRING: "eth2"`, ""), "eth2"},
		{"without a subtype", "77", local("", `STRING: "2"`, ""), "eth2"},
		{"description", "77", local("7", `STRING: "slot 9"`, "Port 2"), "eth2"},
		{"port ID before description", "77", local("7", `STRING: "eth1"`, "Port 2"), "eth1"},
	} {
		lines := strings.ReplaceAll(tt.port+"\n"+neighbor, "NUM", tt.number)
		got := saying(t, "lldpRemTable", "HasNeighbor", interfaces, strings.TrimPrefix(lines, "\n"))
		want := "port:" + tt.want + " HasNeighbor "
		if len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: %q, want %q", tt.name, got, want)
		}
	}
}

func TestVLANMembership(t *testing.T) {
	t.Parallel()
	const base = ".1.3.6.1.2.1.17.7.1.4."
	for _, tt := range []struct {
		name, table, vlans string
		tagged, untagged   []string
	}{
		{
			name: "current before static", table: "dot1qVlanCurrentTable",
			vlans: base + "2.1.4.0.7 = Hex-STRING: 00 20\n" + base + "2.1.5.0.7 = Hex-STRING: 00 00\n" +
				base + "3.1.2.7 = Hex-STRING: 00 30\n" + base + "3.1.4.7 = Hex-STRING: 00 30",
			tagged: []string{"port:eth1 tagged=7", "port:eth2 tagged="}, untagged: []string{"port:eth1 untagged=", "port:eth2 untagged="},
		},
		{
			name: "static alone", table: "dot1qVlanStaticTable",
			vlans:  base + "3.1.2.7 = Hex-STRING: 00 30\n" + base + "3.1.4.7 = Hex-STRING: 00 10",
			tagged: []string{"port:eth1 tagged=7", "port:eth2 tagged="}, untagged: []string{"port:eth1 untagged=", "port:eth2 untagged=7"},
		},
		{
			name: "nothing of static beside current", table: "dot1qVlanStaticTable",
			vlans:  base + "2.1.4.0.7 = Hex-STRING: 00 20\n" + base + "3.1.2.7 = Hex-STRING: 00 30",
			tagged: []string{}, untagged: []string{},
		},
		{
			name: "no bitmaps, no statement", table: "dot1qVlanCurrentTable", vlans: base + "2.1.3.0.7 = Gauge32: 7",
			tagged: []string{}, untagged: []string{},
		},
	} {
		for word, want := range map[string][]string{"tagged": tt.tagged, "untagged": tt.untagged} {
			if diff := cmp.Diff(want, saying(t, tt.table, word, twoPorts, tt.vlans)); diff != "" {
				t.Errorf("%s: %s: -want +got\n%s", tt.name, word, diff)
			}
		}
	}
}

func TestForwarding(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines []string
		want  []string
	}{
		"a router of both":  {[]string{".1.3.6.1.2.1.4.1.0 = INTEGER: 1", ".1.3.6.1.2.1.4.25.0 = INTEGER: 1"}, []string{"ipv4", "ipv6"}},
		"a router of one":   {[]string{".1.3.6.1.2.1.4.1.0 = INTEGER: 1", ".1.3.6.1.2.1.4.25.0 = INTEGER: 2"}, []string{"ipv4", "ipv6 off"}},
		"a host":            {[]string{".1.3.6.1.2.1.4.1.0 = INTEGER: 2"}, []string{"ipv4 off"}},
		"it does not say":   {[]string{".1.3.6.1.2.1.1.7.0 = INTEGER: 4"}, []string{}},
		"it says nonsense":  {[]string{".1.3.6.1.2.1.4.1.0 = INTEGER: 3"}, []string{}},
		"it says something": {[]string{`.1.3.6.1.2.1.4.1.0 = STRING: "yes"`}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := saying(t, "ip", "forwarding", c.lines...)
			for i := range got {
				_, got[i], _ = strings.Cut(got[i], "=")
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("it forwards %q, want %q", got, c.want)
			}
		})
	}
}
