package ssh

import (
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// Replay reads the answers of one device that were kept, by the names of their tables (Answers lists them), as one session at one time. What was not kept was
// not asked.
func Replay(d collectors.Device, kept map[string][]byte, at time.Time) ([]topology.Observation, []collectors.Unparsed) {
	answers := make(map[string]answer, len(kept))
	for _, t := range tables() {
		if raw, ok := kept[t.name]; ok {
			answers[t.name] = answer{raw: raw, line: t.line, at: at}
		}
	}
	return observe(d, answers)
}
