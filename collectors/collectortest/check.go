package collectortest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// Text prints observations for people to review and for golden files: a line for each reading, in the order of the tables, and beneath it
// a line for each fact, in canonical order. Times are left out.
func Text(observations []topology.Observation) string {
	var b strings.Builder
	for _, o := range sorted(observations) {
		completeness := "complete"
		if o.Reading.Partial {
			completeness = "partial"
		}
		fmt.Fprintf(&b, "%s %s %s, %d rows, by %s", o.Reading.Source, o.Reading.Table, completeness, o.Reading.Rows, o.Reading.Command)
		if o.Reading.Reason != "" {
			fmt.Fprintf(&b, " (%s)", o.Reading.Reason)
		}
		b.WriteByte('\n')
		for _, f := range o.Facts {
			fmt.Fprintf(&b, "  %s", escape(f.String()))
			if f.Confidence != 0 && f.Confidence != topology.ConfidenceStated {
				fmt.Fprintf(&b, " (%d%%)", f.Confidence)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// escape keeps a fact on its line.
func escape(text string) string {
	return strings.NewReplacer("\\", `\\`, "\n", `\n`, "\r", `\r`, "\x1b", `\x1b`, "\x00", `\x00`).Replace(text)
}

func sorted(observations []topology.Observation) []topology.Observation {
	observations = slices.Clone(observations)
	for i := range observations {
		observations[i].Facts = slices.SortedStableFunc(slices.Values(observations[i].Facts), topology.Fact.Compare)
	}
	slices.SortStableFunc(observations, func(a, b topology.Observation) int { return a.Reading.Compare(b.Reading.ReadingKey) })
	return observations
}

// Problems lists what in a device's observations breaks the contract or the model.
func Problems(d collectors.Device, observations []topology.Observation) []string {
	var problems []string
	seen := map[topology.ReadingKey]bool{}
	for _, o := range observations {
		bad := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("%s: ", o.Reading)+fmt.Sprintf(format, args...))
		}
		r := o.Reading
		if r.Device != d.Handle || r.Source != d.Source || r.Table == "" || r.Table == collectors.SessionTable {
			bad("is no reading of a table of %s/%s", d.Handle, d.Source)
		}
		whole := r.ReadingKey
		whole.Partial = false
		if seen[whole] {
			bad("the table has two readings")
		}
		seen[whole] = true
		if r.Command == "" {
			bad("does not say what was sent")
		}
		if r.Time.IsZero() || r.Time.Location() != time.UTC || !r.Time.Equal(r.Time.Truncate(time.Millisecond)) {
			bad("its time %s is not in UTC and whole milliseconds", r.Time)
		}
		if r.Partial && r.Reason == "" {
			bad("is partial and does not say why")
		}
		if !r.Partial && r.Rows == 0 && len(o.Facts) > 0 {
			bad("has facts but no rows")
		}
		problems = append(problems, factProblems(d, o)...)
	}
	return problems
}

func factProblems(d collectors.Device, o topology.Observation) []string {
	var problems []string
	seen := map[topology.Fact]bool{}
	for _, f := range o.Facts {
		bad := func(why string) { problems = append(problems, fmt.Sprintf("%s: %s: %s", o.Reading, f, why)) }
		if err := f.Check(); err != nil {
			bad(err.Error())
		}
		if f.Derived || !f.Since.IsZero() || f.Reading != (topology.ReadingKey{}) {
			bad("has what only reconcile sets")
		}
		if seen[f.Identity()] {
			bad("is stated twice")
		}
		seen[f.Identity()] = true
		for _, k := range []topology.Key{f.Subject, f.Object} {
			if handle, _, local := k.Local(); local && handle != d.Handle {
				bad("speaks of a part of " + handle + ", which is not the device that was read")
			}
		}
	}
	return problems
}

// Leaks lists where the secrets of the device's access show: in what was observed or in the error.
func Leaks(d collectors.Device, observations []topology.Observation, err error) []string {
	texts := strings.Split(Text(observations), "\n")
	if err != nil {
		texts = append(texts, "error: "+err.Error())
	}
	var leaks []string
	for _, text := range texts {
		if clean := collectors.Redact(text, d.Secrets()...); clean != text {
			leaks = append(leaks, "a secret shows: "+clean)
		}
	}
	return leaks
}

// tables gives the text of every table by its name; that of a partial reading begins with "partial".
func tables(observations []topology.Observation) map[string]string {
	texts := map[string]string{}
	for _, o := range observations {
		text := Text([]topology.Observation{o})
		if o.Reading.Partial {
			text = "partial: " + text
		}
		texts[o.Reading.Table] = text
	}
	return texts
}

// invented lists the tables that claim to be complete and are not what the whole reading has, and the facts that it does not have.
func invented(want, got []topology.Observation) []string {
	var problems []string
	whole := tables(want)
	known := map[topology.Fact]bool{}
	for _, o := range want {
		for _, f := range o.Facts {
			known[f.Identity()] = true
		}
	}
	for _, o := range got {
		if text := Text([]topology.Observation{o}); !o.Reading.Partial && text != whole[o.Reading.Table] {
			problems = append(problems, fmt.Sprintf("%s claims to be complete: -whole +this\n%s", o.Reading, cmp.Diff(whole[o.Reading.Table], text)))
		}
		for _, f := range o.Facts {
			if !known[f.Identity()] {
				problems = append(problems, fmt.Sprintf("%s: %s is not what the whole reading says", o.Reading, f))
			}
		}
	}
	return problems
}

// Damage lists how a reading with broken tables differs from what it should be: the broken ones partial, all others untouched.
func Damage(want, got []topology.Observation, broken []string) []string {
	problems := invented(want, got)
	have := tables(got)
	for _, name := range slices.Sorted(maps.Keys(tables(want))) {
		text, ok := have[name]
		partial := strings.HasPrefix(text, "partial: ")
		switch {
		case !ok:
			problems = append(problems, name+" has no reading")
		case partial && !slices.Contains(broken, name):
			problems = append(problems, name+" is partial, but another table was broken")
		case !partial && slices.Contains(broken, name):
			problems = append(problems, name+" was broken, and claims to be complete")
		}
	}
	for _, name := range broken {
		if _, ok := have[name]; !ok {
			problems = append(problems, name+" was broken, and has no reading")
		}
	}
	return problems
}

// timeless takes the times out.
func timeless(observations []topology.Observation) []topology.Observation {
	observations = slices.Clone(observations)
	for i := range observations {
		observations[i].Reading.Time = time.Time{}
	}
	return observations
}

func compareValues() cmp.Option {
	return cmp.Comparer(func(a, b topology.Value) bool { return a == b })
}
