package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

// said is a statement of one table, whichever of its readings holds it.
type said struct{ table, fact string }

// oracle is the obvious model of merging: a complete table is what it says, a partial one adds, and replaces single values it says anew.
type oracle map[said]topology.Fact

func (o oracle) merge(obs topology.Observation) {
	table := obs.Reading.Device + "/" + obs.Reading.Table
	if !obs.Reading.Partial {
		maps.DeleteFunc(o, func(s said, _ topology.Fact) bool { return s.table == table })
	}
	for _, f := range obs.Facts {
		if obs.Reading.Partial && (f.Rel == 0 && !f.Attr.Multi() || f.Rel != 0 && f.Rel.Spec().Single) {
			maps.DeleteFunc(o, func(s said, g topology.Fact) bool {
				return s.table == table && g.Subject == f.Subject && g.Attr == f.Attr && g.Rel == f.Rel
			})
		}
	}
	for _, f := range obs.Facts {
		o[said{table, f.String()}] = f
	}
}

func stated(s *topology.Snapshot) []string {
	var got []string
	for f := range s.Facts() {
		if !f.Derived {
			got = append(got, fmt.Sprintf("%s/%s: %s", f.Reading.Device, f.Reading.Table, f))
		}
	}
	slices.Sort(got)
	return slices.Compact(got)
}

func TestReconcile_agreesWithTheObviousModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		snap, want := topology.Empty(), oracle{}
		now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
		for range rapid.IntRange(1, 6).Draw(t, "sweeps") {
			now = now.Add(5 * time.Minute)
			obs := drawSweep(t, now)
			res, err := reconcile.Reconcile(snap, obs, reconcile.Policy{}, now)
			if err != nil || len(res.Rejected) > 0 {
				t.Fatalf("%v, rejected %v", err, res.Rejected)
			}
			for _, o := range obs {
				want.merge(o)
			}
			snap = res.Next
			var expected []string
			for s := range want {
				expected = append(expected, s.table+": "+s.fact)
			}
			slices.Sort(expected)
			if got := stated(snap); !slices.Equal(got, expected) {
				t.Fatalf("facts differ:\n got %q\nwant %q", got, expected)
			}
			checkSound(t, snap, obs, now)
		}
	})
}

// checkSound holds what must be true of every snapshot: facts the model allows, from readings that exist and are not from the future, and ages
// that never make something unseen look fresh.
func checkSound(t *rapid.T, s *topology.Snapshot, obs []topology.Observation, now time.Time) {
	seen := map[said]bool{}
	for _, o := range obs {
		for _, f := range o.Facts {
			seen[said{o.Reading.Device + "/" + o.Reading.Table, f.String()}] = true
		}
	}
	for f := range s.Facts() {
		r, ok := s.Reading(f.Reading)
		if err := f.Check(); err != nil || !ok || r.Time.After(now) || f.Since.After(now) {
			t.Fatalf("%s: %v, reading %v %v, since %v", f, err, ok, r.Time, f.Since)
		}
		if !f.Derived && r.Time.Equal(now) && !seen[said{f.Reading.Device + "/" + f.Reading.Table, f.String()}] {
			t.Fatalf("%s was not seen at %v, and its reading says so", f, now)
		}
	}
	again, err := reconcile.Reconcile(s, obs, reconcile.Policy{}, now)
	if err != nil || len(again.Delta.Add)+len(again.Delta.Remove) > 0 {
		t.Fatalf("the same sweep again: %v, adds %v, removes %v", err, again.Delta.Add, again.Delta.Remove)
	}
}

// drawSweep draws readings of a few tables about a few things that have global keys, so that the oracle needs no identities.
func drawSweep(t *rapid.T, now time.Time) []topology.Observation {
	var obs []topology.Observation
	for _, device := range []string{"d1", "d2"} {
		for _, table := range []string{"t1", "t2"} {
			if !rapid.Bool().Draw(t, "read") {
				continue
			}
			o := topology.Observation{Reading: topology.Reading{
				ReadingKey: topology.ReadingKey{Device: device, Source: topology.SourceLibvirt, Table: table, Partial: rapid.Bool().Draw(t, "partial")},
				Time:       now,
			}}
			slots := map[string]bool{}
			for range rapid.IntRange(0, 5).Draw(t, "facts") {
				f := drawFact(t)
				slot := fmt.Sprint(f.Subject, f.Attr, f.Rel)
				if single := f.Rel == 0 && !f.Attr.Multi() || f.Rel != 0 && f.Rel.Spec().Single; single && slots[slot] {
					continue // one table says one thing of a single-valued attribute
				}
				slots[slot] = true
				o.Facts = append(o.Facts, f)
			}
			obs = append(obs, o)
		}
	}
	return obs
}

func drawFact(t *rapid.T) topology.Fact {
	vm := topology.Key{Kind: topology.VM, ID: rapid.SampledFrom([]string{"v1", "v2"}).Draw(t, "vm")}
	vnic := topology.Key{Kind: topology.VNIC, ID: vm.ID + "/n"}
	switch rapid.IntRange(0, 4).Draw(t, "form") {
	case 0:
		return topology.Attribute(vm, topology.AttrState, topology.TextValue(rapid.SampledFrom([]string{"running", "paused"}).Draw(t, "state")))
	case 1:
		return topology.Attribute(vm, topology.AttrCPUFeature, topology.TextValue(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "feature")))
	case 2:
		return topology.Relate(vm, topology.Contains, vnic)
	case 3:
		host := topology.Key{Kind: topology.Host, ID: rapid.SampledFrom([]string{"h1", "h2"}).Draw(t, "host")}
		return topology.Relate(vm, topology.RunsOn, host)
	default:
		return topology.Attribute(vnic, topology.AttrMAC, topology.MACValue(topology.MAC(0x525400000001)))
	}
}

// Whatever subset of the devices is read, no link appears that is not there when all are read: less knowledge gives gaps, never other links.
func TestReconcile_lessKnowledgeGivesNoOtherLinks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
		all := chainOfSwitches(now)
		whole := links(t, all, now)
		var some []topology.Observation
		for _, o := range all {
			if rapid.Bool().Draw(t, "read "+o.Reading.String()) {
				some = append(some, o)
			}
		}
		for l := range links(t, some, now) {
			if !whole[l] {
				t.Fatalf("with %d of %d readings there is a link that is none: %s", len(some), len(all), l)
			}
		}
	})
}

func links(t *rapid.T, obs []topology.Observation, now time.Time) map[string]bool {
	res, err := reconcile.Reconcile(topology.Empty(), obs, reconcile.Policy{}, now)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for f := range res.Next.Facts() {
		if f.Rel == topology.Link {
			// A switch whose ports were not read goes by its handle, else by its bridge address.
			text := f.Subject.ID + " - " + f.Object.ID
			for i := range 3 {
				text = strings.ReplaceAll(text, topology.MAC(0x020000000000+i).String(), fmt.Sprintf("sw%d", i))
			}
			found[text] = true
		}
	}
	return found
}

// chainOfSwitches is three switches in a row without LLDP, a host on each, whose addresses every switch has learned on the right port.
func chainOfSwitches(now time.Time) []topology.Observation {
	var obs []topology.Observation
	reading := func(device, table string, source topology.Source, facts ...topology.Fact) {
		obs = append(obs, topology.Observation{
			Reading: topology.Reading{ReadingKey: topology.ReadingKey{Device: device, Source: source, Table: table}, Time: now}, Facts: facts,
		})
	}
	switchMAC := func(i int) topology.MAC { return topology.MAC(0x020000000000 + i) }
	hostMAC := func(i int) topology.MAC { return topology.MAC(0x020000000100 + i) }
	for i := range 3 {
		sw := topology.DeviceKey(topology.Switch, fmt.Sprintf("sw%d", i))
		port := func(name string) topology.Key { return topology.PartKey(topology.Port, sw, name) }
		facts := []topology.Fact{topology.Attribute(sw, topology.AttrBridgeMAC, topology.MACValue(switchMAC(i)))}
		for _, name := range []string{"left", "right", "edge"} {
			facts = append(facts, topology.Relate(sw, topology.Contains, port(name)))
		}
		reading(fmt.Sprintf("sw%d", i), "ports", topology.SourceSNMP, facts...)
		var learned []topology.Fact
		for j := range 3 {
			where := map[bool]string{true: "left", false: "right"}[j < i]
			entry := func(name string, m topology.MAC) {
				learned = append(learned, topology.Attribute(port(name), topology.AttrLearned,
					topology.FDBValue(topology.FDBEntry{VID: 1, MAC: m, Status: topology.FDBLearned})))
			}
			if j == i {
				entry("edge", hostMAC(j))
				continue
			}
			entry(where, switchMAC(j))
			entry(where, hostMAC(j))
		}
		reading(fmt.Sprintf("sw%d", i), "fdb", topology.SourceSNMP, learned...)
		host := topology.DeviceKey(topology.Host, fmt.Sprintf("h%d", i))
		nic := topology.PartKey(topology.NIC, host, "eth0")
		reading(fmt.Sprintf("h%d", i), "nics", topology.SourceLibvirt,
			topology.Attribute(host, topology.AttrName, topology.TextValue(fmt.Sprintf("h%d", i))),
			topology.Relate(host, topology.Contains, nic), topology.Attribute(nic, topology.AttrMAC, topology.MACValue(hostMAC(i))))
	}
	return obs
}
