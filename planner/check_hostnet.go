package planner

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// hostNetworkChecks ask whether the target has what the vNICs plug into: NET-H1 to NET-H9.
func hostNetworkChecks() []Check {
	return []Check{
		{
			Code: "NET-H1", Asks: "Has the target each network that a vNIC plugs into, and is it active there?",
			Facts: "what each vNIC is attached to; networks, port groups and bridges of the target (libvirt)", Mends: "define or start the network on the target, or give the VM another one",
			run: func(f *finder) { f.eachVNIC(f.plugIn) },
		},
		{
			Code: "NET-H2", Asks: "Is there a wire under the network on the target?",
			Facts: "forward mode of the network, uplinks of its bridge and their state (libvirt, SSH)", Mends: "give the bridge its uplink, or plug the cable in",
			run: func(f *finder) { f.plugged(f.wire) },
		},
		{
			Code: "NET-H3", Asks: "If a vNIC sits on hardware (SR-IOV, macvtap), can it move, and is the interface there free?",
			Facts: "kind of each vNIC, its partner, who has the interface of the target (libvirt)", Mends: "give the VM a virtio vNIC with the other as its transient partner, or free the interface",
			run: func(f *finder) { f.eachVNIC(f.hardware) },
		},
		{
			Code: "NET-H4", Asks: "Has the target the address or network on which the VM's console is listened for?",
			Facts: "listening addresses of the VM, addresses and networks of the target (libvirt, SSH, SNMP)", Mends: "let the console listen on 0.0.0.0, :: or a network that both hosts have",
			run: (*finder).console,
		},
		{
			Code: "NET-H5", Asks: "Is it the same kind of virtual switch, with the same port group and profile, and is the vNIC's network filter defined there?",
			Facts: "kind of the bridges (libvirt, SSH), VLANs of port groups, profiles, network filters (libvirt); QoS is not looked at",
			Mends: "make the port group alike, or plug the vNIC into a network that both hosts have; define the network filter there (virsh nwfilter-define)",
			run:   func(f *finder) { f.plugged(f.sameSwitch) },
		},
		{
			Code: "NET-H6", Asks: "Has nothing on the target the vNIC's hardware address already?",
			Facts: "addresses of the target's interfaces and of the VMs that run there (libvirt, SSH, SNMP)", Mends: "give one of the two another address",
			run: func(f *finder) { f.eachVNIC(f.sameAddress) },
		},
		{
			Code: "NET-H7", Asks: "Does the vNIC keep what its guest has agreed on: no vDPA, and an MTU that its network has there, too?",
			Facts: "kind and MTU of each vNIC, MTU of the networks (libvirt)", Mends: "set the MTU of the network on the target as on the source",
			run: func(f *finder) { f.eachVNIC(f.kept) },
		},
		{
			Code: "NET-H8", Asks: "Is the port on the target ready before memory moves?", Facts: "the event by which the network says so", Mends: "wait for it, or give the move up",
			When: AtRun, Why: "the port is made by the move itself; nobody can say before that it comes up",
		},
		{
			Code: "NET-H9", Asks: "Does no filter of the source track the VM's connections, which are open and would be forgotten?",
			Facts: "network filters of the vNIC (libvirt), filters of the source and whether bridged frames meet them (SSH)", Mends: "move when few connections are open, or let the filter pass packets of connections that it does not know",
			run: func(f *finder) { f.eachVNIC(f.tracked) },
		},
	}
}

// eachVNIC makes a check for each vNIC.
func (f *finder) eachVNIC(run func(l *lane)) {
	for _, l := range f.vnics() {
		f.evidence = nil
		run(l)
	}
}

// plugIn is NET-H1.
func (f *finder) plugIn(l *lane) {
	from := l.vnic.Out(topology.AttachedTo)
	if len(from) == 0 {
		f.unknown(fmt.Sprintf("no source says what %s plugs into%s", l.vnic.Name(), sourceOf(l.vnic)), l.vnic)
		return
	}
	if !f.reading(l.vnic, from[0].Reading) {
		return
	}
	then, _ := f.after.Snapshot().Node(l.vnic.Key())
	plug, _ := then.First(topology.AttachedTo)
	was := from[0].To
	switch {
	case !plug.IsZero():
	case !f.hasAll(was):
		return
	default:
		f.block(fmt.Sprintf("%s has no %s %s, which %s plugs into on %s", f.target.Name(), was.Kind(), was.Name(), l.vnic.Name(), nameOf(f.source)), f.target, was, l.vnic)
		f.define(was)
		return
	}
	network := plug
	if owner, ok := plug.Owner(); ok && plug.Kind() == topology.PortGroup {
		network = owner
	}
	if network.Kind() != topology.Network {
		f.pass(fmt.Sprintf("%s has %s %s for %s", f.target.Name(), plug.Kind(), plug.Name(), l.vnic.Name()), plug)
		return
	}
	switch state, ok := f.text(network, topology.AttrState); {
	case !ok:
	case state == "active":
		f.pass(fmt.Sprintf("network %s is active, for %s", placeOf(network), l.vnic.Name()), network)
	case state == "inactive":
		f.block(fmt.Sprintf("network %s is not started", placeOf(network)), network, l.vnic)
		f.mend("start network "+placeOf(network), start(network))
	default:
		f.unknown(fmt.Sprintf("network %s is %s: whether a vNIC can be plugged in there is not known", placeOf(network), state), network, l.vnic)
	}
}

// hasAll tells whether what the target has of the kind of a node was read to its end, and not too long ago. If it was not, an unknown says so.
func (f *finder) hasAll(was topology.Node) bool {
	r, ok := f.listing(was)
	if !ok {
		f.unknown(fmt.Sprintf("%s is not known to have %s %s, and what it has was not read to its end: collect it", f.target.Name(), was.Kind(), was.Name()), f.target, was)
		return false
	}
	return f.reading(f.target, r)
}

func sourceOf(vnic topology.Node) string {
	if t := vnic.Text(topology.AttrSourceType); t != "" {
		return fmt.Sprintf(" (it names %s %q)", t, vnic.Text(topology.AttrSource))
	}
	return ""
}

// define is the act of defining what the target lacks as the source has it: a port group, or a network over a bridge that both have.
func (f *finder) define(was topology.Node) {
	_, name, _ := strings.Cut(was.Key().ID, "/")
	k := topology.Key{Kind: was.Kind(), ID: f.target.Key().ID + "/" + name}
	owner, ok := was.Owner()
	if !ok {
		return
	}
	in := f.target.Key()
	switch was.Kind() {
	case topology.PortGroup:
		_, of, _ := strings.Cut(owner.Key().ID, "/")
		in = topology.Key{Kind: topology.Network, ID: f.target.Key().ID + "/" + of}
		if _, ok := f.s.Node(in); !ok {
			return
		}
	case topology.Network:
	default:
		return
	}
	changes := []topology.Change{{Subject: in, Rel: topology.Contains, Object: k, Add: true}}
	for _, a := range []topology.Attr{topology.AttrName, topology.AttrState, topology.AttrForwardMode, topology.AttrBridge, topology.AttrVirtualPort, topology.AttrVID, topology.AttrTagged, topology.AttrMTU} {
		if vs := believed(was, a); len(vs) > 0 {
			changes = append(changes, topology.Change{Subject: k, Attr: a, After: vs})
		}
	}
	for _, e := range was.Out(topology.SupportedBy) {
		_, below, _ := strings.Cut(e.To.Key().ID, "/")
		there := topology.Key{Kind: e.To.Kind(), ID: f.target.Key().ID + "/" + below}
		if _, ok := f.s.Node(there); !ok {
			return // it would lie on nothing
		}
		changes = append(changes, topology.Change{Subject: k, Rel: topology.SupportedBy, Object: there, Add: true})
	}
	f.mend(fmt.Sprintf("define %s %s on %s as %s has it", was.Kind(), was.Name(), f.target.Name(), nameOf(f.source)), changes...)
}

// wire is NET-H2.
func (f *finder) wire(l *lane) {
	network, mode := hostbound(l.next)
	before, was := hostbound(l.now)
	switch {
	case network.IsZero():
		f.uplinks(l)
	case before.IsZero() && len(l.now.Paths) > 0:
		f.block(fmt.Sprintf("network %s has mode %s: its frames meet no wire, and they did on %s", placeOf(network), mode, nameOf(f.source)), network, l.vnic)
	default:
		f.idle(fmt.Sprintf("network %s has mode %s, and had %s on %s: there is no wire under it", placeOf(network), mode, was, nameOf(f.source)), network)
	}
}

// uplinks tells whether the interfaces under a bridge have signal.
func (f *finder) uplinks(l *lane) {
	var up, down []topology.Node
	why := ""
	for _, x := range l.exits {
		hops := x.paths[0].Hops
		out := slices.IndexFunc(hops, func(h topology.Hop) bool { return h.Node == x.near })
		dead := slices.IndexFunc(hops[:out+1], func(h topology.Hop) bool { return h.Cause() == topology.Down && h.Node.Kind().Interface() })
		switch {
		case !x.near.Kind().Interface():
			f.unknown(x.paths[0].Gap, x.near, l.vnic)
			return
		case !f.rely(hops[:out+1]...):
			return
		case dead >= 0:
			down, why = append(down, x.near), faultText(hops[dead])
		default:
			up = append(up, x.near)
		}
	}
	switch {
	case len(up)+len(down) == 0:
		f.unknown(fmt.Sprintf("no source says which uplink %s has", placeOf(l.plug())), l.plug())
	case len(up) == 0:
		f.block(fmt.Sprintf("no uplink of %s has signal: %s", f.target.Name(), why), down[0], l.vnic)
	case len(down) > 0:
		f.warn(fmt.Sprintf("%s has no signal under %s; %s is left", placeOf(down[0]), l.plug().Name(), places(up)), down[0], l.vnic)
	default:
		f.pass(fmt.Sprintf("%s is under %s", places(up), l.plug().Name()), up...)
	}
}

// hardware is NET-H3.
func (f *finder) hardware(l *lane) {
	kind, ok := f.text(l.vnic, topology.AttrSourceType)
	if !ok || !f.described(l.vnic) {
		return
	}
	teaming := l.vnic.Text(topology.AttrTeaming)
	plug, _ := l.vnic.First(topology.AttachedTo)
	function := kind == "hostdev" || plug.Text(topology.AttrForwardMode) == "hostdev" || len(l.vnic.Values(topology.AttrHostDevice)) > 0
	switch {
	case function && strings.HasPrefix(teaming, "transient"):
		f.unknown(fmt.Sprintf("%s is taken off for the move; whether %s has a virtual function free for it, no source says", l.vnic.Name(), f.target.Name()), f.target, l.vnic)
	case function:
		f.block(l.vnic.Name()+" is a function of the source's hardware that the guest drives itself: it cannot be moved live", l.vnic)
	case kind == "direct" && l.vnic.Text(topology.AttrLinkMode) == "passthrough":
		f.taken(l)
	case kind == "direct":
		f.pass(fmt.Sprintf("%s shares its interface (macvtap, %s)", l.vnic.Name(), l.vnic.Text(topology.AttrLinkMode)), l.vnic)
	default:
		f.idle(l.vnic.Name()+" sits on no hardware of its own", l.vnic)
	}
}

// taken tells whether somebody has the interface of the target that a vNIC wants for itself.
func (f *finder) taken(l *lane) {
	plug := l.plug()
	if plug.IsZero() {
		f.unknown(fmt.Sprintf("where %s would sit on %s is not known (NET-H1)", l.vnic.Name(), f.target.Name()), f.target)
		return
	}
	if !f.listed(f.target, topology.SourceLibvirt, "domains") {
		return
	}
	for _, e := range plug.In(topology.AttachedTo) {
		if e.From != l.then {
			owner, _ := e.From.Owner()
			f.block(fmt.Sprintf("%s has %s for itself already (macvtap, passthrough)", owner.Name(), placeOf(plug)), plug, e.From, l.vnic)
			return
		}
	}
	f.pass(placeOf(plug)+" is free for "+l.vnic.Name(), plug)
}

// console is NET-H4.
func (f *finder) console() {
	if !f.described(f.vm) {
		return
	}
	consoles := f.vm.Values(topology.AttrConsole)
	for _, v := range consoles {
		kind, where, _ := strings.Cut(v.String(), " ")
		name, ofNetwork := strings.CutPrefix(where, "network ")
		addr, err := netip.ParseAddr(where)
		switch {
		case !f.fresh(f.vm, topology.AttrConsole):
		case ofNetwork:
			f.consoleNetwork(kind, name)
		case err != nil:
			f.unknown(fmt.Sprintf("the %s console of %s listens on %s: which address that is on %s is not known", kind, f.vm.Name(), where, f.target.Name()), f.vm)
		case addr.IsUnspecified() || addr.IsLoopback():
			f.pass(fmt.Sprintf("the %s console of %s listens on %s, which each host has", kind, f.vm.Name(), addr), f.vm)
		default:
			f.consoleAddress(kind, addr)
		}
	}
	if len(consoles) == 0 {
		f.idle("no console of "+f.vm.Name()+" listens on the network", f.vm)
	}
}

func (f *finder) consoleNetwork(kind, name string) {
	network, ok := f.s.Node(topology.PartKey(topology.Network, f.target.Key(), name))
	if !ok {
		f.block(fmt.Sprintf("the %s console of %s listens on network %s, which %s does not have", kind, f.vm.Name(), name, f.target.Name()), f.vm, f.target)
		return
	}
	f.pass(fmt.Sprintf("the %s console of %s listens on network %s, which %s has", kind, f.vm.Name(), name, f.target.Name()), network)
}

// consoleAddress tells whether the target has an address. If nobody has read any of its own, nobody knows.
func (f *finder) consoleAddress(kind string, addr netip.Addr) {
	text := fmt.Sprintf("the %s console of %s listens on %s", kind, f.vm.Name(), addr)
	read := false
	for _, e := range f.target.Out(topology.Contains) {
		for v := range e.To.Stated(topology.AttrAddress) {
			if read = true; v.Prefix().Addr() == addr && f.fresh(e.To, topology.AttrAddress) {
				f.pass(text+", which "+f.target.Name()+" has, too", e.To)
				return
			}
		}
	}
	if !read {
		f.unknown(text+", and no source says the addresses of "+f.target.Name()+": collect it by SSH", f.vm, f.target)
		return
	}
	f.block(text+", which "+f.target.Name()+" does not have: it would not start there", f.vm, f.target)
}

// kept is NET-H7.
func (f *finder) kept(l *lane) {
	kind, ok := f.text(l.vnic, topology.AttrSourceType)
	if !ok {
		return
	}
	if kind == "vdpa" {
		f.block(l.vnic.Name()+" is a vDPA device: its hardware has a state that does not move", l.vnic)
		return
	}
	sent, _ := l.sends()
	there := networkOf(l.then)
	mtu, says := there.Int(topology.AttrMTU)
	_, own := l.vnic.Int(topology.AttrMTU)
	switch {
	case !says && l.plug().IsZero() && !f.lacks(l):
		f.unknown(fmt.Sprintf("where %s would be plugged in on %s is not known (NET-H1)", l.vnic.Name(), f.target.Name()), l.vnic)
	case !says && !there.IsZero() && !f.described(there): // it may have one
	case !says && !own:
		f.idle(fmt.Sprintf("neither %s nor its network on %s asks for an MTU", l.vnic.Name(), f.target.Name()), l.vnic)
	case says && !f.fresh(there, topology.AttrMTU), own && !f.fresh(l.vnic, topology.AttrMTU):
	case says && mtu < sent:
		f.block(fmt.Sprintf("network %s has an MTU of %d, and the guest of %s was told %d", placeOf(there), mtu, l.vnic.Name(), sent), there, l.vnic)
		f.mend(fmt.Sprintf("set the MTU of network %s to %d", placeOf(there), sent),
			topology.Change{Subject: there.Key(), Attr: topology.AttrMTU, Before: believed(there, topology.AttrMTU), After: []topology.Value{topology.IntValue(sent)}})
	default:
		f.pass(fmt.Sprintf("%s keeps its MTU of %d", l.vnic.Name(), sent), l.vnic)
	}
}

// networkOf is the libvirt network that a vNIC is plugged into, if it is one.
func networkOf(vnic topology.Node) topology.Node {
	plug, _ := vnic.First(topology.AttachedTo)
	if plug.Kind() == topology.PortGroup {
		plug, _ = plug.Owner()
	}
	if plug.Kind() != topology.Network {
		return topology.Node{}
	}
	return plug
}

// tracked is NET-H9.
func (f *finder) tracked(l *lane) {
	if f.source.IsZero() {
		f.unknown("no source says where "+f.vm.Name()+" runs, nor what filters it there", f.vm)
		return
	}
	if !f.described(l.vnic) {
		return
	}
	switch verdict, why := f.network().Keeps(f.ctx, l.vnic); verdict {
	case reach.Yes:
		f.warn(fmt.Sprintf("%s asks for the state of connections, which stays behind: those of %s that are open may be cut", why, l.vnic.Name()), f.source, l.vnic)
	case reach.No:
		f.pass(fmt.Sprintf("no filter of %s asks for the state of %s's connections", f.source.Name(), l.vnic.Name()), f.source)
	default:
		f.unknown(fmt.Sprintf("whether %s tracks connections of %s is not known: %s", f.source.Name(), l.vnic.Name(), why), f.source, l.vnic)
	}
}
