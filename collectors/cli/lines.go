package cli

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// tally gathers what an answer of lines states, and what of it was not understood.
type tally struct {
	say    statements
	got    read
	file   string
	device topology.Key
	n      int // number of the line
	text   string
	vsan   string
	zone   topology.Key // that of the lines that follow; zero where its line was not understood
	set    topology.Key

	towards map[route]string // interfaces of the routes so far, by table, prefix and next hop
}

func (t *tally) miss(why string) {
	t.text = withoutSecrets(t.text)
	t.got.unparsed = append(t.got.unparsed, collectors.Unparsed{Where: t.file + ":" + strconv.Itoa(t.n), Text: strings.TrimSpace(t.text), Why: why})
}

// eachLine goes through the lines of an answer that say something.
func eachLine(file string, d collectors.Device, raw []byte, do func(t *tally, words []string)) (read, error) {
	return finishLines(file, d, raw, do, func(*tally) {})
}

// finishLines is eachLine with something to do behind the last line.
func finishLines(file string, d collectors.Device, raw []byte, do func(t *tally, words []string), last func(t *tally)) (read, error) {
	if len(raw) > maxOctets {
		return read{}, malformed("%d octets: more than are believed of one answer", len(raw))
	}
	t := &tally{file: file, device: topology.DeviceKey(d.Kind, d.Handle)}
	for octets := range bytes.Lines(raw) {
		t.n++
		t.text = topology.Text(bytes.TrimRight(octets, "\r\n"))
		if words := strings.Fields(t.text); len(words) > 0 {
			t.got.rows++
			do(t, words)
		}
	}
	last(t)
	t.finish()
	if t.got.rows > 0 && len(t.got.unparsed) == t.got.rows {
		return read{}, malformed("no line is one of the command's: %s", t.got.unparsed[0].Text)
	}
	return t.got, nil
}

// finish sums up what was read, and what was not.
func (t *tally) finish() {
	t.got.facts = t.say.once()
	if len(t.got.unparsed) > 0 {
		first := t.got.unparsed[0]
		t.got.cut = strconv.Itoa(len(t.got.unparsed)) + " of " + strconv.Itoa(t.got.rows) + " lines not understood: " + first.Where + ": " + first.Why
	}
}
