package reconcile_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

// estate is a sweep over switches with some ports each, as an SNMP collector gives it: identity, interfaces, VLANs, an address each, a
// neighbour on every fourth port, and addresses learned on the others.
func estate(switches, ports int, now time.Time) []topology.Observation {
	var obs []topology.Observation
	for i := range switches {
		handle := fmt.Sprintf("sw%04d", i)
		sw := topology.DeviceKey(topology.Switch, handle)
		reading := func(table string, facts []topology.Fact) {
			obs = append(obs, topology.Observation{
				Reading: topology.Reading{
					ReadingKey: topology.ReadingKey{Device: handle, Source: topology.SourceSNMP, Table: table}, Time: now, Rows: len(facts),
				},
				Facts: facts,
			})
		}
		mac := func(port int) topology.MAC { return topology.MAC(0x020000000000 + i<<16 + port) }
		text := func(k topology.Key, a topology.Attr, s string) topology.Fact {
			return topology.Attribute(k, a, topology.TextValue(s))
		}
		reading("system", []topology.Fact{
			text(sw, topology.AttrSysName, handle), text(sw, topology.AttrChassisID, "mac/"+mac(0).String()),
			topology.Attribute(sw, topology.AttrBridgeMAC, topology.MACValue(mac(0))),
		})
		var ifs, vlans, lldp, fdb, addrs []topology.Fact
		for p := range ports {
			name := fmt.Sprintf("Ethernet%d", p)
			port := topology.PartKey(topology.Port, sw, name)
			ifs = append(ifs, topology.Relate(sw, topology.Contains, port), text(port, topology.AttrIfName, name), text(port, topology.AttrState, "up"),
				topology.Attribute(port, topology.AttrMAC, topology.MACValue(mac(p))), topology.Attribute(port, topology.AttrMTU, topology.IntValue(9216)),
				topology.Attribute(port, topology.AttrIfIndex, topology.IntValue(p+1)), topology.Attribute(port, topology.AttrIfType, topology.IntValue(6)))
			vlans = append(vlans, topology.Attribute(port, topology.AttrTagged, topology.VIDsValue(topology.VIDRange(100, 199))),
				topology.Attribute(port, topology.AttrPVID, topology.IntValue(1)))
			if p%4 == 0 {
				// Port p of switch i is cabled to port p of another, and both say so.
				peer := i ^ 1<<(p/4%11)
				n := topology.PartKey(topology.Neighbor, port, "lldp", strconv.Itoa(peer), name)
				lldp = append(lldp, topology.Relate(port, topology.HasNeighbor, n), text(n, topology.AttrProtocol, "lldp"),
					text(n, topology.AttrNeighborChassis, "mac/"+topology.MAC(0x020000000000+peer<<16).String()),
					text(n, topology.AttrNeighborPort, "ifName/"+name))
				continue
			}
			fdb = append(fdb, topology.Attribute(port, topology.AttrLearned,
				topology.FDBValue(topology.FDBEntry{VID: 100, MAC: mac(p) | 0x400000000000, Status: topology.FDBLearned})))
		}
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
		addrs = append(addrs, topology.Attribute(topology.PartKey(topology.Port, sw, "Ethernet1"), topology.AttrAddress, topology.PrefixValue(netip.PrefixFrom(addr, 24))))
		reading("ifTable", ifs)
		reading("dot1qVlanCurrentTable", vlans)
		reading("lldpRemTable", lldp)
		reading("dot1qTpFdbTable", fdb)
		reading("ipAddressTable", addrs)
	}
	return obs
}

// BenchmarkReconcile takes in an estate that nobody has seen, the same again, and the same with one port changed.
func BenchmarkReconcile(b *testing.B) {
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	for _, size := range []struct{ switches, ports int }{{100, 100}, {2000, 100}} {
		obs := estate(size.switches, size.ports, now)
		facts := 0
		for _, o := range obs {
			facts += len(o.Facts)
		}
		first, err := reconcile.Reconcile(topology.Empty(), obs, reconcile.Policy{}, now)
		if err != nil {
			b.Fatal(err)
		}
		later := now.Add(5 * time.Minute)
		again := estate(size.switches, size.ports, later)
		changed := estate(size.switches, size.ports, later)
		changed[1].Facts[2] = topology.Attribute(changed[1].Facts[2].Subject, topology.AttrState, topology.TextValue("down"))
		for name, c := range map[string]struct {
			prev *topology.Snapshot
			obs  []topology.Observation
			now  time.Time
		}{"new": {topology.Empty(), obs, now}, "unchanged": {first.Next, again, later}, "one-port": {first.Next, changed, later}, "one-device": {first.Next, again[:6], later}} {
			b.Run(fmt.Sprintf("%s/%dx%d", name, size.switches, size.ports), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					res, err := reconcile.Reconcile(c.prev, c.obs, reconcile.Policy{}, c.now)
					if err != nil {
						b.Fatal(err)
					}
					if name == "unchanged" && len(res.Delta.Add)+len(res.Delta.Remove) > 0 {
						b.Fatalf("%d facts added, %d removed", len(res.Delta.Add), len(res.Delta.Remove))
					}
				}
				b.ReportMetric(float64(facts), "facts")
			})
		}
	}
}
