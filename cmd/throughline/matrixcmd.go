package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

func (a *app) matrixCommand() *cobra.Command {
	var o planner.MatrixOptions
	var vms, hosts []string
	var table string
	cmd := &cobra.Command{
		Use: "matrix", Short: "Tell of every VM whether it may move to every host", Args: noArgs,
		Long: `Ask of every VM whether it may move to every host, as throughline check migrate asks it: the verdict, the checks that decide, and with --changes how many changes
would make it pass. --vms and --hosts name some of them by patterns of names, keys or prefixes of addresses. The table has a line for each VM; --csv and
--output json have one for each pair, those of fewest changes first. The host that a VM runs on is left out.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing),
		Example: "  throughline matrix --vms 'web-*'\n  throughline matrix --vms 'web-*' --hosts 'r02-*' --changes\n  throughline matrix --csv matrix.csv",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, pattern := range slices.Concat(vms, hosts) {
				if !planner.Pattern(pattern) {
					return exitWith(exitUsage, "%q is not a pattern of names", pattern)
				}
			}
			o.VMs, o.Hosts = vms, hosts
			return a.matrix(cmd.Context(), o, table)
		},
	}
	a.moveFlags(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&vms, "vms", nil, "ask of these VMs: `PATTERNS` of names, keys or prefixes (default: all)")
	flags.StringSliceVar(&hosts, "hosts", nil, "ask about these hosts: `PATTERNS` (default: all)")
	flags.BoolVar(&o.Mend, "changes", false, "look for the changes that make blocked moves pass, too; this takes longer")
	flags.StringVar(&table, "csv", "", "write a line for each pair into this `FILE`, - for standard output")
	_ = cmd.MarkFlagFilename("csv", "csv")
	for flag, kind := range map[string]topology.Kind{"vms": topology.VM, "hosts": topology.Host} {
		_ = cmd.RegisterFlagCompletionFunc(flag, a.completeKinds(kind))
	}
	return cmd
}

type matrixView struct {
	Revision  topology.Revision `json:"revision"`
	Time      time.Time         `json:"time"`
	VMs       int               `json:"vms"`
	Hosts     int               `json:"hosts"`
	Cells     []cellView        `json:"cells"` // those of fewest changes first
	NotLooked []string          `json:"notLookedAt"`
}

type cellView struct {
	VM      string          `json:"vm"`
	Host    string          `json:"host"`
	Verdict planner.Verdict `json:"verdict"`
	Codes   []string        `json:"codes,omitempty"`
	Changes *int            `json:"changes"` // null: none make it pass, or it was not looked for
}

func (a *app) matrix(ctx context.Context, o planner.MatrixOptions, file string) error {
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	progress, done := a.rowsDone()
	o.Progress = progress
	m, err := a.planner(s).Matrix(ctx, o)
	done()
	if err != nil {
		return err
	}
	if len(m.VMs) == 0 || len(m.Hosts) == 0 {
		return exitWith(exitNothing, "%d VMs and %d hosts are named so: there is nothing to ask", len(m.VMs), len(m.Hosts))
	}
	v := matrixView{Revision: s.Revision(), Time: s.Time(), VMs: len(m.VMs), Hosts: len(m.Hosts), Cells: make([]cellView, 0, len(m.Cells)), NotLooked: []string{}}
	for _, c := range m.Cells {
		one := cellView{VM: nameOf(s, c.VM), Host: nameOf(s, c.Host), Verdict: c.Verdict, Codes: c.Codes}
		if c.Changes >= 0 {
			one.Changes = &c.Changes
		}
		v.Cells = append(v.Cells, one)
	}
	for _, k := range m.Skipped {
		v.NotLooked = append(v.NotLooked, k.Code)
	}
	if file == "" {
		return a.print(v, func(w io.Writer) error { writeMatrix(w, v); return nil })
	}
	doc, err := v.csv()
	switch {
	case err != nil:
		return err
	case file == "-":
		_, err = a.out.Write(doc)
		return err
	}
	if err := os.WriteFile(file, doc, 0o644); err != nil { //nolint:gosec // a report for others, as the shell would write it
		return err
	}
	return nil
}

// rowsDone shows on a terminal how many VMs were asked about; the other function takes that away.
func (a *app) rowsDone() (show func(done, total int), end func()) {
	if terminalWidth(a.errs) == 0 {
		return nil, func() {}
	}
	return func(done, total int) { fmt.Fprintf(a.errs, "\r%d of %d VMs ", done, total) }, func() { fmt.Fprint(a.errs, "\r\x1b[K") }
}

// csv is a line for each pair.
func (v matrixView) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"vm", "host", "verdict", "codes", "changes"}}
	for _, c := range v.Cells {
		changes := ""
		if c.Changes != nil {
			changes = strconv.Itoa(*c.Changes)
		}
		rows = append(rows, []string{unformed(c.VM), unformed(c.Host), c.Verdict.String(), strings.Join(c.Codes, " "), changes})
	}
	err := w.WriteAll(rows)
	return b.Bytes(), err
}

// unformed makes a cell harmless that a spreadsheet would take for a formula (OWASP, CSV injection), and a terminal for a command.
func unformed(cell string) string {
	cell = printable(cell)
	if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// writeMatrix is a line for each VM: how many hosts there are of each verdict, the best of them, and what decides most often.
func writeMatrix(w io.Writer, v matrixView) {
	fmt.Fprintf(w, "%d VMs and %d hosts, at revision @%d\n\n", v.VMs, v.Hosts, v.Revision)
	type line struct {
		counts [planner.Block + 1]int
		best   []string
		codes  map[string]int
	}
	lines := map[string]*line{}
	var names []string
	for _, c := range v.Cells {
		l := lines[c.VM]
		if l == nil {
			l = &line{codes: map[string]int{}}
			lines[c.VM] = l
			names = append(names, c.VM)
		}
		l.counts[c.Verdict]++
		if len(l.best) < 2 {
			l.best = append(l.best, c.Host+changesText(c))
		}
		for _, code := range c.Codes {
			l.codes[code]++
		}
	}
	slices.Sort(names)
	var rows [][]string
	for _, name := range names {
		l := lines[name]
		row := []string{name}
		for _, n := range l.counts {
			row = append(row, strconv.Itoa(n))
		}
		rows = append(rows, append(row, strings.Join(l.best, " "), most(l.codes)))
	}
	printTable(w, []string{"VM", "PASS", "WARN", "UNKNOWN", "BLOCK", "BEST", "WHY NOT"}, rows)
	if len(v.NotLooked) > 0 {
		fmt.Fprintf(w, "\nnot looked at: %s\n", strings.Join(v.NotLooked, " "))
	}
}

func changesText(c cellView) string {
	if c.Changes == nil || *c.Changes == 0 {
		return ""
	}
	return fmt.Sprintf("(%d)", *c.Changes)
}

// most gives the codes that come most often.
func most(codes map[string]int) string {
	var all []string
	for code := range codes {
		all = append(all, code)
	}
	slices.SortFunc(all, func(a, b string) int {
		if codes[a] != codes[b] {
			return codes[b] - codes[a]
		}
		return strings.Compare(a, b)
	})
	return shortened(all)
}
