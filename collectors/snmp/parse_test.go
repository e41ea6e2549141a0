package snmp_test

import (
	"bytes"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// slowBits is the obvious way: look at every bit.
func slowBits(octets []byte, first int) []int {
	var set []int
	for i := range 8 * len(octets) {
		if octets[i/8]&(0x80>>(i%8)) != 0 {
			set = append(set, first+i)
		}
	}
	return set
}

func TestSetBits_areThoseThatAreSet(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]int{1, 8, 9, 23}, snmp.SetBits([]byte{0x81, 0x80, 0x02}, 1)); diff != "" {
		t.Errorf("PortList 81 80 02: %s", diff) // RFC 4363: the most significant bit of the first octet is port 1
	}
	rapid.Check(t, func(t *rapid.T) {
		octets, first := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "octets"), rapid.IntRange(0, 1).Draw(t, "first")
		if diff := cmp.Diff(slowBits(octets, first), snmp.SetBits(octets, first)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestMaskBits_agreesWithPrefixes(t *testing.T) {
	t.Parallel()
	masks := map[netip.Addr]int{}
	for n := 1; n <= 32; n++ {
		bits := uint32(math.MaxUint32) << (32 - n)
		masks[netip.AddrFrom4([4]byte{byte(bits >> 24), byte(bits >> 16), byte(bits >> 8), byte(bits)})] = n
	}
	rapid.Check(t, func(t *rapid.T) {
		octets := rapid.OneOf(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0x80, 0xc0, 0xf0, 0xfe, 0xff}), 4, 4), rapid.SliceOfN(rapid.Byte(), 4, 4)).Draw(t, "mask")
		mask, _ := netip.AddrFromSlice(octets)
		want, is := masks[mask]
		if got, ok := snmp.MaskBits(mask); ok != is || ok && got != want {
			t.Fatalf("MaskBits(%s) = %d, %t; want %d, %t", mask, got, ok, want, is)
		}
	})
	for mask, want := range masks {
		if got, ok := snmp.MaskBits(mask); !ok || got != want {
			t.Errorf("MaskBits(%s) = %d, %t; want %d", mask, got, ok, want)
		}
	}
}

// index puts octets into an index with their length before them.
func index(kind uint32, octets []byte) snmprec.OID {
	oid := snmprec.NewOID(kind, uint32(len(octets)))
	for _, o := range octets {
		oid = oid.Append(uint32(o))
	}
	return oid
}

func TestInetIndex_readsWhatWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]uint32{1, 2, 3, 4}).Draw(t, "type")
		octets := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
		if kind%2 == 1 {
			octets = octets[:4]
		}
		want, _ := netip.AddrFromSlice(octets)
		written := octets
		if kind > 2 {
			written = append(slices.Clone(octets), 0, 0, 0, 7) // a zone
		}
		tail := snmprec.NewOID(rapid.SliceOfN(rapid.Uint32(), 0, 4).Draw(t, "rest")...)
		got, rest, ok := snmp.InetIndex(index(kind, written).Join(tail))
		if !ok || got != want.Unmap() || rest != tail {
			t.Fatalf("read %s, rest %s, %t; wrote %s, %s", got, rest, ok, want, tail)
		}
	})
}

func TestInetIndex_refuses(t *testing.T) {
	t.Parallel()
	for name, oid := range map[string]snmprec.OID{
		"empty":           snmprec.NewOID(),
		"type alone":      snmprec.NewOID(1),
		"too short":       snmprec.NewOID(1, 4, 192, 0, 2),
		"wrong length":    snmprec.NewOID(1, 5, 192, 0, 2, 1, 1),
		"no octet":        snmprec.NewOID(1, 4, 192, 0, 2, 256),
		"a name":          index(16, []byte("example.net")),
		"endless":         snmprec.NewOID(1, math.MaxUint32, 1),
		"unknown, filled": snmprec.NewOID(0, 1, 1),
	} {
		if a, _, ok := snmp.InetIndex(oid); ok {
			t.Errorf("%s: %s is read as %s", name, oid, a)
		}
	}
	if a, rest, ok := snmp.InetIndex(snmprec.NewOID(0, 0, 9)); !ok || a.IsValid() || rest != snmprec.NewOID(9) {
		t.Errorf("the address that stands for none is read as %s, rest %s, %t", a, rest, ok)
	}
}

func TestLLDPIdentifiers(t *testing.T) {
	t.Parallel()
	mac := []byte{0, 0, 0x5e, 0, 0x53, 1}
	for _, tt := range []struct {
		of      func(int64, []byte) string
		subtype int64
		octets  string
		want    string
	}{
		{snmp.ChassisID, 1, "chassis 1", "component/chassis 1"},
		{snmp.ChassisID, 2, "uplink", "ifAlias/uplink"},
		{snmp.ChassisID, 3, "slot 1", "portComponent/slot 1"},
		{snmp.ChassisID, 4, string(mac), "mac/00:00:5e:00:53:01"},
		{snmp.ChassisID, 4, "00 00 5e 00 53 01", "mac/00:00:5e:00:53:01"},
		{snmp.ChassisID, 4, "0000.5e00.5301", "mac/00:00:5e:00:53:01"},
		{snmp.ChassisID, 4, "\x00\x00\x00\x00\x00\x00", "mac/00:00:00:00:00:00"},
		{snmp.ChassisID, 4, "\x02\x00", "mac/0x0200"},
		{snmp.ChassisID, 5, "\x01\xc0\x00\x02\x01", "address/192.0.2.1"},
		{snmp.ChassisID, 5, "\x02\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "address/2001:db8::1"},
		{snmp.ChassisID, 5, "192.0.2.1", "address/192.0.2.1"},
		{snmp.ChassisID, 5, "\x06\x00\x00\x5e\x00\x53\x01", "address/0x0600005e005301"},
		{snmp.ChassisID, 6, "eth0", "ifName/eth0"},
		{snmp.ChassisID, 7, "\xff\x00", "local/0xff00"},
		{snmp.ChassisID, 7, "", ""},
		{snmp.ChassisID, 9, "what", "subtype9/what"},
		{snmp.PortID, 1, "to spine", "ifAlias/to spine"},
		{snmp.PortID, 2, "slot 2", "portComponent/slot 2"},
		{snmp.PortID, 3, string(mac), "mac/00:00:5e:00:53:01"},
		{snmp.PortID, 4, "\x01\xc0\x00\x02\x01", "address/192.0.2.1"},
		{snmp.PortID, 5, "Ethernet1/1\x00\x00", "ifName/Ethernet1/1"},
		{snmp.PortID, 6, "\x0a\x0b", "circuit/0x0a0b"},
		{snmp.PortID, 7, "\x1b[2J", "local/0x1b5b324a"},
		{snmp.PortID, 0, "", ""},
	} {
		if got := tt.of(tt.subtype, []byte(tt.octets)); got != tt.want {
			t.Errorf("subtype %d, %q: %q, want %q", tt.subtype, tt.octets, got, tt.want)
		}
	}
}

func TestLLDPCapabilities(t *testing.T) {
	t.Parallel()
	words, ok := snmp.LLDPCapabilities([]byte{0x28, 0x00, 0x00})
	if !ok || !slices.Equal(words, []string{"bridge", "router"}) {
		t.Errorf("28 00 00 is %v, %t", words, ok)
	}
	if words, ok := snmp.LLDPCapabilities([]byte("28 2 4")); ok {
		t.Errorf("the text of a Hex-STRING is read as %v", words)
	}
}

func TestBridgeID(t *testing.T) {
	t.Parallel()
	if id, ok := snmp.BridgeID([]byte{0x80, 0, 0, 0, 0x5e, 0, 0x53, 1}); !ok || id != "8000.00:00:5e:00:53:01" {
		t.Errorf("%q, %t", id, ok)
	}
	for _, octets := range [][]byte{nil, make([]byte, 7), make([]byte, 8), make([]byte, 9)} {
		if id, ok := snmp.BridgeID(octets); ok {
			t.Errorf("% x is read as %s", octets, id)
		}
	}
}

func TestPrefixBits(t *testing.T) {
	t.Parallel()
	entry := snmprec.NewOID(1, 3, 6, 1, 2, 1, 4, 32, 1)
	for name, tt := range map[string]struct {
		pointer snmprec.OID
		want    int
		ok      bool
	}{
		"ipv4":            {entry.Append(5, 7, 1, 4, 192, 0, 2, 0, 24), 24, true},
		"another column":  {entry.Append(6, 7, 1, 4, 192, 0, 2, 0, 24), 24, true},
		"none":            {snmprec.NewOID(0, 0), 0, false},
		"length zero":     {entry.Append(5, 7, 1, 4, 0, 0, 0, 0, 0), 0, false},
		"no length":       {entry.Append(5, 7, 1, 4, 192, 0, 2, 0), 0, false},
		"too much":        {entry.Append(5, 7, 1, 4, 192, 0, 2, 0, 24, 1), 0, false},
		"another table":   {snmprec.NewOID(1, 3, 6, 1, 2, 1, 4, 34, 1, 5, 7, 1, 4, 192, 0, 2, 0, 24), 0, false},
		"the entry alone": {entry, 0, false},
	} {
		if got, ok := snmp.PrefixBits(tt.pointer); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s: %d, %t", name, got, ok)
		}
	}
}

func FuzzSetBits(f *testing.F) {
	f.Add([]byte{0x80, 0x01})
	f.Fuzz(func(t *testing.T, octets []byte) {
		if got, want := snmp.SetBits(octets, 1), slowBits(octets, 1); !slices.Equal(got, want) {
			t.Errorf("% x: %v, want %v", octets, got, want)
		}
	})
}

func FuzzInetAddress(f *testing.F) {
	f.Add(uint32(1), []byte{192, 0, 2, 1})
	f.Add(uint32(4), make([]byte, 20))
	f.Fuzz(func(t *testing.T, kind uint32, octets []byte) {
		a, ok := snmp.InetAddress(kind, octets)
		if !ok && a.IsValid() {
			t.Errorf("type %d, % x: %s although it is none", kind, octets, a)
		}
		if b, rest, fits := snmp.InetIndex(index(kind, octets)); len(octets) <= snmprec.MaxOIDLen && fits != ok || fits && (a != b || !rest.IsZero()) {
			t.Errorf("type %d, % x: %s, %t alone and %s, %t in an index", kind, octets, a, ok, b, fits)
		}
		if ok && a.IsValid() && (a.Zone() != "" || a.Is4In6()) {
			t.Errorf("type %d, % x: %s is not in its plain form", kind, octets, a)
		}
	})
}

func FuzzManagementAddress(f *testing.F) {
	f.Add([]byte{1, 4, 192, 0, 2, 1})
	f.Add([]byte{6, 6, 0, 0, 0x5e, 0, 0x53, 1})
	f.Add([]byte{1, 200, 1})
	f.Fuzz(func(t *testing.T, ids []byte) {
		oid := snmprec.NewOID()
		for _, id := range ids {
			oid = oid.Append(uint32(id))
		}
		a, usable, understood := snmp.ManagementAddress(oid)
		if usable && (!understood || !a.IsValid() || a.IsUnspecified()) {
			t.Errorf("%s: %s is usable, understood %t", oid, a, understood)
		}
	})
}

func FuzzCDPAddress(f *testing.F) {
	f.Add(uint32(1), []byte{192, 0, 2, 1})
	f.Add(uint32(20), make([]byte, 16))
	f.Fuzz(func(t *testing.T, protocol uint32, octets []byte) {
		a, ok := snmp.CDPAddress(protocol, octets)
		if ok && a.IsValid() && !bytes.Equal(octets, a.AsSlice()) && !bytes.Equal(octets, slices.Concat(make([]byte, 10), []byte{0xff, 0xff}, a.AsSlice())) {
			t.Errorf("protocol %d, % x is read as %s", protocol, octets, a)
		}
	})
}

func FuzzLLDPIdentifiers(f *testing.F) {
	f.Add(int64(4), []byte{0, 0, 0x5e, 0, 0x53, 1})
	f.Add(int64(5), []byte{1, 192, 0, 2, 1})
	f.Add(int64(7), []byte("\x1b[2J"))
	f.Fuzz(func(t *testing.T, subtype int64, octets []byte) {
		for _, id := range []string{snmp.ChassisID(subtype, octets), snmp.PortID(subtype, octets)} {
			word, value, ok := strings.Cut(id, "/")
			if (id == "") != (len(octets) == 0) || id != "" && (!ok || word == "" || value == "") {
				t.Errorf("subtype %d, % x: %q is not SUBTYPE/VALUE", subtype, octets, id)
			}
			if !utf8.ValidString(id) || strings.ContainsAny(id, "\x00\n\x1b") {
				t.Errorf("subtype %d, % x: %q is not fit to be a key", subtype, octets, id)
			}
		}
		if m, ok := snmp.MACFrom(octets); ok && m == topology.MAC(0) {
			t.Errorf("% x: the zero address is taken for one", octets)
		}
	})
}
