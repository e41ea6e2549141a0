package report

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Markdown gives the answer as one page of Markdown (CommonMark with tables).
func (c *Check) Markdown() []byte {
	c = c.printable()
	m := &markdown{}
	m.line("# %s", c.Headline())
	m.gist(c.Gist())
	m.line("%s.", c.At())
	if c.Policy != nil {
		m.line("Policy %s, %s.", c.Policy.File, c.Policy.Digest)
	} else {
		m.line("No policy: what each check says by itself.")
	}
	if c.Stale != "" {
		m.line("**Stale:** %s. Ask again.", c.Stale)
	}
	m.line("## What was found")
	for _, f := range c.Open() {
		m.finding(f)
	}
	if len(c.Open()) == 0 {
		m.line("Nothing stands in the way, as far as was looked.")
	}
	if c.Mending != nil {
		m.mending(c.Mending)
	}
	if len(c.Before)+len(c.After) > 0 {
		m.rails("Paths now", c.Before)
		m.rails("Paths after the move", c.After)
	}
	if len(c.Overrides) > 0 {
		m.line("## Overrides of this move")
		m.table("check", "until", "by", "reason")
		for _, o := range c.Overrides {
			until := o.Until()
			if o.Expired {
				until = "expired " + until
			}
			m.row(o.Check, until, o.Name, o.Reason)
		}
	}
	m.line("## What passed")
	m.table("check", "what was found", "evidence")
	for _, f := range c.Passes() {
		text := f.Text
		if f.NotApplicable {
			text = "not applicable: " + text
		}
		m.row(f.Code, text, strings.Join(f.Shown(), ", "))
	}
	m.line("## What was not looked at")
	for _, skip := range c.Unchecked() {
		m.line("### %s", skip.Title)
		m.table("check", "question", "why not")
		for _, k := range skip.Checks {
			m.row(k.Code, k.Asks, k.Why)
		}
	}
	if len(c.NotChecked) == 0 {
		m.line("Every check was made.")
	}
	m.line("Made by throughline check migrate from what was collected; no device was asked or changed. It is about %s, and no other time.", c.At())
	return m.Bytes()
}

// markdown writes paragraphs. The arguments are texts of others: they are escaped.
type markdown struct {
	bytes.Buffer
}

func (m *markdown) line(format string, args ...any) {
	if m.Len() > 0 {
		m.WriteByte('\n')
	}
	m.plain(format, args...)
}

func (m *markdown) plain(format string, args ...any) {
	for i, a := range args {
		args[i] = escaped(fmt.Sprint(a))
	}
	fmt.Fprintf(m, format+"\n", args...)
}

func (m *markdown) table(head ...string) {
	m.line("| %s |"+strings.Repeat(" %s |", len(head)-1), texts(head)...)
	m.plain("|" + strings.Repeat("---|", len(head)))
}

func (m *markdown) row(cells ...string) {
	m.plain("| %s |"+strings.Repeat(" %s |", len(cells)-1), texts(cells)...)
}

func texts(cells []string) []any {
	all := make([]any, len(cells))
	for i, c := range cells {
		all[i] = c
	}
	return all
}

// gist is a list, as that which every reader of Markdown shows line by line.
func (m *markdown) gist(g Gist) {
	m.WriteByte('\n')
	for _, f := range g.Why {
		m.plain("- because: %s %s", f.Code, f.Text)
	}
	if g.More != "" {
		m.plain("- because: %s", g.More)
	}
	if g.Do != "" {
		m.plain("- do: %s", g.Do)
	}
	m.plain("- found: %s", g.Found)
}

func (m *markdown) finding(f Finding) {
	m.line("### %s %s: %s", strings.ToUpper(f.Verdict.String()), f.Code, f.Text)
	m.line("%s", f.Asks)
	m.WriteByte('\n')
	if o := f.Override; o != nil {
		m.plain("- found: %s. %s lets it pass until %s: %s", f.Found, o.Name, o.Until(), o.Reason)
	}
	for _, o := range f.Objects {
		m.plain("- at: %s", o.Title)
	}
	for _, fix := range f.Fixes {
		m.plain("- mended by: %s", fix.Text)
	}
	if f.Needs != "" {
		m.plain("- needs: %s", f.Needs)
	}
	if len(f.Fixes) == 0 && f.Mends != "" {
		m.plain("- mended by: %s", f.Mends)
	}
	if len(f.Evidence) > 0 {
		m.plain("- evidence: %s", strings.Join(f.Shown(), ", "))
	}
}

func (m *markdown) mending(v *Mending) {
	m.line("## What would make it pass")
	m.line("%s", v.Headline())
	for _, r := range v.Remedies {
		m.line("### %s", r.Headline())
		m.WriteByte('\n')
		for i, act := range r.Acts {
			m.plain(strconv.Itoa(i+1)+". %s", act.Text)
			for _, c := range act.Changes {
				m.WriteString("   - " + code(c) + "\n")
			}
			for _, c := range act.Inverse {
				m.WriteString("   - undone by: " + code(c) + "\n")
			}
		}
		if r.Last != "" {
			m.line("Shown behind others: %s", r.Last)
		}
		if len(r.Opens) > 0 {
			m.line("These changes alone would, for others:")
			m.WriteByte('\n')
			for _, f := range r.Opens {
				m.plain("- %s: %s", f.Verdict, f.Text)
			}
		}
	}
	if left := v.LeftCodes(); left != "" {
		m.line("No change mends %s.", left)
	}
}

// rails are drawn in blocks of code. No line of a rail can end one: each begins with a number or four blanks.
func (m *markdown) rails(title string, all []Rail) {
	m.line("## %s", title)
	for _, r := range all {
		m.line("%s:", r.Title)
		m.line("```text")
		for _, l := range r.Lines {
			m.WriteString(l.String() + "\n")
		}
		m.WriteString("```\n")
	}
	if len(all) == 0 {
		m.line("None is known.")
	}
}

// escaped makes a text stand for itself in Markdown, HTML in it and addresses that some readers make links of, too.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune("\\`*_{}[]<>#|~&!$", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return strings.NewReplacer("://", `\://`, "www.", `www\.`).Replace(b.String())
}

// code makes a text stand in a fixed font. What encloses it is longer than any row of backquotes in it.
func code(text string) string {
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		text = " " + text + " "
	}
	return fence + text + fence
}
