package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/fixtures/neo4j"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/memory"
	graph "github.com/throughline-dc/throughline/topology/store/neo4j"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// TestLivePublisher_away takes Neo4j away while commits go on: none of them waits, and when it is back it gets to the newest.
func TestLivePublisher_away(t *testing.T) { //nolint:paralleltest // a database server is enough at once
	neo4j.Require(t)
	server := startNeo4j(t)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	st := memory.New()
	defer st.Close() //nolint:errcheck // in memory
	cfg := graph.Config{URI: server.URI(), Store: "test", Timeout: time.Minute}
	said := make(warnings, 100)
	p := newPublisher(func(ctx context.Context) (*graph.Projector, error) { return graph.Open(ctx, cfg, st) }, slog.New(slog.NewTextHandler(said, nil)))
	p.retry = 100 * time.Millisecond
	first := make(chan sentReport, 1)
	p.first = func(sent sentReport) { first <- sent }
	running, stop := context.WithCancel(ctx)
	go p.run(running)
	commit := func(n int) {
		newest, err := st.Snapshot(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		d := storetest.Estate(n, storetest.Start())
		if newest.Revision() > 0 {
			d = storetest.Move(newest, 0, 1+n%2)
		}
		if _, err := st.Commit(ctx, newest.Revision(), d); err != nil {
			t.Fatal(err)
		}
		next, err := st.Snapshot(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		p.committed(next, d)
	}
	commit(200)
	server.Kill()
	for n := range 2 * mostQueued { // more than are queued
		commit(1000 + n)
	}
	select {
	case line := <-said:
		if !strings.Contains(line, "Neo4j is behind") {
			t.Errorf("said %q", line)
		}
	case <-ctx.Done():
		t.Fatal("nobody was told that Neo4j is away")
	}
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	sent, err := p.finish(ctx, stop)
	if err != nil {
		t.Fatal(err)
	}
	if told := <-first; told.Nodes == 0 || told.Relations == 0 || sent.Nodes < told.Nodes {
		t.Errorf("told of %+v after the first publication, of %+v in the end", told, sent)
	}
	r, err := graph.OpenReader(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read only
	got, err := r.Snapshot(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	want, err := st.Snapshot(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if changes := topology.Diff(want, got).Changes; got.Revision() != want.Revision() || len(changes) > 0 {
		t.Errorf("Neo4j is at @%d, the store at @%d; %d differences", got.Revision(), want.Revision(), len(changes))
	}
}

// warnings hands on what is logged, and drops it when nobody listens.
type warnings chan string

func (w warnings) Write(line []byte) (int, error) {
	select {
	case w <- string(line):
	default:
	}
	return len(line), nil
}

var _ io.Writer = warnings(nil)

// A password is read from a file that nobody else can read, and never shown.
func TestPublish_login(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const password = "canary-7f3a"
	for _, c := range []struct{ name, where, want string }{
		{"password in the URI", "neo4j://neo4j:" + password + "@graph.example", "a login has no place in a URI"},
		{"no host", "neo4j://", "want neo4j://HOST"},
		{"a query", "neo4j://graph.example?password=" + password, "and no more"},
		{"a fragment", "neo4j://graph.example#" + password, "and no more"},
		{"two databases", "neo4j://graph.example/a/b", "and no more"},
		{"a port that cannot be", "neo4j://graph.example:99999", "want 1 to 65535"},
		{"another scheme", "https://graph.example", "want neo4j://HOST"},
	} {
		code, out, errs := program(t, "store", "rebuild", "--store", filepath.Join(dir, "none.db"), "--publish", c.where)
		if code == exitOK || strings.Contains(out+errs, password) {
			t.Errorf("%s: exit code %d: %s", c.name, code, errs)
		}
		a := &app{neo4j: neo4jFlags{user: defaultNeo4jUser}}
		if _, err := a.neo4jConfig(c.where); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A Neo4j that takes connections and never answers does not hold the program up for longer than the grace after a signal.
func TestPublisher_silent(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it listens to nobody
	st := memory.New()
	defer st.Close() //nolint:errcheck // in memory
	cfg := graph.Config{URI: "bolt://" + l.Addr().String(), Store: "test", Timeout: time.Hour}
	p := newPublisher(func(ctx context.Context) (*graph.Projector, error) { return graph.Open(ctx, cfg, st) }, slog.New(slog.DiscardHandler))
	signalled, signal := context.WithCancel(t.Context())
	running, stop := context.WithCancel(context.WithoutCancel(signalled))
	go p.run(running)
	signal()
	last, cancel := lingering(signalled, time.Hour, 50*time.Millisecond)
	defer cancel()
	if _, err := p.finish(last, stop); !errors.Is(err, errGrace) {
		t.Errorf("error is %v, want %v", err, errGrace)
	}
}

// What does not pass by itself is an error in the log, which is tried again: the truth is kept meanwhile.
func TestPublisher_refused(t *testing.T) {
	t.Parallel()
	said := make(warnings, 100)
	p := newPublisher(func(context.Context) (*graph.Projector, error) { return nil, fmt.Errorf("here: %w", graph.ErrAuth) }, slog.New(slog.NewTextHandler(said, nil)))
	p.retry = time.Millisecond
	running, stop := context.WithCancel(t.Context())
	go p.run(running)
	for range 3 {
		if line := <-said; !strings.Contains(line, "level=ERROR") || !strings.Contains(line, graph.ErrAuth.Error()) {
			t.Errorf("said %q", line)
		}
	}
	if _, err := p.finish(t.Context(), stop); !errors.Is(err, graph.ErrAuth) {
		t.Errorf("error is %v, want %v", err, graph.ErrAuth)
	}
}

// The first signal stops the work, the second ends the process, unless it is the first told twice.
func TestObey(t *testing.T) {
	t.Parallel()
	signals, exited := make(chan os.Signal), make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go obey(signals, cancel, func(code int) { exited <- code }, 0)
	signals <- os.Interrupt
	<-ctx.Done()
	select {
	case code := <-exited:
		t.Fatalf("exit code %d after one signal", code)
	default:
	}
	signals <- syscall.SIGTERM
	if code := <-exited; code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	_, cancel = context.WithCancel(t.Context())
	defer cancel()
	twice := make(chan os.Signal)
	go obey(twice, cancel, func(int) { t.Error("one signal told twice ended the process") }, time.Hour)
	twice <- os.Interrupt
	twice <- os.Interrupt
}

// Stores in memory have one name on a machine: one that begins takes the place of the one before.
func TestStoreName(t *testing.T) {
	t.Parallel()
	memory, err := storeName("memory:")
	if err != nil || strings.Contains(memory, strconv.Itoa(os.Getpid())) {
		t.Errorf("memory is %q, %v", memory, err)
	}
	dir := t.TempDir()
	one, err := storeName(filepath.Join(dir, "one.db"))
	if two, err2 := storeName("sqlite:" + filepath.Join(dir, "two.db")); err != nil || err2 != nil || one == two || one == memory {
		t.Errorf("stores are %q and %q, %v, %v", one, two, err, err2)
	}
}
