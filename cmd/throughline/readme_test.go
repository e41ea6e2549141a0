package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestREADME holds the transcript in the README to what the demo prints, but for times and for what depends on them. With UPDATE_GOLDEN=1 it is
// rewritten.
func TestREADME(t *testing.T) {
	t.Parallel()
	const file, begin, end = "../../README.md", "<!-- make demo -->\n```\n", "```\n<!-- end -->"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	transcript, after, also := strings.Cut(rest, end)
	if !ok || !also {
		t.Fatalf("%s has no transcript between %q and %q", file, begin, end)
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"demo"}, &stdout, &stderr); code != exitOK || stderr.Len() > 0 {
		t.Fatalf("demo: exit code %d\n%s", code, &stderr)
	}
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(file, []byte(before+begin+stdout.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(timeless(transcript), timeless(stdout.String())); diff != "" {
		t.Errorf("the README does not show what the demo prints (-README +demo); rewrite it with UPDATE_GOLDEN=1:\n%s", diff)
	}
}

func timeless(text string) string {
	for _, r := range [][2]string{
		{`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ?`, "TIME"},
		{`, \d+s([],])`, ", AGE$1"},
		{`revision @\d+: .*`, "REVISION AND COUNTS"},
		{`revision @\d+`, "REVISION"},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	return text
}
