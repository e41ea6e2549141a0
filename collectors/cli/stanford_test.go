package cli_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/cli"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// corpus gives a folder of the recordings of others; the test is skipped where they are not.
func corpus(tb testing.TB, folder string) string {
	tb.Helper()
	root := os.Getenv("THROUGHLINE_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	path := filepath.Join(root, folder)
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("SKIPPED: no corpus at %s (THROUGHLINE_CORPUS names it)", path)
	}
	return path
}

func stanford(t *testing.T, router string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(corpus(t, "stanford-backbone"), "ios", router+"_rtr_config.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// passes gives what a list of a configuration lets through, in both bounds.
func passes(t *testing.T, h *reach.Headers, text, list string) (must, may packet.Set) {
	t.Helper()
	c, err := cli.ReadConfig("ios-config", "f", collectors.Device{Handle: "r"}, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	filters := map[string]*policy.Filter{}
	for _, f := range c.Filters {
		filters[f.Name] = f
	}
	if filters[list] == nil {
		t.Fatalf("no list %s", list)
	}
	return h.Pass(filters, list, reach.Context{}, reach.Must, h.Valid), h.Pass(filters, list, reach.Context{}, reach.May, h.Valid)
}

// Of list 168 of yoza one line may go without any effect, since a later one permits the same; another may not.
func TestStanford_removedLines(t *testing.T) {
	t.Parallel()
	text := stanford(t, "yoza")
	h := reach.NewHeaders(policy.IPv4, reach.Orders[0], 1<<22)
	must, may := passes(t, h, text, "168")
	for line, changes := range map[string]bool{
		"access-list 168 permit tcp any host 171.64.68.10 eq 22\n":  false,
		"access-list 168 permit tcp any host 171.64.68.25 eq www\n": true,
	} {
		if strings.Count(text, line) != 1 {
			t.Fatalf("%q is there %d times", line, strings.Count(text, line))
		}
		nowMust, nowMay := passes(t, h, strings.Replace(text, line, "", 1), "168")
		if (nowMust != must || nowMay != may) != changes {
			t.Errorf("without %q: must changes %t, may changes %t", line, nowMust != must, nowMay != may)
		}
	}
}

// A rule that logs matches as one that does not.
func TestStanford_logInput(t *testing.T) {
	t.Parallel()
	text := stanford(t, "roza")
	if !strings.Contains(text, " log-input\n") {
		t.Fatal("no line has log-input")
	}
	h := reach.NewHeaders(policy.IPv4, reach.Orders[0], 1<<22)
	must, may := passes(t, h, text, "102")
	nowMust, nowMay := passes(t, h, strings.ReplaceAll(text, " log-input\n", "\n"), "102")
	if must != nowMust || may != nowMay {
		t.Error("log-input changes what passes")
	}
	denied := strings.SplitAfter(text, "\n")
	for i, l := range denied {
		if strings.HasPrefix(l, "access-list 102 ") && strings.HasSuffix(l, " log-input\n") {
			denied[i] = strings.Replace(l, " permit ", " deny ", 1) // a later line permits all
		}
	}
	if nowMust, _ = passes(t, h, strings.Join(denied, ""), "102"); must == nowMust {
		t.Error("the lines with log-input match nothing")
	}
}

// All virtual addresses are there, and no policy routing is ignored.
func TestStanford_statements(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(corpus(t, "stanford-backbone"), "ios", "*_config.txt"))
	if err != nil || len(files) != 16 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	secondary, routed, virtual, rules := 0, 0, 0, 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			if strings.HasPrefix(line, " standby ") && strings.Contains(line, " ip ") {
				virtual--
			}
			if strings.HasPrefix(line, " standby ") && strings.HasSuffix(line, " secondary\n") {
				secondary++
			}
			if strings.HasPrefix(line, " ip policy route-map ") {
				routed++
				rules--
			}
		}
		c, err := cli.ReadConfig("ios-config", "f", collectors.Device{Handle: "r"}, raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range c.Facts() {
			switch {
			case f.Attr == topology.AttrVirtualAddress:
				virtual++
			case f.Attr == topology.AttrPolicyRule && strings.HasPrefix(f.Value.String(), "route-map "):
				rules++
			}
		}
	}
	if secondary != 329 || routed != 170 || virtual != 0 || rules != 0 {
		t.Errorf("%d secondary, %d policy routings, %d virtual addresses and %d rules too many", secondary, routed, virtual, rules)
	}
}

// Platforms of the measured labs: no line is lost that could matter, but for what is known to be.
func TestLabs_everyLine(t *testing.T) {
	t.Parallel()
	known := []string{"member vni 5010", "member vni 5020", "suppress-arp", "ingress-replication protocol bgp"} // VXLAN of NX-OS
	for pattern, answer := range map[string]string{
		"reach/iosxe*/configs/*/*": "ios-config", "fib/ios*/configs/*/*": "ios-config", "fib/eos*/configs/*/*": "eos-config", "fib/nxos*/configs/*/*": "nxos-config",
		"reach/iosxe*/show/*/show_ip_route*": "ios-route", "fib/ios*/show/*/show_ip_route.txt": "ios-route", "fib/ios*/show/*/show_ip_route_vrf_[cs]*": "ios-route",
		"fib/ospf*/show/a*/show_ip_route.txt": "ios-route", "fib/nxos*/show/*/show_ip_route_vrf_all.txt": "nxos-route",
	} {
		files, err := filepath.Glob(filepath.Join(corpus(t, "lab-validation"), pattern))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: no files (%v)", pattern, err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if pattern == "fib/nxos*/configs/*/*" && !strings.Contains(string(raw), "feature ") {
				continue // a router of another platform among them
			}
			_, unparsed, err := cli.Parse(answer, raw)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			for _, u := range unparsed {
				if !slices.Contains(known, u.Text) {
					t.Errorf("%s: %s: %s: %s", file, u.Where, u.Text, u.Why)
				}
			}
		}
	}
}
