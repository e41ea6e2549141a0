package topology

import "iter"

// token is the right to change pages in place: whoever made a page may change it until it is shown to others.
type token struct{ _ byte }

// trie is a sparse array by 32-bit number that shares its pages with the arrays that it was copied from: copying the value costs nothing, and a
// change copies the pages on the way to the element (some 2 KiB), once for each token. A lookup takes four loads, however much was changed.
type trie[T any] struct {
	owner *token
	top   []*fork[fork[leaf[T]]] // by n>>16
}

type fork[K any] struct {
	owner *token
	kids  [64]*K
}

type leaf[T any] struct {
	owner *token
	has   uint16
	vals  [16]T
}

// get gives an element, and whether it was ever set.
func (t *trie[T]) get(n uint32) (v T, ok bool) {
	if i := int(n >> 16); i < len(t.top) && t.top[i] != nil {
		if b := t.top[i].kids[n>>10&63]; b != nil {
			if l := b.kids[n>>4&63]; l != nil {
				return l.vals[n&15], l.has>>(n&15)&1 == 1
			}
		}
	}
	return v, false
}

// at gives an element to be changed by the owner of the token; it counts as set from now on.
func (t *trie[T]) at(n uint32, by *token) *T {
	if i := int(n >> 16); t.owner != by || i >= len(t.top) {
		top := make([]*fork[fork[leaf[T]]], max(i+1, len(t.top)))
		copy(top, t.top)
		t.owner, t.top = by, top
	}
	l := ownLeaf(&own(&own(&t.top[n>>16], by).kids[n>>10&63], by).kids[n>>4&63], by)
	l.has |= 1 << (n & 15)
	return &l.vals[n&15]
}

func own[K any](p **fork[K], by *token) *fork[K] {
	if *p == nil {
		*p = &fork[K]{owner: by}
	} else if (*p).owner != by {
		c := **p
		c.owner = by
		*p = &c
	}
	return *p
}

func ownLeaf[T any](p **leaf[T], by *token) *leaf[T] {
	if *p == nil {
		*p = &leaf[T]{owner: by}
	} else if (*p).owner != by {
		c := **p
		c.owner = by
		*p = &c
	}
	return *p
}

// apart lists in ascending order the numbers of the leaves' elements that two arrays may not share: all that were set in either since one was copied
// from the other or both from a third, and a few beside them. Against an empty array it lists all that is set.
func (t *trie[T]) apart(o *trie[T]) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := range max(len(t.top), len(o.top)) {
			var a, b *fork[fork[leaf[T]]]
			if i < len(t.top) {
				a = t.top[i]
			}
			if i < len(o.top) {
				b = o.top[i]
			}
			if a != b && !apartInside(a, b, uint32(i)<<16, yield) {
				return
			}
		}
	}
}

func apartInside[T any](a, b *fork[fork[leaf[T]]], first uint32, yield func(uint32) bool) bool {
	for i := range uint32(64) {
		x, y := a.kid(i), b.kid(i)
		if x == y {
			continue
		}
		for j := range uint32(64) {
			if l, m := x.kid(j), y.kid(j); l != m && !eachSet(l.set()|m.set(), first+i<<10+j<<4, yield) {
				return false
			}
		}
	}
	return true
}

// kid gives a page below; there is none below no page.
func (f *fork[K]) kid(i uint32) *K {
	if f == nil {
		return nil
	}
	return f.kids[i]
}

// set tells which elements of a leaf were set.
func (l *leaf[T]) set() uint16 {
	if l == nil {
		return 0
	}
	return l.has
}

func eachSet(set uint16, first uint32, yield func(uint32) bool) bool {
	for n := first; set != 0; n, set = n+1, set>>1 {
		if set&1 == 1 && !yield(n) {
			return false
		}
	}
	return true
}
