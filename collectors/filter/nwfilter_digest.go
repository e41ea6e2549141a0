package filter

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Digest is the SHA-256 of what a filter does, hexadecimal: two hosts on which it is the same do the same to a vNIC, if the filters that it refers to are the same, too (Includes). UUIDs,
// comments, white space and the order of attributes do not count; the order of rules does.
func (f *NWFilter) Digest() string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %q %d\n", f.Name, f.chain, f.priority) // a hash takes all
	for _, e := range f.entries {
		if e.include != "" {
			_, _ = fmt.Fprintf(h, "ref %q", e.include)
			for _, name := range slices.Sorted(maps.Keys(e.parameters)) {
				_, _ = fmt.Fprintf(h, " %q=%q", name, e.parameters[name])
			}
			_, _ = fmt.Fprintln(h)
			continue
		}
		attrs := slices.DeleteFunc(slices.Clone(e.attrs), func(a xml.Attr) bool { return a.Name.Local == "comment" })
		slices.SortStableFunc(attrs, func(a, b xml.Attr) int { return cmp.Compare(a.Name.Local, b.Name.Local) })
		_, _ = fmt.Fprintf(h, "rule %q %q %d %t %q %q", e.action, e.direction, e.priority, e.noState, e.protocol, e.lost)
		for _, a := range attrs {
			_, _ = fmt.Fprintf(h, " %q=%q", a.Name.Local, strings.TrimSpace(a.Value))
		}
		_, _ = fmt.Fprintln(h)
	}
	for _, l := range f.rest {
		_, _ = fmt.Fprintf(h, "rest %q\n", l.Text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Includes lists the filters that a filter refers to, in order, each once.
func (f *NWFilter) Includes() []string {
	var names []string
	for _, e := range f.entries {
		if e.include != "" && !slices.Contains(names, e.include) {
			names = append(names, e.include)
		}
	}
	return names
}
