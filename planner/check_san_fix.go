package planner

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// mendZone adds the initiator to a zone in force that has the target port, and an initiator by which the VM is served now if there is one. Each switch of the fabric
// has a copy of the zone, and may have the zone as it is configured: activation writes all of them.
func (f *finder) mendZone(fault wayFault) {
	fabrics := f.network().Fabrics(fault.path.Target)
	best := f.zoneFor(fabrics, fault)
	if best.IsZero() {
		return
	}
	var changes []topology.Change
	for _, fabric := range append(fabrics, f.network().Fabrics(fault.path.Initiator)...) {
		for _, zone := range f.copies(fabric, best) {
			c := f.member(zone, fault.path.Initiator)
			if !slices.ContainsFunc(changes, func(o topology.Change) bool { return o.Subject == c.Subject }) {
				changes = append(changes, c)
			}
		}
	}
	f.mend(fmt.Sprintf("add %s to zone %s in %s", fault.path.Initiator.Name(), best.Name(), fault.path.Medium), changes...)
}

// zoneFor is the zone in force to which an initiator is to be added: one that has the target, and who is served there now if there is one.
func (f *finder) zoneFor(fabrics []topology.Node, fault wayFault) (best topology.Node) {
	for _, fabric := range fabrics {
		for _, zone := range f.network().Zoning(fabric).Zones {
			peers := slices.ContainsFunc(zone.Members, func(m reach.ZoneMember) bool { return m.Role == "principal" || m.Role == "peer" })
			if peers || !holds(zone, fault.path.Target) {
				continue
			}
			if slices.ContainsFunc(fault.was, func(p reach.StoragePath) bool { return holds(zone, p.Initiator) }) {
				return zone.Node
			}
			if best.IsZero() {
				best = zone.Node
			}
		}
	}
	return best
}

func holds(zone reach.Zone, port topology.Node) bool {
	return slices.ContainsFunc(zone.Members, func(m reach.ZoneMember) bool { return m.Port.String() == port.Key().ID })
}

// copies gives what a switch has of a zone: in force, and as it is configured.
func (f *finder) copies(fabric, zone topology.Node) []topology.Node {
	var all []topology.Node
	for _, z := range f.network().Zoning(fabric).Zones {
		if z.Node.Name() == zone.Name() {
			all = append(all, z.Node)
		}
	}
	for _, n := range all {
		if full, ok := f.s.Node(topology.Key{Kind: topology.FCZone, ID: strings.Replace(n.Key().ID, "/active/", "/full/", 1)}); ok && full != n {
			all = append(all, full)
		}
	}
	return all
}

// member adds a port to a zone as the switch would have it: with a role where others have one, and the mark of its login where it marks these.
func (f *finder) member(zone, initiator topology.Node) topology.Change {
	text := "pwwn " + initiator.Key().ID
	before := zone.Values(topology.AttrZoneMember)
	var roles, logins bool
	for _, v := range before {
		words := strings.Fields(v.String())
		roles = roles || slices.Contains(words, "init") || slices.Contains(words, "target")
		logins = logins || slices.Contains(words, "logged-in")
	}
	if roles {
		text += " init"
	}
	if logins {
		text += strings.TrimRight(" logged-in "+f.address(initiator), " ")
	}
	after := append(slices.Clone(before), topology.TextValue(text))
	slices.SortFunc(after, topology.Value.Compare)
	return topology.Change{Subject: zone.Key(), Attr: topology.AttrZoneMember, Before: before, After: after}
}

// address is the address of a port in its fabric.
func (f *finder) address(port topology.Node) string {
	if id := port.Text(topology.AttrNPortID); id != "" {
		return id
	}
	n, _ := f.s.Node(topology.Key{Kind: topology.FCPort, ID: port.Key().ID})
	if n.IsZero() {
		return ""
	}
	return n.Text(topology.AttrNPortID)
}

// mendMapping adds the initiator, or where units are masked by address its host's address, to the mapping by which the VM sees the unit now; where none admits it, it
// makes one.
func (f *finder) mendMapping(u *unitWays, fault wayFault) {
	array, ok := fault.path.Target.Owner()
	if !ok || array.Kind() != topology.Array {
		return
	}
	text := fmt.Sprintf("map unit %s to initiator %s of %s at %s", u.unit.Name(), fault.path.Initiator.Name(), f.target.Name(), array.Name())
	for _, e := range u.unit.In(topology.MapsUnit) {
		m := e.From
		if !admitsAny(m, fault.was) {
			continue
		}
		var changes []topology.Change
		for _, other := range guardedWith(m, fault.path.Target) {
			changes = append(changes, topology.Change{Subject: other.Key(), Rel: topology.MapsInitiator, Object: fault.path.Initiator.Key(), Add: true})
		}
		f.mend(text+shownBesides(changes), changes...)
		return
	}
	if f.mendMask(u, fault, array) {
		return
	}
	k := topology.PartKey(topology.Mapping, array.Key(), u.unit.Key().ID+" "+fault.path.Initiator.Key().ID)
	if _, there := f.s.Node(k); there {
		return
	}
	changes := []topology.Change{
		{Subject: array.Key(), Rel: topology.Contains, Object: k, Add: true},
		{Subject: k, Rel: topology.MapsUnit, Object: u.unit.Key(), Add: true},
		{Subject: k, Rel: topology.MapsInitiator, Object: fault.path.Initiator.Key(), Add: true},
	}
	for _, t := range fault.targets {
		changes = append(changes, topology.Change{Subject: k, Rel: topology.MapsTarget, Object: t.Key(), Add: true})
	}
	f.mend(text, changes...)
}

// mendMask admits the addresses by which the initiator gets to a portal, where the array masks the unit by address there. An operator enters them at the target of the
// array, for all of its units.
func (f *finder) mendMask(u *unitWays, fault wayFault, array topology.Node) bool {
	at, ok := topology.PortalOf(fault.path.Target)
	if !ok {
		return false
	}
	for m := range u.unit.Subjects(topology.MapsUnit) {
		if len(m.Values(topology.AttrInitiatorAddress)) == 0 || !slices.Contains(peersOut(m, topology.MapsTarget), fault.path.Target.Key()) {
			continue
		}
		var admitted []topology.Value
		var named []string
		for _, a := range topology.LoginAddresses(fault.path.Initiator, at.Addr()) {
			admitted = append(admitted, topology.PrefixValue(netip.PrefixFrom(a, a.BitLen())))
			named = append(named, a.String())
		}
		var changes []topology.Change
		for _, other := range guardedWith(m, fault.path.Target) {
			changes = append(changes, withValues(other, topology.AttrInitiatorAddress, admitted))
		}
		if len(named) == 0 || len(changes) == 0 {
			return false
		}
		iqn, _, _ := strings.Cut(fault.path.Target.Key().ID, ",")
		f.mend(fmt.Sprintf("admit %s of %s to target %s of %s%s", strings.Join(named, ", "), f.target.Name(), iqn, array.Name(), shownBesides(changes)), changes...)
		return true
	}
	return false
}

// shownBesides tells that an act shows more units than the one that it is for.
func shownBesides(changes []topology.Change) string {
	if len(changes) < 2 {
		return ""
	}
	return fmt.Sprintf(", which shows it all %d units of the target", len(changes))
}

func peersOut(n topology.Node, rel topology.Rel) []topology.Key {
	var keys []topology.Key
	for o := range n.Objects(rel) {
		keys = append(keys, o.Key())
	}
	return keys
}

// withValues adds values to an attribute that has several.
func withValues(n topology.Node, a topology.Attr, more []topology.Value) topology.Change {
	before := believed(n, a)
	after := slices.Clone(before)
	for _, v := range more {
		if !slices.Contains(after, v) {
			after = append(after, v)
		}
	}
	slices.SortFunc(after, topology.Value.Compare)
	return topology.Change{Subject: n.Key(), Attr: a, Before: before, After: after}
}

// mendWire tags the VLAN of the target's interface in a portal's subnet on the ports behind its cables that lack it.
func (f *finder) mendWire(fault wayFault) {
	at, ok := topology.PortalOf(fault.path.Target)
	if !ok {
		return
	}
	for face := range f.target.Objects(topology.Contains) {
		vid, tagged := face.Int(topology.AttrVID)
		inside := slices.ContainsFunc(face.Values(topology.AttrAddress), func(v topology.Value) bool { return v.Prefix().Contains(at.Addr()) })
		if !face.Kind().Interface() || !inside || !tagged {
			continue
		}
		for _, port := range cabledTo(face) {
			holder, known := topology.VLANHolder(port)
			if known && !topology.Carries(holder, topology.VID(vid)) {
				f.mend(fmt.Sprintf("tag VLAN %d on %s", vid, placeOf(holder)), withVLAN(holder, topology.AttrTagged, topology.VID(vid)))
			}
		}
	}
}

// cabledTo gives the ports at the far ends of the cables below an interface.
func cabledTo(n topology.Node) (far []topology.Node) {
	const most = 8 // layers
	for layer, below := 0, []topology.Node{n}; layer < most && len(below) > 0; layer++ {
		var next []topology.Node
		for _, b := range below {
			far = append(far, b.Peers(topology.Link)...)
			next = slices.AppendSeq(next, b.Objects(topology.SupportedBy))
		}
		below = next
	}
	return far
}

// admitsAny tells that a mapping admits, by name, one of the initiators by which the VM is served.
func admitsAny(mapping topology.Node, was []reach.StoragePath) bool {
	for i := range mapping.Objects(topology.MapsInitiator) {
		if slices.ContainsFunc(was, func(p reach.StoragePath) bool { return p.Initiator.Key() == i.Key() }) {
			return true
		}
	}
	return false
}

// guardedWith gives the mappings that admit whoever this one does. An iSCSI target of Linux (tgt) has one list of initiators for all of its units, of which the mappings
// are called IQN/NUMBER.
func guardedWith(mapping, target topology.Node) []topology.Node {
	iqn, _, _ := strings.Cut(target.Key().ID, ",")
	if !strings.Contains(mapping.Key().ID, "/"+iqn+"/") {
		return []topology.Node{mapping}
	}
	var all []topology.Node
	for m := range target.Subjects(topology.MapsTarget) {
		if strings.Contains(m.Key().ID, "/"+iqn+"/") {
			all = append(all, m)
		}
	}
	return all
}
