package planner

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// Bounds of the search. Sets of up to exactActs acts are tried, smallest first; beyond, or once mostTried states were asked, acts are made as they are offered, and
// what is not needed is left out again.
const (
	exactActs    = 4
	mostTried    = 256
	mostActs     = 64
	mostRemedies = 8
)

// search is one search for sets of acts. Its states are remembered by what was changed in all, so that acts in another order are not asked about again.
type search struct {
	ctx      context.Context //nolint:containedctx // a search is one question: it lives as long as its context
	vm, host topology.Key
	root     *state
	seen     map[string]*state // nil: it cannot be made
	left     map[string]bool   // findings that may be left
	sums     map[string]bool   // checks that look at what others found
	tried    int
}

// state is the snapshot after some acts, and what stands in the way there.
type state struct {
	p      *Planner
	acts   []Fix
	effect effect
	key    string // of the effect
	bad    []Finding
	whole  bool // all checks were asked, not only those that found something before

	asked  bool
	offers [][]*state // once asked: for each of bad, the states after the acts that it offers
	next   []*state   // all of them, each once
}

// objections are the findings with which a move is not made.
func objections(plan *Plan) []Finding {
	return slices.DeleteFunc(slices.Clone(plan.Findings), func(f Finding) bool { return f.Verdict <= Warn })
}

// id names a finding across states.
func (f *Finding) id() string {
	var b strings.Builder
	b.WriteString(f.Code)
	for _, k := range f.Objects {
		b.WriteByte(0)
		b.WriteString(k.String())
	}
	return b.String()
}

func has(bad []Finding, id string) bool {
	return slices.ContainsFunc(bad, func(f Finding) bool { return f.id() == id })
}

// leave says which findings may be left.
func (s *search) leave(left []Finding) {
	s.left = map[string]bool{}
	for i := range left {
		s.left[left[i].id()] = true
	}
}

func (s *search) allowed(bad []Finding) bool {
	return !slices.ContainsFunc(bad, func(f Finding) bool { return !s.left[f.id()] })
}

// lasting lists the findings that are there in each state that was asked.
func (s *search) lasting() []Finding {
	return slices.DeleteFunc(slices.Clone(s.root.bad), func(f Finding) bool {
		for _, st := range s.seen {
			if st != nil && !has(st.bad, f.id()) {
				return true
			}
		}
		return false
	})
}

// mended tells whether nothing stands in the way in a state. That is said by all checks, not by some.
func (s *search) mended(st *state) (bool, error) {
	if !s.allowed(st.bad) {
		return false, nil
	}
	if err := s.whole(st); err != nil {
		return false, err
	}
	return s.allowed(st.bad), nil
}

// whole asks all checks in a state.
func (s *search) whole(st *state) error {
	if st.whole {
		return nil
	}
	plan, err := st.p.Migrate(s.ctx, s.vm, s.host)
	if err != nil {
		return err
	}
	st.bad, st.whole, st.asked = objections(plan), true, false
	return nil
}

// act gives the state after one more act; nil if it cannot be made there.
func (s *search) act(st *state, fix Fix) (*state, error) {
	after := st.effect.with(fix.Changes)
	key := after.key()
	if known, ok := s.seen[key]; ok {
		if known != nil && len(st.acts)+1 < len(known.acts) {
			known.acts = append(slices.Clone(st.acts), fix)
		}
		return known, nil
	}
	s.seen[key] = nil
	p, err := st.p.Assume(topology.ChangeSet{Changes: fix.Changes})
	if errors.Is(err, topology.ErrConflict) || errors.Is(err, topology.ErrSchema) {
		return nil, nil //nolint:nilnil // there is no such state
	}
	if err != nil {
		return nil, err
	}
	s.tried++
	next := &state{p: p, acts: append(slices.Clone(st.acts), fix), effect: after, key: key}
	s.seen[key] = next
	return next, s.again(st, next)
}

// again asks the checks that found something in a state, in one after it. Those that sum up what others found are taken to find the same, as long as others do.
func (s *search) again(st, next *state) error {
	sums := []Finding{}
	for _, f := range st.bad {
		if s.sums[f.Code] {
			sums = append(sums, f)
		}
	}
	checks := slices.DeleteFunc(slices.Clone(next.p.checks), func(c Check) bool {
		return c.sums || !slices.ContainsFunc(st.bad, func(f Finding) bool { return f.Code == c.Code })
	})
	plan, err := next.p.migrate(s.ctx, s.vm, s.host, checks)
	if err != nil {
		return err
	}
	next.bad = objections(plan)
	if len(sums) > 0 && s.allowed(next.bad) {
		return s.whole(next)
	}
	next.bad = append(next.bad, sums...)
	return nil
}

// look asks what would be after each act that the findings of a state offer.
func (s *search) look(st *state) error {
	if st.asked {
		return nil
	}
	st.offers, st.next = make([][]*state, len(st.bad)), nil
	for i, f := range st.bad {
		for _, fix := range f.Fixes {
			next, err := s.act(st, fix)
			if err != nil {
				return err
			}
			if next == nil || next == st {
				continue
			}
			st.offers[i] = append(st.offers[i], next)
			if !slices.Contains(st.next, next) {
				st.next = append(st.next, next)
			}
		}
	}
	st.asked = true
	return nil
}

// helpers lists, for each finding that has to go and that an act helps against, the states after such acts: those that it offers, and those after which it is gone.
// Where nothing helps against one, checks that passed before may offer what does.
func (s *search) helpers(st *state) ([][]*state, error) {
	if err := s.look(st); err != nil {
		return nil, err
	}
	all, helpless := s.against(st)
	if helpless == 0 || st.whole {
		return all, nil
	}
	if err := s.whole(st); err != nil {
		return nil, err
	}
	return s.helpers(st)
}

// against is helpers for what was asked; helpless: findings that nothing helps against.
func (s *search) against(st *state) (all [][]*state, helpless int) {
	for i := range st.bad {
		id := st.bad[i].id()
		if s.left[id] {
			continue
		}
		var help []*state
		for _, next := range st.next {
			if slices.Contains(st.offers[i], next) || !has(next.bad, id) {
				help = append(help, next)
			}
		}
		if len(help) == 0 {
			helpless++
			continue
		}
		all = append(all, help)
	}
	return all, helpless
}

// apart counts findings of which no act helps against two: so many acts are needed at least.
func apart(helpers [][]*state) int {
	var taken []*state
	n := 0
	for _, help := range slices.SortedStableFunc(slices.Values(helpers), func(a, b []*state) int { return cmp.Compare(len(a), len(b)) }) {
		if !slices.ContainsFunc(help, func(st *state) bool { return slices.Contains(taken, st) }) {
			taken = append(taken, help...)
			n++
		}
	}
	return n
}

// exact finds the states that are mended by the fewest acts, if that is few enough; more: there are others.
func (s *search) exact() (sets []*state, more bool, err error) {
	for acts := 1; acts <= exactActs; acts++ {
		d := dive{search: s, been: map[*state]int{}}
		if err := d.from(s.root, acts); err != nil || len(d.sets) > 0 {
			return d.sets, d.more, err
		}
	}
	return nil, false, nil
}

// dive looks for the states that are mended by a number of acts.
type dive struct {
	*search
	been map[*state]int // how many acts were left then
	sets []*state
	more bool
}

// from goes on from a state with so many acts at most. One finding has to go some day, so that only the acts that help against it are looked at: that with the fewest.
func (d *dive) from(st *state, acts int) error {
	if n, ok := d.been[st]; ok && n >= acts || d.more {
		return nil
	}
	d.been[st] = acts
	ok, err := d.mended(st)
	switch {
	case err != nil:
		return err
	case ok && len(d.sets) == mostRemedies:
		d.more = true
		return nil
	case ok:
		d.sets = append(d.sets, st)
		return nil
	case acts == 0:
		return nil
	case d.tried >= mostTried:
		d.more = true
		return nil
	}
	helpers, err := d.helpers(st)
	if err != nil || len(helpers) == 0 || apart(helpers) > acts {
		return err
	}
	for _, next := range slices.MinFunc(helpers, func(a, b []*state) int { return cmp.Compare(len(a), len(b)) }) {
		if err := d.from(next, acts-1); err != nil {
			return err
		}
	}
	return nil
}

// greedy makes acts until nothing stands in the way, or nothing helps: each against the first finding, and of those that help the one that leaves the least.
func (s *search) greedy() (*state, error) {
	st := s.root
	been := map[*state]bool{}
	for range mostActs {
		been[st] = true
		ok, err := s.mended(st)
		if err != nil || ok {
			return st, err
		}
		helpers, err := s.helpers(st)
		if err != nil {
			return nil, err
		}
		var help []*state
		for _, h := range helpers {
			if help = slices.DeleteFunc(h, func(next *state) bool { return been[next] }); len(help) > 0 {
				break
			}
		}
		if len(help) == 0 {
			break
		}
		st = slices.MinFunc(help, func(a, b *state) int { return cmp.Compare(len(a.bad), len(b.bad)) })
	}
	return st, nil
}

// spare leaves out what is not needed, the last act first, until no act can be left out.
func (s *search) spare(st *state) (*state, error) {
	for i := len(st.acts) - 1; i >= 0; i-- {
		less, err := s.made(slices.Delete(slices.Clone(st.acts), i, i+1))
		if err != nil {
			return nil, err
		}
		if less == nil {
			continue
		}
		ok, err := s.mended(less)
		if err != nil {
			return nil, err
		}
		if ok {
			st, i = less, len(less.acts)
		}
	}
	return st, nil
}

// made gives the state after some acts; nil if they cannot be made.
func (s *search) made(acts []Fix) (*state, error) {
	st := s.root
	for _, fix := range acts {
		_, err := st.p.Assume(topology.ChangeSet{Changes: fix.Changes}) // it was offered elsewhere
		if errors.Is(err, topology.ErrConflict) {
			return nil, nil //nolint:nilnil // there is no such state
		}
		if err != nil {
			return nil, err
		}
		if st, err = s.act(st, fix); err != nil || st == nil {
			return nil, err
		}
	}
	return st, nil
}

// effect is what some changes amount to: each attribute and each relation once, in order.
type effect []topology.Change

func (e effect) with(changes []topology.Change) effect {
	e = slices.Clone(e)
	for _, c := range changes {
		i, found := slices.BinarySearchFunc(e, c, comparePlaces)
		if !found {
			e = slices.Insert(e, i, c)
			continue
		}
		if e[i].After = c.After; c.Rel != 0 || slices.Equal(e[i].Before, e[i].After) { // of a relation: the other way round
			e = slices.Delete(e, i, i+1)
		}
	}
	return e
}

func comparePlaces(a, b topology.Change) int {
	return cmp.Or(a.Subject.Compare(b.Subject), cmp.Compare(a.Attr, b.Attr), cmp.Compare(a.Rel, b.Rel), a.Object.Compare(b.Object))
}

func (e effect) key() string {
	var b []byte
	for _, c := range e {
		b = strconv.AppendQuote(b, c.Subject.String())
		b = strconv.AppendInt(append(b, c.Attr.String()...), int64(c.Rel), 10)
		b = strconv.AppendBool(strconv.AppendQuote(b, c.Object.String()), c.Add)
		for _, v := range c.After {
			b = strconv.AppendQuote(b, v.String())
		}
		b = append(b, '\n')
	}
	return string(b)
}
