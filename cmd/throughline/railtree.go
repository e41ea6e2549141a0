package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/topology"
)

// The paths of a rail share most of their hops. They are shown as one tree: what they share is written once, they branch where they differ, and
// where a branch goes on like one before it, it says so.

// branch is a hop and what may follow it.
type branch struct {
	hop  hopView
	next []*branch
	gap  string // a path breaks off here, and why
}

func (b *branch) add(way wayView) {
	for _, h := range way.Hops {
		i := slices.IndexFunc(b.next, func(n *branch) bool {
			return n.hop.Key == h.Key && n.hop.VID == h.VID && n.hop.Fault == h.Fault && n.hop.Doubt == h.Doubt
		})
		if i < 0 {
			b.next = append(b.next, &branch{hop: h})
			i = len(b.next) - 1
		}
		b = b.next[i]
	}
	b.gap = way.Gap
}

// signature tells apart what follows: two branches with the same one go on alike.
func (b *branch) signature() string {
	parts := make([]string, len(b.next))
	for i, n := range b.next {
		parts[i] = n.signature()
	}
	return fmt.Sprintf("%s %d %s %s %q (%s)", b.hop.Key, b.hop.VID, b.hop.Fault, b.hop.Doubt, b.gap, strings.Join(parts, ","))
}

// treeWriter draws the hops of a rail and numbers them, so that later ones can refer to earlier ones.
type treeWriter struct {
	lines []report.Line
	seen  map[string]int // number of the first hop with the signature
	last  int            // number of the last hop
}

func writeRail(w io.Writer, r railView) {
	drawn := r.drawn()
	fmt.Fprintf(w, "\n%s\n", printable(drawn.Title))
	writeLines(w, drawn.Lines)
}

// drawn is the rail as it is shown.
func (r railView) drawn() report.Rail {
	root := &branch{}
	for _, p := range r.Paths {
		root.add(p)
	}
	t := &treeWriter{seen: map[string]int{}}
	t.follow(root, "  ")
	title := fmt.Sprintf("%s rail of %s: %s", strings.ToUpper(r.Rail[:1])+r.Rail[1:], r.From, r.summary())
	return report.Rail{Name: r.Rail, From: r.From, Title: title, Lines: t.lines}
}

func writeLines(w io.Writer, lines []report.Line) {
	for _, l := range lines {
		fmt.Fprintln(w, l)
	}
}

// summary words how many paths there are and how many of them do not depend on each other.
func (r railView) summary() string {
	sound, doubtful, broken, stale, open := 0, 0, 0, 0, 0
	for _, p := range r.Paths {
		switch {
		case p.Faulty:
			broken++
		case p.Complete && slices.ContainsFunc(p.Hops, func(h hopView) bool { return h.Doubt != "" }):
			doubtful++
		case p.Complete && p.Stale:
			stale++
		case p.Complete:
			sound++
		default:
			open++
		}
	}
	var words []string
	switch {
	case sound == 0 && stale > 0:
		words = append(words, "no path is known to hold still")
	case sound == 0:
		words = append(words, "no complete path is known")
	case sound == 1 && doubtful+stale+open+r.More == 0:
		words = append(words, "1 path, and there is no second")
	case sound == 1:
		words = append(words, "1 path")
	case stale > 0: // those that do not depend on each other were counted with the stale ones
		words = append(words, fmt.Sprintf("%d paths", sound))
	default:
		words = append(words, fmt.Sprintf("%d paths, %d independent", sound, r.Independent))
	}
	if doubtful > 0 {
		words = append(words, fmt.Sprintf("%d not proven", doubtful))
	}
	if stale > 0 {
		words = append(words, fmt.Sprintf("%d STALE", stale))
	}
	if broken > 0 {
		words = append(words, fmt.Sprintf("%d BROKEN", broken))
	}
	if open > 0 {
		words = append(words, fmt.Sprintf("%d not known to the end", open))
	}
	if r.More > 0 {
		words = append(words, fmt.Sprintf("%d more are not listed", r.More))
	}
	return strings.Join(words, "; ")
}

// follow writes what comes after a branch: one hop after the other, indented where there are several ways on.
func (t *treeWriter) follow(b *branch, indent string) {
	for len(b.next) == 1 {
		b = b.next[0]
		if !t.write(b, indent, "") {
			return
		}
	}
	for i, n := range b.next {
		first, rest := "├ ", "│ "
		if i == len(b.next)-1 {
			first, rest = "└ ", "  "
		}
		if t.write(n, indent, first) {
			t.follow(n, indent+rest)
		}
	}
}

// write draws one hop; false says that what follows was drawn before.
func (t *treeWriter) write(b *branch, indent, fork string) bool {
	sig := b.signature()
	if n, ok := t.seen[sig]; ok && len(b.next) > 0 {
		t.lines = append(t.lines, report.Line{Indent: indent + fork, Title: b.hop.Title, See: n})
		return false
	}
	t.last++
	t.seen[sig] = t.last
	t.lines = append(t.lines, report.Line{Number: t.last, Indent: indent + fork, Title: b.hop.Title, Text: b.hop.words(), Evidence: b.hop.evidence(), Stale: b.hop.Stale})
	on := strings.Repeat(" ", len([]rune(fork)))
	if fork == "├ " {
		on = "│ "
	}
	for _, note := range [][2]string{{"X", b.hop.Fault}, {"?", b.hop.Doubt}, {"?", b.gap}} {
		if note[1] != "" {
			t.lines = append(t.lines, report.Line{Indent: indent + on, Text: note[1], Mark: note[0]})
		}
	}
	return true
}

// words are the frame at a hop, and its properties.
func (h hopView) words() string {
	var words []string
	if h.VID > 0 {
		frame := "untagged"
		if h.Tagged {
			frame = "tagged"
		}
		words = append(words, fmt.Sprintf("VLAN %d %s", h.VID, frame))
	}
	return strings.Join(append(words, h.Properties...), ", ")
}

func (h hopView) evidence() string {
	if h.Evidence == "" {
		return ""
	}
	text := "[" + h.Evidence + ", " + h.Age
	if h.Stale {
		text += ", STALE"
	}
	if h.Confidence > 0 && h.Confidence < topology.ConfidenceStated {
		text += fmt.Sprintf(", confidence %d", h.Confidence)
	}
	return text + "]"
}
