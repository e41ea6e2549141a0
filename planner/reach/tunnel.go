package reach

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// sender is a switch that sends frames into a tunnel (VXLAN, RFC 7348), and how they come to it.
type sender struct {
	hops   []topology.Hop // to the switch, the last one of it
	device topology.Node
	port   topology.Node // of the tunnel
	to     netip.Addr    // the other end
}

// tunnelled brings frames to where no bridge leads, through the tunnels in which switches on their ways have learned the target's address. It is nil where none has.
func (x *explorer) tunnelled(from, to topology.Node, then func() *Leg) *Leg {
	v, ok := to.Value(topology.AttrMAC)
	if !ok || x.end != nil { // tunnels in tunnels are not followed
		return nil
	}
	l := &Leg{}
	senders, gap := x.senders(from, v.MAC())
	for _, s := range senders {
		vni, ok := s.port.Int(topology.AttrVNI)
		if !ok {
			gap = cmp.Or(gap, "no source says which VXLAN "+nameOf(s.port)+" of "+s.device.Name()+" is")
			continue
		}
		doubt := cmp.Or(x.troubled(s.hops), idle(s.port), x.stale(s.port, topology.AttrTunnelEntry, topology.AttrState))
		steps := []Step{{Hops: s.hops, Doubt: doubt}}
		steps = append(steps, x.bridged(append(slices.Clip(s.hops), topology.Hop{Node: s.port, VID: s.hops[len(s.hops)-1].VID}))...)
		steps = append(steps, Step{Device: s.device, Route: fmt.Sprintf("VXLAN %d to %s by %s", vni, s.to, nameOf(s.port))})
		next := x.outer(s, func(d *device) *Leg { return x.leaves(d, vni, to, then) })
		l.Next = append(l.Next, Branch{Leg: &Leg{Steps: append(steps, next.Steps...), End: next.End, Why: next.Why, Next: next.Next}})
	}
	if len(l.Next) > 0 && gap != "" { // frames may take a way on which nobody is known to send them into a tunnel
		l.Next = append(l.Next, Branch{Leg: ended(Unknown, gap)})
	}
	switch len(l.Next) {
	case 0:
		return nil
	case 1:
		return l.Next[0].Leg
	}
	return l
}

// troubled is what is wrong, or not known, on a part of a way.
func (x *explorer) troubled(hops []topology.Hop) string {
	why := ""
	for _, h := range hops {
		why = cmp.Or(why, h.Fault, h.Doubt, x.oldHop(h))
	}
	return why
}

// idle is why nothing passes the port of a tunnel.
func idle(port topology.Node) string {
	if state := port.Text(topology.AttrState); state != "" && state != "up" && state != "unknown" {
		return nameOf(port) + " is " + state
	}
	return ""
}

// senders gives the first switch on each way from an interface that has learned the address at a tunnel of the frames' VLAN, and of ways without one why.
func (x *explorer) senders(from topology.Node, mac topology.MAC) (all []sender, gap string) {
	for _, p := range x.paths(from) {
		known := false
		for i, h := range p.Hops {
			device, ok := h.Node.Owner()
			if !ok || !device.Kind().Device() || h.VID == 0 {
				continue
			}
			found := learnedInTunnels(device, h.VID, mac)
			if len(found) == 0 {
				continue
			}
			known = true
			for _, s := range found {
				s.hops = p.Hops[: i+1 : i+1]
				if !slices.ContainsFunc(all, func(o sender) bool {
					return o.port == s.port && o.to == s.to && o.hops[len(o.hops)-1].Node == h.Node
				}) {
					all = append(all, s)
				}
			}
			break
		}
		if !known {
			gap = cmp.Or(gap, p.Gap, "no tunnel on a way from "+from.Name()+" has learned "+mac.String())
		}
	}
	return all, gap
}

// learnedInTunnels gives the tunnels of a VLAN in which a switch has learned an address.
func learnedInTunnels(device topology.Node, vid topology.VID, mac topology.MAC) []sender {
	var all []sender
	for _, e := range device.Out(topology.Contains) {
		if v, ok := e.To.Value(topology.AttrUntagged); !ok || !v.VIDs().Has(vid) {
			continue
		}
		for _, v := range e.To.Values(topology.AttrTunnelEntry) {
			hw, ip, _ := strings.Cut(v.String(), " ")
			if a, err := netip.ParseAddr(ip); err == nil && hw == mac.String() {
				all = append(all, sender{device: device, port: e.To, to: a})
			}
		}
	}
	return all
}

// outer brings the packets of a tunnel to its other end. What filters do to them on their way depends on what is around the packets that are asked about.
func (x *explorer) outer(s sender, end func(*device) *Leg) *Leg {
	d := x.device(s.device)
	if d.has(s.to, x.Network) {
		return ended(Unknown, s.device.Name()+" is itself at the other end of its tunnel to "+s.to.String())
	}
	out := &explorer{Network: x.Network, ctx: x.ctx, family: familyOf(s.to), sourced: true, holds: x.holds, made: map[place]*Leg{}, inside: map[place]bool{}, end: end}
	if v, ok := s.port.Value(topology.AttrVTEP); ok {
		out.source, out.sourced = v.Addr(), false
	}
	l := out.forward(d, topology.Node{}, vrfOf(s.port), s.to, 0)
	x.legs += out.legs
	return l
}

// carriedPast is a filter that packets meet inside of others.
func carriedPast(d *device, h hooked) Step {
	if !stops(h.filter) {
		return Step{Device: d.node}
	}
	return Step{Device: d.node, Doubt: fmt.Sprintf("what %s of %s does to packets of tunnels is not looked at", h.filter.Name, d.node.Name())}
}

// inVLAN brings frames from an interface of a switch to another one, which may be the same.
func (x *explorer) inVLAN(from, to topology.Node, then func() *Leg) *Leg {
	if from == to {
		return then()
	}
	return x.carried(from, to, then)
}

// leaves brings frames from the end of a tunnel to their target in the VLAN that the tunnel has there.
func (x *explorer) leaves(d *device, vni int64, to topology.Node, then func() *Leg) *Leg {
	var vlans topology.VIDSet
	found, down := false, ""
	for _, e := range d.node.Out(topology.Contains) {
		if n, ok := e.To.Int(topology.AttrVNI); ok && n == vni {
			if v, ok := e.To.Value(topology.AttrUntagged); ok {
				vlans, found, down = v.VIDs(), true, cmp.Or(idle(e.To), x.stale(e.To, topology.AttrUntagged, topology.AttrState))
			}
		}
	}
	if !found {
		return ended(Unknown, fmt.Sprintf("no source says in which VLAN %s has VXLAN %d", d.node.Name(), vni))
	}
	for _, p := range x.paths(to) {
		for _, h := range p.Hops {
			if o, ok := h.Node.Owner(); ok && o == d.node && vlans.Has(h.VID) {
				steps := slices.Concat([]Step{{Device: d.node, Doubt: down}}, x.passes(d), x.vlanMaps(d, h), x.segment(d, h))
				l := x.inVLAN(h.Node, to, then)
				return &Leg{Steps: append(steps, l.Steps...), End: l.End, Why: l.Why, Next: l.Next}
			}
		}
	}
	return ended(Unknown, fmt.Sprintf("no way from VXLAN %d of %s to %s is known", vni, d.node.Name(), to.Name()))
}
