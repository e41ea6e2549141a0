package planner_test

import (
	"strings"

	"github.com/throughline-dc/throughline/planner"
)

// cpuEstate is what the checks of processors ask about.
const cpuEstate = `host:a cpuVendor=AMD
host:a cpuModel=EPYC-Rome
host:a cpuRevision=family 23 model 49 stepping 0 microcode 7
host:a cpuFeature=fpu
host:a cpuFeature=avx2
host:a cpuFeature=clwb
host:a cpuFeature=svm
host:a modelFeatures=EPYC-Rome: avx2 clwb fpu svm
host:a machines=x86_64: pc-q35-7.2 q35=pc-q35-7.2
host:b cpuVendor=AMD
host:b cpuModel=EPYC-Rome
host:b cpuRevision=family 23 model 49 stepping 0 microcode 7
host:b cpuFeature=fpu
host:b cpuFeature=avx2
host:b cpuFeature=clwb
host:b cpuFeature=svm
host:b machines=x86_64: pc-q35-7.2 pc-q35-8.0 q35=pc-q35-8.0
host:b tscHz=2245780000
host:b nested=true
host:b tpmBackend=emulator
vm:v machine=pc-q35-7.2
vm:v cpuMode=custom
vm:v cpuModel=EPYC-Rome
vm:v cpuVendor=AMD
vm:v cpuFeature=require hypervisor
vm:v cpuFeature=require ssbd-of-kvm
vm:v cpuFeature=disable svm
`

const (
	// through gives the guest its host's processor itself.
	through = "-vm:v cpuMode=custom\n-vm:v cpuModel=EPYC-Rome\n-vm:v cpuVendor=AMD\n-vm:v cpuFeature=require hypervisor\n-vm:v cpuFeature=require ssbd-of-kvm\n-vm:v cpuFeature=disable svm\n" +
		"vm:v cpuMode=host-passthrough\nhost:a nested=false\n"
	// asHost is a definition from which its host's processor was made when it started.
	asHost = "-vm:v cpuModel=EPYC-Rome\n-vm:v cpuVendor=AMD\n-vm:v cpuFeature=require hypervisor\n-vm:v cpuFeature=require ssbd-of-kvm\n-vm:v cpuFeature=disable svm\n" +
		"-vm:v cpuMode=custom\nvm:v cpuMode=host-model\nhost:a nested=false\n"
	// third is one more host, of an older kind.
	third    = "host:c name=c\nhost:c cpuVendor=AMD\nhost:c cpuFeature=fpu\n"
	promised = "vm:v cpuFeature=require invtsc\nhost:a cpuFeature=invtsc\nhost:b cpuFeature=invtsc\nvm:v tscHz="
	olderB   = "-host:b cpuModel=EPYC-Rome\nhost:b cpuModel=EPYC\n"
)

func cpuCases() []checkCase {
	return append(machineCases(), []checkCase{
		{code: "CPU-2", name: "the same", want: "pass: the processors of b have what the CPU of web-07 needs"},
		{
			code: "CPU-2", name: "a feature of the model is missing", changes: "-host:b cpuFeature=clwb",
			want: "block: the CPU of web-07 does not run on b: the processors there lack clwb",
		},
		{code: "CPU-2", name: "what it does not use is missing", changes: "-host:b cpuFeature=svm", want: "pass: the processors of b have what the CPU of web-07 needs"},
		{
			code: "CPU-2", name: "another vendor", changes: "-host:b cpuVendor=AMD\nhost:b cpuVendor=Intel\n-vm:v cpuFeature=require ssbd-of-kvm",
			want: "block: the CPU of web-07 does not run on b: the processors there are of Intel, the guest's is of AMD",
		},
		{
			code: "CPU-2", name: "of no vendor", changes: "-host:b cpuVendor=AMD\n-vm:v cpuFeature=require ssbd-of-kvm",
			want: "unknown: whether the CPU of web-07 runs on b is not known: of which vendor the processors there are, no source says",
		},
		{
			code: "CPU-2", name: "what the hypervisor gives, on another kind of processor", changes: olderB,
			want: "unknown: whether the CPU of web-07 runs on b is not known: whether the hypervisor there gives ssbd-of-kvm, which the processors do not show, no source says: record the domain capabilities",
		},
		{
			code: "CPU-2", name: "what the hypervisor gives, by its own word", changes: olderB + "host:b guestFeature=ssbd-of-kvm",
			want: "pass: the processors of b have what the CPU of web-07 needs",
		},
		{
			code: "CPU-2", name: "what the hypervisor gives at times", changes: "vm:v cpuFeature=require umip\nhost:a cpuFeature=umip",
			want: "unknown: whether the CPU of web-07 runs on b is not known: whether the hypervisor there gives umip, which the processors do not show, no source says: record the domain capabilities",
		},
		{
			code: "CPU-2", name: "forbidden", changes: "vm:v cpuFeature=forbid svm\n-vm:v cpuFeature=disable svm",
			want: "block: the CPU of web-07 does not run on b: the guest forbids what the processors there have: svm",
		},
		{
			code: "CPU-2", name: "strictly", changes: "vm:v cpuMatch=strict\nhost:b cpuFeature=la57",
			want: "block: the CPU of web-07 does not run on b: the guest wants no more than it names, and the processors there have la57",
		},
		{code: "CPU-2", name: "nobody says", changes: "-host:b cpuFeature=fpu\n-host:b cpuFeature=avx2\n-host:b cpuFeature=clwb\n-host:b cpuFeature=svm", want: "unknown: no source says the cpuFeature of host b"},
		{
			code: "CPU-2", name: "half is said", changes: "-host:b cpuFeature=fpu",
			want: "unknown: whether the CPU of web-07 runs on b is not known: of b only the features beyond the model EPYC-Rome are known: collect what the model stands for (virConnectBaselineCPU)",
		},
		{
			code: "CPU-2", name: "long ago", changes: "-host:b cpuFeature=svm\n!host:b cpuFeature=svm",
			want: "unknown: what test said of host b by libvirt capabilities is 2h1m0s old: collect it",
		},
		{
			code: "CPU-2", name: "nobody knows the model", changes: "-host:a modelFeatures=EPYC-Rome: avx2 clwb fpu svm", also: []string{"CPU-6"},
			want: "unknown: what the CPU model EPYC-Rome of web-07 stands for, neither its host nor b says: collect it (virConnectBaselineCPU)",
		},
		{
			code: "CPU-2", name: "emulated", changes: "-vm:v hypervisor=kvm\nvm:v hypervisor=qemu\n-host:b cpuFeature=clwb",
			want: "pass: the processor of web-07 is emulated: it does not run on those of b",
		},
		{
			code: "CPU-2", name: "another architecture", changes: "-vm:v arch=x86_64\nvm:v arch=aarch64\n-host:b arch=x86_64\nhost:b arch=aarch64", also: []string{"CPU-4", "CPU-6"},
			want: "unknown: how processors of aarch64 compare is not known here: only those of x86 are looked at",
		},
		{code: "CPU-2", name: "passed through", changes: through, want: "pass: the processors of b have what the CPU of web-07 needs"},
		{
			code: "CPU-2", name: "passed through, and there are others", changes: through + olderB,
			want: "block: the CPU of web-07 does not run on b: it has its host's processor itself, AMD EPYC-Rome, and there are AMD EPYC",
		},
		{
			code: "CPU-2", name: "passed through, and there is more", changes: through + "host:b cpuFeature=vaes",
			want: "block: the CPU of web-07 does not run on b: it has its host's processor itself, and those there have more: vaes",
		},
		{
			code: "CPU-2", name: "passed through, with another microcode", changes: through + "-host:b cpuRevision=family 23 model 49 stepping 0 microcode 7\nhost:b cpuRevision=family 23 model 49 stepping 0 microcode 8",
			want: `warn: the CPU of web-07 may not run on b: it has its host's processor itself, "family 23 model 49 stepping 0 microcode 7", and those there are "family 23 model 49 stepping 0 microcode 8": ` +
				"a guest may crash where they differ",
		},
		{code: "CPU-2", name: "as its host", changes: asHost, want: "pass: the processors of b have what the CPU of web-07 needs"},
		{
			code: "CPU-2", name: "as its host, and there is less", changes: asHost + "-host:b cpuFeature=clwb",
			want: "unknown: whether the CPU of web-07 runs on b is not known: which of clwb the guest got when it started, its definition does not say, and the processors there lack them: collect the live XML",
		},
		{code: "CPU-3", name: "no policy", want: "pass: no policy says which hosts are for web-07"},
		{code: "CPU-3", name: "all of them", policy: pod("a", "b"), changes: third, want: "pass: all hosts that the policy gives web-07 could take it"},
		{
			code: "CPU-3", name: "one of them not", policy: pod("a", "b", "c"), changes: third,
			want: `warn: c of "pod" could not take web-07 from there: the processors there lack avx2, clwb`,
		},
		{
			code: "CPU-3", name: "one that nobody knows", policy: pod("?"), changes: "host:d name=d",
			want: `unknown: whether d of "pod" could take web-07 from there is not known: no source says the cpuFeature of host d`,
		},
		{code: "CPU-6", name: "has none", want: "pass: web-07 cannot have guests"},
		{code: "CPU-6", name: "has some", changes: "-vm:v cpuFeature=disable svm", want: "pass: guests of b may have guests"},
		{
			code: "CPU-6", name: "has some, and may not", changes: "-vm:v cpuFeature=disable svm\n-host:b nested=true\nhost:b nested=false",
			want: "block: web-07 may have guests, and KVM on b lets no guest have any",
		},
		{code: "CPU-6", name: "nobody says", changes: "-vm:v cpuFeature=disable svm\n-host:b nested=true", want: "unknown: no source says the nested of host b"},
	}...)
}

// pod keeps the VM on some hosts.
func pod(hosts ...string) planner.Policy {
	return planner.Policy{Placements: []planner.Placement{{Name: "pod", Rule: planner.Only, VMs: planner.Selector{"web-*"}, Hosts: hosts}}}
}

func machineCases() []checkCase {
	return []checkCase{
		{code: "CPU-1", name: "the same", want: "pass: b is x86_64"},
		{code: "CPU-1", name: "another", changes: "-host:b arch=x86_64\nhost:b arch=aarch64", want: "block: web-07 is built for x86_64, b is aarch64"},
		{code: "CPU-1", name: "nobody says", changes: "-host:b arch=x86_64", want: "unknown: no source says the arch of host b"},
		{code: "CPU-4", name: "known", want: "pass: b knows the machine pc-q35-7.2"},
		{
			code: "CPU-4", name: "not known", changes: "-vm:v machine=pc-q35-7.2\nvm:v machine=pc-q35-9.0",
			want: "block: web-07 was started as pc-q35-9.0, which the QEMU of b does not know",
		},
		{code: "CPU-4", name: "by another name", changes: "-vm:v machine=pc-q35-7.2\nvm:v machine=q35", want: "pass: b knows the machine pc-q35-7.2"},
		{
			code: "CPU-4", name: "by a name that means something else there", changes: strings.TrimSpace(`
-vm:v machine=pc-q35-7.2
vm:v machine=q35
-host:a machines=x86_64: pc-q35-7.2 q35=pc-q35-7.2`),
			want: "unknown: q35 is pc-q35-8.0 on b; what it stood for when web-07 was started, no source says",
		},
		{code: "CPU-4", name: "nobody says", changes: "-host:b machines=x86_64: pc-q35-7.2 pc-q35-8.0 q35=pc-q35-8.0", want: "unknown: no source says the machines of host b"},
		{code: "CPU-5", name: "none", want: "pass: web-07 was promised no frequency of its time stamp counter"},
		{
			code: "CPU-5", name: "kept", changes: promised + "2245400000",
			want: "pass: web-07 was promised a time stamp counter of 2245400000 Hz, b has 2245780000 Hz",
		},
		{
			code: "CPU-5", name: "scaled", changes: promised + "2000000000\nhost:b tscScaling=true",
			want: "pass: web-07 was promised a time stamp counter of 2000000000 Hz, b has 2245780000 Hz and scales it",
		},
		{
			code: "CPU-5", name: "not kept", changes: promised + "2245218000\nhost:b tscScaling=false",
			want: "block: web-07 was promised a time stamp counter of 2245218000 Hz, b has 2245780000 Hz and cannot scale it",
		},
		{
			code: "CPU-5", name: "not promised", changes: "vm:v cpuFeature=require invtsc\nhost:a cpuFeature=invtsc\nhost:b cpuFeature=invtsc",
			want: "block: web-07 has invtsc and was promised no frequency: QEMU does not move such a guest",
		},
		{code: "CPU-5", name: "nobody says", changes: promised + "2000000000", want: "unknown: no source says the tscScaling of host b"},
		{code: "CPU-7", name: "open", want: "pass: the memory of web-07 is protected from nobody"},
		{code: "CPU-7", name: "sealed", changes: "vm:v trust=launchSecurity sev-snp", want: "block: the memory of web-07 is protected by sev-snp: QEMU cannot move it"},
		{code: "CPU-7", name: "long ago", changes: "-vm:v RunsOn host:a\n!vm:v RunsOn host:a", also: append([]string{"VM-4"}, relying...), want: "unknown: what test said of vm web-07 by libvirt capabilities is 2h1m0s old: collect it"},
		{code: "CPU-8", name: "none", want: "pass: web-07 has no TPM"},
		{code: "CPU-8", name: "emulated", changes: "vm:v trust=tpm emulator", want: "pass: b has swtpm; the state of the TPM moves with web-07"},
		{
			code: "CPU-8", name: "no swtpm", changes: "vm:v trust=tpm emulator\n-host:b tpmBackend=emulator\nhost:b tpmBackend=passthrough",
			want: "block: web-07 has an emulated TPM, and b has no swtpm",
		},
		{code: "CPU-8", name: "the host's", changes: "vm:v trust=tpm passthrough", want: "block: the TPM of web-07 is that of its host"},
		{
			code: "CPU-8", name: "elsewhere", changes: "vm:v trust=tpm external",
			want: "warn: the TPM of web-07 is emulated by a program that libvirt does not run: have its state on b first",
		},
		{code: "CPU-8", name: "odd", changes: "vm:v trust=tpm quantum", want: `unknown: whether the TPM of web-07 moves is not known: its backend is "quantum"`},
		{
			code: "CPU-8", name: "encrypted", changes: "vm:v trust=tpm emulator encrypted 3f7d2a10-0000-4000-8000-0000000000aa",
			want: "block: b has no secret uuid 3f7d2a10-0000-4000-8000-0000000000aa: the TPM of web-07 is encrypted with it",
		},
		{
			code: "CPU-8", name: "encrypted, and the secret is there", changes: "vm:v trust=tpm emulator encrypted 3f7d2a10-0000-4000-8000-0000000000aa\nhost:b secret=3f7d2a10-0000-4000-8000-0000000000aa vtpm web-07",
			want: "warn: the TPM of web-07 is encrypted with secret 3f7d2a10-0000-4000-8000-0000000000aa, which b has; whether its value is set there, and the same, nobody reads",
		},
		{code: "CPU-8", name: "nobody says", changes: "vm:v trust=tpm emulator\n-host:b tpmBackend=emulator", want: "unknown: no source says the tpmBackend of host b"},
	}
}
