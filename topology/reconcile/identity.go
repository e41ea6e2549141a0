package reconcile

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// identities says which key each thing has in the graph: for the inventory's handles, for interfaces that sources see as different kinds, and
// for logical units that go by several names.
type identities struct {
	device  map[string]topology.Key       // handle to device
	renamed map[topology.Key]topology.Key // keys of the graph as it was that are another's now
	moved   map[string]string             // likewise IDs of devices: their parts go with them
	kind    map[string]topology.Kind      // interface ID to the most specific kind
	unit    map[topology.Key]topology.Key // logical unit by another name to its designator's key
	named   map[topology.Key]topology.Key // inverse of unit, for this sweep's statements
}

// identifiers are the attributes that tell which device this is, the surest first. A serial number comes late: stacks and clones share some.
var identifiers = []topology.Attr{ //nolint:gochecknoglobals // read-only table
	topology.AttrUUID, topology.AttrChassisID, topology.AttrBridgeMAC, topology.AttrSerial, topology.AttrEngineID,
}

// kindOrder lists device kinds, the most telling first: a hypervisor that also answers SNMP as a bridge is a host.
var kindOrder = []topology.Kind{ //nolint:gochecknoglobals // read-only table
	topology.Host, topology.Array, topology.FCSwitch, topology.Firewall, topology.Router, topology.Switch, topology.Server, topology.BMC,
}

// profile is what is known of one device's identity.
type profile struct {
	was     topology.Key // in the graph as it was; zero for what a handle of this sweep says
	id      string       // of its key in the graph as it will be
	kind    topology.Kind
	ids     map[topology.Attr][]string // sorted; several where sources disagree
	handles map[string]time.Time       // and when it last went by each
	macs    map[topology.MAC]bool
}

func newProfile() *profile {
	return &profile{ids: map[topology.Attr][]string{}, handles: map[string]time.Time{}, macs: map[topology.MAC]bool{}}
}

func (p *profile) learn(a topology.Attr, v topology.Value) {
	if !slices.Contains(identifiers, a) {
		return
	}
	if id, ok := telling(a, v); ok {
		if i, found := slices.BinarySearch(p.ids[a], id); !found {
			p.ids[a] = slices.Insert(p.ids[a], i, id)
		}
	}
}

// telling gives the canonical text of an identifier, and leaves out what identifies nothing: placeholders of makers who never filled the
// number in, local chassis names, addresses of nobody.
func telling(a topology.Attr, v topology.Value) (id string, ok bool) {
	text := v.String()
	switch a {
	case topology.AttrBridgeMAC:
		return text, v.MAC().Usable()
	case topology.AttrChassisID:
		value, isMAC := strings.CutPrefix(text, "mac/")
		m, err := topology.ParseMAC(value)
		return "mac/" + m.String(), isMAC && err == nil && m.Usable()
	case topology.AttrSerial:
		return text, len(text) >= 5 && strings.Trim(text, "0") != "" && !strings.HasPrefix("1234567890", text) && !strings.HasPrefix("0123456789", text)
	case topology.AttrUUID:
		id, err := topology.ParseUUID(text)
		return id, err == nil && strings.Trim(id, "0-") != "" && strings.Trim(id, "f-") != "" && id != "03000200-0400-0500-0006-000700080009"
	}
	return text, strings.Trim(text, "0-") != ""
}

// compare tells whether two profiles are one device by the surest identifier that both have: 1 yes, -1 no, 0 neither has one in common.
func (p *profile) compare(q *profile) int {
	for _, a := range identifiers {
		if len(p.ids[a]) > 0 && len(q.ids[a]) > 0 {
			if slices.ContainsFunc(p.ids[a], func(id string) bool { return slices.Contains(q.ids[a], id) }) {
				return 1
			}
			return -1
		}
	}
	return 0
}

// alone reports that the device is known by its handle alone, and named after it (newID).
func (p *profile) alone() bool {
	if len(p.ids) > 0 {
		return false
	}
	for handle := range p.handles {
		if rest, ok := strings.CutPrefix(p.id, topology.EscapeID(handle)); ok && strings.Trim(rest, "~") == "" {
			return true
		}
	}
	return false
}

// identified reports that the profile has the identifier by which a device is named.
func (p *profile) identified(id string) bool {
	for a, values := range p.ids {
		for _, v := range values {
			if identifierID(a, v) == id {
				return true
			}
		}
	}
	return false
}

// disjoint reports that both have interfaces and share no address: then one identifier in common is a clone's.
func (p *profile) disjoint(q *profile) bool {
	if len(p.macs) == 0 || len(q.macs) == 0 {
		return false
	}
	for m := range p.macs {
		if q.macs[m] {
			return false
		}
	}
	return true
}

func identify(prev *topology.Snapshot, obs []topology.Observation) identities {
	ids := identities{
		device: map[string]topology.Key{}, renamed: map[topology.Key]topology.Key{}, moved: map[string]string{}, kind: map[string]topology.Kind{},
		unit: map[topology.Key]topology.Key{}, named: map[topology.Key]topology.Key{},
	}
	known := knownDevices(prev)
	seen := seenDevices(obs)
	ids.devices(known, seen)
	ids.interfaces(prev, obs)
	ids.units(prev, obs)
	return ids
}

// knownDevices profiles the devices of the graph as it was.
func knownDevices(prev *topology.Snapshot) []*profile {
	var known []*profile
	for n := range prev.Nodes(kindOrder...) {
		p := newProfile()
		p.was, p.id, p.kind = n.Key(), n.Key().ID, n.Kind()
		for f := range n.Facts() {
			if f.Rel != 0 {
				continue
			}
			p.learn(f.Attr, f.Value)
			if f.Attr == topology.AttrHandle {
				if r, _ := prev.Reading(f.Reading); !r.Time.Before(p.handles[f.Value.String()]) {
					p.handles[f.Value.String()] = r.Time
				}
			}
		}
		for _, e := range n.Out(topology.Contains) {
			if v, ok := e.To.Value(topology.AttrMAC); ok && e.To.Kind().Interface() && v.MAC().Usable() {
				p.macs[v.MAC()] = true
			}
		}
		known = append(known, p)
	}
	return known
}

// seenDevices profiles the handles that the observations speak of.
func seenDevices(obs []topology.Observation) map[string]*profile {
	seen := map[string]*profile{}
	note := func(k topology.Key) (*profile, string) {
		handle, rest, ok := k.Local()
		if !ok {
			return nil, ""
		}
		p := seen[handle]
		if p == nil {
			p = newProfile()
			p.handles[handle] = time.Time{}
			seen[handle] = p
		}
		if rest == "" && k.Kind.Device() && (p.kind == 0 || slices.Index(kindOrder, k.Kind) < slices.Index(kindOrder, p.kind)) {
			p.kind = k.Kind
		}
		return p, rest
	}
	for _, o := range obs {
		for _, f := range o.Facts {
			p, rest := note(f.Subject)
			if f.Rel != 0 {
				note(f.Object)
				continue
			}
			switch {
			case p == nil:
			case rest == "" && f.Subject.Kind.Device():
				p.learn(f.Attr, f.Value)
			case f.Attr == topology.AttrMAC && f.Subject.Kind.Interface() && f.Value.MAC().Usable():
				p.macs[f.Value.MAC()] = true
			}
		}
	}
	return seen
}

// devices gives every handle its device: one that is known by identifier, else by handle unless an identifier speaks against it, else a new one.
// Handles of this sweep know each other by identifier, too. A device that was known by its handle alone goes by its identity once it tells it.
func (ids *identities) devices(known []*profile, seen map[string]*profile) {
	taken := map[string][]*profile{} // device ID to the profiles of this sweep that are it
	used := map[string]bool{}
	register := newRegister(known)
	for _, k := range known {
		used[k.id] = true
	}
	for _, handle := range slices.Sorted(maps.Keys(seen)) {
		p := seen[handle]
		old := register.match(p, handle)
		if old == nil || cloned(taken[old.id], p) || old.alone() && len(p.ids) > 0 {
			p.id = newID(p, handle, used, taken)
		} else {
			p.id = old.id
		}
		taken[p.id] = append(taken[p.id], p)
		used[p.id] = true
		register.add(p)
	}
	ids.follow(known, seen)
	ids.kinds(known, seen, taken)
}

// follow moves the devices that were known by a handle alone to where that handle has gone.
func (ids *identities) follow(known []*profile, seen map[string]*profile) {
	for _, k := range known {
		for _, handle := range slices.Sorted(maps.Keys(k.handles)) {
			if p := seen[handle]; p != nil && k.alone() && len(p.ids) > 0 && p.id != k.id {
				ids.moved[k.id] = p.id
				k.id = p.id
				break
			}
		}
	}
}

// kinds settles of what kind each device is: of all that sources believe, the most telling.
func (ids *identities) kinds(known []*profile, seen map[string]*profile, taken map[string][]*profile) {
	kind := map[string]topology.Kind{}
	note := func(p *profile) {
		if old, ok := kind[p.id]; p.kind != 0 && (!ok || slices.Index(kindOrder, p.kind) < slices.Index(kindOrder, old)) {
			kind[p.id] = p.kind
		}
	}
	for _, k := range known {
		if len(taken[k.id]) > 0 {
			note(k)
		}
	}
	for _, p := range seen {
		note(p)
	}
	for handle, p := range seen {
		// One without a kind is only named by others' words, such as a link in the inventory.
		ids.device[handle] = topology.Key{Kind: cmp.Or(kind[p.id], topology.Switch), ID: p.id}
	}
	for _, k := range known {
		if now := (topology.Key{Kind: cmp.Or(kind[k.id], k.kind), ID: k.id}); now != k.was {
			ids.renamed[k.was] = now
		}
	}
}

// register finds devices by identifier, and known ones by handle.
type register struct {
	byID     map[topology.Attr]map[string][]*profile
	byHandle map[string][]*profile
}

func newRegister(known []*profile) register {
	r := register{map[topology.Attr]map[string][]*profile{}, map[string][]*profile{}}
	for _, a := range identifiers {
		r.byID[a] = map[string][]*profile{}
	}
	for _, k := range known {
		r.add(k)
		for h := range k.handles {
			r.byHandle[h] = append(r.byHandle[h], k)
		}
	}
	return r
}

func (r register) add(p *profile) {
	for a, values := range p.ids {
		for _, v := range values {
			r.byID[a][v] = append(r.byID[a][v], p)
		}
	}
}

// match finds the known device that a handle speaks of, or nil.
func (r register) match(p *profile, handle string) *profile {
	for _, a := range identifiers {
		for _, v := range p.ids[a] {
			for _, k := range r.byID[a][v] {
				if k.compare(p) == 1 && !k.disjoint(p) {
					return k
				}
			}
		}
	}
	var named *profile // of several that go by the handle, as when a box was replaced, the last that did
	for _, k := range r.byHandle[handle] {
		switch k.compare(p) {
		case 1:
			return k // its interfaces were all replaced, but name and identifier agree
		case 0:
			fits := len(k.ids) > 0 || len(p.ids) == 0 || k.alone() || p.identified(k.id)
			if fits && (named == nil || cmp.Or(named.handles[handle].Compare(k.handles[handle]), cmp.Compare(k.id, named.id)) < 0) {
				named = k
			}
		}
	}
	return named
}

func cloned(same []*profile, p *profile) bool {
	return slices.ContainsFunc(same, p.disjoint)
}

// newID names a device seen for the first time by its surest identifier that is not taken by another, else by its handle.
func newID(p *profile, handle string, used map[string]bool, taken map[string][]*profile) string {
	for _, a := range identifiers {
		for _, v := range p.ids[a] {
			id := identifierID(a, v)
			if !used[id] || len(taken[id]) > 0 && !cloned(taken[id], p) {
				return id
			}
		}
	}
	id := topology.EscapeID(handle)
	for used[id] {
		id += "~"
	}
	return id
}

func identifierID(a topology.Attr, value string) string {
	switch a {
	case topology.AttrUUID, topology.AttrBridgeMAC:
		return value
	case topology.AttrChassisID:
		return strings.TrimPrefix(value, "mac/")
	}
	return a.String() + "=" + topology.EscapeID(value)
}

// interfaces finds for each interface the most specific kind that anybody knows: LAG, then NIC, then Port.
func (ids *identities) interfaces(prev *topology.Snapshot, obs []topology.Observation) {
	note := func(k topology.Key) {
		if k.Kind.Interface() {
			id := ids.replaceHandle(k).ID
			ids.kind[id] = max(ids.kind[id], k.Kind) // Port < NIC < LAG in the order of kinds
		}
	}
	for _, o := range obs {
		for _, f := range o.Facts {
			note(f.Subject)
			note(f.Object)
		}
	}
	if len(ids.moved) > 0 {
		for n := range prev.Nodes(topology.Port, topology.NIC, topology.LAG) {
			if id := ids.movedID(n.Key().ID); id != n.Key().ID {
				ids.kind[id] = max(ids.kind[id], n.Kind())
			}
		}
	}
	for id := range ids.kind {
		ids.oneKind(prev, id)
	}
}

// oneKind renames what an interface was before to the most specific kind that it is now or was then.
func (ids *identities) oneKind(prev *topology.Snapshot, id string) {
	var was []topology.Key
	for _, kind := range []topology.Kind{topology.LAG, topology.NIC, topology.Port} {
		if n, found := prev.Node(topology.Key{Kind: kind, ID: id}); found {
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
func (ids identities) renames() bool { return len(ids.renamed)+len(ids.moved) > 0 }

// movedID gives the ID that a part of a device has after the device moved.
func (ids identities) movedID(id string) string {
	if owner, rest, ok := strings.Cut(id, "/"); ok {
		if to, ok := ids.moved[owner]; ok {
			return to + "/" + rest
		}
	}
	return id
}

// units joins logical units that have one designator under the designator's key. What goes by a designator already is not renamed, whatever
// other designator it claims.
func (ids *identities) units(prev *topology.Snapshot, obs []topology.Observation) {
	for n := range prev.Nodes(topology.LogicalUnit) {
		for _, v := range n.Values(topology.AttrAlias) {
			if isDesignator(n.Key().ID) && !isDesignator(v.String()) {
				ids.unit[topology.Key{Kind: topology.LogicalUnit, ID: v.String()}] = n.Key()
			}
		}
	}
	for _, o := range obs {
		for _, f := range o.Facts {
			if f.Attr == topology.AttrDesignator && f.Subject.Kind == topology.LogicalUnit && isDesignator(f.Value.String()) {
				ids.designate(prev, ids.replaceHandle(f.Subject), topology.Key{Kind: topology.LogicalUnit, ID: f.Value.String()})
			}
		}
	}
}

// designate notes that a unit known by another name has a designator.
func (ids *identities) designate(prev *topology.Snapshot, from, to topology.Key) {
	if isDesignator(from.ID) {
		return
	}
	if old, ok := ids.named[from]; ok && old.Compare(to) < 0 {
		return // two designators at once: the lesser, whichever comes first
	}
	ids.unit[from], ids.named[from] = to, to
	if _, ok := prev.Node(from); ok {
		ids.renamed[from] = to
	}
}

func isDesignator(id string) bool {
	canonical, err := topology.ParseDesignator(id)
	return err == nil && canonical == id
}

// aliases states under which other names the observation knows logical units.
func (ids identities) aliases(o topology.Observation) []topology.Fact {
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

func (ids identities) replaceHandle(k topology.Key) topology.Key {
	handle, rest, ok := k.Local()
	if !ok {
		return k
	}
	device := ids.device[handle]
	if rest == "" && k.Kind.Device() {
		return device
	}
	return topology.Key{Kind: k.Kind, ID: device.ID + "/" + rest}
}

// global gives the key in the graph of a key as a collector wrote it.
func (ids identities) global(k topology.Key) topology.Key {
	k = ids.replaceHandle(k)
	if kind, ok := ids.kind[k.ID]; ok && k.Kind.Interface() {
		k.Kind = kind
	}
	if to, ok := ids.unit[k]; ok {
		return to
	}
	return k
}

// current gives the key that a key of the graph as it was has now.
func (ids identities) current(k topology.Key) topology.Key {
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
