package ssh_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/topology"
)

// scenario is a device with its answers, some of them in both forms, and what it states.
type scenario struct {
	archive *txtar.Archive
	device  collectors.Device
	answers map[string][]byte
	old     map[string][]byte
}

func readScenario(t *testing.T, file string) scenario {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := scenario{archive: archive, answers: map[string][]byte{}, old: map[string][]byte{}}
	lines := strings.Split(strings.TrimSpace(string(archive.Comment)), "\n")
	var kind string
	if n, err := fmt.Sscanf(lines[len(lines)-1], "device %s %s", &kind, &s.device.Handle); n != 2 {
		t.Fatalf("%s: the last line before the answers is no device: %v", file, err)
	}
	if s.device.Kind, err = topology.ParseKind(kind); err != nil {
		t.Fatal(err)
	}
	s.device.Source = topology.SourceSSH
	for _, f := range archive.Files {
		switch name, form, _ := strings.Cut(f.Name, "."); {
		case name == "want":
		case form == "old":
			s.old[name] = f.Data
		default:
			s.answers[name] = f.Data
		}
	}
	return s
}

// said shows what the answers state, and what of them is not understood.
func (s scenario) said(t *testing.T, answers map[string][]byte) string {
	t.Helper()
	observations, unparsed := ssh.Replay(s.device, answers, time.Unix(0, 0))
	for _, problem := range collectortest.Problems(s.device, observations) {
		t.Error(problem)
	}
	for i := range observations {
		observations[i].Reading.Command = ""
	}
	return shownText(observations, unparsed)
}

// Both forms of an answer state the same: JSON, and the text that older systems print.
func TestNetwork_golden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/network/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := readScenario(t, file)
			got := s.said(t, s.answers)
			want := &s.archive.Files[len(s.archive.Files)-1]
			if os.Getenv("UPDATE_GOLDEN") == "1" {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(s.archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(strings.Split(string(want.Data), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("-want +got (UPDATE_GOLDEN=1 writes it)\n%s", diff)
			}
			for name, raw := range s.old {
				answers := maps.Clone(s.answers)
				answers[name] = raw
				if diff := cmp.Diff(withoutRows(got), withoutRows(s.said(t, answers))); diff != "" {
					t.Errorf("%s as text states other things (-JSON +text)\n%s", name, diff)
				}
			}
		})
	}
}

// withoutRows leaves out how many rows the readings had: text has lines that JSON has not.
func withoutRows(text string) []string {
	lines := strings.Split(text, "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, " rows") })
}

// What is no answer of a command is refused, and nothing is stated from it.
func TestNetwork_refusesWhatIsNoAnswer(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"bash: ip: command not found\n", "[{\"ifname\":", "{\"a\":1", "[1,2]", "\x00\x01\x02", "Object \"link\" is unknown, try \"ip help\".\n", "<html></html>",
	} {
		for _, name := range []string{
			"ip-link", "ip-addr", "ip-route", "ip-neigh", "ip-rule", "ip6-rule", "bridge-link", "bridge-vlan", "bridge-fdb", "lldp", "lldp-chassis", "lldp-interfaces",
			"frr-route", "frr-route6", "frr-evpn-vni",
		} {
			observations, _, err := ssh.Parse(name, []byte(raw))
			if !errors.Is(err, collectors.ErrMalformed) || len(observations) != 0 {
				t.Errorf("%s: %q gives %d observations and the error %v", name, raw, len(observations), err)
			}
		}
	}
}

// Nothing at all is an answer where there may be nothing, but not of interfaces: every network namespace has one.
func TestNetwork_emptyAnswers(t *testing.T) {
	t.Parallel()
	for _, name := range ssh.Answers() {
		if name == "bridge-link" || name == "bridge-fdb" || name == "ip-neigh" || name == "frr-evpn-vni" {
			if _, _, err := ssh.Parse(name, nil); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, name := range []string{"ip-link", "ip-addr"} {
		for _, raw := range []string{"", "[]", "[{},{}]"} {
			if _, _, err := ssh.Parse(name, []byte(raw)); !errors.Is(err, collectors.ErrMalformed) {
				t.Errorf("%s: %q: %v", name, raw, err)
			}
		}
	}
}

// Whatever stands in the first line of an interface, its details are its own: those of a line that is not understood go nowhere else.
func TestIPLink_headers(t *testing.T) {
	t.Parallel()
	const above = "2: eth2: <UP,LOWER_UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n"
	const details = "\n    link/ether 02:00:00:00:00:03 brd ff:ff:ff:ff:ff:ff\n    vlan protocol 802.1Q id 130 <REORDER_HDR>\n"
	for _, c := range []struct {
		header, name string // no name: it is not understood
		left         int
	}{
		{"3: eth3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP", "eth3", 0},
		{"3: eth3@if2: <BROADCAST,MULTICAST,UP,LOWER_UP,80000000> mtu 1500 state UNKNOWN", "eth3", 0},
		{"3: eth3: <UP,LOWER_UP,80ac00> mtu 1500 state UP", "eth3", 0},
		{"3: eth3: <> mtu 1500 state DOWN", "eth3", 0},
		{"3: eth3.130@eth2: <UP,M-DOWN> mtu 1500 state LOWERLAYERDOWN", "eth3.130", 0},
		{"3: a:b.c@eth2: <UP> mtu 1500 state UP", "a:b.c", 0},
		{"3: eth3: <UP,Lower_Up> mtu 1500 state UP", "eth3", 1},
		{"3: eth3: <UP,SIDEWAYS> mtu 1500 state UP", "eth3", 1},
		{"3: eth3: <UP>", "eth3", 0},
		{"3: eth3@a@eth2: <UP> mtu 1500", "", 1},
		{"3: eth3 state UP mtu 1500", "", 1},
		{"3: eth3: UP mtu 1500", "", 1},
		{"3: <UP> mtu 1500", "", 1},
		{"3x: eth3: <UP> mtu 1500", "", 1},
		{"Dump was interrupted and may be inconsistent.", "", 1},
	} {
		for _, table := range []string{"ip-link", "ip-addr"} {
			observations, unparsed, err := ssh.Parse(table, []byte(above+c.header+details+"4: eth4: <UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:04\n"))
			if err != nil || len(unparsed) != c.left {
				t.Errorf("%s: %q: %v, not understood: %v", table, c.header, err, unparsed)
				continue
			}
			var names, mine []string
			for _, f := range observations[0].Facts {
				name := f.Subject.ID[strings.LastIndexByte(f.Subject.ID, '/')+1:]
				switch f.Attr {
				case topology.AttrIfName:
					names = append(names, f.Value.String())
				case topology.AttrVID, topology.AttrMAC:
					mine = append(mine, name+" "+f.Value.String())
				}
			}
			want, own := []string{"eth2", "eth4"}, []string{"eth2 02:00:00:00:00:02", "eth4 02:00:00:00:00:04"}
			if c.name != "" {
				want, own = append(want, c.name), append(own, c.name+" 02:00:00:00:00:03", c.name+" 130")
			}
			slices.Sort(names)
			slices.Sort(mine)
			slices.Sort(want)
			slices.Sort(own)
			if !slices.Equal(names, want) || table == "ip-link" && !slices.Equal(mine, own) {
				t.Errorf("%s: %q: interfaces %q with %q, not %q with %q", table, c.header, names, mine, want, own)
			}
		}
	}
}
