package reconcile

import (
	"cmp"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// canonical sorts facts, and of those with one identity leaves the surest.
func canonical(fs []topology.Fact) []topology.Fact {
	const few = 32
	if len(fs) > few {
		fs = bySubject(fs)
	} else {
		slices.SortFunc(fs, surest)
	}
	return slices.CompactFunc(fs, func(a, b topology.Fact) bool { return a.Compare(b) == 0 })
}

func surest(a, b topology.Fact) int {
	return cmp.Or(a.Compare(b), cmp.Compare(b.Confidence, a.Confidence))
}

// bySubject sorts many facts by first sorting their subjects, which are few, and long to compare.
func bySubject(fs []topology.Fact) []topology.Fact {
	place := make(map[topology.Key]int, len(fs)/2)
	var subjects []topology.Key
	counts := make([]int, 0, len(fs)/2)
	of := make([]int, len(fs)) // number of the subject
	for i, f := range fs {
		if i > 0 && f.Subject == fs[i-1].Subject {
			of[i] = of[i-1]
		} else if n, known := place[f.Subject]; known {
			of[i] = n
		} else {
			of[i] = len(subjects)
			place[f.Subject] = of[i]
			subjects, counts = append(subjects, f.Subject), append(counts, 0)
		}
		counts[of[i]]++
	}
	slices.SortFunc(subjects, topology.Key.Compare)
	starts, next := make([]int, len(subjects)+1), make([]int, len(subjects))
	for i, k := range subjects {
		next[place[k]] = starts[i]
		starts[i+1] = starts[i] + counts[place[k]]
	}
	sorted := make([]topology.Fact, len(fs))
	for i, f := range fs {
		sorted[next[of[i]]] = f
		next[of[i]]++
	}
	for i := range subjects {
		slices.SortFunc(sorted[starts[i]:starts[i+1]], surest)
	}
	return sorted
}
