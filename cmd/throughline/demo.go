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
	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

func (a *app) demoCommand() *cobra.Command {
	var serve bool
	var dir string
	cmd := &cobra.Command{
		Use: "demo", Short: "Collect a simulated data center, and show the path of a VM and what gets through to another", Args: noArgs,
		Long: `Start a simulated data center of two racks on loopback, collect it over SNMPv3, SSH, backups of configurations and libvirt's XML into the embedded store, and
show what is there, both rails of a VM, which rule keeps another from a third, what no hypervisor tells before that VM is moved, and what would mend it. Nothing outside this machine is
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

// demoPolicy is fixtures/policy/demo.yaml, which goes wherever the program goes.
const demoPolicy = `# The policy of the estate that throughline demo simulates: throughline check migrate VM HOST --policy fixtures/policy/demo.yaml
version: 1

beside: warn # the lists of the leaves say what guests may send each other: what two of them reach by the chance of one host, nobody relies on

disabled:
  - check: SAN-9
    reason: the array is asked for iSCSI alone, so nobody says to whom it shows the units that it has over Fibre Channel
`

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
	policy := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte(demoPolicy), 0o600); err != nil {
		return err
	}
	if a.policy, err = readPolicy(ctx, policy); err != nil {
		return err
	}
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
	if len(missing) > 0 {
		return fmt.Errorf("demo: the target was to lack nothing that a hypervisor looks at: %s", strings.Join(missing, "; "))
	}
	fmt.Fprintf(a.out, "%s has the same networks, and the disk is one that the VM's own program opens, so no hypervisor objects to the move. The network there:\n\n", target.Name())
	a.demoRails(moved.Snapshot(), moved, "network")
	if err := a.demoReach(ctx, scene); err != nil {
		return err
	}
	if err := a.demoMove(ctx, s, vm, target); err != nil {
		return err
	}
	a.demoNext(vm.Name(), target.Name(), scene.Estate.VMName(scene.Server))
	return nil
}

// demoReach asks what gets through where the firewalls would let it.
func (a *app) demoReach(ctx context.Context, scene estate.Scene) error {
	client, server := scene.Estate.VMName(scene.Client), scene.Estate.VMName(scene.Server)
	port := strconv.Itoa(int(scene.Port))
	flow, err := flowOf("tcp", port)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\n== throughline reach %s %s --port %s\nThe firewalls let it in, and a list of the switches forgets it:\n\n", client, server, port)
	return a.reach(ctx, client, server, flow)
}

// ofHypervisors begin the codes of the checks of what the two hypervisors know themselves, with what these are about.
var ofHypervisors = [][2]string{ //nolint:gochecknoglobals // read-only table
	{"VM-", "the VM"}, {"HOST-", "hosts"}, {"CPU-", "CPU"}, {"CAP-", "memory and processors"}, {"DEV-", "devices"}, {"MIG-", "migration"}, {"NET-H", "networks by name"}, {"STO-", "disks and pools"},
}

// demoMove asks whether the VM may move to the target: what hypervisors say, what stands in the way between them, what would mend that, and what that would open.
func (a *app) demoMove(ctx context.Context, s *topology.Snapshot, vm, target topology.Node) error {
	fmt.Fprintf(a.out, "\n== throughline check migrate %s %s\n", vm.Name(), target.Name())
	c, err := a.checked(ctx, s, vm, target, true)
	if err != nil {
		return err
	}
	var about []string
	green := 0
	for _, family := range ofHypervisors {
		about = append(about, family[1])
		for _, f := range c.Findings {
			switch {
			case !strings.HasPrefix(f.Code, family[0]) || f.NotApplicable:
			case f.Verdict != planner.Pass:
				return fmt.Errorf("demo: a hypervisor was to object to nothing: %s: %s", f.Code, f.Text)
			default:
				green++
			}
		}
	}
	if c.Mending == nil || len(c.Mending.Remedies) == 0 {
		return fmt.Errorf("demo: nothing is found that would make %s pass", c.Headline())
	}
	fmt.Fprintf(a.out, "The hypervisors are content: %d checks of what they know themselves pass (%s).\n"+
		"libvirt would move the VM. Between the two hosts, Throughline finds:\n\n", green, strings.Join(about, ", "))
	for _, f := range c.Open() {
		if len(f.Fixes) > 0 {
			fmt.Fprintf(a.out, "%-7s  %-5s  %s\n", f.Verdict, f.Code, printable(f.Text))
		}
	}
	r := c.Mending.Remedies[0]
	fewer := ""
	if c.Mending.Proven {
		fewer = "; fewer do not help"
	}
	fmt.Fprintf(a.out, "\n%s%s\n", r.Headline(), fewer)
	for i, act := range r.Acts {
		fmt.Fprintf(a.out, "  %d  %s\n", i+1, printable(act.Text))
	}
	fmt.Fprintln(a.out, "\nfor others they would, before anything moves:")
	for _, f := range r.Opens {
		fmt.Fprintf(a.out, "%-7s  %-5s  %s\n", f.Verdict, f.Code, printable(f.Text))
	}
	return nil
}

// demoNext suggests what to ask.
func (a *app) demoNext(vm, target, server string) {
	fmt.Fprint(a.out, "\nTo ask this estate yourself, let throughline demo --dir demo keep it:\n")
	for _, question := range []string{
		"check migrate " + vm + " " + target + " --policy demo/policy.yaml   # with evidence, how to undo each change, and what was not looked at",
		"check migrate " + vm + " --to best --policy demo/policy.yaml", "reach any " + server + " --port 22", "reach " + vm + " any --port 443", "impact",
	} {
		fmt.Fprintf(a.out, "  throughline --store demo/throughline.db %s\n", question)
	}
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
