package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ChangeSet is the typed difference between two snapshots, in the order in which it would be made: data that can be saved, shown, simulated (With),
// applied and undone. What "add VLAN 120 to this port" means is written once, here.
type ChangeSet struct {
	Revision Revision // of the snapshot that the changes start from
	Changes  []Change
}

// Change is one step. For an attribute Before and After are all values before and after, in canonical order: none before means added, none
// after means removed. For a relation Add tells the direction.
type Change struct {
	Subject       Key
	Attr          Attr
	Before, After []Value
	Rel           Rel
	Object        Key
	Add           bool
	Cause         string // why the change is wanted, or what was seen
}

// Reverse gives the change that undoes c.
func (c Change) Reverse() Change {
	c.Before, c.After = c.After, c.Before
	if c.Rel != 0 {
		c.Add = !c.Add
	}
	return c
}

// Reverse gives the change-set that undoes cs, last step first.
func (cs ChangeSet) Reverse() ChangeSet {
	r := ChangeSet{Revision: cs.Revision, Changes: make([]Change, len(cs.Changes))}
	for i, c := range cs.Changes {
		r.Changes[len(cs.Changes)-1-i] = c.Reverse()
	}
	return r
}

// Empty reports whether there is nothing to change.
func (cs ChangeSet) Empty() bool { return len(cs.Changes) == 0 }

// String is one line: "~ port:x/eth0 mtu 1500 -> 9000", "+ vm:u RunsOn host:h", "- …".
func (c Change) String() string {
	if c.Rel != 0 {
		sign := "-"
		if c.Add {
			sign = "+"
		}
		return fmt.Sprintf("%s %s %s %s", sign, c.Subject, c.Rel, c.Object)
	}
	switch {
	case len(c.Before) == 0:
		return fmt.Sprintf("+ %s %s %s", c.Subject, c.Attr, valueList(c.After))
	case len(c.After) == 0:
		return fmt.Sprintf("- %s %s %s", c.Subject, c.Attr, valueList(c.Before))
	}
	return fmt.Sprintf("~ %s %s %s -> %s", c.Subject, c.Attr, valueList(c.Before), valueList(c.After))
}

func valueList(vs []Value) string {
	texts := make([]string, len(vs))
	for i, v := range vs {
		texts[i] = v.String()
	}
	return strings.Join(texts, ", ")
}

// Diff gives the changes that turn the merged view of a into that of b, in canonical order. Provenance and ages are no part of it.
func Diff(a, b *Snapshot) ChangeSet {
	cs := ChangeSet{Revision: a.rev}
	for x, y := range inStep(a, b) {
		cs.Changes = append(cs.Changes, diffNode(x, y)...)
	}
	return cs
}

// inStep walks two snapshots' nodes by key; where one lacks a node, its side is zero.
func inStep(a, b *Snapshot) func(func(Node, Node) bool) {
	return func(yield func(Node, Node) bool) {
		as, bs := slices.Collect(a.Nodes()), slices.Collect(b.Nodes())
		for len(as) > 0 || len(bs) > 0 {
			var x, y Node
			var order int
			switch {
			case len(as) == 0:
				order = 1
			case len(bs) == 0:
				order = -1
			default:
				order = as[0].Key().Compare(bs[0].Key())
			}
			if order <= 0 {
				x, as = as[0], as[1:]
			}
			if order >= 0 {
				y, bs = bs[0], bs[1:]
			}
			if !yield(x, y) {
				return
			}
		}
	}
}

func diffNode(x, y Node) []Change {
	var key Key
	if x.IsZero() {
		key = y.Key()
	} else {
		key = x.Key()
	}
	var cs []Change
	for _, a := range attrsOf(x, y) {
		before, after := x.believed(a), y.believed(a)
		if !slices.Equal(before, after) {
			cs = append(cs, Change{Subject: key, Attr: a, Before: before, After: after})
		}
	}
	for _, r := range relsOf(x, y) {
		before, after := x.objects(r), y.objects(r)
		for _, k := range before {
			if _, still := slices.BinarySearchFunc(after, k, Key.Compare); !still {
				cs = append(cs, Change{Subject: key, Rel: r, Object: k})
			}
		}
		for _, k := range after {
			if _, was := slices.BinarySearchFunc(before, k, Key.Compare); !was {
				cs = append(cs, Change{Subject: key, Rel: r, Object: k, Add: true})
			}
		}
	}
	return cs
}

func attrsOf(nodes ...Node) []Attr {
	var as []Attr
	for _, n := range nodes {
		if n.s != nil {
			for _, f := range n.s.row(n.n).facts {
				as = append(as, f.attr)
			}
		}
	}
	slices.Sort(as)
	return slices.Compact(as)
}

func relsOf(nodes ...Node) []Rel {
	var rs []Rel
	for _, n := range nodes {
		if n.s != nil {
			for _, e := range n.s.row(n.n).out {
				rs = append(rs, e.rel)
			}
		}
	}
	slices.Sort(rs)
	return slices.Compact(rs)
}

// believed gives the merged value: one, or all of a multi-valued attribute in canonical order.
func (n Node) believed(a Attr) []Value {
	vs := n.Values(a)
	if !a.Multi() {
		return vs[:min(1, len(vs))]
	}
	slices.SortFunc(vs, Value.Compare)
	return vs
}

func (n Node) objects(r Rel) []Key {
	var ks []Key
	for _, e := range n.Out(r) {
		ks = append(ks, e.To.Key())
	}
	return ks
}

// With simulates a change-set: a snapshot in which the changes are made, under the same revision, with the source "plan". Each change
// must find the merged view as its Before says, else the result is ErrConflict and names the first that does not.
func (s *Snapshot) With(cs ChangeSet) (*Snapshot, error) {
	b := newBuilder(s)
	reading := Reading{ReadingKey: ReadingKey{Source: SourcePlan, Table: "change-set"}, Time: s.time}
	if err := b.renew(reading); err != nil {
		return nil, err
	}
	for _, c := range cs.Changes {
		if err := b.change(c, reading.ReadingKey, s.time); err != nil {
			return nil, err
		}
	}
	return b.finish(s.rev, s.time), nil
}

func (b *builder) change(c Change, reading ReadingKey, now time.Time) error {
	var n Node
	if i, ok := b.s.find(c.Subject); ok {
		n = Node{b.s, i}
	}
	if c.Rel != 0 {
		return b.changeRelation(n, c, reading, now)
	}
	if !slices.Equal(n.believed(c.Attr), c.Before) {
		return fmt.Errorf("%w: %s %s is %s, not %s", ErrConflict, c.Subject, c.Attr, valueList(n.believed(c.Attr)), valueList(c.Before))
	}
	if n.s != nil {
		b.drop(n.n, c.Attr)
	}
	for _, v := range c.After {
		if err := b.add(Fact{Subject: c.Subject, Attr: c.Attr, Value: v, Reading: reading, Since: now}); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) changeRelation(n Node, c Change, reading ReadingKey, now time.Time) error {
	if slices.Contains(n.objects(c.Rel), c.Object) == c.Add {
		return fmt.Errorf("%w: %s %s %s: present is %t", ErrConflict, c.Subject, c.Rel, c.Object, c.Add)
	}
	if c.Add {
		f := Relate(c.Subject, c.Rel, c.Object)
		f.Reading, f.Since = reading, now
		return b.add(f)
	}
	// Weaker claims of a single relation would come to light: they go too, since the change says that there is none.
	for _, e := range n.Claims(c.Rel) {
		if e.To.Key() == c.Object || relations[c.Rel].Single {
			b.cut(n.n, c.Rel, e.To.n)
		}
	}
	return nil
}
