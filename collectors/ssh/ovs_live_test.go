//go:build linux

package ssh_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/fixtures/live"
	"github.com/throughline-dc/throughline/topology"
)

// liveSwitch is a running Open vSwitch with one bridge in the userspace datapath.
type liveSwitch struct {
	*live.Node
	ports map[string]string // number in the datapath by name
	names map[string]string // and back
}

func startOVS(t *testing.T) *liveSwitch {
	t.Helper()
	n := live.NewNode(t, "ovs")
	n.Run(t, "mkdir", "-p", "/run/openvswitch")
	n.Run(t, "ovsdb-tool", "create", "/run/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
	db := n.Start(t, "ovsdb-server", "ovsdb-server", "/run/conf.db", "--remote=punix:/run/openvswitch/db.sock",
		"--pidfile=/run/openvswitch/ovsdb-server.pid", "-vconsole:err")
	answers := func(argv ...string) func(context.Context) error {
		return func(ctx context.Context) error { return n.Command(ctx, argv...).Run() }
	}
	db.Await(t, "the database", 20*time.Second, answers("ovs-vsctl", "--no-wait", "init"))
	vswitchd := n.Start(t, "ovs-vswitchd", "ovs-vswitchd", "unix:/run/openvswitch/db.sock", "--pidfile=/run/openvswitch/ovs-vswitchd.pid", "-vconsole:err")
	vswitchd.Await(t, "the switch", 20*time.Second, answers("ovs-appctl", "ofproto/list"))
	n.Run(t, "ovs-vsctl", "--timeout=20", "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")
	return &liveSwitch{Node: n}
}

// add makes a port with these columns.
func (s *liveSwitch) add(t *testing.T, name string, columns ...string) {
	t.Helper()
	s.Run(t, "ip", "link", "add", name, "type", "veth", "peer", "name", "x"+name)
	s.Run(t, "ip", "link", "set", name, "up")
	s.Run(t, "ip", "link", "set", "x"+name, "up")
	s.Run(t, append([]string{"ovs-vsctl", "--timeout=20", "add-port", "br0", name}, columns...)...)
}

// numbers reads "    trunk 2/3: (system)".
func (s *liveSwitch) numbers(t *testing.T) {
	t.Helper()
	s.ports, s.names = map[string]string{}, map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^ +(\S+) \d+/(\d+): `).FindAllStringSubmatch(s.Run(t, "ovs-appctl", "dpif/show"), -1) {
		s.ports[m[1]], s.names[m[2]] = m[2], m[1]
	}
}

// flood asks where a broadcast frame goes that comes in by a port: the tag, 0 for none, with which it leaves by each other port.
func (s *liveSwitch) flood(t *testing.T, in string, vid int) map[string]int {
	t.Helper()
	flow := "in_port=" + in + ",dl_src=02:00:5e:00:53:01,dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x0800"
	if vid > 0 {
		flow += ",dl_vlan=" + strconv.Itoa(vid)
	}
	_, actions, ok := strings.Cut(s.Run(t, "ovs-appctl", "ofproto/trace", "--names", "br0", flow), "Datapath actions: ")
	if !ok {
		t.Fatalf("no answer for %s", flow)
	}
	out := map[string]int{}
	tag := vid
	for _, action := range regexp.MustCompile(`push_vlan\([^)]*\)|[^,\n]+`).FindAllString(actions, -1) {
		switch m := regexp.MustCompile(`vid=(\d+)`).FindStringSubmatch(action); {
		case m != nil:
			tag, _ = strconv.Atoi(m[1])
		case action == "pop_vlan":
			tag = 0
		case s.ports[action] != "":
			out[action] = tag
		}
	}
	return out
}

// TestLiveOVS_vlans asks a real Open vSwitch what it does with frames, and compares that with the VLANs that are read of its ports.
func TestLiveOVS_vlans(t *testing.T) { //nolint:paralleltest // one switch is enough at once
	live.Require(t, live.OVS)
	s := startOVS(t)
	modes := map[string][]string{ // by names that mean nothing to OpenFlow, as "all" and "none" do
		"every":    nil,
		"trunk":    {"trunks=10,20"},
		"access":   {"tag=10"},
		"both":     {"tag=10", "trunks=20,30"},
		"zero":     {"vlan_mode=access"},
		"tagged":   {"vlan_mode=native-tagged", "tag=10", "trunks=20"},
		"untagged": {"vlan_mode=native-untagged", "tag=10"},
		"listed":   {"vlan_mode=native-untagged", "tag=10", "trunks=0,20,30"},
		"naked":    {"vlan_mode=native-untagged", "trunks=20"},
		"forced":   {"vlan_mode=trunk", "tag=10", "trunks=20"},
		"shielded": {"protected=true"},
		"shelter":  {"protected=true"},
	}
	for name, columns := range modes {
		s.add(t, name, columns...)
	}
	s.add(t, "probe") // carries all, and is asked first
	s.numbers(t)
	answers := map[string][]byte{}
	for table, line := range ssh.HostLines() {
		if strings.HasPrefix(table, "ovs-") {
			answers[table] = []byte(s.Run(t, "sh", "-c", line))
		}
	}
	observations, unparsed := ssh.Replay(hostDevice(), answers, time.Unix(0, 0))
	for _, u := range unparsed {
		t.Errorf("not understood: %v", u)
	}
	read := map[string]map[topology.Attr]topology.Value{}
	for _, o := range observations {
		for _, f := range o.Facts {
			if f.Subject.Kind == topology.Port && f.Rel == 0 {
				name := f.Subject.ID[strings.LastIndexByte(f.Subject.ID, '/')+1:]
				if read[name] == nil {
					read[name] = map[topology.Attr]topology.Value{}
				}
				read[name][f.Attr] = f.Value
			}
		}
	}
	for name := range modes {
		compareVLANs(t, s, name, read[name])
	}
	_, out := s.flood(t, "shielded", 10)["shelter"]
	_, back := s.flood(t, "shielded", 10)["probe"]
	limits := []string{read["shielded"][topology.AttrPortLimit].String(), read["shelter"][topology.AttrPortLimit].String(), read["every"][topology.AttrPortLimit].String()}
	if out || !back || !slices.Equal(limits, []string{"isolated", "isolated", ""}) {
		t.Errorf("protected ports pass to each other: %t, to others: %t; read is %q", out, back, limits)
	}
	s.compareRules(t, answers)
}

// compareRules gives the switch rules, and compares whether it still passes all that it passed without them with whether it is read as one that does.
func (s *liveSwitch) compareRules(t *testing.T, answers map[string][]byte) {
	t.Helper()
	line := ssh.HostLines()["ovs-flows"]
	for _, c := range []struct {
		rules  []string
		passes bool
	}{
		{[]string{"actions=normal"}, true},
		{[]string{"cookie=0x7,priority=0,actions=normal"}, true},
		{nil, false},
		{[]string{"priority=0,actions=normal", "priority=5,dl_type=0x0800,actions=drop"}, false},
		{[]string{"dl_vlan=10,actions=normal"}, false},
		{[]string{"actions=drop"}, false},
		{[]string{"actions=resubmit(,3)", "table=3,dl_vlan=20,actions=normal"}, false},
	} {
		s.Run(t, "ovs-ofctl", "del-flows", "br0")
		for _, rule := range c.rules {
			s.Run(t, "ovs-ofctl", "add-flow", "br0", rule)
		}
		if _, out := s.flood(t, "probe", 10)["every"]; c.passes && !out {
			t.Errorf("%q: the switch passes nothing", c.rules)
		}
		answers["ovs-flows"] = []byte(s.Run(t, "sh", "-c", line))
		observations, unparsed := ssh.Replay(hostDevice(), answers, time.Unix(0, 0))
		for _, u := range unparsed {
			t.Errorf("%q: not understood: %v", c.rules, u)
		}
		ruled := slices.ContainsFunc(observations, func(o topology.Observation) bool {
			return slices.ContainsFunc(o.Facts, func(f topology.Fact) bool { return f.Attr == topology.AttrForwardMode })
		})
		if ruled == c.passes {
			t.Errorf("%q: ruled is %t\n%s", c.rules, ruled, answers["ovs-flows"])
		}
	}
}

func compareVLANs(t *testing.T, s *liveSwitch, name string, read map[topology.Attr]topology.Value) {
	t.Helper()
	tagged, untagged, pvid := read[topology.AttrTagged].VIDs(), read[topology.AttrUntagged].VIDs(), int(read[topology.AttrPVID].Int())
	for _, vid := range []topology.VID{1, 10, 20, 30, 4094} {
		tag, out := s.flood(t, "probe", int(vid))[name]
		if want := tagged.Has(vid) || untagged.Has(vid); out != want || out && (tag == 0) != untagged.Has(vid) || tag != 0 && tag != int(vid) {
			t.Errorf("%s: VLAN %d leaves: %t, with tag %d; read are tagged %s, untagged %s", name, vid, out, tag, tagged, untagged)
		}
		tag, in := s.flood(t, name, int(vid))["probe"]
		if untagged.Has(vid) {
			continue // whether it also comes in with a tag is not in the model
		}
		if in != tagged.Has(vid) || in && tag != int(vid) {
			t.Errorf("%s: VLAN %d with a tag comes in: %t, as %d; read is tagged %s", name, vid, in, tag, tagged)
		}
	}
	if tag, in := s.flood(t, name, 0)["probe"]; in && tag != pvid || !in && pvid != 0 {
		t.Errorf("%s: a frame without a tag comes in: %t, as %d; read is pvid %d", name, in, tag, pvid)
	}
	if t.Failed() {
		t.Log(fmt.Sprint(read))
	}
}
