package neo4j

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/neo4j/neo4j-go-driver/v5/neo4j"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

// pollInterval is how often a Reader looks whether something was published.
const pollInterval = 500 * time.Millisecond

// Reader is a store.Reader over what a Projector published: one revision, the current one, equal to that of the embedded store. It writes nothing.
type Reader struct {
	c    *client
	gate *store.Gate

	mu     sync.Mutex // guards the two below
	last   *topology.Snapshot
	writes int64 // of the state that last was read in
}

var _ store.Reader = (*Reader)(nil)

// OpenReader connects. It fails with ErrUnavailable, ErrAuth, ErrDatabase, ErrVersion, or ErrUnpublished.
func OpenReader(ctx context.Context, cfg Config) (*Reader, error) {
	c, err := dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	r := &Reader{c: c, gate: store.NewGate()}
	if _, err := r.state(ctx); err != nil {
		return nil, errors.Join(err, c.close(ctx))
	}
	return r, nil
}

// Close waits for what is running, ends all watches and closes the connection.
func (r *Reader) Close() error {
	return r.gate.Close(func() error { return r.c.close(context.Background()) })
}

// state looks what is published.
func (r *Reader) state(ctx context.Context) (state, error) {
	var s state
	err := r.c.transact(ctx, neo4j.AccessModeRead, func(ctx context.Context, tx transaction) (err error) {
		s, err = tx.state(ctx, readState)
		return err
	})
	if err == nil {
		if err = s.checkFormat(); err != nil {
			err = fmt.Errorf("%s: %w", r.c.where, err)
		}
	}
	return s, err
}

// Snapshot gives the current revision, for its number or 0; others are not found. While a big change is under way it waits, and fails with
// ErrPending if that takes longer than Config.Timeout.
func (r *Reader) Snapshot(ctx context.Context, rev topology.Revision) (*topology.Snapshot, error) {
	leave, err := r.gate.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, _, err := r.snapshot(ctx)
	if err == nil && rev != 0 && rev != s.Revision() {
		return nil, fmt.Errorf("%s: %w: %d; only the current one, %d, stands there", r.c.where, store.ErrNotFound, rev, s.Revision())
	}
	return s, err
}

// snapshot reads until what it read is one whole revision: the same transactions had written before and after.
func (r *Reader) snapshot(ctx context.Context) (*topology.Snapshot, state, error) {
	limited, cancel := context.WithTimeout(ctx, r.c.cfg.Timeout) // for waiting; a look has its own limit
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		before, err := r.state(ctx)
		if err != nil {
			return nil, before, err
		}
		if before.pending == 0 {
			s, err := r.load(ctx, before)
			if err == nil {
				return s, before, nil
			}
			if !errors.Is(err, errMoved) {
				return nil, before, err
			}
		}
		select {
		case <-limited.Done():
			if ctx.Err() != nil {
				return nil, before, ctx.Err()
			}
			if before.pending == 0 {
				return nil, before, fmt.Errorf("%s: %w: it changed each time it was read, for %s", r.c.where, ErrPending, r.c.cfg.Timeout)
			}
			return nil, before, fmt.Errorf("%s: %w: revision %d is being written by %s since %s; if that process is gone, let throughline collect publish again",
				r.c.where, ErrPending, before.pending, before.holder, before.since.Format(time.RFC3339))
		case <-tick.C:
		}
	}
}

// errMoved: something was written while it was read.
var errMoved = errors.New("something was written meanwhile")

// load reads the graph, or gives the last one if nothing was written since.
func (r *Reader) load(ctx context.Context, before state) (*topology.Snapshot, error) {
	r.mu.Lock()
	last, writes := r.last, r.writes
	r.mu.Unlock()
	if last != nil && writes == before.writes {
		return last, nil
	}
	var d topology.Delta
	err := r.c.look(ctx, neo4j.AccessModeRead, func(ctx context.Context, tx transaction) error {
		var err error
		if d, err = tx.everything(ctx); err != nil {
			return err
		}
		after, err := tx.state(ctx, readState)
		if err == nil && (after.writes != before.writes || after.epoch != before.epoch || after.pending != 0) {
			err = errMoved
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		return nil, fmt.Errorf("%s: what stands there is no graph: %w", r.c.where, err)
	}
	s = s.At(before.info.Revision, before.info.Time)
	if before.info.Revision == 0 {
		s = topology.Empty()
	}
	r.mu.Lock()
	r.last, r.writes = s, before.writes
	r.mu.Unlock()
	return s, nil
}

// everything reads all facts and readings.
func (t transaction) everything(ctx context.Context) (topology.Delta, error) {
	var d topology.Delta
	readings, err := t.readings(ctx)
	if err != nil {
		return d, err
	}
	for _, r := range readings {
		d.Renew = append(d.Renew, r)
	}
	byLabel, facts := kindsByLabel(), newFactReader()
	err = t.run(ctx, allNodes(), nil, func(values []any) error {
		kind, ok := kindOf(values[0], byLabel)
		id, isText := values[1].(string)
		list, isList := values[2].([]any)
		if !ok || !isText || !isList {
			return fmt.Errorf("a node with labels %v and id %v is none of ours", values[0], values[1])
		}
		lines := make([]string, len(list))
		for i, l := range list {
			lines[i], _ = l.(string)
		}
		d.Add, err = facts.read(d.Add, topology.Key{Kind: kind, ID: id}, lines)
		return err
	})
	return d, err
}

// readings reads the Reading nodes.
func (t transaction) readings(ctx context.Context) (map[topology.ReadingKey]topology.Reading, error) {
	all := map[topology.ReadingKey]topology.Reading{}
	err := t.run(ctx, allReadings, nil, func(values []any) error {
		n, ok := values[0].(neo4j.Node)
		if !ok {
			return fmt.Errorf("a reading is %T", values[0])
		}
		r, err := readingOf(n.Props)
		all[r.ReadingKey] = r
		return err
	})
	return all, err
}

// readingOf is the inverse of readingProps.
func readingOf(p row) (topology.Reading, error) {
	text := func(name string) string { s, _ := p[name].(string); return s }
	source, err := topology.ParseSource(text("source"))
	if err != nil {
		return topology.Reading{}, later(err)
	}
	r := topology.Reading{
		ReadingKey: topology.ReadingKey{Device: text("device"), Source: source, Table: text("table")},
		Command:    text("command"), Reason: text("reason"),
	}
	r.Partial, _ = p["partial"].(bool)
	if at, ok := p["time"].(time.Time); ok {
		r.Time = at.UTC()
	}
	if n, ok := p["rows"].(int64); ok {
		r.Rows = int(n)
	}
	return r, nil
}

// Revisions lists the current revision, if it is not before the given time.
func (r *Reader) Revisions(ctx context.Context, from time.Time) ([]store.RevisionInfo, error) {
	leave, err := r.gate.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, err := r.state(ctx)
	if err != nil || s.info.Revision == 0 || s.info.Time.Before(from) {
		return nil, err
	}
	return []store.RevisionInfo{s.info}, nil
}

// Watch sends each new revision that it sees, until ctx ends or the Reader is closed.
func (r *Reader) Watch(ctx context.Context) <-chan topology.Revision {
	leave, err := r.gate.Enter(ctx)
	if err != nil {
		return store.Closed()
	}
	defer leave()
	return r.gate.Poll(ctx, pollInterval, r.complete(ctx, 0), r.complete)
}

// complete tells the revision that stands there. While none does, or the server does not answer, nothing new was seen.
func (r *Reader) complete(ctx context.Context, seen topology.Revision) topology.Revision {
	s, err := r.state(ctx)
	if err != nil || s.pending != 0 {
		return seen
	}
	return s.info.Revision
}
