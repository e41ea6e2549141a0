package ssh_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/ssh"
)

// Nothing at all, from a command that does not keep silent, is no complete table, which would delete what there was; of the others it is.
func TestParse_empty(t *testing.T) {
	t.Parallel()
	speaks := []string{
		"uname", "ip-link", "ip-addr", "ip-route", "ip-rule", "bridge-vlan", "lldp", "lldp-chassis", "lldp-interfaces", "frr-route", "frr-route6",
		"ovs-interface", "ovs-port", "ovs-bridge", "nft", "iscsiadm", "lsblk", "sysctl-net", "mounts",
	}
	for _, name := range ssh.Answers() {
		for _, raw := range []string{"", "\n"} {
			if _, _, err := ssh.Parse(name, []byte(raw)); errors.Is(err, collectors.ErrMalformed) != slices.Contains(speaks, name) {
				t.Errorf("%s: %q: error %v", name, raw, err)
			}
			observations, _ := ssh.Replay(hostDevice(), map[string][]byte{name: []byte(raw)}, time.Unix(0, 0))
			if len(observations) != 1 || observations[0].Reading.Partial != slices.Contains(speaks, name) {
				t.Errorf("%s: %q: %v", name, raw, observations)
			}
		}
	}
	for name, raw := range map[string]string{
		"ip-route": "[]\n", "bridge-vlan": "port              vlan-id  \n", "lldp": "{\n  \"lldp\": [\n    {\n      \n    }\n  ]\n}\n\n", "lsblk": `{"blockdevices": []}`,
		"frr-route": "{\n}\n", "nft": `{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}}]}`,
	} {
		if _, unparsed, err := ssh.Parse(name, []byte(raw)); err != nil || len(unparsed) > 0 {
			t.Errorf("%s: %q: %v, %v", name, raw, err, unparsed)
		}
	}
	if _, _, err := ssh.Parse("iscsiadm", []byte("iSCSI Transport Class version 2.0-870\nversion 2.1.8\n")); !errors.Is(err, collectors.ErrMalformed) {
		t.Errorf("iscsiadm: headings without a session: error %v", err)
	}
}

// A text that ends within a line is cut off, wherever that is, and deletes nothing; a JSON document is known to be whole by its last bracket.
func TestParse_cut(t *testing.T) {
	t.Parallel()
	texts := map[string][]byte{"ip-link": []byte("1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN\n    link/loopback 00:00:00:00:00:00\n")}
	maps.Copy(texts, answersIn(t, "testdata/host/san"))
	maps.Copy(texts, answersIn(t, "testdata/host/ovs"))
	for name, raw := range texts {
		whole := strings.TrimSpace(string(raw))
		if whole == "" {
			continue
		}
		json := whole[0] == '{' || whole[0] == '['
		if _, _, err := ssh.Parse(name, []byte(whole)); (err == nil) != json {
			t.Errorf("%s without the end of its last line: error %v", name, err)
		}
		for n := 1; n < len(whole); n += 1 + len(whole)/50 {
			if whole[n-1] == '\n' {
				continue
			}
			observations, _ := ssh.Replay(hostDevice(), map[string][]byte{name: []byte(whole[:n])}, time.Unix(0, 0))
			if r := observations[0].Reading; !r.Partial || r.Reason == "" || len(observations[0].Facts) > 0 {
				t.Errorf("%s: %d of %d octets: partial %t, %q, with %d facts", name, n, len(whole), r.Partial, r.Reason, len(observations[0].Facts))
			}
		}
	}
}

// A bridge of Open vSwitch that follows another without its headings was not read.
func TestOVSFDB_unheaded(t *testing.T) {
	t.Parallel()
	const headings = " port  VLAN  MAC                Age\n"
	for _, c := range []struct {
		raw        string
		rows, left int
	}{
		{"bridge br0\n" + headings + "bridge br1\n" + headings + "    1     0  00:00:5e:00:53:01    1\n", 1, 0},
		{"bridge br0\nbridge br1\n" + headings + "    1     0  00:00:5e:00:53:01    1\n", 2, 1},
		{"bridge br0\n" + headings + "    1     0  00:00:5e:00:53:01    1\nbridge br1\n", 2, 1},
	} {
		observations, unparsed, err := ssh.Parse("ovs-fdb", []byte(c.raw))
		if err != nil || observations[0].Reading.Rows != c.rows || len(unparsed) != c.left {
			t.Errorf("%q: %v, not understood %v, error %v", c.raw, observations, unparsed, err)
		}
	}
	if _, _, err := ssh.Parse("ovs-fdb", []byte("bridge br0\n")); !errors.Is(err, collectors.ErrMalformed) {
		t.Errorf("one bridge without headings: error %v", err)
	}
}

// A file that may not be read is told from one that is not there by what grep says of it, so it is never told to be silent.
func TestCommands_loud(t *testing.T) {
	t.Parallel()
	for _, c := range ssh.Commands() {
		for _, line := range c.Lines {
			if strings.Contains(line, "grep -s") || strings.Contains(line, "2>") {
				t.Errorf("%s: what %q cannot read is not told", c.Name, line)
			}
		}
	}
}
