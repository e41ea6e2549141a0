package snmp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// Options tune a Collector. The zero value is good for a data center.
type Options struct {
	// Profile is how hard a device may be asked about whose limits its access says nothing; the zero value: DefaultProfile.
	Profile Profile
	// MaxRows is the longest table of routes that is read: a router with the routes of the Internet has a million, and SNMP is no way to
	// read them. 0: 20,000. A table that is left alone for it has a partial reading that says so.
	MaxRows int64
	// Rely is how long a table may be taken to be as it was because its change indicator stands still, before it is read again all the same.
	// 0: topology.DefaultAgeLimit, so that even an indicator that lies shows nothing as fresh that is older than any reading may be; negative:
	// every table is read every time, and nothing is kept of a device between two readings.
	Rely time.Duration
	// Now tells the time of readings; nil: the system's clock.
	Now func() time.Time
}

// Collector reads network devices over SNMP. Between two readings it keeps of a device the tables that have a change indicator.
type Collector struct {
	options Options
	memory  memory
	hub     *hub
}

var (
	_ collectors.Collector = (*Collector)(nil)
	_ collectors.Prober    = (*Collector)(nil)
)

// New makes a collector.
func New(options Options) *Collector {
	if options.Profile == (Profile{}) {
		options.Profile = DefaultProfile()
	}
	if options.MaxRows <= 0 {
		options.MaxRows = 20_000
	}
	if options.Rely == 0 {
		options.Rely = topology.DefaultAgeLimit
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Collector{options: options, memory: memory{devices: map[place]*remembered{}}, hub: newHub(sharedSockets)}
}

// sharedSockets carry all devices of a Collector.
const sharedSockets = 3

// Collect reads every table of Reads. The error says that the device does not answer, or not any more, or shows nothing; a table that
// failed for a reason of its own is a partial reading.
func (c *Collector) Collect(ctx context.Context, d collectors.Device) (observations []topology.Observation, err error) {
	session, err := c.open(d)
	if err != nil {
		return nil, err
	}
	defer func() { err = ended(ctx, errors.Join(err, session.Close())) }()
	as, next, err := c.read(ctx, session, c.memory.take(d))
	if err == nil && blind(as) {
		return nil, fmt.Errorf("%w: the agent shows nothing of the system group, which every agent has: the view of this user is empty",
			collectors.ErrDenied)
	}
	if err == nil && c.options.Rely > 0 {
		c.memory.put(d, next)
	}
	observations, _ = newDevice(d, as).observations()
	return observations, err
}

// Probe reads sysName and sysDescr, which every agent has.
func (c *Collector) Probe(ctx context.Context, d collectors.Device) (answer string, err error) {
	session, err := c.open(d)
	if err != nil {
		return "", err
	}
	defer func() { err = ended(ctx, errors.Join(err, session.Close())) }()
	name, descr := mib2(1, sysName, 0), mib2(1, sysDescr, 0)
	said, result, err := session.Scalars(ctx, name, descr)
	if err != nil {
		return "", err
	}
	for _, g := range result.Gaps {
		return "", fmt.Errorf("%w: %s", collectors.ErrMalformed, g)
	}
	line, _, _ := strings.Cut(textOf(said[descr]), "\n")
	words := slices.DeleteFunc([]string{textOf(said[name]), cleanText(line)}, func(s string) bool { return s == "" })
	if len(words) == 0 {
		return "an agent that shows neither sysName nor sysDescr", nil
	}
	return strings.Join(words, ": "), nil
}

func (c *Collector) open(d collectors.Device) (*Session, error) {
	access, ok := d.Access.(collectors.SNMPAccess)
	if !ok {
		return nil, fmt.Errorf("%s: the access of the device is not one of SNMP but %T", d.Handle, d.Access)
	}
	return newSession(c.hub, d.Address, access, c.options.Profile)
}

// ended adds to an error that ctx ended, where that is so: what breaks off then looks like a device that does not answer.
func ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

// blind reports that a device answered and showed nothing, not even what every agent must have.
func blind(as told) bool {
	for _, v := range as[readSystem].scalars {
		if v.Present() {
			return false
		}
	}
	return as.complete(readSystem)
}

// The answers that Parse reads.
const (
	AnswerWalk    = "walk"    // text of `snmpwalk -On`
	AnswerSnmprec = "snmprec" // a recording of snmpsim and LibreNMS
)

// Parse reads a recording of a whole agent as if the agent were asked: answer is AnswerWalk or AnswerSnmprec. The observations speak of
// the device "recording" and have no time. Lines that are no varbind and values that are not what their MIB says are unparsed.
func Parse(answer string, raw []byte) ([]topology.Observation, []collectors.Unparsed, error) {
	var recording snmprec.Recording
	var err error
	switch answer {
	case AnswerWalk:
		recording, err = snmprec.ParseWalk(raw)
	case AnswerSnmprec:
		recording, err = snmprec.ParseSnmprec(raw)
	default:
		return nil, nil, fmt.Errorf("answer %q: want %s or %s", answer, AnswerWalk, AnswerSnmprec)
	}
	var unparsed []collectors.Unparsed
	for _, s := range recording.Skipped {
		unparsed = append(unparsed, collectors.Unparsed{Where: fmt.Sprintf("line %d", s.Line), Why: s.Reason})
	}
	if err != nil {
		return nil, unparsed, fmt.Errorf("%w: %w", collectors.ErrMalformed, err)
	}
	as, _, err := New(Options{Now: func() time.Time { return time.Time{} }}).read(context.Background(), Recording{Held: recording}, nil)
	if err != nil {
		return nil, unparsed, err
	}
	d := collectors.Device{Handle: "recording", Source: topology.SourceSNMP}
	observations, misread := newDevice(d, as).observations()
	return observations, append(unparsed, misread...), nil
}

// read asks for everything: single objects first, all at once, then the tables, a few at a time, save those that are proven to be as they were
// last time. It ends early when the device cannot be asked any more; what was not asked by then is missing in the answers.
func (c *Collector) read(ctx context.Context, w Walker, last *remembered) (told, *remembered, error) {
	as, now, err := c.readScalars(ctx, w, last.wanted())
	if err != nil {
		return as, nil, err
	}
	next := newRemembered(as, now)
	if !next.continues(last) {
		last = &remembered{}
	}
	var tables []subject
	for _, s := range subjects() {
		if s.Scalar {
			continue
		}
		if s.count != nil {
			if rows, ok := s.count(as); ok && rows > c.options.MaxRows {
				as[s.Name] = c.leftAlone(s, rows)
				continue
			}
		}
		if kept, rows, ok := next.standing(s, last, c.options.Rely); ok {
			as[s.Name] = answer{rows: rows, result: Result{Complete: true}, time: now.asked, stood: s.Indicators[0].Name}
			next.tables[s.Name] = kept
			continue
		}
		tables = append(tables, s)
	}
	err = c.readTables(ctx, w, tables, as)
	for _, s := range tables {
		doubt(s, as)
		next.keep(s, as[s.Name])
	}
	return as, next, err
}

// doubt marks a table as incomplete that is empty against the device's own word.
func doubt(s subject, as told) {
	a, asked := as[s.Name]
	if !asked || s.promised == nil || a.rows.Len() > 0 {
		return
	}
	if rows, ok := s.promised(as); ok && rows > 0 {
		a.result.Gaps = append(a.result.Gaps, Gap{
			After: s.OID, Reason: fmt.Sprintf("the device says that it has %d rows and shows none: the view of this user may hide them", rows),
		})
		a.result.finish()
		as[s.Name] = a
	}
}

// readScalars asks for the signs first and then for the single objects of all reads together, and hands each read its part of the answer.
func (c *Collector) readScalars(ctx context.Context, w Walker, wanted []snmprec.OID) (told, signs, error) {
	var groups []subject
	oids := slices.Clone(wanted)
	for _, s := range subjects() {
		if s.Scalar {
			groups = append(groups, s)
			oids = append(oids, s.Instances()...)
		}
	}
	heard := signs{asked: c.options.Now(), said: Scalars{}}
	said, all, err := w.Scalars(ctx, oids...)
	now := c.options.Now()
	as := told{}
	if err != nil && len(said) == 0 {
		return as, heard, err
	}
	for _, oid := range wanted {
		heard.said[oid] = said[oid]
	}
	for _, s := range groups {
		a := answer{scalars: Scalars{}, time: now}
		for _, oid := range s.Instances() {
			if v, ok := said[oid]; ok {
				a.scalars[oid] = v
			}
		}
		for _, g := range all.Gaps {
			if slices.Contains(s.Instances(), g.After) {
				a.result.Gaps = append(a.result.Gaps, g)
			}
		}
		a.result.finish()
		as[s.Name] = a
	}
	return as, heard, err
}

// readTables walks the tables. The first error says that further walks are pointless: those under way are left to find out themselves,
// no other is begun.
func (c *Collector) readTables(ctx context.Context, w Walker, tables []subject, as told) error {
	const atOnce = 4 // short tables are a round trip each; the budget decides how many requests are under way
	var mu sync.Mutex
	var walks sync.WaitGroup
	var failed error
	slots := make(chan struct{}, atOnce)
	for _, s := range tables {
		slots <- struct{}{} // a walk that waits for the device ends with ctx
		mu.Lock()
		stop := failed != nil
		mu.Unlock()
		if stop {
			break
		}
		walks.Go(func() {
			defer func() { <-slots }()
			rows, result, err := w.Walk(ctx, s.Table())
			mu.Lock()
			defer mu.Unlock()
			as[s.Name] = answer{rows: rows, result: result, time: c.options.Now()}
			if failed == nil {
				failed = err
			}
		})
	}
	walks.Wait()
	return failed
}

func (c *Collector) leftAlone(s subject, rows int64) answer {
	a := answer{time: c.options.Now()}
	a.result.Gaps = []Gap{{
		After: s.OID, Reason: fmt.Sprintf("the device has %d rows of it, and a table of more than %d is left alone", rows, c.options.MaxRows),
	}}
	a.result.finish()
	return a
}
