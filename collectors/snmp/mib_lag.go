package snmp

import "github.com/throughline-dc/throughline/topology"

// IEEE8023-LAG-MIB (IEEE 802.1AX annex D, formerly IEEE 802.3ad).
const (
	dot3adAggActorSystemID   = 4
	dot3adAggActorOperKey    = 7
	dot3adAggPartnerSystemID = 8
	dot3adAggPartnerOperKey  = 10

	dot3adAggPortSelectedAggID = 12
	dot3adAggPortAttachedAggID = 13
)

func lagMIB() []subject {
	const module = "IEEE8023-LAG-MIB (IEEE 802.1AX)"
	return []subject{
		{
			Read: Read{
				Name: "dot3adAggTable", MIB: module, OID: lagObjects(1, 1, 1),
				Objects: []Object{
					{dot3adAggActorSystemID, "dot3adAggActorSystemID"},
					{dot3adAggActorOperKey, "dot3adAggActorOperKey"},
					{dot3adAggPartnerSystemID, "dot3adAggPartnerSystemID"},
					{dot3adAggPartnerOperKey, "dot3adAggPartnerOperKey"},
				},
			},
			needs: naming(), state: stateAggregators,
		},
		{
			Read: Read{
				Name: "dot3adAggPortTable", MIB: module, OID: lagObjects(2, 1, 1),
				Objects: []Object{
					{dot3adAggPortSelectedAggID, "dot3adAggPortSelectedAggID"}, {dot3adAggPortAttachedAggID, "dot3adAggPortAttachedAggID"},
				},
			},
			needs: naming(), state: stateAggregated,
		},
	}
}

// stateAggregators states both ends of each aggregator as LACP knows them. Without a partner its system and key are zero.
func stateAggregators(_ *device, r *report) {
	for row := range r.rows() {
		k, ok := r.interfaceRow(row)
		if !ok {
			continue
		}
		r.mac(k, topology.AttrActorSystemID, dot3adAggActorSystemID, row)
		r.mac(k, topology.AttrPartnerSystemID, dot3adAggPartnerSystemID, row)
		if key, ok := row.Value(dot3adAggActorOperKey).Int(); ok {
			r.attr(k, topology.AttrActorKey, topology.IntValue(key))
		}
		_, partner := macOf(row.Value(dot3adAggPartnerSystemID))
		if key, ok := row.Value(dot3adAggPartnerOperKey).Int(); ok && partner {
			r.attr(k, topology.AttrPartnerKey, topology.IntValue(key))
		}
	}
}

// stateAggregated states the members of each aggregator: the ports that are attached to it, or, where the agent does not say who is
// attached, those that selected it. A port that is its own aggregator aggregates nothing.
func stateAggregated(_ *device, r *report) {
	for row := range r.rows() {
		if r.unread(row, dot3adAggPortAttachedAggID) {
			continue
		}
		v := row.Value(dot3adAggPortAttachedAggID)
		if !v.Present() {
			v = row.Value(dot3adAggPortSelectedAggID)
		}
		member, ok := r.interfaceRow(row)
		aggregator, ok2 := v.Uint()
		if !ok || !ok2 || aggregator == 0 || aggregator > maxIfIndex || uint32(aggregator) == row.Index.At(0) {
			continue
		}
		if lag, ok := r.port(uint32(aggregator)); ok {
			r.relate(lag, topology.SupportedBy, member)
		}
	}
}
