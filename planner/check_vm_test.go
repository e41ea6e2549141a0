package planner_test

// computeEstate is what the checks of compute ask about.
const computeEstate = `
host:a name=a
host:a handle=test
host:a arch=x86_64
host:a hypervisor=kvm
host:a hypervisorVersion=8.2.0
host:a memoryBytes=34359738368
host:a cpus=16
host:b name=b
host:b handle=test
host:b arch=x86_64
host:b hypervisor=kvm
host:b hypervisorVersion=8.2.1
host:b memoryBytes=34359738368
host:b cpus=16
vm:v name=web-07
vm:v RunsOn host:a
vm:v state=running
vm:v arch=x86_64
vm:v hypervisor=kvm
vm:v memoryBytes=8589934592
vm:v cpus=4
vm:v Contains vdisk:v/vda
vm:o name=other
vm:o RunsOn host:b
vm:o state=running
vm:o memoryBytes=17179869184
vm:o cpus=8
`

func vmCases() []checkCase {
	return []checkCase{
		{code: "VM-1", name: "runs", want: "pass: web-07 is running"},
		{code: "VM-1", name: "is off", changes: "-vm:v state=running\nvm:v state=shutoff", want: "block: web-07 is shutoff: only what runs or is paused can be moved live"},
		{code: "VM-1", name: "is active", changes: "-vm:v state=running\nvm:v state=active", want: "unknown: web-07 is active; whether it runs or is paused, no source says"},
		{code: "VM-1", name: "nobody says", changes: "-vm:v state=running", want: "unknown: no source says the state of vm web-07"},
		{code: "VM-1", name: "long ago", changes: "-vm:v state=running\n!vm:v state=running", want: "unknown: what test said of vm web-07 by libvirt capabilities is 2h1m0s old: collect it"},
		{code: "VM-8", name: "kept", want: "pass: no disk of web-07 is transient"},
		{code: "VM-8", name: "not kept", changes: "vdisk:v/vda transient=true", want: "block: disk v/vda of web-07 is transient: what was written to it would be lost"},
	}
}
