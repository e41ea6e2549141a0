package main

import (
	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

// checkCommand holds the questions that are asked before anything is moved or taken out of service.
func (a *app) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "check", Short: "Ask before something is moved or taken out of service", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.checkMigrateCommand(), a.checkHostCommand(), a.checkRackCommand(), a.checkOrphansCommand())
	return cmd
}

// planner answers for a snapshot under the policy of the command line.
func (a *app) planner(s *topology.Snapshot) *planner.Planner {
	return planner.New(s, a.demands(), a.when(s))
}

// verdictExit is the exit code of a verdict.
func verdictExit(v planner.Verdict) error {
	switch v {
	case planner.Block:
		return exitWith(exitBlock, "")
	case planner.Unknown:
		return exitWith(exitUnknown, "")
	case planner.Pass, planner.Warn:
	}
	return nil
}
