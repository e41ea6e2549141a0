//go:build linux

package neo4j_test

import (
	"fmt"
	"testing"

	"github.com/throughline-dc/throughline/topology/store/memory"
	"github.com/throughline-dc/throughline/topology/store/neo4j"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// foreignNodes asks for what others keep, as text.
func foreignNodes(t *testing.T, w *world) string {
	t.Helper()
	rows, err := w.server.Query(t.Context(), "MATCH (n) WHERE n.theirs = true RETURN labels(n), coalesce(n.id, n.key, n.sensor), size(keys(n)) ORDER BY toString(labels(n)[0]), 2", nil)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(rows)
}

func (w *world) run(cypher string) {
	w.tb.Helper()
	if _, err := w.server.Query(w.tb.Context(), cypher, nil); err != nil {
		w.tb.Fatal(err)
	}
}

// TestForeign_stays has others keep nodes under our labels: publishing, putting right and rebuilding neither read nor touch them.
func TestForeign_stays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run("UNWIND range(1, 3) AS i CREATE (:Reading {sensor: 's' + i, theirs: true, value: i}), (:Host {id: 'rack-' + i, theirs: true}), (:Projection {id: 'film ' + i, theirs: true})")
	w.run("CREATE (:Reading {key: 'k', source: 'thermometer', theirs: true})")
	before := foreignNodes(t, w)
	whole := func() {
		t.Helper()
		if after := foreignNodes(t, w); after != before {
			t.Fatalf("what others keep has changed:\n got %s\nwant %s", after, before)
		}
		got, err := w.r.Snapshot(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := same(got, w.newest); err != nil {
			t.Fatal(err)
		}
	}
	w.publish(storetest.Estate(100, storetest.Start()))
	whole()
	w.run("MATCH (p:Projection {id: 'throughline'}) SET p.pending = p.revision") // all is read and compared
	w.open(nil)
	w.sync()
	whole()
	w.open(func(c *neo4j.Config) { c.Rebuild = true })
	w.sync()
	whole()
}

// TestForeign_inTheWay has others hold a place of ours: it is refused by name, and nothing of theirs is taken.
func TestForeign_inTheWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.commit(storetest.Estate(100, storetest.Start()))
	w.run("CREATE (:Host {id: 'host00000', theirs: true})")
	host := ""
	for n := range w.newest.Nodes() {
		if n.Kind().Label() == "Host" {
			host = n.Key().ID
		}
	}
	w.run(fmt.Sprintf("MATCH (h:Host {theirs: true}) SET h.id = '%s'", host))
	before := foreignNodes(t, w)
	if err := w.p.Sync(t.Context()); !isAll(err, neo4j.ErrTaken, "[Host] "+host) {
		t.Errorf("error is %v, want ErrTaken and the node", err)
	}
	if after := foreignNodes(t, w); after != before {
		t.Errorf("what others keep has changed:\n got %s\nwant %s", after, before)
	}
	w.run("MATCH (h:Host {theirs: true}) DELETE h")
	w.sync()
	w.check()

	w.run("MATCH (p:Projection) DELETE p CREATE (:Projection {id: 'throughline', theirs: true})")
	for _, rebuild := range []bool{false, true} {
		cfg := settings(w.server)
		cfg.Rebuild = rebuild
		if _, err := neo4j.Open(t.Context(), cfg, w.embedded); !isAll(err, neo4j.ErrTaken, "Projection") {
			t.Errorf("rebuild %t over a Projection of somebody else: error is %v, want ErrTaken", rebuild, err)
		}
	}
}

// TestForeign_constraint has two nodes of others share an id: no constraint can be made, which is told at once, and a rebuild wipes nothing before.
func TestForeign_constraint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.publish(storetest.Estate(100, storetest.Start()))
	w.run("DROP CONSTRAINT throughline_host_id")
	w.run("CREATE (:Host {id: 'twin', theirs: true}), (:Host {id: 'twin', theirs: true})")
	other := memory.New()
	if _, err := other.Commit(t.Context(), 0, storetest.Estate(50, storetest.Start())); err != nil {
		t.Fatal(err)
	}
	cfg := settings(w.server)
	cfg.Store, cfg.Rebuild = "another", true
	p, err := neo4j.Open(t.Context(), cfg, other)
	if !isAll(err, neo4j.ErrTaken, "Host", "twin") {
		t.Errorf("error is %v, want ErrTaken, the label and the value", err)
	}
	if p != nil {
		_ = p.Close()
	}
	got, err := w.r.Snapshot(t.Context(), 0)
	if err != nil {
		t.Fatalf("what stood there is gone: %v", err)
	}
	if err := same(got, w.newest); err != nil {
		t.Error(err)
	}
	if err := w.p.Sync(t.Context()); err != nil {
		t.Errorf("who wrote before can go on no more: %v", err)
	}
}
