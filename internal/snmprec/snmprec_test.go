package snmprec_test

import (
	"errors"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/internal/snmprec"
)

func TestOID_orderIsTheOrderOfItsNumbers(t *testing.T) {
	t.Parallel()
	ids := rapid.SliceOfN(rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32()), 0, 12)
	rapid.Check(t, func(t *rapid.T) {
		a, b := ids.Draw(t, "a"), ids.Draw(t, "b")
		x, y := snmprec.NewOID(a...), snmprec.NewOID(b...)
		if got, want := x.Compare(y), slices.Compare(a, b); got != want {
			t.Fatalf("Compare(%v, %v) = %d, want %d", a, b, got, want)
		}
		if !slices.Equal(x.IDs(), a) {
			t.Fatalf("IDs(%v) = %v", a, x.IDs())
		}
		joined := x.Join(y)
		if !joined.HasPrefix(x) || joined.After(x.Len()) != y || joined.Prefix(x.Len()) != x {
			t.Fatalf("%v joined with %v comes apart as %v and %v", x, y, joined.Prefix(x.Len()), joined.After(x.Len()))
		}
		if len(a) == 0 {
			return
		}
		back, err := snmprec.ParseOID("." + x.String())
		if err != nil || back != x {
			t.Fatalf("ParseOID(%q) = %v, %v", x.String(), back, err)
		}
	})
}

func TestParseOID_refuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", ".", "1..2", "1.2.", "1.x", "1.-2", "1.+2", "1.4294967296", " 1.2", strings.Repeat("1.", 128) + "1"} {
		if oid, err := snmprec.ParseOID(text); err == nil {
			t.Errorf("ParseOID(%q) = %v, want an error", text, oid)
		}
	}
}

func TestParseSnmprec(t *testing.T) {
	t.Parallel()
	const text = "# a comment\r\n" +
		"1.3.6.1.2.1.2.2.1.2.10|4|Gi1/0/10 | uplink\r\n" +
		"1.3.6.1.2.1.2.2.1.2.9|4|Gi1/0/9\r\n" +
		"1.3.6.1.2.1.2.2.1.2.9|4|a second line of the same object\n" +
		"1.3.6.1.2.1.2.2.1.6.9|4x|00005E005301\n" +
		"1.3.6.1.2.1.4.20.1.1.192.0.2.1|64|192.0.2.1\n" +
		"1.3.6.1.2.1.4.20.1.3.192.0.2.1|64x|FFFFFF00\n" +
		"1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.8072.3.2.10\n" +
		"1.3.6.1.2.1.1.3.0|67|100\n" +
		"1.3.6.1.2.1.2.2.1.10.9|65|4294967295\n" +
		"1.3.6.1.2.1.2.2.1.5.9|66|1000\n" +
		"1.3.6.1.2.1.31.1.1.1.6.9|70|18446744073709551615\n" +
		"1.3.6.1.2.1.2.2.1.1.9|2|-9\n" +
		"1.3.6.1.2.1.1.4.0|4e|two\\nlines\\x00\n" +
		"1.3.6.1.2.1.1.5.0|5|\n" +
		"1.3.6.1.4.1.8072.1.0|68|Float: 0.5\n" +
		"1.3.6.1.2.1.1.6.0|40|mis-tagged\n" +
		"1.3.6.1.2.1.1.7.0||no tag\n" +
		"1.3.6.1.2.1.1.8.0|4xx|00\n" +
		"1.3.6.1.2.1.1.9.0|64|<private>\n" +
		"1.3.6.1.2.1.1.10.0\n" +
		"9.9.9|2|1\n"
	rec, err := snmprec.ParseSnmprec([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]snmprec.Value{
		"1.3.6.1.2.1.2.2.1.2.10":         snmprec.StringValue("Gi1/0/10 | uplink"),
		"1.3.6.1.2.1.2.2.1.2.9":          snmprec.StringValue("Gi1/0/9"),
		"1.3.6.1.2.1.2.2.1.6.9":          snmprec.BytesValue([]byte{0, 0, 0x5e, 0, 0x53, 1}),
		"1.3.6.1.2.1.4.20.1.1.192.0.2.1": snmprec.AddrValue(netip.MustParseAddr("192.0.2.1")),
		"1.3.6.1.2.1.4.20.1.3.192.0.2.1": snmprec.AddrValue(netip.MustParseAddr("255.255.255.0")),
		"1.3.6.1.2.1.1.2.0":              snmprec.OIDValue(snmprec.NewOID(1, 3, 6, 1, 4, 1, 8072, 3, 2, 10)),
		"1.3.6.1.2.1.1.3.0":              snmprec.TimeTicksValue(100),
		"1.3.6.1.2.1.2.2.1.10.9":         snmprec.Counter32Value(math.MaxUint32),
		"1.3.6.1.2.1.2.2.1.5.9":          snmprec.Gauge32Value(1000),
		"1.3.6.1.2.1.31.1.1.1.6.9":       snmprec.Counter64Value(math.MaxUint64),
		"1.3.6.1.2.1.2.2.1.1.9":          snmprec.IntegerValue(-9),
		"1.3.6.1.2.1.1.4.0":              snmprec.StringValue("two\nlines\x00"),
		"1.3.6.1.2.1.1.5.0":              snmprec.NullValue(),
		"1.3.6.1.4.1.8072.1.0":           snmprec.FloatValue(0.5),
	}
	checkVarbinds(t, rec, want)
	if rec.Repeated != 1 || rec.Repaired != 0 {
		t.Errorf("%d repeated and %d repaired lines, want 1 and 0", rec.Repeated, rec.Repaired)
	}
	var lines []int
	for _, s := range rec.Skipped {
		lines = append(lines, s.Line)
	}
	if !slices.Equal(lines, []int{17, 18, 19, 20, 21, 22}) {
		t.Errorf("skipped lines %v: %v", lines, rec.Skipped)
	}
}

func TestParseSnmprec_restoresCutOctets(t *testing.T) {
	t.Parallel()
	// Sixteen octets, then a line feed and the text "FF 00 \n80" in place of three more octets.
	const text = "1.3.6.1.2.1.17.7.1.4.2.1.4.0.1|4x|" + "000102030405060708090a0b0c0d0e0f" + "0a" + "4646203030200a3830" + "\n"
	rec, err := snmprec.ParseSnmprec([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\xff\x00\x80"
	if got := rec.Varbinds[0].Value; got != snmprec.StringValue(want) || rec.Repaired != 1 {
		t.Errorf("got %v with %d repaired", got, rec.Repaired)
	}
}

func TestParseWalk(t *testing.T) {
	t.Parallel()
	const text = `.1.3.6.1.2.1.1.1.0 = STRING: Router Operating System 
second line
 = third line
.1.3.6.1.2.1.1.2.0 = OID: .1.3.6.1.4.1.8072.3.2.10
.1.3.6.1.2.1.1.3.0 = Timeticks: (126853) 0:21:08.53
.1.3.6.1.2.1.1.4.0 = STRING: 
.1.3.6.1.2.1.1.5.0 = STRING: "a \"quoted\"
name"
.1.3.6.1.2.1.1.6.0 = ""
.1.3.6.1.2.1.2.2.1.8.1 = INTEGER: up(1)
.1.3.6.1.2.1.2.2.1.4.1 = INTEGER: 1500
.1.3.6.1.2.1.2.2.1.5.1 = Gauge32: 100000000
.1.3.6.1.2.1.2.2.1.6.1 = STRING: 2:0:5e:0:53:1
.1.3.6.1.2.1.2.2.1.6.2 = STRING: 02:00:5e:00:53:02
.1.3.6.1.2.1.2.2.1.6.3 = Hex-STRING: 00 00 5E 00 53 03 
.1.3.6.1.2.1.2.2.1.10.1 = Counter32: 7
.1.3.6.1.2.1.3.1.1.3.1.1.10.1.2.1 = Network Address: 0A:01:02:01
.1.3.6.1.2.1.4.20.1.1.192.0.2.1 = IpAddress: 192.0.2.1
.1.3.6.1.2.1.17.7.1.4.2.1.4.0.1 = Hex-STRING: 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 
10 11 
.1.3.6.1.2.1.31.1.1.1.6.1 = Counter64: 18446744073709551615
.1.3.6.1.2.1.99.1.0 = Wrong Type (should be INTEGER): STRING: surprise
.1.3.6.1.2.1.99.2.0 = No Such Object available on this agent at this OID
.1.3.6.1.2.1.99.3.0 = BITS: A0 bridge(0) router(2) 
.1.3.6.1.2.1.99.4.0 = Mystery: 5
.1.3.6.1.2.1.99.5.0 = Opaque: Float: 0.500000
.1.3.6.1.2.1.99.6.0 = No more variables left in this MIB View (It is past the end of the MIB tree)
`
	rec, err := snmprec.ParseWalk([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	checkVarbinds(t, rec, map[string]snmprec.Value{
		"1.3.6.1.2.1.1.1.0":                snmprec.StringValue("Router Operating System \nsecond line\n = third line"),
		"1.3.6.1.2.1.1.2.0":                snmprec.OIDValue(snmprec.NewOID(1, 3, 6, 1, 4, 1, 8072, 3, 2, 10)),
		"1.3.6.1.2.1.1.3.0":                snmprec.TimeTicksValue(126853),
		"1.3.6.1.2.1.1.4.0":                snmprec.StringValue(""),
		"1.3.6.1.2.1.1.5.0":                snmprec.StringValue("a \"quoted\"\nname"),
		"1.3.6.1.2.1.1.6.0":                snmprec.StringValue(""),
		"1.3.6.1.2.1.2.2.1.8.1":            snmprec.IntegerValue(1),
		"1.3.6.1.2.1.2.2.1.4.1":            snmprec.IntegerValue(1500),
		"1.3.6.1.2.1.2.2.1.5.1":            snmprec.Gauge32Value(100000000),
		"1.3.6.1.2.1.2.2.1.6.1":            snmprec.StringValue("\x02\x00\x5e\x00\x53\x01"),
		"1.3.6.1.2.1.2.2.1.6.2":            snmprec.StringValue("02:00:5e:00:53:02"),
		"1.3.6.1.2.1.2.2.1.6.3":            snmprec.StringValue("\x00\x00\x5e\x00\x53\x03"),
		"1.3.6.1.2.1.2.2.1.10.1":           snmprec.Counter32Value(7),
		"1.3.6.1.2.1.3.1.1.3.1.1.10.1.2.1": snmprec.AddrValue(netip.MustParseAddr("10.1.2.1")),
		"1.3.6.1.2.1.4.20.1.1.192.0.2.1":   snmprec.AddrValue(netip.MustParseAddr("192.0.2.1")),
		"1.3.6.1.2.1.17.7.1.4.2.1.4.0.1":   snmprec.StringValue("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11"),
		"1.3.6.1.2.1.31.1.1.1.6.1":         snmprec.Counter64Value(math.MaxUint64),
		"1.3.6.1.2.1.99.1.0":               snmprec.StringValue("surprise"),
		"1.3.6.1.2.1.99.3.0":               snmprec.StringValue("\xa0"),
		"1.3.6.1.2.1.99.5.0":               snmprec.FloatValue(0.5),
	})
	if len(rec.Skipped) != 1 || rec.Skipped[0].Line != 25 {
		t.Errorf("skipped %v, want only line 25", rec.Skipped)
	}
}

func TestParse_refusesOtherFiles(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "hello\nworld\n", "<domain/>", "\x00\x01\x02"} {
		if _, err := snmprec.ParseSnmprec([]byte(raw)); !errors.Is(err, snmprec.ErrNoVarbind) {
			t.Errorf("ParseSnmprec(%q): %v", raw, err)
		}
		if _, err := snmprec.ParseWalk([]byte(raw)); !errors.Is(err, snmprec.ErrNoVarbind) {
			t.Errorf("ParseWalk(%q): %v", raw, err)
		}
	}
}

// TestRecording_roundTrip prints what a recording holds as walk text and reads it again.
func TestRecording_roundTrip(t *testing.T) {
	t.Parallel()
	value := rapid.OneOf(
		rapid.Map(rapid.Int64Range(math.MinInt32, math.MaxInt32), snmprec.IntegerValue),
		rapid.Map(rapid.Uint32(), snmprec.Counter32Value),
		rapid.Map(rapid.Uint32(), snmprec.Gauge32Value),
		rapid.Map(rapid.Uint64(), snmprec.Counter64Value),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), snmprec.BytesValue),
		rapid.Map(rapid.SliceOfN(rapid.Uint32(), 1, 9), func(ids []uint32) snmprec.Value {
			return snmprec.OIDValue(snmprec.NewOID(ids...))
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		want := map[string]snmprec.Value{}
		for i, v := range rapid.SliceOfN(value, 1, 20).Draw(t, "values") {
			if s, ok := v.Text(); ok && strings.ContainsAny(s, "\\\n\r\t\"") {
				v = snmprec.StringValue("plain")
			}
			oid := snmprec.NewOID(1, 3, 6, 1, uint32(i))
			text.WriteString(snmprec.Varbind{OID: oid, Value: v}.String() + "\n")
			want[oid.String()] = v
		}
		rec, err := snmprec.ParseWalk([]byte(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		checkVarbinds(t, rec, want)
	})
}

type fataler interface {
	Helper()
	Errorf(format string, args ...any)
}

func checkVarbinds(t fataler, rec snmprec.Recording, want map[string]snmprec.Value) {
	t.Helper()
	if len(rec.Varbinds) != len(want) {
		t.Errorf("%d varbinds, want %d: %v", len(rec.Varbinds), len(want), rec.Varbinds)
	}
	for i, vb := range rec.Varbinds {
		if i > 0 && rec.Varbinds[i-1].OID.Compare(vb.OID) >= 0 {
			t.Errorf("%v does not follow %v", vb.OID, rec.Varbinds[i-1].OID)
		}
		if w, ok := want[vb.OID.String()]; !ok || w != vb.Value {
			t.Errorf("%v, want %v", vb, w)
		}
		if rec.Find(vb.OID) != vb.Value {
			t.Errorf("Find(%v) = %v", vb.OID, rec.Find(vb.OID))
		}
	}
}

func TestCorpus_everyLineIsReadOrReported(t *testing.T) {
	t.Parallel()
	dir := corpus(t)
	files, err := filepath.Glob(filepath.Join(dir, "librenms", "snmprec", "*.snmprec"))
	if err != nil || len(files) == 0 {
		t.Skipf("SKIPPED: %s holds no librenms/snmprec/*.snmprec", dir)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := snmprec.ParseSnmprec(raw)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		lines := 0
		for line := range strings.Lines(string(raw)) {
			if line[0] >= '0' && line[0] <= '9' {
				lines++
			}
		}
		if got := len(rec.Varbinds) + len(rec.Skipped) + rec.Repeated; got != lines {
			t.Errorf("%s: %d of %d lines accounted for", filepath.Base(file), got, lines)
		}
		if len(rec.Skipped) > lines/100 {
			t.Errorf("%s: %d lines skipped, the first %v", filepath.Base(file), len(rec.Skipped), rec.Skipped[0])
		}
	}
	walks, err := filepath.Glob(filepath.Join(dir, "opennms-linkd", "[1n]*"))
	if err != nil || len(walks) == 0 {
		t.Skipf("SKIPPED: %s holds no opennms-linkd walks", dir)
	}
	for _, file := range walks {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := snmprec.ParseWalk(raw)
		if err != nil || len(rec.Skipped) > 0 {
			t.Errorf("%s: %v, skipped %v", filepath.Base(file), err, rec.Skipped)
		}
	}
}

// corpus finds the shared recordings: THROUGHLINE_CORPUS, else ../shared/corpus beside the module.
func corpus(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("THROUGHLINE_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("SKIPPED: no corpus at %s (set THROUGHLINE_CORPUS)", dir)
	}
	return dir
}

func FuzzParseSnmprec(f *testing.F) {
	f.Add([]byte("1.3.6.1.2.1.1.1.0|4|text\n1.3.6.1.2.1.1.4.0|4e|\\x0\n1.3.6.1.2.1.1.5.0|4x|0\n"))
	f.Add([]byte("1.3.6.1.2.1.1.3.0|67|1\r\n1.3.6.1.2.1.1.3.0|64x|C0000201\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rec, err := snmprec.ParseSnmprec(raw)
		checkOrder(t, rec, err)
	})
}

func FuzzParseWalk(f *testing.F) {
	f.Add([]byte(".1.3.6.1.2.1.1.1.0 = STRING: a\nb\n.1.3.6.1.2.1.1.3.0 = Timeticks: (1) 0:00:00.01\n"))
	f.Add([]byte(".1.3.6.1.2.1.2.2.1.6.1 = STRING: 2:0:5e:0:53:1\n.1.3 = Hex-STRING: 00\n0G\n.1.3.6 = Wrong Type (should be X): "))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rec, err := snmprec.ParseWalk(raw)
		checkOrder(t, rec, err)
	})
}

func checkOrder(t *testing.T, rec snmprec.Recording, err error) {
	t.Helper()
	if (err == nil) != (len(rec.Varbinds) > 0) {
		t.Fatalf("%d varbinds with error %v", len(rec.Varbinds), err)
	}
	for i, vb := range rec.Varbinds {
		if i > 0 && rec.Varbinds[i-1].OID.Compare(vb.OID) >= 0 {
			t.Fatalf("%v does not follow %v", vb.OID, rec.Varbinds[i-1].OID)
		}
		if vb.Value.Kind() == snmprec.Absent || vb.OID.Len() < 2 {
			t.Fatalf("%v cannot be served", vb)
		}
	}
}
