package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// policyChecks ask whether the operator lets the VM run there.
func policyChecks() []Check {
	return []Check{
		{
			Code: "POL-1", Asks: "Is the VM with the VMs that it has to be with, and apart from those it has to be apart from?", Facts: "placements (policy); names of VMs and where they run (libvirt)",
			Mends: "choose another host, or move the others, too", run: (*finder).company,
		},
		{
			Code: "POL-2", Asks: "May the VM run on the target?", Facts: "placements (policy); names of VM and target (libvirt)", Mends: "choose a host that the placement allows",
			run: (*finder).place,
		},
		{
			Code: "POL-3", Asks: "May who asks move the VM?", Facts: "rights of the user", Mends: "ask who may", When: AtRun,
			Why: "libvirt asks its access rules (polkit) when the move is made, as the user who makes it",
		},
		{
			Code: "POL-4", Asks: "Is the VM's fault-tolerant partner elsewhere?", Facts: "fault tolerance", Mends: "choose another host", When: Elsewhere, Why: "fault tolerance is vSphere's",
		},
	}
}

// among tells whether a selector names a node, and whether that is known: what a name or an address decides rests on it.
func (f *finder) among(s Selector, n topology.Node) (is, known bool) {
	if s.Has(n) {
		fact, ok := n.Evidence(topology.AttrName)
		switch {
		case ok:
			return true, len(s) == 0 || f.rests(n, fact)
		case len(s) == 0 || s.nameless(n):
			return true, true
		}
		_, ok = f.text(n, topology.AttrName) // what it is called by for want of a name
		return true, ok
	}
	for _, pattern := range s {
		if addressed, ok := byAddress(pattern, n); ok {
			if !addressed {
				f.unknown(fmt.Sprintf("no source says an address of %s %s: whether it is in %s is not known", n.Kind(), n.Name(), pattern), n)
				return false, false
			}
		} else if _, ok := f.text(n, topology.AttrName); !ok {
			return false, false
		}
	}
	return false, true
}

// nameless tells that a selector has a node by its key or its address.
func (s Selector) nameless(n topology.Node) bool {
	return slices.ContainsFunc(s, func(pattern string) bool {
		_, address := byAddress(pattern, n)
		return (address || strings.Contains(pattern, ":")) && Selector{pattern}.Has(n)
	})
}

// broken tells of a placement that does not hold.
func (f *finder) broken(p *Placement, text string, about ...topology.Node) {
	text = fmt.Sprintf("placement %q: %s", p.Name, text)
	if p.Soft {
		f.warn(text, about...)
		return
	}
	f.block(text, about...)
}

// company asks the placements which VMs run together, and which apart.
func (f *finder) company() {
	asked, held := false, true
	for i := range f.policy.Placements {
		p := &f.policy.Placements[i]
		if p.Rule != Together && p.Rule != Apart {
			continue
		}
		is, known := f.among(p.VMs, f.vm)
		held, asked = held && known, asked || is
		switch {
		case !known || !is:
		case p.Rule == Apart:
			held = f.apart(p) && held
		default:
			held = f.together(i, p) && held
		}
	}
	switch {
	case !held:
	case !asked:
		f.idle("no placement says with which VMs "+f.vm.Name()+" runs", f.vm)
	default:
		f.pass("on "+f.target.Name()+" the placements of "+f.vm.Name()+" hold", f.vm, f.target)
	}
}

// apart looks on the target for others of the placement.
func (f *finder) apart(p *Placement) bool {
	held := f.listed(f.target, topology.SourceLibvirt, domains)
	for other := range f.target.Subjects(topology.RunsOn) {
		if other == f.vm {
			continue
		}
		is, known := f.among(p.VMs, other)
		if known && is {
			is, known = f.awake(other)
		}
		if held = held && known && !is; known && is {
			f.broken(p, fmt.Sprintf("%s runs on %s, and has to be apart from %s", other.Name(), f.target.Name(), f.vm.Name()), other, f.target)
		}
	}
	return held
}

// together looks everywhere for others of the placement.
func (f *finder) together(i int, p *Placement) bool {
	held := true
	for _, other := range f.members(i) {
		if other == f.vm {
			continue
		}
		is, known := f.among(p.VMs, other)
		if known && is {
			is, known = f.awake(other)
		}
		if held = held && known; !known || !is {
			continue
		}
		at := other.Out(topology.RunsOn)
		switch {
		case len(at) == 0:
			held = false
			f.unknown("no source says where "+other.Name()+" runs", other)
		case !f.reading(other, at[0].Reading):
			held = false
		case at[0].To != f.target:
			held = false
			f.broken(p, fmt.Sprintf("%s runs on %s, and has to be with %s", other.Name(), at[0].To.Name(), f.vm.Name()), other, f.target)
		}
	}
	return held
}

// awake tells whether a VM takes part in what runs.
func (f *finder) awake(vm topology.Node) (is, known bool) {
	_, known = f.text(vm, topology.AttrState)
	return !off(vm), known
}

// members lists the VMs that a placement is about, and those of which it cannot be told. To look through all VMs takes long: a planner does it once.
func (p *Planner) members(placement int) []topology.Node {
	if all, ok := p.placed[placement]; ok {
		return all
	}
	var all []topology.Node
	s := p.policy.Placements[placement].VMs
	for vm := range p.s.Nodes(topology.VM) {
		if _, named := vm.Value(topology.AttrName); !named || s.Has(vm) || s.unsure(vm) {
			all = append(all, vm)
		}
	}
	if p.placed == nil {
		p.placed = map[int][]topology.Node{}
	}
	p.placed[placement] = all
	return all
}

// place asks the placements on which hosts the VM may run.
func (f *finder) place() {
	asked, held := false, true
	for i := range f.policy.Placements {
		p := &f.policy.Placements[i]
		if p.Rule != Only && p.Rule != Never {
			continue
		}
		is, known := f.among(p.VMs, f.vm)
		if held, asked = held && known, asked || is; !known || !is {
			continue
		}
		there, known := f.among(p.Hosts, f.target)
		switch {
		case !known:
			held = false
		case p.Rule == Only && !there:
			held = false
			f.broken(p, fmt.Sprintf("%s is none of the hosts for %s", f.target.Name(), f.vm.Name()), f.target, f.vm)
		case p.Rule == Never && there:
			held = false
			f.broken(p, fmt.Sprintf("%s is not for %s", f.target.Name(), f.vm.Name()), f.target, f.vm)
		}
	}
	switch {
	case !held:
	case !asked:
		f.idle("no placement says on which hosts "+f.vm.Name()+" runs", f.vm)
	default:
		f.pass("the placements let "+f.vm.Name()+" run on "+f.target.Name(), f.vm, f.target)
	}
}
