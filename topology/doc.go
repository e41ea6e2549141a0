// Package topology is the model at the centre of Throughline: identifiers, kinds and relations, what devices say (observations), the
// immutable graph that follows (snapshots), and typed change (deltas, change-sets).
//
// It uses the standard library alone, does no I/O, reads no clock and logs nothing. The flow through it:
//
//	observations --reconcile--> Delta --Snapshot.Apply--> Snapshot --Diff, With--> ChangeSet
package topology
