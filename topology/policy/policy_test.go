package policy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology/policy"
)

func anyRange(bits int) *rapid.Generator[policy.Range] {
	return rapid.Custom(func(t *rapid.T) policy.Range {
		word := func() policy.Word {
			w := policy.Word{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}
			if bits <= 64 {
				w = policy.Num(w.Lo & (1<<bits - 1))
			}
			return w
		}
		a, b := word(), word()
		switch rapid.IntRange(0, 2).Draw(t, "form") {
		case 0:
			if b != (policy.Word{}) {
				return policy.Range{Lo: a, Mask: b}
			}
		case 1:
			return policy.Range{Lo: a, Hi: a}
		}
		if b.Less(a) {
			a, b = b, a
		}
		return policy.Range{Lo: a, Hi: b}
	})
}

func TestFilter_encode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		term := func() policy.Term {
			switch rapid.IntRange(0, 4).Draw(t, "field") {
			case 0:
				return policy.Term{Field: policy.Source, Family: policy.IPv4, Of: rapid.SliceOfN(anyRange(32), 1, 3).Draw(t, "of")}
			case 1:
				return policy.Term{Field: policy.Destination, Family: policy.IPv6, Not: true, Of: rapid.SliceOfN(anyRange(128), 1, 3).Draw(t, "of")}
			case 2:
				return policy.Term{Field: policy.SourceMAC, Of: rapid.SliceOfN(anyRange(48), 1, 3).Draw(t, "of")}
			case 3:
				return policy.Term{Field: policy.InInterface, Names: []string{"eth*", "br-1"}}
			}
			return policy.Term{Field: policy.TCPFlags, Of: rapid.SliceOfN(anyRange(8), 1, 3).Draw(t, "of")}
		}
		f := &policy.Filter{
			Name: "FORWARD", Dialect: "iptables-save", Family: policy.IPv4, Default: policy.Deny,
			Attached: []policy.Attachment{{Hook: policy.HookForward, Priority: -150, Place: policy.Place{File: "rules", Line: 3}}},
			Rules: []policy.Rule{
				{Match: []policy.Term{term(), term()}, Verdict: policy.Permit, Text: "-A FORWARD", Uncertain: "limit", Place: policy.Place{Line: 7}, Remark: "web"},
				{Match: []policy.Term{term()}, Verdict: policy.Jump, Target: "user", Text: "-j user"},
				{Unparsed: "--frob", Text: "--frob"},
				{Verdict: policy.Permit, Text: "nat", Set: []policy.Assignment{
					{Field: policy.Destination, Family: policy.IPv4, To: []policy.Range{{Lo: policy.Num(1), Hi: policy.Num(9)}}, Keep: policy.Num(7)},
					{Field: policy.Source, Family: policy.IPv4, Own: true},
				}},
			},
		}
		text := f.Encode()
		back, err := policy.DecodeFilter(text)
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if d := cmp.Diff(f, back); d != "" {
			t.Fatalf("%s\n%s", d, text)
		}
	})
}

func TestDecodeFilter_refuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{`:                              "unexpected end",
		`{"name":"a","family":1}`:        "default",
		`{"default":"deny"}`:             "family",
		`{"default":"maybe","family":1}`: `verdict "maybe"`,
		`{"default":"deny","family":1,"rules":[{"text":"x"}]}`:                                                                                 "verdict 0",
		`{"default":"deny","family":1,"rules":[{"verdict":"jump","text":"x"}]}`:                                                                `jump to ""`,
		`{"default":"deny","family":1,"rules":[{"verdict":"deny","text":"x","match":[{"field":"source","of":["10.0.0.0/8"]}]}]}`:               "family",
		`{"default":"deny","family":1,"rules":[{"verdict":"deny","text":"x","match":[{"field":"destinationPort","of":["90-80"]}]}]}`:           "empty range",
		`{"default":"deny","family":1,"rules":[{"verdict":"deny","text":"x","match":[{"field":"protocol"}]}]}`:                                 "no values",
		`{"default":"deny","family":1,"rules":[{"verdict":"deny","text":"x","match":[{"field":"in"}]}]}`:                                       "no values",
		`{"default":"deny","family":1,"rules":[{"verdict":"deny","text":"x","match":[{"field":"frob","of":["1"]}]}]}`:                          `field "frob"`,
		`{"default":"deny","family":1,"attached":[{"hook":"forwards"}]}`:                                                                       `hook "forwards"`,
		`{"default":"deny","family":1,"rules":[{"verdict":"permit","text":"x","set":[{"field":"source","family":"ipv4"}]}]}`:                   "assignment",
		`{"default":"deny","family":1,"rules":[{"verdict":"deny","text":"x","match":[{"field":"source","family":"ipv6","of":["10.0.0.1"]}]}]}`: "other family",
	} {
		if _, err := policy.DecodeFilter(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", text, err, want)
		}
	}
}

func TestRule_String(t *testing.T) {
	t.Parallel()
	prefix := policy.PrefixRange(netip.MustParsePrefix("2001:db8::/33"))
	r := policy.Rule{
		Verdict: policy.Permit, Uncertain: "a limit",
		Match: []policy.Term{
			{Field: policy.Source, Family: policy.IPv6, Of: []policy.Range{prefix}},
			{Field: policy.DestinationPort, Not: true, Of: []policy.Range{policy.Is(80), policy.FromTo(8000, 8080)}},
			{Field: policy.TCPFlags, Of: []policy.Range{policy.Bits(2, 18)}},
			{Field: policy.OutInterface, Names: []string{"eth*"}},
		},
	}
	want := "permit source 2001:db8::/33, destinationPort not 80 8000-8080, tcpFlags 0x2&0x12, out eth* [uncertain: a limit]"
	if got := r.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzDecodeFilter(f *testing.F) {
	f.Add(`{"name":"a","dialect":"ios","family":3,"default":"deny","rules":[{"verdict":"permit","text":"x","match":[{"field":"source","family":"ipv4","of":["10.0.0.0/8"]}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		x, err := policy.DecodeFilter(text)
		if err != nil {
			return
		}
		again, err := policy.DecodeFilter(x.Encode())
		if err != nil {
			t.Fatalf("%v in %s", err, x.Encode())
		}
		if d := cmp.Diff(x.Encode(), again.Encode()); d != "" {
			t.Error(d)
		}
	})
}
