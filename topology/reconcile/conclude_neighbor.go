package reconcile

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// identified is who a neighbour is: a device, and its interface if that is known, too.
type identified struct{ device, port ref }

// neighbors concludes who the neighbours are and which links follow. A link that a newer reading of the other end contradicts is kept as
// denied, since the cable may have been moved between two readings.
//
// Who a neighbour is depends on what it says, on whoever is called by one of its words (wanted), and on the interfaces of the device that it is
// (ofDevice). Its links depend on that, on who the neighbours at the far end are (asPort), and, if these deny it, on the readings' times (timed).
func (g *graph) neighbors(renewed []topology.Reading) {
	for x := range g.dirty.neighbors {
		g.neighbor(x)
	}
	for x := range g.dirty.hearers {
		g.dirty.heard.add(g.asPort.under[x]...)
	}
	if len(g.timed.under) > 0 {
		for _, r := range renewed {
			g.dirty.heard.add(g.timed.under[g.readings.ref(r.ReadingKey)]...)
		}
	}
	for x := range g.dirty.heard {
		g.dirty.subjects.add(x)
		g.heard.set(x, g.heardLinks(x), func(end ref) {
			g.linkChanged(end)
			g.dirty.hearers.add(end)
		})
	}
}

// linkChanged notes an end of a link that came or went.
func (g *graph) linkChanged(end ref) {
	g.dirty.links.add(end)
	g.dirty.subjects.add(end)
}

// neighbor finds out anew who a neighbour is.
func (g *graph) neighbor(x ref) {
	n := g.node(x)
	g.wanted.set(x, wantedTerms(n))
	who := g.identify(n)
	g.ofDevice.set(x, some(who.device))
	g.asPort.set(x, some(who.port))
	if who == (identified{}) {
		delete(g.who, x)
	} else {
		g.who[x] = who
	}
	g.dirty.heard.add(x)
	for local := range n.Subjects(topology.HasNeighbor) {
		g.dirty.heard.add(g.asPort.under[g.ref(local.Key())]...)
	}
}

func some(x ref) []ref {
	if x == 0 {
		return nil
	}
	return []ref{x}
}

// itself reports whether an interface hears itself, as over a loop.
func (g *graph) itself(who identified, local ref) bool {
	return who.device == g.owner(local) && who.port == local
}

// heardLinks gives the links to a neighbour: one for each interface that hears it.
func (g *graph) heardLinks(x ref) []claim {
	n, who := g.node(x), g.who[x]
	var links []claim
	var timed []ref
	for _, e := range n.In(topology.HasNeighbor) {
		local := g.ref(e.From.Key())
		if who.port == 0 || who.port == local {
			continue
		}
		l := claim{local, who.port, g.readings.ref(e.Reading.ReadingKey), protocolConfidence(n)}
		denied, rests := g.denied(local, who.port, e.Reading.Time)
		if denied {
			l.confidence = topology.ConfidenceDenied
		}
		if len(rests) > 0 {
			timed = append(append(timed, l.reading), rests...)
		}
		links = append(links, l)
	}
	slices.Sort(timed)
	g.timed.set(x, slices.Compact(timed))
	return links
}

func protocolConfidence(n topology.Node) uint8 {
	if n.Text(topology.AttrProtocol) == "lldp" {
		return topology.ConfidenceLLDP
	}
	return topology.ConfidenceCDP
}

// denied reports whether the other end, in a newer reading, hears somebody else and not us, and on which of its readings that rests.
func (g *graph) denied(local, port ref, seen time.Time) (denied bool, rests []ref) {
	var newest time.Time
	for _, e := range g.node(port).Out(topology.HasNeighbor) {
		there := g.who[g.ref(e.To.Key())].port
		if there == local {
			return false, nil
		}
		if there != 0 {
			rests = append(rests, g.readings.ref(e.Reading.ReadingKey))
			if e.Reading.Time.After(newest) {
				newest = e.Reading.Time
			}
		}
	}
	return newest.After(seen), rests
}

// identifiedAs states who a neighbour is, by each reading that shows it.
func (g *graph) identifiedAs(x ref, n topology.Node, state conclusion) {
	who := g.who[x]
	if who.device == 0 {
		return
	}
	for _, e := range n.In(topology.HasNeighbor) {
		if g.itself(who, g.ref(e.From.Key())) {
			continue
		}
		is := who.port
		if is == 0 {
			is = who.device
		}
		state(topology.Relate(g.key(x), topology.IdentifiedAs, g.key(is)), protocolConfidence(n), g.readings.ref(e.Reading.ReadingKey))
	}
}

// identify finds the device and the interface that a neighbour is. What does not fit exactly one stays unknown: a name alone is not
// believed against a chassis that says otherwise.
func (g *graph) identify(n topology.Node) identified {
	device, ok := g.neighborDevice(n)
	if !ok {
		return identified{}
	}
	return identified{device, g.neighborPort(device, n)}
}

func (g *graph) neighborDevice(n topology.Node) (ref, bool) {
	chassis := n.Text(topology.AttrNeighborChassis)
	if found := g.called.under[chassisTerm(chassis)]; len(found) > 0 {
		return only(found)
	}
	subtype, value, _ := strings.Cut(chassis, "/")
	var mac topology.MAC
	switch subtype {
	case "mac":
		mac, _ = topology.ParseMAC(value)
		if d, ok := g.deviceOf(g.called.under[macTerm(mac)]); ok {
			return d, true
		}
	case "address":
		if a, err := netip.ParseAddr(value); err == nil {
			if d, ok := g.deviceOf(g.called.under[addressTerm(a)]); ok {
				return d, true
			}
		}
	}
	for _, name := range []string{n.Text(topology.AttrSysName), value} {
		if d, ok := only(g.namesakes(strings.ToLower(name))); ok && !g.contradicts(d, mac) {
			return d, true
		}
	}
	for _, v := range n.Values(topology.AttrMgmtAddress) {
		if d, ok := g.deviceOf(g.called.under[addressTerm(v.Addr())]); ok && !g.contradicts(d, mac) {
			return d, true
		}
	}
	return 0, false
}

// namesakes gives the devices that a name means: those of that very name, else, since protocols send it with the domain or without, those whose
// name is the same where one of the two has no domain. Two domains are two devices.
func (g *graph) namesakes(name string) []ref {
	if found := g.called.under[nameTerm(name)]; len(found) > 0 {
		return found
	}
	if short, qualified := shortName(name); qualified {
		return g.called.under[nameTerm(short)]
	}
	return g.called.under[shortTerm(name)]
}

// contradicts reports that the device names a chassis of its own and it is not the one heard.
func (g *graph) contradicts(d ref, heard topology.MAC) bool {
	own, ok := strings.CutPrefix(g.node(d).Text(topology.AttrChassisID), "mac/")
	return ok && heard != 0 && own != heard.String()
}

// neighborPort finds the interface of a device that a neighbour's port ID names (IEEE 802.1AB 8.5.3), else its port description.
func (g *graph) neighborPort(device ref, n topology.Node) ref {
	id := n.Text(topology.AttrNeighborPort)
	subtype, value, _ := strings.Cut(id, "/")
	desc := n.Text(topology.AttrNeighborPortDesc)
	tests := []func(topology.Node) bool{
		func(p topology.Node) bool { return id != "" && p.Text(topology.AttrLLDPPortID) == id },
	}
	switch subtype {
	case "mac":
		tests = append(tests, func(p topology.Node) bool { return p.Text(topology.AttrMAC) == value && physical(p) })
	case "address":
		tests = append(tests, func(p topology.Node) bool { return hasAddress(p, value) })
	case "ifAlias":
		tests = append(tests, attrIs(topology.AttrIfAlias, value))
	}
	if subtype != "mac" {
		tests = append(tests, attrIs(topology.AttrIfName, value), attrIs(topology.AttrIfDescr, value),
			func(p topology.Node) bool { return sameName(p, value) }, attrIs(topology.AttrIfAlias, value))
	}
	tests = append(tests, attrIs(topology.AttrIfName, desc), attrIs(topology.AttrIfDescr, desc), attrIs(topology.AttrIfAlias, desc))
	if subtype == "local" {
		tests = append(tests, func(p topology.Node) bool {
			i, ok := p.Int(topology.AttrIfIndex)
			return ok && strconv.FormatInt(i, 10) == value
		})
	}
	var ports []topology.Node
	for _, p := range g.parts(device) {
		ports = append(ports, g.node(p))
	}
	for _, test := range tests {
		if p, ok := theOne(ports, test); ok {
			return g.ref(p.Key())
		}
	}
	return 0
}

// theOne gives the port that passes a test, if exactly one does.
func theOne(ports []topology.Node, test func(topology.Node) bool) (topology.Node, bool) {
	var found topology.Node
	for _, p := range ports {
		if !test(p) {
			continue
		}
		if !found.IsZero() {
			return topology.Node{}, false
		}
		found = p
	}
	return found, !found.IsZero()
}

func attrIs(a topology.Attr, want string) func(topology.Node) bool {
	return func(p topology.Node) bool { return want != "" && strings.EqualFold(p.Text(a), want) }
}

func hasAddress(p topology.Node, want string) bool {
	return slices.ContainsFunc(p.Values(topology.AttrAddress), func(v topology.Value) bool { return v.Addr().String() == want })
}

// sameName reports whether one name is the other with its word shortened: Gi0/1 and GigabitEthernet0/1.
func sameName(p topology.Node, want string) bool {
	for _, a := range []topology.Attr{topology.AttrIfName, topology.AttrIfDescr} {
		word, number := splitName(p.Text(a))
		wantWord, wantNumber := splitName(want)
		if number != "" && number == wantNumber && min(len(word), len(wantWord)) >= 2 &&
			(strings.HasPrefix(word, wantWord) || strings.HasPrefix(wantWord, word)) {
			return true
		}
	}
	return false
}

func splitName(name string) (word, number string) {
	i := strings.IndexFunc(name, func(r rune) bool { return r >= '0' && r <= '9' })
	if i < 0 {
		return strings.ToLower(name), ""
	}
	return strings.ToLower(strings.TrimSpace(name[:i])), name[i:]
}
