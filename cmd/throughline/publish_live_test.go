package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/fixtures/neo4j"
	"github.com/throughline-dc/throughline/fixtures/sim"
	"github.com/throughline-dc/throughline/fixtures/sim/estate"
)

// errText is standard error that is read while it is written.
type errText struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (e *errText) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case e.more <- struct{}{}:
	default:
	}
	return e.text.Write(p)
}

func (e *errText) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.String()
}

// await waits until words were written so many times.
func (e *errText) await(ctx context.Context, t *testing.T, words string, times int) {
	t.Helper()
	for strings.Count(e.String(), words) < times {
		select {
		case <-e.more:
		case <-ctx.Done():
			t.Fatalf("%q was never said:\n%s", words, e)
		}
	}
}

// TestLivePublish_trouble collects a simulated data center and publishes it where the login is refused, from stores in memory, and while Neo4j dies.
func TestLivePublish_trouble(t *testing.T) { //nolint:paralleltest // a database server is enough at once
	neo4j.Require(t)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	const password = "canary-4b1d"
	server, err := neo4j.Start(ctx, neo4j.Options{Home: t.TempDir(), Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	scene, err := estate.Demo()
	if err != nil {
		t.Fatal(err)
	}
	lab, err := sim.Start(ctx, scene.Estate, sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lab.Close() })
	dir := t.TempDir()
	secret := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	right, wrong := secret("right", password), secret("wrong", "canary-wrong")
	collect := func(store, password string) []string {
		return []string{"collect", "--inventory", lab.Inventory(), "--store", store, "--publish", server.URI(), "--neo4j-password", password}
	}

	for range 2 {
		code, out, errs := program(t, collect("memory:", right)...)
		if code != exitOK && code != exitPartial || !strings.Contains(out, "published in Neo4j: ") {
			t.Fatalf("a store in memory: exit code %d\n%s%s", code, out, errs)
		}
	}
	file := filepath.Join(dir, "graph.db")
	if code, out, errs := program(t, collect(file, wrong)...); code == exitOK || !strings.Contains(errs, "refuses the login") || out != "" {
		t.Errorf("once with a wrong password: exit code %d\n%s%s", code, out, errs)
	}

	// Neither a refused login nor a Neo4j that dies keeps anybody from collecting, and a signal ends it.
	const missing = "the next collect --publish sends what is missing"
	for _, c := range []struct {
		name string
		args []string
		then func(*errText)
	}{
		{"refused", append(collect(file, wrong), "--every", "1h"), func(errs *errText) {
			errs.await(ctx, t, "level=ERROR", 1)
			collected(ctx, t, file)
		}},
		{"dead", append(collect(file, right), "--every", "1h"), func(errs *errText) {
			server.Kill()
			errs.await(ctx, t, "level=WARN", 1)
		}},
	} {
		running, signal := context.WithCancel(ctx)
		var out bytes.Buffer
		errs := &errText{more: make(chan struct{}, 1)}
		code := make(chan int, 1)
		go func() { code <- run(running, c.args, &out, errs) }()
		c.then(errs)
		signal()
		select {
		case got := <-code:
			if !strings.Contains(errs.String(), missing) || strings.Contains(errs.String(), "canary") || got != exitPartial {
				t.Errorf("%s: exit code %d\n%s", c.name, got, errs)
			}
		case <-ctx.Done():
			t.Fatalf("%s: it does not end", c.name)
		}
	}
}

// collected waits until a store holds something.
func collected(ctx context.Context, t *testing.T, file string) {
	t.Helper()
	for {
		if code, _, _ := program(t, "show", "readings", "--store", file); code == exitOK { //nolint:contextcheck // it has that of the test
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("nothing was collected")
		}
	}
}
