package snmp

import (
	"slices"
	"strconv"

	"github.com/throughline-dc/throughline/topology"
)

// BRIDGE-MIB (RFC 4188).
const (
	dot1dBaseBridgeAddress = 1
	dot1dBaseNumPorts      = 2

	dot1dBasePortIfIndex = 2

	dot1dStpPriority       = 2
	dot1dStpDesignatedRoot = 5
	dot1dStpRootPort       = 7

	dot1dStpPortState = 3

	dot1dTpFdbPort   = 2
	dot1dTpFdbStatus = 3
)

const bridgeModule = "BRIDGE-MIB (RFC 4188)"

func baseRead() Read {
	return Read{
		Name: readBase, MIB: bridgeModule, OID: mib2(17, 1), Scalar: true,
		Objects: []Object{{dot1dBaseBridgeAddress, "dot1dBaseBridgeAddress"}, {dot1dBaseNumPorts, "dot1dBaseNumPorts"}},
	}
}

func basePortRead() Read {
	return Read{
		Name: readBasePort, MIB: bridgeModule, OID: mib2(17, 1, 4, 1), Objects: []Object{{dot1dBasePortIfIndex, "dot1dBasePortIfIndex"}},
	}
}

func bridgeMIB() []subject {
	return []subject{
		{
			Read: baseRead(),
			state: func(d *device, r *report) {
				if m, ok := macOf(r.scalar(dot1dBaseBridgeAddress)); ok {
					r.attr(d.key, topology.AttrBridgeMAC, topology.MACValue(m))
				}
			},
		},
		{
			Read: basePortRead(), needs: naming(), state: stateBasePorts,
		},
	}
}

func stateBasePorts(d *device, r *report) {
	for row := range r.rows() {
		index := indexOf(row.Index)
		n := index.number()
		if !index.ok() || n == 0 {
			r.misindexed(row)
			continue
		}
		ifIndex, ok := d.basePorts[n]
		if !ok {
			r.misread(dot1dBasePortIfIndex, row.Index, row.Value(dot1dBasePortIfIndex), "no interface index")
			continue
		}
		if k, ok := r.port(ifIndex); ok {
			r.attr(k, topology.AttrBasePort, topology.IntValue(n))
		}
	}
}

func stpMIB() []subject {
	return []subject{
		{
			Read: Read{
				Name: "dot1dStp", MIB: bridgeModule, OID: mib2(17, 2), Scalar: true,
				Objects: []Object{
					{dot1dStpPriority, "dot1dStpPriority"},
					{dot1dStpDesignatedRoot, "dot1dStpDesignatedRoot"},
					{dot1dStpRootPort, "dot1dStpRootPort"},
				},
			},
			needs: []need{{read: baseRead()}}, state: stateSpanningTree,
		},
		{
			Read: Read{
				Name: "dot1dStpPortTable", MIB: bridgeModule, OID: mib2(17, 2, 15, 1),
				Objects: []Object{{dot1dStpPortState, "dot1dStpPortState"}},
			},
			needs: bridging(), state: stateSpanningTreePorts,
		},
	}
}

// stateSpanningTree states the common tree. A bridge without spanning tree names no root, or the root of all zeros.
func stateSpanningTree(d *device, r *report) {
	octets, _ := r.scalar(dot1dStpDesignatedRoot).Octets()
	root, ok := bridgeID(octets)
	if !ok {
		return
	}
	r.attr(d.key, topology.AttrRootBridgeID, topology.TextValue(root))
	if port, ok := r.scalar(dot1dStpRootPort).Int(); ok {
		r.attr(d.key, topology.AttrRootPort, topology.IntValue(port))
	}
	address, _ := d.scalar(readBase, mib2(17, 1, dot1dBaseBridgeAddress, 0)).Octets()
	if p, ok := r.scalar(dot1dStpPriority).Uint(); ok && p <= 0xffff {
		if id, ok := bridgeID(append([]byte{byte(p >> 8), byte(p)}, address...)); ok {
			r.attr(d.key, topology.AttrBridgeID, topology.TextValue(id))
		}
	}
}

func stateSpanningTreePorts(_ *device, r *report) {
	words := []string{"disabled", "blocking", "listening", "learning", "forwarding", "broken"}
	for row := range r.rows() {
		index := indexOf(row.Index)
		n := index.number()
		if !index.ok() || n == 0 {
			r.misindexed(row)
			continue
		}
		v := row.Value(dot1dStpPortState)
		state, ok := v.Int()
		if !ok || state < 1 || state > int64(len(words)) {
			r.misread(dot1dStpPortState, row.Index, v, "no state of a port")
			continue
		}
		if k, ok := r.bridgePort(n); ok {
			r.attr(k, topology.AttrSTPState, topology.TextValue("0 "+words[state-1]))
		}
	}
}

// Q-BRIDGE-MIB (RFC 4363): the forwarding database.
const (
	dot1qTpFdbPort   = 2
	dot1qTpFdbStatus = 3
)

func fdbMIB() []subject {
	fids := []need{{currentRead(), []uint32{dot1qVlanFdbID}}, {staticRead(), []uint32{dot1qVlanStaticName}}}
	return []subject{
		{
			Read: Read{
				Name: "dot1dTpFdbTable", MIB: bridgeModule, OID: mib2(17, 4, 3, 1), Long: true,
				Objects: []Object{{dot1dTpFdbPort, "dot1dTpFdbPort"}, {dot1dTpFdbStatus, "dot1dTpFdbStatus"}},
			},
			needs: bridging(),
			state: func(_ *device, r *report) {
				for row := range r.rows() {
					index := indexOf(row.Index)
					r.learned(row, index, topology.FDBEntry{MAC: index.mac()}, dot1dTpFdbPort, dot1dTpFdbStatus)
				}
			},
		},
		{
			Read: Read{
				Name: "dot1qTpFdbTable", MIB: bridgeVLANModule, OID: mib2(17, 7, 1, 2, 2, 1), Long: true,
				Objects: []Object{{dot1qTpFdbPort, "dot1qTpFdbPort"}, {dot1qTpFdbStatus, "dot1qTpFdbStatus"}},
			},
			needs: bridging(fids...),
			state: func(d *device, r *report) {
				if slices.ContainsFunc(fids, func(n need) bool { return !n.met(d.answers) }) {
					return // which VLAN a database is of might be in what was not read
				}
				vlans := d.vlansOfFIDs()
				for row := range r.rows() {
					index := indexOf(row.Index)
					fid := index.number()
					r.learned(row, index, topology.FDBEntry{VID: vlans[fid], MAC: index.mac()}, dot1qTpFdbPort, dot1qTpFdbStatus)
				}
			},
		},
	}
}

// learned states an entry of the forwarding database; without a status it is unknown how the bridge came to it. Port 0 means that the bridge
// knows something of the address, but not where it is.
func (r *report) learned(row Row, index *cursor, e topology.FDBEntry, portColumn, statusColumn uint32) {
	if !index.ok() {
		r.misindexed(row)
		return
	}
	if r.unread(row, portColumn, statusColumn) {
		return
	}
	v := row.Value(portColumn)
	port, ok := v.Uint()
	if !ok || port > maxIfIndex {
		r.misread(portColumn, row.Index, v, "no number of a port")
		return
	}
	status := row.Value(statusColumn)
	if n, ok := status.Int(); ok && n >= int64(topology.FDBOther) && n <= int64(topology.FDBMgmt) {
		e.Status = topology.FDBStatus(n)
	} else if status.Present() {
		r.misread(statusColumn, row.Index, status, "no status of an entry")
	}
	if e.Status == topology.FDBInvalid {
		return
	}
	if k, ok := r.bridgePort(uint32(port)); ok {
		r.attr(k, topology.AttrLearned, topology.FDBValue(e))
	}
}

// vlansOfFIDs says which VLAN a filtering database holds: dot1qVlanFdbId tells. Where the bridge does not fill it in at all, each VLAN has
// a database of its own and the same number; a number that is no VLAN of the bridge then stays unknown, and so does a database
// that several VLANs share.
func (d *device) vlansOfFIDs() map[uint32]topology.VID {
	vlans := map[uint32]topology.VID{}
	sharing := map[uint32]int{}
	current := d.currentVLANs()
	for vid, row := range current {
		if fid, ok := row.Value(dot1qVlanFdbID).Uint(); ok && fid > 0 && fid <= maxIfIndex {
			vlans[uint32(fid)] = vid
			sharing[uint32(fid)]++
		}
	}
	for fid, n := range sharing {
		if n > 1 {
			delete(vlans, fid)
		}
	}
	if len(sharing) > 0 {
		return vlans
	}
	for vid := range current {
		vlans[uint32(vid)] = vid
	}
	for row := range d.answers[readStatic].rows.All() {
		if vid, ok := staticVID(row); ok {
			vlans[uint32(vid)] = vid
		}
	}
	return vlans
}

func vlanKey(d *device, vid topology.VID) topology.Key {
	return topology.PartKey(topology.VLAN, d.key, strconv.Itoa(int(vid)))
}
