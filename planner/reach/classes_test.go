package reach_test

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology/policy"
)

// tables is what Forwarding means, said plainly: for each device its prefixes, looked through one by one.
type tables map[uint32]map[netip.Prefix]reach.Action

func (ts tables) set(r reach.Route) {
	if ts[r.Device] == nil {
		ts[r.Device] = map[netip.Prefix]reach.Action{}
	}
	if r.Action == 0 {
		delete(ts[r.Device], r.Prefix)
		return
	}
	ts[r.Device][r.Prefix] = r.Action
}

func (ts tables) action(device uint32, a netip.Addr) (best reach.Action) {
	longest := -1
	for p, action := range ts[device] {
		if p.Contains(a) && p.Bits() > longest {
			best, longest = action, p.Bits()
		}
	}
	return best
}

func (ts tables) vector(a netip.Addr, devices uint32) string {
	var v []reach.Action
	for d := range devices {
		v = append(v, ts.action(d, a))
	}
	return fmt.Sprint(v)
}

// corners are the addresses where something may change: both ends of every prefix, and those next to them.
func (ts tables) corners(width int) []netip.Addr {
	zero := netip.IPv4Unspecified()
	if width == 128 {
		zero = netip.IPv6Unspecified()
	}
	all := []netip.Addr{zero}
	for _, t := range ts {
		for p := range t {
			all = append(all, p.Addr())
			if end := lastAddr(p).Next(); end.IsValid() {
				all = append(all, end)
			}
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

func lastAddr(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(raw); i++ {
		raw[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(raw)
	return a
}

// checkClasses compares the classes with the tables: same partition of the line, intervals as large as they can be, as many classes as there are vectors.
func checkClasses(t *rapid.T, f *reach.Forwarding, ts tables, devices uint32, width int) {
	t.Helper()
	ofVector, ofClass := map[string]reach.Class{}, map[reach.Class]string{}
	last, intervals := "", 0
	for _, a := range ts.corners(width) {
		v, c := ts.vector(a, devices), f.Class(a)
		if x, ok := ofVector[v]; ok && x != c {
			t.Fatalf("%s is of class %d, %d has the same actions %s", a, c, x, v)
		}
		if x, ok := ofClass[c]; ok && x != v {
			t.Fatalf("%s is of class %d, which has actions %s and %s", a, c, x, v)
		}
		ofVector[v], ofClass[c] = c, v
		if v != last {
			intervals++
		}
		last = v
		for d := range devices {
			if got, want := f.Action(d, a), ts.action(d, a); got != want {
				t.Fatalf("device %d does %d with %s, want %d", d, got, a, want)
			}
		}
	}
	if f.Count() != len(ofVector) {
		t.Fatalf("%d classes, want %d", f.Count(), len(ofVector))
	}
	got := 0
	var before policy.Word
	for at, c := range f.Intervals() {
		if got > 0 && !before.Less(at) {
			t.Fatalf("intervals begin at %v, then at %v", before, at)
		}
		if _, ok := ofClass[c]; !ok {
			t.Fatalf("an interval of class %d, where no prefix ends", c)
		}
		before = at
		got++
	}
	if got != intervals {
		t.Fatalf("%d intervals, want %d", got, intervals)
	}
}

// anyPrefix draws prefixes of which many lie in each other.
func anyPrefix(width int) *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		raw := make([]byte, width/8)
		for i := range raw {
			raw[i] = rapid.SampledFrom([]byte{0, 0xff, 0x80, 1}).Draw(t, "byte")
		}
		a, _ := netip.AddrFromSlice(raw)
		return netip.PrefixFrom(a, rapid.OneOf(rapid.IntRange(0, width), rapid.SampledFrom([]int{0, 1, 2, 8, 9, width - 1, width})).Draw(t, "bits")).Masked()
	})
}

func TestForwarding(t *testing.T) {
	t.Parallel()
	const devices = 3
	rapid.Check(t, func(t *rapid.T) {
		width, family := 32, policy.IPv4
		if rapid.Bool().Draw(t, "6") {
			width, family = 128, policy.IPv6
		}
		f, ts := reach.NewForwarding(family, [32]byte{1}), tables{}
		pool := rapid.SliceOfN(anyPrefix(width), 1, 12).Draw(t, "prefixes")
		route := func() reach.Route {
			return reach.Route{
				Device: rapid.Uint32Range(0, devices-1).Draw(t, "device"), Prefix: rapid.SampledFrom(pool).Draw(t, "prefix"),
				Action: reach.Action(rapid.Uint32Range(0, 2).Draw(t, "action")),
			}
		}
		var first []reach.Route
		for range rapid.IntRange(0, 20).Draw(t, "loaded") {
			r := route()
			first = append(first, r)
			ts.set(r)
		}
		f.Load(first)
		checkClasses(t, f, ts, devices, width)
		for range rapid.IntRange(0, 25).Draw(t, "set") {
			r := route()
			was := map[netip.Addr]reach.Class{}
			ts.set(r)
			for _, a := range ts.corners(width) {
				was[a] = f.Class(a)
			}
			moved := slices.Clone(f.Set(r))
			checkClasses(t, f, ts, devices, width)
			for a, c := range was {
				checkMoved(t, moved, a, c, f.Class(a))
			}
		}
	})
}

// checkMoved holds what was told of one address against what happened to it.
func checkMoved(t *rapid.T, moved []reach.Moved, a netip.Addr, was, is reach.Class) {
	t.Helper()
	w, told := policy.AddrWord(a), was
	for _, m := range moved {
		if w.Less(m.First) || m.Last.Less(w) {
			continue
		}
		if m.From != was || told != was {
			t.Fatalf("%s is told to move %v, it was of class %d", a, moved, was)
		}
		told = m.To
	}
	if told != is {
		t.Fatalf("%s is of class %d, told is %d by %v", a, is, told, moved)
	}
}

// TestForwarding_inTurn: the same routes make the same classes in whatever order they come, and none are left when all are gone.
func TestForwarding_inTurn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		routes := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) reach.Route {
			return reach.Route{Device: rapid.Uint32Range(0, 3).Draw(t, "device"), Prefix: anyPrefix(32).Draw(t, "prefix"), Action: reach.Action(rapid.Uint32Range(1, 3).Draw(t, "action"))}
		}), 0, 30, func(r reach.Route) string { return fmt.Sprint(r.Device, r.Prefix) }).Draw(t, "routes")
		at := func(f *reach.Forwarding) (all []policy.Word) {
			for w := range f.Intervals() {
				all = append(all, w)
			}
			return all
		}
		one, other := reach.NewForwarding(policy.IPv4, [32]byte{1}), reach.NewForwarding(policy.IPv4, [32]byte{2})
		one.Load(routes)
		mixed := rapid.Permutation(routes).Draw(t, "mixed")
		for _, r := range mixed {
			other.Set(r)
		}
		if one.Count() != other.Count() || !slices.Equal(at(one), at(other)) {
			t.Fatalf("%d classes at %v, in another order %d at %v", one.Count(), at(one), other.Count(), at(other))
		}
		for _, f := range []*reach.Forwarding{one, other} {
			for _, r := range mixed {
				r.Action = 0
				f.Set(r)
			}
			if n := len(at(f)); f.Count() != 1 || n != 1 {
				t.Fatalf("%d classes in %d intervals are left", f.Count(), n)
			}
		}
	})
}

// TestForwarding_many has so many intervals that the line is cut into chunks, which grow and shrink.
func TestForwarding_many(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	f, now := reach.NewForwarding(policy.IPv6, [32]byte{1}), map[string]reach.Route{}
	for round := range 4000 {
		var raw [16]byte
		raw[0], raw[1], raw[15] = byte(random.UintN(12)), byte(random.UintN(256)), byte(random.UintN(3))
		p := netip.PrefixFrom(netip.AddrFrom16(raw), []int{0, 4, 10, 16, 127, 128}[random.UintN(6)]).Masked()
		r := reach.Route{Device: random.Uint32N(5), Prefix: p, Action: reach.Action(random.Uint32N(3))}
		if round > 3000 {
			r.Action = 0
		}
		f.Set(r)
		now[fmt.Sprint(r.Device, p)] = r
		if round%97 != 0 {
			continue
		}
		whole := reach.NewForwarding(policy.IPv6, [32]byte{1})
		whole.Load(slices.Collect(maps.Values(now)))
		same := map[reach.Class]reach.Class{}
		next, stop := iter.Pull2(whole.Intervals())
		for at, c := range f.Intervals() {
			want, class, ok := next()
			if known, seen := same[c]; !ok || at != want || seen && known != class {
				t.Fatalf("round %d: an interval from %v of class %d, of all at once from %v of class %d (%t)", round, at, c, want, class, ok)
			}
			same[c] = class
		}
		if _, _, more := next(); more || f.Count() != whole.Count() || len(same) != f.Count() {
			t.Fatalf("round %d: %d classes, of all at once %d", round, f.Count(), whole.Count())
		}
		stop()
	}
}
