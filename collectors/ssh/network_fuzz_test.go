package ssh_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/topology"
)

// networkAnswers gives the answers of our own scenarios, and whole devices of the corpus where it is there.
func networkAnswers(tb testing.TB) map[string][][]byte {
	tb.Helper()
	seeds := map[string][][]byte{}
	files, err := filepath.Glob("testdata/network/*.txtar")
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range archive.Files {
			name := f.Name[:len(f.Name)-len(filepath.Ext(f.Name))]
			seeds[name] = append(seeds[name], f.Data)
		}
	}
	root := os.Getenv("THROUGHLINE_CORPUS")
	if root == "" {
		root = "../../../shared/corpus"
	}
	texts, err := filepath.Glob(filepath.Join(root, "hostcmd-insights", "ip", "*.txt"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range texts {
		raw, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		for _, name := range []string{"ip-link", "ip-addr", "ip-route", "ip-neigh", "ip-rule"} {
			seeds[name] = append(seeds[name], raw)
		}
	}
	return seeds
}

// checkAnswer reads an answer twice: what is stated is allowed by the model and the same both times, and an error is that of no answer.
func checkAnswer(t *testing.T, name string, raw []byte) {
	t.Helper()
	observations, unparsed, err := ssh.Parse(name, raw)
	if err != nil && !errors.Is(err, collectors.ErrMalformed) {
		t.Errorf("%s: error %v is not %v", name, err, collectors.ErrMalformed)
	}
	for _, kind := range []topology.Kind{topology.Host, topology.Switch} {
		d := collectors.Device{Handle: "fuzzed", Kind: kind, Source: topology.SourceSSH}
		observations, _ := ssh.Replay(d, map[string][]byte{name: raw}, time.Unix(0, 0))
		for _, problem := range collectortest.Problems(d, observations) {
			t.Errorf("%s: %s", name, problem)
		}
	}
	again, unparsed2, err2 := ssh.Parse(name, raw)
	if shownText(observations, unparsed) != shownText(again, unparsed2) || (err == nil) != (err2 == nil) || !slices.Equal(unparsed, unparsed2) {
		t.Errorf("%s: the same answer is read differently", name)
	}
}

func fuzzAnswers(f *testing.F, names ...string) {
	f.Helper()
	seeds := networkAnswers(f)
	for i, name := range names {
		for _, raw := range seeds[name] {
			f.Add(byte(i), raw)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, raw []byte) { checkAnswer(t, names[int(which)%len(names)], raw) })
}

func FuzzParse_ipLink(f *testing.F)  { fuzzAnswers(f, "ip-link", "ip-addr") }
func FuzzParse_ipRoute(f *testing.F) { fuzzAnswers(f, "ip-route") }
func FuzzParse_ipNeigh(f *testing.F) { fuzzAnswers(f, "ip-neigh") }
func FuzzParse_ipRule(f *testing.F)  { fuzzAnswers(f, "ip-rule", "ip6-rule") }
func FuzzParse_bridge(f *testing.F)  { fuzzAnswers(f, "bridge-link", "bridge-vlan", "bridge-fdb") }
func FuzzParse_lldp(f *testing.F)    { fuzzAnswers(f, "lldp", "lldp-chassis", "lldp-interfaces") }
func FuzzParse_frr(f *testing.F)     { fuzzAnswers(f, "frr-route", "frr-route6", "frr-evpn-vni") }

// Answers that are cut anywhere, as by a device that crashes, are no reason to panic.
func TestNetwork_cutAnywhere(t *testing.T) {
	t.Parallel()
	for name, answers := range networkAnswers(t) {
		if !slices.Contains(ssh.Answers(), name) {
			continue
		}
		for _, raw := range answers {
			step := 1 + len(raw)/60
			for n := 0; n < len(raw); n += step {
				checkAnswer(t, name, raw[:n])
			}
		}
	}
}
