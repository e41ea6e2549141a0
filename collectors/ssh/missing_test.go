package ssh_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/fixtures/sim/sshhost"
)

// That a command is missing does not say that there is nothing that it would list, where other answers show that: the reading is partial and says why.
func TestCollect_missingButShown(t *testing.T) {
	t.Parallel()
	const links = `[{"ifindex":1,"ifname":"lo","flags":["UP","LOWER_UP"],"mtu":65536,"operstate":"UNKNOWN","link_type":"loopback"},` +
		`{"ifindex":2,"ifname":"eno1","flags":["UP","LOWER_UP"],"mtu":1500,"operstate":"UP","link_type":"ether"%s}]` + "\n"
	const disks = `{"blockdevices":[{"name":"sda","kname":"sda","type":"disk","size":1,"hctl":"2:0:0:1","tran":"%s",` +
		`"children":[{"name":"mpatha","kname":"dm-0","type":"%s","size":1}]}]}` + "\n"
	ovs := []string{"ovs-bridge", "ovs-port", "ovs-interface", "ovs-flows", "ovs-fdb", "ovs-bond", "ovs-lacp"}
	for name, tt := range map[string]struct {
		link, transport, typ string
		partial              []string // tables whose command is missing
		says                 string
	}{
		"a plain host":           {"", "sas", "part", nil, ""},
		"the datapath":           {`},{"ifindex":3,"ifname":"ovs-system","flags":[],"mtu":1500,"operstate":"DOWN","link_type":"ether"`, "sas", "part", ovs, "ovs-system"},
		"a member of it":         {`,"master":"ovs-system"`, "sas", "part", ovs, "eno1"},
		"one that says its kind": {`,"linkinfo":{"info_kind":"openvswitch"}`, "sas", "part", ovs, "eno1"},
		"one in it by its kind":  {`,"linkinfo":{"info_slave_kind":"openvswitch"}`, "sas", "part", ovs, "eno1"},
		"links that nobody read": {` no JSON`, "sas", "part", ovs, "ip-link, which would show what it lists, is incomplete"},
		"a multipath device":     {"", "sas", "mpath", []string{"multipath"}, "mpatha"},
		"a disk by iSCSI":        {"", "iscsi", "part", []string{"iscsiadm"}, "sda"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, d := startHost(t, func(line string) sshhost.Answer {
				bare := strings.TrimPrefix(line, "sudo -n ")
				command, _, _ := strings.Cut(bare, " ")
				switch {
				case strings.HasPrefix(bare, "uname"):
					return sshhost.Answer{Stdout: "Linux h1 6.1.0 x86_64\n"}
				case bare == "printenv PATH":
					return sshhost.Answer{Stdout: "/usr/sbin:/usr/bin\n"}
				case strings.HasPrefix(bare, "ip -j -d link"):
					return sshhost.Answer{Stdout: fmt.Sprintf(links, tt.link)}
				case strings.HasPrefix(bare, "lsblk"):
					return sshhost.Answer{Stdout: fmt.Sprintf(disks, tt.transport, tt.typ)}
				case strings.HasPrefix(bare, "sh -c 'x=$(ovs"):
					return sshhost.Answer{Stderr: "sh: 1: ovs-vsctl: not found\n", Code: 127}
				case bare != line:
					return sshhost.Answer{Stderr: "sudo: " + command + ": command not found\n", Code: 1}
				}
				return sshhost.Answer{Stderr: "bash: line 1: " + command + ": command not found\n", Code: 127}
			}, sshhost.Faults{})
			got, err := reread(t, d, nil)
			if err != nil {
				t.Fatal(err)
			}
			have := readings(got)
			for _, table := range append([]string{"multipath", "iscsiadm", "nft", "lldp"}, ovs...) {
				r, want := have[table], slices.Contains(tt.partial, table)
				if table == "multipath" && slices.Contains(tt.partial, "iscsiadm") {
					want = true // it needs the sessions
				}
				if r.Partial != want || want && !strings.Contains(r.Reason, tt.says) && !strings.Contains(r.Reason, "which this needs") || r.Rows != 0 {
					t.Errorf("%s: partial %t, %d rows: %q", table, r.Partial, r.Rows, r.Reason)
				}
			}
		})
	}
}
