package snmp

import (
	"encoding/hex"
	"net/netip"

	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// The system group (RFC 3418) and the engine's identifier (RFC 3411).
const (
	sysDescr    = 1
	sysObjectID = 2
	sysName     = 5
	sysLocation = 6
	sysServices = 7

	snmpEngineID = 1

	hrSystemUptime = 1
)

func systemMIB() []subject {
	return []subject{
		{
			Read: Read{
				Name: readSystem, MIB: "SNMPv2-MIB (RFC 3418)", OID: mib2(1), Scalar: true,
				Objects: []Object{
					{sysDescr, "sysDescr"},
					{sysObjectID, "sysObjectID"},
					{sysName, "sysName"},
					{sysLocation, "sysLocation"},
					{sysServices, "sysServices"},
				},
			},
			state: stateSystem,
		},
		{
			Read: Read{
				Name: readEngine, MIB: "SNMP-FRAMEWORK-MIB (RFC 3411)", OID: snmprec.NewOID(1, 3, 6, 1, 6, 3, 10, 2, 1), Scalar: true,
				Objects: []Object{{snmpEngineID, "snmpEngineID"}},
			},
			state: stateEngine,
		},
		{
			Read: Read{
				Name: readHost, MIB: "HOST-RESOURCES-MIB (RFC 2790)", OID: mib2(25, 1), Scalar: true,
				Objects: []Object{{hrSystemUptime, "hrSystemUptime"}},
			},
			state: nothing, // that it is there tells a host
		},
	}
}

func stateSystem(d *device, r *report) {
	r.text(d.key, topology.AttrSysDescr, r.scalar(sysDescr))
	r.text(d.key, topology.AttrSysName, r.scalar(sysName))
	r.text(d.key, topology.AttrLocation, r.scalar(sysLocation))
	if a, ok := answeringAddress(d.inventory.Address); ok && len(r.facts) > 0 {
		r.attr(d.key, topology.AttrMgmtAddress, topology.AddrValue(a))
	}
	if oid, ok := r.scalar(sysObjectID).OID(); ok && oid != snmprec.NewOID(0, 0) {
		r.attr(d.key, topology.AttrSysObjectID, topology.TextValue(oid.String()))
	}
}

// answeringAddress is the address that the inventory has for the agent, if it is one and means the device to others, too.
func answeringAddress(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		a = withPort.Addr()
	}
	return a.Unmap().WithZone(""), !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsUnspecified()
}

func stateEngine(d *device, r *report) {
	if octets, ok := r.scalar(snmpEngineID).Octets(); ok && len(octets) > 0 {
		r.attr(d.key, topology.AttrEngineID, topology.TextValue(hex.EncodeToString(octets)))
	}
}
