package topology

import (
	"compress/flate"
	"math"
	"sync"
	"unicode/utf8"
)

// sectionLoader reads the sections of a checkpoint side by side: two processors are busy, whichever is slow.
type sectionLoader struct {
	header
	names
	t      *table
	queues [sections]*queue
	errs   [sections]error
}

func readSections(in *frames) (*Snapshot, error) {
	f, ok := in.next()
	var err error
	head := &decoder{next: func() (content []byte, more bool) {
		if !ok || f.section != sectionHead || err != nil {
			return nil, false
		}
		content, err = f.content(nil)
		f, ok = in.next()
		return content, err == nil
	}}
	l := &sectionLoader{header: head.head(), t: &table{}}
	if head.err == nil && !head.ended() {
		head.fail(damaged("goes on after its last name"))
	}
	if err := firstOf(in.err, err, head.err); err != nil {
		return nil, err
	}
	l.names = head.names
	for i := range l.queues {
		l.queues[i] = newQueue()
	}
	var decoding sync.WaitGroup
	decoding.Go(l.keysAndReadings)
	decoding.Go(l.textsAndFacts)
	decoding.Go(l.edges)
	for ; ok; f, ok = in.next() {
		if f.section == sectionHead || f.section >= sections {
			in.err = damaged("has frame %d in section %d", f.number, f.section)
			break
		}
		l.queues[f.section].put(f)
	}
	for _, q := range l.queues {
		q.close()
	}
	decoding.Wait()
	if err := firstOf(append([]error{in.err}, l.errs[:]...)...); err != nil {
		return nil, err
	}
	l.t.count()
	s := &Snapshot{rev: l.revision, time: l.time, base: l.t, live: l.t.live()}
	return s.wired(), nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// section decodes one section to its end.
func (l *sectionLoader) section(i int, decode func(*decoder)) bool {
	inflate := flate.NewReader(nil)
	d := &decoder{names: l.names}
	var err error
	d.next = func() (content []byte, ok bool) {
		f, ok := l.queues[i].take()
		if !ok {
			return nil, false
		}
		content, err = f.content(inflate)
		return content, err == nil
	}
	decode(d)
	if d.err == nil && err == nil && !d.ended() {
		d.fail(damaged("has more in section %d than it says", i))
	}
	l.errs[i] = firstOf(err, d.err)
	return l.errs[i] == nil
}

func (l *sectionLoader) keysAndReadings() {
	read := l.section(sectionReadings, func(d *decoder) { d.readings(l.t, l.readings) })
	if l.section(sectionKeys, func(d *decoder) { (&keyReader{d: d, t: l.t}).keys(l.nodes) }) && read {
		l.t.index()
	}
}

// maxShared is how much of an ID may be that of another: what is longer stands twice, so that a small hostile input stays small.
const maxShared = 64

// keyReader puts IDs together and makes texts of many at once.
type keyReader struct {
	d     *decoder
	t     *table
	arena []byte // the IDs of the nodes from `from` on, which have no text yet
	ends  []int  // of each in the arena
	from  int
	last  []byte
}

func (k *keyReader) keys(nodes uint64) {
	d := k.d
	type run struct {
		kind Kind
		size uint64
	}
	var runs []run
	sum := uint64(0)
	for n := d.uint(); n > 0 && d.err == nil; n-- {
		r := run{pick(d, d.kinds, "kind"), d.count()}
		if len(runs) > 0 && runs[len(runs)-1].kind >= r.kind {
			d.fail(damaged("has nodes of kind %s out of order", r.kind))
		}
		runs = append(runs, r)
		sum += r.size
	}
	if d.err == nil && sum != nodes {
		d.fail(damaged("has %d nodes and says %d", sum, nodes))
	}
	k.t.nodes = make([]Key, 0, limited(nodes))
	for _, r := range runs {
		owner := int64(0)
		k.last = k.last[:0]
		for i := uint64(0); i < r.size && d.err == nil; i++ {
			k.key(r.kind, i == 0, &owner, nodes)
		}
	}
	k.flush()
}

// key reads one ID.
func (k *keyReader) key(kind Kind, first bool, owner *int64, nodes uint64) {
	d, start := k.d, len(k.arena)
	tag := d.uint()
	switch {
	case tag == 1:
		*owner += d.int()
		if d.err != nil || *owner < 0 || *owner >= int64(len(k.t.nodes)) {
			d.fail(damaged("borrows from a node that it does not have"))
			return
		}
		k.borrow(int(*owner))
		if len(k.arena)-start > maxShared {
			d.fail(damaged("borrows too long an ID"))
			return
		}
	case tag&1 == 1 || tag>>1 > uint64(min(len(k.last), maxShared)):
		d.fail(damaged("shares %d octets of an ID that has %d", tag>>1, len(k.last)))
		return
	default:
		k.arena = append(k.arena, k.last[:tag>>1]...)
	}
	k.arena = append(k.arena, d.octets()...)
	id := k.arena[start:]
	if d.err == nil && (len(id) == 0 || !first && string(id) <= string(k.last)) {
		d.fail(damaged("has node %q out of order", id))
	}
	if d.err == nil && !utf8.Valid(id) {
		d.fail(damaged("has a text that is not UTF-8"))
	}
	k.last = append(k.last[:0], id...)
	k.t.nodes = grow(k.t.nodes, Key{Kind: kind}, nodes)
	k.ends = append(k.ends, len(k.arena))
	if len(k.arena) > frameSize {
		k.flush()
	}
}

// borrow appends the ID of a node that was read.
func (k *keyReader) borrow(n int) {
	if n < k.from {
		k.arena = append(k.arena, k.t.nodes[n].ID...)
		return
	}
	start := 0
	if n > k.from {
		start = k.ends[n-k.from-1]
	}
	k.arena = append(k.arena, k.arena[start:k.ends[n-k.from]]...)
}

// flush makes texts of the IDs in the arena.
func (k *keyReader) flush() {
	text, start := string(k.arena), 0
	for i, end := range k.ends {
		k.t.nodes[k.from+i].ID = text[start:end]
		start = end
	}
	k.from += len(k.ends)
	k.arena, k.ends = k.arena[:0], k.ends[:0]
}

func (l *sectionLoader) textsAndFacts() {
	t := l.t
	ok := l.section(sectionTexts, func(d *decoder) {
		for i := uint64(0); i < l.texts && d.err == nil; i++ {
			t.texts = grow(t.texts, d.string(), l.texts)
		}
	})
	l.section(sectionFacts, func(d *decoder) {
		if ok {
			l.facts(d)
		}
	})
}

// claims decodes what facts and edges have in common.
type claims struct {
	d              *decoder
	readings       int64
	codes          []claimCode
	reading, since int64
}

// next reads a code and what follows it; word reads what a new code says of the attribute or relation.
func (c *claims) next(word func() uint8) claimCode {
	d := c.d
	n := d.uint()
	if n > uint64(len(c.codes)) {
		d.fail(damaged("has a code %d of %d", n, len(c.codes)))
	}
	if d.err != nil {
		return claimCode{}
	}
	if n == uint64(len(c.codes)) {
		code := claimCode{word: word()}
		bits, same := d.uint(), d.uint()
		code.derived, code.sameReading, code.sameSince = bits&1 == 1, same&2 != 0, same&1 != 0
		if bits>>1 < 1 || bits>>1 > 100 || same > 3 {
			d.fail(damaged("has a fact of confidence %d", bits>>1))
		}
		code.conf = uint8(bits >> 1)
		c.codes = append(c.codes, code)
	}
	code := c.codes[n]
	if !code.sameReading {
		c.reading += d.int()
	}
	if !code.sameSince {
		c.since += d.int()
	}
	if d.err == nil && (c.reading < 0 || c.reading >= c.readings || c.since < 0 || c.since > math.MaxUint32) {
		d.fail(damaged("has a fact of reading %d, time %d", c.reading, c.since))
	}
	return code
}

// values decodes facts.
type values struct {
	claims
	last  [attrEnd]uint64
	text  int64
	texts int64 // how many there are
}

func (v *values) fact() fact {
	d := v.d
	code := v.next(v.attr)
	f := fact{reading: uint32(v.reading), since: uint32(v.since), attr: Attr(code.word), conf: code.conf, derived: code.derived}
	if typ := attrs[f.attr].typ; !textual(typ) {
		f.val = d.uint() ^ v.last[f.attr]
		v.last[f.attr] = f.val
		if !inRange(typ, f.val) {
			d.fail(damaged("has %d as %s", f.val, f.attr))
		}
		return f
	}
	v.text += d.int() + 1
	if d.err == nil && (v.text < 0 || v.text >= v.texts) {
		d.fail(damaged("refers to a text that it does not have"))
	}
	f.val = uint64(v.text)
	return f
}

func (v *values) attr() uint8 { return uint8(pick(v.d, v.d.attrs, "attribute")) }

func (l *sectionLoader) facts(d *decoder) {
	t := l.t
	v := &values{claims: claims{d: d, readings: int64(l.readings)}, text: -1, texts: int64(len(t.texts))}
	t.factOff = append(make([]uint32, 0, limited(l.nodes)), 0)
	for n := uint64(0); n < l.nodes && d.err == nil; n++ {
		first := len(t.facts)
		for count := d.uint(); count > 0 && d.err == nil; count-- {
			f := v.fact()
			if d.err == nil && len(t.facts) > first && t.factOrder(t.facts[len(t.facts)-1], f) >= 0 {
				d.fail(damaged("has facts of node %d out of order", n))
			}
			t.facts = grow(t.facts, f, l.header.facts)
		}
		t.factOff = grow(t.factOff, uint32(len(t.facts)), l.nodes+1)
	}
	if d.err == nil && uint64(len(t.facts)) != l.header.facts {
		d.fail(damaged("has %d facts and says %d", len(t.facts), l.header.facts))
	}
}

func (l *sectionLoader) edges() {
	if l.section(sectionEdges, l.decodeEdges) {
		l.t.turn()
	}
}

func (l *sectionLoader) decodeEdges(d *decoder) {
	t := l.t
	claims := &claims{d: d, readings: int64(l.readings)}
	rel := func() uint8 { return uint8(pick(d, d.rels, "relation")) }
	var last [relEnd]int64
	t.outOff = append(make([]uint32, 0, limited(l.nodes)), 0)
	for n := uint64(0); n < l.nodes && d.err == nil; n++ {
		first := len(t.out)
		for count := d.uint(); count > 0 && d.err == nil; count-- {
			code := claims.next(rel)
			peer := last[code.word] + d.int()
			last[code.word] = peer
			if d.err == nil && (peer < 0 || peer >= int64(l.nodes)) {
				d.fail(damaged("refers to a node that it does not have"))
			}
			e := edge{uint32(peer), uint32(claims.reading), uint32(claims.since), Rel(code.word), code.conf, code.derived}
			if d.err == nil && len(t.out) > first && flatEdgeOrder(t.out[len(t.out)-1], e) >= 0 {
				d.fail(damaged("has edges of node %d out of order", n))
			}
			t.out = grow(t.out, e, l.header.edges)
		}
		t.outOff = grow(t.outOff, uint32(len(t.out)), l.nodes+1)
	}
	if d.err == nil && uint64(len(t.out)) != l.header.edges {
		d.fail(damaged("has %d edges and says %d", len(t.out), l.header.edges))
	}
}
