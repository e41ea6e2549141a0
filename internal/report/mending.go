package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

// Mending is what would make a move pass.
type Mending struct {
	Remedies []Remedy  `json:"remedies"`       // the one to take first; none: nothing that the checks know of helps
	More     bool      `json:"more,omitempty"` // there are more of the same size
	Proven   bool      `json:"proven"`         // that fewer acts do not help
	Left     []Finding `json:"left,omitempty"` // what no act mends; the remedies mend the rest
	Failed   string    `json:"failed,omitempty"`
}

// Remedy is some acts that together make a move pass, but for what is in Mending.Left.
type Remedy struct {
	Verdict planner.Verdict `json:"verdict"` // of the move after them
	Acts    []Act           `json:"acts"`    // in the order in which they are made
	Undo    []string        `json:"undo"`    // changes that take them back, in the order in which they are made
	Opens   []Finding       `json:"opens,omitempty"`
	Last    string          `json:"last,omitempty"` // why it is behind others
}

// Act is one thing that an operator does, what it changes in the graph, and what takes it back.
type Act struct {
	Text    string   `json:"text"`
	Changes []string `json:"changes"`
	Inverse []string `json:"inverse"`
}

// MendingOf gives what the planner has found to mend a move in a snapshot.
func MendingOf(m *planner.Mending, s *topology.Snapshot, plan *planner.Plan) *Mending {
	t := tableOf(s, plan.Time)
	v := &Mending{Remedies: []Remedy{}, More: m.More, Proven: m.Proven, Left: t.findings(m.Left)}
	for _, r := range m.Remedies {
		w := Remedy{Verdict: r.After.Verdict, Undo: words(r.Undo), Opens: t.findings(r.Opens), Last: r.Last}
		for _, fix := range r.Fixes {
			w.Acts = append(w.Acts, actOf(fix))
		}
		v.Remedies = append(v.Remedies, w)
	}
	return v
}

func actOf(fix planner.Fix) Act {
	cs := topology.ChangeSet{Changes: fix.Changes}
	return Act{fix.Text, words(cs), words(cs.Reverse())}
}

func words(cs topology.ChangeSet) []string {
	all := []string{}
	for _, c := range cs.Changes {
		all = append(all, c.String())
	}
	return all
}

// Headline is what a remedy comes to.
func (r Remedy) Headline() string {
	if len(r.Acts) == 1 {
		return "with this change: " + r.Verdict.String()
	}
	return fmt.Sprintf("with these %d changes: %s", len(r.Acts), r.Verdict)
}

// Headline is what the search came to.
func (m *Mending) Headline() string {
	switch {
	case m.Failed != "":
		return "not known: " + m.Failed
	case len(m.Remedies) == 0:
		return "no change that the checks know of"
	case len(m.Left) > 0:
		return "changes that mend a part of it"
	case m.Proven && m.More:
		return "the smallest set of changes; there are others of its size"
	case m.Proven:
		return "the smallest set of changes"
	}
	return "changes of which none can be left out"
}

// LeftCodes are the checks whose findings no act mends.
func (m *Mending) LeftCodes() string {
	var codes []string
	for _, f := range m.Left {
		if !slices.Contains(codes, f.Code) {
			codes = append(codes, f.Code)
		}
	}
	return strings.Join(codes, " ")
}
