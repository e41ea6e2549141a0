package main

import (
	"strconv"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/fixtures/sim/estate"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// TestStorage_estate asks for every host and every unit of the simulated estate, of which one adapter is logged out: who is of the unit's cluster sees it, over all of its
// adapters that are logged in and both controllers, and nobody else does. Fabrics, links between their switches, zones and masks are told as collectors would; the hosts themselves say nothing.
func TestStorage_estate(t *testing.T) {
	t.Parallel()
	e, err := estate.New(estate.Size{Racks: 12, HostsPerRack: 14, VMsPerHost: 1, RacksPerCluster: 6, RacksPerPod: 12, UnitsPerRack: 2}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Break(estate.HBALoggedOut); err != nil {
		t.Fatal(err)
	}
	s := fabricsOf(t, e)
	net := reach.NewNetwork(s, topology.AgeLimits{}, s.Time())
	seen, linked := map[reach.Redundancy]int{}, false
	for _, d := range e.Hosts() {
		host, _ := s.Node(e.DeviceKey(d))
		for u, unit := range e.Units {
			if unit.ISCSI {
				continue
			}
			node, _ := s.Node(e.UnitKey(estate.UnitID(u)))
			a, err := net.Storage(t.Context(), host, node)
			if err != nil {
				t.Fatal(err)
			}
			mine := e.ClusterOf(d).Number == int(unit.Cluster)
			if want := map[bool]reach.Verdict{true: reach.Yes, false: reach.No}[mine]; a.Verdict != want || mine && a.Must != a.May {
				t.Errorf("%s to %s: %s (%s), want %s", host.Name(), node.Name(), a.Verdict, a.Why, want)
			}
			if mine {
				seen[a.Must]++
			}
			for _, p := range a.Paths {
				linked = linked || p.Verdict == reach.Yes && p.Steps[2].Kind == "fabric"
			}
		}
	}
	for r := range seen {
		if whole := (reach.Redundancy{Paths: 4, Initiators: 2, Media: 2, Targets: 4}); r != whole && r != (reach.Redundancy{Paths: 2, Initiators: 1, Media: 1, Targets: 2}) {
			t.Errorf("%+v", r)
		}
	}
	if len(seen) != 2 || !linked {
		t.Errorf("%v, over links %t: an adapter is logged out, and hosts are at several switches", seen, linked)
	}
}

// fabricsOf is the graph of the storage of an estate.
func fabricsOf(t *testing.T, e *estate.Estate) *topology.Snapshot {
	t.Helper()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	r := topology.Reading{ReadingKey: topology.ReadingKey{Device: "all", Source: topology.SourceCLI, Table: "all"}, Time: now}
	d := topology.Delta{Time: now, Renew: []topology.Reading{r}}
	say := func(f topology.Fact) {
		f.Reading, f.Since, f.Confidence = r.ReadingKey, now, topology.ConfidenceStated
		d.Add = append(d.Add, f)
	}
	for f := range e.Truth() {
		if f.Rel != topology.Nexus {
			say(f)
		}
	}
	for f := range e.Mappings() {
		say(f)
	}
	for i, dev := range e.Devices {
		if dev.Kind == topology.FCSwitch {
			tellFabric(e, estate.DeviceID(i), say)
		}
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tellFabric tells what a switch knows of its fabric: its ports and links, who is logged in anywhere in it, and a zone for each adapter of a host with the ports of its array.
func tellFabric(e *estate.Estate, d estate.DeviceID, say func(topology.Fact)) {
	sw, dev, text := e.DeviceKey(d), e.Devices[d], topology.TextValue
	vsan := strconv.Itoa(50 + int(e.FCPorts[dev.FC.From].Fabric))
	fabric := topology.PartKey(topology.FCFabric, sw, vsan)
	set, none := topology.PartKey(topology.FCZoneSet, sw, vsan, "active", "s"), topology.PartKey(topology.FCZone, sw, vsan, "active", "default-zone")
	for _, f := range []topology.Fact{
		topology.Relate(sw, topology.Contains, fabric), topology.Attribute(fabric, topology.AttrForwardMode, text("zoning")), topology.Relate(set, topology.MemberOf, fabric),
		topology.Attribute(set, topology.AttrState, text("active")), topology.Relate(none, topology.MemberOf, fabric), topology.Attribute(none, topology.AttrState, text("deny")),
	} {
		say(f)
	}
	for p := estate.FCPortID(dev.FC.From); p < estate.FCPortID(dev.FC.To); p++ {
		face, peer := e.FCPortKey(p), e.FCPorts[p].Peer
		say(topology.Relate(face, topology.MemberOf, fabric))
		say(topology.Attribute(face, topology.AttrState, text("up")))
		if peer > p && e.Devices[e.FCPorts[peer].Device].Kind == topology.FCSwitch {
			say(topology.Relate(face, topology.Link, e.FCPortKey(peer)))
		}
	}
	for p, port := range e.FCPorts {
		if here := port.Fabric == e.FCPorts[dev.FC.From].Fabric; here && e.Devices[port.Device].Kind != topology.FCSwitch && !port.LoggedOut && port.Peer != estate.None {
			say(topology.Relate(e.HBAKey(estate.FCPortID(p)), topology.MemberOf, fabric)) // its name server
		}
		if e.Devices[port.Device].Kind != topology.Host || port.Fabric != e.FCPorts[dev.FC.From].Fabric {
			continue
		}
		zone := topology.PartKey(topology.FCZone, sw, vsan, "active", strconv.Itoa(p))
		say(topology.Relate(sw, topology.Contains, zone))
		say(topology.Relate(zone, topology.MemberOf, set))
		say(topology.Attribute(zone, topology.AttrZoneMember, text("pwwn "+e.WWPN(estate.FCPortID(p)).String())))
		for _, target := range e.Targets(e.ClusterOf(port.Device).Array, port.Fabric) {
			say(topology.Attribute(zone, topology.AttrZoneMember, text("pwwn "+e.WWPN(target).String())))
		}
	}
}
