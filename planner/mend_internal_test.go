package planner

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/topologytest"
)

// puzzle is a world of switches that are up or down, acts that set some of them, and checks that want one of several.
type puzzle struct {
	start  uint8 // which switches are up
	acts   []setting
	wanted []setting // each: one of these switches as it is there
	unseen []setting // of each of wanted: it is not asked about unless one of these switches is as it is there
}

// setting is the states of some switches.
type setting struct{ which, up uint8 }

func (s setting) made(state uint8) uint8 { return state&^s.which | s.up&s.which }
func (s setting) met(state uint8) bool   { return s.which&^(state^s.up) != 0 }

// misses lists what a state lacks of what is wanted.
func (z puzzle) misses(state uint8) (missing []int) {
	for i, w := range z.wanted {
		if !w.met(state) && (z.unseen[i].which == 0 || z.unseen[i].met(state)) {
			missing = append(missing, i)
		}
	}
	return missing
}

// helps tells whether an act makes something that is missing so.
func (z puzzle) helps(act, want int, state uint8) bool {
	return z.wanted[want].met(z.acts[act].made(state))
}

func switchKey(i int) topology.Key {
	return topology.PartKey(topology.Port, topology.Key{Kind: topology.Host, ID: "b"}, fmt.Sprint("p", i))
}

var words = map[bool]string{false: "down", true: "up"}

// planner makes the puzzle a snapshot, and checks that ask it, two of what is wanted each.
func (z puzzle) planner(t rapid.TB) *Planner {
	r := topology.Reading{ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceLibvirt, Table: "domains"}, Time: time.Unix(1e9, 0)}
	d := topology.Delta{Time: r.Time, Renew: []topology.Reading{r}}
	lines := []string{"host:a name=a", "host:b name=b", "vm:v RunsOn host:a"}
	for i := range 8 {
		lines = append(lines, fmt.Sprintf("%s state=%s", switchKey(i), words[z.start>>i&1 == 1]))
	}
	for _, line := range lines {
		f, err := topologytest.Fact(line)
		if err != nil {
			t.Fatal(err)
		}
		f.Reading = r.ReadingKey
		d.Add = append(d.Add, f)
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	p := New(s, Policy{}, r.Time)
	p.checks = nil
	for i := 0; i < len(z.wanted); i += 2 {
		p.checks = append(p.checks, Check{Code: fmt.Sprint("TEST-", i), run: func(f *finder) { z.ask(f, i, min(i+2, len(z.wanted))) }})
	}
	return p
}

func stateOf(s *topology.Snapshot) (state uint8) {
	for i := range 8 {
		n, _ := s.Node(switchKey(i))
		if n.Text(topology.AttrState) == "up" {
			state |= 1 << i
		}
	}
	return state
}

func (z puzzle) ask(f *finder, from, to int) {
	state := stateOf(f.vm.Snapshot())
	f.pass("it was asked")
	for _, w := range z.misses(state) {
		if w < from || w >= to {
			continue
		}
		about, _ := f.s.Node(switchKey(w))
		f.say([]Verdict{Block, Unknown}[w&1], fmt.Sprint("want ", w), []topology.Node{about})
		for i, act := range z.acts {
			if z.helps(i, w, state) {
				f.mend(fmt.Sprint("act ", i), changes(state, act.made(state))...)
			}
		}
	}
}

func changes(from, to uint8) (cs []topology.Change) {
	for i := range 8 {
		if was, is := from>>i&1 == 1, to>>i&1 == 1; was != is {
			cs = append(cs, topology.Change{
				Subject: switchKey(i), Attr: topology.AttrState, Before: []topology.Value{topology.TextValue(words[was])}, After: []topology.Value{topology.TextValue(words[is])},
			})
		}
	}
	return cs
}

// least counts by breadth the acts that are needed at least, and lists the states in which nothing is missing then.
func (z puzzle) least() (acts int, ends []uint8) {
	level := []uint8{z.start}
	seen := map[uint8]bool{z.start: true}
	for ; len(level) > 0; acts++ {
		var next []uint8
		for _, state := range level {
			missing := z.misses(state)
			if len(missing) == 0 {
				ends = append(ends, state)
			}
			for _, w := range missing {
				for i, act := range z.acts {
					if after := act.made(state); z.helps(i, w, state) && !seen[after] {
						seen[after] = true
						next = append(next, after)
					}
				}
			}
		}
		if len(ends) > 0 {
			slices.Sort(ends)
			return acts, ends
		}
		level = next
	}
	return -1, nil
}

func drawPuzzle(t *rapid.T, acts, wants int) (z puzzle) {
	settings := func(most, switches int) *rapid.Generator[[]setting] {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) (s setting) {
			for range rapid.IntRange(1, switches).Draw(t, "switches") {
				s.which |= 1 << rapid.IntRange(0, 7).Draw(t, "switch")
			}
			s.up = s.which & rapid.Uint8().Draw(t, "up")
			return s
		}), 1, most)
	}
	z.start = rapid.Uint8().Draw(t, "start")
	z.acts = settings(acts, 2).Draw(t, "acts")
	target := rapid.Uint8().Draw(t, "target")
	if rapid.IntRange(0, 4).Draw(t, "agree") > 0 { // the order of acts does not matter
		for i := range z.acts {
			z.acts[i].up = z.acts[i].which & target
		}
	}
	z.wanted = settings(wants, 3).Draw(t, "wanted")
	for range z.wanted {
		s := setting{}
		if rapid.IntRange(0, 3).Draw(t, "hidden") == 0 {
			s.which = 1 << rapid.IntRange(0, 7).Draw(t, "by")
			s.up = s.which & target // what has come to light stays there
		}
		z.unseen = append(z.unseen, s)
	}
	return z
}

// TestMend_leastSets: the sets are those that trying everything by breadth finds; with one act less there is something missing; with all of them nothing is.
func TestMend_leastSets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		z := drawPuzzle(t, 7, 6)
		p := z.planner(t)
		plan, err := p.Migrate(context.Background(), topology.Key{Kind: topology.VM, ID: "v"}, topology.Key{Kind: topology.Host, ID: "b"})
		if err != nil {
			t.Fatal(err)
		}
		m, err := p.Mend(context.Background(), plan)
		if err != nil {
			t.Fatal(err)
		}
		again, err := z.planner(t).Mend(context.Background(), plan)
		if err != nil || fmt.Sprint(shown(m)) != fmt.Sprint(shown(again)) {
			t.Fatalf("asked twice: %v and %v, %v", shown(m), shown(again), err)
		}
		z.compare(t, p, m)
	})
}

func shown(m *Mending) (lines []string) {
	for _, r := range m.Remedies {
		lines = append(lines, fmt.Sprint(r.Fixes, r.Changes, r.Last))
	}
	return append(lines, fmt.Sprint(m.More, m.Proven, m.Left))
}

func (z puzzle) compare(t rapid.TB, p *Planner, m *Mending) {
	acts, ends := z.least()
	var got []uint8
	for _, r := range m.Remedies {
		after, err := p.s.With(r.Changes)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, stateOf(after))
		if back, err := after.With(r.Undo); err != nil || !topology.Diff(p.s, back).Empty() {
			t.Errorf("%v is not undone: %v", r.Fixes, err)
		}
		for i := range r.Fixes {
			var less []topology.Change
			for j, fix := range r.Fixes {
				if j != i {
					less = append(less, fix.Changes...)
				}
			}
			without, err := p.s.With(topology.ChangeSet{Changes: less})
			if err == nil && len(m.Left) == 0 && len(z.misses(stateOf(without))) == 0 {
				t.Errorf("%v: without %s nothing is missing", r.Fixes, r.Fixes[i].Text)
			}
		}
	}
	slices.Sort(got)
	switch {
	case acts == 0:
		if len(m.Remedies) > 0 || len(m.Left) > 0 {
			t.Errorf("nothing is missing, and %v, %v", got, m.Left)
		}
	case acts < 0:
		if len(m.Left) == 0 {
			t.Errorf("no end can be reached, and nothing is left: %v", got)
		}
	case len(m.Left) > 0 && !z.contradicts():
		t.Errorf("%v is left, where %d acts help", m.Left, acts)
	case len(m.Left) == 0 && acts <= exactActs && !z.contradicts():
		// An act that is offered on the way only, and then makes another one idle, may make fewer than are found by breadth.
		fewer := len(m.Remedies) > 0 && len(m.Remedies[0].Fixes) < acts
		wrong := slices.ContainsFunc(m.Remedies, func(r Remedy) bool { return len(r.Fixes) > acts })
		if !m.Proven || wrong || !fewer && (len(m.Remedies) != min(len(ends), mostRemedies) || m.More != (len(ends) > mostRemedies)) {
			t.Errorf("%d acts to %v; got %v", acts, ends, shown(m))
		}
	}
	for _, state := range got {
		if len(m.Left) == 0 && len(z.misses(state)) > 0 {
			t.Errorf("%s is missing %v", bitsOf(state), z.misses(state))
		}
	}
}

// contradicts tells whether the order of acts matters: two of them leave a switch in different states.
func (z puzzle) contradicts() bool {
	for _, a := range z.acts {
		for _, b := range z.acts {
			if a.which&b.which&(a.up^b.up) != 0 {
				return true
			}
		}
	}
	return false
}

func bitsOf(state uint8) string { return fmt.Sprintf("%08b (%d up)", state, bits.OnesCount8(state)) }

// TestMend_beyondFour: where more acts are needed than are tried in all ways, each of those that are given is needed.
func TestMend_beyondFour(t *testing.T) {
	t.Parallel()
	z := puzzle{unseen: make([]setting, 7)}
	for i := range uint8(7) {
		z.acts = append(z.acts, setting{1 << i, 1 << i}, setting{1<<i | 1<<(i+1), 1 << i})
		z.wanted = append(z.wanted, setting{1 << i, 1 << i})
	}
	p := z.planner(t)
	plan, err := p.Migrate(context.Background(), topology.Key{Kind: topology.VM, ID: "v"}, topology.Key{Kind: topology.Host, ID: "b"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Mend(context.Background(), plan)
	if err != nil || len(m.Remedies) != 1 || m.Proven || len(m.Remedies[0].Fixes) != 7 || m.Remedies[0].After.Verdict != Pass {
		t.Fatalf("%v, %v", shown(m), err)
	}
	z.compare(t, p, m)
}

func TestMend_cancelled(t *testing.T) {
	t.Parallel()
	z := puzzle{acts: []setting{{1, 1}}, wanted: []setting{{1, 1}}, unseen: make([]setting, 1)}
	p := z.planner(t)
	plan, err := p.Migrate(context.Background(), topology.Key{Kind: topology.VM, ID: "v"}, topology.Key{Kind: topology.Host, ID: "b"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Mend(ctx, plan); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
