package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/topologytest"
)

// estateOf keeps lines of facts in a store, as they were read just now.
func estateOf(t *testing.T, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "throughline.db")
	st, err := openStore(t.Context(), file, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close() //nolint:errcheck // every commit is durable
	if _, err := st.Commit(t.Context(), 0, topology.Delta{Time: time.Now(), Renew: []topology.Reading{listing()}, Add: factsOf(t, lines...)}); err != nil {
		t.Fatal(err)
	}
	return file
}

func listing() topology.Reading {
	return topology.Reading{ReadingKey: topology.ReadingKey{Device: "h1", Source: topology.SourceLibvirt, Table: "domains"}, Time: time.Now(), Command: "virsh"}
}

func factsOf(t *testing.T, lines ...string) []topology.Fact {
	t.Helper()
	var all []topology.Fact
	for _, line := range lines {
		f, err := topologytest.Fact(line)
		if err != nil {
			t.Fatal(err)
		}
		f.Reading, f.Since = listing().ReadingKey, time.Now()
		all = append(all, f)
	}
	return all
}

var twoHosts = []string{"host:a name=h1", "host:b name=h2", "vm:v name=web-07", "vm:v RunsOn host:a", "vm:v state=running", "vm:w name=web-08", "vm:x name=web-08", "vm:w RunsOn host:b"}

// TestCheckMigrate_words: what cannot be asked ends with its own code, and says what is wanted.
func TestCheckMigrate_words(t *testing.T) {
	t.Parallel()
	store := estateOf(t, twoHosts...)
	folder := t.TempDir()
	faulty := filepath.Join(folder, "policy.yaml")
	if err := os.WriteFile(faulty, []byte("version: 1\npined: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "x.html"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{exitUsage, "want VM and HOST, or VM and --to best", []string{"web-07"}},
		{exitUsage, `--to "worst": want best`, []string{"web-07", "--to", "worst"}},
		{exitUsage, "want VM and HOST, or VM and --to best", []string{"web-07", "h2", "--to", "best"}},
		{exitUsage, "--report is about one host", []string{"web-07", "--to", "best", "--report", "x.md"}},
		{exitUsage, "want FILE.html or FILE.md", []string{"web-07", "h2", "--report", "x.pdf"}},
		{exitUsage, "is a folder, or no regular file", []string{"web-07", "h2", "--report", filepath.Join(folder, "x.html")}},
		{exitUsage, `policy.yaml:2:1: unknown key "pined" in the policy (did you mean "pinned"?)`, []string{"web-07", "h2", "--policy", faulty}},
		{exitUsage, "nowhere.yaml: no such file", []string{"web-07", "h2", "--policy", "nowhere.yaml"}},
		{exitNothing, `no vm answers to "web-99": throughline show vm lists them`, []string{"web-99", "h2"}},
		{exitNothing, `no vm answers to "h1"`, []string{"h1", "h2"}},
		{exitNothing, `no host answers to "web-07"`, []string{"web-07", "web-07"}},
		{exitSeveral, `2 things answer to "web-08"`, []string{"web-08", "h2"}},
		{exitNothing, "it holds revisions @1", []string{"web-07", "h2", "--at", "@9"}},
		{exitFailed, filepath.Join("nowhere", "x.md"), []string{"web-07", "h2", "--report", filepath.Join(folder, "nowhere", "x.md")}},
		{exitBlock, "", []string{"vm:v", "host:a", "--no-fixes"}}, // by keys: it runs there already
		{exitUnknown, "", []string{"web-07", "h2"}},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"check", "migrate", "--store", store}, c.args...), &stdout, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%q: exit code %d, want %d\n%s%s", c.args, code, c.code, &stdout, &stderr)
		}
		if c.code == exitFailed && !strings.HasPrefix(stdout.String(), "UNKNOWN: web-07 from h1 to h2") {
			t.Errorf("a page that cannot be written hides the answer: %s", &stdout)
		}
	}
}

// TestCheckMigrate_forms: the answer as a text, as JSON and YAML, and as pages says one thing, and never that something is safe.
func TestCheckMigrate_forms(t *testing.T) {
	t.Parallel()
	store := estateOf(t, twoHosts...)
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy.yaml")
	text := "version: 1\nages: {default: 1h}\npinned: [{vms: [web-07], reason: it is being looked at}]\ndisabled: [{check: CAP-1, reason: the hosts are large}]\n" +
		"overrides: [{check: VM-12, vm: web-07, name: me, reason: the look is over, expires: 2020-01-01T00:00:00Z}]\n"
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pages := []string{filepath.Join(dir, "a.html"), filepath.Join(dir, "a.md")}
	for range 2 { // the second time they are there
		ran(t, []int{exitBlock}, "check", "migrate", "web-07", "h2", "--store", store, "--policy", policy, "--report", pages[0], "--report", pages[1])
	}
	args := []string{"check", "migrate", "web-07", "h2", "--store", store, "--policy", policy}
	_, out := ran(t, []int{exitBlock}, args...)
	_, all := ran(t, []int{exitBlock}, append(args, "--all")...)
	_, asJSON := ran(t, []int{exitBlock}, append(args, "--output", "json")...)
	_, asYAML := ran(t, []int{exitBlock}, append(args, "--output", "yaml")...)
	var doc struct {
		Verdict  string
		Findings []struct {
			Code, Verdict, Text string
			Evidence            []struct{ Time time.Time }
		}
		NotChecked []struct{ Code, When, Why string }
		Policy     struct{ Digest string }
	}
	if err := json.Unmarshal([]byte(asJSON), &doc); err != nil {
		t.Fatal(err)
	}
	var same map[string]any
	if err := yaml.Unmarshal([]byte(asYAML), &same); err != nil || same["verdict"] != doc.Verdict || doc.Verdict != "block" {
		t.Errorf("%v: YAML says %v, JSON %s", err, same["verdict"], doc.Verdict)
	}
	texts := []string{out, all, asJSON, asYAML}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		if regexp.MustCompile(`(?i)\bsafe`).MatchString(text) {
			t.Errorf("something is said to be safe:\n%s", text)
		}
		for _, want := range []string{"it is being looked at", "CAP-1", "the hosts are large", doc.Policy.Digest, "the look is over"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
	for _, f := range doc.Findings {
		if f.Code == "" || f.Text == "" || !strings.Contains(all, f.Code) {
			t.Errorf("%+v", f)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("drafts are left: %v %v", left, err)
	}
	if i := slices.IndexFunc(doc.NotChecked, func(k struct{ Code, When, Why string }) bool { return k.Code == "CAP-1" }); i < 0 || doc.NotChecked[i].When != "disabled" {
		t.Errorf("%+v", doc.NotChecked)
	}
}

// TestCheckMigrate_meanwhile: a VM that is moved while the answer is made has an answer about the past.
func TestCheckMigrate_meanwhile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		remove, add []string
		says        string
	}{
		"moved":      {[]string{"vm:v RunsOn host:a"}, []string{"vm:v RunsOn host:b"}, "web-07 runs on h2 now"},
		"gone":       {[]string{"vm:v name=web-07", "vm:v RunsOn host:a", "vm:v state=running"}, nil, "web-07 is no longer there"},
		"nowhere":    {[]string{"vm:v RunsOn host:a"}, nil, "no source says any longer where web-07 runs"},
		"not at all": {nil, []string{"host:a arch=x86_64"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := estateOf(t, twoHosts...)
			var stdout, stderr bytes.Buffer
			a := &app{out: &stdout, errs: &stderr}
			collected := false
			a.now = func() time.Time { // which the answer asks for once it has its snapshot
				if !collected {
					collected = true
					somebodyCollects(t, file, topology.Delta{Renew: []topology.Reading{listing()}, Remove: factsOf(t, c.remove...), Add: factsOf(t, c.add...)})
				}
				return time.Now()
			}
			root := a.command()
			root.SetArgs([]string{"check", "migrate", "web-07", "h2", "--store", file})
			err := root.ExecuteContext(t.Context())
			var exit *exitError
			if !errors.As(err, &exit) || (exit.code == exitStale) != (c.says != "") || !strings.Contains(stdout.String(), c.says) || strings.Contains(stdout.String(), "STALE: ") != (c.says != "") {
				t.Errorf("%v\n%s", err, &stdout)
			}
		})
	}
}

func somebodyCollects(t *testing.T, file string, d topology.Delta) {
	t.Helper()
	st, err := openStore(t.Context(), file, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer st.Close() //nolint:errcheck // every commit is durable
	s, err := st.Snapshot(context.WithoutCancel(t.Context()), 0)
	if err != nil {
		t.Error(err)
		return
	}
	d.Time = time.Now()
	if _, err := st.Commit(t.Context(), s.Revision(), d); err != nil {
		t.Error(err)
	}
}

// TestCheckMigrate_completes: first the VMs, then the hosts.
func TestCheckMigrate_completes(t *testing.T) {
	t.Parallel()
	store := estateOf(t, twoHosts...)
	_, vms := ran(t, []int{exitOK}, "__complete", "check", "migrate", "--store", store, "")
	_, hosts := ran(t, []int{exitOK}, "__complete", "check", "migrate", "--store", store, "web-07", "")
	if !strings.HasPrefix(vms, "web-07\nweb-08\n") || !strings.HasPrefix(hosts, "h1\nh2\n") {
		t.Errorf("%s\n%s", vms, hosts)
	}
}

// TestCheckMigrate_best lists the other hosts, with a line for each.
func TestCheckMigrate_best(t *testing.T) {
	t.Parallel()
	store := estateOf(t, append(twoHosts, "host:c name=h3")...)
	_, out := ran(t, []int{exitUnknown}, "check", "migrate", "web-07", "--to", "best", "--store", store)
	_, asJSON := ran(t, []int{exitUnknown}, "check", "migrate", "web-07", "--to", "best", "--store", store, "--output", "json")
	var doc struct {
		VM    struct{ Name string }
		Hosts []struct {
			Host    struct{ Name string }
			Verdict string
			Codes   []string
		}
	}
	if err := json.Unmarshal([]byte(asJSON), &doc); err != nil || doc.VM.Name != "web-07" || len(doc.Hosts) != 2 || len(doc.Hosts[0].Codes) == 0 {
		t.Errorf("%v: %s", err, asJSON)
	}
	for _, h := range doc.Hosts {
		if h.Host.Name == "h1" || !strings.Contains(out, "\n"+h.Host.Name+" ") {
			t.Errorf("%s in\n%s", h.Host.Name, out)
		}
	}
	ran(t, []int{exitNothing}, "check", "migrate", "vm:w", "--to", "best", "--store", estateOf(t, "host:b name=h2", "vm:w name=web-08", "vm:w RunsOn host:b"))
}
