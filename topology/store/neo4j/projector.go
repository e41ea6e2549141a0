package neo4j

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/neo4j/neo4j-go-driver/v5/neo4j"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

// Projector writes the current graph of an embedded store to Neo4j. Its methods may be called from any goroutine; they run one after the other.
type Projector struct {
	history store.Reader

	mu    sync.Mutex // held by the one call that runs; guards all below
	c     *client
	epoch int64
	wipe  bool // Config.Rebuild, until it is done
	stats Stats

	ensured map[topology.Kind]bool // whose constraints are there

	// base is what stands in Neo4j, nil while that is not known: at first, and after a failure. doubt: what stands there is not what
	// the Projection node says, so that it has to be looked at.
	base     *topology.Snapshot
	readings map[topology.ReadingKey]topology.Reading // as they stand there
	doubt    bool
}

// Stats count what a Projector has sent.
type Stats struct {
	Nodes        int // rows that made or changed a node
	Edges        int // rows that made or changed a relation
	NodesDropped int
	EdgesDropped int
	Readings     int // rows that made, renewed or dropped a reading
	Transactions int
	Retries      int
}

// Rows are those of nodes and relations: 0 for a sweep that found nothing new.
func (s Stats) Rows() int { return s.Nodes + s.Edges + s.NodesDropped + s.EdgesDropped }

// Open connects and takes the fence: whoever wrote before gets ErrFenced from now on. history is
// the embedded store whose graph this is; it stays the caller's and outlives the Projector. The graph itself is not written before Sync or Publish.
//
// It fails with ErrUnavailable, ErrAuth, ErrDatabase, ErrVersion, ErrTaken, or, unless Config.Rebuild is set, ErrForeign.
func Open(ctx context.Context, cfg Config, history store.Reader) (*Projector, error) {
	if cfg.Store == "" {
		return nil, errors.New("neo4j: the configuration does not name the embedded store")
	}
	if cfg.Holder == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "a host without a name"
		}
		cfg.Holder = fmt.Sprintf("%s, process %d", host, os.Getpid())
	}
	c, err := dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	p := &Projector{history: history, c: c, wipe: cfg.Rebuild, ensured: map[topology.Kind]bool{}}
	if err := p.prepare(ctx); err != nil {
		return nil, errors.Join(err, c.close(ctx))
	}
	if err := c.transact(ctx, neo4j.AccessModeWrite, p.takeFence); err != nil {
		return nil, errors.Join(err, c.close(ctx))
	}
	return p, nil
}

// prepare makes the constraints. Those for all that the embedded store holds come before a Rebuild takes over, so that one that cannot be made
// leaves what is there to whoever wrote it.
func (p *Projector) prepare(ctx context.Context) error {
	if err := p.c.ensureSchema(ctx); err != nil || !p.wipe {
		return err
	}
	next, err := p.history.Snapshot(ctx, 0)
	if err != nil {
		return err
	}
	return p.ensureKinds(ctx, next.Nodes())
}

// ensureSchema makes what is missing of the constraints and indexes for some kinds, and waits until they are there.
func (c *client) ensureSchema(ctx context.Context, kinds ...topology.Kind) error {
	missing := schema(kinds...)
	err := c.transact(ctx, neo4j.AccessModeRead, func(ctx context.Context, tx transaction) error {
		return tx.run(ctx, schemaNames, nil, func(values []any) error {
			name, _ := values[0].(string)
			delete(missing, name)
			return nil
		})
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		err := c.look(ctx, neo4j.AccessModeWrite, func(ctx context.Context, tx transaction) error { // over a graph that is there it takes longer
			_, err := tx.exec(ctx, missing[name], nil)
			return err
		})
		if err != nil {
			return fmt.Errorf("make %s: %w", name, err)
		}
	}
	return c.look(ctx, neo4j.AccessModeRead, func(ctx context.Context, tx transaction) error {
		_, err := tx.exec(ctx, schemaAwait, nil)
		return err
	})
}

// ensureKinds makes the constraints of the kinds of which there is a first node among what is sent.
func (p *Projector) ensureKinds(ctx context.Context, puts iter.Seq[topology.Node]) error {
	var kinds []topology.Kind
	for n := range puts {
		if k := n.Kind(); !p.ensured[k] {
			p.ensured[k] = true
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	err := p.c.ensureSchema(ctx, kinds...)
	if err != nil {
		clear(p.ensured)
	}
	return err
}

// takeFence raises the epoch. What a Rebuild finds is marked as pending, so that no reader takes what is left of it for a revision.
func (p *Projector) takeFence(ctx context.Context, tx transaction) error {
	cfg := p.c.cfg
	if _, err := tx.exec(ctx, makeState, row{"id": projectionID, "format": int64(format), "store": cfg.Store}); err != nil {
		return err
	}
	s, err := tx.state(ctx, lockState)
	if err != nil {
		return err
	}
	if s.format == 0 {
		return fmt.Errorf("%w: (:Projection {id: %q}); give it another label or id, or delete it", ErrTaken, projectionID)
	}
	set := row{"epoch": s.epoch + 1, "holder": cfg.Holder, "since": time.Now().UTC().Truncate(time.Millisecond)}
	switch {
	case p.wipe:
		set["format"], set["store"], set["pending"] = int64(format), cfg.Store, max(1, int64(s.info.Revision))
	case s.store != cfg.Store:
		return fmt.Errorf("%w: it was written from %q, this is %q; throughline store rebuild or collect --publish-replace replaces it", ErrForeign, s.store, cfg.Store)
	default:
		if err := s.checkFormat(); err != nil {
			return err
		}
	}
	if _, err := tx.exec(ctx, setState, row{"id": projectionID, "set": set}); err != nil {
		return err
	}
	p.epoch = s.epoch + 1
	return nil
}

// write runs work in a transaction under the fence.
func (p *Projector) write(ctx context.Context, work func(context.Context, transaction) error) error {
	err := p.c.transact(ctx, neo4j.AccessModeWrite, func(ctx context.Context, tx transaction) error {
		s, err := tx.state(ctx, lockState)
		switch {
		case errors.Is(err, ErrUnpublished):
			return fmt.Errorf("%w, or somebody emptied the database: its Projection is gone", ErrFenced)
		case err != nil:
			return err
		case s.epoch != p.epoch:
			return fmt.Errorf("%w: %s, since %s", ErrFenced, s.holder, s.since.Format(time.RFC3339))
		}
		return work(ctx, tx)
	})
	p.stats.Retries = int(p.c.retries.Load())
	if err == nil {
		p.stats.Transactions++
	}
	return err
}

// Stats tells what was sent since Open.
func (p *Projector) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Revision tells what stands in Neo4j, as far as this Projector knows; 0 if it does not.
func (p *Projector) Revision() topology.Revision {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.base == nil {
		return 0
	}
	return p.base.Revision()
}

// Close ends the connection. The fence stays as it is: nobody else needs it freed.
func (p *Projector) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.c == nil {
		return store.ErrClosed
	}
	err := p.c.close(context.Background())
	p.c, p.base, p.readings = nil, nil, nil
	return err
}

// Sync brings Neo4j to the newest revision of the embedded store, whatever it held. If the revision that stands there is still known, only the
// difference to it is sent; else what stands there is read and compared.
func (p *Projector) Sync(ctx context.Context) error {
	next, err := p.history.Snapshot(ctx, 0)
	if err != nil {
		return err
	}
	infos, err := p.history.Revisions(ctx, next.Time())
	if err != nil {
		return err
	}
	info := store.RevisionInfo{Revision: next.Revision(), Time: next.Time()}
	for _, i := range infos {
		if i.Revision == next.Revision() {
			info = i
		}
	}
	return p.publish(ctx, next, info, nil)
}

// Publish brings Neo4j to the snapshot that a delta led to, at a cost that is proportional to the delta if the revision before stands there.
//
// It fails with ErrFenced if another Projector was opened since, with ErrTaken if others hold a place in the graph, and as Open does. Neo4j is then as it was or, if the change was too big for one
// transaction, marked as pending; the next Publish or Sync goes on from there.
func (p *Projector) Publish(ctx context.Context, next *topology.Snapshot, d topology.Delta) error {
	return p.publish(ctx, next, store.Info(next, d), &d)
}

func (p *Projector) publish(ctx context.Context, next *topology.Snapshot, info store.RevisionInfo, d *topology.Delta) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.c == nil {
		return store.ErrClosed
	}
	err := p.advance(ctx, next, info, d)
	if errors.Is(err, errDrift) { // somebody else has changed the graph: look at it, and put it right
		p.base, p.doubt = nil, true
		err = p.advance(ctx, next, info, nil)
	}
	if err != nil {
		p.base, p.readings = nil, nil // what stands there now is for the next one to find out
		return err
	}
	p.base, p.doubt = next, false
	return nil
}

// errDrift: a row met nothing, or more than one thing, where the graph should have exactly one.
var errDrift = errors.New("the graph there is not as it was left")

func (p *Projector) advance(ctx context.Context, next *topology.Snapshot, info store.RevisionInfo, d *topology.Delta) error {
	if p.wipe {
		if err := p.ensureKinds(ctx, next.Nodes()); err != nil { // nothing is wiped where nothing can be written
			return err
		}
		if err := p.wipeAll(ctx); err != nil {
			return err
		}
		p.wipe, p.base, p.readings, p.doubt = false, topology.Empty(), map[topology.ReadingKey]topology.Reading{}, false
	}
	if p.base == nil {
		if err := p.resume(ctx); err != nil {
			return err
		}
	}
	var ch changes
	switch {
	case p.base == nil: // what stands there is no revision that we know
		var err error
		if ch, err = p.compare(ctx, next); err != nil {
			return err
		}
		d = nil
	case d != nil && p.base.Revision()+1 == next.Revision():
		ch = between(pairsOf(p.base, next, touched(p.base, next, *d)))
	default:
		ch, d = between(allPairs(p.base, next)), nil
	}
	ch.readings, ch.forget = p.dueReadings(next, d)
	if err := p.ensureKinds(ctx, ch.putNodes); err != nil {
		return err
	}
	if err := p.send(ctx, ch, info); err != nil {
		return err
	}
	for _, r := range ch.readings {
		p.readings[r.ReadingKey] = r
	}
	for _, k := range ch.forget {
		delete(p.readings, k)
	}
	return nil
}

// resume finds out what stands in Neo4j: base stays nil if it is not a whole revision of the embedded store.
func (p *Projector) resume(ctx context.Context) error {
	var s state
	var readings map[topology.ReadingKey]topology.Reading
	err := p.write(ctx, func(ctx context.Context, tx transaction) (err error) { // under the lock, after what may still be under way
		if s, err = tx.state(ctx, readState); err != nil {
			return err
		}
		readings, err = tx.readings(ctx)
		return err
	})
	if err != nil {
		return err
	}
	p.readings = readings
	switch {
	case s.pending != 0 || p.doubt:
		return nil
	case s.info.Revision == 0:
		p.base = topology.Empty()
		return nil
	}
	base, err := p.history.Snapshot(ctx, s.info.Revision)
	switch {
	case errors.Is(err, store.ErrNotFound): // pruned, or the embedded store was set back
		return nil
	case err != nil:
		return err
	case base.Time().Equal(s.info.Time):
		p.base = base
	}
	return nil
}

// dueReadings lists the readings to send: new ones, those of which more than the time has changed, and those whose time has fallen behind by more
// than Config.Lag; and those to drop. A nil delta: all are looked at.
func (p *Projector) dueReadings(next *topology.Snapshot, d *topology.Delta) (due []topology.Reading, forget []topology.ReadingKey) {
	look := func(r topology.Reading) {
		old, there := p.readings[r.ReadingKey]
		behind := r.Time.Sub(old.Time)
		if !there || old.Command != r.Command || old.Rows != r.Rows || old.Reason != r.Reason || behind < 0 || behind > p.c.cfg.Lag {
			due = append(due, r)
		}
	}
	if d == nil {
		for _, r := range next.Readings() {
			look(r)
		}
		for k := range p.readings {
			if _, ok := next.Reading(k); !ok {
				forget = append(forget, k)
			}
		}
		slices.SortFunc(forget, topology.ReadingKey.Compare)
		return due, forget
	}
	seen := map[topology.ReadingKey]bool{}
	for _, r := range d.Renew {
		if now, ok := next.Reading(r.ReadingKey); ok && !seen[r.ReadingKey] {
			seen[r.ReadingKey] = true
			look(now)
		}
	}
	for _, k := range d.Forget {
		if _, there := p.readings[k]; there {
			forget = append(forget, k)
		}
	}
	return due, forget
}

// send makes the changes and puts the revision down: in one transaction if they fit, else in several with the revision pending from the first to the last.
func (p *Projector) send(ctx context.Context, ch changes, info store.RevisionInfo) error {
	q := ch.queue()
	defer q.end()
	rows := 0
	for several := false; ; several = true {
		s := &shipment{queue: q}
		if err := p.commit(ctx, s, info, several); err != nil {
			return err
		}
		for _, b := range s.taken {
			p.stats.count(b)
			rows += len(b.rows)
		}
		if (several || !s.last) && p.c.cfg.Progress != nil {
			p.c.cfg.Progress(rows)
		}
		if s.last {
			return nil
		}
	}
}

// commit sends a shipment in one transaction, with what the Projection says once it is there. behind: others went before it.
func (p *Projector) commit(ctx context.Context, s *shipment, info store.RevisionInfo, behind bool) error {
	return p.write(ctx, func(ctx context.Context, tx transaction) error {
		for b := range s.all {
			if err := tx.put(ctx, b); err != nil {
				return err
			}
		}
		var set row
		switch {
		case s.last:
			set = infoProps(info)
		case !behind:
			set = row{"pending": int64(info.Revision)}
		default:
			return nil
		}
		_, err := tx.exec(ctx, setState, row{"id": projectionID, "set": set})
		return err
	})
}

// put sends a batch. It fails with ErrTaken or errDrift if rows did not meet what they should.
func (t transaction) put(ctx context.Context, b batch) error {
	n, err := t.exec(ctx, b.cypher, row{"rows": b.rows})
	if err != nil || !b.exact || n == int64(len(b.rows)) {
		return err
	}
	if err := t.refuseTaken(ctx, b); err != nil {
		return err
	}
	return fmt.Errorf("%w: of %d rows %d were taken: %s", errDrift, len(b.rows), n, b.cypher)
}

// refuseTaken fails with ErrTaken if rows of a batch found their place held by nodes that are not ours.
func (t transaction) refuseTaken(ctx context.Context, b batch) error {
	if b.taken == "" {
		return nil
	}
	var taken []string
	err := t.run(ctx, b.taken, row{"rows": b.rows}, func(values []any) error {
		taken = append(taken, fmt.Sprintf("%v %.200s", values[0], values[1]))
		return nil
	})
	if err == nil && len(taken) > 0 {
		err = fmt.Errorf("%w: %s; give them another label or id, or delete them", ErrTaken, strings.Join(taken, ", "))
	}
	return err
}

func (s *Stats) count(b batch) {
	n := len(b.rows)
	switch {
	case b.class == classReading:
		s.Readings += n
	case b.class == classNode && b.drop:
		s.NodesDropped += n
	case b.class == classNode:
		s.Nodes += n
	case b.drop:
		s.EdgesDropped += n
	default:
		s.Edges += n
	}
}

// wipeAll deletes what we wrote, and nothing else.
func (p *Projector) wipeAll(ctx context.Context) error {
	if err := p.wipeBy(ctx, wipeReadings); err != nil {
		return err
	}
	for _, k := range topology.Kinds() {
		if err := p.wipeBy(ctx, wipeNodes(k)); err != nil {
			return err
		}
	}
	return nil
}

func (p *Projector) wipeBy(ctx context.Context, cypher string) error {
	for {
		var n int64
		err := p.write(ctx, func(ctx context.Context, tx transaction) (err error) {
			n, err = tx.exec(ctx, cypher, row{"limit": int64(batchRows)})
			return err
		})
		if err != nil || n < batchRows {
			return err
		}
	}
}
