package snmp

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// Options tune a Collector. The zero value is good for a data center.
type Options struct {
	// MaxRows is the longest table of routes that is read: a router with the routes of the Internet has a million, and SNMP is no way to
	// read them. 0: 20,000. A table that is left alone for it has a partial reading that says so.
	MaxRows int64
	// Now tells the time of readings; nil: the system's clock.
	Now func() time.Time
}

// Collector reads network devices over SNMP. It keeps nothing between two readings.
type Collector struct {
	options Options
}

// New makes a collector.
func New(options Options) *Collector {
	if options.MaxRows <= 0 {
		options.MaxRows = 20_000
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Collector{options: options}
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
	as, err := New(Options{Now: func() time.Time { return time.Time{} }}).read(context.Background(), Recording{Held: recording})
	if err != nil {
		return nil, unparsed, err
	}
	d := collectors.Device{Handle: "recording", Source: topology.SourceSNMP}
	observations, misread := newDevice(d, as).observations()
	return observations, append(unparsed, misread...), nil
}

// read asks for everything: single objects first, all at once, then the tables, a few at a time. It ends early when the device cannot be
// asked any more; what was not asked by then is missing in the answers.
func (c *Collector) read(ctx context.Context, w Walker) (answers, error) {
	as, err := c.readScalars(ctx, w)
	if err != nil {
		return as, err
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
		tables = append(tables, s)
	}
	return as, c.readTables(ctx, w, tables, as)
}

// readScalars asks for the single objects of all reads together, and hands each read its part of the answer.
func (c *Collector) readScalars(ctx context.Context, w Walker) (answers, error) {
	var groups []subject
	var oids []snmprec.OID
	for _, s := range subjects() {
		if s.Scalar {
			groups = append(groups, s)
			oids = append(oids, s.Instances()...)
		}
	}
	said, all, err := w.Scalars(ctx, oids...)
	now := c.options.Now()
	as := answers{}
	if err != nil && len(said) == 0 {
		return as, err
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
	return as, err
}

// readTables walks the tables. The first error says that further walks are pointless: those under way are left to find out themselves,
// no other is begun.
func (c *Collector) readTables(ctx context.Context, w Walker, tables []subject, as answers) error {
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
