package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/fixtures/sim"
	"github.com/throughline-dc/throughline/fixtures/sim/estate"
	"github.com/throughline-dc/throughline/fixtures/sim/sshhost"
)

// TestSSH is an operator's first day with SSH: no host key is known, then all are, then one changes.
func TestSSH(t *testing.T) {
	t.Parallel()
	size := estate.Small()
	size.LinuxRacks = 1
	e, err := estate.New(size, 1)
	if err != nil {
		t.Fatal(err)
	}
	lab, err := sim.Start(t.Context(), e, sim.Options{Folder: t.TempDir(), SSH: true, SNMPv2c: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lab.Close() })
	known := filepath.Join(lab.Folder(), "known_hosts")
	if err := os.Remove(known); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "t.db")
	throughline := func(args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = run(t.Context(), append(args, "--store", db), &out, &errs)
		return code, out.String(), errs.String()
	}
	says := func(text string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("%q is not in\n%s", w, text)
			}
		}
	}
	logins := func() (n int) {
		for d := range e.Devices {
			if h, ok := lab.Shell(e.Devices[d].Name); ok {
				n += len(h.Logins())
			}
		}
		return n
	}

	code, out, _ := throughline("inventory", "check", "--inventory", lab.Inventory())
	if code != exitPartial || logins() > 0 {
		t.Errorf("exit code %d, %d logins", code, logins())
	}
	says(out, "shows a host key for the first time: ssh-ed25519 SHA256:", "--accept-new-host-keys")
	code, _, errs := throughline("collect", "--inventory", lab.Inventory())
	if code != exitPartial || logins() > 0 {
		t.Errorf("exit code %d, %d logins: %s", code, logins(), errs)
	}
	says(errs, "for the first time")
	if code, out, errs := throughline("inventory", "check", "--inventory", lab.Inventory(), "--accept-new-host-keys"); code != exitOK {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	if code, out, errs := throughline("collect", "--inventory", lab.Inventory()); code != exitOK {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	_, out, _ = throughline("show", "readings")
	says(out, "ip-link", "bridge-vlan", "multipath", "os-release")

	shell, ok := lab.Shell("r01-h01")
	if !ok {
		t.Fatal("r01-h01 has no shell")
	}
	shell.SetFaults(sshhost.Faults{NewHostKey: true})
	before := len(shell.Logins())
	code, _, errs = throughline("collect", "--inventory", lab.Inventory(), "--accept-new-host-keys")
	if code != exitPartial || len(shell.Logins()) != before {
		t.Errorf("exit code %d, %d logins", code, len(shell.Logins())-before)
	}
	says(errs, "r01-h01", "CHANGED")
	_, out, _ = throughline("show", "gaps")
	says(out, "CHANGED")
}

// What one command printed is read by its name; without a name nobody guesses.
func TestParse_ssh(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "forward")
	if err := os.WriteFile(file, []byte("/proc/sys/net/ipv4/ip_forward:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"ip-forward", file}, exitOK, "host:@parsed forwarding=ipv4\n1 facts, 0 pieces not understood"},
		{[]string{file, "--answer", "ip-forward"}, exitOK, "forwarding=ipv4"},
		{[]string{file}, exitUsage, "want throughline parse ssh ANSWER FILE"},
		{[]string{"ifconfig", file}, exitUsage, "ip-link, "},
		{[]string{"uname", file}, exitFailed, "not the four words"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"parse", "ssh"}, tt.args...), &out, &errs); code != tt.code || !strings.Contains(out.String()+errs.String(), tt.says) {
			t.Errorf("%v: exit code %d, %s%s", tt.args, code, out.String(), errs.String())
		}
	}
}
