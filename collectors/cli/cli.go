// Package cli reads what switches, routers and fabric switches print: configurations, and the answers of show commands. It reads files; it does not log in.
//
// A configuration is read statement by statement, against the grammar of its platform (dialect), and every line of it is accounted for: understood, on the
// platform's list of statements that change nothing, or kept as not understood, with its place, as a fact of the interface, VRF, list or device that it bears on.
package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// answer is something that a device prints: how it is asked for, and how it is read.
type answer struct {
	name    string
	command string
	kind    topology.Kind
	read    func(a answer, file string, d collectors.Device, raw []byte) (read, error)
}

// read is what became of one answer.
type read struct {
	facts    []topology.Fact
	rows     int
	unparsed []collectors.Unparsed
	cut      string // why it is not whole
}

func answers() []answer {
	return []answer{
		{"ios-config", "show running-config", topology.Router, readConfig},
		{"eos-config", "show running-config", topology.Switch, readConfig},
		{"nxos-config", "show running-config", topology.Switch, readConfig},
		{"ios-route", "show ip route", topology.Router, readRoutes("ios", iosLine)},
		{"ios-cef", "show ip cef", topology.Router, readRoutes("ios", cefLine)},
		{"eos-route", "show ip route vrf all | json", topology.Switch, readEOSRoutes},
		{"nxos-route", "show ip route vrf all", topology.Switch, readRoutes("nxos", nxosLine)},
		{"mds-zoneset-active", "show zoneset active", topology.FCSwitch, readActiveZones},
		{"mds-zone", "show zone", topology.FCSwitch, readFullZones},
		{"mds-zone-status", "show zone status", topology.FCSwitch, readZoneStatus},
		{"mds-device-alias", "show device-alias database", topology.FCSwitch, readDeviceAliases},
		{"mds-flogi", "show flogi database", topology.FCSwitch, readLogins},
		{"mds-fcns", "show fcns database", topology.FCSwitch, readNameServer},
	}
}

// Answers lists the names that Parse takes.
func Answers() []string {
	var names []string
	for _, a := range answers() {
		names = append(names, a.name)
	}
	return names
}

// Parse reads one answer without a device: name is that of an answer, such as "ios-config" (Answers lists them). The device has the handle "parsed". Pieces that
// are not understood are listed, not dropped.
func Parse(name string, raw []byte) ([]topology.Observation, []collectors.Unparsed, error) {
	return ParseFile(name, name, collectors.Device{Handle: "parsed"}, raw)
}

// ParseFile is Parse for a device and a file by its name: what the device is, is taken from the platform where the inventory does not say it.
func ParseFile(name, file string, d collectors.Device, raw []byte) ([]topology.Observation, []collectors.Unparsed, error) {
	i := slices.IndexFunc(answers(), func(a answer) bool { return a.name == name })
	if i < 0 {
		return nil, nil, fmt.Errorf("%w: no answer is called %q", topology.ErrSyntax, name)
	}
	a := answers()[i]
	d.Source = topology.SourceCLI
	if d.Kind == 0 {
		d.Kind = a.kind
	}
	got, err := a.read(a, file, d, raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	r := collectors.NewReading(d, name, a.command, time.Time{})
	r.Rows, r.Partial, r.Reason = got.rows, got.cut != "", got.cut
	return []topology.Observation{{Reading: r, Facts: got.facts}}, got.unparsed, nil
}

// readConfig reads a configuration. Its rows are its lines. What is not understood is stated, line by line, so that the reading is whole for all that.
func readConfig(a answer, file string, d collectors.Device, raw []byte) (read, error) {
	c, err := ReadConfig(a.name, file, d, raw)
	if err != nil {
		return read{}, err
	}
	got := read{facts: c.Facts(), rows: len(c.Lines)}
	for _, l := range c.Lines {
		if l.State == Unparsed {
			got.unparsed = append(got.unparsed, collectors.Unparsed{Where: l.String(), Text: l.Text, Why: l.Why})
		}
	}
	if c.cut() {
		got.cut = "the configuration is cut off: it does not end with \"" + c.dialect.ends + "\""
	}
	return got, nil
}
