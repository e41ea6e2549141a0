package neo4j

import (
	"context"
	"fmt"
	"time"

	"github.com/neo4j/neo4j-go-driver/v5/neo4j"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store"
)

// state is the Projection node: what is there, who wrote it, and who may.
type state struct {
	format  int64
	store   string
	epoch   int64
	holder  string
	since   time.Time // of the holder
	writes  int64     // transactions that ever wrote
	info    store.RevisionInfo
	pending topology.Revision // that is being written, 0 if none: until it is complete, what is there is no revision
}

func stateOf(p row) state {
	number := func(name string) int64 { n, _ := p[name].(int64); return n }
	text := func(name string) string { s, _ := p[name].(string); return s }
	moment := func(name string) time.Time {
		t, _ := p[name].(time.Time)
		if t.IsZero() {
			return time.Time{}
		}
		return t.UTC()
	}
	return state{
		format: number("format"), store: text("store"), epoch: number("epoch"), holder: text("holder"), since: moment("since"), writes: number("writes"),
		pending: topology.Revision(number("pending")),
		info: store.RevisionInfo{
			Revision: topology.Revision(number("revision")), Time: moment("time"),
			Added: int(number("added")), Removed: int(number("removed")), Renewed: int(number("renewed")),
		},
	}
}

// infoProps are the properties that tell of a complete revision.
func infoProps(i store.RevisionInfo) row {
	return row{
		"revision": int64(i.Revision), "time": i.Time, "added": int64(i.Added), "removed": int64(i.Removed), "renewed": int64(i.Renewed), "pending": nil,
	}
}

// state runs one of the statements that return the Projection node. It fails with ErrUnpublished if there is none.
func (t transaction) state(ctx context.Context, cypher string) (state, error) {
	var s state
	found := false
	err := t.run(ctx, cypher, row{"id": projectionID}, func(values []any) error {
		if n, ok := values[0].(neo4j.Node); ok {
			s, found = stateOf(n.Props), true
		}
		return nil
	})
	if err == nil && !found {
		err = ErrUnpublished
	}
	return s, err
}

func (s state) checkFormat() error {
	if s.format != format {
		return fmt.Errorf("%w: the graph there has format %d, this program knows %d (throughline store rebuild writes it anew)", ErrVersion, s.format, format)
	}
	return nil
}
