package planner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// Planner answers for one snapshot under one policy. It is for one goroutine.
type Planner struct {
	s      *topology.Snapshot
	policy Policy
	now    time.Time
	checks []Check
	net    *reach.Network          // of s, once somebody asks
	placed map[int][]topology.Node // of s, the VMs of placements, once somebody asks
	cpus   processors
	unmet  *[]stranger                     // of s, what the policy names and is not there, once somebody asks
	rails  map[topology.Node]topology.Rail // of vNICs of s, of the last that were asked for
	rooms  map[topology.Key]Room           // of hosts of s, once somebody asks

	selected map[string][]topology.Node // of s, the machines that selectors of flows name
}

// New looks at a snapshot as it is at the time now.
func New(s *topology.Snapshot, policy Policy, now time.Time) *Planner {
	return &Planner{s: s, policy: policy, now: now, checks: Checks()}
}

// network is what the snapshot says of who forwards what. It is made once: the next question finds it warm.
func (p *Planner) network() *reach.Network {
	if p.net == nil {
		p.net = reach.NewNetwork(p.s, p.policy.Ages, p.now)
	}
	return p.net
}

// Assume gives a planner for the snapshot in which changes are made. It is ErrConflict where the snapshot is not as they expect.
func (p *Planner) Assume(changes topology.ChangeSet) (*Planner, error) {
	s, err := p.s.With(changes)
	if err != nil {
		return nil, err
	}
	q := &Planner{s: s, policy: p.policy, now: p.now, checks: p.checks, unmet: p.unmet}
	if p.net != nil { // what the changes do not touch is known
		q.net = p.net.After(s, changes)
	}
	return q, nil
}

// Plan is the answer to whether a VM may move to a host.
type Plan struct {
	VM, Host topology.Key
	Revision topology.Revision // of the snapshot that was asked
	Time     time.Time         // of the question
	Verdict  Verdict           // the worst of all findings
	Findings []Finding         // in the order of the checks
	Skipped  []Skipped         // what was not looked at
	Move     topology.ChangeSet
}

// Skipped is a check that was not made, and why.
type Skipped struct{ Code, Asks, Why string }

// move is one question: a VM, where it is and where it would be.
type move struct {
	*Planner
	vm, source, target topology.Node // as they are
	after              topology.Node // the VM as it would be, in the snapshot after the move
	missing            []string      // what the target lacks, in words (topology.MoveVM)

	flowing *flowChange // what becomes of its flows, once somebody asks
	units   []*unitWays // the ways to its logical units, once somebody asks
	wires   []*lane     // of its vNICs, once somebody asks

	unlooked map[topology.Key]string // why nobody knows what is not said of interfaces, of those that somebody asked for

	then *reach.Network  // after the move, once somebody asks
	ways *ways           // once somebody asks
	plan *Plan           // as far as it is made
	ctx  context.Context //nolint:containedctx // a move is one question: it lives as long as its context
}

// moved is what forwards what after the move.
func (m *move) moved() *reach.Network {
	if m.then == nil {
		m.then = m.network().After(m.after.Snapshot(), m.plan.Move)
		for _, l := range m.lanes() {
			m.network().Knows(l.vnic, l.now.Paths)
			m.then.Knows(l.then, l.next.Paths)
		}
	}
	return m.then
}

// ways are the rails of a VM before and after its move.
type ways struct{ before, after []topology.Rail }

// rails gives the rails of the VM, as they are and as they would be. They are looked for once.
func (m *move) rails() *ways {
	if m.ways == nil {
		m.ways = &ways{}
		for _, l := range m.lanes() {
			m.ways.before, m.ways.after = append(m.ways.before, l.now), append(m.ways.after, l.next)
		}
		for part := range m.vm.Objects(topology.Contains) {
			if part.Kind() == topology.VDisk || part.Kind() == topology.InitiatorPort {
				then, _ := part.On(m.after.Snapshot())
				m.ways.before, m.ways.after = append(m.ways.before, part.Rails()...), append(m.ways.after, then.Rails()...)
			}
		}
	}
	return m.ways
}

// Migrate asks whether a VM may move to a host. The error says that there is no such VM or host, or that nobody waits any longer.
func (p *Planner) Migrate(ctx context.Context, vm, host topology.Key) (*Plan, error) {
	return p.migrate(ctx, vm, host, p.checks)
}

// migrate is Migrate with some of the checks.
func (p *Planner) migrate(ctx context.Context, vm, host topology.Key, checks []Check) (*Plan, error) {
	m := &move{Planner: p, ctx: ctx}
	var ok bool
	if m.vm, ok = p.s.Node(vm); !ok || vm.Kind != topology.VM {
		return nil, fmt.Errorf("%w: there is no VM %s", topology.ErrSchema, vm)
	}
	if m.target, ok = p.s.Node(host); !ok || host.Kind != topology.Host {
		return nil, fmt.Errorf("%w: there is no host %s", topology.ErrSchema, host)
	}
	m.source, _ = m.vm.First(topology.RunsOn)
	plan := &Plan{VM: vm, Host: host, Revision: p.s.Revision(), Time: p.now}
	m.plan = plan
	var err error
	if plan.Move, m.missing, err = p.s.MoveVM(vm, host); err != nil {
		return nil, err
	}
	then, err := p.s.With(plan.Move)
	if err != nil {
		return nil, err
	}
	m.after, _ = then.Node(vm)
	for i := range checks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		plan.ask(m, &checks[i])
	}
	return plan, nil
}

// ask makes one check, or says why not.
func (p *Plan) ask(m *move, c *Check) {
	why, off := m.policy.WhyDisabled(c.Code)
	switch {
	case off:
		why = "disabled by the policy: " + why
	case c.When != Before:
		why = c.When.String() + ": " + c.Why
	}
	if off || c.When != Before {
		p.Skipped = append(p.Skipped, Skipped{c.Code, c.Asks, why})
		return
	}
	f := &finder{move: m, check: c}
	c.run(f)
	if len(f.found) == 0 { // a check that says nothing has not looked
		f.unknown("this check came to no result")
	}
	for i := range f.found {
		if o := m.policy.override(m, c.Code); o != nil && f.found[i].Verdict > Warn {
			f.found[i].Override, f.found[i].Verdict = o, Warn
		}
		p.Verdict = Worst(p.Verdict, f.found[i].Verdict)
	}
	p.Findings = append(p.Findings, f.found...)
}

// Worst gives the findings of the worst verdict, which decide.
func (p *Plan) Worst() []Finding {
	return slices.DeleteFunc(slices.Clone(p.Findings), func(f Finding) bool { return f.Verdict != p.Verdict })
}
