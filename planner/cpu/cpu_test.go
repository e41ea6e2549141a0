package cpu_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/cpu"
)

// plain is a dictionary in which a feature is a thing of its own; shared one in which two features have a bit in common and two have all.
var (
	plain  = &cpu.Dictionary{Models: map[string]cpu.Set{"old": {"a", "b"}, "new": {"a", "b", "c", "d"}}, Rooted: cpu.SetOf("f")}
	shared = &cpu.Dictionary{
		Models: map[string]cpu.Set{"old": {"a", "b"}, "new": {"a", "b", "c"}},
		Bits:   map[string]cpu.Set{"a": {"1"}, "b": {"2", "3"}, "c": {"3", "4"}, "d": {"4"}, "e": {"4"}, "f": {"5"}},
		Rooted: cpu.SetOf("f"),
	}
	names    = []string{"a", "b", "c", "d", "e", "f"}
	policies = []cpu.Policy{"", cpu.Require, cpu.Optional, cpu.Force, cpu.Disable, cpu.Forbid}
)

func TestCompare(t *testing.T) {
	t.Parallel()
	host := &cpu.CPU{Model: "old", Vendor: "X", Features: []cpu.Feature{{Name: "d"}}}
	for _, c := range []struct {
		name  string
		guest cpu.CPU
		want  cpu.Comparison
	}{
		{"the same", cpu.CPU{Model: "old", Features: []cpu.Feature{{Name: "d"}}}, cpu.Comparison{Verdict: cpu.Identical}},
		{"less", cpu.CPU{Model: "old"}, cpu.Comparison{Verdict: cpu.Superset, Extra: cpu.SetOf("d")}},
		{"less, strictly", cpu.CPU{Model: "old", Match: cpu.Strict}, cpu.Comparison{Extra: cpu.SetOf("d")}},
		{"more", cpu.CPU{Model: "new"}, cpu.Comparison{Missing: cpu.SetOf("c")}},
		{"more, and switched off", cpu.CPU{Model: "new", Features: []cpu.Feature{{"c", cpu.Disable}}}, cpu.Comparison{Verdict: cpu.Identical}},
		{"more, and forced", cpu.CPU{Model: "new", Features: []cpu.Feature{{"c", cpu.Force}}}, cpu.Comparison{Verdict: cpu.Identical}},
		{"more, if it is there", cpu.CPU{Model: "new", Features: []cpu.Feature{{"c", cpu.Optional}}}, cpu.Comparison{Verdict: cpu.Identical}},
		{"more, and forbidden", cpu.CPU{Model: "new", Features: []cpu.Feature{{"c", cpu.Forbid}}}, cpu.Comparison{Verdict: cpu.Identical}},
		{"forbidden", cpu.CPU{Model: "old", Features: []cpu.Feature{{"d", cpu.Forbid}}}, cpu.Comparison{Forbidden: cpu.SetOf("d"), Extra: cpu.SetOf("d")}},
		{"another vendor", cpu.CPU{Model: "old", Vendor: "Y"}, cpu.Comparison{Vendor: true, Extra: cpu.SetOf("d")}},
	} {
		if got, err := cpu.Compare(plain, host, &c.guest); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
	for _, guest := range []cpu.CPU{{Model: "odd"}, {Features: []cpu.Feature{{Name: "odd"}}}} {
		if _, err := cpu.Compare(shared, host, &guest); !errors.Is(err, cpu.ErrUnknown) {
			t.Errorf("%v: %v", guest, err)
		}
		if _, err := cpu.Update(shared, host, &guest); !errors.Is(err, cpu.ErrUnknown) {
			t.Errorf("%v as a host: %v", guest, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	host := &cpu.CPU{Model: "old", Vendor: "X", Features: []cpu.Feature{{Name: "d"}, {Name: "f"}}}
	for _, c := range []struct{ guest, want cpu.CPU }{
		{
			cpu.CPU{Match: cpu.Exact, Model: "old", Features: []cpu.Feature{{"b", cpu.Optional}, {"c", cpu.Optional}, {"e", cpu.Force}}},
			cpu.CPU{Mode: cpu.Custom, Match: cpu.Exact, Model: "old", Features: []cpu.Feature{{"b", cpu.Require}, {"c", cpu.Disable}, {"e", cpu.Force}}},
		},
		{cpu.CPU{Mode: cpu.HostModel}, cpu.CPU{Mode: cpu.Custom, Match: cpu.Exact, Model: "old", Vendor: "X", Features: []cpu.Feature{{"d", cpu.Require}}}},
		{
			cpu.CPU{Match: cpu.Minimum, Model: "new", Features: []cpu.Feature{{"d", cpu.Disable}}},
			cpu.CPU{Mode: cpu.Custom, Match: cpu.Exact, Model: "old", Features: []cpu.Feature{{"d", cpu.Disable}}},
		},
		{cpu.CPU{Mode: cpu.Passthrough}, cpu.CPU{Mode: cpu.Passthrough}},
	} {
		if got, err := cpu.Update(plain, &c.guest, host); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v becomes %+v, %v, want %+v", c.guest, got, err, c.want)
		}
	}
}

// drawn makes a processor; that of a host has no policies.
func drawn(rt *rapid.T, host bool) cpu.CPU {
	c := cpu.CPU{
		Model:  rapid.SampledFrom([]string{"", "old", "new"}).Draw(rt, "model"),
		Vendor: rapid.SampledFrom([]string{"", "X", "Y"}).Draw(rt, "vendor"),
		Match:  rapid.SampledFrom([]cpu.Match{"", cpu.Exact, cpu.Minimum, cpu.Strict}).Draw(rt, "match"),
	}
	for _, name := range names {
		if rapid.Bool().Draw(rt, "named "+name) {
			p := rapid.SampledFrom(policies).Draw(rt, "policy")
			if host {
				p = ""
			}
			c.Features = append(c.Features, cpu.Feature{Name: name, Policy: p})
		}
	}
	return c
}

// TestCompare_laws: a processor is identical to itself; a guest that has been given what a host has runs there, if it forbids nothing of it; what is compared is what a bit by bit look at
// both finds; and one that a host has more than before takes no guest away from it but those that forbid it or are strict.
func TestCompare_laws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := rapid.SampledFrom([]*cpu.Dictionary{plain, shared}).Draw(rt, "dictionary")
		host, guest := drawn(rt, true), drawn(rt, false)
		if c, err := cpu.Compare(d, &host, &host); err != nil || c.Verdict != cpu.Identical {
			rt.Errorf("%+v with itself: %+v, %v", host, c, err)
		}
		c, err := cpu.Compare(d, &host, &guest)
		if err != nil {
			rt.Fatal(err)
		}
		if want := bitByBit(d, &host, &guest); c.Verdict != want {
			rt.Errorf("%+v, a look at each bit gives %d", c, want)
		}
		more := host
		more.Features = slices.Concat(host.Features, []cpu.Feature{{Name: rapid.SampledFrom(names).Draw(rt, "more")}})
		m, err := cpu.Compare(d, &more, &guest)
		if err != nil {
			rt.Fatal(err)
		}
		if len(m.Missing) > len(c.Missing) || c.Verdict != cpu.Incompatible && m.Verdict == cpu.Incompatible && len(m.Forbidden) == 0 && guest.Match != cpu.Strict {
			rt.Errorf("with more: %+v, without: %+v", m, c)
		}
		like := cpu.CPU{Mode: cpu.HostModel}
		if like, err = cpu.Update(d, &like, &host); err != nil {
			rt.Fatal(err)
		}
		if c, err := cpu.Compare(d, &host, &like); err != nil || c.Verdict == cpu.Incompatible {
			rt.Errorf("the host's model does not run on the host: %+v, %v", c, err)
		}
	})
}

// bitByBit asks of each bit what the host and the guest say of it.
func bitByBit(d *cpu.Dictionary, host, guest *cpu.CPU) cpu.Verdict {
	bits := func(feature string) []string {
		if d.Bits == nil {
			return []string{feature}
		}
		return d.Bits[feature]
	}
	says := func(c *cpu.CPU, bit string, ps ...cpu.Policy) bool {
		return slices.ContainsFunc(c.Features, func(f cpu.Feature) bool { return slices.Contains(ps, f.Policy) && slices.Contains(bits(f.Name), bit) })
	}
	brings := func(c *cpu.CPU, bit string) bool {
		return slices.ContainsFunc(d.Models[c.Model], func(f string) bool { return slices.Contains(bits(f), bit) })
	}
	fits, more := guest.Vendor == "" || guest.Vendor == host.Vendor, false
	for _, bit := range []string{"a", "b", "c", "d", "e", "f", "1", "2", "3", "4", "5"} {
		has := brings(host, bit) || says(host, bit, "")
		asks := says(guest, bit, "", cpu.Require) || brings(guest, bit)
		waived := says(guest, bit, cpu.Optional, cpu.Force, cpu.Disable, cpu.Forbid)
		fits = fits && (has || !asks || waived) && (!has || !says(guest, bit, cpu.Forbid))
		more = more || has && (!asks || waived) && !says(guest, bit, cpu.Optional, cpu.Force, cpu.Disable)
	}
	switch {
	case !fits, more && guest.Match == cpu.Strict:
		return cpu.Incompatible
	case more:
		return cpu.Superset
	}
	return cpu.Identical
}
