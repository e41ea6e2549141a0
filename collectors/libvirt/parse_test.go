package libvirt_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/topology"
)

// text shows what Parse gave, one thing a line.
func text(observations []topology.Observation, unparsed []collectors.Unparsed, err error) string {
	var b strings.Builder
	for _, o := range observations {
		fmt.Fprintf(&b, "%s rows=%d", o.Reading.Table, o.Reading.Rows)
		if o.Reading.Partial {
			b.WriteString(" partial")
		}
		b.WriteByte('\n')
		for _, f := range o.Facts {
			fmt.Fprintf(&b, "  %s", oneLine(f.String()))
			if f.Confidence != 0 && f.Confidence != 100 {
				fmt.Fprintf(&b, " (%d)", f.Confidence)
			}
			b.WriteByte('\n')
		}
	}
	for _, u := range unparsed {
		fmt.Fprintf(&b, "not understood: %s: %s: %s\n", u.Where, oneLine(u.Text), u.Why)
	}
	if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	return b.String()
}

func oneLine(text string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(text)
}

// golden compares with a file, which UPDATE_GOLDEN=1 rewrites.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (UPDATE_GOLDEN=1 writes it)", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s: -want +got\n%s", file, diff)
	}
}

func TestParse_golden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/parse/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			observations, unparsed, err := libvirt.Parse("auto", raw)
			checkFacts(t, observations)
			golden(t, strings.TrimSuffix(file, ".xml")+".golden", text(observations, unparsed, err))
		})
	}
}

// checkFacts holds facts to the model.
func checkFacts(tb testing.TB, observations []topology.Observation) {
	tb.Helper()
	for _, o := range observations {
		for _, f := range o.Facts {
			if err := f.Check(); err != nil {
				tb.Errorf("%s: %v", o.Reading.Table, err)
			}
		}
	}
}

// domain wraps XML into a domain that is right otherwise; the first line of inside is line 4.
func domain(inside string) string {
	return "<domain type='kvm'>\n<name>x</name>\n<uuid>3f7d2a10-0000-4000-8000-000000000099</uuid>\n" + inside + "\n</domain>"
}

func devices(inside string) string { return domain("<devices>" + inside + "</devices>") }

func TestParse_refuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, xml string
		says      []string // in the error
	}{
		{"negative number", devices("\n<interface type='user'>\n<driver queues='-5'/></interface>"), []string{"line 6", "<driver>", "queues", `"-5"`}},
		{"number that is none", devices("<disk><target dev='vda'/><boot order='first'/></disk>"), []string{"line 4", "<boot>", "order", "first"}},
		{"number too large", domain("<vcpu>99999999999999999999</vcpu>"), []string{"line 4", "<vcpu>"}},
		{"size too large", domain("<memory unit='EiB'>9</memory>"), []string{"<memory>", "too large"}},
		{"unit", domain("<memory unit='parsec'>9</memory>"), []string{"<memory>", "unit", "parsec"}},
		{"empty number", domain("<vcpu/>"), []string{"<vcpu>"}},
		{"UUID", strings.Replace(domain(""), "3f7d", "zzzz", 1), []string{"line 3", "<uuid>", "not a UUID"}},
		{"MAC", devices("<interface type='user'><mac address='02:00'/></interface>"), []string{"<mac>", "address", "02:00"}},
		{"WWPN", "<pool type='scsi'><name>p</name><source><adapter type='fc_host' wwpn='1234'/></source></pool>", []string{"<adapter>", "wwpn", "1234"}},
		{"netmask", "<network><name>n</name><bridge name='b'/><ip address='192.0.2.1' netmask='255.0.255.0'/></network>", []string{"<ip>", "netmask"}},
		{"prefix", "<network><name>n</name><bridge name='b'/><ip address='192.0.2.1' prefix='33'/></network>", []string{"<ip>", "prefix", "33"}},
		{"address", "<network><name>n</name><bridge name='b'/><ip address='192.0.2.256' prefix='24'/></network>", []string{"<ip>", "address"}},
		{"network without a name", "<network/>", []string{"<network>", "without a name"}},
		{"truncated", "<domain>\n<name>x</name>\n<uu", []string{"line 3", "EOF"}},
		{"truncated after an element", "<domain>\n<name>x</name>\n", []string{"line 3", "EOF"}},
		{"crossed", "<a>\n<b></a></b>", []string{"line 2"}},
		{"empty", "", []string{"no XML"}},
		{"text", "no domain", []string{"text outside"}},
		{"text between", "<cpu/>and<cpu/>", []string{"text outside"}},
		{"other document", "<html/>", []string{"<html>", "no document of libvirt"}},
		{"external entity", "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n<domain><name>&x;</name></domain>", []string{"line 1", "document type"}},
		{"entity that is not known", "<domain><name>&x;</name></domain>", []string{"line 1", "entity"}},
		{"control character", "<domain><name>\x01</name></domain>", []string{"line 1", "illegal character"}},
		{"other encoding", "<?xml version='1.0' encoding='EBCDIC'?><domain/>", []string{"EBCDIC"}},
		{"too deep", strings.Repeat("<a>", 300) + strings.Repeat("</a>", 300), []string{"nest deeper"}},
		{"too many", "<domain>" + strings.Repeat("<a/>", 1<<20) + "</domain>", []string{"more than 1048576 elements"}},
		{"too large", "<domain>" + strings.Repeat(" ", 33<<20) + "</domain>", []string{"octets"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			observations, _, err := libvirt.Parse("auto", []byte(tt.xml))
			if !errors.Is(err, collectors.ErrMalformed) {
				t.Fatalf("error %v, want %v in it", err, collectors.ErrMalformed)
			}
			for _, part := range tt.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			for _, o := range observations {
				if len(o.Facts) > 0 || !o.Reading.Partial {
					t.Errorf("%s: partial is %t, %d facts of a document that was refused", o.Reading.Table, o.Reading.Partial, len(o.Facts))
				}
			}
		})
	}
}

func TestParse_expectedRoot(t *testing.T) {
	t.Parallel()
	if _, _, err := libvirt.Parse("domain", []byte(domain(""))); err != nil {
		t.Errorf("a domain where one is expected: %v", err)
	}
	_, _, err := libvirt.Parse("network", []byte(domain("")))
	if !errors.Is(err, collectors.ErrMalformed) || !strings.Contains(err.Error(), "<domain> where <network>") {
		t.Errorf("a domain where a network is expected: %v", err)
	}
}

// TestParse_units holds the scaled integers of libvirt against a table of their own.
func TestParse_units(t *testing.T) {
	t.Parallel()
	for unit, bytes := range map[string]int64{
		"": 1 << 10, "b": 1, "bytes": 1, "byte": 1, "KB": 1e3, "k": 1 << 10, "KiB": 1 << 10, "MB": 1e6, "M": 1 << 20, "MiB": 1 << 20,
		"GB": 1e9, "G": 1 << 30, "gib": 1 << 30, "TB": 1e12, "T": 1 << 40, "TiB": 1 << 40, "PB": 1e15, "PiB": 1 << 50, "EB": 1e18, "E": 1 << 60,
	} {
		attr := ""
		if unit != "" {
			attr = " unit='" + unit + "'"
		}
		observations, _, err := libvirt.Parse("domain", []byte(domain("<memory"+attr+">3</memory>")))
		if err != nil {
			t.Errorf("unit %q: %v", unit, err)
			continue
		}
		if got := attribute(observations, topology.AttrMemoryBytes); len(got) != 1 || got[0].Int() != 3*bytes {
			t.Errorf("3 %q are %v, want %d", unit, got, 3*bytes)
		}
	}
}

// attribute lists the values of an attribute, of whatever node.
func attribute(observations []topology.Observation, a topology.Attr) []topology.Value {
	var values []topology.Value
	for _, o := range observations {
		for _, f := range o.Facts {
			if f.Rel == 0 && f.Attr == a {
				values = append(values, f.Value)
			}
		}
	}
	return values
}

// TestParse_order: what is said does not depend on the order of elements.
func TestParse_order(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/parse/devices.xml")
	if err != nil {
		t.Fatal(err)
	}
	documents := bytes.SplitAfter(raw, []byte("</device>"))
	var turned []byte
	for _, document := range slices.Backward(documents) {
		turned = append(turned, document...)
	}
	a, _, err := libvirt.Parse("device", raw)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := libvirt.Parse("device", turned)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text(a, nil, nil), text(b, nil, nil)); diff != "" {
		t.Errorf("-as written +turned around\n%s", diff)
	}
}

func BenchmarkParse_domain(b *testing.B) {
	raw, err := os.ReadFile("testdata/hv1/domains/web1.xml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := libvirt.Parse("domain", raw); err != nil {
			b.Fatal(err)
		}
	}
}
