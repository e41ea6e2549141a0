package topology_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
)

// railsText words all of a VM's rails.
func railsText(s *topology.Snapshot) string {
	var b strings.Builder
	for vm := range s.Nodes(topology.VM) {
		for _, r := range vm.Rails() {
			fmt.Fprintln(&b, r.From.Key(), r.More, r.Independent)
			for _, p := range append(r.Paths, topology.Path{Hops: r.Aside}) {
				fmt.Fprintln(&b, " ", p.Complete, p.Gap)
				for _, h := range p.Hops {
					if h.Node.Snapshot() != s {
						fmt.Fprintln(&b, "a node of another snapshot")
					}
					fmt.Fprintln(&b, "   ", h.Node.Key(), h.Rel, h.Reading.ReadingKey, h.Confidence, h.VID, h.Tagged, h.Fault, h.Doubt)
				}
			}
		}
	}
	return b.String()
}

// TestRails_rememberedOrNot: rails of snapshots that remember what was looked at before, by them or by those that they were made of, are those of snapshots that remember nothing.
func TestRails_rememberedOrNot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := drawFabric(t)
		text := f.text() + "vm:v Contains vnic:v/n\nvm:v RunsOn host:h\nvnic:v/n mac=02:00:00:00:00:01\nhost:g Contains virtualswitch:g/br\nhost:g Contains nic:g/p\n" +
			"virtualswitch:g/br SupportedBy nic:g/p\nswitch:s0 Contains port:s0/g\nport:s0/g tagged=120\nnic:g/p Link port:s0/g\nnic:h/other ifName=x\n"
		if rapid.Bool().Draw(t, "subnet") {
			text += "vnic:v/n InSubnet subnet:192.0.2.0/24\n"
		}
		s := graph(t, text)
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			if got, want := railsText(s), railsText(topology.Forgetful(s)); got != want {
				t.Fatalf("remembered:\n%s\nnot remembered:\n%s", got, want)
			}
			s = altered(t, s)
		}
	})
}

// altered moves the VM, or changes something of a port or of a gateway.
func altered(t *rapid.T, s *topology.Snapshot) *topology.Snapshot {
	cs := topology.ChangeSet{}
	switch rapid.IntRange(0, 3).Draw(t, "what") {
	case 0, 1:
		vm := topology.Key{Kind: topology.VM, ID: "v"}
		var err error
		if cs, _, err = s.MoveVM(vm, topology.Key{Kind: topology.Host, ID: rapid.SampledFrom([]string{"h", "g"}).Draw(t, "host")}); err != nil {
			t.Fatal(err)
		}
	case 2:
		var ports []topology.Node
		for p := range s.Nodes(topology.Port) {
			ports = append(ports, p)
		}
		p := rapid.SampledFrom(ports).Draw(t, "port")
		after := rapid.SampledFrom([]string{"up", "down"}).Draw(t, "state")
		c := topology.Change{Subject: p.Key(), Attr: topology.AttrState, After: []topology.Value{topology.TextValue(after)}}
		if v, ok := p.Value(topology.AttrState); ok {
			c.Before = []topology.Value{v}
		}
		cs.Changes = []topology.Change{c}
	default:
		for p := range s.Nodes(topology.Port) {
			if strings.HasPrefix(p.Key().ID, "f") && len(p.Values(topology.AttrARP)) == 0 {
				cs.Changes = []topology.Change{{Subject: p.Key(), Attr: topology.AttrARP, After: []topology.Value{topology.TextValue("192.0.2.9 02:00:00:00:00:01")}}}
			}
		}
	}
	then, err := s.With(cs)
	if err != nil {
		t.Fatal(err)
	}
	return then
}
