package ssh

import (
	"slices"
	"time"

	"github.com/throughline-dc/throughline/internal/transport"
)

// Broken lists the tables that cannot be complete if these are not: they, those that need them, and those whose command is missing on the machine (Open
// vSwitch), if these would show what it lists. os-release is needed by all where the inventory does not
// say the kind of a device, which is not counted here.
func Broken(names ...string) []string {
	broken := slices.Clone(names)
	for _, t := range tables() {
		needs := append(slices.Clone(t.needs), t.shownBy)
		if !slices.Contains(broken, t.name) && slices.ContainsFunc(needs, func(n string) bool { return slices.Contains(names, n) }) {
			broken = append(broken, t.name)
		}
	}
	return broken
}

// Verdict is what became of one answer.
type Verdict struct {
	Raw          string
	Partial      string
	Absent, Lost bool
}

// Judge judges the answer to the first form of a table.
func Judge(name string, sudo bool, out transport.Output, greeting transport.Output) (Verdict, error) {
	n, err := listen(greeting)
	if err != nil {
		return Verdict{}, err
	}
	i := slices.IndexFunc(tables(), func(t table) bool { return t.name == name })
	t := tables()[i]
	a := judge(t, t.sent(0, searched, sudo), out, nil, n)
	a.at = time.Time{}
	return Verdict{string(a.raw), a.partial, a.absent, a.lost}, nil
}
