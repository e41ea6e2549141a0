package report_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/planner"
)

//go:generate env UPDATE_GOLDEN=1 go test -count=1 -run ^TestChecks$ .

// TestChecks holds docs/checks.md to the table of checks, and each row to what people have to know of it.
func TestChecks(t *testing.T) {
	t.Parallel()
	code, seen := regexp.MustCompile(`^[A-Z]+-H?[1-9][0-9]?$`), map[string]bool{}
	for _, c := range planner.Checks() {
		if !code.MatchString(c.Code) || seen[c.Code] {
			t.Errorf("code %q is odd, or there twice", c.Code)
		}
		seen[c.Code] = true
		if c.Asks == "" || c.When == planner.Before && (c.Facts == "" || c.Mends == "" || c.Why != "") || c.When != planner.Before && c.Why == "" {
			t.Errorf("%s: not whole: %+v", c.Code, c)
		}
	}
	const page = "../../docs/checks.md"
	got := report.Checks(planner.Checks())
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(page, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/checks.md is not what the table says; make generate writes it (-page +table)\n%s", diff)
	}
}
