package planner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// hostChecks ask about the target as a whole.
func hostChecks() []Check {
	return []Check{
		{
			Code: "HOST-1", Asks: "Is the target another host than the source?", Facts: "the host that runs the VM, UUIDs of both hosts (libvirt)",
			Mends: "name another host; of two hosts with one UUID: give one of them a host_uuid of its own (libvirtd.conf)", run: (*finder).another,
		},
		{
			Code: "HOST-2", Asks: "Does the target answer?", Facts: "what libvirt on the target said last, and its state, if anybody says that it is down", Mends: "bring the host up, and collect it",
			run: (*finder).up,
		},
		{
			Code: "HOST-3", Asks: "Does the target take VMs?", Facts: "cordons (policy), name of the target (libvirt)", Mends: "lift the cordon, or choose another host",
			run: (*finder).open,
		},
		{
			Code: "HOST-4", Asks: "Do both hosts have the VM's kind of hypervisor?", Facts: "kinds of guests that a host runs, kind of the VM (libvirt)", Mends: "choose a host that has it",
			run: (*finder).hypervisor,
		},
		{
			Code: "HOST-5", Asks: "Is the target's hypervisor no older than the source's?", Facts: "versions of both hypervisors: QEMU's, not libvirt's (libvirt: virConnectGetVersion)",
			Mends: "update the target, or choose a newer one", run: (*finder).newer,
		},
		{
			Code: "HOST-6", Asks: "May VMs go from the source's site to the target's?", Facts: "datacenters, cells", Mends: "choose a host of the same site", When: Elsewhere,
			Why: "datacenters, cells and clusters are vSphere's, Nova's and oVirt's; which hosts of libvirt may have a VM, the placements of the policy say (POL-2)",
		},
		{
			Code: "HOST-7", Asks: "Does the VM stay highly available?", Facts: "agents of the cluster", Mends: "mend the cluster's agent on the target", When: Elsewhere,
			Why: "vSphere HA, oVirt's hosted engine and Proxmox VE's manager; libvirt restarts nothing on another host",
		},
		{
			Code: "HOST-8", Asks: "Do both hosts have the licence to move VMs?", Facts: "licences", Mends: "add the licence", When: Elsewhere, Why: "licences are vSphere's",
		},
		{
			Code: "HOST-9", Asks: "Do the target's hooks let the VM in?", Facts: "hook scripts of the target", Mends: "mend the hook", When: AtRun,
			Why: "what a script (/etc/libvirt/hooks/qemu) says, it says when the VM comes in",
		},
		{
			Code: "HOST-10", Asks: "Has the target processor time and memory left right now?", Facts: "load and swapping of the target", Mends: "wait, or choose another host", When: AtRun,
			Why: "load is another in a minute, and no fact that is kept; what is given away, CAP-1 and CAP-2 add up",
		},
	}
}

// another asks what libvirt asks, too: it takes hosts of one UUID for one host (qemuMigrationCookieXMLParse).
func (f *finder) another() {
	if !f.where() {
		return
	}
	if f.source == f.target {
		f.block(f.vm.Name()+" runs on "+f.target.Name()+" already", f.target, f.vm)
		return
	}
	from, ok := f.text(f.source, topology.AttrUUID)
	to, also := f.text(f.target, topology.AttrUUID)
	switch {
	case !ok || !also:
	case from == to:
		f.block(fmt.Sprintf("%s and %s have one UUID, %s: libvirt takes them for one host", f.source.Name(), f.target.Name(), to), f.target, f.source)
	default:
		f.pass(f.vm.Name()+" runs on "+f.source.Name(), f.source)
	}
}

// up asks when the target answered last.
func (f *finder) up() {
	if _, said := f.target.Value(topology.AttrState); said {
		state, ok := f.text(f.target, topology.AttrState)
		if !ok {
			return
		}
		if !slices.Contains([]string{"up", "on", "active", "running"}, state) {
			f.block(fmt.Sprintf("%s is %s", f.target.Name(), state), f.target)
			return
		}
	}
	if f.listed(f.target, topology.SourceLibvirt, domains) && f.answered(f.target) {
		f.pass(f.target.Name()+" answers", f.target)
	}
}

// answered tells whether libvirt on a host answered when it was asked last: what it said before may still be young, and the move needs it now.
func (f *finder) answered(host topology.Node) bool {
	for _, h := range host.Values(topology.AttrHandle) {
		r, ok := host.Snapshot().Reading(topology.ReadingKey{Device: h.String(), Source: topology.SourceLibvirt, Table: session, Partial: true})
		if ok {
			f.unknown(fmt.Sprintf("libvirt on %s was asked %s ago, and did not answer: %s", host.Name(), f.evidenceOf(r).Age.Round(time.Second), r.Reason), host)
			return false
		}
	}
	return true
}

// session is what is told of a source that could not be asked.
const session = "session"

// open asks the policy whether the target takes VMs.
func (f *finder) open() {
	takes := true
	for _, cordon := range f.policy.Cordons {
		if !cordon.Holds(f.now) {
			continue
		}
		is, known := f.among(cordon.Hosts, f.target)
		if takes = takes && known && !is; known && is {
			f.block(fmt.Sprintf("%s takes no VM: %s", f.target.Name(), cordon.Reason), f.target)
		}
	}
	if takes {
		f.pass(f.target.Name()+" is not cordoned off", f.target)
	}
}

func (f *finder) hypervisor() {
	needs, ok := f.text(f.vm, topology.AttrHypervisor)
	has, also := f.text(f.target, topology.AttrHypervisor)
	switch {
	case !ok || !also:
	case needs != has && (needs != "qemu" || has != "kvm"): // a host with KVM emulates, too
		f.block(fmt.Sprintf("%s is a guest of %s, %s runs guests of %s", f.vm.Name(), needs, f.target.Name(), has), f.target, f.vm)
	default:
		f.pass(fmt.Sprintf("%s runs guests of %s", f.target.Name(), has), f.target)
	}
}

func (f *finder) newer() {
	if f.source.IsZero() {
		f.unknown("no source says where "+f.vm.Name()+" runs", f.vm)
		return
	}
	from, ok := f.text(f.source, topology.AttrHypervisorVersion)
	to, also := f.text(f.target, topology.AttrHypervisorVersion)
	if !ok || !also {
		return
	}
	a, errA := versionOf(from)
	b, errB := versionOf(to)
	switch {
	case errA != nil || errB != nil:
		f.unknown(fmt.Sprintf("which of the versions %q and %q is older is not known", from, to), f.source, f.target)
	case slices.Compare(b, a) < 0:
		f.block(fmt.Sprintf("%s has version %s, %s has %s: a guest may not go to an older one", f.target.Name(), to, f.source.Name(), from), f.target, f.source)
	default:
		f.pass(fmt.Sprintf("%s has version %s, %s has %s", f.source.Name(), from, f.target.Name(), to), f.target)
	}
}

// versionOf reads the numbers of a version: 8.2.1. 8.2 and 8.2.0 are one.
func versionOf(text string) (numbers []int, err error) {
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	for len(numbers) > 1 && numbers[len(numbers)-1] == 0 {
		numbers = numbers[:len(numbers)-1]
	}
	return numbers, nil
}
