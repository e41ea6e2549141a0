package snmp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

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

func lldpPortRead() Read {
	return Read{
		Name: readLLDPPort, MIB: lldpV1.module(), OID: lldpObjects(3, 7, 1),
		Objects: []Object{
			{lldpLocPortIDSubtype, "lldpLocPortIdSubtype"}, {lldpLocPortID, "lldpLocPortId"}, {lldpLocPortDesc, "lldpLocPortDesc"},
		},
	}
}

// lldpNaming is what the ports of LLDP-MIB are found by.
func lldpNaming(more ...need) []need {
	return append(bridging(need{ifTableRead(), []uint32{ifPhysAddress}}, need{ifXTableRead(), []uint32{ifAlias}}), more...)
}

func lldpMIB() []subject {
	module := lldpV1.module()
	return []subject{
		lldpLocal(lldpV1),
		{Read: lldpPortRead(), needs: lldpNaming(), state: stateLLDPPorts},
		{
			Read: Read{
				Name: "lldpLocManAddrTable", MIB: module, OID: lldpObjects(3, 8, 1),
				Objects: []Object{{lldpLocManAddrIfID, "lldpLocManAddrIfId"}},
			},
			state: stateLLDPAddresses,
		},
		lldpRemotes(lldpV1), lldpRemoteAddresses(lldpV1), lldpLocal(lldpV2), lldpRemotes(lldpV2), lldpRemoteAddresses(lldpV2),
	}
}

// lldpVersion is one of the two MIBs of neighbours. They differ in how a row says where it is heard, and since that takes one object more in
// the second, the columns of its lldpV2RemTable are moved by one: the version is the number to add.
type lldpVersion uint32

const (
	lldpV1 lldpVersion = 0 // LLDP-MIB: the local port has a number of LLDP's own
	lldpV2 lldpVersion = 1 // LLDP-V2-MIB: it is an ifIndex, and the destination address of the agent follows
)

func (v lldpVersion) table() string {
	if v == lldpV2 {
		return "lldpV2RemTable"
	}
	return "lldpRemTable"
}

func (v lldpVersion) module() string {
	if v == lldpV2 {
		return "LLDP-V2-MIB (IEEE 802.1AB-2009)"
	}
	return "LLDP-MIB (IEEE 802.1AB-2005)"
}

func (v lldpVersion) objects(ids ...uint32) snmprec.OID {
	if v == lldpV2 {
		return snmprec.NewOID(1, 3, 111, 2, 802, 1, 1, 13, 1).Append(ids...)
	}
	return lldpObjects(ids...)
}

func (v lldpVersion) needs(more ...need) []need {
	if v == lldpV2 {
		return naming(more...)
	}
	return append(lldpNaming(need{read: lldpPortRead()}), more...)
}

func (v lldpVersion) remotes() Read {
	prefix := strings.TrimSuffix(v.table(), "Table")
	read := Read{
		Name: v.table(), MIB: v.module(), OID: v.objects(4, 1, 1),
		Objects: []Object{
			{lldpRemChassisIDSubtype, "ChassisIdSubtype"},
			{lldpRemChassisID, "ChassisId"},
			{lldpRemPortIDSubtype, "PortIdSubtype"},
			{lldpRemPortID, "PortId"},
			{lldpRemPortDesc, "PortDesc"},
			{lldpRemSysName, "SysName"},
			{lldpRemSysDesc, "SysDesc"},
			{lldpRemSysCapEnabled, "SysCapEnabled"},
		},
		Indicators: v.indicators(),
	}
	for i := range read.Objects {
		o := &read.Objects[i]
		o.ID, o.Name = o.ID+uint32(v), prefix+o.Name
	}
	return read
}

func lldpLocal(v lldpVersion) subject {
	name, prefix := readLLDPLocal, "lldpLoc"
	if v == lldpV2 {
		name, prefix = "lldpV2LocalSystemData", "lldpV2Loc"
	}
	return subject{
		Read: Read{
			Name: name, MIB: v.module(), OID: v.objects(3), Scalar: true,
			Objects: []Object{
				{lldpLocChassisIDSubtype, prefix + "ChassisIdSubtype"},
				{lldpLocChassisID, prefix + "ChassisId"},
				{lldpLocSysCapEnabled, prefix + "SysCapEnabled"},
			},
		},
		state: stateLLDPLocal,
	}
}

func lldpRemotes(v lldpVersion) subject {
	return subject{Read: v.remotes(), needs: v.needs(), state: func(d *device, r *report) { stateLLDPNeighbors(d, r, v) }}
}

func lldpRemoteAddresses(v lldpVersion) subject {
	prefix := strings.TrimSuffix(v.table(), "Table")
	return subject{
		Read: Read{
			Name: prefix + "ManAddrTable", MIB: v.module(), OID: v.objects(4, 2, 1),
			Objects: []Object{{lldpRemManAddrIfSubtype, prefix + "ManAddrIfSubtype"}}, Indicators: v.indicators(),
		},
		needs: v.needs(need{v.remotes(), v.identity()}),
		state: func(d *device, r *report) { stateLLDPNeighborAddresses(d, r, v) },
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
// on the port decides, as its subtype says, and the description after it. Else the number is a dot1dBasePort or an ifIndex.
type lldpInterfaces struct {
	on                      *device
	name, descr, alias, mac named
}

// named finds interfaces by what they are called; several may share a word.
type named map[string][]uint32

func (ns named) add(word string, ifIndex uint32) {
	if word != "" {
		ns[word] = append(ns[word], ifIndex)
	}
}

// pick gives the one interface of this name; of several the first that is preferred, if it is among them.
func (ns named) pick(word string, preferred ...uint32) (uint32, bool) {
	found := ns[word]
	if len(found) == 1 {
		return found[0], true
	}
	for _, n := range preferred {
		if slices.Contains(found, n) {
			return n, true
		}
	}
	return 0, false
}

func (d *device) lldpInterfaces() lldpInterfaces {
	x := lldpInterfaces{d, named{}, named{}, named{}, named{}}
	for n, i := range d.interfaces {
		if i.key.IsZero() {
			continue
		}
		x.name.add(i.name, n)
		x.descr.add(i.descr, n)
		x.alias.add(i.alias, n)
		if i.mac != 0 {
			x.mac.add(i.mac.String(), n)
		}
	}
	return x
}

func (x lldpInterfaces) find(number uint32) (ifIndex uint32, ok bool) {
	base, bridged := x.on.basePorts[number]
	if p, ok := x.on.lldpPorts[number]; ok {
		if i, ok := x.byID(p, base, number); ok {
			return i, true
		}
		for _, by := range []named{x.descr, x.name, x.alias} {
			if i, ok := by.pick(p.descr, base, number); ok {
				return i, true
			}
		}
	}
	if bridged {
		return base, true
	}
	return number, x.on.interfaces[number] != nil
}

// byID finds the interface that a port ID names. Agents are free with the subtypes, so one of text is looked for among all names.
func (x lldpInterfaces) byID(p lldpPort, preferred ...uint32) (uint32, bool) {
	id := cleanText(string(p.octets))
	tries := []named{x.name, x.descr, x.alias}
	switch p.subtype {
	case portIfAlias:
		tries = []named{x.alias, x.name, x.descr}
	case portMAC:
		tries = nil
	}
	for _, by := range tries {
		if i, ok := by.pick(id, preferred...); ok {
			return i, true
		}
	}
	if p.subtype == portIfName {
		return 0, false
	}
	if m, ok := macFrom(p.octets); ok {
		if i, ok := x.mac.pick(m.String(), preferred...); ok {
			return i, true
		}
	}
	n, err := strconv.ParseUint(id, 10, 31)
	return uint32(n), err == nil && x.on.interfaces[uint32(n)] != nil
}

// lldpPort gives the key of a port by its lldpLocPortNum. A port that is no interface of the device, such as a management port that
// IF-MIB leaves out, is called as it calls itself.
func (r *report) lldpPort(number uint32, interfaces lldpInterfaces) (topology.Key, bool) {
	d := r.on
	if slices.ContainsFunc(lldpV1.needs(), func(n need) bool { return !n.met(d.answers) }) {
		return topology.Key{}, false // what was not read might say that it is another port
	}
	if i, ok := interfaces.find(number); ok {
		return r.port(i)
	}
	name := "lldpLocPortNum " + strconv.FormatUint(uint64(number), 10)
	k, known := d.others[name]
	if !known {
		called := name
		p := d.lldpPorts[number]
		if own := cleanText(string(p.octets)); p.subtype == portIfName && own != "" && !d.taken[own] {
			called = own
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
	if id := chassisID(subtype, octets); id != "" && subtype != 0 {
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

// lldpPlace is where a row of lldpRemTable is heard; destination is 0 in the first MIB.
type lldpPlace struct{ timeMark, port, destination, index uint32 }

func (v lldpVersion) place(index *cursor) lldpPlace {
	at := lldpPlace{timeMark: index.number(), port: index.number()}
	if v == lldpV2 {
		at.destination = index.number()
	}
	at.index = index.number()
	return at
}

// ports gives the function that finds the key of the port of a row.
func (v lldpVersion) ports(r *report) func(uint32) (topology.Key, bool) {
	if v == lldpV2 {
		return r.port
	}
	interfaces := r.on.lldpInterfaces()
	return func(number uint32) (topology.Key, bool) { return r.lldpPort(number, interfaces) }
}

// stateLLDPNeighbors states every neighbour that the device reports, whoever it may be and wherever it is heard.
func stateLLDPNeighbors(_ *device, r *report, v lldpVersion) {
	ports, moved := v.ports(r), uint32(v)
	for row := range r.rows() {
		index := indexOf(row.Index)
		at := v.place(index)
		if !index.ok() {
			r.misindexed(row)
			continue
		}
		port, ok := ports(at.port)
		if !ok || r.unread(row, v.identity()...) {
			continue
		}
		n, chassis, portName := v.neighbor(port, at, row)
		r.relate(port, topology.HasNeighbor, n)
		r.attr(n, topology.AttrProtocol, topology.TextValue("lldp"))
		if chassis != "" {
			r.attr(n, topology.AttrNeighborChassis, topology.TextValue(chassis))
		}
		if portName != "" {
			r.attr(n, topology.AttrNeighborPort, topology.TextValue(portName))
		}
		r.text(n, topology.AttrNeighborPortDesc, row.Value(lldpRemPortDesc+moved))
		r.text(n, topology.AttrSysName, row.Value(lldpRemSysName+moved))
		r.text(n, topology.AttrSysDescr, row.Value(lldpRemSysDesc+moved))
		r.capabilities(n, lldpRemSysCapEnabled+moved, row.Value(lldpRemSysCapEnabled+moved), row.Index)
	}
}

// identity lists the columns that a neighbour is named by.
func (v lldpVersion) identity() []uint32 {
	moved := uint32(v)
	return []uint32{lldpRemChassisIDSubtype + moved, lldpRemChassisID + moved, lldpRemPortIDSubtype + moved, lldpRemPortID + moved}
}

// neighbor names a neighbour by what it calls itself, or by its place in the table where it is silent.
func (v lldpVersion) neighbor(port topology.Key, at lldpPlace, row Row) (key topology.Key, chassis, portName string) {
	moved := uint32(v)
	subtype, _ := row.Value(lldpRemChassisIDSubtype + moved).Int()
	octets, _ := row.Value(lldpRemChassisID + moved).Octets()
	chassis = chassisID(subtype, octets)
	subtype, _ = row.Value(lldpRemPortIDSubtype + moved).Int()
	octets, _ = row.Value(lldpRemPortID + moved).Octets()
	portName = portID(subtype, octets)
	last := portName
	if chassis == "" && portName == "" {
		last = "lldpRemIndex " + strconv.FormatUint(uint64(at.index), 10)
	}
	return topology.PartKey(topology.Neighbor, port, "lldp", chassis, last), chassis, portName
}

func stateLLDPNeighborAddresses(d *device, r *report, v lldpVersion) {
	ports := v.ports(r)
	neighbors := map[lldpPlace]Row{}
	for row := range d.answers[v.table()].rows.All() {
		index := indexOf(row.Index)
		if at := v.place(index); index.ok() {
			neighbors[at] = row
		}
	}
	for row := range r.rows() {
		index := indexOf(row.Index)
		at := v.place(index)
		a, ok := managementAddress(index)
		if index.failed {
			r.misindexed(row)
		}
		of, heard := neighbors[at]
		if !ok || !heard || d.answers[v.table()].unread(v.remotes(), of, v.identity()...) {
			continue
		}
		if port, ok := ports(at.port); ok {
			n, _, _ := v.neighbor(port, at, of)
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
