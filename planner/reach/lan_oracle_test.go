package reach_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology/policy"
)

// TestBetween_againstTheWorld: one connection between any two guests of a random estate, as reach judges it from the facts, and as its packets fare in a world that
// forwards them cable by cable. Yes: by every choice they arrive. No: by none.
func TestBetween_againstTheWorld(t *testing.T) {
	t.Parallel()
	count := map[reach.Verdict]int{}
	rapid.Check(t, func(rt *rapid.T) {
		w := drawLAN(rt)
		f := w.facts()
		s := stated(t, f.lines, f.filters)
		n := network(s)
		proto, port, from := uint8(6), policy.Is(lanTo), policy.Is(lanFrom)
		for _, a := range w.guests {
			for _, b := range w.guests {
				if a == b {
					continue
				}
				answer, err := n.Between(t.Context(), endpoint(t, s, a.name), endpoint(t, s, b.name), reach.Flow{Protocol: &proto, Ports: &port, From: &from})
				if err != nil {
					rt.Fatal(err)
				}
				there := w.send(a, b, lanPacket{a.address(), b.address(), lanFrom, lanTo, false}, nil)
				var back []lanFate
				for _, fate := range there {
					if fate.arrives {
						back = append(back, w.send(b, a, lanPacket{b.address(), a.address(), lanTo, lanFrom, true}, fate.crossed)...)
					}
				}
				for way, d := range map[string]struct {
					reach.Direction
					fates []lanFate
				}{"there": {answer.Forward, there}, "back": {answer.Return, back}} {
					count[d.Verdict]++
					if way == "back" && len(back) == 0 && answer.Forward.Verdict == reach.NotKnown {
						continue // nothing arrives that could be answered, which reach does not know: its verdict is about what would be
					}
					if wrong := judged(d.Verdict, d.fates); wrong != "" {
						rt.Fatalf("from %s to %s, %s: %s, and %s\n%s\n%s", a.name, b.name, way, d.Verdict, wrong, strings.Join(f.lines, "\n"), filterLines(f.filters))
					}
					if d.Verdict == reach.NotKnown && len(d.Doubts) == 0 {
						rt.Fatalf("from %s to %s, %s: unknown, without a reason\n%s", a.name, b.name, way, strings.Join(f.lines, "\n"))
					}
				}
			}
		}
	})
	if all := count[reach.Yes] + count[reach.No] + count[reach.NotKnown]; !t.Failed() && (all > 500) && (count[reach.Yes]*10 < all || count[reach.No]*10 < all || count[reach.NotKnown]*2 > all) {
		t.Errorf("the worlds do not tell much: %v", count)
	}
}

// judged says what of a verdict is wrong.
func judged(v reach.Verdict, fates []lanFate) string {
	arrives := func(f lanFate) bool { return f.arrives }
	lost := func(f lanFate) bool { return !f.arrives }
	switch {
	case v == reach.Yes && (len(fates) == 0 || slices.ContainsFunc(fates, lost)):
		return "it may be lost"
	case v == reach.No && slices.ContainsFunc(fates, arrives):
		return "it may arrive"
	case v == reach.Some:
		return "it is one packet"
	}
	return ""
}

func filterLines(filters map[string][]*policy.Filter) string {
	var b strings.Builder
	for device, fs := range filters {
		for _, f := range fs {
			fmt.Fprintf(&b, "%s %s %v default %s\n", device, f.Name, f.Attached, f.Default)
			for i := range f.Rules {
				fmt.Fprintf(&b, "  %s\n", f.Rules[i].String())
			}
		}
	}
	return b.String()
}
