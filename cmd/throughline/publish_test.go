package main

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
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
	if err := p.finish(ctx, stop); err != nil {
		t.Fatal(err)
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
