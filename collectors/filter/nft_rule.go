package filter

import (
	"errors"
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/topology/policy"
)

// maxBranches bounds the rules that one rule of nft may become.
const maxBranches = 1 << 14

// nftRule is a rule while it is read: it branches where it looks something up.
type nftRule struct {
	*nftReader

	name     nftName // of its chain
	branches []draft
	done     []policy.Rule
}

// rule reads one rule.
func (n *nftReader) rule(at policy.Place, object map[string]any) {
	name := nftName{text(object["family"]), text(object["table"]), text(object["chain"])}
	f := n.chains[name]
	statements, ok := object["expr"].([]any)
	if f == nil || !ok {
		n.rest(at, object, "its chain is not declared, or it has no statements")
		return
	}
	r := &nftRule{nftReader: n, name: name}
	first := draft{family: f.Family & policy.IP}
	first.Text, first.Place, first.Remark = jsonText(statements), at, printable(text(object["comment"]))
	r.branches = []draft{first}
	for _, s := range statements {
		r.statement(s)
	}
	r.flush()
	f.Rules = append(f.Rules, r.done...)
}

// flush ends the branches as rules.
func (r *nftRule) flush() {
	for i := range r.branches {
		r.done = append(r.done, r.branches[i].finish())
	}
	r.branches = nil
}

// all does something to every branch.
func (r *nftRule) all(do func(*draft)) {
	for i := range r.branches {
		do(&r.branches[i])
	}
}

// lost notes in every branch what was not understood; such a statement may write anything.
func (r *nftRule) lost(statement any, why string) {
	r.all(func(d *draft) {
		d.lost("%s: %s", jsonText(statement), why)
		d.anything()
	})
}

// unsure notes in every branch on what else it depends.
func (r *nftRule) unsure(statement any) {
	r.all(func(d *draft) { d.unsure("%s", jsonText(statement)) })
}

// Statements that change nothing which the model holds.
var nftPassing = []string{"counter", "log", "last", "ct helper", "ct timeout", "ct expectation", "secmark", "comment"} //nolint:gochecknoglobals // read-only table

// Statements that hold or not for reasons that the model does not hold.
var nftUncertain = []string{"limit", "quota", "ct count", "connlimit", "meter"} //nolint:gochecknoglobals // read-only table

func (r *nftRule) statement(s any) {
	object, ok := s.(map[string]any)
	if !ok || len(object) != 1 {
		r.lost(s, "no statement")
		return
	}
	for kind, v := range object {
		switch {
		case slices.Contains(nftPassing, kind):
		case slices.Contains(nftUncertain, kind):
			r.unsure(s)
		case kind == "match" || kind == "vmap":
			r.beforeMatch(s)
			r.match(s, kind, v)
		case kind == "set" || kind == "map":
			r.unsure(s) // where the set is full, the rule ends here
		case kind == "xt" && extension(v) == "match":
			r.unsure(s) // of iptables or ebtables: a match changes nothing
		default:
			if err := r.action(kind, v); err != nil {
				r.lost(s, err.Error())
			}
		}
	}
}

// extension is match or target, where nft says which extension of iptables it is.
func extension(v any) string {
	object, _ := v.(map[string]any)
	return text(object["type"])
}

// beforeMatch ends what was already done as rules of their own: it is done even where a later match does not hold.
func (r *nftRule) beforeMatch(s any) {
	if !slices.ContainsFunc(r.branches, func(d draft) bool { return len(d.Set) > 0 }) {
		return
	}
	again := slices.Clone(r.branches)
	for i := range again {
		d := &again[i]
		d.Match = slices.Clone(d.Match)
		for _, a := range d.Set {
			if slices.ContainsFunc(d.Match, func(t policy.Term) bool { return t.Field == a.Field }) {
				d.lost("%s: it is asked again after %s was written", jsonText(s), a.Field)
			}
		}
		d.Set = nil
	}
	r.flush()
	r.branches = again
}

// match adds the terms of a match, or the branches of a verdict map.
func (r *nftRule) match(s any, kind string, v any) {
	object, _ := v.(map[string]any)
	var alternatives []alternative
	var err error
	if kind == "match" {
		alternatives, err = r.matches(text(object["op"]), object["left"], object["right"])
	} else {
		alternatives, err = r.lookUp(object["key"], object["data"])
	}
	if err != nil && kind == "match" {
		r.unsure(s) // a match changes nothing
		r.all(func(d *draft) { d.Match = append(d.Match, r.needs(object["left"])...) })
		return
	}
	if err != nil {
		r.lost(s, err.Error())
		return
	}
	r.branch(s, alternatives, func(d *draft, data any) error {
		if kind == "match" {
			return nil
		}
		return r.verdictOf(d, data)
	})
}

// branch multiplies the branches with the alternatives.
func (r *nftRule) branch(s any, alternatives []alternative, with func(d *draft, data any) error) {
	if len(alternatives)*len(r.branches) > maxBranches {
		r.lost(s, "too many elements")
		return
	}
	if len(alternatives) == 0 { // nothing is in the set
		alternatives = []alternative{{never: true}}
	}
	var out []draft
	for _, b := range r.branches {
		for _, a := range alternatives {
			d := b
			d.Match = append(slices.Clone(b.Match), a.terms...)
			d.Set = slices.Clone(b.Set)
			if a.never {
				d.never()
			}
			if a.unsure != "" {
				d.unsure("%s", a.unsure)
			}
			if a.data != nil || !a.never {
				if err := with(&d, a.data); err != nil {
					d.lost("%s: %v", jsonText(s), err)
					d.anything()
				}
			}
			out = append(out, d)
		}
	}
	r.branches = out
}

// verdictOf reads a verdict as an element of a map has it.
func (r *nftRule) verdictOf(d *draft, data any) error {
	object, ok := data.(map[string]any)
	if !ok || len(object) != 1 {
		return errors.New("no verdict")
	}
	for kind, v := range object {
		if !r.verdict(d, kind, v) {
			return fmt.Errorf("no verdict: %s", kind)
		}
	}
	return nil
}

// verdict gives a branch its verdict, if it is one.
func (r *nftRule) verdict(d *draft, kind string, v any) bool {
	plain, known := map[string]policy.Verdict{
		"accept": policy.Permit, "drop": policy.Deny, "return": policy.Return, "continue": policy.Continue, "reject": policy.Reject, "jump": policy.Jump, "goto": policy.Goto,
	}[kind]
	if !known {
		return false
	}
	d.Verdict = plain
	if kind == "jump" || kind == "goto" {
		to, _ := v.(map[string]any)
		d.Target = printable(nftName{r.name.family, r.name.table, text(to["target"])}.String())
	}
	return true
}

// action does a statement that is no match.
func (r *nftRule) action(kind string, v any) error {
	if _, known := map[string]bool{"accept": true, "drop": true, "return": true, "continue": true, "reject": true, "jump": true, "goto": true}[kind]; known {
		r.all(func(d *draft) { r.verdict(d, kind, v) })
		return nil
	}
	object, _ := v.(map[string]any)
	switch kind {
	case "notrack":
		r.all(func(d *draft) { d.set(policy.ConnState, policy.Is(policy.StateUntracked)) })
		return nil
	case "mangle":
		return r.mangle(object)
	case "dnat", "snat":
		return r.translate(kind, object)
	case "masquerade", "redirect":
		return r.ownAddress(kind, object)
	}
	return errors.New("no such statement is known")
}

// mangle writes a field.
func (r *nftRule) mangle(object map[string]any) error {
	key, ok := object["key"].(map[string]any)
	if !ok {
		return errors.New("it writes nothing")
	}
	if meta, ok := key["meta"].(map[string]any); ok {
		switch text(meta["key"]) {
		case "mark":
			return r.mangleMark(object["value"])
		case "nftrace", "priority":
			return nil
		}
	}
	if key["ct"] != nil || key["tcp option"] != nil { // the connection's mark, label, zone …; the size of segments
		return nil
	}
	if p, ok := key["payload"].(map[string]any); ok && (text(p["field"]) == "ttl" || text(p["field"]) == "hoplimit" || text(p["field"]) == "ecn") {
		return nil
	}
	k, err := r.key(key)
	if err != nil {
		return err
	}
	of, err := k.ranges(object["value"])
	if err != nil {
		return err
	}
	if k.names != nil || k.mask != nil || len(of) != 1 || of[0].Lo != of[0].Hi {
		return errors.New("it writes what is not known")
	}
	r.all(func(d *draft) {
		d.Match = append(d.Match, k.with...)
		d.Set = append(d.Set, policy.Assignment{Field: k.field, Family: k.family, To: of})
	})
	return nil
}

// mangleMark writes a number, or the mark itself with bits set or taken: (mark & A) | B.
func (r *nftRule) mangleMark(v any) error {
	const all = 1<<32 - 1
	set := func(value, mask uint64) error {
		r.all(func(d *draft) { d.setBits(policy.Mark, value, mask, 32) })
		return nil
	}
	if n, err := number(text(v), all); err == nil {
		return set(n, all)
	}
	isMark := func(v any) bool { return jsonText(v) == `{"meta":{"key":"mark"}}` }
	pair := func(v any, op string) (any, uint64, bool) {
		object, _ := v.(map[string]any)
		list, _ := object[op].([]any)
		if len(list) != 2 {
			return nil, 0, false
		}
		n, err := number(text(list[1]), all)
		return list[0], n, err == nil
	}
	if inner, b, ok := pair(v, "|"); ok {
		if isMark(inner) {
			return set(b, b)
		}
		if base, a, ok := pair(inner, "&"); ok && isMark(base) {
			return set(b, ^a&all|b)
		}
	}
	if base, a, ok := pair(v, "&"); ok && isMark(base) {
		return set(0, ^a&all)
	}
	r.all(func(d *draft) { d.set(policy.Mark, policy.FromTo(0, all)) }) // what the connection has, a hash …
	return nil
}
