package reach

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// place is where an end is in its segment. Ends with one place are behind ports of the same switches that are as good, nothing stops or hampers their frames before these, and
// they share no bridge with the interface: the ways to them part from one another in what is the same before and after. Others have a place of their own.
func (s *shifting) place(q Endpoint) string {
	own := q.Node.Key().String()
	if q.Node.Kind() != topology.VNIC {
		return own
	}
	p := s.before.berthOf(q.Node)
	if p.text == "" || slices.ContainsFunc(p.plugs, func(k topology.Key) bool { return s.bridges()[k] }) {
		return own
	}
	return p.text
}

// berth is where frames of a vNIC enter the switches, "" if something stops or hampers them before, and what it plugs into on the way there.
type berth struct {
	text  string
	plugs []topology.Key
}

// berthOf finds the berth of a vNIC. It is looked for once.
func (n *Network) berthOf(vnic topology.Node) berth {
	if s := n.standOf(vnic); s != nil {
		if s.at == nil {
			b := n.findBerth(vnic)
			s.at = &b
		}
		return *s.at
	}
	known, ok := n.berths[vnic.Key()]
	if !ok {
		known = n.findBerth(vnic)
		n.berths[vnic.Key()] = known
	}
	return known
}

func (n *Network) findBerth(vnic topology.Node) (at berth) {
	var b strings.Builder
	for _, p := range n.paths(vnic) {
		for i, h := range p.Hops {
			if h.Fault != "" || h.Doubt != "" {
				return berth{}
			}
			if k := h.Node.Key(); i > 0 && h.Rel != topology.Link && !slices.Contains(at.plugs, k) {
				at.plugs = append(at.plugs, k)
			}
			if i == 0 || h.Rel != topology.Link {
				continue
			}
			owner, ok := h.Node.Owner()
			if !ok || limited(h.Node) {
				return berth{}
			}
			fmt.Fprintf(&b, "%s %d %t %s\n", owner.Key(), h.VID, h.Tagged, halves(h.Node))
			break
		}
	}
	at.text = b.String()
	return at
}

// bridges gives what the interface plugs into, before and after.
func (s *shifting) bridges() map[topology.Key]bool {
	if s.plugs == nil {
		s.plugs = map[topology.Key]bool{}
		for _, side := range []*side{s.old, s.now} {
			for _, k := range side.plugsOf(side.end.Node) {
				s.plugs[k] = true
			}
		}
	}
	return s.plugs
}

// plugsOf lists what a vNIC's frames come by up to the first cable.
func (n *Network) plugsOf(vnic topology.Node) (keys []topology.Key) {
	s := n.standOf(vnic)
	if s != nil && s.plugs != nil {
		return s.plugs
	}
	for _, p := range n.paths(vnic) {
		for _, h := range p.Hops[1:] {
			if h.Rel == topology.Link {
				break
			}
			if k := h.Node.Key(); !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	if s != nil {
		s.plugs = keys
	}
	return keys
}

// limited tells that not all that comes to a port, or to its aggregate, gets out of any other one.
func limited(port topology.Node) bool {
	return slices.ContainsFunc(bundled(port), func(n topology.Node) bool { return len(n.Values(topology.AttrPortLimit)) > 0 })
}

// halves words the other halves of a port's aggregates, which hold frames back while they are up.
func halves(port topology.Node) string {
	var words []string
	for _, n := range bundled(port) {
		for _, half := range n.Peers(topology.PeerLAG) {
			owner, _ := half.Owner()
			words = append(words, owner.Key().String()+" "+half.Text(topology.AttrState))
		}
	}
	return strings.Join(words, ",")
}

// linked lists the interfaces and vNICs with a subnet that an address is in, and those by which a route leads to it without another hop.
func (n *Network) linked(a netip.Addr) []topology.Node {
	if n.before != nil {
		return n.all(n.before.linked(a))
	}
	if n.onLinks == nil {
		n.onLinks = map[netip.Prefix][]topology.Node{}
		for node := range n.Nodes(topology.VNIC, topology.Port, topology.NIC, topology.LAG) {
			for _, p := range addressesOf(node) {
				if !p.IsSingleIP() {
					n.onLinks[p.Masked()] = append(n.onLinks[p.Masked()], node)
				}
			}
		}
		for node := range n.Nodes(topology.Route) {
			n.linkRoute(node)
		}
	}
	var all []topology.Node
	for bits := range a.BitLen() + 1 {
		p, _ := a.Prefix(bits)
		all = append(all, n.onLinks[p]...)
	}
	return all
}

func (n *Network) linkRoute(route topology.Node) {
	v, ok := route.Value(topology.AttrPrefix)
	if !ok {
		return
	}
	p := v.Prefix().Masked()
	if hop, ok := route.Value(topology.AttrNextHop); ok && !hop.Addr().IsUnspecified() {
		p = netip.PrefixFrom(hop.Addr(), hop.Addr().BitLen()) // packets to the next hop itself are on the link
	}
	for _, e := range route.Out(topology.RoutesVia) {
		if !slices.Contains(n.onLinks[p], e.To) {
			n.onLinks[p] = append(n.onLinks[p], e.To)
		}
	}
}
