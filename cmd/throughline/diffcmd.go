package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/topology"
)

func (a *app) diffCommand() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use: "diff --from TIME [--to TIME]", Short: "Show what changed between two moments", Args: noArgs,
		Long: `Show what changed in the merged view between two moments: times, ages or revisions, as --at takes them. Ages of readings are no change.` +
			exits(exitOK, exitDiffers, exitFailed, exitUsage, exitNothing),
		Example: "  throughline diff --from 24h\n  throughline diff --from @3 --to @7 --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.noPast(": give --from and --to"); err != nil {
				return err
			}
			if from == "" {
				return exitWith(exitUsage, "--from TIME is missing")
			}
			old, err := a.snapshotAt(cmd.Context(), from)
			if err != nil {
				return err
			}
			now, err := a.snapshotAt(cmd.Context(), to)
			if err != nil {
				return err
			}
			cs := topology.Diff(old, now)
			err = a.print(cs, func(w io.Writer) error {
				for _, c := range cs.Changes {
					fmt.Fprintln(w, printable(c.String()))
				}
				_, err := fmt.Fprintf(w, "%d changes from @%d to @%d\n", len(cs.Changes), old.Revision(), now.Revision())
				return err
			})
			if err == nil && !cs.Empty() {
				err = exitWith(exitDiffers, "")
			}
			return err
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the earlier `TIME` (required)")
	cmd.Flags().StringVar(&to, "to", "", "the later `TIME` (default: now)")
	return cmd
}

func (a *app) exportCommand() *cobra.Command {
	var facts bool
	var file string
	cmd := &cobra.Command{
		Use: "export", Short: "Write the whole graph as canonical JSON", Args: noArgs,
		Long: `Write the graph as JSON, one node a line, in canonical order: the same graph gives the same text. With --facts everything that every source
says is written too, with its evidence. With --output yaml the same is written as YAML.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			s, err := a.snapshot(cmd.Context())
			if err != nil {
				return err
			}
			if file == "" {
				return a.writeSnapshot(a.out, s, facts)
			}
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			return a.writeSnapshot(f, s, facts)
		},
	}
	cmd.Flags().BoolVar(&facts, "facts", false, "also write every source's facts with their evidence")
	cmd.Flags().StringVarP(&file, "file", "f", "", "write to this `FILE`")
	return cmd
}

func (a *app) writeSnapshot(w io.Writer, s *topology.Snapshot, facts bool) error {
	if a.output != "yaml" {
		return s.WriteJSON(w, facts)
	}
	var b bytes.Buffer
	if err := s.WriteJSON(&b, facts); err != nil {
		return err
	}
	text, err := yaml.JSONToYAML(b.Bytes())
	if err != nil {
		return fmt.Errorf("yaml: %w", err)
	}
	_, err = w.Write(text)
	return err
}
