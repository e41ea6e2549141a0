package reconcile

import "slices"

// ref stands for a key or a reading inside an engine: four octets instead of the texts. 0 is none.
type ref uint32

// numbering gives each of what it is asked for a number, for as long as the engine lives.
type numbering[K comparable] struct {
	refs   map[K]ref
	list   []K    // by ref
	recent [4]ref // those that were asked for: what is spoken of is often spoken of again soon
	oldest int    // of these
}

func newNumbering[K comparable]() numbering[K] {
	return numbering[K]{refs: map[K]ref{}, list: make([]K, 1)}
}

func (n *numbering[K]) ref(k K) ref {
	for _, r := range n.recent {
		if r != 0 && n.list[r] == k {
			return r
		}
	}
	r, ok := n.refs[k]
	if !ok {
		r = ref(len(n.list))
		n.refs[k] = r
		n.list = append(n.list, k)
	}
	n.recent[n.oldest] = r
	n.oldest = (n.oldest + 1) % len(n.recent)
	return r
}

// outgrown reports that most of a graph's keys are of things that are there no more: time to begin anew.
func (n *numbering[K]) outgrown(nodes int) bool {
	const many = 1 << 16
	return len(n.list) > many && len(n.list) > 2*nodes
}

func (n *numbering[K]) of(r ref) K { return n.list[r] }

// set is a set of what has to be looked at again.
type set[K comparable] map[K]struct{}

func (s set[K]) add(ks ...K) {
	for _, k := range ks {
		s[k] = struct{}{}
	}
}

func (s set[K]) has(k K) bool {
	_, ok := s[k]
	return ok
}

// register says who stands under which word, and under which words one stands.
type register[W comparable] struct {
	under map[W][]ref
	words map[ref][]W
}

func newRegister[W comparable]() register[W] {
	return register[W]{map[W][]ref{}, map[ref][]W{}}
}

// set puts x under exactly these words, each of them once, and gives those that it came under or went from.
func (r *register[W]) set(x ref, words []W) []W {
	old := r.words[x]
	if slices.Equal(old, words) {
		return nil
	}
	var changed []W
	for _, w := range old {
		if !slices.Contains(words, w) {
			r.drop(w, x)
			changed = append(changed, w)
		}
	}
	for _, w := range words {
		if !slices.Contains(old, w) {
			r.under[w] = append(r.under[w], x)
			changed = append(changed, w)
		}
	}
	if len(words) == 0 {
		delete(r.words, x)
	} else {
		r.words[x] = words
	}
	return changed
}

func (r *register[W]) drop(w W, x ref) {
	if left := without(r.under[w], x); len(left) > 0 {
		r.under[w] = left
	} else {
		delete(r.under, w)
	}
}

// without takes one x out of a list, whose order does not count.
func without[T comparable](list []T, x T) []T {
	i := slices.Index(list, x)
	if i < 0 {
		return list
	}
	last := len(list) - 1
	list[i] = list[last]
	return list[:last]
}

// claim is a link as one reading gives it.
type claim struct {
	a, b       ref
	reading    ref
	confidence uint8
}

// peer gives the other end.
func (l claim) peer(end ref) ref {
	if l.a == end {
		return l.b
	}
	return l.a
}

// claims are the links that one rule concludes, by the unit from which they follow and by either end.
type claims[U comparable] struct {
	of map[U][]claim
	at map[ref][]claim
}

func newClaims[U comparable]() claims[U] {
	return claims[U]{map[U][]claim{}, map[ref][]claim{}}
}

// set replaces what follows from a unit, and tells of each end of a link that came or went.
func (c *claims[U]) set(unit U, now []claim, changed func(end ref)) {
	old := c.of[unit]
	if slices.Equal(old, now) {
		return
	}
	for _, l := range old {
		for _, end := range []ref{l.a, l.b} {
			if left := without(c.at[end], l); len(left) > 0 {
				c.at[end] = left
			} else {
				delete(c.at, end)
			}
			changed(end)
		}
	}
	for _, l := range now {
		for _, end := range []ref{l.a, l.b} {
			c.at[end] = append(c.at[end], l)
			changed(end)
		}
	}
	if len(now) == 0 {
		delete(c.of, unit)
	} else {
		c.of[unit] = now
	}
}
