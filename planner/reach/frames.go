package reach

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// frames brings packets from one interface or vNIC to another within a VLAN, and then further: once the two have learned each other's address.
func (x *explorer) frames(from, to topology.Node, then func() *Leg) *Leg {
	l := x.carried(from, to, then)
	if len(l.Steps)+len(l.Next) == 0 || l.End == Dropped && len(l.Steps) == 1 {
		return l
	}
	if doubt := x.neighbour(from, to); doubt != "" {
		return &Leg{Steps: append([]Step{{Doubt: doubt}}, l.Steps...), End: l.End, Why: l.Why, Next: l.Next}
	}
	return l
}

// only is frames, and no further. Where that is remembered, the leg is the same each time, and nobody changes it.
func (x *explorer) only(from, to topology.Node) *Leg {
	c := x.carriage(x.family, x.end, from, to)
	if c.bridgeless || len(c.nats) > 0 || c.over != nil && x.neighbour(from, to) != "" {
		return x.frames(from, to, delivered)
	}
	held := make([]byte, 0, 64)
	for _, way := range c.over {
		for i := range way {
			if way[i].Filter != nil {
				held = append(held, byte(x.holds(way[i].Device)))
			}
		}
	}
	l := c.legs[string(held)]
	if l == nil {
		l = x.carried(from, to, delivered)
		l.known = &legFacts{}
		if c.legs == nil {
			c.legs = map[string]*Leg{}
		}
		c.legs[string(held)] = l
	}
	return l
}

// carried is the frames themselves.
func (x *explorer) carried(from, to topology.Node, then func() *Leg) *Leg {
	c := x.carriage(x.family, x.end, from, to)
	if c.bridgeless {
		if l := x.tunnelled(from, to, then); l != nil {
			return l
		}
	}
	if c.over == nil {
		l := ended(c.end, c.why, slices.Clone(c.steps)...)
		for i := range l.Steps {
			l.Steps[i].Hops = c.between(from, to, l.Steps[i].Hops)
		}
		return l
	}
	return x.behind(c, from, to, then())
}

// faultAt says where something stops frames, and what.
func faultAt(h topology.Hop) string {
	if o, ok := h.Node.Owner(); ok && o.Kind().Device() && !strings.Contains(h.Fault, o.Name()) {
		return o.Name() + " " + h.Node.Name() + ": " + h.Fault
	}
	return h.Fault
}

func signature(steps []Step) string {
	var b strings.Builder
	for _, s := range steps {
		if s.Filter != nil {
			fmt.Fprintf(&b, "%s %v %s\n", s.Node.Key(), s.at, s.Doubt)
		} else {
			fmt.Fprintf(&b, "%s\n", s.Doubt)
		}
	}
	return b.String()
}

// passes is what is said of a device that bridges frames: it tracks their connections where it asks for states.
func (x *explorer) passes(d *device) []Step {
	steps := x.comes(d)
	for i := range steps {
		steps[i].Tracks = steps[i].Tracks && d.tracks
	}
	return append(steps, x.doubts(d)...)
}

// bridged gives the filters that frames meet in the bridges of a way, and what is not known of them.
func (x *explorer) bridged(hops []topology.Hop) []Step {
	hops = slices.CompactFunc(slices.Clone(hops), func(a, b topology.Hop) bool { // two ways that meet in a bridge both name it
		return a.Node == b.Node && a.Node.Kind() == topology.VirtualSwitch
	})
	var steps []Step
	told := map[topology.Key]bool{}
	for i, h := range hops {
		owner, ok := h.Node.Owner()
		if h.Node.Kind() == topology.VNIC {
			steps = append(steps, x.guest(h.Node, i == 0)...)
			continue
		}
		if !ok || !owner.Kind().Device() {
			continue
		}
		d := x.device(owner)
		if !told[owner.Key()] && (i > 0 && i < len(hops)-1) { // the ends are those that send and take: they ask for their own filters
			told[owner.Key()] = true
			steps = append(steps, x.passes(d)...)
			steps = append(steps, x.vlanMaps(d, h)...)
		}
		if i > 0 && i < len(hops)-1 {
			steps = append(steps, x.segment(d, h)...)
		}
		steps = append(steps, x.portLists(d, h)...)
		if h.Node.Kind() == topology.VirtualSwitch {
			steps = append(steps, x.bridge(d, hops, i)...)
		}
	}
	for i := range steps {
		steps[i].at.SourceMAC, steps[i].at.DestinationMAC = guestMAC(hops[0].Node), guestMAC(hops[len(hops)-1].Node)
		steps[i].blurred(hops[0].Node, hops[len(hops)-1].Node)
	}
	return steps
}

// bundled gives an interface and the aggregates that it is a member of: what is said of an aggregate holds for the frames of its members.
func bundled(n topology.Node) []topology.Node {
	nodes := []topology.Node{n}
	for _, e := range n.In(topology.SupportedBy) {
		if e.From.Kind() == topology.LAG {
			nodes = append(nodes, e.From)
		}
	}
	return nodes
}

// portLists gives the lists of a port and of its aggregate, for frames that come in by it or leave.
func (x *explorer) portLists(d *device, h topology.Hop) []Step {
	hook := policy.HookEgress
	if h.Rel == topology.Link {
		hook = policy.HookIngress
	}
	var steps []Step
	for _, node := range bundled(h.Node) {
		for _, f := range d.hooks {
			if f.Hook == hook && f.Interface != "" && f.Interface == nameOf(node) {
				steps = append(steps, x.filter(d, f, Context{InPort: nameOf(node), VLAN: uint16(h.VID)}))
			}
		}
	}
	return steps
}

// guest gives the filters of a vNIC: for what the guest sends, or for what it gets.
func (x *explorer) guest(vnic topology.Node, sends bool) []Step {
	hook := policy.HookEgress
	if sends {
		hook = policy.HookIngress
	}
	var steps []Step
	read := false
	for _, e := range vnic.In(topology.AppliesTo) {
		owner, ok := e.From.Owner()
		if e.From.Kind() != topology.Filter || !ok {
			continue
		}
		read = true
		if host := hostOf(vnic); !host.IsZero() && host != owner { // it has moved
			if doubt := x.elsewhere(vnic, e.From, owner, host); doubt != "" {
				steps = append(steps, Step{Device: host, Doubt: doubt})
				break
			}
		}
		d := x.device(owner)
		for _, f := range d.hooks {
			if f.node == e.From && f.Hook == hook {
				steps = append(steps, x.filter(d, f, Context{}))
			}
		}
	}
	if name := vnic.Text(topology.AttrFilterRef); name != "" && !read {
		steps = append(steps, Step{Doubt: fmt.Sprintf("the rules of %s, the network filter of %s, are not known", name, vnic.Name())})
	}
	return steps
}

// hostOf is the host that runs the VM of a vNIC, if anybody says so.
func hostOf(vnic topology.Node) topology.Node {
	vm, ok := vnic.Owner()
	if !ok || vm.Kind() != topology.VM {
		return topology.Node{}
	}
	host, _ := vm.First(topology.RunsOn)
	return host
}

// vlanMaps gives the VLAN maps of a device for the VLAN of a frame.
func (x *explorer) vlanMaps(d *device, h topology.Hop) []Step {
	var steps []Step
	for _, f := range d.hooks {
		if f.Hook != policy.HookVLAN {
			continue
		}
		set, err := topology.ParseVIDSet(f.VLANs)
		if err != nil || set.Has(h.VID) {
			steps = append(steps, x.filter(d, f, Context{VLAN: uint16(h.VID)}))
		}
	}
	return steps
}

// bridge gives what a host's bridge does with frames: its own hooks; and, where br_netfilter is loaded, those of the router too, which nobody knows.
func (x *explorer) bridge(d *device, hops []topology.Hop, i int) []Step {
	name := nameOf(hops[i].Node) // what iifname is to the port, ibrname is to the bridge
	at := Context{In: name, Out: name, InPort: Unsure, OutPort: Unsure, VLAN: uint16(hops[i].VID)}
	if i > 0 {
		at.InPort = nameOf(hops[i-1].Node)
	}
	if i+1 < len(hops) {
		at.OutPort = nameOf(hops[i+1].Node)
	}
	var steps []Step
	for _, f := range d.hooks {
		if f.Bridged && slices.Contains([]policy.Hook{policy.HookPrerouting, policy.HookForward, policy.HookPostrouting}, f.Hook) {
			steps = append(steps, x.filter(d, f, at))
		}
	}
	if linuxBridge(hops[i].Node) {
		steps = append(steps, x.called(d, hops[i], at)...)
	}
	return steps
}

// called gives the filters of routed packets that frames meet in a Linux bridge, behind those of the bridge itself: which come first makes a difference for marks
// alone. It is in doubt where filters of the bridge set any, where packets are translated, and where frames may bear a tag, since another switch decides of those.
func (x *explorer) called(d *device, bridge topology.Hop, at Context) []Step {
	calls := x.calls(d, bridge.Node)
	if calls == no {
		return nil
	}
	var steps []Step
	name, doubt := nameOf(bridge.Node), ""
	for _, f := range d.hooks {
		if f.Bridged || f.filter.Family&x.family == 0 || !slices.Contains([]policy.Hook{policy.HookPrerouting, policy.HookForward, policy.HookPostrouting}, f.Hook) {
			continue
		}
		switch {
		case calls == notSaid && stops(f.filter):
			doubt = cmp.Or(doubt, fmt.Sprintf("nobody says whether br_netfilter is loaded on %s: if it is, frames through %s meet %s", d.node.Name(), name, f.filter.Name))
		case calls == notSaid:
		case d.assigns(f.filter, translations...):
			doubt = cmp.Or(doubt, fmt.Sprintf("frames through %s meet %s of %s (br_netfilter), which may translate them", name, f.filter.Name, d.node.Name()))
		case stops(f.filter) && (bridge.Tagged || bridge.Node.Text(topology.AttrForwardMode) != ""):
			doubt = cmp.Or(doubt, fmt.Sprintf("frames through %s may bear tags: whether they meet %s of %s then (br_netfilter) is not known", name, f.filter.Name, d.node.Name()))
		default:
			steps = append(steps, x.filter(d, f, at))
		}
	}
	marks := slices.ContainsFunc(d.hooks, func(f hooked) bool { return f.Bridged && d.assigns(f.filter, policy.Mark) })
	if len(steps) > 0 && marks {
		doubt = cmp.Or(doubt, fmt.Sprintf("filters of the bridge %s mark frames, and those of routed packets look at them, too (br_netfilter)", name))
	}
	if doubt != "" {
		return []Step{{Device: d.node, Doubt: doubt}}
	}
	return append([]Step{{Device: d.node, Tracks: calls == yes && x.end == nil}}, steps...)
}

// linuxBridge tells that a bridge is, or may be, the kernel's own and not Open vSwitch's, which knows no br_netfilter.
func linuxBridge(n topology.Node) bool { return n.Text(topology.AttrVirtualPort) != "openvswitch" }

// stops tells that a filter may deny something.
func stops(f *policy.Filter) bool {
	return f.Default != policy.Permit || slices.ContainsFunc(f.Rules, func(r policy.Rule) bool { return r.Verdict != policy.Permit && r.Verdict != policy.Continue })
}
