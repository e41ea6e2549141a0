package topology_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/topology"
)

func TestKinds_areNamedOnceAndReadBack(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range topology.Kinds() {
		name := k.String()
		back, err := topology.ParseKind(name)
		if name == "" || name != strings.ToLower(name) || seen[name] || err != nil || back != k {
			t.Errorf("kind %d is %q, which is read as %d (%v)", k, name, back, err)
		}
		seen[name] = true
		if label := k.Label(); strings.ToLower(label) != name || label[0] < 'A' || label[0] > 'Z' {
			t.Errorf("kind %s has the label %q", k, label)
		}
		if k.Device() && k.Interface() {
			t.Errorf("%s is a device and a part of one", k)
		}
	}
	for _, name := range []string{"", "kind(0)", "Port", "bond"} {
		if k, err := topology.ParseKind(name); !errors.Is(err, topology.ErrSyntax) {
			t.Errorf("%q is kind %s (%v)", name, k, err)
		}
	}
	if topology.Kind(0).Label() != "" || topology.Kind(255).Label() != "" {
		t.Error("what is no kind has a label")
	}
	if topology.Kind(0).String() != "kind(0)" || topology.Kind(255).String() != "kind(255)" {
		t.Error("what is no kind has a name")
	}
}

// The kinds that the design asks for, and those that the model adds to them.
func TestKinds_areThoseOfTheDesign(t *testing.T) {
	t.Parallel()
	want := []topology.Kind{
		topology.Host, topology.VM, topology.VNIC, topology.VDisk, topology.NIC, topology.LAG, topology.VirtualSwitch, topology.Switch, topology.Router,
		topology.Firewall, topology.Port, topology.VLAN, topology.BroadcastDomain, topology.Subnet, topology.VRF, topology.Filter, topology.FilterRule,
		topology.StoragePool, topology.Volume, topology.InitiatorPort, topology.FCSwitch, topology.FCPort, topology.FCFabric, topology.FCZone,
		topology.FCZoneSet, topology.FCZoneAlias, topology.TargetPort, topology.Array, topology.LogicalUnit, topology.Mapping, topology.Rack,
		topology.Server, topology.BMC,
		// Ours: filters as text, routes, what libvirt calls a network, and what a port hears.
		topology.FilterText, topology.Route, topology.Network, topology.PortGroup, topology.Neighbor,
	}
	slices.Sort(want)
	if got := topology.Kinds(); !slices.Equal(got, want) {
		t.Errorf("kinds are %v, want %v", got, want)
	}
}

func TestRelations_tableIsSound(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range topology.Rels() {
		spec := r.Spec()
		back, err := topology.ParseRel(r.String())
		if spec.Name == "" || spec.Name != r.String() || seen[spec.Name] || err != nil || back != r {
			t.Errorf("relation %d is %q, which is read as %d (%v)", r, spec.Name, back, err)
		}
		seen[spec.Name] = true
		if spec.Mutual && (spec.Single || !slices.Equal(spec.From, spec.To)) {
			t.Errorf("%s has no direction, and its ends are not alike", r)
		}
		for _, kinds := range [][]topology.Kind{spec.From, spec.To} {
			for i, k := range kinds {
				if !slices.Contains(topology.Kinds(), k) || slices.Contains(kinds[:i], k) {
					t.Errorf("%s: kind %s is none, or is named twice", r, k)
				}
			}
		}
		checkEnds(t, r, spec)
	}
	for _, name := range []string{"", "rel(0)", "link", "Owns"} {
		if r, err := topology.ParseRel(name); !errors.Is(err, topology.ErrSyntax) {
			t.Errorf("%q is relation %s (%v)", name, r, err)
		}
	}
}

// checkEnds holds the model's check to the table, for every pair of kinds.
func checkEnds(t *testing.T, r topology.Rel, spec topology.RelationSpec) {
	t.Helper()
	for _, from := range topology.Kinds() {
		for _, to := range topology.Kinds() {
			want := (len(spec.From) == 0 || slices.Contains(spec.From, from)) && (len(spec.To) == 0 || slices.Contains(spec.To, to))
			err := topology.Relate(topology.Key{Kind: from, ID: "a"}, r, topology.Key{Kind: to, ID: "b"}).Check()
			if (err == nil) != want || err != nil && !errors.Is(err, topology.ErrSchema) {
				t.Errorf("%s from %s to %s: %v, want allowed %t", r, from, to, err, want)
			}
		}
	}
}

func TestAttrs_tableIsSound(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, a := range topology.Attrs() {
		name := a.String()
		back, err := topology.ParseAttr(name)
		if name == "" || seen[name] || err != nil || back != a {
			t.Errorf("attribute %d is %q, which is read as %d (%v)", a, name, back, err)
		}
		seen[name] = true
		texts, ok := valueTypes()[a.Type()]
		if !ok {
			t.Errorf("%s is of no type (%d)", a, a.Type())
			continue
		}
		v, err := topology.ParseValue(a.Type(), texts[0])
		if err == nil {
			err = topology.Attribute(topology.Key{Kind: topology.Port, ID: "x"}, a, v).Check()
		}
		if err != nil {
			t.Errorf("%s cannot hold %q: %v", a, texts[0], err)
		}
	}
	for _, name := range []string{"", "attr(0)", "MTU"} {
		if a, err := topology.ParseAttr(name); !errors.Is(err, topology.ErrSyntax) {
			t.Errorf("%q is attribute %s (%v)", name, a, err)
		}
	}
}

func TestSources_orderIsPrecedence(t *testing.T) {
	t.Parallel()
	order := []string{"plan", "manual", "libvirt", "vsphere", "san", "ssh", "cli", "snmp", "redfish"}
	for i, name := range order {
		s, err := topology.ParseSource(name)
		if err != nil || s.String() != name || int(s) != i+1 {
			t.Errorf("%q is source %d (%v)", name, s, err)
		}
	}
	for _, name := range []string{"", "source(0)", "SNMP"} {
		if s, err := topology.ParseSource(name); !errors.Is(err, topology.ErrSyntax) {
			t.Errorf("%q is source %s (%v)", name, s, err)
		}
	}
	if err := (topology.Reading{ReadingKey: topology.ReadingKey{Source: topology.Source(len(order) + 1)}}).Check(); !errors.Is(err, topology.ErrSchema) {
		t.Errorf("a source beyond the last is taken: %v", err)
	}
}
