package reconcile

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// identities says which key each thing has in the graph: for the inventory's handles, for interfaces that sources see as different kinds, and
// for logical units that go by several names.
type identities struct {
	prev    *topology.Snapshot
	known   *directory
	device  map[string]topology.Key       // handle to device
	renamed map[topology.Key]topology.Key // keys of the graph as it was that are another's now
	moved   map[string]string             // likewise IDs of devices: their parts go with them
	kind    map[string]topology.Kind      // interface ID to the most specific kind
	named   map[topology.Key]topology.Key // logical unit by another name to its designator's key, as this sweep says
	local   map[topology.Key]topology.Key // keys as collectors wrote them, to those with the device's ID
	keys    map[topology.Key]topology.Key // and to those in the graph
	last    [2]topology.Key               // of these, the last: the facts of one thing come together
}

func identify(prev *topology.Snapshot, known *directory, obs []topology.Observation) *identities {
	keys := 0 // about as many are spoken of
	for _, o := range obs {
		keys += len(o.Facts) / 8
	}
	ids := &identities{
		prev: prev, known: known, device: map[string]topology.Key{}, renamed: map[topology.Key]topology.Key{}, moved: map[string]string{},
		kind: map[string]topology.Kind{}, named: map[topology.Key]topology.Key{}, local: make(map[topology.Key]topology.Key, keys),
		keys: make(map[topology.Key]topology.Key, keys),
	}
	ids.devices(seenDevices(obs))
	ids.parts(obs)
	return ids
}

// seenDevices profiles the handles that the observations speak of.
func seenDevices(obs []topology.Observation) map[string]*profile {
	r := roll{map[string]*profile{}, map[string]*profile{}}
	for _, o := range obs {
		var last topology.Key
		var p *profile
		var rest string
		for _, f := range o.Facts {
			if f.Subject != last {
				last = f.Subject
				p, rest = r.note(f.Subject)
			}
			switch {
			case f.Rel != 0:
				r.note(f.Object)
			case p == nil:
			case rest == "" && f.Subject.Kind.Device():
				p.learn(f.Attr, f.Value)
			case f.Attr == topology.AttrMAC && f.Subject.Kind.Interface() && f.Value.MAC().Usable():
				p.macs[f.Value.MAC()] = true
			}
		}
	}
	return r.byHandle
}

// roll profiles handles as keys speak of them.
type roll struct {
	byHandle map[string]*profile
	byID     map[string]*profile // by handle as it is written in keys
}

// note finds the profile of whom a local key speaks; rest is empty for the device itself.
func (r roll) note(k topology.Key) (p *profile, rest string) {
	if !strings.HasPrefix(k.ID, "@") {
		return nil, ""
	}
	id, rest, _ := strings.Cut(k.ID, "/")
	if p = r.byID[id]; p == nil {
		handle, _, _ := k.Local()
		if p = r.byHandle[handle]; p == nil {
			p = newProfile()
			p.handles[handle], p.macs = nil, map[topology.MAC]bool{}
			r.byHandle[handle] = p
		}
		r.byID[id] = p
	}
	if rest == "" && k.Kind.Device() && (p.kind == 0 || slices.Index(kindOrder, k.Kind) < slices.Index(kindOrder, p.kind)) {
		p.kind = k.Kind
	}
	return p, rest
}

// devices gives every handle its device: one that is known by identifier, else by handle unless an identifier speaks against it, else a new one.
// Handles of this sweep know each other by identifier, too. A device that was known by its handle alone goes by its identity once it tells it.
func (ids *identities) devices(seen map[string]*profile) {
	taken := map[string][]*profile{} // device ID to the profiles of this sweep that are it
	fresh := map[identifier][]*profile{}
	for _, handle := range slices.Sorted(maps.Keys(seen)) {
		p := seen[handle]
		old := ids.match(p, handle, fresh)
		if old == nil || ids.cloned(taken[old.id], p) || old.alone() && !p.anonymous() {
			p.id = ids.newID(p, handle, taken)
		} else {
			p.id = old.id
		}
		taken[p.id] = append(taken[p.id], p)
		for w := range p.words() {
			fresh[w] = append(fresh[w], p)
		}
	}
	ids.kinds(seen, taken, ids.follow(seen))
}

// match finds the known device that a handle speaks of, or nil.
func (ids *identities) match(p *profile, handle string, fresh map[identifier][]*profile) *profile {
	for w := range p.words() {
		for _, k := range slices.Concat(inOrder(ids.known.byWord[w]), fresh[w]) {
			if k.compare(p) == 1 && !k.disjoint(ids.prev, p) {
				return k
			}
		}
	}
	var named *profile // of several that go by the handle, as when a box was replaced, the last that did
	for _, k := range inOrder(ids.known.byHandle[handle]) {
		switch k.compare(p) {
		case 1:
			return k // its interfaces were all replaced, but name and identifier agree
		case 0:
			fits := !k.anonymous() || p.anonymous() || k.alone() || p.identified(k.id)
			if fits && (named == nil || cmp.Or(named.lastSeen(ids.prev, handle).Compare(k.lastSeen(ids.prev, handle)), cmp.Compare(k.id, named.id)) < 0) {
				named = k
			}
		}
	}
	return named
}

func (ids *identities) cloned(same []*profile, p *profile) bool {
	return slices.ContainsFunc(same, func(q *profile) bool { return p.disjoint(ids.prev, q) })
}

// newID names a device seen for the first time by its surest identifier that is not taken by another, else by its handle.
func (ids *identities) newID(p *profile, handle string, taken map[string][]*profile) string {
	used := func(id string) bool { return len(ids.known.byID[id]) > 0 || len(taken[id]) > 0 }
	for w := range p.words() {
		if id := w.id(); !used(id) || len(taken[id]) > 0 && !ids.cloned(taken[id], p) {
			return id
		}
	}
	id := topology.EscapeID(handle)
	for used(id) {
		id += "~"
	}
	return id
}

// follow moves the devices that were known by a handle alone to where that handle has gone, and gives the new IDs.
func (ids *identities) follow(seen map[string]*profile) map[*profile]string {
	var alone []*profile
	for handle := range seen {
		for _, k := range ids.known.byHandle[handle] {
			if k.alone() && !slices.Contains(alone, k) {
				alone = append(alone, k)
			}
		}
	}
	gone := map[*profile]string{}
	for _, k := range inOrder(alone) {
		for _, handle := range k.sortedHandles() {
			if p := seen[handle]; p != nil && !p.anonymous() && p.id != k.id {
				ids.moved[k.id], gone[k] = p.id, p.id
				break
			}
		}
	}
	return gone
}

// kinds settles of what kind each device is: of all that sources believe, the most telling.
func (ids *identities) kinds(seen map[string]*profile, taken map[string][]*profile, gone map[*profile]string) {
	now := gone // the known devices that have an ID of this sweep
	for id := range taken {
		for _, k := range ids.known.byID[id] {
			if _, left := gone[k]; !left {
				now[k] = id
			}
		}
	}
	kind := map[string]topology.Kind{}
	note := func(k topology.Kind, id string) {
		if old, ok := kind[id]; k != 0 && (!ok || slices.Index(kindOrder, k) < slices.Index(kindOrder, old)) {
			kind[id] = k
		}
	}
	for k, id := range now {
		note(k.kind, id)
	}
	for _, p := range seen {
		note(p.kind, p.id)
	}
	for handle, p := range seen {
		// One without a kind is only named by others' words, such as a link in the inventory.
		ids.device[handle] = topology.Key{Kind: cmp.Or(kind[p.id], topology.Switch), ID: p.id}
	}
	for k, id := range now {
		if is := (topology.Key{Kind: kind[id], ID: id}); is != k.was {
			ids.renamed[k.was] = is
		}
	}
}

// parts finds for each interface the most specific kind that anybody knows, LAG, then NIC, then Port, and joins logical units that have one designator
// under the designator's key.
func (ids *identities) parts(obs []topology.Observation) {
	note := func(k topology.Key) {
		if k.Kind.Interface() {
			id := ids.replaceHandle(k).ID
			ids.kind[id] = max(ids.kind[id], k.Kind) // Port < NIC < LAG in the order of kinds
		}
	}
	for _, o := range obs {
		var last topology.Key
		for _, f := range o.Facts {
			if f.Subject != last {
				last = f.Subject
				note(f.Subject)
			}
			if f.Rel != 0 {
				note(f.Object)
			}
			if f.Attr == topology.AttrDesignator && f.Subject.Kind == topology.LogicalUnit && isDesignator(f.Value.String()) {
				ids.designate(ids.replaceHandle(f.Subject), topology.Key{Kind: topology.LogicalUnit, ID: f.Value.String()})
			}
		}
	}
	for from := range ids.moved {
		for n := range ids.prev.Under(from+"/", topology.Port, topology.NIC, topology.LAG) {
			id := ids.movedID(n.Key().ID)
			ids.kind[id] = max(ids.kind[id], n.Kind())
		}
	}
	for id := range ids.kind {
		ids.oneKind(id)
	}
}

// oneKind renames what an interface was before to the most specific kind that it is now or was then.
func (ids *identities) oneKind(id string) {
	var was []topology.Key
	for _, kind := range []topology.Kind{topology.LAG, topology.NIC, topology.Port} {
		if n, found := ids.prev.Node(topology.Key{Kind: kind, ID: id}); found {
			was = append(was, n.Key())
			ids.kind[id] = max(ids.kind[id], kind)
		}
	}
	for _, k := range was {
		if k.Kind != ids.kind[id] {
			ids.renamed[k] = topology.Key{Kind: ids.kind[id], ID: id}
		}
	}
}

// renames reports whether anything in the graph as it was goes by another key now.
func (ids *identities) renames() bool { return len(ids.renamed)+len(ids.moved) > 0 }

// movedID gives the ID that a part of a device has after the device moved.
func (ids *identities) movedID(id string) string {
	if owner, rest, ok := strings.Cut(id, "/"); ok {
		if to, ok := ids.moved[owner]; ok {
			return to + "/" + rest
		}
	}
	return id
}

// designate notes that a unit known by another name has a designator. What goes by a designator already is not renamed, whatever other designator it
// claims.
func (ids *identities) designate(from, to topology.Key) {
	if isDesignator(from.ID) {
		return
	}
	if old, ok := ids.named[from]; ok && old.Compare(to) < 0 {
		return // two designators at once: the lesser, whichever comes first
	}
	ids.named[from] = to
	if _, ok := ids.prev.Node(from); ok {
		ids.renamed[from] = to
	}
}

func isDesignator(id string) bool {
	canonical, err := topology.ParseDesignator(id)
	return err == nil && canonical == id
}

// designated gives the unit that goes by another name, as this sweep or the graph as it was says.
func (ids *identities) designated(k topology.Key) (topology.Key, bool) {
	if to, ok := ids.named[k]; ok {
		return to, true
	}
	to := ids.aliased(k.ID)
	for was, is := range ids.moved { // the graph as it was knows it by the device's name of then
		if rest, ok := strings.CutPrefix(k.ID, is+"/"); ok {
			if unit := ids.aliased(was + "/" + rest); to.Compare(unit) < 0 {
				to = unit
			}
		}
	}
	return to, !to.IsZero()
}

// aliased gives the unit that the graph as it was knows by another name, too; the zero key if there is none.
func (ids *identities) aliased(name string) topology.Key {
	var to topology.Key
	for _, x := range ids.known.aliases.under[name] {
		if unit := ids.known.units.of(x); to.Compare(unit) < 0 {
			to = unit
		}
	}
	return to
}

// aliases states under which other names the observation knows logical units.
func (ids *identities) aliases(o topology.Observation) []topology.Fact {
	var fs []topology.Fact
	for _, f := range o.Facts {
		if f.Attr != topology.AttrDesignator {
			continue
		}
		from := ids.replaceHandle(f.Subject)
		if to, ok := ids.named[from]; ok {
			fs = append(fs, topology.Attribute(to, topology.AttrAlias, topology.TextValue(from.ID)))
		}
	}
	return fs
}

// replaceHandle puts the device into the place of its handle.
func (ids *identities) replaceHandle(k topology.Key) topology.Key {
	if !strings.HasPrefix(k.ID, "@") {
		return k
	}
	g, known := ids.local[k]
	if !known {
		handle, rest, _ := k.Local()
		g = ids.device[handle]
		if rest != "" || !k.Kind.Device() {
			g = topology.Key{Kind: k.Kind, ID: g.ID + "/" + rest}
		}
		ids.local[k] = g
	}
	return g
}

// global gives the key in the graph of a key as a collector wrote it.
func (ids *identities) global(k topology.Key) topology.Key {
	if k == ids.last[0] {
		return ids.last[1]
	}
	if k.Kind != topology.LogicalUnit && !k.Kind.Interface() && !strings.HasPrefix(k.ID, "@") {
		return k
	}
	g, known := ids.keys[k]
	if !known {
		g = ids.replaceHandle(k)
		if kind, ok := ids.kind[g.ID]; ok && g.Kind.Interface() {
			g.Kind = kind
		}
		if g.Kind == topology.LogicalUnit {
			if to, ok := ids.designated(g); ok {
				g = to
			}
		}
		ids.keys[k] = g
	}
	ids.last = [2]topology.Key{k, g}
	return g
}

// current gives the key that a key of the graph as it was has now.
func (ids *identities) current(k topology.Key) topology.Key {
	if to, ok := ids.renamed[k]; ok {
		return to
	}
	if namedByDevice(k.Kind) {
		k.ID = ids.movedID(k.ID)
		if kind, ok := ids.kind[k.ID]; ok && k.Kind.Interface() {
			k.Kind = kind
		}
	}
	return k
}

// namedByDevice tells the kinds whose IDs begin with that of the device that they are part of.
func namedByDevice(k topology.Kind) bool {
	switch k {
	case topology.VM, topology.VNIC, topology.VDisk, topology.Rack, topology.Subnet:
		return false
	}
	return !k.Device()
}
