package neo4j_test

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/store/neo4j"
	"github.com/throughline-dc/throughline/topology/store/storetest"
)

// TestFacts_comeBack writes the facts of all nodes of random snapshots and reads the same ones back.
func TestFacts_comeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := topology.Empty()
		var err error
		for range 3 {
			if s, err = s.Apply(storetest.Delta(storetest.Rapid{T: rt}, s, 100)); err != nil {
				rt.Fatal(err)
			}
		}
		for n := range s.Nodes() {
			lines := neo4j.FactLines(n)
			got, err := neo4j.ReadFacts(n.Key(), lines)
			if err != nil {
				rt.Fatal(err)
			}
			want := slices.Collect(n.Facts())
			slices.SortFunc(got, topology.Fact.Compare)
			slices.SortFunc(want, topology.Fact.Compare)
			if !slices.Equal(got, want) {
				rt.Fatalf("%q\n got %+v\nwant %+v", lines, got, want)
			}
		}
	})
}

// TestFacts_form holds the form that is documented, and that a later version has to read.
func TestFacts_form(t *testing.T) {
	t.Parallel()
	reading := topology.Reading{ReadingKey: topology.ReadingKey{Device: "@a/b%", Source: topology.SourceSNMP, Table: "ifTable/x"}, Time: storetest.Start()}
	partial := reading
	partial.Partial = true
	port := topology.Key{Kind: topology.Port, ID: "leaf1/Ethernet1/1"}
	say := func(f topology.Fact, r topology.Reading) topology.Fact {
		f.Reading, f.Since = r.ReadingKey, storetest.Start()
		return f
	}
	mtu := say(topology.Attribute(port, topology.AttrMTU, topology.IntValue(9000)), reading)
	alias := say(topology.Attribute(port, topology.AttrIfAlias, topology.TextValue("to the  spine\n")), partial)
	link := say(topology.Relate(port, topology.Link, topology.Key{Kind: topology.Port, ID: "spine/Ethernet 2"}), reading)
	link.Confidence, link.Derived = 95, true
	unknown := mtu
	unknown.Attr, unknown.Value, unknown.Since = topology.AttrState, topology.TextValue(""), unknown.Since.AddDate(-100, 0, 0)
	s, err := topology.Empty().Apply(topology.Delta{Time: storetest.Start(), Renew: []topology.Reading{reading, partial}, Add: []topology.Fact{mtu, alias, link, unknown}})
	if err != nil {
		t.Fatal(err)
	}
	n, _ := s.Node(port)
	want := []string{
		"@snmp/%40a%2Fb%25/ifTable/x", ".state 0 100 ", ".mtu 1767323045 100 9000", ">Link 1767323045 95d port:spine/Ethernet 2",
		"@~snmp/%40a%2Fb%25/ifTable/x", ".ifAlias 1767323045 100 to the  spine\n",
	}
	if got := neo4j.FactLines(n); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestReadFacts_refuses(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"", " ", ".", ".mtu", ".mtu 0", ".mtu 0 100", ".mtu 0 0 1500", ".mtu 0 101 1500", ".mtu -1 100 1500", ".mtu x 100 1500", ".mtu 0 100 many", ".nothing 0 100 x",
		">Link 0 100 nowhere", ">Nothing 0 100 port:x", "?mtu 0 100 1500", "@", "@snmp", "@snmp/x", "@nobody/x/y", "@snmp/%/y", "@snmp/%zz/y",
	} {
		if got, err := neo4j.ReadFacts(topology.Key{Kind: topology.Port, ID: "x"}, []string{"@snmp/a/b", line}); !errors.Is(err, topology.ErrSyntax) {
			t.Errorf("%q is read as %+v, %v", line, got, err)
		}
	}
}

// FuzzReadFacts: whatever stands in _facts, reading it neither panics nor gives what cannot be written and read again.
func FuzzReadFacts(f *testing.F) {
	s, err := topology.Empty().Apply(storetest.Delta(rand.New(rand.NewPCG(1, 1)), topology.Empty(), 200))
	if err != nil {
		f.Fatal(err)
	}
	for n := range s.Nodes() {
		f.Add(strings.Join(neo4j.FactLines(n), "\x1e"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		subject := topology.Key{Kind: topology.Port, ID: "x"}
		facts, err := neo4j.ReadFacts(subject, strings.Split(text, "\x1e"))
		if err != nil {
			return
		}
		d := topology.Delta{Time: storetest.Start(), Add: facts}
		for _, fact := range facts {
			d.Renew = append(d.Renew, topology.Reading{ReadingKey: fact.Reading})
		}
		s, err := topology.Empty().Apply(d)
		if err != nil {
			return // said twice, or not allowed by the model: Reader refuses it
		}
		n, ok := s.Node(subject)
		if !ok {
			return
		}
		again, err := neo4j.ReadFacts(subject, neo4j.FactLines(n))
		if err != nil || len(again) != len(facts) {
			t.Fatalf("%q gives %d facts, which are read back as %d, %v", text, len(facts), len(again), err)
		}
	})
}

// TestStatements holds all Cypher to words of the model: no quotes but those of fixed text, nothing that a device could have said.
func TestStatements(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[A-Za-z0-9_ .,:|$+*<>=(){}\[\]\n-]*$`)
	all := neo4j.Statements()
	for _, s := range all {
		if plain := strings.NewReplacer("'throughline_'", "", "'ONLINE'", "").Replace(s); !form.MatchString(plain) {
			t.Errorf("%q", s)
		}
	}
	if len(all) < 1000 {
		t.Errorf("%d statements", len(all))
	}
	for _, a := range topology.Attrs() {
		if slices.Contains([]string{"id", "_id", "_facts"}, a.String()) {
			t.Errorf("the attribute %s hides a property", a)
		}
	}
}

func TestIdent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", neo4j.Longest)
	seen := map[string]string{}
	for _, id := range []string{
		"", "a", long[:neo4j.Longest], long[:neo4j.Longest+2], long, long + "a", "a" + long, neo4j.Ident(long), strings.Repeat("a", neo4j.Longest), strings.Repeat("a", neo4j.Longest+1),
	} {
		short := neo4j.Ident(id)
		if len(id) <= neo4j.Longest && short != id || len(short) > neo4j.Longest+100 || !strings.HasPrefix(id, short[:min(len(short), neo4j.Longest-3)]) {
			t.Errorf("%d octets become %d", len(id), len(short))
		}
		if other, twice := seen[short]; twice {
			t.Errorf("IDs of %d and %d octets become one", len(id), len(other))
		}
		seen[short] = id
	}
}

func TestParseURI(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"neo4j://graph.example":         "neo4j://graph.example:7687",
		"neo4j+s://graph.example:7000":  "neo4j+s://graph.example:7000",
		"bolt://[2001:db8::1]":          "bolt://[2001:db8::1]:7687",
		"bolt+ssc://192.0.2.1/":         "bolt+ssc://192.0.2.1:7687",
		"":                              "",
		"graph.example":                 "",
		"http://graph.example":          "",
		"neo4j://":                      "",
		"neo4j://:7687":                 "",
		"neo4j://graph.example/data":    "",
		"neo4j://graph.example?x=1":     "",
		"neo4j://graph.example:99999":   "",
		"neo4j://graph.example:0":       "",
		"neo4j://me:s3cret@example":     "",
		"neo4j://me:s3cret@exa mple:%%": "",
	} {
		got, err := neo4j.ParseURI(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q gives %q, %v; want %q", text, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: the error says the password: %v", text, err)
		}
	}
}

func TestSupported(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]bool{
		"Neo4j/5.26.9": true, "Neo4j/2025.08.0": true, "Neo4j/5.27-aura": true, "Neo4j/4.4.30": false, "Memgraph/v5": false, "": false, "Neo4j/x": false,
	} {
		if err := neo4j.Supported(agent); (err == nil) != want || err != nil && !errors.Is(err, neo4j.ErrVersion) {
			t.Errorf("%q: %v", agent, err)
		}
	}
}
