package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/planner"
)

//go:embed check.html.tmpl
var checkPage string

// HTML gives the answer as one page that needs nothing else: no script, no other file.
func (c *Check) HTML() ([]byte, error) {
	t, err := template.New("check").Parse(checkPage)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, pageOf(c.printable())); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return b.Bytes(), nil
}

// page is what the template asks for beyond the answer itself.
type page struct {
	*Check
	Word  string // the verdict
	Move  string
	Sides []sides
}

// sides is one rail, before the move and after it.
type sides struct{ Before, After side }

type side struct {
	Side, Title string
	Lines       []sideLine
}

type sideLine struct {
	Line
	Only     bool     // the other side has no such hop
	Branches []string // classes of the page
}

func pageOf(c *Check) page {
	word, move, _ := strings.Cut(c.Headline(), ": ")
	p := page{Check: c, Word: word, Move: move}
	goes, comes := only(c.Before, c.After), only(c.After, c.Before)
	after := slices.Clone(c.After)
	for _, b := range c.Before {
		a := Rail{Name: b.Name, Title: "none is known"}
		if i := slices.IndexFunc(after, func(r Rail) bool { return r.Name == b.Name && r.From == b.From }); i >= 0 {
			a = after[i]
			after = slices.Delete(after, i, i+1)
		}
		p.Sides = append(p.Sides, sides{sideOf("Now", b, goes), sideOf("After the move", a, comes)})
	}
	for _, a := range after {
		p.Sides = append(p.Sides, sides{side{Side: "Now", Title: "none is known"}, sideOf("After the move", a, comes)})
	}
	return p
}

func sideOf(name string, r Rail, here map[string]bool) side {
	s := side{Side: name, Title: r.Title}
	for _, l := range r.Lines {
		line := sideLine{Line: l, Only: here[r.Name+" "+l.Title]}
		for _, branch := range l.Branches() {
			line.Branches = append(line.Branches, map[string]string{"│ ": "on", "├ ": "tee", "└ ": "end"}[branch])
		}
		s.Lines = append(s.Lines, line)
	}
	return s
}

// Passes are the findings that passed.
func (c *Check) Passes() []Finding {
	return slices.DeleteFunc(slices.Clone(c.Findings), func(f Finding) bool { return f.Verdict != planner.Pass })
}

// maxShown is how many readings a page shows of a finding. The answer as JSON has all.
const maxShown = 12

// Shown words the evidence.
func (f Finding) Shown() []string {
	var all []string
	for i, e := range f.Evidence {
		if i == maxShown && len(f.Evidence) > maxShown+1 {
			return append(all, more(len(f.Evidence), maxShown))
		}
		all = append(all, e.String())
	}
	return all
}

// Until words the expiry.
func (o Override) Until() string { return o.Expires.UTC().Format(time.RFC3339) }

// printable gives a copy in which every text is harmless: what devices say is hostile.
func (c *Check) printable() *Check {
	v := reflect.New(reflect.TypeFor[Check]())
	v.Elem().Set(cleaned(reflect.ValueOf(*c)))
	return v.Interface().(*Check) //nolint:errcheck,forcetypeassert // made as one
}

func cleaned(v reflect.Value) reflect.Value {
	w := reflect.New(v.Type()).Elem()
	w.Set(v)
	switch v.Kind() {
	case reflect.String:
		w.SetString(Printable(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			w.Set(reflect.New(v.Type().Elem()))
			w.Elem().Set(cleaned(v.Elem()))
		}
	case reflect.Slice:
		w.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			w.Index(i).Set(cleaned(v.Index(i)))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				w.Field(i).Set(cleaned(v.Field(i)))
			}
		}
	default:
	}
	return w
}
