// Package neo4j publishes the current graph to Neo4j and reads it back.
//
// The embedded store is the truth and keeps the history. What stands in Neo4j is a projection of its newest revision, for sharing and for
// questions in Cypher (ADR 0014): Projector writes it, Reader is a read-only store.Reader over it. All Cypher of Throughline is in this package.
//
//	p, err := neo4j.Open(ctx, neo4j.Config{URI: "neo4j://graph.example", Store: "HOST:/var/lib/throughline.db", ...}, embedded)
//	err = p.Sync(ctx)                     // once: brings Neo4j to the newest revision, whatever it held
//	err = p.Publish(ctx, snapshot, delta) // after each commit: sends what the delta changed
//
// A Publish that fails leaves Neo4j at the revision before or, if the change was big, marked as pending; the next Publish or Sync goes on
// from what is there. Nothing has to be done in between.
//
// # The graph
//
// Every node of the model is a node with one label, Kind.Label (VM, VirtualSwitch, LogicalUnit ...), and these properties:
//
//	id      Key.ID, unique in its label
//	name    Node.Name, always there
//	...     each believed attribute under its canonical name: numbers, truth values, texts; lists where a node may have several
//	_facts  what every source says of the node (see below)
//	_id     the whole ID, only where it is too long to be indexed and id is shortened
//
// Every believed relation is a relation of the type Rel.String, directed as in the model, with the provenance of its best evidence: source,
// device, table, command, firstSeen, confidence, derived, and partial if the table was not read to its end.
//
// Beside them are (:Reading {key, device, source, table, partial, command, time, rows, reason}), one for each table of each device, and one
// (:Projection {id: "throughline"}), which says what is there: format, store, revision, time, epoch, holder, since, writes, and pending while a big change is
// under way.
//
// Others may keep nodes of these labels, too: those without _facts, and Readings that lack one of key, device, source, table and partial, are neither read nor
// changed. Where one holds the place of ours (label and id, or key), nothing is published: ErrTaken.
//
// # Facts
//
// A Reader restores the very same snapshot from the nodes alone. _facts is a list of texts, format 1:
//
//	@READING                          the facts that follow are of this reading: SOURCE/DEVICE/TABLE, after ~ if it is partial;
//	                                  in DEVICE, "/" is %2F, "%" is %25 and an "@" at the beginning is %40
//	.ATTRIBUTE SINCE CONFIDENCE VALUE    since in seconds of Unix time, 0 if not known; a "d" after the confidence: derived
//	>RELATION SINCE CONFIDENCE KIND:ID
//
// # One writer
//
// Open takes the fence: it raises the projection's epoch, and each transaction checks it first, under the lock of the Projection node. Whoever
// was writing before gets ErrFenced. Transient failures (deadlock, change of leader, connection lost, server restarting) are retried here, and not in the
// driver, for at most Config.Timeout a transaction; all statements may be repeated.
package neo4j
