package snmp_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/fixtures/sim/snmpagent"
	"github.com/throughline-dc/throughline/internal/snmprec"
)

func TestWalk_readsEverything(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		table snmp.Table
		rows  []snmprec.OID
	}{
		"empty":   {ifXTable(), nil},
		"one row": {ifXTable(), numbered(1)},
		"a few":   {ifXTable(), numbered(28)},
		"long":    {ifXTable(), numbered(1500)},
		"fdb":     {fdbTable(), macs(3000, 1)},
	} {
		for label, access := range map[string]collectors.SNMPAccess{"v2c": v2c(), "v3": v3()} {
			for _, profile := range []snmp.Profile{snmp.DefaultProfile(), snmp.FixedProfile(8, 60)} {
				t.Run(fmt.Sprintf("%s/%s/%d", name, label, profile.InFlight), func(t *testing.T) {
					t.Parallel()
					varbinds := fill(c.table, c.rows)
					agent := startAgent(t, varbinds)
					session := open(t, agent, access, profile)
					result := mustBeWhole(t, session, c.table, varbinds)
					s := agent.Stats()
					if s.MaxInFlight > profile.MaxInFlight+s.Needless || session.MostInFlight() > profile.MaxInFlight {
						t.Errorf("%+v; %d in flight by our count", s, session.MostInFlight())
					}
					// Nothing is lost; one retry is forgiven where the machine stood still.
					if s.Retries > 1 || result.Retries > 1 {
						t.Errorf("%+v; %+v", s, result)
					}
				})
			}
		}
	}
}

func TestWalk_endsAtTheEndOfTheView(t *testing.T) {
	t.Parallel()
	table := ifXTable()
	varbinds := fill(table, numbered(100))
	store, err := snmpagent.NewStore(varbinds) // nothing behind the table
	if err != nil {
		t.Fatal(err)
	}
	agent, err := snmpagent.Start(store, snmpagent.Config{Community: community})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = agent.Close() }()
	mustBeWhole(t, open(t, agent, v2c(), snmp.FixedProfile(4, 60)), table, varbinds)
}

func TestWalk_neverHidesAnError(t *testing.T) {
	t.Parallel()
	table := ifXTable()
	varbinds := fill(table, numbered(300))
	at := func(column, row uint32) snmprec.OID { return table.Column(column).Append(row) }
	for name, c := range map[string]struct {
		faults snmpagent.Faults
		column uint32 // that is incomplete
		words  []string
	}{
		"genErr": {snmpagent.Faults{GenErrAt: at(6, 200)}, 6, []string{"genErr", at(6, 199).String()}},
		"silence": {
			snmpagent.Faults{SilentUnder: at(6, 200)},
			6,
			[]string{"no answer", table.Column(6).String()},
		},
		"loop": {
			snmpagent.Faults{Loops: []snmpagent.Loop{{From: at(6, 200), To: at(6, 100)}}},
			6,
			[]string{"do not increase", at(6, 200).String(), at(6, 100).String()},
		},
		"standstill": {
			snmpagent.Faults{Loops: []snmpagent.Loop{{From: at(10, 300), To: at(10, 300)}}},
			10,
			[]string{"do not increase", at(10, 300).String()},
		},
		"back to another table": {
			snmpagent.Faults{Loops: []snmpagent.Loop{{From: at(15, 7), To: snmprec.NewOID(1, 3, 6, 1, 2, 1, 1, 1, 0)}}},
			15,
			[]string{"do not increase", at(15, 7).String(), "1.3.6.1.2.1.1.1.0"},
		},
	} {
		for _, profile := range []snmp.Profile{quick(), snmp.FixedProfile(8, 60)} {
			t.Run(fmt.Sprintf("%s/%d", name, profile.InFlight), func(t *testing.T) {
				t.Parallel()
				agent := startAgent(t, varbinds)
				agent.SetFaults(c.faults)
				profile.Timeout, profile.Retries = 300*time.Millisecond, 3
				rows, result, err := open(t, agent, v2c(), profile).Walk(t.Context(), table)
				if err != nil {
					t.Fatalf("the device lives, yet: %v", err)
				}
				if result.Complete || result.ColumnComplete(table, c.column) {
					t.Fatal("an incomplete table passes for complete")
				}
				text := fmt.Sprint(result.Gaps)
				for _, word := range c.words {
					if !strings.Contains(text, word) {
						t.Errorf("%q is missing in %s", word, text)
					}
				}
				for _, column := range table.Columns {
					if column == c.column {
						continue
					}
					if !result.ColumnComplete(table, column) || len(rows.Column(column)) != 300 {
						t.Errorf("column %d has %d rows: %v", column, len(rows.Column(column)), result.Gaps)
					}
				}
			})
		}
	}
}

func TestWalk_getsThroughTrouble(t *testing.T) {
	t.Parallel()
	table := ifXTable()
	varbinds := fill(table, numbered(50))
	for name, faults := range map[string]snmpagent.Faults{
		"tooBig":     {MaxVarbinds: 7},
		"tooBig 1":   {MaxVarbinds: 1},
		"loss":       {Loss: 0.15, LossRun: 2},
		"duplicates": {Duplicate: 1},
		"truncation": {Truncate: 0.08},
		"wrong ids":  {WrongID: 0.08},
		"jitter":     {Delay: time.Millisecond, Jitter: 20 * time.Millisecond},
		"slow":       {PerValue: 200 * time.Microsecond},
	} {
		for _, profile := range []snmp.Profile{snmp.DefaultProfile(), snmp.FixedProfile(8, 60)} {
			for label, access := range map[string]collectors.SNMPAccess{"v2c": v2c(), "v3": v3()} {
				t.Run(fmt.Sprintf("%s/%s/%d", name, label, profile.InFlight), func(t *testing.T) {
					t.Parallel()
					agent := startAgent(t, varbinds)
					agent.SetFaults(faults)
					patient := profile
					patient.Timeout, patient.Retries = 500*time.Millisecond, 8
					mustBeWhole(t, open(t, agent, access, patient), table, varbinds)
				})
			}
		}
	}
}

func TestWalk_survivesARestart(t *testing.T) {
	t.Parallel()
	table := ifXTable()
	varbinds := fill(table, numbered(400))
	agent := startAgent(t, varbinds)
	session := open(t, agent, v3(), quick())
	for range 3 {
		mustBeWhole(t, session, table, varbinds)
		agent.Restart()
	}
}

func TestWalk_sharesOneBudget(t *testing.T) {
	t.Parallel()
	table := ifXTable()
	varbinds := fill(table, numbered(60))
	agent := startAgent(t, varbinds)
	agent.SetFaults(snmpagent.Faults{Delay: time.Millisecond, PerValue: 100 * time.Microsecond})
	profile := snmp.FixedProfile(3, 20)
	session := open(t, agent, v2c(), profile)
	const walks = 20
	errs := make(chan error, walks)
	for range walks {
		go func() {
			rows, result, err := session.Walk(t.Context(), table)
			if err == nil && (!result.Complete || rows.Len() != 240) {
				err = fmt.Errorf("%d rows, %v", rows.Len(), result.Gaps)
			}
			errs <- err
		}()
	}
	for range walks {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if s := agent.Stats(); s.MaxInFlight > 3+s.Needless || session.MostInFlight() != 3 {
		t.Errorf("%+v; %d in flight by our count", s, session.MostInFlight())
	}
}

func TestWalk_isPolite(t *testing.T) { //nolint:paralleltest // beside others its agent answers late, and a retry that was in place looks needless
	table := fdbTable()
	varbinds := fill(table, macs(800, 2))
	for name, profile := range map[string]snmp.Profile{ //nolint:paralleltest // one after the other
		"learned": snmp.DefaultProfile(), "2 and 10": snmp.FixedProfile(2, 10), "8 and 60": snmp.FixedProfile(8, 60),
	} {
		t.Run(name, func(t *testing.T) {
			agent := startAgent(t, varbinds)
			agent.SetFaults(snmpagent.Faults{PerValue: 500 * time.Microsecond, Loss: 0.05})
			mustBeWhole(t, open(t, agent, v2c(), profile), table, varbinds)
			s := agent.Stats()
			if s.MaxInFlight > profile.MaxInFlight+s.Needless {
				t.Errorf("%d in flight, the budget is %d", s.MaxInFlight, profile.MaxInFlight)
			}
			// 0.5 % of the requests, and one for a machine that was busy with something else.
			if s.Lost == 0 || 200*(s.Needless-1) > s.Requests {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestWalk_whileTheTableChanges lets rows come and go under the walk. It must end, and each value must be one that was there.
func TestWalk_whileTheTableChanges(t *testing.T) {
	t.Parallel()
	table := fdbTable()
	rows := macs(2000, 3)
	store, err := snmpagent.NewStore(append(fill(table, rows), around()...))
	if err != nil {
		t.Fatal(err)
	}
	agent, err := snmpagent.Start(store, snmpagent.Config{Community: community, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = agent.Close() }()
	agent.SetFaults(snmpagent.Faults{Delay: time.Millisecond})
	session := open(t, agent, v2c(), snmp.FixedProfile(8, 60))
	over := make(chan struct{})
	changed := make(chan error, 1)
	go func() {
		r := rand.New(rand.NewPCG(9, 9))
		for {
			select {
			case <-over:
				changed <- nil
				return
			default:
			}
			moved := rows[r.IntN(len(rows)/2):][:20] // the second half stays
			err := store.Update(func(e *snmpagent.Edit) {
				for i, row := range moved {
					if moved[i].At(0)%20 == 0 {
						e.RemoveUnder(table.Column(2).Join(row))
						continue
					}
					e.Set(table.Column(2).Join(row), snmprec.IntegerValue(1))
					e.Set(table.Column(2).Join(row).Append(1), snmprec.IntegerValue(1))
				}
			})
			if err != nil {
				changed <- err
				return
			}
		}
	}()
	got, result, err := session.Walk(t.Context(), table)
	close(over)
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	if err != nil || !result.Complete {
		t.Fatalf("%v: %v", err, result.Gaps)
	}
	for _, row := range rows[len(rows)/2+20:] {
		for _, column := range table.Columns {
			if !got.Value(column, row).Present() {
				t.Errorf("%v, which was there all the time, is missing in column %d", row, column)
			}
		}
	}
	for _, column := range table.Columns {
		cells := got.Column(column)
		if !slices.IsSortedFunc(cells, func(a, b snmp.Cell) int { return a.Index.Compare(b.Index) }) {
			t.Errorf("column %d is out of order", column)
		}
	}
}

func TestWalk_stopsWithTheContext(t *testing.T) {
	t.Parallel()
	table := ifXTable()
	agent := startAgent(t, fill(table, numbered(1000)))
	agent.SetFaults(snmpagent.Faults{Delay: time.Hour})
	profile := snmp.FixedProfile(4, 60)
	profile.Timeout = time.Hour
	session := open(t, agent, v2c(), profile)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	go func() {
		_, result, err := session.Walk(ctx, table)
		if result.Complete {
			err = errors.New("complete")
		}
		over <- err
	}()
	for agent.Stats().Requests == 0 {
		select {
		case err := <-over:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, _, err := session.Scalars(ctx, around()[0].OID); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	agent.SetFaults(snmpagent.Faults{})
	if _, _, err := session.Scalars(t.Context(), around()[0].OID); err != nil {
		t.Errorf("the session does not outlive a context: %v", err)
	}
}

// TestWalk_property walks random MIBs under random faults, and compares with what the agent holds.
func TestWalk_property(t *testing.T) {
	t.Parallel()
	subID := rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32Range(0, 255), rapid.Uint32())
	rapid.Check(t, func(rt *rapid.T) {
		table := snmp.Table{Name: "random", Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 50, 1, 1), Columns: []uint32{2, 3, 7}, Long: rapid.Bool().Draw(rt, "long")}
		width := rapid.IntRange(1, 5).Draw(rt, "levels")
		indexes := rapid.SliceOfNDistinct(rapid.SliceOfN(subID, width, width), 0, rapid.SampledFrom([]int{3, 30, 250}).Draw(rt, "most rows"),
			func(ids []uint32) string { return fmt.Sprint(ids) }).Draw(rt, "rows")
		sparse := rapid.SampledFrom([]int{1, 1, 2, 5}).Draw(rt, "sparse")
		var varbinds []snmprec.Varbind
		for _, column := range []uint32{1, 2, 3, 4, 7} {
			for i, ids := range indexes {
				if column == 3 && i%sparse != 0 {
					continue
				}
				varbinds = append(varbinds, snmprec.Varbind{OID: table.Column(column).Append(ids...), Value: snmprec.IntegerValue(int64(i))})
			}
		}
		agent := startAgent(t, varbinds)
		defer func() { _ = agent.Close() }()
		faults := snmpagent.Faults{
			Loss:        rapid.SampledFrom([]float64{0, 0, 0, 0.05, 0.2}).Draw(rt, "loss"),
			LossRun:     2,
			Duplicate:   rapid.SampledFrom([]float64{0, 0.5}).Draw(rt, "duplicates"),
			MaxVarbinds: rapid.SampledFrom([]int{0, 0, 1, 5, 20}).Draw(rt, "most varbinds"),
		}
		fatal := false
		if rapid.Bool().Draw(rt, "permanent") && len(varbinds) > 0 {
			at := rapid.SampledFrom(varbinds).Draw(rt, "at")
			column := at.OID.At(table.Entry.Len())
			fatal = slices.Contains(table.Columns, column)
			switch rapid.IntRange(0, 8).Draw(rt, "kind") { // silence takes its time
			case 0:
				faults.SilentUnder = at.OID
			case 1, 2, 3, 4:
				faults.GenErrAt = at.OID
			default:
				faults.Loops = []snmpagent.Loop{{From: at.OID, To: varbinds[0].OID}}
			}
		}
		profile := snmp.FixedProfile(rapid.SampledFrom([]int{1, 2, 8, 16}).Draw(rt, "in flight"), rapid.SampledFrom([]int{1, 4, 10, 60}).Draw(rt, "repetitions"))
		profile.Fixed = rapid.Bool().Draw(rt, "fixed")
		profile.Timeout, profile.Retries = 200*time.Millisecond, 5
		session := open(t, agent, v2c(), profile)
		if _, _, err := session.Scalars(t.Context(), around()[0].OID); err != nil {
			rt.Fatalf("%v", err)
		}
		agent.SetFaults(faults)
		rows, result, err := session.Walk(t.Context(), table)
		if err != nil {
			rt.Fatalf("%v", err)
		}
		whole := cmp.Diff(held(table, varbinds), flat(table, rows))
		if result.Complete && whole != "" {
			rt.Fatalf("complete, but rows (-held +read):\n%s", whole)
		}
		if !fatal && faults.SilentUnder.IsZero() && faults.GenErrAt.IsZero() && !result.Complete {
			rt.Fatalf("incomplete without a reason: %v", result.Gaps)
		}
		if fatal && result.Complete {
			rt.Fatalf("complete in spite of %+v", faults)
		}
		for _, line := range flat(table, rows) {
			if _, there := slices.BinarySearch(sortedLines(table, varbinds), line); !there {
				rt.Fatalf("%s is not held", line)
			}
		}
	})
}

func sortedLines(table snmp.Table, varbinds []snmprec.Varbind) []string {
	return slices.Sorted(slices.Values(held(table, varbinds)))
}
