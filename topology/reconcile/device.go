package reconcile

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// identifiers are the attributes that tell which device this is, the surest first. A serial number comes late: stacks and clones share some.
var identifiers = [...]topology.Attr{ //nolint:gochecknoglobals // read-only table
	topology.AttrUUID, topology.AttrChassisID, topology.AttrBridgeMAC, topology.AttrSerial, topology.AttrEngineID,
}

// kindOrder lists device kinds, the most telling first: a hypervisor that also answers SNMP as a bridge is a host.
var kindOrder = []topology.Kind{ //nolint:gochecknoglobals // read-only table
	topology.Host, topology.Array, topology.FCSwitch, topology.Firewall, topology.Router, topology.Switch, topology.Server, topology.BMC,
}

// deviceOrder orders devices by kind, the most telling first, then by ID.
func deviceOrder(a, b topology.Key) int {
	return cmp.Or(cmp.Compare(slices.Index(kindOrder, a.Kind), slices.Index(kindOrder, b.Kind)), strings.Compare(a.ID, b.ID))
}

// profile is what is known of one device's identity.
type profile struct {
	was     topology.Key // in the graph as it was; zero for what a handle of this sweep says
	id      string       // of its key in the graph as it was, or will be
	kind    topology.Kind
	ids     [len(identifiers)][]string       // by rank of the identifier; sorted; several where sources disagree
	handles map[string][]topology.ReadingKey // and which readings went by each
	macs    map[topology.MAC]bool            // of the interfaces; of a known device they are looked up when they count (macsOf)
}

func newProfile() *profile { return &profile{handles: map[string][]topology.ReadingKey{}} }

func (p *profile) learn(a topology.Attr, v topology.Value) {
	rank := slices.Index(identifiers[:], a)
	if rank < 0 {
		return
	}
	if id, ok := telling(a, v); ok {
		if i, found := slices.BinarySearch(p.ids[rank], id); !found {
			p.ids[rank] = slices.Insert(p.ids[rank], i, id)
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
	for rank := range identifiers {
		if len(p.ids[rank]) > 0 && len(q.ids[rank]) > 0 {
			if slices.ContainsFunc(p.ids[rank], func(id string) bool { return slices.Contains(q.ids[rank], id) }) {
				return 1
			}
			return -1
		}
	}
	return 0
}

// anonymous reports that no identifier is known.
func (p *profile) anonymous() bool {
	return !slices.ContainsFunc(p.ids[:], func(ids []string) bool { return len(ids) > 0 })
}

// alone reports that the device is known by its handle alone, and named after it (newID).
func (p *profile) alone() bool {
	if !p.anonymous() {
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
	for w := range p.words() {
		if w.id() == id {
			return true
		}
	}
	return false
}

// words gives the identifiers, the surest first.
func (p *profile) words() func(func(identifier) bool) {
	return func(yield func(identifier) bool) {
		for rank, ids := range p.ids {
			for _, value := range ids {
				if !yield(identifier{rank, value}) {
					return
				}
			}
		}
	}
}

// identifier is one value of an identifying attribute.
type identifier struct {
	rank  int
	value string
}

// id gives the ID of a device that is named by the identifier.
func (w identifier) id() string {
	switch a := identifiers[w.rank]; a {
	case topology.AttrUUID, topology.AttrBridgeMAC:
		return w.value
	case topology.AttrChassisID:
		return strings.TrimPrefix(w.value, "mac/")
	default:
		return a.String() + "=" + topology.EscapeID(w.value)
	}
}

// directory knows the devices of a graph by identifier, handle and ID, and its logical units by their other names. It follows the graph (touch).
type directory struct {
	devices  map[topology.Key]*profile
	byID     map[string][]*profile
	byWord   map[identifier][]*profile
	byHandle map[string][]*profile
	units    numbering[topology.Key]
	aliases  register[string] // designated logical units, by other names
}

func newDirectory() *directory {
	return &directory{
		devices: map[topology.Key]*profile{}, byID: map[string][]*profile{}, byWord: map[identifier][]*profile{}, byHandle: map[string][]*profile{},
		units: newNumbering[topology.Key](), aliases: newRegister[string](),
	}
}

// touched are the devices and units of which the directory may have to know something else.
type touched struct{ devices, units set[topology.Key] }

// follow takes in what there is now, stated and concluded, and the snapshot to which it led.
func (d *directory) follow(s *topology.Snapshot, all ...changes) {
	t := touched{set[topology.Key]{}, set[topology.Key]{}}
	for _, ch := range all {
		for _, f := range ch.remove {
			d.touch(s, f, t)
		}
		for _, f := range ch.add {
			d.touch(s, f, t)
		}
	}
	d.refresh(s, t)
}

// touch notes whom a fact that came or went touches.
func (d *directory) touch(s *topology.Snapshot, f topology.Fact, t touched) {
	if f.Rel == 0 && f.Subject.Kind == topology.LogicalUnit && f.Attr == topology.AttrAlias {
		t.units.add(f.Subject)
	}
	tells := f.Rel == 0 && (f.Attr == topology.AttrHandle || slices.Contains(identifiers[:], f.Attr))
	for _, k := range []topology.Key{f.Subject, f.Object} {
		if !k.Kind.Device() {
			continue
		}
		_, was := d.devices[k]
		if _, is := s.Node(k); tells || was != is {
			t.devices.add(k)
		}
	}
}

// refresh looks at touched devices and units anew.
func (d *directory) refresh(s *topology.Snapshot, t touched) {
	for k := range t.devices {
		if old := d.devices[k]; old != nil {
			d.forget(old)
		}
		if n, ok := s.Node(k); ok {
			d.enter(profileOf(n))
		}
	}
	for k := range t.units {
		var others []string
		if n, ok := s.Node(k); ok && isDesignator(k.ID) {
			for _, v := range n.Values(topology.AttrAlias) {
				if !isDesignator(v.String()) {
					others = append(others, v.String())
				}
			}
		}
		d.aliases.set(d.units.ref(k), others)
	}
}

func profileOf(n topology.Node) *profile {
	p := newProfile()
	p.was, p.id, p.kind = n.Key(), n.Key().ID, n.Kind()
	for f := range n.Facts() {
		if f.Rel != 0 {
			break // relations come after the attributes
		}
		p.learn(f.Attr, f.Value)
		if f.Attr == topology.AttrHandle {
			p.handles[f.Value.String()] = append(p.handles[f.Value.String()], f.Reading)
		}
	}
	return p
}

func (d *directory) enter(p *profile) {
	d.devices[p.was] = p
	d.byID[p.id] = append(d.byID[p.id], p)
	for w := range p.words() {
		d.byWord[w] = append(d.byWord[w], p)
	}
	for h := range p.handles {
		d.byHandle[h] = append(d.byHandle[h], p)
	}
}

func (d *directory) forget(p *profile) {
	delete(d.devices, p.was)
	withdraw(d.byID, p.id, p)
	for w := range p.words() {
		withdraw(d.byWord, w, p)
	}
	for h := range p.handles {
		withdraw(d.byHandle, h, p)
	}
}

func withdraw[K comparable](from map[K][]*profile, k K, p *profile) {
	if left := without(from[k], p); len(left) > 0 {
		from[k] = left
	} else {
		delete(from, k)
	}
}

// inOrder lists known devices in the order of devices.
func inOrder(ps []*profile) []*profile {
	if len(ps) > 1 {
		ps = slices.SortedFunc(slices.Values(ps), func(a, b *profile) int { return deviceOrder(a.was, b.was) })
	}
	return ps
}

// lastSeen tells when the device last went by a handle.
func (p *profile) lastSeen(s *topology.Snapshot, handle string) time.Time {
	var last time.Time
	for _, k := range p.handles[handle] {
		if r, ok := s.Reading(k); ok && r.Time.After(last) {
			last = r.Time
		}
	}
	return last
}

// macsOf gives the addresses of a device's interfaces.
func (p *profile) macsOf(s *topology.Snapshot) map[topology.MAC]bool {
	if p.was.IsZero() {
		return p.macs
	}
	macs := map[topology.MAC]bool{}
	n, _ := s.Node(p.was)
	for _, e := range n.Out(topology.Contains) {
		if v, ok := e.To.Value(topology.AttrMAC); ok && e.To.Kind().Interface() && v.MAC().Usable() {
			macs[v.MAC()] = true
		}
	}
	return macs
}

// disjoint reports that both have interfaces and share no address: then one identifier in common is a clone's.
func (p *profile) disjoint(s *topology.Snapshot, q *profile) bool {
	a, b := p.macsOf(s), q.macsOf(s)
	for m := range a {
		if b[m] {
			return false
		}
	}
	return len(a) > 0 && len(b) > 0
}

// sortedHandles lists the handles in order.
func (p *profile) sortedHandles() []string { return slices.Sorted(maps.Keys(p.handles)) }
