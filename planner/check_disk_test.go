package planner_test

import (
	"strings"

	"github.com/throughline-dc/throughline/planner"
)

// storageEstate is what the checks of storage ask about: a unit of an array over two fabrics, each with a switch, behind multipath; and a file of a server that both
// hosts have mounted.
const storageEstate = `fcswitch:m1 sysName=m1
fcswitch:m1 Contains fcfabric:m1/50
fcfabric:m1/50 forwardMode=zoning
fczone:m1/50/active/default-zone MemberOf fcfabric:m1/50
fczone:m1/50/active/default-zone state=deny
fczoneset:m1/50/active/s MemberOf fcfabric:m1/50
fczoneset:m1/50/active/s state=active
fcswitch:m1 Contains fczone:m1/50/active/z
fczone:m1/50/active/z MemberOf fczoneset:m1/50/active/s
fczone:m1/50/active/z name=z
fcswitch:m1 Contains fcport:m1/fc1
fcport:m1/fc1 ifName=fc1
fcport:m1/fc1 MemberOf fcfabric:m1/50
fcport:10:00:00:00:00:00:00:a1 LoggedIn fcport:m1/fc1
fczone:m1/50/active/z zoneMember=pwwn 10:00:00:00:00:00:00:a1
fcswitch:m1 Contains fcport:m1/fc2
fcport:m1/fc2 ifName=fc2
fcport:m1/fc2 MemberOf fcfabric:m1/50
fcport:10:00:00:00:00:00:00:b1 LoggedIn fcport:m1/fc2
fczone:m1/50/active/z zoneMember=pwwn 10:00:00:00:00:00:00:b1
fcswitch:m1 Contains fcport:m1/fc3
fcport:m1/fc3 ifName=fc3
fcport:m1/fc3 MemberOf fcfabric:m1/50
fcport:50:00:00:00:00:00:00:01 LoggedIn fcport:m1/fc3
fczone:m1/50/active/z zoneMember=pwwn 50:00:00:00:00:00:00:01
fcswitch:m2 sysName=m2
fcswitch:m2 Contains fcfabric:m2/51
fcfabric:m2/51 forwardMode=zoning
fczone:m2/51/active/default-zone MemberOf fcfabric:m2/51
fczone:m2/51/active/default-zone state=deny
fczoneset:m2/51/active/s MemberOf fcfabric:m2/51
fczoneset:m2/51/active/s state=active
fcswitch:m2 Contains fczone:m2/51/active/z
fczone:m2/51/active/z MemberOf fczoneset:m2/51/active/s
fczone:m2/51/active/z name=z
fcswitch:m2 Contains fcport:m2/fc1
fcport:m2/fc1 ifName=fc1
fcport:m2/fc1 MemberOf fcfabric:m2/51
fcport:10:00:00:00:00:00:00:a2 LoggedIn fcport:m2/fc1
fczone:m2/51/active/z zoneMember=pwwn 10:00:00:00:00:00:00:a2
fcswitch:m2 Contains fcport:m2/fc2
fcport:m2/fc2 ifName=fc2
fcport:m2/fc2 MemberOf fcfabric:m2/51
fcport:10:00:00:00:00:00:00:b2 LoggedIn fcport:m2/fc2
fczone:m2/51/active/z zoneMember=pwwn 10:00:00:00:00:00:00:b2
fcswitch:m2 Contains fcport:m2/fc3
fcport:m2/fc3 ifName=fc3
fcport:m2/fc3 MemberOf fcfabric:m2/51
fcport:50:00:00:00:00:00:00:02 LoggedIn fcport:m2/fc3
fczone:m2/51/active/z zoneMember=pwwn 50:00:00:00:00:00:00:02
host:a Contains initiatorport:10:00:00:00:00:00:00:a1
initiatorport:10:00:00:00:00:00:00:a1 speedBits=16000000000
host:a Contains initiatorport:10:00:00:00:00:00:00:a2
initiatorport:10:00:00:00:00:00:00:a2 speedBits=16000000000
host:b Contains initiatorport:10:00:00:00:00:00:00:b1
initiatorport:10:00:00:00:00:00:00:b1 speedBits=16000000000
host:b Contains initiatorport:10:00:00:00:00:00:00:b2
initiatorport:10:00:00:00:00:00:00:b2 speedBits=16000000000
array:s name=s
array:s Contains targetport:50:00:00:00:00:00:00:01
array:s Contains targetport:50:00:00:00:00:00:00:02
array:s Contains logicalunit:naa.600a0b80000000000000000000000001
logicalunit:naa.600a0b80000000000000000000000001 designator=naa.600a0b80000000000000000000000001
array:s Contains mapping:s/m
mapping:s/m MapsUnit logicalunit:naa.600a0b80000000000000000000000001
mapping:s/m lun=3
mapping:s/m MapsTarget targetport:50:00:00:00:00:00:00:01
mapping:s/m MapsTarget targetport:50:00:00:00:00:00:00:02
mapping:s/m MapsInitiator initiatorport:10:00:00:00:00:00:00:a1
mapping:s/m MapsInitiator initiatorport:10:00:00:00:00:00:00:a2
mapping:s/m MapsInitiator initiatorport:10:00:00:00:00:00:00:b1
mapping:s/m MapsInitiator initiatorport:10:00:00:00:00:00:00:b2
volume:a//dev/mapper/mpatha StoredOn logicalunit:naa.600a0b80000000000000000000000001
logicalunit:naa.600a0b80000000000000000000000001 queueing=test features='0' hwhandler='1 alua' policy='service-time 0'
host:a Contains storagepool:a/images
storagepool:a/images name=images
storagepool:a/images poolType=netfs
storagepool:a/images state=active
storagepool:a/images sourceHost=nfs1
storagepool:a/images sourceDir=/export
storagepool:a/images path=/srv/images
storagepool:a/images availableBytes=1099511627776
volume:b//dev/mapper/mpatha StoredOn logicalunit:naa.600a0b80000000000000000000000001
host:b Contains storagepool:b/images
storagepool:b/images name=images
storagepool:b/images poolType=netfs
storagepool:b/images state=active
storagepool:b/images sourceHost=nfs1
storagepool:b/images sourceDir=/export
storagepool:b/images path=/srv/images
storagepool:b/images availableBytes=1099511627776
storagepool:a/images Contains volume:a//srv/images/web.qcow2
volume:a//srv/images/web.qcow2 path=/srv/images/web.qcow2
volume:a//srv/images/web.qcow2 capacityBytes=107374182400
vdisk:v/vda deviceType=disk
vdisk:v/vda sourceType=block
vdisk:v/vda source=/dev/mapper/mpatha
vdisk:v/vda cache=none
vdisk:v/vda StoredOn volume:a//dev/mapper/mpatha
vm:v Contains vdisk:v/vdb
vdisk:v/vdb job=none
vdisk:v/vdb deviceType=disk
vdisk:v/vdb sourceType=file
vdisk:v/vdb source=/srv/images/web.qcow2
vdisk:v/vdb cache=none
vdisk:v/vdb StoredOn volume:a//srv/images/web.qcow2
vm:v snapshots=false
`

// local is a disk in a folder that the source's own file system holds.
const local = `vm:v Contains vdisk:v/vdc
vdisk:v/vdc job=none
vdisk:v/vdc sourceType=file
vdisk:v/vdc source=/var/lib/images/c.qcow2
vdisk:v/vdc cache=none
vdisk:v/vdc StoredOn volume:a//var/lib/images/c.qcow2
volume:a//var/lib/images/c.qcow2 capacityBytes=10737418240
host:a mount=ext4 /dev/sda2 /
host:a mount=xfs /dev/sda3 /var/lib
host:a mount=nfs4 nfs1:/leases /srv/leases
`

// copied is where it could be copied to.
const copied = local + `host:a Contains storagepool:a/local
storagepool:a/local path=/var/lib/images
storagepool:a/local poolType=dir
storagepool:a/local Contains volume:a//var/lib/images/c.qcow2
host:b Contains storagepool:b/local
storagepool:b/local name=local
storagepool:b/local path=/var/lib/images
storagepool:b/local poolType=dir
storagepool:b/local state=active
`

// iso is a drive with a medium in a pool.
const iso = `vm:v Contains vdisk:v/sda
vdisk:v/sda job=none
vdisk:v/sda deviceType=cdrom
vdisk:v/sda sourceType=file
vdisk:v/sda readOnly=true
vdisk:v/sda source=/var/lib/iso/os.iso
vdisk:v/sda StoredOn volume:a//var/lib/iso/os.iso
host:a mount=ext4 /dev/sda2 /
`

// pooled is the pool of such media on both hosts.
const pooled = `host:a Contains storagepool:a/iso
storagepool:a/iso path=/var/lib/iso
storagepool:a/iso poolType=dir
storagepool:a/iso Contains volume:a//var/lib/iso/os.iso
host:b Contains storagepool:b/iso
storagepool:b/iso name=iso
storagepool:b/iso path=/var/lib/iso
`

// storing are the checks that rest on what the disks are on.
var storing = []string{"STO-1", "STO-2", "STO-3", "STO-6", "STO-7", "SAN-1", "SAN-2", "SAN-3", "SAN-4", "SAN-5", "SAN-6", "SAN-7", "SAN-8", "SAN-9", "SAN-10"}

// placing are those that rest on where files are.
var placing = []string{"STO-1", "STO-2", "STO-3", "SAN-7"}

func diskCases() []checkCase {
	const lease = "vm:v lease=area web /srv/leases/web\n"
	const mounted = "host:a mount=nfs4 nfs1:/leases /srv/leases\nhost:a mount=ext4 /dev/sda2 /\nhost:b mount=ext4 /dev/sda2 /\n"
	const b2 = "logicalunit:naa.600a0b80000000000000000000000002"
	const elsewhere = "-volume:b//dev/mapper/mpatha StoredOn logicalunit:naa.600a0b80000000000000000000000001\n"
	return []checkCase{
		{code: "STO-1", name: "there", want: "pass: web-07: the pools of its disks are active on the target"},
		{
			code: "STO-1", name: "not started", changes: "-storagepool:b/images state=active\nstoragepool:b/images state=inactive", also: []string{"SAN-7"},
			want: "block: pool images of b is inactive; disk vdb of web-07 lies there",
		},
		{
			code: "STO-1", name: "named by its pool, and not there", changes: "vm:v Contains vdisk:v/vdc\nvdisk:v/vdc job=none\nvdisk:v/vdc cache=none\nvdisk:v/vdc sourceType=volume\nvdisk:v/vdc source=fast/c\n" +
				"vdisk:v/vdc StoredOn volume:a//dev/fast/c\nhost:a Contains storagepool:a/fast\nstoragepool:a/fast name=fast\nstoragepool:a/fast poolType=logical\nstoragepool:a/fast Contains volume:a//dev/fast/c\n" +
				"volume:a//dev/fast/c StoredOn logicalunit:naa.600a0b80000000000000000000000001",
			want: "block: b has no pool fast, which disk vdc of web-07 names",
		},
		{code: "STO-1", name: "nobody says whether it is active", changes: "-storagepool:b/images state=active", also: []string{"SAN-7"}, want: "unknown: no source says the state of storagepool images"},
		{
			code: "STO-1", name: "nobody says what it is on", changes: "vm:v Contains vdisk:v/vdc\nvdisk:v/vdc job=none\nvdisk:v/vdc cache=none\nvdisk:v/vdc source=/x", also: storing,
			want: "unknown: no source says what disk vdc of web-07 is stored on: read pools and volumes of a by libvirt",
		},
		{
			code: "STO-1", name: "served by others", changes: "vm:v Contains vdisk:v/vdc\nvdisk:v/vdc job=none\nvdisk:v/vdc sourceType=network\nvdisk:v/vdc StoredOn volume:rbd:mon1/vms/c\nvolume:rbd:mon1/vms/c sourceHost=mon1\nvolume:rbd:mon1/vms/c protocol=rbd",
			want: "unknown: disk vdc of web-07 is served by mon1 over rbd: whether b reaches that nobody reads",
		},

		{code: "STO-2", name: "the same", want: "pass: web-07: both hosts have the same storage for them"},
		{
			code: "STO-2", name: "another server's", changes: "-storagepool:b/images sourceHost=nfs1\nstoragepool:b/images sourceHost=nfs2",
			want: "block: disk vdb of web-07 lies on nfs1:/export; b has nfs2:/export there",
		},
		{
			code: "STO-2", name: "not mounted, by the mounts that were read", also: []string{"SAN-7"},
			changes: "-host:b Contains storagepool:b/images\n-storagepool:b/images name=images\n-storagepool:b/images poolType=netfs\n-storagepool:b/images state=active\n-storagepool:b/images sourceHost=nfs1\n-storagepool:b/images sourceDir=/export\n-storagepool:b/images path=/srv/images\n-storagepool:b/images availableBytes=1099511627776\nhost:b mount=ext4 /dev/sda2 /",
			want:    "block: disk vdb of web-07 lies on nfs1:/export; b has a file system of its own (ext4) there",
		},
		{
			code: "STO-2", name: "a unit that has a number and no name", changes: "vm:v Contains vdisk:v/vdc\nvdisk:v/vdc job=none\nvdisk:v/vdc cache=none\nvdisk:v/vdc StoredOn logicalunit:a/iqn.2026-01.test:t/3\n" +
				"targetport:50:00:00:00:00:00:00:01 Exports logicalunit:a/iqn.2026-01.test:t/3", also: []string{"SAN-3", "SAN-9"},
			want: "unknown: disk vdc of web-07 is known by its number alone (a/iqn.2026-01.test:t/3): no designator tells which unit that is on b; collect its array, or a by SSH",
		},

		{code: "STO-3", name: "not local", want: "pass: no disk of web-07 is local to a"},
		{code: "STO-3", name: "local", changes: local, want: "block: disk vdc of web-07 (/var/lib/images/c.qcow2) is on a file system of a alone (xfs)"},
		{code: "STO-3", name: "nobody has read the mounts", changes: strings.ReplaceAll(local, "host:a mount", "host:o mount"), also: placing, want: "unknown: no source says in which file system of a /var/lib/images/c.qcow2 lies: whether others have it, too, is not known"},
		{code: "STO-3", name: "may be copied", changes: copied + "storagepool:b/local availableBytes=107374182400", policy: planner.Policy{CopyDisks: true}, want: "warn: disk vdc of web-07 is copied: 10.0 GiB to pool local of b"},
		{code: "STO-3", name: "may be copied, without room", changes: copied + "storagepool:b/local availableBytes=1073741824", policy: planner.Policy{CopyDisks: true}, want: "block: disk vdc of web-07 has to be copied and needs 10.0 GiB; pool local of b has 1.0 GiB"},
		{code: "STO-3", name: "may be copied, to nobody knows where", changes: local, policy: planner.Policy{CopyDisks: true}, want: "unknown: disk vdc of web-07 has to be copied, and no source says how much room b has for it: define its pool there"},

		{code: "STO-4", name: "nothing cached", want: "pass: nothing of the disks of web-07 stays in the cache of a host"},
		{code: "STO-4", name: "cached, and dropped", changes: "-vdisk:v/vdb cache=none\nvdisk:v/vdb cache=writeback", want: "pass: nothing of the disks of web-07 stays in the cache of a host"},
		{
			code: "STO-4", name: "cached, by an old version", changes: "-vdisk:v/vdb cache=none\n-host:a hypervisorVersion=8.2.0\nhost:a hypervisorVersion=2.11.1\n-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=2.11.1",
			want: "block: disk vdb of web-07 has cache mode default, and version 2.11.1 of a does not drop its cache: the guest may read old data on b",
		},
		{
			code: "STO-4", name: "cached, by nobody knows what", changes: "-vdisk:v/vdb cache=none\n-host:a hypervisorVersion=8.2.0", also: []string{"HOST-5", "META-5"},
			want: "unknown: no source says the hypervisorVersion of host a",
		},
		{code: "STO-4", name: "read only", changes: "-vdisk:v/vdb cache=none\nvdisk:v/vdb readOnly=true\n-host:a hypervisorVersion=8.2.0\nhost:a hypervisorVersion=2.11.1", also: []string{"META-5"}, want: "pass: nothing of the disks of web-07 stays in the cache of a host"},

		{code: "STO-5", name: "none", want: "pass: no disk of web-07 passes reservations on"},
		{code: "STO-5", name: "by a helper", changes: "vdisk:v/vda reservations=managed", want: "block: the guest may reserve disk vda of web-07 (helper managed): its registrations are of the ports of a and do not move"},
		{code: "STO-5", name: "several guests", changes: "-vdisk:v/vda deviceType=disk\nvdisk:v/vda deviceType=lun\nvdisk:v/vda shareable=true", want: "warn: disk vda of web-07 is a unit that several guests send SCSI commands to: what they reserve is for the ports of a"},
		{code: "STO-5", name: "long ago", changes: "-vm:v Contains vdisk:v/vda\n!vm:v Contains vdisk:v/vda", also: relying, want: "unknown: what test said of vdisk v/vda by libvirt capabilities is 2h1m0s old: collect it"},

		{code: "STO-6", name: "the same", want: "pass: the block devices of web-07 mean the same units on b"},
		{
			code: "STO-6", name: "another unit", changes: elsewhere + "volume:b//dev/mapper/mpatha StoredOn " + b2 + "\n" + b2 + " designator=naa.600a0b80000000000000000000000002",
			want: "block: disk vda of web-07 names /dev/mapper/mpatha: that is naa.600a0b80000000000000000000000001 on a, and naa.600a0b80000000000000000000000002 on b",
		},
		{
			code: "STO-6", name: "not there yet", changes: elsewhere,
			want: "unknown: disk vda of web-07 names /dev/mapper/mpatha, which is naa.600a0b80000000000000000000000001 on a: nobody says whether it will be so called on b",
		},
		{
			code: "STO-6", name: "a logical volume that is not active there", changes: "vm:v Contains vdisk:v/vdc\nvdisk:v/vdc job=none\nvdisk:v/vdc cache=none\nvdisk:v/vdc sourceType=block\nvdisk:v/vdc source=/dev/fast/c\n" +
				"vdisk:v/vdc StoredOn volume:a//dev/fast/c\nhost:a Contains storagepool:a/fast\nstoragepool:a/fast name=fast\nstoragepool:a/fast poolType=logical\nstoragepool:a/fast Contains volume:a//dev/fast/c\n" +
				"volume:a//dev/fast/c StoredOn " + unit + "\nhost:b Contains storagepool:b/fast\nstoragepool:b/fast state=active\nstoragepool:b/fast StoredOn " + unit,
			want: "warn: disk vdc of web-07 names /dev/fast/c, which is not active on b: activate it there before the move (lvchange -ay), or it is refused",
		},
		{
			code: "STO-6", name: "named by the unit itself", changes: elsewhere + "-vdisk:v/vda source=/dev/mapper/mpatha\nvdisk:v/vda source=/dev/disk/by-id/wwn-0x600a0b80000000000000000000000001",
			want: "pass: the block devices of web-07 mean the same units on b",
		},

		{code: "STO-7", name: "none", want: "pass: web-07 has no snapshots, and its disks are one image each"},
		{code: "STO-7", name: "some", changes: "-vm:v snapshots=false\nvm:v snapshots=true", want: "block: web-07 has snapshots: the hypervisor does not move it with them"},
		{code: "STO-7", name: "nobody says", changes: "-vm:v snapshots=false", want: "unknown: no source says the snapshots of vm web-07"},
		{
			code: "STO-7", name: "an image below, of another server", changes: "volume:a//srv/images/web.qcow2 backingPath=/srv/base/os.qcow2\nvolume:a//srv/images/web.qcow2 StoredOn volume:a//srv/base/os.qcow2\n" +
				"host:a mount=nfs4 nfs1:/base /srv/base\nhost:b mount=nfs4 nfs2:/base /srv/base",
			want: "block: disk vdb of web-07 lies on nfs1:/base; b has nfs2:/base there", also: []string{"SAN-7"},
		},

		{code: "STO-8", name: "no medium", want: "pass: no drive of web-07 has a medium"},
		{code: "STO-8", name: "not there", changes: iso + pooled, want: "block: /var/lib/iso/os.iso, which is in drive sda of web-07, is not in pool iso of b"},
		{code: "STO-8", name: "there", changes: iso + "host:b Contains volume:b//var/lib/iso/os.iso", want: "pass: b has the media in the drives of web-07"},
		{code: "STO-8", name: "it may go", changes: iso + "vdisk:v/sda startupPolicy=optional", want: "warn: /var/lib/iso/os.iso is not known to be on b: drive sda of web-07 goes empty, as its startup policy says"},
		{code: "STO-8", name: "nobody says", changes: iso, want: "unknown: whether b has /var/lib/iso/os.iso, which is in drive sda of web-07, no source says"},

		{code: "STO-9", name: "none", want: "pass: web-07 holds no lease"},
		{code: "STO-9", name: "on shared storage", changes: lease + mounted + "host:b mount=nfs4 nfs1:/leases /srv/leases", want: "pass: the leases of web-07 are on storage that b has, too"},
		{code: "STO-9", name: "not there", changes: lease + mounted, want: "block: lease web of web-07 is on nfs1:/leases, which b does not have at /srv/leases/web"},
		{code: "STO-9", name: "local", changes: lease + "host:a mount=ext4 /dev/sda2 /\nhost:b mount=ext4 /dev/sda2 /", want: "block: lease web of web-07 (/srv/leases/web) is on a file system of a alone (ext4)"},
		{code: "STO-9", name: "nobody knows", changes: lease, also: []string{"META-5"}, want: "unknown: no source says in which file system of a /srv/leases/web lies: whether others have it, too, is not known"},

		{code: "STO-12", name: "none", want: "pass: web-07 shares no folder with its host"},
		{code: "STO-12", name: "one", changes: "vm:v hostShare=mount /srv/share share", want: "block: web-07 shares /srv/share share with a (mount): a guest that has it mounted does not move"},
		{code: "STO-12", name: "by a daemon", changes: "vm:v hostShare=virtiofs /run/vfs.sock tag", want: "unknown: web-07 shares /run/vfs.sock tag by virtiofs: whether its daemon can hand over what the guest has open, no source says"},
	}
}
