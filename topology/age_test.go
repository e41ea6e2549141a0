package topology_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/topology"
)

func TestAgeLimits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	limits := topology.AgeLimits{Default: time.Hour, Tables: map[string]time.Duration{"dot1qTpFdbTable": 5 * time.Minute, "never": 0}}
	for _, c := range []struct {
		limits topology.AgeLimits
		table  string
		age    time.Duration
		stale  bool
	}{
		{limits, "ifTable", time.Hour, false},
		{limits, "ifTable", time.Hour + time.Millisecond, true},
		{limits, "dot1qTpFdbTable", 6 * time.Minute, true},
		{limits, "dot1qTpFdbTable", 5 * time.Minute, false},
		{limits, "never", 0, false},
		{limits, "never", time.Millisecond, true},
		{limits, "ifTable", -time.Hour, false}, // a clock that was put back
		{topology.AgeLimits{}, "ifTable", topology.DefaultAgeLimit, false},
		{topology.AgeLimits{}, "ifTable", topology.DefaultAgeLimit + time.Second, true},
	} {
		r := topology.Reading{ReadingKey: topology.ReadingKey{Table: c.table}, Time: now.Add(-c.age)}
		if got := c.limits.Stale(r, now); got != c.stale {
			t.Errorf("%s, %s old: stale is %t", c.table, c.age, got)
		}
	}
}

func TestStaleReadings_areListedInOrder(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	d := topology.Delta{Time: now}
	for i, device := range []string{"b", "a", "c"} {
		d.Renew = append(d.Renew, topology.Reading{
			ReadingKey: topology.ReadingKey{Device: device, Source: topology.SourceSNMP, Table: "t"}, Time: now.Add(time.Duration(-i) * 10 * time.Minute),
		})
	}
	s := mustApply(t, topology.Empty(), d)
	limits := topology.AgeLimits{Default: 5 * time.Minute}
	var got []string
	for _, r := range s.StaleReadings(limits, now) {
		got = append(got, r.Device)
	}
	if fmt.Sprint(got) != "[a c]" {
		t.Errorf("stale are %v, want a and c", got)
	}
	if later := s.StaleReadings(limits, now.Add(time.Hour)); len(later) != 3 {
		t.Errorf("an hour later %d are stale, want all 3", len(later))
	}
}

func conflicts(s *topology.Snapshot) string {
	var b strings.Builder
	for _, c := range s.Conflicts() {
		fmt.Fprintf(&b, "%s:\n", c.Kind)
		for _, f := range c.Facts {
			fmt.Fprintf(&b, "  %s ~%d from %s\n", f, f.Confidence, f.Reading.Source)
		}
	}
	return b.String()
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	s := graph(t, `
libvirt domains:
vm:v RunsOn host:h
vm:v RunsOn host:g ~50
nic:h/eth0 mtu=9000
port:h/br0 ifType=209
port:h/br1 ifType=6
port:h/br2 ifType=209
vnic:1/a mac=52:54:00:00:53:01
vnic:2/a mac=52:54:00:00:53:01
vnic:1/z mac=00:00:00:00:00:00
vnic:2/z mac=00:00:00:00:00:00
host:h cpuFeature=vmx
host:h cpuFeature=svm
host:h uuid=11111111-0000-4000-8000-000000000001
host:g uuid=11111111-0000-4000-8000-000000000001
server:s uuid=11111111-0000-4000-8000-000000000001
snmp all:
nic:h/eth0 mtu=1500
port:h/br0 ifType=6
port:h/br1 ifType=209
port:h/br2 ifType=161
nic:h/eth1 mac=00:00:5e:00:53:01
nic:h/eth2 mac=00:00:5e:00:53:01
nic:h/eth0 Link port:a/1 ~95
nic:h/eth0 Link port:b/1 ~10
lag:h/bond0 Link port:a/2 ~60
lag:h/bond0 Link port:b/2 ~60
`)
	// Not in conflict: the same value twice, several values where several are allowed, MACs of interfaces and of nobody, one identifier on two
	// kinds of thing, several cables of an aggregate, ethernetCsmacd beside the better type that is believed.
	want := `relation:
  vm:v RunsOn host:h ~100 from libvirt
  vm:v RunsOn host:g ~50 from libvirt
value:
  port:h/br1 ifType=6 ~100 from libvirt
  port:h/br1 ifType=209 ~100 from snmp
value:
  port:h/br2 ifType=209 ~100 from libvirt
  port:h/br2 ifType=161 ~100 from snmp
value:
  nic:h/eth0 mtu=9000 ~100 from libvirt
  nic:h/eth0 mtu=1500 ~100 from snmp
relation:
  port:a/1 Link nic:h/eth0 ~95 from snmp
  port:b/1 Link nic:h/eth0 ~10 from snmp
identifier:
  host:g uuid=11111111-0000-4000-8000-000000000001 ~100 from libvirt
  host:h uuid=11111111-0000-4000-8000-000000000001 ~100 from libvirt
identifier:
  vnic:1/a mac=52:54:00:00:53:01 ~100 from libvirt
  vnic:2/a mac=52:54:00:00:53:01 ~100 from libvirt
`
	if d := cmp.Diff(want, conflicts(s)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := conflicts(topology.Empty()); got != "" {
		t.Errorf("nothing is in conflict with itself: %s", got)
	}
}

func TestNode_readingsAndConflicts(t *testing.T) {
	t.Parallel()
	n := mustNode(t, graph(t, "snmp ifTable:\nport:a mtu=1500\nport:a state=up\ncli interfaces:\nport:a mtu=9000\nport:a Link port:b"), "port:a")
	var tables []string
	for r := range n.Readings() {
		tables = append(tables, r.Table)
	}
	if fmt.Sprint(tables) != "[ifTable interfaces]" && fmt.Sprint(tables) != "[interfaces ifTable]" {
		t.Errorf("readings of %v", tables)
	}
	for range (topology.Node{}).Readings() {
		t.Error("no node has readings")
	}
	if cs := n.Conflicts(); len(cs) != 1 || cs[0].Kind != topology.ConflictValue || cs[0].Facts[0].Value.Int() != 9000 {
		t.Errorf("conflicts: %v", cs)
	}
}
