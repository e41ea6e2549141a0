package topology_test

import (
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/topology"
)

// twins is a host that is cabled with both switches of a pair. Both route its VLAN, by interfaces of their own.
const twins = `
host:h Contains lag:h/bond
host:h Contains nic:h/a
host:h Contains nic:h/b
lag:h/bond SupportedBy nic:h/a
lag:h/bond SupportedBy nic:h/b
lag:h/bond InSubnet subnet:192.0.2.0/24
switch:s Contains port:s/1
switch:s Contains port:s/p
switch:s Contains port:s/q
switch:s Contains port:s/v
switch:t Contains port:t/1
switch:t Contains port:t/p
switch:t Contains port:t/q
switch:t Contains port:t/v
nic:h/a Link port:s/1 ~95
nic:h/b Link port:t/1 ~95
port:s/p Link port:t/p ~95
port:s/q Link port:t/q ~95
port:s/1 pvid=120
port:s/1 untagged=120
port:t/1 pvid=120
port:t/1 untagged=120
port:s/p tagged=120
port:t/p tagged=120
port:s/q tagged=120
port:t/q tagged=120
port:s/v ifName=vlan120
port:s/v vid=120
port:s/v ifType=135
port:s/v InSubnet subnet:192.0.2.0/24
port:s/v mac=02:00:00:00:00:01
port:t/v ifName=vlan120
port:t/v vid=120
port:t/v ifType=135
port:t/v InSubnet subnet:192.0.2.0/24
port:t/v mac=02:00:00:00:00:02
`

// A frame to the one switch's own address may be sent to the other one: it goes on between the two, if it can.
func TestWays_aside(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, changes, want string }{
		{"between the two", "", "bond a s/1 s/v | bond b t/1 t/p s/p s/v | bond b t/1 t/q s/q s/v"},
		{"one cable between the two is down", "port:t/p state=down", "bond a s/1 s/v | bond b t/1 t/q s/q s/v"},
		{"none of them carries the VLAN", "port:t/p tagged=130\nport:t/q tagged=130", "bond a s/1 s/v | lost bond b t/1 t/p s/p s/v | lost bond b t/1 t/q s/q s/v"},
		{"no cable between the two", "port:t/p state=down\nport:t/q state=down", "bond a s/1 s/v | lost bond b t/1 t/p s/p s/v | lost bond b t/1 t/q s/q s/v"},
		{"the other one has the same hardware address", "port:t/v mac=02:00:00:00:00:01", "bond a s/1 s/v"},
		{"they share a virtual address", "port:t/v virtualAddress=192.0.2.1\nport:s/v virtualAddress=192.0.2.1", "bond a s/1 s/v"},
		{"the host's cable to the other one is down", "nic:h/b state=down", "bond a s/1 s/v"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			facts := twins
			for line := range strings.Lines(c.changes) { // in place of what is said of the attribute
				line = strings.TrimSpace(line)
				subject, _, _ := strings.Cut(line, "=")
				var kept []string
				for old := range strings.Lines(facts) {
					if !strings.HasPrefix(old, subject+"=") {
						kept = append(kept, old)
					}
				}
				facts = strings.Join(kept, "") + line + "\n"
			}
			s := graph(t, facts)
			ways, gap := topology.Ways(mustNode(t, s, "lag:h/bond"), mustNode(t, s, "port:s/v"), topology.NetworkPaths)
			var got []string
			for _, w := range ways {
				words := []string{}
				if w.Lost {
					words = append(words, "lost")
				}
				for _, h := range w.Hops {
					words = append(words, strings.TrimPrefix(h.Node.Key().ID, "h/"))
				}
				got = append(got, strings.Join(words, " "))
			}
			if text := strings.Join(got, " | "); text != c.want {
				t.Errorf("got  %s (%s)\nwant %s", text, gap, c.want)
			}
		})
	}
}
