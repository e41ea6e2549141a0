package reach

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// Zoning is who may talk to whom in one fabric, as its zones in force say it. Fabrics are apart: a port is logged in to one, and zones of another do not concern it.
type Zoning struct {
	Fabric  topology.Node
	Zones   []Zone
	Default string // what ports may do that are in no zone: permit, deny, or "" where nobody has said it
	Smart   bool   // roles count: two initiators, or two targets, do not meet in a zone (smart zoning)
	Doubt   string // why there may be other zones in force than Zones; "" if there are not

	roles bool                   // somebody has said whether roles count
	by    map[topology.WWN][]int // zones by the port names that they have
	vague []int                  // zones that have members of other kinds
	login map[topology.WWN]bool  // ports that zones name: whether they are logged in
	tells bool                   // somebody is, so that the switch does say it
}

// Zone is a zone in force.
type Zone struct {
	Node    topology.Node
	Members []ZoneMember
	Others  []ZoneMember // that are not named by port name
	Unknown []string     // members that nobody has understood
	Routed  bool         // its members are of several fabrics (inter-VSAN routing)
}

// ZoneMember is a port in a zone, or what a zone has in its place.
type ZoneMember struct {
	Port     topology.WWN // 0 of Others
	Text     string       // of Others: as the switch has it, such as "nwwn 20:00:00:00:00:00:00:01"
	Role     string       // init, target, both; of peer zones principal, peer; "" where its zone says none
	LoggedIn bool         // to the fabric, as the switch says it beside the member
}

// ZonedPair is two ports that share a zone, the lesser name first.
type ZonedPair struct {
	A, B     topology.WWN
	LoggedIn bool // both of them: they can talk now
	Zones    []topology.Node
}

// ReadZoning gives the zoning of every fabric of a snapshot. What is in force counts, not what is only configured.
func ReadZoning(s *topology.Snapshot) []Zoning {
	var all []Zoning
	for fabric := range s.Nodes(topology.FCFabric) {
		all = append(all, readZoning(fabric, func(topology.Reading) string { return "" }))
	}
	return all
}

// readZoning reads the zones of a fabric. old says why a reading is too old to be believed; "" if it is not.
func readZoning(fabric topology.Node, old func(topology.Reading) string) Zoning {
	mode := fabric.Text(topology.AttrForwardMode)
	z := Zoning{Fabric: fabric, Smart: mode == "smart-zoning", roles: mode != "", Doubt: "no source says which zones are in force in " + fabricName(fabric)}
	active := false
	doubt := ""
	var rest topology.Edge // the zone of those that are in none
	look := func(e topology.Edge) {
		doubt = cmp.Or(doubt, old(e.Reading))
		if e.Reading.Partial {
			doubt = cmp.Or(doubt, "the zones of "+fabricName(fabric)+" were not read whole")
		}
	}
	for _, e := range fabric.In(topology.MemberOf) {
		switch {
		case e.From.Kind() == topology.FCZone:
			rest, z.Default = e, e.From.Text(topology.AttrState)
		case e.From.Kind() == topology.FCZoneSet && e.From.Text(topology.AttrState) == "active":
			active = true
			look(e)
			for _, in := range e.From.In(topology.MemberOf) {
				look(in)
				z.Zones = append(z.Zones, readZone(in.From))
			}
		}
	}
	if active && len(z.Zones) == 0 && rest.Rel != 0 { // where no zone tells whether all were read, this one does
		look(rest)
	}
	if active {
		z.Doubt = doubt
	}
	z.index()
	for _, v := range fabric.Values(topology.AttrUnparsed) {
		z.Doubt = cmp.Or(z.Doubt, fmt.Sprintf("of %s nobody understood %s", fabricName(fabric), v.String()))
	}
	return z
}

// index notes in which zones ports are.
func (z *Zoning) index() {
	z.by, z.login = map[topology.WWN][]int{}, map[topology.WWN]bool{}
	for i, zone := range z.Zones {
		for _, m := range zone.Members {
			if at := z.by[m.Port]; len(at) == 0 || at[len(at)-1] != i {
				z.by[m.Port] = append(at, i)
			}
			z.login[m.Port] = z.login[m.Port] || m.LoggedIn
			z.tells = z.tells || m.LoggedIn
		}
		if len(zone.Others)+len(zone.Unknown) > 0 {
			z.vague = append(z.vague, i)
		}
	}
}

// holding lists the zones that have one of two ports, or may have it.
func (z *Zoning) holding(a, b topology.WWN) []int {
	at := slices.Concat(z.by[a], z.by[b], z.vague)
	slices.Sort(at)
	return slices.Compact(at)
}

// roles are the words for what a member is in its zone.
var roles = []string{"init", "initiator", "target", "both", "principal", "peer"} //nolint:gochecknoglobals // read-only table

// readZone reads the members of a zone: "pwwn NAME [ROLE] [logged-in ADDRESS]", or anything else that a switch may call a port.
func readZone(node topology.Node) Zone {
	z := Zone{Node: node, Routed: node.Text(topology.AttrForwardMode) == "inter-fabric"}
	for _, v := range node.Values(topology.AttrZoneMember) {
		m := readMember(v.String())
		if m.Text == "" {
			z.Members = append(z.Members, m)
		} else {
			z.Others = append(z.Others, m)
		}
	}
	for _, v := range node.Values(topology.AttrUnparsed) {
		z.Unknown = append(z.Unknown, v.String())
	}
	return z
}

func readMember(text string) ZoneMember {
	words := strings.Fields(text)
	m := ZoneMember{}
	if i := slices.Index(words, "logged-in"); i >= 0 {
		m.LoggedIn, words = true, words[:i]
	}
	if n := len(words); n > 2 && slices.Contains(roles, words[n-1]) {
		m.Role, words = words[n-1], words[:n-1]
	}
	if len(words) == 2 && words[0] == "pwwn" {
		if port, err := topology.ParseWWN(words[1]); err == nil {
			m.Port = port
			return m
		}
	}
	m.Text = cmp.Or(strings.Join(words, " "), text)
	return m
}

// single tells that a member is one port, whichever.
func (m ZoneMember) single() bool {
	return m.Port != 0 || strings.HasPrefix(m.Text, "fcid ") || strings.HasPrefix(m.Text, "device-alias ")
}

// may tells whether the roles of two members of one zone let them talk. Peers talk to a principal, and not to each other (FC-GS-7 peer zoning); of two principals
// nobody says it here.
func (z *Zoning) may(a, b ZoneMember) Verdict {
	one, two := strings.TrimSuffix(a.Role, "iator"), strings.TrimSuffix(b.Role, "iator")
	peers := []string{"principal", "peer"}
	switch x, y := slices.Contains(peers, one), slices.Contains(peers, two); {
	case x && y && one != two:
		return Yes
	case x && y && one == "peer":
		return No
	case x || y:
		return NotKnown
	case one != two || one == "" || one == "both":
		return Yes
	case z.Smart:
		return No
	case !z.roles:
		return NotKnown
	}
	return Yes
}

// meet tells whether two members of one zone may talk. A port is no peer of itself.
func (z *Zoning) meet(a, b ZoneMember) bool { return a.Port != b.Port && z.may(a, b) == Yes }

// Pairs gives the pairs of ports that share a zone by their port names, in the order of these. Those of the default zone are not among them.
func (z *Zoning) Pairs() []ZonedPair {
	at := map[[2]topology.WWN]*ZonedPair{}
	for i := range z.Zones {
		z.pair(&z.Zones[i], at)
	}
	pairs := make([]ZonedPair, 0, len(at))
	for _, p := range at {
		pairs = append(pairs, *p)
	}
	slices.SortFunc(pairs, func(p, q ZonedPair) int { return cmp.Or(cmp.Compare(p.A, q.A), cmp.Compare(p.B, q.B)) })
	return pairs
}

// pair adds the pairs of one zone.
func (z *Zoning) pair(zone *Zone, at map[[2]topology.WWN]*ZonedPair) {
	for i, a := range zone.Members {
		for _, b := range zone.Members[i+1:] {
			if !z.meet(a, b) {
				continue
			}
			k := [2]topology.WWN{min(a.Port, b.Port), max(a.Port, b.Port)}
			p := at[k]
			if p == nil {
				p = &ZonedPair{A: k[0], B: k[1]}
				at[k] = p
			}
			p.LoggedIn = p.LoggedIn || a.LoggedIn && b.LoggedIn
			p.Zones = append(p.Zones, zone.Node)
		}
	}
}

// Ports gives the ports of all zones that these name by port name, in the order of these.
func (z *Zoning) Ports() []topology.WWN {
	var ports []topology.WWN
	for _, zone := range z.Zones {
		for _, m := range zone.Members {
			ports = append(ports, m.Port)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// as is a port as a member of a zone: by which one, and whether it is that for certain.
type as struct {
	member ZoneMember
	sure   Verdict // Yes or NotKnown
}

// find lists the members of a zone that are a port, or may be.
func (z *Zone) find(p nport) []as {
	var all []as
	for _, m := range z.Members {
		if m.Port == p.wwpn {
			all = append(all, as{m, Yes})
		}
	}
	for _, m := range z.Others {
		if sure := p.is(m.Text, z.Node); sure != No {
			all = append(all, as{m, sure})
		}
	}
	for _, text := range z.Unknown {
		all = append(all, as{ZoneMember{Text: text}, NotKnown})
	}
	return all
}

// Zoned tells whether an initiator may talk to a target in the fabric: Yes, No or NotKnown, and why. Whether they are logged in to it is another question.
func (z *Zoning) Zoned(a, b topology.WWN) (Verdict, string) {
	s := z.Fabric.Snapshot()
	one, two := portOf(s, a), portOf(s, b)
	zoned := [2]Verdict{No, No} // whether they are in any zone
	doubt := ""
	for _, i := range z.holding(a, b) {
		zone := &z.Zones[i]
		as, bs := zone.find(one), zone.find(two)
		zoned = [2]Verdict{surest(zoned[0], as), surest(zoned[1], bs)}
		switch sure, text := z.share(as, bs); sure {
		case Yes:
			return Yes, "zone " + zone.Node.Name()
		case No, Some:
		case NotKnown:
			doubt = cmp.Or(doubt, fmt.Sprintf("whether zone %s holds both is not known: %s", zone.Node.Name(), text))
		}
	}
	doubt = cmp.Or(doubt, z.Doubt)
	switch {
	case doubt != "":
		return NotKnown, doubt
	case zoned[0] == Yes || zoned[1] == Yes:
		return No, "no zone in force holds both"
	case z.Default == "deny":
		return No, "no zone in force holds both, and the default zone denies"
	case zoned[0] == NotKnown || zoned[1] == NotKnown:
		return NotKnown, "the default zone is " + cmp.Or(z.Default, "not known") + ", and whether one of them is in a zone is not known either"
	case z.Default == "permit":
		return Yes, "neither is in a zone, and the default zone permits"
	}
	return NotKnown, "neither is in a zone, and nobody says what the default zone does"
}

// surest is whether a port is in a zone, of what was known before and of one zone more.
func surest(before Verdict, in []as) Verdict {
	for _, m := range in {
		if m.sure == Yes {
			return Yes
		}
		if before == No {
			before = NotKnown
		}
	}
	return before
}

// share tells whether two ports meet in a zone by any of the members that they are, or may be, and which of these is not known.
func (z *Zoning) share(as, bs []as) (Verdict, string) {
	best, text := No, ""
	for _, a := range as {
		for _, b := range bs {
			if a.member.single() && a.member == b.member {
				continue // it is one of them at most
			}
			switch both(both(a.sure, b.sure), z.may(a.member, b.member)) {
			case Yes:
				return Yes, ""
			case NotKnown:
				if best == No {
					best, text = NotKnown, a.doubt(b)
				}
			case No, Some:
			}
		}
	}
	return best, text
}

// doubt words why nobody knows whether two ports meet by two members.
func (a as) doubt(b as) string {
	for _, m := range []as{b, a} {
		if m.sure == NotKnown {
			return fmt.Sprintf("nobody says which port is %q", m.member.Text)
		}
	}
	return "whether members of these roles meet"
}
