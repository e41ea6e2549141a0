package ssh_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/fixtures/sim/sshhost"
)

// What is wrong on this machine is told so, not as a device that does not answer or that refuses.
func TestCollect_localFaults(t *testing.T) {
	t.Parallel()
	_, d := startHost(t, answersOf(machine(t, "r01-h01")), sshhost.Faults{})
	garbage := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(garbage, []byte("what is this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*collectors.SSHAccess)
		says   string
	}{
		"known_hosts of garbage": {func(a *collectors.SSHAccess) { a.HostKeys, a.KnownHosts = nil, garbage }, garbage},
		"known_hosts that cannot be written": {
			func(a *collectors.SSHAccess) {
				a.HostKeys, a.KnownHosts, a.AcceptNew = nil, "/nonexistent/of/known_hosts", true
			}, "known hosts: keep the key of ",
		},
		"no agent": {func(a *collectors.SSHAccess) { a.Password, a.Agent = collectors.Secret{}, true }, "SSH_AUTH_SOCK"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			access, ok := d.Access.(collectors.SSHAccess)
			if !ok {
				t.Fatal("no access")
			}
			tt.change(&access)
			device := d
			device.Access = access
			_, err := ssh.New(ssh.Options{Agent: "/nonexistent/agent"}).Collect(t.Context(), device)
			if !errors.Is(err, collectors.ErrUnsupported) || errors.Is(err, collectors.ErrUnreachable) || errors.Is(err, collectors.ErrDenied) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q does not say %q", err, tt.says)
			}
		})
	}
}
