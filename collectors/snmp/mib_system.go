package snmp

import (
	"encoding/hex"

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
)

func systemMIB() []subject {
	return []subject{
		{
			Read: Read{
				Name: readSystem, MIB: "SNMPv2-MIB (RFC 3418)", OID: mib2(1), Scalar: true,
				Objects: []Object{
					{sysDescr, "sysDescr"}, {sysObjectID, "sysObjectID"}, {sysName, "sysName"}, {sysLocation, "sysLocation"},
					{sysServices, "sysServices"},
				},
			},
			state: stateSystem,
		},
		{
			Read: Read{
				Name: "snmpEngine", MIB: "SNMP-FRAMEWORK-MIB (RFC 3411)", OID: snmprec.NewOID(1, 3, 6, 1, 6, 3, 10, 2, 1), Scalar: true,
				Objects: []Object{{snmpEngineID, "snmpEngineID"}},
			},
			state: stateEngine,
		},
	}
}

func stateSystem(d *device, r *report) {
	r.text(d.key, topology.AttrSysDescr, r.scalar(sysDescr))
	r.text(d.key, topology.AttrSysName, r.scalar(sysName))
	r.text(d.key, topology.AttrLocation, r.scalar(sysLocation))
	if oid, ok := r.scalar(sysObjectID).OID(); ok && oid != snmprec.NewOID(0, 0) {
		r.attr(d.key, topology.AttrSysObjectID, topology.TextValue(oid.String()))
	}
}

func stateEngine(d *device, r *report) {
	if octets, ok := r.scalar(snmpEngineID).Octets(); ok && len(octets) > 0 {
		r.attr(d.key, topology.AttrEngineID, topology.TextValue(hex.EncodeToString(octets)))
	}
}
