package reach_test

import (
	"testing"

	"github.com/throughline-dc/throughline/topology/policy"
)

// plugged gives the guests of the estate's host ports of its bridge.
const plugged = `
vnic:v/n deviceName=vnet0
vnic:u/n deviceName=vnet1
host:h Contains port:h/vnet0
host:h Contains port:h/vnet1
port:h/vnet0 ifName=vnet0
port:h/vnet1 ifName=vnet1
`

// behindSwitch is x, a guest on a NIC of its own at another port of the switch, in VLAN 120.
const behindSwitch = `
host:i Contains nic:i/e
filtertext:none AppliesTo host:i
vm:x Contains vnic:x/n
vnic:x/n AttachedTo nic:i/e
vnic:x/n address=192.0.2.12/24
vnic:x/n InSubnet subnet:192.0.2.0/24
switch:s Contains port:s/3
port:s/3 ifName=s3
port:s/3 pvid=120
port:s/3 untagged=120
nic:i/e Link port:s/3 ~95
`

// direct is two guests, y and z, on one NIC without a bridge.
const direct = `
host:i Contains nic:i/e
filtertext:none AppliesTo host:i
switch:s Contains port:s/3
port:s/3 ifName=s3
port:s/3 pvid=120
port:s/3 untagged=120
nic:i/e Link port:s/3 ~95
vm:y Contains vnic:y/n
vnic:y/n AttachedTo nic:i/e
vnic:y/n address=192.0.2.21/24
vnic:y/n InSubnet subnet:192.0.2.0/24
vm:z Contains vnic:z/n
vnic:z/n AttachedTo nic:i/e
vnic:z/n address=192.0.2.22/24
vnic:z/n InSubnet subnet:192.0.2.0/24
`

// TestBetween_traps is what looks as if packets passed and they do not, or need not; and the other way round. One that has no doubt of its own shows that the
// trap, and not its surroundings, makes the other.
func TestBetween_traps(t *testing.T) {
	t.Parallel()
	const (
		hasVLAN1   = "switch:s Contains vlan:s/1\nvlan:s/1 vid=1\n"
		hasVLAN120 = "switch:s Contains vlan:s/120\nvlan:s/120 vid=120\n"
		noBridge   = "y/n and z/n are on e without a bridge: whether what one sends comes back to the other is not known"
	)
	for _, c := range []struct {
		name, from, to string
		changes        string
		filters        map[string][]*policy.Filter
		want           string
	}{
		{"two ports of a switch", "v", "x", behindSwitch, nil, "yes, yes"},
		{"both are protected", "v", "x", behindSwitch + "port:s/1 portLimit=isolated\nport:s/3 portLimit=isolated", nil, "unknown, unknown: s1 and s3 are isolated from each other"},
		{"one is protected", "v", "x", behindSwitch + "port:s/3 portLimit=isolated", nil, "yes, yes"},
		{
			"both guests' ports of a host's bridge are isolated", "v", "u", plugged + "port:h/vnet0 portLimit=isolated\nport:h/vnet1 portLimit=isolated", nil,
			"unknown, unknown: vnet0 and vnet1 are isolated from each other",
		},
		{"one of them is", "v", "u", plugged + "port:h/vnet0 portLimit=isolated", nil, "yes, yes"},
		{
			"a VLAN that trunks allow, and the switch does not have", "v", "x", behindSwitch + hasVLAN1, nil,
			"unknown, unknown: VLAN 120 is not among those that s is said to have",
		},
		{"a VLAN that the switch has", "v", "x", behindSwitch + hasVLAN1 + hasVLAN120, nil, "yes, yes"},
		{"a VLAN that is suspended", "v", "x", behindSwitch + hasVLAN120 + "vlan:s/120 state=suspended", nil, "no, no"},
		{"and on the way to the gateway", "v", "w", hasVLAN1 + hasVLAN120 + "vlan:s/120 state=suspended", nil, "no, no"},
		{"a VLAN that is shut", "v", "x", behindSwitch + hasVLAN120 + "vlan:s/120 state=inactive", nil, "no, no"},
		{"a VLAN with larger frames than the switch has", "v", "x", behindSwitch + hasVLAN120 + "vlan:s/120 state=mtuTooBigForDevice", nil, "unknown, unknown: VLAN 120 is mtuTooBigForDevice on s"},
		{"two guests on one NIC in mode bridge", "y", "z", direct + "vnic:y/n linkMode=bridge\nvnic:z/n linkMode=bridge", nil, "yes, yes"},
		{"in mode vepa", "y", "z", direct + "vnic:y/n linkMode=vepa\nvnic:z/n linkMode=vepa", nil, "unknown, unknown: " + noBridge},
		{"in mode private", "y", "z", direct + "vnic:y/n linkMode=private\nvnic:z/n linkMode=private", nil, "unknown, unknown: " + noBridge},
		{"one in mode bridge", "y", "z", direct + "vnic:y/n linkMode=bridge\nvnic:z/n linkMode=private", nil, "unknown, unknown: " + noBridge},
		{"two virtual functions of one NIC", "y", "z", direct, nil, "unknown, unknown: " + noBridge},
		{"a guest on a NIC, and one elsewhere", "y", "v", direct + "vnic:y/n linkMode=vepa", nil, "yes, yes"},
		{
			"a guest on a NIC, and the host's own address there", "y", "nic:i/e", direct + "vnic:y/n linkMode=bridge\nnic:i/e address=192.0.2.30/24", nil,
			"unknown, unknown: y/n is on e without a bridge: whether it and its host hear each other there is not known",
		},
		{
			"frames without a tag go in, those that come out have one", "v", "x", behindSwitch + "-port:s/3 untagged=120\nport:s/3 tagged=120", nil,
			"unknown, unknown: s3 takes frames without a tag for VLAN 120, and sends those of VLAN 120 with a tag",
		},
		{
			"and at a guest's port", "v", "u", "-vnic:v/n vid=120\n-vnic:u/n vid=120\n" + plugged + "port:h/vnet0 pvid=120\nport:h/vnet0 tagged=120\nport:h/vnet1 pvid=120\nport:h/vnet1 untagged=120", nil,
			"unknown, unknown: vnet0 takes frames without a tag for VLAN 120, and sends those of VLAN 120 with a tag",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ask(t, scene(t, c.changes, c.filters), c.from, c.to, tcpTo(80)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
