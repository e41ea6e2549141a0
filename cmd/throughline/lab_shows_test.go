//go:build linux

package main

import (
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/fixtures/lab"
	"github.com/throughline-dc/throughline/topology"
)

// shown reports whether a graph says what a break declares.
func shown(g *topology.Snapshot, s lab.Show) bool {
	if s.Unread != "" {
		return slices.ContainsFunc(g.Readings(), func(r topology.Reading) bool {
			return r.Device == s.Device && r.Source.String() == s.Unread && r.Partial
		})
	}
	kinds := []topology.Kind{s.Kind}
	if s.Kind == topology.Port { // a host's may be known as its card, and several as one
		kinds = append(kinds, topology.NIC, topology.LAG)
	}
	said := false
	for n := range g.Nodes(kinds...) {
		said = said || about(n, s) && says(n, s)
	}
	return said != s.Gone
}

// about reports whether a node is what is shown: of that name on that device, or of those that apply to it.
func about(n topology.Node, s lab.Show) bool {
	if n.Kind() == topology.FilterText {
		return slices.ContainsFunc(slices.Collect(n.Objects(topology.AppliesTo)), func(d topology.Node) bool { return d.Name() == s.Device })
	}
	owner, ok := n.Owner()
	switch {
	case n.Kind() == topology.Mapping: // by the target that it is about
		return owner.Name() == s.Device && slices.ContainsFunc(slices.Collect(n.Objects(topology.MapsTarget)), func(t topology.Node) bool {
			return strings.HasPrefix(t.Key().ID, s.Object+",")
		})
	case n.Kind().Device():
		return n.Name() == s.Device
	case !ok || owner.Name() != s.Device:
		return false
	case n.Kind() == topology.Route:
		return n.Text(topology.AttrPrefix) == s.Object
	}
	return n.Name() == s.Object
}

func says(n topology.Node, s lab.Show) bool {
	if s.Attr != 0 {
		return slices.ContainsFunc(n.Values(s.Attr), func(v topology.Value) bool {
			text := v.String()
			if v.Type() == topology.TypeVIDs {
				text = words(v)
			}
			return text == s.Value || s.Part && strings.Contains(text, s.Value)
		})
	}
	for _, peer := range n.Peers(s.Rel) {
		if labPort(peer) == s.To || peer.Key().ID == s.To {
			return true
		}
	}
	for neighbor := range n.Objects(s.Rel) { // a neighbour is the interface that it was identified as
		for port := range neighbor.Objects(topology.IdentifiedAs) {
			if labPort(port) == s.To {
				return true
			}
		}
	}
	return false
}
