package reach

import (
	"fmt"
	"strconv"

	"github.com/throughline-dc/throughline/topology"
)

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
		steps = append(steps, Step{Device: d.node, Doubt: "on " + nameOf(in) + " of " + d.node.Name() + " the routing table does not decide alone: " + v.String()})
	}
	return steps
}

// segment is what is not known of a port that frames pass, and of the VLAN that they are in.
func (x *explorer) segment(d *device, h topology.Hop) []Step {
	steps := unread(d.node, h.Node)
	if h.VID == 0 {
		return steps
	}
	if vlan, ok := x.Node(topology.PartKey(topology.VLAN, d.node.Key(), strconv.Itoa(int(h.VID)))); ok {
		steps = append(steps, unread(d.node, vlan)...)
	}
	return steps
}
