package collectors_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

const canary = "c4nary&\"7/ü" // has octets that quoting and URLs escape

// holder keeps a secret where printers cannot call its methods.
type holder struct {
	Shown  collectors.Secret
	hidden collectors.Secret
	nested []map[string]collectors.Secret
}

func TestSecret_showsNowhere(t *testing.T) {
	t.Parallel()
	s := collectors.NewSecret(canary)
	h := holder{s, s, []map[string]collectors.Secret{{"k": s}}}
	d := collectors.Device{Handle: "leaf1", Source: topology.SourceSNMP, Access: collectors.SNMPAccess{Community: s, AuthKey: s, PrivKey: s}}
	var out bytes.Buffer
	for _, v := range []any{s, &s, h, &h, d, []any{s}, map[string]any{"s": s}, errors.Join(fmt.Errorf("bad: %v", s))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10s", "%p", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("msg", "value", v)
		}
		text, err := json.Marshal(v)
		fmt.Fprintf(&out, "%s %v\n", text, err)
		text, err = yaml.Marshal(v)
		fmt.Fprintf(&out, "%s %v\n", text, err)
		text, err = xml.Marshal(v)
		fmt.Fprintf(&out, "%s %v\n", text, err)
		fmt.Fprintln(&out, gob.NewEncoder(&out).Encode(v))
	}
	fmt.Fprintln(&out, cmp.Diff(s, collectors.NewSecret("other")), cmp.Diff(d, collectors.Device{}))
	func() {
		defer func() { fmt.Fprintln(&out, recover()) }()
		panic(fmt.Sprint(h))
	}()
	for _, form := range []string{canary, "c4nary", "63346e617279", "YzRuYXJ5"} {
		if i := strings.Index(out.String(), form); i >= 0 {
			t.Errorf("%q shows in %q", form, out.String()[max(0, i-60):i+20])
		}
	}
	if s.Reveal() != canary || h.hidden.Reveal() != canary || h.nested[0]["k"].Reveal() != canary {
		t.Error("the secret is lost")
	}
}

func TestSecret_values(t *testing.T) {
	t.Parallel()
	var none collectors.Secret
	a, b := collectors.NewSecret("a"), collectors.NewSecret("b")
	if !none.IsZero() || !collectors.NewSecret("").IsZero() || a.IsZero() {
		t.Error("IsZero")
	}
	if !a.Equal(collectors.NewSecret("a")) || a.Equal(b) || a.Equal(none) || !none.Equal(collectors.NewSecret("")) {
		t.Error("Equal")
	}
	if got := fmt.Sprint(none, a); got != "[none] [redacted]" {
		t.Errorf("got %s", got)
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	long, short := collectors.NewSecret("hunter22"), collectors.NewSecret("hunter2")
	odd := collectors.NewSecret(canary)
	tests := map[string]struct {
		text    string
		secrets []collectors.Secret
		want    string
	}{
		"none":            {"all is well", []collectors.Secret{{}, long}, "all is well"},
		"plain":           {"wrong: hunter22!", []collectors.Secret{long}, "wrong: [redacted]!"},
		"one in the next": {"hunter22 hunter2", []collectors.Secret{short, long}, "[redacted] [redacted]"},
		"quoted":          {fmt.Sprintf("bad %q", canary), []collectors.Secret{odd}, `bad "[redacted]"`},
		"in a URL": {
			(&url.URL{Scheme: "qemu", Host: "h", RawQuery: url.Values{"p": {canary}}.Encode()}).String(),
			[]collectors.Secret{odd},
			"qemu://h?p=[redacted]",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := collectors.Redact(tt.text, tt.secrets...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRedact_leavesNothingOver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringN(4, 12, -1)
		secrets := rapid.SliceOfN(word, 1, 3).Draw(t, "secrets")
		var text strings.Builder
		var wrapped []collectors.Secret
		for _, s := range secrets {
			text.WriteString(rapid.StringMatching(`[a-z :]{0,10}`).Draw(t, "between") + s)
			wrapped = append(wrapped, collectors.NewSecret(s))
		}
		got := strings.ReplaceAll(collectors.Redact(text.String(), wrapped...), "[redacted]", "\x00")
		for _, s := range secrets {
			if strings.Contains(got, s) && !strings.Contains(s, "\x00") {
				t.Fatalf("%q shows in %q", s, got)
			}
		}
	})
}

// Whatever a collector does wrong, its device's secrets stay where they are.
func TestSweep_keepsSecrets(t *testing.T) {
	t.Parallel()
	leak := func(d collectors.Device) string {
		access, _ := d.Access.(collectors.SNMPAccess)
		return access.Community.Reveal()
	}
	tests := map[string]collect{
		"error": func(_ context.Context, d collectors.Device) ([]topology.Observation, error) {
			return nil, fmt.Errorf("%w: community %q\nand %s", collectors.ErrDenied, leak(d), leak(d))
		},
		"panic": func(_ context.Context, d collectors.Device) ([]topology.Observation, error) { panic("with " + leak(d)) },
		"reading": func(_ context.Context, d collectors.Device) ([]topology.Observation, error) {
			o := table(d, "ifTable", true)
			o.Reading.Reason, o.Reading.Command = "no: "+leak(d), "snmpget -c "+leak(d)
			return []topology.Observation{o}, nil
		},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			d := devices(1)[0]
			d.Access = collectors.SNMPAccess{Community: collectors.NewSecret(canary)}
			r := runner(c, collectors.Options{
				Log: slog.New(slog.NewJSONHandler(&out, nil)), Progress: collectors.NewProgress(&out, 1, 0),
			})
			o := sweep(t.Context(), r, []collectors.Device{d})[d.Handle]
			fmt.Fprintf(&out, "%s\n%+v\n%#v\n", o, o, o)
			if o.Status == collectors.StatusOK {
				t.Errorf("got %s", o)
			}
			if strings.Contains(out.String(), "c4nary") {
				t.Errorf("shows in %s", &out)
			}
			if !strings.Contains(out.String(), "[redacted]") {
				t.Errorf("nothing was redacted in %s", &out)
			}
		})
	}
}
