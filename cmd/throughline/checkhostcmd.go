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

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

func (a *app) checkHostCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "host HOST", Short: "Tell where the VMs of a host can go, in which order, and what is left to spare then", Args: exactly(1, "HOST"),
		Long: `Place the VMs of HOST on other hosts, one after the other, so that it can be taken out of service: those with the fewest places first, each where the
verdict is best and then most room is left. Each move is asked as throughline check migrate asks it, with those before it made: what is placed takes room from
the next. Then: whether the others still have room for the VMs of any one of them that fails. VMs that are off stay.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral, exitBlock, exitUnknown),
		Example: "  throughline check host r01-h03\n  throughline check host r01-h03 --output json",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.snapshot(cmd.Context())
			if err != nil {
				return err
			}
			host, err := a.findKind(s, args[0], topology.Host)
			if err != nil {
				return err
			}
			return a.drain(cmd.Context(), s, "host "+host.Name(), []topology.Key{host.Key()})
		},
		ValidArgsFunction: a.completeKinds(topology.Host),
	}
	a.moveFlags(cmd)
	return cmd
}

func (a *app) checkRackCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rack RACK", Short: "Tell where the VMs of all hosts in a rack can go", Args: exactly(1, "RACK"),
		Long: `As throughline check host, of all hosts of a rack at once: none of them takes a VM of another.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral, exitBlock, exitUnknown),
		Example: "  throughline check rack r01",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.snapshot(cmd.Context())
			if err != nil {
				return err
			}
			var hosts []topology.Key
			for rack := range s.Nodes(topology.Rack) {
				if rack.Name() != args[0] && rack.Key().String() != args[0] {
					continue
				}
				for n := range rack.Subjects(topology.MountedIn) {
					if n.Kind() == topology.Host {
						hosts = append(hosts, n.Key())
					}
				}
			}
			if len(hosts) == 0 {
				return exitWith(exitNothing, "no host is known to be in a rack %q: throughline show rack lists the racks", args[0])
			}
			return a.drain(cmd.Context(), s, "rack "+args[0], hosts)
		},
		ValidArgsFunction: a.completeKinds(topology.Rack),
	}
	a.moveFlags(cmd)
	return cmd
}

// completeKinds completes the names of nodes of some kinds.
func (a *app) completeKinds(kinds ...topology.Kind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		s, err := a.snapshot(cmd.Context())
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for n := range s.Nodes(kinds...) {
			names = append(names, n.Name())
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

type drainView struct {
	Of        string            `json:"of"`
	Verdict   planner.Verdict   `json:"verdict"`
	Revision  topology.Revision `json:"revision"`
	Time      time.Time         `json:"time"`
	Moves     []drainMoveView   `json:"moves"` // in the order in which they are to be made
	Stuck     []drainMoveView   `json:"stuck"`
	Off       []string          `json:"off"`
	Doubts    []string          `json:"unknown,omitempty"`
	Spares    []spareView       `json:"afterwards"`
	Asked     int               `json:"questions"`
	NotTried  string            `json:"notTried,omitempty"`
	NotLooked []string          `json:"notLookedAt"`
}

type drainMoveView struct {
	VM         string          `json:"vm"`
	To         string          `json:"to,omitempty"`
	Verdict    planner.Verdict `json:"verdict"`
	Objections []objectionView `json:"objections,omitempty"`
}

// objectionView is a finding that does not pass.
type objectionView struct {
	Code    string          `json:"code"`
	Verdict planner.Verdict `json:"verdict"`
	Text    string          `json:"text"`
	Objects []string        `json:"objects,omitempty"`
}

type spareView struct {
	Host    string          `json:"ifFails"`
	Verdict planner.Verdict `json:"verdict"`
	Text    string          `json:"text"`
}

func (a *app) drain(ctx context.Context, s *topology.Snapshot, of string, hosts []topology.Key) error {
	d, err := a.planner(s).Drain(ctx, hosts)
	if err != nil {
		return err
	}
	v := drainView{
		Of: of, Verdict: d.Verdict, Revision: s.Revision(), Time: s.Time(), Doubts: d.Doubts, Asked: d.Asked, NotTried: d.Cut,
		Moves: []drainMoveView{}, Stuck: []drainMoveView{}, Off: nodeNames(s, d.Off), Spares: []spareView{}, NotLooked: []string{},
	}
	for _, m := range d.Moves {
		v.Moves = append(v.Moves, drainMoveView{nameOf(s, m.VM), nameOf(s, m.Host), m.Verdict, objections(m)})
		v.NotLooked = skippedCodes(v.NotLooked, m)
	}
	for _, m := range d.Stuck {
		stuck := drainMoveView{VM: nameOf(s, m.VM), Verdict: m.Verdict}
		if m.Plan != nil {
			stuck.To, stuck.Objections = nameOf(s, m.Plan.Host), objections(m.Plan)
			v.NotLooked = skippedCodes(v.NotLooked, m.Plan)
		}
		v.Stuck = append(v.Stuck, stuck)
	}
	for _, h := range d.Spares {
		v.Spares = append(v.Spares, spareView{nameOf(s, h.Host), h.Verdict, h.Text})
	}
	if err := a.print(v, func(w io.Writer) error { writeDrain(w, v); return nil }); err != nil {
		return err
	}
	return verdictExit(v.Verdict)
}

func nameOf(s *topology.Snapshot, k topology.Key) string {
	if n, ok := s.Node(k); ok {
		return n.Name()
	}
	return k.String()
}

func nodeNames(s *topology.Snapshot, keys []topology.Key) []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = nameOf(s, k)
	}
	return names
}

// objections are the findings of a plan that do not pass, the worst first.
func objections(p *planner.Plan) []objectionView {
	var all []objectionView
	for _, f := range p.Findings {
		if f.Verdict == planner.Pass {
			continue
		}
		o := objectionView{Code: f.Code, Verdict: f.Verdict, Text: f.Text}
		for _, k := range f.Objects {
			o.Objects = append(o.Objects, k.String())
		}
		all = append(all, o)
	}
	slices.SortStableFunc(all, func(a, b objectionView) int { return int(b.Verdict) - int(a.Verdict) })
	return all
}

// skippedCodes adds the checks that a plan did not make.
func skippedCodes(codes []string, p *planner.Plan) []string {
	for _, k := range p.Skipped {
		if !slices.Contains(codes, k.Code) {
			codes = append(codes, k.Code)
		}
	}
	return codes
}

func writeDrain(w io.Writer, v drainView) {
	fmt.Fprintf(w, "drain of %s, at revision @%d: %s\n", printable(v.Of), v.Revision, strings.ToUpper(v.Verdict.String()))
	for _, doubt := range v.Doubts {
		fmt.Fprintf(w, "unknown: %s\n", printable(doubt))
	}
	if len(v.Moves)+len(v.Stuck)+len(v.Off) == 0 {
		fmt.Fprintln(w, "no VM runs there, as far as is known")
	}
	if len(v.Moves) > 0 {
		var rows [][]string
		unsure := 0
		for i, m := range v.Moves {
			if m.Verdict == planner.Unknown {
				unsure++
			}
			rows = append(rows, []string{strconv.Itoa(i + 1), m.VM, m.To, m.Verdict.String(), objectionCodes(m.Objections)})
		}
		doubt := ""
		if unsure > 0 {
			doubt = fmt.Sprintf(", %d of these not for certain", unsure)
		}
		fmt.Fprintf(w, "\n%d of %d VMs find a place%s, in this order:\n\n", len(v.Moves), len(v.Moves)+len(v.Stuck), doubt)
		printTable(w, []string{"", "VM", "TO", "VERDICT", "WHY"}, rows)
		if i := slices.IndexFunc(v.Moves, func(m drainMoveView) bool { return len(m.Objections) > 0 }); i >= 0 {
			fmt.Fprintf(w, "\nthe whole answer to one of them: throughline check migrate %s %s\n", printable(v.Moves[i].VM), printable(v.Moves[i].To))
		}
	}
	if len(v.Stuck) > 0 {
		fmt.Fprintf(w, "\nno place for:\n")
	}
	for _, m := range v.Stuck {
		writeStuck(w, m)
	}
	if len(v.Off) > 0 {
		fmt.Fprintf(w, "\noff, and stay: %s\n", printable(strings.Join(v.Off, " ")))
	}
	if len(v.Spares) > 0 {
		fmt.Fprintf(w, "\nafterwards, by room alone:\n\n")
		var rows [][]string
		for _, h := range v.Spares {
			rows = append(rows, []string{h.Host, h.Verdict.String(), h.Text})
		}
		printTable(w, []string{"IF IT FAILS", "VERDICT", "ROOM"}, rows)
	}
	fmt.Fprintf(w, "\n%d moves were asked for", v.Asked)
	if v.NotTried != "" {
		fmt.Fprintf(w, "; %s", v.NotTried)
	}
	fmt.Fprintln(w)
	if len(v.NotLooked) > 0 {
		fmt.Fprintf(w, "not looked at: %s\n", strings.Join(v.NotLooked, " "))
	}
}

// writeStuck tells of the host where least stands in the way, and what does.
func writeStuck(w io.Writer, m drainMoveView) {
	if m.To == "" {
		fmt.Fprintf(w, "  %s: there is no host to ask\n", printable(m.VM))
		return
	}
	fmt.Fprintf(w, "  %s: %s at the least, on %s\n", printable(m.VM), m.Verdict, printable(m.To))
	for _, o := range m.Objections {
		if o.Verdict == m.Verdict {
			fmt.Fprintf(w, "    %-7s %s\n", o.Code, printable(o.Text))
		}
	}
}

// objectionCodes lists codes, the worst first, each once.
func objectionCodes(all []objectionView) string {
	var codes []string
	for _, o := range all {
		if !slices.Contains(codes, o.Code) {
			codes = append(codes, o.Code)
		}
	}
	return shortened(codes)
}
