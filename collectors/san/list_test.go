package san_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/san"
)

func TestDocumentationListsEveryCommand(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "collectors", "san.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("\n\n| reading | command | `sudo` |\n|---|---|---|\n")
	for _, c := range san.Commands() {
		fmt.Fprintf(&want, "| `%s` | `%s` | %s |\n", c.Name, c.Line, map[bool]string{true: "yes"}[c.Root])
	}
	_, rest, _ := strings.Cut(string(raw), "<!-- commands -->")
	has, _, _ := strings.Cut(rest, "<!-- /commands -->")
	if diff := cmp.Diff(strings.Split(want.String()+"\n", "\n"), strings.Split(has, "\n")); diff != "" {
		t.Errorf("docs/collectors/san.md: -code +page\n%s", diff)
	}
}
