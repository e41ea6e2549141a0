package snmp_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/fixtures/sim/snmpagent"
	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// answerOf says what kind of answer a file is.
func answerOf(name string) string {
	if filepath.Ext(name) == ".walk" {
		return snmp.AnswerWalk
	}
	return snmp.AnswerSnmprec
}

// Everything that the recordings say, and everything in them that is not understood.
func TestParse_golden(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"access.walk", "host.walk", "leaf.snmprec"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			observations, unparsed, err := snmp.Parse(answerOf(name), fixture(t, name))
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for _, u := range unparsed {
				text.WriteString("unparsed " + u.Where + ": " + u.Text + ": " + u.Why + "\n")
			}
			present := slices.DeleteFunc(observations, func(o topology.Observation) bool { return o.Reading.Rows == 0 })
			got := collectortest.Text(present) + text.String()
			golden := filepath.Join("testdata", strings.TrimSuffix(name, filepath.Ext(name))+".parsed")
			if os.Getenv("UPDATE_GOLDEN") == "1" {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want := string(fixture(t, filepath.Base(golden)))
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s: -want +got\n%s", golden, diff)
			}
		})
	}
}

func TestParse_refuses(t *testing.T) {
	t.Parallel()
	if _, _, err := snmp.Parse("netconf", nil); err == nil || !strings.Contains(err.Error(), "netconf") {
		t.Errorf("an answer that it does not know: %v", err)
	}
	_, unparsed, err := snmp.Parse(snmp.AnswerWalk, []byte("Timeout: No Response from 192.0.2.1\n"))
	if !errors.Is(err, collectors.ErrMalformed) || len(unparsed) != 1 || unparsed[0].Where != "line 1" {
		t.Errorf("what is no walk: %v, %v", err, unparsed)
	}
}

// deviceOf gives the key under which the recording's device is spoken of.
func deviceOf(t *testing.T, lines ...string) topology.Key {
	t.Helper()
	lines = append(lines, `.1.3.6.1.2.1.1.5.0 = STRING: "box"`)
	observations, _, err := snmp.Parse(snmp.AnswerWalk, []byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range observations {
		for _, f := range o.Facts {
			if f.Attr == topology.AttrSysName {
				return f.Subject
			}
		}
	}
	t.Fatal("no sysName")
	return topology.Key{}
}

func TestKind(t *testing.T) {
	t.Parallel()
	services := func(n string) string { return ".1.3.6.1.2.1.1.7.0 = INTEGER: " + n }
	capabilities := func(hex string) string { return ".1.0.8802.1.1.2.1.3.6.0 = Hex-STRING: " + hex }
	const ports, hostMIB = ".1.3.6.1.2.1.17.1.2.0 = INTEGER: 24", ".1.3.6.1.2.1.25.1.1.0 = Timeticks: (1) 0:00:00.01"
	for _, tt := range []struct {
		name  string
		lines []string
		want  topology.Kind
	}{
		{"nothing is known", nil, topology.Switch},
		{"a bridge with ports", []string{services("72"), ports}, topology.Switch},
		{"a row of the port table", []string{services("72"), ".1.3.6.1.2.1.17.1.4.1.2.1 = INTEGER: 1"}, topology.Switch},
		{"a bridge without ports", []string{services("72"), ".1.3.6.1.2.1.17.1.2.0 = INTEGER: 0"}, topology.Host},
		{"net-snmp", []string{services("72")}, topology.Host},
		{"net-snmp beside lldpd on a hypervisor", []string{services("72"), capabilities("28 00")}, topology.Host},
		{"net-snmp that says no services", []string{hostMIB}, topology.Host},
		{"a switch that monitors itself as a host", []string{hostMIB, services("6")}, topology.Switch},
		{"a switch of net-snmp", []string{hostMIB, ports}, topology.Switch},
		{"layer 2", []string{services("2")}, topology.Switch},
		{"layers 2 and 3", []string{services("6")}, topology.Switch},
		{"layers 2, 3, 4 and 7", []string{services("78")}, topology.Switch},
		{"layer 3", []string{services("4")}, topology.Router},
		{"layers 3 and 7", []string{services("76")}, topology.Router},
		{"layer 3, but it bridges", []string{services("4"), capabilities("28 00")}, topology.Switch},
		{"routes and does not bridge", []string{services("6"), capabilities("08 00")}, topology.Router},
	} {
		if got := deviceOf(t, tt.lines...); got != topology.DeviceKey(tt.want, "recording") {
			t.Errorf("%s: %s, want a %s", tt.name, got, tt.want)
		}
	}
}

// leafDevice is the device of testdata/leaf.snmprec with a change, behind a live agent.
func leafDevice(t *testing.T, change func(*snmpagent.Edit)) collectors.Device {
	t.Helper()
	recording, err := snmprec.ParseSnmprec(fixture(t, "leaf.snmprec"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := snmpagent.NewStore(recording.Varbinds)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Update(change); err != nil {
		t.Fatal(err)
	}
	agent, err := snmpagent.Start(store, snmpagent.Config{Community: community, Users: []snmpagent.User{reader()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Close() })
	return collectors.Device{Handle: "leaf1", Address: agent.Address().String(), Source: topology.SourceSNMP, Access: v3()}
}

func tableOf(t *testing.T, observations []topology.Observation, table string) topology.Observation {
	t.Helper()
	i := slices.IndexFunc(observations, func(o topology.Observation) bool { return o.Reading.Table == table })
	if i < 0 {
		t.Fatalf("no reading of %s", table)
	}
	return observations[i]
}

func TestCollect_overV3WithTheOperatorsKindAndTime(t *testing.T) {
	t.Parallel()
	d := leafDevice(t, func(*snmpagent.Edit) {})
	d.Kind = topology.Router
	now := time.Date(2030, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600))
	observations, err := snmp.New(snmp.Options{Now: func() time.Time { return now }}).Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	system := tableOf(t, observations, "system")
	if got := system.Facts[0].Subject; got != topology.DeviceKey(topology.Router, "leaf1") {
		t.Errorf("the device is %s", got)
	}
	if want := time.Date(2030, 1, 2, 2, 4, 5, 678_000_000, time.UTC); system.Reading.Time != want {
		t.Errorf("read at %s, want %s", system.Reading.Time, want)
	}
	for _, o := range observations {
		if o.Reading.Partial {
			t.Errorf("%s: %s", o.Reading, o.Reading.Reason)
		}
	}
}

// An empty view is no empty device: nothing may be deleted for it.
func TestCollect_emptyView(t *testing.T) {
	t.Parallel()
	d := leafDevice(t, func(e *snmpagent.Edit) {
		e.RemoveUnder(snmprec.NewOID(1, 0))
		e.RemoveUnder(snmprec.NewOID(1, 2))
		e.RemoveUnder(snmprec.NewOID(1, 3, 6, 1, 2))
		e.RemoveUnder(snmprec.NewOID(1, 3, 6, 1, 4))
	})
	observations, err := snmp.New(snmp.Options{}).Collect(t.Context(), d)
	if !errors.Is(err, collectors.ErrDenied) || len(observations) != 0 {
		t.Errorf("%d observations, %v", len(observations), err)
	}
}

// A view without ifTable is told from a device without interfaces by ifNumber.
func TestCollect_hiddenInterfaces(t *testing.T) {
	t.Parallel()
	d := leafDevice(t, func(e *snmpagent.Edit) { e.RemoveUnder(snmprec.NewOID(1, 3, 6, 1, 2, 1, 2, 2)) })
	observations, err := snmp.New(snmp.Options{}).Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if r := tableOf(t, observations, "ifTable").Reading; !r.Partial || !strings.Contains(r.Reason, "11 rows and shows none") {
		t.Errorf("ifTable: partial %t, %q", r.Partial, r.Reason)
	}
	if r := tableOf(t, observations, "vtpVlanTable").Reading; r.Partial {
		t.Errorf("vtpVlanTable: %s", r.Reason)
	}
}

func TestCollect_leavesLongTablesAlone(t *testing.T) {
	t.Parallel()
	d := leafDevice(t, func(e *snmpagent.Edit) {
		e.Set(snmprec.NewOID(1, 3, 6, 1, 2, 1, 4, 24, 6, 0), snmprec.Gauge32Value(1_000_001))
	})
	observations, err := snmp.New(snmp.Options{MaxRows: 1_000_000}).Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	o := tableOf(t, observations, "inetCidrRouteTable")
	if !o.Reading.Partial || len(o.Facts) > 0 || !strings.Contains(o.Reading.Reason, "1000001 rows") {
		t.Errorf("inetCidrRouteTable: partial %t, %d facts, %q", o.Reading.Partial, len(o.Facts), o.Reading.Reason)
	}
	if o := tableOf(t, observations, "ipCidrRouteTable"); o.Reading.Partial {
		t.Errorf("ipCidrRouteTable: %s", o.Reading.Reason)
	}
}

func TestCollect_refusesOtherAccess(t *testing.T) {
	t.Parallel()
	d := collectors.Device{Handle: "leaf1", Address: "192.0.2.1", Access: collectors.LibvirtAccess{}}
	if _, err := snmp.New(snmp.Options{}).Collect(t.Context(), d); err == nil || !strings.Contains(err.Error(), "LibvirtAccess") {
		t.Errorf("access of another source: %v", err)
	}
	d.Access = collectors.SNMPAccess{Version: collectors.SNMPv2c, Community: collectors.NewSecret(community)}
	if _, err := snmp.New(snmp.Options{}).Probe(t.Context(), d); err == nil || !strings.Contains(err.Error(), "allow_v2c") {
		t.Errorf("SNMPv2c without the waiver: %v", err)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	d := leafDevice(t, func(*snmpagent.Edit) {})
	answer, err := snmp.New(snmp.Options{}).Probe(t.Context(), d)
	if err != nil || answer != "leaf1: Example Switch OS 4.2" {
		t.Errorf("%q, %v", answer, err)
	}
}

// Whatever a recording holds, what is made of it keeps to the model.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"access.walk", "host.walk", "leaf.snmprec"} {
		f.Add(answerOf(name), fixture(f, name))
	}
	for _, file := range corpusFiles(f, "librenms/snmprec/*.snmprec", "opennms-linkd/*.txt") {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		const large = 16 << 10 // what takes long to parse finds little in the time there is
		answer := snmp.AnswerSnmprec
		if filepath.Ext(file) == ".txt" {
			answer = snmp.AnswerWalk
		}
		if len(raw) <= large {
			f.Add(answer, raw)
		}
	}
	f.Fuzz(func(t *testing.T, answer string, raw []byte) {
		observations, _, err := snmp.Parse(answer, raw)
		if err != nil {
			return
		}
		d := collectors.Device{Handle: "recording", Source: topology.SourceSNMP}
		for i := range observations {
			observations[i].Reading.Time = time.Unix(0, 0).UTC()
		}
		for _, p := range collectortest.Problems(d, observations) {
			t.Error(p)
		}
	})
}

// corpusFiles finds files of the corpus, none where it is absent.
func corpusFiles(tb testing.TB, patterns ...string) []string {
	tb.Helper()
	root := os.Getenv("THROUGHLINE_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	var files []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(p)))
		if err != nil {
			tb.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		tb.Logf("NO SEEDS: no corpus at %s", root)
	}
	return files
}
