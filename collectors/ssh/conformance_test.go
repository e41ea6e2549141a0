package ssh_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cryptossh "golang.org/x/crypto/ssh"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/fixtures/sim/estate"
	"github.com/throughline-dc/throughline/fixtures/sim/linux"
	"github.com/throughline-dc/throughline/fixtures/sim/sshhost"
	"github.com/throughline-dc/throughline/internal/transport"
	"github.com/throughline-dc/throughline/topology"
)

const (
	simUser     = "reader"
	simPassword = "c4nary-password-of-the-suite"
)

// The faults of the suite that break tables.
const (
	brokenLinks  collectortest.Fault = "an answer of ip link that ends too early"
	brokenFDB    collectortest.Fault = "a forwarding database of garbage"
	brokenLength collectortest.Fault = "neighbours that do not end"
	brokenSudo   collectortest.Fault = "sudo that asks for a password"
	oneSession   collectortest.Fault = "one session at a time"
	greeting     collectortest.Fault = "a login shell that greets"
)

// machine is a device of the small estate.
func machine(tb testing.TB, name string) *linux.Machine {
	tb.Helper()
	size := estate.Small()
	size.LinuxRacks = 1
	e, err := estate.New(size, 1)
	if err != nil {
		tb.Fatal(err)
	}
	d, ok := e.Device(name)
	if !ok {
		tb.Fatalf("the estate has no %s", name)
	}
	m := linux.Device(e, d)
	if m == nil {
		tb.Fatalf("%s does not run Linux", name)
	}
	return m
}

// startHost serves a handler behind SSH.
func startHost(tb testing.TB, handler sshhost.Handler, faults sshhost.Faults) (*sshhost.Host, collectors.Device) {
	tb.Helper()
	h, err := sshhost.Start(handler, sshhost.Config{Seed: 7, Users: []sshhost.User{{Name: simUser, Password: simPassword}}})
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
		Handle: "h1", Kind: topology.Host, Address: h.Address().String(), Source: topology.SourceSSH,
		Access: collectors.SSHAccess{
			User: simUser, Password: collectors.NewSecret(simPassword), HostKeys: []string{cryptossh.FingerprintSHA256(h.HostKey())}, Sudo: true,
		},
	}
}

func answersOf(m *linux.Machine) sshhost.Handler {
	return func(line string) sshhost.Answer { return sshhost.Answer(m.Run(line)) }
}

// allowed is what the documentation lists.
func allowed() []string {
	var lines []string
	for _, c := range ssh.Commands() {
		for _, line := range c.Lines {
			lines = append(lines, variants(line, c.Root)...)
		}
	}
	return lines
}

// variants are the ways in which a documented line may be sent.
func variants(line string, root bool) []string {
	lines := []string{line, "/usr/sbin/" + line, "/sbin/" + line}
	if root {
		for _, l := range lines[:3:3] {
			lines = append(lines, "sudo -n "+l)
		}
	}
	return lines
}

func rootTables() []string {
	var names []string
	for _, c := range ssh.Commands() {
		if c.Root {
			names = append(names, c.Name)
		}
	}
	return names
}

func TestCollectorConformance(t *testing.T) { //nolint:paralleltest // the suite looks for goroutines that are left over
	m := machine(t, "r01-h01")
	collectortest.Run(t, collectortest.Suite{
		New: func(*testing.T) collectors.Collector {
			return ssh.New(ssh.Options{Transport: transport.Options{Handshake: 3 * time.Second, MaxOutput: 4 << 20}})
		},
		Start: func(t *testing.T, fault collectortest.Fault) collectortest.Fixture {
			t.Helper()
			return startFixture(t, m, fault)
		},
		Faults: map[collectortest.Fault][]string{
			collectortest.Silent: nil, collectortest.Denied: nil, collectortest.Stall: nil,
			brokenLinks:  ssh.Broken("ip-link"),
			brokenFDB:    ssh.Broken("bridge-fdb"),
			brokenLength: ssh.Broken("ip-neigh"),
			brokenSudo:   ssh.Broken(rootTables()...),
			oneSession:   nil,
			greeting:     nil,
		},
		Allowed: allowed(),
		Golden:  filepath.Join("testdata", "host.golden"),
	})
}

func startFixture(t *testing.T, m *linux.Machine, fault collectortest.Fault) collectortest.Fixture {
	t.Helper()
	handler, stalled := answersOf(m), make(chan struct{})
	var faults sshhost.Faults
	switch fault {
	case collectortest.Silent:
		faults.Mute = true
	case collectortest.Denied:
		faults.DenyLogin = true
	case collectortest.Stall:
		release := make(chan struct{})
		var once sync.Once
		handler = func(line string) sshhost.Answer {
			if strings.Contains(line, "neigh") {
				once.Do(func() { close(stalled) })
				<-release
			}
			return sshhost.Answer(m.Run(line))
		}
		h, d := startHost(t, handler, faults)
		t.Cleanup(func() { close(release) }) // before the host waits for its commands
		return collectortest.Fixture{Device: d, Sent: h.Commands, Stalled: stalled}
	case brokenLinks:
		faults.On, faults.Truncate = "ip -j -d link", 200
	case brokenFDB:
		faults.On, faults.Garbage = "bridge -j fdb", true
	case brokenLength:
		faults.On, faults.Flood = "ip -j neigh", 16<<20
	case brokenSudo:
		faults.SudoAsks = true
	case oneSession:
		faults.MaxSessions = 1
	case greeting:
		handler = func(line string) sshhost.Answer {
			a := sshhost.Answer(m.Run(line))
			a.Stdout, a.Stderr = "Welcome!\nIt is "+time.Now().Format("15:04:05.000000000")+"\n"+a.Stdout, "stty: not a tty\n"+a.Stderr
			return a
		}
	case collectortest.None:
	default:
		t.Fatalf("unknown fault %q", fault)
	}
	h, d := startHost(t, handler, faults)
	return collectortest.Fixture{Device: d, Sent: h.Commands}
}
