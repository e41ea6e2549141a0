package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// maxFollowed bounds the ends whose packets are followed one by one, of one address of a VM.
const maxFollowed = 256

// flowChange is what a move does to the flows of a VM.
type flowChange struct {
	ends      [][2]reach.Endpoint // of the VM, before and after
	silent    []topology.Node     // vNICs of which nobody says an address
	unplugged []string            // why a vNIC has no place on the target
	groups    []*turned
	cuts      []cut
	same      []string // what is not known of the ways, before and after
	blind     []string // of those: on ways where they may hide what is lost
	followed  int      // ends that were compared by themselves and fare the same
	left      int      // ends that should have been, and were not
	err       error
}

// turned is what fares otherwise in the same way, for the same reason, with several ends.
type turned struct {
	reach.Turn
	out      bool // the VM begins it
	opened   bool
	beside   bool // it passed only because both were in one bridge, where no filter looks
	services []string
	breaks   string              // name of what the policy forbids
	peers    []topology.Node     // machines
	ends     [2][]reach.Endpoint // of those who begin, of the others
}

// cut is sessions that do not go on.
type cut struct {
	why    string
	device topology.Node
	peers  []topology.Node
}

// flows finds out what a move does to the flows of the VM. It is made once for a move.
func (m *move) flows() *flowChange {
	if m.flowing == nil {
		m.flowing = &flowChange{}
		m.flowing.err = m.flowing.find(m)
	}
	return m.flowing
}

func (c *flowChange) find(m *move) error {
	for _, e := range m.vm.Out(topology.Contains) {
		if e.To.Kind() != topology.VNIC {
			continue
		}
		all := reach.Endpoints(e.To)
		if len(all) == 0 {
			c.silent = append(c.silent, e.To)
		}
		is, _ := e.To.On(m.after.Snapshot())
		_, had := e.To.First(topology.AttachedTo)
		if to, has := is.First(topology.AttachedTo); had && !has {
			from, _ := e.To.First(topology.AttachedTo)
			c.unplugged = append(c.unplugged, fmt.Sprintf("%s has no %s %s for %s", m.target.Name(), from.Kind(), from.Name(), e.To.Name()))
			continue
		} else if from, _ := e.To.First(topology.AttachedTo); has && to.Key() == from.Key() {
			all = nil // nothing moves
		}
		for _, was := range all {
			c.ends = append(c.ends, [2]reach.Endpoint{was, {Node: is, Addr: was.Addr}})
		}
	}
	for _, ends := range c.ends {
		if err := c.shift(m, ends[0], ends[1]); err != nil {
			return err
		}
	}
	c.fold()
	return nil
}

// fold leaves out answers that the same rule stops which stops what the same machines begin: it is told already.
func (c *flowChange) fold() {
	all := slices.Clone(c.groups)
	c.groups = slices.DeleteFunc(c.groups, func(g *turned) bool {
		return g.Back && g.breaks == "" && slices.ContainsFunc(all, func(o *turned) bool {
			return !o.Back && o.opened == g.opened && o.Sure == g.Sure && o.Why == g.Why && o.beside == g.beside &&
				!slices.ContainsFunc(g.peers, func(n topology.Node) bool { return !slices.Contains(o.peers, n) })
		})
	})
}

// shift looks at one address.
func (c *flowChange) shift(m *move, was, is reach.Endpoint) error {
	shift, err := reach.Moves(m.ctx, m.network(), m.moved(), was, is)
	if err != nil {
		return err
	}
	for _, d := range shift.Cut {
		c.breaks(d.Name()+" lets what answers pass only where it holds the connection, and has not seen any of them", d, topology.Node{})
	}
	c.same, c.blind = appendNew(c.same, shift.Same...), appendNew(c.blind, shift.Blind...)
	budget := maxFollowed
	follow := func(q reach.Endpoint) error {
		if budget--; budget < 0 {
			c.left++
			return nil
		}
		now, _ := q.Node.On(m.after.Snapshot())
		return c.with(m, &shift, q, reach.Endpoint{Node: now, Addr: q.Addr})
	}
	for _, q := range shift.Near {
		if err := follow(q); err != nil {
			return err
		}
	}
	for q := range shift.Far() {
		if err := follow(q); err != nil {
			return err
		}
	}
	return nil
}

// appendNew appends the words that are not there yet.
func appendNew(words []string, more ...string) []string {
	for _, w := range more {
		if !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return words
}

// with compares the packets between the VM and one other end, both ways.
func (c *flowChange) with(m *move, shift *reach.Shift, then, now reach.Endpoint) error {
	was, is, fine := shift.Was, shift.Is, true
	for _, out := range []bool{true, false} {
		before, after := [2]reach.Endpoint{was, then}, [2]reach.Endpoint{is, now}
		if !out {
			before, after = [2]reach.Endpoint{then, was}, [2]reach.Endpoint{now, is}
		}
		all, err := reach.CompareMore(m.ctx, m.network(), m.moved(), before, after, reach.Flow{})
		if err != nil {
			return err
		}
		if fine = fine && all.Same(); all.Same() {
			c.blind = appendNew(c.blind, shift.Hidden(all, out)...)
		}
		if err := c.sessions(m, all, then); err != nil {
			return err
		}
		c.turns(m, all, out, before)
	}
	if fine {
		c.followed++
	}
	return nil
}

// turns takes down what fares otherwise one way.
func (c *flowChange) turns(m *move, all reach.Comparison, out bool, before [2]reach.Endpoint) {
	if all.Limit != "" {
		c.add(m, reach.Turn{Why: all.Limit}, []string{"everything"}, out, false, before)
		return
	}
	for _, t := range all.Lost() {
		c.add(m, t, t.Services(maxServices), out, false, before)
	}
	for _, t := range all.Opened() {
		forbidden := m.forbids(all.Headers, t, before)
		if !t.Sure && !t.Closed && forbidden == "" {
			continue // nobody knew before, either
		}
		c.add(m, t, t.Services(maxServices), out, true, before, forbidden)
	}
}

// sessions looks for what breaks the sessions with one other end.
func (c *flowChange) sessions(m *move, all reach.Comparison, peer reach.Endpoint) error {
	devices, err := m.moved().Cut(m.ctx, all)
	for _, d := range devices {
		c.breaks(d.Name()+" lets what answers pass only where it holds the connection, and has not seen any of them", d, machineOf(peer))
	}
	if was, is := all.Before.Translation, all.After.Translation; was != nil && (is == nil || was.Source != is.Source || was.Destination != is.Destination || was.Device.Key() != is.Device.Key()) &&
		all.After.Forward.Verdict != reach.No {
		c.breaks(was.Device.Name()+" has translated their addresses, and does not any more, or to others", was.Device, machineOf(peer))
	} else if was == nil && is != nil && all.Before.Forward.Verdict != reach.No {
		c.breaks(is.Device.Name()+" translates their addresses, and nobody did before", is.Device, machineOf(peer))
	}
	return err
}

// breaks notes that sessions break.
func (c *flowChange) breaks(why string, device, peer topology.Node) {
	i := slices.IndexFunc(c.cuts, func(o cut) bool { return o.why == why })
	if i < 0 {
		i = len(c.cuts)
		c.cuts = append(c.cuts, cut{why: why, device: device})
	}
	if !peer.IsZero() && !slices.Contains(c.cuts[i].peers, peer) {
		c.cuts[i].peers = append(c.cuts[i].peers, peer)
	}
}

const maxServices = 5 // protocols and ports in one sentence

// add puts what fares otherwise to what fares so already.
func (c *flowChange) add(_ *move, t reach.Turn, services []string, out, opened bool, ends [2]reach.Endpoint, breaks ...string) {
	g := &turned{Turn: t, out: out, opened: opened, services: services, breaks: strings.Join(breaks, ""), beside: !opened && t.Sure && t.Beside && len(t.Stops) > 0}
	i := slices.IndexFunc(c.groups, func(o *turned) bool { return o.joins(g) })
	if i < 0 {
		c.groups = append(c.groups, g)
	} else {
		g = c.groups[i]
	}
	peer := ends[1]
	if !out {
		peer = ends[0]
	}
	if machine := machineOf(peer); !slices.Contains(g.peers, machine) {
		g.peers = append(g.peers, machine)
	}
	for side, e := range ends {
		if !slices.Contains(g.ends[side], e) {
			g.ends[side] = append(g.ends[side], e)
		}
	}
}

// joins tells that two are told in one sentence. Of what is not known it does not matter who begins, and which services are meant.
func (g *turned) joins(o *turned) bool {
	if g.opened != o.opened || g.Sure != o.Sure || g.Why != o.Why || g.breaks != o.breaks || g.beside != o.beside {
		return false
	}
	return !g.Sure || g.out == o.out && g.Back == o.Back && slices.Equal(g.services, o.services)
}

// forbids names what the policy forbids of what is opened.
func (m *move) forbids(h *reach.Headers, t reach.Turn, ends [2]reach.Endpoint) string {
	for _, d := range m.policy.Forbidden {
		if d.From.Has(machineOf(ends[0])) && d.To.Has(machineOf(ends[1])) && h.Meets(t.Opens, ends[0].Addr, ends[1].Addr, d.Flow) {
			return d.Name
		}
	}
	return ""
}
