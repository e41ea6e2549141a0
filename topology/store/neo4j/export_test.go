package neo4j

import "github.com/throughline-dc/throughline/topology"

// Longest is how many octets of an ID are indexed.
const Longest = longest

// What tests look at directly.
var (
	Ident     = ident
	ParseURI  = parseURI
	Supported = supported
	Transient = transient
	Schema    = schema
	NodeProps = nodeProps
	EdgeProps = edgeProps
	FactLines = factLines
)

// ReadFacts reads the texts of _facts of one node.
func ReadFacts(subject topology.Key, lines []string) ([]topology.Fact, error) {
	return newFactReader().read(nil, subject, lines)
}

// Statements gives all the Cypher that can ever be sent.
func Statements() []string {
	all := []string{schemaNames, schemaAwait, readState, lockState, makeState, setState, putReadings, dropReadings, allReadings, wipeReadings, takenReading, allNodes()}
	for _, s := range schema(topology.Kinds()...) {
		all = append(all, s)
	}
	for _, k := range topology.Kinds() {
		all = append(all, putNodes(k), takenNodes(k), dropNodes(k), wipeNodes(k), nodesOf(k), edgesOf(k))
		for _, to := range topology.Kinds() {
			for _, rel := range topology.Rels() {
				t := edgeType{rel, k, to}
				all = append(all, putEdges(t), dropEdges(t))
			}
		}
	}
	return all
}
