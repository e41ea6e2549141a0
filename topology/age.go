package topology

import (
	"maps"
	"slices"
	"time"
)

// AgeLimits says how old a reading may be before its facts are stale. Stale facts are shown, and count as unknown.
type AgeLimits struct {
	Default time.Duration            // for tables not named; 0: DefaultAgeLimit
	Tables  map[string]time.Duration // by ReadingKey.Table
}

// DefaultAgeLimit is three sweeps of five minutes.
const DefaultAgeLimit = 15 * time.Minute

// For gives the limit of a table.
func (l AgeLimits) For(table string) time.Duration {
	if d, ok := l.Tables[table]; ok {
		return d
	}
	if l.Default > 0 {
		return l.Default
	}
	return DefaultAgeLimit
}

// Stale reports whether the reading is older than its limit at the given time.
func (l AgeLimits) Stale(r Reading, now time.Time) bool { return now.Sub(r.Time) > l.For(r.Table) }

// StaleReadings lists the readings that are stale at the given time, in canonical order.
func (s *Snapshot) StaleReadings(limits AgeLimits, now time.Time) []Reading {
	return slices.DeleteFunc(s.Readings(), func(r Reading) bool { return !limits.Stale(r, now) })
}

// ConflictKind says in what way facts disagree.
type ConflictKind string

// The kinds of conflict.
const (
	ConflictValue      ConflictKind = "value"      // two values of a single-valued attribute
	ConflictRelation   ConflictKind = "relation"   // two objects of a single relation, or two cables in one port
	ConflictIdentifier ConflictKind = "identifier" // one identifier, several nodes
)

// Conflict is a disagreement that is kept and shown, not resolved away. Facts are all that take part, the believed one first (for an
// identifier: none is).
type Conflict struct {
	Kind  ConflictKind
	Facts []Fact
}

// Conflicts lists the disagreements in canonical order: what the merged view hides.
func (s *Snapshot) Conflicts() []Conflict {
	var cs []Conflict
	shared := map[sharedID][]Fact{}
	for n := range s.Nodes() {
		cs = append(cs, n.Conflicts()...)
		for f := range n.Facts() {
			if f.Attr.identifiesNode(f.Subject.Kind, f.Value) {
				id := sharedID{f.Subject.Kind, f.Attr, f.Value}
				if !slices.ContainsFunc(shared[id], func(o Fact) bool { return o.Subject == f.Subject }) {
					shared[id] = append(shared[id], f)
				}
			}
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(shared), sharedID.compare) {
		if len(shared[id]) > 1 {
			cs = append(cs, Conflict{ConflictIdentifier, shared[id]})
		}
	}
	return cs
}

type sharedID struct {
	kind  Kind
	attr  Attr
	value Value
}

func (a sharedID) compare(b sharedID) int {
	if a.kind != b.kind {
		return int(a.kind) - int(b.kind)
	}
	if a.attr != b.attr {
		return int(a.attr) - int(b.attr)
	}
	return a.value.Compare(b.value)
}

// identifiesNode tells which values may belong to one node only: the identifying attributes, and the MAC of a vNIC. Interfaces of one
// device share MACs as a matter of course.
func (a Attr) identifiesNode(kind Kind, v Value) bool {
	return a.Identifies() || a == AttrMAC && kind == VNIC && v.MAC().Usable()
}

// Conflicts lists the disagreements about one node, but for those about identifiers that other nodes have, too.
func (n Node) Conflicts() []Conflict {
	var cs []Conflict
	if len(n.Values(AttrHandle)) > 1 && n.Kind().Device() {
		// One box listed twice, or two that tell one identifier: an operator must say which.
		facts := n.factsOf(AttrHandle)
		slices.SortFunc(facts, func(a, b Fact) int { return a.Value.Compare(b.Value) })
		facts = slices.CompactFunc(facts, func(a, b Fact) bool { return a.Value == b.Value })
		cs = append(cs, Conflict{ConflictIdentifier, facts})
	}
	for _, a := range attrsOf(n) {
		if !a.Multi() && disagree(a, n.Values(a)) {
			cs = append(cs, Conflict{ConflictValue, n.factsOf(a)})
		}
	}
	for _, r := range relsOf(n) {
		if !relations[r].Single {
			continue
		}
		if claims := n.Claims(r); len(claims) > 1 {
			cs = append(cs, Conflict{ConflictRelation, edgeFacts(claims)})
		}
	}
	// What is known of an aggregate as a whole may be several cables.
	if links := append(n.Claims(Link), n.incomingClaims(Link)...); len(links) > 1 && n.Kind() != LAG {
		slices.SortStableFunc(links, func(a, b Edge) int { return int(b.Confidence) - int(a.Confidence) })
		cs = append(cs, Conflict{ConflictRelation, edgeFacts(links)})
	}
	return cs
}

// disagree tells whether values contradict each other, of which the first is believed. ethernetCsmacd(6) does not contradict a better word: net-snmp says it of
// everything that frames as Ethernet, a bridge, a tap or a VLAN, too.
func disagree(a Attr, values []Value) bool {
	const ethernet = 6
	if a == AttrIfType && len(values) > 0 && values[0].Int() != ethernet {
		values = slices.DeleteFunc(slices.Clone(values), func(v Value) bool { return v.Int() == ethernet })
	}
	return len(values) > 1
}

func (n Node) factsOf(a Attr) []Fact {
	var fs []Fact
	for f := range n.Facts() {
		if f.Attr == a && f.Rel == 0 {
			fs = append(fs, f)
		}
	}
	return fs
}

func edgeFacts(es []Edge) []Fact {
	fs := make([]Fact, len(es))
	for i, e := range es {
		fs[i] = e.Fact()
	}
	return fs
}
