package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// diskChecks ask whether the VM finds its disks on the target: STO-1 to STO-13.
func diskChecks() []Check {
	return []Check{
		{
			Code: "STO-1", Asks: "Is the pool of each disk on the target, and active?", Facts: "disks of the VM, pools of both hosts and their states (libvirt)", Mends: "start the pool there, or define it",
			run: func(f *finder) {
				f.eachImage((*finder).poolThere, "the pools of its disks are active on the target")
			},
		},
		{
			Code: "STO-2", Asks: "Is it the same storage on both hosts, by designator or by server and directory?",
			Facts: "designators of units (array, host), sources of pools (libvirt), mounts of both hosts", Mends: "mount the same there, or let the array say which unit it is",
			run: func(f *finder) { f.eachImage((*finder).sameThere, "both hosts have the same storage for them") },
		},
		{
			Code: "STO-3", Asks: "Is no disk local to the source?", Facts: "disks of the VM, pools (libvirt), mounts of the source",
			Mends: "move the disk to shared storage, or let the policy allow that disks are copied", run: localDisks,
		},
		{
			Code: "STO-4", Asks: "Is the cache mode of each disk one with which a guest may move?", Facts: "cache modes (libvirt), version of the source's QEMU, mounts",
			Mends: "set the cache mode none or directsync, and start the VM anew", run: cacheModes,
		},
		{
			Code: "STO-5", Asks: "Do no reservations of the guest hold on to the source's port?", Facts: "reservations and shareable disks (libvirt)",
			Mends: "let the guests' cluster fail over, and take the disk away", run: reservations,
		},
		{
			Code: "STO-6", Asks: "Has each block device the same name on the target, and is the same unit behind it?", Facts: "block devices of both hosts and their units (libvirt, SSH), volumes of the target (libvirt)",
			Mends: "name the device by its designator (/dev/disk/by-id); activate a logical volume on the target", run: blockDevices,
		},
		{
			Code: "STO-7", Asks: "Has the VM no snapshots, and has the target all images that its disks are made of?", Facts: "snapshots, images below images (libvirt)",
			Mends: "delete or commit the snapshots", run: snapshots,
		},
		{
			Code: "STO-8", Asks: "Has the target the media in the VM's drives?", Facts: "drives, their media and startup policies, volumes of the target (libvirt), mounts",
			Mends: "eject the medium", run: media,
		},
		{
			Code: "STO-9", Asks: "Are the VM's leases on storage that the target has, too?", Facts: "leases (libvirt), mounts of both hosts", Mends: "put the lockspace on shared storage", run: leases,
		},
		{
			Code: "STO-10", Asks: "Is each unit connected on the target before memory moves?", When: AtRun, Facts: "logins, SCSI devices and multipath devices of the target",
			Why: "logging in and looking for new units is done at the target by whoever moves the VM", Mends: "log in, scan, and wait for the device",
		},
		{
			Code: "STO-11", Asks: "May the VM's swap file and folder be where they would be?", When: Elsewhere, Why: "vSphere keeps a VM's swap file and folder on a datastore", Facts: "datastores", Mends: "",
		},
		{
			Code: "STO-12", Asks: "Does the VM share no folder with its host?", Facts: "file systems of the VM (libvirt)", Mends: "unmount the folder in the guest, and take the device away", run: sharedFolders,
		},
		{
			Code: "STO-13", Asks: "Has the target the secrets with which the VM's disks are opened?",
			Facts: "secrets that the disks name, those of the target and which of its VMs use them (libvirt); values are never read", Mends: "define the secret there (virsh secret-define, secret-set-value)", run: secretsThere,
		},
	}
}

// image is something that a disk is on: its own volume or unit, or an image below it.
type image struct {
	disk  topology.Node
	node  topology.Node // zero: nobody says what the disk is on
	pool  topology.Node // of the source, that holds it; zero: none
	depth int           // of images below images; 0 is the disk's own
}

// drive tells that a disk is one for media.
func drive(disk topology.Node) bool {
	kind := disk.Text(topology.AttrDeviceType)
	return kind == "cdrom" || kind == "floppy"
}

// images lists what a disk is on, and what is below that.
func (m *move) images(disk topology.Node) []image {
	var all []image
	var down func(n topology.Node, depth int)
	down = func(n topology.Node, depth int) {
		const deepest = 200 // libvirt follows no more
		if depth > deepest || slices.ContainsFunc(all, func(i image) bool { return i.node == n }) {
			return
		}
		img := image{disk: disk, node: n, depth: depth}
		for p := range n.Subjects(topology.Contains) {
			if owner, ok := p.Owner(); ok && p.Kind() == topology.StoragePool && owner == m.source {
				img.pool = p
			}
		}
		if path := pathOf(n); img.pool.IsZero() && path != "" && !m.source.IsZero() {
			img.pool = m.poolOf(m.source, path) // which has not looked at its folder since
		}
		all = append(all, img)
		if n.Text(topology.AttrBackingPath) == "" {
			return
		}
		for below := range n.Objects(topology.StoredOn) {
			down(below, depth+1)
		}
	}
	for n := range disk.Objects(topology.StoredOn) {
		down(n, 0)
	}
	if len(all) == 0 {
		all = append(all, image{disk: disk})
	}
	return all
}

// eachImage asks something of each image that the VM's disks are on, but for those below these, and says what is good if it is of all.
func (f *finder) eachImage(ask func(*finder, image), good string) {
	asked := 0
	for _, disk := range f.disks() {
		for _, img := range f.images(disk) {
			if img.depth > 0 || drive(disk) {
				continue
			}
			asked++
			ask(f, img)
		}
	}
	if asked == 0 {
		f.settle(true, f.vm.Name()+" has no disk")
		return
	}
	f.settle(false, fmt.Sprintf("%s: %s", f.vm.Name(), good))
}

// settle passes if nothing was found. It has to be known what disks the VM has and what they are on: else nothing may be concluded from what was not seen.
func (f *finder) settle(idle bool, text string, about ...topology.Node) {
	if !f.objected() {
		for _, disk := range f.disks() {
			if !f.empty(disk) {
				f.bottomed(disk)
			}
		}
	}
	f.conclude(idle, text, about...)
}

// conclude is settle for what does not depend on what disks are on.
func (f *finder) conclude(idle bool, text string, about ...topology.Node) {
	if !f.objected() && f.described(f.vm) {
		for _, disk := range f.disks() {
			f.described(disk)
		}
	}
	switch about = append(about, f.vm); {
	case len(f.found) > 0:
	case idle:
		f.idle(text, about...)
	default:
		f.pass(text, about...)
	}
}

// objected tells that something was found that is worse than a warning.
func (f *finder) objected() bool {
	return slices.ContainsFunc(f.found, func(o Finding) bool { return o.Verdict > Warn })
}

// empty tells that a disk is a drive without a medium.
func (f *finder) empty(disk topology.Node) bool {
	return drive(disk) && disk.Text(topology.AttrSource) == ""
}

// bottomed takes an unknown down where no source says what a disk is on: units, a file, or what servers offer.
func (f *finder) bottomed(disk topology.Node) {
	on := slices.Collect(disk.Objects(topology.StoredOn))
	for _, n := range on {
		path := pathOf(n)
		file := n.Kind() == topology.Volume && (served(n) || path != "" && !deviceFile(path))
		if _, units := onUnits(n); !units && !file {
			on = nil
			break
		}
	}
	if len(on) == 0 {
		f.unknown(fmt.Sprintf("no source says on which logical unit %s is, or in which file: read %s by libvirt and SSH", f.label(disk), f.home()), disk)
	}
}

// counterpart is the pool of the same name on the target.
func (m *move) counterpart(pool topology.Node) (topology.Node, bool) {
	_, name, _ := strings.Cut(pool.Key().ID, "/")
	return m.s.Node(topology.Key{Kind: topology.StoragePool, ID: m.target.Key().ID + "/" + name})
}

// label words a part of the VM by its own name: "disk vda of web-07".
func (m *move) label(disk topology.Node) string {
	_, name, _ := strings.Cut(disk.Key().ID, "/")
	what := "disk"
	if drive(disk) {
		what = "drive"
	}
	return fmt.Sprintf("%s %s of %s", what, cmp.Or(disk.Text(topology.AttrDeviceName), name), m.vm.Name())
}

// poolThere asks whether the pool of an image is on the target, and active.
func (f *finder) poolThere(img image) {
	switch {
	case img.node.IsZero():
		f.unknown(fmt.Sprintf("no source says what %s is stored on: read pools and volumes of %s by libvirt", f.label(img.disk), f.home()), img.disk)
		return
	case served(img.node):
		f.unknown(fmt.Sprintf("%s is served by %s over %s: whether %s reaches that nobody reads",
			f.label(img.disk), servers(img.node), cmp.Or(img.node.Text(topology.AttrProtocol), "the network"), f.target.Name()), img.node, f.target)
		return
	case img.depth == 0 && img.disk.Text(topology.AttrSourceType) == "volume": // by pool and volume: libvirt looks it up there
		f.poolNamed(img.disk)
		return
	case img.pool.IsZero(): // nothing that would have to be started, if that is so
		if f.file(img) {
			f.filePlace(img)
		}
		return
	}
	switch there, ok := f.counterpart(img.pool); {
	case !ok:
		f.listed(f.target, topology.SourceLibvirt, "pools") // STO-2 says whether what it holds is there all the same
	case img.pool.Text(topology.AttrPoolType) != "dir": // else the files are there whether libvirt looks at them or not
		f.poolActive(there, img.disk)
	}
}

// poolNamed asks for the pool that a disk names, whatever the source has under that name.
func (f *finder) poolNamed(disk topology.Node) {
	source, ok := f.text(disk, topology.AttrSource)
	if !ok {
		return
	}
	name, _, _ := strings.Cut(source, "/")
	there, ok := f.s.Node(topology.PartKey(topology.StoragePool, f.target.Key(), name))
	switch {
	case ok:
		f.poolActive(there, disk)
	case f.listed(f.target, topology.SourceLibvirt, "pools"):
		f.block(fmt.Sprintf("%s has no pool %s, which %s names", f.target.Name(), name, f.label(disk)), f.target, disk)
	}
}

func (f *finder) poolActive(there, disk topology.Node) {
	state, ok := f.text(there, topology.AttrState)
	if !ok || state == "active" || state == "running" {
		return
	}
	f.block(fmt.Sprintf("pool %s of %s is %s; %s lies there", there.Name(), f.target.Name(), state, f.label(disk)), there, disk)
	f.mend(fmt.Sprintf("start pool %s on %s", there.Name(), f.target.Name()), topology.Change{
		Subject: there.Key(), Attr: topology.AttrState, Before: there.Values(topology.AttrState), After: []topology.Value{topology.TextValue("active")},
	})
}

// home is the host that runs the VM, for sentences.
func (m *move) home() string {
	if m.source.IsZero() {
		return "its host"
	}
	return m.source.Name()
}

// served tells that a volume is one that servers offer, and that a VM's program opens itself.
func served(n topology.Node) bool {
	return n.Kind() == topology.Volume && (len(n.Values(topology.AttrSourceHost)) > 0 || n.Text(topology.AttrProtocol) != "")
}

func servers(n topology.Node) string {
	var all []string
	for _, v := range n.Values(topology.AttrSourceHost) {
		all = append(all, v.String())
	}
	return cmp.Or(strings.Join(all, ", "), "servers that no source names")
}
