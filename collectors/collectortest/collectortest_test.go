package collectortest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/topology"
)

// box is a device of two tables, and what the collector under test talks to.
type box struct {
	fault   collectortest.Fault
	stalled chan struct{}

	mu   sync.Mutex
	sent []string
}

var boxes sync.Map // by address

func boxAt(d collectors.Device) *box {
	v, _ := boxes.Load(d.Address)
	b, _ := v.(*box)
	return b
}

func start(t *testing.T, fault collectortest.Fault) collectortest.Fixture {
	t.Helper()
	b := &box{fault: fault, stalled: make(chan struct{})}
	d := collectors.Device{
		Handle: "leaf1", Source: topology.SourceSNMP, Address: fmt.Sprintf("%p", b),
		Access: collectors.SNMPAccess{Community: collectors.NewSecret("c4nary")},
	}
	boxes.Store(d.Address, b)
	t.Cleanup(func() { boxes.Delete(d.Address) })
	return collectortest.Fixture{Device: d, Stalled: b.stalled, Sent: func() []string {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.Clone(b.sent)
	}}
}

// get answers with the names that a table holds.
func (b *box) get(ctx context.Context, table string) ([]string, error) {
	b.mu.Lock()
	b.sent = append(b.sent, "get "+table)
	b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rows := map[string][]string{"ports": {"eth0", "eth1"}, "names": {"leaf1.example.net"}}[table]
	switch {
	case b.fault == collectortest.Silent:
		return nil, fmt.Errorf("%w: no answer", collectors.ErrUnreachable)
	case b.fault == collectortest.Denied:
		return nil, fmt.Errorf("%w: unknown user", collectors.ErrDenied)
	case b.fault == collectortest.Stall && table == "ports":
		close(b.stalled)
		<-ctx.Done()
		return rows[:1], ctx.Err()
	case b.fault == "ports break off" && table == "ports":
		return rows[:1], errors.New("genErr at eth1")
	}
	return rows, nil
}

// reader is a collector that does everything right.
type reader struct{}

func (reader) Probe(ctx context.Context, d collectors.Device) (string, error) {
	names, err := boxAt(d).get(ctx, "names")
	return strings.Join(names, ""), err
}

func (reader) Collect(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
	var observations []topology.Observation
	self := topology.DeviceKey(topology.Switch, d.Handle)
	for _, table := range []string{"names", "ports"} {
		rows, err := boxAt(d).get(ctx, table)
		o := topology.Observation{Reading: collectors.NewReading(d, table, "get "+table, time.Now())}
		o.Reading.Rows = len(rows)
		for _, row := range rows {
			if table == "names" {
				o.Facts = append(o.Facts, topology.Attribute(self, topology.AttrSysName, topology.TextValue(row)))
			} else {
				o.Facts = append(o.Facts, topology.Relate(self, topology.Contains, topology.PartKey(topology.Port, self, row)))
			}
		}
		if err != nil {
			o.Reading.Partial, o.Reading.Reason = true, err.Error()
		}
		observations = append(observations, o)
		if ctx.Err() != nil || errors.Is(err, collectors.ErrUnreachable) || errors.Is(err, collectors.ErrDenied) {
			return observations, err
		}
	}
	return observations, nil
}

func suite() collectortest.Suite {
	return collectortest.Suite{
		New:   func(*testing.T) collectors.Collector { return reader{} },
		Start: start,
		Faults: map[collectortest.Fault][]string{
			collectortest.Silent: nil, collectortest.Denied: nil, collectortest.Stall: nil, "ports break off": {"ports"},
		},
		Allowed: []string{"get names", "get p*"},
		Golden:  "testdata/reader.golden",
	}
}

func TestConformance(t *testing.T) { //nolint:paralleltest // the suite looks for goroutines left over
	collectortest.Run(t, suite())
}

// Every breach of the contract has a test that finds it.
func TestProblems(t *testing.T) {
	t.Parallel()
	f := start(t, collectortest.None)
	d := f.Device
	port := topology.PartKey(topology.Port, topology.DeviceKey(topology.Switch, "leaf1"), "eth0")
	mtu := topology.Attribute(port, topology.AttrMTU, topology.IntValue(1500))
	tests := map[string]struct {
		spoil func(o *topology.Observation)
		want  string
	}{
		"nothing":            {func(*topology.Observation) {}, ""},
		"another device":     {func(o *topology.Observation) { o.Reading.Device = "leaf2" }, "no reading of a table of leaf1/snmp"},
		"another source":     {func(o *topology.Observation) { o.Reading.Source = topology.SourceCLI }, "no reading of a table"},
		"no table":           {func(o *topology.Observation) { o.Reading.Table = "" }, "no reading of a table"},
		"the runner's table": {func(o *topology.Observation) { o.Reading.Table = collectors.SessionTable }, "no reading of a table"},
		"no command":         {func(o *topology.Observation) { o.Reading.Command = "" }, "does not say what was sent"},
		"no time":            {func(o *topology.Observation) { o.Reading.Time = time.Time{} }, "its time"},
		"odd time":           {func(o *topology.Observation) { o.Reading.Time = o.Reading.Time.Add(1) }, "its time"},
		"no reason":          {func(o *topology.Observation) { o.Reading.Partial = true }, "does not say why"},
		"rows without a row": {func(o *topology.Observation) { o.Reading.Rows = 0 }, "has facts but no rows"},
		"not in the model":   {func(o *topology.Observation) { o.Facts[0].Value = topology.TextValue("x") }, "not allowed by the model"},
		"derived":            {func(o *topology.Observation) { o.Facts[0].Derived = true }, "only reconcile sets"},
		"twice":              {func(o *topology.Observation) { o.Facts = append(o.Facts, o.Facts[0]) }, "stated twice"},
		"another device's":   {func(o *topology.Observation) { o.Facts[0].Subject.ID = "@leaf2/eth0" }, "part of leaf2"},
		"another one's other": {func(o *topology.Observation) {
			o.Facts[0] = topology.Relate(port, topology.Link, topology.Key{Kind: topology.Port, ID: "@x/y"})
		}, "part of x"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := topology.Observation{Reading: collectors.NewReading(d, "ifTable", "get ifTable", time.Now()), Facts: []topology.Fact{mtu}}
			o.Reading.Rows = 1
			tt.spoil(&o)
			got := strings.Join(collectortest.Problems(d, []topology.Observation{o}), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	o := topology.Observation{Reading: collectors.NewReading(d, "ifTable", "get ifTable", time.Now())}
	if got := collectortest.Problems(d, []topology.Observation{o, o}); len(got) != 1 || !strings.Contains(got[0], "two readings") {
		t.Errorf("got %q", got)
	}
}

func TestLeaks(t *testing.T) {
	t.Parallel()
	d := start(t, collectortest.None).Device
	o := topology.Observation{Reading: collectors.NewReading(d, "ifTable", "get -c c4nary", time.Now())}
	for name, got := range map[string][]string{
		"reading": collectortest.Leaks(d, []topology.Observation{o}, nil),
		"error":   collectortest.Leaks(d, nil, errors.New("wrong: c4nary")),
	} {
		if len(got) != 1 || strings.Contains(got[0], "c4nary") {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := collectortest.Leaks(d, nil, errors.New("wrong")); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

// Damage compares a reading with broken tables with the whole one.
func TestDamage(t *testing.T) {
	t.Parallel()
	read := func(fault collectortest.Fault) []topology.Observation {
		o, _ := reader{}.Collect(t.Context(), start(t, fault).Device)
		return o
	}
	whole, broken := read(collectortest.None), read("ports break off")
	cut := slices.Clone(whole)
	cut[1].Facts, cut[1].Reading.Rows = cut[1].Facts[:1], 1
	strange := slices.Clone(broken)
	strange[0].Facts = append(slices.Clone(strange[0].Facts), topology.Attribute(topology.DeviceKey(topology.Switch, "leaf1"), topology.AttrModel, topology.TextValue("x")))
	tests := map[string]struct {
		got  []topology.Observation
		want []string
	}{
		"as it should be":      {broken, nil},
		"claims to be whole":   {cut, []string{"claims to be complete: -whole", "ports was broken, and claims"}},
		"unbroken":             {whole, []string{"ports was broken, and claims"}},
		"lost":                 {broken[:1], []string{"ports has no reading", "ports was broken, and has no reading"}},
		"another one is hurt":  {broken[1:], []string{"names has no reading"}},
		"something else there": {strange, []string{"claims to be complete", "is not what the whole reading says"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := collectortest.Damage(whole, tt.got, []string{"ports"})
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.Contains(got[i], tt.want[i]) {
					t.Errorf("got %q, want %q", got[i], tt.want[i])
				}
			}
		})
	}
}

func TestText_staysOnItsLines(t *testing.T) {
	t.Parallel()
	d := start(t, collectortest.None).Device
	o := topology.Observation{
		Reading: collectors.NewReading(d, "system", "get 1", time.Now()),
		Facts: []topology.Fact{
			topology.Attribute(topology.DeviceKey(topology.Switch, "leaf1"), topology.AttrSysName, topology.TextValue("a\nb\x1b[31m\\n")),
		},
	}
	o.Facts[0].Confidence = 50
	want := "snmp system complete, 0 rows, by get 1\n  switch:@leaf1 sysName=a\\nb\\x1b[31m\\\\n (50%)\n"
	if got := collectortest.Text([]topology.Observation{o}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
