package ssh_test

import (
	"testing"

	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/internal/transport"
)

// A device that fails in the same way fails for the same reason, whenever that is: what a sweep does not change is no change.
func TestJudge_steadyReasons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, stderr, want string }{
		{"lldp", "2026-11-21T19:29:11 [WARN/control] unable to connect to socket\nmore", "exit status 1: [WARN/control] unable to connect to socket"},
		{"lldp", "2026-11-21T19:29:11+01:00 [WARN/control] x", "exit status 1: [WARN/control] x"},
		{"ovs-bridge", "2026-11-21T19:29:11Z|00001|daemon_unix|WARN|no pidfile", "exit status 1: daemon_unix|WARN|no pidfile"},
		{"ovs-bond", "2026-11-21T19:29:11.123Z|00012|daemon_unix|WARN|no pidfile", "exit status 1: daemon_unix|WARN|no pidfile"},
		{"frr-route", "2026/11/21 19:29:11.123456 ZEBRA: no", "exit status 1: ZEBRA: no"},
		{"multipath", "Nov  1 19:29:11 | no maps", "exit status 1: no maps"},
		{"multipath", "1234.567890 | no maps", "exit status 1: no maps"},
		{"lsblk", "[ 1234.567890] no", "exit status 1: no"},
		{"lsblk", "lsblk: 2026-11-21T19:29:11 is no option", "exit status 1: lsblk: 2026-11-21T19:29:11 is no option"},
		{"lsblk", "2026 is no option", "exit status 1: 2026 is no option"},
	} {
		v, err := ssh.Judge(c.name, false, transport.Output{Stderr: []byte(c.stderr), Status: 1}, transport.Output{Stdout: []byte("Linux h 6.1 x86_64\n")})
		if err != nil || v.Partial != c.want {
			t.Errorf("%q: %q, %v", c.stderr, v.Partial, err)
		}
	}
	v, err := ssh.Judge("lldp", false, transport.Output{Stderr: []byte("2026-11-21T19:29:11 [WARN/control] Permission denied"), Status: 1}, transport.Output{Stdout: []byte("Linux h 6.1 x86_64\n")})
	if want := "a privilege is missing: [WARN/control] Permission denied (sudo: true in the inventory sends this command with sudo)"; err != nil || v.Partial != want {
		t.Errorf("%q, %v", v.Partial, err)
	}
}
