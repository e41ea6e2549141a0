package reach

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// Sharers gives the answers for all that may see a logical unit: hosts, VMs under names of their own, and initiator ports of which nobody knows whose they are. Who
// does not see it for certain is left out, and so is who has no port of the kind at which the unit is shown.
func (n *Network) Sharers(ctx context.Context, unit topology.Node) ([]StorageAnswer, error) {
	var all []StorageAnswer
	targets, _ := n.exporters(identified(unit))
	for node := range n.Nodes(topology.Host, topology.VM, topology.InitiatorPort) {
		_, owned := node.Owner()
		if port := node.Kind() == topology.InitiatorPort; port && owned || !port && len(portsOf(node)) == 0 {
			continue
		}
		a, err := n.shares(ctx, node, unit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", node.Name(), err)
		}
		if a.Verdict != No && (len(a.Paths) > 0 || len(targets) == 0) {
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b StorageAnswer) int { return strings.Compare(a.From.Name(), b.From.Name()) })
	return all, nil
}

// shares is Storage, but of a VM by its own ports alone: what its host sees is not its to share.
func (n *Network) shares(ctx context.Context, who, unit topology.Node) (StorageAnswer, error) {
	ask := asking(who, identified(unit))
	if who.Kind() == topology.VM {
		ask.initiators, ask.gap = portsOf(who), ""
	}
	return n.storage(ctx, who, unit, ask)
}

// StorageChange is what became of the paths to a unit between two networks: two moments, or a VM at one place and at another.
type StorageChange struct {
	Before, After StorageAnswer
	Lost          []StoragePath   // of Before: that may have been there, and are not for certain
	Opened        []StoragePath   // of After: that may be there, and were not for certain
	Sharing       []StorageAnswer // of others who may see the unit now, and did not: whoever writes to it from there destroys it
}

// CompareStorage compares the paths of a VM or host to a unit. A path is the same if it leads to the same target port, which is in one fabric or subnet: by another
// initiator port, after a move, it is no other one. What is not known before and after, for the same reason, is no change.
func CompareStorage(ctx context.Context, before, after *Network, from, unit topology.Key) (StorageChange, error) {
	var c StorageChange
	ask := func(n *Network) (StorageAnswer, error) {
		f, there := n.Node(from)
		u, known := n.Node(unit)
		if !there || !known {
			return StorageAnswer{Verdict: NotKnown, Why: "one of the two is not there"}, nil
		}
		return n.Storage(ctx, f, u)
	}
	var err error
	if c.Before, err = ask(before); err != nil {
		return c, err
	}
	if c.After, err = ask(after); err != nil {
		return c, err
	}
	c.Lost, c.Opened = missing(c.Before.Paths, c.After.Paths), missing(c.After.Paths, c.Before.Paths)
	c.Sharing, err = newcomers(ctx, before, after, c.After.From, unit)
	return c, err
}

// best gives by the target port the best of several paths.
func best(paths []StoragePath) map[topology.Key]StoragePath {
	by := map[topology.Key]StoragePath{}
	for _, p := range paths {
		if old, ok := by[p.Target.Key()]; !ok || both(old.Verdict, p.Verdict) != p.Verdict {
			by[p.Target.Key()] = p
		}
	}
	return by
}

// missing lists of one set of paths those that may be there, and for certain are not in another.
func missing(from, to []StoragePath) []StoragePath {
	had, have := best(from), best(to)
	var all []StoragePath
	for _, p := range from {
		other, ok := have[p.Target.Key()]
		switch {
		case p.Verdict == No || had[p.Target.Key()].Initiator != p.Initiator:
		case !ok:
			all = append(all, p)
		case other.Verdict == Yes, other.Verdict == NotKnown && p.Verdict == NotKnown && other.Why() == p.Why():
		default:
			all = append(all, p)
		}
	}
	return all
}

// newcomers lists who else may see a unit after a change, and did not for certain before.
func newcomers(ctx context.Context, before, after *Network, who topology.Node, unit topology.Key) ([]StorageAnswer, error) {
	u, ok := after.Node(unit)
	if !ok {
		return nil, nil
	}
	see, err := after.Sharers(ctx, u)
	if err != nil {
		return nil, err
	}
	host, _ := who.First(topology.RunsOn)
	var all []StorageAnswer
	for _, a := range see {
		if a.From == who || a.From == host || len(a.Paths) == 0 {
			continue
		}
		was := StorageAnswer{Verdict: No}
		from, there := before.Node(a.From.Key())
		if v, known := before.Node(unit); there && known {
			if was, err = before.shares(ctx, from, v); err != nil {
				return nil, err
			}
		}
		if was.Verdict != Yes && (was.Verdict != a.Verdict || whyOf(was) != whyOf(a)) {
			all = append(all, a)
		}
	}
	return all, nil
}

// whyOf words what is not known of an answer.
func whyOf(a StorageAnswer) string {
	words := []string{a.Why}
	for _, p := range a.Paths {
		words = append(words, p.Target.Key().ID, string(p.Verdict), p.Why())
	}
	return strings.Join(words, "\x00")
}
