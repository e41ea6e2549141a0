package main

import (
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// A neighbour that is in the inventory but did not let itself be read is not said to be missing there.
func TestGaps_neighborOfTheInventory(t *testing.T) {
	t.Parallel()
	lldp := topology.ReadingKey{Device: "spine-1", Source: topology.SourceSNMP, Table: "lldpRemTable"}
	port := topology.Key{Kind: topology.Port, ID: "spine-1/Ethernet1"}
	var facts []topology.Fact
	for _, name := range []string{"Leaf-A", "leaf-b"} {
		heard := topology.Key{Kind: topology.Neighbor, ID: "spine-1/Ethernet1/" + name}
		facts = append(facts, topology.Relate(port, topology.HasNeighbor, heard), topology.Attribute(heard, topology.AttrSysName, topology.TextValue(name)))
	}
	for i := range facts {
		facts[i].Reading, facts[i].Confidence = lldp, topology.ConfidenceStated
	}
	now := time.Date(2026, 1, 31, 18, 0, 0, 0, time.UTC)
	s, err := topology.Empty().Apply(topology.Delta{Time: now, Add: facts, Renew: []topology.Reading{
		{ReadingKey: lldp, Time: now, Rows: 2},
		{ReadingKey: topology.ReadingKey{Device: "leaf-a", Source: topology.SourceSNMP, Table: collectors.SessionTable, Partial: true}, Time: now, Reason: "denied"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, g := range gaps(s) {
		reasons = append(reasons, g.Kind+": "+g.Reason)
	}
	text := strings.Join(reasons, "\n")
	for _, want := range []string{
		"neighbor: hears Leaf-A, port , which is in the inventory but was not read to its end: denied",
		"neighbor: hears leaf-b, port , which is in no inventory",
		"table: denied",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
