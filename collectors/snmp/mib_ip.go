package snmp

import (
	"net/netip"

	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// IP-MIB (RFC 4293) and the tables it deprecates, which most agents still have alone.
const (
	ipForwarding     = 1
	ipv6IPForwarding = 25

	ipAdEntIfIndex = 2
	ipAdEntNetMask = 3

	ipAddressIfIndex = 3
	ipAddressType    = 4
	ipAddressPrefix  = 5

	ipNetToMediaPhysAddress = 2
	ipNetToMediaType        = 4

	ipNetToPhysicalPhysAddress = 4
	ipNetToPhysicalType        = 6
	ipNetToPhysicalState       = 7
)

const ipModule = "IP-MIB (RFC 4293)"

func addrRead() Read {
	return Read{
		Name: readAddr, MIB: ipModule, OID: mib2(4, 20, 1),
		Objects: []Object{{ipAdEntIfIndex, "ipAdEntIfIndex"}, {ipAdEntNetMask, "ipAdEntNetMask"}},
	}
}

func addressRead() Read {
	return Read{
		Name: readAddress, MIB: ipModule, OID: mib2(4, 34, 1),
		Objects: []Object{
			{ipAddressIfIndex, "ipAddressIfIndex"}, {ipAddressType, "ipAddressType"}, {ipAddressPrefix, "ipAddressPrefix"},
		},
	}
}

func ipMIB() []subject {
	return []subject{
		{
			Read: Read{
				Name: "ip", MIB: ipModule, OID: mib2(4), Scalar: true,
				Objects: []Object{{ipForwarding, "ipForwarding"}, {ipv6IPForwarding, "ipv6IpForwarding"}},
			},
			state: stateForwarding,
		},
		{Read: addrRead(), needs: naming(addressLengths()), state: stateAddr},
		{Read: addressRead(), needs: naming(addrLengths()), state: stateAddress},
		{
			Read: Read{
				Name: "ipNetToMediaTable", MIB: ipModule, OID: mib2(4, 22, 1), Long: true,
				Objects: []Object{{ipNetToMediaPhysAddress, "ipNetToMediaPhysAddress"}, {ipNetToMediaType, "ipNetToMediaType"}},
			},
			needs: naming(), state: stateNetToMedia,
		},
		{
			Read: Read{
				Name: "ipNetToPhysicalTable", MIB: ipModule, OID: mib2(4, 35, 1), Long: true,
				Objects: []Object{
					{ipNetToPhysicalPhysAddress, "ipNetToPhysicalPhysAddress"},
					{ipNetToPhysicalType, "ipNetToPhysicalType"},
					{ipNetToPhysicalState, "ipNetToPhysicalState"},
				},
			},
			needs: naming(), state: stateNetToPhysical,
		},
	}
}

// stateForwarding states for which protocols the device acts as a router: forwarding(1), notForwarding(2).
func stateForwarding(d *device, r *report) {
	words := map[int64]string{1: "", 2: " off"}
	state := func(id uint32, family string) {
		n, ok := r.scalar(id).Int()
		if word, known := words[n]; ok && known {
			r.attr(d.key, topology.AttrForwarding, topology.TextValue(family+word))
		}
	}
	state(ipForwarding, "ipv4")
	state(ipv6IPForwarding, "ipv6")
}

// interfaceAddress is an address of an interface as one of the two tables has it; bits is negative where the table does not say the length.
type interfaceAddress struct {
	ifIndex uint32
	addr    netip.Addr
	bits    int
}

// addrRow reads a row of ipAddrTable.
func addrRow(row Row) (interfaceAddress, bool) {
	index := indexOf(row.Index)
	a := interfaceAddress{addr: index.ipv4(), bits: -1}
	i, ok := row.Value(ipAdEntIfIndex).Uint()
	if !index.ok() || !ok || i == 0 || i > maxIfIndex {
		return a, false
	}
	a.ifIndex = uint32(i)
	if mask, ok := row.Value(ipAdEntNetMask).Addr(); ok {
		if n, ok := maskBits(mask); ok {
			a.bits = n
		}
	}
	return a, true
}

// addressRow reads a row of ipAddressTable.
func addressRow(row Row) (interfaceAddress, bool) {
	index := indexOf(row.Index)
	a := interfaceAddress{addr: index.inet(), bits: -1}
	i, ok := row.Value(ipAddressIfIndex).Uint()
	if !index.ok() || !a.addr.IsValid() || !ok || i == 0 || i > maxIfIndex {
		return a, false
	}
	a.ifIndex = uint32(i)
	if pointer, ok := row.Value(ipAddressPrefix).OID(); ok {
		if n, ok := prefixBits(pointer); ok && n <= a.addr.BitLen() {
			a.bits = n
		}
	}
	return a, true
}

// prefixBits gives the prefix length that an ipAddressPrefix points to: a row of ipAddressPrefixTable, whose index ends with it. The
// pointer 0.0 stands for none, and so does a length of zero.
func prefixBits(pointer snmprec.OID) (int, bool) {
	entry := mib2(4, 32, 1)
	if !pointer.HasPrefix(entry) {
		return 0, false
	}
	index := indexOf(pointer.After(entry.Len() + 1)) // the column comes first
	index.number()                                   // ipAddressPrefixIfIndex
	prefix := index.inet()
	n := int(min(index.number(), 255))
	return n, index.ok() && prefix.IsValid() && n > 0
}

func stateAddr(d *device, r *report) {
	known := d.lengths(addressLengths(), addressRow)
	for row := range r.rows() {
		if r.unread(row, ipAdEntIfIndex, ipAdEntNetMask) {
			continue
		}
		a, ok := addrRow(row)
		if !ok {
			r.misread(ipAdEntIfIndex, row.Index, row.Value(ipAdEntIfIndex), "no address with its interface")
			continue
		}
		r.address(a, known)
	}
}

func stateAddress(d *device, r *report) {
	const broadcast = 3
	known := d.lengths(addrLengths(), addrRow)
	for row := range r.rows() {
		if kind, _ := row.Value(ipAddressType).Int(); kind == broadcast || r.unread(row, ipAddressIfIndex, ipAddressType, ipAddressPrefix) {
			continue
		}
		a, ok := addressRow(row)
		if !ok {
			r.misread(ipAddressIfIndex, row.Index, row.Value(ipAddressIfIndex), "no address with its interface")
			continue
		}
		r.address(a, known)
	}
}

// lengths lists the addresses whose prefix length the other table says; nil where that table was not read whole.
func (d *device) lengths(other need, read func(Row) (interfaceAddress, bool)) map[interfaceAddress]bool {
	if !other.met(d.answers) {
		return nil
	}
	known := map[interfaceAddress]bool{}
	for row := range d.answers[other.read.Name].rows.All() {
		if a, ok := read(row); ok && a.bits >= 0 {
			a.bits = 0
			known[a] = true
		}
	}
	return known
}

// addressLengths and addrLengths are what the two tables need of each other.
func addressLengths() need { return need{addressRead(), []uint32{ipAddressIfIndex, ipAddressPrefix}} }
func addrLengths() need    { return need{read: addrRead()} }

// address states an address with its prefix length; one without is said to be without only if the other table was read and does not know better.
// 0.0.0.0 is no address: it stands for an interface that has none yet.
func (r *report) address(a interfaceAddress, known map[interfaceAddress]bool) {
	k, ok := r.port(a.ifIndex)
	if !ok || a.addr.IsUnspecified() {
		return
	}
	if a.bits >= 0 {
		r.attr(k, topology.AttrAddress, topology.PrefixValue(netip.PrefixFrom(a.addr, a.bits)))
		return
	}
	a.bits = 0
	if known != nil && !known[a] {
		r.attr(k, topology.AttrUnnumbered, topology.AddrValue(a.addr))
	}
}

func stateNetToMedia(_ *device, r *report) {
	const invalid = 2
	for row := range r.rows() {
		index := indexOf(row.Index)
		ifIndex, addr := index.number(), index.ipv4()
		if !index.ok() {
			r.misindexed(row)
			continue
		}
		if kind, _ := row.Value(ipNetToMediaType).Int(); kind != invalid && !r.unread(row, ipNetToMediaType) {
			r.neighborEntry(ifIndex, addr, ipNetToMediaPhysAddress, row)
		}
	}
}

func stateNetToPhysical(_ *device, r *report) {
	const invalid, incomplete = 2, 7
	for row := range r.rows() {
		index := indexOf(row.Index)
		ifIndex, addr := index.number(), index.inet()
		if !index.ok() || !addr.IsValid() {
			r.misindexed(row)
			continue
		}
		kind, _ := row.Value(ipNetToPhysicalType).Int()
		state, _ := row.Value(ipNetToPhysicalState).Int()
		if kind != invalid && state != incomplete && !r.unread(row, ipNetToPhysicalType, ipNetToPhysicalState) {
			r.neighborEntry(ifIndex, addr, ipNetToPhysicalPhysAddress, row)
		}
	}
}

// neighborEntry states an entry of the ARP or neighbour cache. An entry without an address is one that nobody answered.
func (r *report) neighborEntry(ifIndex uint32, addr netip.Addr, column uint32, row Row) {
	v := row.Value(column)
	m, ok := macOf(v)
	if !ok {
		if octets, _ := v.Octets(); len(octets) > 0 && cleanText(string(octets)) != "" {
			r.misread(column, row.Index, v, "no 48-bit address")
		}
		return
	}
	if k, ok := r.port(ifIndex); ok && !addr.IsUnspecified() {
		r.attr(k, topology.AttrARP, topology.TextValue(addr.String()+" "+m.String()))
	}
}
