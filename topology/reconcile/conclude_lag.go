package reconcile

import (
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// partner is whom an aggregate is bundled with (IEEE 802.1AX): one partner and key is one aggregate on the far side.
type partner struct {
	system topology.MAC
	key    int64
}

// distributed finds the aggregates that may be one with aggregates on other systems now (IEEE 802.1AX DRNI): those with one partner and key, and those
// whose members' cables end in one aggregate on the far side.
//
// It depends on the aggregates themselves, their members and these members' links; and likewise on the aggregates at the far ends and at the far ends of
// those, which are all that may be one with it.
func (g *graph) distributed() {
	for x := range g.dirty.links {
		g.dirty.lags.add(g.aggregates(x)...)
	}
	lags := set[ref]{}
	for x := range g.dirty.lags {
		lags.add(x)
		for _, p := range g.partners.words[x] {
			lags.add(g.partners.under[p]...)
		}
		g.partners.set(x, partnerOf(g.node(x)))
		for _, p := range g.partners.words[x] {
			lags.add(g.partners.under[p]...)
		}
	}
	near := set[ref]{}
	for x := range lags {
		near.add(x)
		near.add(g.far[x]...)
		near.add(g.farAggregates(x)...)
	}
	for x := range near {
		g.dirty.subjects.add(x)
		g.dirty.subjects.add(g.far[x]...)
		far := g.farAggregates(x)
		g.dirty.subjects.add(far...)
		if len(far) > 0 {
			g.far[x] = far
		} else {
			delete(g.far, x)
		}
	}
}

func partnerOf(lag topology.Node) []partner {
	system, ok := lag.Value(topology.AttrPartnerSystemID)
	key, hasKey := lag.Int(topology.AttrPartnerKey)
	if !ok || !hasKey || system.MAC() == 0 {
		return nil
	}
	return []partner{{system.MAC(), key}}
}

// farAggregates gives the aggregates at the other ends of a LAG's members.
func (g *graph) farAggregates(lag ref) []ref {
	var far []ref
	for _, low := range g.lowers(lag) {
		for _, links := range [][]claim{g.heard.at[low], g.trunks.at[low], g.edges.at[low], g.resolved.at[low]} {
			for _, l := range links {
				if l.confidence > topology.ConfidenceDenied {
					far = append(far, g.aggregates(l.peer(low))...)
				}
			}
		}
	}
	slices.Sort(far)
	return slices.Compact(far)
}

// peerLAGs states which aggregates on other devices are one with a LAG.
func (g *graph) peerLAGs(x ref, n topology.Node, state conclusion) {
	if g.key(x).Kind != topology.LAG {
		return
	}
	for _, p := range g.partners.words[x] {
		g.peers(x, n, g.partners.under[p], topology.AttrPartnerSystemID, state)
	}
	for _, far := range g.far[x] {
		g.peers(x, n, g.far[far], topology.AttrMAC, state)
	}
}

// peers states it once for the two, of the lesser. The evidence is the reading that gave the attribute, else one that gave the LAG.
func (g *graph) peers(x ref, n topology.Node, lags []ref, evidence topology.Attr, state conclusion) {
	f, ok := anyReading(n, evidence)
	if !ok {
		return
	}
	reading := g.readings.ref(f.Reading)
	for _, peer := range lags {
		if peer == x || g.owner(peer) == g.owner(x) || apart(n, g.node(peer)) {
			continue
		}
		state(topology.Attribute(g.key(x), topology.AttrDistributed, topology.BoolValue(true)), topology.ConfidenceByMatch, reading)
		if g.key(x).Compare(g.key(peer)) < 0 {
			state(topology.Relate(g.key(x), topology.PeerLAG, g.key(peer)), topology.ConfidenceByMatch, reading)
		}
	}
}

// apart reports that LACP tells two aggregates from each other: they are of one system and have different keys, which are a part of the identity of an
// aggregate (IEEE 802.1AX, LAG ID). A miscabled bond ends in two such.
func apart(a, b topology.Node) bool {
	system, ok := a.Value(topology.AttrActorSystemID)
	other, also := b.Value(topology.AttrActorSystemID)
	key, keyed := a.Int(topology.AttrActorKey)
	otherKey, alsoKeyed := b.Int(topology.AttrActorKey)
	return ok && also && keyed && alsoKeyed && system == other && key != otherKey
}

// anyReading gives the evidence of an attribute, else the first fact that a source said of the node.
func anyReading(n topology.Node, a topology.Attr) (topology.Fact, bool) {
	if _, ok := n.Value(a); ok {
		return n.Evidence(a)
	}
	for f := range n.Facts() {
		if !f.Derived {
			return f, true
		}
	}
	return topology.Fact{}, false
}
