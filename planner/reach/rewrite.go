package reach

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Rewrite is what an edited configuration of a device does otherwise to packets at some of its places: those that met the filter Old meet New there.
type Rewrite struct {
	Old, New *policy.Filter      // nil: there packets meet no filter
	Places   []policy.Attachment // none: it is attached nowhere, and no other filter jumps to it
	Parts    []RewrittenPart
	Unknown  string // what of it is not compared, and why

	asked map[policy.Field]bool
}

// Asks tells whether a rule asks for a field, of those that packets may come to at these places.
func (r *Rewrite) Asks(f policy.Field) bool { return r.asked[f] }

// Fate says what becomes of packets under the new filter.
type Fate uint8

// The fates of packets that fare otherwise than before.
const (
	NewlyDropped Fate = iota // they passed for certain, and do not for certain
	NewlyPassed              // the reverse
	SentAs                   // they pass as before, and with other addresses, ports or marks
	Doubtful                 // what one of the two does with them is not known
)

// String is the word for a fate.
func (f Fate) String() string {
	return []string{"dropped", "passed", "otherwise", "unknown"}[f]
}

// RewrittenPart is packets that fare otherwise, all in one way, and one of them.
type RewrittenPart struct {
	Fate          Fate
	At            []Context // circumstances in which it is so
	Packets       packet.Set
	Headers       *Headers
	Witness       packet.Packet // followed rule by rule in the first of the circumstances
	Before, After Judgement
}

// Judgement is what a filter does with one packet, by which rules.
type Judgement struct {
	Hits   []Hit
	Passed bool // if what is not known falls so that rules in doubt do not match
}

// RewrittenPolicies compares the filters of two configurations of one device, place by place, in the order of the old configuration, and leaves out what does the same to
// every packet. A filter that one of the two does not have at a place passes all there. Each part has been checked with its witness, rule by rule (ErrWitness).
//
// Packets can only fare otherwise if they meet a rule that the one list has and the other has not: a line that is in doubt in both is no difference for others.
func RewrittenPolicies(old, now []*policy.Filter) ([]Rewrite, error) {
	was, is := byName(old), byName(now)
	var all []Rewrite
	for _, r := range placed(old, now) {
		if r.Old != nil && r.New != nil && sameFilter(was[r.Old.Dialect], is[r.New.Dialect], r.Old, r.New, map[string]bool{}) {
			continue
		}
		c := &comparison{Rewrite: &r, was: chainsOf(was, r.Old), is: chainsOf(is, r.New)}
		if err := c.compare(); err != nil {
			return nil, err
		}
		if len(r.Parts) > 0 || r.Unknown != "" {
			all = append(all, r)
		}
	}
	return all, nil
}

// byName gives the filters of each dialect by their names.
func byName(all []*policy.Filter) map[string]map[string]*policy.Filter {
	m := map[string]map[string]*policy.Filter{}
	for _, f := range all {
		if m[f.Dialect] == nil {
			m[f.Dialect] = map[string]*policy.Filter{}
		}
		m[f.Dialect][f.Name] = f
	}
	return m
}

// met is a place where packets meet filters of a family, and those of two configurations there.
type met struct {
	place  policy.Attachment
	family policy.Family
	sides  [2][]*policy.Filter
}

// placed pairs the filters that packets meet at the same place: those of one name, then those that are left over, in their order.
func placed(old, now []*policy.Filter) (all []Rewrite) {
	add := func(a, b *policy.Filter, place policy.Attachment) {
		i := slices.IndexFunc(all, func(r Rewrite) bool { return r.Old == a && r.New == b })
		if i < 0 {
			i = len(all)
			all = append(all, Rewrite{Old: a, New: b})
		}
		if place.Hook != 0 {
			all[i].Places = append(all[i].Places, place)
		}
	}
	for _, m := range meetings(old, now) {
		var left []*policy.Filter
		others := m.sides[1]
		for _, f := range m.sides[0] {
			j := slices.IndexFunc(others, func(g *policy.Filter) bool { return g.Name == f.Name })
			if j < 0 {
				left = append(left, f)
				continue
			}
			add(f, others[j], m.place)
			others = slices.Delete(slices.Clone(others), j, j+1)
		}
		for i := range max(len(left), len(others)) {
			add(nth(left, i), nth(others, i), m.place)
		}
	}
	return all
}

// meetings lists the places of two configurations. A list that both have and that neither uses has one of its own: nowhere.
func meetings(old, now []*policy.Filter) (all []*met) {
	type at struct {
		place  policy.Attachment
		family policy.Family
	}
	known := map[at]*met{}
	idle, still := unused(old), unused(now)
	maps.DeleteFunc(idle, func(name string, _ bool) bool { return !still[name] })
	for side, filters := range [][]*policy.Filter{old, now} {
		for _, f := range filters {
			places := f.Attached
			if idle[f.Name] {
				places = []policy.Attachment{{Interface: f.Name}}
			}
			for _, place := range places {
				place.Place = policy.Place{}
				k := at{place, f.Family}
				if known[k] == nil {
					known[k] = &met{place: place, family: f.Family}
					all = append(all, known[k])
				}
				known[k].sides[side] = append(known[k].sides[side], f)
			}
		}
	}
	return all
}

// unused names the lists that packets meet nowhere, and to which no other one jumps.
func unused(filters []*policy.Filter) map[string]bool {
	idle := map[string]bool{}
	for _, f := range filters {
		idle[f.Name] = len(f.Attached) == 0 && f.Default != policy.Return
	}
	for _, f := range filters {
		for i := range f.Rules {
			delete(idle, f.Rules[i].Target)
		}
	}
	return idle
}

func nth(of []*policy.Filter, i int) *policy.Filter {
	if i < len(of) {
		return of[i]
	}
	return nil
}

// list is a filter with all of its device that it may jump to.
type list struct {
	root    *policy.Filter
	filters map[string]*policy.Filter
	chains  []*policy.Filter // it, and those that it comes to
}

func chainsOf(all map[string]map[string]*policy.Filter, root *policy.Filter) list {
	l := list{root: root}
	if root == nil {
		return l
	}
	l.filters = all[root.Dialect]
	l.chains = chain(root, l.filters)
	return l
}

// comparison is of one pair of filters.
type comparison struct {
	*Rewrite
	was, is list
	changed []policy.Rule // that the one has and the other has not
	whole   bool          // more than rules has changed
}

func (c *comparison) compare() error {
	family := policy.Family(0)
	for _, l := range []list{c.was, c.is} {
		if l.root != nil {
			family |= l.root.Family
		}
	}
	if family&^policy.IP != 0 {
		c.Unknown = "frames that carry no IP are not compared"
	}
	c.findChanged()
	c.asked = map[policy.Field]bool{}
	c.rules(func(r *policy.Rule) {
		for _, t := range r.Match {
			c.asked[t.Field] = true
		}
	})
	for _, f := range []policy.Family{policy.IPv4, policy.IPv6} {
		if family&f == 0 {
			continue
		}
		if err := c.ordered(f); err != nil {
			return err
		}
	}
	return nil
}

// maxIntervals bounds the sets of one comparison: about 512 MB.
const maxIntervals = 1 << 25

// ordered compares the packets of a family with one order of the fields after the other, until the sets are not too large.
func (c *comparison) ordered(f policy.Family) error {
	before := len(c.Parts)
	var over *packet.OverflowError
	for _, order := range Orders {
		err := c.in(NewHeaders(f, order, maxIntervals))
		if !errors.As(err, &over) {
			return err
		}
		c.Parts = c.Parts[:before]
	}
	c.Unknown = over.Error()
	return nil
}

// findChanged lists the rules that not both have, chain by chain.
func (c *comparison) findChanged() {
	if c.was.root == nil || c.is.root == nil {
		c.whole = true
		return
	}
	a, b := c.was.root, c.is.root
	c.whole = a.Default != b.Default || a.Family != b.Family || a.Missing != b.Missing || len(a.Attached) == 0 != (len(b.Attached) == 0)
	c.changed = append(c.changed, unlike(a.Rules, b.Rules)...)
	for _, f := range slices.Concat(c.was.chains[1:], c.is.chains[1:]) {
		x, y := c.was.filters[f.Name], c.is.filters[f.Name]
		if x != nil && y != nil && (f == x || !slices.Contains(c.was.chains, x)) {
			c.whole = c.whole || x.Default != y.Default || x.Missing != y.Missing || len(x.Attached) == 0 != (len(y.Attached) == 0)
			c.changed = append(c.changed, unlike(x.Rules, y.Rules)...)
		}
	}
	c.rules(func(r *policy.Rule) {
		if (c.was.filters[r.Target] == nil) != (c.is.filters[r.Target] == nil) {
			c.changed = append(c.changed, *r) // it leads to a chain that only one of them has
		}
	})
}

// unlike gives the rules that are in one list and not in the other, or stand before others in one of them than in the other.
func unlike(a, b []policy.Rule) (only []policy.Rule) {
	for len(a) > 0 && len(b) > 0 && sameRule(&a[0], &b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && sameRule(&a[len(a)-1], &b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	const most = 1 << 22
	if len(a)*len(b) > most {
		return unlikeLong(a, b)
	}
	width := len(b) + 1
	common := make([]int32, (len(a)+1)*width) // rules that both have, from here on
	for i := range slices.Backward(a) {
		for j := range slices.Backward(b) {
			if common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1]); sameRule(&a[i], &b[j]) {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case sameRule(&a[i], &b[j]):
			i, j = i+1, j+1
		case common[(i+1)*width+j] >= common[i*width+j+1]:
			only = append(only, a[i])
			i++
		default:
			only = append(only, b[j])
			j++
		}
	}
	return slices.Concat(only, a[i:], b[j:])
}

// unlikeLong does it for long lists, without going back: where the two part, it takes the nearest place where they are alike again.
func unlikeLong(a, b []policy.Rule) (only []policy.Rule) {
	for {
		for len(a) > 0 && len(b) > 0 && sameRule(&a[0], &b[0]) {
			a, b = a[1:], b[1:]
		}
		i, j, ok := alikeAgain(a, b)
		only = slices.Concat(only, a[:i], b[:j])
		if a, b = a[i:], b[j:]; !ok {
			return only
		}
	}
}

// alikeAgain gives how many rules of each list are left out until one is in both; all of them where none is near.
func alikeAgain(a, b []policy.Rule) (i, j int, ok bool) {
	const far = 128 // rules of both lists together
	for n := range far {
		for i := range n + 1 {
			if j := n - i; i < len(a) && j < len(b) && sameRule(&a[i], &b[j]) {
				return i, j, true
			}
		}
	}
	return len(a), len(b), false
}

// found is packets that fare otherwise, by Fate, and the circumstances in which they do.
type found struct {
	sets [4]packet.Set
	at   []Context
}

// in compares what becomes of the packets of one family, in all circumstances.
func (c *comparison) in(h *Headers) error {
	circumstances := c.circumstances(h)
	if circumstances == nil {
		c.Unknown = fmt.Sprintf("the rules ask for more than %d states, VLANs and interfaces: they are not compared", maxCircumstances)
	}
	var all []found
	if err := h.Try(func() { all = c.foundIn(h, circumstances) }); err != nil {
		return fmt.Errorf("%s: %w", cmp.Or(c.Old, c.New).Name, err)
	}
	for _, f := range all {
		for fate, set := range f.sets {
			if err := c.parts(h, Fate(fate), f.at, set); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *comparison) foundIn(h *Headers, circumstances []Context) (all []found) {
	for _, at := range circumstances {
		sets := c.fates(h, at)
		if at.State == policy.StateUntracked {
			for i := range sets { // told with others, as if they were tracked
				sets[i] = h.Intersect(h.Set(sets[i], h.at[fieldUntracked], policy.Num(1)), h.Tracked())
			}
		}
		if i := slices.IndexFunc(all, func(f found) bool { return f.sets == sets }); i >= 0 {
			all[i].at = append(all[i].at, at)
		} else if sets != ([4]packet.Set{}) {
			all = append(all, found{sets, []Context{at}})
		}
	}
	return all
}

// fates gives the packets that fare otherwise in one of the circumstances.
func (c *comparison) fates(h *Headers, at Context) (sets [4]packet.Set) {
	tracked := h.Tracked()
	if at.State == policy.StateUntracked {
		at.State = policy.StateNew // its packets say it of themselves
		tracked = h.Minus(h.Valid, tracked)
	}
	for _, p := range c.pieces(h, at) {
		p.region = h.Intersect(p.region, tracked)
		for fate, set := range c.fatesOf(h, at, p) {
			sets[fate] = h.Union(sets[fate], set)
		}
	}
	return sets
}

// piece is packets that may meet a rule that not both lists have, with what they have in common.
type piece struct {
	region packet.Set
	common []policy.Term
}

const maxPieces = 64 // rules that changed and are looked at one by one

// pieces are all packets that can fare otherwise. What rules write on the way counts for nothing.
func (c *comparison) pieces(h *Headers, at Context) (all []piece) {
	if c.whole {
		return []piece{{region: packet.Full}}
	}
	written := c.written(h)
	var rest piece
	for i := range c.changed {
		r := &c.changed[i]
		p := piece{region: h.admitted(r, at, written)}
		for _, t := range r.Match {
			if name, ok := headerFields[t.Field]; ok && !slices.Contains(written, h.at[name]) {
				p.common = append(p.common, t)
			}
		}
		switch {
		case p.region == packet.Empty:
		case len(c.changed) > maxPieces:
			rest.region = h.Union(rest.region, p.region)
		default:
			all = append(all, p)
		}
	}
	return append(all, rest)
}

func (c *comparison) fatesOf(h *Headers, at Context, p piece) (sets [4]packet.Set) {
	region := p.region
	if region == packet.Empty {
		return sets
	}
	was, is := c.within(h, at, c.was, p), c.within(h, at, c.is, p)
	pass := func(l list, mode Mode, goal packet.Set) packet.Set {
		if l.root == nil {
			return h.Intersect(region, goal)
		}
		return h.Intersect(region, h.Pass(l.filters, l.root.Name, at, mode, goal))
	}
	compare := func(goal packet.Set) (lost, opened, doubt, apart packet.Set) {
		mustWas, mayWas, mustIs, mayIs := pass(was, Must, goal), pass(was, May, goal), pass(is, Must, goal), pass(is, May, goal)
		apart = h.Union(h.Union(h.Minus(mayWas, mayIs), h.Minus(mayIs, mayWas)), h.Union(h.Minus(mustWas, mustIs), h.Minus(mustIs, mustWas)))
		return h.Minus(mustWas, mayIs), h.Minus(mustIs, mayWas), h.Union(h.Minus(mayWas, mustWas), h.Minus(mayIs, mustIs)), apart
	}
	sets[NewlyDropped], sets[NewlyPassed], sets[Doubtful], _ = compare(h.Valid)
	known := h.Union(h.Union(sets[NewlyDropped], sets[NewlyPassed]), sets[Doubtful])
	goals, all := c.goals(h)
	if !all {
		c.Unknown = fmt.Sprintf("packets get more than %d other addresses, ports or marks: whether it is others than before is not compared", maxGoals)
		return sets
	}
	for _, goal := range goals {
		lost, opened, doubt, apart := compare(goal.set)
		if goal.pool {
			doubt = h.Intersect(doubt, apart)
		}
		sets[Doubtful] = h.Union(sets[Doubtful], h.Minus(doubt, known))
		sets[SentAs] = h.Union(sets[SentAs], h.Minus(h.Union(lost, opened), known))
	}
	sets[SentAs] = h.Minus(sets[SentAs], sets[Doubtful])
	return sets
}

// admitted is the packets that may meet a rule as they come to its filter, where rules write some fields.
func (h *Headers) admitted(r *policy.Rule, at Context, written []int) packet.Set {
	m := (&chains{Headers: h, at: at}).match(r)
	if m.never {
		return packet.Empty
	}
	return h.Box(slices.DeleteFunc(m.box, func(t packet.Term) bool { return slices.Contains(written, t.Field) }), packet.Full)
}

// within leaves out the rules that no packet of a piece meets, and of the others what they say of others: of a long list little is left.
func (c *comparison) within(h *Headers, at Context, l list, p piece) list {
	if l.root == nil {
		return l
	}
	written := c.written(h)
	some := list{filters: maps.Clone(l.filters)}
	for _, f := range l.chains {
		g := *f
		g.Rules = nil
		for _, r := range f.Rules {
			if h.Intersect(h.admitted(&r, at, written), p.region) != packet.Empty {
				r.Match = slices.Concat(r.Match, p.common)
				g.Rules = append(g.Rules, r)
			}
		}
		some.filters[f.Name] = &g
	}
	some.root = some.filters[l.root.Name]
	return some
}

// rules gives all rules of both lists.
func (c *comparison) rules(do func(*policy.Rule)) {
	for _, f := range slices.Concat(c.was.chains, c.is.chains) {
		for i := range f.Rules {
			do(&f.Rules[i])
		}
	}
}

// written lists the fields of the header that a rule writes.
func (c *comparison) written(h *Headers) (fields []int) {
	c.rules(func(r *policy.Rule) {
		for _, a := range r.Set {
			name, ok := headerFields[a.Field]
			if a.Field == policy.ConnState {
				name, ok = fieldUntracked, true
			}
			if ok && !slices.Contains(fields, h.at[name]) {
				fields = append(fields, h.at[name])
			}
		}
	})
	return fields
}

const maxGoals = 256 // values that are written

// goal is what packets may be behind a filter: one value or pool that a rule writes; or of a pool, one of its values, which packets may have before, too.
type goal struct {
	set  packet.Set
	pool bool
}

// goals lists them. Two filters write alike exactly if the same packets get into each.
func (c *comparison) goals(h *Headers) (goals []goal, all bool) {
	add := func(field string, pool bool, to ...policy.Range) {
		g := goal{h.Intersect(h.Valid, h.Box(packet.Box{h.term(field, to...)}, packet.Full)), pool}
		if len(goals) <= maxGoals && !slices.Contains(goals, g) {
			goals = append(goals, g)
		}
	}
	c.rules(func(r *policy.Rule) {
		for _, a := range r.Set {
			name, ok := headerFields[a.Field]
			to := a.To
			switch {
			case a.Field == policy.ConnState:
				name, to, ok = fieldUntracked, []policy.Range{policy.Is(1)}, true
			case a.Own:
				to = own(h)
			case a.Keep != (policy.Word{}) && len(to) == 1:
				to = []policy.Range{{Lo: to[0].Lo, Mask: policy.Word{Hi: ^a.Keep.Hi, Lo: ^a.Keep.Lo}}}
			}
			if !ok || a.Family != 0 && a.Family != h.Family {
				continue
			}
			add(name, false, to...)
			if len(to) > 1 || to[0].Lo != to[0].Hi && to[0].Mask == (policy.Word{}) {
				add(name, true, policy.Range{Lo: to[0].Lo, Hi: to[0].Lo})
			}
		}
	})
	return goals, len(goals) <= maxGoals
}

// own stands for the address of an interface that both configurations leave open.
func own(h *Headers) []policy.Range {
	if h.Family == policy.IPv4 {
		return []policy.Range{policy.Is(192<<24 | 2<<8)} // 192.0.2.0 (RFC 5737)
	}
	return []policy.Range{{Lo: policy.Word{Hi: 0x20010db8 << 32}, Hi: policy.Word{Hi: 0x20010db8 << 32}}} // 2001:db8:: (RFC 3849)
}
