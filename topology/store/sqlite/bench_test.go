package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
	"github.com/throughline-dc/throughline/topology/store/memory"
	"github.com/throughline-dc/throughline/topology/store/sqlite"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// benchNodes is the size of the estate of the benchmarks; BENCH_NODES=3500000 is what the largest target asks for.
func benchNodes(b *testing.B) int {
	b.Helper()
	n, err := strconv.Atoi(os.Getenv("BENCH_NODES"))
	if err != nil {
		n = 100_000
	}
	return n
}

// estate is a store that holds the estate, and its path.
func estate(b *testing.B) (s *sqlite.Store, path string) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "throughline.db")
	s, err := sqlite.Open(b.Context(), path, sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() }) //nolint:errcheck // it may be closed
	if _, err := s.Commit(b.Context(), 0, storetest.Estate(benchNodes(b), storetest.Start())); err != nil {
		b.Fatal(err)
	}
	return s, path
}

// BenchmarkCommit_estate commits 100,000 nodes into an empty store.
func BenchmarkCommit_estate(b *testing.B) {
	d := storetest.Estate(benchNodes(b), storetest.Start())
	for name, open := range map[string]func() (store.Store, error){
		"memory": func() (store.Store, error) { return memory.New(), nil }, //nolint:unparam // as the other
		"sqlite": func() (store.Store, error) {
			return sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "throughline.db"), sqlite.Options{})
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportMetric(float64(len(d.Add)), "facts")
			for b.Loop() {
				b.StopTimer()
				s, err := open()
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, err := s.Commit(context.Background(), 0, d); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkOpen_estate opens a store of 100,000 nodes for reading, as every command line does.
func BenchmarkOpen_estate(b *testing.B) {
	s, path := estate(b)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	from := cpu(b)
	for b.Loop() {
		s, err := sqlite.Open(b.Context(), path, sqlite.Options{ReadOnly: true})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu(b)-from)/float64(b.N), "cpu-ns/op") // others use the machine as well
	b.ReportMetric(float64(info.Size()), "octets")
	b.ReportMetric(float64(snapshotOctets(b, path)), "live-octets")
}

// snapshotOctets is what the newest snapshot of a store keeps alive: all of it, keys and texts too.
func snapshotOctets(b *testing.B, path string) int64 {
	b.Helper()
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := live()
	s, err := sqlite.Open(b.Context(), path, sqlite.Options{ReadOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	now, err := s.Snapshot(b.Context(), 0)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	octets := live() - before
	runtime.KeepAlive(now)
	return octets
}

// cpu gives the processor time that was used so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCommit_move commits the move of one VM in such a store.
func BenchmarkCommit_move(b *testing.B) {
	s, _ := estate(b)
	now, err := s.Snapshot(b.Context(), 0)
	if err != nil {
		b.Fatal(err)
	}
	vms := 0
	for range now.Nodes(topology.VM) {
		vms++
	}
	for i := 0; b.Loop(); i++ {
		rev, err := s.Commit(b.Context(), now.Revision(), storetest.Move(now, i%vms, (i*7)%(vms/20)))
		if err != nil {
			b.Fatal(err)
		}
		if now, err = s.Snapshot(b.Context(), rev); err != nil {
			b.Fatal(err)
		}
	}
}
