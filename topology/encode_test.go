package topology_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/topologytest"
)

// graph builds a snapshot from lines such as "port:a/1 mtu=1500", "vm:v RunsOn host:h ~20", under "SOURCE TABLE:" or "SOURCE TABLE DEVICE:"
// headings; the first heading may be left out.
func graph(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string,
) *topology.Snapshot {
	t.Helper()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	d := topology.Delta{Time: now}
	reading := topology.Reading{ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceSNMP, Table: "all"}, Time: now}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutSuffix(line, ":"); ok {
			words := append(strings.Fields(heading), "test")
			s, err := topology.ParseSource(words[0])
			if err != nil || len(words) < 3 {
				t.Fatalf("%q: %v", line, err)
			}
			reading.Source, reading.Device = s, words[2]
			reading.Table, reading.Partial = strings.CutSuffix(words[1], "~")
			if !slices.Contains(d.Renew, reading) {
				d.Renew = append(d.Renew, reading)
			}
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f, err := topologytest.Fact(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !slices.Contains(d.Renew, reading) {
			d.Renew = append(d.Renew, reading)
		}
		f.Reading, f.Since = reading.ReadingKey, now
		d.Add = append(d.Add, f)
	}
	return mustApply(t, topology.Empty(), d).At(7, now)
}

const smallGraph = `
libvirt domains:
vm:v name=web-07
vm:v RunsOn host:h
vm:v RunsOn host:g ~20
vm:v hostDevice=pci 0000:01:00.0
vm:v hostDevice=mdev <a>
snmp ifTable:
port:a/1 mtu=1500
port:a/1 Link port:b/1
cli interfaces:
port:a/1 mtu=9000
`

// The form that export writes and that other programs read: a change here is a change of the interface.
const smallJSON = `{"revision":7,"time":"2026-01-01T10:00:00Z",
"nodes":[
{"key":"host:g"},
{"key":"host:h"},
{"key":"vm:v","attrs":{"hostDevice":["mdev \u003ca\u003e","pci 0000:01:00.0"],"name":"web-07"},"relations":{"RunsOn":["host:h"]}},
{"key":"port:a/1","attrs":{"mtu":"9000"},"relations":{"Link":["port:b/1"]}},
{"key":"port:b/1"}],
"readings":[
{"key":"test/libvirt/domains","time":"2026-01-01T10:00:00Z","rows":0},
{"key":"test/cli/interfaces","time":"2026-01-01T10:00:00Z","rows":0},
{"key":"test/snmp/ifTable","time":"2026-01-01T10:00:00Z","rows":0}],
"facts":[
{"subject":"vm:v","attr":"name","value":"web-07","confidence":100,"reading":"test/libvirt/domains","since":"2026-01-01T10:00:00Z"},
{"subject":"vm:v","attr":"hostDevice","value":"mdev \u003ca\u003e","confidence":100,"reading":"test/libvirt/domains","since":"2026-01-01T10:00:00Z"},
{"subject":"vm:v","attr":"hostDevice","value":"pci 0000:01:00.0","confidence":100,"reading":"test/libvirt/domains","since":"2026-01-01T10:00:00Z"},
{"subject":"vm:v","relation":"RunsOn","object":"host:g","confidence":20,"reading":"test/libvirt/domains","since":"2026-01-01T10:00:00Z"},
{"subject":"vm:v","relation":"RunsOn","object":"host:h","confidence":100,"reading":"test/libvirt/domains","since":"2026-01-01T10:00:00Z"},
{"subject":"port:a/1","attr":"mtu","value":"9000","confidence":100,"reading":"test/cli/interfaces","since":"2026-01-01T10:00:00Z"},
{"subject":"port:a/1","attr":"mtu","value":"1500","confidence":100,"reading":"test/snmp/ifTable","since":"2026-01-01T10:00:00Z"},
{"subject":"port:a/1","relation":"Link","object":"port:b/1","confidence":100,"reading":"test/snmp/ifTable","since":"2026-01-01T10:00:00Z"}]}
`

func TestWriteJSON_isTheReviewedForm(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := graph(t, smallGraph).WriteJSON(&b, true); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(smallJSON, b.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if !json.Valid(b.Bytes()) {
		t.Error("it is no JSON")
	}
}

func TestWriteJSON_ofNothing(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := topology.Empty().WriteJSON(&b, true); err != nil || !json.Valid(b.Bytes()) {
		t.Errorf("%v: %s", err, b.String())
	}
}

func TestWriteJSON_doesNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	lines := strings.Split("cli interfaces:\nport:a/1 mtu=9000\nsnmp ifTable:\nport:a/1 Link port:b/1\nport:a/1 mtu=1500\nlibvirt domains:\n"+
		"vm:v hostDevice=mdev <a>\nvm:v hostDevice=pci 0000:01:00.0\nvm:v RunsOn host:g ~20\nvm:v RunsOn host:h\nvm:v name=web-07", "\n")
	var b bytes.Buffer
	if err := graph(t, strings.Join(lines, "\n")).WriteJSON(&b, true); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(smallJSON, b.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// failing takes n octets and no more.
type failing struct{ n int }

func (f *failing) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestWriteJSON_saysThatWritingFailed(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 100} {
		if err := graph(t, smallGraph+strings.Repeat("#\n", n)).WriteJSON(&failing{n}, true); err == nil {
			t.Errorf("after %d octets: no error", n)
		}
	}
}

func TestFact_JSON(t *testing.T) {
	t.Parallel()
	f := topology.Attribute(topology.Key{Kind: topology.VM, ID: "v"}, topology.AttrDescription, topology.TextValue(""))
	f.Derived = true
	raw, err := json.Marshal(f)
	if want := `{"subject":"vm:v","attr":"description","value":"","derived":true}`; err != nil || string(raw) != want {
		t.Errorf("a text of nothing is %s (%v), want %s", raw, err, want)
	}
}

func TestReading_JSON(t *testing.T) {
	t.Parallel()
	r := topology.Reading{
		ReadingKey: topology.ReadingKey{Device: "rack 1/leaf1", Source: topology.SourceSNMP, Table: "lldpRemTable", Partial: true},
		Command:    "1.0.8802.1.1.2.1.4.1", Time: time.Date(2026, 1, 1, 11, 0, 0, 5e6, time.FixedZone("", 3600)), Rows: 3, Reason: "genErr",
	}
	raw, err := json.Marshal(r)
	want := `{"key":"rack 1%2Fleaf1/snmp/lldpRemTable~","command":"1.0.8802.1.1.2.1.4.1","time":"2026-01-01T10:00:00.005Z","rows":3,"partial":true,"reason":"genErr"}`
	if err != nil || string(raw) != want {
		t.Errorf("%s (%v), want %s", raw, err, want)
	}
}

// drawChange draws any change that the model allows.
func drawChange(t *rapid.T) topology.Change {
	c := topology.Change{
		Subject: topology.Key{Kind: rapid.SampledFrom(topology.Kinds()).Draw(t, "kind"), ID: rapid.StringN(1, 8, -1).Draw(t, "id")},
		Cause:   rapid.String().Draw(t, "cause"),
	}
	if rapid.Bool().Draw(t, "relation") {
		c.Rel = rapid.SampledFrom(topology.Rels()).Draw(t, "rel")
		c.Object = topology.Key{Kind: rapid.SampledFrom(topology.Kinds()).Draw(t, "kind"), ID: rapid.StringN(1, 8, -1).Draw(t, "id")}
		c.Add = rapid.Bool().Draw(t, "add")
		return c
	}
	c.Attr = rapid.SampledFrom(topology.Attrs()).Draw(t, "attr")
	values := func(label string) []topology.Value {
		var vs []topology.Value
		for _, text := range rapid.SliceOfN(rapid.SampledFrom(valueTypes()[c.Attr.Type()]), 0, 3).Draw(t, label) {
			v, err := topology.ParseValue(c.Attr.Type(), text)
			if err != nil {
				t.Fatal(err)
			}
			vs = append(vs, v)
		}
		return vs
	}
	c.Before, c.After = values("before"), values("after")
	return c
}

func TestChangeSet_JSONRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cs := topology.ChangeSet{Revision: topology.Revision(rapid.Uint64().Draw(t, "revision")), Changes: []topology.Change{}}
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			cs.Changes = append(cs.Changes, drawChange(t))
		}
		raw, err := json.Marshal(cs)
		if err != nil {
			t.Fatal(err)
		}
		var back topology.ChangeSet
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if d := cmp.Diff(cs, back, valueOption()); d != "" {
			t.Fatalf("%s: (-before +after)\n%s", raw, d)
		}
		if d := cmp.Diff(cs, cs.Reverse().Reverse(), valueOption()); d != "" {
			t.Fatalf("reversed twice it is another (-before +after):\n%s", d)
		}
	})
}

func TestChange_refusesJSONThatIsNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		`{`:                                   nil,
		`[]`:                                  nil,
		`{}`:                                  topology.ErrSchema,
		`{"subject":"port:a"}`:                topology.ErrSyntax,
		`{"subject":"nothing","attr":"mtu"}`:  topology.ErrSyntax,
		`{"subject":"port:a","attr":"taste"}`: topology.ErrSyntax,
		`{"subject":"port:a","attr":"mtu","after":["big"]}`:                                 topology.ErrSyntax,
		`{"subject":"port:a","attr":"mtu","before":["big"]}`:                                topology.ErrSyntax,
		`{"subject":"port:a","relation":"Link"}`:                                            topology.ErrSchema,
		`{"subject":"port:a","relation":"Link","object":"port:b"}`:                          topology.ErrSchema,
		`{"subject":"port:a","relation":"Loves","object":"port:b","add":true}`:              topology.ErrSyntax,
		`{"subject":"port:a","attr":"mtu","relation":"Link","object":"port:b","add":false}`: topology.ErrSchema,
		`{"attr":"mtu","after":["1500"]}`:                                                   topology.ErrSchema,
	} {
		var c topology.Change
		err := json.Unmarshal([]byte(text), &c)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: error is %v, want %v", text, err, want)
		}
	}
}

func FuzzChangeSetJSON(f *testing.F) {
	f.Add([]byte(`{"revision":7,"changes":[{"subject":"port:a/1","attr":"mtu","before":["1500"],"after":["9000"],"cause":"x"}]}`))
	f.Add([]byte(`{"revision":0,"changes":[{"subject":"vm:v","relation":"RunsOn","object":"host:h","add":true}]}`))
	f.Add([]byte(`{"changes":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var cs topology.ChangeSet
		if json.Unmarshal(raw, &cs) != nil {
			return
		}
		canonical, err := json.Marshal(cs)
		if err != nil {
			t.Fatal(err)
		}
		var back topology.ChangeSet
		if err := json.Unmarshal(canonical, &back); err != nil {
			t.Fatalf("%s is written as %s, which is not read: %v", raw, canonical, err)
		}
		if again, err := json.Marshal(back); err != nil || !bytes.Equal(again, canonical) {
			t.Fatalf("%s is written as %s, then as %s (%v)", raw, canonical, again, err)
		}
		if _, err := topology.Empty().With(cs); err != nil && !errors.Is(err, topology.ErrConflict) && !errors.Is(err, topology.ErrSchema) {
			t.Fatalf("%s: %v", raw, err)
		}
	})
}
