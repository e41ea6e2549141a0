package neo4j

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// format is the version of what stands in Neo4j: the graph and the texts in _facts.
const format = 1

// factLines gives the texts of _facts: what every source says of the node.
func factLines(n topology.Node) []string {
	facts := slices.Collect(n.Facts())
	slices.SortStableFunc(facts, func(a, b topology.Fact) int { return a.Reading.Compare(b.Reading) })
	lines := make([]string, 0, len(facts)+2)
	for i, f := range facts {
		if i == 0 || f.Reading != facts[i-1].Reading {
			lines = append(lines, "@"+readingKey(f.Reading))
		}
		lines = append(lines, factLine(f))
	}
	return lines
}

func factLine(f topology.Fact) string {
	mark, word, object := ".", f.Attr.String(), f.Value.String()
	if f.Rel != 0 {
		mark, word, object = ">", f.Rel.String(), f.Object.String()
	}
	b := make([]byte, 0, len(word)+len(object)+20)
	b = append(append(append(b, mark...), word...), ' ')
	if f.Since.IsZero() {
		b = append(b, '0')
	} else {
		b = strconv.AppendInt(b, f.Since.Unix(), 10)
	}
	b = strconv.AppendUint(append(b, ' '), uint64(f.Confidence), 10)
	if f.Derived {
		b = append(b, 'd')
	}
	return string(append(append(b, ' '), object...))
}

// readingKey names a reading without ambiguity: ReadingKey.String is for people.
func readingKey(k topology.ReadingKey) string {
	s := k.Source.String() + "/" + topology.EscapeID(k.Device) + "/" + k.Table
	if k.Partial {
		s = "~" + s
	}
	return s
}

func parseReadingKey(text string) (topology.ReadingKey, error) {
	rest, partial := strings.CutPrefix(text, "~")
	word, rest, _ := strings.Cut(rest, "/")
	escaped, table, ok := strings.Cut(rest, "/")
	if !ok {
		return topology.ReadingKey{}, fmt.Errorf("%w: reading %q: want SOURCE/DEVICE/TABLE", topology.ErrSyntax, text)
	}
	source, err := topology.ParseSource(word)
	if err != nil {
		return topology.ReadingKey{}, later(err)
	}
	device, err := url.PathUnescape(escaped)
	if err != nil {
		return topology.ReadingKey{}, fmt.Errorf("%w: reading %q: %w", topology.ErrSyntax, text, err)
	}
	return topology.ReadingKey{Device: device, Source: source, Table: table, Partial: partial}, nil
}

// later explains a word that this program does not know.
func later(err error) error {
	return fmt.Errorf("%w (did a later version of throughline write it?)", err)
}

// factReader reads the texts of _facts of many nodes.
type factReader struct {
	attrs    map[string]topology.Attr
	rels     map[string]topology.Rel
	readings map[string]topology.ReadingKey // that were met already
}

func newFactReader() *factReader {
	r := &factReader{attrs: map[string]topology.Attr{}, rels: map[string]topology.Rel{}, readings: map[string]topology.ReadingKey{}}
	for _, a := range topology.Attrs() {
		r.attrs[a.String()] = a
	}
	for _, rel := range topology.Rels() {
		r.rels[rel.String()] = rel
	}
	return r
}

// read appends the facts of one node.
func (r *factReader) read(facts []topology.Fact, subject topology.Key, lines []string) ([]topology.Fact, error) {
	var reading topology.ReadingKey
	for _, line := range lines {
		if key, ok := strings.CutPrefix(line, "@"); ok {
			known, ok := r.readings[key]
			if !ok {
				var err error
				if known, err = parseReadingKey(key); err != nil {
					return nil, fmt.Errorf("%s: %w", subject, err)
				}
				r.readings[key] = known
			}
			reading = known
			continue
		}
		f, err := r.fact(line)
		if err != nil {
			return nil, fmt.Errorf("%s: fact %.200q: %w", subject, line, err)
		}
		f.Subject, f.Reading = subject, reading
		facts = append(facts, f)
	}
	return facts, nil
}

func (r *factReader) fact(line string) (topology.Fact, error) {
	var f topology.Fact
	word, rest, _ := strings.Cut(line, " ")
	since, rest, _ := strings.Cut(rest, " ")
	confidence, object, ok := strings.Cut(rest, " ")
	if !ok || len(word) < 2 {
		return f, fmt.Errorf("%w: want .ATTRIBUTE or >RELATION, SINCE, CONFIDENCE and an object", topology.ErrSyntax)
	}
	seconds, err := strconv.ParseUint(since, 10, 32)
	if err != nil {
		return f, fmt.Errorf("%w: since: %w", topology.ErrSyntax, err)
	}
	if seconds > 0 {
		f.Since = time.Unix(int64(seconds), 0).UTC()
	}
	confidence, f.Derived = strings.CutSuffix(confidence, "d")
	percent, err := strconv.ParseUint(confidence, 10, 8)
	if err != nil || percent < 1 || percent > 100 {
		return f, fmt.Errorf("%w: confidence %q: want 1 to 100", topology.ErrSyntax, confidence)
	}
	f.Confidence = uint8(percent)
	switch mark, name := word[0], word[1:]; mark {
	case '.':
		if f.Attr, ok = r.attrs[name]; !ok {
			return f, later(fmt.Errorf("%w: no attribute %q", topology.ErrSyntax, name))
		}
		f.Value, err = topology.ParseValue(f.Attr.Type(), object)
	case '>':
		if f.Rel, ok = r.rels[name]; !ok {
			return f, later(fmt.Errorf("%w: no relation %q", topology.ErrSyntax, name))
		}
		f.Object, err = topology.ParseKey(object)
	default:
		err = fmt.Errorf("%w: begins with %q", topology.ErrSyntax, mark)
	}
	return f, err
}
