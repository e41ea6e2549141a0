package reconcile

import (
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// A host or VM that opens a disk of an iSCSI target by itself is known to see "unit 1 of this target" there, and no more: whoever reads it did not ask the disk
// for its designator. The array knows which unit that is. It is believed of the very target ports that the initiator's side names, since an iSCSI name is only
// as unique as whoever made it up took care for it to be: two arrays may claim one.

// touchUnits notes which units by number may be others now.
func (g *graph) touchUnits(f topology.Fact) {
	switch {
	case f.Rel == topology.Exports && named(f.Object):
		g.dirty.subjects.add(g.ref(f.Object))
	case f.Rel == topology.MapsTarget && atPortal(f.Object), f.Rel == topology.Contains && atPortal(f.Object):
		g.dirty.portals.add(g.ref(f.Object))
	case f.Rel == topology.MapsUnit:
		g.dirty.mappings.add(g.ref(f.Subject))
		if named(f.Object) {
			g.dirty.subjects.add(g.ref(f.Object))
		}
	case f.Rel == topology.Contains && f.Object.Kind == topology.Mapping:
		g.dirty.mappings.add(g.ref(f.Object))
	}
}

// named reports whether a unit may be one that is known by its number: a designator has no slash.
func named(unit topology.Key) bool {
	return unit.Kind == topology.LogicalUnit && strings.IndexByte(unit.ID, '/') >= 0
}

// atPortal reports whether a key is that of an iSCSI target port, "IQN,ADDRESS:PORT": a WWPN has no comma.
func atPortal(port topology.Key) bool {
	return port.Kind == topology.TargetPort && strings.IndexByte(port.ID, ',') >= 0
}

// units finds the units by number that the mappings and target ports which changed may speak of.
func (g *graph) units() {
	for x := range g.dirty.mappings {
		for t := range g.node(x).Objects(topology.MapsTarget) {
			if atPortal(t.Key()) {
				g.dirty.portals.add(g.ref(t.Key()))
			}
		}
	}
	for x := range g.dirty.portals {
		for u := range g.node(x).Objects(topology.Exports) {
			if named(u.Key()) {
				g.dirty.subjects.add(g.ref(u.Key()))
			}
		}
	}
}

// identifiedUnit states which unit one is that is known by its number at a target: the one of the mappings of that number at each of the target ports where the
// initiator's side sees it. All of them have to be of one device, and to mean one unit.
func (g *graph) identifiedUnit(n topology.Node, state conclusion) {
	target, lun, ok := n.Key().TargetUnit()
	if !ok || len(n.In(topology.MapsUnit)) > 0 { // the array's own word
		return
	}
	var owner, unit topology.Key
	var evidence []ref
	for port := range n.Subjects(topology.Exports) {
		owners := g.containers(port)
		if len(owners) != 1 || !strings.HasPrefix(port.Key().ID, string(target)+",") {
			return
		}
		device := g.key(owners[0])
		said := mapped(port, device, lun)
		if len(said) == 0 || !owner.IsZero() && device != owner {
			return
		}
		owner = device
		for _, e := range said {
			if !unit.IsZero() && e.To.Key() != unit {
				return
			}
			unit = e.To.Key()
			evidence = append(evidence, g.readings.ref(e.Reading.ReadingKey))
		}
	}
	slices.Sort(evidence)
	for _, reading := range slices.Compact(evidence) {
		state(topology.Relate(n.Key(), topology.IdentifiedAs, unit), topology.ConfidenceByMatch, reading)
	}
}

// mapped gives what the mappings of a device say of the unit that has a number at a target port.
func mapped(port topology.Node, device topology.Key, lun topology.LUN) []topology.Edge {
	var said []topology.Edge
	for m := range port.Subjects(topology.MapsTarget) {
		number, ok := m.Int(topology.AttrLUN)
		mine := false
		for d := range m.Subjects(topology.Contains) {
			mine = mine || d.Key() == device
		}
		if ok && mine && topology.LUN(number) == lun {
			said = append(said, m.Out(topology.MapsUnit)...)
		}
	}
	return said
}
