package libvirt

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/filter"
	"github.com/throughline-dc/throughline/topology"
)

// aloneReason is why a document that no listing led to says nothing about what else there is.
const aloneReason = "documents alone: no listing says that these are all"

// Parse tells what is understood of an XML document, or of several in one file, without a host. Answer is the root element that must be there
// (domain, network, pool, volume, device, interface, filter, secret, capabilities, domainCapabilities, sysinfo, cpu, node), or "auto". The facts are
// about the host "@recording"; the time of the readings is zero. The error is collectors.ErrMalformed and names line, element and
// attribute; what else the file holds is returned beside it.
func Parse(answer string, raw []byte) ([]topology.Observation, []collectors.Unparsed, error) {
	trees, err := parseDocuments(raw)
	if err != nil {
		return nil, nil, err
	}
	found := sortedDocuments{tables: make(map[Table][]Document), whole: true}
	var errs []error
	for _, tree := range trees {
		if answer != "auto" && answer != "" && answer != tree.name {
			err = fmt.Errorf("%w: line %d: <%s> where <%s> was expected", collectors.ErrMalformed, tree.line, tree.name, answer)
		} else {
			err = found.add(Document{tree: tree})
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	h := newHarvest(collectors.Device{Handle: "recording"}, func() time.Time { return time.Time{} })
	for _, t := range Tables() {
		documents, ok := found.tables[t]
		if !ok {
			continue
		}
		listing := Listing{Command: "recording", Documents: documents}
		if !found.whole {
			listing.Missing = aloneReason
		}
		errs = append(errs, h.table(t, listing, nil))
	}
	h.join()
	h.joinFilters()
	return h.observations, h.unparsed, errors.Join(errs...)
}

// reader says which table a document belongs to by its root element, and how it is taken down.
type reader struct {
	table Table
	read  func(*sheet, *element, Document)
}

func readerOf(name string) (reader, bool) {
	switch name {
	case "domain":
		return reader{Domains, (*sheet).domain}, true
	case "network":
		return reader{Networks, (*sheet).libvirtNetwork}, true
	case "interface":
		return reader{Interfaces, func(s *sheet, e *element, _ Document) { s.hostInterface(e) }}, true
	case "pool":
		return reader{Pools, (*sheet).storagePool}, true
	case "volume":
		return reader{Volumes, (*sheet).storageVolume}, true
	case "filter":
		return reader{NWFilters, (*sheet).networkFilter}, true
	case "secret":
		return reader{Secrets, func(s *sheet, e *element, _ Document) { s.secret(e) }}, true
	case "device":
		return reader{NodeDevices, func(s *sheet, e *element, _ Document) { s.nodeDevice(e) }}, true
	case "capabilities":
		return reader{Capabilities, func(s *sheet, e *element, _ Document) { s.capabilities(e) }}, true
	case "domainCapabilities":
		return reader{Capabilities, func(s *sheet, e *element, _ Document) { s.domainCapabilities(e) }}, true
	case "sysinfo":
		return reader{Capabilities, func(s *sheet, e *element, _ Document) { s.sysinfo(e) }}, true
	case "cpu":
		return reader{Capabilities, func(s *sheet, e *element, _ Document) { s.features(e) }}, true
	case "node":
		return reader{Capabilities, func(s *sheet, e *element, _ Document) { s.testNode(e) }}, true
	}
	return reader{}, false
}

// sortedDocuments are documents by the table that they belong to.
type sortedDocuments struct {
	tables map[Table][]Document
	whole  bool // the tables are whole listings
}

// Name space of libvirt's test driver, which the domains in a <node> may use.
const testRunState = "http://libvirt.org/schemas/domain/test/1.0 runstate"

// add finds the tables that a document with a tree belongs to. A <node> is a whole host (libvirt's test driver reads it); a status
// document of libvirtd has the definition inside.
func (f *sortedDocuments) add(d Document) error {
	root := d.tree
	switch root.name {
	case "domstatus", "networkstatus", "poolstate":
		d.State, d.StateReason = cmp.Or(root.attr("state"), "active"), root.attr("reason")
		if inner := cmp.Or(root.child("domain"), root.child("network"), root.child("pool")); inner != nil {
			d.tree = inner
		}
	case "node":
		for _, t := range Tables() {
			if t != CPUModels && t != Secrets && t != Jobs { // of which it says nothing
				f.tables[t] = append(f.tables[t], []Document{}...)
			}
		}
		for _, e := range root.children {
			if r, ok := readerOf(e.name); ok && e.name != "cpu" {
				f.addOfNode(d, e, r.table)
			}
		}
	}
	r, ok := readerOf(d.tree.name)
	if !ok {
		return fmt.Errorf("%w: %sline %d: <%s> is no document of libvirt that is known here", collectors.ErrMalformed, prefix(d.Where), root.line, root.name)
	}
	f.whole = f.whole && (root.name == "node" || r.table == Capabilities)
	f.tables[r.table] = append(f.tables[r.table], d)
	return nil
}

func prefix(where string) string {
	if where == "" {
		return ""
	}
	return where + ": "
}

// addOfNode adds an object of a <node>, and the volumes inside a pool. Domains run unless they say otherwise.
func (f *sortedDocuments) addOfNode(d Document, e *element, t Table) {
	d.tree, d.State = e, "active"
	if t == Domains {
		d.State = testState(e.child(testRunState).word())
	}
	f.tables[t] = append(f.tables[t], d)
	for v := range e.all("volume") {
		f.tables[Volumes] = append(f.tables[Volumes], Document{Where: d.Where, Pool: e.child("name").value(), tree: v})
	}
}

// testState names a virDomainState.
func testState(number string) string {
	switch number {
	case "2":
		return "blocked"
	case "3":
		return "paused"
	case "4":
		return "shutdown"
	case "5":
		return "shutoff"
	case "6":
		return "crashed"
	case "7":
		return "pmsuspended"
	}
	return "running"
}

// harvest makes the observations of one host.
type harvest struct {
	device       collectors.Device
	host         topology.Key
	now          func() time.Time
	observations []topology.Observation
	unparsed     []collectors.Unparsed

	// For the facts that take two tables.
	read    map[Table]bool // the tables that were read, and whether whole
	disks   []volumeDisk
	nics    []filteredNIC
	filters map[string]*filter.NWFilter
	pools   map[string]pool
	volumes map[volumeName]topology.Key
}

func newHarvest(d collectors.Device, now func() time.Time) *harvest {
	if d.Source == 0 {
		d.Source = topology.SourceLibvirt
	}
	return &harvest{
		device: d, host: topology.DeviceKey(topology.Host, d.Handle), now: now,
		read: make(map[Table]bool), pools: make(map[string]pool), volumes: make(map[volumeName]topology.Key),
		filters: make(map[string]*filter.NWFilter),
	}
}

// tally is one table while its documents are taken down.
type tally struct {
	sheet            // of what all documents say together
	failures []error // documents that are not in it, and why there may be more
	subjects map[topology.Key]string
}

// table makes the observation of one table. The error is what was not read.
func (h *harvest) table(t Table, l Listing, failure error) error {
	if l.Absent && failure == nil {
		return nil
	}
	y := tally{sheet: sheet{host: h.host, nodes: make(map[string]node)}, subjects: make(map[topology.Key]string)}
	if failure != nil {
		y.failures = append(y.failures, failure)
	}
	for _, d := range l.Documents {
		if err := h.document(&y, t, d); err != nil {
			y.failures = append(y.failures, err)
		}
	}
	rows := len(l.Documents)
	if l.Hostname != "" || l.Version != "" {
		rows++
		y.text(h.host, topology.AttrName, l.Hostname)
		y.text(h.host, topology.AttrHypervisorVersion, l.Version)
	}
	for _, pages := range l.Free {
		y.text(h.host, topology.AttrHugePageFree, pages)
	}
	rows += len(l.Jobs)
	y.jobs(l.Jobs)
	y.nodeTree()
	why := failureTexts(y.failures)
	if l.Missing != "" {
		why = append(why, l.Missing)
	}
	h.disks = append(h.disks, y.disks...)
	h.nics = append(h.nics, y.nics...)
	h.read[t] = len(why) == 0
	h.observe(t, l.Command, rows, &y.sheet, why)
	return errors.Join(y.failures...)
}

// document takes the documents of a file down.
func (h *harvest) document(y *tally, t Table, d Document) error {
	if d.Err != nil {
		return fmt.Errorf("%s%w", prefix(d.Where), d.Err)
	}
	trees := []*element{d.tree}
	if d.tree == nil {
		var err error
		if trees, err = parseDocuments(d.XML); err != nil {
			return fmt.Errorf("%s%w", prefix(d.Where), err)
		}
	}
	var errs []error
	for _, d.tree = range trees {
		errs = append(errs, h.take(y, t, d))
	}
	return errors.Join(errs...)
}

// take takes one document down; all of it, or nothing and an error.
func (h *harvest) take(y *tally, t Table, d Document) error {
	r, ok := readerOf(d.tree.name)
	if t == CPUModels && d.tree.name == "cpu" { // one of another table by itself
		r = reader{t, func(s *sheet, e *element, d Document) { s.modelFeatures(e, d.Model) }}
	}
	if !ok || r.table != t {
		return fmt.Errorf("%w: %sline %d: <%s> is not of the table %s", collectors.ErrMalformed, prefix(d.Where), d.tree.line, d.tree.name, t)
	}
	s := sheet{host: h.host, where: d.Where}
	if t == Volumes {
		var err error
		if s.pool, err = h.poolOf(d); err != nil {
			return err
		}
	}
	r.read(&s, d.tree, d)
	if s.err != nil {
		return s.err
	}
	if s.subject != (topology.Key{}) {
		if where, twice := y.subjects[s.subject]; twice {
			return fmt.Errorf("%w: %s: %s is in %s already", collectors.ErrMalformed, s.at(d.tree), s.subject, where)
		}
		y.subjects[s.subject] = s.at(d.tree)
	}
	y.facts = append(y.facts, s.facts...)
	y.unparsed = append(y.unparsed, s.unparsed...)
	y.disks = append(y.disks, s.disks...)
	y.nics = append(y.nics, s.nics...)
	maps.Copy(h.filters, s.filters)
	maps.Copy(y.nodes, s.nodes)
	maps.Copy(h.volumes, s.volumes)
	if t == Pools {
		h.pools[s.pool.name] = s.pool
	}
	return nil
}

// poolOf finds the pool of a volume: by name where the listing knows it, else by the folder that one pool alone has.
func (h *harvest) poolOf(d Document) (pool, error) {
	if d.Pool == "" {
		file := d.tree.child("target", "path").value()
		var found []pool
		for _, p := range h.pools {
			if p.path != "" && p.path == path.Dir(file) {
				found = append(found, p)
			}
		}
		if len(found) == 1 {
			return found[0], nil
		}
		return pool{}, nil
	}
	known, ok := h.pools[d.Pool]
	if _, read := h.read[Pools]; !ok && read {
		return pool{}, fmt.Errorf("%spool %s was not read: what its volumes are is not known", prefix(d.Where), d.Pool)
	}
	if !ok {
		known = pool{name: d.Pool, key: topology.PartKey(topology.StoragePool, h.host, d.Pool)}
	}
	return known, nil
}

// observe adds an observation, partial if there is a reason why.
func (h *harvest) observe(t Table, command string, rows int, s *sheet, why []string) {
	reading := collectors.NewReading(h.device, string(t), command, h.now())
	reading.Rows, reading.Partial = rows, len(why) > 0
	for _, u := range s.unparsed {
		why = append(why, "not understood: "+u.Where+": "+u.Text+": "+u.Why)
	}
	reading.Reason = brief(why)
	h.unparsed = append(h.unparsed, s.unparsed...)
	h.observations = append(h.observations, topology.Observation{Reading: reading, Facts: sorted(s.facts)})
}

// join states on which volumes the disks lie that name them by pool and volume. It has a reading of its own, whole only if both tables
// are: else a pool that cannot be listed would take the storage from under a disk that has not changed.
func (h *harvest) join() {
	domains, ok := h.read[Domains]
	volumes, ok2 := h.read[Volumes]
	if !ok || !ok2 {
		return
	}
	s := sheet{host: h.host}
	var why []string
	for t, whole := range map[Table]bool{Domains: domains, Volumes: volumes} {
		if !whole {
			why = append(why, string(t)+" are not all known")
		}
	}
	slices.Sort(why)
	for _, d := range h.disks {
		if volume, ok := h.volumes[volumeName{d.pool, d.name}]; ok {
			s.relate(d.disk, topology.StoredOn, volume)
		} else if volumes {
			s.unparsed = append(s.unparsed, collectors.Unparsed{Where: d.at, Text: d.pool + "/" + d.name, Why: "the pool lists no such volume"})
		}
	}
	h.observe(volumeDisks, "domains, volumes", len(h.disks), &s, why)
}

func failureTexts(errs []error) []string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return texts
}

// brief joins the first few reasons: they are for people, and a host may have thousands.
func brief(why []string) string {
	const most = 5
	if len(why) > most {
		why = append(slices.Clone(why[:most]), fmt.Sprintf("and %d more", len(why)-most))
	}
	return strings.Join(why, "; ")
}
