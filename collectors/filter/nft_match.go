package filter

import (
	"errors"
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/topology/policy"
)

// errNotHeld says that the model does not hold what a match looks at, or not in this form.
var errNotHeld = errors.New("the model does not hold it")

// matches gives the ways in which a match holds. The error says that it is not understood.
func (r *nftRule) matches(op string, left, right any) ([]alternative, error) {
	if object, ok := left.(map[string]any); ok && object["concat"] != nil {
		return r.tuples(op, object["concat"], right)
	}
	k, err := r.key(left)
	if err != nil {
		return nil, err
	}
	switch op {
	case "==", "!=", "":
		return r.oneOf(k, op == "!=", right)
	case "in", "!":
		return k.anyBit(op == "!", right)
	}
	of, err := k.compare(op, right)
	return []alternative{{terms: append(slices.Clone(k.with), k.term(false, of))}}, err
}

// oneOf is the match "one of the values", or none of them.
func (r *nftRule) oneOf(k key, not bool, right any) ([]alternative, error) {
	values, changes, err := r.elements(right)
	if err != nil {
		return nil, err
	}
	if _, several := right.([]any); several && k.field == policy.ConnState {
		return nil, fmt.Errorf("several states at once: %w", errNotHeld)
	}
	t, a := k.term(not, nil), alternative{terms: slices.Clone(k.with), unsure: changes}
	for _, v := range values {
		v, unsure := element(v)
		if unsure != "" {
			a.unsure = unsure
		}
		if err := k.add(&t, v); err != nil {
			return nil, err
		}
	}
	switch {
	case a.unsure != "": // some of them, and others
	case k.outer && len(t.Of) > 0:
		terms, err := outerType(t)
		if err != nil {
			return nil, err
		}
		a.terms = append(a.terms, terms...)
	case len(t.Of)+len(t.Names) > 0:
		a.terms = append(a.terms, t)
	case !not:
		a.never = true
	}
	return []alternative{a}, nil
}

// outerType says of a term on the type of a frame what the model has: the type behind the tags, and the outer tag. A frame with a tag is of type 8100 or 88a8.
func outerType(t policy.Term) ([]policy.Term, error) {
	tags := 0
	for _, r := range t.Of {
		if r == policy.Is(0x8100) || r == policy.Is(0x88a8) {
			tags++
		}
	}
	none := policy.Term{Field: policy.VLANTag, Not: !t.Not, Of: []policy.Range{policy.Is(0)}}
	switch {
	case tags == len(t.Of):
		return []policy.Term{none}, nil
	case tags > 0 || t.Not:
		return nil, errNotHeld
	}
	none.Not = false
	return []policy.Term{t, none}, nil
}

// add adds a value to a term.
func (k *key) add(t *policy.Term, v any) error {
	if k.names == nil {
		of, err := k.ranges(v)
		t.Of = append(t.Of, of...)
		return err
	}
	name, ok := v.(string)
	if !ok || name == "" {
		return errors.New("no name of an interface")
	}
	t.Names = append(t.Names, printable(name))
	return nil
}

// anyBit is "in" on flags: one of the bits is set; states of connections are one of a list.
func (k *key) anyBit(not bool, right any) ([]alternative, error) {
	list, ok := right.([]any)
	if !ok {
		list = []any{right}
	}
	t := k.term(not, nil)
	for _, v := range list {
		n, err := k.number(v)
		switch {
		case err != nil:
			return nil, err
		case k.field == policy.ConnState:
			t.Of = append(t.Of, policy.Range{Lo: n, Hi: n})
		case n == (policy.Word{}) || k.field != policy.TCPFlags && k.field != policy.Mark:
			return nil, errNotHeld
		default:
			for bit := uint64(1); bit <= n.Lo && bit != 0; bit <<= 1 {
				if n.Lo&bit != 0 {
					t.Of = append(t.Of, policy.Bits(bit, bit))
				}
			}
		}
	}
	if len(t.Of) == 0 {
		return nil, errNotHeld
	}
	return []alternative{{terms: append(slices.Clone(k.with), t)}}, nil
}

// compare is <, >, <= and >=.
func (k *key) compare(op string, right any) ([]policy.Range, error) {
	if k.names != nil || k.mask != nil || k.family == policy.IPv6 {
		return nil, errNotHeld
	}
	n, err := k.number(right)
	if err != nil {
		return nil, err
	}
	lo, hi := uint64(0), k.most
	if k.family == policy.IPv4 {
		hi = 1<<32 - 1
	}
	switch {
	case op == "<" && n.Lo > 0:
		hi = n.Lo - 1
	case op == "<=":
		hi = n.Lo
	case op == ">":
		lo = n.Lo + 1
	case op == ">=":
		lo = n.Lo
	default:
		return nil, fmt.Errorf("operator %s: %w", op, errNotHeld)
	}
	if hi < lo {
		return nil, errNotHeld
	}
	return []policy.Range{policy.FromTo(lo, hi)}, nil
}

// keys reads the parts of a concatenation.
func (r *nftRule) keys(concat any) ([]key, error) {
	list, ok := concat.([]any)
	if !ok {
		return nil, errors.New("no concatenation")
	}
	var out []key
	for _, e := range list {
		k, err := r.key(e)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

// tuples is a match of several fields at once: one way for each element.
func (r *nftRule) tuples(op string, concat, right any) ([]alternative, error) {
	keys, err := r.keys(concat)
	if err != nil {
		return nil, err
	}
	values, changes, err := r.elements(right)
	if err != nil {
		return nil, err
	}
	if op != "==" && op != "" {
		return nil, fmt.Errorf("none of several at once: %w", errNotHeld)
	}
	if changes != "" {
		a := alternative{unsure: changes}
		for _, k := range keys {
			a.terms = append(a.terms, k.with...)
		}
		return []alternative{a}, nil
	}
	var out []alternative
	for _, v := range values {
		a, err := tuple(keys, v)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// tuple makes the terms of one element.
func tuple(keys []key, v any) (alternative, error) {
	v, unsure := element(v)
	a := alternative{unsure: unsure}
	parts := []any{v}
	if object, ok := v.(map[string]any); ok && object["concat"] != nil {
		parts, _ = object["concat"].([]any)
	}
	if len(parts) != len(keys) {
		return a, fmt.Errorf("an element of %d parts for %d", len(parts), len(keys))
	}
	for i, k := range keys {
		if k.outer {
			return a, errNotHeld
		}
		t := k.term(false, nil)
		if err := k.add(&t, parts[i]); err != nil {
			return a, err
		}
		a.terms = append(append(a.terms, k.with...), t)
	}
	return a, nil
}

// lookUp gives the elements of a map, each with what it has.
func (r *nftRule) lookUp(expression, data any) ([]alternative, error) {
	var keys []key
	var err error
	if object, ok := expression.(map[string]any); ok && object["concat"] != nil {
		keys, err = r.keys(object["concat"])
	} else {
		var k key
		k, err = r.key(expression)
		keys = []key{k}
	}
	if err != nil {
		return nil, err
	}
	elements, changes, err := r.elements(data)
	if err != nil {
		return nil, err
	}
	if changes != "" {
		return nil, fmt.Errorf("%s: %w", changes, errNotHeld)
	}
	var out []alternative
	var others any
	for _, e := range elements {
		pair, ok := e.([]any)
		if !ok || len(pair) != 2 {
			return nil, errors.New("no element of a map")
		}
		if v, _ := element(pair[0]); v == "*" {
			others = pair[1]
			continue
		}
		a, err := tuple(keys, pair[0])
		if err != nil {
			return nil, err
		}
		a.data = pair[1]
		out = append(out, a)
	}
	if others == nil {
		return out, nil
	}
	a, err := rest(keys, out)
	a.data = others
	return append(out, a), err
}

// rest is all that no element has.
func rest(keys []key, elements []alternative) (alternative, error) {
	if len(keys) != 1 {
		return alternative{}, fmt.Errorf("all other values of several fields: %w", errNotHeld)
	}
	k := keys[0]
	t := k.term(true, nil)
	for _, e := range elements {
		one := e.terms[len(e.terms)-1]
		t.Of, t.Names = append(t.Of, one.Of...), append(t.Names, one.Names...)
	}
	a := alternative{terms: slices.Clone(k.with)}
	if len(t.Of)+len(t.Names) > 0 {
		a.terms = append(a.terms, t)
	}
	return a, nil
}
