package cli

import (
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// scope is where a statement stands: at the top, or beneath another.
type scope string

// The scopes that dialects share.
const (
	top         scope = ""
	inInterface scope = "interface"
	inHSRP      scope = "hsrp"
	inVLAN      scope = "vlan"
	inVRF       scope = "vrf"
	inList      scope = "access list"
	inGroup     scope = "object group"
	inVLANMap   scope = "vlan access map"
	inLine      scope = "line"
	// What is policed on its way to the device itself is not read: nothing is known to stand there.
	inControlPlane scope = "control plane"
)

// statement is a row of a dialect's grammar: a form, and what it means or why it means nothing here.
//
// A form is written as manuals do: words as they are, a|b for either, NAME in capitals for any word, and "..." at its end for any more words, or none.
type statement struct {
	in    scope
	form  string
	opens scope // where the lines beneath it stand; none: there are none

	// do takes the statement down, with the words that stand where the form has capitals, and those of "...". It gives what it did not understand.
	do func(r *reader, args []string) (why string)
	// why is of a statement that does nothing: why it changes nothing that is asked.
	why string
}

// form is a compiled form.
type form struct {
	*statement
	words [][]string // alternatives of each word; nil: any
	more  bool
}

// grammar is the statements of a dialect, by scope and first word.
type grammar map[scope]map[string][]form

func compile(lists ...[]statement) grammar {
	g := grammar{}
	for _, list := range lists {
		for i := range list {
			s := &list[i]
			f := formOf(s)
			if g[s.in] == nil {
				g[s.in] = map[string][]form{}
			}
			firsts := []string{"*"}
			if len(f.words) > 0 && f.words[0] != nil {
				firsts = f.words[0]
			}
			for _, first := range firsts {
				g[s.in][first] = append(g[s.in][first], f)
			}
		}
	}
	return g
}

func formOf(s *statement) form {
	f := form{statement: s}
	for w := range strings.FieldsSeq(s.form) {
		switch {
		case w == "...":
			f.more = true
		case w == strings.ToUpper(w) && strings.ToLower(w) != w:
			f.words = append(f.words, nil)
		default:
			f.words = append(f.words, strings.Split(w, "|"))
		}
	}
	return f
}

// find gives the first statement whose form the words have, and the words that it names.
func (g grammar) find(in scope, words []string) (*statement, []string) {
	for _, first := range []string{words[0], "*"} {
		for _, f := range g[in][first] {
			if args, ok := f.match(words); ok {
				return f.statement, args
			}
		}
	}
	return nil, nil
}

func (f *form) match(words []string) (args []string, ok bool) {
	if len(words) < len(f.words) || len(words) > len(f.words) && !f.more {
		return nil, false
	}
	for i, of := range f.words {
		switch {
		case of == nil || len(of) > 1:
			args = append(args, words[i])
			fallthrough
		default:
			if of != nil && !slices.Contains(of, words[i]) {
				return nil, false
			}
		}
	}
	return append(args, words[len(f.words):]...), true
}

// reader is the place in a configuration.
type reader struct {
	*Config
	above
	g  grammar
	at *line
}

// above is what the statements above the line say of it.
type above struct {
	face  *face
	group *group
	list  *list
	vlans topology.VIDSet
	vrf   string
	step  *mapStep
	lines string         // of a line statement: "vty 0 4"
	bears []topology.Key // the nodes that a line bears on
}

// read goes through statements of one scope.
func (r *reader) read(in scope, lines []*line) {
	for _, l := range lines {
		r.statement(in, l)
	}
}

func (r *reader) statement(in scope, l *line) {
	r.at = l
	if in == inList {
		r.listEntry(l)
		return
	}
	s, args := r.g.find(in, l.words)
	switch {
	case s == nil:
		r.lost(l, "no statement of "+r.dialect.name+" that is known here")
		return
	case s.do == nil:
		l.harmless(s.why)
		return
	}
	before := r.above
	if why := s.do(r, args); why != "" {
		r.above = before
		r.lost(l, why)
		return
	}
	l.State = Understood
	if s.opens != top {
		r.read(s.opens, l.below)
	} else {
		for _, b := range l.below {
			r.lost(b, "nothing is known to stand beneath such a statement")
		}
	}
	r.above = before
}

func (l *line) harmless(why string) {
	l.State, l.Why = Harmless, why
	for _, b := range l.below {
		b.harmless(why)
	}
}

// lost takes down a line that is not understood, and all beneath it, as something that bears on where it stands.
func (r *reader) lost(l *line, why string) {
	l.State, l.Why, l.Text = Unparsed, why, withoutSecrets(l.Text)
	for _, k := range r.bears {
		r.unparsed[k] = append(r.unparsed[k], l.String()+": "+l.Text)
	}
	for _, b := range l.below {
		r.lost(b, "beneath a statement that is not understood")
	}
}
