package ssh

// HostLines lists the fixed lines of the host's own commands by the names of their tables.
func HostLines() map[string]string {
	lines := map[string]string{}
	for _, t := range hostTables() {
		lines[t.name] = t.line
	}
	return lines
}
