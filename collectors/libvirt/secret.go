package libvirt

import (
	"cmp"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// secret states that the host has one, and what it is for (formatsecret). A definition never holds the value, and what people say of it is left out.
func (s *sheet) secret(e *element) {
	uuid, err := topology.ParseUUID(e.child("uuid").value())
	if err != nil {
		s.refuse(e, "uuid", e.child("uuid").value(), err.Error())
		return
	}
	words := []string{uuid}
	usage := e.child("usage")
	if typ := usage.attr("type"); typ != "" && typ != "none" {
		id := cmp.Or(usage.child("name").value(), usage.child("volume").value(), usage.child("target").value())
		words = append(words, typ, id)
	}
	s.text(s.host, topology.AttrSecret, strings.Join(words, " "))
}

// opened states with which secrets the images of a disk are opened, the lower ones among them: at whatever depth, they are in <auth> or <encryption>.
func (g *guest) opened(disk topology.Key, e *element) {
	for _, c := range e.children {
		if e.name != "auth" && e.name != "encryption" || c.name != "secret" {
			g.opened(disk, c)
			continue
		}
		if uuid := c.attr("uuid"); uuid != "" {
			g.text(disk, topology.AttrSecret, "uuid "+strings.ToLower(uuid))
			continue
		}
		typ := c.attr("type")
		if typ == "passphrase" { // of images that QEMU decrypts: secrets have these by their volume
			typ = "volume"
		}
		g.text(disk, topology.AttrSecret, cmp.Or(typ, "unknown")+" "+c.attr("usage"))
	}
}
