//go:build linux

package neo4j_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	server "github.com/throughline-dc/throughline/fixtures/neo4j"
	"github.com/throughline-dc/throughline/topology/store/neo4j"
)

// shared is the one server of all tests of this package. It has one database, so that tests take turns.
var shared struct {
	server.Shared

	turn chan struct{}

	mu     sync.Mutex
	holder testing.TB // whose turn it is
}

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		fmt.Fprintln(os.Stderr, child(job))
		os.Exit(1)
	}
	flag.Parse()
	_ = flag.Set("rapid.checks", "10") // each writes to a server
	shared.turn = make(chan struct{}, 1)
	code := m.Run()
	shared.Close()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// graph takes the database for a test until it ends, and empties it each time that the test asks.
func graph(tb testing.TB) *server.Server {
	tb.Helper()
	s := shared.Server(tb)
	if holding() != tb {
		select {
		case shared.turn <- struct{}{}:
		case <-tb.Context().Done():
			tb.Fatal("the test ended before its turn")
		}
		hold(tb)
		tb.Cleanup(func() {
			hold(nil)
			<-shared.turn
		})
	}
	for {
		ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
		rows, err := s.Query(ctx, "MATCH (n) WITH n LIMIT 10000 DETACH DELETE n RETURN count(*)", nil)
		cancel()
		if err != nil {
			tb.Fatal(err)
		}
		if fmt.Sprint(rows) == "[[0]]" {
			return s
		}
	}
}

func holding() testing.TB {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	return shared.holder
}

func hold(by testing.TB) { //nolint:thelper // it notes whose turn it is
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.holder = by
}

func settings(s *server.Server) neo4j.Config {
	return neo4j.Config{URI: s.URI(), Store: "test", Timeout: 5 * time.Minute} // no test hangs on it, and a busy machine takes its time
}
