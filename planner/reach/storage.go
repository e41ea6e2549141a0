package reach

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// StorageAnswer tells by which paths a VM or host reaches a logical unit.
type StorageAnswer struct {
	From, Unit topology.Node
	Verdict    Verdict // yes: by one path at least; no: by none
	Why        string  // what is not known beside the paths
	Paths      []StoragePath
	Must, May  Redundancy // of the paths that are there for certain, and of those that may be
}

// StoragePath is one pair of an initiator port and a target port, and whether the one reaches the unit through the other.
type StoragePath struct {
	Initiator, Target topology.Node
	Medium            string // the fabric or subnet; "" if it is not known
	Controller        string // of the array; "" if nobody has said it
	Verdict           Verdict
	Steps             []StorageStep // all have to be passed
	Narrow            *Narrow       // of a path over IP: where large packets do not fit; it changes no verdict
	Unsized           topology.Node // of such a path: an interface of which nobody says which packets fit, where that counts

	begins string // what fails for all paths that begin there: the switch's port of the login, the interface
}

// StorageStep is one thing that a path needs.
type StorageStep struct {
	Kind    string  `json:"kind"` // port, login, fabric, zone; portal, network, login; unit
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"` // what decides, or what is not known
}

// Redundancy counts what is distinct of several paths. Logins of several names at one port of a switch (NPIV), and interfaces over one link, are one initiator port.
type Redundancy struct {
	Paths       int `json:"paths"`
	Initiators  int `json:"initiatorPorts"`
	Media       int `json:"media"` // fabrics and subnets
	Targets     int `json:"targetPorts"`
	Controllers int `json:"controllers"` // 0: nobody says of which
}

// Why gives the text of the step that decides.
func (p StoragePath) Why() string {
	for _, s := range p.Steps {
		if s.Verdict == p.Verdict {
			return s.Text
		}
	}
	return ""
}

// Storage tells by which paths a host reaches a logical unit, or a VM from where it runs, or one of its disks, or one initiator port. What is asked is whether the unit is shown to
// it and commands arrive: what the unit then makes of them (a reservation of another host) is not looked at.
func (n *Network) Storage(ctx context.Context, from, unit topology.Node) (StorageAnswer, error) {
	return n.storage(ctx, from, unit, asking(from, identified(unit)))
}

func (n *Network) storage(ctx context.Context, from, unit topology.Node, ask asked) (StorageAnswer, error) {
	a := StorageAnswer{From: from, Unit: identified(unit), Verdict: NotKnown}
	if a.Unit.Kind() != topology.LogicalUnit {
		a.Why = unserved(a.Unit)
		return a, nil
	}
	targets, closed := n.exporters(a.Unit)
	for _, i := range ask.initiators {
		for _, t := range targets {
			if fibre(i) != fibre(t) || !ask.uses(t) {
				continue
			}
			p, err := n.storagePath(ctx, ask, i, t, a.Unit)
			if err != nil {
				return a, err
			}
			a.Paths = append(a.Paths, p)
		}
	}
	a.judge(ask, targets, closed)
	return a, nil
}

// judge is the verdict over all paths.
func (a *StorageAnswer) judge(ask asked, targets []topology.Node, closed string) {
	var may, must []StoragePath
	masked := true
	for _, p := range a.Paths {
		if p.Verdict != No {
			may = append(may, p)
		}
		if p.Verdict == Yes {
			must = append(must, p)
		}
		masked = masked && p.Steps[len(p.Steps)-1].Verdict == No
	}
	a.Must, a.May = RedundancyOf(must), RedundancyOf(may)
	switch {
	case len(must) > 0:
		a.Verdict = Yes
	case ask.gap != "":
		a.Why = ask.gap
	case len(targets) == 0:
		a.Why = closed
	case len(a.Paths) == 0:
		a.Why = fmt.Sprintf("%s is shown at %s, and no initiator port of %s is known that could log in there", a.Unit.Name(), names(targets), a.From.Name())
	case len(may) > 0:
	case closed == "" || masked:
		a.Verdict = No
	default:
		a.Why = closed
	}
}

// RedundancyOf counts what is distinct of some paths, whatever their verdicts.
func RedundancyOf(paths []StoragePath) Redundancy {
	count := func(of func(StoragePath) string) int {
		seen := map[string]bool{}
		for _, p := range paths {
			seen[of(p)] = true
		}
		delete(seen, "")
		return len(seen)
	}
	return Redundancy{
		Paths: len(paths), Initiators: count(func(p StoragePath) string { return p.begins }), Media: count(func(p StoragePath) string { return p.Medium }),
		Targets: count(func(p StoragePath) string { return p.Target.Key().ID }), Controllers: count(func(p StoragePath) string { return p.Controller }),
	}
}

// identified is the unit that the array says it is, of one that is known by its number at a target.
func identified(unit topology.Node) topology.Node {
	if to, ok := unit.First(topology.IdentifiedAs); ok && unit.Kind() == topology.LogicalUnit {
		return to
	}
	return unit
}

func unserved(n topology.Node) string {
	if servers := n.Values(topology.AttrSourceHost); len(servers) > 0 {
		return fmt.Sprintf("%s is served by %s over %s, and nobody reads whom that server admits", n.Name(), strings.Join(texts(servers), ", "), n.Text(topology.AttrProtocol))
	}
	return fmt.Sprintf("no source says on which logical unit %s %s is", n.Kind(), n.Name())
}

const maxLayers = 16 // of storage

// Units gives what a disk, volume, pool, target port or array lies on or shows: logical units, and volumes of which nobody knows on which units they are.
func Units(of topology.Node) []topology.Node {
	var found []topology.Node
	seen := map[topology.Node]bool{}
	var down func(n topology.Node, layers int)
	down = func(n topology.Node, layers int) {
		n = identified(n)
		if seen[n] || layers == 0 {
			return
		}
		seen[n] = true
		below := beneath(n)
		if len(below) == 0 {
			found = append(found, n)
		}
		for _, b := range below {
			down(b, layers-1)
		}
	}
	down(of, maxLayers)
	return found
}

// beneath lists what something that stores lies on, or shows; a logical unit is the end.
func beneath(n topology.Node) []topology.Node {
	below := slices.Collect(n.Objects(topology.StoredOn))
	switch n.Kind() {
	case topology.LogicalUnit:
		return nil
	case topology.Volume:
		if len(below) == 0 || n.Text(topology.AttrBackingPath) != "" {
			below = append(below, slices.Collect(n.Subjects(topology.Contains))...)
		}
	case topology.TargetPort:
		below = slices.Collect(n.Objects(topology.Exports))
	case topology.Array:
		below = slices.DeleteFunc(slices.Collect(n.Objects(topology.Contains)), func(part topology.Node) bool { return part.Kind() != topology.LogicalUnit })
	}
	return below
}

// asked is who asks for a unit: the ports by which it may do so.
type asked struct {
	host       topology.Node
	initiators []topology.Node
	portals    []string // the only ones that are used; none: any
	gap        string   // why there may be others
}

func (a asked) uses(target topology.Node) bool {
	at, ok := topology.PortalOf(target)
	return len(a.portals) == 0 || ok && slices.Contains(a.portals, at.String())
}

// asking tells by which ports a VM, a disk of one, a host or port asks for a unit. A disk that the program which runs a VM opens itself is reached under the VM's own name, and
// over the portals that it names; everything else by the ports of the host, too.
func asking(from, unit topology.Node) asked {
	a := asked{host: from}
	switch from.Kind() {
	case topology.InitiatorPort:
		a.initiators = []topology.Node{from}
		a.host, _ = from.Owner()
		if a.host.Kind() == topology.VM {
			a.host, _ = a.host.First(topology.RunsOn)
		}
		return a
	case topology.VM, topology.VDisk:
		vm := from
		if from.Kind() == topology.VDisk {
			vm, _ = from.Owner()
		}
		a.initiators = portsOf(vm)
		a.host, _ = vm.First(topology.RunsOn)
		for disk := range vm.Objects(topology.Contains) {
			if disk.Kind() == topology.VDisk && (from == vm || disk == from) && slices.Contains(Units(disk), unit) {
				a.portals = append(a.portals, topology.Portals(disk)...)
			}
		}
		if len(a.portals) > 0 {
			break
		}
		if a.host.IsZero() {
			a.gap = "no source says where " + vm.Name() + " runs"
			return a
		}
		a.initiators = append(a.initiators, portsOf(a.host)...)
	default:
		a.initiators = portsOf(from)
	}
	if len(a.initiators) == 0 {
		a.gap = "no source says which initiator ports " + cmp.Or(nameIf(a.host), from.Name()) + " has: read the host by libvirt or SSH"
	}
	return a
}

func nameIf(n topology.Node) string {
	if n.IsZero() {
		return ""
	}
	return n.Name()
}

func portsOf(owner topology.Node) []topology.Node {
	var all []topology.Node
	for p := range owner.Objects(topology.Contains) {
		if p.Kind() == topology.InitiatorPort {
			all = append(all, p)
		}
	}
	return all
}

// fibre tells that a port is one of Fibre Channel.
func fibre(port topology.Node) bool {
	_, err := topology.ParseWWN(port.Key().ID)
	return err == nil
}

// exporters gives the target ports at which a unit is shown, and why there may be others: only its array knows them all.
func (n *Network) exporters(unit topology.Node) ([]topology.Node, string) {
	var all []topology.Node
	add := func(t topology.Node) {
		if t.Kind() == topology.TargetPort && !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	for t := range unit.Subjects(topology.Exports) {
		add(t)
	}
	closed := "no array says at which ports it shows " + unit.Name() + ", and to whom: collect it"
	for i, e := range unit.In(topology.MapsUnit) {
		if i == 0 {
			closed = ""
		}
		if closed = cmp.Or(closed, n.old(e.Reading)); closed == "" && e.Reading.Partial {
			closed = "the mappings of " + unit.Name() + " were not read whole"
		}
		targets := slices.Collect(e.From.Objects(topology.MapsTarget))
		if array, ok := e.From.Owner(); ok && len(targets) == 0 { // at every port
			targets = slices.Collect(array.Objects(topology.Contains))
		}
		for _, t := range targets {
			add(t)
		}
	}
	slices.SortFunc(all, func(a, b topology.Node) int { return a.Key().Compare(b.Key()) })
	return all, closed
}

// controllerOf names the controller behind a target port: of iSCSI the portal group that the array gives it (RFC 7143 target portal group tag).
func controllerOf(target topology.Node) string {
	array, ok := target.Owner()
	for _, v := range target.Values(topology.AttrPortal) { // initiators' sides leave it out
		if _, group, tagged := strings.Cut(v.String(), ","); ok && tagged {
			return array.Name() + " portal group " + group
		}
	}
	return ""
}

func (n *Network) storagePath(ctx context.Context, ask asked, initiator, target, unit topology.Node) (StoragePath, error) {
	p := StoragePath{Initiator: initiator, Target: target, Controller: controllerOf(target), begins: initiator.Key().ID, Verdict: Yes}
	for _, end := range []topology.Node{initiator, target} {
		switch why, old := topology.Stopped(end), n.stale(end, topology.AttrState); {
		case why != "" && old != "":
			p.step("port", NotKnown, old)
		case why != "":
			p.step("port", No, end.Name()+": "+why)
		}
	}
	if fibre(initiator) {
		n.fibrePath(&p)
	} else if err := n.portalPath(ctx, &p, ask.host); err != nil {
		return p, err
	}
	n.unitStep(&p, unit)
	for _, s := range p.Steps {
		p.Verdict = both(p.Verdict, s.Verdict)
	}
	return p, nil
}

func (p *StoragePath) step(kind string, verdict Verdict, text string) {
	p.Steps = append(p.Steps, StorageStep{kind, verdict, text})
}

// unitStep asks whether the array shows the unit to the initiator there.
func (n *Network) unitStep(p *StoragePath, unit topology.Node) {
	fault, doubt := topology.Sight(unit, p.Initiator, p.Target)
	text, partial := unit.Name()+" is seen there", ""
	for _, e := range unit.In(topology.MapsUnit) {
		doubt = cmp.Or(doubt, n.old(e.Reading), unreadText(e.From))
		if e.Reading.Partial {
			partial = "the mappings of " + unit.Name() + " were not read whole"
		}
	}
	for _, e := range unit.In(topology.Exports) {
		if e.From == p.Target && len(unit.In(topology.MapsUnit)) == 0 { // nobody but who saw it there says so
			doubt = cmp.Or(doubt, n.old(e.Reading))
		}
	}
	for m := range unit.Subjects(topology.MapsUnit) {
		if !admits(m, p.Initiator, p.Target) {
			continue
		}
		text = fmt.Sprintf("mapping %s shows %s", shortName(m), unit.Name())
		if lun, ok := m.Int(topology.AttrLUN); ok {
			text += fmt.Sprintf(" as LUN %d", lun)
			doubt = cmp.Or(doubt, twice(m, unit, p.Initiator, p.Target))
		}
		if _, ok := m.First(topology.MapsTarget); ok {
			partial = "" // both are named: what else it says takes nothing away
		}
		break
	}
	switch doubt = cmp.Or(doubt, partial, unreadText(unit)); {
	case doubt != "":
		p.step("unit", NotKnown, doubt)
	case fault != "":
		p.step("unit", No, fault)
	default:
		p.step("unit", Yes, text)
	}
}

// admits tells that a mapping names an initiator at a target port, or masks by address.
func admits(mapping, initiator, target topology.Node) bool {
	targets := slices.Collect(mapping.Objects(topology.MapsTarget))
	if len(targets) > 0 && !slices.Contains(targets, target) {
		return false
	}
	return slices.Contains(slices.Collect(mapping.Objects(topology.MapsInitiator)), initiator) || len(mapping.Values(topology.AttrInitiatorAddress)) > 0
}

// twice tells that another unit has the same number for the same initiator at the same target: which of them answers, nobody knows.
func twice(mapping, unit, initiator, target topology.Node) string {
	lun, _ := mapping.Int(topology.AttrLUN)
	for other := range target.Subjects(topology.MapsTarget) {
		if n, ok := other.Int(topology.AttrLUN); !ok || n != lun || !slices.Contains(slices.Collect(other.Objects(topology.MapsInitiator)), initiator) {
			continue
		}
		if shown, ok := other.First(topology.MapsUnit); ok && shown != unit && slices.Contains(slices.Collect(mapping.Objects(topology.MapsInitiator)), initiator) {
			return fmt.Sprintf("%s is shown to %s under the same number, %d, at %s", shown.Name(), initiator.Name(), lun, target.Name())
		}
	}
	return ""
}

// unreadText is what nobody understood of a node.
func unreadText(n topology.Node) string {
	if v, ok := n.Value(topology.AttrUnparsed); ok {
		return fmt.Sprintf("of %s %s nobody understood %s", n.Kind(), shortName(n), v.String())
	}
	return ""
}

// shortName is the name of a part of a device without the device.
func shortName(n topology.Node) string {
	name := n.Name()
	if owner, ok := n.Owner(); ok {
		name = strings.TrimPrefix(name, owner.Key().ID+"/")
	}
	return name
}
