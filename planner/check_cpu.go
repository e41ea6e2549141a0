package planner

import (
	"fmt"

	"github.com/throughline-dc/throughline/topology"
)

// cpuChecks ask whether the guest finds the processor and the machine that it was started on.
func cpuChecks() []Check {
	return []Check{
		{
			Code: "CPU-1", Asks: "Is the target of the VM's architecture?", Facts: "architecture of VM and host (libvirt)", Mends: "choose a host of that architecture",
			run: func(f *finder) {
				needs, ok := f.text(f.vm, topology.AttrArch)
				has, also := f.text(f.target, topology.AttrArch)
				switch {
				case !ok || !also:
				case needs != has && (needs != "i686" || has != "x86_64"): // which runs both
					f.block(fmt.Sprintf("%s is built for %s, %s is %s", f.vm.Name(), needs, f.target.Name(), has), f.target, f.vm)
				default:
					f.pass(fmt.Sprintf("%s is %s", f.target.Name(), has), f.target)
				}
			},
		},
	}
}
