package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckMigrate_demo: under the policy that is shipped for the demo, a healthy pair of VM and host is not refused, and the move that the demo is about is.
func TestCheckMigrate_demo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	printed(t, exitOK, "demo", "--dir", dir)
	for _, c := range []struct {
		vm, host string
		code     int
		first    string // the check that stands in the way, and comes first
	}{
		{"web-01", "r01-h03", exitOK, ""},
		{"web-07", "r02-h04", exitBlock, "NET-2"},
		{"web-07", "r02-h01", exitBlock, "NET-2"},
	} {
		code, out := ran(t, []int{c.code}, "check", "migrate", c.vm, c.host, "--store", filepath.Join(dir, "throughline.db"), "--policy", "../../fixtures/policy/demo.yaml", "--output", "json")
		var doc struct {
			Verdict  string
			Findings []struct {
				Code  string
				Fixes []struct{ Text string }
			}
			NotChecked []struct{ When, Why string }
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatal(err)
		}
		if code != verdictCodes[doc.Verdict] {
			t.Errorf("%s to %s: %s with exit code %d", c.vm, c.host, doc.Verdict, code)
		}
		if first := doc.Findings[0]; c.first != "" && (first.Code != c.first || len(first.Fixes) == 0 || !strings.HasPrefix(first.Fixes[0].Text, "tag VLAN 110 on r02-leaf-b")) {
			t.Errorf("%s to %s: first is %+v", c.vm, c.host, first)
		}
		for _, k := range doc.NotChecked {
			if k.Why == "" {
				t.Errorf("%s to %s: a check is not made without a reason", c.vm, c.host)
			}
		}
	}
}
