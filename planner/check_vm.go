package planner

import (
	"fmt"

	"github.com/throughline-dc/throughline/topology"
)

// vmChecks ask about the VM itself.
func vmChecks() []Check {
	return []Check{
		{
			Code: "VM-1", Asks: "Does the VM run, or is it paused?", Facts: "state of the VM and the host that runs it (libvirt)", Mends: "start the VM, or define it on the target instead",
			run: func(f *finder) {
				state, ok := f.text(f.vm, topology.AttrState)
				switch {
				case !ok:
				case state == "running", state == "paused":
					f.pass(fmt.Sprintf("%s is %s", f.vm.Name(), state), f.vm)
				case state == "active":
					f.unknown(f.vm.Name()+" is active; whether it runs or is paused, no source says", f.vm)
				default:
					f.block(fmt.Sprintf("%s is %s: only what runs or is paused can be moved live", f.vm.Name(), state), f.vm)
				}
			},
		},
		{
			Code: "VM-8", Asks: "Does the VM keep what its disks hold?", Facts: "transient disks (libvirt)", Mends: "take the transient disk away, or shut the VM down",
			run: func(f *finder) {
				kept := true
				for _, disk := range f.disks() {
					if v, ok := disk.Value(topology.AttrTransient); ok && v.Bool() {
						kept = false
						f.value(disk, topology.AttrTransient)
						f.block(fmt.Sprintf("disk %s of %s is transient: what was written to it would be lost", disk.Name(), f.vm.Name()), disk, f.vm)
					}
				}
				if kept {
					f.pass("no disk of "+f.vm.Name()+" is transient", f.vm)
				}
			},
		},
	}
}

// disks lists the VM's virtual disks.
func (m *move) disks() []topology.Node {
	var all []topology.Node
	for _, e := range m.vm.Out(topology.Contains) {
		if e.To.Kind() == topology.VDisk {
			all = append(all, e.To)
		}
	}
	return all
}
