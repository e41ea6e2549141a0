package reach

import (
	"slices"

	"github.com/throughline-dc/throughline/planner/reach/packet"
)

// Rewritten is a change of one long first-match list that denies what no rule matches, ready to be asked what it means for one address: only rules that changed and
// hold the address can matter, and of the others only those that overlap one of them.
type Rewritten struct {
	space    *packet.Space
	old, now *ruleColumns
}

// ruleColumns is a list with the ends of each rule's values, field by field.
type ruleColumns struct {
	rules   []Ruled
	lo, hi  [][]uint64 // of each field and rule: all that it matches is within. Of more than 64 bits the first 64 count
	exact   []bool     // each rule: it matches all that is within
	changed []int      // rules that the other list has not, ascending
	kept    []int      // of each rule: how many before it the other list has, too
	boxes   map[[2]int]packet.Set
}

// NewRewritten compares two lists. Rules that stand at the beginning or the end of both, or at the same place of lists that are as long, are the same if they match and
// decide the same; all others have changed.
func NewRewritten(space *packet.Space, old, now []Ruled) *Rewritten {
	r := &Rewritten{space, newColumns(space, old), newColumns(space, now)}
	first, last := 0, 0
	for first < min(len(old), len(now)) && sameRuled(&old[first], &now[first]) {
		first++
	}
	for last < min(len(old), len(now))-first && sameRuled(&old[len(old)-1-last], &now[len(now)-1-last]) {
		last++
	}
	same := func(int) bool { return false }
	if len(old) == len(now) {
		same = func(i int) bool { return sameRuled(&old[i], &now[i]) }
	}
	for _, c := range []*ruleColumns{r.old, r.now} {
		kept := 0
		for i := range c.rules {
			c.kept[i] = kept
			if i < first || i >= len(c.rules)-last || same(i) {
				kept++
			} else {
				c.changed = append(c.changed, i)
			}
		}
	}
	return r
}

func sameRuled(a, b *Ruled) bool {
	return a.Permit == b.Permit && slices.EqualFunc(a.Box, b.Box, func(x, y packet.Term) bool { return x.Field == y.Field && x.Not == y.Not && slices.Equal(x.Of, y.Of) })
}

func newColumns(space *packet.Space, rules []Ruled) *ruleColumns {
	c := &ruleColumns{rules: rules, exact: make([]bool, len(rules)), kept: make([]int, len(rules)), boxes: map[[2]int]packet.Set{}}
	for _, f := range space.Fields() {
		lo, hi := make([]uint64, len(rules)), make([]uint64, len(rules))
		for i := range hi {
			hi[i] = headOf(packet.Value{Hi: ^uint64(0), Lo: ^uint64(0)}, f.Bits)
		}
		c.lo, c.hi = append(c.lo, lo), append(c.hi, hi)
	}
	for i, r := range rules {
		c.exact[i] = true
		for _, t := range r.Box {
			bits := space.Fields()[t.Field].Bits
			if len(t.Of) != 1 || t.Not || t.Of[0].Mask != (packet.Value{}) || bits > 64 {
				c.exact[i] = false
			}
			if t.Not || len(t.Of) == 0 {
				continue
			}
			lo, hi := ends(t.Of, bits)
			c.lo[t.Field][i], c.hi[t.Field][i] = max(lo, c.lo[t.Field][i]), min(hi, c.hi[t.Field][i])
		}
	}
	return c
}

// ends gives the least and the greatest of the values, of each the first 64 bits.
func ends(of []packet.Values, bits int) (lo, hi uint64) {
	lo = ^uint64(0)
	for _, v := range of {
		a, b := v.Lo, v.Hi
		if m := v.Mask; m != (packet.Value{}) {
			a, b = packet.Value{Hi: v.Lo.Hi & m.Hi, Lo: v.Lo.Lo & m.Lo}, packet.Value{Hi: v.Lo.Hi | ^m.Hi, Lo: v.Lo.Lo | ^m.Lo}
		}
		lo, hi = min(lo, headOf(a, bits)), max(hi, headOf(b, bits))
	}
	return lo, hi
}

// headOf is the first 64 bits of a value of a field, or all that it has.
func headOf(v packet.Value, bits int) uint64 {
	switch {
	case bits > 64:
		return v.Hi<<(128-bits) | v.Lo>>(bits-64)
	case bits == 64:
		return v.Lo
	}
	return v.Lo & (1<<bits - 1)
}

// Changed gives the packets with one value of a field that the old list permits and the new does not, and those that only the new one permits.
func (r *Rewritten) Changed(field int, value packet.Value) (lost, opened packet.Set) {
	s := r.space
	q := &question{Rewritten: r, field: field, value: value, head: headOf(value, s.Fields()[field].Bits)}
	old, now := &holding{c: r.old}, &holding{c: r.now}
	lost, opened = q.changes(old, now)
	opened2, lost2 := q.changes(now, old)
	lost, opened = s.Union(lost, lost2), s.Union(opened, opened2)
	if lost == packet.Empty && opened == packet.Empty {
		return lost, opened
	}
	at := s.Box(packet.Box{{Field: field, Of: []packet.Values{packet.One(value)}}}, packet.Full)
	return s.Intersect(lost, at), s.Intersect(opened, at)
}

// question is a change as it is asked about one value. Sets say nothing of its field.
type question struct {
	*Rewritten
	field int
	value packet.Value
	head  uint64
}

// holds tells whether a rule matches packets with the value.
func (q *question) holds(c *ruleColumns, i int) bool {
	if q.head < c.lo[q.field][i] || c.hi[q.field][i] < q.head {
		return false
	}
	return c.exact[i] || !slices.ContainsFunc(c.rules[i].Box, func(t packet.Term) bool {
		return t.Field == q.field && slices.ContainsFunc(t.Of, func(v packet.Values) bool { return v.Has(q.value) }) == t.Not
	})
}

// holding is the rules of a list that hold the value, once they are needed.
type holding struct {
	c  *ruleColumns
	in []int
}

func (q *question) holding(h *holding) []int {
	if h.in != nil {
		return h.in
	}
	h.in = make([]int, 0, 64)
	lo, hi := h.c.lo[q.field], h.c.hi[q.field]
	hi = hi[:len(lo)]
	for i, x := range lo {
		if q.head-x <= hi[i]-x && q.holds(h.c, i) { // the first is one comparison for two
			h.in = append(h.in, i)
		}
	}
	return h.in
}

// changes gives what the one list permits and the other does not, and the other way round, of the packets that a changed rule of the one list decides.
func (q *question) changes(a, b *holding) (lost, opened packet.Set) {
	s := q.space
	for _, i := range a.c.changed {
		if !q.holds(a.c, i) {
			continue
		}
		region := q.effective(a, i)
		if region == packet.Empty {
			continue
		}
		permitted := q.permitted(b, a.c, i, region)
		if a.c.rules[i].Permit {
			lost = s.Union(lost, s.Minus(region, permitted))
		} else {
			opened = s.Union(opened, permitted)
		}
	}
	return lost, opened
}

// effective is the packets that a rule decides: those that it matches and none before it does.
func (q *question) effective(h *holding, i int) packet.Set {
	c := h.c
	var before []int
	for _, j := range q.holding(h) {
		if j >= i {
			break
		}
		if !q.overlap(c, j, c, i) {
			continue
		}
		if c.exact[j] && q.covers(c, j, i) {
			return packet.Empty
		}
		before = append(before, j)
	}
	region := q.box(c, i)
	for _, j := range before {
		if region = q.space.Minus(region, q.box(c, j)); region == packet.Empty {
			break
		}
	}
	return region
}

func (q *question) overlap(a *ruleColumns, i int, b *ruleColumns, j int) bool {
	for f := range a.lo {
		if a.hi[f][i] < b.lo[f][j] || b.hi[f][j] < a.lo[f][i] {
			return false
		}
	}
	return true
}

// covers tells whether rule j matches all that rule i matches, with the value.
func (q *question) covers(c *ruleColumns, j, i int) bool {
	for f := range c.lo {
		if f != q.field && (c.lo[f][i] < c.lo[f][j] || c.hi[f][j] < c.hi[f][i]) {
			return false
		}
	}
	return true
}

// permitted is what a list permits of a region that a changed rule of the other one decides. No rule that both have and that stands before that rule matches any of it.
func (q *question) permitted(h *holding, other *ruleColumns, i int, region packet.Set) (all packet.Set) {
	s, c := q.space, h.c
	changed := c.changed
	for _, j := range q.holding(h) {
		for len(changed) > 0 && changed[0] < j {
			changed = changed[1:]
		}
		if own := len(changed) > 0 && changed[0] == j; !own && c.kept[j] < other.kept[i] || !q.overlap(other, i, c, j) {
			continue
		}
		part := s.Intersect(region, q.box(c, j))
		if part == packet.Empty {
			continue
		}
		if c.rules[j].Permit {
			all = s.Union(all, part)
		}
		if region = s.Minus(region, part); region == packet.Empty {
			break
		}
	}
	return all
}

// box is what a rule matches, without the field: for this value and all others that the rule holds it is the same.
func (q *question) box(c *ruleColumns, i int) packet.Set {
	k := [2]int{q.field, i}
	if s, ok := c.boxes[k]; ok {
		return s
	}
	s := q.space.Box(slices.DeleteFunc(slices.Clone(c.rules[i].Box), func(t packet.Term) bool { return t.Field == q.field }), packet.Full)
	c.boxes[k] = s
	return s
}
