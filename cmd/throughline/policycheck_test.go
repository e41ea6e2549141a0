package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// declared is a policy that the demo's estate violates in every way.
const declared = `version: 1
paths:
  - {name: two ways, vms: "*", rail: network, ways: 2, host_ports: 3, hops: 3}
  - {name: two fabrics, vms: "*", rail: storage, ways: 2, host_ports: 3}
forbidden:
  - {name: web away from databases, from: "web-0[78]", to: "db-0[1-3]"}
  - {name: web by itself, from: "web-0[78]", to: "web-1[01]"}
required:
  - {name: web to app, from: ["web-0[78]", "web-13"], to: "app-0[1-3]", protocol: tcp, ports: 8080}
units:
  - {name: first rack, units: "*", hosts: "r01-*", exclusive: true}
`

func TestPolicyCheck_demo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	printed(t, exitOK, "demo", "--dir", dir)
	file, store := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "throughline.db")
	if err := os.WriteFile(file, []byte(declared), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(code int, args ...string) map[string]int {
		out := printed(t, code, append([]string{"policy", "check", "--store", store, "--output", "json"}, args...)...)
		var v struct {
			Violations []struct {
				Class, Rail, Rule, Verdict, Text string
				Objects                          []string
				Count                            int
			}
		}
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatal(err)
		}
		found := map[string]int{}
		for _, x := range v.Violations {
			found[x.Verdict+": "+x.Class+", "+x.Rail+" ("+x.Rule+")"] += x.Count
			if len(x.Objects) == 0 || x.Text == "" {
				t.Errorf("%+v", x)
			}
		}
		return found
	}
	found := check(exitBlock, "--max-age", "1h", "--policy", file)
	for _, want := range []string{
		"block: path outage, network (web to app)", "block: unauthorized path, network (web away from databases)", "block: unauthorized path, storage (first rack)",
		"block: unauthorized sharing, network (web by itself)", "block: unauthorized sharing, storage (first rack)", "block: single point of failure, network (two ways)",
		"block: missing redundancy, network (two ways)", "block: missing active host ports, network (two ways)", "block: missing active host ports, storage (two fabrics)", "block: hop count, network (two ways)",
		"unknown: path outage, network (web to app)", "unknown: path outage, storage (every vNIC and disk has a way)",
	} {
		if found[want] == 0 {
			t.Errorf("no %s in %v", want, found)
		}
	}
	// VLAN 110 leaves the second rack by one of its two switches only: the five vNICs that are in it there.
	if n := found["block: single point of failure, network (two ways)"]; n != 5 {
		t.Errorf("%d vNICs rest on one switch, want 5", n)
	}
	// What is too old is not known to be violated.
	for what := range check(exitUnknown, "--max-age", "1ns", "--policy", file) {
		if strings.HasPrefix(what, "block") {
			t.Errorf("of nothing that is known for certain: %s", what)
		}
	}
	if found := check(exitUnknown, "--max-age", "1h"); len(found) != 1 {
		t.Errorf("without a policy: %v", found)
	}
	if out := printed(t, exitBlock, "policy", "check", "--store", store, "--max-age", "1h", "--policy", file); !strings.Contains(out, "\n  no way leads around switch r02-leaf-a\n  5: r02-leaf-a ") {
		t.Error(out)
	}
}

// TestPolicyCheck_classes: what is said of classes of addresses is what each pair of them is asked for.
func TestPolicyCheck_classes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	printed(t, exitOK, "demo", "--dir", dir)
	s := newest(t, filepath.Join(dir, "throughline.db"))
	flow, err := planner.ParseFlow("tcp", "8080")
	if err != nil {
		t.Fatal(err)
	}
	from, to := planner.Selector{"web-0[1-4]", "web-08"}, planner.Selector{"app-0[1-4]", "app-12"}
	demand := []planner.Demand{{Name: "all", From: from, To: to, Flow: flow}}
	now := s.Time().Add(time.Minute)
	ends := func(of planner.Selector) (all []reach.Endpoint) {
		for vm := range s.Nodes(topology.VM) {
			if of.Has(vm) && vm.Text(topology.AttrState) != "shutoff" {
				all = append(all, reach.Endpoints(vm)...)
			}
		}
		return all
	}
	net := reach.NewNetwork(s, topology.AgeLimits{}, now)
	want := map[string]int{}
	for _, f := range ends(from) {
		for _, t2 := range ends(to) {
			answer, err := net.Between(t.Context(), f, t2, flow)
			if err != nil {
				t.Fatal(err)
			}
			want["pairs"]++
			want["forbidden "+string(answer.Forward.Verdict)]++
			want["required "+string(answer.Verdict)]++
		}
	}
	v, err := planner.New(s, planner.Policy{Forbidden: demand}, now).Violations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counts := func(v *planner.Violations, class planner.ViolationClass, verdict planner.Verdict) (n int) {
		for _, x := range v.All {
			if x.Class == class && x.Rail == planner.RailNetwork && x.Rule == "all" && x.Verdict == verdict && !strings.Contains(x.Text, "which address") {
				n += x.Count
			}
		}
		return n
	}
	if v.Pairs != want["pairs"] || v.Asked >= v.Pairs {
		t.Errorf("%d pairs by %d of classes, want %d by fewer", v.Pairs, v.Asked, want["pairs"])
	}
	if got, want := counts(v, planner.UnauthorizedPath, planner.Block), want["forbidden yes"]+want["forbidden some"]; got != want || got == 0 {
		t.Errorf("%d pairs reach each other, want %d", got, want)
	}
	if got, want := counts(v, planner.UnauthorizedPath, planner.Unknown), want["forbidden unknown"]; got != want {
		t.Errorf("of %d pairs it is not known, want %d", got, want)
	}
	if v, err = planner.New(s, planner.Policy{Required: demand}, now).Violations(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := counts(v, planner.PathOutage, planner.Block), want["required no"]+want["required some"]; got != want || got == 0 {
		t.Errorf("%d pairs do not reach each other, want %d", got, want)
	}
	if got, want := counts(v, planner.PathOutage, planner.Unknown), want["required unknown"]; got != want {
		t.Errorf("of %d pairs it is not known, want %d", got, want)
	}
}

// TestPolicyCheck_ways: what is said of vNICs that are alike is what the ways of each of them are.
func TestPolicyCheck_ways(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	printed(t, exitOK, "demo", "--dir", dir)
	s := newest(t, filepath.Join(dir, "throughline.db"))
	now := s.Time().Add(time.Minute)
	net := reach.NewNetwork(s, topology.AgeLimits{}, now)
	want, got := map[planner.ViolationClass]int{}, map[planner.ViolationClass]int{}
	for vm := range s.Nodes(topology.VM) {
		host, _ := vm.First(topology.RunsOn)
		for _, r := range vm.Rails() {
			if st := net.StateOf(r, host); r.Name == planner.RailNetwork && vm.Text(topology.AttrState) != "shutoff" && st.Ways > 0 {
				want[planner.SinglePoint] += len(st.Shared)
				want[planner.MissingPorts] += min(1, 3-len(st.Ports))
				want[planner.MissingRedundancy] += max(0, 2-st.Independent)
				want[planner.TooManyHops] += min(1, max(0, st.Hops-3))
			}
		}
	}
	rule := planner.PathRule{Name: "all", VMs: planner.Selector{"*"}, Rail: planner.RailNetwork, HostPorts: 3, Ways: 2, Hops: 3}
	v, err := planner.New(s, planner.Policy{Paths: []planner.PathRule{rule}}, now).Violations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range v.All {
		if x.Rule == "all" {
			got[x.Class] += x.Count
		}
	}
	if !maps.Equal(got, want) || want[planner.SinglePoint] == 0 {
		t.Errorf("%v, want %v", got, want)
	}
}

// newest opens the newest snapshot of a store.
func newest(t *testing.T, file string) *topology.Snapshot {
	t.Helper()
	st, err := openStore(t.Context(), file, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close() //nolint:errcheck // read only
	s, err := st.Snapshot(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
