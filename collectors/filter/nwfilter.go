package filter

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// NWFilter is a network filter of libvirt as it is defined (libvirt, "Network Filters"). What it means depends on the vNIC: VNIC.
type NWFilter struct {
	Name string

	chain    string
	priority int // of the chain
	entries  []nwEntry
	rest     []Line
}

// nwEntry is a rule, or a reference to another filter.
type nwEntry struct {
	at policy.Place

	include    string // not empty: a reference
	parameters map[string][]string

	action, direction string
	priority          int
	noState           bool
	protocol          string // "": all frames
	attrs             []xml.Attr
	text              string
	lost              string
}

// Priorities of chains, by what their names begin with (libvirt, "Filtering chains").
var nwChains = []struct { //nolint:gochecknoglobals // read-only table
	name     string
	priority int
	frames   uint64 // type of the frames that go there; 0: all
}{
	{"root", 0, 0}, {"stp", -810, 0}, {"mac", -800, 0}, {"vlan", -750, 0x8100}, {"ipv4", -700, 0x0800}, {"ipv6", -600, 0x86dd}, {"arp", -500, 0x0806}, {"rarp", -400, 0x8035},
}

// nwReader reads one definition.
type nwReader struct {
	dec  *xml.Decoder
	file string
	f    *NWFilter
}

// ParseNWFilter reads the definition of a filter. The error says that it is none.
func ParseNWFilter(file string, raw []byte) (*NWFilter, error) {
	p := &nwReader{dec: xml.NewDecoder(bytes.NewReader(raw)), file: file}
	for {
		token, err := p.dec.Token()
		if err != nil && p.f != nil && errors.Is(err, io.EOF) {
			return p.f, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, file, err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, fmt.Errorf("%w: %s: document type declarations are not accepted", ErrMalformed, file)
		case xml.StartElement:
			if p.f != nil || t.Name.Local != "filter" || xmlAttr(t.Attr, "name") == "" {
				return nil, fmt.Errorf("%w: %s: <%s> where one <filter> with a name was expected", ErrMalformed, file, t.Name.Local)
			}
			if err := p.filter(t); err != nil {
				return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, file, err)
			}
		}
	}
}

func xmlAttr(attrs []xml.Attr, name string) string {
	for _, a := range attrs {
		if a.Name.Local == name {
			return printable(a.Value)
		}
	}
	return ""
}

func (p *nwReader) place() policy.Place {
	line, _ := p.dec.InputPos()
	return policy.Place{File: p.file, Line: line}
}

// children hands the children of an element, until its end, to a function that reads each to its end.
func (p *nwReader) children(read func(xml.StartElement) error) error {
	for {
		token, err := p.dec.Token()
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if err := read(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

func (p *nwReader) filter(e xml.StartElement) error {
	p.f = &NWFilter{Name: xmlAttr(e.Attr, "name"), chain: xmlAttr(e.Attr, "chain")}
	if p.f.chain == "" {
		p.f.chain = "root"
	}
	known := false
	for _, c := range nwChains {
		if p.f.chain == c.name || strings.HasPrefix(p.f.chain, c.name+"-") && c.name != "root" {
			p.f.priority, known = c.priority, true
		}
	}
	if !known {
		p.rest(p.place(), e, "no such chain is known")
	}
	if text := xmlAttr(e.Attr, "priority"); text != "" {
		var err error
		if p.f.priority, err = nwPriority(text); err != nil {
			return err
		}
	}
	return p.children(func(c xml.StartElement) error {
		at := p.place()
		switch c.Name.Local {
		case "rule":
			return p.rule(at, c)
		case "filterref":
			return p.include(at, c)
		case "uuid":
		default:
			p.rest(at, c, "no such element of a filter is known")
		}
		return p.dec.Skip()
	})
}

func (p *nwReader) rest(at policy.Place, e xml.StartElement, why string) {
	p.f.rest = append(p.f.rest, Line{Place: at, Text: xmlText(e.Name.Local, e.Attr), Why: why})
}

func nwPriority(text string) (int, error) {
	negative := strings.HasPrefix(text, "-")
	n, err := number(strings.TrimPrefix(text, "-"), 1000)
	if negative {
		return -int(n), err
	}
	return int(n), err
}

// xmlText writes an element in one line.
func xmlText(name string, attrs []xml.Attr) string {
	var b strings.Builder
	b.WriteString("<" + name)
	for _, a := range attrs {
		fmt.Fprintf(&b, " %s='%s'", a.Name.Local, a.Value)
	}
	return printable(b.String() + "/>")
}

// rule reads <rule>, and the one element in it that says what it matches.
func (p *nwReader) rule(at policy.Place, e xml.StartElement) error {
	r := nwEntry{at: at, action: xmlAttr(e.Attr, "action"), direction: xmlAttr(e.Attr, "direction"), priority: 500, text: xmlText(e.Name.Local, e.Attr)}
	r.noState = xmlAttr(e.Attr, "statematch") == "0" || strings.EqualFold(xmlAttr(e.Attr, "statematch"), "false")
	if text := xmlAttr(e.Attr, "priority"); text != "" {
		var err error
		if r.priority, err = nwPriority(text); err != nil {
			return err
		}
	}
	elements := 0
	err := p.children(func(c xml.StartElement) error {
		r.protocol, r.attrs = c.Name.Local, c.Attr
		r.text += " " + xmlText(c.Name.Local, c.Attr)
		if elements++; elements > 1 {
			r.lost = "several elements in one rule"
		}
		return p.dec.Skip()
	})
	p.f.entries = append(p.f.entries, r)
	return err
}

// include reads <filterref>.
func (p *nwReader) include(at policy.Place, e xml.StartElement) error {
	r := nwEntry{at: at, include: xmlAttr(e.Attr, "filter"), parameters: map[string][]string{}, text: xmlText(e.Name.Local, e.Attr)}
	err := p.children(func(c xml.StartElement) error {
		if name := xmlAttr(c.Attr, "name"); c.Name.Local == "parameter" && name != "" {
			r.parameters[name] = append(r.parameters[name], strings.TrimSpace(xmlAttr(c.Attr, "value")))
		} else {
			p.rest(p.place(), c, "no parameter")
		}
		return p.dec.Skip()
	})
	p.f.entries = append(p.f.entries, r)
	return err
}
