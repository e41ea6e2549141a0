package topology

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
	"unicode/utf8"
)

// ReadCheckpoint reads what WriteCheckpoint wrote, by this or an earlier program. Whatever the input is, it neither panics nor allocates
// much more than the input deserves; what is not a whole checkpoint is an error that wraps ErrSyntax, what this program's model does
// not know (an attribute of a later version) one that wraps ErrSchema, and the reader's own errors come through.
func ReadCheckpoint(r io.Reader) (*Snapshot, error) {
	magic := make([]byte, len(checkpointMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		return nil, cutShort(err)
	}
	switch string(magic) {
	case form1:
		return readForm1(r)
	case checkpointMagic:
		return readSections(&frames{r: r})
	}
	return nil, damaged("begins with %q: not a checkpoint, or one of a later form", magic)
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: checkpoint "+format, append([]any{ErrSyntax}, args...)...)
}

func cutShort(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // the io functions return these two themselves
		return damaged("is cut short")
	}
	return fmt.Errorf("checkpoint: %w", err)
}

// limited gives the capacity to begin with for a claimed number of things; grow goes on from there, and never beyond what has come.
func limited(claimed uint64) int { return int(min(claimed, 1<<12)) }

// grow appends, and hits the claimed length exactly if it is true.
func grow[T any](s []T, x T, claimed uint64) []T {
	if len(s) == cap(s) {
		next := make([]T, len(s), int(min(max(claimed, uint64(len(s))+1), 2*uint64(len(s))+16)))
		copy(next, s)
		s = next
	}
	return append(s, x)
}

// frame is one frame as it was read; its sum is right.
type frame struct {
	deflated bool
	section  byte
	payload  []byte
	size     uint32 // of the content
	number   int
}

// frames reads frames; after the last one or an error there are no more.
type frames struct {
	r    io.Reader
	sum  uint32
	n    int
	done bool
	err  error
}

func (in *frames) next() (f frame, ok bool) {
	if in.done || in.err != nil {
		return frame{}, false
	}
	var head [frameHeader]byte
	if _, err := io.ReadFull(in.r, head[:]); err != nil {
		in.err = cutShort(err)
		return frame{}, false
	}
	in.n++
	size := binary.LittleEndian.Uint32(head[1:])
	f = frame{section: head[0] >> 4, size: binary.LittleEndian.Uint32(head[5:]), number: in.n}
	var payload bytes.Buffer
	payload.Grow(int(min(size, 2*frameSize)))
	if _, err := io.CopyN(&payload, in.r, int64(size)); err != nil {
		in.err = cutShort(err)
		return frame{}, false
	}
	f.payload = payload.Bytes()
	in.sum = castagnoli(in.sum, f.payload)
	if in.sum != binary.LittleEndian.Uint32(head[9:]) {
		in.err = damaged("is damaged in frame %d: its sum is wrong", in.n)
		return frame{}, false
	}
	switch method := head[0] & 15; {
	case method == frameEnd && size == 0 && f.size == 0 && f.section == 0:
		in.done = true
		return frame{}, false
	case method == frameStored && size == f.size:
	case method == frameDeflated && uint64(f.size) <= frameRatio*uint64(size):
		f.deflated = true
	default:
		in.err = damaged("has a frame %d of a form that is not known", in.n)
		return frame{}, false
	}
	return f, true
}

// content gives what is in the frame. The inflater may be nil, and is used again if not.
func (f frame) content(inflate io.ReadCloser) ([]byte, error) {
	if !f.deflated {
		return f.payload, nil
	}
	in := bytes.NewReader(f.payload)
	if inflate == nil {
		inflate = flate.NewReader(in)
	} else if err := inflate.(flate.Resetter).Reset(in, nil); err != nil { //nolint:errcheck,forcetypeassert // flate.NewReader says that it is one
		return nil, damaged("cannot be inflated in frame %d: %v", f.number, err)
	}
	var out bytes.Buffer
	out.Grow(int(f.size) + bytes.MinRead)
	n, err := io.Copy(&out, io.LimitReader(inflate, int64(f.size)+1))
	if err == nil && n != int64(f.size) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, damaged("cannot be inflated in frame %d: %v", f.number, err)
	}
	return out.Bytes(), nil
}

// queue hands the frames of a section to the one who decodes it.
type queue struct {
	mu      sync.Mutex
	arrived sync.Cond
	frames  []frame
	closed  bool
}

func newQueue() *queue {
	q := &queue{}
	q.arrived.L = &q.mu
	return q
}

func (q *queue) put(f frame) {
	q.mu.Lock()
	q.frames = append(q.frames, f)
	q.mu.Unlock()
	q.arrived.Signal()
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.arrived.Signal()
}

func (q *queue) take() (frame, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.frames) == 0 && !q.closed {
		q.arrived.Wait()
	}
	if len(q.frames) == 0 {
		return frame{}, false
	}
	f := q.frames[0]
	q.frames[0] = frame{} // its payload is not needed any more
	q.frames = q.frames[1:]
	return f, true
}

// header is what a checkpoint begins with.
type header struct {
	revision                             Revision
	time                                 time.Time
	readings, nodes, texts, facts, edges uint64
}

// names are what the numbers in a checkpoint mean.
type names struct {
	kinds   []Kind
	rels    []Rel
	sources []Source
	attrs   []Attr
}

// decoder takes items from frames; after the first error every item is zero.
type decoder struct {
	names
	next    func() (content []byte, ok bool)
	content []byte
	buf     []byte // what is left of the frame
	text    string // the whole frame as text, once a string was taken from it
	err     error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// head reads the counts and the names.
func (d *decoder) head() header {
	h := header{revision: Revision(d.uint()), time: time.UnixMilli(d.int()).UTC()}
	h.readings, h.nodes, h.texts, h.facts, h.edges = d.count(), d.count(), d.count(), d.count(), d.count()
	d.readNames()
	return h
}

// readNames reads what the numbers in the checkpoint mean. One that this program does not know becomes 0, an error only if it is used.
func (d *decoder) readNames() {
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
		d.fail(damaged("has a broken number in a frame"))
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
	n := len(d.octets())
	if d.err != nil {
		return ""
	}
	if d.text == "" {
		d.text = string(d.content)
	}
	end := len(d.text) - len(d.buf)
	s := d.text[end-n : end]
	if !utf8.ValidString(s) {
		d.fail(damaged("has a text that is not UTF-8"))
		return ""
	}
	return s
}

// octets reads a string as it stands in the frame.
func (d *decoder) octets() []byte {
	n := d.uint()
	if d.err != nil {
		return nil
	}
	if n > uint64(len(d.buf)) {
		d.fail(damaged("has a text that leaves its frame"))
		return nil
	}
	b := d.buf[:n]
	d.buf = d.buf[n:]
	return b
}

// more makes sure that there is an item left, from the next frame if need be.
func (d *decoder) more() bool {
	for len(d.buf) == 0 && d.err == nil {
		if !d.frame() {
			break
		}
	}
	if len(d.buf) == 0 {
		d.fail(damaged("ends too early"))
	}
	return d.err == nil
}

// ended reports whether there is nothing left.
func (d *decoder) ended() bool {
	for len(d.buf) == 0 {
		if !d.frame() {
			return true
		}
	}
	return false
}

// frame takes the next frame.
func (d *decoder) frame() bool {
	content, ok := d.next()
	d.content, d.buf, d.text = content, content, ""
	return ok
}
