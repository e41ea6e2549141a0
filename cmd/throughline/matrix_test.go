package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/internal/config"
	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

// TestMatrix_demo: the matrix says of each pair what check migrate says of it.
func TestMatrix_demo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	printed(t, exitOK, "demo", "--dir", dir)
	store, file := filepath.Join(dir, "throughline.db"), filepath.Join(dir, "matrix.csv")
	policy := unfollowed(t)
	args := []string{"matrix", "--store", store, "--max-age", "1h", "--policy", policy, "--vms", "web-0[78],db-0*", "--hosts", "r02-*"}
	var v struct {
		VMs, Hosts int
		Cells      []struct {
			VM, Host, Verdict string
			Codes             []string
		}
	}
	if err := json.Unmarshal([]byte(printed(t, exitOK, append(args, "--output", "json")...)), &v); err != nil {
		t.Fatal(err)
	}
	if v.VMs != 11 || v.Hosts != 4 || len(v.Cells) != 39 {
		t.Fatalf("%d VMs, %d hosts, %d cells", v.VMs, v.Hosts, len(v.Cells))
	}
	s := newest(t, store)
	demands, err := config.LoadPolicy(policy)
	if err != nil {
		t.Fatal(err)
	}
	demands.Ages = topology.AgeLimits{Default: time.Hour}
	p := planner.New(s, demands.Policy, time.Now())
	for _, c := range v.Cells {
		plan, err := p.Migrate(t.Context(), s.Find(c.VM)[0].Node.Key(), s.Find(c.Host)[0].Node.Key())
		if err != nil {
			t.Fatal(err)
		}
		codes := slices.Sorted(slices.Values(c.Codes))
		var want []string
		for _, f := range plan.Worst() {
			if f.Verdict > planner.Pass {
				want = append(want, f.Code)
			}
		}
		slices.Sort(want)
		if want = slices.Compact(want); c.Verdict != plan.Verdict.String() || !slices.Equal(codes, want) {
			t.Errorf("%s to %s: %s %v, want %s %v", c.VM, c.Host, c.Verdict, codes, plan.Verdict, want)
		}
	}
	if out := printed(t, exitOK, append(args, "--csv", file)...); out != "" {
		t.Error(out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll(); err != nil || len(rows) != 1+len(v.Cells) || !slices.Equal(rows[0], []string{"vm", "host", "verdict", "codes", "changes"}) {
		t.Errorf("%v: %d rows", err, len(rows))
	}
	if out := printed(t, exitOK, args...); strings.Count(out, "\nweb-0") != 2 || strings.Count(out, "\ndb-0") != 9 {
		t.Error(out)
	}
	ran(t, []int{exitNothing}, "matrix", "--store", store, "--vms", "nobody")
	ran(t, []int{exitUsage}, "matrix", "--store", store, "web-07")
}

// A name of a VM is whatever its owner likes: a spreadsheet must not run it, a terminal not obey it.
func TestMatrix_csv(t *testing.T) {
	t.Parallel()
	v := matrixView{Cells: []cellView{{VM: `=HYPERLINK("http://192.0.2.1")`, Host: "@h,1"}, {VM: "+1\x1b[2J", Host: "-2"}, {VM: "\ttab", Host: ""}}}
	doc, err := v.csv()
	if err != nil {
		t.Fatal(err)
	}
	const want = "vm,host,verdict,codes,changes\n\"'=HYPERLINK(\"\"http://192.0.2.1\"\")\",\"'@h,1\",pass,,\n'+1\\x1b[2J,'-2,pass,,\n\\ttab,,pass,,\n"
	if string(doc) != want {
		t.Errorf("%s\nwant\n%s", doc, want)
	}
}
