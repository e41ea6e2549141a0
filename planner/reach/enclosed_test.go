package reach_test

import "testing"

// lost is x, in VLAN 120 as v is, behind a switch whose uplink is down.
const lost = `
host:h name=h
vm:v RunsOn host:h
host:i Contains nic:i/e
filtertext:none AppliesTo host:i
filtertext:none AppliesTo switch:t
vm:x RunsOn host:i
vm:x Contains vnic:x/n
vnic:x/n AttachedTo nic:i/e
vnic:x/n address=192.0.2.12/24
vnic:x/n InSubnet subnet:192.0.2.0/24
switch:t Contains port:t/1
switch:t Contains port:t/2
port:t/1 ifName=t1
port:t/1 pvid=120
port:t/1 untagged=120
port:t/2 ifName=t2
port:t/2 tagged=120
nic:i/e Link port:t/1 ~95
`

// TestBetween_cutOff: frames that get nowhere near somebody do not arrive, if all is known to which they get, and lately.
func TestBetween_cutOff(t *testing.T) {
	t.Parallel()
	const (
		down = "port:t/2 state=down\n"
		open = "\nport:s/3 tagged=120\nswitch:s Contains port:s/3\n" // v's side is not known to its end, either
	)
	for _, c := range []struct{ name, changes, want string }{
		{"its uplink is down", lost + down + open, "no, no"},
		{"its uplink was down two hours ago", lost + "!" + down + open, "unknown, unknown"},
		{"so are its neighbours those of then", lost + down + open + "-nic:i/e Link port:t/1 ~95\n!nic:i/e Link port:t/1 ~95", "unknown, unknown"},
		{"a part of its switch's ports was read", lost + down + open + "~switch:t Contains port:t/3\nport:t/3 state=down", "unknown, unknown"},
		{"where it runs, was said two hours ago", lost + down + open + "-vm:v RunsOn host:h\n!vm:v RunsOn host:h", "unknown, unknown"},
		{"nobody knows what its uplink leads to", lost + open, "unknown, unknown"},
		{"v's side is known to its end", lost, "no, no"},
		{"both sides are", lost + down, "no, no"},
		{"a second uplink", lost + down + open + "switch:t Contains port:t/3\nport:t/3 tagged=120\nport:t/3 Link port:s/3 ~95", "yes, yes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ask(t, scene(t, c.changes, nil), "v", "x", tcpTo(80)); got[:min(len(got), len(c.want))] != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
