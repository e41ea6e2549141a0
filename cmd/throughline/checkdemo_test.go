package main

import (
	"encoding/json"
	"path/filepath"
	"testing"
)

// TestCheckMigrate_demo: under the policy that is shipped for the demo, a healthy pair of VM and host is not refused, and the move that the demo is about is.
func TestCheckMigrate_demo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	printed(t, exitOK, "demo", "--dir", dir)
	for _, c := range []struct {
		vm, host string
		codes    []int
	}{
		{"web-01", "r01-h02", []int{exitOK}},
		{"web-07", "r02-h04", []int{exitBlock, exitUnknown}},
	} {
		code, out := ran(t, c.codes, "check", "migrate", c.vm, c.host, "--store", filepath.Join(dir, "throughline.db"), "--policy", "../../fixtures/policy/demo.yaml", "--output", "json")
		var doc struct {
			Verdict    string
			NotChecked []struct{ When, Why string }
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatal(err)
		}
		if code != verdictCodes[doc.Verdict] {
			t.Errorf("%s to %s: %s with exit code %d", c.vm, c.host, doc.Verdict, code)
		}
		for _, k := range doc.NotChecked {
			if k.Why == "" {
				t.Errorf("%s to %s: a check is not made without a reason", c.vm, c.host)
			}
		}
	}
}
