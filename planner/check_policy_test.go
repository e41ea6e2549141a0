package planner_test

import "github.com/throughline-dc/throughline/planner"

func policyCases() []checkCase {
	place := func(rule planner.PlacementRule, soft bool, hosts planner.Selector, vms ...string) planner.Policy {
		return planner.Policy{Placements: []planner.Placement{{Name: "shop", Rule: rule, VMs: vms, Hosts: hosts, Soft: soft}}}
	}
	return []checkCase{
		{code: "POL-1", name: "none", want: "pass: no placement says with which VMs web-07 runs"},
		{code: "POL-1", name: "of others", policy: place(planner.Apart, false, nil, "db-*"), want: "pass: no placement says with which VMs web-07 runs"},
		{code: "POL-1", name: "apart", policy: place(planner.Apart, false, nil, "web-*", "db-*"), want: "pass: on b the placements of web-07 hold"},
		{
			code: "POL-1", name: "not apart", policy: place(planner.Apart, false, nil, "web-*", "other"),
			want: `block: placement "shop": other runs on b, and has to be apart from web-07`,
		},
		{
			code: "POL-1", name: "not apart, which does not matter much", policy: place(planner.Apart, true, nil, "web-*", "other"),
			want: `warn: placement "shop": other runs on b, and has to be apart from web-07`,
		},
		{
			code: "POL-1", name: "apart from what is off", changes: "-vm:o state=running\nvm:o state=shutoff", policy: place(planner.Apart, false, nil, "web-*", "other"),
			want: "pass: on b the placements of web-07 hold",
		},
		{
			code: "POL-1", name: "apart from nobody knows whom", changes: "-vm:o name=other", also: []string{"VM-4"}, policy: place(planner.Apart, false, nil, "web-*", "db-*"),
			want: "unknown: no source says the name of vm o",
		},
		{code: "POL-1", name: "together", policy: place(planner.Together, false, nil, "web-07", "other"), want: "pass: on b the placements of web-07 hold"},
		{
			code: "POL-1", name: "not together", changes: "vm:p name=web-08\nvm:p RunsOn host:a\nvm:p state=running\nvm:p job=none", policy: place(planner.Together, false, nil, "web-*"),
			want: `block: placement "shop": web-08 runs on a, and has to be with web-07`,
		},
		{
			code: "POL-1", name: "together with what nobody places", changes: "vm:p name=web-08\nvm:p state=running", policy: place(planner.Together, false, nil, "web-*"),
			want: "unknown: no source says where web-08 runs",
		},
		{code: "POL-2", name: "none", want: "pass: no placement says on which hosts web-07 runs"},
		{code: "POL-2", name: "only here", policy: place(planner.Only, false, planner.Selector{"b"}, "web-*"), want: "pass: the placements let web-07 run on b"},
		{code: "POL-2", name: "only elsewhere", policy: place(planner.Only, false, planner.Selector{"r01-*"}, "web-*"), want: `block: placement "shop": b is none of the hosts for web-07`},
		{code: "POL-2", name: "never here", policy: place(planner.Never, false, planner.Selector{"b"}, "web-*"), want: `block: placement "shop": b is not for web-07`},
		{code: "POL-2", name: "rather not here", policy: place(planner.Never, true, planner.Selector{"b"}, "web-*"), want: `warn: placement "shop": b is not for web-07`},
		{
			code: "POL-2", name: "nobody says who the host is", changes: "-host:b name=b\nhost:b sysName=b", also: []string{"MIG-3"}, policy: place(planner.Only, false, planner.Selector{"r01-*"}, "web-*"),
			want: "unknown: no source says the name of host b",
		},
	}
}
