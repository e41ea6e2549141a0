package reach_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/planner/reach"
)

// TestMoves_warmAsCold: what a network has found out for some moves of a random estate, in whatever order they are asked, makes no difference for the next one.
func TestMoves_warmAsCold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w, s := runningLAN(t, rt)
		warm := network(s)
		for range rapid.IntRange(2, 5).Draw(rt, "questions") {
			vm, host := rapid.SampledFrom(w.guests).Draw(rt, "guest").name, rapid.SampledFrom(w.hosts).Draw(rt, "to").id()
			m, cold := move(t, s, warm, vm, host), move(t, s, network(s), vm, host)
			if got, want := m.shiftText(t), cold.shiftText(t); got != want {
				rt.Fatalf("%s to %s: %s\nfrom scratch: %s", vm, host, got, want)
			}
			for i, o := range m.others {
				if got, want := m.changes(t, o, m.after), cold.changes(t, cold.others[i], cold.plain); got != want {
					rt.Fatalf("%s to %s, with %s: %s\nfrom scratch: %s", vm, host, o[0].Node.Name(), got, want)
				}
			}
		}
	})
}

// shiftText words what the move changes, as it is found for all ends at once.
func (m moved) shiftText(t *testing.T) string {
	t.Helper()
	shift, err := reach.Moves(t.Context(), m.before, m.after, m.was, m.is)
	if err != nil {
		t.Fatal(err)
	}
	ends := func(all []reach.Endpoint) (words []string) {
		for _, e := range all {
			words = append(words, fmt.Sprint(e.Node.Key(), e.Addr))
		}
		return words
	}
	var cut []string
	for _, d := range shift.Cut {
		cut = append(cut, d.Name())
	}
	return fmt.Sprint(shift.Routed, ends(shift.Near), ends(slices.Collect(shift.Far())), shift.Same, shift.Blind, cut, shift.Places)
}
