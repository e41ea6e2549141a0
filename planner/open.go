package planner

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Bounds of what is looked at for others when something is changed. What is beyond them is not looked at.
const (
	nearHosts    = 16 // to which cables lead from what is changed
	nearDevices  = 64 // on the way there
	nearMachines = 16 // VMs there
	nearPairs    = 64 // of machines, or of hosts and units
)

// opening looks for what changes open to others than the VM that is moved, or take from them.
type opening struct {
	context.Context //nolint:containedctx // it is one question
	before, after   *Planner
	vm, host        topology.Key
	changes         []topology.Change
	found           []Finding
}

// opens tells what changes alone open to others, or take from them, before anything moves: ways that other VMs get or lose, filters that let other packets pass,
// isolation that the policy demands, and units that others see. It is what others near the changes get, not all of the estate.
func (p *Planner) opens(ctx context.Context, plan *Plan, changes topology.ChangeSet) ([]Finding, error) {
	after, err := p.Assume(changes)
	if err != nil {
		return nil, err
	}
	o := &opening{Context: ctx, before: p, after: after, vm: plan.VM, host: plan.Host, changes: changes.Changes}
	near := o.machines()
	o.rails(near)
	o.filters()
	if err := o.isolation(near); err != nil {
		return nil, err
	}
	return o.found, o.units()
}

func (o *opening) say(code string, v Verdict, text string, about ...topology.Node) {
	f := Finding{Code: code, Verdict: v, Found: v, Text: text}
	for _, n := range about {
		f.Objects = append(f.Objects, n.Key())
	}
	if !slices.ContainsFunc(o.found, func(g Finding) bool { return g.Code == code && g.Text == text }) {
		o.found = append(o.found, f)
	}
}

// node gives a node as it is before the changes, or else after them.
func (o *opening) node(k topology.Key) (topology.Node, bool) {
	if n, ok := o.before.s.Node(k); ok {
		return n, true
	}
	return o.after.s.Node(k)
}

// device gives what a node is a part of.
func device(n topology.Node) topology.Node {
	for range 8 { // parts of parts
		owner, ok := n.Owner()
		if n.Kind().Device() || !ok {
			break
		}
		n = owner
	}
	return n
}

// machines lists VMs to which cables lead from what is changed, but for the one that is to move: those of the host of which something is changed, or of hosts
// behind the port, or the ports of the device.
func (o *opening) machines() (vms []topology.Node) {
	var hosts []topology.Node
	seen := map[topology.Node]bool{}
	var open []topology.Node // interfaces to follow
	visit := func(n topology.Node) {
		d := device(n)
		switch {
		case seen[d] || len(seen) == nearDevices:
			return
		case d.Kind() == topology.Host && len(hosts) < nearHosts:
			hosts = append(hosts, d)
		case d.Kind().Device():
			open = slices.AppendSeq(open, d.Objects(topology.Contains))
		}
		seen[d] = true
	}
	for _, c := range o.changes {
		if n, ok := o.node(c.Subject); ok && !o.storage(c) {
			if n.Kind().Interface() && device(n).Kind() != topology.Host {
				open = append(open, n)
				open = slices.AppendSeq(open, n.Objects(topology.SupportedBy))
				continue
			}
			visit(n)
		}
	}
	for len(open) > 0 && len(hosts) < nearHosts {
		next := open[0]
		open = open[1:]
		for _, peer := range next.Peers(topology.Link) {
			visit(peer)
		}
	}
	for _, h := range hosts {
		for vm := range h.Subjects(topology.RunsOn) {
			if was, ok := o.before.s.Node(vm.Key()); ok && vm.Key() != o.vm && len(vms) < nearMachines {
				vms = append(vms, was)
			}
		}
	}
	return vms
}

func (o *opening) storage(c topology.Change) bool {
	return slices.Contains([]topology.Kind{
		topology.Mapping, topology.FCZone, topology.FCZoneAlias, topology.FCZoneSet, topology.InitiatorPort, topology.TargetPort, topology.LogicalUnit,
	}, c.Subject.Kind)
}

// rails compares the ways of other machines.
func (o *opening) rails(near []topology.Node) {
	for _, vm := range near {
		then, ok := o.after.s.Node(vm.Key())
		if !ok {
			continue
		}
		after := map[topology.Key]topology.Rail{}
		for _, r := range then.Rails() {
			after[r.From.Key()] = r
		}
		host, _ := vm.First(topology.RunsOn)
		for _, was := range vm.Rails() {
			is := after[was.From.Key()]
			before, now := sound(was), sound(is)
			at := fmt.Sprintf("%s of %s on %s", was.From.Name(), vm.Name(), host.Name())
			code := map[string]string{"network": "NET-12", "storage": "SAN-4"}[was.Name]
			switch {
			case before == 0 && now > 0 && was.Name == "network":
				end := is.Paths[slices.IndexFunc(is.Paths, whole)].Hops
				o.say("NET-9", Warn, fmt.Sprintf("%s gets a way to %s that it did not have", at, device(end[len(end)-1].Node).Name()), vm, host)
			case before > 0 && now == 0:
				o.say(code, Block, fmt.Sprintf("%s loses its last way of the %s", at, was.Name), vm, host)
			case is.Independent < was.Independent:
				o.say(code, Warn, fmt.Sprintf("%s has %d ways of the %s that share nothing left, of %d", at, is.Independent, was.Name, was.Independent), vm, host)
			}
		}
	}
}

func whole(p topology.Path) bool { return p.Complete && !p.Faulty() }

// sound counts the ways that are known to their end, and that nothing stops.
func sound(r topology.Rail) (n int) {
	for _, p := range r.Paths {
		if whole(p) {
			n++
		}
	}
	return n
}

// filters compares filters whose rules are changed: what passes that did not, from or to others than the VM.
func (o *opening) filters() {
	for _, c := range o.changes {
		if c.Subject.Kind != topology.Filter || c.Attr != topology.AttrRules {
			continue
		}
		n, _ := o.node(c.Subject)
		old, _ := o.before.s.Node(device(n).Key())
		now, _ := o.after.s.Node(device(n).Key())
		rewritten, err := reach.RewrittenPolicies(filtersOf(old), filtersOf(now))
		if err != nil {
			o.say("NET-9", Unknown, fmt.Sprintf("what %s of %s lets pass besides is not known: %s", n.Name(), old.Name(), err), n, old)
			continue
		}
		for _, r := range rewritten {
			for _, part := range r.Parts {
				if region := part.Headers.Describe(part.Packets, maxNamed); part.Fate != reach.SentAs && !o.own(region) {
					o.say("NET-9", Warn, fmt.Sprintf("%s of %s: %s from now on: %s, %s", n.Name(), old.Name(), part.Fate, list(region.Services), list(region.Addresses)), n, old)
				}
			}
			if r.Unknown != "" {
				o.say("NET-9", Unknown, fmt.Sprintf("what %s of %s lets pass besides is not known: %s", n.Name(), old.Name(), r.Unknown), n, old)
			}
		}
	}
}

// filtersOf reads the filters of a device.
func filtersOf(device topology.Node) (all []*policy.Filter) {
	for part := range device.Objects(topology.Contains) {
		if text := part.Text(topology.AttrRules); part.Kind() == topology.Filter && text != "" {
			if f, err := policy.DecodeFilter(text); err == nil {
				all = append(all, f)
			}
		}
	}
	return all
}

// own tells whether packets are all of the VM, or for it.
func (o *opening) own(r reach.Region) bool {
	vm, _ := o.before.s.Node(o.vm)
	return !r.More && len(r.Addresses) > 0 && !slices.ContainsFunc(r.Addresses, func(between string) bool {
		from, to, _ := strings.Cut(strings.TrimPrefix(between, "from "), " to ")
		return !slices.ContainsFunc(reach.Endpoints(vm), func(e reach.Endpoint) bool { return from == e.Addr.String() || to == e.Addr.String() })
	})
}

// isolation asks the flows that the policy forbids, between the machines near the changes.
func (o *opening) isolation(near []topology.Node) error {
	if vm, ok := o.before.s.Node(o.vm); ok {
		near = append(near, vm)
	}
	asked := 0
	for i := range o.before.policy.Forbidden {
		d := &o.before.policy.Forbidden[i]
		for _, a := range near {
			for _, b := range near {
				if a == b || !d.From.Has(a) || !d.To.Has(b) || asked == nearPairs {
					continue
				}
				asked++
				if err := o.forbidden(d, a, b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// forbidden tells of what may pass after the changes, and did not before.
func (o *opening) forbidden(d *Demand, a, b topology.Node) error {
	before, err := o.passes(o.before, a, b, d.Flow)
	if err != nil {
		return err
	}
	after, err := o.passes(o.after, a, b, d.Flow)
	if err == nil && after != reach.No && after != before {
		o.say("NET-9", map[bool]Verdict{true: Unknown, false: Block}[after == reach.NotKnown], fmt.Sprintf("%q forbids what may then pass from %s to %s", d.Name, a.Name(), b.Name()), a, b)
	}
	return err
}

// passes tells whether packets of a flow get from one machine to another, by any of their addresses.
func (o *opening) passes(p *Planner, a, b topology.Node, flow reach.Flow) (reach.Verdict, error) {
	worst := reach.No
	from, _ := p.s.Node(a.Key())
	to, _ := p.s.Node(b.Key())
	for _, x := range reach.Endpoints(from) {
		for _, y := range reach.Endpoints(to) {
			if x.Addr.Is4() != y.Addr.Is4() {
				continue
			}
			answer, err := p.network().Between(o, x, y, flow)
			if err != nil {
				return worst, err
			}
			if v := answer.Forward.Verdict; worst == reach.No || v != reach.No && v != reach.NotKnown {
				worst = v
			}
		}
	}
	return worst, nil
}

// units asks who sees units that did not before: the target others than the VM's, and others those of the VM.
func (o *opening) units() error {
	owners, units := o.masked()
	vm, _ := o.before.s.Node(o.vm)
	source, _ := vm.First(topology.RunsOn)
	var own []topology.Key
	for disk := range vm.Objects(topology.Contains) {
		if disk.Kind() == topology.VDisk {
			for _, u := range reach.Units(disk) {
				own = append(own, u.Key())
			}
		}
	}
	asked := 0
	for _, who := range owners {
		for _, unit := range units {
			mine := slices.Contains(own, unit)
			if mine && (who == o.host || who == source.Key() || who == o.vm) || asked == nearPairs {
				continue
			}
			asked++
			if err := o.shared(who, unit, mine); err != nil {
				return err
			}
		}
	}
	return nil
}

// shared tells of a unit that somebody may see after the changes, and did not before; mine: it is one of the VM's.
func (o *opening) shared(who, unit topology.Key, mine bool) error {
	before, _, err := o.sees(o.before, who, unit)
	if err != nil {
		return err
	}
	after, now, err := o.sees(o.after, who, unit)
	if err != nil || after == reach.No || before == after || before == reach.Yes {
		return err
	}
	verdict, also := Warn, ""
	if mine {
		vm, _ := o.before.s.Node(o.vm)
		verdict, also = Block, ", on which "+vm.Name()+" writes"
	}
	o.say("SAN-9", verdict, fmt.Sprintf("%s may see unit %s%s, which it did not for certain before", now.From.Name(), now.Unit.Name(), also), now.From, now.Unit)
	return nil
}

func (o *opening) sees(p *Planner, who, unit topology.Key) (reach.Verdict, reach.StorageAnswer, error) {
	w, there := p.s.Node(who)
	u, known := p.s.Node(unit)
	if !there || !known {
		return reach.No, reach.StorageAnswer{}, nil
	}
	a, err := p.network().Storage(o, w, u)
	return a.Verdict, a, err
}

// masked lists who and what the mappings and zones that are changed name: the owners of initiators, and the units that are mapped or shown at the targets.
func (o *opening) masked() (owners, units []topology.Key) {
	add := func(to *[]topology.Key, n topology.Node) {
		if !n.IsZero() && !slices.Contains(*to, n.Key()) {
			*to = append(*to, n.Key())
		}
	}
	port := func(n topology.Node) {
		if owner, ok := n.Owner(); ok && n.Kind() == topology.InitiatorPort {
			add(&owners, owner)
		}
		for u := range n.Objects(topology.Exports) {
			add(&units, u)
		}
	}
	for _, c := range o.changes {
		n, ok := o.after.s.Node(c.Subject)
		if !ok || !o.storage(c) {
			continue
		}
		switch n.Kind() { //nolint:exhaustive // others are ports and units themselves
		case topology.Mapping:
			for i := range n.Objects(topology.MapsInitiator) {
				port(i)
			}
			for u := range n.Objects(topology.MapsUnit) {
				add(&units, u)
			}
		case topology.FCZone, topology.FCZoneAlias:
			for _, p := range zoned(n) {
				port(p)
			}
		case topology.LogicalUnit:
			add(&units, n)
		default:
			port(n)
		}
	}
	return owners, units
}

// zoned lists the ports that a zone or alias names.
func zoned(zone topology.Node) (ports []topology.Node) {
	for _, v := range zone.Values(topology.AttrZoneMember) {
		for word := range strings.FieldsSeq(v.String()) {
			for _, kind := range []topology.Kind{topology.InitiatorPort, topology.TargetPort} {
				if p, ok := zone.Snapshot().Node(topology.Key{Kind: kind, ID: word}); ok {
					ports = append(ports, p)
				}
			}
		}
	}
	return ports
}
