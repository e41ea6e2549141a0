package topology_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

func checkpoint(t tester, s *topology.Snapshot) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.WriteCheckpoint(&b); err != nil {
		t.Fatalf("write checkpoint: %v", err)
	}
	return b.Bytes()
}

// filled is a snapshot with every type of value, in overlay and base, over several frames.
func filled(t *testing.T) *topology.Snapshot {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	s := mustApply(t, topology.Empty(), storetest.Estate(6000, storetest.Start()))
	for range 5 {
		s = mustApply(t, s, storetest.Delta(rng, s, 400))
	}
	return s
}

func TestCheckpoint_roundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t, rapid.IntRange(0, 3).Draw(t, "deltas"))
		raw := checkpoint(t, s)
		back, err := topology.ReadCheckpoint(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if back.Revision() != s.Revision() || !back.Time().Equal(s.Time()) {
			t.Fatalf("revision %d of %s, want %d of %s", back.Revision(), back.Time(), s.Revision(), s.Time())
		}
		if text(t, back, true) != text(t, s, true) {
			t.Fatalf("a checkpoint does not say what the snapshot said")
		}
		if !bytes.Equal(checkpoint(t, back), raw) || !bytes.Equal(checkpoint(t, topology.Compact(s)), raw) {
			t.Fatalf("equal snapshots give other octets")
		}
		d := storetest.Delta(storetest.Rapid{T: t}, s, 40)
		if text(t, mustApply(t, back, d), true) != text(t, mustApply(t, s, d), true) {
			t.Fatalf("a snapshot from a checkpoint takes a delta otherwise")
		}
	})
}

func TestCheckpoint_ofManyFrames(t *testing.T) {
	t.Parallel()
	s := filled(t)
	raw := checkpoint(t, s)
	back, err := topology.ReadCheckpoint(iotest.HalfReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if text(t, back, true) != text(t, s, true) {
		t.Error("a checkpoint does not say what the snapshot said")
	}
	for n := range s.Nodes() {
		m, ok := back.Node(n.Key())
		if !ok {
			t.Fatalf("%s is lost", n.Key())
		}
		for _, r := range topology.Rels() {
			if a, b := len(n.In(r)), len(m.In(r)); a != b {
				t.Fatalf("%s has %d incoming %s, want %d", n.Key(), b, r, a)
			}
		}
	}
	t.Logf("%d nodes in %d octets", s.Len(), len(raw))
}

func TestCheckpoint_damage(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	s := mustApply(t, topology.Empty(), storetest.Delta(rng, topology.Empty(), 60))
	raw := checkpoint(t, s)
	for i := range raw {
		if _, err := topology.ReadCheckpoint(bytes.NewReader(raw[:i])); !errors.Is(err, topology.ErrSyntax) {
			t.Fatalf("cut at %d of %d: error is %v, want ErrSyntax", i, len(raw), err)
		}
		flipped := bytes.Clone(raw)
		flipped[i] ^= 1 << rng.IntN(8)
		if back, err := topology.ReadCheckpoint(bytes.NewReader(flipped)); err == nil {
			t.Fatalf("flip at %d of %d: no error, %d nodes", i, len(raw), back.Len())
		}
	}
	failing := errors.New("the disk is gone")
	if _, err := topology.ReadCheckpoint(io.MultiReader(bytes.NewReader(raw[:20]), iotest.ErrReader(failing))); !errors.Is(err, failing) {
		t.Errorf("error is %v, want the reader's own", err)
	}
	if err := s.WriteCheckpoint(brokenPipe{failing}); !errors.Is(err, failing) {
		t.Errorf("error is %v, want the writer's own", err)
	}
}

type brokenPipe struct{ err error }

func (b brokenPipe) Write([]byte) (int, error) { return 0, b.err }

// FuzzReadCheckpoint reads octets that nobody wrote, as a whole, as the content of a frame whose sum is right, and as sections.
func FuzzReadCheckpoint(f *testing.F) {
	rng := rand.New(rand.NewPCG(7, 8))
	s := topology.Empty()
	f.Add(checkpoint(f, s))
	for range 4 {
		s = mustApply(f, s, storetest.Delta(rng, s, 30))
		f.Add(checkpoint(f, s))
	}
	f.Add(small(func(map[string]any) {}))
	f.Add(small1(func(map[string]any) {}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		third := len(raw) / 3
		sections := [][]byte{smallHead(), items(2, "h", "domains", 1, 0, 1, 0, 1, 0, 0, 0), raw[:third], items("x"), raw[third : 2*third], raw[2*third:]}
		for _, in := range [][]byte{raw, topology.CheckpointWith(raw), topology.CheckpointOf(sections...)} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s, err := topology.ReadCheckpoint(bytes.NewReader(in))
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20+1024*uint64(len(in)) {
				t.Fatalf("%d octets of input took %d of memory", len(in), used)
			}
			if err != nil {
				continue
			}
			back, err := topology.ReadCheckpoint(bytes.NewReader(checkpoint(t, s)))
			if err != nil {
				t.Fatalf("what was read cannot be written and read: %v", err)
			}
			if text(t, back, true) != text(t, s, true) {
				t.Fatal("what was read is not what was written")
			}
			if _, err := s.With(topology.Diff(s, topology.Empty())); err != nil {
				t.Fatalf("what was read cannot be taken away: %v", err)
			}
		}
	})
}
