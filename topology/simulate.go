package topology

import (
	"fmt"
	"strings"
)

// MoveVM gives the change-set of a VM's move to another host as the hypervisors would make it: it runs there, and each vNIC plugs into
// what has the same kind and name. What has no counterpart on the host is told in words; those vNICs are unplugged in the change-set.
func (s *Snapshot) MoveVM(vm, host Key) (ChangeSet, []string, error) {
	v, ok := s.Node(vm)
	h, also := s.Node(host)
	if !ok || !also || v.Kind() != VM || h.Kind() != Host {
		return ChangeSet{}, nil, fmt.Errorf("%w: move of %s to %s: want a VM and a host of the snapshot", ErrSchema, vm, host)
	}
	cs := ChangeSet{Revision: s.rev}
	cause := "move of " + v.Name() + " to " + h.Name()
	swap := func(subject Node, rel Rel, from, to Node) {
		if from == to {
			return
		}
		if !from.IsZero() {
			cs.Changes = append(cs.Changes, Change{Subject: subject.Key(), Rel: rel, Object: from.Key(), Cause: cause})
		}
		if !to.IsZero() {
			cs.Changes = append(cs.Changes, Change{Subject: subject.Key(), Rel: rel, Object: to.Key(), Add: true, Cause: cause})
		}
	}
	source, _ := v.First(RunsOn)
	swap(v, RunsOn, source, h)
	var missing []string
	for _, e := range v.Out(Contains) {
		from, ok := e.To.First(AttachedTo)
		if e.To.Kind() != VNIC || !ok {
			continue
		}
		to, found := counterpart(from, h)
		if !found {
			missing = append(missing, fmt.Sprintf("%s has no %s %s for %s", h.Name(), from.Kind(), from.Name(), e.To.Name()))
		}
		swap(e.To, AttachedTo, from, to)
	}
	return cs, missing, nil
}

// counterpart finds on a host what has the same kind and the same name inside its host as n has inside its own.
func counterpart(n, host Node) (Node, bool) {
	_, name, ok := strings.Cut(n.Key().ID, "/")
	if !ok {
		return Node{}, false
	}
	return host.s.Node(Key{n.Kind(), host.Key().ID + "/" + name})
}
