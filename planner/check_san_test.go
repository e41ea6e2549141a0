package planner_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/planner"
)

// portal is a disk on a unit that both hosts reach over IP, in a VLAN of its own.
const portal = `vm:v Contains vdisk:v/vdc
vdisk:v/vdc job=none
vdisk:v/vdc cache=none
vdisk:v/vdc StoredOn logicalunit:naa.600a0b80000000000000000000000009
logicalunit:naa.600a0b80000000000000000000000009 designator=naa.600a0b80000000000000000000000009
array:t name=t
array:t Contains logicalunit:naa.600a0b80000000000000000000000009
array:t Contains targetport:iqn.2026-01.test:t,192.0.2.50:3260
targetport:iqn.2026-01.test:t,192.0.2.50:3260 portal=192.0.2.50:3260,1
array:t Contains mapping:t/iqn.2026-01.test:t/1
mapping:t/iqn.2026-01.test:t/1 MapsUnit logicalunit:naa.600a0b80000000000000000000000009
mapping:t/iqn.2026-01.test:t/1 MapsTarget targetport:iqn.2026-01.test:t,192.0.2.50:3260
mapping:t/iqn.2026-01.test:t/1 MapsInitiator initiatorport:iqn.2026-01.test:a
mapping:t/iqn.2026-01.test:t/1 MapsInitiator initiatorport:iqn.2026-01.test:b
mapping:t/iqn.2026-01.test:t/1 lun=1
array:t Contains port:t/1
port:t/1 ifName=t1
port:t/1 address=192.0.2.50/24
port:t/1 mtu=9000
port:t/1 Link port:st/3 ~95
array:t Contains route:t/default/192.0.2.0%2F24/t1
route:t/default/192.0.2.0%2F24/t1 prefix=192.0.2.0/24
route:t/default/192.0.2.0%2F24/t1 RoutesVia port:t/1
filtertext:sto AppliesTo array:t
switch:st name=st
filtertext:sto AppliesTo switch:st
filtertext:sto state=parsed
switch:st Contains port:st/3
port:st/3 pvid=20
port:st/3 untagged=20
port:st/3 mtu=9000
host:a Contains initiatorport:iqn.2026-01.test:a
host:a Contains nic:a/st0
nic:a/st0 ifName=st0
nic:a/st0 state=up
nic:a/st0 address=192.0.2.21/24
nic:a/st0 mtu=9000
nic:a/st0 speedBits=10000000000
nic:a/st0 Link port:st/1 ~95
host:a Contains route:a/default/192.0.2.0%2F24/st0
route:a/default/192.0.2.0%2F24/st0 prefix=192.0.2.0/24
route:a/default/192.0.2.0%2F24/st0 RoutesVia nic:a/st0
switch:st Contains port:st/1
port:st/1 pvid=20
port:st/1 untagged=20
port:st/1 mtu=9000
filtertext:sto AppliesTo host:a
host:b Contains initiatorport:iqn.2026-01.test:b
host:b Contains nic:b/st0
nic:b/st0 ifName=st0
nic:b/st0 state=up
nic:b/st0 address=192.0.2.22/24
nic:b/st0 mtu=9000
nic:b/st0 speedBits=10000000000
nic:b/st0 Link port:st/2 ~95
host:b Contains route:b/default/192.0.2.0%2F24/st0
route:b/default/192.0.2.0%2F24/st0 prefix=192.0.2.0/24
route:b/default/192.0.2.0%2F24/st0 RoutesVia nic:b/st0
switch:st Contains port:st/2
port:st/2 pvid=20
port:st/2 untagged=20
port:st/2 mtu=9000
filtertext:sto AppliesTo host:b
`

// The parts of the estate that cases change.
const (
	unit   = "logicalunit:naa.600a0b80000000000000000000000001"
	zone1  = "fczone:m1/50/active/z zoneMember=pwwn "
	zone2  = "fczone:m2/51/active/z zoneMember=pwwn "
	mapped = "mapping:s/m MapsInitiator initiatorport:"
	b1, b2 = "10:00:00:00:00:00:00:b1", "10:00:00:00:00:00:00:b2"
	oneMap = "mapping:s/m MapsUnit " + unit
	queued = unit + " queueing=test features='0' hwhandler='1 alua' policy='service-time 0'\n"

	far     = "targetport:iqn.2026-01.test:t,192.0.2.50:3260"
	logged1 = "fcport:" + b1 + " LoggedIn fcport:m1/fc2"
	logged2 = "fcport:" + b2 + " LoggedIn fcport:m2/fc2"

	// What the name servers of both fabrics have: the source's ports alone.
	nameServers = "fcport:10:00:00:00:00:00:00:a1 MemberOf fcfabric:m1/50\nfcport:10:00:00:00:00:00:00:a2 MemberOf fcfabric:m2/51\n"
)

// less takes lines away.
func less(lines ...string) string { return "-" + strings.Join(lines, "\n-") + "\n" }

// rails is what makes the rails of storage known to the end: no disk on what a server has, and the source's sessions.
const rails = `-vm:v Contains vdisk:v/vdb
initiatorport:10:00:00:00:00:00:00:a1 Nexus targetport:50:00:00:00:00:00:00:01
initiatorport:10:00:00:00:00:00:00:a2 Nexus targetport:50:00:00:00:00:00:00:02
targetport:50:00:00:00:00:00:00:01 Exports logicalunit:naa.600a0b80000000000000000000000001
targetport:50:00:00:00:00:00:00:02 Exports logicalunit:naa.600a0b80000000000000000000000001
`

// other is another VM with a disk on the same unit.
const other = `vm:w name=db-01
vm:w RunsOn host:c
host:c name=c
vm:w Contains vdisk:w/vda
vdisk:w/vda StoredOn ` + unit + "\n"

func storageCases() []checkCase {
	return slices.Concat(fabricCases(), arrayCases(), pathCases(), hostStorageCases())
}

func fabricCases() []checkCase {
	const way1 = "naa.600a0b80000000000000000000000001 by " + b1 + " of b and 50:00:00:00:00:00:00:01 in VSAN 50 of m1: "
	const way2 = "naa.600a0b80000000000000000000000001 by " + b2 + " of b and 50:00:00:00:00:00:00:02 in VSAN 51 of m2: "
	return []checkCase{
		{code: "SAN-1", name: "logged in", want: "pass: web-07: the target is logged in where the VM's units are"},
		{
			code: "SAN-1", name: "in one fabric", changes: nameServers + less(logged2),
			want: "warn: " + way2 + b2 + " is not logged in to VSAN 51 of m2; 1 of 2 paths are left",
		},
		{
			code: "SAN-1", name: "in one fabric, where two are wanted", changes: nameServers + less(logged2), policy: planner.Policy{Redundancy: planner.Redundancy{Storage: 2}},
			want: "block: " + way2 + b2 + " is not logged in to VSAN 51 of m2",
		},
		{
			code: "SAN-1", name: "in none", changes: nameServers + less(logged1, logged2),
			want: "block: " + way1 + b1 + " is not logged in to VSAN 50 of m1\nblock: " + way2 + b2 + " is not logged in to VSAN 51 of m2",
		},
		{
			code: "SAN-1", name: "nobody says", changes: less(logged1, logged2),
			want: "unknown: " + way1 + "no source has a login of " + b1 + ": collect the FC switch at its other end\nunknown: " + way2 + "no source has a login of " + b2 + ": collect the FC switch at its other end",
		},
		{
			code: "SAN-1", name: "its ports are not known", changes: less("host:b Contains initiatorport:"+b1, "host:b Contains initiatorport:"+b2), also: []string{"SAN-2", "SAN-3", "SAN-4", "SAN-5", "SAN-9"},
			want: "unknown: naa.600a0b80000000000000000000000001 from b: no source says which initiator ports b has: read the host by libvirt or SSH",
		},
		{code: "SAN-1", name: "no unit", changes: less("vdisk:v/vda StoredOn volume:a//dev/mapper/mpatha"), also: storing, want: "unknown: no source says on which logical unit disk vda of web-07 is, or in which file: read a by libvirt and SSH"},

		{code: "SAN-2", name: "zoned", want: "pass: web-07: zones in force hold the target's initiators and the array's ports"},
		{code: "SAN-2", name: "in one fabric", changes: less(zone2 + b2), want: "warn: " + way2 + "no zone in force holds both; 1 of 2 paths are left"},
		{code: "SAN-2", name: "in none", changes: less(zone1+b1, zone2+b2), want: "block: " + way1 + "no zone in force holds both\nblock: " + way2 + "no zone in force holds both"},
		{
			code: "SAN-2", name: "in one that is not in force", changes: less(zone1+b1, zone2+b2) + "fcswitch:m1 Contains fczone:m1/50/full/z\nfczone:m1/50/full/z MemberOf fczoneset:m1/50/full/s\n" +
				"fczoneset:m1/50/full/s MemberOf fcfabric:m1/50\nfczone:m1/50/full/z zoneMember=pwwn " + b1 + "\nfczone:m1/50/full/z zoneMember=pwwn 50:00:00:00:00:00:00:01",
			want: "block: " + way1 + "no zone in force holds both\nblock: " + way2 + "no zone in force holds both",
		},
		{
			code: "SAN-2", name: "nobody says what is in force", changes: less("fczoneset:m1/50/active/s state=active", "fczoneset:m2/51/active/s state=active"),
			want: "unknown: " + way1 + "no source says which zones are in force in VSAN 50 of m1\nunknown: " + way2 + "no source says which zones are in force in VSAN 51 of m2",
		},

		{
			code: "SAN-5", name: "alike",
			want: "pass: b has no slower and no longer way through the fabric, as far as links between switches are known; load, and ports that do not take what they are sent, are not looked at",
		},
		{
			code: "SAN-5", name: "slower", changes: less("initiatorport:"+b2+" speedBits=16000000000") + "initiatorport:" + b2 + " speedBits=8000000000",
			want: "warn: the slowest port by which b reaches naa.600a0b80000000000000000000000001 has 8 Gbit/s, that of a has 16",
		},
		{
			code: "SAN-5", name: "farther", changes: less(logged1) + "fcswitch:m3 sysName=m3\nfcswitch:m3 Contains fcfabric:m3/50\nfcswitch:m3 Contains fcport:m3/fc1\nfcport:m3/fc1 MemberOf fcfabric:m3/50\n" +
				"fcport:" + b1 + " LoggedIn fcport:m3/fc1\nfcswitch:m3 Contains fcport:m3/fc9\nfcport:m3/fc9 MemberOf fcfabric:m3/50\nfcport:m3/fc9 state=up\n" +
				"fcswitch:m1 Contains fcport:m1/fc9\nfcport:m1/fc9 MemberOf fcfabric:m1/50\nfcport:m1/fc9 state=up\nfcport:m1/fc9 Link fcport:m3/fc9",
			want: "warn: b reaches naa.600a0b80000000000000000000000001 over up to 1 links between switches, a over 0",
		},
		{code: "SAN-5", name: "nobody says", changes: less("initiatorport:" + b2 + " speedBits=16000000000"), want: "unknown: no source says the speedBits of initiatorport " + b2},
	}
}

func arrayCases() []checkCase {
	const way1 = "naa.600a0b80000000000000000000000001 by " + b1 + " of b and 50:00:00:00:00:00:00:01 in VSAN 50 of m1: "
	const way2 = "naa.600a0b80000000000000000000000001 by " + b2 + " of b and 50:00:00:00:00:00:00:02 in VSAN 51 of m2: "
	return []checkCase{
		{code: "SAN-3", name: "mapped", want: "pass: the array shows the units of web-07 to b"},
		{code: "SAN-3", name: "over one fabric", changes: less(mapped + b2), want: "warn: " + way2 + "no mapping admits it; 1 of 2 paths are left"},
		{code: "SAN-3", name: "not", changes: less(mapped+b1, mapped+b2), want: "block: " + way1 + "no mapping admits it\nblock: " + way2 + "no mapping admits it"},
		{code: "SAN-3", name: "nobody says", changes: less(oneMap), also: storing, want: "unknown: naa.600a0b80000000000000000000000001 from b: no array says at which ports it shows naa.600a0b80000000000000000000000001, and to whom: collect it"},
		{
			code: "SAN-3", name: "for reading", changes: "mapping:s/m readOnly=true",
			want: "block: the array shows naa.600a0b80000000000000000000000001 to b read only, and web-07 writes to it",
		},
		{
			code: "SAN-3", name: "under another number, by which the disk is named", also: []string{"STO-6"},
			changes: less(mapped+b1, mapped+b2, "vdisk:v/vda source=/dev/mapper/mpatha") + "vdisk:v/vda source=/dev/disk/by-path/pci-0000:3b:00.0-fc-0x5000000000000001-lun-3\n" +
				"array:s Contains mapping:s/n\nmapping:s/n MapsUnit " + unit + "\nmapping:s/n lun=7\nmapping:s/n MapsInitiator initiatorport:" + b1 + "\nmapping:s/n MapsInitiator initiatorport:" + b2,
			want: "block: disk vda of web-07 names /dev/disk/by-path/pci-0000:3b:00.0-fc-0x5000000000000001-lun-3; the unit has number 3 for a, and 7 for b",
		},

		{code: "SAN-9", name: "to known hosts", want: "pass: the array shows the units of web-07 to nobody who may not see them"},
		{code: "SAN-9", name: "to nobody knows whom", changes: mapped + "10:00:00:00:00:00:00:ff", want: "warn: the array shows naa.600a0b80000000000000000000000001 to 10:00:00:00:00:00:00:ff, of which no source says whose it is"},
		{
			code: "SAN-9", name: "to a host that may not", changes: mapped + "10:00:00:00:00:00:00:c1\nhost:c Contains initiatorport:10:00:00:00:00:00:00:c1\nhost:c name=c",
			policy: planner.Policy{Units: []planner.UnitRule{{Name: "databases", Units: planner.Selector{"naa.600a0b8*"}, Hosts: planner.Selector{"a", "b"}}}},
			want:   "block: the array shows naa.600a0b80000000000000000000000001 to c, which may not see it by the policy (databases)",
		},
		{code: "SAN-9", name: "to all", changes: "mapping:s/m initiatorAddress=0.0.0.0/0", want: "warn: the array shows naa.600a0b80000000000000000000000001 to whoever asks from 0.0.0.0/0"},
		{code: "SAN-9", name: "nobody says", changes: less(oneMap), also: storing, want: "unknown: no array says to whom it shows naa.600a0b80000000000000000000000001: collect it"},

		{code: "SAN-10", name: "nobody else", want: "pass: no other VM that is known writes to the disks of web-07"},
		{code: "SAN-10", name: "another VM", changes: other + "vm:w state=running", want: "block: disk vda of web-07 is a disk of db-01, too, which is running, and they do not both say that they share it"},
		{code: "SAN-10", name: "another VM that is off", changes: other + "vm:w state=shutoff", want: "warn: disk vda of web-07 is a disk of db-01, too, which is shutoff"},
		{
			code: "SAN-10", name: "shared", changes: other + "vdisk:v/vda shareable=true\nvdisk:w/vda shareable=true",
			want: "warn: disk vda of web-07 is shared with db-01: that they do not spoil each other's writes is their own business",
		},
		{
			code: "SAN-10", name: "reserved", changes: unit + " unparsed=s: persistent reservation of 0x1",
			want: "unknown: " + way1 + "of logicalunit naa.600a0b80000000000000000000000001 nobody understood s: persistent reservation of 0x1\nunknown: " + way2 + "of logicalunit naa.600a0b80000000000000000000000001 nobody understood s: persistent reservation of 0x1",
		},
	}
}

func pathCases() []checkCase {
	const over = "naa.600a0b80000000000000000000000009 by iqn.2026-01.test:b of b and iqn.2026-01.test:t,192.0.2.50:3260"
	const mine = "port:st/2 pvid=20\nport:st/2 untagged=20\n"
	return []checkCase{
		{
			code: "SAN-4", name: "as many",
			want: "pass: b has 2 paths over 2 fabrics or subnets to naa.600a0b80000000000000000000000001; from a it has 2 paths over 2 fabrics or subnets",
		},
		{
			code: "SAN-4", name: "fewer than are wanted", policy: planner.Policy{Redundancy: planner.Redundancy{Storage: 3}},
			want: "block: b has 2 paths over 2 fabrics or subnets to naa.600a0b80000000000000000000000001; from a it has 2 paths over 2 fabrics or subnets; the policy wants 3",
		},
		{
			code: "SAN-4", name: "paths that failed", changes: "host:b handle=hb\n" + unit + " pathState=hb 3:0:0:1 sdb failed faulty",
			want: "block: naa.600a0b80000000000000000000000001 by " + b1 + " of b and 50:00:00:00:00:00:00:01 in VSAN 50 of m1: b has no working path to naa.600a0b80000000000000000000000001 there: 3:0:0:1 sdb failed faulty\n" +
				"block: naa.600a0b80000000000000000000000001 by " + b2 + " of b and 50:00:00:00:00:00:00:02 in VSAN 51 of m2: b has no working path to naa.600a0b80000000000000000000000001 there: 3:0:0:1 sdb failed faulty",
		},
		{
			code: "SAN-4", name: "paths of which some failed", changes: "host:b handle=hb\n" + unit + " pathState=hb 3:0:0:1 sdb failed faulty\n" + unit + " pathState=hb 4:0:0:1 sdc active ready",
			want: "unknown: naa.600a0b80000000000000000000000001 by " + b1 + " of b and 50:00:00:00:00:00:00:01 in VSAN 50 of m1: a path of b to naa.600a0b80000000000000000000000001 has failed (3:0:0:1 sdb failed faulty), and it may be this one\n" +
				"unknown: naa.600a0b80000000000000000000000001 by " + b2 + " of b and 50:00:00:00:00:00:00:02 in VSAN 51 of m2: a path of b to naa.600a0b80000000000000000000000001 has failed (3:0:0:1 sdb failed faulty), and it may be this one",
		},
		{
			code: "SAN-4", name: "ports that the array does not prefer", changes: "initiatorport:" + b1 + " state=linkdown\ntargetport:50:00:00:00:00:00:00:01 accessState=active/optimized\ntargetport:50:00:00:00:00:00:00:02 accessState=active/non-optimized",
			also: []string{"SAN-1"}, want: "warn: b has 2 paths over 2 fabrics or subnets to naa.600a0b80000000000000000000000001; from a it has 2 paths over 2 fabrics or subnets, none of them over a port that the array prefers",
		},

		{code: "SAN-6", name: "no such unit", want: "pass: no disk of web-07 is on a unit over iSCSI"},
		{code: "SAN-6", name: "reached", also: []string{"NET-9"}, changes: portal, want: "pass: web-07: the target reaches the portals of its units, with packets of full size"},
		{code: "SAN-6", name: "not mapped is another check's", changes: strings.ReplaceAll(portal, "mapping:t/iqn.2026-01.test:t/1 MapsInitiator initiatorport:iqn.2026-01.test:b\n", ""), also: []string{"NET-9", "SAN-3"}, want: "pass: web-07: the target reaches the portals of its units, with packets of full size"},
		{code: "SAN-6", name: "a port that is down", policy: stored, changes: portal + "port:st/2 state=down", want: "block: " + over + " in 192.0.2.0/24: from 192.0.2.22 (st0) to 192.0.2.50, there: state is down"},
		{
			code: "SAN-6", name: "another VLAN", also: []string{"NET-9"}, changes: strings.ReplaceAll(portal, mine, strings.ReplaceAll(mine, "=20", "=30")),
			want: "block: " + over + " in 192.0.2.0/24: from 192.0.2.22 (st0) to 192.0.2.50, there: VLAN 30 gets to st and no further; t is behind st 3, in VLAN 20",
		},
		{
			code: "SAN-6", name: "another VLAN, and a port that leads nobody knows where", also: []string{"NET-9"}, changes: strings.ReplaceAll(portal, mine, strings.ReplaceAll(mine, "=20", "=30")) + "\nswitch:st Contains port:st/9\nport:st/9 tagged=20,30",
			want: "unknown: " + over + " in 192.0.2.0/24: from 192.0.2.22 (st0) to 192.0.2.50, there: no gateway of VLAN 30 is known behind st: collect the router or firewall that routes it",
		},
		{
			code: "SAN-6", name: "small packets alone", policy: stored, changes: strings.ReplaceAll(portal, "port:st/2 mtu=9000", "port:st/2 mtu=1500"),
			want: "block: " + over + ": packets of more than 1500 octets do not fit at 2 of st, and up to 9000 are sent: they are lost there without a word",
		},
		{code: "SAN-6", name: "nobody says which packets fit", also: []string{"NET-9"}, changes: strings.ReplaceAll(portal, "port:st/2 mtu=9000\n", ""), want: "unknown: " + over + ": no source says how large packets may be at 2 of st"},
		{code: "SAN-6", name: "an account", also: []string{"NET-9"}, changes: portal + far + " unparsed=line 9: account lab", want: "unknown: " + over + " in 192.0.2.0/24: of " + far[:10] + " " + far[11:] + " nobody understood line 9: account lab"},
	}
}

func hostStorageCases() []checkCase {
	const there = unit + " queueing=hb features='1 queue_if_no_path' hwhandler='1 alua' policy='service-time 0'"
	return []checkCase{
		{code: "SAN-7", name: "mounted", want: "pass: b has mounted what holds the disks of web-07"},
		{
			code: "SAN-7", name: "by another version", changes: "storagepool:a/images protocol=nfs 4.2\nstoragepool:b/images protocol=nfs 3",
			want: "warn: a has nfs1:/export mounted as nfs 4.2, b as nfs 3: they lock files otherwise",
		},
		{
			code: "SAN-7", name: "not mounted", changes: less("storagepool:b/images state=active") + "storagepool:b/images state=inactive", also: []string{"STO-1"},
			want: "unknown: b has not mounted nfs1:/export, on which disk vdb of web-07 is, and nobody reads whom its server admits",
		},

		{code: "SAN-8", name: "alike", want: "pass: multipath treats the units of web-07 alike on both hosts"},
		{
			code: "SAN-8", name: "otherwise", changes: less(strings.TrimSpace(queued)) + "host:a handle=ha\nhost:b handle=hb\n" + there + "\n" + strings.Replace(queued, "=test", "=ha", 1),
			want: "warn: multipath treats naa.600a0b80000000000000000000000001 otherwise on b (features='1 queue_if_no_path' hwhandler='1 alua' policy='service-time 0') than on a (features='0' hwhandler='1 alua' policy='service-time 0')",
		},
		{
			code: "SAN-8", name: "nobody asked the target", changes: unread, also: listers,
			want: "unknown: nobody has read the whole table multipath of host b by ssh: collect it",
		},
	}
}

// stored does not follow the flows of the VM: its own subnet is on the switch of the array, too.
var stored = planner.Policy{Disabled: []planner.Disabled{{Check: "NET-9", Reason: "the units alone are looked at"}}}

// TestMigrate_mendsPortals: where units are masked by address, the target's is admitted; and what keeps it from a portal by its own cable is a VLAN on the port behind it.
func TestMigrate_mendsPortals(t *testing.T) {
	t.Parallel()
	byName := "mapping:t/iqn.2026-01.test:t/1 MapsInitiator initiatorport:iqn.2026-01.test:"
	byAddress := strings.NewReplacer(byName+"a\n", "mapping:t/iqn.2026-01.test:t/1 initiatorAddress=192.0.2.21/32\n", byName+"b\n", "").Replace(portal)
	const inVLAN = "nic:b/st0 vid=20\n"
	untagged, tagged := "port:st/2 pvid=20\nport:st/2 untagged=20\n", "port:st/2 pvid=1\nport:st/2 untagged=1\nport:st/2 tagged=30\n"
	for _, c := range []struct{ code, changes, want string }{
		{"SAN-3", byAddress, "admit 192.0.2.22 of b to target iqn.2026-01.test:t of t"},
		{"SAN-6", strings.Replace(portal, untagged, tagged, 1) + inVLAN, "tag VLAN 20 on st 2"},
	} {
		mends(t, c.changes, c.code, c.want)
	}
}
