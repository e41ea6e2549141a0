package planner

import (
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// Selector names nodes by patterns of path.Match on names ("web-*"), and where they have a colon, on keys ("vm:6f…", "host:r01-*"), or by the prefix that an address of
// theirs is in. "*" and none at all: all.
type Selector []string

// Has tells whether a node is one of those that are named.
func (s Selector) Has(n topology.Node) bool {
	for _, pattern := range s {
		if named(pattern, n) {
			return true
		}
	}
	return len(s) == 0
}

// Pattern tells whether a text is a pattern at all.
func Pattern(text string) bool {
	_, err := path.Match(text, "")
	return err == nil && text != ""
}

func named(pattern string, n topology.Node) bool {
	if pattern == "*" { // names with a slash, too
		return true
	}
	if prefix, err := netip.ParsePrefix(pattern); err == nil {
		for _, e := range reach.Endpoints(n) {
			if prefix.Contains(e.Addr) {
				return true
			}
		}
		return false
	}
	return slices.ContainsFunc(answersTo(n, strings.Contains(pattern, ":")), func(name string) bool {
		is, err := path.Match(pattern, name)
		return err == nil && is
	})
}

// answersTo is what a node is called. A pattern without a colon is meant for names: "v*" would be every key of a VM.
func answersTo(n topology.Node, keys bool) []string {
	if !keys {
		return []string{n.Name()}
	}
	return []string{n.Name(), n.Key().ID, n.Key().String()}
}

// byAddress tells whether a pattern is a prefix, and if so, whether the node has an address at all: of one that has none it is not known whether it is in there.
func byAddress(pattern string, n topology.Node) (addressed, is bool) {
	_, err := netip.ParsePrefix(pattern)
	return err == nil && len(reach.Endpoints(n)) > 0, err == nil
}

// unsure tells whether a node may be one of those that are named, were its address known.
func (s Selector) unsure(n topology.Node) bool {
	return slices.ContainsFunc(s, func(pattern string) bool {
		addressed, is := byAddress(pattern, n)
		return is && !addressed
	})
}
