package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

func (a *app) checkOrphansCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "orphans", Short: "Tell what was set up and leads nowhere: VLANs, zones, logical units, rules of filters", Args: noArgs,
		Long: `Look for what nothing leads to: VLANs of switches whose ports lead to nobody who has them; zones in force of which no two members are logged in; logical units
that their array maps to nobody; rules of filters that no packet gets to, since rules before them take all that they match. What is not known is no orphan:
it is listed as unknown, with what would have to be read.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitUnknown),
		Example: "  throughline check orphans\n  throughline check orphans --output json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.orphans(cmd.Context()) },
	}
	a.limitsFlag(cmd)
	return cmd
}

type orphansView struct {
	Verdict  planner.Verdict            `json:"verdict"`
	Revision topology.Revision          `json:"revision"`
	Time     time.Time                  `json:"time"`
	Looked   map[planner.OrphanKind]int `json:"lookedAt"`
	Found    []orphanView               `json:"orphans"`
	Unknown  []orphanView               `json:"unknown"`
}

type orphanView struct {
	Kind     planner.OrphanKind `json:"kind"`
	Text     string             `json:"text"`
	Objects  []string           `json:"objects"`
	Evidence []string           `json:"evidence,omitempty"`
}

func (a *app) orphans(ctx context.Context) error {
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	o, err := planner.New(s, planner.Policy{Ages: a.limits()}, a.when(s)).Orphans(ctx)
	if err != nil {
		return err
	}
	v := orphansView{o.Verdict(), s.Revision(), s.Time(), o.Looked, orphanViews(o.Found), orphanViews(o.Unknown)}
	if err := a.print(v, func(w io.Writer) error { writeOrphans(w, v); return nil }); err != nil {
		return err
	}
	return verdictExit(v.Verdict)
}

func orphanViews(all []planner.Orphan) []orphanView {
	views := make([]orphanView, 0, len(all))
	for _, o := range all {
		v := orphanView{Kind: o.Kind, Text: o.Text}
		for _, k := range o.Objects {
			v.Objects = append(v.Objects, k.String())
		}
		for _, e := range o.Evidence {
			v.Evidence = append(v.Evidence, e.String())
		}
		views = append(views, v)
	}
	return views
}

// orphanWords is what was looked at, and what that is called.
var orphanWords = map[planner.OrphanKind]string{ //nolint:gochecknoglobals // read-only table
	planner.OrphanVLAN: "VLANs of switches", planner.OrphanZone: "zones in force", planner.OrphanUnit: "units of arrays", planner.OrphanRule: "rules of filters",
}

func writeOrphans(w io.Writer, v orphansView) {
	fmt.Fprintf(w, "what leads nowhere, at revision @%d:\n", v.Revision)
	for _, kind := range planner.OrphanKinds() {
		of := func(all []orphanView) []orphanView {
			return slices.DeleteFunc(slices.Clone(all), func(o orphanView) bool { return o.Kind != kind })
		}
		found, unknown := of(v.Found), of(v.Unknown)
		fmt.Fprintf(w, "\n%s: %d of %d", orphanWords[kind], len(found), v.Looked[kind])
		if len(unknown) > 0 {
			fmt.Fprintf(w, "; not known: %d", len(unknown))
		}
		fmt.Fprintln(w)
		for _, o := range found {
			fmt.Fprintf(w, "  %s\n", printable(o.Text))
			if len(o.Evidence) > 0 {
				fmt.Fprintf(w, "    %s\n", printable(strings.Join(o.Evidence, " ")))
			}
		}
		for _, line := range counted(unknown) {
			fmt.Fprintf(w, "  ? %s\n", printable(line))
		}
	}
}

// counted gives texts once each, with how often they come.
func counted(all []orphanView) []string {
	times := map[string]int{}
	var order []string
	for _, o := range all {
		if times[o.Text]++; times[o.Text] == 1 {
			order = append(order, o.Text)
		}
	}
	for i, text := range order {
		if n := times[text]; n > 1 {
			order[i] = fmt.Sprintf("%s (%d times)", text, n)
		}
	}
	return order
}
