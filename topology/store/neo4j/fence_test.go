//go:build linux

package neo4j_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	driver "github.com/neo4j/neo4j-go-driver/v5/neo4j"

	server "github.com/throughline-dc/throughline/fixtures/neo4j"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
	"github.com/throughline-dc/throughline/topology/store/memory"
	"github.com/throughline-dc/throughline/topology/store/neo4j"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// isAll tells whether an error is the sentinel and says all of the words.
func isAll(err, sentinel error, words ...string) bool {
	if !errors.Is(err, sentinel) {
		return false
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			return false
		}
	}
	return true
}

// TestFence has two Projectors of one store: the later one writes, the earlier one may do nothing any more.
func TestFence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *neo4j.Config) { c.Holder = "the first" })
	rng := rand.New(rand.NewPCG(1, 2))
	w.publish(storetest.Delta(rng, w.newest, 50))
	first := w.p
	w.open(func(c *neo4j.Config) { c.Holder = "the second" })
	d := storetest.Delta(rng, w.newest, 50)
	w.commit(d)
	for range 2 {
		if err := first.Publish(t.Context(), w.newest, d); !isAll(err, neo4j.ErrFenced, "the second") {
			t.Fatalf("error is %v, want ErrFenced and who has the fence", err)
		}
	}
	w.sync()
	w.check()
	if _, err := w.server.Query(t.Context(), "MATCH (n) DETACH DELETE n", nil); err != nil {
		t.Fatal(err)
	}
	if err := w.p.Sync(t.Context()); !isAll(err, neo4j.ErrFenced, "emptied") {
		t.Errorf("in a database that somebody emptied: error is %v, want ErrFenced", err)
	}
}

// TestReader_contract asks a Reader for what it has, and for what it has not.
func TestReader_contract(t *testing.T) {
	t.Parallel()
	s := graph(t)
	if _, err := neo4j.OpenReader(t.Context(), settings(s)); !isAll(err, neo4j.ErrUnpublished, s.Address()) {
		t.Fatalf("where nothing was published: error is %v", err)
	}
	w := newWorld(t, nil)
	if got, err := w.r.Snapshot(t.Context(), 0); err != nil || got.Revision() != 0 || got.Len() != 0 {
		t.Errorf("of an empty store: %v, %v", got, err)
	}
	if infos, err := w.r.Revisions(t.Context(), time.Time{}); err != nil || len(infos) != 0 {
		t.Errorf("revisions of an empty store: %v, %v", infos, err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	watch := w.r.Watch(t.Context())
	for range 3 {
		w.publish(storetest.Delta(rng, w.newest, 20))
	}
	for rev := range watch {
		if rev == 3 {
			break
		}
	}
	for _, rev := range []topology.Revision{1, 2, 4} {
		if _, err := w.r.Snapshot(t.Context(), rev); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("revision %d: error is %v, want ErrNotFound", rev, err)
		}
	}
	if got, err := w.r.Snapshot(t.Context(), 3); err != nil || same(got, w.newest) != nil {
		t.Errorf("revision 3: %v, %v", err, same(got, w.newest))
	}
	infos, err := w.r.Revisions(t.Context(), time.Time{})
	kept, _ := w.embedded.Revisions(t.Context(), w.newest.Time())
	if err != nil || len(infos) != 1 || infos[0] != kept[len(kept)-1] {
		t.Errorf("revisions: %+v, %v, want the last of %+v", infos, err, kept)
	}
	if infos, err := w.r.Revisions(t.Context(), w.newest.Time().Add(time.Hour)); err != nil || len(infos) != 0 {
		t.Errorf("revisions of the future: %v, %v", infos, err)
	}
	if err := w.r.Close(); err != nil {
		t.Error(err)
	}
	if _, open := <-watch; open {
		t.Error("the watch goes on after Close")
	}
	if _, err := w.r.Snapshot(t.Context(), 0); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestErrors has every way in which a server can refuse; each error names the server and says no password.
func TestErrors(t *testing.T) {
	t.Parallel()
	server.Require(t)
	const password = "correct horse battery"
	locked, err := server.Start(t.Context(), server.Options{Home: t.TempDir(), Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(locked.Kill)
	say := func(p string) func() (string, error) { return func() (string, error) { return p, nil } }
	good := neo4j.Config{URI: locked.URI(), User: server.User, Password: say(password), Store: "test", Timeout: time.Minute}
	for _, tc := range []struct {
		name   string
		change func(*neo4j.Config)
		want   error
		words  []string
	}{
		{"right", func(*neo4j.Config) {}, nil, nil},
		{"routed", func(c *neo4j.Config) { c.URI = "neo4j://" + locked.Address() }, nil, nil},
		{"wrong password", func(c *neo4j.Config) { c.Password = say("s3cret wrong") }, neo4j.ErrAuth, []string{locked.Address()}},
		{"no password", func(c *neo4j.Config) { c.Password = nil }, neo4j.ErrAuth, []string{locked.Address()}},
		{"wrong database", func(c *neo4j.Config) { c.Database = "nowhere" }, neo4j.ErrDatabase, []string{locked.Address(), "nowhere"}},
		{"nobody there", func(c *neo4j.Config) { c.URI, c.Timeout = "bolt://"+unusedAddress(t), time.Second }, neo4j.ErrUnavailable, []string{"1s"}},
	} {
		cfg := good
		tc.change(&cfg)
		p, err := neo4j.Open(t.Context(), cfg, memory.New())
		if !errors.Is(err, tc.want) || err != nil && !isAll(err, tc.want, tc.words...) {
			t.Errorf("%s: error is %v, want %v and %q", tc.name, err, tc.want, tc.words)
		}
		if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), password)) {
			t.Errorf("%s: the error says the password: %v", tc.name, err)
		}
		if err == nil {
			if err := p.Sync(t.Context()); err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			_ = p.Close()
		}
	}
	cfg := good
	cfg.Password = func() (string, error) { return "", errors.New("the file is gone") }
	if _, err := neo4j.Open(t.Context(), cfg, memory.New()); err == nil || !strings.Contains(err.Error(), "the file is gone") {
		t.Errorf("without the password's file: %v", err)
	}
	gone(t, locked, good)
}

// gone kills the server under a Projector: it says so in time, and goes on when the server is back.
func gone(t *testing.T, s *server.Server, cfg neo4j.Config) {
	t.Helper()
	w := &world{tb: t, server: s, embedded: memory.New(), newest: topology.Empty()}
	cfg.Timeout, cfg.Rebuild = 30*time.Second, true // long enough for a server that shares two processors with many others
	p, err := neo4j.Open(t.Context(), cfg, w.embedded)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	w.p = p
	w.publish(storetest.Estate(100, storetest.Start()))
	s.Kill()
	d := storetest.Move(w.newest, 1, 0)
	w.commit(d)
	if err := p.Publish(t.Context(), w.newest, d); !isAll(err, neo4j.ErrUnavailable, s.Address()) {
		t.Errorf("server gone: error is %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Publish(ended, w.newest, d); !errors.Is(err, context.Canceled) {
		t.Errorf("context that ended: error is %v", err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.sync()
	checkPlain(t, s, w.newest)
}

func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestDeadlock has a foreign transaction take two locks in the other order, again and again, until the server has ended one of ours: it is repeated, and
// nobody notices.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.publish(storetest.Estate(200, storetest.Start()))
	foreign, err := driver.NewDriverWithContext(w.server.URI(), driver.NoAuth())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = foreign.Close(context.Background()) })
	for try := 0; w.p.Stats().Retries == 0; try++ {
		if try == 50 {
			t.Fatal("in 50 deadlocks the server always chose the other one")
		}
		d := storetest.Move(w.newest, try%20, try%3)
		w.commit(d)
		vm := d.Add[0].Subject
		published := make(chan error, 1)
		provoke(t, foreign, vm.ID, func() {
			go func() { published <- w.p.Publish(t.Context(), w.newest, d) }()
		})
		if err := <-published; err != nil {
			t.Fatal(err)
		}
	}
	w.check()
}

// provoke locks a VM, lets the other begin, which locks the Projection and waits for the VM, and then asks for the Projection.
func provoke(t *testing.T, foreign driver.DriverWithContext, id string, begin func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	session := foreign.NewSession(ctx, driver.SessionConfig{DatabaseName: "neo4j"})
	defer func() { _ = session.Close(ctx) }()
	tx, err := session.BeginTransaction(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	// The more locks it holds, the likelier it is that the server ends the other one.
	lock := func(cypher string) error {
		result, err := tx.Run(ctx, cypher, map[string]any{"id": id})
		if err == nil {
			_, err = result.Consume(ctx)
		}
		return err
	}
	if err := lock("MATCH (n) WHERE NOT n:Projection SET n._lock = 1"); err != nil {
		t.Fatal(err)
	}
	begin()
	waiting := "SHOW TRANSACTIONS YIELD status WHERE status STARTS WITH 'Blocked' RETURN count(*)"
	for {
		rows, err := shared.Server(t).Query(ctx, waiting, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 1 && rows[0][0] != int64(0) {
			break
		}
	}
	_ = lock("MATCH (p:Projection) SET p._lock = 1") // one of the two is ended here, and this one is rolled back in any case
}
