package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// route is a line of a forwarding table: one way for one prefix.
type route struct {
	vrf      string
	prefix   netip.Prefix
	nextHop  netip.Addr // not valid: what is sent there is on the link
	face     string     // "" where the next hop is to be looked up in turn
	protocol string
	drop     bool
	unparsed string // the line that says how it goes there, which nobody understood: it is known that it goes, and not how
}

const mainTable = "default"

// routes gathers the lines of a table, and what the lines before say of those that follow.
type routes struct {
	*tally
	dialect  string
	all      []route
	vrf      string
	prefix   netip.Prefix
	protocol string
	bits     int // of the subnets that follow, where their lines do not say it; -1: each as its class
}

// lost keeps a line that is not understood. Where its prefix is known, the table has a route that leads nobody knows where; else something may be anywhere.
func (r *routes) lost(why string) {
	r.miss(why)
	said := r.file + ":" + strconv.Itoa(r.n) + ": " + strings.TrimSpace(r.text)
	for word := range strings.FieldsSeq(r.text) {
		if p, ok := prefix(strings.TrimRight(word, ",")); ok {
			r.prefix = p.Masked()
			break
		}
	}
	if r.prefix.IsValid() {
		r.all = append(r.all, route{vrf: r.vrf, prefix: r.prefix, unparsed: said})
	} else {
		r.say.text(r.device, topology.AttrUnparsed, said)
	}
}

// tell states the routes. A next hop without interface is looked up in the same table until one is on a link, as the device does.
func (r *routes) tell() {
	lookups := map[string]*lookup{}
	for i, x := range r.all {
		r.all[i].face = inDialect(r.dialect, x.face)
		x = r.all[i]
		if lookups[x.vrf] == nil {
			lookups[x.vrf] = &lookup{known: map[route][]route{}}
		}
		lookups[x.vrf].table = append(lookups[x.vrf].table, x)
	}
	for _, x := range r.all {
		for _, way := range lookups[x.vrf].resolve(x, 0) {
			r.route(way)
		}
	}
}

// lookup resolves next hops in one table.
type lookup struct {
	table []route
	known map[route][]route // by next hop, and by prefix where that holds the next hop
}

// maxRecursion bounds how often a next hop is looked up in turn.
const maxRecursion = 8

// resolve gives the ways of a route whose next hops are on links; the route itself where there is none.
func (l *lookup) resolve(x route, depth int) []route {
	if x.face != "" || x.drop || !x.nextHop.IsValid() || depth > maxRecursion {
		return []route{x}
	}
	var ways []route
	for _, way := range l.ways(x, depth) {
		towards := x
		towards.face, towards.drop = way.face, way.drop
		if way.nextHop.IsValid() {
			towards.nextHop = way.nextHop
		}
		ways = append(ways, towards)
	}
	if len(ways) == 0 {
		return []route{x}
	}
	return ways
}

// ways gives the resolved routes of the longest prefix that holds the next hop of a route: none where that is its own.
func (l *lookup) ways(x route, depth int) []route {
	k := route{nextHop: x.nextHop}
	if x.prefix.Contains(x.nextHop) {
		k.prefix = x.prefix
	}
	if ways, ok := l.known[k]; ok {
		return ways
	}
	var best []route
	for _, o := range l.table {
		if !o.prefix.Contains(x.nextHop) || len(best) > 0 && o.prefix.Bits() < best[0].prefix.Bits() {
			continue
		}
		if len(best) > 0 && o.prefix.Bits() > best[0].prefix.Bits() {
			best = nil
		}
		best = append(best, o)
	}
	if len(best) > 0 && best[0].prefix == x.prefix {
		best = nil
	}
	var ways []route
	for _, o := range best {
		for _, way := range l.resolve(o, depth+1) {
			to := route{nextHop: way.nextHop, face: way.face, drop: way.drop}
			if (to.face != "" || to.drop) && !slices.Contains(ways, to) {
				ways = append(ways, to)
			}
		}
	}
	l.known[k] = ways
	return ways
}

// faceKey is an interface by its ifName.
func (t *tally) faceKey(name string) topology.Key {
	kind := topology.Port
	if word := strings.ToLower(name); strings.HasPrefix(word, "port-channel") || strings.HasPrefix(word, "po") && len(word) > 2 && word[2] <= '9' {
		kind = topology.LAG
	}
	return topology.PartKey(kind, t.device, name)
}

func (t *tally) route(x route) {
	towards := x.face
	if x.nextHop.IsValid() {
		towards = x.nextHop.String()
		if t.seen(x) {
			towards += " " + x.face
		}
	}
	if towards == "" {
		towards = cmp.Or(x.protocol, "?")
	}
	k := topology.PartKey(topology.Route, t.device, x.vrf, x.prefix.String(), towards)
	t.say.relate(t.device, topology.Contains, k)
	t.say.set(k, topology.AttrPrefix, topology.PrefixValue(x.prefix))
	if x.nextHop.IsValid() {
		t.say.set(k, topology.AttrNextHop, topology.AddrValue(x.nextHop))
	}
	t.say.text(k, topology.AttrProtocol, x.protocol)
	t.say.text(k, topology.AttrUnparsed, x.unparsed)
	if x.vrf != mainTable {
		vrf := topology.PartKey(topology.VRF, t.device, x.vrf)
		t.say.relate(t.device, topology.Contains, vrf)
		t.say.relate(k, topology.InVRF, vrf)
	}
	switch {
	case x.drop:
		t.say.text(k, topology.AttrState, "blackhole")
	case x.face != "":
		via := t.faceKey(x.face)
		t.say.relate(t.device, topology.Contains, via)
		t.say.relate(k, topology.RoutesVia, via)
	}
}

// seen tells whether a route to the same prefix by the same next hop, over another interface, was stated already.
func (t *tally) seen(x route) bool {
	if t.towards == nil {
		t.towards = map[route]string{}
	}
	k := route{vrf: x.vrf, prefix: x.prefix, nextHop: x.nextHop}
	if face, ok := t.towards[k]; ok {
		return face != x.face
	}
	t.towards[k] = x.face
	return false
}

// readRoutes makes a reader of a table of lines.
func readRoutes(dialect string, line func(r *routes, words []string)) func(answer, string, collectors.Device, []byte) (read, error) {
	return func(_ answer, file string, d collectors.Device, raw []byte) (read, error) {
		r := &routes{dialect: dialect, vrf: mainTable, bits: -1}
		return finishLines(file, d, raw, func(t *tally, words []string) {
			r.tally = t
			line(r, words)
		}, func(*tally) {
			if r.tally != nil {
				r.tell()
			}
		})
	}
}

// iosCodes are the words for the letters of "show ip route". Source: the legend that the command prints; the words are those of IANAipRouteProtocol, as SNMP has them.
var iosCodes = map[string]string{ //nolint:gochecknoglobals // read-only table
	"C": "local", "L": "local", "S": "static", "R": "rip", "B": "bgp", "D": "eigrp", "EX": "eigrp", "O": "ospf", "IA": "ospf", "N1": "ospf", "N2": "ospf",
	"E1": "ospf", "E2": "ospf", "i": "isis", "su": "isis", "L1": "isis", "L2": "isis", "ia": "isis", "o": "odr", "P": "static", "U": "static", "H": "nhrp",
	"l": "lisp", "a": "application", "M": "mobile",
}

var (
	iosHead    = regexp.MustCompile(`^\s+\S+ is (?:variably )?subnetted, `)
	iosLegend  = regexp.MustCompile(`^Codes: |^       [A-Za-z+*%][A-Za-z0-9]? - |^Gateway of last resort|^% IP routing table|^Load for |^Time source is |^[MTWFS][a-z]{2} [A-Z][a-z]{2} `)
	iosTable   = regexp.MustCompile(`^Routing Table: (\S+)`)
	iosRoute   = regexp.MustCompile(`^([A-Za-z][A-Za-z]?)([*+%p ]*(?:[A-Z][A-Z0-9]|ia|su)?[*+%p ]*)\s+(\d+\.\d+\.\d+\.\d+(?:/\d+)?)(.*)$`)
	iosVia     = regexp.MustCompile(`^\s*\[\d+/\d+\](?: via ([0-9.]+)(?:, (\d\S*))?(?:, ([A-Za-z]\S*))?|, (?:\d\S*, )?(Null\d))$`)
	iosOnLink  = regexp.MustCompile(`^ is directly connected, (?:\d\S*, )?([A-Za-z]\S*)$`)
	iosSummary = regexp.MustCompile(`^ is a summary, \S+, (Null\d)$`)
)

// iosLine reads a line of "show ip route" of IOS and IOS-XE. All that it shows is installed: several ways of one prefix share the load.
func iosLine(r *routes, _ []string) {
	text := strings.TrimRight(r.text, " ")
	if m := iosTable.FindStringSubmatch(text); m != nil {
		r.vrf = m[1]
		return
	}
	if iosHead.MatchString(text) {
		r.bits = -1
		if p, ok := prefix(strings.Fields(text)[0]); ok {
			r.bits = p.Bits()
		}
		return
	}
	if iosLegend.MatchString(text) {
		return
	}
	if m := iosRoute.FindStringSubmatch(text); m != nil {
		code := strings.Trim(m[2], "*+%p ")
		r.protocol = iosCodes[m[1]]
		if !r.parsePrefix(m[3]) {
			r.prefix = netip.Prefix{}
		}
		if r.protocol == "" || code != "" && iosCodes[code] == "" || !r.prefix.IsValid() {
			r.lost("no route of a kind that is known")
			return
		}
		if m[4] != "" {
			r.way(m[4])
		}
		return
	}
	if !r.prefix.IsValid() || !strings.HasPrefix(text, " ") {
		r.lost("no route")
		return
	}
	r.way(" " + strings.TrimSpace(text))
}

// parsePrefix reads a prefix, whose length may stand in the line above.
func (r *routes) parsePrefix(word string) bool {
	if p, ok := prefix(word); ok {
		r.prefix = p
		return p == p.Masked()
	}
	a, ok := ipv4(word)
	if !ok {
		return false
	}
	bits := r.bits
	if bits < 0 {
		bits = class(a)
	}
	r.prefix = netip.PrefixFrom(a, bits)
	return r.prefix == r.prefix.Masked()
}

// class is the length of a network of RFC 791.
func class(a netip.Addr) int {
	switch first := a.As4()[0]; {
	case first < 128:
		return 8
	case first < 192:
		return 16
	}
	return 24
}

// way reads one way of the prefix.
func (r *routes) way(text string) {
	x := route{vrf: r.vrf, prefix: r.prefix, protocol: r.protocol}
	if m := iosVia.FindStringSubmatch(text); m != nil {
		x.drop = m[4] != ""
		x.face = m[3]
		if a, ok := ipv4(m[1]); ok {
			x.nextHop = a
		} else if !x.drop {
			r.lost("no next hop")
			return
		}
	} else if m := iosOnLink.FindStringSubmatch(text); m != nil {
		x.face = m[1]
	} else if m := iosSummary.FindStringSubmatch(text); m != nil {
		x.face = m[1]
	} else {
		r.lost("no way of a route")
		return
	}
	if strings.HasPrefix(x.face, "Null") {
		x.drop, x.face = true, ""
	}
	r.all = append(r.all, x)
}

// cefLine reads a line of "show ip cef": prefix, next hop, interface. A line without a prefix is another way of the one above.
func cefLine(r *routes, words []string) {
	if words[0] == "Prefix" {
		return
	}
	if p, ok := prefix(words[0]); ok {
		r.prefix, words = p, words[1:]
	} else if !strings.HasPrefix(r.text, " ") {
		r.prefix = netip.Prefix{}
	}
	if !r.prefix.IsValid() || len(words) == 0 || len(words) > 2 {
		r.lost("no line of the table")
		return
	}
	x := route{vrf: r.vrf, prefix: r.prefix}
	if len(words) == 2 {
		x.face = words[1]
	}
	switch a, isAddress := ipv4(words[0]); {
	case isAddress:
		x.nextHop = a
	case words[0] == "attached" && x.face != "":
		x.protocol = "local"
	case words[0] == "receive":
		x.protocol, x.face = "local", "" // the device itself takes it, and what is local to an interface is its subnet
	case words[0] == "multicast":
		x.protocol = "multicast" // to whom, no table of single addresses says
	case words[0] == "drop", words[0] == "discard", strings.Join(words, " ") == "no route":
		x.drop, x.face = true, ""
	default:
		r.lost("no next hop of a kind that is known")
		return
	}
	if strings.HasPrefix(x.face, "Null") {
		x.drop, x.face = true, ""
	}
	r.all = append(r.all, x)
}

var (
	nxosTable  = regexp.MustCompile(`^IP Route Table for VRF "(.*)"$`)
	nxosPrefix = regexp.MustCompile(`^(\d\S*/\d+), ubest/mbest: \d+/\d+(, attached)?$`)
	nxosVia    = regexp.MustCompile(`^\s+\*via ([0-9.]+)(?:, ([A-Za-z]\S*))?, \[\d+/\d+\], \S+, ([a-z]+)`)
	nxosNull   = regexp.MustCompile(`^\s+\*via Null0, \[\d+/\d+\], \S+, ([a-z]+)`)
)

// nxosLine reads a line of "show ip route vrf all" of NX-OS. Only what has a star is in use.
func nxosLine(r *routes, _ []string) {
	text := strings.TrimRight(r.text, " ")
	switch {
	case nxosTable.MatchString(text):
		r.vrf, r.prefix = nxosTable.FindStringSubmatch(text)[1], netip.Prefix{}
	case strings.HasPrefix(text, "'"): // the legend
	case nxosPrefix.MatchString(text):
		var ok bool
		if r.prefix, ok = prefix(nxosPrefix.FindStringSubmatch(text)[1]); !ok {
			r.lost("no prefix")
		}
	case r.prefix.IsValid() && nxosNull.MatchString(text):
		r.all = append(r.all, route{vrf: r.vrf, prefix: r.prefix, protocol: nxosNull.FindStringSubmatch(text)[1], drop: true})
	case r.prefix.IsValid() && nxosVia.MatchString(text):
		m := nxosVia.FindStringSubmatch(text)
		x := route{vrf: r.vrf, prefix: r.prefix, face: m[2], protocol: m[3]}
		switch x.protocol {
		case "direct", "local", "hsrp", "vrrp", "vrrpv":
			x.protocol = "local"
		default:
			x.nextHop, _ = ipv4(m[1])
		}
		r.all = append(r.all, x)
	case r.prefix.IsValid() && strings.HasPrefix(strings.TrimSpace(text), "via "):
		// Known, and not the best: not in use.
	default:
		r.lost("no route")
	}
}

// eosTable is what EOS says of "show ip route vrf all | json".
type eosTable struct {
	VRFs map[string]struct {
		Routes map[string]struct {
			Type   string `json:"routeType"`
			Action string `json:"routeAction"`
			Vias   []struct {
				Face    string `json:"interface"`
				NextHop string `json:"nexthopAddr"`
				VTEP    string `json:"vtepAddr"`
			} `json:"vias"`
		} `json:"routes"`
	} `json:"vrfs"`
}

// eosProtocol gives the word of IANAipRouteProtocol for a type of route, as SNMP has it.
func eosProtocol(word string) string {
	word = strings.ToLower(word)
	for _, known := range []string{"bgp", "ospf", "isis"} { // eBGP, ospfInterArea, isisLevel1
		if strings.Contains(word, known) {
			return known
		}
	}
	if word == "connected" {
		return "local"
	}
	return word
}

// readEOSRoutes reads them. Ways through a tunnel are kept as not understood: they leave by no link of the table.
func readEOSRoutes(_ answer, file string, d collectors.Device, raw []byte) (read, error) {
	var table eosTable
	if err := json.Unmarshal(raw, &table); err != nil || table.VRFs == nil || len(raw) > maxOctets {
		return read{}, malformed("no table of routes: %v", err)
	}
	t := &tally{file: file, device: topology.DeviceKey(d.Kind, d.Handle)}
	r := &routes{tally: t, dialect: "eos"}
	for vrf, in := range table.VRFs {
		for text, x := range in.Routes {
			t.got.rows++
			p, ok := prefix(text)
			t.text = fmt.Sprintf("vrf %s route %s %s", vrf, text, x.Action)
			r.vrf, r.prefix = vrf, p
			way := route{vrf: vrf, prefix: p, protocol: eosProtocol(x.Type)}
			switch {
			case !ok || vrf == "" || p != p.Masked():
				r.prefix = netip.Prefix{}
				r.lost("no prefix")
			case x.Action == "drop" || x.Action == "discard":
				way.drop = true
				r.all = append(r.all, way)
			case x.Action != "forward" || len(x.Vias) == 0:
				r.lost("what becomes of it is not known")
			default:
				for _, v := range x.Vias {
					to := way
					to.face = v.Face
					to.nextHop, _ = ipv4(v.NextHop)
					if v.VTEP != "" {
						r.lost("a way through a tunnel to " + v.VTEP)
						continue
					}
					r.all = append(r.all, to)
				}
			}
		}
	}
	slices.SortFunc(r.all, compareRoutes)
	slices.SortFunc(t.got.unparsed, func(a, b collectors.Unparsed) int { return strings.Compare(a.Text+a.Why, b.Text+b.Why) })
	r.tell()
	t.finish()
	return t.got, nil
}

func compareRoutes(a, b route) int {
	key := func(x route) string { return fmt.Sprint(x.vrf, " ", x.prefix, " ", x.nextHop, " ", x.face) }
	return strings.Compare(key(a), key(b))
}
