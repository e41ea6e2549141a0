package planner

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// lookalikes tells which ends of flows fare alike: whatever may be asked of the one has the answer of the other. Two are alike if all that is said of them is, but for
// names and addresses; if nobody else mentions the addresses of the one otherwise than those of the other (neighbour caches, forwarding tables, tunnels, filters, routes); and if they plug into the same thing.
// What has a filter of its own is like nothing else.
type lookalikes struct {
	p     *Planner
	cuts  []netip.Addr                  // where a route or a rule begins or ends, in order
	masks []policy.Range                // of rules that ask for some bits of addresses
	macs  []policy.Range                // of rules that ask for hardware addresses
	said  map[topology.MAC][]string     // who mentions a hardware address: node, attribute, and what else it says
	held  map[netip.Addr][]topology.Key // who has an address
}

// newNeighbours reads who has which hardware address in his neighbour cache: that is all that the ways of frames ask of others for an end (topology.NetworkPaths).
func newNeighbours(p *Planner) *lookalikes {
	a := &lookalikes{p: p, said: map[topology.MAC][]string{}}
	for n := range p.s.Nodes(topology.Port, topology.NIC, topology.LAG, topology.VirtualSwitch) {
		a.cached(n, topology.AttrARP)
	}
	return a
}

// ways names the class of a vNIC: the ways of frames from those of one name are the same, but for where they begin.
func (a *lookalikes) ways(n topology.Node) string {
	var words []string
	a.say(&words, n)
	tap := ""
	if plug, ok := n.First(topology.AttachedTo); ok {
		tap = a.tap(&words, n, plug)
	} else {
		words = append(words, n.Key().String())
	}
	words = append(words, a.mentioned(n, tap, "")...)
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return string(sum[:])
}

// newLookalikes reads what the whole snapshot says of addresses.
func newLookalikes(p *Planner) *lookalikes {
	a := &lookalikes{p: p, said: map[topology.MAC][]string{}, held: map[netip.Addr][]topology.Key{}}
	read := map[string]bool{}
	for n := range p.s.Nodes() {
		switch n.Kind() {
		case topology.Route:
			if v, ok := n.Value(topology.AttrPrefix); ok {
				a.cut(v.Prefix())
			}
			if v, ok := n.Value(topology.AttrNextHop); ok {
				a.cut(netip.PrefixFrom(v.Addr(), v.Addr().BitLen()))
			}
		case topology.Filter:
			if text := n.Text(topology.AttrRules); !read[text] {
				read[text] = true
				a.filter(text)
			}
		case topology.Port, topology.NIC, topology.LAG, topology.VNIC, topology.VirtualSwitch, topology.Host, topology.Switch, topology.Router, topology.Firewall:
			a.mentions(n)
		}
	}
	slices.SortFunc(a.cuts, netip.Addr.Compare)
	a.cuts = slices.Compact(a.cuts)
	return a
}

// cut notes both ends of a prefix.
func (a *lookalikes) cut(p netip.Prefix) {
	p = p.Masked()
	a.cuts = append(a.cuts, p.Addr())
	last := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(last); i++ {
		last[i/8] |= 1 << (7 - i%8)
	}
	if end, _ := netip.AddrFromSlice(last); end.Next().IsValid() {
		a.cuts = append(a.cuts, end.Next())
	}
}

func (a *lookalikes) filter(text string) {
	f, err := policy.DecodeFilter(text)
	if err != nil {
		return // whoever meets it knows nothing, wherever it comes from
	}
	for _, r := range f.Rules {
		for _, t := range r.Match {
			for _, of := range t.Of {
				a.term(t, of)
			}
		}
		for _, s := range r.Set {
			for _, to := range s.To {
				a.term(policy.Term{Field: s.Field, Family: s.Family}, to)
			}
		}
	}
}

func (a *lookalikes) term(t policy.Term, of policy.Range) {
	switch t.Field { //nolint:exhaustive // the others ask for no address
	case policy.Source, policy.Destination, policy.ARPSender, policy.ARPTarget:
		if of.Mask != (policy.Word{}) {
			a.masks = append(a.masks, of)
			return
		}
		a.cuts = append(a.cuts, addrOf(of.Lo, t.Family))
		if next := addrOf(of.Hi, t.Family).Next(); next.IsValid() {
			a.cuts = append(a.cuts, next)
		}
	case policy.SourceMAC, policy.DestinationMAC, policy.ARPSenderMAC, policy.ARPTargetMAC:
		a.macs = append(a.macs, of)
	}
}

func addrOf(w policy.Word, family policy.Family) netip.Addr {
	if family == policy.IPv6 {
		var b [16]byte
		for i := range 8 {
			b[i], b[8+i] = byte(w.Hi>>(56-8*i)), byte(w.Lo>>(56-8*i))
		}
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte{byte(w.Lo >> 24), byte(w.Lo >> 16), byte(w.Lo >> 8), byte(w.Lo)})
}

// mentions notes which hardware addresses a node has seen, and which addresses it has.
func (a *lookalikes) mentions(n topology.Node) {
	for f := range n.About(topology.AttrLearned) {
		e := f.Value.FDB()
		a.note(n, e.MAC, topology.AttrLearned, fmt.Sprint(e.VID, e.Status, a.stale(f)))
	}
	a.cached(n, topology.AttrARP)
	a.cached(n, topology.AttrTunnelEntry)
	for f := range n.About(topology.AttrMAC) {
		a.note(n, f.Value.MAC(), topology.AttrMAC, "")
	}
	for _, at := range []topology.Attr{topology.AttrAddress, topology.AttrUnnumbered, topology.AttrVirtualAddress} {
		for _, v := range n.Values(at) {
			if addr := v.Addr(); !slices.Contains(a.held[addr], n.Key()) {
				a.held[addr] = append(a.held[addr], n.Key())
			}
		}
	}
}

func (a *lookalikes) note(n topology.Node, mac topology.MAC, at topology.Attr, text string) {
	a.said[mac] = append(a.said[mac], fmt.Sprintf("%s %s %s", n.Key(), at, text))
}

// cached notes the hardware addresses in texts of a node.
func (a *lookalikes) cached(n topology.Node, at topology.Attr) {
	for f := range n.About(at) {
		for word := range strings.FieldsSeq(f.Value.String()) {
			if mac, err := topology.ParseMAC(word); err == nil {
				a.note(n, mac, at, fmt.Sprint(a.stale(f), " ", strings.Replace(f.Value.String(), word, "", 1)))
			}
		}
	}
}

// mentioned is what others say of a vNIC's hardware address. Its own port, and its own address, are called so.
func (a *lookalikes) mentioned(n topology.Node, tap, addr string) []string {
	mac, ok := n.Value(topology.AttrMAC)
	if !ok {
		return nil
	}
	var seen []string
	for _, s := range a.said[mac.MAC()] {
		node, rest, _ := strings.Cut(s, " ")
		switch node {
		case n.Key().String():
			continue
		case tap:
			node = "tap"
		}
		if addr != "" {
			rest = strings.ReplaceAll(rest, addr, "own")
		} else {
			rest = "" // that it is there
		}
		seen = append(seen, node+" "+rest)
	}
	slices.Sort(seen)
	return slices.Compact(seen)
}

func (a *lookalikes) stale(f topology.Fact) bool {
	r, ok := a.p.s.Reading(f.Reading)
	return ok && r.Source != topology.SourcePlan && a.p.policy.Ages.Stale(r, a.p.now)
}

// own are the attributes that tell one end from another and that nothing is decided by, but through whom else mentions them.
var own = []topology.Attr{ //nolint:gochecknoglobals // read-only table
	topology.AttrName, topology.AttrAlias, topology.AttrMAC, topology.AttrAddress, topology.AttrUnnumbered, topology.AttrDeviceName, topology.AttrInterfaceID, topology.AttrIfIndex,
	topology.AttrIfName, topology.AttrIfDescr, topology.AttrIfAlias, topology.AttrBasePort, topology.AttrLearned, topology.AttrBootOrder,
}

// class names the class of an end of flows: ends of one name are alike.
func (a *lookalikes) class(e reach.Endpoint) string {
	var words []string
	a.say(&words, e.Node)
	if e.Node.Kind() != topology.VNIC || len(e.Node.In(topology.AppliesTo)) > 0 || len(a.held[e.Addr]) > 1 {
		words = append(words, e.Node.Key().String()+" "+e.Addr.String())
	}
	tap := ""
	if plug, ok := e.Node.First(topology.AttachedTo); ok {
		tap = a.tap(&words, e.Node, plug)
	}
	words = append(words, a.mentioned(e.Node, tap, e.Addr.String())...)
	if mac, ok := e.Node.Value(topology.AttrMAC); ok {
		for i, of := range a.macs {
			words = append(words, fmt.Sprint("mac ", i, of.Has(policy.Num(uint64(mac.MAC())))))
		}
	}
	if vm, ok := e.Node.Owner(); ok && vm.Kind() == topology.VM {
		host, _ := vm.First(topology.RunsOn)
		words = append(words, vm.Text(topology.AttrState), host.Key().String())
	}
	words = append(words, a.cell(e.Addr)...)
	for _, other := range reach.Endpoints(e.Node) {
		words = append(words, strings.Join(a.cell(other.Addr), " "))
	}
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return string(sum[:])
}

// cell is where an address lies among all routes and rules.
func (a *lookalikes) cell(addr netip.Addr) []string {
	at, _ := slices.BinarySearchFunc(a.cuts, addr, func(cut, addr netip.Addr) int { return cmp.Or(cut.Compare(addr), -1) })
	words := []string{fmt.Sprint("cell ", addr.Is4(), at)}
	for i, of := range a.masks {
		words = append(words, fmt.Sprint("mask ", i, of.Has(policy.AddrWord(addr))))
	}
	return words
}

// say adds all that is said of a node, but for what is its own; of addresses how many there are, and of which length.
func (a *lookalikes) say(words *[]string, n topology.Node) {
	for f := range n.Facts() {
		value := f.Value.String()
		switch {
		case f.Rel != 0:
			value = f.Object.String()
		case f.Attr == topology.AttrAddress:
			value = fmt.Sprint(f.Value.Prefix().Bits(), f.Value.Prefix().Addr().Is4())
		case slices.Contains(own, f.Attr):
			value = ""
		}
		*words = append(*words, fmt.Sprint(n.Kind(), f.Attr, f.Rel, " ", value, f.Confidence, f.Reading.Source, f.Reading.Table, a.stale(f)))
	}
}

// tap adds what is said of the port of a host that a vNIC is behind, and gives its key.
func (a *lookalikes) tap(words *[]string, n, plug topology.Node) (key string) {
	host, _, _ := strings.Cut(plug.Key().ID, "/")
	for _, kind := range []topology.Kind{topology.Port, topology.NIC, topology.LAG} {
		port, ok := a.p.s.Node(topology.PartKey(kind, topology.Key{Kind: topology.Host, ID: host}, n.Text(topology.AttrDeviceName)))
		if !ok {
			continue
		}
		key = port.Key().String()
		a.say(words, port)
		for _, rel := range []topology.Rel{topology.SupportedBy, topology.AppliesTo} {
			for _, e := range port.In(rel) {
				*words = append(*words, rel.String()+" "+e.From.Key().String())
			}
		}
		if len(port.In(topology.AppliesTo))+len(port.Peers(topology.Link))+len(port.Out(topology.HasNeighbor)) > 0 {
			*words = append(*words, key)
		}
	}
	return key
}
