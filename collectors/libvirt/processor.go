package libvirt

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// features states the features of the host's processors by name: of <capabilities>, which has those beyond the model, and of a baseline
// (virsh cpu-baseline --features), in which libvirt has put those that a model stands for. Of this one only the features count: libvirt may
// have picked another model.
func (s *sheet) features(cpu *element) {
	for name := range required(cpu) {
		s.text(s.host, topology.AttrCPUFeature, name)
	}
}

// required gives the features that a processor has by its definition, beside those of its model.
func required(cpu *element) map[string]bool {
	names := make(map[string]bool)
	for f := range cpu.all("feature") {
		if p := f.attr("policy"); p != "disable" && p != "forbid" {
			names[f.attr("name")] = true
		}
	}
	return names
}

// modelFeatures states what the CPU model that was asked for stands for.
func (s *sheet) modelFeatures(cpu *element, model string) {
	s.text(s.host, topology.AttrModelFeatures, model+": "+strings.Join(slices.Sorted(maps.Keys(required(cpu))), " "))
}

// counter states how fast the host's time stamp counter runs, and whether guests can have it otherwise.
func (s *sheet) counter(cpu *element) {
	for c := range cpu.all("counter") {
		if c.attr("name") != "tsc" {
			continue
		}
		hz, ok := s.unsigned(c, "frequency")
		s.number(s.host, topology.AttrTSCHz, hz, ok)
		if scaling := yesNo(c.attr("scaling")); scaling != nil {
			s.known(s.host, topology.AttrTSCScaling, scaling)
		}
	}
}

// revision states which processors these are beyond their model, as far as the host says it.
func (s *sheet) revision(cpu *element) {
	signature := cpu.child("signature")
	var words []string
	for _, name := range []string{"family", "model", "stepping"} {
		if text := signature.attr(name); text != "" {
			words = append(words, name+" "+text)
		}
	}
	if microcode := cpu.child("microcode").attr("version"); microcode != "" {
		words = append(words, "microcode "+microcode)
	}
	s.text(s.host, topology.AttrCPURevision, strings.Join(words, " "))
}

// machines states which machines the host can emulate for guests of one architecture.
func (s *sheet) machines(arch *element) {
	known := make(map[string]bool)
	take := func(e *element) {
		for m := range e.all("machine") {
			name := m.word()
			if canonical := m.attr("canonical"); canonical != "" {
				known[canonical] = true
				name += "=" + canonical
			}
			known[name] = true
		}
	}
	take(arch)
	for d := range arch.all("domain") { // machines of one kind of guests alone
		take(d)
	}
	if name := arch.attr("name"); name != "" && len(known) > 0 {
		s.text(s.host, topology.AttrMachines, name+": "+strings.Join(slices.Sorted(maps.Keys(known)), " "))
	}
}

// choices states the values of an <enum>.
func (s *sheet) choices(e *element, name string, a topology.Attr) {
	for enum := range e.all("enum") {
		for value := range enum.all("value") {
			if enum.attr("name") == name {
				s.text(s.host, a, value.word())
			}
		}
	}
}

// domainCapabilities takes down <domainCapabilities>: what the hypervisor gives guests beyond what the processors have, and the TPMs that it can put into them. What is
// said of emulated processors says nothing of these.
func (s *sheet) domainCapabilities(e *element) {
	s.text(s.host, topology.AttrArch, e.child("arch").word())
	s.choices(e.child("memoryBacking"), "sourceType", topology.AttrMemorySource)
	s.choices(e.child("devices", "tpm"), "backendModel", topology.AttrTPMBackend)
	if e.child("domain").word() != "kvm" {
		return
	}
	for mode := range e.child("cpu").all("mode") {
		if mode.attr("name") != "host-model" || mode.attr("supported") != "yes" {
			continue
		}
		names := required(mode)
		for name := range names {
			s.text(s.host, topology.AttrGuestFeature, name)
		}
		if names["vmx"] || names["svm"] { // which guests have only where they may have guests
			s.set(s.host, topology.AttrNested, topology.BoolValue(true))
		}
	}
}

// trust states what the guest shares with the hardware of its host: memory that is encrypted by it, secrets in a TPM.
func (g *guest) trust(e *element) {
	if l := e.child("launchSecurity"); l != nil {
		g.text(g.vm, topology.AttrTrust, "launchSecurity "+cmp.Or(l.attr("type"), "unknown"))
	}
	for devices := range e.all("devices") {
		for t := range devices.all("tpm") {
			backend := t.child("backend")
			text := "tpm " + cmp.Or(backend.attr("type"), "unknown")
			if secret := backend.child("encryption").attr("secret"); secret != "" {
				text += " encrypted " + secret
			}
			g.text(g.vm, topology.AttrTrust, text)
		}
	}
}

// promise states the frequency of the time stamp counter that the guest was promised.
func (g *guest) promise(clock *element) {
	for timer := range clock.all("timer") {
		if timer.attr("name") == "tsc" {
			hz, ok := g.unsigned(timer, "frequency")
			g.number(g.vm, topology.AttrTSCHz, hz, ok && hz > 0)
		}
	}
}
