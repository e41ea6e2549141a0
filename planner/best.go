package planner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// Choice is one host that a VM might move to.
type Choice struct {
	Host    topology.Key
	Verdict Verdict
	Plan    *Plan    // nil: it was not asked
	Why     string   // of one that was not asked, why not
	Mending *Mending // of one that is blocked: what would make it pass; nil: that was not looked for
	Changes int      // how many acts that takes, 0 where it passes or warns; -1: nothing helps, it is unknown, or it was not looked for
	Room    Room     // of the host, once the VM has come
}

// maxAsked is how many hosts are asked for one VM. Beyond it, those are that have what the VM plugs into, by the look of it.
const maxAsked = 512

// maxMended is for how many hosts, those with the fewest findings that block, it is looked for what would make the move pass.
const maxMended = 16

// Best asks all hosts but its own whether a VM may move there, and gives them in order: those of the better verdict first, of these the ones that take fewer changes, then those with more room left.
// Where there are very many hosts, those that lack what the VM plugs into are not asked: they come last, unknown.
func (p *Planner) Best(ctx context.Context, vm topology.Key) ([]Choice, error) {
	v, ok := p.s.Node(vm)
	if !ok || vm.Kind != topology.VM {
		return nil, fmt.Errorf("%w: there is no VM %s", topology.ErrSchema, vm)
	}
	var all []Choice
	hosts, rest := p.near(v, nil, maxAsked)
	for _, h := range hosts {
		c := Choice{Host: h.Key(), Room: p.roomOf(h).with(p.needOf(v))}
		var err error
		if c.Plan, err = p.Migrate(ctx, vm, h.Key()); err != nil {
			return nil, err
		}
		c.Verdict = c.Plan.Verdict
		all = append(all, c)
	}
	for _, h := range rest {
		all = append(all, Choice{Host: h.Key(), Verdict: Unknown, Why: "not asked: there are more than enough hosts that look nearer"})
	}
	if err := p.mend(ctx, all); err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, Choice.compare)
	return all, nil
}

// mend looks for what would make moves pass that are blocked.
func (p *Planner) mend(ctx context.Context, all []Choice) error {
	var blocked []*Choice
	for i := range all {
		c := &all[i]
		if c.Verdict > Warn {
			c.Changes = -1
		}
		if c.Plan != nil && c.Verdict == Block {
			blocked = append(blocked, c)
		}
	}
	slices.SortStableFunc(blocked, func(a, b *Choice) int { return len(a.Plan.Worst()) - len(b.Plan.Worst()) })
	for _, c := range blocked[:min(len(blocked), maxMended)] {
		var err error
		if c.Mending, err = p.Mend(ctx, c.Plan); err != nil {
			return err
		}
		c.Changes = c.Mending.changes()
	}
	return nil
}

// changes is how many acts make a move pass; -1 if none do.
func (m *Mending) changes() int {
	if len(m.Remedies) == 0 || len(m.Left) > 0 {
		return -1
	}
	return len(m.Remedies[0].Fixes)
}

func (c Choice) compare(d Choice) int {
	asked := func(c Choice) int {
		if c.Plan == nil {
			return 1
		}
		return 0
	}
	changes := func(c Choice) uint { return uint(c.Changes) } // what is not known comes last
	return cmp.Or(asked(c)-asked(d), cmp.Compare(c.Verdict, d.Verdict), cmp.Compare(changes(c), changes(d)), d.Room.Share()-c.Room.Share(), c.Host.Compare(d.Host))
}

// near lists the hosts other than a VM's own and those that are left out; if they are more than so many, first those that by the look of it have the storage and
// the networks that it plugs into, and the rest apart. It is an order of asking: what it says is no answer.
func (p *Planner) near(vm topology.Node, without []topology.Key, most int) (hosts, rest []topology.Node) {
	source, _ := vm.First(topology.RunsOn)
	var all []topology.Node
	for h := range p.s.Nodes(topology.Host) {
		if h != source && !slices.Contains(without, h.Key()) {
			all = append(all, h)
		}
	}
	if len(all) <= most {
		return all, nil
	}
	first := slices.IndexFunc(all, func(h topology.Node) bool { return !source.IsZero() && h.Key().Compare(source.Key()) > 0 })
	if first > 0 { // neighbours are named alike
		all = slices.Concat(all[first:], all[:first])
	}
	see := sighted(vm)
	taken := map[topology.Node]bool{}
	for _, h := range all {
		if len(hosts) == most {
			break
		}
		if see != nil && !see[h.Key()] {
			continue
		}
		if _, missing, err := p.s.MoveVM(vm.Key(), h.Key()); err == nil && len(missing) == 0 {
			hosts = append(hosts, h)
			taken[h] = true
		}
	}
	return hosts, slices.DeleteFunc(all, func(h topology.Node) bool { return taken[h] })
}

// sighted gives the hosts that arrays or the hosts themselves name with all units of a VM; nil if that says nothing of which they are.
func sighted(vm topology.Node) map[topology.Key]bool {
	var see map[topology.Key]bool
	for disk := range vm.Objects(topology.Contains) {
		if disk.Kind() != topology.VDisk {
			continue
		}
		for _, unit := range reach.Units(disk) {
			hosts := hostsOf(unit)
			switch {
			case len(hosts) == 0:
			case see == nil:
				see = hosts
			default:
				for h := range see {
					if !hosts[h] {
						delete(see, h)
					}
				}
			}
		}
	}
	return see
}

// hostsOf gives the hosts whose initiators an array names for a unit, and those that have volumes on it.
func hostsOf(unit topology.Node) map[topology.Key]bool {
	hosts := map[topology.Key]bool{}
	for m := range unit.Subjects(topology.MapsUnit) {
		for i := range m.Objects(topology.MapsInitiator) {
			if h, ok := i.Owner(); ok && h.Kind() == topology.Host {
				hosts[h.Key()] = true
			}
		}
	}
	for v := range unit.Subjects(topology.StoredOn) {
		owner, _, _ := strings.Cut(v.Key().ID, "/")
		if _, ok := unit.Snapshot().Node(topology.Key{Kind: topology.Host, ID: owner}); ok {
			hosts[topology.Key{Kind: topology.Host, ID: owner}] = true
		}
	}
	return hosts
}
