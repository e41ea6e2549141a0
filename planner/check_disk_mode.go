package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// dropsCache is the first QEMU that drops what it has in its cache of a file when a guest has moved (drop-cache of BlockdevOptionsFile).
var dropsCache = []int{4, 0} //nolint:gochecknoglobals // read-only

// cacheModes asks of each disk what libvirt asks (qemuMigrationSrcIsSafe): nothing may be left in the cache of a host.
func cacheModes(f *finder) {
	asked := 0
	for _, disk := range f.disks() {
		mode := cmp.Or(disk.Text(topology.AttrCache), "default")
		if f.empty(disk) || !f.described(disk) {
			continue
		}
		asked++
		f.cites(disk, topology.AttrCache)
		direct := mode == "none" || mode == "directsync"
		if direct || is(disk, topology.AttrReadOnly) || is(disk, topology.AttrShareable) || disk.Text(topology.AttrSourceType) == "network" || f.coherent(disk) {
			continue
		}
		f.dropped(disk, mode)
	}
	if asked == 0 {
		f.conclude(true, f.vm.Name()+" has no disk")
		return
	}
	f.conclude(false, "nothing of the disks of "+f.vm.Name()+" stays in the cache of a host")
}

// dropped asks whether the source's QEMU drops its cache of a disk by itself.
func (f *finder) dropped(disk topology.Node, mode string) {
	if f.source.IsZero() {
		f.unknown("no source says where "+f.vm.Name()+" runs", f.vm)
		return
	}
	text, ok := f.text(f.source, topology.AttrHypervisorVersion)
	if !ok {
		return
	}
	v, err := versionOf(text)
	switch {
	case err != nil:
		f.unknown(fmt.Sprintf("whether version %q drops its cache of %s is not known", text, f.label(disk)), disk, f.source)
	case slices.Compare(v, dropsCache) < 0:
		f.block(fmt.Sprintf("%s has cache mode %s, and version %s of %s does not drop its cache: the guest may read old data on %s", f.label(disk), mode, text, f.source.Name(), f.target.Name()), disk)
	}
}

// coherent tells that a disk is a file on a file system of which all hosts see the same at once.
func (m *move) coherent(disk topology.Node) bool {
	f := &finder{move: m, check: &Check{}} // what is not known here speaks against it, and is nobody's finding
	for _, img := range m.images(disk) {
		if !m.file(img) {
			return false
		}
		if p := f.filePlace(img); !slices.Contains(clustered, p.kind) {
			return false
		}
	}
	return true
}

// is reads a truth value; what nobody says is not so.
func is(n topology.Node, a topology.Attr) bool {
	v, ok := n.Value(a)
	return ok && v.Bool()
}

// reservations asks whether the guest reserves a unit (SPC persistent reservations): these are registered for a port of the source.
func reservations(f *finder) {
	for _, disk := range f.disks() {
		if !f.described(disk) {
			continue
		}
		helper := disk.Text(topology.AttrReservations)
		raw := disk.Text(topology.AttrDeviceType) == "lun"
		switch {
		case helper != "":
			f.cites(disk, topology.AttrReservations)
			f.block(fmt.Sprintf("the guest may reserve %s (helper %s): its registrations are of the ports of %s and do not move", f.label(disk), helper, f.home()), disk)
		case raw && is(disk, topology.AttrShareable):
			f.warn(fmt.Sprintf("%s is a unit that several guests send SCSI commands to: what they reserve is for the ports of %s", f.label(disk), f.home()), disk)
		}
	}
	f.conclude(false, "no disk of "+f.vm.Name()+" passes reservations on")
}

// blockDevices asks of each disk that is named by a device of the host whether that is the same unit there.
func blockDevices(f *finder) {
	devices := 0
	for _, disk := range f.disks() {
		if disk.Text(topology.AttrSourceType) != "block" {
			continue
		}
		path, ok := f.text(disk, topology.AttrSource)
		if !ok {
			continue
		}
		devices++
		f.blockDevice(disk, path)
	}
	if devices == 0 {
		f.settle(true, "no disk of "+f.vm.Name()+" is named by a block device")
		return
	}
	f.settle(false, "the block devices of "+f.vm.Name()+" mean the same units on "+f.target.Name())
}

func (f *finder) blockDevice(disk topology.Node, path string) {
	units, all := onUnits(disk)
	if !all {
		f.unknown(fmt.Sprintf("no source says on which logical unit %s of %s is: read %s by SSH", path, f.label(disk), f.home()), disk)
		return
	}
	for _, u := range units {
		if designated(path, u) {
			return // whichever device has this name is the unit
		}
	}
	there, ok := f.s.Node(topology.PartKey(topology.Volume, f.target.Key(), path))
	if !ok {
		if strings.HasPrefix(path, "/dev/mapper/") || strings.HasPrefix(path, "/dev/disk/") || strings.Count(path, "/") > 2 {
			f.unlisted(disk, path, units)
			return
		}
		f.unknown(fmt.Sprintf("%s names %s, and nobody says what that is on %s", f.label(disk), path, f.target.Name()), disk, f.target)
		return
	}
	others, whole := onUnits(there)
	switch {
	case !whole:
		f.unknown(fmt.Sprintf("no source says on which logical unit %s of %s is: read it by SSH", path, f.target.Name()), there, disk)
	case !slices.Equal(names(units), names(others)):
		f.block(fmt.Sprintf("%s names %s: that is %s on %s, and %s on %s", f.label(disk), path, strings.Join(names(units), ", "), f.home(), strings.Join(names(others), ", "), f.target.Name()), there, disk)
	}
}

// unlisted says what is known of a device of volume groups or of multipath that the target does not have yet.
func (f *finder) unlisted(disk topology.Node, path string, units []topology.Node) {
	if !strings.HasPrefix(path, "/dev/disk/") && !strings.HasPrefix(path, "/dev/mapper/") && grouped(disk) {
		if f.listed(f.target, topology.SourceLibvirt, "volumes") { // a volume group has its name on the unit itself, and a pool lists what is active of it
			f.warn(fmt.Sprintf("%s names %s, which is not active on %s: activate it there before the move (lvchange -ay), or it is refused", f.label(disk), path, f.target.Name()), disk, f.target)
		}
		return
	}
	f.unknown(fmt.Sprintf("%s names %s, which is %s on %s: nobody says whether it will be so called on %s", f.label(disk), path, strings.Join(names(units), ", "), f.home(), f.target.Name()), disk, f.target)
}

// grouped tells that a disk is in a pool that is a volume group.
func grouped(disk topology.Node) bool {
	for v := range disk.Objects(topology.StoredOn) {
		for p := range v.Subjects(topology.Contains) {
			if p.Kind() == topology.StoragePool && p.Text(topology.AttrPoolType) == "logical" {
				return true
			}
		}
	}
	return false
}

// designated tells that the name of a device is made from what its unit says of itself: /dev/disk/by-id/wwn-0x600…, /dev/mapper/3600….
func designated(path string, unit topology.Node) bool {
	_, id, ok := strings.Cut(unit.Text(topology.AttrDesignator), ".")
	const shortest = 16 // digits of the least name that is one in the world
	return ok && len(id) >= shortest && !strings.HasPrefix(path, "/dev/disk/by-path/") && strings.HasSuffix(strings.ToLower(path), strings.ToLower(id))
}
