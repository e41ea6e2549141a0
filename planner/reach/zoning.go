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
}

// Zone is a zone in force.
type Zone struct {
	Node    topology.Node
	Members []ZoneMember
	Unknown []string // members of which nobody says which ports they are
}

// ZoneMember is a port in a zone.
type ZoneMember struct {
	Port     topology.WWN
	Role     string // init, target, both; "" where its zone says none
	LoggedIn bool   // to the fabric, as the switch says it beside the member
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
		z := Zoning{Fabric: fabric, Smart: fabric.Text(topology.AttrForwardMode) == "smart-zoning"}
		for _, e := range fabric.In(topology.MemberOf) {
			switch {
			case e.From.Kind() == topology.FCZone: // the zone of those that are in none
				z.Default = e.From.Text(topology.AttrState)
			case e.From.Kind() == topology.FCZoneSet && e.From.Text(topology.AttrState) == "active":
				for _, in := range e.From.In(topology.MemberOf) {
					z.Zones = append(z.Zones, readZone(in.From))
				}
			}
		}
		all = append(all, z)
	}
	return all
}

// readZone reads the members of a zone: "pwwn NAME [ROLE] [logged-in ADDRESS]", or anything else that a switch may call a port.
func readZone(node topology.Node) Zone {
	z := Zone{Node: node}
	for _, v := range node.Values(topology.AttrZoneMember) {
		words := strings.Fields(v.String())
		if len(words) < 2 || words[0] != "pwwn" {
			z.Unknown = append(z.Unknown, v.String())
			continue
		}
		port, err := topology.ParseWWN(words[1])
		if err != nil {
			z.Unknown = append(z.Unknown, v.String())
			continue
		}
		m := ZoneMember{Port: port, LoggedIn: slices.Contains(words, "logged-in")}
		if len(words) > 2 && words[2] != "logged-in" {
			m.Role = words[2]
		}
		z.Members = append(z.Members, m)
	}
	for _, v := range node.Values(topology.AttrUnparsed) {
		z.Unknown = append(z.Unknown, v.String())
	}
	return z
}

// meet tells whether two members of one zone may talk. A port is no peer of itself.
func (z *Zoning) meet(a, b ZoneMember) bool {
	if a.Port == b.Port {
		return false
	}
	one := strings.TrimSuffix(a.Role, "iator")
	return !z.Smart || one != strings.TrimSuffix(b.Role, "iator") || one == "" || one == "both"
}

// Pairs gives the pairs of ports that share a zone, in the order of their names. Those of the default zone are not among them.
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

// Ports gives the ports of all zones, in the order of their names.
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

// Zoned tells whether an initiator may talk to a target in the fabric: Delivered, Dropped or Unknown, and why. LoggedIn of the pair is asked by the caller that
// wants to know whether it can do so now.
func (z *Zoning) Zoned(a, b topology.WWN) (End, string) {
	zoned := map[topology.WWN]bool{}
	doubt := ""
	for _, zone := range z.Zones {
		var in []ZoneMember
		for _, m := range zone.Members {
			zoned[m.Port] = true
			if m.Port == a || m.Port == b {
				in = append(in, m)
			}
		}
		for i := range in {
			if slices.ContainsFunc(in[i+1:], func(o ZoneMember) bool { return z.meet(in[i], o) }) {
				return Delivered, "zone " + zone.Node.Name()
			}
		}
		if len(zone.Unknown) > 0 {
			doubt = fmt.Sprintf("nobody says which port is %q of zone %s", zone.Unknown[0], zone.Node.Name())
		}
	}
	switch {
	case doubt != "":
		return Unknown, doubt
	case zoned[a] || zoned[b] || z.Default == "deny":
		return Dropped, "no zone in force holds both"
	case z.Default == "permit":
		return Delivered, "neither is in a zone, and the default zone permits"
	}
	return Unknown, "neither is in a zone, and nobody says what the default zone does"
}
