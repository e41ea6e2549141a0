package snmp_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/fixtures/sim/snmpagent"
	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

func mib(ids ...uint32) snmprec.OID  { return snmprec.NewOID(1, 3, 6, 1, 2, 1).Append(ids...) }
func lldp(ids ...uint32) snmprec.OID { return snmprec.NewOID(1, 0, 8802, 1, 1, 2, 1).Append(ids...) }

// The tables of the watched device, its indicators, and some objects of them.
var (
	entityRows, neighborRows, stackRows = mib(47, 1, 1, 1, 1), lldp(4), mib(31, 1, 2, 1)
	entityStamp, stackStamp             = mib(47, 1, 4, 1, 0), mib(31, 1, 6, 0)
	neighborStamp, neighborDeletes      = lldp(2, 1, 0), lldp(2, 3, 0)
	upTime, engineID                    = mib(1, 3, 0), snmprec.NewOID(1, 3, 6, 1, 6, 3, 10, 2, 1, 1, 0)
)

// watched is a switch with tables of more than two thousand values that have an indicator, a collector that reads it again and again, and a
// clock for both that only the test moves.
type watched struct {
	tb        bench
	collector *snmp.Collector
	fresh     func() *snmp.Collector // one that remembers nothing
	store     *snmpagent.Store
	agent     *snmpagent.Agent
	device    collectors.Device

	mu     sync.Mutex
	served map[string]int // objects by the table that they are of
	hook   func()

	now   time.Time
	ticks int64 // sysUpTime before it is cut to 32 bits
}

// bench is what a test and a property have in common.
type bench interface {
	Fatal(args ...any)
	Cleanup(f func())
	Context() context.Context
}

const (
	ports    = 48
	entities = 200
)

func newWatched(tb bench) *watched {
	w := &watched{
		tb: tb, served: map[string]int{}, now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), ticks: 30 * 24 * 360_000,
	}
	options := snmp.Options{Now: func() time.Time { return w.now }}
	w.fresh = func() *snmp.Collector { return snmp.New(options) }
	w.collector = w.fresh()
	var err error
	if w.store, err = snmpagent.NewStore(w.objects()); err != nil {
		tb.Fatal(err)
	}
	if w.agent, err = snmpagent.Start(w.store, snmpagent.Config{Community: community, Served: w.count}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = w.agent.Close() })
	access := v2c()
	access.Timeout, access.Retries = 500*time.Millisecond, 1
	w.device = collectors.Device{Handle: "leaf1", Address: w.agent.Address().String(), Source: topology.SourceSNMP, Access: access}
	return w
}

func (w *watched) objects() []snmprec.Varbind {
	text := func(format string, args ...any) snmprec.Value {
		return snmprec.StringValue(fmt.Sprintf(format, args...))
	}
	objects := []snmprec.Varbind{
		{OID: mib(1, 1, 0), Value: text("simulated switch")},
		{OID: mib(1, 5, 0), Value: text("leaf1")},
		{OID: engineID, Value: text("\x80engine")},
		{OID: upTime, Value: snmprec.TimeTicksValue(uint32(w.ticks))},
		{OID: entityStamp, Value: snmprec.TimeTicksValue(4711)},
		{OID: stackStamp, Value: snmprec.TimeTicksValue(4712)},
		{OID: neighborStamp, Value: snmprec.TimeTicksValue(4713)},
	}
	for id := uint32(2); id <= 5; id++ {
		objects = append(objects, snmprec.Varbind{OID: lldp(2, id, 0), Value: snmprec.Gauge32Value(7)})
	}
	set := func(value snmprec.Value, entry snmprec.OID, ids ...uint32) {
		objects = append(objects, snmprec.Varbind{OID: entry.Append(ids...), Value: value})
	}
	for i := range uint32(ports) {
		n := i + 1
		set(text("Ethernet%d", n), mib(2, 2, 1), 2, n)
		set(snmprec.IntegerValue(6), mib(2, 2, 1), 3, n)
		set(text("Ethernet%d", n), mib(31, 1, 1, 1), 1, n)
		set(snmprec.IntegerValue(5), lldp(3, 7, 1), 2, n)
		set(text("Ethernet%d", n), lldp(3, 7, 1), 3, n)
		for column, value := range map[uint32]snmprec.Value{
			4: snmprec.IntegerValue(7), 5: text("host %d", n), 6: snmprec.IntegerValue(5), 7: text("eno1"), 8: text("first port"), 9: text("host%d", n),
			10: text("Linux host%d 6.1.0", n), 12: text("\x10"),
		} {
			set(value, lldp(4, 1, 1), column, 0, n, 1)
		}
		set(snmprec.IntegerValue(2), lldp(4, 2, 1), 3, 0, n, 1, 1, 4, 192, 0, 2, n)
		set(snmprec.IntegerValue(1), stackRows, 3, 0, n)
	}
	for i := range uint32(entities) {
		for _, column := range []uint32{2, 7, 10, 11, 12, 13} {
			set(text("part %d of column %d", i, column), entityRows, column, i+1)
		}
		set(snmprec.IntegerValue(1), entityRows, 4, i+1)
		set(snmprec.IntegerValue(9), entityRows, 5, i+1)
	}
	return objects
}

// count notes what is given to those who ask for a table, and for the indicators.
func (w *watched) count(asked, _ snmprec.OID) {
	w.mu.Lock()
	hook := w.hook
	for _, of := range []struct {
		name  string
		under snmprec.OID
	}{
		{"entity", entityRows},
		{"lldp", neighborRows},
		{"stack", stackRows},
		{"signs", lldp(2)},
		{"signs", entityStamp},
		{"signs", stackStamp},
		{"signs", upTime},
	} {
		if asked.HasPrefix(of.under) {
			w.served[of.name]++
		}
	}
	w.mu.Unlock()
	if hook != nil {
		hook()
	}
}

// pass lets time go by for us and for the device.
func (w *watched) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.jump(w.ticks + int64(d/(10*time.Millisecond)))
}

// jump gives the device another uptime.
func (w *watched) jump(ticks int64) {
	w.ticks = ticks
	w.set(upTime, snmprec.TimeTicksValue(uint32(ticks)))
}

func (w *watched) set(oid snmprec.OID, v snmprec.Value) {
	if err := w.store.Set(oid, v); err != nil {
		w.tb.Fatal(err)
	}
}

// touch changes a value of a table; the indicator follows if the device is honest.
func (w *watched) touch(oid snmprec.OID, text string, stamp snmprec.OID) {
	err := w.store.Update(func(e *snmpagent.Edit) {
		e.Set(oid, snmprec.StringValue(text))
		if !stamp.IsZero() {
			e.Set(stamp, snmprec.TimeTicksValue(uint32(w.ticks)))
		}
	})
	if err != nil {
		w.tb.Fatal(err)
	}
}

// sweep reads the device and returns what was served of which table.
func (w *watched) sweep() ([]topology.Observation, map[string]int) {
	w.mu.Lock()
	clear(w.served)
	w.mu.Unlock()
	observations, err := w.collector.Collect(w.tb.Context(), w.device)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	served := map[string]int{"entity": 0, "lldp": 0, "stack": 0, "signs": 0}
	maps.Copy(served, w.served)
	return observations, served
}

// full is what a collector says that reads everything.
func (w *watched) full() []topology.Observation {
	observations, err := w.fresh().Collect(w.tb.Context(), w.device)
	if err != nil {
		w.tb.Fatal(err)
	}
	return observations
}

// statements are what observations say, one line each, without what may differ between a table that was read and one that was proven to
// be unchanged.
func statements(observations []topology.Observation) []string {
	var lines []string
	for _, o := range observations {
		o.Reading.Command, _, _ = strings.Cut(o.Reading.Command, " unchanged by ")
		lines = append(lines, fmt.Sprintf("%+v", o.Reading))
		for _, f := range o.Facts {
			lines = append(lines, o.Reading.Table+": "+f.String())
		}
	}
	return lines
}

func TestIndicators_unchangedTablesAreNotReadAgain(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	first, served := w.sweep()
	if total := served["entity"] + served["lldp"] + served["stack"]; total < 2000 {
		t.Fatalf("the first reading asks for %d values of the tables with an indicator; the test wants more than 2,000", total)
	}
	for range 2 {
		w.pass(5 * time.Minute)
		again, served := w.sweep()
		if total := served["entity"] + served["lldp"] + served["stack"] + served["signs"]; total > 10 {
			t.Errorf("a table that has not changed is asked about with %d values: %v", total, served)
		}
		for _, table := range []string{"entPhysicalTable", "lldpRemTable", "lldpRemManAddrTable", "ifStackTable"} {
			was, is := tableOf(t, first, table), tableOf(t, again, table)
			if len(is.Facts) == 0 != (table == "ifStackTable") || !slices.Equal(was.Facts, is.Facts) || is.Reading.Rows != was.Reading.Rows || is.Reading.Partial {
				t.Errorf("%s was %+v with %d facts and is %+v with %d", table, was.Reading, len(was.Facts), is.Reading, len(is.Facts))
			}
			if !is.Reading.Time.Equal(w.now) || !strings.Contains(is.Reading.Command, " unchanged by ") {
				t.Errorf("%s is as of %s by %q, want as of %s by its indicator", table, is.Reading.Time, is.Reading.Command, w.now)
			}
		}
		if diff := cmp.Diff(statements(w.full()), statements(again)); diff != "" {
			t.Errorf("a full reading says other things (-full +again):\n%s", diff)
		}
	}
}

// TestIndicators_whenTablesAreReadAgain makes one thing happen between two readings, and says which tables must then be read.
func TestIndicators_whenTablesAreReadAgain(t *testing.T) {
	t.Parallel()
	part, neighbor := entityRows.Append(11, 7), neighborRows.Append(1, 1, 9, 0, 7, 1)
	const everything = "entity lldp stack"
	tests := map[string]struct {
		before func(w *watched) // the first reading
		change func(w *watched)
		want   string // tables that are read in the second reading
	}{
		"nothing": {},
		"a neighbour gets another name": {
			change: func(w *watched) { w.touch(neighbor, "renamed", neighborStamp) }, want: "lldp",
		},
		"a part is replaced": {change: func(w *watched) { w.touch(part, "new", entityStamp) }, want: "entity"},
		"the stack changes": {
			change: func(w *watched) {
				w.set(stackRows.Append(3, 0, 7), snmprec.IntegerValue(2))
				w.set(stackStamp, snmprec.TimeTicksValue(uint32(w.ticks)))
			}, want: "stack",
		},
		"a neighbour goes, and only a counter says so": {
			change: func(w *watched) { w.set(neighborDeletes, snmprec.Gauge32Value(8)) }, want: "lldp",
		},
		"the device restarts, everything as before": {change: func(w *watched) { w.jump(3 * 60_00) }, want: everything},
		"the device restarts at once": {
			before: func(w *watched) { w.jump(70_00) }, change: func(w *watched) { w.jump(5 * 60_00) }, want: everything,
		},
		"the uptime starts again after 497 days": {
			before: func(w *watched) { w.jump(1<<32 - 100_00) }, want: everything,
		},
		"the uptime runs ahead":   {change: func(w *watched) { w.jump(w.ticks + 60_00) }, want: everything},
		"the uptime stands still": {change: func(w *watched) { w.jump(w.ticks - 5*60_00) }, want: everything},
		"another engine answers": {
			change: func(w *watched) { w.set(engineID, snmprec.StringValue("\x80other")) }, want: everything,
		},
		"the device had just started": {
			before: func(w *watched) { w.jump(59_00) }, want: everything,
		},
		"the last change was just now": {
			before: func(w *watched) { w.set(entityStamp, snmprec.TimeTicksValue(uint32(w.ticks-1_99))) }, want: "entity",
		},
		"the last change is in the future": {
			before: func(w *watched) { w.set(entityStamp, snmprec.TimeTicksValue(uint32(w.ticks+24*360_000))) }, want: "entity",
		},
		"the indicator is zero": {
			before: func(w *watched) { w.set(neighborStamp, snmprec.TimeTicksValue(0)) }, want: "lldp",
		},
		"the indicator is no time": {
			before: func(w *watched) { w.set(stackStamp, snmprec.IntegerValue(4712)) }, want: "stack",
		},
		"there are no indicators": {
			before: func(w *watched) { w.remove(entityStamp, stackStamp, neighborStamp) }, want: everything,
		},
		"the indicator is gone": {change: func(w *watched) { w.remove(entityStamp) }, want: "entity"},
		"there is no uptime":    {before: func(w *watched) { w.remove(upTime) }, change: func(w *watched) { w.remove(upTime) }, want: everything},
		"the table broke off last time": {
			before: func(w *watched) { w.agent.SetFaults(snmpagent.Faults{GenErrAt: part}) },
			change: func(w *watched) { w.agent.SetFaults(snmpagent.Faults{}) }, want: "entity",
		},
		"the device was silent in between": {
			change: func(w *watched) {
				w.agent.SetFaults(snmpagent.Faults{Mute: true})
				if _, err := w.collector.Collect(w.tb.Context(), w.device); err == nil {
					w.tb.Fatal("a silent device was read")
				}
				w.agent.SetFaults(snmpagent.Faults{})
			}, want: everything,
		},
		"an indicator is stuck, before the age limit": {
			change: func(w *watched) { w.touch(part, "unseen", snmprec.OID{}) },
		},
		"an indicator is stuck, at the age limit": {
			change: func(w *watched) {
				w.touch(part, "seen", snmprec.OID{})
				w.pass(topology.DefaultAgeLimit - 5*time.Minute)
			}, want: everything,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t)
			if test.before != nil {
				test.before(w)
			}
			w.sweep()
			w.pass(5 * time.Minute)
			if test.change != nil {
				test.change(w)
			}
			again, served := w.sweep()
			var read []string
			for _, table := range []string{"entity", "lldp", "stack"} {
				if served[table] > 0 {
					read = append(read, table)
				}
			}
			if got := strings.Join(read, " "); got != test.want {
				t.Errorf("read %q, want %q: %v", got, test.want, served)
			}
			if diff := cmp.Diff(statements(w.full()), statements(again)); diff != "" && !strings.HasPrefix(name, "an indicator is stuck, before") {
				t.Errorf("a full reading says other things (-full +again):\n%s", diff)
			}
		})
	}
}

func (w *watched) remove(oids ...snmprec.OID) {
	err := w.store.Update(func(e *snmpagent.Edit) {
		for _, oid := range oids {
			e.RemoveUnder(oid)
		}
	})
	if err != nil {
		w.tb.Fatal(err)
	}
}

// TestIndicators_followNames renames a port whose neighbour is in a table that is not read again.
func TestIndicators_followNames(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.sweep()
	w.pass(5 * time.Minute)
	w.set(mib(31, 1, 1, 1, 1, 7), snmprec.StringValue("Uplink7"))
	w.set(lldp(3, 7, 1, 3, 7), snmprec.StringValue("Uplink7"))
	again, served := w.sweep()
	if served["lldp"] > 0 {
		t.Errorf("the table of neighbours was read: %v", served)
	}
	if diff := cmp.Diff(statements(w.full()), statements(again)); diff != "" {
		t.Errorf("a full reading says other things (-full +again):\n%s", diff)
	}
}

// TestIndicators_honestAgentsAreNeverMisread lets anything happen to a device with honest indicators, in between its readings and while it is
// read: a reading in peace says what a full one says.
func TestIndicators_honestAgentsAreNeverMisread(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWatched(t)
		changes := 0
		kind := func(label string) int { return rapid.IntRange(0, 2).Draw(t, label) }
		change := func(kind int) {
			changes++
			text := fmt.Sprintf("change %d", changes)
			switch kind {
			case 0:
				w.touch(entityRows.Append(11, rapid.Uint32Range(1, entities).Draw(t, "part")), text, entityStamp)
			case 1:
				w.touch(neighborRows.Append(1, 1, 9, 0, rapid.Uint32Range(1, ports).Draw(t, "neighbour"), 1), text, neighborStamp)
			case 2:
				w.touch(mib(31, 1, 1, 1, 1, rapid.Uint32Range(1, ports).Draw(t, "port")), text, snmprec.OID{}) // no indicator has to tell of it
			}
		}
		for range rapid.IntRange(2, 6).Draw(t, "readings") {
			w.pass(time.Duration(rapid.IntRange(1, 600_00).Draw(t, "hundredths")) * 10 * time.Millisecond)
			for range rapid.IntRange(0, 2).Draw(t, "changes") {
				change(kind("what changes"))
			}
			switch rapid.IntRange(0, 4).Draw(t, "meanwhile") {
			case 0: // two changes in one tick, of which the reading may see one
				k := kind("what changes twice")
				change(k)
				w.during(rapid.IntRange(1, 2500).Draw(t, "after values"), func() { change(k) })
			case 1: // a restart with other parts, after which the indicators may stand where they stood
				w.jump(rapid.Int64Range(0, 2*6000).Draw(t, "hundredths since the restart"))
				w.touch(entityRows.Append(11, 7), fmt.Sprintf("restart %d", w.ticks), snmprec.OID{})
				w.set(entityStamp, snmprec.TimeTicksValue(uint32(min(w.ticks, 4711))))
				w.set(neighborStamp, snmprec.TimeTicksValue(uint32(w.ticks)))
			case 2:
				w.agent.SetFaults(snmpagent.Faults{GenErrAt: entityRows.Append(11, 7)})
			}
			w.sweep()
			w.quiet()
			w.agent.SetFaults(snmpagent.Faults{})
			if rapid.Bool().Draw(t, "in peace") {
				again, _ := w.sweep()
				if diff := cmp.Diff(statements(w.full()), statements(again)); diff != "" {
					t.Fatalf("a full reading says other things (-full +again):\n%s", diff)
				}
			}
		}
	})
}

// during makes something happen once the device has given so many values.
func (w *watched) during(values int, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = func() {
		w.mu.Lock()
		values--
		now := values == 0
		w.mu.Unlock()
		if now {
			do()
		}
	}
}

func (w *watched) quiet() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = nil
}

// BenchmarkIncremental is P-A5: what an unchanged device is asked of its tables with an indicator, and what its first reading asks of them.
func BenchmarkIncremental(b *testing.B) {
	for b.Loop() {
		w := newWatched(b)
		_, first := w.sweep()
		w.pass(5 * time.Minute)
		_, again := w.sweep()
		total := func(served map[string]int) int {
			return served["entity"] + served["lldp"] + served["stack"] + served["signs"]
		}
		report(b, "| P-A5 | first reading %d values | unchanged %d values | %.0fx fewer |", total(first), total(again), float64(total(first))/float64(total(again)))
		b.ReportMetric(float64(total(again)), "values")
		b.ReportMetric(float64(total(first)), "first-values")
	}
}
