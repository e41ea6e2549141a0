package snmp

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"

	"github.com/throughline-dc/throughline/internal/snmprec"
)

// Walker answers for one device: live ([Session]) or from a recording ([Recording]). The parsers of the MIBs see
// nothing else, so both give the same observations.
type Walker interface {
	// Walk reads the columns of a table. What was read is returned in every case; Result says whether it is all.
	// The error says that the device cannot be asked at all (it does not answer, it refuses the credentials, ctx
	// ended), so that further walks are pointless; the Result is then incomplete.
	Walk(ctx context.Context, table Table) (Rows, Result, error)
	// Scalars reads single objects, each identifier with its instance (".0" at its end). An object that the
	// device does not have is in the answer as an exception value. The error means the same as Walk's; an object
	// that could not be read for a reason of its own is a gap of the Result and missing in the answer.
	Scalars(ctx context.Context, oids ...snmprec.OID) (Scalars, Result, error)
}

// Table names the columns of a conceptual table that are to be read (RFC 2578 section 7.1.12).
type Table struct {
	Name    string      // for messages: "ifTable"
	Entry   snmprec.OID // the conceptual row: 1.3.6.1.2.1.2.2.1 is ifEntry
	Columns []uint32    // sub-identifiers below Entry, in any order: 2 is ifDescr
	// Long says that the table may have thousands of rows (FDB, ARP, routes): its key space is then cut into
	// ranges from the start. Any other table is cut once it turns out to be long.
	Long bool
}

// Column is the identifier of one column.
func (t Table) Column(column uint32) snmprec.OID { return t.Entry.Append(column) }

// Scalars are single objects by their identifiers.
type Scalars map[snmprec.OID]snmprec.Value

// Cell is one value of a column.
type Cell struct {
	Index snmprec.OID // what follows the column's identifier
	Value snmprec.Value
}

// Rows is what was read of a table: per column its cells in the order of their indexes. A column need not have a cell
// in every row.
type Rows struct {
	columns map[uint32][]Cell
}

// NewRows makes rows from cells by column. Each column must be in the order of its indexes, without repetition.
func NewRows(columns map[uint32][]Cell) Rows { return Rows{columns} }

// Column returns the cells of one column in order. The slice belongs to the rows.
func (r Rows) Column(column uint32) []Cell { return r.columns[column] }

// Value returns one cell, the absent value when the device has none there.
func (r Rows) Value(column uint32, index snmprec.OID) snmprec.Value {
	cells := r.columns[column]
	i, found := slices.BinarySearchFunc(cells, index, func(c Cell, at snmprec.OID) int { return c.Index.Compare(at) })
	if !found {
		return snmprec.Value{}
	}
	return cells[i].Value
}

// Len is the number of values in all columns.
func (r Rows) Len() int {
	n := 0
	for _, cells := range r.columns {
		n += len(cells)
	}
	return n
}

// Row is one conceptual row.
type Row struct {
	Index snmprec.OID
	cells []rowCell // a handful
}

type rowCell struct {
	column uint32
	value  snmprec.Value
}

// Value returns the row's value in a column, the absent value when there is none.
func (r Row) Value(column uint32) snmprec.Value {
	for _, c := range r.cells {
		if c.column == column {
			return c.value
		}
	}
	return snmprec.Value{}
}

// All yields every row that has a value in at least one column, in the order of the indexes.
func (r Rows) All() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		rest := make([]columnRest, 0, len(r.columns))
		for column, cells := range r.columns {
			rest = append(rest, columnRest{column, cells})
		}
		for {
			row, ok := nextRow(rest)
			if !ok || !yield(row) {
				return
			}
		}
	}
}

// columnRest are the cells of a column that are still to come.
type columnRest struct {
	column uint32
	cells  []Cell
}

// nextRow takes the cells of the smallest index off the front of every column; false: there are none.
func nextRow(rest []columnRest) (Row, bool) {
	var index snmprec.OID
	first := true
	for _, c := range rest {
		if len(c.cells) > 0 && (first || c.cells[0].Index.Compare(index) < 0) {
			first, index = false, c.cells[0].Index
		}
	}
	if first {
		return Row{}, false
	}
	row := Row{Index: index, cells: make([]rowCell, 0, len(rest))}
	for i, c := range rest {
		if len(c.cells) > 0 && c.cells[0].Index == index {
			row.cells = append(row.cells, rowCell{c.column, c.cells[0].Value})
			rest[i].cells = c.cells[1:]
		}
	}
	return row, true
}

// Result says how a walk ended and what it cost.
type Result struct {
	// Complete is true only when the end of every column was proven: an object behind it or the end of the MIB view
	// was seen, and nothing in between failed. Only a complete table may delete what was known before.
	Complete bool
	// Gaps are the parts that could not be read, in the order of their identifiers; empty exactly when Complete.
	Gaps []Gap
	// Requests counts the datagrams sent, retries and security handshakes included.
	Requests int
	// Retries counts those of them that repeated an unanswered or refused request.
	Retries int
	// Values counts the varbinds received, those outside the table included.
	Values int
}

// Gap is a part of a table that was not read.
type Gap struct {
	// After is the last identifier before the gap: of an object that was read, or of the column itself.
	After snmprec.OID
	// Reason names the cause and the identifiers it concerns.
	Reason string
}

// String is "nothing read after .1.3.6...: reason".
func (g Gap) String() string { return fmt.Sprintf("nothing read after .%s: %s", g.After, g.Reason) }

// ColumnComplete reports whether one column of the table was read to its proven end.
func (r Result) ColumnComplete(table Table, column uint32) bool {
	prefix := table.Column(column)
	return !slices.ContainsFunc(r.Gaps, func(g Gap) bool { return g.After.HasPrefix(prefix) })
}

// finish orders the gaps and draws the conclusion.
func (r *Result) finish() {
	sort.SliceStable(r.Gaps, func(i, j int) bool { return r.Gaps[i].After.Compare(r.Gaps[j].After) < 0 })
	r.Complete = len(r.Gaps) == 0
}

// Recording lets a recorded agent answer in place of a device. Its walks are always complete: what the recording does not
// hold, the device did not have.
type Recording struct {
	Held snmprec.Recording
}

var _ Walker = Recording{}

// Walk returns the recorded rows.
func (r Recording) Walk(ctx context.Context, table Table) (Rows, Result, error) {
	columns := make(map[uint32][]Cell, len(table.Columns))
	var result Result
	for _, column := range table.Columns {
		prefix := table.Column(column)
		if err := ctx.Err(); err != nil {
			result.Gaps = append(result.Gaps, Gap{After: prefix, Reason: err.Error()})
			result.finish()
			return NewRows(columns), result, err
		}
		varbinds := r.Held.Under(prefix)
		cells := make([]Cell, 0, len(varbinds))
		for _, vb := range varbinds {
			if vb.OID == prefix {
				continue // no instance of the column, though some agents serve it; GETNEXT from the column passes it by
			}
			cells = append(cells, Cell{Index: vb.OID.After(prefix.Len()), Value: vb.Value})
		}
		columns[column] = cells
		result.Values += len(cells)
	}
	result.finish()
	return NewRows(columns), result, nil
}

// Scalars returns the recorded objects; one that is not recorded is noSuchInstance.
func (r Recording) Scalars(ctx context.Context, oids ...snmprec.OID) (Scalars, Result, error) {
	answer := make(Scalars, len(oids))
	var result Result
	for _, oid := range oids {
		if err := ctx.Err(); err != nil {
			result.Gaps = append(result.Gaps, Gap{After: oid, Reason: err.Error()})
			result.finish()
			return answer, result, err
		}
		value := r.Held.Find(oid)
		if value.Kind() == snmprec.Absent {
			value = snmprec.ExceptionValue(snmprec.NoSuchInstance)
		}
		answer[oid] = value
		result.Values++
	}
	result.finish()
	return answer, result, nil
}
