package ssh_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/topology"
)

// answersIn reads the answers of a folder, by table.
func answersIn(tb testing.TB, dir string) map[string][]byte {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no answers in %s: %v", dir, err)
	}
	answers := map[string][]byte{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		answers[strings.TrimSuffix(filepath.Base(file), ".txt")] = raw
	}
	return answers
}

// shownText shows observations and what was not understood.
func shownText(observations []topology.Observation, unparsed []collectors.Unparsed) string {
	var b strings.Builder
	b.WriteString(collectortest.Text(observations))
	for _, u := range unparsed {
		fmt.Fprintf(&b, "not understood: %s: %q: %s\n", u.Where, u.Text, u.Why)
	}
	return b.String()
}

// hostGolden compares with a file, which UPDATE_GOLDEN=1 rewrites.
func hostGolden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (UPDATE_GOLDEN=1 writes it)", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s: -want +got\n%s", file, diff)
	}
}

// The answers of ovs are those of a real Open vSwitch 3.1 (userspace datapath; rows sorted, most of its own OpenFlow rules left out); those of
// san and tor are made up, with mistakes in them.
func TestHost_golden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		kind topology.Kind
	}{{"ovs", topology.Host}, {"san", topology.Host}, {"ovs", topology.Switch}, {"tor", topology.Switch}} {
		t.Run(c.name+" "+c.kind.String(), func(t *testing.T) {
			t.Parallel()
			d := collectors.Device{Handle: "hv1", Kind: c.kind, Source: topology.SourceSSH}
			observations, unparsed := ssh.Replay(d, answersIn(t, filepath.Join("testdata/host", c.name)), time.Unix(0, 0))
			for _, problem := range collectortest.Problems(d, observations) {
				t.Error(problem)
			}
			hostGolden(t, filepath.Join("testdata/host", c.name+"."+c.kind.String()+".golden"), shownText(observations, unparsed))
		})
	}
}

func hostDevice() collectors.Device {
	return collectors.Device{Handle: "hv1", Kind: topology.Host, Source: topology.SourceSSH}
}
