package reach

import (
	"fmt"

	"github.com/throughline-dc/throughline/topology"
)

// Narrow is where packets of the size that their sender may send do not fit: the least MTU that is known of a way.
type Narrow struct {
	Node         topology.Node
	Octets, Sent int64 // of IP packets: what fits, and what the sender puts into one at most
	Silent       bool  // frames are lost there without a word: it is not an interface by which somebody routes them
}

// usualMTU is what a guest sends of which nobody says otherwise (Ethernet, RFC 894).
const usualMTU = 1500

// narrow finds the narrowest place of a way; nil where all fits, as far as is known. It takes nothing from what arrives: small packets do.
func (l *Leg) narrow(sender topology.Node) *Narrow {
	sent, known := sender.Int(topology.AttrMTU)
	switch {
	case known:
	case sender.Kind() == topology.VNIC:
		sent = usualMTU
	default:
		return nil
	}
	least := Narrow{Octets: sent, Sent: sent}
	for l := range l.All() {
		routed := false
		for _, s := range l.Steps {
			routed = routed || s.Route != ""
			for i, h := range s.Hops {
				if mtu, ok := h.Node.Int(topology.AttrMTU); ok && mtu > 0 && mtu < least.Octets {
					least.Node, least.Octets, least.Silent = h.Node, mtu, i > 0 || !routed
				}
			}
			routed = routed && len(s.Hops) == 0
		}
	}
	if least.Node.IsZero() {
		return nil
	}
	return &least
}

// unsized finds an interface on a way of which nobody says how large packets may be, or whoever does was not read whole, where the sender's may be larger than Ethernet's own.
func (l *Leg) unsized(sender topology.Node) topology.Node {
	sent, known := sender.Int(topology.AttrMTU)
	switch {
	case !known:
		return sender
	case sent <= usualMTU:
		return topology.Node{}
	}
	for l := range l.All() {
		for _, s := range l.Steps {
			for _, h := range s.Hops {
				if said, ok := h.Node.Evidence(topology.AttrMTU); (!ok || said.Reading.Partial) && h.Node.Kind().Interface() {
					return h.Node
				}
			}
		}
	}
	return topology.Node{}
}

// String says what becomes of packets that do not fit.
func (n *Narrow) String() string {
	owner := ""
	if o, ok := n.Node.Owner(); ok {
		owner = " of " + o.Name()
	}
	text := fmt.Sprintf("packets of more than %d octets do not fit at %s%s, and up to %d are sent: ", n.Octets, nameOf(n.Node), owner, n.Sent)
	if n.Silent {
		return text + "they are lost there without a word"
	}
	return text + "they are fragmented there, or the sender is told, if ICMP gets back to it"
}
