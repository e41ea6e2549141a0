package reconcile

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// distributed concludes which aggregates on several systems are one (IEEE 802.1AX DRNI): those with one partner and key, and those whose
// members' cables end in one aggregate on the far side.
func (c *conclusions) distributed() {
	type partner struct {
		system topology.Value
		key    int64
	}
	groups := map[partner][]topology.Node{}
	for lag := range c.s.Nodes(topology.LAG) {
		system, ok := lag.Value(topology.AttrPartnerSystemID)
		key, hasKey := lag.Int(topology.AttrPartnerKey)
		if ok && hasKey && system.MAC() != 0 {
			groups[partner{system, key}] = append(groups[partner{system, key}], lag)
		}
		c.peers(c.farAggregates(lag), topology.AttrMAC)
	}
	for _, lags := range groups {
		c.peers(lags, topology.AttrPartnerSystemID)
	}
}

// farAggregates gives the aggregates at the other ends of a LAG's members.
func (c *conclusions) farAggregates(lag topology.Node) []topology.Node {
	var far []topology.Node
	for _, e := range lag.Out(topology.SupportedBy) {
		for _, l := range c.links[e.To.Key()] {
			for _, up := range c.upper[l.peer] {
				if up.Kind() == topology.LAG && l.confidence > topology.ConfidenceDenied && !slices.Contains(far, up) {
					far = append(far, up)
				}
			}
		}
	}
	return far
}

// peers states that aggregates on different devices are one. The evidence is the reading that gave the attribute, else the one that gave the LAG.
func (c *conclusions) peers(lags []topology.Node, evidence topology.Attr) {
	for i, a := range lags {
		for _, b := range lags[i+1:] {
			if c.owner[a.Key()] == c.owner[b.Key()] || apart(a, b) {
				continue
			}
			for _, n := range []topology.Node{a, b} {
				if reading, ok := anyReading(n, evidence); ok {
					c.state(topology.Attribute(n.Key(), topology.AttrDistributed, topology.BoolValue(true)), topology.ConfidenceByMatch, reading)
				}
			}
			if reading, ok := anyReading(a, evidence); ok {
				c.state(topology.Relate(a.Key(), topology.PeerLAG, b.Key()), topology.ConfidenceByMatch, reading)
			}
		}
	}
}

// apart reports that LACP tells two aggregates from each other: they are of one system and have different keys, which are a part of the identity of an
// aggregate (IEEE 802.1AX, LAG ID). A miscabled bond ends in two such.
func apart(a, b topology.Node) bool {
	system, ok := a.Value(topology.AttrActorSystemID)
	other, also := b.Value(topology.AttrActorSystemID)
	key, keyed := a.Int(topology.AttrActorKey)
	otherKey, alsoKeyed := b.Int(topology.AttrActorKey)
	return ok && also && keyed && alsoKeyed && system == other && key != otherKey
}

func anyReading(n topology.Node, a topology.Attr) (topology.ReadingKey, bool) {
	if f, ok := n.Evidence(a); ok {
		return f.Reading, true
	}
	for f := range n.Facts() {
		if !f.Derived {
			return f.Reading, true
		}
	}
	return topology.ReadingKey{}, false
}

// subnets concludes from interface addresses which subnets there are and who is in them.
func (c *conclusions) subnets() {
	for n := range c.s.Nodes(topology.Port, topology.NIC, topology.LAG) {
		for f := range n.Facts() {
			if f.Attr != topology.AttrAddress {
				continue
			}
			subnet, ok := subnetOf(f.Value.Prefix())
			if !ok {
				continue
			}
			c.state(topology.Relate(n.Key(), topology.InSubnet, subnet), topology.ConfidenceStated, f.Reading)
			c.state(topology.Attribute(subnet, topology.AttrPrefix, topology.PrefixValue(f.Value.Prefix().Masked())), topology.ConfidenceStated, f.Reading)
		}
	}
}

func subnetOf(p netip.Prefix) (topology.Key, bool) {
	a := p.Addr()
	if !p.IsValid() || p.IsSingleIP() || p.Bits() == 0 || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() {
		return topology.Key{}, false
	}
	return topology.Key{Kind: topology.Subnet, ID: p.Masked().String()}, true
}

// guestAddresses concludes vNIC addresses from neighbour caches: the MAC is the vNIC's, and no other vNIC has it.
func (c *conclusions) guestAddresses() {
	vnics := map[string][]topology.Node{}
	for n := range c.s.Nodes(topology.VNIC) {
		if mac := n.Text(topology.AttrMAC); mac != "" {
			vnics[mac] = append(vnics[mac], n)
		}
	}
	if len(vnics) == 0 {
		return
	}
	for p := range c.s.Nodes(topology.Port, topology.NIC, topology.LAG) {
		for f := range p.Facts() {
			if f.Attr != topology.AttrARP {
				continue
			}
			ip, hw, _ := strings.Cut(f.Value.String(), " ")
			vnic, ok := only(vnics[hw])
			addr, err := netip.ParseAddr(ip)
			if !ok || err != nil || addr.IsLinkLocalUnicast() {
				continue
			}
			c.guestAddress(vnic, p, addr, f.Reading)
		}
	}
}

func (c *conclusions) guestAddress(vnic, gateway topology.Node, addr netip.Addr, reading topology.ReadingKey) {
	for _, v := range gateway.Values(topology.AttrAddress) {
		if p := v.Prefix(); p.Contains(addr) {
			full := netip.PrefixFrom(addr, p.Bits())
			c.state(topology.Attribute(vnic.Key(), topology.AttrAddress, topology.PrefixValue(full)), topology.ConfidenceByMatch, reading)
			if subnet, ok := subnetOf(full); ok {
				c.state(topology.Relate(vnic.Key(), topology.InSubnet, subnet), topology.ConfidenceByMatch, reading)
			}
			return
		}
	}
	c.state(topology.Attribute(vnic.Key(), topology.AttrUnnumbered, topology.AddrValue(addr)), topology.ConfidenceByMatch, reading)
}
