package planner

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/throughline-dc/throughline/planner/cpu"
	"github.com/throughline-dc/throughline/topology"
)

// processor is what sources say of a host's processors. Hosts whose processors are said to be alike share one.
type processor struct {
	why                     string // what is not known of them, where they cannot be compared
	vendor, model, revision string
	has                     cpu.Set // features of the processors
	gives                   cpu.Set // features that the hypervisor gives guests beside them
}

// processors remembers those of the hosts of one snapshot.
type processors struct {
	of    map[topology.Key]*processor
	alike map[string]*processor
	kinds map[int][]hostKind // of the hosts of a placement, by its place in the policy
}

// hostKind is the hosts of a placement whose processors are alike.
type hostKind struct {
	*processor
	hosts []topology.Node
}

// everywhere are features that KVM gives all guests, whatever the processor has (Linux arch/x86/kvm/cpuid.c; QEMU target/i386/kvm: kvm_arch_get_supported_cpuid).
var everywhere = cpu.SetOf("arch-capabilities", "hypervisor", "tsc-deadline", "tsc_adjust", "x2apic") //nolint:gochecknoglobals // read-only

// sometimes are features that KVM gives guests on some processors that do not show them: it stops instructions for umip, and has SPEC_CTRL under the names of AMD (ibid.).
var sometimes = cpu.SetOf("spec-ctrl", "ssbd", "stibp", "umip", "virt-ssbd") //nolint:gochecknoglobals // read-only

// inAllModels is a feature that each model of x86 has: a host that names it says what its model stands for, one that does not names what it has beyond its model.
const inAllModels = "fpu"

// processor gives what is said of a host's processors.
func (p *Planner) processor(host topology.Node) *processor {
	if known, ok := p.cpus.of[host.Key()]; ok {
		return known
	}
	if p.cpus.of == nil {
		p.cpus.of, p.cpus.alike = map[topology.Key]*processor{}, map[string]*processor{}
	}
	made := p.makeProcessor(host)
	id := fmt.Sprintf("%q", *made)
	if like, ok := p.cpus.alike[id]; ok {
		made = like
	}
	p.cpus.alike[id], p.cpus.of[host.Key()] = made, made
	return made
}

func (p *Planner) makeProcessor(host topology.Node) *processor {
	has, flaw := p.stated(host, topology.AttrCPUFeature)
	gives, _ := p.stated(host, topology.AttrGuestFeature)
	c := &processor{vendor: host.Text(topology.AttrCPUVendor), model: host.Text(topology.AttrCPUModel), revision: host.Text(topology.AttrCPURevision), has: has, gives: gives}
	switch {
	case len(has) == 0:
		c.why = fmt.Sprintf("no source says the %s of host %s", topology.AttrCPUFeature, host.Name())
	case flaw != "":
		c.why = fmt.Sprintf("what is said of the processors of %s is %s", host.Name(), flaw)
	case !has.Has(inAllModels):
		c.why = fmt.Sprintf("of %s only the features beyond the model %s are known: collect what the model stands for (virConnectBaselineCPU)", host.Name(), cmp.Or(c.model, "of its processors"))
	}
	return c
}

// stated gives the values of an attribute that has several, and what is wrong with them: "too old", or "not all".
func (p *Planner) stated(n topology.Node, a topology.Attr) (all cpu.Set, flaw string) {
	var names []string
	var last topology.ReadingKey
	old, whole := false, false
	for fact := range n.About(a) {
		names = append(names, fact.Value.String())
		if fact.Reading == last {
			continue
		}
		last = fact.Reading
		r, ok := n.Snapshot().Reading(last)
		whole = whole || !last.Partial
		old = old || ok && p.policy.Ages.Stale(r, p.now)
	}
	switch {
	case old:
		flaw = "too old"
	case !whole:
		flaw = "not all: the answer broke off"
	}
	return cpu.SetOf(names...), flaw
}

// guest is the processor of a VM by its definition, and what its model stands for.
type guest struct {
	cpu.CPU
	words cpu.Dictionary
}

// guestCPU reads the processor of the VM; what it does not know is taken down.
func (f *finder) guestCPU() (*guest, bool) {
	mode, ok := f.text(f.vm, topology.AttrCPUMode)
	if !ok || !f.described(f.vm) {
		return nil, false
	}
	g := &guest{CPU: cpu.CPU{
		Mode: cpu.Mode(mode), Match: cpu.Match(f.vm.Text(topology.AttrCPUMatch)), Model: f.vm.Text(topology.AttrCPUModel), Vendor: f.vm.Text(topology.AttrCPUVendor),
	}}
	for v := range f.vm.Stated(topology.AttrCPUFeature) {
		policy, name, ok := strings.Cut(v.String(), " ")
		if !ok {
			policy, name = "", v.String()
		}
		g.Features = append(g.Features, cpu.Feature{Name: name, Policy: cpu.Policy(policy)})
	}
	if g.Mode != cpu.Custom || g.Model == "" {
		return g, true
	}
	for _, host := range []topology.Node{f.source, f.target} { // the source has started it
		for fact := range host.About(topology.AttrModelFeatures) {
			if features, ok := strings.CutPrefix(fact.Value.String(), g.Model+": "); ok {
				g.words.Models = map[string]cpu.Set{g.Model: cpu.SetOf(strings.Fields(features)...)}
				return g, f.rests(host, fact)
			}
		}
	}
	f.unknown(fmt.Sprintf("what the CPU model %s of %s stands for, neither its host nor %s says: collect it (virConnectBaselineCPU)", g.Model, f.vm.Name(), f.target.Name()), f.vm, f.target)
	return nil, false
}

// fits tells whether a guest that runs on the processors from runs on the processors to, and why not, or why that is not known.
func (g *guest) fits(from, to *processor) (v Verdict, why string) {
	if to.why != "" {
		return Unknown, to.why
	}
	own := g.CPU
	switch g.Mode {
	case cpu.Passthrough, cpu.Maximum:
		return identical(from, to)
	case cpu.HostModel: // not what it is, but how it came to it
		if from.why != "" {
			return Unknown, from.why
		}
		host := from.cpu(nil)
		own, _ = cpu.Update(&g.words, &own, &host) // words of its own are no error
	case cpu.Custom:
	default:
		return Unknown, fmt.Sprintf("what the CPU mode %q does is not known", g.Mode)
	}
	there := to.cpu(to.gives.And(everywhere))
	c, err := cpu.Compare(&g.words, &there, &own)
	if err != nil {
		return Unknown, err.Error()
	}
	return g.weigh(from, to, c)
}

// weigh says what a comparison means, since what the hypervisor gives by itself is in no list of what the processors have.
func (g *guest) weigh(from, to *processor, c cpu.Comparison) (v Verdict, why string) {
	extra, forbidden := c.Extra.Both(to.has), c.Forbidden.Both(to.has)
	var missing, hidden cpu.Set
	for _, name := range c.Missing {
		switch {
		case from.why == "" && !from.has.Has(name) && from.like(to): // the hypervisor's, there as here
		case from.why != "" || !from.has.Has(name) || sometimes.Has(name):
			hidden = append(hidden, name)
		default:
			missing = append(missing, name)
		}
	}
	switch {
	case c.Vendor && to.vendor != "":
		return Block, fmt.Sprintf("the processors there are of %s, the guest's is of %s", to.vendor, g.Vendor)
	case c.Vendor:
		return Unknown, "of which vendor the processors there are, no source says"
	case len(forbidden) > 0:
		return Block, "the guest forbids what the processors there have: " + some(forbidden)
	case g.Match == cpu.Strict && len(extra) > 0:
		return Block, "the guest wants no more than it names, and the processors there have " + some(extra)
	case g.Mode == cpu.HostModel && len(missing)+len(hidden) > 0: // the guest need not have all that its host has
		return Unknown, fmt.Sprintf("which of %s the guest got when it started, its definition does not say, and the processors there lack them: collect the live XML", some(missing.And(hidden)))
	case len(missing) > 0:
		return Block, "the processors there lack " + some(missing)
	case len(hidden) > 0:
		return Unknown, fmt.Sprintf("whether the hypervisor there gives %s, which the processors do not show, no source says: record the domain capabilities", some(hidden))
	}
	return Pass, ""
}

// cpu gives the processors as libvirt compares them, with what a hypervisor gives beside.
func (c *processor) cpu(gives cpu.Set) cpu.CPU {
	host := cpu.CPU{Vendor: c.vendor}
	for _, name := range c.has.And(gives) {
		host.Features = append(host.Features, cpu.Feature{Name: name})
	}
	return host
}

// like tells whether processors are of one generation: then what the hypervisor gives on one, it gives on the other.
func (c *processor) like(o *processor) bool {
	generation := func(c *processor) string { text, _, _ := strings.Cut(c.revision, " stepping "); return text }
	return c.vendor != "" && c.vendor == o.vendor && c.model != "" && c.model == o.model && c.revision != "" && generation(c) == generation(o)
}

// identical compares what is passed through to a guest: "live migration of a guest using host-passthrough is dangerous if the source and destination hosts are not identical in both
// hardware and configuration" (formatdomain, "CPU model and topology").
func identical(from, to *processor) (v Verdict, why string) {
	if from.why != "" {
		return Unknown, from.why
	}
	less, more := from.has.Minus(to.has), to.has.Minus(from.has)
	switch {
	case from.vendor != to.vendor || from.model != to.model:
		return Block, fmt.Sprintf("it has its host's processor itself, %s %s, and there are %s %s", from.vendor, from.model, to.vendor, to.model)
	case len(less) > 0:
		return Block, "it has its host's processor itself, and those there lack " + some(less)
	case len(more) > 0:
		return Block, "it has its host's processor itself, and those there have more: " + some(more)
	case from.revision != to.revision:
		return Warn, fmt.Sprintf("it has its host's processor itself, %q, and those there are %q: a guest may crash where they differ", from.revision, to.revision)
	}
	return Pass, ""
}

// some lists the first few of many names.
func some(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
