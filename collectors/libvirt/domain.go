package libvirt

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// What RunsOn is worth, by what the domain does on this host: during a migration one VM is on two hosts, and it is where it runs.
const (
	runsHere    = topology.ConfidenceStated
	activeHere  = 90 // it has an ID, but nobody recorded whether it runs or is paused
	pausedHere  = 50
	definedHere = topology.ConfidenceConfigured
)

// domain takes down a <domain>.
func (s *sheet) domain(e *element, d Document) {
	s.checkNumbers(e)
	uuid := s.uuid(e.child("uuid"))
	if uuid == "" {
		if s.err == nil {
			s.note(e, "domain "+e.child("name").value(), "has no UUID: nothing identifies it")
		}
		return
	}
	g := guest{sheet: s, vm: topology.Key{Kind: topology.VM, ID: uuid}, used: make(map[string]int), name: e.child("name").value()}
	s.subject = g.vm
	g.identity(e, d)
	g.machine(e)
	g.cpu(e.child("cpu"))
	g.promise(e.child("clock"))
	g.trust(e)
	g.places(e)
	g.manager(e.child("metadata"))
	for devices := range e.all("devices") {
		s.text(g.vm, topology.AttrEmulator, devices.child("emulator").value())
		for _, device := range devices.children {
			switch device.name {
			case "disk":
				g.disk(device)
			case "interface":
				g.nic(device)
			case "hostdev":
				g.hostDevice(device)
			case "filesystem", "lease":
				g.held(device)
			case "graphics":
				g.console(device)
				g.local(device)
			default:
				g.local(device)
			}
		}
	}
}

// guest is one domain while it is read.
type guest struct {
	*sheet
	vm   topology.Key
	name string
	used map[string]int // how often a name came so far
}

// once makes a name of a list unique: the second of its kind gets "#2".
func (g *guest) once(list, name string) string {
	if g.used[list+name]++; g.used[list+name] > 1 {
		name += "#" + strconv.Itoa(g.used[list+name])
	}
	return name
}

// part gives the key of a device: by its name, or by its place among its like if it has none.
func (g *guest) part(kind topology.Kind, e *element, name string) topology.Key {
	list := e.name + " "
	if g.used[list]++; name == "" {
		name = list + strconv.Itoa(g.used[list])
	}
	k := topology.PartKey(kind, g.vm, g.once(list, name))
	g.relate(g.vm, topology.Contains, k)
	return k
}

// identity states name, state and place.
func (g *guest) identity(e *element, d Document) {
	g.text(g.vm, topology.AttrName, e.child("name").value())
	g.text(g.vm, topology.AttrDescription, cmp.Or(e.child("title").value(), e.child("description").value()))
	g.known(g.vm, topology.AttrPersistent, d.Persistent)
	g.known(g.vm, topology.AttrAutostart, d.Autostart)
	g.known(g.vm, topology.AttrSnapshots, d.Snapshots)
	state := d.State
	if state == "" {
		state = "inactive"
		if id := e.attr("id"); id != "" && id != "-1" {
			state = "active"
		}
	}
	g.text(g.vm, topology.AttrState, state)
	g.text(g.vm, topology.AttrStateReason, d.StateReason)
	place := topology.Relate(g.vm, topology.RunsOn, g.host)
	switch state {
	case "active":
		place.Confidence = activeHere
	case "paused", "pmsuspended":
		place.Confidence = pausedHere
	case "inactive", "shutoff", "crashed":
		place.Confidence = definedHere
	default:
		place.Confidence = runsHere
	}
	g.facts = append(g.facts, place)
}

// machine states processors, memory and the emulated machine.
func (g *guest) machine(e *element) {
	g.text(g.vm, topology.AttrHypervisor, e.attr("type"))
	kind := e.child("os", "type")
	g.text(g.vm, topology.AttrOSType, kind.word())
	g.text(g.vm, topology.AttrArch, kind.attr("arch"))
	g.text(g.vm, topology.AttrMachine, kind.attr("machine"))

	vcpu := e.child("vcpu")
	n, ok := g.unsigned(vcpu, "current")
	if !ok {
		n, ok = g.count(vcpu)
	}
	g.number(g.vm, topology.AttrCPUs, n, ok)

	boot, ok := g.size(e.child("memory"), "KiB")
	now, balloon := g.size(e.child("currentMemory"), "KiB")
	if !balloon {
		now = boot
	}
	most, hotplug := g.size(e.child("maxMemory"), "KiB")
	g.number(g.vm, topology.AttrMemoryBytes, now, ok || balloon)
	g.number(g.vm, topology.AttrMaxMemoryBytes, max(boot, most), ok || hotplug)
}

// cpu states the processor model that the guest asks for.
func (g *guest) cpu(c *element) {
	if c == nil {
		return
	}
	mode := c.attr("mode")
	if mode == "" && c.child("model") != nil {
		mode = "custom" // formatdomain: the default where a model is given
	}
	g.text(g.vm, topology.AttrCPUMode, mode)
	if match := c.attr("match"); match != "exact" {
		g.text(g.vm, topology.AttrCPUMatch, match)
	}
	g.text(g.vm, topology.AttrCPUModel, c.child("model").word())
	g.text(g.vm, topology.AttrCPUVendor, c.child("vendor").word())
	for f := range c.all("feature") {
		g.text(g.vm, topology.AttrCPUFeature, strings.TrimSpace(f.attr("policy")+" "+f.attr("name")))
	}
	g.cpuTopology(g.vm, c.child("topology"))
	for cell := range c.child("numa").all("cell") {
		g.numaCell(g.vm, cell, cell.attr("cpus"))
	}
}

func (s *sheet) cpuTopology(key topology.Key, t *element) {
	sockets, ok := s.unsigned(t, "sockets")
	s.number(key, topology.AttrSockets, sockets, ok)
	cores, ok := s.unsigned(t, "cores")
	s.number(key, topology.AttrCores, cores, ok)
	threads, ok := s.unsigned(t, "threads")
	s.number(key, topology.AttrThreads, threads, ok)
}

// numaCell states "id: memory bytes, cpus LIST".
func (s *sheet) numaCell(key topology.Key, cell *element, cpus string) {
	text := cell.attr("id") + ":"
	n, ok := s.unsigned(cell, "memory")
	if ok {
		n, ok = s.scale(cell, n, cmp.Or(cell.attr("unit"), "KiB"))
	} else {
		n, ok = s.size(cell.child("memory"), "KiB")
	}
	if ok {
		text += fmt.Sprintf(" %d bytes,", n)
	}
	s.set(key, topology.AttrNUMACell, topology.TextValue(text+" cpus "+cpus))
}

// disk states a <disk>, its storage and the images below it.
func (g *guest) disk(e *element) {
	target, driver, source := e.child("target"), e.child("driver"), e.child("source")
	k := g.part(topology.VDisk, e, target.attr("dev"))
	typ := cmp.Or(e.attr("type"), "file")
	g.text(k, topology.AttrDeviceName, target.attr("dev"))
	g.text(k, topology.AttrDeviceType, cmp.Or(e.attr("device"), "disk"))
	g.text(k, topology.AttrBus, target.attr("bus"))
	g.text(k, topology.AttrSourceType, typ)
	g.text(k, topology.AttrFormat, driver.attr("type"))
	g.text(k, topology.AttrCache, driver.attr("cache"))
	g.text(k, topology.AttrIOMode, driver.attr("io"))
	g.text(k, topology.AttrSerial, e.child("serial").value())
	g.text(k, topology.AttrVendor, e.child("vendor").value())
	g.text(k, topology.AttrModel, e.child("product").value())
	g.flag(k, topology.AttrReadOnly, e.child("readonly"))
	g.flag(k, topology.AttrShareable, e.child("shareable"))
	g.flag(k, topology.AttrTransient, e.child("transient"))
	n, ok := g.unsigned(e.child("boot"), "order")
	g.number(k, topology.AttrBootOrder, n, ok)
	if typ == "network" {
		g.text(k, topology.AttrProtocol, source.attr("protocol"))
		for _, h := range servers(source) {
			g.text(k, topology.AttrSourceHost, h.written())
		}
	}

	g.text(k, topology.AttrStartupPolicy, source.attr("startupPolicy"))
	g.reservations(k, source.child("reservations"))
	g.opened(k, e)

	p := g.place(typ, source)
	g.text(k, topology.AttrSource, p.text)
	switch {
	case p.pool != "":
		g.disks = append(g.disks, volumeDisk{disk: k, pool: p.pool, name: p.name, at: g.at(e)})
	case p.node != (topology.Key{}):
		g.relate(k, topology.StoredOn, p.node)
	}
	g.backing(k, p, e.child("backingStore"))
	if m := e.child("mirror"); m != nil {
		g.text(k, topology.AttrJob, cmp.Or(m.attr("job"), "copy")) // formatdomain: the default
	}
}

// reservations states who passes a guest's persistent reservations on: a helper of libvirt's own, or one at a socket.
func (g *guest) reservations(disk topology.Key, r *element) {
	if r == nil {
		return
	}
	helper := "managed"
	if r.attr("managed") != "yes" {
		helper = cmp.Or(r.child("source").attr("path"), "unmanaged")
	}
	g.text(disk, topology.AttrReservations, helper)
}

// held states what of storage ties a guest to its host although it is no disk: a folder, a lease.
func (g *guest) held(e *element) {
	source, target := e.child("source"), e.child("target")
	switch e.name {
	case "filesystem":
		from := cmp.Or(source.attr("dir"), source.attr("file"), source.attr("dev"), source.attr("socket"), source.attr("name"), "-")
		g.text(g.vm, topology.AttrHostShare, strings.Join([]string{cmp.Or(e.child("driver").attr("type"), e.attr("type"), "mount"), from, target.attr("dir")}, " "))
	case "lease":
		g.text(g.vm, topology.AttrLease, strings.Join([]string{cmp.Or(e.child("lockspace").value(), "-"), e.child("key").value(), target.attr("path")}, " "))
	}
}

// backing states the images below an image; where no node stands for the upper one, the disk itself depends on the lower.
func (g *guest) backing(disk topology.Key, upper place, b *element) {
	for ; b != nil; b = b.child("backingStore") {
		lower := g.place(b.attr("type"), b.child("source"))
		if lower.pool != "" {
			g.disks = append(g.disks, volumeDisk{disk: disk, pool: lower.pool, name: lower.name, at: g.at(b)})
		}
		if lower.node == (topology.Key{}) {
			return
		}
		from := upper.node
		if from.Kind != topology.Volume {
			from = disk
		}
		if from != lower.node {
			g.relate(from, topology.StoredOn, lower.node)
		}
		if from.Kind == topology.Volume {
			g.text(from, topology.AttrBackingPath, lower.text)
		}
		g.text(lower.node, topology.AttrFormat, b.child("format").attr("type"))
		upper = lower
	}
}

// place is where an image is: its text for people, and the node, or pool and volume if only the pool knows the node.
type place struct {
	text       string
	node       topology.Key
	pool, name string
}

// place reads a <source> of the given type.
func (g *guest) place(typ string, source *element) place {
	var p place
	switch typ {
	case "", "file":
		p.text = source.attr("file")
	case "block":
		if p.text = source.attr("dev"); p.text != "" {
			p.node = g.device(p.text)
		}
		return p
	case "dir":
		p.text = source.attr("dir")
	case "volume":
		p.pool, p.name = source.attr("pool"), source.attr("volume")
		if p.pool != "" {
			p.text = p.pool + "/" + p.name
		}
		return p
	case "network":
		return g.networkPlace(source)
	case "nvme":
		p.text = strings.TrimSpace(g.pci(source.child("address")) + " namespace " + source.attr("namespace"))
		return p
	case "vhostuser":
		p.text = source.attr("path")
		return p
	case "vhostvdpa", "ctl":
		p.text = source.attr("dev")
		return p
	default:
		g.note(source, typ, "no such type of disk source is known")
		return p
	}
	if p.text != "" {
		p.node = g.volume(p.text)
	}
	return p
}

func (g *guest) networkPlace(source *element) place {
	protocol, hosts := source.attr("protocol"), servers(source)
	p := place{text: source.attr("name")}
	switch protocol {
	case "iscsi":
		p.node = g.iscsi(g.vm, source, p.text, hosts)
	case "rbd":
		p.node = g.remote(protocol, cephImage(p.text), hosts)
	default:
		if protocol == "" || p.text == "" && len(hosts) == 0 {
			break
		}
		if _, known := ports[protocol]; !known {
			g.note(source, protocol, "no such storage protocol is known")
		}
		p.node = g.remote(protocol, p.text, hosts)
	}
	return p
}

// hostDevice states a <hostdev>: "pci 0000:06:12.5", "usb 14:6", "scsi scsi_host0:0:0:0", "mdev UUID".
func (g *guest) hostDevice(e *element) {
	source := e.child("source")
	typ := e.attr("type")
	address := source.child("address")
	var name string
	switch {
	case e.attr("mode") == "capabilities":
		name = cmp.Or(source.child("block").value(), source.child("char").value(), source.child("interface").value())
	case typ == "pci":
		name = g.pci(address)
	case typ == "usb":
		name = usbName(source)
	case typ == "scsi" && source.attr("protocol") == "iscsi":
		name = "iscsi " + source.attr("name")
		g.iscsi(g.vm, source, source.attr("name"), servers(source))
	case typ == "scsi":
		name = strings.Join([]string{source.child("adapter").attr("name"), address.attr("bus"), address.attr("target"), address.attr("unit")}, ":")
	case typ == "scsi_host":
		name = cmp.Or(source.attr("wwpn"), source.child("adapter").attr("name"))
	case typ == "mdev":
		if uuid, err := topology.ParseUUID(address.attr("uuid")); err == nil { // spelt as the host's devices are
			name = uuid
		}
	}
	if name == "" {
		g.note(e, typ, "no such type is known, or it does not say which device of the host it is")
	}
	text := strings.TrimSpace(cmp.Or(typ, e.attr("mode")) + " " + name)
	g.text(g.vm, topology.AttrHostDevice, g.once("hostdev ", text))
}

func usbName(source *element) string {
	if a := source.child("address"); a != nil {
		return a.attr("bus") + ":" + a.attr("device")
	}
	vendor, product := source.child("vendor").attr("id"), source.child("product").attr("id")
	return strings.TrimPrefix(vendor, "0x") + ":" + strings.TrimPrefix(product, "0x")
}

// unsignedAttributes are numbers that libvirt's schema wants unsigned and that state no fact: a document with another value is none
// that libvirt wrote or would take.
var unsignedAttributes = map[string][]string{ //nolint:gochecknoglobals // read-only table
	"boot":       {"order"},
	"cell":       {"id", "memory"},
	"controller": {"index", "ports", "vectors"},
	"driver":     {"cmd_per_lun", "iothread", "max_sectors", "queue_size", "queues", "rx_queue_size", "tx_queue_size"},
	"mtu":        {"size"},
	"page":       {"size"},
	"tag":        {"id"},
	"topology":   {"clusters", "cores", "dies", "sockets", "threads"},
}

func (s *sheet) checkNumbers(e *element) {
	if e.name == "metadata" {
		return // free content of other programs
	}
	for _, a := range e.attrs {
		if a.Name.Space == "" && slices.Contains(unsignedAttributes[e.name], a.Name.Local) {
			s.parseUnsigned(e, a.Name.Local, a.Value)
		}
	}
	for _, c := range e.children {
		s.checkNumbers(c)
	}
}
