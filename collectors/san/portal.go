package san

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// portal is a network portal of the array (RFC 7143), as the listing has it.
type portal struct {
	end netip.AddrPort
	tag string // of the portal group
}

// address is one of the array's own.
type address struct {
	addr netip.Addr
	name string // of its interface
}

// port is a target port: one target at one portal.
type port struct {
	key    topology.Key
	portal string // "address:port,tag"
}

func portKey(iqn topology.IQN, end netip.AddrPort) topology.Key {
	return topology.Key{Kind: topology.TargetPort, ID: string(iqn) + "," + end.String()}
}

// parsePortals reads "Portal: 192.0.2.50:3260,1" (iscsi_print_portals of iscsi/target.c). A tgtd that listens nowhere is none that an array runs.
func parsePortals(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t shell.Tally
	for where, l := range shell.Lines(raw) {
		if strings.TrimSpace(l) == "" {
			continue
		}
		text, ok := strings.CutPrefix(l, "Portal: ")
		endpoint, tag, tagged := strings.Cut(text, ",")
		end, err := netip.ParseAddrPort(endpoint)
		if !ok || !tagged || err != nil {
			t.Miss(where, l, "not a portal with its address, port and portal group tag")
			continue
		}
		t.Rows++
		s.portals = append(s.portals, portal{shell.Plain(end), tag})
		s.everywhere = s.everywhere || end.Addr().IsUnspecified()
	}
	if len(s.portals) == 0 {
		return 0, nil, shell.Malformed("no portal, where tgtd lists one at least")
	}
	return t.Rows, t.Left, nil
}

// parseAddresses reads the lines of ip -o addr: "2: eth0    inet 192.0.2.50/24 brd 192.0.2.255 scope global eth0\ …".
func parseAddresses(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t shell.Tally
	for where, l := range shell.Lines(raw) {
		f := strings.Fields(l)
		if len(f) == 0 {
			continue
		}
		if len(f) < 4 || f[2] != "inet" && f[2] != "inet6" {
			t.Miss(where, l, "not an interface and its address")
			continue
		}
		text, _, _ := strings.Cut(f[3], "/")
		a, err := netip.ParseAddr(text)
		if err != nil {
			t.Miss(where, l, "not an address")
			continue
		}
		t.Rows++
		s.addresses = append(s.addresses, address{a, f[1]})
	}
	if len(s.addresses) == 0 {
		return 0, nil, shell.Malformed("no address, where every system has one at least")
	}
	return t.Rows, t.Left, nil
}

func parseConnections(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	list, t := shell.Connections(raw)
	s.connections = list
	return t.Rows, t.Left, nil
}

// needPortals names the tables that tell where the array listens.
func (s *sheet) needPortals() []string {
	if s.everywhere {
		return []string{tablePortal, tableAddress}
	}
	return []string{tablePortal}
}

// ends gives the addresses and ports at which the array listens. A portal at every address is one at each that others can reach, of that portal's family:
// left to itself, tgtd has one of each.
func (p portal) ends(s *sheet) []netip.AddrPort {
	if !p.end.Addr().IsUnspecified() {
		return []netip.AddrPort{p.end}
	}
	var ends []netip.AddrPort
	for _, a := range s.addresses {
		if !a.addr.IsLoopback() && !a.addr.IsLinkLocalUnicast() && a.addr.Is4() == p.end.Addr().Is4() {
			ends = append(ends, netip.AddrPortFrom(a.addr, p.end.Port()))
		}
	}
	return ends
}

// listens reports whether one of the portals is at an end.
func (s *sheet) listens(end netip.AddrPort) bool {
	return slices.ContainsFunc(s.portals, func(p portal) bool { return slices.Contains(p.ends(s), end) })
}

// ports gives the target ports of a target: tgtd offers every target at every portal.
func (s *sheet) ports(t target) []port {
	var all []port
	for _, p := range s.portals {
		for _, end := range p.ends(s) {
			all = append(all, port{portKey(t.iqn, end), end.String() + "," + p.tag})
		}
	}
	return all
}

func tellPortals(s *sheet, say *shell.Words) {
	for _, p := range s.portals {
		say.Text(s.array, topology.AttrPortal, p.end.String()+","+p.tag)
	}
}
