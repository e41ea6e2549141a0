package libvirt

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// Limits of one document. libvirt itself sends no string above 4 MiB; a whole host in one recording may be larger. Backing chains
// nest, and libvirt follows 200 images at most.
const (
	maxDocument = 32 << 20 // octets
	maxDepth    = 256
	maxElements = 1 << 20
)

// element is one element of an XML document. Its methods accept nil and then find nothing, so that a path through optional elements
// needs no checks: e.child("source").child("host").attr("name").
type element struct {
	name     string // prefixed with its name space and a blank if it has one
	attrs    []xml.Attr
	text     string // character data, of elements that have any beside blanks
	children []*element
	line     int
}

// parseDocuments reads a file whole: one document, or several one after another as a loop over virsh leaves them. It accepts no document type
// declaration and knows only the five entities of XML, so nothing outside the file can be read and nothing expands. Octets that are not
// UTF-8 (firmware has such serial numbers) are escaped as topology.Text does. Errors name the line; they are collectors.ErrMalformed.
func parseDocuments(raw []byte) ([]*element, error) {
	if len(raw) > maxDocument {
		return nil, fmt.Errorf("%w: %d octets, more than %d", collectors.ErrMalformed, len(raw), maxDocument)
	}
	if !utf8.Valid(raw) {
		raw = []byte(topology.Text(raw))
	}
	p := treeReader{dec: xml.NewDecoder(bytes.NewReader(raw))}
	for {
		p.line, _ = p.dec.InputPos()
		token, err := p.dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = p.take(token)
		}
		if err != nil {
			line, _ := p.dec.InputPos()
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) {
				return nil, fmt.Errorf("%w: line %d: %s", collectors.ErrMalformed, syntax.Line, syntax.Msg)
			}
			return nil, fmt.Errorf("%w: line %d: %v", collectors.ErrMalformed, line, err)
		}
	}
	if len(p.roots) == 0 {
		return nil, fmt.Errorf("%w: no XML element", collectors.ErrMalformed)
	}
	return p.roots, nil
}

type treeReader struct {
	dec   *xml.Decoder
	line  int // where the token at hand begins
	roots []*element
	open  []*element
	count int
}

func (p *treeReader) take(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		e := &element{name: t.Name.Local, attrs: t.Attr, line: p.line}
		if t.Name.Space != "" {
			e.name = t.Name.Space + " " + t.Name.Local
		}
		if p.count++; p.count > maxElements {
			return fmt.Errorf("more than %d elements", maxElements)
		}
		switch {
		case len(p.open) >= maxDepth:
			return fmt.Errorf("elements nest deeper than %d", maxDepth)
		case len(p.open) > 0:
			top := p.open[len(p.open)-1]
			top.children = append(top.children, e)
		default:
			p.roots = append(p.roots, e)
		}
		p.open = append(p.open, e)
	case xml.EndElement:
		p.open = p.open[:len(p.open)-1]
	case xml.CharData:
		if len(bytes.TrimSpace(t)) == 0 {
			break
		}
		if len(p.open) == 0 {
			return errors.New("text outside of any element")
		}
		p.open[len(p.open)-1].text += string(t)
	case xml.Directive:
		return errors.New("document type declarations are not accepted")
	}
	return nil
}

// child finds the first child of the name, then the first child of that, and so on; nil if there is none.
func (e *element) child(path ...string) *element {
	for _, name := range path {
		var next *element
		for c := range e.all(name) {
			next = c
			break
		}
		e = next
	}
	return e
}

// all lists the children of a name in document order.
func (e *element) all(name string) iter.Seq[*element] {
	return func(yield func(*element) bool) {
		if e == nil {
			return
		}
		for _, c := range e.children {
			if c.name == name && !yield(c) {
				return
			}
		}
	}
}

// attr gives the value of an attribute, "" if there is none.
func (e *element) attr(name string) string {
	text, _ := e.lookup(name)
	return text
}

func (e *element) lookup(name string) (string, bool) {
	if e == nil {
		return "", false
	}
	for _, a := range e.attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value, true
		}
	}
	return "", false
}

// value gives the element's own text as it stands.
func (e *element) value() string {
	if e == nil {
		return ""
	}
	return e.text
}

// word gives the element's own text without blanks around it: for numbers, identifiers and words of a fixed set.
func (e *element) word() string { return strings.TrimSpace(e.value()) }
