package reconcile

import (
	"maps"
	"slices"
	"strings"

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
	key     topology.Key // of the graph as it was; zero for a new one
	kind    topology.Kind
	ids     map[topology.Attr]string
	handles map[string]bool
	macs    map[topology.MAC]bool
}

func newProfile() *profile {
	return &profile{ids: map[topology.Attr]string{}, handles: map[string]bool{}, macs: map[topology.MAC]bool{}}
}

func (p *profile) learn(a topology.Attr, v topology.Value) {
	if !slices.Contains(identifiers, a) || p.ids[a] != "" || !telling(a, v) {
		return
	}
	p.ids[a] = v.String()
}

// telling leaves out what identifies nothing: placeholder serials, local chassis names, zero addresses.
func telling(a topology.Attr, v topology.Value) bool {
	text := v.String()
	switch a {
	case topology.AttrBridgeMAC:
		return v.MAC().Usable()
	case topology.AttrChassisID:
		subtype, value, _ := strings.Cut(text, "/")
		if subtype != "mac" {
			return false
		}
		m, err := topology.ParseMAC(value)
		return err == nil && m.Usable()
	case topology.AttrSerial:
		return len(text) >= 5 && strings.Trim(text, "0") != "" && !strings.HasPrefix("1234567890", text) && !strings.HasPrefix("0123456789", text)
	}
	return text != "" && strings.Trim(text, "0-") != ""
}

// compare tells whether two profiles are one device by the surest identifier that both have: 1 yes, -1 no, 0 neither has one in common.
func (p *profile) compare(q *profile) int {
	for _, a := range identifiers {
		if p.ids[a] != "" && q.ids[a] != "" {
			if p.ids[a] == q.ids[a] {
				return 1
			}
			return -1
		}
	}
	return 0
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
		p.key, p.kind = n.Key(), n.Kind()
		for f := range n.Facts() {
			if f.Rel == 0 {
				p.learn(f.Attr, f.Value)
			}
		}
		for _, v := range n.Values(topology.AttrHandle) {
			p.handles[v.String()] = true
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
			p.handles[handle] = true
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
			case rest == "":
				p.learn(f.Attr, f.Value)
			case f.Attr == topology.AttrMAC && f.Subject.Kind.Interface() && f.Value.MAC().Usable():
				p.macs[f.Value.MAC()] = true
			}
		}
	}
	return seen
}

// devices gives every handle its device: one that is known by identifier, else by handle unless an identifier speaks against it, else a new one.
func (ids *identities) devices(known []*profile, seen map[string]*profile) {
	taken := map[string][]*profile{} // device ID to the profiles of this sweep that are it
	used := map[string]bool{}
	register := newRegister(known)
	for _, k := range known {
		used[k.key.ID] = true
	}
	for _, handle := range slices.Sorted(maps.Keys(seen)) {
		p := seen[handle]
		old := register.match(p, handle)
		if old != nil && cloned(taken[old.key.ID], p) {
			old = nil
		}
		if old == nil {
			p.key = ids.newKey(p, handle, used, taken)
		} else {
			ids.recognise(p, old, func() topology.Key { return ids.newKey(p, handle, used, taken) })
		}
		taken[p.key.ID] = append(taken[p.key.ID], p)
		used[p.key.ID] = true
		ids.device[handle] = p.key
	}
	// Two handles of one device may believe in different kinds: the most telling counts for both.
	for handle, key := range ids.device {
		for _, p := range taken[key.ID] {
			if slices.Index(kindOrder, p.key.Kind) < slices.Index(kindOrder, key.Kind) {
				key.Kind = p.key.Kind
			}
		}
		ids.device[handle] = key
	}
}

// recognise gives a profile the key of the device that it is, and renames the device where it now says more of itself: who it is, where it was known
// by its handle alone, or that it is of a more telling kind.
func (ids *identities) recognise(p, old *profile, newKey func() topology.Key) {
	if p.kind == 0 || slices.Index(kindOrder, old.kind) < slices.Index(kindOrder, p.kind) {
		p.kind = old.kind
	}
	p.key = topology.Key{Kind: p.kind, ID: old.key.ID}
	if len(old.ids) == 0 && len(p.ids) > 0 {
		p.key = newKey()
		ids.moved[old.key.ID] = p.key.ID
		maps.Copy(old.ids, p.ids)
	}
	if p.key != old.key {
		ids.renamed[old.key] = p.key
	}
	old.kind = p.kind
}

// register finds known devices by identifier and by handle.
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
		for a, v := range k.ids {
			r.byID[a][v] = append(r.byID[a][v], k)
		}
		for h := range k.handles {
			r.byHandle[h] = append(r.byHandle[h], k)
		}
	}
	return r
}

// match finds the known device that a handle speaks of, or nil.
func (r register) match(p *profile, handle string) *profile {
	for _, a := range identifiers {
		for _, k := range r.byID[a][p.ids[a]] {
			if k.compare(p) == 1 && !k.disjoint(p) {
				return k
			}
		}
	}
	var named *profile
	for _, k := range r.byHandle[handle] {
		switch k.compare(p) {
		case 1:
			return k // its interfaces were all replaced, but name and identifier agree
		case 0:
			named = k
		}
	}
	return named
}

func cloned(same []*profile, p *profile) bool {
	return slices.ContainsFunc(same, p.disjoint)
}

// newKey names a device seen for the first time by its surest identifier that is not taken by another, else by its handle.
func (ids *identities) newKey(p *profile, handle string, used map[string]bool, taken map[string][]*profile) topology.Key {
	if p.kind == 0 {
		p.kind = topology.Switch // only named by others' words, such as a link in the inventory
	}
	for _, a := range identifiers {
		if p.ids[a] == "" {
			continue
		}
		id := identifierID(a, p.ids[a])
		if !used[id] || len(taken[id]) > 0 && !cloned(taken[id], p) {
			return topology.Key{Kind: p.kind, ID: id}
		}
	}
	id := topology.EscapeID(handle)
	for used[id] {
		id += "~"
	}
	return topology.Key{Kind: p.kind, ID: id}
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
		if !k.Kind.Interface() {
			return
		}
		id := ids.replaceHandle(k).ID
		best, ok := ids.kind[id]
		if !ok {
			for _, kind := range []topology.Kind{topology.LAG, topology.NIC, topology.Port} {
				if _, found := prev.Node(topology.Key{Kind: kind, ID: id}); found {
					best = kind
					break
				}
			}
		}
		was := best
		best = max(best, k.Kind) // Port < NIC < LAG in the order of kinds
		ids.kind[id] = best
		if was != 0 && was != best {
			if _, found := prev.Node(topology.Key{Kind: was, ID: id}); found {
				ids.renamed[topology.Key{Kind: was, ID: id}] = topology.Key{Kind: best, ID: id}
			}
		}
	}
	for _, o := range obs {
		for _, f := range o.Facts {
			note(f.Subject)
			note(f.Object)
		}
	}
}

// units joins logical units that have one designator under the designator's key.
func (ids *identities) units(prev *topology.Snapshot, obs []topology.Observation) {
	for n := range prev.Nodes(topology.LogicalUnit) {
		for _, v := range n.Values(topology.AttrAlias) {
			ids.unit[topology.Key{Kind: topology.LogicalUnit, ID: v.String()}] = n.Key()
		}
	}
	for _, o := range obs {
		for _, f := range o.Facts {
			if f.Attr != topology.AttrDesignator || f.Subject.Kind != topology.LogicalUnit || f.Rel != 0 {
				continue
			}
			to := topology.Key{Kind: topology.LogicalUnit, ID: f.Value.String()}
			if f.Subject != to {
				ids.unit[f.Subject] = to
				ids.named[f.Subject] = to
				if _, ok := prev.Node(f.Subject); ok {
					ids.renamed[f.Subject] = to
				}
			}
		}
	}
}

// aliases states under which other names the observation knows logical units.
func (ids identities) aliases(o topology.Observation) []topology.Fact {
	var fs []topology.Fact
	for _, f := range o.Facts {
		if to, ok := ids.named[f.Subject]; ok && f.Attr == topology.AttrDesignator {
			fs = append(fs, topology.Attribute(to, topology.AttrAlias, topology.TextValue(f.Subject.ID)))
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
	if owner, rest, ok := strings.Cut(k.ID, "/"); ok && partKind(k.Kind) {
		if id, ok := ids.moved[owner]; ok {
			k.ID = id + "/" + rest
			if kind, ok := ids.kind[k.ID]; ok && k.Kind.Interface() {
				k.Kind = kind
			}
		}
	}
	return k
}

// partKind tells the kinds whose IDs begin with that of the device that they are part of.
func partKind(k topology.Kind) bool {
	switch k {
	case topology.VM, topology.VNIC, topology.VDisk, topology.Rack, topology.Subnet, topology.InitiatorPort, topology.TargetPort, topology.LogicalUnit:
		return false
	}
	return !k.Device()
}
