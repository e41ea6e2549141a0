package topology_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRails_storage(t *testing.T) {
	t.Parallel()
	const fc = `
vm:v Contains vdisk:v/a
vm:v RunsOn host:h
vdisk:v/a StoredOn logicalunit:u
host:h Contains initiatorport:21:00:00:24:ff:00:00:01
host:h Contains initiatorport:21:00:00:24:ff:00:00:02
targetport:t1 Exports logicalunit:u
targetport:t2 Exports logicalunit:u
host:h handle=test
`
	const iscsi = `
vm:v Contains vdisk:v/a
vm:v RunsOn host:h
vdisk:v/a StoredOn logicalunit:u
host:h Contains initiatorport:iqn.h
host:h handle=test
targetport:iqn.t,1 Exports logicalunit:u
targetport:iqn.t,2 Exports logicalunit:u
initiatorport:iqn.h Nexus targetport:iqn.t,1
initiatorport:iqn.h Nexus targetport:iqn.t,2`
	const others = `
vm:v Contains vdisk:v/a
vm:v RunsOn host:h
vdisk:v/a StoredOn logicalunit:u
host:h Contains initiatorport:21:00:00:24:ff:00:00:01
initiatorport:21:00:00:24:ff:00:00:01 Nexus targetport:t1
host:h handle=h
libvirt nodeDevices g:
targetport:t1 Exports logicalunit:u
`
	for _, c := range []struct{ name, facts, want string }{
		{"nothing is known", "vm:v Contains vdisk:v/a", `
storage 0 independent
  v/a
    ... no source says what v/a is stored on: read the host by libvirt
`},
		{"an empty drive", "vdisk:v/a deviceType=cdrom", `
storage 1 independent
  v/a .
`},
		{"a file", "vdisk:v/a StoredOn volume:h//img/a.qcow2", `
storage 1 independent
  v/a > h//img/a.qcow2 .
`},
		{"a file in a directory", "vdisk:v/a StoredOn volume:h//img/a\nstoragepool:h/p Contains volume:h//img/a\nstoragepool:h/p poolType=dir", `
storage 1 independent
  v/a > h//img/a > h/p .
`},
		{"a pool that is not started", "vdisk:v/a StoredOn volume:h//img/a\nstoragepool:h/p Contains volume:h//img/a\nstoragepool:h/p poolType=dir\nstoragepool:h/p state=inactive", `
storage 0 independent
  v/a > h//img/a > h/p X(pool is inactive) .
`},
		{"a pool of no type", "vdisk:v/a StoredOn volume:h//img/a\nstoragepool:h/p Contains volume:h//img/a", `
storage 0 independent
  v/a > h//img/a > h/p
    ... no source says of what type pool p is: read the host's pools by libvirt
`},
		{"a pool over a network", "vdisk:v/a StoredOn volume:h//img/a\nstoragepool:h/p Contains volume:h//img/a\nstoragepool:h/p poolType=netfs\nstoragepool:h/p sourceHost=nas1", `
storage 0 independent
  v/a > h//img/a > h/p
    ... the netfs pool is served by nas1: collect it to see the volume behind
`},
		{"a volume group on a device that is nobody's", "vdisk:v/a StoredOn volume:h//dev/vg/a\nstoragepool:h/p Contains volume:h//dev/vg/a\nstoragepool:h/p poolType=logical\nstoragepool:h/p StoredOn volume:h//dev/sdb", `
storage 0 independent
  v/a > h//dev/vg/a > h/p > h//dev/sdb
    ... no source says what device /dev/sdb is: read the host by SSH
`},
		{"a block device that is nobody's", "vdisk:v/a StoredOn volume:h//dev/sdb", `
storage 0 independent
  v/a > h//dev/sdb
    ... no source says what device /dev/sdb is: read the host by SSH
`},
		{"what a server offers", "vdisk:v/a StoredOn volume:rbd:mon1/pool/a\nvolume:rbd:mon1/pool/a protocol=rbd\nvolume:rbd:mon1/pool/a sourceHost=mon1", `
storage 0 independent
  v/a > rbd:mon1/pool/a
    ... it is served by mon1 over rbd: nothing collects that server
`},
		{"a file over another: both are needed", "vdisk:v/a StoredOn volume:h//o/a\nvolume:h//o/a backingPath=/b/base\nvolume:h//o/a StoredOn volume:h//b/base\nstoragepool:h/p Contains volume:h//o/a\nstoragepool:h/p poolType=dir", `
storage 1 independent
  v/a > h//o/a > h/p .
  v/a > h//o/a > h//b/base .
`},
		{"a target whose unit is not known", "vdisk:v/a StoredOn volume:h//x\nstoragepool:h/p Contains volume:h//x\nstoragepool:h/p StoredOn targetport:iqn", `
storage 0 independent
  v/a > h//x > h/p > iqn
    ... no source says which logical unit behind iqn it is: collect the array, or the host by SSH
`},
		{"two ports to two ports", fc + "initiatorport:21:00:00:24:ff:00:00:01 Nexus targetport:t1\ninitiatorport:21:00:00:24:ff:00:00:02 Nexus targetport:t2", `
storage 2 independent
  v/a > u > t1 > 21:00:00:24:ff:00:00:01 .
  v/a > u > t2 > 21:00:00:24:ff:00:00:02 .
`},
		{"one port to two ports", fc + "initiatorport:21:00:00:24:ff:00:00:01 Nexus targetport:t1\ninitiatorport:21:00:00:24:ff:00:00:01 Nexus targetport:t2", `
storage 1 independent
  v/a > u > t1 > 21:00:00:24:ff:00:00:01 .
  v/a > u > t2 > 21:00:00:24:ff:00:00:01 .
`},
		{"paths that the device mapper has given up", fc + "initiatorport:21:00:00:24:ff:00:00:01 Nexus targetport:t1\ninitiatorport:21:00:00:24:ff:00:00:02 Nexus targetport:t2\n" +
			"initiatorport:21:00:00:24:ff:00:00:01 deviceName=host3\ninitiatorport:21:00:00:24:ff:00:00:02 deviceName=host4\n" +
			"logicalunit:u pathState=test 3:0:0:1 sdb failed faulty\nlogicalunit:u pathState=test 4:0:0:1 sdc active ready", `
storage 1 independent
  v/a > u > t2 > 21:00:00:24:ff:00:00:02 .
  v/a > u > t1 > 21:00:00:24:ff:00:00:01 X(test has no working path to u there: 3:0:0:1 sdb failed faulty) .
`},
		{"one of two paths over one adapter", fc + "initiatorport:21:00:00:24:ff:00:00:01 Nexus targetport:t1\ninitiatorport:21:00:00:24:ff:00:00:02 Nexus targetport:t2\n" +
			"initiatorport:21:00:00:24:ff:00:00:01 deviceName=host3\ninitiatorport:21:00:00:24:ff:00:00:02 deviceName=host4\n" +
			"logicalunit:u pathState=test 3:0:0:1 sdb active ready\nlogicalunit:u pathState=test 3:0:1:1 sdc active faulty\nlogicalunit:u pathState=g 4:0:0:1 sdc failed faulty", `
storage 1 independent
  v/a > u > t2 > 21:00:00:24:ff:00:00:02 .
  v/a > u > t1 > 21:00:00:24:ff:00:00:01 ?(a path of test to u has failed (3:0:1:1 sdc active faulty), and it may be this one)
    ... its end is known, but not all of the way: a path of test to u has failed (3:0:1:1 sdc active faulty), and it may be this one
`},
		{"one of two iSCSI sessions that is broken", iscsi + "\nlogicalunit:u pathState=test 12:0:0:7 sde LOGGED_IN running iqn.t,1\nlogicalunit:u pathState=test 13:0:0:7 sdf FAILED transport-offline iqn.t,2\n" +
			"logicalunit:u pathState=test 13:0:0:7 sdf active ready", `
storage 1 independent
  v/a > u > iqn.t,1 > iqn.h .
  v/a > u > iqn.t,2 > iqn.h X(test has no working path to u there: 13:0:0:7 sdf FAILED transport-offline) .
`},
		{"an iSCSI disk that is offline though its session stands", iscsi + "\nlogicalunit:u pathState=test 12:0:0:7 sde LOGGED_IN offline iqn.t,1\nlogicalunit:u pathState=test 13:0:0:7 sdf TRANSPORT_WAIT running iqn.t,2", `
storage 0 independent
  v/a > u > iqn.t,1 > iqn.h X(test has no working path to u there: 12:0:0:7 sde LOGGED_IN offline) .
  v/a > u > iqn.t,2 > iqn.h X(test has no working path to u there: 13:0:0:7 sdf TRANSPORT_WAIT running) .
`},
		{"an iSCSI session whose state nobody knows", iscsi + "\nlogicalunit:u pathState=test 12:0:0:7 sde unknown running iqn.t,1\nlogicalunit:u pathState=test 13:0:0:7 sdf LOGGED_IN running iqn.t,2", `
storage 1 independent
  v/a > u > iqn.t,2 > iqn.h .
  v/a > u > iqn.t,1 > iqn.h ?(test does not know whether its path to u works: 12:0:0:7 sde unknown running)
    ... its end is known, but not all of the way: test does not know whether its path to u works: 12:0:0:7 sde unknown running
`},
		{"a unit that another host knows by number alone", strings.ReplaceAll(others, "logicalunit:u", "logicalunit:g/iqn.2026-01.test:a/1") + "\nlibvirt nodeDevices h:\ntargetport:t1 Exports logicalunit:h/iqn.2026-01.test:a/1", `
storage 0 independent
  v/a > g/iqn.2026-01.test:a/1 > t1 > 21:00:00:24:ff:00:00:01 ?(g/iqn.2026-01.test:a/1 is a number that another initiator knows it by, and no designator tells whether h sees the same unit at t1)
    ... its end is known, but not all of the way: g/iqn.2026-01.test:a/1 is a number that another initiator knows it by, and no designator tells whether h sees the same unit at t1
`},
		{"a port that is offline", fc + "initiatorport:21:00:00:24:ff:00:00:01 Nexus targetport:t1\ninitiatorport:21:00:00:24:ff:00:00:02 Nexus targetport:t2\ninitiatorport:21:00:00:24:ff:00:00:02 state=linkdown", `
storage 1 independent
  v/a > u > t1 > 21:00:00:24:ff:00:00:01 .
  v/a > u > t2 > 21:00:00:24:ff:00:00:02 X(port is linkdown) .
`},
		{"sessions of other hosts alone", fc + "initiatorport:other Nexus targetport:t1\nhost:g Contains initiatorport:other", `
storage 0 independent
  v/a > u > t1
    ... no session to t1 is known: collect the array, or the host by SSH
  v/a > u > t2
    ... no session to t2 is known: collect the array, or the host by SSH
`},
		{"a session of nobody's initiator", fc + "initiatorport:other Nexus targetport:t1", `
storage 0 independent
  v/a > u > t2
    ... no session to t2 is known: collect the array, or the host by SSH
  v/a > u > t1 > other ?(no source says whose initiator other is)
    ... its end is known, but not all of the way: no source says whose initiator other is
`},
		{"a mapping that does not admit one port", fc + "initiatorport:21:00:00:24:ff:00:00:01 Nexus targetport:t1\ninitiatorport:21:00:00:24:ff:00:00:02 Nexus targetport:t2\n" +
			"mapping:m MapsUnit logicalunit:u\nmapping:m MapsInitiator initiatorport:21:00:00:24:ff:00:00:01\nmapping:m MapsTarget targetport:t1", `
storage 1 independent
  v/a > u > t1 > 21:00:00:24:ff:00:00:01 .
  v/a > u > t2 > 21:00:00:24:ff:00:00:02 X(no mapping of u admits 21:00:00:24:ff:00:00:02 at t2) .
`},
		{"one iSCSI name by two portals", iscsi, `
storage 2 independent
  v/a > u > iqn.t,1 > iqn.h .
  v/a > u > iqn.t,2 > iqn.h .
`},
		{"a disk on two units is as good as the worse", fc + "vdisk:v/a StoredOn logicalunit:w\ntargetport:t1 Exports logicalunit:w\ninitiatorport:21:00:00:24:ff:00:00:01 Nexus targetport:t1\n" +
			"initiatorport:21:00:00:24:ff:00:00:02 Nexus targetport:t2", `
storage 1 independent
  v/a > u > t1 > 21:00:00:24:ff:00:00:01 .
  v/a > u > t2 > 21:00:00:24:ff:00:00:02 .
  v/a > w > t1 > 21:00:00:24:ff:00:00:01 .
`},
		{"no array and no fabric", "vm:v Contains vdisk:v/a\nvm:v RunsOn host:h\nvdisk:v/a StoredOn logicalunit:u\nhost:h Contains initiatorport:21:00:00:24:ff:00:00:01\nhost:h Contains initiatorport:21:00:00:24:ff:00:00:02\n" +
			"host:h Contains initiatorport:21:00:00:24:ff:00:00:03\ninitiatorport:21:00:00:24:ff:00:00:01 fabricWWN=10:00:00:05:1e:00:00:01\ninitiatorport:21:00:00:24:ff:00:00:02 LoggedIn fcport:x/3\n" +
			"initiatorport:21:00:00:24:ff:00:00:03 Nexus targetport:t9", `
storage 0 independent
  v/a > u > 21:00:00:24:ff:00:00:01
    ... logged in to fabric 10:00:00:05:1e:00:00:01: collect a switch of that fabric and the array to see zones and masking
  v/a > u > 21:00:00:24:ff:00:00:02 > x/3
    ... zones and target ports of the fabric are not known: collect its switches and the array
  v/a > u > 21:00:00:24:ff:00:00:03 > t9
    ... no source says which logical units t9 exports: collect the array, or the host by SSH
`},
		{"other hosts alone say that the target has the unit", others, `
storage 0 independent
  v/a > u > t1 > 21:00:00:24:ff:00:00:01 ?(no reading of h says that it sees u at t1)
    ... its end is known, but not all of the way: no reading of h says that it sees u at t1
`},
		{"the host itself was read to the end and does not have the unit there", others + "\nlibvirt nodeDevices h:\nhost:h name=h", `
storage 0 independent
  v/a > u > t1 > 21:00:00:24:ff:00:00:01 X(h does not see u at t1: its nodeDevices were read to the end and do not have it) .
`},
		{"the session of a guest that has no disk there", "vm:v Contains vdisk:v/a\nvdisk:v/a StoredOn logicalunit:u\nvm:v Contains initiatorport:iqn.2026-01.test:v\ntargetport:t1 Exports logicalunit:u\n" +
			"vm:w Contains initiatorport:iqn.2026-01.test:w\ninitiatorport:iqn.2026-01.test:w Nexus targetport:t1\ninitiatorport:iqn.2026-01.test:v Nexus targetport:t1", `
storage 0 independent
  v/a > u > t1 ?(no source says at which address t1 is) > iqn.2026-01.test:v ?(no source says where v runs, and from there its sessions come)
    ... its end is known, but not all of the way: no source says at which address t1 is
`},
		{"a disk that the emulator reaches by one portal of two", "vm:v Contains vdisk:v/a\nvdisk:v/a protocol=iscsi\nvdisk:v/a sourceHost=192.0.2.1:3260\nvdisk:v/a StoredOn logicalunit:u\n" +
			"vm:v Contains initiatorport:iqn.2026-01.test:v\ntargetport:iqn.t,192.0.2.1:3260 Exports logicalunit:u\ntargetport:iqn.t,192.0.2.2:3260 Exports logicalunit:u\n" +
			"initiatorport:iqn.2026-01.test:v Nexus targetport:iqn.t,192.0.2.1:3260\ninitiatorport:iqn.2026-01.test:v Nexus targetport:iqn.t,192.0.2.2:3260", `
storage 0 independent
  v/a > u > iqn.t,192.0.2.1:3260 ?(no array says that it has iqn.t,192.0.2.1:3260, and whom it admits there: collect it) > iqn.2026-01.test:v ?(no source says where v runs, and from there its sessions come)
    ... its end is known, but not all of the way: no array says that it has iqn.t,192.0.2.1:3260, and whom it admits there: collect it
`},
		{"no array says that it has what a guest opens by number", "vm:v Contains vdisk:v/a\nvdisk:v/a StoredOn logicalunit:v/iqn.2026-01.test:a/1\nvm:v Contains initiatorport:iqn.2026-01.test:v\n" +
			"targetport:iqn.2026-01.test:a,192.0.2.1:3260 Exports logicalunit:v/iqn.2026-01.test:a/1\ninitiatorport:iqn.2026-01.test:v Nexus targetport:iqn.2026-01.test:a,192.0.2.1:3260", `
storage 0 independent
  v/a > v/iqn.2026-01.test:a/1 > iqn.2026-01.test:a,192.0.2.1:3260 ?(no array says that it has iqn.2026-01.test:a,192.0.2.1:3260, and whom it admits there: collect it) > iqn.2026-01.test:v ?(no array says that it has iqn.2026-01.test:a,192.0.2.1:3260, and whom it admits there: collect it)
    ... its end is known, but not all of the way: no array says that it has iqn.2026-01.test:a,192.0.2.1:3260, and whom it admits there: collect it
`},
		{"the portal of a disk is not among those that are known", "vdisk:v/a protocol=iscsi\nvdisk:v/a sourceHost=192.0.2.3:3260\nvdisk:v/a StoredOn logicalunit:u\ntargetport:iqn.t,192.0.2.1:3260 Exports logicalunit:u", `
storage 0 independent
  v/a > u
    ... no source says that u is exported at 192.0.2.3:3260: collect its array
`},
		{"nor does the kernel's session of the host count", "vm:v Contains vdisk:v/a\nvm:v RunsOn host:h\nhost:h Contains initiatorport:iqn.2026-01.test:h\ninitiatorport:iqn.2026-01.test:h Nexus targetport:iqn.t,192.0.2.1:3260\n" +
			"vdisk:v/a protocol=iscsi\nvdisk:v/a sourceHost=192.0.2.3\nvdisk:v/a StoredOn logicalunit:u\ntargetport:iqn.t,192.0.2.1:3260 Exports logicalunit:u", `
storage 0 independent
  v/a > u
    ... no source says that u is exported at 192.0.2.3:3260: collect its array
`},
		{"not even at the disk's own portal", "vm:v Contains vdisk:v/a\nvm:v RunsOn host:h\nhost:h Contains initiatorport:iqn.2026-01.test:h\ninitiatorport:iqn.2026-01.test:h Nexus targetport:iqn.t,[2001:db8::1]:3260\n" +
			"vdisk:v/a protocol=iscsi\nvdisk:v/a sourceHost=[2001:DB8:0::1]\nvdisk:v/a StoredOn logicalunit:u\ntargetport:iqn.t,[2001:db8::1]:3260 Exports logicalunit:u", `
storage 0 independent
  v/a > u > iqn.t,[2001:db8::1]:3260
    ... no session to iqn.t,[2001:db8::1]:3260 is known: collect the array, or the host by SSH
`},
		{"a host that is only set up to log in", iscsi + "\ninitiatorport:iqn.h Nexus targetport:iqn.t,3 ~20\ntargetport:iqn.t,3 Exports logicalunit:u", `
storage 2 independent
  v/a > u > iqn.t,1 > iqn.h .
  v/a > u > iqn.t,2 > iqn.h .
  v/a > u > iqn.t,3 > iqn.h ?(iqn.h is set up to log in to iqn.t,3, and no source has seen that it did: read its host by SSH)
    ... its end is known, but not all of the way: iqn.h is set up to log in to iqn.t,3, and no source has seen that it did: read its host by SSH
`},
		{"a unit of which the array does not say whether it is online", iscsi + "\nlogicalunit:u state=unknown", `
storage 0 independent
  v/a > u ?(its array does not say whether u is online) > iqn.t,1 > iqn.h
    ... its end is known, but not all of the way: its array does not say whether u is online
  v/a > u ?(its array does not say whether u is online) > iqn.t,2 > iqn.h
    ... its end is known, but not all of the way: its array does not say whether u is online
`},
		{"the volume of another host", "vm:v Contains vdisk:v/a\nvm:v RunsOn host:h\nhost:g name=g\nvdisk:v/a StoredOn volume:g//img/a", `
storage 0 independent
  v/a > g//img/a X(volume /img/a is of host g; h does not have it) .
`},
		{"a source that nothing lists", "vdisk:v/a sourceType=volume\nvdisk:v/a source=gone/x", `
storage 0 independent
  v/a
    ... no source says what volume "gone/x" is stored on: read the host's pools by libvirt
`},
		{"a protocol without servers", "vdisk:v/a StoredOn volume:h/rbd:/pool/a\nvolume:h/rbd:/pool/a protocol=rbd", `
storage 0 independent
  v/a > h/rbd:/pool/a
    ... no source says which servers offer it over rbd
`},
		{"a volume that is no path", "vdisk:v/a StoredOn volume:h/p/a", `
storage 0 independent
  v/a > h/p/a
    ... no source says what p/a is stored on: read the host's pools by libvirt
`},
		{"a volume group without devices", "vdisk:v/a StoredOn volume:h//dev/vg/a\nstoragepool:h/vg Contains volume:h//dev/vg/a\nstoragepool:h/vg poolType=logical", `
storage 0 independent
  v/a > h//dev/vg/a > h/vg
    ... no source says on what devices the logical pool vg is: read the host by SSH
`},
		{"a volume group on a device by name alone", "vdisk:v/a StoredOn volume:h//dev/vg/a\nstoragepool:h/vg Contains volume:h//dev/vg/a\nstoragepool:h/vg poolType=logical\nstoragepool:h/vg sourceDevice=/dev/sdb", `
storage 0 independent
  v/a > h//dev/vg/a > h/vg
    ... no source says what /dev/sdb below the logical pool is: read the host by SSH
`},
		{"a unit alone", "vdisk:v/a StoredOn logicalunit:u", `
storage 0 independent
  v/a > u
    ... no source says by which port u is exported: collect its array
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := rails(t, graph(t, c.facts), "vdisk:v/a")
			if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
