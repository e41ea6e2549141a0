package planner_test

func hostCases() []checkCase {
	return []checkCase{
		{code: "HOST-1", name: "another", want: "pass: web-07 runs on a"},
		{code: "HOST-1", name: "the same", host: "a", want: "block: web-07 runs on a already"},
		{code: "HOST-1", name: "nowhere", changes: "-vm:v RunsOn host:a", also: []string{"HOST-5"}, want: "unknown: no source says where web-07 runs"},
		{code: "HOST-4", name: "the same", want: "pass: b runs guests of kvm"},
		{code: "HOST-4", name: "another", changes: "-host:b hypervisor=kvm\nhost:b hypervisor=xen", want: "block: web-07 is a guest of kvm, b runs guests of xen"},
		{code: "HOST-4", name: "an emulated guest on KVM", changes: "-vm:v hypervisor=kvm\nvm:v hypervisor=qemu", want: "pass: b runs guests of kvm"},
		{code: "HOST-4", name: "nobody says", changes: "-host:b hypervisor=kvm", want: "unknown: no source says the hypervisor of host b"},
		{code: "HOST-5", name: "newer", want: "pass: a has version 8.2.0, b has 8.2.1"},
		{code: "HOST-5", name: "older", changes: "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=7.10.3", want: "block: b has version 7.10.3, a has 8.2.0: a guest may not go to an older one"},
		{code: "HOST-5", name: "of digits, not of letters", changes: "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=10.0.0", want: "pass: a has version 8.2.0, b has 10.0.0"},
		{code: "HOST-5", name: "odd", changes: "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=v9", want: `unknown: which of the versions "8.2.0" and "v9" is older is not known`},
	}
}
