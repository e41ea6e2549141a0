package reconcile_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

// word draws one of a few words, so that they meet.
func word(t *rapid.T, label string, words ...string) string {
	return rapid.SampledFrom(words).Draw(t, label)
}

// drawKey draws a key of the kind as a collector might write it, local to one of a few handles; or a global one of a device, as none should.
func drawKey(t *rapid.T, kind topology.Kind, global bool) topology.Key {
	device := topology.DeviceKey(rapid.SampledFrom([]topology.Kind{topology.Host, topology.Switch, topology.Array}).Draw(t, "device kind"), word(t, "handle", "a", "b", "c", "a~", "x/y", "@"))
	id := word(t, "device ID", "a", "02:00:00:00:00:01", "02:00:00:00:00:02", "11111111-0000-4000-8000-000000000001", "serial=TL0001-1")
	local := !global || rapid.IntRange(0, 3).Draw(t, "local") > 0
	switch {
	case kind.Device() && local:
		return topology.Key{Kind: kind, ID: device.ID}
	case kind.Device():
		return topology.Key{Kind: kind, ID: id}
	case kind == topology.LogicalUnit:
		id := word(t, "unit", "naa.60000000000000000000000000000001", "naa.60000000000000000000000000000002", "iqn.2026-01.test:a/0", "iqn.2026-01.test:b/0", "x")
		if local {
			return topology.PartKey(kind, device, id)
		}
		return topology.Key{Kind: kind, ID: id}
	case kind == topology.VM || kind == topology.VNIC || kind == topology.Subnet:
		return topology.Key{Kind: kind, ID: word(t, "ID", "v1", "v2")}
	case kind == topology.Neighbor:
		return topology.PartKey(kind, topology.PartKey(topology.Port, device, word(t, "port", "p1", "1/1")), "lldp", word(t, "chassis", "x", "y"), "z")
	case local:
		return topology.PartKey(kind, device, word(t, "part", "p1", "p2", "1/1", ""))
	}
	return topology.PartKey(kind, topology.Key{ID: id}, word(t, "part", "p1", "p2"))
}

var drawnKinds = []topology.Kind{
	topology.Host, topology.Switch, topology.Array, topology.Port, topology.NIC, topology.LAG, topology.VirtualSwitch, topology.VM, topology.VNIC, topology.Volume,
	topology.LogicalUnit, topology.TargetPort, topology.Neighbor, topology.VLAN, topology.Subnet, topology.Route,
}

// identifying are attributes by which reconcile finds out who is who, and what they may say.
func identifying() map[topology.Attr][]string {
	macs := []string{"02:00:00:00:00:01", "02:00:00:00:00:02", "00:00:5e:00:01:01"}
	return map[topology.Attr][]string{
		topology.AttrUUID:            {"11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002", "", "@a", "x/y", "00000000-0000-0000-0000-000000000000"},
		topology.AttrChassisID:       {"mac/02:00:00:00:00:01", "mac/0200.0000.0002", "mac/x", "local/x", ""},
		topology.AttrBridgeMAC:       macs,
		topology.AttrSerial:          {"TL0001-1", "TL0001-2", "0000000", "a/b/c/d"},
		topology.AttrEngineID:        {"8000000001", "8000000002"},
		topology.AttrSysName:         {"a", "a.example.net", "b"},
		topology.AttrMAC:             macs,
		topology.AttrMgmtAddress:     {"192.0.2.1", "127.0.0.1"},
		topology.AttrAddress:         {"192.0.2.1/24", "192.0.2.2/24", "::ffff:192.0.2.3/120", "fe80::1/64", "0.0.0.0/0"},
		topology.AttrARP:             {"192.0.2.1 02:00:00:00:00:01", "192.0.2.7 02:00:00:00:00:02", "x", "192.0.2.1 ", "2001:db8::1%z 02:00:00:00:00:01"},
		topology.AttrLearned:         {"1 02:00:00:00:00:01 learned", "0 02:00:00:00:00:02 learned", "1 02:00:00:00:00:01 self"},
		topology.AttrIfIndex:         {"1", "2"},
		topology.AttrIfType:          {"6", "53", "161"},
		topology.AttrIfName:          {"p1", "p2", "Ethernet1/1"},
		topology.AttrIfAlias:         {"p1", "to b"},
		topology.AttrLLDPPortID:      {"ifName/p1", "local/1"},
		topology.AttrNeighborChassis: {"mac/02:00:00:00:00:01", "mac/02:00:00:00:00:02", "deviceID/a", "address/192.0.2.1"},
		topology.AttrNeighborPort:    {"ifName/p1", "local/1", "mac/02:00:00:00:00:02", ""},
		topology.AttrProtocol:        {"lldp", "cdp"},
		topology.AttrDesignator:      {"naa.60000000000000000000000000000001", "naa.60000000000000000000000000000002", "", "x", "iqn.2026-01.test:a/0"},
		topology.AttrAlias:           {"naa.60000000000000000000000000000001", "iqn.2026-01.test:a/0", "x", ""},
		topology.AttrHandle:          {"a", "b"},
		topology.AttrPartnerKey:      {"1"},
		topology.AttrPartnerSystemID: macs,
		topology.AttrState:           {"up", "down"},
	}
}

func drawAnyFact(t *rapid.T, global bool) topology.Fact {
	var f topology.Fact
	if rapid.Bool().Draw(t, "relation") {
		r := rapid.SampledFrom(topology.Rels()).Draw(t, "rel")
		kind := func(label string, allowed []topology.Kind) topology.Kind {
			if len(allowed) == 0 {
				allowed = drawnKinds
			}
			return rapid.SampledFrom(allowed).Draw(t, label)
		}
		f = topology.Relate(drawKey(t, kind("from", r.Spec().From), global), r, drawKey(t, kind("to", r.Spec().To), global))
	} else {
		attrs := identifying()
		sorted := slices.DeleteFunc(topology.Attrs(), func(a topology.Attr) bool { return attrs[a] == nil })
		a := rapid.SampledFrom(sorted).Draw(t, "attr")
		v, err := topology.ParseValue(a.Type(), rapid.SampledFrom(attrs[a]).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		f = topology.Attribute(drawKey(t, rapid.SampledFrom(drawnKinds).Draw(t, "kind"), global), a, v)
	}
	f.Confidence = uint8(rapid.SampledFrom([]int{0, 100, 50, 10}).Draw(t, "confidence"))
	return f
}

func drawAnySweep(t *rapid.T, now time.Time, global bool) []topology.Observation {
	var obs []topology.Observation
	for range rapid.IntRange(0, 4).Draw(t, "readings") {
		o := topology.Observation{Reading: topology.Reading{
			ReadingKey: topology.ReadingKey{
				Device: word(t, "reading of", "a", "b", "inventory"), Table: word(t, "table", "t1", "t2"), Partial: rapid.Bool().Draw(t, "partial"),
				Source: rapid.SampledFrom([]topology.Source{topology.SourceManual, topology.SourceLibvirt, topology.SourceSNMP}).Draw(t, "source"),
			},
			Time: now.Add(time.Duration(-rapid.IntRange(0, 3).Draw(t, "age")) * time.Second),
		}}
		for range rapid.IntRange(0, 8).Draw(t, "facts") {
			o.Facts = append(o.Facts, drawAnyFact(t, global))
		}
		obs = append(obs, o)
	}
	return obs
}

func canonical(t *rapid.T, s *topology.Snapshot) string {
	var b bytes.Buffer
	if err := s.WriteJSON(&b, true); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Whatever collectors say, as long as the model allows it: reconcile gives a delta that fits, the same for every order, no local key is left, and
// the same again soon changes nothing: at once, or after one more sweep where a device is not named any more by what it was known by.
func TestReconcile_takesWhateverIsAllowed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, takesWhateverIsAllowed)
}

func takesWhateverIsAllowed(t *rapid.T) {
	snap := topology.Empty()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	global, most := rapid.Bool().Draw(t, "global keys"), 1
	if global {
		most = 5
	}
	for range rapid.IntRange(1, 5).Draw(t, "sweeps") {
		now = now.Add(5 * time.Minute)
		obs := drawAnySweep(t, now, global)
		var policy reconcile.Policy
		if rapid.IntRange(0, 9).Draw(t, "retire") == 0 {
			policy.Retired = []string{word(t, "retired", "a", "b")}
		}
		res := mustSweep(t, snap, obs, policy, now)
		shuffled := slices.Clone(obs)
		rand.New(rand.NewPCG(1, uint64(len(obs)))).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if d := cmp.Diff(canonical(t, res.Next), canonical(t, mustSweep(t, snap, shuffled, policy, now).Next)); d != "" {
			t.Fatalf("another order of observations gives another graph:\n%s", d)
		}
		if settled := settle(t, res.Next, obs, policy, now); settled > most {
			for _, o := range obs {
				t.Logf("%s", o.Reading)
				for _, f := range o.Facts {
					t.Logf("    %s ~%d", f, f.Confidence)
				}
			}
			t.Fatalf("the same sweep changes the graph %d times:\n%s", settled, cmp.Diff(canonical(t, res.Next), canonical(t, mustSweep(t, res.Next, obs, policy, now).Next)))
		}
		snap = res.Next
	}
}

func mustSweep(t *rapid.T, prev *topology.Snapshot, obs []topology.Observation, policy reconcile.Policy, now time.Time) reconcile.Result {
	t.Helper()
	res, err := reconcile.Reconcile(prev, obs, policy, now)
	if err != nil {
		t.Fatal(err)
	}
	if applied, err := prev.Apply(res.Delta); err != nil || canonical(t, applied) != canonical(t, res.Next) {
		t.Fatalf("the delta does not lead to what it is said to lead to: %v", err)
	}
	for f := range res.Next.Facts() {
		r, ok := res.Next.Reading(f.Reading)
		if err := f.Check(); err != nil || !ok || r.Time.After(now) || f.Since.After(now) {
			t.Fatalf("%s: %v, reading %v %v, since %v", f, err, ok, r.Time, f.Since)
		}
		for _, k := range []topology.Key{f.Subject, f.Object} {
			if strings.HasPrefix(k.ID, "@") {
				t.Fatalf("%s: a local key is left", f)
			}
		}
		if slices.Contains(policy.Retired, f.Reading.Device) {
			t.Fatalf("%s is of a retired device", f)
		}
	}
	return res
}

// settle counts how often the same sweep still changes facts.
func settle(t *rapid.T, s *topology.Snapshot, obs []topology.Observation, policy reconcile.Policy, now time.Time) int {
	t.Helper()
	const enough = 6
	for n := range enough {
		res := mustSweep(t, s, obs, policy, now)
		if len(res.Delta.Add)+len(res.Delta.Remove) == 0 {
			return n
		}
		s = res.Next
	}
	return enough
}

// What the model does not allow is reported and the rest is used: one bad reading or fact does not lose a sweep.
func TestReconcile_rejectsAloud(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	sw, port := topology.DeviceKey(topology.Switch, "sw"), topology.PartKey(topology.Port, topology.DeviceKey(topology.Switch, "sw"), "p1")
	good := topology.Attribute(port, topology.AttrMTU, topology.IntValue(1500))
	reading := func(r topology.Reading, fs ...topology.Fact) topology.Observation {
		r.Time = now
		return topology.Observation{Reading: r, Facts: fs}
	}
	key := topology.ReadingKey{Device: "sw", Source: topology.SourceSNMP, Table: "ifTable"}
	obs := []topology.Observation{
		reading(topology.Reading{ReadingKey: key, Reason: "bad octet \xff", Command: "1.3.6\xfe"}, good,
			topology.Attribute(port, topology.AttrMTU, topology.TextValue("big")),
			topology.Attribute(sw, topology.AttrHandle, topology.TextValue("other")),
			topology.Attribute(topology.Key{Kind: topology.Switch, ID: "@"}, topology.AttrSysName, topology.TextValue("nobody")),
			topology.Relate(topology.Key{Kind: topology.VM, ID: "v"}, topology.RunsOn, sw),
		),
		reading(topology.Reading{ReadingKey: topology.ReadingKey{Device: "sw", Table: "of no source"}}, good),
		reading(topology.Reading{ReadingKey: topology.ReadingKey{Device: "\xff", Source: topology.SourceSNMP, Table: "ifTable"}}, good),
		// It fits the kind that the collector believes in, and not the one that the device is.
		reading(topology.Reading{ReadingKey: topology.ReadingKey{Device: "sw", Source: topology.SourceLibvirt, Table: "domains"}},
			topology.Relate(topology.Key{Kind: topology.VM, ID: "v"}, topology.RunsOn, topology.DeviceKey(topology.Host, "array"))),
		reading(topology.Reading{ReadingKey: topology.ReadingKey{Device: "bmc", Source: topology.SourceRedfish, Table: "managers"}},
			topology.Relate(topology.DeviceKey(topology.BMC, "bmc"), topology.Manages, topology.DeviceKey(topology.Server, "array"))),
	}
	res, err := reconcile.Reconcile(topology.Empty(), obs, reconcile.Policy{}, now)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range res.Rejected {
		if r.Err == nil || !errors.Is(r.Err, topology.ErrSchema) {
			t.Errorf("%s: error is %v", r.Fact, r.Err)
		}
		got = append(got, fmt.Sprintf("%s: %s", r.Reading, r.Err))
	}
	if len(got) != 7 {
		t.Errorf("rejected:\n%s", strings.Join(got, "\n"))
	}
	if n, ok := res.Next.Node(topology.Key{Kind: topology.Port, ID: "sw/p1"}); !ok || n.Text(topology.AttrMTU) != "1500" {
		t.Error("the good fact is lost")
	}
	if r, ok := res.Next.Reading(key); !ok || r.Reason != `bad octet \xff` || r.Command != `1.3.6\xfe` {
		t.Errorf("reading is %+v", r)
	}
}
