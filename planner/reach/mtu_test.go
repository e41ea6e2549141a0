package reach_test

import (
	"testing"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// TestBetween_mtu: where packets of the size that their sender may send do not fit is told, and changes no verdict.
func TestBetween_mtu(t *testing.T) {
	t.Parallel()
	const lost, told = ": they are lost there without a word", ": they are fragmented there, or the sender is told, if ICMP gets back to it"
	for _, c := range []struct{ name, to, changes, there, back string }{
		{"nobody says any", "w", "", "", ""},
		{"all fits", "w", "vnic:v/n mtu=1500\nport:s/1 mtu=9216\nport:f/v130 mtu=1500", "", ""},
		{"a port of a switch", "w", "port:s/2 mtu=1400", "packets of more than 1400 octets do not fit at s2 of s, and up to 1500 are sent" + lost, "packets of more than 1400 octets do not fit at s2 of s, and up to 1500 are sent" + lost},
		{
			"what a router sends by, and takes by", "w", "port:f/v130 mtu=1400",
			"packets of more than 1400 octets do not fit at f1.130 of f, and up to 1500 are sent" + told, "packets of more than 1400 octets do not fit at f1.130 of f, and up to 1500 are sent" + lost,
		},
		{"a guest with large frames", "u", "vnic:v/n mtu=9000", "", ""},
		{"a guest with large frames, and one without", "u", "vnic:v/n mtu=9000\nvnic:u/n mtu=1500", "packets of more than 1500 octets do not fit at u/n of u, and up to 9000 are sent" + lost, ""},
		{"it does not matter inside the bridge", "u", "port:s/2 mtu=1400", "", ""},
	} {
		s := scene(t, c.changes, nil)
		end := func(vm string) reach.Endpoint {
			n, _ := s.Node(topology.Key{Kind: topology.VNIC, ID: vm + "/n"})
			return reach.Endpoints(n)[0]
		}
		a, err := network(s).Between(t.Context(), end("v"), end(c.to), tcpTo(80))
		if err != nil || a.Verdict != reach.Yes {
			t.Fatalf("%s: %s, %v", c.name, a.Verdict, err)
		}
		for _, d := range []struct {
			n    *reach.Narrow
			want string
		}{{a.Forward.Narrow, c.there}, {a.Return.Narrow, c.back}} {
			got := ""
			if d.n != nil {
				got = d.n.String()
			}
			if got != d.want {
				t.Errorf("%s: got %q, want %q", c.name, got, d.want)
			}
		}
	}
}
