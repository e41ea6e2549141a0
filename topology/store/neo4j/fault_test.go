//go:build linux

package neo4j_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	server "github.com/throughline-dc/throughline/fixtures/neo4j"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/neo4j"
	"github.com/throughline-dc/throughline/topology/store/sqlite"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// childEnv makes the test binary a publisher to be killed: "URI SEED PATH".
const childEnv = "THROUGHLINE_NEO4J_CHILD"

// estateNodes is the size of the estate under the faults.
const estateNodes = 20_000

// child goes on committing and publishing from what it finds. It says a line before each Publish and after it.
func child(job string) error {
	fields := strings.SplitN(job, " ", 3)
	if len(fields) != 3 {
		return fmt.Errorf("%s=%q", childEnv, job)
	}
	seed, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return err
	}
	ctx := context.Background()
	embedded, err := sqlite.Open(ctx, fields[2], sqlite.Options{})
	if err != nil {
		return err
	}
	p, err := neo4j.Open(ctx, neo4j.Config{URI: fields[0], Store: "test"}, embedded)
	if err != nil {
		return err
	}
	fmt.Println("sync")
	if err := p.Sync(ctx); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, seed))
	for {
		newest, err := embedded.Snapshot(ctx, 0)
		if err != nil {
			return err
		}
		d := faultDelta(rng, newest, 1+rng.IntN(6))
		rev, err := embedded.Commit(ctx, newest.Revision(), d)
		if err != nil {
			return err
		}
		if newest, err = embedded.Snapshot(ctx, rev); err != nil {
			return err
		}
		fmt.Println("publish", rev)
		if err := p.Publish(ctx, newest, d); err != nil {
			return err
		}
		fmt.Println("published", rev)
	}
}

// faultDelta has hosts go, or come back with all they have.
func faultDelta(rng *rand.Rand, s *topology.Snapshot, changed int) topology.Delta {
	hosts := estateNodes / 63
	d := topology.Delta{Time: s.Time().Add(time.Second)}
	touched := map[string]bool{}
	full := storetest.Estate(estateNodes, storetest.Start())
	facts := map[string][]topology.Fact{}
	for _, f := range full.Add {
		facts[f.Reading.Device] = append(facts[f.Reading.Device], f)
	}
	for range changed {
		name := fmt.Sprintf("host%05d", rng.IntN(hosts))
		if touched[name] {
			continue
		}
		touched[name] = true
		there := false
		for f := range s.FactsOf(topology.ReadingKey{Device: name, Source: topology.SourceLibvirt, Table: "domains"}) {
			there = true
			d.Remove = append(d.Remove, f)
		}
		if !there {
			d.Add = append(d.Add, facts[name]...)
		}
	}
	for _, r := range full.Renew {
		if touched[r.Device] {
			r.Time = d.Time
			d.Renew = append(d.Renew, r)
		}
	}
	return d
}

// cable is a proxy on loopback between a publisher and the server, which can be cut.
type cable struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	conns map[net.Conn]bool
	left  int // octets until the next cut; 0: never
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l, to: to, conns: map[net.Conn]bool{}}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", to)
			if err != nil {
				reset(in)
				continue
			}
			c.mu.Lock()
			c.conns[in], c.conns[out] = true, true
			c.mu.Unlock()
			group.Go(func() { c.carry(out, in, true) })
			group.Go(func() { c.carry(in, out, false) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.cut()
		group.Wait()
	})
	return c
}

// carry copies until one end closes, or as many octets went to the server as arm said.
func (c *cable) carry(to, from net.Conn, count bool) {
	buf := make([]byte, 8<<10)
	for {
		n, err := from.Read(buf)
		if count && c.spend(n) {
			c.cut()
			return
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			_ = to.Close()
			_ = from.Close()
			return
		}
	}
}

// spend counts octets down, and tells when they are used up.
func (c *cable) spend(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		return false
	}
	c.left = max(0, c.left-n)
	return c.left == 0
}

// arm lets so many octets pass to the server before the next cut.
func (c *cable) arm(octets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = octets
}

// cut resets all connections, on both sides.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		reset(conn)
	}
	clear(c.conns)
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// TestTortureCuts publishes an estate of 20,000 nodes and its changes, while connections are reset, publishers killed and the server asked to stop, at random
// moments; afterwards Neo4j equals the embedded store. There are 60 cuts, of which 3 restart the server; TORTURE=1 makes them 1,000, of which 20 do.
func TestTortureCuts(t *testing.T) {
	t.Parallel()
	s := graph(t)
	cuts, restarts := 60, 3
	switch {
	case os.Getenv("TORTURE") != "":
		cuts, restarts = 1000, 20
	case testing.Short():
		cuts, restarts = 20, 1
	}
	f := &faults{t: t, server: s, rng: rand.New(rand.NewPCG(uint64(cuts), 7)), path: filepath.Join(t.TempDir(), "throughline.db")}
	f.cable = newCable(t, s.Address())
	f.prepare()
	for i := range cuts {
		switch {
		case i%20 == 0: // the first meets the estate itself
			f.killInBigChange(i > 0)
		case i%(cuts/restarts) == cuts/restarts/2:
			f.restartServer()
		case i%3 == 1:
			f.killPublisher(1+f.rng.IntN(3), 150*time.Millisecond)
		default:
			f.cutCable()
		}
		if i%10 == 9 || i == cuts-1 {
			f.check()
		}
	}
	t.Logf("%d cables cut, %d publishers killed, %d servers restarted; %d transactions were tried again; %d times a big change was half done",
		f.cut, f.killed, f.restarted, f.retries, f.pendings)
}

// faults is what TestTortureCuts plays with.
type faults struct {
	t     *testing.T
	rng   *rand.Rand
	path  string
	cable *cable

	server                                    *server.Server
	cut, killed, restarted, retries, pendings int
}

// prepare commits the estate; the first fault meets its projection.
func (f *faults) prepare() {
	f.t.Helper()
	embedded, err := sqlite.Open(f.t.Context(), f.path, sqlite.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = embedded.Close() }()
	if _, err := embedded.Commit(f.t.Context(), 0, storetest.Estate(estateNodes, storetest.Start())); err != nil {
		f.t.Fatal(err)
	}
}

// publisher runs work with the embedded store and a Projector that talks through the cable.
func (f *faults) publisher(work func(*sqlite.Store, *neo4j.Projector)) {
	f.t.Helper()
	embedded, err := sqlite.Open(f.t.Context(), f.path, sqlite.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = embedded.Close() }()
	cfg := neo4j.Config{URI: "bolt://" + f.cable.listener.Addr().String(), Store: "test", Timeout: 10 * time.Minute} // a restart takes minutes on a busy machine
	p, err := neo4j.Open(f.t.Context(), cfg, embedded)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	work(embedded, p)
	f.retries += p.Stats().Retries
}

// change commits a change and publishes it.
func (f *faults) change(embedded *sqlite.Store, p *neo4j.Projector) {
	f.t.Helper()
	newest, err := embedded.Snapshot(f.t.Context(), 0)
	if err != nil {
		f.t.Fatal(err)
	}
	d := faultDelta(f.rng, newest, 1+f.rng.IntN(6))
	rev, err := embedded.Commit(f.t.Context(), newest.Revision(), d)
	if err != nil {
		f.t.Fatal(err)
	}
	if newest, err = embedded.Snapshot(f.t.Context(), rev); err != nil {
		f.t.Fatal(err)
	}
	if err := p.Publish(f.t.Context(), newest, d); err != nil {
		f.t.Fatal(err)
	}
}

// cutCable resets the connection after a random number of octets of a change.
func (f *faults) cutCable() {
	f.t.Helper()
	f.cut++
	f.publisher(func(embedded *sqlite.Store, p *neo4j.Projector) {
		switch {
		case f.cut == 1: // in the midst of a big change
			f.cable.arm(3 << 20)
		case f.rng.IntN(2) == 0: // in the midst of what a Projector does first
			f.cable.arm(1 + f.rng.IntN(3000))
		}
		if err := p.Sync(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
		f.cable.arm(1 + f.rng.IntN(60_000))
		f.change(embedded, p)
		f.cable.arm(0)
	})
}

// killInBigChange kills a publisher while it sends a change that is too big for one transaction.
func (f *faults) killInBigChange(commit bool) {
	f.t.Helper()
	if commit {
		embedded, err := sqlite.Open(f.t.Context(), f.path, sqlite.Options{})
		if err != nil {
			f.t.Fatal(err)
		}
		newest, err := embedded.Snapshot(f.t.Context(), 0)
		if err == nil {
			_, err = embedded.Commit(f.t.Context(), newest.Revision(), faultDelta(f.rng, newest, 2*estateNodes/63))
		}
		if err := errors.Join(err, embedded.Close()); err != nil {
			f.t.Fatal(err)
		}
	}
	f.killPublisher(1, 2*time.Second)
	rows, err := f.server.Query(f.t.Context(), "MATCH (p:Projection) RETURN p.pending IS NOT NULL", nil)
	if err != nil || len(rows) != 1 {
		f.t.Fatalf("projection: %v, %v", rows, err)
	}
	if rows[0][0] == true {
		f.pendings++
	}
}

// killPublisher kills a process that publishes, by SIGKILL, at most so long after it said for the nth time that it begins.
func (f *faults) killPublisher(begins int, within time.Duration) {
	f.t.Helper()
	f.killed++
	cmd := exec.CommandContext(f.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", childEnv, f.server.URI(), f.rng.Uint64()>>1, f.path))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	seen := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "published") {
			seen++
		}
		if seen == begins {
			break
		}
	}
	wait := time.NewTimer(rand.N(within))
	<-wait.C
	_ = cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, out)
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		f.t.Fatalf("the publisher ended by itself: %v", err)
	}
}

// restartServer asks the server to stop in the midst of changes, and starts it again, while the publisher goes on trying.
func (f *faults) restartServer() {
	f.t.Helper()
	f.restarted++
	f.publisher(func(embedded *sqlite.Store, p *neo4j.Projector) {
		if err := p.Sync(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
		back := make(chan error, 1)
		wait := time.NewTimer(time.Duration(f.rng.IntN(200)) * time.Millisecond)
		go func() {
			<-wait.C
			f.server.Stop()
			back <- f.server.Restart(f.t.Context())
		}()
		for {
			f.change(embedded, p)
			select {
			case err := <-back:
				if err != nil {
					f.t.Fatal(err)
				}
				return
			default:
			}
		}
	})
}

// check brings Neo4j to the newest revision and compares.
func (f *faults) check() {
	f.t.Helper()
	f.publisher(func(embedded *sqlite.Store, p *neo4j.Projector) {
		if err := p.Sync(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
		r, err := neo4j.OpenReader(f.t.Context(), settings(f.server))
		if err != nil {
			f.t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		got, err := r.Snapshot(f.t.Context(), 0)
		if err != nil {
			f.t.Fatal(err)
		}
		want, err := embedded.Snapshot(f.t.Context(), 0)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := same(got, want); err != nil {
			f.t.Fatal(err)
		}
		checkPlain(f.t, f.server, want)
	})
}
