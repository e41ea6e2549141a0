package snmp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/fixtures/sim/snmpagent"
	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// fleetRoundTrip is the distance of every device of the fleet.
const fleetRoundTrip = 5 * time.Millisecond

// accessSwitch holds 2,000 values, all of which are read: 100 ports with their names and numbers, 25 neighbours, 300 addresses.
func accessSwitch() []snmprec.Varbind {
	var held []snmprec.Varbind
	set := func(value snmprec.Value, entry snmprec.OID, ids ...uint32) {
		held = append(held, snmprec.Varbind{OID: entry.Append(ids...), Value: value})
	}
	text := func(format string, args ...any) snmprec.Value {
		return snmprec.StringValue(fmt.Sprintf(format, args...))
	}
	set(text("simulated switch"), mib(1), 1, 0)
	set(snmprec.TimeTicksValue(30*24*360_000), mib(1), 3, 0)
	set(text("access switch"), mib(1), 5, 0)
	for n := uint32(1); n <= 100; n++ {
		for column, value := range map[uint32]snmprec.Value{
			2: text("Ethernet%d", n), 3: snmprec.IntegerValue(6), 4: snmprec.IntegerValue(9214), 5: snmprec.Gauge32Value(1<<32 - 1),
			6: snmprec.BytesValue([]byte{2, 0, 0, 0, 1, byte(n)}), 7: snmprec.IntegerValue(1), 8: snmprec.IntegerValue(1),
		} {
			set(value, mib(2, 2, 1), column, n)
		}
		for column, value := range map[uint32]snmprec.Value{1: text("Ethernet%d", n), 15: snmprec.Gauge32Value(25_000), 18: text("port %d", n)} {
			set(value, mib(31, 1, 1, 1), column, n)
		}
		set(snmprec.IntegerValue(int64(n)), mib(17, 1, 4, 1), 2, n)
		set(snmprec.IntegerValue(5), mib(17, 2, 15, 1), 3, n)
	}
	for n := uint32(1); n <= 25; n++ {
		for column, value := range map[uint32]snmprec.Value{
			4: snmprec.IntegerValue(4), 5: snmprec.BytesValue([]byte{2, 0, 0, 0, 2, byte(n)}), 6: snmprec.IntegerValue(5), 7: text("eno1"),
			8: text("first port"), 9: text("host%d", n), 10: text("Linux host%d", n), 12: text("\x10"),
		} {
			set(value, lldp(4, 1, 1), column, 0, n, 1)
		}
	}
	for n := range uint32(298) {
		set(snmprec.IntegerValue(int64(1+n%100)), mib(17, 7, 1, 2, 2, 1), 2, 10, 2, 0, 0, 3, n/250, n%250)
		set(snmprec.IntegerValue(3), mib(17, 7, 1, 2, 2, 1), 3, 10, 2, 0, 0, 3, n/250, n%250)
	}
	set(snmprec.IntegerValue(100), mib(17, 1), 2, 0)
	return held
}

// TestFleetAgents is no test: it is the process that the devices of a fleet run in, so that their work does not count as the reader's. It prints
// their addresses and ends with its standard input.
func TestFleetAgents(t *testing.T) {
	t.Parallel()
	size, _ := strconv.Atoi(os.Getenv("FLEET_AGENTS"))
	if size == 0 {
		return // nobody asked for agents
	}
	store, err := snmpagent.NewStore(accessSwitch())
	if err != nil {
		t.Fatal(err)
	}
	if store.Len() != 2000 {
		t.Fatalf("a device holds %d values", store.Len())
	}
	for i := range size {
		agent, err := snmpagent.Start(store, snmpagent.Config{Community: community, LiveUptime: true, Seed: uint64(i)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = agent.Close() })
		agent.SetFaults(snmpagent.Faults{Delay: fleetRoundTrip})
		if _, err := fmt.Fprintln(os.Stdout, "agent", agent.Address()); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// fleet starts devices of one kind, each with a socket of its own, in a process of their own.
func fleet(b *testing.B, size int) []collectors.Device {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestFleetAgents$")
	cmd.Env = append(os.Environ(), "FLEET_AGENTS="+strconv.Itoa(size))
	input, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = input.Close()
		_ = cmd.Wait()
	})
	var devices []collectors.Device
	lines := bufio.NewScanner(output)
	for len(devices) < size && lines.Scan() {
		address, ok := strings.CutPrefix(lines.Text(), "agent ")
		if !ok {
			continue
		}
		devices = append(devices, collectors.Device{
			Handle: "switch" + strconv.Itoa(len(devices)), Kind: topology.Switch, Address: address, Source: topology.SourceSNMP, Access: v2c(),
		})
	}
	if len(devices) < size {
		b.Fatalf("only %d of %d agents: %v", len(devices), size, lines.Err())
	}
	go func() { _, _ = io.Copy(io.Discard, output) }()
	return devices
}

// BenchmarkFleet is P-A3: a thousand devices on the machine that reads them, compared with sixteen snmpbulkwalks at once and with Debian's
// prometheus-snmp-exporter in the same run, turn by turn. FLEET is another number of devices.
func BenchmarkFleet(b *testing.B) {
	requireNetSNMP(b, "snmpbulkwalk")
	size := 1000
	if text := os.Getenv("FLEET"); text != "" {
		size, _ = strconv.Atoi(text)
	}
	devices := fleet(b, size)
	exporter, process := startExporter(b)
	children := func() time.Duration { return spent(syscall.RUSAGE_CHILDREN) }
	crawls := []struct {
		name, metric string
		read         func() error
		work         func() time.Duration // processor time of the reader so far
	}{
		{"xargs -P16 snmpbulkwalk", "times-walk", func() error { return walkers(b.Context(), devices, 10) }, children},
		{"xargs -P16 snmpbulkwalk -Cr50", "times-walk-50", func() error { return walkers(b.Context(), devices, 50) }, children},
		{
			"prometheus-snmp-exporter, 16 at once", "times-exporter",
			func() error { return scrape(b.Context(), exporter, devices) }, func() time.Duration { return spentBy(process) },
		},
		{"throughline", "times-ours", func() error { return sweep(b.Context(), devices, 0) }, func() time.Duration { return spent(syscall.RUSAGE_SELF) }},
	}
	const turns = 3
	for b.Loop() {
		took, worked := make([][]time.Duration, len(crawls)), make([]time.Duration, len(crawls))
		for range turns {
			for i, c := range crawls {
				runtime.GC()
				begin, before := time.Now(), c.work()
				if err := c.read(); err != nil {
					b.Fatalf("%s: %v", c.name, err)
				}
				took[i] = append(took[i], time.Since(begin))
				worked[i] += (c.work() - before) / turns
			}
		}
		report(b, "| P-A3 | reader | devices | time | values/s | processor time | ours is faster |")
		report(b, "| --- | --- | --- | --- | --- | --- | --- |")
		last := len(crawls) - 1
		slices.Sort(took[last])
		for i, c := range crawls {
			slices.Sort(took[i])
			t := took[i][turns/2]
			report(b, "| P-A3 | %s | %d | %.2f s | %.0f | %.2f s | %.1fx |", c.name, size, t.Seconds(), 2000*float64(size)/t.Seconds(), worked[i].Seconds(),
				t.Seconds()/took[last][turns/2].Seconds())
			if i != last && (i != last-1 || exporter != "") {
				b.ReportMetric(t.Seconds()/took[last][turns/2].Seconds(), c.metric)
			}
		}
		idle(b, devices)
	}
}

// spent is processor time of this process or of its children that have ended.
func spent(who int) time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(who, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// spentBy is processor time of a process that runs.
func spentBy(pid int) time.Duration {
	const tick = 10 * time.Millisecond // of the kernel's clock for users
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}

// idle reports what stays of each device between two sweeps, and how many sockets a sweep has open.
func idle(b *testing.B, devices []collectors.Device) {
	b.Helper()
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	others := sockets()
	before := live()
	collector := snmp.New(snmp.Options{})
	runner := collectors.NewRunner(map[topology.Source]collectors.Collector{topology.SourceSNMP: collector}, collectors.Options{})
	most := 0
	for range runner.Sweep(b.Context(), devices) {
		most = max(most, sockets()-others)
	}
	each := (live() - before) / uint64(len(devices))
	report(b, "| P-A3 | each idle device | %d octets resident | at most %d sockets seen during a sweep |", each, most)
	b.ReportMetric(float64(each), "octets/idle-device")
	b.ReportMetric(float64(most), "sockets")
	runtime.KeepAlive(runner)
	runtime.KeepAlive(collector)
}

// sockets counts the open sockets of this process.
func sockets() int {
	n := 0
	files, _ := filepath.Glob("/proc/self/fd/*")
	for _, f := range files {
		if to, _ := os.Readlink(f); strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// sweep reads all devices as the program does.
func sweep(ctx context.Context, devices []collectors.Device, readers int) error {
	collector := snmp.New(snmp.Options{})
	runner := collectors.NewRunner(map[topology.Source]collectors.Collector{topology.SourceSNMP: collector}, collectors.Options{Readers: readers})
	facts := 0
	for batch := range runner.Sweep(ctx, devices) {
		for _, o := range batch {
			if o.Status != collectors.StatusOK {
				return fmt.Errorf("%s", o)
			}
			facts += o.Facts()
		}
	}
	if facts < 1000*len(devices) {
		return fmt.Errorf("only %d facts of %d devices", facts, len(devices))
	}
	return nil
}

// walkers does what "xargs -P16 snmpbulkwalk" does: everything that a device holds, sixteen devices at once.
func walkers(ctx context.Context, devices []collectors.Device, repetitions int) error {
	return sixteenAtOnce(devices, func(d collectors.Device) error {
		return exec.CommandContext(ctx, "snmpbulkwalk", "-v2c", "-c", community, "-t5", "-r3", "-m", "", "-On", "-Cr"+strconv.Itoa(repetitions), d.Address, ".1").Run()
	})
}

// sixteenAtOnce gives the last error.
func sixteenAtOnce(devices []collectors.Device, read func(collectors.Device) error) error {
	var work sync.WaitGroup
	var mu sync.Mutex
	var failed error
	turns := make(chan collectors.Device)
	for range 16 {
		work.Go(func() {
			for d := range turns {
				if err := read(d); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	for _, d := range devices {
		turns <- d
	}
	close(turns)
	work.Wait()
	return failed
}

// startExporter runs Debian's prometheus-snmp-exporter with a module that walks everything that a device holds, and gives its address and process;
// "" where it is not installed.
func startExporter(b *testing.B) (address string, pid int) {
	b.Helper()
	program, err := exec.LookPath("prometheus-snmp-exporter")
	if err != nil {
		return "", 0
	}
	dir := b.TempDir()
	config := filepath.Join(dir, "snmp.yml")
	// A value is only walked for a metric; one that matches nothing keeps the output short.
	text := "all:\n  walk: [1.3.6.1.2.1, 1.0.8802]\n  metrics:\n  - name: sysUpTime\n    oid: 1.3.6.1.2.1.1.3\n    type: gauge\n    help: uptime\n" +
		"  version: 2\n  max_repetitions: 25\n  auth:\n    community: " + community + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address = listener.Addr().String()
	_ = listener.Close()
	cmd := exec.CommandContext(b.Context(), program, "--config.file="+config, "--web.listen-address="+address, "--log.level=error")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
			return address, cmd.Process.Pid
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	b.Fatal("the exporter does not listen")
	return "", 0
}

// scrape lets the exporter read every device, sixteen at once.
func scrape(ctx context.Context, exporter string, devices []collectors.Device) error {
	if exporter == "" {
		return nil
	}
	return sixteenAtOnce(devices, func(d collectors.Device) error { return scrapeOne(ctx, exporter, d) })
}

func scrapeOne(ctx context.Context, exporter string, d collectors.Device) error {
	query := url.Values{"target": {d.Address}, "module": {"all"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+exporter+"/snmp?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || !strings.Contains(string(body), "snmp_scrape_pdus_returned 2") {
		return fmt.Errorf("the exporter answers %s: %s", response.Status, body)
	}
	return nil
}

// BenchmarkFleet_alone is the fleet without its peers, for profiles.
func BenchmarkFleet_alone(b *testing.B) {
	devices := fleet(b, 300)
	for b.Loop() {
		if err := sweep(b.Context(), devices, 0); err != nil {
			b.Fatal(err)
		}
	}
}
