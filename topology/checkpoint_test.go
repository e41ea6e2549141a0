package topology_test

import (
	"bytes"
	"encoding/binary"
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

// items builds a stream by hand: numbers are unsigned varints, strings have their length before them.
func items(of ...any) []byte {
	var b []byte
	for _, x := range of {
		switch x := x.(type) {
		case int:
			b = binary.AppendUvarint(b, uint64(x))
		case string:
			b = append(binary.AppendUvarint(b, uint64(len(x))), x...)
		case []any:
			b = append(b, items(x...)...)
		}
	}
	return b
}

// small is a stream with one VM that is called x and runs on a host, in the names of a program that numbers otherwise than we do.
func small(change func(map[string]any)) []byte {
	v := map[string]any{
		"counts": []any{1, 2, 1, 1, 1}, "kinds": []any{3, "", "vm", "host"}, "rels": []any{2, "", "RunsOn"},
		"sources": []any{2, "", "libvirt"}, "attrs": []any{2, "", 0, "name", int(topology.TypeText)},
		"words": []any{2, "h", "domains"}, "reading": []any{1, 0, 1, 0, 1, 0, 0, 0},
		"nodes": []any{2, "a", 1, "b"}, "texts": []any{"x"},
		"row1": []any{0, 0}, "row2": []any{1, 1, 200, 0, 0, 0, 1, 1, 200, 0, 0, 0},
	}
	change(v)
	return items(7, 0, v["counts"], v["kinds"], v["rels"], v["sources"], v["attrs"], v["words"], v["reading"], v["nodes"], v["texts"], v["row1"], v["row2"])
}

func TestCheckpoint_namesOutliveNumbers(t *testing.T) {
	t.Parallel()
	s, err := topology.ReadCheckpoint(bytes.NewReader(topology.CheckpointWith(small(func(map[string]any) {}))))
	if err != nil {
		t.Fatal(err)
	}
	vm, _ := s.Node(topology.Key{Kind: topology.VM, ID: "b"})
	host, _ := vm.First(topology.RunsOn)
	if vm.Text(topology.AttrName) != "x" || host.Key() != (topology.Key{Kind: topology.Host, ID: "a"}) || s.Revision() != 7 {
		t.Errorf("read %q on %s", vm.Text(topology.AttrName), host.Key())
	}
}

func TestCheckpoint_hostile(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(map[string]any)
		want   error
	}{
		"a kind of a later version":           {func(v map[string]any) { v["kinds"] = []any{3, "", "wormhole", "host"} }, topology.ErrSchema},
		"a relation of a later version":       {func(v map[string]any) { v["rels"] = []any{2, "", "Haunts"} }, topology.ErrSchema},
		"a source of a later version":         {func(v map[string]any) { v["sources"] = []any{2, "", "rumour"} }, topology.ErrSchema},
		"an attribute of a later version":     {func(v map[string]any) { v["attrs"] = []any{2, "", 0, "mood", 1} }, topology.ErrSchema},
		"an attribute of another type":        {func(v map[string]any) { v["attrs"] = []any{2, "", 0, "name", 2} }, topology.ErrSchema},
		"more names than numbers":             {func(v map[string]any) { v["kinds"] = []any{1 << 40, ""} }, topology.ErrSyntax},
		"a kind without a name":               {func(v map[string]any) { v["nodes"] = []any{9, "a", 1, "b"} }, topology.ErrSyntax},
		"a claim of 2^40 nodes":               {func(v map[string]any) { v["counts"] = []any{1, 1 << 40, 1, 1, 1} }, topology.ErrSyntax},
		"a claim of 2^31 nodes":               {func(v map[string]any) { v["counts"] = []any{1, 1 << 31, 1, 1, 1} }, nil},
		"a claim of 2^31 facts":               {func(v map[string]any) { v["counts"] = []any{1, 2, 1, 1 << 31, 1} }, topology.ErrSyntax},
		"a row of 2^60 facts":                 {func(v map[string]any) { v["row1"] = []any{1 << 60} }, nil},
		"nodes in the order of other numbers": {func(v map[string]any) { v["nodes"] = []any{1, "b", 2, "a"} }, topology.ErrSyntax},
		"a node twice":                        {func(v map[string]any) { v["nodes"] = []any{1, "b", 1, "b"} }, topology.ErrSyntax},
		"a node without an ID":                {func(v map[string]any) { v["nodes"] = []any{2, "", 1, "b"} }, topology.ErrSyntax},
		"a text that is not there":            {func(v map[string]any) { v["row2"] = []any{1, 1, 200, 0, 0, 4, 0} }, topology.ErrSyntax},
		"a text before the first":             {func(v map[string]any) { v["row2"] = []any{1, 1, 200, 0, 0, 1, 0} }, topology.ErrSyntax},
		"a peer that is not there":            {func(v map[string]any) { v["row2"] = []any{0, 1, 1, 200, 0, 0, 8} }, topology.ErrSyntax},
		"a reading that is not there":         {func(v map[string]any) { v["row2"] = []any{1, 1, 200, 2, 0, 0, 0} }, topology.ErrSyntax},
		"a confidence of 101":                 {func(v map[string]any) { v["row2"] = []any{1, 1, 202, 0, 0, 0, 0} }, topology.ErrSyntax},
		"a time after 2106":                   {func(v map[string]any) { v["row2"] = []any{1, 1, 200, 0, 1 << 40, 0, 0} }, topology.ErrSyntax},
		"a word that is not there":            {func(v map[string]any) { v["reading"] = []any{1, 7, 1, 0, 1, 0, 0, 0} }, topology.ErrSyntax},
		"text that is not UTF-8":              {func(v map[string]any) { v["texts"] = []any{"\xff"} }, topology.ErrSyntax},
		"a text longer than its frame":        {func(v map[string]any) { v["texts"] = []any{1 << 50} }, topology.ErrSyntax},
		"something after the end":             {func(v map[string]any) { v["row2"] = []any{v["row2"], 1} }, topology.ErrSyntax},
		"facts in the wrong order": {func(v map[string]any) {
			v["counts"] = []any{1, 2, 1, 2, 0}
			v["row2"] = []any{2, 1, 2, 0, 0, 0, 1, 200, 0, 0, 1, 0}
		}, topology.ErrSyntax},
		"a bool that is neither": {func(v map[string]any) {
			v["attrs"] = []any{2, "", 0, "readOnly", int(topology.TypeBool)}
			v["row2"] = []any{1, 1, 200, 0, 0, 2, 0}
		}, topology.ErrSyntax},
		"a MAC of 64 bits": {func(v map[string]any) {
			v["attrs"] = []any{2, "", 0, "mac", int(topology.TypeMAC)}
			v["row2"] = []any{1, 1, 200, 0, 0, 1 << 60, 0}
		}, topology.ErrSyntax},
		"an FDB entry in a VLAN of its own": {func(v map[string]any) {
			v["attrs"] = []any{2, "", 0, "learned", int(topology.TypeFDB)}
			v["row2"] = []any{1, 1, 200, 0, 0, 4095 << 48, 0}
		}, topology.ErrSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := topology.ReadCheckpoint(bytes.NewReader(topology.CheckpointWith(small(tc.change))))
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("error is %v, want %v", err, tc.want)
			}
		})
	}
	later := checkpoint(t, topology.Empty())
	later[7]++
	if _, err := topology.ReadCheckpoint(bytes.NewReader(later)); !errors.Is(err, topology.ErrSyntax) {
		t.Errorf("a later form: error is %v, want ErrSyntax", err)
	}
}

// FuzzReadCheckpoint reads octets that nobody wrote, as a whole and as the content of a frame whose sum is right.
func FuzzReadCheckpoint(f *testing.F) {
	rng := rand.New(rand.NewPCG(7, 8))
	s := topology.Empty()
	f.Add(checkpoint(f, s))
	for range 4 {
		s = mustApply(f, s, storetest.Delta(rng, s, 30))
		f.Add(checkpoint(f, s))
	}
	f.Add(small(func(map[string]any) {}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, in := range [][]byte{raw, topology.CheckpointWith(raw)} {
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
