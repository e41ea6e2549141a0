//go:build linux

package ssh_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/fixtures/live"
	"github.com/throughline-dc/throughline/topology"
)

// TestLiveNetwork_bothForms reads a real kernel, lldpd and FRR with each command in both of its forms: every row is understood, and both forms state
// the same.
func TestLiveNetwork_bothForms(t *testing.T) { //nolint:paralleltest // two nodes are enough at once
	live.Require(t, live.SNMP, live.LLDP, live.FRR)
	hv, leaf := live.NewNode(t, "hv"), live.NewNode(t, "leaf")
	live.Wire(t, hv, "eno1", leaf, "swp1")
	for _, line := range []string{
		"ip address add 192.0.2.11/24 dev eno1", "ip -6 address add 2001:db8::11/64 dev eno1 nodad",
		"ip link add br0 type bridge", "ip link set br0 up",
		"ip link add vx24 type vxlan id 24 local 192.0.2.11 dstport 4789 nolearning", "ip link set vx24 master br0", "ip link set vx24 up",
		"ip link add mv0 link eno1 type macvlan mode bridge", "ip tuntap add vnet0 mode tap", "ip link set vnet0 master br0",
		"ip link set eno1 alias uplink",
		"bridge fdb add 00:00:5e:00:53:09 dev vx24 dst 192.0.2.12", "bridge fdb append 00:00:00:00:00:00 dev vx24 dst 192.0.2.12",
		"bridge fdb add 00:00:5e:00:53:0a dev vnet0 master static",
		"ip neigh replace 192.0.2.12 lladdr 00:00:5e:00:53:0c dev eno1 nud permanent", "ip -6 neigh replace 2001:db8::12 lladdr 00:00:5e:00:53:0c dev eno1 nud permanent",
		"ip route add default via 192.0.2.1", "ip route add 203.0.113.0/25 nexthop via 192.0.2.12 weight 1 nexthop via 192.0.2.13 weight 1",
		"ip route add blackhole 203.0.113.128/25", "ip route add unreachable 198.51.100.0/24 table 100", "ip -6 route add default via 2001:db8::1",
		"ip route add 198.51.100.7 via inet6 2001:db8::12 dev eno1", "ip rule add from 198.51.100.0/24 table 100 priority 100",
		"ip rule add fwmark 0x10/0xff lookup 100 priority 101", "ip -6 rule add to 2001:db8:1::/48 iif eno1 blackhole priority 102",
	} {
		hv.Run(t, strings.Fields(line)...)
	}
	startFRR(t, hv, "ip route 198.51.100.128/25 192.0.2.12", "ipv6 route 2001:db8:9::/48 2001:db8::12", "ip route 198.51.100.64/26 blackhole")
	hear(t, hv, leaf)

	d := collectors.Device{Handle: "hv", Kind: topology.Host, Source: topology.SourceSSH}
	answers, old := map[string][]byte{}, map[string][]byte{}
	for _, c := range ssh.NetworkCommands() {
		if c.Old != "" {
			old[c.Name] = []byte(hv.Run(t, "sh", "-c", c.Old))
		}
		answer, err := hv.Command(t.Context(), "sh", "-c", c.Line).Output()
		switch {
		case err == nil:
			answers[c.Name] = answer
		case c.Old != "": // a kernel may not have what the first form asks for, as VLANs of bridges
			answers[c.Name] = old[c.Name]
		default:
			t.Fatalf("%s: %v", c.Name, err)
		}
	}
	s := scenario{device: d}
	got := s.said(t, answers)
	if strings.Contains(got, "not understood") || strings.Contains(got, " partial") {
		t.Errorf("%s", got)
	}
	for name, raw := range old {
		mixed := maps.Clone(answers)
		mixed[name] = raw
		if diff := cmp.Diff(withoutRows(got), withoutRows(s.said(t, mixed))); diff != "" {
			t.Errorf("%s as text states other things (-JSON +text)\n%s\nJSON: %s\ntext: %s", name, diff, answers[name], raw)
		}
	}
	for _, fact := range []string{
		"virtualswitch:@hv/br0 SupportedBy port:@hv/vx24", "port:@hv/vx24 vni=24", "port:@hv/vx24 vtep=192.0.2.11",
		"port:@hv/vx24 tunnelEntry=00:00:5e:00:53:09 192.0.2.12", "port:@hv/vx24 tunnelEntry=00:00:00:00:00:00 192.0.2.12",
		"port:@hv/vnet0 learned=0 00:00:5e:00:53:0a static", "port:@hv/mv0 SupportedBy port:@hv/eno1", "port:@hv/eno1 ifAlias=uplink",
		"port:@hv/eno1 address=192.0.2.11/24", "port:@hv/eno1 arp=192.0.2.12 00:00:5e:00:53:0c", "port:@hv/eno1 arp=2001:db8::12 00:00:5e:00:53:0c",
		"route:@hv/default/0.0.0.0%2F0/192.0.2.1 RoutesVia port:@hv/eno1", "route:@hv/default/203.0.113.0%2F25/192.0.2.13 nextHop=192.0.2.13",
		"route:@hv/default/203.0.113.128%2F25/blackhole state=blackhole", "route:@hv/table 100/198.51.100.0%2F24/reject state=reject",
		"route:@hv/default/198.51.100.7%2F32/2001:db8::12 nextHop=2001:db8::12", "route:@hv/default/::%2F0/2001:db8::1 nextHop=2001:db8::1",
		"route:@hv/default/198.51.100.128%2F25/192.0.2.12 protocol=static",
		"host:@hv policyRule=100 ipv4 from 198.51.100.0/24 lookup 100", "host:@hv policyRule=101 ipv4 from all fwmark 0x10/0xff lookup 100",
		"host:@hv policyRule=102 ipv6 from all to 2001:db8:1::/48 iif eno1 blackhole",
		"port:@hv/eno1 lldpPortID=ifName/eno1", "neighborPort=ifName/swp1", "sysName=leaf",
	} {
		if !strings.Contains(got, fact+"\n") {
			t.Errorf("not stated: %s", fact)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

// startFRR runs zebra and staticd with these lines of configuration, and waits until the last one is a route.
func startFRR(t *testing.T, n *live.Node, lines ...string) {
	t.Helper()
	n.Run(t, "install", "-d", "-o", "frr", "-g", "frr", "/run/frr")
	for _, name := range []string{"zebra", "staticd"} {
		d := n.Start(t, name, "/usr/lib/frr/"+name, "-A", "127.0.0.1", "-P", "0", "-f", "/dev/null")
		d.Await(t, "vty of "+name, 20*time.Second, func(ctx context.Context) error {
			return n.Command(ctx, "vtysh", "-d", name, "-c", "show version").Run()
		})
	}
	argv := []string{"vtysh", "-c", "configure terminal"}
	for _, line := range lines {
		argv = append(argv, "-c", line)
	}
	n.Run(t, argv...)
	eventually(t, "routes of staticd", func() error {
		if !strings.Contains(n.Run(t, "ip", "route", "show", "table", "all"), "198.51.100.64/26") {
			return errors.New("the kernel has no route of staticd yet")
		}
		return nil
	})
}

// hear lets two nodes that are joined hear each other by LLDP.
func hear(t *testing.T, hv, leaf *live.Node) {
	t.Helper()
	for n, iface := range map[*live.Node]string{hv: "eno1", leaf: "swp1"} {
		agent := live.StartSNMPD(t, n, live.SNMPOptions{})
		live.StartLLDPD(t, agent, live.LLDPOptions{Interfaces: []string{iface}, Capabilities: "bridge"})
	}
	eventually(t, "LLDP neighbour", func() error {
		if !strings.Contains(hv.Run(t, "lldpcli", "show", "neighbors"), "leaf") {
			return errors.New("nobody is heard")
		}
		return nil
	})
}

// eventually asks until there is no error any more.
func eventually(t *testing.T, what string, probe func() error) {
	t.Helper()
	const limit, pause = 30 * time.Second, 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		err := probe()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(pause):
		}
	}
}

// Both commands of each table are there, and the tables have names of their own.
func TestNetwork_commands(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range ssh.NetworkCommands() {
		if c.Name == "" || c.Line == "" || slices.Contains(names, c.Name) {
			t.Errorf("%+v", c)
		}
		names = append(names, c.Name)
	}
}
