package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

// Prune drops the history before the given time and gives the space back to the disk.
func (s *Store) Prune(ctx context.Context, before time.Time) (int, error) {
	if s.opts.ReadOnly {
		return 0, store.ErrReadOnly
	}
	leave, err := s.gate.Enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	s.writing.Lock()
	defer s.writing.Unlock()
	var gone int64
	err = s.transact(ctx, func(w *writer) error {
		gone, err = w.prune(before, s.current().snapshot.Len())
		return err
	})
	if err != nil {
		return 0, s.error(err)
	}
	// The pages that became free leave the file now, not only when the next commits have filled the WAL.
	if _, err := s.w.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		return int(gone), s.error(err)
	}
	return int(gone), nil
}

// pruneOld keeps what Options.Keep asks for. It does so in steps of a part of that time, since a step costs more than what it drops.
func (w *writer) pruneOld(keep time.Duration, next *topology.Snapshot) error {
	if keep <= 0 {
		return nil
	}
	var oldest int64
	if err := w.get("SELECT time FROM revision ORDER BY revision LIMIT 1", nil, &oldest); err != nil {
		return err
	}
	if next.Time().Sub(time.UnixMilli(oldest)) <= keep+keep/32 {
		return nil
	}
	_, err := w.prune(next.Time().Add(-keep), next.Len())
	return err
}

// prune makes the newest revision at or before a time the oldest that is kept. The checkpoint below it stays, as what later ones are replayed
// from, and with it what leads from there to the oldest kept.
func (w *writer) prune(before time.Time, nodesNow int) (gone int64, err error) {
	var oldest, base int64
	if err := w.get("SELECT coalesce(max(revision), 0) FROM revision WHERE time <= ?", []any{before.UnixMilli()}, &oldest); err != nil {
		return 0, err
	}
	if err := w.get("SELECT coalesce(max(revision), 0) FROM checkpoint WHERE revision <= ?", []any{oldest}, &base); err != nil {
		return 0, err
	}
	if gone, err = w.exec("DELETE FROM revision WHERE revision < ?", oldest); err != nil || gone == 0 {
		return 0, err
	}
	if err := w.dropCheckpoints("revision < ?", base); err != nil {
		return 0, err
	}
	if _, err := w.exec("DELETE FROM look WHERE revision <= ?", base); err != nil {
		return 0, err
	}
	// What ended before the base, and what came and went between the base and the oldest kept.
	if _, err := w.exec("DELETE FROM fact WHERE to_rev <= ? AND (to_rev <= ? OR from_rev > ?)", oldest, base, base); err != nil {
		return 0, err
	}
	if err := w.dropUnused(nodesNow); err != nil {
		return 0, err
	}
	_, err = w.exec("PRAGMA incremental_vacuum")
	return gone, err
}

// dropUnused deletes nodes and readings that no fact mentions. That needs a look at every fact, so it waits until half of them may be gone.
func (w *writer) dropUnused(nodesNow int) error {
	var nodes int
	if err := w.get("SELECT count(*) FROM node", nil, &nodes); err != nil || nodes <= 2*nodesNow+1000 {
		return err
	}
	_, err := w.exec("DELETE FROM node WHERE n NOT IN (SELECT node FROM fact UNION SELECT peer FROM fact WHERE peer IS NOT NULL)")
	_, err2 := w.exec("DELETE FROM reading WHERE n NOT IN (SELECT reading FROM fact)")
	return errors.Join(err, err2)
}
