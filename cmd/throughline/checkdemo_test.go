package main

import (
	"encoding/json"
	"os"
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
		{"web-07", "r01-h01", exitOK, ""},
		{"db-01", "r01-h03", exitOK, ""},
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

// TestDemo_endsWithTheStory: the demo ends with what the hypervisors do not see, the VLAN and the unit by name, the three changes without which nothing helps, and what these open.
func TestDemo_endsWithTheStory(t *testing.T) {
	t.Parallel()
	if raw, err := os.ReadFile("../../fixtures/policy/demo.yaml"); err != nil || string(raw) != demoPolicy {
		t.Errorf("fixtures/policy/demo.yaml is not the demo's policy (%v)", err)
	}
	_, story, _ := strings.Cut(printed(t, exitOK, "demo"), "== throughline check migrate web-07 r02-h01\n")
	at := 0
	for _, want := range []string{
		"The hypervisors are content", "\nblock    NET-2  r02-leaf-b Port-Channel100 (Ethernet49) does not admit VLAN 110\n",
		"\nblock    SAN-3  naa.600005e0000000060000000000000011 by ", "\nunknown  SAN-6  ", "VLAN 20 is not carried on Port-Channel1\n",
		"\nwith these 3 changes: warn; fewer do not help\n  1  tag VLAN 110 on r02-leaf-b Port-Channel100\n  2  admit 10.0.2.65 of r02-h01 to target iqn.2001-04.com.example:array-1.c001 of array-1",
		"\n  3  tag VLAN 20 on r02-leaf-b Port-Channel1\n", "\nwarn     SAN-9  whoever logs in from 10.0.2.65/32 may see ", " of db-01, ", "check migrate web-07 r02-h01 ",
	} {
		i := strings.Index(story[at:], want)
		if i < 0 {
			t.Fatalf("no %q behind\n%s\nin\n%s", want, story[:at], story)
		}
		at += i
	}
}
