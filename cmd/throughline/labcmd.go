//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/fixtures/lab"
)

func (a *app) labCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "lab", Short: "Run a miniature data center of real daemons on this machine", Args: noArgs,
		Long: `Run a miniature data center on this machine: hosts with libvirt and guests, switches with VLANs, filters and routes, an array with targets, each with sshd,
snmpd and lldpd, and each in Linux namespaces of its own. Nothing of it reaches another interface of this machine.

Start with:  throughline lab up
Then:        throughline lab inventory | throughline collect --inventory -
             throughline path vm1
At last:     throughline lab down`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var dir string
	root.PersistentFlags().StringVar(&dir, "dir", "", "the lab's `FOLDER` (default: "+lab.Root+"/NAME, and the one lab that is up)")
	root.AddCommand(a.labUp(&dir), a.labDown(&dir), a.labStatus(&dir), a.labExec(&dir), a.labConsole(&dir), a.labInventory(&dir), a.labPackages(),
		a.labBreak(&dir), a.labMend(&dir), a.labBridgeMIB())
	return root
}

// needRoot says why, before something else fails for want of it.
func needRoot(cmd *cobra.Command) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return exitWith(exitFailed, "a lab is made of network namespaces, which needs root: sudo %s", cmd.CommandPath())
}

func (a *app) labUp(dir *string) *cobra.Command {
	var file string
	var small, bmc bool
	cmd := &cobra.Command{
		Use: "up", Short: "Build a lab and start it", Args: noArgs,
		Long: `Build a lab and start it. One that is up and whole is left as it is, one that was left half-built is taken down first and built anew.
Ctrl-C half-way leaves what there is; throughline lab down removes it. Needs root.` + exits(exitOK, exitFailed, exitUsage),
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, raw, err := labFile(file, small)
			if err != nil {
				return err
			}
			spec, err := lab.Parse(name, raw)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			if err := needRoot(cmd); err != nil {
				return err
			}
			lacks := lab.Missing()
			if bmc {
				lacks = strings.TrimSpace(lacks + "\n" + lab.MissingBMC())
			}
			if lacks != "" {
				return exitWith(exitFailed, "%s", lacks)
			}
			folder := filepath.Join(lab.Root, spec.Name)
			if *dir != "" {
				folder = *dir
			}
			if folder, err = realPath(folder); err != nil {
				return err
			}
			return a.labBuild(cmd.Context(), folder, name, raw, bmc)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "build what this `FILE` declares (default: two racks, four hosts, eight VMs)")
	cmd.Flags().BoolVar(&small, "small", false, "build the smallest lab in which a VM can move")
	cmd.Flags().BoolVar(&bmc, "bmc", false, "run a Redfish service on every host, in which its VMs are systems; pip fetches sushy-tools, once")
	return cmd
}

// labFile gives the file of a lab, and its name for what is said of it.
func labFile(file string, small bool) (name string, raw []byte, err error) {
	switch {
	case file != "" && small:
		return "", nil, exitWith(exitUsage, "want either --file or --small")
	case small:
		return "small.yaml", lab.Small(), nil
	case file == "":
		return "lab.yaml", lab.Default(), nil
	}
	raw, err = os.ReadFile(file)
	return file, raw, err
}

func (a *app) labBuild(ctx context.Context, dir, name string, raw []byte, bmc bool) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	began := a.now()
	l, fresh, err := lab.Up(ctx, dir, name, raw, lab.Options{Program: program, Progress: a.errs, BMC: bmc})
	if err != nil {
		what := err.Error()
		if errors.Is(err, context.Canceled) {
			what = "stopped half-way"
		}
		return exitWith(exitFailed, "%s\nthroughline lab down --dir %s removes what there is", what, dir)
	}
	if fresh {
		fmt.Fprintf(a.errs, "lab %s is up after %.1f s\n", l.Spec.Name, a.now().Sub(began).Seconds())
	} else {
		fmt.Fprintf(a.errs, "lab %s was up already, and is whole\n", l.Spec.Name)
	}
	status := l.Status(ctx)
	return a.print(status, func(w io.Writer) error {
		fmt.Fprintf(w, "%s\n", l.Spec.Drawing())
		printLab(w, status)
		fmt.Fprintf(w, `
Log in:    throughline lab exec NODE -- bash      ssh -F %[1]s/ssh_config NODE      on switches, FRR's command line: ssh -F %[1]s/ssh_config %[2]s@NODE
Read it:   throughline lab inventory | throughline collect --inventory -
`, dir, lab.Operator)
		if bmc {
			fmt.Fprintf(w, "Redfish:   https://HOST:%d/redfish/v1/, user %s, password in %s, certificates in %s\n", lab.BMCPort, lab.BMCUser,
				filepath.Join(dir, "secrets", lab.SecretBMC), filepath.Join(dir, lab.BMCFile))
		}
		fmt.Fprintln(w, "End it:    throughline lab down")
		return nil
	})
}

// printLab shows nodes and VMs.
func printLab(w io.Writer, s lab.Status) {
	rows := make([][]string, len(s.Nodes))
	for i, n := range s.Nodes {
		runs := strings.Join(n.Running, " ")
		if n.PID == 0 {
			runs = "does not run"
		}
		if len(n.Ended) > 0 {
			runs += "; ended: " + strings.Join(n.Ended, " ")
		}
		rows[i] = []string{n.Name, string(n.Kind), n.Rack, n.Address, runs}
	}
	printTable(w, []string{"node", "kind", "rack", "address", "runs"}, rows)
	if len(s.VMs) == 0 {
		return
	}
	rows = make([][]string, len(s.VMs))
	for i, v := range s.VMs {
		rows[i] = []string{v.Name, v.Host, v.Address, v.State}
	}
	fmt.Fprintln(w)
	printTable(w, []string{"vm", "host", "address", "state"}, rows)
}

// labDir gives the folder of the lab that a command is about: the one that is named, or the only one.
func labDir(dir string) (string, error) {
	if dir != "" {
		return realPath(dir)
	}
	switch all := lab.List(); len(all) {
	case 0:
		return "", exitWith(exitNothing, "no lab is up in %s: throughline lab up builds one", lab.Root)
	case 1:
		return realPath(all[0])
	default:
		return "", exitWith(exitSeveral, "several labs are up: choose one by --dir %s", strings.Join(all, " or --dir "))
	}
}

// realPath gives a folder its one name: absolute, and without symbolic links, as far as it is there. Processes of a lab are known by it.
func realPath(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	there, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		above, err := realPath(filepath.Dir(dir))
		return filepath.Join(above, filepath.Base(dir)), err
	}
	return there, err
}

// labOpen gives the lab that a command is about, to root.
func (a *app) labOpen(cmd *cobra.Command, dir string) (*lab.Lab, error) {
	if err := needRoot(cmd); err != nil {
		return nil, err
	}
	dir, err := labDir(dir)
	if err != nil {
		return nil, err
	}
	l, err := lab.Open(dir)
	if errors.Is(err, lab.ErrNone) {
		return nil, &exitError{exitNothing, err}
	}
	return l, err
}

func (a *app) labDown(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Take a lab down and leave nothing of it", Args: noArgs,
		Long: `Take a lab down, whether or not it was built to its end: end what runs in its nodes, then the nodes, and remove its folder. Only processes that carry the
lab's folder in their environment are touched. Needs root.` + exits(exitOK, exitFailed, exitUsage, exitSeveral),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot(cmd); err != nil {
				return err
			}
			folder, err := labDir(*dir)
			var none *exitError
			if errors.As(err, &none) && none.code == exitNothing {
				fmt.Fprintln(a.errs, "there is no lab to take down")
				return nil
			}
			if err != nil {
				return err
			}
			began := a.now()
			ended, err := lab.Down(cmd.Context(), folder)
			if errors.Is(err, lab.ErrNone) {
				fmt.Fprintf(a.errs, "%s: there is no lab to take down\n", folder)
				return nil
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.errs, "%s: ended %d nodes with %d processes, %d of them by force, in %.1f s\n",
				folder, ended.Nodes, ended.Processes, ended.Killed, a.now().Sub(began).Seconds())
			return nil
		},
	}
}

func (a *app) labStatus(dir *string) *cobra.Command {
	var svg bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show nodes, daemons and VMs of a lab", Args: noArgs,
		Long: "Show nodes, daemons and VMs of a lab. Needs root." + exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.labOpen(cmd, *dir)
			if err != nil {
				return err
			}
			if svg {
				_, err := a.out.Write(l.Spec.SVG())
				return err
			}
			status := l.Status(cmd.Context())
			return a.print(status, func(w io.Writer) error {
				state := "whole"
				if !status.Whole {
					state = "half-built or half-ended: throughline lab up builds it anew"
				}
				fmt.Fprintf(w, "lab %s in %s, %s\n\n", status.Name, status.Dir, state)
				printLab(w, status)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&svg, "svg", false, "print a picture of the cables instead")
	return cmd
}

func (a *app) labExec(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "exec NODE -- COMMAND...", Short: "Run a command inside a node",
		Long: "Run a command inside a node, as root of that node. oob is the bridge of the management network. At Ctrl-C the command\nis asked to end, and killed after some seconds. Needs root." +
			exits(exitNothing, exitUsage, exitSeveral) + "\n  else  that of the command",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return exitWith(exitUsage, "want a node and a command: throughline lab exec NODE -- COMMAND")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := a.labOpen(cmd, *dir)
			if err != nil {
				return err
			}
			m := l.Machine(args[0])
			if m == nil {
				return exitWith(exitNothing, "lab %s has no node %q", l.Spec.Name, args[0])
			}
			return a.attach(m.Attached(cmd.Context(), args[1:]...))
		},
	}
}

// attach runs a prepared command on our own terminal, and ends with its exit code.
func (a *app) attach(cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, a.out, a.errs
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitWith(128+int(status.Signal()), "") // as a shell says it
	}
	return exitWith(exit.ExitCode(), "")
}

func (a *app) labConsole(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "console VM", Short: "Open the console of a VM; Ctrl-] leaves it", Args: exactly(1, "a VM: throughline lab console VM"),
		Long: "Open the serial console of a VM, on the host that runs it; Ctrl-] leaves it. Needs root." +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := a.labOpen(cmd, *dir)
			if err != nil {
				return err
			}
			console, err := l.Console(cmd.Context(), args[0])
			if err != nil {
				return &exitError{exitNothing, err}
			}
			return a.attach(console)
		},
	}
}

func (a *app) labPackages() *cobra.Command {
	var bmc bool
	cmd := &cobra.Command{
		Use: "packages", Short: "Print the Debian packages that a lab needs and this machine lacks", Args: noArgs,
		Long: "Print the Debian packages that a lab needs and this machine lacks, on one line; nothing, if it lacks none." + exits(exitOK, exitUsage),
		RunE: func(*cobra.Command, []string) error {
			_, packages, _ := strings.Cut(lab.InstallLine(bmc), "--no-install-recommends ")
			if packages != "" {
				fmt.Fprintln(a.out, packages)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&bmc, "bmc", false, "also those for lab up --bmc")
	return cmd
}

func (a *app) labInventory(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "inventory", Short: "Print the inventory with which the lab is collected", Args: noArgs,
		Long: `Print the inventory with which throughline collect reads the lab. The secrets stand in files of the lab's folder, which only root reads.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.labOpen(cmd, *dir)
			if err != nil {
				return err
			}
			_, err = a.out.Write(l.Inventory())
			return err
		},
	}
}
