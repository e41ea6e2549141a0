package cli

import (
	"bytes"
	"strings"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// State says what became of a line of a configuration. There is no other: every line has one.
type State uint8

// The states of a line.
const (
	Unparsed   State = iota // nobody understood it: it is stated as such, of what it bears on
	Understood              // what it says is in the facts
	Harmless                // it is on the platform's list of statements that change nothing which is asked
	Blank                   // no statement: empty, a comment, the words around a configuration
)

// Line is a line of a configuration, and what became of it.
type Line struct {
	policy.Place
	Text  string // without blanks around it
	State State
	Why   string // why it is harmless, or what was not understood
}

// line is a statement with those that are indented beneath it.
type line struct {
	*Line
	words []string
	depth int
	below []*line
}

// What is believed of one configuration: no honest device comes near.
const (
	maxOctets = 64 << 20
	maxLines  = 1_000_000
	maxDepth  = 32
)

// outline takes a configuration apart: lines beneath lines, as they are indented, and all lines in their order.
func outline(file string, raw []byte) (all []*Line, first []*line, err error) {
	if len(raw) > maxOctets || bytes.Count(raw, []byte("\n")) > maxLines {
		return nil, nil, malformed("%d octets, %d lines: more than are believed of one configuration", len(raw), bytes.Count(raw, []byte("\n")))
	}
	var open []*line // the way down to the last statement
	until := ""      // what ends the text of a banner
	n := 0
	for octets := range bytes.Lines(raw) {
		n++
		text := topology.Text(bytes.TrimRight(octets, "\r\n"))
		l := &line{Line: &Line{Place: policy.Place{File: file, Line: n}, Text: strings.TrimSpace(text)}}
		all = append(all, l.Line)
		if until != "" {
			l.State, l.Why = Blank, "the text of a banner"
			if strings.Contains(text, until) {
				until = ""
			}
			continue
		}
		if l.Text == "" || l.Text[0] == '!' {
			l.State = Blank
			continue
		}
		l.words = strings.Fields(l.Text)
		l.depth = len(text) - len(strings.TrimLeft(text, " \t"))
		until = bannerEnd(l.words)
		for len(open) > 0 && open[len(open)-1].depth >= l.depth {
			open = open[:len(open)-1]
		}
		if len(open) > maxDepth {
			return nil, nil, malformed("%s: indented deeper than any configuration", l.Place)
		}
		if len(open) == 0 {
			first = append(first, l)
		} else {
			above := open[len(open)-1]
			above.below = append(above.below, l)
		}
		open = append(open, l)
	}
	if until != "" {
		return nil, nil, malformed("a banner has no end: %q is not found, and what comes behind it would be taken for its text", until)
	}
	return all, first, nil
}

// bannerEnd gives what ends the text that begins with this statement: the sign behind "banner motd", or the word EOF where the text begins on the next line.
func bannerEnd(words []string) string {
	if len(words) < 2 || words[0] != "banner" {
		return ""
	}
	if len(words) == 2 {
		return "EOF"
	}
	first := words[2]
	sign := first[:1]
	if strings.HasPrefix(first, "^") && len(first) > 1 {
		sign = first[:2]
	}
	if text := strings.Join(words[2:], " "); strings.Contains(text[len(sign):], sign) {
		return ""
	}
	return sign
}
