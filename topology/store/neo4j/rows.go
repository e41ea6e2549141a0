package neo4j

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/throughline-dc/throughline/topology"
)

// row is the properties of one node or relation, or the parameters of one line of an UNWIND.
type row = map[string]any

// Properties that are no attributes.
const (
	propID    = "id"
	propName  = "name"
	propFacts = "_facts"
	propWhole = "_id"
)

// longest is how many octets of a text are indexed; Neo4j refuses more than about 8,000 in an index.
const longest = 4000

// ident makes an ID fit for an index. What it shortens gets longer than what it leaves alone, so that no two IDs become one unless SHA-256 breaks.
func ident(id string) string {
	if len(id) <= longest {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return clip(id) + "…sha256:" + hex.EncodeToString(sum[:])
}

// clip cuts a text to about longest octets, between two characters.
func clip(text string) string {
	if len(text) <= longest {
		return text
	}
	n := longest
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// nodeProps gives all properties of a node.
func nodeProps(n topology.Node) row {
	key := n.Key()
	p := row{propID: ident(key.ID)}
	if p[propID] != key.ID {
		p[propWhole] = key.ID
	}
	last := topology.Attr(0)
	for f := range n.Facts() { // attributes come first, in order, the believed value of each before others
		if f.Rel != 0 {
			break
		}
		if f.Attr == last {
			continue
		}
		last = f.Attr
		if f.Attr.Multi() {
			p[f.Attr.String()] = list(f.Attr.Type(), n.Values(f.Attr))
		} else {
			p[f.Attr.String()] = plain(f.Value)
		}
	}
	p[propName] = clip(n.Name())
	p[propFacts] = factLines(n)
	return p
}

// plain gives a value as Neo4j knows it.
func plain(v topology.Value) any {
	switch v.Type() {
	case topology.TypeInt:
		return v.Int()
	case topology.TypeBool:
		return v.Bool()
	default:
		return v.String()
	}
}

func list(typ topology.ValueType, vs []topology.Value) any {
	switch typ {
	case topology.TypeInt:
		ns := make([]int64, len(vs))
		for i, v := range vs {
			ns[i] = v.Int()
		}
		return ns
	default:
		texts := make([]string, len(vs))
		for i, v := range vs {
			texts[i] = v.String()
		}
		return texts
	}
}

// edgeProps gives all properties of a relation: its provenance.
func edgeProps(e topology.Edge) row {
	p := row{
		"source": e.Reading.Source.String(), "device": e.Reading.Device, "table": e.Reading.Table,
		"confidence": int64(e.Confidence), "derived": e.Derived,
	}
	if e.Reading.Command != "" {
		p["command"] = e.Reading.Command
	}
	if e.Reading.Partial {
		p["partial"] = true
	}
	if !e.Since.IsZero() {
		p["firstSeen"] = e.Since
	}
	return p
}

func readingProps(r topology.Reading) row {
	return row{
		"key": ident(readingKey(r.ReadingKey)), "device": r.Device, "source": r.Source.String(), "table": r.Table, "partial": r.Partial,
		"command": r.Command, "time": r.Time, "rows": int64(r.Rows), "reason": r.Reason,
	}
}

// sameFacts tells whether two views of a node say the same, so that its properties are the same.
func sameFacts(x, y topology.Node) bool {
	if x.IsZero() || y.IsZero() {
		return x.IsZero() == y.IsZero()
	}
	return slices.Equal(slices.Collect(x.Facts()), slices.Collect(y.Facts()))
}

// sameEdge tells whether two views of a relation have the same properties.
func sameEdge(x, y topology.Edge) bool {
	return x.Reading.ReadingKey == y.Reading.ReadingKey && x.Reading.Command == y.Reading.Command && x.Confidence == y.Confidence &&
		x.Derived == y.Derived && x.Since.Equal(y.Since)
}

// sameProps compares properties that a server sent with those that it should have.
func sameProps(got, want row) bool {
	if len(got) != len(want) {
		return false
	}
	for name, w := range want {
		if g, ok := got[name]; !ok || !sameProp(g, w) {
			return false
		}
	}
	return true
}

func sameProp(got, want any) bool {
	switch w := want.(type) {
	case []string:
		return sameList(got, w)
	case []int64:
		return sameList(got, w)
	case time.Time:
		g, ok := got.(time.Time)
		return ok && g.Equal(w)
	default:
		return got == want
	}
}

func sameList[T comparable](got any, want []T) bool {
	g, ok := got.([]any)
	return ok && slices.EqualFunc(g, want, func(x any, y T) bool { return x == any(y) })
}

// relsOf lists the relations that a node is the subject of, in order.
func relsOf(nodes ...topology.Node) []topology.Rel {
	var rels []topology.Rel
	for _, n := range nodes {
		for f := range n.Facts() {
			if f.Rel != 0 && (len(rels) == 0 || rels[len(rels)-1] != f.Rel) {
				rels = append(rels, f.Rel)
			}
		}
	}
	slices.Sort(rels)
	return slices.Compact(rels)
}
