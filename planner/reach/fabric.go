package reach

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// nport is a port that logs in to fabrics (N_Port), and what is said of it under each of the kinds that sources take it for.
type nport struct {
	wwpn  topology.WWN
	nodes []topology.Node
}

// portOf gathers what a snapshot says of a port name.
func portOf(s *topology.Snapshot, w topology.WWN) nport {
	p := nport{wwpn: w}
	for _, kind := range []topology.Kind{topology.InitiatorPort, topology.TargetPort, topology.FCPort} {
		if n, ok := s.Node(topology.Key{Kind: kind, ID: w.String()}); ok {
			p.nodes = append(p.nodes, n)
		}
	}
	return p
}

// values gives the distinct values of an attribute that sources state of a port.
func (p nport) values(a topology.Attr) []string {
	var all []string
	for _, n := range p.nodes {
		for _, f := range slices.Collect(n.About(a)) {
			if !slices.Contains(all, f.Value.String()) {
				all = append(all, f.Value.String())
			}
		}
	}
	return all
}

// out lists the relations of one type that lead from a port.
func (p nport) out(rel topology.Rel) []topology.Edge {
	var all []topology.Edge
	for _, n := range p.nodes {
		all = append(all, n.Out(rel)...)
	}
	return all
}

// faces gives the ports of switches (F_Ports) at which a port is logged in.
func (p nport) faces() []topology.Node {
	var all []topology.Node
	for _, e := range p.out(topology.LoggedIn) {
		if !slices.Contains(all, e.To) {
			all = append(all, e.To)
		}
	}
	return all
}

// equal tells whether the only value that is known is one; of none and of several nobody knows.
func equal(known []string, want string) Verdict {
	switch {
	case len(known) != 1:
		return NotKnown
	case known[0] == want:
		return Yes
	}
	return No
}

// is tells whether a port is the member of a zone that a switch calls so: Yes, No or NotKnown. What nobody has said of the port is not known.
func (p nport) is(text string, zone topology.Node) Verdict {
	words := strings.Fields(text)
	if len(words) < 2 {
		return NotKnown
	}
	sw, _ := zone.Owner()
	switch words[0] {
	case "nwwn":
		if w, err := topology.ParseWWN(words[1]); err == nil {
			return equal(p.values(topology.AttrWWNN), w.String())
		}
	case "fcid":
		return equal(p.values(topology.AttrNPortID), words[1])
	case "device-alias", "fcalias":
		return p.called(words[1], sw)
	case "interface":
		return p.plugged(words[1:])
	case "domain-id":
		if domain, ok := number(words[1]); ok {
			return p.numbered(domain, words)
		}
	case "fwwn":
		if w, err := topology.ParseWWN(words[1]); err == nil && len(p.faces()) == 1 {
			return equal(texts(p.faces()[0].Values(topology.AttrWWPN)), w.String())
		}
	}
	return NotKnown
}

func texts(values []topology.Value) []string {
	var all []string
	for _, v := range values {
		all = append(all, v.String())
	}
	return all
}

func number(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 0, 32)
	return n, err == nil
}

// called tells whether an alias of a switch is the port's.
func (p nport) called(name string, sw topology.Node) Verdict {
	if sw.IsZero() {
		return NotKnown
	}
	alias, ok := sw.Snapshot().Node(topology.PartKey(topology.FCZoneAlias, sw.Key(), name))
	if !ok {
		return NotKnown
	}
	verdict := NotKnown
	for _, e := range alias.In(topology.MemberOf) {
		switch {
		case slices.Contains(p.nodes, e.From):
			return Yes
		case !e.Reading.Partial:
			verdict = No
		}
	}
	return verdict
}

// domains gives the numbers of the switches at which a port is logged in: the first octet of its address (FC-FS N_Port_ID).
func (p nport) domains() []string {
	var all []string
	for _, id := range p.values(topology.AttrNPortID) {
		if n, ok := number(id); ok {
			if d := strconv.FormatUint(n>>16&0xff, 10); !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

// plugged tells whether a port is logged in at an interface: NAME swwn SWITCH, or NAME domain-id DOMAIN.
func (p nport) plugged(words []string) Verdict {
	faces := p.faces()
	if len(faces) != 1 {
		return NotKnown
	}
	verdict := equal([]string{faceName(faces[0])}, words[0])
	if len(words) < 3 {
		return both(verdict, NotKnown)
	}
	switch words[1] {
	case "domain-id":
		if domain, ok := number(words[2]); ok {
			return both(verdict, equal(p.domains(), strconv.FormatUint(domain, 10)))
		}
	case "swwn":
		if w, err := topology.ParseWWN(words[2]); err == nil {
			sw, _ := faces[0].Owner()
			return both(verdict, equal(texts(sw.Values(topology.AttrWWNN)), w.String()))
		}
	}
	return both(verdict, NotKnown)
}

// numbered tells whether a port is logged in at the port of a number of the switch of a number: domain-id DOMAIN port-number NUMBER.
func (p nport) numbered(domain uint64, words []string) Verdict {
	verdict := equal(p.domains(), strconv.FormatUint(domain, 10))
	at := NotKnown
	if faces := p.faces(); len(words) == 4 && len(faces) == 1 {
		if n, ok := number(words[3]); ok {
			at = equal(texts(faces[0].Values(topology.AttrIfIndex)), strconv.FormatUint(n, 10))
		}
	}
	return both(verdict, at)
}

// segment is a fabric as one of its switches knows it, and how a port is known to be in it.
type segment struct {
	fabric topology.Node
	face   topology.Node // of its login; of a port that is logged in at another switch none
	why    string
	doubt  string // "" if it is in it for certain
}

// segments lists the fabrics in which a port is logged in: by a login that a switch has, by a name server, or by a zone in force that says so beside the member.
func (n *Network) segments(p nport) []segment {
	var all []segment
	for _, e := range p.out(topology.LoggedIn) {
		for _, f := range e.To.Out(topology.MemberOf) {
			if f.To.Kind() == topology.FCFabric {
				all = append(all, segment{
					fabric: f.To, face: e.To, why: fmt.Sprintf("logged in at %s, %s", where(e.To), fabricName(f.To)),
					doubt: cmp.Or(n.old(e.Reading), n.old(f.Reading), n.stale(e.To, topology.AttrState)),
				})
			}
		}
	}
	add := func(s segment) {
		if i := slices.IndexFunc(all, func(o segment) bool { return o.fabric == s.fabric }); i < 0 {
			all = append(all, s)
		} else if all[i].doubt != "" {
			all[i].doubt = s.doubt
		}
	}
	for _, e := range p.out(topology.MemberOf) {
		if e.To.Kind() == topology.FCFabric {
			add(segment{fabric: e.To, why: "known to the name server of " + fabricName(e.To), doubt: n.old(e.Reading)})
		}
	}
	for fabric := range n.Nodes(topology.FCFabric) {
		z := n.zoning(fabric)
		if z.saysOf(p) == Yes {
			add(segment{fabric: fabric, why: "logged in to " + fabricName(fabric) + ", as its zones say", doubt: z.Doubt})
		}
	}
	return all
}

// Fabrics lists the fabrics in which a port is logged in, as switches know them.
func (n *Network) Fabrics(port topology.Node) []topology.Node {
	w, err := topology.ParseWWN(port.Key().ID)
	if err != nil {
		return nil
	}
	var all []topology.Node
	for _, s := range n.segments(portOf(port.Snapshot(), w)) {
		if !slices.Contains(all, s.fabric) {
			all = append(all, s.fabric)
		}
	}
	return all
}

// Zoning gives the zones of a fabric, as one switch knows it.
func (n *Network) Zoning(fabric topology.Node) *Zoning { return n.zoning(fabric) }

// saysOf tells whether the zones in force say of a port that it is logged in to the fabric: NotKnown where they do not have it, or say so of no port at all.
func (z *Zoning) saysOf(p nport) Verdict {
	in, has := z.login[p.wwpn]
	switch {
	case in:
		return Yes
	case has && z.tells && z.Doubt == "":
		return No
	}
	return NotKnown
}

// zoning remembers the zones of a fabric.
func (n *Network) zoning(fabric topology.Node) *Zoning {
	if z := n.zonings[fabric.Key()]; z != nil {
		return z
	}
	z := readZoning(fabric, n.old)
	n.zonings[fabric.Key()] = &z
	return &z
}

// fabricName words a fabric as one of its switches knows it: VSAN 50 of mds1.
func fabricName(fabric topology.Node) string {
	sw, ok := fabric.Owner()
	if !ok {
		return "fabric " + fabric.Name()
	}
	return "VSAN " + virtual(fabric) + " of " + sw.Name()
}

// virtual is the number of a virtual fabric: switches that are linked have one fabric for each.
func virtual(fabric topology.Node) string {
	id := fabric.Key().ID
	return id[strings.LastIndexByte(id, '/')+1:]
}

func where(face topology.Node) string {
	if sw, ok := face.Owner(); ok {
		return sw.Name() + " " + faceName(face)
	}
	return faceName(face)
}

// faceName is the name of a port on its switch: its key has it.
func faceName(face topology.Node) string {
	_, name, _ := strings.Cut(face.Key().ID, "/")
	return cmp.Or(face.Text(topology.AttrIfName), name, face.Name())
}

// joined tells whether the segments of two ports are one fabric: one switch's, or those of switches that links join which are up and carry it.
func (n *Network) joined(a, b segment) (Verdict, string) {
	one, _ := a.fabric.Owner()
	two, _ := b.fabric.Owner()
	switch {
	case a.fabric == b.fabric:
		return Yes, ""
	case virtual(a.fabric) != virtual(b.fabric):
		return No, fmt.Sprintf("one is in %s, the other in %s", fabricName(a.fabric), fabricName(b.fabric))
	}
	broken, links := "", map[Verdict]map[topology.Node][]topology.Node{Yes: {}, NotKnown: {}, No: {}} // by what at least is known of them
	seen := []topology.Node{one}
	for i := 0; i < len(seen); i++ {
		for _, l := range n.links(seen[i], virtual(a.fabric)) {
			for _, least := range []Verdict{Yes, NotKnown, No} {
				if both(l.verdict, least) == least {
					links[least][seen[i]] = append(links[least][seen[i]], l.to)
				}
			}
			if l.verdict == No {
				broken = cmp.Or(broken, l.why)
			}
			if !slices.Contains(seen, l.to) {
				seen = append(seen, l.to)
			}
		}
	}
	switch {
	case connected(one, two, links[Yes]):
		return Yes, fmt.Sprintf("links join %s and %s", one.Name(), two.Name())
	case connected(one, two, links[NotKnown]):
		return NotKnown, fmt.Sprintf("whether the links between %s and %s are up and carry VSAN %s is not known", one.Name(), two.Name(), virtual(a.fabric))
	case connected(one, two, links[No]):
		return No, broken
	}
	return NotKnown, fmt.Sprintf("no source says by which links %s and %s are joined: collect the name server of one of them", one.Name(), two.Name())
}

func connected(from, to topology.Node, links map[topology.Node][]topology.Node) bool {
	seen := []topology.Node{from}
	for i := 0; i < len(seen); i++ {
		for _, next := range links[seen[i]] {
			if !slices.Contains(seen, next) {
				seen = append(seen, next)
			}
		}
	}
	return slices.Contains(seen, to)
}

// interlink is an inter-switch link from a switch, and whether it carries a virtual fabric.
type interlink struct {
	to      topology.Node
	verdict Verdict
	why     string
}

// FabricHops is how many links between switches lie between two ports, by the shortest way over links that are not known to be down; 0 where none is known.
func (n *Network) FabricHops(a, b topology.Node) int {
	from, to := n.Fabrics(a), n.Fabrics(b)
	if len(from) == 0 || len(to) == 0 {
		return 0
	}
	one, _ := from[0].Owner()
	two, _ := to[0].Owner()
	distance := map[topology.Node]int{one: 0}
	for queue := []topology.Node{one}; len(queue) > 0; queue = queue[1:] {
		for _, l := range n.links(queue[0], virtual(from[0])) {
			if _, seen := distance[l.to]; !seen && l.verdict != No {
				distance[l.to] = distance[queue[0]] + 1
				queue = append(queue, l.to)
			}
		}
	}
	return distance[two]
}

// links lists the inter-switch links of a switch.
func (n *Network) links(sw topology.Node, vf string) []interlink {
	var all []interlink
	for face := range sw.Objects(topology.Contains) {
		if face.Kind() != topology.FCPort {
			continue
		}
		for _, e := range append(face.Out(topology.Link), face.In(topology.Link)...) {
			far := e.Peer(face)
			to, ok := far.Owner()
			if !ok || to == sw {
				continue
			}
			l := interlink{to: to, verdict: Yes}
			for _, end := range []topology.Node{face, far} {
				verdict, why := n.carries(end, vf)
				l.verdict, l.why = both(l.verdict, verdict), cmp.Or(l.why, why)
			}
			if n.old(e.Reading) != "" {
				l.verdict = both(l.verdict, NotKnown)
			}
			all = append(all, l)
		}
	}
	return all
}

// carries tells whether a port of a switch is up and in a virtual fabric.
func (n *Network) carries(face topology.Node, vf string) (Verdict, string) {
	in := face.Out(topology.MemberOf)
	switch why := topology.Stopped(face); {
	case n.stale(face, topology.AttrState) != "":
		return NotKnown, ""
	case why != "":
		return No, where(face) + ": " + why
	case len(in) > 0 && !slices.ContainsFunc(in, func(e topology.Edge) bool { return virtual(e.To) == vf }):
		return No, where(face) + " does not carry VSAN " + vf
	case len(in) == 0, face.Text(topology.AttrState) != "up":
		return NotKnown, ""
	}
	return Yes, ""
}
