package filter_test

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/filter"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares with a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// What nft 1.0.6 prints of rules of each kind that nft(8) has.
func TestNFT_golden(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/nft.json")
	if err != nil {
		t.Fatal(err)
	}
	set, err := filter.NFT("nft", raw)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/nft.txt", text(t, set))
	understood, unparsed := set.Count()
	if rules := strings.Count(string(raw), `{"rule":`); understood+unparsed != rules {
		t.Errorf("%d understood, %d not, of %d rules", understood, unparsed, rules)
	}
}

// nftRules gives the rules that the statements become, in a chain of the family inet.
func nftRules(t *testing.T, objects, statements string) string {
	t.Helper()
	set, err := filter.NFT("nft", []byte(`{"nftables": [{"table": {"family": "inet", "name": "t"}}, `+objects+`
		{"chain": {"family": "inet", "table": "t", "name": "sub"}}, {"chain": {"family": "inet", "table": "t", "name": "c", "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
		{"rule": {"family": "inet", "table": "t", "chain": "c", "expr": [`+statements+`]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Rest) > 0 {
		t.Error(set.Rest)
	}
	var lines []string
	for _, f := range set.Filters {
		if err := f.Check(); err != nil {
			t.Error(err)
		}
		for i := range f.Rules {
			lines = append(lines, f.Rules[i].String())
		}
	}
	return strings.Join(lines, "\n")
}

func match(op, left, right string) string {
	return `{"match": {"op": "` + op + `", "left": ` + left + `, "right": ` + right + `}}`
}

const (
	saddr  = `{"payload": {"protocol": "ip", "field": "saddr"}}`
	dport  = `{"payload": {"protocol": "tcp", "field": "dport"}}`
	accept = `{"accept": null}`
)

func TestNFT_sets(t *testing.T) {
	t.Parallel()
	set := func(rest string) string {
		return `{"set": {"family": "inet", "table": "t", "name": "s", "type": "ipv4_addr"` + rest + `}},`
	}
	writes := `{"rule": {"family": "inet", "table": "t", "chain": "sub", "expr": [{"set": {"op": "add", "elem": ` + saddr + `, "set": "@s"}}]}},`
	for _, c := range []struct{ name, objects, statements, want string }{
		{"empty, in place of a set", set(""), match("==", saddr, `"@s"`) + "," + accept, "permit protocol not 0-255"},
		{"none of an empty one", set(""), match("!=", saddr, `"@s"`) + "," + accept, "permit"},
		{"of elements apart", set("") + `{"element": {"family": "inet", "table": "t", "name": "s", "elem": ["192.0.2.1"]}},`, match("==", saddr, `"@s"`) + "," + accept, "permit source 192.0.2.1"},
		{"with a timeout", set(`, "timeout": 60, "elem": ["192.0.2.1"]`), match("==", saddr, `"@s"`) + "," + accept, "permit [uncertain: its elements come and go]"},
		{"dynamic", set(`, "flags": "dynamic"`), match("!=", saddr, `"@s"`) + "," + accept, "permit [uncertain: its elements come and go]"},
		{
			"that rules write", set("") + writes, match("==", saddr, `"@s"`) + "," + accept,
			`continue [uncertain: {"set":{"elem":{"payload":{"field":"saddr","protocol":"ip"}},"op":"add","set":"@s"}}]` + "\npermit [uncertain: rules write it]",
		},
		{"an element that expires", set(`, "elem": [{"elem": {"val": "192.0.2.1", "expires": 3}}]`), match("==", saddr, `"@s"`) + "," + accept, "permit [uncertain: an element that expires]"},
		{"an element with a counter", set(`, "elem": [{"elem": {"val": "192.0.2.1", "counter": {"packets": 1}}}]`), match("==", saddr, `"@s"`) + "," + accept, "permit source 192.0.2.1"},
		{"missing", "", match("==", saddr, `"@s"`) + "," + accept, `permit etherType 0x800 [uncertain: {"match":{"left":{"payload":{"field":"saddr","protocol":"ip"}},"op":"==","right":"@s"}}]`},
		{
			"a map of all others", "", `{"vmap": {"key": ` + dport + `, "data": {"set": [[22, {"accept": null}], ["*", {"jump": {"target": "sub"}}]]}}}`,
			"permit protocol 6, destinationPort 22\njump inet t sub protocol 6, destinationPort not 22",
		},
		{"an empty map", "", `{"vmap": {"key": ` + dport + `, "data": {"set": []}}}`, "continue protocol not 0-255"},
		{
			"a map that is missing", "", `{"vmap": {"key": ` + dport + `, "data": "@m"}}`,
			`0; source := 0.0.0.0/0; destination := 0.0.0.0/0; source := ::/0; destination := ::/0; sourcePort := 0-65535; destinationPort := 0-65535 [unparsed: ` +
				`{"vmap":{"data":"@m","key":{"payload":{"field":"dport","protocol":"tcp"}}}}: there is no set @m]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, nftRules(t, c.objects, c.statements)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNFT_statements(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, statements, want string }{
		{
			"written before a match that may not hold", `{"mangle": {"key": {"meta": {"key": "mark"}}, "value": 5}}, ` + match("==", saddr, `"192.0.2.1"`) + "," + accept,
			"continue; mark := 5\npermit source 192.0.2.1",
		},
		{"a jump to nowhere", `{"jump": {"target": "gone"}}`, "continue [unparsed: there is no chain inet t gone]"},
		{"addresses of the one family only", match("!=", saddr, `"192.0.2.1"`) + "," + accept, "permit source not 192.0.2.1"},
		{"ICMP is of IPv4", match("==", `{"payload": {"protocol": "icmp", "field": "type"}}`, `"echo-request"`) + "," + accept, "permit etherType 0x800, protocol 1, icmpType 8"},
		{"a flag not set", match("!", `{"payload": {"protocol": "tcp", "field": "flags"}}`, `"syn"`) + "," + accept, "permit protocol 6, tcpFlags not 0x2&0x2"},
		{"flags together", match("==", `{"payload": {"protocol": "tcp", "field": "flags"}}`, `{"|": ["syn", "ack"]}`) + "," + accept, "permit protocol 6, tcpFlags 18"},
		{
			"an extension of iptables", `{"xt": {"type": "target", "name": "MASQUERADE"}}`,
			`0; source := 0.0.0.0/0; destination := 0.0.0.0/0; source := ::/0; destination := ::/0; sourcePort := 0-65535; destinationPort := 0-65535 [unparsed: {"xt":{"name":"MASQUERADE","type":"target"}}: no such statement is known]`,
		},
		{
			"a flow table", `{"flow": {"op": "add", "flowtable": "@ft"}}`,
			`0; source := 0.0.0.0/0; destination := 0.0.0.0/0; source := ::/0; destination := ::/0; sourcePort := 0-65535; destinationPort := 0-65535 [unparsed: {"flow":{"flowtable":"@ft","op":"add"}}: no such statement is known]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, nftRules(t, "", c.statements)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Chains are met where and when their hook and priority say; those of a dormant table are not met, and one of which the device is not shown may be.
func TestNFT_chains(t *testing.T) {
	t.Parallel()
	set, err := filter.NFT("nft", []byte(`{"nftables": [
		{"table": {"family": "ip", "name": "off", "flags": "dormant"}},
		{"chain": {"family": "ip", "table": "off", "name": "f", "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
		{"chain": {"family": "ip", "table": "t", "name": "named", "type": "filter", "hook": "forward", "prio": "filter - 5", "policy": "accept"}},
		{"chain": {"family": "bridge", "table": "t", "name": "b", "type": "filter", "hook": "prerouting", "prio": "dstnat", "policy": "accept"}},
		{"chain": {"family": "netdev", "table": "t", "name": "g", "type": "filter", "hook": "ingress", "dev": ["eth0", "eth1"], "prio": 0, "policy": "drop"}},
		{"chain": {"family": "netdev", "table": "t", "name": "h", "type": "filter", "hook": "ingress", "prio": 0, "policy": "drop"}},
		{"chain": {"family": "ip", "table": "t", "name": "n", "type": "nat", "hook": "postrouting", "prio": -10}},
		{"chain": {"family": "ip", "table": "t", "name": "x", "type": "filter", "hook": "sideways", "prio": 0}},
		{"rule": {"family": "ip", "table": "t", "chain": "none", "expr": []}},
		{"frob": {"family": "ip"}}
	]}`))
	if err != nil {
		t.Fatal(err)
	}
	got := text(t, set)
	for i, l := range set.Rest { // the whole object stands there
		shown := "{}"
		if i == 0 {
			shown = `{"dev":null}`
		}
		got = strings.Replace(got, l.Text, shown, 1)
	}
	golden(t, "testdata/nft-chains.txt", got)
}

func TestNFT_malformed(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "{}", `{"nftables": null}`, `{"nftables": {}}`, `{"nftables": []} x`, "table inet x {}"} {
		if _, err := filter.NFT("nft", []byte(raw)); !errors.Is(err, filter.ErrMalformed) {
			t.Errorf("%q: %v", raw, err)
		}
	}
	if set, err := filter.NFT("nft", []byte(`{"nftables": []}`)); err != nil || len(set.Filters)+len(set.Rest) > 0 {
		t.Error(set, err)
	}
}

// FuzzNFT: every rule of the list is one of a filter, or left over; every filter has a meaning.
func FuzzNFT(f *testing.F) {
	raw, err := os.ReadFile("testdata/nft.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(strings.TrimSpace(line), ",")
		if strings.HasPrefix(line, `{"rule"`) {
			family, _, _ := strings.Cut(strings.SplitN(line, `"family": "`, 2)[1], `"`)
			table, _, _ := strings.Cut(strings.SplitN(line, `"table": "`, 2)[1], `"`)
			chain, _, _ := strings.Cut(strings.SplitN(line, `"chain": "`, 2)[1], `"`)
			f.Add([]byte(`{"nftables": [{"chain": {"family": "` + family + `", "table": "` + table + `", "name": "` + chain + `"}}, ` + line + `]}`))
		}
	}
	seeds(f, func(raw []byte) { f.Add(raw) }, "hostcmd-insights/nftables/*.txt")
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := filter.NFT("fuzz", raw)
		if err != nil {
			return
		}
		meaningful(t, set)
	})
}
