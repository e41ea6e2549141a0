package snmp

import (
	"encoding/binary"
	"encoding/hex"
	"iter"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// cursor reads an instance identifier from its front (RFC 2578 section 7.7). After a part that does not fit everything it gives
// is zero and ok reports false, so an index is read in one go and judged once.
type cursor struct {
	rest   snmprec.OID
	failed bool
}

func indexOf(oid snmprec.OID) *cursor { return &cursor{rest: oid} }

// ok reports that every part fitted and nothing is left over.
func (c *cursor) ok() bool { return !c.failed && c.rest.IsZero() }

// number reads one sub-identifier.
func (c *cursor) number() uint32 {
	if c.failed || c.rest.IsZero() {
		c.failed = true
		return 0
	}
	n := c.rest.At(0)
	c.rest = c.rest.After(1)
	return n
}

// octets reads n sub-identifiers that are octets.
func (c *cursor) octets(n int) []byte {
	if c.failed || n < 0 || n > c.rest.Len() {
		c.failed = true
		return nil
	}
	b := make([]byte, n)
	for i := range b {
		id := c.rest.At(i)
		if id > 0xff {
			c.failed = true
			return nil
		}
		b[i] = byte(id)
	}
	c.rest = c.rest.After(n)
	return b
}

// sized reads a string of variable length: its length, then its octets.
func (c *cursor) sized() []byte {
	n := c.number()
	if c.failed || n > snmprec.MaxOIDLen {
		c.failed = true
		return nil
	}
	return c.octets(int(n))
}

// skipOID reads an object identifier of variable length.
func (c *cursor) skipOID() {
	n := c.number()
	if c.failed || int64(n) > int64(c.rest.Len()) {
		c.failed = true
		return
	}
	c.rest = c.rest.After(int(n))
}

// mac reads a MacAddress: six octets without a length.
func (c *cursor) mac() topology.MAC {
	m, _ := topology.MACFromBytes(c.octets(6))
	return m
}

// ipv4 reads an IpAddress: four octets without a length.
func (c *cursor) ipv4() netip.Addr {
	a, _ := netip.AddrFromSlice(c.octets(4))
	return a
}

// inet reads an InetAddressType and its InetAddress. An address of the type unknown(0), which stands for "none", is invalid without
// being a failure.
func (c *cursor) inet() netip.Addr {
	kind := c.number()
	octets := c.sized()
	if c.failed {
		return netip.Addr{}
	}
	a, ok := inetAddress(kind, octets)
	c.failed = !ok
	return a
}

// inetAddress makes an address of an InetAddressType (RFC 4001 section 4): unknown(0), ipv4(1), ipv6(2), ipv4z(3), ipv6z(4). A zone
// index is left out: the interface that has the address says it. Names (dns(16)) are no addresses.
func inetAddress(kind uint32, octets []byte) (netip.Addr, bool) {
	const zone = 4 // octets of a zone index
	switch {
	case kind == 0 && len(octets) == 0:
		return netip.Addr{}, true
	case kind == 1 && len(octets) == 4, kind == 2 && len(octets) == 16:
	case kind == 3 && len(octets) == 4+zone, kind == 4 && len(octets) == 16+zone:
		octets = octets[:len(octets)-zone]
	default:
		return netip.Addr{}, false
	}
	a, ok := netip.AddrFromSlice(octets)
	return a.Unmap(), ok
}

// maskBits gives the prefix length of a subnet mask. A mask of zero on an interface's address is a device's way to say that it
// does not know, and one with holes has no length.
func maskBits(mask netip.Addr) (int, bool) {
	if !mask.Is4() {
		return 0, false
	}
	octets := mask.As4()
	m := binary.BigEndian.Uint32(octets[:])
	length := bits.LeadingZeros32(^m)
	return length, length > 0 && m<<length == 0
}

// setBits yields the numbers of the set bits of a bitmap, the most significant bit of the first octet being first. A PortList counts
// from 1 (RFC 4363 section 3), a VLAN bitmap of CISCO-VTP-MIB and BITS from 0.
func setBits(octets []byte, first int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, o := range octets {
			for o != 0 {
				n := bits.LeadingZeros8(o)
				if !yield(first + 8*i + n) {
					return
				}
				o &^= 1 << (7 - n)
			}
		}
	}
}

// macOf reads a PhysAddress or MacAddress: six octets. Some agents send the address as text. The zero address stands for none.
func macOf(v snmprec.Value) (topology.MAC, bool) {
	octets, ok := v.Octets()
	if !ok {
		return 0, false
	}
	return macFrom(octets)
}

func macFrom(octets []byte) (topology.MAC, bool) {
	if m, ok := topology.MACFromBytes(octets); ok {
		return m, m != 0
	}
	m, err := topology.ParseMAC(strings.ReplaceAll(cleanText(string(octets)), " ", ":"))
	return m, err == nil && m != 0
}

// textOf reads a DisplayString or SnmpAdminString. Padding at its ends, blanks and NULs, is no part of it: devices pad names to the
// width of their columns, and the same name comes without padding by another way.
func textOf(v snmprec.Value) string {
	s, _ := v.Text()
	return cleanText(s)
}

func cleanText(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r == 0 || unicode.IsSpace(r) })
}

// The subtypes of an LLDP chassis ID and port ID (IEEE 802.1AB-2016 tables 8-2 and 8-3).
const (
	chassisComponent     = 1
	chassisIfAlias       = 2
	chassisPortComponent = 3
	chassisMAC           = 4
	chassisAddress       = 5
	chassisIfName        = 6
	chassisLocal         = 7

	portIfAlias   = 1
	portComponent = 2
	portMAC       = 3
	portAddress   = 4
	portIfName    = 5
	portCircuit   = 6
	portLocal     = 7
)

// chassisID gives the canonical text of an LLDP chassis ID, "mac/00:00:5e:00:53:01"; "" for no octets.
func chassisID(subtype int64, octets []byte) string {
	switch subtype {
	case chassisComponent:
		return lldpID("component", octets)
	case chassisIfAlias:
		return lldpID("ifAlias", octets)
	case chassisPortComponent:
		return lldpID("portComponent", octets)
	case chassisMAC:
		return lldpID("mac", octets)
	case chassisAddress:
		return lldpID("address", octets)
	case chassisIfName:
		return lldpID("ifName", octets)
	case chassisLocal:
		return lldpID("local", octets)
	}
	return lldpID("subtype"+strconv.FormatInt(subtype, 10), octets)
}

// portID gives the canonical text of an LLDP port ID, "ifName/Ethernet1"; "" for no octets.
func portID(subtype int64, octets []byte) string {
	switch subtype {
	case portIfAlias:
		return lldpID("ifAlias", octets)
	case portComponent:
		return lldpID("portComponent", octets)
	case portMAC:
		return lldpID("mac", octets)
	case portAddress:
		return lldpID("address", octets)
	case portIfName:
		return lldpID("ifName", octets)
	case portCircuit:
		return lldpID("circuit", octets)
	case portLocal:
		return lldpID("local", octets)
	}
	return lldpID("subtype"+strconv.FormatInt(subtype, 10), octets)
}

// lldpID writes the value behind its subtype: a MAC address and a network address in their canonical form, printable text as it is,
// other octets in hexadecimal.
func lldpID(word string, octets []byte) string {
	if len(octets) == 0 {
		return ""
	}
	switch word {
	case "mac":
		if m, ok := topology.MACFromBytes(octets); ok {
			return "mac/" + m.String() // the zero address is kept, too: it is what the neighbour calls itself
		}
		if m, ok := macFrom(octets); ok {
			return "mac/" + m.String()
		}
	case "address":
		if a, ok := familyAddress(octets); ok {
			return "address/" + a.String()
		}
	}
	text := cleanText(string(octets))
	if text == "" || !printable(text) {
		text = "0x" + hex.EncodeToString(octets)
	}
	return word + "/" + text
}

// familyAddress reads a network address of LLDP: one octet of the IANA address family, then the address. Text is taken as well.
func familyAddress(octets []byte) (netip.Addr, bool) {
	const familyIPv4, familyIPv6 = 1, 2
	if len(octets) > 0 && (octets[0] == familyIPv4 || octets[0] == familyIPv6) {
		if a, ok := inetAddress(uint32(octets[0]), octets[1:]); ok {
			return a, true
		}
	}
	a, err := netip.ParseAddr(cleanText(string(octets)))
	return a.Unmap().WithZone(""), err == nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// bridgeID gives the text of a BridgeId (RFC 4188): priority in hexadecimal, a dot, the address: "8000.00:00:5e:00:53:01".
func bridgeID(octets []byte) (string, bool) {
	if len(octets) != 8 {
		return "", false
	}
	m, _ := topology.MACFromBytes(octets[2:])
	return hex.EncodeToString(octets[:2]) + "." + m.String(), m != 0
}
