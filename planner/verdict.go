package planner

import "fmt"

// Verdict is what a check says, from best to worst (ADR 5). Unknown is worse than a warning, since nobody has looked, and better than a block, since somebody may.
type Verdict uint8

// The verdicts.
const (
	Pass Verdict = iota
	Warn
	Unknown
	Block
	verdictEnd
)

var verdictNames = [verdictEnd]string{"pass", "warn", "unknown", "block"} //nolint:gochecknoglobals // read-only table

// String is the lower-case word.
func (v Verdict) String() string {
	if v >= verdictEnd {
		return fmt.Sprintf("verdict(%d)", uint8(v))
	}
	return verdictNames[v]
}

// MarshalText gives the word.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Worst is the total of some verdicts: the worst of them, Pass of none.
func Worst(all ...Verdict) Verdict {
	worst := Pass
	for _, v := range all {
		worst = max(worst, v)
	}
	return worst
}
