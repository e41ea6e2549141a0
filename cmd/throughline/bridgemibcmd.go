//go:build linux

package main

import (
	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/fixtures/lab/bridgemib"
)

// labBridgeMIB is run by snmpd on the switches of a lab, not by people.
func (a *app) labBridgeMIB() *cobra.Command {
	return &cobra.Command{
		Use: "bridge-mib", Short: "Serve BRIDGE-MIB and Q-BRIDGE-MIB of Open vSwitch to snmpd", Hidden: true, Args: noArgs,
		Long: `Serve BRIDGE-MIB (RFC 4188) and Q-BRIDGE-MIB (RFC 4363) of this machine's first Open vSwitch bridge, by the protocol pass_persist of snmpd.conf(5):

    pass_persist ` + bridgemib.Root + ` throughline lab bridge-mib` + exits(exitOK, exitFailed),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return bridgemib.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
