package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// nameChecks ask whether the policy means what is there.
func nameChecks() []Check {
	return []Check{{
		Code: "POL-5", Asks: "Is everything there that the policy names?", Facts: "the policy; names of VMs, hosts and devices (all sources)",
		Mends: "correct the name in the policy, or take it out", run: (*finder).strangers,
	}}
}

// stranger is a name or pattern of the policy that nothing answers to.
type stranger struct {
	list, pattern string
	kinds         []topology.Kind // of what it would be
	binds         bool            // it asks for something; else it lets something pass
}

func (f *finder) strangers() {
	all := f.unanswered()
	if len(all) == 0 {
		f.pass("all is there that the policy names")
		return
	}
	for _, s := range all {
		text := fmt.Sprintf("the policy names %q in %s, and nothing there answers to it", s.pattern, s.list)
		for _, n := range []topology.Node{f.vm, f.target} {
			if !s.binds || !slices.Contains(s.kinds, n.Kind()) {
				continue
			}
			name, ok := f.text(n, topology.AttrName)
			if ok && alike(s.pattern, name) {
				f.unknown(text+": "+name+" may be meant", n)
			}
			if !ok || alike(s.pattern, name) {
				text = ""
				break
			}
		}
		if text != "" {
			f.warn(text)
		}
	}
}

// alike tells that two names differ in case, signs and leading zeros at most: Web_7 and web-07.
func alike(a, b string) bool {
	normal := func(name string) string {
		var b strings.Builder
		digits := false
		for _, r := range strings.ToLower(name) {
			digit := r >= '0' && r <= '9'
			switch {
			case r == '0' && !digits, r < 'a' && !digit, r > 'z' && r < 0x80: // a zero that leads, a sign
			default:
				b.WriteRune(r)
			}
			if digit && r != '0' || !digit {
				digits = digit
			}
		}
		return b.String()
	}
	return normal(a) == normal(b)
}

// unanswered finds what nothing answers to, once for a snapshot: a move changes no names. It is one walk over VMs and devices, whatever the policy names; of freezes,
// whose objects may be anything, only what is no pattern is looked for.
func (p *Planner) unanswered() []stranger {
	if p.unmet != nil {
		return *p.unmet
	}
	p.unmet = &[]stranger{}
	all := slices.DeleteFunc(p.policy.named(), func(s stranger) bool {
		_, prefix := byAddress(s.pattern, topology.Node{})
		return prefix || s.pattern == "*" || len(s.kinds) == 0 && (!literal(s.pattern) || p.known(s.pattern))
	})
	met := p.met(all)
	for i, s := range all {
		if !met[i] {
			*p.unmet = append(*p.unmet, s)
		}
	}
	return *p.unmet
}

// met tells which of some names and patterns a VM or device has.
func (p *Planner) met(all []stranger) []bool {
	met := make([]bool, len(all))
	literals, patterns := map[string][]int{}, []int{}
	for i, s := range all {
		if literal(s.pattern) {
			literals[s.pattern] = append(literals[s.pattern], i)
		} else {
			patterns = append(patterns, i)
		}
	}
	if len(all) == 0 {
		return met
	}
	for n := range p.s.Nodes(machines()...) {
		is := func(i int) bool { return slices.Contains(all[i].kinds, n.Kind()) }
		for _, name := range answersTo(n, true) {
			for _, i := range literals[name] {
				met[i] = met[i] || is(i) && named(name, n)
			}
		}
		patterns = slices.DeleteFunc(patterns, func(i int) bool {
			met[i] = is(i) && named(all[i].pattern, n)
			return met[i]
		})
	}
	return met
}

// known tells whether something of any kind has a name or key.
func (p *Planner) known(name string) bool {
	return slices.ContainsFunc(p.s.Find(name), func(m topology.Match) bool { return named(name, m.Node) })
}

// machines are the kinds of what flows begin and end at.
func machines() []topology.Kind {
	return []topology.Kind{topology.VM, topology.Host, topology.Switch, topology.Router, topology.Firewall, topology.Array, topology.Server}
}

// named lists what a policy names, each name of a list once.
func (p *Policy) named() (all []stranger) {
	vms, hosts := []topology.Kind{topology.VM}, []topology.Kind{topology.Host}
	add := func(list string, kinds []topology.Kind, binds bool, s ...string) {
		for _, pattern := range s {
			if !slices.ContainsFunc(all, func(o stranger) bool { return o.list == list && o.pattern == pattern && slices.Equal(o.kinds, kinds) }) && pattern != "" {
				all = append(all, stranger{list, pattern, kinds, binds})
			}
		}
	}
	for _, x := range p.Placements {
		add("placements", vms, true, x.VMs...)
		add("placements", hosts, true, x.Hosts...)
	}
	for _, x := range p.Pinned {
		add("pinned", vms, true, x.VMs...)
	}
	for _, x := range p.Cordons {
		add("cordons", hosts, true, x.Hosts...)
	}
	for _, x := range p.Required {
		add("required", machines(), true, slices.Concat(x.From, x.To)...)
	}
	for _, x := range p.Forbidden {
		add("forbidden", machines(), true, slices.Concat(x.From, x.To)...)
	}
	for _, x := range p.Paths {
		add("paths", vms, true, x.VMs...)
	}
	for _, x := range p.Units {
		add("units", hosts, true, x.Hosts...)
	}
	for _, x := range p.Freezes {
		add("freezes", nil, true, x.Objects...)
	}
	for _, x := range p.Overrides {
		add("overrides", vms, false, x.VM)
		add("overrides", hosts, false, x.Host)
	}
	return all
}
