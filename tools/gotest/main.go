// Command gotest runs `go test -json` with its arguments and says what people need:
// one line per package, the output of what failed, and every skipped test with its reason,
// which plain `go test` hides. With REQUIRE_LIVE=1 a test may skip only for want of the
// corpus; any other skip fails the run.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
)

func main() {
	// The interrupt of a terminal reaches go test too; this program waits for what it has to say.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	cmd := exec.Command("go", append([]string{"test", "-json"}, os.Args[1:]...)...) //nolint:gosec,noctx // the caller's own arguments; ends with go test
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(2)
	}
	r := report{out: os.Stdout, requireLive: os.Getenv("REQUIRE_LIVE") == "1", text: map[string]*strings.Builder{}}
	readErr := r.read(stdout)
	waitErr := cmd.Wait()
	r.summary()
	var exit *exec.ExitError
	switch {
	case readErr != nil:
		fmt.Fprintln(os.Stderr, "gotest:", readErr)
		os.Exit(2)
	case errors.As(waitErr, &exit):
		os.Exit(max(exit.ExitCode(), 1))
	case waitErr != nil || len(r.refused) > 0:
		os.Exit(1)
	}
}

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // seconds
}

// report prints events as they end and counts them.
type report struct {
	out         io.Writer
	requireLive bool

	text                     map[string]*strings.Builder // output so far, by package and test
	packages, failedPackages int
	passed, failed, skipped  int
	refused                  []string // skipped tests that REQUIRE_LIVE does not forgive
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(r.out, "%s", line) // not an event: go itself is speaking
			} else {
				r.handle(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) handle(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		if r.text[key] == nil {
			r.text[key] = &strings.Builder{}
		}
		r.text[key].WriteString(e.Output)
	case "pass", "fail", "skip":
		text := ""
		if b := r.text[key]; b != nil {
			text = b.String()
		}
		delete(r.text, key)
		if e.Test == "" {
			r.endPackage(e, text)
		} else {
			r.endTest(e, text)
		}
	}
}

func (r *report) endTest(e event, text string) {
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
		fmt.Fprintf(r.out, "FAIL %s %s\n%s", short(e.Package), e.Test, indent(text))
	case "skip":
		r.skipped++
		reason := cmp.Or(said(text), "no reason given")
		fmt.Fprintf(r.out, "SKIP %s %s: %s\n", short(e.Package), e.Test, reason)
		if r.requireLive && !strings.Contains(strings.ToLower(reason), "corpus") {
			r.refused = append(r.refused, short(e.Package)+" "+e.Test)
		}
	}
}

func (r *report) endPackage(e event, text string) {
	switch e.Action { // "skip" is a package without tests
	case "pass":
		r.packages++
		cached := ""
		if strings.Contains(text, "(cached)") {
			cached = " (cached)"
		}
		fmt.Fprintf(r.out, "ok   %-40s %6.1fs%s\n", short(e.Package), e.Elapsed, cached)
	case "fail":
		r.packages++
		r.failedPackages++
		// What a panic or a time limit leaves is said by the package, or by tests that never ended.
		for key, b := range r.text {
			if strings.HasPrefix(key, e.Package+" ") {
				fmt.Fprintf(r.out, "FAIL %s: did not end\n%s", strings.Replace(key, e.Package, short(e.Package), 1), indent(b.String()))
				delete(r.text, key)
			}
		}
		fmt.Fprintf(r.out, "FAIL %-40s %6.1fs\n%s", short(e.Package), e.Elapsed, indent(text))
	}
}

func (r *report) summary() {
	for _, name := range r.refused {
		fmt.Fprintf(r.out, "REQUIRE_LIVE=1 and yet skipped: %s\n", name)
	}
	fmt.Fprintf(r.out, "%d packages, %d failed\ntests: %d passed, %d failed, %d skipped\n",
		r.packages, r.failedPackages, r.passed, r.failed, r.skipped)
}

// said is what a test printed, without the lines of the test runner.
func said(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, " ")
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "=== ") {
			b.WriteString("     " + line)
		}
	}
	return b.String()
}

// short is the package's path below the module.
func short(pkg string) string {
	return strings.TrimPrefix(pkg, "github.com/throughline-dc/throughline/")
}
