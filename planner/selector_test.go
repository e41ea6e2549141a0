package planner_test

import (
	"testing"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

// TestSelector_Has: patterns are of names; one with a colon is of keys, too.
func TestSelector_Has(t *testing.T) {
	t.Parallel()
	s := scene(t, "")
	for _, c := range []struct {
		pattern string
		is      bool
	}{
		{"web-07", true},
		{"web-*", true},
		{"*", true},
		{"192.0.2.0/24", true},
		{"vm:v", true},
		{"vm:*", true},
		{"?m:v", true},
		{"v*", false},
		{"v", false},
		{"vm*", false},
		{"*v", false},
		{"host:*", false},
		{"198.51.100.0/24", false},
	} {
		n, _ := s.Node(topology.Key{Kind: topology.VM, ID: "v"})
		if is := (planner.Selector{c.pattern}).Has(n); is != c.is {
			t.Errorf("%q: %t", c.pattern, is)
		}
	}
}
