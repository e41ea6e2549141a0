package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ran runs a command that may end with any of some codes, and gives which, and what it prints.
func ran(t *testing.T, codes []int, args ...string) (int, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr)
	if !slices.Contains(codes, code) {
		t.Fatalf("throughline %s: exit code %d\n%s%s", strings.Join(args, " "), code, &stdout, &stderr)
	}
	return code, stdout.String()
}

// unfollowed is a policy file for tests that ask about very many moves: flows are followed for single moves, by TestCheckMigrate_demo.
func unfollowed(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "unfollowed.yaml")
	const text = "version: 1\ndisabled:\n  - {check: NET-9, reason: many moves are asked about}\n  - {check: NET-10, reason: many moves are asked about}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var verdictCodes = map[string]int{"pass": exitOK, "warn": exitOK, "block": exitBlock, "unknown": exitUnknown}

// TestCheckHost_demo: every VM of a host of the demo is placed, stuck or off, none twice, none on a host that is drained; the exit code is that of the verdict.
func TestCheckHost_demo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	printed(t, exitOK, "demo", "--dir", dir)
	store, policy := filepath.Join(dir, "throughline.db"), unfollowed(t)
	var moves []struct{ VM, To string }
	for _, c := range []struct {
		args []string
		vms  int
	}{{[]string{"check", "rack", "r01"}, 20}, {[]string{"check", "host", "r01-h03"}, 5}} {
		code, out := ran(t, []int{exitOK, exitBlock, exitUnknown}, append(c.args, "--store", store, "--max-age", "1h", "--policy", policy, "--output", "json")...)
		var v struct {
			Verdict      string
			Moves, Stuck []struct{ VM, To string }
			Off          []string
			Afterwards   []any
		}
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatal(err)
		}
		seen := slices.Clone(v.Off)
		for _, m := range slices.Concat(v.Moves, v.Stuck) {
			seen = append(seen, m.VM)
			if m.To == "r01-h03" {
				t.Errorf("%v: %s goes to %s", c.args, m.VM, m.To)
			}
		}
		slices.Sort(seen)
		if n := len(slices.Compact(slices.Clone(seen))); n != len(seen) || n != c.vms || code != verdictCodes[v.Verdict] {
			t.Errorf("%v: %d VMs, %d of them once, want %d; %s with exit code %d", c.args, len(seen), n, c.vms, v.Verdict, code)
		}
		moves = slices.Concat(v.Moves, v.Stuck)
	}
	_, out := ran(t, []int{exitOK, exitBlock, exitUnknown}, "check", "host", "r01-h03", "--store", store, "--max-age", "1h", "--policy", policy)
	for _, m := range moves {
		if !strings.Contains(out, m.VM) {
			t.Errorf("the table leaves out %s", m.VM)
		}
	}
	// The listing of VMs is too old: nobody knows who runs there.
	if _, out := ran(t, []int{exitBlock, exitUnknown}, "check", "host", "r01-h03", "--store", store, "--max-age", "1ns", "--policy", policy); !strings.Contains(out, "which VMs run on r01-h03 was read too long ago") {
		t.Error(out)
	}
	ran(t, []int{exitNothing}, "check", "host", "web-07", "--store", store)
	ran(t, []int{exitNothing}, "check", "rack", "r09", "--store", store)
	ran(t, []int{exitUsage}, "check", "host", "--store", store)
	ran(t, []int{exitUsage}, "check", "everything", "--store", store)
}
