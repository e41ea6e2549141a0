package collectors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode"

	"github.com/throughline-dc/throughline/topology"
)

// Status says how the reading of one device went.
type Status uint8

// The statuses.
const (
	StatusOK      Status = iota + 1 // every table that was attempted was read to its end
	StatusPartial                   // something was read, something was not
	StatusFailed                    // nothing was read
	StatusSkipped                   // not tried: the device failed too often, or is still being read
	StatusStopped                   // the sweep was stopped before or while the device was read
)

// String gives the word that output uses.
func (s Status) String() string {
	names := [...]string{"none", "ok", "partial", "failed", "skipped", "stopped"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Class is the kind of reason why a reading is not whole.
type Class uint8

// The classes.
const (
	ClassNone        Class = iota
	ClassUnreachable       // ErrUnreachable
	ClassDenied            // ErrDenied
	ClassUnsupported       // ErrUnsupported
	ClassMalformed         // ErrMalformed
	ClassTimeout           // the deadline passed
	ClassPanic             // the collector has a defect
	ClassStuck             // the collector did not stop when it was told to, and was left behind
	ClassIncomplete        // the device answered, but not for every table
	ClassBackoff           // not tried, since it failed too often
	ClassBusy              // not tried, since it is still being read
	ClassStopped           // the sweep was stopped
	ClassOther             // an error that says none of these
)

// String gives the word that output uses.
func (c Class) String() string {
	names := [...]string{
		"none", "unreachable", "denied", "unsupported", "malformed", "timeout", "panic", "stuck", "incomplete",
		"backing off", "busy", "stopped", "error",
	}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// classify finds the class of a collector's error. Where several errors are joined, the one that explains the others wins.
func classify(err error) Class {
	var netErr net.Error
	switch {
	case err == nil:
		return ClassNone
	case errors.Is(err, ErrDenied):
		return ClassDenied
	case errors.Is(err, ErrUnsupported):
		return ClassUnsupported
	case errors.Is(err, ErrUnreachable):
		return ClassUnreachable
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return ClassTimeout
	case errors.Is(err, ErrMalformed):
		return ClassMalformed
	}
	return ClassOther
}

// Outcome is what became of one device in one sweep.
type Outcome struct {
	Device       Device
	Status       Status
	Class        Class  // why Status is not StatusOK
	Reason       string // likewise, in words; holds no secret of the device
	Observations []topology.Observation
	Answer       string // what answered, if only the login was tried
	Began        time.Time
	Took         time.Duration // that the device was talked to; waiting for a turn is no part of it
	Shared       bool          // another sweep read the device at that time, and this is what it found
}

// Tables counts the tables read to their end and those that were not.
func (o Outcome) Tables() (complete, partial int) {
	for _, obs := range o.Observations {
		if obs.Reading.Partial {
			partial++
		} else {
			complete++
		}
	}
	return complete, partial
}

// Facts counts the facts in all observations.
func (o Outcome) Facts() int {
	n := 0
	for _, obs := range o.Observations {
		n += len(obs.Facts)
	}
	return n
}

// String is the line for people: "leaf1 snmp: ok, 23 tables, 4812 facts, 1.4s". It holds neither secrets nor control characters.
func (o Outcome) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", o.Device.Handle, o.Device.Source, o.Status)
	switch complete, partial := o.Tables(); {
	case o.Answer != "":
		fmt.Fprintf(&b, ", %s", o.Answer)
	case partial > 0 && complete > 0:
		fmt.Fprintf(&b, ", %d of %d tables, %d facts", complete, complete+partial, o.Facts())
	case complete > 0:
		fmt.Fprintf(&b, ", %d tables, %d facts", complete, o.Facts())
	}
	if o.Took > 0 {
		fmt.Fprintf(&b, ", %s", o.Took.Round(time.Millisecond))
	}
	if o.Reason != "" {
		fmt.Fprintf(&b, ": %s", o.Reason)
	}
	return oneLine(b.String())
}

// Batch is a handful of outcomes, ready to be merged and committed together.
type Batch []Outcome

// Observations gathers what all devices of the batch said.
func (b Batch) Observations() []topology.Observation {
	var all []topology.Observation
	for _, o := range b {
		all = append(all, o.Observations...)
	}
	return all
}

// Summary counts outcomes.
type Summary struct {
	Devices, OK, Partial, Failed, Skipped, Stopped int
	Classes                                        map[Class]int // of those that are not ok
	Tables, Facts                                  int
}

// Add counts one more.
func (s *Summary) Add(o Outcome) {
	s.Devices++
	switch o.Status {
	case StatusOK:
		s.OK++
	case StatusPartial:
		s.Partial++
	case StatusFailed:
		s.Failed++
	case StatusSkipped:
		s.Skipped++
	case StatusStopped:
		s.Stopped++
	}
	if o.Class != ClassNone {
		if s.Classes == nil {
			s.Classes = map[Class]int{}
		}
		s.Classes[o.Class]++
	}
	complete, _ := o.Tables()
	s.Tables += complete
	s.Facts += o.Facts()
}

// String is "1000 readings: 980 ok, 12 partial, 8 failed (5 unreachable, 3 denied)"; what there is none of is left out.
func (s Summary) String() string {
	return strings.TrimSuffix(fmt.Sprintf("%d readings: %s", s.Devices, s.counts()), ": ")
}

func (s Summary) counts() string {
	var counts, classes []string
	for i, n := range []int{s.OK, s.Partial, s.Failed, s.Skipped, s.Stopped} {
		if n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, StatusOK+Status(i)))
		}
	}
	for c := ClassUnreachable; c <= ClassOther; c++ {
		if n := s.Classes[c]; n > 0 && c != ClassStopped {
			classes = append(classes, fmt.Sprintf("%d %s", n, c))
		}
	}
	if len(classes) > 0 {
		return fmt.Sprintf("%s (%s)", strings.Join(counts, ", "), strings.Join(classes, ", "))
	}
	return strings.Join(counts, ", ")
}

// SessionTable is the table of the partial reading that stands for a device which could not be read, or not to the end: no table of the
// device, but the reason why there is none.
const SessionTable = "session"

// conclude turns what a collector returned into an outcome. Neither its texts nor its error are trusted: secrets are taken out, and
// lengths are bounded.
func conclude(d Device, r returned, began time.Time, took time.Duration) Outcome {
	o := Outcome{Device: d, Observations: r.observations, Answer: r.answer, Began: began, Took: took, Class: r.class}
	secrets := d.Secrets()
	if r.class == ClassNone {
		o.Class = classify(r.err)
	}
	if r.err != nil {
		o.Reason = clean(r.err.Error(), secrets)
	}
	o.Answer = clean(o.Answer, secrets)
	for i := range o.Observations {
		reading := &o.Observations[i].Reading
		reading.Reason, reading.Command = clean(reading.Reason, secrets), clean(reading.Command, secrets)
	}
	complete, partial := o.Tables()
	switch {
	case r.class == ClassStopped:
		o.Status = StatusStopped
	case o.Class != ClassNone && (complete > 0 || o.Facts() > 0):
		o.Status = StatusPartial
	case o.Class != ClassNone:
		o.Status = StatusFailed
	case partial > 0:
		o.Status, o.Class, o.Reason = StatusPartial, ClassIncomplete, missing(o.Observations)
	default:
		o.Status = StatusOK
	}
	if r.class != ClassStopped && r.err != nil {
		session := NewReading(d, SessionTable, "", began.Add(took))
		session.Partial, session.Reason = true, o.Reason
		o.Observations = append(o.Observations, topology.Observation{Reading: session})
	}
	return o
}

// missing names the tables that were not read to their end, with the reason for the first.
func missing(observations []topology.Observation) string {
	var names []string
	var reason string
	for _, o := range observations {
		if o.Reading.Partial {
			names = append(names, o.Reading.Table)
			reason = cmp.Or(reason, o.Reading.Reason)
		}
	}
	const shown = 5
	text := strings.Join(names[:min(shown, len(names))], ", ")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}

const maxReason = 1000 // octets; more is no reason but a dump

// clean makes a text from below fit to be kept and shown: no secrets, one line, bounded, valid UTF-8.
func clean(text string, secrets []Secret) string {
	text = strings.ReplaceAll(strings.TrimSpace(Redact(text, secrets...)), "\n", "; ")
	if len(text) > maxReason {
		text = text[:maxReason] + " …"
	}
	return topology.Text([]byte(text))
}

// oneLine escapes what would move a terminal's cursor or change its colours.
func oneLine(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := fmt.Sprintf("%+q", string(r))
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}
