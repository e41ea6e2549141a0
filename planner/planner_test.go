package planner_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/topologytest"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// scene is the estate with lines taken away ("-host:a name=a"), added, and said by a reading of two hours ago ("!vm:v state=running"), or by
// a switch's configuration (">lag:s/1 ifAlias=a").
func scene(t *testing.T, changes string) *topology.Snapshot {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(estate()), "\n")
	for line := range strings.Lines(changes) {
		line = strings.TrimSpace(line)
		gone, ok := strings.CutPrefix(line, "-")
		if line == "" {
			continue
		}
		if !ok {
			lines = append(lines, line)
			continue
		}
		i := slices.Index(lines, gone)
		if i < 0 {
			t.Fatalf("%q is not there", gone)
		}
		lines = slices.Delete(lines, i, i+1)
	}
	fresh := topology.Reading{ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceLibvirt, Table: "domains"}, Time: noon}
	old := topology.Reading{ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceLibvirt, Table: "capabilities"}, Time: noon.Add(-2 * time.Hour)}
	devices := fresh // which has told of nothing
	devices.Table = "nodeDevices"
	networks := fresh
	networks.Table = "networks"
	config := topology.Reading{ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceCLI, Table: "eos-config"}, Time: noon}
	d := topology.Delta{Time: noon, Renew: []topology.Reading{old, fresh, devices, networks, config}}
	for _, table := range []topology.ReadingKey{
		{Device: "test", Source: topology.SourceLibvirt, Table: "pools"},
		{Device: "test", Source: topology.SourceLibvirt, Table: "volumes"},
		{Device: "test", Source: topology.SourceSSH, Table: "multipath"},
		{Device: "test", Source: topology.SourceSSH, Table: "mounts"},
		{Device: "test", Source: topology.SourceLibvirt, Table: "nwfilters"},
		{Device: "test", Source: topology.SourceLibvirt, Table: "secrets"},
	} {
		d.Renew = append(d.Renew, topology.Reading{ReadingKey: table, Time: noon})
	}
	for _, line := range lines {
		line, aged := strings.CutPrefix(line, "!")
		line, configured := strings.CutPrefix(line, ">")
		f, err := topologytest.Fact(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if f.Reading, f.Since = fresh.ReadingKey, noon; aged {
			f.Reading = old.ReadingKey
		} else if configured {
			f.Reading = config.ReadingKey
		}
		d.Add = append(d.Add, f)
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func key(kind topology.Kind, id string) topology.Key { return topology.Key{Kind: kind, ID: id} }

// said gives what one check found: "block: sentence", a line for each finding.
func said(p *planner.Plan, code string) string {
	var lines []string
	for _, f := range p.Findings {
		if f.Code == code {
			lines = append(lines, fmt.Sprintf("%s: %s", f.Verdict, f.Text))
		}
	}
	return strings.Join(lines, "\n")
}

// checkCase is the answer of one check in the estate, changed.
type checkCase struct {
	code, name string
	changes    string // see scene
	host       string // the target; "": b
	policy     planner.Policy
	want       string   // what the check says, a line for each finding
	also       []string // other checks that cannot but object, too
}

// estate is two hosts and a VM that runs on the first one. It passes all checks: each family brings what its own need.
func estate() string {
	return strings.Join([]string{computeEstate, cpuEstate, networkEstate, flowEstate, storageEstate}, "")
}

func checkCases() []checkCase {
	return slices.Concat(vmCases(), hostCases(), policyCases(), nameCases(), cpuCases(), capacityCases(), deviceCases(), channelCases(), metaCases(), flowCases(), diskCases(), storageCases(),
		hostNetworkCases(), networkCases(), mountCases())
}

// TestChecks: each check has an estate in which it passes, one in which it alone gives its worst verdict, and one in which it does not know.
func TestChecks(t *testing.T) {
	t.Parallel()
	seen := map[string]map[planner.Verdict]bool{}
	for _, c := range checkCases() {
		plan, err := planner.New(scene(t, c.changes), c.policy, noon.Add(time.Minute)).Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, cmp.Or(c.host, "b")))
		if err != nil {
			t.Fatal(err)
		}
		if got := said(plan, c.code); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.code, c.name, got, c.want)
		}
		if seen[c.code] == nil {
			seen[c.code] = map[planner.Verdict]bool{}
		}
		for _, f := range plan.Findings {
			switch {
			case f.Code == c.code:
				seen[c.code][f.Verdict] = seen[c.code][f.Verdict] || f.Verdict != planner.Block && f.Verdict != planner.Warn || len(c.also) == 0
			case slices.Contains([]string{"META-1", "META-2", "META-5", "META-6", "POL-5"}, f.Code): // they sum up what the others say, say it of the way back, or what cases name that is not there
			case f.Verdict > planner.Pass && !slices.Contains(c.also, f.Code):
				t.Errorf("%s %s: %s says %s: %s", c.code, c.name, f.Code, f.Verdict, f.Text)
			}
		}
	}
	for _, c := range planner.Checks() {
		if c.When != planner.Before {
			continue
		}
		known := slices.Contains([]string{"META-3", "META-4", "META-5"}, c.Code) // the policy says it, or a warning is the worst it gives
		if s := seen[c.Code]; !s[planner.Pass] || !s[planner.Block] && !s[planner.Warn] || !s[planner.Unknown] && !known {
			t.Errorf("%s: estates show only %v", c.Code, s)
		}
	}
}

// TestMigrate_policy: what a policy lets pass is told; an override that has expired lets nothing pass.
func TestMigrate_policy(t *testing.T) {
	t.Parallel()
	s := scene(t, "-vm:v memoryBytes=8589934592\nvm:v memoryBytes=30064771072\n-host:b hypervisor=kvm")
	now := noon.Add(time.Minute)
	policy := planner.Policy{
		Ages:      topology.AgeLimits{Default: 3 * time.Hour},
		Disabled:  []planner.Disabled{{Check: "HOST-4", Reason: "all hosts are alike"}},
		Overrides: []planner.Override{{Check: "CAP-1", VM: "web-07", Name: "storage on call", Reason: "other is shut down tonight", Expires: now.Add(time.Hour)}},
	}
	for _, c := range []struct {
		later time.Duration
		want  planner.Verdict
	}{{0, planner.Warn}, {time.Hour, planner.Block}} {
		plan, err := planner.New(s, policy, now.Add(c.later)).Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
		if err != nil || plan.Verdict != c.want {
			t.Fatalf("after %v: %v, %v: %v", c.later, plan.Verdict, err, plan.Worst())
		}
		i := slices.IndexFunc(plan.Findings, func(f planner.Finding) bool { return f.Code == "CAP-1" })
		if f := plan.Findings[i]; f.Found != planner.Block || (f.Override != nil) != (c.want == planner.Warn) {
			t.Errorf("after %v: found %s, override %v", c.later, f.Found, f.Override)
		}
		if j := slices.IndexFunc(plan.Skipped, func(k planner.Skipped) bool { return k.Code == "HOST-4" }); j < 0 || plan.Skipped[j].Why != "disabled by the policy: all hosts are alike" {
			t.Errorf("skipped %v", plan.Skipped)
		}
	}
}

func TestMigrate_refuses(t *testing.T) {
	t.Parallel()
	p := planner.New(scene(t, ""), planner.Policy{}, noon)
	for _, c := range []struct{ vm, host topology.Key }{
		{key(topology.VM, "nobody"), key(topology.Host, "b")}, {key(topology.VM, "v"), key(topology.Host, "nowhere")}, {key(topology.Host, "a"), key(topology.Host, "b")},
	} {
		if _, err := p.Migrate(t.Context(), c.vm, c.host); !errors.Is(err, topology.ErrSchema) {
			t.Errorf("%v to %v: %v", c.vm, c.host, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Migrate(ctx, key(topology.VM, "v"), key(topology.Host, "b")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
