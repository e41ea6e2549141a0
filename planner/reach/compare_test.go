package reach_test

import (
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	web := list("fw", forward, policy.Deny, permit(established()), permit(fromV(), isTCP(), port(80)))
	both := list("fw", forward, policy.Deny, permit(established()), permit(fromV(), isTCP(), port(80)), permit(fromV(), isTCP(), port(443)))
	filters := func(f *policy.Filter) map[string][]*policy.Filter {
		return map[string][]*policy.Filter{"firewall:f": {f}}
	}
	const unread = "-filtertext:none AppliesTo firewall:f"
	for _, c := range []struct {
		name          string
		before, after *topology.Snapshot
		want          string
	}{
		{"nothing changes", scene(t, "", filters(web)), scene(t, "", filters(web)), ""},
		{"a port more", scene(t, "", filters(web)), scene(t, "", filters(both)), "opened tcp 443; back opened tcp from 443"},
		{"a port less", scene(t, "", filters(both)), scene(t, "", filters(web)), "lost tcp 443; back lost tcp from 443"},
		{"nobody knows the filters, then and now", scene(t, unread, nil), scene(t, unread, nil), ""},
		{"what nobody knows of a device that both ways cross is no change", scene(t, unread, nil), scene(t, unread+second+"filtertext:none AppliesTo switch:r", nil), ""},
		{"the VLAN is taken off the trunk", scene(t, "", filters(web)), scene(t, "-port:s/2 tagged=120,130\nport:s/2 tagged=120", filters(web)), "lost tcp 80; back lost tcp from 80"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := reach.Compare(t.Context(), network(c.before), network(c.after), endsOf(c.before), endsOf(c.after), reach.Flow{})
			if err != nil {
				t.Fatal(err)
			}
			if text := changeText(got.Headers, got.There, got.Back); text != c.want || got.Same() != (c.want == "") {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
			// The law: what is lost from A to B is opened from B to A.
			back, err := reach.Compare(t.Context(), network(c.after), network(c.before), endsOf(c.after), endsOf(c.before), reach.Flow{})
			if err != nil {
				t.Fatal(err)
			}
			for _, way := range []*reach.Change{&back.There, &back.Back} {
				way.Lost, way.Opened = way.Opened, way.Lost
			}
			if text := changeText(back.Headers, back.There, back.Back); text != c.want {
				t.Errorf("back, the other way round: %s\nwant %s", text, c.want)
			}
		})
	}
}

func changeText(h *reach.Headers, there, back reach.Change) string {
	var words []string
	for _, way := range []struct {
		name string
		reach.Change
	}{{"", there}, {"back ", back}} {
		if lost := h.Services(way.Lost, 9); lost != nil {
			words = append(words, way.name+"lost "+strings.Join(lost, ", "))
		}
		if opened := h.Services(way.Opened, 9); opened != nil {
			words = append(words, way.name+"opened "+strings.Join(opened, ", "))
		}
	}
	return strings.Join(words, "; ")
}
