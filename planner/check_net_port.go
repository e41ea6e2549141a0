package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// usualMTU is what a guest sends of which nobody says otherwise (Ethernet, RFC 894).
const usualMTU = 1500

// mtu is NET-6.
func (f *finder) mtu(l *lane) {
	sent, who := l.sends()
	narrow, known := narrowest(l.now, sent)
	said := len(f.found)
	var nodes []topology.Node
	for _, p := range l.next.Paths {
		if p.Faulty() {
			continue
		}
		for _, h := range p.Hops[1:] {
			if h.Node.Kind().Interface() && !slices.Contains(nodes, h.Node) {
				nodes = append(nodes, h.Node)
			}
		}
	}
	for _, n := range nodes {
		f.looked(n)
		v, ok := n.Value(topology.AttrMTU)
		switch {
		case !ok && slices.ContainsFunc(bearers(n), func(m topology.Node) bool { _, ok := m.Value(topology.AttrMTU); return ok }):
		case !ok && n.Kind() == topology.LAG && slices.ContainsFunc(n.Out(topology.SupportedBy), func(e topology.Edge) bool { return slices.Contains(nodes, e.To) }):
		case !ok:
			f.unknown("no source says the MTU of "+placeOf(n), n)
		case !f.fresh(n, topology.AttrMTU) || v.Int() >= sent || known[n.Key()]:
		case v.Int() >= narrow:
			f.warn(fmt.Sprintf("%s passes %d octets, as little as the way from %s; %s sends up to %d%s", placeOf(n), v.Int(), nameOf(f.source), l.vnic.Name(), sent, who), n, l.vnic)
		default:
			f.block(fmt.Sprintf("%s passes %d octets, and %s sends up to %d%s", placeOf(n), v.Int(), l.vnic.Name(), sent, who), n, l.vnic)
			f.mend(fmt.Sprintf("set the MTU of %s to %d", placeOf(n), sent),
				topology.Change{Subject: n.Key(), Attr: topology.AttrMTU, Before: believed(n, topology.AttrMTU), After: []topology.Value{topology.IntValue(sent)}})
		}
	}
	switch {
	case len(f.found) > said:
	case len(nodes) == 0 && l.stopped():
		f.idle("nothing passes from "+f.target.Name()+" (NET-5)", f.target)
	case len(nodes) == 0:
		f.unknown("no way from "+f.target.Name()+" is known on which something passes (NET-5)", f.target)
	case narrow < sent:
		f.pass(fmt.Sprintf("what passes less than the %d octets that %s sends%s is on the way from %s, too", sent, l.vnic.Name(), who, nameOf(f.source)), f.target)
	default:
		f.pass(fmt.Sprintf("each interface on the way passes the %d octets that %s sends%s", sent, l.vnic.Name(), who), f.target)
	}
}

// fresh takes down that the check rests on an attribute that is there, and tells whether it may. What is too old is told once for each reading.
func (f *finder) fresh(n topology.Node, a topology.Attr) bool {
	fact, ok := n.Evidence(a)
	if !ok {
		return false
	}
	r, ok := n.Snapshot().Reading(fact.Reading)
	if e := f.evidenceOf(r); ok && slices.Contains(f.evidence, e) {
		return !e.Stale
	}
	return f.rests(n, fact)
}

// sends is how many octets the vNIC puts into a packet at most: as it says, or its network does, or as usual.
func (l *lane) sends() (int64, string) {
	if mtu, ok := l.vnic.Int(topology.AttrMTU); ok {
		return mtu, ""
	}
	for _, p := range l.now.Paths {
		for _, h := range p.Hops {
			if mtu, ok := h.Node.Int(topology.AttrMTU); ok && h.Node.Kind() == topology.Network {
				return mtu, ", as network " + h.Node.Name() + " says"
			}
		}
	}
	return usualMTU, ", since nobody says otherwise"
}

// narrowest is the least MTU of the ways on which packets pass now, at most what is sent, and all that is on them: what does not fit there does not need to fit after
// the move.
func narrowest(r topology.Rail, sent int64) (least int64, on map[topology.Key]bool) {
	least, on = sent, map[topology.Key]bool{}
	for _, p := range r.Paths {
		if !soundPath(p) {
			continue
		}
		for _, h := range p.Hops[1:] {
			on[h.Node.Key()] = true
			if mtu, ok := h.Node.Int(topology.AttrMTU); ok && mtu > 0 && h.Node.Kind().Interface() {
				least = min(least, mtu)
			}
		}
	}
	return least, on
}

// guarded is NET-8.
func (f *finder) guarded(l *lane) {
	said := len(f.found)
	for _, s := range l.spots {
		if s.cause == topology.Kept && f.rely(s.Hop) {
			f.object(l, s, placeOf(s.Node)+": "+s.Doubt, s.Node)
		}
	}
	var ports []topology.Node
	for _, s := range l.spots {
		if s.edge && !slices.Contains(ports, s.Node) {
			ports = append(ports, s.Node)
		}
	}
	for _, port := range ports {
		f.guard(l, port)
	}
	switch {
	case len(f.found) > said:
	case len(ports) == 0:
		f.unknown(fmt.Sprintf("which switch is behind %s is not known (NET-5)", places(l.nears())), l.nears()...)
	default:
		f.pass(fmt.Sprintf("nothing on %s lets in some addresses alone", places(ports)), ports...)
	}
}

// guard looks at the configuration of one port, of its aggregate and of its switch.
func (f *finder) guard(l *lane, port topology.Node) {
	device, _ := port.Owner()
	nodes := append(bearers(port), device)
	for _, n := range nodes {
		f.looked(n)
		for _, v := range n.Values(topology.AttrUnparsed) {
			f.unknown(fmt.Sprintf("what this does on %s nobody understood: %s", placeOf(n), v.String()), n, port)
		}
	}
	if why := f.apartThere(l, port); why != "" {
		f.warn(why, port, l.vnic)
	}
	read := false
	for _, n := range nodes[:len(nodes)-1] {
		for fact := range n.Facts() {
			if s := fact.Reading.Source; !read && !fact.Reading.Partial && (s == topology.SourceCLI || s == topology.SourceSSH) && fact.Rel != topology.HasNeighbor && fact.Rel != topology.Link {
				read = f.rests(n, fact)
				if !read {
					return
				}
			}
		}
	}
	if !read {
		f.unknown(fmt.Sprintf("nobody has read the configuration of %s, which may bind %s to addresses: collect it by CLI, SSH or its backup; SNMP does not tell", device.Name(), port.Name()), port, device)
	}
}

// apartThere tells that the port is kept from others of its switch, and that none of those of the source is.
func (f *finder) apartThere(l *lane, port topology.Node) string {
	isolated := func(n topology.Node) bool {
		return slices.ContainsFunc(bearers(n), func(m topology.Node) bool {
			return slices.ContainsFunc(m.Values(topology.AttrPortLimit), func(v topology.Value) bool { return v.String() == "isolated" })
		})
	}
	if !isolated(port) || slices.ContainsFunc(exitsOf(l.now), func(x exit) bool { return !x.far.IsZero() && isolated(x.far) }) {
		return ""
	}
	device, _ := port.Owner()
	return fmt.Sprintf("%s is isolated: what is behind other isolated ports of %s is not reached from there, and was from %s", placeOf(port), device.Name(), nameOf(f.source))
}

// capacity is NET-11.
func (f *finder) capacity(l *lane) {
	said := len(f.found)
	for _, n := range l.held() {
		for _, v := range n.Values(topology.AttrQdisc) {
			if f.fresh(n, topology.AttrQdisc) {
				f.warn(fmt.Sprintf("%s holds frames back: %s", placeOf(n), v.String()), n, l.vnic)
			}
		}
	}
	next, at := bottleneck(l.next)
	now, was := bottleneck(l.now)
	switch {
	case len(l.fars()) == 0:
		f.unknown(fmt.Sprintf("which switch is behind %s is not known (NET-5)", places(l.nears())), l.nears()...)
	case at.IsZero():
		f.unknown("no source says the speed of "+places(l.nears()), l.nears()...)
	case was.IsZero():
		f.unknown("no source says how fast the way from "+nameOf(f.source)+" is", f.vm)
	case !f.fresh(at, topology.AttrSpeedBits):
	case next < now:
		f.warn(fmt.Sprintf("%s has %s, the slowest on the way from %s %s (%s); load was not looked at", placeOf(at), speedText(next), nameOf(f.source), speedText(now), placeOf(was)), at, l.vnic)
	case len(f.found) == said:
		f.pass(fmt.Sprintf("the slowest on the way is %s with %s; from %s %s with %s; load was not looked at", placeOf(at), speedText(next), nameOf(f.source), placeOf(was), speedText(now)), at)
	}
}

// held lists where frames are held back on the ways from the target, and not on those from the source.
func (l *lane) held() []topology.Node {
	now := map[topology.Key]bool{}
	for _, p := range l.now.Paths {
		for _, h := range p.Hops {
			now[h.Node.Key()] = true
		}
	}
	var all []topology.Node
	for _, s := range l.spots {
		if _, is := s.Node.Value(topology.AttrQdisc); is && !now[s.Node.Key()] && !slices.Contains(all, s.Node) {
			all = append(all, s.Node)
		}
	}
	return all
}

// bottleneck is the slowest interface of the ways on which nothing is wrong, else of all; none if nobody says the speed of the host's own.
func bottleneck(r topology.Rail) (least int64, at topology.Node) {
	own := false
	for _, p := range r.Paths {
		if p.Faulty() && reaches(r) {
			continue
		}
		out := firstCable(p.Hops)
		for i, h := range p.Hops {
			speed, ok := h.Node.Int(topology.AttrSpeedBits)
			if !ok || speed <= 0 || !h.Node.Kind().Interface() {
				continue
			}
			own = own || i < out
			if at.IsZero() || speed < least {
				least, at = speed, h.Node
			}
		}
	}
	if !own {
		return 0, topology.Node{}
	}
	return least, at
}

// speedText words a speed.
func speedText(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}} {
		if n >= u.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(u.size)), ".0") + " " + u.name
		}
	}
	return fmt.Sprintf("%d bit/s", n)
}

// announcement is NET-13.
func (f *finder) announcement(l *lane) {
	said := len(f.found)
	mac, ok := f.value(l.vnic, topology.AttrMAC)
	if !ok {
		return
	}
	if !f.leaves(l) {
		return
	}
	for _, n := range l.bound(mac.MAC()) {
		f.block(fmt.Sprintf("%s has a fixed entry for %s: the switch does not let the address move to another port", placeOf(n), mac), n, l.vnic)
	}
	if !slices.ContainsFunc(l.exits, exit.open) {
		text := "frames of " + l.vnic.Name() + " leave " + f.target.Name() + " by no cable that is known (NET-5)"
		if l.stopped() {
			f.idle(text, l.vnic)
		} else {
			f.unknown(text, l.vnic)
		}
		return
	}
	network := f.moved()
	if l.then.Snapshot() != f.after.Snapshot() { // its network is started first
		network = reach.NewNetwork(l.then.Snapshot(), f.policy.Ages, f.now)
	}
	verdict, why := network.Announced(f.ctx, l.then)
	switch {
	case verdict == reach.No:
		f.block(why, f.target, l.vnic)
	case verdict != reach.Yes:
		f.unknown(why, f.target, l.vnic)
	case len(f.found) == said:
		f.pass(fmt.Sprintf("the announcement of %s leaves %s", mac, f.target.Name()), l.vnic)
	}
}

// leaves tells whether all ports are known by which frames of the vNIC come to the switches now. If not, an unknown says so.
func (f *finder) leaves(l *lane) bool {
	if network, _ := hostbound(l.now); !network.IsZero() {
		return true
	}
	exits := exitsOf(l.now)
	if len(exits) == 0 {
		f.unknown("no source says by which interface frames of "+l.vnic.Name()+" leave "+nameOf(f.source), l.vnic)
	}
	ok := len(exits) > 0 && f.layered(l.now)
	for _, x := range exits {
		switch {
		case !x.far.IsZero():
			ok = f.described(x.far) && f.looked(x.far) && ok
		case !isDown(x.near):
			f.unknown(fmt.Sprintf("which switch is behind %s, and what it has fixed there, is not known", placeOf(x.near)), x.near)
			ok = false
		}
	}
	return ok
}

// bound lists the ports of the switches behind source and target that have a fixed entry for an address, other than that behind the target.
func (l *lane) bound(mac topology.MAC) []topology.Node {
	var all []topology.Node
	for _, x := range exitsOf(l.now) {
		if x.far.IsZero() {
			continue
		}
		for _, n := range bearers(x.far) {
			if slices.ContainsFunc(l.fars(), func(m topology.Node) bool { return m.Key() == x.far.Key() }) {
				continue
			}
			for v := range n.Stated(topology.AttrLearned) {
				if e := v.FDB(); e.MAC == mac && e.Status == topology.FDBStatic && !slices.Contains(all, n) {
					all = append(all, n)
				}
			}
		}
	}
	return all
}
