package snmp_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/fixtures/sim/snmpagent"
	"github.com/throughline-dc/throughline/fixtures/sim/udprelay"
	"github.com/throughline-dc/throughline/internal/snmprec"
)

// roundTrip is the distance of the crawled device in the benchmarks.
const roundTrip = 20 * time.Millisecond

// bigSwitch is what the benchmarks crawl.
func bigSwitch() ([]snmp.Table, []snmprec.Varbind) {
	r := rand.New(rand.NewPCG(20, 26))
	mac := func() []uint32 {
		return []uint32{2, 0, uint32(r.IntN(4)), uint32(r.IntN(256)), uint32(r.IntN(256)), uint32(r.IntN(256))}
	}
	octets := func(ids []uint32) snmprec.Value {
		text := make([]byte, len(ids))
		for i, id := range ids {
			text[i] = byte(id)
		}
		return snmprec.BytesValue(text)
	}
	mib2 := snmprec.NewOID(1, 3, 6, 1, 2, 1)
	ifX := snmp.Table{Name: "ifXTable", Entry: mib2.Append(31, 1, 1, 1), Columns: []uint32{6, 7, 8, 9, 10, 11, 12, 13}}
	fdb := snmp.Table{Name: "dot1qTpFdbTable", Entry: mib2.Append(17, 7, 1, 2, 2, 1), Columns: []uint32{2, 3}, Long: true}
	arp := snmp.Table{Name: "ipNetToMediaTable", Entry: mib2.Append(4, 22, 1), Columns: []uint32{1, 2, 3, 4}, Long: true}
	lldp := snmp.Table{Name: "lldpRemTable", Entry: snmprec.NewOID(1, 0, 8802, 1, 1, 2, 1, 4, 1, 1), Columns: []uint32{4, 5, 6, 7, 8, 9, 10, 11, 12}}

	held := around()
	add := func(t snmp.Table, column uint32, v snmprec.Value, index ...uint32) {
		held = append(held, snmprec.Varbind{OID: t.Column(column).Append(index...), Value: v})
	}
	for i := range uint32(5000) {
		for _, column := range ifX.Columns {
			add(ifX, column, snmprec.Counter64Value(r.Uint64N(1<<45)), i+1)
		}
	}
	for range 10_000 {
		index := append([]uint32{uint32(100 + r.IntN(40))}, mac()...)
		add(fdb, 2, snmprec.IntegerValue(int64(1+r.IntN(5000))), index...)
		add(fdb, 3, snmprec.IntegerValue(3), index...)
	}
	for i := range uint32(5000) {
		ifIndex, addr := 100+i/250, netip.AddrFrom4([4]byte{10, byte(i / 250), 0, byte(1 + i%250)})
		index := []uint32{ifIndex, 10, i / 250, 0, 1 + i%250}
		add(arp, 1, snmprec.IntegerValue(int64(ifIndex)), index...)
		add(arp, 2, octets(mac()), index...)
		add(arp, 3, snmprec.AddrValue(addr), index...)
		add(arp, 4, snmprec.IntegerValue(3), index...)
	}
	for i := range uint32(100) {
		for _, column := range lldp.Columns {
			v := snmprec.StringValue(fmt.Sprintf("leaf%d", i))
			if column == 4 || column == 6 || column == 11 || column == 12 {
				v = snmprec.IntegerValue(4)
			}
			add(lldp, column, v, 0, i+1, i+7)
		}
	}
	return []snmp.Table{ifX, fdb, arp, lldp}, held
}

// crawl is one way to read tables: it returns the rows as lines of "snmpwalk -On", and the requests where it knows them.
type crawl func(ctx context.Context, address string, tables []snmp.Table) (lines []string, requests int, err error)

// ours reads all tables at once within one budget.
func ours(profile snmp.Profile) crawl {
	return func(ctx context.Context, address string, tables []snmp.Table) ([]string, int, error) {
		session, err := snmp.NewSession(address, v2c(), profile)
		if err != nil {
			return nil, 0, err
		}
		defer func() { _ = session.Close() }()
		var mu sync.Mutex
		var walks sync.WaitGroup
		var lines []string
		requests := 0
		for _, table := range tables {
			walks.Go(func() {
				rows, result, walkErr := session.Walk(ctx, table)
				mu.Lock()
				defer mu.Unlock()
				if walkErr == nil && !result.Complete {
					walkErr = fmt.Errorf("%s: %v", table.Name, result.Gaps)
				}
				if walkErr != nil {
					err = walkErr
				}
				requests += result.Requests
				lines = append(lines, flat(table, rows)...)
			})
		}
		walks.Wait()
		return lines, requests, err
	}
}

// theirs reads one table after the other with Debian's snmpbulkwalk.
func theirs(repetitions int) crawl {
	return func(ctx context.Context, address string, tables []snmp.Table) ([]string, int, error) {
		var lines []string
		for _, table := range tables {
			cmd := exec.CommandContext(ctx, "snmpbulkwalk", "-v2c", "-c", community, "-t5", "-r3", "-m", "", "-On", "-Cr"+strconv.Itoa(repetitions),
				address, "."+table.Entry.String())
			out, err := cmd.Output()
			if err != nil {
				return nil, 0, fmt.Errorf("snmpbulkwalk: %w", err)
			}
			rec, err := snmprec.ParseWalk(out)
			if err != nil {
				return nil, 0, err
			}
			for _, vb := range rec.Varbinds {
				if slices.Contains(table.Columns, vb.OID.At(table.Entry.Len())) {
					lines = append(lines, vb.String())
				}
			}
		}
		return lines, 0, nil
	}
}

// requireNetSNMP skips, or fails where live programs are compulsory.
func requireNetSNMP(tb testing.TB, tools ...string) {
	tb.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("REQUIRE_LIVE") == "1" {
			tb.Fatalf("%s is missing: install the packages snmp and snmpd", tool)
		}
		tb.Skipf("SKIPPED: %s is missing (packages snmp and snmpd)", tool)
	}
}

// startSNMPD runs Debian's snmpd as an ordinary process on a free loopback port and returns its address.
func startSNMPD(tb testing.TB) string {
	tb.Helper()
	requireNetSNMP(tb, "snmpd")
	conn, err := (&net.ListenConfig{}).ListenPacket(tb.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	address := conn.LocalAddr().String()
	if err := conn.Close(); err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	config := filepath.Join(dir, "snmpd.conf")
	settings := "rocommunity " + community + " 127.0.0.1\n" +
		"createUser reader SHA-256 \"" + passphrase + "\" AES \"" + passphrase + "\"\nrouser reader priv\n" +
		"createUser careful SHA-512 \"" + passphrase + "\" AES-256 \"" + passphrase + "\"\nrouser careful priv\n"
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), "snmpd", "-f", "-Le", "-C", "-c", config, "-I", "-smux", "udp:"+address)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+dir)
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	session, err := snmp.NewSession(address, v2c(), snmp.Profile{Timeout: 250 * time.Millisecond, Retries: 40})
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	if _, _, err := session.Scalars(tb.Context(), around()[1].OID); err != nil {
		tb.Fatalf("snmpd does not answer: %v", err)
	}
	return address
}

// installed is hrSWInstalledTable: the one long table of snmpd that does not change under a walk.
func installed() snmp.Table {
	return snmp.Table{Name: "hrSWInstalledTable", Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 25, 6, 3, 1), Columns: []uint32{1, 2, 3, 4, 5}}
}

// TestCrawl_sameRowsAsNetSNMP compares with snmpbulkwalk, against the simulated agent and against snmpd.
func TestCrawl_sameRowsAsNetSNMP(t *testing.T) {
	t.Parallel()
	requireNetSNMP(t, "snmpbulkwalk")
	tables, held := bigSwitch()
	agent := startAgent(t, held)
	for name, c := range map[string]struct {
		address string
		tables  []snmp.Table
	}{
		"simulated agent": {agent.Address().String(), tables},
		"snmpd":           {startSNMPD(t), []snmp.Table{installed()}},
	} {
		want, _, err := theirs(50)(t.Context(), c.address, c.tables)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, profile := range []snmp.Profile{snmp.DefaultProfile(), snmp.FixedProfile(16, 60)} {
			got, _, err := ours(profile)(t.Context(), c.address, c.tables)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !sameLines(got, want) {
				t.Errorf("%s: %d rows, snmpbulkwalk has %d others", name, len(got), len(want))
			}
		}
	}
}

// TestCrawl_snmpdV3 speaks SNMPv3 with an agent that is not ours: it lets the right user in and says why it refuses others.
func TestCrawl_snmpdV3(t *testing.T) {
	t.Parallel()
	address := startSNMPD(t)
	change := func(f func(*collectors.SNMPAccess)) collectors.SNMPAccess {
		a := v3()
		f(&a)
		return a
	}
	for name, c := range map[string]struct {
		access collectors.SNMPAccess
		want   error
		words  string
	}{
		"SHA-256, AES": {access: v3()},
		"SHA-512, AES-256": {access: change(func(a *collectors.SNMPAccess) {
			a.User, a.Auth, a.Priv = "careful", collectors.SNMPAuthSHA512, collectors.SNMPPrivAES256
		})},
		"unknown user": {change(func(a *collectors.SNMPAccess) { a.User = "stranger" }), collectors.ErrDenied, "user"},
		"wrong passphrase": {
			change(func(a *collectors.SNMPAccess) { a.AuthKey = collectors.NewSecret("wrong horse battery") }),
			collectors.ErrDenied, "authentication",
		},
		"wrong protocol": {change(func(a *collectors.SNMPAccess) { a.Auth = collectors.SNMPAuthSHA384 }), collectors.ErrDenied, "authentication"},
		"wrong privacy passphrase": {
			change(func(a *collectors.SNMPAccess) { a.PrivKey = collectors.NewSecret("wrong horse battery") }),
			collectors.ErrDenied, "privacy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			profile := snmp.FixedProfile(4, 60)
			profile.Timeout, profile.Retries = 3*time.Second, 2
			session, err := snmp.NewSession(address, c.access, profile)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = session.Close() }()
			table := installed()
			rows, result, err := session.Walk(t.Context(), table)
			if c.want != nil {
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) || rows.Len() > 0 || result.Complete {
					t.Errorf("%v; %d values", err, rows.Len())
				}
				return
			}
			if err != nil || !result.Complete || result.Retries > 0 {
				t.Fatalf("%v; %+v", err, result)
			}
			want, _, err := theirs(50)(t.Context(), address, []snmp.Table{table})
			if err != nil || !sameLines(flat(table, rows), want) {
				t.Errorf("%d values, snmpbulkwalk has %d others; %v", rows.Len(), len(want), err)
			}
		})
	}
}

func sameLines(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// run is one timed crawl.
type run struct {
	took     time.Duration
	requests int
	lines    []string
}

func timed(b *testing.B, c crawl, address string, tables []snmp.Table) run {
	b.Helper()
	runtime.GC()
	begin := time.Now()
	lines, requests, err := c(b.Context(), address, tables)
	if err != nil {
		b.Fatal(err)
	}
	return run{time.Since(begin), requests, lines}
}

func median(runs []run) run {
	slices.SortFunc(runs, func(x, y run) int { return int(x.took - y.took) })
	return runs[len(runs)/2]
}

// BenchmarkCrawl_latency is P-A1: one device at 20 ms, compared with snmpbulkwalk -Cr50 in the same run, turn by turn.
// It prints rows for docs/benchmarks.md.
func BenchmarkCrawl_latency(b *testing.B) {
	requireNetSNMP(b, "snmpbulkwalk")
	tables, held := bigSwitch()
	agent := startAgent(b, held)
	snmpd := startSNMPD(b)
	type subject struct {
		device, address string
		tables          []snmp.Table
	}
	var subjects []subject
	for _, table := range tables {
		subjects = append(subjects, subject{"simulator", agent.Address().String(), []snmp.Table{table}})
	}
	subjects = append(subjects, subject{"simulator", agent.Address().String(), tables}, subject{"Debian snmpd", snmpd, []snmp.Table{installed()}})
	for b.Loop() {
		report(b, "| P-A1 | device | tables | values | snmpbulkwalk -Cr50 | W | ours | faster | goal | requests | N/R | snmpbulkwalk -Cr60 | same rows |")
		report(b, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
		for _, s := range subjects {
			compare(b, s.device, s.address, s.tables)
		}
	}
}

// compare runs peer and ours in turns, three times each.
func compare(b *testing.B, device, address string, tables []snmp.Table) {
	b.Helper()
	const turns, repetitions = 3, 60
	relay, err := udprelay.Start(udprelay.Config{Target: address, RoundTrip: roundTrip})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = relay.Close() }()
	before := relay.Stats().Requests
	timed(b, theirs(repetitions), relay.Address(), tables)
	sequential := relay.Stats().Requests - before // what the datagrams' size allows at best
	slots := []int{8, 16}
	var peers []run
	own := make([][]run, len(slots))
	for range turns {
		peers = append(peers, timed(b, theirs(50), relay.Address(), tables))
		for i, w := range slots {
			own[i] = append(own[i], timed(b, ours(snmp.FixedProfile(w, repetitions)), relay.Address(), tables))
		}
	}
	names := make([]string, len(tables))
	for i, table := range tables {
		names[i] = table.Name
	}
	peer := median(peers)
	for i, w := range slots {
		mine := median(own[i])
		least := (len(mine.lines) + repetitions - 1) / repetitions
		goal := map[int]float64{8: 8.6, 16: 14}[w]
		report(b, "| P-A1 | %s | %s | %d | %.2f s | %d | %.2f s | %.1fx | %.1fx | %d | %d (%.3f) | %d (%.3f) | %v |", device, strings.Join(names, " + "),
			len(mine.lines), peer.took.Seconds(), w, mine.took.Seconds(), peer.took.Seconds()/mine.took.Seconds(), goal,
			mine.requests, least, float64(mine.requests)/float64(least), sequential, float64(mine.requests)/float64(sequential), sameLines(mine.lines, peer.lines))
	}
}

// BenchmarkCrawl_politeness is P-A4: an agent that works on one request after the other, 1 ms for each value, and loses 5 % of the
// requests.
func BenchmarkCrawl_politeness(b *testing.B) {
	_, held := bigSwitch()
	tables := []snmp.Table{
		{Name: "lldpRemTable", Entry: snmprec.NewOID(1, 0, 8802, 1, 1, 2, 1, 4, 1, 1), Columns: []uint32{4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{Name: "ipNetToMediaTable", Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 4, 22, 1), Columns: []uint32{2, 3}, Long: true},
	}
	store, err := snmpagent.NewStore(held)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		report(b, "| P-A4 | profile | loss | values | requests seen | retries | needless | most in flight | budget | time | over loss-free |")
		report(b, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
		for _, p := range []struct {
			name    string
			profile snmp.Profile
		}{
			{"learned", snmp.DefaultProfile()},
			{"W=2, R=10", snmp.FixedProfile(2, 10)},
			{"W=8, R=60", snmp.FixedProfile(8, 60)},
		} {
			var free time.Duration
			for _, loss := range []float64{0, 0.05} {
				agent, err := snmpagent.Start(store, snmpagent.Config{Community: community, Seed: 4})
				if err != nil {
					b.Fatal(err)
				}
				agent.SetFaults(snmpagent.Faults{PerValue: time.Millisecond, Loss: loss})
				mine := timed(b, ours(p.profile), agent.Address().String(), tables)
				s := agent.Stats()
				if err := agent.Close(); err != nil {
					b.Fatal(err)
				}
				if loss == 0 {
					free = mine.took
				}
				report(b, "| P-A4 | %s | %.0f %% | %d | %d | %d | %d (%.2f %%) | %d | %d | %.2f s | %.2fx |", p.name, loss*100, len(mine.lines),
					s.Requests, s.Retries, s.Needless, 100*float64(s.Needless)/float64(s.Requests), s.MaxInFlight, p.profile.MaxInFlight,
					mine.took.Seconds(), mine.took.Seconds()/free.Seconds())
			}
		}
	}
}

// report prints one row to standard output, between the lines of the benchmark: `grep "^|"` finds them.
func report(b *testing.B, format string, args ...any) {
	b.Helper()
	if _, err := fmt.Fprintf(os.Stdout, format+"\n", args...); err != nil {
		b.Fatal(err)
	}
}
