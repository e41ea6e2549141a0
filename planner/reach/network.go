package reach

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Network is what a snapshot says of who forwards what. It is filled in as it is asked, and is for one goroutine, as are the networks after changes that are made of it: what
// these find out of ways that no move touches, they leave here for the next one. What is remembered is bounded, and forgotten as a whole once it is too much.
type Network struct {
	*topology.Snapshot
	limits  topology.AgeLimits
	now     time.Time
	devices map[topology.Key]*device
	owners  map[netip.Addr][]topology.Node // interfaces and vNICs by address
	shared  map[netip.Addr][]topology.Node // interfaces by the addresses that they answer to while they are the active ones (HSRP, VRRP)
	ways    map[topology.Key][]topology.Path
	zonings map[topology.Key]*Zoning // by fabric
	crossed map[[2]topology.WWN]crossed
	macs    map[topology.MAC][]topology.Node // interfaces and vNICs by hardware address, once somebody asks

	neighbours map[[2]topology.Key]whyNot // why two interfaces may not learn each other's address
	discovery  map[policy.Family]*Headers // of ARP and of neighbour discovery

	before   *Network              // the network before some changes, which knows the rest (After)
	touched  map[topology.Key]bool // what they are about
	waysLast bool                  // of all that they do not touch the ways of frames are what they were

	carried    carried                          // how frames get from one interface to another
	resolved   map[carriageKey]bool             // ends that learn each other's address, and so do others of their stands
	standing   map[topology.Key]*stand          // of vNICs; nil: like no other one
	stands     map[string]*stand                // by what they are in words
	crossings  map[[2]topology.Key]crossings    // ways of frames
	berths     map[topology.Key]berth           // where frames of vNICs enter the switches
	shifts     map[policy.Family]*Headers       // in which moves are compared
	sorted     []netip.Addr                     // of all that have one, once somebody asks
	onLinks    map[netip.Prefix][]topology.Node // who may deliver packets to the addresses of a prefix, once somebody asks
	enclosures map[topology.Key]enclosed        // how far frames get at most
}

// NewNetwork looks at a snapshot. What is older than its limit at the time now is not known.
func NewNetwork(s *topology.Snapshot, limits topology.AgeLimits, now time.Time) *Network {
	n := &Network{
		Snapshot: s, limits: limits, now: now, devices: map[topology.Key]*device{}, owners: map[netip.Addr][]topology.Node{}, shared: map[netip.Addr][]topology.Node{},
		ways: map[topology.Key][]topology.Path{}, neighbours: map[[2]topology.Key]whyNot{}, discovery: map[policy.Family]*Headers{},
		shifts: map[policy.Family]*Headers{}, crossings: map[[2]topology.Key]crossings{}, berths: map[topology.Key]berth{}, enclosures: map[topology.Key]enclosed{},
		zonings: map[topology.Key]*Zoning{}, crossed: map[[2]topology.WWN]crossed{}, standing: map[topology.Key]*stand{}, stands: map[string]*stand{}, resolved: map[carriageKey]bool{},
	}
	for node := range s.Nodes(topology.VNIC, topology.Port, topology.NIC, topology.LAG) {
		for _, a := range addressesOf(node) {
			n.owners[a.Addr()] = append(n.owners[a.Addr()], node)
		}
		for _, v := range node.Values(topology.AttrVirtualAddress) {
			n.shared[v.Addr()] = append(n.shared[v.Addr()], node)
		}
	}
	return n
}

// Knows takes the network paths of a node of the network's snapshot from who has followed them already.
func (n *Network) Knows(node topology.Node, paths []topology.Path) {
	if _, known := n.ways[node.Key()]; !known && node.Snapshot() == n.Snapshot {
		n.ways[node.Key()] = paths
	}
}

// paths remembers the network paths of a node: they are asked for again and again.
func (n *Network) paths(node topology.Node) []topology.Path {
	ps, ok := n.ways[node.Key()]
	if ok {
		return ps
	}
	if old, same := n.untouched(node); same && n.waysLast {
		ps = n.pathsOn(n.before.paths(old))
	} else {
		ps = topology.NetworkPaths(node)
	}
	n.ways[node.Key()] = ps
	return ps
}

// addressesOf gives the addresses of an interface or vNIC. One of which nobody says the prefix length is alone in its subnet.
func addressesOf(n topology.Node) []netip.Prefix {
	var ps []netip.Prefix
	for _, v := range n.Values(topology.AttrAddress) {
		ps = append(ps, v.Prefix())
	}
	for _, v := range n.Values(topology.AttrUnnumbered) {
		ps = append(ps, netip.PrefixFrom(v.Addr(), v.Addr().BitLen()))
	}
	return ps
}

// device is what forwards packets.
type device struct {
	node    topology.Node
	filters map[string]map[string]*policy.Filter // by dialect and name
	hooks   []hooked
	unread  string // why its filters are not known
	routes  map[string][]route
	policed string // why its routing tables are not all that decides

	untracks bool // some packets it does not track
	tracks   bool // it asks for the state of connections where frames come by, so that it knows those of all that it bridges
}

// hooked is one filter where packets meet it.
type hooked struct {
	policy.Attachment
	filter *policy.Filter
	node   topology.Node
	old    string // why it is not known whether it says that still; "" if it is
}

// route is one line of a forwarding table.
type route struct {
	prefix  netip.Prefix
	nextHop netip.Addr // not valid: the destination is on the link
	via     topology.Node
	metric  int64
	state   string // reject, blackhole: dropped
	text    string // the protocol that made it
}

func (n *Network) device(node topology.Node) *device {
	if d, ok := n.devices[node.Key()]; ok {
		return d
	}
	if old, same := n.untouched(node); same {
		d := n.before.device(old).on(n)
		n.devices[node.Key()] = d
		return d
	}
	d := &device{node: node, filters: map[string]map[string]*policy.Filter{}, routes: map[string][]route{}}
	n.devices[node.Key()] = d
	d.readFilters(n)
	d.readRoutes(n)
	return d
}

func (d *device) readFilters(n *Network) {
	parsed := map[string]bool{} // digests of texts of which there are rules
	old := map[*policy.Filter]string{}
	for _, e := range d.node.Out(topology.Contains) {
		if e.To.Kind() == topology.Filter {
			d.readFilter(n, e.To, old)
			if !ofGuest(e.To) {
				parsed[e.To.Text(topology.AttrDigest)] = true
			}
		}
	}
	for i, h := range d.hooks {
		for _, f := range chain(h.filter, d.filters[h.filter.Dialect]) {
			d.hooks[i].old = cmp.Or(d.hooks[i].old, old[f])
		}
	}
	told := len(parsed) > 0
	for _, e := range d.node.In(topology.AppliesTo) {
		if e.From.Kind() != topology.FilterText || e.From.Text(topology.AttrDialect) == "openflow" {
			continue // whether OpenFlow rules decide what a bridge passes, topology says
		}
		told = true
		d.unread = cmp.Or(d.unread, n.old(e.Reading))
		if t := e.From; !parsed[t.Text(topology.AttrDigest)] && t.Text(topology.AttrState) != "parsed" {
			d.unread = cmp.Or(d.unread, "the filters of "+d.node.Name()+" ("+t.Text(topology.AttrDialect)+") are known as text only")
		}
	}
	if !told {
		d.unread = "nobody has read the filters of " + d.node.Name()
	}
	d.tracks = slices.ContainsFunc(d.hooks, func(h hooked) bool {
		bridged := h.Bridged || h.Hook == policy.HookIngress || h.Hook == policy.HookEgress || h.Hook == policy.HookVLAN
		return bridged && asksState(h.filter, d.filters[h.filter.Dialect])
	})
	slices.SortStableFunc(d.hooks, func(a, b hooked) int {
		return cmp.Or(cmp.Compare(a.Hook, b.Hook), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Order, b.Order), strings.Compare(a.filter.Name, b.filter.Name))
	})
	d.untie()
}

// untie puts a filter that may do anything in the place of those that are met at one hook and priority, of which one writes something: they are met in the order
// of their making, the last one first, which nobody says.
func (d *device) untie() {
	for i, a := range d.hooks {
		for j := i + 1; j < len(d.hooks) && d.hooks[j].Hook == a.Hook && d.hooks[j].Priority == a.Priority; j++ {
			if b := d.hooks[j]; a.meets(b) && (d.writes(a.filter) || d.writes(b.filter)) {
				f := d.anyOrder(a.filter, b.filter)
				d.hooks[i].filter, d.hooks[j].filter = f, f
			}
		}
	}
}

// anyOrder is a filter that may do anything to packets, and make of them what any filter of the two dialects makes.
func (d *device) anyOrder(a, b *policy.Filter) *policy.Filter {
	text := fmt.Sprintf("which of %s and %s comes first", a.Name, b.Name)
	rule := policy.Rule{Text: text, Unparsed: "the order of their making decides", Set: []policy.Assignment{{Field: policy.Mark, To: []policy.Range{{Hi: policy.Num(1<<32 - 1)}}}}}
	for _, f := range []*policy.Filter{a, b} {
		for _, name := range slices.Sorted(maps.Keys(d.filters[f.Dialect])) {
			for _, r := range d.filters[f.Dialect][name].Rules {
				rule.Set = append(rule.Set, r.Set...)
			}
		}
	}
	f := &policy.Filter{Name: text, Family: a.Family | b.Family, Default: policy.Permit, Rules: []policy.Rule{rule}}
	if d.filters[f.Dialect] == nil {
		d.filters[f.Dialect] = map[string]*policy.Filter{}
	}
	d.filters[f.Dialect][f.Name] = f
	return f
}

// meets tells that one packet may meet two filters of one hook and priority, and nothing says in which order.
func (h hooked) meets(other hooked) bool {
	return h.Bridged == other.Bridged && h.filter.Family&other.filter.Family != 0 && (h.Interface == other.Interface || h.Interface == "" || other.Interface == "") &&
		(h.Order == other.Order || h.Order == 0 || other.Order == 0) && h.Hook != policy.HookVLAN
}

func (d *device) writes(f *policy.Filter) bool {
	return d.assigns(f, policy.Mark, policy.ConnState) || d.assigns(f, translations...)
}

// asksState tells whether a filter, or one that it jumps to, asks for the state of connections.
func asksState(f *policy.Filter, all map[string]*policy.Filter) bool {
	return asks(f, all, func(f policy.Field) bool { return f == policy.ConnState })
}

// asks tells whether a filter, or one that it jumps to, asks for some fields.
func asks(f *policy.Filter, all map[string]*policy.Filter, fields func(policy.Field) bool) bool {
	return slices.ContainsFunc(chain(f, all), func(f *policy.Filter) bool {
		return slices.ContainsFunc(f.Rules, func(r policy.Rule) bool {
			return slices.ContainsFunc(r.Match, func(t policy.Term) bool { return fields(t.Field) })
		})
	})
}

// chain is a filter and those that it jumps to, each once. All are those of its dialect on its device.
func chain(f *policy.Filter, all map[string]*policy.Filter) []*policy.Filter {
	fs := []*policy.Filter{f}
	for i := 0; i < len(fs); i++ {
		for _, r := range fs[i].Rules {
			if t := all[r.Target]; t != nil && !slices.Contains(fs, t) {
				fs = append(fs, t)
			}
		}
	}
	return fs
}

// ofGuest tells that a filter of a host is one of a vNIC: it says nothing of whether the host's own are known.
func ofGuest(filter topology.Node) bool {
	return slices.ContainsFunc(filter.Out(topology.AppliesTo), func(e topology.Edge) bool { return e.To.Kind() == topology.VNIC })
}

func (d *device) readFilter(n *Network, node topology.Node, aged map[*policy.Filter]string) {
	old := n.stale(node, topology.AttrRules)
	d.unread = cmp.Or(d.unread, old)
	f, err := policy.DecodeFilter(node.Text(topology.AttrRules))
	if err != nil {
		d.unread = cmp.Or(d.unread, fmt.Sprintf("filter %s of %s cannot be read: %v", node.Name(), d.node.Name(), err))
		return
	}
	if d.filters[f.Dialect] == nil {
		d.filters[f.Dialect] = map[string]*policy.Filter{}
	}
	d.filters[f.Dialect][f.Name], aged[f] = f, old
	for _, a := range f.Attached {
		d.hooks = append(d.hooks, hooked{Attachment: a, filter: f, node: node})
	}
	d.untracks = d.untracks || d.assigns(f, policy.ConnState)
}

// mainTable is the routing table of interfaces that are in no VRF, as keys of routes call it.
const mainTable = "default"

// vrfOf names the routing table of an interface, as keys of routes call it.
func vrfOf(n topology.Node) string {
	if v, ok := n.First(topology.InVRF); ok {
		id := v.Key().ID
		return id[strings.LastIndexByte(id, '/')+1:]
	}
	return mainTable
}

// tableOf names the table of a route of the device: its key is DEVICE/TABLE/PREFIX/NEXT HOP, and the last may be an interface, with slashes in its name.
func (d *device) tableOf(route topology.Node) string {
	table, _, _ := strings.Cut(strings.TrimPrefix(route.Key().ID, d.node.Key().ID+"/"), "/")
	return table
}

func (d *device) readRoutes(n *Network) {
	for _, e := range d.node.Out(topology.Contains) {
		if e.To.Kind() != topology.Route {
			continue
		}
		p, ok := e.To.Value(topology.AttrPrefix)
		if !ok {
			continue
		}
		r := route{prefix: p.Prefix(), state: e.To.Text(topology.AttrState), text: e.To.Text(topology.AttrProtocol)}
		if v, ok := e.To.Value(topology.AttrNextHop); ok {
			r.nextHop = v.Addr()
		}
		r.metric, _ = e.To.Int(topology.AttrMetric)
		for f := range e.To.Facts() {
			if f.Reading.Partial {
				d.policed = "the routes of " + d.node.Name() + " were not read whole: there may be better ones"
			}
		}
		d.policed = cmp.Or(d.policed, n.stale(e.To, topology.AttrPrefix))
		table := d.tableOf(e.To)
		vias := e.To.Out(topology.RoutesVia) // several where next hops have one address of its link each, the same one
		for _, via := range vias {
			r.via = via.To
			d.routes[table] = append(d.routes[table], r)
		}
		if len(vias) == 0 {
			d.routes[table] = append(d.routes[table], r)
		}
	}
	for _, v := range d.node.Values(topology.AttrPolicyRule) {
		if !usual(v.String()) {
			d.policed = "a rule of policy routing on " + d.node.Name() + ": " + v.String()
		}
	}
}

// usual tells the rules that a Linux kernel makes itself (fib_default_rules_init), and that of VRFs, from others.
func usual(rule string) bool {
	_, words, _ := strings.Cut(rule, " ")
	_, words, _ = strings.Cut(words, " ")
	switch words {
	case "from all lookup local", "from all lookup main", "from all lookup default", "from all lookup [l3mdev-table]":
		return true
	}
	return false
}

// lookup gives the best routes to an address: those of the longest prefix, and of them those of the least metric, which share the load.
func (d *device) lookup(vrf string, to netip.Addr) []route {
	var best []route
	for _, r := range d.routes[vrf] {
		if !r.prefix.Contains(to) {
			continue
		}
		switch {
		case len(best) == 0 || r.prefix.Bits() > best[0].prefix.Bits() || r.prefix.Bits() == best[0].prefix.Bits() && r.metric < best[0].metric:
			best = []route{r}
		case r.prefix.Bits() == best[0].prefix.Bits() && r.metric == best[0].metric:
			best = append(best, r)
		}
	}
	for i := range best {
		best[i].via, _ = best[i].via.On(d.node.Snapshot())
	}
	return distinct(best)
}

// distinct leaves out routes that two tables of the device say alike.
func distinct(rs []route) []route {
	var out []route
	for _, r := range rs {
		if !slices.ContainsFunc(out, func(o route) bool { return o.nextHop == r.nextHop && o.via == r.via }) {
			out = append(out, r)
		}
	}
	return out
}

// connected gives the interfaces of the device whose subnet an address is in.
func (d *device) connected(to netip.Addr) []topology.Node {
	var in []topology.Node
	for _, e := range d.node.Out(topology.Contains) {
		if e.To.Kind().Interface() && slices.ContainsFunc(addressesOf(e.To), func(p netip.Prefix) bool { return !p.IsSingleIP() && p.Contains(to) }) {
			in = append(in, e.To)
		}
	}
	return in
}

// has tells whether an address is the device's own.
func (d *device) has(a netip.Addr, n *Network) bool {
	return slices.ContainsFunc(n.owning(a), func(o topology.Node) bool { owner, ok := o.Owner(); return ok && owner == d.node })
}
