package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// flowChecks ask which flows the move loses or opens: NET-9 and NET-10.
func flowChecks() []Check {
	return []Check{
		{
			Code: "NET-9", Asks: "Does every flow of the VM that passes before the move pass after it, and none that did not?",
			Facts: "filters of hosts, vNICs, bridges and switches (libvirt, ssh, configurations), ways of frames, addresses, routes",
			Mends: "permit what is lost in the filter that drops it, deny there what is opened; or choose another host", run: (*finder).flowsKept,
		},
		{
			Code: "NET-10", Asks: "Do the flows that the policy declares fare as it demands, with the same addresses and gateways, and do open sessions go on?",
			Facts: "declared flows (policy), routes, translations, filters with state (ssh, configurations)",
			Mends: "permit the flow; move when sessions may break", run: (*finder).flowsDeclared,
		},
	}
}

// flowsKept says what the move loses and opens.
func (f *finder) flowsKept() {
	c := f.flows()
	switch {
	case len(c.ends) == 0 && c.silent == nil:
		if f.described(f.vm) {
			f.idle(f.vm.Name()+" has no vNIC", f.vm)
		}
		return
	case c.err != nil:
		f.unknown("what becomes of the flows of "+f.vm.Name()+" was not found out: "+c.err.Error(), f.vm)
		return
	}
	for _, n := range c.silent {
		f.unknown(fmt.Sprintf("no source says which address %s of %s has: what flows to and from it nobody knows", n.Name(), f.vm.Name()), n, f.vm)
	}
	for _, text := range c.unplugged {
		f.unknown("what becomes of the flows is not known: "+text, f.target, f.vm)
	}
	for _, g := range c.groups {
		f.turn(g)
	}
	if c.left > 0 {
		f.unknown(fmt.Sprintf("of %d more machines whose flows with %s take another way nobody has looked whether they pass", c.left, f.vm.Name()), f.vm)
	}
	if len(c.blind) > 0 { // before and after alike; behind it something may be lost unseen
		f.unknown(fmt.Sprintf("whether all flows of %s pass as before is not known: %s", f.vm.Name(), list(c.blind)), f.vm)
	}
	if len(f.found) == 0 {
		f.pass(c.kept(f.move), f.vm)
	}
}

// turn says what becomes of the flows of one group.
func (f *finder) turn(g *turned) {
	f.evidence = nil
	about := []topology.Node{}
	for _, stop := range g.Stops {
		about = append(about, f.here(stop.Filter))
		fact, _ := stop.Filter.Evidence(topology.AttrRules)
		if r, ok := stop.Filter.Snapshot().Reading(fact.Reading); ok {
			f.evidence = append(f.evidence, f.evidenceOf(r))
		}
	}
	about = append(about, f.vm)
	about = append(about, g.peers[:min(len(g.peers), 8)]...)
	switch {
	case g.opened && g.breaks != "" && g.Sure:
		f.block(g.text(f.vm)+"; the policy forbids it ("+g.breaks+")", about...)
	case g.opened && g.breaks != "":
		f.unknown(g.text(f.vm)+"; the policy forbids it ("+g.breaks+")", about...)
	case g.opened:
		f.warn(g.text(f.vm), about...)
	case g.beside && f.policy.Beside == Warn:
		f.warn(g.text(f.vm), about...)
	case g.Sure:
		f.block(g.text(f.vm), about...)
	default:
		f.unknown(g.text(f.vm), about...)
	}
	if !g.opened && g.Sure {
		for _, fix := range g.permits() {
			f.mend(fix.Text, fix.Changes...)
		}
	}
}

// here gives a node as the snapshot that was asked has it.
func (m *move) here(n topology.Node) topology.Node {
	n, _ = n.On(m.s)
	return n
}

// text is the sentence of a group.
func (g *turned) text(vm topology.Node) string {
	peers := machineNames(g.peers)
	from, to := vm.Name(), peers
	if !g.out {
		from, to = peers, vm.Name()
	}
	why := ""
	if g.Why != "" {
		why = ": " + g.Why
	}
	var text string
	switch {
	case g.opened && g.Back && g.Sure:
		text = "%s can now be answered by %s on %s"
	case g.opened && g.Back:
		text = "%s may now be answered by %s on %s"
	case g.opened && g.Sure:
		text = "%s can now reach %s on %s"
	case g.opened:
		text = "%s may now reach %s on %s"
	case g.Sure && g.Back:
		text = "%s gets no answers from %s any more on %s"
	case g.Sure:
		text = "%s can no longer reach %s on %s"
	default:
		return fmt.Sprintf("whether %s and %s still reach each other is not known, as far as they did%s", vm.Name(), peers, why)
	}
	if g.opened && why != "" {
		why = ": so far, " + strings.TrimPrefix(why, ": ")
	}
	if g.beside {
		why += "; so far they meet on one host, where no filter looks"
	}
	return fmt.Sprintf(text, from, to, strings.Join(g.services, ", ")) + why
}

const maxNames = 4 // of machines in one sentence

func machineNames(nodes []topology.Node) string {
	var names []string
	for _, n := range nodes {
		if name := n.Name(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if more := len(names) - maxNames; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNames], ", "), more)
	}
	return strings.Join(names, ", ")
}

// machineOf is the machine that an interface or vNIC is of.
func machineOf(e reach.Endpoint) topology.Node {
	if o, ok := e.Node.Owner(); ok {
		return o
	}
	return e.Node
}

// kept is the sentence where nothing is lost and nothing opened.
func (c *flowChange) kept(m *move) string {
	text := fmt.Sprintf("nothing that flows to or from %s is lost or opened", m.vm.Name())
	if c.followed > 0 {
		text += fmt.Sprintf("; with %d machines it goes another way with other filters, and fares the same", c.followed)
	}
	if len(c.same) > 0 {
		text += "; what nobody knows of its ways, before and after alike: " + c.same[0]
		if more := len(c.same) - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more)", more)
		}
	}
	return text
}

// permits gives what would let a group's flows pass where they are dropped: one rule more in each filter that does, in front of the one that decides.
func (g *turned) permits() []Fix {
	var fixes []Fix
	for _, stop := range g.Stops {
		rule, ok := reach.PermitRule(g.Turn, g.ends)
		if !ok {
			continue
		}
		was := stop.Filter.Text(topology.AttrRules)
		is, ok := stop.With(rule)
		if !ok || was == "" {
			continue
		}
		text := fmt.Sprintf("%s in %s of %s", rule.Text, stop.In.Name, stop.Device.Name())
		if stop.Rule != nil {
			text += " before " + cmp.Or(stop.Rule.Place.String(), stop.Rule.Text)
		}
		fixes = append(fixes, Fix{text, []topology.Change{{
			Subject: stop.Filter.Key(), Attr: topology.AttrRules, Cause: text, Before: []topology.Value{topology.TextValue(was)}, After: []topology.Value{topology.TextValue(is.Encode())},
		}}})
	}
	return fixes
}
