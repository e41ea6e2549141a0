package planner

import (
	"cmp"
	"context"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// Cell is the answer for one VM and one host.
type Cell struct {
	VM, Host topology.Key
	Verdict  Verdict
	Codes    []string // of the findings of that verdict, each once; of a pass none
	Changes  int      // how many acts make it pass, 0 if it does, or warns; -1: none do, it is unknown, or it was not looked for
}

// Matrix is the answers for all of some VMs and some hosts.
type Matrix struct {
	VMs, Hosts []topology.Key
	Cells      []Cell    // those of fewest changes first; the host that a VM runs on is left out
	Skipped    []Skipped // what was not looked at, in any of them
}

// MatrixOptions is what of a matrix is wanted.
type MatrixOptions struct {
	VMs, Hosts Selector
	Mend       bool                  // look for what would make blocked moves pass, too
	Progress   func(done, total int) // told now and then; may be nil
}

// Matrix asks of every VM whether it may move to every host. The error is that of the context.
func (p *Planner) Matrix(ctx context.Context, o MatrixOptions) (*Matrix, error) {
	m := &Matrix{}
	for n := range p.s.Nodes(topology.VM) {
		if o.VMs.Has(n) {
			m.VMs = append(m.VMs, n.Key())
		}
	}
	for n := range p.s.Nodes(topology.Host) {
		if o.Hosts.Has(n) {
			m.Hosts = append(m.Hosts, n.Key())
		}
	}
	m.Cells = make([]Cell, 0, len(m.VMs)*len(m.Hosts))
	for i, vm := range m.VMs {
		v, _ := p.s.Node(vm)
		source, _ := v.First(topology.RunsOn)
		for _, host := range m.Hosts {
			if source.Key() == host {
				continue
			}
			c, plan, err := p.cell(ctx, vm, host, o.Mend)
			if err != nil {
				return nil, err
			}
			m.Cells = append(m.Cells, c)
			m.skip(plan.Skipped)
		}
		if o.Progress != nil {
			o.Progress(i+1, len(m.VMs))
		}
	}
	slices.SortStableFunc(m.Cells, Cell.compare)
	return m, nil
}

// skip notes what was not looked at.
func (m *Matrix) skip(all []Skipped) {
	for _, s := range all {
		if !slices.ContainsFunc(m.Skipped, func(known Skipped) bool { return known.Code == s.Code }) {
			m.Skipped = append(m.Skipped, s)
		}
	}
}

func (c Cell) compare(d Cell) int {
	changes := func(c Cell) uint { return uint(c.Changes) } // what is not known comes last
	return cmp.Or(cmp.Compare(changes(c), changes(d)), cmp.Compare(c.Verdict, d.Verdict), c.VM.Compare(d.VM), c.Host.Compare(d.Host))
}

func (p *Planner) cell(ctx context.Context, vm, host topology.Key, mend bool) (Cell, *Plan, error) {
	plan, err := p.Migrate(ctx, vm, host)
	if err != nil {
		return Cell{}, nil, err
	}
	c := Cell{VM: vm, Host: host, Verdict: plan.Verdict}
	if c.Verdict > Pass {
		for _, f := range plan.Worst() {
			if !slices.Contains(c.Codes, f.Code) {
				c.Codes = append(c.Codes, f.Code)
			}
		}
	}
	if c.Verdict > Warn {
		c.Changes = -1
	}
	if c.Verdict == Block && mend {
		m, err := p.Mend(ctx, plan)
		if err != nil {
			return c, plan, err
		}
		c.Changes = m.changes()
	}
	return c, plan, nil
}
