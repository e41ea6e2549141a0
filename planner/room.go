package planner

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// Room is what a host has to give, as often as the policy gives it away, and what its VMs have of it.
type Room struct {
	Memory, MemoryUsed int64 // bytes
	CPUs, CPUsUsed     int64
	Doubt              string // what of it is not known
}

// Share is the part that is left of the scarcer of the two, in percent: below 0 there is not enough. Of what is not known it is -100.
func (r Room) Share() int {
	if r.Doubt != "" || r.Memory <= 0 || r.CPUs <= 0 {
		return -100
	}
	return int(min((r.Memory-r.MemoryUsed)*100/r.Memory, (r.CPUs-r.CPUsUsed)*100/r.CPUs))
}

// with is the room once a VM has come.
func (r Room) with(n need) Room {
	r.MemoryUsed += n.memory
	r.CPUsUsed += n.cpus
	r.Doubt = cmp.Or(r.Doubt, n.doubt)
	return r
}

// fits tells whether some VM's need is left.
func (r Room) fits(n need) bool {
	return r.Memory-r.MemoryUsed >= n.memory && r.CPUs-r.CPUsUsed >= n.cpus
}

// need is what a VM takes of a host.
type need struct {
	vm           topology.Key
	memory, cpus int64
	doubt        string
}

// room adds up a host. It asks what CAP-1 and CAP-2 ask, of a host and not of a move.
func (p *Planner) room(host topology.Node) Room {
	memory, noMemory := p.amount(host, topology.AttrMemoryBytes)
	cpus, noCPUs := p.amount(host, topology.AttrCPUs)
	r := Room{
		Memory: int64(float64(max(0, memory-p.setAside(host))) * cmp.Or(p.policy.MemoryRatio, DefaultMemoryRatio)), CPUs: int64(float64(cpus) * cmp.Or(p.policy.CPURatio, DefaultCPURatio)),
		Doubt: cmp.Or(noMemory, noCPUs),
	}
	for _, n := range p.needs(host) {
		r = r.with(n)
	}
	return r
}

// roomOf is room, which is remembered: many questions ask for it.
func (p *Planner) roomOf(host topology.Node) Room {
	r, known := p.rooms[host.Key()]
	if !known {
		if p.rooms == nil {
			p.rooms = map[topology.Key]Room{}
		}
		r = p.room(host)
		p.rooms[host.Key()] = r
	}
	return r
}

// needs lists what the VMs of a host take that are not off.
func (p *Planner) needs(host topology.Node) []need {
	var all []need
	for vm := range host.Subjects(topology.RunsOn) {
		if !off(vm) {
			all = append(all, p.needOf(vm))
		}
	}
	return all
}

func (p *Planner) needOf(vm topology.Node) need {
	memory, noMemory := p.amount(vm, topology.AttrMemoryBytes)
	if inHugePages(vm) {
		memory = 0
	}
	cpus, noCPUs := p.amount(vm, topology.AttrCPUs)
	return need{vm.Key(), memory, cpus, cmp.Or(noMemory, noCPUs)}
}

// off tells that a VM is known not to run: it takes no room, and there is nothing to move.
func off(vm topology.Node) bool {
	return slices.Contains([]string{"shutoff", "inactive", "crashed"}, vm.Text(topology.AttrState))
}

// amount reads a number, or says why it is not known.
func (p *Planner) amount(n topology.Node, a topology.Attr) (int64, string) {
	fact, ok := n.Evidence(a)
	if !ok {
		return 0, fmt.Sprintf("no source says the %s of %s %s", a, n.Kind(), n.Name())
	}
	if r, ok := p.s.Reading(fact.Reading); ok && r.Source != topology.SourcePlan && p.policy.Ages.Stale(r, p.now) {
		return 0, fmt.Sprintf("the %s of %s %s is too old to be known: collect %s", a, n.Kind(), n.Name(), r.Device)
	}
	return fact.Value.Int(), ""
}
