package topology

import "net/netip"

// What the storage rail knows, for who asks about pairs that are on no rail: what would be if a port logged in somewhere.

// Sight tells why an initiator does not see a unit behind a target port (fault), or why that is not known (doubt); both empty: it does. Asked are the mappings of
// the unit where an array gave them, else what the initiator's own host said; and how that host says its paths to the unit are.
func Sight(unit, initiator, target Node) (fault, doubt string) { return sight(unit, initiator, target) }

// LoginAddresses gives the addresses from which an initiator reaches an iSCSI portal: those of its host in the portal's subnet. None: nobody knows, or the portal is
// behind a router.
func LoginAddresses(initiator Node, portal netip.Addr) []netip.Addr {
	return sources(initiator, portal)
}

// Stopped tells why nothing passes a node by its own state; "" if that speaks against nothing.
func Stopped(n Node) string { return stopped(n) }

// Portals gives the ends ("ADDRESS:PORT") of the iSCSI portals by which the program that runs a VM reaches a disk itself, under the VM's own name; none if it does not.
func Portals(disk Node) []string { return emulated(disk) }

// PortalOf gives where an iSCSI target port listens, if that is an address.
func PortalOf(target Node) (netip.AddrPort, bool) { return portalOf(target) }
