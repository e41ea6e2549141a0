package planner_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// TestStorage_isNoBetterThanReach: in estates of which some facts are gone and some are old, the checks of storage pass together only if the target reaches each unit.
func TestStorage_isNoBetterThanReach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		least, most int // facts that are changed
		shows       reach.Verdict
	}{{0, 6, reach.Yes}, {30, 60, reach.NotKnown}} {
		seen := noBetterThanReach(t, c.least, c.most)
		t.Logf("%d to %d changes: %v", c.least, c.most, seen)
		if seen[c.shows] == 0 {
			t.Errorf("estates with %d to %d changes reach the unit only so: %v", c.least, c.most, seen)
		}
	}
}

// noBetterThanReach gives what the target's ways to the unit are in how many of the estates that it draws.
func noBetterThanReach(t *testing.T, least, most int) map[reach.Verdict]int {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(storageEstate), "\n")
	seen := map[reach.Verdict]int{}
	rapid.Check(t, func(rt *rapid.T) {
		var b strings.Builder
		for i, n := 0, rapid.IntRange(least, most).Draw(rt, "changes"); i < n; i++ {
			line := lines[rapid.IntRange(0, len(lines)-1).Draw(rt, "line")]
			if strings.Contains(b.String(), "-"+line+"\n") {
				continue
			}
			b.WriteString("-" + line + "\n")
			if rapid.Bool().Draw(rt, "old") {
				b.WriteString("!" + line + "\n")
			}
		}
		s := scene(t, b.String())
		now := noon.Add(time.Minute)
		plan, err := planner.New(s, planner.Policy{}, now).Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
		if err != nil {
			rt.Fatal(err)
		}
		worst := planner.Pass
		for _, f := range plan.Findings {
			if strings.HasPrefix(f.Code, "SAN-") || strings.HasPrefix(f.Code, "STO-") {
				worst = planner.Worst(worst, f.Verdict)
			}
		}
		host, _ := s.Node(key(topology.Host, "b"))
		unit, ok := s.Node(key(topology.LogicalUnit, "naa.600a0b80000000000000000000000001"))
		if !ok {
			return
		}
		a, err := reach.NewNetwork(s, topology.AgeLimits{}, now).Storage(t.Context(), host, unit)
		if err != nil {
			rt.Fatal(err)
		}
		seen[a.Verdict]++
		if a.Verdict != reach.Yes && worst < planner.Unknown {
			rt.Fatalf("%sthe target reaches the unit: %s (%s); the checks say %s", b.String(), a.Verdict, a.Why, worst)
		}
		if a.Verdict == reach.NotKnown && blocks(plan) {
			rt.Fatalf("%swhether the target reaches the unit is not known, and a check of paths says that it does not", b.String())
		}
	})
	return seen
}

// blocks tells that a check of the ways to units blocks.
func blocks(plan *planner.Plan) bool {
	for _, f := range plan.Findings {
		switch f.Code {
		case "SAN-1", "SAN-2", "SAN-3", "SAN-4", "SAN-6":
			if f.Verdict == planner.Block {
				return true
			}
		}
	}
	return false
}

// TestStorage_fixesMend: with the changes that a finding of storage proposes, each for its own fault, the check passes.
func TestStorage_fixesMend(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, changes, code, fix string
		fixes                    int
	}{
		{"zones", less(zone1+b1, zone2+b2), "SAN-2", "add 10:00:00:00:00:00:00:b1 to zone z in VSAN 50 of m1", 2},
		{
			"zones with roles and marks", less(zone1+b1, zone2+b2, zone1+"10:00:00:00:00:00:00:a1", zone1+"50:00:00:00:00:00:00:01") + zone1 + "10:00:00:00:00:00:00:a1 init logged-in 0x010100\n" +
				zone1 + "50:00:00:00:00:00:00:01 target logged-in 0x010300\nfcport:" + b1 + " nPortID=0x010200",
			"SAN-2", "add 10:00:00:00:00:00:00:b1 to zone z in VSAN 50 of m1", 2,
		},
		{"mappings", less(mapped+b1, mapped+b2), "SAN-3", "map unit naa.600a0b80000000000000000000000001 to initiator 10:00:00:00:00:00:00:b1 of b at s", 2},
		{
			"a mapping for another host alone", less(mapped+b1, mapped+b2, mapped+"10:00:00:00:00:00:00:a1", mapped+"10:00:00:00:00:00:00:a2") + mapped + "10:00:00:00:00:00:00:c1\nhost:c Contains initiatorport:10:00:00:00:00:00:00:c1",
			"SAN-3", "map unit naa.600a0b80000000000000000000000001 to initiator 10:00:00:00:00:00:00:b1 of b at s", 2,
		},
		{"targets", strings.ReplaceAll(portal, "mapping:t/iqn.2026-01.test:t/1 MapsInitiator initiatorport:iqn.2026-01.test:b\n", ""), "SAN-3", "map unit naa.600a0b80000000000000000000000009 to initiator iqn.2026-01.test:b of b at t", 1},
		{"pools", less("storagepool:b/images state=active") + "storagepool:b/images state=inactive", "STO-1", "start pool images on b", 1},
		{"media", iso + pooled, "STO-8", "eject the medium of drive sda of web-07", 1},
	} {
		p := planner.New(scene(t, c.changes), planner.Policy{}, noon.Add(time.Minute))
		plan, err := p.Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
		if err != nil {
			t.Fatal(err)
		}
		var changes topology.ChangeSet
		var texts []string
		for _, f := range plan.Findings {
			for _, x := range f.Fixes {
				if f.Code == c.code {
					texts = append(texts, x.Text)
					changes.Changes = append(changes.Changes, x.Changes...)
				}
			}
		}
		if len(texts) != c.fixes || texts[0] != c.fix {
			t.Errorf("%s: %q, want %d like %q", c.name, texts, c.fixes, c.fix)
			continue
		}
		mended, err := p.Assume(changes)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		plan, err = mended.Migrate(t.Context(), key(topology.VM, "v"), key(topology.Host, "b"))
		if err != nil {
			t.Fatal(err)
		}
		if got := said(plan, c.code); !strings.HasPrefix(got, "pass: ") {
			t.Errorf("%s, mended: %s", c.name, got)
		}
		if _, err := mended.Assume(changes.Reverse()); err != nil {
			t.Errorf("%s, undone: %v", c.name, err)
		}
	}
}
