package planner

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/cpu"
)

// TestFits_laws: a guest runs where it is; processors that have less never take what others refuse, those that have more refuse only who forbids it or wants his host's itself; what is
// not known is never a pass; and what a hypervisor says that it gives is as good as what its processors have.
func TestFits_laws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		from, to := drawnProcessor(rt, "from"), drawnProcessor(rt, "to")
		g := drawnGuest(rt, from)
		v, why := g.fits(from, to)
		if again, why := g.fits(from, from); again == Block && !g.forbids(from.has) && g.Match != cpu.Strict && g.Vendor == from.vendor {
			rt.Errorf("%+v does not run where it is, on %+v: %s", g.CPU, *from, why)
		}
		less, more := *to, *to
		name := rapid.SampledFrom(features).Draw(rt, "name")
		less.has, more.has = to.has.Minus(cpu.SetOf(name)), to.has.And(cpu.SetOf(name))
		if u, _ := g.fits(from, &less); v == Block && u == Pass && !g.forbids(to.has) && g.Match != cpu.Strict && g.Mode == cpu.Custom {
			rt.Errorf("%+v on %+v: %s; without %s it passes", g.CPU, *to, why, name)
		}
		if u, why := g.fits(from, &more); v == Pass && u != Pass && !g.forbids(more.has) && g.Match != cpu.Strict && g.Mode == cpu.Custom {
			rt.Errorf("%+v on %+v: with %s: %s", g.CPU, *to, name, why)
		}
		given := less
		given.gives = to.gives.And(cpu.SetOf(name))
		if u, why := g.fits(from, &given); v == Pass && g.Mode == cpu.Custom && u != Pass {
			rt.Errorf("%+v on %+v: with %s of the hypervisor: %s", g.CPU, *to, name, why)
		}
		dark := *to
		dark.why = "nobody looked"
		if u, _ := g.fits(from, &dark); u != Unknown {
			rt.Errorf("%+v on processors that nobody knows: %s", g.CPU, u)
		}
		lost := *from
		lost.why = "nobody looked"
		if u, _ := g.fits(&lost, to); u == Pass && v != Pass {
			rt.Errorf("%+v on %+v passes where nobody knows its host, and does not from %+v: %s", g.CPU, *to, *from, why)
		}
	})
}

// TestFits_oracle: what a custom guest names is looked at feature by feature.
func TestFits_oracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		from, to := drawnProcessor(rt, "from"), drawnProcessor(rt, "to")
		g := drawnGuest(rt, from)
		if g.Mode != cpu.Custom || g.Match == cpu.Strict || g.Vendor != to.vendor {
			return
		}
		want := Pass
		for _, f := range g.Features {
			there := to.has.Has(f.Name)
			switch {
			case f.Policy == cpu.Forbid && there:
				want = Block
			case f.Policy != cpu.Require, there, to.gives.Has(f.Name), everywhere.Has(f.Name):
			case from.has.Has(f.Name) && f.Name != "umip":
				want = Block
			case from.has.Has(f.Name):
				want = max(want, Unknown)
			case from.model != to.model || from.revision != to.revision || from.revision == "" || from.vendor != to.vendor:
				want = max(want, Unknown)
			}
		}
		if got, why := g.fits(from, to); got != want {
			rt.Errorf("%+v from %+v to %+v: %s, want %s: %s", g.CPU, *from, *to, got, want, why)
		}
	})
}

var features = []string{"avx", "aes", "svm", "own", "umip", "x2apic"}

func (g *guest) forbids(has cpu.Set) bool {
	return slices.ContainsFunc(g.Features, func(f cpu.Feature) bool { return f.Policy == cpu.Forbid && has.Has(f.Name) })
}

func drawnProcessor(rt *rapid.T, name string) *processor {
	some := func(what string) cpu.Set {
		return cpu.SetOf(rapid.SliceOfN(rapid.SampledFrom(features), 0, 4).Draw(rt, name+" "+what)...)
	}
	return &processor{
		vendor: rapid.SampledFrom([]string{"X", "Y"}).Draw(rt, name+" vendor"), model: rapid.SampledFrom([]string{"M", "N"}).Draw(rt, name+" model"),
		revision: rapid.SampledFrom([]string{"family 1", "family 2", ""}).Draw(rt, name+" revision"), has: some("has"), gives: some("gives"),
	}
}

func drawnGuest(rt *rapid.T, from *processor) *guest {
	g := &guest{CPU: cpu.CPU{
		Mode:   rapid.SampledFrom([]cpu.Mode{cpu.Custom, cpu.Custom, cpu.Custom, cpu.HostModel, cpu.Passthrough}).Draw(rt, "mode"),
		Match:  rapid.SampledFrom([]cpu.Match{"", "", cpu.Strict}).Draw(rt, "match"),
		Vendor: rapid.SampledFrom([]string{from.vendor, "X"}).Draw(rt, "vendor"),
	}}
	for _, name := range features {
		if p := rapid.SampledFrom([]cpu.Policy{"", cpu.Require, cpu.Disable, cpu.Forbid, cpu.Force}).Draw(rt, name); p != "" {
			g.Features = append(g.Features, cpu.Feature{Name: name, Policy: p})
		}
	}
	return g
}
