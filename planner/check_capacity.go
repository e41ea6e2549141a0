package planner

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// capacityChecks ask whether there is room on the target.
func capacityChecks() []Check {
	return []Check{
		{
			Code: "CAP-1", Asks: "Has the target memory for the VM?", Facts: "memory of the host, its huge pages, memory of the VM and of all VMs that run there (libvirt); what a host keeps for itself (policy)",
			Mends: "move another VM away, or choose a host with more room", run: (*finder).memory,
		},
		{
			Code: "CAP-2", Asks: "Has the target processors for the VM?", Facts: "logical processors of the host, vCPUs of the VM and of all VMs that run there (libvirt)",
			Mends: "move another VM away, or choose a host with more room", run: (*finder).processors,
		},
		{
			Code: "CAP-3", Asks: "Does the target have the processors that the VM is pinned to, and are they not another VM's?", Facts: "pinned vCPUs (<vcpupin>), processors of the host (libvirt)",
			Mends: "pin the VM to processors that are free there (virsh vcpupin), or choose another host", run: (*finder).pins,
		},
		{
			Code: "CAP-4", Asks: "Does the target have the NUMA cells that the VM's memory is bound to?", Facts: "binding of the memory (<numatune>), cells of the host (libvirt)",
			Mends: "bind the VM to cells that are there (virsh numatune), or choose another host", run: (*finder).cells,
		},
		{
			Code: "CAP-5", Asks: "Does the target have the huge pages that the VM asks for?", Facts: "pages that the VM asks for (<hugepages>), pages of the host that nobody has (libvirt: virNodeGetFreePages)",
			Mends: "set more pages aside on the target (virsh allocpages), or choose another host", run: (*finder).hugePages,
		},
		{
			Code: "CAP-6", Asks: "Is the room on the target held for the VM?", Facts: "claims", Mends: "ask again", When: AtRun,
			Why: "a claim has to be written; whoever moves holds the room from then on",
		},
		{
			Code: "CAP-7", Asks: "Does the target back memory as the VM asks for it?", Facts: "backing of the VM's memory (<memoryBacking>), backings that the host offers (libvirt: virsh domcapabilities, which read-only connections forbid: of recordings alone)",
			Mends: "choose a host that does, or change the VM's backing", run: (*finder).backing,
		},
		{
			Code: "CAP-8", Asks: "Has the target the bandwidth and the operations in a second that the VM is promised?", Facts: "pools of bandwidth", Mends: "choose another host", When: Elsewhere,
			Why: "pools of bandwidth are vSphere's, and Nova's ports with resource requests; libvirt's limits go with the VM",
		},
		{
			Code: "CAP-9", Asks: "Does the target have the mediated devices that the VM has?", Facts: "host devices of the VM and of the target (libvirt: node devices of the kind mdev)",
			Mends: "make the device there (virsh nodedev-create), or choose another host", run: (*finder).mediated,
		},
	}
}

func gibibytes(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// memory adds up ordinary memory: huge pages are set aside, and whoever has them takes nothing else.
func (f *finder) memory() {
	ratio := cmp.Or(f.policy.MemoryRatio, DefaultMemoryRatio)
	if _, ok := f.number(f.target, topology.AttrMemoryBytes); ok && !f.entire(f.target, topology.AttrMemoryBytes) { // huge pages are said beside it
		return
	}
	f.room(topology.AttrMemoryBytes, ratio, f.setAside(f.target), gibibytes)
}

func (f *finder) processors() {
	words := func(n int64) string { return fmt.Sprintf("%d processors", n) }
	has, ok := f.number(f.target, topology.AttrCPUs)
	needs, also := f.number(f.vm, topology.AttrCPUs)
	if ok && also && needs > has { // its own vCPUs would wait for each other
		f.block(fmt.Sprintf("%s needs %s; %s has %s", f.vm.Name(), words(needs), f.target.Name(), words(has)), f.target, f.vm)
		return
	}
	if ok && also {
		f.room(topology.AttrCPUs, cmp.Or(f.policy.CPURatio, DefaultCPURatio), 0, words)
	}
}

// setAside is the memory of a host that no VM may have as ordinary memory: what the host needs for itself, and what is set aside as huge pages.
func (p *Planner) setAside(host topology.Node) int64 {
	kept := cmp.Or(p.policy.HostMemoryBytes, DefaultHostMemory)
	for v := range host.Stated(topology.AttrHugePages) {
		if page, err := pagesOf(v.String()); err == nil {
			kept += page.bytes * page.number
		}
	}
	return kept
}

// share is what a VM takes of the ordinary memory or the processors of a host.
func (f *finder) share(vm topology.Node, a topology.Attr) (int64, bool) {
	if a == topology.AttrMemoryBytes && inHugePages(vm) {
		return 0, f.described(vm)
	}
	n, ok := f.number(vm, a)
	return n, ok && (a != topology.AttrMemoryBytes || f.entire(vm, a)) // huge pages are said beside it
}

// inHugePages tells that all of a VM's memory lies in huge pages.
func inHugePages(vm topology.Node) bool {
	_, huge := vm.Value(topology.AttrHugePageBytes)
	for v := range vm.Stated(topology.AttrNUMATune) {
		huge = huge && !strings.HasPrefix(v.String(), "pages ") // for some cells of the guest alone
	}
	return huge
}

// room compares what a host has, less what it keeps, taken so many times, with what its VMs and one more have.
func (f *finder) room(a topology.Attr, ratio float64, kept int64, words func(int64) string) {
	has, ok := f.number(f.target, a)
	needs, also := f.share(f.vm, a)
	if !ok || !also || !f.listed(f.target, topology.SourceLibvirt, domains) {
		return
	}
	var taken int64
	whole := true
	for vm := range f.target.Subjects(topology.RunsOn) {
		if vm == f.vm {
			continue
		}
		is, known := f.awake(vm)
		if whole = whole && known; !known || !is {
			continue
		}
		n, ok := f.share(vm, a)
		whole = whole && ok
		taken += n
	}
	all := int64(float64(max(0, has-kept)) * ratio)
	text := fmt.Sprintf("%s needs %s; %s has %s for VMs, of which %s are given to others", f.vm.Name(), words(needs), f.target.Name(), words(all), words(taken))
	switch {
	case needs > all-taken: // whatever the others take that are not known
		f.block(text, f.target, f.vm)
	case whole:
		f.pass(text, f.target)
	}
}
