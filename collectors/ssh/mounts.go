package ssh

import (
	"cmp"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// mount is one row of mountinfo (proc_pid_mountinfo(5)). Words are as the kernel has them: blanks as \040.
type mount struct {
	id, parent string
	root       string // folder of the file system that is mounted: "/", but where it is bound
	folder     string // where it is mounted
	readOnly   bool   // by the mount, or of the whole file system
	kind       string
	source     string
	options    []string // of the file system
}

func mountsTable() table {
	return table{
		name: "mounts", line: "grep . /proc/self/mountinfo", may: true, prints: "the mount of the root",
		parse: parseMounts, tell: tellMounts,
	}
}

// parseMounts reads "36 35 98:0 /root /folder rw,noatime shared:1 - kind source rw,options"; of the words before the dash, those from the seventh on are optional.
func parseMounts(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t tally
	s.mounts = nil
	for where, l := range lines(raw) {
		if l == "" {
			continue
		}
		t.Rows++
		before, after, ok := strings.Cut(l, " - ")
		f, of := strings.Split(before, " "), strings.Split(after, " ")
		if !ok || len(f) < 6 || len(of) != 3 || !strings.HasPrefix(f[4], "/") || of[0] == "" {
			t.Miss(where, l, "no mount")
			continue
		}
		options := strings.Split(of[2], ",")
		s.mounts = append(s.mounts, mount{
			id: f[0], parent: f[1], root: f[3], folder: f[4], kind: of[0], source: cmp.Or(of[1], "none"), options: options,
			readOnly: slices.Contains(strings.Split(f[5], ","), "ro") || slices.Contains(options, "ro"),
		})
	}
	if t.Rows > 0 && !slices.ContainsFunc(s.mounts, func(m mount) bool { return m.folder == "/" }) {
		return 0, nil, shell.Malformed("no mount of the root among %d rows", t.Rows)
	}
	return t.Rows, t.Left, nil
}

// Kinds of file systems by what they hold.
var (
	// holdsNothing are the kernel's own: no files that anybody would put there.
	holdsNothing = []string{ //nolint:gochecknoglobals // read-only table
		"proc", "sysfs", "cgroup", "cgroup2", "devpts", "devtmpfs", "mqueue", "debugfs", "tracefs", "securityfs", "pstore", "bpf", "configfs", "fusectl", "hugetlbfs",
		"binfmt_misc", "efivarfs", "rpc_pipefs", "nsfs", "nfsd", "selinuxfs", "smackfs", "fuse.lxcfs", "fuse.portal", "fuse.gvfsd-fuse",
	}
	// passing are those that come and go with programs and containers.
	passing = []string{"tmpfs", "ramfs", "overlay", "squashfs"} //nolint:gochecknoglobals // read-only table
)

// options that decide whether two hosts have the same, and lock it alike (nfs(5), mount.ceph(8), mount.cifs(8)).
var mountOptions = []string{"vers", "addr", "local_lock", "nolock", "fs", "mds_namespace", "mon_addr"} //nolint:gochecknoglobals // read-only table

// tellMounts states what is mounted and can be seen: what lies under another mount is not. Of those that pass it states none that lies on a file system of
// the host's own, as they are local like that.
func tellMounts(s *sheet, say *words) {
	if s.device.Kind != topology.Host {
		return
	}
	tree := mountTree{below: map[string][]mount{}}
	for _, m := range s.mounts {
		if m.folder == "/" && !slices.ContainsFunc(s.mounts, func(o mount) bool { return o.id == m.parent && o.id != m.id }) {
			tree.root = m
			continue
		}
		tree.below[m.parent] = append(tree.below[m.parent], m)
	}
	for _, m := range s.mounts {
		top, on := tree.at(m.folder)
		if top.id != m.id || slices.Contains(holdsNothing, m.kind) || slices.Contains(passing, m.kind) && m.folder != "/" && ownKind(on) {
			continue
		}
		say.Text(s.device, topology.AttrMount, m.text())
	}
}

// ownKind tells that a file system is the host's own for sure: on a device and of a kind that one host has at a time, or in memory.
func ownKind(m mount) bool {
	return slices.Contains([]string{"ext4", "xfs", "btrfs", "zfs", "ext3", "ext2"}, m.kind) || slices.Contains(passing, m.kind) || slices.Contains(holdsNothing, m.kind)
}

// mountTree is how mounts lie on each other.
type mountTree struct {
	root  mount
	below map[string][]mount // by the mount in which their folder is
}

// at walks to a folder as the kernel does, and gives the mount that is there, and the one that it lies on.
func (t mountTree) at(folder string) (m, on mount) {
	const deepest = 64 // no host is known that comes near, and what lies on itself is not a kernel's
	m = t.root
	for range deepest {
		next, found := mount{}, false
		for _, b := range t.below[m.id] { // the one that is met first
			if within(folder, b.folder) && within(b.folder, m.folder) && (!found || len(b.folder) < len(next.folder)) {
				next, found = b, true
			}
		}
		if !found {
			return m, on
		}
		m, on = next, m
	}
	return mount{}, mount{}
}

// within tells that a path is a folder or below it.
func within(path, folder string) bool {
	return path == folder || folder == "/" || strings.HasPrefix(path, folder+"/")
}

// text words a mount: "TYPE SOURCE FOLDER OPTION…".
func (m mount) text() string {
	words := []string{m.kind, m.source, m.folder}
	if m.root != "/" {
		words = append(words, "root="+m.root)
	}
	if m.readOnly {
		words = append(words, "ro")
	}
	for _, o := range m.options {
		if name, value, _ := strings.Cut(o, "="); slices.Contains(mountOptions, name) && value != "none" {
			words = append(words, o)
		}
	}
	return strings.Join(words, " ")
}
