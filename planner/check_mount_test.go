package planner_test

import "strings"

// mountCases are files of which nobody but the hosts' mounts says where they are.
func mountCases() []checkCase {
	const file = "vm:v Contains vdisk:v/vdc\nvdisk:v/vdc job=none\nvdisk:v/vdc sourceType=file\nvdisk:v/vdc source=/mnt/vms/web/c.img\nvdisk:v/vdc cache=none\n" +
		"vdisk:v/vdc StoredOn volume:a//mnt/vms/web/c.img\nvolume:a//mnt/vms/web/c.img path=/mnt/vms/web/c.img\n"
	const first, second = "naa.600a0b80000000000000000000000001", "naa.600a0b80000000000000000000000002"
	mounts := func(here, there string) string {
		text := strings.Builder{}
		text.WriteString(file)
		for host, list := range map[string]string{"a": here, "b": there} {
			for _, m := range append(strings.Split(list, ";"), "ext4 /dev/sda2 /") {
				text.WriteString("host:" + host + " mount=" + m + "\n")
			}
		}
		return text.String()
	}
	const good = "pass: web-07: both hosts have the same storage for them"
	exports := []string{"SAN-7"}
	return []checkCase{
		{code: "STO-2", name: "one server", changes: mounts("nfs4 n:/e /mnt/vms", "nfs4 n:/e /mnt/vms"), want: good},
		{
			code: "STO-2", name: "another name of the server at the same address", want: good,
			changes: mounts("nfs4 n:/e /mnt/vms vers=4.2 addr=192.0.2.50", "nfs4 192.0.2.50:/e /mnt/vms vers=4.2 addr=192.0.2.50"),
		},
		{code: "STO-2", name: "a folder above", changes: mounts("nfs4 n:/e/vms /mnt/vms", "nfs4 n:/e /mnt"), want: good},
		{
			code: "STO-2", name: "another folder of the server", changes: mounts("nfs4 n:/e /mnt/vms", "nfs4 n:/e /mnt"), also: exports,
			want: "block: disk vdc of web-07 lies on n:/e (/e/web/c.img); b has n:/e (/e/vms/web/c.img) there",
		},
		{
			code: "STO-2", name: "another folder of the server, in another version", changes: mounts("nfs4 n:/e /mnt/vms vers=4.2", "nfs n:/srv/e /mnt/vms vers=3"), also: exports,
			want: "unknown: disk vdc of web-07 lies on n:/e (nfs4), and b has n:/srv/e (nfs) there: whether that is the same, no source says",
		},
		{
			code: "STO-2", name: "another server", changes: mounts("nfs4 n:/e /mnt/vms addr=192.0.2.50", "nfs4 m:/e /mnt/vms addr=192.0.2.51"), also: exports,
			want: "block: disk vdc of web-07 lies on n:/e; b has m:/e there",
		},
		{
			code: "STO-2", name: "another server, whose address is not known", changes: mounts("nfs4 n:/e /mnt/vms addr=192.0.2.50", "nfs4 m:/e /mnt/vms"), also: exports,
			want: "unknown: disk vdc of web-07 lies on n:/e (nfs4), and b has m:/e (nfs4) there: whether that is the same, no source says",
		},
		{
			code: "STO-2", name: "one name that leads to two addresses", changes: mounts("nfs4 n:/e /mnt/vms addr=192.0.2.50", "nfs4 n:/e /mnt/vms addr=192.0.2.51"), also: exports,
			want: "unknown: disk vdc of web-07 lies on n:/e (nfs4), and b has n:/e (nfs4) there: whether that is the same, no source says",
		},
		{
			code: "STO-2", name: "read-only there", changes: mounts("nfs4 n:/e /mnt/vms", "nfs4 n:/e /mnt/vms ro"),
			want: "block: disk vdc of web-07 lies on n:/e, which b has mounted read-only",
		},
		{code: "STO-2", name: "not mounted there", changes: mounts("nfs4 n:/e /mnt/vms", "xfs /dev/sdb1 /mnt"), want: "block: disk vdc of web-07 lies on n:/e; b has a file system of its own (xfs) there", also: exports},
		{
			code: "STO-2", name: "mounted when somebody asks", changes: mounts("nfs4 n:/e /mnt/vms", "autofs systemd-1 /mnt/vms"), also: exports,
			want: "unknown: /mnt/vms/web/c.img of b lies on systemd-1 (autofs): whether others have that, too, is not known",
		},
		{code: "STO-2", name: "octets that the kernel escapes", changes: mounts(`nfs4 n:/e /mnt/v\155s`, `nfs4 n:\057e /mnt/vms`), want: good},

		{
			code: "STO-2", name: "a cluster's file system on one unit", want: good,
			changes: mounts("gfs2 /dev/mapper/mpatha /mnt/vms", "gfs2 /dev/mapper/mpathz /mnt/vms") + "volume:b//dev/mapper/mpathz StoredOn logicalunit:" + first,
		},
		{
			code: "STO-2", name: "of one name on two units", also: exports, want: "block: disk vdc of web-07 lies on /dev/mapper/mpathz (" + first + "); b has /dev/mapper/mpathz (" + second + ") there",
			changes: mounts("gfs2 /dev/mapper/mpathz /mnt/vms", "gfs2 /dev/mapper/mpathz /mnt/vms") + "volume:a//dev/mapper/mpathz StoredOn logicalunit:" + first + "\nvolume:b//dev/mapper/mpathz StoredOn logicalunit:" + second,
		},
		{
			code: "STO-2", name: "of one name on units that nobody knows", changes: mounts("ocfs2 /dev/sdz /mnt/vms", "ocfs2 /dev/sdz /mnt/vms"), also: exports,
			want: "unknown: disk vdc of web-07 lies on /dev/sdz (ocfs2), and b has /dev/sdz (ocfs2) there: whether that is the same, no source says",
		},
		{code: "STO-2", name: "one monitor of a cluster in common", changes: mounts("ceph 192.0.2.1,192.0.2.2:/vms /mnt/vms", "ceph 192.0.2.2,192.0.2.3:/vms /mnt/vms"), want: good},
		{code: "STO-2", name: "one cluster, by two users", changes: mounts("ceph a@fsid.cephfs=/vms /mnt/vms", "ceph b@fsid.cephfs=/ /mnt"), want: good},
		{
			code: "STO-2", name: "another folder of a cluster", changes: mounts("ceph a@fsid.cephfs=/vms /mnt/vms", "ceph a@fsid.cephfs=/old /mnt/vms"), also: exports,
			want: "block: disk vdc of web-07 lies on a@fsid.cephfs=/vms; b has a@fsid.cephfs=/old there",
		},
		{
			code: "STO-2", name: "two clusters, perhaps", changes: mounts("ceph 192.0.2.1:/vms /mnt/vms", "ceph 192.0.2.3:/vms /mnt/vms"), also: exports,
			want: "unknown: disk vdc of web-07 lies on 192.0.2.1:/vms (ceph), and b has 192.0.2.3:/vms (ceph) there: whether that is the same, no source says",
		},
		{
			code: "STO-2", name: "by a word of each host's own", changes: mounts("9p vms /mnt/vms", "9p vms /mnt/vms"), also: exports,
			want: "unknown: disk vdc of web-07 lies on vms (9p), and b has vms (9p) there: whether that is the same, no source says",
		},

		{code: "STO-13", name: "none", want: "pass: no disk of web-07 is opened with a secret"},
		{
			code: "STO-13", name: "not there", changes: "vdisk:v/vda secret=ceph client.libvirt\nhost:b secret=3f7d2a10-0000-4000-8000-0000000000aa ceph client.other",
			want: "block: b has no secret ceph client.libvirt: disk vda of web-07 is opened with it",
		},
		{
			code: "STO-13", name: "there, and nobody uses it", changes: "vdisk:v/vda secret=ceph client.libvirt\nhost:b secret=3f7d2a10-0000-4000-8000-0000000000aa ceph client.libvirt",
			want: "warn: b has the secret with which disk vda of web-07 is opened (ceph client.libvirt); whether its value is set there, and the same, nobody reads",
		},
		{
			code: "STO-13", name: "there, and another VM uses it", changes: "vdisk:v/vda secret=uuid 3f7d2a10-0000-4000-8000-0000000000aa\nhost:b secret=3f7d2a10-0000-4000-8000-0000000000aa ceph x\n" +
				"vm:o Contains vdisk:o/vda\nvdisk:o/vda secret=uuid 3f7d2a10-0000-4000-8000-0000000000aa",
			want: "pass: b has the secrets with which the disks of web-07 are opened, and VMs that run there open theirs with them",
		},
		{
			code: "STO-13", name: "long ago", changes: "-vm:v Contains vdisk:v/vda\n!vm:v Contains vdisk:v/vda", also: relying,
			want: "unknown: what test said of vdisk v/vda by libvirt capabilities is 2h1m0s old: collect it",
		},

		{
			code: "STO-3", name: "of a kind that nobody knows", changes: mounts("fuse.x y /mnt/vms", "fuse.x y /mnt/vms"), also: placing,
			want: "unknown: /mnt/vms/web/c.img of a lies on y (fuse.x): whether others have that, too, is not known",
		},
		{
			code: "SAN-7", name: "by another version, as the mounts say", changes: mounts("nfs4 n:/e /mnt/vms vers=4.2", "nfs n:/e /mnt/vms vers=3 nolock"),
			want: "warn: a has n:/e mounted as nfs 4.2, b as nfs 3 nolock: they lock files otherwise",
		},
	}
}
