package reach

import (
	"cmp"
	"maps"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// Loss is what a rail loses when a node fails.
type Loss uint8

// The losses.
const (
	LosesNothing    Loss = iota
	LosesRedundancy      // ways are left, but fewer
	LosesPath            // no way is left
	LossUnknown          // the rail has no way that is known whole, so nobody knows what it rests on
)

// String is the word for a loss.
func (l Loss) String() string {
	return []string{"nothing", "redundancy", "path", "unknown"}[l]
}

// Impact is what one rail of a VM loses.
type Impact struct {
	VM   topology.Node
	Rail topology.Rail
	Loss Loss
	Left int    // ways that are left, of Ways
	Ways int    // that nothing stops, and of which all is known
	More bool   // there are more ways than were looked at: what is said to be lost may be left
	Old  string // why there may be ways beside them that nobody knows any more: they rest on what is older than its limit. Of an unknown loss
}

// Impact tells what the rails of all VMs lose if a device, an interface, or any other node of a path fails. VMs that lose nothing are left out.
func (n *Network) Impact(failed topology.Node) []Impact {
	var all []Impact
	for vm := range n.Nodes(topology.VM) {
		for _, r := range vm.Rails() {
			if i := n.impact(vm, r, failed); i.Loss != LosesNothing {
				all = append(all, i)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Impact) int {
		return cmp.Or(cmp.Compare(severity(b.Loss), severity(a.Loss)), cmp.Compare(a.VM.Name(), b.VM.Name()))
	})
	return all
}

func severity(l Loss) int {
	return slices.Index([]Loss{LosesNothing, LosesRedundancy, LossUnknown, LosesPath}, l)
}

func (n *Network) impact(vm topology.Node, r topology.Rail, failed topology.Node) Impact {
	i := Impact{VM: vm, Rail: r, More: r.More > 0}
	touched, oldTouched, oldLeft := false, false, false
	for _, p := range r.Paths {
		on := crosses(p, failed)
		touched = touched || on
		if !p.Complete || p.Faulty() {
			continue
		}
		if why := n.oldPath(p); why != "" {
			i.Old = why
			oldTouched, oldLeft = oldTouched || on, oldLeft || !on
			continue
		}
		i.Ways++
		if !on {
			i.Left++
		}
	}
	switch {
	case i.Ways == 0 && touched, i.Left == i.Ways && oldTouched:
		i.Loss = LossUnknown
	case i.Left == i.Ways:
	case i.Left == 0 && (i.More || oldLeft):
		i.Loss = LossUnknown
	case i.Left == 0:
		i.Loss = LosesPath
	default:
		i.Loss = LosesRedundancy
	}
	if i.Loss != LossUnknown {
		i.Old = ""
	}
	return i
}

// oldPath is why a path is too old to be known; "" if it is not.
func (n *Network) oldPath(p topology.Path) string {
	for _, h := range p.Hops {
		if why := n.oldHop(h); why != "" {
			return why
		}
	}
	return ""
}

// crosses tells whether a path has a node, or a part of it.
func crosses(p topology.Path, n topology.Node) bool {
	return slices.ContainsFunc(p.Hops, func(h topology.Hop) bool { return within(h.Node, n) })
}

// within tells whether a node is another, or a part of it.
func within(part, whole topology.Node) bool {
	for range 8 { // parts of parts
		if part == whole {
			return true
		}
		owner, ok := part.Owner()
		if !ok {
			return false
		}
		part = owner
	}
	return false
}

// Single is a device on which rails rest that have no way around it.
type Single struct {
	Device topology.Node
	Rails  []Impact
}

// SinglePoints lists the devices, other than a VM's own host, without which rails have no way, those of most rails first. Rails of which no whole way is known
// are counted: of them nobody knows.
func (n *Network) SinglePoints() (singles []Single, unknown int) {
	by := map[topology.Node][]Impact{}
	for vm := range n.Nodes(topology.VM) {
		host, _ := vm.First(topology.RunsOn)
		for _, r := range vm.Rails() {
			on, ways := n.devicesOfAll(r)
			if ways == 0 {
				unknown++
				continue
			}
			for _, d := range on {
				if d != host && d != vm && r.More == 0 {
					by[d] = append(by[d], Impact{VM: vm, Rail: r, Loss: LosesPath, Ways: ways})
				}
			}
		}
	}
	for _, d := range slices.SortedFunc(maps.Keys(by), func(a, b topology.Node) int {
		return cmp.Or(cmp.Compare(len(by[b]), len(by[a])), a.Key().Compare(b.Key()))
	}) {
		singles = append(singles, Single{d, by[d]})
	}
	return singles, unknown
}

// devicesOfAll gives the devices that all whole ways of a rail have. A way that is too old to be known may be one, or none: rails with such a way have no whole one here.
func (n *Network) devicesOfAll(r topology.Rail) (devices []topology.Node, ways int) {
	for _, p := range r.Paths {
		if !p.Complete || p.Faulty() {
			continue
		}
		if n.oldPath(p) != "" {
			return nil, 0
		}
		on := devicesOf(p)
		if ways++; ways == 1 {
			devices = on
			continue
		}
		devices = slices.DeleteFunc(devices, func(d topology.Node) bool { return !slices.Contains(on, d) })
	}
	return devices, ways
}

func devicesOf(p topology.Path) []topology.Node {
	var ds []topology.Node
	for _, h := range p.Hops {
		for n := h.Node; ; {
			if n.Kind().Device() {
				if !slices.Contains(ds, n) {
					ds = append(ds, n)
				}
				break
			}
			owner, ok := n.Owner()
			if !ok {
				break
			}
			n = owner
		}
	}
	return ds
}
