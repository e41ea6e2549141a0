package topology

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// What a path over an iSCSI portal rests on beyond names: interfaces at both ends that carry something, and a session that somebody saw. That an initiator is
// set up to log in somewhere is not that it has.

// The ports of iSCSI (RFC 7143 section 4.1, IANA): that of a portal which is named without one, and the older one of the system.
const (
	iscsiPort       = 3260
	iscsiSystemPort = 860
)

// portalText writes the end of a portal so that the same one is always written alike: with its port, and with its address in canonical form if it is one.
func portalText(text string) string {
	if end, err := netip.ParseAddrPort(text); err == nil {
		return netip.AddrPortFrom(end.Addr().Unmap(), end.Port()).String()
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return netip.AddrPortFrom(a.Unmap(), iscsiPort).String()
	}
	if i := strings.LastIndexByte(text, ':'); i >= 0 && digits(text[i+1:]) {
		return text
	}
	return text + ":" + strconv.Itoa(iscsiPort)
}

// splitTarget gives the two parts of the key of an iSCSI target port, "IQN,ADDRESS:PORT"; the end is empty of one that is none.
func splitTarget(target Node) (iqn, end string) {
	id := target.Key().ID
	if i := strings.LastIndexByte(id, ','); i >= 0 {
		return id[:i], portalText(id[i+1:])
	}
	return id, ""
}

// portalOf gives where an iSCSI target port listens, if that is an address.
func portalOf(target Node) (netip.AddrPort, bool) {
	_, end := splitTarget(target)
	at, err := netip.ParseAddrPort(end)
	return at, err == nil
}

// wire is how one end of a session is joined to the network: by its interfaces, down to those that have cables.
type wire struct {
	ends         []Node // interfaces with a cable, by any of which it goes
	fault, doubt string
}

// carrier follows an interface down its layers: a bridge to its uplinks, an aggregate to its members. One that carries something is enough.
func carrier(n Node, layers int) wire {
	switch why := stopped(n); {
	case why != "":
		return wire{fault: owned(n) + ": " + why}
	case layers == 0:
		return wire{doubt: "the layers of " + owned(n) + " form a loop, or are more than anybody has"}
	}
	var below []wire
	spare := false
	for _, e := range n.Out(SupportedBy) {
		switch kind := e.To.Kind(); {
		case !kind.Interface() && kind != VirtualSwitch && kind != Network:
		case e.Confidence <= ConfidenceConfigured:
			spare = true
		default:
			below = append(below, carrier(e.To, layers-1))
		}
	}
	switch {
	case len(below) > 0:
		return oneOf(below)
	case spare:
		return wire{doubt: "nothing below " + owned(n) + " is in force as far as is known"}
	case !n.Kind().Interface():
		return wire{doubt: beyond(n)}
	}
	return cabled(n)
}

// cabled is carrier for an interface with nothing below it.
func cabled(n Node) wire {
	if n.Text(AttrState) != "up" {
		return wire{doubt: "no source says that " + owned(n) + " is up: read it by SNMP or SSH"}
	}
	links, _ := cables(n)
	for _, l := range links {
		if far := l.Peer(n); stopped(far) != "" {
			return wire{fault: fmt.Sprintf("%s, at the other end of the cable of %s: %s", owned(far), owned(n), stopped(far))}
		}
	}
	return wire{ends: []Node{n}}
}

// owned names a part together with the device that it is of.
func owned(n Node) string {
	if owner, ok := n.Owner(); ok {
		return owner.Name() + " " + n.Name()
	}
	return n.Name()
}

// oneOf joins wires of which one is enough.
func oneOf(ws []wire) wire {
	var all wire
	for _, w := range ws {
		all.ends = append(all.ends, w.ends...)
		all.doubt, all.fault = cmp.Or(all.doubt, w.doubt), cmp.Or(all.fault, w.fault)
	}
	switch {
	case len(all.ends) > 0:
		return wire{ends: all.ends}
	case all.doubt != "":
		return wire{doubt: all.doubt}
	}
	return wire{fault: all.fault}
}

// anyOf joins wires of which nobody knows which one is taken: none may be in doubt.
func anyOf(ws []wire) wire {
	all := oneOf(ws)
	for _, w := range ws {
		if why := cmp.Or(w.fault, w.doubt); why != "" && all.fault == "" {
			return wire{doubt: why}
		}
	}
	return all
}

// wireTo is how a device is joined to the subnet of an address: by its interface there, since a packet to a neighbour leaves by that.
func wireTo(device Node, address netip.Addr) wire {
	return device.wired(func(p netip.Prefix) bool { return !p.IsSingleIP() && p.Contains(address) },
		fmt.Sprintf("no source says by which interface %s reaches %s", device.Name(), address))
}

// wireAt is how a device is joined to the network where it has an address.
func wireAt(device Node, address netip.Addr) wire {
	return device.wired(func(p netip.Prefix) bool { return p.Addr().Unmap() == address },
		fmt.Sprintf("no source says on which interface %s has %s: read it by SNMP or SSH", device.Name(), address))
}

// wired joins the wires of the interfaces that have an address with the longest prefix which fits.
func (n Node) wired(fits func(netip.Prefix) bool, otherwise string) wire {
	var ws []wire
	longest := -1
	for i := range n.Objects(Contains) {
		if !i.Kind().Interface() && i.Kind() != VirtualSwitch {
			continue
		}
		bits := -1
		for _, v := range i.Values(AttrAddress) {
			if p := v.Prefix(); fits(p) {
				bits = max(bits, p.Bits())
			}
		}
		if bits < 0 || bits < longest {
			continue
		}
		if bits > longest {
			ws, longest = nil, bits
		}
		ws = append(ws, carrier(i, maxLayers))
	}
	if len(ws) == 0 {
		return wire{doubt: otherwise}
	}
	return anyOf(ws)
}

// passage is what an iSCSI path rests on between an initiator and a target port.
type passage struct {
	near, far wire // at the initiator's host, at the array
	session   wire // whether a session stands; without ends
}

// passageOf looks at both ends of a nexus and at its session. A VM's own initiator is that of the program which runs it: nothing but these tells whether its path
// works. A host tells the states of the paths of its kernel itself (AttrPathState): there what is not known of interfaces is passed over.
func passageOf(nexus Edge) passage {
	var p passage
	initiator, target := nexus.From, nexus.To
	if hardware(initiator) {
		return p
	}
	owner, _ := initiator.Owner()
	host, own := owner, owner.Kind() == VM
	if own {
		host, _ = owner.First(RunsOn)
	}
	if at, ok := portalOf(target); ok {
		if host.Kind() == Host {
			p.near = wireTo(host, at.Addr())
		}
		if array, ok := target.Owner(); ok {
			p.far = wireAt(array, at.Addr())
		} else {
			p.far.doubt = fmt.Sprintf("no array says that it has %s, and whom it admits there: collect it", target.Name())
		}
	} else if own {
		p.far.doubt = fmt.Sprintf("no source says at which address %s is", target.Name())
	}
	switch {
	case own && host.IsZero():
		p.session.doubt = fmt.Sprintf("no source says where %s runs, and from there its sessions come", owner.Name())
	case own:
		p.session.fault, p.session.doubt = sessionOf(initiator, target, owner, host)
	default:
		p.near.doubt, p.far.doubt = "", ""
		if nexus.Confidence <= ConfidenceConfigured {
			p.session.doubt = fmt.Sprintf("%s is set up to log in to %s, and no source has seen that it did: read its host by SSH", initiator.Name(), target.Name())
		}
	}
	return p
}

// stages gives what a way over the nexus passes that may fail: the interfaces of both ends as far as they are known, else the ports. Two portals at one interface
// are one way; an iSCSI or NVMe name is the whole host's, whatever interface it uses.
func (p passage) stages(initiator, target Node) [][]Node {
	near, far := p.near.ends, p.far.ends
	if len(near) == 0 && hardware(initiator) {
		near = []Node{initiator}
	}
	if len(far) == 0 {
		far = []Node{target}
	}
	return [][]Node{near, far}
}

// show tells at the hops of initiator and target what keeps the passage from being sound. A way that is broken is not in doubt as well.
func (p passage) show(initiator, target *Hop) {
	target.Fault = cmp.Or(target.Fault, p.far.fault)
	initiator.Fault = cmp.Or(initiator.Fault, p.near.fault, p.session.fault)
	if target.Fault == "" && initiator.Fault == "" {
		target.Doubt = cmp.Or(target.Doubt, p.far.doubt)
		initiator.Doubt = cmp.Or(initiator.Doubt, p.near.doubt, p.session.doubt)
	}
}
