package topology_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
)

// Values that are kept as bits are ordered as their texts are.
func TestValue_ordersBitsAsText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) [3]topology.Value {
			bits := rapid.Uint64().Draw(t, label)
			return [3]topology.Value{
				topology.MACValue(topology.MAC(bits & (1<<48 - 1))), topology.WWNValue(topology.WWN(bits)),
				topology.FDBValue(topology.FDBEntry{
					VID: topology.VID(rapid.IntRange(0, 4094).Draw(t, label+" VID")), MAC: topology.MAC(bits & 3), Status: topology.FDBStatus(bits >> 8 & 7),
				}),
			}
		}
		a, b := draw("a"), draw("b")
		for i := range a {
			if got, want := a[i].Compare(b[i]), strings.Compare(a[i].String(), b[i].String()); got != want {
				t.Fatalf("%s and %s: %d, want %d", a[i], b[i], got, want)
			}
		}
	})
}
