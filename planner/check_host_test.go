package planner_test

import (
	"slices"
	"time"

	"github.com/throughline-dc/throughline/planner"
)

func hostCases() []checkCase {
	return slices.Concat(hypervisorCases(), []checkCase{
		{code: "HOST-1", name: "another", want: "pass: web-07 runs on a"},
		{code: "HOST-1", name: "the same", host: "a", want: "block: web-07 runs on a already"},
		{
			code: "HOST-1", name: "of one UUID", changes: "-host:b uuid=3f7d2a10-0000-4000-8000-0000000000b1\nhost:b uuid=3f7d2a10-0000-4000-8000-0000000000a1",
			want: "block: a and b have one UUID, 3f7d2a10-0000-4000-8000-0000000000a1: libvirt takes them for one host",
		},
		{
			code: "HOST-1", name: "nowhere", changes: "-vm:v RunsOn host:a", also: slices.Concat(relying, []string{"VM-4", "HOST-5", "MIG-1", "NET-5", "NET-H9"}),
			want: "unknown: no source says where web-07 runs",
		},
		{code: "HOST-1", name: "nobody says", changes: "-host:b uuid=3f7d2a10-0000-4000-8000-0000000000b1", want: "unknown: no source says the uuid of host b"},
		{code: "HOST-2", name: "answers", want: "pass: b answers"},
		{code: "HOST-2", name: "is down", changes: "host:b state=down", want: "block: b is down"},
		{code: "HOST-2", name: "is up, by somebody's word of long ago", changes: "!host:b state=up", want: "unknown: what test said of host b by libvirt capabilities is 2h1m0s old: collect it"},
		{
			code: "HOST-2", name: "nobody asked it", changes: unread, also: listers,
			want: "unknown: nobody has read the whole table domains of host b by libvirt: collect it",
		},
		{code: "HOST-3", name: "nobody cordons it off", want: "pass: b is not cordoned off"},
		{
			code: "HOST-3", name: "maintenance", policy: planner.Policy{Cordons: []planner.Cordon{{Hosts: planner.Selector{"b"}, Reason: "a fan is changed", Until: noon.Add(time.Hour)}}},
			want: "block: b takes no VM: a fan is changed",
		},
		{
			code: "HOST-3", name: "maintenance that is over", policy: planner.Policy{Cordons: []planner.Cordon{{Hosts: planner.Selector{"b"}, Reason: "a fan was changed", Until: noon}}},
			want: "pass: b is not cordoned off",
		},
		{
			code: "HOST-3", name: "whose name nobody says", changes: "-host:b name=b\nhost:b sysName=b", also: []string{"MIG-3"}, policy: planner.Policy{Cordons: []planner.Cordon{{Hosts: planner.Selector{"r01-*"}}}},
			want: "unknown: no source says the name of host b",
		},
	})
}

func hypervisorCases() []checkCase {
	return []checkCase{
		{code: "HOST-4", name: "the same", want: "pass: b runs guests of kvm"},
		{code: "HOST-4", name: "another", changes: "-host:b hypervisor=kvm\nhost:b hypervisor=xen", want: "block: web-07 is a guest of kvm, b runs guests of xen"},
		{code: "HOST-4", name: "an emulated guest on KVM", changes: "-vm:v hypervisor=kvm\nvm:v hypervisor=qemu", want: "pass: b runs guests of kvm"},
		{code: "HOST-4", name: "nobody says", changes: "-host:b hypervisor=kvm", want: "unknown: no source says the hypervisor of host b"},
		{code: "HOST-5", name: "newer", want: "pass: a has version 8.2.0, b has 8.2.1"},
		{code: "HOST-5", name: "older", changes: "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=7.10.3", want: "block: b has version 7.10.3, a has 8.2.0: a guest may not go to an older one"},
		{code: "HOST-5", name: "of digits, not of letters", changes: "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=10.0.0", want: "pass: a has version 8.2.0, b has 10.0.0"},
		{code: "HOST-5", name: "the same in fewer words", changes: "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=8.2", want: "pass: a has version 8.2.0, b has 8.2"},
		{code: "HOST-5", name: "odd", changes: "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=v9", want: `unknown: which of the versions "8.2.0" and "v9" is older is not known`},
	}
}
