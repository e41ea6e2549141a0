package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
)

func (a *app) reachDiffCommand() *cobra.Command {
	var from, to, proto, port, as string
	cmd := &cobra.Command{
		Use: "diff [FROM TO]", Short: "Tell which packets got through at one moment or by one configuration and do not by another, or the other way round",
		Long: `Compare what gets through at two moments, between all VMs or between FROM and TO, there and back: what is lost and what is newly possible, with one packet of
each. What is not known is both; but where the way is the same, thing by thing, nothing has changed.

With two files, or two folders with files of the same names, it compares configurations of devices: running-configs, iptables-save, nft -j list ruleset.
Filter by filter, wherever packets meet it: which are dropped and passed before, or the other way round, or go on with other addresses, by which lines; and
what else the two state that the other does not. A name that is a moment, too, is given as ./NAME.` + exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral, exitDiffers),
		Example: "  throughline reach diff --from 2h\n  throughline reach diff web-07 any --from @12 --to @14 --port 443\n  throughline reach diff --from yesterday.cfg --to leaf1.cfg\n  throughline reach diff --from backup/ --to edited/ --as cli/ios-config",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 0 && len(args) != 2 {
				return exitWith(exitUsage, "want FROM and TO, or neither")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.noPast(": --from and --to name the moments"); err != nil {
				return err
			}
			flow, err := flowOf(proto, port)
			if err != nil {
				return err
			}
			if from == "" {
				return exitWith(exitUsage, "--from TIME is missing: the moment to compare with, or a file")
			}
			files, err := a.ofFiles(from, to)
			if err != nil {
				return err
			}
			switch {
			case files && (len(args) > 0 || proto != "" || port != ""):
				return exitWith(exitUsage, "FROM, TO, --proto and --port do not go with files: all that they filter is compared")
			case files:
				return a.reachFiles(cmd.Context(), from, to, as)
			case as != "":
				return exitWith(exitUsage, "--as goes with files")
			case len(args) == 0:
				args = []string{"any", "any"}
			}
			return a.reachDiff(cmd.Context(), args, from, to, flow)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "compare with this `TIME`, as --at, or file or folder")
	cmd.Flags().StringVar(&to, "to", "", "and this `TIME` (default: the newest), or file or folder")
	cmd.Flags().StringVar(&as, "as", "", "what the files are, a `FORM`: "+formNames()+" (default: as they look)")
	cmd.Flags().StringVar(&proto, "proto", "", "only this `PROTOCOL`")
	cmd.Flags().StringVar(&port, "port", "", "only this destination `PORT`, or a range")
	a.limitsFlag(cmd)
	return cmd
}

type reachDiffView struct {
	Flow   string            `json:"flow"`
	From   topology.Revision `json:"fromRevision"`
	To     topology.Revision `json:"toRevision"`
	Pairs  []pairDiffView    `json:"pairs"`
	Asked  int               `json:"asked"`
	Absent []string          `json:"absent,omitempty"` // VMs that are in one of the two only
}

type pairDiffView struct {
	Source string       `json:"source"`
	Target string       `json:"target"`
	Lost   []regionView `json:"lost,omitempty"`
	Opened []regionView `json:"opened,omitempty"`

	Unknown string `json:"unknown,omitempty"` // why the question was given up
}

type regionView struct {
	Way    string   `json:"way"` // there or back
	What   []string `json:"what"`
	Packet string   `json:"packet"`
	Before string   `json:"before"`
	After  string   `json:"after"`
}

func (a *app) reachDiff(ctx context.Context, args []string, from, to string, flow reach.Flow) error {
	before, err := a.snapshotAt(ctx, from)
	if err != nil {
		return err
	}
	after, err := a.snapshotAt(ctx, to)
	if err != nil {
		return err
	}
	sources, err := a.reachEnds(after, args[0])
	if err != nil {
		return err
	}
	targets, err := a.reachEnds(after, args[1])
	if err != nil {
		return err
	}
	v := reachDiffView{Flow: flow.String(), From: before.Revision(), To: after.Revision(), Pairs: []pairDiffView{}}
	if err := v.fill(ctx, a.networkOf(before, from), a.networkOf(after, to), sources, targets, flow); err != nil {
		return err
	}
	if err := a.print(v, func(w io.Writer) error { writeReachDiff(w, v); return nil }); err != nil {
		return err
	}
	if len(v.Pairs) > 0 {
		return exitWith(exitDiffers, "")
	}
	return nil
}

// networkOf is the network at a moment, with the age that its facts had then.
func (a *app) networkOf(s *topology.Snapshot, when string) *reach.Network {
	then := *a
	then.at = when
	return reach.NewNetwork(s, a.limits(), then.when(s))
}

// fill asks for all that both moments have.
func (v *reachDiffView) fill(ctx context.Context, was, is *reach.Network, sources, targets []topology.Node, flow reach.Flow) error {
	for _, source := range sources {
		if _, there := was.Node(source.Key()); !there {
			v.Absent = append(v.Absent, source.Name())
			continue
		}
		for _, target := range targets {
			if _, there := was.Node(target.Key()); !there || source == target {
				continue
			}
			if err := cmp.Or(ctx.Err(), v.compare(ctx, was, is, source, target, flow)); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare asks for each pair of addresses that both moments know.
func (v *reachDiffView) compare(ctx context.Context, was, is *reach.Network, source, target topology.Node, flow reach.Flow) error {
	for _, s := range reach.Endpoints(source) {
		for _, t := range reach.Endpoints(target) {
			if s.Addr.Is4() != t.Addr.Is4() {
				continue
			}
			oldS, okS := sameEnd(was, s)
			oldT, okT := sameEnd(was, t)
			if !okS || !okT {
				continue
			}
			v.Asked++
			limited, done := context.WithTimeout(ctx, questionLimit)
			c, err := reach.Compare(limited, was, is, [2]reach.Endpoint{oldS, oldT}, [2]reach.Endpoint{s, t}, flow)
			done()
			if err != nil {
				return err
			}
			if !c.Same() {
				v.Pairs = append(v.Pairs, pairDiff(c))
			}
		}
	}
	return nil
}

func sameEnd(n *reach.Network, e reach.Endpoint) (reach.Endpoint, bool) {
	node, ok := n.Node(e.Node.Key())
	if !ok {
		return reach.Endpoint{}, false
	}
	old := reach.Endpoint{Node: node, Addr: e.Addr}
	return old, slices.Contains(reach.Endpoints(node), old)
}

func pairDiff(c reach.Comparison) pairDiffView {
	v := pairDiffView{
		Source: fmt.Sprintf("%s (%s)", ownersName(c.After.From.Node), c.After.From.Addr), Target: fmt.Sprintf("%s (%s)", ownersName(c.After.To.Node), c.After.To.Addr),
		Unknown: c.Limit,
	}
	if c.Limit != "" {
		return v
	}
	v.Lost = append(regions(c, "there", c.There.Lost, c.Before.Forward, c.After.Forward), regions(c, "back", c.Back.Lost, c.Before.Return, c.After.Return)...)
	v.Opened = append(regions(c, "there", c.There.Opened, c.Before.Forward, c.After.Forward), regions(c, "back", c.Back.Opened, c.Before.Return, c.After.Return)...)
	return v
}

func ownersName(n topology.Node) string {
	if o, ok := n.Owner(); ok {
		return o.Name()
	}
	return n.Name()
}

func regions(c reach.Comparison, way string, s packet.Set, before, after reach.Direction) []regionView {
	p, some := c.Headers.Witness(s)
	if !some {
		return nil
	}
	becomes := func(d reach.Direction) string {
		_, end, why := c.Headers.Trace(d.Leg, p)
		switch h := c.Headers; {
		case !h.Has(d.Asked, p):
			return "not sent: what it answers does not arrive"
		case h.Has(d.Must, p):
			return "delivered"
		case h.Has(d.May, p):
			return "not known: " + cmp.Or(why, strings.Join(d.Doubts[:min(1, len(d.Doubts))], ""), "it depends on what devices choose")
		default:
			return endText(end, why)
		}
	}
	return []regionView{{way, c.Headers.Services(s, maxServices), c.Headers.PacketText(p), becomes(before), becomes(after)}}
}

func writeReachDiff(w io.Writer, v reachDiffView) {
	fmt.Fprintf(w, "%s, from revision @%d to @%d: %d of %d pairs changed\n", v.Flow, v.From, v.To, len(v.Pairs), v.Asked)
	for _, p := range v.Pairs {
		fmt.Fprintf(w, "\n%s to %s\n", printable(p.Source), printable(p.Target))
		if p.Unknown != "" {
			fmt.Fprintf(w, "  ?      not known: %s\n", p.Unknown)
		}
		for _, kind := range []struct {
			name    string
			regions []regionView
		}{{"lost", p.Lost}, {"opened", p.Opened}} {
			for _, r := range kind.regions {
				fmt.Fprintf(w, "  %-6s %s: %s\n", kind.name, r.Way, strings.Join(r.What, ", "))
				fmt.Fprintf(w, "         %s\n         was  %s\n         is   %s\n", r.Packet, printable(r.Before), printable(r.After))
			}
		}
	}
	for _, name := range v.Absent {
		fmt.Fprintf(w, "\n%s was not there before\n", printable(name))
	}
}
