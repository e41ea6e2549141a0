package snmprec

import (
	"errors"
	"fmt"
	"slices"
)

// Recording is what one agent held when somebody recorded it.
type Recording struct {
	// Varbinds are in the order of their identifiers, each identifier once.
	Varbinds []Varbind
	// Skipped are the lines that hold no varbind although they should. Nothing of them is served or used.
	Skipped []Skipped
	// Repeated counts later lines of an identifier that an earlier line gave: the first is kept.
	Repeated int
	// Repaired counts values that a known fault of the recorder had damaged and that could be restored.
	Repaired int
}

// Skipped is a line of a recording that was not understood.
type Skipped struct {
	Line   int // counted from 1
	Reason string
}

// String is "line 12: reason".
func (s Skipped) String() string { return fmt.Sprintf("line %d: %s", s.Line, s.Reason) }

// ErrNoVarbind says that no line of the input is a varbind: it is another kind of file.
var ErrNoVarbind = errors.New("no line is a varbind")

// Find returns the value of exactly this identifier, the absent value when the recording has none.
func (r Recording) Find(oid OID) Value {
	i, found := slices.BinarySearchFunc(r.Varbinds, oid, compareVarbind)
	if !found {
		return Value{}
	}
	return r.Varbinds[i].Value
}

// Under returns the varbinds whose identifiers begin with prefix, in order. The slice is the recording's own.
func (r Recording) Under(prefix OID) []Varbind {
	from, _ := slices.BinarySearchFunc(r.Varbinds, prefix, compareVarbind)
	rest := r.Varbinds[from:]
	for i, vb := range rest {
		if !vb.OID.HasPrefix(prefix) {
			return rest[:i:i]
		}
	}
	return rest
}

// Sort puts varbinds in the order of GETNEXT and keeps the first of each identifier; it returns how many it dropped.
// The slice given is reused.
func Sort(varbinds []Varbind) (sorted []Varbind, repeated int) {
	slices.SortStableFunc(varbinds, func(a, b Varbind) int { return a.OID.Compare(b.OID) })
	sorted = slices.CompactFunc(varbinds, func(a, b Varbind) bool { return a.OID == b.OID })
	return sorted, len(varbinds) - len(sorted)
}

func compareVarbind(vb Varbind, oid OID) int { return vb.OID.Compare(oid) }

// skip notes a line that holds no varbind.
func (r *Recording) skip(line int, reason string) {
	r.Skipped = append(r.Skipped, Skipped{Line: line, Reason: reason})
}

// finish sorts, drops repetitions, and refuses a recording of nothing.
func (r *Recording) finish() error {
	r.Varbinds, r.Repeated = Sort(r.Varbinds)
	if len(r.Varbinds) > 0 {
		return nil
	}
	if len(r.Skipped) > 0 {
		return fmt.Errorf("%w (%s)", ErrNoVarbind, r.Skipped[0])
	}
	return ErrNoVarbind
}
