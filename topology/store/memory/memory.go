// Package memory keeps the graph and its history in memory: for tests, and for what need not outlive the process.
package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

// Store is a store.Store. Its snapshots share what did not change, so that history costs what changed.
type Store struct {
	writing sync.Mutex // held by the one commit or prune that runs

	mu     sync.RWMutex // guards the fields below, never for long
	kept   []revision   // oldest first, without gaps
	closed bool

	watchers store.Broadcast
}

type revision struct {
	info     store.RevisionInfo
	snapshot *topology.Snapshot
}

var _ store.Store = (*Store)(nil)

// New gives an empty store.
func New() *Store { return &Store{} }

// history gives what is kept now. What a slice holds does not change: commits append, prunes replace.
func (s *Store) history(ctx context.Context) ([]revision, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	return s.kept, nil
}

func newest(kept []revision) *topology.Snapshot {
	if len(kept) == 0 {
		return topology.Empty()
	}
	return kept[len(kept)-1].snapshot
}

// Snapshot gives one revision; 0 means the newest.
func (s *Store) Snapshot(ctx context.Context, rev topology.Revision) (*topology.Snapshot, error) {
	kept, err := s.history(ctx)
	if err != nil {
		return nil, err
	}
	if rev == 0 {
		return newest(kept), nil
	}
	if len(kept) == 0 || rev < kept[0].info.Revision || rev > newest(kept).Revision() {
		return nil, fmt.Errorf("%w: %d", store.ErrNotFound, rev)
	}
	return kept[rev-kept[0].info.Revision].snapshot, nil
}

// Revisions lists what is kept, oldest first, from the given time on.
func (s *Store) Revisions(ctx context.Context, from time.Time) ([]store.RevisionInfo, error) {
	kept, err := s.history(ctx)
	if err != nil {
		return nil, err
	}
	var infos []store.RevisionInfo
	for _, r := range kept {
		if !r.info.Time.Before(from) {
			infos = append(infos, r.info)
		}
	}
	return infos, nil
}

// Watch sends each new revision until ctx ends or the store is closed.
func (s *Store) Watch(ctx context.Context) <-chan topology.Revision { return s.watchers.Watch(ctx) }

// Commit makes the next revision.
func (s *Store) Commit(ctx context.Context, parent topology.Revision, d topology.Delta) (topology.Revision, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	kept, err := s.history(ctx)
	if err != nil {
		return 0, err
	}
	next, err := store.Next(newest(kept), parent, d)
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.replace(append(kept, revision{store.Info(next, d), next}))
	s.watchers.Send(next.Revision())
	return next.Revision(), nil
}

// Prune drops the history before the given time.
func (s *Store) Prune(ctx context.Context, before time.Time) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	kept, err := s.history(ctx)
	if err != nil {
		return 0, err
	}
	oldest := 0
	for i, r := range kept {
		if !r.info.Time.After(before) {
			oldest = i
		}
	}
	s.replace(append([]revision(nil), kept[oldest:]...))
	return oldest, nil
}

func (s *Store) replace(kept []revision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = kept
}

// Close waits for what is running and frees the store.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.closed, s.kept = true, nil
	s.watchers.Close()
	return nil
}
