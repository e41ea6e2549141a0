package report_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/topologytest"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// hostile is what a device may say of itself: it must stay text in every form.
const hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> [a](javascript:alert(1)) `b` **c** | d\n# e\u202egnp.\x1b[31m &lt; http://evil.example www.evil.example <!-- --> ```"

func object(kind topology.Kind, name string) report.Object {
	return report.Object{Key: topology.Key{Kind: kind, ID: name}, Name: name, Title: kind.String() + " " + name}
}

// blocked is an answer with something in each of its parts.
func blocked(name string) *report.Check {
	from := object(topology.Host, "h1")
	evidence := []report.Evidence{{Device: "leaf1", Source: "snmp", Table: "dot1qVlanStaticTable", Time: noon, Age: "12s"}, {Device: name, Source: "libvirt", Table: "domains", Time: noon, Age: "3h", Stale: true}}
	override := report.Override{Check: "CAP-1", VM: "web-07", Name: name, Reason: "web-03 is shut down tonight", Expires: noon.Add(time.Hour)}
	expired := override
	expired.Expired, expired.Expires = true, noon
	vlan := report.Act{Text: "tag VLAN 120 on leaf2 Ethernet4", Changes: []string{"~ port:leaf2/Ethernet4 taggedVLANs 110 -> 110,120"}, Inverse: []string{"~ port:leaf2/Ethernet4 taggedVLANs 110,120 -> 110"}}
	line := report.Line{Number: 1, Indent: "  ", Title: "vnic web-07 vnet0", Text: "VLAN 120 tagged, " + name, Evidence: "[h1 libvirt domains, 12s]"}
	return &report.Check{
		Verdict: planner.Block, VM: object(topology.VM, "web-07"), From: &from, To: object(topology.Host, "h2"), Revision: 7, Collected: noon, Time: noon.Add(12 * time.Second),
		Policy: &report.PolicyFile{File: "policy.yaml", Digest: "sha256:00ff"},
		Findings: []report.Finding{
			{
				Code: "NET-2", Verdict: planner.Block, Found: planner.Block, Asks: "Is the VLAN forwarded on the ports?", Text: "VLAN 120 is not carried on leaf2 " + name, Objects: []report.Object{object(topology.Port, name)},
				Evidence: evidence, Fixes: []report.Act{vlan}, Mends: "tag the VLAN",
			},
			{Code: "VM-1", Verdict: planner.Unknown, Found: planner.Unknown, Asks: "Does the VM run?", Text: "no source says the state of " + name, Needs: "state of the VM (libvirt)"},
			{Code: "CAP-1", Verdict: planner.Warn, Found: planner.Block, Asks: "Has the target memory for the VM?", Text: "web-07 needs 16.0 GiB", Override: &override, Mends: "move another VM away"},
			{Code: "HOST-1", Asks: "Is the target another host?", Text: "web-07 runs on h1", Evidence: evidence},
			{Code: "HOST-3", Asks: "Does the target take VMs?", Text: "no cordon names h2", NotApplicable: true},
		},
		NotChecked: []report.Skipped{
			{Code: "NET-11", Asks: "Is there room?", When: "disabled", Why: "nobody reads counters " + name},
			{Code: "VM-9", Asks: "Is the guest in order?", When: "at the run", Why: "only the guest knows"},
			{Code: "VM-10", Asks: "Is it a replica?", When: "not applicable", Why: "replication is another's"},
		},
		Overrides: []report.Override{override, expired},
		Mending: &report.Mending{
			Proven: true, More: true, Left: []report.Finding{{Code: "VM-1", Verdict: planner.Unknown}},
			Remedies: []report.Remedy{
				{Verdict: planner.Unknown, Acts: []report.Act{vlan, {Text: "show unit 4 to h2 " + name, Changes: []string{"+ mapping:m MapsInitiator initiatorport:" + name}, Inverse: []string{"- mapping:m MapsInitiator initiatorport:i"}}}},
				{
					Verdict: planner.Warn, Acts: []report.Act{vlan}, Last: "it opens more than it mends",
					Opens: []report.Finding{{Code: "NET-9", Verdict: planner.Warn, Text: "web-09 reaches " + name}},
				},
			},
		},
		Before: []report.Rail{{Name: "network", From: "vnic web-07 vnet0", Title: "Network rail of vnic web-07 vnet0: 2 paths, 2 independent", Lines: []report.Line{
			line,
			{Number: 2, Indent: "  ├ ", Title: "port leaf1 Ethernet1"},
			{Number: 3, Indent: "  │ ", Title: "port spine Ethernet9"},
			{Number: 4, Indent: "  └ ", Title: "port leaf3 Ethernet1"},
			{Indent: "    ", Title: "port spine Ethernet9", See: 3},
		}}},
		After: []report.Rail{
			{Name: "network", From: "vnic web-07 vnet0", Title: "Network rail of vnic web-07 vnet0: 1 BROKEN", Lines: []report.Line{
				line,
				{Number: 2, Indent: "  ", Title: "port leaf2 Ethernet4", Text: "up", Evidence: "[leaf2 snmp ifTable, 3h, STALE]", Stale: true},
				{Indent: "  ", Text: "VLAN 120 is not carried on " + name, Mark: "X"},
				{Indent: "  ", Text: "nobody says what is behind", Mark: "?"},
			}},
			{Name: "storage", From: "vdisk web-07 vda", Title: "Storage rail of vdisk web-07 vda: no complete path is known"},
		},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (UPDATE_GOLDEN=1 writes it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: -want +got\n%s", file, diff)
	}
}

func html(t *testing.T, c *report.Check) string {
	t.Helper()
	page, err := c.HTML()
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

func TestCheck_pages(t *testing.T) {
	t.Parallel()
	golden(t, "blocked.html", []byte(html(t, blocked("Gi1/0/4"))))
	golden(t, "blocked.md", blocked("Gi1/0/4").Markdown())
	golden(t, "hostile.md", blocked(hostile).Markdown())
	empty := &report.Check{VM: object(topology.VM, "v"), To: object(topology.Host, "h")}
	golden(t, "empty.md", empty.Markdown())
	if page := html(t, empty); !strings.Contains(page, "Every check was made") || !strings.Contains(page, "nobody says where") {
		t.Error(page)
	}
}

// TestCheck_hostile: what devices say adds no element, attribute, script or link to the page, which refers to nothing outside.
func TestCheck_hostile(t *testing.T) {
	t.Parallel()
	tame, wild := html(t, blocked("x")), html(t, blocked(hostile))
	tags := regexp.MustCompile(`<[^>]*>`)
	if diff := cmp.Diff(tags.FindAllString(tame, -1), tags.FindAllString(wild, -1)); diff != "" {
		t.Errorf("elements differ: -tame +wild\n%s", diff)
	}
	for _, no := range []string{"<script", "<img", "<link", "<a ", " src=", " href=", "url(", "@import", "\u202e", "\x1b"} {
		if strings.Contains(strings.ReplaceAll(wild, "&lt;img src=x", ""), no) {
			t.Errorf("the page holds %q", no)
		}
	}
	text := string(blocked(hostile).Markdown())
	fenced, escapes := false, regexp.MustCompile("\\\\.|`[^`]+`$|```` .* ````$")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		for _, no := range []string{"<", "[", "http:", "www.", "`", "*c", "| d", "\u202e", "\x1b"} {
			if !fenced && strings.Contains(escapes.ReplaceAllString(strings.TrimSpace(line), ""), no) {
				t.Errorf("%q is not escaped in %q", no, line)
			}
		}
	}
	if fenced {
		t.Error("a block of code does not end")
	}
}

// TestOf words a plan: the worst first, each with its check's question, and what was not asked with its reason.
func TestOf(t *testing.T) {
	t.Parallel()
	d := topology.Delta{Time: noon}
	reading := topology.Reading{ReadingKey: topology.ReadingKey{Device: "h1", Source: topology.SourceLibvirt, Table: "domains"}, Time: noon, Command: "virsh"}
	d.Renew = append(d.Renew, reading)
	for _, text := range []string{"host:a name=h1", "host:b name=h2", "vm:v name=web-07", "vm:v RunsOn host:a", "vm:v state=running", "host:b arch=aarch64", "vm:v arch=x86_64"} {
		f, err := topologytest.Fact(text)
		if err != nil {
			t.Fatal(err)
		}
		f.Reading, f.Since = reading.ReadingKey, noon
		d.Add = append(d.Add, f)
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	policy := planner.Policy{
		Disabled:  []planner.Disabled{{Check: "HOST-5", Reason: "all: alike"}},
		Overrides: []planner.Override{{Check: "CPU-1", VM: "web-07", Name: "me", Reason: "emulated", Expires: noon.Add(time.Hour)}, {Check: "VM-1", VM: "other", Name: "me", Reason: "x", Expires: noon}},
	}
	plan, err := planner.New(s, policy, noon.Add(12*time.Second)).Migrate(t.Context(), topology.Key{Kind: topology.VM, ID: "v"}, topology.Key{Kind: topology.Host, ID: "b"})
	if err != nil {
		t.Fatal(err)
	}
	c := report.Of(plan, s, &policy)
	if c.Headline() != strings.ToUpper(plan.Verdict.String())+": web-07 from h1 to h2" || len(c.Overrides) != 1 {
		t.Errorf("%s, %v", c.Headline(), c.Overrides)
	}
	last := planner.Block
	for _, f := range c.Findings {
		if f.Verdict > last || f.Asks == "" {
			t.Errorf("%+v", f)
		}
		last = f.Verdict
		if f.Code == "CPU-1" && (f.Found != planner.Block || f.Verdict != planner.Warn || f.Override == nil || f.Evidence[0].String() != "[h1 libvirt domains, 12s]") {
			t.Errorf("%+v", f)
		}
	}
	for _, k := range c.NotChecked {
		if k.Code == "HOST-5" && (k.When != "disabled" || k.Why != "all: alike") || k.Why == "" || k.When == "before" {
			t.Errorf("%+v", k)
		}
	}
	if len(c.Open())+len(c.Passes()) != len(plan.Findings) || len(c.Passed()) == 0 || len(c.Unchecked()) == 0 {
		t.Error("findings are lost")
	}
}
