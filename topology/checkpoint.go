package topology

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// A checkpoint is a snapshot in a compact binary form: what a store opens in place of millions of rows. It outlives the program that wrote it,
// so it refers to kinds, attributes, relations and sources by name, and never by the numbers that they happen to have today.
//
// It begins with checkpointMagic; then come frames, each a header of 13 octets and a payload:
//
//	method   1 octet: 0 stored, 1 deflated (RFC 1951), 2 end of the checkpoint (no payload)
//	payload  4 octets: length as it stands here
//	content  4 octets: length of what is in it
//	sum      4 octets: CRC-32C of all payloads up to and including this one
//
// Lengths and sums are little-endian. The contents of the frames are one stream of items, and no item is cut by a frame: unsigned
// varints, signed ones in zigzag form (both of encoding/binary), and strings with their length before them. The stream:
//
//	revision, time (Unix ms), the numbers of readings, nodes, texts, facts and edges
//	names of the kinds, relations, sources and attributes; each attribute's value type
//	words of the readings, then the readings: source, device, table, partial, command, time, rows, reason
//	nodes in canonical order: kind, ID
//	texts of the facts, in order of first use
//	for each node its facts, then its outgoing edges, each in row order; numbers are differences to the one before
const checkpointMagic = "TLCKPT\x00\x01"

const (
	frameStored = iota
	frameDeflated
	frameEnd

	frameHeader = 13
	frameSize   = 128 << 10 // a frame is closed once it holds so much
	// frameRatio bounds what a frame may grow to when it is inflated, so that a small hostile input stays small.
	frameRatio = 16
)

func castagnoli(sum uint32, b []byte) uint32 {
	return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), b) // the package keeps the table of this polynomial
}

// WriteCheckpoint writes the snapshot, with what every source says, its readings, revision and time, in the form that
// ReadCheckpoint reads. Equal snapshots give equal octets.
func (s *Snapshot) WriteCheckpoint(w io.Writer) error {
	deflate, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil {
		return err
	}
	e := &encoder{s: s, w: w, deflate: deflate, layout: s.layout()}
	if _, err := io.WriteString(w, checkpointMagic); err != nil {
		return err
	}
	e.head()
	e.readings()
	e.keys()
	for _, t := range e.layout.texts {
		e.string(t)
		e.item()
	}
	e.rows()
	e.flush()
	e.frame(frameEnd, nil, 0)
	return e.err
}

// encoder collects items in a frame and writes frames; it keeps the first error.
type encoder struct {
	s       *Snapshot
	w       io.Writer
	deflate *flate.Writer
	buf     []byte
	packed  bytes.Buffer
	sum     uint32
	err     error

	layout      *layout
	wordOf      map[string]uint64
	lastText    int64
	lastSince   int64
	lastReading int64
	lastPeer    [relEnd]int64
}

func (e *encoder) head() {
	s := e.s
	e.uint(uint64(s.rev))
	e.int(s.time.UnixMilli())
	for _, n := range []int{len(e.layout.readings), len(e.layout.nodes), len(e.layout.texts), e.layout.facts, e.layout.edges} {
		e.uint(uint64(n))
	}
	e.uint(uint64(kindEnd))
	for k := range kindEnd {
		e.string(kindNames[k])
	}
	e.uint(uint64(relEnd))
	for _, r := range relations {
		e.string(r.Name)
	}
	e.uint(uint64(sourceEnd))
	for _, name := range sourceNames {
		e.string(name)
	}
	e.uint(uint64(attrEnd))
	for _, a := range attrs {
		e.string(a.name)
		e.uint(uint64(a.typ))
	}
	e.item()
}

func (e *encoder) readings() {
	e.wordOf = map[string]uint64{}
	var words []string
	for _, n := range e.layout.readings {
		r := e.s.reading(n)
		for _, w := range []string{r.Device, r.Table, r.Command, r.Reason} {
			if _, ok := e.wordOf[w]; !ok {
				e.wordOf[w] = uint64(len(words))
				words = append(words, w)
			}
		}
	}
	e.uint(uint64(len(words)))
	for _, w := range words {
		e.string(w)
		e.item()
	}
	last := int64(0)
	for _, n := range e.layout.readings {
		r := e.s.reading(n)
		e.uint(uint64(r.Source))
		e.uint(e.wordOf[r.Device])
		e.uint(e.wordOf[r.Table])
		e.uint(flag(r.Partial))
		e.uint(e.wordOf[r.Command])
		e.int(r.Time.UnixMilli() - last)
		e.int(int64(r.Rows))
		e.uint(e.wordOf[r.Reason])
		last = r.Time.UnixMilli()
		e.item()
	}
}

func (e *encoder) keys() {
	for _, n := range e.layout.nodes {
		k := e.s.key(n)
		e.uint(uint64(k.Kind))
		e.string(k.ID)
		e.item()
	}
}

func (e *encoder) rows() {
	for _, n := range e.layout.nodes {
		r := e.s.row(n)
		e.uint(uint64(len(r.facts)))
		for _, f := range r.facts {
			e.uint(uint64(f.attr))
			e.claim(f.conf, f.derived, f.reading, f.since)
			if textual(attrs[f.attr].typ) {
				number := int64(e.layout.textOf[f.val])
				e.int(number - e.lastText - 1)
				e.lastText = number
			} else {
				e.uint(f.val)
			}
			e.item()
		}
		e.uint(uint64(len(r.out)))
		for _, x := range r.out {
			e.uint(uint64(x.rel))
			e.claim(x.conf, x.derived, x.reading, x.since)
			peer := int64(e.layout.renumber[x.peer])
			e.int(peer - e.lastPeer[x.rel])
			e.lastPeer[x.rel] = peer
			e.item()
		}
		e.item()
	}
}

func (e *encoder) claim(conf uint8, derived bool, reading, since uint32) {
	e.uint(uint64(conf)<<1 | flag(derived))
	e.int(int64(e.layout.rank[reading]) - e.lastReading)
	e.int(int64(since) - e.lastSince)
	e.lastReading, e.lastSince = int64(e.layout.rank[reading]), int64(since)
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (e *encoder) uint(n uint64) { e.buf = binary.AppendUvarint(e.buf, n) }
func (e *encoder) int(n int64)   { e.buf = binary.AppendVarint(e.buf, n) }
func (e *encoder) string(s string) {
	e.uint(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

// item ends an item: the only place where a frame may end.
func (e *encoder) item() {
	if len(e.buf) >= frameSize {
		e.flush()
	}
}

func (e *encoder) flush() {
	if len(e.buf) == 0 || e.err != nil {
		return
	}
	e.packed.Reset()
	e.deflate.Reset(&e.packed)
	if _, e.err = e.deflate.Write(e.buf); e.err != nil {
		return
	}
	if e.err = e.deflate.Close(); e.err != nil {
		return
	}
	if n := e.packed.Len(); n < len(e.buf) && n*frameRatio > len(e.buf) {
		e.frame(frameDeflated, e.packed.Bytes(), len(e.buf))
	} else {
		e.frame(frameStored, e.buf, len(e.buf))
	}
	e.buf = e.buf[:0]
}

func (e *encoder) frame(method byte, payload []byte, content int) {
	if e.err == nil && int64(content) > 1<<31 {
		e.err = fmt.Errorf("%w: a text of %d octets is too long for a checkpoint", ErrSchema, content)
	}
	if e.err != nil {
		return
	}
	e.sum = castagnoli(e.sum, payload)
	head := make([]byte, 1, frameHeader)
	head[0] = method
	head = binary.LittleEndian.AppendUint32(head, uint32(len(payload)))
	head = binary.LittleEndian.AppendUint32(head, uint32(content))
	head = binary.LittleEndian.AppendUint32(head, e.sum)
	if _, e.err = e.w.Write(head); e.err == nil {
		_, e.err = e.w.Write(payload)
	}
}

// ReadCheckpoint reads what WriteCheckpoint wrote, by this or an earlier program. Whatever the input is, it neither panics nor allocates
// much more than the input deserves; what is not a whole checkpoint is an error that wraps ErrSyntax, what this program's model does
// not know (an attribute of a later version) one that wraps ErrSchema, and the reader's own errors come through.
func ReadCheckpoint(r io.Reader) (*Snapshot, error) {
	magic := make([]byte, len(checkpointMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		return nil, cutShort(err)
	}
	if string(magic) != checkpointMagic {
		return nil, damaged("begins with %q: not a checkpoint, or one of a later form", magic)
	}
	d := &decoder{r: r, inflate: flate.NewReader(nil)}
	s := d.snapshot()
	if d.err == nil && !d.ended() && d.err == nil {
		d.fail(damaged("goes on after its last edge"))
	}
	if d.err != nil {
		return nil, d.err
	}
	return s, nil
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
