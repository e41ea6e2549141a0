package planner

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// Drain is how the VMs of some hosts would find another place, so that these can be taken out of service.
type Drain struct {
	Hosts    []topology.Key
	Revision topology.Revision
	Verdict  Verdict // the worst of what follows
	Moves    []*Plan // in the order in which they are to be made: each was asked of the snapshot in which those before it are made
	Stuck    []Stuck // VMs that find no place
	Off      []topology.Key
	Doubts   []string // why there may be other VMs there
	Spares   []Spare  // what is left to spare afterwards, of each host that takes part
	Asked    int      // how many moves were asked for
	Cut      string   // why others than those that were asked might let more VMs go; "" if none would
}

// Stuck is a VM that cannot go.
type Stuck struct {
	VM      topology.Key
	Plan    *Plan // of all that were asked the one in whose way least stands; nil: no host was asked
	Verdict Verdict
}

// Spare is whether a host may fail once the drain is done: whether the others then have room for its VMs.
type Spare struct {
	Host    topology.Key
	Verdict Verdict // Pass, Warn: there is no room, Unknown
	Text    string
}

// Bounds of a drain. Where all moves are at most so many, all are asked, and places are sought until all are tried; else hosts are asked one after the other until one will do.
const (
	maxMoves = 1000 // questions
	maxHosts = 256  // that are looked at for one VM of many hosts
	maxTried = 32   // of them that are asked for one VM
	maxWorse = 8    // of them that warn, or are unknown, before the best of these is taken
)

// Drain places the VMs of some hosts on others, one after the other: those with the fewest places first, each where the verdict is best and then most room is left. Every
// placement is the plan of a move where those before it are made: room, affinity and all else that they change is looked at as it is then. No move that is blocked is
// among them; one of which something is not known is, where there is no better one, and makes the whole unknown.
func (p *Planner) Drain(ctx context.Context, hosts []topology.Key) (*Drain, error) {
	d := &drain{Drain: Drain{Hosts: hosts, Revision: p.s.Revision()}, ctx: ctx, p: p}
	for _, h := range hosts {
		host, ok := p.s.Node(h)
		if !ok || h.Kind != topology.Host {
			return nil, fmt.Errorf("%w: there is no host %s", topology.ErrSchema, h)
		}
		if doubt := p.unlisted(host); doubt != "" {
			d.Doubts = append(d.Doubts, doubt)
		}
		for vm := range host.Subjects(topology.RunsOn) {
			if off(vm) {
				d.Off = append(d.Off, vm.Key())
			} else {
				d.vms = append(d.vms, &placing{vm: vm, need: p.needOf(vm)})
			}
		}
	}
	if err := d.look(p); err != nil {
		return nil, err
	}
	if err := d.place(0, placement{after: p}); err != nil {
		return nil, err
	}
	last, err := d.again()
	if err != nil {
		return nil, err
	}
	d.conclude(last)
	return &d.Drain, nil
}

// unlisted says why there may be VMs on a host that nobody knows.
func (p *Planner) unlisted(host topology.Node) string {
	for _, handle := range host.Values(topology.AttrHandle) {
		for _, table := range []string{"domains", "domains+volumes"} {
			r, ok := p.s.Reading(topology.ReadingKey{Device: handle.String(), Source: topology.SourceLibvirt, Table: table})
			switch {
			case !ok:
			case r.Partial:
				return "the VMs of " + host.Name() + " were not read to their end: collect it"
			case p.policy.Ages.Stale(r, p.now):
				return "which VMs run on " + host.Name() + " was read too long ago: collect it"
			default:
				return ""
			}
		}
	}
	return "no source lists the VMs of " + host.Name() + ": collect it by libvirt"
}

// drain is the search for places.
type drain struct {
	Drain
	ctx   context.Context //nolint:containedctx // a drain is one question: it lives as long as its context
	p     *Planner        // before anything is moved
	vms   []*placing      // those with the fewest places first
	all   bool            // all moves were asked for beforehand
	found *placement      // the best so far
}

// placing is a VM that needs a place.
type placing struct {
	vm    topology.Node
	need  need
	near  []topology.Node // hosts that are looked at
	hosts []Choice        // those of them that it may go to, as far as that was asked
	asked int             // how often it was asked for
	best  *Plan           // of all that were asked the one in whose way least stands
	least int             // what this VM and those behind it cost at least
}

// placement is a sequence of moves, and the VMs for which there was none.
type placement struct {
	after *Planner // the snapshot in which all moves are made
	moves []*Plan
	stuck []*placing
	cost  int
}

// What makes a placement worse than another: first VMs without a place, then moves of which something is not known.
const (
	costStuck   = 1000
	costUnknown = 1
)

func costOf(v Verdict) int {
	switch v { //nolint:exhaustive // the others cost nothing
	case Block:
		return costStuck
	case Unknown:
		return costUnknown
	}
	return 0
}

// look finds the hosts that each VM may go to.
func (d *drain) look(p *Planner) error {
	total := 0
	for _, v := range d.vms {
		v.near, _ = p.near(v.vm, d.Hosts, maxHosts)
		total += len(v.near)
	}
	d.all = total <= maxMoves
	for _, v := range d.vms {
		for _, h := range v.near {
			c := Choice{Host: h.Key()}
			if d.all {
				plan, err := d.ask(p, v, h.Key())
				if err != nil {
					return err
				}
				if c.Plan, c.Verdict = plan, plan.Verdict; c.Verdict == Block {
					continue
				}
			}
			v.hosts = append(v.hosts, c)
		}
	}
	slices.SortStableFunc(d.vms, func(a, b *placing) int {
		return cmp.Or(len(a.hosts)-len(b.hosts), cmp.Compare(b.need.memory, a.need.memory), a.need.vm.Compare(b.need.vm))
	})
	least := 0
	for _, v := range slices.Backward(d.vms) {
		best := Block
		for _, c := range v.hosts {
			best = min(best, c.Verdict)
		}
		least += costOf(best)
		v.least = least
	}
	return nil
}

func (d *drain) ask(p *Planner, v *placing, host topology.Key) (*Plan, error) {
	d.Asked++
	v.asked++
	plan, err := p.Migrate(d.ctx, v.vm.Key(), host)
	if err == nil && (v.best == nil || plan.less(v.best)) {
		v.best = plan
	}
	return plan, err
}

// less tells that less stands in the way of a move than of another one.
func (p *Plan) less(o *Plan) bool {
	return p.Verdict < o.Verdict || p.Verdict == o.Verdict && len(p.Worst()) < len(o.Worst())
}

// place finds places for the VMs from i on, where some moves are made. It goes back and tries other places until none can be better, all is tried, or it has asked
// too often; the first way down is the greedy one.
func (d *drain) place(i int, at placement) error {
	if i == len(d.vms) {
		if d.found == nil || at.cost < d.found.cost {
			at.moves, at.stuck = slices.Clone(at.moves), slices.Clone(at.stuck)
			d.found = &at
		}
		return nil
	}
	worse, err := d.placeWell(i, at)
	if err != nil {
		return err
	}
	for _, plan := range worse {
		if d.enough(i, at) {
			break
		}
		if err := d.next(i, at, plan); err != nil {
			return err
		}
	}
	if d.enough(i, at) {
		return nil
	}
	return d.place(i+1, placement{at.after, at.moves, append(at.stuck, d.vms[i]), at.cost + costStuck})
}

// placeWell makes each move of VM i that passes, and finds places for those behind it. It gives the moves that warn or are unknown, the better ones first: they are
// for when none that passes is good enough.
func (d *drain) placeWell(i int, at placement) ([]*Plan, error) {
	var worse []*Plan
	v := d.vms[i]
	for _, h := range d.inOrder(at, v) {
		if d.enough(i, at) || !d.all && (len(worse) == maxWorse || v.asked == maxTried) {
			break
		}
		plan, err := d.ask(at.after, v, h)
		if err == nil && plan.Verdict == Pass {
			err = d.next(i, at, plan)
		} else if err == nil && plan.Verdict < Block {
			worse = append(worse, plan)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(worse, func(a, b *Plan) int { return cmp.Compare(a.Verdict, b.Verdict) })
	return worse, nil
}

// next makes a move of VM i, and finds places for those behind it.
func (d *drain) next(i int, at placement, plan *Plan) error {
	then, err := at.after.Assume(plan.Move)
	if err != nil {
		return err
	}
	return d.place(i+1, placement{then, append(at.moves, plan), at.stuck, at.cost + costOf(plan.Verdict)})
}

// enough tells that nothing better than what was found can come of VM i and those behind it, or that no more is asked.
func (d *drain) enough(i int, at placement) bool {
	switch {
	case d.found == nil:
		return false
	case !d.all:
		return true
	case d.Asked > 2*maxMoves:
		d.Cut = fmt.Sprintf("after %d questions no other places were tried", d.Asked)
		return true
	}
	return at.cost+d.vms[i].least >= d.found.cost
}

// inOrder gives the hosts that a VM may go to: of those that have room for it now the better verdict first, then the ones with most left.
func (d *drain) inOrder(at placement, v *placing) []topology.Key {
	choices := slices.Clone(v.hosts)
	for i, c := range choices {
		h, _ := d.p.s.Node(c.Host)
		room := d.p.roomOf(h)
		for _, m := range at.moves {
			if m.Host == c.Host {
				vm, _ := d.p.s.Node(m.VM)
				room = room.with(d.p.needOf(vm))
			}
		}
		choices[i].Room = room.with(v.need)
	}
	slices.SortStableFunc(choices, func(a, b Choice) int {
		return cmp.Or(cmp.Compare(a.Verdict, b.Verdict), b.Room.Share()-a.Room.Share(), a.Host.Compare(b.Host))
	})
	hosts := make([]topology.Key, len(choices))
	for i, c := range choices {
		hosts[i] = c.Host
	}
	return hosts
}

// again asks for the VMs without a place once more, now that others have moved, until none moves any more.
func (d *drain) again() (*Planner, error) {
	p, f := d.found.after, d.found
	for moved := len(f.moves) > 0; moved; {
		moved = false
		for i, v := range f.stuck {
			plan, err := d.retry(p, v)
			if err != nil {
				return nil, err
			}
			if plan == nil {
				continue
			}
			if p, err = p.Assume(plan.Move); err != nil {
				return nil, err
			}
			f.moves, f.stuck = append(f.moves, plan), slices.Delete(f.stuck, i, i+1)
			moved = true
			break
		}
	}
	return p, nil
}

// retry finds a place for a VM that had none; where there are very many, one of the first ones.
func (d *drain) retry(p *Planner, v *placing) (*Plan, error) {
	hosts := v.near
	if !d.all {
		hosts = hosts[:min(len(hosts), maxWorse)]
	}
	v.best = nil
	for _, h := range hosts {
		if _, err := d.ask(p, v, h.Key()); err != nil {
			return nil, err
		}
	}
	if v.best == nil || v.best.Verdict == Block {
		return nil, nil
	}
	return v.best, nil
}

// conclude says who is stuck, what is left to spare, and what all of it comes to.
func (d *drain) conclude(p *Planner) {
	d.Moves = d.found.moves
	for _, m := range d.Moves {
		d.Verdict = Worst(d.Verdict, m.Verdict)
	}
	if len(d.Doubts) > 0 {
		d.Verdict = Worst(d.Verdict, Unknown)
	}
	for _, v := range d.found.stuck {
		s := Stuck{VM: v.vm.Key(), Plan: v.best, Verdict: Block} // of the last time that it was asked for
		d.Stuck = append(d.Stuck, s)
		d.Verdict = Worst(d.Verdict, s.Verdict)
	}
	if len(d.Stuck) == 0 {
		d.Cut = ""
	} else if !d.all {
		d.Cut = fmt.Sprintf("for no VM more than %d hosts were asked", maxTried)
	}
	d.Spares = p.spares(d.pool(p))
	for _, s := range d.Spares {
		d.Verdict = Worst(d.Verdict, s.Verdict)
	}
}

// pool is the hosts that any of the VMs may go to.
func (d *drain) pool(p *Planner) []topology.Node {
	seen := map[topology.Key]bool{}
	var all []topology.Node
	for _, v := range d.vms {
		for _, c := range v.hosts {
			if h, ok := p.s.Node(c.Host); ok && !seen[c.Host] {
				seen[c.Host] = true
				all = append(all, h)
			}
		}
	}
	slices.SortFunc(all, func(a, b topology.Node) int { return a.Key().Compare(b.Key()) })
	return all
}

// spares tells of each host of a pool whether the others have room for its VMs, if it fails. That they find their networks and disks there is not asked.
func (p *Planner) spares(pool []topology.Node) []Spare {
	rooms := make([]Room, len(pool))
	for i, h := range pool {
		rooms[i] = p.room(h)
	}
	all := make([]Spare, len(pool))
	for i, h := range pool {
		others := slices.Delete(slices.Clone(rooms), i, i+1)
		all[i] = Spare{Host: h.Key()}
		all[i].Verdict, all[i].Text = fit(p.needs(h), others)
	}
	return all
}

// fit tells whether hosts have room for some VMs: the largest first, each where most is left. Where that finds none, sums may prove that there is none.
func fit(vms []need, rooms []Room) (Verdict, string) {
	var memory, cpus, freeMemory, freeCPUs int64
	for _, r := range rooms {
		if r.Doubt != "" {
			return Unknown, r.Doubt
		}
		freeMemory += max(0, r.Memory-r.MemoryUsed)
		freeCPUs += max(0, r.CPUs-r.CPUsUsed)
	}
	slices.SortStableFunc(vms, func(a, b need) int { return cmp.Compare(b.memory, a.memory) })
	placed := 0
	for _, v := range vms {
		if v.doubt != "" {
			return Unknown, v.doubt
		}
		memory += v.memory
		cpus += v.cpus
		best := -1
		for i, r := range rooms {
			if r.fits(v) && (best < 0 || r.Memory-r.MemoryUsed > rooms[best].Memory-rooms[best].MemoryUsed) {
				best = i
			}
		}
		if best >= 0 {
			rooms[best] = rooms[best].with(v)
			placed++
		}
	}
	text := fmt.Sprintf("its VMs need %s and %d processors; the others have %s and %d left", gibibytes(memory), cpus, gibibytes(freeMemory), freeCPUs)
	switch {
	case placed == len(vms):
		return Pass, text
	case memory > freeMemory || cpus > freeCPUs || len(vms) == 1:
		return Warn, text
	}
	return Unknown, fmt.Sprintf("%s: for %d of them no room was found, which does not prove that there is none", text, len(vms)-placed)
}
