package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

// checkFlags are what check migrate is asked with.
type checkFlags struct {
	all, noFixes bool
	to           string // "", or best
	reports      []string
}

func (a *app) checkMigrateCommand() *cobra.Command {
	var flags checkFlags
	cmd := &cobra.Command{
		Use: "migrate VM HOST", Short: "Tell whether a VM may move to a host, and what stands in its way",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case flags.to == "" && len(args) == 2:
				return nil
			case flags.to != "" && flags.to != "best":
				return exitWith(exitUsage, "--to %q: want best, or name the host", flags.to)
			case flags.to == "" || len(args) != 1:
				return exitWith(exitUsage, "want VM and HOST, or VM and --to best")
			case len(flags.reports) > 0:
				return exitWith(exitUsage, "--report is about one host: name it")
			}
			return nil
		},
		Long: `Make all checks of docs/checks.md on the graph for the move of VM to HOST. Nothing is moved or written, and no device is asked.

The answer is the worst of what was found: pass, warn, unknown (something that decides is missing, too old or contradictory: it says which fact to fetch) or block. It says what it rests on, how
old that is, what would mend it, and what was not looked at. --policy FILE says what you demand beyond that and what you let pass (docs/operate/policy.md).

Where the answer is unknown or block, the smallest set of changes is looked for with which it would pass, and what these would open to others: --no-fixes leaves that out.

With --to best all hosts are asked, and listed in the order in which they suit the VM. With --report the answer is also written as one page to attach to a change request: FILE.html or FILE.md.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral, exitBlock, exitUnknown, exitStale),
		Example: "  throughline check migrate web-07 r02-h01\n  throughline check migrate web-07 r02-h01 --policy policy.yaml --report change-4711.html\n  throughline check migrate web-07 --to best",
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.to != "" {
				return a.checkBest(cmd.Context(), args[0])
			}
			return a.checkMigrate(cmd.Context(), args[0], args[1], flags)
		},
		ValidArgsFunction: a.completeMove,
	}
	a.moveFlags(cmd)
	cmd.Flags().BoolVar(&flags.all, "all", false, "show what passed, too, each with its evidence")
	cmd.Flags().BoolVar(&flags.noFixes, "no-fixes", false, "do not look for what would make it pass")
	cmd.Flags().StringVar(&flags.to, "to", "", "`best`: ask all hosts, and list them in order")
	cmd.Flags().StringArrayVar(&flags.reports, "report", nil, "write the answer into this `FILE`.html or FILE.md, too (may be given twice)")
	return cmd
}

// completeMove offers the names of VMs, then those of hosts.
func (a *app) completeMove(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := a.snapshot(cmd.Context())
	if err != nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for n := range s.Nodes([]topology.Kind{topology.VM, topology.Host}[len(args)]) {
		names = append(names, n.Name())
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) checkMigrate(ctx context.Context, vmName, hostName string, flags checkFlags) error {
	if err := reportsFit(flags.reports); err != nil {
		return err
	}
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	vm, err := a.findKind(s, vmName, topology.VM)
	if err != nil {
		return err
	}
	host, err := a.findKind(s, hostName, topology.Host)
	if err != nil {
		return err
	}
	c, err := a.checked(ctx, s, vm, host, !flags.noFixes)
	if err != nil {
		return err
	}
	if c.Stale, err = a.meanwhile(ctx, s, vm, host); err != nil {
		return err
	}
	if err := a.print(c, func(w io.Writer) error { writeCheck(w, c, flags.all); return nil }); err != nil {
		return err
	}
	if len(flags.reports) > 0 { // behind the answer: a file that cannot be written hides none
		if err := a.writeReports(s, vm, host, c, flags.reports); err != nil {
			return err
		}
	}
	if c.Stale != "" {
		return exitWith(exitStale, "")
	}
	return verdictExit(c.Verdict)
}

// mendLimit is how long what would mend a move is looked for.
const mendLimit = 2 * time.Minute

// checked asks all checks, and what would make them pass.
func (a *app) checked(ctx context.Context, s *topology.Snapshot, vm, host topology.Node, fixes bool) (*report.Check, error) {
	p := a.planner(s)
	plan, err := p.Migrate(ctx, vm.Key(), host.Key())
	if err != nil {
		return nil, err
	}
	policy := a.demands()
	c := report.Of(plan, s, &policy)
	c.Policy = a.policyUsed()
	if !fixes || plan.Verdict <= planner.Warn {
		return c, nil
	}
	limited, done := context.WithTimeout(ctx, mendLimit)
	defer done()
	mending, err := p.Mend(limited, plan)
	switch {
	case err == nil:
		c.Mending = report.MendingOf(mending, s, plan)
	case ctx.Err() == nil && limited.Err() != nil:
		c.Mending = &report.Mending{Remedies: []report.Remedy{}, Failed: "the search was given up after " + mendLimit.String()}
	default:
		return nil, err
	}
	return c, nil
}

// findKind resolves what somebody typed to a node of one kind.
func (a *app) findKind(s *topology.Snapshot, what string, kind topology.Kind) (topology.Node, error) {
	ms := slices.DeleteFunc(wholeVMs(s.Find(what)), func(m topology.Match) bool { return m.Node.Kind() != kind })
	switch len(ms) {
	case 0:
		return topology.Node{}, exitWith(exitNothing, "no %s answers to %q: throughline show %s lists them", kind, what, kind)
	case 1:
		return ms[0].Node, nil
	}
	return topology.Node{}, a.several(s, what, ms)
}

// meanwhile says whether a move is still of the VM and host that were asked about: somebody may have moved it, or collected anew.
func (a *app) meanwhile(ctx context.Context, s *topology.Snapshot, vm, host topology.Node) (string, error) {
	if a.at != "" {
		return "", nil
	}
	r, err := a.openReader(ctx)
	if err != nil {
		return "", err
	}
	defer r.Close() //nolint:errcheck // read only: nothing can be lost
	infos, err := r.Revisions(ctx, s.Time())
	if err != nil || len(infos) == 0 || infos[len(infos)-1].Revision <= s.Revision() {
		return "", err
	}
	newest, err := r.Snapshot(ctx, 0)
	if err != nil {
		return "", err
	}
	return changed(newest, vm, host), nil
}

// changed words what has become of a VM and of the host it would move to.
func changed(newest *topology.Snapshot, vm, host topology.Node) string {
	since := fmt.Sprintf("revision @%d came meanwhile: ", newest.Revision())
	now, ok := newest.Node(vm.Key())
	if !ok {
		return since + vm.Name() + " is no longer there"
	}
	if _, ok := newest.Node(host.Key()); !ok {
		return since + host.Name() + " is no longer there"
	}
	before, _ := vm.First(topology.RunsOn)
	after, _ := now.First(topology.RunsOn)
	switch {
	case after.IsZero() && !before.IsZero():
		return since + "no source says any longer where " + vm.Name() + " runs"
	case !after.IsZero() && (before.IsZero() || before.Key() != after.Key()):
		return since + vm.Name() + " runs on " + after.Name() + " now"
	}
	return ""
}
