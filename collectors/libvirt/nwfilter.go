package libvirt

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/filter"
	"github.com/throughline-dc/throughline/topology"
)

// filteredNIC is a vNIC with a <filterref>.
type filteredNIC struct {
	vnic topology.Key
	vm   string
	ref  filter.VNIC
	at   string
}

// filterRef takes down which network filter a vNIC has, and with which variables. libvirt sets MAC itself.
func (g *guest) filterRef(vnic topology.Key, e *element) {
	ref := e.child("filterref")
	name := ref.attr("filter")
	g.text(vnic, topology.AttrFilterRef, name)
	if name == "" {
		return
	}
	n := filteredNIC{vnic: vnic, vm: g.name, at: g.at(ref), ref: filter.VNIC{Interface: vnic.ID, Filter: name, Parameters: map[string][]string{}}}
	for p := range ref.all("parameter") {
		n.ref.Parameters[p.attr("name")] = append(n.ref.Parameters[p.attr("name")], strings.TrimSpace(p.attr("value")))
	}
	if m, err := topology.ParseMAC(e.child("mac").attr("address")); err == nil && n.ref.Parameters["MAC"] == nil {
		n.ref.Parameters["MAC"] = []string{m.String()}
	}
	g.nics = append(g.nics, n)
}

// networkFilter takes down a <filter>. What it does depends on the vNICs that have it: filtered.
func (s *sheet) networkFilter(e *element, d Document) {
	var b bytes.Buffer
	line := 1
	e.write(&b, &line)
	name := e.attr("name")
	f, err := filter.ParseNWFilter(strings.TrimPrefix(d.Where+" nwfilter "+name, " "), b.Bytes())
	if err != nil {
		s.refuse(e, "", name, "no network filter: "+err.Error())
		return
	}
	s.filters = map[string]*filter.NWFilter{f.Name: f}
	s.subject = topology.PartKey(topology.Filter, s.host, "nwfilter "+f.Name)
	words := append([]string{f.Name, f.Digest()}, f.Includes()...)
	if !slices.ContainsFunc(words, func(w string) bool { return len(strings.Fields(w)) != 1 }) { // of a name with blanks nobody could tell where it ends
		s.text(s.host, topology.AttrNetworkFilter, strings.Join(words, " "))
	}
}

// write writes the element as a document again, with every element in its line.
func (e *element) write(b *bytes.Buffer, line *int) {
	for ; *line < e.line; *line++ {
		b.WriteByte('\n')
	}
	name := e.name[strings.LastIndexByte(e.name, ' ')+1:] // without its name space: no grammar of filters has one
	b.WriteString("<" + name)
	for _, a := range e.attrs {
		if a.Name.Space != "" {
			continue
		}
		b.WriteString(" " + a.Name.Local + `="`)
		_ = xml.EscapeText(b, []byte(a.Value)) // a buffer takes all
		b.WriteByte('"')
	}
	b.WriteByte('>')
	for _, c := range e.children {
		c.write(b, line)
	}
	b.WriteString("</" + name + ">")
}

// joinFilters states the rules of the vNICs with network filters. It has a reading of its own, whole only if domains and filters are.
func (h *harvest) joinFilters() {
	domains, ok := h.read[Domains]
	filters, ok2 := h.read[NWFilters]
	if !ok || !ok2 {
		return
	}
	s := sheet{host: h.host}
	var why []string
	if !domains {
		why = append(why, string(Domains)+" are not all known")
	}
	if !filters {
		why = append(why, string(NWFilters)+" are not all known")
	}
	for _, n := range h.nics {
		s.filtered(n, h.filters)
	}
	h.observe(vnicFilters, "domains, nwfilters", len(h.nics), &s, why)
}

// filtered states the filters of one vNIC: parts of the host, which apply to the vNIC.
func (s *sheet) filtered(n filteredNIC, defined map[string]*filter.NWFilter) {
	_, mac, _ := strings.Cut(n.vnic.ID, "/")
	n.ref.Name = n.ref.Filter + " of " + n.vm + " " + mac
	set := filter.Instantiate(defined, n.ref)
	for _, l := range set.Rest {
		s.unparsed = append(s.unparsed, collectors.Unparsed{Where: l.Place.String(), Text: l.Text, Why: l.Why})
		s.text(n.vnic, topology.AttrUnparsed, topology.Text([]byte(l.String())))
	}
	for _, f := range set.Filters {
		k := topology.PartKey(topology.Filter, s.host, f.Name)
		rules := f.Encode()
		sum := sha256.Sum256([]byte(rules))
		s.relate(s.host, topology.Contains, k)
		s.relate(k, topology.AppliesTo, n.vnic)
		s.text(k, topology.AttrName, f.Name)
		s.text(k, topology.AttrDialect, f.Dialect)
		s.text(k, topology.AttrDigest, hex.EncodeToString(sum[:]))
		s.text(k, topology.AttrRules, rules)
	}
}
