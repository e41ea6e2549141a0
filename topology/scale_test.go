package topology_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/fixtures/sim/estate"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// Benchmarks at the size of a data center: 40,000 VMs, or 1 million with BENCH_HUGE=1 (8 GiB of memory).

// scale is the estate that the benchmarks of one run share.
var scale = sync.OnceValue(func() *scaled {
	size := estate.Hosts(2000)
	if os.Getenv("BENCH_HUGE") != "" {
		size = estate.Huge()
	}
	e, err := estate.New(size, 1)
	if err != nil {
		panic(err)
	}
	d := topology.Delta{Time: storetest.Start()}
	known := map[topology.ReadingKey]bool{}
	for f := range e.Truth() {
		f.Reading = readingFor(f)
		f.Since = d.Time
		if !known[f.Reading] {
			known[f.Reading] = true
			d.Renew = append(d.Renew, topology.Reading{ReadingKey: f.Reading, Time: d.Time, Rows: 1})
		}
		d.Add = append(d.Add, f)
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		panic(err)
	}
	return &scaled{Estate: e, snapshot: topology.Compact(s)}
})

type scaled struct {
	*estate.Estate
	snapshot *topology.Snapshot
}

// readingFor gives facts of one owner one reading, as if a collector had read it from there.
func readingFor(f topology.Fact) topology.ReadingKey {
	device := f.Subject.ID
	for i := range device {
		if device[i] == '/' {
			device = device[:i]
			break
		}
	}
	if f.Subject.Kind == topology.VM || f.Subject.Kind == topology.VNIC || f.Subject.Kind == topology.VDisk {
		device = "site " + device[:2]
	}
	return topology.ReadingKey{Device: device, Source: topology.SourceLibvirt, Table: "domains"}
}

// moves gives n deltas, each moving another VM to another host.
func (sc *scaled) moves(n int) []topology.Delta {
	rng := rand.New(rand.NewPCG(1, 1))
	ds := make([]topology.Delta, n)
	for i := range ds {
		vm := estate.VMID(i * (len(sc.VMs) / n))
		ds[i].Time = storetest.Start()
		for f := range node(sc.snapshot, sc.VMKey(vm)).Facts() {
			if f.Rel == topology.RunsOn {
				ds[i].Remove = append(ds[i].Remove, f)
				f.Object = sc.DeviceKey(sc.VMs[rng.IntN(len(sc.VMs))].Host)
				ds[i].Add = append(ds[i].Add, f)
			}
		}
		for _, v := range sc.VNICsOf(vm) {
			for f := range node(sc.snapshot, sc.VNICKey(v)).Facts() {
				if f.Rel == topology.AttachedTo {
					ds[i].Remove = append(ds[i].Remove, f)
					f.Object = sc.BridgeKey(sc.VMs[rng.IntN(len(sc.VMs))].Host)
					ds[i].Add = append(ds[i].Add, f)
				}
			}
		}
	}
	return ds
}

func node(s *topology.Snapshot, k topology.Key) topology.Node {
	n, _ := s.Node(k)
	return n
}

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkApply_move applies the move of one VM, to the same snapshot again and again and to the snapshot after the one before.
func BenchmarkApply_move(b *testing.B) {
	sc := scale()
	moves := sc.moves(10_000)
	b.Run("aside", func(b *testing.B) {
		from := cpu()
		for i := 0; b.Loop(); i++ {
			if _, err := sc.snapshot.Apply(moves[i%len(moves)]); err != nil {
				b.Fatal(err)
			}
		}
		reportCPU(b, from)
	})
	b.Run("inTurn", func(b *testing.B) {
		s, from := sc.snapshot, cpu()
		for i := 0; b.Loop(); i++ {
			if i%len(moves) == 0 {
				s = sc.snapshot
			}
			next, err := s.Apply(moves[i%len(moves)])
			if err != nil {
				b.Fatal(err)
			}
			s = next
		}
		reportCPU(b, from)
	})
}

// BenchmarkBuild makes a snapshot of reconciled records: all facts of the estate, and its relations alone.
func BenchmarkBuild(b *testing.B) {
	g := records(scale().snapshot)
	relations := g
	relations.Texts = nil
	relations.Records = slices.DeleteFunc(slices.Clone(g.Records), func(r topology.Record) bool { return r.Rel == 0 })
	for name, g := range map[string]topology.Graph{"facts": g, "relations": relations} {
		b.Run(name, func(b *testing.B) {
			before := liveHeap()
			var s *topology.Snapshot
			from := cpu()
			for b.Loop() {
				var err error
				if s, err = topology.Build(g, 1, storetest.Start()); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			reportCPU(b, from)
			b.ReportMetric(float64(liveHeap()-before), "heap-octets")
			b.ReportMetric(float64(topology.AdjacencyOctets(s))/float64(s.Len()), "adjacency-octets/node")
			b.ReportMetric(float64(s.Len()), "nodes")
			b.ReportMetric(float64(len(g.Records)), "records")
		})
	}
}

// BenchmarkApply_import brings the estate in by many deltas.
func BenchmarkApply_import(b *testing.B) {
	sc := scale()
	all := topology.Delta{Time: storetest.Start(), Renew: sc.snapshot.Readings(), Add: slices.Collect(sc.snapshot.Facts())}
	for name, size := range map[string]int{"atOnce": len(all.Add), "by100000": 100_000, "by1000": 1000} {
		b.Run(name, func(b *testing.B) {
			start := cpu()
			for b.Loop() {
				s := topology.Empty()
				for from := 0; from < len(all.Add); from += size {
					d := topology.Delta{Time: all.Time, Add: all.Add[from:min(from+size, len(all.Add))]}
					if from == 0 {
						d.Renew = all.Renew
					}
					var err error
					if s, err = s.Apply(d); err != nil {
						b.Fatal(err)
					}
				}
			}
			reportCPU(b, start)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all.Add)), "ns/fact")
		})
	}
}

// cpu gives the processor time that was used so far: what a benchmark reports beside its time, since others use the machine as well.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func now() time.Time { return time.Now() } //nolint:forbidigo // benchmarks measure

// reportCPU gives the processor time of one turn.
func reportCPU(b *testing.B, from time.Duration) {
	b.Helper()
	b.ReportMetric(float64(cpu()-from)/float64(b.N), "cpu-ns/op")
}

// BenchmarkCheckpoint writes and reads the estate.
func BenchmarkCheckpoint(b *testing.B) {
	s := scale().snapshot
	var raw bytes.Buffer
	b.Run("write", func(b *testing.B) {
		from := cpu()
		for b.Loop() {
			raw.Reset()
			if err := s.WriteCheckpoint(&raw); err != nil {
				b.Fatal(err)
			}
		}
		reportCPU(b, from)
		b.ReportMetric(float64(raw.Len()), "octets")
	})
	b.Run("read", func(b *testing.B) {
		from := cpu()
		for b.Loop() {
			if _, err := topology.ReadCheckpoint(bytes.NewReader(raw.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
		reportCPU(b, from)
	})
}

// BenchmarkDiff compares snapshots that share their base, after one move and after 10,000, and two that share nothing.
func BenchmarkDiff(b *testing.B) {
	sc := scale()
	one, many := sc.snapshot, sc.snapshot
	for i, d := range sc.moves(10_000) {
		next, err := many.Apply(d)
		if err != nil {
			b.Fatal(err)
		}
		if many = next; i == 0 {
			one = next
		}
	}
	for name, other := range map[string]*topology.Snapshot{"oneMove": one, "10000Moves": many, "apart": topology.Compact(many)} {
		b.Run(name, func(b *testing.B) {
			from := cpu()
			var cs topology.ChangeSet
			for b.Loop() {
				cs = topology.Diff(sc.snapshot, other)
			}
			reportCPU(b, from)
			b.ReportMetric(float64(len(cs.Changes)), "changes")
		})
	}
}

// BenchmarkWith simulates the move of one VM.
func BenchmarkWith(b *testing.B) {
	sc := scale()
	moves := sc.moves(1000)
	sets := make([]topology.ChangeSet, len(moves))
	for i, d := range moves {
		next, err := sc.snapshot.Apply(d)
		if err != nil {
			b.Fatal(err)
		}
		sets[i] = topology.Diff(sc.snapshot, next)
	}
	from := cpu()
	for i := 0; b.Loop(); i++ {
		if _, err := sc.snapshot.With(sets[i%len(sets)]); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, from)
}

// BenchmarkReach walks from VMs and ports all over the estate, and tells half of the walks and 99 of 100 took at most how long.
func BenchmarkReach(b *testing.B) {
	sc := scale()
	var vnics, vms, ports []topology.Node
	rng := rand.New(rand.NewPCG(2, 2))
	for range 20_000 {
		vm := estate.VMID(rng.IntN(len(sc.VMs)))
		vms = append(vms, node(sc.snapshot, sc.VMKey(vm)))
		vnics = append(vnics, node(sc.snapshot, sc.VNICKey(sc.VNICsOf(vm)[0])))
		uplink := sc.Ports[sc.Devices[sc.VMs[vm].Host].Ports.From].Peer
		if uplink != estate.None {
			ports = append(ports, node(sc.snapshot, sc.PortKey(uplink)))
		}
	}
	for _, walk := range []struct {
		name  string
		steps []topology.Step
		from  []topology.Node
	}{
		{"vnicToCore", topology.StepsToCore(), vnics}, {"vmToUnits", topology.StepsToUnits(), vms}, {"behindPort", topology.StepsBehind(), ports},
	} {
		pattern, err := topology.NewPattern(walk.steps...)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(walk.name, func(b *testing.B) {
			begun := now()
			guide := topology.NewGuide(sc.snapshot, pattern)
			made := now().Sub(begun)
			var r topology.Reached
			var took []time.Duration
			moves, reached := 0, 0
			for i := 0; b.Loop(); i++ {
				from := walk.from[i%len(walk.from)]
				begun := now()
				guide.Reach(from, &r)
				took = append(took, now().Sub(begun))
				if i < len(walk.from) {
					for range r.Moves() {
						moves++
					}
					reached += r.Len()
				}
			}
			walks := float64(min(len(took), len(walk.from)))
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
			b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
			b.ReportMetric(float64(moves)/walks, "moves/op")
			b.ReportMetric(float64(reached)/walks, "nodes/op")
			b.ReportMetric(float64(made.Milliseconds()), "guide-ms")
		})
	}
}

// BenchmarkFind looks for a VM by its name and by its UUID, and for what is not there.
func BenchmarkFind(b *testing.B) {
	sc := scale()
	vm := estate.VMID(len(sc.VMs) / 2)
	for name, what := range map[string]string{"name": sc.VMName(vm), "key": sc.VMKey(vm).String(), "nothing": "no-such-thing"} {
		b.Run(name, func(b *testing.B) {
			from := cpu()
			for b.Loop() {
				sc.snapshot.Find(what)
			}
			reportCPU(b, from)
		})
	}
}
