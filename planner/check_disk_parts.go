package planner

import (
	"fmt"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// snapshots asks whether the VM has snapshots, which libvirt refuses to move (qemuMigrationSrcIsAllowed), and whether the target has what is below its disks.
func snapshots(f *finder) {
	v, ok := f.value(f.vm, topology.AttrSnapshots)
	if ok && v.Bool() {
		f.block(f.vm.Name()+" has snapshots: the hypervisor does not move it with them", f.vm)
	}
	text := f.vm.Name() + " has no snapshots, and its disks are one image each"
	for _, disk := range f.disks() {
		if drive(disk) {
			continue
		}
		for _, img := range f.images(disk) {
			if f.chained(img); img.depth > 0 {
				text = f.vm.Name() + " has no snapshots, and the target has the images below its disks"
				f.poolThere(img)
				f.sameThere(img)
			}
		}
	}
	f.settle(false, text)
}

// chained takes an unknown down where nobody knows whether an image is made on one below it, or what that is on.
func (f *finder) chained(img image) {
	lower := img.node.Text(topology.AttrBackingPath)
	if lower != "" && len(img.node.Out(topology.StoredOn)) == 0 {
		f.unknown(fmt.Sprintf("%s is made on %s, and no source says on what that is stored", f.label(img.disk), lower), img.node, img.disk)
		return
	}
	for r := range img.node.Readings() {
		if r.Source == topology.SourceLibvirt && r.Partial && lower == "" { // which would say it beside
			f.unknown(fmt.Sprintf("what %s said of %s by %s %s is not all: whether %s is made on an image below it is not known", r.Device, img.node.Name(), r.Source, r.Table, f.label(img.disk)), img.node, img.disk)
			return
		}
	}
}

// media asks whether the target has what is in the VM's drives. libvirt wants it there, unless its startup policy lets the drive go empty.
func media(f *finder) {
	drives := 0
	for _, disk := range f.disks() {
		source := disk.Text(topology.AttrSource)
		if !drive(disk) || !f.described(disk) || source == "" {
			continue
		}
		drives++
		for _, img := range f.images(disk) {
			f.medium(img)
		}
	}
	if drives == 0 {
		f.conclude(true, "no drive of "+f.vm.Name()+" has a medium")
		return
	}
	f.conclude(false, fmt.Sprintf("%s has the media in the drives of %s", f.target.Name(), f.vm.Name()))
}

func (f *finder) medium(img image) {
	if img.node.IsZero() {
		f.unknown(fmt.Sprintf("no source says what the medium in %s is stored on", f.label(img.disk)), img.disk)
		return
	}
	if !f.file(img) {
		return // SAN-1 to SAN-6 ask for units; what servers offer is opened by its name
	}
	path := pathOf(img.node)
	if _, there := f.s.Node(topology.PartKey(topology.Volume, f.target.Key(), path)); there {
		return
	}
	said := len(f.found)
	here, there := f.filePlace(img), place{}
	if here.known && here.server != "" {
		pool, _ := f.counterpart(img.pool)
		if there = f.placeOf(f.target, pool, path); there.known && here.like(there) == same {
			return
		}
	}
	f.found = f.found[:said]
	pool, has := f.counterpart(img.pool)
	switch {
	case img.disk.Text(topology.AttrStartupPolicy) == "optional", img.disk.Text(topology.AttrStartupPolicy) == "requisite":
		f.cites(img.disk, topology.AttrStartupPolicy)
		f.warn(fmt.Sprintf("%s is not known to be on %s: %s goes empty, as its startup policy says", path, f.target.Name(), f.label(img.disk)), img.disk, f.target)
	case !img.pool.IsZero() && has && inside(path, pool.Text(topology.AttrPath)) && f.listed(f.target, topology.SourceLibvirt, "volumes"):
		f.block(fmt.Sprintf("%s, which is in %s, is not in pool %s of %s", path, f.label(img.disk), pool.Name(), f.target.Name()), img.disk, pool)
		f.mend("eject the medium of "+f.label(img.disk), ejected(img.disk)...)
	default:
		f.unknown(fmt.Sprintf("whether %s has %s, which is in %s, no source says", f.target.Name(), path, f.label(img.disk)), img.disk, f.target)
		f.mend("eject the medium of "+f.label(img.disk), ejected(img.disk)...)
	}
}

// ejected takes the medium out of a drive.
func ejected(disk topology.Node) []topology.Change {
	changes := []topology.Change{{Subject: disk.Key(), Attr: topology.AttrSource, Before: disk.Values(topology.AttrSource)}}
	for on := range disk.Objects(topology.StoredOn) {
		changes = append(changes, topology.Change{Subject: disk.Key(), Rel: topology.StoredOn, Object: on.Key()})
	}
	return changes
}

// leases asks whether the target has the files of the leases that the VM holds while it runs (sanlock, lockd).
func leases(f *finder) {
	if !f.described(f.vm) {
		return
	}
	held := f.vm.Values(topology.AttrLease)
	if len(held) == 0 {
		f.idle(f.vm.Name()+" holds no lease", f.vm)
		return
	}
	f.cites(f.vm, topology.AttrLease)
	for _, v := range held {
		words := strings.SplitN(v.String(), " ", 3)
		if len(words) < 3 || !strings.HasPrefix(words[2], "/") {
			f.unknown("no source says where lease "+v.String()+" of "+f.vm.Name()+" is", f.vm)
			continue
		}
		f.lease(words[1], words[2])
	}
	if len(f.found) == 0 {
		f.pass("the leases of "+f.vm.Name()+" are on storage that "+f.target.Name()+" has, too", f.vm)
	}
}

func (f *finder) lease(key, path string) {
	if f.source.IsZero() {
		f.unknown("no source says where "+f.vm.Name()+" runs", f.vm)
		return
	}
	here := f.placeOf(f.source, f.poolOf(f.source, path), path)
	if !here.known {
		return
	}
	if here.server == "" {
		f.block(fmt.Sprintf("lease %s of %s (%s) is on a file system of %s alone (%s)", key, f.vm.Name(), path, f.source.Name(), here.kind), f.vm, f.source)
		return
	}
	there := f.placeOf(f.target, f.poolOf(f.target, path), path)
	if !there.known {
		return
	}
	switch here.like(there) {
	case same:
	case another:
		f.block(fmt.Sprintf("lease %s of %s is on %s, which %s does not have at %s", key, f.vm.Name(), here.server, f.target.Name(), path), f.target, f.vm)
	case mayBe:
		f.unknown(fmt.Sprintf("lease %s of %s is on %s: whether that is what %s has at %s (%s), no source says", key, f.vm.Name(), here.server, f.target.Name(), path, there.server), f.target, f.vm)
	}
}

// poolOf is the pool of a host in whose folder a path is; none if there is none.
func (m *move) poolOf(host topology.Node, path string) topology.Node {
	for p := range host.Objects(topology.Contains) {
		if folder := p.Text(topology.AttrPath); p.Kind() == topology.StoragePool && folder != "" && inside(path, folder) {
			return p
		}
	}
	return topology.Node{}
}

// sharedFolders asks for folders of the host in the guest: who has one open does not move, or moves only with the newest daemons.
func sharedFolders(f *finder) {
	if !f.described(f.vm) {
		return
	}
	all := f.vm.Values(topology.AttrHostShare)
	for _, v := range all {
		f.cites(f.vm, topology.AttrHostShare)
		kind, what, _ := strings.Cut(v.String(), " ")
		if kind == "virtiofs" {
			f.unknown(fmt.Sprintf("%s shares %s by virtiofs: whether its daemon can hand over what the guest has open, no source says", f.vm.Name(), what), f.vm)
			continue
		}
		f.block(fmt.Sprintf("%s shares %s with %s (%s): a guest that has it mounted does not move", f.vm.Name(), what, f.home(), kind), f.vm)
	}
	if len(all) == 0 {
		f.pass(f.vm.Name()+" shares no folder with its host", f.vm)
	}
}
