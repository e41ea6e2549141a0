package reach

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// stand is all that decides how frames of a vNIC get on, but for who it is: what it plugs into, and all that is said of it beside its names and addresses. Of vNICs with one
// stand ways are the same, and so are the filters on them, unless these ask for addresses of frames, or for the ports of a bridge by name.
type stand struct {
	text string
	own  bool // other things decide, too: it is shared with nobody

	at    *berth
	plugs []topology.Key // what frames come by up to the first cable
	gates map[policy.Family]gates
}

// gates is the gateways of a stand, or why none is known.
type gates struct {
	ends []topology.Key
	gap  string
}

// root is the network before all moves that n was made by: what no move touches, it remembers for all.
func (n *Network) root() *Network {
	for n.before != nil && n.waysLast {
		n = n.before
	}
	return n
}

// standOf finds the stand of a vNIC; nil: it is like no other one.
func (n *Network) standOf(vnic topology.Node) *stand {
	if vnic.Kind() != topology.VNIC {
		return nil
	}
	if old, same := n.untouched(vnic); same && n.waysLast {
		return n.before.standOf(old)
	}
	s, known := n.standing[vnic.Key()]
	if !known {
		if text, ok := n.standText(vnic); ok {
			s = n.root().standAs(text, func() bool { return slices.ContainsFunc(n.paths(vnic), func(p topology.Path) bool { return p.Own }) })
		}
		n.standing[vnic.Key()] = s
	}
	if s == nil || s.own {
		return nil
	}
	return s
}

const maxStands = 1 << 16 // that are remembered

// standAs gives the stand with a text. Own tells of a new one whether anything else decides.
func (n *Network) standAs(text string, own func() bool) *stand {
	s := n.stands[text]
	if s == nil {
		if len(n.stands) >= maxStands {
			clear(n.stands)
		}
		s = &stand{text: text, own: own()}
		n.stands[text] = s
	}
	return s
}

// standText words the stand of a vNIC. It is not ok where something is said of it that may make it differ from all others.
func (n *Network) standText(vnic topology.Node) (string, bool) {
	var b strings.Builder
	seen := topology.Attr(0)
	for f := range vnic.Facts() {
		switch {
		case f.Rel == topology.AttachedTo, f.Rel == topology.InSubnet: // looked at below
		case f.Rel != 0:
			return "", false
		case f.Attr == seen, slices.Contains(naming, f.Attr):
		default:
			seen = f.Attr
			fmt.Fprintf(&b, "%d=%v\n", f.Attr, vnic.Values(f.Attr))
		}
	}
	for f := range vnic.Mentions() {
		if f.Rel != topology.Contains {
			return "", false
		}
	}
	for _, p := range addressesOf(vnic) {
		fmt.Fprintf(&b, "in %v\n", p.Masked())
	}
	for _, e := range vnic.Out(topology.InSubnet) {
		fmt.Fprintf(&b, "subnet %v\n", e.To.Key())
	}
	fmt.Fprintf(&b, "old %s\n", n.oldHop(topology.Hop{Node: vnic}))
	plugs := vnic.Out(topology.AttachedTo)
	for _, e := range plugs {
		fmt.Fprintf(&b, "plug %v %d %s\n", e.To.Key(), e.Confidence, n.old(e.Reading))
	}
	if len(plugs) != 1 {
		return "", false
	}
	ok := tapText(&b, vnic, plugs[0].To) && vnic.Text(topology.AttrFilterRef) == ""
	return b.String(), ok
}

// tapText words the port of a bridge that a vNIC is behind. It is not ok where the port is in an aggregate.
func tapText(b *strings.Builder, vnic, plug topology.Node) bool {
	for {
		owner, ok := plug.Owner()
		if !ok {
			return true
		}
		if port, ok := topology.Tap(vnic, plug); ok {
			for _, a := range []topology.Attr{topology.AttrTPID, topology.AttrPortLimit, topology.AttrTagged, topology.AttrUntagged, topology.AttrPVID} {
				fmt.Fprintf(b, "tap %d=%v\n", a, port.Values(a))
			}
			return len(bundled(port)) == 1
		}
		plug = owner
	}
}

// naming is what tells vNICs of one stand apart.
var naming = []topology.Attr{topology.AttrMAC, topology.AttrAddress, topology.AttrUnnumbered, topology.AttrName, topology.AttrDeviceName} //nolint:gochecknoglobals // read-only table

// namesOf lists what tells a vNIC from others where something is said of it in words.
func namesOf(vnic topology.Node) []string {
	all := []string{vnic.Key().ID, vnic.Name(), nameOf(vnic)}
	for _, a := range []topology.Attr{topology.AttrMAC, topology.AttrName, topology.AttrDeviceName} {
		for _, v := range vnic.Values(a) {
			all = append(all, v.String())
		}
	}
	for _, p := range addressesOf(vnic) {
		all = append(all, p.Addr().String())
	}
	if vm, ok := vnic.Owner(); ok {
		all = append(all, vm.Name(), vm.Key().ID)
	}
	return all
}

// tells reports whether words are about one of some vNICs.
func tells(text string, vnics ...topology.Node) bool {
	return text != "" && slices.ContainsFunc(vnics, func(n topology.Node) bool {
		return n.Kind() == topology.VNIC && slices.ContainsFunc(namesOf(n), func(name string) bool { return name != "" && strings.Contains(text, name) })
	})
}

// endKey is an end of frames: a stand, or an interface that no move touches. A vNIC that is like no other one is none.
type endKey struct {
	stand *stand
	key   topology.Key
}

func (n *Network) endKey(end topology.Node) (endKey, bool) {
	if end.Kind() != topology.VNIC {
		return endKey{key: end.Key()}, true
	}
	s := n.standOf(end)
	return endKey{stand: s}, s != nil
}

// inCommon is the key of what ends share with all of their stands, before and after moves. It is not ok where they share nothing.
func (n *Network) inCommon(family policy.Family, inside bool, from, to topology.Node) (carriageKey, bool) {
	a, ok := n.endKey(from)
	b, also := n.endKey(to)
	return carriageKey{a, b, family, inside}, ok && also
}

// impersonal tells that steps would be the same for other vNICs of the stands of their ends: nothing that is said of them is about these, and no filter asks who they are.
func impersonal(steps []Step, from, to topology.Node) bool {
	return !slices.ContainsFunc(steps, func(s Step) bool {
		if s.Filter == nil {
			return tells(s.Doubt, from, to)
		}
		return tells(s.Doubt, from, to) || asks(s.Filter, s.filters, ofEnds) || s.at.named(from, to) && asks(s.Filter, s.filters, ofNames)
	})
}

func ofNames(f policy.Field) bool {
	return f == policy.InInterface || f == policy.OutInterface || f == policy.InPort || f == policy.OutPort
}

// named tells that one of the interfaces is one of some vNICs.
func (at *Context) named(vnics ...topology.Node) bool {
	return slices.ContainsFunc(vnics, func(n topology.Node) bool {
		return n.Kind() == topology.VNIC && slices.Contains([]string{at.In, at.Out, at.InPort, at.OutPort}, nameOf(n))
	})
}

// blurred takes from the circumstances of a filter what tells ends apart, if it asks for none of that.
func (s *Step) blurred(from, to topology.Node) {
	if s.Filter == nil {
		return
	}
	if !asks(s.Filter, s.filters, ofEnds) {
		s.at.SourceMAC, s.at.DestinationMAC = 0, 0
	}
	if !s.at.named(from, to) || asks(s.Filter, s.filters, ofNames) {
		return
	}
	for _, vnic := range []topology.Node{from, to} {
		for _, name := range []*string{&s.at.In, &s.at.Out, &s.at.InPort, &s.at.OutPort} {
			if vnic.Kind() == topology.VNIC && *name == nameOf(vnic) {
				*name = ""
			}
		}
	}
}
