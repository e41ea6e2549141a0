package planner_test

import (
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

// estate is two hosts and a VM that runs on the first one.
const estate = `
host:a name=a
host:a arch=x86_64
host:a hypervisor=kvm
host:a hypervisorVersion=8.2.0
host:a memoryBytes=34359738368
host:a cpus=16
host:b name=b
host:b arch=x86_64
host:b hypervisor=kvm
host:b hypervisorVersion=8.2.1
host:b memoryBytes=34359738368
host:b cpus=16
vm:v name=web-07
vm:v RunsOn host:a
vm:v state=running
vm:v arch=x86_64
vm:v hypervisor=kvm
vm:v memoryBytes=8589934592
vm:v cpus=4
vm:v Contains vdisk:v/vda
vm:o name=other
vm:o RunsOn host:b
vm:o state=running
vm:o memoryBytes=17179869184
vm:o cpus=8
`

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// scene is the estate with lines taken away ("-host:a name=a"), added, and said by a reading of two hours ago ("!vm:v state=running").
func scene(t *testing.T, changes string) *topology.Snapshot {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(estate), "\n")
	for line := range strings.Lines(changes) {
		line = strings.TrimSpace(line)
		gone, ok := strings.CutPrefix(line, "-")
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
	d := topology.Delta{Time: noon, Renew: []topology.Reading{old, fresh}}
	for _, line := range lines {
		line, aged := strings.CutPrefix(line, "!")
		f, err := topologytest.Fact(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if f.Reading, f.Since = fresh.ReadingKey, noon; aged {
			f.Reading = old.ReadingKey
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

// TestChecks: each check has an estate in which it passes, one in which it alone is at its worst, and one in which it does not know.
func TestChecks(t *testing.T) {
	t.Parallel()
	seen := map[string]map[planner.Verdict]bool{}
	for _, c := range []struct {
		code, name, changes, host string
		want                      string
	}{
		{"VM-1", "runs", "", "b", "pass: web-07 is running"},
		{"VM-1", "is off", "-vm:v state=running\nvm:v state=shutoff", "b", "block: web-07 is shutoff: only what runs or is paused can be moved live"},
		{"VM-1", "is active", "-vm:v state=running\nvm:v state=active", "b", "unknown: web-07 is active; whether it runs or is paused, no source says"},
		{"VM-1", "nobody says", "-vm:v state=running", "b", "unknown: no source says the state of vm web-07"},
		{"VM-1", "long ago", "-vm:v state=running\n!vm:v state=running", "b", "unknown: what test said of vm web-07 by libvirt capabilities is 2h1m0s old: collect it"},
		{"VM-8", "kept", "", "b", "pass: no disk of web-07 is transient"},
		{"VM-8", "not kept", "vdisk:v/vda transient=true", "b", "block: disk v/vda of web-07 is transient: what was written to it would be lost"},
		{"HOST-1", "another", "", "b", "pass: web-07 runs on a"},
		{"HOST-1", "the same", "", "a", "block: web-07 runs on a already"},
		{"HOST-1", "nowhere", "-vm:v RunsOn host:a", "b", "unknown: no source says where web-07 runs"},
		{"HOST-4", "the same", "", "b", "pass: b runs guests of kvm"},
		{"HOST-4", "another", "-host:b hypervisor=kvm\nhost:b hypervisor=xen", "b", "block: web-07 is a guest of kvm, b runs guests of xen"},
		{"HOST-4", "an emulated guest on KVM", "-vm:v hypervisor=kvm\nvm:v hypervisor=qemu", "b", "pass: b runs guests of kvm"},
		{"HOST-4", "nobody says", "-host:b hypervisor=kvm", "b", "unknown: no source says the hypervisor of host b"},
		{"HOST-5", "newer", "", "b", "pass: a has version 8.2.0, b has 8.2.1"},
		{"HOST-5", "older", "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=7.10.3", "b", "block: b has version 7.10.3, a has 8.2.0: a guest may not go to an older one"},
		{"HOST-5", "of digits, not of letters", "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=10.0.0", "b", "pass: a has version 8.2.0, b has 10.0.0"},
		{"HOST-5", "odd", "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=v9", "b", `unknown: which of the versions "8.2.0" and "v9" is older is not known`},
		{"CPU-1", "the same", "", "b", "pass: b is x86_64"},
		{"CPU-1", "another", "-host:b arch=x86_64\nhost:b arch=aarch64", "b", "block: web-07 is built for x86_64, b is aarch64"},
		{"CPU-1", "nobody says", "-host:b arch=x86_64", "b", "unknown: no source says the arch of host b"},
		{"CAP-1", "room", "", "b", "pass: web-07 needs 8.0 GiB; b has 32.0 GiB, of which 16.0 GiB are given to others"},
		{"CAP-1", "no room", "-vm:v memoryBytes=8589934592\nvm:v memoryBytes=17179869185", "b", "block: web-07 needs 16.0 GiB; b has 32.0 GiB, of which 16.0 GiB are given to others"},
		{"CAP-1", "others that are off", "-vm:o state=running\nvm:o state=shutoff", "b", "pass: web-07 needs 8.0 GiB; b has 32.0 GiB, of which 0.0 GiB are given to others"},
		{"CAP-1", "nobody says what another has", "-vm:o memoryBytes=17179869184", "b", "unknown: no source says the memoryBytes of vm other"},
		{"CAP-2", "room", "", "b", "pass: web-07 needs 4 processors; b has 64 processors, of which 8 processors are given to others"},
		{"CAP-2", "no room", "-vm:v cpus=4\nvm:v cpus=57", "b", "block: web-07 needs 57 processors; b has 64 processors, of which 8 processors are given to others"},
		{"CAP-2", "nobody says", "-host:b cpus=16", "b", "unknown: no source says the cpus of host b"},
	} {
		plan, err := planner.New(scene(t, c.changes), planner.Policy{}, noon.Add(time.Minute)).Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, c.host))
		if err != nil {
			t.Fatal(err)
		}
		if got := said(plan, c.code); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.code, c.name, got, c.want)
		}
		for _, f := range plan.Findings {
			if f.Code == c.code {
				if seen[c.code] == nil {
					seen[c.code] = map[planner.Verdict]bool{}
				}
				seen[c.code][f.Verdict] = true
			} else if f.Verdict > planner.Pass && c.host != "a" && !strings.Contains(c.changes, "RunsOn") {
				t.Errorf("%s %s: %s says %s: %s", c.code, c.name, f.Code, f.Verdict, f.Text)
			}
		}
	}
	for _, c := range planner.Checks() {
		if c.When == planner.Before && (!seen[c.Code][planner.Pass] || !seen[c.Code][planner.Block] || !seen[c.Code][planner.Unknown] && c.Code != "VM-8") {
			t.Errorf("%s: estates show only %v", c.Code, seen[c.Code])
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

func TestPolicy_check(t *testing.T) {
	t.Parallel()
	p := planner.Policy{
		MemoryRatio: -1, Disabled: []planner.Disabled{{Check: "CAP-99", Reason: "x"}, {Check: "CAP-1"}},
		Overrides: []planner.Override{{Check: "NO-1"}, {Check: "CAP-1", Name: "x"}},
	}
	err := p.Check()
	if !errors.Is(err, planner.ErrPolicy) {
		t.Fatal(err)
	}
	for _, want := range []string{`no check "CAP-99"`, "CAP-1 is disabled without a reason", `no check "NO-1"`, "override of CAP-1 needs", "a ratio is below 0"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err := (&planner.Policy{}).Check(); err != nil {
		t.Error(err)
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
