package planner_test

import (
	"net/netip"

	"github.com/throughline-dc/throughline/planner"
)

func channelCases() []checkCase {
	slow := func(bits string) string { return "-nic:b/mig0 speedBits=25000000000\nnic:b/mig0 speedBits=" + bits }
	networks := func(prefix string) planner.Policy {
		return planner.Policy{Channel: planner.Channel{Networks: []netip.Prefix{netip.MustParsePrefix(prefix)}}}
	}
	// The address is on a bridge, over a VLAN of a bond.
	const bridged = `-nic:b/mig0 address=10.0.9.2/24
host:b Contains virtualswitch:b/br9
virtualswitch:b/br9 address=10.0.9.2/24
host:b Contains port:b/br9
port:b/br9 address=10.0.9.2/24
port:b/br9 state=up
port:b/br9 SupportedBy virtualswitch:b/br9
virtualswitch:b/br9 SupportedBy port:b/bond0.9
port:b/bond0.9 SupportedBy lag:b/bond0
port:b/bond0.9 state=up
lag:b/bond0 speedBits=20000000000
`
	// Both hosts have an address in another subnet, too.
	const two = "nic:a/mig0 address=10.0.7.1/24\nhost:b Contains nic:b/old0\nnic:b/old0 address=10.0.7.2/24\n"
	return []checkCase{
		{code: "MIG-1", name: "up", want: "pass: interfaces for moves are up: mig0 of a (10.0.9.1), mig0 of b (10.0.9.2)"},
		{code: "MIG-1", name: "down", changes: "-nic:b/mig0 state=up\nnic:b/mig0 state=lowerLayerDown", want: "block: mig0 of b (10.0.9.2) is down"},
		{code: "MIG-1", name: "slow", changes: slow("100000000"), want: "block: mig0 of b (10.0.9.2) carries 0.1 Gbit/s, and moves want 1 Gbit/s"},
		{code: "MIG-1", name: "slow by policy", policy: planner.Policy{Channel: planner.Channel{MinBits: 40e9}}, want: "block: mig0 of a (10.0.9.1) carries 25 Gbit/s, and moves want 40 Gbit/s; " +
			"mig0 of b (10.0.9.2) carries 25 Gbit/s, and moves want 40 Gbit/s"},
		{code: "MIG-1", name: "over a bond", changes: bridged + "lag:b/bond0 state=up", want: "pass: interfaces for moves are up: mig0 of a (10.0.9.1), br9 of b (10.0.9.2)"},
		{code: "MIG-1", name: "over a bond that is down", changes: bridged + "lag:b/bond0 state=down", want: "block: br9 of b (10.0.9.2) is down"},
		{code: "MIG-1", name: "over a bond of which nobody says it", changes: bridged, want: "unknown: no source says the state of lag bond0"},
		{
			code: "MIG-1", name: "libvirt's own network", changes: "-nic:b/mig0 address=10.0.9.2/24\nnic:b/mig0 address=192.168.122.1/24\nnic:a/mig0 address=192.168.122.1/24",
			want: "unknown: no source says an address of a and one of b in one subnet: name the networks of moves in the policy",
		},
		{code: "MIG-1", name: "by policy", policy: networks("10.0.8.0/23"), want: "pass: interfaces for moves are up: mig0 of a (10.0.9.1), mig0 of b (10.0.9.2)"},
		{
			code: "MIG-1", name: "down by policy", changes: "-nic:b/mig0 state=up\nnic:b/mig0 state=down", policy: networks("10.0.9.0/24"), want: "block: mig0 of b (10.0.9.2) is down",
		},
		{
			code: "MIG-1", name: "one of two is down", changes: two + "nic:b/old0 state=down",
			want: "warn: old0 of b (10.0.7.2) is down: whether moves go there is not known: name the networks of moves in the policy",
		},
		{code: "MIG-1", name: "another than that of the policy is down", changes: two + "nic:b/old0 state=down", policy: networks("10.0.9.0/24"), want: "pass: interfaces for moves are up: mig0 of a (10.0.9.1), mig0 of b (10.0.9.2)"},
		{
			code: "MIG-1", name: "elsewhere by policy", changes: "nic:a/mig0 address=198.51.100.1/24", policy: networks("198.51.100.0/24"),
			want: "unknown: no source says an address of b in the networks of moves",
		},
		{code: "MIG-3", name: "named", want: "pass: the target calls itself b"},
		{
			code: "MIG-3", name: "that everybody has", changes: "-host:b name=b\nhost:b name=localhost.localdomain",
			want: "block: the target calls itself localhost.localdomain: libvirt sends no guest to that",
		},
		{code: "MIG-3", name: "odd", changes: "-host:b name=b\nhost:b name=rack_1", want: `block: "rack_1" is no name of a host (RFC 1123)`},
		{code: "MIG-3", name: "the same", changes: "-host:b name=b\nhost:b name=a", want: "block: both hosts call themselves a: libvirt takes them for one"},
		{code: "MIG-3", name: "nobody says", changes: "-host:b name=b", want: "unknown: no source says the name of host test"},
		{code: "MIG-4", name: "none", want: "pass: no moves of others have to be waited for"},
		{
			code: "MIG-4", name: "one", changes: "-vm:o job=none\nvm:o job=migration-in",
			want: "warn: 1 moves from or to b are under way: the policy wants no more than 1 at once, this one has to wait",
		},
		{
			code: "MIG-4", name: "one of two", changes: "-vm:o job=none\nvm:o job=migration-in", policy: planner.Policy{Channel: planner.Channel{Concurrent: 2}},
			want: "pass: no moves of others have to be waited for",
		},
		{code: "MIG-4", name: "nobody says", changes: "-vm:o job=none", want: "unknown: no source says the job of vm other"},
	}
}
