package libvirt

import "github.com/throughline-dc/throughline/topology"

// console states where a <graphics> listens: "vnc 192.0.2.1", or the network whose address on the host it takes (formatdomain, "Graphical framebuffers"). A socket
// of the host's own files is no address. Where both the attribute and elements are there, libvirt has them alike.
func (g *guest) console(e *element) {
	kind, listens := e.attr("type"), false
	for l := range e.all("listen") {
		listens = true
		switch l.attr("type") {
		case "address":
			if a := l.attr("address"); a != "" {
				g.text(g.vm, topology.AttrConsole, kind+" "+a)
			}
		case "network":
			g.text(g.vm, topology.AttrConsole, kind+" network "+l.attr("network"))
		}
	}
	if a := e.attr("listen"); a != "" && !listens {
		g.text(g.vm, topology.AttrConsole, kind+" "+a)
	}
}
