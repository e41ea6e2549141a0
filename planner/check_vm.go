package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// vmChecks ask about the VM itself.
func vmChecks() []Check {
	return []Check{
		{
			Code: "VM-1", Asks: "Does the VM run, or is it paused?", Facts: "state of the VM and the host that runs it (libvirt)", Mends: "start the VM, or define it on the target instead",
			run: (*finder).runs,
		},
		{
			Code: "VM-2", Asks: "Is nothing else being done with the VM?", Facts: "the job that is under way (libvirt: virDomainGetJobStats)",
			Mends: "wait until the job is done, or abort it (virsh domjobabort)",
			run: func(f *finder) {
				f.job(func(job string) bool { return job != "backup" && !slices.Contains(snapshotJobs, job) })
			},
		},
		{
			Code: "VM-3", Asks: "If the VM is paused, has somebody paused it?", Facts: "state of the VM, and its reason (libvirt: virDomainGetState)",
			Mends: "mend what stopped it, and resume it", run: (*finder).paused,
		},
		{
			Code: "VM-4", Asks: "Does one host answer for the VM, and no other?", Facts: "the hosts that have the VM, and the names of the target's VMs (libvirt)",
			Mends: "see on which of the hosts it runs (virsh domstate), and undefine or rename the other one", run: (*finder).answers,
		},
		{
			Code: "VM-5", Asks: "Is the VM not being backed up?", Facts: "the job that is under way (libvirt: virDomainGetJobStats)", Mends: "wait for the end of the backup, or abort it (virsh domjobabort)",
			run: func(f *finder) { f.job(func(job string) bool { return job == "backup" }) },
		},
		{
			Code: "VM-6", Asks: "Is no snapshot of the VM being made?", Facts: "the job that is under way (libvirt: virDomainGetJobStats)", Mends: "wait until the snapshot is made",
			run: func(f *finder) { f.job(func(job string) bool { return slices.Contains(snapshotJobs, job) }) },
		},
		{
			Code: "VM-7", Asks: "Is none of the VM's disks being copied, pulled or committed?", Facts: "block jobs of its disks (libvirt: virDomainGetBlockJobInfo, <mirror>)",
			Mends: "wait for the end of the block job, or abort it (virsh blockjob --abort)", run: (*finder).blockJobs,
		},
		{
			Code: "VM-8", Asks: "Does the VM keep what its disks hold?", Facts: "transient disks (libvirt)", Mends: "take the transient disk away, or shut the VM down",
			run: (*finder).transient,
		},
		{
			Code: "VM-9", Asks: "Is the guest itself in order?", Facts: "guest agent", Mends: "wait for the guest", When: AtRun,
			Why: "only the guest knows, and asking its agent needs more than reading",
		},
		{
			Code: "VM-10", Asks: "Is the target a replica of the VM's disks?", Facts: "replication jobs", Mends: "replicate to the target", When: Elsewhere,
			Why: "replication of local disks is Proxmox VE's",
		},
		{
			Code: "VM-11", Asks: "Does nobody else say where the VM runs?", Facts: "OpenStack Nova, oVirt or KubeVirt in the VM's metadata (libvirt: <metadata>)", Mends: "move it by its manager",
			run: (*finder).managed,
		},
		{
			Code: "VM-12", Asks: "May the VM be moved at all?", Facts: "pinned VMs (policy), name of the VM (libvirt)", Mends: "take the pin out of the policy",
			run: (*finder).pinned,
		},
	}
}

// snapshotJobs are libvirt's words for what it does with snapshots (virDomainJobOperation).
var snapshotJobs = []string{"snapshot", "snapshot-revert", "snapshot-delete"} //nolint:gochecknoglobals // read-only table

func (f *finder) runs() {
	state, ok := f.text(f.vm, topology.AttrState)
	switch {
	case !ok:
	case state == "running", state == "paused", state == "blocked": // blocked: runs, and waits for something (virDomainState)
		f.pass(fmt.Sprintf("%s is %s", f.vm.Name(), state), f.vm)
	case state == "active":
		f.unknown(f.vm.Name()+" is active; whether it runs or is paused, no source says", f.vm)
	default:
		f.block(fmt.Sprintf("%s is %s: only what runs or is paused can be moved live", f.vm.Name(), state), f.vm)
	}
}

// job objects to what is being done with the VM, if it is what this check asks about.
func (f *finder) job(mine func(string) bool) {
	job, ok := f.text(f.vm, topology.AttrJob)
	switch {
	case !ok:
	case job == "none":
		f.pass("nothing is being done with "+f.vm.Name(), f.vm)
	case mine(job):
		f.block(fmt.Sprintf("a job of the kind %s is under way with %s: libvirt does one at a time", job, f.vm.Name()), f.vm)
	default:
		f.pass(fmt.Sprintf("the job that is under way with %s is of the kind %s", f.vm.Name(), job), f.vm)
	}
}

// paused objects to VMs that stopped by themselves: the reason would go with them.
func (f *finder) paused() {
	state, ok := f.text(f.vm, topology.AttrState)
	if !ok {
		return
	}
	if state != "paused" {
		f.idle(f.vm.Name()+" is not paused", f.vm)
		return
	}
	reason, ok := f.text(f.vm, topology.AttrStateReason)
	switch {
	case !ok:
	case reason == "ioerror":
		f.block(f.vm.Name()+" is paused because of an I/O error of a disk", f.vm)
	case reason == "postcopy-failed":
		f.block("a move of "+f.vm.Name()+" broke off: no host has all of its memory", f.vm)
	case slices.Contains([]string{"panicked", "api-error", "watchdog"}, reason):
		f.block(fmt.Sprintf("%s stopped by itself (%s)", f.vm.Name(), reason), f.vm)
	case reason == "unknown":
		f.unknown("why "+f.vm.Name()+" is paused, its host does not know", f.vm)
	default:
		f.pass(fmt.Sprintf("%s is paused (%s)", f.vm.Name(), reason), f.vm)
	}
}

// where reads which host has the VM. Where nobody says it, or too long ago, it takes an unknown down and gives false.
func (f *finder) where() bool {
	if f.source.IsZero() {
		f.unknown("no source says where "+f.vm.Name()+" runs", f.vm)
		return false
	}
	at := f.vm.Out(topology.RunsOn)[0]
	if !f.reading(f.vm, at.Reading) {
		return false
	}
	if at.Confidence <= topology.ConfidenceConfigured { // docs/model.md: it is defined there, and that is all
		f.unknown(fmt.Sprintf("%s has no more than a definition of %s: no source says where it runs", f.source.Name(), f.vm.Name()), f.vm, f.source)
		return false
	}
	return true
}

// answers looks for a second host on which the VM is more than defined, and on the target for another VM of its name, which libvirt would not let in beside it
// (virDomainObjListAdd).
func (f *finder) answers() {
	if !f.where() {
		return
	}
	well := f.answered(f.source)
	for _, claim := range f.vm.Claims(topology.RunsOn) {
		if claim.To == f.source || claim.Confidence <= topology.ConfidenceConfigured {
			continue
		}
		well = false
		if f.reading(f.vm, claim.Reading) {
			f.block(fmt.Sprintf("%s has %s, and so has %s: it is being moved, or it is there twice", f.source.Name(), f.vm.Name(), claim.To.Name()), claim.To, f.source, f.vm)
		}
	}
	name, ok := f.text(f.vm, topology.AttrName)
	if !ok || !f.listed(f.target, topology.SourceLibvirt, domains) {
		return
	}
	for other := range f.target.Subjects(topology.RunsOn) {
		theirs, ok := f.text(other, topology.AttrName)
		if well = well && ok; ok && theirs == name && other != f.vm {
			well = false
			f.block(fmt.Sprintf("%s has another VM of the name %s (%s): libvirt takes no second one", f.target.Name(), name, other.Key().ID), other, f.target)
		}
	}
	if well {
		f.pass(fmt.Sprintf("%s alone has %s", f.source.Name(), name), f.source)
	}
}

// domains is libvirt's listing of a host's VMs.
const domains = "domains"

// blockJobs objects to work on the images of disks: the target would not go on with it.
func (f *finder) blockJobs() {
	idle, known := true, true
	for _, disk := range f.disks() {
		job, ok := f.text(disk, topology.AttrJob)
		if known = known && ok; ok && job != "none" {
			idle = false
			f.block(fmt.Sprintf("a block job of the kind %s is under way with disk %s of %s", job, disk.Name(), f.vm.Name()), disk, f.vm)
		}
	}
	if idle && known && f.described(f.vm) {
		f.pass("no disk of "+f.vm.Name()+" is worked on", f.vm)
	}
}

// transient objects to disks whose changes are thrown away when the VM leaves its host.
func (f *finder) transient() {
	kept := true
	for _, disk := range f.disks() {
		v, said := disk.Value(topology.AttrTransient)
		ok := f.described(disk)
		if said {
			_, ok = f.value(disk, topology.AttrTransient)
		}
		if kept = kept && ok && !v.Bool(); ok && v.Bool() {
			f.block(fmt.Sprintf("disk %s of %s is transient: what was written to it would be lost", disk.Name(), f.vm.Name()), disk, f.vm)
		}
	}
	if kept && f.described(f.vm) {
		f.pass("no disk of "+f.vm.Name()+" is transient", f.vm)
	}
}

// managed tells of managers that would find their VM on another host than they placed it on.
func (f *finder) managed() {
	managers, ok := f.texts(f.vm, topology.AttrManager)
	switch {
	case !ok:
	case len(managers) > 0:
		f.warn(fmt.Sprintf("%s places %s: it has to make the move, or it will not know where the VM is", strings.Join(managers, ", "), f.vm.Name()), f.vm)
	case f.described(f.vm):
		f.pass("no manager but libvirt places "+f.vm.Name(), f.vm)
	}
}

// pinned asks the policy whether the VM stays where it is.
func (f *finder) pinned() {
	free := true
	for _, pin := range f.policy.Pinned {
		is, known := f.among(pin.VMs, f.vm)
		if free = free && known && !is; known && is {
			f.block(fmt.Sprintf("%s stays where it is: %s", f.vm.Name(), pin.Reason), f.vm)
		}
	}
	if free {
		f.pass(f.vm.Name()+" is not pinned", f.vm)
	}
}

// disks lists the VM's virtual disks.
func (m *move) disks() []topology.Node {
	var all []topology.Node
	for n := range m.vm.Objects(topology.Contains) {
		if n.Kind() == topology.VDisk {
			all = append(all, n)
		}
	}
	return all
}
