//go:build linux

package neo4j_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	server "github.com/throughline-dc/throughline/fixtures/neo4j"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
	"github.com/throughline-dc/throughline/topology/store/neo4j"
	"github.com/throughline-dc/throughline/topology/store/sqlite"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// TestSuite runs the suite of stores on the pair of an embedded store and what is published of it: each commit is published, and
// each look at the newest revision is compared with what Neo4j gives back.
func TestSuite(t *testing.T) {
	t.Parallel()
	server.Require(t)
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		t.Helper()
		s := graph(t)
		path := filepath.Join(t.TempDir(), "throughline.db")
		return storetest.Harness{
			Persistent: true,
			Open:       func() (store.Store, error) { return openPair(t, s, path) },
			OpenReader: func() (store.Store, error) {
				embedded, err := sqlite.Open(t.Context(), path, sqlite.Options{ReadOnly: true})
				if err != nil {
					return nil, err
				}
				reader, err := neo4j.OpenReader(t.Context(), settings(s))
				if err != nil {
					return nil, errors.Join(err, embedded.Close())
				}
				return &pair{Store: embedded, reader: reader}, nil
			},
		}
	})
}

// pair is an embedded store whose commits are published and whose newest revision is read from both.
type pair struct {
	store.Store
	projector *neo4j.Projector // nil if read-only
	reader    *neo4j.Reader

	mu sync.Mutex // a commit and its publication are one
}

func openPair(t *testing.T, s *server.Server, path string) (store.Store, error) {
	t.Helper()
	embedded, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	p := &pair{Store: embedded}
	if p.projector, err = neo4j.Open(t.Context(), settings(s), embedded); err == nil {
		err = p.projector.Sync(t.Context())
	}
	if err == nil {
		p.reader, err = neo4j.OpenReader(t.Context(), settings(s))
	}
	if err != nil {
		return nil, errors.Join(err, embedded.Close())
	}
	return p, nil
}

func (p *pair) Commit(ctx context.Context, parent topology.Revision, d topology.Delta) (topology.Revision, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rev, err := p.Store.Commit(ctx, parent, d)
	if err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx) // what is committed is published, whatever became of the caller
	next, err := p.Store.Snapshot(ctx, rev)
	if err != nil {
		return 0, err
	}
	return rev, p.projector.Publish(ctx, next, d)
}

func (p *pair) Snapshot(ctx context.Context, rev topology.Revision) (*topology.Snapshot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	want, err := p.Store.Snapshot(ctx, rev)
	if err != nil || rev != 0 {
		return want, err
	}
	got, err := p.reader.Snapshot(ctx, 0)
	if err != nil {
		return nil, err
	}
	if p.projector == nil && got.Revision() != want.Revision() {
		return want, nil // another process commits
	}
	return got, same(got, want)
}

func (p *pair) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	errs := []error{p.Store.Close(), p.reader.Close()}
	if p.projector != nil {
		errs = append(errs, p.projector.Close())
	}
	return errors.Join(errs...)
}

// same compares all that two snapshots say, revision and time included.
func same(got, want *topology.Snapshot) error {
	a, b := octets(got), octets(want)
	if bytes.Equal(a, b) && topology.Diff(got, want).Empty() {
		return nil
	}
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	around := func(x []byte) []byte { return x[max(0, at-300):min(len(x), at+300)] }
	return fmt.Errorf("revision %d of %s read from Neo4j is not revision %d of %s; at octet %d:\n got …%s…\nwant …%s…",
		got.Revision(), got.Time(), want.Revision(), want.Time(), at, around(a), around(b))
}

func octets(s *topology.Snapshot) []byte {
	var b bytes.Buffer
	if err := s.WriteCheckpoint(&b); err != nil {
		panic(err)
	}
	var j bytes.Buffer
	fmt.Fprintf(&j, "%d %s\n", s.Revision(), s.Time().Format(time.RFC3339Nano))
	if err := s.WriteJSON(&j, true); err != nil {
		panic(err)
	}
	return append(j.Bytes(), b.Bytes()...)
}
