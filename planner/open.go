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
	before, after *Planner
	vm, host      topology.Key
	changes       []topology.Change
	found         []Finding
}

// opens tells what changes alone open to others, or take from them, before anything moves: ways that other VMs get or lose, filters that let other packets pass,
// isolation that the policy demands, and units that others see. It is what others near the changes get, not all of the estate.
func (p *Planner) opens(ctx context.Context, plan *Plan, changes topology.ChangeSet) ([]Finding, error) {
	after, err := p.Assume(changes)
	if err != nil {
		return nil, err
	}
	o := &opening{before: p, after: after, vm: plan.VM, host: plan.Host, changes: changes.Changes}
	near := o.machines()
	o.rails(near)
	o.filters()
	if err := o.isolation(ctx, near); err != nil {
		return nil, err
	}
	return o.found, o.units(ctx)
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
	for _, h := range o.hosts() {
		for vm := range h.Subjects(topology.RunsOn) {
			if was, ok := o.before.s.Node(vm.Key()); ok && vm.Key() != o.vm && len(vms) < nearMachines {
				vms = append(vms, was)
			}
		}
	}
	return vms
}

// hosts lists those to which cables lead from what is changed.
func (o *opening) hosts() []topology.Node {
	around := &surroundings{seen: map[topology.Node]bool{}}
	for _, c := range o.changes {
		n, ok := o.node(c.Subject)
		switch {
		case !ok || o.storage(c):
		case n.Kind().Interface() && device(n).Kind() != topology.Host: // the other ports of its device are not changed
			around.open = append(around.open, n)
			around.open = slices.AppendSeq(around.open, n.Objects(topology.SupportedBy))
		default:
			around.visit(n)
		}
	}
	for len(around.open) > 0 && len(around.hosts) < nearHosts {
		next := around.open[0]
		around.open = around.open[1:]
		for _, peer := range next.Peers(topology.Link) {
			around.visit(peer)
		}
	}
	return around.hosts
}

// surroundings are what cables lead to from what is changed, as far as it was followed.
type surroundings struct {
	hosts []topology.Node
	open  []topology.Node        // interfaces to follow
	seen  map[topology.Node]bool // devices
}

// visit takes down the device of a node: a host is an end, and the cables of any other are followed.
func (s *surroundings) visit(n topology.Node) {
	d := device(n)
	switch {
	case s.seen[d] || len(s.seen) == nearDevices:
		return
	case d.Kind() == topology.Host && len(s.hosts) < nearHosts:
		s.hosts = append(s.hosts, d)
	case d.Kind().Device():
		s.open = slices.AppendSeq(s.open, d.Objects(topology.Contains))
	}
	s.seen[d] = true
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
		unsaid := func(why string) {
			o.say("NET-9", Unknown, fmt.Sprintf("what %s of %s lets pass besides is not known: %s", n.Name(), old.Name(), why), n, old)
		}
		were, unread := filtersOf(old)
		are, alsoUnread := filtersOf(now)
		for _, why := range append(unread, alsoUnread...) { // it may be jumped to, or drop by now what the other lets pass
			unsaid(why)
		}
		rewritten, err := reach.RewrittenPolicies(were, are)
		if err != nil {
			unsaid(err.Error())
			continue
		}
		for _, r := range rewritten {
			o.letsPass(r.Parts, n, old)
			if r.Unknown != "" {
				unsaid(r.Unknown)
			}
		}
	}
}

// letsPass tells what a filter of a device lets pass of others, or drops, from now on.
func (o *opening) letsPass(parts []reach.RewrittenPart, filter, device topology.Node) {
	for _, part := range parts {
		if region := part.Headers.Describe(part.Packets, maxNamed); part.Fate != reach.SentAs && !o.own(region) {
			o.say("NET-9", Warn, fmt.Sprintf("%s of %s: %s from now on: %s, %s", filter.Name(), device.Name(), part.Fate, list(region.Services), list(region.Addresses)), filter, device)
		}
	}
}

// filtersOf reads the filters of a device, and says which of them cannot be read.
func filtersOf(device topology.Node) (all []*policy.Filter, unread []string) {
	for part := range device.Objects(topology.Contains) {
		if text := part.Text(topology.AttrRules); part.Kind() == topology.Filter && text != "" {
			f, doubt := decoded(text)
			if doubt != "" {
				unread = append(unread, "of "+part.Name()+": "+doubt)
				continue
			}
			all = append(all, f)
		}
	}
	return all, unread
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
func (o *opening) isolation(ctx context.Context, near []topology.Node) error {
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
				if err := o.forbidden(ctx, d, a, b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// forbidden tells of what may pass after the changes, and did not before.
func (o *opening) forbidden(ctx context.Context, d *Demand, a, b topology.Node) error {
	before, err := o.passes(ctx, o.before, a, b, d.Flow)
	if err != nil {
		return err
	}
	after, err := o.passes(ctx, o.after, a, b, d.Flow)
	if err == nil && after != reach.No && after != before {
		o.say("NET-9", map[bool]Verdict{true: Unknown, false: Block}[after == reach.NotKnown], fmt.Sprintf("%q forbids what may then pass from %s to %s", d.Name, a.Name(), b.Name()), a, b)
	}
	return err
}

// passes tells whether packets of a flow get from one machine to another, by any of their addresses.
func (o *opening) passes(ctx context.Context, p *Planner, a, b topology.Node, flow reach.Flow) (reach.Verdict, error) {
	worst := reach.No
	from, _ := p.s.Node(a.Key())
	to, _ := p.s.Node(b.Key())
	for _, x := range reach.Endpoints(from) {
		for _, y := range reach.Endpoints(to) {
			if x.Addr.Is4() != y.Addr.Is4() {
				continue
			}
			answer, err := p.network().Between(ctx, x, y, flow)
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
func (o *opening) units(ctx context.Context) error {
	named := o.masked()
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
	o.addresses(own)
	asked := 0
	for _, who := range named.owners {
		for _, unit := range named.units {
			mine := slices.Contains(own, unit)
			if mine && (who == o.host || who == source.Key() || who == o.vm) || asked == nearPairs {
				continue
			}
			asked++
			if err := o.shared(ctx, who, unit, mine); err != nil {
				return err
			}
		}
	}
	return nil
}

// shared tells of a unit that somebody may see after the changes, and did not before; mine: it is one of the VM's.
func (o *opening) shared(ctx context.Context, who, unit topology.Key, mine bool) error {
	before, _, err := o.sees(ctx, o.before, who, unit)
	if err != nil {
		return err
	}
	after, now, err := o.sees(ctx, o.after, who, unit)
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

func (o *opening) sees(ctx context.Context, p *Planner, who, unit topology.Key) (reach.Verdict, reach.StorageAnswer, error) {
	w, there := p.s.Node(who)
	u, known := p.s.Node(unit)
	if !there || !known {
		return reach.No, reach.StorageAnswer{}, nil
	}
	a, err := p.network().Storage(ctx, w, u)
	return a.Verdict, a, err
}

// addresses tells of units that mappings show by address to others than before: whoever logs in from there sees them.
func (o *opening) addresses(own []topology.Key) {
	var units []topology.Node
	var from []string
	for _, c := range o.changes {
		m, ok := o.after.s.Node(c.Subject)
		if !ok || c.Attr != topology.AttrInitiatorAddress {
			continue
		}
		unit, ok := m.First(topology.MapsUnit)
		if !ok || slices.Contains(own, unit.Key()) {
			continue
		}
		for _, v := range c.After {
			if p := v.Prefix(); !slices.Contains(c.Before, v) && !slices.Contains(from, p.String()) {
				from = append(from, p.String())
			}
		}
		units = append(units, unit)
	}
	if len(units) == 0 || len(from) == 0 {
		return
	}
	var named []string
	for _, u := range units {
		named = append(named, u.Name()+o.users(u))
	}
	o.say("SAN-9", Warn, fmt.Sprintf("whoever logs in from %s may see %s, too", strings.Join(from, ", "), list(named)), units...)
}

// users names the VMs whose disks are on a unit.
func (o *opening) users(unit topology.Node) string {
	var vms []string
	for u := range unit.Subjects(topology.IdentifiedAs) {
		vms = append(vms, disksOn(u)...)
	}
	if vms = append(vms, disksOn(unit)...); len(vms) == 0 {
		return ""
	}
	return " of " + strings.Join(vms, " and ")
}

func disksOn(unit topology.Node) (vms []string) {
	for disk := range unit.Subjects(topology.StoredOn) {
		if vm, ok := disk.Owner(); ok && vm.Kind() == topology.VM && !slices.Contains(vms, vm.Name()) {
			vms = append(vms, vm.Name())
		}
	}
	return vms
}

// masked is who and what the mappings and zones that are changed name: the owners of initiators, and the units that are mapped or shown at the targets.
type masked struct{ owners, units []topology.Key }

func (o *opening) masked() (m masked) {
	for _, c := range o.changes {
		if n, ok := o.after.s.Node(c.Subject); ok && o.storage(c) {
			m.named(n)
		}
	}
	return m
}

// named takes down what a mapping, a zone, a port or a unit names.
func (m *masked) named(n topology.Node) {
	switch n.Kind() {
	case topology.Mapping:
		for i := range n.Objects(topology.MapsInitiator) {
			m.port(i)
		}
		for u := range n.Objects(topology.MapsUnit) {
			m.units = adding(m.units, u)
		}
	case topology.FCZone, topology.FCZoneAlias:
		for _, p := range zoned(n) {
			m.port(p)
		}
	case topology.LogicalUnit:
		m.units = adding(m.units, n)
	default:
		m.port(n)
	}
}

func (m *masked) port(n topology.Node) {
	if owner, ok := n.Owner(); ok && n.Kind() == topology.InitiatorPort {
		m.owners = adding(m.owners, owner)
	}
	for u := range n.Objects(topology.Exports) {
		m.units = adding(m.units, u)
	}
}

// adding appends a node to those that are there, unless it is one of them.
func adding(keys []topology.Key, n topology.Node) []topology.Key {
	if n.IsZero() || slices.Contains(keys, n.Key()) {
		return keys
	}
	return append(keys, n.Key())
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
