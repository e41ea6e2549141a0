package planner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// OrphanKind is a kind of thing that nothing leads to.
type OrphanKind string

// The kinds of orphans.
const (
	OrphanVLAN OrphanKind = "vlan" // that ends nowhere
	OrphanZone OrphanKind = "zone" // in which nobody can talk to anybody
	OrphanUnit OrphanKind = "unit" // that is mapped to nobody
	OrphanRule OrphanKind = "rule" // that no packet gets to
)

// OrphanKinds lists the kinds in the order in which they are looked at.
func OrphanKinds() []OrphanKind { return []OrphanKind{OrphanVLAN, OrphanZone, OrphanUnit, OrphanRule} }

// Orphan is something that was set up and that nothing leads to.
type Orphan struct {
	Kind     OrphanKind
	Text     string
	Objects  []topology.Key // the one to look at first
	Evidence []Evidence
}

// Orphans is what was found, and what could not be judged: that is no orphan.
type Orphans struct {
	Found   []Orphan
	Unknown []Orphan // that may be some: the Text says what is not known
	Looked  map[OrphanKind]int
}

// Verdict is Warn if anything was found, Unknown if something could not be judged.
func (o *Orphans) Verdict() Verdict {
	switch {
	case len(o.Found) > 0:
		return Warn
	case len(o.Unknown) > 0:
		return Unknown
	}
	return Pass
}

// Orphans looks for VLANs that end nowhere, zones in force without two that are logged in, units of arrays that are mapped to nobody, and rules of filters that no packet gets to.
func (p *Planner) Orphans(ctx context.Context) (*Orphans, error) {
	o := &orphans{Planner: p, Orphans: Orphans{Looked: map[OrphanKind]int{}}}
	for _, look := range []func(context.Context) error{o.vlans, o.zones, o.units, o.rules} {
		if err := look(ctx); err != nil {
			return nil, err
		}
	}
	return &o.Orphans, nil
}

// orphans is the search for them.
type orphans struct {
	*Planner
	Orphans
}

// found takes one down, with the readings that say so; unless one of these is too old.
func (o *orphans) found(kind OrphanKind, text string, by []topology.Reading, about ...topology.Node) {
	x := Orphan{Kind: kind, Text: text}
	for _, n := range about {
		x.Objects = append(x.Objects, n.Key())
	}
	old := ""
	for _, r := range by {
		e := (&move{Planner: o.Planner}).evidenceOf(r)
		if e.Stale {
			old = cmp.Or(old, fmt.Sprintf("what %s said by %s %s is too old: collect it", r.Device, r.Source, r.Table))
		}
		if !slices.Contains(x.Evidence, e) {
			x.Evidence = append(x.Evidence, e)
		}
	}
	if old != "" {
		x.Text = old
		o.Unknown = append(o.Unknown, x)
		return
	}
	o.Found = append(o.Found, x)
}

func (o *orphans) unknown(kind OrphanKind, text string, about topology.Node) {
	o.Unknown = append(o.Unknown, Orphan{Kind: kind, Text: text, Objects: []topology.Key{about.Key()}})
}

// zones looks at the zones in force of all fabrics.
func (o *orphans) zones(ctx context.Context) error {
	for _, z := range o.network().ZonesInForce() {
		if err := ctx.Err(); err != nil {
			return err
		}
		o.Looked[OrphanZone]++
		name := "zone " + z.Zone.Name()
		if sw, ok := z.Fabric.Owner(); ok {
			name += " of " + sw.Name()
		}
		switch {
		case len(z.In) > 1:
		case z.Doubt != "":
			o.unknown(OrphanZone, name+": "+z.Doubt, z.Zone)
		case len(z.In) == 1:
			o.found(OrphanZone, fmt.Sprintf("%s: of its %d members %s alone is logged in", name, 1+len(z.Out), z.In[0]), readingsOf(z.Zone, topology.MemberOf), z.Zone)
		default:
			o.found(OrphanZone, fmt.Sprintf("%s: none of its %d members is logged in", name, len(z.Out)), readingsOf(z.Zone, topology.MemberOf), z.Zone)
		}
	}
	return nil
}

// readingsOf gives the readings that a node's relations of one type rest on.
func readingsOf(n topology.Node, rel topology.Rel) []topology.Reading {
	var all []topology.Reading
	for _, e := range n.Out(rel) {
		all = append(all, e.Reading)
	}
	return all
}

// units looks at the logical units that arrays have.
func (o *orphans) units(ctx context.Context) error {
	for array := range o.s.Nodes(topology.Array) {
		if err := ctx.Err(); err != nil {
			return err
		}
		var units []topology.Edge
		var mappings []topology.Reading // that the array's mappings rest on
		for _, e := range array.Out(topology.Contains) {
			switch e.To.Kind() {
			case topology.LogicalUnit:
				units = append(units, e)
			case topology.Mapping:
				if !slices.Contains(mappings, e.Reading) {
					mappings = append(mappings, e.Reading)
				}
			}
		}
		for _, e := range units {
			o.Looked[OrphanUnit]++
			o.unit(array, e, mappings)
		}
	}
	return nil
}

// unit judges one unit of an array. That it is not mapped is known where the mappings of the array were read whole, by whatever has told others of them, or told of the unit itself.
func (o *orphans) unit(array topology.Node, e topology.Edge, mappings []topology.Reading) {
	unit, name := e.To, "unit "+e.To.Name()+" of "+array.Name()
	admits, maps := false, slices.Collect(unit.Subjects(topology.MapsUnit))
	for _, m := range maps {
		_, named := m.First(topology.MapsInitiator)
		admits = admits || named || len(m.Values(topology.AttrInitiatorAddress)) > 0 || len(m.Values(topology.AttrUnparsed)) > 0
	}
	by := mappings
	if len(by) == 0 && e.Reading.Source == topology.SourceSAN {
		by = []topology.Reading{e.Reading}
	}
	partial := slices.ContainsFunc(by, func(r topology.Reading) bool { return r.Partial })
	switch {
	case admits:
	case len(hostsOf(unit)) > 0:
		o.unknown(OrphanUnit, name+" is mapped to nobody, and hosts have storage on it", unit)
	case len(by) == 0:
		o.unknown(OrphanUnit, "no source says to whom "+name+" is mapped", unit)
	case partial:
		o.unknown(OrphanUnit, "the mappings of "+array.Name()+" were not read to their end", unit)
	case len(maps) > 0:
		o.found(OrphanUnit, fmt.Sprintf("%s: its %s nobody", name, plural(len(maps), "mapping admits", "mappings admit")), by, unit)
	default:
		o.found(OrphanUnit, name+" is mapped to nobody", by, unit)
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// rules looks at the filters of all devices, those of one text once.
func (o *orphans) rules(ctx context.Context) error {
	type known struct {
		filter *policy.Filter
		hidden []reach.Hidden
		doubt  string
	}
	texts := map[string]*known{}
	look := func(text string) (*known, error) {
		k := &known{}
		if k.filter, k.doubt = decoded(text); k.filter == nil {
			return k, nil
		}
		var looked bool
		var err error
		if k.hidden, looked, err = reach.HiddenRules(ctx, k.filter); err != nil {
			return nil, err
		}
		if k.hidden = wholeLines(k.filter, k.hidden); !looked && len(k.filter.Rules) > 1 {
			k.doubt = fmt.Sprintf("its %d rules are of frames, or too many to be compared", len(k.filter.Rules))
		}
		return k, nil
	}
	for n := range o.s.Nodes(topology.Filter) {
		text := n.Text(topology.AttrRules)
		k := texts[text]
		if k == nil {
			var err error
			if k, err = look(text); err != nil {
				return err
			}
			texts[text] = k
		}
		if k.filter != nil {
			o.Looked[OrphanRule] += lines(k.filter)
		}
		if k.doubt != "" {
			o.unknown(OrphanRule, "filter "+filterName(n)+": "+k.doubt, n)
		}
		for _, h := range k.hidden {
			fact, _ := n.Evidence(topology.AttrRules)
			r, _ := o.s.Reading(fact.Reading)
			o.found(OrphanRule, hiddenText(n, k.filter, h), []topology.Reading{r}, n)
		}
	}
	return nil
}

// decoded reads a filter, or gives why it cannot be read. That is told of this filter, and ends no search: others can be read.
func decoded(text string) (f *policy.Filter, doubt string) {
	f, err := policy.DecodeFilter(text)
	if err != nil {
		return nil, "it cannot be read: " + err.Error()
	}
	return f, ""
}

// line is where a rule stands: several rules may be made of one line, and are told as one. Of what has no lines each rule stands for itself.
func line(f *policy.Filter, rule int) string {
	if at := f.Rules[rule].Place; at.Line > 0 {
		return at.String()
	}
	return fmt.Sprintf("rule %d", rule+1)
}

func lines(f *policy.Filter) int {
	seen := map[string]bool{}
	for i := range f.Rules {
		seen[line(f, i)] = true
	}
	return len(seen)
}

// wholeLines gives one rule of each line of which all rules are hidden, with all that hide one of them.
func wholeLines(f *policy.Filter, hidden []reach.Hidden) []reach.Hidden {
	rules, gone := map[string]int{}, map[string]int{}
	for i := range f.Rules {
		rules[line(f, i)]++
	}
	var whole []reach.Hidden
	for _, h := range hidden {
		at := line(f, h.Rule)
		if gone[at]++; gone[at] < rules[at] {
			continue
		}
		one := reach.Hidden{Rule: h.Rule}
		for _, other := range hidden {
			if line(f, other.Rule) != at {
				continue
			}
			for _, by := range other.By {
				if !slices.ContainsFunc(one.By, func(known int) bool { return line(f, known) == line(f, by) }) {
					one.By = append(one.By, by)
				}
			}
		}
		whole = append(whole, one)
	}
	return whole
}

func filterName(n topology.Node) string {
	if owner, ok := n.Owner(); ok {
		return strings.TrimPrefix(n.Name(), owner.Key().ID+"/") + " of " + owner.Name()
	}
	return n.Name()
}

// maxTakers is how many of the rules that hide one are named.
const maxTakers = 3

func hiddenText(n topology.Node, f *policy.Filter, h reach.Hidden) string {
	rule := func(i int) string { return line(f, i) + ": " + f.Rules[i].Text }
	text := fmt.Sprintf("filter %s: no packet gets to %s", filterName(n), rule(h.Rule))
	if len(h.By) == 0 {
		return text + ", since there are none that it matches"
	}
	var by []string
	for _, i := range h.By[:min(len(h.By), maxTakers)] {
		by = append(by, rule(i))
	}
	text += "; all are taken before by " + strings.Join(by, ", and by ")
	if more := len(h.By) - maxTakers; more > 0 {
		text += fmt.Sprintf(", and by %d more", more)
	}
	return text
}
