package topology

import (
	"fmt"
	"slices"
	"strings"
)

// MoveVM gives the change-set of a VM's move to another host as the hypervisors would make it: it runs there, and each vNIC plugs into
// what has the same kind and name, each disk into the same storage. What has no counterpart on the host is told in words; those vNICs are unplugged in the change-set.
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
	for _, e := range v.Out(Contains) {
		if e.To.Kind() == VDisk {
			missing = append(missing, s.moveDisk(e.To, h, swap)...)
		}
	}
	return cs, missing, nil
}

// moveDisk plugs a disk into the target's own name of the same storage. What only another host has is told, and stays: the path says why it is no way.
func (s *Snapshot) moveDisk(disk, host Node, swap func(subject Node, rel Rel, from, to Node)) []string {
	var missing []string
	for _, e := range disk.Out(StoredOn) {
		owner, path, ok := strings.Cut(e.To.Key().ID, "/")
		if _, local := s.Node(Key{Host, owner}); !ok || !local || e.To.Kind() != Volume || owner == host.Key().ID {
			continue // a logical unit, or storage of the network: it goes by one name everywhere
		}
		if there, found := s.Node(Key{Volume, host.Key().ID + "/" + path}); found && sameStorage(e.To, there) {
			swap(disk, StoredOn, e.To, there)
			continue
		}
		missing = append(missing, fmt.Sprintf("%s has no %s %s for %s", host.Name(), e.To.Kind(), e.To.Name(), disk.Name()))
	}
	return missing
}

// sameStorage reports whether two hosts' volumes of one path are one thing: they lie on the same unit, or in pools of the same server's directory.
func sameStorage(a, b Node) bool {
	for _, x := range a.Out(StoredOn) {
		for _, y := range b.Out(StoredOn) {
			if x.To == y.To && x.To.Kind() == LogicalUnit {
				return true
			}
		}
	}
	for _, p := range a.In(Contains) {
		for _, q := range b.In(Contains) {
			served := p.From.Values(AttrSourceHost)
			if len(served) > 0 && slices.Equal(served, q.From.Values(AttrSourceHost)) && p.From.Text(AttrSourceDir) == q.From.Text(AttrSourceDir) {
				return true
			}
		}
	}
	return false
}

// counterpart finds on a host what has the same kind and the same name inside its host as n has inside its own.
func counterpart(n, host Node) (Node, bool) {
	_, name, ok := strings.Cut(n.Key().ID, "/")
	if !ok {
		return Node{}, false
	}
	return host.s.Node(Key{n.Kind(), host.Key().ID + "/" + name})
}
