package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner"
)

// Gist is the answer as somebody needs it who reads no further: why it is so, what to do, and how much there is to read.
type Gist struct {
	Why   []Finding // of the verdict of the whole; none where all passes
	More  string    // "and 3 more", of the same verdict
	Do    string    // "": there is nothing that has to be done
	Found string    // "1 block, 2 unknown; 60 pass, 13 not made"
}

const (
	maxWhy    = 3 // findings on the first screen
	maxDo     = 4 // acts
	maxByHand = 2 // pieces of advice
)

// Gist gives what stands on top.
func (c *Check) Gist() Gist {
	var g Gist
	counts, passed := map[planner.Verdict]int{}, map[string]bool{}
	for _, f := range c.Findings {
		counts[f.Verdict]++
		if f.Verdict == planner.Pass {
			passed[f.Code] = true
		}
	}
	worst := slices.DeleteFunc(c.Open(), func(f Finding) bool { return f.Verdict != c.Verdict })
	g.Why = worst[:min(len(worst), maxWhy)]
	g.More = more(len(worst), len(g.Why))
	var found []string
	for v := planner.Block; v > planner.Pass; v-- {
		if counts[v] > 0 {
			found = append(found, fmt.Sprintf("%d %s", counts[v], v))
		}
	}
	skipped := 0
	for _, k := range c.NotChecked {
		if k.When != planner.Elsewhere.String() {
			skipped++
		}
	}
	g.Found = strings.TrimPrefix(fmt.Sprintf("%s; %d pass, %d not made", strings.Join(found, ", "), len(passed), skipped), "; ")
	switch {
	case c.Mending != nil && len(c.Mending.Remedies) > 0:
		g.Do = c.Mending.gist()
	case c.Verdict == planner.Unknown:
		g.Do = cmp.Or(c.collect(), byHand(g.Why))
	case c.Verdict == planner.Block:
		g.Do = byHand(g.Why)
	}
	return g
}

// byHand is what findings say of themselves would help, where no set of changes is known that does: what to fetch of what is not known, an act, or advice.
func byHand(why []Finding) string {
	var all []string
	for _, f := range why {
		text := f.Mends
		if len(f.Fixes) > 0 {
			text = f.Fixes[0].Text
		} else if f.Verdict == planner.Unknown && f.Needs != "" {
			text = "fetch " + f.Needs
		}
		if text != "" && !slices.Contains(all, text) && len(all) < maxByHand {
			all = append(all, text)
		}
	}
	return strings.Join(all, "; ")
}

// gist is the first remedy in one line.
func (m *Mending) gist() string {
	r := m.Remedies[0]
	var acts []string
	for _, act := range r.Acts[:min(len(r.Acts), maxDo)] {
		acts = append(acts, act.Text)
	}
	text := strings.Join(acts, "; ")
	if rest := more(len(r.Acts), len(acts)); rest != "" {
		text += "; " + rest
	}
	if left := m.LeftCodes(); left != "" {
		text += fmt.Sprintf(" (no change mends %s)", left)
	}
	return text + "; " + r.Headline()
}

// more says of how many nothing is said here; "" if all are shown.
func more(all, shown int) string {
	if shown == 0 || all <= shown {
		return ""
	}
	return fmt.Sprintf("and %d more", all-shown)
}
