package topology_test

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
)

// valueTypes lists the types with texts that they hold, canonical ones first.
func valueTypes() map[topology.ValueType][]string {
	return map[topology.ValueType][]string{
		topology.TypeText:   {"", "x", "Ethernet1/1", "\x00", `a"b\`, "ä", "\u202e"},
		topology.TypeInt:    {"0", "-1", "9223372036854775807", "-9223372036854775808"},
		topology.TypeBool:   {"true", "false"},
		topology.TypeMAC:    {"00:00:5e:00:53:01", "ff:ff:ff:ff:ff:ff"},
		topology.TypeWWN:    {"21:00:00:24:ff:00:00:01", "ff:ff:ff:ff:ff:ff:ff:ff"},
		topology.TypeAddr:   {"192.0.2.1", "2001:db8::1", "fe80::1%eth0"},
		topology.TypePrefix: {"192.0.2.1/24", "2001:db8::1/64", "0.0.0.0/0"},
		topology.TypeVIDs:   {"", "1", "10,20-29", "1-4094"},
		topology.TypeFDB:    {"120 00:00:5e:00:53:01 learned", "0 00:00:5e:00:53:01 self", "4094 ff:ff:ff:ff:ff:ff static", "1 00:00:5e:00:53:01 unknown"},
	}
}

func TestParseValue_canonicalTextIsAFixpoint(t *testing.T) {
	t.Parallel()
	for typ, texts := range valueTypes() {
		for _, text := range texts {
			v, err := topology.ParseValue(typ, text)
			if err != nil || v.String() != text || v.Type() != typ || v.IsZero() {
				t.Errorf("type %d: %q is %q (%v)", typ, text, v, err)
			}
		}
	}
	for _, c := range []struct {
		typ        topology.ValueType
		text, want string
	}{
		{topology.TypeText, "\xff", `\xff`},
		{topology.TypeInt, "007", "7"},
		{topology.TypeMAC, "0000.5E00.5301", "00:00:5e:00:53:01"},
		{topology.TypeAddr, "::ffff:192.0.2.1", "192.0.2.1"}, // RFC 4291 2.5.5.2: one host, whichever API told
		{topology.TypeAddr, "2001:DB8:0:0::1", "2001:db8::1"},
		{topology.TypeVIDs, "20-29,10,21", "10,20-29"},
		{topology.TypeVIDs, "1,2,3", "1-3"},
	} {
		if v, err := topology.ParseValue(c.typ, c.text); err != nil || v.String() != c.want {
			t.Errorf("type %d: %q is %q (%v), want %q", c.typ, c.text, v, err, c.want)
		}
	}
}

func TestParseValue_refuses(t *testing.T) {
	t.Parallel()
	for typ, texts := range map[topology.ValueType][]string{
		topology.TypeInt:    {"", "x", "9223372036854775808", "1.0", " 1", "0x1"},
		topology.TypeBool:   {"", "1", "True", "yes"},
		topology.TypeAddr:   {"", "192.0.2", "192.0.2.256", "192.0.2.1/24", "example.net"},
		topology.TypePrefix: {"", "192.0.2.1", "192.0.2.1/33", "2001:db8::/129", "/24"},
		topology.TypeVIDs:   {"0", "4095", ",", "1,", "2-1", "1-", "-1", "1-2-3", "a", "1 ,2"},
		topology.TypeFDB:    {"", "1", "1 00:00:5e:00:53:01", "4095 00:00:5e:00:53:01 learned", "1 00:00:5e:00:53:01 eaten", "1  00:00:5e:00:53:01 learned", "x 00:00:5e:00:53:01 self"},
	} {
		for _, text := range texts {
			if v, err := topology.ParseValue(typ, text); !errors.Is(err, topology.ErrSyntax) {
				t.Errorf("type %d: %q is read as %q (%v)", typ, text, v, err)
			}
		}
	}
	for _, typ := range []topology.ValueType{0, 10, 255} {
		if _, err := topology.ParseValue(typ, "x"); !errors.Is(err, topology.ErrSchema) {
			t.Errorf("type %d gives %v, want a schema error", typ, err)
		}
	}
}

func TestValue_accessors(t *testing.T) {
	t.Parallel()
	var none topology.Value
	if !none.IsZero() || none.String() != "" || none.Int() != 0 || none.Bool() || none.MAC() != 0 || none.WWN() != 0 || none.Addr().IsValid() || none.Prefix().IsValid() {
		t.Errorf("the zero value holds something: %q", none)
	}
	p := netip.MustParsePrefix("192.0.2.1/24")
	e := topology.FDBEntry{VID: 4094, MAC: 0xffffffffffff, Status: topology.FDBStatic}
	for name, ok := range map[string]bool{
		"int":                  topology.IntValue(int64(math.MinInt64)).Int() == math.MinInt64,
		"int of text":          topology.TextValue("1").Int() == 0,
		"bool":                 topology.BoolValue(true).Bool() && !topology.BoolValue(false).Bool(),
		"bool of int":          !topology.IntValue(1).Bool(),
		"mac":                  topology.MACValue(0x00005e005301).MAC() == 0x00005e005301,
		"mac of wwn":           topology.WWNValue(1).MAC() == 0,
		"wwn":                  topology.WWNValue(math.MaxUint64).WWN() == math.MaxUint64,
		"address of a prefix":  topology.PrefixValue(p).Addr() == p.Addr(),
		"prefix":               topology.PrefixValue(p).Prefix() == p,
		"prefix of an address": !topology.AddrValue(p.Addr()).Prefix().IsValid(),
		"vids":                 topology.VIDsValue(topology.VIDs(3, 1)).VIDs().String() == "1,3",
		"fdb":                  topology.FDBValue(e).FDB() == e,
	} {
		if !ok {
			t.Errorf("%s is not what was put in", name)
		}
	}
}

func TestValue_compareOrdersNumbersBySize(t *testing.T) {
	t.Parallel()
	vs := []topology.Value{topology.IntValue(10), topology.IntValue(-1), topology.IntValue(9)}
	slices.SortFunc(vs, topology.Value.Compare)
	if vs[0].Int() != -1 || vs[1].Int() != 9 || vs[2].Int() != 10 {
		t.Errorf("order is %v", vs)
	}
	if topology.TextValue("10").Compare(topology.TextValue("9")) >= 0 {
		t.Error("texts are not ordered as texts")
	}
}

// What a collector puts in that its type cannot hold is refused by the model and never kept in a form that cannot be read back.
func TestFact_refusesWhatCannotBeReadBack(t *testing.T) {
	t.Parallel()
	port := topology.Key{Kind: topology.Port, ID: "x/eth0"}
	for name, f := range map[string]topology.Fact{
		"an address that is none":      topology.Attribute(port, topology.AttrUnnumbered, topology.AddrValue(netip.Addr{})),
		"a prefix that is none":        topology.Attribute(port, topology.AttrAddress, topology.PrefixValue(netip.Prefix{})),
		"a zone in another encoding":   topology.Attribute(port, topology.AttrUnnumbered, topology.AddrValue(netip.MustParseAddr("fe80::1").WithZone("\xff"))),
		"an entry of VLAN 4095":        topology.Attribute(port, topology.AttrLearned, topology.FDBValue(topology.FDBEntry{VID: 4095, MAC: 1, Status: topology.FDBLearned})),
		"an entry of status 9":         topology.Attribute(port, topology.AttrLearned, topology.FDBValue(topology.FDBEntry{MAC: 1, Status: 9})),
		"no value":                     topology.Attribute(port, topology.AttrMTU, topology.Value{}),
		"a text for a number":          topology.Attribute(port, topology.AttrMTU, topology.TextValue("1500")),
		"an attribute that is none":    topology.Attribute(port, 0, topology.TextValue("x")),
		"an attribute beyond the last": topology.Attribute(port, 255, topology.TextValue("x")),
		"a subject of no kind":         topology.Attribute(topology.Key{ID: "x"}, topology.AttrMTU, topology.IntValue(1)),
		"a subject without ID":         topology.Attribute(topology.Key{Kind: topology.Port}, topology.AttrMTU, topology.IntValue(1)),
		"a relation to nothing":        topology.Relate(port, topology.HasNeighbor, topology.Key{}),
		"a relation beyond the last":   {Subject: port, Rel: 255, Object: port},
	} {
		if err := f.Check(); !errors.Is(err, topology.ErrSchema) {
			t.Errorf("%s: error is %v, want ErrSchema", name, err)
		}
	}
}

func FuzzParseValue(f *testing.F) {
	for typ, texts := range valueTypes() {
		for _, text := range append(hostile(), texts...) {
			f.Add(uint8(typ), text)
		}
	}
	f.Fuzz(func(t *testing.T, typ uint8, text string) {
		v, err := topology.ParseValue(topology.ValueType(typ), text)
		if err != nil {
			if !errors.Is(err, topology.ErrSyntax) && !errors.Is(err, topology.ErrSchema) {
				t.Fatalf("%q: %v is neither syntax nor schema", text, err)
			}
			return
		}
		again, err := topology.ParseValue(topology.ValueType(typ), v.String())
		if err != nil || again != v || again.String() != v.String() {
			t.Fatalf("type %d: %q is %q, which is read as %q (%v)", typ, text, v, again, err)
		}
		if v.Compare(again) != 0 {
			t.Fatalf("%q does not compare equal to itself", v)
		}
	})
}

func FuzzParseVIDSet(f *testing.F) {
	fixpoint(f, textOf(topology.ParseVIDSet), "", "10,20-29", "4094-4094,1", strings.Repeat("1,", 50)+"1")
}

func FuzzParseFDBEntry(f *testing.F) {
	fixpoint(f, textOf(topology.ParseFDBEntry), "120 00:00:5e:00:53:01 learned", "0 0:0:5e:0:53:1 unknown")
}

// vidOracle is a set of VLANs in the obvious form.
type vidOracle map[topology.VID]bool

func (o vidOracle) check(t *rapid.T, what string, s topology.VIDSet) {
	t.Helper()
	var want []topology.VID
	for v := range topology.VID(4100) {
		if o[v] {
			want = append(want, v)
		}
		if s.Has(v) != o[v] {
			t.Fatalf("%s: %q has %d: %t, want %t", what, s, v, s.Has(v), o[v])
		}
	}
	if !slices.Equal(s.All(), want) || s.Len() != len(want) {
		t.Fatalf("%s: %q lists %v (%d), want %v", what, s, s.All(), s.Len(), want)
	}
	back, err := topology.ParseVIDSet(s.String())
	if err != nil || back.String() != s.String() {
		t.Fatalf("%s: %q is read as %q (%v)", what, s, back, err)
	}
}

func drawVIDs(t *rapid.T, label string) (topology.VIDSet, vidOracle) {
	// Small numbers, so that sets meet, and the ends of the range.
	id := rapid.OneOf(rapid.Uint16Range(0, 24), rapid.Uint16Range(4085, 4100))
	o := vidOracle{}
	var s topology.VIDSet
	if rapid.Bool().Draw(t, label+" as ranges") {
		for range rapid.IntRange(0, 4).Draw(t, label+" ranges") {
			lo, hi := topology.VID(id.Draw(t, "lo")), topology.VID(id.Draw(t, "hi"))
			s = s.Union(topology.VIDRange(lo, hi))
			for v := lo; v <= hi; v++ {
				o[v] = v >= 1 && v <= 4094
			}
		}
		for v, in := range o {
			if !in {
				delete(o, v)
			}
		}
		return s, o
	}
	var ids []topology.VID
	for _, n := range rapid.SliceOfN(id, 0, 12).Draw(t, label) {
		ids = append(ids, topology.VID(n))
		if n >= 1 && n <= 4094 {
			o[topology.VID(n)] = true
		}
	}
	return topology.VIDs(ids...), o
}

func TestVIDSet_equalsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, x := drawVIDs(t, "a")
		b, y := drawVIDs(t, "b")
		x.check(t, "a", a)
		y.check(t, "b", b)
		union, minus, both := vidOracle{}, vidOracle{}, vidOracle{}
		for v := range topology.VID(4100) {
			if x[v] || y[v] {
				union[v] = true
			}
			if x[v] && !y[v] {
				minus[v] = true
			}
			if x[v] && y[v] {
				both[v] = true
			}
		}
		union.check(t, "union", a.Union(b))
		minus.check(t, "minus", a.Minus(b))
		both.check(t, "intersection", a.Intersect(b))
		x.check(t, "a, afterwards", a)
		if topology.VIDsValue(a.Union(b)) != topology.VIDsValue(b.Union(a)) {
			t.Fatalf("%q and %q: the union depends on the order", a, b)
		}
	})
}
