package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/fixtures/sim/estate"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

// network is a handful of devices that change between sweeps, so few that they meet: every rule has something to conclude from what they say.
type network map[topology.ReadingKey][]topology.Fact

// vocabulary is what the devices of a network say of themselves and of their interfaces, by table.
func vocabulary() map[string]map[topology.Attr][]string {
	macs := []string{"02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:04", "01:00:5e:00:00:01"}
	ips := []string{"192.0.2.1", "192.0.2.2", "198.51.100.1"}
	var entries, answers []string
	for i, m := range macs {
		entries = append(entries, "1 "+m+" learned", fmt.Sprintf("%d %s self", i, m))
		for _, ip := range ips {
			answers = append(answers, ip+" "+m)
		}
	}
	return map[string]map[topology.Attr][]string{
		"system": {
			topology.AttrChassisID: {"mac/" + macs[0], "mac/" + macs[1], "local/x"}, topology.AttrBridgeMAC: macs,
			topology.AttrSysName: {"d1", "d2.example.net", "D2", "d1.example.org"}, topology.AttrMgmtAddress: ips,
			topology.AttrUUID: {"11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002"},
		},
		"ifTable": {
			topology.AttrMAC: macs, topology.AttrIfType: {"6", "53", "131"}, topology.AttrIfName: {"p1", "p2", "Ethernet1"}, topology.AttrIfAlias: {"p1", "to d2"},
			topology.AttrLLDPPortID: {"ifName/p1", "local/1"}, topology.AttrIfIndex: {"1", "2"}, topology.AttrVNI: {"24"},
		},
		"ipTable":  {topology.AttrAddress: {"192.0.2.1/24", "192.0.2.2/24", "192.0.2.2/25", "198.51.100.1/24", "fe80::1/64"}, topology.AttrUnnumbered: ips},
		"arpTable": {topology.AttrARP: answers}, "fdbTable": {topology.AttrLearned: entries},
		"lagTable": {
			topology.AttrPartnerSystemID: macs, topology.AttrPartnerKey: {"1", "2"}, topology.AttrActorSystemID: macs[:2], topology.AttrActorKey: {"1", "2"},
			topology.AttrState: {"up"},
		},
	}
}

// drawDevice draws a device as collectors call it: of one handle some believe that it is a host.
func drawDevice(t *rapid.T, handle string) topology.Key {
	return topology.DeviceKey(rapid.SampledFrom([]topology.Kind{topology.Switch, topology.Switch, topology.Switch, topology.Host}).Draw(t, "kind"), handle)
}

func drawInterface(t *rapid.T, device topology.Key) topology.Key {
	kind := rapid.SampledFrom([]topology.Kind{topology.Port, topology.Port, topology.NIC, topology.LAG}).Draw(t, "interface kind")
	return topology.PartKey(kind, device, word(t, "interface", "p1", "p2", "p3"))
}

// drawRow draws what one row of a table says.
func drawRow(t *rapid.T, handle, table string) []topology.Fact {
	device := drawDevice(t, handle)
	other := topology.DeviceKey(device.Kind, word(t, "other", "d1", "d2", "d3"))
	x := drawInterface(t, device)
	switch table {
	case "lldpTable":
		n := topology.PartKey(topology.Neighbor, x, "lldp", word(t, "chassis", "a", "b"), "z")
		fs := []topology.Fact{topology.Relate(x, topology.HasNeighbor, n)}
		says := map[topology.Attr][]string{
			topology.AttrNeighborChassis: {"mac/02:00:00:00:00:01", "mac/02:00:00:00:00:02", "mac/02:00:00:00:00:03", "address/192.0.2.1", "local/d1", "local/x"},
			topology.AttrNeighborPort:    {"ifName/p1", "ifName/p2", "local/1", "mac/02:00:00:00:00:03", "address/192.0.2.2"},
			topology.AttrSysName:         {"d1", "d2", ""}, topology.AttrProtocol: {"lldp", "cdp"}, topology.AttrMgmtAddress: {"192.0.2.1", "192.0.2.2"},
		}
		for _, a := range slices.Sorted(maps.Keys(says)) {
			fs = append(fs, valued(t, n, a, word(t, a.String(), says[a]...)))
		}
		return fs
	case "stackTable":
		switch rapid.IntRange(0, 3).Draw(t, "relation") {
		case 0:
			return []topology.Fact{topology.Relate(x, topology.SupportedBy, drawInterface(t, device))}
		case 1:
			return []topology.Fact{topology.Relate(x, topology.Link, drawInterface(t, other))}
		case 2:
			return []topology.Fact{topology.Relate(other, topology.Contains, x)}
		}
		return []topology.Fact{topology.Relate(device, topology.Contains, x)}
	case "domains":
		nic := topology.Key{Kind: topology.VNIC, ID: word(t, "vNIC", "v1", "v2")}
		return []topology.Fact{valued(t, nic, topology.AttrMAC, word(t, "MAC", "02:00:00:00:00:03", "02:00:00:00:00:04"))}
	}
	if table == "units" || table == "masking" {
		return drawUnitRow(t, device, table)
	}
	attrs := vocabulary()[table]
	a := rapid.SampledFrom(slices.Sorted(maps.Keys(attrs))).Draw(t, "attr")
	f := valued(t, x, a, word(t, a.String(), attrs[a]...))
	if table == "system" {
		f.Subject = device
		return []topology.Fact{f}
	}
	return []topology.Fact{topology.Relate(device, topology.Contains, x), f}
}

func valued(t *rapid.T, k topology.Key, a topology.Attr, text string) topology.Fact {
	v, err := topology.ParseValue(a.Type(), text)
	if err != nil {
		t.Fatal(err)
	}
	return topology.Attribute(k, a, v)
}

// tables of a network that is no array.
func tables() []string {
	return []string{"system", "ifTable", "ipTable", "arpTable", "fdbTable", "lagTable", "lldpTable", "stackTable", "domains"}
}

// change draws another content of some tables, row by row, and reads these and some that are as they were; at times only half of one.
func (n network) change(t *rapid.T, now time.Time, tables []string) []topology.Observation {
	read := map[topology.ReadingKey]bool{}
	for range rapid.IntRange(1, 10).Draw(t, "rows") {
		handle := word(t, "handle", "d1", "d2", "d3")
		k := topology.ReadingKey{Device: handle, Source: topology.SourceSNMP, Table: word(t, "table", tables...)}
		read[k] = true
		if rows := n[k]; len(rows) > 0 && rapid.IntRange(0, 2).Draw(t, "goes") == 0 {
			i := rapid.IntRange(0, len(rows)-1).Draw(t, "row")
			n[k] = slices.Delete(slices.Clone(rows), i, i+1)
			continue
		}
		n[k] = append(slices.Clone(n[k]), drawRow(t, handle, k.Table)...)
	}
	for _, k := range slices.SortedFunc(maps.Keys(n), topology.ReadingKey.Compare) {
		if rapid.IntRange(0, 3).Draw(t, "read "+k.String()) == 0 {
			read[k] = true
		}
	}
	var obs []topology.Observation
	for _, k := range slices.SortedFunc(maps.Keys(read), topology.ReadingKey.Compare) {
		o := topology.Observation{Reading: topology.Reading{ReadingKey: k, Time: now.Add(-time.Duration(rapid.IntRange(0, 9).Draw(t, "age")) * time.Second)}, Facts: n[k]}
		if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
			o.Reading.Partial, o.Facts = true, o.Facts[:len(o.Facts)/2]
		}
		obs = append(obs, o)
	}
	return obs
}

// Whatever a network's tables come to say, one row after the other: the engine concludes what follows from all of it, as from nothing and as the oracle.
func TestEngine_followsANetwork(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := network{}
		sequence(t, 8, func(_ int, now time.Time) ([]topology.Observation, reconcile.Policy) {
			var policy reconcile.Policy
			if rapid.IntRange(0, 19).Draw(t, "retire") == 0 {
				policy.Retired = []string{"d3"}
			}
			return n.change(t, now, tables()), policy
		})
	})
}

// An estate whose guests move, whose cables are changed and whose devices get other names, read device by device, at times not to the end, while some of
// them are taken out of service and come again.
func TestEngine_followsAnEstate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e, err := estate.New(estate.Size{Racks: 1, HostsPerRack: 3, VMsPerHost: 2, UnitsPerRack: 4, Disks: &estate.Mix{Direct: 1}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		sequence(t, 4, func(_ int, now time.Time) ([]topology.Observation, reconcile.Policy) {
			changeEstate(t, e)
			var some []estate.DeviceID
			for d := range e.Devices {
				if rapid.Bool().Draw(t, "read") {
					some = append(some, estate.DeviceID(d))
				}
			}
			obs := read(e, now, some...)
			for i := range obs {
				if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
					obs[i].Reading.Partial, obs[i].Facts = true, obs[i].Facts[:len(obs[i].Facts)/2]
				}
			}
			var policy reconcile.Policy
			if rapid.IntRange(0, 5).Draw(t, "retire") == 0 {
				policy.Retired = []string{e.Devices[rapid.IntRange(0, len(e.Devices)-1).Draw(t, "retired")].Name}
			}
			return obs, policy
		})
	})
}

// changeEstate makes one change, as happens between two sweeps.
func changeEstate(t *rapid.T, e *estate.Estate) {
	device := estate.DeviceID(rapid.IntRange(0, len(e.Devices)-1).Draw(t, "device"))
	switch rapid.IntRange(0, 3).Draw(t, "change") {
	case 0:
		vm := estate.VMID(rapid.IntRange(0, len(e.VMs)-1).Draw(t, "VM"))
		_ = e.Migrate(vm, rapid.SampledFrom(e.Hosts()).Draw(t, "to")) // or it cannot move there: then nothing changes
	case 1:
		span := e.Devices[rapid.SampledFrom(e.Hosts()).Draw(t, "host")].Ports
		other := e.Devices[rapid.SampledFrom(e.Hosts()).Draw(t, "other")].Ports
		_ = e.Recable(estate.PortID(span.From), estate.PortID(other.From)) // or it is the same port
	case 2:
		_ = e.Rename(device, word(t, "name", "n1", "n2", "n3")) // or the name is taken
	}
}
