// Package cpu tells whether a guest's processor runs on a host's, by the rules of libvirt (virConnectCompareCPU, formatdomain "CPU model and topology"). It knows no model and no
// feature by itself: what they are is a Dictionary, which is made of what a host says.
package cpu

import (
	"errors"
	"fmt"
	"slices"
)

// Set is names, sorted, each once. The zero Set is empty. Sets share names, and are not changed.
type Set []string

// SetOf sorts names into a set.
func SetOf(names ...string) Set {
	s := slices.Clone(names)
	slices.Sort(s)
	return slices.Compact(s)
}

// Has tells whether a name is in the set.
func (s Set) Has(name string) bool {
	_, ok := slices.BinarySearch(s, name)
	return ok
}

// And gives the names that are in one of the sets.
func (s Set) And(t Set) Set {
	switch {
	case len(t) == 0:
		return s
	case len(s) == 0:
		return t
	}
	return SetOf(slices.Concat(s, t)...)
}

// Minus gives the names that are in s and not in t.
func (s Set) Minus(t Set) Set {
	if len(t) == 0 {
		return s
	}
	var left Set
	for _, name := range s {
		if !t.Has(name) {
			left = append(left, name)
		}
	}
	return left
}

// Both gives the names that are in both sets.
func (s Set) Both(t Set) Set { return s.Minus(s.Minus(t)) }

// Dictionary is what models and features stand for.
type Dictionary struct {
	Models map[string]Set // the features of each model by name

	// Bits are the bits of CPUID and of model-specific registers that make a feature, under any names; two features may share some. Where it is nil, a feature is a thing of its
	// own, and there is none that is not known.
	Bits map[string]Set

	Rooted Set // features that no guest has which is to be moved (cpu_map: migratable='no')
}

// Policy is what a guest says of a feature.
type Policy string

// The policies of libvirt. A feature of which nothing is said is required.
const (
	Require  Policy = "require"
	Optional Policy = "optional" // if the host has it
	Force    Policy = "force"    // whether the host has it or not
	Disable  Policy = "disable"
	Forbid   Policy = "forbid" // and the host must not have it
)

// Mode is how a guest comes to its processor.
type Mode string

// The modes of libvirt.
const (
	Custom      Mode = "custom"
	HostModel   Mode = "host-model"       // the host's model and features, as they are when the guest starts
	Passthrough Mode = "host-passthrough" // the host's processor itself
	Maximum     Mode = "maximum"          // all that the hypervisor can give on this host
)

// Match is how near a guest's processor has to be to its host's.
type Match string

// The matches of libvirt. A guest of which nothing is said is exact.
const (
	Exact   Match = "exact"
	Minimum Match = "minimum" // the guest gets what the host has, too
	Strict  Match = "strict"  // the host must not have more
)

// Feature is one that is named beyond the model.
type Feature struct {
	Name   string
	Policy Policy
}

// CPU is the processor of a host or of a guest. That of a host has neither mode nor match, and all its features are there.
type CPU struct {
	Mode          Mode
	Match         Match
	Model, Vendor string // "": none is named
	Features      []Feature
}

// ErrUnknown is a model or feature that the dictionary does not have.
var ErrUnknown = errors.New("not in the dictionary")

// bits gives what a feature stands for.
func (d *Dictionary) bits(feature string) (Set, error) {
	if d.Bits == nil {
		return Set{feature}, nil
	}
	bits, ok := d.Bits[feature]
	if !ok {
		return nil, fmt.Errorf("CPU feature %q: %w", feature, ErrUnknown)
	}
	return bits, nil
}

// union gives what features stand for together.
func (d *Dictionary) union(features []string) (Set, error) {
	if d.Bits == nil {
		return SetOf(features...), nil
	}
	var all []string
	for _, name := range features {
		bits, err := d.bits(name)
		if err != nil {
			return nil, err
		}
		all = append(all, bits...)
	}
	return SetOf(all...), nil
}

// of gives the bits of the features under a policy.
func (d *Dictionary) of(c *CPU, p Policy) (Set, error) {
	var names []string
	for _, f := range c.Features {
		if f.Policy == p || f.Policy == "" && p == Require {
			names = append(names, f.Name)
		}
	}
	return d.union(names)
}

// model gives the bits of a model; none of "".
func (d *Dictionary) model(name string) (Set, error) {
	if name == "" {
		return nil, nil
	}
	features, ok := d.Models[name]
	if !ok {
		return nil, fmt.Errorf("CPU model %q: %w", name, ErrUnknown)
	}
	return d.union(features)
}

// parts are the bits of a processor by what is said of them.
type parts struct{ require, optional, force, disable, forbid Set }

func (d *Dictionary) parts(c *CPU) (p parts, err error) {
	model, err := d.model(c.Model)
	if err != nil {
		return p, err
	}
	for _, of := range []struct {
		policy Policy
		bits   *Set
	}{{Require, &p.require}, {Optional, &p.optional}, {Force, &p.force}, {Disable, &p.disable}, {Forbid, &p.forbid}} {
		if *of.bits, err = d.of(c, of.policy); err != nil {
			return p, err
		}
	}
	p.require = model.And(p.require)
	return p, nil
}

// Has gives what a processor has for certain: the bits of its model and of what is required or forced, without what is disabled or forbidden.
func (d *Dictionary) Has(c *CPU) (Set, error) {
	p, err := d.parts(c)
	return p.require.And(p.force).Minus(p.disable).Minus(p.forbid), err
}

// Verdict is how a host's processor compares with a guest's.
type Verdict uint8

// The verdicts of libvirt (virCPUCompareResult).
const (
	Incompatible Verdict = iota // the guest does not run there
	Identical
	Superset // the host has more
)

// Comparison is a verdict and what it comes from, in the dictionary's bits.
type Comparison struct {
	Verdict   Verdict
	Vendor    bool // the guest is for processors of another vendor
	Missing   Set  // what the guest needs and the host has not
	Forbidden Set  // what the host has and the guest forbids
	Extra     Set  // what the host has and the guest does not speak of
}

// Compare tells whether a guest's processor runs on a host's. The error is ErrUnknown.
func Compare(d *Dictionary, host, guest *CPU) (Comparison, error) {
	var c Comparison
	has, err := d.Has(host)
	if err != nil {
		return c, fmt.Errorf("host: %w", err)
	}
	p, err := d.parts(guest)
	if err != nil {
		return c, fmt.Errorf("guest: %w", err)
	}
	c.Vendor = guest.Vendor != "" && guest.Vendor != host.Vendor
	c.Forbidden = p.forbid.Both(has)
	// What the model brings counts as little as what is named, where something else is said of it.
	needs := p.require.Minus(p.optional).Minus(p.force).Minus(p.disable).Minus(p.forbid)
	c.Missing = needs.Minus(has)
	c.Extra = has.Minus(needs).Minus(p.optional).Minus(p.force).Minus(p.disable)
	switch {
	case c.Vendor, len(c.Forbidden) > 0, len(c.Missing) > 0, len(c.Extra) > 0 && guest.Match == Strict:
		c.Verdict = Incompatible
	case len(c.Extra) > 0:
		c.Verdict = Superset
	default:
		c.Verdict = Identical
	}
	return c, nil
}

// Update gives the processor that a guest gets when it starts on a host: optional features are there or not, and one that is to be as the host's has its model and features, without those
// that cannot be moved. A processor that is passed through is what it was. The error is ErrUnknown.
func Update(d *Dictionary, guest, host *CPU) (CPU, error) {
	has, err := d.Has(host)
	if err != nil || guest.Mode == Passthrough || guest.Mode == Maximum {
		return *guest, err
	}
	updated := CPU{Mode: Custom, Match: guest.Match, Model: guest.Model, Vendor: guest.Vendor, Features: slices.Clone(guest.Features)}
	for i, f := range updated.Features {
		if f.Policy != Optional {
			continue
		}
		bits, err := d.bits(f.Name)
		if err != nil {
			return *guest, err
		}
		updated.Features[i].Policy = Disable
		if len(bits.Minus(has)) == 0 {
			updated.Features[i].Policy = Require
		}
	}
	if guest.Mode != HostModel && guest.Match != Minimum {
		return updated, nil
	}
	own := updated.Features
	updated.Match, updated.Model, updated.Features = Exact, host.Model, nil
	if guest.Mode == HostModel {
		updated.Vendor = host.Vendor
	}
	for _, f := range host.Features {
		named := slices.ContainsFunc(own, func(o Feature) bool { return o.Name == f.Name })
		if !named && !d.Rooted.Has(f.Name) {
			updated.Features = append(updated.Features, Feature{f.Name, Require})
		}
	}
	updated.Features = append(updated.Features, own...)
	return updated, nil
}
