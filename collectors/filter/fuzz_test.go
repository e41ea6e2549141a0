package filter_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/collectors/filter"
	"github.com/throughline-dc/throughline/topology/policy"
)

// seeds adds texts of the corpus, where there is one.
func seeds(f *testing.F, add func(raw []byte), patterns ...string) {
	f.Helper()
	root := os.Getenv("THROUGHLINE_CORPUS")
	if root == "" {
		root = "../../../shared/corpus"
	}
	for _, p := range patterns {
		files, err := filepath.Glob(filepath.Join(root, p))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			add(raw)
		}
	}
}

// meaningful fails where a ruleset has a filter without a meaning, or one that is another once it was written.
func meaningful(t *testing.T, set filter.Ruleset) {
	t.Helper()
	for _, f := range set.Filters {
		if err := f.Check(); err != nil {
			t.Fatal(err)
		}
		again, err := policy.DecodeFilter(f.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if f.Encode() != again.Encode() {
			t.Fatalf("%s is not itself once decoded:\n%s\n%s", f.Name, f.Encode(), again.Encode())
		}
	}
}

// FuzzIPTables: every line that begins as a rule is one, or left over; every filter has a meaning.
func FuzzIPTables(f *testing.F) {
	add := func(raw []byte) {
		f.Add(false, raw)
		f.Add(true, raw)
	}
	add([]byte("*filter\n:INPUT DROP [0:0]\n:x - [0:0]\n-A INPUT ! -s 192.0.2.0/24 -p tcp -m multiport --ports 1,2:3 -j x\n-A x -m limit --limit 1/s -j LOG --log-prefix \"a\\\"b\"\nCOMMIT\n"))
	add([]byte("*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 2001:db8::1/ffff:: -j DNAT --to-destination [2001:db8::2]:1-2\n-A PREROUTING -j NETMAP --to 192.0.2.0/24\nCOMMIT\n"))
	add([]byte("*mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m mark ! --mark 1/2 -m tos --tos 4/8 -j MARK --set-xmark 1/3\n-A FORWARD -m mac ! --mac 0:1:2:3:4:5 -j NOTRACK\nCOMMIT\n"))
	seeds(f, add, "firewall-iptables/*/*/*save*", "hostcmd-insights/iptables/IP*SAVE*")
	f.Fuzz(func(t *testing.T, v6 bool, raw []byte) {
		family := policy.IPv4
		if v6 {
			family = policy.IPv6
		}
		set := filter.IPTables(family, "fuzz", raw)
		meaningful(t, set)
		lines := 0
		for line := range strings.Lines(string(raw)) {
			if strings.HasPrefix(strings.TrimSpace(line), "-A ") {
				lines++
			}
		}
		understood, unparsed := set.Count()
		if understood+unparsed+len(set.Rest) < lines {
			t.Fatalf("%d rules: %d understood, %d not, %d lines left over", lines, understood, unparsed, len(set.Rest))
		}
	})
}
