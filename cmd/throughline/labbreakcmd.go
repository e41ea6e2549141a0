//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/fixtures/lab"
)

func (a *app) labBreak(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "break [NAME...]", Short: "Break something in a lab, or list what can be broken",
		Long: `Break something in a lab: a cable, a VLAN, a rule, a portal. Without a name, list what can be broken and what is. throughline lab mend NAME undoes it. Needs root.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := a.labOpen(cmd, *dir)
			if err != nil || len(args) == 0 {
				return a.orListBreaks(l, err)
			}
			for _, name := range args {
				b, err := l.Break(cmd.Context(), name)
				if err != nil {
					return err
				}
				fmt.Fprintf(a.errs, "broken: %s (throughline lab mend %s)\n", b.Summary, name)
			}
			return nil
		},
	}
}

func (a *app) labMend(dir *string) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "mend [NAME...]", Short: "Undo what lab break did",
		Long: "Undo what lab break did. Without a name, list what is broken. Needs root." + exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := a.labOpen(cmd, *dir)
			if err == nil && all {
				args, err = l.Broken()
			}
			if err != nil || len(args) == 0 && !all {
				return a.orListBreaks(l, err)
			}
			for _, name := range slices.Backward(args) { // the last first, as they lie upon each other
				if _, err := l.Mend(cmd.Context(), name); err != nil {
					return err
				}
				fmt.Fprintf(a.errs, "mended: %s\n", name)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that is broken")
	return cmd
}

// brokenRow is one row of the list of breaks.
type brokenRow struct {
	Name    string `json:"name"`
	Broken  bool   `json:"broken"`
	Summary string `json:"summary"`
}

func (a *app) orListBreaks(l *lab.Lab, err error) error {
	if err != nil {
		return err
	}
	broken, err := l.Broken()
	if err != nil {
		return err
	}
	var list []brokenRow
	for _, b := range l.Spec.Breaks() {
		list = append(list, brokenRow{b.Name, slices.Contains(broken, b.Name), b.Summary})
	}
	return a.print(list, func(w io.Writer) error {
		rows := make([][]string, len(list))
		for i, r := range list {
			state := ""
			if r.Broken {
				state = "broken"
			}
			rows[i] = []string{r.Name, state, r.Summary}
		}
		printTable(w, []string{"name", "", "what happens"}, rows)
		return nil
	})
}
