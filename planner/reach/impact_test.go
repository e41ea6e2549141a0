package reach_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/topology"
)

// second is another switch beside the first: a second way for all.
const second = `
host:h Contains nic:h/e2
virtualswitch:h/br0 SupportedBy nic:h/e2
switch:r Contains port:r/1
switch:r Contains port:r/2
port:r/1 ifName=r1
port:r/2 ifName=r2
port:r/1 tagged=120,130
port:r/2 tagged=120,130
nic:h/e2 Link port:r/1 ~95
firewall:f Contains port:f/2
port:f/2 ifName=f2
port:f/2 Link port:r/2 ~95
port:f/v120 SupportedBy port:f/2
port:f/v130 SupportedBy port:f/2
`

func TestImpact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, changes, failed, want string }{
		{"the only switch", "", "switch:s", "u path 0 of 1, v path 0 of 1, w path 0 of 1"},
		{"a port of it", "", "port:s/2", "u path 0 of 1, v path 0 of 1, w path 0 of 1"},
		{"one of two", second, "switch:s", "u redundancy 1 of 2, v redundancy 1 of 2, w redundancy 1 of 2"},
		{"one of two, where the other is broken already", second + "port:r/2 state=down", "switch:s", "u path 0 of 1, v path 0 of 1, w path 0 of 1"},
		{"the broken one", second + "port:r/2 state=down", "switch:r", ""},
		{"one of two, where what is said of the other is old", second + oldPort, "switch:s", "u unknown 0 of 1, v unknown 0 of 1, w unknown 0 of 1"},
		{"the one of which what is said is old", second + oldPort, "switch:r", "u unknown 1 of 1, v unknown 1 of 1, w unknown 1 of 1"},
		{"a device that both have, where what is said of one is old", second + oldPort, "firewall:f", "u path 0 of 1, v path 0 of 1, w path 0 of 1"},
		{"of whose way nobody knows the end", "-port:f/1 Link port:s/2 ~95", "switch:s", "u unknown 0 of 0, v unknown 0 of 0, w unknown 0 of 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := scene(t, c.changes+vms, nil)
			k, err := topology.ParseKey(c.failed)
			if err != nil {
				t.Fatal(err)
			}
			n, _ := s.Node(k)
			var got []string
			for _, i := range network(s).Impact(n) {
				got = append(got, fmt.Sprintf("%s %s %d of %d", i.VM.Name(), i.Loss, i.Left, i.Ways))
			}
			if text := strings.Join(got, ", "); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

const oldPort = "-port:r/2 tagged=120,130\n!port:r/2 tagged=120,130"

const vms = "\nvm:v name=v\nvm:u name=u\nvm:w name=w\nvm:v RunsOn host:h\nvm:u RunsOn host:h\nvm:w RunsOn host:h\n"

func TestSinglePoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, changes, want string }{
		{"one way", "", "switch:s 3, firewall:f 3; unknown 0"},
		{"two ways", second, "firewall:f 3; unknown 0"},
		{"two ways, where what is said of one is old", second + oldPort, "; unknown 3"},
		{"ways of which nobody knows the end", "-port:f/1 Link port:s/2 ~95", "; unknown 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			singles, unknown := network(scene(t, c.changes+vms, nil)).SinglePoints()
			var got []string
			for _, x := range singles {
				got = append(got, fmt.Sprintf("%s %d", x.Device.Key(), len(x.Rails)))
			}
			if text := fmt.Sprintf("%s; unknown %d", strings.Join(got, ", "), unknown); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}
