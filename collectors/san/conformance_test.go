package san_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cryptossh "golang.org/x/crypto/ssh"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/san"
	"github.com/throughline-dc/throughline/fixtures/sim/sshhost"
	"github.com/throughline-dc/throughline/internal/transport"
	"github.com/throughline-dc/throughline/topology"
)

const (
	simUser     = "reader"
	simPassword = "c4nary-password-of-the-array"
)

// The faults of the suite that break tables.
const (
	cutTargets  collectortest.Fault = "a list of targets that ends too early"
	oddPortals  collectortest.Fault = "portals of garbage"
	endless     collectortest.Fault = "connections that do not end"
	noPrivilege collectortest.Fault = "sudo that asks for a password"
	noDaemon    collectortest.Fault = "a daemon that does not run"
	noCommand   collectortest.Fault = "no tgtadm"
	complains   collectortest.Fault = "tgtadm that complains and ends well"
	noisy       collectortest.Fault = "a login shell that complains"
)

// recorded answers as an array does whose answers are in testdata.
func recorded(tb testing.TB) sshhost.Handler {
	tb.Helper()
	answers := map[string]string{}
	for _, c := range san.Commands() {
		raw, err := os.ReadFile(filepath.Join("testdata", c.Name+".txt"))
		if err != nil {
			tb.Fatal(err)
		}
		answers[c.Line] = string(raw)
	}
	return func(line string) sshhost.Answer {
		line = strings.TrimPrefix(strings.TrimPrefix(line, "sudo -n "), "/usr/sbin/")
		out, known := answers[line]
		if !known {
			return sshhost.Answer{Stderr: "sh: 1: not found\n", Code: 127}
		}
		return sshhost.Answer{Stdout: out}
	}
}

func startArray(tb testing.TB, handler sshhost.Handler, faults sshhost.Faults) (*sshhost.Host, collectors.Device) {
	tb.Helper()
	h, err := sshhost.Start(handler, sshhost.Config{Seed: 11, Users: []sshhost.User{{Name: simUser, Password: simPassword}}})
	if err != nil {
		tb.Fatal(err)
	}
	h.SetFaults(faults)
	tb.Cleanup(func() {
		if err := h.Close(); err != nil {
			tb.Error(err)
		}
	})
	return h, collectors.Device{
		Handle: "array1", Kind: topology.Array, Address: h.Address().String(), Source: topology.SourceSAN,
		Access: collectors.SANAccess{Dialect: san.DialectTGT, SSHAccess: collectors.SSHAccess{
			User: simUser, Password: collectors.NewSecret(simPassword), HostKeys: []string{cryptossh.FingerprintSHA256(h.HostKey())}, Sudo: true,
		}},
	}
}

// permitted is all that may be sent.
func permitted() []string {
	var lines []string
	for _, c := range san.Commands() {
		for _, line := range []string{c.Line, "/usr/sbin/" + c.Line} {
			lines = append(lines, line)
			if c.Root {
				lines = append(lines, "sudo -n "+line)
			}
		}
	}
	return lines
}

func TestCollectorConformance(t *testing.T) { //nolint:paralleltest // the suite looks for goroutines that are left over
	ofPortals := []string{"tgt-portal", "tgt-target", "tcp-sessions"}
	collectortest.Run(t, collectortest.Suite{
		New: func(*testing.T) collectors.Collector {
			return san.New(san.Options{Transport: transport.Options{Handshake: 3 * time.Second, MaxOutput: 4 << 20}})
		},
		Start: startFixture,
		Faults: map[collectortest.Fault][]string{
			collectortest.Silent: nil, collectortest.Denied: nil, collectortest.Stall: nil,
			cutTargets: {"tgt-target", "tcp-sessions"}, oddPortals: ofPortals, endless: {"tcp-sessions"}, noPrivilege: ofPortals,
			noDaemon: ofPortals, noCommand: ofPortals, complains: ofPortals, noisy: nil,
		},
		Allowed: permitted(),
		Golden:  filepath.Join("testdata", "array.golden"),
	})
}

func startFixture(t *testing.T, fault collectortest.Fault) collectortest.Fixture {
	t.Helper()
	handler := recorded(t)
	var faults sshhost.Faults
	switch fault {
	case collectortest.Silent:
		faults.Mute = true
	case collectortest.Denied:
		faults.DenyLogin = true
	case collectortest.Stall:
		release, stalled := make(chan struct{}), make(chan struct{})
		var once sync.Once
		whole := handler
		h, d := startArray(t, func(line string) sshhost.Answer {
			if strings.HasSuffix(line, "target") {
				once.Do(func() { close(stalled) })
				<-release
			}
			return whole(line)
		}, faults)
		t.Cleanup(func() { close(release) }) // before the host waits for its commands
		return collectortest.Fixture{Device: d, Sent: h.Commands, Stalled: stalled}
	case cutTargets:
		faults.On, faults.Truncate = "--mode target", 900
	case oddPortals:
		faults.On, faults.Garbage = "--mode portal", true
	case endless:
		faults.On, faults.Flood = "ss ", 8<<20
	case noPrivilege:
		faults.SudoAsks = true
	case noDaemon:
		handler = instead(handler, "tgtadm: failed to send request hdr to tgt daemon, Transport endpoint is not connected\n", 107)
	case noCommand:
		handler = instead(handler, "sudo: tgtadm: command not found\n", 1)
	case complains, noisy:
		words := "tgtadm: half of it is missing\n"
		if fault == noisy {
			words = "stty: not a tty\n"
		}
		quiet := handler
		handler = func(line string) sshhost.Answer {
			a := quiet(line)
			a.Stderr = words + a.Stderr
			return a
		}
	case collectortest.None:
	default:
		t.Fatalf("unknown fault %q", fault)
	}
	h, d := startArray(t, handler, faults)
	return collectortest.Fixture{Device: d, Sent: h.Commands}
}

// instead lets tgtadm fail with these words.
func instead(handler sshhost.Handler, words string, status int) sshhost.Handler {
	return func(line string) sshhost.Answer {
		if strings.Contains(line, "tgtadm") {
			return sshhost.Answer{Stderr: words, Code: status}
		}
		return handler(line)
	}
}
