package topology

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// The JSON forms are canonical: the same snapshot gives the same octets, whatever the order in which it came about. Values are written as
// their canonical text; their type follows from the attribute.

type factJSON struct {
	Subject    Key        `json:"subject"`
	Attr       string     `json:"attr,omitempty"`
	Value      *string    `json:"value,omitempty"`
	Rel        string     `json:"relation,omitempty"`
	Object     *Key       `json:"object,omitempty"`
	Confidence uint8      `json:"confidence,omitempty"`
	Derived    bool       `json:"derived,omitempty"`
	Reading    string     `json:"reading,omitempty"`
	Since      *time.Time `json:"since,omitempty"`
}

// MarshalJSON gives the fact with its evidence.
func (f Fact) MarshalJSON() ([]byte, error) {
	j := factJSON{Subject: f.Subject, Confidence: f.Confidence, Derived: f.Derived}
	if f.Rel != 0 {
		j.Rel, j.Object = f.Rel.String(), &f.Object
	} else {
		text := f.Value.String()
		j.Attr, j.Value = f.Attr.String(), &text
	}
	if f.Reading != (ReadingKey{}) {
		j.Reading = f.Reading.String()
	}
	if !f.Since.IsZero() {
		j.Since = &f.Since
	}
	return json.Marshal(j)
}

type changeJSON struct {
	Subject Key      `json:"subject"`
	Attr    string   `json:"attr,omitempty"`
	Before  []string `json:"before,omitempty"`
	After   []string `json:"after,omitempty"`
	Rel     string   `json:"relation,omitempty"`
	Object  *Key     `json:"object,omitempty"`
	Add     *bool    `json:"add,omitempty"`
	Cause   string   `json:"cause,omitempty"`
}

// MarshalJSON gives the change as data.
func (c Change) MarshalJSON() ([]byte, error) {
	j := changeJSON{Subject: c.Subject, Cause: c.Cause}
	if c.Rel != 0 {
		j.Rel, j.Object, j.Add = c.Rel.String(), &c.Object, &c.Add
	} else {
		j.Attr, j.Before, j.After = c.Attr.String(), valueTexts(c.Before), valueTexts(c.After)
	}
	return json.Marshal(j)
}

// UnmarshalJSON is the inverse; it fails with ErrSyntax or ErrSchema.
func (c *Change) UnmarshalJSON(b []byte) error {
	var j changeJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*c = Change{Subject: j.Subject, Cause: j.Cause}
	if j.Subject.IsZero() || j.Rel != "" && j.Attr != "" {
		return fmt.Errorf("%w: change without subject, or of an attribute and a relation", ErrSchema)
	}
	var err error
	if j.Rel != "" {
		if j.Object == nil || j.Object.IsZero() || j.Add == nil {
			return fmt.Errorf("%w: change of relation %s without object or direction", ErrSchema, j.Rel)
		}
		c.Object, c.Add = *j.Object, *j.Add
		c.Rel, err = ParseRel(j.Rel)
		return err
	}
	if c.Attr, err = ParseAttr(j.Attr); err != nil {
		return err
	}
	if c.Before, err = parseValues(c.Attr.Type(), j.Before); err != nil {
		return err
	}
	c.After, err = parseValues(c.Attr.Type(), j.After)
	return err
}

func valueTexts(vs []Value) []string {
	var texts []string
	for _, v := range vs {
		texts = append(texts, v.String())
	}
	return texts
}

func parseValues(typ ValueType, texts []string) ([]Value, error) {
	var vs []Value
	for _, t := range texts {
		v, err := ParseValue(typ, t)
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
	}
	return vs, nil
}

type changeSetJSON struct {
	Revision Revision `json:"revision"`
	Changes  []Change `json:"changes"`
}

// MarshalJSON gives the change-set as data.
func (cs ChangeSet) MarshalJSON() ([]byte, error) {
	j := changeSetJSON(cs)
	if j.Changes == nil {
		j.Changes = []Change{}
	}
	return json.Marshal(j)
}

// UnmarshalJSON is the inverse.
func (cs *ChangeSet) UnmarshalJSON(b []byte) error {
	var j changeSetJSON
	err := json.Unmarshal(b, &j)
	cs.Revision, cs.Changes = j.Revision, j.Changes
	return err
}

type readingJSON struct {
	Key     string    `json:"key"`
	Command string    `json:"command,omitempty"`
	Time    time.Time `json:"time"`
	Rows    int       `json:"rows"`
	Partial bool      `json:"partial,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// MarshalJSON gives the reading.
func (r Reading) MarshalJSON() ([]byte, error) {
	return json.Marshal(readingJSON{r.String(), r.Command, r.Time.UTC(), r.Rows, r.Partial, r.Reason})
}

type nodeJSON struct {
	Key       Key              `json:"key"`
	Attrs     map[string]any   `json:"attrs,omitempty"`     // string, or list of strings where several are allowed
	Relations map[string][]Key `json:"relations,omitempty"` // outgoing
}

// MarshalJSON gives the merged view of the node: attributes and outgoing relations.
func (n Node) MarshalJSON() ([]byte, error) {
	j := nodeJSON{Key: n.Key(), Attrs: map[string]any{}, Relations: map[string][]Key{}}
	for _, a := range attrsOf(n) {
		texts := valueTexts(n.believed(a))
		if a.Multi() {
			j.Attrs[a.String()] = texts
		} else {
			j.Attrs[a.String()] = texts[0]
		}
	}
	for _, r := range relsOf(n) {
		if ks := n.objects(r); len(ks) > 0 { // none: all that is said of it is denied
			j.Relations[r.String()] = ks
		}
	}
	return json.Marshal(j)
}

// WriteJSON writes the snapshot: {"revision":…,"time":…,"nodes":[…],"readings":[…],"facts":[…]}, one node, reading or fact a line.
// Facts, which carry the evidence of every source, are written only when asked for.
func (s *Snapshot) WriteJSON(w io.Writer, facts bool) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "{\"revision\":%d,\"time\":%q,\n\"nodes\":[", s.rev, s.time.UTC().Format(time.RFC3339Nano))
	lines := listWriter{b: b}
	for n := range s.Nodes() {
		lines.item(n)
	}
	fmt.Fprint(b, "],\n\"readings\":[")
	lines.begun = false
	for _, r := range s.Readings() {
		lines.item(r)
	}
	if facts {
		fmt.Fprint(b, "],\n\"facts\":[")
		lines.begun = false
		for f := range s.Facts() {
			lines.item(f)
		}
	}
	fmt.Fprint(b, "]}\n")
	if lines.err != nil {
		return lines.err
	}
	return b.Flush()
}

// listWriter writes list items a line each and keeps the first error.
type listWriter struct {
	b     *bufio.Writer
	begun bool // an item was written
	err   error
}

func (l *listWriter) item(v any) {
	if l.err != nil {
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		l.err = err
		return
	}
	if l.begun {
		l.b.WriteByte(',') // bufio keeps the error for Flush
	}
	l.begun = true
	l.b.WriteByte('\n') // bufio keeps the error for Flush
	_, l.err = l.b.Write(text)
}
