package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

func (a *app) impactCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "impact [NODE]", Short: "Tell who loses a path or its redundancy if a device or port fails", Args: cobra.MaximumNArgs(1),
		Long: `Tell which VMs lose their way to the network or to storage, and which only have fewer ways left, if NODE fails: a device, port, host, array, logical
unit or anything else on a path. Without NODE, list the devices on which VMs rest that have no way around them. A way that rests on readings older than
--max-age is not known, nor is what is lost with it. Filters are not looked at: throughline reach tells whether what is left lets packets through.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral),
		Example: "  throughline impact spine-1\n  throughline impact leaf1/Ethernet7\n  throughline impact",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.singlePoints(cmd.Context())
			}
			return a.impact(cmd.Context(), args[0])
		},
		ValidArgsFunction: a.completeNames,
	}
	a.limitsFlag(cmd)
	return cmd
}

type impactView struct {
	Of       string            `json:"of,omitempty"`
	Revision topology.Revision `json:"revision"`
	Time     time.Time         `json:"time"`
	Rails    []lossView        `json:"rails"`
}

type lossView struct {
	VM   string `json:"vm"`
	Rail string `json:"rail"`
	From string `json:"from"`
	Loss string `json:"loses"`
	Left int    `json:"waysLeft"`
	Ways int    `json:"ways"`
	Why  string `json:"why,omitempty"` // of what is unknown, where it is known
}

func (a *app) impact(ctx context.Context, what string) error {
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	node, err := a.findAny(s, what)
	if err != nil {
		return err
	}
	v := impactView{Of: report.Title(node), Revision: s.Revision(), Time: s.Time(), Rails: []lossView{}}
	for _, i := range reach.NewNetwork(s, a.limits(), a.when(s)).Impact(node) {
		v.Rails = append(v.Rails, lossView{i.VM.Name(), i.Rail.Name, i.Rail.From.Name(), i.Loss.String(), i.Left, i.Ways, i.Old})
	}
	return a.print(v, func(w io.Writer) error {
		fmt.Fprintf(w, "if %s fails, at revision @%d:\n\n", printable(v.Of), v.Revision)
		if len(v.Rails) == 0 {
			fmt.Fprintln(w, "no VM loses anything, as far as its paths are known")
			return nil
		}
		var rows [][]string
		var old []string
		for _, r := range v.Rails {
			rows = append(rows, []string{r.VM, r.Rail, r.From, r.Loss, fmt.Sprintf("%d of %d", r.Left, r.Ways)})
			if r.Why != "" && !slices.Contains(old, r.Why) {
				old = append(old, r.Why)
			}
		}
		printTable(w, []string{"VM", "RAIL", "FROM", "LOSES", "WAYS LEFT"}, rows)
		for _, why := range old {
			fmt.Fprintf(w, "\nnot known any more: %s\n", printable(why))
		}
		return nil
	})
}

// findAny resolves what somebody typed to any node; a device is meant before its parts.
func (a *app) findAny(s *topology.Snapshot, what string) (topology.Node, error) {
	ms := wholeVMs(s.Find(what))
	devices := slices.DeleteFunc(slices.Clone(ms), func(m topology.Match) bool { return !m.Node.Kind().Device() })
	switch {
	case len(devices) == 1:
		return devices[0].Node, nil
	case len(ms) == 1:
		return ms[0].Node, nil
	case len(ms) == 0:
		return topology.Node{}, exitWith(exitNothing, "nothing answers to %q: throughline show lists what there is", what)
	}
	return topology.Node{}, a.several(s, what, ms)
}

type singleView struct {
	Device string   `json:"device"`
	Kind   string   `json:"kind"`
	Rails  int      `json:"rails"`
	VMs    []string `json:"vms"`
}

func (a *app) singlePoints(ctx context.Context) error {
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	singles, unknown := reach.NewNetwork(s, a.limits(), a.when(s)).SinglePoints()
	v := struct {
		Revision topology.Revision `json:"revision"`
		Time     time.Time         `json:"time"`
		Unknown  int               `json:"railsUnknown"`
		Singles  []singleView      `json:"singlePoints"`
	}{s.Revision(), s.Time(), unknown, []singleView{}}
	for _, one := range singles {
		x := singleView{Device: one.Device.Name(), Kind: one.Device.Kind().String(), Rails: len(one.Rails)}
		for _, r := range one.Rails {
			if !slices.Contains(x.VMs, r.VM.Name()) {
				x.VMs = append(x.VMs, r.VM.Name())
			}
		}
		slices.Sort(x.VMs)
		v.Singles = append(v.Singles, x)
	}
	return a.print(v, func(w io.Writer) error {
		fmt.Fprintf(w, "devices that paths of VMs have no way around, at revision @%d (a VM's own host is left out):\n\n", v.Revision)
		var rows [][]string
		for _, x := range v.Singles {
			rows = append(rows, []string{x.Device, x.Kind, strconv.Itoa(x.Rails), shortened(x.VMs)})
		}
		printTable(w, []string{"DEVICE", "KIND", "RAILS", "VMS"}, rows)
		if v.Unknown > 0 {
			fmt.Fprintf(w, "\nof %d rails no whole way is known: throughline show gaps\n", v.Unknown)
		}
		return nil
	})
}

const maxNamed = 6 // VMs in a line

func shortened(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], " "), len(names)-maxNamed)
}
