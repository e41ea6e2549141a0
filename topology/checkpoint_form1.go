package topology

import (
	"io"
	"math"
)

// form1 is what the checkpoints of earlier programs begin with: all items are one stream, and facts and edges stand node by node.
const form1 = "TLCKPT\x00\x01"

// decoder1 reads a checkpoint of the first form.
type decoder1 struct {
	decoder
	lastText, lastSince, lastReading int64
	lastPeer                         [relEnd]int64
}

func readForm1(r io.Reader) (*Snapshot, error) {
	in := &frames{r: r}
	d := &decoder1{decoder: decoder{next: func() ([]byte, bool) {
		f, ok := in.next()
		if !ok {
			return nil, false
		}
		content, err := f.content(nil)
		if err != nil && in.err == nil {
			in.err = err
		}
		return content, err == nil
	}}}
	s := d.snapshot()
	if in.err != nil {
		return nil, in.err
	}
	if d.err == nil && !d.ended() {
		d.fail(damaged("goes on after its last edge"))
	}
	if in.err != nil {
		return nil, in.err
	}
	return s, d.err
}

// snapshot reads the stream.
func (d *decoder1) snapshot() *Snapshot {
	h := d.head()
	s := &Snapshot{rev: h.revision, time: h.time}
	t := &table{nodes: make([]Key, 0, limited(h.nodes))}
	d.readings(t, h.readings)
	for i := uint64(0); i < h.nodes && d.err == nil; i++ {
		k := Key{pick(&d.decoder, d.kinds, "kind"), d.string()}
		if n := len(t.nodes); d.err == nil && (k.ID == "" || n > 0 && t.nodes[n-1].Compare(k) >= 0) {
			d.fail(damaged("has node %q out of order", k))
		}
		t.nodes = grow(t.nodes, k, h.nodes)
	}
	for i := uint64(0); i < h.texts && d.err == nil; i++ {
		t.texts = grow(t.texts, d.string(), h.texts)
	}
	if d.err != nil {
		return nil
	}
	s.base = t
	d.rows(s, h.facts, h.edges)
	if d.err != nil {
		return nil
	}
	t.index()
	t.turn()
	t.count()
	s.live = t.live()
	return s.wired()
}

// rows reads the facts and outgoing edges of all nodes.
func (d *decoder1) rows(s *Snapshot, facts, edges uint64) {
	t := s.base
	t.factOff, t.outOff = make([]uint32, len(t.nodes)+1), make([]uint32, len(t.nodes)+1)
	t.facts, t.out = make([]fact, 0, limited(facts)), make([]edge, 0, limited(edges))
	for n := range t.nodes {
		first := len(t.facts)
		for count := d.uint(); count > 0 && d.err == nil; count-- {
			f := d.fact(s)
			if d.err == nil && len(t.facts) > first && s.base.factOrder(t.facts[len(t.facts)-1], f) >= 0 {
				d.fail(damaged("has facts of %q out of order", t.nodes[n]))
			}
			t.facts = grow(t.facts, f, facts)
		}
		first = len(t.out)
		for count := d.uint(); count > 0 && d.err == nil; count-- {
			e := d.edge(s)
			if d.err == nil && len(t.out) > first && flatEdgeOrder(t.out[len(t.out)-1], e) >= 0 {
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

func (d *decoder1) fact(s *Snapshot) fact {
	f := fact{attr: pick(&d.decoder, d.attrs, "attribute")}
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

func (d *decoder1) edge(s *Snapshot) edge {
	e := edge{rel: pick(&d.decoder, d.rels, "relation")}
	e.conf, e.derived, e.reading, e.since = d.claim(s)
	d.lastPeer[e.rel] += d.int()
	peer := d.lastPeer[e.rel]
	if d.err == nil && (peer < 0 || peer >= int64(len(s.base.nodes))) {
		d.fail(damaged("refers to a node that it does not have"))
	}
	e.peer = uint32(peer)
	return e
}

func (d *decoder1) claim(s *Snapshot) (conf uint8, derived bool, reading, since uint32) {
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
	return uint8(bits >> 1), bits&1 == 1, uint32(d.lastReading), uint32(d.lastSince)
}
