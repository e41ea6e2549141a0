package planner

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// vlanAt is a VLAN on one device, and what is known of where it leads from there.
type vlanAt struct {
	node, device topology.Node
	vid          topology.VID
	next         []*vlanAt // the same VLAN on devices at the other ends of cables
	used         bool      // something leads somewhere: an address of the device, a tunnel, a station, a host, a cable of which nobody knows the other end
	doubt        string
	by           []topology.Reading
	seen         bool
}

// defaultVLAN is on every bridge, whether anybody wants it or not (IEEE 802.1Q table 9-2).
const defaultVLAN = 1

// vlans looks at the VLANs that bridges are said to have, those that are joined by cables together: one of them that leads somewhere is enough.
func (o *orphans) vlans(ctx context.Context) error {
	all := map[topology.Key]*vlanAt{}
	var order []*vlanAt
	for n := range o.s.Nodes(topology.VLAN) {
		vid, ok := n.Int(topology.AttrVID)
		device, owned := n.Owner()
		if ok && owned && vid != defaultVLAN && device.Kind() != topology.Host { // what a host has is for its guests, whether any is there or not
			v := &vlanAt{node: n, device: device, vid: topology.VID(vid)}
			all[n.Key()], order = v, append(order, v)
		}
	}
	ports := map[topology.Node]*bridgePorts{}
	for _, v := range order {
		if err := ctx.Err(); err != nil {
			return err
		}
		d := ports[v.device]
		if d == nil {
			d = o.bridgePorts(v.device)
			ports[v.device] = d
		}
		o.look(v, d, all)
	}
	for _, v := range order {
		if !v.seen {
			o.conclude(v)
		}
	}
	return nil
}

// bridgePorts is the interfaces of a device of which the VLANs are known, and what else it has in VLANs.
type bridgePorts struct {
	holders  []topology.Node
	stations map[topology.VID]bool // VLANs in which it has learned addresses
	own      map[topology.VID]bool // VLANs that it has an interface in
	doubt    string
	by       []topology.Reading
}

func (o *orphans) bridgePorts(device topology.Node) *bridgePorts {
	d := &bridgePorts{stations: map[topology.VID]bool{}, own: map[topology.VID]bool{}, doubt: "no source says which VLANs the ports of " + device.Name() + " carry"}
	for i := range device.Objects(topology.Contains) {
		if !i.Kind().Interface() {
			continue
		}
		d.own[vlanInterface(i)] = true
		for v := range i.Stated(topology.AttrLearned) {
			d.stations[v.FDB().VID] = true
		}
		for _, a := range []topology.Attr{topology.AttrTagged, topology.AttrUntagged} {
			fact, ok := i.Evidence(a)
			if !ok {
				continue
			}
			if !slices.Contains(d.holders, i) {
				d.holders = append(d.holders, i)
			}
			d.doubt = ""
			if r, ok := o.s.Reading(fact.Reading); ok && !slices.Contains(d.by, r) {
				d.by = append(d.by, r)
			}
		}
	}
	if i := slices.IndexFunc(d.by, func(r topology.Reading) bool { return r.Partial }); i >= 0 {
		d.doubt = fmt.Sprintf("which VLANs the ports of %s carry was not read to the end", device.Name())
	}
	return d
}

// vlanInterface is the VLAN that an interface is on, by its number or by its name; 0: none.
func vlanInterface(i topology.Node) topology.VID {
	if vid, ok := i.Int(topology.AttrVID); ok {
		return topology.VID(vid)
	}
	vid, ok := strings.CutPrefix(strings.ToLower(i.Name()), "vlan")
	if v, err := topology.ParseVID(vid); ok && err == nil {
		return v
	}
	return 0
}

// look tells where a VLAN leads from one device.
func (o *orphans) look(v *vlanAt, d *bridgePorts, all map[topology.Key]*vlanAt) {
	v.doubt, v.by = d.doubt, d.by
	_, tunnel := v.node.Value(topology.AttrVNI)
	above := len(v.node.In(topology.SupportedBy)) > 0
	if v.used = d.own[v.vid] || d.stations[v.vid] || tunnel || above; v.used {
		return
	}
	for _, holder := range d.holders {
		if topology.Carries(holder, v.vid) && !o.shut(holder) {
			o.follow(v, holder, all)
		}
	}
}

// shut tells that somebody has taken an interface out of service.
func (o *orphans) shut(n topology.Node) bool { return n.Text(topology.AttrAdminState) == "down" }

// follow looks at the other ends of an interface's cables.
func (o *orphans) follow(v *vlanAt, holder topology.Node, all map[topology.Key]*vlanAt) {
	ports := []topology.Node{holder}
	if holder.Kind() == topology.LAG {
		ports = slices.Collect(holder.Objects(topology.SupportedBy))
	}
	cabled := false
	for _, port := range ports {
		for _, far := range port.Peers(topology.Link) {
			cabled = true
			its, known := topology.VLANHolder(far)
			if device, owned := far.Owner(); known && owned {
				if !topology.Carries(its, v.vid) {
					continue // it ends here
				}
				if there := all[topology.PartKey(topology.VLAN, device.Key(), fmt.Sprint(v.vid))]; there != nil {
					v.next, there.next = append(v.next, there), append(there.next, v)
					continue
				}
			}
			v.used = true // a host, or somebody of whom that is not known
		}
	}
	v.used = v.used || !cabled // who is there, nobody knows
}

// conclude judges a VLAN on all devices that cables join.
func (o *orphans) conclude(first *vlanAt) {
	part := []*vlanAt{first}
	first.seen = true
	for i := 0; i < len(part); i++ {
		for _, n := range part[i].next {
			if !n.seen {
				n.seen = true
				part = append(part, n)
			}
		}
	}
	o.Looked[OrphanVLAN] += len(part)
	used, doubt := false, ""
	var by []topology.Reading
	var names []string
	var about []topology.Node
	for _, v := range part {
		used = used || v.used
		if doubt == "" {
			doubt = v.doubt
		}
		by, about, names = append(by, v.by...), append(about, v.node), append(names, v.device.Name())
	}
	slices.Sort(names)
	switch {
	case used:
	case doubt != "":
		o.unknown(OrphanVLAN, doubt, first.node)
	case len(part) == 1:
		o.found(OrphanVLAN, fmt.Sprintf("VLAN %d of %s: no port of it leads to anybody who has it, and it has no address there", first.vid, names[0]), by, about...)
	default:
		o.found(OrphanVLAN, fmt.Sprintf("VLAN %d of %s: these pass it to each other, and nobody else has it", first.vid, strings.Join(names, ", ")), by, about...)
	}
}
