package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/cli"
	"github.com/throughline-dc/throughline/topology"
)

// FuzzConfig: whatever a configuration is, every line of it has a state, what is not understood is stated, and filters and facts are what the model allows.
func FuzzConfig(f *testing.F) {
	answers := []string{"ios-config", "eos-config", "nxos-config"}
	for i, a := range answers {
		raw, err := os.ReadFile(filepath.Join("testdata", a+".txt"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), string(raw))
	}
	for _, text := range []string{
		"banner motd #\nx", "banner motd", "banner x ^",
		"interface Vlan\n switchport", "vlan 1-4094", "ip route 0.0.0.0 0.0.0.0", "access-list 1 permit", "interface",
		"ip access-list extended X\n 10 permit\n 10 permit ip any any\n permit tcp any range 1", "vlan access-map M x", "ip nat inside source static", "ip route vrf", "switchport",
		"object-group service S\n tcp source\ninterface E1\n switchport trunk allowed vlan add", "ip access-list extended Y\n permit object-group S any any",
		"interface Ethernet0\n ip unnumbered Ethernet0\n channel-group x mode y\n standby ip", "hostname \xff", "ip route 10.0.0.0/8 1x", "ip route 10.0.0.0/8 Null0 name",
	} {
		for i := range answers {
			f.Add(uint8(i), text)
		}
	}
	if root := os.Getenv("THROUGHLINE_CORPUS"); root != "" {
		raw, err := os.ReadFile(filepath.Join(root, "stanford-backbone", "ios", "bbrb_rtr_config.txt"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(0), string(raw))
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		c, err := cli.ReadConfig(answers[int(which)%len(answers)], "f", collectors.Device{Handle: "x"}, []byte(text))
		if err != nil {
			return
		}
		stated := map[string]bool{}
		for _, fact := range c.Facts() {
			if err := fact.Check(); err != nil {
				t.Fatal(err)
			}
			if fact.Attr == topology.AttrUnparsed {
				stated[fact.Value.String()] = true
			}
		}
		places := map[int]bool{}
		for _, filter := range c.Filters {
			if err := filter.Check(); err != nil {
				t.Fatal(err)
			}
			for i := range filter.Rules {
				if filter.Rules[i].Unparsed != "" {
					places[filter.Rules[i].Place.Line] = true
				}
			}
		}
		if want := strings.Count(text, "\n"); len(c.Lines) < want || len(c.Lines) > want+1 {
			t.Fatalf("%d lines of %d", len(c.Lines), want)
		}
		for _, l := range c.Lines {
			if l.State == cli.Unparsed && !stated[l.String()+": "+l.Text] && !places[l.Line] {
				t.Fatalf("%s: %q (%s) is not stated", l.Place, l.Text, l.Why)
			}
			if l.State == cli.Harmless && l.Why == "" || l.State == cli.Blank && l.Text != "" && l.Text[0] != '!' && l.Why == "" {
				t.Fatalf("%s: %q passes for nothing", l.Place, l.Text)
			}
		}
	})
}

// FuzzAnswer: whatever a show command answers, facts are what the model allows, and no line is dropped.
func FuzzAnswer(f *testing.F) {
	answers := cli.Answers()
	for i, a := range answers {
		raw, err := os.ReadFile(filepath.Join("testdata", a+".txt"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), string(raw))
		f.Add(uint8(i), "zone name x vsan 9\n*\n* fcid\n")
		f.Add(uint8(i), "B 10.0.0.0/8 [200/0] via 10.0.0.1\nB 10.0.0.0/9 [200/0] via 10.128.0.1\nB 10.128.0.0/9 [1/0] via 10.0.0.1\n")
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		obs, unparsed, err := cli.Parse(answers[int(which)%len(answers)], []byte(text))
		if err != nil {
			return
		}
		checkFacts(t, obs)
		if obs[0].Reading.Partial && obs[0].Reading.Reason == "" || len(unparsed) > 10*obs[0].Reading.Rows {
			t.Fatalf("%+v, %d pieces not understood", obs[0].Reading, len(unparsed))
		}
	})
}
