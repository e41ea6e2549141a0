package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The library decodes into structs up to the first error. People want all errors at once, so its tree is walked here.

const (
	maxSize  = 16 << 20 // octets of an inventory; 10,000 devices take 2
	maxDepth = 16       // of nesting; the inventory has 6 levels
)

// form is what a file is: an inventory, or a policy.
type form struct {
	name    string // "inventory"
	keys    []string
	instead string // of references
}

// parse gives the top of the document, nil with findings if there is none to look at.
func parse(f *findings, text []byte, is form) *object {
	if len(text) > maxSize {
		f.add(place{}, "", "longer than %d octets", maxSize)
		return nil
	}
	tokens := lexer.Tokenize(string(text))
	if !plain(f, tokens, is.instead) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, cause := place{1, 1}, "not YAML"
		var yamlErr yaml.Error
		if errors.As(err, &yamlErr) {
			cause += ": " + yamlErr.GetMessage() // its Error would quote the lines around it
			if t := yamlErr.GetToken(); t != nil && t.Position != nil {
				at = place{t.Position.Line, t.Position.Column}
			}
		}
		f.add(at, "", "%s", cause)
		return nil
	}
	var bodies []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil {
			bodies = append(bodies, d.Body)
		}
	}
	switch {
	case len(bodies) == 0:
		f.add(place{1, 1}, "it begins with version: 1", "the %s is empty", is.name)
		return nil
	case len(bodies) > 1:
		f.add(placeOf(bodies[1]), "one file is one document", "a second YAML document")
	}
	top := newObject(f, bodies[0], "the "+is.name, is.keys...)
	top.version(is.name)
	return top
}

// version refuses a file of another format.
func (o *object) version(name string) {
	switch {
	case o == nil:
	case !o.has("version"):
		o.add(o.at, fmt.Sprintf("begin with version: %d", Version), "the %s does not say its version", name)
	case o.number("version", 1, 1<<30) > Version:
		o.add(o.valueAt("version"), "", "this program reads version %d", Version)
	}
}

func topKeys() []string {
	return []string{"version", "identity", "credentials", "defaults", "limits", "exclude", "devices", "links"}
}

// plain refuses what an inventory has no use for and what costs the parser more than its length: references, tags, deep nesting.
func plain(f *findings, tokens token.Tokens, instead string) bool {
	depth, onLine, line := 0, 0, 0
	for _, t := range tokens {
		at := place{t.Position.Line, t.Position.Column}
		if at.line != line {
			line, onLine = at.line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			f.add(at, instead, "anchors, aliases and merge keys are not supported")
		case token.TagType, token.DirectiveType, token.MappingKeyType:
			f.add(at, "", "tags, directives and complex keys are not supported")
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			onLine++
		default:
		}
		if depth > maxDepth || onLine > maxDepth || indent(t) > 1000 {
			f.add(at, "", "nested too deeply")
			return false
		}
	}
	return len(f.list) == 0
}

// indent gives the column of what begins a line.
func indent(t *token.Token) int {
	if t.Prev != nil && t.Prev.Position.Line == t.Position.Line {
		return 0
	}
	return t.Position.Column
}

func placeOf(n ast.Node) place {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return placeOf(n.Values[0])
		}
	case *ast.MappingValueNode:
		return placeOf(n.Key)
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{t.Position.Line, t.Position.Column}
}

// object is a mapping whose keys are known. The methods of a nil object find nothing and report nothing.
type object struct {
	*findings
	at     place
	values map[string]ast.Node
	places map[string]place // of the keys
}

// newObject takes a mapping apart and reports keys that are unknown or given twice. Without known keys, every name is one.
func newObject(f *findings, n ast.Node, what string, known ...string) *object {
	entries, ok := entriesOf(n)
	if !ok {
		f.add(placeOf(n), "", "%s must be keys and values", what)
		return nil
	}
	o := &object{findings: f, at: placeOf(n), values: map[string]ast.Node{}, places: map[string]place{}}
	for _, e := range entries {
		at := placeOf(e)
		key, ok := textOf(e.Key)
		switch {
		case !ok || !nameLike(key):
			f.add(at, "letters, digits, dots, underscores and hyphens", "not a key of %s", what)
			continue
		case len(known) > 0 && !slices.Contains(known, key):
			hint := "known are " + strings.Join(known, ", ")
			if word := nearest(key, known); word != "" {
				hint = fmt.Sprintf("did you mean %q?", word)
			}
			f.add(at, hint, "unknown key %q in %s", key, what)
			continue
		}
		if first, twice := o.places[key]; twice {
			f.add(at, "", "%q is given twice in %s, first in line %d", key, what, first.line)
			continue
		}
		o.places[key] = at
		if _, null := e.Value.(*ast.NullNode); null {
			f.add(at, "leave the key out, or give it a value", "%q has no value", key)
			continue
		}
		o.values[key] = e.Value
	}
	return o
}

func entriesOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// textOf gives a scalar as it is written; words that YAML takes for something else are none.
func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode:
		return n.Token.Value, true
	case *ast.FloatNode:
		return n.Token.Value, true
	}
	return "", false
}

func nameLike(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(s, ".") != "" && strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' && r != '_' && r != '-'
	}) < 0
}

func (o *object) has(key string) bool {
	if o == nil {
		return false
	}
	_, ok := o.places[key]
	return ok
}

// of gives the place of a key, or where the object begins if it has no such key.
func (o *object) of(key string) place {
	if o == nil {
		return place{1, 1}
	}
	if at, ok := o.places[key]; ok {
		return at
	}
	return o.at
}

// valueAt gives the place of a key's value.
func (o *object) valueAt(key string) place {
	if o == nil || o.values[key] == nil {
		return o.of(key)
	}
	return placeOf(o.values[key])
}

// text gives a value as text, "" if it is not there.
func (o *object) text(key string) string {
	if o == nil || o.values[key] == nil {
		return ""
	}
	s, ok := textOf(o.values[key])
	if !ok || s == "" {
		o.add(o.valueAt(key), "put it in quotes if it is meant as text", "%q must be text", key)
		return ""
	}
	return s
}

// printable gives a value as text of one line.
func (o *object) printable(key string) string {
	s := o.text(key)
	if strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) >= 0 {
		o.add(o.valueAt(key), "", "%q holds control characters", key)
		return ""
	}
	return s
}

// flag gives a truth value.
func (o *object) flag(key string) bool {
	if o == nil || o.values[key] == nil {
		return false
	}
	b, ok := o.values[key].(*ast.BoolNode)
	if !ok {
		o.add(o.valueAt(key), "", "%q must be true or false", key)
		return false
	}
	return b.Value
}

// number gives a decimal integer within limits, 0 if it is not there.
func (o *object) number(key string, least, most int) int {
	if o == nil || o.values[key] == nil {
		return 0
	}
	s, _ := textOf(o.values[key])
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		o.add(o.valueAt(key), "", "%q must be a number from %d to %d", key, least, most)
		return 0
	}
	return n
}

// duration gives a length of time within limits, 0 if it is not there.
func (o *object) duration(key string, least, most time.Duration) time.Duration {
	if o == nil || o.values[key] == nil {
		return 0
	}
	s, _ := textOf(o.values[key])
	d, err := parseDuration(s)
	if err != nil || d < least || d > most {
		o.add(o.valueAt(key), "such as 500ms, 5s, 15m, 36h or 30d", "%q must be a time from %s to %s", key, short(least), short(most))
		return 0
	}
	return d
}

// parseDuration reads what time.ParseDuration reads, and whole days.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

// short prints a duration without the zero units at its end.
func short(d time.Duration) string {
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// object gives the mapping at a key, nil if it is not there.
func (o *object) object(key, what string, known ...string) *object {
	if o == nil || o.values[key] == nil {
		return nil
	}
	return newObject(o.findings, o.values[key], what, known...)
}

// items gives the elements of the list at a key.
func (o *object) items(key string) []ast.Node {
	if o == nil || o.values[key] == nil {
		return nil
	}
	list, ok := o.values[key].(*ast.SequenceNode)
	if !ok {
		o.add(o.valueAt(key), "each element begins with a hyphen", "%q must be a list", key)
		return nil
	}
	return list.Values
}
