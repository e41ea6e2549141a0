package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// storageRail follows a disk down to its files or logical units, and from there to the ports by which a host reaches them.
func storageRail(start Node) Rail {
	w := &storageWalker{parts: map[Key]*flow{}}
	first := []Hop{{Node: start, Fault: stopped(start)}}
	switch start.Kind() {
	case InitiatorPort:
		w.initiator(start, first, Node{})
	default:
		w.down(start, first)
	}
	w.cut()
	return Rail{Name: "storage", From: start, Paths: w.paths, More: w.more, Independent: w.independent()}
}

type storageWalker struct {
	listing
	vm, host Node     // whose disk it is, and where it runs
	portals  []string // of the iSCSI portals that a disk is reached by where the emulator itself logs in: it uses no others, and nobody else's sessions
	steps    int
	parts    map[Key]*flow // by what the disk lies on (a unit, a file): the ports of the ways that are known to it
}

// reach ends a way to a part of what the disk needs. Of each stage, if there are any, one port is passed on it.
func (w *storageWalker) reach(part Node, hops []Hop, gap string, stages ...[]Node) {
	f := w.parts[part.Key()]
	if f == nil {
		made := newFlow(Key{})
		f = &made
		w.parts[part.Key()] = f
	}
	w.end(hops, gap)
	if gap != "" || gradeOf(hops) != sound {
		return
	}
	at := []vertex{f.source}
	pass := func(ports ...Key) {
		for _, from := range at {
			for _, to := range ports {
				f.pass(from, to)
			}
		}
		at = nil
		for _, k := range ports {
			at = append(at, vertex{k, true})
		}
	}
	for _, stage := range stages {
		if len(stage) > 0 {
			pass(keysOf(stage)...)
		}
	}
	if at[0] == f.source {
		pass(part.Key())
	}
	for _, v := range at {
		f.ends[v.key] = true
	}
}

func keysOf(nodes []Node) []Key {
	keys := make([]Key, len(nodes))
	for i, n := range nodes {
		keys[i] = n.Key()
	}
	return keys
}

// hardware reports whether an initiator is a port that can fail: an iSCSI or NVMe name is the whole host's, whatever NIC it uses.
func hardware(initiator Node) bool {
	_, err := ParseWWN(initiator.Key().ID)
	return err == nil
}

// independent counts the complete, faultless ways that have no port in common; a disk that lies on several things needs each, so the worst counts.
func (w *storageWalker) independent() int {
	if len(w.parts) == 0 {
		return 0
	}
	n := tooMany
	for _, f := range w.parts {
		n = min(n, f.count())
	}
	return n
}

// down goes from a disk, volume or pool to what it is stored on.
func (w *storageWalker) down(n Node, hops []Hop) {
	w.steps++
	switch {
	case w.steps > maxSteps:
		w.more++
		return
	case len(hops) > maxLayers, slices.ContainsFunc(hops[:len(hops)-1], func(h Hop) bool { return h.Node == n }):
		w.reach(n, hops, "layers of storage form a loop at "+n.Name())
		return
	}
	if n.Kind() == VDisk {
		if vm, ok := n.Owner(); ok {
			w.vm = vm
			w.host, _ = vm.First(RunsOn)
		}
		w.portals = emulated(n)
	}
	below := n.Out(StoredOn)
	switch n.Kind() {
	case Volume:
		below = append(below, holders(n)...)
	case LogicalUnit: // known by its number at a target; the array says which one that is
		below = n.Out(IdentifiedAs)
	}
	for _, e := range below {
		to := e.To
		if e.Rel == Contains {
			to = e.From
		}
		hop := step(e, to, 0, false)
		hop.Fault, hop.Doubt = cmp.Or(hop.Fault, w.elsewhere(to)), unclear(to)
		w.down(to, append(slices.Clip(hops), hop))
	}
	if len(below) > 0 {
		return
	}
	switch n.Kind() {
	case LogicalUnit:
		w.unit(n, hops)
	default:
		w.reach(n, hops, bottom(n))
	}
}

// holders gives the pools that hold a volume which is a file or an image in them. What a pool of whole devices lists, a unit or a device,
// lies where the volume itself says.
func holders(volume Node) []Edge {
	if len(volume.Out(StoredOn)) > 0 && volume.Text(AttrBackingPath) == "" {
		return nil
	}
	return slices.DeleteFunc(volume.In(Contains), func(e Edge) bool { return e.From.Kind() != StoragePool })
}

// bottom tells what is missing below a node that is stored on nothing that is known; "" if there is nothing below it.
func bottom(n Node) string {
	switch n.Kind() {
	case VDisk:
		return undisked(n)
	case Volume:
		return unplaced(n)
	case StoragePool:
		return unpooled(n)
	case TargetPort:
		return "no source says which logical unit behind " + n.Name() + " it is: collect the array, or the host by SSH"
	}
	return "no source says what " + n.Name() + " is stored on"
}

func undisked(n Node) string {
	device, source := n.Text(AttrDeviceType), n.Text(AttrSource)
	switch {
	case source == "" && (device == "cdrom" || device == "floppy"):
		return "" // an empty drive: there is nothing below it
	case source == "":
		return "no source says what " + n.Name() + " is stored on: read the host by libvirt"
	}
	return fmt.Sprintf("no source says what %s %q is stored on: read the host's pools by libvirt", n.Text(AttrSourceType), source)
}

// unplaced tells what is not known below a volume. A file is an end; what servers offer, and what is a device, is not.
func unplaced(n Node) string {
	path := n.Text(AttrPath)
	if path == "" {
		_, path, _ = strings.Cut(n.Key().ID, "/")
	}
	switch servers := n.Values(AttrSourceHost); {
	case len(servers) > 0:
		return fmt.Sprintf("it is served by %s over %s: nothing collects that server", valueList(servers), n.Text(AttrProtocol))
	case n.Text(AttrProtocol) != "":
		return "no source says which servers offer it over " + n.Text(AttrProtocol)
	case strings.HasPrefix(path, "/dev/"):
		return "no source says what device " + path + " is: read the host by SSH"
	case !strings.HasPrefix(path, "/"):
		return "no source says what " + n.Name() + " is stored on: read the host's pools by libvirt"
	}
	return ""
}

// unpooled tells what is not known below a pool. A directory is an end; so is a local file system whose device is not given.
func unpooled(n Node) string {
	servers, devices := n.Values(AttrSourceHost), n.Values(AttrSourceDevice)
	switch typ := n.Text(AttrPoolType); {
	case len(servers) > 0:
		return fmt.Sprintf("the %s pool is served by %s: collect it to see the volume behind", typ, valueList(servers))
	case typ == "":
		return "no source says of what type pool " + n.Name() + " is: read the host's pools by libvirt"
	case len(devices) > 0:
		return fmt.Sprintf("no source says what %s below the %s pool is: read the host by SSH", valueList(devices), typ)
	case typ == "dir", typ == "fs":
		return ""
	default:
		return fmt.Sprintf("no source says on what devices the %s pool %s is: read the host by SSH", typ, n.Name())
	}
}

// unit fans out to the target ports that export a logical unit and to the initiators that have a session there.
func (w *storageWalker) unit(n Node, hops []Hop) {
	exports := slices.DeleteFunc(n.In(Exports), func(e Edge) bool { return !w.uses(e.From) })
	for _, e := range exports {
		target := append(slices.Clip(hops), step(e, e.From, 0, false))
		found := false
		for _, s := range e.From.In(Nexus) {
			mine, doubt := w.ours(s.From)
			if !mine {
				continue
			}
			found = true
			h := step(s, s.From, 0, false)
			unseen, unknown := sight(n, s.From, e.From)
			h.Fault, h.Doubt = cmp.Or(h.Fault, unseen), cmp.Or(doubt, unknown)
			way := append(slices.Clone(target), h)
			p := passageOf(s)
			p.show(&way[len(way)-1], &way[len(way)-2])
			w.reach(n, way, "", p.stages(s.From, s.To)...)
		}
		if !found {
			w.reach(n, target, "no session to "+e.From.Name()+" is known: collect the array, or the host by SSH")
		}
	}
	if len(exports) > 0 {
		return
	}
	if len(w.portals) > 0 {
		w.reach(n, hops, fmt.Sprintf("no source says that %s is exported at %s: collect its array", n.Name(), strings.Join(w.portals, " or ")))
		return
	}
	hbas := w.adapters()
	for _, h := range hbas {
		w.initiator(h.To, append(slices.Clip(hops), step(h, h.To, 0, false)), n)
	}
	if len(hbas) == 0 {
		w.reach(n, hops, "no source says by which port "+n.Name()+" is exported: collect its array")
	}
}

// uses reports whether a disk is reached by a target port: by any, if it does not name its portals.
func (w *storageWalker) uses(target Node) bool {
	_, end := splitTarget(target)
	return len(w.portals) == 0 || slices.Contains(w.portals, end)
}

// ours reports whether an initiator is of the VM at hand: its own or its host's; one that nobody claims may be. Without a VM all are. What the program that runs a
// VM logs in to, it does under the VM's own name.
func (w *storageWalker) ours(initiator Node) (mine bool, doubt string) {
	owner, ok := initiator.Owner()
	switch {
	case w.vm.IsZero():
		return true, ""
	case !ok:
		return true, "no source says whose initiator " + initiator.Name() + " is"
	}
	return owner == w.host && len(w.portals) == 0 || owner == w.vm, ""
}

func (w *storageWalker) adapters() []Edge {
	if w.host.IsZero() {
		return nil
	}
	return slices.DeleteFunc(w.host.Out(Contains), func(e Edge) bool { return e.To.Kind() != InitiatorPort })
}

// through ends the way of an initiator over a nexus at a unit that the target port exports.
func (w *storageWalker) through(nexus, export Edge, hops []Hop, fault, doubt string) {
	last := step(export, export.To, 0, false)
	last.Fault, last.Doubt = cmp.Or(last.Fault, fault), cmp.Or(doubt, unclear(export.To))
	way := append(slices.Clip(hops), step(nexus, nexus.To, 0, false), last)
	p := passageOf(nexus)
	p.show(&way[len(way)-2], &way[len(way)-2])
	stages := p.stages(nexus.From, nexus.To)
	if hardware(nexus.From) {
		stages = stages[1:] // where all begins
	}
	w.reach(export.To, way, "", stages...)
}

// initiator goes from a host's port through its fabric to the target ports that it has sessions with, for one unit or for all.
func (w *storageWalker) initiator(n Node, hops []Hop, unit Node) {
	part := unit
	if unit.IsZero() {
		part = n
	}
	found := false
	for _, s := range n.Out(Nexus) {
		for _, x := range s.To.Out(Exports) {
			if !unit.IsZero() && x.To != unit || len(x.To.Out(IdentifiedAs)) > 0 { // the number of one that is exported under its name, too
				continue
			}
			if w.steps++; w.steps > 8*maxSteps {
				w.more++
				return
			}
			fault, doubt := sight(x.To, n, s.To)
			if unit.IsZero() && fault != "" {
				continue // a unit of others behind the same port
			}
			found = true
			w.through(s, x, hops, fault, doubt)
		}
	}
	if found {
		return
	}
	if es := n.Out(Nexus); len(es) > 0 {
		w.reach(part, append(slices.Clip(hops), step(es[0], es[0].To, 0, false)),
			"no source says which logical units "+es[0].To.Name()+" exports: collect the array, or the host by SSH")
		return
	}
	if es := n.Out(LoggedIn); len(es) > 0 {
		w.reach(part, append(slices.Clip(hops), step(es[0], es[0].To, 0, false)),
			"zones and target ports of the fabric are not known: collect its switches and the array")
		return
	}
	fabric := n.Text(AttrFabricWWN)
	switch {
	case strings.Trim(strings.ReplaceAll(fabric, ":", ""), "f0") != "":
		w.reach(part, hops, "logged in to fabric "+fabric+": collect a switch of that fabric and the array to see zones and masking")
	case hardware(n):
		w.reach(part, hops, "no fabric login of "+n.Key().ID+" is known: collect the FC switch at its other end")
	default:
		w.reach(part, hops, "no session of "+n.Key().ID+" is known: collect the array, or the host by SSH")
	}
}
