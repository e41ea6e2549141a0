package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner"
)

// maxOld is how many findings that are unknown since a reading is too old are told one by one.
const maxOld = 3

// Open are the findings that did not pass, the worst first. Where many are unknown for no other reason than that readings are too old, there is one for each device that
// has to be read again: who collects it has mended them all.
func (c *Check) Open() []Finding {
	open := c.Unfolded()
	old := 0
	for _, f := range open {
		if f.tooOld() {
			old++
		}
	}
	if old <= maxOld {
		return open
	}
	var all []Finding
	at := map[string]int{}
	checks := map[string][]string{}
	for _, f := range open {
		if !f.tooOld() {
			all = append(all, f)
			continue
		}
		for _, e := range f.stale() {
			i, known := at[e.Device]
			if !known {
				i = len(all)
				at[e.Device] = i
				all = append(all, Finding{Code: "too old", Verdict: f.Verdict, Found: f.Found, Asks: "Is what was read new enough?"})
			}
			if !slices.Contains(all[i].Evidence, e) {
				all[i].Evidence = append(all[i].Evidence, e)
			}
			if !slices.Contains(checks[e.Device], f.Code) {
				checks[e.Device] = append(checks[e.Device], f.Code)
			}
		}
	}
	for device, i := range at {
		all[i].Text = fmt.Sprintf("collect %s: readings of it that are too old: %d; checks that need them: %d", device, len(all[i].Evidence), len(checks[device]))
	}
	return all
}

// Unfolded are all findings that did not pass.
func (c *Check) Unfolded() []Finding {
	return slices.DeleteFunc(slices.Clone(c.Findings), func(f Finding) bool { return f.Verdict == planner.Pass })
}

// tooOld tells that nothing but the age of readings makes the finding unknown.
func (f *Finding) tooOld() bool { return f.Old && f.Verdict == planner.Unknown && len(f.stale()) > 0 }

// stale are the readings that are too old.
func (f *Finding) stale() []Evidence {
	return slices.DeleteFunc(slices.Clone(f.Evidence), func(e Evidence) bool { return !e.Stale })
}

// collect names the devices that have to be read again.
func (c *Check) collect() string {
	var devices []string
	for _, f := range c.Findings {
		for _, e := range f.stale() {
			if f.tooOld() && !slices.Contains(devices, e.Device) {
				devices = append(devices, e.Device)
			}
		}
	}
	if len(devices) == 0 {
		return ""
	}
	shown := devices[:min(len(devices), maxCollect)]
	text := "collect " + strings.Join(shown, ", ")
	if rest := more(len(devices), len(shown)); rest != "" {
		text += " " + rest
	}
	return text + ": what they said is too old"
}

const maxCollect = 8 // devices on one line
