//go:build !linux

package main

import "github.com/spf13/cobra"

func (a *app) labCommand() *cobra.Command {
	return &cobra.Command{
		Use: "lab", Short: "Run a miniature data center of real daemons (on Linux only)",
		RunE: func(*cobra.Command, []string) error {
			return exitWith(exitFailed, "a lab is made of Linux namespaces: this system has none")
		},
	}
}
