package libvirt

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// places states the processors and the cells of its host that a guest is bound to, and what its memory is made of (formatdomain: "CPU Allocation", "CPU Tuning",
// "NUMA Node Tuning", "Memory Backing").
func (g *guest) places(e *element) {
	vcpu := e.child("vcpu")
	if list := vcpu.attr("cpuset"); list != "" && vcpu.attr("placement") != "auto" { // then numad chooses, and this is ignored
		g.text(g.vm, topology.AttrCPUPin, "* "+list)
	}
	for pin := range e.child("cputune").all("vcpupin") {
		g.text(g.vm, topology.AttrCPUPin, pin.attr("vcpu")+" "+pin.attr("cpuset"))
	}
	tune := e.child("numatune")
	if m := tune.child("memory"); m.attr("nodeset") != "" {
		g.text(g.vm, topology.AttrNUMATune, fmt.Sprintf("memory %s %s", cmp.Or(m.attr("mode"), "strict"), m.attr("nodeset")))
	}
	for m := range tune.all("memnode") {
		g.text(g.vm, topology.AttrNUMATune, fmt.Sprintf("cell %s %s %s", m.attr("cellid"), m.attr("mode"), m.attr("nodeset")))
	}
	backing := e.child("memoryBacking")
	g.text(g.vm, topology.AttrMemorySource, backing.child("source").attr("type"))
	huge := backing.child("hugepages")
	if huge != nil && huge.child("page") == nil {
		g.set(g.vm, topology.AttrHugePageBytes, topology.IntValue(0)) // of the host's default size
	}
	for page := range huge.all("page") {
		n, ok := g.unsigned(page, "size")
		if ok {
			n, ok = g.scale(page, n, cmp.Or(page.attr("unit"), "KiB"))
		}
		g.number(g.vm, topology.AttrHugePageBytes, n, ok)
		if cells := page.attr("nodeset"); ok && cells != "" { // cells of the guest: the others have ordinary pages
			g.text(g.vm, topology.AttrNUMATune, fmt.Sprintf("pages %d %s", n, cells))
		}
	}
}

// managers have a name space of their own in the metadata of the guests that they place.
var managers = map[string]string{ //nolint:gochecknoglobals // read-only table
	"http://openstack.org/xmlns/libvirt/nova/": "nova",
	"http://ovirt.org/vm/":                     "ovirt",
	"http://kubevirt.io":                       "kubevirt",
}

// manager states who else than libvirt says where the guest runs.
func (g *guest) manager(metadata *element) {
	if metadata == nil {
		return
	}
	for _, e := range metadata.children {
		for space, name := range managers {
			if strings.HasPrefix(e.name, space) {
				g.text(g.vm, topology.AttrManager, name)
			}
		}
	}
}

// local states what lives in the host, or in a program that does not move with the guest.
func (g *guest) local(e *element) {
	source := e.child("source")
	var words []string
	switch e.name {
	case "serial", "parallel", "channel", "console":
		switch typ := e.attr("type"); {
		case typ == "qemu-vdagent" && source.child("clipboard").attr("copypaste") == "yes":
			words = []string{"clipboard"}
		case e.name == "console" && e.child("target").attr("type") == "serial": // the serial port again
		case typ == "dev", typ == "file", typ == "pipe":
			words = []string{e.name, typ, source.attr("path")}
		}
	case "input":
		if path := cmp.Or(source.attr("evdev"), source.attr("dev")); path != "" {
			words = []string{"input", path}
		}
	case "video":
		if e.child("model", "acceleration").attr("accel3d") == "yes" {
			words = []string{"video virgl"}
		}
	case "memory":
		if model := e.attr("model"); model != "dimm" && model != "virtio-mem" { // which are memory of the ordinary kind
			words = []string{"memory", model, source.child("path").word()}
		}
	}
	g.text(g.vm, topology.AttrLocalDevice, strings.TrimSpace(strings.Join(words, " ")))
}
