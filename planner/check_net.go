package planner

// networkChecks ask whether frames of the VM get from the target to where they got before: NET-1 to NET-8, NET-11 to NET-13.
func networkChecks() []Check {
	return nil
}
