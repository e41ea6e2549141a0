package planner

// storageChecks ask whether fabrics and arrays let the target see the units: SAN-1 to SAN-11.
func storageChecks() []Check {
	return nil
}
