package ssh_test

import (
	"slices"
	"testing"

	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/topology"
)

// What a route does to its packets is not lost, and one whose next hops are not shown is not stated.
func TestIPRoute_encapsulation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer        string
		rows          int
		said, unsaid  []string
		notUnderstood int
	}{
		{
			"203.0.113.0/25 encap mpls  100/200 via 192.0.2.1 dev eth0 proto bgp \n203.0.113.128/25 via 192.0.2.1 dev eth0 \n", 2,
			[]string{"203.0.113.0%2F25/192.0.2.1 state=encap mpls", "203.0.113.0%2F25/192.0.2.1 nextHop=192.0.2.1", "203.0.113.128%2F25/192.0.2.1 nextHop=192.0.2.1"},
			[]string{"203.0.113.128%2F25/192.0.2.1 state=encap mpls"},
			0,
		},
		{
			`[{"dst":"203.0.113.0/25","encap":"mpls","dst":"100/200","gateway":"192.0.2.1","dev":"eth0","protocol":"bgp","flags":[]}]`, 1,
			[]string{"203.0.113.0%2F25/192.0.2.1 state=encap mpls", "203.0.113.0%2F25/192.0.2.1 nextHop=192.0.2.1"},
			nil, 0,
		},
		{
			`[{"dst":"203.0.113.0/25","encap":"ip","id":7,"src":"0.0.0.0","dst":"198.51.100.9","ttl":0,"tos":0,"dev":"vx0","flags":[]}]`, 1,
			[]string{"203.0.113.0%2F25/vx0 state=encap ip"},
			[]string{"198.51.100.9%2F32/vx0 prefix=198.51.100.9/32"},
			0,
		},
		{
			"203.0.113.0/25 proto bgp metric 20 \n\tnexthop encap mpls  100 via 192.0.2.1 dev eth0 weight 1 \n\tnexthop via 192.0.2.2 dev eth0 weight 1 \n", 1,
			[]string{"203.0.113.0%2F25/192.0.2.1 state=encap mpls", "203.0.113.0%2F25/192.0.2.2 nextHop=192.0.2.2"},
			[]string{"203.0.113.0%2F25/192.0.2.2 state=encap mpls"},
			0,
		},
		{
			`[{"dst":"203.0.113.0/25","flags":[],"nexthops":[{"encap":"mpls","dst":"100","gateway":"192.0.2.1","dev":"eth0","weight":1,"flags":[]}]}]`, 1,
			[]string{"203.0.113.0%2F25/192.0.2.1 state=encap mpls"},
			nil, 0,
		},
		{
			"203.0.113.0/25 nhid 12 via 192.0.2.1 dev eth0 proto bgp \n203.0.113.128/25 nhid 13 proto bgp metric 20 \nblackhole 198.51.100.0/24 nhid 14 proto bgp \n", 3,
			[]string{"203.0.113.0%2F25/192.0.2.1 nextHop=192.0.2.1", "198.51.100.0%2F24/blackhole state=blackhole"},
			[]string{"203.0.113.128%2F25/ prefix=203.0.113.128/25"},
			1,
		},
		{
			`[{"dst":"203.0.113.0/25","nhid":12,"gateway":"192.0.2.1","dev":"eth0","flags":[]},{"dst":"203.0.113.128/25","nhid":13,"protocol":"bgp","flags":[]}]`, 2,
			[]string{"203.0.113.0%2F25/192.0.2.1 nextHop=192.0.2.1"},
			[]string{"203.0.113.128%2F25/ prefix=203.0.113.128/25"},
			1,
		},
	} {
		observations, unparsed, err := ssh.Parse("ip-route", []byte(c.answer))
		if err != nil || len(unparsed) != c.notUnderstood || observations[0].Reading.Rows != c.rows || observations[0].Reading.Partial != (c.notUnderstood > 0) {
			t.Errorf("%s: %v, not understood: %v", c.answer, err, unparsed)
			continue
		}
		var facts []string
		for _, f := range observations[0].Facts {
			facts = append(facts, f.String())
		}
		stated := func(fact string) bool {
			return slices.Contains(facts, topology.Route.String()+":@parsed/default/"+fact)
		}
		for _, f := range c.said {
			if !stated(f) {
				t.Errorf("%s: not stated: %s", c.answer, f)
			}
		}
		if i := slices.IndexFunc(c.unsaid, stated); i >= 0 {
			t.Errorf("%s: stated: %s", c.answer, c.unsaid[i])
		}
	}
}
