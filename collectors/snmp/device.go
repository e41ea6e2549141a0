package snmp

import (
	"hash/maphash"
	"maps"
	"slices"
	"strconv"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// device is what one device said, and what its parts are called. It is made of the answers alone, so that a recording and the live
// agent give the same observations.
type device struct {
	inventory collectors.Device
	answers   told
	key       topology.Key
	seed      maphash.Seed

	interfaces map[uint32]*networkInterface // by ifIndex
	taken      map[string]bool              // names of interfaces that are given away
	others     map[string]topology.Key      // ports that are no interfaces, by the number that others know them by
	basePorts  map[uint32]uint32            // dot1dBasePort to ifIndex
	lldpPorts  map[uint32]lldpPort          // by lldpLocPortNum
}

// networkInterface is a row of ifTable and ifXTable, as far as others refer to it.
type networkInterface struct {
	key                topology.Key
	name, descr, alias string
	mac                topology.MAC
	ifType             int64 // 0: not said
	inIfTable          bool
}

func newDevice(inventory collectors.Device, as told) *device {
	d := &device{inventory: inventory, answers: as, seed: maphash.MakeSeed(), taken: map[string]bool{}, others: map[string]topology.Key{}}
	d.key = topology.DeviceKey(d.kind(), inventory.Handle)
	d.interfaces = d.nameInterfaces()
	d.basePorts = map[uint32]uint32{}
	for _, c := range as[readBasePort].rows.Column(dot1dBasePortIfIndex) {
		port := indexOf(c.Index)
		n := port.number()
		if i, ok := c.Value.Uint(); ok && port.ok() && i > 0 && i <= maxIfIndex {
			d.basePorts[n] = uint32(i)
		}
	}
	d.lldpPorts = readLLDPPorts(as[readLLDPPort].rows)
	return d
}

// observations turns everything that was asked into observations, in the order of the reads.
func (d *device) observations() ([]topology.Observation, []collectors.Unparsed) {
	var observations []topology.Observation
	var unparsed []collectors.Unparsed
	for _, s := range subjects() {
		if _, asked := d.answers[s.Name]; !asked {
			continue
		}
		r := newReport(d, s)
		s.state(d, r)
		observations = append(observations, r.observation())
		unparsed = append(unparsed, r.odd...)
	}
	return observations, unparsed
}

// kind is what the operator says, else what the device looks like: a bridge with ports is a Switch; what offers services of the
// transport and application layers and neither bridges nor routes is a Host, and so is what does not say its services but has
// the MIB of hosts; what routes and does not bridge is a Router; anything else is a Switch. Where an answer is missing nothing but Switch is
// claimed, since reconcile keeps the more telling kind.
func (d *device) kind() topology.Kind {
	const bridges, routes, hosts = 1 << 1, 1 << 2, 1<<3 | 1<<6 // layers of sysServices (RFC 3418), layer n is bit n-1
	if d.inventory.Kind != 0 {
		return d.inventory.Kind
	}
	for _, name := range []string{readSystem, readHost, readBase, readBasePort, readLLDPLocal} {
		if !d.answers.complete(name) {
			return topology.Switch
		}
	}
	ports, _ := d.scalar(readBase, mib2(17, 1, dot1dBaseNumPorts, 0)).Int()
	services, said := d.scalar(readSystem, mib2(1, sysServices, 0)).Int()
	hostMIB := d.scalar(readHost, mib2(25, 1, hrSystemUptime, 0)).Present()
	enabled, _ := d.scalar(readLLDPLocal, lldpObjects(3, lldpLocSysCapEnabled, 0)).Octets()
	capabilities, _ := lldpCapabilities(enabled)
	has := func(word string) bool { return slices.Contains(capabilities, word) }
	switch {
	case ports > 0, d.answers[readBasePort].rows.Len() > 0:
		return topology.Switch
	case services&hosts != 0 && services&(bridges|routes) == 0, !said && hostMIB:
		return topology.Host
	case has("router") && !has("bridge"), len(capabilities) == 0 && services&routes != 0 && services&bridges == 0:
		return topology.Router
	}
	return topology.Switch
}

func (d *device) scalar(read string, oid snmprec.OID) snmprec.Value {
	return d.answers[read].scalars[oid]
}

// nameInterfaces gives every row of ifTable and ifXTable its key. The name is ifName, else ifDescr, else the index; the second interface of
// a name gets its index in addition. A row whose name might be in a part that was not read stays without: another name for
// it would look like another interface.
func (d *device) nameInterfaces() map[uint32]*networkInterface {
	found := d.listInterfaces()
	ifs, ifx := d.answers[readIf].result, d.answers[readIfX].result
	typed := ifs.ColumnComplete(ifTableRead().Table(), ifType)
	described := ifs.ColumnComplete(ifTableRead().Table(), ifDescr)
	called := ifx.ColumnComplete(ifXTableRead().Table(), ifName)
	for _, n := range slices.Sorted(maps.Keys(found)) {
		i := found[n]
		kind := topology.Port
		if i.ifType == typeLAG {
			kind = topology.LAG
		}
		switch {
		case i.ifType == 0 && !typed:
		case i.name != "":
			i.key = d.claim(kind, i.name, n)
		case !called:
		case i.descr != "":
			i.key = d.claim(kind, i.descr, n)
		case described:
			i.key = d.claim(kind, unnamed(n), n)
		}
	}
	return found
}

// listInterfaces joins the rows of the two tables by their ifIndex; a row with another index is left to the report of its table.
func (d *device) listInterfaces() map[uint32]*networkInterface {
	found := map[uint32]*networkInterface{}
	at := func(row Row) *networkInterface {
		index := indexOf(row.Index)
		n := index.number()
		if !index.ok() || n == 0 {
			return &networkInterface{}
		}
		if found[n] == nil {
			found[n] = &networkInterface{}
		}
		return found[n]
	}
	for row := range d.answers[readIf].rows.All() {
		i := at(row)
		i.inIfTable = true
		i.descr = textOf(row.Value(ifDescr))
		i.mac, _ = macOf(row.Value(ifPhysAddress))
		i.ifType, _ = row.Value(ifType).Int()
	}
	for row := range d.answers[readIfX].rows.All() {
		i := at(row)
		i.name, i.alias = textOf(row.Value(ifName)), textOf(row.Value(ifAlias))
	}
	return found
}

func unnamed(ifIndex uint32) string { return "ifIndex " + strconv.FormatUint(uint64(ifIndex), 10) }

// claim gives a name to an interface, with its number appended as often as it takes to be the only one.
func (d *device) claim(kind topology.Kind, name string, number uint32) topology.Key {
	for d.taken[name] {
		name += " #" + strconv.FormatUint(uint64(number), 10)
	}
	d.taken[name] = true
	return topology.PartKey(kind, d.key, name)
}

// port gives the key of an interface by its ifIndex. One that is in neither ifTable nor ifXTable gets a key of its own, stated here; one
// whose name is not known because something was not read has none.
func (r *report) port(ifIndex uint32) (topology.Key, bool) {
	d := r.on
	if ifIndex == 0 {
		return topology.Key{}, false
	}
	i := d.interfaces[ifIndex]
	if i == nil {
		if slices.ContainsFunc(naming(), func(n need) bool { return !n.met(d.answers) }) {
			return topology.Key{}, false
		}
		i = &networkInterface{key: d.claim(topology.Port, unnamed(ifIndex), ifIndex)}
		d.interfaces[ifIndex] = i
	}
	if i.key.IsZero() {
		return topology.Key{}, false
	}
	if i.name == "" && i.descr == "" {
		r.part(i.key)
		r.attr(i.key, topology.AttrIfIndex, topology.IntValue(ifIndex))
	}
	return i.key, true
}

// bridgePort gives the key of an interface by its dot1dBasePort. A port without a row in dot1dBasePortTable gets a key of its own, too.
func (r *report) bridgePort(port uint32) (topology.Key, bool) {
	if i, ok := r.on.basePorts[port]; ok {
		return r.port(i)
	}
	if port == 0 || !r.on.answers.complete(readBasePort) {
		return topology.Key{}, false
	}
	name := "basePort " + strconv.FormatUint(uint64(port), 10)
	k, known := r.on.others[name]
	if !known {
		k = r.on.claim(topology.Port, name, port)
		r.on.others[name] = k
	}
	r.part(k)
	r.attr(k, topology.AttrBasePort, topology.IntValue(port))
	return k, true
}
