package ssh

import (
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// ObserveAnswers makes observations of answers by the names of their tables, as if one session had given them.
func ObserveAnswers(d collectors.Device, answers map[string][]byte) ([]topology.Observation, []collectors.Unparsed) {
	all := map[string]answer{}
	for name, raw := range answers {
		all[name] = answer{raw: raw, line: "answer of " + name, at: time.Unix(0, 0)}
	}
	return observe(d, all)
}

// HostLines lists the fixed lines of the host's own commands by the names of their tables.
func HostLines() map[string]string {
	lines := map[string]string{}
	for _, t := range hostTables() {
		lines[t.name] = t.line
	}
	return lines
}
