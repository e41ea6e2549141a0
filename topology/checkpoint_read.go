package topology

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
	"unicode/utf8"
)

// decoder takes items from frames; after the first error every item is zero.
type decoder struct {
	r       io.Reader
	inflate io.ReadCloser
	payload bytes.Buffer
	content bytes.Buffer
	buf     []byte // what is left of the frame
	text    string // the whole frame as text, once a string was taken from it
	sum     uint32
	frames  int
	last    bool
	err     error

	kinds   []Kind
	rels    []Rel
	sources []Source
	attrs   []Attr

	lastText, lastSince, lastReading int64
	lastPeer                         [relEnd]int64
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// snapshot reads the stream.
func (d *decoder) snapshot() *Snapshot {
	s := &Snapshot{rev: Revision(d.uint()), time: time.UnixMilli(d.int()).UTC()}
	readings, nodes, texts, facts, edges := d.count(), d.count(), d.count(), d.count(), d.count()
	d.names()
	t := &table{nodes: make([]Key, 0, limited(nodes))}
	d.readings(t, readings)
	for i := uint64(0); i < nodes && d.err == nil; i++ {
		k := Key{pick(d, d.kinds, "kind"), d.string()}
		if n := len(t.nodes); d.err == nil && (k.ID == "" || n > 0 && t.nodes[n-1].Compare(k) >= 0) {
			d.fail(damaged("has node %q out of order", k))
		}
		t.nodes = grow(t.nodes, k, nodes)
	}
	for i := uint64(0); i < texts && d.err == nil; i++ {
		t.texts = grow(t.texts, d.string(), texts)
	}
	if d.err != nil {
		return nil
	}
	s.base = t
	d.rows(s, facts, edges)
	if d.err != nil {
		return nil
	}
	t.index()
	t.turn()
	s.live = len(t.nodes)
	return s
}

// names reads what the numbers in the checkpoint mean. One that this program does not know becomes 0, an error only if it is used.
func (d *decoder) names() {
	d.kinds = named(d, func(name string) Kind { k, _ := ParseKind(name); return k })
	d.rels = named(d, func(name string) Rel { r, _ := ParseRel(name); return r })
	d.sources = named(d, func(name string) Source { s, _ := ParseSource(name); return s })
	byName := make(map[string]Attr, attrEnd)
	for a, spec := range attrs {
		byName[spec.name] = Attr(a)
	}
	d.attrs = named(d, func(name string) Attr {
		a, typ := byName[name], d.uint()
		if uint64(attrs[a].typ) != typ {
			return 0
		}
		return a
	})
}

func named[T any](d *decoder, number func(name string) T) []T {
	n := d.uint()
	if n > math.MaxUint8+1 {
		d.fail(damaged("has %d names of one sort", n))
	}
	var known []T
	for i := uint64(0); i < n && d.err == nil; i++ {
		known = append(known, number(d.string()))
	}
	return known
}

// pick reads a number and gives what it stands for; 0 is in no use.
func pick[T ~uint8](d *decoder, known []T, what string) T {
	n := d.uint()
	if d.err != nil {
		return 0
	}
	if n >= uint64(len(known)) {
		d.fail(damaged("has a %s numbered %d of %d", what, n, len(known)))
		return 0
	}
	if known[n] == 0 {
		d.fail(fmt.Errorf("%w: the checkpoint has a %s (its number %d) that this program does not know: a later version wrote it",
			ErrSchema, what, n))
	}
	return known[n]
}

func (d *decoder) readings(t *table, count uint64) {
	n := d.count()
	var words []string
	for i := uint64(0); i < n && d.err == nil; i++ {
		words = grow(words, d.string(), n)
	}
	word := func() string {
		if i := d.uint(); i < uint64(len(words)) {
			return words[i]
		}
		d.fail(damaged("refers to a word that it does not have"))
		return ""
	}
	last := int64(0)
	for i := uint64(0); i < count && d.err == nil; i++ {
		r := Reading{ReadingKey: ReadingKey{Source: pick(d, d.sources, "source"), Device: word(), Table: word(), Partial: d.uint() == 1}}
		r.Command = word()
		last += d.int()
		r.Time, r.Rows, r.Reason = time.UnixMilli(last).UTC(), int(d.int()), word()
		if n := len(t.readings); d.err == nil && n > 0 && t.readings[n-1].Compare(r.ReadingKey) >= 0 {
			d.fail(damaged("has reading %q out of order", r.ReadingKey))
		}
		t.readings = grow(t.readings, r, count)
	}
	t.uses = make([]uint32, len(t.readings))
}

// rows reads the facts and outgoing edges of all nodes.
func (d *decoder) rows(s *Snapshot, facts, edges uint64) {
	t := s.base
	t.factOff, t.outOff = make([]uint32, len(t.nodes)+1), make([]uint32, len(t.nodes)+1)
	t.facts, t.out = make([]fact, 0, limited(facts)), make([]edge, 0, limited(edges))
	for n := range t.nodes {
		first := len(t.facts)
		for count := d.uint(); count > 0 && d.err == nil; count-- {
			f := d.fact(s)
			if d.err == nil && len(t.facts) > first && s.factOrder(t.facts[len(t.facts)-1], f) >= 0 {
				d.fail(damaged("has facts of %q out of order", t.nodes[n]))
			}
			t.facts = grow(t.facts, f, facts)
		}
		first = len(t.out)
		for count := d.uint(); count > 0 && d.err == nil; count-- {
			e := d.edge(s)
			if d.err == nil && len(t.out) > first && s.edgeOrder(t.out[len(t.out)-1], e) >= 0 {
				d.fail(damaged("has edges of %q out of order", t.nodes[n]))
			}
			t.out = grow(t.out, e, edges)
		}
		if d.err != nil {
			return
		}
		t.factOff[n+1], t.outOff[n+1] = uint32(len(t.facts)), uint32(len(t.out))
	}
	if uint64(len(t.facts)) != facts || uint64(len(t.out)) != edges {
		d.fail(damaged("has %d facts and %d edges, and says %d and %d", len(t.facts), len(t.out), facts, edges))
	}
}

func (d *decoder) fact(s *Snapshot) fact {
	f := fact{attr: pick(d, d.attrs, "attribute")}
	f.conf, f.derived, f.reading, f.since = d.claim(s)
	if typ := attrs[f.attr].typ; !textual(typ) {
		f.val = d.uint()
		if !inRange(typ, f.val) {
			d.fail(damaged("has %d as %s", f.val, f.attr))
		}
		return f
	}
	d.lastText += d.int() + 1
	if d.err == nil && (d.lastText < 1 || d.lastText > int64(len(s.base.texts))) {
		d.fail(damaged("refers to a text that it does not have"))
	}
	f.val = uint64(d.lastText - 1)
	return f
}

// inRange reports whether the bits can be a value of a type that is not kept as text.
func inRange(typ ValueType, bits uint64) bool {
	return (typ != TypeBool || bits <= 1) && (typ != TypeMAC || bits>>48 == 0) &&
		(typ != TypeFDB || bits>>60 < uint64(len(fdbStatusNames)) && bits>>48&0xfff <= 4094)
}

func (d *decoder) edge(s *Snapshot) edge {
	e := edge{rel: pick(d, d.rels, "relation")}
	e.conf, e.derived, e.reading, e.since = d.claim(s)
	d.lastPeer[e.rel] += d.int()
	peer := d.lastPeer[e.rel]
	if d.err == nil && (peer < 0 || peer >= int64(len(s.base.nodes))) {
		d.fail(damaged("refers to a node that it does not have"))
	}
	e.peer = uint32(peer)
	return e
}

func (d *decoder) claim(s *Snapshot) (conf uint8, derived bool, reading, since uint32) {
	bits := d.uint()
	d.lastReading += d.int()
	d.lastSince += d.int()
	if d.err != nil {
		return 0, false, 0, 0
	}
	if bits>>1 < 1 || bits>>1 > 100 || d.lastReading < 0 || d.lastReading >= int64(len(s.base.readings)) || d.lastSince < 0 || d.lastSince > math.MaxUint32 {
		d.fail(damaged("has a fact of confidence %d, reading %d, time %d", bits>>1, d.lastReading, d.lastSince))
		return 0, false, 0, 0
	}
	s.base.uses[d.lastReading]++
	return uint8(bits >> 1), bits&1 == 1, uint32(d.lastReading), uint32(d.lastSince)
}

// turn makes the incoming edges from the outgoing ones, in row order: subjects ascend already, so only the relations are sorted.
func (t *table) turn() {
	t.inOff = make([]uint32, len(t.nodes)+1)
	for _, e := range t.out {
		t.inOff[e.peer+1]++
	}
	for n := range t.nodes {
		t.inOff[n+1] += t.inOff[n]
	}
	t.in = make([]edge, len(t.out))
	free := slices.Clone(t.inOff[:len(t.nodes)])
	for n := range t.nodes {
		for _, e := range t.out[t.outOff[n]:t.outOff[n+1]] {
			m := e.peer
			e.peer = uint32(n)
			t.in[free[m]] = e
			free[m]++
		}
	}
	byRel := func(a, b edge) int { return cmp.Compare(a.rel, b.rel) }
	for n := range t.nodes {
		if in := t.in[t.inOff[n]:t.inOff[n+1]]; !slices.IsSortedFunc(in, byRel) {
			slices.SortStableFunc(in, byRel)
		}
	}
}

// count reads how many there are of something that is numbered in 32 bits.
func (d *decoder) count() uint64 {
	n := d.uint()
	if n >= math.MaxUint32 {
		d.fail(damaged("claims %d of something", n))
		return 0
	}
	return n
}

func (d *decoder) uint() uint64 {
	if len(d.buf) > 0 && d.buf[0] < 0x80 { // most are so small
		n := d.buf[0]
		d.buf = d.buf[1:]
		return uint64(n)
	}
	if !d.more() {
		return 0
	}
	n, size := binary.Uvarint(d.buf)
	if size <= 0 {
		d.fail(damaged("has a broken number in frame %d", d.frames))
		d.buf = nil
		return 0
	}
	d.buf = d.buf[size:]
	return n
}

func (d *decoder) int() int64 {
	n := d.uint()
	return int64(n>>1) ^ -int64(n&1)
}

func (d *decoder) string() string {
	n := d.uint()
	if d.err != nil {
		return ""
	}
	if n > uint64(len(d.buf)) {
		d.fail(damaged("has a text that leaves frame %d", d.frames))
		return ""
	}
	if d.text == "" {
		d.text = d.content.String()
	}
	at := len(d.text) - len(d.buf)
	d.buf = d.buf[n:]
	s := d.text[at : at+int(n)]
	if !utf8.ValidString(s) {
		d.fail(damaged("has a text that is not UTF-8"))
		return ""
	}
	return s
}

// more makes sure that there is an item left, from the next frame if need be.
func (d *decoder) more() bool {
	for len(d.buf) == 0 && d.err == nil && !d.last {
		d.next()
	}
	if len(d.buf) == 0 {
		d.fail(damaged("ends too early"))
	}
	return d.err == nil
}

// ended reports whether the end frame is next and nothing follows it.
func (d *decoder) ended() bool {
	if len(d.buf) > 0 {
		return false
	}
	if !d.last {
		d.next()
	}
	return d.last
}

// next reads a frame.
func (d *decoder) next() {
	var head [frameHeader]byte
	if _, err := io.ReadFull(d.r, head[:]); err != nil {
		d.fail(cutShort(err))
		return
	}
	d.frames++
	d.text = ""
	size, content := binary.LittleEndian.Uint32(head[1:]), binary.LittleEndian.Uint32(head[5:])
	d.payload.Reset()
	if n, err := io.CopyN(&d.payload, d.r, int64(size)); err != nil || n != int64(size) {
		d.fail(cutShort(cmp.Or(err, io.ErrUnexpectedEOF)))
		return
	}
	d.sum = castagnoli(d.sum, d.payload.Bytes())
	if d.sum != binary.LittleEndian.Uint32(head[9:]) {
		d.fail(damaged("is damaged in frame %d: its sum is wrong", d.frames))
		return
	}
	switch {
	case head[0] == frameEnd && size == 0 && content == 0:
		d.last = true
	case head[0] == frameStored && size == content:
		d.content, d.payload = d.payload, d.content
	case head[0] == frameDeflated && uint64(content) <= frameRatio*uint64(size):
		d.unpack(content)
	default:
		d.fail(damaged("has a frame %d of a form that is not known", d.frames))
	}
	if d.err == nil {
		d.buf = d.content.Bytes()
	}
	if d.last {
		d.buf = nil
	}
}

func (d *decoder) unpack(content uint32) {
	d.content.Reset()
	err := d.inflate.(flate.Resetter).Reset(&d.payload, nil) //nolint:errcheck,forcetypeassert // flate.NewReader says that it is one
	if err == nil {
		var n int64
		if n, err = io.Copy(&d.content, io.LimitReader(d.inflate, int64(content)+1)); err == nil && n != int64(content) {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		d.fail(damaged("cannot be inflated in frame %d: %v", d.frames, err))
	}
}
