// Package sqlite keeps the graph and its history in one SQLite file: the embedded store.
//
// One process at a time may write it, any number may read it meanwhile. The newest snapshot is kept in memory. On disk a fact is a row with the
// revisions from which and up to which it holds; checkpoints in between are whole snapshots, so that a revision is the nearest
// checkpoint before it and the facts that came and went since.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"
	"weak"

	_ "modernc.org/sqlite" // the driver

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

// Options say how a store is opened. The zero value writes and keeps everything.
type Options struct {
	ReadOnly bool
	// Keep is how much history is kept at least: commits prune what is older, a little at a time. 0 keeps all.
	Keep time.Duration
}

// pollInterval is how often a reader looks whether another process committed.
const pollInterval = 200 * time.Millisecond

// Store is a store.Store over one file.
type Store struct {
	path string
	opts Options
	lock *lock   // nil if read-only
	w    *sql.DB // nil if read-only; one connection
	r    *sql.DB

	gate *store.Gate

	writing sync.Mutex // held by the one commit or prune that runs
	failed  error      // a COMMIT failed: what is on disk is not known; guarded by writing

	mu       sync.Mutex // guards the two below
	newest   state
	recalled weak.Pointer[topology.Snapshot] // the revision of the past that was last asked for, while somebody uses it

	watchers store.Broadcast
}

var _ store.Store = (*Store)(nil)

// state is a snapshot and where the rows stood when it was made.
type state struct {
	snapshot *topology.Snapshot
	lastFact int64
}

// Open opens the store in the file at path, or makes it if there is none and it may be written. It fails with store.ErrLocked while another
// process writes it, and says in words if the file is another program's, damaged, or of a later version; such a file is left as it is.
// The newest snapshot is read before Open returns.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	s := &Store{path: path, opts: opts, gate: store.NewGate()}
	if err := s.open(ctx); err != nil {
		return nil, s.error(errors.Join(err, s.release()))
	}
	return s, nil
}

func (s *Store) error(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("store %s: %w", s.path, explain(err))
}

func (s *Store) open(ctx context.Context) error {
	path, err := filepath.Abs(s.path)
	if err != nil {
		return err
	}
	exists, err := inspect(path)
	switch {
	case err != nil:
	case !s.opts.ReadOnly:
		err = s.openWriter(ctx, path)
	case !exists:
		err = fmt.Errorf("%w: nothing was collected into it yet", fs.ErrNotExist)
	default:
		err = s.openReader(ctx, path)
	}
	if err != nil {
		return err
	}
	return s.refresh(ctx)
}

func (s *Store) openReader(ctx context.Context, path string) (err error) {
	if s.r, err = open(path, "mode=ro", "_query_only=1"); err != nil {
		return err
	}
	older, err := checkVersion(ctx, s.r)
	if older {
		return errors.New("an earlier version of throughline wrote it: open it once for writing (throughline collect) to upgrade it")
	}
	return err
}

func (s *Store) openWriter(ctx context.Context, path string) (err error) {
	if s.lock, err = lockFile(path + ".lock"); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("the folder %s does not exist: %w", filepath.Dir(path), err)
		}
		return err
	}
	exists, err := inspect(path) // again: another process may have made it before we had the lock
	if err == nil && !exists {
		err = create(ctx, path)
	}
	if err != nil {
		return err
	}
	// synchronous FULL: a commit that was acknowledged survives a power cut, too.
	if s.w, err = open(path, "mode=rw", "_txlock=immediate", "_journal_mode=WAL", "_synchronous=FULL",
		"_pragma=cache_size(-65536)", "_pragma=journal_size_limit(67108864)"); err != nil {
		return err
	}
	s.w.SetMaxOpenConns(1)
	if s.r, err = open(path, "mode=rw", "_query_only=1"); err != nil {
		return err
	}
	older, err := checkVersion(ctx, s.w)
	if err != nil || !older {
		return err
	}
	if err := migrate(ctx, s.w); err != nil {
		return fmt.Errorf("upgrade of the schema: %w", err)
	}
	return nil
}

// Close waits for what is running, ends all watches and frees the file for the next writer.
func (s *Store) Close() error {
	return s.gate.Close(func() error { return s.error(s.release()) })
}

func (s *Store) release() error {
	s.watchers.Close()
	var errs []error
	if s.r != nil {
		errs = append(errs, s.r.Close())
	}
	if s.w != nil {
		errs = append(errs, s.w.Close()) // SQLite moves the WAL into the file when its last connection goes
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return errors.Join(errs...)
}

// Snapshot gives one revision; 0 means the newest.
func (s *Store) Snapshot(ctx context.Context, rev topology.Revision) (*topology.Snapshot, error) {
	leave, err := s.gate.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if now := s.current().snapshot; rev == now.Revision() && rev != 0 || rev == 0 && s.w != nil {
		return now, nil
	}
	if s.w == nil { // others may have committed
		if err := s.refresh(ctx); err != nil {
			return nil, s.error(err)
		}
		if now := s.current().snapshot; rev == 0 || rev == now.Revision() {
			return now, nil
		}
	}
	snapshot, err := s.recall(ctx, rev)
	return snapshot, s.error(err)
}

func (s *Store) current() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest
}

// Revisions lists what is kept, oldest first, from the given time on.
func (s *Store) Revisions(ctx context.Context, from time.Time) ([]store.RevisionInfo, error) {
	leave, err := s.gate.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	infos, err := s.revisions(ctx, from)
	return infos, s.error(err)
}

func (s *Store) revisions(ctx context.Context, from time.Time) ([]store.RevisionInfo, error) {
	var infos []store.RevisionInfo
	err := query(ctx, s.r, "SELECT revision, time, added, removed, renewed FROM revision ORDER BY revision", nil, func(rows *sql.Rows) error {
		var i store.RevisionInfo
		var ms int64
		err := rows.Scan(&i.Revision, &ms, &i.Added, &i.Removed, &i.Renewed)
		if i.Time = time.UnixMilli(ms).UTC(); !i.Time.Before(from) {
			infos = append(infos, i)
		}
		return err
	})
	return infos, err
}

// Watch sends each new revision until ctx ends or the store is closed. The commits of another process are seen within pollInterval.
func (s *Store) Watch(ctx context.Context) <-chan topology.Revision {
	leave, err := s.gate.Enter(ctx)
	if err != nil {
		return store.Closed()
	}
	defer leave()
	if s.w != nil {
		return s.watchers.Watch(ctx)
	}
	return s.gate.Poll(ctx, pollInterval, s.lastRevision(ctx, s.current().snapshot.Revision()), s.lastRevision)
}

// lastRevision asks the file. Where it cannot be read at this moment, nothing new was seen: the next look comes soon.
func (s *Store) lastRevision(ctx context.Context, seen topology.Revision) topology.Revision {
	last := seen
	if err := s.r.QueryRowContext(ctx, "SELECT coalesce(max(revision), 0) FROM revision").Scan(&last); err != nil {
		return seen
	}
	return last
}
