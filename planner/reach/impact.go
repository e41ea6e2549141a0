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
	Left int  // ways that are left, of Ways
	Ways int  // that nothing stops
	More bool // there are more ways than were looked at: what is said to be lost may be left
}

// ImpactOf tells what the rails of all VMs lose if a device, an interface, or any other node of a path fails. VMs that lose nothing are left out.
func ImpactOf(s *topology.Snapshot, failed topology.Node) []Impact {
	var all []Impact
	for vm := range s.Nodes(topology.VM) {
		for _, r := range vm.Rails() {
			if i := impact(vm, r, failed); i.Loss != LosesNothing {
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

func impact(vm topology.Node, r topology.Rail, failed topology.Node) Impact {
	i := Impact{VM: vm, Rail: r, More: r.More > 0}
	touched := false
	for _, p := range r.Paths {
		on := crosses(p, failed)
		touched = touched || on
		if !p.Complete || p.Faulty() {
			continue
		}
		i.Ways++
		if !on {
			i.Left++
		}
	}
	switch {
	case i.Ways == 0 && touched:
		i.Loss = LossUnknown
	case i.Left == i.Ways:
	case i.Left == 0 && i.More:
		i.Loss = LossUnknown
	case i.Left == 0:
		i.Loss = LosesPath
	default:
		i.Loss = LosesRedundancy
	}
	return i
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
func SinglePoints(s *topology.Snapshot) (singles []Single, unknown int) {
	by := map[topology.Node][]Impact{}
	for vm := range s.Nodes(topology.VM) {
		host, _ := vm.First(topology.RunsOn)
		for _, r := range vm.Rails() {
			on, ways := devicesOfAll(r)
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

// devicesOfAll gives the devices that all whole ways of a rail have.
func devicesOfAll(r topology.Rail) (devices []topology.Node, ways int) {
	for _, p := range r.Paths {
		if !p.Complete || p.Faulty() {
			continue
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
