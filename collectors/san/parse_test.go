package san_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/san"
	"github.com/throughline-dc/throughline/fixtures/sim/sshhost"
	"github.com/throughline-dc/throughline/topology"
)

// change is a replacement in the recorded answer of a table; an empty Old replaces it whole.
type change struct{ table, old, new string }

// read collects the recorded array as the changes leave it, and gives what is stated and why tables are partial.
func read(t *testing.T, changes ...change) (facts []string, partial map[string]string) {
	t.Helper()
	whole := recorded(t)
	_, d := startArray(t, func(line string) sshhost.Answer {
		a := whole(line)
		for _, c := range changes {
			i := slices.IndexFunc(san.Commands(), func(k san.Command) bool { return k.Name == c.table })
			switch {
			case !strings.HasSuffix(line, san.Commands()[i].Line):
			case c.old == "":
				a.Stdout = c.new
			case !strings.Contains(a.Stdout, c.old):
				t.Errorf("%s does not hold %q", c.table, c.old)
			default:
				a.Stdout = strings.Replace(a.Stdout, c.old, c.new, 1)
			}
		}
		return a
	}, sshhost.Faults{})
	obs, err := san.New(san.Options{}).Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	partial = map[string]string{}
	for _, o := range obs {
		for _, f := range o.Facts {
			facts = append(facts, f.String())
		}
		if o.Reading.Partial {
			partial[o.Reading.Table] = o.Reading.Reason
		}
	}
	return facts, partial
}

func TestTargets_whatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	const (
		target = "targetport:iqn.2026-01.test.array1:vm1,10.1.30.50:3260 state=online"
		admits = "mapping:@array1/iqn.2026-01.test.array1:vm1/1 initiatorAddress=10.1.30.0/24"
		unit   = "logicalunit:naa.60000000000000000000000000000101 serial=TL0001-1"
		export = "targetport:iqn.2026-01.test.array1:vm1,10.1.30.50:3260 Exports logicalunit:naa.60000000000000000000000000000101"
		nexus  = "initiatorport:iqn.2026-01.test.vm:vm1 Nexus targetport:iqn.2026-01.test.array1:vm1,10.1.30.50:3260"
	)
	for _, c := range []struct {
		name    string
		change  change
		partial []string
		gone    []string // of the facts above; the others are stated
	}{
		{"as recorded", change{"tgt-target", "Target 1", "Target 1"}, nil, nil},
		{"a property of a later version", change{"tgt-target", "            SWP: No\n            Thin-provisioning: No\n            Backing store type: rdwr", "            Colour: red\n            Backing store type: rdwr"}, []string{"tcp-sessions", "tgt-target"}, nil},
		{"who may log in, in unknown words", change{"tgt-target", "        10.1.30.0/24\n", "        10.1.30.0/24\n        friends\n"}, []string{"tcp-sessions", "tgt-target"}, []string{admits}},
		{"a network of one address, by which tgt admits nobody", change{"tgt-target", "        10.1.30.0/24\n", "        10.1.30.0/24\n        10.1.30.11/32\n"}, []string{"tcp-sessions", "tgt-target"}, []string{admits}},
		{"a network with bits behind its length", change{"tgt-target", "        10.1.30.0/24\n", "        10.1.30.0/24\n        10.1.30.11/24\n"}, []string{"tcp-sessions", "tgt-target"}, []string{admits}},
		{"an address after names", change{"tgt-target", "        10.1.30.0/24\n", "        iqn.2026-01.test:a\n        ALL\n"}, []string{"tcp-sessions", "tgt-target"}, []string{admits}},
		{"a state of a later version", change{"tgt-target", "State: ready", "State: resting"}, []string{"tcp-sessions", "tgt-target"}, []string{target, admits, unit, export, nexus}},
		{"another driver", change{"tgt-target", "Driver: iscsi", "Driver: fcoe"}, []string{"tcp-sessions", "tgt-target"}, []string{target, admits, unit, export, nexus}},
		{"a section that is missing", change{"tgt-target", "    Account information:\n", ""}, []string{"tcp-sessions", "tgt-target"}, []string{target, admits, unit, export, nexus}},
		{"no name", change{"tgt-target", "Target 1: iqn.2026-01.test.array1:vm1", "Target 1: my disk"}, []string{"tcp-sessions", "tgt-target"}, []string{target, admits, unit, export, nexus}},
		{"a name of an initiator that is none", change{"tgt-target", "Initiator: iqn.2026-01.test.vm:vm1", "Initiator: me"}, []string{"tcp-sessions", "tgt-target"}, []string{nexus}},
		{"a made-up SCSI ID", change{"tgt-target", "SCSI ID: 60000000000000000000000000000101", "SCSI ID: IET     00010001"}, nil, []string{unit, export}},
		{"two disks of one SCSI ID", change{"tgt-target", "SCSI ID: 60000000000000000000000000000104", "SCSI ID: 60000000000000000000000000000101"}, nil, []string{unit, export}},
		{"no targets", change{"tgt-target", "", ""}, nil, []string{target, admits, unit, export, nexus}},
		{"cut off in a line", change{"tgt-target", "", "Target 1: iqn.2026-01.test.array1:vm1\n    System inf"}, []string{"tcp-sessions", "tgt-target"}, []string{target, admits, unit, export, nexus}},
		{"cut off between lines", change{"tgt-target", "", "Target 1: iqn.2026-01.test.array1:vm1\n    System information:\n"}, []string{"tcp-sessions", "tgt-target"}, []string{target, admits, unit, export, nexus}},
		{"no portals", change{"tgt-portal", "", ""}, []string{"tcp-sessions", "tgt-portal", "tgt-target"}, []string{target, admits, unit, export, nexus}},
		{"a portal that is none", change{"tgt-portal", "Portal: 10.1.31.50:3260,1", "Portal: storage-b"}, []string{"tcp-sessions", "tgt-portal", "tgt-target"}, nil},
		{"one that is at both portals", change{"tcp-sessions", "10.1.31.50:3260  10.1.31.11", "10.1.31.50:3260  10.1.30.11"}, nil, []string{nexus}},
		{"more connections than sessions", change{"tcp-sessions", "", "0 0 10.1.30.50:3260 10.1.30.11:1\n0 0 10.1.30.50:3260 10.1.30.11:2\n"}, nil, []string{nexus}},
		{"connections in unknown words", change{"tcp-sessions", "", "ss: who knows\n"}, []string{"tcp-sessions"}, []string{nexus}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			facts, partial := read(t, c.change)
			for _, f := range []string{target, admits, unit, export, nexus} {
				if slices.Contains(facts, f) == slices.Contains(c.gone, f) {
					t.Errorf("%s: stated %t", f, slices.Contains(facts, f))
				}
			}
			for _, name := range san.Answers() {
				if _, is := partial[name]; is != slices.Contains(c.partial, name) {
					t.Errorf("%s: partial %t (%q)", name, is, partial[name])
				}
			}
		})
	}
}

// A unit of which a line is missing is not left out: what is known of it is stated, and the reading is partial and says what is missing.
func TestTargets_linesThatAreMissing(t *testing.T) {
	t.Parallel()
	const unit, mapping = "logicalunit:naa.60000000000000000000000000000101", "mapping:@array1/iqn.2026-01.test.array1:vm1/1"
	first := func(line string) change { // of the first disk: what comes before it tells it from the controller
		return change{"tgt-target", "60000000000000000000000000000101\n            SCSI SN: TL0001-1\n            Size: 67 MB, Block size: 512\n            Online: Yes\n", line}
	}
	const rest = "60000000000000000000000000000101\n            SCSI SN: TL0001-1\n            Size: 67 MB, Block size: 512\n"
	for _, c := range []struct {
		name         string
		change       change
		reason       string
		stated, gone []string
	}{
		{
			"whether it is online", first(rest), "no Online that is understood",
			[]string{unit + " state=unknown", unit + " serial=TL0001-1", mapping + " MapsUnit " + unit},
			[]string{unit + " state=online"},
		},
		{
			"whether it is online, in other words", first(rest + "            Online: Maybe\n"), "neither Yes nor No",
			[]string{unit + " state=unknown"},
			[]string{unit + " state=online"},
		},
		{
			"its ID",
			change{"tgt-target", "            SCSI ID: 60000000000000000000000000000101\n", ""},
			"no SCSI ID that is understood",
			[]string{mapping + " lun=1", mapping + " initiatorAddress=10.1.30.0/24"},
			[]string{unit + " state=online", mapping + " MapsUnit " + unit},
		},
		{
			"whether it may be written", change{"tgt-target", "            Readonly: No\n", ""}, "no Readonly that is understood", // of the controller
			[]string{unit + " readOnly=false"}, nil,
		},
		{
			"what it is",
			change{"tgt-target", "            Type: disk\n", ""},
			"no Type that is understood",
			nil,
			[]string{unit + " state=online"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			facts, partial := read(t, c.change)
			if !strings.Contains(partial["tgt-target"], c.reason) {
				t.Errorf("partial because %q, want %q", partial["tgt-target"], c.reason)
			}
			for _, f := range c.stated {
				if !slices.Contains(facts, f) {
					t.Errorf("not stated: %s", f)
				}
			}
			for _, f := range c.gone {
				if slices.Contains(facts, f) {
					t.Errorf("stated: %s", f)
				}
			}
		})
	}
}

// Names that differ in upper and lower case alone are one initiator, and both spellings are kept: tgtd tells them apart.
func TestTargets_upperCase(t *testing.T) {
	t.Parallel()
	facts, partial := read(t, change{"tgt-target", "        iqn.2026-01.test.vm:vm2\n", "        iqn.2026-01.test.vm:VM2\n"})
	for _, f := range []string{
		"mapping:@array1/iqn.2026-01.test.array1:vm2/1 MapsInitiator initiatorport:iqn.2026-01.test.vm:vm2",
		"mapping:@array1/iqn.2026-01.test.array1:vm2/1 initiatorName=iqn.2026-01.test.vm:VM2",
		"initiatorport:iqn.2026-01.test.vm:vm2 iqn=iqn.2026-01.test.vm:vm2",
	} {
		if !slices.Contains(facts, f) {
			t.Errorf("not stated: %s", f)
		}
	}
	if len(partial) > 0 {
		t.Errorf("partial: %v", partial)
	}
}

// A portal at every address is one at each of the array's, and needs the list of these.
func TestPortals_atEveryAddress(t *testing.T) {
	t.Parallel()
	everywhere := change{"tgt-portal", "", "Portal: 0.0.0.0:3260,1\nPortal: [::]:3260,1\n"}
	facts, partial := read(t, everywhere)
	for _, end := range []string{"10.1.30.50", "10.1.31.50", "10.99.0.41"} {
		if want := "array:@array1 Contains targetport:iqn.2026-01.test.array1:vm1," + end + ":3260"; !slices.Contains(facts, want) {
			t.Errorf("%s is not stated: %q", want, facts)
		}
	}
	if strings.Contains(strings.Join(facts, "\n"), ",127.0.0.1:") || len(partial) > 0 {
		t.Errorf("a portal on loopback, or partial: %v", partial)
	}
	facts, partial = read(t, everywhere, change{"ip-address", "", ""})
	if len(partial) != 3 || strings.Contains(strings.Join(facts, "\n"), "targetport") {
		t.Errorf("without addresses: partial %v, %q", partial, facts)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("testdata", "tgt-target.txt"))
	if err != nil {
		t.Fatal(err)
	}
	obs, unparsed, err := san.Parse("tgt-target", raw)
	if err != nil || len(unparsed) > 0 || len(obs) != 1 || !obs[0].Reading.Partial || obs[0].Reading.Rows != 21 || len(obs[0].Facts) == 0 {
		t.Errorf("%v, not understood %v, error %v", obs, unparsed, err)
	}
	if _, _, err := san.Parse("tgt-target", []byte("tgtadm: invalid request\n")); !errors.Is(err, collectors.ErrMalformed) {
		t.Errorf("error %v", err)
	}
	if _, _, err := san.Parse("lio", nil); !errors.Is(err, topology.ErrSyntax) {
		t.Errorf("error %v", err)
	}
}

// FuzzParse feeds every parser anything: every fact is allowed by the model, an error says that the answer is malformed, and no parser panics.
func FuzzParse(f *testing.F) {
	for i, c := range san.Commands() {
		raw, err := os.ReadFile(filepath.Join("testdata", c.Name+".txt"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, raw)
	}
	f.Add(0, []byte("Portal: [::1]:3260,1\nPortal: 0.0.0.0:3260,1\n"))
	f.Add(3, []byte("0 0 [::ffff:192.0.2.1]:3260 192.0.2.2%eth0:1\n"))
	f.Fuzz(func(t *testing.T, i int, raw []byte) {
		names := san.Answers()
		observations, _, err := san.Parse(names[((i%len(names))+len(names))%len(names)], raw)
		if err != nil && !errors.Is(err, collectors.ErrMalformed) {
			t.Errorf("error %v is not %v", err, collectors.ErrMalformed)
		}
		for _, o := range observations {
			for _, fact := range o.Facts {
				if err := fact.Check(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
