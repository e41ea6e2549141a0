package cli_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/cli"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/topology"
)

// The faults of the suite that break tables.
const (
	cutConfig  collectortest.Fault = "a configuration that is cut off"
	noRoutes   collectortest.Fault = "a file that is not there"
	oddRoutes  collectortest.Fault = "the wrong file"
	aPipe      collectortest.Fault = "a pipe"
	fromFuture collectortest.Fault = "a file of next year"
)

// backedUp is when the files of the fixture were written; the collector's clock is an hour ahead.
var backedUp = time.Date(2026, 1, 31, 3, 0, 0, 0, time.UTC)

func clock() time.Time { return backedUp.Add(time.Hour) }

// backups puts the files of testdata/backup into a folder of their own, as a backup would.
func backups(tb testing.TB) (folder string, d collectors.Device) {
	tb.Helper()
	folder = tb.TempDir()
	d = collectors.Device{Handle: "leaf1", Source: topology.SourceCLI, Address: "leaf1.eos-config"}
	var access collectors.CLIAccess
	for _, answer := range []string{"eos-config", "eos-route"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "backup", "leaf1."+answer))
		if err != nil {
			tb.Fatal(err)
		}
		f := collectors.CLIFile{Answer: answer, Name: "leaf1." + answer, Path: filepath.Join(folder, "leaf1."+answer)}
		write(tb, f.Path, raw, backedUp)
		access.Files = append(access.Files, f)
	}
	d.Access = access
	return folder, d
}

func write(tb testing.TB, file string, raw []byte, at time.Time) {
	tb.Helper()
	if err := errors.Join(os.WriteFile(file, raw, 0o600), os.Chtimes(file, at, at)); err != nil {
		tb.Fatal(err)
	}
}

func TestCollectorConformance(t *testing.T) { //nolint:paralleltest // the suite looks for goroutines that are left over
	collectortest.Run(t, collectortest.Suite{
		New: func(*testing.T) collectors.Collector { return cli.New(clock) },
		Start: func(t *testing.T, fault collectortest.Fault) collectortest.Fixture {
			t.Helper()
			folder, d := backups(t)
			config, routes := filepath.Join(folder, "leaf1.eos-config"), filepath.Join(folder, "leaf1.eos-route")
			switch fault {
			case collectortest.None:
			case collectortest.Silent:
				remove(t, config, routes)
			case cutConfig:
				raw, err := os.ReadFile(config)
				if err != nil {
					t.Fatal(err)
				}
				write(t, config, raw[:len(raw)/2], backedUp)
			case noRoutes:
				remove(t, routes)
			case oddRoutes:
				write(t, routes, []byte("hostname leaf1\n"), backedUp)
			case aPipe:
				remove(t, routes)
				pipe(t, routes)
			case fromFuture:
				if err := os.Chtimes(routes, clock().AddDate(1, 0, 0), clock().AddDate(1, 0, 0)); err != nil {
					t.Fatal(err)
				}
			default:
				t.Fatalf("unknown fault %q", fault)
			}
			return collectortest.Fixture{Device: d}
		},
		Faults: map[collectortest.Fault][]string{
			collectortest.Silent: nil, cutConfig: {"eos-config"}, noRoutes: {"eos-route"}, oddRoutes: {"eos-route"}, aPipe: {"eos-route"}, fromFuture: {"eos-route"},
		},
		Golden: filepath.Join("testdata", "backup", "leaf1.golden"),
	})
}

func remove(tb testing.TB, files ...string) {
	tb.Helper()
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			tb.Fatal(err)
		}
	}
}

// A reading is as old as its file, not as its sweep; and what was not read says which file, and why.
func TestCollect_isAsOldAsItsFile(t *testing.T) {
	t.Parallel()
	folder, d := backups(t)
	older := backedUp.AddDate(0, 0, -30)
	if err := os.Chtimes(filepath.Join(folder, "leaf1.eos-route"), older, older); err != nil {
		t.Fatal(err)
	}
	obs, err := cli.New(clock).Collect(t.Context(), d)
	if err != nil || len(obs) != 2 || !obs[0].Reading.Time.Equal(backedUp) || !obs[1].Reading.Time.Equal(older) {
		t.Fatalf("%v %v", obs, err)
	}
	if said := obs[0].Reading.Command; said != "show running-config, from leaf1.eos-config" {
		t.Errorf("command %q", said)
	}
	answer, err := cli.New(clock).Probe(t.Context(), d)
	if want := "2 files, the oldest of 2026-01-01 03:00:00: leaf1.eos-route"; answer != want || err != nil {
		t.Errorf("probe %q (%v), want %q", answer, err, want)
	}
	remove(t, filepath.Join(folder, "leaf1.eos-route"))
	obs, err = cli.New(clock).Collect(t.Context(), d)
	if err != nil || obs[1].Reading.Reason != "unreachable: leaf1.eos-route: no such file or directory" || !obs[1].Reading.Time.Equal(clock()) {
		t.Errorf("%v %v", obs, err)
	}
	if _, err := cli.New(clock).Probe(t.Context(), d); !errors.Is(err, collectors.ErrUnreachable) || strings.Contains(err.Error(), folder) {
		t.Errorf("probe of a file that is not there: %v", err)
	}
	if _, err := cli.New(clock).Collect(t.Context(), collectors.Device{Handle: "leaf1"}); !errors.Is(err, collectors.ErrUnsupported) {
		t.Errorf("a device without files: %v", err)
	}
}

// Lines that are not understood are named by the file that the inventory names, and by their number.
func TestCollect_namesFileAndLine(t *testing.T) {
	t.Parallel()
	folder, d := backups(t)
	write(t, filepath.Join(folder, "leaf1.eos-config"), []byte("hostname leaf1\nip access-list x\n   10 permit ip any any\nfrobnicate the packets\nend\n"), backedUp)
	obs, err := cli.New(clock).Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	said := collectortest.Text(obs)
	if !strings.Contains(said, "leaf1.eos-config:4: frobnicate the packets") || strings.Contains(said, folder) {
		t.Error(said)
	}
}

// The inventory knows the same answers as the collector.
func TestAnswers_ofTheInventory(t *testing.T) {
	t.Parallel()
	if got, want := slices.Sorted(slices.Values(collectors.CLIAnswers())), slices.Sorted(slices.Values(cli.Answers())); !slices.Equal(got, want) {
		t.Errorf("collectors.CLIAnswers has %v, the collector %v", got, want)
	}
}

// Secrets of a configuration get into no fact, no list of what was not understood and no reason: neither where the statement is known nor where it is not.
func TestParse_keepsNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "c4nary"
	forms := []string{
		"username admin privilege 15 password 7 %s", "username admin secret sha512 $6$%s", "enable secret 5 $1$%s", "enable algorithm-type scrypt secret 9 $9$%s",
		"snmp-server community %s ro", "snmp-server user u g v3 auth sha %s priv aes %s", "tacacs-server key 7 %s", "radius-server host 192.0.2.1 key %s",
		"ntp authentication-key 1 md5 %s", "crypto isakmp key %s address 192.0.2.1", "key-string 7 %s", "ppp chap password 0 %s", "wpa-psk ascii 0 %s",
		"neighbor 192.0.2.1 password 7 %s", "neighbor 192.0.2.1 password %s", "ip ospf message-digest-key 1 md5 %s", "ip ospf authentication-key %s", "isis password %s",
		"authentication text %s", "set session-key inbound esp 256 cipher %s", "pre-shared-key local %s", "standby 1 authentication md5 key-string %s", "vrrp 1 authentication %s",
		"new-thing shared-secret %s", "new-thing passphrase encrypted %s", "new-thing token %s on", "mka hex-key %s", "new-thing $1$%s", "new-thing PASSWORD %s",
		"new-thing 0123456789abcdef01234567 %s", "new-thing user u credential %s",
	}
	for _, platform := range []string{"ios-config", "eos-config", "nxos-config"} {
		for _, frame := range []string{"%s\n", "interface Ethernet1\n %s\n", "line vty 0 4\n %s\n", "router bgp 65000\n %s\n", "ip access-list extended x\n %s\n", "vlan 10\n %s\n", "unknown thing\n %s\n"} {
			for _, form := range forms {
				line := strings.ReplaceAll(form, "%s", canary)
				if strings.Contains(form, "0123456789abcdef") {
					line = strings.ReplaceAll(form, " %s", "c4"+"0123456789abcdef")
				}
				obs, unparsed, err := cli.Parse(platform, fmt.Appendf(nil, "hostname r1\n"+frame+"end\n", line))
				if said := fmt.Sprint(collectortest.Text(obs), unparsed, err); strings.Contains(said, canary) || strings.Contains(said, "0123456789abcdef") {
					t.Errorf("%s, %q: %s", platform, line, said)
				}
			}
		}
	}
	for _, answer := range []string{"ios-route", "nxos-route", "ios-cef", "mds-zone", "mds-fcns", "eos-route"} { // the wrong file
		for _, form := range forms[:28] {
			obs, unparsed, err := cli.Parse(answer, []byte(strings.ReplaceAll(form, "%s", canary)+"\n192.0.2.0/24 attached Ethernet1\n"))
			if said := fmt.Sprint(collectortest.Text(obs), unparsed, err); strings.Contains(said, canary) {
				t.Errorf("%s, %q: %s", answer, form, said)
			}
		}
	}
}

// What is no secret is kept: whoever reads that a line was not understood wants to see it.
func TestParse_showsWhatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"switchport backup interface HundredGigabitEthernet1/0/49", "ip nat64 v6v4 static 2001:db8::1 192.0.2.1", "frobnicate Port-Channel101 by 0000.5e00.5301"} {
		_, unparsed, err := cli.Parse("ios-config", []byte(line+"\nend\n"))
		if err != nil || len(unparsed) != 1 || unparsed[0].Text != line {
			t.Errorf("%q: %v %v", line, unparsed, err)
		}
	}
}

func TestCollect_cancelled(t *testing.T) {
	t.Parallel()
	_, d := backups(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if obs, err := cli.New(clock).Collect(ctx, d); !errors.Is(err, context.Canceled) || len(obs) != 0 {
		t.Errorf("%v %v", obs, err)
	}
}
