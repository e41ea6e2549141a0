package shell

import (
	"bytes"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// Words gathers what one table states.
type Words struct{ Facts []topology.Fact }

// Set states a value.
func (w *Words) Set(k topology.Key, a topology.Attr, v topology.Value) {
	w.Facts = append(w.Facts, topology.Attribute(k, a, v))
}

// Text states a text unless it is empty.
func (w *Words) Text(k topology.Key, a topology.Attr, text string) {
	if text != "" {
		w.Set(k, a, topology.TextValue(text))
	}
}

// Relate states a relation.
func (w *Words) Relate(from topology.Key, r topology.Rel, to topology.Key) {
	w.Facts = append(w.Facts, topology.Relate(from, r, to))
}

// Once leaves out what is stated again: one table may see a thing twice.
func Once(facts []topology.Fact) []topology.Fact {
	seen := make(map[topology.Fact]bool, len(facts))
	return slices.DeleteFunc(facts, func(f topology.Fact) bool {
		twice := seen[f.Identity()]
		seen[f.Identity()] = true
		return twice
	})
}

// Tally counts the rows of an answer, and keeps those that are not understood.
type Tally struct {
	Rows int
	Left []collectors.Unparsed
}

// Miss keeps a row that is not understood.
func (t *Tally) Miss(where, text, why string) {
	t.Rows++
	t.Doubt(where, text, why)
}

// Doubt keeps a piece of a row that is otherwise understood.
func (t *Tally) Doubt(where, text, why string) {
	t.Left = append(t.Left, Unread(where, text, why))
}

const maxQuoted = 1000 // octets of a row that are kept

// Unread keeps the beginning of a row that is not understood.
func Unread(where, text, why string) collectors.Unparsed {
	text = topology.Text([]byte(text))
	if len(text) > maxQuoted {
		text = topology.Text([]byte(text[:maxQuoted] + " …"))
	}
	return collectors.Unparsed{Where: where, Text: text, Why: why}
}

// Lines gives the lines of an answer with their places, "line 3", without their ends.
func Lines(raw []byte) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		n := 0
		for l := range bytes.Lines(raw) {
			n++
			if !yield("line "+strconv.Itoa(n), strings.TrimRight(string(l), "\r\n")) {
				return
			}
		}
	}
}

// Malformed is the error of an answer that is none of its command's.
func Malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{collectors.ErrMalformed}, args...)...)
}

// Connection is an established TCP connection. Its ends are written as the model does: IPv4 without its mapping into IPv6, no scope of a link.
type Connection struct{ Local, Peer netip.AddrPort }

// Connections reads the answer of ss -Htn state established (iproute2): "0 0 192.0.2.50:3260 192.0.2.1:40000". A system without connections prints nothing.
func Connections(raw []byte) ([]Connection, Tally) {
	var all []Connection
	var t Tally
	for where, l := range Lines(raw) {
		f := strings.Fields(l)
		if len(f) == 0 {
			continue
		}
		if len(f) < 4 {
			t.Miss(where, l, "not a connection")
			continue
		}
		_, queued := strconv.ParseUint(f[0], 10, 64)
		_, sent := strconv.ParseUint(f[1], 10, 64)
		local, err := endOf(f[2])
		peer, err2 := endOf(f[3])
		if queued != nil || sent != nil || err != nil || err2 != nil {
			t.Miss(where, l, "not the queues and ends of a connection")
			continue
		}
		t.Rows++
		all = append(all, Connection{local, peer})
	}
	return all, t
}

// Plain writes an end as the model does.
func Plain(end netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(end.Addr().Unmap().WithZone(""), end.Port())
}

// endOf reads "192.0.2.50:3260", "[2001:db8::1]:3260", or, bound to an interface, "192.0.2.50%eth0:3260".
func endOf(text string) (netip.AddrPort, error) {
	if i := strings.IndexByte(text, '%'); i >= 0 && !strings.HasPrefix(text, "[") {
		if j := strings.LastIndexByte(text, ':'); j > i {
			text = text[:i] + text[j:]
		}
	}
	end, err := netip.ParseAddrPort(text)
	return Plain(end), err
}
