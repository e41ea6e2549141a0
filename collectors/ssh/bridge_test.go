package ssh_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors/ssh"
)

// saidOf gives what the answers state of a host, in words, and the names of the readings that are partial.
func saidOf(t *testing.T, answers map[string]string) (facts, partial []string) {
	t.Helper()
	raw := map[string][]byte{}
	for table, answer := range answers {
		raw[table] = []byte(answer)
	}
	observations, unparsed := ssh.Replay(hostDevice(), raw, time.Unix(0, 0))
	for _, u := range unparsed {
		t.Errorf("not understood: %v", u)
	}
	for _, o := range observations {
		if o.Reading.Partial {
			partial = append(partial, o.Reading.Table)
		}
		for _, f := range o.Facts {
			facts = append(facts, f.String())
		}
	}
	return facts, partial
}

// Whether a bridge looks at VLANs, and at which, is not believed to be what nobody said.
func TestBridgeVLAN_unknown(t *testing.T) {
	t.Parallel()
	bridge := func(options string) string {
		return "2: br0: <UP,LOWER_UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n    bridge forward_delay 1500 " + options +
			"\n3: eth3: <UP,LOWER_UP> mtu 1500 master br0 state UP\n    link/ether 02:00:00:00:00:03 brd ff:ff:ff:ff:ff:ff\n"
	}
	const one = "port\tvlan ids\neth3\t 1 PVID Egress Untagged\n\n"
	const untagged, none, doubt = "nic:@hv1/eth3 untagged=1", "nic:@hv1/eth3 untagged=", "virtualswitch:@hv1/br0 forwardMode=unknown"
	const byVLANs = "virtualswitch:@hv1/br0 forwardMode=vlans"
	const service = "nic:@hv1/eth3 tpid=802.1ad"
	for _, c := range []struct {
		name, options, members string // members "-": the command failed
		said                   []string
	}{
		{"it filters", "vlan_filtering 1 vlan_protocol 802.1Q", one, []string{byVLANs, untagged}},
		{"it does not", "vlan_filtering 0 vlan_protocol 802.1Q", one, nil},
		{"nobody says whether it does", "", one, []string{doubt}},
		{"a word that it does not have", "vlan_filtering 2", one, []string{doubt}},
		{"it filters, and no port has a VLAN", "vlan_filtering 1", "port\tvlan ids\n", []string{byVLANs, none}},
		{"it filters, and no port has a VLAN, in JSON", "vlan_filtering 1", "[]", []string{byVLANs, none}},
		{"it filters, and its VLANs were not read", "vlan_filtering 1", "-", []string{byVLANs}},
		{"it does not, and its VLANs were not read", "vlan_filtering 0", "-", nil},
		{"its VLANs are those of a provider bridge", "vlan_filtering 1 vlan_protocol 802.1ad", one, []string{byVLANs, service}},
		{"it passes all, whatever its VLANs would be", "vlan_filtering 0 vlan_protocol 802.1ad", one, nil},
	} {
		answers := map[string]string{"ip-link": bridge(c.options), "bridge-vlan": c.members}
		if c.members == "-" {
			answers["bridge-vlan"] = "[{" // broken off
		}
		facts, _ := saidOf(t, answers)
		for _, f := range []string{untagged, none, doubt, byVLANs, service} {
			if said := slices.Contains(facts, f); said != slices.Contains(c.said, f) {
				t.Errorf("%s: %s is stated: %t", c.name, f, said)
			}
		}
	}
}

// A VLAN's own tree, a port that is isolated or locked, and tags of another kind are told, in both forms.
func TestBridge_limits(t *testing.T) {
	t.Parallel()
	const links = "2: br0: <UP,LOWER_UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n    bridge vlan_filtering 1 vlan_protocol 802.1Q\n" +
		"3: eth3: <UP,LOWER_UP> mtu 1500 master br0 state UP\n    link/ether 02:00:00:00:00:03 brd ff:ff:ff:ff:ff:ff\n"
	for _, c := range []struct {
		table, answer string
		said, unsaid  []string
	}{
		{
			"bridge-link", `[{"ifname":"eth3","master":"br0","state":"forwarding","isolated":true,"locked":false}]`,
			[]string{"nic:@hv1/eth3 portLimit=isolated", "nic:@hv1/eth3 stpState=0 forwarding"},
			[]string{"nic:@hv1/eth3 portLimit=locked"},
		},
		{
			"bridge-link", "3: eth3: <UP,LOWER_UP> mtu 1500 master br0 state forwarding priority 32 cost 2 \n    hairpin off guard off learning on isolated on locked off \n",
			[]string{"nic:@hv1/eth3 portLimit=isolated", "nic:@hv1/eth3 stpState=0 forwarding"},
			[]string{"nic:@hv1/eth3 portLimit=locked"},
		},
		{
			"bridge-link", `[{"ifname":"eth3","master":"br0","state":"forwarding","isolated":false,"locked":true,"mab":true}]`,
			[]string{"nic:@hv1/eth3 portLimit=locked"},
			[]string{"nic:@hv1/eth3 portLimit=isolated"},
		},
		{
			"bridge-link", "3: eth3: <UP,LOWER_UP> mtu 1500 master br0 state forwarding priority 32 cost 2 \n    isolated off locked on mab on \n",
			[]string{"nic:@hv1/eth3 portLimit=locked"},
			[]string{"nic:@hv1/eth3 portLimit=isolated"},
		},
		{
			"bridge-vlan", `[{"ifname":"eth3","vlans":[{"vlan":10,"vlanEnd":12,"state":"blocking","mcast_router":1},{"vlan":13,"state":"forwarding"},{"vlan":14}]}]`,
			[]string{"nic:@hv1/eth3 tagged=10-14", "nic:@hv1/eth3 stpState=10 blocking", "nic:@hv1/eth3 stpState=12 blocking"},
			[]string{"nic:@hv1/eth3 stpState=13 forwarding", "nic:@hv1/eth3 stpState=14 blocking"},
		},
		{
			"bridge-vlan", "port\tvlan-id\neth3\t 10-12\n\t\t    state blocking mcast_router 1 neigh_suppress off\n\t 13\n\t\t    state forwarding mcast_router 1\n\t 14\n",
			[]string{"nic:@hv1/eth3 tagged=10-14", "nic:@hv1/eth3 stpState=10 blocking", "nic:@hv1/eth3 stpState=12 blocking"},
			[]string{"nic:@hv1/eth3 stpState=13 forwarding", "nic:@hv1/eth3 stpState=14 blocking"},
		},
		{
			"ip-link", links + "4: eth3.5@eth3: <UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:03 brd ff:ff:ff:ff:ff:ff\n    vlan protocol 802.1ad id 5 <REORDER_HDR>\n",
			[]string{"port:@hv1/eth3.5 vid=5", "port:@hv1/eth3.5 tpid=802.1ad"},
			nil,
		},
		{
			"ip-link", `[{"ifindex":4,"link":"eth3","ifname":"eth3.5","flags":["UP"],"mtu":1500,"operstate":"UP","link_type":"ether","linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1ad","id":5,"flags":[]}}}]`,
			[]string{"port:@hv1/eth3.5 tpid=802.1ad"},
			nil,
		},
		{
			"ip-link", links + "4: eth3.5@eth3: <UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:03 brd ff:ff:ff:ff:ff:ff\n    vlan protocol 802.1Q id 5 <REORDER_HDR>\n",
			[]string{"port:@hv1/eth3.5 vid=5"},
			[]string{"port:@hv1/eth3.5 tpid=802.1Q"},
		},
	} {
		answers := map[string]string{"ip-link": links}
		answers[c.table] = c.answer
		facts, partial := saidOf(t, answers)
		if len(partial) > 0 {
			t.Errorf("%s: partial: %q", c.answer, partial)
		}
		for _, f := range c.said {
			if !slices.Contains(facts, f) {
				t.Errorf("%s: not stated: %s; but %s", c.answer, f, strings.Join(facts, ", "))
			}
		}
		for _, f := range c.unsaid {
			if slices.Contains(facts, f) {
				t.Errorf("%s: stated: %s", c.answer, f)
			}
		}
	}
}

// A port that puts a second tag on says so, and so does the vNIC that is behind it.
func TestOVS_tunnelPort(t *testing.T) {
	t.Parallel()
	guest := func(row string) string {
		return strings.Replace(row, `120, ["set", []], ["set", []]`, `120, ["set", []], "dot1q-tunnel"`, 1)
	}
	row := ovsPortRow(t, `"vnet0"`)
	if guest(row) == row {
		t.Fatalf("no tag and mode to change in %s", row)
	}
	facts := ovsFacts(t, "", [3]string{"ovs-port", row, guest(row)})
	for _, f := range []string{"vnic:aaaaaaaa-2222-4333-8444-555555555550/52:54:00:00:53:00 tpid=802.1ad", "port:@hv1/vnet0 tpid=802.1ad"} {
		if !slices.Contains(facts, f) {
			t.Errorf("not stated: %s", f)
		}
	}
	if slices.Contains(facts, "vnic:aaaaaaaa-2222-4333-8444-555555555550/52:54:00:00:53:00 vid=120") {
		t.Error("the outer tag is the vNIC's VLAN")
	}
}

// A bridge leaves the host by a veth that is named like a card: the host is a container. It does not by the host's end of a container's cable.
func TestObserve_uplinkOfContainer(t *testing.T) {
	t.Parallel()
	link := func(n int, name, words string) string {
		return fmt.Sprintf("%d: %s@if7: <UP,LOWER_UP> mtu 1500 master br0 state UP\n    link/ether 02:00:00:00:00:%02x brd ff:ff:ff:ff:ff:ff link-netnsid 0\n    %s\n", n, name, n, words)
	}
	facts, _ := saidOf(t, map[string]string{
		"ip-link": "2: br0: <UP,LOWER_UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n    bridge forward_delay 1500 vlan_filtering 1\n" +
			link(3, "eth0", "veth") + strings.Replace(strings.Replace(link(8, "eth1", "veth"), "@if7", "@eth0", 1), " link-netnsid 0", "", 1) + link(4, "ens1f0", "veth") + link(5, "veth2f6a1b", "veth") + link(6, "cali12345", "veth") + link(7, "vnet0", "tun type tap"),
	})
	var ups []string
	for _, f := range facts {
		if strings.Contains(f, "virtualswitch:@hv1/br0 SupportedBy") {
			ups = append(ups, f[strings.LastIndexByte(f, '/')+1:])
		}
	}
	if want := []string{"ens1f0", "eth0"}; !slices.Equal(slices.Sorted(slices.Values(ups)), want) {
		t.Errorf("br0 leaves by %q, want %q", ups, want)
	}
}
