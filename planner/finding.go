package planner

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// Finding is one thing that a check found.
type Finding struct {
	Code     string         // of the check
	Verdict  Verdict        // as it counts: what was found, unless an override says otherwise
	Text     string         // one sentence
	Objects  []topology.Key // what it is about, the one to look at first
	Evidence []Evidence     // what it rests on
	Fixes    []Fix          // each would help by itself, or has a part in it
	Override *Override      // what lets it pass all the same; then Found is the verdict without it
	Found    Verdict
	Idle     bool // there is nothing of the kind that the check asks about: not applicable
	Old      bool // it is unknown for no other reason than that a reading is too old
}

// Fix is one act of an operator that would mend a finding: a VLAN tagged on one port, a unit shown to one initiator. It is made wholly or not at all.
type Fix struct {
	Text    string            // "tag VLAN 120 on r02-leaf-a Ethernet4"
	Changes []topology.Change // of the snapshot that was asked, in the order in which they are made
}

// Evidence is a reading that a finding rests on.
type Evidence struct {
	topology.Reading
	Age   time.Duration // at the time of the question
	Stale bool          // older than its limit: what it says counts as not known
}

// String words it as paths do: "[hv3 libvirt domains, 12s]".
func (e Evidence) String() string {
	stale := ""
	if e.Stale {
		stale = ", stale"
	}
	return fmt.Sprintf("[%s %s %s, %s%s]", e.Device, e.Source, e.Table, e.Age.Round(time.Second), stale)
}

// finder takes down what one check finds. What a check reads through it is its evidence; what it cannot know by it becomes an unknown, and says whom to ask.
type finder struct {
	*move
	check    *Check
	evidence []Evidence
	found    []Finding
}

// pass, warn and block take a finding down with all evidence so far. The first object is the one to look at.
func (f *finder) pass(text string, about ...topology.Node)  { f.say(Pass, text, about) }
func (f *finder) warn(text string, about ...topology.Node)  { f.say(Warn, text, about) }
func (f *finder) block(text string, about ...topology.Node) { f.say(Block, text, about) }

// idle passes because there is nothing of the kind that the check asks about.
func (f *finder) idle(text string, about ...topology.Node) {
	f.say(Pass, text, about)
	f.found[len(f.found)-1].Idle = true
}

// mend adds a candidate to what would mend the finding that was taken down last.
func (f *finder) mend(text string, changes ...topology.Change) {
	last := &f.found[len(f.found)-1]
	last.Fixes = append(last.Fixes, Fix{text, changes})
}

// unknown says what is not known, and what to do so that it is.
func (f *finder) unknown(text string, about ...topology.Node) { f.say(Unknown, text, about) }

func (f *finder) say(v Verdict, text string, about []topology.Node) {
	keys := make([]topology.Key, 0, len(about))
	for _, n := range about {
		keys = append(keys, n.Key())
	}
	said := Finding{Code: f.check.Code, Verdict: v, Found: v, Text: text, Objects: keys, Evidence: slices.Clone(f.evidence)}
	if i := slices.IndexFunc(f.found, func(old Finding) bool { return old.Verdict == v && old.Text == text && slices.Equal(old.Objects, keys) }); i >= 0 {
		said.Fixes = f.found[i].Fixes // said once, and last: what mends it comes next
		f.found = slices.Delete(f.found, i, i+1)
	}
	f.found = append(f.found, said)
}

// value reads the believed value of an attribute. Where no source says it, or the one that does is too old, or sources of equal weight contradict each other, it
// takes an unknown down and gives false.
func (f *finder) value(n topology.Node, a topology.Attr) (topology.Value, bool) {
	fact, ok := n.Evidence(a)
	if !ok {
		f.unknown(fmt.Sprintf("no source says the %s of %s %s", a, n.Kind(), n.Name()), n)
		return topology.Value{}, false
	}
	fact, other := f.believed(n, fact)
	if !f.rests(n, fact) {
		return fact.Value, false
	}
	if other != nil && f.rests(n, *other) {
		f.unknown(fmt.Sprintf("%s says that the %s of %s %s is %s, %s says that it is %s: which is right, nobody knows",
			fact.Reading.Device, a, n.Kind(), n.Name(), fact.Value, other.Reading.Device, other.Value), n)
	}
	return fact.Value, other == nil
}

// believed gives the fact that is believed of an attribute with a single value, and one of equal weight that contradicts it. Of a VM and its parts, the host on which it
// runs is believed: others may have it defined, too, as it was there. What is too old contradicts nobody.
func (m *move) believed(n topology.Node, first topology.Fact) (topology.Fact, *topology.Fact) {
	if first.Attr.Multi() || slices.Contains(labels, first.Attr) {
		return first, nil
	}
	var others []topology.Fact
	for o := range n.About(first.Attr) {
		if o.Value != first.Value && o.Confidence == first.Confidence && o.Reading.Source == first.Reading.Source {
			others = append(others, o)
		}
	}
	if len(others) == 0 {
		return first, nil
	}
	home := home(n)
	if i := slices.IndexFunc(others, func(o topology.Fact) bool { return o.Reading.Device == home }); i >= 0 && first.Reading.Device != home {
		first = others[i]
	}
	for o := range n.About(first.Attr) {
		r, _ := n.Snapshot().Reading(o.Reading)
		weighs := o.Confidence == first.Confidence && o.Reading.Source == first.Reading.Source && (home == "" || first.Reading.Device != home || o.Reading.Device == home)
		if weighs && o.Value != first.Value && !m.evidenceOf(r).Stale {
			return first, &o
		}
	}
	return first, nil
}

// home is the device that says where a VM, or that of a part, runs; "" if nobody does.
func home(n topology.Node) string {
	if owner, ok := n.Owner(); ok && owner.Kind() == topology.VM {
		n = owner
	}
	if n.Kind() != topology.VM {
		return ""
	}
	for _, e := range n.Out(topology.RunsOn) {
		if e.Confidence > topology.ConfidenceConfigured {
			return e.Reading.Device
		}
	}
	return ""
}

// aside is a finder that takes down what may not count in the end.
func (f *finder) aside() *finder {
	return &finder{move: f.move, check: f.check, evidence: slices.Clone(f.evidence)}
}

// text and number are value for attributes of these types.
func (f *finder) text(n topology.Node, a topology.Attr) (string, bool) {
	v, ok := f.value(n, a)
	return v.String(), ok
}

func (f *finder) number(n topology.Node, a topology.Attr) (int64, bool) {
	v, ok := f.value(n, a)
	return v.Int(), ok
}

// rests takes down that the check rests on a fact, and tells whether it may.
func (f *finder) rests(n topology.Node, fact topology.Fact) bool {
	r, ok := n.Snapshot().Reading(fact.Reading)
	if !ok {
		r = topology.Reading{ReadingKey: fact.Reading, Time: fact.Since}
	}
	return f.reading(n, r)
}

// reading takes down that the check rests on a reading, which is of a relation, say, and tells whether it may. n is what it would be unknown of.
func (f *finder) reading(n topology.Node, r topology.Reading) bool {
	e := f.evidenceOf(r)
	if !slices.Contains(f.evidence, e) {
		f.evidence = append(f.evidence, e)
	}
	if e.Stale {
		f.unknown(fmt.Sprintf("what %s said of %s %s by %s %s is %s old: collect it", cmp.Or(r.Device, "a plan"), n.Kind(), n.Name(), r.Source, r.Table, e.Age.Round(time.Minute)), n)
		f.found[len(f.found)-1].Old = true
		return false
	}
	return true
}

// listed tells whether a table of a device was read whole, and not too long ago: then what it does not have is not there. If it was not, an unknown says so. Whoever
// reads from the absence of something (no other VM runs there, no filter is attached) asks this first.
func (f *finder) listed(device topology.Node, source topology.Source, table string) bool {
	for _, h := range device.Values(topology.AttrHandle) {
		if r, ok := device.Snapshot().Reading(topology.ReadingKey{Device: h.String(), Source: source, Table: table}); ok {
			return f.reading(device, r)
		}
	}
	f.unknown(fmt.Sprintf("nobody has read the whole table %s of %s %s by %s: collect it", table, device.Kind(), device.Name(), source), device)
	return false
}

// entire tells whether a whole reading says an attribute of a node: then what that reading would say beside it, and does not, is not so. If none does, an unknown says so.
func (f *finder) entire(n topology.Node, a topology.Attr) bool {
	for fact := range n.About(a) {
		if !fact.Reading.Partial {
			return f.rests(n, fact)
		}
	}
	f.unknown(fmt.Sprintf("what is said of %s %s beside its %s is not all", n.Kind(), n.Name(), a), n)
	return false
}

// described tells whether the listing in which a VM or a part of something stands was read whole, and not too long ago: then what its sources state only where
// it is so (a device that is passed through) is not so where they are silent. If it was not, an unknown says so.
func (f *finder) described(n topology.Node) bool {
	in := n.In(topology.Contains)
	if n.Kind() == topology.VM {
		in = n.Out(topology.RunsOn)
	}
	for _, e := range in {
		if !e.Reading.Partial {
			return f.reading(n, e.Reading)
		}
	}
	if len(in) == 0 {
		f.unknown(fmt.Sprintf("no source lists %s %s", n.Kind(), n.Name()), n)
		return false
	}
	r := in[0].Reading
	f.unknown(fmt.Sprintf("what %s said of %s %s by %s %s is not all: %s", r.Device, n.Kind(), n.Name(), r.Source, r.Table, cmp.Or(r.Reason, "the answer broke off")), n)
	return false
}

// evidenceOf is a reading at the time of the question. What a plan says is not old.
func (m *move) evidenceOf(r topology.Reading) Evidence {
	e := Evidence{Reading: r, Age: max(0, m.now.Sub(r.Time))}
	e.Stale = r.Source != topology.SourcePlan && m.policy.Ages.Stale(r, m.now)
	return e
}
