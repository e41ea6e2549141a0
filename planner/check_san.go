package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// storageChecks ask whether fabrics and arrays let the target see the units: SAN-1 to SAN-11.
func storageChecks() []Check {
	return []Check{
		{
			Code: "SAN-1", Asks: "Is the target logged in to each fabric by which the VM is served?", Facts: "initiators of both hosts (SSH, libvirt), logins, name servers and links of fabrics (SSH, CLI), ports of the array",
			Mends: "plug in or enable the port", run: func(f *finder) {
				f.sayFaults("SAN-1", fibreChannel, "the target is logged in where the VM's units are")
			},
		},
		{
			Code: "SAN-2", Asks: "Has a zone in force the target's initiator and the array's port, in each of these fabrics?", Facts: "zones in force (CLI)",
			Mends: "add the initiator to the zone, and activate the zone set", run: func(f *finder) {
				f.sayFaults("SAN-2", fibreChannel, "zones in force hold the target's initiators and the array's ports")
			},
		},
		{
			Code: "SAN-3", Asks: "Does the array show each unit to the target's initiators, for writing, and under the same number where that counts?", Facts: "mappings of the array (san), else what hosts see (SSH)",
			Mends: "map the unit to the initiator", run: masking,
		},
		{
			Code: "SAN-4", Asks: "Has the target as many paths as the policy wants, over as many fabrics and controllers as before?", Facts: "paths before and after, states of paths (SSH)",
			Mends: "cable, zone or map another path", run: redundancy,
		},
		{
			Code: "SAN-5", Asks: "Are the target's ways through the fabric as fast and as short as the source's?", Facts: "speeds of initiators (SSH), links between FC switches (CLI)",
			Mends: "choose a host with ports of the same speed", run: fabricQuality,
		},
		{
			Code: "SAN-6", Asks: "Does the target reach the portals of the array, with packets of full size?", Facts: "addresses, routes and filters of host and array (SSH, SNMP, CLI), portals and accounts (san)",
			Mends: "open the way to the portal on the storage VLAN", run: portals,
		},
		{
			Code: "SAN-7", Asks: "Does the server of each file system admit the target, with the same version of the protocol?", Facts: "pools of both hosts (libvirt), mounts",
			Mends: "mount it on the target", run: exports,
		},
		{
			Code: "SAN-8", Asks: "Does multipath treat each unit alike on both hosts?", Facts: "features, handler and policy of multipath devices (SSH)", Mends: "make multipath.conf alike", run: queueing,
		},
		{
			Code: "SAN-9", Asks: "Is each unit shown to those alone who may see it?", Facts: "mappings of the array (san), owners of initiators, policy", Mends: "take the initiator out of the mapping", run: sharing,
		},
		{
			Code: "SAN-10", Asks: "Does nobody else write to the VM's disks?", Facts: "disks of other VMs and whether they may be shared (libvirt), reservations (san)", Mends: "stop the other VM, or say in both that the disk is shared", run: writers,
		},
		{
			Code: "SAN-11", Asks: "Are there fewer units and ways than hosts and fabrics can have?", When: AtRun, Facts: "limits of drivers, arrays and fabrics",
			Why: "no device says its limit before it is met", Mends: "take units or zones away that nobody uses",
		},
	}
}

// unitWays is how disks of a VM reach one logical unit, from where it runs and from the target.
type unitWays struct {
	unit          topology.Node
	disks         []topology.Node // that may take the same ways
	before, after reach.StorageAnswer
	faults        []wayFault
}

// wayFault is a step by which the target does not reach, or may not, ports of the array at which the VM is served.
type wayFault struct {
	code    string // of the check whose business it is
	verdict reach.Verdict
	why     string
	path    reach.StoragePath   // the best of those to the first of targets; none where no port could log in
	targets []topology.Node     // for which it is the same
	was     []reach.StoragePath // how the VM reaches these now
}

// The kinds of units, by how they are reached.
const (
	fibreChannel = "Fibre Channel"
	overIP       = "iSCSI"
)

// medium tells by what a unit is reached; "" if nobody says.
func (u *unitWays) medium() string {
	if all := slices.Concat(u.before.Paths, u.after.Paths); len(all) > 0 {
		if fibre(all[0].Target) {
			return fibreChannel
		}
		return overIP
	}
	for _, rel := range []topology.Rel{topology.Exports, topology.MapsUnit} {
		for t := range u.unit.Subjects(rel) {
			if rel == topology.MapsUnit {
				t, _ = t.First(topology.MapsTarget)
			}
			switch {
			case t.IsZero():
			case fibre(t):
				return fibreChannel
			default:
				return overIP
			}
		}
	}
	return ""
}

func fibre(port topology.Node) bool {
	_, err := topology.ParseWWN(port.Key().ID)
	return err == nil
}

// unitWays gives the ways to the VM's units; they are found once a move.
func (f *finder) unitWays() []*unitWays {
	if f.units == nil {
		f.units = []*unitWays{}
		for _, disk := range f.disks() {
			for _, unit := range reach.Units(disk) {
				if unit.Kind() != topology.LogicalUnit {
					continue
				}
				if i := slices.IndexFunc(f.units, func(u *unitWays) bool { return u.unit == unit && sameWays(u.disks[0], disk) }); i >= 0 {
					f.units[i].disks = append(f.units[i].disks, disk)
					continue
				}
				f.units = append(f.units, f.waysTo(unit, disk))
			}
		}
	}
	return f.units
}

// sameWays tells that two disks on one unit may take the same ways. Of those that the program which runs the VM opens itself each has the portals that it names, and no other.
func sameWays(a, b topology.Node) bool {
	return slices.Equal(topology.Portals(a), topology.Portals(b))
}

// waysTo asks for the ways of a disk to a unit. Where the VM has no initiator of its own it sees what the target sees, and the question is one about the network as it is.
func (f *finder) waysTo(unit, disk topology.Node) *unitWays {
	u := &unitWays{unit: unit, disks: []topology.Node{disk}}
	own := slices.ContainsFunc(f.vm.Out(topology.Contains), func(e topology.Edge) bool { return e.To.Kind() == topology.InitiatorPort })
	var err, other error
	u.before, err = f.network().Storage(f.ctx, disk, unit)
	if own {
		then, _ := disk.On(f.after.Snapshot())
		after, _ := unit.On(f.after.Snapshot())
		u.after, other = f.moved().Storage(f.ctx, then, after)
	} else {
		u.after, other = f.network().Storage(f.ctx, f.target, unit)
	}
	if err != nil || other != nil { // nobody waits any longer
		u.after = reach.StorageAnswer{From: f.target, Unit: unit, Verdict: reach.NotKnown, Why: "the question was given up"}
	}
	u.compare()
	return u
}

// compare finds for each port of the array at which the VM is served, or may be, why the target would not be.
func (u *unitWays) compare() {
	targets, served := serving(u.before.Paths, false)
	if len(targets) == 0 {
		targets, served = serving(u.after.Paths, true)
	}
	for _, t := range targets {
		best, ok := nearest(u.after.Paths, t)
		switch {
		case ok && best.Verdict != reach.Yes:
			u.blame(best, served[t])
		case !ok && len(u.after.Paths) > 0:
			u.fault(wayFault{
				code: u.loginCode(), verdict: reach.NotKnown, why: "no initiator port of " + u.after.From.Name() + " is known that could log in there",
				path: reach.StoragePath{Target: served[t][0].Target}, was: served[t],
			})
		}
	}
	if u.after.Verdict != reach.Yes && len(u.faults) == 0 {
		code := u.loginCode()
		if len(u.after.Paths) == 0 && strings.HasPrefix(u.after.Why, "no array") {
			code = "SAN-3"
		}
		u.faults = append(u.faults, wayFault{code: code, verdict: reach.NotKnown, why: u.after.Why})
	}
}

// serving gives the ports of the array of some paths, of all or of those alone that may be there, and the paths by them.
func serving(paths []reach.StoragePath, all bool) (targets []topology.Key, by map[topology.Key][]reach.StoragePath) {
	by = map[topology.Key][]reach.StoragePath{}
	for _, p := range paths {
		if !all && p.Verdict == reach.No {
			continue
		}
		k := p.Target.Key()
		if _, known := by[k]; !known {
			targets = append(targets, k)
		}
		by[k] = append(by[k], p)
	}
	return targets, by
}

func (u *unitWays) loginCode() string {
	if u.medium() == overIP {
		return "SAN-6"
	}
	return "SAN-1"
}

// nearest is of the paths to a target port the one that lacks least: a host has a port for each fabric, and only one of them can be meant.
func nearest(paths []reach.StoragePath, target topology.Key) (best reach.StoragePath, ok bool) {
	least := 0
	for _, p := range paths {
		if p.Target.Key() != target {
			continue
		}
		if n := lacks(p); !ok || n < least {
			best, least, ok = p, n, true
		}
	}
	return best, ok
}

// lacks weighs what a path lacks. That a port is logged in to another fabric is more than that it is in none.
func lacks(p reach.StoragePath) int {
	sum := 0
	for _, s := range p.Steps {
		switch {
		case s.Verdict == reach.Yes:
		case s.Verdict != reach.No:
			sum++
		case s.Kind == "fabric":
			sum += 110
		case s.Kind == "zone", s.Kind == "unit":
			sum += 10
		default:
			sum += 100
		}
	}
	return sum
}

// blame takes the steps of a path down that fail, or may.
func (u *unitWays) blame(p reach.StoragePath, was []reach.StoragePath) {
	for _, s := range p.Steps {
		if s.Verdict != reach.Yes {
			u.fault(wayFault{code: u.codeOf(p, s), verdict: s.Verdict, why: s.Text, path: p, was: was})
		}
	}
}

// fault adds one, or its target port to one that is the same otherwise.
func (u *unitWays) fault(f wayFault) {
	f.why = strings.Replace(f.why, fmt.Sprintf("no mapping of %s admits %s at %s", u.unit.Name(), f.path.Initiator.Name(), f.path.Target.Name()), "no mapping admits it", 1)
	for i, o := range u.faults {
		if o.code == f.code && o.verdict == f.verdict && o.why == f.why && o.path.Initiator == f.path.Initiator && o.path.Medium == f.path.Medium {
			u.faults[i].targets, u.faults[i].was = append(o.targets, f.path.Target), append(o.was, f.was...)
			return
		}
	}
	f.targets = []topology.Node{f.path.Target}
	u.faults = append(u.faults, f)
}

// codeOf is the check whose business a step is.
func (u *unitWays) codeOf(p reach.StoragePath, s reach.StorageStep) string {
	_, reserved := u.unit.Value(topology.AttrUnparsed)
	switch {
	case s.Kind == "unit" && reserved:
		return "SAN-10"
	case s.Kind == "unit" && strings.Contains(s.Text, "path"): // the host itself says how its path is
		return "SAN-4"
	case s.Kind == "unit":
		return "SAN-3"
	case !fibre(p.Target):
		return "SAN-6"
	case s.Kind == "zone":
		return "SAN-2"
	}
	return "SAN-1"
}

// least is how many paths the policy wants.
func (f *finder) least() int { return max(1, f.policy.Redundancy.Storage) }

// enough tells whether paths are what the policy wants: so many, over as many fabrics and controllers as before, or as many as paths if that is less.
func (f *finder) enough(u *unitWays, r reach.Redundancy) bool {
	return r.Paths >= f.least() && r.Media >= min(u.before.May.Media, f.least()) && r.Controllers >= min(u.before.May.Controllers, f.least())
}

// atBest is what paths come to, if all that may be there are: of one of which the fabric or the controller is not known, these may be others than all that are.
func atBest(paths []reach.StoragePath) reach.Redundancy {
	best := reach.RedundancyOf(paths)
	for _, p := range paths {
		if p.Medium == "" {
			best.Media++
		}
		if p.Controller == "" {
			best.Controllers++
		}
	}
	return best
}

// weigh gives what a fault means: nothing but less redundancy, where there are paths enough without; else what is known of it.
func (f *finder) weigh(u *unitWays, fault wayFault) Verdict {
	open := slices.DeleteFunc(slices.Clone(u.after.Paths), func(p reach.StoragePath) bool { return p.Verdict == reach.No })
	switch {
	case f.enough(u, u.after.Must):
		return Warn
	case fault.verdict == reach.No && !f.enough(u, atBest(open)) && (u.after.Verdict != reach.NotKnown || u.after.May.Paths > 0):
		return Block
	}
	return Unknown
}

// sayFaults tells of the faults that are one check's business.
func (f *finder) sayFaults(code, medium, good string) {
	asked := false
	for _, u := range f.unitWays() {
		if by := u.medium(); by == "" {
			f.unreached(u)
			continue
		} else if by != medium {
			continue
		}
		asked = true
		for _, fault := range u.faults {
			if fault.code == code {
				f.sayFault(u, fault)
			}
		}
		f.pathsKnown(u)
	}
	if !asked {
		f.settle(true, fmt.Sprintf("no disk of %s is on a unit over %s", f.vm.Name(), medium))
		return
	}
	f.citeWays()
	f.settle(false, f.vm.Name()+": "+good, f.target)
}

// pathsKnown takes an unknown down where nobody knows all ports by which the target may reach a unit: of which nothing is found, nothing may be concluded.
func (f *finder) pathsKnown(u *unitWays) {
	if f.objected() {
		return
	}
	if len(u.after.Paths) == 0 {
		f.unknown(fmt.Sprintf("no path of %s to %s is known: %s", f.target.Name(), u.unit.Name(), u.after.Why), u.unit, f.target)
		return
	}
	for _, e := range u.unit.In(topology.MapsUnit) {
		if e.Reading.Partial {
			f.unknown(fmt.Sprintf("the mappings of %s were not read whole: to whom, at which ports and as what it is shown beside, is not known", u.unit.Name()), u.unit)
			return
		}
	}
	for _, host := range []topology.Node{f.source, f.target} {
		if host.IsZero() {
			continue
		}
		for _, e := range host.Out(topology.Contains) {
			if e.To.Kind() == topology.InitiatorPort && e.Reading.Partial {
				f.unknown(fmt.Sprintf("the initiator ports of %s were not read whole: read it again by libvirt or SSH", host.Name()), host)
				return
			}
		}
	}
}

// unreached says that nobody knows by what a unit is reached.
func (f *finder) unreached(u *unitWays) {
	f.unknown(fmt.Sprintf("no source says by which ports %s is shown, nor over what: collect its array", u.unit.Name()), u.unit)
}

// citeWays takes down what the ways rest on.
func (f *finder) citeWays() {
	for _, u := range f.unitWays() {
		for _, e := range u.unit.In(topology.MapsUnit) {
			f.citesReading(e.Reading)
		}
		for _, p := range u.after.Paths {
			for _, e := range p.Initiator.Out(topology.LoggedIn) {
				f.citesReading(e.Reading)
			}
		}
	}
}

func (f *finder) sayFault(u *unitWays, fault wayFault) {
	f.citeWays()
	verdict := f.weigh(u, fault)
	text := fmt.Sprintf("%s from %s: %s", u.unit.Name(), f.target.Name(), fault.why)
	about := []topology.Node{u.unit, f.target}
	if !fault.path.Initiator.IsZero() {
		about = slices.Concat([]topology.Node{fault.path.Initiator}, fault.targets, about)
		if array, ok := fault.path.Target.Owner(); ok && fault.code == "SAN-6" {
			about = append(about, array)
		}
		in := ""
		if fault.path.Medium != "" {
			in = " in " + fault.path.Medium
		}
		text = fmt.Sprintf("%s by %s of %s and %s%s: %s", u.unit.Name(), fault.path.Initiator.Name(), f.target.Name(), strings.Join(names(fault.targets), ", "), in, fault.why)
	}
	if verdict == Warn {
		text += fmt.Sprintf("; %d of %d paths are left", u.after.Must.Paths, max(u.before.May.Paths, u.after.Must.Paths))
	}
	switch verdict {
	case Warn:
		f.warn(text, about...)
	case Block:
		f.block(text, about...)
	default:
		f.unknown(text, about...)
	}
	if fault.code == "SAN-6" && verdict != Warn {
		f.mendWire(fault)
	}
	if fault.verdict != reach.No {
		return
	}
	switch fault.code {
	case "SAN-2":
		f.mendZone(fault)
	case "SAN-3":
		f.mendMapping(u, fault)
	}
}
