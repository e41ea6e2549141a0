package main

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/fixtures/sim"
	"github.com/throughline-dc/throughline/fixtures/sim/estate"
	"github.com/throughline-dc/throughline/internal/config"
	"github.com/throughline-dc/throughline/topology"
)

// soakInterval is the time between two sweeps of the soak, which nobody waits for: the clock is the test's.
const soakInterval = 5 * time.Minute

// soak is the life of a data center: between two sweeps one guest in a hundred moves, and a cable is pulled or put back.
type soak struct {
	t        *testing.T
	lab      *sim.Lab
	sweeper  *sweeper
	devices  []collectors.Device
	database string
	now      time.Time
	draw     *rand.Rand
	pulled   [2]estate.PortID
}

// look is what one sweep did and left behind.
type look struct {
	changes int    // moves and cables before it
	facts   int    // added and removed
	heap    uint64 // live octets after a collection
	size    int64  // octets of the database
}

func newSoak(t *testing.T, size estate.Size) *soak {
	t.Helper()
	e, err := estate.New(size, 7)
	if err != nil {
		t.Fatal(err)
	}
	// Hosts tell of themselves by libvirt; their SNMP agents would only cost time.
	lab, err := sim.Start(t.Context(), e, sim.Options{Folder: t.TempDir(), SNMPv2c: true, SilentHosts: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lab.Close() })
	s := &soak{
		t: t, lab: lab, database: filepath.Join(t.TempDir(), "throughline.db"),
		now: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), draw: rand.New(rand.NewPCG(1, 2)), pulled: [2]estate.PortID{estate.None, estate.None},
	}
	inventory, err := config.Load(lab.Inventory())
	if err != nil {
		t.Fatal(err)
	}
	s.devices = slices.DeleteFunc(inventory.Devices(), func(d collectors.Device) bool {
		_, answers := lab.Agent(d.Handle)
		return d.Source == topology.SourceSNMP && !answers || d.Source == topology.SourceSSH
	})
	st, err := openStore(t.Context(), s.database, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	clock := func() time.Time { return s.now }
	patient := snmp.DefaultProfile()
	patient.Timeout = time.Minute // a machine that does other work besides is no fault of a device
	runner := collectors.NewRunner(map[topology.Source]collectors.Collector{
		topology.SourceLibvirt: libvirt.New(clock), topology.SourceSNMP: snmp.New(snmp.Options{Profile: patient, Now: clock}),
	}, collectors.Options{BatchAfter: time.Minute, BatchSize: len(s.devices)})
	if s.sweeper, err = newSweeper(t.Context(), st, runner, clock); err != nil {
		t.Fatal(err)
	}
	return s
}

// sweep reads everything once, after so many moves of guests.
func (s *soak) sweep(moves int) look {
	s.t.Helper()
	l := look{}
	if moves > 0 {
		err := s.lab.Change(func(e *estate.Estate) error {
			l.changes = s.migrate(e, moves) + s.recable(e)
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	s.now = s.now.Add(soakInterval)
	added, removed := s.sweeper.added, s.sweeper.removed
	s.sweeper.summary = collectors.Summary{}
	if err := s.sweeper.once(s.t.Context(), s.devices, func(time.Time) []topology.Observation { return nil }); err != nil {
		s.t.Fatal(err)
	}
	if got := s.sweeper.summary; got.OK != len(s.devices) {
		s.t.Fatalf("not every device was read: %s", got)
	}
	for _, d := range s.devices {
		if a, ok := s.lab.Agent(d.Handle); ok {
			a.ResetStats() // what the simulated devices remember is no memory of the program
		}
	}
	l.facts = s.sweeper.added - added + s.sweeper.removed - removed
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers and pools held is gone after the second
	runtime.ReadMemStats(&m)
	l.heap = m.HeapAlloc
	files, _ := filepath.Glob(s.database + "*")
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			l.size += info.Size()
		}
	}
	return l
}

// migrate moves guests to other hosts as far as they can.
func (s *soak) migrate(e *estate.Estate, moves int) (done int) {
	var hosts []estate.DeviceID
	for d, dev := range e.Devices {
		if dev.Role == estate.Hypervisor {
			hosts = append(hosts, estate.DeviceID(d))
		}
	}
	for tries := 0; done < moves && tries < 100*moves; tries++ {
		vm, to := estate.VMID(s.draw.IntN(len(e.VMs))), hosts[s.draw.IntN(len(hosts))]
		if e.VMs[vm].Host == to {
			continue
		}
		if err := e.Migrate(vm, to); err == nil {
			done++
		} else if !errors.Is(err, estate.ErrImpossible) {
			s.t.Fatal(err)
		}
	}
	return done
}

// recable puts back the cable that is pulled, or pulls one.
func (s *soak) recable(e *estate.Estate) int {
	if a, b := s.pulled[0], s.pulled[1]; a != estate.None {
		s.pulled = [2]estate.PortID{estate.None, estate.None}
		if err := e.Recable(a, b); err != nil {
			s.t.Fatal(err)
		}
		return 1
	}
	port := estate.PortID(s.draw.IntN(len(e.Ports)))
	if e.Ports[port].Peer == estate.None {
		return 0
	}
	s.pulled = [2]estate.PortID{port, e.Ports[port].Peer}
	if err := e.Recable(port, estate.None); err != nil {
		s.t.Fatal(err)
	}
	return 1
}

// TestTorture_soak is one simulated hour of a small estate; with TORTURE=1 a day of fifty hosts: three quarters of it with changes, one without.
func TestTorture_soak(t *testing.T) { //nolint:paralleltest // it weighs the memory of the whole process
	if os.Getenv("TORTURE") == "1" {
		newSoak(t, estate.Size{Racks: 5, HostsPerRack: 10, VMsPerHost: 10}).run(216, 72, 1.1)
		return
	}
	newSoak(t, estate.Size{Racks: 2, HostsPerRack: 6, VMsPerHost: 10, UnitsPerRack: 4}).run(8, 4, 1.25)
}

// run sweeps busy times with changes and quiet times without. Memory must be flat: it rises with what changed until the graph is laid out anew, and falls; its peak in the
// last half of all sweeps may have at most heapGrowth times that of the first, and 2 MiB, and so may the middle of the last quarter against the first. History must grow with the changes and not with the sweeps.
func (s *soak) run(busy, quiet int, heapGrowth float64) {
	s.t.Helper()
	const slack, quietSlack = 2 << 20, 256 << 10 // octets
	first := s.sweep(0)                          // everything is new
	looks := make([]look, 0, busy+quiet)
	for range busy {
		looks = append(looks, s.sweep(max(1, len(s.lab.Estate().VMs)/100)))
	}
	for range quiet {
		looks = append(looks, s.sweep(0))
	}
	active, still := looks[:busy], looks[busy:]

	before, after := peak(looks[:len(looks)/2]), peak(looks[len(looks)/2:])
	if after > before*heapGrowth+slack {
		s.t.Errorf("live memory grew from %.1f to %.1f MiB", before/(1<<20), after/(1<<20))
	}
	quarter := len(looks) / 4
	heap := func(l look) float64 { return float64(l.heap) }
	if head, tail := middle(looks[:quarter], heap), middle(looks[len(looks)-quarter:], heap); tail > head*heapGrowth+slack {
		s.t.Errorf("live memory is %.1f MiB in the middle of the last quarter, and was %.1f MiB in the first", tail/(1<<20), head/(1<<20))
	}
	perChange := func(l look) float64 { return float64(l.facts) / float64(max(1, l.changes)) }
	early, late := middle(active[:busy/4], perChange), middle(active[busy-busy/4:], perChange)
	if late > 2*early {
		s.t.Errorf("a change costs %.0f facts in the end, it was %.0f in the beginning", late, early)
	}
	for i, l := range still {
		if l.facts > 0 {
			s.t.Errorf("quiet sweep %d wrote %d facts", i, l.facts)
		}
	}
	grown, idle := active[busy-1].size-first.size, still[quiet-1].size-active[busy-1].size
	if idle > grown/10+quietSlack {
		s.t.Errorf("the database grew by %d octets in %d quiet sweeps, by %d in %d with changes", idle, quiet, grown, busy)
	}
	changes, facts := 0, 0
	for _, l := range active {
		changes, facts = changes+l.changes, facts+l.facts
	}
	s.t.Logf("%s simulated in %d sweeps of %d readings: %d changes wrote %d facts; live memory at most %.1f MiB in the first half, %.1f MiB in the last; "+
		"database %.1f MiB after the first sweep, %.1f MiB after the last change (%d octets a fact), %.1f MiB after %d quiet sweeps",
		soakInterval*time.Duration(busy+quiet), busy+quiet, len(s.devices), changes, facts, before/(1<<20), after/(1<<20),
		float64(first.size)/(1<<20), float64(active[busy-1].size)/(1<<20), grown/int64(max(1, facts)), float64(still[quiet-1].size)/(1<<20), quiet)
}

// peak is the most live memory.
func peak(looks []look) float64 {
	return float64(slices.MaxFunc(looks, func(a, b look) int { return cmp.Compare(a.heap, b.heap) }).heap)
}

// middle is the median of what is looked at.
func middle(looks []look, of func(look) float64) float64 {
	values := make([]float64, len(looks))
	for i, l := range looks {
		values[i] = of(l)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
