package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/planner"
)

// maxShown is how many readings and objects are shown of a finding; --output json has all.
const maxShown = 4

// writeCheck is the answer for a terminal: the verdict, what stands in the way, what would mend it, then what passed and what was not looked at.
func writeCheck(w io.Writer, c *report.Check, all bool) {
	fmt.Fprintf(w, "%s\n", printable(c.Headline()))
	writeGist(w, c.Gist())
	fmt.Fprintf(w, "%s\n", c.At())
	if c.Policy != nil {
		fmt.Fprintf(w, "policy %s %s\n", printable(c.Policy.File), c.Policy.Digest)
	}
	if c.Stale != "" {
		fmt.Fprintf(w, "STALE: %s: ask again\n", printable(c.Stale))
	}
	open := c.Open()
	if all {
		open = c.Unfolded()
	}
	for i, f := range open {
		writeFinding(w, f, i+1 < len(open) && open[i+1].Code == f.Code && open[i+1].Verdict == f.Verdict)
	}
	writeMending(w, c.Mending)
	if all {
		for _, f := range c.Findings {
			if f.Verdict == planner.Pass {
				writeFinding(w, f, false)
			}
		}
	}
	writePassed(w, c)
	writeUnchecked(w, c, all)
	writeOverrides(w, c.Overrides)
}

// writeGist is the answer for those who read no further.
func writeGist(w io.Writer, g report.Gist) {
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %-7s  %s\n", label, printable(text))
		}
	}
	for i, f := range g.Why {
		line([]string{"because", ""}[min(i, 1)], f.Code+": "+f.Text)
	}
	line("", g.More)
	line("do", g.Do)
	line("found", g.Found)
}

// writeFinding is one finding. What needs or mends all of a check's is said with the last of them: goesOn tells that it is not.
func writeFinding(w io.Writer, f report.Finding, goesOn bool) {
	fmt.Fprintf(w, "\n%-7s  %-7s  %s\n", f.Verdict, f.Code, printable(f.Text))
	line := func(label, text string) { fmt.Fprintf(w, "         %-7s  %s\n", label, printable(text)) }
	if f.Override != nil {
		line("instead", fmt.Sprintf("of %s: %s lets it pass until %s: %s", f.Found, f.Override.Name, f.Override.Expires.UTC().Format(time.RFC3339), f.Override.Reason))
	}
	lines := func(label string, n int, text func(int) string) {
		for i := range n {
			if i == maxShown && n > maxShown+1 {
				line("", fmt.Sprintf("and %d more", n-maxShown))
				break
			}
			line([]string{label, ""}[min(i, 1)], text(i))
		}
	}
	lines("at", len(f.Objects), func(i int) string { return f.Objects[i].Title })
	lines("by", len(f.Evidence), func(i int) string { return f.Evidence[i].String() })
	if f.Needs != "" && !goesOn {
		line("needs", f.Needs)
	}
	for i, fix := range f.Fixes {
		line([]string{"mend", ""}[min(i, 1)], fix.Text)
	}
	if len(f.Fixes) == 0 && f.Mends != "" && !goesOn {
		line("mend", f.Mends)
	}
}

func writeMending(w io.Writer, m *report.Mending) {
	if m == nil {
		return
	}
	fmt.Fprintf(w, "\nwhat would make it pass: %s\n", printable(m.Headline()))
	for _, r := range m.Remedies {
		fmt.Fprintf(w, "\n%s\n", r.Headline())
		for i, act := range r.Acts {
			fmt.Fprintf(w, "  %d  %s\n", i+1, printable(act.Text))
			for _, c := range act.Changes {
				fmt.Fprintf(w, "       %s\n", printable(c))
			}
			for _, c := range act.Inverse {
				fmt.Fprintf(w, "       undo: %s\n", printable(c))
			}
		}
		if r.Last != "" {
			fmt.Fprintf(w, "  shown behind others: %s\n", printable(r.Last))
		}
		for i, f := range r.Opens {
			if i == 0 {
				fmt.Fprintf(w, "  alone, for others, they would:\n")
			}
			fmt.Fprintf(w, "     %-7s  %s\n", f.Verdict, printable(f.Text))
		}
	}
	if left := m.LeftCodes(); left != "" {
		fmt.Fprintf(w, "no change mends %s\n", left)
	}
}

func writePassed(w io.Writer, c *report.Check) {
	passed := c.Passed()
	if len(passed) == 0 {
		return
	}
	fmt.Fprintf(w, "\npassed\n")
	for _, p := range passed {
		text := strings.Join(p.Codes, " ")
		if n := len(p.NotApplicable); n > 0 {
			text = strings.TrimLeft(fmt.Sprintf("%s (not applicable: %s)", text, strings.Join(p.NotApplicable, " ")), " ")
		}
		fmt.Fprintf(w, "  %s\n", text)
	}
}

// writeUnchecked says which checks were not made, and of those that the policy disables, why. What is so with every move is in one line: --all and docs/checks.md have the reasons.
func writeUnchecked(w io.Writer, c *report.Check, all bool) {
	for _, skip := range c.Unchecked() {
		short := !all && (skip.When == planner.Elsewhere.String() || skip.When == planner.AtRun.String())
		fmt.Fprintf(w, "\nnot looked at, %s%s\n", skip.Title, map[bool]string{true: " (--all says why)"}[short])
		if short {
			var codes []string
			for _, k := range skip.Checks {
				codes = append(codes, k.Code)
			}
			fmt.Fprintf(w, "  %s\n", strings.Join(codes, " "))
			continue
		}
		for _, k := range skip.Checks {
			fmt.Fprintf(w, "  %-7s  %s %s\n", k.Code, printable(k.Asks), printable(k.Why))
		}
	}
}

func writeOverrides(w io.Writer, all []report.Override) {
	for i, o := range all {
		if i == 0 {
			fmt.Fprintf(w, "\noverrides of this move\n")
		}
		state := "until"
		if o.Expired {
			state = "EXPIRED at"
		}
		fmt.Fprintf(w, "  %-7s  %s %s, %s: %s\n", o.Check, state, o.Expires.UTC().Format(time.RFC3339), printable(o.Name), printable(o.Reason))
	}
}
