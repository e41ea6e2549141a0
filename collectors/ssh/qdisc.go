package ssh

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// queue is a queueing discipline of an interface.
type queue struct {
	dev, kind, handle string
	options           string // "rate 125000 burst 16384", in a fixed order
}

// harmless are the disciplines that only order frames and hold none back: what the kernel sets by itself, and classifiers. All others are stated: one
// that nobody here knows may hold frames back, too.
var harmless = []string{ //nolint:gochecknoglobals // read-only table
	"noqueue", "mq", "pfifo_fast", "pfifo", "bfifo", "fq", "fq_codel", "codel", "sfq", "prio", "multiq", "mqprio", "ingress", "clsact", "pie", "fq_pie",
}

func qdiscTable() table {
	return table{
		name: "tc-qdisc", line: "tc -s -j qdisc show", old: "tc -s qdisc show", may: true, needs: []string{"ip-link", "sysfs-net"},
		parse: parseQdiscs, tell: tellQdiscs,
	}
}

// parseQdiscs reads the JSON of newer systems or the text of older ones, which begins each row with "qdisc" and puts statistics beneath.
func parseQdiscs(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	text := bytes.TrimSpace(raw)
	if len(text) > 0 && text[0] == '[' {
		return parseQdiscJSON(s, text)
	}
	var t tally
	for where, l := range lines(raw) {
		switch f := strings.Fields(l); {
		case len(f) == 0, t.Rows > 0 && !flush(l): // statistics
		case len(f) >= 5 && f[0] == "qdisc" && f[3] == "dev":
			t.Rows++
			s.queues = append(s.queues, queue{f[4], f[1], strings.TrimSuffix(f[2], ":"), qdiscOptions(f[5:])})
		default:
			t.Miss(where, l, "no queueing discipline")
			if t.Rows == 1 {
				return 0, nil, shell.Malformed("no list of queueing disciplines: %s", where)
			}
		}
	}
	return t.Rows, t.Left, nil
}

// qdiscOptions leaves out where the discipline is, and how often it is used.
func qdiscOptions(f []string) string {
	if len(f) > 0 && f[0] == "root" {
		f = f[1:]
	}
	if len(f) > 1 && f[0] == "parent" {
		f = f[2:]
	}
	if len(f) > 1 && f[0] == "refcnt" {
		f = f[2:]
	}
	return strings.Join(f, " ")
}

func parseQdiscJSON(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var rows []json.RawMessage
	if err := json.Unmarshal(raw, &rows); err != nil {
		return 0, nil, shell.Malformed("queueing disciplines: %v", err)
	}
	var t tally
	for i, row := range rows {
		var q struct {
			Kind, Handle, Dev string
			Options           map[string]json.RawMessage
		}
		where := "qdisc " + strconv.Itoa(i+1)
		if err := json.Unmarshal(row, &q); err != nil {
			t.Miss(where, string(row), err.Error())
			continue
		}
		if q.Kind == "" || q.Dev == "" {
			t.Miss(where, string(row), "without kind or interface")
			continue
		}
		t.Rows++
		var options []string
		for _, name := range sortedKeys(q.Options) {
			var compact bytes.Buffer
			if json.Compact(&compact, q.Options[name]) == nil {
				options = append(options, name+" "+compact.String())
			}
		}
		s.queues = append(s.queues, queue{q.Dev, q.Kind, strings.TrimSuffix(q.Handle, ":"), strings.Join(options, " ")})
	}
	return t.Rows, t.Left, nil
}

func tellQdiscs(s *sheet, say *words) {
	for _, q := range s.queues {
		if q.holds() {
			say.Text(s.port(q.dev), topology.AttrQdisc, strings.TrimSpace(fmt.Sprintf("%s %s %s", q.kind, q.handle, q.options)))
		}
		if q.kind == "ingress" || q.kind == "clsact" {
			say.Text(s.port(q.dev), topology.AttrUnparsed, "tc-qdisc: "+q.kind+", the place of classifiers that may drop or divert what goes through "+q.dev)
		}
	}
}

// holds reports whether a discipline may hold frames back: fq does by a maximum rate only.
func (q queue) holds() bool {
	return !slices.Contains(harmless, q.kind) || q.kind == "fq" && strings.Contains(" "+q.options, " maxrate ")
}
