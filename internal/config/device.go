package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// reader turns the devices of a document into rows, with what they share.
type reader struct {
	folder   string
	vault    *vault
	deadline time.Duration
	snmpKeys *object // of the defaults
	snmp     snmpSettings
	libvirt  collectors.LibvirtAccess
	sshKeys  *object // of the defaults
	ssh      sshSettings
	cli      []collectors.CLIFile // as the defaults name them
}

const leastDeadline, mostDeadline = time.Second, 24 * time.Hour

func (r *reader) readDefaults(top *object) {
	o := top.object("defaults", "defaults", "deadline", "snmp", "libvirt", "ssh", "cli")
	r.deadline = o.duration("deadline", leastDeadline, mostDeadline)
	// The waiver for SNMPv2c is a decision about one device, so it has no place here.
	r.snmpKeys = o.object("snmp", "the defaults of snmp", slices.DeleteFunc(snmpKeys(), func(k string) bool {
		return k == "allow_v2c" || k == "source" || k == "address"
	})...)
	r.snmp = r.snmpSettings(r.snmpKeys)
	r.libvirt = r.libvirtSettings(o.object("libvirt", "the defaults of libvirt", "user", "credential"))
	// A host key is one host's.
	r.sshKeys = o.object("ssh", "the defaults of ssh", slices.DeleteFunc(sshKeys(), func(k string) bool {
		return k == "source" || k == "address" || k == "host_keys"
	})...)
	r.ssh = r.sshSettings(r.sshKeys)
	r.cli = cliFiles(o.object("cli", "the defaults of cli", "files"))
}

func (r *reader) readDevices(top *object) []*device {
	items := top.items("devices")
	if len(items) == 0 {
		if !top.has("devices") || top.values["devices"] != nil {
			top.add(top.of("devices"), "devices: lists them", "the inventory has no devices")
		}
		return nil
	}
	var devices []*device
	seen := map[string]place{}
	for _, n := range items {
		before := len(top.list)
		o := newObject(top.findings, n, "a device", deviceKeys()...)
		if o == nil {
			continue
		}
		d := r.readDevice(o)
		if nameLike(d.name) {
			top.about(d.name, before)
		}
		if first, twice := seen[d.name]; twice && d.name != "" {
			o.add(o.valueAt("name"), "", "another device has the name %q, in line %d", d.name, first.line)
		}
		seen[d.name] = o.at
		devices = append(devices, d)
	}
	return devices
}

func deviceKeys() []string {
	return []string{"name", "kind", "address", "site", "rack", "deadline", "sources"}
}

func (r *reader) readDevice(o *object) *device {
	d := &device{at: o.at, name: o.text("name"), site: o.printable("site"), rack: o.printable("rack")}
	if !o.has("name") {
		o.add(o.at, "", "a device without a name")
	} else if d.name != "" && !nameLike(d.name) {
		o.add(o.valueAt("name"), "letters, digits, dots, underscores and hyphens, 253 at most", "not a name of a device")
	}
	if d.site != "" && !o.has("rack") {
		o.add(o.valueAt("site"), "add rack", "a site alone says nothing of a device")
	}
	d.kind = readKind(o)
	d.address = readAddress(o)
	d.deadline = o.duration("deadline", leastDeadline, mostDeadline)
	if d.deadline == 0 {
		d.deadline = r.deadline
	}
	seen := map[topology.Source]bool{}
	sources := o.items("sources")
	for _, n := range sources {
		row, ok := r.readSource(o.findings, d, n)
		if ok && seen[row.Source] {
			o.add(placeOf(n), "list it as a device of its own", "the source %s is given twice", row.Source)
		}
		if ok {
			seen[row.Source] = true
			d.sources = append(d.sources, row)
		}
	}
	if len(sources) == 0 && d.kind == 0 && !o.has("kind") {
		o.add(o.at, "say its kind, if nothing reads it", "a device without sources")
	}
	return d
}

func readKind(o *object) topology.Kind {
	text := o.text("kind")
	if text == "" {
		return 0
	}
	kind, err := topology.ParseKind(text)
	if err != nil || !kind.Device() {
		var words []string
		for _, k := range topology.Kinds() {
			if k.Device() {
				words = append(words, k.String())
			}
		}
		hint := "known are " + strings.Join(words, ", ")
		if word := nearest(text, words); word != "" {
			hint = fmt.Sprintf("did you mean %q?", word)
		}
		o.add(o.valueAt("kind"), hint, "unknown kind of device")
	}
	return kind
}

// readAddress gives an IP address or host name, with a port if one is given.
func readAddress(o *object) string {
	text := o.text("address")
	if text == "" {
		return ""
	}
	host := text
	if h, port, err := net.SplitHostPort(text); err == nil {
		host = h
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			o.add(o.valueAt("address"), "", "the port in the address must be a number from 1 to 65535")
		}
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err == nil && (addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255})):
		o.add(o.valueAt("address"), "", "%s is no address of a device", addr)
	case err != nil && !hostName(host):
		o.add(o.valueAt("address"), "such as 192.0.2.1, [2001:db8::1]:161 or leaf1.example.net", "neither an IP address nor a host name")
	}
	return text
}

// hostName reports whether the text is a host name (RFC 1123 section 2.1). One that looks like an IPv4 address is a slip.
func hostName(s string) bool {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Contains(l, "_") || !nameLike(l) {
			return false
		}
	}
	_, err := strconv.Atoi(labels[len(labels)-1])
	return err != nil && len(s) <= 253
}

// withPort gives host:port, with the port that the address does not give.
func withPort(address string, port int) string {
	if _, _, err := net.SplitHostPort(address); err == nil || address == "" {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), strconv.Itoa(port))
}

// readSource reads one element of sources.
func (r *reader) readSource(f *findings, d *device, n ast.Node) (collectors.Device, bool) {
	known := map[string]func(o *object, d *device) (string, any){"snmp": r.readSNMP, "libvirt": r.readLibvirt, "ssh": r.readSSH, "san": r.readSAN, "cli": r.readCLI}
	keys := map[string][]string{"snmp": snmpKeys(), "libvirt": libvirtKeys(), "ssh": sshKeys(), "san": sanKeys(), "cli": cliKeys()}
	names := slices.Sorted(maps.Keys(known))
	var name string
	if entries, ok := entriesOf(n); ok {
		for _, e := range entries {
			if key, _ := textOf(e.Key); key == "source" {
				name, _ = textOf(e.Value)
			}
		}
	}
	read := known[name]
	if read == nil {
		hint := "known are " + strings.Join(names, ", ")
		if word := nearest(name, names); word != "" {
			hint = fmt.Sprintf("did you mean %q?", word)
		}
		f.add(placeOf(n), hint, "a source that this program cannot read, or none: source says which")
		return collectors.Device{}, false
	}
	o := newObject(f, n, "the source "+name, keys[name]...)
	source, _ := topology.ParseSource(name)
	row := collectors.Device{Handle: d.name, Kind: d.kind, Source: source, Deadline: d.deadline}
	row.Address, row.Access = read(o, d)
	return row, true
}

func readLinks(top *object, devices []*device) []link {
	byName := map[string]*device{}
	for _, d := range devices {
		byName[d.name] = d
	}
	taken := map[end]place{}
	var links []link
	for _, n := range top.items("links") {
		o := newObject(top.findings, n, "a link", "from", "to")
		if o == nil {
			continue
		}
		var ends [2]end
		for i, side := range []string{"from", "to"} {
			if !o.has(side) {
				o.add(o.at, "", "a link without %q", side)
			}
			ends[i] = readEnd(o.object(side, "the end of a link", "device", "port"), byName)
			if e := ends[i]; e.device != nil && e.port != "" {
				if first, twice := taken[e]; twice {
					o.add(o.of(side), "", "%s %s has a link already, in line %d", e.device.name, e.port, first.line)
				}
				taken[e] = o.of(side)
			}
		}
		if ends[0].device != nil && ends[1].device != nil {
			links = append(links, link{ends[0], ends[1]})
		}
	}
	return links
}

func readEnd(o *object, devices map[string]*device) end {
	if o == nil {
		return end{}
	}
	for _, key := range []string{"device", "port"} {
		if !o.has(key) {
			o.add(o.at, "", "the end of a link without %q", key)
		}
	}
	name := o.text("device")
	d := devices[name]
	if d == nil && name != "" {
		hint := ""
		if word := nearest(name, slices.Sorted(maps.Keys(devices))); word != "" {
			hint = fmt.Sprintf("did you mean %q?", word)
		}
		o.add(o.valueAt("device"), hint, "no device has this name")
	}
	return end{d, o.printable("port")}
}
