package topology_test

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// tester is a test, or a rapid one.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func mustApply(t tester, s *topology.Snapshot, d topology.Delta) *topology.Snapshot {
	t.Helper()
	next, err := s.Apply(d)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return next
}

// text is the canonical form, under a fixed revision and time.
func text(t tester, s *topology.Snapshot, facts bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.At(1, storetest.Start()).WriteJSON(&b, facts); err != nil {
		t.Fatalf("write JSON: %v", err)
	}
	return b.String()
}

// drawn gives a snapshot after a few random deltas.
func drawn(t *rapid.T, deltas int) *topology.Snapshot {
	s := topology.Empty()
	for range deltas {
		s = mustApply(t, s, storetest.Delta(storetest.Rapid{T: t}, s, 40))
	}
	return s
}

func TestApply_equalsMapOfFacts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, o := topology.Empty(), newOracle()
		folded := s
		for i := range 1 + rapid.IntRange(0, 4).Draw(t, "deltas") {
			before, was := s, text(t, s, true)
			d := storetest.Delta(storetest.Rapid{T: t}, s, 40)
			s = mustApply(t, s, d)
			folded = topology.Compact(mustApply(t, folded, d))
			o.apply(d)
			o.check(t, s)
			o.check(t, folded)
			if s.Revision() != topology.Revision(i+1) || !s.Time().Equal(d.Time) {
				t.Fatalf("revision %d of %s, want %d of %s", s.Revision(), s.Time(), i+1, d.Time)
			}
			if text(t, before, true) != was {
				t.Fatalf("apply changed the snapshot that it started from")
			}
			if text(t, folded, true) != text(t, s, true) {
				t.Fatalf("folding the overlay changed what the snapshot says")
			}
		}
	})
}

func TestApply_foldsByItselfWhenTheOverlayGrows(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	s, o := topology.Empty(), newOracle()
	apply := func(d topology.Delta) {
		s = mustApply(t, s, d)
		o.apply(d)
	}
	for range 3 {
		apply(storetest.Delta(rng, s, 300))
	}
	apply(storetest.Estate(5000, s.Time())) // beyond the size at which Apply folds
	for range 3 {
		apply(storetest.Delta(rng, s, 300))
	}
	full := text(t, s, true)
	var states topology.Delta
	for f := range s.Facts() {
		if f.Attr == topology.AttrState {
			states.Remove = append(states.Remove, f)
		}
	}
	apply(states)
	for n := range s.Nodes(topology.VM) {
		if n.Text(topology.AttrState) != "" {
			t.Fatalf("%s still has a state", n.Key())
		}
	}
	apply(topology.Delta{Add: states.Remove})
	if text(t, s, true) != full {
		t.Error("taking away and putting back is not the same")
	}
	all := slices.SortedFunc(maps.Values(o.facts), topology.Fact.Compare)
	if got := slices.SortedFunc(s.Facts(), topology.Fact.Compare); !slices.Equal(all, got) {
		t.Errorf("%d facts, want the %d of the oracle", len(got), len(all))
	}
}

func TestApply_refusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	at := storetest.Start()
	snmp := topology.Reading{ReadingKey: topology.ReadingKey{Device: "leaf1", Source: topology.SourceSNMP, Table: "ifTable"}, Time: at}
	port := topology.Key{Kind: topology.Port, ID: "leaf1/eth0"}
	mtu := topology.Attribute(port, topology.AttrMTU, topology.IntValue(1500))
	mtu.Reading = snmp.ReadingKey
	link := topology.Relate(port, topology.Link, topology.Key{Kind: topology.Port, ID: "leaf2/eth0"})
	link.Reading = snmp.ReadingKey
	s := mustApply(t, topology.Empty(), topology.Delta{Time: at, Renew: []topology.Reading{snmp}, Add: []topology.Fact{mtu, link}})

	with := func(f topology.Fact, change func(*topology.Fact)) []topology.Fact {
		change(&f)
		return []topology.Fact{f}
	}
	for name, tc := range map[string]struct {
		d    topology.Delta
		want error
	}{
		"a fact twice":         {topology.Delta{Add: []topology.Fact{mtu}}, topology.ErrConflict},
		"a fact twice at once": {topology.Delta{Add: append(with(mtu, func(f *topology.Fact) { f.Derived = true }), with(mtu, func(f *topology.Fact) { f.Derived = true })...)}, topology.ErrConflict},
		"a fact twice, of other confidence": {
			topology.Delta{Add: with(mtu, func(f *topology.Fact) { f.Confidence = 7 })},
			topology.ErrConflict,
		},
		"an edge twice, of other confidence": {
			topology.Delta{Add: with(link, func(f *topology.Fact) { f.Confidence = 7 })},
			topology.ErrConflict,
		},
		"removal of what is not there": {
			topology.Delta{Remove: with(mtu, func(f *topology.Fact) { f.Value = topology.IntValue(9000) })},
			topology.ErrConflict,
		},
		"removal twice": {topology.Delta{Remove: []topology.Fact{mtu, mtu}}, topology.ErrConflict},
		"removal from a node that is not there": {
			topology.Delta{Remove: with(mtu, func(f *topology.Fact) { f.Subject.ID = "x" })},
			topology.ErrConflict,
		},
		"removal of an edge to elsewhere": {topology.Delta{Remove: with(link, func(f *topology.Fact) { f.Object.ID = "x" })}, topology.ErrConflict},
		"a fact of no reading": {
			topology.Delta{Add: with(mtu, func(f *topology.Fact) { f.Reading.Table = "x" })},
			topology.ErrConflict,
		},
		"a reading forgotten that is not there": {topology.Delta{Forget: []topology.ReadingKey{{Source: topology.SourceCLI}}}, topology.ErrConflict},
		"a reading forgotten that facts need":   {topology.Delta{Forget: []topology.ReadingKey{snmp.ReadingKey}}, topology.ErrConflict},
		"a reading of no source":                {topology.Delta{Renew: []topology.Reading{{}}}, topology.ErrSchema},
		"a reading in another encoding":         {topology.Delta{Renew: []topology.Reading{{ReadingKey: topology.ReadingKey{Source: topology.SourceCLI, Device: "\xff"}}}}, topology.ErrSchema},
		"an ID in another encoding":             {topology.Delta{Add: with(mtu, func(f *topology.Fact) { f.Subject.ID = "\xff" })}, topology.ErrSchema},
		"a value of another type":               {topology.Delta{Add: with(mtu, func(f *topology.Fact) { f.Value = topology.TextValue("x") })}, topology.ErrSchema},
		"a MAC of 64 bits": {topology.Delta{Add: with(mtu, func(f *topology.Fact) {
			f.Attr, f.Value = topology.AttrMAC, topology.MACValue(1<<60)
		})}, topology.ErrSchema},
		"an attribute with an object": {topology.Delta{Add: with(mtu, func(f *topology.Fact) { f.Object = port })}, topology.ErrSchema},
		"a relation with a value":     {topology.Delta{Add: with(link, func(f *topology.Fact) { f.Value = topology.IntValue(1) })}, topology.ErrSchema},
		"a mutual relation reversed": {topology.Delta{Add: with(link, func(f *topology.Fact) {
			f.Subject, f.Object = f.Object, f.Subject
		})}, topology.ErrSchema},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			was := text(t, s, true)
			if _, err := s.Apply(tc.d); !errors.Is(err, tc.want) {
				t.Errorf("error is %v, want %v", err, tc.want)
			}
			if text(t, s, true) != was {
				t.Error("a refused delta changed the snapshot")
			}
		})
	}
}

func TestForget_aReadingThatCameAndWent(t *testing.T) {
	t.Parallel()
	r := topology.Reading{ReadingKey: topology.ReadingKey{Device: "a", Source: topology.SourceSNMP, Table: "t"}, Time: storetest.Start()}
	s := mustApply(t, topology.Empty(), topology.Delta{Renew: []topology.Reading{r}, Forget: []topology.ReadingKey{r.ReadingKey}})
	if len(s.Readings()) != 0 {
		t.Errorf("readings are %v, want none", s.Readings())
	}
	s = mustApply(t, s, topology.Delta{Renew: []topology.Reading{r}})
	if got, ok := s.Reading(r.ReadingKey); !ok || got != r {
		t.Errorf("reading is %v %t, want %v", got, ok, r)
	}
}

func TestDiff_thenWithGivesTheOtherView(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := drawn(t, 2)
		b := mustApply(t, a, storetest.Delta(storetest.Rapid{T: t}, a, 60))
		if rapid.Bool().Draw(t, "unrelated") {
			b = drawn(t, 2)
		}
		cs := topology.Diff(a, b)
		simulated, err := a.With(cs)
		if err != nil {
			t.Fatalf("the difference does not fit where it was taken: %v", err)
		}
		if rest := topology.Diff(simulated, b); !rest.Empty() {
			t.Fatalf("after the difference there is still %v", rest.Changes)
		}
		if got, want := nodesOf(text(t, simulated, false)), nodesOf(text(t, b, false)); got != want {
			t.Fatalf("merged views differ:\n%s", cmp.Diff(want, got))
		}
		back, err := simulated.With(cs.Reverse())
		if err != nil {
			t.Fatalf("the reverse does not fit: %v", err)
		}
		if got, want := nodesOf(text(t, back, false)), nodesOf(text(t, a, false)); got != want {
			t.Fatalf("there and back is not the start:\n%s", cmp.Diff(want, got))
		}
		if !topology.Diff(a, a).Empty() {
			t.Fatalf("a snapshot differs from itself")
		}
		roundTrip(t, cs)
	})
}

func roundTrip(t *rapid.T, cs topology.ChangeSet) {
	raw, err := cs.MarshalJSON()
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	var back topology.ChangeSet
	if err := back.UnmarshalJSON(raw); err != nil {
		t.Fatalf("unmarshal %s: %v", raw, err)
	}
	again, err := back.MarshalJSON()
	if err != nil || !bytes.Equal(raw, again) {
		t.Fatalf("change-set is %s after a round trip, was %s (%v)", again, raw, err)
	}
}

// nodesOf lists the nodes of which something is believed. A simulation adds a reading of its own and drops what is only denied.
func nodesOf(json string) string {
	nodes, _, _ := strings.Cut(json, "],\n\"readings\":")
	var lines []string
	for line := range strings.Lines(nodes) {
		if strings.HasPrefix(line, `{"key"`) && !onlyKey.MatchString(line) {
			lines = append(lines, strings.TrimRight(line, ",\n"))
		}
	}
	return strings.Join(lines, "\n")
}

var onlyKey = regexp.MustCompile(`^\{"key":"([^"\\]|\\.)*"\},?\n?$`)

func TestWith_refusesWhatIsNotSo(t *testing.T) {
	t.Parallel()
	s := mustApply(t, topology.Empty(), storetest.Estate(100, storetest.Start()))
	var vm topology.Node
	for vm = range s.Nodes(topology.VM) {
		break
	}
	host, _ := vm.First(topology.RunsOn)
	for name, c := range map[string]topology.Change{
		"another value before": {Subject: vm.Key(), Attr: topology.AttrCPUs, Before: []topology.Value{topology.IntValue(99)}},
		"a relation that is":   {Subject: vm.Key(), Rel: topology.RunsOn, Object: host.Key(), Add: true},
		"a relation that is not": {
			Subject: vm.Key(), Rel: topology.RunsOn,
			Object: topology.Key{Kind: topology.Host, ID: "elsewhere"},
		},
	} {
		if _, err := s.With(topology.ChangeSet{Changes: []topology.Change{c}}); !errors.Is(err, topology.ErrConflict) {
			t.Errorf("%s: error is %v, want ErrConflict", name, err)
		}
	}
}

func TestJSON_doesNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t, 3)
		facts := slices.Collect(s.Facts())
		readings := s.Readings()
		facts = rapid.Permutation(facts).Draw(t, "facts")
		readings = rapid.Permutation(readings).Draw(t, "readings")
		again := mustApply(t, topology.Empty(), topology.Delta{Renew: readings})
		for chunk := range slices.Chunk(facts, max(1, len(facts)/3)) {
			again = mustApply(t, again, topology.Delta{Add: chunk})
		}
		if a, b := text(t, s, true), text(t, again, true); a != b {
			t.Fatalf("same facts, other octets:\n%s", cmp.Diff(a, b))
		}
	})
}

func TestPrecedence_removingTheStrongerRevealsTheWeaker(t *testing.T) {
	t.Parallel()
	at := storetest.Start()
	vm := topology.Key{Kind: topology.VM, ID: "11111111-2222-4333-8444-555555555555"}
	claim := func(source topology.Source, conf uint8, name, host string) (topology.Reading, []topology.Fact) {
		r := topology.Reading{ReadingKey: topology.ReadingKey{Device: "d", Source: source, Table: "t"}, Time: at}
		a := topology.Attribute(vm, topology.AttrName, topology.TextValue(name))
		b := topology.Relate(vm, topology.RunsOn, topology.Key{Kind: topology.Host, ID: host})
		a.Reading, b.Reading, a.Confidence, b.Confidence = r.ReadingKey, r.ReadingKey, conf, conf
		return r, []topology.Fact{a, b}
	}
	d := topology.Delta{Time: at}
	var order []topology.Delta // what to take away, strongest first
	for _, c := range []struct {
		source     topology.Source
		conf       uint8
		name, host string
	}{
		{topology.SourceManual, 100, "by hand", "z"},
		{topology.SourceLibvirt, 100, "by libvirt", "y"},
		{topology.SourceSNMP, 100, "by snmp", "x"},
		{topology.SourceManual, 40, "a guess", "w"},
	} {
		r, facts := claim(c.source, c.conf, c.name, c.host)
		d.Renew = append(d.Renew, r)
		d.Add = append(d.Add, facts...)
		order = append(order, topology.Delta{Remove: facts})
	}
	s := mustApply(t, topology.Empty(), d)
	for i, want := range []struct{ name, host string }{{"by hand", "z"}, {"by libvirt", "y"}, {"by snmp", "x"}, {"a guess", "w"}} {
		n, _ := s.Node(vm)
		host, _ := n.First(topology.RunsOn)
		if n.Text(topology.AttrName) != want.name || host.Key().ID != want.host {
			t.Errorf("after %d removals the VM is %q on %q, want %q on %q", i, n.Text(topology.AttrName), host.Key().ID, want.name, want.host)
		}
		if in := host.In(topology.RunsOn); len(in) != 1 {
			t.Errorf("after %d removals the believed host has %d VMs", i, len(in))
		}
		if got := len(n.Claims(topology.RunsOn)); got != 4-i {
			t.Errorf("after %d removals there are %d claims", i, got)
		}
		s = mustApply(t, s, order[i])
	}
	if _, ok := s.Node(vm); ok {
		t.Error("a node of which nobody says anything is still there")
	}
}

func TestSince_beforeTimeBeganIsNotKnown(t *testing.T) {
	t.Parallel()
	r := topology.Reading{ReadingKey: topology.ReadingKey{Source: topology.SourceManual}}
	f := topology.Attribute(topology.Key{Kind: topology.VM, ID: "x"}, topology.AttrName, topology.TextValue("x"))
	f.Reading = r.ReadingKey
	s := mustApply(t, topology.Empty(), topology.Delta{Renew: []topology.Reading{r}, Add: []topology.Fact{f}})
	for got := range s.Facts() {
		if !got.Since.IsZero() {
			t.Errorf("first seen is %s, want not known", got.Since)
		}
	}
}

func TestSnapshot_readersWhileApplying(t *testing.T) {
	t.Parallel()
	s := mustApply(t, topology.Empty(), storetest.Estate(300, storetest.Start()))
	want := text(t, s, true)
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if text(t, s, true) != want {
					t.Error("a snapshot changed under its reader")
					return
				}
			}
		})
	}
	next := s
	for i := range 40 {
		next = mustApply(t, next, storetest.Move(next, i, i%4))
		if i%10 == 0 {
			next = topology.Compact(next)
		}
	}
	close(done)
	readers.Wait()
	if next.Revision() != s.Revision()+40 || next.Time().Sub(s.Time()) != 40*time.Minute {
		t.Errorf("after 40 moves: revision %d of %s", next.Revision(), next.Time())
	}
}

// TestValues_ofAnUplink gives one port many values by two readings that mostly agree.
func TestValues_ofAnUplink(t *testing.T) {
	t.Parallel()
	port := topology.Key{Kind: topology.Port, ID: "leaf1/uplink"}
	d := topology.Delta{Time: storetest.Start()}
	o := newOracle()
	for i, table := range []string{"dot1qTpFdbTable", "dot1dTpFdbTable"} {
		r := topology.Reading{ReadingKey: topology.ReadingKey{Device: "leaf1", Source: topology.SourceSNMP, Table: table}, Time: d.Time}
		d.Renew = append(d.Renew, r)
		for mac := range topology.MAC(100) {
			entry := topology.FDBEntry{VID: 120, MAC: 0x00005e005300 + mac + topology.MAC(10*i), Status: topology.FDBLearned}
			f := topology.Attribute(port, topology.AttrLearned, topology.FDBValue(entry))
			f.Reading = r.ReadingKey
			d.Add = append(d.Add, f)
		}
	}
	s := mustApply(t, topology.Empty(), d)
	o.apply(d)
	o.check(t, s)
	n, _ := s.Node(port)
	if got := len(n.Values(topology.AttrLearned)); got != 110 {
		t.Errorf("the port has %d values, want 110", got)
	}
}
