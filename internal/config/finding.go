package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Finding is one thing that is wrong with an inventory or a policy. It never repeats what could be a secret.
type Finding struct {
	File         string
	Line, Column int    // from 1; 0: the file as a whole
	Device       string // the device that it is about, if it is about one that has a name
	Cause        string
	Hint         string // what to do about it; may be empty
}

// String is "inventory.yaml:12:5: leaf1: unknown key "kin" in a device (did you mean "kind"?)".
func (f Finding) String() string {
	text := f.File
	if f.Line > 0 {
		text += fmt.Sprintf(":%d:%d", f.Line, f.Column)
	}
	if f.Device != "" {
		text += ": " + f.Device
	}
	text += ": " + f.Cause
	if f.Hint != "" {
		text += " (" + f.Hint + ")"
	}
	return text
}

// InvalidError says all that is wrong with a file, in the order of the file.
type InvalidError struct{ Findings []Finding }

// Error gives a line for each finding.
func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// place is where in the file something stands.
type place struct{ line, column int }

func (p place) compare(o place) int { return cmp.Or(p.line-o.line, p.column-o.column) }

// findings gathers what is wrong while the file is checked.
type findings struct {
	file string
	list []Finding
}

func (f *findings) add(at place, hint, format string, args ...any) {
	f.list = append(f.list, Finding{File: f.file, Line: at.line, Column: at.column, Cause: fmt.Sprintf(format, args...), Hint: hint})
}

// about names the device of all findings from the n-th on.
func (f *findings) about(device string, n int) {
	for i := n; i < len(f.list); i++ {
		f.list[i].Device = device
	}
}

// err gives the findings as an error, nil if there is none.
func (f *findings) err() error {
	if len(f.list) == 0 {
		return nil
	}
	slices.SortStableFunc(f.list, func(a, b Finding) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	return &InvalidError{f.list}
}

// nearest gives the word that text is most likely a slip of, "" if it is like none.
func nearest(text string, words []string) string {
	best, least := "", 3 // at most two slips
	for _, w := range words {
		if d := slips(strings.ToLower(text), strings.ToLower(w)); d < least && d < len(w) {
			best, least = w, d
		}
	}
	return best
}

// slips counts the octets to insert, delete, replace or swap with their neighbour to make a into b (restricted Damerau–Levenshtein).
func slips(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
