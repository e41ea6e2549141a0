package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/config"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

type collectFlags struct {
	inventory   string
	every, keep time.Duration
	concurrency int
	acceptKeys  bool
	publish     string
	replace     bool
}

func (a *app) collectCommand() *cobra.Command {
	var f collectFlags
	cmd := &cobra.Command{
		Use: "collect --inventory FILE", Short: "Read the devices of an inventory into the store", Args: noArgs,
		Long: `Read every device of the inventory once, or again and again with --every, and keep what they say with its history.

The inventory is checked whole before anything is contacted. What cannot be read is reported and does not stop the rest; nothing that was
collected earlier is lost by a failure. Ctrl-C stops cleanly: what was read until then is kept.` +
			exits(exitOK, exitFailed, exitUsage, exitPartial),
		Example: "  throughline collect --inventory inventory.yaml\n  throughline collect --inventory inventory.yaml --every 5m --keep 720h\n" +
			"  throughline collect --inventory inventory.yaml --publish neo4j+s://graph.example.net --neo4j-password graph.secret",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.collect(cmd.Context(), f) },
	}
	cmd.Flags().StringVarP(&f.inventory, "inventory", "i", "", "`FILE` with the devices, - for standard input (required)")
	cmd.Flags().DurationVar(&f.every, "every", 0, "read again in this interval until stopped")
	cmd.Flags().Var(&keepFlag{&f.keep}, "keep", "drop history older than this, as in 30d or 720h (default: keep all)")
	cmd.Flags().IntVar(&f.concurrency, "concurrency", 0, "devices read at once (default 32)")
	cmd.Flags().StringVar(&f.publish, "publish", "", "publish the current graph in the Neo4j at this `URI`, too: neo4j://HOST[:PORT][/DATABASE]")
	cmd.Flags().BoolVar(&f.replace, "publish-replace", false, "write over what another store has published there")
	cmd.Flags().BoolVar(&f.acceptKeys, acceptKeysFlag, false, acceptKeysHelp)
	_ = cmd.MarkFlagFilename("inventory", "yaml", "yml")
	return cmd
}

// Both commands that log in have the flag.
const (
	acceptKeysFlag = "accept-new-host-keys"
	acceptKeysHelp = "take down the SSH host keys of devices that are met for the first time, and go on (one that has changed is never accepted)"
)

// keepFlag is a duration that also takes days: 30d.
type keepFlag struct{ d *time.Duration }

func (k *keepFlag) String() string {
	if k.d == nil || *k.d == 0 {
		return ""
	}
	return k.d.String()
}

func (k *keepFlag) Type() string { return "AGE" }

func (k *keepFlag) Set(text string) error {
	d, err := parseAge(text)
	if err != nil || d <= 0 {
		return errors.New("want an age such as 30d or 720h")
	}
	*k.d = d
	return nil
}

func (a *app) collect(ctx context.Context, f collectFlags) error {
	if err := a.noPast(""); err != nil {
		return err
	}
	if f.every < 0 || f.concurrency < 0 {
		return exitWith(exitUsage, "--every and --concurrency cannot be negative")
	}
	inv, err := a.inventory(ctx, f.inventory)
	if err != nil {
		return err
	}
	st, err := openStore(ctx, a.store, f.keep)
	if err != nil {
		return err
	}
	defer st.Close() //nolint:errcheck // every commit is durable when it returns
	devices := inv.Devices()
	if f.acceptKeys {
		devices = acceptNewHostKeys(devices)
	}
	progress := collectors.NewProgress(a.errs, progressTotal(devices, f.every), terminalWidth(a.errs))
	runner := collectors.NewRunner(newCollectors(f.every > 0), collectors.Options{Readers: f.concurrency, Progress: progress, Log: a.log})
	sw, err := newSweeper(ctx, st, runner, a.now)
	if err != nil {
		return err
	}
	sw.reject = func(r reconcile.Rejected) {
		a.log.Error("a fact was refused", "reading", r.Reading.String(), "err", r.Err)
	}
	published := func() (*sentReport, error) { return nil, nil } //nolint:nilnil // nothing was to be published
	if f.publish != "" {
		if published, err = a.publishFrom(ctx, sw, f); err != nil {
			return err
		}
	}
	began := a.now()
	if f.every > 0 {
		err = sw.every(ctx, devices, inv.Manual, f.every)
	} else {
		err = sw.once(ctx, devices, inv.Manual)
	}
	took := a.now().Sub(began)
	progress.Close()
	var behind error
	sw.sent, behind = published()
	if behind != nil {
		behind = fmt.Errorf("what was read is kept, but Neo4j is not at the newest revision; the next collect --publish sends what is missing: %w", behind)
	}
	if err != nil {
		return errors.Join(err, behind)
	}
	if err = a.reportSweep(sw, took, ctx.Err() != nil); behind == nil {
		return err
	}
	if err != nil && err.Error() != "" {
		behind = errors.Join(err, behind)
	}
	return &exitError{exitPartial, behind}
}

func progressTotal(devices []collectors.Device, every time.Duration) int {
	if every > 0 {
		return 0
	}
	return len(devices)
}

type sweepReport struct {
	Revision topology.Revision `json:"revision"`
	Nodes    int               `json:"nodes"`
	Devices  int               `json:"devices"`
	OK       int               `json:"ok"`
	Partial  int               `json:"partial"`
	Failed   int               `json:"failed"`
	Skipped  int               `json:"skipped"`
	Stopped  int               `json:"stopped"`
	Added    int               `json:"factsAdded"`
	Removed  int               `json:"factsRemoved"`
	Seconds  float64           `json:"seconds"`

	Published *sentReport `json:"published,omitempty"`
}

func (a *app) reportSweep(sw *sweeper, took time.Duration, stopped bool) error {
	s := sw.summary
	r := sweepReport{
		sw.current.Revision(), sw.current.Len(), s.Devices, s.OK, s.Partial, s.Failed, s.Skipped, s.Stopped, sw.added, sw.removed,
		took.Round(time.Millisecond).Seconds(), sw.sent,
	}
	err := a.print(r, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s\nrevision @%d: %d nodes, %d facts added, %d removed, in %s\n", s, r.Revision, r.Nodes, r.Added, r.Removed, took.Round(10*time.Millisecond))
		if sent := sw.sent; err == nil && sent != nil {
			_, err = fmt.Fprintf(w, "published in Neo4j: %d nodes, %d relations, in %gs\n", sent.Nodes, sent.Relations, sent.Seconds)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case stopped && s.Stopped > 0:
		return exitWith(exitPartial, "stopped before every device was read; what was read is kept")
	case s.Failed+s.Partial+s.Stopped > 0:
		return exitWith(exitPartial, "")
	}
	return nil
}

// inventory loads and checks the inventory, from standard input if it is called "-"; all its faults are shown.
func (a *app) inventory(ctx context.Context, path string) (inv *config.Inventory, err error) {
	switch path {
	case "":
		return nil, exitWith(exitUsage, "--inventory FILE is missing")
	case "-":
		text, failed := readInput(ctx, os.Stdin, path)
		if failed != nil {
			return nil, failed
		}
		inv, err = config.Parse(path, text)
	default:
		inv, err = config.Load(path)
	}
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return inv, nil
}

func (a *app) inventoryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "inventory", Short: "Work with the inventory file", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var file string
	var offline, acceptKeys bool
	check := &cobra.Command{
		Use: "check --inventory FILE", Short: "Check the inventory, then try only the logins", Args: noArgs,
		Long: `Check the inventory file whole, then try the login of every device with one harmless read. Nothing is collected or stored.` +
			exits(exitOK, exitFailed, exitUsage, exitPartial),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.checkInventory(cmd.Context(), file, offline, acceptKeys)
		},
	}
	check.Flags().StringVarP(&file, "inventory", "i", "", "`FILE` with the devices, - for standard input (required)")
	check.Flags().BoolVar(&offline, "offline", false, "check the file only; contact nothing")
	check.Flags().BoolVar(&acceptKeys, acceptKeysFlag, false, acceptKeysHelp)
	_ = check.MarkFlagFilename("inventory", "yaml", "yml")
	cmd.AddCommand(check)
	return cmd
}

type loginRow struct {
	Device string `json:"device"`
	Source string `json:"source"`
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
}

func (a *app) checkInventory(ctx context.Context, file string, offline, acceptKeys bool) error {
	inv, err := a.inventory(ctx, file)
	if err != nil {
		return err
	}
	devices := inv.Devices()
	if offline {
		return a.print(map[string]int{"devices": len(devices)}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s: %d devices to read, no faults\n", file, len(devices))
			return err
		})
	}
	if acceptKeys {
		devices = acceptNewHostKeys(devices)
	}
	progress := collectors.NewProgress(a.errs, len(devices), terminalWidth(a.errs))
	runner := collectors.NewRunner(newCollectors(false), collectors.Options{Progress: progress, Log: a.log})
	rows := []loginRow{}
	failed, stopped := 0, 0
	for batch := range runner.Probe(ctx, devices) {
		for _, o := range batch {
			rows = append(rows, loginRow{o.Device.Handle, o.Device.Source.String(), o.Status.String(), o.Answer + o.Reason})
			switch o.Status {
			case collectors.StatusOK:
			case collectors.StatusStopped:
				stopped++
			default:
				failed++
			}
		}
	}
	progress.Close()
	sortBy(rows, func(r loginRow) string { return r.Device + "\x00" + r.Source })
	err = a.print(rows, func(w io.Writer) error {
		cells := make([][]string, len(rows))
		for i, r := range rows {
			cells[i] = []string{r.Device, r.Source, r.Status, r.Detail}
		}
		printTable(w, []string{"device", "source", "login", "detail"}, cells)
		return nil
	})
	switch {
	case err != nil:
	case stopped > 0:
		err = exitWith(exitPartial, "stopped: %d of %d logins were not tried to the end, %d failed", stopped, len(rows), failed)
	case failed > 0:
		err = exitWith(exitPartial, "%d of %d logins failed", failed, len(rows))
	}
	return err
}

func (a *app) forgetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "forget DEVICE...", Short: "Take devices out of the graph",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exitWith(exitUsage, "want the names of devices: throughline show readings lists them")
			}
			return a.noPast("")
		},
		Long: `Drop what the readings of devices say, by their names in the inventory: for devices that are gone for good. A device that merely does not
answer keeps its facts, which grow stale. The history keeps them too.` + exits(exitOK, exitFailed, exitUsage, exitNothing),
		RunE: func(cmd *cobra.Command, args []string) error {
			st, err := openStore(cmd.Context(), a.store, 0)
			if err != nil {
				return err
			}
			defer st.Close() //nolint:errcheck // the commit is durable when it returns
			sw, err := newSweeper(cmd.Context(), st, nil, a.now)
			if err != nil {
				return err
			}
			known := map[string]bool{}
			for _, r := range sw.current.Readings() {
				known[r.Device] = true
			}
			var unknown []error
			for _, h := range args {
				if !known[h] {
					unknown = append(unknown, fmt.Errorf("no reading of a device %q", h))
				}
			}
			if len(unknown) > 0 {
				return &exitError{exitNothing, errors.Join(unknown...)}
			}
			if err := sw.retire(cmd.Context(), args); err != nil {
				return err
			}
			return a.print(map[string]int{"factsRemoved": sw.removed}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%d facts removed\n", sw.removed)
				return err
			})
		},
	}
}
