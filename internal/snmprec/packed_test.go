package snmprec_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/internal/snmprec"
)

func TestPack_isUndoneByUnpack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		varbinds := rapid.SliceOf(rapid.Custom(drawVarbind)).Draw(t, "varbinds")
		if rapid.Bool().Draw(t, "sorted") {
			varbinds, _ = snmprec.Sort(varbinds)
		}
		packed := snmprec.Pack(varbinds)
		got, err := snmprec.Unpack(packed)
		if err != nil || !slices.Equal(got, varbinds) {
			t.Fatalf("%v comes back as %v, %v", varbinds, got, err)
		}
		if len(packed) == 0 {
			return
		}
		cut := rapid.IntRange(0, len(packed)-1).Draw(t, "cut")
		if got, err := snmprec.Unpack(packed[:cut]); err == nil && !slices.Equal(got, varbinds[:len(got)]) {
			t.Fatalf("%d of %d octets give %v", cut, len(packed), got)
		}
	})
}

func drawVarbind(t *rapid.T) snmprec.Varbind {
	oid := snmprec.NewOID(rapid.SliceOfN(rapid.Uint32Max(3), 0, 5).Draw(t, "oid")...)
	if rapid.Bool().Draw(t, "large") {
		oid = oid.Append(rapid.Uint32().Draw(t, "id"))
	}
	value := rapid.OneOf(
		rapid.Map(rapid.Int64(), snmprec.IntegerValue),
		rapid.Map(rapid.SliceOf(rapid.Byte()), snmprec.BytesValue),
		rapid.Map(rapid.Uint32(), snmprec.TimeTicksValue),
		rapid.Map(rapid.Uint64(), snmprec.Counter64Value),
		rapid.Map(rapid.SliceOfN(rapid.Uint32(), 0, 4), func(ids []uint32) snmprec.Value { return snmprec.OIDValue(snmprec.NewOID(ids...)) }),
		rapid.Just(snmprec.NullValue()),
		rapid.Just(snmprec.ExceptionValue(snmprec.NoSuchInstance)),
	).Draw(t, "value")
	return snmprec.Varbind{OID: oid, Value: value}
}

func FuzzUnpack(f *testing.F) {
	f.Add(snmprec.Pack([]snmprec.Varbind{
		{OID: snmprec.NewOID(1, 3, 6), Value: snmprec.IntegerValue(-1)}, {OID: snmprec.NewOID(1, 3, 7), Value: snmprec.StringValue("eth0")},
	}))
	f.Fuzz(func(t *testing.T, packed []byte) {
		varbinds, err := snmprec.Unpack(packed)
		if err != nil {
			return
		}
		again, err := snmprec.Unpack(snmprec.Pack(varbinds))
		if err != nil || !slices.Equal(again, varbinds) {
			t.Fatalf("%v comes back as %v, %v", varbinds, again, err)
		}
	})
}
