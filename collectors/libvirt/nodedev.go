package libvirt

import (
	"cmp"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// node is a <device> of the host as its children and parents need it.
type node struct {
	parent        string
	pci           string // address of a PCI function
	vendor, model string
	functions     []string     // addresses of the virtual functions
	key           topology.Key // NIC, initiator, target port or logical unit
}

// nodeDevice takes down a <device>: NICs, Fibre Channel HBAs with the target ports they see, disks, and the PCI functions that NICs are.
// Other devices exist, but are not in the model.
func (s *sheet) nodeDevice(e *element) {
	n := node{parent: e.child("parent").value()}
	for capability := range e.all("capability") {
		switch typ := capability.attr("type"); typ {
		case "system":
			s.system(capability)
		case "pci":
			s.pciDevice(&n, capability)
		case "net":
			s.netDevice(&n, e, capability)
		case "scsi_host":
			s.scsiHost(&n, capability)
		case "scsi_target":
			s.scsiTarget(&n, capability)
		case "storage":
			s.storageDevice(&n, e, capability)
		case "mdev":
			s.mediated(e, capability)
		case "scsi", "scsi_generic", "usb", "usb_device", "drm", "ccw", "ccwgroup", "css", "vdpa", "ap_card", "ap_queue", "ap_matrix":
		default:
			s.note(capability, typ, "no such type of device is known")
		}
	}
	s.nodes = map[string]node{e.child("name").value(): n}
}

// system states the machine under the hypervisor (SMBIOS).
func (s *sheet) system(c *element) {
	h := c.child("hardware")
	s.text(s.host, topology.AttrVendor, named(h.child("vendor").word()))
	s.text(s.host, topology.AttrModel, named(cmp.Or(c.child("product").word(), h.child("version").word())))
	s.text(s.host, topology.AttrSerial, named(h.child("serial").word()))
}

// mediated states a mediated device, as a guest's definition names it: libvirt before 7.3 has its UUID in the name alone, with underlines.
func (s *sheet) mediated(e, c *element) {
	uuid := c.child("uuid").word()
	if uuid == "" {
		name, _ := strings.CutPrefix(e.child("name").value(), "mdev_")
		uuid = strings.ReplaceAll(name[:min(len(name), 36)], "_", "-")
	}
	if uuid, err := topology.ParseUUID(uuid); err == nil {
		s.text(s.host, topology.AttrHostDevice, "mdev "+uuid)
	} else {
		s.note(c, e.child("name").value(), "a mediated device without a UUID")
	}
}

// named gives "" for what firmware says where nobody gave a name, octets of ones included.
func named(text string) string {
	if strings.Trim(text, `\xf`) == "" {
		return ""
	}
	switch strings.ToLower(strings.Trim(text, ". ")) {
	case "none", "not specified", "not available", "unknown", "default string", "empty", "0",
		"to be filled by o.e.m", "system serial number", "system product name", "system manufacturer":
		return ""
	}
	return text
}

func (s *sheet) pciDevice(n *node, c *element) {
	domain, _ := s.count(c.child("domain"))
	bus, _ := s.count(c.child("bus"))
	slot, ok := s.count(c.child("slot"))
	function, _ := s.count(c.child("function"))
	n.pci = pciAddress(domain, bus, slot, function, ok)
	n.vendor, n.model = c.child("vendor").word(), c.child("product").word()
	for sub := range c.all("capability") {
		if sub.attr("type") == "virt_functions" {
			for a := range sub.all("address") {
				n.functions = append(n.functions, s.pci(a))
			}
		}
	}
}

// netDevice states a NIC that is hardware. Bridges, bonds and the host's ends of vNICs are children of "computer": the listing of host
// interfaces knows what they are.
func (s *sheet) netDevice(n *node, e, c *element) {
	name := c.child("interface").value()
	if name == "" || n.parent == "computer" || strings.HasPrefix(e.child("path").value(), "/sys/devices/virtual/") {
		return
	}
	n.key = topology.PartKey(topology.NIC, s.host, name)
	s.relate(s.host, topology.Contains, n.key)
	s.text(n.key, topology.AttrIfName, name)
	s.mac(n.key, c.child("address"), "", c.child("address").word())
	s.link(n.key, c.child("link"))
	s.text(n.key, topology.AttrDriver, e.child("driver", "name").word())
}

func (s *sheet) scsiHost(n *node, c *element) {
	for sub := range c.all("capability") {
		if sub.attr("type") != "fc_host" {
			continue
		}
		key, ok := s.hba(func(name string) (*element, string, string) { return sub.child(name), "", sub.child(name).word() })
		if !ok {
			continue
		}
		n.key = key
		if number := c.child("host").word(); number != "" {
			s.text(key, topology.AttrDeviceName, "host"+number)
		}
	}
}

func (s *sheet) scsiTarget(n *node, c *element) {
	for sub := range c.all("capability") {
		if sub.attr("type") != "fc_remote_port" {
			continue
		}
		if wwpn, ok := s.wwn(sub.child("wwpn"), "", sub.child("wwpn").word()); ok {
			n.key = topology.Key{Kind: topology.TargetPort, ID: wwpn.String()}
			s.set(n.key, topology.AttrWWPN, topology.WWNValue(wwpn))
		}
	}
}

// storageDevice states a disk of the host: as a logical unit where its serial number or one of its links is a designator, and the
// volume under the kernel's name for it.
func (s *sheet) storageDevice(n *node, e, c *element) {
	block := c.child("block").value()
	if block == "" {
		return
	}
	disk := s.volume(block)
	about := disk
	var links []topology.Key
	if serial := c.child("serial").word(); len(serial) == 33 || len(serial) == 17 {
		if designator, err := topology.ParseDesignator(serial); err == nil {
			n.key = s.designated(designator)
		}
	}
	for link := range e.all("devnode") {
		if path := link.word(); strings.HasPrefix(path, "/dev/disk/by-id/") || strings.HasPrefix(path, "/dev/disk/by-path/") {
			links = append(links, s.device(path))
		}
	}
	for _, link := range links {
		if link.Kind == topology.LogicalUnit && n.key == (topology.Key{}) {
			n.key = link
		}
	}
	if n.key != (topology.Key{}) {
		about = n.key
		s.relate(disk, topology.StoredOn, n.key)
		for _, link := range links {
			if link.Kind == topology.Volume {
				s.relate(link, topology.StoredOn, n.key)
			}
		}
	}
	s.text(about, topology.AttrDeviceType, c.child("drive_type").word())
	s.text(about, topology.AttrBus, c.child("bus").word())
	s.text(about, topology.AttrVendor, c.child("vendor").word())
	s.text(about, topology.AttrModel, c.child("model").word())
	s.text(about, topology.AttrSerial, c.child("serial").word())
	size, ok := s.count(c.child("size"))
	s.number(about, topology.AttrCapacityBytes, size, ok)
}

// nodeTree states what follows from the parents of all devices: the PCI function that a NIC is, its virtual functions, and the way
// from an initiator over a target port to a logical unit.
func (s *sheet) nodeTree() {
	for _, n := range s.nodes {
		switch n.key.Kind {
		case topology.NIC:
			p := s.nodes[n.parent]
			s.text(n.key, topology.AttrPCIAddress, p.pci)
			s.text(n.key, topology.AttrVendor, p.vendor)
			s.text(n.key, topology.AttrModel, p.model)
			for _, address := range p.functions {
				f := s.function(address)
				s.relate(s.host, topology.Contains, f)
				s.relate(f, topology.SupportedBy, n.key)
			}
		case topology.TargetPort:
			if i := s.nodes[n.parent].key; i.Kind == topology.InitiatorPort {
				s.relate(i, topology.Nexus, n.key)
			}
		case topology.LogicalUnit:
			lun := s.nodes[n.parent] // the SCSI device; its parent is the target
			if t := s.nodes[lun.parent].key; t.Kind == topology.TargetPort {
				s.relate(t, topology.Exports, n.key)
			}
		}
	}
}
