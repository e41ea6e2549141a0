package reach_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// changed words a change: what is lost, what is opened, and who else sees the unit now.
func changed(t *testing.T, before, after *topology.Snapshot, from string) string {
	t.Helper()
	k, err := topology.ParseKey(from)
	if err != nil {
		t.Fatal(err)
	}
	c, err := reach.CompareStorage(t.Context(), network(before), network(after), k, topology.Key{Kind: topology.LogicalUnit, ID: "u"})
	if err != nil {
		t.Fatal(err)
	}
	ends := func(paths []reach.StoragePath) string {
		var words []string
		for _, p := range paths {
			words = append(words, p.Target.Name()[max(0, len(p.Target.Name())-2):])
		}
		return strings.Join(words, ",")
	}
	var others []string
	for _, a := range c.Sharing {
		others = append(others, a.From.Name()+" "+string(a.Verdict))
	}
	return fmt.Sprintf("%s to %s; lost %s; opened %s; sharing %s", c.Before.Verdict, c.After.Verdict, ends(c.Lost), ends(c.Opened), strings.Join(others, ","))
}

func TestCompareStorage(t *testing.T) {
	t.Parallel()
	const third = "host:h3 Contains initiatorport:10:00:00:00:00:00:00:03\nhost:h3 name=h3\nfcport:10:00:00:00:00:00:00:03 LoggedIn fcport:m1/fc2\n" + inZone + "10:00:00:00:00:00:00:03\n"
	const vm = "vm:v name=v\nvm:v RunsOn host:h1\n"
	const unknownTarget = "-fcport:50:00:00:00:00:00:00:0b LoggedIn fcport:m1/fc4\n"
	for _, c := range []struct{ name, from, before, after, want string }{
		{"nothing", "host:h1", "", "", "yes to yes; lost ; opened ; sharing "},
		{"a zone loses a port", "host:h1", "", "-" + inZone + "50:00:00:00:00:00:00:0b", "yes to yes; lost 0b; opened ; sharing "},
		{"and turned round", "host:h1", "-" + inZone + "50:00:00:00:00:00:00:0b", "", "yes to yes; lost ; opened 0b; sharing "},
		{"the host is masked out", "host:h1", "", "-mapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:01", "yes to no; lost 0a,0b; opened ; sharing "},
		{"somebody else is zoned and masked in", "host:h1", "", third + "mapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:03", "yes to yes; lost ; opened ; sharing h3 yes"},
		{"somebody else is zoned, and not masked in", "host:h1", "", third, "yes to yes; lost ; opened ; sharing "},
		{"a port that nobody knows is masked and zoned in", "host:h1", "", "fcport:10:00:00:00:00:00:00:09 LoggedIn fcport:m1/fc2\n" + inZone + "10:00:00:00:00:00:00:09\nmapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:09", "yes to yes; lost ; opened ; sharing 10:00:00:00:00:00:00:09 yes"},
		{"a move to a host that is not zoned", "vm:v", vm, strings.ReplaceAll(vm, "h1", "h2"), "yes to no; lost 0a,0b; opened ; sharing "},
		{"a move to a host with the same paths", "vm:v", vm + inZone + "10:00:00:00:00:00:00:02", strings.ReplaceAll(vm, "h1", "h2") + inZone + "10:00:00:00:00:00:00:02", "yes to yes; lost ; opened ; sharing "},
		{"standing uncertainty is no change", "host:h1", unknownTarget, unknownTarget, "yes to yes; lost ; opened ; sharing "},
		{"what becomes unknown is lost", "host:h1", "", unknownTarget, "yes to yes; lost 0b; opened ; sharing "},
		{"what was unknown is opened", "host:h1", unknownTarget, "", "yes to yes; lost ; opened 0b; sharing "},
		{"others who saw it, and perhaps still do", "host:h1", inZone + "10:00:00:00:00:00:00:02", inZone + "10:00:00:00:00:00:00:02\n-fczoneset:m1/50/active/s state=active", "yes to unknown; lost 0a,0b; opened ; sharing "},
		{"zones are not known any more: others may see it", "host:h1", "", "-fczoneset:m1/50/active/s state=active", "yes to unknown; lost 0a,0b; opened ; sharing h2 unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := changed(t, built(t, san, c.before), built(t, san, c.after), c.from); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestSharers: all that see the unit, whoever they are.
func TestSharers(t *testing.T) {
	t.Parallel()
	s := built(t, san, "vm:v RunsOn host:h1\nvm:v Contains initiatorport:iqn.2026-01.test:v\n"+inZone+"10:00:00:00:00:00:00:02\nfcport:10:00:00:00:00:00:00:09 LoggedIn fcport:m1/fc2\n"+inZone+"10:00:00:00:00:00:00:09\nmapping:a/m MapsInitiator initiatorport:10:00:00:00:00:00:00:09")
	u, _ := s.Node(topology.Key{Kind: topology.LogicalUnit, ID: "u"}) // a VM sees it by its host, and has another name for another one
	all, err := network(s).Sharers(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range all {
		got = append(got, a.From.Name()+" "+string(a.Verdict))
	}
	if want := []string{"10:00:00:00:00:00:00:09 yes", "h1 yes", "h2 yes"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
