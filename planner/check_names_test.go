package planner_test

import (
	"testing"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

func nameCases() []checkCase {
	pin := func(names ...string) planner.Policy {
		return planner.Policy{Pinned: []planner.Pin{{VMs: names, Reason: "x"}}}
	}
	cordon := func(names ...string) planner.Policy {
		return planner.Policy{Cordons: []planner.Cordon{{Hosts: names, Reason: "x"}}}
	}
	return []checkCase{
		{code: "POL-5", name: "nothing", want: "pass: all is there that the policy names"},
		{code: "POL-5", name: "by name, pattern and key", policy: pin("other", "oth*", "vm:o"), want: "pass: all is there that the policy names"},
		{code: "POL-5", name: "a host, but no VM", policy: pin("b"), want: `warn: the policy names "b" in pinned, and nothing there answers to it`},
		{code: "POL-5", name: "nobody", policy: pin("web-99", "db-*", "web-99"), want: "warn: the policy names \"web-99\" in pinned, and nothing there answers to it\nwarn: the policy names \"db-*\" in pinned, and nothing there answers to it"},
		{code: "POL-5", name: "the VM by a slip", policy: pin("Web_7"), want: `unknown: the policy names "Web_7" in pinned, and nothing there answers to it: web-07 may be meant`},
		{code: "POL-5", name: "the target by a slip", policy: cordon("B"), want: `unknown: the policy names "B" in cordons, and nothing there answers to it: b may be meant`},
		{code: "POL-5", name: "another number", policy: pin("web-70", "web-007x"), want: "warn: the policy names \"web-70\" in pinned, and nothing there answers to it\nwarn: the policy names \"web-007x\" in pinned, and nothing there answers to it"},
		{
			code: "POL-5", name: "an override lets nothing pass", policy: planner.Policy{Overrides: []planner.Override{{Check: "VM-1", VM: "Web-7", Name: "x", Reason: "x", Expires: noon}}},
			want: `warn: the policy names "Web-7" in overrides, and nothing there answers to it`,
		},
		{
			code: "POL-5", name: "a freeze of anything", policy: planner.Policy{Freezes: []planner.Freeze{{Name: "x", Reason: "x", Objects: planner.Selector{"b", "array:*", "leaf9", "192.0.2.0/24"}, Until: noon}}},
			want: `warn: the policy names "leaf9" in freezes, and nothing there answers to it`,
		},
	}
}

// TestNames_assumed: a plan under changes says the same.
func TestNames_assumed(t *testing.T) {
	t.Parallel()
	p := planner.New(scene(t, ""), planner.Policy{Pinned: []planner.Pin{{VMs: planner.Selector{"db-01"}, Reason: "x"}}}, noon)
	for range 2 {
		plan, err := p.Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := said(plan, "POL-5"), `warn: the policy names "db-01" in pinned, and nothing there answers to it`; got != want {
			t.Errorf("got %s", got)
		}
		if p, err = p.Assume(topology.ChangeSet{}); err != nil {
			t.Fatal(err)
		}
	}
}
