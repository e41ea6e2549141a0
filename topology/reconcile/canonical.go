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
		fs = gathered(fs, inOrderOf(fs), nil)
	} else {
		slices.SortFunc(fs, func(a, b topology.Fact) int { return surest(&a, &b) })
	}
	return slices.CompactFunc(fs, func(a, b topology.Fact) bool { return a.Compare(b) == 0 })
}

// surest orders facts canonically, and those with one identity by confidence. Most are told by what is quick to compare.
func surest(a, b *topology.Fact) int {
	if c := a.Subject.Compare(b.Subject); c != 0 {
		return c
	}
	if a.Attr != b.Attr {
		return cmp.Compare(a.Attr, b.Attr)
	}
	if a.Rel != b.Rel {
		return cmp.Compare(a.Rel, b.Rel)
	}
	return cmp.Or(a.Compare(*b), cmp.Compare(b.Confidence, a.Confidence))
}

// gathered lists facts by their places, merged with others that are sorted.
func gathered(fs []topology.Fact, places []int32, others []topology.Fact) []topology.Fact {
	all := make([]topology.Fact, 0, len(fs)+len(others))
	for _, i := range places {
		for len(others) > 0 && surest(&others[0], &fs[i]) < 0 {
			all, others = append(all, others[0]), others[1:]
		}
		all = append(all, fs[i])
	}
	return append(all, others...)
}

// inOrderOf gives the places of facts in canonical order. Their subjects are few, and long to compare: they are sorted first.
func inOrderOf(fs []topology.Fact) []int32 {
	number := make(map[topology.Key]int32, len(fs)/4)
	var subjects []subject
	of := make([]int32, len(fs)) // number of the subject
	for i := range fs {
		if k := fs[i].Subject; i > 0 && k == fs[i-1].Subject {
			of[i] = of[i-1]
		} else if n, known := number[k]; known {
			of[i] = n
		} else {
			of[i] = int32(len(subjects))
			number[k] = of[i]
			subjects = append(subjects, subject{key: k, number: of[i]})
		}
		subjects[of[i]].facts++
	}
	slices.SortFunc(subjects, func(a, b subject) int { return a.key.Compare(b.key) })
	next, from := make([]int32, len(subjects)), int32(0) // by number: the next free place
	for _, s := range subjects {
		next[s.number] = from
		from += s.facts
	}
	places := make([]int32, len(fs))
	for i, n := range of {
		places[next[n]] = int32(i)
		next[n]++
	}
	for _, s := range subjects {
		if s.facts > 1 {
			end := next[s.number]
			slices.SortFunc(places[end-s.facts:end], func(a, b int32) int { return surest(&fs[a], &fs[b]) })
		}
	}
	return places
}

// subject is one of the subjects of many facts.
type subject struct {
	key           topology.Key
	number, facts int32
}
