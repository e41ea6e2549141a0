package reach

import (
	"cmp"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// RailState is what is known of the ways of a rail: those that are whole, that nothing stops, and that no reading too old says.
type RailState struct {
	topology.Rail
	Ways   int
	Ports  []topology.Node // of the host, at which they leave it: interfaces with a cable, initiator ports
	Shared []topology.Node // devices that all of them have, other than the host
	Hops   int             // switches, routers and firewalls on the longest
	Served bool            // something beyond the host is on a way: a fabric or network, and not only the host's own disk
	Broken []topology.Hop  // what stops the others
	Doubt  string          // why there may be more ways than these; "" if there are not
}

// StateOf tells of the ways of a rail of a VM or host.
func (n *Network) StateOf(r topology.Rail, host topology.Node) RailState {
	s := RailState{Rail: r}
	if r.More > 0 {
		s.Doubt = "there are more ways than are looked at"
	}
	for _, p := range r.Paths {
		for _, h := range p.Hops {
			on := deviceOf(h.Node)
			s.Served = s.Served || !on.IsZero() && on != host || h.Node.Kind() == topology.TargetPort || h.Node.Kind() == topology.InitiatorPort
		}
		switch i := slices.IndexFunc(p.Hops, func(h topology.Hop) bool { return h.Fault != "" }); {
		case i >= 0:
			s.Doubt = cmp.Or(s.Doubt, n.oldHop(p.Hops[i]))
			if !slices.ContainsFunc(s.Broken, func(h topology.Hop) bool { return h.Node == p.Hops[i].Node && h.Fault == p.Hops[i].Fault }) {
				s.Broken = append(s.Broken, p.Hops[i])
			}
		case !p.Complete:
			s.Doubt = cmp.Or(s.Doubt, p.Gap, "not all of it is known")
		default:
			s.add(n, p, host)
		}
	}
	if len(r.Paths) == 0 {
		s.Doubt = cmp.Or(s.Doubt, "no source says where it leads")
	}
	return s
}

// add counts a whole way.
func (s *RailState) add(n *Network, p topology.Path, host topology.Node) {
	if why := n.oldPath(p); why != "" {
		s.Doubt = cmp.Or(s.Doubt, why)
		return
	}
	on := slices.DeleteFunc(devicesOf(p), func(d topology.Node) bool { return d == host || d.Kind() == topology.VM })
	if s.Ways++; s.Ways == 1 {
		s.Shared = on
	} else {
		s.Shared = slices.DeleteFunc(s.Shared, func(d topology.Node) bool { return !slices.Contains(on, d) })
	}
	hops := 0
	for _, d := range on {
		switch d.Kind() {
		case topology.Switch, topology.Router, topology.Firewall, topology.FCSwitch:
			hops++
		}
	}
	s.Hops = max(s.Hops, hops)
	if port := leaves(p, host); !port.IsZero() && !slices.Contains(s.Ports, port) {
		s.Ports = append(s.Ports, port)
	}
}

// leaves is the port of the host at which a way leaves it: the initiator port, or the last interface before another device.
func leaves(p topology.Path, host topology.Node) topology.Node {
	var last topology.Node
	for _, h := range p.Hops {
		if h.Node.Kind() == topology.InitiatorPort {
			return h.Node
		}
		if d := deviceOf(h.Node); d == host && h.Node.Kind().Interface() {
			last = h.Node
		} else if !d.IsZero() && d != host && d.Kind() != topology.VM {
			break
		}
	}
	return last
}

// deviceOf is the device that a node is, or is a part of.
func deviceOf(n topology.Node) topology.Node {
	for range 8 { // parts of parts
		if n.Kind().Device() {
			return n
		}
		owner, ok := n.Owner()
		if !ok {
			break
		}
		n = owner
	}
	return topology.Node{}
}
