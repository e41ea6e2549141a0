package topology_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/topology"
)

// pair is two VMs on two hosts behind one switch each, which a third joins to a firewall with VLANs 120 and 130.
const pair = `
vm:a name=a
vm:a Contains vnic:a/n
vm:b name=b
vm:b Contains vnic:b/n
vnic:a/n AttachedTo nic:ha/e
vnic:b/n AttachedTo nic:hb/e
host:ha Contains nic:ha/e
host:hb Contains nic:hb/e
nic:ha/e Link port:sa/1 ~95
nic:hb/e Link port:sb/1 ~95
switch:sa Contains port:sa/1
switch:sa Contains port:sa/2
switch:sb Contains port:sb/1
switch:sb Contains port:sb/2
switch:core Contains port:core/a
switch:core Contains port:core/b
switch:core Contains port:core/f
port:sa/2 Link port:core/a ~95
port:sb/2 Link port:core/b ~95
firewall:f Contains port:f/1
port:f/1 Link port:core/f ~95
firewall:f Contains port:f/v120
port:f/v120 vid=120
port:f/v120 InSubnet subnet:192.0.2.0/25
firewall:f Contains port:f/v130
port:f/v130 vid=130
port:f/v130 InSubnet subnet:192.0.2.128/25
port:f/v120 SupportedBy port:f/1
port:f/v130 SupportedBy port:f/1
port:sa/2 tagged=120,130
port:sb/2 tagged=120,130
port:core/a tagged=120,130
port:core/b tagged=120,130
port:core/f tagged=120,130
port:sa/1 tagged=120,130
port:sb/1 tagged=120,130
`

func TestBetween(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, facts, want string }{
		{"in one VLAN they meet at the first switch that has both", "vnic:a/n vid=120\nvnic:b/n vid=120", `
core
  a/n 120t > ha/e 120t > sa/1 120t > sa/2 120t > core/a 120t > core/b 120t > sb/2 120t > sb/1 120t > hb/e 120t > b/n 120t .
`},
		{"in two VLANs they are routed", "vnic:a/n vid=120\nvnic:b/n vid=130", `
f, routed
  a/n 120t > ha/e 120t > sa/1 120t > sa/2 120t > core/a 120t > core/f 120t > f/1 120t > f/v120 120 > f/v130 130 > f/1 130t > core/f 130t > core/b 130t > sb/2 130t > sb/1 130t > hb/e 130t > b/n 130t .
`},
		{"in two VRFs they are not routed", "vnic:a/n vid=120\nvnic:b/n vid=130\nport:f/v130 InVRF vrf:f/red", `

  a/n 120t > ha/e 120t > sa/1 120t > sa/2 120t > core/a 120t > core/f 120t > f/1 120t > f/v120 120
    ... the two ways do not meet in any device that is known: their gateways differ and no route joins them here
`},
		{"no VLAN is known for certain on the way", "vnic:a/n vid=120", `

  a/n 120t > ha/e 120t > sa/1 120t > sa/2 120t > core/a 120t > core/f 120t > f/1 120t > f/v120 120
    ... the two ways do not meet in any device that is known: the VLAN is not known at sb, so the way to a gateway cannot be told
`},
		{"the way of one is broken", "vnic:a/n vid=120\nvnic:b/n vid=120\nport:sb/1 state=down", `

    ... every network way of b is broken: state is down
`},
		{"one is not plugged in", "vnic:a/n vid=120\nvm:c name=c", `

    ... c has no network rail in the graph
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := graph(t, pair+c.facts)
			other := "vm:b"
			if strings.Contains(c.facts, "vm:c") {
				other = "vm:c"
			}
			got := describeMeeting(topology.Between(mustNode(t, s, "vm:a"), mustNode(t, s, other)))
			if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func describeMeeting(m topology.Meeting) string {
	head := m.Meet
	if m.Routed {
		head += ", routed"
	}
	text := describePath(topology.Path{Hops: m.Hops, Complete: m.Gap == "", Gap: m.Gap})
	if len(m.Hops) == 0 {
		text = "    ... " + m.Gap
	}
	return head + "\n" + text + "\n"
}

func TestBetween_onOneHost(t *testing.T) {
	t.Parallel()
	const host = `
vm:a Contains vnic:a/n
vm:b Contains vnic:b/n
host:h Contains virtualswitch:h/br0
host:h Contains virtualswitch:h/br1
host:h name=h
vnic:a/n AttachedTo virtualswitch:h/br0
`
	for _, c := range []struct {
		facts, meet string
		hops        int
	}{
		{"vnic:b/n AttachedTo virtualswitch:h/br0", "h", 3},
		{"vnic:b/n AttachedTo virtualswitch:h/br0\nvnic:a/n vid=120\nvnic:b/n vid=120", "h", 3},
		{"vnic:b/n AttachedTo virtualswitch:h/br0\nvnic:a/n vid=120", "", 0},
		{"vnic:b/n AttachedTo virtualswitch:h/br1", "", 0},
		// Two trunks on one bridge: whether they share a VLAN is not known.
		{"vnic:b/n AttachedTo virtualswitch:h/br0\nvnic:a/n tagged=120-129\nvnic:b/n tagged=130-139", "", 0},
		// libvirt keeps its routed networks apart.
		{"vnic:b/n AttachedTo virtualswitch:h/br1\nnetwork:h/0 SupportedBy virtualswitch:h/br0\nnetwork:h/1 SupportedBy virtualswitch:h/br1\nnetwork:h/0 forwardMode=nat\nnetwork:h/1 forwardMode=nat", "", 0},
	} {
		s := graph(t, host+c.facts)
		m := topology.Between(mustNode(t, s, "vm:a"), mustNode(t, s, "vm:b"))
		if m.Meet != c.meet || m.Meet != "" && len(m.Hops) != c.hops || (m.Gap == "") != (m.Meet != "") || m.Routed {
			t.Errorf("%s:\nmeet at %q, gap %q, routed %t, %d hops", c.facts, m.Meet, m.Gap, m.Routed, len(m.Hops))
		}
	}
}

// Two switches with unknown VLANs between two hosts: the ways touch, and nothing proves that they are one network.
func TestBetween_doesNotJoinWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, x := range []string{"a", "b"} {
		fmt.Fprintf(&b, "vm:%s Contains vnic:%s/n\nvnic:%s/n AttachedTo nic:h%s/e\nhost:h%s Contains nic:h%s/e\nnic:h%s/e Link port:s/%s\nswitch:s Contains port:s/%s\nport:s/%s ifName=%s\n", x, x, x, x, x, x, x, x, x, x, x)
	}
	s := graph(t, b.String())
	m := topology.Between(mustNode(t, s, "vm:a"), mustNode(t, s, "vm:b"))
	if want := "the two ways come to one device, but not for certain in one VLAN: no source says to which VLAN frames without a tag belong on a"; m.Gap != want || m.Meet != "" {
		t.Errorf("meet %q, gap %q, want %q", m.Meet, m.Gap, want)
	}
}
