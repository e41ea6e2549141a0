package planner

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// Mending is how a move that does not pass can be made to.
type Mending struct {
	Remedies []Remedy  // none: nothing helps, or nothing has to
	More     bool      // there are more of the same size
	Proven   bool      // all smaller sets of acts were tried, and none of them helps; else of no remedy one act can be left out
	Left     []Finding // what no act mends; the remedies mend all the rest
}

// Remedy is a set of acts with which a move passes, but for what is in Mending.Left, and with no act less it does not.
type Remedy struct {
	Fixes   []Fix              // in the order in which they are made
	Changes topology.ChangeSet // all that they change
	Undo    topology.ChangeSet // takes it back
	After   *Plan              // all checks, asked anew of the snapshot in which the acts are made
	Mends   []Finding          // what stands in the way without them
	Opens   []Finding          // what the acts alone open to others, or take from them, before anything moves
	Last    string             // why the remedy is shown behind others; "" if it is not
}

// Mend finds the smallest sets of acts with which a move passes. The candidates are what the findings offer, and after each act the checks that found something
// are asked again, since mending one thing may bring the next to light. Findings that are there whatever is done are given back as Left, and the remedies mend the
// rest; where others come to light on each way out, those are Left, and there is no remedy. What comes out was checked anew from the first change on. The same
// question has the same answer.
//
// That no smaller set helps is proven for what the findings say: a finding names every act that has a part in mending it (see finder.mend), or such an act makes
// it vanish by itself. plan is the Planner's own answer. The error says that nobody waits any longer.
func (p *Planner) Mend(ctx context.Context, plan *Plan) (*Mending, error) {
	root := &state{p: p, bad: objections(plan), whole: true}
	s := &search{ctx: ctx, vm: plan.VM, host: plan.Host, root: root, seen: map[string]*state{root.key: root}, sums: map[string]bool{}}
	for _, c := range p.checks {
		s.sums[c.Code] = c.sums
	}
	m := &Mending{}
	if len(root.bad) == 0 {
		return m, nil
	}
	sets, end, err := s.sets(m)
	if err == nil && len(sets) == 0 {
		if m.Left = s.lasting(); len(m.Left) == 0 {
			m.Left = end.bad
			return m, nil
		}
		s.leave(m.Left)
		if !s.allowed(root.bad) {
			sets, _, err = s.sets(m)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, st := range sets {
		r, err := s.remedy(plan, st)
		if err != nil {
			return nil, err
		}
		if s.allowed(objections(r.After)) { // nothing is taken on trust
			m.Remedies = append(m.Remedies, r)
		}
	}
	slices.SortStableFunc(m.Remedies, func(a, b Remedy) int {
		return cmp.Or(cmp.Compare(min(len(a.Last), 1), min(len(b.Last), 1)), cmp.Compare(len(a.Fixes), len(b.Fixes)))
	})
	return m, nil
}

// sets finds the smallest sets of acts, or else one of which none can be left out; of neither, the state in which nothing helps any more.
func (s *search) sets(m *Mending) (sets []*state, end *state, err error) {
	if sets, m.More, err = s.exact(); err != nil {
		return nil, nil, err
	}
	if m.Proven = len(sets) > 0; !m.Proven {
		if end, err = s.greedy(); err != nil {
			return nil, nil, err
		}
		if ok, err := s.mended(end); err != nil || !ok {
			return nil, end, err
		}
		sets = []*state{end}
	}
	for i, st := range sets {
		if sets[i], err = s.spare(st); err != nil {
			return nil, nil, err
		}
	}
	slices.SortStableFunc(sets, func(a, b *state) int { return cmp.Compare(len(a.acts), len(b.acts)) })
	least := len(sets[0].acts)
	sets = slices.DeleteFunc(sets, func(st *state) bool { return len(st.acts) > least })
	slices.SortStableFunc(sets, func(a, b *state) int { return cmp.Compare(a.key, b.key) })
	return slices.Compact(sets), nil, nil
}

// remedy makes all acts at once, in the snapshot that was asked, and asks all checks.
func (s *search) remedy(plan *Plan, st *state) (r Remedy, err error) {
	r.Fixes = st.acts
	r.Changes.Revision = plan.Revision
	for _, fix := range st.acts {
		r.Changes.Changes = append(r.Changes.Changes, fix.Changes...)
	}
	r.Undo = r.Changes.Reverse()
	p, err := s.root.p.Assume(r.Changes)
	if err != nil {
		return r, err
	}
	if r.After, err = p.Migrate(s.ctx, s.vm, s.host); err != nil {
		return r, err
	}
	r.Mends = slices.DeleteFunc(slices.Clone(s.root.bad), func(f Finding) bool { return s.left[f.id()] })
	if r.Opens, err = s.root.p.opens(s.ctx, plan, r.Changes); err != nil {
		return r, err
	}
	if worst := slices.IndexFunc(r.Opens, func(f Finding) bool { return f.Verdict == Block }); worst >= 0 {
		r.Last = "it does to others what must not be: " + r.Opens[worst].Text
	} else if len(r.Opens) > len(r.Mends) {
		r.Last = fmt.Sprintf("it opens more (%d) than it mends (%d)", len(r.Opens), len(r.Mends))
	}
	return r, nil
}
