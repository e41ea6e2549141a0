package reach

import (
	"context"
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Announced tells whether what a guest sends so that switches and neighbours learn where it is (gratuitous ARP: RFC 5227, 3) leaves its host by every way on which
// frames pass: Yes, No, or NotKnown; and why not.
func (n *Network) Announced(ctx context.Context, vnic topology.Node) (Verdict, string) {
	x := n.explorer(ctx, nil)
	x.family = policy.IPv4
	h := n.discoveryOf(policy.ARP)
	mac := guestMAC(vnic)
	var own ARP
	if as := addressesOf(vnic); len(as) > 0 {
		own.Sender, own.Target = as[0].Addr(), as[0].Addr()
	}
	own.Operation, own.SenderMAC = request, mac
	out, verdict, reason := map[topology.Key]bool{}, Yes, ""
	for _, p := range n.paths(vnic) {
		i := slices.IndexFunc(p.Hops, func(h topology.Hop) bool { return h.Rel == topology.Link })
		if i < 0 || slices.ContainsFunc(p.Hops[:i], func(h topology.Hop) bool { return h.Fault != "" }) || out[p.Hops[i].Node.Key()] {
			continue
		}
		out[p.Hops[i].Node.Key()] = true
		l := ended(Delivered, "", x.bridged(p.Hops[:i+1])...)
		for i := range l.Steps { // what is not known of a device is not what is asked here
			if l.Steps[i].Filter == nil {
				l.Steps[i].Doubt = ""
			}
			l.Steps[i].at.SourceMAC, l.Steps[i].at.DestinationMAC, l.Steps[i].at.ARP = mac, broadcast, own
		}
		f, unclear := h.walk(l, make(packet.Packet, len(h.Fields())))
		if f.must && !unclear {
			continue
		}
		why := h.announcementLost(l, vnic, f.can || unclear)
		if !f.can && !unclear {
			return No, why
		}
		verdict, reason = NotKnown, why
	}
	if len(out) == 0 {
		return NotKnown, "no way is known on which frames of " + vnic.Name() + " leave its host"
	}
	return verdict, reason
}

// announcementLost names the rule that stops it, or may.
func (h *Headers) announcementLost(l *Leg, vnic topology.Node, may bool) string {
	does := "is dropped"
	if may {
		does = "may be dropped"
	}
	steps, _, _ := h.Trace(l, make(packet.Packet, len(h.Fields())))
	for _, s := range steps {
		for _, hit := range s.Hits {
			if !hit.Passed || hit.Unsure {
				return fmt.Sprintf("the announcement of %s (gratuitous ARP) %s by %s of %s (%s)", vnic.Name(), does, hit.Filter.Name, s.Device.Name(), hit.Words())
			}
		}
	}
	return fmt.Sprintf("the announcement of %s (gratuitous ARP) %s on its way out", vnic.Name(), does)
}
