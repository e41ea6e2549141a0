package config_test

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/throughline-dc/throughline/internal/config"
	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

const referencePolicy = "../../fixtures/policy/reference.yaml"

// Each archive holds a policy, and what is to be said of it.
func TestParsePolicy_findings(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/policy/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d archives: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, err = config.ParsePolicy("in.yaml", a.Files[0].Data)
			if err == nil {
				t.Fatal("no error")
			}
			checkAgainst(t, name, a, err.Error()+"\n")
		})
	}
}

// The reference is a file that people copy from: it must be right, show every key, and mean what its comments say.
func TestPolicyReference(t *testing.T) {
	t.Parallel()
	p, err := config.LoadPolicy(referencePolicy)
	if err != nil {
		t.Fatal(err)
	}
	utc := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	demand := func(name string, from, to planner.Selector, ports string) planner.Demand {
		flow, err := planner.ParseFlow("tcp", ports)
		if err != nil {
			t.Fatal(err)
		}
		return planner.Demand{Name: name, From: from, To: to, Flow: flow}
	}
	management := func(ports string) planner.Demand {
		return demand("guests reach no management", planner.Selector{"web-*", "10.0.12.0/24"}, planner.Selector{"10.0.99.0/24"}, ports)
	}
	want := planner.Policy{
		Ages:        topology.AgeLimits{Default: 15 * time.Minute, Tables: map[string]time.Duration{"domains": 5 * time.Minute, "entPhysicalTable": 7 * 24 * time.Hour}},
		MemoryRatio: 1, CPURatio: 4, HostMemoryBytes: 2 << 30,
		Redundancy: planner.Redundancy{Network: 2, Storage: 2},
		Channel:    planner.Channel{MinBits: 10_000_000_000, Networks: []netip.Prefix{netip.MustParsePrefix("10.0.40.0/24")}, Concurrent: 2},
		Sessions:   planner.Warn,
		Beside:     planner.Warn,
		CopyDisks:  true,
		Placements: []planner.Placement{
			{Name: "databases on two hosts", Rule: planner.Apart, VMs: planner.Selector{"db-01", "db-02"}},
			{Name: "licences", Rule: planner.Only, VMs: planner.Selector{"db-*"}, Hosts: planner.Selector{"r01-*"}},
			{Name: "near its cache", Rule: planner.Together, VMs: planner.Selector{"app-01", "cache-01"}, Soft: true},
		},
		Pinned:    []planner.Pin{{VMs: planner.Selector{"lb-01"}, Reason: "holds a licence that is bound to the host"}},
		Cordons:   []planner.Cordon{{Hosts: planner.Selector{"r02-h03"}, Reason: "memory is replaced", Until: utc("2026-12-01T06:00:00Z")}},
		Required:  []planner.Demand{demand("web to databases", planner.Selector{"web-*"}, planner.Selector{"db-*"}, "5432")},
		Forbidden: []planner.Demand{management("22"), management("8000-8080")},
		Paths: []planner.PathRule{
			{Name: "two ways to the network", VMs: planner.Selector{"web-*", "app-*"}, Rail: planner.RailNetwork, HostPorts: 2, Ways: 2, Hops: 6},
			{Name: "two fabrics", VMs: planner.Selector{"db-*"}, Rail: planner.RailStorage, HostPorts: 2, Ways: 2},
		},
		Units:   []planner.UnitRule{{Name: "ledger", Units: planner.Selector{"naa.600005e*"}, Hosts: planner.Selector{"r01-h01", "r01-h02"}, Exclusive: true}},
		Windows: []planner.Window{{Name: "saturday night", From: utc("2026-11-28T22:00:00+01:00"), Until: utc("2026-11-29T04:00:00+01:00")}},
		Freezes: []planner.Freeze{{
			Name: "INC-4711", Reason: "the storage array is being looked at", Objects: planner.Selector{"array:*"}, From: utc("2026-11-22T00:00:00Z"), Until: utc("2026-11-23T00:00:00Z"),
		}},
		Disabled: []planner.Disabled{{Check: "HOST-5", Reason: "all hosts are installed from one image"}},
		Overrides: []planner.Override{{
			Check: "CAP-1", VM: "web-07", Host: "r02-h04", Name: "storage on call", Reason: "web-03 is shut down tonight", Expires: utc("2026-11-30T00:00:00Z"),
		}},
	}
	for field := range reflect.TypeFor[planner.Policy]().NumField() {
		if reflect.ValueOf(p.Policy).Field(field).IsZero() {
			t.Errorf("the reference says nothing of %s", reflect.TypeFor[planner.Policy]().Field(field).Name)
		}
	}
	if diff := cmp.Diff(want, p.Policy, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if len(p.Digest) != len("sha256:")+64 || p.File != referencePolicy {
		t.Errorf("%s %s", p.File, p.Digest)
	}
	text, err := os.ReadFile(referencePolicy)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/operate/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range config.PolicyKeys() {
		if !bytes.Contains(text, []byte(key+":")) {
			t.Errorf("the reference does not show the key %s", key)
		}
		if !bytes.Contains(doc, []byte("`"+key+"`")) {
			t.Errorf("docs/operate/policy.md does not explain the key %s", key)
		}
	}
}

// TestLoadPolicy_shipped: every policy that comes with the program is right.
func TestLoadPolicy_shipped(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("../../fixtures/policy/*.yaml")
	if err != nil || !slices.Contains(names, referencePolicy) {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if _, err := config.LoadPolicy(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := config.LoadPolicy("nowhere.yaml"); err == nil || err.Error() != "nowhere.yaml: no such file or directory" {
		t.Error(err)
	}
}

func FuzzParsePolicy(f *testing.F) {
	names, err := filepath.Glob("testdata/policy/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Files[0].Data)
	}
	text, err := os.ReadFile(referencePolicy)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		p, err := config.ParsePolicy("in.yaml", text)
		if err != nil {
			var invalid *config.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Findings) == 0 {
				t.Fatalf("error without findings: %v", err)
			}
			for _, at := range invalid.Findings {
				if at.Cause == "" || at.Line < 0 || at.Column < 0 {
					t.Fatalf("%+v", at)
				}
			}
			return
		}
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		for _, o := range p.Overrides {
			if o.Name == "" || o.Reason == "" || o.Expires.IsZero() {
				t.Fatalf("half an override: %+v", o)
			}
		}
	})
}
