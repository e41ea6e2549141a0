package reconcile

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// term is one word by which others can mean a device or an interface.
type term struct {
	form termForm
	num  uint64
	text string
}

type termForm uint8

const (
	byChassis termForm = iota + 1 // "mac/…", and bridge addresses in the same form
	byName                        // lower case
	byShort                       // of those that have a domain: what is before it
	byAddress                     // of interfaces, and management addresses of devices
	byMAC                         // of interfaces
)

func chassisTerm(id string) term    { return term{form: byChassis, text: id} }
func nameTerm(name string) term     { return term{form: byName, text: name} }
func shortTerm(name string) term    { return term{form: byShort, text: name} }
func macTerm(m topology.MAC) term   { return term{form: byMAC, num: uint64(m)} }
func addressTerm(a netip.Addr) term { return term{form: byAddress, text: a.String()} }

func addTerm(terms []term, t term) []term {
	if slices.Contains(terms, t) {
		return terms
	}
	return append(terms, t)
}

// everybodys reports whether an address means nobody in particular.
func everybodys(a netip.Addr) bool {
	return a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast()
}

// deviceTerms are the words for a device.
func deviceTerms(n topology.Node) []term {
	var terms []term
	if v, ok := n.Value(topology.AttrChassisID); ok {
		terms = addTerm(terms, chassisTerm(v.String()))
	}
	if v, ok := n.Value(topology.AttrBridgeMAC); ok {
		terms = addTerm(terms, chassisTerm("mac/"+v.String()))
	}
	for _, a := range []topology.Attr{topology.AttrSysName, topology.AttrName} {
		name := strings.ToLower(n.Text(a))
		if name == "" {
			continue
		}
		terms = addTerm(terms, nameTerm(name))
		if short, ok := shortName(name); ok {
			terms = addTerm(terms, shortTerm(short))
		}
	}
	for _, v := range n.Values(topology.AttrMgmtAddress) {
		if a := v.Addr(); !everybodys(a) {
			terms = addTerm(terms, addressTerm(a))
		}
	}
	return terms
}

// interfaceTerms are the words for an interface.
func interfaceTerms(n topology.Node) []term {
	var terms []term
	if v, ok := n.Value(topology.AttrMAC); ok && v.MAC().Usable() {
		terms = append(terms, macTerm(v.MAC()))
	}
	for _, a := range []topology.Attr{topology.AttrAddress, topology.AttrUnnumbered} {
		for _, v := range n.Values(a) {
			if a := v.Addr(); !everybodys(a) {
				terms = addTerm(terms, addressTerm(a))
			}
		}
	}
	return terms
}

// wantedTerms are all words of a neighbour by which identify may look for somebody.
func wantedTerms(n topology.Node) []term {
	chassis := n.Text(topology.AttrNeighborChassis)
	terms := []term{chassisTerm(chassis)}
	subtype, value, _ := strings.Cut(chassis, "/")
	switch subtype {
	case "mac":
		if m, err := topology.ParseMAC(value); err == nil {
			terms = addTerm(terms, macTerm(m))
		}
	case "address":
		if a, err := netip.ParseAddr(value); err == nil {
			terms = addTerm(terms, addressTerm(a))
		}
	}
	for _, name := range []string{n.Text(topology.AttrSysName), value} {
		if name = strings.ToLower(name); name == "" {
			continue
		}
		terms = addTerm(addTerm(terms, nameTerm(name)), shortTerm(name))
		if short, qualified := shortName(name); qualified {
			terms = addTerm(terms, nameTerm(short))
		}
	}
	for _, v := range n.Values(topology.AttrMgmtAddress) {
		terms = addTerm(terms, addressTerm(v.Addr()))
	}
	return terms
}

// shortName gives a host name without its domain, if it has one.
func shortName(name string) (string, bool) {
	if _, err := netip.ParseAddr(name); err == nil {
		return "", false
	}
	short, _, qualified := strings.Cut(name, ".")
	return short, qualified && short != ""
}
