package snmp

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/internal/snmprec"
)

// plan decides what to ask next to read one table, and knows what is proven so far. It is pure: the [Session] carries
// its requests to the device and brings the answers back, in any order.
//
// A table is read column by column, and a column is covered by spans: intervals of its identifiers that are read one
// GETBULK after the other. Requests of short spans travel together, several columns in one GETBULK. A span that turns out
// to be long is cut in two, so that both parts are read at once: GETNEXT may start at any identifier. Where the cut
// goes is a guess until a column is known in full; its rows then say exactly how the others are divided.
//
// A span is proven when the device gave an identifier at or behind its end. Where two spans meet, the proof does not rest
// on the guess: the left one must reach the very row that the right one began with, since an agent might
// mishandle a GETNEXT from an identifier that does not exist.
type plan struct {
	table   Table
	columns []*column
	guide   *column // the complete column with the most rows: where the rows of the others are expected
	chart   chart   // what is known of the key space before there is a guide
	misses  int     // cuts that found nothing behind them
	solo    bool    // one span a query: the agent mixed up the columns of an answer
	tries   int     // requests made
	values  int     // varbinds received
	gaps    []Gap
}

// column is one column of the table.
type column struct {
	root  snmprec.OID
	spans []*span // in order; together they cover the column
	rows  int
	fits  int           // values of this column that a datagram held when it held fewer than were asked for; 0: unknown
	keys  []snmprec.OID // indexes of all rows, once complete
}

// span is the part of a column behind from, up to and including to.
type span struct {
	column *column
	from   snmprec.OID
	to     snmprec.OID // zero: the end of the column
	right  *span       // the next span of the column
	cells  []Cell
	cursor snmprec.OID // the last row read; from in the beginning

	first  snmprec.OID // the first identifier the device gave behind from; zero: not known yet
	seen   snmprec.OID // an identifier the device gave behind the span
	ending bool        // the device gave the end of the MIB view
	state  spanState
	limit  int  // most repetitions after trouble; 0: none
	alone  bool // share no request, after trouble
	asked  int  // repetitions in flight
}

type spanState int

const (
	spanReady   spanState = iota
	spanAsked             // a request is in flight
	spanMeeting           // its end is reached; the right neighbour has to say where it began
	spanDone
	spanFailed
)

// query is a GETBULK to send: one varbind per span, or one per point of a scout, repetitions times each.
type query struct {
	spans       []*span
	scout       []snmprec.OID
	scouted     *column
	repetitions int
}

// names are the identifiers that the request starts from.
func (q query) names() []snmprec.OID {
	if len(q.spans) == 0 {
		return q.scout
	}
	names := make([]snmprec.OID, len(q.spans))
	for i, s := range q.spans {
		names[i] = s.cursor
	}
	return names
}

// values is how many values the query asks for.
func (q query) values() int { return max(len(q.spans), len(q.scout)) * q.repetitions }

// mostNames keeps a request within one datagram: an identifier of a long table takes up to 30 octets.
const mostNames = 40

// errDisorder is the cause of a gap where an agent does not return identifiers in increasing order.
var errDisorder = errors.New("the device's identifiers do not increase")

func newPlan(table Table) *plan {
	p := &plan{table: table}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(table.Columns))) {
		c := &column{root: table.Column(id)}
		c.spans = []*span{{column: c, from: c.root, cursor: c.root}}
		p.columns = append(p.columns, c)
	}
	return p
}

// done reports whether nothing is left to ask.
func (p *plan) done() bool {
	for _, c := range p.columns {
		for _, s := range c.spans {
			if s.state != spanDone && s.state != spanFailed {
				return false
			}
		}
	}
	return true
}

// ready reports whether there is something to ask without cutting spans.
func (p *plan) ready() bool {
	for _, c := range p.columns {
		if slices.ContainsFunc(c.spans, func(s *span) bool { return s.state == spanReady }) {
			return true
		}
	}
	return false
}

// next returns the next query for at most size values; false when nothing is ready.
func (p *plan) next(size int) (query, bool) {
	type candidate struct {
		span *span
		rows int
	}
	var ready []candidate
	for _, c := range p.columns {
		for _, s := range c.spans {
			if s.state == spanReady {
				ready = append(ready, candidate{s, p.expected(s, size)})
			}
		}
	}
	if len(ready) == 0 {
		return query{}, false
	}
	// Long spans first, since their requests depend on each other; short ones fill requests together.
	slices.SortStableFunc(ready, func(a, b candidate) int {
		return cmp.Or(boolOrder(a.span.alone, b.span.alone), cmp.Compare(b.rows, a.rows))
	})
	q := query{repetitions: ready[0].rows}
	most := min(max(1, size/q.repetitions), mostNames)
	if p.solo {
		most = 1
	}
	for _, c := range ready {
		if len(q.spans) == most || (len(q.spans) > 0 && (c.span.alone || q.spans[0].alone)) {
			break
		}
		if c.span.limit == 0 || c.span.limit >= q.repetitions {
			q.spans = append(q.spans, c.span)
		}
	}
	q.repetitions = p.fill(q, size)
	p.tries++
	for _, s := range q.spans {
		s.state, s.asked = spanAsked, q.repetitions
	}
	return q, true
}

// fill raises the repetitions of a query to what its size allows, unless it is known that there is no more to come.
func (p *plan) fill(q query, size int) int {
	for _, s := range q.spans {
		if _, known := p.counted(s); known || s.limit > 0 {
			return q.repetitions
		}
	}
	return max(q.repetitions, size/len(q.spans))
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// expected estimates how many values a span still has, the one behind it included; at least 1, at most size.
func (p *plan) expected(s *span, size int) int {
	rows := max(s.column.rows, size/max(1, len(p.columns))) // as many again as there were: the best guess without knowledge
	if rest, ok := p.counted(s); ok {
		rows = len(rest)
		if s.to.IsZero() {
			rows++
		}
	}
	if s.limit > 0 {
		size = min(size, s.limit)
	}
	return min(max(1, rows), max(1, size))
}

// counted returns the rows that a span still has according to the guide; false where the guide has proven wrong or there
// is none.
func (p *plan) counted(s *span) ([]snmprec.OID, bool) {
	if p.guide == nil || p.guide == s.column {
		return nil, false
	}
	start := p.position(s, s.from)
	at := p.position(s, s.cursor)
	if at-start < len(s.cells) {
		return nil, false
	}
	end := len(p.guide.keys)
	if !s.to.IsZero() {
		end = max(at, p.position(s, s.to))
	}
	return p.guide.keys[at:end], true
}

// position counts the guide's rows up to an identifier of a span's column, this one included.
func (p *plan) position(s *span, oid snmprec.OID) int {
	i, found := slices.BinarySearchFunc(p.guide.keys, s.column.index(oid), snmprec.OID.Compare)
	if found {
		i++
	}
	return i
}

// deliver takes the varbinds that answer a query, in the order of the wire: row by row over the query's names.
func (p *plan) deliver(q query, varbinds []snmprec.Varbind) {
	p.values += len(varbinds)
	if len(q.spans) == 0 {
		p.sight(q, varbinds)
		return
	}
	if len(q.spans) > 1 && !orderly(q, varbinds) {
		// What belongs to which column cannot be told, so nothing of it is used.
		p.solo = true
		for _, s := range q.spans {
			s.state, s.asked = spanReady, 0
		}
		return
	}
	if n := len(varbinds); len(q.spans) == 1 && n > 0 && n < q.repetitions && varbinds[n-1].Value.Kind() != snmprec.EndOfMIBView {
		q.spans[0].column.fits = max(q.spans[0].column.fits, n)
	}
	for i, s := range q.spans {
		s.asked = 0
		answered := 0
		for at := i; at < len(varbinds) && s.state == spanAsked; at += len(q.spans) {
			p.take(s, varbinds[at])
			answered++
		}
		if s.state != spanAsked {
			continue
		}
		s.state = spanReady
		switch {
		case answered > 0:
			s.relax()
		case i == 0:
			p.fail(s, "the device answered without a value")
		}
		// A later span without an answer did not fit into the datagram and is asked for again.
	}
	for _, s := range q.spans {
		p.settle(s.column)
	}
}

// orderly reports whether each name of a query has a sequence of increasing identifiers in the answer, up to the end of the
// MIB view. An agent that leaves out the columns that have ended shifts the others, and rows would be missed.
func orderly(q query, varbinds []snmprec.Varbind) bool {
	at := q.names()
	ended := make([]bool, len(at))
	for i, vb := range varbinds {
		name := i % len(at)
		end := vb.Value.Kind() == snmprec.EndOfMIBView
		if ended[name] != end && ended[name] || !end && vb.OID.Compare(at[name]) <= 0 {
			return false
		}
		at[name], ended[name] = vb.OID, end
	}
	return true
}

// relax takes a limit back step by step once requests succeed again.
func (s *span) relax() {
	if s.limit > 0 {
		s.limit *= 2
		if s.limit >= DefaultProfile().MaxRepetitions {
			s.limit = 0
		}
	}
	s.alone = false
}

// take adds one varbind to a span.
func (p *plan) take(s *span, vb snmprec.Varbind) {
	switch vb.Value.Kind() {
	case snmprec.EndOfMIBView:
		s.ending = true
		if len(s.cells) == 0 && p.guide == nil {
			p.learn(s.column, s.from, vb)
		}
		p.reachEnd(s)
		return
	case snmprec.NoSuchObject, snmprec.NoSuchInstance, snmprec.Absent:
		p.fail(s, fmt.Sprintf("the device answered GETBULK after .%s with %s", s.cursor, vb.Value.Kind()))
		return
	default:
	}
	if vb.OID.Compare(s.cursor) <= 0 {
		p.fail(s, fmt.Sprintf("%v: .%s comes after .%s", errDisorder, vb.OID, s.cursor))
		return
	}
	if s.first.IsZero() {
		s.first = vb.OID
		if s.from != s.column.root && p.guide == nil {
			p.learn(s.column, s.from, vb)
		}
	}
	if !vb.OID.HasPrefix(s.column.root) || (!s.to.IsZero() && vb.OID.Compare(s.to) > 0) {
		s.seen = vb.OID
		p.reachEnd(s)
		return
	}
	index := s.column.index(vb.OID)
	if p.guide == nil {
		p.chart.note(index)
	}
	s.cells = append(s.cells, Cell{Index: index, Value: vb.Value})
	s.cursor = vb.OID
	s.column.rows++
	if vb.OID == s.to {
		s.seen = vb.OID
		p.reachEnd(s)
	}
}

// reachEnd notes that the device gave something at or behind the end of a span.
func (p *plan) reachEnd(s *span) {
	s.state = spanMeeting
	if len(s.cells) == 0 && s.from != s.column.root {
		p.misses++
	}
}

// settle closes the spans of a column whose ends are proven, and makes the column the guide if it is then complete.
func (p *plan) settle(c *column) {
	whole := true
	for s := c.spans[0]; s != nil; s = s.right {
		if s.state == spanMeeting {
			p.meet(s)
		}
		whole = whole && s.state == spanDone
	}
	if !whole || c.keys != nil {
		return
	}
	cells := c.cells()
	c.keys = make([]snmprec.OID, len(cells))
	for i, cell := range cells {
		c.keys[i] = cell.Index
	}
	if p.guide == nil || len(c.keys) > len(p.guide.keys) {
		p.guide = c
	}
}

// cells are the rows of all spans in order. Spans that had to be joined again share a row.
func (c *column) cells() []Cell {
	cells := make([]Cell, 0, c.rows)
	for _, s := range c.spans {
		cells = append(cells, s.cells...)
	}
	return slices.CompactFunc(cells, func(a, b Cell) bool { return a.Index == b.Index })
}

// meet decides whether a span that has reached its end joins the next one without a hole. If not, rows between them were
// skipped, because they are new or because the agent does not answer a GETNEXT from an identifier that does not exist
// as it should: the span then reads on.
func (p *plan) meet(s *span) {
	right := s.right
	switch {
	case right == nil, s.cursor == s.to:
		s.state = spanDone // the end of the column, or a row that exists and that the right one began behind
	case right.first.IsZero() && right.state == spanFailed:
		s.state = spanDone // the gap is the right one's
	case right.first.IsZero() && !right.ending:
		// It has not answered yet.
	case s.ending && right.ending && right.first.IsZero():
		s.state = spanDone
	case s.ending:
		p.fail(s, fmt.Sprintf("%v: the MIB view ends after .%s, yet there is .%s", errDisorder, s.cursor, right.first))
	case !right.first.IsZero() && right.first.Compare(s.seen) <= 0:
		s.state = spanDone
	case len(right.cells) > 0:
		s.to, s.state = right.first, spanReady // up to the row that the right one began with
	default:
		// The right one found nothing: do its part as well.
		s.to, s.right, s.state = right.to, right.right, spanReady
		s.column.spans = slices.DeleteFunc(s.column.spans, func(o *span) bool { return o == right })
	}
}

// fail ends a span with a gap.
func (p *plan) fail(s *span, reason string) {
	s.state = spanFailed
	p.gaps = append(p.gaps, Gap{After: s.cursor, Reason: reason})
}

// abandon ends everything that is not finished, with one reason.
func (p *plan) abandon(reason string) {
	for _, c := range p.columns {
		for _, s := range c.spans {
			if s.state != spanDone && s.state != spanFailed {
				s.state = spanFailed
				p.gaps = append(p.gaps, Gap{After: s.cursor, Reason: reason})
			}
		}
	}
}

// trouble takes a query that the device refused or did not answer. culprit is the position of the name at fault, -1 when
// unknown. The query is tried again in smaller parts; a single value that fails is a gap, and the reason is its cause.
func (p *plan) trouble(q query, culprit int, reason string) {
	p.chart.pending = p.chart.pending && len(q.spans) > 0 // a scout is only a hint, its loss no gap
	for i, s := range q.spans {
		s.state, s.asked = spanReady, 0
		if culprit >= 0 && i != culprit {
			continue
		}
		switch {
		case q.repetitions > 1:
			s.limit = q.repetitions / 2
		case len(q.spans) > 1:
			s.limit, s.alone = 1, true
		default:
			p.fail(s, fmt.Sprintf("%s: the object after .%s", reason, s.cursor))
			p.settle(s.column)
		}
	}
}

// lose takes a query that stayed unanswered although it was repeated. A request for several columns is taken apart, so that
// one column the device is silent about does not hide the others.
func (p *plan) lose(q query, reason string) {
	p.chart.pending = p.chart.pending && len(q.spans) > 0
	for _, s := range q.spans {
		s.state, s.asked = spanReady, 0
		if len(q.spans) > 1 {
			s.alone = true
			continue
		}
		p.fail(s, fmt.Sprintf("%s to GETBULK after .%s", reason, s.cursor))
		p.settle(s.column)
	}
}

// rows returns what was read.
func (p *plan) rows() Rows {
	columns := make(map[uint32][]Cell, len(p.columns))
	for _, c := range p.columns {
		columns[c.root.At(c.root.Len()-1)] = c.cells()
	}
	return NewRows(columns)
}
