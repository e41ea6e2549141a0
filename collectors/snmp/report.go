package snmp

import (
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// answer is what came back for one Read.
type answer struct {
	rows    Rows
	scalars Scalars
	result  Result
	time    time.Time
	stood   string // the indicator that proves that the table is as it was read before; "": it was read
}

// told is what a device said, by the name of the Read. What was never asked is not in it.
type told map[string]answer

// complete reports that a Read was asked and answered to its end.
func (as told) complete(name string) bool { return as[name].result.Complete }

// report is one observation in the making: what one Read says.
type report struct {
	on     *device
	about  subject
	answer answer
	facts  []topology.Fact
	stated map[uint64]int // where each fact is in facts, by its hash
	odd    []collectors.Unparsed
}

func newReport(on *device, about subject) *report {
	return &report{on: on, about: about, answer: on.answers[about.Name], stated: map[uint64]int{}}
}

// rows yields the rows of a table.
func (r *report) rows() iter.Seq[Row] { return r.answer.rows.All() }

// scalar gives a single object, the absent value when the device has none.
func (r *report) scalar(id uint32) snmprec.Value { return r.answer.scalars[r.about.OID.Append(id, 0)] }

// state adds a fact once. Facts are too large to be the keys of a map of thousands.
func (r *report) state(f topology.Fact) {
	hash := maphash.Comparable(r.on.seed, f)
	for ; ; hash++ { // another fact may have the same hash
		i, taken := r.stated[hash]
		if !taken {
			break
		}
		if r.facts[i] == f {
			return
		}
	}
	r.stated[hash] = len(r.facts)
	r.facts = append(r.facts, f)
}

func (r *report) attr(subject topology.Key, a topology.Attr, v topology.Value) {
	r.state(topology.Attribute(subject, a, v))
}

// text states a text unless it is empty: devices answer the empty string for what they do not know.
func (r *report) text(subject topology.Key, a topology.Attr, v snmprec.Value) {
	if s := textOf(v); s != "" {
		r.attr(subject, a, topology.TextValue(s))
	}
}

func (r *report) relate(subject topology.Key, rel topology.Rel, object topology.Key) {
	r.state(topology.Relate(subject, rel, object))
}

// part states that the device contains something.
func (r *report) part(k topology.Key) { r.relate(r.on.key, topology.Contains, k) }

// name states the word for a number of an enumeration; a number without a word is not understood.
func (r *report) name(subject topology.Key, a topology.Attr, column uint32, row Row, words []string) {
	v := row.Value(column)
	n, ok := v.Int()
	switch {
	case !v.Present():
	case !ok || n < 1 || n > int64(len(words)):
		r.misread(column, row.Index, v, "no value of this enumeration")
	default:
		r.attr(subject, a, topology.TextValue(words[n-1]))
	}
}

// mac states an address. None at all is no fault: many interfaces have none.
func (r *report) mac(subject topology.Key, a topology.Attr, column uint32, row Row) {
	v := row.Value(column)
	if m, ok := macOf(v); ok {
		r.attr(subject, a, topology.MACValue(m))
		return
	}
	if octets, ok := v.Octets(); v.Present() && (!ok || strings.Trim(string(octets), "\x00") != "") {
		r.misread(column, row.Index, v, "no 48-bit address")
	}
}

// unread reports that a row lacks a value because its column was not read to its end. What is made of several values is then left unsaid.
func (r *report) unread(row Row, columns ...uint32) bool {
	return r.answer.unread(r.about.Read, row, columns...)
}

func (a answer) unread(read Read, row Row, columns ...uint32) bool {
	if a.result.Complete {
		return false
	}
	table := read.Table()
	return slices.ContainsFunc(columns, func(c uint32) bool {
		return !row.Value(c).Present() && !a.result.ColumnComplete(table, c)
	})
}

// misread keeps a value that is not what its MIB says.
func (r *report) misread(column uint32, index snmprec.OID, v snmprec.Value, why string) {
	at := "." + r.about.OID.Append(column).Join(index).String()
	if i := slices.IndexFunc(r.about.Objects, func(o Object) bool { return o.ID == column }); i >= 0 {
		at = r.about.Objects[i].Name + " (" + at + ")"
	}
	r.odd = append(r.odd, collectors.Unparsed{Where: at, Text: v.String(), Why: why})
}

// misindexed keeps a row whose index is not what the MIB says.
func (r *report) misindexed(row Row) {
	r.odd = append(r.odd, collectors.Unparsed{
		Where: "." + r.about.OID.String(), Text: row.Index.String(), Why: "no index of " + r.about.Name,
	})
}

// complete reports that everything this report speaks of was read to its end.
func (r *report) complete() bool {
	return r.answer.result.Complete && !slices.ContainsFunc(r.about.needs, func(n need) bool { return !n.met(r.on.answers) })
}

// observation closes the report.
func (r *report) observation() topology.Observation {
	o := topology.Observation{
		Reading: collectors.NewReading(r.on.inventory, r.about.Name, "."+r.about.OID.String(), r.answer.time),
		Facts:   r.facts,
	}
	if r.answer.stood != "" {
		o.Reading.Command += " unchanged by " + r.answer.stood
	}
	o.Reading.Partial = !r.complete()
	o.Reading.Rows = r.size()
	o.Reading.Reason = r.reason()
	return o
}

// size counts the rows; single objects that are there count as one.
func (r *report) size() int {
	if r.about.Scalar {
		for _, v := range r.answer.scalars {
			if v.Present() {
				return 1
			}
		}
		return 0
	}
	rows := map[snmprec.OID]bool{}
	for _, o := range r.about.Objects {
		for _, c := range r.answer.rows.Column(o.ID) {
			rows[c.Index] = true
		}
	}
	return len(rows)
}

// reason says why the reading is partial, then what in it was not understood.
func (r *report) reason() string {
	var parts []string
	if gaps := r.answer.result.Gaps; len(gaps) > 0 {
		parts = append(parts, gaps[0].String()+andMore(len(gaps)))
	}
	for _, n := range r.about.needs {
		if !n.met(r.on.answers) {
			parts = append(parts, n.read.Name+", which this needs, is incomplete")
		}
	}
	if len(r.odd) > 0 {
		first := r.odd[0]
		parts = append(parts, fmt.Sprintf("not understood: %s at %s: %s%s", first.Text, first.Where, first.Why, andMore(len(r.odd))))
	}
	return strings.Join(parts, "; ")
}

func andMore(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n-1)
}
