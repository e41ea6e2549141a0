package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"weak"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

// view is what one read transaction sees: no commit and no prune happens in it.
type view struct {
	tx       *sql.Tx
	words    map[int64]string
	nodes    map[int64]topology.Key
	readings map[int64]topology.ReadingKey
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// query calls row for each row that a query gives.
func query(ctx context.Context, db querier, text string, args []any, row func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	for err == nil && rows.Next() {
		err = row(rows)
	}
	return errors.Join(err, rows.Err(), rows.Close())
}

func (s *Store) view(ctx context.Context, look func(*view) error) error {
	tx, err := s.r.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	return look(&view{tx: tx, words: map[int64]string{}, nodes: map[int64]topology.Key{}, readings: map[int64]topology.ReadingKey{}})
}

// refresh brings the newest snapshot in memory up to the file.
func (s *Store) refresh(ctx context.Context) error {
	have := s.current()
	if have.snapshot == nil {
		have.snapshot = topology.Empty()
	}
	err := s.view(ctx, func(v *view) error {
		last, err := v.revision(ctx, 0)
		if err != nil || last.revision == have.snapshot.Revision() {
			return err
		}
		var oldest topology.Revision
		if err := v.tx.QueryRowContext(ctx, "SELECT min(revision) FROM revision").Scan(&oldest); err != nil {
			return err
		}
		base := have
		if have.snapshot.Revision() < oldest || have.snapshot.Revision() == 0 { // its past may have been pruned
			if base, err = v.checkpoint(ctx, last.revision); err != nil {
				return err
			}
		}
		have, err = v.replay(ctx, base, last)
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest.snapshot == nil || s.newest.snapshot.Revision() <= have.snapshot.Revision() {
		s.newest = have
	}
	return nil
}

// recall reads a revision of the past.
func (s *Store) recall(ctx context.Context, rev topology.Revision) (*topology.Snapshot, error) {
	s.mu.Lock()
	known := s.recalled.Value()
	s.mu.Unlock()
	err := s.view(ctx, func(v *view) error {
		target, err := v.revision(ctx, rev)
		if err != nil {
			return err
		}
		if known != nil && known.Revision() == rev {
			return nil
		}
		base, err := v.checkpoint(ctx, rev)
		if err != nil {
			return err
		}
		st, err := v.replay(ctx, base, target)
		known = st.snapshot
		return err
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recalled = weak.Make(known)
	return known, nil
}

// target is the row of a revision.
type target struct {
	revision topology.Revision
	time     time.Time
	lastFact int64
}

// revision finds one revision, or the newest for 0 (which is 0 if there is none).
func (v *view) revision(ctx context.Context, rev topology.Revision) (target, error) {
	query := "SELECT revision, time, last_fact FROM revision WHERE revision = ?"
	if rev == 0 {
		query = "SELECT revision, time, last_fact FROM revision WHERE revision > ? ORDER BY revision DESC LIMIT 1"
	}
	var t target
	var ms int64
	err := v.tx.QueryRowContext(ctx, query, int64(rev)).Scan(&t.revision, &ms, &t.lastFact)
	if errors.Is(err, sql.ErrNoRows) {
		if rev == 0 {
			return target{}, nil
		}
		return target{}, fmt.Errorf("%w: %d", store.ErrNotFound, rev)
	}
	t.time = time.UnixMilli(ms).UTC()
	return t, err
}

// checkpoint reads the nearest whole snapshot at or before a revision; before the first it is the empty one.
func (v *view) checkpoint(ctx context.Context, rev topology.Revision) (st state, err error) {
	var at topology.Revision
	st.snapshot = topology.Empty()
	err = v.tx.QueryRowContext(ctx, "SELECT revision, last_fact FROM checkpoint WHERE revision <= ? ORDER BY revision DESC LIMIT 1",
		int64(rev)).Scan(&at, &st.lastFact)
	if errors.Is(err, sql.ErrNoRows) {
		return st, nil
	}
	if err != nil {
		return st, err
	}
	if st.snapshot, err = topology.ReadCheckpoint(&parts{ctx: ctx, v: v, revision: at}); err != nil {
		return st, fmt.Errorf("revision %d: %w", at, err)
	}
	return st, nil
}

// parts reads the parts of a checkpoint as one stream.
type parts struct {
	ctx      context.Context //nolint:containedctx // io.Reader has no place for it
	v        *view
	revision topology.Revision
	part     int
	rest     []byte
}

func (p *parts) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		err := p.v.tx.QueryRowContext(p.ctx, "SELECT data FROM part WHERE revision = ? AND part = ?", int64(p.revision), p.part).Scan(&p.rest)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		p.part++
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// replay brings a snapshot forward to a later revision, in one step: what came and went in between does not matter.
func (v *view) replay(ctx context.Context, base state, to target) (state, error) {
	from := base.snapshot.Revision()
	if from == to.revision {
		return base, nil
	}
	d := topology.Delta{Time: to.time}
	var err error
	if d.Remove, err = v.facts(ctx, ended, int64(from), int64(to.revision), base.lastFact); err != nil {
		return state{}, err
	}
	if d.Add, err = v.facts(ctx, begun, base.lastFact, to.lastFact, int64(to.revision)); err != nil {
		return state{}, err
	}
	if err := v.looks(ctx, base.snapshot, to.revision, &d); err != nil {
		return state{}, err
	}
	next, err := base.snapshot.Apply(d)
	if err != nil {
		return state{}, fmt.Errorf("revision %d cannot be made from %d, the file is damaged: %w", to.revision, from, err)
	}
	return state{next.At(to.revision, to.time), to.lastFact}, nil
}

// looks adds what was renewed and forgotten after the snapshot, up to a revision.
func (v *view) looks(ctx context.Context, base *topology.Snapshot, to topology.Revision, d *topology.Delta) error {
	last := map[topology.ReadingKey]topology.Reading{} // without a source: forgotten
	err := query(ctx, v.tx, "SELECT data FROM look WHERE revision > ? AND revision <= ? ORDER BY revision",
		[]any{int64(base.Revision()), int64(to)}, func(rows *sql.Rows) error {
			var data sql.RawBytes
			if err := rows.Scan(&data); err != nil {
				return err
			}
			renew, forget, err := unpackLook(data)
			for _, r := range renew {
				last[r.ReadingKey] = r
			}
			for _, k := range forget {
				last[k] = topology.Reading{}
			}
			return err
		})
	if err != nil {
		return err
	}
	for k, r := range last {
		if r.Source != 0 {
			d.Renew = append(d.Renew, r)
		} else if _, known := base.Reading(k); known {
			d.Forget = append(d.Forget, k)
		}
	}
	slices.SortFunc(d.Renew, func(a, b topology.Reading) int { return a.Compare(b.ReadingKey) })
	slices.SortFunc(d.Forget, topology.ReadingKey.Compare)
	return nil
}

// row is a fact as the file has it.
type row struct {
	node, word, reading int64
	value               any
	peer                sql.NullInt64
	derived             bool
	confidence          uint8
	since               int64
}

const (
	someFacts = "SELECT node, word, value, peer, reading, derived, confidence, since FROM fact WHERE "
	ended     = someFacts + "to_rev > ? AND to_rev <= ? AND n <= ?"
	begun     = someFacts + "n > ? AND n <= ? AND (to_rev IS NULL OR to_rev > ?)"
)

// facts reads those that a query selects.
func (v *view) facts(ctx context.Context, which string, args ...any) ([]topology.Fact, error) {
	var found []row
	err := query(ctx, v.tx, which, args, func(rows *sql.Rows) error {
		var r row
		err := rows.Scan(&r.node, &r.word, &r.value, &r.peer, &r.reading, &r.derived, &r.confidence, &r.since)
		found = append(found, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	facts := make([]topology.Fact, 0, len(found))
	for _, r := range found {
		f, err := v.fact(ctx, r)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	return facts, nil
}

func (v *view) fact(ctx context.Context, r row) (topology.Fact, error) {
	f := topology.Fact{Derived: r.derived, Confidence: r.confidence}
	if r.since != 0 {
		f.Since = time.Unix(r.since, 0).UTC()
	}
	var err error
	if f.Subject, err = v.node(ctx, r.node); err != nil {
		return f, err
	}
	if f.Reading, err = v.reading(ctx, r.reading); err != nil {
		return f, err
	}
	word, err := v.word(ctx, r.word)
	if err != nil {
		return f, err
	}
	if r.peer.Valid {
		if f.Object, err = v.node(ctx, r.peer.Int64); err != nil {
			return f, err
		}
		f.Rel, err = topology.ParseRel(word)
		return f, err
	}
	if f.Attr, err = topology.ParseAttr(word); err != nil {
		return f, err
	}
	switch x := r.value.(type) {
	case int64:
		f.Value = topology.IntValue(x)
	case string:
		f.Value, err = topology.ParseValue(f.Attr.Type(), x)
	default:
		err = fmt.Errorf("%s of %s is a %T", f.Attr, f.Subject, x)
	}
	return f, err
}

func (v *view) node(ctx context.Context, n int64) (topology.Key, error) {
	if k, ok := v.nodes[n]; ok {
		return k, nil
	}
	var kind string
	var k topology.Key
	err := v.tx.QueryRowContext(ctx, "SELECT kind, id FROM node WHERE n = ?", n).Scan(&kind, &k.ID)
	if err == nil {
		k.Kind, err = topology.ParseKind(kind)
	}
	v.nodes[n] = k
	return k, err
}

func (v *view) reading(ctx context.Context, n int64) (topology.ReadingKey, error) {
	if k, ok := v.readings[n]; ok {
		return k, nil
	}
	var source string
	var k topology.ReadingKey
	err := v.tx.QueryRowContext(ctx, `SELECT device, source, "table", partial FROM reading WHERE n = ?`, n).
		Scan(&k.Device, &source, &k.Table, &k.Partial)
	if err == nil {
		k.Source, err = topology.ParseSource(source)
	}
	v.readings[n] = k
	return k, err
}

func (v *view) word(ctx context.Context, n int64) (string, error) {
	if w, ok := v.words[n]; ok {
		return w, nil
	}
	var w string
	err := v.tx.QueryRowContext(ctx, "SELECT word FROM word WHERE n = ?", n).Scan(&w)
	v.words[n] = w
	return w, err
}
