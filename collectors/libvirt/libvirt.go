// Package libvirt reads hypervisors through libvirt: domains with their vNICs and disks, networks, storage pools and volumes, node devices,
// host interfaces and capabilities. It reads them live, or from a folder of what virsh printed; docs/collectors/libvirt.md has the calls,
// the privilege and the layout of the folder.
//
// A Source brings XML documents, and pure functions make facts of them. They read an element tree of our own and not the structures of
// libvirtxml, since those lose what they do not know (an interface of an unknown type has no type) and name neither line nor attribute of
// what they refuse; the tests hold the two against each other.
package libvirt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// Table is a listing of libvirt, and the name of the reading that it gives.
type Table string

// The tables.
const (
	Capabilities Table = "capabilities"
	Domains      Table = "domains"
	CPUModels    Table = "cpuModels" // what the CPU models of the domains stand for
	Networks     Table = "networks"
	Interfaces   Table = "interfaces"
	Pools        Table = "pools"
	Volumes      Table = "volumes"
	NodeDevices  Table = "nodeDevices"
	NWFilters    Table = "nwfilters"
	Secrets      Table = "secrets" // which there are: their values are asked for by nobody
	Jobs         Table = "jobs"    // what is being done with domains: no documents

	// volumeDisks is no listing, but what takes two of them: on which volume a disk lies that names it by pool and name.
	volumeDisks Table = "domains+volumes"
	// vnicFilters neither: the rules that the network filters give the vNICs which refer to them.
	vnicFilters Table = "domains+nwfilters"
)

// Tables lists what a Source is asked for, in order: storage comes late, since it is what hangs when a file server does, and volumes come
// after the pools by which they are known, CPU models after the domains that have them. Jobs come last: they hang where a single guest does.
func Tables() []Table {
	return []Table{Capabilities, Domains, CPUModels, Networks, Interfaces, NodeDevices, NWFilters, Secrets, Pools, Volumes, Jobs}
}

// Source brings the XML documents of one host. A method returns soon after its context ends.
type Source interface {
	// List brings one table. The error says why nothing of the table was read; documents that could not be read one by one are in the
	// listing with their errors.
	List(ctx context.Context, t Table) (Listing, error)
	// Probe asks for next to nothing and tells what answered.
	Probe(ctx context.Context) (string, error)
	// Close lets go of the host and does not wait for it.
	Close()
}

// Listing is one table as a source read it.
type Listing struct {
	Command   string // the calls or files that it comes from
	Documents []Document
	Missing   string // why the table may have more than the documents; "" if they are all
	Absent    bool   // the source does not have the table: nothing was read, and nothing is said about it

	Hostname string   // with Capabilities, where it is known
	Version  string   // of the hypervisor, likewise
	Free     []string // huge pages that nobody has, likewise: topology.AttrHugePageFree

	Jobs []DomainJobs // with Jobs, those of active domains
}

// Document is one XML document, and what the listing says of the object beside it.
type Document struct {
	Where string // file, or the object that was asked for
	XML   []byte
	Err   error // why it was not read; XML is empty then

	State                 string // running, paused, shutoff, active … ; "" where nobody knows
	StateReason           string // user, ioerror … (topology.AttrStateReason); "" where nobody knows
	Persistent, Autostart *bool  // nil where nobody knows
	Snapshots             *bool  // of a domain: it has some; nil where nobody knows
	Pool                  string // that lists the volume; "" where nobody knows
	Model                 string // the CPU model that was asked for: libvirt may answer with a nearer one, and what is otherwise of it

	tree *element // the parsed XML, where the source had to look into it
}

// Collector reads hypervisors. It implements collectors.Collector and collectors.Prober and may be used by several goroutines.
type Collector struct {
	now  func() time.Time
	live *dialer
}

// New makes a collector that takes the time of its readings from now.
func New(now func() time.Time) *Collector { return &Collector{now: now, live: newDialer()} }

// Collect reads all tables of a host, one observation each, and one for what takes domains and volumes together.
func (c *Collector) Collect(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
	source, err := c.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	return Read(ctx, d, source, c.now)
}

// Probe connects and asks for nothing but the host's name and the versions, or looks whether a folder is there.
func (c *Collector) Probe(ctx context.Context, d collectors.Device) (string, error) {
	source, err := c.open(ctx, d)
	if err != nil {
		return "", err
	}
	defer source.Close()
	return source.Probe(ctx)
}

// open opens the source that a device names.
func (c *Collector) open(ctx context.Context, d collectors.Device) (Source, error) {
	access, folder := locate(d)
	if folder != "" {
		return OpenFolder(folder)
	}
	if err := checkURI(access.URI); err != nil {
		return nil, err
	}
	return c.live.open(ctx, access)
}

// locate tells a folder of recordings from a connection URI. An address is a folder if it says so ("folder:PATH") or has no scheme.
func locate(d collectors.Device) (access collectors.LibvirtAccess, folder string) {
	access, _ = d.Access.(collectors.LibvirtAccess)
	if access.Folder != "" || access.URI != "" {
		return access, access.Folder
	}
	if name, ok := strings.CutPrefix(d.Address, "folder:"); ok {
		return access, name
	}
	if !strings.Contains(d.Address, ":") {
		return access, d.Address
	}
	access.URI = d.Address
	return access, ""
}

// Read reads all tables of a source. The error joins what went wrong; the observations hold the rest.
func Read(ctx context.Context, d collectors.Device, source Source, now func() time.Time) ([]topology.Observation, error) {
	h := newHarvest(d, now)
	var errs []error
	for _, t := range Tables() {
		listing, err := source.List(ctx, t)
		if err = h.table(t, listing, err); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", t, err))
		}
	}
	h.join()
	h.joinFilters()
	return h.observations, errors.Join(errs...)
}
