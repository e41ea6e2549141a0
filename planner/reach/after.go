package reach

import (
	"net/netip"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// After is the network once changes are made: s is the snapshot with them (Snapshot.With). What they do not touch it knows from this network, without reading it again, and
// gives as nodes of s. A move of VMs touches nothing but them; whatever else changes may change the ways of all frames, which are then looked for anew.
func (n *Network) After(s *topology.Snapshot, changes topology.ChangeSet) *Network {
	m := &Network{
		Snapshot: s, limits: n.limits, now: n.now, devices: map[topology.Key]*device{}, owners: map[netip.Addr][]topology.Node{}, shared: map[netip.Addr][]topology.Node{},
		ways: map[topology.Key][]topology.Path{}, neighbours: map[[2]topology.Key]whyNot{}, discovery: n.discovery, shifts: n.shifts,
		crossings: map[[2]topology.Key]crossings{}, berths: map[topology.Key]berth{}, enclosures: map[topology.Key]enclosed{},
		zonings: map[topology.Key]*Zoning{}, crossed: map[[2]topology.WWN]crossed{}, standing: map[topology.Key]*stand{}, stands: map[string]*stand{}, resolved: map[carriageKey]bool{},
		before: n, touched: map[topology.Key]bool{}, waysLast: true,
	}
	for _, c := range changes.Changes {
		moves := c.Rel == topology.RunsOn || c.Rel == topology.AttachedTo || c.Rel == topology.StoredOn && c.Subject.Kind == topology.VDisk
		m.waysLast = m.waysLast && moves
		m.touch(c.Subject)
		if c.Rel != 0 && !moves {
			m.touch(c.Object)
		}
		if readdresses(c) {
			return NewNetwork(s, n.limits, n.now)
		}
	}
	return m
}

// readdresses tells that after a change somebody else may be whom packets are for, or who delivers them.
func readdresses(c topology.Change) bool {
	attrs := []topology.Attr{topology.AttrAddress, topology.AttrUnnumbered, topology.AttrVirtualAddress, topology.AttrMAC}
	return slices.Contains(attrs, c.Attr) || c.Subject.Kind == topology.Route
}

// touch notes that something is said of a node, and so of what it is a part of.
func (n *Network) touch(k topology.Key) {
	n.touched[k] = true
	for _, s := range []*topology.Snapshot{n.before.Snapshot, n.Snapshot} {
		node, ok := s.Node(k)
		for range 8 { // parts of parts
			if !ok {
				break
			}
			n.touched[node.Key()] = true
			node, ok = node.Owner()
		}
	}
}

// mine gives a node of any snapshot as this one has it; none, if it does not.
func (n *Network) mine(node topology.Node) topology.Node {
	node, _ = node.On(n.Snapshot)
	return node
}

// all is mine for several nodes.
func (n *Network) all(nodes []topology.Node) []topology.Node {
	own := make([]topology.Node, 0, len(nodes))
	for _, node := range nodes {
		if node, ok := node.On(n.Snapshot); ok {
			own = append(own, node)
		}
	}
	return own
}

// untouched gives a node as the network before the changes has it, if nobody changed anything of it.
func (n *Network) untouched(node topology.Node) (topology.Node, bool) {
	if n.before == nil || n.touched[node.Key()] {
		return topology.Node{}, false
	}
	return node.On(n.before.Snapshot)
}

// owning lists the interfaces and vNICs that have an address.
func (n *Network) owning(a netip.Addr) []topology.Node {
	all, known := n.owners[a]
	if !known && n.before != nil {
		all = n.all(n.before.owning(a))
		n.owners[a] = all
	}
	return all
}

// sharing lists the interfaces that answer to an address while they are the active ones.
func (n *Network) sharing(a netip.Addr) []topology.Node {
	all, known := n.shared[a]
	if !known && n.before != nil {
		all = n.all(n.before.sharing(a))
		n.shared[a] = all
	}
	return all
}

// on is a device as another snapshot has it, in which nobody changed it. Its routes are turned into those of that snapshot as they are looked up.
func (d *device) on(n *Network) *device {
	c := *d
	c.node, c.hooks = n.mine(d.node), slices.Clone(d.hooks)
	for i := range c.hooks {
		c.hooks[i].node = n.mine(c.hooks[i].node)
	}
	return &c
}

// pathsOn gives paths as another snapshot has them.
func (n *Network) pathsOn(paths []topology.Path) []topology.Path {
	own := slices.Clone(paths)
	for i := range own {
		own[i].Hops = slices.Clone(own[i].Hops)
		for j := range own[i].Hops {
			own[i].Hops[j].Node = n.mine(own[i].Hops[j].Node)
		}
	}
	return own
}
