package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// maxDeclared bounds the pairs of machines of declared flows that are asked about in one move.
const maxDeclared = 1024

// flowsDeclared asks about the flows that the policy declares, and about sessions that are open.
func (f *finder) flowsDeclared() {
	d := &declared{finder: f}
	for _, demand := range f.policy.Required {
		d.each(demand, d.required)
	}
	for _, demand := range f.policy.Forbidden {
		d.each(demand, d.forbidden)
	}
	for _, g := range d.groups {
		g.tell(f)
	}
	if d.left > 0 {
		f.unknown(fmt.Sprintf("of %d more declared flows of %s nobody has looked whether they pass", d.left, f.vm.Name()), f.vm)
	}
	f.sessions()
	switch {
	case len(f.found) > 0:
	case d.asked == 0:
		f.idle("the policy declares no flow of "+f.vm.Name()+", and sessions go on", f.vm)
	default:
		f.pass(fmt.Sprintf("%d declared flows of %s fare as the policy demands, and sessions go on", d.asked, f.vm.Name()), f.vm)
	}
}

// sessions says which sessions break, and whose address changes.
func (f *finder) sessions() {
	c := f.flows()
	if c.err != nil {
		f.unknown("whether open sessions of "+f.vm.Name()+" go on was not found out: "+c.err.Error(), f.vm)
		return
	}
	say := f.warn
	switch f.policy.Sessions {
	case Block:
		say = f.block
	case Unknown:
		say = f.unknown
	default: // a warning
	}
	for _, cut := range c.cuts {
		with := ""
		if len(cut.peers) > 0 {
			with = " with " + machineNames(cut.peers)
		}
		say(fmt.Sprintf("open sessions of %s%s break: %s", f.vm.Name(), with, cut.why), append([]topology.Node{f.here(cut.device), f.vm}, cut.peers[:min(len(cut.peers), 8)]...)...)
	}
}

// declared gathers the answers about declared flows.
type declared struct {
	*finder
	asked, left int
	groups      []*answered
}

// answered is an answer that several pairs have.
type answered struct {
	verdict Verdict
	name    string // of the demand
	words   string // between the machines: "cannot reach"
	flow    reach.Flow
	why     string
	out     bool
	peers   []topology.Node
}

func (a *answered) tell(f *finder) {
	from, to := f.vm.Name(), machineNames(a.peers)
	if !a.out {
		from, to = to, from
	}
	text := fmt.Sprintf("%s: %s %s %s, %s", a.name, from, a.words, to, a.flow)
	if a.why != "" {
		text += ": " + a.why
	}
	f.say(a.verdict, text, append([]topology.Node{f.vm}, a.peers[:min(len(a.peers), 8)]...))
}

// each asks about all machines with which the VM has a declared flow.
func (d *declared) each(demand Demand, ask func(demand Demand, peer topology.Node, out bool)) {
	for _, out := range []bool{true, false} {
		mine, others := demand.From, demand.To
		if !out {
			mine, others = demand.To, demand.From
		}
		if !mine.Has(d.vm) {
			continue
		}
		for _, peer := range d.machines(others) {
			if peer == d.vm {
				continue
			}
			if d.asked++; d.asked > maxDeclared {
				d.left++
				continue
			}
			ask(demand, peer, out)
		}
	}
}

// machines lists those that a selector names, and that have an address. It is looked for once.
func (p *Planner) machines(of Selector) []topology.Node {
	k := strings.Join(of, "\x00")
	all, known := p.selected[k]
	if !known {
		for n := range p.s.Nodes(topology.VM, topology.Host, topology.Switch, topology.Router, topology.Firewall, topology.Array, topology.Server) {
			if of.Has(n) && len(reach.Endpoints(n)) > 0 {
				all = append(all, n)
			}
		}
		if p.selected == nil {
			p.selected = map[string][]topology.Node{}
		}
		p.selected[k] = all
	}
	return all
}

// between gives the best answer of all pairs of addresses.
func (d *declared) between(n *reach.Network, peer topology.Node, out bool, flow reach.Flow) (best reach.Answer, found bool) {
	me, _ := d.vm.On(n.Snapshot)
	other, _ := peer.On(n.Snapshot)
	order := []reach.Verdict{reach.No, reach.NotKnown, reach.Some, reach.Yes}
	for _, a := range reach.Endpoints(me) {
		for _, b := range reach.Endpoints(other) {
			if a.Addr.Is4() != b.Addr.Is4() {
				continue
			}
			from, to := a, b
			if !out {
				from, to = b, a
			}
			answer, err := n.Between(d.ctx, from, to, flow)
			if err != nil {
				answer.Verdict, answer.Limit = reach.NotKnown, err.Error()
			}
			if !found || slices.Index(order, answer.Verdict) > slices.Index(order, best.Verdict) {
				best, found = answer, true
			}
		}
	}
	return best, found
}

// required asks whether what has to pass does.
func (d *declared) required(demand Demand, peer topology.Node, out bool) {
	is, found := d.between(d.moved(), peer, out, demand.Flow)
	switch {
	case !found:
		d.add(Unknown, demand, "may not reach", fmt.Sprintf("%s and %s have no addresses of one family", d.vm.Name(), peer.Name()), peer, out)
		return
	case is.Verdict == reach.Yes:
		if one := d.moved().OneWay(is); len(one) > 0 {
			was, _ := d.between(d.network(), peer, out, demand.Flow)
			if had := d.network().OneWay(was); len(had) == 0 {
				d.add(Warn, demand, "reaches", "and only one way crosses "+machineNames(one)+", which holds its connections", peer, out)
			}
		}
		return
	}
	verdict, words := Block, "cannot reach"
	switch is.Verdict {
	case reach.NotKnown:
		verdict, words = Unknown, "may not reach"
	case reach.Some:
		words = "reaches only with a part of it"
	default: // nothing of it passes
	}
	why := is.Why()
	if was, ok := d.between(d.network(), peer, out, demand.Flow); ok && was.Verdict == is.Verdict {
		why += "; it was so before"
	}
	d.add(verdict, demand, words, why, peer, out)
}

// forbidden asks whether what must not pass does. What the move opens NET-9 tells.
func (d *declared) forbidden(demand Demand, peer topology.Node, out bool) {
	is, found := d.between(d.moved(), peer, out, demand.Flow)
	if !found || is.Forward.Verdict == reach.No {
		return
	}
	was, _ := d.between(d.network(), peer, out, demand.Flow)
	switch {
	case was.Forward.Verdict == reach.No: // opened
	case is.Forward.Verdict == reach.NotKnown:
		d.add(Unknown, demand, "may reach", is.Why()+"; it was so before", peer, out)
	default:
		d.add(Warn, demand, "reaches", "the policy forbids it, and it was so before", peer, out)
	}
}

func (d *declared) add(v Verdict, demand Demand, words, why string, peer topology.Node, out bool) {
	for _, g := range d.groups {
		if g.verdict == v && g.name == demand.Name && g.words == words && g.why == why && g.out == out {
			g.peers = append(g.peers, peer)
			return
		}
	}
	d.groups = append(d.groups, &answered{verdict: v, name: demand.Name, words: words, flow: demand.Flow, why: why, out: out, peers: []topology.Node{peer}})
}
