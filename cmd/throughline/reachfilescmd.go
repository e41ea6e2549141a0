package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// filesDiffView is what two configurations, or two folders of them, do otherwise to packets.
type filesDiffView struct {
	From  string         `json:"from"`
	To    string         `json:"to"`
	Files []fileDiffView `json:"files"` // of which something differs
	Asked int            `json:"asked"`
}

type fileDiffView struct {
	Name       string           `json:"name"`
	Form       string           `json:"form,omitempty"`
	Unknown    []string         `json:"unknown,omitempty"`
	Filters    []filterDiffView `json:"filters,omitempty"`
	Statements []statementView  `json:"statements,omitempty"`
}

type filterDiffView struct {
	Filter  string     `json:"filter"`
	Was     string     `json:"was,omitempty"` // the filter that packets met there before, if it is another one; "none"
	At      []string   `json:"at"`
	Parts   []partView `json:"parts"`
	Unknown string     `json:"unknown,omitempty"`
}

type partView struct {
	What   string       `json:"what"` // dropped, passed, otherwise, unknown: by the new configuration
	Region reach.Region `json:"region"`
	When   []string     `json:"when,omitempty"`
	Packet string       `json:"packet"`
	Before []string     `json:"before"` // rules that decide the packet
	After  []string     `json:"after"`
}

// statementView is a statement that only one of the two makes, and that is of no filter.
type statementView struct {
	New  bool   `json:"new"`
	Text string `json:"text"`
}

// ofFiles tells whether two moments are meant, or two files; a name that is a moment, too, is one.
func (a *app) ofFiles(from, to string) (bool, error) {
	isFile := func(flag, text string) (bool, error) {
		if _, _, err := a.parseWhen(text); err == nil {
			return false, nil
		}
		_, err := os.Stat(text)
		if err != nil {
			return false, exitWith(exitUsage, "%s %q is neither a time (2026-01-31T18:00:00Z, 2h, @12) nor a file: %w", flag, text, err)
		}
		return true, nil
	}
	one, err := isFile("--from", from)
	if err != nil {
		return false, err
	}
	other, err := isFile("--to", to)
	if err == nil && one != other {
		err = exitWith(exitUsage, "--from and --to: want two moments, or two files or folders of configurations")
	}
	return one, err
}

func (a *app) reachFiles(ctx context.Context, from, to, as string) error {
	if _, ok := configFormOf(as, nil); as != "" && !ok {
		return exitWith(exitUsage, "--as %q: want %s", as, formNames())
	}
	v := filesDiffView{From: from, To: to, Files: []fileDiffView{}}
	pairs, err := pairsOf(from, to)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		f, err := diffFiles(ctx, p, as)
		if err != nil {
			return err
		}
		if v.Asked++; len(f.Unknown)+len(f.Filters)+len(f.Statements) > 0 {
			v.Files = append(v.Files, f)
		}
	}
	if err := a.print(v, func(w io.Writer) error { writeFilesDiff(w, v); return nil }); err != nil {
		return err
	}
	if len(v.Files) > 0 {
		return exitWith(exitDiffers, "")
	}
	return nil
}

func formNames() string {
	var names []string
	for _, f := range configForms() {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// filePair is one device's configuration, before and after; a path is empty where there is none.
type filePair struct{ name, from, to string }

// pairsOf pairs two files, or the files of one name of two folders. Hidden files are left out.
func pairsOf(from, to string) ([]filePair, error) {
	names := map[string]*filePair{}
	folders := 0
	for side, path := range []string{from, to} {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			continue
		}
		folders++
		files, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			switch {
			case strings.HasPrefix(f.Name(), "."):
				continue
			case f.IsDir():
				return nil, exitWith(exitUsage, "%s is a folder in a folder: only files are compared", filepath.Join(path, f.Name()))
			case names[f.Name()] == nil:
				names[f.Name()] = &filePair{name: f.Name()}
			}
			if p := names[f.Name()]; side == 0 {
				p.from = filepath.Join(path, f.Name())
			} else {
				p.to = filepath.Join(path, f.Name())
			}
		}
	}
	switch folders {
	case 0:
		return []filePair{{filepath.Base(to), from, to}}, nil
	case 1:
		return nil, exitWith(exitUsage, "want two files, or two folders")
	}
	var all []filePair
	for _, p := range names {
		all = append(all, *p)
	}
	if len(all) == 0 {
		return nil, exitWith(exitUsage, "there is no file in %s nor in %s", from, to)
	}
	slices.SortFunc(all, func(a, b filePair) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// diffFiles compares one configuration with another. Equal texts are not read.
func diffFiles(ctx context.Context, p filePair, as string) (fileDiffView, error) {
	v := fileDiffView{Name: p.name}
	if p.from == "" || p.to == "" {
		v.Unknown = []string{"only " + cmp.Or(p.from, p.to) + " is there: what the device did without it is not known"}
		return v, nil
	}
	var raw [2][]byte
	for i, file := range []string{p.from, p.to} {
		var err error
		if raw[i], err = readInput(ctx, nil, file); err != nil {
			return v, err
		}
	}
	if _, ok := configFormOf(as, raw[0]); ok && string(raw[0]) == string(raw[1]) {
		return v, nil
	}
	var of [2]configuration
	for i, file := range []string{p.from, p.to} {
		form, ok := configFormOf(as, raw[i])
		switch {
		case !ok:
			return v, exitWith(exitUsage, "nothing tells what %s is: give --as, one of %s", file, formNames())
		case v.Form != "" && v.Form != form.name:
			return v, exitWith(exitUsage, "%s is %s, and %s is %s: give --as if it is the same", p.from, v.Form, file, form.name)
		}
		v.Form = form.name
		var err error
		if of[i], err = form.read(file, raw[i]); err != nil {
			return v, fmt.Errorf("%s: %w", file, err)
		}
		if of[i].cut != "" {
			v.Unknown = append(v.Unknown, file+": "+of[i].cut)
		}
	}
	if len(v.Unknown) > 0 { // what is left of a text that is cut off says nothing of what was cut off
		return v, nil
	}
	rewrites, err := reach.RewrittenPolicies(of[0].filters, of[1].filters)
	if err != nil {
		return v, fmt.Errorf("%s: %w", p.name, err)
	}
	for _, r := range rewrites {
		v.Filters = append(v.Filters, viewOfRewrite(r))
	}
	v.Statements = statementsOf(of[0], of[1])
	return v, nil
}

// statementsOf lists what only one of two configurations states beside its filters.
func statementsOf(old, now configuration) []statementView {
	was, is := statementTexts(old), statementTexts(now)
	var all []statementView
	for i, side := range [][]string{was, is} {
		left := slices.Clone([][]string{is, was}[i])
		for _, text := range side {
			if j := slices.Index(left, text); j >= 0 {
				left = slices.Delete(left, j, j+1)
			} else {
				all = append(all, statementView{i == 1, text})
			}
		}
	}
	return all
}

// statementTexts words what may bear on packets. A line keeps its words wherever it stands.
func statementTexts(c configuration) (texts []string) {
	for _, f := range c.facts {
		switch f.Attr {
		case topology.AttrIfAlias, topology.AttrSysName, topology.AttrVersion, topology.AttrIfDescr:
			continue // words for people
		case topology.AttrUnparsed:
			texts = append(texts, "not understood, of "+keyText(f.Subject)+": "+placeOfLine.ReplaceAllString(f.Value.String(), ""))
		default:
			texts = append(texts, statementText(f))
		}
	}
	for _, l := range c.rest {
		texts = append(texts, "not understood: "+l)
	}
	return texts
}

var placeOfLine = regexp.MustCompile(`^.*?:\d+: `)

func statementText(f topology.Fact) string {
	if f.Rel != 0 {
		return keyText(f.Subject) + " " + f.Rel.String() + " " + keyText(f.Object)
	}
	return keyText(f.Subject) + " " + f.Attr.String() + " " + f.Value.String()
}

// keyText is a part of the device as the device calls it.
func keyText(k topology.Key) string {
	if _, part, ok := strings.Cut(k.ID, "/"); ok {
		return k.Kind.String() + " " + part
	}
	return "the device"
}

func viewOfRewrite(r reach.Rewrite) filterDiffView {
	v := filterDiffView{Filter: "none", At: []string{}, Parts: []partView{}, Unknown: r.Unknown}
	if r.New != nil {
		v.Filter = r.New.Name
	}
	switch {
	case r.Old == nil:
		v.Was = "none"
	case r.Old.Name != v.Filter:
		v.Was = r.Old.Name
	}
	for _, p := range r.Places {
		v.At = append(v.At, placeText(p))
	}
	for _, p := range r.Parts {
		part := partView{
			What: p.Fate.String(), Region: p.Headers.Describe(p.Packets, maxServices), Packet: p.Headers.PacketText(p.Witness), Before: judgementText(p.Before), After: judgementText(p.After),
		}
		for _, at := range p.At {
			if text := circumstanceText(at, r); text != "" && !slices.Contains(part.When, text) {
				part.When = append(part.When, text)
			}
		}
		v.Parts = append(v.Parts, part)
	}
	return v
}

// placeText says where packets meet a filter.
func placeText(a policy.Attachment) string {
	where := map[policy.Hook]string{
		policy.HookIngress: "coming in by a port", policy.HookVLAN: "in VLANs " + a.VLANs, policy.HookPrerouting: "coming in to be routed", policy.HookInput: "for the device itself",
		policy.HookForward: "routed", policy.HookOutput: "of the device itself", policy.HookPostrouting: "going out, routed", policy.HookEgress: "going out by a port",
	}[a.Hook]
	if a.Bridged {
		where += " (bridged)"
	}
	if a.Interface != "" {
		where += ", " + a.Interface
	}
	return where
}

// circumstanceText says in which state and by which interfaces packets come, where rules ask for it.
func circumstanceText(at reach.Context, r reach.Rewrite) string {
	var words []string
	if r.Asks(policy.ConnState) {
		words = append(words, []string{"new", "established", "related", "invalid", "untracked"}[at.State])
	}
	if r.Asks(policy.VLANTag) {
		words = append(words, fmt.Sprintf("VLAN tag %d", at.VLAN))
	}
	for _, side := range []struct{ word, name string }{{"in by ", at.In}, {"out by ", at.Out}, {"in by port ", at.InPort}, {"out by port ", at.OutPort}} {
		switch side.name {
		case "":
		case reach.Unsure:
			words = append(words, side.word+"some interface")
		case reach.Another:
			words = append(words, side.word+"another interface")
		default:
			words = append(words, side.word+side.name)
		}
	}
	return strings.Join(words, ", ")
}

func judgementText(j reach.Judgement) []string {
	if len(j.Hits) == 0 {
		return []string{"no filter looks at it"}
	}
	var texts []string
	for _, h := range j.Hits {
		texts = append(texts, hitText(h))
	}
	return texts
}

const maxWhen = 4 // circumstances that are written out

func writeFilesDiff(w io.Writer, v filesDiffView) {
	if len(v.Files) == 0 {
		fmt.Fprintf(w, "%s to %s: nothing changes for packets\n", printable(v.From), printable(v.To))
		return
	}
	fmt.Fprintf(w, "%s to %s: %d of %d configurations changed\n", printable(v.From), printable(v.To), len(v.Files), v.Asked)
	for _, f := range v.Files {
		fmt.Fprintf(w, "\n%s\n", printable(strings.TrimSpace(f.Name+" "+f.Form)))
		for _, why := range f.Unknown {
			fmt.Fprintf(w, "  ? %s\n", printable(why))
		}
		for _, x := range f.Filters {
			writeFilterDiff(w, x)
		}
		if len(f.Statements) > 0 {
			fmt.Fprint(w, "\n  beside filters; which ways packets take, reach tells once it is collected:\n")
		}
		for _, s := range f.Statements {
			word := "gone"
			if s.New {
				word = "new "
			}
			fmt.Fprintf(w, "    %s  %s\n", word, printable(s.Text))
		}
	}
}

func writeFilterDiff(w io.Writer, v filterDiffView) {
	title := v.Filter
	if v.Was != "" {
		title += " instead of " + v.Was
	}
	at := shortenedBy(v.At, "; ")
	fmt.Fprintf(w, "\n  %s: %s\n", printable(title), printable(cmp.Or(at, "attached nowhere")))
	if v.Unknown != "" {
		fmt.Fprintf(w, "    ? %s\n", printable(v.Unknown))
	}
	for _, p := range v.Parts {
		fmt.Fprintf(w, "    %-9s  %s\n", p.What, printable(p.Region.String()))
		if len(p.When) > 0 {
			fmt.Fprintf(w, "               %s\n", printable(shortenedBy(p.When, "; ")))
		}
		fmt.Fprintf(w, "      packet   %s\n", p.Packet)
		for i, rules := range [][]string{p.Before, p.After} {
			word := []string{"was", "is"}[i]
			for _, r := range rules {
				fmt.Fprintf(w, "      %-3s      %s\n", word, printable(r))
				word = ""
			}
		}
	}
}

func shortenedBy(texts []string, between string) string {
	if len(texts) > maxWhen {
		return fmt.Sprintf("%s; and %d more", strings.Join(texts[:maxWhen], between), len(texts)-maxWhen)
	}
	return strings.Join(texts, between)
}
