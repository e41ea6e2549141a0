package topology

// Steps of patterns that are asked for often.

// StepsToCore lead from a vNIC through its host and its leaf switches, from there over one more switch to firewalls and routers: all the ways of a fabric of leaves and
// spines.
func StepsToCore() []Step {
	cable := func(to ...Kind) []Step {
		return []Step{
			{Moves: []Move{{Contains, Forward}}, Kinds: []Kind{Port}},
			{Moves: []Move{{Link, Either}}, Kinds: []Kind{Port}},
			{Moves: []Move{{Contains, Backward}}, Kinds: to},
		}
	}
	steps := []Step{
		{Moves: []Move{{AttachedTo, Forward}}, Kinds: []Kind{PortGroup, Network, VirtualSwitch}},
		{Moves: []Move{{Contains, Backward}, {SupportedBy, Forward}}, Kinds: []Kind{Network, VirtualSwitch, LAG, NIC}, Many: true},
		{Moves: []Move{{Link, Either}}, Kinds: []Kind{Port}},
		{Moves: []Move{{Contains, Backward}}, Kinds: []Kind{Switch}},
	}
	return append(append(steps, cable(Switch)...), cable(Firewall, Router)...)
}

// StepsToUnits lead from a VM over its disks to the logical units below them.
func StepsToUnits() []Step {
	return []Step{
		{Moves: []Move{{Contains, Forward}}, Kinds: []Kind{VDisk}},
		{Moves: []Move{{StoredOn, Forward}, {Contains, Backward}}, Kinds: []Kind{Volume, StoragePool}, Many: true},
		{Moves: []Move{{StoredOn, Forward}}, Kinds: []Kind{LogicalUnit}},
	}
}

// StepsBehind lead from a port of a switch to all that depends on the host at the other end of its cable: its interfaces above the cable, their networks, and
// the vNICs and VMs on these.
func StepsBehind() []Step {
	return []Step{
		{Moves: []Move{{Link, Either}}, Kinds: []Kind{NIC}},
		{
			Moves: []Move{{SupportedBy, Backward}, {Contains, Forward}, {AttachedTo, Backward}}, Many: true,
			Kinds: []Kind{LAG, VirtualSwitch, Network, PortGroup, VNIC},
		},
		{Moves: []Move{{Contains, Backward}}, Kinds: []Kind{VM}},
	}
}
