package snmp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/internal/snmprec"
)

// objectTable is the documentation of what is read, as the code has it.
func objectTable() string {
	var b strings.Builder
	b.WriteString("\n| reading | MIB | OID | objects |\n|---|---|---|---|\n")
	for _, r := range snmp.Reads() {
		var objects []string
		for _, o := range r.Objects {
			objects = append(objects, fmt.Sprintf("%s (%d)", o.Name, o.ID))
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", r.Name, r.MIB, r.OID, strings.Join(objects, ", "))
	}
	b.WriteString("\n| change indicators | OID | of |\n|---|---|---|\n")
	seen := map[snmprec.OID]bool{}
	for _, r := range snmp.Reads() {
		for _, n := range r.Indicators {
			if seen[n.OID] {
				continue
			}
			seen[n.OID] = true
			var of []string
			for _, other := range snmp.Reads() {
				if slices.Contains(other.Indicators, n) {
					of = append(of, "`"+other.Name+"`")
				}
			}
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", n.Name, n.OID, strings.Join(of, ", "))
		}
	}
	return b.String()
}

func TestDocumentationListsEveryObject(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- objects -->", "<!-- /objects -->"
	page := filepath.Join("..", "..", "docs", "collectors", "snmp.md")
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	has, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the objects", page)
	}
	want := objectTable() + "\n"
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(page, []byte(before+begin+"\n"+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split("\n"+want, "\n"), strings.Split(has, "\n")); diff != "" {
		t.Errorf("%s (UPDATE_GOLDEN=1 writes it): -code +page\n%s", page, diff)
	}
}

func TestReads_areDisjoint(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	columns := map[snmprec.OID]string{}
	for _, r := range snmp.Reads() {
		if names[r.Name] || r.Name == "" || r.MIB == "" || len(r.Objects) == 0 {
			t.Errorf("%q: every read has a name of its own, a MIB and objects", r.Name)
		}
		names[r.Name] = true
		for _, o := range r.Objects {
			column := r.OID.Append(o.ID)
			if was := columns[column]; was != "" {
				t.Errorf("%s is read by %s and by %s", column, was, r.Name)
			}
			columns[column] = r.Name
		}
		if r.Scalar {
			continue
		}
		if table := r.Table(); table.Name != r.Name || table.Entry != r.OID || len(table.Columns) != len(r.Objects) || !slices.IsSorted(table.Columns) {
			t.Errorf("%s: the table to walk is %+v", r.Name, table)
		}
	}
}
