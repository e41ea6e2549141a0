package planner_test

func capacityCases() []checkCase {
	return []checkCase{
		{code: "CAP-1", name: "room", want: "pass: web-07 needs 8.0 GiB; b has 32.0 GiB, of which 16.0 GiB are given to others"},
		{code: "CAP-1", name: "no room", changes: "-vm:v memoryBytes=8589934592\nvm:v memoryBytes=17179869185", want: "block: web-07 needs 16.0 GiB; b has 32.0 GiB, of which 16.0 GiB are given to others"},
		{code: "CAP-1", name: "others that are off", changes: "-vm:o state=running\nvm:o state=shutoff", want: "pass: web-07 needs 8.0 GiB; b has 32.0 GiB, of which 0.0 GiB are given to others"},
		{code: "CAP-1", name: "nobody says what another has", changes: "-vm:o memoryBytes=17179869184", want: "unknown: no source says the memoryBytes of vm other"},
		{
			code: "CAP-1", name: "nobody has listed the VMs there", changes: "-host:b handle=test\nhost:b handle=else", also: []string{"CAP-2"},
			want: "unknown: nobody has read the whole table domains of host b by libvirt: collect it",
		},
		{code: "CAP-2", name: "room", want: "pass: web-07 needs 4 processors; b has 64 processors, of which 8 processors are given to others"},
		{code: "CAP-2", name: "no room", changes: "-vm:v cpus=4\nvm:v cpus=57", want: "block: web-07 needs 57 processors; b has 64 processors, of which 8 processors are given to others"},
		{code: "CAP-2", name: "nobody says", changes: "-host:b cpus=16", want: "unknown: no source says the cpus of host b"},
	}
}
