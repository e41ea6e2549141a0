package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

// Commit makes the next revision, durable when it returns.
func (s *Store) Commit(ctx context.Context, parent topology.Revision, d topology.Delta) (topology.Revision, error) {
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
	next, err := store.Next(s.current().snapshot, parent, d)
	if err != nil {
		return 0, err
	}
	var lastFact int64
	err = s.transact(ctx, func(w *writer) error {
		if err := w.write(next, d); err != nil {
			return err
		}
		lastFact = w.lastFact
		return w.pruneOld(s.opts.Keep, next)
	})
	if err != nil {
		return 0, s.error(err)
	}
	s.mu.Lock()
	s.newest = state{next, lastFact}
	s.mu.Unlock()
	s.watchers.Send(next.Revision())
	return next.Revision(), nil
}

// transact runs a write transaction: all of it is durable when it returns nil, else nothing of it happened. Should COMMIT fail for another reason
// than a full disk, what the disk has is not known (an fsync that failed once may not be asked again), and nothing more is written until
// the store is opened anew.
func (s *Store) transact(ctx context.Context, write func(*writer) error) error {
	if s.failed != nil {
		return fmt.Errorf("it must be opened anew, since a commit failed: %w", s.failed)
	}
	conn, err := s.w.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it goes back to the pool
	// Single statements are short and run to their end; the writer asks between them whether ctx ended.
	whole := context.WithoutCancel(ctx)
	if _, err := conn.ExecContext(whole, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	w := &writer{ctx: ctx, whole: whole, conn: conn}
	err = w.begin()
	if err == nil {
		err = write(w)
	}
	w.close()
	if err = cmp.Or(err, ctx.Err()); err == nil {
		if _, err = conn.ExecContext(whole, "COMMIT"); err == nil {
			return nil
		}
		if primaryCode(err) != codeFull {
			s.failed = err
		}
	}
	if _, rollback := conn.ExecContext(whole, "ROLLBACK"); rollback != nil && !strings.Contains(rollback.Error(), "no transaction is active") {
		s.failed = cmp.Or(s.failed, rollback)
	}
	return err
}

// writer is one write transaction.
type writer struct {
	ctx   context.Context //nolint:containedctx // it lives as long as the transaction that the context governs
	whole context.Context //nolint:containedctx // the same, without its end
	conn  *sql.Conn
	stmts map[string]*sql.Stmt

	revision topology.Revision // the newest before this transaction
	lastFact int64
	lastNode int64
	count    int64 // facts that hold
	changes  int64

	nodes    map[topology.Key]int64
	readings map[topology.ReadingKey]int64
	words    map[string]int64
	newNodes batch
	newFacts batch
}

func (w *writer) begin() error {
	w.stmts = map[string]*sql.Stmt{}
	w.nodes, w.readings, w.words = map[topology.Key]int64{}, map[topology.ReadingKey]int64{}, map[string]int64{}
	w.newNodes = batch{into: "node (n, kind, id, mark)", width: 4}
	w.newFacts = batch{into: "fact (n, node, word, value, peer, reading, derived, confidence, since, mark, from_rev)", width: 11}
	err := w.get("SELECT revision, last_fact, facts, changes FROM revision ORDER BY revision DESC LIMIT 1", nil,
		&w.revision, &w.lastFact, &w.count, &w.changes)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return w.get("SELECT coalesce(max(n), 0) FROM node", nil, &w.lastNode)
}

func (w *writer) close() {
	for _, s := range w.stmts {
		s.Close() //nolint:errcheck // its last use reported what there was
	}
}

// stmt prepares each statement once.
func (w *writer) stmt(query string) (*sql.Stmt, error) {
	if s, ok := w.stmts[query]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(w.whole, query)
	if err == nil {
		w.stmts[query] = s
	}
	return s, err
}

func (w *writer) exec(query string, args ...any) (int64, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	s, err := w.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(w.whole, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (w *writer) get(query string, args []any, into ...any) error {
	s, err := w.stmt(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(w.whole, args...).Scan(into...)
}

// write adds the revision next, which the delta led to.
func (w *writer) write(next *topology.Snapshot, d topology.Delta) error {
	if w.revision+1 != next.Revision() {
		return fmt.Errorf("the file is at revision %d, and this process knows of %d: something else wrote it", w.revision, next.Revision()-1)
	}
	for _, f := range d.Remove {
		if err := w.end(f, next.Revision()); err != nil {
			return err
		}
	}
	for _, f := range d.Add {
		if err := w.add(f, next.Revision()); err != nil {
			return err
		}
	}
	if err := errors.Join(w.newNodes.flush(w), w.newFacts.flush(w)); err != nil {
		return err
	}
	if len(d.Renew)+len(d.Forget) > 0 {
		data, err := packLook(d.Renew, d.Forget)
		if err != nil {
			return err
		}
		if _, err := w.exec("INSERT INTO look (revision, data) VALUES (?, ?)", int64(next.Revision()), data); err != nil {
			return err
		}
	}
	i := store.Info(next, d)
	w.count += int64(i.Added - i.Removed)
	w.changes += int64(i.Added + i.Removed + i.Renewed/4) // a renewed reading is cheaper to replay than a fact
	if _, err := w.exec("INSERT INTO revision (revision, time, added, removed, renewed, last_fact, facts, changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		int64(i.Revision), i.Time.UnixMilli(), i.Added, i.Removed, i.Renewed, w.lastFact, w.count, w.changes); err != nil {
		return err
	}
	return w.checkpoint(next)
}

func (w *writer) add(f topology.Fact, rev topology.Revision) error {
	r, err := w.row(f)
	if err != nil {
		return err
	}
	w.lastFact++
	since := int64(0)
	if !f.Since.IsZero() {
		since = f.Since.Unix()
	}
	return w.newFacts.add(w, w.lastFact, r.node, r.word, r.value, r.peer, r.reading, r.derived,
		cmp.Or(f.Confidence, topology.ConfidenceStated), since, r.mark, int64(rev))
}

// end closes the interval of a fact.
func (w *writer) end(f topology.Fact, rev topology.Revision) error {
	r, err := w.row(f)
	if err != nil {
		return err
	}
	n, err := w.exec(`UPDATE fact SET to_rev = ? WHERE node = ? AND mark = ? AND to_rev IS NULL
		AND word = ? AND value IS ? AND peer IS ? AND reading = ? AND derived = ?`,
		int64(rev), r.node, r.mark, r.word, r.value, r.peer, r.reading, r.derived)
	if err == nil && n != 1 {
		err = fmt.Errorf("the file is damaged: it has %s of %s %d times", f, f.Reading, n)
	}
	return err
}

// stored is a fact in the numbers of the file.
type stored struct {
	node, word, reading int64
	value, peer         any
	derived             bool
	mark                int64
}

func (w *writer) row(f topology.Fact) (stored, error) {
	r := stored{derived: f.Derived}
	var err error
	if r.node, err = w.node(f.Subject); err != nil {
		return r, err
	}
	if r.reading, err = w.reading(f.Reading); err != nil {
		return r, err
	}
	said := f.Attr.String()
	if f.Rel != 0 {
		said = f.Rel.String()
		if r.peer, err = w.node(f.Object); err != nil {
			return r, err
		}
	} else if r.value = any(f.Value.String()); f.Value.Type() == topology.TypeInt {
		r.value = f.Value.Int()
	}
	if r.word, err = w.word(said); err != nil {
		return r, err
	}
	r.mark = mark(said, f.Value.String(), f.Object.ID, strconv.FormatInt(r.reading, 10))
	return r, nil
}

// mark is a hash that narrows a search in an index; what is found is compared in full.
func mark(of ...string) int64 {
	h := fnv.New32a()
	for _, s := range of {
		h.Write([]byte(s))
		h.Write([]byte{0xff})
	}
	return int64(h.Sum32() >> 1)
}

func (w *writer) node(k topology.Key) (int64, error) {
	if n, ok := w.nodes[k]; ok {
		return n, nil
	}
	var n int64
	m := mark(k.Kind.String(), k.ID)
	if w.revision > 0 {
		err := w.get("SELECT n FROM node WHERE mark = ? AND kind = ? AND id = ?", []any{m, k.Kind.String(), k.ID}, &n)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, err
		}
	}
	if n == 0 {
		w.lastNode++
		n = w.lastNode
		if err := w.newNodes.add(w, n, k.Kind.String(), k.ID, m); err != nil {
			return 0, err
		}
	}
	w.nodes[k] = n
	return n, nil
}

func (w *writer) reading(k topology.ReadingKey) (int64, error) {
	if n, ok := w.readings[k]; ok {
		return n, nil
	}
	key := []any{k.Device, k.Source.String(), k.Table, k.Partial}
	n, err := w.number(`SELECT n FROM reading WHERE device = ? AND source = ? AND "table" = ? AND partial = ?`,
		`INSERT INTO reading (device, source, "table", partial) VALUES (?, ?, ?, ?)`, key)
	w.readings[k] = n
	return n, err
}

func (w *writer) word(word string) (int64, error) {
	if n, ok := w.words[word]; ok {
		return n, nil
	}
	n, err := w.number("SELECT n FROM word WHERE word = ?", "INSERT INTO word (word) VALUES (?)", []any{word})
	w.words[word] = n
	return n, err
}

// number finds the number of something, or gives it one.
func (w *writer) number(find, insert string, key []any) (n int64, err error) {
	if err := w.get(find, key, &n); !errors.Is(err, sql.ErrNoRows) {
		return n, err
	}
	if _, err := w.exec(insert, key...); err != nil {
		return 0, err
	}
	err = w.get(find, key, &n)
	return n, err
}

// batch collects rows and inserts many with one statement, which costs a third of single ones.
type batch struct {
	into  string
	width int
	args  []any
}

const batchRows = 64

func (b *batch) add(w *writer, row ...any) error {
	b.args = append(b.args, row...)
	if len(b.args) < batchRows*b.width {
		return nil
	}
	return b.flush(w)
}

func (b *batch) flush(w *writer) error {
	if len(b.args) == 0 {
		return nil
	}
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", b.width), ",") + ")"
	rows := strings.TrimSuffix(strings.Repeat(one+",", len(b.args)/b.width), ",")
	_, err := w.exec("INSERT INTO "+b.into+" VALUES "+rows, b.args...)
	b.args = b.args[:0]
	return err
}

// Checkpoints. One is written when it became far to replay from the last (but not for every few changes of a great estate), and the last one is
// dropped if it is not far from the one before to this: so the newest opens quickly, and checkpoints never outweigh the changes between
// them.
const (
	minReplay = 2_000   // changes
	maxReplay = 200_000 // changes: some tenths of a second
	partSize  = 1 << 20 // octets
)

func (w *writer) checkpoint(next *topology.Snapshot) error {
	var last, lastChanges, before int64
	err := w.get(`SELECT revision, changes, coalesce((SELECT b.changes FROM checkpoint b WHERE b.revision < a.revision ORDER BY b.revision DESC LIMIT 1), -1)
		FROM checkpoint a ORDER BY revision DESC LIMIT 1`, nil, &last, &lastChanges, &before)
	if errors.Is(err, sql.ErrNoRows) {
		err, before = nil, -1
	}
	if err != nil || w.changes-lastChanges < min(max(w.count/8, minReplay), maxReplay) {
		return err
	}
	if before >= 0 && w.changes-before <= max(w.count/2, 4*minReplay) {
		if err := w.dropCheckpoints("revision = ?", last); err != nil {
			return err
		}
	}
	if _, err := w.exec("INSERT INTO checkpoint (revision, last_fact, changes) VALUES (?, ?, ?)", int64(next.Revision()), w.lastFact, w.changes); err != nil {
		return err
	}
	p := &partWriter{w: w, revision: int64(next.Revision())}
	if err := next.WriteCheckpoint(p); err != nil {
		return err
	}
	return p.flush()
}

func (w *writer) dropCheckpoints(where string, arg int64) error {
	_, err := w.exec("DELETE FROM checkpoint WHERE "+where, arg)
	if err == nil {
		_, err = w.exec("DELETE FROM part WHERE "+where, arg)
	}
	return err
}

// partWriter cuts a checkpoint into rows.
type partWriter struct {
	w        *writer
	revision int64
	part     int
	buf      bytes.Buffer
}

func (p *partWriter) Write(b []byte) (int, error) {
	p.buf.Write(b)
	if p.buf.Len() < partSize {
		return len(b), nil
	}
	return len(b), p.flush()
}

func (p *partWriter) flush() error {
	if p.buf.Len() == 0 {
		return nil
	}
	_, err := p.w.exec("INSERT INTO part (revision, part, data) VALUES (?, ?, ?)", p.revision, p.part, p.buf.Bytes())
	p.part++
	p.buf.Reset()
	return err
}
