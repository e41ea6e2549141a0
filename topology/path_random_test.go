package topology_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/topologytest"
)

// cable is one between two devices of a drawn fabric, with what both ends say of VLAN 120.
type cable struct {
	a, b         string
	aHas, bHas   bool // carries the VLAN
	aDown, bDown bool
}

func (c cable) sound() bool { return c.aHas && c.bHas && !c.aDown && !c.bDown }

// fabric is the obvious model: a host, switches, firewalls that route VLAN 120, and cables.
type fabric struct {
	switches, firewalls []string
	cables              []cable
}

func drawFabric(t *rapid.T) fabric {
	f := fabric{switches: []string{"s0", "s1", "s2", "s3", "s4"}[:rapid.IntRange(1, 5).Draw(t, "switches")]}
	f.firewalls = []string{"f0", "f1", "f2"}[:rapid.IntRange(0, 3).Draw(t, "firewalls")]
	end := func(label string) (has, down bool) {
		n := rapid.IntRange(0, 9).Draw(t, label)
		return n != 0, n == 1
	}
	add := func(a, b string) {
		c := cable{a: a, b: b}
		c.aHas, c.aDown = end("a")
		c.bHas, c.bDown = end("b")
		f.cables = append(f.cables, c)
	}
	for range rapid.IntRange(1, 3).Draw(t, "NICs") {
		add("h", rapid.SampledFrom(f.switches).Draw(t, "leaf"))
	}
	for range rapid.IntRange(0, 8).Draw(t, "cables") {
		a := rapid.SampledFrom(f.switches).Draw(t, "from")
		b := rapid.SampledFrom(append(slices.Clone(f.switches), f.firewalls...)).Draw(t, "to")
		if a != b {
			add(a, b)
		}
	}
	return f
}

// text states the fabric in facts.
func (f fabric) text() string {
	var b strings.Builder
	b.WriteString("vnic:v/n vid=120\nvnic:v/n AttachedTo virtualswitch:h/br\nhost:h Contains virtualswitch:h/br\n")
	for _, fw := range f.firewalls {
		fmt.Fprintf(&b, "firewall:%s Contains port:%s/v\nport:%s/v vid=120\nport:%s/v InSubnet subnet:192.0.2.0/24\n", fw, fw, fw, fw)
	}
	for i, c := range f.cables {
		ends := [2]string{}
		for j, e := range []struct {
			device    string
			has, down bool
		}{{c.a, c.aHas, c.aDown}, {c.b, c.bHas, c.bDown}} {
			kind := map[byte]string{'h': "host", 's': "switch", 'f': "firewall"}[e.device[0]]
			port := map[byte]string{'h': "nic", 's': "port", 'f': "port"}[e.device[0]]
			ends[j] = fmt.Sprintf("%s:%s/p%02d", port, e.device, i)
			fmt.Fprintf(&b, "%s:%s Contains %s\n", kind, e.device, ends[j])
			if e.device == "h" {
				fmt.Fprintf(&b, "virtualswitch:h/br SupportedBy %s\n", ends[j])
			} else {
				fmt.Fprintf(&b, "%s tagged=%s\n", ends[j], map[bool]string{true: "120,130", false: "130"}[e.has])
			}
			if e.down {
				fmt.Fprintf(&b, "%s state=down\n", ends[j])
			}
		}
		fmt.Fprintf(&b, "%s Link %s\n", ends[0], ends[1])
	}
	return b.String()
}

// peer gives the other end of a cable.
func (c cable) peer(device string) (string, bool) {
	switch device {
	case c.a:
		return c.b, true
	case c.b:
		return c.a, true
	}
	return "", false
}

// ways walks every sound way that passes no device twice, from a NIC's cable to the first firewall. Of each NIC the shortest count.
func (f fabric) ways() (all [][]string) {
	for i, nic := range f.cables {
		if nic.a != "h" || nic.aDown || nic.bDown || !nic.bHas {
			continue // what a NIC carries nobody says: the host's side counts by its state alone
		}
		var found [][]string
		var walk func(at string, path []string)
		walk = func(at string, path []string) {
			if slices.Contains(f.firewalls, at) {
				found = append(found, slices.Clone(path))
				return
			}
			for j, c := range f.cables {
				next, ok := c.peer(at)
				if ok && c.sound() && next != "h" && !slices.ContainsFunc(path, func(s string) bool { return strings.HasPrefix(s, next+"/") }) {
					walk(next, append(slices.Clip(path), fmt.Sprintf("%s/p%02d", next, j)))
				}
			}
		}
		walk(nic.b, []string{fmt.Sprintf("%s/p%02d", nic.b, i)})
		shortest := 1 << 30
		for _, p := range found {
			shortest = min(shortest, len(p))
		}
		for _, p := range found {
			if len(p) == shortest {
				all = append(all, p)
			}
		}
	}
	return all
}

// disjoint is the largest number of ways that share no device, tried out: over all ways that the steps of the given ones allow.
func disjoint(ways [][]string, ends []string) int {
	steps := map[string]map[string]bool{}
	for _, w := range ways {
		at := "h"
		for _, port := range w {
			device, _, _ := strings.Cut(port, "/")
			if steps[at] == nil {
				steps[at] = map[string]bool{}
			}
			steps[at][device] = true
			at = device
		}
	}
	var routes [][]string
	var walk func(at string, path []string)
	walk = func(at string, path []string) {
		if slices.Contains(ends, at) {
			routes = append(routes, slices.Clone(path))
			return
		}
		for next := range steps[at] {
			if !slices.Contains(path, next) {
				walk(next, append(slices.Clip(path), next))
			}
		}
	}
	walk("h", nil)
	best := 0
	var choose func(i int, used map[string]bool, n int)
	choose = func(i int, used map[string]bool, n int) {
		best = max(best, n)
		for ; i < len(routes); i++ {
			if slices.ContainsFunc(routes[i], func(d string) bool { return used[d] }) {
				continue
			}
			with := maps.Clone(used)
			for _, d := range routes[i] {
				with[d] = true
			}
			choose(i+1, with, n+1)
		}
	}
	choose(0, map[string]bool{}, 0)
	return best
}

// The complete, faultless paths of a rail are exactly the shortest sound ways, and the independent ones are as many as trying out finds.
func TestRails_equalTryingOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := drawFabric(t)
		rs := mustNode(t, graph(t, f.text()), "vnic:v/n").Rails()
		if len(rs) != 1 {
			t.Fatalf("%d rails", len(rs))
		}
		checkRail(t, rs[0])
		ways := f.ways()
		var want, got []string
		for _, w := range ways {
			want = append(want, strings.Join(w, " "))
		}
		for _, p := range rs[0].Paths {
			if !p.Complete || p.Faulty() {
				continue
			}
			var ports []string
			for _, h := range p.Hops[:len(p.Hops)-1] {
				if h.Rel == topology.Link {
					ports = append(ports, h.Node.Key().ID)
				}
			}
			got = append(got, strings.Join(ports, " "))
		}
		slices.Sort(want)
		slices.Sort(got)
		if rs[0].More == 0 && !slices.Equal(got, want) {
			t.Fatalf("sound paths are\n%s\nwant\n%s\nin\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), f.text())
		}
		if n := disjoint(ways, f.firewalls); rs[0].Independent != n {
			t.Fatalf("%d ways are independent, want %d, in\n%s", rs[0].Independent, n, f.text())
		}
	})
}

// checkRail holds what must be true of every rail of every graph.
func checkRail(t interface {
	Helper()
	Fatalf(string, ...any)
}, r topology.Rail,
) {
	t.Helper()
	sound := 0
	if len(r.Paths) == 0 && r.More == 0 {
		t.Fatalf("rail of %s without a path says nothing", r.From.Key())
	}
	if len(r.Paths) > 64 {
		t.Fatalf("rail of %s lists %d paths", r.From.Key(), len(r.Paths))
	}
	for _, p := range r.Paths {
		doubts := slices.ContainsFunc(p.Hops, func(h topology.Hop) bool { return h.Doubt != "" })
		if p.Complete == (p.Gap != "") || p.Complete && doubts {
			t.Fatalf("path is complete %t, in doubt %t, gap %q: %s", p.Complete, doubts, p.Gap, describePath(p))
		}
		if len(p.Hops) == 0 || p.Hops[0].Node != r.From {
			t.Fatalf("path does not begin at %s: %s", r.From.Key(), describePath(p))
		}
		for _, h := range p.Hops {
			if h.Node.IsZero() || h.Rel != 0 && (h.Reading.Source == 0 || h.Confidence == 0) {
				t.Fatalf("hop without evidence: %s", describePath(p))
			}
		}
		if p.Complete && !p.Faulty() {
			sound++
		}
	}
	if r.Independent > sound+r.More {
		t.Fatalf("%d of %d ways are independent", r.Independent, sound)
	}
}

// No graph makes a rail panic, endless, or complete without a reason.
func TestRails_ofAnyGraph(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t, 30)
		var all []topology.Node
		for n := range s.Nodes() {
			all = append(all, n)
			for _, r := range n.Rails() {
				checkRail(t, r)
			}
		}
		if len(all) > 0 {
			a, b := rapid.SampledFrom(all).Draw(t, "a"), rapid.SampledFrom(all).Draw(t, "b")
			if m := topology.Between(a, b); (m.Meet == "") != (m.Gap != "") {
				t.Fatalf("between %s and %s: meet %q, gap %q", a.Key(), b.Key(), m.Meet, m.Gap)
			}
		}
	})
}

// A graph drawn from the kinds and relations that rails follow, so that loops and crossings are frequent.
func TestRails_ofTwistedGraphs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		seen := map[string]bool{}
		node := func(kinds ...topology.Kind) string {
			return fmt.Sprintf("%s:%d", rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.IntRange(0, 2).Draw(t, "n"))
		}
		for range rapid.IntRange(0, 60).Draw(t, "facts") {
			r := rapid.SampledFrom([]topology.Rel{
				topology.Contains, topology.Contains, topology.AttachedTo, topology.SupportedBy, topology.SupportedBy, topology.Link, topology.Link,
				topology.StoredOn, topology.StoredOn, topology.RunsOn, topology.Nexus, topology.Exports, topology.InSubnet, topology.MapsUnit,
			}).Draw(t, "rel")
			from, to := r.Spec().From, r.Spec().To
			if len(from) == 0 {
				from = []topology.Kind{topology.Host, topology.Switch, topology.Router, topology.VM, topology.Network, topology.StoragePool}
				to = []topology.Kind{
					topology.Port, topology.NIC, topology.LAG, topology.VNIC, topology.VDisk, topology.VM, topology.PortGroup, topology.Volume,
					topology.InitiatorPort, topology.VirtualSwitch,
				}
			}
			line := node(from...) + " " + r.String() + " " + node(to...)
			if f, err := topologytest.Fact(line); err != nil || f.Check() != nil || seen[f.String()] {
				continue
			} else {
				seen[f.String()] = true
			}
			fmt.Fprintln(&b, line)
		}
		for _, line := range []string{"port:0 tagged=120", "port:1 tagged=120", "port:2 pvid=120", "lag:0 tagged=120", "vnic:0 vid=120", "vnic:1 tagged=1-9", "network:0 forwardMode=nat"} {
			if rapid.Bool().Draw(t, line) {
				fmt.Fprintln(&b, line)
			}
		}
		s := graph(t, b.String())
		for n := range s.Nodes() {
			for _, r := range n.Rails() {
				checkRail(t, r)
			}
			for m := range s.Nodes(topology.VM, topology.NIC) {
				topology.Between(n, m)
			}
		}
	})
}

// Every kind of node about which nothing is known but that it is there: gaps in sentences, and no path that is complete.
func TestRails_ofNodesWithoutFacts(t *testing.T) {
	t.Parallel()
	for _, kind := range topology.Kinds() {
		key := kind.String() + ":x"
		s := graph(t, "host:h Contains "+key)
		for _, r := range mustNode(t, s, key).Rails() {
			checkRail(t, r)
			for _, p := range r.Paths {
				if p.Complete || len(strings.Fields(p.Gap)) < 5 || strings.Contains(p.Gap, `""`) || strings.Contains(p.Gap, "  ") {
					t.Errorf("%s: complete %t, gap %q", key, p.Complete, p.Gap)
				}
			}
		}
	}
}

// wide is a leaf and spine fabric in which every leaf has every spine, and the firewalls hang on the last leaves.
func wide(leaves, spines, firewalls int) string {
	var b strings.Builder
	b.WriteString("vnic:v/n vid=120\nvnic:v/n AttachedTo virtualswitch:h/br\nhost:h Contains virtualswitch:h/br\n")
	cable := func(near, far string) {
		fmt.Fprintf(&b, "port:%s Link port:%s ~95\nport:%s tagged=100-200\nport:%s tagged=100-200\n", near, far, near, far)
		for _, p := range []string{near, far} {
			device, _, _ := strings.Cut(p, "/")
			kind := map[byte]string{'l': "switch", 's': "switch", 'f': "firewall"}[device[0]]
			fmt.Fprintf(&b, "%s:%s Contains port:%s\n", kind, device, p)
		}
	}
	for l := range leaves {
		for s := range spines {
			cable(fmt.Sprintf("l%d/s%d", l, s), fmt.Sprintf("s%d/l%d", s, l))
		}
	}
	for f := range firewalls {
		for i := range 2 {
			cable(fmt.Sprintf("l%d/f%d", leaves-1-i, f), fmt.Sprintf("f%d/l%d", f, i))
		}
		fmt.Fprintf(&b, "firewall:f%d Contains port:f%d/v\nport:f%d/v vid=120\nport:f%d/v InSubnet subnet:192.0.2.0/24\n", f, f, f, f)
	}
	for i := range 2 {
		fmt.Fprintf(&b, "virtualswitch:h/br SupportedBy nic:h/e%d\nhost:h Contains nic:h/e%d\nnic:h/e%d Link port:l%d/h ~95\n", i, i, i, i)
		fmt.Fprintf(&b, "switch:l%d Contains port:l%d/h\nport:l%d/h tagged=120\n", i, i, i)
	}
	return b.String()
}

// A fabric with more ways than anybody reads is cut, and says by how much.
func TestRails_ofAWideFabric(t *testing.T) {
	t.Parallel()
	const leaves, spines, firewalls = 40, 32, 4
	r := mustNode(t, graph(t, wide(leaves, spines, firewalls)), "vnic:v/n").Rails()[0]
	checkRail(t, r)
	// From either leaf by any spine to either border leaf, and from there to any firewall.
	if all := 2 * spines * 2 * firewalls; len(r.Paths) != 64 || len(r.Paths)+r.More != all {
		t.Errorf("%d paths are listed, and %d more, want %d in all", len(r.Paths), r.More, all)
	}
	for _, p := range r.Paths {
		if !p.Complete || p.Faulty() {
			t.Fatalf("a path that is not sound is listed before sound ones: %s", describePath(p))
		}
	}
	if r.Independent != 2 {
		t.Errorf("%d ways are independent, want one for each border leaf", r.Independent)
	}
}

// Ways that multiply at every hop are counted and not walked.
func TestRails_countsWhatItDoesNotWalk(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("vnic:v/n vid=120\nvnic:v/n AttachedTo nic:h/e\nhost:h Contains nic:h/e\nnic:h/e Link port:s0/h\nswitch:s0 Contains port:s0/h\nport:s0/h tagged=120\n")
	const hops, cables = 7, 40
	for h := range hops {
		for c := range cables {
			a, z := fmt.Sprintf("port:s%d/up%d", h, c), fmt.Sprintf("port:s%d/down%d", h+1, c)
			fmt.Fprintf(&b, "switch:s%d Contains %s\nswitch:s%d Contains %s\n%s tagged=120\n%s tagged=120\n%s Link %s\n", h, a, h+1, z, a, z, a, z)
		}
	}
	fmt.Fprintf(&b, "switch:s%d Contains port:s%d/v\nport:s%d/v vid=120\nport:s%d/v InSubnet subnet:192.0.2.0/24\nswitch:s%d capability=router\n", hops, hops, hops, hops, hops)
	r := mustNode(t, graph(t, b.String()), "vnic:v/n").Rails()[0]
	checkRail(t, r)
	if r.More < 1<<29 || r.Independent != 1 {
		t.Errorf("%d more, %d independent, want 40 to the seventh (counted as far as it makes sense) and 1", r.More, r.Independent)
	}
}

// Layers of a host that are all on each other end, too.
func TestRails_ofLayersWithoutEnd(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("vnic:v/n AttachedTo virtualswitch:h/0\nvdisk:v/d StoredOn volume:h/0\n")
	for i := range 30 {
		for j := range 30 {
			if i != j {
				fmt.Fprintf(&b, "virtualswitch:h/%d SupportedBy virtualswitch:h/%d\nvolume:h/%d StoredOn volume:h/%d\n", i, j, i, j)
			}
		}
	}
	s := graph(t, b.String())
	for _, key := range []string{"vnic:v/n", "vdisk:v/d"} {
		r := mustNode(t, s, key).Rails()[0]
		checkRail(t, r)
		if r.More == 0 {
			t.Errorf("%s: nothing says that not all of it was walked", key)
		}
		for _, p := range r.Paths {
			if p.Complete {
				t.Errorf("%s: a loop is complete: %s", key, describePath(p))
			}
		}
	}
	if rs := mustNode(t, graph(t, "vm:v Contains vm:v\nnetwork:n SupportedBy network:m\nnetwork:m SupportedBy network:n\nvnic:x AttachedTo network:n"), "vm:v").Rails(); len(rs) != 0 {
		t.Errorf("a VM inside itself has rails: %v", rs)
	}
}

func BenchmarkRails(b *testing.B) {
	for _, c := range []struct{ leaves, spines int }{{100, 8}, {2500, 32}} {
		s := graph(b, wide(c.leaves, c.spines, 2))
		n := mustNode(b, s, "vnic:v/n")
		b.Run(fmt.Sprintf("leaves=%d/spines=%d", c.leaves, c.spines), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := n.Rails(); r[0].Independent != 2 {
					b.Fatal(r[0].Independent)
				}
			}
		})
	}
}
