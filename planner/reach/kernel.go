package reach

import (
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// tri is what is known of a yes or no.
type tri uint8

const (
	notSaid tri = iota
	yes
	no
	either // sources say both
)

// switched reads a switch of the kernel: "ipv4", or "ipv4 off".
func switched(n topology.Node, a topology.Attr, word string) tri {
	said := notSaid
	for _, v := range n.Values(a) {
		now := notSaid
		switch v.String() {
		case word:
			now = yes
		case word + " off":
			now = no
		default: // another switch
		}
		if now != notSaid && said != notSaid && now != said {
			return either
		}
		said = max(said, now)
	}
	return said
}

func (x *explorer) word() string {
	if x.family == policy.IPv6 {
		return "ipv6"
	}
	return "ipv4"
}

// forwards tells whether a device forwards what comes in by an interface: the end is Delivered if it does, Dropped if not, Unknown if nobody knows. What the
// interface says goes before what the device says. Of routers, firewalls and switches that have routes it is taken for granted unless one of them says otherwise; a
// host routes packets of others only if it says so (ip_forward), or says to its neighbours that it is a router.
func (x *explorer) forwards(d *device, in topology.Node) (end End, why string) {
	name, kind := d.node.Name(), d.node.Kind()
	for _, n := range []topology.Node{in, d.node} {
		said := switched(n, topology.AttrForwarding, x.word())
		if said == notSaid {
			continue
		}
		if old := x.stale(n, topology.AttrForwarding); old != "" {
			return Unknown, old
		}
		_, inVRF := in.First(topology.InVRF)
		switch {
		case said == yes:
			return Delivered, ""
		case said == either:
			return Unknown, "sources contradict each other whether " + name + " forwards " + x.word()
		case n == d.node && inVRF: // it may speak of the table outside of VRFs alone
			return Unknown, fmt.Sprintf("%s says that it forwards no %s: whether that holds in the VRF of %s, nobody says", name, x.word(), nameOf(in))
		}
		return Dropped, fmt.Sprintf("%s forwards no %s that comes in by %s", name, x.word(), nameOf(in))
	}
	router := slices.ContainsFunc(d.node.Values(topology.AttrCapability), func(v topology.Value) bool { return v.String() == "router" })
	if router || kind == topology.Router || kind == topology.Firewall || kind == topology.Switch {
		return Delivered, ""
	}
	return Unknown, fmt.Sprintf("nobody says whether %s forwards packets of others", name)
}

// The rules of an interface that look at the way back to the source (net.ipv4.conf.*.rp_filter).
const (
	rpfStrict = "rpf strict" // it is by this interface
	rpfLoose  = "rpf loose"  // there is one
)

// wayBack tells whether packets pass the look at the way back to their source, where the interface by which they come in takes it (RFC 3704).
func (x *explorer) wayBack(d *device, in topology.Node) (end End, why string) {
	mode := ""
	for _, v := range in.Values(topology.AttrPolicyRule) {
		if s := v.String(); s == rpfStrict || s == rpfLoose && mode == "" {
			mode = s
		}
	}
	switch {
	case x.family != policy.IPv4:
		return Delivered, ""
	case d.has(x.source, x.Network):
		return Unknown, fmt.Sprintf("packets from %s, its own address, come to %s: many drop these", x.source, d.node.Name())
	case mode == "":
		return Delivered, ""
	}
	where := fmt.Sprintf("%s of %s", nameOf(in), d.node.Name())
	switch {
	case d.policed != "" || len(d.routes) == 0:
		return Unknown, fmt.Sprintf("whether the way back to %s is by %s, which looks at it (%s), is not known", x.source, where, mode)
	case x.sourced:
		return Unknown, fmt.Sprintf("%s looks at the way back to the source (%s), which may have been translated", where, mode)
	}
	back := d.lookup(vrfOf(in), x.source)
	if slices.ContainsFunc(back, func(r route) bool { return r.state == "" && (mode == rpfLoose || x.by(d, r) == in) }) {
		return Delivered, ""
	}
	if slices.ContainsFunc(back, func(r route) bool { return x.by(d, r).IsZero() }) {
		return Unknown, fmt.Sprintf("no source says by which interface %s reaches %s, and %s looks at it (%s)", d.node.Name(), x.source, where, mode)
	}
	return Dropped, fmt.Sprintf("the way back to %s is not by %s, which takes only what comes by it (%s)", x.source, where, mode)
}

// by gives the interface of a route.
func (x *explorer) by(d *device, r route) topology.Node {
	if r.via.IsZero() && r.nextHop.IsValid() {
		if in := d.connected(r.nextHop); len(in) == 1 {
			return in[0]
		}
	}
	return r.via
}

// calls tells whether frames through a Linux bridge of a host meet the filters of routed packets, too (br_netfilter). It does so for all bridges or for one.
func (x *explorer) calls(d *device, bridge topology.Node) tri {
	if slices.ContainsFunc(d.node.Values(topology.AttrBridgeCalls), func(v topology.Value) bool { return v.String() == "none" }) {
		return no
	}
	all, one := switched(d.node, topology.AttrBridgeCalls, x.word()), switched(bridge, topology.AttrBridgeCalls, x.word())
	switch {
	case x.stale(d.node, topology.AttrBridgeCalls) != "" || all == either || one == either:
		return notSaid
	case all == yes || all == no && one == yes:
		return yes
	case all == no && one == no:
		return no
	}
	return notSaid
}
