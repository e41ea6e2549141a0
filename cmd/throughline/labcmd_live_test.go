//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/fixtures/lab"
	"github.com/throughline-dc/throughline/fixtures/lab/labtest"
)

// TestLiveLab_commands is the small lab without VMs as its user meets it: up, status, exec, logins by the inventory that it prints, down.
func TestLiveLab_commands(t *testing.T) { //nolint:paralleltest // a lab has more processes than this machine has cores
	labtest.Require(t, lab.Missing())
	text, _, _ := strings.Cut(string(labtest.Apart(t, lab.Small())), "\nvms:")
	spec, err := lab.Parse("small.yaml", []byte(text+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	name, address := spec.Name, spec.Hosts[0].Address.String()
	folder := t.TempDir()
	file, dir := filepath.Join(folder, "lab.yaml"), filepath.Join(folder, "by-link", "tcmd")
	if err := os.Symlink(t.TempDir(), filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { labRun(t, exitOK, "lab", "down", "--dir", dir) })

	out, said := labRun(t, exitOK, "lab", "up", "--file", file, "--dir", dir)
	there, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	want(t, out, `(?m)^node +kind +rack +address +runs$`, `(?m)^r1h1 +host +r1 +`+regexp.QuoteMeta(address)+` +libvirtd lldpd ovs-vswitchd ovsdb-server snmpd sshd virtlogd$`, `ssh -F `+there)
	want(t, said, `(?m)^ *\d+\.\d s  5 nodes$`, `lab `+name+` is up after \d+\.\d s`)
	_, said = labRun(t, exitOK, "lab", "up", "--file", file, "--dir", dir)
	want(t, said, `lab `+name+` was up already, and is whole`)

	out, _ = labRun(t, exitOK, "lab", "status", "--dir", dir, "--output", "json")
	var status lab.Status
	if err := json.Unmarshal([]byte(out), &status); err != nil || !status.Whole || len(status.Nodes) != 4 || status.Nodes[2].Name != "r1tor" {
		t.Errorf("%+v, %v", status, err)
	}
	out, _ = labRun(t, 7, "lab", "exec", "--dir", dir, "r1tor", "--", "sh", "-c", "hostname; exit 7")
	want(t, out, `^r1tor\n$`)
	interrupted(t, dir)
	_, said = labRun(t, exitNothing, "lab", "exec", "--dir", dir, "r9", "--", "true")
	want(t, said, `lab `+name+` has no node "r9"`)
	_, said = labRun(t, exitNothing, "lab", "console", "--dir", dir, "vm1")
	want(t, said, `vm1`)

	out, _ = labRun(t, exitOK, "lab", "inventory", "--dir", dir)
	inventory := filepath.Join(folder, "inventory.yaml")
	if err := os.WriteFile(inventory, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	var logins, ignored bytes.Buffer
	_ = run(t.Context(), []string{"inventory", "check", "--inventory", inventory}, &logins, &ignored) // libvirt is not in every build
	want(t, logins.String(), `r1h1 +snmp +ok`, `r1h2 +ssh +ok`, `r1tor +snmp +ok`, `r1tor +ssh +ok`, `array1 +san +ok`)

	_, said = labRun(t, exitOK, "lab", "down", "--dir", dir)
	want(t, said, regexp.QuoteMeta(there)+`: ended 5 nodes with \d+ processes, \d+ of them by force`)
	_, said = labRun(t, exitOK, "lab", "down", "--dir", dir)
	want(t, said, `there is no lab to take down`)
}

// interrupted stops the program while a command runs in a node: the command ends in its own way, and what it has started with it.
func interrupted(t *testing.T, dir string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &until{text: "ready", then: stop}
	var errs bytes.Buffer
	code := run(ctx, []string{"lab", "exec", "--dir", dir, "r1tor", "--", "sh", "-c", `trap 'echo ended; exit 9' TERM; sleep 4711 & echo ready; wait`}, out, &errs)
	if code != 9 || out.said.String() != "ready\nended\n" {
		t.Errorf("exit code %d, %q, %s", code, &out.said, &errs)
	}
	const look = `for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; echo; done | grep "^sleep 4711"`
	if left, said := labRun(t, 1, "lab", "exec", "--dir", dir, "r1tor", "--", "sh", "-c", look); left != "" {
		t.Errorf("still there: %q, %s", left, said)
	}
}

// until calls a function once a text was written.
type until struct {
	said bytes.Buffer
	text string
	then func()
}

func (u *until) Write(text []byte) (int, error) {
	if u.said.Write(text); strings.Contains(u.said.String(), u.text) {
		u.then()
	}
	return len(text), nil
}

// labRun runs the program and wants it to end with a code.
func labRun(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(t.Context(), args, &out, &errs); got != code {
		t.Fatalf("throughline %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, &out, &errs)
	}
	return out.String(), errs.String()
}
