package planner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// ViolationClass is what of a declared policy is violated: the seven classes of SANscreen, each for both rails.
type ViolationClass string

// The classes.
const (
	MissingPorts        ViolationClass = "missing active host ports"
	MissingRedundancy   ViolationClass = "missing redundancy"
	PathOutage          ViolationClass = "path outage" // a required flow that does not pass is one, too
	SinglePoint         ViolationClass = "single point of failure"
	TooManyHops         ViolationClass = "hop count"
	UnauthorizedPath    ViolationClass = "unauthorized path"    // a forbidden flow that passes; a host that sees a unit and may not
	UnauthorizedSharing ViolationClass = "unauthorized sharing" // machines that are kept apart in one segment; a unit that several hosts see and one alone may
)

// ViolationClasses lists the classes in the order in which they are told.
func ViolationClasses() []ViolationClass {
	return []ViolationClass{PathOutage, UnauthorizedPath, UnauthorizedSharing, SinglePoint, MissingRedundancy, MissingPorts, TooManyHops}
}

// Violation is what is not as a policy declares it, in one place: all that suffer from the same there are one.
type Violation struct {
	Class    ViolationClass
	Rail     string  // network, storage
	Rule     string  // name of what is declared
	Verdict  Verdict // Block: it is so; Unknown: it may be so
	Text     string
	Objects  []topology.Key // the one to look at first; of many that suffer the first ones
	Evidence []Evidence
	Count    int // vNICs, disks, units or pairs of addresses that suffer

	like string // those of which it is the same are one violation; "": of which the Text is
}

// Violations is what was looked at, and what of it is not as declared.
type Violations struct {
	Verdict Verdict
	All     []Violation
	Rails   int // vNICs and disks of VMs that are not off
	Pairs   int // pairs of addresses of which some flow has to pass, or must not
	Asked   int // pairs of classes of addresses, which were asked for them
	Units   int
}

// maxSufferers is how many of those that suffer from one violation are named.
const maxSufferers = 12

// Violations looks at the whole estate for what is not as the policy declares it: ways of VMs, flows that have to pass or must not, and who sees units. What the policy does not
// declare is no violation, but that a vNIC or disk has no way at all.
func (p *Planner) Violations(ctx context.Context) (*Violations, error) {
	c := &violations{Planner: p, at: map[string]int{}}
	for _, look := range []func(context.Context) error{c.rails, c.flows, c.units} {
		if err := look(ctx); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(c.All, func(a, b Violation) int {
		class := func(v Violation) int { return slices.Index(ViolationClasses(), v.Class) }
		return cmp.Or(cmp.Compare(b.Verdict, a.Verdict), class(a)-class(b), b.Count-a.Count)
	})
	return &c.Violations, nil
}

// violations is the search for them.
type violations struct {
	*Planner
	Violations
	at    map[string]int // of All, by class, rule and text
	ways  *lookalikes    // vNICs whose frames go the same ways
	known map[string]reach.RailState
}

// found takes one down. Those that are alike are one.
func (c *violations) found(v Violation, sufferers []topology.Node, by ...topology.Reading) {
	for _, r := range by {
		e := (&move{Planner: c.Planner}).evidenceOf(r)
		if r.Source != 0 && !slices.Contains(v.Evidence, e) {
			v.Evidence = append(v.Evidence, e)
		}
		if e.Stale && r.Source != 0 && v.Verdict == Block {
			v.Verdict, v.like = Unknown, r.Device+r.Table
			v.Text += fmt.Sprintf("; but what %s said by %s %s is too old: collect it", r.Device, r.Source, r.Table)
		}
	}
	key := strings.Join([]string{string(v.Class), v.Rail, v.Rule, v.Verdict.String(), cmp.Or(v.like, v.Text)}, "\x00")
	count := max(1, v.Count)
	i, known := c.at[key]
	if !known {
		i = len(c.All)
		c.at[key] = i
		v.Count = 0
		c.All = append(c.All, v)
		c.Verdict = Worst(c.Verdict, v.Verdict)
	}
	one := &c.All[i]
	one.Count += count
	for _, n := range sufferers {
		if !slices.Contains(one.Objects, n.Key()) && len(one.Objects) < maxSufferers {
			one.Objects = append(one.Objects, n.Key())
		}
	}
}

// rails looks at the ways of all VMs that are not off.
func (c *violations) rails(ctx context.Context) error {
	rules := slices.Clone(c.policy.Paths)
	for _, r := range []PathRule{
		{Name: "redundancy", Rail: RailNetwork, Ways: c.policy.Redundancy.Network}, {Name: "redundancy", Rail: RailStorage, Ways: c.policy.Redundancy.Storage},
	} {
		if r.Ways > 1 {
			rules = append(rules, r)
		}
	}
	for vm := range c.s.Nodes(topology.VM) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if off(vm) {
			continue
		}
		host, _ := vm.First(topology.RunsOn)
		of := slices.DeleteFunc(slices.Clone(rules), func(r PathRule) bool { return !r.VMs.Has(vm) })
		for _, s := range c.states(vm, host) {
			r := s.Rail
			c.Rails++
			c.outage(s)
			for _, rule := range of {
				if rule.Rail == r.Name && s.Served && s.Ways > 0 {
					c.hold(s, rule)
				}
			}
		}
	}
	return nil
}

// states gives what is known of the ways of a VM's rails. vNICs that are alike have the same.
func (c *violations) states(vm, host topology.Node) []reach.RailState {
	if c.ways == nil {
		c.ways, c.known = newNeighbours(c.Planner), map[string]reach.RailState{}
	}
	var all []reach.RailState
	for part := range vm.Objects(topology.Contains) {
		if part.Kind() != topology.VNIC {
			if part.Kind() == topology.VDisk || part.Kind() == topology.InitiatorPort {
				for _, r := range part.Rails() {
					all = append(all, c.network().StateOf(r, host))
				}
			}
			continue
		}
		class := host.Key().String() + c.ways.ways(part)
		s, known := c.known[class]
		if !known {
			s = c.network().StateOf(part.Rails()[0], host)
			s.Paths = nil // which begin elsewhere
			c.known[class] = s
		}
		s.From = part
		all = append(all, s)
	}
	return all
}

// outage tells of a rail without a way: an outage if all that might be one is broken.
func (c *violations) outage(s reach.RailState) {
	v := Violation{Class: PathOutage, Rail: s.Name, Rule: "every vNIC and disk has a way", Verdict: Block}
	switch {
	case s.Ways > 0:
	case s.Doubt != "":
		v.Verdict, v.Text = Unknown, s.Doubt
		c.found(v, []topology.Node{s.From})
	default:
		h := s.Broken[0]
		v.Text, v.Objects = fmt.Sprintf("%s: %s", titleOf(h.Node), h.Fault), []topology.Key{h.Node.Key()}
		c.found(v, []topology.Node{s.From}, h.Reading)
	}
}

// titleOf is a node as people name it: with its device.
func titleOf(n topology.Node) string {
	if owner, ok := n.Owner(); ok {
		return fmt.Sprintf("%s %s %s", n.Kind(), owner.Name(), n.Name())
	}
	return fmt.Sprintf("%s %s", n.Kind(), n.Name())
}

// hold holds the ways of a rail to one rule. Where there may be more ways than are known, too few of them are no violation for certain.
func (c *violations) hold(s reach.RailState, rule PathRule) {
	fewer := Violation{Rail: s.Name, Rule: rule.Name, Verdict: Block}
	if s.Doubt != "" {
		fewer.Verdict = Unknown
	}
	var host topology.Node
	if len(s.Ports) > 0 {
		host, _ = s.Ports[0].Owner()
	}
	say := func(class ViolationClass, v Verdict, object topology.Node, text string) {
		x := fewer
		x.Class, x.Verdict, x.Text = class, v, text
		if v == Unknown {
			x.Text += "; but " + s.Doubt
		}
		if !object.IsZero() {
			x.Objects = []topology.Key{object.Key()}
		}
		var by []topology.Reading
		for _, h := range s.Broken {
			by = append(by, h.Reading)
		}
		c.found(x, []topology.Node{s.From}, by...)
	}
	if len(s.Ports) < rule.HostPorts {
		say(MissingPorts, fewer.Verdict, host, fmt.Sprintf("ways leave %s by %d of its ports, and not by %d", nameOr(host, "the host"), len(s.Ports), rule.HostPorts))
	}
	if s.Independent < rule.Ways {
		words := []string{fmt.Sprintf("%d of %d ways from %s share nothing", s.Independent, s.Ways, nameOr(host, "the host"))}
		for _, h := range s.Broken {
			words = append(words, fmt.Sprintf("%s: %s", titleOf(h.Node), h.Fault))
		}
		say(MissingRedundancy, fewer.Verdict, host, strings.Join(words, "; "))
	}
	for _, d := range s.Shared {
		if rule.Ways > 1 && d.Kind() != topology.Array {
			say(SinglePoint, fewer.Verdict, d, fmt.Sprintf("no way leads around %s %s", d.Kind(), d.Name()))
		}
	}
	if rule.Hops > 0 && s.Hops > rule.Hops {
		say(TooManyHops, Block, host, fmt.Sprintf("a way from %s has %d switches, routers and firewalls, and not %d at most", nameOr(host, "the host"), s.Hops, rule.Hops))
	}
}

func nameOr(n topology.Node, other string) string {
	if n.IsZero() {
		return other
	}
	return n.Name()
}

// units looks at who sees the units that the policy names.
func (c *violations) units(ctx context.Context) error {
	if len(c.policy.Units) == 0 {
		return nil
	}
	for unit := range c.s.Nodes(topology.LogicalUnit) {
		if _, same := unit.First(topology.IdentifiedAs); same {
			continue
		}
		var of []UnitRule
		for _, rule := range c.policy.Units {
			if rule.Units.Has(unit) {
				of = append(of, rule)
			}
		}
		if len(of) == 0 {
			continue
		}
		c.Units++
		see, err := c.network().Sharers(ctx, unit)
		if err != nil {
			return err
		}
		for _, rule := range of {
			c.seen(unit, see, rule)
		}
	}
	return nil
}

func (c *violations) seen(unit topology.Node, see []reach.StorageAnswer, rule UnitRule) {
	verdict := map[bool]Verdict{true: Block, false: Unknown}
	var certain, all []string
	for _, a := range see {
		all = append(all, a.From.Name())
		if a.Verdict == reach.Yes {
			certain = append(certain, a.From.Name())
		}
		if !rule.Hosts.Has(a.From) {
			text := fmt.Sprintf("%s sees %s", a.From.Name(), unit.Name())
			if a.Verdict != reach.Yes {
				text = fmt.Sprintf("whether %s sees %s is not known: %s", a.From.Name(), unit.Name(), whyNot(a))
			}
			c.found(Violation{
				Class: UnauthorizedPath, Rail: RailStorage, Rule: rule.Name, Verdict: verdict[a.Verdict == reach.Yes], Text: text, Objects: []topology.Key{a.From.Key()}, like: a.From.Key().String(),
			}, []topology.Node{unit}, unitReadings(unit)...)
		}
	}
	if rule.Exclusive && len(all) > 1 {
		text := fmt.Sprintf("%s is seen by %s", unit.Name(), strings.Join(certain, ", "))
		if len(certain) < 2 {
			text = fmt.Sprintf("%s may be seen by %s", unit.Name(), strings.Join(all, ", "))
		}
		c.found(Violation{Class: UnauthorizedSharing, Rail: RailStorage, Rule: rule.Name, Verdict: verdict[len(certain) > 1], Text: text, like: strings.Join(all, " ")},
			[]topology.Node{unit}, unitReadings(unit)...)
	}
}

func whyNot(a reach.StorageAnswer) string {
	for _, p := range a.Paths {
		if p.Verdict == a.Verdict && p.Why() != "" {
			return p.Why()
		}
	}
	return a.Why
}

func unitReadings(unit topology.Node) []topology.Reading {
	var all []topology.Reading
	for _, rel := range []topology.Rel{topology.MapsUnit, topology.Exports} {
		for _, e := range unit.In(rel) {
			all = append(all, e.Reading)
		}
	}
	return all
}
