package ssh

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// link is an interface of the kernel (ip-link(8)).
type link struct {
	index     int64
	name      string
	lower     string // what it lies on, if that is in the same namespace
	master    string
	typ       string // ether, loopback, none …
	state     string // the kernel's word: UP, DOWN, UNKNOWN, LOWERLAYERDOWN …
	up        bool   // switched on
	carrier   bool   // has a carrier, where that means anything
	mtu       int64
	mac       topology.MAC
	permanent topology.MAC // its own, where it bears that of its bond
	alias     string
	pci       string
	xdp       bool // a program looks at each frame before all else

	kind, slaveKind string // IFLA_INFO_KIND: bond, vlan, bridge … and what it is in its master
	about, inMaster facet
	addresses       []netip.Prefix
	odd             []oddity
}

// oddity is a detail of an interface that is not understood. The interface is there all the same.
type oddity struct{ where, text, why string }

// facet is the detail of one kind of interface, by the names of ip's JSON.
type facet interface{ text(name string) string }

// noFacet says nothing.
type noFacet struct{}

func (noFacet) text(string) string { return "" }

// textFacet is the detail in ip's text, which has other names for some.
type textFacet pairs

func (f textFacet) text(name string) string {
	switch name {
	case "root_id":
		name = "designated_root"
	case "aggregator", "num_ports", "actor_key", "partner_key", "partner_mac":
		name = "ad_" + name
	case "local6", "remote6":
		return ""
	}
	return pairs(f).after(name)
}

// jsonFacet is the detail in ip's JSON. What LACP knows lies one level deeper.
type jsonFacet tree

func (f jsonFacet) text(name string) string {
	if text := tree(f).text(name); text != "" {
		return text
	}
	return tree(f).sub("ad_info").text(name)
}

func (l link) aggregate() bool { return l.kind == "bond" || l.kind == "team" }

// card reports a network card, virtual ones of a virtual machine included.
func (l link) card() bool { return l.typ == "ether" && l.kind == "" && !guestEnd.MatchString(l.name) }

// ifType gives the IANAifType, 0 if it cannot be told; of an aggregate its kind in the model says it.
func (l link) ifType() int {
	switch l.kind {
	case "bond", "team":
		return 0
	case "vlan":
		return typeVLAN
	case "bridge":
		return typeBridge
	case "vxlan", "geneve", "gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ip6erspan", "ipip", "sit", "ip6tnl", "wireguard", "vti", "vti6", "bareudp":
		return typeTunnel
	case "", "veth":
		switch l.typ {
		case "ether":
			return typeEthernet
		case "loopback":
			return typeLoopback
		}
		return 0
	}
	return typeVirtual
}

// operState gives the word of ifOperStatus (RFC 2863). The kernel says UNKNOWN of drivers that know no state: those count as up
// where there is a carrier (Documentation/networking/operstates.rst).
func (l link) operState() string {
	switch l.state {
	case "UP":
		return "up"
	case "DOWN":
		return "down"
	case "UNKNOWN":
		if l.up && l.carrier {
			return "up"
		}
		return "down"
	case "LOWERLAYERDOWN":
		return "lowerLayerDown"
	case "DORMANT":
		return "dormant"
	case "TESTING":
		return "testing"
	case "NOTPRESENT":
		return "notPresent"
	}
	return ""
}

func ipLink() table {
	return table{
		name: "ip-link", line: "ip -j -d link show", old: "ip -d link show",
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			s.links, rows, left, err = parseLinks(raw)
			s.learn(s.links)
			return rows, left, err
		},
		tell: tellLinks,
	}
}

// learn keeps interfaces by name; what was learned first counts.
func (s *sheet) learn(links []link) {
	if s.named == nil {
		s.named = make(map[string]link, len(links))
	}
	for _, l := range links {
		if _, known := s.named[l.name]; !known {
			s.named[l.name] = l
		}
	}
}

// parseLinks reads interfaces, with their addresses where the command was ip address. Every namespace has lo, so no interface at all is no answer.
func parseLinks(raw []byte) ([]link, int, []collectors.Unparsed, error) {
	links, rows, left, err := form[link]{element: linkElement, record: linkRecord, begins: beginsLink}.read(raw)
	if err == nil && len(links) == 0 {
		err = garbled("no interface")
	}
	for _, l := range links {
		for _, odd := range append(l.odd, l.oddValues()...) {
			left = append(left, unread(cmp.Or(odd.where, "interface "+l.name), odd.text, errors.New(odd.why)))
			rows++
		}
	}
	return links, rows, left, err
}

func linkElement(raw json.RawMessage) ([]link, error) {
	var j struct {
		Index     int64    `json:"ifindex"`
		Name      string   `json:"ifname"`
		Lower     string   `json:"link"`
		Namespace any      `json:"link_netnsid"`
		Flags     []string `json:"flags"`
		MTU       int64    `json:"mtu"`
		Master    string   `json:"master"`
		State     string   `json:"operstate"`
		Type      string   `json:"link_type"`
		MAC       string   `json:"address"`
		Permanent string   `json:"permaddr"`
		Alias     string   `json:"ifalias"`
		Bus       string   `json:"parentbus"`
		Device    string   `json:"parentdev"`
		XDP       any      `json:"xdp"`
		Info      struct {
			Kind      string    `json:"info_kind"`
			About     jsonFacet `json:"info_data"`
			SlaveKind string    `json:"info_slave_kind"`
			InMaster  jsonFacet `json:"info_slave_data"`
		} `json:"linkinfo"`
		Addresses []struct {
			Local  string `json:"local"`
			Length int    `json:"prefixlen"`
		} `json:"addr_info"`
	}
	if err := decode(raw, &j); err != nil {
		return nil, err
	}
	l := link{
		index: j.Index, name: j.Name, lower: j.Lower, master: j.Master, typ: j.Type, state: j.State, mtu: j.MTU, alias: j.Alias,
		kind: j.Info.Kind, slaveKind: j.Info.SlaveKind, about: j.Info.About, inMaster: j.Info.InMaster,
	}
	if j.Namespace != nil {
		l.lower = "" // the name is one of another namespace
	}
	if j.Bus == "pci" {
		l.pci = j.Device
	}
	l.xdp = j.XDP != nil
	l.flags(j.Flags)
	l.hardware(j.MAC, j.Permanent)
	for _, a := range j.Addresses {
		l.address(a.Local + "/" + strconv.Itoa(a.Length))
	}
	return []link{l}, l.check()
}

// flags reads the flags of an interface (ip-link(8), if_link.h). Those that ip has no name for come last, in hexadecimal.
func (l *link) flags(flags []string) {
	l.up, l.carrier = slices.Contains(flags, "UP"), slices.Contains(flags, "LOWER_UP")
	for _, f := range flags {
		if _, err := strconv.ParseUint(f, 16, 32); err != nil && f != "" && !slices.Contains(linkFlags(), f) {
			l.odd = append(l.odd, oddity{text: f, why: "no flag of an interface"})
		}
	}
}

func linkFlags() []string {
	return []string{
		"LOOPBACK", "BROADCAST", "POINTOPOINT", "MULTICAST", "NOARP", "ALLMULTI", "PROMISC", "MASTER", "SLAVE", "DEBUG", "DYNAMIC", "AUTOMEDIA", "PORTSEL",
		"NOTRAILERS", "UP", "RUNNING", "LOWER_UP", "DORMANT", "ECHO", "NO-CARRIER", "M-DOWN",
	}
}

// hardware keeps the addresses; those of other networks than Ethernet are none.
func (l *link) hardware(mac, permanent string) {
	l.mac, _ = topology.ParseMAC(mac)
	l.permanent, _ = topology.ParseMAC(permanent)
}

func (l link) check() error {
	if l.name == "" || l.index <= 0 {
		return errors.New("no interface with a name and an index")
	}
	return nil
}

// linkHeader is the first line of an interface: "5: eth2.2@eth2: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master br0 state UP …".
var linkHeader = regexp.MustCompile(`^(\d+): (\S+): <([^<> ]*)>(.*)$`)

func linkRecord(r record) ([]link, error) {
	m := linkHeader.FindStringSubmatch(r.lines[0])
	if m == nil {
		return nil, errors.New("no interface")
	}
	l := link{index: count(m[1]), name: m[2], about: noFacet{}, inMaster: noFacet{}}
	if i := strings.LastIndexByte(l.name, '@'); i > 0 {
		// "if7" and "NONE" stand for an interface of another namespace.
		if l.lower = l.name[i+1:]; otherNamespace.MatchString(l.lower) {
			l.lower = ""
		}
		l.name = l.name[:i]
		if strings.Contains(l.name, "@") {
			return nil, errors.New("which @ ends the name is not known")
		}
	}
	l.flags(strings.Split(m[3], ","))
	head := pairs(strings.Fields(m[4]))
	l.xdp = slices.ContainsFunc(strings.Fields(m[4]), func(w string) bool { return strings.HasPrefix(w, "xdp") })
	l.mtu, l.master, l.state = count(head.after("mtu")), head.after("master"), head.after("state")
	for i, line := range r.lines[1:] {
		before := len(l.odd)
		l.detail(strings.Fields(line))
		for j := range l.odd[before:] {
			l.odd[before+j].where = "line " + strconv.Itoa(r.numbers[i+1])
		}
	}
	return []link{l}, l.check()
}

var otherNamespace = regexp.MustCompile(`^(if\d+|NONE)$`)

// detail reads one of the lines below the first.
func (l *link) detail(words []string) {
	switch first := words[0]; {
	case strings.HasPrefix(first, "link/"):
		l.typ = strings.TrimPrefix(first, "link/")
		if len(words) > 1 {
			l.hardware(words[1], pairs(words).after("permaddr"))
		}
		if pairs(words).has("link-netns") || pairs(words).has("link-netnsid") {
			l.lower = ""
		}
	case first == "inet" || first == "inet6":
		l.numbered(words)
	case first == "alias":
		l.alias = strings.Join(words[1:], " ")
	case strings.HasSuffix(first, "_slave"):
		l.slaveKind, l.inMaster = strings.TrimSuffix(first, "_slave"), textFacet(words)
		if l.permanent == 0 {
			l.permanent, _ = topology.ParseMAC(pairs(words).after("perm_hwaddr"))
		}
	case slices.Contains(kinds(), first):
		l.kind, l.about = first, textFacet(words)
	case slices.Contains(otherDetails(), strings.TrimRight(first, ":")), strings.Trim(strings.Join(words, ""), "0123456789") == "": // counters
	default:
		l.odd = append(l.odd, oddity{text: strings.Join(words, " "), why: "no detail of an interface"})
	}
	if pairs(words).after("parentbus") == "pci" {
		l.pci = pairs(words).after("parentdev")
	}
}

// numbered reads "inet 192.0.2.1/24 brd 192.0.2.255 scope global eth0"; of a link between two, "inet 192.0.2.1 peer 192.0.2.2/32 …", the length is
// that of the peer's.
func (l *link) numbered(words []string) {
	text := strings.Join(words[1:min(len(words), 2)], "")
	if _, length, ok := strings.Cut(pairs(words).after("peer"), "/"); ok && !strings.Contains(text, "/") {
		text += "/" + length
	}
	l.address(text)
}

func (l *link) address(text string) {
	p, err := prefixOf(text)
	if err != nil {
		l.odd = append(l.odd, oddity{text: text, why: "no address with its length"})
		return
	}
	l.addresses = append(l.addresses, p)
}

// kinds lists the kinds of interfaces that the kernel has (IFLA_INFO_KIND).
func kinds() []string {
	return []string{
		"amt", "bareudp", "batadv", "bond", "bridge", "can", "dsa", "dummy", "erspan", "geneve", "gre", "gretap", "gtp", "hsr", "ifb", "ip6erspan", "ip6gre",
		"ip6gretap", "ip6tnl", "ipip", "ipoib", "ipvlan", "ipvtap", "lowpan", "macsec", "macvlan", "macvtap", "netdevsim", "netkit", "nlmon", "openvswitch",
		"ppp", "rmnet", "sit", "team", "tun", "vcan", "veth", "virt_wifi", "vlan", "vrf", "vti", "vti6", "vxcan", "vxlan", "wireguard", "wwan", "xfrm",
	}
}

// beginsLink reports that a line is not one of the details of the interface above: it is at the margin, where ip breaks only some lines off.
func beginsLink(line string) bool {
	first, _, _ := strings.Cut(line, " ")
	return flush(line) && first != "alias" && !slices.Contains(otherDetails(), strings.TrimRight(first, ":"))
}

// otherDetails lists the words that begin a line that says nothing to us. Old versions of ip break the line of a bond's member in two.
func otherDetails() []string {
	return []string{
		"valid_lft", "altname", "vf", "ad_partner_oper_port_state", "promiscuity", "RX", "TX", "addrgenmode", "proto_down", "xdp", "prog/xdp", "parentbus",
	}
}

// oddValues lists what is wrong with the values of an interface.
func (l link) oddValues() []oddity {
	var all []oddity
	id := l.about.text("id")
	switch l.kind {
	case "vlan":
		if _, err := topology.ParseVID(id); err != nil && id != "0" && id != "" {
			all = append(all, oddity{text: "id " + id, why: "no VLAN"})
		}
	case "vxlan":
		if n, err := strconv.ParseUint(id, 10, 24); id != "" && id != "0" && (err != nil || n == 0) {
			all = append(all, oddity{text: "id " + id, why: "no VNI"})
		}
	}
	if l.state != "" && l.operState() == "" {
		all = append(all, oddity{text: "state " + l.state, why: "no state of an interface"})
	}
	return all
}
