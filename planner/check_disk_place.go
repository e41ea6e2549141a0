package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// inside tells that a path is of a folder, or below it.
func inside(path, folder string) bool {
	return path == folder || folder == "/" || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// cites takes down that a check rests on what is said of an attribute, and judges nothing: somebody else has.
func (f *finder) cites(n topology.Node, a topology.Attr) {
	if fact, ok := n.Evidence(a); ok {
		if r, ok := n.Snapshot().Reading(fact.Reading); ok {
			f.citesReading(r)
		}
	}
}

func (f *finder) citesReading(r topology.Reading) {
	if e := f.evidenceOf(r); !slices.Contains(f.evidence, e) {
		f.evidence = append(f.evidence, e)
	}
}

// pathOf is the path of a volume on its host; "" of one that is none of a host.
func pathOf(volume topology.Node) string {
	_, path, _ := strings.Cut(volume.Key().ID, "/")
	if text := volume.Text(topology.AttrPath); text != "" {
		path = text
	}
	if !strings.HasPrefix(path, "/") {
		return ""
	}
	return path
}

// onUnits gives the logical units that something lies on, and whether that is all that it lies on.
func onUnits(n topology.Node) (units []topology.Node, all bool) {
	for _, u := range reach.Units(n) {
		if u.Kind() == topology.LogicalUnit {
			units = append(units, u)
		} else {
			return units, false
		}
	}
	return units, len(units) > 0
}

// file tells that an image is a file of the source, or a device of its own: it is on no logical unit, and nobody serves it under a name of its own.
func (m *move) file(img image) bool {
	if img.node.IsZero() || img.node.Kind() != topology.Volume || served(img.node) {
		return false
	}
	_, all := onUnits(img.node)
	return !all
}

// deviceFile tells that a file is one of a device, not in a folder.
func deviceFile(path string) bool { return strings.HasPrefix(path, "/dev/") }

// filePlace is on what a file of the source lies. That it is in a pool of devices says that it is local, once all of these are known.
func (f *finder) filePlace(img image) place {
	path := pathOf(img.node)
	if f.source.IsZero() {
		f.unknown("no source says where "+f.vm.Name()+" runs", f.vm)
		return place{}
	}
	if deviceFile(path) || path == "" {
		f.unknown(fmt.Sprintf("no source says on which logical unit %s (%s) is: read %s by SSH", f.label(img.disk), img.node.Name(), f.home()), img.node, img.disk)
		return place{}
	}
	if img.pool.IsZero() && !f.listed(f.source, topology.SourceLibvirt, "pools") { // it may be in one
		return place{}
	}
	return f.placeOf(f.source, img.pool, path)
}

// sameThere asks whether both hosts have the same storage for an image.
func (f *finder) sameThere(img image) {
	switch {
	case img.node.IsZero(), served(img.node): // STO-1 says so
		return
	case f.file(img):
		f.sameFolder(img)
		return
	}
	units, _ := onUnits(img.node)
	for _, u := range units {
		f.identity(img, u)
	}
	if there, ok := f.counterpart(img.pool); ok && !img.pool.IsZero() {
		if others, all := onUnits(there); all && !slices.Equal(names(units), names(others)) {
			f.block(fmt.Sprintf("pool %s is on %s at %s, and on %s at %s", there.Name(), strings.Join(names(others), ", "), f.target.Name(), strings.Join(names(units), ", "), f.home()), there, img.pool)
		}
	}
}

func names(nodes []topology.Node) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// identity asks whether a unit has a name by which another host knows it, too.
func (f *finder) identity(img image, unit topology.Node) {
	owner, _, numbered := strings.Cut(unit.Key().ID, "/")
	switch {
	case unit.Text(topology.AttrDesignator) != "":
		f.cites(unit, topology.AttrDesignator)
	case !numbered, owner == f.vm.Key().ID: // the VM's own program opens it: by the same words wherever it runs
	default:
		if array, ok := unit.Owner(); ok && array.Kind() == topology.Array {
			return
		}
		f.unknown(fmt.Sprintf("%s is known by its number alone (%s): no designator tells which unit that is on %s; collect its array, or %s by SSH",
			f.label(img.disk), unit.Name(), f.target.Name(), f.home()), unit, img.disk)
	}
}

// sameFolder asks whether the target has mounted what a file of the source is in.
func (f *finder) sameFolder(img image) {
	here := f.filePlace(img)
	if !here.known || here.server == "" { // that it is local, STO-3 says
		return
	}
	pool, _ := f.counterpart(img.pool)
	if pool.IsZero() || pool.Text(topology.AttrPoolType) != "netfs" {
		pool = topology.Node{}
	}
	there := f.placeOf(f.target, pool, pathOf(img.node))
	if !there.known {
		return
	}
	about := []topology.Node{f.target, img.disk}
	if !pool.IsZero() {
		about = []topology.Node{pool, img.pool}
	}
	switch here.like(there) {
	case same:
		if there.readOnly() && img.depth == 0 && !is(img.disk, topology.AttrReadOnly) {
			f.block(fmt.Sprintf("%s lies on %s, which %s has mounted read-only", f.label(img.disk), here.server, f.target.Name()), about...)
		}
	case another:
		f.block(fmt.Sprintf("%s lies on %s; %s has %s there", f.label(img.disk), here.beside(there), f.target.Name(), there.beside(here)), about...)
	case mayBe:
		f.unknown(fmt.Sprintf("%s lies on %s (%s), and %s has %s (%s) there: whether that is the same, no source says", f.label(img.disk), here.server, here.kind, f.target.Name(), there.server, there.kind), about...)
	}
}

// localDisks asks whether a disk is on what only the source has.
func localDisks(f *finder) {
	files := 0
	for _, disk := range f.disks() {
		for _, img := range f.images(disk) {
			if drive(disk) || !f.file(img) {
				continue
			}
			files++
			f.chained(img)
			if p := f.filePlace(img); p.known && p.server == "" {
				f.onlyHere(img, p)
			}
		}
	}
	if files == 0 {
		f.settle(true, "no disk of "+f.vm.Name()+" is known to be a file")
		return
	}
	f.settle(false, "no disk of "+f.vm.Name()+" is local to "+f.home())
}

// onlyHere says what a local image means: it has to be copied, if the policy lets it, and there has to be room for it.
func (f *finder) onlyHere(img image, p place) {
	if !f.policy.CopyDisks {
		f.block(fmt.Sprintf("%s (%s) is on a file system of %s alone (%s)", f.label(img.disk), pathOf(img.node), f.home(), p.kind), img.disk, img.node)
		return
	}
	needs, ok := f.number(img.node, topology.AttrCapacityBytes)
	if !ok {
		return
	}
	pool, ok := f.counterpart(img.pool)
	if img.pool.IsZero() || !ok {
		f.unknown(fmt.Sprintf("%s has to be copied, and no source says how much room %s has for it: define its pool there", f.label(img.disk), f.target.Name()), img.disk, f.target)
		return
	}
	room, ok := f.number(pool, topology.AttrAvailableBytes)
	switch {
	case !ok:
	case room < needs:
		f.block(fmt.Sprintf("%s has to be copied and needs %s; pool %s of %s has %s", f.label(img.disk), gibibytes(needs), pool.Name(), f.target.Name(), gibibytes(room)), pool, img.disk)
	default:
		f.warn(fmt.Sprintf("%s is copied: %s to pool %s of %s", f.label(img.disk), gibibytes(needs), pool.Name(), f.target.Name()), img.disk, pool)
	}
}
