//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/fixtures/lab"
	"github.com/throughline-dc/throughline/fixtures/lab/labtest"
	"github.com/throughline-dc/throughline/topology"
)

// How much of the lab a run goes through: LAB_FULL=1 breaks all that can be broken and moves every VM to every host, else a choice by LAB_SEED.
const (
	someBreaks = 4
	someMoves  = 6
)

// labWorld is a lab that is up, and the store into which it is read.
type labWorld struct {
	*lab.Lab
	liveRun
	inventory string
	rng       *rand.Rand
	all       bool
}

// TestLiveLab_graph builds the default lab and reads it with the program itself: the graph is the lab's file, thing by thing. Then it breaks things, and
// each is seen and named; and it moves VMs, and the graph follows.
func TestLiveLab_graph(t *testing.T) { //nolint:paralleltest // one lab at a time is enough for the machine
	r := startLab(t)
	parts := []struct {
		name string
		run  func(*testing.T)
	}{{"graph", r.compare}, {"rails", r.rails}, {"reach", r.reachesAll}, {"storage", r.logsIn}, {"breaks", r.breakSome}, {"moves", r.followAll}, {"graph at the end", r.compare}}
	for _, part := range parts { //nolint:paralleltest // one after the other on one lab
		t.Run(part.name, part.run)
	}
}

func startLab(t *testing.T) *labWorld {
	t.Helper()
	lacks := []string{lab.Missing(), labtest.Program("ping", "iputils-ping")}
	if !libvirt.Live() {
		lacks = append(lacks, "this build has no live libvirt: it needs -tags libvirt_dlopen and cgo")
	}
	labtest.Require(t, lacks...)
	seed, err := strconv.ParseUint(os.Getenv("LAB_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().Unix()) / (24 * 60 * 60) // another choice every day, the same all day long
	}
	t.Logf("LAB_SEED=%d", seed)
	dir := t.TempDir()
	program := labtest.Build(t, filepath.Join(dir, "throughline"), ".", "1", "-tags=libvirt_dlopen")
	if os.Getenv("THROUGHLINE_LABGUEST") == "" {
		t.Setenv("THROUGHLINE_LABGUEST", labtest.Build(t, filepath.Join(dir, "guest"), "../../fixtures/lab/guest", "0"))
	}
	raw := labtest.Apart(t, lab.Default())
	where := filepath.Join(dir, "lab")
	t.Cleanup(func() {
		if _, err := lab.Down(context.WithoutCancel(t.Context()), where); err != nil && !errors.Is(err, lab.ErrNone) {
			t.Error(err)
		}
	})
	var said bytes.Buffer
	l, _, err := lab.Up(t.Context(), where, "lab.yaml", raw, lab.Options{Program: program, Progress: &said})
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	r := &labWorld{
		Lab: l, liveRun: liveRun{t: t, dir: dir}, inventory: filepath.Join(dir, "inventory.yaml"),
		rng: rand.New(rand.NewPCG(seed, 5)), all: os.Getenv("LAB_FULL") == "1",
	}
	if err := os.WriteFile(r.inventory, l.Inventory(), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// sweep reads the lab once, whole, and gives the graph.
func (r *labWorld) sweep(t *testing.T) *topology.Snapshot {
	t.Helper()
	return r.sweepBut(t, nil)
}

// sweepBut allows those sources of devices not to be read that are listed, and no other.
func (r *labWorld) sweepBut(t *testing.T, unread []lab.Show) *topology.Snapshot {
	t.Helper()
	var said bytes.Buffer
	store := filepath.Join(r.dir, "lab.db")
	code := run(t.Context(), []string{"--store", store, "collect", "--inventory", r.inventory}, &said, &said)
	if code != exitOK && (code != exitPartial || len(unread) == 0) {
		t.Fatalf("collect ends with %d:\n%s", code, &said)
	}
	a := &app{store: store, out: &said, errs: &said, now: time.Now}
	g, err := a.snapshotAt(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, reading := range g.Readings() {
		if reading.Partial && !slices.ContainsFunc(unread, func(s lab.Show) bool { return s.Device == reading.Device && s.Unread == reading.Source.String() }) {
			t.Errorf("%s was not read whole by %s:\n%s", reading.Device, reading.Source, &said)
		}
	}
	return g
}

// hostAt looks up in the history where a VM ran.
func (r *labWorld) hostAt(t *testing.T, revision topology.Revision, vm topology.Key) string {
	t.Helper()
	a := &app{store: filepath.Join(r.dir, "lab.db"), out: io.Discard, errs: io.Discard, now: time.Now}
	g, err := a.snapshotAt(t.Context(), fmt.Sprintf("@%d", revision))
	if err != nil {
		t.Fatal(err)
	}
	n, _ := g.Node(vm)
	host, _ := n.First(topology.RunsOn)
	return host.Name()
}

// settled sweeps until what is looked for is there, and gives what was there at last. The lab needs its time: neighbours are forgotten after 20 s, learned
// addresses after 15 s, and net-snmp shows routes as they were for a minute.
func (r *labWorld) settled(t *testing.T, look func(*topology.Snapshot) string) string {
	t.Helper()
	for until := time.Now().Add(settleLimit); ; {
		left := look(r.sweep(t))
		if left == "" || time.Now().After(until) {
			return left
		}
	}
}

const settleLimit = 100 * time.Second

// compare wants the graph to be the lab's file.
func (r *labWorld) compare(t *testing.T) {
	t.Helper()
	want := r.Spec.Want()
	if left := r.settled(t, func(g *topology.Snapshot) string { return cmp.Diff(want, labSeen(g, r.Spec)) }); left != "" {
		t.Errorf("the graph is not the lab (-want +got):\n%s", left)
	}
}

// rails wants both rails of every VM to be complete to their ends.
func (r *labWorld) rails(t *testing.T) {
	t.Helper()
	g := r.sweep(t)
	for _, vm := range r.Spec.VMs {
		n, ok := g.Node(topology.Key{Kind: topology.VM, ID: vm.UUID()})
		if !ok {
			t.Errorf("%s is not there", vm.Name)
			continue
		}
		rails := n.Rails()
		if len(rails) < 3 {
			t.Errorf("%s has %d rails", vm.Name, len(rails))
		}
		for _, rail := range rails {
			for _, p := range rail.Paths {
				if !p.Complete || p.Faulty() {
					t.Errorf("%s: %s rail of %s: gap %q, faulty %v", vm.Name, rail.Name, rail.From.Name(), p.Gap, p.Faulty())
				}
			}
			if rail.Independent == 0 {
				t.Errorf("%s: %s rail of %s has no way", vm.Name, rail.Name, rail.From.Name())
			}
		}
	}
}

// breakSome breaks one thing after the other.
func (r *labWorld) breakSome(t *testing.T) {
	t.Helper()
	breaks := r.Spec.Breaks()
	r.rng.Shuffle(len(breaks), func(i, j int) { breaks[i], breaks[j] = breaks[j], breaks[i] })
	if !r.all {
		breaks = breaks[:min(someBreaks, len(breaks))]
	}
	for _, b := range breaks {
		t.Run(b.Name, func(t *testing.T) { r.breakOne(t, b) })
	}
}

// breakOne wants a break to do what it declares, and the graph to show it two sweeps later at the latest; before it is broken and after it is mended, neither.
func (r *labWorld) breakOne(t *testing.T, b lab.Break) {
	t.Helper()
	r.prove(t, b, false)
	if left := notShown(r.sweep(t), b.Shows, false); left != "" {
		t.Errorf("seen before it is broken:\n%s", left)
	}
	for range 2 { // what is broken is left so
		if _, err := r.Break(t.Context(), b.Name); err != nil {
			t.Fatal(err)
		}
	}
	r.prove(t, b, true)
	r.seen(t, b, true)
	r.reaches(t, unreadIn(b), true)
	r.judged(t, b)
	r.forced(t, b)
	for range 2 {
		if _, err := r.Mend(t.Context(), b.Name); err != nil {
			t.Fatal(err)
		}
	}
	r.prove(t, b, false)
	r.seen(t, b, false)
}

// prove wants every observation of a break to find what it has to: sooner or later, as switches learn and forget, and on a busy machine an answer may come late.
func (r *labWorld) prove(t *testing.T, b lab.Break, broken bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settleLimit)
	defer cancel()
	var all sync.WaitGroup
	for _, p := range b.Proofs {
		all.Go(func() {
			want := p.Whole
			if broken {
				want = p.Broken
			}
			for last := ""; ; {
				found, err := p.Observe(ctx, r.Lab)
				switch {
				case err == nil && found == want:
					return
				case ctx.Err() != nil:
					t.Errorf("broken %v: %s: %s, want %s", broken, p, last, want)
					return
				case err != nil:
					found = err.Error()
				}
				last = found
			}
		})
	}
	all.Wait()
}

// unreadIn lists the sources that cannot be read while something is broken.
func unreadIn(b lab.Break) []lab.Show {
	return slices.DeleteFunc(slices.Clone(b.Shows), func(s lab.Show) bool { return s.Unread == "" })
}

// seen sweeps until what a break declares is shown, or is not any more: for as long as devices themselves may tell what was before, and then twice at most.
func (r *labWorld) seen(t *testing.T, b lab.Break, broken bool) {
	t.Helper()
	var unread []lab.Show
	if broken {
		unread = unreadIn(b)
	}
	began := time.Now()
	for sweeps, late := 1, 0; ; sweeps++ {
		if time.Since(began) >= b.Settles {
			late++
		}
		g := r.sweepBut(t, unread)
		left := notShown(g, b.Shows, broken)
		if left == "" {
			if wrong := uncabled(g, r.Spec, b.Shows); len(wrong) > 0 {
				t.Errorf("broken %v: the graph claims %q", broken, wrong)
			}
			t.Logf("broken %v: shown by sweep %d, which is number %d after it settled", broken, sweeps, late)
			return
		}
		if late == sweepsAllowed {
			t.Errorf("broken %v: %s: %d sweeps after it settled the graph has not:\n%s", broken, b.Summary, late, left)
			return
		}
	}
}

// sweepsAllowed is how many sweeps may pass until a break is seen that has settled, or is not seen any more.
const sweepsAllowed = 2

// uncabled lists the links of a graph that are neither cables of the lab nor what a break makes of them.
func uncabled(g *topology.Snapshot, s *lab.Spec, shows []lab.Show) []string {
	allowed := s.Want()
	for _, show := range shows {
		if show.Rel == topology.Link {
			ends := []string{show.Device + "/" + show.Object, show.To}
			slices.Sort(ends)
			allowed = append(allowed, "link "+strings.Join(ends, " "))
		}
	}
	return slices.DeleteFunc(labSeen(g, s), func(line string) bool { return !strings.HasPrefix(line, "link ") || slices.Contains(allowed, line) })
}

// notShown lists what a graph does not show of what it should, or shows and should not.
func notShown(g *topology.Snapshot, shows []lab.Show, want bool) string {
	var wrong []string
	for _, s := range shows {
		if shown(g, s) != want {
			wrong = append(wrong, fmt.Sprintf("%+v", s))
		}
	}
	return strings.Join(wrong, "\n")
}

// followAll moves VMs by plain virsh, and wants the graph to follow: the same VM on the new host, with its history.
func (r *labWorld) followAll(t *testing.T) {
	t.Helper()
	var moves [][2]string
	for _, vm := range r.Spec.VMs {
		for _, h := range r.Spec.Hosts {
			if h.Name != vm.Host {
				moves = append(moves, [2]string{vm.Name, h.Name})
			}
		}
	}
	// A VM whose unit is masked by its name may log in from any host, one that is masked by address from all of the lab's: every move must go well.
	r.rng.Shuffle(len(moves), func(i, j int) { moves[i], moves[j] = moves[j], moves[i] })
	if !r.all {
		moves = moves[:min(someMoves, len(moves))]
	}
	for _, m := range moves {
		r.follow(t, m[0], m[1])
	}
}

func (r *labWorld) follow(t *testing.T, name, to string) {
	t.Helper()
	from, err := r.HostOf(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if from == to {
		return
	}
	i := slices.IndexFunc(r.Spec.VMs, func(v lab.VM) bool { return v.Name == name })
	vm := &r.Spec.VMs[i]
	before := r.sweep(t)
	promised := r.promised(t, r.sweepArrays(t), name, to)
	if err := r.Migrate(t.Context(), name, from, to); err != nil {
		t.Fatal(err)
	}
	key := topology.Key{Kind: topology.VM, ID: vm.UUID()}
	if was, ok := before.Node(key); !ok || name != was.Name() {
		t.Errorf("%s is another VM than before", name)
	}
	if left := r.settled(t, func(g *topology.Snapshot) string {
		n, ok := g.Node(key)
		host, _ := n.First(topology.RunsOn)
		if !ok || host.Name() != to {
			return fmt.Sprintf("%s runs on %q", name, host.Name())
		}
		for _, rail := range n.Rails() {
			if rail.Independent == 0 {
				return fmt.Sprintf("the %s rail of %s has no way", rail.Name, rail.From.Name())
			}
		}
		return ""
	}); left != "" {
		t.Errorf("%s was moved from %s to %s: %s", name, from, to, left)
	}
	if was := r.hostAt(t, before.Revision(), key); was != from {
		t.Errorf("before its move %s ran on %s; the history says %q", name, from, was)
	}
	vm.Host = to // what the graph is compared with from now on
	_, gateway, _ := r.Spec.Gateway(vm.VLAN)
	for until := time.Now().Add(settleLimit); ; {
		up, err := r.Ping(t.Context(), name, gateway)
		if err == nil && up[gateway] == "UP" {
			break
		}
		if time.Now().After(until) {
			t.Errorf("%s does not reach its gateway %s from %s: %v, %v", name, gateway, to, up, err)
			break
		}
	}
	r.kept(t, promised)
}
