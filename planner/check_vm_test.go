package planner_test

import "github.com/throughline-dc/throughline/planner"

// computeEstate is what the checks of compute ask about.
const computeEstate = `
host:a name=a
host:a handle=test
host:a uuid=3f7d2a10-0000-4000-8000-0000000000a1
host:a arch=x86_64
host:a hypervisor=kvm
host:a hypervisorVersion=8.2.0
host:a memoryBytes=34359738368
host:a cpus=16
host:a Contains nic:a/mig0
nic:a/mig0 address=10.0.9.1/24
nic:a/mig0 state=up
nic:a/mig0 speedBits=25000000000
host:b name=b
host:b handle=test
host:b uuid=3f7d2a10-0000-4000-8000-0000000000b1
host:b arch=x86_64
host:b hypervisor=kvm
host:b hypervisorVersion=8.2.1
host:b memoryBytes=34896609280
host:b cpus=16
host:b Contains nic:b/mig0
nic:b/mig0 address=10.0.9.2/24
nic:b/mig0 state=up
nic:b/mig0 speedBits=25000000000
vm:v name=web-07
vm:v RunsOn host:a
vm:v state=running
vm:v job=none
vm:v arch=x86_64
vm:v hypervisor=kvm
vm:v memoryBytes=8589934592
vm:v cpus=4
vm:v Contains vdisk:v/vda
vdisk:v/vda job=none
vm:o name=other
vm:o RunsOn host:b
vm:o state=running
vm:o job=none
vm:o memoryBytes=17179869184
vm:o cpus=8
`

// unread takes from the target what says that its tables were read, and names the checks that cannot do without.
const unread = "-host:b handle=test\nhost:b handle=else\n"

var listers = []string{"NET-H6", "VM-4", "HOST-2", "CAP-1", "CAP-2", "MIG-4", "SAN-8"}

func vmCases() []checkCase {
	const (
		paused = "-vm:v state=running\nvm:v state=paused\n"
		jobs   = "-vm:v job=none\n"
		old    = "unknown: what test said of vm web-07 by libvirt capabilities is 2h1m0s old: collect it"
	)
	return []checkCase{
		{code: "VM-1", name: "runs", want: "pass: web-07 is running"},
		{code: "VM-1", name: "is off", changes: "-vm:v state=running\nvm:v state=shutoff", want: "block: web-07 is shutoff: only what runs or is paused can be moved live"},
		{code: "VM-1", name: "is active", changes: "-vm:v state=running\nvm:v state=active", want: "unknown: web-07 is active; whether it runs or is paused, no source says"},
		{code: "VM-1", name: "nobody says", changes: "-vm:v state=running", also: []string{"VM-3"}, want: "unknown: no source says the state of vm web-07"},
		{code: "VM-1", name: "long ago", changes: "-vm:v state=running\n!vm:v state=running", also: []string{"VM-3"}, want: old},
		{code: "VM-2", name: "at rest", want: "pass: nothing is being done with web-07"},
		{code: "VM-2", name: "on its way", changes: jobs + "vm:v job=migration-out", want: "block: a job of the kind migration-out is under way with web-07: libvirt does one at a time"},
		{code: "VM-2", name: "another's", changes: jobs + "vm:v job=backup", also: []string{"VM-5"}, want: "pass: the job that is under way with web-07 is of the kind backup"},
		{code: "VM-2", name: "nobody says", changes: jobs, also: []string{"VM-5", "VM-6"}, want: "unknown: no source says the job of vm web-07"},
		{code: "VM-3", name: "runs", want: "pass: web-07 is not paused"},
		{code: "VM-3", name: "by somebody", changes: paused + "vm:v stateReason=user", want: "pass: web-07 is paused (user)"},
		{code: "VM-3", name: "by its disk", changes: paused + "vm:v stateReason=ioerror", want: "block: web-07 is paused because of an I/O error of a disk"},
		{code: "VM-3", name: "between two hosts", changes: paused + "vm:v stateReason=postcopy-failed", want: "block: a move of web-07 broke off: no host has all of its memory"},
		{code: "VM-3", name: "by itself", changes: paused + "vm:v stateReason=panicked", want: "block: web-07 stopped by itself (panicked)"},
		{code: "VM-3", name: "nobody knows why", changes: paused + "vm:v stateReason=unknown", want: "unknown: why web-07 is paused, its host does not know"},
		{code: "VM-3", name: "nobody says why", changes: paused, want: "unknown: no source says the stateReason of vm web-07"},
		{code: "VM-4", name: "one", want: "pass: a alone has web-07"},
		{code: "VM-4", name: "defined elsewhere, too", changes: "vm:v RunsOn host:b ~20", want: "pass: a alone has web-07"},
		{
			code: "VM-4", name: "no more than defined", changes: "-vm:v RunsOn host:a\nvm:v RunsOn host:a ~20", also: relying,
			want: "unknown: a has no more than a definition of web-07: no source says where it runs",
		},
		{code: "VM-4", name: "on its way", changes: "vm:v RunsOn host:b ~50", want: "block: a has web-07, and so has b: it is being moved, or it is there twice"},
		{code: "VM-4", name: "elsewhere long ago", changes: "!vm:v RunsOn host:b ~90", want: old},
		{code: "VM-4", name: "another of the name", changes: "-vm:o name=other\nvm:o name=web-07", want: "block: b has another VM of the name web-07 (o): libvirt takes no second one"},
		{code: "VM-4", name: "one without a name", changes: "-vm:o name=other", want: "unknown: no source says the name of vm o"},
		{code: "VM-4", name: "long ago", changes: "-vm:v RunsOn host:a\n!vm:v RunsOn host:a", also: relying, want: old},
		{code: "VM-5", name: "at rest", want: "pass: nothing is being done with web-07"},
		{code: "VM-5", name: "is backed up", changes: jobs + "vm:v job=backup", want: "block: a job of the kind backup is under way with web-07: libvirt does one at a time"},
		{code: "VM-5", name: "long ago", changes: jobs + "!vm:v job=none", also: []string{"VM-2", "VM-6"}, want: old},
		{code: "VM-6", name: "at rest", want: "pass: nothing is being done with web-07"},
		{code: "VM-6", name: "snapshot", changes: jobs + "vm:v job=snapshot", want: "block: a job of the kind snapshot is under way with web-07: libvirt does one at a time"},
		{code: "VM-6", name: "nobody says", changes: jobs, also: []string{"VM-2", "VM-5"}, want: "unknown: no source says the job of vm web-07"},
		{code: "VM-7", name: "at rest", want: "pass: no disk of web-07 is worked on"},
		{code: "VM-7", name: "copied", changes: "-vdisk:v/vda job=none\nvdisk:v/vda job=copy", want: "block: a block job of the kind copy is under way with disk v/vda of web-07"},
		{code: "VM-7", name: "nobody says", changes: "-vdisk:v/vda job=none", want: "unknown: no source says the job of vdisk v/vda"},
		{code: "VM-8", name: "kept", want: "pass: no disk of web-07 is transient"},
		{code: "VM-8", name: "not kept", changes: "vdisk:v/vda transient=true", want: "block: disk v/vda of web-07 is transient: what was written to it would be lost"},
		{
			code: "VM-8", name: "long ago", changes: "!vdisk:v/vda transient=false",
			want: "unknown: what test said of vdisk v/vda by libvirt capabilities is 2h1m0s old: collect it",
		},
		{
			code: "VM-8", name: "the disk was seen long ago", changes: "-vm:v Contains vdisk:v/vda\n!vm:v Contains vdisk:v/vda", also: relying,
			want: "unknown: what test said of vdisk v/vda by libvirt capabilities is 2h1m0s old: collect it",
		},
		{code: "VM-11", name: "nobody's", want: "pass: no manager but libvirt places web-07"},
		{code: "VM-11", name: "another's", changes: "vm:v manager=nova", want: "warn: nova places web-07: it has to make the move, or it will not know where the VM is"},
		{code: "VM-11", name: "long ago", changes: "!vm:v manager=nova", want: old},
		{code: "VM-12", name: "nobody pins it", want: "pass: web-07 is not pinned"},
		{
			code: "VM-12", name: "pinned", policy: planner.Policy{Pinned: []planner.Pin{{VMs: planner.Selector{"db-*"}}, {VMs: planner.Selector{"web-*"}, Reason: "licensed for the host"}}},
			want: "block: web-07 stays where it is: licensed for the host",
		},
		{
			code: "VM-12", name: "whose name nobody says", changes: "-vm:v name=web-07", also: []string{"VM-4"}, policy: planner.Policy{Pinned: []planner.Pin{{VMs: planner.Selector{"web-*"}}}},
			want: "unknown: no source says the name of vm v",
		},
		{
			code: "VM-12", name: "whose address nobody says", changes: "-vnic:v/n address=192.0.2.10/24", also: []string{"NET-9"}, policy: planner.Policy{Pinned: []planner.Pin{{VMs: planner.Selector{"203.0.113.0/24"}}}},
			want: "unknown: no source says an address of vm web-07: whether it is in 203.0.113.0/24 is not known",
		},
	}
}

// relying are the checks that rest on where the VM is.
var relying = []string{"NET-H4", "HOST-1", "MIG-3", "MIG-4", "CAP-3", "CAP-4", "CAP-5", "CAP-7", "CAP-9", "CPU-2", "CPU-5", "CPU-6", "CPU-7", "CPU-8", "DEV-1", "DEV-3", "DEV-4", "VM-7", "VM-8", "VM-11", "STO-4", "STO-5", "STO-8", "STO-9", "STO-12", "STO-13", "STO-1", "STO-2", "STO-3", "STO-6", "STO-7", "SAN-1", "SAN-2", "SAN-3", "SAN-4", "SAN-5", "SAN-6", "SAN-7", "SAN-8", "SAN-9", "SAN-10"}
