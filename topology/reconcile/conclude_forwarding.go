package reconcile

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// forwarding concludes links from where bridges learned addresses, for interfaces that no neighbour protocol speaks of. Two bridges are joined
// where each learned the other and nobody stands between; another device is behind the one port that is not on the way to a bridge.
func (c *conclusions) forwarding() {
	bridges := c.bridgesBehind()
	c.bridgeLinks(bridges)
	uplinks, devices := c.uplinks(bridges), c.devicesBehind()
	for mac, sightings := range c.learned {
		c.attach(mac, sightings, uplinks, devices)
	}
	c.settle()
}

// behind gives for each port the bridges that were learned through it, and by which reading.
type behind map[topology.Key]map[topology.Key]topology.ReadingKey

func (b behind) note(s sighting, bridge topology.Key) {
	m := b[s.port.Key()]
	if m == nil {
		m = map[topology.Key]topology.ReadingKey{}
		b[s.port.Key()] = m
	}
	if old, ok := m[bridge]; !ok || s.reading.Compare(old) < 0 {
		m[bridge] = s.reading
	}
}

func (c *conclusions) bridgesBehind() behind {
	b := behind{}
	for _, d := range c.devices {
		if !c.isBridge[d.Key()] {
			continue
		}
		for _, mac := range c.addressesOf(d) {
			for _, s := range c.learned[mac] {
				if owner, ok := c.owner[s.port.Key()]; ok && owner != d {
					b.note(s, d.Key())
				}
			}
		}
	}
	return b
}

// addressesOf lists the hardware addresses of a device and its interfaces.
func (c *conclusions) addressesOf(d topology.Node) []topology.MAC {
	var macs []topology.MAC
	if v, ok := d.Value(topology.AttrBridgeMAC); ok {
		macs = append(macs, v.MAC())
	}
	for _, p := range c.parts[d.Key()] {
		if v, ok := p.Value(topology.AttrMAC); ok {
			macs = append(macs, v.MAC())
		}
	}
	return macs
}

// bridgeLinks concludes the links between bridges: pairs of ports through which each learned the other.
func (c *conclusions) bridgeLinks(b behind) {
	byBridge := map[topology.Key][]topology.Key{} // ports of a bridge that lead to another
	for p := range b {
		owner := c.owner[p].Key()
		byBridge[owner] = append(byBridge[owner], p)
	}
	for p, bridges := range b {
		here := c.owner[p].Key()
		for there, reading := range bridges {
			if here.Compare(there) > 0 || c.taken(p) {
				continue // each pair once
			}
			for _, q := range byBridge[there] {
				if back, ok := b[q][here]; ok && !c.taken(q) && !c.between(p, q) {
					c.later(p, q, topology.ConfidenceFDB, slices.MinFunc([]topology.ReadingKey{reading, back}, topology.ReadingKey.Compare))
				}
			}
		}
	}
}

// uplinks tells which ports lead to a bridge, by a link or by what they learned.
func (c *conclusions) uplinks(b behind) map[topology.Key]bool {
	uplink := map[topology.Key]bool{}
	for port := range b {
		uplink[port] = true
	}
	for port, ls := range c.links {
		if !slices.ContainsFunc(ls, func(l claim) bool { return c.ofBridge(l.peer) }) {
			continue
		}
		uplink[port] = true
		for _, u := range c.upper[port] {
			uplink[u.Key()] = true
		}
	}
	return uplink
}

// ofBridge reports whether an interface is one of a bridge.
func (c *conclusions) ofBridge(iface topology.Key) bool {
	owner, ok := c.owner[iface]
	return ok && c.isBridge[owner.Key()]
}

// taken reports whether an interface, or a member of it, has a link already or hears a neighbour: then addresses prove nothing more.
func (c *conclusions) taken(k topology.Key) bool {
	n, _ := c.s.Node(k)
	if c.linked(n) || len(n.Out(topology.HasNeighbor)) > 0 {
		return true
	}
	return n.Kind() == topology.LAG && slices.ContainsFunc(n.Out(topology.SupportedBy), func(e topology.Edge) bool { return c.taken(e.To.Key()) })
}

// between reports whether an address was learned on both ports: what has it stands between the two, and a bridge to hold it.
func (c *conclusions) between(p, q topology.Key) bool {
	near, _ := c.s.Node(p)
	far, _ := c.s.Node(q)
	seen := map[topology.MAC]bool{}
	for _, v := range near.Values(topology.AttrLearned) {
		seen[v.FDB().MAC] = true
	}
	return slices.ContainsFunc(far.Values(topology.AttrLearned), func(v topology.Value) bool { return seen[v.FDB().MAC] })
}

// attach concludes the link of a device that is no bridge to the one edge port where its address was learned.
func (c *conclusions) attach(mac topology.MAC, sightings []sighting, uplink map[topology.Key]bool, devices map[topology.Key]int) {
	iface, ok := c.attachable(mac)
	if !ok {
		return
	}
	var edge topology.Node
	var reading topology.ReadingKey
	for _, s := range sightings {
		if uplink[s.port.Key()] || c.owner[s.port.Key()] == c.owner[iface.Key()] {
			continue
		}
		if !edge.IsZero() && edge != s.port {
			return // two places: which is nearer cannot be told
		}
		if edge.IsZero() || s.reading.Compare(reading) < 0 {
			edge, reading = s.port, s.reading
		}
	}
	if edge.IsZero() || c.taken(edge.Key()) || c.taken(iface.Key()) || devices[edge.Key()] > 1 {
		return // nothing, something surer, or a port with several devices behind it: no cable joins the two directly
	}
	c.later(edge.Key(), iface.Key(), topology.ConfidenceFDB, reading)
}

// devicesBehind counts for each port whose addresses were learned there: each device that is known, and each address that nobody explains, since
// it may be of a bridge that nobody collects. The addresses of known guests count for nothing: they come with their host.
func (c *conclusions) devicesBehind() map[topology.Key]int {
	guests := map[topology.MAC]bool{}
	for n := range c.s.Nodes(topology.VNIC) {
		if v, ok := n.Value(topology.AttrMAC); ok {
			guests[v.MAC()] = true
		}
	}
	behind := map[topology.Key]map[string]bool{}
	for mac, sightings := range c.learned {
		who := mac.String()
		if device, ok := c.ownerOf(c.mac[mac]); ok {
			who = device.Key().String()
		} else if guests[mac] {
			continue
		}
		for _, s := range sightings {
			if behind[s.port.Key()] == nil {
				behind[s.port.Key()] = map[string]bool{}
			}
			behind[s.port.Key()][who] = true
		}
	}
	counts := make(map[topology.Key]int, len(behind))
	for p, who := range behind {
		counts[p] = len(who)
	}
	return counts
}

// attachable gives the interface with a cable that owns an address, if one device does and it is no bridge itself. A bond lends its address to its
// members and bridges, and it often is that of a member, too: the bond is meant, since frames leave by any of its members.
func (c *conclusions) attachable(mac topology.MAC) (topology.Node, bool) {
	owners := c.mac[mac]
	device, ok := c.ownerOf(owners)
	if !ok || c.isBridge[device.Key()] {
		return topology.Node{}, false
	}
	var lags, cables []topology.Node
	for _, n := range owners {
		switch {
		case n.Kind() == topology.LAG:
			lags = append(lags, n)
		case physical(n):
			if own := aggregates(c.upper[n.Key()]); len(own) > 0 {
				lags = append(lags, own...)
			} else {
				cables = append(cables, n)
			}
		}
	}
	slices.SortFunc(lags, func(a, b topology.Node) int { return a.Key().Compare(b.Key()) })
	if lag, ok := only(slices.Compact(lags)); ok {
		return lag, true
	}
	return only(cables)
}

func aggregates(all []topology.Node) []topology.Node {
	return slices.DeleteFunc(slices.Clone(all), func(n topology.Node) bool { return n.Kind() != topology.LAG })
}

// resolution concludes links from neighbour caches (ARP, RFC 826; RFC 4861) alone: two interfaces with cables, each the only known device that the
// other resolved, and neither known to any bridge, which would stand between.
func (c *conclusions) resolution() {
	met := map[topology.Key][]answer{}
	for _, d := range c.devices {
		for _, p := range c.parts[d.Key()] {
			if c.free(p) {
				met[p.Key()] = c.answers(d, p)
			}
		}
	}
	for key, answers := range met {
		if len(answers) != 1 {
			continue
		}
		peer := answers[0].peer
		back := met[peer.Key()]
		if c.free(peer) && (len(back) == 0 || len(back) == 1 && back[0].peer.Key() == key) {
			c.later(key, peer.Key(), topology.ConfidenceARP, answers[0].reading)
		}
	}
	c.settle()
}

// answer is an interface of another device that an interface resolved, and the reading that says so.
type answer struct {
	peer    topology.Node
	reading topology.ReadingKey
}

// free reports whether an interface has a cable, no link yet, and an address that no bridge learned.
func (c *conclusions) free(p topology.Node) bool { return physical(p) && !c.linked(p) && !c.bridged(p) }

func (c *conclusions) answers(d, p topology.Node) []answer {
	var found []answer
	for f := range p.Facts() {
		if f.Attr != topology.AttrARP {
			continue
		}
		peer, ok := c.resolved(f.Value.String())
		if ok && c.owner[peer.Key()] != d && !slices.ContainsFunc(found, func(a answer) bool { return a.peer == peer }) {
			found = append(found, answer{peer, f.Reading})
		}
	}
	return found
}

// resolved gives the interface that has both the address and the MAC of a cache entry "IP MAC".
func (c *conclusions) resolved(entry string) (topology.Node, bool) {
	ip, hw, _ := strings.Cut(entry, " ")
	a, err := netip.ParseAddr(ip)
	m, err2 := topology.ParseMAC(hw)
	if err != nil || err2 != nil || !m.Usable() {
		return topology.Node{}, false
	}
	var found []topology.Node
	for _, n := range c.address[a] {
		if n.Kind().Interface() && n.Text(topology.AttrMAC) == hw {
			found = append(found, n)
		}
	}
	return only(found)
}

func (c *conclusions) bridged(n topology.Node) bool {
	v, ok := n.Value(topology.AttrMAC)
	return ok && len(c.learned[v.MAC()]) > 0
}
