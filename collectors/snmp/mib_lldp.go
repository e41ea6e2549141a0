package snmp

import (
	"net/netip"
	"strconv"

	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// LLDP-MIB (IEEE 802.1AB-2005).
const (
	lldpLocChassisIDSubtype = 1
	lldpLocChassisID        = 2
	lldpLocSysCapEnabled    = 6

	lldpLocPortIDSubtype = 2
	lldpLocPortID        = 3
	lldpLocPortDesc      = 4

	lldpLocManAddrIfID = 5

	lldpRemChassisIDSubtype = 4
	lldpRemChassisID        = 5
	lldpRemPortIDSubtype    = 6
	lldpRemPortID           = 7
	lldpRemPortDesc         = 8
	lldpRemSysName          = 9
	lldpRemSysDesc          = 10
	lldpRemSysCapEnabled    = 12

	lldpRemManAddrIfSubtype = 3
)

func lldpMIB() []subject {
	const module = "LLDP-MIB (IEEE 802.1AB-2005)"
	return []subject{
		{
			Read: Read{
				Name: readLLDPLocal, MIB: module, OID: lldpObjects(3), Scalar: true,
				Objects: []Object{
					{lldpLocChassisIDSubtype, "lldpLocChassisIdSubtype"}, {lldpLocChassisID, "lldpLocChassisId"},
					{lldpLocSysCapEnabled, "lldpLocSysCapEnabled"},
				},
			},
			state: stateLLDPLocal,
		},
		{
			Read: Read{
				Name: readLLDPPort, MIB: module, OID: lldpObjects(3, 7, 1),
				Objects: []Object{
					{lldpLocPortIDSubtype, "lldpLocPortIdSubtype"}, {lldpLocPortID, "lldpLocPortId"}, {lldpLocPortDesc, "lldpLocPortDesc"},
				},
			},
			needs: bridging(), state: stateLLDPPorts,
		},
		{
			Read: Read{
				Name: "lldpLocManAddrTable", MIB: module, OID: lldpObjects(3, 8, 1),
				Objects: []Object{{lldpLocManAddrIfID, "lldpLocManAddrIfId"}},
			},
			state: stateLLDPAddresses,
		},
		{
			Read: Read{
				Name: readLLDPRem, MIB: module, OID: lldpObjects(4, 1, 1),
				Objects: []Object{
					{lldpRemChassisIDSubtype, "lldpRemChassisIdSubtype"}, {lldpRemChassisID, "lldpRemChassisId"},
					{lldpRemPortIDSubtype, "lldpRemPortIdSubtype"}, {lldpRemPortID, "lldpRemPortId"}, {lldpRemPortDesc, "lldpRemPortDesc"},
					{lldpRemSysName, "lldpRemSysName"}, {lldpRemSysDesc, "lldpRemSysDesc"}, {lldpRemSysCapEnabled, "lldpRemSysCapEnabled"},
				},
			},
			needs: bridging(readLLDPPort), state: stateLLDPNeighbors,
		},
		{
			Read: Read{
				Name: "lldpRemManAddrTable", MIB: module, OID: lldpObjects(4, 2, 1),
				Objects: []Object{{lldpRemManAddrIfSubtype, "lldpRemManAddrIfSubtype"}},
			},
			needs: bridging(readLLDPPort, readLLDPRem), state: stateLLDPNeighborAddresses,
		},
	}
}

// lldpPort is how an agent names one of its ports to its neighbours.
type lldpPort struct {
	subtype int64 // 0: the agent does not say
	octets  []byte
	descr   string
}

func readLLDPPorts(rows Rows) map[uint32]lldpPort {
	ports := map[uint32]lldpPort{}
	for row := range rows.All() {
		index := indexOf(row.Index)
		n := index.number()
		if !index.ok() {
			continue
		}
		p := lldpPort{descr: textOf(row.Value(lldpLocPortDesc))}
		p.subtype, _ = row.Value(lldpLocPortIDSubtype).Int()
		p.octets, _ = row.Value(lldpLocPortID).Octets()
		ports[n] = p
	}
	return ports
}

// lldpInterfaces says which interface each lldpLocPortNum is. The standard lets an agent number as it likes, so the port ID that it sends
// on the port decides: by what its subtype says, the description after it. Else the number is a dot1dBasePort or an ifIndex.
func (d *device) lldpInterfaces() func(number uint32) (ifIndex uint32, ok bool) {
	name, descr, alias, mac := d.namesakes()
	return func(number uint32) (uint32, bool) {
		base, bridged := d.basePorts[number]
		if p, ok := d.lldpPorts[number]; ok {
			id := cleanText(string(p.octets))
			tries := []named{name, descr, alias}
			switch p.subtype {
			case portIfAlias:
				tries = []named{alias, name, descr}
			case portMAC:
				tries = nil
			}
			for _, by := range tries {
				if i, ok := by.pick(id, base, number); ok {
					return i, true
				}
			}
			if m, ok := macFrom(p.octets); ok && p.subtype != portIfName {
				if i, ok := mac.pick(m.String(), base, number); ok {
					return i, true
				}
			}
			if n, err := strconv.ParseUint(id, 10, 31); err == nil && p.subtype != portIfName && d.interfaces[uint32(n)] != nil {
				return uint32(n), true
			}
			for _, by := range []named{descr, name, alias} {
				if i, ok := by.pick(p.descr, base, number); ok {
					return i, true
				}
			}
		}
		if bridged {
			return base, true
		}
		return number, d.interfaces[number] != nil
	}
}

// lldpPort gives the key of a port by its lldpLocPortNum. A port that is no interface of the device, such as a management port that
// IF-MIB leaves out, is called as it calls itself.
func (r *report) lldpPort(number uint32, interfaces func(uint32) (uint32, bool)) (topology.Key, bool) {
	d := r.on
	if i, ok := interfaces(number); ok {
		return r.port(i)
	}
	for _, n := range []string{readIf, readIfX, readBasePort, readLLDPPort} {
		if !d.answers.complete(n) {
			return topology.Key{}, false
		}
	}
	name := "lldpLocPortNum " + strconv.FormatUint(uint64(number), 10)
	k, known := d.others[name]
	if !known {
		called := name
		if p := d.lldpPorts[number]; p.subtype == portIfName && cleanText(string(p.octets)) != "" {
			called = cleanText(string(p.octets))
		}
		k = d.claim(topology.Port, called, number)
		d.others[name] = k
	}
	r.part(k)
	return k, true
}

func stateLLDPLocal(d *device, r *report) {
	subtype, _ := r.scalar(lldpLocChassisIDSubtype).Int()
	octets, _ := r.scalar(lldpLocChassisID).Octets()
	if id := chassisID(subtype, octets); id != "" {
		r.attr(d.key, topology.AttrChassisID, topology.TextValue(id))
	}
	r.capabilities(d.key, lldpLocSysCapEnabled, r.scalar(lldpLocSysCapEnabled), snmprec.NewOID(0))
}

func stateLLDPPorts(d *device, r *report) {
	interfaces := d.lldpInterfaces()
	for row := range r.rows() {
		index := indexOf(row.Index)
		n := index.number()
		if !index.ok() {
			r.misindexed(row)
			continue
		}
		p := d.lldpPorts[n]
		k, ok := r.lldpPort(n, interfaces)
		if id := portID(p.subtype, p.octets); ok && id != "" {
			r.attr(k, topology.AttrLLDPPortID, topology.TextValue(id))
		}
	}
}

func stateLLDPAddresses(d *device, r *report) {
	for row := range r.rows() {
		index := indexOf(row.Index)
		if a, ok := managementAddress(index); ok {
			r.attr(d.key, topology.AttrMgmtAddress, topology.AddrValue(a))
		} else if index.failed {
			r.misindexed(row)
		}
	}
}

// managementAddress reads the last two parts of an index: AddressFamilyNumbers and the address with its length. Other families than IPv4
// and IPv6 (a MAC address, mostly) are read and are no addresses here.
func managementAddress(index *cursor) (netip.Addr, bool) {
	family, octets := index.number(), index.sized()
	if !index.ok() {
		index.failed = true
		return netip.Addr{}, false
	}
	if family != 1 && family != 2 {
		return netip.Addr{}, false
	}
	a, ok := inetAddress(family, octets)
	index.failed = !ok
	return a, ok && !a.IsUnspecified()
}

// lldpNeighbor is where a row of lldpRemTable is heard.
type lldpNeighbor struct{ timeMark, port, index uint32 }

// stateLLDPNeighbors states every neighbour that the device reports, whoever it may be and wherever it is heard.
func stateLLDPNeighbors(d *device, r *report) {
	interfaces := d.lldpInterfaces()
	for row := range r.rows() {
		at, ok := lldpNeighborIndex(row)
		if !ok {
			r.misindexed(row)
			continue
		}
		port, ok := r.lldpPort(at.port, interfaces)
		if !ok {
			continue
		}
		n, chassis, portName := lldpNeighborKey(port, at, row)
		r.relate(port, topology.HasNeighbor, n)
		r.attr(n, topology.AttrProtocol, topology.TextValue("lldp"))
		if chassis != "" {
			r.attr(n, topology.AttrNeighborChassis, topology.TextValue(chassis))
		}
		if portName != "" {
			r.attr(n, topology.AttrNeighborPort, topology.TextValue(portName))
		}
		r.text(n, topology.AttrNeighborPortDesc, row.Value(lldpRemPortDesc))
		r.text(n, topology.AttrSysName, row.Value(lldpRemSysName))
		r.text(n, topology.AttrSysDescr, row.Value(lldpRemSysDesc))
		r.capabilities(n, lldpRemSysCapEnabled, row.Value(lldpRemSysCapEnabled), row.Index)
	}
}

func lldpNeighborIndex(row Row) (lldpNeighbor, bool) {
	index := indexOf(row.Index)
	at := lldpNeighbor{index.number(), index.number(), index.number()}
	return at, index.ok()
}

// lldpNeighborKey names a neighbour by what it calls itself, or by its place in the table where it is silent.
func lldpNeighborKey(port topology.Key, at lldpNeighbor, row Row) (key topology.Key, chassis, portName string) {
	subtype, _ := row.Value(lldpRemChassisIDSubtype).Int()
	octets, _ := row.Value(lldpRemChassisID).Octets()
	chassis = chassisID(subtype, octets)
	subtype, _ = row.Value(lldpRemPortIDSubtype).Int()
	octets, _ = row.Value(lldpRemPortID).Octets()
	portName = portID(subtype, octets)
	last := portName
	if chassis == "" && portName == "" {
		last = "lldpRemIndex " + strconv.FormatUint(uint64(at.index), 10)
	}
	return topology.PartKey(topology.Neighbor, port, "lldp", chassis, last), chassis, portName
}

func stateLLDPNeighborAddresses(d *device, r *report) {
	interfaces := d.lldpInterfaces()
	neighbors := map[lldpNeighbor]Row{}
	for row := range d.answers[readLLDPRem].rows.All() {
		if at, ok := lldpNeighborIndex(row); ok {
			neighbors[at] = row
		}
	}
	for row := range r.rows() {
		index := indexOf(row.Index)
		at := lldpNeighbor{index.number(), index.number(), index.number()}
		a, ok := managementAddress(index)
		if index.failed {
			r.misindexed(row)
		}
		of, heard := neighbors[at]
		if !ok || !heard {
			continue
		}
		if port, ok := r.lldpPort(at.port, interfaces); ok {
			n, _, _ := lldpNeighborKey(port, at, of)
			r.attr(n, topology.AttrMgmtAddress, topology.AddrValue(a))
		}
	}
}

// lldpCapabilities gives the words of LldpSystemCapabilitiesMap (IEEE 802.1AB-2016 table 8-4). Bits that it does not define say that this
// is something else.
func lldpCapabilities(octets []byte) (words []string, ok bool) {
	all := []string{
		"other", "repeater", "bridge", "wlanAccessPoint", "router", "telephone", "docsisCableDevice", "stationOnly",
		"cVLANComponent", "sVLANComponent", "twoPortMACRelay",
	}
	for n := range setBits(octets, 0) {
		if n >= len(all) {
			return nil, false
		}
		words = append(words, all[n])
	}
	return words, true
}

func (r *report) capabilities(k topology.Key, column uint32, v snmprec.Value, index snmprec.OID) {
	octets, _ := v.Octets()
	words, ok := lldpCapabilities(octets)
	if !ok {
		r.misread(column, index, v, "no system capabilities")
	}
	for _, w := range words {
		r.attr(k, topology.AttrCapability, topology.TextValue(w))
	}
}
