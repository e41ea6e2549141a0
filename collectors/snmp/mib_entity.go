package snmp

import (
	"cmp"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// ENTITY-MIB (RFC 6933).
const (
	entPhysicalDescr       = 2
	entPhysicalContainedIn = 4
	entPhysicalClass       = 5
	entPhysicalName        = 7
	entPhysicalSoftwareRev = 10
	entPhysicalSerialNum   = 11
	entPhysicalMfgName     = 12
	entPhysicalModelName   = 13
)

func entityMIB() []subject {
	return []subject{{
		Read: Read{
			Name: "entPhysicalTable", MIB: "ENTITY-MIB (RFC 6933)", OID: mib2(47, 1, 1, 1, 1),
			Objects: []Object{
				{entPhysicalDescr, "entPhysicalDescr"},
				{entPhysicalContainedIn, "entPhysicalContainedIn"},
				{entPhysicalClass, "entPhysicalClass"},
				{entPhysicalName, "entPhysicalName"},
				{entPhysicalSoftwareRev, "entPhysicalSoftwareRev"},
				{entPhysicalSerialNum, "entPhysicalSerialNum"},
				{entPhysicalMfgName, "entPhysicalMfgName"},
				{entPhysicalModelName, "entPhysicalModelName"},
			},
			Indicators: []Indicator{{mib2(47, 1, 4, 1, 0), "entLastChangeTime"}},
		},
		state: stateEntities,
	}}
}

// stateEntities states the hardware parts that have a model or a serial number, and what the device itself is: its chassis, the outermost
// one with the least index where there are several (the members of a stack).
func stateEntities(d *device, r *report) {
	const classChassis = 3
	classes := []string{
		"other", "unknown", "chassis", "backplane", "container", "powerSupply", "fan", "sensor", "module", "port", "stack", "cpu",
		"energyObject", "battery", "storageDrive",
	}
	var chassis []Row
	for row := range r.rows() {
		if index := indexOf(row.Index); index.number() == 0 || !index.ok() {
			r.misindexed(row)
			continue
		}
		class, _ := row.Value(entPhysicalClass).Int()
		if class == classChassis {
			chassis = append(chassis, row)
		}
		model, serial := textOf(row.Value(entPhysicalModelName)), textOf(row.Value(entPhysicalSerialNum))
		if model == "" && serial == "" || r.unread(row, entPhysicalClass, entPhysicalName, entPhysicalDescr, entPhysicalModelName, entPhysicalSerialNum) {
			continue
		}
		word := "unknown"
		if class >= 1 && class <= int64(len(classes)) {
			word = classes[class-1]
		}
		name := cmp.Or(textOf(row.Value(entPhysicalName)), textOf(row.Value(entPhysicalDescr)))
		parts := slices.DeleteFunc([]string{word, name, model, serial}, func(s string) bool { return s == "" })
		r.attr(d.key, topology.AttrComponent, topology.TextValue(strings.Join(parts, " ")))
	}
	if len(chassis) == 0 || !r.answer.result.Complete {
		return
	}
	// Rows come in the order of their indexes, and a stable sort keeps it.
	slices.SortStableFunc(chassis, func(a, b Row) int {
		x, _ := a.Value(entPhysicalContainedIn).Int()
		y, _ := b.Value(entPhysicalContainedIn).Int()
		return cmp.Compare(x, y)
	})
	r.text(d.key, topology.AttrSerial, chassis[0].Value(entPhysicalSerialNum))
	r.text(d.key, topology.AttrModel, chassis[0].Value(entPhysicalModelName))
	r.text(d.key, topology.AttrVendor, chassis[0].Value(entPhysicalMfgName))
	r.text(d.key, topology.AttrVersion, chassis[0].Value(entPhysicalSoftwareRev))
}
