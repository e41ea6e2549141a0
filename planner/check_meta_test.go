package planner_test

import (
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

// rackLines put the target into a rack with a third host, which is empty.
const rackLines = `host:b MountedIn rack:r1
host:c MountedIn rack:r1
host:c name=c
host:c handle=test
host:c cpus=16
`

// TestChecks_frozenOnUnknownWays: what is frozen may be on a way that is not known.
func TestChecks_frozenOnUnknownWays(t *testing.T) {
	t.Parallel()
	policy := planner.Policy{Freezes: []planner.Freeze{{Name: "INC-7", Reason: "power", Objects: planner.Selector{"elsewhere"}}}}
	plan, err := planner.New(scene(t, rails+"vm:v Contains vdisk:v/vdz"), policy, noon.Add(time.Minute)).Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
	if err != nil {
		t.Fatal(err)
	}
	if got := said(plan, "META-3"); !strings.HasPrefix(got, "unknown: whether the ways of web-07 cross what is frozen (INC-7) is not known: no source says what v/vd") {
		t.Error(got)
	}
}

func metaCases() []checkCase {
	later := func(d time.Duration) time.Time { return noon.Add(d) }
	evening := planner.Window{Name: "evening", From: later(6 * time.Hour), Until: later(8 * time.Hour)}
	over := planner.Window{Name: "morning", From: later(-6 * time.Hour), Until: later(-time.Hour)}
	return []checkCase{
		{code: "META-1", name: "young", want: "pass: all that the answer rests on is younger than its limits; the oldest is 1m0s old"},
		{
			code: "META-1", name: "nearly too old", policy: planner.Policy{Ages: topology.AgeLimits{Default: 65 * time.Second}},
			want: "warn: nearly too old, or beside what the answer rests on: test libvirt domains (1m0s, limit 1m5s), test cli eos-config (1m0s, limit 1m5s)",
		},
		{
			code: "META-1", name: "too old", changes: "-vm:v state=running\n!vm:v state=running", also: []string{"VM-1", "VM-3"},
			want: "unknown: too old for the answer to rest on: test libvirt capabilities (2h1m0s, limit 15m0s): collect them",
		},
		{
			code: "META-1", name: "what no check asked is too old", changes: "!host:b handle=b2",
			want: "warn: nearly too old, or beside what the answer rests on: test libvirt capabilities (2h1m0s, limit 15m0s)",
		},
		{code: "META-2", name: "agreed", want: "pass: no source contradicts another about anything that is involved"},
		{
			code: "META-2", name: "one is believed", changes: "vm:v state=paused ~60",
			want: "warn: of vm web-07, test libvirt says state running, and test libvirt says state paused: the first is believed",
		},
		{
			code: "META-2", name: "none is", changes: "vm:v state=paused", also: []string{"VM-1", "VM-3"},
			want: "unknown: of vm web-07, test libvirt says state paused, and test libvirt says state running: which is right, nobody knows",
		},
		{code: "META-2", name: "names are names", changes: "vm:v name=web-7", want: "pass: no source contradicts another about anything that is involved"},
		{code: "META-3", name: "at any time", want: "pass: nothing forbids to change anything now"},
		{code: "META-3", name: "in a window", policy: planner.Policy{Windows: []planner.Window{over, {Name: "noon", From: noon, Until: later(time.Hour)}}}, want: "pass: nothing forbids to change anything now"},
		{
			code: "META-3", name: "before a window", policy: planner.Policy{Windows: []planner.Window{evening, over}},
			want: "block: no window is open; the next one, evening, opens at 2026-01-31T18:00:00Z",
		},
		{code: "META-3", name: "after the last window", policy: planner.Policy{Windows: []planner.Window{over}}, want: "block: no window is open, and the policy names none to come"},
		{
			code: "META-3", name: "frozen", policy: planner.Policy{Freezes: []planner.Freeze{{Name: "INC-7", Reason: "power", Objects: planner.Selector{"b"}, Until: evening.From}}},
			want: "block: b is frozen until 2026-01-31T18:00:00Z: power (INC-7)",
		},
		{
			code: "META-3", name: "others are frozen", changes: "-vm:v Contains vdisk:v/vda\n-vm:v Contains vdisk:v/vdb", policy: planner.Policy{Freezes: []planner.Freeze{
				{Name: "INC-8", Reason: "power", Objects: planner.Selector{"elsewhere"}}, {Name: "INC-9", Reason: "over", Until: noon},
			}},
			want: "pass: nothing forbids to change anything now",
		},
		{code: "META-4", name: "no racks", want: "pass: no racks are known: there is none that has to have a host to spare"},
		{
			code: "META-4", name: "room", changes: rackLines + "host:c memoryBytes=34359738368",
			want: "pass: if b of rack r1 fails, its VMs need 24.0 GiB and 12 processors; the others have 31.5 GiB and 64 left",
		},
		{
			code: "META-4", name: "no room", changes: rackLines + "host:c memoryBytes=17179869184",
			want: "warn: if b of rack r1 fails, its VMs need 24.0 GiB and 12 processors; the others have 15.5 GiB and 64 left",
		},
		{code: "META-4", name: "nobody says", changes: rackLines, want: "warn: if b of rack r1 fails, no source says the memoryBytes of host c"},
		{code: "META-4", name: "alone", changes: "host:b MountedIn rack:r1", want: "warn: b is the only host of rack r1: if it fails, its VMs have no place there"},
		{code: "META-4", name: "somewhere", changes: "host:a MountedIn rack:r1", want: "warn: no source says in which rack b is: whether one host there may fail is not known"},
		{code: "META-5", name: "back", changes: "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=8.2.0", want: "pass: nothing else stands in the way back to a"},
		{
			code: "META-5", name: "only there", changes: "-host:b hypervisorVersion=8.2.1\nhost:b hypervisorVersion=9.0.0",
			want: "warn: on the way back from b to a, HOST-5 says block: a has version 8.2.0, b has 9.0.0: a guest may not go to an older one",
		},
		{code: "META-6", name: "soon", want: "pass: 8.0 GiB over 25 Gbit/s take 3s at least, and longer the more the guest writes"},
		{
			code: "META-6", name: "long", changes: "-nic:b/mig0 speedBits=25000000000\nnic:b/mig0 speedBits=100000000", also: []string{"MIG-1"},
			want: "warn: 8.0 GiB over 0.1 Gbit/s take 11m27s at least, and longer the more the guest writes",
		},
		{
			code: "META-6", name: "of two sizes", changes: "nic:a/mig0 mtu=9000\nnic:b/mig0 mtu=1500",
			want: "warn: mig0 of a (10.0.9.1) has an MTU of 9000, mig0 of b (10.0.9.2) has 1500: large frames may be lost between them\n" +
				"pass: 8.0 GiB over 25 Gbit/s take 3s at least, and longer the more the guest writes",
		},
		{
			code: "META-6", name: "over what", changes: "-nic:b/mig0 address=10.0.9.2/24", also: []string{"MIG-1"},
			want: "unknown: over which interfaces web-07 would go from a to b is not known",
		},
		{code: "META-6", name: "to itself", host: "a", also: []string{"HOST-1"}, want: "pass: nothing is sent"},
		{code: "META-5", name: "not even there", changes: "-host:b hypervisor=kvm\nhost:b hypervisor=xen", also: []string{"HOST-4"}, want: "pass: it is asked once nothing stands in the way there"},
	}
}
