package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/fixtures/sim"
	"github.com/throughline-dc/throughline/fixtures/sim/estate"
	"github.com/throughline-dc/throughline/internal/config"
	"github.com/throughline-dc/throughline/topology"
)

func (a *app) demoCommand() *cobra.Command {
	var serve bool
	var dir string
	cmd := &cobra.Command{
		Use: "demo", Short: "Collect a simulated data center, and show the path of a VM and what gets through to another", Args: noArgs,
		Long: `Start a simulated data center of two racks on loopback, collect it over SNMPv3, SSH, backups of configurations and libvirt's XML into the embedded store, and
show what is there, both rails of a VM, what no hypervisor tells before that VM is moved, and which rule keeps it from another. Nothing outside this machine is
contacted; no root, no services.

With --serve the simulated devices keep answering until Ctrl-C, so that the other commands can be tried on them. With --dir the store is kept.` + exits(exitOK, exitFailed, exitUsage),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.output != "table" || a.at != "" {
				return exitWith(exitUsage, "demo is to be read: --output and --at go with the other commands, on its store (--dir FOLDER)")
			}
			return a.demo(cmd.Context(), dir, serve)
		},
	}
	cmd.Flags().BoolVar(&serve, "serve", false, "keep the simulated devices and the store until Ctrl-C")
	cmd.Flags().StringVar(&dir, "dir", "", "keep inventory, credentials and store in this `FOLDER`")
	return cmd
}

func (a *app) demo(ctx context.Context, dir string, serve bool) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "throughline-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	scene, err := estate.Demo()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	lab, err := sim.Start(ctx, scene.Estate, sim.Options{Folder: filepath.Join(dir, "estate"), SSH: true, Backups: true})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	a.store = filepath.Join(dir, "throughline.db")
	if err := a.demoCollect(ctx, lab, scene.Estate); err != nil {
		return err
	}
	if err := a.demoShow(ctx, scene); err != nil {
		return err
	}
	if !serve {
		return nil
	}
	fmt.Fprintf(a.out, "\nThe simulated devices keep answering. In another terminal, for example:\n"+
		"  throughline --store %s show neighbors\n  throughline --store %s collect --inventory %s\nCtrl-C ends them.\n", a.store, a.store, lab.Inventory())
	<-ctx.Done()
	return nil
}

// demoCollect reads the estate with the very collectors, runner and store that a real one is read with.
func (a *app) demoCollect(ctx context.Context, lab *sim.Lab, e *estate.Estate) error {
	inv, err := config.Load(lab.Inventory())
	if err != nil {
		return fmt.Errorf("demo inventory: %w", err)
	}
	st, err := openStore(ctx, a.store, 0)
	if err != nil {
		return err
	}
	defer st.Close() //nolint:errcheck // every commit is durable when it returns
	devices := inv.Devices()
	fmt.Fprintf(a.out, "A simulated data center on loopback: %d racks, %d devices, %d VMs. Reading it over SNMPv3, SSH, backups of configurations and libvirt's XML ...\n",
		len(e.Racks), len(inv.Names()), len(e.VMs))
	width := terminalWidth(a.errs)
	var progress *collectors.Progress
	if width > 0 {
		progress = collectors.NewProgress(a.errs, len(devices), width)
	}
	sw, err := newSweeper(ctx, st, collectors.NewRunner(newCollectors(false), collectors.Options{Progress: progress, Log: a.log}), a.now)
	if err != nil {
		return err
	}
	began := a.now()
	if err := sw.once(ctx, devices, inv.Manual); err != nil {
		return err
	}
	if progress != nil {
		progress.Close()
	}
	if err := a.reportSweep(sw, a.now().Sub(began), ctx.Err() != nil); err != nil {
		return fmt.Errorf("demo: not every simulated device was read: %w", err)
	}
	return nil
}

func (a *app) demoShow(ctx context.Context, scene estate.Scene) error {
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, "\n== What is there")
	printCounts(a.out, s)
	vm, err := a.findOne(s, scene.Estate.VMName(scene.VM))
	if err != nil {
		return err
	}
	target, err := a.findOne(s, scene.Estate.Devices[scene.Target].Name)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\n== throughline path %s\n", vm.Name())
	a.demoRails(s, vm, "")
	fmt.Fprintf(a.out, "\n== throughline path %s --on %s --rail network\n", vm.Name(), target.Name())
	moved, missing, err := a.moved(s, vm, target.Name())
	if err != nil {
		return err
	}
	for _, r := range moved.Rails() {
		if r.Name == "storage" && r.Independent == 0 {
			missing = append(missing, "no storage path of "+r.From.Name())
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("demo: the target was to lack nothing that a hypervisor looks at: %s", strings.Join(missing, "; "))
	}
	fmt.Fprintf(a.out, "%s has the same networks and sees the same logical unit, so no hypervisor objects to the move. The network there:\n\n", target.Name())
	a.demoRails(moved.Snapshot(), moved, "network")
	return a.demoReach(ctx, scene)
}

// demoReach asks what gets through where the firewalls would let it, and suggests what to ask next.
func (a *app) demoReach(ctx context.Context, scene estate.Scene) error {
	client, server := scene.Estate.VMName(scene.Client), scene.Estate.VMName(scene.Server)
	port := strconv.Itoa(int(scene.Port))
	flow, err := flowOf("tcp", port)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\n== throughline reach %s %s --port %s\nThe firewalls let it in, and a list of the switches forgets it:\n\n", client, server, port)
	if err := a.reach(ctx, client, server, flow); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\nMore to ask of this estate, once throughline demo --dir demo has kept it:\n"+
		"  throughline --store demo/throughline.db reach any %s --port 22\n"+
		"  throughline --store demo/throughline.db reach %s any --port 443\n"+
		"  throughline --store demo/throughline.db impact\n", server, scene.Estate.VMName(scene.VM))
	return nil
}

func (a *app) demoRails(s *topology.Snapshot, n topology.Node, rail string) {
	writeHead(a.out, s, n)
	for _, r := range n.Rails() {
		if rail == "" || r.Name == rail {
			writeRail(a.out, a.railView(s, r))
		}
	}
}

// printCounts tells how much of each kind there is, and since when it is known.
func printCounts(w io.Writer, s *topology.Snapshot) {
	counts := map[topology.Kind]int{}
	for n := range s.Nodes() {
		counts[n.Kind()]++
	}
	var rows [][]string
	for _, k := range topology.Kinds() {
		if counts[k] > 0 {
			rows = append(rows, []string{k.String(), strconv.Itoa(counts[k])})
		}
	}
	links := 0
	for n := range s.Nodes(topology.Port, topology.NIC, topology.LAG) {
		links += len(n.Out(topology.Link))
	}
	rows = append(rows, []string{"link", strconv.Itoa(links)})
	printTable(w, []string{"kind", "number"}, rows)
	fmt.Fprintf(w, "%d conflicts, %d gaps, as of %s\n", len(s.Conflicts()), len(gaps(s)), s.Time().Format(time.RFC3339))
}
