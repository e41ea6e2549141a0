package planner_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

var (
	lawSeed  = flag.Uint64("law.seed", 1, "the random worlds of TestLaw; 0: new ones, as make torture has them: a usual run tells what a change did")
	lawCases = flag.Int("law.cases", 20_000, "losses that TestLaw tries at least")
	lawOnly  = flag.String("law.only", "", "of which checks alone TestLaw asks, and HOST-1: an expression")
)

// random is where random worlds come from, and the seed that repeats them.
func random() (*rand.Rand, uint64) {
	seed := cmp.Or(*lawSeed, rand.Uint64N(1e9))
	return randomOf(seed), seed
}

func randomOf(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// world is an estate as its sources tell it: each fact in a reading of the device that says it, of a table of its kind, so that one can be lost or old by itself.
type world struct {
	name     string
	policy   planner.Policy
	host     string
	facts    []topology.Fact
	readings map[topology.ReadingKey]topology.Reading
	aside    map[string]bool // hosts that have no part in the move: those that nobody has heard of are not missed
}

// randomWorld joins the changes of some random cases of the checks.
func randomWorld(t *testing.T, r *rand.Rand) *world {
	t.Helper()
	all := checkCases()
	cases := make([]checkCase, 1+r.IntN(3))
	for i := range cases {
		cases[i] = all[r.IntN(len(all))]
	}
	return worldOf(t, cases...)
}

// worldOf joins the changes of cases, as far as they go together.
func worldOf(t *testing.T, cases ...checkCase) *world {
	t.Helper()
	w := &world{readings: map[topology.ReadingKey]topology.Reading{}, aside: map[string]bool{nobody: true}}
	there := strings.Split(strings.TrimSpace(estate()), "\n")
	var changes []string
	for i, c := range cases {
		if i == 0 {
			w.policy, w.host = c.policy, cmp.Or(c.host, "b")
		}
		next, lines, ok := joined(there, c.changes)
		if ok {
			there, changes = next, append(changes, lines...)
			w.name += fmt.Sprintf("%s %s; ", c.code, c.name)
		}
	}
	w.policy.Disabled, w.policy.Overrides = nil, nil
	for _, c := range planner.Checks() {
		if c.Code == "META-5" || c.Code != "HOST-1" && !regexp.MustCompile(*lawOnly).MatchString(c.Code) { // META-5 warns at most, and asks everything once more
			w.policy.Disabled = append(w.policy.Disabled, planner.Disabled{Check: c.Code, Reason: "it is not asked about"})
		}
	}
	w.tell(scene(t, strings.Join(changes, "\n")))
	return w
}

// joined makes changes in an estate, unless it has not what they take away, or has what they add.
func joined(there []string, changes string) (after, lines []string, ok bool) {
	after = slices.Clone(there)
	for line := range strings.Lines(changes) {
		line = strings.TrimSpace(line)
		gone, away := strings.CutPrefix(line, "-")
		i := slices.Index(after, gone)
		switch {
		case line == "":
			continue
		case away && i < 0, !away && slices.ContainsFunc(after, func(o string) bool { return strings.TrimPrefix(o, "!") == strings.TrimPrefix(line, "!") }):
			return nil, nil, false
		case away:
			after = slices.Delete(after, i, i+1)
		default:
			after = append(after, line)
		}
		lines = append(lines, line)
	}
	return after, lines, true
}

// tell gives each fact a reading of its own device.
func (w *world) tell(s *topology.Snapshot) {
	devices, arrays := map[string]bool{}, map[string]bool{}
	for n := range s.Nodes(topology.Host, topology.Switch, topology.Router, topology.Firewall, topology.FCSwitch, topology.Array) {
		devices[n.Key().ID] = true
		arrays[n.Key().ID] = n.Kind() == topology.Array
		w.aside[n.Key().ID] = n.Kind() == topology.Host && n.Key().ID != "a" && n.Key().ID != w.host
	}
	for _, was := range s.Readings() { // also those that tell of nothing: that they were read says that there is nothing
		for device := range devices {
			was.Device = device
			w.readings[was.ReadingKey] = was
		}
	}
	for f := range s.Facts() {
		old, _ := s.Reading(f.Reading)
		f.Reading.Device = teller(s, f, devices)
		if f.Attr == topology.AttrHandle {
			if f.Value.String() == "test" {
				f.Value = topology.TextValue(f.Reading.Device)
			}
		}
		switch f.Subject.Kind {
		case topology.VM, topology.VNIC, topology.VDisk:
		case topology.Filter, topology.FilterText: // the text of all filters is read with them
			f.Reading.Table = "filters"
		default:
			if old.Time.Equal(noon) && f.Reading.Table == "domains" {
				f.Reading.Table = tableOf(f)
			}
			if f.Attr == topology.AttrMount {
				f.Reading.Source, f.Reading.Table = topology.SourceSSH, "mounts"
			}
			if arrays[f.Reading.Device] { // it tells whom it shows what in one answer
				f.Reading.Table = "targets"
			}
		}
		old.ReadingKey = f.Reading
		w.readings[f.Reading] = old
		w.facts = append(w.facts, f)
	}
}

// tableOf is the table that says a fact which is of no VM: those of which somebody asks whether they were read whole by the names that they have.
func tableOf(f topology.Fact) string {
	kind := f.Subject.Kind
	if f.Rel == topology.Contains && f.Object.Kind == topology.StoragePool || kind == topology.StoragePool && f.Object.Kind == topology.Volume {
		kind = f.Object.Kind
	}
	if f.Rel == topology.Contains && f.Object.Kind == topology.Network {
		kind = f.Object.Kind
	}
	switch kind {
	case topology.StoragePool:
		return "pools"
	case topology.Network, topology.PortGroup:
		return "networks"
	case topology.Volume:
		return "volumes"
	}
	return kind.String()
}

// teller is the device that says a fact: for a VM, the host on which it runs.
func teller(s *topology.Snapshot, f topology.Fact, devices map[string]bool) string {
	n, _ := s.Node(f.Subject)
	if f.Rel == topology.RunsOn || f.Rel == topology.AppliesTo {
		n, _ = s.Node(f.Object)
	}
	for range 8 {
		if devices[n.Key().ID] {
			return n.Key().ID
		}
		if n.Kind() == topology.VM {
			if host, ok := n.First(topology.RunsOn); ok {
				return host.Key().ID
			}
		}
		owner, ok := n.Owner()
		if !ok {
			break
		}
		n = owner
	}
	for _, k := range []topology.Key{f.Subject, f.Object} { // who logs in somewhere does not say it, the switch does
		if first, _, _ := strings.Cut(k.ID, "/"); devices[first] {
			return first
		}
	}
	return nobody
}

// nobody tells what no device of the world does: a VM that runs nowhere.
const nobody = "@"

// loss is something that goes wrong with reading a world.
type loss struct {
	what    string
	device  string              // all of it is not read
	reading topology.ReadingKey // it is too old, or not there
	gone    bool
	fact    *topology.Fact // it is not in the answer, which broke off
}

// losses lists all that can go wrong by itself.
func (w *world) losses() []loss {
	var all []loss
	devices := map[string]bool{}
	for _, k := range slices.SortedFunc(maps.Keys(w.readings), topology.ReadingKey.Compare) {
		if w.aside[k.Device] || !w.readings[k].Time.Equal(noon) { // that is not known already
			continue
		}
		all = append(all, loss{what: "old " + k.String(), reading: k}, loss{what: "gone " + k.String(), reading: k, gone: true})
		if !devices[k.Device] {
			devices[k.Device] = true
			all = append(all, loss{what: "without " + k.Device, device: k.Device, gone: true})
		}
	}
	for i, f := range w.facts {
		if !w.aside[f.Reading.Device] && w.readings[f.Reading].Time.Equal(noon) && !slices.ContainsFunc(w.facts, func(o topology.Fact) bool { return against(f, o) }) {
			all = append(all, loss{what: "without " + f.String(), reading: f.Reading, fact: &w.facts[i]})
		}
	}
	return all
}

// against tells whether two facts contradict each other: without the one, the other is believed, and nobody knows that somebody said otherwise.
func against(a, b topology.Fact) bool {
	if a.Subject != b.Subject || a.Attr != b.Attr || a.Rel != b.Rel {
		return false
	}
	return a.Rel == 0 && !a.Attr.Multi() && a.Value != b.Value || a.Rel != 0 && a.Rel.Spec().Single && a.Object != b.Object
}

// snapshot is the world as it is read when nothing goes wrong.
func (w *world) snapshot(t *testing.T) *topology.Snapshot {
	t.Helper()
	d := topology.Delta{Time: noon, Add: w.facts}
	for _, k := range slices.SortedFunc(maps.Keys(w.readings), topology.ReadingKey.Compare) {
		d.Renew = append(d.Renew, w.readings[k])
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// without is a snapshot of the world when something goes wrong.
func (w *world) without(t *testing.T, s *topology.Snapshot, l loss) *topology.Snapshot {
	t.Helper()
	d := topology.Delta{Time: noon}
	lost := func(k topology.ReadingKey) bool { return k == l.reading || l.device != "" && k.Device == l.device }
	for _, k := range slices.SortedFunc(maps.Keys(w.readings), topology.ReadingKey.Compare) {
		r := w.readings[k]
		switch {
		case !lost(k):
			continue
		case l.fact != nil:
			r.Partial, r.Reason = true, "the answer broke off"
		case !l.gone:
			r.Time = noon.Add(-3 * time.Hour)
		}
		if l.gone || l.fact != nil {
			d.Forget = append(d.Forget, k)
		}
		if !l.gone {
			d.Renew = append(d.Renew, r)
		}
	}
	for i, f := range w.facts {
		if !lost(f.Reading) || !l.gone && l.fact == nil {
			continue
		}
		d.Remove = append(d.Remove, f)
		if l.fact != nil && l.fact != &w.facts[i] {
			f.Reading.Partial = true
			d.Add = append(d.Add, f)
		}
	}
	s, err := s.Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verdicts gives what each check found at worst; nil if there is no such VM or host any more.
func (w *world) verdicts(t *testing.T, s *topology.Snapshot) map[string]planner.Verdict {
	t.Helper()
	plan, err := planner.New(s, w.policy, noon.Add(time.Minute)).Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, w.host))
	if err != nil {
		return nil
	}
	found := map[string]planner.Verdict{}
	for _, f := range plan.Findings {
		found[f.Code] = planner.Worst(found[f.Code], f.Found)
	}
	return found
}

// lawless are the checks that may find nothing any more when something is lost: META-1 and META-2 look at what is there, and the host of HOST-2 answers, whatever
// another source says of its state.
var lawless = []string{"META-1", "META-2", "HOST-2"}

// leaning are checks that lean on what others say is not known. NET-9 and NET-10 compare what is before the move with what is after it, and a device on the ways that is known
// neither time makes no difference; SAN-4 and SAN-10 ask about paths and reservations of units that SAN-3 knows. Where they pass, the whole must not.
var leaning = []string{"NET-9", "NET-10", "SAN-4", "SAN-10"}

// TestLaw_whatIsNotKnownDoesNotPass: what is lost, broken off or too old never lets a check pass that did not pass (R-1f).
func TestLaw_whatIsNotKnownDoesNotPass(t *testing.T) {
	t.Parallel()
	cases := int64(*lawCases)
	if testing.Short() {
		cases = min(cases, 1_000)
	}
	_, seed := random()
	var tried atomic.Int64
	var next atomic.Uint64
	var workers sync.WaitGroup
	j := &judge{wrong: map[string]int{}}
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for tried.Load() < cases && j.few() {
				tried.Add(j.world(t, seed+next.Add(1)-1))
			}
		})
	}
	workers.Wait()
	t.Logf("-law.seed=%d: %d losses in %d worlds, against the law: %v", seed, tried.Load(), next.Load(), j.wrong)
}

// judge counts what is against the law, by check.
type judge struct {
	sync.Mutex
	wrong map[string]int
}

func (j *judge) few() bool {
	j.Lock()
	defer j.Unlock()
	return len(j.wrong) < 20
}

// against tells the first ones of a check.
func (j *judge) against(t *testing.T, seed uint64, w *world, l loss, code string, was, is planner.Verdict) {
	t.Helper()
	j.Lock()
	defer j.Unlock()
	if j.wrong[code]++; j.wrong[code] <= 3 {
		t.Errorf("-law.seed=%d -law.cases=1: %s was %s, and is %s %s\n%s", seed, code, was, is, l.what, w.name)
	}
}

const lossesOfWorld = 150 // of about 600: more worlds find more

// world tries some losses of one random world, and counts them.
func (j *judge) world(t *testing.T, seed uint64) int64 {
	t.Helper()
	r := randomOf(seed)
	w := randomWorld(t, r)
	s := w.snapshot(t)
	was := w.verdicts(t, s)
	losses := w.losses()
	r.Shuffle(len(losses), func(a, b int) { losses[a], losses[b] = losses[b], losses[a] })
	losses = losses[:min(len(losses), lossesOfWorld)]
	for _, l := range losses {
		is := w.verdicts(t, w.without(t, s, l))
		if whole(was) > planner.Warn && is != nil && whole(is) <= planner.Warn {
			j.against(t, seed, w, l, "all", whole(was), whole(is))
		}
		for _, code := range slices.Sorted(maps.Keys(was)) {
			switch {
			case is == nil, was[code] <= planner.Warn, is[code] > planner.Warn, slices.Contains(lawless, code):
			case is["HOST-1"] > was["HOST-1"]: // what does not seem to run where it did has another question
			case slices.Contains(leaning, code) && whole(is) > planner.Warn:
			default:
				j.against(t, seed, w, l, code, was[code], is[code])
			}
		}
	}
	return int64(len(losses))
}

func whole(verdicts map[string]planner.Verdict) planner.Verdict {
	return planner.Worst(slices.Collect(maps.Values(verdicts))...)
}

// TestLaw_thereAndBack: a VM that moves there and back has moved nowhere.
func TestLaw_thereAndBack(t *testing.T) {
	t.Parallel()
	r, seed := random()
	for range 300 {
		w := randomWorld(t, r)
		s := w.snapshot(t)
		v, _ := s.Node(key(topology.VM, "v"))
		source, ok := v.First(topology.RunsOn)
		there, missing, err := s.MoveVM(v.Key(), key(topology.Host, "b"))
		if err != nil {
			t.Fatal(err)
		}
		moved, err := s.With(there)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, w.name, err)
		}
		if undone, err := moved.With(there.Reverse()); err != nil || !topology.Diff(s, undone).Empty() {
			t.Errorf("seed %d: %s: undone, %v, %v", seed, w.name, err, topology.Diff(s, undone).Changes)
		}
		if !ok || len(missing) > 0 {
			continue
		}
		back, missing, err := moved.MoveVM(v.Key(), source.Key())
		if err != nil || len(missing) > 0 {
			t.Fatalf("seed %d: %s: %v, %v", seed, w.name, missing, err)
		}
		if home, err := moved.With(back); err != nil || !topology.Diff(s, home).Empty() {
			t.Errorf("seed %d: %s: there and back, %v, %v", seed, w.name, err, topology.Diff(s, home).Changes)
		}
	}
}

// TestLaw_remedies: with all acts of a remedy nothing stands in the way but what no act mends, without any of them something else does, and undone they change nothing.
func TestLaw_remedies(t *testing.T) {
	t.Parallel()
	r, seed := random()
	worlds, remedies := 400, 0
	if testing.Short() {
		worlds = 100
	}
	for range worlds {
		w := randomWorld(t, r)
		s := w.snapshot(t)
		now := noon.Add(time.Minute)
		vm, host := key(topology.VM, "v"), key(topology.Host, w.host)
		p := planner.New(s, w.policy, now)
		plan, err := p.Migrate(t.Context(), vm, host)
		if err != nil {
			t.Fatal(err)
		}
		m, err := p.Mend(t.Context(), plan)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, w.name, err)
		}
		if plan.Verdict > planner.Warn && len(m.Remedies) == 0 && len(m.Left) == 0 {
			t.Errorf("seed %d: %s: is %s, and nothing is said to stand in the way", seed, w.name, plan.Verdict)
		}
		for _, remedy := range m.Remedies {
			remedies++
			left := func(changes []topology.Change) (codes []string) {
				after, err := s.With(topology.ChangeSet{Changes: changes})
				if err != nil {
					return []string{err.Error()}
				}
				plan, err := planner.New(after, w.policy, now).Migrate(t.Context(), vm, host)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range plan.Findings {
					if f.Verdict > planner.Warn && !slices.ContainsFunc(m.Left, func(l planner.Finding) bool { return l.Code == f.Code }) {
						codes = append(codes, f.Code)
					}
				}
				return codes
			}
			if codes := left(remedy.Changes.Changes); len(codes) > 0 {
				t.Errorf("seed %d: %s: with %v, %v", seed, w.name, remedy.Fixes, codes)
			}
			for i := range remedy.Fixes {
				var less []topology.Change
				for j, fix := range remedy.Fixes {
					if j != i {
						less = append(less, fix.Changes...)
					}
				}
				if codes := left(less); len(codes) == 0 {
					t.Errorf("seed %d: %s: without %q of %v nothing is left, either", seed, w.name, remedy.Fixes[i].Text, remedy.Fixes)
				}
			}
			after, err := s.With(remedy.Changes)
			if err != nil {
				t.Fatal(err)
			}
			if undone, err := after.With(remedy.Undo); err != nil || !topology.Diff(s, undone).Empty() {
				t.Errorf("seed %d: %s: %v is not undone: %v", seed, w.name, remedy.Fixes, err)
			}
		}
	}
	t.Logf("%d remedies", remedies)
}
