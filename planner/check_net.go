package planner

// networkChecks ask whether frames of the VM get from the target to where they got before: NET-1 to NET-8, NET-11 to NET-13. Each asks of all ways at once: which
// member of an aggregate a frame takes is hashed.
func networkChecks() []Check {
	return []Check{
		{
			Code: "NET-1", Asks: "Is the vNIC's VLAN tagged on the target's bridge, its aggregate and every member?",
			Facts: "VLANs of bridge ports and interfaces of the target (libvirt, SSH)", Mends: "tag the VLAN on the port that lacks it",
			run: func(f *finder) { f.cabled(f.insideHost) },
		},
		{
			Code: "NET-2", Asks: "Do the switches admit the VLAN: is it allowed, present, active and forwarding on each port that the frames come by?",
			Facts: "VLANs of ports and switches, spanning tree (SNMP, CLI), cables (LLDP)", Mends: "tag the VLAN on the port, add it to the switch, or activate it there",
			run: func(f *finder) { f.wired(f.switches) },
		},
		{
			Code: "NET-3", Asks: "Do both ends of each cable have frames without a tag in one VLAN?",
			Facts: "PVID and untagged VLANs of ports (SNMP, CLI, SSH)", Mends: "set the native or access VLAN alike on both ends",
			run: func(f *finder) { f.wired(f.native) },
		},
		{
			Code: "NET-4", Asks: "Are the cables of the target's aggregate in one aggregation at the other end, and does a pair of switches have the VLAN between its two?",
			Facts: "aggregates and their members of host and switches, pairs (SNMP, CLI, SSH)", Mends: "put the ports into one aggregation, tag the VLAN on the link between the pair",
			run: func(f *finder) { f.wired(f.aggregates) },
		},
		{
			Code: "NET-5", Asks: "Are the VM's ports on source and target in one broadcast domain?",
			Facts: "cables, VLANs of all ports between, VXLAN network identifiers", Mends: "carry the VLAN between the two, or choose a host that it reaches",
			run: (*finder).domain,
		},
		{
			Code: "NET-6", Asks: "Does the way pass frames as large as the vNIC sends?",
			Facts: "MTU of the vNIC and of each interface on the way (libvirt, SSH, SNMP)", Mends: "raise the MTU of the interface that is too small",
			run: func(f *finder) { f.wired(f.mtu) },
		},
		{
			Code: "NET-7", Asks: "Is a gateway of the VM reached from there?",
			Facts: "addresses, VLANs and forwarding of routers and firewalls (SNMP, SSH, CLI)", Mends: "carry the VLAN to the gateway, or give it an interface there",
			run: func(f *finder) { f.plugged(f.gateway) },
		},
		{
			Code: "NET-8", Asks: "Does the switch's port let another address in: no port security, address limit, DHCP snooping, ARP inspection, 802.1X or isolation in its way?",
			Facts: "configuration of the switch behind the target's cable (CLI, SSH); SNMP does not tell", Mends: "read the configuration; take the limit off the port",
			run: func(f *finder) { f.wired(f.guarded) },
		},
		{
			Code: "NET-11", Asks: "Is the way from the target as wide as the one from the source?",
			Facts: "speed of each interface on both ways (libvirt, SSH, SNMP), queues that hold back (SSH); load is not looked at", Mends: "choose a host with faster uplinks, or take the queue away",
			run: func(f *finder) { f.wired(f.capacity) },
		},
		{
			Code: "NET-12", Asks: "Are there as many ways that share no device as the policy demands, and as before?",
			Facts: "all cables and states on the ways, racks of the devices", Mends: "bring the ports up that are down, or choose a host with two switches",
			run: func(f *finder) { f.cabled(f.redundancy) },
		},
		{
			Code: "NET-13", Asks: "Will the others see that the VM has moved: does its announcement (gratuitous ARP) get out, and may its address appear at another port?",
			Facts: "filters of bridges and of the vNIC on the target, forwarding entries that do not move (SSH, libvirt, SNMP)", Mends: "permit ARP from the VM, or delete the entry",
			run: func(f *finder) { f.wired(f.announcement) },
		},
	}
}
