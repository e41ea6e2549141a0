package planner_test

import (
	"slices"

	"github.com/throughline-dc/throughline/planner"
)

func capacityCases() []checkCase {
	return slices.Concat(roomCases(), placingCases())
}

func roomCases() []checkCase {
	const mine = "-vm:v memoryBytes=8589934592\n"
	return []checkCase{
		{code: "CAP-1", name: "room", want: "pass: web-07 needs 8.0 GiB; b has 32.0 GiB for VMs, of which 16.0 GiB are given to others"},
		{
			code: "CAP-1", name: "no room", changes: mine + "vm:v memoryBytes=17179869185",
			want: "block: web-07 needs 16.0 GiB; b has 32.0 GiB for VMs, of which 16.0 GiB are given to others",
		},
		{
			code: "CAP-1", name: "given twice", changes: mine + "vm:v memoryBytes=17179869185", policy: planner.Policy{MemoryRatio: 1.5},
			want: "pass: web-07 needs 16.0 GiB; b has 48.0 GiB for VMs, of which 16.0 GiB are given to others",
		},
		{
			code: "CAP-1", name: "what the host needs", policy: planner.Policy{HostMemoryBytes: 10 << 30},
			want: "block: web-07 needs 8.0 GiB; b has 22.5 GiB for VMs, of which 16.0 GiB are given to others",
		},
		{
			code: "CAP-1", name: "what huge pages are set aside", changes: "host:b hugePages=0 1073741824 9",
			want: "block: web-07 needs 8.0 GiB; b has 23.0 GiB for VMs, of which 16.0 GiB are given to others",
		},
		{
			code: "CAP-1", name: "another in huge pages", changes: "host:b hugePages=0 1073741824 16\nvm:o hugePageBytes=1073741824",
			want: "pass: web-07 needs 8.0 GiB; b has 16.0 GiB for VMs, of which 0.0 GiB are given to others",
		},
		{
			code: "CAP-1", name: "another in huge pages for a part", changes: "host:b hugePages=0 1073741824 4\nvm:o hugePageBytes=1073741824\nvm:o numaTune=pages 1073741824 0",
			want: "pass: web-07 needs 8.0 GiB; b has 28.0 GiB for VMs, of which 16.0 GiB are given to others",
		},
		{
			code: "CAP-1", name: "others that are off", changes: "-vm:o state=running\nvm:o state=shutoff",
			want: "pass: web-07 needs 8.0 GiB; b has 32.0 GiB for VMs, of which 0.0 GiB are given to others",
		},
		{
			code: "CAP-1", name: "one that was off long ago", changes: "-vm:o state=running\n!vm:o state=shutoff", also: []string{"CAP-2", "MIG-4"},
			want: "unknown: what test said of vm other by libvirt capabilities is 2h1m0s old: collect it",
		},
		{code: "CAP-1", name: "nobody says what another has", changes: "-vm:o memoryBytes=17179869184", want: "unknown: no source says the memoryBytes of vm other"},
		{
			code: "CAP-1", name: "no room, whatever another has", changes: mine + "vm:v memoryBytes=68719476736\n-vm:o memoryBytes=17179869184",
			want: "unknown: no source says the memoryBytes of vm other\nblock: web-07 needs 64.0 GiB; b has 32.0 GiB for VMs, of which 0.0 GiB are given to others",
		},
		{
			code: "CAP-1", name: "nobody has listed the VMs there", changes: unread, also: listers,
			want: "unknown: nobody has read the whole table domains of host b by libvirt: collect it",
		},
		{code: "CAP-2", name: "room", want: "pass: web-07 needs 4 processors; b has 64 processors for VMs, of which 8 processors are given to others"},
		{
			code: "CAP-2", name: "no room", changes: "-vm:v cpus=4\nvm:v cpus=16", policy: planner.Policy{CPURatio: 1.25},
			want: "block: web-07 needs 16 processors; b has 20 processors for VMs, of which 8 processors are given to others",
		},
		{code: "CAP-2", name: "more than there are", changes: "-vm:v cpus=4\nvm:v cpus=17", want: "block: web-07 needs 17 processors; b has 16 processors"},
		{code: "CAP-2", name: "nobody says", changes: "-host:b cpus=16", want: "unknown: no source says the cpus of host b"},
	}
}

func placingCases() []checkCase {
	const cells = "host:b numaCell=0: 17179869184 bytes, cpus 0-7\nhost:b numaCell=1: 17179869184 bytes, cpus 8-15\n"
	return []checkCase{
		{code: "CAP-3", name: "not pinned", want: "pass: web-07 is not pinned to processors"},
		{code: "CAP-3", name: "pinned", changes: cells + "vm:v cpuPin=0 2\nvm:v cpuPin=1 8-15,^9\nvm:o cpuPin=0 3", want: "pass: b has the processors that web-07 is pinned to"},
		{code: "CAP-3", name: "to what is not there", changes: cells + "vm:v cpuPin=0 2,16", want: "block: web-07 is pinned to processor 16, which b does not have"},
		{code: "CAP-3", name: "to what is another's", changes: cells + "vm:v cpuPin=0 2\nvm:o cpuPin=3 2", want: "warn: other has processor 2 of b for itself, and so would web-07"},
		{
			code: "CAP-3", name: "to what is another's that is off", changes: cells + "vm:v cpuPin=0 2\nvm:o cpuPin=3 2\n-vm:o state=running\nvm:o state=shutoff",
			want: "pass: b has the processors that web-07 is pinned to",
		},
		{code: "CAP-3", name: "nobody says", changes: "vm:v cpuPin=0 2", want: "unknown: no source says the numaCell of host b"},
		{code: "CAP-3", name: "odd", changes: cells + "vm:v cpuPin=0 7-2", want: `unknown: what the cpuPin "0 7-2" of vm web-07 means is not known`},
		{code: "CAP-4", name: "not bound", want: "pass: the memory of web-07 is not bound to cells"},
		{
			code: "CAP-4", name: "bound", changes: cells + "vm:v numaTune=memory strict 1\nvm:o numaTune=memory strict 0",
			want: "pass: b has the cells that the memory of web-07 is bound to; what is free in them is seen at the run",
		},
		{code: "CAP-4", name: "to what is not there", changes: cells + "vm:v numaTune=cell 0 preferred 2", want: "block: the memory of web-07 is bound to cell 2, which b does not have"},
		{
			code: "CAP-4", name: "to what is full", changes: cells + "vm:v numaTune=memory strict 1\nvm:o numaTune=memory strict 1",
			want: "block: web-07 needs 8.0 GiB in cells of b that have 16.0 GiB, of which 16.0 GiB are bound to others",
		},
		{code: "CAP-4", name: "nobody says", changes: "vm:v numaTune=memory strict 1", want: "unknown: no source says the numaCell of host b"},
		{code: "CAP-5", name: "ordinary ones", want: "pass: web-07 asks for no huge pages"},
		{
			code: "CAP-5", name: "enough", changes: "vm:v hugePageBytes=2097152\nhost:b hugePageFree=0 2097152 2048\nhost:b hugePageFree=1 2097152 2048\nhost:b hugePageFree=0 1073741824 0",
			want: "pass: b has huge pages for 8.0 GiB of web-07",
		},
		{
			code: "CAP-5", name: "too few", changes: "vm:v hugePageBytes=2097152\nhost:b hugePageFree=0 2097152 4095\nhost:b hugePageFree=0 1073741824 100",
			want: "block: web-07 needs 8.0 GiB of huge pages that b does not have free",
		},
		{
			code: "CAP-5", name: "of some size", changes: "vm:v hugePageBytes=0\nhost:b hugePageFree=0 2097152 4095\nhost:b hugePageFree=0 1073741824 100",
			want: "unknown: web-07 asks for huge pages of the host's own size, which no source says of b: not all that it has are enough",
		},
		{
			code: "CAP-5", name: "for a part", changes: "vm:v hugePageBytes=2097152\nvm:v numaTune=pages 2097152 0\nhost:b hugePageFree=0 2097152 1", also: []string{"CAP-4"},
			want: "unknown: web-07 asks for pages of several sizes: how many of each is not known",
		},
		{code: "CAP-5", name: "nobody says", changes: "vm:v hugePageBytes=2097152", want: "unknown: no source says the hugePageFree of host b"},
		{code: "CAP-7", name: "ordinary", want: "pass: web-07 asks for no backing of its memory"},
		{code: "CAP-7", name: "offered", changes: "vm:v memorySource=memfd\nhost:b memorySource=file\nhost:b memorySource=memfd", want: "pass: b backs memory by memfd"},
		{code: "CAP-7", name: "not offered", changes: "vm:v memorySource=memfd\nhost:b memorySource=file", want: "block: the memory of web-07 is backed by memfd, which b does not offer"},
		{code: "CAP-7", name: "nobody says", changes: "vm:v memorySource=memfd", want: "unknown: no source says the memorySource of host b"},
		{code: "CAP-9", name: "none", want: "pass: web-07 has no mediated device"},
		{code: "CAP-9", name: "there", changes: "vm:v hostDevice=mdev 4b20\nhost:b hostDevice=mdev 4b20", want: "pass: b has the device mdev 4b20"},
		{code: "CAP-9", name: "not there", changes: "vm:v hostDevice=mdev 4b20", want: "block: web-07 has the device mdev 4b20, which b does not"},
		{
			code: "CAP-9", name: "nobody looked", changes: unread + "vm:v hostDevice=mdev 4b20", also: listers,
			want: "unknown: nobody has read the whole table nodeDevices of host b by libvirt: collect it",
		},
	}
}
