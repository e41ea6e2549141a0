package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// aggregates is NET-4.
func (f *finder) aggregates(l *lane) {
	said := len(f.found)
	var lags []topology.Node
	for _, s := range l.spots {
		if s.inside && s.Node.Kind() == topology.LAG && !slices.Contains(lags, s.Node) {
			lags = append(lags, s.Node)
		}
	}
	for _, lag := range lags {
		if f.aggregate(l, lag); len(f.found) == said {
			f.pass(fmt.Sprintf("the cables of %s end in %s", placeOf(lag), places(farGroups(l, lag))), lag)
		}
	}
	if len(lags) == 0 {
		f.idle(fmt.Sprintf("frames of %s leave %s by no aggregate", l.vnic.Name(), f.target.Name()), f.target)
	}
}

// member is one cable of an aggregate.
type member struct{ near, far, group topology.Node }

// membersOf gives the cables of a host's aggregate that frames take, with the aggregate at their other end.
func membersOf(l *lane, lag topology.Node) []member {
	var all []member
	for _, x := range l.exits {
		if x.far.IsZero() || !slices.Contains(bearers(x.near), lag) || !slices.ContainsFunc(x.paths, inForce) {
			continue
		}
		m := member{near: x.near, far: x.far}
		if b := bearers(x.far); b[0] != x.far {
			m.group = b[0]
		} else if x.far.Kind() == topology.LAG {
			m.group = x.far
		}
		all = append(all, m)
	}
	return all
}

// inForce tells that a path has signal up to the port behind the first cable.
func inForce(p topology.Path) bool {
	for _, h := range p.Hops[:firstCable(p.Hops)+1] {
		if h.Cause() == topology.Down {
			return false
		}
	}
	return true
}

func farGroups(l *lane, lag topology.Node) []topology.Node {
	var all []topology.Node
	for _, m := range membersOf(l, lag) {
		if m.group.IsZero() {
			m.group = m.far
		}
		all = append(all, m.group)
	}
	return all
}

// aggregate looks at one of the host's aggregates and what is at the other end of its cables.
func (f *finder) aggregate(l *lane, lag topology.Node) {
	members := membersOf(l, lag)
	mode, said := lag.Value(topology.AttrLAGMode)
	if said {
		f.value(lag, topology.AttrLAGMode)
	}
	var first member
	for _, m := range members {
		switch {
		case m.group.IsZero() && !said && len(members) == 1:
		case m.group.IsZero():
			f.unbundled(lag, m, mode.String())
		case first.group.IsZero():
			first = m
		default:
			f.oneGroup(l, lag, first, m)
		}
	}
}

// unbundled is a port in no aggregation, as far as is known, which the host has in one.
func (f *finder) unbundled(lag topology.Node, m member, mode string) {
	device, _ := m.far.Owner()
	switch {
	case mode == "":
		f.unknown(fmt.Sprintf("no source says of what mode %s is, and %s is in no aggregation", placeOf(lag), placeOf(m.far)), lag, m.far)
	case mode != "802.3ad" && !strings.HasPrefix(mode, "balance-xor") && !strings.HasPrefix(mode, "balance-rr") && mode != "broadcast": // the others want none at the switch
	case slices.ContainsFunc(device.Out(topology.Contains), func(e topology.Edge) bool { return e.To.Kind() == topology.LAG }):
		f.block(fmt.Sprintf("%s is in no aggregation, and %s, a member of %s (%s), wants one", placeOf(m.far), m.near.Name(), placeOf(lag), mode), m.far, m.near)
	default:
		f.unknown(fmt.Sprintf("no source says in which aggregation %s is, behind %s of %s (%s)", placeOf(m.far), m.near.Name(), placeOf(lag), mode), m.far, m.near)
	}
}

// oneGroup tells whether two cables of one aggregate end in one, too: of one switch, or of a pair that has the VLAN between its two.
func (f *finder) oneGroup(l *lane, lag topology.Node, a, b member) {
	mode := lag.Text(topology.AttrLAGMode)
	x, _ := a.group.Owner()
	y, _ := b.group.Owner()
	text := fmt.Sprintf("the cables of %s end in %s and %s", placeOf(lag), placeOf(a.group), placeOf(b.group))
	switch {
	case a.group == b.group:
	case slices.Contains(a.group.Peers(topology.PeerLAG), b.group):
		f.pair(l, x, y)
	case mode == "active-backup":
	case x == y:
		f.block(text+", which are two", b.group, lag)
	default:
		p, ok := a.group.Value(topology.AttrActorSystemID)
		q, also := b.group.Value(topology.AttrActorSystemID)
		i, keyed := a.group.Int(topology.AttrActorKey)
		j, both := b.group.Int(topology.AttrActorKey)
		if ok && also && (p != q || keyed && both && i != j) {
			f.block(text+", which do not act as one system", b.group, lag)
			return
		}
		f.unknown(text+", and no source says that the two are a pair", a.group, b.group, lag)
	}
}

// pair tells whether the link between a pair of switches has the VLAN: what one of them gets for a host that it has lost takes that way.
func (f *finder) pair(l *lane, x, y topology.Node) {
	vid := l.vid()
	_, overlay := vniOf(topology.Hop{Node: portOf(x), VID: vid})
	_, also := vniOf(topology.Hop{Node: portOf(y), VID: vid})
	if overlay && also || vid == 0 {
		return // it goes by the overlay
	}
	p := between(x, y, vid)
	if !p.linked {
		f.unknown(fmt.Sprintf("%s and %s are a pair, and no source says by which link", x.Name(), y.Name()), x, y)
	}
	for _, holder := range p.lacking {
		f.block(fmt.Sprintf("%s does not admit VLAN %d: it joins the pair of %s and %s", placeOf(holder), vid, x.Name(), y.Name()), holder)
		f.mend(fmt.Sprintf("tag VLAN %d on %s", vid, placeOf(holder)), withVLAN(holder, topology.AttrTagged, vid))
	}
	for _, end := range p.ends {
		f.looked(end)
	}
	if len(p.silent) > 0 && !p.carried {
		f.unknown(fmt.Sprintf("no source says which VLANs %s carries: it joins the pair of %s and %s", placeOf(p.silent[0]), x.Name(), y.Name()), p.silent[0])
	}
}

// joint is what joins two switches.
type joint struct {
	linked  bool            // any cable
	ends    []topology.Node // of those
	lacking []topology.Node // what has the VLANs of an end, and not the one that is asked for: an aggregate once for all of its members
	silent  []topology.Node // ends of which nobody says the VLANs
	carried bool            // some cable has the VLAN at both ends
}

// between finds what joins two switches, and what of it carries a VLAN.
func between(x, y topology.Node, vid topology.VID) (j joint) {
	for near := range x.Objects(topology.Contains) {
		if !near.Kind().Interface() {
			continue
		}
		for _, far := range near.Peers(topology.Link) {
			if owner, _ := far.Owner(); owner == y {
				j.cable(near, far, vid)
			}
		}
	}
	return j
}

// cable adds one cable.
func (j *joint) cable(a, b topology.Node, vid topology.VID) {
	has := 0
	for _, end := range []topology.Node{a, b} {
		j.ends = append(j.ends, end)
		switch holder, known := topology.VLANHolder(end); {
		case !known:
			j.silent = append(j.silent, end)
		case topology.Carries(holder, vid):
			has++
		case !slices.Contains(j.lacking, holder):
			j.lacking = append(j.lacking, holder)
		}
	}
	j.linked, j.carried = true, j.carried || has == 2
}

// portOf gives some part of a device.
func portOf(device topology.Node) topology.Node {
	for part := range device.Objects(topology.Contains) {
		return part
	}
	return device
}
