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
		if strings.HasPrefix(name, "bridge-") || name == "ip-neigh" || name == "lldp" || name == "frr-evpn-vni" {
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
