package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// segment is a place of a broadcast domain: a VLAN on a bridge, or an interface that routes it.
type segment struct {
	key topology.Key
	vid topology.VID
}

// domain is NET-5.
func (f *finder) domain() {
	for _, l := range f.vnics() {
		f.evidence = nil
		switch {
		case l.plug().IsZero():
			f.unknown(fmt.Sprintf("where %s would be plugged in on %s is not known, nor what that leads to (NET-H1)", l.vnic.Name(), f.target.Name()), l.vnic)
		case l.switchedOff():
			f.idle(l.vnic.Name()+" is switched off: it sends no frames", l.vnic)
		case f.source.IsZero():
			f.unknown("no source says where "+f.vm.Name()+" runs, nor in which broadcast domain it is", f.vm)
		default:
			f.layered(l.next)
			f.bridges(l)
			f.meets(l)
		}
	}
}

// meets asks of each way out of the target whether it gets to where the way from the source gets.
func (f *finder) meets(l *lane) {
	there, mode := hostbound(l.next)
	here, was := hostbound(l.now)
	switch {
	case there.IsZero() && here.IsZero():
	case !there.IsZero() && !here.IsZero() && there.Key() == here.Key():
		f.pass(l.vnic.Name()+" stays on network "+placeOf(there), there)
		return
	case there.IsZero():
		f.block(fmt.Sprintf("%s is on network %s (%s), which does not leave its host: from %s nothing on it is reached", l.vnic.Name(), placeOf(here), was, f.target.Name()), l.plug(), here)
		return
	default:
		f.block(fmt.Sprintf("network %s (%s) does not leave its host: what %s shares a broadcast domain with is not on it", placeOf(there), mode, l.vnic.Name()), there, l.vnic)
		return
	}
	from := originOf(l.now)
	all := make([]meeting, len(l.exits))
	for i, x := range l.exits {
		all[i] = from.meets(x)
	}
	if slices.ContainsFunc(all, func(m meeting) bool { return m.grade != joined }) {
		l.search(all)
	}
	if !slices.ContainsFunc(all, func(m meeting) bool { return m.grade == joined }) {
		l.cutOff(all)
	}
	f.judge(l, all)
}

// cutOff makes certain of what is in doubt where all is known that frames get to from the target, and where the VM is now is not among it.
func (l *lane) cutOff(all []meeting) {
	back := l.back()
	if len(back) == 0 {
		return
	}
	why, rests, ok := l.fence().Excludes(back[0].Hops[0].Node, back)
	if !ok {
		return
	}
	for i, x := range l.exits {
		if all[i].grade == doubted {
			all[i] = meeting{grade: stopped, at: topology.Hop{Node: x.near}, text: why, hops: slices.Concat(l.fence().Rests, rests)}
		}
	}
}

// ends are the ports beyond which frames get no further, as far as that is what is wrong with these, else the interface by which they leave the target.
func (l *lane) ends() []topology.Node {
	const most = 3
	var ends []topology.Node
	for _, h := range l.fence().Ends {
		if len(ends) < most {
			ends = append(ends, h.Node)
		}
	}
	if len(ends) == 0 {
		ends = append(ends, l.exits[0].near)
	}
	return ends
}

// origin is where frames get from where the VM is.
type origin struct {
	at   map[segment]bool
	vnis map[int64]bool // of the VLANs there
}

// originOf follows the ways as far as nothing on them is wrong.
func originOf(r topology.Rail) origin {
	h := origin{map[segment]bool{}, map[int64]bool{}}
	for _, p := range r.Paths {
		for _, hop := range p.Hops {
			if hop.Fault != "" || hop.Doubt != "" {
				break
			}
			at := segmentOf(hop)
			if h.at[at] {
				continue
			}
			h.at[at] = true
			if vni, ok := vniOf(hop); ok {
				h.vnis[vni] = true
			}
		}
	}
	return h
}

// segmentOf is where in a broadcast domain a hop is: a switch is one for all its ports in a VLAN.
func segmentOf(h topology.Hop) segment {
	device, ok := h.Node.Owner()
	if _, bridged := topology.VLANHolder(h.Node); ok && bridged && h.VID > 0 && device.Kind() != topology.Host {
		return segment{device.Key(), h.VID}
	}
	return segment{h.Node.Key(), h.VID}
}

// vniOf gives the VXLAN network that a switch puts the VLAN of a hop into.
func vniOf(h topology.Hop) (int64, bool) {
	device, ok := h.Node.Owner()
	if !ok || h.VID == 0 {
		return 0, false
	}
	vlan, ok := h.Node.Snapshot().Node(topology.PartKey(topology.VLAN, device.Key(), strconv.Itoa(int(h.VID))))
	if !ok {
		return 0, false
	}
	return vlan.Int(topology.AttrVNI)
}

// meeting is what becomes of frames that leave by one exit.
type meeting struct {
	grade meetingGrade
	at    topology.Hop // where they meet, or what stops them
	text  string       // what is not known
	hops  []topology.Hop
}

type meetingGrade uint8

const (
	joined meetingGrade = iota
	doubted
	stopped
)

// meets follows the ways behind an exit; the best of them counts.
func (h origin) meets(x exit) meeting {
	best := meeting{grade: stopped + 1}
	for _, p := range x.paths {
		if m := h.follow(p); m.grade < best.grade {
			best = m
		}
	}
	return best
}

// overlaid tells that a hop is in one of the VXLAN networks of the origin.
func (h origin) overlaid(hop topology.Hop) bool {
	if len(h.vnis) == 0 {
		return false
	}
	vni, ok := vniOf(hop)
	return ok && h.vnis[vni]
}

func (h origin) follow(p topology.Path) meeting {
	m := meeting{}
	for i, hop := range p.Hops {
		if hop.Fault != "" {
			return meeting{grade: stopped, at: hop, hops: p.Hops[:i+1]}
		}
		if hop.Doubt != "" && m.grade == joined {
			m = meeting{grade: doubted, at: hop, text: placeOf(hop.Node) + ": " + hop.Doubt}
		}
		if i > 0 && h.at[segmentOf(hop)] || h.overlaid(hop) {
			m.hops = p.Hops[:i+1]
			if m.grade == joined {
				m.at = hop
			}
			return m
		}
	}
	if m.grade == joined { // it gets to its end, and the domain of the source is not there
		last := p.Hops[len(p.Hops)-1]
		m = meeting{grade: doubted, at: last, text: p.Gap}
		if p.Gap == "" {
			m = meeting{grade: stopped, at: last}
		}
	}
	m.hops = p.Hops
	return m
}

// search looks through the fabric between where the VM is and the exits whose ways do not meet those of the source by themselves.
func (l *lane) search(all []meeting) {
	back := l.back()
	if len(back) == 0 {
		return
	}
	ways, gap := topology.Ways(l.then, back[0].Hops[0].Node, func(n topology.Node) []topology.Path {
		if n == l.then {
			return l.next.Paths
		}
		return back
	})
	for i, x := range l.exits {
		for _, w := range ways {
			if m, ok := x.across(w); ok && m.betters(all[i]) {
				all[i] = m
			}
		}
		if all[i].grade == stopped && all[i].at.Fault == "" {
			if why := l.opening(x, gap); why != "" {
				all[i].grade, all[i].text = doubted, why
			}
		}
	}
}

// back gives the ways from the source, from what the vNIC is plugged into there on, in the snapshot after the move: a search joins nodes of one snapshot only.
func (l *lane) back() []topology.Path {
	s := l.then.Snapshot()
	var back []topology.Path
	for _, p := range l.now.Paths {
		q := topology.Path{Complete: p.Complete, Gap: p.Gap}
		for _, h := range p.Hops[1:] {
			h.Node, _ = s.Node(h.Node.Key())
			q.Hops = append(q.Hops, h)
		}
		if len(q.Hops) > 0 {
			back = append(back, q)
		}
	}
	return back
}

// across is what becomes of frames on a way through the fabric, if they leave by the exit on it.
func (x exit) across(w topology.Way) (meeting, bool) {
	i := firstCable(w.Hops)
	if i < 0 || w.Hops[i].Node != x.far || w.Hops[i-1].Node != x.near {
		return meeting{}, false
	}
	m := meeting{grade: joined, at: w.Hops[i], hops: w.Hops}
	switch {
	case w.Fault != "":
		m.grade, m.at = stopped, w.Hops[slices.IndexFunc(w.Hops, func(h topology.Hop) bool { return h.Fault != "" })]
	case w.Doubt != "":
		m.grade, m.text = doubted, w.Doubt
	}
	return m, true
}

// betters tells that a meeting is to stand for its exit instead of another: frames get further, or no further while the other does not even say why.
func (m meeting) betters(o meeting) bool {
	return m.grade < o.grade || m.grade == o.grade && o.at.Fault == "" && o.text == ""
}

// opening says why the domain behind an exit may reach further than is known; "" if all of its ports are accounted for. Switches are looked at one after the other.
func (l *lane) opening(x exit, gap string) string {
	const most = 64
	first, _ := x.far.Owner()
	vid := l.vid()
	if vid == 0 || first.Kind() != topology.Switch {
		return gap
	}
	todo := []topology.Node{first}
	for i := 0; i < len(todo); i++ { // it grows meanwhile
		if i == most {
			return fmt.Sprintf("VLAN %d has more switches behind %s than are looked at", vid, placeOf(x.far))
		}
		next, loose := beyond(todo[i], vid)
		if !loose.IsZero() {
			return fmt.Sprintf("%s carries VLAN %d, and no source says what is behind it", placeOf(loose), vid)
		}
		for _, device := range next {
			if !slices.Contains(todo, device) {
				todo = append(todo, device)
			}
		}
	}
	return ""
}

// beyond gives the switches behind the ports by which a VLAN leaves a switch; loose is the first of these ports of which no source says what is behind it.
func beyond(device topology.Node, vid topology.VID) (next []topology.Node, loose topology.Node) {
	for _, e := range device.Out(topology.Contains) {
		holder, known := topology.VLANHolder(e.To)
		if !e.To.Kind().Interface() || !known || !topology.Carries(holder, vid) || isDown(e.To) {
			continue
		}
		if e.To.Kind() == topology.LAG && len(e.To.Out(topology.SupportedBy)) > 0 {
			continue // its members have the cables
		}
		peers := e.To.Peers(topology.Link)
		if len(peers) == 0 {
			return nil, e.To
		}
		for _, p := range peers {
			if d, _ := p.Owner(); d.Kind() == topology.Switch {
				next = append(next, d)
			}
		}
	}
	return next, topology.Node{}
}

func isDown(n topology.Node) bool {
	state := n.Text(topology.AttrState)
	return state == "down" || state == "lowerLayerDown" || state == "notPresent" || n.Text(topology.AttrAdminState) == "down"
}

// judge sums up what becomes of frames by all exits: which of them they take is hashed.
func (f *finder) judge(l *lane, all []meeting) {
	said := len(f.found)
	some := slices.ContainsFunc(all, func(m meeting) bool { return m.grade == joined })
	var met []topology.Node
	for i, m := range all {
		x := l.exits[i]
		switch cause := m.at.Cause(); {
		case !f.rely(m.hops...):
		case m.grade == joined:
			met = append(met, m.at.Node)
		case !some:
		case m.grade == doubted && (cause == topology.NoCause || cause == topology.Cabling || cause == topology.Gateway):
			f.unknown(fmt.Sprintf("whether frames that leave %s by %s get to %s is not known: %s", f.target.Name(), x.near.Name(), f.source.Name(), m.text), x.near, l.vnic)
		case m.grade == stopped && m.at.Fault == "":
			f.block(fmt.Sprintf("frames that leave %s by %s do not get to the broadcast domain of %s on %s", f.target.Name(), x.near.Name(), l.vnic.Name(), f.source.Name()), x.near, l.vnic)
		case m.grade == stopped && cause == topology.Down && m.at.Node != x.near && m.at.Node != x.far && m.at.Rel != 0:
			f.block(fmt.Sprintf("frames that leave %s by %s get no further: %s", f.target.Name(), x.near.Name(), faultText(m.at)), m.at.Node, x.near, l.vnic)
		}
	}
	if len(f.found) > said {
		return
	}
	if some {
		f.pass(fmt.Sprintf("%s: what leaves %s and %s meets at %s", frames(l.vid()), f.target.Name(), f.source.Name(), places(met)), met...)
		return
	}
	f.severed(l, all)
}

// severed says why nothing gets from the target to the broadcast domain.
func (f *finder) severed(l *lane, all []meeting) {
	if i := slices.IndexFunc(all, func(m meeting) bool { return m.grade == doubted }); i >= 0 {
		f.unknown(fmt.Sprintf("whether %s has the broadcast domain of %s is not known: %s", f.target.Name(), l.vnic.Name(), all[i].text), all[i].at.Node, l.vnic)
		return
	}
	if len(all) == 0 {
		f.unknown("no source says by which interface frames of "+l.vnic.Name()+" would leave "+f.target.Name(), f.target, l.vnic)
		return
	}
	why, about := "nothing joins what is behind it with what is behind "+f.source.Name(), []topology.Node{all[0].at.Node}
	switch {
	case all[0].text != "":
		why, about = all[0].text, l.ends()
	case all[0].at.Fault != "":
		why = faultText(all[0].at)
	}
	f.block(fmt.Sprintf("%s does not have the broadcast domain of %s: %s", f.target.Name(), l.vnic.Name(), why), append(about, l.vnic)...)
}

// stopped tells that there are ways, and that nothing passes on any.
func (l *lane) stopped() bool {
	return len(l.next.Paths) > 0 && !slices.ContainsFunc(l.next.Paths, func(p topology.Path) bool { return !p.Faulty() })
}

// gateway is NET-7.
func (f *finder) gateway(l *lane) {
	if network, mode := hostbound(l.next); !network.IsZero() {
		if mode == "isolated" {
			f.idle("network "+placeOf(network)+" is isolated: it has no gateway", network)
		} else {
			f.pass(fmt.Sprintf("%s routes network %s itself (%s)", f.target.Name(), network.Name(), mode), network)
		}
		return
	}
	f.bridges(l)
	var gateways []topology.Node
	var open, shut *topology.Path
	doubts := f.aside()
	for i := range l.next.Paths {
		switch p := &l.next.Paths[i]; {
		case soundPath(*p): // one that can be relied on is enough
			if at, sure := p.Hops[len(p.Hops)-1].Node, f.aside(); !slices.Contains(gateways, at) {
				if sure.rely(p.Hops...) {
					gateways, f.evidence = append(gateways, at), sure.evidence
				} else {
					doubts.rely(p.Hops...)
				}
			}
		case !p.Faulty():
			open = cmp.Or(open, p)
		default:
			shut = cmp.Or(shut, p)
		}
	}
	switch {
	case len(gateways) > 0:
		f.pass(fmt.Sprintf("%s: %s routes it", frames(l.vid()), places(gateways)), gateways...)
	case reaches(l.next): // too old, or not looked at
		f.evidence, f.found = doubts.evidence, append(f.found, doubts.found...)
	case open != nil && f.unrouted(l):
	case open != nil:
		text := "no gateway is known to be reached from " + f.target.Name() + ": " + open.Gap
		if !reaches(l.now) {
			text += "; none is from " + nameOf(f.source) + ", either"
		}
		f.unknown(text, open.Hops[len(open.Hops)-1].Node, l.vnic)
	case shut != nil:
		i := slices.IndexFunc(shut.Hops, func(h topology.Hop) bool { return h.Fault != "" })
		f.block(fmt.Sprintf("no gateway of %s is reached from %s: %s", l.vnic.Name(), f.target.Name(), faultText(shut.Hops[i])), shut.Hops[i].Node, l.vnic)
	default:
		f.unknown("no way of "+l.vnic.Name()+" from "+f.target.Name()+" is known", f.target, l.vnic)
	}
}

// unrouted blocks where a gateway is reached now, and all is known that frames get to from the target, and none of the gateways is among it.
func (f *finder) unrouted(l *lane) bool {
	why, ok := l.unrouted()
	if ok && f.rely(l.fence().Rests...) {
		f.block(fmt.Sprintf("no gateway of %s is reached from %s: %s", l.vnic.Name(), f.target.Name(), why), append(l.ends(), l.vnic)...)
	}
	return ok
}

func (l *lane) unrouted() (why string, ok bool) {
	for _, p := range l.now.Paths {
		if !soundPath(p) {
			continue
		}
		gateway, _ := p.Hops[len(p.Hops)-1].Node.On(l.then.Snapshot())
		if why, _, ok = l.fence().Excludes(gateway, nil); !ok {
			return "", false
		}
	}
	return why, ok
}

// redundancy is NET-12.
func (f *finder) redundancy(l *lane) {
	_, none := l.unrouted()
	switch text := "no gateway is known to be reached from " + f.target.Name() + " (NET-7)"; {
	case reaches(l.next):
	case l.stopped() || none && f.aside().rely(l.fence().Rests...):
		f.idle(text, f.target)
		return
	default:
		f.unknown(text, f.target)
		return
	}
	f.bridges(l)
	least := cmp.Or(f.policy.Redundancy.Network, 1)
	f.sureOf(l, least)
	now, next := l.now.Independent, l.next.Independent
	text := fmt.Sprintf("%s from %s to gateways that share no device, %d from %s", countOf(next, "way"), f.target.Name(), now, nameOf(f.source))
	lost := l.hops(func(s spot) bool { return s.Fault != "" && !s.shared })
	about := []topology.Node{f.target, l.vnic}
	if len(lost) > 0 {
		about = []topology.Node{lost[0].Node, f.target, l.vnic}
		text += ": " + faultText(lost[0])
	}
	unsure := slices.ContainsFunc(l.next.Paths, func(p topology.Path) bool { return !p.Complete && !p.Faulty() })
	switch {
	case next < least && unsure:
		f.unknown(fmt.Sprintf("%s; the policy demands %d, and not all ways are known", text, least), about...)
	case next < least:
		f.block(fmt.Sprintf("%s; the policy demands %d", text, least), about...)
	case next < now:
		f.warn(text, about...)
	case f.closer(l):
	default:
		f.pass(text, about...)
	}
}

// sureOf says on which ways nobody has looked at an interface, unless so many others share no device.
func (f *finder) sureOf(l *lane, least int) {
	crossed, doubts := map[topology.Key]bool{}, f.aside()
	for _, p := range l.next.Paths {
		at := firstCable(p.Hops)
		if !soundPath(p) || at < 0 {
			continue
		}
		sure, apart, devices := true, true, []topology.Key{}
		for i, h := range p.Hops {
			sure = doubts.looked(h.Node) && sure
			if device, ok := h.Node.Owner(); ok && i >= at {
				devices, apart = append(devices, device.Key()), apart && !crossed[device.Key()]
			}
		}
		if sure && apart {
			least--
			for _, k := range devices {
				crossed[k] = true
			}
		}
	}
	if least > 0 {
		f.found = append(f.found, doubts.found...)
	}
}

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// closer warns where the switches behind the target are fewer, or in fewer racks, than those behind the source.
func (f *finder) closer(l *lane) bool {
	devices, racks := behind(l.next)
	before, inRacks := behind(l.now)
	switch {
	case len(devices) < len(before) && len(devices) > 0:
		f.warn(fmt.Sprintf("%s is on %s alone, %s on %s", f.target.Name(), strings.Join(devices, ", "), nameOf(f.source), strings.Join(before, ", ")), f.target, l.vnic)
	case len(racks) < len(inRacks) && len(racks) > 0:
		f.warn(fmt.Sprintf("the switches of %s are all in rack %s, those of %s in %s", f.target.Name(), strings.Join(racks, ", "), nameOf(f.source), strings.Join(inRacks, ", ")), f.target, l.vnic)
	default:
		return false
	}
	return true
}

// behind names the devices at the first cables of sound ways, and their racks, as far as they are known.
func behind(r topology.Rail) (devices, racks []string) {
	for _, p := range r.Paths {
		i := firstCable(p.Hops)
		if i < 0 || !soundPath(p) {
			continue
		}
		device, _ := p.Hops[i].Node.Owner()
		if !slices.Contains(devices, device.Name()) {
			devices = append(devices, device.Name())
		}
		if rack, ok := device.First(topology.MountedIn); ok && !slices.Contains(racks, rack.Name()) {
			racks = append(racks, rack.Name())
		}
	}
	return devices, racks
}
