// Package ssh reads Linux hosts and Linux switches with the commands of their own operating system, over one SSH connection to each: what
// no MIB tells. Commands come from a fixed list of reading ones (tables); nothing else can be sent.
//
// A command's grammar is a pure function in a file of its own, which fills the sheet of the device. What the sheet says is stated when all answers
// are there, since one command's words may need another's: the addresses of an interface that a third one calls a bond.
package ssh

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// table is one row of the fixed list: a command, its grammar, and what it states.
type table struct {
	name string // of the reading, and of the answer for Parse: "ip-link"
	line string // the command, whole and fixed: no part of it comes from anywhere else
	old  string // the command of systems that do not understand line (no -j); "" if there is none
	root bool   // an ordinary user gets nothing or half: sent with "sudo -n" where the inventory says so
	may  bool   // a host without the command, or without the files that it shows, has no such table: complete with 0 rows, no failure
	none string // words on standard error of a command that mean that there is nothing to show: "No active sessions"
	// but is what it says on standard error, and does not fail, if what it prints is not all: "is not running".
	but string
	// prints is what the command prints even where it has nothing to show, as its source shows. Nothing at all is none of its answers then, and deletes
	// nothing. It is empty where nothing at all may be said in earnest.
	prints string

	// shown gives what other answers show of that which this command lists, in words; "" is nothing. Where there is something, that the command is missing
	// does not say that there is none; nor does it where the table shownBy, which would show it first of all, was not read. nil: nobody else shows it.
	shown   func(s *sheet) string
	shownBy string

	// text reports that the whole answer is kept as one text, rows that are not understood with the others: the text before is over then.
	text bool

	// needs names the tables without which this one cannot say what it means: those that its tell looks at for the names of things. Unless they were
	// read to their end, neither is this one, and it says nothing. If but some rows of them were not understood, it says what it knows, and is partial.
	needs []string

	// parse reads the answer of line or of old into the sheet. It gives the number of rows, understood or not, and the pieces that it did not
	// understand; the error says that the answer is none of the command's (collectors.ErrMalformed). It never panics.
	parse func(s *sheet, raw []byte) (rows int, unparsed []collectors.Unparsed, err error)
	// tell states what this table said, looking at the sheet for what other tables know.
	tell func(s *sheet, say *words)
}

// tables is the fixed list in the order of sending and of parsing: what the others need first.
func tables() []table { return slices.Concat(systemTables(), networkTables(), hostTables()) }

// bound gives how much of an answer is believed: how many octets, and how many rows. No honest device comes near, and one that is not must not fill the
// collector's memory, or the graph. Some thousands of interfaces, disks and neighbours are a great many; addresses, routes and rules of a filter are more.
func (t table) bound() (octets int64, rows int) {
	switch t.name {
	case tableSystem, tablePath, tableRelease, "dmi", "dmi-identity", "ip-forward", "kvm":
		return 1 << 20, 10_000
	case "mounts":
		return 8 << 20, 10_000
	case "ip-route", "frr-route", "frr-route6", "frr-evpn-vni", "ip-neigh", "bridge-fdb", "bridge-vlan", "ovs-fdb", "ovs-flows", "nft", "iptables-save", "ip6tables-save", "ebtables-save":
		return 64 << 20, 1_000_000
	}
	return 32 << 20, 100_000
}

// read parses an answer, unless it is cut off or too long, or of a command that does not keep silent and has said nothing. Of an answer with too many rows
// the sheet holds nothing.
func (t table) read(s *sheet, raw []byte) (rows int, unparsed []collectors.Unparsed, err error) {
	octets, most := t.bound()
	switch {
	case int64(len(raw)) > octets:
		return 0, nil, shell.Malformed("%d octets are more than are read of this command (%d)", len(raw), octets)
	case cut(raw):
		return 0, nil, shell.Malformed("the answer is cut off: its last line has no end")
	case t.prints != "" && len(bytes.TrimSpace(raw)) == 0:
		return 0, nil, shell.Malformed("nothing at all, where it prints %s at least", t.prints)
	}
	before := *s
	if len(raw) > most { // else there are not that many rows in it
		before.named, before.filters = maps.Clone(s.named), maps.Clone(s.filters) // those to which several tables add
	}
	rows, unparsed, err = t.parse(s, raw)
	if rows > most {
		*s = before
		return 0, nil, shell.Malformed("%d rows are more than are believed of one device (%d)", rows, most)
	}
	return rows, unparsed, err
}

// cut reports that an answer ends within a line, whatever the exit status of its command: what is left of a list is not told from a shorter list. Every text of
// the fixed list ends its last line: uname and printenv; grep, which also ends a line that its file does not; ip, bridge and tc; lldpcli and lldpctl; vtysh;
// ovs-vsctl, and ovs-appctl, since unixctl_command_reply adds the end; iptables-save, iscsiadm, multipath and lsblk -P. JSON is another matter: some versions
// of nft, of iproute2 and of lsblk end it with its last bracket. A document that is complete is proof enough.
func cut(raw []byte) bool {
	if len(raw) == 0 || raw[len(raw)-1] == '\n' {
		return false
	}
	return !isJSON(raw) || !json.Valid(raw)
}

// sheet is all that one device said in one session, parsed. A nil or empty part was not said.
type sheet struct {
	device topology.Key
	asked  topology.Kind // what the inventory says the device is; 0: nothing
	system
	network
	storage
}

// words gathers what one table states.
type words struct{ shell.Words }

// contains states that the device owns a part.
func (w *words) contains(s *sheet, part topology.Key) { w.Relate(s.device, topology.Contains, part) }

// answer is what came back for one table, or why nothing whole did.
type answer struct {
	raw     []byte
	line    string // what was sent at last
	partial string // why it is not whole; "" if it is
	absent  bool   // the device has no such command, or no such files, or nothing to show
	lost    bool   // broken off: what came until then is not looked at, since half a row or half a set looks like another one
	at      time.Time

	notFound  bool   // no such command where it was looked for
	complaint string // what was said of that
}

// whole reports that the table was read to its end.
func (a answer) whole() bool { return a.partial == "" }

// observe turns the answers of one session into observations: pure.
func observe(d collectors.Device, answers map[string]answer) ([]topology.Observation, []collectors.Unparsed) {
	s := &sheet{device: topology.DeviceKey(cmp.Or(d.Kind, topology.Host), d.Handle), asked: d.Kind}
	var unparsed []collectors.Unparsed
	list := tables()
	readings := make(map[string]reading, len(answers))
	for _, t := range list {
		a, asked := answers[t.name]
		if !asked {
			continue
		}
		r := reading{Reading: collectors.NewReading(d, t.name, a.line, a.at)}
		r.Partial, r.Reason = !a.whole(), a.partial
		if !a.absent && !a.lost {
			rows, left, err := t.read(s, a.raw)
			r.Rows = rows
			unparsed = append(unparsed, left...)
			switch {
			case r.Partial:
			case err != nil:
				r.Partial, r.Reason = true, err.Error()
			case len(left) > 0:
				r.Partial, r.usable = !t.text, true // what the rows said before is not over
				r.Reason = fmt.Sprintf("%d of %d rows not understood: %s: %s", len(left), rows, left[0].Where, left[0].Why)
			}
		}
		r.usable = r.usable || !r.Partial
		readings[t.name] = r
	}
	s.doubtMissing(answers, readings)
	obs := make([]topology.Observation, 0, len(readings))
	for _, t := range list {
		r, asked := readings[t.name]
		if !asked {
			continue
		}
		var w words
		need, missing := lacks(t, d, readings)
		if !missing {
			t.tell(s, &w)
		}
		switch {
		case r.Partial || need == "":
		case missing:
			r.Partial, r.Reason = true, need+", which this needs, is incomplete"
		default:
			r.Partial, r.Reason = true, need+", which this needs, has rows that were not understood"
		}
		obs = append(obs, topology.Observation{Reading: r.Reading, Facts: shell.Once(w.Facts)})
	}
	return obs, unparsed
}

// doubtMissing makes the readings of commands partial that a device lacks although other answers show what they would list: nothing of that is over.
func (s *sheet) doubtMissing(answers map[string]answer, readings map[string]reading) {
	for _, t := range tables() {
		r, asked := readings[t.name]
		if !asked || r.Partial || !answers[t.name].notFound || t.shown == nil {
			continue
		}
		evidence, by := t.shown(s), readings[t.shownBy]
		switch {
		case evidence != "":
			evidence = ", but " + evidence
		case by.Partial && !by.usable:
			evidence = ", and " + t.shownBy + ", which would show what it lists, is incomplete"
		default:
			continue
		}
		r.Partial, r.usable, r.Reason = true, false, "the device has no such command ("+answers[t.name].complaint+")"+evidence
		readings[t.name] = r
	}
}

// reading is one of a table.
type reading struct {
	topology.Reading
	usable bool // to others that need it: it is whole, or lacks rows alone that were not understood
}

// lacks finds a table that was asked for, that t needs, and that is not complete; missing: t can say nothing without it. Without the word of the
// inventory, every table needs the one that tells the kind of the device, since every key begins with it.
func lacks(t table, d collectors.Device, readings map[string]reading) (need string, missing bool) {
	needs := t.needs
	if d.Kind == 0 && t.name != tableRelease {
		needs = append([]string{tableRelease}, needs...)
	}
	for _, name := range needs {
		switch r, asked := readings[name]; {
		case asked && !r.usable:
			return name, true
		case asked && r.Partial && need == "":
			need = name
		}
	}
	return need, false
}

// Parse reads one answer without a device: name is that of a table, such as "ip-link" or "multipath" (Answers lists them). The device is a Host
// with the handle "parsed". Pieces that are not understood are listed, not dropped.
func Parse(name string, raw []byte) ([]topology.Observation, []collectors.Unparsed, error) {
	i := slices.IndexFunc(tables(), func(t table) bool { return t.name == name })
	if i < 0 {
		return nil, nil, fmt.Errorf("%w: no answer is called %q", topology.ErrSyntax, name)
	}
	t := tables()[i]
	if _, _, err := t.read(&sheet{device: topology.DeviceKey(topology.Host, "parsed")}, raw); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	d := collectors.Device{Handle: "parsed", Kind: topology.Host, Source: topology.SourceSSH}
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
