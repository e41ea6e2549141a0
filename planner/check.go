package planner

import "slices"

// Check is one question that is asked before a move. Its code is stable: people put it into tickets, policies and scripts.
type Check struct {
	Code  string // "NET-2"
	Asks  string // the question, in one sentence
	Facts string // what it has to know, and who says it
	Mends string // what would make it right
	When  When
	Why   string // of a check that is not made before the run: why not, or of which hypervisor it is

	run  func(*finder)
	sums bool // it looks at what the checks before it found
}

// When is the moment at which a check can be made.
type When uint8

// The moments.
const (
	Before    When = iota // on the snapshot
	AtRun                 // only while the move is made: it needs to write, or the guest
	Elsewhere             // for another hypervisor than those that are read so far
)

// String is the word for a moment.
func (w When) String() string { return []string{"before", "at the run", "not applicable"}[w] }

// Checks lists all checks in the order in which they are made: cheap and local first, so that what is shown first is what is mended first.
func Checks() []Check {
	return slices.Concat(vmChecks(), hostChecks(), policyChecks(), nameChecks(), cpuChecks(), capacityChecks(), deviceChecks(), channelChecks(),
		hostNetworkChecks(), networkChecks(), flowChecks(), diskChecks(), storageChecks(), metaChecks())
}
