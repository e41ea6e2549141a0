package planner

// deviceChecks ask whether the VM has devices that cannot move: DEV-1 to DEV-4.
func deviceChecks() []Check {
	return nil
}
