package libvirt

import (
	"cmp"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// nic states an <interface> of a domain. What it is attached to follows from its source and not from its type: of a running domain
// libvirt writes type='bridge' where the definition says type='network', and keeps the network in the source.
func (g *guest) nic(e *element) {
	source := e.child("source")
	mac := e.child("mac").attr("address")
	name := mac
	if m, err := topology.ParseMAC(mac); err == nil {
		name = m.String()
	}
	k := g.part(topology.VNIC, e, name)
	g.mac(k, e.child("mac"), "address", mac)
	g.text(k, topology.AttrSourceType, e.attr("type"))
	g.text(k, topology.AttrDeviceName, e.child("target").attr("dev"))
	g.text(k, topology.AttrDeviceType, e.child("model").attr("type"))
	g.filterRef(k, e)
	g.text(k, topology.AttrState, e.child("link").attr("state"))
	g.mtu(k, e)
	g.vlan(k, e.child("vlan"))
	g.isolated(k, e.child("port"))
	g.virtualPort(k, e.child("virtualport"))
	if t := e.child("teaming"); t != nil {
		g.text(k, topology.AttrTeaming, strings.TrimSpace(t.attr("type")+" "+t.attr("persistent")))
	}
	n, ok := g.unsigned(e.child("boot"), "order")
	g.number(k, topology.AttrBootOrder, n, ok)

	g.text(k, topology.AttrSource, g.nicSource(e, source))
	g.text(k, topology.AttrBridge, source.attr("bridge"))
	g.text(k, topology.AttrPortGroup, source.attr("portgroup"))
	direct := e.attr("type") == "direct"
	if direct {
		g.text(k, topology.AttrLinkMode, cmp.Or(source.attr("mode"), "vepa")) // formatdomain: the default of macvtap
		g.text(k, topology.AttrSourceDevice, source.attr("dev"))
	}
	function := ""
	if a := source.child("address"); a.attr("type") == "pci" {
		function = g.pci(a)
	}
	if function != "" {
		g.text(k, topology.AttrHostDevice, "pci "+function)
	}
	if at, ok := g.plug(source, direct, function); ok {
		g.relate(k, topology.AttachedTo, at)
	}
}

// plug finds what a vNIC is attached to, from the most to the least specific.
func (g *guest) plug(source *element, direct bool, function string) (topology.Key, bool) {
	switch network, bridge, dev := source.attr("network"), source.attr("bridge"), source.attr("dev"); {
	case network != "" && source.attr("portgroup") != "":
		return topology.PartKey(topology.PortGroup, g.network(network), source.attr("portgroup")), true
	case network != "":
		return g.network(network), true
	case bridge != "":
		return g.bridge(bridge), true
	case direct && dev != "":
		return topology.PartKey(topology.NIC, g.host, dev), true
	case function != "":
		return g.function(function), true
	}
	return topology.Key{}, false
}

// nicSource is the source of a vNIC as people write it.
func (g *guest) nicSource(e, source *element) string {
	switch typ := e.attr("type"); typ {
	case "network", "bridge", "direct", "internal", "user", "vdpa", "hostdev":
		return cmp.Or(source.attr("network"), source.attr("bridge"), source.attr("dev"), source.attr("name"))
	case "vhostuser":
		return cmp.Or(source.attr("path"), source.attr("dev"))
	case "client", "server", "mcast", "udp":
		return net.JoinHostPort(source.attr("address"), source.attr("port"))
	case "vds":
		return source.attr("switchid")
	case "ethernet", "null":
		return ""
	default:
		g.note(e, typ, "no such type of interface is known")
		return ""
	}
}

// function gives a virtual function of a NIC, which is known by its PCI address: while a guest has it, the host has no name for it.
func (s *sheet) function(address string) topology.Key {
	f := topology.PartKey(topology.NIC, s.host, address)
	s.text(f, topology.AttrPCIAddress, address)
	return f
}

func (s *sheet) network(name string) topology.Key {
	return topology.PartKey(topology.Network, s.host, name)
}

func (s *sheet) bridge(name string) topology.Key {
	return topology.PartKey(topology.VirtualSwitch, s.host, name)
}

// libvirtNetwork takes down a <network> with its port groups.
func (s *sheet) libvirtNetwork(e *element, d Document) {
	name := e.child("name").value()
	if name == "" {
		s.refuse(e, "", "", "without a name")
		return
	}
	k := s.network(name)
	s.subject = k
	s.relate(s.host, topology.Contains, k)
	s.text(k, topology.AttrName, name)
	s.text(k, topology.AttrUUID, s.uuid(e.child("uuid")))
	s.text(k, topology.AttrState, d.State)
	s.known(k, topology.AttrPersistent, d.Persistent)
	s.known(k, topology.AttrAutostart, d.Autostart)
	s.mtu(k, e)
	s.vlan(k, e.child("vlan"))
	s.isolated(k, e.child("port"))
	s.virtualPort(k, e.child("virtualport"))

	forward := e.child("forward")
	mode := "isolated"
	if forward != nil {
		mode = cmp.Or(forward.attr("mode"), "nat") // formatnetwork: the default of <forward>
	}
	s.text(k, topology.AttrForwardMode, mode)
	s.forwardDevices(k, forward, mode)
	s.networkBridge(k, e)

	for group := range e.all("portgroup") {
		name := group.attr("name")
		p := topology.PartKey(topology.PortGroup, k, name)
		s.relate(k, topology.Contains, p)
		s.text(p, topology.AttrName, name)
		s.vlan(p, group.child("vlan"))
		s.virtualPort(p, group.child("virtualport"))
		if group.attr("default") == "yes" {
			s.text(k, topology.AttrPortGroup, name)
		}
	}
}

// networkBridge states the bridge under a network. Only of a bridge that libvirt itself made does the network know the address.
func (s *sheet) networkBridge(network topology.Key, e *element) {
	name := e.child("bridge").attr("name")
	s.text(network, topology.AttrBridge, name)
	if name == "" {
		return
	}
	b := s.bridge(name)
	s.relate(s.host, topology.Contains, b)
	s.relate(network, topology.SupportedBy, b)
	s.text(b, topology.AttrName, name)
	s.mac(b, e.child("mac"), "address", e.child("mac").attr("address"))
	for ip := range e.all("ip") {
		s.address(b, ip)
	}
}

// forwardDevices states the interfaces that a network goes out by: as its support where guests sit on them directly (macvtap, virtual
// functions), as plain names where the host routes.
func (s *sheet) forwardDevices(network topology.Key, forward *element, mode string) {
	direct := mode == "bridge" || mode == "private" || mode == "vepa" || mode == "passthrough" || mode == "hostdev"
	out := func(dev string) {
		if dev == "" {
			return
		}
		s.text(network, topology.AttrSourceDevice, dev)
		if direct {
			s.relate(network, topology.SupportedBy, topology.PartKey(topology.NIC, s.host, dev))
		}
	}
	out(forward.attr("dev"))
	for _, name := range []string{"interface", "pf"} {
		for i := range forward.all(name) {
			out(i.attr("dev"))
		}
	}
	for a := range forward.all("address") {
		if address := s.pci(a); address != "" {
			s.text(network, topology.AttrHostDevice, "pci "+address)
			s.relate(network, topology.SupportedBy, s.function(address))
		}
	}
}

// guestEnd matches the names that libvirt keeps for the host's end of a vNIC (and for the dummy port of its own bridges): they hang on a
// bridge, but are not its uplinks.
var guestEnd = regexp.MustCompile(`^(vnet\d+|macvtap\d+|macvlan\d+|virbr\d+-nic)$`)

// hostInterface takes down an <interface> of the host (virsh iface-dumpxml): the only place where libvirt tells what is in a bridge,
// a bond or a VLAN. It gives the interface's key.
func (s *sheet) hostInterface(e *element) topology.Key {
	name := e.attr("name")
	kind := topology.NIC
	switch e.attr("type") {
	case "bridge":
		kind = topology.VirtualSwitch
	case "bond":
		kind = topology.LAG
	case "vlan":
		kind = topology.Port
	case "", "ethernet":
	default:
		kind = topology.Port
		s.note(e, e.attr("type"), "no such type of host interface is known")
	}
	if name == "" || name == "lo" || guestEnd.MatchString(name) {
		return topology.Key{}
	}
	k := topology.PartKey(kind, s.host, name)
	s.relate(s.host, topology.Contains, k)
	if kind.Interface() {
		s.text(k, topology.AttrIfName, name)
	} else {
		s.text(k, topology.AttrName, name)
	}
	s.mac(k, e.child("mac"), "address", e.child("mac").attr("address"))
	s.mtu(k, e)
	s.link(k, e.child("link"))
	for protocol := range e.all("protocol") {
		for ip := range protocol.all("ip") {
			s.address(k, ip)
		}
	}
	for _, layer := range []string{"bridge", "bond", "vlan"} {
		for member := range e.child(layer).all("interface") {
			if m := s.hostInterface(member); m != (topology.Key{}) {
				s.relate(k, topology.SupportedBy, m)
			}
		}
	}
	if n, ok := s.unsigned(e.child("vlan"), "tag"); ok {
		if n < 1 || n > 4094 {
			s.note(e, "VLAN "+strconv.FormatUint(n, 10), "reserved, no VLAN has this ID (IEEE 802.1Q)")
		} else {
			s.set(k, topology.AttrVID, topology.IntValue(n))
		}
	}
	return k
}

// link states <link speed='10000' state='up'/>; libvirt gives Mbit/s, and leaves the speed out where the driver does not know it.
func (s *sheet) link(key topology.Key, e *element) {
	if state := e.attr("state"); state != "unknown" { // the kernel does not say it of bridges and taps: no word against those who know
		s.text(key, topology.AttrState, state)
	}
	if speed := e.attr("speed"); speed != "" && speed != "-1" {
		n, ok := s.unsigned(e, "speed")
		s.number(key, topology.AttrSpeedBits, n*1_000_000, ok && n > 0 && n < 1<<40)
	}
}
