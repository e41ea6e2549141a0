//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/fixtures/live"
)

// TestLivePath is the main job on the real thing: a libvirtd with a running QEMU guest, and three nodes with snmpd and lldpd, are collected by the
// program itself, once with SNMPv3 and once with SNMPv2c, and the path of the guest shows its disk file and its bridge, and leads to the switches.
func TestLivePath(t *testing.T) { //nolint:paralleltest // a guest, a libvirtd and six agents are enough at once
	live.Require(t, live.SNMP, live.LLDP, live.Guests)
	if !libvirt.Live() {
		if os.Getenv("REQUIRE_LIVE") == "1" {
			t.Fatal("this build has no live libvirt: build the tests with -tags libvirt_dlopen and cgo")
		}
		t.Skip("this build has no live libvirt: it needs -tags libvirt_dlopen and cgo")
	}
	site := live.StartSite(t)
	for _, version := range []string{"3", "2c"} { //nolint:paralleltest // one after the other: see above
		t.Run("SNMPv"+version, func(t *testing.T) {
			l := liveRun{t: t, dir: t.TempDir()}
			inventory := l.inventory(site, version)
			out := l.run("collect", "--inventory", inventory)
			want(t, out, `4 readings: 4 ok`, `revision @1: `)
			want(t, l.run("inventory", "check", "--inventory", inventory), `hv1 +libvirt +ok`, `leaf2 +snmp +ok`)
			path := l.run("path", "web1")
			want(t, path, `vm web1, running on host hv1`, `virtualswitch (hv1 )?br0`, regexp.QuoteMeta(site.Running.Disk))
			want(t, l.run("path", strings.ReplaceAll(site.Running.UUID, "-", "")), `vm web1`)
			want(t, l.run("path", strings.ToUpper(site.Running.MACs[0])), `vnic web1`)
			want(t, l.run("path", "leaf1/swp49"), `port leaf1 swp49`, `port leaf2 swp49`, `confidence 95`)
			want(t, l.run("show", "neighbors"), `leaf1 +swp1 +lldp +hv1.*hv1 eth0`, `leaf2 +swp49 +lldp +leaf1.*leaf1 swp49`)
			want(t, l.run("show", "vm"), `web1 +hv1 +running`, `db1 +hv1 +shutoff`)
			want(t, l.run("collect", "--inventory", inventory), `4 ok`, `revision @2: `)
			if diff := l.run("diff", "--from", "@1"); !strings.Contains(diff, "0 changes") && !onlyTables(diff) {
				t.Errorf("nothing was changed, and diff says:\n%s", diff)
			}
			for _, secret := range l.secrets(site) {
				l.absent(secret)
			}
		})
	}
}

// onlyTables allows what changes by itself between two sweeps of a living network: learned addresses, neighbour caches, room in the pool, and the
// taps of a guest that was started a moment ago, which net-snmp's cache of interfaces shows late.
func onlyTables(diff string) bool {
	for line := range strings.Lines(diff) {
		if !regexp.MustCompile(` (learned|arp|address|addressWithoutPrefix|InSubnet|allocationBytes|availableBytes) |/(vnet\d+|ifIndex \d+)(\s|$)|changes from`).MatchString(line) {
			return false
		}
	}
	return true
}

func want(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("no match for %q in:\n%s", p, text)
		}
	}
}

type liveRun struct {
	t   *testing.T
	dir string
}

// run runs the program as its user would, and fails the test unless it ends with 0 (or with 6 for a diff that found something).
func (l liveRun) run(args ...string) string {
	l.t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"--store", filepath.Join(l.dir, "live.db"), "--verbose"}, args...)
	code := run(l.t.Context(), args, &stdout, &stderr)
	if code != exitOK && code != exitDiffers {
		l.t.Errorf("throughline %s: exit code %d\n%s%s", strings.Join(args, " "), code, &stdout, &stderr)
	}
	text := stdout.String() + stderr.String()
	if err := os.WriteFile(filepath.Join(l.dir, fmt.Sprintf("output-%d.txt", len(text))), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return text
}

func (l liveRun) inventory(site *live.Site, version string) string {
	l.t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\ncredentials:\n")
	secret := func(name, value string) {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(value+"\n"), 0o600); err != nil {
			l.t.Fatal(err)
		}
		fmt.Fprintf(&b, "  %s: {file: %s}\n", name, name)
	}
	var devices strings.Builder
	for _, node := range []*live.Node{site.Host, site.Leaf1, site.Leaf2} {
		name, agent := node.Name(), site.Agents[node.Name()]
		kind, source := "switch", ""
		if node == site.Host {
			kind, source = "host", fmt.Sprintf("      - {source: libvirt, uri: %q}\n", site.Libvirt.URI)
		}
		secret(name+"-community", agent.Community)
		secret(name+"-auth", agent.AuthPassphrase)
		secret(name+"-priv", agent.PrivPassphrase)
		snmp := fmt.Sprintf("version: 3, user: %s, auth: SHA-256, priv: AES, credential: %s-auth, priv_credential: %s-priv", agent.User, name, name)
		if version == "2c" {
			snmp = fmt.Sprintf("version: 2c, allow_v2c: true, credential: %s-community", name)
		}
		fmt.Fprintf(&devices, "  - name: %s\n    kind: %s\n    sources:\n%s      - {source: snmp, address: %q, %s}\n", name, kind, source, node.RelayUDP(l.t, agent.Address), snmp)
	}
	b.WriteString("devices:\n" + devices.String())
	path := filepath.Join(l.dir, "inventory.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return path
}

func (l liveRun) secrets(site *live.Site) []string {
	var all []string
	for _, a := range site.Agents {
		all = append(all, a.Community, a.AuthPassphrase, a.PrivPassphrase)
	}
	return all
}

// absent looks for a secret in everything that was printed and in the store.
func (l liveRun) absent(secret string) {
	l.t.Helper()
	for _, pattern := range []string{"output-*.txt", "live.db*"} {
		files, err := filepath.Glob(filepath.Join(l.dir, pattern))
		if err != nil || len(files) == 0 {
			l.t.Fatalf("no %s to look at: %v", pattern, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				l.t.Fatal(err)
			}
			if bytes.Contains(text, []byte(secret)) {
				l.t.Errorf("a secret is in %s", filepath.Base(f))
			}
		}
	}
}
