package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/cli"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Each answer of testdata, and what is made of it. UPDATE_GOLDEN=1 writes what is.
func TestParse_golden(t *testing.T) {
	t.Parallel()
	for _, answer := range cli.Answers() {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", answer)
			raw, err := os.ReadFile(file + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			obs, unparsed, err := cli.ParseFile(answer, "f", collectors.Device{Handle: "x"}, raw)
			if err != nil {
				t.Fatal(err)
			}
			checkFacts(t, obs)
			var said strings.Builder
			said.WriteString(words(t, obs))
			for _, u := range unparsed {
				fmt.Fprintf(&said, "not understood: %s: %s: %s\n", u.Where, u.Text, u.Why)
			}
			got := said.String()
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(file+".golden", []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func checkFacts(t interface{ Fatal(...any) }, obs []topology.Observation) {
	for _, o := range obs {
		if err := o.Reading.Check(); err != nil {
			t.Fatal(err)
		}
		for _, f := range o.Facts {
			if err := f.Check(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// words prints observations, with the rules of filters one to a line.
func words(t *testing.T, obs []topology.Observation) string {
	t.Helper()
	var b strings.Builder
	for _, o := range obs {
		for i, f := range o.Facts {
			if f.Attr == topology.AttrDigest {
				o.Facts[i].Value = topology.TextValue("of the rules")
			}
			if f.Attr != topology.AttrRules {
				continue
			}
			filter, err := policy.DecodeFilter(f.Value.String())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s: family %d, default %s %s\n", filter.Name, filter.Family, filter.Default, filter.Missing)
			for _, a := range filter.Attached {
				fmt.Fprintf(&b, "  at %s %s %s (%d) %s%s\n", a.Hook, a.Interface, a.VLANs, a.Priority, a.Place, map[bool]string{true: ", of others"}[a.Transit])
			}
			for i := range filter.Rules {
				fmt.Fprintf(&b, "  %s %s\n", filter.Rules[i].Place, filter.Rules[i].String())
			}
			o.Facts[i].Value = topology.TextValue("above")
		}
	}
	return b.String() + collectortest.Text(obs)
}

func TestParse_refuses(t *testing.T) {
	t.Parallel()
	for answer, text := range map[string]string{
		"mds-flogi": "Invalid command\n", "eos-route": "{}", "ios-route": "% Invalid input detected\n", "nothing": "",
		"ios-config": "banner motd ^C\ninterface Vlan1\n ip access-group 1 in\nend\n",
	} {
		if _, _, err := cli.Parse(answer, []byte(text)); err == nil {
			t.Errorf("%s: %q passes", answer, text)
		}
	}
}

// A configuration without its end is read, and said to be a part.
func TestParse_cut(t *testing.T) {
	t.Parallel()
	obs, _, err := cli.Parse("ios-config", []byte("hostname r1\ninterface Vlan1\n"))
	if err != nil || !obs[0].Reading.Partial || !strings.Contains(obs[0].Reading.Reason, "cut off") {
		t.Errorf("%+v (%v)", obs, err)
	}
}

// The page names every answer.
func TestAnswers_documented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "collectors", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range cli.Answers() {
		if !strings.Contains(string(page), "`"+answer+"`") {
			t.Errorf("docs/collectors/cli.md does not name %s", answer)
		}
	}
}
