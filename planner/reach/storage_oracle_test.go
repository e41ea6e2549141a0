package reach_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// sanPort is a port of a host or an array as it is plugged in.
type sanPort struct {
	wwpn     topology.WWN
	loggedIn bool
	sw, vsan int // 0 and 1 each
	face     int // of the switch; several names at one of them are NPIV
}

func (p sanPort) wwnn() topology.WWN { return 0x2000000000000000 | p.wwpn&0xf>>1 } // two ports a node
func (p sanPort) fcid() string {
	return fmt.Sprintf("0x%02x%02x%02x", p.sw+1, p.face, uint64(p.wwpn&0xff))
}

// sanMember is a member of a zone: a port, by one of the names that ports have.
type sanMember struct {
	by   string
	port sanPort
	role string
}

func (m sanMember) is(p sanPort) bool {
	switch m.by {
	case "pwwn", "device-alias":
		return m.port.wwpn == p.wwpn
	case "nwwn":
		return m.port.wwnn() == p.wwnn()
	case "fcid":
		return m.port.fcid() == p.fcid()
	}
	return m.port.face == p.face && m.port.sw == p.sw // interface
}

func (m sanMember) text() string {
	text := map[string]string{
		"pwwn": "pwwn " + m.port.wwpn.String(), "nwwn": "nwwn " + m.port.wwnn().String(), "fcid": "fcid " + m.port.fcid(),
		"device-alias": fmt.Sprintf("device-alias p%x", uint64(m.port.wwpn)), "interface": fmt.Sprintf("interface fc%d domain-id %d", m.port.face, m.port.sw+1),
	}[m.by]
	if m.role != "" {
		text += " " + m.role
	}
	return text
}

// sanWorld is two switches with two virtual fabrics each, which links join or not; an array with units; and who is shown which.
type sanWorld struct {
	initiators, targets []sanPort
	joined              [2]bool             // by VSAN
	zones               [2][2][][]sanMember // by switch and VSAN
	permit, smart       [2][2]bool
	maps                []sanMap
}

type sanMap struct {
	unit                int
	initiators, targets []int
}

func drawSAN(t *rapid.T) *sanWorld {
	w := &sanWorld{}
	draw := func(n int, from topology.WWN) []sanPort {
		var ports []sanPort
		for i := range n {
			ports = append(ports, sanPort{
				wwpn: from + topology.WWN(i), loggedIn: rapid.IntRange(0, 5).Draw(t, "logged in") > 0, sw: rapid.IntRange(0, 1).Draw(t, "switch"),
				vsan: rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "vsan"), face: rapid.IntRange(1, 9).Draw(t, "face"),
			})
		}
		return ports
	}
	w.initiators, w.targets = draw(3, 0x1000000000000001), draw(2, 0x5000000000000008)
	all := slices.Concat(w.initiators, w.targets)
	for i := range all { // a port of a switch is in one VSAN
		for j := range all[:i] {
			if all[i].sw == all[j].sw && all[i].face == all[j].face {
				all[i].vsan = all[j].vsan
			}
		}
	}
	w.initiators, w.targets = all[:3], all[3:]
	member := rapid.Custom(func(t *rapid.T) sanMember {
		return sanMember{
			rapid.SampledFrom([]string{"pwwn", "pwwn", "nwwn", "fcid", "device-alias", "interface"}).Draw(t, "by"), rapid.SampledFrom(all).Draw(t, "port"),
			rapid.SampledFrom([]string{"", "", "init", "target", "both", "principal", "peer"}).Draw(t, "role"),
		}
	})
	for v := range 2 {
		w.joined[v] = rapid.Bool().Draw(t, "joined")
		for sw := range 2 {
			if sw == 1 && w.joined[v] { // one fabric has one set of zones
				w.zones[1][v], w.permit[1][v], w.smart[1][v] = w.zones[0][v], w.permit[0][v], w.smart[0][v]
				continue
			}
			w.zones[sw][v] = rapid.SliceOfN(rapid.SliceOfN(member, 0, 4), 0, 3).Draw(t, "zones")
			w.permit[sw][v], w.smart[sw][v] = rapid.Bool().Draw(t, "permit"), rapid.Bool().Draw(t, "smart")
		}
	}
	some := func(n int) *rapid.Generator[[]int] {
		return rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 1, n, rapid.ID)
	}
	for unit := range 2 {
		for range rapid.IntRange(0, 2).Draw(t, "mappings") {
			w.maps = append(w.maps, sanMap{unit, some(3).Draw(t, "initiators"), some(2).Draw(t, "targets")})
		}
	}
	return w
}

// sees is the slow and obvious answer: yes, no, or what zones of principals alone leave open.
func (w *sanWorld) sees(i, unit int) reach.Verdict {
	verdict := reach.No
	for t := range w.targets {
		mapped := slices.ContainsFunc(w.maps, func(m sanMap) bool {
			return m.unit == unit && slices.Contains(m.initiators, i) && slices.Contains(m.targets, t)
		})
		a, b := w.initiators[i], w.targets[t]
		if !mapped || !a.loggedIn || !b.loggedIn || a.vsan != b.vsan || a.sw != b.sw && !w.joined[a.vsan] {
			continue
		}
		switch w.zoned(a, b) {
		case reach.Yes:
			return reach.Yes
		case reach.NotKnown:
			verdict = reach.NotKnown
		case reach.No, reach.Some:
		}
	}
	return verdict
}

func (w *sanWorld) zoned(a, b sanPort) reach.Verdict {
	verdict, inAny := reach.No, false
	for _, zone := range w.zones[a.sw][a.vsan] {
		for x, m := range zone {
			inAny = inAny || m.is(a) || m.is(b)
			for y, o := range zone {
				single := m.by == "pwwn" || m.by == "fcid" || m.by == "device-alias"
				if !m.is(a) || !o.is(b) || x == y && single {
					continue
				}
				switch rolesMeet(m.role, o.role, w.smart[a.sw][a.vsan]) {
				case reach.Yes:
					return reach.Yes
				case reach.NotKnown:
					verdict = reach.NotKnown
				case reach.No, reach.Some:
				}
			}
		}
	}
	if !inAny && w.permit[a.sw][a.vsan] {
		return reach.Yes
	}
	return verdict
}

func rolesMeet(a, b string, smart bool) reach.Verdict {
	peers := func(r string) bool { return r == "principal" || r == "peer" }
	switch {
	case peers(a) && peers(b) && a != b:
		return reach.Yes
	case a == "peer" && b == "peer":
		return reach.No
	case peers(a) || peers(b):
		return reach.NotKnown
	case smart && a == b && (a == "init" || a == "target"):
		return reach.No
	}
	return reach.Yes
}

// tables are what collectors would say of the world, each by a reading of its own.
func (w *sanWorld) tables() map[string][]topology.Fact {
	tables := map[string][]topology.Fact{}
	say := func(table string, f topology.Fact) { tables[table] = append(tables[table], f) }
	text := topology.TextValue
	var switches [2]topology.Key
	for sw := range 2 {
		switches[sw] = topology.DeviceKey(topology.FCSwitch, fmt.Sprintf("m%d", sw))
		for v := range 2 {
			w.tellZones(sw, v, switches[sw], say)
		}
	}
	for _, p := range slices.Concat(w.initiators, w.targets) {
		sw := switches[p.sw]
		fabric := topology.PartKey(topology.FCFabric, sw, strconv.Itoa(50+p.vsan))
		k := topology.Key{Kind: topology.FCPort, ID: p.wwpn.String()}
		for _, sw := range switches {
			alias := topology.PartKey(topology.FCZoneAlias, sw, fmt.Sprintf("p%x", uint64(p.wwpn)))
			say("aliases", topology.Relate(sw, topology.Contains, alias))
			say("aliases", topology.Relate(k, topology.MemberOf, alias))
		}
		if !p.loggedIn {
			continue
		}
		login, face := fmt.Sprintf("logins %d", p.sw), topology.PartKey(topology.FCPort, sw, fmt.Sprintf("fc%d", p.face))
		for _, f := range []topology.Fact{
			topology.Relate(sw, topology.Contains, fabric), topology.Relate(sw, topology.Contains, face), topology.Attribute(face, topology.AttrIfName, text(fmt.Sprintf("fc%d", p.face))),
			topology.Relate(face, topology.MemberOf, fabric), topology.Relate(k, topology.LoggedIn, face), topology.Attribute(k, topology.AttrNPortID, text(p.fcid())),
			topology.Attribute(k, topology.AttrWWNN, topology.WWNValue(p.wwnn())),
		} {
			say(login, f)
		}
		for other := range 2 { // each switch of a fabric has all that are logged in to it
			if other == p.sw || w.joined[p.vsan] {
				say(fmt.Sprintf("names %d", other), topology.Relate(k, topology.MemberOf, topology.PartKey(topology.FCFabric, switches[other], strconv.Itoa(50+p.vsan))))
			}
		}
	}
	w.tellMappings(say)
	return tables
}

func (w *sanWorld) tellZones(sw, v int, key topology.Key, say func(string, topology.Fact)) {
	text, vsan := topology.TextValue, strconv.Itoa(50+v)
	fabric, set, none := topology.PartKey(topology.FCFabric, key, vsan), topology.PartKey(topology.FCZoneSet, key, vsan, "active", "s"), topology.PartKey(topology.FCZone, key, vsan, "active", "default-zone")
	zoned, status := fmt.Sprintf("zones %d", sw), fmt.Sprintf("status %d", sw)
	say(zoned, topology.Relate(key, topology.Contains, fabric))
	say(zoned, topology.Relate(set, topology.MemberOf, fabric))
	say(zoned, topology.Attribute(set, topology.AttrState, text("active")))
	say(status, topology.Relate(none, topology.MemberOf, fabric))
	say(status, topology.Attribute(none, topology.AttrState, text(map[bool]string{true: "permit", false: "deny"}[w.permit[sw][v]])))
	say(status, topology.Attribute(fabric, topology.AttrForwardMode, text(map[bool]string{true: "smart-zoning", false: "zoning"}[w.smart[sw][v]])))
	for i, members := range w.zones[sw][v] {
		zone := topology.PartKey(topology.FCZone, key, vsan, "active", strconv.Itoa(i))
		say(zoned, topology.Relate(key, topology.Contains, zone))
		say(zoned, topology.Relate(zone, topology.MemberOf, set))
		for _, m := range members {
			say(zoned, topology.Attribute(zone, topology.AttrZoneMember, text(m.text())))
		}
	}
}

func (w *sanWorld) tellMappings(say func(string, topology.Fact)) {
	array := topology.DeviceKey(topology.Array, "a")
	for i, m := range w.maps {
		key := topology.PartKey(topology.Mapping, array, strconv.Itoa(i))
		say("maps", topology.Relate(array, topology.Contains, key))
		say("maps", topology.Relate(key, topology.MapsUnit, topology.Key{Kind: topology.LogicalUnit, ID: fmt.Sprint("u", m.unit)}))
		say("maps", topology.Attribute(key, topology.AttrLUN, topology.IntValue(m.unit)))
		for _, x := range m.initiators {
			say("maps", topology.Relate(key, topology.MapsInitiator, topology.Key{Kind: topology.InitiatorPort, ID: w.initiators[x].wwpn.String()}))
		}
		for _, x := range m.targets {
			say("maps", topology.Relate(key, topology.MapsTarget, topology.Key{Kind: topology.TargetPort, ID: w.targets[x].wwpn.String()}))
		}
	}
}

// read makes a snapshot of tables: whole, and of those that are cut only some facts.
func readSAN(t *rapid.T, tables map[string][]topology.Fact, cut func(table string) (lost bool, partial func() bool)) *topology.Snapshot {
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	d := topology.Delta{Time: now}
	seen := map[topology.Fact]bool{}
	var names []string
	for name := range tables {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		lost, thin := cut(name)
		if lost {
			continue
		}
		r := topology.Reading{ReadingKey: topology.ReadingKey{Device: "d", Source: topology.SourceCLI, Table: name, Partial: thin != nil}, Time: now}
		d.Renew = append(d.Renew, r)
		for _, f := range tables[name] {
			f.Reading, f.Since, f.Confidence = r.ReadingKey, now, topology.ConfidenceStated
			if !seen[f] && (thin == nil || thin()) {
				seen[f] = true
				d.Add = append(d.Add, f)
			}
		}
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkSAN compares every pair of initiator and unit with what is so.
func checkSAN(t *rapid.T, w *sanWorld, s *topology.Snapshot, whole bool) {
	for i, port := range w.initiators {
		for unit := range 2 {
			from, ok := s.Node(topology.Key{Kind: topology.InitiatorPort, ID: port.wwpn.String()})
			u, known := s.Node(topology.Key{Kind: topology.LogicalUnit, ID: fmt.Sprint("u", unit)})
			if !ok || !known {
				continue
			}
			a, err := network(s).Storage(t.Context(), from, u)
			if err != nil {
				t.Fatal(err)
			}
			is := w.sees(i, unit)
			out := !port.loggedIn || slices.ContainsFunc(w.targets, func(p sanPort) bool { return !p.loggedIn })
			if is != a.Verdict && a.Verdict != reach.NotKnown || whole && is != a.Verdict && !out {
				t.Fatalf("port %d, unit %d: %s (%s), and it is %s\n%+v", i, unit, a.Verdict, a.Why, is, a.Paths)
			}
		}
	}
}

// Whatever is plugged in, zoned and mapped: with all tables the answer is what is so, and with some of them lost or cut it is never the opposite.
func TestStorage_againstTheWorld(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawSAN(t)
		tables := w.tables()
		checkSAN(t, w, readSAN(t, tables, func(string) (bool, func() bool) { return false, nil }), true)
		checkSAN(t, w, readSAN(t, tables, func(string) (bool, func() bool) {
			switch rapid.IntRange(0, 4).Draw(t, "reading") {
			case 0:
				return true, nil
			case 1:
				return false, func() bool { return rapid.IntRange(0, 3).Draw(t, "fact") > 0 }
			}
			return false, nil
		}), false)
	})
}
