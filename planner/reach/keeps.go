package reach

import (
	"context"
	"fmt"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Keeps tells whether the host that a guest is on keeps the state of its connections in filters that ask for it, so that those which are open are cut where the guest
// goes without that state: Yes, No, or NotKnown; and by which filter, or why it is not known.
func (n *Network) Keeps(ctx context.Context, vnic topology.Node) (Verdict, string) {
	x := n.explorer(ctx, nil)
	if by, doubt := x.guestKeeps(vnic); by != "" || doubt != "" {
		return verdictOf(by), by + doubt
	}
	verdict, why := No, ""
	seen := map[topology.Key]bool{}
	for _, p := range n.paths(vnic) {
		for _, h := range p.Hops {
			host, ok := h.Node.Owner()
			if h.Node.Kind() != topology.VirtualSwitch || !ok || seen[h.Node.Key()] {
				continue
			}
			seen[h.Node.Key()] = true
			by, doubt := x.hostKeeps(x.device(host), h.Node)
			if by != "" {
				return Yes, by
			}
			if doubt != "" {
				verdict, why = NotKnown, doubt
			}
		}
	}
	return verdict, why
}

func verdictOf(by string) Verdict {
	if by != "" {
		return Yes
	}
	return NotKnown
}

// guestKeeps looks at the filters of the vNIC itself.
func (x *explorer) guestKeeps(vnic topology.Node) (by, doubt string) {
	read := false
	for _, e := range vnic.In(topology.AppliesTo) {
		owner, ok := e.From.Owner()
		if e.From.Kind() != topology.Filter || !ok {
			continue
		}
		read = true
		d := x.device(owner)
		for _, f := range d.hooks {
			if f.node == e.From && asksState(f.filter, d.filters[f.filter.Dialect]) {
				return fmt.Sprintf("filter %s of %s on %s", f.filter.Name, vnic.Name(), owner.Name()), ""
			}
		}
	}
	if name := vnic.Text(topology.AttrFilterRef); name != "" && !read {
		return "", fmt.Sprintf("the rules of %s, the network filter of %s, are not known", name, vnic.Name())
	}
	return "", ""
}

// hostKeeps looks at the filters that frames meet in a bridge of the host.
func (x *explorer) hostKeeps(d *device, bridge topology.Node) (by, doubt string) {
	if mode := bridge.Text(topology.AttrForwardMode); mode == "openflow" {
		doubt = fmt.Sprintf("OpenFlow rules decide what %s of %s passes, and may track connections", bridge.Name(), d.node.Name())
	}
	if d.unread != "" {
		doubt = d.unread
	}
	for _, f := range d.hooks {
		if !asksState(f.filter, d.filters[f.filter.Dialect]) {
			continue
		}
		name := fmt.Sprintf("filter %s of %s", f.filter.Name, d.node.Name())
		switch {
		case f.Bridged || f.Hook == policy.HookIngress || f.Hook == policy.HookEgress || f.Hook == policy.HookVLAN:
			return name, ""
		case !linuxBridge(bridge) || f.Hook != policy.HookForward && f.Hook != policy.HookPrerouting && f.Hook != policy.HookPostrouting:
			continue
		}
		for _, family := range []policy.Family{policy.IPv4, policy.IPv6} {
			if f.filter.Family&family == 0 {
				continue
			}
			y := *x
			y.family = family
			switch y.calls(d, bridge) {
			case yes:
				return name + ", which frames in bridge " + bridge.Name() + " meet (br_netfilter)", ""
			case no:
			default:
				doubt = fmt.Sprintf("nobody says whether frames in bridge %s meet %s (br_netfilter)", bridge.Name(), name)
			}
		}
	}
	return "", doubt
}
