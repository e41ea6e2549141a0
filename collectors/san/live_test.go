//go:build linux

package san_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/san"
	"github.com/throughline-dc/throughline/fixtures/live"
	"github.com/throughline-dc/throughline/internal/transport"
	"github.com/throughline-dc/throughline/topology"
)

// TestLive reads a real tgtd with two portals through OpenSSH's server, before and after QEMU logs in over both.
func TestLive(t *testing.T) { //nolint:paralleltest // one array is enough at once
	live.Require(t, live.SSH, live.ISCSI)
	n := live.NewNode(t, "array1")
	for _, a := range []string{"192.0.2.50/24", "198.51.100.50/24"} {
		n.Run(t, "ip", "address", "add", a, "dev", "lo")
	}
	sshd := live.StartSSHD(t, n)
	d := collectors.Device{
		Handle: "array1", Kind: topology.Array, Address: sshd.Address, Source: topology.SourceSAN,
		Access: collectors.SANAccess{Dialect: san.DialectTGT, SSHAccess: collectors.SSHAccess{
			User: "root", Key: collectors.NewSecret(sshd.Key), HostKeys: []string{sshd.Fingerprint},
		}},
	}
	c := san.New(san.Options{Transport: transport.Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		return n.DialContext(ctx, network, address)
	}}})
	observations, err := c.Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range observations {
		if strings.HasPrefix(o.Reading.Table, "tgt-") && (!o.Reading.Partial || len(o.Facts) > 0) {
			t.Errorf("without tgtd: %s: partial %t, %q", o.Reading, o.Reading.Partial, o.Facts)
		}
	}

	n.Run(t, "mkdir", "-p", "/run/tgtd")
	tgtd := n.Start(t, "tgtd", "tgtd", "--foreground", "--iscsi", "portal=192.0.2.50:3260,portal=198.51.100.50:3260")
	tgtd.Await(t, "an answer", 20*time.Second, func(ctx context.Context) error {
		return n.Command(ctx, "tgtadm", "--lld", "iscsi", "--op", "show", "--mode", "sys").Run()
	})
	n.Run(t, "truncate", "--size=64M", "/run/unit.img")
	tgtadm := func(line string) { n.Run(t, append([]string{"tgtadm", "--lld", "iscsi"}, strings.Fields(line)...)...) }
	const target, initiator = "iqn.2026-01.test:array1", "iqn.2026-01.test:vm1"
	tgtadm("--op new --mode target --tid 1 --targetname " + target)
	tgtadm("--op new --mode logicalunit --tid 1 --lun 1 --backing-store /run/unit.img")
	tgtadm("--op update --mode logicalunit --tid 1 --lun 1 --params scsi_sn=TL0001-1,scsi_id=60000000000000000000000000000101")
	tgtadm("--op bind --mode target --tid 1 --initiator-address 192.0.2.0/24")
	tgtadm("--op bind --mode target --tid 1 --initiator-name " + initiator)
	if answer, err := c.Probe(t.Context(), d); err != nil || !strings.HasPrefix(answer, "tgt, Portal: ") {
		t.Errorf("the login: %q, %v", answer, err)
	}
	const unit, mapping = "logicalunit:naa.60000000000000000000000000000101", "mapping:@array1/iqn.2026-01.test:array1/1"
	want := []string{
		"array:@array1 portal=198.51.100.50:3260,1",
		"array:@array1 Contains targetport:" + target + ",192.0.2.50:3260",
		"targetport:" + target + ",198.51.100.50:3260 Exports " + unit,
		unit + " serial=TL0001-1", unit + " state=online", mapping + " MapsUnit " + unit, mapping + " initiatorAddress=192.0.2.0/24",
		mapping + " MapsInitiator initiatorport:" + initiator,
	}
	collectLive(t, c, d, want...)

	qemu := []string{"qemu-system-x86_64", "-display", "none", "-machine", "none"}
	for i, portal := range []string{"192.0.2.50:3260", "198.51.100.50:3260"} {
		qemu = append(qemu, "-drive", fmt.Sprintf("if=none,id=d%d,format=raw,file.driver=iscsi,file.transport=tcp,file.portal=%s,file.target=%s,file.lun=1,file.initiator-name=%s",
			i, portal, target, initiator))
		want = append(want,
			"initiatorport:"+initiator+" Nexus targetport:"+target+","+portal,
			"initiatorport:"+initiator+" sessionFrom="+target+" "+strings.TrimSuffix(portal, ":3260"))
	}
	guest := n.Start(t, "qemu", qemu...)
	guest.Await(t, "its sessions", 60*time.Second, func(ctx context.Context) error {
		out, err := n.Command(ctx, "tgtadm", "--lld", "iscsi", "--op", "show", "--mode", "conn", "--tid", "1").Output()
		if err == nil && strings.Count(string(out), initiator) != 2 {
			err = fmt.Errorf("%q", out)
		}
		return err
	})
	collectLive(t, c, d, want...)
}

// collectLive reads an array whose every answer is whole, and looks for facts.
func collectLive(t *testing.T, c *san.Collector, d collectors.Device, want ...string) {
	t.Helper()
	observations, err := c.Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(collectortest.Problems(d, observations), collectortest.Leaks(d, observations, nil)...) {
		t.Error(p)
	}
	for _, o := range observations {
		if o.Reading.Partial {
			t.Errorf("%s is partial: %s", o.Reading, o.Reading.Reason)
		}
	}
	text := collectortest.Text(observations)
	for _, fact := range want {
		if !strings.Contains(text, fact+"\n") {
			t.Errorf("not stated: %s", fact)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
