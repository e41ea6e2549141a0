package planner

// hostNetworkChecks ask whether the target has what the vNICs plug into: NET-H1 to NET-H9.
func hostNetworkChecks() []Check {
	return nil
}
