package reach

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// stale is why what is said of a node by these attributes is too old to be known; "" if it is not.
func (n *Network) stale(node topology.Node, attrs ...topology.Attr) string {
	for _, a := range attrs {
		f, ok := node.Evidence(a)
		if !ok {
			continue
		}
		if r, ok := n.Reading(f.Reading); ok {
			if why := n.old(r); why != "" {
				return why
			}
		}
	}
	return ""
}

// old words a reading that is older than its limit.
func (n *Network) old(r topology.Reading) string {
	if r.Source == 0 || !n.limits.Stale(r, n.now) {
		return ""
	}
	return fmt.Sprintf("what %s said by %s %s is %s old: collect it", r.Device, r.Source, r.Table, n.now.Sub(r.Time).Round(time.Minute))
}

// oldHop is why a hop of frames is too old to be known: how it was reached, or what its node passes.
func (n *Network) oldHop(h topology.Hop) string {
	why := n.old(h.Reading)
	for _, node := range bundled(h.Node) {
		why = cmp.Or(why, n.stale(node, topology.AttrState, topology.AttrPVID, topology.AttrTagged, topology.AttrUntagged, topology.AttrSTPState, topology.AttrVID, topology.AttrAddress))
	}
	return why
}

// unread is what the configuration says of a node and nobody understood: it may do anything to packets that come by.
func unread(device, node topology.Node) []Step {
	var steps []Step
	for _, v := range node.Values(topology.AttrUnparsed) {
		steps = append(steps, Step{Device: device, Doubt: fmt.Sprintf("of %s %s nobody understood %s", node.Kind(), node.Name(), v.String())})
	}
	return steps
}

// doubts is what is not known of a device that packets cross.
func (x *explorer) doubts(d *device) []Step {
	steps := unread(d.node, d.node)
	if d.unread != "" {
		steps = append(steps, Step{Device: d.node, Doubt: d.unread})
	}
	return steps
}

// entry is what is not known of packets that come in by an interface: statements of it and of its VRF that nobody understood, and rules that decide beside the
// routing table (policy routing, unicast reverse path).
func entry(d *device, in topology.Node) []Step {
	if in.IsZero() {
		return nil
	}
	steps := unread(d.node, in)
	if vrf, ok := in.First(topology.InVRF); ok {
		steps = append(steps, unread(d.node, vrf)...)
	}
	for _, v := range in.Values(topology.AttrPolicyRule) {
		if v.String() == rpfStrict || v.String() == rpfLoose {
			continue // the way back is looked at where the packet is routed
		}
		steps = append(steps, Step{Device: d.node, Doubt: "on " + nameOf(in) + " of " + d.node.Name() + " the routing table does not decide alone: " + v.String()})
	}
	return steps
}

// segment is what is not known of a port that frames pass, and of the VLAN that they are in.
func (x *explorer) segment(d *device, h topology.Hop) []Step {
	var steps []Step
	for _, node := range bundled(h.Node) {
		steps = append(steps, unread(d.node, node)...)
	}
	if h.VID == 0 {
		return steps
	}
	if vlan, ok := x.Node(topology.PartKey(topology.VLAN, d.node.Key(), strconv.Itoa(int(h.VID)))); ok {
		steps = append(steps, unread(d.node, vlan)...)
	}
	return steps
}
