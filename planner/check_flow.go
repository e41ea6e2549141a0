package planner

// flowChecks ask which flows the move loses or opens: NET-9 and NET-10.
func flowChecks() []Check {
	return nil
}
