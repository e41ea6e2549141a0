package reconcile_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

// unitTarget is the target that all arrays of these draws have.
const unitTarget = "iqn.2026-01.test:a"

// drawUnitRow draws what an array says of its target ports and units, or what somebody says who sees a unit by its number.
func drawUnitRow(t *rapid.T, device topology.Key, table string) []topology.Fact {
	port := drawTargetPort(t, ",192.0.2.1:3260", ",192.0.2.2:3260", ":b,192.0.2.1:3260")
	lun := topology.LUN(rapid.IntRange(1, 2).Draw(t, "lun"))
	if table == "units" {
		viewer := rapid.SampledFrom([]topology.Key{{Kind: topology.VM, ID: "v1"}, device}).Draw(t, "viewer")
		return []topology.Fact{topology.Relate(port, topology.Exports, topology.TargetUnitKey(viewer, unitTarget, lun))}
	}
	m := topology.PartKey(topology.Mapping, device, word(t, "mapping", "m1", "m2"))
	unit := topology.TargetUnitKey(device, unitTarget, lun)
	if rapid.Bool().Draw(t, "designated") {
		unit = drawUnit(t)
	}
	whole := mapped(device, port, m, lun, unit)
	var rows [][]topology.Fact
	for _, fact := range whole {
		rows = append(rows, []topology.Fact{fact})
	}
	return rapid.SampledFrom(append(rows, whole)).Draw(t, "row")
}

func drawTargetPort(t *rapid.T, portals ...string) topology.Key {
	return topology.Key{Kind: topology.TargetPort, ID: unitTarget + word(t, "portal", portals...)}
}

func drawUnit(t *rapid.T) topology.Key {
	return topology.Key{Kind: topology.LogicalUnit, ID: word(t, "unit", "naa.60000000000000000000000000000001", "naa.60000000000000000000000000000002")}
}

// mapped is all that an array says of one unit that it shows.
func mapped(array, port, m topology.Key, lun topology.LUN, unit topology.Key) []topology.Fact {
	return []topology.Fact{
		topology.Relate(array, topology.Contains, port), topology.Relate(array, topology.Contains, m), topology.Relate(m, topology.MapsTarget, port),
		topology.Attribute(m, topology.AttrLUN, topology.IntValue(lun)), topology.Relate(m, topology.MapsUnit, unit),
	}
}

// drawSeenUnit draws a network in which a VM sees a unit of an array by its number, and what is read of it first: all.
func drawSeenUnit(t *rapid.T, now time.Time) (network, []topology.Observation) {
	array := topology.DeviceKey(topology.Array, "d1")
	port, lun := drawTargetPort(t, ",192.0.2.1:3260", ",192.0.2.2:3260"), topology.LUN(rapid.IntRange(1, 2).Draw(t, "lun"))
	n := network{
		{Device: "d1", Source: topology.SourceSNMP, Table: "masking"}: mapped(array, port, topology.PartKey(topology.Mapping, array, "m1"), lun, drawUnit(t)),
		{Device: "d2", Source: topology.SourceSNMP, Table: "units"}:   {topology.Relate(port, topology.Exports, topology.TargetUnitKey(topology.Key{Kind: topology.VM, ID: "v1"}, unitTarget, lun))},
	}
	var obs []topology.Observation
	for _, k := range slices.SortedFunc(maps.Keys(n), topology.ReadingKey.Compare) {
		obs = append(obs, topology.Observation{Reading: topology.Reading{ReadingKey: k, Time: now}, Facts: n[k]})
	}
	return n, obs
}

// Whatever arrays come to say of their units, and others of what they see there: the engine concludes what the oracle does.
func TestEngine_followsUnitsByNumber(t *testing.T) {
	t.Parallel()
	identified := 0
	rapid.Check(t, func(t *rapid.T) {
		var n network
		sequence(t, 8, func(i int, now time.Time) ([]topology.Observation, reconcile.Policy) {
			var policy reconcile.Policy
			if rapid.IntRange(0, 19).Draw(t, "retire") == 0 {
				policy.Retired = []string{"d3"}
			}
			var obs []topology.Observation
			if i == 0 {
				n, obs = drawSeenUnit(t, now)
			} else {
				obs = n.change(t, now, []string{"units", "masking", "masking"})
			}
			for _, f := range mustFollow(t, obs, now) {
				if f.Rel == topology.IdentifiedAs {
					identified++
				}
			}
			return obs, policy
		})
	})
	if identified == 0 {
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
