package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

// Check is the answer of throughline check migrate. Its form in JSON is stable: keys are added, none changes its meaning.
type Check struct {
	Verdict    planner.Verdict   `json:"verdict"` // pass, warn, unknown or block
	VM         Object            `json:"vm"`
	From       *Object           `json:"from,omitempty"` // none: no source says where the VM runs
	To         Object            `json:"to"`
	Revision   topology.Revision `json:"revision"`
	Collected  time.Time         `json:"collected"` // when the revision was made
	Time       time.Time         `json:"time"`      // of the question
	Policy     *PolicyFile       `json:"policy,omitempty"`
	Findings   []Finding         `json:"findings"`   // the worst first, of one verdict in the order of the checks
	NotChecked []Skipped         `json:"notChecked"` // what was not looked at
	Overrides  []Override        `json:"overrides,omitempty"`
	Mending    *Mending          `json:"mending,omitempty"` // what would make it pass, if it was looked for
	Stale      string            `json:"stale,omitempty"`   // what has changed while the answer was made

	Before, After []Rail `json:"-"` // of the VM, as it is and on the target
}

// Object is a node of the graph.
type Object struct {
	Key   topology.Key `json:"key"`
	Name  string       `json:"name"`
	Title string       `json:"title"` // "port r01-leaf-a Ethernet3"
}

// PolicyFile tells which policy the answer was made under.
type PolicyFile struct {
	File   string `json:"file"`
	Digest string `json:"digest"`
}

// Finding is one thing that a check found.
type Finding struct {
	Code          string          `json:"code"`
	Verdict       planner.Verdict `json:"verdict"`
	Found         planner.Verdict `json:"found"` // without the override, if there is one
	Asks          string          `json:"asks"`
	Text          string          `json:"text"`
	NotApplicable bool            `json:"notApplicable,omitempty"`
	Old           bool            `json:"old,omitempty"` // unknown for no other reason than that a reading is too old
	Objects       []Object        `json:"objects"`
	Evidence      []Evidence      `json:"evidence"`
	Fixes         []Act           `json:"fixes,omitempty"`
	Mends         string          `json:"mends,omitempty"` // in general, of what is warned of or blocks
	Needs         string          `json:"needs,omitempty"` // what the check has to know, of what is unknown
	Override      *Override       `json:"override,omitempty"`
}

// Evidence is a reading that a finding rests on.
type Evidence struct {
	Device  string    `json:"device"`
	Source  string    `json:"source"`
	Table   string    `json:"table"`
	Command string    `json:"command,omitempty"`
	Time    time.Time `json:"time"`
	Age     string    `json:"age"`
	Stale   bool      `json:"stale,omitempty"`
}

// String is "[r01-h03 libvirt domains, 12s]".
func (e Evidence) String() string {
	text := strings.TrimSpace(e.Device+" "+e.Source+" "+e.Table) + ", " + e.Age
	if e.Stale {
		text += ", STALE"
	}
	return "[" + text + "]"
}

// Skipped is a check that was not made.
type Skipped struct {
	Code string `json:"code"`
	Asks string `json:"asks"`
	When string `json:"when"` // disabled, at the run, or not applicable
	Why  string `json:"why"`
}

// Override is what lets findings pass.
type Override struct {
	Check   string    `json:"check"`
	VM      string    `json:"vm,omitempty"`
	Host    string    `json:"host,omitempty"`
	Name    string    `json:"name"`
	Reason  string    `json:"reason"`
	Expires time.Time `json:"expires"`
	Expired bool      `json:"expired,omitempty"`
}

// Of gives a plan as people and programs read it. s is the snapshot that was asked, under the given policy.
func Of(p *planner.Plan, s *topology.Snapshot, policy *planner.Policy) *Check {
	c := &Check{
		Verdict: p.Verdict, VM: ObjectOf(s, p.VM), To: ObjectOf(s, p.Host), Revision: p.Revision, Collected: s.Time(), Time: p.Time, Findings: []Finding{}, NotChecked: []Skipped{},
	}
	vm, _ := s.Node(p.VM)
	host, _ := s.Node(p.Host)
	if from, ok := vm.First(topology.RunsOn); ok {
		o := ObjectOf(s, from.Key())
		c.From = &o
	}
	t := tableOf(s, p.Time)
	c.Findings = t.findings(p.Findings)
	for _, k := range p.Skipped {
		when := t.checks[k.Code].When.String()
		if _, off := policy.WhyDisabled(k.Code); off {
			when = "disabled"
		}
		_, why, cut := strings.Cut(k.Why, ": ")
		if !cut {
			why = k.Why
		}
		c.NotChecked = append(c.NotChecked, Skipped{k.Code, k.Asks, when, why})
	}
	for i := range policy.Overrides {
		if o := &policy.Overrides[i]; o.About(vm, host) {
			c.Overrides = append(c.Overrides, *overrideOf(o, p.Time))
		}
	}
	return c
}

// table is what findings are worded with.
type table struct {
	s      *topology.Snapshot
	now    time.Time
	checks map[string]planner.Check
}

func tableOf(s *topology.Snapshot, now time.Time) *table {
	t := &table{s, now, map[string]planner.Check{}}
	for _, c := range planner.Checks() {
		t.checks[c.Code] = c
	}
	return t
}

// findings are the worst first, and of one verdict in the order of the checks.
func (t *table) findings(all []planner.Finding) []Finding {
	found := []Finding{}
	for _, f := range all {
		found = append(found, t.finding(f))
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(b.Verdict, a.Verdict) })
	return found
}

func (t *table) finding(f planner.Finding) Finding {
	check := t.checks[f.Code]
	v := Finding{
		Code: f.Code, Verdict: f.Verdict, Found: f.Found, Asks: check.Asks, Text: f.Text, NotApplicable: f.Idle, Old: f.Old, Objects: []Object{}, Evidence: []Evidence{},
	}
	switch f.Found {
	case planner.Unknown:
		v.Needs = check.Facts
	case planner.Warn, planner.Block:
		v.Mends = check.Mends
	case planner.Pass:
	}
	for _, k := range f.Objects {
		v.Objects = append(v.Objects, ObjectOf(t.s, k))
	}
	for _, e := range t.ranked(f) {
		v.Evidence = append(v.Evidence, Evidence{e.Device, e.Source.String(), e.Table, e.Command, e.Time, Age(e.Age), e.Stale})
	}
	for _, fix := range f.Fixes {
		v.Fixes = append(v.Fixes, actOf(fix))
	}
	if f.Override != nil {
		v.Override = overrideOf(f.Override, t.now)
	}
	return v
}

// ranked are the readings that a finding rests on, in the order in which somebody asks for them: what is too old, what the devices that it is about have said, the rest.
func (t *table) ranked(f planner.Finding) []planner.Evidence {
	about := map[string]bool{}
	for _, k := range f.Objects {
		n, ok := t.s.Node(k)
		for ok && !n.Kind().Device() {
			n, ok = n.Owner()
		}
		if !ok {
			continue
		}
		for _, v := range n.Values(topology.AttrHandle) {
			about[v.String()] = true
		}
	}
	rank := func(e planner.Evidence) int {
		switch {
		case e.Stale:
			return 0
		case about[e.Device]:
			return 1
		}
		return 2 //nolint:mnd // the third of three
	}
	return slices.SortedStableFunc(slices.Values(f.Evidence), func(a, b planner.Evidence) int { return cmp.Compare(rank(a), rank(b)) })
}

// ObjectOf words a node that may not be there.
func ObjectOf(s *topology.Snapshot, k topology.Key) Object {
	n, ok := s.Node(k)
	if !ok {
		return Object{k, k.ID, k.String()}
	}
	return Object{k, n.Name(), Title(n)}
}

func overrideOf(o *planner.Override, now time.Time) *Override {
	return &Override{o.Check, o.VM, o.Host, o.Name, o.Reason, o.Expires, !now.Before(o.Expires)}
}

// Passed are the findings that passed, by the family of their checks.
type Passed struct {
	Family        string   // "HOST"
	Codes         []string // that looked at something
	NotApplicable []string
}

// Passed groups what passed, in the order of the checks.
func (c *Check) Passed() []Passed {
	var all []Passed
	for _, f := range c.Findings {
		if f.Verdict != planner.Pass {
			continue
		}
		family, _, _ := strings.Cut(f.Code, "-")
		if n := len(all); n == 0 || all[n-1].Family != family {
			all = append(all, Passed{Family: family})
		}
		p := &all[len(all)-1]
		of := &p.Codes
		if f.NotApplicable {
			of = &p.NotApplicable
		}
		if !slices.Contains(*of, f.Code) {
			*of = append(*of, f.Code)
		}
	}
	return all
}

// Unchecked groups what was not looked at by why it was not.
func (c *Check) Unchecked() []Skip {
	all := []Skip{{When: "disabled", Title: "disabled by the policy"}, {When: planner.AtRun.String(), Title: "only at the run"}, {When: planner.Elsewhere.String(), Title: "not applicable to this hypervisor"}}
	for _, k := range c.NotChecked {
		for i := range all {
			if all[i].When == k.When {
				all[i].Checks = append(all[i].Checks, k)
			}
		}
	}
	return slices.DeleteFunc(all, func(s Skip) bool { return len(s.Checks) == 0 })
}

// Skip is checks that were not made for one kind of reason.
type Skip struct {
	When, Title string
	Checks      []Skipped
}

// Headline is the answer in one line.
func (c *Check) Headline() string {
	from := "nobody says where"
	if c.From != nil {
		from = c.From.Name
	}
	return strings.ToUpper(c.Verdict.String()) + ": " + c.VM.Name + " from " + from + " to " + c.To.Name
}

// At words which state of the estate was asked, and when.
func (c *Check) At() string {
	return "revision @" + strconv.FormatUint(uint64(c.Revision), 10) + " of " + c.Collected.UTC().Format(time.RFC3339) + ", asked at " + c.Time.UTC().Format(time.RFC3339)
}
