package ssh_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/fixtures/sim/sshhost"
)

// One device cannot fill the collector: beyond what a command may honestly hold nothing is stated, and the reading says why.
func TestParse_bound(t *testing.T) {
	t.Parallel()
	list := func(n int, first, row string) []byte {
		var b strings.Builder
		b.WriteString(first)
		for i := range n {
			fmt.Fprintf(&b, row, i+2)
		}
		return []byte(b.String())
	}
	const lo = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN\n"
	for name, tt := range map[string]struct {
		table, says string
		raw         []byte
	}{
		"interfaces":        {"ip-link", "100001 rows are more than are believed of one device (100000)", list(100_000, lo, "%[1]d: e%[1]d: <UP> mtu 1500 state UP\n")},
		"octets":            {"ip-link", "octets are more than are read of this command", list(1, lo, "2: e2: <UP> mtu 1500 state UP"+strings.Repeat(" ", 32<<20)+"\n")},
		"disks":             {"lsblk", "100001 rows are more than", list(100_001, "", "NAME=\"d%d\"\n")},
		"addresses learned": {"bridge-fdb", "1000001 rows are more than", list(1_000_001, "", "00:00:5e:00:53:01 dev e%d\n")},
	} {
		if _, _, err := ssh.Parse(tt.table, tt.raw); !errors.Is(err, collectors.ErrMalformed) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: error %v", name, err)
		}
		observations, unparsed := ssh.Replay(hostDevice(), map[string][]byte{tt.table: tt.raw}, time.Unix(0, 0))
		if r := observations[0].Reading; !r.Partial || !strings.Contains(r.Reason, tt.says) || r.Rows != 0 || len(observations[0].Facts)+len(unparsed) > 0 {
			t.Errorf("%s: partial %t, %q, %d rows, %d facts", name, r.Partial, r.Reason, r.Rows, len(observations[0].Facts))
		}
	}
	if _, _, err := ssh.Parse("ip-link", list(1000, lo, "%[1]d: e%[1]d: <UP> mtu 1500 state UP\n")); err != nil {
		t.Errorf("a thousand interfaces: %v", err)
	}
}

// What a command may not print is not taken from the connection either.
func TestCollect_bound(t *testing.T) {
	t.Parallel()
	_, d := startHost(t, answersOf(machine(t, "r01-h01")), sshhost.Faults{On: "os-release", Flood: 2 << 20})
	got, err := reread(t, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r := readings(got)["os-release"]; !r.Partial || r.Reason != "the answer is too long: more than 1048576 octets" {
		t.Errorf("partial %t, %q", r.Partial, r.Reason)
	}
}
