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
	Rel           Rel
	Add           bool
	Object        Key
	Before, After []Value
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
	if c.Attr.Multi() { // of many, what is new and what goes
		added, removed := lacking(c.After, c.Before), lacking(c.Before, c.After)
		text := fmt.Sprintf("~ %s %s", c.Subject, c.Attr)
		if len(added) > 0 {
			text += " + " + valueList(added)
		}
		if len(removed) > 0 {
			text += " - " + valueList(removed)
		}
		return text
	}
	return fmt.Sprintf("~ %s %s %s -> %s", c.Subject, c.Attr, valueList(c.Before), valueList(c.After))
}

func lacking(vs, others []Value) []Value {
	return slices.DeleteFunc(slices.Clone(vs), func(v Value) bool { return slices.Contains(others, v) })
}

func valueList(vs []Value) string {
	texts := make([]string, len(vs))
	for i, v := range vs {
		texts[i] = v.String()
	}
	return strings.Join(texts, ", ")
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
	return b.finish(s.rev, s.time).wiredAs(s, cs.Changes), nil
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
