package reach_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

// fabricOf makes a snapshot of one fabric: zones in force, zones that are only configured, and what the default zone does.
func fabricOf(t interface{ Fatal(...any) }, active, configured [][]string, defaultZone, mode string) reach.Zoning {
	sw := topology.DeviceKey(topology.FCSwitch, "mds1")
	fabric := topology.PartKey(topology.FCFabric, sw, "50")
	text := topology.TextValue
	facts := []topology.Fact{
		topology.Attribute(sw, topology.AttrSysName, text("mds1")), topology.Relate(sw, topology.Contains, fabric),
		topology.Attribute(fabric, topology.AttrForwardMode, text(mode)),
	}
	if defaultZone != "" {
		k := topology.PartKey(topology.FCZone, sw, "50", "active", "default-zone")
		facts = append(facts, topology.Relate(k, topology.MemberOf, fabric), topology.Attribute(k, topology.AttrState, text(defaultZone)))
	}
	for state, zones := range map[string][][]string{"active": active, "configured": configured} {
		set := topology.PartKey(topology.FCZoneSet, sw, "50", state, "set")
		facts = append(facts, topology.Relate(set, topology.MemberOf, fabric), topology.Attribute(set, topology.AttrState, text(state)))
		for i, members := range zones {
			zone := topology.PartKey(topology.FCZone, sw, "50", state, string(rune('a'+i)))
			facts = append(facts, topology.Relate(zone, topology.MemberOf, set), topology.Attribute(zone, topology.AttrName, text(string(rune('a'+i)))))
			for _, m := range members {
				facts = append(facts, topology.Attribute(zone, topology.AttrZoneMember, text(m)))
			}
		}
	}
	obs := topology.Observation{Reading: topology.Reading{ReadingKey: topology.ReadingKey{Device: "mds1", Source: topology.SourceCLI, Table: "zones"}, Rows: 1}, Facts: facts}
	res, err := reconcile.Reconcile(topology.Empty(), []topology.Observation{obs}, reconcile.Policy{}, time.Unix(0, 0))
	if err != nil || len(res.Rejected) > 0 {
		t.Fatal(err, res.Rejected)
	}
	all := reach.ReadZoning(res.Next)
	if len(all) != 1 {
		t.Fatal(len(all), "fabrics")
	}
	return all[0]
}

const (
	zoneHost   = topology.WWN(0x1000000000000001)
	zoneOther  = topology.WWN(0x1000000000000002)
	zoneTarget = topology.WWN(0x5000000000000001)
	zoneNobody = topology.WWN(0x5000000000000009)
)

func TestZoned(t *testing.T) {
	t.Parallel()
	const host, other, target = "pwwn 10:00:00:00:00:00:00:01", "pwwn 10:00:00:00:00:00:00:02", "pwwn 50:00:00:00:00:00:00:01"
	for _, c := range []struct {
		name               string
		active, configured [][]string
		defaultZone, mode  string
		a, b               topology.WWN
		want               reach.Verdict
	}{
		{"share a zone", [][]string{{host, target}}, nil, "deny", "zoning", zoneHost, zoneTarget, reach.Yes},
		{"in zones of their own", [][]string{{host, other}, {target}}, nil, "deny", "zoning", zoneHost, zoneTarget, reach.No},
		{"only configured", [][]string{{host, other}}, [][]string{{host, target}}, "deny", "zoning", zoneHost, zoneTarget, reach.No},
		{"one in a zone, the default zone permits", [][]string{{host, other}}, nil, "permit", "zoning", zoneHost, zoneTarget, reach.No},
		{"neither in a zone, the default zone permits", [][]string{{other}}, nil, "permit", "zoning", zoneHost, zoneTarget, reach.Yes},
		{"neither in a zone, denied", [][]string{{other}}, nil, "deny", "zoning", zoneHost, zoneNobody, reach.No},
		{"neither in a zone, nobody says", [][]string{{other}}, nil, "", "zoning", zoneHost, zoneNobody, reach.NotKnown},
		{"a member that nobody knows", [][]string{{host, "interface fc1/1 swwn 20:00:00:00:00:00:00:01"}}, nil, "deny", "zoning", zoneHost, zoneTarget, reach.NotKnown},
		{"two initiators", [][]string{{host + " init", other + " init", target + " target"}}, nil, "deny", "smart-zoning", zoneHost, zoneOther, reach.No},
		{"initiator and target", [][]string{{host + " init", other + " init", target + " target"}}, nil, "deny", "smart-zoning", zoneHost, zoneTarget, reach.Yes},
		{"roles do not count", [][]string{{host + " init", other + " init"}}, nil, "deny", "zoning", zoneHost, zoneOther, reach.Yes},
		{"both", [][]string{{host + " both", other + " init"}}, nil, "deny", "smart-zoning", zoneHost, zoneOther, reach.Yes},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			z := fabricOf(t, c.active, c.configured, c.defaultZone, c.mode)
			for _, pair := range [][2]topology.WWN{{c.a, c.b}, {c.b, c.a}} {
				if got, why := z.Zoned(pair[0], pair[1]); got != c.want || why == "" {
					t.Errorf("%s, %s", got, why)
				}
			}
		})
	}
}

// Pairs are those that share a zone, and can talk where both are logged in: against every pair of ports, asked one by one.
func TestPairs_areThoseThatShareAZone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		member := rapid.Custom(func(t *rapid.T) string {
			text := "pwwn " + topology.WWN(rapid.Uint64Range(1, 6).Draw(t, "port")).String()
			text += rapid.SampledFrom([]string{"", " init", " target", " both"}).Draw(t, "role")
			return text + rapid.SampledFrom([]string{"", " logged-in 0x010200"}).Draw(t, "login")
		})
		zones := rapid.SliceOfN(rapid.SliceOfN(member, 0, 4), 0, 4).Draw(t, "zones")
		z := fabricOf(t, zones, nil, "deny", rapid.SampledFrom([]string{"zoning", "smart-zoning"}).Draw(t, "mode"))
		paired := map[[2]topology.WWN]bool{}
		for _, p := range z.Pairs() {
			paired[[2]topology.WWN{p.A, p.B}] = true
			if p.A >= p.B || len(p.Zones) == 0 {
				t.Fatalf("pair %v", p)
			}
		}
		for a := topology.WWN(1); a <= 6; a++ {
			for b := a + 1; b <= 6; b++ {
				if end, why := z.Zoned(a, b); (end == reach.Yes) != paired[[2]topology.WWN{a, b}] {
					t.Fatalf("%s and %s: %s (%s), paired %t", a, b, end, why, paired[[2]topology.WWN{a, b}])
				}
			}
		}
	})
}
