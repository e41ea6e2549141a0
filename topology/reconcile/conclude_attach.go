package reconcile

import (
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// attachments concludes where the devices that are no bridges are attached, address by address: at the one port that is not on the way to a bridge.
//
// That depends on where the address was learned (sighted), on who has it (whose), on which of the ports lead to bridges, have something surer or somebody
// else behind them (ports), and on what neighbours say of the interface.
func (g *graph) attachments() {
	for x := range g.dirty.vnics {
		var macs []topology.MAC
		if v, ok := g.node(x).Value(topology.AttrMAC); ok {
			macs = append(macs, v.MAC())
		}
		g.dirty.whose.add(g.guests.set(x, macs)...)
	}
	uplinks := map[ref]bool{}
	for m := range g.dirty.whose {
		g.dirty.macs.add(m)
		for _, s := range g.sightings(m) {
			if !g.uplink(s.port, uplinks) {
				g.dirty.ports.add(s.port)
			}
		}
	}
	for _, x := range g.dirty.sighted {
		g.dirty.macs.add(x.mac)
		if _, counts := g.speaker(x.mac); counts && !g.uplink(x.port, uplinks) {
			g.dirty.ports.add(x.port)
		}
	}
	for p := range g.dirty.ports {
		for _, m := range g.learnedAt(p) {
			if len(g.called.under[macTerm(m)]) > 0 {
				g.dirty.macs.add(m)
			}
		}
	}
	for m := range g.dirty.macs {
		g.edges.set(m, g.attach(m, uplinks), g.linkChanged)
	}
}

// attach gives the link of a device that is no bridge to the one edge port where its address was learned.
func (g *graph) attach(mac topology.MAC, uplinks map[ref]bool) []claim {
	iface, ok := g.attachable(mac)
	if !ok {
		return nil
	}
	var edge, reading ref
	for _, s := range g.sightings(mac) {
		if g.owner(s.port) == g.owner(iface) || g.uplink(s.port, uplinks) {
			continue
		}
		if edge != 0 && edge != s.port {
			return nil // two places: which is nearer cannot be told
		}
		if edge == 0 || g.earlier(s.reading, reading) {
			edge, reading = s.port, s.reading
		}
	}
	if edge == 0 || edge == iface || g.taken(edge) || g.taken(iface) || g.crowded(edge) {
		return nil // nothing, something surer, or a port with several devices behind it: no cable joins the two directly
	}
	return []claim{{edge, iface, reading, topology.ConfidenceFDB}}
}

// attachable gives the interface with a cable that owns an address, if one device does and it is no bridge itself. A bond lends its address to its
// members and bridges, and it often is that of a member, too: the bond is meant, since frames leave by any of its members.
func (g *graph) attachable(mac topology.MAC) (ref, bool) {
	owners := g.called.under[macTerm(mac)]
	if device, ok := g.deviceOf(owners); !ok || g.isBridge(device) {
		return 0, false
	}
	var lags, cables []ref
	for _, x := range owners {
		switch {
		case g.key(x).Kind == topology.LAG:
			lags = append(lags, x)
		case g.things[x].cable:
			if own := g.aggregates(x); len(own) > 0 {
				lags = append(lags, own...)
			} else {
				cables = append(cables, x)
			}
		}
	}
	slices.Sort(lags)
	if lag, ok := only(slices.Compact(lags)); ok {
		return lag, true
	}
	return only(cables)
}

// uplink tells whether a port leads to a bridge, by a link or by what it learned; known holds the answers so far.
func (g *graph) uplink(port ref, known map[ref]bool) bool {
	is, ok := known[port]
	if !ok {
		is = len(g.behind.words[port]) > 0 || g.leadsToBridge(port) || slices.ContainsFunc(g.lowers(port), g.leadsToBridge)
		known[port] = is
	}
	return is
}

// leadsToBridge reports whether neighbours say, even if denied, that an interface has a link to one of a bridge.
func (g *graph) leadsToBridge(x ref) bool {
	return slices.ContainsFunc(g.heard.at[x], func(l claim) bool { return g.isBridge(g.owner(l.peer(x))) })
}

// crowded reports whether there are several behind a port: each device that is known, and each address that nobody explains, since it may be of a bridge
// that nobody collects. The addresses of known guests count for nothing: they come with their host.
func (g *graph) crowded(port ref) bool {
	var first speaker
	for _, m := range g.learnedAt(port) {
		s, counts := g.speaker(m)
		if counts && first != (speaker{}) && s != first {
			return true
		}
		if counts {
			first = s
		}
	}
	return false
}

// speaker is who is behind a port: a device, or else an address.
type speaker struct {
	device ref
	mac    topology.MAC
}

func (g *graph) speaker(mac topology.MAC) (s speaker, counts bool) {
	if device, ok := g.deviceOf(g.called.under[macTerm(mac)]); ok {
		return speaker{device: device}, true
	}
	return speaker{mac: mac}, len(g.guests.under[mac]) == 0
}
