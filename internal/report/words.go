package report

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/throughline-dc/throughline/topology"
)

// Title is what a node is called where it stands alone: "port r01-leaf-a Ethernet3".
func Title(n topology.Node) string {
	name := n.Name()
	if o, ok := n.Owner(); ok {
		name = o.Name() + " " + name
	}
	return n.Kind().String() + " " + name
}

// Age words how long ago something was.
func Age(d time.Duration) string {
	switch {
	case d <= -time.Second: // revisions have whole seconds
		return "in the future"
	case d < time.Second:
		return "0s"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// Hostile tells the characters that a terminal obeys instead of showing them, and those that turn the writing direction.
func Hostile(r rune) bool {
	return !unicode.IsPrint(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// Printable makes a device's words harmless and keeps them on their line: control characters, line breaks among them, and those that turn the writing direction,
// are escaped.
func Printable(s string) string {
	if !strings.ContainsFunc(s, Hostile) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if Hostile(r) {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
