package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// words gathers what one answer states.
type statements struct{ facts []topology.Fact }

func (w *statements) set(k topology.Key, a topology.Attr, v topology.Value) {
	w.facts = append(w.facts, topology.Attribute(k, a, v))
}

// text states a text unless it is empty.
func (w *statements) text(k topology.Key, a topology.Attr, text string) {
	if text != "" {
		w.set(k, a, topology.TextValue(text))
	}
}

func (w *statements) relate(from topology.Key, r topology.Rel, to topology.Key) {
	w.facts = append(w.facts, topology.Relate(from, r, to))
}

// likely states a relation that is configured, and that need not be in force: as a row of ifStackTable that is not active.
func (w *statements) likely(from topology.Key, r topology.Rel, to topology.Key) {
	f := topology.Relate(from, r, to)
	f.Confidence = configured
	w.facts = append(w.facts, f)
}

const configured = 20

// once leaves out what is stated again.
func (w *statements) once() []topology.Fact {
	seen := make(map[topology.Fact]bool, len(w.facts))
	return slices.DeleteFunc(w.facts, func(f topology.Fact) bool {
		twice := seen[f.Identity()]
		seen[f.Identity()] = true
		return twice
	})
}

// Facts is what the configuration states.
func (c *Config) Facts() []topology.Fact {
	var w statements
	w.text(c.device, topology.AttrSysName, c.name)
	w.text(c.device, topology.AttrVersion, c.version)
	for _, family := range c.routed {
		w.text(c.device, topology.AttrForwarding, family)
	}
	for _, rule := range c.localRule {
		w.text(c.device, topology.AttrPolicyRule, rule)
	}
	c.tellVLANs(&w)
	for _, name := range c.vrfs {
		k := topology.PartKey(topology.VRF, c.device, name)
		w.relate(c.device, topology.Contains, k)
		w.text(k, topology.AttrName, name)
	}
	for _, f := range c.faceOrder {
		c.tellFace(&w, f)
	}
	for _, s := range c.static {
		c.tellStatic(&w, s)
	}
	for _, f := range c.Filters {
		c.tellFilter(&w, f)
	}
	for k, lines := range c.unparsed {
		for _, l := range lines {
			w.text(k, topology.AttrUnparsed, l)
		}
	}
	facts := w.once()
	slices.SortStableFunc(facts, func(a, b topology.Fact) int { return a.Subject.Compare(b.Subject) })
	return facts
}

func (c *Config) tellVLANs(w *statements) {
	for _, vid := range c.vlanSet.All() {
		v, k := c.vlans[vid], vlanKey(c.device, vid)
		if !c.bridges(vid) {
			continue
		}
		w.relate(c.device, topology.Contains, k)
		w.set(k, topology.AttrVID, topology.IntValue(vid))
		w.text(k, topology.AttrName, v.name)
		w.text(k, topology.AttrState, v.state)
		if v.vni != 0 {
			w.set(k, topology.AttrVNI, topology.IntValue(v.vni))
		}
	}
}

// bridges tells whether the configuration has a VLAN.
func (c *Config) bridges(vid topology.VID) bool { return c.vlans[vid] != nil && !c.vlans[vid].unsaid }

func (c *Config) tellFace(w *statements, f *face) {
	k := f.key
	w.relate(c.device, topology.Contains, k)
	w.text(k, topology.AttrIfName, f.name)
	w.text(k, topology.AttrIfDescr, f.said)
	w.text(k, topology.AttrIfAlias, f.description)
	if f.admin == "" && !c.dialect.down {
		f.admin = "up"
	}
	w.text(k, topology.AttrAdminState, f.admin)
	if f.mtu > 0 {
		w.set(k, topology.AttrMTU, topology.IntValue(f.mtu))
	}
	for _, p := range f.addresses {
		w.set(k, topology.AttrAddress, topology.PrefixValue(p))
	}
	for _, a := range f.virtual {
		w.set(k, topology.AttrVirtualAddress, topology.AddrValue(a))
	}
	if from := c.faces[f.unnumbered]; from != nil {
		for _, p := range from.addresses {
			w.set(k, topology.AttrUnnumbered, topology.AddrValue(p.Addr()))
		}
	}
	if f.vrf != "" {
		vrf := topology.PartKey(topology.VRF, c.device, f.vrf)
		w.relate(c.device, topology.Contains, vrf)
		w.text(vrf, topology.AttrName, f.vrf)
		w.relate(k, topology.InVRF, vrf)
	}
	for _, rule := range f.rules {
		w.text(k, topology.AttrPolicyRule, rule)
	}
	if f.isolated {
		w.text(k, topology.AttrPortLimit, "isolated")
	}
	if f.distributed {
		w.set(k, topology.AttrDistributed, topology.BoolValue(true))
	}
	if from := c.faces[f.vtep]; from != nil {
		for _, p := range from.addresses {
			w.set(k, topology.AttrVTEP, topology.AddrValue(p.Addr()))
			break // the first is the interface's own, the others are secondary
		}
	}
	c.tellLayers(w, f)
}

// tellLayers states what an interface lies on, and the VLANs of a bridge port.
func (c *Config) tellLayers(w *statements, f *face) {
	k := f.key
	if vid, ok := f.svi(); ok {
		w.set(k, topology.AttrVID, topology.IntValue(vid))
		if c.bridges(vid) {
			w.relate(k, topology.SupportedBy, vlanKey(c.device, vid))
		}
	}
	if m := subName.FindStringSubmatch(f.said); m != nil && c.faces[m[1]] != nil {
		w.relate(k, topology.SupportedBy, c.faces[m[1]].key)
	}
	if f.vid != 0 {
		w.set(k, topology.AttrVID, topology.IntValue(f.vid))
	}
	if lag := c.faces[c.dialect.lagName(f.lag)]; f.lag != "" && lag != nil {
		if f.lacp {
			w.likely(lag.key, topology.SupportedBy, k)
			w.text(lag.key, topology.AttrLAGMode, "802.3ad")
		} else {
			w.relate(lag.key, topology.SupportedBy, k)
		}
	}
	if !f.bridge || f.lag != "" {
		return // the VLANs of a member are those of its aggregate
	}
	if pvid, tagged, untagged, known := c.member(f); known {
		w.set(k, topology.AttrPVID, topology.IntValue(pvid))
		w.set(k, topology.AttrTagged, topology.VIDsValue(tagged))
		w.set(k, topology.AttrUntagged, topology.VIDsValue(untagged))
	}
}

// configuredTable is the table of routes that are configured. Which of them are used, the forwarding table says: they are in no table that packets meet.
const configuredTable = "configured"

func (c *Config) tellStatic(w *statements, s staticRoute) {
	table, towards := configuredTable, s.face
	if s.vrf != "" {
		table += " " + s.vrf
	}
	if s.nextHop.IsValid() {
		towards = s.nextHop.String()
	}
	k := topology.PartKey(topology.Route, c.device, table, s.prefix.String(), inDialect(c.dialect.name, towards))
	w.relate(c.device, topology.Contains, k)
	w.set(k, topology.AttrPrefix, topology.PrefixValue(s.prefix))
	if s.nextHop.IsValid() {
		w.set(k, topology.AttrNextHop, topology.AddrValue(s.nextHop))
	}
	w.text(k, topology.AttrProtocol, "static")
	switch via := c.faces[s.face]; {
	case s.drop:
		w.text(k, topology.AttrState, "blackhole")
	case via != nil:
		w.relate(k, topology.RoutesVia, via.key)
	}
}

// tellFilter states a filter whole, and where it is attached.
func (c *Config) tellFilter(w *statements, f *policy.Filter) {
	k := topology.PartKey(topology.Filter, c.device, f.Name)
	rules := f.Encode()
	sum := sha256.Sum256([]byte(rules))
	w.relate(c.device, topology.Contains, k)
	w.text(k, topology.AttrName, f.Name)
	w.text(k, topology.AttrDialect, f.Dialect)
	w.text(k, topology.AttrDigest, hex.EncodeToString(sum[:]))
	w.text(k, topology.AttrRules, rules)
	for _, a := range f.Attached {
		at := slices.IndexFunc(c.faceOrder, func(f *face) bool { return f.name == a.Interface })
		switch {
		case at >= 0:
			w.relate(k, topology.AppliesTo, c.faceOrder[at].key)
		case a.VLANs != "":
			set, _ := topology.ParseVIDSet(a.VLANs)
			for _, vid := range set.All() {
				if c.bridges(vid) {
					w.relate(k, topology.AppliesTo, vlanKey(c.device, vid))
				}
			}
			w.relate(k, topology.AppliesTo, c.device)
		default:
			w.relate(k, topology.AppliesTo, c.device)
		}
	}
	if f.Missing != "" {
		place := ""
		if len(f.Attached) > 0 {
			place = f.Attached[0].Place.String() + ": "
		}
		w.text(k, topology.AttrUnparsed, strings.TrimSpace(place+f.Missing))
	}
}
