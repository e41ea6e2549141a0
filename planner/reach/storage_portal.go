package reach

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// portalPath adds the steps of a path to an iSCSI portal: the array has it, packets get there and back, the login is one of a name.
func (n *Network) portalPath(ctx context.Context, p *StoragePath, host topology.Node) error {
	at, ok := topology.PortalOf(p.Target)
	array, owned := p.Target.Owner()
	switch {
	case !ok:
		p.step("portal", NotKnown, "no source says at which address "+p.Target.Name()+" is")
	case !owned:
		p.step("portal", NotKnown, fmt.Sprintf("no array says that it has %s: collect it", p.Target.Name()))
	case host.Kind() != topology.Host:
		p.step("network", NotKnown, "no source says from which host "+p.Initiator.Name()+" logs in")
	default:
		return n.networkStep(ctx, p, host, array, at)
	}
	return nil
}

// networkStep follows packets from a host to a portal and back. Where a host may take several interfaces, all have to do.
func (n *Network) networkStep(ctx context.Context, p *StoragePath, host, array topology.Node, at netip.AddrPort) error {
	far := slices.DeleteFunc(slices.Clone(n.owning(at.Addr())), func(o topology.Node) bool { owner, _ := o.Owner(); return owner != array })
	near, dropped := n.senders(host, at.Addr())
	switch {
	case len(far) == 0:
		p.step("network", NotKnown, fmt.Sprintf("no source says on which interface %s has %s: read it by SNMP or SSH", array.Name(), at.Addr()))
		return nil
	case topology.Stopped(far[0]) != "" && n.stale(far[0], topology.AttrState) == "":
		p.step("network", No, array.Name()+" "+nameOf(far[0])+": "+topology.Stopped(far[0]))
		return nil
	case dropped != "":
		p.step("network", No, dropped)
		return nil
	case len(near) == 0:
		p.step("network", NotKnown, fmt.Sprintf("no source says by which interface %s reaches %s", host.Name(), at.Addr()))
		return nil
	}
	protocol, port := uint8(tcp), policy.Is(uint64(at.Port()))
	verdict, text := Verdict(""), ""
	for _, from := range near {
		a, err := n.Between(ctx, from, Endpoint{far[0], at.Addr()}, Flow{Protocol: &protocol, Ports: &port})
		if err != nil {
			return err
		}
		is, why := a.Verdict, reason(a)
		if is == Some {
			is, why = NotKnown, why+" (not from every source port)"
		}
		switch {
		case verdict == "":
			verdict, text = is, why
		case verdict != is:
			verdict, text = NotKnown, "it depends on the interface that "+host.Name()+" takes: "+why
		}
		if l := a.Forward.Leg; l != nil {
			p.Unsized = cmp.Or(p.Unsized, l.unsized(from.Node))
		}
		p.Narrow = cmp.Or(p.Narrow, a.Forward.Narrow, a.Return.Narrow)
		p.begins, p.Medium = base(from.Node).Key().ID, subnetOf(from)
	}
	p.step("network", verdict, text)
	if why := unreadText(p.Target); why != "" && n.nexus(p.Initiator, p.Target) == "" {
		p.step("login", NotKnown, why)
	}
	return nil
}

// senders gives the interfaces, and their addresses, from which a host sends to an address; or why it does not.
func (n *Network) senders(host topology.Node, to netip.Addr) (all []Endpoint, dropped string) {
	d := n.device(host)
	var by []topology.Node
	best := d.lookup(mainTable, to)
	for _, r := range best {
		switch {
		case r.state != "":
			dropped = fmt.Sprintf("%s drops what goes to %s (%s)", host.Name(), r.prefix, r.state)
		case !r.via.IsZero():
			by = append(by, r.via)
		}
	}
	if len(best) == 0 {
		by = d.connected(to)
	}
	switch {
	case len(by) > 0 || d.policed != "":
		dropped = ""
	case len(best) == 0 && len(d.routes) > 0:
		dropped = fmt.Sprintf("%s has no route to %s", host.Name(), to)
	}
	for _, via := range by {
		on, other := []Endpoint{}, []Endpoint{}
		for _, p := range addressesOf(via) {
			switch a := p.Addr(); {
			case a.Is4() != to.Is4() || a.IsLinkLocalUnicast():
			case p.Contains(to):
				on = append(on, Endpoint{via, a})
			default:
				other = append(other, Endpoint{via, a})
			}
		}
		if len(on) == 0 {
			on = other
		}
		all = append(all, on...)
	}
	return all, dropped
}

// subnetOf is the subnet from which somebody sends.
func subnetOf(e Endpoint) string {
	for _, p := range addressesOf(e.Node) {
		if p.Addr() == e.Addr {
			return p.Masked().String()
		}
	}
	return e.Addr.String()
}

// base is what carries an interface, as far as there is but one: the bond below its VLANs, or below the bridge that it is a port of.
func base(n topology.Node) topology.Node {
	for range maxLayers {
		below := slices.DeleteFunc(slices.Collect(n.Objects(topology.SupportedBy)), func(b topology.Node) bool {
			return !b.Kind().Interface() && b.Kind() != topology.VirtualSwitch
		})
		if len(below) != 1 {
			break
		}
		n = below[0]
	}
	return n
}

// reason words why packets get to a portal and back, or do not, or what is not known of that.
func reason(a Answer) string {
	flow := fmt.Sprintf("from %s (%s) to %s", a.From.Addr, nameOf(a.From.Node), a.To.Addr)
	if a.Verdict == Yes {
		return flow + ", and back"
	}
	way, d := "there", a.Forward
	if a.Forward.Verdict == Yes {
		way, d = "back", a.Return
	}
	if d.Verdict != No && len(d.Doubts) > 0 {
		return fmt.Sprintf("%s, %s: %s", flow, way, d.Doubts[0])
	}
	p, ok := d.Headers.Witness(d.Asked)
	if !ok {
		return flow + ", " + way
	}
	_, _, why := d.Headers.Trace(d.Leg, p)
	return fmt.Sprintf("%s, %s: %s", flow, way, why)
}
