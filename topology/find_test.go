package topology_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
)

const foundIn = `
vm:f81d4fae-7dec-11d0-a765-00a0c91e6bf6 name=web-07
vm:f81d4fae-7dec-11d0-a765-00a0c91e6bf6 Contains vnic:f81d4fae-7dec-11d0-a765-00a0c91e6bf6/52:54:00:00:53:01
vnic:f81d4fae-7dec-11d0-a765-00a0c91e6bf6/52:54:00:00:53:01 mac=52:54:00:00:53:01
vnic:f81d4fae-7dec-11d0-a765-00a0c91e6bf6/52:54:00:00:53:01 address=192.0.2.7/24
host:11111111-0000-4000-8000-000000000001 name=h1.example.net
host:11111111-0000-4000-8000-000000000001 handle=h1
host:11111111-0000-4000-8000-000000000001 uuid=11111111-0000-4000-8000-000000000001
host:11111111-0000-4000-8000-000000000001 serial=TL0001-7
host:11111111-0000-4000-8000-000000000001 mgmtAddress=2001:db8::7
host:11111111-0000-4000-8000-000000000001 Contains nic:11111111-0000-4000-8000-000000000001/eth0
nic:11111111-0000-4000-8000-000000000001/eth0 mac=00:00:5e:00:53:01
nic:11111111-0000-4000-8000-000000000001/eth0 ifName=eth0
host:11111111-0000-4000-8000-000000000001 Contains initiatorport:21:00:00:24:ff:00:00:01
initiatorport:21:00:00:24:ff:00:00:01 wwpn=21:00:00:24:ff:00:00:01
initiatorport:iqn.2026-01.test.host:h1 iqn=iqn.2026-01.test.host:h1
targetport:iqn.2026-01.test.array:a,192.0.2.50:3260 iqn=iqn.2026-01.test.array:a
logicalunit:naa.60000000000000000000000000000001 designator=naa.60000000000000000000000000000001
volume:11111111-0000-4000-8000-000000000001//img/web.qcow2 path=/img/web.qcow2
switch:02:00:00:00:00:01 sysName=leaf1
switch:02:00:00:00:00:01 handle=leaf1
switch:02:00:00:00:00:01 chassisID=mac/02:00:00:00:00:01
switch:02:00:00:00:00:01 bridgeMAC=02:00:00:00:00:0b
switch:02:00:00:00:00:01 Contains port:02:00:00:00:00:01/Ethernet1/1
port:02:00:00:00:00:01/Ethernet1/1 ifName=Ethernet1/1
port:02:00:00:00:00:01/Ethernet1/1 ifAlias=to h1
switch:02:00:00:00:00:01 Contains port:02:00:00:00:00:01/ifIndex9
port:02:00:00:00:00:01/ifIndex9 addressWithoutPrefix=198.51.100.9
switch:02:00:00:00:00:02 sysName=leaf2
switch:02:00:00:00:00:02 Contains port:02:00:00:00:00:02/Ethernet1/1
port:02:00:00:00:00:02/Ethernet1/1 ifName=Ethernet1/1
subnet:192.0.2.0/24 prefix=192.0.2.0/24
neighbor:x sysName=leaf1
`

func TestFind(t *testing.T) {
	t.Parallel()
	s := graph(t, foundIn)
	const (
		vm    = "vm:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
		vnic  = "vnic:f81d4fae-7dec-11d0-a765-00a0c91e6bf6/52:54:00:00:53:01"
		host  = "host:11111111-0000-4000-8000-000000000001"
		nic   = "nic:11111111-0000-4000-8000-000000000001/eth0"
		leaf1 = "switch:02:00:00:00:00:01"
		port1 = "port:02:00:00:00:00:01/Ethernet1/1"
		port2 = "port:02:00:00:00:00:02/Ethernet1/1"
		unit  = "logicalunit:naa.60000000000000000000000000000001"
		hba   = "initiatorport:21:00:00:24:ff:00:00:01"
	)
	for what, want := range map[string][]string{
		"web-07":         {vm},
		"  WEB-07\n":     {vm},
		"h1":             {host},
		"H1.example.NET": {host},
		"TL0001-7":       {host},
		// UUID, in any notation.
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6":   {vm},
		"{F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6}": {vm},
		"11111111000040008000000000000001":       {host},
		// MAC, in any notation.
		"52:54:00:00:53:01": {vnic},
		"5254.0000.5301":    {vnic},
		"00-00-5E-00-53-01": {nic},
		"0200.0000.0001":    {leaf1},
		"02-00-00-00-00-0b": {leaf1},
		// Addresses.
		"192.0.2.7":        {vnic},
		"192.0.2.7/24":     {vnic, "subnet:192.0.2.0/24"},
		"::ffff:192.0.2.7": {vnic},
		"2001:db8:0:0::7":  {host},
		"198.51.100.9":     {"port:02:00:00:00:00:01/ifIndex9"},
		"192.0.2.0/24":     {"subnet:192.0.2.0/24"},
		// Storage.
		"0x21000024FF000001":                     {hba},
		"21:00:00:24:ff:00:00:01":                {hba},
		"IQN.2026-01.test.host:H1":               {"initiatorport:iqn.2026-01.test.host:h1"},
		"iqn.2026-01.test.array:a":               {"targetport:iqn.2026-01.test.array:a,192.0.2.50:3260"},
		"naa.60000000000000000000000000000001":   {unit},
		"360000000000000000000000000000001":      {unit},
		"wwn-0x60000000000000000000000000000001": {unit},
		"/img/web.qcow2":                         {"volume:11111111-0000-4000-8000-000000000001//img/web.qcow2"},
		// A device and its interface, by any of the device's words.
		"leaf1/Ethernet1/1":             {port1},
		"leaf1 ethernet1/1":             {port1},
		"leaf2:Ethernet1/1":             {port2},
		"02:00:00:00:00:01/Ethernet1/1": {port1},
		"leaf1/ifIndex9":                {"port:02:00:00:00:00:01/ifIndex9"},
		"h1/eth0":                       {nic},
		"to h1":                         {port1},
		// Several: all are listed, the kinds in order.
		"Ethernet1/1": {port1, port2},
		// Keys.
		port1:        {port1},
		vm:           {vm},
		"neighbor:x": {"neighbor:x"},
		// Nothing.
		"":                nil,
		"leaf3":           nil,
		"leaf3/Ethernet1": nil,
		"leaf1/":          nil,
		"/Ethernet1/1":    nil,
		"web":             nil,
	} {
		var got []string
		for _, m := range s.Find(what) {
			got = append(got, m.Node.Key().String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q finds %q, want %q", what, got, want)
		}
	}
}

func TestFind_tellsByWhat(t *testing.T) {
	t.Parallel()
	s := graph(t, foundIn)
	for what, want := range map[string]topology.Attr{
		"web-07": topology.AttrName, "leaf1": topology.AttrHandle, "to h1": topology.AttrIfAlias, "192.0.2.7": topology.AttrAddress, "neighbor:x": 0,
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6": 0,
	} {
		if ms := s.Find(what); len(ms) != 1 || ms[0].Attr != want {
			t.Errorf("%q is found as %v, want once by %s", what, ms, want)
		}
	}
}

func TestFind_sharedWordsAreAllListed(t *testing.T) {
	t.Parallel()
	s := graph(t, `
port:b/1 ifName=db
vm:2 name=DB
host:h name=db
vm:1 name=db
vdisk:1/vda name=db
`)
	var got []string
	for _, m := range s.Find("db") {
		got = append(got, m.Node.Key().String())
	}
	if want := []string{"vm:1", "vm:2", "host:h", "vdisk:1/vda", "port:b/1"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestFind_survivesHostileQueries(t *testing.T) {
	t.Parallel()
	s := graph(t, foundIn)
	for _, what := range append(hostile(), strings.Repeat("/", 1<<20), strings.Repeat("leaf1 ", 1<<16), "port:", "port:\xff", "@h1", "%") {
		if strings.TrimSpace(what) != what {
			continue // blanks around a word are nobody's
		}
		for _, m := range s.Find(what) {
			t.Errorf("%.40q finds %s", what, m.Node.Key())
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		for _, m := range s.Find(rapid.String().Draw(t, "what")) {
			if m.Node.IsZero() || m.Node.Key().IsZero() {
				t.Fatal("a match of nothing")
			}
		}
	})
}
