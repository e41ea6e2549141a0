// Package config reads what operators write: the inventory, and the policy of moves.
//
// A file is checked whole before anything is done with it, and everything that is wrong with it is said at once, with line and column.
// docs/operate/inventory.md and docs/operate/policy.md describe them.
package config

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// Version is the version of both formats that this program reads.
const Version = 1

// Inventory is an inventory without faults.
type Inventory struct {
	file    string
	devices []*device // in the order of the file
	links   []link
	exclude []string // patterns of path.Match over names
	limits  topology.AgeLimits
}

// device is one box, with a row for every way in which it is read.
type device struct {
	name       string
	at         place
	kind       topology.Kind // 0: not said
	address    string
	site, rack string
	deadline   time.Duration
	sources    []collectors.Device
}

// link is a cable by the operator's word.
type link struct{ from, to end }

type end struct {
	device *device
	port   string
}

// Load reads and checks an inventory and the files that it refers to. The error is an *InvalidError with all that is wrong.
func Load(file string) (*Inventory, error) {
	text, err := readText(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, text)
}

func readText(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		f := &findings{file: file}
		f.add(place{}, "", "%s", strings.TrimPrefix(err.Error(), "open "+file+": "))
		return nil, f.err()
	}
	return text, nil
}

// Parse is Load of a text that is, or could be, in the given file: names of other files are relative to its folder.
func Parse(file string, text []byte) (*Inventory, error) {
	f := &findings{file: file}
	inv := &Inventory{file: file}
	if top := parse(f, text, form{"inventory", topKeys(), "say what devices share under defaults"}); top != nil {
		inv.read(top)
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	return inv, nil
}

func (i *Inventory) read(top *object) {
	folder := filepath.Dir(i.file)
	r := &reader{folder: folder, vault: readVault(top, folder)}
	r.readDefaults(top)
	i.limits = readLimits(top, "limits")
	i.exclude = readPatterns(top)
	i.devices = r.readDevices(top)
	i.links = readLinks(top, i.devices)
}

func readLimits(top *object, key string) topology.AgeLimits {
	const least, most = time.Second, 3650 * 24 * time.Hour
	o := top.object(key, key, "default", "tables")
	limits := topology.AgeLimits{Default: o.duration("default", least, most), Tables: map[string]time.Duration{}}
	if tables := o.object("tables", "the tables of "+key); tables != nil {
		for name := range tables.values {
			limits.Tables[name] = tables.duration(name, least, most)
		}
	}
	return limits
}

func readPatterns(top *object) []string {
	var patterns []string
	for _, n := range top.items("exclude") {
		p, ok := textOf(n)
		if _, err := path.Match(p, ""); !ok || p == "" || err != nil {
			top.add(placeOf(n), "such as lab-*", "not a pattern of device names")
			continue
		}
		patterns = append(patterns, p)
	}
	return patterns
}

// Devices gives a row for every device and source that is to be read, in the order of the file.
func (i *Inventory) Devices() []collectors.Device {
	var rows []collectors.Device
	for _, d := range i.devices {
		if !i.excluded(d.name) {
			rows = append(rows, d.sources...)
		}
	}
	return rows
}

func (i *Inventory) excluded(name string) bool {
	return slices.ContainsFunc(i.exclude, func(pattern string) bool {
		match, _ := path.Match(pattern, name)
		return match
	})
}

// Names gives the names of all devices, excluded ones too, in the order of the file.
func (i *Inventory) Names() []string {
	names := make([]string, len(i.devices))
	for n, d := range i.devices {
		names[n] = d.name
	}
	return names
}

// Limits gives the ages at which facts become stale.
func (i *Inventory) Limits() topology.AgeLimits {
	return topology.AgeLimits{Default: i.limits.Default, Tables: maps.Clone(i.limits.Tables)}
}

// ManualTable is the table of what the inventory says by hand.
const ManualTable = "inventory"

// Manual gives what the inventory itself says of the estate, as of now: for every device one complete reading, which is empty where
// nothing is said, so that what was said earlier and is no longer goes away.
func (i *Inventory) Manual(now time.Time) []topology.Observation {
	observations := make([]topology.Observation, 0, len(i.devices))
	links := map[*device][]link{}
	for _, l := range i.links {
		links[l.from.device] = append(links[l.from.device], l)
	}
	for _, d := range i.devices {
		row := collectors.Device{Handle: d.name, Source: topology.SourceManual}
		command := fmt.Sprintf("%s:%d", filepath.Base(i.file), d.at.line)
		o := topology.Observation{Reading: collectors.NewReading(row, ManualTable, command, now), Facts: d.facts(links[d])}
		o.Reading.Rows = len(o.Facts)
		observations = append(observations, o)
	}
	return observations
}

func (d *device) facts(links []link) []topology.Fact {
	var facts []topology.Fact
	self := d.key()
	if len(d.sources) == 0 { // nobody else will speak of it
		facts = append(facts, topology.Attribute(self, topology.AttrName, topology.TextValue(d.name)))
	}
	if d.rack != "" {
		rack := topology.Key{Kind: topology.Rack, ID: topology.EscapeID(d.rack)}
		if d.site != "" {
			rack.ID = topology.EscapeID(d.site) + "/" + rack.ID
		}
		facts = append(facts,
			topology.Relate(self, topology.MountedIn, rack),
			topology.Attribute(rack, topology.AttrName, topology.TextValue(d.rack)))
		if d.site != "" {
			facts = append(facts, topology.Attribute(rack, topology.AttrLocation, topology.TextValue(d.site)))
		}
	}
	for _, l := range links {
		for _, e := range []end{l.from, l.to} {
			facts = append(facts, topology.Relate(e.device.key(), topology.Contains, e.key()))
		}
		facts = append(facts, topology.Relate(l.from.key(), topology.Link, l.to.key()))
	}
	return facts
}

// key gives the device's local key. Without the operator's word its kind is the least telling one that its sources allow.
func (d *device) key() topology.Key {
	kind := d.kind
	if kind == 0 {
		kind = topology.Switch
		reads := func(source topology.Source) bool {
			return slices.ContainsFunc(d.sources, func(s collectors.Device) bool { return s.Source == source })
		}
		switch {
		case reads(topology.SourceLibvirt):
			kind = topology.Host
		case reads(topology.SourceSAN):
			kind = topology.Array
		}
	}
	return topology.DeviceKey(kind, d.name)
}

func (e end) key() topology.Key { return topology.PartKey(topology.Port, e.device.key(), e.port) }
