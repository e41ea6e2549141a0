package ssh

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/throughline-dc/throughline/internal/transport"
	"github.com/throughline-dc/throughline/topology"
)

// What shells and commands say, in the C locale.
var (
	// sudo that is not there: "bash: sudo: command not found", "sh: 1: sudo: not found".
	noSudo = regexp.MustCompile(`(^|[ :])sudo: (command )?not found`)
	// A command that is not there: exit status 127 (POSIX 2.8.2); sudo's own word for it has status 1.
	noCommand = regexp.MustCompile(`(?m)^sudo: \S+: command not found`)
	// A file that is not there, as grep, cat and ls say it.
	noFile = regexp.MustCompile(`^(grep|cat|ls|head): .*: No such file or directory$`)
	// sudo that would ask, or does not allow it.
	sudoDenied = regexp.MustCompile(`(?m)^sudo: .*(password is required|no tty present|terminal is required|not allowed)|is not in the sudoers file|may not run sudo|not allowed to execute`)
	// Errors of privilege (errno EACCES, EPERM) and the usual words for them.
	denied = regexp.MustCompile(`(?i)permission denied|operation not permitted|need to be root|must be root|are you root|requires root|only root can|superuser`)
)

const (
	statusNotFound      = 127
	statusNotExecutable = 126
)

// judge says what an answer is worth: pure. Nothing of an answer that is lost is looked at.
func judge(t table, line string, out transport.Output, err error, n noise) answer {
	a := answer{line: line}
	odd := n.odd(out.Stdout)
	out.Stdout, out.Stderr = n.strip(out.Stdout, n.stdout), n.strip(out.Stderr, n.stderr)
	complaint := firstLine(out.Stderr)
	switch {
	case err != nil:
		a.lost, a.partial = true, err.Error()
	case odd:
		a.lost, a.partial = true, "what the login shell prints before the answer is not always the same"
	case out.Signal != "":
		a.lost, a.partial = true, "the command was ended by signal "+out.Signal
	case out.Status == 0 && t.none != "" && bytes.Contains(out.Stderr, []byte(t.none)): // old versions do not call it a failure
		a.absent = true
	case out.Status == 0:
		a.raw = out.Stdout
		if denied.Match(out.Stderr) || t.but != "" && bytes.Contains(out.Stderr, []byte(t.but)) {
			a.partial = "not all could be read: " + complaint
		}
	default:
		judgeFailure(&a, t, out, complaint)
	}
	return a
}

// judgeFailure says what the answer of a command with an exit status other than 0 is worth.
func judgeFailure(a *answer, t table, out transport.Output, complaint string) {
	sudo := strings.HasPrefix(a.line, sudoPrefix)
	switch {
	case sudo && noSudo.Match(out.Stderr):
		a.lost, a.partial = true, "there is no sudo on the device"
	case sudo && sudoDenied.Match(out.Stderr):
		a.lost, a.partial = true, "sudo does not let this user run the command without a password: "+complaint
	case out.Status == statusNotFound, sudo && noCommand.Match(out.Stderr):
		a.absent, a.notFound, a.complaint = true, true, cmp.Or(complaint, "not found")
		if !t.may {
			a.partial = "the device has no such command: " + complaint
		}
	case t.none != "" && (bytes.Contains(out.Stderr, []byte(t.none)) || bytes.Contains(out.Stdout, []byte(t.none))):
		a.absent = true
	case t.may && onlyMissingFiles(out.Stderr):
		a.raw, a.absent = out.Stdout, len(bytes.TrimSpace(out.Stdout)) == 0
	case strings.HasPrefix(strings.TrimPrefix(a.line, sudoPrefix), "grep ") && out.Status == 1 && complaint == "":
		a.raw = out.Stdout // no line matches (POSIX grep): every file is empty
	case out.Status == statusNotExecutable || denied.Match(out.Stderr) || denied.Match(out.Stdout):
		a.partial = "a privilege is missing: " + complaint
		if t.root && !sudo {
			a.partial += " (sudo: true in the inventory sends this command with sudo)"
		}
		// What grep could read is good; of another command nobody knows what it left out.
		a.raw = out.Stdout
		a.lost = !strings.HasPrefix(strings.TrimPrefix(a.line, sudoPrefix), "grep ")
	default:
		a.lost, a.partial = true, fmt.Sprintf("exit status %d", out.Status)
		if complaint != "" {
			a.partial += ": " + complaint
		}
	}
}

// again reports that the command of older systems may do better. One that takes too long or that may not be run is not sent in another form.
func (a answer) again() bool {
	if strings.HasPrefix(a.partial, "a privilege") || strings.HasPrefix(a.partial, "sudo") || strings.HasPrefix(a.partial, "there is no sudo") {
		return false
	}
	return a.notFound || !a.whole()
}

func onlyMissingFiles(stderr []byte) bool {
	found := false
	for line := range bytes.Lines(stderr) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && !noFile.Match(line) {
			return false
		}
		found = found || len(line) > 0
	}
	return found
}

const maxComplaint = 300 // octets

// stamped is what a line of a log begins with that is another one each time: the date and time of lldpcli (log.c), with the number of the line of Open vSwitch
// (vlog), of FRR (2026/11/21), of multipath (Nov 21 or the uptime, and a bar), or the uptime in brackets. A reason that tells them would be a change in every sweep.
var stamped = regexp.MustCompile(`^(?:` +
	`\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?(?:\|\d+\|| +)` +
	`|[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d(?: \|)? +` +
	`|\d+\.\d+ \| +` +
	`|\[ *\d+\.\d+\] +)`)

// firstLine gives the first line of what a command complains of, without the time at which it did.
func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	line = stamped.ReplaceAll(line, nil)
	if len(line) > maxComplaint {
		line = line[:maxComplaint]
	}
	return topology.Text(bytes.TrimSpace(line))
}

// noise is what the login shell prints before every answer: greetings of a profile that does not ask who is there.
type noise struct{ stdout, stderr []byte }

var errNoLinux = errors.New("not the one line of uname, and nothing that a Linux system says")

// listen finds the noise in the answer of the first command, whose last line is known to be "Linux NODE RELEASE MACHINE".
func listen(out transport.Output) (noise, error) {
	text := bytes.TrimRight(out.Stdout, "\r\n")
	begin := bytes.LastIndexByte(text, '\n') + 1
	if words := bytes.Fields(text[begin:]); len(words) != 4 || string(words[0]) != "Linux" {
		return noise{}, errNoLinux
	}
	return noise{stdout: out.Stdout[:begin], stderr: out.Stderr}, nil
}

// digits are what differs in a greeting: times, counters, addresses.
var digits = regexp.MustCompile(`[0-9]+`)

// strip takes the noise off the beginning of a text. Its digits may have changed.
func (n noise) strip(text, before []byte) []byte {
	if bytes.HasPrefix(text, before) {
		return text[len(before):]
	}
	lines := bytes.Count(before, []byte("\n"))
	end := 0
	for range lines {
		i := bytes.IndexByte(text[end:], '\n')
		if i < 0 {
			return text
		}
		end += i + 1
	}
	if lines > 0 && bytes.Equal(digits.ReplaceAll(text[:end], []byte("0")), digits.ReplaceAll(before, []byte("0"))) {
		return text[end:]
	}
	return text
}

// odd reports that there is noise, and that a text does not begin with it.
func (n noise) odd(text []byte) bool {
	return len(n.stdout) > 0 && len(n.strip(text, n.stdout)) == len(text)
}
