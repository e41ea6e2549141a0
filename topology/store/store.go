// Package store is the contract of what keeps the graph and its history. The stores decide nothing: they serve immutable snapshots and
// record deltas, and package storetest proves that each does it alike.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// Sentinels that callers branch on.
var (
	// ErrLocked: another process writes this store. The text names it as far as it is known.
	ErrLocked = errors.New("store is open for writing elsewhere")
	// ErrStale: the delta was made for another revision than the newest.
	ErrStale = errors.New("delta does not start from the newest revision")
	// ErrEmpty: the delta says nothing, or not when.
	ErrEmpty = errors.New("delta is empty")
	// ErrNotFound: the revision or time lies before the oldest that is kept, or after the newest.
	ErrNotFound = errors.New("no such revision")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrReadOnly: the store was opened for reading, or cannot be written at all.
	ErrReadOnly = errors.New("store is open for reading only")
)

// RevisionInfo describes one revision.
type RevisionInfo struct {
	Revision topology.Revision
	Time     time.Time
	Added    int // facts
	Removed  int // facts
	Renewed  int // readings
}

// Reader serves the past and the present. All methods may be called at any time from any goroutine, also while a commit runs:
// they then see the revision before it or after it, nothing between.
type Reader interface {
	// Snapshot gives one revision; 0 means the newest (of an empty store: topology.Empty).
	Snapshot(ctx context.Context, rev topology.Revision) (*topology.Snapshot, error)
	// Revisions lists what is kept, oldest first, from the given time on (the zero time: all).
	Revisions(ctx context.Context, from time.Time) ([]RevisionInfo, error)
	// Watch sends each new revision after it is durable, until ctx ends or the store is closed; then the channel is closed. A slow
	// reader misses revisions in between, never the newest. Watch before reading the newest snapshot and nothing is missed.
	Watch(ctx context.Context) <-chan topology.Revision
	// Close waits for what is running and frees the store. Further calls give ErrClosed.
	Close() error
}

// Store is a Reader that one process at a time may also write.
type Store interface {
	Reader
	// Commit makes the next revision: all of the delta, durable when Commit returns nil, or nothing of it. parent is the revision
	// that the delta was made for. See Next for what is refused.
	Commit(ctx context.Context, parent topology.Revision, d topology.Delta) (topology.Revision, error)
	// Prune drops the history before the given time; what was true at that time stays answerable from then on. It reports how
	// many revisions went.
	Prune(ctx context.Context, before time.Time) (int, error)
}

// Next checks a delta against the newest snapshot and gives the one it leads to: what every store does first in a commit. It fails with
// ErrEmpty, ErrStale, or what topology's Apply says (ErrConflict, ErrSchema).
func Next(newest *topology.Snapshot, parent topology.Revision, d topology.Delta) (*topology.Snapshot, error) {
	switch {
	case d.Empty():
		return nil, fmt.Errorf("%w: it would be a revision that says nothing", ErrEmpty)
	case d.Time.IsZero():
		return nil, fmt.Errorf("%w: it does not say when it was made", ErrEmpty)
	case parent != newest.Revision():
		return nil, fmt.Errorf("%w: it starts from %d, the newest is %d", ErrStale, parent, newest.Revision())
	}
	return newest.Apply(d)
}

// Info describes the revision that a delta led to.
func Info(s *topology.Snapshot, d topology.Delta) RevisionInfo {
	return RevisionInfo{Revision: s.Revision(), Time: s.Time(), Added: len(d.Add), Removed: len(d.Remove), Renewed: len(d.Renew)}
}

// At finds the newest revision at or before a time: what was known then. It fails with ErrNotFound if nothing so old is kept.
func At(ctx context.Context, r Reader, t time.Time) (*topology.Snapshot, error) {
	infos, err := r.Revisions(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	var rev topology.Revision
	for _, i := range infos {
		if !i.Time.After(t) {
			rev = i.Revision
		}
	}
	switch {
	case len(infos) == 0:
		return nil, fmt.Errorf("%w: the store is empty", ErrNotFound)
	case rev == 0:
		return nil, fmt.Errorf("%w: the oldest that is kept is of %s, which is after %s", ErrNotFound,
			infos[0].Time.Format(time.RFC3339), t.Format(time.RFC3339))
	}
	return r.Snapshot(ctx, rev)
}
