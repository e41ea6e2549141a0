package ssh

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// route is a route of the kernel (ip-route(8)) or of FRR, with the ways that it takes.
type route struct {
	typ      string // "" is unicast
	prefix   netip.Prefix
	table    string // name or number as printed; "" is main
	vrf      string // named by FRR, which has VRFs and no tables
	protocol string // as printed
	metric   int64
	hops     []hop
}

// hop is one way of a route.
type hop struct {
	via   netip.Addr // invalid: the destination is on the link
	dev   string
	fault string // dead, linkdown: the kernel does not use it, or nothing passes
	encap string // what packets are put into on this way (ip-route(8) encap): mpls, ip, seg6 …
}

// ipRoute: text of no routes is nothing, but whoever answers over a network has an address, and the kernel a local route to it.
func ipRoute() table {
	return table{
		name: "ip-route", needs: []string{"ip-link"}, line: "ip -j route show table all", old: "ip route show table all", // of both families, since no family is named
		prints: "the local routes of its addresses",
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			s.routes, rows, left, err = form[route]{element: routeElement, record: routeRecord}.read(raw)
			return rows, left, err
		},
		tell: func(s *sheet, say *words) { say.routes(s, s.routes, true) },
	}
}

// jsonHop is a way, in a route or in its list of next hops.
type jsonHop struct {
	Gateway string `json:"gateway"`
	Via     struct {
		Host string `json:"host"`
	} `json:"via"` // a gateway of the other family (RFC 8950)
	Dev   string   `json:"dev"`
	Encap string   `json:"encap"`
	Flags []string `json:"flags"`
}

// firstText is a text of which the first counts: ip calls the destination of a route dst, and in the same object that of its encapsulation.
type firstText string

// UnmarshalJSON implements [json.Unmarshaler].
func (f *firstText) UnmarshalJSON(raw []byte) error {
	if *f != "" {
		return nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	*f = firstText(text)
	return err //nolint:wrapcheck // whoever decodes the route words it
}

func (j jsonHop) hop() (hop, error) {
	h := hop{dev: j.Dev, encap: j.Encap}
	for _, f := range j.Flags {
		h.flag(f)
	}
	if text := cmp.Or(j.Gateway, j.Via.Host); text != "" {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return h, fmt.Errorf("%q is no next hop", text)
		}
		h.via = a.WithZone("").Unmap()
	}
	return h, nil
}

func (h *hop) flag(word string) {
	if word == "dead" || word == "linkdown" && h.fault == "" {
		h.fault = word
	}
}

func routeElement(raw json.RawMessage) ([]route, error) {
	var j struct {
		Type        string    `json:"type"`
		Destination firstText `json:"dst"`
		Table       any       `json:"table"`
		Protocol    any       `json:"protocol"`
		Metric      int64     `json:"metric"`
		Preference  string    `json:"pref"`
		Source      string    `json:"prefsrc"`
		jsonHop
		Hops []jsonHop `json:"nexthops"`
	}
	if err := decode(raw, &j); err != nil {
		return nil, err
	}
	fields := tree{"table": j.Table, "protocol": j.Protocol}
	r := route{typ: j.Type, table: fields.text("table"), protocol: fields.text("protocol"), metric: j.Metric}
	ways := j.Hops
	if len(ways) == 0 {
		ways = []jsonHop{j.jsonHop}
	}
	for _, w := range ways {
		h, err := w.hop()
		if err != nil {
			return nil, err
		}
		r.hops = append(r.hops, h)
	}
	return r.to(string(j.Destination), j.Preference != "" || strings.Contains(j.Source, ":"))
}

// to completes a route by its destination. Where that is "default", the family shows in the rest: only IPv6 has preferences (RFC 4191).
func (r route) to(destination string, six bool) ([]route, error) {
	if !r.reaches() {
		return nil, errors.New("no next hop is shown")
	}
	if destination == "default" {
		for _, h := range r.hops {
			six = six || h.via.Is6()
		}
		r.prefix = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if six {
			r.prefix = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		return []route{r}, nil
	}
	p, err := prefixOf(destination)
	r.prefix = p
	return []route{r}, err
}

// reaches reports that each way of a route that forwards has an interface or next hop. One by a nexthop object has none where the kernel was told
// not to show it (net.ipv4.nexthop_compat_mode).
func (r route) reaches() bool {
	return r.typ != "" && r.typ != "unicast" || !slices.ContainsFunc(r.hops, func(h hop) bool { return !h.via.IsValid() && h.dev == "" })
}

// routeTypes are the words that may come before the destination.
func routeTypes() []string {
	return []string{
		"unicast", "local", "broadcast", "anycast", "multicast", "unreachable", "prohibit", "blackhole", "throw", "nat", "xresolve",
	}
}

// routeRecord reads a route as text: "10.0.0.12 proto bgp metric 20" and its next hops in lines below, or all in one.
func routeRecord(rec record) ([]route, error) {
	p := routeWords{words: strings.Fields(rec.lines[0])}
	if slices.Contains(routeTypes(), p.words[0]) {
		p.route.typ = p.next()
	}
	destination := p.next()
	if err := p.read(); err != nil {
		return nil, err
	}
	if p.hop != (hop{}) || len(rec.lines) == 1 {
		p.route.hops = append(p.route.hops, p.hop)
	}
	for _, line := range rec.lines[1:] {
		p.words, p.hop = strings.Fields(line), hop{}
		if p.next() != "nexthop" {
			return nil, fmt.Errorf("%q is no next hop", strings.TrimSpace(line))
		}
		if err := p.read(); err != nil {
			return nil, err
		}
		p.route.hops = append(p.route.hops, p.hop)
	}
	return p.route.to(destination, p.six)
}

// routeWords reads the words of a route one after the other.
type routeWords struct {
	words []string
	route route
	hop   hop
	six   bool
}

func (p *routeWords) next() string {
	if len(p.words) == 0 {
		return ""
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

func (p *routeWords) read() error {
	for len(p.words) > 0 {
		if err := p.word(p.next()); err != nil {
			return err
		}
	}
	return nil
}

func (p *routeWords) word(word string) error {
	switch word {
	case "via":
		return p.gateway()
	case "dev":
		p.hop.dev = p.next()
	case "table":
		p.route.table = p.next()
	case "proto":
		p.route.protocol = p.next()
	case "metric":
		p.route.metric = count(p.next())
	case "pref":
		p.six = true
		p.next()
	case "src", "from":
		p.six = strings.Contains(p.next(), ":") || p.six
	case "encap":
		p.hop.encap = p.next()
		for len(p.words) > 0 && !slices.Contains([]string{"via", "dev", "table", "proto", "scope", "metric"}, p.words[0]) {
			p.next()
		}
	case "scope", "tos", "dsfield", "nhid", "weight", "error", "window", "rtt", "rttvar", "ssthresh", "cwnd", "advmss", "reordering", "hoplimit",
		"initcwnd", "initrwnd", "features", "rto_min", "quickack", "congctl", "fastopen_no_cookie", "mtu", "realm", "realms", "expires", "iif", "ttl-propagate":
		if p.next() == "lock" {
			p.next()
		}
	case "dead", "linkdown":
		p.hop.flag(word)
	case "onlink", "pervasive", "offload", "trap", "rt_offload", "rt_trap", "rt_offload_failed", "notify", "unresolved", "cache", "<local>":
	default:
		return fmt.Errorf("%q is no word of a route", word)
	}
	return nil
}

// gateway reads "via 192.0.2.1", or "via inet6 fe80::1" where the next hop is of the other family.
func (p *routeWords) gateway() error {
	text := p.next()
	if text == "inet" || text == "inet6" {
		text = p.next()
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return fmt.Errorf("%q is no next hop", text)
	}
	p.hop.via = a.WithZone("").Unmap()
	return nil
}

// forwards reports whether a route says where packets of others go. The table local and routes of the types local and broadcast are made of
// the addresses of the interfaces; so are multicast ones. The kernel's own last entry of IPv6 stands in the table unspec.
func (r route) forwards() bool {
	switch r.table {
	case "local", "255", "unspec", "0":
		return false
	}
	switch r.typ {
	case "local", "broadcast", "anycast", "multicast":
		return false
	}
	return !r.prefix.Addr().IsMulticast()
}

// state says in which way a route does not forward; "" if it does.
func (r route) state() string {
	switch r.typ {
	case "unreachable", "prohibit":
		return "reject"
	case "blackhole", "throw":
		return r.typ
	}
	return ""
}

// words of protocols that MIBs, kernel and FRR call differently, and of those that old versions of ip know by number only (rt_protos).
func protocolWord(protocol string) string {
	switch protocol {
	case "kernel", "connected", "2":
		return "local"
	case "", "boot", "3", "4", "196":
		return "static" // set by hand or by a script
	case "redirect", "1":
		return "icmp"
	case "zebra", "11", "none", "unspec", "0":
		return "" // which protocol zebra got it from, it does not say
	case "ospf6", "188":
		return "ospf"
	case "ripng", "189", "190":
		return "rip"
	case "186":
		return "bgp"
	case "187":
		return "isis"
	case "192":
		return "eigrp"
	}
	return protocol
}

// way is a route with one of its hops, under the key that both may share with others.
type way struct {
	route
	hop
	vrf     string
	towards string
}

// routes states routes, each hop as a node of its own. Of two that differ in the metric alone the better has the plain key: the other is there
// for the day when it goes.
func (w *words) routes(s *sheet, all []route, metrics bool) {
	var ways []way
	vrfs := s.vrfs()
	for _, r := range all {
		if !r.forwards() {
			continue
		}
		for _, h := range r.hops {
			ways = append(ways, way{r, h, s.tableOf(r, vrfs), s.towards(r, h)})
		}
	}
	slices.SortStableFunc(ways, func(a, b way) int {
		return cmp.Or(cmp.Compare(a.vrf, b.vrf), a.prefix.Compare(b.prefix), cmp.Compare(a.towards, b.towards), cmp.Compare(a.metric, b.metric))
	})
	const each = 7 // facts of a way, at most but for the VRF's
	w.Facts = slices.Grow(w.Facts, each*len(ways))
	best := 0
	for i, x := range ways {
		if b := ways[best]; b.vrf != x.vrf || b.prefix != x.prefix || b.towards != x.towards {
			best = i
		}
		if x.metric != ways[best].metric {
			x.towards += fmt.Sprintf(" metric %d", x.metric)
		}
		w.way(s, x, metrics)
	}
}

// towards gives the last part of a route's key: next hop, else interface, else why it does not forward.
func (s *sheet) towards(r route, h hop) string {
	switch {
	case h.via.IsValid():
		return h.via.String()
	case h.dev != "":
		_, name, _ := s.interfaceKey(h.dev).Local()
		return name
	}
	return r.state()
}

func (w *words) way(s *sheet, x way, metrics bool) {
	k := topology.PartKey(topology.Route, s.device, cmp.Or(x.vrf, "default"), x.prefix.String(), x.towards)
	w.contains(s, k)
	w.Set(k, topology.AttrPrefix, topology.PrefixValue(x.prefix))
	if x.via.IsValid() {
		w.Set(k, topology.AttrNextHop, topology.AddrValue(x.via))
	}
	if x.dev != "" {
		w.Relate(k, topology.RoutesVia, s.interfaceKey(x.dev))
	}
	w.Text(k, topology.AttrProtocol, protocolWord(x.protocol))
	if metrics {
		w.Set(k, topology.AttrMetric, topology.IntValue(x.metric))
	}
	w.Text(k, topology.AttrState, cmp.Or(x.state(), x.fault, x.encapsulation()))
	if x.vrf != "" && !strings.HasPrefix(x.vrf, policyTable) {
		w.Relate(k, topology.InVRF, w.vrf(s, x.vrf))
	}
}

// encapsulation says in words that packets of a way go on inside of others; "" if they do not.
func (h hop) encapsulation() string {
	if h.encap == "" {
		return ""
	}
	return "encap " + h.encap
}

// vrfs tells which tables are VRFs, by the number of the table and by the name of the VRF, which ifupdown2 gives the table, too.
func (s *sheet) vrfs() map[string]string {
	names := map[string]string{}
	for _, l := range s.named {
		if l.kind == "vrf" {
			names[l.about.text("table")], names[l.name] = l.name, l.name
		}
	}
	return names
}

// tableOf gives the VRF of a route: "" for the default one, "table N" for a table that is no VRF's and that policy rules ask. An interface cannot be
// called so.
func (s *sheet) tableOf(r route, vrfs map[string]string) string {
	switch {
	case r.vrf != "":
		if r.vrf == "default" {
			return ""
		}
		return r.vrf
	case r.table == "" || r.table == "main" || r.table == "254":
		return ""
	case vrfs[r.table] != "":
		return vrfs[r.table]
	}
	if _, err := strconv.ParseUint(r.table, 10, 32); err != nil && len(s.named) == 0 {
		return r.table // nobody says what the interfaces are; tables with a name mostly are VRFs
	}
	return policyTable + r.table
}

const policyTable = "table "
