package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/throughline-dc/throughline/planner"
)

// Checks gives the page about all checks: docs/checks.md.
func Checks(all []planner.Check) []byte {
	var b bytes.Buffer
	b.WriteString(`# The checks

Written by ` + "`make generate`" + ` from the table in package planner; a test holds it to that.

` + "`throughline check migrate VM HOST`" + ` asks all of these, in this order, and stops at none: the answer is the worst of pass, warn, unknown and block. What no source says, what is too old, and what sources of
equal weight say otherwise of each other is unknown, and the answer names it. An object that does not exist makes its checks pass as not applicable. What can be asked only at the run (it would have to write, or needs the
guest) and what is of another hypervisor is listed with every answer as not looked at; so is what [the policy](operate/policy.md) disables. Codes are stable: they may stand in tickets, policies and scripts.

`)
	counts := map[planner.When]int{}
	for _, c := range all {
		counts[c.When]++
	}
	fmt.Fprintf(&b, "%d checks are made before a move, %d can be made only at the run, %d are not applicable to the hypervisors that are read so far.\n\n", counts[planner.Before], counts[planner.AtRun], counts[planner.Elsewhere])
	b.WriteString("## Before the move\n\n| code | question | what it has to know | what mends it |\n|---|---|---|---|\n")
	for _, c := range all {
		if c.When == planner.Before {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Code, cell(c.Asks), cell(c.Facts), cell(c.Mends))
		}
	}
	for _, part := range []struct {
		when  planner.When
		title string
	}{{planner.AtRun, "At the run"}, {planner.Elsewhere, "Not applicable"}} {
		if counts[part.when] == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n| code | question | why not before | what mends it |\n|---|---|---|---|\n", part.title)
		for _, c := range all {
			if c.When == part.when {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Code, cell(c.Asks), cell(c.Why), cell(c.Mends))
			}
		}
	}
	return b.Bytes()
}

// cell is a text of our own in a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
