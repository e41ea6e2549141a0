package snmp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/internal/snmprec"
)

// successors answers a query as an agent that holds these objects does.
func successors(held []snmprec.Varbind, q query) []snmprec.Varbind {
	at := q.names()
	at = slices.Clone(at)
	var varbinds []snmprec.Varbind
	for range q.repetitions {
		for i := range at {
			pos, found := slices.BinarySearchFunc(held, at[i], func(vb snmprec.Varbind, o snmprec.OID) int { return vb.OID.Compare(o) })
			if found {
				pos++
			}
			if pos == len(held) {
				varbinds = append(varbinds, snmprec.Varbind{OID: at[i], Value: snmprec.ExceptionValue(snmprec.EndOfMIBView)})
				continue
			}
			at[i] = held[pos].OID
			varbinds = append(varbinds, held[pos])
		}
	}
	return varbinds
}

// conduct runs a plan with w requests in flight, all of which are answered in every round trip; it returns the round trips.
func conduct(t *testing.T, p *plan, held []snmprec.Varbind, w, size int) (trips int) {
	t.Helper()
	for !p.done() {
		var asked []query
		for len(asked) < w {
			q, ok := p.next(size)
			if !ok {
				q, ok = p.cut(size)
			}
			if !ok {
				break
			}
			asked = append(asked, q)
		}
		if len(asked) == 0 {
			t.Fatal("the plan is not done and asks nothing")
		}
		trips++
		for _, q := range asked {
			p.deliver(q, successors(held, q))
		}
	}
	return trips
}

func holding(table Table, rows [][]uint32) []snmprec.Varbind {
	var held []snmprec.Varbind
	for _, column := range table.Columns {
		for _, row := range rows {
			held = append(held, snmprec.Varbind{OID: table.Column(column).Append(row...), Value: snmprec.IntegerValue(1)})
		}
	}
	held, _ = snmprec.Sort(append(held, snmprec.Varbind{OID: snmprec.NewOID(2, 1), Value: snmprec.NullValue()}))
	return held
}

// TestPlan_usesItsSlots holds the plan to what tables of a device cost at best: N values in requests of R, W at a time.
func TestPlan_usesItsSlots(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	rows := func(n int, row func(i int) []uint32) [][]uint32 {
		out := make([][]uint32, n)
		for i := range out {
			out[i] = row(i)
		}
		return out
	}
	vendorMAC := func(i int) []uint32 {
		return []uint32{uint32(r.IntN(4)), uint32(i / 65536), uint32(i / 256 % 256), uint32(i % 256)}
	}
	ifX := Table{Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 31, 1, 1, 1), Columns: []uint32{1, 6, 10, 15, 16, 17, 18, 19}}
	fdb := Table{Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 17, 7, 1, 2, 2, 1), Columns: []uint32{2, 3}, Long: true}
	oneColumn := fdb
	oneColumn.Columns = []uint32{2}
	arp := Table{Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 4, 22, 1), Columns: []uint32{2, 4}, Long: true}
	for name, c := range map[string]struct {
		table          Table
		rows           [][]uint32
		w              int
		trips, queries float64 // most, as multiples of the least possible
	}{
		"ifXTable, 8":     {ifX, rows(5000, func(i int) []uint32 { return []uint32{uint32(i + 1)} }), 8, 1.06, 1.01},
		"ifXTable, 16":    {ifX, rows(5000, func(i int) []uint32 { return []uint32{uint32(i*100 + 1)} }), 16, 1.3, 1.04},
		"random MACs, 8":  {fdb, rows(10000, func(i int) []uint32 { return append([]uint32{1, 2, 0}, vendorMAC(r.IntN(1<<24))...) }), 8, 1.15, 1.05},
		"random MACs, 16": {fdb, rows(10000, func(i int) []uint32 { return append([]uint32{1, 2, 0}, vendorMAC(r.IntN(1<<24))...) }), 16, 1.35, 1.08},
		"many VLANs, 8": {fdb, rows(10000, func(i int) []uint32 {
			return append([]uint32{uint32(10 + r.IntN(40)*10), 2, 0}, vendorMAC(r.IntN(1<<24))...)
		}), 8, 1.15, 1.08},
		"counted MACs, 8":  {fdb, rows(10000, func(i int) []uint32 { return []uint32{100, 2, 0, 0, 0, uint32(i / 256), uint32(i % 256)} }), 8, 1.15, 1.05},
		"counted MACs, 16": {fdb, rows(10000, func(i int) []uint32 { return []uint32{100, 2, 0, 0, 0, uint32(i / 256), uint32(i % 256)} }), 16, 1.35, 1.08},
		"one column, 8":    {oneColumn, rows(10000, func(i int) []uint32 { return []uint32{100, 2, 0, 0, 0, uint32(i / 256), uint32(i % 256)} }), 8, 1.3, 1.06},
		"ARP, 8": {arp, rows(5000, func(i int) []uint32 {
			return []uint32{uint32(100 + i/250), 10, uint32(i / 250), 0, uint32(i%250 + 1)}
		}), 8, 1.35, 1.12},
		"two at a time": {fdb, rows(10000, func(i int) []uint32 { return append([]uint32{1, 2, 0}, vendorMAC(r.IntN(1<<24))...) }), 2, 1.03, 1.02},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const size = 60
			held := holding(c.table, c.rows)
			p := newPlan(c.table)
			trips := conduct(t, p, held, c.w, size)
			if got := p.rows().Len(); got != len(held)-1 || len(p.gaps) > 0 {
				t.Errorf("%d of %d values, gaps %v", got, len(held)-1, p.gaps)
			}
			least := float64((len(held) - 1 + size - 1) / size)
			queries, rounds := float64(p.tries)/least, float64(trips)/(least/float64(c.w))
			t.Logf("%d requests, %.3f of the least; %d round trips, %.3f of the least; %d misses", p.tries, queries, trips, rounds, p.misses)
			if queries > c.queries || rounds > c.trips {
				t.Errorf("%.3f of the requests and %.3f of the round trips, want %.2f and %.2f", queries, rounds, c.queries, c.trips)
			}
		})
	}
}

func TestPlan_isFrugalWithShortTables(t *testing.T) {
	t.Parallel()
	table := Table{Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 2, 2, 1), Columns: []uint32{1, 2, 3, 4, 5, 6, 7, 8}}
	for _, c := range []struct{ rows, most int }{{0, 1}, {1, 2}, {6, 2}, {28, 9}, {60, 13}} {
		rows := make([][]uint32, c.rows)
		for i := range rows {
			rows[i] = []uint32{uint32(i + 1)}
		}
		p := newPlan(table)
		conduct(t, p, holding(table, rows), 2, 60)
		if p.tries > c.most || p.rows().Len() != c.rows*8 {
			t.Errorf("%d rows: %d values in %d requests, want at most %d", c.rows, p.rows().Len(), p.tries, c.most)
		}
	}
}

// TestPlan_doesNotTrustGuesses uses an agent that handles a GETNEXT from an identifier that does not exist wrongly, as some do: it
// skips rows, or says that there is nothing more. Cuts lead there; the walk must still find every row or know that it did not.
func TestPlan_doesNotTrustGuesses(t *testing.T) {
	t.Parallel()
	table := Table{Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 17, 4, 3, 1), Columns: []uint32{2}, Long: true}
	for seed := range uint64(50) {
		for kind, lie := range map[string]func(*rand.Rand, []snmprec.Varbind, int) int{
			"skips rows":       func(r *rand.Rand, held []snmprec.Varbind, pos int) int { return min(len(held)-1, pos+1+r.IntN(400)) },
			"skips to the end": func(_ *rand.Rand, held []snmprec.Varbind, _ int) int { return len(held) - 1 },
			"ends the view":    func(_ *rand.Rand, held []snmprec.Varbind, _ int) int { return len(held) },
		} {
			t.Run(fmt.Sprintf("%s/%d", kind, seed), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, 3))
				rows := make([][]uint32, 3000)
				for i := range rows {
					rows[i] = []uint32{2, 0, uint32(r.IntN(8)), uint32(r.IntN(256)), uint32(r.IntN(256)), uint32(r.IntN(256))}
				}
				held := holding(table, rows)
				p := newPlan(table)
				for !p.done() {
					q, ok := p.next(60)
					if more, cut := p.cut(60); cut {
						p.deliver(more, lying(r, held, more, table, lie))
					}
					if ok {
						p.deliver(q, lying(r, held, q, table, lie))
					}
				}
				if got := p.rows().Len(); got != len(held)-1 && len(p.gaps) == 0 {
					t.Errorf("%d of %d rows pass for complete", got, len(held)-1)
				}
			})
		}
	}
}

// lying answers like successors, except from identifiers that do not exist within the table.
func lying(r *rand.Rand, held []snmprec.Varbind, q query, table Table, lie func(*rand.Rand, []snmprec.Varbind, int) int) []snmprec.Varbind {
	if len(q.names()) != 1 {
		return successors(held, q)
	}
	name := q.names()[0]
	pos, found := slices.BinarySearchFunc(held, name, func(vb snmprec.Varbind, o snmprec.OID) int { return vb.OID.Compare(o) })
	if found || name == table.Column(2) {
		return successors(held, q)
	}
	pos = lie(r, held, pos)
	if pos == len(held) {
		return []snmprec.Varbind{{OID: name, Value: snmprec.ExceptionValue(snmprec.EndOfMIBView)}}
	}
	rest := q
	rest.spans, rest.scout = nil, []snmprec.OID{held[pos].OID}
	return append([]snmprec.Varbind{held[pos]}, successors(held, rest)...)
}

// TestPlan_distrustsJumbledAnswers uses an agent that leaves out columns once they have ended, so that the values of an answer no longer
// are where they should be.
func TestPlan_distrustsJumbledAnswers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table := Table{Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 50, 1, 1), Columns: []uint32{1, 2, 3, 4}}
		var held []snmprec.Varbind
		for _, column := range table.Columns {
			for i := range rapid.Uint32Range(0, 40).Draw(t, "rows") {
				held = append(held, snmprec.Varbind{OID: table.Column(column).Append(i + 1), Value: snmprec.IntegerValue(int64(i))})
			}
		}
		p := newPlan(table)
		size := rapid.IntRange(1, 60).Draw(t, "size")
		for budget := 1000; !p.done(); budget-- {
			q, ok := p.next(size)
			if !ok || budget == 0 {
				t.Fatal("the plan does not come to an end")
			}
			p.deliver(q, slices.DeleteFunc(successors(held, q), func(vb snmprec.Varbind) bool {
				return vb.Value.Kind() == snmprec.EndOfMIBView
			}))
		}
		if got := p.rows().Len(); got != len(held) {
			t.Fatalf("%d of %d values, gaps %v", got, len(held), p.gaps)
		}
		if len(p.gaps) == 0 {
			t.Fatal("the end of the last column was never seen, yet it passes for complete")
		}
	})
}

// TestPlan_property lets a random agent answer in random order: with short datagrams, with tooBig, with objects that give genErr or
// silence. What passes for complete must be complete, and only a broken object may leave a gap.
func TestPlan_property(t *testing.T) {
	t.Parallel()
	subID := rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32Range(0, 255), rapid.Uint32())
	rapid.Check(t, func(t *rapid.T) {
		table := Table{Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 50, 1, 1), Columns: []uint32{2, 3, 7}, Long: rapid.Bool().Draw(t, "long")}
		width := rapid.IntRange(1, 5).Draw(t, "levels")
		rows := rapid.SliceOfNDistinct(rapid.SliceOfN(subID, width, width), 0, rapid.SampledFrom([]int{3, 30, 300}).Draw(t, "most rows"),
			func(ids []uint32) string { return fmt.Sprint(ids) }).Draw(t, "rows")
		held := holding(table, rows)
		sparse := rapid.IntRange(1, 4).Draw(t, "sparse")
		held = slices.DeleteFunc(held, func(vb snmprec.Varbind) bool {
			return vb.OID.HasPrefix(table.Column(3)) && int(vb.OID.At(vb.OID.Len()-1))%sparse != 0
		})
		agent := moodyAgent{
			held: held, fits: rapid.IntRange(1, 80).Draw(t, "fits"), refuses: rapid.SampledFrom([]int{1, 5, 1000}).Draw(t, "refuses"),
			broken: -1, silent: rapid.Bool().Draw(t, "silent"),
		}
		if rapid.Bool().Draw(t, "breaks") {
			agent.broken = rapid.IntRange(0, len(held)-1).Draw(t, "broken")
		}
		order := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		p := newPlan(table)
		var flying []query
		w, size := rapid.IntRange(1, 9).Draw(t, "in flight"), rapid.IntRange(1, 60).Draw(t, "size")
		for budget := 200 * (len(held) + 10); !p.done(); budget-- {
			if budget == 0 {
				t.Fatal("the plan goes on and on")
			}
			for len(flying) < w {
				q, ok := p.next(size)
				if !ok {
					q, ok = p.cut(size)
				}
				if !ok {
					break
				}
				flying = append(flying, q)
			}
			if len(flying) == 0 {
				t.Fatal("the plan is not done and asks nothing")
			}
			i := order.IntN(len(flying))
			q := flying[i]
			flying = slices.Delete(flying, i, i+1)
			agent.answer(p, q)
		}
		want := 0
		for _, column := range table.Columns {
			want += len((snmprec.Recording{Varbinds: held}).Under(table.Column(column)))
		}
		breaks := agent.broken >= 0 && agent.broken < len(held)-1 // the last object is behind the table
		switch got := p.rows().Len(); {
		case len(p.gaps) == 0 && got != want:
			t.Fatalf("%d of %d values pass for complete", got, want)
		case len(p.gaps) > 0 && agent.broken < 0:
			t.Fatalf("gaps without a reason: %v", p.gaps)
		case len(p.gaps) == 0 && breaks:
			t.Fatalf("complete in spite of %v", held[agent.broken])
		case got > want:
			t.Fatalf("%d values, the agent holds %d", got, want)
		}
	})
}

// moodyAgent answers some requests only in part or not at all.
type moodyAgent struct {
	held    []snmprec.Varbind
	fits    int  // varbinds in a datagram
	refuses int  // more varbinds than that are tooBig
	broken  int  // position of an object that cannot be read, -1 for none
	silent  bool // about that object, in place of genErr
}

func (a moodyAgent) answer(p *plan, q query) {
	varbinds := successors(a.held, q)
	varbinds = varbinds[:min(len(varbinds), a.fits)]
	if a.broken >= 0 {
		at := slices.IndexFunc(varbinds, func(vb snmprec.Varbind) bool { return vb.OID == a.held[a.broken].OID })
		if at >= 0 && a.silent {
			p.lose(q, "no answer")
			return
		}
		if at >= 0 {
			p.trouble(q, at%len(q.names()), "genErr")
			return
		}
	}
	if q.values() > a.refuses {
		p.trouble(q, -1, "tooBig")
		return
	}
	p.deliver(q, varbinds)
}
