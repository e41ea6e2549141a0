package topology

// Compact folds the overlay into a new base, as Apply does once the overlay has grown.
func Compact(s *Snapshot) *Snapshot { return s.compact() }

// CheckpointWith is WriteCheckpoint's form of any items: what a hostile writer could make, with sums that are right.
func CheckpointWith(content []byte) []byte {
	var sum uint32
	sum = castagnoli(sum, content)
	out := []byte(checkpointMagic)
	head := func(method byte, n int) {
		out = append(out, method, byte(n), byte(n>>8), byte(n>>16), byte(n>>24), byte(n), byte(n>>8), byte(n>>16), byte(n>>24),
			byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
	}
	head(frameStored, len(content))
	out = append(out, content...)
	head(frameEnd, 0)
	return out
}
