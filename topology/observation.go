package topology

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Source is a way of reading, in order of precedence: where two sources disagree with equal confidence, the one named first here
// is believed, and taking it away reveals the next. Plans come first so that a simulated change hides what is there.
type Source uint8

// The sources.
const (
	_ Source = iota

	SourcePlan    // a change-set that is being simulated
	SourceManual  // an operator's word in the inventory
	SourceLibvirt // the hypervisor about its guests
	SourceVSphere
	SourceSAN     // an array or fabric about itself
	SourceSSH     // an operating system's own tools
	SourceCLI     // show commands and configurations of network operating systems
	SourceSNMP    // MIBs, which round and truncate
	SourceRedfish // a BMC

	sourceEnd
)

var sourceNames = [sourceEnd]string{ //nolint:gochecknoglobals // read-only table
	SourcePlan: "plan", SourceManual: "manual", SourceLibvirt: "libvirt", SourceVSphere: "vsphere",
	SourceSAN: "san", SourceSSH: "ssh", SourceCLI: "cli", SourceSNMP: "snmp", SourceRedfish: "redfish",
}

// String gives the lower-case name that inventories and output use.
func (s Source) String() string {
	if s == 0 || s >= sourceEnd {
		return fmt.Sprintf("source(%d)", uint8(s))
	}
	return sourceNames[s]
}

// ParseSource is the inverse of String.
func ParseSource(text string) (Source, error) {
	for s := Source(1); s < sourceEnd; s++ {
		if sourceNames[s] == text {
			return s, nil
		}
	}
	return 0, syntaxError("source", text, "no such source")
}

// ReadingKey names one table of one device as one source reads it. Complete and partial readings of a table are two readings:
// what a broken-off reading did not see keeps pointing to the last complete one, with its age.
type ReadingKey struct {
	Device  string // handle in the inventory
	Table   string // what was read: LLDP-MIB, domains, ifTable ...
	Source  Source
	Partial bool
}

// String gives device/source/table, with "~" appended if partial. A slash in the device's name is escaped.
func (k ReadingKey) String() string {
	s := EscapeID(k.Device) + "/" + k.Source.String() + "/" + k.Table
	if k.Partial {
		s += "~"
	}
	return s
}

// Compare orders by source, then device, table and completeness.
func (k ReadingKey) Compare(o ReadingKey) int {
	if k.Source != o.Source {
		return int(k.Source) - int(o.Source)
	}
	if c := strings.Compare(k.Device, o.Device); c != 0 {
		return c
	}
	if c := strings.Compare(k.Table, o.Table); c != 0 {
		return c
	}
	if k.Partial == o.Partial {
		return 0
	}
	if o.Partial {
		return -1
	}
	return 1
}

// Reading is one look at one table. "Last seen" of every fact is its reading's time, so an unchanged sweep renews a few
// readings and writes no fact.
type Reading struct {
	ReadingKey
	Command string    // the command or OID that was sent
	Time    time.Time // when the answer was there; UTC, whole milliseconds
	Rows    int       // how many rows the table had; 0 in a complete reading: the device has no such table
	Reason  string    // why it is partial, or what in it was not understood
}

// Check reports why the model does not allow the reading.
func (r Reading) Check() error {
	if r.Source == 0 || r.Source >= sourceEnd {
		return fmt.Errorf("%w: reading %q of no source", ErrSchema, r.ReadingKey)
	}
	for _, text := range []string{r.Device, r.Table, r.Command, r.Reason} {
		if !utf8.ValidString(text) {
			return fmt.Errorf("%w: reading %q: %q is not UTF-8", ErrSchema, r.ReadingKey, text)
		}
	}
	return nil
}

// Fact is one thing that one reading says: either that Subject has the Value for Attr, or that Subject stands in relation Rel
// to Object.
type Fact struct {
	Subject    Key
	Value      Value // of Attr
	Object     Key   // of Rel
	Attr       Attr
	Rel        Rel
	Confidence uint8      // 1 to 100, how far the reading proves it; 0 is read as 100
	Derived    bool       // reconcile concluded it from the reading; no device said so in these words
	Reading    ReadingKey // set by reconcile for what collectors send
	Since      time.Time  // first seen; set by reconcile
}

// Confidences of what reconcile concludes. Direct statements have 100.
const (
	ConfidenceStated  = 100
	ConfidenceLLDP    = 95 // the neighbour named itself
	ConfidenceCDP     = 90
	ConfidenceFDB     = 60 // the address was learned there and nowhere else
	ConfidenceARP     = 40 // the address answers there
	ConfidenceDenied  = 10 // a newer reading of the other end says otherwise
	ConfidenceByMatch = 80 // two sources give the same address or name

	// ConfidenceConfigured is that of what is set up, and was not seen in force: a session that a domain's definition asks for, a layer that is not active.
	ConfidenceConfigured = 20
)

// Observation is one reading and all that it says. Collectors leave Reading, Since and Derived of the facts empty, and use
// local keys (see Key) for the device they read and for its parts.
type Observation struct {
	Reading Reading
	Facts   []Fact
}

// Attribute states that subject has value v for a.
func Attribute(subject Key, a Attr, v Value) Fact { return Fact{Subject: subject, Attr: a, Value: v} }

// Relate states a relation. Mutual relations are turned so that the lesser key is the subject.
func Relate(subject Key, r Rel, object Key) Fact {
	if r < relEnd && relations[r].Mutual && object.Compare(subject) < 0 {
		subject, object = object, subject
	}
	return Fact{Subject: subject, Rel: r, Object: object}
}

// Check reports why the model does not allow the fact.
func (f Fact) Check() error {
	if !f.Subject.valid() {
		return fmt.Errorf("%w: subject %q", ErrSchema, f.Subject)
	}
	return f.checkClaim()
}

// checkClaim is Check for a fact whose subject is allowed.
func (f Fact) checkClaim() error {
	if f.Confidence > 100 {
		return fmt.Errorf("%w: confidence %d", ErrSchema, f.Confidence)
	}
	if f.Rel == 0 {
		if !f.Object.IsZero() {
			return fmt.Errorf("%w: %s has an object %q and no relation", ErrSchema, f, f.Object)
		}
		if err := f.Attr.check(f.Value); err != nil {
			return fmt.Errorf("%s: %w", f.Subject, err)
		}
		return nil
	}
	if f.Attr != 0 || !f.Value.IsZero() || !f.Object.valid() {
		return fmt.Errorf("%w: %s %s to %q", ErrSchema, f.Subject, f.Rel, f.Object)
	}
	if err := f.Rel.check(f.Subject.Kind, f.Object.Kind); err != nil {
		return fmt.Errorf("%s: %w", f.Subject, err)
	}
	if relations[f.Rel].Mutual && f.Object.Compare(f.Subject) <= 0 {
		return fmt.Errorf("%w: %s %s %s is not in canonical direction", ErrSchema, f.Subject, f.Rel, f.Object)
	}
	return nil
}

// Identity is what makes two facts the same statement of the same reading: all but confidence and first-seen time.
func (f Fact) Identity() Fact {
	f.Confidence, f.Since = 0, time.Time{}
	return f
}

// Compare orders facts by subject, attribute or relation, value or object, then reading.
func (f Fact) Compare(o Fact) int {
	if c := f.Subject.Compare(o.Subject); c != 0 {
		return c
	}
	if f.Attr != o.Attr {
		return int(f.Attr) - int(o.Attr)
	}
	if f.Rel != o.Rel {
		return int(f.Rel) - int(o.Rel)
	}
	if c := f.Object.Compare(o.Object); c != 0 {
		return c
	}
	if c := f.Value.Compare(o.Value); c != 0 {
		return c
	}
	if c := f.Reading.Compare(o.Reading); c != 0 {
		return c
	}
	if f.Derived != o.Derived {
		if o.Derived {
			return -1
		}
		return 1
	}
	return 0
}

// String is for people and golden files: "port:x/eth0 mtu=1500" or "port:x/eth0 Link port:y/eth1".
func (f Fact) String() string {
	if f.Rel != 0 {
		return f.Subject.String() + " " + f.Rel.String() + " " + f.Object.String()
	}
	return f.Subject.String() + " " + f.Attr.String() + "=" + f.Value.String()
}

// Delta takes one revision of the facts to the next: what reconcile decides and a store commits. Removals are applied first;
// a fact whose reading or confidence changes is removed and added. Every fact added points to a reading that exists then.
type Delta struct {
	Time        time.Time
	Renew       []Reading    // new readings and new looks at known ones
	Forget      []ReadingKey // readings that no fact points to any more
	Remove, Add []Fact
}

// Empty reports whether the delta changes nothing, not even an age.
func (d Delta) Empty() bool {
	return len(d.Renew) == 0 && len(d.Forget) == 0 && len(d.Remove) == 0 && len(d.Add) == 0
}
