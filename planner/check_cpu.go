package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/cpu"
	"github.com/throughline-dc/throughline/topology"
)

// cpuChecks ask whether the guest finds the processor and the machine that it was started on.
func cpuChecks() []Check {
	return []Check{
		{
			Code: "CPU-1", Asks: "Is the target of the VM's architecture?", Facts: "architecture of VM and host (libvirt)", Mends: "choose a host of that architecture",
			run: (*finder).sameArchitecture,
		},
		{
			Code: "CPU-2", Asks: "Does the guest's CPU run on the target?",
			Facts: "features of both hosts' processors, model and features of the guest's, what the model stands for (libvirt); domain capabilities, where they are recorded",
			Mends: "choose a host with these features, or start the guest with a model that both hosts have", run: (*finder).cpuFits,
		},
		{
			Code: "CPU-3", Asks: "Could the other hosts that the policy gives the VM take it, too?", Facts: "as CPU-2, of all hosts of its placements (policy)",
			Mends: "start the guest with a CPU model that all of them have, or take those that differ out of the placement", run: (*finder).cpuFitsAll,
		},
		{
			Code: "CPU-4", Asks: "Does the target emulate the guest's machine type?", Facts: "machine type of the guest, those of the host (libvirt capabilities)",
			Mends: "update QEMU on the target, or choose a host that knows the machine type", run: (*finder).machineKnown,
		},
		{
			Code: "CPU-5", Asks: "Does a guest that relies on the frequency of its time stamp counter keep it?",
			Facts: "invtsc and promised frequency of the guest, frequency of the host and whether it scales it (libvirt)",
			Mends: "choose a host of that frequency or with TSC scaling; promise the guest a frequency (<timer name='tsc' frequency=…>) before it starts", run: (*finder).counterKept,
		},
		{
			Code: "CPU-6", Asks: "May a guest that has guests have them on the target, too?", Facts: "vmx or svm of the guest's CPU (libvirt); nested of KVM on the host",
			Mends: "let KVM on the target nest (options kvm_intel nested=1, kvm_amd nested=1), or choose a host that does", run: (*finder).mayNest,
		},
		{
			Code: "CPU-7", Asks: "Is the guest's memory readable for the one who moves it?", Facts: "launch security of the guest: SEV, SEV-SNP, TDX, IBM Secure Execution (libvirt)",
			Mends: "shut the VM down and start it on the target: QEMU moves no guest whose memory is encrypted", run: (*finder).memoryMovable,
		},
		{
			Code: "CPU-8", Asks: "Does the guest's TPM come along?", Facts: "backend of the guest's TPM, those of the host, its secrets (libvirt, domain capabilities)",
			Mends: "install swtpm on the target, define the secret of the TPM's state there", run: (*finder).tpmMovable,
		},
		{
			Code: "CPU-9", Asks: "Is the target's cluster of a compatible version?", Facts: "compatibility version of the cluster", When: Elsewhere,
			Why: "oVirt's clusters have a compatibility version; libvirt's machine types (CPU-4) are what it stands for",
		},
	}
}

func (f *finder) sameArchitecture() {
	needs, ok := f.text(f.vm, topology.AttrArch)
	has, also := f.text(f.target, topology.AttrArch)
	switch {
	case !ok || !also:
	case needs != has && (needs != "i686" || has != "x86_64"): // which runs both
		f.block(fmt.Sprintf("%s is built for %s, %s is %s", f.vm.Name(), needs, f.target.Name(), has), f.target, f.vm)
	default:
		f.pass(fmt.Sprintf("%s is %s", f.target.Name(), has), f.target)
	}
}

// ownCPU reads the processor of a guest that has one of its host's. Where the guest is emulated or of an architecture whose processors are not compared, it says so
// and gives nil.
func (f *finder) ownCPU() *guest {
	kind, ok := f.text(f.vm, topology.AttrHypervisor)
	arch, also := f.text(f.vm, topology.AttrArch)
	if !ok || !also {
		return nil
	}
	if kind == "qemu" {
		f.idle(fmt.Sprintf("the processor of %s is emulated: it does not run on those of %s", f.vm.Name(), f.target.Name()), f.vm)
		return nil
	}
	if arch != "x86_64" && arch != "i686" {
		f.unknown(fmt.Sprintf("how processors of %s compare is not known here: only those of x86 are looked at", arch), f.vm, f.target)
		return nil
	}
	if g, ok := f.guestCPU(); ok {
		return g
	}
	return nil
}

func (f *finder) cpuFits() {
	g := f.ownCPU()
	if g == nil {
		return
	}
	if _, ok := f.value(f.target, topology.AttrCPUFeature); !ok {
		return
	}
	if g.Mode != cpu.Custom && !f.source.IsZero() {
		if _, ok := f.value(f.source, topology.AttrCPUFeature); !ok {
			return
		}
	}
	switch v, why := g.fits(f.from(), f.processor(f.target)); v {
	case Pass:
		f.pass(fmt.Sprintf("the processors of %s have what the CPU of %s needs", f.target.Name(), f.vm.Name()), f.target, f.vm)
	case Unknown:
		f.unknown(fmt.Sprintf("whether the CPU of %s runs on %s is not known: %s", f.vm.Name(), f.target.Name(), why), f.target, f.vm)
	case Warn:
		f.warn(fmt.Sprintf("the CPU of %s may not run on %s: %s", f.vm.Name(), f.target.Name(), why), f.target, f.vm)
	default:
		f.block(fmt.Sprintf("the CPU of %s does not run on %s: %s", f.vm.Name(), f.target.Name(), why), f.target, f.vm)
	}
}

// from gives the processors that the guest runs on.
func (m *move) from() *processor {
	if m.source.IsZero() {
		return &processor{why: "no source says where " + m.vm.Name() + " runs"}
	}
	return m.processor(m.source)
}

func (f *finder) cpuFitsAll() {
	var places []int // by their place in the policy
	for i := range f.policy.Placements {
		if p := &f.policy.Placements[i]; p.Rule == Only {
			if is, known := f.among(p.VMs, f.vm); is && known {
				places = append(places, i)
			}
		}
	}
	if len(places) == 0 {
		if len(f.found) == 0 {
			f.idle("no policy says which hosts are for "+f.vm.Name(), f.vm)
		}
		return
	}
	g := f.ownCPU()
	if g == nil {
		return
	}
	for _, i := range places {
		for _, kind := range f.hostKinds(i) {
			f.couldTake(g, f.policy.Placements[i].Name, kind)
		}
	}
	if len(f.found) == 0 {
		f.pass(fmt.Sprintf("all hosts that the policy gives %s could take it", f.vm.Name()), f.vm)
	}
}

// couldTake objects where hosts of one kind, the two of the move left out, could not take the guest.
func (f *finder) couldTake(g *guest, place string, kind hostKind) {
	v, why := g.fits(f.from(), kind.processor)
	others := slices.DeleteFunc(slices.Clone(kind.hosts), func(h topology.Node) bool { return h == f.target || h == f.source })
	switch {
	case v == Pass || len(others) == 0:
	case v == Unknown:
		f.unknown(fmt.Sprintf("whether %s of %q could take %s from there is not known: %s", namesOf(others), place, f.vm.Name(), why), append(others, f.vm)...)
	default:
		if fact, ok := others[0].Evidence(topology.AttrCPUFeature); ok {
			f.rests(others[0], fact)
		}
		f.warn(fmt.Sprintf("%s of %q could not take %s from there: %s", namesOf(others), place, f.vm.Name(), why), append(others, f.vm)...)
	}
}

// hostKinds gives the hosts of a placement by their processors.
func (p *Planner) hostKinds(i int) []hostKind {
	if kinds, ok := p.cpus.kinds[i]; ok {
		return kinds
	}
	if p.cpus.kinds == nil {
		p.cpus.kinds = map[int][]hostKind{}
	}
	var kinds []hostKind
	at := map[*processor]int{}
	for host := range p.s.Nodes(topology.Host) {
		if !p.policy.Placements[i].Hosts.Has(host) {
			continue
		}
		c := p.processor(host)
		n, ok := at[c]
		if !ok {
			n, kinds = len(kinds), append(kinds, hostKind{processor: c})
			at[c] = n
		}
		kinds[n].hosts = append(kinds[n].hosts, host)
	}
	p.cpus.kinds[i] = kinds
	return kinds
}

func namesOf(nodes []topology.Node) string {
	names := make([]string, 0, len(nodes))
	for _, n := range nodes {
		names = append(names, n.Name())
	}
	return some(names)
}

func (f *finder) machineKnown() {
	name, ok := f.text(f.vm, topology.AttrMachine)
	arch, also := f.text(f.vm, topology.AttrArch)
	_, said := f.value(f.target, topology.AttrMachines)
	if !ok || !also || !said {
		return
	}
	if !f.source.IsZero() {
		if canonical := machinesOf(f.source, arch)[name]; canonical != "" {
			name = canonical
		}
	}
	there := machinesOf(f.target, arch)
	canonical, known := there[name]
	switch {
	case !known:
		f.block(fmt.Sprintf("%s was started as %s, which the QEMU of %s does not know", f.vm.Name(), name, f.target.Name()), f.target, f.vm)
	case canonical != name:
		f.unknown(fmt.Sprintf("%s is %s on %s; what it stood for when %s was started, no source says", name, canonical, f.target.Name(), f.vm.Name()), f.vm, f.target)
	default:
		f.pass(fmt.Sprintf("%s knows the machine %s", f.target.Name(), name), f.target)
	}
}

// machinesOf gives the machine types of a host for one architecture, each with the one that it stands for, which is mostly itself.
func machinesOf(host topology.Node, arch string) map[string]string {
	known := map[string]string{}
	for v := range host.Stated(topology.AttrMachines) {
		list, ok := strings.CutPrefix(v.String(), arch+": ")
		if !ok {
			continue
		}
		for entry := range strings.FieldsSeq(list) {
			name, canonical, alias := strings.Cut(entry, "=")
			if !alias {
				canonical = name
			}
			known[name] = canonical
		}
	}
	return known
}

// counterKept asks whether the target's counter runs as fast as it was promised. A difference of 250 millionths is none (KVM, tsc_tolerance_ppm).
func (f *finder) counterKept() {
	if !f.described(f.vm) {
		return
	}
	_, promised := f.vm.Evidence(topology.AttrTSCHz)
	steady := slices.ContainsFunc(f.vm.Values(topology.AttrCPUFeature), func(v topology.Value) bool { return v.String() == "require invtsc" || v.String() == "invtsc" })
	switch {
	case !promised && !steady:
		f.idle(f.vm.Name()+" was promised no frequency of its time stamp counter", f.vm)
		return
	case !promised:
		f.block(f.vm.Name()+" has invtsc and was promised no frequency: QEMU does not move such a guest", f.vm)
		return
	}
	want, ok := f.number(f.vm, topology.AttrTSCHz)
	has, also := f.number(f.target, topology.AttrTSCHz)
	if !ok || !also {
		return
	}
	text := fmt.Sprintf("%s was promised a time stamp counter of %d Hz, %s has %d Hz", f.vm.Name(), want, f.target.Name(), has)
	const millionths = 250
	if tolerance := has * millionths / 1_000_000; has-tolerance <= want && want <= has+tolerance {
		f.pass(text, f.target, f.vm)
		return
	}
	scales, ok := f.value(f.target, topology.AttrTSCScaling)
	switch {
	case !ok:
	case scales.Bool():
		f.pass(text+" and scales it", f.target, f.vm)
	default:
		f.block(text+" and cannot scale it", f.target, f.vm)
	}
}

func (f *finder) mayNest() {
	g := f.ownCPU()
	if g == nil {
		return
	}
	var has bool
	switch g.Mode {
	case cpu.Passthrough, cpu.Maximum, cpu.HostModel: // it has what its host gives
		if f.source.IsZero() {
			f.unknown(f.from().why, f.vm)
			return
		}
		v, ok := f.value(f.source, topology.AttrNested)
		if !ok {
			return
		}
		has = v.Bool()
	default:
		features, err := g.words.Has(&g.CPU)
		if err != nil {
			f.unknown(err.Error(), f.vm)
			return
		}
		has = features.Has("vmx") || features.Has("svm")
	}
	if !has {
		f.idle(f.vm.Name()+" cannot have guests", f.vm)
		return
	}
	v, ok := f.value(f.target, topology.AttrNested)
	switch {
	case !ok:
	case v.Bool():
		f.pass(fmt.Sprintf("guests of %s may have guests", f.target.Name()), f.target)
	default:
		f.block(fmt.Sprintf("%s may have guests, and KVM on %s lets no guest have any", f.vm.Name(), f.target.Name()), f.target, f.vm)
	}
}

// trusts gives what the VM shares with hardware, of one kind.
func (f *finder) trusts(kind string) (all []string, ok bool) {
	if !f.described(f.vm) {
		return nil, false
	}
	for v := range f.vm.Stated(topology.AttrTrust) {
		if what, is := strings.CutPrefix(v.String(), kind+" "); is {
			all = append(all, what)
		}
	}
	return all, true
}

func (f *finder) memoryMovable() {
	all, ok := f.trusts("launchSecurity")
	switch {
	case !ok:
	case len(all) > 0:
		f.block(fmt.Sprintf("the memory of %s is protected by %s: QEMU cannot move it", f.vm.Name(), some(all)), f.vm)
	default:
		f.idle(fmt.Sprintf("the memory of %s is protected from nobody", f.vm.Name()), f.vm)
	}
}

func (f *finder) tpmMovable() {
	all, ok := f.trusts("tpm")
	if !ok {
		return
	}
	if len(all) == 0 {
		f.idle(f.vm.Name()+" has no TPM", f.vm)
		return
	}
	backend, secret, encrypted := strings.Cut(all[0], " encrypted ")
	switch backend {
	case "emulator":
	case "passthrough":
		f.block(fmt.Sprintf("the TPM of %s is that of its host", f.vm.Name()), f.vm)
		return
	case "external":
		f.warn(fmt.Sprintf("the TPM of %s is emulated by a program that libvirt does not run: have its state on %s first", f.vm.Name(), f.target.Name()), f.vm, f.target)
		return
	default:
		f.unknown(fmt.Sprintf("whether the TPM of %s moves is not known: its backend is %q", f.vm.Name(), backend), f.vm)
		return
	}
	if _, ok := f.value(f.target, topology.AttrTPMBackend); !ok {
		return
	}
	there := slices.ContainsFunc(f.target.Values(topology.AttrTPMBackend), func(v topology.Value) bool { return v.String() == backend })
	switch {
	case !there:
		f.block(fmt.Sprintf("%s has an emulated TPM, and %s has no swtpm", f.vm.Name(), f.target.Name()), f.target, f.vm)
	case encrypted:
		if f.secretThere("uuid "+secret, "the TPM of "+f.vm.Name()+" is encrypted with", f.vm) {
			f.warn(fmt.Sprintf("the TPM of %s is encrypted with secret %s, which %s has; whether its value is set there, and the same, nobody reads", f.vm.Name(), secret, f.target.Name()), f.target, f.vm)
		}
	default:
		f.pass(fmt.Sprintf("%s has swtpm; the state of the TPM moves with %s", f.target.Name(), f.vm.Name()), f.target)
	}
}
