//go:build linux

package ssh_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/fixtures/live"
	"github.com/throughline-dc/throughline/internal/transport"
	"github.com/throughline-dc/throughline/topology"
)

// liveDevice is a node to log in to, as the inventory would say it.
func liveDevice(n *live.Node, s *live.SSHD) collectors.Device {
	return collectors.Device{
		Handle: n.Name(), Kind: topology.Host, Address: s.Address, Source: topology.SourceSSH,
		Access: collectors.SSHAccess{User: "root", Key: collectors.NewSecret(s.Key), HostKeys: []string{s.Fingerprint}},
	}
}

// inside makes a collector that dials from within a node.
func inside(n *live.Node, o transport.Options) *ssh.Collector {
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		return n.DialContext(ctx, network, address)
	}
	return ssh.New(ssh.Options{Transport: o})
}

// TestLiveCollect reads a host with Open vSwitch, FRR and lldpd through OpenSSH's server, and looks for what was configured.
func TestLiveCollect(t *testing.T) { //nolint:paralleltest // two nodes are enough at once
	live.Require(t, live.SSH, live.SNMP, live.LLDP, live.OVS, live.FRR)
	s := startOVS(t)
	leaf := live.NewNode(t, "leaf")
	live.Wire(t, s.Node, "eno1", leaf, "swp1")
	s.Run(t, "ovs-vsctl", "--timeout=20", "add-port", "br0", "eno1", "trunks=110,120")
	s.add(t, "vnet0", "tag=110")
	s.Run(t, "ovs-vsctl", "--timeout=20", "add-port", "br0", "mgmt0", "tag=120", "--", "set", "interface", "mgmt0", "type=internal")
	for _, line := range []string{
		"ip address add 192.0.2.11/24 dev mgmt0", "ip link set mgmt0 up", "ip address add 2001:db8::11/64 dev mgmt0 nodad",
		"ip neigh replace 192.0.2.12 lladdr 00:00:5e:00:53:0c dev mgmt0 nud permanent", "ip route add default via 192.0.2.1",
	} {
		s.Run(t, strings.Fields(line)...)
	}
	startFRR(t, s.Node, "ip route 198.51.100.128/25 192.0.2.12", "ip route 198.51.100.64/26 blackhole")
	hear(t, s.Node, leaf)
	sshd := live.StartSSHD(t, s.Node)

	d := liveDevice(s.Node, sshd)
	c := inside(s.Node, transport.Options{})
	if answer, err := c.Probe(t.Context(), d); err != nil || !strings.HasPrefix(answer, "Linux ovs ") {
		t.Errorf("the login: %q, %v", answer, err)
	}
	observations, err := c.Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(collectortest.Problems(d, observations), collectortest.Leaks(d, observations, nil)...) {
		t.Error(p)
	}
	if got, want := len(observations), len(ssh.Commands()); got != want {
		t.Errorf("%d readings, want %d", got, want)
	}
	text := collectortest.Text(observations)
	for _, o := range observations {
		if o.Reading.Partial || o.Reading.Reason != "" {
			t.Errorf("%s: partial %t: %s", o.Reading, o.Reading.Partial, o.Reading.Reason)
		}
	}
	for _, fact := range []string{
		"host:@ovs sysName=ovs",
		"virtualswitch:@ovs/br0 name=br0", "host:@ovs Contains virtualswitch:@ovs/br0", "port:@ovs/mgmt0 SupportedBy virtualswitch:@ovs/br0",
		"port:@ovs/eno1 tagged=110,120", "port:@ovs/vnet0 untagged=110", "port:@ovs/vnet0 pvid=110", "port:@ovs/mgmt0 vid=120",
		"port:@ovs/mgmt0 address=192.0.2.11/24", "port:@ovs/mgmt0 address=2001:db8::11/64", "port:@ovs/mgmt0 arp=192.0.2.12 00:00:5e:00:53:0c",
		"route:@ovs/default/0.0.0.0%2F0/192.0.2.1 nextHop=192.0.2.1",
		"route:@ovs/default/198.51.100.128%2F25/192.0.2.12 protocol=static", "route:@ovs/default/198.51.100.128%2F25/192.0.2.12 RoutesVia port:@ovs/mgmt0",
		"route:@ovs/default/198.51.100.64%2F26/blackhole state=blackhole",
		"neighborPort=ifName/swp1", "sysName=leaf",
	} {
		if !strings.Contains(text, fact+"\n") {
			t.Errorf("not stated: %s", fact)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestLiveSSHD meets OpenSSH's own server: its limits, its host keys, its refusals.
func TestLiveSSHD(t *testing.T) { //nolint:paralleltest // one node is enough at once
	live.Require(t, live.SSH)
	n := live.NewNode(t, "hv")
	sshd := live.StartSSHD(t, n, "MaxSessions 1", "Banner /etc/hostname")
	d := liveDevice(n, sshd)
	c := inside(n, transport.Options{})
	observations, err := c.Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range observations {
		if strings.Contains(o.Reading.Reason, "refuse") {
			t.Errorf("%s: %s", o.Reading, o.Reading.Reason)
		}
	}
	// An ordinary user's search path has no /usr/sbin: what is there is found all the same, and what is root's is not taken for empty.
	reader := d
	reader.Access = collectors.SSHAccess{User: live.OrdinaryUser, Key: collectors.NewSecret(sshd.Key), HostKeys: []string{sshd.Fingerprint}}
	observations, err = c.Collect(t.Context(), reader)
	if err != nil {
		t.Fatal(err)
	}
	have := readings(observations)
	for _, name := range []string{"ip-link", "bridge-link", "tc-qdisc", "uname"} {
		if r := have[name]; r.Partial || !strings.HasPrefix(name, "bridge") && r.Rows == 0 {
			t.Errorf("an ordinary user: %s: partial %t, %d rows, by %q: %s", name, r.Partial, r.Rows, r.Command, r.Reason)
		}
	}
	if _, err := n.Command(t.Context(), "sh", "-c", "command -v nft || command -v iptables-save").Output(); err == nil && !have["nft"].Partial && !have["iptables-save"].Partial {
		t.Errorf("an ordinary user sees all filters: %q, %q", have["nft"].Reason, have["iptables-save"].Reason)
	}
	stranger := d
	access := collectors.SSHAccess{User: "root", Key: collectors.NewSecret(sshd.Key), HostKeys: []string{"SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"}}
	stranger.Access = access
	if _, err := c.Probe(t.Context(), stranger); err == nil || !strings.Contains(err.Error(), "CHANGED") || !strings.Contains(err.Error(), sshd.Fingerprint) {
		t.Errorf("another host key: %v", err)
	}
	access.HostKeys, access.User = []string{sshd.Fingerprint}, "nobody"
	stranger.Access = access
	if _, err := c.Probe(t.Context(), stranger); err == nil || !strings.Contains(err.Error(), `refused the login of user "nobody"`) {
		t.Errorf("another user: %v", err)
	}
}
