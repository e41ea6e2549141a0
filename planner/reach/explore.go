package reach

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

const (
	maxRouters = 32    // devices that route on one way: what is longer goes round in a loop, or nobody has it
	maxLegs    = 20000 // of one exploration
)

// explorer makes the legs of the ways of packets to one destination.
type explorer struct {
	*Network
	ctx    context.Context //nolint:containedctx // of the one question that the explorer is made for
	family policy.Family
	source netip.Addr                          // of the packets, unless somebody translates it
	holds  func(device topology.Node) sessions // what a device knows of the packets

	legs    int
	made    map[place]*Leg
	inside  map[place]bool
	nats    []Step       // filters on the way that translate addresses
	turns   *Translation // what is to be turned back
	sourced bool         // and some of them the source
	brief   bool         // hops need not be those of these ends
	loops   int          // legs that were cut because they go round; what was made meanwhile is not kept

	// end is how it goes on at the other end of a tunnel, for packets that carry others; nil for those that are asked about themselves.
	end func(*device) *Leg
}

// place is where packets enter a device that routes.
type place struct {
	device, in topology.Key
	to         netip.Addr
	sourced    bool
}

func ended(end End, why string, steps ...Step) *Leg { return &Leg{Steps: steps, End: end, Why: why} }

// from begins at a vNIC or an interface of a device that sends.
func (x *explorer) from(sender Endpoint, to netip.Addr) *Leg {
	start := sender.Node
	x.family, x.source = familyOf(to), sender.Addr
	if o, ok := start.Owner(); ok && start.Kind() != topology.VNIC && o.Kind().Device() {
		d := x.device(o)
		return x.out(d, start, to, 0)
	}
	var onLink, known bool
	for _, p := range addressesOf(start) {
		known = known || !p.IsSingleIP()
		onLink = onLink || p.Contains(to)
	}
	switch {
	case !known:
		return ended(Unknown, "no source says the subnet of "+start.Name()+", so nobody knows whether it needs a gateway")
	case onLink:
		return x.deliver(start, to)
	}
	return x.gateways(start, to)
}

// gateways sends to the gateway. Which one a guest takes is not known where there are several.
func (x *explorer) gateways(start topology.Node, to netip.Addr) *Leg {
	ends, gap := x.gatesOf(start)
	if len(ends) == 0 {
		return ended(Unknown, gap)
	}
	return x.choose(ends, func(gateway topology.Node) *Leg {
		return x.frames(start, gateway, func() *Leg { return x.enter(gateway, to, 1) })
	})
}

// gatesOf lists the gateways of a sender, or says why none is known. Those with one stand have the same.
func (x *explorer) gatesOf(start topology.Node) (ends []topology.Node, gap string) {
	s := x.standOf(start)
	if s == nil {
		return x.gatesAt(start)
	}
	if g, known := s.gates[x.family]; known {
		for _, k := range g.ends {
			n, _ := x.Node(k)
			ends = append(ends, n)
		}
		return ends, g.gap
	}
	ends, gap = x.gatesAt(start)
	g := gates{gap: gap}
	for _, n := range ends {
		g.ends = append(g.ends, n.Key())
	}
	if s.gates == nil {
		s.gates = map[policy.Family]gates{}
	}
	if !tells(gap, start) {
		s.gates[x.family] = g
	}
	return ends, gap
}

// gatesAt looks for them.
func (x *explorer) gatesAt(start topology.Node) (ends []topology.Node, gap string) {
	subnets := slices.DeleteFunc(addressesOf(start), func(p netip.Prefix) bool { return familyOf(p.Addr()) != x.family })
	for _, p := range x.paths(start) {
		last := p.Hops[len(p.Hops)-1]
		if !routes(last.Node, subnets) {
			gap = cmp.Or(gap, p.Gap)
		} else if !slices.Contains(ends, last.Node) {
			ends = append(ends, last.Node)
		}
	}
	ends = append(ends, x.farther(start, subnets, ends)...)
	return ends, cmp.Or(gap, "no gateway of "+start.Name()+" is known")
}

// farther gives the gateways of the subnets that frames of the guest come to, beside the nearest ones. Of those that have one address the nearest answers (anycast).
func (x *explorer) farther(start topology.Node, subnets []netip.Prefix, nearest []topology.Node) []topology.Node {
	var more []topology.Node
	for _, subnet := range start.Out(topology.InSubnet) {
		for _, e := range subnet.To.In(topology.InSubnet) {
			n := e.From
			o, ok := n.Owner()
			if !ok || !n.Kind().Interface() || !topology.Routing(o, n) || !routes(n, subnets) || slices.Contains(nearest, n) || slices.Contains(more, n) ||
				slices.ContainsFunc(nearest, func(m topology.Node) bool { return sameAddress(n, m) }) {
				continue
			}
			if ways, _ := x.framesBetween(start, n); len(ways) > 0 {
				more = append(more, n)
			}
		}
	}
	return more
}

func sameAddress(a, b topology.Node) bool {
	return slices.ContainsFunc(addressesOf(a), func(p netip.Prefix) bool { return slices.Contains(addressesOf(b), p) })
}

// routes tells whether an interface is one of a device other than the sender's that has an address in one of its subnets.
func routes(n topology.Node, subnets []netip.Prefix) bool {
	return n.Kind() != topology.VNIC && slices.ContainsFunc(addressesOf(n), func(p netip.Prefix) bool {
		return slices.ContainsFunc(subnets, func(s netip.Prefix) bool { return s.Contains(p.Addr()) })
	})
}

// choose makes a leg for each of several things, between which somebody chooses.
func (x *explorer) choose(among []topology.Node, leg func(topology.Node) *Leg) *Leg {
	if len(among) == 1 {
		return leg(among[0])
	}
	l := &Leg{}
	for _, n := range among {
		l.Next = append(l.Next, Branch{Who: n.Key(), Leg: leg(n)})
	}
	return l
}

// deliver brings packets to whoever has the address in the subnet of an interface.
func (x *explorer) deliver(from topology.Node, to netip.Addr) *Leg {
	owners := slices.DeleteFunc(slices.Clone(x.owning(to)), func(n topology.Node) bool { return n == from })
	switch len(owners) {
	case 0:
		return ended(Unknown, fmt.Sprintf("nobody is known to have the address %s", to))
	case 1:
	default:
		if !sameOwner(owners) {
			return ended(Unknown, fmt.Sprintf("several have the address %s: %s", to, names(owners)))
		}
	}
	target := x.onLink(from, owners)[0]
	if x.brief && target.Kind() == topology.VNIC && x.turns == nil && x.end == nil {
		return x.only(from, target)
	}
	return x.frames(from, target, func() *Leg { return x.received(target, to) })
}

func sameOwner(ns []topology.Node) bool {
	first, _ := ns[0].Owner()
	return !slices.ContainsFunc(ns, func(n topology.Node) bool { o, _ := n.Owner(); return o != first })
}

func names(ns []topology.Node) string {
	var words []string
	for _, n := range ns {
		words = append(words, n.Name())
	}
	return strings.Join(words, ", ")
}

// received is what the owner of an address does with packets to it: it may have translated those that they answer, and turns them back.
func (x *explorer) received(target topology.Node, to netip.Addr) *Leg {
	if o, ok := target.Owner(); ok && x.turns != nil && o == x.turns.Device {
		return x.enter(target, to, 1)
	}
	return x.arrive(target)
}

// arrive is the end at the destination: a device has filters for what is its own.
func (x *explorer) arrive(target topology.Node) *Leg {
	o, ok := target.Owner()
	if target.Kind() == topology.VNIC || !ok || !o.Kind().Device() {
		return ended(Delivered, "")
	}
	d := x.device(o)
	at := Context{In: nameOf(target)}
	at.Own = x.own(target, netip.Addr{})
	steps := append(entry(d, target), x.hooks(d, policy.HookPrerouting, at)...)
	end, why := x.wayBack(d, target)
	steps = append(steps, x.hooks(d, policy.HookInput, at)...)
	return x.taken(d, end, why, append(append(x.comes(d), x.doubts(d)...), steps...))
}

// taken is the end of packets at a device whose own they are: of those in which others were brought, these go on.
func (x *explorer) taken(d *device, end End, why string, steps []Step) *Leg {
	if x.end == nil || end != Delivered {
		return ended(end, why, steps...)
	}
	next := x.end(d)
	return &Leg{Steps: append(steps, next.Steps...), End: next.End, Why: next.Why, Next: next.Next}
}

// enter is what a device that routes does with packets that come in by an interface.
func (x *explorer) enter(in topology.Node, to netip.Addr, routers int) *Leg {
	o, _ := in.Owner()
	here := place{o.Key(), in.Key(), to, x.sourced}
	x.legs++
	switch {
	case x.inside[here] || routers > maxRouters:
		x.loops++
		return ended(Unknown, "packets to "+to.String()+" go round in a loop at "+o.Name())
	case x.made[here] != nil:
		return x.made[here]
	case x.ctx.Err() != nil:
		return ended(Unknown, "nobody waits any longer")
	case x.legs > maxLegs:
		return ended(Unknown, fmt.Sprintf("there are more than %d ways", maxLegs))
	}
	x.inside[here] = true
	loops := x.loops
	l := x.entered(x.device(o), in, to, routers)
	delete(x.inside, here)
	if x.loops == loops {
		x.made[here] = l
	}
	return l
}

// comes begins at a device that has filters: it knows nothing of what others have noted of the packets.
func (x *explorer) comes(d *device) []Step {
	if len(d.hooks) == 0 {
		return nil
	}
	return []Step{{Device: d.node, Fresh: true, Tracks: x.end == nil}}
}

func (x *explorer) entered(d *device, in topology.Node, to netip.Addr, routers int) *Leg {
	steps := append(x.comes(d), x.doubts(d)...)
	steps = append(steps, entry(d, in)...)
	steps = append(steps, x.hooks(d, policy.HookPrerouting, Context{In: nameOf(in), Own: x.own(in, netip.Addr{})})...)
	l := &Leg{Steps: steps}
	for _, dst := range x.translated(steps, to) {
		next := x.routed(d, in, dst, routers)
		if dst == to && len(x.translated(steps, to)) == 1 {
			return &Leg{Steps: append(steps, next.Steps...), End: next.End, Why: next.Why, Next: next.Next}
		}
		l.Next = append(l.Next, Branch{To: dst, Leg: next})
	}
	return l
}

// translated lists the destinations that packets to an address may have behind filters: their own, and those that a translation may give them.
func (x *explorer) translated(steps []Step, to netip.Addr) []netip.Addr {
	all := []netip.Addr{to}
	for _, s := range steps {
		if s.Filter == nil {
			continue
		}
		for _, f := range s.filters {
			for i := range f.Rules {
				for _, a := range f.Rules[i].Set {
					all = appendTargets(all, a, to)
				}
			}
		}
	}
	return all
}

const maxTargets = 256 // of one pool

func appendTargets(all []netip.Addr, a policy.Assignment, was netip.Addr) []netip.Addr {
	if a.Field != policy.Destination {
		return all
	}
	if a.Keep != (policy.Word{}) && len(a.To) == 1 && a.Family == familyOf(was) {
		if addr := kept(a, policy.AddrWord(was)).Addr(a.Family); !slices.Contains(all, addr) {
			return append(all, addr)
		}
		return all
	}
	for _, r := range a.To {
		addr := r.Lo.Addr(a.Family)
		for range maxTargets {
			if !slices.Contains(all, addr) {
				all = append(all, addr)
			}
			if addr == r.Hi.Addr(a.Family) {
				break
			}
			addr = addr.Next()
		}
	}
	return all
}

// routed is the rest of the way from the routing decision on.
func (x *explorer) routed(d *device, in topology.Node, to netip.Addr, routers int) *Leg {
	if end, why := x.wayBack(d, in); end == Dropped {
		return ended(end, why)
	} else if why != "" {
		return x.unsure(d, why, func() *Leg { return x.onto(d, in, to, routers) })
	}
	return x.onto(d, in, to, routers)
}

// unsure is a way of which something is not known.
func (x *explorer) unsure(d *device, why string, then func() *Leg) *Leg {
	l := then()
	return &Leg{Steps: append([]Step{{Device: d.node, Doubt: why}}, l.Steps...), End: l.End, Why: l.Why, Next: l.Next}
}

// onto is what a device does with a packet that it takes: it is its own, or goes on.
func (x *explorer) onto(d *device, in topology.Node, to netip.Addr, routers int) *Leg {
	if d.has(to, x.Network) {
		return x.taken(d, Delivered, "", x.hooks(d, policy.HookInput, Context{In: nameOf(in)}))
	}
	if end, why := x.forwards(d, in); end == Dropped {
		return ended(end, why)
	} else if why != "" {
		return x.unsure(d, why, func() *Leg { return x.forward(d, in, vrfOf(in), to, routers) })
	}
	return x.forward(d, in, vrfOf(in), to, routers)
}

// out is the way of packets that a device sends itself.
func (x *explorer) out(d *device, from topology.Node, to netip.Addr, routers int) *Leg {
	if d.has(to, x.Network) {
		return ended(Delivered, "")
	}
	return x.forward(d, topology.Node{}, vrfOf(from), to, routers)
}

func (x *explorer) forward(d *device, in topology.Node, vrf string, to netip.Addr, routers int) *Leg {
	best := d.lookup(vrf, to)
	var doubt []Step
	if d.policed != "" {
		doubt = append(doubt, Step{Device: d.node, Doubt: d.policed})
	}
	if len(best) == 0 {
		for _, via := range d.connected(to) {
			best = append(best, route{via: via, text: "connected"})
		}
		switch {
		case len(best) == 0 && len(d.routes) == 0:
			return ended(Unknown, "the routes of "+d.node.Name()+" are not known", doubt...)
		case len(best) == 0 && d.policed != "":
			return ended(Unknown, d.policed)
		case len(best) == 0:
			return ended(Dropped, fmt.Sprintf("%s has no route to %s", d.node.Name(), to))
		case len(d.routes) == 0:
			doubt = append(doubt, Step{Device: d.node, Doubt: "the routes of " + d.node.Name() + " are not known, only its subnets"})
		}
	}
	l := &Leg{Steps: doubt}
	for _, r := range best {
		l.Next = append(l.Next, Branch{Leg: x.along(d, in, r, to, routers)})
	}
	if len(l.Next) == 1 {
		next := l.Next[0].Leg
		return &Leg{Steps: append(doubt, next.Steps...), End: next.End, Why: next.Why, Next: next.Next}
	}
	return l
}

// along follows one route.
func (x *explorer) along(d *device, in topology.Node, r route, to netip.Addr, routers int) *Leg {
	said := Step{Device: d.node, Route: r.words(to), Tracks: x.end == nil}
	switch {
	case r.state != "" && d.policed != "":
		return ended(Unknown, d.policed, said)
	case r.state != "":
		return ended(Dropped, fmt.Sprintf("%s drops what goes to %s (%s)", d.node.Name(), r.prefix, r.state), said)
	}
	r.via = x.by(d, r)
	if r.via.IsZero() {
		return ended(Unknown, fmt.Sprintf("no source says by which interface %s reaches %s", d.node.Name(), cmp.Or(nextHopText(r), to.String())), said)
	}
	at := Context{Out: nameOf(r.via)}
	steps := append([]Step{said}, unread(d.node, r.via)...)
	if in.IsZero() {
		steps = append(steps, x.hooks(d, policy.HookOutput, at)...)
	} else {
		at.In = nameOf(in)
		steps = append(steps, x.hooks(d, policy.HookForward, at)...)
	}
	at.Own = x.own(r.via, to)
	if r.nextHop.IsValid() && !r.nextHop.IsUnspecified() {
		at.Own = x.own(r.via, r.nextHop)
	}
	steps = append(steps, x.hooks(d, policy.HookPostrouting, at)...)
	next := x.onward(d, r, to, routers)
	return &Leg{Steps: append(steps, next.Steps...), End: next.End, Why: next.Why, Next: next.Next}
}

// onward goes from the interface of a route to the next router, or to the destination.
func (x *explorer) onward(d *device, r route, to netip.Addr, routers int) *Leg {
	if !r.nextHop.IsValid() || r.nextHop.IsUnspecified() || r.nextHop == to {
		return x.deliver(r.via, to)
	}
	hops, doubt := x.nextHops(d, r)
	switch {
	case len(hops) == 0:
		return ended(Unknown, fmt.Sprintf("nobody is known to have the address %s, the next hop of %s", r.nextHop, d.node.Name()))
	case hops[0].Kind() == topology.VNIC:
		return ended(Unknown, "the next hop is a VM, "+hops[0].Name()+": what it does with packets of others is not known")
	}
	l := x.choose(x.onLink(r.via, hops), func(next topology.Node) *Leg {
		return x.frames(r.via, next, func() *Leg { return x.enter(next, to, routers+1) })
	})
	if doubt != "" {
		return &Leg{Steps: append([]Step{{Device: d.node, Doubt: doubt}}, l.Steps...), End: l.End, Why: l.Why, Next: l.Next}
	}
	return l
}

// onLink leaves out interfaces that have the address of another one of their device which frames reach, as the loopback does whose address an unnumbered link has.
func (x *explorer) onLink(from topology.Node, owners []topology.Node) []topology.Node {
	if len(owners) == 1 {
		return owners
	}
	reached := map[topology.Key]bool{} // devices, for certain
	on := map[topology.Key]bool{}      // interfaces, perhaps
	taken := map[topology.MAC]bool{}   // addresses of those
	beyond := map[topology.Key]bool{}  // interfaces to which no frame gets
	for _, n := range owners {
		ways, _ := x.framesBetween(from, n)
		beyond[n.Key()] = len(ways) == 0
		for _, w := range ways {
			if o, ok := n.Owner(); ok && w.Fault == "" {
				reached[o.Key()] = reached[o.Key()] || w.Doubt == ""
				on[n.Key()] = true
				taken[macOf(n)] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(owners), func(n topology.Node) bool {
		o, ok := n.Owner()
		another := beyond[n.Key()] && macOf(n) != 0 && taken[macOf(n)] // a gateway that many switches are: the first one on the way takes the frames
		return ok && (reached[o.Key()] && !on[n.Key()] || another)
	})
}

func macOf(n topology.Node) topology.MAC {
	v, _ := n.Value(topology.AttrMAC)
	return v.MAC()
}

func nextHopText(r route) string {
	if r.nextHop.IsValid() {
		return r.nextHop.String()
	}
	return ""
}

// words is a route for people: 10.1.99.0/24 via 10.1.20.254 by vlan20 (static).
func (r route) words(to netip.Addr) string {
	text := to.String()
	if r.prefix.IsValid() {
		text = r.prefix.String()
	}
	if r.nextHop.IsValid() {
		text += " via " + r.nextHop.String()
	}
	if !r.via.IsZero() {
		text += " by " + nameOf(r.via)
	}
	if r.text != "" {
		text += " (" + r.text + ")"
	}
	return text
}

// nameOf gives the name of an interface on its device, as filters call it.
func nameOf(n topology.Node) string {
	return cmp.Or(n.Text(topology.AttrIfName), n.Text(topology.AttrDeviceName), n.Text(topology.AttrIfDescr), n.Text(topology.AttrName), n.Name())
}

// hooks gives the filters that packets meet at a hook, in their order.
func (x *explorer) hooks(d *device, hook policy.Hook, at Context) []Step {
	var steps []Step
	priority, back := x.turned(d, hook)
	for _, h := range d.hooks {
		if h.Hook != hook || h.Bridged {
			continue
		}
		if back != nil && h.Priority >= priority {
			steps, back = append(steps, turn(d.node, back)), nil
		}
		side := at.In
		if hook == policy.HookOutput || hook == policy.HookPostrouting {
			side = at.Out
		}
		if h.Interface != "" && h.Interface != side || h.Transit && at.In == "" {
			continue
		}
		steps = append(steps, x.filter(d, h, at))
	}
	if back != nil {
		steps = append(steps, turn(d.node, back))
	}
	return steps
}

// tracking is the priority at which netfilter looks for the connection of a packet (NF_IP_PRI_CONNTRACK).
const tracking = -200

// beforeTracking tells whether a filter is met before that.
func beforeTracking(a policy.Attachment) bool {
	return (a.Hook == policy.HookPrerouting || a.Hook == policy.HookOutput) && a.Priority < tracking
}

func (x *explorer) filter(d *device, h hooked, at Context) Step {
	if x.end != nil {
		return carriedPast(d, h)
	}
	at.Early = beforeTracking(h.Attachment)
	s := Step{Device: d.node, Doubt: h.old, Filter: h.filter, Node: h.node, filters: d.filters[h.filter.Dialect], at: at, sessions: x.holds(d.node), met: h.Attachment}
	if d.assigns(h.filter, translations...) {
		x.nats = append(x.nats, s)
		x.sourced = x.sourced || d.assigns(h.filter, policy.Source)
	}
	return s
}

// translations are the fields that translations write.
var translations = []policy.Field{policy.Source, policy.Destination, policy.SourcePort, policy.DestinationPort} //nolint:gochecknoglobals // read-only table

// assigns tells that a filter, or one that it jumps to, may write one of the fields.
func (d *device) assigns(f *policy.Filter, fields ...policy.Field) bool {
	return slices.ContainsFunc(chain(f, d.filters[f.Dialect]), func(f *policy.Filter) bool {
		return slices.ContainsFunc(f.Rules, func(r policy.Rule) bool {
			return slices.ContainsFunc(r.Set, func(a policy.Assignment) bool { return slices.Contains(fields, a.Field) })
		})
	})
}
