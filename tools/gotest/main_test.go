package main

import (
	"slices"
	"strings"
	"testing"
)

func TestReport_showsSkipsAndRefusesThemWhenLive(t *testing.T) {
	t.Parallel()
	const events = `{"Action":"output","Package":"p","Test":"TestCorpus","Output":"=== RUN   TestCorpus\n"}
{"Action":"output","Package":"p","Test":"TestCorpus","Output":"    x_test.go:3: no corpus\n"}
{"Action":"skip","Package":"p","Test":"TestCorpus"}
{"Action":"output","Package":"p","Test":"TestRoot","Output":"    x_test.go:9: not root\n"}
{"Action":"skip","Package":"p","Test":"TestRoot"}
{"Action":"output","Package":"p","Test":"TestBad","Output":"    x_test.go:12: got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestBad"}
{"Action":"fail","Package":"p","Elapsed":0.5}
not json
`
	for _, live := range []bool{false, true} {
		var out strings.Builder
		r := report{out: &out, requireLive: live, text: map[string]*strings.Builder{}}
		if err := r.read(strings.NewReader(events)); err != nil {
			t.Fatal(err)
		}
		r.summary()
		for _, want := range []string{
			"SKIP p TestCorpus: x_test.go:3: no corpus\n",
			"SKIP p TestRoot: x_test.go:9: not root\n",
			"FAIL p TestBad\n         x_test.go:12: got 1, want 2\n",
			"not json\n",
			"1 packages, 1 failed\ntests: 0 passed, 1 failed, 2 skipped\n",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("live %v: no %q in\n%s", live, want, out.String())
			}
		}
		var want []string
		if live {
			want = []string{"p TestRoot"}
		}
		if !slices.Equal(r.refused, want) {
			t.Errorf("live %v: refused %q, want %q", live, r.refused, want)
		}
	}
}

func TestReport_saysWhatNeverEnded(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r := report{out: &out, text: map[string]*strings.Builder{}}
	if err := r.read(strings.NewReader(`{"Action":"output","Package":"p","Test":"TestHangs","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"p"}`)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "FAIL p TestHangs: did not end\n     panic: test timed out\n") {
		t.Error(out.String())
	}
}
