//go:build linux

package neo4j_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	driver "github.com/neo4j/neo4j-go-driver/v5/neo4j"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/neo4j"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// loop is the peer of P-C3: a bare loop of UNWIND statements with rows that are made beforehand, each in a transaction of the driver's.
type loop struct {
	driver  driver.DriverWithContext
	batches []loopBatch
	rows    int
}

type loopBatch struct {
	cypher string
	rows   []any
}

// newLoop makes the rows of a snapshot: the same as a Projector sends.
func newLoop(b *testing.B, uri string, s *topology.Snapshot) *loop {
	b.Helper()
	d, err := driver.NewDriverWithContext(uri, driver.NoAuth())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close(context.Background()) })
	l := &loop{driver: d}
	for _, k := range topology.Kinds() {
		var rows []any
		for n := range s.Nodes(k) {
			rows = append(rows, neo4j.NodeProps(n))
		}
		l.add(fmt.Sprintf("UNWIND $rows AS row MERGE (n:%s {id: row.id}) SET n = row", k.Label()), rows)
	}
	edges := map[string][]any{}
	for n := range s.Nodes() {
		for _, rel := range topology.Rels() {
			for _, e := range n.Out(rel) {
				cypher := fmt.Sprintf("UNWIND $rows AS row MATCH (a:%s {id: row.a}) MATCH (b:%s {id: row.b}) MERGE (a)-[r:%s]->(b) SET r = row.p",
					n.Kind().Label(), e.To.Kind().Label(), rel)
				edges[cypher] = append(edges[cypher], map[string]any{"a": n.Key().ID, "b": e.To.Key().ID, "p": neo4j.EdgeProps(e)})
			}
		}
	}
	for cypher, rows := range edges {
		l.add(cypher, rows)
	}
	return l
}

func (l *loop) add(cypher string, rows []any) {
	l.rows += len(rows)
	for len(rows) > 0 {
		n := min(5000, len(rows))
		l.batches = append(l.batches, loopBatch{cypher, rows[:n]})
		rows = rows[n:]
	}
}

func (l *loop) run(b *testing.B) time.Duration {
	b.Helper()
	ctx := b.Context()
	began := time.Now()
	session := l.driver.NewSession(ctx, driver.SessionConfig{DatabaseName: "neo4j"})
	defer func() { _ = session.Close(ctx) }()
	for _, batch := range l.batches {
		_, err := session.ExecuteWrite(ctx, func(tx driver.ManagedTransaction) (any, error) {
			result, err := tx.Run(ctx, batch.cypher, map[string]any{"rows": batch.rows})
			if err != nil {
				return nil, err
			}
			return result.Consume(ctx)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

// benchWorld is an estate of BENCH_NODES nodes (20,000) that is committed and not published.
func benchWorld(b *testing.B) *world {
	b.Helper()
	nodes := 20_000
	if text := os.Getenv("BENCH_NODES"); text != "" {
		var err error
		if nodes, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	w := newWorld(b, func(c *neo4j.Config) { c.Timeout = 5 * time.Minute })
	w.commit(storetest.Estate(nodes, storetest.Start()))
	return w
}

// BenchmarkBareUnwind writes the rows of an estate into an empty database by a bare loop.
func BenchmarkBareUnwind(b *testing.B) {
	w := benchWorld(b)
	l := newLoop(b, w.server.URI(), w.newest)
	var took time.Duration
	for b.Loop() {
		graph(b)
		took += l.run(b)
	}
	b.ReportMetric(float64(l.rows*b.N)/took.Seconds(), "rows/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkProjector publishes an estate into an empty database (P-C3), turn by turn with the bare loop on the same server: ratio is the Projector's rate by
// that of the loop.
func BenchmarkProjector(b *testing.B) {
	w := benchWorld(b)
	l := newLoop(b, w.server.URI(), w.newest)
	project := func() time.Duration {
		graph(b)
		w.open(func(c *neo4j.Config) { c.Timeout = 5 * time.Minute })
		began := time.Now()
		w.sync()
		return time.Since(began)
	}
	bareLoop := func() time.Duration {
		graph(b)
		return l.run(b)
	}
	for range 4 { // until the server has compiled what both need
		project()
		bareLoop()
	}
	if sent := w.p.Stats(); sent.Rows() != l.rows {
		b.Fatalf("the Projector sent %d rows, the loop %d", sent.Rows(), l.rows)
	}
	var took, bare time.Duration
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			took += project()
			bare += bareLoop()
		} else {
			bare += bareLoop()
			took += project()
		}
	}
	b.ReportMetric(float64(l.rows*b.N)/took.Seconds(), "rows/s")
	b.ReportMetric(float64(l.rows*b.N)/bare.Seconds(), "bare-rows/s")
	b.ReportMetric(bare.Seconds()/took.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPublishMove publishes the move of one VM in the estate: what a change costs, whatever the size of the rest.
func BenchmarkPublishMove(b *testing.B) {
	w := benchWorld(b)
	w.sync()
	i := 0
	for b.Loop() {
		i++
		w.publish(storetest.Move(w.newest, i%1000, i%3))
	}
}
