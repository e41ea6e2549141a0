package topology

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// A checkpoint is a snapshot in a compact binary form: what a store opens in place of millions of rows. It outlives the program that wrote it,
// so it refers to kinds, attributes, relations and sources by name, and never by the numbers that they happen to have today.
//
// It begins with checkpointMagic, of which the last octet is the form; then come frames, each a header of 13 octets and a payload:
//
//	method   1 octet: low half 0 stored, 1 deflated (RFC 1951), 2 end of the checkpoint (no payload); high half the section
//	payload  4 octets: length as it stands here
//	content  4 octets: length of what is in it
//	sum      4 octets: CRC-32C of all payloads up to and including this one
//
// Lengths and sums are little-endian. The contents of the frames of a section are one stream of items, and no item is cut by a frame: unsigned
// varints, signed ones in zigzag form (both of encoding/binary), and strings with their length before them. The sections, in this order, can be
// read side by side once the head is known:
//
//	0 head      revision, time (Unix ms), the numbers of readings, nodes, texts, facts and edges; names of the kinds, relations, sources
//	            and attributes; each attribute's value type
//	1 readings  words, then the readings in canonical order: source, device, table, partial, command, time, rows, reason
//	2 keys      number of runs; of each its kind and length; then the IDs of the nodes in canonical order: twice the number of octets shared with the ID
//	            before, and the rest; or 1, the distance from the node whose ID was borrowed last in the run, and the rest after that ID
//	3 texts     of the facts, in order of first use
//	4 facts     for each node the number of its facts and they: code, reading, since, value
//	5 edges     for each node the number of its outgoing edges and they: code, reading, since, peer
//
// A code stands for what many facts have in common; where it is the number of codes so far, its meaning follows: attribute or relation, confidence and
// derived, and whether reading and since are those of the fact before, and are left out. Other numbers are differences: reading and since to those before,
// texts to one more than the text before, other values (exclusive or) to the one before of that attribute, peers to the one before of that relation.
const checkpointMagic = "TLCKPT\x00\x02"

const (
	frameStored = iota
	frameDeflated
	frameEnd

	frameHeader = 13
	frameSize   = 128 << 10 // a frame is closed once it holds so much
	// frameRatio bounds what a frame may grow to when it is inflated, so that a small hostile input stays small.
	frameRatio = 16
	// frameWorth is how much smaller a frame must become to be deflated: inflating costs more than reading so much more.
	frameWorth = 3
)

const (
	sectionHead = iota
	sectionReadings
	sectionKeys
	sectionTexts
	sectionFacts
	sectionEdges
	sections
)

// claimCode is what a code stands for.
type claimCode struct {
	word                   uint8 // attribute or relation
	conf                   uint8
	derived                bool
	sameReading, sameSince bool
}

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
	for section, write := range [sections]func(){e.head, e.readings, e.keys, e.texts, e.facts, e.edges} {
		e.section = byte(section)
		write()
		e.flush()
	}
	e.section = sectionHead
	e.frame(frameEnd, nil, 0)
	return e.err
}

// encoder collects items in a frame and writes frames; it keeps the first error.
type encoder struct {
	s       *Snapshot
	w       io.Writer
	deflate *flate.Writer
	section byte
	buf     []byte
	packed  bytes.Buffer
	sum     uint32
	err     error

	layout *layout
	wordOf map[string]uint64

	codes          map[claimCode]uint64 // of the section
	reading, since int64                // of the fact before
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
	nodes := e.layout.nodes
	var runs []int
	for i, n := range nodes {
		if i == 0 || e.s.key(n).Kind != e.s.key(nodes[i-1]).Kind {
			runs = append(runs, i)
		}
	}
	e.uint(uint64(len(runs)))
	for i, start := range runs {
		end := len(nodes)
		if i+1 < len(runs) {
			end = runs[i+1]
		}
		e.uint(uint64(e.s.key(nodes[start]).Kind))
		e.uint(uint64(end - start))
	}
	e.item()
	var last Key
	var owner int64
	var ownerKind Kind
	for i, n := range nodes {
		k := e.s.key(n)
		if k.Kind != last.Kind {
			owner, ownerKind, last.ID = 0, 0, ""
		}
		shared := min(commonPrefix(last.ID, k.ID), maxShared)
		device, _, part := strings.Cut(k.ID, "/")
		if part && shared <= len(device) && len(device) <= maxShared {
			if place, kind, ok := e.place(device, ownerKind, i); ok {
				e.uint(1)
				e.int(place - owner)
				e.string(k.ID[len(device):])
				owner, ownerKind, last = place, kind, k
				e.item()
				continue
			}
		}
		e.uint(uint64(shared) << 1)
		e.string(k.ID[shared:])
		last = k
		e.item()
	}
}

// place finds a node before the i-th that has the ID, most likely of the kind.
func (e *encoder) place(id string, likely Kind, i int) (int64, Kind, bool) {
	for _, kind := range []Kind{likely, VM, Host, Switch, Router, Firewall, FCSwitch, Array} {
		if kind == 0 {
			continue
		}
		n, ok := e.s.find(Key{kind, id})
		if ok && !e.s.row(n).empty() && int(e.layout.renumber[n]) < i {
			return int64(e.layout.renumber[n]), kind, true
		}
	}
	return 0, 0, false
}

func (e *encoder) texts() {
	for _, t := range e.layout.texts {
		e.string(t)
		e.item()
	}
}

func (e *encoder) facts() {
	e.codes, e.reading, e.since = map[claimCode]uint64{}, 0, 0
	var last [attrEnd]uint64
	text := int64(-1)
	for _, n := range e.layout.nodes {
		facts := e.s.row(n).facts
		e.uint(uint64(len(facts)))
		for _, f := range facts {
			e.claim(uint8(f.attr), f.conf, f.derived, f.reading, f.since)
			if textual(attrs[f.attr].typ) {
				number := int64(e.layout.textOf[f.val] - 1)
				e.int(number - text - 1)
				text = number
			} else {
				e.uint(f.val ^ last[f.attr])
				last[f.attr] = f.val
			}
			e.item()
		}
		e.item()
	}
}

func (e *encoder) edges() {
	e.codes, e.reading, e.since = map[claimCode]uint64{}, 0, 0
	var last [relEnd]int64
	for _, n := range e.layout.nodes {
		out := e.s.row(n).out
		e.uint(uint64(len(out)))
		for _, x := range out {
			e.claim(uint8(x.rel), x.conf, x.derived, x.reading, x.since)
			peer := int64(e.layout.renumber[x.peer])
			e.int(peer - last[x.rel])
			last[x.rel] = peer
			e.item()
		}
		e.item()
	}
}

func (e *encoder) claim(word, conf uint8, derived bool, reading, since uint32) {
	rank, seen := int64(e.layout.rank[reading]), int64(since)
	c := claimCode{word, conf, derived, rank == e.reading, seen == e.since}
	code, known := e.codes[c]
	if !known {
		code = uint64(len(e.codes))
		e.codes[c] = code
	}
	e.uint(code)
	if !known {
		e.uint(uint64(word))
		e.uint(uint64(conf)<<1 | flag(derived))
		e.uint(flag(c.sameReading)<<1 | flag(c.sameSince))
	}
	if !c.sameReading {
		e.int(rank - e.reading)
	}
	if !c.sameSince {
		e.int(seen - e.since)
	}
	e.reading, e.since = rank, seen
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
	if n := e.packed.Len(); n*frameWorth < len(e.buf) && n*frameRatio > len(e.buf) {
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
	head[0] = method | e.section<<4
	head = binary.LittleEndian.AppendUint32(head, uint32(len(payload)))
	head = binary.LittleEndian.AppendUint32(head, uint32(content))
	head = binary.LittleEndian.AppendUint32(head, e.sum)
	if _, e.err = e.w.Write(head); e.err == nil {
		_, e.err = e.w.Write(payload)
	}
}
