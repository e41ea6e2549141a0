package snmp

import (
	"maps"
	"slices"

	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// Q-BRIDGE-MIB (RFC 4363).
const (
	dot1qVlanFdbID                = 3
	dot1qVlanCurrentEgressPorts   = 4
	dot1qVlanCurrentUntaggedPorts = 5

	dot1qVlanStaticName          = 1
	dot1qVlanStaticEgressPorts   = 2
	dot1qVlanStaticUntaggedPorts = 4
	dot1qVlanStaticRowStatus     = 5

	dot1qPvid = 1
)

const bridgeVLANModule = "Q-BRIDGE-MIB (RFC 4363)"

func currentRead() Read {
	return Read{
		Name: readCurrent, MIB: bridgeVLANModule, OID: mib2(17, 7, 1, 4, 2, 1),
		Objects: []Object{
			{dot1qVlanFdbID, "dot1qVlanFdbId"},
			{dot1qVlanCurrentEgressPorts, "dot1qVlanCurrentEgressPorts"},
			{dot1qVlanCurrentUntaggedPorts, "dot1qVlanCurrentUntaggedPorts"},
		},
	}
}

func staticRead() Read {
	return Read{
		Name: readStatic, MIB: bridgeVLANModule, OID: mib2(17, 7, 1, 4, 3, 1),
		Objects: []Object{
			{dot1qVlanStaticName, "dot1qVlanStaticName"},
			{dot1qVlanStaticEgressPorts, "dot1qVlanStaticEgressPorts"},
			{dot1qVlanStaticUntaggedPorts, "dot1qVlanStaticUntaggedPorts"},
			{dot1qVlanStaticRowStatus, "dot1qVlanStaticRowStatus"},
		},
	}
}

func vlanMIB() []subject {
	return []subject{
		{Read: currentRead(), needs: bridging(), state: stateCurrentVLANs},
		{
			Read: staticRead(), needs: bridging(need{currentRead(), []uint32{dot1qVlanCurrentEgressPorts}}), state: stateStaticVLANs,
		},
		{
			Read: Read{
				Name: "dot1qPortVlanTable", MIB: bridgeVLANModule, OID: mib2(17, 7, 1, 4, 5, 1), Objects: []Object{{dot1qPvid, "dot1qPvid"}},
			},
			needs: bridging(), state: statePVIDs,
		},
	}
}

// vidOf accepts the VLANs of IEEE 802.1Q; a VlanIndex above them is of local significance (RFC 4363) and no VLAN on any wire.
func vidOf(n uint32) (topology.VID, bool) {
	const highest = 4094
	if n < 1 || n > highest {
		return 0, false
	}
	return topology.VID(n), true
}

// currentVID reads the index of dot1qVlanCurrentTable: dot1qVlanTimeMark, dot1qVlanIndex.
func currentVID(row Row) (topology.VID, bool) {
	index := indexOf(row.Index)
	index.number()
	vid, ok := vidOf(index.number())
	return vid, ok && index.ok()
}

// staticVID reads the index of dot1qVlanStaticTable: dot1qVlanIndex.
func staticVID(row Row) (topology.VID, bool) {
	index := indexOf(row.Index)
	vid, ok := vidOf(index.number())
	return vid, ok && index.ok()
}

// vlan states that the bridge has a VLAN.
func (r *report) vlan(vid topology.VID) topology.Key {
	k := vlanKey(r.on, vid)
	r.part(k)
	r.attr(k, topology.AttrVID, topology.IntValue(vid))
	return k
}

// membership is which ports are in which VLANs: per port of the bridge the VLANs that leave it, and those of them without a tag.
type membership struct {
	egress, untagged map[uint32][]topology.VID
	said             bool
}

func newMembership() membership {
	return membership{egress: map[uint32][]topology.VID{}, untagged: map[uint32][]topology.VID{}}
}

// add reads the two PortLists of a VLAN. A port that is only in the untagged list is no member.
func (m *membership) add(vid topology.VID, egress, untagged snmprec.Value) {
	out, ok := egress.Octets()
	if !ok {
		return
	}
	m.said = true
	bare, _ := untagged.Octets()
	plain := map[int]bool{}
	for port := range setBits(bare, 1) {
		plain[port] = true
	}
	for port := range setBits(out, 1) {
		m.egress[uint32(port)] = append(m.egress[uint32(port)], vid)
		if plain[port] {
			m.untagged[uint32(port)] = append(m.untagged[uint32(port)], vid)
		}
	}
}

// membership states the VLANs of every port: also that there are none, for the ports of the bridge that no list names. Nothing is said
// from an incomplete table, since the set of a port would lack what was not read.
func (r *report) membership(m membership) {
	if !r.answer.result.Complete || !m.said {
		return
	}
	ports := maps.Clone(m.egress)
	for n := range r.on.basePorts {
		ports[n] = nil
	}
	for _, n := range slices.Sorted(maps.Keys(ports)) {
		k, ok := r.bridgePort(n)
		if !ok {
			continue
		}
		untagged := topology.VIDs(m.untagged[n]...)
		r.attr(k, topology.AttrTagged, topology.VIDsValue(topology.VIDs(m.egress[n]...).Minus(untagged)))
		r.attr(k, topology.AttrUntagged, topology.VIDsValue(untagged))
	}
}

// currentVLANs gives the rows of dot1qVlanCurrentTable. Of a VLAN that is there with several time marks the last counts: that is its newest
// state.
func (d *device) currentVLANs() map[topology.VID]Row {
	newest := map[topology.VID]Row{}
	for row := range d.answers[readCurrent].rows.All() {
		if vid, ok := currentVID(row); ok {
			newest[vid] = row
		}
	}
	return newest
}

func (d *device) currentMembership() membership {
	m := newMembership()
	for vid, row := range d.currentVLANs() {
		m.add(vid, row.Value(dot1qVlanCurrentEgressPorts), row.Value(dot1qVlanCurrentUntaggedPorts))
	}
	return m
}

func stateCurrentVLANs(d *device, r *report) {
	for row := range r.rows() {
		index := indexOf(row.Index)
		index.number()
		n := index.number()
		if !index.ok() {
			r.misindexed(row)
			continue
		}
		if vid, ok := vidOf(n); ok {
			r.vlan(vid)
		}
	}
	r.membership(d.currentMembership())
}

// stateStaticVLANs states the configured VLANs and their names. Who is a member is said by the current table where there is one: it has
// what is configured and what was learned.
func stateStaticVLANs(d *device, r *report) {
	const active, notInService, notReady = 1, 2, 3
	m := newMembership()
	for row := range r.rows() {
		index := indexOf(row.Index)
		n := index.number()
		if !index.ok() {
			r.misindexed(row)
			continue
		}
		vid, ok := vidOf(n)
		if !ok {
			continue
		}
		k := r.vlan(vid)
		r.text(k, topology.AttrName, row.Value(dot1qVlanStaticName))
		switch status, _ := row.Value(dot1qVlanStaticRowStatus).Int(); status {
		case active:
			r.attr(k, topology.AttrState, topology.TextValue("active"))
		case notInService, notReady:
			r.attr(k, topology.AttrState, topology.TextValue("inactive"))
		}
		m.add(vid, row.Value(dot1qVlanStaticEgressPorts), row.Value(dot1qVlanStaticUntaggedPorts))
	}
	if !d.currentMembership().said && r.complete() {
		r.membership(m)
	}
}

func statePVIDs(_ *device, r *report) {
	for row := range r.rows() {
		index := indexOf(row.Index)
		n := index.number()
		if !index.ok() || n == 0 {
			r.misindexed(row)
			continue
		}
		v := row.Value(dot1qPvid)
		pvid, ok := v.Uint()
		if !ok || pvid > maxIfIndex {
			r.misread(dot1qPvid, row.Index, v, "no VLAN")
			continue
		}
		vid, ok := vidOf(uint32(pvid))
		if !ok {
			continue
		}
		if k, ok := r.bridgePort(n); ok {
			r.attr(k, topology.AttrPVID, topology.IntValue(vid))
		}
	}
}

// CISCO-VTP-MIB and CISCO-VLAN-MEMBERSHIP-MIB: what Cisco's switches have in place of Q-BRIDGE-MIB.
const (
	vtpVlanState = 2
	vtpVlanType  = 3
	vtpVlanName  = 4

	vlanTrunkPortVlansEnabled   = 4
	vlanTrunkPortNativeVlan     = 5
	vlanTrunkPortDynamicStatus  = 14
	vlanTrunkPortVlansEnabled2k = 17
	vlanTrunkPortVlansEnabled3k = 18
	vlanTrunkPortVlansEnabled4k = 19

	vmVlan = 2
)

func vtpRead() Read {
	return Read{
		Name: readVTP, MIB: "CISCO-VTP-MIB", OID: ciscoMgmt(46, 1, 3, 1, 1),
		Objects: []Object{{vtpVlanState, "vtpVlanState"}, {vtpVlanType, "vtpVlanType"}, {vtpVlanName, "vtpVlanName"}},
	}
}

func trunkRead() Read {
	return Read{
		Name: readTrunk, MIB: "CISCO-VTP-MIB", OID: ciscoMgmt(46, 1, 6, 1, 1),
		Objects: []Object{
			{vlanTrunkPortVlansEnabled, "vlanTrunkPortVlansEnabled"},
			{vlanTrunkPortNativeVlan, "vlanTrunkPortNativeVlan"},
			{vlanTrunkPortDynamicStatus, "vlanTrunkPortDynamicStatus"},
			{vlanTrunkPortVlansEnabled2k, "vlanTrunkPortVlansEnabled2k"},
			{vlanTrunkPortVlansEnabled3k, "vlanTrunkPortVlansEnabled3k"},
			{vlanTrunkPortVlansEnabled4k, "vlanTrunkPortVlansEnabled4k"},
		},
	}
}

func ciscoVLANMIB() []subject {
	return []subject{
		{Read: vtpRead(), state: stateVTP},
		{Read: trunkRead(), needs: naming(need{vtpRead(), []uint32{vtpVlanState, vtpVlanType}}), state: stateTrunks},
		{
			Read: Read{
				Name: "vmMembershipTable", MIB: "CISCO-VLAN-MEMBERSHIP-MIB", OID: ciscoMgmt(68, 1, 2, 2, 1), Objects: []Object{{vmVlan, "vmVlan"}},
			},
			needs: naming(need{trunkRead(), []uint32{vlanTrunkPortDynamicStatus}}), state: stateAccessPorts,
		},
	}
}

// vtpVLAN reads a row of vtpVlanTable: managementDomainIndex, vtpVlanIndex. Only VLANs of Ethernet are VLANs of IEEE 802.1Q: each of these
// switches also lists those of FDDI and token ring that nobody can delete.
func vtpVLAN(row Row) (vid topology.VID, ok bool) {
	const ethernet = 1
	index := indexOf(row.Index)
	index.number()
	vid, ok = vidOf(index.number())
	kind, _ := row.Value(vtpVlanType).Int()
	return vid, ok && index.ok() && kind == ethernet
}

// carriedVLANs lists the VLANs of Ethernet that the switch forwards: one that is suspended is not, and one that it does not have is not.
func (d *device) carriedVLANs() (vids topology.VIDSet, listed bool) {
	const operational = 1
	var ids []topology.VID
	for row := range d.answers[readVTP].rows.All() {
		vid, ok := vtpVLAN(row)
		listed = listed || ok
		if state, _ := row.Value(vtpVlanState).Int(); ok && state == operational {
			ids = append(ids, vid)
		}
	}
	return topology.VIDs(ids...), listed
}

func stateVTP(_ *device, r *report) {
	for row := range r.rows() {
		vid, ok := vtpVLAN(row)
		if !ok {
			continue
		}
		k := r.vlan(vid)
		r.text(k, topology.AttrName, row.Value(vtpVlanName))
		r.name(k, topology.AttrState, vtpVlanState, row, []string{"active", "suspended", "mtuTooBigForDevice", "mtuTooBigForTrunk"})
	}
}

// stateTrunks states the VLANs of the ports that trunk. The list of a port is what is allowed on it; what leaves it is what the switch
// forwards as well, so the list is cut to that where the switch has vtpVlanTable.
func stateTrunks(d *device, r *report) {
	const trunking = 1
	forwarded, listed := d.carriedVLANs()
	if !listed {
		forwarded = topology.VIDRange(1, 4094)
	}
	for row := range r.rows() {
		k, ok := r.interfaceRow(row)
		status, _ := row.Value(vlanTrunkPortDynamicStatus).Int()
		if !ok || status != trunking {
			continue
		}
		native := topology.VIDSet{}
		if n, ok := row.Value(vlanTrunkPortNativeVlan).Uint(); ok {
			if vid, ok := vidOf(uint32(min(n, maxIfIndex))); ok {
				r.attr(k, topology.AttrPVID, topology.IntValue(vid))
				native = topology.VIDs(vid)
			}
		}
		allowed, ok := allowedVLANs(row)
		if !ok || !r.complete() {
			continue
		}
		carried := allowed.Intersect(forwarded)
		r.attr(k, topology.AttrTagged, topology.VIDsValue(carried.Minus(native)))
		r.attr(k, topology.AttrUntagged, topology.VIDsValue(carried.Intersect(native)))
	}
}

// allowedVLANs joins the four bitmaps of a trunk, 1,024 VLANs each from 0; the first one is always there where any is.
func allowedVLANs(row Row) (topology.VIDSet, bool) {
	const perMap = 1024
	if !row.Value(vlanTrunkPortVlansEnabled).Present() {
		return topology.VIDSet{}, false
	}
	var ids []topology.VID
	columns := []uint32{vlanTrunkPortVlansEnabled, vlanTrunkPortVlansEnabled2k, vlanTrunkPortVlansEnabled3k, vlanTrunkPortVlansEnabled4k}
	for i, column := range columns {
		octets, _ := row.Value(column).Octets()
		for n := range setBits(octets[:min(len(octets), perMap/8)], i*perMap) {
			if vid, ok := vidOf(uint32(n)); ok {
				ids = append(ids, vid)
			}
		}
	}
	return topology.VIDs(ids...), true
}

// stateAccessPorts states the one VLAN of the ports that do not trunk.
func stateAccessPorts(d *device, r *report) {
	const trunking = 1
	for row := range r.rows() {
		if status, _ := d.answers[readTrunk].rows.Value(vlanTrunkPortDynamicStatus, row.Index).Int(); status == trunking {
			continue
		}
		k, ok := r.interfaceRow(row)
		n, ok2 := row.Value(vmVlan).Uint()
		if !ok || !ok2 {
			continue
		}
		if vid, ok := vidOf(uint32(min(n, maxIfIndex))); ok && r.complete() {
			r.attr(k, topology.AttrPVID, topology.IntValue(vid))
			r.attr(k, topology.AttrTagged, topology.VIDsValue(topology.VIDSet{}))
			r.attr(k, topology.AttrUntagged, topology.VIDsValue(topology.VIDs(vid)))
		}
	}
}
