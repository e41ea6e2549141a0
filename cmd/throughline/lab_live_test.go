//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/fixtures/lab"
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
	raw       []byte // its file
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
	}{{"graph", r.compare}, {"rails", r.rails}, {"moves", r.followAll}, {"breaks", r.breakSome}, {"graph at the end", r.compare}, {"Redfish", r.redfish}}
	if !r.all {
		parts = parts[:len(parts)-1] // the service comes from PyPI
	}
	for _, part := range parts { //nolint:paralleltest // one after the other on one lab
		t.Run(part.name, part.run)
	}
}

func startLab(t *testing.T) *labWorld {
	t.Helper()
	lacks := lab.Missing()
	if !libvirt.Live() {
		lacks += "\nthis build has no live libvirt: it needs -tags libvirt_dlopen and cgo"
	}
	switch {
	case lacks != "" && os.Getenv("REQUIRE_LIVE") == "1":
		t.Fatal(lacks)
	case lacks != "":
		t.Skip("SKIPPED, live: " + lacks)
	}
	seed, err := strconv.ParseUint(os.Getenv("LAB_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().Unix()) / (24 * 60 * 60) // another choice every day, the same all day long
	}
	t.Logf("LAB_SEED=%d", seed)
	dir := t.TempDir()
	program := build(t, filepath.Join(dir, "throughline"), ".", "1", "-tags=libvirt_dlopen")
	if os.Getenv("THROUGHLINE_LABGUEST") == "" {
		t.Setenv("THROUGHLINE_LABGUEST", build(t, filepath.Join(dir, "guest"), "../../fixtures/lab/guest", "0"))
	}
	raw := bytes.ReplaceAll(bytes.Replace(lab.Default(), []byte("name: lab\n"), []byte("name: tgraph\n"), 1), []byte("10.99.0."), []byte("10.99.11."))
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
		Lab: l, liveRun: liveRun{t: t, dir: dir}, raw: raw, inventory: filepath.Join(dir, "inventory.yaml"),
		rng: rand.New(rand.NewPCG(seed, 5)), all: os.Getenv("LAB_FULL") == "1",
	}
	if err := os.WriteFile(r.inventory, l.Inventory(), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// build compiles a program of ours.
func build(t *testing.T, file, pkg, cgo string, flags ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-trimpath"}, flags...), "-o", file, pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v: %s", pkg, err, out)
	}
	return file
}

// sweep reads the lab once, and gives the graph.
func (r *labWorld) sweep(t *testing.T) *topology.Snapshot {
	t.Helper()
	var said bytes.Buffer
	store := filepath.Join(r.dir, "lab.db")
	if code := run(t.Context(), []string{"--store", store, "collect", "--inventory", r.inventory}, &said, &said); code != exitOK && code != exitPartial {
		t.Fatalf("collect ends with %d:\n%s", code, &said)
	}
	a := &app{store: store, out: &said, errs: &said, now: time.Now}
	g, err := a.snapshotAt(t.Context(), "")
	if err != nil {
		t.Fatal(err)
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

// breakOne wants to see what a break declares while it lasts, and nothing of it before and after.
func (r *labWorld) breakOne(t *testing.T, b lab.Break) {
	t.Helper()
	seen := func(want bool) func(*topology.Snapshot) string {
		return func(g *topology.Snapshot) string {
			var wrong []string
			for _, s := range b.Shows {
				if shown(g, s) != want {
					wrong = append(wrong, fmt.Sprintf("%+v", s))
				}
			}
			return strings.Join(wrong, "\n")
		}
	}
	if left := seen(false)(r.sweep(t)); left != "" {
		t.Errorf("seen before it is broken:\n%s", left)
	}
	if _, err := r.Break(t.Context(), b.Name); err != nil {
		t.Fatal(err)
	}
	if left := r.settled(t, seen(true)); left != "" {
		t.Errorf("%s is not seen:\n%s", b.Summary, left)
	}
	if _, err := r.Mend(t.Context(), b.Name); err != nil {
		t.Fatal(err)
	}
	if left := r.settled(t, seen(false)); left != "" {
		t.Errorf("still seen after it was mended:\n%s", left)
	}
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
}

// redfish adds the Redfish services to the lab that is up, and wants each to have the VMs of its host, for who knows the password.
func (r *labWorld) redfish(t *testing.T) {
	t.Helper()
	l, fresh, err := lab.Up(t.Context(), r.Dir(), "lab.yaml", r.raw, lab.Options{BMC: true})
	if err != nil || fresh {
		t.Fatalf("fresh %v, %v", fresh, err)
	}
	certificates, err := os.ReadFile(filepath.Join(l.Dir(), lab.BMCFile))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificates)
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	for _, h := range r.Spec.Hosts {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://%s:%d/redfish/v1/Systems", h.Address, lab.BMCPort), nil)
		if err != nil {
			t.Fatal(err)
		}
		var status []int
		var text []byte
		for _, password := range []string{"wrong", l.Secret(lab.SecretBMC)} {
			request.SetBasicAuth(lab.BMCUser, password)
			answer, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			status = append(status, answer.StatusCode)
			if text, err = io.ReadAll(answer.Body); err != nil {
				t.Error(err)
			}
			if err := answer.Body.Close(); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(status, []int{http.StatusUnauthorized, http.StatusOK}) {
			t.Errorf("%s answers with %d", h.Name, status)
		}
		for _, vm := range r.Spec.VMs {
			if has := strings.Contains(string(text), vm.UUID()); has != (vm.Host == h.Name) {
				t.Errorf("%s has %s: %v\n%s", h.Name, vm.Name, has, text)
			}
		}
	}
}
