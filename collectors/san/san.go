// Package san reads disk arrays by the commands of their own operating system, over one SSH connection to each: targets, portals, logical units, who may log
// in, and who has. Its one dialect is tgt, the Linux SCSI target framework (tgtadm(8)).
//
// Commands come from a fixed list of reading ones (tables); nothing else can be sent. A command's grammar is a pure function, which fills the sheet of the
// array; what the sheet says is stated when all answers are there, since a target port has its name from two of them.
package san

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// DialectTGT is the dialect of the Linux SCSI target framework.
const DialectTGT = "tgt"

// table is one row of the fixed list: a command, its grammar, and what it states.
type table struct {
	name string // of the reading, and of the answer for Parse
	line string // the command, whole and fixed: no part of it comes from anywhere else
	root bool   // an ordinary user gets nothing: sent with "sudo -n" where the inventory says so

	// need gives the names of the tables without which this one cannot say what it means, in view of what was read so far.
	need func(s *sheet) []string
	// parse reads an answer into the sheet. It gives the number of rows, understood or not, and the pieces that it did not understand; the error says that
	// the answer is none of the command's (collectors.ErrMalformed). It never panics.
	parse func(s *sheet, raw []byte) (rows int, unparsed []collectors.Unparsed, err error)
	tell  func(s *sheet, say *shell.Words)
}

// The tables.
const (
	tablePortal  = "tgt-portal"
	tableTarget  = "tgt-target"
	tableAddress = "ip-address"
	tableTCP     = "tcp-sessions"
)

// tables is the fixed list in the order of sending and of parsing: what the others need first.
func tables() []table {
	return []table{
		{name: tablePortal, line: "tgtadm --lld iscsi --op show --mode portal", root: true, parse: parsePortals, tell: tellPortals},
		{name: tableAddress, line: "ip -o addr show", parse: parseAddresses},
		{name: tableTarget, line: "tgtadm --lld iscsi --op show --mode target", root: true, parse: parseTargets, tell: tellTargets, need: (*sheet).needPortals},
		{
			name: tableTCP, line: "ss -Htn state established", parse: parseConnections, tell: tellSessions,
			need: func(s *sheet) []string { return append(s.needPortals(), tableTarget) },
		},
	}
}

// Command is a row of the fixed list, as the documentation shows it.
type Command struct {
	Name, Line string
	Root       bool // also with "sudo -n " before it
}

// Commands is the fixed list: all that is ever sent to an array, each also with /usr/sbin/ before it.
func Commands() []Command {
	var list []Command
	for _, t := range tables() {
		list = append(list, Command{t.name, t.line, t.root})
	}
	return list
}

// sheet is all that one array said in one session, parsed.
type sheet struct {
	array       topology.Key
	portals     []portal
	everywhere  bool // a portal is at every address that the array has
	addresses   []address
	targets     []target
	connections []shell.Connection
}

// answer is what came back for one table, or why nothing whole did.
type answer struct {
	raw  []byte
	line string // what was sent
	lost string // why nothing of it is looked at; "" if it came whole
	at   time.Time
}

// observe turns the answers of one session into observations: pure. A table that was not read to its end, that holds rows which are not understood, or that
// needs one of these, is partial: it deletes nothing.
func observe(d collectors.Device, answers map[string]answer) ([]topology.Observation, []collectors.Unparsed) {
	s := &sheet{array: topology.DeviceKey(topology.Array, d.Handle)}
	if d.Kind != 0 {
		s.array.Kind = d.Kind
	}
	var unparsed []collectors.Unparsed
	readings := map[string]topology.Reading{}
	usable := map[string]bool{} // whole, or without rows alone that were not understood
	for _, t := range tables() {
		a, asked := answers[t.name]
		if !asked {
			continue
		}
		r := collectors.NewReading(d, t.name, a.line, a.at)
		r.Partial, r.Reason = a.lost != "", a.lost
		if a.lost == "" {
			rows, left, err := t.read(s, a.raw)
			r.Rows = rows
			unparsed = append(unparsed, left...)
			usable[t.name] = err == nil
			switch {
			case err != nil:
				r.Partial, r.Reason = true, err.Error()
			case len(left) > 0:
				r.Partial, r.Reason = true, fmt.Sprintf("%d of %d rows not understood: %s: %s", len(left), rows, left[0].Where, left[0].Why)
			}
		}
		readings[t.name] = r
	}
	var obs []topology.Observation
	for _, t := range tables() {
		if r, asked := readings[t.name]; asked {
			obs = append(obs, t.say(s, r, readings, usable))
		}
	}
	return obs, unparsed
}

// say states what a table says, as far as what it needs was read.
func (t table) say(s *sheet, r topology.Reading, readings map[string]topology.Reading, usable map[string]bool) topology.Observation {
	var w shell.Words
	tells := t.tell != nil && usable[t.name]
	if t.need != nil && usable[t.name] {
		for _, name := range t.need(s) {
			need, asked := readings[name]
			tells = tells && (usable[name] || !asked) // an answer alone says what it can
			if !r.Partial && (!asked || need.Partial) {
				r.Partial, r.Reason = true, name+", which this needs, is incomplete"
			}
		}
	}
	if tells {
		t.tell(s, &w)
	}
	return topology.Observation{Reading: r, Facts: shell.Once(w.Facts)}
}

// What is believed of one answer: no honest array comes near, and one that is not must not fill the collector's memory, or the graph.
const (
	maxOctets = 32 << 20
	maxRows   = 100_000
)

// read parses an answer unless it is cut off or too long. Every command of the list ends its last line.
func (t table) read(s *sheet, raw []byte) (rows int, unparsed []collectors.Unparsed, err error) {
	switch {
	case len(raw) > maxOctets:
		return 0, nil, shell.Malformed("%d octets are more than are read of this command (%d)", len(raw), maxOctets)
	case len(raw) > 0 && raw[len(raw)-1] != '\n':
		return 0, nil, shell.Malformed("the answer is cut off: its last line has no end")
	case bytes.Count(raw, []byte("\n")) > 20*maxRows:
		return 0, nil, shell.Malformed("more lines than are believed of one array")
	}
	before := *s
	rows, unparsed, err = t.parse(s, raw)
	if err == nil && rows > maxRows {
		err = shell.Malformed("%d rows are more than are believed of one array (%d)", rows, maxRows)
	}
	if err != nil {
		*s = before
		return 0, nil, err
	}
	return rows, unparsed, nil
}

// Parse reads one answer without a device: name is that of a table, such as "tgt-target" (Answers lists them). The array has the handle "parsed". What an
// answer alone cannot say, such as the portals of a target, is not stated, and the reading says so. Pieces that are not understood are listed, not dropped.
func Parse(name string, raw []byte) ([]topology.Observation, []collectors.Unparsed, error) {
	i := slices.IndexFunc(tables(), func(t table) bool { return t.name == name })
	if i < 0 {
		return nil, nil, fmt.Errorf("%w: no answer is called %q", topology.ErrSyntax, name)
	}
	t := tables()[i]
	if _, _, err := t.read(&sheet{}, raw); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	d := collectors.Device{Handle: "parsed", Kind: topology.Array, Source: topology.SourceSAN}
	obs, unparsed := observe(d, map[string]answer{name: {raw: raw, line: t.line}})
	return obs, unparsed, nil
}

// Answers lists the names that Parse takes.
func Answers() []string {
	var names []string
	for _, t := range tables() {
		names = append(names, t.name)
	}
	return names
}
