package reach_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology/policy"
)

// A world of guests, bridges, switches and routers, and what becomes of one concrete packet in it, cable by cable. It shares nothing with what it judges but the
// facts that it tells. The cables between bridges that are not blocked form a tree, so that frames go one way, and flooding finds it.

// lanPort is one end of a cable: of a switch, or the NIC of a host or router.
type lanPort struct {
	key, name string
	device    *lanDevice
	peer      *lanPort
	tagged    []int
	access    int // VLAN of frames without a tag, 0: none
	isolated  bool
	down      bool
	blocked   bool // by the spanning tree
	in, out   *lanList
}

// lanDevice is a switch, a host with a bridge, a host whose guest is on its NIC, or a router.
type lanDevice struct {
	key, kind string // switch, bridge, bare, router
	ports     []*lanPort
	guests    []*lanGuest
	vlans     map[int]string // of a switch that lists them, with their states
	maps      map[int]*lanList

	faces    map[int]*lanFace // of a router, by VLAN
	routes   []lanRoute
	forwards *lanList
}

type lanGuest struct {
	name     string
	vlan     int
	number   int // of its address in the VLAN's subnet
	host     *lanDevice
	isolated bool
	in, out  *lanList // what it sends, what it gets
}

// lanFace is a router's interface on a VLAN.
type lanFace struct {
	router  *lanDevice
	vlan    int
	number  int
	in, out *lanList
}

type lanRoute struct {
	vlan  int      // destination: its subnet
	by    int      // VLAN
	next  *lanFace // nil: connected
	drops bool
}

// lanRule is a rule; zeros are any.
type lanRule struct {
	permit           bool
	from, to         string
	fromPort, toPort int
	answers          bool // asks for established connections
	acks             bool // asks for ACK or RST, as IOS's established
}

type lanList struct {
	name    string
	rules   []lanRule
	permits bool // what no rule decides
}

// lanPacket is the one packet that is followed.
type lanPacket struct {
	from, to         string
	fromPort, toPort int
	ack              bool
}

func (l *lanList) passes(p lanPacket, known bool) bool {
	if l == nil {
		return true
	}
	for _, r := range l.rules {
		if r.from != "" && r.from != p.from || r.to != "" && r.to != p.to || r.fromPort != 0 && r.fromPort != p.fromPort || r.toPort != 0 && r.toPort != p.toPort ||
			r.answers && !known || r.acks && !p.ack {
			continue
		}
		return r.permit
	}
	return l.permits
}

func lanAddress(vlan, number int) string { return fmt.Sprintf("10.0.%d.%d", vlan, number) }

func (g *lanGuest) address() string { return lanAddress(g.vlan, g.number) }

func (p *lanPort) carries(vlan int) bool {
	return !p.down && !p.blocked && (p.access == vlan || slices.Contains(p.tagged, vlan))
}

// sent floods a frame of a VLAN out of a device, which it came into by a port or, of a host, from a guest, and tells whether it gets to a guest or interface.
type lanFlood struct {
	p       lanPacket
	vlan    int
	guest   *lanGuest // whom it is for, or
	face    *lanFace
	free    bool // nobody filters
	reached bool
}

func (f *lanFlood) passes(l *lanList) bool { return f.free || l.passes(f.p, false) }

// across takes a frame over the cable of a port, with a tag or not.
func (f *lanFlood) across(port *lanPort, tagged bool) {
	if port.peer == nil || port.down || port.peer.down {
		return
	}
	at := port.peer
	switch at.device.kind {
	case "switch":
		if !at.carries(f.vlan) || tagged != slices.Contains(at.tagged, f.vlan) || !f.passes(at.in) {
			return
		}
		f.through(at)
	case "bridge":
		if tagged {
			f.toGuests(at.device, nil)
		}
	case "bare":
		if !tagged {
			f.toGuests(at.device, nil)
		}
	case "router":
		f.reached = f.reached || f.face != nil && f.face.router == at.device && tagged
	}
}

// through is what a switch does with a frame that it has taken.
func (f *lanFlood) through(in *lanPort) {
	d := in.device
	if d.vlans != nil && d.vlans[f.vlan] != "active" || !f.passes(d.maps[f.vlan]) {
		return
	}
	for _, out := range d.ports {
		if out != in && out.carries(f.vlan) && (!out.isolated || !in.isolated) && f.passes(out.out) {
			f.across(out, slices.Contains(out.tagged, f.vlan))
		}
	}
}

// toGuests is what a host does with a frame: of the cable, or of one of its guests.
func (f *lanFlood) toGuests(host *lanDevice, sender *lanGuest) {
	for _, g := range host.guests {
		if g == f.guest && g != sender && g.vlan == f.vlan && (sender == nil || !sender.isolated || !g.isolated) && f.passes(g.out) {
			f.reached = true
		}
	}
}

func (f lanFlood) fromGuest(g *lanGuest) bool {
	f.vlan = g.vlan
	if !f.passes(g.in) {
		return false
	}
	if g.host.kind == "bridge" {
		f.toGuests(g.host, g)
	}
	for _, port := range g.host.ports {
		f.across(port, g.host.kind == "bridge")
	}
	return f.reached
}

func (f lanFlood) fromFace(i *lanFace) bool {
	f.vlan = i.vlan
	f.across(i.router.ports[0], true)
	return f.reached
}

// lanFate is what may become of a packet: by one sequence of choices it arrives or not, and has crossed routers.
type lanFate struct {
	arrives bool
	crossed []*lanDevice
}

// lanWorld is all of it.
type lanWorld struct {
	switches, hosts, routers []*lanDevice
	guests                   []*lanGuest
}

// send gives all that may become of a packet, for each choice of gateways and equal routes. Known are the routers that hold the connection.
func (w *lanWorld) send(from, to *lanGuest, p lanPacket, known []*lanDevice) (all []lanFate) {
	if from.vlan == to.vlan {
		return []lanFate{{lanFlood{p: p, guest: to}.fromGuest(from), nil}}
	}
	for _, r := range w.routers {
		if i := r.faces[from.vlan]; i != nil && (lanFlood{face: i, free: true}.fromGuest(from)) { // else it is on another segment
			if !(lanFlood{p: p, face: i}.fromGuest(from)) {
				all = append(all, lanFate{})
				continue
			}
			all = append(all, w.routed(i, to, p, known, nil)...)
		}
	}
	return all
}

const lanHops = 8 // what goes round longer is lost

func (w *lanWorld) routed(in *lanFace, to *lanGuest, p lanPacket, known, crossed []*lanDevice) (all []lanFate) {
	r := in.router
	crossed = append(slices.Clip(crossed), r)
	lost := []lanFate{{false, crossed}}
	holds := slices.Contains(known, r)
	if len(crossed) > lanHops || !in.in.passes(p, holds) {
		return lost
	}
	for _, route := range r.routes {
		if route.vlan != to.vlan {
			continue
		}
		out := r.faces[route.by]
		if route.drops || out == nil || !r.forwards.passes(p, holds) || !out.out.passes(p, holds) {
			all = append(all, lost...)
			continue
		}
		switch {
		case route.next == nil:
			all = append(all, lanFate{lanFlood{p: p, guest: to}.fromFace(out), crossed})
		case lanFlood{p: p, face: route.next}.fromFace(out):
			all = append(all, w.routed(route.next, to, p, known, crossed)...)
		default:
			all = append(all, lost...)
		}
	}
	if len(all) == 0 {
		return lost
	}
	return all
}

// lanFacts tells a world as facts.
type lanFacts struct {
	lines   []string
	filters map[string][]*policy.Filter
}

func (w *lanWorld) facts() lanFacts {
	f := lanFacts{filters: map[string][]*policy.Filter{}}
	for _, d := range slices.Concat(w.switches, w.hosts, w.routers) {
		f.say("filtertext:none AppliesTo %s", d.key)
		for _, p := range d.ports {
			f.port(d, p)
		}
		for vlan, state := range d.vlans {
			f.say("%s Contains vlan:%s/%d\nvlan:%s/%d vid=%d\nvlan:%s/%d state=%s", d.key, d.id(), vlan, d.id(), vlan, vlan, d.id(), vlan, state)
		}
		for vlan, l := range d.maps {
			f.filter(d, l, policy.Attachment{Hook: policy.HookVLAN, VLANs: strconv.Itoa(vlan)})
		}
	}
	for _, d := range w.hosts {
		f.host(d)
	}
	for _, d := range w.routers {
		f.router(d)
	}
	f.say("filtertext:none state=parsed")
	return f
}

func (f *lanFacts) say(format string, args ...any) {
	f.lines = append(f.lines, strings.Split(fmt.Sprintf(format, args...), "\n")...)
}

func (d *lanDevice) id() string {
	_, id, _ := strings.Cut(d.key, ":")
	return id
}

func (f *lanFacts) port(d *lanDevice, p *lanPort) {
	f.say("%s Contains %s\n%s ifName=%s", d.key, p.key, p.key, p.name)
	if p.peer != nil && p.key < p.peer.key {
		f.say("%s Link %s", p.key, p.peer.key)
	}
	if p.down {
		f.say("%s state=down", p.key)
	}
	if p.blocked {
		f.say("%s stpState=0 blocking", p.key)
	}
	if p.isolated {
		f.say("%s portLimit=isolated", p.key)
	}
	if d.kind == "switch" {
		f.say("%s tagged=%s", p.key, strings.Trim(strings.ReplaceAll(fmt.Sprint(p.tagged), " ", ","), "[]"))
		if p.access != 0 {
			f.say("%s pvid=%d\n%s untagged=%d", p.key, p.access, p.key, p.access)
		}
	}
	f.filter(d, p.in, policy.Attachment{Hook: policy.HookIngress, Interface: p.name})
	f.filter(d, p.out, policy.Attachment{Hook: policy.HookEgress, Interface: p.name})
}

func (f *lanFacts) host(d *lanDevice) {
	plug := d.ports[0].key
	if d.kind == "bridge" {
		plug = "virtualswitch:" + d.id() + "/br"
		f.say("%s Contains %s\n%s SupportedBy %s\n%s virtualPort=openvswitch", d.key, plug, plug, d.ports[0].key, plug)
	}
	for _, g := range d.guests {
		n := "vnic:" + g.name + "/n"
		f.say("vm:%s Contains %s\n%s AttachedTo %s\n%s address=%s/24\n%s InSubnet subnet:10.0.%d.0/24", g.name, n, n, plug, n, g.address(), n, g.vlan)
		if d.kind == "bridge" {
			f.say("%s vid=%d\n%s deviceName=tap%s", n, g.vlan, n, g.name)
		}
		if g.isolated {
			f.say("%s Contains port:%s/tap%s\nport:%s/tap%s ifName=tap%s\nport:%s/tap%s portLimit=isolated", d.key, d.id(), g.name, d.id(), g.name, g.name, d.id(), g.name)
		}
		for _, l := range []*lanList{g.in, g.out} {
			if l != nil {
				f.say("filter:%s/%s AppliesTo %s", d.id(), l.name, n)
			}
		}
		f.filter(d, g.in, policy.Attachment{Hook: policy.HookIngress, Interface: g.name})
		f.filter(d, g.out, policy.Attachment{Hook: policy.HookEgress, Interface: g.name})
	}
}

func (f *lanFacts) router(d *lanDevice) {
	for vlan, i := range d.faces {
		k := fmt.Sprintf("port:%s/v%d", d.id(), vlan)
		f.say("%s Contains %s\n%s ifName=v%d\n%s vid=%d\n%s ifType=135\n%s address=%s/24\n%s InSubnet subnet:10.0.%d.0/24\n%s SupportedBy %s",
			d.key, k, k, vlan, k, vlan, k, k, lanAddress(vlan, i.number), k, vlan, k, d.ports[0].key)
		f.filter(d, i.in, policy.Attachment{Hook: policy.HookPrerouting, Interface: fmt.Sprintf("v%d", vlan)})
		f.filter(d, i.out, policy.Attachment{Hook: policy.HookPostrouting, Interface: fmt.Sprintf("v%d", vlan)})
	}
	for n, r := range d.routes {
		k := fmt.Sprintf("route:%s/default/10.0.%d.0%%2F24/%d", d.id(), r.vlan, n)
		f.say("%s Contains %s\n%s prefix=10.0.%d.0/24", d.key, k, k, r.vlan)
		switch {
		case r.drops:
			f.say("%s state=blackhole", k)
		case r.next != nil:
			f.say("%s nextHop=%s", k, lanAddress(r.by, r.next.number))
			fallthrough
		default:
			f.say("%s RoutesVia port:%s/v%d", k, d.id(), r.by)
		}
	}
	f.filter(d, d.forwards, forward)
}

func (f *lanFacts) filter(d *lanDevice, l *lanList, at policy.Attachment) {
	if l == nil {
		return
	}
	def := policy.Deny
	if l.permits {
		def = policy.Permit
	}
	var rules []policy.Rule
	for _, r := range l.rules {
		rules = append(rules, r.rule())
	}
	f.filters[d.key] = append(f.filters[d.key], list(l.name, at, def, rules...))
}

func (r lanRule) rule() policy.Rule {
	var terms []policy.Term
	address := func(f policy.Field, a string) {
		if a != "" {
			var b [4]uint64
			_, _ = fmt.Sscanf(a, "%d.%d.%d.%d", &b[0], &b[1], &b[2], &b[3])
			terms = append(terms, policy.Term{Field: f, Family: policy.IPv4, Of: []policy.Range{policy.Is(b[0]<<24 | b[1]<<16 | b[2]<<8 | b[3])}})
		}
	}
	number := func(f policy.Field, n int) {
		if n != 0 {
			terms = append(terms, is(f, uint64(n)))
		}
	}
	address(policy.Source, r.from)
	address(policy.Destination, r.to)
	number(policy.SourcePort, r.fromPort)
	number(policy.DestinationPort, r.toPort)
	if r.answers {
		terms = append(terms, established())
	}
	if r.acks {
		terms = append(terms, isTCP(), policy.Term{Field: policy.TCPFlags, Of: []policy.Range{policy.Bits(16, 16), policy.Bits(4, 4)}})
	}
	if r.permit {
		return permit(terms...)
	}
	return deny(terms...)
}

// lanDraw draws a world.
type lanDraw struct {
	*rapid.T
	*lanWorld
	lists int
}

const (
	lanFrom, lanTo = 2000, 80 // ports of the connection
	lanTransit     = 99       // VLAN between routers
)

var lanVLANs = []int{10, 20, 30, lanTransit}

func (d *lanDraw) one(in int, what string) bool {
	return rapid.IntRange(0, in-1).Draw(d.T, what) == in-1
}

func (d *lanDraw) port(dev *lanDevice, kind string) *lanPort {
	p := &lanPort{device: dev, name: fmt.Sprintf("%sp%d", dev.id(), len(dev.ports))}
	p.key = kind + ":" + dev.id() + "/" + p.name
	dev.ports = append(dev.ports, p)
	p.down = d.one(40, "down")
	return p
}

// trunk gives a port most VLANs.
func (d *lanDraw) trunk(p *lanPort) {
	p.tagged = slices.Clone(lanVLANs)
	if d.one(8, "lacks") {
		p.tagged = slices.Delete(p.tagged, 0, 1+rapid.IntRange(0, 2).Draw(d.T, "many"))
	}
	p.in, p.out = d.list(10), d.list(10)
}

func (d *lanDraw) cable(a, b *lanPort) { a.peer, b.peer = b, a }

// list draws a list in one of so many cases.
func (d *lanDraw) list(in int) *lanList {
	if !d.one(in, "list") {
		return nil
	}
	d.lists++
	l := &lanList{name: fmt.Sprintf("l%d", d.lists), permits: !d.one(4, "denies")}
	for range rapid.IntRange(1, 3).Draw(d.T, "rules") {
		r := lanRule{permit: rapid.Bool().Draw(d.T, "permit")}
		address := func() string {
			if rapid.Bool().Draw(d.T, "any") {
				return ""
			}
			return lanAddress(rapid.SampledFrom(lanVLANs[:3]).Draw(d.T, "vlan"), 10+rapid.IntRange(0, 1).Draw(d.T, "n"))
		}
		r.from, r.to = address(), address()
		ports := []int{0, 0, lanFrom, lanTo}
		r.fromPort, r.toPort = rapid.SampledFrom(ports).Draw(d.T, "fromPort"), rapid.SampledFrom(ports).Draw(d.T, "toPort")
		r.acks = d.one(6, "acks")
		l.rules = append(l.rules, r)
	}
	return l
}

func drawLAN(t *rapid.T) *lanWorld {
	d := &lanDraw{T: t, lanWorld: &lanWorld{}}
	for n := range rapid.IntRange(1, 3).Draw(t, "switches") {
		d.addSwitch(n)
	}
	for n := range rapid.IntRange(1, 3).Draw(t, "hosts") {
		d.addHost(n)
	}
	for n := range rapid.IntRange(0, 2).Draw(t, "routers") {
		d.addRouter(n)
	}
	for _, r := range d.routers {
		d.addRoutes(r)
	}
	return d.lanWorld
}

func (d *lanDraw) addSwitch(n int) {
	s := &lanDevice{key: fmt.Sprintf("switch:s%d", n), kind: "switch", maps: map[int]*lanList{}}
	if n > 0 { // a tree, and a blocked cable beside it
		for i := range 1 + rapid.IntRange(0, 1).Draw(d.T, "blocked") {
			up := d.switches[rapid.IntRange(0, n-1).Draw(d.T, "up")]
			a, b := d.port(up, "port"), d.port(s, "port")
			d.trunk(a)
			d.trunk(b)
			d.cable(a, b)
			b.blocked = i > 0
		}
	}
	if d.one(3, "lists VLANs") {
		s.vlans = map[int]string{}
		for _, v := range lanVLANs {
			switch rapid.IntRange(0, 9).Draw(d.T, "VLAN") {
			case 8:
				s.vlans[v] = "suspended"
			case 9: // it does not have it
			default:
				s.vlans[v] = "active"
			}
		}
	}
	for _, v := range lanVLANs {
		if l := d.list(12); l != nil {
			s.maps[v] = l
		}
	}
	d.switches = append(d.switches, s)
}

func (d *lanDraw) addHost(n int) {
	h := &lanDevice{key: fmt.Sprintf("host:h%d", n), kind: rapid.SampledFrom([]string{"bridge", "bridge", "bare"}).Draw(d.T, "kind")}
	s := rapid.SampledFrom(d.switches).Draw(d.T, "switch")
	p, nic := d.port(s, "port"), d.port(h, "nic")
	d.cable(p, nic)
	d.trunk(p)
	guests := rapid.IntRange(1, 2).Draw(d.T, "guests")
	if h.kind == "bare" {
		guests, p.tagged = 1, nil
	}
	p.isolated = d.one(4, "isolated")
	for range guests {
		g := &lanGuest{name: fmt.Sprintf("g%d", len(d.guests)), vlan: rapid.SampledFrom(lanVLANs[:3]).Draw(d.T, "vlan"), host: h, in: d.list(8), out: d.list(8)}
		g.number = 10 + len(slices.DeleteFunc(slices.Clone(d.guests), func(o *lanGuest) bool { return o.vlan != g.vlan }))
		g.isolated = h.kind == "bridge" && d.one(4, "isolated")
		if h.kind == "bare" {
			p.access = g.vlan
		}
		h.guests, d.guests = append(h.guests, g), append(d.guests, g)
	}
	d.hosts = append(d.hosts, h)
}

func (d *lanDraw) addRouter(n int) {
	r := &lanDevice{key: fmt.Sprintf("router:r%d", n), kind: "router", faces: map[int]*lanFace{}, forwards: d.list(3)}
	p, own := d.port(rapid.SampledFrom(d.switches).Draw(d.T, "switch"), "port"), d.port(r, "port")
	d.cable(p, own)
	d.trunk(p)
	for _, v := range lanVLANs {
		if v == lanTransit || rapid.IntRange(0, 3).Draw(d.T, "routes") > 0 {
			r.faces[v] = &lanFace{router: r, vlan: v, number: 1 + n, in: d.list(6), out: d.list(6)}
		}
	}
	if r.forwards != nil && rapid.Bool().Draw(d.T, "stateful") {
		r.forwards.rules = append([]lanRule{{permit: true, answers: true}}, r.forwards.rules...)
	}
	d.routers = append(d.routers, r)
}

func (d *lanDraw) addRoutes(r *lanDevice) {
	var others []*lanFace
	for _, o := range d.routers {
		if o != r {
			others = append(others, o.faces[lanTransit])
		}
	}
	for _, v := range lanVLANs {
		switch {
		case r.faces[v] != nil:
			r.routes = append(r.routes, lanRoute{vlan: v, by: v})
		case d.one(8, "drops"):
			r.routes = append(r.routes, lanRoute{vlan: v, drops: true})
		case len(others) > 0 && !d.one(8, "no route"): // which may lead back
			r.routes = append(r.routes, lanRoute{vlan: v, by: lanTransit, next: rapid.SampledFrom(others).Draw(d.T, "next")})
		}
	}
}
