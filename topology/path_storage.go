package topology

import (
	"fmt"
	"slices"
	"strings"
)

// storageRail follows a disk down to its file or logical unit, and from there to the ports by which a host reaches it.
func storageRail(start Node) Rail {
	w := &storageWalker{}
	switch start.Kind() {
	case InitiatorPort:
		w.initiator(start, []Hop{{Node: start}}, Node{})
	default:
		w.down(start, []Hop{{Node: start}})
	}
	slices.SortStableFunc(w.paths, comparePaths)
	return Rail{Name: "storage", From: start, Paths: w.paths, Independent: w.independent()}
}

type storageWalker struct {
	paths []Path
	host  Node
}

func (w *storageWalker) end(hops []Hop, gap string) {
	if len(w.paths) < maxPaths {
		w.paths = append(w.paths, Path{Hops: slices.Clone(hops), Complete: gap == "", Gap: gap})
	}
}

// independent counts the complete paths by distinct pairs of initiator and target port.
func (w *storageWalker) independent() int {
	seen := map[Key]bool{}
	for _, p := range w.paths {
		if !p.Complete || p.Faulty() {
			continue
		}
		var first Key
		for _, h := range p.Hops {
			if k := h.Node.Kind(); k == TargetPort || first.IsZero() && k == Volume {
				first = h.Node.Key()
			}
		}
		seen[first] = true
	}
	return len(seen)
}

// down goes from a disk or volume to what it is stored on.
func (w *storageWalker) down(n Node, hops []Hop) {
	if len(hops) > 16 {
		w.end(hops, "layers of storage form a loop")
		return
	}
	if n.Kind() == VDisk {
		if vm, ok := n.Owner(); ok {
			w.host, _ = vm.First(RunsOn)
		}
	}
	below := n.Out(StoredOn)
	if len(below) > 0 {
		for _, e := range below {
			w.down(e.To, append(slices.Clip(hops), step(e, e.To, 0, false)))
		}
		return
	}
	switch n.Kind() {
	case Volume:
		w.volume(n, hops)
	case LogicalUnit:
		w.unit(n, hops)
	case StoragePool:
		w.pool(n, hops)
	case VDisk:
		w.end(hops, undisked(n))
	default:
		w.end(hops, "")
	}
}

func undisked(n Node) string {
	if n.Text(AttrSource) == "" {
		return "" // an empty drive: there is nothing below it
	}
	return fmt.Sprintf("no source says what %s %q is stored on: read the host's pools by libvirt", n.Text(AttrSourceType), n.Text(AttrSource))
}

// volume ends at the pool that holds it, and goes on below the pool if its source says on what.
func (w *storageWalker) volume(n Node, hops []Hop) {
	for _, e := range n.In(Contains) {
		if e.From.Kind() == StoragePool {
			hop := step(e, e.From, 0, false)
			if s := e.From.Text(AttrState); s != "" && s != "running" && s != "active" {
				hop.Fault = "pool is " + s
			}
			w.down(e.From, append(slices.Clip(hops), hop))
			return
		}
	}
	w.end(hops, "")
}

// pool ends at a local directory; a pool over a network ends at a server that somebody would have to collect.
func (w *storageWalker) pool(n Node, hops []Hop) {
	hosts := n.Values(AttrSourceHost)
	if len(hosts) == 0 {
		w.end(hops, "")
		return
	}
	var names []string
	for _, h := range hosts {
		names = append(names, h.String())
	}
	w.end(hops, fmt.Sprintf("the %s pool is served by %s: collect it to see the volume behind", n.Text(AttrPoolType), strings.Join(names, ", ")))
}

// unit fans out to the target ports that export a logical unit and to the initiators that have a session there.
func (w *storageWalker) unit(n Node, hops []Hop) {
	exports := n.In(Exports)
	for _, e := range exports {
		target := append(slices.Clip(hops), step(e, e.From, 0, false))
		sessions := e.From.In(Nexus)
		for _, s := range sessions {
			if w.ours(s.From) {
				w.end(append(slices.Clip(target), step(s, s.From, 0, false)), "")
			}
		}
		if len(sessions) == 0 {
			w.end(target, "no session to "+e.From.Name()+" is known: collect the array, or the host by SSH")
		}
	}
	if len(exports) > 0 {
		return
	}
	hbas := w.adapters()
	for _, h := range hbas {
		w.initiator(h.To, append(slices.Clip(hops), step(h, h.To, 0, false)), n)
	}
	if len(hbas) == 0 {
		w.end(hops, "no source says by which port "+n.Name()+" is exported: collect its array")
	}
}

// ours reports whether an initiator may be the one of the VM at hand: its host's, or one that no host claims.
func (w *storageWalker) ours(initiator Node) bool {
	owner, ok := initiator.Owner()
	return !ok || w.host.IsZero() || owner == w.host || owner.Kind() == VM
}

func (w *storageWalker) adapters() []Edge {
	if w.host.IsZero() {
		return nil
	}
	return slices.DeleteFunc(w.host.Out(Contains), func(e Edge) bool { return e.To.Kind() != InitiatorPort })
}

// initiator goes from a host's port through its fabric to the target ports that it has sessions with, for one unit or for all.
func (w *storageWalker) initiator(n Node, hops []Hop, unit Node) {
	if s := n.Text(AttrState); s != "" && s != "online" && s != "up" {
		hops[len(hops)-1].Fault = "port is " + s
	}
	sessions := n.Out(Nexus)
	found := false
	for _, s := range sessions {
		for _, x := range s.To.Out(Exports) {
			if unit.IsZero() || x.To == unit {
				found = true
				w.end(append(slices.Clip(hops), step(s, s.To, 0, false), step(x, x.To, 0, false)), "")
			}
		}
	}
	if found {
		return
	}
	if login, ok := n.First(LoggedIn); ok {
		w.end(append(slices.Clip(hops), Hop{Node: login, Rel: LoggedIn}), "zones and target ports of the fabric are not known: collect its switches and the array")
		return
	}
	fabric := n.Text(AttrFabricWWN)
	switch {
	case strings.Trim(strings.ReplaceAll(fabric, ":", ""), "f0") != "":
		w.end(hops, "logged in to fabric "+fabric+": collect a switch of that fabric and the array to see zones and masking")
	case n.Text(AttrWWPN) != "":
		w.end(hops, "no fabric login of "+n.Key().ID+" is known: collect the FC switch at its other end")
	default:
		w.end(hops, "no session of "+n.Key().ID+" is known: collect the array, or the host by SSH")
	}
}
