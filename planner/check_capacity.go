package planner

import (
	"cmp"
	"fmt"

	"github.com/throughline-dc/throughline/topology"
)

// capacityChecks ask whether there is room on the target.
func capacityChecks() []Check {
	return []Check{
		{
			Code: "CAP-1", Asks: "Has the target memory for the VM?", Facts: "memory of the host, of the VM and of all VMs that run there (libvirt)",
			Mends: "move another VM away, or choose a host with more room",
			run: func(f *finder) {
				f.room(topology.AttrMemoryBytes, cmp.Or(f.policy.MemoryRatio, DefaultMemoryRatio), gibibytes)
			},
		},
		{
			Code: "CAP-2", Asks: "Has the target processors for the VM?", Facts: "logical processors of the host, vCPUs of the VM and of all VMs that run there (libvirt)",
			Mends: "move another VM away, or choose a host with more room",
			run: func(f *finder) {
				f.room(topology.AttrCPUs, cmp.Or(f.policy.CPURatio, DefaultCPURatio), func(n int64) string { return fmt.Sprintf("%d processors", n) })
			},
		},
	}
}

func gibibytes(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// room compares what a host has, taken so many times, with what its VMs and one more have.
func (f *finder) room(a topology.Attr, ratio float64, words func(int64) string) {
	has, ok := f.number(f.target, a)
	needs, also := f.number(f.vm, a)
	if !ok || !also || !f.listed(f.target, topology.SourceLibvirt, "domains") {
		return
	}
	var taken int64
	for _, e := range f.target.In(topology.RunsOn) {
		state := e.From.Text(topology.AttrState)
		if e.From == f.vm || state == "shutoff" || state == "inactive" || state == "crashed" {
			continue
		}
		n, ok := f.number(e.From, a)
		if !ok {
			return
		}
		taken += n
	}
	all := int64(float64(has) * ratio)
	text := fmt.Sprintf("%s needs %s; %s has %s, of which %s are given to others", f.vm.Name(), words(needs), f.target.Name(), words(all), words(taken))
	if needs > all-taken {
		f.block(text, f.target, f.vm)
		return
	}
	f.pass(text, f.target)
}
