package filter

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// nwAttr is an attribute with its value, once variables are replaced. Unknown: it is a variable of which nobody says the value: an address that libvirt learns from
// what the guest sends (formatnwfilter, "Automatic IP address detection").
type nwAttr struct {
	name, value string
	unknown     bool
}

// nwCombination is one combination of the values of a rule's variables.
type nwCombination struct {
	attrs  []nwAttr
	unsure string
}

// A variable: $NAME, $NAME[INDEX], or $NAME[@ITERATOR] (formatnwfilter, "Usage of variables in filters").
var nwVariable = regexp.MustCompile(`^\s*\$([A-Za-z0-9_]+)\s*(?:\[\s*(@?)\s*([0-9]+)\s*\])?\s*$`)

const maxCombinations = 1 << 12

// combinations gives those of the values of all variables of a rule. Variables with one iterator go through their lists together, those with different ones each with
// each; $NAME is $NAME[@0].
func (r *nwRule) combinations() []nwCombination {
	iterators := map[string]int{} // lengths
	var order []string
	for _, a := range r.attrs {
		m := nwVariable.FindStringSubmatch(a.Value)
		if m == nil || m[3] != "" && m[2] == "" || len(r.variables[m[1]]) == 0 {
			continue
		}
		id := strings.TrimLeft(m[3], "0")
		n := len(r.variables[m[1]])
		was, there := iterators[id]
		if there && was != n { // virNWFilterVarCombIterAddVariable refuses it
			r.lost = "lists that go together differ in length"
			return []nwCombination{r.combination(nil)}
		}
		if !there {
			order = append(order, id)
		}
		iterators[id] = n
	}
	total := 1
	for _, n := range iterators {
		if total *= n; total > maxCombinations {
			r.lost = "too many combinations of variables"
			return []nwCombination{r.combination(nil)}
		}
	}
	var out []nwCombination
	seen := map[string]bool{}
	for i := range total {
		at, left := map[string]int{}, i
		for _, id := range order {
			at[id] = left % iterators[id]
			left /= iterators[id]
		}
		c := r.combination(at)
		if key := fmt.Sprint(c); !seen[key] {
			seen[key] = true
			out = append(out, c)
		}
	}
	return out
}

// combination replaces the variables.
func (r *nwRule) combination(at map[string]int) nwCombination {
	var c nwCombination
	var unknown []string
	for _, a := range r.attrs {
		m := nwVariable.FindStringSubmatch(a.Value)
		if m == nil {
			c.attrs = append(c.attrs, nwAttr{name: a.Name.Local, value: strings.TrimSpace(printable(a.Value))})
			continue
		}
		values := r.variables[m[1]]
		i, there := at[strings.TrimLeft(m[3], "0")]
		if m[3] != "" && m[2] == "" {
			n, err := strconv.Atoi(m[3])
			i, there = n, err == nil && n < len(values)
		}
		if !there || i >= len(values) {
			c.attrs = append(c.attrs, nwAttr{name: a.Name.Local, unknown: true})
			unknown = append(unknown, m[1])
			continue
		}
		c.attrs = append(c.attrs, nwAttr{name: a.Name.Local, value: values[i]})
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		c.unsure = "the value of " + strings.Join(slices.Compact(unknown), ", ") + " is not known: libvirt learns it, or gets it otherwise"
	}
	return c
}
