package snmp

import (
	"math"

	"github.com/throughline-dc/throughline/topology"
)

// ifTable and ifXTable (RFC 2863).
const (
	ifDescr       = 2
	ifType        = 3
	ifMtu         = 4
	ifSpeed       = 5
	ifPhysAddress = 6
	ifAdminStatus = 7
	ifOperStatus  = 8

	ifNumber = 1

	ifName      = 1
	ifHighSpeed = 15
	ifAlias     = 18

	ifStackStatus = 3

	typeLAG    = 161 // IANAifType ieee8023adLag
	maxIfIndex = math.MaxInt32
)

func adminStates() []string { return []string{"up", "down", "testing"} }

func operStates() []string {
	return []string{"up", "down", "testing", "unknown", "dormant", "notPresent", "lowerLayerDown"}
}

func ifTableRead() Read {
	return Read{
		Name: readIf, MIB: "IF-MIB (RFC 2863)", OID: mib2(2, 2, 1),
		Objects: []Object{
			{ifDescr, "ifDescr"},
			{ifType, "ifType"},
			{ifMtu, "ifMtu"},
			{ifSpeed, "ifSpeed"},
			{ifPhysAddress, "ifPhysAddress"},
			{ifAdminStatus, "ifAdminStatus"},
			{ifOperStatus, "ifOperStatus"},
		},
	}
}

func ifXTableRead() Read {
	return Read{
		Name: readIfX, MIB: "IF-MIB (RFC 2863)", OID: mib2(31, 1, 1, 1),
		Objects: []Object{{ifName, "ifName"}, {ifHighSpeed, "ifHighSpeed"}, {ifAlias, "ifAlias"}},
	}
}

func ifMIB() []subject {
	interfaces := Read{
		Name: "interfaces", MIB: "IF-MIB (RFC 2863)", OID: mib2(2), Scalar: true, Objects: []Object{{ifNumber, "ifNumber"}},
	}
	return []subject{
		{Read: interfaces, state: nothing},
		{
			Read: ifTableRead(), needs: naming(need{ifXTableRead(), []uint32{ifHighSpeed}}), state: stateIfTable,
			promised: func(as told) (int64, bool) { return as[interfaces.Name].scalars[mib2(2, ifNumber, 0)].Int() },
		},
		{Read: ifXTableRead(), needs: naming(), state: stateIfXTable},
		{
			Read: Read{
				Name: "ifStackTable", MIB: "IF-MIB (RFC 2863)", OID: mib2(31, 1, 2, 1), Objects: []Object{{ifStackStatus, "ifStackStatus"}},
				Indicators: []Indicator{{mib2(31, 1, 6, 0), "ifStackLastChange"}},
			},
			needs: naming(), state: stateIfStack,
		},
	}
}

func stateIfTable(d *device, r *report) {
	for row := range r.rows() {
		k, ok := r.interfaceRow(row)
		if !ok {
			continue
		}
		r.part(k)
		r.attr(k, topology.AttrIfIndex, topology.IntValue(row.Index.At(0)))
		r.text(k, topology.AttrIfDescr, row.Value(ifDescr))
		if t, ok := row.Value(ifType).Int(); ok {
			r.attr(k, topology.AttrIfType, topology.IntValue(t))
		}
		if mtu, ok := row.Value(ifMtu).Int(); ok && mtu > 0 {
			r.attr(k, topology.AttrMTU, topology.IntValue(mtu))
		}
		// 2^32-1 stands for "more", and ifHighSpeed says how much.
		mega, _ := d.answers[readIfX].rows.Value(ifHighSpeed, row.Index).Int()
		if speed, ok := row.Value(ifSpeed).Int(); ok && speed > 0 && speed < math.MaxUint32 && mega <= 0 {
			r.attr(k, topology.AttrSpeedBits, topology.IntValue(speed))
		}
		r.mac(k, topology.AttrMAC, ifPhysAddress, row)
		r.name(k, topology.AttrAdminState, ifAdminStatus, row, adminStates())
		r.name(k, topology.AttrState, ifOperStatus, row, operStates())
	}
}

func stateIfXTable(d *device, r *report) {
	const mega = 1_000_000
	for row := range r.rows() {
		k, ok := r.interfaceRow(row)
		if !ok {
			continue
		}
		if !d.interfaces[row.Index.At(0)].inIfTable {
			r.part(k)
			r.attr(k, topology.AttrIfIndex, topology.IntValue(row.Index.At(0)))
		}
		r.text(k, topology.AttrIfName, row.Value(ifName))
		r.text(k, topology.AttrIfAlias, row.Value(ifAlias))
		if speed, ok := row.Value(ifHighSpeed).Int(); ok && speed > 0 && speed <= math.MaxUint32 {
			r.attr(k, topology.AttrSpeedBits, topology.IntValue(speed*mega))
		}
	}
}

// interfaceRow gives the interface of a row whose index is one ifIndex.
func (r *report) interfaceRow(row Row) (topology.Key, bool) {
	index := indexOf(row.Index)
	n := index.number()
	if !index.ok() || n == 0 {
		r.misindexed(row)
		return topology.Key{}, false
	}
	return r.port(n)
}

// stateIfStack states which interface runs on top of which. A row that is not active is a layering that is configured and not in force: it
// is kept, with little confidence. Index 0 stands for "nothing above" and "nothing below".
func stateIfStack(_ *device, r *report) {
	const active, configured = 1, 20
	for row := range r.rows() {
		index := indexOf(row.Index)
		upper, lower := index.number(), index.number()
		if !index.ok() || upper == lower {
			r.misindexed(row)
			continue
		}
		if upper == 0 || lower == 0 {
			continue
		}
		above, ok := r.port(upper)
		below, ok2 := r.port(lower)
		if !ok || !ok2 {
			continue
		}
		f := topology.Relate(above, topology.SupportedBy, below)
		if status, _ := row.Value(ifStackStatus).Int(); status != active {
			f.Confidence = configured
		}
		r.state(f)
	}
}
