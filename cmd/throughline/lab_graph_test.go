//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/fixtures/lab"
	"github.com/throughline-dc/throughline/topology"
)

// labSeen words a graph in the lines of lab.Spec.Want: all that it holds of those things, whether the lab has them or not.
func labSeen(g *topology.Snapshot, s *lab.Spec) []string {
	seen := map[string]bool{}
	say := func(format string, args ...any) { seen[fmt.Sprintf(format, args...)] = true }
	for n := range g.Nodes() {
		switch {
		case n.Kind().Device():
			say("device %s %s", n.Kind(), n.Name())
			sayRoutes(n, say)
		case n.Kind() == topology.VM:
			sayVM(n, say)
		default:
			sayInterface(n, s, say)
		}
	}
	lines := make([]string, 0, len(seen))
	for line := range seen {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// labPort names an interface as people do: "r1tor/swp1".
func labPort(n topology.Node) string {
	owner, _ := n.Owner()
	return owner.Name() + "/" + n.Name()
}

func sayRoutes(device topology.Node, say func(string, ...any)) {
	for _, e := range device.Out(topology.Contains) {
		if r := e.To; r.Kind() == topology.Route && r.Text(topology.AttrProtocol) == "static" {
			say("route %s %s via %s", device.Name(), r.Text(topology.AttrPrefix), r.Text(topology.AttrNextHop))
		}
	}
}

func sayInterface(n topology.Node, s *lab.Spec, say func(string, ...any)) {
	for _, v := range n.Values(topology.AttrAddress) {
		prefix, err := netip.ParsePrefix(v.String())
		if err == nil && prefix.Addr().Is4() && !prefix.Addr().IsLoopback() && !s.Management.Overlaps(prefix) && n.Kind() != topology.VNIC {
			say("address %s %s", labPort(n), prefix)
		}
	}
	var members []topology.Node
	if n.Kind() == topology.LAG {
		for m := range n.Objects(topology.SupportedBy) {
			members = append(members, m)
		}
		say("group %s %s", labPort(n), strings.Join(namesOf(members), ","))
	}
	cabled := false
	for _, peer := range n.Peers(topology.Link) {
		ends := []string{labPort(n), labPort(peer)}
		slices.Sort(ends)
		say("link %s", strings.Join(ends, " "))
		cabled = !slices.ContainsFunc(slices.Collect(n.Subjects(topology.SupportedBy)), func(u topology.Node) bool { return u.Kind() == topology.LAG })
	}
	for _, m := range members {
		cabled = cabled || len(m.Peers(topology.Link)) > 0
	}
	if cabled {
		sayMembership(n, say)
	}
}

// sayMembership words the VLANs of a port that has a cable, or whose members have; an access port sends one of them without a tag.
func sayMembership(n topology.Node, say func(string, ...any)) {
	tagged, _ := n.Value(topology.AttrTagged)
	untagged, _ := n.Value(topology.AttrUntagged)
	switch {
	case tagged.VIDs().Len() > 0:
		say("vlans %s tagged %s", labPort(n), words(tagged))
	case untagged.VIDs().Len() > 0:
		say("vlans %s untagged %s", labPort(n), words(untagged))
	}
}

func sayVM(vm topology.Node, say func(string, ...any)) {
	host, _ := vm.First(topology.RunsOn)
	say("vm %s runs on %s", vm.Name(), host.Name())
	units := map[topology.Key]bool{}
	for _, rail := range vm.Rails() {
		for _, p := range rail.Paths {
			if !p.Complete || p.Faulty() {
				continue
			}
			last := p.Hops[len(p.Hops)-1].Node
			if rail.Name == "network" {
				router, _ := last.Owner()
				for _, v := range last.Values(topology.AttrAddress) {
					prefix, _ := netip.ParsePrefix(v.String())
					say("vm %s VLAN %d gateway %s %s", vm.Name(), p.Hops[0].VID, router.Name(), prefix.Addr())
				}
				continue
			}
			if rail.From.Kind() != topology.VDisk {
				continue
			}
			var unit topology.Node // the last: that of the array, behind the one that libvirt knows by number
			for _, h := range p.Hops {
				switch h.Node.Kind() {
				case topology.TargetPort:
					say("vm %s disk %s target %s", vm.Name(), rail.From.Name(), h.Node.Key().ID)
				case topology.LogicalUnit:
					unit = h.Node
				}
			}
			units[unit.Key()] = true
		}
	}
	say("vm %s units %d", vm.Name(), len(units))
}

func namesOf(nodes []topology.Node) []string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name())
	}
	slices.Sort(names)
	return names
}

// words lists VLANs one by one.
func words(v topology.Value) string {
	var all []string
	for _, vid := range v.VIDs().All() {
		all = append(all, strconv.Itoa(int(vid)))
	}
	return strings.Join(all, ",")
}
