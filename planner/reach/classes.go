package reach

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"

	"github.com/throughline-dc/throughline/topology/policy"
)

// Action is what a device does with packets of a prefix: a number that the caller gives to each set of next hops. 0 is no route.
type Action uint32

// Class is a forwarding class: all addresses for which every device has the same action. The number of a class that is no more is given to another one at the
// earliest by the call after the one that ended it.
type Class uint32

// Route is one prefix rule of a device, its prefix of the family of the Forwarding. Devices are numbered from 0.
type Route struct {
	Device uint32
	Prefix netip.Prefix
	Action Action
}

// Moved is a run of addresses, both ends included, that changed its class. Addresses are as policy.AddrWord has them.
type Moved struct {
	From, To    Class
	First, Last policy.Word
}

// Forwarding is the forwarding classes of all devices together, for one family. The line of addresses is cut where any device's action changes; each interval
// bears a fingerprint of what all devices do there, the exclusive or of one random-looking number for each device and action, so that a changed route costs
// only the intervals where it is the longest match. Two classes have one fingerprint with a probability of 2^-128, which no route can be chosen to raise
// as long as the key is not known to who chooses it.
type Forwarding struct {
	key     [32]byte
	width   uint8 // bits of an address
	devices []trie
	prints  map[uint64]fingerprint // of each device and action
	line    line

	class   map[fingerprint]Class
	known   []classState
	free    []Class
	ended   []Class // in this call
	touched uint64  // count of flips
	moved   []Moved
}

// fingerprint is 128 bits that stand for what devices do.
type fingerprint struct{ hi, lo uint64 }

func (p fingerprint) xor(q fingerprint) fingerprint { return fingerprint{p.hi ^ q.hi, p.lo ^ q.lo} }

type classState struct {
	print     fingerprint
	intervals int
	flip      uint64 // when to was set
	to        Class  // where an interval of this class goes in that flip
}

// NewForwarding gives the classes of devices without routes: one. The key should be random; the numbers of classes do not depend on it.
func NewForwarding(family policy.Family, key [32]byte) *Forwarding {
	f := &Forwarding{key: key, width: 32, prints: map[uint64]fingerprint{}, class: map[fingerprint]Class{}}
	if family == policy.IPv6 {
		f.width = addressBits
	}
	f.line = line{chunks: [][]cut{{{class: f.of(fingerprint{})}}}}
	f.known[0].intervals = 1
	return f
}

// Count gives the number of classes.
func (f *Forwarding) Count() int { return len(f.class) }

// Class gives the class of an address.
func (f *Forwarding) Class(a netip.Addr) Class {
	c, i := f.line.find(f.word(a))
	return f.line.chunks[c][i].class
}

// Action gives what a device does with an address.
func (f *Forwarding) Action(device uint32, a netip.Addr) Action {
	if int(device) >= len(f.devices) {
		return 0
	}
	return f.devices[device].longest(f.word(a))
}

// Intervals gives the line of addresses: the first address and the class of each interval, in ascending order. Neighbours are of different classes.
func (f *Forwarding) Intervals() iter.Seq2[policy.Word, Class] {
	return func(yield func(policy.Word, Class) bool) {
		for _, chunk := range f.line.chunks {
			for _, c := range chunk {
				if !yield(f.back(c.at), c.class) {
					return
				}
			}
		}
	}
}

// Set gives a device's prefix an action in place of the one it had, if it had one; action 0 takes the route away. It tells which addresses changed class; the
// slice is used again by the next call.
func (f *Forwarding) Set(r Route) []Moved {
	f.moved = f.moved[:0]
	f.free = append(f.free, f.ended...)
	f.ended = f.ended[:0]
	t, w, length := f.table(r)
	was, at, way, ok := t.replace(w, length, r.Action)
	if !ok {
		return nil
	}
	if delta := f.print(r.Device, was.effective).xor(f.print(r.Device, was.next)); delta != (fingerprint{}) {
		f.touched++
		t.bare(at, func(first, last policy.Word) { f.flip(first, last, delta) })
	}
	if r.Action == 0 {
		t.cut(way)
	}
	return f.moved
}

// change is what holds in a prefix before and after.
type change struct{ effective, next Action }

// replace sets the action of a prefix, and tells what changes where no longer prefix holds. It leaves a node without action for the caller to cut.
func (t *trie) replace(w policy.Word, length uint8, to Action) (was change, at uint32, way [3]uint32, ok bool) {
	if to == 0 {
		way, around, ok := t.find(w, length)
		if !ok {
			return change{}, 0, way, false
		}
		was = change{t.nodes[way[0]].action, around}
		t.nodes[way[0]].action = 0
		return was, way[0], way, true
	}
	at, around := t.place(w, length)
	n := &t.nodes[at]
	was = change{cmp.Or(n.action, around), to}
	n.action = to
	return was, at, way, true
}

func (f *Forwarding) table(r Route) (t *trie, first policy.Word, length uint8) {
	for int(r.Device) >= len(f.devices) {
		f.devices = append(f.devices, trie{})
	}
	p := r.Prefix.Masked()
	return &f.devices[r.Device], f.word(p.Addr()), uint8(p.Bits())
}

// word moves an address to the first of the 128 bits, back moves it back.
func (f *Forwarding) word(a netip.Addr) policy.Word {
	w := policy.AddrWord(a)
	if f.width == 32 {
		return policy.Word{Hi: w.Lo << 32}
	}
	return w
}

func (f *Forwarding) back(w policy.Word) policy.Word {
	if f.width == 32 {
		return policy.Word{Lo: w.Hi >> 32}
	}
	return w
}

func (f *Forwarding) print(device uint32, a Action) fingerprint {
	if a == 0 {
		return fingerprint{}
	}
	k := uint64(device)<<32 | uint64(a)
	p, ok := f.prints[k]
	if !ok {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(f.key[:], k))
		p = fingerprint{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}
		f.prints[k] = p
	}
	return p
}

// of gives the class with a fingerprint, a new one if there is none.
func (f *Forwarding) of(p fingerprint) Class {
	if c, ok := f.class[p]; ok {
		return c
	}
	c := Class(len(f.known))
	if k := len(f.free); k > 0 {
		c = f.free[k-1]
		f.free = f.free[:k-1]
		f.known[c] = classState{print: p}
	} else {
		f.known = append(f.known, classState{print: p})
	}
	f.class[p] = c
	return c
}

// leave takes an interval from a class.
func (f *Forwarding) leave(c Class) {
	k := &f.known[c]
	if k.intervals--; k.intervals == 0 {
		delete(f.class, k.print)
		f.ended = append(f.ended, c)
	}
}

// flip changes the fingerprint of all intervals from first to last.
func (f *Forwarding) flip(first, last policy.Word, delta fingerprint) {
	c, i := f.split(first)
	behind := policy.Word{}
	if last != lastOf(policy.Word{}, 0) {
		behind = after(last)
		f.split(behind)
		c, i = f.line.find(first) // the second cut may have moved the first
	}
	for c < len(f.line.chunks) {
		chunk := f.line.chunks[c]
		for ; i < len(chunk); i++ {
			x := &chunk[i]
			if last.Less(x.at) {
				c = len(f.line.chunks)
				break
			}
			f.turn(x, delta)
			end := last
			if _, next, ok := f.line.next(c, i); ok {
				end = before(next.at)
			}
			f.moved[len(f.moved)-1].First, f.moved[len(f.moved)-1].Last = f.back(x.at), f.back(end)
		}
		c, i = c+1, 0
	}
	if behind != (policy.Word{}) {
		f.join(behind)
	}
	f.join(first)
}

// turn moves one interval to the class that its fingerprint with delta has.
func (f *Forwarding) turn(x *cut, delta fingerprint) {
	from := x.class
	k := &f.known[from]
	if k.flip != f.touched {
		to := f.of(k.print.xor(delta))
		k = &f.known[from] // of may have moved it
		k.flip, k.to = f.touched, to
	}
	x.class = k.to
	f.known[k.to].intervals++
	f.moved = append(f.moved, Moved{From: from, To: k.to})
	f.leave(from)
}

// split makes an interval begin at an address.
func (f *Forwarding) split(at policy.Word) (chunk, i int) {
	c, i := f.line.find(at)
	x := f.line.chunks[c][i]
	if x.at == at {
		return c, i
	}
	f.known[x.class].intervals++
	return f.line.insert(c, i+1, cut{at, x.class})
}

// join lets the interval that begins at an address be one with that before, if they are of one class.
func (f *Forwarding) join(at policy.Word) {
	c, i := f.line.find(at)
	prior, ok := f.line.prior(c, i)
	if x := f.line.chunks[c][i]; ok && prior.class == x.class {
		f.leave(x.class)
		f.line.remove(c, i)
	}
}

// Load sets many routes at once, of devices that have none yet: by one sweep over the line instead of route by route. Of two routes for one prefix of one
// device the last one counts.
func (f *Forwarding) Load(routes []Route) {
	for _, r := range routes {
		t, w, length := f.table(r)
		at, _ := t.place(w, length)
		t.nodes[at].action = r.Action
	}
	type event struct {
		at    policy.Word
		delta fingerprint
	}
	events := make([]event, 0, 2*len(routes))
	for d := range f.devices {
		t := &f.devices[d]
		var now, next Action
		var from policy.Word
		emit := func() {
			if next != now {
				events = append(events, event{from, f.print(uint32(d), now).xor(f.print(uint32(d), next))})
				now = next
			}
		}
		t.sweep(0, 0, func(first policy.Word, a Action) {
			if first != from {
				emit()
			}
			from, next = first, a
		})
		emit()
	}
	slices.SortFunc(events, func(a, b event) int { return cmp.Or(cmp.Compare(a.at.Hi, b.at.Hi), cmp.Compare(a.at.Lo, b.at.Lo)) })

	clear(f.class)
	f.known, f.free, f.ended = nil, nil, nil
	f.line = line{}
	var here fingerprint
	var at policy.Word
	for i := 0; ; {
		for ; i < len(events) && events[i].at == at; i++ {
			here = here.xor(events[i].delta)
		}
		if c := f.of(here); f.line.append(cut{at, c}) {
			f.known[c].intervals++
		}
		if i == len(events) {
			return
		}
		at = events[i].at
	}
}

// line is the intervals in ascending order, in chunks, so that a cut moves few others. It is never empty, the first interval begins at 0.
type line struct{ chunks [][]cut }

// cut is where an interval begins.
type cut struct {
	at    policy.Word
	class Class
}

const (
	fullChunk = 128
	fewCuts   = 16
)

// find gives the interval that holds an address.
func (l *line) find(at policy.Word) (chunk, i int) {
	lo, hi := 0, len(l.chunks)
	for hi-lo > 1 {
		if mid := int(uint(lo+hi) / 2); at.Less(l.chunks[mid][0].at) {
			hi = mid
		} else {
			lo = mid
		}
	}
	cuts := l.chunks[lo]
	from, to := 0, len(cuts)
	for to-from > 1 {
		if mid := int(uint(from+to) / 2); at.Less(cuts[mid].at) {
			to = mid
		} else {
			from = mid
		}
	}
	return lo, from
}

func (l *line) next(c, i int) (chunk int, x cut, ok bool) {
	if i+1 < len(l.chunks[c]) {
		return c, l.chunks[c][i+1], true
	}
	if c+1 < len(l.chunks) {
		return c + 1, l.chunks[c+1][0], true
	}
	return 0, cut{}, false
}

func (l *line) prior(c, i int) (cut, bool) {
	if i > 0 {
		return l.chunks[c][i-1], true
	}
	if c > 0 {
		return l.chunks[c-1][len(l.chunks[c-1])-1], true
	}
	return cut{}, false
}

func (l *line) insert(c, i int, x cut) (chunk, place int) {
	cuts := slices.Insert(l.chunks[c], i, x)
	l.chunks[c] = cuts
	if len(cuts) < fullChunk {
		return c, i
	}
	half := len(cuts) / 2
	l.chunks = slices.Insert(l.chunks, c+1, append(make([]cut, 0, fullChunk), cuts[half:]...))
	l.chunks[c] = cuts[:half]
	if i >= half {
		return c + 1, i - half
	}
	return c, i
}

func (l *line) remove(c, i int) {
	cuts := slices.Delete(l.chunks[c], i, i+1)
	l.chunks[c] = cuts
	if len(cuts) >= fewCuts {
		return
	}
	if c > 0 && len(l.chunks[c-1])+len(cuts) < fullChunk/2 {
		l.chunks[c-1] = append(l.chunks[c-1], cuts...)
		l.chunks = slices.Delete(l.chunks, c, c+1)
	} else if len(cuts) == 0 {
		l.chunks = slices.Delete(l.chunks, c, c+1)
	}
}

// append puts an interval behind all others, unless it is of the class of the last one.
func (l *line) append(x cut) bool {
	n := len(l.chunks)
	if n > 0 {
		last := l.chunks[n-1]
		if last[len(last)-1].class == x.class {
			return false
		}
		if len(last) < fullChunk/2 {
			l.chunks[n-1] = append(last, x)
			return true
		}
	}
	l.chunks = append(l.chunks, append(make([]cut, 0, fullChunk), x))
	return true
}
