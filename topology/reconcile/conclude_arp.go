package reconcile

import (
	"net/netip"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// resolution concludes links from neighbour caches (ARP, RFC 826; RFC 4861) alone: two interfaces that have cables for certain, each the only known device
// that the other resolved, and neither known to any bridge, which would stand between. Addresses are on VLAN interfaces as well, whose types may not have
// been read. Two hosts that resolved each other are as good as never joined by a cable: they have moved a guest, in a network whose bridges nobody has read.
//
// Whom an interface resolved depends on its cache (answered) and on who has the addresses in it (whose). Whether that is a link depends besides on
// whether both ends are free of surer links and sightings, and on whom the other end resolved.
func (g *graph) resolution() {
	met := g.dirty.met
	for _, x := range g.dirty.sighted {
		met.add(g.called.under[macTerm(x.mac)]...)
	}
	for x := range g.dirty.links {
		met.add(x)
	}
	for x := range g.dirty.answered {
		met.add(x)
	}
	for m := range g.dirty.whose {
		for _, a := range g.asked[m] {
			met.add(a.port)
		}
	}
	again := set[ref]{} // these, and who may have resolved one of them
	for x := range met {
		again.add(x)
		if t := g.things[x]; t.cable {
			for _, a := range g.asked[t.mac] {
				again.add(a.port)
			}
		}
	}
	for x := range again {
		g.resolved.set(x, g.resolvedBy(x), g.linkChanged)
	}
}

// resolvedBy gives the link to the one interface that an interface resolved.
func (g *graph) resolvedBy(x ref) []claim {
	met, ok := only(g.resolvedPeers(x))
	if !ok || met.port == x || !g.free(met.port) || g.ofHost(x) && g.ofHost(met.port) {
		return nil
	}
	if back := g.resolvedPeers(met.port); len(back) > 1 || len(back) == 1 && back[0].port != x {
		return nil
	}
	return []claim{{x, met.port, met.reading, topology.ConfidenceARP}}
}

func (g *graph) ofHost(x ref) bool { return g.key(g.owner(x)).Kind == topology.Host }

// free reports whether an interface has a cable, no link yet, and an address that no bridge learned.
func (g *graph) free(x ref) bool {
	t := g.things[x]
	return t.hardware && !g.linked(x) && !believed(g.trunks.at[x]) && !believed(g.edges.at[x]) && len(g.sightings(t.mac)) == 0
}

// resolvedPeers lists the interfaces of other devices that a free interface of a device resolved, each with the reading that says so; of more than one
// it gives two.
func (g *graph) resolvedPeers(x ref) []sighting {
	if g.owner(x) == 0 || !g.free(x) {
		return nil
	}
	var found []sighting
	for f := range g.node(x).About(topology.AttrARP) {
		peer, ok := g.resolve(f.Value)
		if !ok || g.owner(peer) == g.owner(x) || slices.ContainsFunc(found, func(s sighting) bool { return s.port == peer }) {
			continue
		}
		if found = append(found, sighting{peer, g.readings.ref(f.Reading)}); len(found) > 1 {
			break
		}
	}
	return found
}

// resolve gives the interface that has both the address and the MAC of a cache entry.
func (g *graph) resolve(entry topology.Value) (ref, bool) {
	ip, mac, ok := cacheEntry(entry)
	a, err := netip.ParseAddr(ip)
	if err != nil || !ok || !mac.Usable() {
		return 0, false
	}
	var found []ref
	for _, x := range g.called.under[addressTerm(a)] {
		if g.key(x).Kind.Interface() && g.things[x].mac == mac {
			found = append(found, x)
		}
	}
	return only(found)
}

// guestAddresses finds the vNICs to which neighbour caches may give other addresses now: those whose MAC changed, or an entry with it (leased), or the
// addresses of the gateway that has the entry.
func (g *graph) guestAddresses() {
	for x := range g.dirty.gateways {
		for v := range g.node(x).Stated(topology.AttrARP) {
			if _, m, ok := cacheEntry(v); ok {
				g.dirty.leased.add(m)
			}
		}
	}
	for m := range g.dirty.whose {
		g.dirty.leased.add(m)
	}
	for m := range g.dirty.leased {
		g.dirty.subjects.add(g.guests.under[m]...)
	}
	for x := range g.dirty.vnics {
		g.dirty.subjects.add(x)
	}
}

// guestAddress concludes the addresses of a vNIC from neighbour caches: the MAC is the vNIC's, and no other vNIC has it.
func (g *graph) guestAddress(x ref, n topology.Node, state conclusion) {
	v, ok := n.Value(topology.AttrMAC)
	if !ok || len(g.guests.under[v.MAC()]) != 1 {
		return
	}
	for _, a := range g.asked[v.MAC()] {
		if addr, err := netip.ParseAddr(a.ip); err == nil && !addr.IsLinkLocalUnicast() {
			atGateway(g.key(x), g.node(a.port), addr, a.reading, state)
		}
	}
}

// atGateway gives a guest's address the length of the gateway's prefix that holds it.
func atGateway(vnic topology.Key, gateway topology.Node, addr netip.Addr, reading ref, state conclusion) {
	for v := range gateway.Stated(topology.AttrAddress) {
		p := v.Prefix()
		if !p.Contains(addr) {
			continue
		}
		full := netip.PrefixFrom(addr, p.Bits())
		state(topology.Attribute(vnic, topology.AttrAddress, topology.PrefixValue(full)), topology.ConfidenceByMatch, reading)
		if subnet, ok := subnetOf(full); ok {
			state(topology.Relate(vnic, topology.InSubnet, subnet), topology.ConfidenceByMatch, reading)
		}
		return
	}
	state(topology.Attribute(vnic, topology.AttrUnnumbered, topology.AddrValue(addr)), topology.ConfidenceByMatch, reading)
}
