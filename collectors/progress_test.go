package collectors_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

func outcome(handle string, status collectors.Status, class collectors.Class, reason string) collectors.Outcome {
	return collectors.Outcome{
		Device: collectors.Device{Handle: handle, Source: topology.SourceSNMP},
		Status: status, Class: class, Reason: reason, Took: 1500 * time.Millisecond,
	}
}

func TestProgress_lineForEachDevice(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := collectors.NewProgress(&out, 3, 0)
	ok := outcome("leaf1", collectors.StatusOK, collectors.ClassNone, "")
	ok.Observations = []topology.Observation{table(ok.Device, "system", false, named(ok.Device)), table(ok.Device, "ifTable", false)}
	half := outcome("leaf2", collectors.StatusPartial, collectors.ClassIncomplete, "ifTable: genErr")
	half.Observations = []topology.Observation{table(half.Device, "system", false, named(half.Device)), table(half.Device, "ifTable", true)}
	for _, o := range []collectors.Outcome{ok, half, outcome("leaf3", collectors.StatusFailed, collectors.ClassDenied, "denied: \x1b[31mred\r\nred")} {
		p.Begin(o.Device)
		p.End(o)
	}
	p.Close()
	want := `leaf1 snmp: ok, 2 tables, 1 facts, 1.5s
leaf2 snmp: partial, 1 of 2 tables, 1 facts, 1.5s: ifTable: genErr
leaf3 snmp: failed, 1.5s: denied: \x1b[31mred\r\nred
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

func TestProgress_bar(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		const total = 1000
		p := collectors.NewProgress(&out, total, 72)
		for i := range total {
			o := outcome(fmt.Sprintf("leaf%d", i), collectors.StatusOK, collectors.ClassNone, "")
			if i%10 == 7 {
				o.Status, o.Class, o.Reason = collectors.StatusFailed, collectors.ClassUnreachable, "unreachable: no answer"
			}
			p.Begin(o.Device)
			pass(time.Millisecond)
			p.End(o)
		}
		p.Close()
		screen := screen(out.String())
		if got, want := screen[0], "leaf7 snmp: failed, 1.5s: unreachable: no answer"; got != want {
			t.Errorf("first line %q, want %q", got, want)
		}
		if got, want := screen[50], "further devices that are not ok are only counted"; got != want {
			t.Errorf("line after 50 devices %q, want %q", got, want)
		}
		want := "████████████████████████ 1000 of 1000 readings: 900 ok, 100 failed (100 …"
		if got := screen[51]; got[:len(want)-10] != want[:len(want)-10] || len([]rune(got)) > 71 || len(screen) != 53 || screen[52] != "" {
			t.Errorf("last line %q of %d, want %q", got, len(screen), want)
		}
		if n := strings.Count(out.String(), "█ "); n > 100 {
			t.Errorf("%d drawings in a second", n)
		}
	})
}

func TestProgress_withoutEnd(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := collectors.NewProgress(&out, 0, 80)
	p.End(outcome("leaf1", collectors.StatusOK, collectors.ClassNone, ""))
	p.Begin(outcome("leaf2", collectors.StatusOK, collectors.ClassNone, "").Device)
	p.Close()
	if got := screen(out.String())[0]; got != "1 readings: 1 ok · leaf2" {
		t.Errorf("got %q", got)
	}
}

// screen gives the lines that a terminal shows: what a carriage return and "erase line" left over.
func screen(out string) []string {
	lines := strings.Split(out, "\n")
	for i, l := range lines {
		parts := strings.Split(l, "\r\x1b[K")
		lines[i] = parts[len(parts)-1]
	}
	return lines
}

func TestProgress_none(t *testing.T) {
	t.Parallel()
	var p *collectors.Progress
	p.Begin(collectors.Device{})
	p.End(collectors.Outcome{})
	p.Close()
}

func TestSummary(t *testing.T) {
	t.Parallel()
	var s collectors.Summary
	if got := s.String(); got != "0 readings" {
		t.Errorf("got %q", got)
	}
	for _, o := range []collectors.Outcome{
		outcome("a", collectors.StatusOK, collectors.ClassNone, ""), outcome("b", collectors.StatusFailed, collectors.ClassDenied, "x"),
		outcome("c", collectors.StatusStopped, collectors.ClassStopped, "x"), outcome("d", collectors.StatusSkipped, collectors.ClassBackoff, "x"),
		outcome("e", collectors.StatusPartial, collectors.ClassTimeout, "x"),
	} {
		s.Add(o)
	}
	want := "5 readings: 1 ok, 1 partial, 1 failed, 1 skipped, 1 stopped (1 denied, 1 timeout, 1 backing off)"
	if got := s.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
