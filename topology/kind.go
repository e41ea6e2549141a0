package topology

import (
	"strconv"
	"strings"
)

// Kind says what a node is. The words are the standards' (docs/glossary.md).
type Kind uint8

// The kinds, by rail: places and compute, network, storage, policy, evidence.
const (
	_ Kind = iota

	Rack
	Server // DMTF ComputerSystem: the metal
	BMC    // DMTF Manager
	Host   // a hypervisor
	VM
	VNIC
	VDisk

	Switch // IEEE 802.1Q bridge in a box of its own
	Router
	Firewall
	Port          // interface of a device (RFC 2863)
	NIC           // physical network interface of a host
	LAG           // link aggregation group (IEEE 802.1AX); a Linux bond, too
	VirtualSwitch // Linux bridge, Open vSwitch bridge
	Network       // libvirt network: a name under which hosts offer a way out
	PortGroup     // profile of a Network
	VLAN          // a VLAN as one bridge knows it
	BroadcastDomain
	Subnet
	VRF
	Route

	StoragePool
	Volume
	InitiatorPort // WWPN, IQN or NQN that opens sessions
	TargetPort    // WWPN, or IQN and portal, that accepts them
	FCSwitch
	FCPort
	FCFabric
	FCZone
	FCZoneSet
	FCZoneAlias
	Array
	LogicalUnit
	Mapping

	Filter // access list, nft chain, security group
	FilterRule
	FilterText // a filter nobody has parsed yet, by the SHA-256 of its text

	Neighbor // what a port hears by LLDP or CDP, whether or not anybody knows the speaker

	kindEnd
)

var kindLabels = [kindEnd]string{ //nolint:gochecknoglobals // read-only table
	Rack: "Rack", Server: "Server", BMC: "BMC", Host: "Host", VM: "VM", VNIC: "VNIC", VDisk: "VDisk",
	Switch: "Switch", Router: "Router", Firewall: "Firewall", Port: "Port", NIC: "NIC", LAG: "LAG",
	VirtualSwitch: "VirtualSwitch", Network: "Network", PortGroup: "PortGroup", VLAN: "VLAN",
	BroadcastDomain: "BroadcastDomain", Subnet: "Subnet", VRF: "VRF", Route: "Route",
	StoragePool: "StoragePool", Volume: "Volume", InitiatorPort: "InitiatorPort", TargetPort: "TargetPort",
	FCSwitch: "FCSwitch", FCPort: "FCPort", FCFabric: "FCFabric", FCZone: "FCZone", FCZoneSet: "FCZoneSet",
	FCZoneAlias: "FCZoneAlias", Array: "Array", LogicalUnit: "LogicalUnit", Mapping: "Mapping",
	Filter: "Filter", FilterRule: "FilterRule", FilterText: "FilterText", Neighbor: "Neighbor",
}

var kindNames = lowered(kindLabels) //nolint:gochecknoglobals // read-only table

func lowered(words [kindEnd]string) [kindEnd]string {
	for i, w := range words {
		words[i] = strings.ToLower(w)
	}
	return words
}

// String gives the lower-case name that commands and encodings use.
func (k Kind) String() string {
	if k == 0 || k >= kindEnd {
		return "kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// Label gives the word as the glossary writes it, VirtualSwitch or LAG: what graph databases call the kind.
func (k Kind) Label() string {
	if k == 0 || k >= kindEnd {
		return ""
	}
	return kindLabels[k]
}

// ParseKind is the inverse of String.
func ParseKind(text string) (Kind, error) {
	for k := Kind(1); k < kindEnd; k++ {
		if kindNames[k] == text {
			return k, nil
		}
	}
	return 0, syntaxError("kind", text, "no such kind")
}

// Kinds lists all kinds in their order.
func Kinds() []Kind {
	ks := make([]Kind, 0, kindEnd-1)
	for k := Kind(1); k < kindEnd; k++ {
		ks = append(ks, k)
	}
	return ks
}

// Device reports whether nodes of the kind are boxes (or hypervisors) that a collector can talk to and that own parts.
func (k Kind) Device() bool {
	switch k {
	case Host, Switch, Router, Firewall, FCSwitch, Array, Server, BMC:
		return true
	}
	return false
}

// Interface reports whether nodes of the kind are network interfaces of a device: they share one name space there, and two
// sources may see one interface as different kinds.
func (k Kind) Interface() bool { return k == Port || k == NIC || k == LAG }
