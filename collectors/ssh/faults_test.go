package ssh_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	cryptossh "golang.org/x/crypto/ssh"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/fixtures/sim/sshhost"
	"github.com/throughline-dc/throughline/internal/transport"
	"github.com/throughline-dc/throughline/topology"
)

// reread reads a device with other settings.
func reread(t *testing.T, d collectors.Device, change func(*collectors.SSHAccess)) ([]topology.Observation, error) {
	t.Helper()
	access, ok := d.Access.(collectors.SSHAccess)
	if !ok {
		t.Fatal("no access")
	}
	if change != nil {
		change(&access)
	}
	d.Access = access
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return ssh.New(ssh.Options{}).Collect(ctx, d)
}

func readings(observations []topology.Observation) map[string]topology.Reading {
	byTable := map[string]topology.Reading{}
	for _, o := range observations {
		byTable[o.Reading.Table] = o.Reading
	}
	return byTable
}

// onlyTrue fails where a spoilt reading states what the good one does not, or claims to be whole with less.
func onlyTrue(t *testing.T, want, got []topology.Observation) {
	t.Helper()
	// An interface of which nobody says what it is, is a port; reconcile joins it with the one of its name.
	text := func(f topology.Fact) string {
		return strings.NewReplacer("nic:", "port:", "lag:", "port:").Replace(f.String())
	}
	known := map[string]bool{}
	sizes := map[string]int{}
	for _, o := range want {
		sizes[o.Reading.Table] = len(o.Facts)
		for _, f := range o.Facts {
			known[text(f)] = true
		}
	}
	for _, o := range got {
		for _, f := range o.Facts {
			if !known[text(f)] {
				t.Errorf("%s: %s is not what a whole reading says", o.Reading, f)
			}
		}
		if !o.Reading.Partial && len(o.Facts) != sizes[o.Reading.Table] {
			t.Errorf("%s claims to be whole, with %d of %d facts", o.Reading, len(o.Facts), sizes[o.Reading.Table])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d readings, want %d: one for each table", len(got), len(want))
	}
}

func TestCollect_faults(t *testing.T) {
	t.Parallel()
	m := machine(t, "r01-h01")
	_, good := startHost(t, answersOf(m), sshhost.Faults{})
	whole, err := reread(t, good, nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		faults  sshhost.Faults
		change  func(*collectors.SSHAccess)
		err     error             // in the error; nil: there is none
		reasons map[string]string // of partial readings, by table; "": complete
	}{
		"cut in the middle": {
			faults: sshhost.Faults{On: "ip -j -d address", CutAfter: 50}, err: transport.ErrLost,
			reasons: map[string]string{"ip-addr": "the connection was lost", "lsblk": "the connection was lost", "uname": ""},
		},
		"a command that hangs": {
			faults: sshhost.Faults{Hang: "multipath"}, change: func(a *collectors.SSHAccess) { a.Timeout = time.Second },
			reasons: map[string]string{"multipath": "no answer in time: the command did not end within 1s", "ip-link": "", "lsblk": ""},
		},
		"sudo that asks": {
			faults:  sshhost.Faults{SudoAsks: true},
			reasons: map[string]string{"nft": "sudo does not let this user run the command without a password: sudo: a password is required", "ip-link": ""},
		},
		"no sudo": {
			faults:  sshhost.Faults{NoSudo: true},
			reasons: map[string]string{"multipath": "there is no sudo on the device", "ip-link": ""},
		},
		"an ordinary user": {
			change: func(a *collectors.SSHAccess) { a.Sudo = false },
			reasons: map[string]string{
				"nft":     "a privilege is missing: nft: Operation not permitted (you must be root) (sudo: true in the inventory sends this command with sudo)",
				"ip-link": "", "lsblk": "",
			},
		},
		"slow": {faults: sshhost.Faults{Delay: 20 * time.Millisecond}, reasons: map[string]string{"ip-link": "", "nft": ""}},
		"a banner": {
			faults: sshhost.Faults{Banner: strings.Repeat("Authorized use only.\r\n", 40)}, reasons: map[string]string{"ip-link": ""},
		},
		"answers without an exit status": {
			faults: sshhost.Faults{NoStatus: true}, err: collectors.ErrMalformed,
			reasons: map[string]string{"uname": "the answer was cut off: it ended without an exit status"},
		},
		"an essential command that is missing": {
			faults:  sshhost.Faults{Missing: []string{"ip"}},
			reasons: map[string]string{"ip-link": "the device has no such command: bash: line 1: ip: command not found", "bridge-fdb": ""},
		},
		"garbage": {
			faults:  sshhost.Faults{Garbage: true, On: "lsblk"},
			reasons: map[string]string{"ip-link": "", "nft": ""},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, d := startHost(t, answersOf(m), tt.faults)
			got, err := reread(t, d, tt.change)
			if !errors.Is(err, tt.err) || tt.err == nil && err != nil {
				t.Errorf("the error is %v, want %v", err, tt.err)
			}
			if len(got) > 1 && name != "garbage" {
				onlyTrue(t, whole, got)
			}
			for _, p := range append(collectortest.Problems(d, got), collectortest.Leaks(d, got, err)...) {
				t.Error(p)
			}
			have := readings(got)
			for table, reason := range tt.reasons {
				if r, ok := have[table]; !ok || r.Reason != reason && (reason == "" || !strings.HasPrefix(r.Reason, reason)) || r.Partial != (reason != "") {
					t.Errorf("%s: partial %t, %q, want %q", table, r.Partial, r.Reason, reason)
				}
			}
		})
	}
}

// What a device may be without is no failure: the table is empty.
func TestCollect_missingCommands(t *testing.T) {
	t.Parallel()
	_, d := startHost(t, answersOf(machine(t, "r01-h01")), sshhost.Faults{Missing: []string{"multipath", "iscsiadm", "nft", "lldpcli", "lldpctl", "lsblk"}})
	got, err := reread(t, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	have := readings(got)
	for _, name := range []string{"multipath", "iscsiadm", "nft", "lldp", "lsblk"} {
		if r := have[name]; r.Partial || r.Rows != 0 {
			t.Errorf("%s: partial %t, %d rows, %q", name, r.Partial, r.Rows, r.Reason)
		}
	}
}

// An ordinary user's search path often lacks /usr/sbin: what is only there is found, and what is nowhere is missing after three looks.
func TestCollect_searchPath(t *testing.T) {
	t.Parallel()
	m := machine(t, "r01-h01")
	for path, looks := range map[string]int{"/usr/local/bin:/usr/bin:/bin": 3, "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin": 1} {
		h, d := startHost(t, func(line string) sshhost.Answer {
			switch {
			case line == "printenv PATH":
				return sshhost.Answer{Stdout: path + "\n"}
			case strings.HasPrefix(line, "tc ") && looks > 1, strings.Contains(line, "nft"):
				return sshhost.Answer{Stderr: "sh: 1: not found\n", Code: 127}
			}
			return sshhost.Answer(m.Run(strings.TrimPrefix(line, "/usr/sbin/")))
		}, sshhost.Faults{})
		got, err := reread(t, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		have := readings(got)
		if r := have["tc-qdisc"]; r.Partial || r.Rows == 0 || strings.HasPrefix(r.Command, "/usr/sbin/") != (looks > 1) {
			t.Errorf("tc-qdisc: partial %t, %d rows, by %q: %s", r.Partial, r.Rows, r.Command, r.Reason)
		}
		if r := have["nft"]; r.Partial || r.Rows != 0 {
			t.Errorf("nft: partial %t, %d rows: %s", r.Partial, r.Rows, r.Reason)
		}
		tried := slices.DeleteFunc(h.Commands(), func(line string) bool { return !strings.Contains(line, "nft") })
		if len(tried) != looks {
			t.Errorf("%q was looked for by %q", path, tried)
		}
	}
}

// What one device may say in all has a limit.
func TestCollect_budget(t *testing.T) {
	t.Parallel()
	_, d := startHost(t, answersOf(machine(t, "r01-h01")), sshhost.Faults{})
	got, err := ssh.New(ssh.Options{MaxDevice: 10_000}).Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	full := 0
	for _, o := range got {
		if o.Reading.Reason == "the device has printed more than is kept of one" {
			full++
		}
	}
	if full == 0 || full == len(got) {
		t.Errorf("%d of %d tables are beyond the limit", full, len(got))
	}
}

// A system that understands no -j is asked in the old form, and a command whose old form fails says why.
func TestCollect_oldSystem(t *testing.T) {
	t.Parallel()
	m := machine(t, "r01-h01")
	old := map[string]string{
		"ip -d link show": "1: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast state UP mode DEFAULT qlen 1000\n" +
			"    link/ether 00:00:5e:00:53:01 brd ff:ff:ff:ff:ff:ff\n",
		"ip -d address show": "1: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast state UP qlen 1000\n" +
			"    link/ether 00:00:5e:00:53:01 brd ff:ff:ff:ff:ff:ff\n    inet 192.0.2.1/24 brd 192.0.2.255 scope global eth0\n",
		"ip route show table all": "default via 192.0.2.254 dev eth0 \n",
		"ip neigh show":           "192.0.2.254 dev eth0 lladdr 00:00:5e:00:53:fe REACHABLE\n",
		"ip rule show":            "0:\tfrom all lookup local \n",
	}
	_, d := startHost(t, func(line string) sshhost.Answer {
		if strings.Contains(line, " -j ") && strings.HasPrefix(line, "ip ") {
			return sshhost.Answer{Stderr: "Option \"-j\" is unknown, try \"ip -help\".\n", Code: 255}
		}
		if text, ok := old[line]; ok {
			return sshhost.Answer{Stdout: text}
		}
		return sshhost.Answer(m.Run(line))
	}, sshhost.Faults{})
	got, err := reread(t, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ip-link", "ip-addr", "ip-route", "ip-neigh", "ip-rule"} {
		r := readings(got)[name]
		if r.Partial || r.Rows == 0 || strings.Contains(r.Command, " -j ") {
			t.Errorf("%s: partial %t, %d rows, by %q: %s", name, r.Partial, r.Rows, r.Command, r.Reason)
		}
	}
}

// A device says itself what it is, where the inventory does not; where that is not read, nothing is said under a kind that may be wrong.
func TestCollect_kind(t *testing.T) {
	t.Parallel()
	m := machine(t, "r01-h01")
	release := func(text string, code int) sshhost.Handler {
		return func(line string) sshhost.Answer {
			if strings.Contains(line, "os-release") {
				a := sshhost.Answer{Stdout: text, Code: code}
				if code != 0 {
					a.Stderr = "grep: /etc/sonic/sonic_version.yml: No such file or directory\n"
				}
				return a
			}
			return sshhost.Answer(m.Run(line))
		}
	}
	for name, tt := range map[string]struct {
		handler sshhost.Handler
		want    topology.Kind
		version string
	}{
		"Debian":  {release("/etc/os-release:ID=debian\n/etc/os-release:PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n", 2), topology.Host, "Debian GNU/Linux 12 (bookworm)"},
		"Cumulus": {release("/etc/os-release:NAME=\"Cumulus Linux\"\n/etc/os-release:ID=cumulus-linux\n/etc/os-release:VERSION='5.9.0'\n", 2), topology.Switch, "Cumulus Linux 5.9.0"},
		"SONiC":   {release("/etc/os-release:ID=debian\n/etc/sonic/sonic_version.yml:---\n/etc/sonic/sonic_version.yml:build_version: '202305.1'\n", 0), topology.Switch, "202305.1"},
		"VyOS":    {release("ID=vyos\n", 0), topology.Router, ""},
		"nothing": {release("", 2), topology.Host, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, d := startHost(t, tt.handler, sshhost.Faults{})
			d.Kind = 0
			got, err := reread(t, d, nil)
			if err != nil {
				t.Fatal(err)
			}
			version := ""
			for _, o := range got {
				if o.Reading.Partial {
					t.Errorf("%s: %s", o.Reading, o.Reading.Reason)
				}
				for _, f := range o.Facts {
					if f.Subject.Kind.Device() && f.Subject.Kind != tt.want {
						t.Errorf("%s", f)
					}
					if f.Attr == topology.AttrVersion {
						version = f.Value.String()
					}
				}
			}
			if version != tt.version {
				t.Errorf("version %q, want %q", version, tt.version)
			}
		})
	}
	t.Run("not read", func(t *testing.T) {
		t.Parallel()
		_, d := startHost(t, func(line string) sshhost.Answer {
			if strings.Contains(line, "os-release") {
				return sshhost.Answer{Stderr: "grep: /etc/os-release: Input/output error\n", Code: 2}
			}
			return sshhost.Answer(m.Run(line))
		}, sshhost.Faults{})
		d.Kind = 0
		got, err := reread(t, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range got {
			if !o.Reading.Partial || len(o.Facts) > 0 {
				t.Errorf("%s: %d facts", o.Reading, len(o.Facts))
			}
		}
	})
}

// A key that is not the known one stops the device before a login is tried; the known one lets it go on.
func TestCollect_hostKeys(t *testing.T) {
	t.Parallel()
	known := filepath.Join(t.TempDir(), "known_hosts")
	h, d := startHost(t, answersOf(machine(t, "r01-h01")), sshhost.Faults{})
	fingerprint := cryptossh.FingerprintSHA256(h.HostKey())
	unpinned := func(accept bool) func(*collectors.SSHAccess) {
		return func(a *collectors.SSHAccess) { a.HostKeys, a.KnownHosts, a.AcceptNew = nil, known, accept }
	}
	var strange *transport.HostKeyError
	stopped := func(changed bool, words ...string) {
		t.Helper()
		before := len(h.Logins())
		for _, accept := range []bool{false, changed} {
			_, err := reread(t, d, unpinned(accept))
			if !errors.As(err, &strange) || strange.Changed != changed || errors.Is(err, collectors.ErrDenied) || errors.Is(err, collectors.ErrUnreachable) {
				t.Errorf("got %v", err)
			}
			for _, word := range words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		}
		if logins := h.Logins(); len(logins) != before {
			t.Errorf("the host saw %v", logins[before:])
		}
	}
	stopped(false, fingerprint, "--accept-new-host-keys", "host_keys")
	if _, err := reread(t, d, unpinned(true)); err != nil {
		t.Fatal(err)
	}
	if _, err := reread(t, d, unpinned(false)); err != nil {
		t.Errorf("after it was accepted: %v", err)
	}
	h.SetFaults(sshhost.Faults{NewHostKey: true})
	stopped(true, "CHANGED", fingerprint)
	before := len(h.Logins())
	if _, err := reread(t, d, nil); !errors.As(err, &strange) || !strange.Changed {
		t.Errorf("against the pinned one: %v", err)
	}
	if len(h.Logins()) != before {
		t.Error("the host saw a login")
	}
}

func TestCollect_jump(t *testing.T) {
	t.Parallel()
	jump, err := sshhost.Start(func(string) sshhost.Answer { return sshhost.Answer{Code: 1} },
		sshhost.Config{Seed: 8, Forward: true, Users: []sshhost.User{{Name: "visitor", Password: "c4nary-of-the-jump-host"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = jump.Close() })
	h, d := startHost(t, answersOf(machine(t, "r01-h01")), sshhost.Faults{})
	through := func(a *collectors.SSHAccess) {
		a.Jump = []collectors.SSHHop{{Address: jump.Address().String(), SSHAccess: collectors.SSHAccess{
			User: "visitor", Password: collectors.NewSecret("c4nary-of-the-jump-host"), HostKeys: []string{cryptossh.FingerprintSHA256(jump.HostKey())},
		}}}
	}
	if _, err := reread(t, d, through); err != nil {
		t.Fatal(err)
	}
	if commands := jump.Commands(); len(commands) > 0 {
		t.Errorf("the jump host was sent %q", commands)
	}
	before := h.Connections()
	jump.SetFaults(sshhost.Faults{NewHostKey: true})
	if _, err := reread(t, d, through); err == nil || !strings.Contains(err.Error(), "jump host "+jump.Address().String()) || h.Connections() != before {
		t.Errorf("behind a jump host that is another one: %v", err)
	}
}

// Neither password, key nor passphrase shows in what a sweep says and logs, whatever happens.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	const phrase = "c4nary-of-the-key"
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := cryptossh.MarshalPrivateKeyWithPassphrase(private, "", []byte(phrase))
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(block))
	parrot := func(line string) sshhost.Answer { // whatever it learned, it repeats
		return sshhost.Answer{Stdout: "Linux " + simPassword + " 6.1 x86_64\n", Stderr: simPassword + " " + phrase + line + "\n", Code: 1}
	}
	var log bytes.Buffer
	for _, faults := range []sshhost.Faults{{}, {DenyLogin: true}, {NoStatus: true}, {NewHostKey: true}, {CutAfter: 1}, {MaxSessions: 1}} {
		for _, passphrase := range []string{phrase, phrase + "x", ""} {
			_, d := startHost(t, parrot, faults)
			access, ok := d.Access.(collectors.SSHAccess)
			if !ok {
				t.Fatal("no access")
			}
			access.Key, access.KeyPass = collectors.NewSecret(key), collectors.NewSecret(passphrase)
			d.Access = access
			r := collectors.NewRunner(map[topology.Source]collectors.Collector{topology.SourceSSH: ssh.New(ssh.Options{})},
				collectors.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			for batch := range r.Sweep(t.Context(), []collectors.Device{d}) {
				for _, o := range batch {
					log.WriteString(o.String() + "\n")
					for _, obs := range o.Observations {
						log.WriteString(obs.Reading.Reason + obs.Reading.Command + "\n")
					}
				}
			}
		}
	}
	for _, secret := range append(strings.Split(strings.TrimSpace(key), "\n")[1:2], simPassword, phrase) {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q shows in\n%s", secret, log.String())
		}
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	h, d := startHost(t, answersOf(machine(t, "r01-h01")), sshhost.Faults{})
	answer, err := ssh.New(ssh.Options{}).Probe(t.Context(), d)
	if err != nil || !strings.HasPrefix(answer, "Linux ") || !slices.Equal(h.Commands(), []string{"uname -snrm"}) {
		t.Errorf("got %q, %v after %q", answer, err, h.Commands())
	}
	h.SetHandler(func(string) sshhost.Answer { return sshhost.Answer{Stdout: "FreeBSD fw1 14.0 amd64\n"} })
	if _, err := ssh.New(ssh.Options{}).Probe(t.Context(), d); !errors.Is(err, collectors.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

// What an answer is worth, by how the command ended and what it complained of.
func TestJudge(t *testing.T) {
	t.Parallel()
	const whole, failed = "", "exit status"
	plain := transport.Output{Stdout: []byte("Linux h1 6.1 x86_64\n")}
	shouts := transport.Output{Stdout: []byte("hello 12:00\nbye\nLinux h1 6.1 x86_64\n"), Stderr: []byte("no tty\n")}
	out := func(stdout, stderr string, status int) transport.Output {
		return transport.Output{Stdout: []byte(stdout), Stderr: []byte(stderr), Status: status}
	}
	for name, tt := range map[string]struct {
		table    string
		sudo     bool
		greeting transport.Output
		out      transport.Output
		want     ssh.Verdict // of Partial the beginning
	}{
		"whole":                    {"ip-link", false, plain, out("[]", "", 0), ssh.Verdict{Raw: "[]"}},
		"whole with a warning":     {"ip-link", false, plain, out("[]", "warning\n", 0), ssh.Verdict{Raw: "[]"}},
		"half, and says so":        {"sysfs-net", false, plain, out("x", "grep: y: Permission denied\n", 0), ssh.Verdict{Raw: "x", Partial: "not all could be read: grep: y"}},
		"noise":                    {"ip-link", false, shouts, out("hello 12:01\nbye\n[]", "no tty\n", 0), ssh.Verdict{Raw: "[]"}},
		"noise that changes":       {"ip-link", false, shouts, out("good morning\nbye\n[]", "", 0), ssh.Verdict{Partial: "what the login shell prints", Lost: true}},
		"missing, and may":         {"multipath", false, plain, out("", "sh: multipath: not found\n", 127), ssh.Verdict{Absent: true}},
		"missing under sudo":       {"multipath", true, plain, out("", "sudo: multipath: command not found\n", 1), ssh.Verdict{Absent: true}},
		"no sudo":                  {"multipath", true, plain, out("", "bash: line 1: sudo: command not found\n", 127), ssh.Verdict{Partial: "there is no sudo", Lost: true}},
		"sudo asks":                {"multipath", true, plain, out("", "sudo: a password is required\n", 1), ssh.Verdict{Partial: "sudo does not let", Lost: true}},
		"not a sudoer":             {"multipath", true, plain, out("", "u is not in the sudoers file.\n", 1), ssh.Verdict{Partial: "sudo does not let", Lost: true}},
		"missing, and may not":     {"ip-link", false, plain, out("", "sh: ip: not found\n", 127), ssh.Verdict{Partial: "the device has no such command", Absent: true}},
		"nothing there":            {"iscsiadm", true, plain, out("", "iscsiadm: No active sessions.\n", 21), ssh.Verdict{Absent: true}},
		"files missing":            {"dmi", false, plain, out("", "grep: /sys/class/dmi/id/sys_vendor: No such file or directory\n", 2), ssh.Verdict{Absent: true}},
		"one file missing":         {"ip-forward", false, plain, out("/proc/x:1\n", "grep: /proc/y: No such file or directory\n", 2), ssh.Verdict{Raw: "/proc/x:1\n"}},
		"empty files":              {"dmi", false, plain, out("", "", 1), ssh.Verdict{}},
		"a file denied":            {"dmi-identity", true, plain, out("/s:1\n", "grep: /u: Permission denied\n", 2), ssh.Verdict{Raw: "/s:1\n", Partial: "a privilege is missing: grep: /u"}},
		"denied":                   {"nft", false, plain, out("junk", "Operation not permitted (you must be root)\n", 1), ssh.Verdict{Raw: "junk", Partial: "a privilege is missing", Lost: true}},
		"a daemon that is not up":  {"lldp", true, plain, out("", "unable to connect to socket /run/lldpd.socket: No such file or directory\n", 1), ssh.Verdict{Partial: failed, Lost: true}},
		"a database that is down":  {"ovs-bridge", true, plain, out("", "ovs-vsctl: unix:/x/db.sock: database connection failed (No such file or directory)\n", 1), ssh.Verdict{Partial: failed, Lost: true}},
		"killed":                   {"ip-link", false, plain, transport.Output{Signal: "KILL", Status: 137}, ssh.Verdict{Partial: "the command was ended by signal KILL", Lost: true}},
		"fails without words":      {"ip-link", false, plain, out("[]", "", 3), ssh.Verdict{Partial: failed, Lost: true}},
		"does not speak -j":        {"ip-link", false, plain, out("", "Option \"-j\" is unknown\n", 255), ssh.Verdict{Partial: failed + " 255: Option", Lost: true}},
		"an answer without end":    {"ip-link", false, plain, out("", strings.Repeat("x", 5000), 1), ssh.Verdict{Partial: failed + " 1: xxx", Lost: true}},
		"nothing, of old":          {"iscsiadm", true, plain, out("iSCSI Transport Class version 2.0-870\n", "iscsiadm: No active sessions.\n", 0), ssh.Verdict{Absent: true}},
		"zebra is not there":       {"frr-route", true, plain, out("", "zebra is not running\n", 0), ssh.Verdict{Partial: "not all could be read: zebra is not running"}},
		"rules of the other kind":  {"iptables-save", true, plain, out("x", "# Warning: iptables-legacy tables present, use\n", 0), ssh.Verdict{Raw: "x", Partial: "not all could be read: # Warning"}},
		"noise, and nothing there": {"iscsiadm", true, shouts, out("hello 12:02\nbye\n", "no tty\niscsiadm: No active sessions.\n", 21), ssh.Verdict{Absent: true}},
	} {
		got, err := ssh.Judge(tt.table, tt.sudo, tt.out, tt.greeting)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got.Partial, tt.want.Partial) || (got.Partial == whole) != (tt.want.Partial == whole) || len(got.Partial) > 500 {
			t.Errorf("%s: %q, want %q", name, got.Partial, tt.want.Partial)
		}
		got.Partial, tt.want.Partial = "", ""
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestParse_system(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ answer, raw, want string }{
		{"uname", "Linux hv1 6.1.0-18-amd64 x86_64\n", "host:@parsed sysName=hv1; host:@parsed arch=x86_64"},
		{"os-release", "PRETTY_NAME=\"A \\\"B\\\"\"\n# comment\n", "host:@parsed version=A \"B\""},
		{"dmi", "/sys/class/dmi/id/sys_vendor:Dell Inc.\n/sys/class/dmi/id/product_name:To Be Filled By O.E.M.\n", "host:@parsed vendor=Dell Inc."},
		{
			"dmi-identity", "/sys/class/dmi/id/product_uuid:4C4C4544-0042-3510-8052-B4C04F333832\n/sys/class/dmi/id/product_serial:B5R482\n",
			"host:@parsed serial=B5R482; host:@parsed uuid=4c4c4544-0042-3510-8052-b4c04f333832",
		},
		{"dmi-identity", "/sys/class/dmi/id/product_uuid:00000000-0000-0000-0000-000000000000\n", ""},
		{"dmi-identity", "/sys/class/dmi/id/product_uuid:03000200-0400-0500-0006-000700080009\n", ""},
		{"dmi-identity", "/sys/class/dmi/id/product_uuid:not one\n", ""},
		{"ip-forward", "/proc/sys/net/ipv4/ip_forward:1\n/proc/sys/net/ipv6/conf/all/forwarding:0\n", "host:@parsed forwarding=ipv4; host:@parsed forwarding=ipv6 off"},
		{"ip-forward", "/proc/sys/net/ipv4/ip_forward:0\n/proc/sys/net/ipv6/conf/all/forwarding:2\n", "host:@parsed forwarding=ipv4 off; host:@parsed forwarding=ipv6"},
		{"kvm", "/sys/module/kvm_intel/parameters/nested:Y\n/usr/bin/swtpm\n", "host:@parsed nested=true; host:@parsed tpmBackend=emulator"},
		{"kvm", "/sys/module/kvm_amd/parameters/nested:0\n", "host:@parsed nested=false"},
	} {
		observations, unparsed, err := ssh.Parse(tt.answer, []byte(tt.raw))
		if err != nil || len(unparsed) > 0 {
			t.Errorf("%s: %v, %v", tt.answer, err, unparsed)
			continue
		}
		var facts []string
		for _, f := range observations[0].Facts {
			facts = append(facts, f.String())
		}
		if got := strings.Join(facts, "; "); got != tt.want {
			t.Errorf("%s %q: got %q, want %q", tt.answer, tt.raw, got, tt.want)
		}
	}
}

func FuzzParseSystem(f *testing.F) {
	f.Add("uname", []byte("Linux hv1 6.1.0 x86_64\n"))
	f.Add("os-release", []byte("/etc/os-release:ID=\"debian\"\n/etc/sonic/sonic_version.yml:build_version: 'x'\n"))
	f.Add("dmi", []byte("/sys/class/dmi/id/sys_vendor:x\n"))
	f.Add("dmi-identity", []byte("/sys/class/dmi/id/product_uuid:4c4c4544-0042-3510-8052-b4c04f333832\n"))
	f.Add("ip-forward", []byte("/proc/sys/net/ipv4/ip_forward:1\n"))
	f.Add("kvm", []byte("/sys/module/kvm_intel/parameters/nested:Y\n/usr/bin/swtpm\n"))
	f.Add("sysctl-net", []byte("/proc/sys/net/ipv4/conf/all/forwarding:1\n/proc/sys/net/ipv6/conf/e/force_forwarding:1\n/proc/sys/net/bridge/bridge-nf-call-iptables:0\n"))
	f.Add("ebtables-save", []byte("*nat\n:PREROUTING ACCEPT\n-A PREROUTING -i e -j DROP\n"))
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		if !slices.Contains([]string{"uname", "os-release", "dmi", "dmi-identity", "ip-forward", "kvm", "sysctl-net", "ebtables-save"}, name) {
			return
		}
		observations, _, err := ssh.Parse(name, raw)
		if err != nil {
			return
		}
		for _, o := range observations {
			if err := o.Reading.Check(); err != nil {
				t.Fatal(err)
			}
			for _, fact := range o.Facts {
				if err := fact.Check(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestMain(m *testing.M) {
	// An agent of whoever runs the tests is none of their business.
	if err := os.Unsetenv("SSH_AUTH_SOCK"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
