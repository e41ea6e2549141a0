package planner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/topologytest"
)

// only is a policy that makes some checks and no others.
func only(codes ...string) planner.Policy {
	var p planner.Policy
	for _, c := range planner.Checks() {
		if !slices.Contains(codes, c.Code) {
			p.Disabled = append(p.Disabled, planner.Disabled{Check: c.Code, Reason: "not of this test"})
		}
	}
	return p
}

// stated makes a snapshot of lines, all of one fresh reading, but for those with "!", which are of two hours ago.
func stated(tb rapid.TB, lines string) *topology.Snapshot {
	fresh := topology.Reading{ReadingKey: topology.ReadingKey{Device: "h", Source: topology.SourceLibvirt, Table: "domains"}, Time: noon}
	old := topology.Reading{ReadingKey: topology.ReadingKey{Device: "h", Source: topology.SourceLibvirt, Table: "capabilities"}, Time: noon.Add(-2 * time.Hour)}
	d := topology.Delta{Time: noon, Renew: []topology.Reading{old, fresh}}
	for line := range strings.Lines(lines) {
		line, aged := strings.CutPrefix(strings.TrimSpace(line), "!")
		if line == "" {
			continue
		}
		f, err := topologytest.Fact(line)
		if err != nil {
			tb.Fatalf("%q: %v", line, err)
		}
		if f.Reading, f.Since = fresh.ReadingKey, noon; aged {
			f.Reading = old.ReadingKey
		}
		d.Add = append(d.Add, f)
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return s
}

// site is hosts of some GiB each, with VMs of some GiB that run there: "a 32: v1 8, v2 4".
func site(hosts ...string) string {
	var b strings.Builder
	for _, text := range hosts {
		host, vms, _ := strings.Cut(text, ":")
		name, size, _ := strings.Cut(host, " ")
		gigabytes, _ := strconv.Atoi(size)
		fmt.Fprintf(&b, "host:%[1]s name=%[1]s\nhost:%[1]s handle=h\nhost:%[1]s uuid=%[1]s\nhost:%[1]s cpus=16\nhost:%[1]s memoryBytes=%[2]d\nhost:%[1]s hypervisor=kvm\n",
			name, gigabytes*1e9+planner.DefaultHostMemory) // what the VMs have, and what the host needs
		for vm := range strings.SplitSeq(vms, ",") {
			if id, size, ok := strings.Cut(strings.TrimSpace(vm), " "); ok {
				fmt.Fprintf(&b, "vm:%[1]s name=%[1]s\nvm:%[1]s RunsOn host:%[3]s\nvm:%[1]s state=running\nvm:%[1]s cpus=1\nvm:%[1]s memoryBytes=%[2]s000000000\nvm:%[1]s hypervisor=kvm\n", id, size, name)
			}
		}
	}
	return b.String()
}

func hostKeys(names ...string) []topology.Key {
	var all []topology.Key
	for _, n := range names {
		all = append(all, key(topology.Host, n))
	}
	return all
}

// drained is a drain in a few words.
func drained(d *planner.Drain) string {
	var lines []string
	for _, m := range d.Moves {
		lines = append(lines, fmt.Sprintf("%s to %s: %s", m.VM.ID, m.Host.ID, m.Verdict))
	}
	for _, s := range d.Stuck {
		lines = append(lines, fmt.Sprintf("%s stays: %s", s.VM.ID, s.Verdict))
	}
	for _, k := range d.Off {
		lines = append(lines, k.ID+" is off")
	}
	for _, s := range d.Spares {
		lines = append(lines, fmt.Sprintf("%s fails: %s: %s", s.Host.ID, s.Verdict, s.Text))
	}
	return strings.Join(append(lines, d.Doubts...), "\n")
}

var byRoom = []string{"HOST-1", "CAP-1"}

func TestDrain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, site string
		hosts      []topology.Key
		verdict    planner.Verdict
		want       string
	}{
		{
			"the larger first, each where most is left", site("a 32: v1 4, v2 8", "b 20: o 2", "c 32: p 16"), hostKeys("a"), planner.Warn,
			"v2 to b: pass\nv1 to c: pass\nb fails: pass: its VMs need 9.3 GiB and 2 processors; the others have 11.2 GiB and 62 left\n" +
				"c fails: warn: its VMs need 18.6 GiB and 2 processors; the others have 9.3 GiB and 62 left",
		},
		{
			"what is placed takes room from the next", site("a 32: v1 8, v2 8", "b 12", "c 10"), hostKeys("a"), planner.Warn,
			"v1 to b: pass\nv2 to c: pass\nb fails: warn: its VMs need 7.5 GiB and 1 processors; the others have 1.9 GiB and 63 left\n" +
				"c fails: warn: its VMs need 7.5 GiB and 1 processors; the others have 3.7 GiB and 63 left",
		},
		{"no room for one", site("a 32: v1 8, v2 8", "b 12"), hostKeys("a"), planner.Block, "v1 to b: pass\nv2 stays: block\nb fails: warn: its VMs need 7.5 GiB and 1 processors; the others have 0.0 GiB and 0 left"},
		{"nowhere to go", site("a 32: v1 8"), hostKeys("a"), planner.Block, "v1 stays: block"},
		{"nothing there", site("a 32", "b 12"), hostKeys("a"), planner.Pass, ""},
		{"two at once are no targets of each other", site("a 32: v1 4", "b 32: v2 4", "c 32"), hostKeys("a", "b"), planner.Warn, "v1 to c: pass\nv2 to c: pass\nc fails: warn: its VMs need 7.5 GiB and 2 processors; the others have 0.0 GiB and 0 left"},
		{"off", site("a 32: v1 8", "b 12") + "vm:w name=w\nvm:w RunsOn host:a\nvm:w state=shutoff", hostKeys("a"), planner.Warn, "v1 to b: pass\nw is off\nb fails: warn: its VMs need 7.5 GiB and 1 processors; the others have 0.0 GiB and 0 left"},
		{"nobody lists its VMs", strings.Replace(site("a 32", "b 12"), "host:a handle=h\n", "", 1), hostKeys("a"), planner.Unknown, "no source lists the VMs of a: collect it by libvirt"},
		{"of a target it is not known", strings.Replace(site("a 32: v1 8", "b 32"), "host:b memoryBytes=32536870912\n", "", 1), hostKeys("a"), planner.Unknown, "v1 to b: unknown\nb fails: warn: its VMs need 7.5 GiB and 1 processors; the others have 0.0 GiB and 0 left"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := planner.New(stated(t, c.site), only(byRoom...), noon.Add(time.Minute)).Drain(t.Context(), c.hosts)
			if err != nil {
				t.Fatal(err)
			}
			if got := drained(d); got != c.want || d.Verdict != c.verdict {
				t.Errorf("%s:\n%s\nwant %s:\n%s", d.Verdict, got, c.verdict, c.want)
			}
		})
	}
}

// TestDrain_apart: VMs that have to be apart are so where they go, too.
func TestDrain_apart(t *testing.T) {
	t.Parallel()
	policy := only("HOST-1", "CAP-1", "POL-1")
	policy.Placements = []planner.Placement{{Name: "pair", Rule: planner.Apart, VMs: planner.Selector{"v?"}}}
	d, err := planner.New(stated(t, site("a 32: v1 4", "b 32: v2 4", "c 32: o 16", "d 32: p 20")), policy, noon.Add(time.Minute)).Drain(t.Context(), hostKeys("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := drained(d), "v1 to c: pass\nv2 to d: pass"; !strings.HasPrefix(got, want) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestDrain_exact: of small estates no placement keeps fewer VMs where they are, and each move holds where those before it are made.
func TestDrain_exact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := func(name string, most int) int { return rapid.IntRange(1, most).Draw(t, name) }
		var free, vms []int
		hosts := []string{"a 99"}
		for i := range rapid.IntRange(1, 5).Draw(t, "vms") {
			vms = append(vms, size("vm", 6))
			sep := ", "
			if i == 0 {
				sep = ": "
			}
			hosts[0] += fmt.Sprintf("%sv%d %d", sep, i, vms[i])
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "hosts") {
			free = append(free, size("free", 10))
			hosts = append(hosts, fmt.Sprintf("h%d %d", i, free[i]))
		}
		p := planner.New(stated(t, site(hosts...)), only(byRoom...), noon.Add(time.Minute))
		d, err := p.Drain(context.Background(), hostKeys("a"))
		if err != nil {
			t.Fatal(err)
		}
		if want := unplaced(vms, free); len(d.Stuck) != want || d.Cut != "" || len(d.Moves)+len(d.Stuck) != len(vms) {
			t.Fatalf("%d stuck, want %d: %s (%s)", len(d.Stuck), want, drained(d), d.Cut)
		}
		for _, m := range d.Moves {
			again, err := p.Migrate(context.Background(), m.VM, m.Host)
			if err != nil || again.Verdict != m.Verdict {
				t.Fatalf("%v to %v: %v, %v, was %v", m.VM, m.Host, again, err, m.Verdict)
			}
			if p, err = p.Assume(m.Move); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// unplaced tries every place of every VM.
func unplaced(vms, free []int) int {
	if len(vms) == 0 {
		return 0
	}
	least := 1 + unplaced(vms[1:], free)
	for i := range free {
		if free[i] >= vms[0] {
			free[i] -= vms[0]
			least = min(least, unplaced(vms[1:], free))
			free[i] += vms[0]
		}
	}
	return least
}

func TestBest(t *testing.T) {
	t.Parallel()
	lines := site("a 32: v 4", "b 32: o 16", "c 8: p 6", "d 32: q 8", "e 16") + "host:e hypervisor=xen"
	lines = strings.Replace(lines, "host:e hypervisor=kvm\n", "", 1)
	lines = strings.Replace(lines, "host:d hypervisor=kvm\n", "", 1)
	p := planner.New(stated(t, lines), only("HOST-1", "HOST-4", "CAP-1"), noon.Add(time.Minute))
	all, err := p.Best(t.Context(), key(topology.VM, "v"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range all {
		got = append(got, fmt.Sprintf("%s %s %d", c.Host.ID, c.Verdict, c.Room.Share()))
	}
	if want := []string{"b pass 37", "d unknown 62", "e block 75", "c block -25"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := p.Best(t.Context(), key(topology.VM, "nobody")); !errors.Is(err, topology.ErrSchema) {
		t.Error(err)
	}
}
