package planner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// place is on what a file of a host lies.
type place struct {
	server  string // "nfs1:/export" of a file system that others may mount, too; "" of one of the host's own
	kind    string // of the file system, as far as it is known
	known   bool
	options []string // with which it is mounted

	// What two hosts must have alike for a file to be the same one: the servers, by any name or address of them, what these call the file system, and
	// where in it the file is.
	servers []string
	volume  string
	file    string
	units   []string // the logical units that it is on, where it is no server's
}

// holder is how file systems that several hosts have at once are told apart.
type holder uint8

const (
	_           holder = iota
	byOneHost          // one host has it at a time
	byServer           // "server:/folder" or "//server/folder", and the address that was dialled (addr=)
	byMonitors         // Ceph: "monitors:/folder", or "user@cluster.volume=/folder" and mon_addr=
	byAnyServer        // "server:/volume", where the volume has other servers, too
	byUnits            // on a unit that all hosts see
	byNobody           // by a word that means something on this host alone
)

// fileSystems are those that are known here: by kernel name (/proc/self/mounts). Of any other nobody knows whether others have it, too.
var fileSystems = map[string]holder{ //nolint:gochecknoglobals // read-only table
	"nfs": byServer, "nfs4": byServer, "cifs": byServer, "smb3": byServer, "fuse.sshfs": byServer, "ceph": byMonitors, "fuse.glusterfs": byAnyServer, "glusterfs": byAnyServer, "lustre": byAnyServer,
	"ocfs2": byUnits, "gfs2": byUnits, "beegfs": byNobody, "gpfs": byNobody, "afs": byNobody, "9p": byNobody, "virtiofs": byNobody, "fuse.ceph": byNobody, "fuse.ceph-fuse": byNobody,
	"ext2": byOneHost, "ext3": byOneHost, "ext4": byOneHost, "xfs": byOneHost, "btrfs": byOneHost, "zfs": byOneHost, "f2fs": byOneHost, "jfs": byOneHost, "reiserfs": byOneHost, "bcachefs": byOneHost, "tmpfs": byOneHost, "ramfs": byOneHost, "rootfs": byOneHost,
	"overlay": byOneHost, "aufs": byOneHost, "squashfs": byOneHost, "erofs": byOneHost, "iso9660": byOneHost, "udf": byOneHost, "vfat": byOneHost, "exfat": byOneHost, "ntfs": byOneHost, "ntfs3": byOneHost, "fuseblk": byOneHost,
}

// clustered are those that hold no pages of a file which another host writes to (virFileIsClusterFS of libvirt).
var clustered = []string{"ceph", "fuse.ceph", "fuse.ceph-fuse", "fuse.glusterfs", "gpfs", "ocfs2", "gfs2"} //nolint:gochecknoglobals // read-only table

// placeOf tells on what a file of a host lies: by the pool that holds it, else by the host's mounts.
func (f *finder) placeOf(host, pool topology.Node, path string) place {
	if folder := pool.Text(topology.AttrPath); !pool.IsZero() && (folder == "" || inside(path, folder)) {
		switch kind, ok := f.text(pool, topology.AttrPoolType); {
		case !ok:
			return place{}
		case kind == "netfs":
			return f.poolPlace(host, pool, path)
		}
	}
	if _, ok := host.Value(topology.AttrMount); !ok || !f.listed(host, topology.SourceSSH, "mounts") {
		if !ok {
			f.unknown(fmt.Sprintf("no source says in which file system of %s %s lies: whether others have it, too, is not known", host.Name(), path), host)
		}
		return place{}
	}
	m, ok := mountOf(host, path)
	if !ok {
		f.unknown(fmt.Sprintf("no mount of %s holds %s", host.Name(), path), host)
		return place{}
	}
	how, ok := fileSystems[m.kind]
	if !ok {
		f.unknown(fmt.Sprintf("%s of %s lies on %s (%s): whether others have that, too, is not known", path, host.Name(), m.source, m.kind), host)
		return place{}
	}
	return m.place(host, how, path)
}

// poolPlace is that of a pool that is mounted from a server. By the host's mounts it is known which address that has.
func (f *finder) poolPlace(host, pool topology.Node, path string) place {
	f.cites(pool, topology.AttrSourceHost)
	kind := pool.Text(topology.AttrFormat)
	if kind == "" || kind == "auto" {
		kind = "nfs"
	}
	p := place{server: servers(pool) + ":" + pool.Text(topology.AttrSourceDir), kind: kind, known: true}
	for _, v := range pool.Values(topology.AttrSourceHost) {
		p.servers = append(p.servers, v.String())
	}
	p.file = strings.TrimPrefix(path, pool.Text(topology.AttrPath))
	if dir := pool.Text(topology.AttrSourceDir); fileSystems[kind] == byAnyServer {
		p.volume = dir
	} else {
		p.file = below(dir, p.file)
	}
	if m, ok := mountOf(host, path); ok && m.source == p.server {
		f.cites(host, topology.AttrMount)
		p.servers, p.options = append(p.servers, m.option("addr")...), m.options
	}
	return p
}

// mounted is one of a host's mounts.
type mounted struct {
	kind, source, folder string
	options              []string
}

// mountOf gives the mount in which a path of a host is.
func mountOf(host topology.Node, path string) (best mounted, ok bool) {
	for _, v := range host.Values(topology.AttrMount) {
		words := strings.Fields(v.String())
		if len(words) < 3 {
			continue
		}
		m := mounted{kind: words[0], source: unescape(words[1]), folder: unescape(words[2]), options: words[3:]}
		if inside(path, m.folder) && (!ok || len(m.folder) >= len(best.folder)) {
			best, ok = m, true
		}
	}
	return best, ok
}

// unescape reads the octal escapes of the kernel: \040 is a blank.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// option gives the value of an option, split where it has several.
func (m mounted) option(name string) []string {
	for _, o := range m.options {
		if value, ok := strings.CutPrefix(o, name+"="); ok {
			return strings.FieldsFunc(unescape(value), func(r rune) bool { return r == '/' || r == ',' })
		}
	}
	return nil
}

func (m mounted) root() string {
	for _, o := range m.options {
		if value, ok := strings.CutPrefix(o, "root="); ok {
			return unescape(value)
		}
	}
	return ""
}

// place tells where a file is that is in the mount.
func (m mounted) place(host topology.Node, how holder, path string) place {
	p := place{kind: m.kind, known: true, options: m.options, file: below(m.root(), strings.TrimPrefix(path, m.folder))}
	if how == byOneHost {
		return p
	}
	p.server = m.source
	switch how {
	case byServer, byAnyServer:
		server, folder := serverOf(m.source)
		p.servers = append([]string{server}, m.option("addr")...)
		if p.file = below(folder, p.file); how == byAnyServer {
			p.volume, p.file = folder, below(m.root(), strings.TrimPrefix(path, m.folder))
		}
	case byMonitors:
		m.monitors(&p)
	case byUnits:
		if device, ok := host.Snapshot().Node(topology.PartKey(topology.Volume, host.Key(), m.source)); ok {
			if units, all := onUnits(device); all {
				p.units = names(units)
			}
		}
	case byOneHost, byNobody:
	}
	return p
}

// serverOf splits "server:/folder", "[2001:db8::1]:/folder" and "//server/folder".
func serverOf(source string) (server, folder string) {
	if rest, ok := strings.CutPrefix(source, "//"); ok {
		server, folder, _ = strings.Cut(rest, "/")
		return server, "/" + folder
	}
	if i := strings.Index(source, ":/"); i >= 0 {
		return strings.Trim(source[:i], "[]"), source[i+1:]
	}
	return source, ""
}

// monitors reads both ways in which Ceph's file system is named (mount.ceph(8)).
func (m mounted) monitors(p *place) {
	before, folder, ok := strings.Cut(m.source, "=")
	if _, cluster, named := strings.Cut(before, "@"); ok && named {
		id, volume, _ := strings.Cut(cluster, ".")
		p.servers, p.volume = m.option("mon_addr"), volume
		if id != "" {
			p.servers = append(p.servers, id)
		}
	} else if i := strings.LastIndex(m.source, ":/"); i >= 0 {
		p.servers, folder = strings.Split(m.source[:i], ","), m.source[i+1:]
		for _, name := range []string{"fs", "mds_namespace"} {
			p.volume += strings.Join(m.option(name), "")
		}
	}
	p.file = below(folder, p.file)
}

// below is a path below a folder.
func below(folder, path string) string {
	return strings.TrimSuffix(folder, "/") + "/" + strings.TrimPrefix(path, "/")
}

// The three answers to whether two hosts mean the same file.
type likeness uint8

const (
	mayBe likeness = iota
	same
	another
)

// like compares where a file of the source is with where the target has it. That server names differ says that the servers do, unless an address that is known tells
// otherwise; of kinds that several servers serve, and of those that are named by a word of the host's own, it says nothing.
func (p place) like(there place) likeness {
	switch how := fileSystems[p.kind]; {
	case there.server == "":
		return another
	case p.family() != there.family(), how == byNobody:
		return mayBe
	case how == byUnits:
		return p.judge(there, len(p.units) > 0 && len(there.units) > 0, slices.Equal(p.units, there.units))
	case how == byServer && p.meets(there) && p.addressed() && there.addressed() && !p.dials(there):
		return mayBe // one name that leads to two addresses: one server with two, or two of one name
	case how == byServer:
		return p.judge(there, p.addressed() == there.addressed() || p.meets(there), p.meets(there))
	case p.meets(there) && (p.volume == there.volume || how == byAnyServer):
		return p.judge(there, true, p.volume == there.volume)
	}
	return mayBe
}

// judge tells whether it is the same file in a file system that is known to be the same, or another one. NFS shows folders of one server otherwise in another version
// of the protocol.
func (p place) judge(there place, known, equal bool) likeness {
	switch {
	case !known:
		return mayBe
	case !equal:
		return another
	case p.file == there.file:
		return same
	case p.kind != there.kind:
		return mayBe
	}
	return another
}

// family is the protocol, whatever its version.
func (p place) family() string {
	switch p.kind {
	case "nfs4":
		return "nfs"
	case "smb3":
		return "cifs"
	}
	return strings.TrimPrefix(p.kind, "fuse.")
}

// beside words a place so that it is told from another one: by the units where these are what differs, else by the file.
func (p place) beside(o place) string {
	switch {
	case p.server == "":
		return "a file system of its own (" + p.kind + ")"
	case len(p.units) > 0 && len(o.units) > 0:
		return fmt.Sprintf("%s (%s)", p.server, strings.Join(p.units, ", "))
	case p.server == o.server:
		return fmt.Sprintf("%s (%s)", p.server, p.file)
	}
	return p.server
}

func (p place) meets(there place) bool {
	return slices.ContainsFunc(p.servers, func(s string) bool { return slices.Contains(there.servers, s) })
}

// addressed tells that it is known by which address the server was dialled.
func (p place) addressed() bool { return len(p.dialled()) > 0 }

func (p place) dialled() []string { return mounted{options: p.options}.option("addr") }

// dials tells that both hosts have dialled one address.
func (p place) dials(o place) bool {
	return slices.ContainsFunc(p.dialled(), func(a string) bool { return slices.Contains(o.dialled(), a) })
}

// readOnly tells that it is so mounted that nobody writes.
func (p place) readOnly() bool { return slices.Contains(p.options, "ro") }

// protocol words by which version of its protocol it is mounted, and how files are locked; "" where no source says.
func (p place) protocol() string {
	var words []string
	for _, o := range p.options {
		if name, value, _ := strings.Cut(o, "="); name == "vers" {
			words = append(words, p.family()+" "+value)
		} else if name == "local_lock" || name == "nolock" {
			words = append(words, o)
		}
	}
	return strings.Join(words, " ")
}
