package topology

import "unsafe"

// Compact folds the overlay into a new base, as Apply does once the overlay has grown.
func Compact(s *Snapshot) *Snapshot { return s.compact() }

// ApplyMany is Apply as it is for many facts, however few there are.
func ApplyMany(s *Snapshot, d Delta) (*Snapshot, error) {
	b := newBuilder(s)
	b.many = 0
	if err := b.apply(d); err != nil {
		return nil, err
	}
	return b.finish(s.rev+1, d.Time), nil
}

// CheckpointWith is a checkpoint of any items in the first form, CheckpointOf one of any sections in the present form: what a hostile writer could
// make, with sums that are right.
func CheckpointWith(content []byte) []byte {
	return framed(form1, []byte{frameStored}, [][]byte{content})
}

// CheckpointOf takes the contents of the sections, in order.
func CheckpointOf(contents ...[]byte) []byte {
	methods := make([]byte, len(contents))
	for i := range methods {
		methods[i] = frameStored | byte(i)<<4
	}
	return framed(checkpointMagic, methods, contents)
}

func framed(magic string, methods []byte, contents [][]byte) []byte {
	var sum uint32
	out := []byte(magic)
	frame := func(method byte, content []byte) {
		sum = castagnoli(sum, content)
		n := len(content)
		out = append(out, method, byte(n), byte(n>>8), byte(n>>16), byte(n>>24), byte(n), byte(n>>8), byte(n>>16), byte(n>>24),
			byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
		out = append(out, content...)
	}
	for i, c := range contents {
		frame(methods[i], c)
	}
	frame(frameEnd, nil)
	return out
}

// AdjacencyOctets is what the relations of a folded snapshot take, in both directions, without texts and attributes.
func AdjacencyOctets(s *Snapshot) int {
	t := s.base
	return int(unsafe.Sizeof(edge{}))*(len(t.out)+len(t.in)) + 4*(len(t.outOff)+len(t.inOff))
}

// Forgetful gives a snapshot that remembers nothing of what was looked at.
func Forgetful(s *Snapshot) *Snapshot {
	c := *s
	c.wires = nil
	return &c
}
