//go:build linux

package neo4j_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	server "github.com/throughline-dc/throughline/fixtures/neo4j"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/memory"
	"github.com/throughline-dc/throughline/topology/store/neo4j"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// world is an embedded store and the Neo4j that it is published to.
type world struct {
	tb       testing.TB
	server   *server.Server
	embedded *memory.Store
	newest   *topology.Snapshot
	p        *neo4j.Projector
	r        *neo4j.Reader
}

func newWorld(tb testing.TB, change func(*neo4j.Config)) *world {
	tb.Helper()
	w := &world{tb: tb, server: graph(tb), embedded: memory.New(), newest: topology.Empty()}
	w.open(change)
	var err error
	if w.r, err = neo4j.OpenReader(tb.Context(), settings(w.server)); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = w.r.Close() })
	return w
}

// open opens a Projector, in place of the one before, which is left as it is.
func (w *world) open(change func(*neo4j.Config)) {
	w.tb.Helper()
	cfg := settings(w.server)
	if change != nil {
		change(&cfg)
	}
	p, err := neo4j.Open(w.tb.Context(), cfg, w.embedded)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.p = p
	w.tb.Cleanup(func() { _ = p.Close() })
}

// commit commits to the embedded store alone.
func (w *world) commit(d topology.Delta) {
	w.tb.Helper()
	rev, err := w.embedded.Commit(w.tb.Context(), w.newest.Revision(), d)
	if err != nil {
		w.tb.Fatal(err)
	}
	if w.newest, err = w.embedded.Snapshot(w.tb.Context(), rev); err != nil {
		w.tb.Fatal(err)
	}
}

// publish commits and publishes, and gives what was sent.
func (w *world) publish(d topology.Delta) neo4j.Stats {
	w.tb.Helper()
	w.commit(d)
	before := w.p.Stats()
	if err := w.p.Publish(w.tb.Context(), w.newest, d); err != nil {
		w.tb.Fatal(err)
	}
	after := w.p.Stats()
	return neo4j.Stats{
		Nodes: after.Nodes - before.Nodes, Edges: after.Edges - before.Edges, NodesDropped: after.NodesDropped - before.NodesDropped,
		EdgesDropped: after.EdgesDropped - before.EdgesDropped, Readings: after.Readings - before.Readings,
		Transactions: after.Transactions - before.Transactions, Retries: after.Retries - before.Retries,
	}
}

func (w *world) sync() {
	w.tb.Helper()
	if err := w.p.Sync(w.tb.Context()); err != nil {
		w.tb.Fatal(err)
	}
}

// check compares what Neo4j holds with the newest revision: what a Reader makes of it, and what an operator sees.
func (w *world) check() {
	w.tb.Helper()
	got, err := w.r.Snapshot(w.tb.Context(), 0)
	if err != nil {
		w.tb.Fatal(err)
	}
	if err := same(got, w.newest); err != nil {
		w.tb.Fatal(err)
	}
	checkPlain(w.tb, w.server, w.newest)
}

// checkPlain compares the plain graph, as text, with a slow and obvious rendering of the snapshot.
func checkPlain(tb testing.TB, s *server.Server, want *topology.Snapshot) {
	tb.Helper()
	nodes, err := s.Query(tb.Context(), "MATCH (n) WHERE NOT n:Projection RETURN labels(n), properties(n)", nil)
	if err != nil {
		tb.Fatal(err)
	}
	edges, err := s.Query(tb.Context(), "MATCH (a)-[r]->(b) RETURN labels(a), coalesce(a._id, a.id), type(r), labels(b), coalesce(b._id, b.id), properties(r)", nil)
	if err != nil {
		tb.Fatal(err)
	}
	var got []string
	for _, row := range nodes {
		props, _ := row[1].(map[string]any)
		delete(props, "_facts")
		if whole, ok := props["_id"]; ok {
			props["id"] = whole
			delete(props, "_id")
		}
		if fmt.Sprint(row[0]) == "[Reading]" {
			delete(props, "key")
		}
		got = append(got, fmt.Sprint(row[0], " ", plainText(props)))
	}
	for _, row := range edges {
		props, _ := row[5].(map[string]any)
		got = append(got, fmt.Sprint(row[0], row[1], " ", row[2], " ", row[3], row[4], " ", plainText(props)))
	}
	lines := expected(want)
	slices.Sort(got)
	slices.Sort(lines)
	for i := range max(len(got), len(lines)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(lines) {
			w = lines[i]
		}
		if g != w {
			tb.Fatalf("of %d lines (want %d) the first that differs is\n got %.2000q\nwant %.2000q", len(got), len(lines), g, w)
		}
	}
}

// plainText writes properties in the order of their names.
func plainText(props map[string]any) string {
	for name, v := range props {
		if at, ok := v.(time.Time); ok {
			props[name] = at.UTC().Format(time.RFC3339Nano)
		}
	}
	return fmt.Sprintf("%#v", props)
}

// expected renders what the documentation promises, one line for each node, relation and reading.
func expected(s *topology.Snapshot) []string {
	var lines []string
	for n := range s.Nodes() {
		props := map[string]any{"id": n.Key().ID}
		for _, a := range topology.Attrs() {
			var values []any
			for _, v := range n.Values(a) {
				switch a.Type() {
				case topology.TypeInt:
					values = append(values, v.Int())
				case topology.TypeBool:
					values = append(values, v.Bool())
				default:
					values = append(values, v.String())
				}
			}
			switch {
			case len(values) == 0:
			case a.Multi():
				props[a.String()] = values
			default:
				props[a.String()] = values[0]
			}
		}
		if props["name"] = n.Name(); len(n.Name()) > 4000 {
			props["name"] = strings.ToValidUTF8(n.Name()[:4000], "")
		}
		lines = append(lines, fmt.Sprint([]any{n.Kind().Label()}, " ", plainText(props)))
		for _, rel := range topology.Rels() {
			for _, e := range n.Out(rel) {
				props := map[string]any{
					"source": e.Reading.Source.String(), "device": e.Reading.Device, "table": e.Reading.Table,
					"confidence": int64(e.Confidence), "derived": e.Derived,
				}
				if e.Reading.Command != "" {
					props["command"] = e.Reading.Command
				}
				if e.Reading.Partial {
					props["partial"] = true
				}
				if !e.Since.IsZero() {
					props["firstSeen"] = e.Since
				}
				lines = append(lines, fmt.Sprint([]any{n.Kind().Label()}, n.Key().ID, " ", rel, " ",
					[]any{e.To.Kind().Label()}, e.To.Key().ID, " ", plainText(props)))
			}
		}
	}
	for _, r := range s.Readings() {
		lines = append(lines, fmt.Sprint([]any{"Reading"}, " ", plainText(map[string]any{
			"device": r.Device, "source": r.Source.String(), "table": r.Table, "partial": r.Partial,
			"command": r.Command, "time": r.Time, "rows": int64(r.Rows), "reason": r.Reason,
		})))
	}
	return lines
}

// TestPublish_randomDeltas publishes random deltas, now and then several at once and now and then by a new Projector, and looks at all of it each time.
func TestPublish_randomDeltas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		draw := storetest.Rapid{T: rt}
		w := newWorld(t, nil)
		for range 1 + draw.IntN(5) {
			d := storetest.Delta(draw, w.newest, 40)
			switch draw.IntN(5) {
			case 0: // one that is not published
				w.commit(d)
				continue
			case 1: // the program starts anew
				w.commit(d)
				w.open(nil)
				w.sync()
			default:
				w.publish(d)
			}
			w.check()
		}
	})
}

// TestPublish_hostileTexts has every hostile text as ID, name, value, device and table, and one of 1 MiB.
func TestPublish_hostileTexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	hostile := append(storetest.Hostile(), "`}) DETACH DELETE n //", "'}) MATCH (n) DETACH DELETE n //", "$rows", "n:VM", "\\u0060", strings.Repeat("ü", 1<<19),
		strings.Repeat("a", 4000), strings.Repeat("a", 4001), strings.Repeat("a", 4002))
	d := topology.Delta{Time: storetest.Start()}
	for _, h := range hostile {
		r := topology.Reading{
			ReadingKey: topology.ReadingKey{Device: h, Source: topology.SourceSNMP, Table: h, Partial: len(h)%2 == 0}, Command: h, Reason: h, Time: storetest.Start(),
		}
		d.Renew = append(d.Renew, r)
		port := topology.Key{Kind: topology.Port, ID: "p" + h}
		for _, f := range []topology.Fact{
			topology.Attribute(port, topology.AttrName, topology.TextValue(h)),
			topology.Attribute(port, topology.AttrComponent, topology.TextValue(h)),
			topology.Attribute(port, topology.AttrComponent, topology.TextValue(h+"'")),
			topology.Relate(port, topology.HasNeighbor, topology.Key{Kind: topology.Neighbor, ID: "n" + h}),
		} {
			f.Reading = r.ReadingKey
			d.Add = append(d.Add, f)
		}
	}
	w.publish(d)
	w.check()
	w.publish(topology.Delta{Time: storetest.Start(), Remove: d.Add[:len(d.Add)/2]})
	w.check()
}

// TestPublish_unchangedSweep renews all readings: no row of a node or relation is sent, and readings only once they have fallen behind.
func TestPublish_unchangedSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *neo4j.Config) { c.Lag = 5 * time.Minute })
	w.publish(storetest.Estate(600, storetest.Start()))
	w.check()
	readings := w.newest.Readings()
	renew := func(after time.Duration) topology.Delta {
		d := topology.Delta{Time: storetest.Start().Add(after)}
		for _, r := range readings {
			r.Time = d.Time
			d.Renew = append(d.Renew, r)
		}
		return d
	}
	for minute := range 4 {
		sent := w.publish(renew(time.Duration(minute+1) * time.Minute))
		if sent.Rows() != 0 || sent.Readings != 0 || sent.Transactions != 1 {
			t.Errorf("minute %d: %+v", minute+1, sent)
		}
	}
	got, err := w.r.Snapshot(t.Context(), 0)
	if err != nil || got.Revision() != w.newest.Revision() || !got.Time().Equal(w.newest.Time()) {
		t.Fatalf("after sweeps without news: %v, want revision %d, %v", got, w.newest.Revision(), err)
	}
	for _, r := range got.Readings() {
		if !r.Time.Equal(storetest.Start()) {
			t.Errorf("reading %s is of %s, want the time when it was last sent", r.ReadingKey, r.Time)
		}
	}
	if sent := w.publish(renew(6 * time.Minute)); sent.Rows() != 0 || sent.Readings != len(readings) {
		t.Errorf("after 6 minutes: %+v, want all %d readings", sent, len(readings))
	}
	w.check()
	d := renew(6*time.Minute + time.Second) // more than the time has changed
	d.Renew[0].Rows++
	if sent := w.publish(d); sent.Rows() != 0 || sent.Readings != 1 {
		t.Errorf("another number of rows: %+v, want one reading", sent)
	}
	w.sync()
	if sent := w.publish(storetest.Move(w.newest, 7, 3)); sent.Nodes != 1 || sent.Edges != 1 || sent.EdgesDropped != 1 || sent.NodesDropped != 0 {
		t.Errorf("a VM moves: %+v, want one node, one relation and one that goes", sent)
	}
}

// TestPublish_commandChanges has relations follow the command of their reading, although no fact changes.
func TestPublish_commandChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.publish(storetest.Estate(130, storetest.Start()))
	r := w.newest.Readings()[0]
	r.Command = "another"
	w.publish(topology.Delta{Time: storetest.Start(), Renew: []topology.Reading{r}})
	w.check()
}

// TestSync_bigChange is too big for one transaction: while it is under way no reader takes what is there for a revision.
func TestSync_bigChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.commit(storetest.Estate(20_000, storetest.Start()))
	impatient := settings(w.server)
	impatient.Timeout = 300 * time.Millisecond
	early, err := neo4j.OpenReader(t.Context(), impatient)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = early.Close() })
	looks := 0
	w.open(func(c *neo4j.Config) {
		c.Progress = func(rows int) {
			if looks++; looks != 2 {
				return
			}
			if s, err := early.Snapshot(t.Context(), 0); err == nil || s != nil {
				t.Errorf("after %d rows of a change that is not complete a reader got %v", rows, s)
			}
		}
	})
	w.sync()
	if looks < 3 {
		t.Errorf("the change was sent in %d parts: it is not big", looks)
	}
	w.check()
	// The next one starts from the revision that is there.
	w.open(nil)
	before := w.p.Stats()
	w.commit(storetest.Move(w.newest, 1, 2))
	w.sync()
	if after := w.p.Stats(); after.Nodes-before.Nodes != 1 || after.Transactions > 3 {
		t.Errorf("a move by a new Projector sent %+v", after)
	}
	w.check()
}

// TestSync_putsRight has an operator change the graph, which no Projector does by itself: once it is noticed, or looked for, all of it is put right, and
// what is not ours stays.
func TestSync_putsRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	rng := rand.New(rand.NewPCG(5, 6))
	w.publish(storetest.Delta(rng, w.newest, 400))
	w.publish(storetest.Estate(200, w.newest.Time()))
	run := func(cypher string) {
		if _, err := w.server.Query(t.Context(), cypher, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, cypher := range []string{
		"MATCH (v:VM) WITH v LIMIT 3 DETACH DELETE v",
		"MATCH (v:VNIC) WITH v LIMIT 3 SET v.mtu = 1, v._facts = []",
		"MATCH (h:Host) WITH h LIMIT 1 CREATE (h)-[:RunsOn]->(h), (:VM {id: 'stranger', _facts: ['@x']}), (h)-[:Contains]->(:VM {id: 'other', _facts: []})",
		"MATCH (h:Host)-[c:Contains]->(n:NIC) WITH h, n LIMIT 1 CREATE (h)-[:Contains {twice: true}]->(n)",
		"MATCH (:Host)-[c:Contains]->() WITH c LIMIT 2 DELETE c",
		"MATCH (p:Projection) SET p.pending = p.revision",
		"CREATE (:Team {name: 'storage'}), (:VM {id: 'planned'})",
	} {
		run(cypher)
	}
	w.open(nil)
	w.sync()
	if rows, err := w.server.Query(t.Context(), "MATCH (t:Team) DELETE t WITH t MATCH (v:VM {id: 'planned'}) DELETE v RETURN 1", nil); err != nil || len(rows) != 1 {
		t.Errorf("what is not ours did not stay: %v, %v", rows, err)
	}
	w.check()
	// A relation whose end is gone is noticed when it is sent.
	run("MATCH (h:Host) DETACH DELETE h")
	w.publish(storetest.Move(w.newest, 3, 1))
	w.check()
}

// TestRebuild replaces what another store has written, and only when told to.
func TestRebuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.publish(storetest.Delta(rand.New(rand.NewPCG(8, 8)), w.newest, 300))
	other := &world{tb: t, server: w.server, embedded: memory.New(), newest: topology.Empty(), r: w.r}
	other.commit(storetest.Estate(150, storetest.Start()))
	cfg := settings(w.server)
	cfg.Store = "another"
	if _, err := neo4j.Open(t.Context(), cfg, other.embedded); !isAll(err, neo4j.ErrForeign, `"test"`, `"another"`) {
		t.Fatalf("error is %v, want ErrForeign and both names", err)
	}
	w.check()
	if err := w.p.Sync(t.Context()); err != nil {
		t.Fatalf("who was refused has taken the fence: %v", err)
	}
	other.open(func(c *neo4j.Config) { c.Store, c.Rebuild = "another", true })
	other.sync()
	other.check()
	other.publish(storetest.Move(other.newest, 1, 0))
	other.check()
}
