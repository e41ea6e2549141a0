package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// masking asks whether the array shows each unit to the target's initiators, and as what.
func masking(f *finder) {
	for _, u := range f.unitWays() {
		for _, fault := range u.faults {
			if fault.code == "SAN-3" {
				f.sayFault(u, fault)
			}
		}
		f.numbered(u)
		f.writable(u)
		f.pathsKnown(u)
	}
	f.good("the array shows the units of %s to %s")
}

// good passes where there are units and nothing speaks against them.
func (f *finder) good(format string) {
	if len(f.unitWays()) == 0 {
		f.settle(true, "no disk of "+f.vm.Name()+" is on a logical unit")
		return
	}
	f.citeWays()
	f.settle(false, fmt.Sprintf(format, f.vm.Name(), f.target.Name()), f.target)
}

// numbered asks whether a disk that is named by its unit's number finds the same unit under it on the target.
func (f *finder) numbered(u *unitWays) {
	here, there := numbers(u.unit, u.before.Paths), numbers(u.unit, u.after.Paths)
	for _, disk := range u.disks {
		source := disk.Text(topology.AttrSource)
		if !strings.HasPrefix(source, "/dev/disk/by-path/") || len(there) == 0 {
			continue
		}
		if !slices.Equal(here, there) {
			f.block(fmt.Sprintf("%s names %s; the unit has number %s for %s, and %s for %s", f.label(disk), source, strings.Join(here, ", "), f.home(), strings.Join(there, ", "), f.target.Name()), u.unit, disk)
		}
	}
}

// numbers lists the numbers under which initiators see a unit.
func numbers(unit topology.Node, paths []reach.StoragePath) []string {
	var all []string
	for m := range unit.Subjects(topology.MapsUnit) {
		n, ok := m.Value(topology.AttrLUN)
		if ok && admitsAny(m, paths) && !slices.Contains(all, n.String()) {
			all = append(all, n.String())
		}
	}
	slices.Sort(all)
	return all
}

// writable asks whether the target may write to what the VM writes to.
func (f *finder) writable(u *unitWays) {
	writes := slices.ContainsFunc(u.disks, func(d topology.Node) bool { return !is(d, topology.AttrReadOnly) })
	for m := range u.unit.Subjects(topology.MapsUnit) {
		if writes && is(m, topology.AttrReadOnly) && admitsAny(m, u.after.Paths) {
			f.cites(m, topology.AttrReadOnly)
			f.block(fmt.Sprintf("the array shows %s to %s read only, and %s writes to it", u.unit.Name(), f.target.Name(), f.vm.Name()), m, u.unit)
		}
	}
}

// redundancy counts the paths that there would be once other checks' faults are mended: those they tell themselves.
func redundancy(f *finder) {
	for _, u := range f.unitWays() {
		if f.pathsKnown(u); len(u.after.Paths) == 0 {
			continue
		}
		sure, may := u.counts()
		text := fmt.Sprintf("%s has %s to %s; from %s it has %s", f.target.Name(), pathWords(sure), u.unit.Name(), f.home(), pathWords(u.before.May))
		about := []topology.Node{u.unit, f.target}
		said := len(f.found)
		for _, fault := range u.faults {
			if fault.code == "SAN-4" {
				f.sayFault(u, fault)
			}
		}
		switch {
		case len(f.found) > said:
		case !f.enough(u, may):
			f.block(fmt.Sprintf("%s; the policy wants %d", text, f.least()), about...)
		case !f.enough(u, sure):
			f.unknown(fmt.Sprintf("%s for certain; the policy wants %d", text, f.least()), about...)
		case f.unfavoured(u):
			f.warn(text+", none of them over a port that the array prefers", about...)
		case sure.Paths < u.before.Must.Paths:
			f.warn(text, about...)
		default:
			f.citeWays()
			f.pass(text, about...)
		}
	}
	f.good("%s has no fewer paths on %s")
}

// counts gives what there would be if what other checks find were mended: for certain, and at best.
func (u *unitWays) counts() (sure, may reach.Redundancy) {
	var certain, possible []reach.StoragePath
	for _, p := range u.after.Paths {
		best, _ := nearest(u.after.Paths, p.Target.Key())
		mended, doubted := p.Verdict == reach.Yes, p.Verdict == reach.NotKnown
		if p.Verdict != reach.Yes && best.Initiator == p.Initiator && servedAt(p, u) {
			mended = true
			for _, s := range p.Steps {
				if code := u.codeOf(p, s); s.Verdict != reach.Yes && code == "SAN-4" {
					mended, doubted = false, doubted || s.Verdict != reach.No
				}
			}
		}
		if mended {
			certain = append(certain, p)
		}
		if mended || doubted {
			possible = append(possible, p)
		}
	}
	return reach.RedundancyOf(certain), atBest(possible)
}

// servedAt tells that the VM reaches a path's target port now, or may; or that it is not known to reach any.
func servedAt(p reach.StoragePath, u *unitWays) bool {
	return u.before.May.Paths == 0 || slices.ContainsFunc(u.before.Paths, func(b reach.StoragePath) bool {
		return b.Target.Key() == p.Target.Key() && b.Verdict != reach.No
	})
}

func pathWords(r reach.Redundancy) string {
	text := amount(r.Paths, "path") + " over " + amount(r.Media, "fabric or subnet")
	if r.Controllers > 0 {
		text += " and " + amount(r.Controllers, "controller")
	}
	return text
}

// amount is a number of things: "1 path", "2 paths".
func amount(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, strings.ReplaceAll(thing, " or", "s or"))
}

// unfavoured tells that all ports by which the target reaches a unit are ones that the array does not prefer for it (SPC asymmetric access), and of some that the
// VM has now that is not so.
func (f *finder) unfavoured(u *unitWays) bool {
	prefers := func(paths []reach.StoragePath) (some, known bool) {
		for _, p := range paths {
			state := p.Target.Text(topology.AttrAccessState)
			known = known || state != ""
			some = some || p.Verdict == reach.Yes && (state == "" || strings.HasSuffix(state, "optimized") && !strings.Contains(state, "non"))
		}
		return some, known
	}
	now, _ := prefers(u.before.Paths)
	then, known := prefers(u.after.Paths)
	return known && now && !then
}

// fabricQuality compares the speed of the ports, and how many links lie between switches.
func fabricQuality(f *finder) {
	asked := false
	for _, u := range f.unitWays() {
		switch by := u.medium(); {
		case by == overIP:
			continue
		case by == "":
			f.unreached(u)
			continue
		case len(u.before.Paths) == 0 || len(u.after.Paths) == 0:
			f.unknown(fmt.Sprintf("not of both %s and %s is a path to %s known", f.home(), f.target.Name(), u.unit.Name()), u.unit)
			continue
		}
		asked = true
		f.pathsKnown(u)
		now, ok := f.slowest(u.before.Paths)
		then, also := f.slowest(u.after.Paths)
		if ok && also && then < now {
			f.warn(fmt.Sprintf("the slowest port by which %s reaches %s has %d Gbit/s, that of %s has %d", f.target.Name(), u.unit.Name(), then/1e9, f.home(), now/1e9), f.target, u.unit)
		}
		if a, b := f.hops(u.before.Paths), f.hops(u.after.Paths); b > a {
			f.warn(fmt.Sprintf("%s reaches %s over up to %d links between switches, %s over %d", f.target.Name(), u.unit.Name(), b, f.home(), a), f.target, u.unit)
		}
	}
	if !asked {
		f.settle(true, fmt.Sprintf("no disk of %s is on a unit over %s", f.vm.Name(), fibreChannel))
		return
	}
	f.settle(false, f.target.Name()+" has no slower and no longer way through the fabric, as far as links between switches are known; load, and ports that do not take what they are sent, are not looked at", f.target)
}

// slowest is the speed of the slowest initiator of some paths that are no way for certain not.
func (f *finder) slowest(paths []reach.StoragePath) (bits int64, ok bool) {
	var asked []topology.Node
	for _, p := range paths {
		if slices.Contains(asked, p.Initiator) || lacks(p) >= 100 {
			continue
		}
		asked = append(asked, p.Initiator)
		n, known := f.number(p.Initiator, topology.AttrSpeedBits)
		if !known {
			return 0, false
		}
		if bits == 0 || n < bits {
			bits = n
		}
	}
	return bits, bits > 0
}

// hops is the most links between switches that paths need; 0 where none is known.
func (f *finder) hops(paths []reach.StoragePath) int {
	most := 0
	for _, p := range paths {
		if lacks(p) < 100 {
			most = max(most, f.network().FabricHops(p.Initiator, p.Target))
		}
	}
	return most
}

// portals asks for the way over IP.
func portals(f *finder) {
	for _, u := range f.unitWays() {
		for _, p := range u.after.Paths {
			if p.Verdict != reach.No && !p.Unsized.IsZero() && p.Narrow == nil {
				f.unknown(fmt.Sprintf("%s by %s of %s and %s: no source says how large packets may be at %s of %s",
					u.unit.Name(), p.Initiator.Name(), f.target.Name(), p.Target.Name(), p.Unsized.Name(), ownerName(p.Unsized)), p.Unsized, f.target)
			}
			if p.Narrow == nil || p.Verdict == reach.No {
				continue
			}
			if slices.ContainsFunc(u.before.Paths, func(b reach.StoragePath) bool { return b.Target.Key() == p.Target.Key() && b.Narrow != nil }) {
				continue // so it is now
			}
			f.block(fmt.Sprintf("%s by %s of %s and %s: %s", u.unit.Name(), p.Initiator.Name(), f.target.Name(), p.Target.Name(), p.Narrow), p.Narrow.Node, f.target)
		}
	}
	f.sayFaults("SAN-6", overIP, "the target reaches the portals of its units, with packets of full size")
}

func ownerName(n topology.Node) string {
	if owner, ok := n.Owner(); ok {
		return owner.Name()
	}
	return "nobody knows whom"
}

// exports asks whether the servers of file systems admit the target: it has mounted them, so they do.
func exports(f *finder) {
	asked := 0
	for _, disk := range f.disks() {
		for _, img := range f.images(disk) {
			if !f.file(img) || deviceFile(pathOf(img.node)) || f.source.IsZero() {
				continue
			}
			f.chained(img)
			here := f.filePlace(img)
			if !here.known || here.server == "" {
				continue // that it is local, STO-3 says
			}
			asked++
			f.admitted(img, here)
		}
	}
	if asked == 0 {
		f.settle(true, "no disk of "+f.vm.Name()+" is a file of a server")
		return
	}
	f.settle(false, f.target.Name()+" has mounted what holds the disks of "+f.vm.Name(), f.target)
}

func (f *finder) admitted(img image, here place) {
	pool, ok := f.counterpart(img.pool)
	mounted := ok && pool.Text(topology.AttrPoolType) == "netfs"
	var there place
	if mounted {
		there = f.poolPlace(f.target, pool, pathOf(img.node))
		fact, _ := pool.Evidence(topology.AttrState)
		state := fact.Value.String()
		mounted = (state == "active" || state == "running") && fact.Reading.Source != topology.SourcePlan && f.rests(pool, fact)
	} else {
		said := len(f.found)
		there = f.placeOf(f.target, topology.Node{}, pathOf(img.node))
		f.found = f.found[:said]
		mounted = there.known && here.like(there) == same
	}
	if !mounted {
		f.unknown(fmt.Sprintf("%s has not mounted %s, on which %s is, and nobody reads whom its server admits", f.target.Name(), here.server, f.label(img.disk)), f.target, img.disk)
		return
	}
	if a, b := version(img.pool, here), version(pool, there); a != b {
		f.warn(fmt.Sprintf("%s has %s mounted as %s, %s as %s: they lock files otherwise", f.home(), here.server, a, f.target.Name(), b), f.target, img.disk)
	}
}

// version words as what a pool is mounted: the host chooses where nothing says so.
func version(pool topology.Node, p place) string {
	if !pool.IsZero() {
		if v := pool.Text(topology.AttrProtocol); v != "" {
			return v
		}
	}
	return cmp.Or(p.protocol(), p.family()+" of the host's choice")
}

// queueing compares what multipath does with a unit on both hosts.
func queueing(f *finder) {
	asked := 0
	for _, u := range f.unitWays() {
		if strings.HasPrefix(u.unit.Key().ID, f.vm.Key().ID+"/") || len(u.before.Paths) > 0 && u.before.Paths[0].Initiator.IsZero() {
			continue // the program that runs the VM opens it
		}
		here, ok := f.queues(f.source, u.unit)
		if !ok || here == "" {
			continue // unknown, or without multipath
		}
		asked++
		f.cites(u.unit, topology.AttrQueueing)
		there, ok := f.queues(f.target, u.unit)
		switch {
		case !ok:
		case there == "":
			f.alike(u, here)
		case there != here:
			f.warn(fmt.Sprintf("multipath treats %s otherwise on %s (%s) than on %s (%s)", u.unit.Name(), f.target.Name(), there, f.home(), here), f.target, u.unit)
		}
	}
	if asked == 0 {
		f.settle(true, "no unit of "+f.vm.Name()+" is behind multipath")
		return
	}
	f.settle(false, "multipath treats the units of "+f.vm.Name()+" alike on both hosts", f.target)
}

// queues is what multipath does on a host with a unit; "" if it does not know the unit. An unknown says that nobody has asked it.
func (f *finder) queues(host, unit topology.Node) (string, bool) {
	if host.IsZero() {
		f.unknown("no source says where "+f.vm.Name()+" runs", f.vm)
		return "", false
	}
	for _, v := range unit.Values(topology.AttrQueueing) {
		who, what, _ := strings.Cut(v.String(), " ")
		if slices.ContainsFunc(host.Values(topology.AttrHandle), func(h topology.Value) bool { return h.String() == who || topology.EscapeID(h.String()) == who }) {
			return what, true
		}
	}
	return "", f.listed(host, topology.SourceSSH, "multipath")
}

// alike asks what multipath does on the target with another unit of the array, where it does not have this one yet.
func (f *finder) alike(u *unitWays, here string) {
	array, _ := u.unit.Owner()
	if !array.IsZero() {
		for other := range array.Objects(topology.Contains) {
			if other.Kind() != topology.LogicalUnit {
				continue
			}
			there, _ := f.queues(f.target, other)
			switch {
			case there == "":
				continue
			case there != here:
				f.warn(fmt.Sprintf("multipath treats units of %s otherwise on %s (%s) than %s on %s (%s)", array.Name(), f.target.Name(), there, u.unit.Name(), f.home(), here), f.target, u.unit)
			}
			return
		}
	}
	f.unknown(fmt.Sprintf("%s has no multipath device of %s yet, nor of another unit of its array: how it would treat it is seen when it is there", f.target.Name(), u.unit.Name()), f.target, u.unit)
}

// sharing asks to whom an array shows each unit.
func sharing(f *finder) {
	for _, u := range f.unitWays() {
		maps := u.unit.In(topology.MapsUnit)
		if len(maps) == 0 {
			f.unknown(fmt.Sprintf("no array says to whom it shows %s: collect it", u.unit.Name()), u.unit)
		}
		var seen []topology.Node
		for _, m := range maps {
			if !f.reading(u.unit, m.Reading) {
				return
			}
			if m.Reading.Partial {
				f.unknown(fmt.Sprintf("the mappings of %s were not read whole: there may be others that see it", u.unit.Name()), u.unit)
			}
			for i := range m.From.Objects(topology.MapsInitiator) {
				if !slices.Contains(seen, i) {
					seen = append(seen, i)
					f.maySee(u, i)
				}
			}
			f.anybody(u, m.From)
		}
	}
	f.good("the array shows the units of %[1]s to nobody who may not see them")
}

// anybody tells of a mapping that admits whoever asks.
func (f *finder) anybody(u *unitWays, mapping topology.Node) {
	for _, v := range mapping.Values(topology.AttrInitiatorAddress) {
		if v.Prefix().Bits() == 0 {
			f.warn(fmt.Sprintf("the array shows %s to whoever asks from %s", u.unit.Name(), v), mapping, u.unit)
		}
	}
}

// maySee asks whether an initiator may see a unit.
func (f *finder) maySee(u *unitWays, initiator topology.Node) {
	owner, known := initiator.Owner()
	if known && owner.Kind() == topology.VM && owner != f.vm {
		if !f.uses(owner, u.unit) {
			f.warn(fmt.Sprintf("the array shows %s to VM %s, which has no disk on it", u.unit.Name(), owner.Name()), initiator, u.unit)
		}
		return
	}
	if !known {
		f.warn(fmt.Sprintf("the array shows %s to %s, of which no source says whose it is", u.unit.Name(), initiator.Name()), initiator, u.unit)
		return
	}
	for _, rule := range f.policy.Units {
		if rule.Units.Has(u.unit) && owner.Kind() == topology.Host && !rule.Hosts.Has(owner) {
			f.block(fmt.Sprintf("the array shows %s to %s, which may not see it by the policy (%s)", u.unit.Name(), owner.Name(), rule.Name), initiator, owner, u.unit)
			return
		}
	}
}

// uses tells that a VM has a disk on a unit.
func (f *finder) uses(vm, unit topology.Node) bool {
	for disk := range vm.Objects(topology.Contains) {
		if disk.Kind() == topology.VDisk && slices.Contains(reach.Units(disk), unit) {
			return true
		}
	}
	return false
}

// writers asks who else writes to what the VM writes to.
func writers(f *finder) {
	for _, u := range f.unitWays() {
		for _, fault := range u.faults {
			if fault.code == "SAN-10" {
				f.sayFault(u, fault)
			}
		}
	}
	for _, disk := range f.disks() {
		if is(disk, topology.AttrReadOnly) || drive(disk) || !f.described(disk) {
			continue
		}
		for n := range disk.Objects(topology.StoredOn) {
			f.others(disk, n)
		}
	}
	f.settle(false, "no other VM that is known writes to the disks of "+f.vm.Name())
}

// others asks for disks of other VMs on the same volume or unit, whatever each host calls it.
func (f *finder) others(disk, on topology.Node) {
	places := []topology.Node{on}
	if units, all := onUnits(on); all && on.Kind() == topology.Volume && on.Text(topology.AttrBackingPath) == "" && !grouped(disk) {
		for _, u := range units {
			places = append(places, u)
			places = append(places, slices.Collect(u.Subjects(topology.StoredOn))...)
			places = append(places, slices.Collect(u.Subjects(topology.IdentifiedAs))...)
		}
	} else if on.Kind() == topology.LogicalUnit {
		unit := on
		if to, ok := on.First(topology.IdentifiedAs); ok {
			unit = to
		}
		places = append(places, unit)
		places = append(places, slices.Collect(unit.Subjects(topology.StoredOn))...)
		places = append(places, slices.Collect(unit.Subjects(topology.IdentifiedAs))...)
	}
	var seen []topology.Node
	for _, p := range places {
		for other := range p.Subjects(topology.StoredOn) {
			vm, ok := other.Owner()
			if other.Kind() != topology.VDisk || !ok || vm == f.vm || slices.Contains(seen, vm) || is(other, topology.AttrReadOnly) {
				continue
			}
			seen = append(seen, vm)
			f.rival(disk, other, vm)
		}
	}
}

// rival says what it means that another VM writes to a disk.
func (f *finder) rival(disk, other, vm topology.Node) {
	state := cmp.Or(vm.Text(topology.AttrState), "in a state that no source says")
	off := state == "shutoff" || state == "inactive" || state == "crashed"
	f.cites(other, topology.AttrShareable)
	switch {
	case is(disk, topology.AttrShareable) && is(other, topology.AttrShareable):
		f.warn(fmt.Sprintf("%s is shared with %s: that they do not spoil each other's writes is their own business", f.label(disk), vm.Name()), disk, other)
	case off:
		f.warn(fmt.Sprintf("%s is a disk of %s, too, which is %s", f.label(disk), vm.Name(), state), disk, other)
	default:
		f.block(fmt.Sprintf("%s is a disk of %s, too, which is %s, and they do not both say that they share it", f.label(disk), vm.Name(), state), disk, other)
	}
}
