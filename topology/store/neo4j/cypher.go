package neo4j

import (
	"fmt"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// Every statement that is sent is made here, of fixed text and of the words of the model's tables. What devices say is only ever a parameter.

// projectionID is the id of the one Projection node.
const projectionID = "throughline"

// nodeRef and edgeRef name a node and a relation as Neo4j knows them.
type (
	nodeRef struct {
		kind topology.Kind
		id   string // as ident gives it
	}
	edgeRef struct {
		rel      topology.Rel
		from, to nodeRef
	}
	// edgeType is what the relations of one statement have in common.
	edgeType struct {
		rel      topology.Rel
		from, to topology.Kind
	}
)

func refOf(k topology.Key) nodeRef { return nodeRef{k.Kind, ident(k.ID)} }

func edgeRefOf(e topology.Edge) edgeRef {
	return edgeRef{e.Rel, refOf(e.From.Key()), refOf(e.To.Key())}
}

func (e edgeRef) edgeType() edgeType { return edgeType{e.rel, e.from.kind, e.to.kind} }

// labels lists the labels of all kinds, as in a pattern: VM|Host|...
func labels() string {
	var words []string
	for _, k := range topology.Kinds() {
		words = append(words, k.Label())
	}
	return strings.Join(words, "|")
}

// schema gives the statements that make the constraints and indexes, by name: those of the nodes beside the graph, and of some kinds. A server takes its time for
// each, so that a kind gets its own when the first node of it comes.
func schema(kinds ...topology.Kind) map[string]string {
	unique := func(label, property string) string {
		return fmt.Sprintf("CREATE CONSTRAINT throughline_%s_%s IF NOT EXISTS FOR (n:%s) REQUIRE n.%s IS UNIQUE", strings.ToLower(label), property, label, property)
	}
	all := map[string]string{
		"throughline_reading_key":   unique("Reading", "key"),
		"throughline_projection_id": unique("Projection", propID),
	}
	for _, k := range kinds {
		all["throughline_"+k.String()+"_id"] = unique(k.Label(), propID)
		if k.Device() || k == topology.VM || k == topology.Rack { // what people begin a question with
			all["throughline_"+k.String()+"_name"] = fmt.Sprintf("CREATE INDEX throughline_%s_name IF NOT EXISTS FOR (n:%s) ON (n.name)", k, k.Label())
		}
	}
	return all
}

const (
	schemaNames = "SHOW INDEXES YIELD name, state WHERE name STARTS WITH 'throughline_' AND state = 'ONLINE' RETURN name"
	schemaAwait = "CALL db.awaitIndexes(300)"

	readState = "MATCH (p:Projection {id: $id}) RETURN p"
	// lockState takes the lock of the Projection node before it reads: whoever writes does this first, so that writers come one after the other.
	lockState = "MATCH (p:Projection {id: $id}) SET p.writes = p.writes + 1 RETURN p"
	makeState = `MERGE (p:Projection {id: $id})
ON CREATE SET p.format = $format, p.store = $store, p.revision = 0, p.added = 0, p.removed = 0, p.renewed = 0, p.epoch = 0, p.writes = 0`
	setState = "MATCH (p:Projection {id: $id}) SET p += $set"

	// ourReading tells our readings from what others call so: each of ours has all of these.
	ourReading   = "r.key IS NOT NULL AND r.device IS NOT NULL AND r.source IS NOT NULL AND r.table IS NOT NULL AND r.partial IS NOT NULL"
	putReadings  = "UNWIND $rows AS row MERGE (r:Reading {key: row.key}) ON CREATE SET r = row WITH r, row WHERE " + ourReading + " SET r = row RETURN count(*)"
	dropReadings = "UNWIND $rows AS row MATCH (r:Reading {key: row}) WHERE " + ourReading + " DELETE r RETURN count(*)"
	allReadings  = "MATCH (r:Reading) WHERE " + ourReading + " RETURN r"
	wipeReadings = "MATCH (r:Reading) WHERE " + ourReading + " WITH r LIMIT $limit DELETE r RETURN count(*)"
	takenReading = "UNWIND $rows AS row MATCH (r:Reading {key: row.key}) WHERE NOT (" + ourReading + ") RETURN labels(r), r.key LIMIT 3"
)

// putNodes leaves alone what somebody else keeps under our label and id, so that fewer rows are taken than were sent.
func putNodes(k topology.Kind) string {
	return "UNWIND $rows AS row MERGE (n:" + k.Label() + " {id: row.id}) ON CREATE SET n = row " +
		"ON MATCH SET n = CASE WHEN n._facts IS NULL THEN properties(n) ELSE row END RETURN count(n._facts)"
}

// takenNodes finds what putNodes left alone.
func takenNodes(k topology.Kind) string {
	return "UNWIND $rows AS row MATCH (n:" + k.Label() + " {id: row.id}) WHERE n._facts IS NULL RETURN labels(n), n.id LIMIT 3"
}

func dropNodes(k topology.Kind) string {
	return "UNWIND $rows AS row MATCH (n:" + k.Label() + " {id: row}) WHERE n._facts IS NOT NULL DETACH DELETE n RETURN count(*)"
}

// ends finds the two ends of each row. The hints leave the planner no choice: a plan made while the graph is small would be kept when it is big.
func ends(t edgeType) string {
	return fmt.Sprintf("UNWIND $rows AS row MATCH (a:%[1]s {id: row.a}) USING INDEX a:%[1]s(id) MATCH (b:%[2]s {id: row.b}) USING INDEX b:%[2]s(id) ",
		t.from.Label(), t.to.Label())
}

func putEdges(t edgeType) string {
	return ends(t) + fmt.Sprintf("MERGE (a)-[r:%s]->(b) SET r = row.p RETURN count(*)", t.rel)
}

func dropEdges(t edgeType) string {
	return ends(t) + fmt.Sprintf("MATCH (a)-[r:%s]->(b) DELETE r RETURN count(*)", t.rel)
}

// wipeNodes deletes some of the nodes that we wrote.
func wipeNodes(k topology.Kind) string {
	return "MATCH (n:" + k.Label() + ") WHERE n._facts IS NOT NULL WITH n LIMIT $limit DETACH DELETE n RETURN count(*)"
}

// allNodes reads everything that a Reader needs.
func allNodes() string {
	return "MATCH (n:" + labels() + ") WHERE n._facts IS NOT NULL RETURN labels(n), coalesce(n._id, n.id), n._facts"
}

// nodesOf reads all that stands at the nodes of a kind.
func nodesOf(k topology.Kind) string {
	return "MATCH (n:" + k.Label() + ") WHERE n._facts IS NOT NULL RETURN properties(n)"
}

// edgesOf reads all that stands at the relations that lead away from the nodes of a kind. It names neither types nor the labels of the far ends, so that
// there is only one way to run it: from the label, out.
func edgesOf(k topology.Kind) string {
	return "MATCH (a:" + k.Label() + ")-[r]->(b) WHERE a._facts IS NOT NULL AND b._facts IS NOT NULL RETURN a.id, type(r), labels(b), b.id, properties(r)"
}

// kindOf finds the kind among the labels of a node; operators may have put others beside it.
func kindOf(labels any, byLabel map[string]topology.Kind) (topology.Kind, bool) {
	list, _ := labels.([]any)
	for _, l := range list {
		if word, ok := l.(string); ok {
			if k, ok := byLabel[word]; ok {
				return k, true
			}
		}
	}
	return 0, false
}

func kindsByLabel() map[string]topology.Kind {
	m := map[string]topology.Kind{}
	for _, k := range topology.Kinds() {
		m[k.Label()] = k
	}
	return m
}
