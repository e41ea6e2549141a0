package topology

import (
	"fmt"
	"slices"
	"strconv"
)

// Rel is the type of a directed relation between two nodes.
type Rel uint8

// The relations. RelationSpec tells which kinds each may join.
const (
	_ Rel = iota

	Contains      // the owner to its part
	RunsOn        // a VM to the host that runs it, or would
	AttachedTo    // a vNIC to what it plugs into
	SupportedBy   // upper to lower layer (RFC 8345): LAG to member, SVI to VLAN, bridge to uplink, network to bridge, ifStack
	Link          // two ports joined by a cable or what acts as one, of FC switches an inter-switch link; stored once, from the lesser key
	HasNeighbor   // a port to what it hears
	IdentifiedAs  // a neighbour to the port or device that it is; a logical unit known by its number at a target to the one that it is
	InSubnet      // an interface to the subnet of one of its addresses
	InVRF         // an interface or route to its VRF
	RoutesVia     // a route to the interface it leaves by
	PeerLAG       // two LAGs on two systems that are one distributed LAG; stored once, from the lesser key
	InDomain      // a VLAN or port to its broadcast domain
	StoredOn      // a virtual disk to its volume or logical unit; a volume or pool to the logical unit below
	LoggedIn      // an N_Port to the F_Port of its fabric login
	Nexus         // initiator port to target port: a session (I_T nexus, SAM)
	Exports       // a target port to a logical unit seen through it
	MemberOf      // zone member to alias or zone, zone to zone set, FC switch to fabric
	MapsInitiator // a mapping to the initiators it admits
	MapsTarget    // a mapping to the target ports it admits
	MapsUnit      // a mapping to its logical unit
	MountedIn     // a device to its rack
	Manages       // a BMC to its server
	AppliesTo     // a filter to where it is attached

	relEnd
)

// RelationSpec is a row of the relation table.
type RelationSpec struct {
	Name     string
	From, To []Kind // empty: any kind
	Single   bool   // the subject has at most one object at a time; more is a conflict
	Mutual   bool   // has no direction: stored once, from the lesser key to the greater
}

var (
	devices    = []Kind{Host, Switch, Router, Firewall, FCSwitch, Array, Server, BMC} //nolint:gochecknoglobals // read-only table
	interfaces = []Kind{Port, NIC, LAG}                                               //nolint:gochecknoglobals // read-only table
)

var relations = [relEnd]RelationSpec{ //nolint:gochecknoglobals // read-only table
	Contains: {Name: "Contains"},
	RunsOn:   {Name: "RunsOn", From: []Kind{VM}, To: []Kind{Host}, Single: true},
	AttachedTo: {
		Name: "AttachedTo", From: []Kind{VNIC}, Single: true,
		To: []Kind{VirtualSwitch, Network, PortGroup, Port, NIC, LAG},
	},
	SupportedBy: {
		Name: "SupportedBy",
		From: []Kind{Port, NIC, LAG, VirtualSwitch, Network, PortGroup, VLAN, Host, StoragePool},
		To:   []Kind{Port, NIC, LAG, VirtualSwitch, Network, VLAN, Server, Volume, LogicalUnit, TargetPort},
	},
	Link:        {Name: "Link", From: append(slices.Clone(interfaces), FCPort), To: append(slices.Clone(interfaces), FCPort), Mutual: true},
	HasNeighbor: {Name: "HasNeighbor", From: interfaces, To: []Kind{Neighbor}},
	IdentifiedAs: {
		Name: "IdentifiedAs", From: []Kind{Neighbor, LogicalUnit}, Single: true,
		To: append(append(slices.Clone(interfaces), devices...), LogicalUnit),
	},
	InSubnet:  {Name: "InSubnet", From: []Kind{Port, NIC, LAG, VNIC, VirtualSwitch}, To: []Kind{Subnet}},
	InVRF:     {Name: "InVRF", From: []Kind{Port, NIC, LAG, Route}, To: []Kind{VRF}, Single: true},
	RoutesVia: {Name: "RoutesVia", From: []Kind{Route}, To: interfaces},
	PeerLAG:   {Name: "PeerLAG", From: []Kind{LAG}, To: []Kind{LAG}, Mutual: true},
	InDomain:  {Name: "InDomain", From: []Kind{VLAN, Port, NIC, LAG, VNIC, VirtualSwitch}, To: []Kind{BroadcastDomain}},
	StoredOn: {
		Name: "StoredOn", From: []Kind{VDisk, Volume, StoragePool},
		To: []Kind{Volume, LogicalUnit, StoragePool, TargetPort},
	},
	LoggedIn:      {Name: "LoggedIn", From: []Kind{InitiatorPort, TargetPort, FCPort}, To: []Kind{FCPort}, Single: true},
	Nexus:         {Name: "Nexus", From: []Kind{InitiatorPort}, To: []Kind{TargetPort}},
	Exports:       {Name: "Exports", From: []Kind{TargetPort}, To: []Kind{LogicalUnit}},
	MemberOf:      {Name: "MemberOf", From: []Kind{InitiatorPort, TargetPort, FCPort, FCZoneAlias, FCZone, FCZoneSet, FCSwitch}, To: []Kind{FCZone, FCZoneAlias, FCZoneSet, FCFabric}},
	MapsInitiator: {Name: "MapsInitiator", From: []Kind{Mapping}, To: []Kind{InitiatorPort}},
	MapsTarget:    {Name: "MapsTarget", From: []Kind{Mapping}, To: []Kind{TargetPort}},
	MapsUnit:      {Name: "MapsUnit", From: []Kind{Mapping}, To: []Kind{LogicalUnit}, Single: true},
	MountedIn:     {Name: "MountedIn", From: devices, To: []Kind{Rack}, Single: true},
	Manages:       {Name: "Manages", From: []Kind{BMC}, To: []Kind{Server}, Single: true},
	AppliesTo: {
		Name: "AppliesTo", From: []Kind{Filter, FilterText},
		To: append(append(slices.Clone(interfaces), devices...), VNIC, VLAN, VirtualSwitch),
	},
}

// String gives the relation's name, which Neo4j and queries use as well.
func (r Rel) String() string {
	if r == 0 || r >= relEnd {
		return "rel(" + strconv.Itoa(int(r)) + ")"
	}
	return relations[r].Name
}

// ParseRel is the inverse of String.
func ParseRel(text string) (Rel, error) {
	for r := Rel(1); r < relEnd; r++ {
		if relations[r].Name == text {
			return r, nil
		}
	}
	return 0, syntaxError("relation", text, "no such relation")
}

// Rels lists all relations in their order.
func Rels() []Rel {
	rs := make([]Rel, 0, relEnd-1)
	for r := Rel(1); r < relEnd; r++ {
		rs = append(rs, r)
	}
	return rs
}

// Spec gives the relation's row of the table.
func (r Rel) Spec() RelationSpec { return relations[r] }

func (r Rel) check(from, to Kind) error {
	if r == 0 || r >= relEnd {
		return fmt.Errorf("%w: relation %d", ErrSchema, r)
	}
	spec := relations[r]
	if len(spec.From) > 0 && !slices.Contains(spec.From, from) || len(spec.To) > 0 && !slices.Contains(spec.To, to) {
		return fmt.Errorf("%w: %s from %s to %s", ErrSchema, r, from, to)
	}
	return nil
}
