package snmp

import (
	"net/netip"
	"slices"

	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// What the tests of the parsers need of the inside.

func SetBits(octets []byte, first int) []int { return slices.Collect(setBits(octets, first)) }

func MaskBits(mask netip.Addr) (int, bool) { return maskBits(mask) }

func InetAddress(kind uint32, octets []byte) (netip.Addr, bool) { return inetAddress(kind, octets) }

func CDPAddress(protocol uint32, octets []byte) (netip.Addr, bool) {
	return cdpAddress(protocol, octets)
}

func ChassisID(subtype int64, octets []byte) string { return chassisID(subtype, octets) }

func PortID(subtype int64, octets []byte) string { return portID(subtype, octets) }

func BridgeID(octets []byte) (string, bool) { return bridgeID(octets) }

func MACFrom(octets []byte) (topology.MAC, bool) { return macFrom(octets) }

func PrefixBits(pointer snmprec.OID) (int, bool) { return prefixBits(pointer) }

func LLDPCapabilities(octets []byte) ([]string, bool) { return lldpCapabilities(octets) }

// InetIndex reads an InetAddressType and an InetAddress off the front of an index.
func InetIndex(index snmprec.OID) (a netip.Addr, rest snmprec.OID, ok bool) {
	c := indexOf(index)
	a = c.inet()
	return a, c.rest, !c.failed
}

// ManagementAddress reads the end of the index of lldpRemManAddrTable.
func ManagementAddress(index snmprec.OID) (a netip.Addr, usable, understood bool) {
	c := indexOf(index)
	a, usable = managementAddress(c)
	return a, usable, !c.failed
}
