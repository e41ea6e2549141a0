package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

func (a *app) policyCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "check", Short: "Tell what in the whole estate is not as the policy declares it", Args: noArgs,
		Long: `Hold the whole estate to the policy, as it is now and without any move: ways of VMs (paths, redundancy), flows that have to pass or must not (required, forbidden),
and who sees logical units (units). Violations are of seven classes, each for network and storage: path outage, unauthorized path, unauthorized sharing, single
point of failure, missing redundancy, missing active host ports, hop count. Without --policy, vNICs and disks without any way are told.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitBlock, exitUnknown),
		Example: "  throughline policy check --policy policy.yaml\n  throughline policy check --policy policy.yaml --at 24h --output json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.policyCheck(cmd.Context()) },
	}
	a.moveFlags(cmd)
	return cmd
}

type violationsView struct {
	Verdict    planner.Verdict   `json:"verdict"`
	Revision   topology.Revision `json:"revision"`
	Time       time.Time         `json:"time"`
	Policy     string            `json:"policy,omitempty"`
	Violations []violationView   `json:"violations"`
	Rails      int               `json:"vnicsAndDisks"`
	Pairs      int               `json:"pairsOfAddresses"`
	Asked      int               `json:"pairsOfClasses"`
	Units      int               `json:"units"`
}

type violationView struct {
	Class    planner.ViolationClass `json:"class"`
	Rail     string                 `json:"rail"`
	Rule     string                 `json:"rule"`
	Verdict  planner.Verdict        `json:"verdict"`
	Count    int                    `json:"count"`
	Text     string                 `json:"text"`
	Objects  []string               `json:"objects,omitempty"`
	Evidence []string               `json:"evidence,omitempty"`
}

func (a *app) policyCheck(ctx context.Context) error {
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	found, err := a.planner(s).Violations(ctx)
	if err != nil {
		return err
	}
	v := violationsView{
		Verdict: found.Verdict, Revision: s.Revision(), Time: s.Time(), Violations: []violationView{}, Rails: found.Rails, Pairs: found.Pairs, Asked: found.Asked, Units: found.Units,
	}
	if a.policy != nil {
		v.Policy = a.policy.File
	}
	for _, x := range found.All {
		one := violationView{Class: x.Class, Rail: x.Rail, Rule: x.Rule, Verdict: x.Verdict, Count: x.Count, Text: x.Text}
		for _, k := range x.Objects {
			one.Objects = append(one.Objects, k.String())
		}
		for _, e := range x.Evidence {
			one.Evidence = append(one.Evidence, e.String())
		}
		v.Violations = append(v.Violations, one)
	}
	if err := a.print(v, func(w io.Writer) error { writeViolations(w, s, v, found.All); return nil }); err != nil {
		return err
	}
	return verdictExit(v.Verdict)
}

func writeViolations(w io.Writer, s *topology.Snapshot, v violationsView, all []planner.Violation) {
	of := "no policy"
	if v.Policy != "" {
		of = v.Policy
	}
	fmt.Fprintf(w, "%s, at revision @%d: %s\n", printable(of), v.Revision, strings.ToUpper(v.Verdict.String()))
	for i, x := range v.Violations {
		fmt.Fprintf(w, "\n%s: %s, %s (%s)\n", x.Verdict, x.Class, x.Rail, printable(x.Rule))
		fmt.Fprintf(w, "  %s\n", printable(x.Text))
		var names []string
		for _, k := range all[i].Objects {
			names = append(names, machineName(s, k))
		}
		fmt.Fprintf(w, "  %d: %s\n", x.Count, printable(shortened(names)))
		if len(x.Evidence) > 0 {
			fmt.Fprintf(w, "  %s\n", printable(shortened(x.Evidence)))
		}
	}
	fmt.Fprintf(w, "\nlooked at: %d vNICs and disks of VMs that are not off", v.Rails)
	if v.Pairs > 0 {
		fmt.Fprintf(w, ", %d pairs of addresses by %d pairs of classes", v.Pairs, v.Asked)
	}
	if v.Units > 0 {
		fmt.Fprintf(w, ", %d units", v.Units)
	}
	fmt.Fprintln(w)
}

// machineName is the name of a node; of a vNIC or disk that of its VM.
func machineName(s *topology.Snapshot, k topology.Key) string {
	if n, ok := s.Node(k); ok && (k.Kind == topology.VNIC || k.Kind == topology.VDisk) {
		if vm, ok := n.Owner(); ok {
			return vm.Name()
		}
	}
	return nameOf(s, k)
}
