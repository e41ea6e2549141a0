package reconcile

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// heard is one neighbour on one interface, with the interface it was found to be (if it was).
type heard struct {
	local, neighbor, device, remote topology.Node
	edge                            topology.Edge
}

// neighbors concludes who the neighbours are and which links follow. A link that a newer reading of the other end contradicts is kept as
// denied, since the cable may have been moved between two readings.
func (c *conclusions) neighbors() {
	var all []heard
	at := map[topology.Key][]heard{} // by local interface
	for n := range c.s.Nodes(topology.Neighbor) {
		device, remote := c.identify(n)
		for _, e := range n.In(topology.HasNeighbor) {
			h := heard{e.From, n, device, remote, e}
			all = append(all, h)
			at[e.From.Key()] = append(at[e.From.Key()], h)
		}
	}
	for _, h := range all {
		if h.device.IsZero() || h.device == c.owner[h.local.Key()] && h.remote == h.local {
			continue
		}
		confidence := uint8(topology.ConfidenceLLDP)
		if h.neighbor.Text(topology.AttrProtocol) != "lldp" {
			confidence = topology.ConfidenceCDP
		}
		if h.remote.IsZero() {
			c.state(topology.Relate(h.neighbor.Key(), topology.IdentifiedAs, h.device.Key()), confidence, h.edge.Reading.ReadingKey)
			continue
		}
		c.state(topology.Relate(h.neighbor.Key(), topology.IdentifiedAs, h.remote.Key()), confidence, h.edge.Reading.ReadingKey)
		if denied(h, at[h.remote.Key()]) {
			confidence = topology.ConfidenceDenied
		}
		c.link(h.local.Key(), h.remote.Key(), confidence, h.edge.Reading.ReadingKey)
	}
}

// denied reports whether the other end, in a newer reading, hears somebody else and not us.
func denied(h heard, there []heard) bool {
	var newest time.Time
	for _, t := range there {
		if t.remote == h.local {
			return false
		}
		if !t.remote.IsZero() && t.edge.Reading.Time.After(newest) {
			newest = t.edge.Reading.Time
		}
	}
	return newest.After(h.edge.Reading.Time)
}

// identify finds the device and the interface that a neighbour is. What does not fit exactly one stays unknown: a name alone is not
// believed against a chassis that says otherwise.
func (g *index) identify(n topology.Node) (device, port topology.Node) {
	device, ok := g.neighborDevice(n)
	if !ok {
		return topology.Node{}, topology.Node{}
	}
	return device, g.neighborPort(device, n)
}

func (g *index) neighborDevice(n topology.Node) (topology.Node, bool) {
	chassis := n.Text(topology.AttrNeighborChassis)
	if found := g.chassis[chassis]; len(found) > 0 {
		return only(found)
	}
	subtype, value, _ := strings.Cut(chassis, "/")
	var mac topology.MAC
	switch subtype {
	case "mac":
		mac, _ = topology.ParseMAC(value)
		if d, ok := g.ownerOf(g.mac[mac]); ok {
			return d, true
		}
	case "address":
		if a, err := netip.ParseAddr(value); err == nil {
			if d, ok := g.ownerOf(g.address[a]); ok {
				return d, true
			}
		}
	}
	for _, name := range []string{n.Text(topology.AttrSysName), value} {
		if d, ok := only(g.namesakes(strings.ToLower(name))); ok && !contradicts(d, mac) {
			return d, true
		}
	}
	for _, v := range n.Values(topology.AttrMgmtAddress) {
		if d, ok := g.ownerOf(g.address[v.Addr()]); ok && !contradicts(d, mac) {
			return d, true
		}
	}
	return topology.Node{}, false
}

// namesakes gives the devices that a name means: those of that very name, else, since protocols send it with the domain or without, those whose
// name is the same where one of the two has no domain. Two domains are two devices.
func (g *index) namesakes(name string) []topology.Node {
	if found := g.sysName[name]; len(found) > 0 {
		return found
	}
	if short, qualified := shortName(name); qualified {
		return g.sysName[short]
	}
	return g.short[name]
}

// contradicts reports that the device names a chassis of its own and it is not the one heard.
func contradicts(d topology.Node, heard topology.MAC) bool {
	own, ok := strings.CutPrefix(d.Text(topology.AttrChassisID), "mac/")
	return ok && heard != 0 && own != heard.String()
}

// ownerOf gives the device of all the nodes, if it is one and the same.
func (g *index) ownerOf(ns []topology.Node) (topology.Node, bool) {
	var device topology.Node
	for _, n := range ns {
		d := n
		if !n.Kind().Device() {
			var ok bool
			if d, ok = g.owner[n.Key()]; !ok {
				continue
			}
		}
		if !device.IsZero() && d != device {
			return topology.Node{}, false
		}
		device = d
	}
	return device, !device.IsZero()
}

// neighborPort finds the interface of a device that a neighbour's port ID names (IEEE 802.1AB 8.5.3), else its port description.
func (g *index) neighborPort(device, n topology.Node) topology.Node {
	id := n.Text(topology.AttrNeighborPort)
	subtype, value, _ := strings.Cut(id, "/")
	desc := n.Text(topology.AttrNeighborPortDesc)
	ports := g.parts[device.Key()]
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
	for _, test := range tests {
		found := slices.DeleteFunc(slices.Clone(ports), func(p topology.Node) bool { return !test(p) })
		if p, ok := only(found); ok {
			return p
		}
	}
	return topology.Node{}
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
