package reconcile_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

// drawUnitRow draws what an array says of its target ports and units, or what somebody says who sees a unit by its number.
func drawUnitRow(t *rapid.T, device topology.Key, table string) []topology.Fact {
	const target = "iqn.2026-01.test:a"
	port := topology.Key{Kind: topology.TargetPort, ID: target + word(t, "portal", ",192.0.2.1:3260", ",192.0.2.2:3260", ":b,192.0.2.1:3260")}
	lun := topology.LUN(rapid.IntRange(1, 2).Draw(t, "lun"))
	if table == "units" {
		viewer := rapid.SampledFrom([]topology.Key{{Kind: topology.VM, ID: "v1"}, device}).Draw(t, "viewer")
		return []topology.Fact{topology.Relate(port, topology.Exports, topology.TargetUnitKey(viewer, target, lun))}
	}
	m := topology.PartKey(topology.Mapping, device, word(t, "mapping", "m1", "m2"))
	unit := topology.TargetUnitKey(device, target, lun)
	if rapid.Bool().Draw(t, "designated") {
		unit = topology.Key{Kind: topology.LogicalUnit, ID: word(t, "unit", "naa.60000000000000000000000000000001", "naa.60000000000000000000000000000002")}
	}
	return rapid.SampledFrom([][]topology.Fact{
		{topology.Relate(device, topology.Contains, port)},
		{topology.Relate(device, topology.Contains, m)},
		{topology.Attribute(m, topology.AttrLUN, topology.IntValue(lun))},
		{topology.Relate(m, topology.MapsTarget, port)},
		{topology.Relate(m, topology.MapsUnit, unit)},
		{
			topology.Relate(device, topology.Contains, port), topology.Relate(device, topology.Contains, m), topology.Relate(m, topology.MapsTarget, port),
			topology.Attribute(m, topology.AttrLUN, topology.IntValue(lun)), topology.Relate(m, topology.MapsUnit, unit),
		},
	}).Draw(t, "row")
}

// Whatever arrays come to say of their units, and others of what they see there: the engine concludes what the oracle does.
func TestEngine_followsUnitsByNumber(t *testing.T) {
	t.Parallel()
	identified := 0
	rapid.Check(t, func(t *rapid.T) {
		n := network{}
		sequence(t, 8, func(_ int, now time.Time) ([]topology.Observation, reconcile.Policy) {
			var policy reconcile.Policy
			if rapid.IntRange(0, 19).Draw(t, "retire") == 0 {
				policy.Retired = []string{"d3"}
			}
			obs := n.change(t, now, []string{"units", "masking", "masking"})
			for _, f := range mustFollow(t, obs, now) {
				if f.Rel == topology.IdentifiedAs {
					identified++
				}
			}
			return obs, policy
		})
	})
	if identified == 0 && !testing.Short() { // of a few sequences none may have one
		t.Error("no unit was ever identified: the test proves nothing")
	}
}

// mustFollow gives what follows from one sweep alone.
func mustFollow(t *rapid.T, obs []topology.Observation, now time.Time) []topology.Fact {
	res, err := reconcile.Reconcile(topology.Empty(), obs, reconcile.Policy{}, now)
	if err != nil {
		t.Fatal(err)
	}
	return res.Delta.Add
}
