package report

import "fmt"

// Rail is the ways of a VM's frames, or to one of its disks, drawn as a tree: what they share is there once.
type Rail struct {
	Name  string // network or storage
	From  string // the vNIC or disk at which it begins
	Title string
	Lines []Line
}

// Line is one line of a rail: a hop; a hop from which it goes on as from an earlier one (See); or what is wrong at the hop before it (Mark).
type Line struct {
	Number   int    // of the hop
	Indent   string // and the branches
	Title    string // of the hop: "port r01-leaf-a Ethernet3"
	Text     string // what is known of it
	Evidence string
	Stale    bool
	Mark     string // X: a fault, ?: not known
	See      int
}

// String is the line in a fixed font.
func (l Line) String() string {
	switch {
	case l.Mark != "":
		return fmt.Sprintf("    %s   %s %s", l.Indent, l.Mark, Printable(l.Text))
	case l.See > 0:
		return fmt.Sprintf("    %s%s ... on as from hop %d", l.Indent, Printable(l.Title), l.See)
	}
	text := l.Title
	if l.Text != "" {
		text += ", " + l.Text
	}
	if l.Evidence != "" {
		text += "  " + l.Evidence
	}
	return fmt.Sprintf("%3d %s%s", l.Number, l.Indent, Printable(text))
}

// Branches are the pieces of an indent, of two characters each.
func (l Line) Branches() []string {
	var all []string
	for rest := []rune(l.Indent); len(rest) >= 2; rest = rest[2:] {
		all = append(all, string(rest[:2]))
	}
	return all
}

// only tells the lines of each rail whose hop the other side does not have.
func only(rails, other []Rail) map[string]bool {
	there := map[string]bool{}
	for _, r := range other {
		for _, l := range r.Lines {
			there[r.Name+" "+l.Title] = true
		}
	}
	here := map[string]bool{}
	for _, r := range rails {
		for _, l := range r.Lines {
			if l.Title != "" && !there[r.Name+" "+l.Title] {
				here[r.Name+" "+l.Title] = true
			}
		}
	}
	return here
}
