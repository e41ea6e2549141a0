package topology_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
)

// names draws words as hostile devices would choose them: of the characters that mean something in a key.
func names() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune("@/%:#~ a2F5\\xä\x00")), 0, 6, -1),
		rapid.SampledFrom([]string{"", "%2F", "%25", "%252F", "%40", "@", "@a", "a/b", "/", "//", "Ethernet1/1", "lldp", "a/lldp/b"}),
		rapid.String(),
	)
}

func TestEscapeID_isReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		handle, part := names().Draw(t, "handle"), names().Draw(t, "part")
		escaped := topology.EscapeID(handle)
		if strings.ContainsRune(escaped, '/') || strings.HasPrefix(escaped, "@") {
			t.Fatalf("%q escapes to %q, which is not one segment", handle, escaped)
		}
		device := topology.DeviceKey(topology.Switch, handle)
		if got, rest, ok := device.Local(); !ok || got != handle || rest != "" {
			t.Fatalf("%q is read back from %s as %q, %q", handle, device, got, rest)
		}
		port := topology.PartKey(topology.Port, device, part)
		if got, rest, ok := port.Local(); !ok || got != handle || rest != part {
			t.Fatalf("%q and %q are read back from %s as %q, %q", handle, part, port, got, rest)
		}
	})
}

// Keys of one kind are made of one number of segments: no two lists of words give one key.
func TestPartKey_isNeverAmbiguous(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) []string { return rapid.SliceOfN(names(), 5, 5).Draw(t, label) }
		key := func(w []string) topology.Key {
			port := topology.PartKey(topology.Port, topology.DeviceKey(topology.Switch, w[0]), w[1])
			return topology.PartKey(topology.Neighbor, port, w[2], w[3], w[4])
		}
		a, b := draw("a"), draw("b")
		for i := range b {
			if rapid.Bool().Draw(t, "same") {
				b[i] = a[i]
			}
		}
		if (key(a) == key(b)) != slices.Equal(a, b) {
			t.Fatalf("%q gives %s, %q gives %s", a, key(a), b, key(b))
		}
	})
}

func TestPartKey_ofAPartOfAPart(t *testing.T) {
	t.Parallel()
	leaf := topology.DeviceKey(topology.Switch, "leaf1")
	one := topology.PartKey(topology.Neighbor, topology.PartKey(topology.Port, leaf, "Ethernet1"), "lldp", "mac/00:00:5e:00:53:01", "lldp/a/b")
	other := topology.PartKey(topology.Neighbor, topology.PartKey(topology.Port, leaf, "Ethernet1/lldp/mac%2F00:00:5e:00:53:01"), "lldp", "a", "b")
	if one == other {
		t.Errorf("two neighbours of two ports are %s", one)
	}
	if want := "@leaf1/Ethernet1/lldp/mac%2F00:00:5e:00:53:01/lldp/a/b"; one.ID != want {
		t.Errorf("key is %s, want %s", one.ID, want)
	}
}

func TestKey_local(t *testing.T) {
	t.Parallel()
	for id, want := range map[string][2]string{"@leaf1": {"leaf1", ""}, "@leaf1/Ethernet1/1": {"leaf1", "Ethernet1/1"}, "@a%2Fb%25": {"a/b%", ""}} {
		if handle, rest, ok := (topology.Key{Kind: topology.Port, ID: id}).Local(); !ok || handle != want[0] || rest != want[1] {
			t.Errorf("%s is %q, %q, %t", id, handle, rest, ok)
		}
	}
	for _, id := range []string{"", "leaf1", "leaf1/@x", "%40leaf1"} {
		if handle, _, ok := (topology.Key{Kind: topology.Port, ID: id}).Local(); ok {
			t.Errorf("%s is local to %q", id, handle)
		}
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	k, err := topology.ParseKey("port:02:00:00:00:00:01/Ethernet1/1")
	if err != nil || k != (topology.Key{Kind: topology.Port, ID: "02:00:00:00:00:01/Ethernet1/1"}) {
		t.Errorf("key is %v (%v)", k, err)
	}
	for _, text := range []string{"", "port", "port:", ":x", "Port:x", "kind(0):x", "switch leaf1"} {
		if k, err := topology.ParseKey(text); !errors.Is(err, topology.ErrSyntax) {
			t.Errorf("%q is read as %v (%v)", text, k, err)
		}
	}
	var in struct{ Key topology.Key }
	if err := json.Unmarshal([]byte(`{"Key":"nothing"}`), &in); err == nil || !in.Key.IsZero() {
		t.Errorf("JSON of no key is read as %v (%v)", in.Key, err)
	}
}

func FuzzParseKey(f *testing.F) {
	fixpoint(f, textOf(topology.ParseKey), "port:@leaf1/Ethernet1/1", "vm:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "volume:rbd:h/p/i", "port::")
}

func FuzzText(f *testing.F) {
	for _, s := range hostile() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		text := topology.Text(octets)
		if !utf8.ValidString(text) || topology.Text([]byte(text)) != text {
			t.Fatalf("%q becomes %q", octets, text)
		}
		if utf8.Valid(octets) && text != string(octets) {
			t.Fatalf("%q is changed into %q", octets, text)
		}
		f := topology.Attribute(topology.PartKey(topology.Port, topology.DeviceKey(topology.Switch, string(octets)), string(octets)),
			topology.AttrIfAlias, topology.TextValue(string(octets)))
		if err := f.Check(); err != nil {
			t.Fatalf("%q cannot be stated: %v", octets, err)
		}
	})
}

// A unit known by its number at a target is its initiator's alone.
func TestTargetUnitKey(t *testing.T) {
	t.Parallel()
	vm := topology.Key{Kind: topology.VM, ID: "aaaaaaaa-0000-4000-8000-000000000001"}
	for _, c := range []struct {
		initiator topology.Key
		want      string
	}{
		{topology.DeviceKey(topology.Host, "h1"), "logicalunit:@h1/iqn.2026-01.test:a/1"},
		{topology.DeviceKey(topology.Host, "h/2"), "logicalunit:@h%2F2/iqn.2026-01.test:a/1"},
		{vm, "logicalunit:aaaaaaaa-0000-4000-8000-000000000001/iqn.2026-01.test:a/1"},
	} {
		k := topology.TargetUnitKey(c.initiator, "iqn.2026-01.test:a", 1)
		if got := k.String(); got != c.want {
			t.Errorf("unit 1 of %s is %s, want %s", c.initiator, got, c.want)
		}
		if target, lun, ok := k.TargetUnit(); target != "iqn.2026-01.test:a" || lun != 1 || !ok {
			t.Errorf("%s is unit %d of %q, %t", k, lun, target, ok)
		}
	}
	for _, id := range []string{"naa.60000000000000000000000000000001", "iqn.2026-01.test:a/1", "v/iqn.2026-01.test:a", "v/iqn.2026-01.test:a/one", "v/a/1", "v/iqn.2026-01.test:a/0x1"} {
		if target, lun, ok := (topology.Key{Kind: topology.LogicalUnit, ID: id}).TargetUnit(); ok {
			t.Errorf("%s is unit %d of %q", id, lun, target)
		}
	}
	if _, _, ok := (topology.Key{Kind: topology.Mapping, ID: "v/iqn.2026-01.test:a/1"}).TargetUnit(); ok {
		t.Error("a mapping is a unit")
	}
}
