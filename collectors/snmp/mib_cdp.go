package snmp

import (
	"net/netip"
	"strconv"

	"github.com/throughline-dc/throughline/topology"
)

// CISCO-CDP-MIB.
const (
	cdpCacheAddressType                = 3
	cdpCacheAddress                    = 4
	cdpCacheVersion                    = 5
	cdpCacheDeviceID                   = 6
	cdpCacheDevicePort                 = 7
	cdpCachePlatform                   = 8
	cdpCacheCapabilities               = 9
	cdpCacheSysName                    = 17
	cdpCachePrimaryMgmtAddrType        = 19
	cdpCachePrimaryMgmtAddr            = 20
	cdpIPv4, cdpIPv6            uint32 = 1, 20 // CiscoNetworkProtocol
)

func cdpMIB() []subject {
	return []subject{{
		Read: Read{
			Name: "cdpCacheTable", MIB: "CISCO-CDP-MIB", OID: ciscoMgmt(23, 1, 2, 1, 1),
			Objects: []Object{
				{cdpCacheAddressType, "cdpCacheAddressType"},
				{cdpCacheAddress, "cdpCacheAddress"},
				{cdpCacheVersion, "cdpCacheVersion"},
				{cdpCacheDeviceID, "cdpCacheDeviceId"},
				{cdpCacheDevicePort, "cdpCacheDevicePort"},
				{cdpCachePlatform, "cdpCachePlatform"},
				{cdpCacheCapabilities, "cdpCacheCapabilities"},
				{cdpCacheSysName, "cdpCacheSysName"},
				{cdpCachePrimaryMgmtAddrType, "cdpCachePrimaryMgmtAddrType"},
				{cdpCachePrimaryMgmtAddr, "cdpCachePrimaryMgmtAddr"},
			},
			Indicators: []Indicator{{ciscoMgmt(23, 1, 3, 5, 0), "cdpGlobalLastChange"}},
		},
		needs: naming(), state: stateCDP,
	}}
}

// stateCDP states every neighbour. CDP knows one form of device ID and names ports as ifDescr does.
func stateCDP(_ *device, r *report) {
	for row := range r.rows() {
		index := indexOf(row.Index)
		ifIndex, device := index.number(), index.number()
		if !index.ok() || ifIndex == 0 {
			r.misindexed(row)
			continue
		}
		port, ok := r.port(ifIndex)
		if !ok || r.unread(row, cdpCacheDeviceID, cdpCacheDevicePort) {
			continue
		}
		id, _ := row.Value(cdpCacheDeviceID).Octets()
		portOctets, _ := row.Value(cdpCacheDevicePort).Octets()
		chassis, remote := lldpID("deviceID", id), lldpID("ifName", portOctets)
		last := remote
		if chassis == "" && remote == "" {
			last = "cdpCacheDeviceIndex " + strconv.FormatUint(uint64(device), 10)
		}
		n := topology.PartKey(topology.Neighbor, port, "cdp", chassis, last)
		r.relate(port, topology.HasNeighbor, n)
		r.attr(n, topology.AttrProtocol, topology.TextValue("cdp"))
		if chassis != "" {
			r.attr(n, topology.AttrNeighborChassis, topology.TextValue(chassis))
			r.text(n, topology.AttrName, row.Value(cdpCacheDeviceID))
		}
		if remote != "" {
			r.attr(n, topology.AttrNeighborPort, topology.TextValue(remote))
		}
		r.text(n, topology.AttrSysName, row.Value(cdpCacheSysName))
		r.text(n, topology.AttrPlatform, row.Value(cdpCachePlatform))
		r.text(n, topology.AttrVersion, row.Value(cdpCacheVersion))
		r.cdpCapabilities(n, row)
		r.cdpAddress(n, row, cdpCacheAddressType, cdpCacheAddress)
		r.cdpAddress(n, row, cdpCachePrimaryMgmtAddrType, cdpCachePrimaryMgmtAddr)
	}
}

func (r *report) cdpAddress(n topology.Key, row Row, typeColumn, column uint32) {
	v := row.Value(column)
	octets, _ := v.Octets()
	if len(octets) == 0 {
		return
	}
	kind, _ := row.Value(typeColumn).Uint()
	a, ok := cdpAddress(uint32(min(kind, maxIfIndex)), octets)
	switch {
	case !ok:
		r.misread(column, row.Index, v, "no address of its type")
	case a.IsValid() && !a.IsUnspecified():
		r.attr(n, topology.AttrMgmtAddress, topology.AddrValue(a))
	}
}

// cdpAddress makes an address of a CiscoNetworkAddress. Other protocols than IP are no addresses here; they are no fault either.
func cdpAddress(protocol uint32, octets []byte) (netip.Addr, bool) {
	if protocol != cdpIPv4 && protocol != cdpIPv6 {
		return netip.Addr{}, true
	}
	a, ok := netip.AddrFromSlice(octets)
	return a.Unmap(), ok && (len(octets) == 4) == (protocol == cdpIPv4)
}

// cdpCapabilities states the words of the capabilities TLV: four octets, the least significant bit first.
func (r *report) cdpCapabilities(n topology.Key, row Row) {
	words := []string{
		"router", "bridge", "sourceRouteBridge", "switch", "host", "igmp", "repeater", "telephone", "remotelyManaged", "cvta",
		"twoPortMACRelay",
	}
	v := row.Value(cdpCacheCapabilities)
	octets, _ := v.Octets()
	if len(octets) == 0 {
		return
	}
	bits := uint64(0)
	for _, o := range octets[:min(len(octets), 8)] {
		bits = bits<<8 | uint64(o)
	}
	if len(octets) > 4 || bits>>len(words) != 0 {
		r.misread(cdpCacheCapabilities, row.Index, v, "no capabilities of CDP")
		return
	}
	for i, w := range words {
		if bits>>i&1 == 1 {
			r.attr(n, topology.AttrCapability, topology.TextValue(w))
		}
	}
}
